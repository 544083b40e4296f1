//! What the kernel replays: real netdevs in a network namespace of each test's own (root).

mod rig;
mod space;
mod world;

use mona_datapath::flow::{Dep, Depth};
use mona_datapath::io::Offload;
use mona_datapath::io::raw::RawSocket;
use mona_wire::checksum::Sum;
use mona_wire::{PortId, Tci};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use rig::{Fate, Kind, PATIENCE, Rig, alone, expected, replays, super_frame, up};
use std::thread;
use std::time::Instant;
use world::{Line, World, line, mac, vlan};

const WORLD: &str = "
    vlan 10 20
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
    neighbour 20 10.0.20.4 e
    neighbour 20 2001:db8:20::2 b
    station 10 a p1
    station 10 c p2
    station 20 b p2
    station 20 d p4
    station 20 e p3";

/// Rigs of four ports: of one kind, and of several.
const RIGS: [[Kind; 4]; 6] = [
    [Kind::Packet; 4],
    [Kind::Takes; 4],
    [Kind::Native; 4],
    [Kind::Generic; 4],
    [Kind::Takes, Kind::Packet, Kind::Generic, Kind::Native],
    [Kind::Packet, Kind::Takes, Kind::Native, Kind::Generic],
];

/// Runs a test with each.
fn with_each(test: fn(Rig)) {
    for kinds in RIGS {
        eprintln!("{kinds:?}");
        alone(move || test(Rig::of(&kinds)));
    }
}

#[test]
fn replay_of_each_depth() {
    with_each(|mut rig| {
        let world = World::new(WORLD);
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
            assert_eq!(replays(&mut rig, &world, &line(text), &Offload::default()), depth, "{text}");
            // A flow of the same addresses that looks deeper makes the others be asked for anew.
            rig.table.flush();
        }
        rig.table.fold(rig.now() + 1_000_000_000, u64::MAX, |entry, frames, bytes| {
            assert_eq!(frames, 2, "{entry:?}");
            assert!(bytes >= 2 * 60, "{entry:?}");
        });
    });
}

#[test]
fn replay_of_super_frames_and_partial_checksums() {
    alone(|| {
        let mut rig = Rig::new(4);
        let world = World::new(WORLD);
        for (hosts, payload, mss) in [
            ("p1 a>c 10.0.10.2>10.0.10.3", 500, 1460),
            ("p1 a>c 10.0.10.2>10.0.10.3", 4000, 1460),
            ("p2 10/3 c>a 10.0.10.3>10.0.10.2", 60000, 1460),
            ("p4 d>e 2001:db8:20::9>2001:db8:20::8", 30000, 1440),
            ("p2 20/1 b>e 10.0.20.9>10.0.20.8", 20000, 1460),
            ("p1 a>r 10.0.10.2>10.0.20.2", 40000, 1460),
            ("p1 a>r 2001:db8:10::2>2001:db8:20::2", 40000, 1440),
            ("p1 a>r 10.0.10.2>10.9.1.1", 3000, 1000),
        ] {
            let (line, offload) = super_frame(hosts, payload, mss);
            rig.table.flush();
            rig.table.fold(rig.now() + 1_000_000_000, u64::MAX, |_, _, _| ());
            replays(&mut rig, &world, &line, &offload);
            let mut told = (0, 0);
            rig.table.fold(rig.now(), u64::MAX, |_, frames, bytes| told = (frames, bytes));
            let tag = if hosts.contains('/') { 4 } else { 0 };
            let segments = payload.div_ceil(usize::from(mss));
            let header = line.bytes.len() - tag - payload;
            assert_eq!(told, (2 * segments as u64, 2 * (payload + segments * header) as u64), "{hosts}");
        }
        // Segments that are too large for the port, and others of the same flow.
        let (large, offload) = super_frame("p1 a>c 10.0.10.2>10.0.10.3", 4000, 1461);
        rig.table.flush();
        let (fits, also) = super_frame("p1 a>c 10.0.10.2>10.0.10.3", 4000, 1460);
        replays(&mut rig, &world, &fits, &also);
        assert_eq!(rig.send_with(&large, &offload), up(&large, &offload));
    });
}

#[test]
fn replay_leaves_to_userspace_what_is_out_of_the_ordinary() {
    with_each(|mut rig| {
        let world = World::new(WORLD);
        let nothing = Offload::default();
        let usual = "p1 a>r 10.0.10.2>10.0.20.2";
        replays(&mut rig, &world, &line(usual), &nothing);
        replays(&mut rig, &world, &line("p2 10 c>a"), &nothing);
        let six = line("p1 a>r 2001:db8:10::2>2001:db8:20::2");
        assert_eq!(rig.send(&six), up(&six, &nothing));
        rig.learn(&world.snapshot, &six, &nothing);
        assert_eq!(rig.send(&six), up(&six, &nothing));
        assert!(matches!(rig.send(&six), Fate::Replayed(..)));
        for text in [
            format!("{usual} ttl 1"),
            format!("{usual} ttl 0"),
            format!("{usual} options 01010101"),
            format!("{usual} frag 2000"),
            format!("{usual} frag 1"),
            format!("{usual} byte 10 1"),
            format!("{usual} byte 3 101"),
            format!("{usual} len 1501"),
            format!("{usual} pad 9"),
            "p1 a>r 2001:db8:10::2>2001:db8:20::2 ttl 1".into(),
            "p1 a>r 2001:db8:10::2>2001:db8:20::2 pad 1".into(),
            "p1 a>r 2001:db8:10::2>2001:db8:20::2 len 1501".into(),
            "p2 10 c>a 1501".into(),
            "p2 10 c>a 40".into(),
            format!("{usual} len 40 pad 7"),
        ] {
            assert_eq!(rig.send(&line(&text)), up(&line(&text), &nothing), "{text}");
        }
        // A service tag is no tag of ours, and one within ours is payload.
        let mut service = line("p2 10 c>a");
        service.bytes[12..14].copy_from_slice(&[0x88, 0xa8]);
        assert_eq!(rig.send(&service), up(&service, &nothing));
        let mut double = line("p2 10 c>a");
        double.bytes.splice(16..16, [0x81, 0, 0, 7]);
        assert_eq!(rig.send(&double), expected(&world.snapshot, &double, &nothing).expect("one port"));
        assert_eq!(rig.send(&line(usual)), expected(&world.snapshot, &line(usual), &nothing).expect("one port"));
    });
}

/// Whatever stands in a header: with the sum that is right, with others, and with both zeros.
#[test]
fn replay_knows_right_checksums() {
    with_each(|mut rig| {
        let world = World::new(WORLD);
        let mut line = line("p1 a>r 10.0.10.2>10.0.20.2");
        replays(&mut rig, &world, &line, &Offload::default());
        let mut put = |id: u16, sum: u16| {
            line.bytes[18..20].copy_from_slice(&id.to_be_bytes());
            line.bytes[24..26].copy_from_slice(&sum.to_be_bytes());
            Line { rx: line.rx, bytes: line.bytes.clone() }
        };
        let right = |line: &Line| Sum::default().bytes(&line.bytes[14..34]).finish();
        let none = right(&put(0, 0));
        for id in (0..12).map(|n: u16| n.wrapping_mul(0x2b3d)).chain([none, none.wrapping_add(1), none.wrapping_sub(1)])
        {
            let sum = right(&put(id, 0));
            let mut replayed = 0;
            for sum in [sum, !sum, sum.wrapping_add(1), sum ^ 0x8000, sum.swap_bytes(), 0, 0xffff] {
                let line = put(id, sum);
                let wanted = expected(&world.snapshot, &line, &Offload::default());
                replayed += usize::from(wanted.is_some());
                let wanted = wanted.unwrap_or_else(|| up(&line, &Offload::default()));
                assert_eq!(rig.send(&line), wanted, "{id:x} {sum:x}");
            }
            assert!(replayed > 0, "{id:x}");
        }
    });
}

/// Who listens at the port has the packet as it came in, though its memory is one with that of the packet that leaves.
#[test]
fn replay_changes_no_copy_of_others() {
    alone(|| {
        let mut rig = Rig::new(4);
        let world = World::new(WORLD);
        let segment = super_frame("p1 a>r 10.0.10.2>10.0.20.2", 4000, 1000);
        for (line, offload) in [(line("p1 a>r 10.0.10.2>10.0.20.2"), Offload::default()), segment] {
            rig.table.flush();
            replays(&mut rig, &world, &line, &offload);
            let listener = RawSocket::open_with_offload("a1").expect("a socket");
            assert_eq!(Some(rig.send_with(&line, &offload)), expected(&world.snapshot, &line, &offload));
            let mut heard = vec![0; 1 << 17];
            let (len, _) = listener.receive_with(&mut heard, PATIENCE).expect("a socket").expect("it came in");
            assert_eq!(heard[..len], line.bytes);
        }
    });
}

/// As a NIC gives what a wire's shortest frame carries: an acknowledgement, padded.
#[test]
fn replay_of_padded_packets() {
    with_each(|mut rig| {
        let world = World::new(WORLD);
        for hosts in ["p1 a>r 10.0.10.2>10.0.20.2", "p2 10/3 c>r 10.0.10.3>10.0.20.2", "p2 10 c>r 10.0.10.3>10.0.20.4"]
        {
            replays(&mut rig, &world, &line(&format!("{hosts} proto 6")), &Offload::default());
            for text in ["len 40 pad 6", "len 41 pad 5", "len 46", "len 40 pad 5", "len 40"] {
                let line = line(&format!("{hosts} proto 6 {text}"));
                let wanted = expected(&world.snapshot, &line, &Offload::default());
                // What a tag leaves behind as a runt is padded by userspace.
                let is_runt = hosts.ends_with(".4") && line.bytes.len() < 64;
                let wanted = if is_runt { Some(up(&line, &Offload::default())) } else { wanted };
                assert_eq!(Some(rig.send(&line)), wanted, "{hosts} {text}");
            }
        }
    });
}

#[test]
fn replay_obeys_at_once() {
    with_each(|mut rig| {
        let world = World::new(WORLD);
        let nothing = Offload::default();
        let (there, other) = (line("p1 a>c"), line("p4 d>e"));
        replays(&mut rig, &world, &other, &nothing);
        for dep in [
            Dep::Station(vlan("10"), mac("c")),
            Dep::Port(PortId(1)),
            Dep::Vlan(vlan("10")),
            Dep::Member(vlan("10"), PortId(2)),
        ] {
            replays(&mut rig, &world, &there, &nothing);
            rig.table.raise([dep]);
            assert_eq!(rig.send(&there), up(&there, &nothing), "{dep:?}");
            let goes = expected(&world.snapshot, &other, &nothing).expect("one port");
            assert_eq!(rig.send(&other), goes, "what does not depend on {dep:?}");
        }
        // Whatever is raised with it, before it and after it, and as often as it may be.
        let (dep, strange) = (Dep::Station(vlan("10"), mac("c")), Dep::Station(vlan("10"), mac("f")));
        for raised in [&[&[strange, dep][..]][..], &[&[dep], &[strange]], &[&[strange], &[dep]], &[&[dep, dep]]] {
            replays(&mut rig, &world, &there, &nothing);
            raised.iter().for_each(|together| rig.table.raise(together.iter().copied()));
            assert_eq!(rig.send(&there), up(&there, &nothing), "{raised:?}");
        }
        replays(&mut rig, &world, &there, &nothing);
        for raised in [
            &[&[strange][..]][..],
            &[&[strange, strange]],
            &[&[strange], &[strange]],
            &[&[strange, Dep::Port(PortId(3))]],
        ] {
            raised.iter().for_each(|together| rig.table.raise(together.iter().copied()));
            assert!(matches!(rig.send(&there), Fate::Replayed(..)), "{raised:?}");
        }
        rig.table.enable(false);
        assert_eq!(rig.send(&there), up(&there, &nothing));
        rig.table.enable(true);
        rig.table.hold(1);
        assert_eq!(rig.send(&there), up(&there, &nothing), "nobody has held it for long");
        rig.table.hold(0);
        assert!(matches!(rig.send(&there), Fate::Replayed(..)));
        rig.table.unset_port(PortId(2));
        assert_eq!(rig.send(&there), up(&there, &nothing));
    });
}

#[test]
fn replay_keeps_the_priority() {
    with_each(|mut rig| {
        let world = World::new(WORLD);
        let routed = line("p2 10/6 c>r 10.0.10.3>10.0.20.2");
        replays(&mut rig, &world, &routed, &Offload::default());
        let Fate::Replayed(copies) = rig.send(&routed) else { panic!("it is replayed") };
        let [(PortId(2), bytes, _)] = &copies[..] else { panic!("{copies:x?}") };
        assert_eq!(bytes[14..16], Tci(6 << 13 | 20).0.to_be_bytes());
        replays(&mut rig, &world, &line("p3 0/7 e>b"), &Offload::default());
    });
}

#[test]
fn replay_overtakes_nothing() {
    with_each(|mut rig| {
        let world =
            World::new("vlan 10\n p1 access 10\n p2 access 10\n station 10 a p1\n station 10 b p2\n station 10 c p2");
        let nothing = Offload::default();
        let numbered = |number: u32| {
            let mut line = line("p1 a>b");
            line.bytes[14..18].copy_from_slice(&number.to_be_bytes());
            line
        };
        let (flow, other) = (numbered(0), line("p1 a>c"));
        rig.learn(&world.snapshot, &flow, &nothing);
        rig.learn(&world.snapshot, &other, &nothing);
        // The worker is busy, and there is more than it has room for: frames of the flow go up, in order, or are refused.
        const SENT: u32 = 1000;
        rig.throw(&other);
        (0..SENT).for_each(|number| rig.throw(&numbered(number)));
        let mut next = 0;
        let end = std::time::Instant::now() + rig::PATIENCE;
        while u64::from(next) + rig.refused(PortId(1)) < u64::from(SENT) {
            assert!(std::time::Instant::now() < end, "{next} went up, {:?} were refused", rig.refused(PortId(1)));
            match rig.up() {
                Some(fate) if fate == up(&other, &nothing) => assert_eq!(next, 0),
                Some(fate) => {
                    assert_eq!(fate, up(&numbered(next), &nothing));
                    next += 1;
                }
                None => {}
            }
        }
        assert!(next > 200 && next < SENT, "{next}");
        assert_eq!(rig.up(), None, "all is through");
        let goes = |line: &Line| expected(&world.snapshot, line, &nothing).expect("one port");
        assert_eq!(rig.send(&numbered(SENT)), goes(&numbered(SENT)));
        assert_eq!(rig.send(&other), goes(&other), "of this flow nothing was on its way for long");
    });
}

#[test]
fn replay_begins_by_itself_when_what_went_up_before_is_through() {
    alone(|| {
        let mut rig = Rig::new(2);
        let world = World::new("vlan 10\n p1 access 10\n p2 access 10\n station 10 a p1\n station 10 b p2");
        let nothing = Offload::default();
        let flow = line("p1 a>b");
        let goes = expected(&world.snapshot, &flow, &nothing).expect("one port");
        let up = up(&flow, &nothing);
        let learn = |rig: &mut Rig| {
            rig.table.flush();
            // Those before it are no more.
            rig.table.settle(rig.now() + 1_000_000_000);
            rig.learn(&world.snapshot, &flow, &nothing);
            rig.table.due().expect("it is to be settled")
        };
        // Some time later nobody can have missed it.
        let due = learn(&mut rig);
        rig.table.settle(due);
        assert_eq!(rig.send(&flow), goes, "nothing is on its way");
        // Sooner somebody may have.
        let due = learn(&mut rig);
        rig.table.settle(due - 1);
        assert_eq!(rig.send(&flow), up);
        assert_eq!(rig.send(&flow), goes, "but this one found it, and went through");
        // One that went up before is not overtaken.
        rig.table.flush();
        rig.throw(&flow);
        let due = learn(&mut rig);
        rig.table.settle(due);
        rig.throw(&flow);
        let end = std::time::Instant::now() + rig::PATIENCE;
        let mut through = 0;
        while through < 2 {
            assert!(std::time::Instant::now() < end, "{through} went up");
            through += rig.up().map_or(0, |fate| i32::from(fate == up));
        }
        assert_eq!(rig.send(&flow), goes);
        assert_eq!(rig.table.due(), None);
    });
}

/// Frames that left by a device (`/proc/net/dev`, of this thread's namespace).
fn sent_by(device: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/net/dev").expect("it tells");
    let counts = text.lines().find_map(|line| line.trim().strip_prefix(device)?.strip_prefix(':')).expect("a device");
    counts.split_whitespace().nth(9).and_then(|count| count.parse().ok()).expect("a number")
}

#[test]
fn replay_is_counted_on_whichever_processor() {
    const EACH: u64 = 50_000;
    alone(|| {
        let mut rig = Rig::new(2);
        let world = World::new(WORLD);
        let line = line("p1 a>c");
        replays(&mut rig, &world, &line, &Offload::default());
        let mut later = rig.now();
        let mut counted = |rig: &mut Rig| {
            let mut sum = (0, 0);
            later += 1_000_000_000;
            rig.table.fold(later, u64::MAX, |_, frames, bytes| sum = (sum.0 + frames, sum.1 + bytes));
            sum
        };
        counted(&mut rig);
        let before = sent_by("a2");
        thread::scope(|scope| {
            for cpu in 0..2 {
                let line = &line;
                scope.spawn(move || {
                    let mut one = CpuSet::new();
                    one.set(cpu).expect("there is one");
                    if sched_setaffinity(Pid::from_raw(0), &one).is_err() {
                        return eprintln!("there is no processor {cpu}");
                    }
                    let host = RawSocket::open_with_offload("b1").expect("socket");
                    (0..EACH).for_each(|_| host.send_with(&line.bytes, &Offload::default()).expect("sent"));
                });
            }
        });
        // What a processor had no room for never came in.
        let mut sum = counted(&mut rig);
        let end = Instant::now() + PATIENCE;
        while sum.0 != sent_by("a2") - before && Instant::now() < end {
            let more = counted(&mut rig);
            sum = (sum.0 + more.0, sum.1 + more.1);
        }
        assert_eq!(sum.0, sent_by("a2") - before);
        assert_eq!(sum.1, sum.0 * line.bytes.len() as u64);
        assert!(sum.0 > EACH / 2, "{sum:?}");
    });
}
