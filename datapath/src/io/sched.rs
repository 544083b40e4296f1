//! The calling thread's place among others.

#![allow(unsafe_code)]

use std::io;

/// Changes the nice value of the calling thread by `by`; below zero needs CAP_SYS_NICE.
pub fn nice(by: i32) -> io::Result<()> {
    // SAFETY: no pointers; 0 is the calling thread (on Linux, not the process).
    let done = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, by) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
