//! What the kernel replays: real netdevs in a network namespace of each test's own (root), a worker that only watches what
//! comes up to it, and this test in the part of control.

mod world;

use mona_datapath::flow::{Depth, Flow};
use mona_datapath::io::flows::FlowTable;
use mona_datapath::io::packet::{Backplane, PacketPorts};
use mona_datapath::io::raw::RawSocket;
use mona_datapath::io::{Offload, RxFrame};
use mona_datapath::offload::Leaving;
use mona_datapath::program::program;
use mona_datapath::{Recorder, Snapshot};
use mona_wire::PortId;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};
use world::{Line, World, line};

const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a test in a namespace of its own, which ends with its thread.
fn alone(test: impl FnOnce() + Send + 'static) {
    let done = thread::spawn(|| {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root");
        test();
    });
    if let Err(panic) = done.join() {
        std::panic::resume_unwind(panic);
    }
}

fn sh(line: &str) -> String {
    let output = Command::new("sh").args(["-c", line]).output().expect("sh");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{line}: {text}");
    text
}

/// What became of a frame.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// Userspace has to decide.
    Up(PortId, Vec<u8>, Offload),
    /// The kernel sent it by this port.
    Replayed(PortId, Vec<u8>),
}

/// Ports on cables, and what a switch knows.
struct Rig {
    _ports: PacketPorts,
    backplane: Backplane,
    table: FlowTable,
    hosts: Vec<RawSocket>,
    clock: Instant,
}

impl Rig {
    /// Ports p1 to p`count`, with cables whose ends are the hosts'.
    fn new(count: u16) -> Rig {
        sh("sysctl -qw net.ipv6.conf.default.disable_ipv6=1; ip link set lo up");
        let (mut ports, mut backplanes, _urgent) = PacketPorts::start("replay", 1).expect("start");
        let mut table = ports.flows().expect("flows");
        table.hold(0);
        let mut hosts = Vec::new();
        for port in 1..=count {
            sh(&format!(
                "ip link add a{port} mtu 9000 type veth peer name b{port} mtu 9000
                 ip link set a{port} up; ip link set b{port} up"
            ));
            let opened = ports.open(PortId(port), &format!("a{port}"), 0).expect("open");
            table.set_port(PortId(port), opened.way);
            hosts.push(RawSocket::open(&format!("b{port}")).expect("socket"));
        }
        let backplane = backplanes.remove(0);
        Rig { _ports: ports, backplane, table, hosts, clock: Instant::now() }
    }

    fn now(&self) -> u64 {
        self.clock.elapsed().as_nanos() as u64
    }

    fn up(&mut self) -> Option<Fate> {
        let mut frames: Vec<RxFrame> = Vec::new();
        self.backplane.receive(&mut frames, 1);
        let fate = frames.first().map(|frame| Fate::Up(frame.rx, frame.bytes().to_vec(), frame.offload));
        self.backplane.flush();
        self.backplane.release();
        fate
    }

    /// Sends a frame from the host behind a port: what becomes of it?
    fn send(&mut self, line: &Line) -> Fate {
        self.hosts[usize::from(line.rx.0) - 1].send(&line.bytes).expect("sent");
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(fate) = self.up() {
                return fate;
            }
            for (host, port) in self.hosts.iter().zip(1..) {
                if let Some(bytes) = host.receive(Duration::ZERO).expect("a socket") {
                    return Fate::Replayed(PortId(port), bytes);
                }
            }
        }
        panic!("{:x?} is lost", line.bytes);
    }

    /// Remembers what is decided about a frame, as control does.
    fn learn(&mut self, snapshot: &Snapshot, line: &Line) -> Flow {
        let epoch = self.table.epoch();
        let decided = program(snapshot, line.rx, &line.bytes, line.bytes.len() as u32, &Offload::default(), epoch);
        let flow = decided.unwrap_or_else(|why| panic!("{:x?}: {}", line.bytes, why.why()));
        self.table.insert(&flow, self.now()).expect("room");
        flow
    }
}

/// What a frame is when the switch has sent it, if it goes to one port.
fn expected(snapshot: &Snapshot, line: &Line) -> Option<Fate> {
    let recorder = Recorder::trace(snapshot, line.rx, &line.bytes, &Offload::default());
    let [(port, tag)] = recorder.sends[..] else { return None };
    let mut bytes = line.bytes.clone();
    if let Some((_, rewrite)) = recorder.rewrite {
        rewrite.apply(&mut bytes);
        bytes.truncate(rewrite.len as usize);
    }
    let leaving = Leaving::new(&bytes, &Offload::default(), tag).expect("a frame");
    let mut sent = vec![0; leaving.len()];
    leaving.write(&mut sent).expect("written");
    Some(Fate::Replayed(port, sent))
}

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
