//! Ports on cables, a worker that only watches what comes up to it, and the test in the part of control.
#![allow(dead_code)]

use crate::space::sh;
use crate::world::{Line, World, line};
use mona_datapath::flow::{Depth, Flow};
use mona_datapath::io::credit::Settled;
use mona_datapath::io::flows::FlowTable;
use mona_datapath::io::packet::{Backplane, PacketPorts};
use mona_datapath::io::raw::RawSocket;
use mona_datapath::io::xdp::XdpPorts;
use mona_datapath::io::xskset::XskSet;
use mona_datapath::io::{CsumStart, Gso, GsoKind, Offload, RxFrame};
use mona_datapath::offload::Leaving;
use mona_datapath::program::program;
use mona_datapath::{Recorder, Snapshot};
use mona_wire::{PortId, Tci};
use nix::sched::{CpuSet, sched_getcpu, sched_setaffinity};
use nix::unistd::Pid;
use std::time::{Duration, Instant};

pub const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a test in a namespace of its own, and on one CPU: what it sends is received there, frame by frame, also where that has to
/// wait because the machine has other things to do.
pub fn alone(test: impl FnOnce() + Send + 'static) {
    crate::space::alone(|| {
        let mut here = CpuSet::new();
        here.set(sched_getcpu().expect("a CPU")).expect("there are not so many");
        sched_setaffinity(Pid::from_raw(0), &here).expect("its own thread");
        test();
    });
}

/// What became of a frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    /// Userspace has to decide.
    Up(PortId, Vec<u8>, Offload),
    /// The kernel sent it by these ports, ascending.
    Replayed(Vec<(PortId, Vec<u8>, Offload)>),
}

/// What a port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Packet,
    /// The driver runs the XDP program, and the device takes frames from XDP: the host at the far end has NAPI…
    Takes,
    /// …or has not, and it does not.
    Native,
    /// The kernel runs it.
    Generic,
}

/// Ports on cables, and what a switch knows.
pub struct Rig {
    pub table: FlowTable,
    kinds: Vec<Kind>,
    sockets: XskSet,
    xdp: XdpPorts,
    pub ports: PacketPorts,
    backplane: Backplane,
    hosts: Vec<RawSocket>,
    clock: Instant,
    _tunnels: Vec<Far>,
}

impl Rig {
    /// Ports p1 to p`count`, with cables whose ends are the hosts'.
    pub fn new(count: u16) -> Rig {
        Rig::of(&vec![Kind::Packet; usize::from(count)])
    }

    /// The same, one of each of these kinds.
    pub fn of(kinds: &[Kind]) -> Rig {
        sh("sysctl -qw net.ipv6.conf.default.disable_ipv6=1; ip link set lo up");
        let (mut ports, mut backplanes, _urgent) = PacketPorts::start("replay", 1).expect("start");
        let (mut xdp, mut sockets) = (XdpPorts::start().expect("start"), XskSet::default());
        let mut table = ports.flows("replay").expect("flows");
        table.hold(0);
        let (mut hosts, mut tunnels) = (Vec::new(), Vec::new());
        for (port, kind) in (1..).zip(kinds) {
            let device = format!("a{port}");
            match kind {
                Kind::Generic => tunnels.push(tunnel(port)),
                // A tag that travels beside the frame XDP does not see.
                _ => {
                    sh(&format!(
                        "ip link add a{port} mtu 9000 type veth peer name b{port} mtu 9000
                         ethtool -K b{port} txvlan off tx-vlan-stag-hw-insert off"
                    ));
                }
            }
            if *kind == Kind::Takes {
                sh(&format!("ethtool -K b{port} gro on"));
            }
            sh(&format!("ip link set a{port} up; ip link set b{port} up"));
            let way = if *kind == Kind::Packet {
                ports.open(PortId(port), &device, 0).expect("open").way
            } else {
                let (opened, way, queues) = xdp.open(ports.programs(), PortId(port), &device, &[0]).expect("open");
                assert_eq!(opened.attach == "generic", *kind == Kind::Generic, "{opened:?}");
                assert_eq!(way.takes_xdp, *kind == Kind::Takes, "{way:?}");
                queues.into_iter().for_each(|(_, xsk)| sockets.add(PortId(port), xsk));
                way
            };
            table.set_port(PortId(port), way);
            hosts.push(RawSocket::open_with_offload(&format!("b{port}")).expect("socket"));
        }
        let backplane = backplanes.remove(0);
        let (kinds, clock) = (kinds.to_vec(), Instant::now());
        Rig { table, kinds, sockets, xdp, ports, backplane, hosts, clock, _tunnels: tunnels }
    }

    pub fn kind(&self, port: PortId) -> Kind {
        self.kinds[usize::from(port.0) - 1]
    }

    /// What a port refused for want of credit.
    pub fn refused(&mut self, port: PortId) -> u64 {
        let losses = match self.kind(port) {
            Kind::Packet => self.ports.kernel_losses(port),
            _ => self.xdp.kernel_losses(self.ports.programs(), port),
        };
        losses.iter().find(|row| row.0 == "credit").expect("a row").1
    }

    pub fn now(&self) -> u64 {
        self.clock.elapsed().as_nanos() as u64
    }

    /// Of several ports at most one sends at a time.
    pub fn up(&mut self) -> Option<Fate> {
        let mut frames: Vec<RxFrame> = Vec::new();
        if self.backplane.receive(&mut frames, 1) == 0 {
            self.sockets.receive(&mut frames, 1);
        }
        assert!(frames.len() <= 1, "{frames:?}");
        let fate = frames.first().map(|frame| Fate::Up(frame.rx, frame.bytes().to_vec(), frame.offload));
        self.backplane.flush();
        self.backplane.release();
        self.sockets.flush();
        self.sockets.release();
        self.backplane.settle(Settled::All);
        self.sockets.settle(Settled::All);
        fate
    }

    /// Sends a frame, whatever becomes of it; when this returns the program has had it.
    pub fn throw(&mut self, line: &Line) {
        self.hosts[usize::from(line.rx.0) - 1].send_with(&line.bytes, &Offload::default()).expect("sent");
        let end = Instant::now() + PATIENCE;
        while backlog() > 0 {
            assert!(Instant::now() < end, "the kernel does not get on");
        }
    }

    /// Sends a frame from the host behind a port: what becomes of it?
    pub fn send(&mut self, line: &Line) -> Fate {
        self.send_with(line, &Offload::default())
    }

    /// The same of a frame that leaves something to be done.
    pub fn send_with(&mut self, line: &Line, offload: &Offload) -> Fate {
        self.send_for(line, offload, 1)
    }

    /// The same of a frame of which so many copies leave if it is replayed. (Of those that are too many the next frame
    /// hears.)
    pub fn send_for(&mut self, line: &Line, offload: &Offload, count: usize) -> Fate {
        self.hosts[usize::from(line.rx.0) - 1].send_with(&line.bytes, offload).expect("sent");
        let end = Instant::now() + PATIENCE;
        let mut buffer = [0; 1 << 17];
        let mut copies = Vec::new();
        while Instant::now() < end {
            if let Some(fate) = self.up() {
                return fate;
            }
            for (host, port) in self.hosts.iter().zip(1..) {
                while let Some((len, offload)) = host.receive_with(&mut buffer, Duration::ZERO).expect("a socket") {
                    copies.push((PortId(port), buffer[..len].to_vec(), offload));
                }
            }
            if copies.len() >= count {
                copies.sort_by_key(|copy| copy.0);
                return Fate::Replayed(copies);
            }
        }
        panic!("{:x?} is lost: {} of {count} copies", line.bytes, copies.len());
    }

    /// Remembers what is decided about a frame, as control does.
    pub fn learn(&mut self, snapshot: &Snapshot, line: &Line, offload: &Offload) -> Flow {
        let epoch = self.table.epoch();
        let decided = program(snapshot, line.rx, &line.bytes, line.bytes.len() as u32, offload, epoch);
        let flow = decided.unwrap_or_else(|why| panic!("{:x?}: {why:?}", line.bytes));
        self.table.insert(&flow, self.now()).expect("room");
        flow
    }
}

/// Frames that the kernel has queued for its programs (`/proc/net/softnet_stat`: a line for each CPU, the twelfth word).
fn backlog() -> u64 {
    let text = std::fs::read_to_string("/proc/net/softnet_stat").expect("it tells");
    let queued =
        |line: &str| line.split_whitespace().nth(11).map_or(0, |word| u64::from_str_radix(word, 16).unwrap_or(0));
    text.lines().map(queued).sum()
}

/// Ends a{port} and b{port} of a tunnel whose driver has no native XDP; the other end's socket is in a namespace of its own.
fn tunnel(port: u16) -> Far {
    let far = format!("rig-{}-{port}", nix::unistd::gettid());
    sh(&format!(
        "ip netns add {far}
         ip link add u{port} mtu 9100 type veth peer name u mtu 9100 netns {far}
         ip addr add 10.255.{port}.1/24 dev u{port}; ip link set u{port} up
         ip -n {far} addr add 10.255.{port}.2/24 dev u; ip -n {far} link set u up
         ip link add a{port} mtu 9000 type vxlan id {port} local 10.255.{port}.1 remote 10.255.{port}.2 dstport 4789 nolearning
         ip -n {far} link add b{port} mtu 9000 type vxlan id {port} local 10.255.{port}.2 remote 10.255.{port}.1 dstport 4789 nolearning
         ip -n {far} link set b{port} netns $$"
    ));
    Far(far)
}

/// Where the socket of a tunnel's other end is.
struct Far(String);

impl Drop for Far {
    fn drop(&mut self) {
        sh(&format!("ip netns del {}", self.0));
    }
}

/// What a frame is when the switch has sent it, if it goes anywhere.
pub fn expected(snapshot: &Snapshot, line: &Line, offload: &Offload) -> Option<Fate> {
    let recorder = Recorder::trace(snapshot, line.rx, &line.bytes, offload);
    let mut bytes = line.bytes.clone();
    if let Some((_, rewrite)) = recorder.rewrite {
        rewrite.apply(&mut bytes);
        bytes.truncate(rewrite.len as usize);
    }
    let copy = |(port, tag): &(PortId, Option<Tci>)| {
        let leaving = Leaving::new(&bytes, offload, *tag).expect("a frame");
        let mut sent = vec![0; leaving.len()];
        leaving.write(&mut sent).expect("written");
        (*port, sent, leaving.offload)
    };
    (!recorder.sends.is_empty()).then(|| Fate::Replayed(recorder.sends.iter().map(copy).collect()))
}

/// How many copies leave.
pub fn copies(fate: &Option<Fate>) -> usize {
    match fate {
        Some(Fate::Replayed(copies)) => copies.len(),
        _ => 1,
    }
}

/// It goes to userspace.
pub fn up(line: &Line, offload: &Offload) -> Fate {
    Fate::Up(line.rx, line.bytes.clone(), *offload)
}

/// Two frames up, and then the kernel replays: one before it knows, one that it waits for, the next one.
pub fn replays(rig: &mut Rig, world: &World, line: &Line, offload: &Offload) -> Depth {
    assert_eq!(rig.send_with(line, offload), up(line, offload), "not known");
    let flow = rig.learn(&world.snapshot, line, offload);
    assert_eq!(rig.send_with(line, offload), up(line, offload), "one may be on its way");
    let wanted = expected(&world.snapshot, line, offload);
    let count = copies(&wanted);
    assert_eq!(Some(rig.send_for(line, offload, count)), wanted);
    assert_eq!(Some(rig.send_for(line, offload, count)), wanted, "again");
    flow.looked.depth
}

/// A TCP segment of so much payload, its checksum and size left to be done; `hosts` as in a line.
pub fn super_frame(hosts: &str, payload: usize, mss: u16) -> (Line, Offload) {
    let six = hosts.contains("::");
    let ip = if six { 40 } else { 20 };
    let mut line = line(&format!("{hosts} proto 6 ports 1:2 len {}", ip + 20 + payload));
    let start = line.bytes.len() - payload - 20;
    line.bytes[start + 12] = 0x50;
    line.bytes[start + 13] = 0x10;
    let kind = if six { GsoKind::Tcp6 } else { GsoKind::Tcp4 };
    let gso = Gso { kind, ecn: false, size: mss, header: start as u16 + 20 };
    let csum = CsumStart { start: start as u16, offset: 16 };
    (line, Offload { csum: Some(csum), gso: (payload > usize::from(mss)).then_some(gso) })
}
