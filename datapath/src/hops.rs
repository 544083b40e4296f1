//! Where packets go: what a route's leaf stands for. Read by every worker, written by control alone.
//!
//! ```text
//!  leaf ──▶ one word ─┬▶ local, drop, broadcast
//!                     ├▶ a next hop: VLAN and gateway                        (one path)
//!                     └▶ a group: 128 buckets, each naming a next hop        (several paths, by weight)
//! ```
//!
//! Routes of the same way share a leaf, so a million routes are a few words here, and what changes for all of them
//! changes in one. A word names next hops and groups by number *and version*: a reader that comes to one which was given
//! up meanwhile sees another version, reads the leaf's word again and finds its new way there. So nothing waits for
//! readers, and no reader for the writer. Only a leaf that is given up rests for a while before it is used again, since
//! prefixes name it by number alone.

use crate::Drop;
use crate::atomic::{AtomicU32, AtomicU64, Ordering::*};
use crate::fdb::Full;
pub use crate::lpm::Leaf;
use mona_wire::ip::mapped;
use mona_wire::{Instant, VlanId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What becomes of packets that match a route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Hop {
    /// An address of the router: to the netdev of the interface the packet came in on.
    Local,
    /// Nowhere: `Null0` ([`Drop::Blackhole`]), reject, no interface.
    Drop(Drop),
    /// The broadcast address of a connected subnet (RFC 919): to all of the VLAN if that is allowed there.
    Broadcast(VlanId),
    /// To one of these, at least one and at most [`PATHS`], chosen per flow.
    Via(Vec<NextHop>),
}

/// One path of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NextHop {
    /// The VLAN it leaves in.
    pub vlan: VlanId,
    /// To whom; `None`: to the destination itself, which is there (a connected route).
    pub gateway: Option<IpAddr>,
    /// Share of the flows, relative to the other paths'; 0 counts as 1.
    pub weight: u16,
}

impl Hop {
    /// The way of a connected subnet.
    pub fn connected(vlan: VlanId) -> Hop {
        Hop::Via(vec![NextHop { vlan, gateway: None, weight: 1 }])
    }

    /// The way by a single gateway.
    pub fn gateway(vlan: VlanId, gateway: IpAddr) -> Hop {
        Hop::Via(vec![NextHop { vlan, gateway: Some(gateway), weight: 1 }])
    }
}

/// Paths a route has at most.
pub const PATHS: usize = 64;
/// Buckets of a group: weights are kept to a 128th.
const BUCKETS: usize = 128;
/// How long a leaf that was given up rests: no worker holds a leaf for longer than a batch.
const REST: Duration = Duration::from_secs(1);
/// How often a reader looks again when the way changed under it. Each time the writer has done something meanwhile.
const TRIES: usize = 8;

/// How much there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Different ways, at most 2^31.
    pub leaves: usize,
    /// Different next hops, at most 65,536.
    pub next_hops: usize,
    /// Different sets of several next hops, at most 65,536.
    pub groups: usize,
}

impl Room {
    /// A router's: four megabytes.
    pub const ROUTER: Room = Room { leaves: 1 << 16, next_hops: 1 << 14, groups: 1 << 12 };
    /// Of a switch that does not route, and of tests.
    pub const SMALL: Room = Room { leaves: 64, next_hops: 64, groups: 16 };
}

/// The ways.
pub struct Hops {
    /// Written by control, read by workers: kind, argument, version.
    leaves: Box<[AtomicU64]>,
    next_hops: Box<[Slot]>,
    groups: Box<[Group]>,
    /// Control's own: nobody else takes the lock.
    book: Mutex<Book>,
}

/// A next hop. Changes only while its version is odd.
#[derive(Default)]
#[repr(align(32))]
struct Slot {
    /// 16 version │ 1 has a gateway │ 16 VLAN
    place: AtomicU64,
    address: [AtomicU64; 2],
}

/// A set of next hops. Buckets change one at a time while it is in use; whose it is changes with the version.
struct Group {
    version: AtomicU32,
    buckets: [AtomicU32; BUCKETS],
}

/// Names a next hop: 16 version │ 16 number.
type Name = u32;

#[derive(Default)]
struct Book {
    leaves: Vec<Option<Entry>>,
    by_hop: BTreeMap<(Hop, bool), Leaf>,
    resting: VecDeque<(Instant, Leaf)>,
    next_hops: BTreeMap<(VlanId, Option<IpAddr>), (Name, usize)>,
    used_slots: usize,
    free_slots: VecDeque<usize>,
    used_groups: usize,
    free_groups: VecDeque<usize>,
}

#[derive(Clone)]
struct Entry {
    hop: Hop,
    default: bool,
    routes: usize,
    /// The number of its group and what each of the buckets stands for.
    group: Option<(usize, Vec<NextHop>)>,
}

/// What a packet does that matched a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// To the router itself.
    Local,
    /// Nowhere.
    Drop(Drop),
    /// To all of a VLAN.
    Broadcast(VlanId),
    /// To a neighbour: the gateway, or without one the destination. IPv4 addresses are mapped (`::ffff:0:0/96`).
    To(VlanId, Option<u128>),
}

const LOCAL: u64 = 1;
const DROP: u64 = 2;
const BROADCAST: u64 = 3;
const TO: u64 = 4;
const GROUP: u64 = 5;
/// The leaf is that of a default route.
const DEFAULT: u64 = 1 << 8;
const ARGUMENT: u32 = 32;

impl Hops {
    /// A table without ways.
    pub fn with_room(room: Room) -> Hops {
        let group = |_| Group { version: AtomicU32::new(0), buckets: std::array::from_fn(|_| AtomicU32::new(0)) };
        Hops {
            leaves: (0..room.leaves).map(|_| AtomicU64::new(0)).collect(),
            next_hops: (0..room.next_hops.min(1 << 16)).map(|_| Slot::default()).collect(),
            groups: (0..room.groups.min(1 << 16)).map(group).collect(),
            book: Mutex::default(),
        }
    }

    /// Workers: the neighbour it goes to, if it goes to one alone, as nearly all do. `None` says nothing: see
    /// [`Hops::follow`].
    #[inline(always)]
    pub fn only(&self, leaf: Leaf) -> Option<(VlanId, Option<u128>)> {
        let word = self.leaves.get(leaf.index())?.load(Acquire);
        if word & 0xff == TO { self.read((word >> ARGUMENT) as Name) } else { None }
    }

    /// Workers: where does it go? `flow` is asked for the flow's hash if there are several paths. `None`: the leaf was
    /// given up.
    pub fn follow(&self, leaf: Leaf, mut flow: impl FnMut() -> u32) -> Option<Step> {
        let word = self.leaves.get(leaf.index())?;
        for _ in 0..TRIES {
            let word = word.load(Acquire);
            let argument = word >> ARGUMENT;
            let name = match word & 0xff {
                LOCAL => return Some(Step::Local),
                DROP => return Drop::ALL.get(argument as usize).map(|why| Step::Drop(*why)),
                BROADCAST => return VlanId::numbered(argument as u16).map(Step::Broadcast),
                TO => Some(argument as Name),
                GROUP => self.bucket(argument as Name, flow() as usize >> (32 - BUCKETS.ilog2())),
                _ => return None,
            };
            if let Some((vlan, gateway)) = name.and_then(|name| self.read(name)) {
                return Some(Step::To(vlan, gateway));
            }
        }
        None
    }

    /// Workers, for unicast reverse path forwarding (RFC 3704): do packets of this leaf go to that VLAN, or with `None` to
    /// any? The second answer: is it a default route?
    pub fn reaches(&self, leaf: Leaf, vlan: Option<VlanId>) -> (bool, bool) {
        let Some(word) = self.leaves.get(leaf.index()) else { return (false, false) };
        let word = word.load(Acquire);
        let there = |name: Option<Name>| match name.and_then(|name| self.read(name)) {
            Some((to, _)) => vlan.is_none_or(|vlan| vlan == to),
            None => false,
        };
        let argument = (word >> ARGUMENT) as Name;
        let reaches = match word & 0xff {
            TO => there(Some(argument)),
            GROUP => (0..BUCKETS).any(|bucket| there(self.bucket(argument, bucket))),
            LOCAL => vlan.is_none(),
            _ => false,
        };
        (reaches, word & DEFAULT != 0)
    }

    /// Asks the cache for the leaf's word.
    #[inline]
    pub fn prefetch(&self, leaf: Leaf) {
        if let Some(word) = self.leaves.get(leaf.index()) {
            crate::prefetch::prefetch(word);
        }
    }

    #[inline]
    fn bucket(&self, group: Name, bucket: usize) -> Option<Name> {
        let version = group >> 16;
        let group = self.groups.get(group as usize & 0xffff)?;
        if group.version.load(Acquire) != version {
            return None;
        }
        let name = group.buckets[bucket % BUCKETS].load(Acquire);
        (group.version.load(Relaxed) == version).then_some(name)
    }

    #[inline(always)]
    fn read(&self, name: Name) -> Option<(VlanId, Option<u128>)> {
        let slot = self.next_hops.get(name as usize & 0xffff)?;
        let place = slot.place.load(Acquire);
        let address = slot.address.each_ref().map(|word| word.load(Acquire));
        if place >> 32 != u64::from(name >> 16) || slot.place.load(Relaxed) != place {
            return None;
        }
        let gateway = u128::from(address[0]) << 64 | u128::from(address[1]);
        Some((VlanId::numbered(place as u16)?, (place & 1 << 16 != 0).then_some(gateway)))
    }

    /// Control alone: the leaf of this way, for one more route. `default`: for a default route, which unicast reverse path
    /// forwarding treats apart.
    pub fn enter(&self, hop: &Hop, default: bool, now: Instant) -> Result<Leaf, Full> {
        let mut book = self.book();
        if matches!(hop, Hop::Via(paths) if paths.len() > PATHS) {
            return Err(Full);
        }
        if let Some(leaf) = book.by_hop.get(&(hop.clone(), default)).copied() {
            if let Some(Some(entry)) = book.leaves.get_mut(leaf.index()) {
                entry.routes += 1;
            }
            return Ok(leaf);
        }
        let rested = book.resting.front().filter(|(since, _)| now.since(*since) >= REST).map(|(_, leaf)| *leaf);
        let leaf = match rested {
            Some(leaf) => leaf,
            None if book.leaves.len() < self.leaves.len() => Leaf::new(book.leaves.len() as u32),
            None => return Err(Full),
        };
        let entry = Entry { hop: Hop::Local, default, routes: 1, group: None };
        let entry = self.write(&mut book, leaf, entry, hop)?;
        match rested {
            Some(_) => {
                book.resting.pop_front();
                book.leaves[leaf.index()] = Some(entry);
            }
            None => book.leaves.push(Some(entry)),
        }
        book.by_hop.insert((hop.clone(), default), leaf);
        Ok(leaf)
    }

    /// Control alone: all routes of this leaf go another way from now on. The flows of paths that stay keep theirs. If
    /// there is no room for the new way, the old one stays.
    pub fn change(&self, leaf: Leaf, hop: &Hop) -> Result<(), Full> {
        let mut book = self.book();
        if matches!(hop, Hop::Via(paths) if paths.len() > PATHS) {
            return Err(Full);
        }
        let Some(Some(entry)) = book.leaves.get(leaf.index()).cloned() else { return Ok(()) };
        let was = (entry.hop.clone(), entry.default);
        let default = entry.default;
        let entry = self.write(&mut book, leaf, entry, hop)?;
        book.leaves[leaf.index()] = Some(entry);
        if book.by_hop.get(&was) == Some(&leaf) {
            book.by_hop.remove(&was);
        }
        book.by_hop.entry((hop.clone(), default)).or_insert(leaf);
        Ok(())
    }

    /// Control alone: one route less, which no prefix names any more.
    pub fn leave(&self, leaf: Leaf, now: Instant) {
        let mut book = self.book();
        let Some(Some(entry)) = book.leaves.get_mut(leaf.index()) else { return };
        entry.routes -= 1;
        if entry.routes > 0 {
            return;
        }
        let Some(entry) = book.leaves[leaf.index()].take() else { return };
        self.leaves[leaf.index()].store(0, Release);
        let key = (entry.hop.clone(), entry.default);
        if book.by_hop.get(&key) == Some(&leaf) {
            book.by_hop.remove(&key);
        }
        self.give_up(&mut book, &entry.hop, entry.group.map(|(group, _)| group));
        book.resting.push_back((now, leaf));
    }

    /// What a leaf stands for.
    pub fn hop(&self, leaf: Leaf) -> Option<Hop> {
        let book = self.book();
        book.leaves.get(leaf.index()).and_then(Option::as_ref).map(|entry| entry.hop.clone())
    }

    /// How many ways, next hops and groups there are.
    pub fn used(&self) -> Room {
        let book = self.book();
        Room {
            leaves: book.leaves.iter().flatten().count(),
            next_hops: book.next_hops.len(),
            groups: book.used_groups - book.free_groups.len(),
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the leaf's word that of `hop`, new things first, then the word, then what it no longer names goes.
    fn write(&self, book: &mut Book, leaf: Leaf, old: Entry, hop: &Hop) -> Result<Entry, Full> {
        let (default, routes) = (old.default, old.routes);
        let was_written = self.leaves[leaf.index()].load(Relaxed) != 0;
        let paths: &[NextHop] = if let Hop::Via(paths) = hop { paths } else { &[] };
        let names = self.take(book, paths)?;
        let mut group = None;
        let (kind, argument) = match (hop, &names[..]) {
            (Hop::Local, _) => (LOCAL, 0),
            (Hop::Drop(why), _) => (DROP, *why as u32),
            (Hop::Broadcast(vlan), _) => (BROADCAST, u32::from(vlan.get())),
            (Hop::Via(_), []) => (DROP, Drop::Blackhole as u32),
            (Hop::Via(_), [one]) => (TO, *one),
            (Hop::Via(_), _) => {
                let kept = old.group.clone().or_else(|| Some((self.new_group(book)?, Vec::new())));
                let Some((number, before)) = kept else {
                    self.drop_next_hops(book, paths);
                    return Err(Full);
                };
                let buckets = buckets(paths, &before);
                let name_of = |path: &NextHop| {
                    let at = paths.iter().position(|other| other == path).unwrap_or(0);
                    names[at]
                };
                for (cell, path) in self.groups[number].buckets.iter().zip(&buckets) {
                    cell.store(name_of(path), Release);
                }
                group = Some((number, buckets));
                (GROUP, self.groups[number].version.load(Relaxed) << 16 | number as u32)
            }
        };
        let word = u64::from(argument) << ARGUMENT | if default { DEFAULT } else { 0 } | kind;
        self.leaves[leaf.index()].store(word, Release);
        if was_written {
            let gone = old.group.filter(|_| group.is_none()).map(|(number, _)| number);
            self.give_up(book, &old.hop, gone);
        }
        Ok(Entry { hop: hop.clone(), default, routes, group })
    }

    fn new_group(&self, book: &mut Book) -> Option<usize> {
        if let Some(number) = book.free_groups.pop_front() {
            return Some(number);
        }
        let number = book.used_groups;
        (number < self.groups.len()).then(|| {
            book.used_groups += 1;
            number
        })
    }

    /// The names of next hops, each used once more.
    fn take(&self, book: &mut Book, paths: &[NextHop]) -> Result<Vec<Name>, Full> {
        let mut names = Vec::with_capacity(paths.len());
        for (at, path) in paths.iter().enumerate() {
            let key = (path.vlan, path.gateway);
            if let Some((name, uses)) = book.next_hops.get_mut(&key) {
                *uses += 1;
                names.push(*name);
                continue;
            }
            let fresh = (book.used_slots < self.next_hops.len()).then_some(book.used_slots);
            let Some(number) = book.free_slots.pop_front().or(fresh) else {
                self.drop_next_hops(book, &paths[..at]);
                return Err(Full);
            };
            book.used_slots = book.used_slots.max(number + 1);
            let slot = &self.next_hops[number];
            // Odd while it changes, even for whoever gets the name.
            let version = (slot.place.load(Relaxed) >> 32) as u16 & !1;
            let address = path.gateway.map_or(0, mapped);
            slot.place.store(u64::from(version | 1) << 32, Release);
            slot.address[0].store((address >> 64) as u64, Release);
            slot.address[1].store(address as u64, Release);
            let version = version.wrapping_add(2);
            let has = u64::from(path.gateway.is_some()) << 16;
            slot.place.store(u64::from(version) << 32 | has | u64::from(path.vlan.get()), Release);
            let name = Name::from(version) << 16 | number as Name;
            book.next_hops.insert(key, (name, 1));
            names.push(name);
        }
        Ok(names)
    }

    fn give_up(&self, book: &mut Book, hop: &Hop, group: Option<usize>) {
        if let Some(number) = group {
            let version = &self.groups[number].version;
            version.store((version.load(Relaxed) + 1) & 0xffff, Release);
            book.free_groups.push_back(number);
        }
        if let Hop::Via(paths) = hop {
            self.drop_next_hops(book, paths);
        }
    }

    fn drop_next_hops(&self, book: &mut Book, paths: &[NextHop]) {
        for path in paths {
            let key = (path.vlan, path.gateway);
            let Some((name, uses)) = book.next_hops.get_mut(&key) else { continue };
            *uses -= 1;
            if *uses == 0 {
                let number = *name as usize & 0xffff;
                book.next_hops.remove(&key);
                let place = &self.next_hops[number].place;
                place.store(place.load(Relaxed) | 1 << 32, Release);
                book.free_slots.push_back(number);
            }
        }
    }
}

/// Shares the buckets out by weight (largest remainder). A path keeps the buckets it had, so far as its share allows: a
/// flow moves only if its path went or has too much.
fn buckets(paths: &[NextHop], before: &[NextHop]) -> Vec<NextHop> {
    let weight = |path: &NextHop| usize::from(path.weight.max(1));
    let total: usize = paths.iter().map(weight).sum();
    let mut shares: Vec<usize> = paths.iter().map(|path| weight(path) * BUCKETS / total).collect();
    let mut order: Vec<usize> = (0..paths.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(weight(&paths[*at]) * BUCKETS % total));
    let left = BUCKETS - shares.iter().sum::<usize>();
    order.iter().take(left).for_each(|at| shares[*at] += 1);
    // The path of the same VLAN and gateway is the same path, whatever its weight now.
    let place = |path: &NextHop| paths.iter().position(|p| (p.vlan, p.gateway) == (path.vlan, path.gateway));
    let mut buckets: Vec<Option<usize>> = (0..BUCKETS)
        .map(|bucket| {
            let at = place(before.get(bucket)?)?;
            shares[at] = shares[at].checked_sub(1)?;
            Some(at)
        })
        .collect();
    for bucket in buckets.iter_mut().filter(|bucket| bucket.is_none()) {
        // There are as many shares left as buckets.
        let at = shares.iter().position(|share| *share > 0).unwrap_or(0);
        shares[at] = shares[at].saturating_sub(1);
        *bucket = Some(at);
    }
    buckets.into_iter().map(|at| paths[at.unwrap_or(0)]).collect()
}

#[cfg(test)]
#[path = "hops_tests.rs"]
mod tests;
