//! Floods that the kernel replays: real netdevs in a network namespace of each test's own (root).

mod rig;
mod space;
mod world;

use mona_datapath::flow::{Dep, Depth};
use mona_datapath::io::Offload;
use mona_datapath::io::flows::Way;
use mona_wire::PortId;
use rig::{Rig, alone, expected, replays, super_frame, up};
use space::sh;
use world::{World, line, mac, vlan};

/// A VLAN of eight, one of them down, with every way of tagging; another one that floods by its router.
const FLOODED: &str = "
    vlan 10 20 30
    p1 access 10
    p2 trunk 10,20
    p3 trunk 10,20 native 10
    p4 access 10
    p5 trunk 10 mtu 1400
    p6 access 10 protected
    p7 trunk 10,30 native 30 protected
    p8 access 10 block-unicast block-multicast
    p9 access 10 down
    svi 20 10.0.20.1/24
    station 10 a p1
    station 10 b p2
    station 10 c p3
    station 10 d p6
    station 30 e p7";

#[test]
fn replay_of_floods() {
    alone(|| {
        let mut rig = Rig::new(9);
        let world = World::new(FLOODED);
        let nothing = Offload::default();
        for (text, copies) in [
            ("p1 a>*", 7),
            ("p1 a>g 1400", 6),
            ("p1 a>y", 6),
            ("p2 10/5 b>*", 7),
            ("p2 10/7 b>y 1400", 6),
            ("p3 c>*", 7),
            ("p3 0/3 c>g", 6),
            ("p6 d>*", 6),
        ] {
            let line = line(text);
            assert_eq!(rig::copies(&expected(&world.snapshot, &line, &nothing)), copies, "{text}");
            assert_eq!(replays(&mut rig, &world, &line, &nothing), Depth::L2, "{text}");
        }
        rig.table.fold(rig.now() + 1_000_000_000, u64::MAX, |entry, frames, _| assert_eq!(frames, 2, "{entry:?}"));
        // A tag within ours moves when ours is taken off.
        for text in ["p2 10/5 b>*", "p3 0/3 c>g"] {
            let mut double = line(text);
            double.bytes.splice(16..16, [0x81, 0, 0x60, 7]);
            let wanted = expected(&world.snapshot, &double, &nothing);
            assert_eq!(Some(rig.send_for(&double, &nothing, rig::copies(&wanted))), wanted, "{text}");
        }
        // What one of the copies does not suit.
        for text in ["p1 a>g 1401", "p2 10 b>* 40", "p1 a>* 1501"] {
            assert_eq!(rig.send(&line(text)), up(&line(text), &nothing), "{text}");
        }
        let (super_frame, offload) = super_frame("p1 a>y 10.0.10.2>10.0.10.9", 20_000, 1300);
        rig.table.flush();
        replays(&mut rig, &world, &super_frame, &offload);
    });
}

#[test]
fn replay_of_floods_obeys_at_once() {
    alone(|| {
        let mut rig = Rig::new(9);
        let world = World::new(FLOODED);
        let nothing = Offload::default();
        let other = line("p1 a>b");
        replays(&mut rig, &world, &other, &nothing);
        for (text, dep) in [
            ("p1 a>*", Dep::Members(vlan("10"))),
            ("p1 a>y", Dep::Members(vlan("10"))),
            ("p1 a>y", Dep::Unknown(vlan("10"), mac("y"))),
            ("p3 c>*", Dep::Member(vlan("10"), PortId(3))),
        ] {
            let there = line(text);
            replays(&mut rig, &world, &there, &nothing);
            rig.table.raise([dep]);
            assert_eq!(rig.send(&there), up(&there, &nothing), "{text} {dep:?}");
            let goes = expected(&world.snapshot, &other, &nothing).expect("one port");
            assert_eq!(rig.send(&other), goes, "what does not depend on {dep:?}");
        }
        // A port that is no more takes all flows along that end there.
        let there = line("p2 10 b>*");
        replays(&mut rig, &world, &there, &nothing);
        rig.table.unset_port(PortId(7));
        assert_eq!(rig.send(&there), up(&there, &nothing));
        let flow = mona_datapath::program::program(&world.snapshot, there.rx, &there.bytes, 64, &nothing, u64::MAX);
        let refused = rig.table.insert(&flow.expect("a flow"), 0);
        assert_eq!(refused, Err(mona_datapath::io::flows::Refused::Device));
    });
}

/// Lists by which copies of floods leave together.
fn fanouts() -> usize {
    sh("tc filter show dev replay-bf egress").matches("handle").count()
}

#[test]
fn replay_of_floods_by_lists_that_flows_share() {
    alone(|| {
        let mut rig = Rig::new(9);
        let world = World::new(&format!("{FLOODED}\nstation 10 h p4"));
        let nothing = Offload::default();
        assert_eq!(fanouts(), 0);
        // With the same tag: to the three trunks from any access port, though not from one that is protected as one of them is;
        // to the access ports from a trunk. A change of addresses is none of members.
        for (text, lists) in [("p1 a>*", 1), ("p1 a>g", 1), ("p4 h>*", 1), ("p2 10/5 b>*", 2), ("p2 10/5 b>y", 3)] {
            replays(&mut rig, &world, &line(text), &nothing);
            assert_eq!(fanouts(), lists, "{text}");
        }
        // Two copies are made one by one.
        replays(&mut rig, &world, &line("p6 d>*"), &nothing);
        assert_eq!(fanouts(), 3);
        // They go when no flow has named them for a second, but for those that are named anew.
        rig.table.flush();
        let mut later = rig.now();
        let mut fold = |rig: &mut Rig, ms: u64| {
            later += ms * 1_000_000;
            rig.table.fold(later, u64::MAX, |_, _, _| {});
        };
        [0, 20, 900].into_iter().for_each(|ms| fold(&mut rig, ms));
        assert_eq!(fanouts(), 3);
        rig.learn(&world.snapshot, &line("p4 h>g"), &nothing);
        fold(&mut rig, 200);
        assert_eq!(fanouts(), 1);
        // A device that was no port for a while may have been away: its lists are not for new flows.
        let index = sh("ip -o link show a7").split(':').next().and_then(|index| index.parse().ok()).expect("an index");
        rig.table.unset_port(PortId(7));
        rig.table.set_port(PortId(7), Way::tc(index, 0));
        rig.learn(&world.snapshot, &line("p4 h>*"), &nothing);
        assert_eq!(fanouts(), 2);
        // No device has this index: the copies are made one by one.
        rig.table.set_port(PortId(7), Way::tc(1 << 20, 0));
        rig.learn(&world.snapshot, &line("p1 a>*"), &nothing);
        assert_eq!(fanouts(), 2);
    });
}

#[test]
fn replay_of_more_floods_than_there_are_lists() {
    alone(|| {
        let mut rig = Rig::new(8);
        // VLAN 100 + n is allowed at port 2 + i if bit i of n is set.
        let sets: Vec<u16> = (1..1 << 7).filter(|set: &u16| set.count_ones() >= 3).take(70).collect();
        let vlans = |which: &dyn Fn(u16) -> bool| {
            let vlans: Vec<String> =
                sets.iter().filter(|set| which(**set)).map(|set| (100 + set).to_string()).collect();
            vlans.join(",")
        };
        let all = vlans(&|_| true);
        let trunks = (0..7).map(|bit| format!("p{} trunk {}", bit + 2, vlans(&|set| set >> bit & 1 == 1)));
        let lines: Vec<String> = trunks.collect();
        let stations: Vec<String> = sets.iter().map(|set| format!("station {} a p1", 100 + set)).collect();
        let world =
            format!("vlan {}\np1 trunk {all}\n{}\n{}", all.replace(',', " "), lines.join("\n"), stations.join("\n"));
        let world = World::new(&world);
        for (count, set) in sets.iter().enumerate() {
            let text = format!("p1 {} a>*", 100 + set);
            replays(&mut rig, &world, &line(&text), &Offload::default());
            assert_eq!(fanouts(), (count + 1).min(64), "{text}");
        }
    });
}
