//! `forward()` against a second, naive statement of what an IPv4 router does (RFC 1812 5): lists of prefixes in the
//! operator's words, addresses asked by their names. Random routers, random packets; what is sent is read by etherparse.

mod world;

use etherparse::Ipv4HeaderSlice;
use mona_datapath::Recorder;
use mona_datapath::io::Offload;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::Ipv4Addr;
use world::{World, line};

const VLANS: [u8; 3] = [10, 20, 30];
const PREFIXES: [&str; 8] = [
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.9.0.0/16",
    "10.9.9.0/24",
    "10.9.9.9/32",
    "169.254.0.0/16",
    "240.0.0.0/8",
    "10.9.128.0/17",
];
/// Sources and destinations.
const ADDRESSES: [&str; 24] = [
    "10.0.10.1",
    "10.0.10.2",
    "10.0.10.9",
    "10.0.10.0",
    "10.0.10.255",
    "10.0.20.1",
    "10.0.20.2",
    "10.0.20.9",
    "10.0.20.255",
    "10.0.30.1",
    "10.0.30.2",
    "10.0.30.255",
    "10.9.9.9",
    "10.9.9.8",
    "10.9.200.1",
    "10.8.1.1",
    "192.0.2.1",
    "169.254.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "127.0.0.1",
    "0.0.0.5",
    "224.0.0.5",
    "239.255.0.1",
];

#[derive(Clone, Debug)]
struct Interface {
    off: bool,
    mtu: usize,
    urpf: Option<&'static str>,
    strict: bool,
    directed: bool,
    redirects: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Way {
    Via(u8),
    Dev(u8),
    Null,
    Reject,
}

#[derive(Clone, Debug)]
struct Router {
    interfaces: Vec<Interface>,
    routes: BTreeMap<&'static str, Way>,
    neighbours: BTreeSet<(u8, &'static str)>,
}

#[derive(Clone, Debug)]
struct Packet {
    port: usize,
    source: &'static str,
    destination: &'static str,
    ttl: u8,
    length: usize,
    df: bool,
    wrong: bool,
}

fn routers() -> impl Strategy<Value = Router> {
    let vlan = || prop::sample::select(VLANS.to_vec());
    let rare = || prop::bool::weighted(0.2);
    let urpf = prop::option::weighted(0.3, prop::sample::select(vec!["strict", "loose", "any"]));
    let interface = (rare(), prop::sample::select(vec![200usize, 1500]), urpf, rare(), rare(), any::<bool>());
    let interface = interface.prop_map(|(off, mtu, urpf, strict, directed, redirects)| Interface {
        off,
        mtu,
        urpf,
        strict,
        directed,
        redirects,
    });
    let way = prop_oneof![vlan().prop_map(Way::Via), vlan().prop_map(Way::Dev), Just(Way::Null), Just(Way::Reject)];
    let routes = prop::collection::btree_map(prop::sample::select(PREFIXES.to_vec()), way, 0..8);
    let neighbours = prop::collection::btree_set((vlan(), prop::sample::select(ADDRESSES.to_vec())), 0..60);
    (prop::collection::vec(interface, 3), routes, neighbours).prop_map(|(interfaces, routes, neighbours)| Router {
        interfaces,
        routes,
        neighbours,
    })
}

fn packets() -> impl Strategy<Value = Vec<Packet>> {
    let address = || prop::sample::select(ADDRESSES.to_vec());
    let ttl = prop::sample::select(vec![0u8, 1, 2, 64, 64, 64, 255]);
    let length = prop::sample::select(vec![46usize, 200, 201, 1500]);
    let one = (0usize..3, address(), address(), ttl, length, any::<bool>(), prop::bool::weighted(0.05));
    let one = one.prop_map(|(port, source, destination, ttl, length, df, wrong)| Packet {
        port,
        source,
        destination,
        ttl,
        length,
        df,
        wrong,
    });
    prop::collection::vec(one, 1..40)
}

fn text(router: &Router) -> String {
    let mut text = "vlan 10 20 30\n".to_string();
    for (at, (vlan, interface)) in VLANS.iter().zip(&router.interfaces).enumerate() {
        let Interface { off, mtu, urpf, strict, directed, redirects } = interface;
        writeln!(text, "p{} access {vlan}\nstation {vlan} a p{}\nstation {vlan} b p{}", at + 1, at + 1, at + 1)
            .unwrap();
        write!(text, "svi {vlan} 10.0.{vlan}.1/24 mtu {mtu}").unwrap();
        for (set, word) in [
            (*off, "off4".to_string()),
            (urpf.is_some(), format!("urpf {}", urpf.unwrap_or_default())),
            (*strict, "martian-strict".into()),
            (*directed, "directed-broadcast".into()),
            (!*redirects, "no-redirects".into()),
        ] {
            if set {
                write!(text, " {word}").unwrap();
            }
        }
        text.push('\n');
    }
    for (prefix, way) in &router.routes {
        match way {
            Way::Via(vlan) => writeln!(text, "route {prefix} via 10.0.{vlan}.9"),
            Way::Dev(vlan) => writeln!(text, "route {prefix} dev {vlan}"),
            Way::Null => writeln!(text, "route {prefix} null0"),
            Way::Reject => writeln!(text, "route {prefix} reject"),
        }
        .unwrap();
    }
    for (vlan, address) in &router.neighbours {
        writeln!(text, "neighbour {vlan} {address} b").unwrap();
    }
    text
}

fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

/// What a route is, to the naive.
#[derive(Clone, Debug)]
enum Found {
    Local,
    Broadcast(u8),
    Way(Way),
}

impl Router {
    fn interface(&self, vlan: u8) -> &Interface {
        &self.interfaces[VLANS.iter().position(|other| *other == vlan).unwrap()]
    }

    /// The longest prefix that the address is in, and its length.
    fn find(&self, address: Ipv4Addr) -> Option<(Found, u32)> {
        let mut all: Vec<(String, Found)> = Vec::new();
        for vlan in VLANS {
            all.push((format!("10.0.{vlan}.0/24"), Found::Way(Way::Dev(vlan))));
            all.push((format!("10.0.{vlan}.1/32"), Found::Local));
            all.push((format!("10.0.{vlan}.0/32"), Found::Broadcast(vlan)));
            all.push((format!("10.0.{vlan}.255/32"), Found::Broadcast(vlan)));
        }
        all.extend(self.routes.iter().map(|(prefix, way)| (prefix.to_string(), Found::Way(way.clone()))));
        let inside = all.into_iter().filter_map(|(prefix, found)| {
            let (network, length) = prefix.split_once('/').unwrap();
            let length: u32 = length.parse().unwrap();
            let bits = |address: Ipv4Addr| format!("{:032b}", address.to_bits())[..length as usize].to_string();
            (bits(address) == bits(ip(network))).then_some((found, length))
        });
        inside.max_by_key(|(_, length)| *length)
    }

    fn says(&self, packet: &Packet) -> String {
        self.drops(packet).unwrap_or_else(|why| format!("drop {why}"))
    }

    fn drops(&self, packet: &Packet) -> Result<String, &'static str> {
        let vlan = VLANS[packet.port];
        let (here, host) = (self.interface(vlan), format!("h{vlan}"));
        let (source, destination) = (ip(packet.source), ip(packet.destination));
        if packet.length > 1500 {
            return Err("frame_too_long");
        }
        if here.off {
            return Ok(host);
        }
        if packet.wrong {
            return Err("ip_header_corrupted");
        }
        let class_e = |address: Ipv4Addr| address.octets()[0] >= 240 && !address.is_broadcast();
        match source {
            s if s.octets()[0] == 0 => return Err("sip_is_unspecified"),
            s if s.is_loopback() => return Err("sip_is_loopback_address"),
            s if s.is_multicast() => return Err("sip_is_mc"),
            s if s.is_broadcast() => return Err("ipv4_sip_is_limited_bc"),
            s if here.strict && (class_e(s) || s.is_link_local()) => return Err("non_routable_packet"),
            _ => {}
        }
        match destination {
            d if d.is_loopback() => return Err("dip_is_loopback_address"),
            d if d.octets()[0] == 0 || d.is_multicast() => return Err("non_routable_packet"),
            d if d.is_broadcast() => return Ok(host),
            d if here.strict && (class_e(d) || d.is_link_local()) => return Err("non_routable_packet"),
            _ => {}
        }
        if let Some(how) = here.urpf {
            let good = match self.find(source) {
                Some((Found::Way(Way::Via(back) | Way::Dev(back)), length)) => {
                    (how != "strict" || back == vlan) && (length > 0 || how == "any")
                }
                Some((Found::Local, _)) => how != "strict",
                _ => false,
            };
            if !good {
                return Err("reverse_path_forwarding");
            }
        }
        let found = self.find(destination).map(|(found, _)| found);
        match found {
            Some(Found::Local) => return Ok(host),
            Some(Found::Broadcast(to)) if to == vlan => return Ok(host),
            _ if packet.ttl <= 1 => return Err("ttl_value_is_too_small"),
            _ => {}
        }
        let (out, next, everybody) = match found {
            None => return Err("ipv4_lpm_miss"),
            Some(Found::Way(Way::Null)) => return Err("blackhole_route"),
            Some(Found::Way(Way::Reject)) => return Err("reject_route"),
            Some(Found::Way(Way::Via(out))) => (out, Ipv4Addr::new(10, 0, out, 9), false),
            Some(Found::Way(Way::Dev(out))) => (out, destination, false),
            Some(Found::Broadcast(out)) => (out, destination, true),
            Some(Found::Local) => unreachable!(),
        };
        let there = self.interface(out);
        if there.off {
            return Err("erif_disabled");
        }
        if everybody && !there.directed {
            return Err("directed_broadcast");
        }
        let large = packet.length > there.mtu;
        if large && packet.df {
            return Err("mtu_value_is_too_small");
        }
        if !everybody && !self.neighbours.iter().any(|(at, who)| *at == out && ip(who) == next) {
            return Err("unresolved_neigh");
        }
        let port = VLANS.iter().position(|other| *other == out).unwrap() + 1;
        let mut said = format!("p{port} r>{} ttl {}", if everybody { "*" } else { "b" }, packet.ttl - 1);
        if large {
            write!(said, " cut {}", there.mtu).unwrap();
        }
        if out == vlan && here.redirects {
            said += " told redirect";
        }
        Ok(said)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn forward_is_the_router(router in routers(), packets in packets()) {
        let world = World::new(&text(&router));
        for packet in &packets {
            let Packet { port, source, destination, ttl, length, df, wrong } = packet;
            let mut said = format!("p{} a>r {source}>{destination} ttl {ttl} len {length}", port + 1);
            said += if *df { " df" } else { "" };
            said += if *wrong { " byte 11 0 byte 10 0" } else { "" };
            let frame = line(&said);
            let is_wrong = Ipv4HeaderSlice::from_slice(&frame.bytes[14..])
                .map_or(true, |header| header.header_checksum() != header.to_header().calc_header_checksum());
            let expect = router.says(&Packet { wrong: is_wrong, ..packet.clone() });
            prop_assert_eq!(world.run(&frame), expect, "{}\n{}", said, text(&router));
            let recorder = Recorder::trace(&world.snapshot, frame.rx, &frame.bytes, &Offload::default());
            if let Some((_, rewrite)) = recorder.rewrite {
                let (mut after, before) = (frame.bytes.clone(), &frame.bytes);
                rewrite.apply(&mut after);
                let headers = [before, &after].map(|bytes| Ipv4HeaderSlice::from_slice(&bytes[14..]).unwrap().to_header());
                prop_assert_eq!(headers[1].header_checksum, headers[1].calc_header_checksum());
                prop_assert_eq!(headers[1].time_to_live, headers[0].time_to_live - 1);
                prop_assert_eq!((headers[1].source, headers[1].destination), (headers[0].source, headers[0].destination));
                prop_assert_eq!(&after[34..], &before[34..]);
            }
        }
    }
}
