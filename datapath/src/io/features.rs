//! What a device's driver can do with XDP, by the kernel's own account: the generic netlink family `netdev`
//! (linux/Documentation/netlink/specs/netdev.yaml, Linux 6.3).

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// It runs programs before it makes a packet of a frame.
pub(super) const BASIC: u64 = 1 << 0;
/// It redirects to sockets.
pub(super) const REDIRECT: u64 = 1 << 1;
/// It sends what others' programs redirect to it.
pub(super) const TAKES: u64 = 1 << 2;
/// It receives into, and sends from, a socket's memory.
pub(super) const ZERO_COPY: u64 = 1 << 3;

const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const NETDEV_CMD_DEV_GET: u8 = 1;
const NETDEV_A_DEV_IFINDEX: u16 = 1;
const NETDEV_A_DEV_XDP_FEATURES: u16 = 3;
/// nlmsghdr and genlmsghdr.
const HEADERS: usize = 20;

/// The features of a device of this network namespace.
pub(super) fn of(ifindex: u32) -> io::Result<u64> {
    // SAFETY: no pointers; the descriptor is owned from here on.
    let fd = unsafe {
        let fd = libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_GENERIC);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        OwnedFd::from_raw_fd(fd)
    };
    let family = ask(&fd, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, (CTRL_ATTR_FAMILY_NAME, b"netdev\0"), CTRL_ATTR_FAMILY_ID)?;
    let family = family.first_chunk().map(|id| u16::from_ne_bytes(*id)).ok_or(io::ErrorKind::InvalidData)?;
    let index = (NETDEV_A_DEV_IFINDEX, &ifindex.to_ne_bytes()[..]);
    let features = ask(&fd, family, NETDEV_CMD_DEV_GET, index, NETDEV_A_DEV_XDP_FEATURES)?;
    features.first_chunk().map(|bits| u64::from_ne_bytes(*bits)).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Asks with one attribute and returns one attribute of the answer.
fn ask(fd: &OwnedFd, family: u16, command: u8, (kind, value): (u16, &[u8]), wanted: u16) -> io::Result<Vec<u8>> {
    let mut request = Vec::new();
    request.extend([0; 4]);
    request.extend(family.to_ne_bytes());
    request.extend((libc::NLM_F_REQUEST as u16).to_ne_bytes());
    request.extend([0; 8]);
    request.extend([command, 1, 0, 0]);
    request.extend((4 + value.len() as u16).to_ne_bytes());
    request.extend(kind.to_ne_bytes());
    request.extend(value);
    request.resize(request.len().next_multiple_of(4), 0);
    let length = request.len() as u32;
    request[..4].copy_from_slice(&length.to_ne_bytes());
    let mut reply = vec![0u8; 1 << 15];
    // SAFETY: pointers and lengths are of live buffers.
    let length = unsafe {
        if libc::send(fd.as_raw_fd(), request.as_ptr().cast(), request.len(), 0) < 0 {
            return Err(io::Error::last_os_error());
        }
        libc::recv(fd.as_raw_fd(), reply.as_mut_ptr().cast(), reply.len(), 0)
    };
    if length < 0 {
        return Err(io::Error::last_os_error());
    }
    let reply = &reply[..length as usize];
    let word = |at: usize| reply.get(at..).and_then(|r| r.first_chunk()).map(|half| u16::from_ne_bytes(*half));
    if word(4).map(i32::from) == Some(libc::NLMSG_ERROR) {
        let error = reply.get(16..).and_then(|r| r.first_chunk()).map_or(0, |code| i32::from_ne_bytes(*code));
        return Err(io::Error::from_raw_os_error(-error));
    }
    let mut at = HEADERS;
    while let (Some(length), Some(kind)) = (word(at).map(usize::from), word(at + 2)) {
        if length < 4 {
            break;
        }
        if kind == wanted {
            return reply.get(at + 4..at + length).map(<[u8]>::to_vec).ok_or_else(|| io::ErrorKind::InvalidData.into());
        }
        at += length.next_multiple_of(4);
    }
    Err(io::ErrorKind::NotFound.into())
}
