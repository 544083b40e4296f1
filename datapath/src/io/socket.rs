//! Sockets of kinds that no library here knows, their options and addresses: the system calls, each once.

#![allow(unsafe_code)]

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

/// What the kernel may fill.
///
/// # Safety
///
/// Any bits are a value of it.
pub(super) unsafe trait Plain: Copy {}

// SAFETY: numbers.
unsafe impl Plain for u64 {}
// SAFETY: `struct tpacket_stats`: numbers.
unsafe impl Plain for [u32; 2] {}
// SAFETY: numbers.
unsafe impl Plain for libc::xdp_mmap_offsets {}
// SAFETY: numbers.
unsafe impl Plain for libc::xdp_statistics {}

/// A socket that closes with its owner.
pub(super) fn open(family: i32, kind: i32, protocol: i32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers; the descriptor is owned from here on.
    unsafe {
        let fd = libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol);
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(fd)) }
    }
}

/// A raw socket that receives nothing until it is bound.
pub(super) fn packet() -> io::Result<OwnedFd> {
    open(libc::AF_PACKET, libc::SOCK_RAW, 0)
}

/// Gives an option the value, of the type that it takes.
pub(super) fn set<T>(fd: &OwnedFd, level: i32, option: i32, value: &T) -> io::Result<()> {
    let length = size_of::<T>() as libc::socklen_t;
    // SAFETY: pointer and length are of one value, which is only read.
    let done = unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, ptr::from_ref(value).cast(), length) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The value of an option. What an older kernel does not fill is zero.
pub(super) fn get<T: Plain>(fd: &OwnedFd, level: i32, option: i32) -> io::Result<T> {
    // SAFETY: any bits are a value of it.
    let mut value: T = unsafe { zeroed() };
    let mut length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, and whatever it writes is a value.
    let done = unsafe { libc::getsockopt(fd.as_raw_fd(), level, option, (&raw mut value).cast(), &raw mut length) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(value) }
}

/// Binds it to an address, of the type that its family has.
pub(super) fn bind<T>(fd: &OwnedFd, address: &T) -> io::Result<()> {
    // SAFETY: pointer and length are of one value, which is only read.
    let done = unsafe { libc::bind(fd.as_raw_fd(), ptr::from_ref(address).cast(), size_of::<T>() as libc::socklen_t) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The netdev of this index, to receive frames of a protocol from (0: none), or to send to: there the frame says what it is.
pub(super) fn netdev(index: u32, protocol: i32) -> libc::sockaddr_ll {
    // SAFETY: sockaddr_ll is plain data for which all zeros is a value.
    let mut address: libc::sockaddr_ll = unsafe { zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (protocol as u16).to_be();
    address.sll_ifindex = index as i32;
    address
}

/// What an ioctl about the netdev of this name is asked with.
pub(super) fn request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: ifreq is plain data for which all zeros is a value.
    let mut request: libc::ifreq = unsafe { zeroed() };
    if name.is_empty() || name.len() >= request.ifr_name.len() || name.contains('\0') {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    Ok(request)
}
