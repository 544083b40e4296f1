//! What a worker has asked control to have remembered, so that it does not ask again with every frame until that is done.
//!
//! A small table by hash: what was asked lately is there, or is asked once more than needed.

use crate::flow::Depth;
use mona_wire::eth::{IPV4, IPV6};
use mona_wire::{Eth, PortId};

/// How long a worker waits before it asks again, in nanoseconds: some turns of control.
const AGAIN: u64 = 10_000_000;
/// Questions remembered: more flows than begin in that time, of a host that opens connections and of a port that is scanned.
const SLOTS: usize = 8192;
/// Questions per tick of the coarse clock (1 to 10 ms): what a port that invents addresses may cost of the worker's time.
const PER_TICK: u32 = 2048;

/// What was asked lately.
pub struct Asked {
    slots: Box<[Slot]>,
    tick: u64,
    left: u32,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    hash: u64,
    at: u64,
    /// Was the answer about more than addresses?
    deep: bool,
}

/// A question: about frames with these addresses, and about those of them that are like this one further in.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    outer: u64,
    inner: u64,
}

impl Default for Asked {
    fn default() -> Asked {
        Asked { slots: vec![Slot::default(); SLOTS].into_boxed_slice(), tick: 0, left: PER_TICK }
    }
}

impl Asked {
    /// Is it time to ask about a frame like this?
    #[inline]
    pub fn question(&mut self, rx: PortId, frame: &[u8], now: u64) -> Option<Question> {
        if now != self.tick {
            (self.tick, self.left) = (now, PER_TICK);
        }
        let question = Question::about(rx, frame)?;
        let lately = |slot: &Slot, hash| slot.hash == hash && now.wrapping_sub(slot.at) < AGAIN;
        let outer = self.slots[place(question.outer)];
        let known = lately(&outer, question.outer) && !outer.deep
            || lately(&self.slots[place(question.inner)], question.inner)
            || self.left == 0;
        self.left -= u32::from(!known);
        (!known).then_some(question)
    }

    /// It was asked now, and answered by a look this deep (`None`: it is not to be remembered).
    #[inline]
    pub fn asked(&mut self, question: Question, depth: Option<Depth>, now: u64) {
        let deep = depth != Some(Depth::L2);
        self.slots[place(question.outer)] = Slot { hash: question.outer, at: now, deep };
        if deep {
            self.slots[place(question.inner)] = Slot { hash: question.inner, at: now, deep };
        }
    }
}

impl Question {
    #[inline]
    fn about(rx: PortId, frame: &[u8]) -> Option<Question> {
        let eth = Eth::parse(frame)?;
        let vid = eth.tag.map_or(0, |tag| 0x1000 | u64::from(tag.vid()));
        let place = u64::from(rx.0) << 16 | vid;
        let outer = [eth.dst.to_u64(), eth.src.to_u64()].into_iter().fold(mixed(0, place), mixed);
        let packet = frame.get(eth.len()..).unwrap_or_default();
        let word =
            |at: usize| packet.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |w| u64::from_ne_bytes(*w));
        let half =
            |at: usize| packet.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |w| u32::from_ne_bytes(*w));
        let byte = |at: usize| packet.get(at).copied().unwrap_or(0);
        let inner = match eth.ethertype {
            IPV4 => {
                let rest = u64::from(half(20)) << 32 | u64::from(byte(9)) << 8 | u64::from(byte(1));
                mixed(mixed(outer, word(12)), rest)
            }
            IPV6 => {
                let rest = u64::from(half(40)) << 32 | u64::from(byte(6)) << 16 | u64::from(half(0) as u16);
                [word(8), word(16), word(24), word(32), rest].into_iter().fold(outer, mixed)
            }
            ethertype => mixed(outer, u64::from(ethertype)),
        };
        Some(Question { outer, inner: mixed(inner, 1) })
    }
}

#[inline]
fn mixed(hash: u64, word: u64) -> u64 {
    let wide = u128::from(hash ^ word ^ 0x9e37_79b9_7f4a_7c15) * 0xa076_1d64_78bd_642f;
    (wide as u64) ^ (wide >> 64) as u64
}

#[inline]
fn place(hash: u64) -> usize {
    (hash >> 32) as usize % SLOTS
}

#[cfg(test)]
#[path = "asking_tests.rs"]
mod tests;
