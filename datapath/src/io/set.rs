//! All that one worker receives from and sends to, whatever kind of I/O it is, and the place where it sleeps.

#![allow(unsafe_code)]

use super::credit::Settled;
use super::live::Live;
use super::mem::{MemPort, MemSet};
use super::packet::{Backplane, Urgent};
use super::xsk::Xsk;
use super::xskset::XskSet;
use super::{Offload, RxFrame};
use crate::Drop;
use crate::offload::Leaving;
use crate::ring::Bell;
use crate::snapshot::Home;
use crate::stats::Counter;
use mona_wire::{Eth, PortId, Tci};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{getsockopt, sockopt::SocketError};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

/// A sleeper that nobody wakes looks around after this many milliseconds all the same.
const NAP_MS: u16 = 1000;
/// …or after this many if a device was busy.
const RETRY_MS: u16 = 1;

/// So many frames at once are no lone ones: the worker will look for more by itself.
const MANY: usize = 16;

/// Losses of a worker's backplane, and of the ring of its reserved addresses, as [`Backplane::losses`] orders them.
pub const LOSSES: [&str; 8] = [
    "ring_full",
    "frame_cut",
    "tx_queue_full",
    "tx_error",
    "urgent_ring_full",
    "urgent_frame_cut",
    "urgent_tx_queue_full",
    "urgent_tx_error",
];

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
    /// An AF_XDP socket.
    Xsk(Box<Xsk>),
    /// A port in memory.
    Mem(MemPort),
}

/// By what frames leave one by one.
struct Ways {
    backplane: Option<Backplane>,
    xsks: XskSet,
    mem: MemSet,
}

/// The I/Os of one worker.
pub struct IoSet {
    /// The reserved addresses of `packet` ports; one worker has them.
    urgent: Option<Urgent>,
    /// Frames that leave many at a time, whatever kind of port they leave by.
    live: Option<Live>,
    own: Ways,
    epoll: Epoll,
    /// The kernel tells of each frame of the backplane.
    told: bool,
}

impl IoSet {
    /// `bell` is what the worker sleeps on beside its I/Os.
    pub fn new(
        bell: &Bell,
        backplane: Option<Backplane>,
        urgent: Option<Urgent>,
        live: Option<Live>,
    ) -> nix::Result<IoSet> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        watch(&epoll, bell.as_fd())?;
        if let Some(backplane) = &backplane {
            watch(&epoll, backplane.as_fd())?;
        }
        if let Some(urgent) = &urgent {
            watch(&epoll, urgent.as_fd())?;
        }
        let own = Ways { backplane, xsks: XskSet::default(), mem: MemSet::default() };
        Ok(IoSet { urgent, live, own, epoll, told: true })
    }

    /// Takes a port's queue in.
    pub fn add(&mut self, port: PortId, own: Own) {
        match own {
            Own::Xsk(xsk) => {
                // No memory for the kernel's entry: the queue is then served when something else wakes the worker.
                let _ = watch(&self.epoll, xsk.fd());
                self.own.xsks.add(port, *xsk);
            }
            Own::Mem(port) => self.own.mem.add(port),
        }
    }

    /// Gives one queue of the port back, until there is none.
    pub fn remove(&mut self, port: PortId) -> Option<Own> {
        if let Some(xsk) = self.own.xsks.remove(port) {
            // Gone already if it failed.
            let _ = self.epoll.delete(xsk.fd());
            return Some(Own::Xsk(Box::new(xsk)));
        }
        self.own.mem.remove(port).map(Own::Mem)
    }

    /// Can it send by the port itself?
    #[inline]
    pub fn reaches(&self, port: PortId, home: Home) -> bool {
        match home {
            Home::Backplane => self.own.backplane.is_some(),
            Home::Worker(_) => self.own.xsks.has(port) || self.own.mem.has(port),
        }
    }

    /// Is there something to receive of which no descriptor tells?
    pub fn is_ready(&self) -> bool {
        self.own.xsks.is_ready() || self.own.mem.is_ready()
    }

    /// Appends what came in, at most `max` frames of each ring, until [`IoSet::flush`]. Reserved addresses come first.
    #[inline]
    pub fn receive(&mut self, frames: &mut Vec<RxFrame>, max: usize) {
        if let Some(urgent) = &mut self.urgent {
            urgent.receive(frames, max);
        }
        if let Some(backplane) = &mut self.own.backplane
            && backplane.receive(frames, max) >= MANY
            && self.told
        {
            // There is no need to: it takes the sender a tenth of what a small frame costs.
            self.told = self.epoll.delete(backplane.as_fd()).is_err();
        }
        self.own.xsks.receive(frames, max);
        self.own.mem.receive(frames, max);
        // What came in was not for anybody: there is nothing to flush after which its slots would be given back.
        if frames.is_empty() {
            self.release();
        }
    }

    /// Sends a copy by `port`, which it [reaches](IoSet::reaches). `from` is the frame where it came in, if it came in
    /// here: its memory may go out as it is.
    #[inline]
    pub fn send(&mut self, port: PortId, home: Home, egress: &Egress<'_>, from: Option<&RxFrame>) -> Result<(), Drop> {
        if let Some(live) = &mut self.live {
            if let Some(device) = live.device(port) {
                let leaving = Leaving::new(egress.bytes, &egress.offload, egress.tag)?;
                if Live::takes(&leaving) {
                    if live.is_full() {
                        self.own.send_waiting(live);
                    }
                    return live.push(port, home, device, &leaving);
                }
            }
            // What was queued before goes before.
            self.own.send_waiting(live);
        }
        self.own.send(port, home, egress, from)
    }

    /// What was sent goes, what was received is given back.
    #[inline]
    pub fn flush(&mut self) {
        if let Some(live) = &mut self.live {
            self.own.send_waiting(live);
        }
        if let Some(backplane) = &mut self.own.backplane {
            backplane.flush();
        }
        // What was received is done with when all of it has gone, by whatever I/O.
        self.own.xsks.flush();
        self.release();
        self.own.xsks.release();
        self.own.mem.release();
    }

    /// Frames that left many at a time.
    pub fn together(&self) -> u64 {
        self.live.as_ref().map_or(0, Live::passed)
    }

    /// Gives ports the credit of what is sent.
    #[inline]
    pub fn settle(&mut self, settled: Settled) {
        self.own.backplane.iter_mut().for_each(|backplane| backplane.settle(settled));
        self.own.xsks.settle(settled);
    }

    /// Frames for which no worker had room, since ever.
    #[inline]
    pub fn refused(&self) -> u64 {
        self.own.backplane.as_ref().map_or(0, Backplane::refused)
    }

    /// Gives the slots of both rings back.
    #[inline]
    fn release(&mut self) {
        [&mut self.own.backplane, &mut self.urgent].into_iter().flatten().for_each(Backplane::release);
    }

    /// What was lost between the kernel and here, by the names of [`LOSSES`], into the worker's counters; and what a socket lost
    /// is no longer waited for.
    pub fn losses(&mut self, counters: &[Counter; LOSSES.len()]) {
        for (ring, first) in [(&mut self.own.backplane, 0), (&mut self.urgent, LOSSES.len() / 2)] {
            let losses = ring.iter_mut().flat_map(Backplane::losses);
            for (counter, (_, count)) in counters[first..].iter().zip(losses) {
                counter.set(count);
            }
        }
        self.own.xsks.reconcile();
    }

    /// Sleeps until something comes in or the bell rings.
    pub fn sleep(&mut self) {
        if let Some(backplane) = &mut self.own.backplane {
            backplane.idle();
            if !self.told {
                self.told = watch(&self.epoll, backplane.as_fd()).is_ok();
            }
        }
        self.own.xsks.reconcile();
        // What the device did not take yet is tried again soon.
        let nap = if self.own.xsks.flush() || !self.told { RETRY_MS } else { NAP_MS };
        let mut events = [EpollEvent::empty(); 16];
        // Interrupted or refused: the worker looks around.
        let ready = self.epoll.wait(&mut events, EpollTimeout::from(nap)).unwrap_or(0);
        for event in &events[..ready] {
            // A device that is gone or down. The descriptor would wake the worker for ever: its error is fetched, once,
            // and whoever owns the port hears of it from netlink. A hang-up stays, so it is no longer waited for.
            if event.events().intersects(EpollFlags::EPOLLERR | EpollFlags::EPOLLHUP) {
                // SAFETY: a descriptor that is reported is open: the I/Os own it, and only this thread takes them out.
                let fd = unsafe { BorrowedFd::borrow_raw(event.data() as RawFd) };
                if getsockopt(&fd, SocketError).is_err() || event.events().contains(EpollFlags::EPOLLHUP) {
                    let _ = self.epoll.delete(fd);
                }
            }
        }
    }
}

impl Ways {
    #[inline]
    fn send(&mut self, port: PortId, home: Home, egress: &Egress<'_>, from: Option<&RxFrame>) -> Result<(), Drop> {
        match (home, &mut self.backplane) {
            (Home::Backplane, Some(backplane)) => backplane.send(port, egress),
            (Home::Backplane, None) => Err(Drop::PortDown),
            _ if self.xsks.has(port) => self.xsks.send(port, egress, from),
            _ => self.mem.send(port, egress),
        }
    }

    /// Those that wait to leave together leave: by the kernel's hand, as far as it takes them, else one by one.
    #[inline]
    fn send_waiting(&mut self, live: &mut Live) {
        if live.waiting() == 0 {
            return;
        }
        let mut first = 0;
        if live.is_worth_it() && self.may_follow(live.targets()) {
            let (taken, lost) = live.send();
            self.backplane.iter_mut().for_each(|backplane| backplane.lose(Drop::TxError, lost));
            first = taken;
        }
        for at in first..live.waiting() {
            let (port, home, bytes) = live.frame(at);
            let tag = Eth::parse(bytes).and_then(|eth| eth.tag);
            let egress = Egress { bytes, tag, offload: Offload::default() };
            match self.send(port, home, &egress, None) {
                // Those it counts itself.
                Err(Drop::TxFull | Drop::TxError) if home == Home::Backplane => {}
                Err(why) => self.backplane.iter_mut().for_each(|backplane| backplane.lose(why, 1)),
                Ok(()) => {}
            }
        }
        live.clear();
    }

    /// Has all that was sent before left before, and are these devices up? The ring and the sockets say what became of frames
    /// for one that is not.
    #[inline]
    fn may_follow(&mut self, devices: &[u32]) -> bool {
        let Some(backplane) = &mut self.backplane else { return false };
        backplane.flush();
        !self.xsks.flush() && devices.iter().all(|device| backplane.is_up(*device))
    }
}

fn watch(epoll: &Epoll, fd: BorrowedFd<'_>) -> nix::Result<()> {
    epoll.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, fd.as_raw_fd() as u64))
}
