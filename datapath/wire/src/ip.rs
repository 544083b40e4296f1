//! What IPv4 and IPv6 have in common: protocol numbers, addresses as numbers, and where the upper-layer packet lies (RFC 791
//! 3.1, RFC 8200 4).

use crate::checksum::Sum;
use crate::eth::{IPV4, IPV6, TPID_C, TPID_S};
use std::net::{IpAddr, Ipv6Addr};

/// The protocol number of ICMP (IANA "Assigned Internet Protocol Numbers", as all of these).
pub const ICMP: u8 = 1;
/// The protocol number of TCP.
pub const TCP: u8 = 6;
/// The protocol number of UDP.
pub const UDP: u8 = 17;
/// The protocol number of DCCP.
pub const DCCP: u8 = 33;
/// The protocol number of ICMPv6.
pub const ICMPV6: u8 = 58;
/// The protocol number of SCTP.
pub const SCTP: u8 = 132;
/// The protocol number of UDP-Lite.
pub const UDP_LITE: u8 = 136;

/// An address as a number, IPv4 mapped into IPv6 (RFC 4291 2.5.5.2).
#[inline]
pub fn mapped(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(four) => 0xffff_0000_0000 | u128::from(four.to_bits()),
        IpAddr::V6(six) => six.to_bits(),
    }
}

/// The address of such a number.
#[inline]
pub fn unmapped(number: u128) -> IpAddr {
    Ipv6Addr::from_bits(number).to_canonical()
}

/// An upper-layer packet that is there in full: no fragment. Offsets count from where [`Upper::locate`] began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upper {
    /// Is the packet IPv6?
    pub six: bool,
    /// Where the IP header starts.
    pub ip: usize,
    /// Where the upper-layer header starts.
    pub at: usize,
    /// Where the IP packet ends by its own account: behind that is padding.
    pub end: usize,
    /// What it is.
    pub protocol: u8,
}

impl Upper {
    /// Finds it in what follows the addresses (and a tag) of a frame: `rest` starts with an EtherType. Up to two more
    /// tags are stepped over. `None` where there is no IP, no upper layer, only a fragment of one, or not all of it.
    pub fn locate(rest: &[u8]) -> Option<Upper> {
        let mut ip = 2;
        loop {
            match u16::from_be_bytes([*rest.get(ip - 2)?, *rest.get(ip - 1)?]) {
                TPID_C | TPID_S if ip <= 6 => ip += 4,
                IPV4 => return Upper::four(rest, ip),
                IPV6 => return Upper::six(rest, ip),
                _ => return None,
            }
        }
    }

    fn four(rest: &[u8], ip: usize) -> Option<Upper> {
        let header: &[u8; 20] = rest.get(ip..)?.first_chunk()?;
        let at = ip + usize::from(header[0] & 0xf) * 4;
        let end = ip + usize::from(u16::from_be_bytes([header[2], header[3]]));
        // Neither "more fragments" nor an offset.
        let whole = u16::from_be_bytes([header[6], header[7]]) & 0x3fff == 0;
        let valid = header[0] >> 4 == 4 && at >= ip + 20 && at <= rest.len();
        (valid && whole).then_some(Upper { six: false, ip, at, end, protocol: header[9] })
    }

    fn six(rest: &[u8], ip: usize) -> Option<Upper> {
        let header: &[u8; 40] = rest.get(ip..)?.first_chunk()?;
        if header[0] >> 4 != 6 {
            return None;
        }
        let end = ip + 40 + usize::from(u16::from_be_bytes([header[4], header[5]]));
        let (mut at, mut next) = (ip + 40, header[6]);
        // Hop-by-hop and destination options; a routing header would change the address that is summed.
        while matches!(next, 0 | 60) {
            next = *rest.get(at)?;
            at += 8 + usize::from(*rest.get(at + 1)?) * 8;
        }
        (at <= rest.len()).then_some(Upper { six: true, ip, at, end, protocol: next })
    }

    /// Both addresses of the packet, as they stand in the header.
    #[inline]
    pub fn addresses<'a>(&self, rest: &'a [u8]) -> &'a [u8] {
        if self.six { &rest[self.ip + 8..self.ip + 40] } else { &rest[self.ip + 12..self.ip + 20] }
    }

    /// The pseudo-header's sum for an upper-layer packet of `length` bytes.
    #[inline]
    pub fn pseudo(&self, rest: &[u8], length: usize) -> Sum {
        Sum::default().pseudo(self.addresses(rest), length, self.protocol)
    }

    /// Offset of the checksum from [`Upper::at`], for the protocols that have it over a pseudo-header and that senders
    /// leave to the device.
    #[inline]
    pub const fn checksum_offset(&self) -> Option<usize> {
        match self.protocol {
            TCP => Some(16),
            UDP => Some(6),
            _ => None,
        }
    }
}
