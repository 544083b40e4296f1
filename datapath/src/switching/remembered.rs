//! Flows on their way from workers to the kernel; and what they did there, on its way back: into the counters, and to
//! stations and neighbours, which do not age while the kernel forwards for them.

use super::{Datapath, Held};
use crate::changes::Changes;
use crate::io::flows::{Entry, FlowStats, Left, Refused};
use crate::program::program;
use crate::snapshot::Snapshot;
use crate::stats::{Counters, Run};
use crate::uncached::Uncached;
use mona_wire::eth::TAG;
use mona_wire::ip::mapped;
use mona_wire::{Mac, PortId};
use nix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Release;
use std::time::Duration;

/// How long a flow nobody uses is remembered, in nanoseconds.
const IDLE: u64 = 60_000_000_000;

/// Flows whose memory is asked for together.
const TOGETHER: usize = 16;
/// Flows that are folded in a turn: a third of a millisecond if all that they depend on is looked at, for that frames wait where
/// worker and control share a CPU, and more of them at once than their ring holds would be lost.
const TURN: usize = 256;

/// What control counts of flows.
#[derive(Default)]
pub(super) struct Remembered {
    /// What the kernel forwarded.
    pub(super) counters: Counters,
    /// Flows that were entered.
    entered: u64,
    /// By the port that frames come in on, decisions that were not entered, by [`Uncached::index`].
    uncached: BTreeMap<PortId, [u64; Uncached::COUNT]>,
}

/// What is to be shown of the flows.
#[derive(Clone, Debug, Default)]
pub struct FlowTotals {
    /// By port.
    pub ports: Vec<(PortId, FlowStats)>,
    /// Flows that were entered since the start.
    pub entered: u64,
    /// By the port that frames came in on, decisions that are not to be remembered, by [`Uncached::index`].
    pub uncached: BTreeMap<PortId, [u64; Uncached::COUNT]>,
}

impl Datapath {
    /// Enters flows that workers decided about, at most `limit` of each worker.
    pub fn remember(&mut self, limit: usize) {
        let (now, current) = (monotonic(), self.current.number);
        self.flows.settle(now);
        let done = &mut self.remembered;
        for link in &mut self.links {
            let mut left = limit;
            while let Ok(chunk) = link.flows.read_chunk(link.flows.slots().min(left).min(TOGETHER))
                && !chunk.is_empty()
            {
                let (some, others) = chunk.as_slices();
                [some, others].into_iter().for_each(|flows| self.flows.prefetch(flows));
                for flow in some.iter().chain(others) {
                    // What a worker decides by an old snapshot after it was replaced no epoch tells.
                    let entered =
                        if flow.snapshot == current { self.flows.insert(flow, now) } else { Err(Refused::Stale) };
                    let why = match entered {
                        Ok(()) => {
                            done.entered += 1;
                            continue;
                        }
                        Err(Refused::Stale) => Uncached::Late,
                        Err(Refused::Device) => Uncached::Device,
                        // The table counts these.
                        Err(Refused::Full) => continue,
                    };
                    done.uncached.entry(flow.outer.rx).or_default()[why.index()] += 1;
                }
                left -= chunk.len();
                chunk.commit_all();
            }
        }
    }

    /// When [`Datapath::remember`] has something to do though no worker rings (CLOCK_MONOTONIC, nanoseconds).
    pub fn remember_at(&self) -> Option<u64> {
        self.flows.due()
    }

    /// No flow that depends on these is replayed from here on, and none that was decided before is entered.
    pub fn raise(&mut self, changes: &Changes) {
        match changes.deps() {
            Some(deps) => self.flows.raise(deps.iter().copied()),
            None => self.flows.raise_all(),
        }
        self.shared.epoch.store(self.flows.epoch(), Release);
    }

    /// The flows that a predecessor left; they go on until [`Datapath::adopt`], whatever changes meanwhile.
    pub fn left_flows(&self) -> Vec<Left> {
        self.flows.left()
    }

    /// Judges them, by what workers decide by now: how many go on? From here on flows are entered.
    pub fn adopt(&mut self, left: &[Left]) -> usize {
        // What was decided before that is forgotten.
        self.begin_round();
        self.links.iter_mut().for_each(|link| while link.flows.pop().is_ok() {});
        let (snapshot, epoch) = (&self.current, self.flows.epoch());
        let decide =
            |rx, frame: &[u8]| program(snapshot, rx, frame, frame.len() as u32, &Default::default(), epoch).ok();
        let kept = self.flows.adopt(monotonic(), left, decide);
        self.shared.epoch.store(self.flows.epoch(), Release);
        kept
    }

    /// The kernel forwards what it remembers for so long from now on, unless this is called again.
    pub fn hold_on(&mut self, time: Duration) {
        self.flows.hold(monotonic() + time.as_nanos() as u64);
    }

    /// Takes over what went by flows since the last time.
    pub fn fold(&mut self) {
        let now = monotonic();
        let into = Into { counters: &self.remembered.counters, snapshot: &self.current, now };
        self.flows.fold(now, IDLE, |entry, frames, bytes| into.take(entry, frames, bytes));
    }

    /// The same of some of them; how many times is everybody's turn once?
    pub fn fold_some(&mut self) -> u32 {
        let now = monotonic();
        let into = Into { counters: &self.remembered.counters, snapshot: &self.current, now };
        self.flows.fold_some(TURN, now, IDLE, |entry, frames, bytes| into.take(entry, frames, bytes))
    }

    /// What is to be shown, as of the last [`Datapath::fold`].
    pub fn flow_totals(&self) -> FlowTotals {
        let since = |(port, held): (&PortId, &Held)| {
            let mut counts = self.uncached(*port);
            counts.iter_mut().zip(held.uncached).for_each(|(now, then)| *now -= then);
            (*port, counts)
        };
        let uncached = self.ports.iter().map(since).collect();
        FlowTotals { ports: self.flows.stats().collect(), entered: self.remembered.entered, uncached }
    }

    /// Decisions about frames of a port that are not to be remembered, since ever.
    pub(super) fn uncached(&self, port: PortId) -> [u64; Uncached::COUNT] {
        let mut sum = self.remembered.uncached.get(&port).copied().unwrap_or_default();
        for counts in self.links.iter().filter_map(|link| link.desk.uncached.get(port.index())) {
            sum.iter_mut().zip(counts).for_each(|(sum, counter)| *sum += counter.get());
        }
        sum
    }

    /// The flows, as of the last [`Datapath::fold`].
    pub fn remembered(&self) -> impl Iterator<Item = &Entry> {
        self.flows.flows()
    }
}

/// Where what went by flows is counted.
struct Into<'a> {
    counters: &'a Counters,
    snapshot: &'a Snapshot,
    now: u64,
}

impl Into<'_> {
    fn take(&self, entry: &Entry, frames: u64, bytes: u64) {
        let Into { counters, now, .. } = *self;
        let (fdb, routing) = (&self.snapshot.fdb, &self.snapshot.routing);
        let Entry { outer, action, counted, .. } = entry;
        let run = |tag: Option<u16>| {
            let tags = if tag.is_some() { frames * TAG as u64 } else { 0 };
            let broadcast = if outer.dst == Mac::BROADCAST { frames } else { 0 };
            let multicast = if outer.dst.is_group() { frames - broadcast } else { 0 };
            Run { frames, bytes: bytes + tags, multicast, broadcast }
        };
        let rx = run(outer.vid);
        counters.received(outer.rx, &rx, now);
        counters.admitted(counted.from, &rx);
        action.copies().for_each(|(to, vid)| counters.sent(to, Some(counted.to), &run(vid), now));
        counted.lines.iter().flatten().for_each(|line| counters.matched(*line, &rx));
        if let Some(six) = counted.six {
            counters.routed((counted.from, counted.to, six), &rx, now);
        }
        if counted.alive
            && let Some(station) = fdb.lookup(counted.from, outer.src)
            && station.port == outer.rx
        {
            fdb.touch(&station);
        }
        if let Some(ip) = counted.neighbour
            && let Some(neighbour) = routing.neighbours.lookup(counted.to, mapped(ip))
        {
            routing.neighbours.touch(&neighbour);
        }
    }
}

/// CLOCK_MONOTONIC, nanoseconds: the clock that workers stamp with.
fn monotonic() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |now| now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
}
