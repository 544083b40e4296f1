//! Ports on cables, a worker that only watches what comes up to it, and the test in the part of control.
#![allow(dead_code)]

use crate::world::Line;
use mona_datapath::flow::Flow;
use mona_datapath::io::flows::FlowTable;
use mona_datapath::io::packet::{Backplane, PacketPorts};
use mona_datapath::io::raw::RawSocket;
use mona_datapath::io::{Offload, RxFrame};
use mona_datapath::offload::Leaving;
use mona_datapath::program::program;
use mona_datapath::{Recorder, Snapshot};
use mona_wire::{PortId, Tci};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

pub const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a test in a namespace of its own, which ends with its thread.
pub fn alone(test: impl FnOnce() + Send + 'static) {
    let done = thread::spawn(|| {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root");
        test();
    });
    if let Err(panic) = done.join() {
        std::panic::resume_unwind(panic);
    }
}

pub fn sh(line: &str) -> String {
    let output = Command::new("sh").args(["-c", line]).output().expect("sh");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{line}: {text}");
    text
}

/// What became of a frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    /// Userspace has to decide.
    Up(PortId, Vec<u8>, Offload),
    /// The kernel sent it by these ports, ascending.
    Replayed(Vec<(PortId, Vec<u8>, Offload)>),
}

/// Ports on cables, and what a switch knows.
pub struct Rig {
    pub ports: PacketPorts,
    backplane: Backplane,
    pub table: FlowTable,
    hosts: Vec<RawSocket>,
    clock: Instant,
}

impl Rig {
    /// Ports p1 to p`count`, with cables whose ends are the hosts'.
    pub fn new(count: u16) -> Rig {
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
            hosts.push(RawSocket::open_with_offload(&format!("b{port}")).expect("socket"));
        }
        let backplane = backplanes.remove(0);
        Rig { ports, backplane, table, hosts, clock: Instant::now() }
    }

    pub fn now(&self) -> u64 {
        self.clock.elapsed().as_nanos() as u64
    }

    pub fn up(&mut self) -> Option<Fate> {
        let mut frames: Vec<RxFrame> = Vec::new();
        self.backplane.receive(&mut frames, 1);
        let fate = frames.first().map(|frame| Fate::Up(frame.rx, frame.bytes().to_vec(), frame.offload));
        self.backplane.flush();
        self.backplane.release();
        fate
    }

    /// Sends a frame, whatever becomes of it.
    pub fn throw(&mut self, line: &Line) {
        self.hosts[usize::from(line.rx.0) - 1].send_with(&line.bytes, &Offload::default()).expect("sent");
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
        let flow = decided.unwrap_or_else(|why| panic!("{:x?}: {}", line.bytes, why.why()));
        self.table.insert(&flow, self.now()).expect("room");
        flow
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
