//! What is replayed is what `forward()` would do with the frame at that moment: random switches that change, random frames,
//! over real netdevs (root). `MONA_REPLAY_SECONDS` says for how long, `MONA_REPLAY_SEED` where to begin.

mod random;
mod rig;
mod space;
mod world;

use mona_datapath::fdb::Origin;
use mona_datapath::flow::{Dep, Flow};
use mona_datapath::io::Offload;
use mona_datapath::program::program;
use mona_datapath::uncached::Uncached;
use mona_datapath::{Recorder, Seen};
use mona_wire::{Eth, PortId};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use random::{Packet, Switch, VLANS, mixed, packet, switches, world};
use rig::{Fate, Kind, Rig, alone, expected};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use world::{Line, World, mac, port, vlan};

/// What happens.
#[derive(Clone, Debug)]
enum Step {
    /// A frame: the n-th with some fields of another.
    Frame(usize, Packet, u32),
    /// Control inserts what was decided, some time ago.
    Insert,
    /// The switch becomes this one in one thing.
    Change(Box<Switch>, u32),
    /// Nothing for a while.
    Fold,
}

fn steps() -> impl Strategy<Value = (Switch, Vec<Packet>, Vec<Step>)> {
    let step = prop_oneof![
        40 => (0usize..6, packet(), prop_oneof![3 => Just(0u32), 1 => (0u32..18, 0u32..18).prop_map(|(a, b)| 1 << a | 1 << b)])
            .prop_map(|(which, other, mix)| Step::Frame(which, other, mix)),
        20 => Just(Step::Insert),
        3 => (switches(), any::<u32>()).prop_map(|(other, what)| Step::Change(Box::new(other), what)),
        1 => Just(Step::Fold),
    ];
    (switches(), prop::collection::vec(packet(), 100), prop::collection::vec(step, 100..200))
}

/// The switch with one thing of the other.
fn changed(switch: &Switch, other: &Switch, what: u32) -> Switch {
    let mut changed = switch.clone();
    match what % 8 {
        0 => changed.lists[what as usize / 8 % 4] = other.lists[what as usize / 8 % 4].clone(),
        1 => changed.ports = other.ports,
        kind => {
            let word = ["p", "p", "svi", "station", "station", "route"][kind as usize - 2];
            let lines = |switch: &Switch| -> Vec<String> {
                switch.text.lines().filter(|line| line.starts_with(word)).map(str::to_string).collect()
            };
            let (mine, others) = (lines(switch), lines(other));
            let with = &others[what as usize / 8 % others.len()];
            // What is said about the same thing by another line.
            let about = |line: &str| {
                line.split_whitespace()
                    .take(if word == "station" { 3 } else { 1 + usize::from(word != "p") })
                    .map(str::to_string)
                    .collect::<Vec<_>>()
            };
            let old = mine.iter().find(|line| about(line) == about(with));
            let down = if word == "p" && what & 0x700 == 0 { " down" } else { "" };
            changed.text = match old {
                Some(old) if word == "station" && what & 0x300 == 0 => switch.text.replace(&format!("{old}\n"), ""),
                Some(old) => switch.text.replace(old, &format!("{with}{down}")),
                None => format!("{}{with}\n", switch.text),
            };
        }
    }
    changed
}

/// What control raises when the switch has become another.
fn raised(old: &Switch, new: &Switch) -> Vec<Dep> {
    let mut deps = Vec::new();
    let (before, after): (BTreeSet<&str>, BTreeSet<&str>) = (old.text.lines().collect(), new.text.lines().collect());
    for line in before.symmetric_difference(&after) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[0] {
            "svi" => deps.push(Dep::Vlan(vlan(words[1]))),
            "station" => {
                let (vlan, mac) = (vlan(words[1]), mac(words[2]));
                deps.extend([Dep::Station(vlan, mac), Dep::Unknown(vlan, mac)]);
            }
            "route" => {
                let (address, len) = words[1].split_once('/').unwrap();
                let (address, len): (std::net::IpAddr, u8) = (address.parse().unwrap(), len.parse().unwrap());
                let len = if address.is_ipv4() { len + 96 } else { len };
                deps.push(Dep::of_prefix(mona_wire::ip::mapped(address), len));
                // They are numbered anew.
                deps.extend((0..100).map(Dep::Leaf));
            }
            name => {
                let id = port(name);
                deps.push(Dep::Port(id));
                let vlans = VLANS.map(|vid| vlan(&vid.to_string()));
                deps.extend(vlans.into_iter().flat_map(|vlan| [Dep::Member(vlan, id), Dep::Members(vlan)]));
            }
        }
    }
    let lists = [Dep::Port(PortId(1)), Dep::Port(PortId(2)), Dep::Vlan(vlan("10")), Dep::Vlan(vlan("20"))];
    for (at, dep) in lists.into_iter().enumerate() {
        if format!("{:?}", old.lists[at]) != format!("{:?}", new.lists[at]) {
            deps.push(dep);
            deps.extend(VLANS.map(|vid| Dep::Members(vlan(&vid.to_string()))));
        }
    }
    deps
}

struct Run {
    rig: Rig,
    switch: Switch,
    world: World,
    /// Decided, not inserted.
    asked: Vec<Flow>,
    /// What was replayed since the last fold.
    replayed: (u64, u64),
    seen: BTreeMap<String, u64>,
}

impl Run {
    fn frame(&mut self, packet: &Packet) {
        let line = Line { rx: PortId(packet.rx.into()), bytes: packet.bytes() };
        let snapshot = &self.world.snapshot;
        let wanted = expected(snapshot, &line, &Offload::default());
        match self.rig.send_for(&line, &Offload::default(), rig::copies(&wanted)) {
            Fate::Up(rx, bytes, offload) => {
                assert_eq!((rx, &bytes, offload), (line.rx, &line.bytes, Offload::default()), "it goes up as it came");
                if let Some(seen) = Recorder::trace(snapshot, rx, &bytes, &offload).seen {
                    return self.learn(seen);
                }
                let (epoch, len) = (self.rig.table.epoch(), bytes.len() as u32);
                match program(snapshot, rx, &bytes, len, &Offload::default(), epoch) {
                    Ok(flow) => self.asked.push(flow),
                    Err(why) => *self.seen.entry(format!("{why:?}")).or_default() += 1,
                }
            }
            replayed => {
                let flow = program(snapshot, line.rx, &line.bytes, line.bytes.len() as u32, &Offload::default(), 0);
                assert_eq!(Some(&replayed), wanted.as_ref(), "{packet:?}\n{flow:?}");
                let flow = flow.expect("what is replayed may be");
                let tag = Eth::parse(&line.bytes).and_then(|eth| eth.tag);
                self.replayed.0 += 1;
                self.replayed.1 += line.bytes.len() as u64 - if tag.is_some() { 4 } else { 0 };
                let tags = match (tag, flow.action.vid) {
                    (None, None) => "untagged",
                    (Some(tag), Some(vid)) if tag.vid() == vid => "tagged",
                    (Some(_), Some(_)) => "rewritten",
                    (Some(_), None) => "popped",
                    (None, Some(_)) => "pushed",
                };
                let how = match flow.action.copies().count() {
                    1 => format!("{:?} {:?} {tags}", flow.looked.depth, flow.counted.six),
                    count => format!("{:?} to {count} {tags}", flow.looked.depth),
                };
                *self.seen.entry(how).or_default() += 1;
            }
        }
    }

    /// Control enters what it is told.
    fn learn(&mut self, seen: Seen) {
        self.world.snapshot.fdb.insert(seen.vlan, seen.mac, seen.port, Origin::Dynamic).expect("room");
        let about = format!("station {} {} ", seen.vlan, world::name(seen.mac));
        let mut lines: Vec<&str> = self.switch.text.lines().filter(|line| !line.starts_with(&about)).collect();
        let line = format!("{about}p{}", seen.port.0);
        lines.push(&line);
        self.switch.text = lines.join("\n") + "\n";
        self.rig.table.raise([Dep::Station(seen.vlan, seen.mac), Dep::Unknown(seen.vlan, seen.mac)]);
    }

    fn step(&mut self, packets: &[Packet], step: &Step) {
        match step {
            Step::Frame(which, other, mix) => self.frame(&mixed(&packets[*which], other, *mix)),
            Step::Insert => {
                for flow in self.asked.drain(..) {
                    // Refused, if something it depends on was raised since.
                    let now = self.rig.now();
                    let _ = self.rig.table.insert(&flow, now);
                }
            }
            Step::Change(other, what) => {
                let new = changed(&self.switch, other, *what);
                self.world = world(&new);
                if (self.switch.ports, self.switch.label) == (new.ports, new.label) {
                    self.rig.table.raise(raised(&self.switch, &new));
                } else {
                    self.asked.clear();
                    self.rig.table.flush();
                }
                self.switch = new;
            }
            Step::Fold => self.fold(),
        }
    }

    fn fold(&mut self) {
        let now = self.rig.now();
        let (mut told, idle) = ((0, 0), 1_000_000_000);
        self.rig.table.fold(now, idle, |_, frames, bytes| told = (told.0 + frames, told.1 + bytes));
        self.replayed.0 -= told.0;
        self.replayed.1 -= told.1;
    }
}

/// What has to be seen replayed.
const WANTED: [&str; 15] = [
    "L2 ",
    "L3 None",
    "L4 None",
    "Some(false)",
    "Some(true)",
    " untagged",
    " tagged",
    "rewritten",
    "popped",
    "pushed",
    "L2 to 2 untagged",
    "L2 to 2 tagged",
    "L2 to 3",
    "L3 to 2",
    "L4 to 2",
];

/// Where it went wrong.
struct Here(u64, usize);

impl Drop for Here {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("MONA_REPLAY_SEED={} step {}", self.0, self.1);
        }
    }
}

/// Ports of these kinds, one after the other.
const KINDS: [[Kind; 4]; 3] =
    [[Kind::Packet; 4], [Kind::Takes; 4], [Kind::Native, Kind::Takes, Kind::Packet, Kind::Generic]];

#[test]
fn replay_is_what_forward_says() {
    let number = |name: &str, usual: u64| std::env::var(name).map_or(usual, |text| text.parse().expect(name));
    let (seconds, seed) = (number("MONA_REPLAY_SECONDS", 15), number("MONA_REPLAY_SEED", 1));
    KINDS.into_iter().for_each(|kinds| replayed_by(kinds, seconds.div_ceil(KINDS.len() as u64), seed));
}

fn replayed_by(kinds: [Kind; 4], seconds: u64, seed: u64) {
    alone(move || {
        let mut rig = Some(Rig::of(&kinds));
        let (mut seen, mut replayed) = (BTreeMap::new(), (0, 0));
        let end = Instant::now() + Duration::from_secs(seconds);
        let mut case = seed;
        // The property says nothing about what is not replayed.
        while Instant::now() < end || !WANTED.iter().all(|wanted| seen.keys().any(|how: &String| how.contains(wanted)))
        {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&case.to_le_bytes());
            let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
            let mut runner = TestRunner::new_with_rng(Config::default(), rng);
            let (switch, mut packets, steps) = steps().new_tree(&mut runner).expect("a case").current();
            let world = world(&switch);
            // Rather what may be replayed.
            packets.sort_by_key(|packet| {
                let (rx, bytes) = (PortId(packet.rx.into()), packet.bytes());
                match program(&world.snapshot, rx, &bytes, bytes.len() as u32, &Offload::default(), 0) {
                    Ok(_) => 0,
                    Err(Uncached::Learning) => 1,
                    Err(_) => 2,
                }
            });
            let mut here = Here(case, 0);
            let mut run = Run { rig: rig.take().expect("it"), switch, world, asked: Vec::new(), replayed, seen };
            for (at, step) in steps.iter().enumerate() {
                here.1 = at;
                run.step(&packets, step);
            }
            run.rig.table.flush();
            (seen, replayed) = (run.seen, run.replayed);
            rig = Some(run.rig);
            case += 1;
        }
        eprintln!("{kinds:?}: {} cases: {seen:#?}", case - seed);
    });
}
