//! The flows that the kernel replays, as control holds them: what is where, whose it is, when it was used last.
//!
//! An outer key leads to a decision or to a look at more of the frame, whose inner key leads to a decision. A flow goes
//! stale when anything it depends on is raised; a port may hold four times as many flows as it leaves free.

mod adopt;
mod leaving;
mod tenants;

pub use adopt::Left;

use super::fanout::Fanouts;
use super::slots::{Content, Epoch, GENERATIONS, GROUP, Key, Memory, Slots, generation};
use crate::flow::{Action, COPIES, Counted, Dep, Depth, Flow, Inner, Looked, Outer};
use mona_wire::PortId;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use tenants::Tenants;

/// Slots of a switch's table: 32 MiB.
pub const SLOTS: u32 = 1 << 18;
/// When somebody did something who has no clock: the next one that has takes it for now.
const UNKNOWN: u64 = u64::MAX;
/// So many flows before one is looked at, its memory is asked for.
const AHEAD: usize = 8;
/// A flow of which no frame came for so long has none on its way (nanoseconds).
const PAUSE: u64 = 1_000_000_000;
/// A flow that is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which frames it is about,
    pub outer: Outer,
    /// by what of them;
    pub looked: Looked,
    /// the rest of that.
    pub inner: Inner,
    /// What is done with them.
    pub action: Action,
    /// What they count for.
    pub counted: Counted,
    /// Frames since it was inserted, as of the last [`FlowTable::fold`].
    pub frames: u64,
    /// Their bytes, without the tag.
    pub bytes: u64,
    /// When a frame was last seen to have gone by it; or when it was inserted.
    pub used: u64,
}

/// Why a flow is not inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refused {
    /// What it depends on was raised since it was decided.
    Stale,
    /// One of its ports is none that the kernel's programs reach.
    Device,
    /// Its port has its share of flows, and all are in use just now; or the slots where it might lie are taken.
    Full,
}

/// How a port is reached, and from it others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// The index of its device.
    pub ifindex: u32,
    /// By which lane frames go up, and which count is theirs, as in flow.h; of several lanes the first.
    pub credit: u32,
    /// Does its device take frames from XDP?
    pub takes_xdp: bool,
    /// Does its own XDP program send frames on? Otherwise TC does.
    pub gives_xdp: bool,
}

impl Way {
    /// That of a port whose frames are TC's.
    pub fn tc(ifindex: u32, credit: u32) -> Way {
        Way { ifindex, credit, takes_xdp: false, gives_xdp: false }
    }
}

/// What a port holds, and what became of the flows of frames that came in there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowStats {
    /// Flows that are remembered now.
    pub flows: usize,
    /// Frames that went by flows, as of the last [`FlowTable::fold`].
    pub hits: u64,
    /// Flows that were inserted.
    pub inserted: u64,
    /// Flows that made room for others of the port.
    pub evictions: u64,
    /// Flows for which there was no room.
    pub refused: u64,
}

/// What is in a slot: nearly always a decision.
#[allow(clippy::large_enum_variant)]
enum Tenant {
    /// More is looked at: for so many flows, under this id.
    Deeper { outer: Outer, depth: Depth, flags: u8, id: u32, children: usize },
    /// A decision.
    Decided(Decided),
}

struct Decided {
    entry: Entry,
    /// The slot's counters at the last fold.
    folded: (u64, u64),
    /// Frames when room was looked for the last time.
    passed: u64,
    /// Of an inner key: where more is looked at, under which id.
    parent: Option<(u32, u32)>,
    /// The list by which copies leave together.
    fanout: Option<u16>,
}

#[derive(Default)]
struct Share {
    way: Option<Way>,
    /// Slots of the port.
    slots: usize,
    /// Its flows, in the order they are looked at for room: slot and version.
    order: VecDeque<(u32, u32)>,
    stats: FlowStats,
}

/// All flows. One thread, control's, changes it; the kernel's programs read the memory.
pub struct FlowTable {
    slots: Arc<Slots>,
    tenants: Tenants,
    fanouts: Option<Fanouts>,
    ports: BTreeMap<PortId, Share>,
    /// Slots that were emptied, and when.
    resting: VecDeque<(u64, u32, Option<Box<Tenant>>)>,
    /// Flows of which nobody knows yet which frame is the last to have gone up: since when, slot and version, credit.
    unmarked: VecDeque<(u64, u32, u32, u32)>,
    /// What went by flows that are no more, since the last fold.
    parted: Vec<(Entry, u64, u64)>,
    version: u32,
    id: u32,
    /// Where [`FlowTable::fold_some`] goes on.
    next: u32,
    /// The memory holds flows of a predecessor that were not judged yet.
    adopting: bool,
}

impl FlowTable {
    /// One that no program reads.
    pub fn in_memory(slots: u32) -> io::Result<FlowTable> {
        let slots = slots.next_power_of_two().max(GROUP as u32);
        Memory::anonymous(slots).map(|memory| FlowTable::over(memory, slots, None))
    }

    /// Over memory of a predecessor it begins with [`FlowTable::adopt`].
    pub(super) fn over(memory: Memory, slots: u32, fanouts: Option<Fanouts>) -> FlowTable {
        let slots = Slots::new(memory, slots);
        let adopting = slots.is_inherited();
        fanouts.iter().filter(|_| !adopting).for_each(Fanouts::sweep);
        FlowTable {
            adopting,
            tenants: Tenants::new(slots.count()),
            slots,
            fanouts,
            ports: BTreeMap::new(),
            resting: VecDeque::new(),
            unmarked: VecDeque::new(),
            parted: Vec::new(),
            version: 0,
            id: 0,
            next: 0,
        }
    }

    /// What was raised up to now.
    pub fn epoch(&self) -> u64 {
        self.slots.epoch()
    }

    /// The same for those who decide: it is read before.
    pub fn view(&self) -> Epoch {
        self.slots.view()
    }

    /// Flows between these ports are remembered from now on. Those there are go on if the device has only begun to take frames
    /// from XDP: until they pause they are TC's as before, or their next frames would overtake what the kernel has just passed to TC.
    pub fn set_port(&mut self, port: PortId, way: Way) {
        let old = self.ports.get(&port).and_then(|share| share.way);
        if old.is_some_and(|old| old != way && Way { takes_xdp: true, ..old } != way) {
            self.remove_port(port);
        }
        self.forget_device(old.filter(|old| old.ifindex != way.ifindex));
        self.ports.entry(port).or_default().way = Some(way);
    }

    /// …and no longer.
    pub fn unset_port(&mut self, port: PortId) {
        self.remove_port(port);
        let way = self.ports.remove(&port).and_then(|share| share.way);
        self.forget_device(way);
    }

    fn forget_device(&mut self, way: Option<Way>) {
        self.fanouts.iter_mut().zip(way).for_each(|(fanouts, way)| fanouts.forget(way.ifindex));
    }

    /// The kernel's programs forget everything when this moment of CLOCK_MONOTONIC has passed (0: never).
    pub fn hold(&mut self, until: u64) {
        self.slots.hold(until);
    }

    /// Do the kernel's programs use it?
    pub fn enable(&mut self, on: bool) {
        self.slots.enable(on);
    }

    /// Everything that depends on these is stale before this returns.
    pub fn raise(&mut self, what: impl IntoIterator<Item = Dep>) {
        if !self.adopting {
            self.slots.raise(what.into_iter().map(|dep| generation(&dep)));
        }
    }

    /// Everything is stale before this returns.
    pub fn raise_all(&mut self) {
        if !self.adopting {
            self.slots.raise(0..GENERATIONS as u32);
        }
    }

    /// Remembers a flow, unless what it depends on was raised since it was decided.
    pub fn insert(&mut self, flow: &Flow, now: u64) -> Result<(), Refused> {
        self.settle(now);
        let mut deps = [0; crate::flow::DEPS];
        let mut count = 0;
        for (to, dep) in deps.iter_mut().zip(flow.deps.iter().flatten()) {
            (*to, count) = (generation(dep), count + 1);
        }
        let deps = &deps[..count];
        if self.adopting || !self.slots.unchanged(deps.iter().copied(), flow.epoch) {
            return Err(Refused::Stale);
        }
        let content = self.content(flow)?;
        let outer = Key::outer(&flow.outer, self.way(flow.outer.rx)?.ifindex);
        let done = match flow.looked.depth {
            Depth::L2 => self.decide(&outer, None, flow, &content, deps, now),
            _ => self.look_deeper(&outer, flow, now).and_then(|(at, id, depth, flags)| {
                let inner = Key::inner(&flow.inner, depth, flags, id);
                let done = self.decide(&inner, Some((at, id)), flow, &content, deps, now);
                self.release(at, now);
                done
            }),
        };
        let stats = &mut self.ports.entry(flow.outer.rx).or_default().stats;
        match done {
            Ok(()) => stats.inserted += 1,
            Err(_) => stats.refused += 1,
        }
        done
    }

    /// These are inserted next: what that touches is asked for. Each may push out one of its port's.
    pub fn prefetch(&self, flows: &[Flow]) {
        for (number, flow) in flows.iter().enumerate() {
            let Some(share) = self.ports.get(&flow.outer.rx) else { continue };
            if let Some(way) = share.way {
                self.slots.prefetch_for(&Key::outer(&flow.outer, way.ifindex));
            }
            if self.is_full(share)
                && let Some((at, _)) = share.order.get(number)
            {
                self.tenants.prefetch(*at);
                self.slots.prefetch(*at);
            }
        }
        let settled = self.unmarked.iter().map(|(_, at, ..)| *at).take(flows.len());
        settled
            .chain(self.resting.iter().map(|(_, at, _)| *at).take(flows.len()))
            .for_each(|at| self.slots.prefetch(at));
    }

    fn way(&self, port: PortId) -> Result<Way, Refused> {
        self.ports.get(&port).and_then(|share| share.way).ok_or(Refused::Device)
    }

    /// May XDP send what goes from one to the other?
    fn by_xdp(&self, from: PortId, to: PortId) -> bool {
        self.way(from).is_ok_and(|from| from.gives_xdp) && self.way(to).is_ok_and(|to| to.takes_xdp)
    }

    /// What is to be done, by devices.
    fn content(&self, flow: &Flow) -> Result<Content, Refused> {
        let (way, xdp) = (self.way(flow.outer.rx)?, self.by_xdp(flow.outer.rx, flow.action.to));
        let mut ifindexes = [0; COPIES];
        for (ifindex, (to, _)) in ifindexes.iter_mut().zip(flow.action.copies()) {
            *ifindex = self.way(to)?.ifindex;
        }
        Ok(Content::of(flow, way.credit, xdp, &ifindexes))
    }

    /// A decision goes into the slot of its key.
    fn decide(
        &mut self,
        key: &Key,
        parent: Option<(u32, u32)>,
        flow: &Flow,
        content: &Content,
        deps: &[u32],
        now: u64,
    ) -> Result<(), Refused> {
        let at = match self.slots.find(key) {
            Some(at) => {
                // Asked for again, as a frame that is out of the ordinary is: it stays as it is.
                if let Some(Tenant::Decided(old)) = self.tenants.get(at)
                    && self.slots.is_fresh(at)
                    && (old.entry.action, old.entry.counted, old.parent) == (flow.action, flow.counted, parent)
                {
                    return Ok(());
                }
                self.vacate(at);
                at
            }
            None => self.room(key, flow.outer.rx, now)?,
        };
        let credit = self.way(flow.outer.rx)?.credit;
        let version = self.next_version();
        let folded = self.slots.counted(at);
        let (content, fanout) = self.fanouts.as_mut().map_or((*content, None), |fanouts| fanouts.gather(content));
        self.slots.write(at, version, key, &content, flow.epoch, deps);
        let Flow { outer, looked, inner, action, counted, .. } = *flow;
        let entry = Entry { outer, looked, inner, action, counted, frames: 0, bytes: 0, used: now };
        let decided = Decided { entry, folded, passed: 0, parent, fanout };
        self.tenants.insert(at, Box::new(Tenant::Decided(decided)));
        if let Some((parent, _)) = parent
            && let Some(Tenant::Deeper { children, .. }) = self.tenants.get_mut(parent)
        {
            *children += 1;
        }
        let share = self.ports.entry(outer.rx).or_default();
        (share.slots, share.stats.flows) = (share.slots + 1, share.stats.flows + 1);
        share.order.push_back((at, version));
        self.unmarked.push_back((now, at, version, credit));
        Ok(())
    }

    /// Has the outer key look at as much as this flow needs: where, under which id, at what.
    fn look_deeper(&mut self, key: &Key, flow: &Flow, now: u64) -> Result<(u32, u32, Depth, u8), Refused> {
        let (mut depth, mut flags) = (flow.looked.depth, if flow.looked.flags { u8::MAX } else { 0 });
        let at = self.slots.find(key);
        if let Some(found) = at {
            match self.tenants.get(found) {
                Some(Tenant::Deeper { depth: old, flags: seen, id, .. }) if *old >= depth && seen | flags == *seen => {
                    let known = (found, *id, *old, *seen);
                    self.retain(found);
                    return Ok(known);
                }
                // What was found by less is found no more: its id is another. It goes with the next fold.
                Some(Tenant::Deeper { depth: old, flags: seen, .. }) => {
                    (depth, flags) = (depth.max(*old), flags | seen);
                    self.vacate(found);
                }
                _ => self.vacate(found),
            }
        }
        let place = match at {
            Some(at) => at,
            None => self.room(key, flow.outer.rx, now)?,
        };
        self.id = self.id.wrapping_add(1);
        let (id, version) = (self.id, self.next_version());
        self.slots.write(place, version, key, &Content::Deeper { depth, flags, id }, 0, &[]);
        // One child too many as long as it is being asked for.
        let tenant = Tenant::Deeper { outer: flow.outer, depth, flags, id, children: 1 };
        self.tenants.insert(place, Box::new(tenant));
        self.ports.entry(flow.outer.rx).or_default().slots += 1;
        Ok((place, id, depth, flags))
    }

    fn retain(&mut self, at: u32) {
        if let Some(Tenant::Deeper { children, .. }) = self.tenants.get_mut(at) {
            *children += 1;
        }
    }

    /// One child less; without any it looks no deeper.
    fn release(&mut self, at: u32, now: u64) {
        if let Some(Tenant::Deeper { children, .. }) = self.tenants.get_mut(at) {
            *children -= 1;
            if *children == 0 {
                self.remove(at, now);
            }
        }
    }

    /// Tells what went by each flow since the last time, and forgets those that are stale, or that nobody has used for so
    /// long.
    pub fn fold(&mut self, now: u64, idle: u64, each: impl FnMut(&Entry, u64, u64)) {
        self.fold_these(&self.tenants.taken(0, usize::MAX), now, idle, each);
    }

    /// The same of at most so many, one after the other: of how many such turns everybody is told of once.
    pub fn fold_some(&mut self, most: usize, now: u64, idle: u64, each: impl FnMut(&Entry, u64, u64)) -> u32 {
        let these = self.tenants.taken(self.next, most);
        self.next = if these.len() < most { 0 } else { these.last().map_or(0, |last| last + 1) };
        self.fold_these(&these, now, idle, each);
        self.tenants.len().div_ceil(most).max(1) as u32
    }

    fn fold_these(&mut self, these: &[u32], now: u64, idle: u64, mut each: impl FnMut(&Entry, u64, u64)) {
        self.settle(now);
        let mut gone = Vec::new();
        for (number, at) in these.iter().copied().enumerate() {
            these.get(number + AHEAD).iter().for_each(|at| {
                self.tenants.prefetch(**at);
                self.slots.prefetch(**at);
            });
            let orphan = match self.tenants.get(at) {
                Some(Tenant::Decided(Decided { parent: Some((parent, id)), .. })) => !self.looks_deeper(*parent, *id),
                _ => false,
            };
            let Some(Tenant::Decided(decided)) = self.tenants.get_mut(at) else { continue };
            let (frames, bytes) = decided.fold(self.slots.counted(at));
            if frames > 0 {
                decided.entry.used = now;
                each(&decided.entry, frames, bytes);
                if let Some(share) = self.ports.get_mut(&decided.entry.outer.rx) {
                    share.stats.hits += frames;
                }
            }
            let (entry, paused) = (&decided.entry, now.saturating_sub(decided.entry.used));
            let (from, to, alone) = (entry.outer.rx, entry.action.to, entry.action.also == Action::ALONE);
            let is_slow = || alone && !self.slots.is_by_xdp(at) && self.by_xdp(from, to);
            if orphan || paused > idle || !self.slots.is_fresh(at) || (paused > PAUSE && is_slow()) {
                gone.push(at);
            }
        }
        for (entry, frames, bytes) in self.parted.drain(..) {
            each(&entry, frames, bytes);
            if let Some(share) = self.ports.get_mut(&entry.outer.rx) {
                share.stats.hits += frames;
            }
        }
        self.remove_all(&gone, now);
        self.fanouts.iter_mut().for_each(|fanouts| fanouts.settle(now));
    }

    /// All flows, stale ones among them.
    pub fn flows(&self) -> impl Iterator<Item = &Entry> {
        self.tenants.iter().filter_map(|(_, tenant)| match tenant {
            Tenant::Deeper { .. } => None,
            Tenant::Decided(decided) => Some(&decided.entry),
        })
    }

    /// What each port holds.
    pub fn stats(&self) -> impl Iterator<Item = (PortId, FlowStats)> {
        self.ports.iter().map(|(port, share)| (*port, share.stats))
    }

    /// What a program would find for a frame, and do.
    pub fn answer(&self, outer: &Outer, inner: &Inner) -> Option<&Entry> {
        let way = self.way(outer.rx).ok()?;
        let mut at = self.slots.find(&Key::outer(outer, way.ifindex))?;
        if let Tenant::Deeper { depth, flags, id, .. } = self.tenants.get(at)? {
            at = self.slots.find(&Key::inner(inner, *depth, *flags, *id))?;
        }
        match self.tenants.get(at)? {
            Tenant::Decided(decided) if self.slots.is_fresh(at) => Some(&decided.entry),
            _ => None,
        }
    }

    /// Even, and never one that means something else.
    fn next_version(&mut self) -> u32 {
        self.version = self.version.wrapping_add(2).max(2);
        self.version
    }
}

impl Decided {
    /// What went by since the last time.
    fn fold(&mut self, counted: (u64, u64)) -> (u64, u64) {
        let new = (counted.0.wrapping_sub(self.folded.0), counted.1.wrapping_sub(self.folded.1));
        self.folded = counted;
        self.entry.frames += new.0;
        self.entry.bytes += new.1;
        new
    }
}

#[cfg(test)]
#[path = "flows_tests.rs"]
mod tests;
