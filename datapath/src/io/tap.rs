//! Opening a tap, as a hypervisor does: for testbeds, which have no guest to open it.

#![allow(unsafe_code)]

use super::socket;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;

/// `TUNSETIFF` of linux/if_tun.h.
const TUNSETIFF: libc::c_ulong = 0x4004_54ca;

/// Opens the tap `name` of the current network namespace, making it if it does not exist; it has a carrier while the
/// file is open. Reads and writes are whole frames without a virtio header. Errors are the kernel's: busy, not permitted,
/// and `InvalidInput` for a name longer than 15 bytes.
pub fn open(name: &str) -> io::Result<File> {
    let mut request = socket::request(name)?;
    let file = OpenOptions::new().read(true).write(true).open("/dev/net/tun")?;
    request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI) as i16;
    // SAFETY: TUNSETIFF reads one ifreq, which lives through the call.
    if unsafe { libc::ioctl(file.as_raw_fd(), TUNSETIFF, &raw const request) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(file)
}
