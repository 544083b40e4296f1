//! What is lost, and what never is: every loss in the kernel is a row of `show platform drops`, and bridge protocols pass
//! beside any flood.

use mona_datapath::io::raw::RawSocket;
use mona_datapath::io::{Gso, GsoKind, Offload, tap};
use mona_testbed::netns::{Switch, World, inside, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const BPDU: [u8; 6] = [1, 0x80, 0xc2, 0, 0, 0];
const LACPDU: [u8; 6] = [1, 0x80, 0xc2, 0, 0, 2];
const BROADCAST: [u8; 6] = [0xff; 6];

/// A namespace with devices p1…, each a cable to h1… of the hosts' namespace.
fn world(label: &str, ports: usize) -> (World, String, String) {
    let mut world = World::new(&format!("loss-{label}"));
    let (space, hosts) = (world.namespace("s"), world.namespace("h"));
    for port in 1..=ports {
        world.cable((&space, &format!("p{port}")), (&hosts, &format!("h{port}")));
    }
    (world, space, hosts)
}

fn frame(to: [u8; 6]) -> Vec<u8> {
    let mut frame = [to, [2, 0, 0, 0, 0, 1]].concat();
    frame.extend([0x88, 0xb5]);
    frame.resize(60, 0);
    frame
}

/// The count of a row of `show platform drops`, 0 where there is none. `who` is an interface's short name or `-`.
fn lost(world: &World, switch: &Switch, reason: &str, who: &str) -> u64 {
    let shown = world.cli(switch, &["show platform drops"]);
    let rows = shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let counts = rows.filter(|row| row.len() > 3 && row.contains(&reason) && row.contains(&who));
    counts.filter_map(|row| row.iter().find_map(|word| word.parse::<u64>().ok())).sum()
}

/// While the switch stands still.
fn stopped(world: &World, switch: &Switch, work: impl FnOnce()) {
    let pid = Pid::from_raw(world.pid(switch) as i32);
    kill(pid, Signal::SIGSTOP).expect("it runs");
    work();
    kill(pid, Signal::SIGCONT).expect("it runs");
}

fn send(socket: &RawSocket, frame: &[u8], times: usize) {
    // A queue that is full on this side is as good as one on the other.
    (0..times).for_each(|_| drop(socket.send(frame)));
}

#[test]
fn what_the_kernel_loses_is_shown() {
    let (mut world, space, hosts) = world("rows", 3);
    let guest = inside(&space, || tap::open("tap0")).expect("a tap that nobody reads");
    let config = "interface GigabitEthernet0/1\n device p1\ninterface GigabitEthernet0/2\n device tap0\n\
        interface GigabitEthernet0/3\n device p3\n io xdp\n";
    let switch = world.switch(&space, config, &["--workers", "1"]);
    let [one, three] = ["h1", "h3"].map(|device| world.raw(&hosts, device));
    for reason in ["credit", "urgent_ring_full", "tx_dropped", "xsk_fill_ring_empty", "xsk_rx_ring_full"] {
        for who in ["Gi0/1", "Gi0/2", "Gi0/3", "-"] {
            assert_eq!(lost(&world, &switch, reason, who), 0, "{reason} {who}: nothing was sent yet");
        }
    }
    // A worker that does not come round: a port's share of the ring, the ring of reserved addresses, and what a
    // socket has left for those fill up.
    stopped(&world, &switch, || {
        send(&one, &frame(BROADCAST), 4000);
        send(&one, &frame(BPDU), 2000);
        send(&three, &frame(BROADCAST), 20_000);
        send(&three, &frame(BPDU), 2000);
    });
    let shown = || world.cli(&switch, &["show platform drops"]);
    assert!(wait(|| lost(&world, &switch, "credit", "Gi0/1") > 0), "{}", shown());
    assert!(wait(|| lost(&world, &switch, "credit", "Gi0/3") > 0), "{}", shown());
    assert!(wait(|| lost(&world, &switch, "urgent_ring_full", "-") > 0), "{}", shown());
    let socket = ["xsk_fill_ring_empty", "xsk_rx_ring_full", "xsk_rx_dropped"];
    assert!(wait(|| socket.iter().any(|reason| lost(&world, &switch, reason, "Gi0/3") > 0)), "{}", shown());
    // A guest that does not read.
    assert!(
        wait(|| {
            send(&one, &frame(BROADCAST), 500);
            lost(&world, &switch, "tx_dropped", "Gi0/2") > 0
        }),
        "{}",
        shown()
    );
    let interface = world.cli(&switch, &["show interfaces gi0/2 | json"]);
    assert!(!interface.contains("\"tx_drops\": 0"), "{interface}");
    // Cleared they are gone, and who comes after begins at nothing.
    world.cli(&switch, &["clear counters"]);
    assert_eq!(lost(&world, &switch, "credit", "Gi0/1"), 0, "{}", shown());
    drop(guest);
}

#[test]
fn what_never_reaches_a_ring_and_what_cannot_leave_is_shown() {
    let (mut world, space, hosts) = world("way", 3);
    let config: String = (1..=3).map(|port| format!("interface GigabitEthernet0/{port}\n device p{port}\n")).collect();
    let switch = world.switch(&space, &config, &["--workers", "1"]);
    let one = world.raw(&hosts, "h1");
    let shown = || world.cli(&switch, &["show platform drops"]);
    // A row's count is above nothing at last, if this is done again and again.
    let appears = |reason: &str, who: &str, again: &dyn Fn()| {
        assert_eq!(lost(&world, &switch, reason, who), 0, "{reason}: {}", shown());
        let there = wait(|| {
            again();
            lost(&world, &switch, reason, who) > 0
        });
        assert!(there, "{reason}: {}", shown());
    };
    // Longer than the port's device may receive: the kernel drops it as it drops what finds its backlog full.
    world.exec(&hosts, "ip link set h1 mtu 9000");
    let mut long = frame(BROADCAST);
    long.resize(3000, 0);
    appears("rx_dropped", "Gi0/1", &|| send(&one, &long, 1));
    // Between ports and rings nothing but a CPU's backlog is in the way, and what is dropped there is counted at the pair's
    // ends. With an end that is down the kernel drops at the same places, always.
    for (reason, far, to) in [("backlog", "s-w0", BROADCAST), ("urgent_backlog", "s-wu", BPDU)] {
        world.exec(&space, &format!("ip link set {far} down"));
        appears(reason, "-", &|| send(&one, &frame(to), 3));
        world.exec(&space, &format!("ip link set {far} up"));
    }
    // They come through again as if nothing had been.
    let two = world.raw(&hosts, "h2");
    let hears = |to: [u8; 6]| {
        let sent = frame(to);
        wait(|| {
            send(&one, &sent, 1);
            two.receive(Duration::from_millis(20)).ok().flatten().is_some_and(|heard| heard == sent)
        })
    };
    assert!(hears(BROADCAST), "{}", shown());
    assert!(
        wait(|| {
            send(&one, &frame(BPDU), 1);
            lost(&world, &switch, "reserved_address", "Gi0/1") > 0
        }),
        "{}",
        shown()
    );
    // A queue of the operator's own that is full, by the ring of small frames.
    world.exec(&space, "tc qdisc add dev p2 root tbf rate 8kbit burst 1600 limit 3000");
    appears("tx_queue_full", "-", &|| send(&one, &frame(BROADCAST), 200));
    world.exec(&space, "tc qdisc del dev p2 root");
    // A device that goes down is sent to until control has heard of it.
    appears("tx_error", "-", &|| {
        wait(|| world.cli(&switch, &["show interfaces status"]).matches(" connected").count() == 3);
        stopped(&world, &switch, || {
            send(&one, &frame(BROADCAST), 100);
            world.exec(&space, "ip link set p2 down; ip link set p3 down");
        });
        world.exec(&space, "ip link set p2 up; ip link set p3 up");
    });
}

#[test]
fn what_has_no_room_is_shown() {
    let (mut world, space, hosts) = world("room", 2);
    let config: String = (1..=2).map(|port| format!("interface GigabitEthernet0/{port}\n device p{port}\n")).collect();
    let switch = world.switch(&space, &config, &["--workers", "1", "--stations", "64"]);
    world.exec(&space, "ip link set p1 mtu 9000; ip link set s-b0 gso_max_size 200000");
    world.exec(&hosts, "ip link set h1 mtu 9000 gso_max_size 200000");
    let one = world.raw(&hosts, "h1");
    let large = inside(&hosts, || RawSocket::open_with_offload("h1")).expect("a raw socket");
    let pair = world.raw(&space, "s-b0");
    // IPv6 of more than 64 KiB ("BIG TCP"), which the kernel cuts to what fits unless somebody told it not to.
    let big = {
        let mut packet = [&BROADCAST[..], &[2, 0, 0, 0, 0, 1], &[0x86, 0xdd, 0x60, 0, 0, 0, 0, 0, 6, 64]].concat();
        packet.extend([[0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]; 2].concat());
        packet.extend([0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x10, 0, 0, 0, 0, 0, 0]);
        packet.resize(80_000, 0);
        packet
    };
    let csum = mona_datapath::io::CsumStart { start: 54, offset: 16 };
    let gso = Gso { kind: GsoKind::Tcp6, ecn: false, size: 8000, header: 74 };
    let offload = Offload { csum: Some(csum), gso: Some(gso) };
    // A bridge protocol that speaks in jumbo frames.
    let mut bpdu = frame(BPDU);
    bpdu.resize(3000, 0);
    let strangers = || {
        for number in 0..200u8 {
            let mut frame = frame(BROADCAST);
            frame[10] = number;
            send(&one, &frame, 1);
        }
    };
    let cases: [(&str, &dyn Fn()); 4] = [
        ("frame_cut", &|| large.send_with(&big, &offload).expect("it is sent")),
        ("urgent_frame_cut", &|| send(&one, &bpdu, 1)),
        // Whoever sends straight into the pair, which no port's share keeps from the ring.
        ("ring_full", &|| stopped(&world, &switch, || send(&pair, &frame(BROADCAST), 2000))),
        ("fdb_full", &strangers),
    ];
    let shown = || world.cli(&switch, &["show platform drops"]);
    for (reason, again) in cases {
        assert_eq!(lost(&world, &switch, reason, "-"), 0, "{reason}: {}", shown());
        let there = wait(|| {
            again();
            lost(&world, &switch, reason, "-") > 0
        });
        assert!(there, "{reason}: {}", shown());
    }
    // All goes on.
    let two = world.raw(&hosts, "h2");
    let heard =
        || two.receive(Duration::from_millis(20)).ok().flatten().is_some_and(|heard| heard[..60] == frame(BROADCAST));
    assert!(wait(|| {
        send(&one, &frame(BROADCAST), 1);
        heard()
    }));
}

#[test]
fn what_control_is_not_shown_is_shown() {
    let (mut world, space, hosts) = world("told", 1);
    let config = "ip access-list extended ALL\n permit ip any any log\ninterface GigabitEthernet0/1\n device p1\n \
        ip access-group ALL in\ninterface Vlan1\n ip address 192.0.2.1 255.255.255.0\n no shutdown\n";
    let switch = world.switch(&space, config, &["--workers", "1"]);
    let one = world.raw(&hosts, "h1");
    let ip = {
        // From 192.0.2.2 to 192.0.2.3, nothing in it.
        let mut packet = vec![0x45, 0, 0, 20, 0, 0, 0, 0, 64, 253, 0xf6, 0xe6, 192, 0, 2, 2, 192, 0, 2, 3];
        packet.resize(46, 0);
        [&BROADCAST[..], &[2, 0, 0, 0, 0, 1], &[8, 0], &packet].concat()
    };
    let arp = {
        let mut request = vec![0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 192, 0, 2, 2];
        request.extend([0, 0, 0, 0, 0, 0, 192, 0, 2, 3]);
        request.resize(46, 0);
        [&BROADCAST[..], &[2, 0, 0, 0, 0, 1], &[8, 6], &request].concat()
    };
    for (reason, sent) in [("acl_log_limited", ip), ("exception_ring_full", arp)] {
        assert_eq!(lost(&world, &switch, reason, "-"), 0, "{reason}");
        let there = wait(|| {
            send(&one, &sent, 2000);
            lost(&world, &switch, reason, "-") > 0
        });
        assert!(there, "{reason}: {}", world.cli(&switch, &["show platform drops", "show access-lists"]));
    }
}

#[test]
fn bridge_protocols_pass_beside_any_flood() {
    let (mut world, space, hosts) = world("flood", 3);
    let config: String = (1..=3).map(|port| format!("interface GigabitEthernet0/{port}\n device p{port}\n")).collect();
    let switch = world.switch(&space, &config, &["--workers", "1"]);
    let [one, two] = ["h1", "h2"].map(|device| world.raw(&hosts, device));
    let (ended, flood) = (AtomicBool::new(false), frame(BROADCAST));
    const ROUNDS: u64 = 60;
    const EACH: u64 = 4;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                send(&one, &flood, 1000);
            }
        });
        assert!(wait(|| lost(&world, &switch, "credit", "Gi0/1") > 0), "port 1 is at its maximum");
        let arrived = || lost(&world, &switch, "reserved_address", "Gi0/2");
        let all = (1..=ROUNDS).all(|round| {
            for _ in 0..EACH {
                two.send(&frame(BPDU)).expect("sent");
                two.send(&frame(LACPDU)).expect("sent");
            }
            // As bridges send them: never more at once than a port may, however late the worker comes round.
            wait(|| arrived() == 2 * EACH * round)
        });
        ended.store(true, Ordering::Relaxed);
        assert!(all, "{} of {}: {}", arrived(), 2 * EACH * ROUNDS, world.cli(&switch, &["show platform drops"]));
    });
}
