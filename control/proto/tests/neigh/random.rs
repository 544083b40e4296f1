//! Whatever comes in, in whatever order: nothing panics, nothing grows beyond its bound, the datapath's table is the
//! machine's, no frame is made that a stranger would not take, and no deadline stays behind.

use crate::frames::{describe, ethernet};
use crate::world::{World, routes};
use mona_proto::neigh::{In, Out, Trap};
use mona_wire::checksum::Sum;
use mona_wire::{Mac, PortId, VlanId, nd};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeMap;

/// A line of a script: a form, with words put in for the letters in it.
fn line() -> impl Strategy<Value = String> {
    let forms = select(vec![
        "trap V unresolved V N4 S4 N4 len=L",
        "trap V unresolved V N4 S4 N4 len=L",
        "trap V unresolved V N6 S6 N6 len=L",
        "trap V unresolved V N6 S6 N6 len=L",
        "trap V ttl S4 N4",
        "trap V noroute S6 N6 len=L",
        "trap V toobig 1400 S6 N6 len=L",
        "trap V redirect N4 S4 N4",
        "trap V redirect N6 S6 N6",
        "arp V request N4 M 10.0.20.1",
        "arp V request N4 M 10.0.10.1",
        "arp V request N4 M N4",
        "arp V reply N4 M 10.0.20.1",
        "arp V gratuitous N4 M",
        "ns V N6 2001:db8:20::1 M",
        "ns V N6 fe80::1 M",
        "ns V :: 2001:db8:10::1 -",
        "na V N6 M F",
        "na V N6 - F dst=ff02::1",
        "rs V N6 M",
        "rs V :: -",
        "used V N4",
        "used V N6",
        "used V N4",
        "used V N6",
        "known V N4 M",
        "known V N6 M",
        "linkdown V",
        "clear 4 V",
        "clear 6 V N6",
        "set V up on",
        "set V up off",
        "set V address 10.0.10.1/24 10.0.20.1/24 2001:db8:20::1/64 2001:db8:10::1/64",
        "set V address 10.0.20.3/28 2001:db8:20::3/120",
        "set V address",
        "set V arp-timeout 7",
        "set V arp-timeout 0",
        "set V expire 40",
        "set V proxy-arp on",
        "set V static N4 M",
        "set V static N6 M",
        "set V static N4",
        "set V ra on",
        "set V ra off",
        "set V ra suppress",
        "set V ra interval 3 4",
        "set V link-local fe80::7",
        "set V link-local",
        "remove V",
        "limit unresolved U",
        "limit neighbours U",
        "limit total U",
        "limit frames U",
        "limit held 2000",
        "limit bytes 1200",
        "limit requests U",
        "+0.3",
        "+1",
        "+1",
        "+2.5",
        "+11",
        "+100",
    ]);
    let n4 = select(vec!["10.0.20.5", "10.0.20.6", "10.0.10.5", "10.0.20.3", "203.0.113.7", "10.0.20.255", "0.0.0.0"]);
    let n6 = select(vec!["2001:db8:20::5", "2001:db8:20::6", "2001:db8:20::3", "fe80::5", "fe80::7", "2001:db8:77::5"]);
    let mac = select(vec!["0200.0000.0205", "0200.0000.0206", "0300.0000.0001", "0000.0000.0000", "0200.0000.0014"]);
    let flags = select(vec!["00", "20", "40", "60", "80", "e0"]);
    let vid = select(vec!["10", "20", "20", "30"]);
    (forms, n4, n6, mac, flags, (vid, 0usize..900, 0usize..4)).prop_map(
        |(form, n4, n6, mac, flags, (vid, length, bound))| {
            let word = |word: &str| match word {
                "V" => vid.into(),
                "N4" => n4.into(),
                "S4" => "10.0.10.9".into(),
                "N6" => n6.into(),
                "S6" => "2001:db8:10::9".into(),
                "M" => mac.into(),
                "F" => flags.into(),
                "U" => bound.to_string(),
                "len=L" => format!("len={length}"),
                other => other.to_string(),
            };
            form.split(' ').map(word).collect::<Vec<String>>().join(" ")
        },
    )
}

/// What the datapath was told, line by line, is what the machine knows.
#[derive(Default)]
struct Datapath(BTreeMap<(String, String), String>);

impl Datapath {
    fn told(&mut self, line: &str, outs: &[String]) {
        for out in outs {
            let words: Vec<&str> = out.split(' ').collect();
            let words = if line.starts_with('+') { &words[1..] } else { &words };
            match words {
                ["add", vlan, ip, mac] => drop(self.0.insert((vlan.to_string(), ip.to_string()), mac.to_string())),
                ["remove", vlan, ip] => {
                    let known = self.0.remove(&(vlan.to_string(), ip.to_string()));
                    assert!(known.is_some(), "{out}: it was not there");
                }
                _ => {}
            }
        }
    }

    fn check(&self, world: &World) {
        let rows = world.neigh.entries(world.now);
        let limits = &world.config.limits;
        let known = rows.iter().filter(|row| row.state.is_some_and(|state| state.forwards()));
        let known =
            known.map(|row| ((row.vlan.to_string(), row.ip.to_string()), row.mac.expect("it forwards").to_string()));
        assert_eq!(known.collect::<BTreeMap<_, _>>(), self.0);
        assert!(world.neigh.held_bytes() <= limits.held_bytes.max(8 << 20));
        for vlan in world.config.interfaces.keys() {
            let of = |forwards| {
                let dynamic = |row: &&mona_proto::neigh::Neighbour| row.vlan == *vlan && row.age.is_some();
                rows.iter()
                    .filter(dynamic)
                    .filter(|row| row.state.is_some_and(|state| state.forwards() == forwards))
                    .count()
            };
            // A bound that was lowered holds for who comes from then on: see the test of bounds.
            assert!(of(false) <= 256 && of(true) <= 16_384);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_datapath_knows_what_the_machine_knows(script in vec(line(), 0..60)) {
        let mut world = World::new();
        let mut datapath = Datapath::default();
        for line in &script {
            let outs = world.line(line);
            datapath.told(line, &outs);
            datapath.check(&world);
        }
        // Nobody waits for ever.
        let rest = world.line("+20000");
        datapath.told("+20000", &rest);
        datapath.check(&world);
        let waits = world.neigh.entries(world.now).into_iter().any(|row| row.state.is_some_and(|state| !state.forwards()));
        prop_assert!(!waits && world.neigh.held_bytes() == 0);
        for vlan in ["10", "20", "30"] {
            let line = format!("remove {vlan}");
            let outs = world.line(&line);
            datapath.told(&line, &outs);
        }
        prop_assert_eq!((datapath.0.len(), world.neigh.held_bytes(), world.neigh.deadline()), (0, 0, None));
    }

    #[test]
    fn the_same_inputs_do_the_same(script in vec(line(), 0..40)) {
        let run = || {
            let mut world = World::new();
            script.iter().flat_map(|line| world.line(line)).collect::<Vec<String>>()
        };
        prop_assert_eq!(run(), run());
    }

    #[test]
    fn bounds_hold_however_many_come(
        hosts in vec((any::<[u8; 2]>(), any::<bool>(), 0usize..300), 1..300),
        (unresolved, neighbours, frames, held) in (1usize..9, 1usize..9, 1usize..4, 300usize..2000),
    ) {
        let mut world = World::new();
        for (what, value) in [("unresolved", unresolved), ("neighbours", neighbours), ("frames", frames), ("held", held)] {
            world.line(&format!("limit {what} {value}"));
        }
        world.line("set 20 address 10.20.0.1/16");
        for ([a, b], asks, length) in hosts {
            match asks {
                true => world.line(&format!("arp 20 request 10.20.{a}.{b} 0200.0000.0205 10.20.0.1")),
                false => world.line(&format!("trap 10 unresolved 20 10.20.{a}.{b} 10.0.10.9 10.20.{a}.{b} len={length}")),
            };
            let rows = world.neigh.entries(world.now);
            let count = |forwards| rows.iter().filter(|row| row.state.is_some_and(|s| s.forwards() == forwards)).count();
            prop_assert!(count(false) <= unresolved, "{} of {unresolved} unresolved", count(false));
            prop_assert!(count(true) <= neighbours, "{} of {neighbours} known", count(true));
            prop_assert!(world.neigh.held_bytes() <= held);
        }
    }

    #[test]
    fn any_bytes(frames in vec((0u8..16, any::<bool>(), frame()), 1..20)) {
        let mut world = World::new();
        for line in ["set 10 ra on", "set 10 proxy-arp on", "trap 10 unresolved 10 10.0.10.5 10.0.10.9 10.0.10.5"] {
            world.line(line);
        }
        let vlan = VlanId::new(10).expect("a VLAN");
        for (why, heard, frame) in &frames {
            let mut out = Vec::new();
            let input = match heard {
                true => In::Heard { vlan, frame },
                false => In::Trap { vlan, port: PortId(1), why: trap(*why, vlan), frame },
            };
            world.neigh.input(world.now, input, &routes, &mut out);
            for out in &out {
                if let Out::Send { frame, .. } | Out::Route { frame, .. } = out {
                    let text = describe(frame);
                    prop_assert!(!text.contains("malformed") && !text.contains("what is"), "{text}");
                }
            }
        }
        world.line("+1000");
    }
}

fn trap(number: u8, vlan: VlanId) -> Trap {
    let next_hop = |text: &str| text.parse().expect("an address");
    match number {
        0 => Trap::Unresolved { vlan, next_hop: next_hop("10.0.10.5") },
        1 => Trap::Unresolved { vlan, next_hop: next_hop("fe80::5") },
        2 => Trap::TtlExceeded,
        3 => Trap::NoRoute,
        4 => Trap::Rejected,
        5 => Trap::Prohibited,
        6 => Trap::SourcePolicy,
        7 => Trap::BeyondScope,
        8 => Trap::TooBig { mtu: 1280 },
        9 => Trap::Redirect { next_hop: next_hop("10.0.10.254") },
        10 => Trap::Redirect { next_hop: next_hop("fe80::fe") },
        number => Trap::ParameterProblem { pointer: u16::from(number) * 30 },
    }
}

/// Mostly a frame that was one: ARP, IPv4, IPv6 or ND, with some bytes changed, and cut or longer.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let world = || {
        let lines = [
            "10.0.10.9 10.0.20.5 len=40",
            "2001:db8:10::9 2001:db8:20::5 proto=58 len=40",
            "10.0.10.9 10.0.20.5 options=94040000",
        ];
        let packet = |line: &&str| crate::frames::packet(&crate::frames::Words::new(line), crate::world::router(10));
        let mut frames: Vec<Vec<u8>> = lines.iter().map(packet).collect();
        let arp = hex("0001080006040001020000000205 0a000a05 000000000000 0a000a01");
        frames.push(ethernet(Mac::BROADCAST, Mac([2, 0, 0, 0, 2, 5]), 0x0806, &arp));
        let six: std::net::Ipv6Addr = "fe80::5".parse().expect("an address");
        let own = "fe80::1".parse().expect("an address");
        let (mac, router) = (Mac([2, 0, 0, 0, 2, 5]), crate::world::router(10));
        let solicit = nd::neighbor_solicit(six, own, own, mac);
        frames.push(crate::frames::nd_frame(six, own, mac, router, 255, &solicit));
        let solicit = nd::router_solicit(six, nd::ALL_ROUTERS, Some(mac));
        frames.push(crate::frames::nd_frame(six, nd::ALL_ROUTERS, mac, nd::group_mac(nd::ALL_ROUTERS), 255, &solicit));
        let mut tagged = frames[0].clone();
        tagged.splice(12..12, [0x81, 0, 0, 0]);
        frames.push(tagged);
        frames
    };
    let changed = (0..7usize, vec((0usize..100, any::<u8>()), 0..4), 0usize..120, any::<bool>()).prop_map(
        move |(which, changes, length, whole)| {
            let mut frame = world()[which].clone();
            for (at, byte) in changes {
                let at = at % frame.len();
                frame[at] = byte;
            }
            frame.truncate(length.max(14));
            if whole {
                mend(&mut frame);
            }
            frame
        },
    );
    prop_oneof![4 => changed, 1 => vec(any::<u8>(), 0..100)]
}

/// Makes lengths and checksums right, so that what was changed is looked at.
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

fn hex(text: &str) -> Vec<u8> {
    crate::frames::hex(&text.replace(' ', ""))
}
