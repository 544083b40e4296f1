//! Neighbor Discovery (RFC 4861): messages read with every check the standard asks of a receiver, and the messages a
//! router sends.

use crate::Mac;
use crate::icmp::{self, message6};
use crate::ip::ICMPV6;
use crate::ip6::{HEADER, Ip6};
use std::net::Ipv6Addr;

/// ICMPv6 types.
pub const ROUTER_SOLICIT: u8 = 133;
/// See [`ROUTER_SOLICIT`].
pub const ROUTER_ADVERT: u8 = 134;
/// See [`ROUTER_SOLICIT`].
pub const NEIGHBOR_SOLICIT: u8 = 135;
/// See [`ROUTER_SOLICIT`].
pub const NEIGHBOR_ADVERT: u8 = 136;
/// See [`ROUTER_SOLICIT`].
pub const REDIRECT: u8 = 137;

/// Is an ICMPv6 message of this type one of neighbour discovery (RFC 4861 4)?
pub const fn is_discovery(kind: u8) -> bool {
    ROUTER_SOLICIT <= kind && kind <= REDIRECT
}

/// Every message comes and goes with this hop limit: so no router has forwarded it.
pub const HOP_LIMIT: u8 = 255;
/// ff02::1
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// ff02::2
pub const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

const SOURCE_LINK_LAYER: u8 = 1;
const TARGET_LINK_LAYER: u8 = 2;
const PREFIX: u8 = 3;
const REDIRECTED: u8 = 4;
const MTU: u8 = 5;

/// ff02::1:ff00:0/104 with the last 24 bits of `target` (RFC 4291 2.7.1).
pub fn solicited_node(target: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = target.octets();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]))
}

/// The group MAC address of an IPv6 multicast address (RFC 2464 7).
pub fn group_mac(group: Ipv6Addr) -> Mac {
    let [.., a, b, c, d] = group.octets();
    Mac([0x33, 0x33, a, b, c, d])
}

/// A valid message, as far as a router reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// RFC 4861 4.1
    RouterSolicit {
        /// The sender's station address.
        source: Option<Mac>,
    },
    /// RFC 4861 4.2
    RouterAdvert {
        /// How long the sender wants to be a default router, seconds; 0: not at all.
        lifetime: u16,
    },
    /// RFC 4861 4.3
    NeighborSolicit {
        /// Whose station address is asked for.
        target: Ipv6Addr,
        /// The sender's station address.
        source: Option<Mac>,
    },
    /// RFC 4861 4.4
    NeighborAdvert {
        /// Whose station address is told.
        target: Ipv6Addr,
        /// The sender is a router.
        router: bool,
        /// It answers a solicitation.
        solicited: bool,
        /// It overrides what was known.
        overrides: bool,
        /// The target's station address.
        mac: Option<Mac>,
    },
}

/// Link-layer address options; others are skipped, the first of a kind counts.
#[derive(Default)]
struct Options {
    source: Option<Mac>,
    target: Option<Mac>,
}

impl Options {
    /// `None` if an option has no length or runs over the end: the whole message is void (RFC 4861 4.6, 6.1, 7.1).
    fn parse(mut bytes: &[u8]) -> Option<Options> {
        let mut options = Options::default();
        while let [kind, units, ..] = *bytes {
            let (option, rest) = bytes.split_at_checked(usize::from(units) * 8)?;
            // Of a longer or shorter link layer's address nothing could be made; Ethernet's is 6 bytes.
            let mac = option.get(2..8).and_then(|bytes| bytes.first_chunk()).map(|bytes| Mac(*bytes))?;
            match kind {
                SOURCE_LINK_LAYER => options.source = options.source.or(Some(mac)),
                TARGET_LINK_LAYER => options.target = options.target.or(Some(mac)),
                _ => {}
            }
            bytes = rest;
        }
        bytes.is_empty().then_some(options)
    }
}

impl Message {
    /// Reads the message in an IPv6 packet. `None` for what is not one, for those that only hosts read (redirects), and for
    /// what fails a check of RFC 4861 6.1.1, 6.1.2, 7.1.1 or 7.1.2.
    pub fn parse(packet: &[u8]) -> Option<Message> {
        let ip = Ip6::parse(packet)?;
        let message = &packet[HEADER..ip.total()];
        if ip.next != ICMPV6 || ip.hop_limit != HOP_LIMIT || icmp::sum6(ip.src, ip.dst, message).finish() != 0 {
            return None;
        }
        let &[kind, 0, _, _, a, _, c, d, ref rest @ ..] = message else { return None };
        let target = || rest.first_chunk().map(|octets| Ipv6Addr::from(*octets)).filter(|t| !t.is_multicast());
        match kind {
            ROUTER_SOLICIT => {
                let source = Options::parse(rest)?.source;
                let valid = !ip.src.is_unspecified() || source.is_none();
                valid.then_some(Message::RouterSolicit { source })
            }
            ROUTER_ADVERT => {
                Options::parse(rest.get(8..)?)?;
                let lifetime = u16::from_be_bytes([c, d]);
                ip.src.is_unicast_link_local().then_some(Message::RouterAdvert { lifetime })
            }
            NEIGHBOR_SOLICIT => {
                let target = target()?;
                let source = Options::parse(&rest[16..])?.source;
                // A probe for a duplicate: to the group of the target, and without an address to answer to.
                let probe = || ip.dst == solicited_node(target) && source.is_none();
                let valid = !ip.src.is_unspecified() || probe();
                valid.then_some(Message::NeighborSolicit { target, source })
            }
            NEIGHBOR_ADVERT => {
                let target = target()?;
                let [router, solicited, overrides] = [0x80, 0x40, 0x20].map(|flag| a & flag != 0);
                let mac = Options::parse(&rest[16..])?.target;
                let valid = !(ip.dst.is_multicast() && solicited);
                valid.then_some(Message::NeighborAdvert { target, router, solicited, overrides, mac })
            }
            _ => None,
        }
    }
}

fn link_layer(kind: u8, mac: Mac) -> [u8; 8] {
    let [a, b, c, d, e, f] = mac.0;
    [kind, 1, a, b, c, d, e, f]
}

/// Who has `target`? `source` may be left out in a unicast solicitation only (RFC 4861 4.3).
pub fn neighbor_solicit(src: Ipv6Addr, dst: Ipv6Addr, target: Ipv6Addr, source: Mac) -> Vec<u8> {
    let body = [target.octets().as_slice(), &link_layer(SOURCE_LINK_LAYER, source)].concat();
    message6(src, dst, NEIGHBOR_SOLICIT, 0, [0; 4], &body)
}

/// `target` is at `mac`; `flags` are router (0x80), solicited (0x40) and override (0x20).
pub fn neighbor_advert(src: Ipv6Addr, dst: Ipv6Addr, target: Ipv6Addr, flags: u8, mac: Mac) -> Vec<u8> {
    let body = [target.octets().as_slice(), &link_layer(TARGET_LINK_LAYER, mac)].concat();
    message6(src, dst, NEIGHBOR_ADVERT, 0, [flags, 0, 0, 0], &body)
}

/// Is there a router?
pub fn router_solicit(src: Ipv6Addr, dst: Ipv6Addr, source: Option<Mac>) -> Vec<u8> {
    let body = source.map(|mac| link_layer(SOURCE_LINK_LAYER, mac));
    message6(src, dst, ROUTER_SOLICIT, 0, [0; 4], body.as_ref().map_or(&[], |option| option))
}

/// `destination` is better reached through `target`, or is a neighbour if both are the same (RFC 4861 4.5). `packet` is
/// what was sent the long way; as much of it is quoted as fits into 1280 bytes.
pub fn redirect(
    (src, dst): (Ipv6Addr, Ipv6Addr),
    target: Ipv6Addr,
    destination: Ipv6Addr,
    mac: Option<Mac>,
    packet: &[u8],
) -> Vec<u8> {
    let mut body = [target.octets(), destination.octets()].concat();
    body.extend(mac.iter().flat_map(|mac| link_layer(TARGET_LINK_LAYER, *mac)));
    let room = 1280 - HEADER - icmp::HEADER - body.len() - 8;
    let quoted = &packet[..packet.len().min(room) & !7];
    body.extend([REDIRECTED, (quoted.len() / 8 + 1) as u8, 0, 0, 0, 0, 0, 0]);
    body.extend(quoted);
    message6(src, dst, REDIRECT, 0, [0; 4], &body)
}

/// What a router says of itself and of the link (RFC 4861 4.2). Times are in the units of the message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouterAdvert {
    /// Hop limit that hosts shall use; 0: no advice.
    pub hop_limit: u8,
    /// Managed (0x80), other (0x40) and the preference (RFC 4191 2.2: 0x08 high, 0x18 low).
    pub flags: u8,
    /// How long this is a default router, seconds; 0: not at all.
    pub lifetime: u16,
    /// How long a neighbour is reachable, ms; 0: no advice.
    pub reachable: u32,
    /// Time between solicitations, ms; 0: no advice.
    pub retransmit: u32,
    /// The router's station address.
    pub source: Option<Mac>,
    /// MTU of the link.
    pub mtu: Option<u32>,
    /// Prefixes.
    pub prefixes: Vec<PrefixInformation>,
}

/// RFC 4861 4.6.2
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixInformation {
    /// The prefix; bits behind its length are zero.
    pub prefix: Ipv6Addr,
    /// Its length.
    pub length: u8,
    /// On link (0x80), autonomous (0x40).
    pub flags: u8,
    /// Valid lifetime, seconds; all ones: for ever.
    pub valid: u32,
    /// Preferred lifetime, seconds; all ones: for ever.
    pub preferred: u32,
}

impl RouterAdvert {
    /// The message.
    pub fn message(&self, src: Ipv6Addr, dst: Ipv6Addr) -> Vec<u8> {
        let mut body = [self.reachable.to_be_bytes(), self.retransmit.to_be_bytes()].concat();
        body.extend(self.source.iter().flat_map(|mac| link_layer(SOURCE_LINK_LAYER, *mac)));
        if let Some(mtu) = self.mtu {
            body.extend([MTU, 1, 0, 0]);
            body.extend(mtu.to_be_bytes());
        }
        for prefix in &self.prefixes {
            body.extend([PREFIX, 4, prefix.length, prefix.flags]);
            body.extend(prefix.valid.to_be_bytes());
            body.extend(prefix.preferred.to_be_bytes());
            body.extend([0; 4]);
            body.extend(prefix.prefix.octets());
        }
        let [high, low] = self.lifetime.to_be_bytes();
        message6(src, dst, ROUTER_ADVERT, 0, [self.hop_limit, self.flags, high, low], &body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packet(src: Ipv6Addr, dst: Ipv6Addr, hop_limit: u8, message: &[u8]) -> Vec<u8> {
        let ip = Ip6 { class: 0, flow: 0, length: message.len() as u16, next: ICMPV6, hop_limit, src, dst };
        [ip.bytes().as_slice(), message].concat()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read((src, target, mac) in any::<([u8; 16], [u8; 16], [u8; 6])>(), flags in 0u8..8, spoil in any::<u16>()) {
            let (src, target, mac) = (Ipv6Addr::from(src), Ipv6Addr::from(target), Mac(mac));
            prop_assume!(!target.is_multicast() && !src.is_unspecified());
            let group = solicited_node(target);
            let solicit = packet(src, group, 255, &neighbor_solicit(src, group, target, mac));
            let expect = Message::NeighborSolicit { target, source: Some(mac) };
            prop_assert_eq!(Message::parse(&solicit), Some(expect));
            let advert = packet(src, target, 255, &neighbor_advert(src, target, target, flags << 5, mac));
            let [router, solicited, overrides] = [4, 2, 1].map(|flag| flags & flag != 0);
            let expect = Message::NeighborAdvert { target, router, solicited, overrides, mac: Some(mac) };
            prop_assert_eq!(Message::parse(&advert), Some(expect));
            let soliciting = packet(src, ALL_ROUTERS, 255, &router_solicit(src, ALL_ROUTERS, Some(mac)));
            prop_assert_eq!(Message::parse(&soliciting), Some(Message::RouterSolicit { source: Some(mac) }));
            // One bit of the message or of the addresses is wrong.
            for mut packet in [solicit, advert, soliciting] {
                let bit = usize::from(spoil) % ((packet.len() - 8) * 8) + 64;
                packet[bit / 8] ^= 1 << (bit % 8);
                prop_assert_eq!(Message::parse(&packet), None);
                prop_assert_eq!(Message::parse(&packet[..packet.len() - 1]), None);
            }
        }

        #[test]
        fn router_advertisements((lifetime, mac) in any::<(u16, [u8; 6])>(), (prefixes, hop_limit) in (0usize..9, 254u8..)) {
            let src = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
            let prefix = PrefixInformation { prefix: src, length: 64, flags: 0xc0, valid: 1, preferred: 1 };
            let (source, mtu, prefixes) = (Some(Mac(mac)), Some(1500), vec![prefix; prefixes]);
            let advert = RouterAdvert { lifetime, source, mtu, prefixes, ..RouterAdvert::default() };
            let read = Message::parse(&packet(src, ALL_NODES, hop_limit, &advert.message(src, ALL_NODES)));
            prop_assert_eq!(read, (hop_limit == 255).then_some(Message::RouterAdvert { lifetime }));
            let global = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
            prop_assert_eq!(Message::parse(&packet(global, ALL_NODES, 255, &advert.message(global, ALL_NODES))), None);
        }
    }

    #[test]
    fn groups() {
        let target = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0x0200, 0xff, 0xfe12, 0x3456);
        let group = solicited_node(target);
        assert_eq!(
            (group.to_string(), group_mac(group).to_string()),
            ("ff02::1:ff12:3456".into(), "3333.ff12.3456".into())
        );
    }
}
