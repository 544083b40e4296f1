//! From routes to what workers read: paints the cells that a change touches, and publishes those entries.

use super::Leaf;
use super::address::{Address, Prefix};
use super::routes::Routes;
use super::slots::{FreeSlots, LINE};
use super::table::*;
use crate::atomic::Ordering::*;
use std::collections::VecDeque;
use std::iter::{Peekable, once};
use std::sync::Arc;

/// Writes the table, and knows what of it is free.
pub(super) struct Compiler<A> {
    pub table: Arc<Lpm<A>>,
    slots: FreeSlots,
    /// Groups that are free, by the index of their first entry; those from `fresh` on were never used.
    groups: Vec<u32>,
    fresh: usize,
    /// What was replaced, oldest first: readers may still be on their way there.
    waiting: VecDeque<Part>,
    /// How many parts went through `waiting`.
    reclaimed: u64,
    /// Removed routes that workers still see, for want of room.
    put_off: Vec<Prefix<A>>,
}

/// A part of the table.
enum Part {
    /// The slots of an entry as it was.
    Slots(Entry),
    /// A group, by the index of its first entry.
    Group(u32),
}

/// Entries in a row: one of the root, or those of a group.
#[derive(Clone, Copy)]
struct Node<A> {
    first: usize,
    /// What it covers.
    prefix: Prefix<A>,
    /// The address bits that choose one of its cells.
    bits: u8,
}

impl<A: Address> Node<A> {
    /// The length of the prefixes that its cells stand for.
    fn cell_length(self) -> u8 {
        self.prefix.length() + self.bits
    }

    /// The cells that a prefix covers, or the one it is in: as a prefix, the first, and how many.
    fn area(self, prefix: Prefix<A>) -> (Prefix<A>, usize, usize) {
        if prefix.length() <= self.prefix.length() {
            return (self.prefix, 0, 1 << self.bits);
        }
        let area = Prefix::new(prefix.address(), prefix.length().min(self.cell_length()));
        (area, self.cell(area), 1 << (self.cell_length() - area.length()))
    }

    /// The cell in which a prefix begins.
    fn cell(self, prefix: Prefix<A>) -> usize {
        prefix.address().bits(self.prefix.length(), self.bits) as usize
    }
}

impl<A: Address> Compiler<A> {
    pub fn new(limit: usize) -> Compiler<A> {
        // Every route can give an entry that all others leave alone, in the root at most all of them, and a change needs
        // the new beside the old. Those longer than a cell of the root need groups: one in IPv4; in IPv6 those of one
        // site share most of theirs.
        let deep = limit * if A::WIDTH == 32 { 1 } else { 4 };
        let groups = 2 * deep;
        let lines = 2 * ((2 * limit).min(1 << ROOT) + deep) + 64;
        Compiler {
            table: Arc::new(Lpm::with_room(groups, lines * LINE)),
            slots: FreeSlots::new(lines),
            groups: Vec::new(),
            fresh: 1 << ROOT,
            waiting: VecDeque::new(),
            reclaimed: 0,
            put_off: Vec::new(),
        }
    }

    /// Is there surely room to compile these prefixes, when so many entries of the root are touched?
    pub fn has_room(&self, root: usize, prefixes: impl Iterator<Item = Prefix<A>>) -> bool {
        // Of the entries of one depth, a route makes changes within one at most.
        let (mut lines, mut groups) = (0, 0);
        for prefix in prefixes {
            lines += 1;
            groups += depth(prefix);
        }
        let free = self.groups.len() + (self.table.entries.len() - self.fresh) / ENTRIES;
        lines.min(root) + groups <= self.slots.whole() && groups <= free
    }

    /// The same for a change of one route: all longer ones are compiled with it.
    pub fn has_room_for(&self, routes: &Routes<A>, prefix: Prefix<A>) -> bool {
        let longer = routes.longer(prefix).map(|(longer, _)| longer);
        self.has_room(1 << ROOT.saturating_sub(prefix.length()), once(prefix).chain(longer))
    }

    /// Makes workers see the change of many routes, given in order: every entry of the root that one of them touches is
    /// compiled once, with all below. There is room.
    pub fn compile_all(&mut self, routes: &Routes<A>, changed: impl Iterator<Item = Prefix<A>>) {
        let mut done = 0;
        for prefix in changed {
            if prefix.length() == 0 {
                self.compile(routes, prefix);
                continue;
            }
            let entries = prefix.address().bits(0, ROOT).max(done)..prefix.last().bits(0, ROOT) + 1;
            done = done.max(entries.end);
            entries.map(root).for_each(|node| self.repaint(node, node.prefix, routes));
        }
    }

    /// Makes workers see the change of one route. There is room.
    pub fn compile(&mut self, routes: &Routes<A>, prefix: Prefix<A>) {
        if prefix.length() == 0 {
            let leaf = routes.get(prefix);
            self.table.default.store(leaf.map_or(0, value_of), Release);
        } else if prefix.length() <= ROOT + ENTRY {
            self.compile_root(routes, prefix);
        } else {
            self.compile_deep(routes, prefix);
        }
    }

    /// The same if there is room; else later.
    pub fn compile_or_put_off(&mut self, routes: &Routes<A>, prefix: Prefix<A>) {
        if self.has_room_for(routes, prefix) {
            self.compile(routes, prefix);
        } else {
            self.put_off.push(prefix);
        }
    }

    /// What was put off, as far as there is room now.
    pub fn catch_up(&mut self, routes: &Routes<A>) {
        std::mem::take(&mut self.put_off).into_iter().for_each(|prefix| self.compile_or_put_off(routes, prefix));
    }

    /// All entries of the root that a prefix touches.
    fn compile_root(&mut self, routes: &Routes<A>, prefix: Prefix<A>) {
        for entry in prefix.address().bits(0, ROOT)..=prefix.last().bits(0, ROOT) {
            self.repaint(root(entry), prefix, routes);
        }
    }

    /// The lowest node that knows of a prefix longer than a cell of the root.
    fn compile_deep(&mut self, routes: &Routes<A>, prefix: Prefix<A>) {
        let mut node = root(prefix.address().bits(0, ROOT));
        loop {
            let below = Prefix::new(prefix.address(), node.cell_length());
            let value = self.value(node, node.cell(prefix));
            // A group that nothing needs any more goes, and one that is missing comes, with all below it.
            if prefix.length() <= node.cell_length() || value & GROUP == 0 || routes.longer(below).next().is_none() {
                return self.repaint(node, prefix, routes);
            }
            node = Node { first: (value & !GROUP) as usize, prefix: below, bits: GROUP_BITS };
        }
    }

    /// Paints the cells of a node that a prefix touches, and publishes the entries they are in.
    fn repaint(&mut self, node: Node<A>, prefix: Prefix<A>, routes: &Routes<A>) {
        let (area, first, count) = node.area(prefix);
        let mut cells = [0; 1 << GROUP_BITS];
        let cells = &mut cells[..1 << node.bits];
        for (cell, value) in cells.iter_mut().enumerate() {
            *value = self.value(node, cell);
        }
        let painted = &mut cells[first..first + count];
        let mut old = [0; 1 << GROUP_BITS];
        old[..count].copy_from_slice(painted);
        painted.fill(self.inherited(routes, area));
        self.paint(painted, area, node.cell_length(), &mut routes.longer(area).peekable());
        for (entry, cells) in cells.chunks_exact(CELLS).enumerate() {
            self.publish(node.first + entry, cells);
        }
        // Only now nothing leads there any more.
        old[..count].iter().filter(|value| **value & GROUP != 0).for_each(|value| self.retire(*value));
    }

    /// Paints cells, each a prefix of `length`, that cover `area`, with what is longer than that.
    fn paint<R>(&mut self, cells: &mut [u32], area: Prefix<A>, length: u8, routes: &mut Peekable<R>)
    where
        R: Iterator<Item = (Prefix<A>, Leaf)>,
    {
        while let Some(&(prefix, leaf)) = routes.peek()
            && area.contains(prefix.address())
        {
            let cell = prefix.address().bits(area.length(), length - area.length()) as usize;
            if prefix.length() <= length {
                routes.next();
                cells[cell..cell + (1 << (length - prefix.length()))].fill(self.own(value_of(leaf)));
            } else {
                cells[cell] = self.group(Prefix::new(prefix.address(), length), cells[cell], routes);
            }
        }
    }

    /// A new group of `prefix`; returns the value that leads there.
    fn group<R>(&mut self, prefix: Prefix<A>, inherited: u32, routes: &mut Peekable<R>) -> u32
    where
        R: Iterator<Item = (Prefix<A>, Leaf)>,
    {
        let first = self.groups.pop().unwrap_or_else(|| {
            self.fresh += ENTRIES;
            (self.fresh - ENTRIES) as u32
        });
        let mut cells = [inherited; 1 << GROUP_BITS];
        self.paint(&mut cells, prefix, prefix.length() + GROUP_BITS, routes);
        for (entry, cells) in cells.chunks_exact(CELLS).enumerate() {
            self.publish(first as usize + entry, cells);
        }
        first | GROUP
    }

    /// What the cells of a prefix are where no longer route is.
    fn inherited(&self, routes: &Routes<A>, prefix: Prefix<A>) -> u32 {
        match routes.covering_up_to(prefix.address(), prefix.length()) {
            Some((covering, leaf)) if covering.length() > 0 => self.own(value_of(leaf)),
            _ => 0,
        }
    }

    /// The value, its own slot being filled.
    fn own(&self, value: u32) -> u32 {
        self.table.slots[value as usize].store(value, Relaxed);
        value
    }

    fn value(&self, node: Node<A>, cell: usize) -> u32 {
        self.table.value(node.first + cell / CELLS, cell as u32)
    }

    /// Makes an entry consist of these cells.
    fn publish(&mut self, at: usize, cells: &[u32]) {
        let old = Entry::from(self.table.entries[at].load(Relaxed));
        let changed = |cell: usize| cell > 0 && cells[cell] != cells[cell - 1];
        let changes = (0..CELLS).fold(0, |changes, cell| changes | u32::from(changed(cell)) << cell);
        let runs = (0..CELLS).filter(|cell| *cell == 0 || changed(*cell)).map(|cell| cells[cell]);
        let base = if changes == 0 {
            // Its own slot. No group fills an entry: each hangs from one cell.
            cells[0]
        } else if changes == old.changes {
            // Each cell for itself is old or new.
            return self.fill(old.base, runs);
        } else {
            let count = changes.count_ones() as usize + 1;
            let base = (OWN + self.slots.take(count).expect("has_room() was asked")) as u32;
            self.fill(base, runs);
            base
        };
        let new = Entry { changes, base };
        if new != old {
            self.table.entries[at].store(new.into(), Release);
            self.retire_slots(old);
        }
    }

    /// Writes slots one after the other.
    fn fill(&self, base: u32, values: impl Iterator<Item = u32>) {
        let slots = &self.table.slots[base as usize..];
        slots.iter().zip(values).for_each(|(slot, value)| slot.store(value, Release));
    }

    /// The group that a value led to, and all below.
    fn retire(&mut self, value: u32) {
        let first = value & !GROUP;
        for at in first as usize..first as usize + ENTRIES {
            let below: Vec<u32> = (0..CELLS).map(|cell| self.table.value(at, cell as u32)).collect();
            below.into_iter().filter(|value| value & GROUP != 0).for_each(|value| self.retire(value));
            self.retire_slots(self.table.entries[at].load(Relaxed).into());
        }
        self.waiting.push_back(Part::Group(first));
    }

    fn retire_slots(&mut self, entry: Entry) {
        if entry.changes != 0 {
            self.waiting.push_back(Part::Slots(entry));
        }
    }

    /// Parts that are not free and not in use.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many parts were replaced since the beginning.
    pub fn retired(&self) -> u64 {
        self.reclaimed + self.waiting.len() as u64
    }

    /// Frees those that were replaced first, until so many have been.
    pub fn reclaim(&mut self, until: u64) {
        while self.reclaimed < until
            && let Some(part) = self.waiting.pop_front()
        {
            self.reclaimed += 1;
            match part {
                Part::Slots(Entry { changes, base }) => {
                    self.slots.give(base as usize - OWN, changes.count_ones() as usize + 1);
                }
                Part::Group(first) => {
                    let entries = &self.table.entries[first as usize..][..ENTRIES];
                    entries.iter().for_each(|entry| entry.store(0, Relaxed));
                    self.groups.push(first);
                }
            }
        }
    }

    /// Memory of the table, in bytes: what was ever written.
    pub fn memory(&self) -> usize {
        8 * self.fresh + 4 * LINE * self.slots.touched()
    }
}

fn root<A: Address>(entry: u32) -> Node<A> {
    Node { first: entry as usize, prefix: Prefix::new(A::first(entry, ROOT), ROOT), bits: ENTRY }
}

/// Groups on the way to a prefix.
fn depth<A: Address>(prefix: Prefix<A>) -> usize {
    usize::from(prefix.length().saturating_sub(ROOT + ENTRY).div_ceil(GROUP_BITS))
}
