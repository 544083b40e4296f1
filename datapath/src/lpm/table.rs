//! The routes as workers read them: a trie of few, wide nodes, each compressed to where its values change.
//!
//! ```text
//!  entry   32 cells in one word │ 32 base │ 32 changes │   value of cell c = slots[base + ones in changes[0..=c]]
//!  root    2^19 entries: a cell is a /24
//!  group   8 entries, one cache line: a cell is 8 bits more than the cell it hangs from
//!  value   0 no route │ leaf + 1 │ GROUP + index of a group's first entry
//! ```
//!
//! An entry of which all cells are the same has no changes, and its base is that value: slot *v* holds *v*.
//!
//! One thread writes. It makes a new run of slots, or a new group, aside, and publishes it by one store to the word that
//! leads there: a reader sees all of the old or all of the new. What was replaced is written again only when no reader can
//! still be on its way there, see [`super::Writer::reclaim`].

use super::Leaf;
use super::address::Address;
use crate::atomic::{AtomicU32, AtomicU64, Ordering::*, zeroed};
use crate::prefetch::prefetch;
use std::marker::PhantomData;

/// Address bits that choose an entry of the root.
pub(super) const ROOT: u8 = 19;
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
/// Slots that are their own number; behind them are those of the entries.
pub(super) const OWN: usize = Leaf::COUNT + 1;

/// Addresses that [`Lpm::lookup_bulk`] takes on together: about as many as a core's misses can be under way.
const BULK: usize = 32;

/// The table of one family.
pub struct Lpm<A> {
    /// The root, then the groups. Written by control, read by workers.
    pub(super) entries: Box<[AtomicU64]>,
    /// Values. Written by control, read by workers.
    pub(super) slots: Box<[AtomicU32]>,
    /// The value where no other route is: that of the prefix of length 0. Written by control, read by workers.
    pub(super) default: AtomicU32,
    family: PhantomData<A>,
}

/// The table of IPv4.
pub type Lpm4 = Lpm<u32>;
/// The table of IPv6.
pub type Lpm6 = Lpm<u128>;

impl<A: Address> Lpm<A> {
    /// Without routes, and without room for any.
    pub fn empty() -> Lpm<A> {
        Lpm::with_room(0, 0)
    }

    /// With room for so many groups, and slots beyond those that are their own number.
    pub(super) fn with_room(groups: usize, slots: usize) -> Lpm<A> {
        Lpm {
            entries: zeroed((1 << ROOT) + groups * ENTRIES),
            slots: zeroed(OWN + slots),
            default: AtomicU32::new(0),
            family: PhantomData,
        }
    }

    /// Workers: where to? (`None` = no route.)
    #[inline(always)]
    pub fn lookup(&self, address: A) -> Option<Leaf> {
        let value = self.descend(address, self.value(address.bits(0, ROOT) as usize, address.bits(ROOT, ENTRY)));
        let default = self.default.load(Relaxed);
        leaf_of(if value == 0 { default } else { value })
    }

    /// From the value of a cell of the root to that of the last cell the address is in.
    #[inline(always)]
    fn descend(&self, address: A, mut value: u32) -> u32 {
        let mut length = ROOT + ENTRY;
        while value & GROUP != 0 {
            let byte = address.bits(length, GROUP_BITS);
            value = self.value((value & !GROUP) as usize + (byte >> ENTRY) as usize, byte);
            length += GROUP_BITS;
        }
        value
    }

    /// Workers: many addresses at once, of which `into` gets the leaves. What one waits for from memory, all wait for
    /// together: first the entries of the root, then their slots, then the same of the groups of each depth.
    #[inline]
    pub fn lookup_bulk(&self, addresses: &[A], into: &mut [Option<Leaf>]) {
        let default = self.default.load(Relaxed);
        for (addresses, into) in addresses.chunks(BULK).zip(into.chunks_mut(BULK)) {
            addresses.iter().for_each(|address| self.prefetch(*address));
            let mut slots = [0; BULK];
            for (address, slot) in addresses.iter().zip(&mut slots) {
                *slot = self.slot(address.bits(0, ROOT) as usize, address.bits(ROOT, ENTRY));
                prefetch(&self.slots[*slot]);
            }
            let mut values = [0; BULK];
            // Which of them lead to a group: as many as `count`.
            let (mut deeper, mut count) = ([0; BULK], 0);
            for (at, (slot, value)) in slots.iter().zip(&mut values).enumerate().take(addresses.len()) {
                *value = self.slots[*slot].load(Acquire);
                deeper[count % BULK] = at;
                count += usize::from(*value & GROUP != 0);
            }
            let mut length = ROOT + ENTRY;
            while count > 0 {
                let entry = |value: u32, byte: u32| (value & !GROUP) as usize + (byte >> ENTRY) as usize;
                for &at in &deeper[..count] {
                    prefetch(&self.entries[entry(values[at], addresses[at].bits(length, GROUP_BITS))]);
                }
                for &at in &deeper[..count] {
                    let byte = addresses[at].bits(length, GROUP_BITS);
                    slots[at] = self.slot(entry(values[at], byte), byte);
                    prefetch(&self.slots[slots[at]]);
                }
                let mut left = 0;
                for which in 0..count {
                    let at = deeper[which];
                    values[at] = self.slots[slots[at]].load(Acquire);
                    deeper[left] = at;
                    left += usize::from(values[at] & GROUP != 0);
                }
                count = left;
                length += GROUP_BITS;
            }
            for (value, into) in values.into_iter().zip(into) {
                *into = leaf_of(if value == 0 { default } else { value });
            }
        }
    }

    /// Workers: asks the cache for the word that [`Lpm::lookup`] will read first.
    #[inline(always)]
    pub fn prefetch(&self, address: A) {
        prefetch(&self.entries[address.bits(0, ROOT) as usize]);
    }

    /// Workers: asks for what it will read next; the first word must have come by now, or this waits for it.
    #[inline(always)]
    pub fn prefetch_next(&self, address: A) {
        prefetch(&self.slots[self.slot(address.bits(0, ROOT) as usize, address.bits(ROOT, ENTRY))]);
    }

    /// The value of a cell (given modulo 32) of an entry.
    #[inline(always)]
    pub(super) fn value(&self, entry: usize, cell: u32) -> u32 {
        self.slots[self.slot(entry, cell)].load(Acquire)
    }

    /// The slot of a cell.
    #[inline(always)]
    fn slot(&self, entry: usize, cell: u32) -> usize {
        let Entry { changes, base } = self.entries[entry].load(Acquire).into();
        let until = changes & u32::MAX >> (31 - cell % 32);
        base as usize + until.count_ones() as usize
    }
}

/// The word of an entry, in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// A bit for each cell that differs from the one before; the first has none.
    pub changes: u32,
    /// The slot of the first cell.
    pub base: u32,
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
    leaf.0 + 1
}

/// The leaf that a value other than a group's stands for.
#[inline(always)]
fn leaf_of(value: u32) -> Option<Leaf> {
    value.checked_sub(1).map(Leaf)
}
