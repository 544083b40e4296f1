//! The calling thread's place among others, and what it may do.

#![allow(unsafe_code)]

use std::io;

/// _LINUX_CAPABILITY_VERSION_3 of linux/capability.h.
const CAPABILITY_VERSION: u32 = 0x2008_0522;

/// Changes the nice value of the calling thread by `by`; below zero needs CAP_SYS_NICE.
pub fn nice(by: i32) -> io::Result<()> {
    // SAFETY: no pointers; 0 is the calling thread (on Linux, not the process).
    let done = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, by) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Gives up all capabilities of the calling thread: each has its own, a copy of those of the thread that started it.
pub fn resign() -> io::Result<()> {
    // Version and thread (0: this one); effective, permitted and inheritable, twice 32 bits of each.
    let (header, none) = ([CAPABILITY_VERSION, 0], [0u32; 6]);
    // SAFETY: both are laid out as __user_cap_header_struct and two of __user_cap_data_struct, and are only read.
    let done = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
