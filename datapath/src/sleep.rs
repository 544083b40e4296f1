//! The flag by which a thread says that it sleeps, so that those who wake it need no system call while it is awake.
//!
//! ```text
//!   sleeper                              waker
//!   arm: asleep := true                  write into a ring
//!   ── fence ──                          ── fence ──
//!   is any ring not empty? stay up       asleep? → asleep := false, and wake it
//!   sleep
//! ```
//! Either the sleeper sees what was written or the waker sees that it sleeps; the fences forbid that neither does.
//! `testbed/loom` tries every interleaving.

use crate::atomic::Ordering::{Relaxed, SeqCst};
use crate::atomic::{AtomicBool, fence};

/// One sleeper's flag. Written by both sides; read by wakers, once per batch.
pub struct Asleep(AtomicBool);

impl Asleep {
    /// Awake.
    pub fn new() -> Asleep {
        Asleep(AtomicBool::new(false))
    }

    /// Sleeper: is about to sleep. It must look once more for work after this.
    #[inline]
    pub fn arm(&self) {
        // A swap, so that it comes after every waker's swap that it did not see (a store may be thought to come before).
        self.0.swap(true, SeqCst);
        fence(SeqCst);
    }

    /// Sleeper: is awake, whatever woke it. `true`: somebody called it by name.
    #[inline]
    pub fn disarm(&self) -> bool {
        !self.0.swap(false, SeqCst)
    }

    /// Waker: the work is written. `true`: the sleeper is to be woken, and this caller is the one who does it.
    #[inline]
    pub fn must_wake(&self) -> bool {
        fence(SeqCst);
        self.0.load(Relaxed) && self.0.swap(false, SeqCst)
    }
}

impl Default for Asleep {
    fn default() -> Asleep {
        Asleep::new()
    }
}
