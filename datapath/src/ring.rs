//! What crosses between threads: frames from worker to worker and between worker and control, and the bell that wakes
//! whoever sleeps beside such a ring. All rings have one writer and one reader (`rtrb`), a fixed size, and a loser who
//! is counted by the caller.

use crate::io::Offload;
use mona_wire::{PortId, Tci, VlanId};
use nix::sys::eventfd::{EfdFlags, EventFd};
use rtrb::{Consumer, Producer, RingBuffer};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst, fence};

/// How many frames a ring between two threads holds: four batches, so that a reader may be late by a few.
pub const FRAMES: usize = 1024;
/// How many bytes: sixteen super-frames of 64 KiB, or a full ring of frames of 1,024 bytes.
pub const BYTES: usize = 1 << 20;

/// What travels beside a frame's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// The port it came in on ([`PortId::SELF`] for the switch's own).
    pub from: PortId,
    /// The port it is to leave by.
    pub to: PortId,
    /// The VLAN its copy is counted in.
    pub vlan: Option<VlanId>,
    /// The tag it is to leave with.
    pub tag: Option<Tci>,
    /// What its sender left to be done.
    pub offload: Offload,
}

/// The writing end of a ring of frames.
pub struct FrameWriter {
    labels: Producer<(Label, usize)>,
    bytes: Producer<u8>,
}

/// The reading end.
pub struct FrameReader {
    labels: Consumer<(Label, usize)>,
    bytes: Consumer<u8>,
    /// A frame that lies across the end of the ring is put together here.
    whole: Vec<u8>,
}

/// A ring of frames: labels in one ring, their bytes, of whatever length, in another. Nothing is allocated per frame.
pub fn frames(count: usize, bytes: usize) -> (FrameWriter, FrameReader) {
    let (label_in, label_out) = RingBuffer::new(count);
    let (byte_in, byte_out) = RingBuffer::new(bytes);
    (
        FrameWriter { labels: label_in, bytes: byte_in },
        FrameReader { labels: label_out, bytes: byte_out, whole: Vec::with_capacity(1 << 17) },
    )
}

impl FrameWriter {
    /// Copies a frame in; `false` if it does not fit now.
    #[inline]
    pub fn push(&mut self, label: Label, frame: &[u8]) -> bool {
        // The label goes last: a reader that sees it finds all its bytes.
        !self.labels.is_full()
            && self.bytes.push_entire_slice(frame).is_ok()
            && self.labels.push((label, frame.len())).is_ok()
    }
}

impl FrameReader {
    /// Shows the oldest frame and takes it out; `None` if there is none.
    #[inline]
    pub fn pop<T>(&mut self, use_it: impl FnOnce(Label, &[u8]) -> T) -> Option<T> {
        let (label, length) = self.labels.pop().ok()?;
        let chunk = self.bytes.read_chunk(length).expect("a label is written after its bytes");
        let (head, tail) = chunk.as_slices();
        let result = if tail.is_empty() {
            use_it(label, head)
        } else {
            self.whole.clear();
            self.whole.extend_from_slice(head);
            self.whole.extend_from_slice(tail);
            use_it(label, &self.whole)
        };
        chunk.commit_all();
        Some(result)
    }

    /// Is there nothing to read?
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

/// Wakes one sleeping thread, and costs no system call while it is awake.
///
/// ```text
///   sleeper                          waker
///   asleep := true                   write into a ring
///   ── fence ──                      ── fence ──
///   any ring not empty? stay up      asleep? → asleep := false, write the eventfd
///   sleep on the eventfd
/// ```
/// Either the sleeper sees what was written or the waker sees that it sleeps; the fences forbid that neither does.
/// `testbed/loom` checks it.
pub struct Bell {
    /// Written by both sides; read by wakers, once per batch.
    asleep: AtomicBool,
    fd: EventFd,
}

impl Bell {
    /// A bell whose owner is awake.
    pub fn new() -> nix::Result<Bell> {
        let fd = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Bell { asleep: AtomicBool::new(false), fd })
    }

    /// Waker: what was to be written is written.
    #[inline]
    pub fn ring(&self) {
        fence(SeqCst);
        if self.asleep.load(Relaxed) && self.asleep.swap(false, SeqCst) {
            // The count cannot overflow: it is read at each waking. An error would leave a sleeper with a timeout.
            let _ = self.fd.write(1);
        }
    }

    /// Sleeper: is about to sleep. It must look at all its rings once more after this.
    #[inline]
    pub fn arm(&self) {
        self.asleep.store(true, Relaxed);
        fence(SeqCst);
    }

    /// Sleeper: is awake again, whatever woke it.
    #[inline]
    pub fn disarm(&self) {
        if !self.asleep.swap(false, SeqCst) {
            let _ = self.fd.read();
        }
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
