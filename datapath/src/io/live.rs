//! Frames that leave many at a time. A packet socket has the kernel deliver each frame by itself, which costs ten times what it
//! takes to decide about it. So whole batches of small frames without anything left to be done go another way: the worker
//! writes them into slots, and one system call (BPF_PROG_TEST_RUN with live frames) has live.h's program make a received
//! packet of each, at the end of a veth pair of its own, whose ingress sends them on by their ports.
//!
//! Order is kept between the ways: what either is given has passed the port's queueing discipline, or lies there, when the
//! call returns.

#![allow(unsafe_code)]

use super::credit::PORTS;
use super::pins::bpf;
use super::txring::LONGEST;
use super::umem::Region;
use crate::Drop;
use crate::offload::Leaving;
use crate::snapshot::Home;
use mona_wire::PortId;
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// Frames of one call at most, as in live.h: a veth's queue holds 256, and may not be read before the call is done.
pub(super) const TOGETHER: usize = 128;
/// Of these the kernel takes the memory of so many at a time, and takes that again for the next: to get more and to give it back
/// costs a tenth of what it takes to send them.
const PAGES: u32 = 64;
/// Fewer than this leave one by one: a call costs as much as 10 to 15 of them before the first.
const FEW: usize = 24;
/// What stands before each frame: the worker's number, and room for where it goes.
const META: usize = 8;
/// Of rtnetlink(7): changes of queueing disciplines, among others.
const RTMGRP_TC: u32 = 8;
/// Pieces of news read at once; more are as good as one.
const NEWS: usize = 64;

/// `struct slot`.
#[repr(C)]
pub(super) struct Slot {
    ifindex: u32,
    len: u32,
    bytes: [u8; 1336],
}

/// `struct progress`.
#[repr(C)]
pub(super) struct Progress {
    taken: AtomicU64,
    passed: AtomicU64,
    _rest: [AtomicU64; 6],
}

const _: () = assert!(LONGEST <= 1336);

/// What the workers share.
pub(super) struct Shared {
    pub(super) program: OwnedFd,
    pub(super) slots: Region,
    pub(super) progress: Region,
    /// Where frames are received.
    pub(super) end: u32,
}

/// By port number the netdev by which its frames may leave many at a time; 0 where they may not.
pub(super) struct Together {
    /// Written by control, and to 0 by workers; read by workers.
    devices: Box<[AtomicU32]>,
    /// Set by workers, taken back by control.
    revoked: AtomicBool,
}

impl Default for Together {
    fn default() -> Together {
        Together { devices: (0..PORTS).map(|_| AtomicU32::new(0)).collect(), revoked: AtomicBool::new(false) }
    }
}

impl Together {
    pub(super) fn allow(&self, port: PortId, device: u32) {
        self.devices[port.index()].store(device, Ordering::Relaxed);
    }

    fn revoke(&self) {
        self.devices.iter().for_each(|device| device.store(0, Ordering::Relaxed));
        self.revoked.store(true, Ordering::Release);
    }

    /// Was all that was allowed revoked since the last time?
    pub(super) fn was_revoked(&self) -> bool {
        self.revoked.swap(false, Ordering::Acquire)
    }
}

/// A frame that waits in its slot.
#[derive(Clone, Copy)]
struct Waiting {
    port: PortId,
    home: Home,
    len: usize,
}

/// Those of one worker.
pub struct Live {
    shared: Arc<Shared>,
    worker: usize,
    together: Arc<Together>,
    waiting: Vec<Waiting>,
    /// The netdevs they leave by.
    targets: Vec<u32>,
    /// Hears when somebody changes a queueing discipline.
    news: OwnedFd,
    /// What stands before the first frame, and the frame: as the kernel makes the memory of all of them.
    first: Box<[u8]>,
}

/// `union bpf_attr`, as this command has it.
#[repr(C)]
#[derive(Default)]
struct Run {
    program: u32,
    verdict: u32,
    data_len: u32,
    data_out_len: u32,
    data: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    context_len: u32,
    context_out_len: u32,
    context: u64,
    context_out: u64,
    flags: u32,
    cpu: u32,
    batch: u32,
    _end: u32,
}

const BPF_PROG_TEST_RUN: i64 = 10;
const BPF_F_TEST_XDP_LIVE_FRAMES: u32 = 1 << 1;

/// `struct xdp_md`.
#[repr(C)]
#[derive(Default)]
struct Context {
    data: u32,
    data_end: u32,
    data_meta: u32,
    from: u32,
    queue: u32,
    to: u32,
}

impl Live {
    /// That of one worker.
    pub(super) fn new(shared: &Arc<Shared>, worker: usize, together: &Arc<Together>) -> io::Result<Live> {
        let mut first = vec![0; META + LONGEST].into_boxed_slice();
        first[..4].copy_from_slice(&(worker as u32).to_ne_bytes());
        let (shared, together) = (Arc::clone(shared), Arc::clone(together));
        let (waiting, targets) = (Vec::with_capacity(TOGETHER), Vec::with_capacity(TOGETHER));
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let news = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
        bind(news.as_raw_fd(), &NetlinkAddr::new(0, RTMGRP_TC))?;
        Ok(Live { shared, worker, together, waiting, targets, news, first })
    }

    /// Does the kernel do it? It is given a frame that leaves nowhere.
    pub(super) fn probe(&mut self) -> io::Result<()> {
        let nowhere = Waiting { port: PortId::SELF, home: Home::Backplane, len: 60 };
        self.slot(0, |slot| (slot.ifindex, slot.len) = (0, 60));
        self.waiting.push(nowhere);
        let before = self.passed();
        let run = self.run();
        self.waiting.clear();
        run?;
        // What is received later than at once could be overtaken.
        let passed = self.passed() != before;
        if passed { Ok(()) } else { Err(io::Error::other("frames are not received at once")) }
    }

    /// Where frames of the port leave, if they may leave so.
    #[inline]
    pub(super) fn device(&self, port: PortId) -> Option<u32> {
        Some(self.together.devices[port.index()].load(Ordering::Relaxed)).filter(|device| *device != 0)
    }

    /// Can such a frame leave so?
    #[inline]
    pub(super) fn takes(leaving: &Leaving<'_>) -> bool {
        leaving.offload.csum.is_none() && leaving.offload.gso.is_none() && leaving.len() <= LONGEST
    }

    /// Is there no room?
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() == TOGETHER
    }

    /// Queues a copy that it [takes](Live::takes), where it is not [full](Live::is_full).
    #[inline]
    pub(super) fn push(&mut self, port: PortId, home: Home, device: u32, leaving: &Leaving<'_>) -> Result<(), Drop> {
        let written = self.slot(self.waiting.len(), |slot| {
            let len = leaving.write(&mut slot.bytes).ok_or(Drop::Oversize)?;
            (slot.ifindex, slot.len) = (device, len as u32);
            Ok(len)
        });
        self.waiting.push(Waiting { port, home, len: written? });
        if !self.targets.contains(&device) {
            self.targets.push(device);
        }
        Ok(())
    }

    /// How many wait?
    #[inline]
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// One of them.
    #[inline]
    pub(super) fn frame(&self, at: usize) -> (PortId, Home, &[u8]) {
        let Waiting { port, home, len } = self.waiting[at];
        // SAFETY: the slot is this worker's, and only `push` writes it, which has `self` alone.
        (port, home, unsafe { &self.at(at).as_ref().bytes[..len] })
    }

    /// The netdevs they leave by.
    #[inline]
    pub(super) fn targets(&self) -> &[u32] {
        &self.targets
    }

    /// They are done with.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.targets.clear();
        self.waiting.clear();
    }

    /// Are they so many that they leave sooner together, and may they?
    #[inline]
    pub(super) fn is_worth_it(&self) -> bool {
        self.waiting.len() >= FEW && !self.is_news()
    }

    /// Was a queueing discipline changed? Then no port's frames leave together until control has looked where they may.
    fn is_news(&self) -> bool {
        let hear = || {
            // Of what is said, its kind alone: filters come and go with fan-outs. That some was lost is news too.
            let mut header = [0; 6];
            match recv(self.news.as_raw_fd(), &mut header, MsgFlags::MSG_DONTWAIT) {
                Err(Errno::EAGAIN) => None,
                Ok(6) => {
                    Some(matches!(u16::from_ne_bytes([header[4], header[5]]), libc::RTM_NEWQDISC | libc::RTM_DELQDISC))
                }
                _ => Some(true),
            }
        };
        let any = std::iter::from_fn(hear).take(NEWS).fold(false, |any, news| any | news);
        if any {
            self.together.revoke();
        }
        any
    }

    /// Has the kernel send those that wait. How many it took, the first ones (the rest is to go another way), and how many of
    /// these it lost.
    #[inline]
    pub(super) fn send(&mut self) -> (usize, u64) {
        let before = self.passed();
        // What is refused is seen by what was taken.
        let _ = self.run();
        let taken = (self.progress().taken.load(Ordering::Relaxed) as usize).min(self.waiting.len());
        let passed = self.passed().wrapping_sub(before);
        (taken, (taken as u64).saturating_sub(passed))
    }

    /// Frames that it sent, since it began.
    pub(super) fn passed(&self) -> u64 {
        self.progress().passed.load(Ordering::Relaxed)
    }

    fn run(&mut self) -> io::Result<()> {
        // Of most batches all frames are as long as the first.
        let Some(len) = self.waiting.first().map(|waiting| waiting.len) else { return Ok(()) };
        self.progress().taken.store(0, Ordering::Relaxed);
        let context =
            Context { data: META as u32, data_end: (META + len) as u32, from: self.shared.end, ..Context::default() };
        let mut run = Run {
            program: self.shared.program.as_raw_fd() as u32,
            data_len: (META + len) as u32,
            data: self.first.as_ptr() as u64,
            repeat: self.waiting.len() as u32,
            context_len: size_of::<Context>() as u32,
            context: (&raw const context) as u64,
            flags: BPF_F_TEST_XDP_LIVE_FRAMES,
            batch: PAGES,
            ..Run::default()
        };
        bpf(BPF_PROG_TEST_RUN, &mut run).map(drop)
    }

    #[inline]
    fn at(&self, at: usize) -> NonNull<Slot> {
        debug_assert!(at < TOGETHER);
        // SAFETY: the map has so many slots for each worker.
        unsafe { self.shared.slots.at().cast::<Slot>().add(self.worker * TOGETHER + at) }
    }

    #[inline]
    fn slot<T>(&mut self, at: usize, write: impl FnOnce(&mut Slot) -> T) -> T {
        // SAFETY: the slot is this worker's, which is here alone; the kernel reads it in `run` only.
        write(unsafe { self.at(at).as_mut() })
    }

    #[inline]
    fn progress(&self) -> &Progress {
        // SAFETY: the map has one for each worker; it holds nothing but atomics.
        unsafe { self.shared.progress.at().cast::<Progress>().add(self.worker).as_ref() }
    }
}
