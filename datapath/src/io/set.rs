//! All that one worker receives from and sends to, whatever kind of I/O it is, and the place where it sleeps.

use super::mem::{MemPort, MemSet};
use super::packet::{Backplane, Urgent};
use super::xdp::{Xsk, XskSet};
use super::{Egress, RxFrame};
use crate::Drop;
use crate::ring::Bell;
use mona_wire::PortId;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// A sleeper that nobody wakes looks around after this long all the same.
const NAP_MS: u16 = 1000;

/// A port's queue that one worker owns.
pub enum Own {
    /// An AF_XDP socket.
    Xsk(Box<Xsk>),
    /// A port in memory.
    Mem(MemPort),
}

/// The I/Os of one worker.
pub struct IoSet {
    /// The way of reserved addresses on `packet` ports; one worker has it.
    urgent: Option<Urgent>,
    backplane: Option<Backplane>,
    xsks: XskSet,
    mem: MemSet,
    epoll: Epoll,
}

impl IoSet {
    /// `bell` is what the worker sleeps on beside its I/Os.
    pub fn new(bell: &Bell, backplane: Option<Backplane>, urgent: Option<Urgent>) -> nix::Result<IoSet> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let wait_for = |fd: BorrowedFd<'_>| {
            epoll.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, fd.as_raw_fd() as u64))
        };
        wait_for(bell.as_fd())?;
        if let Some(backplane) = &backplane {
            wait_for(backplane.fd())?;
        }
        if let Some(urgent) = &urgent {
            wait_for(urgent.fd())?;
        }
        Ok(IoSet { urgent, backplane, xsks: XskSet::default(), mem: MemSet::default(), epoll })
    }
}
