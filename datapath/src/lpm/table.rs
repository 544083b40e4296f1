//! The routes as workers read them: a trie of few, wide nodes, each compressed to where its values change.
//!
//! ```text
//!  run     a node's 32 cells │ changes: a bit per cell that differs from the next │ the values, last cell first:
//!                            │ that of cell c stands behind as many others as there are ones in changes >> c
//!  root    2^19 entries of a word: 32 base │ 32 changes ── value = slots[base + ones]; a cell is a /24
//!  group   16 slots, one cache line: 8 bases │ room for short runs; a cell is 8 bits more than the cell it hangs from
//!                 └─ changes = slots[base], value = slots[base + 1 + ones]
//!  value   0 no route │ leaf + 1 │ GROUP + a group's first slot
//! ```
//!
//! Where all cells are the same there are no changes, and the base leads to a run of that value alone, its own: slots 2*v*
//! and 2*v* + 1 hold 0 and *v*.
//!
//! The root is for many routes side by side: all that is read of 32 cells is a word and a slot, so that a full table
//! stays in the cache. Groups are for the few routes that are longer; most of those find their run in the group's own line,
//! and so wait for memory once.
//!
//! One thread writes. It makes a new run, or a new group, aside, and publishes it by one store to the word that
//! leads there: a reader sees all of the old or all of the new. What was replaced is written again only when no reader can
//! still be on its way there, see [`super::Writer::reclaim`].

use super::Leaf;
use super::address::Address;
use crate::atomic::{AtomicU32, AtomicU64, Ordering::*, zeroed};
use crate::prefetch::prefetch;
use std::marker::PhantomData;
use std::num::NonZeroU32;

/// Address bits that choose an entry of the root.
pub(super) const ROOT: u8 = crate::room::ROOT;
/// Address bits that choose a cell of an entry.
pub(super) const ENTRY: u8 = 5;
/// Address bits that choose a cell of a group.
pub(super) const GROUP_BITS: u8 = 8;
/// Cells of an entry.
pub(super) const CELLS: usize = 1 << ENTRY;
/// Entries of a group.
pub(super) const ENTRIES: usize = 1 << (GROUP_BITS - ENTRY);
/// Marks a value that leads to a group.
pub(super) const GROUP: u32 = 1 << 31;
/// Slots of a group.
pub(super) const LINE: usize = 16;
/// Slots of the values' own runs; behind them are the groups, then all other runs.
const OWN: usize = 2 * (Leaf::COUNT + 1);

/// Addresses that [`Lpm::lookup_bulk`] takes on together: about as many as a core's misses can be under way.
const BULK: usize = 32;

/// The table of one family.
pub struct Lpm<A> {
    /// Of the root. Written by control, read by workers.
    pub(super) entries: Box<[AtomicU64; 1 << ROOT]>,
    /// Values, groups and runs. Written by control, read by workers.
    pub(super) slots: Box<[AtomicU32]>,
    /// The first slot of a group: where a cache line begins.
    pub(super) groups: usize,
    /// The first slot behind the groups.
    pub(super) runs: usize,
    /// The value where no other route is: that of the prefix of length 0. Written by control, read by workers.
    pub(super) default: AtomicU32,
    family: PhantomData<A>,
}

/// The slot of a cell of the root. Good for as long as its finder holds off [`super::Writer::reclaim`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell(u32);

/// The table of IPv4.
pub type Lpm4 = Lpm<u32>;
/// The table of IPv6.
pub type Lpm6 = Lpm<u128>;

impl<A: Address> Lpm<A> {
    /// Without routes, and without room for any.
    pub fn empty() -> Lpm<A> {
        Lpm::with_room(0, 0)
    }

    /// With room for so many groups, and so many slots for other runs.
    pub(super) fn with_room(groups: usize, slots: usize) -> Lpm<A> {
        let slots: Box<[AtomicU32]> = zeroed(OWN + LINE + groups * LINE + slots);
        let first = OWN + slots[OWN..].as_ptr().align_offset(size_of::<[u32; LINE]>()).min(LINE);
        Lpm {
            entries: zeroed(1 << ROOT).try_into().expect("as many as were asked for"),
            slots,
            groups: first,
            runs: first + groups * LINE,
            default: AtomicU32::new(0),
            family: PhantomData,
        }
    }

    /// Workers: where to? (`None` = no route.)
    #[inline(always)]
    pub fn lookup(&self, address: A) -> Option<Leaf> {
        self.lookup_at(self.cell(address), address)
    }

    /// Workers: the same for who has found the address's cell in this round.
    #[inline(always)]
    pub fn lookup_at(&self, Cell(slot): Cell, address: A) -> Option<Leaf> {
        let mut value = self.value_at(slot);
        let mut length = ROOT + ENTRY;
        while value & GROUP != 0 {
            let byte = address.bits(length, GROUP_BITS);
            value = self.value_in(self.base(value, byte), byte);
            length += GROUP_BITS;
        }
        let default = self.default.load(Relaxed);
        leaf_of(if value == 0 { default } else { value })
    }

    /// Workers: many addresses at once, of which `into` gets the leaves. What one waits for from memory, all wait for
    /// together.
    #[inline]
    pub fn lookup_bulk(&self, addresses: &[A], into: &mut [Option<Leaf>]) {
        let (bursts, rest) = addresses.as_chunks::<BULK>();
        let (into, into_rest) = into.split_at_mut(addresses.len() - rest.len());
        for (burst, into) in bursts.iter().zip(into.as_chunks_mut::<BULK>().0) {
            self.lookup_burst(burst, into);
        }
        if let Some(first) = rest.first() {
            // As many as a burst, for one way through the code is enough.
            let (mut burst, mut leaves) = ([*first; BULK], [None; BULK]);
            burst[..rest.len()].copy_from_slice(rest);
            self.lookup_burst(&burst, &mut leaves);
            into_rest.iter_mut().zip(leaves).for_each(|(into, leaf)| *into = leaf);
        }
    }

    /// First the entries of the root, then their slots, then the same of the groups of each depth.
    #[inline(always)]
    fn lookup_burst(&self, addresses: &[A; BULK], into: &mut [Option<Leaf>; BULK]) {
        // Here, or they would be read again behind every word of the table.
        let (entries, slots) = (&*self.entries, &*self.slots);
        let (mut words, mut places, mut values) = ([0; BULK], [0; BULK], [0; BULK]);
        for (address, word) in addresses.iter().zip(&mut words) {
            *word = entries[address.bits(0, ROOT) as usize].load(Acquire);
        }
        for ((address, word), place) in addresses.iter().zip(&words).zip(&mut places) {
            *place = Entry::from(*word).slot(address.bits(0, ROOT + ENTRY));
            prefetch(&slots[*place as usize]);
        }
        for (place, value) in places.iter().zip(&mut values) {
            *value = slots[*place as usize].load(Acquire);
        }
        if values.iter().fold(0, |any, value| any | value) & GROUP != 0 {
            self.descend(addresses, &mut values);
        }
        let default = self.default.load(Relaxed);
        for (value, into) in values.iter().zip(into) {
            *into = leaf_of(if *value == 0 { default } else { *value });
        }
    }

    /// From the values of cells of the root to those of the last cells the addresses are in.
    #[inline(never)]
    fn descend(&self, addresses: &[A; BULK], values: &mut [u32; BULK]) {
        // A bit for each value that leads to a group.
        let mut deeper = values.iter().rfold(0, |deeper, value| deeper << 1 | value >> 31);
        let mut bases = [0; BULK];
        let mut length = ROOT + ENTRY;
        while deeper != 0 {
            ones(deeper).for_each(|at| prefetch(&self.slots[(values[at] & !GROUP) as usize]));
            for at in ones(deeper) {
                bases[at] = self.base(values[at], addresses[at].bits(length, GROUP_BITS));
                prefetch(&self.slots[bases[at] as usize]);
            }
            for at in ones(deeper) {
                values[at] = self.value_in(bases[at], addresses[at].bits(length, GROUP_BITS));
                deeper ^= (!values[at] >> 31) << at;
            }
            length += GROUP_BITS;
        }
    }

    /// Workers: asks the cache for the word that [`Lpm::lookup`] will read first.
    #[inline(always)]
    pub fn prefetch(&self, address: A) {
        prefetch(self.root(address));
    }

    /// Workers: the cell of the root that the address is in. Its entry must have come by now, or this waits for it.
    #[inline(always)]
    pub fn cell(&self, address: A) -> Cell {
        let word = self.root(address).load(Acquire);
        Cell(Entry::from(word).slot(address.bits(0, ROOT + ENTRY)))
    }

    /// Workers: asks the cache for the word that [`Lpm::lookup_at`] will read first.
    #[inline(always)]
    pub fn prefetch_cell(&self, Cell(slot): Cell) {
        prefetch(&self.slots[slot as usize]);
    }

    /// The entry of the root that the address is in.
    #[inline(always)]
    fn root(&self, address: A) -> &AtomicU64 {
        &self.entries[address.bits(0, ROOT) as usize]
    }

    /// What is in a slot.
    #[inline(always)]
    pub(super) fn value_at(&self, slot: u32) -> u32 {
        self.slots[slot as usize].load(Acquire)
    }

    /// Where the run is of a group's cell, given the value that leads to the group.
    #[inline(always)]
    pub(super) fn base(&self, group: u32, cell: u32) -> u32 {
        self.value_at((group & !GROUP) + (cell >> ENTRY))
    }

    /// The value of a cell (given modulo 32) of a group's run.
    #[inline(always)]
    pub(super) fn value_in(&self, base: u32, cell: u32) -> u32 {
        self.value_at(Entry { changes: self.value_at(base), base: base + 1 }.slot(cell))
    }
}

/// Where 32 values are: the word of an entry of the root, in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// A bit for each cell that differs from the next; the last has none.
    pub changes: u32,
    /// The slot of the last cell.
    pub base: u32,
}

impl Entry {
    /// The slot of a cell, given modulo 32.
    #[inline(always)]
    pub fn slot(self, cell: u32) -> u32 {
        // It wraps in nothing that was ever published; so that nothing is looked at for it.
        self.base.wrapping_add((self.changes >> (cell % 32)).count_ones())
    }
}

impl From<u64> for Entry {
    #[inline(always)]
    fn from(word: u64) -> Entry {
        Entry { changes: word as u32, base: (word >> 32) as u32 }
    }
}

impl From<Entry> for u64 {
    fn from(entry: Entry) -> u64 {
        u64::from(entry.base) << 32 | u64::from(entry.changes)
    }
}

/// The value that stands for a leaf.
pub(super) fn value_of(leaf: Leaf) -> u32 {
    leaf.0.get()
}

/// The numbers of the bits that are one.
#[inline(always)]
fn ones(mut word: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lowest = (word != 0).then(|| word.trailing_zeros() as usize % BULK);
        word &= word.wrapping_sub(1);
        lowest
    })
}

/// The leaf that a value other than a group's stands for.
#[inline(always)]
fn leaf_of(value: u32) -> Option<Leaf> {
    NonZeroU32::new(value).map(Leaf)
}
