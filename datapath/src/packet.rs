//! What routing has to know of an IP packet: IPv4 (RFC 791 3.1, RFC 1812 5.2.2, 5.3.7), IPv6 (RFC 8200 3, RFC 4291 2.5).

use crate::Drop;
use crate::forward::Frame;
use crate::routing::{LoadSharing, Options, RouterInterface};
use mona_wire::checksum::{Sum, is_right};
use mona_wire::ip::{DCCP, ICMPV6, SCTP, TCP, UDP, UDP_LITE};
use mona_wire::{ip4, nd};

/// What every packet is asked for, but for its addresses. What few are, is read when it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Is it IPv6?
    pub six: bool,
    /// Time to live, or hop limit.
    ttl: u8,
    /// Is its source of link scope?
    pub link_local: bool,
    /// Bytes of the packet; of a super-frame, those of a segment.
    pub length: u32,
    /// Where the packet ends, counted from the frame's beginning: behind that is padding. (Of a super-frame, nothing is.)
    pub end: u32,
}

impl Packet {
    /// The size of the fragments it leaves in; 0: it leaves whole. Every IPv6 packet must.
    #[inline(always)]
    pub fn fragment(self, frame: &Frame<'_>, leaving: &RouterInterface) -> Result<u16, Drop> {
        let mtu = if self.six { leaving.mtu6 } else { leaving.mtu4 };
        match self.length > u32::from(mtu) {
            false => Ok(0),
            true if self.six || four::must_stay_whole(frame) => Err(Drop::Mtu),
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

    /// Is it a message of neighbour discovery (RFC 4861 4)?
    #[inline]
    pub fn is_discovery(self, frame: &Frame<'_>) -> bool {
        self.six && six::is_discovery(frame)
    }

    /// A number that all packets of a flow have in common, and that differs between flows in its high bits.
    #[inline(never)]
    pub fn flow(self, frame: &Frame<'_>, sharing: LoadSharing) -> u32 {
        let header = frame.bytes.get(frame.eth.len()..).unwrap_or_default();
        let word =
            |at: usize| header.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |w| u32::from_be_bytes(*w));
        let (addresses, label, protocol, behind, later) = match self.six {
            false => {
                (12..20, 0, word(8) >> 16 & 0xff, (word(0) >> 24 & 0xf) as usize * 4, word(4) & four::FRAGMENT != 0)
            }
            true => (8..40, word(0) & 0x000f_ffff, word(4) >> 8 & 0xff, six::HEADER, false),
        };
        let mut hash = Mix(u64::from(sharing.seed));
        addresses.step_by(4).for_each(|at| hash.add(word(at)));
        if sharing.flow_label {
            hash.add(label);
        }
        if sharing.ports && !later {
            hash.add(if matches!(protocol as u8, TCP | UDP | DCCP | SCTP | UDP_LITE) { word(behind) } else { 0 });
            hash.add(protocol);
        }
        hash.end()
    }
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

    const DF: u32 = 0x4000;
    const OFFSET: u32 = 0x1fff;
    /// More fragments, or an offset: it is one.
    pub(super) const FRAGMENT: u32 = 0x3fff;

    /// Reads the header of a frame's packet: what it is, from whom, to whom.
    #[inline(always)]
    pub fn read(frame: &Frame<'_>) -> Result<(Packet, u32, u32), Drop> {
        let ip = frame.eth.len();
        let bytes = frame.bytes.get(ip..).ok_or(Drop::IpHeader)?;
        let header: &[u8; 20] = bytes.first_chunk().ok_or(Drop::IpHeader)?;
        let word = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let half = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let (length, total) = (usize::from(header[0] & 0xf) * 4, usize::from(half(2)));
        let is_right = match header[0] {
            0x45 => is_right(header),
            0x46..=0x4f => bytes.get(..length).is_some_and(|header| Sum::default().bytes(header).finish() == 0),
            _ => false,
        };
        if !is_right || total < length || total > bytes.len() {
            return Err(Drop::IpHeader);
        }
        // RFC 1858 3: the flags of a TCP header would be in the second fragment, which filters do not look at.
        if u32::from(half(6)) & OFFSET == 1 && header[9] == TCP {
            return Err(Drop::TinyFragment);
        }
        let is_super = bytes.len() > frame.payload as usize;
        let (source, destination) = (word(12), word(16));
        let packet = Packet {
            six: false,
            ttl: header[8],
            link_local: false,
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

    /// May the packet pass with the options it has?
    #[inline(always)]
    pub fn check_options(frame: &Frame<'_>, wanted: Options) -> Result<(), Drop> {
        match frame.bytes.get(frame.eth.len()) {
            None | Some(0x45) => Ok(()),
            Some(first) => options(frame, usize::from(first & 0xf) * 4, wanted),
        }
    }

    #[cold]
    fn options(frame: &Frame<'_>, length: usize, wanted: Options) -> Result<(), Drop> {
        match wanted {
            Options::Drop => return Err(Drop::Options),
            Options::Ignore => return Ok(()),
            Options::NoSourceRoute | Options::Readable => {}
        }
        let ip = frame.eth.len();
        for kind in ip4::options(frame.bytes.get(ip..ip + length).unwrap_or_default()) {
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

    /// Does it say that it may not be cut?
    #[cold]
    pub(super) fn must_stay_whole(frame: &Frame<'_>) -> bool {
        let half = frame.bytes.get(frame.eth.len() + 6..).and_then(|rest| rest.first_chunk());
        half.is_none_or(|half| u32::from(u16::from_be_bytes(*half)) & DF != 0)
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

    /// Bytes of the header.
    pub(super) const HEADER: usize = 40;

    /// Reads the header of a frame's packet: what it is, from whom, to whom.
    #[inline(always)]
    pub fn read(frame: &Frame<'_>) -> Result<(Packet, u128, u128), Drop> {
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
            link_local: is_link_local(source),
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

    /// Is it a message of neighbour discovery (RFC 4861 4)?
    #[inline]
    pub fn is_discovery(frame: &Frame<'_>) -> bool {
        let packet = frame.bytes.get(frame.eth.len()..).unwrap_or_default();
        packet.get(6) == Some(&ICMPV6) && packet.get(HEADER).is_some_and(|kind| nd::is_discovery(*kind))
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

#[cfg(test)]
#[path = "packet_tests.rs"]
mod tests;
