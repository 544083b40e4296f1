//! The IPv4 header (RFC 791 3.1) as a value, checked as RFC 1812 5.2.2 asks.

use crate::checksum::Sum;
use std::net::Ipv4Addr;

/// Bytes of a header without options.
pub const HEADER: usize = 20;
/// "Do not fragment" in [`Ip4::fragment`].
pub const DF: u16 = 0x4000;
/// "More fragments" in [`Ip4::fragment`].
pub const MF: u16 = 0x2000;
/// The fragment offset in [`Ip4::fragment`], in units of 8 bytes.
pub const OFFSET: u16 = 0x1fff;

/// A header; options are counted, not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ip4 {
    /// Bytes of the header, options included: 20..=60.
    pub header: usize,
    /// Type of service: DSCP and ECN.
    pub tos: u8,
    /// Total length, header included.
    pub length: u16,
    /// Identification.
    pub id: u16,
    /// Flags and fragment offset: [`DF`], [`MF`], [`OFFSET`].
    pub fragment: u16,
    /// Time to live.
    pub ttl: u8,
    /// What the payload is.
    pub protocol: u8,
    /// Source.
    pub src: Ipv4Addr,
    /// Destination.
    pub dst: Ipv4Addr,
}

impl Ip4 {
    /// Reads the header at the start of `packet`; bytes behind the total length are padding. `None` where a router may
    /// not trust it: cut short, not version 4, a header of less than 20 bytes or longer than the packet, a total length
    /// beyond what is there, a wrong checksum (RFC 1812 5.2.2).
    pub fn parse(packet: &[u8]) -> Option<Ip4> {
        let fixed: &[u8; HEADER] = packet.first_chunk()?;
        let word = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        let header = usize::from(fixed[0] & 0xf) * 4;
        let length = word(2);
        let sound = fixed[0] >> 4 == 4 && header >= HEADER && header <= length.into() && packet.len() >= length.into();
        if !sound || Sum::default().bytes(&packet[..header]).finish() != 0 {
            return None;
        }
        Some(Ip4 {
            header,
            tos: fixed[1],
            length,
            id: word(4),
            fragment: word(6),
            ttl: fixed[8],
            protocol: fixed[9],
            src: Ipv4Addr::from(*fixed[12..].first_chunk()?),
            dst: Ipv4Addr::from(*fixed[16..].first_chunk()?),
        })
    }

    /// The header without options and with its checksum ([`Ip4::header`] is taken to be [`HEADER`]).
    pub fn bytes(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[0] = 0x45;
        bytes[1] = self.tos;
        bytes[2..4].copy_from_slice(&self.length.to_be_bytes());
        bytes[4..6].copy_from_slice(&self.id.to_be_bytes());
        bytes[6..8].copy_from_slice(&self.fragment.to_be_bytes());
        bytes[8] = self.ttl;
        bytes[9] = self.protocol;
        bytes[12..16].copy_from_slice(&self.src.octets());
        bytes[16..20].copy_from_slice(&self.dst.octets());
        let checksum = Sum::default().bytes(&bytes).finish();
        bytes[10..12].copy_from_slice(&checksum.to_be_bytes());
        bytes
    }
}

/// Loose source and record route.
pub const LOOSE_SOURCE_ROUTE: u8 = 131;
/// Strict source and record route.
pub const STRICT_SOURCE_ROUTE: u8 = 137;

/// The kinds of the options of a header (RFC 791 3.1), in the order in which they are there. `Err`: at that byte of the header
/// they cannot be read on.
pub fn options(header: &[u8]) -> impl Iterator<Item = Result<u8, usize>> + '_ {
    const END: u8 = 0;
    const NO_OPERATION: u8 = 1;
    let mut at = HEADER;
    std::iter::from_fn(move || {
        let kind = *header.get(at).filter(|kind| **kind != END)?;
        let begin = at;
        if kind == NO_OPERATION {
            at += 1;
            return Some(Ok(kind));
        }
        let length = header.get(at + 1).map(|length| usize::from(*length));
        at = length.map_or(header.len(), |length| at + length);
        match length {
            Some(2..) if at <= header.len() => Some(Ok(kind)),
            wrong => {
                at = header.len();
                Some(Err(begin + usize::from(wrong.is_some())))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            (tos, id, fragment, ttl, protocol) in any::<(u8, u16, u16, u8, u8)>(),
            (src, dst) in any::<([u8; 4], [u8; 4])>(),
            (payload, padding) in any::<(Vec<u8>, Vec<u8>)>(),
            spoil in 0..HEADER * 8,
        ) {
            let length = (HEADER + payload.len()) as u16;
            let (src, dst) = (src.into(), dst.into());
            let ip = Ip4 { header: HEADER, tos, length, id, fragment, ttl, protocol, src, dst };
            let mut packet = [ip.bytes().as_slice(), &payload, &padding].concat();
            prop_assert_eq!(Ip4::parse(&packet), Some(ip));
            prop_assert_eq!(Ip4::parse(&packet[..usize::from(length) - 1]), None);
            packet[spoil / 8] ^= 1 << (spoil % 8);
            prop_assert_eq!(Ip4::parse(&packet), None, "a bit is wrong");
        }
    }

    /// A packet of `length` bytes that begins with `first` and says that it is `total` long.
    fn check(first: u8, total: u16, length: usize, expect: Option<usize>) {
        let mut packet = vec![0; length.max(HEADER)];
        packet[0] = first;
        packet[2..4].copy_from_slice(&total.to_be_bytes());
        let header = (usize::from(first & 0xf) * 4).min(packet.len());
        let checksum = Sum::default().bytes(&packet[..header]).finish();
        packet[10..12].copy_from_slice(&checksum.to_be_bytes());
        assert_eq!(Ip4::parse(&packet[..length]).map(|ip| ip.header), expect, "{first:02x} {total} {length}");
    }

    #[test]
    fn options_are_read_to_their_end() {
        for (bytes, expect) in [
            (&[][..], &[][..]),
            (&[1, 1, 7, 3, 4, 0, 131, 1], &[Ok(1), Ok(1), Ok(7)]),
            (&[0x94, 4, 0, 0, 131, 7, 4, 10, 0, 0, 1, 0], &[Ok(0x94), Ok(131)]),
            (&[131, 3, 4, 137, 3, 4, 1, 1], &[Ok(131), Ok(137), Ok(1), Ok(1)]),
            // A length that is too small, too large, or not there.
            (&[1, 7, 1, 0], &[Ok(1), Err(22)]),
            (&[7, 0, 0, 0], &[Err(21)]),
            (&[1, 7, 4, 0], &[Ok(1), Err(22)]),
            (&[1, 1, 1, 7], &[Ok(1), Ok(1), Ok(1), Err(23)]),
        ] {
            let header = [&[0; HEADER][..], bytes].concat();
            assert_eq!(options(&header).collect::<Vec<_>>(), expect, "{bytes:?}");
        }
    }

    #[test]
    fn lengths_and_versions() {
        check(0x45, 20, 20, Some(20));
        check(0x45, 20, 46, Some(20));
        check(0x4f, 60, 60, Some(60));
        check(0x45, 20, 19, None);
        check(0x45, 21, 20, None);
        check(0x44, 20, 20, None);
        check(0x46, 20, 24, None);
        check(0x46, 24, 23, None);
        check(0x45, 19, 46, None);
        check(0x65, 20, 20, None);
    }
}
