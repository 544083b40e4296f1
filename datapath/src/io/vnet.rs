//! The virtio header before each frame of a raw socket (`PACKET_VNET_HDR`): what its sender left to be done.

use super::{CsumStart, Gso, GsoKind, Offload};
use crate::Drop;
use crate::offload::Leaving;

/// `struct virtio_net_hdr` (virtio 1.2, 5.1.6) without `num_buffers`.
pub(super) const VNET: usize = 10;

/// Writes the virtio header and the frame; returns the length of both.
pub(super) fn write(leaving: &Leaving<'_>, into: &mut [u8]) -> Result<usize, Drop> {
    let len = leaving.write(&mut into[VNET..]).ok_or(Drop::Oversize)?;
    let offload = &leaving.offload;
    let mut vnet = [0; VNET];
    if let Some(csum) = offload.csum {
        vnet[0] = 1; // VIRTIO_NET_HDR_F_NEEDS_CSUM
        vnet[6..8].copy_from_slice(&csum.start.to_ne_bytes());
        vnet[8..10].copy_from_slice(&csum.offset.to_ne_bytes());
    }
    if let Some(gso) = offload.gso {
        let kind = match gso.kind {
            GsoKind::Tcp4 => 1,
            GsoKind::Tcp6 => 4,
            GsoKind::Udp => 5,
        };
        vnet[1] = kind | if gso.ecn { 0x80 } else { 0 };
        vnet[2..4].copy_from_slice(&gso.header.to_ne_bytes());
        vnet[4..6].copy_from_slice(&gso.size.to_ne_bytes());
    }
    into[..VNET].copy_from_slice(&vnet);
    Ok(VNET + len)
}

/// What the virtio header says of the frame. Its `hdr_len` is only a hint (the kernel gives the linear part), so the
/// headers are measured.
#[inline]
pub(super) fn described(vnet: &[u8; VNET], bytes: &[u8]) -> Offload {
    if vnet[0] & 1 == 0 {
        return Offload::default();
    }
    let word = |at: usize| u16::from_ne_bytes([vnet[at], vnet[at + 1]]);
    let csum = CsumStart { start: word(6), offset: word(8) };
    let kind = match vnet[1] & 0x7f {
        1 => Some(GsoKind::Tcp4),
        4 => Some(GsoKind::Tcp6),
        5 => Some(GsoKind::Udp),
        _ => None,
    };
    let gso = kind.map(|kind| {
        let upper = match kind {
            GsoKind::Udp => 8,
            _ => bytes.get(usize::from(csum.start) + 12).map_or(20, |offset| u16::from(offset >> 4) * 4),
        };
        Gso { kind, ecn: vnet[1] & 0x80 != 0, size: word(4), header: csum.start.saturating_add(upper) }
    });
    Offload { csum: Some(csum), gso }
}
