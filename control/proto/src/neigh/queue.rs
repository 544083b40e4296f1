//! Frames that wait until their neighbour is known. The oldest goes when there are too many: RFC 1122 2.3.2.2 wants the
//! latest kept.

use super::Limits;
use mona_wire::{PortId, VlanId};
use std::collections::VecDeque;

/// A frame as it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The interface it came in on.
    pub vlan: VlanId,
    /// The port it came in on.
    pub port: PortId,
    /// All of it.
    pub frame: Vec<u8>,
}

/// The frames for one neighbour.
#[derive(Debug, Default)]
pub struct Queue {
    held: VecDeque<Held>,
    bytes: usize,
}

impl Queue {
    /// Adds a frame; `room` is what may still be held altogether. Returns how many were dropped to keep the bounds, the
    /// new one included if it does not fit at all.
    pub fn push(&mut self, held: Held, limits: &Limits, mut room: usize) -> u64 {
        let (length, mut dropped) = (held.frame.len(), 0);
        while !self.held.is_empty()
            && (self.held.len() >= limits.queue_frames.max(1)
                || self.bytes + length > limits.queue_bytes
                || length > room)
        {
            let oldest = self.held.pop_front().map_or(0, |held| held.frame.len());
            self.bytes -= oldest;
            room += oldest;
            dropped += 1;
        }
        if length > room || length > limits.queue_bytes {
            return dropped + 1;
        }
        self.bytes += length;
        self.held.push_back(held);
        dropped
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Does none wait?
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// The frames, oldest first; none is left.
    pub fn take(&mut self) -> VecDeque<Held> {
        self.bytes = 0;
        std::mem::take(&mut self.held)
    }
}
