//! A worker: one pinned thread that receives, decides and sends, and tells control what it saw.
//!
//! ```text
//!   snapshot ──▶ obey ─▶ carry ─▶ receive ─▶ decide ─▶ ask ─▶ count ─▶ send ─▶ report ─▶ flush ─▶ rest
//!                ports   others'  own I/O    forward()  flows  per      own I/O, ring    once per  spin a little,
//!                handed  frames                                batch    to a colleague   round     then sleep
//! ```
//! Under load a round makes no system call of its own (the I/Os kick the kernel when it asks for it), takes no lock and
//! allocates nothing.

use crate::asking::{Answer, Asked};
use crate::batch::{BATCH, Batch};
use crate::crossing::Crossings;
use crate::flow::{COPIES, Flow, Uncached};
use crate::fragments;
use crate::io::RxFrame;
use crate::io::credit::Settled;
use crate::io::set::{Egress, IoSet, LOSSES, Own};
use crate::offload::{MIN_FRAME, header_len};
use crate::out::Told;
use crate::policer::Policer;
use crate::program::program;
use crate::punt::Punts;
use crate::ring::{Bell, FrameReader, FrameWriter, Label};
use crate::snapshot::{Home, Snapshot};
use crate::stats::{Counter, Counters, Runs};
use crate::{Drop, Seen};
use arc_swap::ArcSwap;
use crossbeam::utils::CachePadded;
use mona_wire::eth::{TAG, TPID_C};
use mona_wire::{PortId, Tci, VlanId};
use rtrb::{Consumer, Producer};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant};

/// How long a worker polls in vain before it sleeps: a host needs about that long to answer, waking an idle CPU costs 30
/// microseconds (in a virtual machine), and a thousand lone frames a second cost 5 % of a CPU.
const SPIN: Duration = Duration::from_micros(50);
/// Flows that control is told of together, and for how long the first of them waits at most: to be woken costs control as much
/// as to enter ten.
const TOGETHER: usize = 64;
const WAIT: Duration = Duration::from_micros(200);
/// Rounds in a row that find a full batch: more than lay in the ring when it was full, so it was not a pause that filled it.
const BEHIND: u32 = 16;
/// Frames taken from one colleague per round.
const CARRY: usize = 4 * BATCH;
/// How often a worker asks the kernel what was lost, in nanoseconds.
const ASK: u64 = 100_000_000;

/// What control says to all workers.
pub struct Shared {
    /// Written by control, read by workers when the generation says so.
    pub snapshot: ArcSwap<Snapshot>,
    /// Counts publications. Written by control after the snapshot, read by workers once per round.
    pub generation: CachePadded<AtomicU64>,
    /// The epoch of the flows: counts what was raised. Written by control after what it stands for, read by workers before
    /// they decide.
    pub epoch: CachePadded<AtomicU64>,
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
    /// Flows that found the ring to control full; written by the worker.
    pub flows_lost: Counter,
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
            flows_lost: Counter::default(),
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
    /// Sources that control may want to learn.
    pub seen: Producer<Seen>,
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
}

/// Where decisions go: own ports, other workers, control, counters.
struct Exits {
    desk: Arc<Desk>,
    io: IoSet,
    crossing: Crossings,
    punts: Punts,
    policer: Policer,
    /// Room for a packet and for a fragment of it.
    scratch: Box<[u8]>,
    seen: Producer<Seen>,
    flows: Producer<Flow>,
    asked: Asked,
    /// Flows that control was not woken for yet, and since when.
    waiting: Option<(usize, Instant)>,
    control: Arc<Bell>,
    /// Is there something new for control in this round?
    reported: bool,
    /// Copies sent but not yet counted.
    tx: Runs<(PortId, Option<VlanId>)>,
    /// The coarse clock at this round.
    now: u64,
    /// When the kernel was asked for losses.
    lost_at: u64,
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
        }
    }

    /// The loop, until control says stop.
    pub fn run(mut self) {
        let mut frames = Vec::with_capacity(16 * BATCH);
        while !self.shared.stop.load(Relaxed) {
            self.refresh();
            self.obey();
            let carried = self.carry();
            self.exits.io.receive(&mut frames, BATCH);
            if carried || !frames.is_empty() {
                self.exits.now = clock();
            }
            self.full = if frames.len() < BATCH { 0 } else { self.full.saturating_add(1) };
            let behind = self.full > BEHIND;
            let mut rest = frames.as_mut_slice();
            while !rest.is_empty() {
                let epoch = self.shared.epoch.load(Acquire);
                let (frames, later) = rest.split_at_mut(self.batch.decide(&self.snapshot, rest));
                self.exits.ask(&self.snapshot, &self.batch, frames, epoch, behind);
                // What came in is counted as it came in.
                self.exits.desk.counters.decided(&self.batch, frames, self.exits.now);
                self.exits.send(&self.snapshot, &self.batch, frames);
                self.exits.report(&mut self.batch);
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
        // A flow may wait for what another worker has just now.
        let settled = self.exits.settle();
        if !settled || self.idle_since.get_or_insert_with(Instant::now).elapsed() < SPIN {
            let _ = nix::sched::sched_yield();
            return;
        }
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

impl Exits {
    /// Carries out what was decided about a batch.
    #[inline]
    fn send(&mut self, snapshot: &Snapshot, batch: &Batch, frames: &mut [RxFrame]) {
        // Control is shown what came in: before it is changed.
        for (frame, vlan, told) in &batch.told {
            self.tell(&frames[usize::from(*frame)], *vlan, *told);
        }
        for routed in &batch.routed {
            frames[usize::from(routed.frame)].rewrite(&routed.rewrite);
        }
        for send in &batch.sends {
            let frame = &frames[usize::from(send.frame)];
            let (from, offload) = (frame.rx, frame.offload);
            let label = Label { from, to: send.port, vlan: Some(send.vlan), tag: send.tag, offload, told: None };
            if send.port == PortId::SELF {
                self.punt(label, frame.bytes());
                continue;
            }
            let Some(port) = snapshot.port(send.port) else { continue };
            if port.host && !self.policer.admit(send.port, frame.bytes(), self.now) {
                self.desk.counters.dropped(from, Drop::HostPoliced);
                self.desk.counters.dropped_ip(frame.bytes(), Drop::HostPoliced);
            } else if send.fragment > 0 {
                self.cut(port.home, label, frame.bytes(), send.fragment);
            } else {
                self.exit(port.home, label, frame.bytes(), Some(frame));
            }
        }
    }

    /// By a port, whoever's it is.
    #[inline]
    fn exit(&mut self, home: Home, label: Label, bytes: &[u8], from: Option<&RxFrame>) {
        match home {
            Home::Worker(other) if !self.io.reaches(label.to, home) => self.cross(other, label, bytes),
            _ => self.leave(home, label, bytes, from),
        }
    }

    /// In fragments; of a super-frame, each segment.
    #[cold]
    fn cut(&mut self, home: Home, label: Label, bytes: &[u8], mtu: u16) {
        let mut scratch = std::mem::take(&mut self.scratch);
        let complete = Label { offload: Default::default(), ..label };
        let done =
            fragments::each(bytes, &label.offload, mtu, &mut scratch, |part| self.exit(home, complete, part, None));
        self.scratch = scratch;
        if let Err(why) = done {
            self.desk.counters.dropped(label.from, why);
            self.desk.counters.dropped_ip(bytes, why);
        }
    }

    /// A frame that another worker or the switch itself sends by a port of this one. One that this worker has given
    /// back meanwhile is no port any more.
    #[inline]
    fn deliver(&mut self, snapshot: &Snapshot, label: Label, bytes: &[u8]) {
        match snapshot.port(label.to).map(|port| port.home) {
            Some(home) if self.io.reaches(label.to, home) => self.leave(home, label, bytes, None),
            _ => self.desk.counters.dropped(label.from, Drop::PortDown),
        }
    }

    /// By a port of this worker's own.
    #[inline]
    fn leave(&mut self, home: Home, label: Label, bytes: &[u8], from: Option<&RxFrame>) {
        let Exits { desk, io, tx, now, .. } = self;
        let egress = Egress { bytes, tag: label.tag, offload: label.offload };
        match io.send(label.to, home, &egress, from) {
            Ok(()) => {
                let run = tx.of((label.to, label.vlan), |(port, vlan), run| desk.counters.sent(port, vlan, run, *now));
                run.add(bytes, leaving_len(bytes, label.tag), &label.offload);
            }
            Err(why) => desk.counters.dropped(label.from, why),
        }
    }

    /// By a port of another worker.
    #[inline]
    fn cross(&mut self, worker: u8, label: Label, bytes: &[u8]) {
        if let Err(why) = self.crossing.pass(worker, label, bytes) {
            self.desk.counters.dropped(label.from, why);
        }
    }

    /// To the switch itself, as it came in.
    fn punt(&mut self, label: Label, bytes: &[u8]) {
        if self.punts.push(label, bytes, self.now) {
            self.reported = true;
            return;
        }
        match label.told {
            None => self.desk.counters.dropped(label.from, Drop::PuntFull),
            // The frame itself goes its way, or was dropped and counted already.
            Some(Told::Listed { .. }) => self.desk.unlogged.add(1),
            Some(_) => self.desk.told_lost.add(1),
        }
    }

    /// Shows control a frame, of a super-frame the first segment.
    #[cold]
    fn tell(&mut self, frame: &RxFrame, vlan: VlanId, told: Told) {
        let (from, offload) = (frame.rx, frame.offload);
        let first = offload.gso.map(|gso| header_len(frame.bytes(), &offload, &gso) as usize + usize::from(gso.size));
        let bytes = &frame.bytes()[..first.unwrap_or(usize::MAX).min(frame.len())];
        self.punt(Label { from, to: PortId::SELF, vlan: Some(vlan), tag: None, offload, told: Some(told) }, bytes);
    }

    /// Asks control to have remembered what can be: a frame of which few copies leave, whole. What does not fit is asked
    /// again by a later frame.
    #[inline]
    fn ask(&mut self, snapshot: &Snapshot, batch: &Batch, frames: &[RxFrame], epoch: u64, behind: bool) {
        for sends in batch.sends.chunk_by(|one, other| one.frame == other.frame) {
            let [send, ..] = sends else { continue };
            let frame = &frames[usize::from(send.frame)];
            let replayed = |port| snapshot.port(port).is_some_and(|port| port.cached);
            if send.fragment > 0 || !replayed(frame.rx) || !sends.iter().take(COPIES).all(|send| replayed(send.port)) {
                continue;
            }
            let question = match self.asked.question(frame.rx, frame.bytes(), self.now, behind) {
                Answer::Ask(question) => question,
                Answer::Noted => {
                    self.desk.uncached[frame.rx.index()][Uncached::Once.index()].add(1);
                    continue;
                }
                Answer::Wait => continue,
            };
            let flow = program(snapshot, frame.rx, frame.bytes(), frame.len() as u32, &frame.offload, epoch);
            self.asked.asked(question, flow.as_ref().ok().map(|flow| flow.looked.depth), self.now);
            match flow {
                Ok(flow) if self.flows.push(flow).is_ok() => {
                    self.waiting.get_or_insert_with(|| (0, Instant::now())).0 += 1;
                }
                Ok(_) => self.desk.flows_lost.add(1),
                Err(why) => self.desk.uncached[frame.rx.index()][why.index()].add(1),
            }
        }
    }

    /// Tells control about sources. What does not fit is lost; the station's next frame repeats it.
    #[inline]
    fn report(&mut self, batch: &mut Batch) {
        for seen in &batch.seen {
            match self.seen.push(*seen) {
                Ok(()) => self.reported = true,
                Err(_) => self.desk.seen_lost.add(1),
            }
        }
        batch.budget = Batch::share(self.seen.slots(), self.seen.buffer().capacity());
    }

    /// The end of a round that moved something: kernels are kicked, memory is given back, sleepers are woken.
    #[inline]
    fn flush(&mut self) {
        let Exits { desk, now, .. } = self;
        self.tx.end(|(port, vlan), run| desk.counters.sent(port, vlan, run, *now));
        self.io.flush();
        self.crossing.wake();
        if std::mem::take(&mut self.reported) {
            self.control.ring();
        }
        self.ring_for_flows(TOGETHER);
        self.ask_losses_in_time();
    }

    #[inline]
    fn ask_losses_in_time(&mut self) {
        if self.now - self.lost_at > ASK {
            self.ask_losses();
        }
    }

    /// Wakes control if so many flows wait for it, or one for long enough.
    #[inline]
    fn ring_for_flows(&mut self, together: usize) {
        if let Some((flows, since)) = self.waiting
            && (flows >= together || since.elapsed() > WAIT)
        {
            self.waiting = None;
            self.control.ring();
        }
    }

    /// Gives ports the credit of what was received, as far as it is sent, by whatever worker: all of it?
    #[inline]
    fn settle(&mut self) -> bool {
        let settled = self.crossing.settle();
        self.io.settle(settled);
        settled == Settled::All
    }

    /// Asks the kernel what was lost.
    #[cold]
    fn ask_losses(&mut self) {
        self.lost_at = self.now;
        self.io.losses(&self.desk.losses);
    }
}

/// How long a frame is with the tag it leaves with; a runt that a removed tag leaves behind is padded.
#[inline]
fn leaving_len(bytes: &[u8], tag: Option<Tci>) -> usize {
    let tagged = bytes.get(12..14).is_some_and(|tpid| tpid == TPID_C.to_be_bytes());
    match (tagged, tag.is_some()) {
        (false, true) => bytes.len() + TAG,
        (true, false) => (bytes.len() - TAG).max(MIN_FRAME),
        _ => bytes.len(),
    }
}

/// CLOCK_MONOTONIC_COARSE: read without a system call, and without the time-stamp counter.
#[inline]
fn clock() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC_COARSE);
    now.map_or(0, |now| now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
}
