//! How many frames went up to a worker and how many came out again: by that ports share a worker's ring, and a flow in the
//! making knows when the last of its frames was sent on. The kernel's programs count what goes up, the worker what it is
//! done with, each in memory that both see.

#![allow(unsafe_code)]

use super::umem::Region;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Entries of a worker, as in mona.bpf.c.
pub(super) const PORTS: usize = 4096;
/// Longer than a frame is on its way from a port to the ring of a worker that waits for it.
const LONG: Duration = Duration::from_millis(10);

/// The tables: by worker and port, and behind those by socket.
pub(super) struct Counts {
    pub(super) admitted: Region,
    pub(super) consumed: Region,
    /// By port number, those for which there was no room; first the sum.
    pub(super) refused: Region,
    /// Where those of sockets begin.
    pub(super) sockets: usize,
}

/// A worker's share of them.
pub(super) struct Credit {
    counts: Arc<Counts>,
    base: usize,
    /// Frames that this worker is done with, and those before that another one may still have.
    held: Tally,
    crossing: Tally,
    /// `admitted` as it was when the ring was at `since`.
    mark: Vec<u64>,
    since: u64,
    reconciled: Instant,
}

/// Frames by port.
struct Tally {
    frames: Box<[u64]>,
    ports: Vec<u16>,
}

/// A socket's.
pub(super) struct SocketCredit {
    counts: Arc<Counts>,
    at: usize,
    /// Frames that this worker received, and those before that another one may still have.
    held: u64,
    crossing: u64,
    /// `admitted` as it was some time ago.
    mark: u64,
    marked: Instant,
}

/// What of the frames received is sent: all, those before the last time this was said, or not even those. What crossed to
/// another worker is sent when that one has done so; until then the credit of all that was received with it is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Not even what crossed before the last time.
    Nothing,
    /// What crossed before the last time.
    Before,
    /// All.
    All,
}

impl Tally {
    fn new() -> Tally {
        Tally { frames: vec![0; PORTS].into_boxed_slice(), ports: Vec::with_capacity(PORTS) }
    }

    #[inline]
    fn add(&mut self, port: usize, frames: u64) {
        if frames > 0 && self.frames[port] == 0 {
            self.ports.push(port as u16);
        }
        self.frames[port] += frames;
    }
}

impl Counts {
    pub(super) fn worker(counts: &Arc<Counts>, worker: usize) -> Credit {
        let base = worker * PORTS;
        // What a predecessor's ports have here is lost with its rings.
        let mark = (base..base + PORTS).map(|at| counts.forgive(at)).collect();
        let (held, crossing) = (Tally::new(), Tally::new());
        Credit { counts: Arc::clone(counts), base, held, crossing, mark, since: 0, reconciled: Instant::now() }
    }

    pub(super) fn socket(counts: &Arc<Counts>, socket: u32) -> SocketCredit {
        let at = counts.sockets + socket as usize;
        let mark = counts.forgive(at);
        SocketCredit { counts: Arc::clone(counts), at, held: 0, crossing: 0, mark, marked: Instant::now() }
    }

    fn word(map: &Region, index: usize) -> &AtomicU64 {
        // SAFETY: inside the mapping, which holds u64 at multiples of 8 that the kernel accesses atomically.
        unsafe { &*map.at().as_ptr().cast::<AtomicU64>().add(index) }
    }

    fn admitted(&self, at: usize) -> u64 {
        Counts::word(&self.admitted, at).load(Ordering::Relaxed)
    }

    fn consumed(&self, at: usize) -> u64 {
        Counts::word(&self.consumed, at).load(Ordering::Relaxed)
    }

    fn set(&self, at: usize, consumed: u64) {
        Counts::word(&self.consumed, at).store(consumed, Ordering::Release);
    }

    /// Only one worker writes an entry.
    fn add(&self, at: usize, frames: u64) {
        self.set(at, self.consumed(at).wrapping_add(frames));
    }

    fn forgive(&self, at: usize) -> u64 {
        let lost = self.admitted(at);
        self.set(at, lost);
        lost
    }

    /// What was admitted before `mark` has come out or is lost; and no more came out than went in. Returns by how much
    /// that changes what is out, and what is admitted now.
    fn reconcile(&self, at: usize, mark: u64) -> (u64, u64) {
        let (out, now) = (self.consumed(at), self.admitted(at));
        let right = out.max(mark).min(now);
        if right != out {
            self.set(at, right);
        }
        (right.wrapping_sub(out), now)
    }
}

impl Credit {
    /// Frames of all ports for which there was no room, since ever.
    #[inline]
    pub(super) fn refused(&self) -> u64 {
        Counts::word(&self.counts.refused, 0).load(Ordering::Relaxed)
    }

    /// Frames of this port are sent, or given to another worker.
    #[inline]
    pub(super) fn hold(&mut self, port: usize, frames: u64) {
        self.held.add(port, frames);
    }

    /// See [`Settled`].
    #[inline]
    pub(super) fn settle(&mut self, settled: Settled) {
        let Credit { counts, base, held, crossing, .. } = self;
        let give = |tally: &mut Tally| {
            for port in tally.ports.drain(..) {
                let frames = std::mem::take(&mut tally.frames[usize::from(port)]);
                counts.add(*base + usize::from(port), frames);
                counts.add(*base, frames);
            }
        };
        match settled {
            Settled::Nothing => {}
            Settled::Before => {
                give(crossing);
                std::mem::swap(held, crossing);
            }
            Settled::All => {
                give(crossing);
                give(held);
            }
        }
    }

    /// So many were received, by a ring of so many slots. What was admitted a whole turn of the ring (and the kernel's queue
    /// before it) ago has come out since or is lost: its credit is given back. What came out after it was given up is not
    /// counted twice.
    pub(super) fn received(&mut self, received: u64, slots: usize) {
        // Two turns: one for the ring, one for what waited in the kernel before it.
        if received - self.since > 2 * slots as u64 {
            self.reconcile(received);
        }
    }

    /// Nothing came for a while: whatever was admitted long before is lost.
    pub(super) fn idle(&mut self, received: u64) {
        if self.reconciled.elapsed() > LONG {
            self.reconcile(received);
        }
    }

    fn reconcile(&mut self, received: u64) {
        let mut total = 0u64;
        for port in 1..PORTS {
            let (change, now) = self.counts.reconcile(self.base + port, self.mark[port]);
            total = total.wrapping_add(change);
            self.mark[port] = now;
        }
        self.counts.add(self.base, total);
        (self.since, self.reconciled) = (received, Instant::now());
    }
}

impl SocketCredit {
    /// So many frames were received.
    #[inline]
    pub(super) fn hold(&mut self, frames: u32) {
        self.held += u64::from(frames);
    }

    /// See [`Settled`].
    #[inline]
    pub(super) fn settle(&mut self, settled: Settled) {
        let frames = match settled {
            Settled::Nothing => 0,
            Settled::Before => std::mem::replace(&mut self.crossing, std::mem::take(&mut self.held)),
            Settled::All => std::mem::take(&mut self.crossing) + std::mem::take(&mut self.held),
        };
        if frames > 0 {
            self.counts.add(self.at, frames);
        }
    }

    /// The ring is empty: what was admitted some time ago and did not come is lost.
    pub(super) fn empty(&mut self) {
        if self.held + self.crossing == 0 && self.marked.elapsed() > LONG {
            (_, self.mark) = self.counts.reconcile(self.at, self.mark);
            self.marked = Instant::now();
        }
    }
}
