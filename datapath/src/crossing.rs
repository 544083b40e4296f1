//! The ways from one worker to the others: a ring each, and what is known of it. A worker that hands a frame over does not know
//! when it is sent; what waits for that (the credit of ports, and with it flows in the making) asks here.

use crate::Drop;
use crate::io::credit::Settled;
use crate::ring::{Bell, FrameWriter, Label};
use std::sync::Arc;

/// The way to another worker.
pub struct Crossing {
    /// Its ring.
    pub ring: FrameWriter,
    /// Wakes it.
    pub bell: Arc<Bell>,
    /// Was something written in this round?
    pub written: bool,
}

/// The ways to all others, by their numbers; none to itself.
pub struct Crossings(pub Vec<Option<Crossing>>);

impl Crossings {
    /// Hands a frame over.
    #[inline]
    pub fn pass(&mut self, worker: u8, label: Label, bytes: &[u8]) -> Result<(), Drop> {
        // No way: a port of this worker's own that it has given back, or never got.
        let way = self.0.get_mut(usize::from(worker)).and_then(Option::as_mut).ok_or(Drop::PortDown)?;
        if !way.ring.push(label, bytes) {
            return Err(Drop::RingFull);
        }
        way.written = true;
        Ok(())
    }

    /// Wakes those for whom there is something.
    #[inline]
    pub fn wake(&mut self) {
        for way in self.0.iter_mut().flatten() {
            if std::mem::take(&mut way.written) {
                way.bell.ring();
            }
        }
    }

    /// What of all that was handed over is sent?
    #[inline]
    pub fn settle(&mut self) -> Settled {
        let each = self.0.iter().flatten().map(|way| way.ring.is_done());
        let settled = match each.fold((true, true), |(b, a), (before, all)| (b && before, a && all)) {
            (_, true) => Settled::All,
            (true, false) => Settled::Before,
            (false, false) => return Settled::Nothing,
        };
        self.0.iter_mut().flatten().for_each(|way| way.ring.mark());
        settled
    }
}
