//! Ports in memory, for tests, simulation and benchmarks: a pair of rings with a switch at one end and the test at the
//! other. The buffers of frames that came in carry those that go out, so a steady flow allocates nothing.

use super::set::Egress;
use super::{Offload, RxFrame};
use crate::Drop;
use crate::offload::Leaving;
use crate::ring::Bell;
use mona_wire::PortId;
use rtrb::{Consumer, Producer, RingBuffer};
use std::ptr::NonNull;
use std::sync::Arc;

/// Frames each direction of a port holds.
pub const DEPTH: usize = 1024;
/// Buffers kept for reuse, per worker.
const SPARE: usize = 2 * DEPTH;

/// A frame in a memory port's ring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemFrame {
    /// What is on the wire.
    pub bytes: Vec<u8>,
    /// What its sender left to be done, as beside a frame of a virtual netdev.
    pub offload: Offload,
}

/// The switch's end of one port.
pub struct MemPort {
    port: PortId,
    rx: Consumer<MemFrame>,
    tx: Producer<MemFrame>,
}

/// The far end: what a host on the port sends and receives.
pub struct MemHost {
    tx: Producer<MemFrame>,
    rx: Consumer<MemFrame>,
    bell: Arc<Bell>,
}

/// Makes both ends; `bell` wakes the worker that owns the port.
pub fn cable(port: PortId, bell: Arc<Bell>) -> (MemPort, MemHost) {
    let (to_switch, rx) = RingBuffer::new(DEPTH);
    let (tx, from_switch) = RingBuffer::new(DEPTH);
    (MemPort { port, rx, tx }, MemHost { tx: to_switch, rx: from_switch, bell })
}

impl MemHost {
    /// Sends a frame to the switch; `false` if the ring is full.
    pub fn send(&mut self, frame: MemFrame) -> bool {
        let sent = self.tx.push(frame).is_ok();
        self.bell.ring();
        sent
    }

    /// The next frame from the switch.
    pub fn receive(&mut self) -> Option<MemFrame> {
        self.rx.pop().ok()
    }

    /// Has the switch given the port up?
    pub fn is_closed(&self) -> bool {
        self.rx.is_abandoned()
    }
}

/// The memory ports of one worker.
#[derive(Default)]
pub struct MemSet {
    ports: Vec<MemPort>,
    /// Frames handed out by [`MemSet::receive`]: what an [`RxFrame`] points to.
    held: Vec<MemFrame>,
    spare: Vec<MemFrame>,
    /// Where the next round of receiving starts, so that no port is always first.
    next: usize,
}

impl MemSet {
    /// Takes a port in.
    pub fn add(&mut self, port: MemPort) {
        self.ports.push(port);
    }

    /// Gives it back.
    pub fn remove(&mut self, port: PortId) -> Option<MemPort> {
        let index = self.ports.iter().position(|mem| mem.port == port)?;
        Some(self.ports.swap_remove(index))
    }

    /// Is the port here?
    #[inline]
    pub fn has(&self, port: PortId) -> bool {
        self.ports.iter().any(|mem| mem.port == port)
    }

    /// Is there a frame to receive?
    pub fn is_ready(&self) -> bool {
        self.ports.iter().any(|mem| !mem.rx.is_empty())
    }

    /// Appends at most `max` frames of each port. They stay until [`MemSet::release`].
    #[inline]
    pub fn receive(&mut self, frames: &mut Vec<RxFrame>, max: usize) {
        let ports = self.ports.len();
        self.next = if self.next + 1 < ports { self.next + 1 } else { 0 };
        for index in 0..ports {
            let mem = &mut self.ports[(self.next + index) % ports];
            for _ in 0..max {
                let Ok(mut frame) = mem.rx.pop() else { break };
                let Some(at) = NonNull::new(frame.bytes.as_mut_ptr()) else { break };
                frames.push(RxFrame {
                    rx: mem.port,
                    at,
                    len: frame.bytes.len() as u32,
                    offload: frame.offload,
                    chunk: 0,
                });
                // Moves the Vec, not the bytes `at` points to.
                self.held.push(frame);
            }
        }
    }

    /// The frames handed out are no longer needed.
    #[inline]
    pub fn release(&mut self) {
        let room = SPARE.saturating_sub(self.spare.len());
        self.spare.extend(self.held.drain(..).take(room));
    }

    /// Sends a copy by one of its ports.
    #[inline]
    pub fn send(&mut self, port: PortId, egress: &Egress<'_>) -> Result<(), Drop> {
        let mem = self.ports.iter_mut().find(|mem| mem.port == port).ok_or(Drop::PortDown)?;
        if mem.tx.is_full() {
            return Err(Drop::TxFull);
        }
        let mut frame = self.spare.pop().unwrap_or_default();
        let leaving = Leaving::new(egress.bytes, &egress.offload, egress.tag)?;
        frame.bytes.resize(leaving.len(), 0);
        leaving.write(&mut frame.bytes).ok_or(Drop::TxError)?;
        frame.offload = leaving.offload;
        mem.tx.push(frame).map_err(|_| Drop::TxFull)
    }
}
