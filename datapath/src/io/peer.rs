//! Who is at the other end of a Unix socket: the groups of its process, as they were when it connected.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// SO_PEERGROUPS of asm-generic/socket.h.
const SO_PEERGROUPS: i32 = 59;

/// The supplementary groups of the peer. Errors are the kernel's.
pub fn groups(socket: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    // The kernel's own bound (NGROUPS_MAX), in bytes; a process has a handful.
    let mut groups = vec![0u32; 65536];
    let mut length = (groups.len() * size_of::<u32>()) as libc::socklen_t;
    // SAFETY: the buffer has the length given, and the kernel writes whole gid_t into it.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_PEERGROUPS,
            groups.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    groups.truncate(length as usize / size_of::<u32>());
    Ok(groups)
}
