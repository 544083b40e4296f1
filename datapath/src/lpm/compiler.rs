//! From routes to what workers read: paints the cells that a change touches, and publishes those entries.

use super::Leaf;
use super::address::{Address, Prefix};
use super::routes::Routes;
use super::slots::{self, FreeSlots};
use super::table::*;
use crate::atomic::Ordering::*;
use std::collections::VecDeque;
use std::iter::{Peekable, once};
use std::sync::Arc;

/// Writes the table, and knows what of it is free.
pub(super) struct Compiler<A> {
    pub table: Arc<Lpm<A>>,
    slots: FreeSlots,
    /// Groups that are free, by their first slot.
    groups: Vec<u32>,
    /// A bit per slot behind the bases that is free, of each group that was ever used.
    rooms: Vec<u8>,
    /// One more than the greatest value that has a run of its own.
    owned: usize,
    /// What was replaced, oldest first: readers may still be on their way there.
    waiting: VecDeque<Part>,
    /// How many parts went through `waiting`.
    reclaimed: u64,
    /// Removed routes that workers still see, for want of room.
    put_off: Vec<Prefix<A>>,
}

/// A part of the table.
enum Part {
    /// So many slots from this on.
    Run(usize, usize),
    /// A group, by its first slot.
    Group(u32),
}

/// An entry of the root, or a group.
#[derive(Clone, Copy)]
struct Node<A> {
    /// The entry's number, or the group's first slot.
    first: usize,
    /// What it covers.
    prefix: Prefix<A>,
    /// The address bits that choose one of its cells.
    bits: u8,
}

impl<A: Address> Node<A> {
    /// Slots in front of the values of its runs: in a group the changes are there.
    fn header(self) -> usize {
        usize::from(self.bits != ENTRY)
    }

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
            table: Arc::new(Lpm::with_room(groups, lines * slots::LINE)),
            slots: FreeSlots::new(lines),
            groups: Vec::new(),
            rooms: Vec::new(),
            owned: 0,
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
        let free = self.groups.len() + (self.table.runs - self.table.groups) / LINE - self.rooms.len();
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

    /// Do changes wait for what was replaced?
    pub fn has_put_off(&self) -> bool {
        !self.put_off.is_empty()
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
            self.publish(node, entry, cells);
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
            self.rooms.push(u8::MAX);
            (self.table.groups + (self.rooms.len() - 1) * LINE) as u32
        });
        let mut cells = [inherited; 1 << GROUP_BITS];
        let node = Node { first: first as usize, prefix, bits: GROUP_BITS };
        self.paint(&mut cells, prefix, node.cell_length(), routes);
        for (entry, cells) in cells.chunks_exact(CELLS).enumerate() {
            self.publish(node, entry, cells);
        }
        first | GROUP
    }

    /// What the cells of a prefix are where no longer route is.
    fn inherited(&mut self, routes: &Routes<A>, prefix: Prefix<A>) -> u32 {
        match routes.covering_up_to(prefix.address(), prefix.length()) {
            Some((covering, leaf)) if covering.length() > 0 => self.own(value_of(leaf)),
            _ => 0,
        }
    }

    /// The value, its own run being filled.
    fn own(&mut self, value: u32) -> u32 {
        self.owned = self.owned.max(value as usize + 1);
        self.table.slots[own(value).base as usize].store(value, Relaxed);
        value
    }

    fn value(&self, node: Node<A>, cell: usize) -> u32 {
        self.table.value_at(self.entry(node, cell / CELLS).slot(cell as u32))
    }

    fn entry(&self, node: Node<A>, entry: usize) -> Entry {
        if node.header() == 0 {
            return self.table.entries[node.first].load(Relaxed).into();
        }
        let base = self.table.value_at((node.first + entry) as u32);
        Entry { changes: self.table.value_at(base), base: base + 1 }
    }

    /// Makes an entry of a node consist of these cells.
    fn publish(&mut self, node: Node<A>, entry: usize, cells: &[u32]) {
        let old = self.entry(node, entry);
        let last = |cell: usize| cell == CELLS - 1 || cells[cell] != cells[cell + 1];
        let changes = (0..CELLS - 1).fold(0, |changes, cell| changes | u32::from(last(cell)) << cell);
        let values = (0..CELLS).rev().filter(|cell| last(*cell)).map(|cell| cells[cell]);
        let new = if changes == 0 {
            // No group fills an entry: each hangs from one cell.
            own(cells[0])
        } else if changes == old.changes {
            // Each cell for itself is old or new.
            return self.fill(old.base as usize, values);
        } else {
            let base = self.take(node, node.header() + changes.count_ones() as usize + 1);
            self.fill(base, (0..node.header()).map(|_| changes).chain(values));
            Entry { changes, base: (base + node.header()) as u32 }
        };
        if new != old {
            match node.header() {
                0 => self.table.entries[node.first].store(new.into(), Release),
                _ => self.table.slots[node.first + entry].store(new.base - 1, Release),
            }
            self.retire_run(node, old);
        }
    }

    /// Slots for a run of a node: in the group's own line if they fit.
    fn take(&mut self, node: Node<A>, count: usize) -> usize {
        if node.header() > 0 && count <= LINE - ENTRIES {
            let room = &mut self.rooms[(node.first - self.table.groups) / LINE];
            let starts = (1..count).fold(*room, |starts, by| starts & *room >> by);
            if starts != 0 {
                let start = starts.trailing_zeros() as usize;
                *room &= !(bits(count) << start);
                return node.first + ENTRIES + start;
            }
        }
        self.table.runs + self.slots.take(count).expect("has_room() was asked")
    }

    /// Writes slots one after the other.
    fn fill(&self, base: usize, values: impl Iterator<Item = u32>) {
        self.table.slots[base..].iter().zip(values).for_each(|(slot, value)| slot.store(value, Release));
    }

    /// The group that a value led to, and all below.
    fn retire(&mut self, value: u32) {
        let first = value & !GROUP;
        let node = Node { first: first as usize, prefix: Prefix::<A>::all(), bits: GROUP_BITS };
        for entry in 0..ENTRIES {
            let below: Vec<u32> = (0..CELLS).map(|cell| self.value(node, entry * CELLS + cell)).collect();
            below.into_iter().filter(|value| value & GROUP != 0).for_each(|value| self.retire(value));
            self.retire_run(node, self.entry(node, entry));
        }
        self.waiting.push_back(Part::Group(first));
    }

    fn retire_run(&mut self, node: Node<A>, entry: Entry) {
        if entry.changes != 0 {
            let (first, count) = (entry.base as usize - node.header(), entry.changes.count_ones() as usize + 1);
            self.waiting.push_back(Part::Run(first, count + node.header()));
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
                Part::Run(first, count) => match first.checked_sub(self.table.runs) {
                    Some(first) => self.slots.give(first, count),
                    None => {
                        let at = first - self.table.groups;
                        self.rooms[at / LINE] |= bits(count) << (at % LINE - ENTRIES);
                    }
                },
                Part::Group(first) => {
                    let slots = &self.table.slots[first as usize..][..LINE];
                    slots.iter().for_each(|slot| slot.store(0, Relaxed));
                    self.groups.push(first);
                }
            }
        }
    }

    /// Memory of the table, in bytes: what was ever written.
    pub fn memory(&self) -> usize {
        let slots = 2 * self.owned + LINE * self.rooms.len() + slots::LINE * self.slots.touched();
        8 * self.table.entries.len() + 4 * slots
    }
}

/// So many ones.
fn bits(count: usize) -> u8 {
    u8::MAX >> (LINE - ENTRIES - count)
}

/// The run that a value has for itself.
fn own(value: u32) -> Entry {
    Entry { changes: 0, base: 2 * value + 1 }
}

fn root<A: Address>(entry: u32) -> Node<A> {
    Node { first: entry as usize, prefix: Prefix::new(A::first(entry, ROOT), ROOT), bits: ENTRY }
}

/// Groups on the way to a prefix.
fn depth<A: Address>(prefix: Prefix<A>) -> usize {
    usize::from(prefix.length().saturating_sub(ROOT + ENTRY).div_ceil(GROUP_BITS))
}
