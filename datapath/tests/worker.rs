//! Real workers with ports in memory: what crosses between threads, and what is counted on the way.

use mona_datapath::fdb::Origin;
use mona_datapath::io::mem::{DEPTH, MemFrame, MemHost};
use mona_datapath::io::{CsumStart, Gso, GsoKind, Offload};
use mona_datapath::snapshot::{Home, Port, PortSet, Snapshot, Vlan};
use mona_datapath::stats::PortCounters;
use mona_datapath::switching::{Datapath, Options, Report};
use mona_datapath::{Drop, Seen};
use mona_wire::{Mac, PortId, VlanId};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::sync::Arc;
use std::time::{Duration, Instant};

const BPDU: [u8; 6] = [0x01, 0x80, 0xc2, 0, 0, 0];

/// A switch with memory ports 1..=n, all untagged in VLAN 10, on `workers` workers in turn.
struct World {
    datapath: Datapath,
    hosts: Vec<MemHost>,
    homes: Vec<Home>,
    number: u64,
}

impl World {
    fn new(workers: usize, ports: usize) -> World {
        World::named("test", workers, ports)
    }

    fn named(name: &str, workers: usize, ports: usize) -> World {
        let options = Options { workers, stations: 8192, name: name.into() };
        let mut datapath = Datapath::start_in_memory(options).unwrap();
        let (mut hosts, mut homes) = (Vec::new(), Vec::new());
        for port in 1..=ports {
            let (opened, host) = datapath.open_in_memory(PortId(port as u16)).unwrap();
            homes.push(opened.home.unwrap());
            hosts.push(host);
        }
        let mut world = World { datapath, hosts, homes, number: 0 };
        world.publish(&[]);
        world
    }

    /// Publishes a snapshot without the ports in `down`.
    fn publish(&mut self, down: &[u16]) {
        self.number += 1;
        let ids = (1..=self.homes.len() as u16).filter(|port| !down.contains(port)).map(PortId);
        let all: PortSet = ids.collect();
        let port = |home| Port::new(ten(), home);
        let mut snapshot = Snapshot::empty(Arc::clone(self.datapath.fdb()));
        snapshot.number = self.number;
        snapshot.ports = std::iter::once(None).chain(self.homes.iter().map(|home| Some(port(*home)))).collect();
        snapshot.vlans[10] =
            Some(Arc::new(Vlan { learn: all.clone(), forward: all.clone(), untagged: all, ..Vlan::new(ten()) }));
        self.datapath.publish(Arc::new(snapshot));
        self.datapath.synchronise();
    }

    fn learn(&mut self, host: u8) {
        let fdb = self.datapath.fdb();
        fdb.insert(ten(), mac(host), PortId(host.into()), Origin::Dynamic).unwrap();
    }

    fn host(&mut self, host: u8) -> &mut MemHost {
        &mut self.hosts[usize::from(host) - 1]
    }

    fn send(&mut self, from: u8, frame: Vec<u8>) {
        let frame = MemFrame { bytes: frame, offload: Offload::default() };
        until("the ring to the switch has room", || self.host(from).send(frame.clone()).then_some(()));
    }

    fn receive(&mut self, at: u8) -> MemFrame {
        until("a frame arrives", || self.host(at).receive())
    }

    fn port(&self, port: u8) -> PortCounters {
        self.datapath.port_counters(PortId(port.into()))
    }

    /// What workers have received they have done with, too: they count before they send.
    fn finish_round(&mut self) {
        until("every worker has begun another round", || self.datapath.begin_round().then_some(()));
    }

    /// A station speaks behind a host's port, and the worker has heard it.
    fn speak(&mut self, station: u8, at: u8) {
        let before = self.port(at).rx_frames;
        self.send(at, numbered(station, [0xff; 6], 0));
        until("it is heard", || (self.port(at).rx_frames > before).then_some(()));
        self.finish_round();
    }

    /// Control enters at most so many reports, as they are: the ports they name.
    fn enter(&mut self, limit: usize) -> Vec<u16> {
        let mut ports = Vec::new();
        for report in self.reports(limit) {
            let Report::Seen(seen) = report else { panic!("{report:?}") };
            let fdb = self.datapath.fdb();
            let before = fdb.lookup(seen.vlan, seen.mac);
            fdb.insert(seen.vlan, seen.mac, seen.port, Origin::Dynamic).unwrap();
            if before.is_some_and(|station| station.port != seen.port) {
                self.datapath.look_again(&[seen]);
            }
            ports.push(seen.port.0);
        }
        ports
    }

    fn reports(&mut self, limit: usize) -> Vec<Report> {
        let mut reports = Vec::new();
        self.datapath.reports(limit, &mut reports);
        reports
    }
}

fn until<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    // Beside busy neighbours every turn of a ring waits for the scheduler.
    let end = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(it) = ready() {
            return it;
        }
        assert!(Instant::now() < end, "in vain: {what}");
        std::thread::yield_now();
    }
}

/// The VLAN that all ports are in.
fn ten() -> VlanId {
    VlanId::new(10).expect("a VID")
}

fn mac(host: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, host])
}

/// A frame of 100 bytes with a number in it.
fn numbered(from: u8, to: [u8; 6], number: u32) -> Vec<u8> {
    let mut frame = [&to[..], &mac(from).0, &[0x88, 0xb5], &number.to_be_bytes()].concat();
    frame.resize(100, 0);
    frame
}

/// `length` bytes of TCP over IPv4, to be cut into segments of 1,448.
fn super_frame(from: u8, to: [u8; 6], length: usize) -> MemFrame {
    let mut bytes = [&to[..], &mac(from).0, &[0x08, 0x00, 0x45]].concat();
    bytes.resize(length, 7);
    bytes[23] = 6;
    bytes[46] = 0x50;
    let offload = Offload {
        csum: Some(CsumStart { start: 34, offset: 16 }),
        gso: Some(Gso { kind: GsoKind::Tcp4, ecn: false, size: 1448, header: 54 }),
    };
    MemFrame { bytes, offload }
}

fn number(frame: &[u8]) -> u32 {
    u32::from_be_bytes(frame[14..18].try_into().unwrap())
}

#[test]
fn frames_cross_between_two_loaded_workers_in_order_and_once() {
    // Hosts 1 and 2 are at different workers; so are 3 and 4. 1→2 and 2→1 cross; 1→3 and 2→4 stay.
    const COUNT: u32 = 30_000;
    let mut world = World::new(2, 4);
    assert_eq!(world.homes, [0, 1, 0, 1].map(Home::Worker));
    (1..=4).for_each(|host| world.learn(host));
    let flows = [(1, 2), (2, 1), (1, 3), (2, 4)];
    let mut sent = [0; 4];
    let mut got = [0; 4];
    let in_flight = 200;
    until("all frames have arrived", || {
        for (flow, (from, to)) in flows.into_iter().enumerate() {
            while sent[flow] < COUNT && sent[flow] < got[flow] + in_flight {
                let frame = numbered(from, mac(to).0, sent[flow]);
                if !world.host(from).send(MemFrame { bytes: frame, offload: Offload::default() }) {
                    break;
                }
                sent[flow] += 1;
            }
            while let Some(frame) = world.host(to).receive() {
                assert_eq!(frame.bytes[6..12], mac(from).0, "only what is for host {to}");
                assert_eq!(number(&frame.bytes), got[flow], "in order, once, none lost");
                got[flow] += 1;
            }
        }
        (got == [COUNT; 4]).then_some(())
    });
    until("all is counted", || (world.port(2).tx_frames == u64::from(COUNT)).then_some(()));
    world.finish_round();
    for (port, rx, tx) in [(1, 2, 1), (2, 2, 1), (3, 0, 1), (4, 0, 1)] {
        let counted = world.port(port);
        let frames = u64::from(COUNT);
        let expected = (rx * frames, rx * frames * 100, tx * frames, tx * frames * 100);
        assert_eq!((counted.rx_frames, counted.rx_bytes, counted.tx_frames, counted.tx_bytes), expected, "port {port}");
        assert_eq!(counted.drops.iter().sum::<u64>(), 0);
        assert_eq!((counted.last_rx > 0, counted.last_tx > 0), (rx > 0, true), "port {port}");
    }
    let vlan = world.datapath.vlan_counters(ten());
    assert_eq!((vlan.rx_frames, vlan.tx_frames, vlan.tx_bytes), (120_000, 120_000, 12_000_000));
}

// L2-19.
#[test]
fn nothing_is_doubled_or_reordered_when_a_flooded_station_is_learned() {
    const COUNT: u32 = 5_000;
    let mut world = World::new(2, 4);
    let (mut sent, mut got) = (0, 0);
    until("all frames have arrived", || {
        // Few enough under way that no ring is ever full: then a frame that is missing is a mistake.
        while sent < COUNT && sent < got + 200 {
            if sent == COUNT / 2 {
                world.learn(2);
            }
            world.send(1, numbered(1, mac(2).0, sent));
            sent += 1;
        }
        while let Some(frame) = world.host(2).receive() {
            assert_eq!(number(&frame.bytes), got);
            got += 1;
        }
        for bystander in [3, 4] {
            while world.host(bystander).receive().is_some() {}
        }
        (got == COUNT).then_some(())
    });
    world.send(1, numbered(1, mac(2).0, COUNT));
    assert_eq!(number(&world.receive(2).bytes), COUNT);
    assert!(world.host(2).receive().is_none() && world.host(3).receive().is_none());
}

#[test]
fn reports_come_with_the_snapshot_and_the_bell() {
    let mut world = World::new(2, 2);
    assert_eq!(world.reports(10), []);
    for from in [1, 2] {
        world.send(from, numbered(from, [0xff; 6], 0));
        let mut polled = [PollFd::new(world.datapath.wakeup(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut polled, PollTimeout::from(5000u16)), Ok(1), "control is woken");
        let seen = Seen { vlan: ten(), mac: mac(from), port: PortId(from.into()), snapshot: world.number };
        assert_eq!(world.reports(10), [Report::Seen(seen)]);
    }
    let mut polled = [PollFd::new(world.datapath.wakeup(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut polled, PollTimeout::ZERO), Ok(0), "all is read");
    world.send(1, numbered(1, BPDU, 7));
    assert_eq!(
        until("the frame for the switch", || world.reports(1).pop()),
        Report::Frame(PortId(1), numbered(1, BPDU, 7))
    );
}

// L2-15: 802.1Q-2018 8.7.
#[test]
fn a_station_is_behind_the_port_it_spoke_behind_last_whatever_was_not_entered_by_then() {
    for workers in [1, 2] {
        let mut world = World::new(workers, 3);
        // Known: behind another port, and back before that was entered.
        world.learn(1);
        world.speak(1, 2);
        world.speak(1, 1);
        assert_eq!([world.enter(9), world.enter(9), world.enter(9)], [vec![2], vec![1], vec![]]);
        // Behind two others, and back.
        [2, 3, 1].into_iter().for_each(|at| world.speak(1, at));
        assert_eq!([world.enter(9), world.enter(9), world.enter(9)], [vec![2, 3], vec![1, 1], vec![]]);
        // Unknown: the last report, whichever worker's rings are read first.
        for station in 10..14 {
            [2, 1, 3, 2].into_iter().for_each(|at| world.speak(station, at));
            assert_eq!(world.enter(9).last(), Some(&2));
            assert_eq!(world.enter(9), []);
        }
    }
    // It becomes known before all was entered that was reported while it was not.
    let mut world = World::new(1, 2);
    world.speak(20, 1);
    world.speak(20, 2);
    assert_eq!(world.enter(1), [1]);
    world.speak(20, 1);
    assert_eq!([world.enter(9), world.enter(9), world.enter(9)], [vec![2], vec![1], vec![]]);
    // And speaks no more.
    world.speak(21, 1);
    world.speak(21, 2);
    assert_eq!([world.enter(1), world.enter(9), world.enter(9)], [vec![1], vec![2], vec![]]);
}

#[test]
fn a_flood_of_new_sources_never_costs_a_bpdu() {
    let mut world = World::new(1, 2);
    // Nobody reads reports meanwhile: the ring of sources is full many times over.
    for source in 0..20_000u32 {
        let mut frame = numbered(1, mac(2).0, source);
        frame[8..12].copy_from_slice(&source.to_be_bytes());
        world.send(1, frame);
        while world.host(2).receive().is_some() {}
    }
    for at in 0..10 {
        world.send(2, numbered(2, BPDU, at));
    }
    until("all is received", || (world.port(2).rx_frames == 10).then_some(()));
    world.finish_round();
    let reports = world.reports(12);
    let frames = reports.iter().filter(|report| matches!(report, Report::Frame(PortId(2), _))).count();
    assert_eq!((frames, reports.len()), (10, 12), "frames first, then sources");
    assert_eq!(world.port(2).dropped(Drop::PuntFull), 0);
    let read = world.reports(100_000).len();
    assert!((4_000..10_000).contains(&read), "{read} sources of 20,000 were reported");
}

#[test]
fn one_port_cannot_fill_the_way_to_the_switch_itself() {
    let mut world = World::new(1, 2);
    for at in 0..5_000 {
        world.send(1, numbered(1, BPDU, at));
        if at % 1_000 == 0 {
            world.send(2, numbered(2, BPDU, at));
        }
    }
    until("all is received", || (world.port(1).rx_frames == 5_000 && world.port(2).rx_frames == 5).then_some(()));
    world.finish_round();
    let reports = world.reports(100_000);
    let of =
        |port| reports.iter().filter(|report| matches!(report, Report::Frame(id, _) if *id == port)).count() as u64;
    assert_eq!(of(PortId(2)), 5);
    assert!(world.port(1).dropped(Drop::PuntFull) > 0);
    assert_eq!(of(PortId(1)) + world.port(1).dropped(Drop::PuntFull), 5_000);
}

#[test]
fn a_full_queue_is_counted_where_the_frame_came_in() {
    // One worker: nobody reads host 2's ring, so the port's queue is full.
    let mut world = World::new(1, 2);
    world.learn(2);
    let count = 2 * DEPTH as u32;
    (0..count).for_each(|at| world.send(1, numbered(1, mac(2).0, at)));
    until("all is received", || (world.port(1).rx_frames == u64::from(count)).then_some(()));
    world.finish_round();
    assert_eq!(world.port(1).dropped(Drop::TxFull), DEPTH as u64);
    assert_eq!(world.port(2).tx_frames, DEPTH as u64);
}

#[test]
fn a_full_ring_between_workers_is_counted_where_the_frame_came_in() {
    // 39 copies of 60,000 bytes go at once to a worker that sleeps until all are written: the ring holds 1 MiB.
    let mut world = World::named("full", 2, 78);
    until("the workers sleep", || (states("full-") == "SS").then_some(()));
    let frame = super_frame(1, [0xff; 6], 60_000);
    assert!(world.host(1).send(frame));
    let fit = (1 << 20) / 60_000;
    until("it is counted", || (world.port(1).dropped(Drop::RingFull) == 39 - fit).then_some(()));
    let copies = |world: &mut World| (1..=78).filter(|host| world.host(*host).receive().is_some()).count() as u64;
    let mut got = 0;
    until("the others arrive", || {
        got += copies(&mut world);
        (got == 38 + fit).then_some(())
    });
}

#[test]
fn a_super_frame_counts_as_its_segments_and_crosses_whole() {
    let mut world = World::new(2, 2);
    world.learn(2);
    let frame = super_frame(1, mac(2).0, 54 + 30_000);
    for _ in 0..100 {
        assert!(world.host(1).send(frame.clone()));
        assert_eq!(world.receive(2), frame);
    }
    until("all is counted", || (world.port(2).tx_frames >= 2_100).then_some(()));
    let wire = (2_100, 100 * (30_000 + 21 * 54));
    let (rx, tx) = (world.port(1), world.port(2));
    assert_eq!((rx.rx_frames, rx.rx_bytes), wire);
    assert_eq!((tx.tx_frames, tx.tx_bytes), wire);
}

#[test]
fn sources_that_control_does_not_fetch_in_time_are_counted_and_reported_again() {
    let mut world = World::new(1, 2);
    let lost = |world: &World| {
        let losses = world.datapath.losses();
        losses.iter().find(|(_, name, _)| *name == "report_ring_full").map(|(_, _, lost)| *lost)
    };
    assert_eq!(lost(&world), Some(0));
    let mut sent = 0u32;
    until("it is counted", || {
        let mut frame = numbered(0, mac(9).0, sent);
        frame[8..12].copy_from_slice(&sent.to_be_bytes());
        world.send(1, frame);
        world.host(2).receive();
        sent += 1;
        lost(&world).filter(|lost| *lost > 0)
    });
    let reported = world.reports(usize::MAX).len();
    assert!(reported > 4096 && reported < sent as usize, "{reported} of {sent}");
    // Its next frame is as good as its first.
    let mut last = numbered(0, mac(9).0, sent);
    last[8..12].copy_from_slice(&(sent - 1).to_be_bytes());
    let seen = |report: &Report| matches!(report, Report::Seen(seen) if seen.mac.0[..] == last[6..12]);
    until("the last one is reported", || {
        world.send(1, last.clone());
        world.reports(100).iter().any(seen).then_some(())
    });
}

#[test]
fn the_switch_sends_frames_of_its_own() {
    let mut world = World::new(2, 2);
    for port in [1, 2] {
        world.datapath.inject(PortId(port), &numbered(9, BPDU, port.into()));
        assert_eq!(number(&world.receive(port as u8).bytes), u32::from(port));
        until("it is counted", || (world.port(port as u8).tx_multicast == 1).then_some(()));
    }
    world.datapath.inject(PortId(77), &numbered(9, BPDU, 0));
    assert_eq!(world.datapath.losses().last(), Some(&(0, "inject_failed", 1)));
}

#[test]
fn a_published_snapshot_is_in_effect_after_synchronise() {
    let mut world = World::new(2, 2);
    world.learn(2);
    for round in 0..200 {
        let open = round % 2 == 0;
        world.publish(if open { &[] } else { &[2] });
        world.send(1, numbered(1, mac(2).0, round));
        let received = u64::from(round) + 1;
        // A snapshot of before would leave one drop too few or too many for good.
        until("it is received and decided by the snapshot", || {
            let port = world.port(1);
            (port.rx_frames == received && port.dropped(Drop::EgressVlanFilter) == received / 2).then_some(())
        });
        if open {
            assert_eq!(number(&world.receive(2).bytes), round);
        }
    }
}

#[test]
fn old_snapshots_are_freed_once_no_worker_decides_by_them() {
    let mut world = World::new(2, 1);
    let old = Arc::new(Snapshot::empty(Arc::clone(world.datapath.fdb())));
    let watch = Arc::downgrade(&old);
    world.datapath.publish(old);
    world.publish(&[]);
    until("the old one is freed", || {
        world.datapath.synchronise();
        watch.upgrade().is_none().then_some(())
    });
}

#[test]
fn a_port_number_begins_at_zero_for_its_new_owner() {
    let mut world = World::new(2, 2);
    world.learn(2);
    world.send(1, numbered(1, mac(2).0, 0));
    world.receive(2);
    until("it is counted", || (world.port(2).tx_frames == 1).then_some(()));
    world.datapath.close(PortId(2));
    assert!(world.host(2).is_closed());
    world.send(1, numbered(1, mac(2).0, 1));
    until("it is dropped", || (world.port(1).dropped(Drop::PortDown) == 1).then_some(()));
    let (opened, host) = world.datapath.open_in_memory(PortId(2)).unwrap();
    (world.hosts[1], world.homes[1]) = (host, opened.home.unwrap());
    assert_eq!(world.port(2), PortCounters { drops: vec![0; Drop::COUNT], ..Default::default() });
    world.publish(&[]);
    world.send(1, numbered(1, mac(2).0, 2));
    assert_eq!(number(&world.receive(2).bytes), 2);
    until("it is counted", || (world.port(2).tx_frames == 1).then_some(()));
    world.datapath.close(PortId(2));
    world.datapath.close(PortId(2));
    world.datapath.close(PortId(99));
}

#[test]
fn idle_workers_sleep_and_leave_when_told() {
    let mut world = World::named("idle", 2, 8);
    world.send(1, numbered(1, [0xff; 6], 0));
    (2..=8).for_each(|host| assert_eq!(number(&world.receive(host).bytes), 0));
    // What is measured is that nothing happens for a time.
    let mut spent = [(); 3].map(|()| {
        let (begin, before) = (Instant::now(), ticks("idle-"));
        std::thread::sleep(Duration::from_secs(2));
        (ticks("idle-") - before) as f64 * 10.0 / begin.elapsed().as_millis() as f64 * 100.0
    });
    spent.sort_by(f64::total_cmp);
    assert!(spent[1] <= 2.0, "{spent:.1?} % of a CPU");
    // A worker that nobody wakes sleeps for a second, each time; a busy machine is late some times.
    let mut world = Some(world);
    let prompt = (0..20).any(|_| {
        let mut world = world.take().unwrap_or_else(|| World::named("idle", 2, 8));
        world.send(1, numbered(1, [0xff; 6], 1));
        (2..=8).for_each(|host| assert_eq!(number(&world.receive(host).bytes), 1));
        let begin = Instant::now();
        drop(world);
        begin.elapsed() < Duration::from_millis(500)
    });
    assert!(prompt, "they leave when they are told");
    until("no thread is left", || threads("idle-").is_empty().then_some(()));
}

#[test]
fn wrong_port_numbers_are_refused_in_words() {
    let mut world = World::new(1, 1);
    for (port, said) in [
        (0, "p0 is no port number: there are 1 to 4094"),
        (4095, "p4095 is no port number: there are 1 to 4094"),
        (1, "p1 is open already: close it first"),
    ] {
        assert_eq!(world.datapath.open_in_memory(PortId(port)).err().unwrap().to_string(), said);
    }
}

/// What proc(5) says in `stat` behind the name, for each thread of this process whose name begins so.
fn threads(name: &str) -> Vec<Vec<String>> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let stats = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok());
    let mine = stats.filter(|stat| stat.contains(&format!("({name}")));
    mine.map(|stat| stat.rsplit(')').next().unwrap().split_whitespace().map(String::from).collect()).collect()
}

/// User and system time of those threads, in clock ticks: fields 14 and 15, the state being field 3.
fn ticks(name: &str) -> u64 {
    threads(name).iter().flat_map(|stat| &stat[11..13]).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

/// The letters of their states.
fn states(name: &str) -> String {
    threads(name).iter().map(|stat| stat[0].as_str()).collect()
}
