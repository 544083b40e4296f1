//! What the kernel replays: real netdevs in a network namespace of each test's own (root).

mod rig;
mod world;

use mona_datapath::flow::Depth;
use mona_datapath::io::Offload;
use rig::{Fate, Rig, alone, expected};
use world::{World, line};

/// Three frames up, and then the kernel replays: one before it knows, one that it waits for, the next one.
fn replays(rig: &mut Rig, world: &World, text: &str, depth: Depth) {
    let line = line(text);
    let up = Fate::Up(line.rx, line.bytes.clone(), Offload::default());
    assert_eq!(rig.send(&line), up, "{text}: not known");
    let flow = rig.learn(&world.snapshot, &line);
    assert_eq!(flow.looked.depth, depth, "{text}");
    assert_eq!(rig.send(&line), up, "{text}: one may be on its way");
    let expected = expected(&world.snapshot, &line).expect("one port");
    assert_eq!(rig.send(&line), expected, "{text}");
    assert_eq!(rig.send(&line), expected, "{text}, again");
}

#[test]
fn replay_of_each_depth() {
    alone(|| {
        let mut rig = Rig::new(4);
        let world = World::new(
            "vlan 10 20
            p1 access 10
            p2 trunk 10,20
            p3 trunk 10,20 native 20
            p4 access 20
            svi 10 10.0.10.1/24 2001:db8:10::1/64
            svi 20 10.0.20.1/24 2001:db8:20::1/64
            hash ports
            route 10.9.0.0/16 via 10.0.20.2 10.0.20.3
            neighbour 20 10.0.20.2 b
            neighbour 20 10.0.20.3 d
            neighbour 20 2001:db8:20::2 b
            station 10 a p1
            station 10 c p2
            station 20 b p2
            station 20 d p4
            station 20 e p3",
        );
        for (text, depth) in [
            ("p1 a>c", Depth::L2),
            ("p2 10/5 c>a", Depth::L2),
            ("p2 20/3 b>e", Depth::L2),
            ("p3 e>d 1500", Depth::L2),
            ("p4 d>b", Depth::L2),
            ("p1 a>r 10.0.10.2>10.0.20.2", Depth::L3),
            ("p1 a>r 2001:db8:10::2>2001:db8:20::2", Depth::L3),
            ("p2 10/6 c>r 10.0.10.3>10.0.20.2 len 1500", Depth::L3),
            ("p1 a>r 10.0.10.2>10.9.1.1 ports 1000:53", Depth::L4),
            ("p1 a>r 10.0.10.2>10.9.1.1 ports 1001:53", Depth::L4),
        ] {
            replays(&mut rig, &world, text, depth);
        }
        rig.table.fold(rig.now(), u64::MAX, |entry, frames, bytes| {
            assert_eq!(frames, 2, "{entry:?}");
            assert!(bytes >= 2 * 60, "{entry:?}");
        });
    });
}
