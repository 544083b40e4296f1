//! The IPv6 header (RFC 8200 3) as a value, and what lies behind its extension headers.

use std::net::Ipv6Addr;

/// Bytes of the header.
pub const HEADER: usize = 40;

/// A header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ip6 {
    /// Traffic class: DSCP and ECN.
    pub class: u8,
    /// Flow label, 20 bits.
    pub flow: u32,
    /// Payload length: what follows the header.
    pub length: u16,
    /// What follows the header.
    pub next: u8,
    /// Hop limit.
    pub hop_limit: u8,
    /// Source.
    pub src: Ipv6Addr,
    /// Destination.
    pub dst: Ipv6Addr,
}

/// What is left when the extension headers are stepped over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upper {
    /// Its protocol number.
    pub protocol: u8,
    /// Where it starts, from the start of the packet.
    pub at: usize,
    /// Is it, or the first part of it, really there? A later fragment carries no upper-layer header.
    pub first: bool,
}

impl Ip6 {
    /// Reads the header at the start of `packet`; bytes behind the payload length are padding. `None` for what is cut
    /// short or not version 6.
    pub fn parse(packet: &[u8]) -> Option<Ip6> {
        let fixed: &[u8; HEADER] = packet.first_chunk()?;
        let word = u32::from_be_bytes(*fixed.first_chunk()?);
        let length = u16::from_be_bytes([fixed[4], fixed[5]]);
        if word >> 28 != 6 || packet.len() < HEADER + usize::from(length) {
            return None;
        }
        Some(Ip6 {
            class: (word >> 20) as u8,
            flow: word & 0xf_ffff,
            length,
            next: fixed[6],
            hop_limit: fixed[7],
            src: Ipv6Addr::from(*fixed[8..].first_chunk()?),
            dst: Ipv6Addr::from(*fixed[24..].first_chunk()?),
        })
    }

    /// The header.
    pub fn bytes(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let word = 6 << 28 | u32::from(self.class) << 20 | self.flow & 0xf_ffff;
        bytes[..4].copy_from_slice(&word.to_be_bytes());
        bytes[4..6].copy_from_slice(&self.length.to_be_bytes());
        bytes[6] = self.next;
        bytes[7] = self.hop_limit;
        bytes[8..24].copy_from_slice(&self.src.octets());
        bytes[24..40].copy_from_slice(&self.dst.octets());
        bytes
    }

    /// The length of the packet by its own account.
    pub const fn total(&self) -> usize {
        HEADER + self.length as usize
    }

    /// Steps over the extension headers of `packet` (RFC 8200 4): hop-by-hop, routing, fragment, destination options,
    /// authentication. `None` if they run over its end.
    pub fn upper(&self, packet: &[u8]) -> Option<Upper> {
        let packet = packet.get(..self.total())?;
        let mut upper = Upper { protocol: self.next, at: HEADER, first: true };
        // Each turn goes on by 8 bytes at least: it ends with the packet.
        while upper.first {
            let length = match upper.protocol {
                0 | 43 | 60 => 8 + usize::from(*packet.get(upper.at + 1)?) * 8,
                44 => {
                    let fragment: &[u8; 8] = packet.get(upper.at..)?.first_chunk()?;
                    upper.first = u16::from_be_bytes([fragment[2], fragment[3]]) & 0xfff8 == 0;
                    8
                }
                51 => 8 + usize::from(*packet.get(upper.at + 1)?) * 4,
                _ => break,
            };
            upper.protocol = *packet.get(upper.at)?;
            upper.at += length;
        }
        (upper.at <= packet.len()).then_some(upper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            (class, flow, next, hop_limit) in any::<(u8, u32, u8, u8)>(),
            (src, dst) in any::<([u8; 16], [u8; 16])>(),
            (payload, padding) in any::<(Vec<u8>, Vec<u8>)>(),
        ) {
            let (flow, length) = (flow & 0xf_ffff, payload.len() as u16);
            let ip = Ip6 { class, flow, length, next, hop_limit, src: src.into(), dst: dst.into() };
            let packet = [ip.bytes().as_slice(), &payload, &padding].concat();
            prop_assert_eq!(Ip6::parse(&packet), Some(ip));
            prop_assert_eq!(Ip6::parse(&packet[..ip.total() - 1]), None);
            prop_assert!(ip.upper(&packet).is_none_or(|upper| (HEADER..=ip.total()).contains(&upper.at)));
        }
    }

    /// What is behind these extension headers: protocol and offset, `+` for a later fragment.
    fn check(next: u8, extensions: &[&[u8]], expect: &str) {
        let extensions = extensions.concat();
        let (length, unspecified) = (extensions.len() as u16, Ipv6Addr::UNSPECIFIED);
        let ip = Ip6 { class: 0, flow: 0, length, next, hop_limit: 1, src: unspecified, dst: unspecified };
        // Bytes behind the packet do not belong to it.
        let packet = [ip.bytes().as_slice(), &extensions, &[0; 600]].concat();
        let text = match ip.upper(&packet) {
            None => "malformed".into(),
            Some(upper) => format!("{}@{}{}", upper.protocol, upper.at, if upper.first { "" } else { "+" }),
        };
        assert_eq!(text, expect, "{next} {extensions:02x?}");
    }

    #[test]
    fn extension_headers() {
        check(58, &[], "58@40");
        check(59, &[&[1; 8]], "59@40");
        check(0, &[&[58, 0, 1, 4, 0, 0, 0, 0]], "58@48");
        check(0, &[&[60, 1, 1, 12], &[0; 12], &[6, 0, 1, 4, 0, 0, 0, 0]], "6@64");
        check(43, &[&[44, 0, 0, 0, 0, 0, 0, 0], &[17, 0, 0, 1, 0, 0, 0, 7]], "17@56");
        check(44, &[&[58, 0, 0, 8, 0, 0, 0, 7]], "58@48+");
        check(51, &[&[58, 1], &[0; 10]], "58@52");
        check(0, &[], "malformed");
        check(0, &[&[58, 1, 1, 4, 0, 0, 0, 0]], "malformed");
        check(44, &[&[58, 0, 0, 0]], "malformed");
    }
}
