//! Small frames leave by a ring (packet(7), TPACKET_V2): one system call for all that go to the same netdev, and no
//! message, address and buffer to be fetched for each. Their virtio header says that they are header from end to end, so
//! that the kernel copies them whole: no page of the ring hangs on a frame that somebody still reads.

#![allow(unsafe_code)]

use super::backplane::{Shape, mark, set};
use super::socket;
use super::umem::Region;
use super::vnet::{VNET, write};
use crate::Drop;
use crate::offload::Leaving;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering};

const SHAPE: Shape = Shape { frame: 2048, block: 1 << 16, blocks: 8 };
/// Where a frame lies in its slot, behind its header.
const DATA: usize = size_of::<libc::tpacket2_hdr>();
/// The longest frame. IPv6 fits into every device's MTU with so much (RFC 8200 5), so that the kernel need not check it.
pub(super) const LONGEST: usize = 14 + 1280;
/// Frames sent by one system call.
const BATCH: usize = 64;

/// The ring of one worker.
pub(super) struct TxRing {
    fd: OwnedFd,
    ring: Region,
    /// The slot the next frame is written to.
    next: usize,
    /// Slots written before `next` and not yet sent…
    queued: usize,
    /// …by this netdev.
    device: u32,
    /// Frames that found the device's queue or the ring full.
    pub full: u64,
    /// Frames that were refused for another reason.
    pub error: u64,
}

impl TxRing {
    pub(super) fn open() -> io::Result<TxRing> {
        let fd = socket::packet()?;
        set(&fd, libc::PACKET_VERSION, &(libc::tpacket_versions::TPACKET_V2 as i32))?;
        set(&fd, libc::PACKET_VNET_HDR, &1i32)?;
        // What is refused can be passed over.
        set(&fd, libc::PACKET_LOSS, &1i32)?;
        // No PACKET_QDISC_BYPASS: it gains a twenty-fifth, and takes small frames away from a port's qdisc and from tcpdump.
        mark(&fd)?;
        set(&fd, libc::PACKET_TX_RING, &SHAPE.request())?;
        let ring = Region::of(fd.as_raw_fd(), SHAPE.size(), 0)?;
        Ok(TxRing { fd, ring, next: 0, queued: 0, device: 0, full: 0, error: 0 })
    }

    /// Does the kernel take such a frame from a ring? It would pass over what it finds malformed without saying so.
    #[inline]
    pub(super) fn takes(leaving: &Leaving<'_>) -> bool {
        let len = leaving.len();
        let sound = leaving
            .offload
            .csum
            .is_none_or(|csum| csum.start >= 34 && usize::from(csum.start) + usize::from(csum.offset) + 2 <= len);
        len <= LONGEST && leaving.offload.gso.is_none() && sound
    }

    fn slot(&self, index: usize) -> NonNull<u8> {
        // SAFETY: `index` < slots, so the offset is inside the mapping.
        unsafe { self.ring.at().add(SHAPE.offset(index)) }
    }

    /// The word by which a slot changes hands between the kernel and us.
    fn status(&self, index: usize) -> &AtomicU32 {
        // SAFETY: tp_status is the first word of the slot, aligned to 16; both sides access it whole.
        unsafe { self.slot(index).cast::<AtomicU32>().as_ref() }
    }

    /// Only while the slot is ours.
    fn set_len(&self, index: usize, len: usize) {
        // SAFETY: the slot begins with this header; the kernel reads it after `sendto` only.
        unsafe { (*self.slot(index).cast::<libc::tpacket2_hdr>().as_ptr()).tp_len = len as u32 };
    }

    /// Queues a copy that the ring [takes](TxRing::takes).
    #[inline]
    pub(super) fn push(&mut self, device: u32, leaving: &Leaving<'_>) -> Result<(), Drop> {
        if self.device != device || self.queued == BATCH {
            self.flush();
            self.device = device;
        }
        if self.status(self.next).load(Ordering::Acquire) != libc::TP_STATUS_AVAILABLE {
            self.full += 1;
            return Err(Drop::TxFull);
        }
        // SAFETY: the slot is ours (acquired above), and this is the part of it behind the header.
        let into =
            unsafe { std::slice::from_raw_parts_mut(self.slot(self.next).add(DATA).as_ptr(), SHAPE.frame - DATA) };
        let len = write(leaving, into)?;
        into[2..4].copy_from_slice(&((len - VNET) as u16).to_ne_bytes());
        self.set_len(self.next, len);
        self.status(self.next).store(libc::TP_STATUS_SEND_REQUEST, Ordering::Release);
        self.next = SHAPE.after(self.next);
        self.queued += 1;
        Ok(())
    }

    /// Would the kernel look at what is queued for this netdev? Not if it is down or gone.
    #[inline]
    pub(super) fn is_up(&self, device: u32) -> bool {
        debug_assert_eq!(self.queued, 0);
        self.kick(device).is_none()
    }

    /// Has the kernel send what is in the ring. What was wrong?
    #[inline]
    fn kick(&self, device: u32) -> Option<i32> {
        let to = socket::netdev(device, 0);
        // SAFETY: the address outlives the call and its length is its own.
        let sent = unsafe {
            libc::sendto(
                self.fd.as_raw_fd(),
                ptr::null(),
                0,
                libc::MSG_DONTWAIT,
                (&raw const to).cast(),
                size_of::<libc::sockaddr_ll>() as libc::socklen_t,
            )
        };
        if sent < 0 { io::Error::last_os_error().raw_os_error() } else { None }
    }

    /// Sends what is queued.
    #[inline]
    pub(super) fn flush(&mut self) {
        let slots = SHAPE.slots();
        let mut first = (self.next + slots - self.queued) % slots;
        while self.queued > 0 {
            let error = self.kick(self.device);
            while self.queued > 0 && self.status(first).load(Ordering::Acquire) != libc::TP_STATUS_SEND_REQUEST {
                (first, self.queued) = (SHAPE.after(first), self.queued - 1);
            }
            if self.queued == 0 {
                return;
            }
            match error {
                None | Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM) => self.full += 1,
                Some(_) => self.error += 1,
            }
            if matches!(error, Some(libc::ENETDOWN | libc::ENXIO | libc::ENODEV)) {
                // Nothing goes there: the kernel looked at no slot.
                self.error += self.queued as u64 - 1;
                self.next = first;
                while self.queued > 0 {
                    self.status(first).store(libc::TP_STATUS_AVAILABLE, Ordering::Relaxed);
                    (first, self.queued) = (SHAPE.after(first), self.queued - 1);
                }
                return;
            }
            // The first of the rest is refused: too long to be one, it is passed over; those behind it may go.
            self.set_len(first, SHAPE.frame);
        }
    }
}
