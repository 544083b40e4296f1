//! Frames for the switch itself, on their way to control: each port, and each class of them, has a share of the ring.

use crate::out::Told;
use crate::ring::{FrameWriter, Label};
use mona_wire::PortId;

/// Frames that one port may send to control per tick of the coarse clock (1 to 10 ms), of each class: many times what
/// spanning tree and LACP send, and little enough that one port cannot fill the ring.
const SHARE: u16 = 32;
/// Reserved addresses; neighbour discovery; what went wrong; what is logged. A scan of empty subnets must not cost an ARP reply.
const CLASSES: usize = 4;

/// A worker's end of the ring.
pub struct Punts {
    ring: FrameWriter,
    /// Per port: the tick, and how many frames of each class came in it.
    counts: Box<[(u64, [u16; CLASSES])]>,
}

impl Punts {
    /// Nothing sent yet.
    pub fn new(ring: FrameWriter) -> Punts {
        Punts { ring, counts: vec![(0, [0; CLASSES]); PortId::COUNT].into_boxed_slice() }
    }

    /// Sends one, at this tick of the clock; `false` if there is no room, or the port has had its share.
    pub fn push(&mut self, label: Label, frame: &[u8], now: u64) -> bool {
        let (tick, counts) = &mut self.counts[label.from.index()];
        if *tick != now {
            (*tick, *counts) = (now, [0; CLASSES]);
        }
        let count = &mut counts[class(label.told)];
        *count = count.saturating_add(1);
        // Reserved addresses have half of the ring for themselves.
        let room = label.told.is_none() || self.ring.is_half_free();
        *count <= SHARE && room && self.ring.push(label, frame)
    }
}

/// What a frame for the switch itself competes with.
fn class(told: Option<Told>) -> usize {
    match told {
        None => 0,
        Some(Told::Neighbour) => 1,
        Some(Told::Dropped(_) | Told::Redirect) => 2,
        Some(Told::Listed { .. }) => 3,
    }
}
