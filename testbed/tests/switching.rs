//! The datapath alone, between hosts in namespaces of their own: pings and TCP with all offloads on, over every pair of
//! I/Os, and what happens to others when a port's device vanishes.

use mona_datapath::Drop;
use mona_datapath::fdb::Origin;
use mona_datapath::snapshot::{Home, Port, PortSet, Snapshot, Vlan};
use mona_datapath::switching::{Datapath, IoChoice, Options, Report};
use mona_testbed::netns::{World, inside, tcp, wait};
use mona_wire::{PortId, VlanId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use IoChoice::{Auto, Packet, Xdp};

/// A switch in one namespace, whose ports 1.. are cables to hosts 1.. (10.0.0.1..) in theirs; all in VLAN 10.
struct Bed {
    datapath: Option<Datapath>,
    homes: BTreeMap<u16, Home>,
    number: u64,
    switch: String,
    hosts: Vec<String>,
    name: String,
    world: World,
}

impl Bed {
    fn new(label: &str, workers: usize, ports: &[IoChoice]) -> Bed {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let mut world = World::new(&format!("worker-{label}"));
        let switch = world.namespace("s");
        let mut hosts = Vec::new();
        for host in 1..=ports.len() {
            let namespace = world.namespace(&format!("h{host}"));
            world.cable((&switch, &format!("p{host}")), (&namespace, "eth0"));
            world.exec(&namespace, &format!("ip addr add 10.0.0.{host}/24 dev eth0"));
            hosts.push(namespace);
        }
        let name = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let options = Options { workers, stations: 8192, name: name.clone() };
        let datapath = inside(&switch, || Datapath::start(options)).expect("the datapath starts");
        let mut bed = Bed { datapath: Some(datapath), homes: BTreeMap::new(), number: 0, switch, hosts, name, world };
        for (at, io) in ports.iter().enumerate() {
            bed.open(at as u16 + 1, *io);
        }
        bed.publish();
        bed
    }

    fn datapath(&mut self) -> &mut Datapath {
        self.datapath.as_mut().expect("it runs until the end")
    }

    fn open(&mut self, port: u16, io: IoChoice) {
        let (datapath, switch) = (self.datapath.as_mut().expect("it runs"), &self.switch);
        let opened = inside(switch, || datapath.open(PortId(port), &format!("p{port}"), io));
        let opened = opened.unwrap_or_else(|e| panic!("p{port} as {io:?}: {e}"));
        match io {
            Packet => assert_eq!(opened.io, "packet", "{}", opened.why),
            Xdp => assert_eq!(opened.io, "xdp", "{}", opened.why),
            Auto => {}
        }
        assert!(!opened.why.is_empty());
        self.homes.insert(port, opened.home.expect("an open port is somewhere"));
    }

    fn close(&mut self, port: u16) {
        let (datapath, switch) = (self.datapath.as_mut().expect("it runs"), &self.switch);
        inside(switch, || datapath.close(PortId(port)));
        self.homes.remove(&port);
        self.publish();
    }

    fn publish(&mut self) {
        self.number += 1;
        let all: PortSet = self.homes.keys().map(|port| PortId(*port)).collect();
        let port = |home| Port::new(ten(), home);
        let last = self.homes.keys().max().copied().unwrap_or(0);
        let ports = (0..=last).map(|id| self.homes.get(&id).map(|home| port(*home))).collect();
        let datapath = self.datapath.as_mut().expect("it runs");
        let mut snapshot = Snapshot::empty(Arc::clone(datapath.fdb()));
        snapshot.number = self.number;
        snapshot.ports = ports;
        snapshot.vlans[10] =
            Some(Arc::new(Vlan { learn: all.clone(), forward: all.clone(), untagged: all, ..Vlan::new(ten()) }));
        datapath.publish(Arc::new(snapshot));
        datapath.synchronise();
    }

    /// Learns what was reported, as control does.
    fn learn(&mut self) {
        let mut reports = Vec::new();
        self.datapath().reports(1000, &mut reports);
        for report in reports {
            if let Report::Seen(seen) = report {
                let _ = self.datapath().fdb().insert(seen.vlan, seen.mac, seen.port, Origin::Dynamic);
            }
        }
    }

    fn pings(&mut self, from: usize, to: usize) -> bool {
        let done = self.world.reaches(&self.hosts[from - 1], &format!("10.0.0.{to}"));
        self.learn();
        done
    }

    fn tcp(&self, from: usize, to: usize, megabytes: usize) {
        tcp(&self.hosts[from - 1], &self.hosts[to - 1], &format!("10.0.0.{to}"), megabytes);
    }

    fn rx(&mut self, port: u16) -> u64 {
        self.datapath().port_counters(PortId(port)).rx_frames
    }
}

impl std::ops::Drop for Bed {
    fn drop(&mut self) {
        let datapath = self.datapath.take();
        inside(&self.switch, || drop(datapath));
    }
}

/// The VLAN that all ports are in.
fn ten() -> VlanId {
    VlanId::new(10).expect("a VID")
}

/// Two hosts reach each other, TCP passes both ways with the hosts' offloads on, and every frame is counted.
fn hosts_talk(label: &str, workers: usize, ports: [IoChoice; 2]) {
    let mut bed = Bed::new(label, workers, &ports);
    assert!(bed.pings(1, 2), "{:?}", bed.datapath().losses());
    assert!(bed.pings(2, 1));
    for (from, to) in [(1, 2), (2, 1)] {
        bed.tcp(from, to, 8);
    }
    for port in [1, 2] {
        // A batch is counted once it is sent, and what is sent may arrive before that.
        let counted = |bed: &mut Bed| bed.datapath().port_counters(PortId(port));
        wait(|| counted(&mut bed).tx_bytes > 8 << 20);
        let counted = counted(&mut bed);
        assert!(counted.rx_bytes > 8 << 20 && counted.tx_bytes > 8 << 20, "{counted:?}");
        // Wire frames, not super-frames: 8 MiB are more than 5,500 of 1,514 bytes.
        assert!(counted.rx_frames > 5_500 && counted.tx_frames > 5_500, "{counted:?}");
        assert_eq!(counted.dropped(Drop::Unsegmentable) + counted.dropped(Drop::TxError), 0, "{counted:?}");
        assert!(counted.last_rx > 0 && counted.last_tx > 0);
    }
}

#[test]
fn packet_to_packet() {
    hosts_talk("pp", 2, [Packet, Packet]);
}

#[test]
fn xdp_to_xdp() {
    hosts_talk("xx", 2, [Xdp, Xdp]);
}

#[test]
fn xdp_to_xdp_on_one_worker() {
    hosts_talk("x1", 1, [Xdp, Xdp]);
}

#[test]
fn packet_to_xdp() {
    hosts_talk("px", 2, [Packet, Xdp]);
}

#[test]
fn whatever_fits() {
    hosts_talk("aa", 2, [Auto, Auto]);
}

#[test]
fn a_device_that_vanishes_under_load_disturbs_nobody() {
    for io in [Packet, Xdp] {
        let mut bed = Bed::new("vanish", 2, &[Packet, Xdp, io]);
        for (from, to) in [(1, 2), (1, 3), (3, 2)] {
            assert!(bed.pings(from, to), "{from}→{to}");
        }
        let name = bed.hosts[2].clone();
        // Two minutes at most, and it ends with the world.
        bed.world.spawn(&name, "ping".as_ref(), &["-w", "120", "-f", "-q", "-b", "10.0.0.255"]);
        let before = bed.rx(3);
        assert!(wait(|| bed.rx(3) > before + 500), "host 3 floods");
        let switch = bed.switch.clone();
        bed.world.exec(&switch, "ip link del p3");
        assert!(bed.pings(1, 2) && bed.pings(2, 1), "{io:?}: the others, before control knows");
        bed.tcp(1, 2, 2);
        bed.close(3);
        assert!(bed.pings(1, 2) && bed.pings(2, 1), "{io:?}: the others, after");
        // The number is free for another device at once.
        bed.world.cable((&switch, "p3"), (&name, "eth0"));
        bed.world.exec(&name, "ip addr add 10.0.0.3/24 dev eth0");
        bed.open(3, io);
        bed.publish();
        // The successor has another address.
        bed.datapath().fdb().retain(|_| false);
        bed.hosts.iter().for_each(|host| drop(bed.world.exec(host, "ip neigh flush all")));
        assert!(bed.pings(1, 3) && bed.pings(3, 2), "{io:?}: its successor");
    }
}

#[test]
fn eight_idle_ports_cost_next_to_nothing() {
    let mut bed = Bed::new("idle", 2, &[Packet, Packet, Packet, Packet, Xdp, Xdp, Xdp, Xdp]);
    assert!(bed.pings(1, 8) && bed.pings(5, 2));
    let name = format!("({}-", bed.name);
    let ticks = || -> u64 {
        let tasks = std::fs::read_dir("/proc/self/task").expect("proc").flatten();
        let stats = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok());
        let mine = stats.filter(|stat| stat.contains(&name));
        mine.map(|stat| {
            let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
            fields[11].parse::<u64>().unwrap_or(0) + fields[12].parse::<u64>().unwrap_or(0)
        })
        .sum()
    };
    // What is measured is that nothing happens for a time; what the hosts say once is not theirs.
    let mut spent = [(); 3].map(|()| {
        let (begin, before) = (Instant::now(), ticks());
        std::thread::sleep(Duration::from_secs(3));
        (ticks() - before) as f64 * 10.0 / begin.elapsed().as_millis() as f64 * 100.0
    });
    spent.sort_by(f64::total_cmp);
    assert!(spent[1] <= 2.0, "{spent:.1?} % of a CPU");
    assert!(bed.pings(1, 8) && bed.pings(5, 2));
}

#[test]
fn what_cannot_be_opened_says_why() {
    let mut bed = Bed::new("why", 1, &[Packet]);
    let switch = bed.switch.clone();
    for (port, device, io) in [(2, "nosuch0", Auto), (2, "nosuch0", Packet), (2, "nosuch0", Xdp), (1, "p1", Packet)] {
        let datapath = bed.datapath();
        let said = inside(&switch, || datapath.open(PortId(port), device, io)).expect_err("not this one").to_string();
        assert!(said.len() > 20, "{said} says what to do");
        assert!(said.contains(if port == 1 { "p1" } else { "nosuch0" }), "{said}");
    }
    assert!(bed.rx(1) < 1000);
}
