//! AF_XDP ports over real netdevs: each test in a network namespace of its own (root).

mod space;

use mona_datapath::io::RxFrame;
use mona_datapath::io::credit::Settled;
use mona_datapath::io::packet::PacketPorts;
use mona_datapath::io::raw::RawSocket;
use mona_datapath::io::set::Egress;
use mona_datapath::io::tap;
use mona_datapath::io::xdp::XdpPorts;
use mona_datapath::io::xskset::XskSet;
use mona_datapath::switching::Opened;
use mona_wire::{Eth, PortId};
use space::{one_by_one, sh};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::Command;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

fn alone(test: impl FnOnce() + Send + 'static) {
    one_by_one(|| {
        sh("sysctl -qw net.ipv6.conf.default.disable_ipv6=1; ip link set lo up");
        test();
    });
}

fn cable(number: u16, mtu: u32) {
    sh(&format!(
        "ip link add a{number} mtu {mtu} type veth peer name b{number} mtu {mtu}
         ip link set a{number} up; ip link set b{number} up"
    ));
}

/// Ports 1 and 2 on one worker, which sends what comes in by the other.
struct Hop {
    ports: XdpPorts,
    set: XskSet,
    /// Who has the programs.
    packet: PacketPorts,
}

impl Hop {
    fn new() -> Hop {
        let (packet, ..) = PacketPorts::start("hop", 1).expect("start");
        Hop { ports: XdpPorts::start().expect("start"), set: XskSet::default(), packet }
    }

    fn open(&mut self, port: u16, device: &str) -> Opened {
        let end = Instant::now() + PATIENCE;
        let (opened, _, queues) = loop {
            match self.ports.open(self.packet.programs(), PortId(port), device, &[0]) {
                // The queue was given back just now.
                Err(refused) if refused.busy && Instant::now() < end => std::thread::yield_now(),
                done => break done.unwrap_or_else(|e| panic!("{device}: {e:?}")),
            }
        };
        queues.into_iter().for_each(|(_, xsk)| self.set.add(PortId(port), xsk));
        opened
    }

    fn close(&mut self, port: u16) {
        while let Some(xsk) = self.set.remove(PortId(port)) {
            drop(xsk);
        }
        self.ports.close(self.packet.programs(), PortId(port));
    }

    /// One round; how many frames, and how many of them were refused.
    fn carry(&mut self) -> (usize, usize) {
        let mut frames: Vec<RxFrame> = Vec::new();
        self.set.receive(&mut frames, 64);
        let mut refused = 0;
        for frame in &frames {
            let tag = Eth::parse(frame.bytes()).and_then(|eth| eth.tag);
            let egress = Egress { bytes: frame.bytes(), tag, offload: frame.offload };
            refused += usize::from(self.set.send(PortId(3 - frame.rx.0), &egress, Some(frame)).is_err());
        }
        self.set.flush();
        self.set.release();
        self.set.settle(Settled::All);
        (frames.len(), refused)
    }

    /// Carries until `done` is there.
    fn until<T>(&mut self, mut done: impl FnMut() -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            self.carry();
            if let Some(done) = done() {
                return done;
            }
            let losses = [1, 2].map(|port| self.ports.kernel_losses(self.packet.programs(), PortId(port)));
            assert!(Instant::now() < end, "nothing arrived: {losses:?}");
        }
    }

    fn crosses(&mut self, from: &RawSocket, to: &RawSocket, frame: &[u8]) {
        from.send(frame).expect("sent");
        let got = self.until(|| to.receive(Duration::from_millis(1)).expect("a socket"));
        assert!(got == frame, "{} bytes became {}: {:x?}", frame.len(), got.len(), &got[..got.len().min(32)]);
    }
}

fn frame(tags: &[u8], len: usize) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    frame.extend(tags);
    frame.extend([0x88, 0xb5]);
    frame.extend((0..len).map(|at| (at % 251) as u8));
    frame
}

#[test]
fn xdp_frames_come_back_byte_for_byte() {
    alone(|| {
        cable(1, 1500);
        cable(2, 1500);
        let mut hop = Hop::new();
        for port in [1, 2] {
            // Otherwise the peer's tag travels beside the frame, where XDP does not see it.
            sh(&format!("ethtool -K b{port} txvlan off"));
            let opened = hop.open(port, &format!("a{port}"));
            assert_eq!((opened.attach.as_str(), opened.memory.as_str()), ("native", "copy"));
        }
        let (one, two) = (RawSocket::open("b1").expect("b1"), RawSocket::open("b2").expect("b2"));
        for tags in [
            &[][..],
            &[0x81, 0, 0x60, 10],
            &[0x81, 0, 0, 0],
            &[0x88, 0xa8, 0, 7],
            &[0x88, 0xa8, 0, 7, 0x81, 0, 0, 8],
            &[0x81, 0, 0, 7, 0x81, 0, 0, 8],
        ] {
            for len in [46, 1000, 1490] {
                hop.crosses(&one, &two, &frame(tags, len));
                hop.crosses(&two, &one, &frame(tags, len));
            }
        }
    });
}

#[test]
fn xdp_jumbo_frames_cross_in_parts() {
    alone(|| {
        cable(1, 9000);
        cable(2, 9000);
        let mut hop = Hop::new();
        assert_eq!(hop.open(1, "a1").attach, "native");
        assert_eq!(hop.open(2, "a2").attach, "native");
        let (one, two) = (RawSocket::open("b1").expect("b1"), RawSocket::open("b2").expect("b2"));
        // Around the borders of one, two and more chunks, coming and going.
        for len in [1777, 1778, 1779, 2033, 2034, 2035, 3570, 4082, 8000, 9000] {
            hop.crosses(&one, &two, &frame(&[], len));
        }
        // More than all chunks there are: none is lost on the way.
        for _ in 0..4000 {
            hop.crosses(&one, &two, &frame(&[], 8000));
        }
    });
}

#[test]
fn xdp_ports_come_and_go() {
    alone(|| {
        cable(1, 1500);
        cable(2, 1500);
        let mut hop = Hop::new();
        hop.open(1, "a1");
        let (one, two) = (RawSocket::open("b1").expect("b1"), RawSocket::open("b2").expect("b2"));
        let descriptors = || std::fs::read_dir("/proc/self/fd").expect("proc").count();
        let settings = || {
            sh(
                "ethtool -k a2 | grep -v fixed; cat /proc/sys/net/ipv6/conf/a2/disable_ipv6; ip -d link show a2 | head -2",
            )
        };
        let found = settings();
        let mut before = 0;
        for round in 0..50 {
            hop.open(2, "a2");
            // Frames in every ring when the port goes.
            for at in 0..300 {
                one.send(&frame(&[], 46 + at)).expect("sent");
                two.send(&frame(&[], 46 + at)).expect("sent");
            }
            hop.carry();
            hop.carry();
            hop.close(2);
            if round == 0 {
                before = descriptors();
            }
            // What was for the port that is gone.
            while hop.carry().0 > 0 {}
        }
        assert_eq!(settings(), found, "given back as it was");
        assert!(descriptors() <= before, "{} descriptors, {before} before", descriptors());
        for socket in [&one, &two] {
            while socket.receive(Duration::ZERO).expect("a socket").is_some() {}
        }
        // If rounds had lost chunks, there would be none left by now to receive into: one by one, since a frame that
        // crosses takes its chunk with it.
        hop.open(2, "a2");
        for _ in 0..5_000 {
            hop.crosses(&one, &two, &frame(&[], 100));
            hop.crosses(&two, &one, &frame(&[], 100));
        }
    });
}

#[test]
fn xdp_takes_taps() {
    alone(|| {
        let mut taps = ["tap1", "tap2"].map(|name| tap::open(name).expect(name));
        let mut hop = Hop::new();
        for (port, name) in [(1, "tap1"), (2, "tap2")] {
            assert_eq!(hop.open(port, name).attach, "native");
        }
        for tap in &taps {
            nix::fcntl::fcntl(tap.as_fd(), nix::fcntl::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK)).expect("nonblocking");
        }
        let [one, two] = &mut taps;
        for len in [46, 1000, 1490] {
            for tags in [&[][..], &[0x81, 0, 0x60, 10]] {
                let sent = frame(tags, len);
                one.write_all(&sent).expect("sent");
                let mut buffer = vec![0; 2048];
                let got = hop.until(|| two.read(&mut buffer).ok());
                assert!(buffer[..got] == sent, "{tags:x?} {len}: {:x?}", &buffer[..got]);
            }
        }
    });
}

#[test]
fn xdp_is_generic_where_the_driver_has_none() {
    alone(|| {
        cable(1, 1500);
        cable(2, 1500);
        for port in [1, 2] {
            sh(&format!("ip link add link a{port} name m{port} type macvlan mode passthru; ip link set m{port} up"));
        }
        let mut hop = Hop::new();
        assert_eq!(hop.open(1, "m1").attach, "generic");
        assert_eq!(hop.open(2, "m2").attach, "generic");
        let (one, two) = (RawSocket::open("b1").expect("b1"), RawSocket::open("b2").expect("b2"));
        for len in [46, 1000, 1486] {
            hop.crosses(&one, &two, &frame(&[], len));
        }
    });
}

#[test]
fn xdp_says_what_is_in_the_way() {
    alone(|| {
        cable(1, 1500);
        let mut hop = Hop::new();
        hop.open(1, "a1");
        let (mut packet, ..) = PacketPorts::start("other", 1).expect("start");
        let mut other = XdpPorts::start().expect("start");
        for (device, says) in [("a1", "a port of a switch already"), ("nosuch0", "no device"), ("lo", "loopback")] {
            let said = other
                .open(packet.programs(), PortId(2), device, &[0])
                .err()
                .map(|refused| refused.why.0)
                .unwrap_or_default();
            assert!(said.contains(says) && said.contains(device), "{device}: {said}");
        }
        assert!(hop.ports.suits("a1").is_err_and(|why| why.contains("veth")));
        hop.close(1);
        sh("ip link set a1 down");
        drop(hop);
        let end = Instant::now() + PATIENCE;
        let mut again = || other.open(packet.programs(), PortId(2), "a1", &[0]);
        while let Err(refused) = again() {
            assert!(refused.busy && Instant::now() < end, "it is free again: {refused:?}");
        }
        other.close(packet.programs(), PortId(2));
        assert!(!sh("ip -o link show a1").contains("UP"), "down as it was found");
    });
}

#[test]
fn xdp_hosts_hear_nothing_and_say_nothing() {
    alone(|| {
        cable(1, 1500);
        cable(2, 1500);
        sh("ip addr add 10.9.0.1/24 dev a1");
        let mut hop = Hop::new();
        hop.open(1, "a1");
        let one = RawSocket::open("b1").expect("b1");
        // The host asks who 10.9.0.2 is; nobody may hear it.
        let _ = Command::new("ping").args(["-c1", "-W1", "10.9.0.2"]).output();
        assert_eq!(one.receive(Duration::ZERO).expect("a socket"), None);
        hop.close(1);
        let _ = Command::new("ping").args(["-c1", "-W1", "10.9.0.2"]).output();
        assert!(one.receive(PATIENCE).expect("a socket").is_some(), "after it is given back it speaks again");
    });
}
