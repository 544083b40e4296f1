//! A switch in a few lines of text, and a frame in one: what the recorder tables are written in.
//!
//! ```text
//! vlan 10 20                      p1 a>b           untagged from a to b, arriving on p1
//! vlan 30 no-learning             p1 10/5 a>b      tagged with VID 10, PCP 5
//! p1 access 10                    p1 a>*           broadcast; a>g an IPv4 group; a>0180.c200.0000 any address
//! p2 trunk 10,20 native 10        p1 a>b 1501      with so many bytes of payload
//! p3 trunk 10,20 protected down
//! station 10 b p2 static          => p2 p3:10/5 learn 10 a      or: => drop ingress_vlan_filter
//! ```
//!
//! What makes a switch a router is in `router.rs`. Port options: `tagged-only`, `protected`, `block-unicast`, `block-multicast`, `no-learning`, `down`, `mtu N`.
#![allow(dead_code)]

pub mod router;

use mona_datapath::fdb::Origin;
use mona_datapath::io::{Offload, RxFrame};
use mona_datapath::out::Told;
use mona_datapath::snapshot::{Home, Port, Vlan};
use mona_datapath::{Batch, Fdb, Recorder, Snapshot};
use mona_wire::{Mac, PortId, Tci, VlanId};
use std::sync::Arc;

pub struct World {
    pub snapshot: Snapshot,
    pub router: router::Router,
    vlans: Vec<Vlan>,
}

/// A frame as a line says it.
pub struct Line {
    pub rx: PortId,
    pub bytes: Vec<u8>,
}

pub fn vlan(vid: &str) -> VlanId {
    VlanId::numbered(vid.parse().unwrap()).unwrap()
}

pub fn port(name: &str) -> PortId {
    match name.strip_prefix('h') {
        Some(vid) => PortId(router::SVI + vid.parse::<u16>().unwrap()),
        None => PortId(name.strip_prefix('p').unwrap().parse().unwrap()),
    }
}

/// `a`…`z` are stations, `*` everybody, `g` a group; or an address.
pub fn mac(name: &str) -> Mac {
    match name.as_bytes() {
        b"*" => Mac::BROADCAST,
        b"g" => Mac([0x01, 0x00, 0x5e, 0x00, 0x00, 0x01]),
        [letter @ b'a'..=b'z'] => Mac([2, 0, 0, 0, 0, *letter]),
        _ => name.parse().unwrap_or_else(|why| panic!("{name}: {why}")),
    }
}

pub fn name(mac: Mac) -> String {
    match mac.0 {
        [2, 0, 0, 0, 0, letter @ b'a'..=b'z'] => char::from(letter).to_string(),
        _ => mac.to_string(),
    }
}

impl World {
    pub fn new(text: &str) -> World {
        let fdb = Arc::new(Fdb::with_capacity_and_seed(1000, [3, 5]));
        let mut world = World {
            snapshot: Snapshot::empty(fdb),
            router: Default::default(),
            vlans: (0..4096).map(|vid| Vlan::new(VlanId::new(vid).unwrap_or(VlanId::DEFAULT))).collect(),
        };
        world.snapshot.number = 1;
        let mut exist = vec![false; 4096];
        let mut no_learning = vec![false; 4096];
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[0] {
                "vlan" => {
                    for vid in words[1..].iter().filter(|word| **word != "no-learning") {
                        exist[vlan(vid).index()] = true;
                        no_learning[vlan(vid).index()] = words.contains(&"no-learning");
                    }
                }
                "station" => {
                    let origin = if words.get(4) == Some(&"static") { Origin::Static } else { Origin::Dynamic };
                    world.snapshot.fdb.insert(vlan(words[1]), mac(words[2]), port(words[3]), origin).unwrap();
                }
                _ if world.router.line(&words) => {}
                _ => world.port_line(&words),
            }
        }
        for vid in 1..4095 {
            if no_learning[vid] {
                world.vlans[vid].learn = Default::default();
            }
            if exist[vid] {
                world.snapshot.vlans[vid] = Some(Arc::new(world.vlans[vid].clone()));
            }
        }
        world.router.finish(&mut world.snapshot);
        world
    }

    fn port_line(&mut self, words: &[&str]) {
        let id = port(words[0]);
        let after = |word: &str| words.iter().position(|at| *at == word).map(|at| words[at + 1]);
        let has = |word: &str| words.contains(&word);
        let (untagged, allowed): (Option<VlanId>, Vec<VlanId>) = match words[1] {
            "no-switchport" => (None, Vec::new()),
            "access" => (Some(vlan(words[2])), vec![vlan(words[2])]),
            "trunk" => (after("native").map(vlan), words[2].split(',').map(vlan).collect()),
            other => panic!("{other}: access or trunk"),
        };
        for allowed in allowed {
            let sets = &mut self.vlans[allowed.index()];
            sets.forward.insert(id);
            sets.learn.insert(id);
            if untagged == Some(allowed) && !has("tagged-only") {
                sets.untagged.insert(id);
            }
        }
        let port = Port {
            up: !has("down"),
            untagged: untagged.filter(|_| !has("tagged-only")),
            tagged: words[1] == "trunk",
            encapsulations: None,
            host: false,
            learning: !has("no-learning"),
            protected: has("protected"),
            block_unicast: has("block-unicast"),
            block_multicast: has("block-multicast"),
            mtu: after("mtu").map_or(1500, |mtu| mtu.parse().unwrap()),
            acl_in: None,
            acl_out: None,
            cached: true,
            home: Home::Backplane,
        };
        let ports = &mut self.snapshot.ports;
        ports.resize(ports.len().max(id.index() + 1), None);
        ports[id.index()] = Some(port);
    }

    /// Decides a frame both ways, which must agree; control's part is played by entering what is reported.
    pub fn run(&self, line: &Line) -> String {
        let recorder = Recorder::trace(&self.snapshot, line.rx, &line.bytes, &Offload::default());
        let mut batch = Batch::default();
        let frame = RxFrame::fixed(line.rx, line.bytes.clone().leak(), Offload::default());
        assert_eq!(batch.decide(&self.snapshot, &[frame]), 1);
        let sent: Vec<_> = batch.sends.iter().map(|send| (send.port, send.tag)).collect();
        assert_eq!(sent, recorder.sends, "a batch sends what a recorder explains");
        assert_eq!(batch.seen.first(), recorder.seen.as_ref());
        assert_eq!(batch.dropped.first().map(|dropped| dropped.1), recorder.dropped);
        assert_eq!(batch.admitted.first().map(|admitted| admitted.1), recorder.vlan);
        let told: Vec<_> = batch.told.iter().map(|told| (told.1, told.2)).collect();
        let expect: Vec<_> = recorder.told.iter().map(|why| (recorder.vlan.unwrap_or(VlanId::DEFAULT), *why)).collect();
        assert_eq!(told, expect);
        let routed = batch.routed.first().map(|routed| (routed.from, routed.to, routed.rewrite));
        assert_eq!(routed, recorder.rewrite.map(|(to, rewrite)| (recorder.vlan.unwrap(), to, rewrite)));
        assert!(batch.sends.iter().all(|send| routed.map_or(0, |routed| routed.2.fragment) == send.fragment));
        if let Some(seen) = recorder.seen {
            self.snapshot.fdb.insert(seen.vlan, seen.mac, seen.port, Origin::Dynamic).unwrap();
        }
        print_frame(&recorder, &line.bytes)
    }
}

pub fn line(text: &str) -> Line {
    let words: Vec<&str> = text.split_whitespace().collect();
    let way = words.iter().position(|word| word.contains('>')).expect("from>to");
    let (src, dst) = words[way].split_once('>').unwrap();
    let mut bytes = [mac(dst).0, mac(src).0].concat();
    if way == 2 {
        let (vid, pcp) = words[1].split_once('/').unwrap_or((words[1], "0"));
        bytes.extend([0x81, 0x00]);
        bytes.extend((pcp.parse::<u16>().unwrap() << 13 | vid.parse::<u16>().unwrap()).to_be_bytes());
    }
    if words.get(way + 1).is_some_and(|word| *word == "arp" || word.contains('>')) {
        bytes.extend(router::packet(&words[way + 1..]));
        return Line { rx: port(words[0]), bytes };
    }
    bytes.extend([0x88, 0xb5]);
    let payload = words.get(way + 1).map_or(46, |size| size.parse().unwrap());
    bytes.resize(bytes.len() + payload, 0);
    Line { rx: port(words[0]), bytes }
}

/// `p2 p3:10/5 learn 10 a`, or `drop why`, of a frame that is not routed.
pub fn print(recorder: &Recorder) -> String {
    print_frame(recorder, &[])
}

fn print_frame(recorder: &Recorder, bytes: &[u8]) -> String {
    let mut words: Vec<String> = recorder.sends.iter().map(|(port, tag)| router::copy(*port, *tag)).collect();
    if !recorder.sends.is_empty() {
        words.extend(router::rewritten(recorder, bytes));
    }
    words.extend(recorder.told.iter().filter_map(|told| match told {
        Told::Neighbour => Some("told neighbour".to_string()),
        Told::Redirect => Some("told redirect".to_string()),
        // Of a reason that not always is; the others are by themselves.
        Told::Dropped(why) if !why.is_told() => Some("told".to_string()),
        Told::Dropped(_) | Told::Listed { .. } => None,
    }));
    if let Some(why) = recorder.dropped {
        words.push(format!("drop {}", why.name()));
    }
    if let Some(seen) = recorder.seen {
        words.push(format!("learn {} {}", seen.vlan, name(seen.mac)));
    }
    words.join(" ")
}

fn print_tag(tag: Tci) -> String {
    match tag.pcp() {
        0 => tag.vid().to_string(),
        pcp => format!("{}/{pcp}", tag.vid()),
    }
}

/// Runs the frames of a script, one after the other: `frame => what becomes of it`.
pub fn check(world: &str, script: &str) {
    let world = World::new(world);
    for (frame, expect) in script.lines().filter_map(|line| line.split_once("=>")) {
        assert_eq!(world.run(&line(frame.trim())), expect.trim(), "{}", frame.trim());
    }
}
