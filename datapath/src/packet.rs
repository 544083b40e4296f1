//! What routing has to know of an IP packet: IPv4 (RFC 791 3.1, RFC 1812 5.2.2, 5.3.7), IPv6 (RFC 8200 3, RFC 4291 2.5).

use crate::Drop;
use crate::forward::Frame;
use crate::routing::{LoadSharing, Options, RouterInterface};
use mona_wire::checksum::{Sum, is_right};
use mona_wire::ip::{DCCP, ICMP6, SCTP, TCP, UDP, UDP_LITE};
use mona_wire::ip4;

/// A packet, as far as routing is concerned; its addresses apart. Two words: so it is handed on in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Is it IPv6?
    pub six: bool,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Must it stay whole? Every IPv6 packet must.
    whole: bool,
    /// Is it a fragment other than the first?
    later: bool,
    /// Is its source of link scope?
    pub link_local: bool,
    /// The protocol, or the next header.
    protocol: u8,
    /// Where the header ends, counted from the frame's beginning.
    behind: u8,
    /// Bytes of the packet; of a super-frame, those of a segment.
    pub length: u32,
    /// Where the packet ends, counted from the frame's beginning: behind that is padding. (Of a super-frame, nothing is.)
    pub end: u32,
}

const _: () = assert!(size_of::<Packet>() == 16);

impl Packet {
    /// The size of the fragments it leaves in; 0: it leaves whole.
    #[inline(always)]
    pub fn fragment(self, leaving: &RouterInterface) -> Result<u16, Drop> {
        let mtu = if self.six { leaving.mtu6 } else { leaving.mtu4 };
        match self.length > u32::from(mtu) {
            false => Ok(0),
            true if self.whole => Err(Drop::Mtu),
            true => Ok(mtu),
        }
    }

    /// May it leave its link at all?
    #[inline(always)]
    pub fn check_scope(self) -> Result<(), Drop> {
        match self {
            Packet { link_local: true, .. } => Err(Drop::SourceIpLinkLocal),
            Packet { ttl: 0 | 1, .. } => Err(Drop::Ttl),
            _ => Ok(()),
        }
    }

    /// May it pass with the options it has?
    #[inline(always)]
    pub fn check_options(self, frame: &Frame<'_>, wanted: Options) -> Result<(), Drop> {
        let begin = frame.eth.len();
        if self.six || self.behind() == begin + ip4::HEADER {
            return Ok(());
        }
        options(frame.bytes.get(begin..self.behind()).unwrap_or_default(), wanted)
    }

    #[inline(always)]
    fn behind(self) -> usize {
        self.behind.into()
    }

    /// Is it a message of neighbour discovery (RFC 4861 4)?
    #[inline]
    pub fn is_discovery(self, frame: &[u8]) -> bool {
        const FIRST: u8 = 133;
        const LAST: u8 = 137;
        self.six && self.protocol == ICMP6 && frame.get(self.behind()).is_some_and(|kind| (FIRST..=LAST).contains(kind))
    }

    /// A number that all packets of a flow have in common, and that differs between flows in its high bits.
    #[inline(never)]
    pub fn flow(self, frame: &Frame<'_>, sharing: LoadSharing) -> u32 {
        let ip = frame.eth.len();
        let (addresses, label) = match self.six {
            false => (frame.bytes.get(ip + 12..ip + 20), 0),
            true => {
                let word =
                    frame.bytes.get(ip..).and_then(|rest| rest.first_chunk()).map_or(0, |w| u32::from_be_bytes(*w));
                (frame.bytes.get(ip + 8..ip + 40), word & 0x000f_ffff)
            }
        };
        let mut hash = Mix(u64::from(sharing.seed));
        for chunk in addresses.unwrap_or_default().chunks(4) {
            hash.add(chunk.first_chunk().map_or(0, |word| u32::from_be_bytes(*word)));
        }
        if sharing.flow_label {
            hash.add(label);
        }
        if sharing.ports && !self.later {
            let has_ports = matches!(self.protocol, TCP | UDP | DCCP | SCTP | UDP_LITE);
            let ports = frame.bytes.get(self.behind()..).and_then(|rest| rest.first_chunk()).filter(|_| has_ports);
            hash.add(ports.map_or(0, |ports| u32::from_be_bytes(*ports)));
            hash.add(self.protocol.into());
        }
        hash.end()
    }
}

#[cold]
fn options(header: &[u8], wanted: Options) -> Result<(), Drop> {
    match wanted {
        Options::Drop => return Err(Drop::Options),
        Options::Ignore => return Ok(()),
        Options::NoSourceRoute | Options::Readable => {}
    }
    for kind in ip4::options(header) {
        match kind {
            Err(_) => return Err(Drop::OptionMalformed),
            Ok(ip4::LOOSE_SOURCE_ROUTE | ip4::STRICT_SOURCE_ROUTE) if wanted == Options::NoSourceRoute => {
                return Err(Drop::SourceRouted);
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

/// A multiplication and a fold for each word.
struct Mix(u64);

impl Mix {
    fn add(&mut self, word: u32) {
        let mixed = (self.0 ^ u64::from(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 32;
    }

    fn end(mut self) -> u32 {
        self.add(0);
        self.add(0);
        (self.0 >> 16) as u32
    }
}

/// IPv4.
pub mod four {
    use super::*;

    /// Where an address is good.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Scope {
        /// On this link only.
        Link,
        /// Further.
        Global,
    }

    /// Reads the header of a frame's packet: what it is, from whom, to whom.
    #[inline(always)]
    pub fn read(frame: &Frame<'_>) -> Result<(Packet, u32, u32), Drop> {
        const DF: u16 = 0x4000;
        const MF: u16 = 0x2000;
        const OFFSET: u16 = 0x1fff;
        let ip = frame.eth.len();
        let bytes = frame.bytes.get(ip..).ok_or(Drop::IpHeader)?;
        let header: &[u8; 20] = bytes.first_chunk().ok_or(Drop::IpHeader)?;
        let word = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let half = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let (length, total) = (usize::from(header[0] & 0xf) * 4, usize::from(half(2)));
        let (fragment, protocol) = (half(6), header[9]);
        let is_right = match header[0] {
            0x45 => is_right(header),
            0x46..=0x4f => bytes.get(..length).is_some_and(|header| Sum::default().bytes(header).finish() == 0),
            _ => false,
        };
        if !is_right || total < length || total > bytes.len() {
            return Err(Drop::IpHeader);
        }
        // RFC 1858 3: the flags of a TCP header would be in the second fragment, which filters do not look at.
        if fragment & OFFSET == 1 && protocol == TCP {
            return Err(Drop::TinyFragment);
        }
        let is_super = bytes.len() > frame.payload as usize;
        let (source, destination) = (word(12), word(16));
        let packet = Packet {
            six: false,
            ttl: header[8],
            whole: fragment & DF != 0,
            later: fragment & (OFFSET | MF) != 0,
            link_local: false,
            protocol,
            behind: (ip + length) as u8,
            length: if is_super { frame.payload } else { total as u32 },
            end: if is_super { u32::MAX } else { (ip + total) as u32 },
        };
        Ok((packet, source, destination))
    }

    /// Where the packet goes to, whatever else is in its header.
    #[inline(always)]
    pub fn destination(frame: &Frame<'_>) -> Option<u32> {
        frame.bytes.get(frame.eth.len() + 16..)?.first_chunk().map(|to| u32::from_be_bytes(*to))
    }

    /// Martians: 127/8, 0/8, multicast and broadcast as sources always; what Linux forwards too only with `strict`.
    #[inline(always)]
    pub fn check(source: u32, destination: u32, strict: bool) -> Result<Scope, Drop> {
        let odd = |address: u32| ODD[(address >> 24) as usize];
        match odd(source) | odd(destination) {
            0 => Ok(Scope::Global),
            STRICTLY if !strict => Ok(Scope::Global),
            _ => odd_ones(source, destination, strict),
        }
    }

    const LINK_LOCAL: u32 = 0xa9fe;
    /// Some addresses with such a first octet are odd if it is `strict`.
    const STRICTLY: u8 = 1;
    /// Which first octets are worth a second look: one load tells for nearly all packets that there is nothing to see.
    static ODD: [u8; 256] = {
        let mut odd = [0; 256];
        odd[(LINK_LOCAL >> 8) as usize] = STRICTLY;
        (odd[0], odd[127]) = (2, 2);
        let mut octet = 224;
        while octet < odd.len() {
            odd[octet] = 2;
            octet += 1;
        }
        odd
    };

    #[cold]
    fn odd_ones(source: u32, destination: u32, strict: bool) -> Result<Scope, Drop> {
        match source >> 24 {
            0 => return Err(Drop::SourceIpUnspecified),
            127 => return Err(Drop::SourceIpLoopback),
            224..=239 => return Err(Drop::SourceIpMulticast),
            _ if source == u32::MAX => return Err(Drop::SourceIpBroadcast),
            240.. if strict => return Err(Drop::NonRoutable),
            169 if strict && source >> 16 == LINK_LOCAL => return Err(Drop::NonRoutable),
            _ => {}
        }
        match destination >> 24 {
            127 => Err(Drop::DestinationIpLoopback),
            // A group's packet comes to the group's MAC (RFC 1112 6.4).
            0 | 224..=239 => Err(Drop::NonRoutable),
            _ if destination == u32::MAX => Ok(Scope::Link),
            240.. if strict => Err(Drop::NonRoutable),
            169 if strict && destination >> 16 == LINK_LOCAL => Err(Drop::NonRoutable),
            _ => Ok(Scope::Global),
        }
    }
}

/// IPv6.
pub mod six {
    pub use super::four::Scope;
    use super::*;

    /// Reads the header of a frame's packet: what it is, from whom, to whom.
    #[inline(always)]
    pub fn read(frame: &Frame<'_>) -> Result<(Packet, u128, u128), Drop> {
        const HEADER: usize = 40;
        let ip = frame.eth.len();
        let bytes = frame.bytes.get(ip..).ok_or(Drop::IpHeader)?;
        let header: &[u8; HEADER] = bytes.first_chunk().ok_or(Drop::IpHeader)?;
        let total = HEADER + usize::from(u16::from_be_bytes([header[4], header[5]]));
        if header[0] >> 4 != 6 || total > bytes.len() {
            return Err(Drop::IpHeader);
        }
        let address = |at: usize| header[at..].first_chunk().map_or(0, |word| u128::from_be_bytes(*word));
        let (source, destination) = (address(8), address(24));
        let is_super = bytes.len() > frame.payload as usize;
        let packet = Packet {
            six: true,
            ttl: header[7],
            whole: true,
            later: false,
            link_local: is_link_local(source),
            protocol: header[6],
            behind: (ip + HEADER) as u8,
            length: if is_super { frame.payload } else { total as u32 },
            end: if is_super { u32::MAX } else { (ip + total) as u32 },
        };
        Ok((packet, source, destination))
    }

    /// Where the packet goes to, whatever else is in its header.
    #[inline(always)]
    pub fn destination(frame: &Frame<'_>) -> Option<u128> {
        frame.bytes.get(frame.eth.len() + 24..)?.first_chunk().map(|to| u128::from_be_bytes(*to))
    }

    const fn is_link_local(address: u128) -> bool {
        address >> 118 == 0xfe80 >> 6
    }

    /// What no router forwards (RFC 4291 2.5.2, 2.5.3, 2.5.5.2, 2.7). A link-local source is no obstacle to what is for the
    /// router itself, see [`Packet::link_local`].
    #[inline(always)]
    pub fn check(source: u128, destination: u128) -> Result<Scope, Drop> {
        let odd = |address: u128| address >> 48 == 0 || address >> 120 == 0xff || is_link_local(address);
        if !odd(source) && !odd(destination) { Ok(Scope::Global) } else { odd_ones(source, destination) }
    }

    #[cold]
    fn odd_ones(source: u128, destination: u128) -> Result<Scope, Drop> {
        let is_mapped = |address: u128| address >> 32 == 0xffff;
        match source {
            0 => return Err(Drop::SourceIpUnspecified),
            1 => return Err(Drop::SourceIpLoopback),
            group if group >> 120 == 0xff => return Err(Drop::SourceIpMulticast),
            mapped if is_mapped(mapped) => return Err(Drop::NonRoutable),
            _ => {}
        }
        match destination {
            1 => Err(Drop::DestinationIpLoopback),
            0 => Err(Drop::NonRoutable),
            group if group >> 120 == 0xff => Err(Drop::NonRoutable),
            mapped if is_mapped(mapped) => Err(Drop::NonRoutable),
            local if is_link_local(local) => Ok(Scope::Link),
            _ => Ok(Scope::Global),
        }
    }
}
