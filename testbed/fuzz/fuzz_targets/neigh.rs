//! Any frames, trapped for any reason or heard, time passing in between: neighbours' tables stay within their bounds, the
//! datapath is told exactly what they hold, and what is sent is sound.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mona_proto::neigh::{Address, Config, In, Interface, Limits, Neigh, Out, Ra, RaPrefix, Routed, Trap};
use mona_wire::checksum::Sum;
use mona_wire::ip4::Ip4;
use mona_wire::ip6::Ip6;
use mona_wire::{Eth, Instant, Mac, PortId, VlanId, arp, eth, icmp};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

const HOST4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 10, 5));
const HOST6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x10, 0, 0, 0, 0, 5));
const ROUTER6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xfe));

fuzz_target!(|input: &[u8]| {
    let vlan = VlanId::new(10).unwrap();
    let (mut neigh, mut now, mut known) = (Neigh::default(), Instant::default(), BTreeMap::new());
    let mut rest = input;
    let mut config = config(vlan);
    neigh.configure(now, &config, &mut Vec::new());
    // Each turn: what happens, how long the frame is, the frame.
    while let [what, length, after @ ..] = rest {
        let (bytes, after) = after.split_at(after.len().min(usize::from(*length)));
        rest = after;
        let mut frame = bytes.to_vec();
        if what & 0x80 != 0 {
            mend(&mut frame);
        }
        let mut out = Vec::new();
        let mut step = |input| neigh.input(now, input, &|ip| Some(routed(vlan, ip)), &mut out);
        match what & 0x1f {
            0..=9 => step(In::Heard { vlan, frame: &frame }),
            10 => step(In::Used(&[(vlan, HOST4), (vlan, HOST6)])),
            11 => step(In::LinkDown(vlan)),
            12 => step(In::Clear { six: length & 1 != 0, vlan: None, ip: None }),
            13 => {
                let interface = config.interfaces.get_mut(&vlan).unwrap();
                interface.up = length & 1 != 0;
                interface.ra.as_mut().unwrap().suppress = length & 2 != 0;
                neigh.configure(now, &config, &mut out);
            }
            14..=16 => {
                now = now + Duration::from_millis(u64::from(*length) * [7, 100, 2000][usize::from(what & 0x1f) - 14]);
                neigh.expire(now, &mut out);
                assert!(neigh.deadline().is_none_or(|next| next > now), "a deadline stays behind");
            }
            why => step(In::Trap { vlan, port: PortId(1), why: trap(vlan, why), frame: &frame }),
        }
        out.iter().for_each(|out| told(out, &mut known));
        let rows = neigh.entries(now);
        let forwards = rows.iter().filter(|row| row.state.is_some_and(|state| state.forwards()));
        assert_eq!(forwards.map(|row| (row.ip, row.mac.unwrap())).collect::<BTreeMap<_, _>>(), known);
        let waiting = rows.iter().filter(|row| row.state.is_some_and(|state| !state.forwards())).count();
        assert!(waiting <= 4 && known.len() <= 8 && neigh.held_bytes() <= 1000);
    }
});

fn config(vlan: VlanId) -> Config {
    let own = Address { ip: "2001:db8:10::1".parse().unwrap(), length: 64 };
    let interface = Interface {
        name: "Vlan10".into(),
        up: true,
        mac: Mac([2, 0, 0, 0, 0, 10]),
        v4: vec![Address { ip: Ipv4Addr::new(10, 0, 10, 1), length: 24 }],
        v6: vec![own],
        link_local: Some("fe80::1".parse().unwrap()),
        ra: Some(Ra { prefixes: vec![RaPrefix::of(own)], ..Ra::default() }),
        ..Interface::default()
    };
    let limits = Limits { neighbours: 8, unresolved: 4, queue_frames: 3, held_bytes: 1000, ..Limits::default() };
    Config { interfaces: [(vlan, interface)].into(), limits }
}

/// Some are right behind the interface without an address of its own, all others behind another.
fn routed(vlan: VlanId, ip: IpAddr) -> Routed {
    match ip {
        IpAddr::V4(ip) if ip.octets().starts_with(&[10, 0, 99]) => Routed { vlan, direct: true },
        _ => Routed { vlan: VlanId::new(20).unwrap(), direct: false },
    }
}

fn trap(vlan: VlanId, why: u8) -> Trap {
    match why {
        17 => Trap::Unresolved { vlan, next_hop: HOST4 },
        18 => Trap::Unresolved { vlan, next_hop: HOST6 },
        19 => Trap::Unresolved { vlan, next_hop: ROUTER6 },
        20 => Trap::TtlExceeded,
        21 => Trap::NoRoute,
        22 => Trap::Rejected,
        23 => Trap::Prohibited,
        24 => Trap::SourcePolicy,
        25 => Trap::BeyondScope,
        26 => Trap::TooBig { mtu: 1280 },
        27 => Trap::Redirect { next_hop: HOST4 },
        28 => Trap::Redirect { next_hop: ROUTER6 },
        why => Trap::ParameterProblem { pointer: u16::from(why) },
    }
}

fn told(out: &Out, known: &mut BTreeMap<IpAddr, Mac>) {
    match out {
        Out::Add { ip, mac, .. } => {
            assert!(!mac.is_group() && *mac != Mac::ZERO);
            known.insert(*ip, *mac);
        }
        Out::Remove { ip, .. } => assert!(known.remove(ip).is_some()),
        Out::Send { frame, .. } | Out::Route { frame, .. } => sound(frame),
        Out::Again { .. } | Out::Log { .. } => {}
    }
}

fn sound(frame: &[u8]) {
    let header = Eth::parse(frame).unwrap();
    let packet = &frame[header.len()..];
    assert!(!header.src.is_group());
    match header.ethertype {
        arp::ETHERTYPE => assert!(arp::Arp::parse(packet).is_some()),
        eth::IPV4 => {
            let ip = Ip4::parse(packet).unwrap();
            assert!(packet.len() <= 576 && usize::from(ip.length) == packet.len());
            assert_eq!(Sum::default().bytes(&packet[ip.header..]).finish(), 0);
        }
        eth::IPV6 => {
            let ip = Ip6::parse(packet).unwrap();
            assert!(packet.len() <= 1280 && ip.total() == packet.len());
            assert_eq!(icmp::sum6(ip.src, ip.dst, &packet[40..]).finish(), 0);
        }
        other => panic!("{other:04x}"),
    }
}

/// Makes lengths and checksums right, which chance would not.
fn mend(frame: &mut [u8]) {
    let Some(packet) = frame.get_mut(14..) else { return };
    let length = packet.len() as u16;
    if packet.len() >= 20 && packet[0] >> 4 == 4 {
        let header = (usize::from(packet[0] & 0xf) * 4).clamp(20, packet.len());
        packet[2..4].copy_from_slice(&length.to_be_bytes());
        packet[10..12].fill(0);
        let checksum = Sum::default().bytes(&packet[..header]).finish();
        packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    } else if packet.len() >= 44 && packet[0] >> 4 == 6 {
        packet[4..6].copy_from_slice(&(length - 40).to_be_bytes());
        packet[42..44].fill(0);
        let sum = Sum::default().pseudo(&packet[8..40], usize::from(length) - 40, 58).bytes(&packet[40..]);
        packet[42..44].copy_from_slice(&sum.finish().to_be_bytes());
    }
}
