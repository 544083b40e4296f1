//! The out that sends: the decisions about up to [`BATCH`] frames, gathered for the worker that carries them out.
//!
//! Two passes: the first reads every header and asks the cache for the stations it will look up, the second decides. So
//! the memory of one frame's stations arrives while the other headers are read. What the first has found out, the second
//! does not find out again.

use crate::forward::{Dst, Foreseen, Frame, forward};
use crate::io::RxFrame;
use crate::out::{Out, Seen, Told};
use crate::rewrite::Rewrite;
use crate::{Drop, Snapshot, route};
use mona_wire::{Eth, PortId, Tci, VlanId};

/// Frames decided at once: enough to hide the latency of memory, few enough that their headers stay in the cache.
pub const BATCH: usize = 64;
/// Copies held before a batch ends early. One frame makes at most [`PortId::COUNT`] more, for which there is room.
const SENDS: usize = 4096;
/// What control is shown per batch: from here on no more lines of access lists, of which each copy may be a case.
const TOLD: usize = BATCH;

/// A copy of a frame that leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Send {
    /// Which frame of the batch.
    pub frame: u16,
    /// By which port.
    pub port: PortId,
    /// In which VLAN ([`VlanId::DEFAULT`] for a frame to the switch itself, which is in none).
    pub vlan: VlanId,
    /// With this tag or without any.
    pub tag: Option<Tci>,
    /// In fragments of IP packets at most so large; 0: whole.
    pub fragment: u16,
}

/// A frame that is routed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Routed {
    /// Which frame of the batch.
    pub frame: u16,
    /// The VLAN it came in.
    pub from: VlanId,
    /// The VLAN it leaves in.
    pub to: VlanId,
    /// What is changed before it is sent.
    pub rewrite: Rewrite,
}

/// The decisions about one batch. Frames are named by their place in it.
pub struct Batch {
    /// Copies to send, in the order of frames, those of one frame ascending by port.
    pub sends: Vec<Send>,
    /// What control is to be told.
    pub seen: Vec<Seen>,
    /// The frames whose source is still to be learned, a bit for each.
    pub strangers: u64,
    /// The low bytes of the addresses in `seen`, a bit for each: most that are not there need not be looked for.
    filter: [u64; 4],
    /// Frames that control is to be shown as they came in, the VLAN they came in, and why.
    pub told: Vec<(u16, VlanId, Told)>,
    /// Frames that leave rewritten, ascending.
    pub routed: Vec<Routed>,
    /// Frames of which nothing was sent, and why.
    pub dropped: Vec<(u16, Drop)>,
    /// Frames that were admitted to a VLAN, for its counters.
    pub admitted: Vec<(u16, VlanId)>,
    /// Lines of access lists that decided, by their counters, and about which frame.
    pub matched: Vec<(u16, u32)>,
    /// How many unknown sources a port may report per batch. The worker lowers it as the ring to control fills, see
    /// [`Batch::share`]: then a port that invents addresses leaves room for the others'.
    pub budget: usize,
}

impl Default for Batch {
    fn default() -> Batch {
        Batch {
            sends: Vec::with_capacity(SENDS + PortId::COUNT),
            seen: Vec::with_capacity(BATCH),
            strangers: 0,
            filter: [0; 4],
            told: Vec::with_capacity(TOLD + 2 * BATCH),
            routed: Vec::with_capacity(BATCH),
            dropped: Vec::with_capacity(BATCH),
            admitted: Vec::with_capacity(BATCH),
            // Each copy may be matched, and the frame as it comes in, goes to the router, and leaves it.
            matched: Vec::with_capacity(SENDS + PortId::COUNT + 3),
            budget: BATCH,
        }
    }
}

impl Batch {
    /// Decides about the first [`BATCH`] frames, or fewer if they make many copies: returns about how many (at least
    /// one, if there is one). What was decided before is forgotten.
    pub fn decide(&mut self, snapshot: &Snapshot, frames: &[RxFrame]) -> usize {
        let frames = &frames[..frames.len().min(BATCH)];
        self.sends.clear();
        self.seen.clear();
        (self.strangers, self.filter) = (0, [0; 4]);
        self.told.clear();
        self.routed.clear();
        self.dropped.clear();
        self.admitted.clear();
        self.matched.clear();
        // A bit for each frame to the router.
        let mut to_router = 0u64;
        let mut parsed = [None; BATCH];
        for (number, (rx, parsed)) in frames.iter().zip(&mut parsed).enumerate() {
            // Nothing takes its address before it is whole: halves written and read as a word at once cost 8 ns a frame.
            let Ok(mut frame) = Frame::parse(rx.bytes(), rx.len() as u32, &rx.offload) else { continue };
            if let Some(vlan) = meant_for(snapshot, rx.rx, &frame.eth) {
                let foreseen = Foreseen::of(snapshot, vlan, &frame.eth);
                snapshot.fdb.prefetch(foreseen.src);
                match foreseen.dst {
                    Dst::Station(place) => snapshot.fdb.prefetch(place),
                    Dst::Router(_) => {
                        to_router |= 1 << number;
                        route::prefetch(snapshot, &frame);
                    }
                }
                frame.foreseen = Some(foreseen);
            }
            *parsed = Some(frame);
        }
        // A route is two reads away: the first words have come meanwhile.
        while to_router != 0 {
            let frame = &mut parsed[to_router.trailing_zeros() as usize];
            let cell = frame.as_ref().and_then(|frame| route::foresee(snapshot, frame));
            if let Some(Frame { foreseen: Some(foreseen), .. }) = frame {
                foreseen.dst = Dst::Router(cell);
            }
            to_router &= to_router - 1;
        }
        for (at, (rx, frame)) in frames.iter().zip(&parsed).enumerate() {
            if self.sends.len().max(self.matched.len()) > SENDS {
                return at;
            }
            let mut out = OneFrame { batch: self, vlan: VlanId::DEFAULT, frame: at as u32, fragment: 0 };
            let frame = frame.as_ref().ok_or(Drop::Malformed);
            if let Err(why) = frame.and_then(|frame| forward(snapshot, rx.rx, frame, &mut out)) {
                out.dropped(why);
            }
        }
        frames.len()
    }

    /// A budget for the free part of the ring to control: all while it is half empty (64 k addresses of one port are
    /// learned at full speed), then ever less, and at least one, so that no port is silenced by another.
    pub const fn share(free: usize, capacity: usize) -> usize {
        match free * 8 / if capacity == 0 { 1 } else { capacity } {
            0 => 1,
            1 => 4,
            2 | 3 => 16,
            _ => BATCH,
        }
    }
}

/// The VLAN the frame will be in, if it may enter at all.
#[inline(always)]
fn meant_for(snapshot: &Snapshot, rx: PortId, eth: &Eth) -> Option<VlanId> {
    snapshot.port(rx)?.vlan_of(eth.tag).ok()
}

/// The batch while one of its frames is decided.
struct OneFrame<'a> {
    batch: &'a mut Batch,
    vlan: VlanId,
    // As wide as they are, and not beside the VLAN: two that are copied as one word right after each was written make the
    // processor wait.
    frame: u32,
    fragment: u32,
}

impl OneFrame<'_> {
    #[inline(always)]
    fn number(&self) -> u16 {
        self.frame as u16
    }

    #[inline]
    fn dropped(&mut self, why: Drop) {
        self.batch.dropped.push((self.number(), why));
        if why.is_told() {
            self.batch.told.push((self.number(), self.vlan, Told::Dropped(why)));
        }
    }
}

impl Out for OneFrame<'_> {
    #[inline(always)]
    fn admitted(&mut self, vlan: VlanId) {
        self.vlan = vlan;
        self.batch.admitted.push((self.number(), vlan));
    }

    #[inline(never)]
    fn seen(&mut self, seen: Seen) {
        let number = self.frame;
        let batch = &mut *self.batch;
        batch.strangers |= 1 << number;
        let low = seen.mac.to_u64() as u8;
        let (word, bit) = (&mut batch.filter[usize::from(low >> 6)], 1 << (low & 63));
        // The last report is right: one before that of another port is none.
        let same = |other: &&Seen| (other.mac, other.vlan) == (seen.mac, seen.vlan);
        if *word & bit != 0 && batch.seen.iter().rev().find(same) == Some(&seen) {
            return;
        }
        let reported = || batch.seen.iter().filter(|other| other.port == seen.port).count();
        // So many were not reported by all together.
        if batch.seen.len() < batch.budget || reported() < batch.budget {
            *word |= bit;
            batch.seen.push(seen);
        }
    }

    #[inline(always)]
    fn rewrite(&mut self, vlan: VlanId, rewrite: Rewrite) {
        self.batch.routed.push(Routed { frame: self.number(), from: self.vlan, to: vlan, rewrite });
        (self.vlan, self.fragment) = (vlan, rewrite.fragment.into());
    }

    #[inline(always)]
    fn matched(&mut self, slot: u32) {
        self.batch.matched.push((self.number(), slot));
    }

    #[inline]
    fn tell(&mut self, vlan: VlanId, told: Told) {
        if matches!(told, Told::Listed { .. }) && self.batch.told.len() >= TOLD {
            return;
        }
        self.batch.told.push((self.number(), vlan, told));
    }

    #[inline(always)]
    fn send(&mut self, port: PortId, tag: Option<Tci>) {
        self.batch.sends.push(Send {
            frame: self.number(),
            port,
            vlan: self.vlan,
            tag,
            fragment: self.fragment as u16,
        });
    }
}
