//! How frames come and go: the only place in the datapath with system calls and `unsafe`.
//!
//! An I/O fills a batch with [`RxFrame`]s that stay in its own memory until it is told to release them; it sends by
//! copying (or, where rx and tx share memory, by handing on) what the frame holds.

pub mod raw;
pub mod tap;

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
#[derive(Clone, Copy, Debug)]
pub struct RxFrame {
    /// The port it came in on.
    pub rx: PortId,
    /// Its first byte.
    pub at: NonNull<u8>,
    /// How long it is.
    pub len: u32,
    /// What the sender left to be done.
    pub offload: Offload,
    /// The I/O's own name for the memory (ring slot, UMEM address).
    pub chunk: u64,
}
