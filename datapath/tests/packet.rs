//! The backplane over real netdevs: each test in a network namespace of its own (root).

mod space;

use aya::Ebpf;
use aya::maps::Array;
use aya::programs::{SchedClassifier, TcAttachType};
use mona_datapath::io::RxFrame;
use mona_datapath::io::credit::Settled;
use mona_datapath::io::packet::{Backplane, PacketPorts, Urgent};
use mona_datapath::io::raw::RawSocket;
use mona_datapath::io::set::Egress;
use mona_wire::{Eth, PortId};
use space::{one_by_one as alone, sh};
use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);
/// In `$NS`: until a daemon that has only been forked listens.
const LISTENS: &str =
    "timeout 20 sh -c 'until ip netns exec $NS ss -Htln sport = 5201 | grep -q .; do sleep 0.05; done'";

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
                        backplane.settle(Settled::All);
                        thread::yield_now();
                    }
                    for frame in &batch {
                        shared.1.fetch_max(frame.len(), Ordering::Relaxed);
                        let bytes = frame.bytes();
                        let tag = Eth::parse(bytes).and_then(|eth| eth.tag);
                        let egress = Egress { bytes, tag, offload: frame.offload };
                        if frame.rx.0 < 3 {
                            backplane.send(PortId(3 - frame.rx.0), &egress).expect("sent");
                        }
                    }
                    backplane.flush();
                    backplane.release();
                    backplane.settle(Settled::All);
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

/// a1 and a2, whose frames change sides.
fn two_ports() -> (PacketPorts, Urgent, Swap) {
    cables();
    let (mut ports, backplanes, urgent) = PacketPorts::start("pk", 1).expect("start");
    ports.open(PortId(1), "a1", 0).expect("a1");
    ports.open(PortId(2), "a2", 0).expect("a2");
    (ports, urgent, Swap::start(backplanes))
}

#[test]
fn packet_frames_come_back_byte_for_byte() {
    alone(|| {
        let (_ports, _urgent, _swap) = two_ports();
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
        let (_ports, _urgent, swap) = two_ports();
        let line = format!("ip netns exec $NS iperf3 -s -1 -D; {LISTENS}; iperf3 -c 10.9.0.2 -t 2");
        let text = between_hosts('t', &line);
        eprintln!("{text}");
        assert!(swap.largest.load(Ordering::Relaxed) > 1514, "super-frames are seen whole");
    });
}

/// Can this be had before patience ends?
fn becomes(mut what: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if what() {
            return true;
        }
        thread::sleep(Duration::from_millis(5));
    }
    false
}

/// What a port changes at its device.
fn settings(device: &str) -> String {
    sh(&format!(
        "ip -d link show {device} | grep -o 'promiscuity [0-9]*'; ip link show {device} | grep -o '<.*>'
        cat /proc/sys/net/ipv6/conf/{device}/disable_ipv6; ethtool -k {device}"
    ))
}

#[test]
fn packet_devices_are_given_back_as_they_were() {
    alone(|| {
        sh("ip link add a1 type veth peer name b1");
        let before = settings("a1");
        let (mut ports, _backplanes, _urgent) = PacketPorts::start("pk", 1).expect("start");
        ports.open(PortId(1), "a1", 0).expect("a1");
        let open = settings("a1");
        for expected in ["promiscuity 1", "tx-vlan-offload: off", "tx-vlan-stag-hw-insert: off", "\n1\n"] {
            assert!(open.contains(expected), "no {expected:?} in {open}");
        }
        assert!(!open.contains("UP"), "it is not for the port to set it up: {open}");
        ports.close(PortId(1));
        assert_eq!(settings("a1"), before);
    });
}

#[test]
fn packet_another_device_of_the_same_index_is_left_alone() {
    alone(|| {
        sh("ip link add a1 type veth peer name b1");
        let (mut ports, _backplanes, _urgent) = PacketPorts::start("pk", 1).expect("start");
        let index = ports.open(PortId(1), "a1", 0).expect("a1").ifindex;
        sh(&format!(
            "ip link del a1; ip link add a1 index {index} type veth peer name b1; ip link set a1 promisc on up"
        ));
        sh("ethtool -K a1 tx-vlan-hw-insert off; echo 1 > /proc/sys/net/ipv6/conf/a1/disable_ipv6");
        let before = settings("a1");
        ports.close(PortId(1));
        assert_eq!(settings("a1"), before);
        ports.open(PortId(1), "a1", 0).expect("the number and the device are free");
    });
}

#[test]
fn packet_start_leaves_all_or_nothing() {
    alone(|| {
        // What a killed switch left goes.
        sh(
            "ip link add pk-b0 type veth peer name pk-w0; for i in b w; do ip link set pk-${i}0 alias 'mona backplane'; done",
        );
        let first = PacketPorts::start("pk", 1).expect("over what was left");
        let second = PacketPorts::start("pk", 1).err().expect("one of this name runs").0;
        assert_eq!(second, "a switch named `pk` runs here already; choose another --name");
        drop(first);
        assert_eq!(sh("ip -br link | grep -c ^pk- || true"), "0\n");
        // Somebody else's device stays, and what was made before it was met goes.
        sh("ip link add pk-w1 type veth peer name other");
        let refused = PacketPorts::start("pk", 2).err().expect("in the way").0;
        assert_eq!(refused, "pk-w1 is in the way; remove it or choose another --name");
        assert_eq!(sh("ip -br link | grep -c ^pk-"), "1\n");
    });
}

#[test]
fn packet_host_is_silent_on_a_port() {
    alone(|| {
        sh("ip link add a1 type veth peer name b1; ip addr add 10.9.0.1/24 dev a1; ip link set a1 up");
        let name = format!("packet-h{}", std::process::id());
        sh(&format!(
            "ip netns add {name}; ip link set b1 netns {name}; ip -n {name} addr add 10.9.0.2/24 dev b1
            ip -n {name} link set b1 up"
        ));
        let ping = || Command::new("ip").args(["netns", "exec", &name, "ping", "-c1", "-W1", "10.9.0.1"]).output();
        let answered = || ping().is_ok_and(|output| output.status.success());
        // A first question may go before the link is up or while the other side still believes that nobody answers.
        let answered_at_last = || (0..10).any(|_| answered());
        let before = answered_at_last();
        let (mut ports, mut backplanes, _urgent) = PacketPorts::start("pk", 1).expect("start");
        ports.open(PortId(1), "a1", 0).expect("a1");
        sh(&format!("ip -n {name} neigh flush dev b1"));
        let meanwhile = answered();
        let mut batch = Vec::new();
        let seen = backplanes[0].receive(&mut batch, 64);
        ports.close(PortId(1));
        let after = answered_at_last();
        sh(&format!("ip netns del {name}"));
        assert!(before && after, "the host answers while there is no port: {before} {after}");
        assert!(!meanwhile, "a port's device answers for the host");
        assert!(seen > 0, "the question came to the switch");
    });
}

#[test]
fn packet_reserved_addresses_come_by_their_own_ring() {
    alone(|| {
        cables();
        let (mut ports, mut backplanes, mut urgent) = PacketPorts::start("pk", 1).expect("start");
        ports.open(PortId(1), "a1", 0).expect("a1");
        let host = RawSocket::open("b1").expect("b1");
        let mut reserved = frame(&[], 46);
        reserved[..6].copy_from_slice(&[1, 0x80, 0xc2, 0, 0, 0x0e]);
        // The data ring is filled to its last credit; the reserved frame behind it comes all the same.
        for _ in 0..2000 {
            host.send(&frame(&[], 46)).expect("sent");
        }
        host.send(&reserved).expect("sent");
        let mut batch = Vec::new();
        assert!(becomes(|| urgent.receive(&mut batch, 64) > 0));
        assert_eq!(batch.len(), 1);
        assert_eq!((batch[0].rx, batch[0].bytes()), (PortId(1), &reserved[..]));
        urgent.release();
        assert!(becomes(|| ports.kernel_losses(PortId(1))[0].1 > 0), "there was no credit for 2,000");
        batch.clear();
        let all = backplanes[0].receive(&mut batch, 2000);
        assert!(batch.iter().all(|frame| frame.bytes()[0] == 2), "{all}");
        // Counters are of the port, not of its number.
        ports.close(PortId(1));
        ports.open(PortId(1), "a2", 0).expect("a2");
        assert_eq!(ports.kernel_losses(PortId(1))[0], ("credit", 0));
    });
}

#[test]
fn packet_vanishing_device_hurts_no_other() {
    alone(|| {
        cables();
        sh("ip link add a3 type veth peer name b3; ip link set a3 up; ip link set b3 up");
        let (mut ports, backplanes, _urgent) = PacketPorts::start("pk", 1).expect("start");
        for i in 1..=3 {
            ports.open(PortId(i), &format!("a{i}"), 0).expect("open");
        }
        let _swap = Swap::start(backplanes);
        let (one, two, load) = ["b1", "b2", "b3"].map(|name| RawSocket::open(name).expect(name)).into();
        let sender = thread::spawn(move || (0..).take_while(|_| load.send(&frame(&[], 1000)).is_ok()).count());
        assert!(becomes(|| !sh("ip -s link show a3 | grep -A1 RX: | tail -1").trim().starts_with("0 ")));
        sh("ip link del a3");
        ports.close(PortId(3));
        sender.join().expect("sender");
        let sent = frame(&[], 99);
        assert!(becomes(|| {
            one.send(&sent).expect("sent");
            two.receive(Duration::from_millis(20)).ok().flatten().as_deref() == Some(&sent[..])
        }));
    });
}

/// Runs a line of shell with b2 in a namespace of its own, `$NS`, and both hosts addressed.
fn between_hosts(letter: char, line: &str) -> String {
    let name = format!("packet-{letter}{}", std::process::id());
    sh(&format!(
        "ip netns add {name}; ip link set b2 netns {name}; ip addr add 10.9.0.1/24 dev b1
        ip -n {name} link set lo up; ip -n {name} addr add 10.9.0.2/24 dev b2; ip -n {name} link set b2 up"
    ));
    let run = Command::new("sh").env("NS", &name).args(["-ec", line]).output();
    sh(&format!("ip netns pids {name} | xargs -r kill; ip netns del {name}"));
    let run = run.expect("sh");
    let text = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{text}");
    text
}

#[test]
fn packet_tunnelled_tcp_crosses_whole() {
    alone(|| {
        let (_ports, _urgent, _swap) = two_ports();
        let text = between_hosts(
            'v',
            &format!(
                "ip link add v1 type vxlan id 7 remote 10.9.0.2 dstport 4789 dev b1; ip addr add 10.8.0.1/24 dev v1
            ip -n $NS link add v2 type vxlan id 7 remote 10.9.0.1 dstport 4789 dev b2
            ip -n $NS addr add 10.8.0.2/24 dev v2; ip link set v1 up; ip -n $NS link set v2 up
            ip netns exec $NS iperf3 -s -1 -D; {LISTENS}; iperf3 -c 10.8.0.2 -n 50M --connect-timeout 20000"
            ),
        );
        assert!(text.contains("iperf Done"), "{text}");
    });
}

/// A GRE tunnel's super-frames, which no virtio header describes either: the kernel cuts them before they cross. (What wraps
/// and unwraps are programs, `bpf/gre.bpf.c`: not every kernel has GRE devices.)
#[test]
fn packet_gre_crosses_whole() {
    alone(|| {
        let (_ports, _urgent, swap) = two_ports();
        let mut gre = Ebpf::load(aya::include_bytes_aligned!("../bpf/gre.bpf.o")).expect("programs");
        for (name, device, side) in [("wrap", "b1", TcAttachType::Egress), ("unwrap", "b2", TcAttachType::Ingress)] {
            let program: &mut SchedClassifier = gre.program_mut(name).expect(name).try_into().expect("a classifier");
            program.load().expect("it loads");
            program.attach(device, side).expect("it attaches");
        }
        // Inside, a packet leaves room for what is put around it.
        let text = between_hosts(
            'g',
            &format!(
                "ip netns exec $NS iperf3 -s -1 -D; {LISTENS}; iperf3 -c 10.9.0.2 -n 50M -M 1400 --connect-timeout 20000"
            ),
        );
        assert!(text.contains("iperf Done"), "{text}");
        let counts: Array<_, u64> = gre.map("counts").expect("a map").try_into().expect("an array");
        let [wrapped, unwrapped, long] = [0, 1, 2].map(|at| counts.get(&at, 0).expect("a count"));
        assert!(wrapped > 100, "{wrapped} super-frames went into the tunnel");
        assert!(unwrapped > 30_000 && long == 0, "{unwrapped} came out of it, {long} longer than a link's MTU");
        assert!(swap.largest.load(Ordering::Relaxed) <= 1514, "the switch sees what a virtio header can describe");
    });
}

/// Of all that this kernel can leave to a device, what crosses whole is what a virtio header describes (virtio 1.2, 5.1.6), and
/// TCP whose segments may be numbered alike or not, which says nothing where they are not to be fragmented (RFC 6864 4.1). So
/// kinds are cut too that no test can send here: SCTP needs a kernel that speaks it.
#[test]
fn packet_what_no_header_describes_is_cut() {
    alone(|| {
        let (_ports, _backplanes, _urgent) = PacketPorts::start("pk", 1).expect("start");
        let features = sh("ethtool -k pk-b0");
        let whole = |line: &str| {
            let (name, state) = line.trim().split_once(": ")?;
            let kind = name.strip_prefix("tx-")?;
            (state.starts_with("on") && (kind.ends_with("segmentation") || kind == "gso-list"))
                .then(|| kind.to_string())
        };
        let whole: BTreeSet<String> = features.lines().filter_map(whole).collect();
        let described = ["tcp", "tcp6", "tcp-ecn", "tcp-mangleid", "udp"].map(|kind| format!("{kind}-segmentation"));
        let wrong: [Vec<&String>; 2] = [
            whole.iter().filter(|kind| !described.contains(kind)).collect(),
            described[..2].iter().filter(|kind| !whole.contains(*kind)).collect(),
        ];
        assert!(wrong.iter().all(Vec::is_empty), "left whole, and cut: {wrong:?}\n{features}");
    });
}

#[test]
fn packet_bytes_wait_intact_for_a_sleeping_reader() {
    alone(|| {
        let (_ports, _urgent, _swap) = two_ports();
        let text = between_hosts(
            's',
            r#"cat > /tmp/$NS.py <<'END'
import hashlib, random, socket, sys, time
random.seed(7)
block = random.randbytes(1 << 20)
blocks = [bytes([i]) + block[i:] + block[:i] for i in range(24)]
if sys.argv[1] == 'read':
    s = socket.create_server(('10.9.0.2', 5000)); print('ready', flush=True)
    c, _ = s.accept(); time.sleep(1); h = hashlib.sha256()
    while data := c.recv(1 << 16): h.update(data)
    assert h.digest() == hashlib.sha256(b''.join(blocks)).digest(), 'changed on the way'
    print('intact')
else:
    with socket.create_connection(('10.9.0.2', 5000), 20) as c:
        for b in blocks: c.sendall(b)
END
            ip netns exec $NS python3 /tmp/$NS.py read > /tmp/$NS.out 2>&1 &
            reader=$!
            until grep -q ready /tmp/$NS.out; do sleep 0.05; done
            python3 /tmp/$NS.py write; wait $reader; cat /tmp/$NS.out; rm /tmp/$NS.*"#,
        );
        assert!(text.contains("intact"), "{text}");
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
        let memory = || -> usize {
            let pages = std::fs::read_to_string("/proc/self/statm").expect("proc");
            pages.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number")
        };
        let resident = memory();
        let opened = |ports: &mut PacketPorts, numbers: std::ops::RangeInclusive<u16>| {
            let mut took: Vec<Duration> = numbers
                .map(|i| {
                    let start = Instant::now();
                    ports.open(PortId(i), &format!("a{i}"), (i % 2) as u8).expect("open");
                    start.elapsed()
                })
                .collect();
            took.sort();
            took[took.len() / 2]
        };
        // Most of the time is the kernel's: attaching a program waits for an RCU grace period, twice for each port. While others
        // on the machine take their namespaces away these are longer: so it is measured more than once.
        let mut times = [(); 3].map(|()| {
            let [few, many] = [1..=100, 101..=200].map(|numbers| opened(&mut ports, numbers));
            assert!(fds() - before <= 400, "{} descriptors", fds() - before);
            let grown = memory().saturating_sub(resident) * 4;
            assert!(grown < 200 * 64, "{grown} KiB");
            (1..=200).for_each(|i| ports.close(PortId(i)));
            eprintln!("a port of the first hundred, of the second: {few:?}, {many:?}");
            many.as_secs_f64() / few.as_secs_f64()
        });
        times.sort_by(f64::total_cmp);
        assert!(times[1] < 3.0, "it takes no longer the more there are: {times:.1?} times");
    });
}
