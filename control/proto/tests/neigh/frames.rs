//! Frames from words and, by another implementation's reading (etherparse), words from frames.

use etherparse::{EtherType, Icmpv4Slice, Icmpv6Slice, NetSlice, SlicedPacket, TransportSlice};
use mona_wire::ip6::Ip6;
use mona_wire::{Mac, checksum::Sum, ip4::Ip4, nd};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `key=value` words and the others.
pub struct Words<'a> {
    pub plain: Vec<&'a str>,
    pub named: BTreeMap<&'a str, &'a str>,
}

impl<'a> Words<'a> {
    pub fn new(text: &'a str) -> Words<'a> {
        let (named, plain) = text.split_whitespace().partition::<Vec<_>, _>(|word| word.contains('='));
        Words { plain, named: named.into_iter().filter_map(|word| word.split_once('=')).collect() }
    }

    pub fn number(&self, key: &str, default: u64) -> u64 {
        self.named.get(key).map_or(default, |text| {
            let hex = text.strip_prefix("0x").map(|digits| u64::from_str_radix(digits, 16));
            hex.unwrap_or_else(|| text.parse()).unwrap_or_else(|_| panic!("{key}={text}"))
        })
    }

    pub fn mac(&self, key: &str, default: &str) -> Mac {
        self.named.get(key).copied().unwrap_or(default).parse().expect("a MAC address")
    }
}

/// `SRC DST [len=N] [ttl=N] [proto=N] [type=N] [frag=N] [tos=N] [options=HEX] [pad=N] [to=MAC] [from=MAC] [spoil=AT]`: a
/// frame with a packet of either version; the payload is a UDP header's worth of zeros or more.
pub fn packet(words: &Words, router: Mac) -> Vec<u8> {
    let [src, dst] = [words.plain[0], words.plain[1]].map(|text| text.parse::<IpAddr>().expect("an address"));
    let mut payload = vec![0u8; words.number("len", 8) as usize];
    if let Some(kind) = words.named.get("type") {
        payload[0] = kind.parse().expect("a type");
    }
    let ttl = words.number("ttl", 64) as u8;
    let mut packet = match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let options = hex(words.named.get("options").copied().unwrap_or(""));
            let header = 20 + options.len();
            let length = (header + payload.len()) as u16;
            let (tos, fragment) = (words.number("tos", 0) as u8, words.number("frag", 0) as u16);
            let protocol = words.number("proto", 17) as u8;
            let ip = Ip4 { header, tos, length, id: 7, fragment, ttl, protocol, src, dst };
            let mut bytes = ip.bytes().to_vec();
            bytes.extend(options);
            (bytes[0], bytes[10], bytes[11]) = (0x40 | (header / 4) as u8, 0, 0);
            let checksum = Sum::default().bytes(&bytes).finish();
            bytes[10..12].copy_from_slice(&checksum.to_be_bytes());
            [bytes, payload].concat()
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let next = words.number("proto", 17) as u8;
            let extensions = hex(words.named.get("options").copied().unwrap_or(""));
            let length = (extensions.len() + payload.len()) as u16;
            let ip = Ip6 { class: 0, flow: 0, length, next, hop_limit: ttl, src, dst };
            [ip.bytes().to_vec(), extensions, payload].concat()
        }
        _ => panic!("two versions of IP"),
    };
    if let Some(at) = words.named.get("spoil") {
        packet[at.parse::<usize>().expect("an offset")] ^= 0x10;
    }
    packet.resize(packet.len() + words.number("pad", 0) as usize, 0);
    let [to, from] = [words.mac("to", &router.to_string()), words.mac("from", "0200.0000.0a09")];
    ethernet(to, from, if src.is_ipv4() { 0x0800 } else { 0x86dd }, &packet)
}

pub fn ethernet(dst: Mac, src: Mac, ethertype: u16, packet: &[u8]) -> Vec<u8> {
    [&dst.0, &src.0, ethertype.to_be_bytes().as_slice(), packet].concat()
}

pub fn hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal digits");
    (0..text.len() / 2).map(|byte| digit(byte * 2)).collect()
}

/// An ND message of 255 hops from `src` (IPv6) at `from` (Ethernet), to the group or the address it belongs to.
pub fn nd_frame(src: Ipv6Addr, dst: Ipv6Addr, from: Mac, to: Mac, hop_limit: u8, message: &[u8]) -> Vec<u8> {
    let ip = Ip6 { class: 0, flow: 0, length: message.len() as u16, next: 58, hop_limit, src, dst };
    ethernet(to, from, 0x86dd, &[ip.bytes().as_slice(), message].concat())
}

/// What a frame is, in words, or what is wrong with it.
pub fn describe(frame: &[u8]) -> String {
    let packet = match SlicedPacket::from_ethernet(frame) {
        Ok(packet) => packet,
        Err(error) => return format!("malformed: {error}"),
    };
    let Some(etherparse::LinkSlice::Ethernet2(link)) = &packet.link else { panic!("no Ethernet") };
    let (to, from) = (Mac(link.destination()), Mac(link.source()));
    let text = match (&packet.net, &packet.transport) {
        (Some(NetSlice::Arp(arp)), _) => {
            assert_eq!((arp.hw_addr_type().0, arp.proto_addr_type()), (1, EtherType::IPV4));
            let v4 = |bytes: &[u8]| Ipv4Addr::from(<[u8; 4]>::try_from(bytes).expect("4 bytes"));
            let sender = v4(arp.sender_protocol_addr());
            let at = Mac(arp.sender_hw_addr().try_into().expect("6 bytes"));
            let target = v4(arp.target_protocol_addr());
            match arp.operation().0 {
                1 if sender == target => format!("arp {sender} {at} announced"),
                1 => format!("arp {sender} {at} asks for {target}"),
                _ => format!("arp {sender} is {at} for {target}"),
            }
        }
        (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Icmpv4(icmp))) => {
            let header = ip.header().to_header();
            assert_eq!(header.calc_header_checksum(), header.header_checksum);
            let (src, dst) = (header.source.into(), header.destination.into());
            let (dscp, ttl) = (header.dscp.value(), header.time_to_live);
            assert_eq!((dscp, ttl), (48, 255), "precedence 6 and as far as it takes");
            icmp4(src, dst, icmp, frame.len() - 14)
        }
        (Some(NetSlice::Ipv6(ip)), Some(TransportSlice::Icmpv6(icmp))) => {
            let header = ip.header().to_header();
            assert!(icmp.is_checksum_valid(header.source, header.destination), "checksum");
            assert_eq!(header.hop_limit, 255);
            icmp6(header.source.into(), header.destination.into(), icmp, frame.len() - 14)
        }
        (Some(NetSlice::Ipv4(ip)), _) => {
            let header = ip.header();
            let [src, dst] = [header.source_addr(), header.destination_addr()];
            return format!("{src} > {dst} ttl {} {} bytes", header.ttl(), frame.len());
        }
        (Some(NetSlice::Ipv6(ip)), _) => {
            let header = ip.header();
            let [src, dst] = [header.source_addr(), header.destination_addr()];
            return format!("{src} > {dst} ttl {} {} bytes", header.hop_limit(), frame.len());
        }
        _ => format!("what is {frame:02x?}"),
    };
    format!("{from} > {to} {text}")
}

fn icmp4(src: Ipv4Addr, dst: Ipv4Addr, icmp: &Icmpv4Slice, length: usize) -> String {
    assert_eq!(Sum::default().bytes(icmp.slice()).finish(), 0, "checksum");
    let about = Ip4::parse(icmp.payload()).map(|ip| (ip.src, ip.dst));
    // A long packet is quoted in part, which a parser of packets does not take for one.
    let quoted = icmp.payload();
    let [a, b] = [12, 16].map(|at| Ipv4Addr::from(<[u8; 4]>::try_from(&quoted[at..at + 4]).expect("4 bytes")));
    assert!(about.is_none_or(|about| about == (a, b)));
    let word = match icmp.bytes5to8() {
        [0, 0, 0, 0] => String::new(),
        word if icmp.type_u8() == 5 => format!(" by {}", Ipv4Addr::from(word)),
        word => format!(" {}", u32::from_be_bytes(word)),
    };
    let (kind, code) = (icmp.type_u8(), icmp.code_u8());
    format!("icmp {src} > {dst} {kind}/{code}{word} about {a} > {b}, {length} bytes")
}

fn icmp6(src: Ipv6Addr, dst: Ipv6Addr, icmp: &Icmpv6Slice, length: usize) -> String {
    let (kind, code, body) = (icmp.type_u8(), icmp.code_u8(), icmp.payload());
    let word = u32::from_be_bytes(icmp.bytes5to8());
    let v6 = |at: usize| Ipv6Addr::from(<[u8; 16]>::try_from(&body[at..at + 16]).expect("16 bytes"));
    match kind {
        nd::ROUTER_ADVERT => {
            let [hops, flags, high, low] = icmp.bytes5to8();
            let lifetime = u16::from_be_bytes([high, low]);
            let [reachable, retransmit] =
                [0, 4].map(|at| u32::from_be_bytes(body[at..at + 4].try_into().expect("4 bytes")));
            let text = format!("ra {src} > {dst} hops {hops} flags {flags:02x} lifetime {lifetime}");
            format!("{text} reachable {reachable} retransmit {retransmit}{}", options(&body[8..]))
        }
        nd::NEIGHBOR_SOLICIT => format!("ns {src} > {dst} asks for {}{}", v6(0), options(&body[16..])),
        nd::REDIRECT => {
            format!("redirect {src} > {dst} {} by {}{}, {length} bytes", v6(16), v6(0), options(&body[32..]))
        }
        _ => {
            let word = if word == 0 { String::new() } else { format!(" {word}") };
            format!("icmp6 {src} > {dst} {kind}/{code}{word} about {} > {}, {length} bytes", v6(8), v6(24))
        }
    }
}

fn options(mut bytes: &[u8]) -> String {
    let mut text = String::new();
    let word = |at: usize, bytes: &[u8]| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
    while let [kind, units, ..] = bytes {
        let (option, rest) = bytes.split_at(usize::from(*units) * 8);
        text += &match kind {
            1 => format!(" source {}", Mac(option[2..8].try_into().expect("6 bytes"))),
            2 => format!(" target {}", Mac(option[2..8].try_into().expect("6 bytes"))),
            3 => {
                let prefix = Ipv6Addr::from(<[u8; 16]>::try_from(&option[16..32]).expect("16 bytes"));
                let [valid, preferred] = [4, 8].map(|at| word(at, option));
                format!(" prefix {prefix}/{} {:02x} {valid} {preferred}", option[2], option[3])
            }
            4 => format!(" redirected {}", option.len()),
            5 => format!(" mtu {}", word(4, option)),
            _ => format!(" option {kind}"),
        };
        bytes = rest;
    }
    text
}
