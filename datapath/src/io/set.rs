//! All that one worker receives from and sends to, whatever kind of I/O it is, and the place where it sleeps.

use super::mem::{MemPort, MemSet};
use super::{Offload, RxFrame};
use crate::Drop;
use crate::ring::Bell;
use mona_wire::{PortId, Tci};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::os::fd::{AsFd, AsRawFd};

/// A sleeper that nobody wakes looks around after this many milliseconds all the same.
const NAP_MS: u16 = 1000;

/// A frame that leaves.
pub struct Egress<'a> {
    /// As it came in, its tag included.
    pub bytes: &'a [u8],
    /// The tag it leaves with.
    pub tag: Option<Tci>,
    /// What its sender left to be done, with offsets into `bytes`.
    pub offload: Offload,
}

/// A port's queue that one worker owns.
pub enum Own {
    /// A port in memory.
    Mem(MemPort),
}

/// The I/Os of one worker.
pub struct IoSet {
    mem: MemSet,
    epoll: Epoll,
}

impl IoSet {
    /// `bell` is what the worker sleeps on beside its I/Os.
    pub fn new(bell: &Bell) -> nix::Result<IoSet> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(bell.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, bell.as_fd().as_raw_fd() as u64))?;
        Ok(IoSet { mem: MemSet::default(), epoll })
    }

    /// Takes a port's queue in.
    pub fn add(&mut self, _port: PortId, own: Own) {
        match own {
            Own::Mem(port) => self.mem.add(port),
        }
    }

    /// Gives one queue of the port back, until there is none.
    pub fn remove(&mut self, port: PortId) -> Option<Own> {
        self.mem.remove(port).map(Own::Mem)
    }

    /// Does the port have a queue here?
    #[inline]
    pub fn owns(&self, port: PortId) -> bool {
        self.mem.has(port)
    }

    /// Is there something to receive of which no descriptor tells?
    pub fn is_ready(&self) -> bool {
        self.mem.is_ready()
    }

    /// Appends what came in, at most `max` frames of each ring, until [`IoSet::flush`].
    #[inline]
    pub fn receive(&mut self, frames: &mut Vec<RxFrame>, max: usize) {
        self.mem.receive(frames, max);
    }

    /// Sends a copy by `port`, which is here or behind the backplane.
    #[inline]
    pub fn send(&mut self, port: PortId, egress: &Egress<'_>) -> Result<(), Drop> {
        self.mem.send(port, egress)
    }

    /// What was sent goes, what was received is given back.
    #[inline]
    pub fn flush(&mut self) {
        self.mem.release();
    }

    /// Sleeps until something comes in or the bell rings.
    pub fn sleep(&mut self) {
        let mut events = [EpollEvent::empty(); 8];
        // Interrupted or refused: the worker looks around.
        let _ = self.epoll.wait(&mut events, EpollTimeout::from(NAP_MS));
    }
}
