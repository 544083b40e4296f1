//! The memory that the flows share with the kernel's programs: their slots, what they depend on, generations and epoch.
//! The same as in `flow.h`. Control alone writes slots (a seqlock: a version that is odd or zero means "not now"); programs
//! add to counters, clear `waiting` and confirm the epoch.

#![allow(unsafe_code)]

mod content;
mod generation;

use content::{Also, tag, untag};
pub(super) use content::{Content, Key};
pub(super) use generation::generation;

use super::credit::PORTS;
use super::umem::Region;
use crate::flow::{COPIES, Depth};
use crate::prefetch::prefetch;
use std::io;
use std::mem::size_of;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, fence};

/// A flow lies in one of so many slots, the group where its key belongs; or in another, where else it may be.
pub(super) const GROUP: usize = 16;
/// As long as there is room, it lies in the first part of the table, one of so many: few flows then share pages, of which a
/// processor knows the addresses of some hundred at a time. (A thousand flows all over the table: 3 to 9 % fewer frames.)
const NEAR: u64 = 64;
/// With fewer free slots left in the first, a flow goes where more are. So of a table of which four fifths are taken one flow in
/// two thousand finds no room, and few have to be looked for twice; if it went where the first free slot is, one in fifty.
const SPARE: usize = 3;
/// Generations there are; what shares one goes stale together.
pub(super) const GENERATIONS: usize = 1 << 16;
/// Dependencies a slot has room for.
const DEPENDS: usize = 31;
/// Where the copies of a flood are among them, which depends on little.
const ALSO: usize = DEPENDS - COPIES - 1;

/// Versions of slots that hold no flow: free, or not to be used for a moment.
pub(super) const FREE: u32 = 0;
const RESTING: u32 = 1;
/// Prints of the same, and the first that is of a key.
const UNUSED: u8 = 0;
const UNFOUND: u8 = 1;
const FOUND: u8 = 2;

/// Whose the counts of a flow are: those of the first CPU that adds to them, which writes itself here; or nobody's, and all count
/// in [`Others`].
const NOT_YET: u8 = 0;
const NOBODY: u8 = 255;

/// Nobody knows which of a flow's frames was the last to go up.
const UNMARKED: u64 = u64::MAX;

/// What is done on a hit: the frame is sent on, or more of it is looked at.
const FORWARD: u8 = 1;
const LOOK_L3: u8 = 2;
const LOOK_L4: u8 = 3;

/// What is new waits for whatever lanes there are; programs take those out by which nothing is on its way.
const ALL_LANES: u16 = u16::MAX;

/// `struct flow`: a hit on port, tag and addresses touches the first cache line alone.
#[repr(C, align(64))]
pub(super) struct Slot {
    version: AtomicU32,
    /// The index of the device the frame came in by; of an inner key, the id of the outer flow.
    from: AtomicU32,
    /// Nothing it depends on was raised up to here.
    epoch: AtomicU64,
    key: [AtomicU64; 2],
    frames: AtomicU64,
    bytes: AtomicU64,
    /// Index of the device it leaves by, MTU, tag (0: none).
    out: AtomicU64,
    /// Kind, how it is routed, flags of TCP that are looked at or whose the counts are, further copies, may XDP send it, flooded,
    /// the lanes it waits for.
    kind: AtomicU64,
    rest: [AtomicU64; 4],
    macs: [AtomicU32; 3],
    /// Which lane of frames on their way through userspace it waits for.
    credit: AtomicU32,
    mark: AtomicU64,
    waited: AtomicU32,
    id: AtomicU32,
}

/// `struct prints`: of each slot of a group, a byte of its key's hash.
#[repr(C, align(16))]
struct Prints([AtomicU8; GROUP]);

/// `struct depends`. Of a flood the last entries are where its further copies go.
#[repr(C, align(64))]
struct Depends {
    count: AtomicU32,
    on: [AtomicU32; DEPENDS],
}

/// `struct counts`: frames and bytes that others than the first CPU counted.
#[repr(C)]
struct Others([AtomicU64; 2]);

/// `struct cache`.
#[repr(C)]
pub(super) struct Cache {
    epoch: AtomicU64,
    seed: AtomicU64,
    hold_until: AtomicU64,
    enabled: AtomicU64,
    checked: AtomicU64,
    /// An epoch and all that was raised in it: one generation, in the lower 16 bits. Mostly it is so, and a program that looks
    /// for it among what a flow depends on need not look at all those generations.
    latest: AtomicU64,
}

const _: () = assert!(GENERATIONS <= 1 << 16);

/// The memory: the kernel's maps, or a process's own.
pub(super) struct Memory {
    pub(super) flows: Region,
    pub(super) prints: Region,
    pub(super) depends: Region,
    pub(super) others: Region,
    pub(super) generations: Region,
    pub(super) cache: Region,
    /// Frames that went towards workers, by [`Way::credit`](super::flows::Way).
    pub(super) admitted: Region,
}

/// Where the epoch is read before something is decided.
#[derive(Clone)]
pub struct Epoch {
    memory: Arc<Slots>,
}

impl Epoch {
    /// What was raised up to now counts for what is decided from now on.
    #[inline]
    pub fn get(&self) -> u64 {
        self.memory.epoch()
    }
}

/// The slots with all that belongs to them.
pub(super) struct Slots {
    memory: Memory,
    count: u32,
    inherited: bool,
}

impl Memory {
    /// Nobody else's, for so many slots.
    pub(super) fn anonymous(slots: u32) -> io::Result<Memory> {
        let [flows, prints, depends, others, generations, cache] = Memory::sizes(slots).map(Region::anonymous);
        let (flows, prints, depends, others) = (flows?, prints?, depends?, others?);
        let admitted = Region::anonymous(PORTS * 8)?;
        Ok(Memory { flows, prints, depends, others, generations: generations?, cache: cache?, admitted })
    }

    /// What the maps of so many slots are long.
    pub(super) fn sizes(slots: u32) -> [usize; 6] {
        let slots = slots as usize;
        let [flows, depends, others] =
            [size_of::<Slot>(), size_of::<Depends>(), size_of::<Others>()].map(|size| slots * size);
        [flows, slots, depends, others, GENERATIONS * 8, size_of::<Cache>()]
    }
}

impl Slots {
    /// `count` is a power of two, a group at least, and the memory is of this size.
    pub(super) fn new(memory: Memory, count: u32) -> Arc<Slots> {
        let mut slots = Slots { memory, count, inherited: false };
        slots.inherited = slots.cache().seed.load(Relaxed) != 0;
        let cache = slots.cache();
        // Of a table that others used before, everything stands as it is.
        if !slots.inherited {
            // Keys drawn for a HashMap are as good as any.
            let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0u8) | 1;
            cache.seed.store(seed, Relaxed);
            cache.epoch.store(1, Relaxed);
        }
        cache.enabled.store(1, Relaxed);
        Arc::new(slots)
    }

    /// Was the memory another's before?
    pub(super) fn is_inherited(&self) -> bool {
        self.inherited
    }

    pub(super) fn view(self: &Arc<Slots>) -> Epoch {
        Epoch { memory: Arc::clone(self) }
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }

    pub(super) fn epoch(&self) -> u64 {
        self.cache().epoch.load(std::sync::atomic::Ordering::Acquire)
    }

    pub(super) fn hold(&self, until: u64) {
        self.cache().hold_until.store(until, Relaxed);
        // The clock is looked at with the next frame.
        self.cache().checked.store(0, Release);
    }

    pub(super) fn enable(&self, on: bool) {
        self.cache().enabled.store(u64::from(on), Release);
    }

    /// Generations first, then the epoch: whoever sees the epoch sees why.
    pub(super) fn raise(&self, what: impl Iterator<Item = u32>) {
        let epoch = self.epoch() + 1;
        let (mut raised, mut many) = (None, false);
        for index in what {
            self.generation(index).store(epoch, Relaxed);
            many |= raised.replace(index).is_some_and(|other| other != index);
        }
        let latest = raised.filter(|_| !many).map_or(0, |index| epoch << 16 | u64::from(index));
        self.cache().latest.store(latest, Relaxed);
        self.cache().epoch.store(epoch, Release);
    }

    /// Was none of these raised after this epoch?
    pub(super) fn unchanged(&self, what: impl IntoIterator<Item = u32>, since: u64) -> bool {
        what.into_iter().all(|index| self.generation(index).load(Relaxed) <= since)
    }

    /// Is the flow of this slot still what would be decided?
    pub(super) fn is_fresh(&self, at: u32) -> bool {
        let (epoch, slot) = (self.epoch(), self.slot(at));
        let since = slot.epoch.load(Relaxed);
        if since == epoch {
            return true;
        }
        let depends = self.depends(at);
        let count = depends.count.load(Relaxed) as usize;
        let fresh = self.unchanged(depends.on.iter().take(count).map(|on| on.load(Relaxed)), since);
        if fresh {
            slot.epoch.store(epoch, Relaxed);
        }
        fresh
    }

    /// The groups where the key may be: the near one, the one where it belongs in the rest, and another one there; and its print. As
    /// `home_of()` in flow.h. (A table of few groups has no more than a near part.)
    fn homes(&self, key: &Key) -> ([usize; 3], u8) {
        let hash = key.hash(self.cache().seed.load(Relaxed));
        let groups = u64::from(self.count) / GROUP as u64;
        let near = (groups / NEAR).max(1);
        let first = (hash as u32 as u64 / GROUP as u64) & (near - 1);
        let rest =
            |bits: u64| if groups == near { first } else { near + (((bits & 0xffff_ffff) * (groups - near)) >> 32) };
        ([first, rest(hash), rest(hash >> 20)].map(|group| group as usize), ((hash >> 56) as u8).max(FOUND))
    }

    /// The slots of a group that have this print.
    fn printed(&self, group: usize, print: u8) -> impl Iterator<Item = u32> + use<'_> {
        let bytes = &self.prints(group).0;
        let is = move |(_, byte): &(u32, &AtomicU8)| byte.load(Relaxed) == print;
        ((group * GROUP) as u32..).zip(bytes).filter(is).map(|(at, _)| at)
    }

    /// Where it is.
    pub(super) fn find(&self, key: &Key) -> Option<u32> {
        let (groups, print) = self.homes(key);
        groups.into_iter().flat_map(|group| self.printed(group, print)).find(|at| self.key(*at) == Some(*key))
    }

    /// A free slot for it.
    pub(super) fn room(&self, key: &Key) -> Option<u32> {
        let ([near, first, other], _) = self.homes(key);
        let free = |group| self.printed(group, UNUSED).count();
        let far = || {
            let here = free(first);
            let group = if here >= SPARE || here >= free(other) { first } else { other };
            self.printed(group, UNUSED).next()
        };
        self.printed(near, UNUSED).next().or_else(far)
    }

    /// What stands there; of an inner key, as it was written.
    fn key(&self, at: u32) -> Option<Key> {
        let slot = self.slot(at);
        let version = slot.version.load(Relaxed);
        if version == FREE || version & 1 != 0 {
            return None;
        }
        let word = |word: &AtomicU64| word.load(Relaxed);
        let mut key = Key { from: slot.from.load(Relaxed), words: [0; 6] };
        (key.words[0], key.words[1]) = (word(&slot.key[0]), word(&slot.key[1]));
        if key.is_inner() {
            key.words.iter_mut().skip(2).zip(&slot.rest).for_each(|(to, from)| *to = word(from));
        }
        Some(key)
    }

    pub(super) fn version(&self, at: u32) -> u32 {
        self.slot(at).version.load(Relaxed)
    }

    /// A slot will be looked at soon: what a search reads of it, and the rest.
    pub(super) fn prefetch(&self, at: u32) {
        let slot = self.slot(at);
        prefetch(slot);
        prefetch(&slot.mark);
    }

    /// …and the one that a key is likely to be written to.
    pub(super) fn prefetch_for(&self, key: &Key) {
        if let Some(at) = self.room(key) {
            self.prefetch(at);
            prefetch(self.depends(at));
        }
    }

    /// Frames and bytes that went by it, since ever.
    pub(super) fn counted(&self, at: u32) -> (u64, u64) {
        let (slot, Others([frames, bytes])) = (self.slot(at), self.others(at));
        let sum = |own: &AtomicU64, others: &AtomicU64| own.load(Relaxed).wrapping_add(others.load(Relaxed));
        (sum(&slot.frames, frames), sum(&slot.bytes, bytes))
    }

    /// As a program does it.
    #[cfg(test)]
    pub(super) fn count_up(&self, at: u32, frames: u64, bytes: u64) {
        self.slot(at).frames.fetch_add(frames, Relaxed);
        self.slot(at).bytes.fetch_add(bytes, Relaxed);
    }

    /// Is a decision one that XDP carries out?
    pub(super) fn is_by_xdp(&self, at: u32) -> bool {
        let [.., xdp, _, _, _] = self.slot(at).kind.load(Relaxed).to_ne_bytes();
        xdp != 0
    }

    /// What a predecessor wrote, unless nothing has gone by it yet.
    pub(super) fn left(&self, at: u32) -> Option<(Key, Content)> {
        let slot = self.slot(at);
        let key = self.key(at)?;
        let [kind, routed, flags, count, xdp, flooded, waiting @ ..] = slot.kind.load(Relaxed).to_ne_bytes();
        let content = match kind {
            LOOK_L3 => Content::Deeper { depth: Depth::L3, flags, id: slot.id.load(Relaxed) },
            LOOK_L4 => Content::Deeper { depth: Depth::L4, flags, id: slot.id.load(Relaxed) },
            FORWARD if u16::from_ne_bytes(waiting) != ALL_LANES => {
                let out = slot.out.load(Relaxed);
                let (ifindex, mtu, tag) = (out as u32, (out >> 32) as u16, (out >> 48) as u16);
                let mut macs = [[0; 4]; 3];
                macs.iter_mut().zip(&slot.macs).for_each(|(to, from)| *to = from.load(Relaxed).to_ne_bytes());
                let mut both = macs.as_flattened().iter().copied();
                let mut mac = || std::array::from_fn(|_| both.next().unwrap_or(0));
                let vid = untag(tag);
                let (dst, src) = (mac(), mac());
                // What is not routed leaves what was there before.
                let (dst, src) = if routed == 0 { ([0; 6], [0; 6]) } else { (dst, src) };
                let credit = slot.credit.load(Relaxed);
                let also = Also { flooded: flooded != 0, ..Also::read(count, vid, self.depends(at)) };
                Content::Decided { ifindex, mtu, vid, routed, dst, src, credit, xdp: xdp != 0, also }
            }
            _ => return None,
        };
        Some((key, content))
    }

    /// The same flow goes on, by what it depends on now.
    pub(super) fn renew(&self, at: u32, epoch: u64, deps: &[u32]) {
        let (slot, depends) = (self.slot(at), self.depends(at));
        // While its epoch is the current one nobody reads the rest.
        slot.epoch.store(epoch, Release);
        depends.count.store(deps.len().min(DEPENDS) as u32, Relaxed);
        depends.on.iter().zip(deps).for_each(|(on, dep)| on.store(*dep, Relaxed));
        fence(Release);
    }

    /// How many frames of this credit went towards a worker so far; `None`: it is not known which credit that is.
    pub(super) fn admitted(&self, credit: u32) -> Option<u64> {
        let (all, credit) = (&self.memory.admitted, credit & 0xff_ffff);
        let count = all.len() / size_of::<AtomicU64>();
        ((credit as usize) < count).then(|| self.array::<AtomicU64>(all, credit as usize, count).load(Relaxed))
    }

    /// No frame that missed the flow went up after the one of this number. Those that found it know better.
    pub(super) fn mark(&self, at: u32, number: u64) {
        let _ = self.slot(at).mark.compare_exchange(UNMARKED, number, Release, Relaxed);
    }

    /// Programs no longer find what was here. (Whoever is interrupted here leaves a slot that is not used for now.)
    pub(super) fn forget(&self, at: u32) {
        self.slot(at).version.store(RESTING, Release);
        self.print(at).store(UNFOUND, Release);
    }

    /// Nothing is here any more.
    pub(super) fn free(&self, at: u32) {
        // Who counted here is done: the counts may become another's.
        self.slot(at).kind.store(0, Relaxed);
        self.print(at).store(UNUSED, Release);
        self.slot(at).version.store(FREE, Release);
    }

    /// Writes a slot, to be found from here on under this version.
    pub(super) fn write(&self, at: u32, version: u32, key: &Key, content: &Content, epoch: u64, deps: &[u32]) {
        let slot = self.slot(at);
        slot.version.store(RESTING, Relaxed);
        fence(Release);
        let depends = self.depends(at);
        depends.count.store(deps.len().min(DEPENDS) as u32, Relaxed);
        depends.on.iter().zip(deps).for_each(|(on, dep)| on.store(*dep, Relaxed));
        slot.from.store(key.from, Relaxed);
        slot.epoch.store(epoch, Relaxed);
        slot.key.iter().chain(&slot.rest).zip(key.words).for_each(|(to, word)| to.store(word, Relaxed));
        // Nobody knows yet which of its frames is the last on its way through userspace.
        slot.mark.store(UNMARKED, Relaxed);
        slot.waited.store(0, Relaxed);
        match *content {
            Content::Deeper { depth, flags, id } => {
                let kind = if depth == Depth::L4 { LOOK_L4 } else { LOOK_L3 };
                slot.kind.store(u64::from_ne_bytes([kind, 0, flags, 0, 0, 0, 0, 0]), Relaxed);
                slot.id.store(id, Relaxed);
            }
            Content::Decided { ifindex, mtu, vid, routed, dst, src, credit, xdp, also } => {
                slot.out.store(u64::from(ifindex) | u64::from(mtu) << 32 | u64::from(tag(vid)) << 48, Relaxed);
                let [a, b] = ALL_LANES.to_ne_bytes();
                // Of what stood here just now a program may still be counting.
                let counter = match slot.kind.load(Relaxed).to_ne_bytes() {
                    [0, ..] => NOT_YET,
                    [FORWARD, _, counter, ..] => counter,
                    _ => NOBODY,
                };
                let kind = [FORWARD, routed, counter, also.count, u8::from(xdp), u8::from(also.flooded), a, b];
                slot.kind.store(u64::from_ne_bytes(kind), Relaxed);
                also.write(depends);
                slot.credit.store(credit, Relaxed);
                let both = [dst, src].concat();
                for (to, bytes) in slot.macs.iter().zip(both.as_chunks::<4>().0) {
                    to.store(u32::from_ne_bytes(*bytes), Relaxed);
                }
            }
        }
        self.print(at).store(self.homes(key).1, Release);
        slot.version.store(version, Release);
    }

    fn slot(&self, at: u32) -> &Slot {
        self.array(&self.memory.flows, at as usize, self.count as usize)
    }

    fn prints(&self, group: usize) -> &Prints {
        self.array(&self.memory.prints, group, self.count as usize / GROUP)
    }

    fn print(&self, at: u32) -> &AtomicU8 {
        &self.prints(at as usize / GROUP).0[at as usize % GROUP]
    }

    fn depends(&self, at: u32) -> &Depends {
        self.array(&self.memory.depends, at as usize, self.count as usize)
    }

    fn others(&self, at: u32) -> &Others {
        self.array(&self.memory.others, at as usize, self.count as usize)
    }

    fn generation(&self, at: u32) -> &AtomicU64 {
        self.array(&self.memory.generations, at as usize, GENERATIONS)
    }

    fn cache(&self) -> &Cache {
        self.array(&self.memory.cache, 0, 1)
    }

    fn array<T>(&self, region: &Region, at: usize, count: usize) -> &T {
        assert!(at < count);
        let first: NonNull<T> = region.at().cast();
        // SAFETY: the region holds `count` of them (see `Memory::sizes`), page-aligned, of nothing but atomics, for which
        // any bits are a value; it lives as long as `self`.
        unsafe { first.add(at).as_ref() }
    }
}
