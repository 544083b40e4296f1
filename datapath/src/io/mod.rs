//! How frames come and go: the only place in the datapath with system calls and `unsafe`.
//!
//! An I/O fills a batch with [`RxFrame`]s that stay in its own memory until it is told to release them; it sends by
//! copying (or, where rx and tx share memory, by handing on) what the frame holds.

mod attached;
pub mod backplane;
pub mod credit;
mod fanout;
mod features;
pub mod flows;
pub(crate) mod found;
pub mod link;
pub mod live;
pub mod mem;
pub mod packet;
pub mod peer;
pub mod pins;
pub mod programs;
pub mod raw;
pub mod reset;
pub mod sched;
pub mod set;
mod slots;
mod socket;
pub(crate) mod taken;
pub mod tap;
mod txring;
mod umem;
mod vnet;
pub(crate) mod watch;
pub mod xdp;
pub mod xsk;
pub mod xskset;

use crate::rewrite::Rewrite;
use mona_wire::PortId;
use std::ptr::NonNull;

/// How a frame's checksum and size are still to be completed, as in `struct virtio_net_hdr` (virtio 1.2, 5.1.6).
/// Offsets count from the start of the frame *as it lies in memory*, tags included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offload {
    /// The checksum from here to the end is to be completed… (`None`: nothing to do)
    pub csum: Option<CsumStart>,
    /// A super-frame: to be cut into segments.
    pub gso: Option<Gso>,
}

/// Where a partial checksum starts and where its sum goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CsumStart {
    /// First byte that is summed.
    pub start: u16,
    /// Offset of the checksum field from `start`.
    pub offset: u16,
}

/// How a super-frame is to be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gso {
    /// What it is.
    pub kind: GsoKind,
    /// TCP with ECN (the CWR bit only in the first segment).
    pub ecn: bool,
    /// Payload of a segment (the MSS).
    pub size: u16,
    /// Length of all headers.
    pub header: u16,
}

/// The protocols a super-frame may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GsoKind {
    /// TCP over IPv4.
    Tcp4,
    /// TCP over IPv6.
    Tcp6,
    /// UDP segmentation offload (VIRTIO_NET_HDR_GSO_UDP_L4).
    Udp,
}

/// A received frame, still in the memory of the I/O that received it.
///
/// The I/O promises that `len` bytes from `at` are readable and writable, that they are nobody else's (no other frame, not
/// the kernel), and that it leaves them alone until it is told to release the frame; whoever holds an `RxFrame` promises to
/// look at it no longer after that. So only an I/O can make one, and there is only one of each.
#[derive(Debug)]
pub struct RxFrame {
    /// The port it came in on.
    pub rx: PortId,
    /// Its first byte.
    at: NonNull<u8>,
    /// How long it is.
    len: u32,
    /// What the sender left to be done.
    pub offload: Offload,
    /// The I/O's own name for the memory (ring slot, UMEM address).
    pub chunk: u64,
}

#[allow(unsafe_code)]
impl RxFrame {
    /// A frame in memory that nobody releases: for tests and benchmarks.
    pub fn fixed(rx: PortId, bytes: &'static mut [u8], offload: Offload) -> RxFrame {
        RxFrame { rx, len: bytes.len() as u32, at: NonNull::from(bytes).cast(), offload, chunk: 0 }
    }

    /// Its bytes.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the I/O that made the frame keeps `len` bytes from `at` readable until the frame is released, after
        // which its holder does not look any more (see `RxFrame`).
        unsafe { std::slice::from_raw_parts(self.at.as_ptr(), self.len as usize) }
    }

    /// Makes it the packet that routing sends on, in place.
    #[inline]
    pub fn rewrite(&mut self, rewrite: &Rewrite) {
        // SAFETY: the I/O that made the frame left it `len` bytes from `at` to write until the frame is released, and no
        // other frame is there (see `RxFrame`); `self` is borrowed alone, so nobody looks at them meanwhile.
        rewrite.apply(unsafe { std::slice::from_raw_parts_mut(self.at.as_ptr(), self.len as usize) });
        self.len = self.len.min(rewrite.len);
    }

    /// How long it is.
    #[inline]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Is it without a byte?
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}
