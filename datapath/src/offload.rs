//! What a sender left to the device, done here where a frame leaves by a port that cannot carry it on: checksums
//! completed, super-frames cut (virtio 1.2, 5.1.6.2). Pure: bytes in, bytes out, no allocation.

use crate::Drop;
use crate::io::{CsumStart, Gso, GsoKind, Offload};
use mona_wire::checksum::Sum;
use mona_wire::eth::{TAG, TPID_C};
use mona_wire::ip::{self, Upper};
use mona_wire::{Eth, Tci};

/// The shortest frame on a wire, without FCS (802.3-2018 4A.4.2).
pub const MIN_FRAME: usize = 60;
/// Segments a super-frame may have: 64 KiB of 64 bytes. More is not traffic but a sender's attempt to multiply it.
pub const MAX_SEGMENTS: usize = 1024;

/// Completes a partial checksum in place: the field holds the sum of the pseudo-header, the rest is added to it.
pub fn complete(frame: &mut [u8], csum: CsumStart) -> Result<(), Drop> {
    let covered = frame.get_mut(usize::from(csum.start)..).ok_or(Drop::Malformed)?;
    let sum = not_zero(Sum::default().bytes(covered).finish());
    put(covered, usize::from(csum.offset), sum).ok_or(Drop::Malformed)
}

/// Completes a TCP or UDP checksum that equals the plain sum of its pseudo-header: where metadata is lost on the way
/// (AF_XDP), this is how a partial checksum looks. One that only happens to look so is right afterwards too, since there
/// is but one right value. Says whether there was something to do.
pub fn complete_if_pseudo(frame: &mut [u8]) -> bool {
    pseudo(frame).is_some_and(|(csum, end)| complete(&mut frame[..end], csum).is_ok())
}

/// Such a checksum, and where what it covers ends: the frame may be padded.
pub fn pseudo(frame: &[u8]) -> Option<(CsumStart, usize)> {
    const ETHERTYPE: usize = 12;
    let rest = frame.get(ETHERTYPE..)?;
    let upper = Upper::locate(rest)?;
    let offset = upper.checksum_offset()?;
    let field = upper.at + offset;
    if upper.end > rest.len() || field + 2 > upper.end {
        return None;
    }
    let sum = upper.pseudo(rest, upper.end - upper.at).folded();
    if u16::from_be_bytes([rest[field], rest[field + 1]]) != sum {
        return None;
    }
    let start = u16::try_from(ETHERTYPE + upper.at).ok()?;
    Some((CsumStart { start, offset: offset as u16 }, ETHERTYPE + upper.end))
}

/// A frame as it leaves: with another tag than it came with, or none.
#[derive(Clone, Copy, Debug)]
pub struct Leaving<'a> {
    addresses: &'a [u8; 12],
    tag: Option<Tci>,
    /// The EtherType and all behind it.
    rest: &'a [u8],
    untagged_here: bool,
    /// What is left to be done, with offsets as in the frame that leaves.
    pub offload: Offload,
}

impl<'a> Leaving<'a> {
    /// The frame that came as `bytes`, to leave with `tag`.
    pub fn new(bytes: &'a [u8], offload: &Offload, tag: Option<Tci>) -> Result<Leaving<'a>, Drop> {
        let eth = Eth::parse(bytes).ok_or(Drop::Malformed)?;
        let (addresses, rest) = (bytes.first_chunk().ok_or(Drop::Malformed)?, &bytes[eth.inner()..]);
        let moved = |at: u16| match (eth.tag, tag) {
            (None, Some(_)) => at.checked_add(TAG as u16),
            (Some(_), None) => at.checked_sub(TAG as u16),
            _ => Some(at),
        };
        let mut offload = *offload;
        if let Some(csum) = &mut offload.csum {
            csum.start = moved(csum.start).ok_or(Drop::Malformed)?;
        }
        if let Some(gso) = &mut offload.gso {
            gso.header = moved(gso.header).ok_or(Drop::Malformed)?;
        }
        Ok(Leaving { addresses, tag, rest, untagged_here: eth.tag.is_some() && tag.is_none(), offload })
    }

    /// How long it is, a runt that a removed tag leaves behind padded to what a wire carries.
    pub fn len(&self) -> usize {
        let len = self.inner() + self.rest.len();
        if self.untagged_here { len.max(MIN_FRAME) } else { len }
    }

    /// A frame is never empty.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Where the EtherType behind addresses and tag is.
    fn inner(&self) -> usize {
        12 + if self.tag.is_some() { TAG } else { 0 }
    }

    /// Writes it as it is, for a port that carries the metadata; returns its length, `None` if there is no room.
    pub fn write(&self, into: &mut [u8]) -> Option<usize> {
        let into = into.get_mut(..self.len())?;
        let end = self.put(self.rest, into)?;
        into[end..].fill(0);
        Some(into.len())
    }

    /// Writes it with its checksum completed, for a port that carries frames only. Not for super-frames.
    pub fn write_complete(&self, into: &mut [u8]) -> Result<usize, Drop> {
        let len = self.write(into).ok_or(Drop::TxError)?;
        if let Some(csum) = self.offload.csum {
            complete(&mut into[..self.inner() + self.rest.len()], csum)?;
        }
        Ok(len)
    }

    /// The segments of a super-frame.
    pub fn segments(&self) -> Result<Segments<'a>, Drop> {
        let gso = self.offload.gso.ok_or(Drop::Unsegmentable)?;
        Segments::of(*self, gso).ok_or(Drop::Unsegmentable)
    }

    fn put(&self, rest: &[u8], into: &mut [u8]) -> Option<usize> {
        into.get_mut(..12)?.copy_from_slice(self.addresses);
        if let Some(tag) = self.tag {
            put(into, 12, TPID_C)?;
            put(into, 14, tag.0)?;
        }
        let end = self.inner() + rest.len();
        into.get_mut(self.inner()..end)?.copy_from_slice(rest);
        Some(end)
    }
}

/// A super-frame as the frames it stands for.
#[derive(Clone, Copy, Debug)]
pub struct Segments<'a> {
    leaving: Leaving<'a>,
    gso: Gso,
    upper: Upper,
    /// EtherType to the end of the TCP or UDP header; and what is behind.
    headers: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Segments<'a> {
    fn of(leaving: Leaving<'a>, gso: Gso) -> Option<Segments<'a>> {
        let upper = Upper::locate(leaving.rest)?;
        let (six, protocol) = match gso.kind {
            GsoKind::Tcp4 => (Some(false), ip::TCP),
            GsoKind::Tcp6 => (Some(true), ip::TCP),
            GsoKind::Udp => (None, ip::UDP),
        };
        if upper.protocol != protocol || six.is_some_and(|six| six != upper.six) || gso.size == 0 {
            return None;
        }
        // The virtio header's length of headers is a hint; the packet itself knows.
        let length = match protocol {
            ip::TCP => usize::from(leaving.rest.get(upper.at + 12)? >> 4) * 4,
            _ => 8,
        };
        if protocol == ip::TCP && length < 20 {
            return None;
        }
        let (headers, payload) = leaving.rest.split_at_checked(upper.at + length)?;
        let segments = Segments { leaving, gso, upper, headers, payload };
        (segments.count() <= MAX_SEGMENTS && segments.len(0) <= usize::from(u16::MAX)).then_some(segments)
    }

    /// How many there are, at least one.
    pub fn count(&self) -> usize {
        self.payload.len().div_ceil(usize::from(self.gso.size)).max(1)
    }

    /// How long the segment is, counted from 0.
    pub fn len(&self, index: usize) -> usize {
        self.leaving.inner() + self.headers.len() + self.part(index).len()
    }

    /// There is always one.
    pub fn is_empty(&self) -> bool {
        false
    }

    fn part(&self, index: usize) -> &'a [u8] {
        let start = (index * usize::from(self.gso.size)).min(self.payload.len());
        &self.payload[start..self.payload.len().min(start + usize::from(self.gso.size))]
    }

    /// Writes a segment, complete in all lengths and checksums; returns its length, `None` if there is no room.
    pub fn write(&self, index: usize, into: &mut [u8]) -> Option<usize> {
        let into = into.get_mut(..self.len(index))?;
        let part = self.part(index);
        let end = self.leaving.put(self.headers, into)?;
        into[end..].copy_from_slice(part);
        let rest = &mut into[self.leaving.inner()..];
        self.patch_ip(index, rest);
        match self.gso.kind {
            GsoKind::Tcp4 | GsoKind::Tcp6 => self.patch_tcp(index, rest),
            GsoKind::Udp => self.patch_udp(rest),
        }
        Some(into.len())
    }

    /// RFC 791 3.1: length, identification, checksum. RFC 8200 3: length.
    fn patch_ip(&self, index: usize, rest: &mut [u8]) {
        let ip = self.upper.ip;
        if self.upper.six {
            let length = rest.len() - ip - 40;
            put(rest, ip + 4, length as u16);
        } else {
            let id = u16::from_be_bytes([rest[ip + 4], rest[ip + 5]]).wrapping_add(index as u16);
            put(rest, ip + 2, (rest.len() - ip) as u16);
            put(rest, ip + 4, id);
            put(rest, ip + 10, 0);
            let sum = Sum::default().bytes(&rest[ip..self.upper.at]).finish();
            put(rest, ip + 10, sum);
        }
    }

    /// RFC 9293 3.1: sequence number, flags, checksum.
    fn patch_tcp(&self, index: usize, rest: &mut [u8]) {
        const FIN_PSH: u8 = 0x09;
        const CWR: u8 = 0x80;
        let at = self.upper.at;
        let offset = (index * usize::from(self.gso.size)) as u32;
        if let Some(sequence) = rest[at + 4..].first_chunk_mut::<4>() {
            *sequence = u32::from_be_bytes(*sequence).wrapping_add(offset).to_be_bytes();
        }
        if index + 1 < self.count() {
            rest[at + 13] &= !FIN_PSH;
        }
        // RFC 3168 6.1.2: the window is reduced once. Without the ECN mark the bit may mean something else (AccECN).
        if index > 0 && self.gso.ecn {
            rest[at + 13] &= !CWR;
        }
        self.patch_checksum(rest, 16);
    }

    /// RFC 768: length, checksum (never 0, which means none).
    fn patch_udp(&self, rest: &mut [u8]) {
        put(rest, self.upper.at + 4, (rest.len() - self.upper.at) as u16);
        self.patch_checksum(rest, 6);
    }

    fn patch_checksum(&self, rest: &mut [u8], offset: usize) {
        let at = self.upper.at;
        put(rest, at + offset, 0);
        let sum = self.upper.pseudo(rest, rest.len() - at).bytes(&rest[at..]).finish();
        put(rest, at + offset, not_zero(sum));
    }
}

/// Length of the headers of a super-frame's segment: the virtio header's own figure is a hint (Linux gives the length
/// of the linear part), so it is read from the TCP header where the checksum says that it starts.
pub(crate) fn header_len(bytes: &[u8], offload: &Offload, gso: &Gso) -> u32 {
    let Some(csum) = offload.csum else { return u32::from(gso.header) };
    let length = match gso.kind {
        GsoKind::Tcp4 | GsoKind::Tcp6 => match bytes.get(usize::from(csum.start) + 12) {
            Some(offset) => u32::from(offset >> 4) * 4,
            None => return u32::from(gso.header),
        },
        GsoKind::Udp => 8,
    };
    u32::from(csum.start) + length
}

/// 0 and 0xffff are the same number in one's complement, but in UDP 0 means that there is no checksum (RFC 768).
const fn not_zero(sum: u16) -> u16 {
    if sum == 0 { 0xffff } else { sum }
}

fn put(bytes: &mut [u8], at: usize, word: u16) -> Option<()> {
    *bytes.get_mut(at..)?.first_chunk_mut()? = word.to_be_bytes();
    Some(())
}

#[cfg(test)]
#[path = "offload_tests.rs"]
mod tests;
