//! What a worker has asked control to have remembered, so that it does not ask again with every frame until that is done; and
//! while there is more to do than it gets done, what it has seen once, so that it asks only about what comes twice.
//!
//! ```text
//!   address pair ─▶ never seen ─▶ (a frame came: noted) ─▶ asked, and known by that ─▶ asked again when it is time
//!                                                      └─▶ asked, and more decides ─▶ the same of what is further in
//! ```
//! A table by hash: what was there lately is there, or is asked once more than needed.

use crate::flow::Depth;
use crate::prefetch::prefetch;
use mona_wire::eth::{IPV4, IPV6};
use mona_wire::{Eth, PortId};

/// How long a worker waits before it asks again, in milliseconds: some turns of control.
const AGAIN_MS: u64 = 10;
/// Flows that are known to have been seen (2 MiB): as many as may be remembered, or those who take turns would never be asked
/// about twice; half a second of half a million frames a second, none of which comes twice.
const SLOTS: usize = 1 << 18;
/// Questions per tick of the coarse clock (1 to 10 ms): what a port that invents addresses may cost of the worker's time.
const PER_TICK: u32 = 2048;

/// How long it matters what became of flows that were noted, in nanoseconds; and one of so many that comes back is worth asking.
const MATTERS: u64 = 1_000_000_000;
const WORTH: u64 = 4;

/// What was asked lately, or seen.
pub struct Asked {
    slots: Box<[Slot]>,
    tick: u64,
    left: u32,
    /// Flows that were noted, and those that came back, since then.
    noted: u64,
    back: u64,
    since: u64,
}

/// A word: 38 bits of the hash, what is known, 24 bits of when, in milliseconds (it is wrong once in four hours, for ten of
/// them).
#[derive(Clone, Copy, Default)]
struct Slot(u64);

/// What is known of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing, or nothing any more.
    New,
    /// A frame of it came.
    Noted,
    /// It was asked about then, and this decides.
    Asked(u64),
    /// Of addresses: so far more than them decided.
    Deep,
}

/// A question: about frames with these addresses, and about those of them that are like this one further in.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    outer: u64,
    inner: u64,
}

/// What is to be done about a frame.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// It is time to ask.
    Ask(Question),
    /// It will be when the flow's next frame comes.
    Noted,
    /// It was asked about lately.
    Wait,
}

impl Default for Asked {
    fn default() -> Asked {
        Asked {
            slots: vec![Slot::default(); SLOTS].into_boxed_slice(),
            tick: 0,
            left: PER_TICK,
            noted: 0,
            back: 0,
            since: 0,
        }
    }
}

impl Asked {
    /// Is it time to ask about a frame like this? A worker that is behind has no time for flows that may never have another.
    #[inline]
    pub fn question(&mut self, rx: PortId, frame: &[u8], now: u64, behind: bool) -> Answer {
        if now != self.tick {
            (self.tick, self.left) = (now, PER_TICK);
            if now.saturating_sub(self.since) > MATTERS {
                (self.noted, self.back, self.since) = (0, 0, now);
            }
        }
        let Some((eth, outer)) = Question::addresses(rx, frame) else { return Answer::Wait };
        let known = self.state(outer, now);
        if let State::Asked(ago) = known
            && ago < AGAIN_MS
        {
            return Answer::Wait;
        }
        if known == State::New && behind {
            return self.note(outer, now);
        }
        let inner = Question::further_in(outer, &eth, frame);
        let further = self.state(inner, now);
        match further {
            State::Asked(ago) if ago < AGAIN_MS => return Answer::Wait,
            State::New if behind && known == State::Deep => return self.note(inner, now),
            _ => {}
        }
        if self.left == 0 {
            return Answer::Noted;
        }
        self.left -= 1;
        self.back += u64::from(known == State::Noted || further == State::Noted);
        Answer::Ask(Question { outer, inner })
    }

    /// It was asked now, and answered by a look this deep (`None`: it is not to be remembered).
    #[inline]
    pub fn asked(&mut self, question: Question, depth: Option<Depth>, now: u64) {
        let Question { outer, inner } = question;
        match depth {
            Some(Depth::L2) => self.slots[place(outer)] = Slot::new(outer, ASKED, now),
            _ => {
                self.slots[place(outer)] = Slot::new(outer, DEEP, now);
                self.slots[place(inner)] = Slot::new(inner, ASKED, now);
            }
        }
    }

    /// Do flows of which a frame was noted have more? Then to wait for those helps nobody: they come to userspace too.
    pub fn come_back(&self) -> bool {
        self.back * WORTH > self.noted
    }

    /// It will be asked about this frame soon.
    #[inline]
    pub fn prefetch(&self, rx: PortId, frame: &[u8]) {
        if let Some((_, outer)) = Question::addresses(rx, frame) {
            prefetch(&self.slots[place(outer)]);
        }
    }

    #[inline]
    fn state(&self, hash: u64, now: u64) -> State {
        self.slots[place(hash)].state(hash, now)
    }

    #[inline]
    fn note(&mut self, hash: u64, now: u64) -> Answer {
        self.noted += 1;
        self.slots[place(hash)] = Slot::new(hash, NOTED, now);
        Answer::Noted
    }
}

const NOTED: u64 = 1 << 24;
const ASKED: u64 = 2 << 24;
const DEEP: u64 = 3 << 24;
const WHEN: u64 = (1 << 24) - 1;

impl Slot {
    #[inline]
    fn new(hash: u64, state: u64, now: u64) -> Slot {
        Slot(hash & !(DEEP | WHEN) | state | ((now / 1_000_000) & WHEN))
    }

    #[inline]
    fn state(self, hash: u64, now: u64) -> State {
        if (self.0 ^ hash) & !(DEEP | WHEN) != 0 {
            return State::New;
        }
        match self.0 & DEEP {
            NOTED => State::Noted,
            ASKED => State::Asked((now / 1_000_000).wrapping_sub(self.0) & WHEN),
            DEEP => State::Deep,
            _ => State::New,
        }
    }
}

impl Question {
    /// The frame's header, and a hash of what is always looked at.
    #[inline]
    fn addresses(rx: PortId, frame: &[u8]) -> Option<(Eth, u64)> {
        let eth = Eth::parse(frame)?;
        let vid = eth.tag.map_or(0, |tag| 0x1000 | u64::from(tag.vid()));
        let place = u64::from(rx.0) << 16 | vid;
        let hash = [eth.dst.to_u64(), eth.src.to_u64()].into_iter().fold(mixed(0, place), mixed);
        Some((eth, hash))
    }

    /// A hash of what more may be looked at.
    #[inline]
    fn further_in(outer: u64, eth: &Eth, frame: &[u8]) -> u64 {
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
        mixed(inner, 1)
    }
}

#[inline]
fn mixed(hash: u64, word: u64) -> u64 {
    let wide = u128::from(hash ^ word ^ 0x9e37_79b9_7f4a_7c15) * 0xa076_1d64_78bd_642f;
    (wide as u64) ^ (wide >> 64) as u64
}

#[inline]
fn place(hash: u64) -> usize {
    hash as usize % SLOTS
}

#[cfg(test)]
#[path = "asking_tests.rs"]
mod tests;
