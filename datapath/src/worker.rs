//! A worker: one pinned thread that receives, decides and sends, and tells control what it saw.
//!
//! ```text
//!   snapshot ──▶ obey ─▶ carry ─▶ receive ─▶ decide ─▶ ask ─▶ count ─▶ send ─▶ report ─▶ flush ─▶ rest
//!                ports   others'  own I/O    forward()  flows  per      own I/O, ring    once per  spin a little,
//!                handed  frames                                batch    to a colleague   round     then sleep
//! ```
//! Under load a round makes no system call of its own (the I/Os kick the kernel when it asks for it), takes no lock and
//! allocates nothing.

mod exits;

use crate::Seen;
use crate::asking::Asked;
use crate::batch::{BATCH, Batch};
use crate::crossing::Crossings;
use crate::flow::Flow;
use crate::fragments;
use crate::io::set::{IoSet, LOSSES, Own};
use crate::policer::Policer;
use crate::punt::Punts;
use crate::restraint::Restraint;
use crate::ring::{Bell, FrameReader, FrameWriter};
use crate::snapshot::Snapshot;
use crate::stats::{Counter, Counters, Runs};
use crate::uncached::Uncached;
use arc_swap::ArcSwap;
use crossbeam::utils::CachePadded;
use exits::Exits;
use mona_wire::PortId;
use rtrb::{Consumer, Producer};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant};

/// How long a worker polls in vain before it sleeps: a host needs about that long to answer, waking an idle CPU costs 30
/// microseconds (in a virtual machine), and a thousand lone frames a second cost 5 % of a CPU.
const SPIN: Duration = Duration::from_micros(50);
/// Rounds in a row that find a full batch: more than lay in the ring when it was full, so it was not a pause that filled it.
const BEHIND: u32 = 16;
/// Frames taken from one ring per round: as many as [leave together](crate::io::live).
const RECEIVED: usize = 2 * BATCH;
/// Frames taken from one colleague per round.
const CARRY: usize = 4 * BATCH;

/// What control says to all workers.
pub struct Shared {
    /// Written by control, read by workers when the generation says so.
    pub snapshot: ArcSwap<Snapshot>,
    /// Counts publications. Written by control after the snapshot, read by workers once per round.
    pub generation: CachePadded<AtomicU64>,
    /// The epoch of the flows: counts what was raised. Written by control after what it stands for, read by workers before
    /// they decide.
    pub epoch: CachePadded<AtomicU64>,
    /// Numbers what workers report of a batch, so that control knows what came later. Written by whoever reports.
    pub reported: CachePadded<AtomicU64>,
    /// Written once, by control.
    pub stop: AtomicBool,
}

/// What one worker shares with everybody else.
pub struct Desk {
    /// Wakes it. Rung by other workers and by control.
    pub bell: Arc<Bell>,
    /// Written by the worker.
    pub counters: Counters,
    /// The generation it decides by; written by the worker, read by control.
    pub acknowledged: CachePadded<AtomicU64>,
    /// Reports that found the ring to control full; written by the worker.
    pub seen_lost: Counter,
    /// Frames that a line of an access list would have had logged, beyond what control is shown; written by the worker.
    pub unlogged: Counter,
    /// Frames that control was not shown, since there were too many; written by the worker.
    pub told_lost: Counter,
    /// Losses between the kernel and the worker, by [`LOSSES`]; written by the worker.
    pub losses: [Counter; LOSSES.len()],
    /// By the port that frames came in on, decisions that are not to be remembered, by [`Uncached::index`]; written by the
    /// worker.
    pub uncached: Box<[[Counter; Uncached::COUNT]]>,
}

impl Desk {
    /// A new worker's.
    pub fn new() -> nix::Result<Desk> {
        Ok(Desk {
            bell: Arc::new(Bell::new()?),
            counters: Counters::default(),
            acknowledged: CachePadded::default(),
            seen_lost: Counter::default(),
            unlogged: Counter::default(),
            told_lost: Counter::default(),
            losses: Default::default(),
            uncached: (0..PortId::COUNT).map(|_| Default::default()).collect(),
        })
    }
}

/// A port changing hands. Control gives it, and gets it back to close it: closing is too slow for a worker.
pub enum Order {
    /// Receive from this and send to it.
    Take(PortId, Own),
    /// Give everything of the port back.
    GiveBack(PortId),
}

/// The rings that end at a worker.
pub struct Ends {
    /// Frames from the other workers and, last, from control.
    pub arriving: Vec<FrameReader>,
    /// Frames to the other workers, by number; none to itself.
    pub crossing: Crossings,
    /// Frames for the switch itself.
    pub punts: FrameWriter,
    /// Sources that control may want to learn, each with the number of its batch.
    pub seen: Producer<(u64, Seen)>,
    /// Decisions that the kernel may remember.
    pub flows: Producer<Flow>,
    /// Ports from control…
    pub orders: Consumer<Order>,
    /// …and back; `None` says that was all.
    pub returned: Producer<(PortId, Option<Own>)>,
    /// Wakes control.
    pub control: Arc<Bell>,
}

/// The thread's own things.
pub struct Worker {
    shared: Arc<Shared>,
    snapshot: Arc<Snapshot>,
    generation: u64,
    arriving: Vec<FrameReader>,
    orders: Consumer<Order>,
    returned: Producer<(PortId, Option<Own>)>,
    exits: Exits,
    batch: Batch,
    idle_since: Option<Instant>,
    /// Rounds in a row that found a full batch.
    full: u32,
    restraint: Restraint,
}

impl Worker {
    /// A worker that has not begun. Its first round takes the snapshot that is current then.
    pub fn new(shared: Arc<Shared>, desk: Arc<Desk>, io: IoSet, ends: Ends) -> Worker {
        let Ends { arriving, crossing, punts, seen, flows, orders, returned, control } = ends;
        let snapshot = shared.snapshot.load_full();
        let exits = Exits {
            desk,
            io,
            crossing,
            punts: Punts::new(punts),
            policer: Policer::default(),
            scratch: vec![0; fragments::SCRATCH].into_boxed_slice(),
            seen,
            flows,
            asked: Asked::default(),
            waiting: None,
            control,
            reported: false,
            unheard: false,
            heard: Instant::now(),
            tx: Runs::NONE,
            now: 0,
            lost_at: 0,
        };
        Worker {
            shared,
            snapshot,
            generation: 0,
            arriving,
            orders,
            returned,
            exits,
            batch: Batch::default(),
            idle_since: None,
            full: 0,
            restraint: Restraint::default(),
        }
    }

    /// The loop, until control says stop.
    pub fn run(mut self) {
        let mut frames = Vec::with_capacity(16 * BATCH);
        while !self.shared.stop.load(Relaxed) {
            self.refresh();
            self.obey();
            let carried = self.carry();
            self.exits.io.receive(&mut frames, RECEIVED);
            if carried || !frames.is_empty() {
                self.exits.now = clock();
            }
            self.full = if frames.len() < BATCH { 0 } else { self.full.saturating_add(1) };
            let (now, back) = (self.exits.now, self.exits.asked.come_back());
            let restrained = self.restraint.applies(now, frames.len(), || self.exits.io.refused(), back);
            let behind = restrained || self.full > BEHIND;
            let mut rest = frames.as_mut_slice();
            while !rest.is_empty() {
                let epoch = self.shared.epoch.load(Acquire);
                let (frames, later) = rest.split_at_mut(self.batch.decide(&self.snapshot, rest));
                self.exits.ask(&self.snapshot, &self.batch, frames, epoch, behind);
                // What came in is counted as it came in.
                self.exits.desk.counters.decided(&self.batch, frames, self.exits.now);
                self.exits.send(&self.snapshot, &self.batch, frames);
                self.exits.report(&mut self.batch, &self.shared.reported);
                rest = later;
            }
            if carried || !frames.is_empty() {
                self.exits.flush();
                self.arriving.iter().for_each(FrameReader::done);
                self.exits.settle();
                self.idle_since = None;
                frames.clear();
            } else {
                self.rest();
            }
        }
    }

    /// Decides by the newest snapshot from here on, and says so. The old one is freed by control, which keeps it until
    /// every worker has said so.
    #[inline]
    fn refresh(&mut self) {
        let generation = self.shared.generation.load(Acquire);
        if generation != self.generation {
            self.snapshot = self.shared.snapshot.load_full();
            self.generation = generation;
            self.exits.desk.acknowledged.store(generation, Release);
        }
    }

    /// Takes ports and gives them back.
    #[inline]
    fn obey(&mut self) {
        while let Ok(order) = self.orders.pop() {
            match order {
                Order::Take(port, own) => self.exits.io.add(port, own),
                Order::GiveBack(port) => {
                    while let Some(own) = self.exits.io.remove(port) {
                        let _ = self.returned.push((port, Some(own)));
                    }
                    let _ = self.returned.push((port, None));
                }
            }
        }
    }

    /// Sends what other workers received for ports of this one, and what the switch itself sends. Was there any?
    #[inline]
    fn carry(&mut self) -> bool {
        let mut any = false;
        for ring in &mut self.arriving {
            for _ in 0..CARRY {
                if ring.pop(|label, bytes| self.exits.deliver(&self.snapshot, label, bytes)).is_none() {
                    break;
                }
                any = true;
            }
        }
        any
    }

    /// Nothing to do: polls a little longer, letting others have the CPU, then sleeps.
    #[cold]
    fn rest(&mut self) {
        self.exits.ring_for_seen();
        // A flow may wait for what another worker has just now.
        let settled = self.exits.settle();
        if !settled || self.idle_since.get_or_insert_with(Instant::now).elapsed() < SPIN {
            let _ = nix::sched::sched_yield();
            return;
        }
        self.exits.ring_for_all_seen();
        self.exits.ring_for_flows(0);
        let bell = Arc::clone(&self.exits.desk.bell);
        bell.arm();
        let ready = self.shared.stop.load(Relaxed)
            || self.shared.generation.load(Acquire) != self.generation
            || !self.orders.is_empty()
            || self.arriving.iter().any(|ring| !ring.is_empty())
            || self.exits.io.is_ready();
        if !ready {
            self.exits.io.sleep();
            self.exits.now = clock();
            self.exits.ask_losses_in_time();
        }
        bell.disarm();
        self.idle_since = None;
    }
}

/// CLOCK_MONOTONIC_COARSE: read without a system call, and without the time-stamp counter.
#[inline]
fn clock() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC_COARSE);
    now.map_or(0, |now| now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
}
