//! A plain raw socket on one netdev: frames in, frames out, tags in the frame. For hosts in testbeds and for tools; the
//! switch itself uses rings.

#![allow(unsafe_code)]

use super::vnet::{self, VNET};
use super::{Offload, socket};
use crate::offload::Leaving;
use mona_wire::Eth;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{MsgFlags, send};
use std::io;
use std::mem::zeroed;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

/// An AF_PACKET socket bound to one netdev of the network namespace it was opened in.
pub struct RawSocket {
    fd: OwnedFd,
    /// Does a virtio header come and go with each frame?
    described: bool,
}

impl RawSocket {
    /// Opens it on `device`; frames sent by this host are not seen on it. Errors are the kernel's: no such device, not
    /// permitted.
    pub fn open(device: &str) -> io::Result<RawSocket> {
        let fd = socket::packet()?;
        let index = if_nametoindex(device)?;
        socket::set(&fd, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, &1i32)?;
        socket::set(&fd, libc::SOL_PACKET, libc::PACKET_AUXDATA, &1i32)?;
        socket::bind(&fd, &socket::netdev(index, libc::ETH_P_ALL))?;
        // What arrived on other netdevs between socket() and bind() is not ours: with protocol 0 nothing did.
        Ok(RawSocket { fd, described: false })
    }

    /// As [`RawSocket::open`], for frames that may leave something to be done: super-frames, partial checksums.
    pub fn open_with_offload(device: &str) -> io::Result<RawSocket> {
        let mut socket = RawSocket::open(device)?;
        socket::set(&socket.fd, libc::SOL_PACKET, libc::PACKET_VNET_HDR, &1i32)?;
        socket.described = true;
        Ok(socket)
    }

    /// Sends one frame of a socket [with offload](RawSocket::open_with_offload).
    pub fn send_with(&self, frame: &[u8], offload: &Offload) -> io::Result<()> {
        let tag = Eth::parse(frame).and_then(|eth| eth.tag);
        let mut both = vec![0; VNET + frame.len()];
        let invalid = |_| io::Error::from(io::ErrorKind::InvalidInput);
        let leaving = Leaving::new(frame, offload, tag).map_err(invalid)?;
        let len = vnet::write(&leaving, &mut both).map_err(invalid)?;
        self.send(&both[..len])
    }

    /// The next frame of such a socket.
    pub fn receive_with(&self, buffer: &mut [u8], patience: Duration) -> io::Result<Option<(usize, Offload)>> {
        let Some(length) = self.receive_into(buffer, patience)? else { return Ok(None) };
        let header = buffer.first_chunk().copied().ok_or(io::ErrorKind::InvalidInput)?;
        buffer.copy_within(VNET..length, 0);
        let length = length.saturating_sub(VNET);
        Ok(Some((length, vnet::described(&header, &buffer[..length]))))
    }

    /// Sends one frame as it is.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        Ok(send(self.fd.as_raw_fd(), frame, MsgFlags::empty()).map(drop)?)
    }

    /// The next frame, its tag put back into it, or `None` when `patience` is over.
    pub fn receive(&self, patience: Duration) -> io::Result<Option<Vec<u8>>> {
        let mut buffer = vec![0u8; 1 << 17];
        Ok(self.receive_into(&mut buffer, patience)?.map(|length| {
            buffer.truncate(length);
            buffer
        }))
    }

    /// As [`RawSocket::receive`], into the caller's buffer; returns the length. What does not fit is cut off.
    pub fn receive_into(&self, buffer: &mut [u8], patience: Duration) -> io::Result<Option<usize>> {
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let mut poll = libc::pollfd { fd: self.fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: one valid pollfd.
            match unsafe { libc::poll(&raw mut poll, 1, left.as_millis().min(i32::MAX as u128) as i32) } {
                0 => return Ok(None),
                n if n < 0 => {
                    let error = io::Error::last_os_error();
                    if error.kind() != io::ErrorKind::Interrupted {
                        return Err(error);
                    }
                }
                _ => return self.take(buffer).map(Some),
            }
        }
    }

    fn take(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut control = [0u64; 16];
        // Room for the tag that may have to be put back.
        let room = buffer.len().saturating_sub(4);
        let mut iov = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: room };
        // SAFETY: msghdr is plain data for which all zeros is a value.
        let mut message: libc::msghdr = unsafe { zeroed() };
        message.msg_iov = &raw mut iov;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control) as _;
        // SAFETY: every pointer in `message` is to a local or to `buffer`, which outlive the call.
        let length = unsafe { libc::recvmsg(self.fd.as_raw_fd(), &raw mut message, 0) };
        if length < 0 {
            return Err(io::Error::last_os_error());
        }
        let mut length = length as usize;
        // SAFETY: the kernel filled `control` with well-formed headers, which the CMSG macros walk.
        unsafe {
            let mut header = libc::CMSG_FIRSTHDR(&raw const message);
            while !header.is_null() {
                if (*header).cmsg_level == libc::SOL_PACKET && (*header).cmsg_type == libc::PACKET_AUXDATA {
                    let aux = libc::CMSG_DATA(header).cast::<libc::tpacket_auxdata>().read_unaligned();
                    let at = if self.described { VNET } else { 0 };
                    if aux.tp_status & libc::TP_STATUS_VLAN_VALID != 0 && length >= at + 12 {
                        let tpid = if aux.tp_status & libc::TP_STATUS_VLAN_TPID_VALID != 0 {
                            aux.tp_vlan_tpid
                        } else {
                            0x8100
                        };
                        buffer.copy_within(at + 12..length, at + 16);
                        buffer[at + 12..at + 14].copy_from_slice(&tpid.to_be_bytes());
                        buffer[at + 14..at + 16].copy_from_slice(&aux.tp_vlan_tci.to_be_bytes());
                        length += 4;
                        if self.described {
                            // The header counts without the tag that was beside the frame.
                            let start = u16::from_ne_bytes([buffer[6], buffer[7]]).wrapping_add(4);
                            buffer[6..8].copy_from_slice(&start.to_ne_bytes());
                        }
                    }
                }
                header = libc::CMSG_NXTHDR(&raw const message, header);
            }
        }
        Ok(length)
    }
}

impl AsFd for RawSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for RawSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}
