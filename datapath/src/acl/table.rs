//! The bit vectors of a list: for each value of each field the set of lines that accept it, lowest bit first.
//!
//! A field of one byte (an address is so many of them, which makes any wildcard as cheap as a prefix) has a row per value
//! that some line names, and row 0 for all others. A port has a row per run of ports between the bounds that lines name.

use super::key::{BYTES, CODE, DST, ETHERTYPE, FLAGS, Key, LATER, PROTOCOL, SRC, TOS, TYPE};
use super::rule::{Flags, Ports, Rule};
use crate::Drop;

/// Words that are looked at together: 1,024 lines. If one of those fits, the lines behind are not looked at.
const BLOCK: usize = 16;

/// The fields that matter, those of the upper layer last.
#[derive(Debug)]
pub(super) struct Table {
    lines: usize,
    /// Words of a row.
    words: usize,
    bytes: Vec<Byte>,
    ports: Vec<Port>,
    /// So many of `bytes` are there in later fragments too.
    lower: usize,
}

/// A field of one byte.
#[derive(Debug)]
struct Byte {
    /// Where it is in the key.
    at: usize,
    /// The row of each value.
    row_of: Box<[u16; 256]>,
    rows: Vec<u64>,
}

/// A port.
#[derive(Debug)]
struct Port {
    /// 0 source, 1 destination.
    which: usize,
    /// Where runs begin; row 0 is what is below the first.
    starts: Vec<u16>,
    rows: Vec<u64>,
}

impl Table {
    pub(super) fn of(rules: &[Rule]) -> Table {
        let words = rules.len().div_ceil(64);
        let bytes: Vec<Byte> = (0..BYTES).filter_map(|at| Byte::of(rules, at, words)).collect();
        let lower = bytes.iter().filter(|byte| byte.at < FLAGS).count();
        let sides: [fn(&Rule) -> Option<Ports>; 2] = [|rule| rule.sport, |rule| rule.dport];
        let ports = sides.into_iter().enumerate().filter_map(|(which, of)| Port::of(rules, which, of, words)).collect();
        Table { lines: rules.len(), words, bytes, ports, lower }
    }

    pub(super) fn size(&self) -> usize {
        let rows = self.bytes.iter().map(|field| 512 + 8 * field.rows.len());
        rows.sum::<usize>()
            + self.ports.iter().map(|field| 2 * field.starts.len() + 8 * field.rows.len()).sum::<usize>()
    }

    /// The lowest line that every field accepts.
    #[inline]
    pub(super) fn first(&self, key: &Key) -> Result<Option<usize>, Drop> {
        let (bytes, ports) = match key.is_later_fragment() {
            true => (&self.bytes[..self.lower], &self.ports[..0]),
            false => (&self.bytes[..], &self.ports[..]),
        };
        if let Some(why) = key.cut.filter(|_| !self.ports.is_empty() || self.lower < self.bytes.len()) {
            return Err(why);
        }
        let mut start = 0;
        while start < self.words {
            let width = BLOCK.min(self.words - start);
            let mut block = [!0; BLOCK];
            let block = &mut block[..width];
            for field in bytes {
                and(block, &field.rows[self.words * field.row(key) + start..]);
            }
            for field in ports {
                and(block, &field.rows[self.words * field.row(key) + start..]);
            }
            if let Some((word, bits)) = block.iter().enumerate().find(|(_, bits)| **bits != 0) {
                let line = (start + word) * 64 + bits.trailing_zeros() as usize;
                return Ok((line < self.lines).then_some(line));
            }
            start += width;
        }
        Ok(None)
    }
}

#[inline(always)]
fn and(block: &mut [u64], row: &[u64]) {
    block.iter_mut().zip(row).for_each(|(word, other)| *word &= other);
}

fn set(row: &mut [u64], line: usize, on: bool) {
    let bit = 1 << (line % 64);
    if on { row[line / 64] |= bit } else { row[line / 64] &= !bit }
}

impl Byte {
    /// The field at this place of the key, if a line cares for it.
    fn of(rules: &[Rule], at: usize, words: usize) -> Option<Byte> {
        let wants: Vec<Want> = rules.iter().map(|rule| Want::of(rule, at)).collect();
        if wants.iter().all(|want| *want == Want::Any) {
            return None;
        }
        // Row 0: those who do not care, for all values that nobody names.
        let mut rows = vec![0; words];
        for (line, _) in wants.iter().enumerate().filter(|(_, want)| **want == Want::Any) {
            set(&mut rows, line, true);
        }
        let mut row_of = Box::new([0u16; 256]);
        for (line, want) in wants.iter().enumerate().filter(|(_, want)| **want != Want::Any) {
            for value in (0..=255u8).filter(|value| want.accepts(*value)) {
                let row = &mut row_of[usize::from(value)];
                if *row == 0 {
                    *row = (rows.len() / words) as u16;
                    rows.extend_from_within(..words);
                }
                let start = usize::from(*row) * words;
                set(&mut rows[start..start + words], line, true);
            }
        }
        Some(Byte { at, row_of, rows })
    }

    #[inline(always)]
    fn row(&self, key: &Key) -> usize {
        usize::from(self.row_of[usize::from(key.bytes[self.at])])
    }
}

/// What a line wants of one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    Any,
    Bits { value: u8, mask: u8 },
    Flags(Flags),
}

impl Want {
    fn of(rule: &Rule, at: usize) -> Want {
        let bits = |value, mask| if mask == 0 { Want::Any } else { Want::Bits { value, mask } };
        let exactly = |value: Option<u8>| value.map_or(Want::Any, |value| bits(value, 0xff));
        match at {
            SRC..DST => bits(rule.src.value[at - SRC], rule.src.mask[at - SRC]),
            DST..ETHERTYPE => bits(rule.dst.value[at - DST], rule.dst.mask[at - DST]),
            ETHERTYPE..PROTOCOL => bits(rule.ethertype.value[at - ETHERTYPE], rule.ethertype.mask[at - ETHERTYPE]),
            PROTOCOL => exactly(rule.protocol),
            TOS => bits(rule.tos.value[0], rule.tos.mask[0]),
            LATER if rule.fragments => bits(1, 0xff),
            LATER if !rule.takes_later_fragments() => bits(0, 0xff),
            FLAGS => rule.flags.map_or(Want::Any, Want::Flags),
            TYPE => exactly(rule.icmp.map(|(kind, _)| kind)),
            CODE => exactly(rule.icmp.and_then(|(_, code)| code)),
            _ => Want::Any,
        }
    }

    fn accepts(self, byte: u8) -> bool {
        match self {
            Want::Any => true,
            Want::Bits { value, mask } => byte & mask == value & mask,
            Want::Flags(flags) => flags.fit(byte),
        }
    }
}

impl Port {
    /// The side, if a line cares for it.
    fn of(rules: &[Rule], which: usize, side: fn(&Rule) -> Option<Ports>, words: usize) -> Option<Port> {
        // Where lines begin to accept and cease to.
        let mut turns: Vec<(u32, usize, bool)> = Vec::new();
        for (line, rule) in rules.iter().enumerate() {
            let ports = side(rule);
            turns.push((0, line, ports.is_none_or(|ports| ports.not)));
            if let Some(Ports { low, high, not }) = ports.filter(|ports| ports.low <= ports.high) {
                turns.extend([(low.into(), line, !not), (u32::from(high) + 1, line, not)]);
            }
        }
        if rules.iter().all(|rule| side(rule).is_none()) {
            return None;
        }
        // Stable: what a line says of port 0 comes after what it says of all.
        turns.sort_by_key(|turn| turn.0);
        let (mut starts, mut rows, mut now) = (Vec::new(), Vec::new(), vec![0; words]);
        for run in turns.chunk_by(|one, other| one.0 == other.0) {
            let Ok(start) = u16::try_from(run[0].0) else { break };
            run.iter().for_each(|(_, line, on)| set(&mut now, *line, *on));
            if start > 0 {
                starts.push(start);
            }
            rows.extend_from_slice(&now);
        }
        Some(Port { which, starts, rows })
    }

    #[inline(always)]
    fn row(&self, key: &Key) -> usize {
        let port = key.ports[self.which];
        self.starts.partition_point(|start| *start <= port)
    }
}
