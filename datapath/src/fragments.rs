//! An IPv4 packet cut where it leaves by an interface it is too large for (RFC 791 3.2). Pure: bytes in, bytes out, no
//! allocation.

use crate::Drop;
use crate::io::Offload;
use crate::offload::{Leaving, MAX_SEGMENTS};
use mona_wire::Eth;
use mona_wire::checksum::Sum;
use mona_wire::eth::IPV4;
use mona_wire::ip4::{MF, OFFSET};

/// The longest packet and its frame's header.
const LARGEST: usize = 65535 + 14 + 8;

/// Room for a packet and for a fragment of it.
pub const SCRATCH: usize = 2 * LARGEST;

/// Shows all fragments of the packet in a frame, for packets of at most `mtu` bytes; of a super-frame, those of each segment.
pub fn each(
    frame: &[u8],
    offload: &Offload,
    mtu: u16,
    scratch: &mut [u8],
    mut show: impl FnMut(&[u8]),
) -> Result<(), Drop> {
    let (whole, part) = scratch.split_at_mut(scratch.len() / 2);
    let mut cut = |packet: &[u8]| {
        let fragments = Fragments::of(packet, mtu).ok_or(Drop::Unfragmentable)?;
        for index in 0..fragments.count() {
            let len = fragments.write(index, part).ok_or(Drop::Unfragmentable)?;
            show(&part[..len]);
        }
        Ok(())
    };
    let leaving = Leaving::new(frame, offload, Eth::parse(frame).and_then(|eth| eth.tag))?;
    if offload.gso.is_none() {
        let len = leaving.write_complete(whole)?;
        return cut(&whole[..len]);
    }
    let segments = leaving.segments()?;
    for index in 0..segments.count() {
        let len = segments.write(index, whole).ok_or(Drop::Unfragmentable)?;
        cut(&whole[..len])?;
    }
    Ok(())
}

/// The fragments of a packet, which may be a fragment itself.
#[derive(Clone, Copy, Debug)]
pub struct Fragments<'a> {
    /// The frame up to the packet.
    head: &'a [u8],
    /// The packet's header, for the first fragment.
    header: &'a [u8],
    /// …and for the others: the options that are to be copied (RFC 791 3.1).
    later: [u8; 60],
    later_len: usize,
    payload: &'a [u8],
    mtu: usize,
}

/// Fragments begin at multiples of so many bytes.
const UNIT: usize = 8;

impl<'a> Fragments<'a> {
    /// Of a frame whose packet is complete (its checksum is that of its data), for packets of at most `mtu` bytes. `None`: it
    /// is no IPv4 packet, nothing fits, or there would be too many. (That it may be cut is for the caller to know.)
    pub fn of(frame: &'a [u8], mtu: u16) -> Option<Fragments<'a>> {
        let eth = Eth::parse(frame).filter(|eth| eth.ethertype == IPV4)?;
        let (head, packet) = frame.split_at(eth.len());
        let total = usize::from(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]));
        let (header, payload) = packet.get(..total)?.split_at_checked(usize::from(packet.first()? & 0xf) * 4)?;
        if header.len() < 20 {
            return None;
        }
        let (later, later_len) = copied(header)?;
        let mtu = usize::from(mtu);
        let fragments = Fragments { head, header, later, later_len, payload, mtu };
        // The last offset must have room in its 13 bits.
        let start = usize::from(u16::from_be_bytes([header[6], header[7]]) & OFFSET) * UNIT;
        let fits = fragments.size(0) > 0 && fragments.size(1) > 0 && start + payload.len() <= usize::from(u16::MAX);
        (fits && fragments.count() <= MAX_SEGMENTS).then_some(fragments)
    }

    /// Bytes of data that a fragment has at most.
    fn size(&self, index: usize) -> usize {
        let header = if index == 0 { self.header.len() } else { self.later_len };
        self.mtu.saturating_sub(header) / UNIT * UNIT
    }

    /// How many there are, at least one.
    pub fn count(&self) -> usize {
        match self.payload.len().checked_sub(self.mtu.saturating_sub(self.header.len())) {
            None | Some(0) => 1,
            Some(_) => 1 + (self.payload.len() - self.size(0)).div_ceil(self.size(1)),
        }
    }

    /// Which part of the data.
    fn part(&self, index: usize) -> (usize, &'a [u8]) {
        if self.count() == 1 {
            return (0, self.payload);
        }
        let start = if index == 0 { 0 } else { self.size(0) + (index - 1) * self.size(1) };
        let end = (start + self.size(index)).min(self.payload.len());
        (start, &self.payload[start.min(end)..end])
    }

    /// Writes a fragment, counted from 0; returns its length, `None` if there is no room.
    pub fn write(&self, index: usize, into: &mut [u8]) -> Option<usize> {
        let (start, part) = self.part(index);
        let header = if index == 0 { self.header } else { &self.later[..self.later_len] };
        let end = self.head.len() + header.len() + part.len();
        let into = into.get_mut(..end)?;
        let (head, packet) = into.split_at_mut(self.head.len());
        head.copy_from_slice(self.head);
        let (own, data) = packet.split_at_mut(header.len());
        own.copy_from_slice(header);
        data.copy_from_slice(part);
        let was = u16::from_be_bytes([self.header[6], self.header[7]]);
        let more = if index + 1 < self.count() { MF } else { 0 };
        put(own, 2, (header.len() + part.len()) as u16);
        put(own, 6, (was & !OFFSET) | more | ((was & OFFSET) + (start / UNIT) as u16));
        put(own, 10, 0);
        let sum = Sum::default().bytes(own).finish();
        put(own, 10, sum);
        Some(end)
    }
}

/// The header without the options that only the first fragment has. `None`: the options are not what they say.
fn copied(header: &[u8]) -> Option<([u8; 60], usize)> {
    const END: u8 = 0;
    const NOTHING: u8 = 1;
    const COPIED: u8 = 0x80;
    let mut later = [END; 60];
    let (mut at, mut len) = (20, 20);
    later[..20].copy_from_slice(&header[..20]);
    while let Some(kind) = header.get(at).copied().filter(|kind| *kind != END) {
        let length = if kind == NOTHING { 1 } else { usize::from(*header.get(at + 1)?) };
        let option = header.get(at..at + length).filter(|_| length >= if kind == NOTHING { 1 } else { 2 })?;
        if kind & COPIED != 0 {
            later[len..len + length].copy_from_slice(option);
            len += length;
        }
        at += length;
    }
    let len = len.next_multiple_of(4);
    later[0] = 0x40 | (len / 4) as u8;
    Some((later, len))
}

fn put(bytes: &mut [u8], at: usize, word: u16) {
    bytes[at..at + 2].copy_from_slice(&word.to_be_bytes());
}

#[cfg(test)]
#[path = "fragments_tests.rs"]
mod tests;
