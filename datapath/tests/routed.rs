//! Real workers with ports in memory that route: rewritten across threads, cut, counted, shown to control, policed.

use mona_datapath::Drop;
use mona_datapath::fdb::Origin;
use mona_datapath::hops::{Hop, Room};
use mona_datapath::io::mem::{MemFrame, MemHost};
use mona_datapath::io::{CsumStart, Gso, GsoKind, Offload};
use mona_datapath::lpm::{Lpm4Writer, Lpm6Writer, Prefix};
use mona_datapath::out::Told;
use mona_datapath::routing::{RouterInterface, Routing};
use mona_datapath::snapshot::{Home, Port, Snapshot, Vlan};
use mona_datapath::stats::RouterCounters;
use mona_datapath::switching::{Datapath, Options, Report};
use mona_wire::checksum::Sum;
use mona_wire::{Instant, Mac, PortId, VlanId};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

const ROUTER: Mac = Mac([2, 0, 0, 0, 0, 0xff]);

/// Hosts 1 in VLAN 10 and 2 in VLAN 20, at a worker each, with addresses 10.0.10.1 and 10.0.20.2; port 3 is the netdev of
/// VLAN 10, port 4 that of VLAN 20. The router is 10.0.10.254. VLAN 20 takes packets of 1,400 bytes.
struct World {
    datapath: Datapath,
    hosts: Vec<MemHost>,
}

fn vlan(number: u16) -> VlanId {
    VlanId::new(number).unwrap()
}

fn mac(host: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, host])
}

impl World {
    fn new(name: &str) -> World {
        let options = Options { workers: 2, stations: 64, name: name.into() };
        let mut datapath = Datapath::start_in_memory(options).unwrap();
        let opened: Vec<_> = (1..=4).map(|port| datapath.open_in_memory(PortId(port)).unwrap()).collect();
        let homes: Vec<Home> = opened.iter().map(|(opened, _)| opened.home.unwrap()).collect();
        assert_eq!(homes[..2], [Home::Worker(0), Home::Worker(1)]);
        let (mut lpm4, lpm6) = (Lpm4Writer::new(16), Lpm6Writer::new(1));
        let routing = Routing::new(lpm4.table().clone(), lpm6.table().clone(), Room::SMALL, 16);
        let mut route = |address: [u8; 4], length, hop: &Hop| {
            let leaf = routing.hops.enter(hop, false, Instant::default()).unwrap();
            lpm4.insert(Prefix::new(Ipv4Addr::from(address).to_bits(), length), leaf).unwrap();
        };
        route([10, 0, 10, 0], 24, &Hop::connected(vlan(10)));
        route([10, 0, 20, 0], 24, &Hop::connected(vlan(20)));
        route([10, 0, 10, 254], 32, &Hop::Local);
        routing.neighbours.insert(vlan(10), Ipv4Addr::new(10, 0, 10, 1).into(), mac(1)).unwrap();
        routing.neighbours.insert(vlan(20), Ipv4Addr::new(10, 0, 20, 2).into(), mac(2)).unwrap();
        let mut snapshot = Snapshot::routing(Arc::clone(datapath.fdb()), Arc::new(routing));
        snapshot.number = 1;
        snapshot.ports.push(None);
        for (at, home) in homes.into_iter().enumerate() {
            snapshot.ports.push(Some(Port {
                host: at >= 2,
                learning: false,
                block_unicast: at >= 2,
                mtu: 9000,
                ..Port::new(vlan([10, 20][at % 2]), home)
            }));
        }
        for (number, port, host) in [(10, 1, 3), (20, 2, 4)] {
            let both: mona_datapath::snapshot::PortSet = [PortId(port), PortId(host)].into_iter().collect();
            let mtu4 = if number == 20 { 1400 } else { 9000 };
            let router = RouterInterface { mtu4, ..RouterInterface::new(ROUTER, Some(PortId(host))) };
            let id = vlan(number);
            let members = Vlan { forward: both.clone(), untagged: both, router: Some(router.into()), ..Vlan::new(id) };
            snapshot.vlans[id.index()] = Some(members.into());
            datapath.fdb().insert(id, mac(port as u8), PortId(port), Origin::Static).unwrap();
            datapath.fdb().insert(id, ROUTER, PortId(host), Origin::Static).unwrap();
        }
        datapath.publish(Arc::new(snapshot));
        datapath.synchronise();
        World { datapath, hosts: opened.into_iter().map(|(_, host)| host).collect() }
    }

    fn send(&mut self, from: usize, bytes: Vec<u8>, offload: Offload) {
        let frame = MemFrame { bytes, offload };
        until("the ring has room", || self.hosts[from - 1].send(frame.clone()).then_some(()));
    }

    fn receive(&mut self, at: usize) -> MemFrame {
        until("a frame arrives", || self.hosts[at - 1].receive())
    }

    /// The next exceptions, as many as are wanted.
    fn told(&mut self, count: usize) -> Vec<(PortId, VlanId, Told, Vec<u8>)> {
        let mut told = Vec::new();
        until("control is told", || {
            let mut reports = Vec::new();
            self.datapath.reports(100, &mut reports);
            for report in reports {
                let Report::Exception { port, vlan, why, frame } = report else { panic!("{report:?}") };
                told.push((port, vlan, why, frame));
            }
            (told.len() >= count).then_some(())
        });
        told
    }
}

fn until<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let end = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(it) = ready() {
            return it;
        }
        assert!(std::time::Instant::now() < end, "in vain: {what}");
        std::thread::yield_now();
    }
}

/// A packet of UDP from 10.0.10.1 with `length` bytes of data, numbered.
fn packet(to: [u8; 4], length: usize, ttl: u8, df: bool, number: u32) -> Vec<u8> {
    let mut header = vec![0x45, 0, 0, 0, 0xab, 0xcd, if df { 0x40 } else { 0 }, 0, ttl, 17, 0, 0, 10, 0, 10, 1];
    header.extend(to);
    header[2..4].copy_from_slice(&((28 + length) as u16).to_be_bytes());
    let sum = Sum::default().bytes(&header).finish();
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    let udp = [0x13, 0x88, 0x13, 0x89, ((8 + length) >> 8) as u8, (8 + length) as u8, 0, 0];
    let mut data: Vec<u8> = (0..length).map(|at| at as u8).collect();
    data.splice(..4.min(length), number.to_be_bytes().into_iter().take(length));
    [&ROUTER.0[..], &mac(1).0, &[8, 0], &header, &udp, &data].concat()
}

#[test]
fn packets_are_rewritten_and_cross_between_workers_in_order() {
    const COUNT: u32 = 20_000;
    let mut world = World::new("routed");
    let (mut sent, mut got) = (0, 0);
    until("all packets have arrived", || {
        while sent < COUNT && sent < got + 200 {
            world.send(1, packet([10, 0, 20, 2], 100, 64, true, sent), Offload::default());
            sent += 1;
        }
        while let Some(frame) = world.hosts[1].receive() {
            assert_eq!(frame.bytes[..12], [mac(2).0, ROUTER.0].concat());
            assert_eq!((frame.bytes[22], Sum::default().bytes(&frame.bytes[14..34]).finish()), (63, 0));
            assert_eq!(frame.bytes[26..42], packet([10, 0, 20, 2], 100, 64, true, 0)[26..42]);
            assert_eq!(frame.bytes[42..46], got.to_be_bytes());
            got += 1;
        }
        (got == COUNT).then_some(())
    });
    let count = u64::from(COUNT);
    let counted = |number| world.datapath.router_counters(vlan(number));
    let none = RouterCounters::default();
    until("all is counted", || (counted(20).out4 == count).then_some(()));
    let (inward, outward, bytes) = (counted(10), counted(20), count * 142);
    assert_eq!(inward, RouterCounters { in4: count, in_bytes: bytes, last_in: inward.last_in, ..none });
    assert_eq!(outward, RouterCounters { out4: count, out_bytes: bytes, last_out: outward.last_out, ..none });
    assert!(inward.last_in > 0 && outward.last_out > 0);
    let port = world.datapath.port_counters(PortId(1));
    assert_eq!((port.rx_frames, port.rx_bytes), (count, count * 142), "as it came in");
    assert_eq!(port.drops.iter().sum::<u64>(), 0);
}

#[test]
fn what_is_too_large_is_cut_or_told() {
    let mut world = World::new("cut");
    let whole = packet([10, 0, 20, 2], 4000, 64, false, 7);
    world.send(1, whole.clone(), Offload::default());
    let mut data = Vec::new();
    for offset in [0, 1376, 2752] {
        let frame = world.receive(2).bytes;
        assert_eq!(Sum::default().bytes(&frame[14..34]).finish(), 0);
        assert_eq!(u16::from_be_bytes([frame[20], frame[21]]), (offset / 8) | if offset < 2752 { 0x2000 } else { 0 });
        assert!(frame.len() <= 1414);
        data.extend_from_slice(&frame[34..]);
    }
    assert_eq!(data, whole[34..]);
    let must_stay = packet([10, 0, 20, 2], 1373, 64, true, 8);
    world.send(1, must_stay.clone(), Offload::default());
    let why = Told::Dropped(Drop::Mtu);
    assert_eq!(world.told(1), [(PortId(1), vlan(10), why, must_stay)], "as it came in");
    // A fragment that ends beyond what a packet can be long: its own would have no offsets.
    let mut beyond = packet([10, 0, 20, 2], 4000, 64, false, 10);
    beyond[20..22].copy_from_slice(&0x1fffu16.to_be_bytes());
    beyond[24..26].copy_from_slice(&[0, 0]);
    let sum = Sum::default().bytes(&beyond[14..34]).finish();
    beyond[24..26].copy_from_slice(&sum.to_be_bytes());
    world.send(1, beyond, Offload::default());
    // Tells that those before were not sent.
    world.send(1, packet([10, 0, 20, 2], 1372, 64, true, 9), Offload::default());
    assert_eq!(world.receive(2).bytes[42..46], 9u32.to_be_bytes());
    until("it is counted", || {
        (world.datapath.port_counters(PortId(1)).dropped(Drop::Unfragmentable) == 1).then_some(())
    });
}

/// TCP with segments of `mss` bytes, its checksum left to the device.
fn super_frame(length: usize, mss: u16) -> (Vec<u8>, Offload) {
    let mut bytes = packet([10, 0, 20, 2], length + 12, 64, true, 0);
    bytes[23] = 6;
    bytes[46] = 0x50;
    bytes[24..26].copy_from_slice(&[0, 0]);
    let sum = Sum::default().bytes(&bytes[14..34]).finish();
    bytes[24..26].copy_from_slice(&sum.to_be_bytes());
    let pseudo = Sum::default().pseudo(&bytes[26..34], bytes.len() - 34, 6).folded();
    bytes[50..52].copy_from_slice(&pseudo.to_be_bytes());
    let gso = Gso { kind: GsoKind::Tcp4, ecn: false, size: mss, header: 54 };
    (bytes, Offload { csum: Some(CsumStart { start: 34, offset: 16 }), gso: Some(gso) })
}

#[test]
fn a_super_frame_is_as_large_as_its_segments() {
    let mut world = World::new("super");
    let (bytes, offload) = super_frame(13_600, 1360);
    world.send(1, bytes.clone(), offload);
    let got = world.receive(2);
    assert_eq!((got.offload, got.bytes.len(), got.bytes[22]), (offload, bytes.len(), 63), "whole");
    assert_eq!(got.bytes[34..], bytes[34..]);
    until("its segments are counted", || (world.datapath.router_counters(vlan(20)).out4 == 10).then_some(()));
    // One byte more in each segment; control gets the first, complete, to quote and to measure.
    let (bytes, offload) = super_frame(13_610, 1361);
    world.send(1, bytes, offload);
    let (port, id, why, first) = world.told(1).remove(0);
    assert_eq!((port, id, why), (PortId(1), vlan(10), Told::Dropped(Drop::Mtu)));
    assert_eq!((first.len(), u16::from_be_bytes([first[16], first[17]])), (14 + 1401, 1401));
    let pseudo = Sum::default().pseudo(&first[26..34], first.len() - 34, 6);
    assert_eq!(pseudo.bytes(&first[34..]).finish(), 0, "its checksum is complete");
}

#[test]
fn control_is_shown_what_it_must_answer() {
    let mut world = World::new("told");
    let arp = [&[0xff; 6][..], &mac(1).0, &[8, 6], &[0; 46]].concat();
    let dead = packet([10, 0, 20, 2], 40, 1, false, 1);
    let unresolved = packet([10, 0, 20, 9], 40, 64, false, 2);
    let nowhere = packet([192, 0, 2, 1], 40, 64, false, 3);
    for frame in [&arp, &dead, &unresolved, &nowhere] {
        world.send(1, frame.clone(), Offload::default());
    }
    let told = world.told(4);
    let why: Vec<_> = told.iter().map(|(_, _, why, frame)| (*why, frame)).collect();
    let dropped = Told::Dropped;
    let expect = [
        (Told::Neighbour, &arp),
        (dropped(Drop::Ttl), &dead),
        (dropped(Drop::Unresolved), &unresolved),
        (dropped(Drop::LpmMiss4), &nowhere),
    ];
    assert_eq!(why, expect);
    assert_eq!(world.receive(3).bytes, arp, "Linux got it too");
}

#[test]
fn a_flood_at_the_router_is_policed_and_costs_no_arp() {
    let mut world = World::new("police");
    let flood = packet([10, 0, 10, 254], 40, 64, false, 0);
    let arp = [&ROUTER.0[..], &mac(1).0, &[8, 6], &[0; 46]].concat();
    let mut got = 0;
    // Far more than comes at once, in far less than the time in which it may.
    for round in 0..40 {
        for _ in 0..1000 {
            world.send(1, flood.clone(), Offload::default());
        }
        world.send(1, arp.clone(), Offload::default());
        until("the ARP request arrives", || {
            let frame = world.hosts[2].receive()?;
            got += 1;
            (frame.bytes == arp).then_some(())
        });
        assert!(got > round);
    }
    let port = world.datapath.port_counters(PortId(1));
    assert_eq!(got + port.dropped(Drop::HostPoliced) as usize, 40 * 1001, "what did not come was counted");
}
