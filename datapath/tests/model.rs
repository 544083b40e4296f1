//! `forward()` against a second, naive statement of what a VLAN bridge does: lists of words instead of sets of bits, the
//! operator's words (access, trunk, native) instead of what they are compiled to. Random switches, random frames.

mod world;

use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write;
use world::{World, line};

#[derive(Clone, Debug)]
struct Port {
    /// `None`: an access port.
    allowed: Option<Vec<u16>>,
    native: u16,
    tagged_only: bool,
    up: bool,
    learning: bool,
    protected: bool,
    block_unicast: bool,
    block_multicast: bool,
    mtu: usize,
}

#[derive(Clone, Debug)]
struct Frame {
    rx: usize,
    tag: Option<(u16, u16)>,
    src: &'static str,
    dst: &'static str,
    payload: usize,
}

const VLANS: [u16; 3] = [1, 10, 4094];

fn ports() -> impl Strategy<Value = Vec<Port>> {
    let vid = prop::sample::select(vec![1u16, 10, 4094, 7]);
    let flags = prop::array::uniform6(prop::bool::weighted(0.2));
    let one = (
        prop::option::of(prop::collection::vec(vid.clone(), 1..4)),
        vid,
        flags,
        prop::sample::select(vec![100usize, 1500]),
    );
    let one = one.prop_map(|(allowed, native, flags, mtu)| Port {
        tagged_only: flags[0] && allowed.is_some(),
        allowed,
        native,
        up: !flags[1],
        learning: !flags[2],
        protected: flags[3],
        block_unicast: flags[4],
        block_multicast: flags[5],
        mtu,
    });
    prop::collection::vec(one, 1..7)
}

fn frames() -> impl Strategy<Value = Vec<Frame>> {
    let vid = prop::sample::select(vec![0u16, 1, 10, 4094, 7, 99, 4095]);
    let src = prop::sample::select(vec!["a", "b", "c", "s", "g", "0000.0000.0000"]);
    let dst = prop::sample::select(vec!["a", "b", "c", "s", "g", "*", "0180.c200.0003", "0180.c200.0010"]);
    let one = (1usize..8, prop::option::of((vid, 0u16..8)), src, dst, prop::sample::select(vec![46usize, 101, 1501]));
    let one = one.prop_map(|(rx, tag, src, dst, payload)| Frame { rx, tag, src, dst, payload });
    prop::collection::vec(one, 1..40)
}

/// VLAN 7 does not exist; a station `s` is configured on the first port in VLAN 10.
fn text(ports: &[Port]) -> String {
    let mut text = "vlan 1 10 4094\n station 10 s p1 static\n".to_string();
    for (index, port) in ports.iter().enumerate() {
        write!(text, "p{} ", index + 1).unwrap();
        match &port.allowed {
            None => write!(text, "access {}", port.native).unwrap(),
            Some(list) => {
                let list: Vec<String> = list.iter().map(u16::to_string).collect();
                write!(text, "trunk {} native {}", list.join(","), port.native).unwrap();
            }
        }
        for (word, set) in [
            ("tagged-only", port.tagged_only),
            ("down", !port.up),
            ("no-learning", !port.learning),
            ("protected", port.protected),
            ("block-unicast", port.block_unicast),
            ("block-multicast", port.block_multicast),
        ] {
            if set {
                write!(text, " {word}").unwrap();
            }
        }
        writeln!(text, " mtu {}", port.mtu).unwrap();
    }
    text
}

impl Port {
    fn carries(&self, vid: u16) -> bool {
        VLANS.contains(&vid) && self.allowed.as_ref().map_or(vid == self.native, |list| list.contains(&vid))
    }
}

/// Who is where: (VLAN, station) → (port, is it configured?)
type Stations = BTreeMap<(u16, &'static str), (usize, bool)>;

fn model(ports: &[Port], stations: &mut Stations, frame: &Frame) -> String {
    let Some(rx) = ports.get(frame.rx - 1).filter(|port| port.up) else { return "drop port_down".into() };
    match frame.src {
        "g" => return "drop source_mac_is_multicast".into(),
        "0000.0000.0000" => return "drop source_mac_is_zero".into(),
        _ if frame.payload > rx.mtu => return "drop frame_too_long".into(),
        _ => {}
    }
    let pcp = frame.tag.map_or(0, |tag| tag.1);
    let with = |port: usize, vid: Option<u16>| match vid {
        None => format!("p{port}"),
        Some(vid) if pcp == 0 => format!("p{port}:{vid}"),
        Some(vid) => format!("p{port}:{vid}/{pcp}"),
    };
    if frame.dst == "0180.c200.0003" {
        return with(0, frame.tag.map(|tag| tag.0));
    }
    let vid = match frame.tag {
        Some((4095, _)) => return "drop vlan_reserved".into(),
        Some((vid, _)) if vid != 0 && rx.allowed.is_none() => return "drop vlan_tag_mismatch".into(),
        Some((vid, _)) if vid != 0 => vid,
        _ if rx.tagged_only => return "drop vlan_tag_mismatch".into(),
        _ => rx.native,
    };
    if !rx.carries(vid) {
        return "drop ingress_vlan_filter".into();
    }
    let station = stations.get(&(vid, frame.src)).copied();
    let learn = rx.learning && !station.is_some_and(|(port, fixed)| fixed || port == frame.rx);
    let to = stations.get(&(vid, frame.dst)).copied();
    let to = if learn && frame.dst == frame.src { station } else { to };
    let group = ["g", "*", "0180.c200.0010"].contains(&frame.dst);
    let why = |to: usize, flood: bool| {
        let port = &ports[to - 1];
        match () {
            _ if !port.up || !port.carries(vid) => Some("egress_vlan_filter"),
            _ if rx.protected && port.protected => Some("port_isolation"),
            _ if flood && !group && port.block_unicast => Some("unknown_unicast_blocked"),
            _ if flood && group && frame.dst != "*" && port.block_multicast => Some("unknown_multicast_blocked"),
            _ if frame.payload > port.mtu => Some("frame_too_long"),
            _ => None,
        }
    };
    let out = |to: usize| {
        let port = &ports[to - 1];
        with(to, (vid != port.native || port.tagged_only).then_some(vid))
    };
    let mut said = match to {
        Some((to, _)) if to == frame.rx => "drop port_loopback_filter".to_string(),
        Some((to, _)) => why(to, false).map_or_else(|| out(to), |why| format!("drop {why}")),
        None => {
            let members: Vec<usize> = (1..=ports.len())
                .filter(|to| *to != frame.rx && ports[to - 1].up && ports[to - 1].carries(vid))
                .collect();
            let copies: Vec<String> =
                members.iter().filter(|to| why(**to, true).is_none()).map(|to| out(*to)).collect();
            let mut reasons: Vec<_> = members.iter().filter_map(|to| why(*to, true)).collect();
            reasons.dedup();
            match (&copies[..], &reasons[..]) {
                ([], [one]) => format!("drop {one}"),
                ([], _) => "drop tx_list_is_empty".into(),
                _ => copies.join(" "),
            }
        }
    };
    if learn {
        stations.insert((vid, frame.src), (frame.rx, false));
        write!(said, " learn {vid} {}", frame.src).unwrap();
    }
    said
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn forward_is_the_model(ports in ports(), frames in frames()) {
        let world = World::new(&text(&ports));
        let mut stations = Stations::from([((10, "s"), (1, true))]);
        for frame in &frames {
            let tag = frame.tag.map_or(String::new(), |(vid, pcp)| format!("{vid}/{pcp} "));
            let said = format!("p{} {tag}{}>{} {}", frame.rx, frame.src, frame.dst, frame.payload);
            let expect = model(&ports, &mut stations, frame);
            prop_assert_eq!(world.run(&line(&said)), expect, "{}\n{}", said, text(&ports));
        }
    }
}
