//! Random switches with routes of several paths and access lists, and random frames for them.

use crate::world::{World, mac, port, vlan};
use mona_datapath::acl::{Acl, Filters, Flags, Masked, Ports, Rule};
use mona_wire::checksum::Sum;
use proptest::prelude::*;
use std::fmt::Write;
use std::sync::Arc;

/// The last has no router.
pub const VLANS: [u16; 4] = [10, 20, 30, 40];
const FOUR: [&str; 8] =
    ["10.0.10.2", "10.0.10.3", "10.0.20.2", "10.0.20.3", "10.0.30.2", "10.9.1.1", "10.9.1.2", "169.254.1.1"];
const SIX: [&str; 6] =
    ["2001:db8:10::2", "2001:db8:20::2", "2001:db8:20::3", "2001:db8:9::1", "2001:db8:9::2", "fe80::1"];

#[derive(Clone, Debug)]
pub struct Packet {
    pub rx: u8,
    pub tag: Option<(u16, u16)>,
    pub src: usize,
    pub dst: usize,
    pub ethertype: u16,
    pub addresses: (usize, usize),
    pub protocol: u8,
    pub ports: (u16, u16),
    pub flags: u8,
    pub tos: u8,
    pub ttl: u8,
    pub length: usize,
    pub fragment: u16,
    pub label: u16,
    pub options: bool,
    pub wrong: bool,
    pub pad: usize,
}

pub fn packet() -> impl Strategy<Value = Packet> {
    let often = |often: u16, seldom: Vec<u16>| prop_oneof![4 => Just(often), 1 => prop::sample::select(seldom)];
    let ethertype = prop::sample::select(vec![0x0800, 0x0800, 0x0800, 0x86dd, 0x86dd, 0x88b5, 0x0806, 0x0100]);
    let outer = (
        prop_oneof![4 => Just(1u8), 1 => 1u8..5],
        prop::option::weighted(0.2, (prop::sample::select(vec![0u16, 10, 20, 30, 40, 40, 7]), 0u16..8)),
        prop::option::weighted(0.2, 0usize..4),
        prop_oneof![3 => Just(4usize), 3 => 0usize..8],
        ethertype,
    );
    let inner = (
        (0usize..8, 0usize..8),
        prop::sample::select(vec![6u8, 6, 17, 17, 1, 58, 47, 132, 0, 44]),
        (often(5, vec![6, 80]), often(80, vec![7, 443, 2000])),
        prop::sample::select(vec![Flags::ACK, Flags::SYN, Flags::ACK | Flags::SYN]),
        prop_oneof![4 => Just(0u8), 1 => prop::sample::select(vec![4u8, 0xb8])],
    );
    let rest = (
        prop_oneof![6 => Just(64u8), 1 => 0u8..3],
        prop::sample::select(vec![40usize, 60, 100, 100, 201, 1500, 1501]),
        often(0, vec![0x4000, 0x2000, 1, 0x8000]),
        any::<u16>(),
        prop::bool::weighted(0.05),
        prop::bool::weighted(0.05),
        prop_oneof![4 => Just(0usize), 2 => Just(6), 1 => prop::sample::select(vec![2, 7, 9])],
    );
    (outer, inner, rest).prop_map(|((rx, tag, src, dst, ethertype), inner, rest)| {
        // Mostly from where the station is.
        let src = src.unwrap_or(usize::from(rx) - 1);
        let (addresses, protocol, ports, flags, tos) = inner;
        let (ttl, length, fragment, label, options, wrong, pad) = rest;
        Packet {
            rx,
            tag,
            src,
            dst,
            ethertype,
            addresses,
            protocol,
            ports,
            flags,
            tos,
            ttl,
            length,
            fragment,
            label,
            options,
            wrong,
            pad,
        }
    })
}

/// The first with some fields of the second.
pub fn mixed(one: &Packet, other: &Packet, which: u32) -> Packet {
    let mut mixed = one.clone();
    let mut take = which;
    macro_rules! fields {
        ($($field:ident)*) => {$(
            if take & 1 != 0 {
                mixed.$field = other.$field.clone();
            }
            take >>= 1;
        )*};
    }
    fields!(addresses protocol ports flags tos ttl length fragment label options wrong pad tag ethertype src dst rx);
    let _ = take;
    mixed
}

impl Packet {
    pub fn bytes(&self) -> Vec<u8> {
        let station = |at: usize| mac(["a", "b", "c", "d", "r", "*", "g", "y"][at]).0;
        let mut bytes = [station(self.dst), station(self.src)].concat();
        if let Some((vid, pcp)) = self.tag {
            bytes.extend([0x81, 0]);
            bytes.extend((pcp << 13 | vid).to_be_bytes());
        }
        bytes.extend(self.ethertype.to_be_bytes());
        let header = match self.ethertype {
            0x0800 => self.four(),
            0x86dd => self.six(),
            _ => vec![self.tos; 20],
        };
        let end = bytes.len() + self.length.max(header.len() + 20);
        bytes.extend(header);
        let mut upper = vec![0; 20];
        upper[..2].copy_from_slice(&self.ports.0.to_be_bytes());
        upper[2..4].copy_from_slice(&self.ports.1.to_be_bytes());
        upper[13] = self.flags;
        bytes.extend(upper);
        bytes.resize(end + self.pad, 0);
        bytes
    }

    fn four(&self) -> Vec<u8> {
        let header = if self.options { 24 } else { 20 };
        let mut four = vec![0u8; header];
        four[0] = 0x40 | (header / 4) as u8;
        four[1] = self.tos;
        four[2..4].copy_from_slice(&(self.length.max(header + 20) as u16).to_be_bytes());
        four[4..6].copy_from_slice(&self.label.to_be_bytes());
        four[6..8].copy_from_slice(&self.fragment.to_be_bytes());
        (four[8], four[9]) = (self.ttl, self.protocol);
        for (at, which) in [(12, self.addresses.0), (16, self.addresses.1)] {
            let address: std::net::Ipv4Addr = FOUR[which % FOUR.len()].parse().unwrap();
            four[at..at + 4].copy_from_slice(&address.octets());
        }
        let sum = Sum::default().bytes(&four).finish() ^ u16::from(self.wrong);
        four[10..12].copy_from_slice(&sum.to_be_bytes());
        four
    }

    fn six(&self) -> Vec<u8> {
        let mut six = vec![0u8; 40];
        six[..4].copy_from_slice(&(6 << 28 | u32::from(self.tos) << 20 | u32::from(self.label)).to_be_bytes());
        six[4..6].copy_from_slice(&(self.length.max(60) as u16 - 40).to_be_bytes());
        (six[6], six[7]) = (self.protocol, self.ttl);
        for (at, which) in [(8, self.addresses.0), (24, self.addresses.1)] {
            let address: std::net::Ipv6Addr = SIX[which % SIX.len()].parse().unwrap();
            six[at..at + 16].copy_from_slice(&address.octets());
        }
        six
    }
}

#[derive(Clone, Debug)]
pub struct Switch {
    pub text: String,
    pub lists: [Option<Vec<Rule>>; 4],
    pub ports: bool,
    pub label: bool,
}

pub fn rule() -> impl Strategy<Value = Rule> {
    let port = || prop::option::weighted(0.3, prop::sample::select(vec![5u16, 80, 443]));
    let flags = Flags { set: Flags::ACK, clear: 0, all: true };
    (
        prop::bool::weighted(0.9),
        prop::option::weighted(0.6, prop::sample::select(vec![6u8, 6, 17, 1])),
        (port(), port()),
        prop::option::weighted(0.3, Just(flags)),
        prop::option::weighted(0.3, Just(0xb8u8)),
        prop::option::weighted(0.3, 0usize..8),
        prop::bool::weighted(0.05),
        prop::bool::weighted(0.05),
    )
        .prop_map(|(permit, protocol, (sport, dport), flags, tos, src, log, fragments)| {
            let only = |port: u16| Ports { low: port, high: port, not: false };
            let src = src.map(|at| FOUR[at].parse::<std::net::Ipv4Addr>().unwrap().octets());
            let tcp = protocol == Some(6);
            let ported = matches!(protocol, Some(6 | 17));
            Rule {
                permit,
                log,
                protocol,
                sport: sport.map(only).filter(|_| ported && !fragments),
                dport: dport.map(only).filter(|_| ported && !fragments),
                flags: flags.filter(|_| tcp && !fragments),
                tos: tos.map_or(Masked::default(), |tos| Masked::new(&[tos], &[0xfc])),
                src: src.map_or(Masked::default(), |src| Masked::new(&src, &[255; 4])),
                icmp: (protocol == Some(1) && !fragments).then_some((0, None)),
                fragments,
                ..Rule::default()
            }
        })
}

pub fn switches() -> impl Strategy<Value = Switch> {
    let vlan = || prop::sample::select(VLANS.to_vec());
    let rare = || prop::bool::weighted(0.15);
    let ports = prop::collection::vec((prop::option::weighted(0.25, vlan()), vlan(), [(); 4].map(|()| rare())), 4);
    let stations = prop::collection::vec((vlan(), 0usize..4, 1u8..5, rare()), 0..5);
    let svi = (prop::option::weighted(0.2, Just(200u16)), prop::option::weighted(0.2, any::<bool>()), rare(), rare());
    let svis = prop::collection::vec(svi, 3);
    let paths = prop::collection::vec(prop::sample::select(vec!["10.0.20.2", "10.0.20.3*2", "10.0.30.2"]), 1..4);
    let paths6 = prop::collection::vec(prop::sample::select(vec!["2001:db8:20::2", "2001:db8:20::3"]), 1..3);
    let lists = prop::array::uniform4(prop::option::weighted(0.3, prop::collection::vec(rule(), 1..5)));
    let sharing = (any::<bool>(), rare());
    (ports, stations, svis, (paths, paths6), lists, sharing).prop_map(
        |(ports, stations, svis, (paths, paths6), lists, (by_ports, label))| {
            let mut text = "vlan 10 20 30 40\n".to_string();
            for (at, (native, other, [protected, no_learning, small, block])) in ports.iter().enumerate() {
                let how = match native {
                    None => format!("access {}", [10, 20, 10, *other][at]),
                    Some(native) => format!("trunk 10,20,40,{other} native {native}"),
                };
                let words = [
                    (*protected, "protected"),
                    (*no_learning, "no-learning"),
                    (*small, "mtu 200"),
                    (*block, "block-unicast"),
                ];
                let words: Vec<_> = words.iter().filter(|(on, _)| *on).map(|(_, word)| *word).collect();
                writeln!(text, "p{} {how} {}", at + 1, words.join(" ")).unwrap();
            }
            for (vlan, mtu_urpf) in VLANS.iter().zip(&svis) {
                let (mtu, urpf, strict, redirects) = mtu_urpf;
                write!(text, "svi {vlan} 10.0.{vlan}.1/24 2001:db8:{vlan}::1/64").unwrap();
                write!(text, "{}", mtu.map_or(String::new(), |mtu| format!(" mtu {mtu}"))).unwrap();
                let urpf = urpf.map_or("", |strict| if strict { " urpf strict" } else { " urpf loose" });
                write!(text, "{urpf}{}", if *strict { " martian-strict" } else { "" }).unwrap();
                writeln!(text, "{}", if *redirects { "" } else { " no-redirects" }).unwrap();
                for last in [2, 3] {
                    let station = ["a", "b"][last - 2];
                    writeln!(text, "neighbour {vlan} 10.0.{vlan}.{last} {station}").unwrap();
                    writeln!(text, "neighbour {vlan} 2001:db8:{vlan}::{last} {station}").unwrap();
                }
            }
            let mut known = std::collections::BTreeSet::new();
            let usual =
                [(10, 0, 1), (20, 1, 2), (10, 2, 3), (30, 3, 4), (10, 3, 4), (20, 0, 4), (30, 1, 3), (40, 0, 1)];
            let usual = usual.into_iter().map(|(vlan, station, port)| (vlan, station, port, false));
            for (vlan, station, port, fixed) in stations.into_iter().chain(usual) {
                if known.insert((vlan, station)) {
                    let station = ["a", "b", "c", "d"][station];
                    writeln!(text, "station {vlan} {station} p{port}{}", if fixed { " static" } else { "" }).unwrap();
                }
            }
            let distinct = |paths: Vec<&'static str>| {
                paths.into_iter().collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" ")
            };
            writeln!(text, "route 10.9.0.0/16 via {}", distinct(paths)).unwrap();
            writeln!(text, "route 2001:db8:9::/48 via {}", distinct(paths6)).unwrap();
            Switch { text, lists, ports: by_ports, label }
        },
    )
}

pub fn world(switch: &Switch) -> World {
    let mut world = World::new(&switch.text);
    world.snapshot.load_sharing.ports = switch.ports;
    world.snapshot.load_sharing.flow_label = switch.label;
    let mut lists = switch.lists.iter().enumerate().map(|(list, rules)| {
        let slot = |line: usize| (list * 100 + line) as u32;
        let rules = rules.as_ref()?.iter().enumerate();
        let rules: Vec<Rule> = rules.map(|(line, rule)| Rule { slot: slot(line), ..*rule }).collect();
        let mac =
            Acl::compile(vec![Rule { permit: true, slot: slot(90), tos: Masked::new(&[0], &[1]), ..Rule::default() }]);
        let ip4 = Some(Arc::new(Acl::compile(rules).unwrap()));
        Filters { ip4, mac: mac.ok().map(Arc::new), ..Filters::default() }.some()
    });
    let mut next = || lists.next().expect("four lists");
    world.snapshot.ports[port("p1").index()].as_mut().unwrap().acl_in = next();
    world.snapshot.ports[port("p2").index()].as_mut().unwrap().acl_out = next();
    for (vid, inwards) in [("10", true), ("20", false)] {
        let segment = world.snapshot.vlans[vlan(vid).index()].as_mut().unwrap();
        let router = Arc::make_mut(Arc::make_mut(segment).router.as_mut().unwrap());
        *(if inwards { &mut router.acl_in } else { &mut router.acl_out }) = next();
    }
    world
}
