//! A route as the kernel tells it (rtnetlink(7), `struct rtmsg`): read in place, since there may be a million of them.

use crate::request::HEADER;
use crate::rib::Refusal;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Message types.
pub const RTM_NEWROUTE: u16 = 24;
/// It is gone.
pub const RTM_DELROUTE: u16 = 25;
/// Request for a dump.
const RTM_GETROUTE: u16 = 26;
/// The table that routes are looked up in unless rules say otherwise.
const MAIN: u32 = 254;
/// `struct rtmsg`
const RTMSG: usize = 12;
/// NLM_F_APPEND: it stands behind others of the same prefix and metric.
const APPEND: u16 = 0x800;
/// Flags of a way: the device is down.
const DEAD: u32 = 1;
/// Flags of a route: of a cache.
const CLONED: u32 = 0x200;

/// Families.
pub const INET: u8 = 2;
/// Of IPv6.
pub const INET6: u8 = 10;

/// A way of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hop {
    /// Kernel index of the netdev.
    pub index: u32,
    /// The next router.
    pub gateway: Option<IpAddr>,
    /// 1 to 256.
    pub weight: u16,
}

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It leads by its hops.
    Unicast,
    /// It drops.
    Null(Refusal),
    /// What is none of a router's: local addresses, broadcast, multicast.
    Other,
}

/// A route of the main table.
#[derive(Clone, Debug)]
pub struct Told {
    /// Is it the news that it is gone?
    pub gone: bool,
    /// Did it come behind another of the same prefix and metric, which stays?
    pub appended: bool,
    /// Where to.
    pub prefix: IpNet,
    /// RTA_PRIORITY
    pub metric: u32,
    /// RTPROT_…
    pub protocol: u8,
    /// What it does.
    pub kind: Kind,
    /// The nexthop object it leads by.
    pub object: Option<u32>,
}

/// Reads a message of type RTM_NEWROUTE or RTM_DELROUTE; its ways (of a route that stays: those that are not dead) are put into `hops`. `None`:
/// it is of another table, depends on more than the destination, or cannot be read.
pub fn read(message: &[u8], hops: &mut Vec<Hop>) -> Option<Told> {
    hops.clear();
    let head = message.get(HEADER..HEADER + RTMSG)?;
    let &[family, length, source, tos, table, protocol, _, kind, ..] = head else { return None };
    let flags = word(head.get(8..)?)?;
    let gone = half(message.get(4..)?)? == RTM_DELROUTE;
    if source != 0 || tos != 0 || flags & CLONED != 0 {
        return None;
    }
    let mut table = u32::from(table);
    let mut destination = match family {
        INET => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        INET6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        _ => return None,
    };
    let (mut metric, mut index, mut gateway, mut multipath, mut object) = (0, None, None, None, None);
    for (kind, value) in attributes(&message[HEADER + RTMSG..]) {
        match kind {
            1 => destination = address(value)?,
            4 => index = word(value),
            5 => gateway = address(value),
            6 => metric = word(value)?,
            9 => multipath = Some(value),
            15 => table = word(value)?,
            // RTA_VIA: a next router of the other family.
            18 => gateway = address(value.get(2..)?),
            30 => object = word(value),
            _ => {}
        }
    }
    if table != MAIN {
        return None;
    }
    match (multipath, index) {
        (Some(ways), _) => ways_of(ways, gone, hops)?,
        (None, Some(index)) if gone || flags & DEAD == 0 => hops.push(Hop { index, gateway, weight: 1 }),
        (None, _) => {}
    }
    hops.sort_unstable();
    Some(Told {
        gone,
        appended: half(message.get(6..)?)? & APPEND != 0,
        prefix: IpNet::new(destination, length).ok()?,
        metric,
        protocol,
        kind: match kind {
            1 => Kind::Unicast,
            // RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT
            6 => Kind::Null(Refusal::Silent),
            7 => Kind::Null(Refusal::Unreachable),
            8 => Kind::Null(Refusal::Prohibited),
            _ => Kind::Other,
        },
        object,
    })
}

/// `struct rtnexthop`, one behind the other.
fn ways_of(mut rest: &[u8], gone: bool, hops: &mut Vec<Hop>) -> Option<()> {
    while !rest.is_empty() {
        let length = usize::from(half(rest)?);
        let way = rest.get(..length).filter(|_| length >= 8)?;
        let mut hop = Hop { index: word(&way[4..])?, gateway: None, weight: u16::from(way[3]) + 1 };
        for (kind, value) in attributes(&way[8..]) {
            match kind {
                5 => hop.gateway = address(value),
                18 => hop.gateway = address(value.get(2..)?),
                _ => {}
            }
        }
        if gone || u32::from(way[2]) & DEAD == 0 {
            hops.push(hop);
        }
        rest = &rest[length.next_multiple_of(4).min(rest.len())..];
    }
    Some(())
}

/// Type and value of each attribute of a run.
pub fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = usize::from(half(rest)?);
        // The two upper bits say how it is made.
        let kind = half(&rest[2..])? & 0x3fff;
        let value = rest.get(4..length)?;
        rest = &rest[length.next_multiple_of(4).min(rest.len())..];
        Some((kind, value))
    })
}

/// The request for all routes of a family in the main table. (The socket must be strict: NETLINK_GET_STRICT_CHK.)
pub fn dump(family: u8) -> [u8; HEADER + RTMSG] {
    // NLM_F_REQUEST, NLM_F_DUMP
    const FLAGS: u16 = 0x301;
    let mut message = [0; HEADER + RTMSG];
    let length = message.len() as u32;
    message[..4].copy_from_slice(&length.to_ne_bytes());
    message[4..6].copy_from_slice(&RTM_GETROUTE.to_ne_bytes());
    message[6..8].copy_from_slice(&FLAGS.to_ne_bytes());
    message[HEADER] = family;
    message[HEADER + 4] = MAIN as u8;
    message
}

/// The first two bytes, a number.
pub fn half(bytes: &[u8]) -> Option<u16> {
    bytes.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}

/// The first four bytes, a number.
pub fn word(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => bytes.first_chunk::<4>().map(|bytes| IpAddr::from(*bytes)),
        16 => bytes.first_chunk::<16>().map(|bytes| IpAddr::from(*bytes)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A message about a route: family, length of the prefix, kind, and attributes.
    fn message(family: u8, length: u8, kind: u8, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&RTM_NEWROUTE.to_ne_bytes());
        bytes.extend([family, length, 0, 0, MAIN as u8, 186, 0, kind, 0, 0, 0, 0]);
        for (kind, value) in attributes {
            bytes.extend(((4 + value.len()) as u16).to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(*value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    fn said(message: &[u8]) -> String {
        let mut hops = Vec::new();
        let Some(told) = read(message, &mut hops) else { return "nothing".into() };
        let hops: Vec<String> = hops
            .iter()
            .map(|hop| format!("{} {}", hop.index, hop.gateway.map_or("-".into(), |gateway| gateway.to_string())))
            .collect();
        format!("{} {:?} [{}]", told.prefix, told.kind, hops.join(", "))
    }

    #[test]
    fn what_is_wrong_is_nothing() {
        let (ten, out, via) = ((1, &[10, 0, 0, 0][..]), (4, &[7, 0, 0, 0][..]), (5, &[10, 9, 0, 1][..]));
        for (family, length, kind, attributes, expect) in [
            (INET, 8, 1, &[ten, out, via][..], "10.0.0.0/8 Unicast [7 10.9.0.1]"),
            (INET, 0, 1, &[out, via], "0.0.0.0/0 Unicast [7 10.9.0.1]"),
            (INET, 8, 6, &[ten], "10.0.0.0/8 Null(Silent) []"),
            (INET, 8, 7, &[ten], "10.0.0.0/8 Null(Unreachable) []"),
            (INET, 8, 8, &[ten], "10.0.0.0/8 Null(Prohibited) []"),
            (INET6, 0, 7, &[], "::/0 Null(Unreachable) []"),
            (INET, 8, 200, &[ten], "10.0.0.0/8 Other []"),
            // A length that no address has, a family that is none, an address of neither.
            (INET, 33, 1, &[ten, out], "nothing"),
            (INET6, 129, 1, &[], "nothing"),
            (9, 8, 1, &[ten, out], "nothing"),
            (INET, 8, 1, &[(1, &[10, 0, 0]), out], "nothing"),
            // A metric and a table that are cut short.
            (INET, 8, 1, &[ten, (6, &[1, 2])], "nothing"),
            (INET, 8, 1, &[ten, (15, &[254])], "nothing"),
            // Of another table.
            (INET, 8, 1, &[ten, out, (15, &[100, 0, 0, 0])], "nothing"),
            // Ways that say to be longer than there are, or shorter than one is.
            (INET, 8, 1, &[ten, (9, &[16, 0, 0, 0, 7, 0, 0, 0])], "nothing"),
            (INET, 8, 1, &[ten, (9, &[4, 0, 0, 0])], "nothing"),
            (INET, 8, 1, &[ten, (9, &[8, 0, 0, 0, 7, 0, 0, 0])], "10.0.0.0/8 Unicast [7 -]"),
            // A gateway that is no address is none.
            (INET, 8, 1, &[ten, out, (5, &[1, 2, 3, 4, 5])], "10.0.0.0/8 Unicast [7 -]"),
        ] {
            assert_eq!(
                said(&message(family, length, kind, attributes)),
                expect,
                "{family} {length} {kind} {attributes:?}"
            );
        }
        // An attribute that is longer than the message ends it.
        let mut long = message(INET, 8, 1, &[ten, out]);
        let at = long.len() - 8;
        long[at] = 200;
        assert_eq!(said(&long), "10.0.0.0/8 Unicast []");
    }

    proptest! {
        #[test]
        fn nothing_makes_it_fall(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0usize..80) {
            said(&bytes);
            let whole = message(INET, 8, 1, &[(1, &[10, 0, 0, 0]), (9, &[16, 0, 0, 0, 7, 0, 0, 0, 8, 0, 5, 0, 10, 9, 0, 1])]);
            said(&whole[..cut.min(whole.len())]);
            let mut spoilt = whole;
            for (at, byte) in bytes.iter().enumerate().take(40) {
                let at = (HEADER + at * 2).min(spoilt.len() - 1);
                spoilt[at] = *byte;
            }
            said(&spoilt);
        }
    }
}
