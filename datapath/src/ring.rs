//! What crosses between threads: frames from worker to worker and between worker and control, and the bell that wakes
//! whoever sleeps beside such a ring. All rings have one writer and one reader (`rtrb`), a fixed size, and a loser who
//! is counted by the caller.

use crate::io::Offload;
use crate::out::Told;
use crate::sleep::Asleep;
use mona_wire::{PortId, Tci, VlanId};
use nix::sys::eventfd::{EfdFlags, EventFd};
use rtrb::{Consumer, Producer, RingBuffer};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};

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
    /// To the switch itself: why it is shown, if its address does not say so.
    pub told: Option<Told>,
}

/// The writing end of a ring of frames.
pub struct FrameWriter {
    labels: Producer<(Label, usize)>,
    bytes: Producer<u8>,
    /// Frames that were written, up to now and up to when it was last asked about.
    pushed: u64,
    marked: u64,
    /// Frames that the reader is done with. Written by the reader.
    done: Arc<AtomicU64>,
}

/// The reading end.
pub struct FrameReader {
    labels: Consumer<(Label, usize)>,
    bytes: Consumer<u8>,
    /// A frame that lies across the end of the ring is put together here.
    whole: Vec<u8>,
    popped: u64,
    done: Arc<AtomicU64>,
}

/// A ring of frames: labels in one ring, their bytes, of whatever length, in another. Nothing is allocated per frame.
pub fn frames(count: usize, bytes: usize) -> (FrameWriter, FrameReader) {
    let (label_in, label_out) = RingBuffer::new(count);
    let (byte_in, byte_out) = RingBuffer::new(bytes);
    let done = Arc::new(AtomicU64::new(0));
    let whole = Vec::with_capacity(1 << 17);
    (
        FrameWriter { labels: label_in, bytes: byte_in, pushed: 0, marked: 0, done: Arc::clone(&done) },
        FrameReader { labels: label_out, bytes: byte_out, whole, popped: 0, done },
    )
}

impl FrameWriter {
    /// Is there room for as much again as there can be in it?
    #[inline]
    pub fn is_half_free(&self) -> bool {
        let half = |free: usize, all: usize| 2 * free >= all;
        half(self.labels.slots(), self.labels.buffer().capacity())
            && half(self.bytes.slots(), self.bytes.buffer().capacity())
    }

    /// Copies a frame in; `false` if it does not fit now.
    #[inline]
    pub fn push(&mut self, label: Label, frame: &[u8]) -> bool {
        // The label goes last: a reader that sees it finds all its bytes.
        let fits = !self.labels.is_full()
            && self.bytes.push_entire_slice(frame).is_ok()
            && self.labels.push((label, frame.len())).is_ok();
        self.pushed += u64::from(fits);
        fits
    }

    /// Is the reader done with what was written before the last [`FrameWriter::mark`]; and with all?
    #[inline]
    pub fn is_done(&self) -> (bool, bool) {
        let done = self.done.load(Acquire);
        (done >= self.marked, done >= self.pushed)
    }

    /// From here on it is asked about what was written up to now.
    #[inline]
    pub fn mark(&mut self) {
        self.marked = self.pushed;
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
        self.popped += 1;
        Some(result)
    }

    /// Tells the writer that what was taken out is done with.
    #[inline]
    pub fn done(&self) {
        self.done.store(self.popped, Release);
    }

    /// Is there nothing to read?
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

/// Wakes one sleeping thread, and costs no system call while it is awake.
pub struct Bell {
    asleep: Asleep,
    fd: EventFd,
}

impl Bell {
    /// A bell whose owner is awake.
    pub fn new() -> nix::Result<Bell> {
        let fd = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Bell { asleep: Asleep::new(), fd })
    }

    /// Waker: what was to be written is written.
    #[inline]
    pub fn ring(&self) {
        if self.asleep.must_wake() {
            // The count cannot overflow: it is read at each waking.
            let _ = self.fd.write(1);
        }
    }

    /// Sleeper: is about to sleep. It must look at all its rings once more after this.
    #[inline]
    pub fn arm(&self) {
        self.asleep.arm();
    }

    /// Sleeper: is awake again, whatever woke it.
    #[inline]
    pub fn disarm(&self) {
        // A waker that has not written yet wakes the sleeper once in vain, later.
        if self.asleep.disarm() {
            let _ = self.fd.read();
        }
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(number: u16) -> Label {
        Label { from: PortId(number), to: PortId(2), vlan: None, tag: None, offload: Offload::default(), told: None }
    }

    #[test]
    fn frames_come_out_as_they_went_in_also_across_the_end() {
        let (mut writer, mut reader) = frames(4, 1000);
        let mut next = 0;
        for (at, length) in [0usize, 1, 400, 599, 600, 999, 1000, 7, 999].into_iter().cycle().take(100).enumerate() {
            let frame: Vec<u8> = (0..length).map(|byte| (byte + at) as u8).collect();
            while !writer.push(label(at as u16), &frame) {
                let expected = next as u16;
                assert_eq!(reader.pop(|label, _| label.from), Some(PortId(expected)));
                next += 1;
            }
            if at % 3 == 0 && next == at {
                let seen = reader.pop(|label, bytes| (label.from, bytes.to_vec()));
                assert_eq!(seen, Some((PortId(at as u16), frame)));
                next += 1;
            }
        }
        while reader.pop(|label, _| assert_eq!(label.from, PortId(next as u16))).is_some() {
            next += 1;
        }
        assert_eq!((next, reader.is_empty()), (100, true));
    }

    #[test]
    fn what_does_not_fit_is_refused_whole() {
        let (mut writer, mut reader) = frames(2, 100);
        for (length, fits) in [(101, false), (60, true), (41, false), (40, true), (0, false)] {
            assert_eq!(writer.push(label(1), &[7; 200][..length]), fits, "{length}");
        }
        assert_eq!(reader.pop(|_, bytes| bytes.len()), Some(60));
        assert!(writer.push(label(1), &[8; 60]));
        assert_eq!(reader.pop(|_, bytes| bytes.to_vec()), Some(vec![7; 40]));
        assert_eq!(reader.pop(|_, bytes| bytes.to_vec()), Some(vec![8; 60]));
        assert_eq!(reader.pop(|_, _| ()), None);
    }
}
