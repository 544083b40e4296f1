//! The backplane over real netdevs: each test in a network namespace of its own (root).

use mona_datapath::io::RxFrame;
use mona_datapath::io::packet::{Backplane, PacketPorts};
use mona_datapath::io::raw::RawSocket;
use mona_datapath::io::set::Egress;
use mona_wire::{Eth, PortId};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(2);

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

/// Two cables: a1 and a2 are ports, b1 and b2 the hosts' ends.
fn cables() {
    sh("sysctl -qw net.ipv6.conf.default.disable_ipv6=1; ip link set lo up
        for i in 1 2; do ip link add a$i type veth peer name b$i; ip link set a$i up; ip link set b$i up; done");
}

/// A switch of two ports that sends what comes in by the other.
struct Swap {
    stop: Arc<AtomicBool>,
    largest: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Swap {
    fn start(mut backplanes: Vec<Backplane>) -> Swap {
        let stop = Arc::new(AtomicBool::new(false));
        let largest = Arc::new(AtomicUsize::new(0));
        let shared = (stop.clone(), largest.clone());
        let thread = thread::spawn(move || {
            let mut batch: Vec<RxFrame> = Vec::with_capacity(64);
            while !shared.0.load(Ordering::Relaxed) {
                for backplane in &mut backplanes {
                    batch.clear();
                    if backplane.receive(&mut batch, 64) == 0 {
                        backplane.release();
                        thread::yield_now();
                    }
                    for frame in &batch {
                        shared.1.fetch_max(frame.len(), Ordering::Relaxed);
                        let bytes = frame.bytes();
                        let tag = Eth::parse(bytes).and_then(|eth| eth.tag);
                        let egress = Egress { bytes, tag, offload: frame.offload };
                        backplane.send(PortId(3 - frame.rx.0), &egress).expect("sent");
                    }
                    backplane.flush();
                    backplane.release();
                }
            }
        });
        Swap { stop, largest, thread: Some(thread) }
    }
}

impl Drop for Swap {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

fn frame(tags: &[u8], len: usize) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    frame.extend(tags);
    frame.extend([0x88, 0xb5]);
    frame.extend((0..len).map(|i| i as u8));
    frame
}

#[test]
fn packet_frames_come_back_byte_for_byte() {
    alone(|| {
        cables();
        let (mut ports, backplanes, _urgent) = PacketPorts::start("pk", 1).expect("start");
        ports.open(PortId(1), "a1", 0).expect("a1");
        ports.open(PortId(2), "a2", 0).expect("a2");
        let _swap = Swap::start(backplanes);
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
                let sent = frame(tags, len);
                one.send(&sent).expect("sent");
                let got = two.receive(PATIENCE).expect("a socket");
                assert_eq!(got.as_deref(), Some(&sent[..]), "{tags:x?} {len}");
            }
        }
    });
}

#[test]
fn packet_tcp_crosses_whole() {
    alone(|| {
        cables();
        let (mut ports, backplanes, _urgent) = PacketPorts::start("pk", 1).expect("start");
        ports.open(PortId(1), "a1", 0).expect("a1");
        ports.open(PortId(2), "a2", 0).expect("a2");
        let name = format!("packet-{}", std::process::id());
        sh(&format!(
            "ip netns add {name}; ip link set b2 netns {name}; ip addr add 10.9.0.1/24 dev b1
            ip -n {name} link set lo up; ip -n {name} addr add 10.9.0.2/24 dev b2; ip -n {name} link set b2 up"
        ));
        let swap = Swap::start(backplanes);
        let run = Command::new("sh")
            .args(["-c", &format!("ip netns exec {name} iperf3 -s -1 -D && sleep 0.3; iperf3 -c 10.9.0.2 -t 2")])
            .output();
        sh(&format!("ip netns del {name}"));
        let run = run.expect("iperf3");
        let text = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
        eprintln!("{text}");
        assert!(run.status.success(), "{text}");
        assert!(swap.largest.load(Ordering::Relaxed) > 1514, "super-frames are seen whole");
    });
}

#[test]
fn packet_two_hundred_ports_open_fast() {
    alone(|| {
        let (mut ports, _backplanes, _urgent) = PacketPorts::start("pk", 2).expect("start");
        let fds = || std::fs::read_dir("/proc/self/fd").expect("proc").count();
        let before = fds();
        for i in 1..=200u16 {
            sh(&format!("ip link add a{i} type veth peer name b{i}"));
        }
        let start = Instant::now();
        for i in 1..=200u16 {
            ports.open(PortId(i), &format!("a{i}"), (i % 2) as u8).expect("open");
        }
        let took = start.elapsed();
        eprintln!("200 ports: {took:?}, {} descriptors", fds() - before);
        assert!(took < Duration::from_secs(10), "{took:?}");
        for i in 1..=200u16 {
            ports.close(PortId(i));
        }
    });
}
