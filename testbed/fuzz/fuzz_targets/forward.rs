//! Any frame with any metadata into a switch with ports of every mode that routes and filters, and out again as each copy
//! would leave; and what is remembered of the decision.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mona_datapath::acl::{Acl, Filters, Flags, Masked, Ports, Rule};
use mona_datapath::fdb::Origin;
use mona_datapath::io::{CsumStart, Gso, GsoKind, Offload};
use mona_datapath::offload::{self, Leaving, MAX_SEGMENTS};
use mona_datapath::fragments::Fragments;
use mona_datapath::hops::{Hop, NextHop, Room};
use mona_datapath::lpm::{Lpm4Writer, Lpm6Writer, Prefix};
use mona_datapath::program::program;
use mona_datapath::routing::{LoadSharing, Options, RouterInterface, Routing, Urpf};
use mona_datapath::snapshot::{Home, Port, Vlan};
use mona_datapath::{Fdb, Recorder, Snapshot};
use mona_wire::checksum::Sum;
use mona_wire::{Eth, Instant, Mac, PortId, VlanId};
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

/// One for each thing that may become of IP options.
static SWITCHES: LazyLock<[Snapshot; 4]> = LazyLock::new(|| {
    let routing = Arc::new(routing());
    let all = [Options::NoSourceRoute, Options::Readable, Options::Ignore, Options::Drop];
    all.map(|options| switch(options, &routing))
});
static LISTS: LazyLock<Option<Arc<Filters>>> = LazyLock::new(lists);
const ROUTER: Mac = Mac([2, 0, 0, 0, 0, 0xff]);
const PORTS: u8 = 11;

/// Ports 1 and 2 are access ports of VLAN 10, 3 and 4 trunks of 10 and 20 (native 10; none), 5 is down, 6 and 7 are the
/// netdevs of both VLANs. Port 8 is a routed one with a sub-interface for tag 100; 9 is its netdev, which the sub-interface
/// has none of. Port 10 is of VLAN 30, whose interface routes IPv6 alone.
fn switch(options: Options, routing: &Arc<Routing>) -> Snapshot {
    let vlan = |vid| VlanId::new(vid).unwrap();
    let inner = |number| VlanId::internal(number).unwrap();
    let set = |ports: &[u16]| ports.iter().copied().map(PortId).collect();
    let fdb = Fdb::with_capacity_and_seed(16, [1, 2]);
    fdb.insert(vlan(10), Mac([2, 0, 0, 0, 0, 1]), PortId(1), Origin::Static).unwrap();
    fdb.insert(vlan(10), Mac([2, 0, 0, 0, 0, 3]), PortId(3), Origin::Dynamic).unwrap();
    let mut snapshot = Snapshot::routing(Arc::new(fdb), Arc::clone(routing));
    snapshot.load_sharing = LoadSharing { ports: true, flow_label: true, seed: 0 };
    let port = |up, untagged, tagged, mtu| {
        let (learning, protected, block_unicast, block_multicast) = (true, mtu < 1500, false, tagged);
        let home = Home::Backplane;
        let (encapsulations, host) = (None, mtu == 8000);
        // The port of 100 bytes filters in, that of 9,000 out.
        let (acl_in, acl_out) = (LISTS.clone().filter(|_| mtu == 100), LISTS.clone().filter(|_| mtu == 9000));
        Some(Port { up, untagged, tagged, encapsulations, host, learning, protected, block_unicast, block_multicast, mtu, acl_in, acl_out, cached: true, home })
    };
    snapshot.ports = vec![
        None,
        port(true, Some(vlan(10)), false, 1500),
        port(true, Some(vlan(10)), false, 100),
        port(true, Some(vlan(10)), true, 1500),
        port(true, None, true, 9000),
        port(false, None, true, 9000),
        port(true, Some(vlan(10)), false, 8000),
        port(true, Some(vlan(20)), false, 8000),
        port(true, Some(inner(0)), false, 1500),
        port(true, Some(inner(0)), false, 8000),
        port(true, Some(vlan(30)), false, 1500),
    ];
    let routed = snapshot.ports[8].as_mut().unwrap();
    routed.encapsulations = Some(Arc::from([(100, inner(1))]));
    routed.learning = false;
    let router = |host: u16, strict| router(host, strict, options);
    let ten = Vlan { learn: set(&[1, 2, 3, 4]), forward: set(&[1, 2, 3, 4, 5, 6]), untagged: set(&[1, 2, 3, 6]), router: router(6, None), ..Vlan::new(vlan(10)) };
    let twenty = Vlan { learn: set(&[]), forward: set(&[3, 4, 7]), untagged: set(&[7]), router: router(7, Some(true)), ..Vlan::new(vlan(20)) };
    snapshot.vlans[10] = Some(Arc::new(ten));
    snapshot.vlans[20] = Some(Arc::new(twenty));
    let six = RouterInterface { routes4: false, redirects: false, options, ..RouterInterface::new(ROUTER, None) };
    let thirty = Vlan { forward: set(&[10]), untagged: set(&[10]), router: Some(Arc::new(six)), ..Vlan::new(vlan(30)) };
    snapshot.vlans[30] = Some(Arc::new(thirty));
    let untagged = Vlan { forward: set(&[8, 9]), untagged: set(&[8, 9]), router: router(9, Some(false)), ..Vlan::new(inner(0)) };
    snapshot.vlans[inner(0).index()] = Some(Arc::new(untagged));
    let four = RouterInterface { routes6: false, mtu4: 68, options, ..RouterInterface::new(ROUTER, None) };
    let tagged = Vlan { forward: set(&[8]), router: Some(Arc::new(four)), ..Vlan::new(inner(1)) };
    snapshot.vlans[inner(1).index()] = Some(Arc::new(tagged));
    snapshot
}

fn router(host: u16, strict: Option<bool>, options: Options) -> Option<Arc<RouterInterface>> {
    let urpf = strict.map(|strict| Urpf { strict, allow_default: true });
    let router = RouterInterface { urpf4: urpf, urpf6: urpf, mtu4: 576, ..RouterInterface::new(ROUTER, Some(PortId(host))) };
    let (acl_in, acl_out) = (LISTS.clone().filter(|_| host == 6), LISTS.clone().filter(|_| host == 7));
    Some(Arc::new(RouterInterface { directed_broadcast: true, strict: host == 7, options, acl_in, acl_out, ..router }))
}

/// Lines that look at every field, of which some permit.
fn lists() -> Option<Arc<Filters>> {
    let ports = |low, high, not| Some(Ports { low, high, not });
    let first = |value, mask| {
        let mut bytes = Masked::<16>::default();
        (bytes.value[0], bytes.mask[0]) = (value, mask);
        bytes
    };
    let rules = |permit: bool| {
        let all = [
            Rule { src: first(10, 0xff), dst: first(0xe0, 0xf0), ..Rule::default() },
            Rule { protocol: Some(6), flags: Some(Flags { set: Flags::ACK | Flags::RST, clear: 0, all: false }), ..Rule::default() },
            Rule { protocol: Some(17), sport: ports(53, 53, false), dport: ports(1024, 65535, true), ..Rule::default() },
            Rule { protocol: Some(1), icmp: Some((8, Some(0))), ..Rule::default() },
            Rule { protocol: Some(58), icmp: Some((135, None)), ..Rule::default() },
            Rule { tos: Masked { value: [0xb8], mask: [0xfc] }, log: true, ..Rule::default() },
            Rule { fragments: true, ..Rule::default() },
            Rule { src: first(0, 1), ..Rule::default() },
        ];
        let rule = |(slot, rule): (usize, Rule)| Rule { permit: permit ^ (slot % 2 == 0), slot: slot as u32, ..rule };
        Arc::new(Acl::compile(all.into_iter().enumerate().map(rule).collect()).unwrap())
    };
    let ethertype = |value: u16, permit| Rule {
        permit,
        ethertype: Masked { value: value.to_be_bytes(), mask: [0xff; 2] },
        ..Rule::default()
    };
    let mac = Acl::compile(vec![ethertype(0x0806, true), ethertype(0x88cc, false), Rule { permit: true, ..Rule::default() }]);
    Filters { ip4: Some(rules(true)), ip6: Some(rules(false)), mac: Some(Arc::new(mac.unwrap())) }.some()
}

/// A way of every kind, by the first three bits of an address; below 32.0.0.0/3 (2000::/3) some that are longer.
fn routing() -> Routing {
    let (mut lpm4, mut lpm6) = (Lpm4Writer::new(64), Lpm6Writer::new(64));
    let routing = Routing::new(lpm4.table().clone(), lpm6.table().clone(), Room::SMALL, 16);
    let (ten, twenty) = (VlanId::new(10).unwrap(), VlanId::new(20).unwrap());
    let gateway: IpAddr = "10.0.0.9".parse().unwrap();
    let (inner, sub) = (VlanId::internal(0).unwrap(), VlanId::internal(1).unwrap());
    let path = |vlan| NextHop { vlan, gateway: Some(gateway), weight: 1 };
    let hops = [
        Hop::gateway(ten, gateway),
        Hop::gateway(twenty, gateway),
        Hop::Via(vec![path(ten), path(twenty)]),
        Hop::connected(twenty),
        Hop::Local,
        Hop::Broadcast(twenty),
        Hop::Drop(mona_datapath::Drop::Reject),
    ];
    for (at, hop) in hops.iter().enumerate() {
        let leaf = routing.hops.enter(hop, at == 0, Instant::default()).unwrap();
        let (length, first) = if at == 0 { (0, 0) } else { (3, at as u8) };
        lpm4.insert(Prefix::new(u32::from(first) << 29, length), leaf).unwrap();
        lpm6.insert(Prefix::new(u128::from(first) << 125, length), leaf).unwrap();
    }
    use mona_datapath::Drop::{Blackhole, Prohibit};
    let longer = [
        (8, Hop::gateway(inner, gateway)),
        (11, Hop::connected(sub)),
        (16, Hop::Via(vec![NextHop { weight: 3, ..path(sub) }, path(VlanId::new(30).unwrap())])),
        (24, Hop::Drop(Blackhole)),
        (27, Hop::Drop(Prohibit)),
        (32, Hop::Local),
    ];
    for (length, hop) in &longer {
        let leaf = routing.hops.enter(hop, false, Instant::default()).unwrap();
        lpm4.insert(Prefix::new(0x2000_0000, *length), leaf).unwrap();
        lpm6.insert(Prefix::new(0x2000 << 112, *length * 4), leaf).unwrap();
    }
    for vlan in [ten, twenty, inner, sub, VlanId::new(30).unwrap()] {
        routing.neighbours.insert(vlan, gateway, Mac([2, 0, 0, 0, 0, 1])).unwrap();
        routing.neighbours.insert(vlan, "96.0.0.1".parse().unwrap(), Mac([2, 0, 0, 0, 0, 3])).unwrap();
        routing.neighbours.insert(vlan, "6000::1".parse().unwrap(), Mac([2, 0, 0, 0, 0, 9])).unwrap();
    }
    routing
}

/// Makes it a frame to the router whose header's checksum is right: chance would take for ever.
fn to_router(frame: &mut [u8]) {
    let Some(eth) = Eth::parse(frame).filter(|_| frame.len() >= 6) else { return };
    frame[..6].copy_from_slice(&ROUTER.0);
    let packet = &mut frame[eth.len()..];
    let header = packet.first().map_or(0, |first| usize::from(first & 0xf) * 4);
    if eth.ethertype == 0x0800 && header >= 12 && header <= packet.len() {
        packet[10..12].copy_from_slice(&[0, 0]);
        let sum = Sum::default().bytes(&packet[..header]).finish();
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((head, bytes)) = input.split_first_chunk::<10>() else { return };
    let mut frame = bytes.to_vec();
    if head[1] & 0x80 != 0 {
        to_router(&mut frame);
    }
    let bytes = &frame[..];
    let word = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let kind = [GsoKind::Tcp4, GsoKind::Tcp6, GsoKind::Udp][usize::from(head[1] % 3)];
    let offload = Offload {
        csum: (head[1] & 0x10 != 0).then_some(CsumStart { start: word(2), offset: word(4) }),
        gso: (head[1] & 0x20 != 0).then_some(Gso { kind, ecn: head[1] & 0x40 != 0, size: word(6), header: word(8) }),
    };
    let rx = PortId(u16::from((head[0] & 0x3f) % PORTS));
    let switch = &SWITCHES[usize::from(head[0] >> 6)];
    let recorder = Recorder::trace(switch, rx, bytes, &offload);
    assert!(recorder.dropped.is_none() != recorder.sends.is_empty(), "sent or dropped, never both nor neither");
    let back = recorder.sends.iter().any(|(port, _)| *port == rx && rx != PortId::SELF);
    assert!(!back || recorder.rewrite.is_some(), "never back, unless it was routed");
    assert!(recorder.sends.is_sorted_by_key(|(port, _)| *port));
    if let Ok(flow) = program(switch, rx, bytes, bytes.len() as u32, &offload, 7) {
        let sent: Vec<_> = recorder.sends.iter().map(|(port, tag)| (*port, tag.map(|tag| tag.vid()))).collect();
        let (mut sent, mut copies) = (sent.clone(), flow.action.copies().collect::<Vec<_>>());
        sent.sort();
        copies.sort();
        assert_eq!(sent, copies, "what is remembered is what was done");
    }
    let mut into = vec![0; bytes.len() + 128];
    let mut rewritten = bytes.to_vec();
    if let Some((_, rewrite)) = recorder.rewrite {
        rewrite.apply(&mut rewritten);
        rewritten.truncate(rewrite.len as usize);
        let eth = Eth::parse(&rewritten).expect("it was one before");
        assert_eq!((eth.src, eth.dst), (ROUTER, rewrite.dst));
        if rewrite.fragment > 0
            && let Some(fragments) = Fragments::of(&rewritten, rewrite.fragment)
        {
            for index in 0..fragments.count() {
                let length = fragments.write(index, &mut into).expect("room for a part of it");
                assert!(length <= eth.len() + usize::from(rewrite.fragment));
                assert_eq!(Sum::default().bytes(&into[eth.len()..][..usize::from(into[eth.len()] & 0xf) * 4]).finish(), 0);
            }
        }
    }
    let bytes = &rewritten[..];
    for (_, tag) in recorder.sends {
        let Ok(leaving) = Leaving::new(bytes, &offload, tag) else { continue };
        assert_eq!(leaving.write(&mut into), Some(leaving.len()));
        let _ = leaving.write_complete(&mut into);
        if let Ok(segments) = leaving.segments() {
            assert!(segments.count() <= MAX_SEGMENTS);
            for index in 0..segments.count() {
                let length = segments.write(index, &mut into).expect("room for a segment of it");
                assert_eq!(length, segments.len(index));
                // What was written is complete: there is nothing left that looks as if it were not.
                let before = into[..length].to_vec();
                offload::complete_if_pseudo(&mut into[..length]);
                assert_eq!(before, into[..length]);
            }
        }
    }
    let mut repaired = bytes.to_vec();
    offload::complete_if_pseudo(&mut repaired);
});
