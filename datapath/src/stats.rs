//! Counters: written by one worker each (plain relaxed stores, added up once per batch), read by control and summed.

use crate::Drop;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A counter with one writer and any number of readers.
#[derive(Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds; only the one writer may call it.
    #[inline]
    pub fn add(&self, by: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(by), Relaxed);
    }

    /// The value now.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// What is counted per port, summed over workers. Frames are counted as on the wire: a super-frame counts as its
/// segments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortCounters {
    /// Frames received.
    pub rx_frames: u64,
    /// Bytes received, without FCS.
    pub rx_bytes: u64,
    /// Of those, frames to a group address that is not broadcast.
    pub rx_multicast: u64,
    /// Of those, broadcast frames.
    pub rx_broadcast: u64,
    /// Frames sent.
    pub tx_frames: u64,
    /// Bytes sent, without FCS.
    pub tx_bytes: u64,
    /// Of those, frames to a group address that is not broadcast.
    pub tx_multicast: u64,
    /// Of those, broadcast frames.
    pub tx_broadcast: u64,
    /// Frames dropped, by reason ([`Drop`] as index), counted at the port they came in on.
    pub drops: Vec<u64>,
    /// Losses in the kernel, which no worker ever saw: name and count (`ring_full`, `credit`, `backlog`, …).
    pub kernel: Vec<(&'static str, u64)>,
    /// When a worker last received a frame, nanoseconds of CLOCK_MONOTONIC; 0 = never.
    pub last_rx: u64,
    /// When a worker last sent a frame there.
    pub last_tx: u64,
}

/// What is counted per VLAN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VlanCounters {
    /// Frames admitted to the VLAN.
    pub rx_frames: u64,
    /// Bytes of those.
    pub rx_bytes: u64,
    /// Copies sent in the VLAN.
    pub tx_frames: u64,
    /// Bytes of those.
    pub tx_bytes: u64,
}

impl PortCounters {
    /// How often this reason dropped a frame from the port.
    pub fn dropped(&self, reason: Drop) -> u64 {
        self.drops.get(reason as usize).copied().unwrap_or(0)
    }
}
