//! Frames that leave many at a time, between frames that leave one by one (root, in a network namespace of its own).

mod space;

use mona_datapath::io::link::Links;
use mona_datapath::io::packet::PacketPorts;
use mona_datapath::io::raw::RawSocket;
use mona_datapath::io::set::{Egress, IoSet, Own};
use mona_datapath::io::xdp::XdpPorts;
use mona_datapath::io::{CsumStart, Offload};
use mona_datapath::ring::Bell;
use mona_datapath::snapshot::Home;
use mona_wire::{Eth, PortId};
use nix::sys::socket::{setsockopt, sockopt};
use space::alone;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);
const ONE: PortId = PortId(1);
/// Sizes of batches, about all that counts: when it pays, how many fit into a call.
const BATCHES: [usize; 12] = [128, 1, 64, 23, 24, 25, 127, 2, 129, 100, 16, 200];

/// Several lines, each of which succeeds.
fn sh(lines: &str) {
    space::sh(&format!("set -e\n{lines}"));
}

/// A worker with one port, and the host at the other end of its cable.
struct Rig {
    io: IoSet,
    home: Home,
    host: RawSocket,
    ports: PacketPorts,
    _xdp: XdpPorts,
}

impl Rig {
    fn new(kind: &str, host: &str) -> Rig {
        sh("sysctl -qw net.ipv6.conf.default.disable_ipv6=1; ip link set lo up
            ip link add a1 type veth peer name b1; ethtool -K a1 txvlan off; ethtool -K b1 txvlan off");
        sh(host);
        sh("ip link set a1 up; ip link set b1 up");
        let (mut ports, backplanes, urgent) = PacketPorts::start("live", 1).expect("start");
        let live = ports.live("live", 1).expect("this kernel sends many at a time");
        let (bell, mut xdp) = (Bell::new().expect("a bell"), XdpPorts::start().expect("start"));
        let backplane = backplanes.into_iter().next();
        let mut io = IoSet::new(&bell, backplane, Some(urgent), live.into_iter().next()).expect("a set");
        let home = if kind == "xdp" {
            let (opened, _, queues) = xdp.open(ports.programs(), ONE, "a1", &[0]).expect("a1");
            queues.into_iter().for_each(|(_, xsk)| io.add(ONE, Own::Xsk(Box::new(xsk))));
            opened.home.expect("a worker")
        } else {
            ports.open(ONE, "a1", 0).expect("a1");
            Home::Backplane
        };
        let host = RawSocket::open("b1").expect("b1");
        setsockopt(&host, sockopt::RcvBufForce, &(64 << 20)).expect("root may have buffers");
        Rig { io, home, host, ports, _xdp: xdp }
    }

    fn send(&mut self, frame: &[u8], offload: Offload) {
        let tag = Eth::parse(frame).and_then(|eth| eth.tag);
        self.io.send(ONE, self.home, &Egress { bytes: frame, tag, offload }, None).expect("sent");
    }

    /// Sends batches of these sizes, of frames by their numbers: each arrives once, in order, and as it was. How many left many
    /// at a time?
    fn stream(&mut self, batches: impl Iterator<Item = usize>, frame: impl Fn(u32) -> (Vec<u8>, Offload)) -> u64 {
        let (mut next, before) = (0, self.io.together());
        for size in batches {
            let numbers = next..next + size as u32;
            for number in numbers.clone() {
                let (bytes, offload) = frame(number);
                self.send(&bytes, offload);
            }
            self.io.flush();
            next = numbers.end;
            for number in numbers {
                let got = self.host.receive(PATIENCE).expect("a socket").unwrap_or_default();
                let (sent, offload) = frame(number);
                // A checksum that is left to be done may be done on the way.
                let same = if offload == Offload::default() { sent == got } else { sent[42..] == got[42..] };
                assert!(same, "frame {number} of {size}: {got:x?} instead of {sent:x?}");
            }
        }
        self.io.together() - before
    }
}

/// A frame with its number at the end, so long without its tag.
fn numbered(number: u32, tag: &[u8], len: usize) -> Vec<u8> {
    let mut frame = [&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1], tag, &[0x88, 0xb5]].concat();
    frame.resize(len + tag.len() - 4, number as u8);
    frame.extend(number.to_be_bytes());
    frame
}

/// A UDP packet whose checksum is left to be done.
fn partial(number: u32) -> (Vec<u8>, Offload) {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    frame.extend([0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0x66, 0xbd, 10, 0, 0, 1, 10, 0, 0, 2]);
    // The field holds the sum of the pseudo header: addresses, protocol, length.
    frame.extend([0, 7, 0, 7, 0, 26, 0x14, 0x2e]);
    frame.resize(56, 0);
    frame.extend(number.to_be_bytes());
    (frame, Offload { csum: Some(CsumStart { start: 34, offset: 6 }), gso: None })
}

fn plain(number: u32) -> (Vec<u8>, Offload) {
    (numbered(number, &[], 60), Offload::default())
}

/// All that a sender may mix.
fn mixed(number: u32) -> (Vec<u8>, Offload) {
    let random = number.wrapping_mul(0x9e37_79b9) >> 7;
    let len = 60 + random as usize % 1234;
    match random % 97 {
        0 => partial(number),
        1 => (numbered(number, &[], 1400), Offload::default()),
        2..20 => (numbered(number, &[0x81, 0, 0x60, 10], len), Offload::default()),
        20..30 => (numbered(number, &[0x88, 0xa8, 0, 7, 0x81, 0, 0, 8], 64), Offload::default()),
        _ => (numbered(number, &[], len), Offload::default()),
    }
}

/// By both kinds of ports, to hosts that take frames by the CPU's backlog and by NAPI.
#[test]
fn live_frames_keep_their_order() {
    for kind in ["packet", "xdp"] {
        for host in ["true", "ethtool -K b1 gro on"].map(String::from) {
            alone(move || {
                let mut rig = Rig::new(kind, &host);
                let batches = || BATCHES.into_iter().cycle().take(36);
                let together = rig.stream(batches(), plain);
                let many: usize = batches()
                    .flat_map(|size| [size.min(128), size.saturating_sub(128)])
                    .filter(|size| *size >= 24)
                    .sum();
                assert_eq!(together, many as u64, "{kind}, {host}: so many leave many at a time");
                rig.stream(batches(), partial);
                assert!(rig.stream(batches(), mixed) > 0, "{kind}, {host}: nothing of the mixture does");
            });
        }
    }
}

/// Somebody deletes the pair: frames leave one by one.
#[test]
fn live_frames_leave_without_the_pair() {
    alone(|| {
        let mut rig = Rig::new("packet", "true");
        assert!(rig.stream([64].into_iter(), plain) > 0);
        sh("ip link del live-bl");
        assert_eq!(rig.stream(BATCHES.into_iter(), mixed), 0);
    });
}

/// What is refused by a queueing discipline is counted, so what leaves through one leaves one by one: from the first frame on,
/// and until there is none any more.
#[test]
fn live_frames_leave_by_no_queueing_discipline() {
    alone(|| {
        let mut rig = Rig::new("packet", "true");
        assert_eq!(rig.stream([64].into_iter(), plain), 64);
        sh("tc qdisc add dev a1 root pfifo limit 1000");
        assert_eq!(rig.stream(BATCHES.into_iter(), mixed), 0);
        rig.ports.look_together();
        assert_eq!(rig.stream([64].into_iter(), plain), 0);
        sh("tc qdisc del dev a1 root");
        // The first time it still hears that one went.
        let comes_back = (0..2).any(|_| {
            rig.ports.look_together();
            rig.stream([64].into_iter(), plain) == 64
        });
        assert!(comes_back);
    });
}

/// A port that is no more is sent nothing, whatever waits; the others go on.
#[test]
fn live_frames_of_a_port_that_is_gone() {
    alone(|| {
        let mut rig = Rig::new("packet", "true");
        sh("ip link add a2 type veth peer name b2; ip link set a2 up; ip link set b2 up");
        rig.ports.open(PortId(2), "a2", 0).expect("a2");
        sh("ip link del a2");
        for number in 0..100 {
            let (bytes, offload) = plain(number);
            let egress = Egress { bytes: &bytes, tag: None, offload };
            let _ = rig.io.send(PortId(2), Home::Backplane, &egress, None);
        }
        rig.stream(BATCHES.into_iter(), plain);
    });
}

/// Whatever is in the way: there is a sentence, and nothing stays behind.
#[test]
fn live_frames_are_refused() {
    alone(|| {
        let (mut ports, ..) = PacketPorts::start("live", 1).expect("start");
        sh("ip link add live-bl type veth peer name live-wl");
        let why = ports.live("live", 1).err().expect("a foreign pair is in the way").0;
        assert_eq!(why, "live-bl is in the way; remove it or choose another --name");
        sh("for i in b w; do ip link set live-${i}l alias 'mona backplane'; done");
        assert_eq!(ports.live("live", 1).expect("a killed switch's is replaced").len(), 1);
        drop(ports);
        assert!(Links::open().expect("netlink").get("live-wl").is_err(), "it goes with the switch");
    });
}
