//! The Ethernet header (802.3-2018 3.1.1) with at most one C-VLAN tag (802.1Q-2018 9.6): the only header a bridge reads.
//!
//! A second tag, and an S-VLAN tag (0x88a8), are payload to us: they are carried, not understood.

use crate::{Mac, Tci};

/// The EtherType of a C-VLAN tag.
pub const TPID_C: u16 = 0x8100;
/// The EtherType of an S-VLAN tag, payload to a bridge that knows customer VLANs only.
pub const TPID_S: u16 = 0x88a8;
/// ARP (RFC 826).
pub const ARP: u16 = 0x0806;
/// IPv4.
pub const IPV4: u16 = 0x0800;
/// IPv6.
pub const IPV6: u16 = 0x86dd;
/// Bytes of an untagged header.
pub const HEADER: usize = 14;
/// Bytes of a tag.
pub const TAG: usize = 4;

/// A parsed header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eth {
    /// Destination address.
    pub dst: Mac,
    /// Source address.
    pub src: Mac,
    /// The C-VLAN tag, if there is one.
    pub tag: Option<Tci>,
    /// EtherType or length that follows the addresses and the tag.
    pub ethertype: u16,
}

impl Eth {
    /// Reads the header; `None` if the frame ends before it does.
    #[inline(always)]
    pub fn parse(frame: &[u8]) -> Option<Eth> {
        let head: &[u8; HEADER] = frame.first_chunk()?;
        let (dst, src) = (Mac(*head.first_chunk()?), Mac(*head[6..].first_chunk()?));
        match u16::from_be_bytes([head[12], head[13]]) {
            TPID_C => {
                let tagged: &[u8; HEADER + TAG] = frame.first_chunk()?;
                let tci = Tci(u16::from_be_bytes([tagged[14], tagged[15]]));
                Some(Eth { dst, src, tag: Some(tci), ethertype: u16::from_be_bytes([tagged[16], tagged[17]]) })
            }
            ethertype => Some(Eth { dst, src, tag: None, ethertype }),
        }
    }

    /// Offset of [`Eth::ethertype`]: 12, or 16 behind a tag. Addresses before it, the untagged rest from it on.
    #[inline]
    pub const fn inner(&self) -> usize {
        if self.tag.is_some() { 16 } else { 12 }
    }

    /// Bytes of the header, tag included: where the payload starts.
    #[inline]
    pub const fn len(&self) -> usize {
        self.inner() + 2
    }

    /// A header is never empty.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    fn check(frame: &str, expect: &str) {
        let text = match Eth::parse(&hex(frame)) {
            None => "malformed".to_string(),
            Some(eth) => format!(
                "{} {} {} {:04x} @{}",
                eth.dst,
                eth.src,
                eth.tag.map_or("-".into(), |tag| format!("{}/{}", tag.vid(), tag.pcp())),
                eth.ethertype,
                eth.inner()
            ),
        };
        assert_eq!(text, expect, "{frame}");
    }

    #[test]
    fn headers() {
        check("ffffffffffff 020000000001 0800", "ffff.ffff.ffff 0200.0000.0001 - 0800 @12");
        check("0200000000aa 020000000001 8100 a00a 0800", "0200.0000.00aa 0200.0000.0001 10/5 0800 @16");
        check("0200000000aa 020000000001 8100 2000 86dd 60", "0200.0000.00aa 0200.0000.0001 0/1 86dd @16");
        // A second tag, or an S-tag, is payload.
        check("0200000000aa 020000000001 8100 0005 8100", "0200.0000.00aa 0200.0000.0001 5/0 8100 @16");
        check("0200000000aa 020000000001 88a8 0005 8100", "0200.0000.00aa 0200.0000.0001 - 88a8 @12");
        check("", "malformed");
        check("0200000000aa 020000000001 08", "malformed");
        check("0200000000aa 020000000001 8100", "malformed");
        check("0200000000aa 020000000001 8100 000a 08", "malformed");
    }

    proptest! {
        #[test]
        fn fields_are_where_they_are_put(dst: [u8; 6], src: [u8; 6], tag: Option<u16>, kind: u16, rest: Vec<u8>) {
            prop_assume!(tag.is_some() || kind != TPID_C);
            let mut frame = [dst, src].concat();
            if let Some(tci) = tag {
                frame.extend([0x81, 0x00]);
                frame.extend(tci.to_be_bytes());
            }
            frame.extend(kind.to_be_bytes());
            let header = frame.len();
            frame.extend(&rest);
            let eth = Eth::parse(&frame).unwrap();
            prop_assert_eq!(eth, Eth { dst: Mac(dst), src: Mac(src), tag: tag.map(Tci), ethertype: kind });
            prop_assert_eq!(eth.len(), header);
            for short in 0..header {
                prop_assert_eq!(Eth::parse(&frame[..short]), None);
            }
        }
    }
}
