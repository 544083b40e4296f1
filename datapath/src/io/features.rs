//! What a device's driver can do with XDP, by the kernel's own account: the generic netlink family `netdev`
//! (linux/Documentation/netlink/specs/netdev.yaml, Linux 6.3).

use super::socket;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// It runs programs before it makes a packet of a frame.
pub(super) const BASIC: u64 = 1 << 0;
/// It redirects to sockets.
pub(super) const REDIRECT: u64 = 1 << 1;
/// It sends what others' programs redirect to it.
pub(super) const NDO_XMIT: u64 = 1 << 2;
/// It receives into, and sends from, a socket's memory.
pub(super) const ZERO_COPY: u64 = 1 << 3;

const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const CTRL_ATTR_MCAST_GROUPS: u16 = 7;
const CTRL_ATTR_MCAST_GRP_NAME: u16 = 1;
const CTRL_ATTR_MCAST_GRP_ID: u16 = 2;
const NETDEV_CMD_DEV_GET: u8 = 1;
const NETDEV_A_DEV_IFINDEX: u16 = 1;
const NETDEV_A_DEV_XDP_FEATURES: u16 = 3;
/// nlmsghdr and genlmsghdr.
const HEADERS: usize = 20;

const FAMILY: (u16, &[u8]) = (CTRL_ATTR_FAMILY_NAME, b"netdev\0");
/// Of this family, who hears when features change.
const GROUP: &[u8] = b"mgmt\0";

/// Hears when features of devices of this network namespace change.
pub(super) struct Changes(OwnedFd);

impl Changes {
    /// From now on.
    pub(super) fn open() -> io::Result<Changes> {
        let fd = netlink()?;
        let groups = ask(&fd, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, FAMILY, CTRL_ATTR_MCAST_GROUPS)?;
        let has =
            |group: &[u8]| attributes(group).any(|(kind, name)| kind == CTRL_ATTR_MCAST_GRP_NAME && name == GROUP);
        let (_, group) = attributes(&groups).find(|(_, group)| has(group)).ok_or(io::ErrorKind::NotFound)?;
        let id =
            attributes(group).find(|(kind, _)| *kind == CTRL_ATTR_MCAST_GRP_ID).and_then(|(_, id)| id.first_chunk());
        let id = u32::from_ne_bytes(*id.ok_or(io::ErrorKind::InvalidData)?);
        socket::set(&fd, libc::SOL_NETLINK, libc::NETLINK_ADD_MEMBERSHIP, &id)?;
        Ok(Changes(fd))
    }

    /// Did any since the last time? (What was said is not read: it is asked for what is.)
    pub(super) fn any(&self) -> bool {
        let mut any = false;
        loop {
            // That some were lost is news too.
            match recv(self.0.as_raw_fd(), &mut [0; 1 << 12], MsgFlags::MSG_DONTWAIT) {
                Ok(_) | Err(Errno::ENOBUFS) => {}
                Err(_) => return any,
            }
            any = true;
        }
    }
}

impl AsFd for Changes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The features of a device of this network namespace.
pub(super) fn of(ifindex: u32) -> io::Result<u64> {
    let fd = netlink()?;
    let family = ask(&fd, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, FAMILY, CTRL_ATTR_FAMILY_ID)?;
    let family = family.first_chunk().map(|id| u16::from_ne_bytes(*id)).ok_or(io::ErrorKind::InvalidData)?;
    let index = (NETDEV_A_DEV_IFINDEX, &ifindex.to_ne_bytes()[..]);
    let features = ask(&fd, family, NETDEV_CMD_DEV_GET, index, NETDEV_A_DEV_XDP_FEATURES)?;
    features.first_chunk().map(|bits| u64::from_ne_bytes(*bits)).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// A generic netlink socket.
fn netlink() -> io::Result<OwnedFd> {
    socket::open(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_GENERIC)
}

/// Attributes one behind the other, by kind.
fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let word = |at: usize| rest.get(at..).and_then(|r| r.first_chunk()).map(|half| u16::from_ne_bytes(*half));
        let (length, kind) = (usize::from(word(0)?), word(2)?);
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        // The highest bits say that it is nested, or in what order its bytes are.
        Some((kind & 0x3fff, value))
    })
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
    send(fd.as_raw_fd(), &request, MsgFlags::empty())?;
    let length = recv(fd.as_raw_fd(), &mut reply, MsgFlags::empty())?;
    let reply = &reply[..length];
    let word = |at: usize| reply.get(at..).and_then(|r| r.first_chunk()).map(|half| u16::from_ne_bytes(*half));
    if word(4).map(i32::from) == Some(libc::NLMSG_ERROR) {
        let error = reply.get(16..).and_then(|r| r.first_chunk()).map_or(0, |code| i32::from_ne_bytes(*code));
        return Err(io::Error::from_raw_os_error(-error));
    }
    let mut attributes = attributes(reply.get(HEADERS..).unwrap_or_default());
    let found = attributes.find(|(kind, _)| *kind == wanted).map(|(_, value)| value.to_vec());
    found.ok_or_else(|| io::ErrorKind::NotFound.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;
    use std::time::{Duration, Instant};

    fn sh(line: &str) -> String {
        let done = Command::new("sh").args(["-ec", line]).output().expect("it runs");
        assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// A veth takes frames from XDP as long as its far end has GRO (or a program).
    #[test]
    fn changes_are_heard() {
        let alone = || {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root may make a network namespace");
            let changes = Changes::open().expect("the kernel tells");
            sh("ip link add near type veth peer name far; ip link set near up; ip link set far up");
            let near: u32 = sh("ip -o link show near | cut -d: -f1").trim().parse().expect("an index");
            for on in [true, false, true] {
                while changes.any() {}
                sh(&format!("ethtool -K far gro {}", if on { "on" } else { "off" }));
                let end = Instant::now() + Duration::from_secs(10);
                while !changes.any() {
                    assert!(Instant::now() < end, "nothing is heard");
                }
                assert_eq!(of(near).expect("its features") & NDO_XMIT != 0, on);
            }
        };
        std::thread::spawn(alone).join().expect("it holds");
    }
}
