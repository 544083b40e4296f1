//! Which slots are free: runs of up to 33 of them, each within one line of 33.

use super::table::CELLS;

/// Slots of a line: the longest run, of as many values as cells and the word before them.
pub(super) const LINE: usize = CELLS + 1;
/// The bits of a line.
const ALL: u64 = u64::MAX >> (64 - LINE);
/// No line.
const NONE: u32 = u32::MAX;

/// One line of slots.
struct Line {
    /// A bit per slot that is free.
    free: u64,
    /// The lines before and after it in the list of those with as long a longest free run.
    before: u32,
    after: u32,
}

/// The free slots, lines in lists by their longest free run.
pub(super) struct FreeSlots {
    lines: Vec<Line>,
    /// The first line of each list, by the length of the run. Lines that are full are in none.
    heads: [u32; LINE + 1],
    /// Lines of which all slots are free, those included that were never used.
    whole: usize,
    limit: usize,
}

impl FreeSlots {
    /// `lines` of them, all free.
    pub fn new(lines: usize) -> FreeSlots {
        FreeSlots { lines: Vec::new(), heads: [NONE; LINE + 1], whole: lines, limit: lines }
    }

    /// Lines of which all slots are free.
    pub fn whole(&self) -> usize {
        self.whole
    }

    /// Lines that are or were used.
    pub fn touched(&self) -> usize {
        self.lines.len()
    }

    /// Takes `count` slots in a row, where they leave the least over; returns the first one's number.
    pub fn take(&mut self, count: usize) -> Option<usize> {
        let at = match self.heads[count..].iter().find(|head| **head != NONE) {
            Some(&head) => head,
            None if self.lines.len() < self.limit => {
                self.lines.push(Line { free: ALL, before: NONE, after: NONE });
                let at = (self.lines.len() - 1) as u32;
                self.enlist(at);
                at
            }
            None => return None,
        };
        let free = self.lines[at as usize].free;
        let starts = (1..count).fold(free, |starts, by| starts & free >> by);
        let start = starts.trailing_zeros() as usize;
        self.change(at, free & !(run(count) << start));
        Some(at as usize * LINE + start)
    }

    /// Gives them back.
    pub fn give(&mut self, first: usize, count: usize) {
        let at = (first / LINE) as u32;
        let back = run(count) << (first % LINE);
        let free = self.lines[at as usize].free;
        assert_eq!(free & back, 0, "slots are given back once");
        self.change(at, free | back);
    }

    fn change(&mut self, at: u32, free: u64) {
        self.delist(at);
        self.whole -= usize::from(self.lines[at as usize].free == ALL);
        self.whole += usize::from(free == ALL);
        self.lines[at as usize].free = free;
        self.enlist(at);
    }

    fn delist(&mut self, at: u32) {
        let Line { free, before, after } = self.lines[at as usize];
        if free != 0 {
            match before {
                NONE => self.heads[longest_run(free)] = after,
                before => self.lines[before as usize].after = after,
            }
            if after != NONE {
                self.lines[after as usize].before = before;
            }
        }
    }

    fn enlist(&mut self, at: u32) {
        let free = self.lines[at as usize].free;
        if free != 0 {
            let head = std::mem::replace(&mut self.heads[longest_run(free)], at);
            if head != NONE {
                self.lines[head as usize].before = at;
            }
            self.lines[at as usize] = Line { free, before: NONE, after: head };
        }
    }
}

/// So many ones.
fn run(count: usize) -> u64 {
    ALL >> (LINE - count)
}

/// The length of the longest row of ones.
fn longest_run(mut word: u64) -> usize {
    let mut length = 0;
    while word != 0 {
        word &= word << 1;
        length += 1;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs() {
        for (word, longest) in [(0, 0), (1, 1), (0b0110_1110, 3), (ALL, 33), (0x1_f000_001f, 5)] {
            assert_eq!(longest_run(word), longest, "{word:b}");
        }
    }

    /// What is taken never overlaps, is found again after it was given, and the last slot can be had.
    #[test]
    fn take_and_give() {
        let mut slots = FreeSlots::new(8);
        let mut held: Vec<(usize, usize)> = Vec::new();
        let mut random = 1usize;
        for round in 0..20_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let count = (random >> 33) % LINE + 1;
            match slots.take(count) {
                Some(first) => {
                    assert!(first + count <= 8 * LINE && first / LINE == (first + count - 1) / LINE);
                    assert!(held.iter().all(|(at, len)| first + count <= *at || at + len <= first), "round {round}");
                    held.push((first, count));
                }
                None => {
                    let (first, count) = held.swap_remove((random >> 40) % held.len());
                    slots.give(first, count);
                }
            }
        }
        held.drain(..).for_each(|(first, count)| slots.give(first, count));
        let all = std::iter::repeat_with(|| slots.take(LINE)).take_while(Option::is_some).count();
        assert_eq!(all, 8);
        assert_eq!(slots.take(1), None);
    }
}
