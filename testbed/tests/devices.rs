//! What a switch does to the machine's devices, and what the machine does to the switch's: settings that survive a crash,
//! devices that vanish, events that are lost.

use mona_testbed::netns::{World, wait};
use std::fs;

/// A world with one namespace of `ports` devices p1…, each a cable to a device h1… of the namespace of hosts.
fn world(label: &str, ports: usize) -> (World, String, String) {
    let mut world = World::new(&format!("dev-{label}"));
    let (space, hosts) = (world.namespace("s"), world.namespace("h"));
    for port in 1..=ports {
        world.cable((&space, &format!("p{port}")), (&hosts, &format!("h{port}")));
    }
    (world, space, hosts)
}

/// All that is known of the devices p1… of a namespace, but for carriers, which come back in their own time.
fn facts(world: &World, space: &str, ports: usize) -> String {
    let link = "ip -d link show $d | sed -E 's/ (qlen|numtxqueues) [0-9]+//g; s/(NO-CARRIER|LOWER_UP),?//; s/ state [A-Z]+//; s/ id [0-9]+.*//'";
    let rest =
        "sysctl net.ipv6.conf.$d.disable_ipv6; ethtool -k $d; bpftool net show dev $d | sed -E 's/ id [0-9]+.*//'";
    world.exec(space, &format!("for d in $(seq -f p%g {ports}); do {link}; {rest}; done"))
}

/// The lines that differ.
fn differing(before: &str, after: &str) -> Vec<String> {
    let pairs = before.lines().zip(after.lines()).filter(|(before, after)| before != after);
    pairs.map(|(before, after)| format!("{before} → {after}")).collect()
}

#[test]
fn after_kill_9_devices_are_given_back_as_they_were_found() {
    let (mut world, space, _) = world("kill", 5);
    world.exec(&space, "sysctl -qw net.ipv6.conf.p1.disable_ipv6=0; ip link set p2 mtu 1400; ip link set p3 down");
    let before = facts(&world, &space, 5);
    let config = "interface GigabitEthernet0/1\n device p1\n mtu 1600\n\
        interface GigabitEthernet0/2\n device p2\n shutdown\n mtu 1300\n\
        interface GigabitEthernet0/4\n device p4\n io xdp\n";
    let mut switch = world.switch(&space, config, &[]);
    for device in ["p3", "p5"] {
        assert!(world.ctl(&switch, &["add-port", device]).0);
    }
    let with_it = facts(&world, &space, 5);
    assert!(with_it.contains("mtu 1600") && with_it.contains("mtu 1300"), "{with_it}");
    // Twice: what the second finds is not what there was.
    for _ in 0..2 {
        world.crash(&mut switch);
        assert!(wait(|| facts(&world, &space, 5) == with_it), "{:#?}", differing(&with_it, &facts(&world, &space, 5)));
    }
    // One by one, at the hands of the third.
    world.cli(
        &switch,
        &["configure terminal", "interface gi0/1", "no mtu", "no device", "interface gi0/2", "no device"],
    );
    world.cli(&switch, &["configure terminal", "interface gi0/4", "no device"]);
    for device in ["p3", "p5"] {
        assert!(world.ctl(&switch, &["remove-port", device]).0);
    }
    assert!(wait(|| facts(&world, &space, 5) == before), "{:#?}", differing(&before, &facts(&world, &space, 5)));
    // All at once, by a switch that has none of them any more; p5 is gone, and another has its name.
    world.crash(&mut switch);
    for device in ["p3", "p5"] {
        assert!(world.ctl(&switch, &["add-port", device]).0);
    }
    assert!(wait(|| facts(&world, &space, 5) == with_it), "{:#?}", differing(&with_it, &facts(&world, &space, 5)));
    let run = switch.config.parent().expect("a directory").to_path_buf();
    fs::write(&switch.config, "hostname other\n").expect("ours");
    fs::remove_file(run.join("ports")).expect("what the hook added was kept");
    world.crash_and(&mut switch, "ip link del p5; ip link add p5 type veth peer name q5");
    assert!(
        wait(|| facts(&world, &space, 4) == facts_of(&before, 4)),
        "{:#?}",
        differing(&before, &facts(&world, &space, 4))
    );
    let left = fs::read_dir(run.join("s.devices")).expect("a directory").count();
    assert_eq!(left, 0, "nothing is left to be given back");
}

/// Those of the first devices alone.
fn facts_of(facts: &str, ports: usize) -> String {
    let end = format!(": p{}@", ports + 1);
    let line = facts.lines().position(|line| line.contains(&end)).expect("one more device");
    facts.lines().take(line).map(|line| format!("{line}\n")).collect()
}

/// Holds queue 0 of a device by an AF_XDP socket of its own until the file `$1` is there.
const HOLDER: &str = r#"
import ctypes, mmap, os, socket, struct, sys, time
xdp = socket.socket(44, socket.SOCK_RAW, 0)
memory = mmap.mmap(-1, 4096 * 64)
start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
xdp.setsockopt(283, 4, struct.pack("QQIIII", start, 4096 * 64, 4096, 0, 0, 0))
for ring in (5, 6, 2, 3):
    xdp.setsockopt(283, ring, struct.pack("I", 64))
address = struct.pack("HHIII", 44, 2, socket.if_nametoindex("p1"), 0, 0)
print("bound" if ctypes.CDLL(None).bind(xdp.fileno(), address, len(address)) == 0 else "refused", flush=True)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
"#;

#[test]
fn a_busy_queue_is_waited_for_and_nobody_waits_with_it() {
    let (mut world, space, _) = world("busy", 2);
    let free = world.dir.join("free").display().to_string();
    let holder = world.spawn(&space, "/usr/bin/python3".as_ref(), &["-c", HOLDER, &free]);
    assert!(wait(|| world.log(holder).contains("bound")), "{}", world.log(holder));
    let switch = world.switch(&space, "", &[]);
    let bind = ["configure terminal", "interface gi0/1", "io xdp", "device p1", "do show platform ports"];
    let shown = world.cli(&switch, &bind);
    assert!(shown.contains("p1 is being opened"), "others are answered meanwhile: {shown}");
    assert!(world.ctl(&switch, &["add-port", "p2"]).0, "other ports are opened meanwhile");
    let platform = |world: &World| world.cli(&switch, &["show platform ports"]);
    assert!(
        wait(|| platform(&world).contains("a queue of p1 belongs to another program's AF_XDP socket")),
        "{}",
        platform(&world)
    );
    // Let go of while it is tried.
    world.cli(&switch, &["configure terminal", "interface gi0/1", "shutdown", "no shutdown"]);
    fs::write(&free, "").expect("ours");
    let up = |world: &World| {
        world
            .cli(&switch, &["show interfaces status"])
            .lines()
            .any(|line| line.starts_with("Gi0/1") && line.contains("connected"))
    };
    if !wait(|| up(&world)) {
        // Slower than the switch is patient.
        world.cli(&switch, &["configure terminal", "interface gi0/1", "shutdown", "no shutdown"]);
    }
    assert!(wait(|| up(&world)), "{}", platform(&world));
    // Taken back while it is tried.
    world.cli(&switch, &["configure terminal", "interface gi0/1", "no device"]);
    fs::remove_file(&free).expect("ours");
    let holder = world.spawn(&space, "/usr/bin/python3".as_ref(), &["-c", HOLDER, &free]);
    assert!(wait(|| world.log(holder).contains("bound")), "{}", world.log(holder));
    world.cli(&switch, &["configure terminal", "interface gi0/1", "device p1", "no device", "no io", "device p1"]);
    assert!(wait(|| up(&world)), "{}", platform(&world));
}

#[test]
fn a_device_that_vanishes_under_load_takes_its_port_along_and_nothing_else() {
    let (mut world, space, _) = world("gone", 0);
    let hosts = world.hosts(&space, |host| format!("ip addr add 10.0.0.{host}/24 dev eth0"));
    for io in ["packet", "xdp"] {
        let config: String =
            (1..=3).map(|port| format!("interface GigabitEthernet0/{port}\n device p{port}\n io {io}\n")).collect();
        let switch = world.switch(&space, &config, &["--workers", "2"]);
        let [one, _, three] = &hosts;
        assert!(world.reaches(one, "10.0.0.2"), "{io}");
        // Two minutes at most, and it ends with its device.
        world.spawn(three, "ping".as_ref(), &["-w", "120", "-f", "-q", "-b", "10.0.0.255"]);
        let frames = |port| {
            let shown = world.cli(&switch, &[&format!("show interfaces gi0/{port} | include packets input")]);
            shown.split_whitespace().next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0)
        };
        assert!(wait(|| frames(3) > 300), "{io}: host 3 floods");
        world.exec(&space, "ip link del p3");
        let platform = || world.cli(&switch, &["show platform ports", "show interfaces gi0/3"]);
        assert!(wait(|| platform().contains("p3: no such device")), "{io}: {}", platform());
        assert!(world.reaches(one, "10.0.0.2"), "{io}: the others");
        assert!(world.messages(&switch).contains("Interface GigabitEthernet0/3, changed state to down"), "{io}");
        world.cable((&space, "p3"), (three, "eth0"));
        world.exec(three, "ip addr add 10.0.0.3/24 dev eth0");
        assert!(wait(|| world.pings(three, "10.0.0.2")), "{io}: {}", platform());
        world.stop(&switch);
    }
}

#[test]
fn events_that_were_lost_are_made_up_for() {
    let (mut world, space, _) = world("overrun", 2);
    let config = "interface GigabitEthernet0/1\n device p1\ninterface GigabitEthernet0/2\n device late\n";
    let switch = world.switch(&space, config, &[]);
    let pid = nix::unistd::Pid::from_raw(world.pid(&switch) as i32);
    let signal = |signal| nix::sys::signal::kill(pid, signal).expect("it runs");
    // sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode: the one socket with groups.
    let drops = |world: &World| -> u64 {
        let table = world.exec(&space, "cat /proc/net/netlink");
        let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
        rows.filter(|row| row[1] == "0" && row[3] != "00000000").map(|row| row[8].parse::<u64>().unwrap_or(0)).sum()
    };
    assert_eq!(drops(&world), 0);
    signal(nix::sys::signal::Signal::SIGSTOP);
    let noise = world.dir.join("noise").display().to_string();
    world.exec(&space, &format!("for i in $(seq 20000); do echo link set lo alias x$i; done >{noise}"));
    // How many are kept is the host's to say.
    assert!((0..20).any(|_| {
        world.exec(&space, &format!("ip -batch {noise}"));
        drops(&world) > 0
    }));
    world.exec(&space, "ip link del p1; ip link set p2 down; ip link set p2 name late; ip link set late up");
    signal(nix::sys::signal::Signal::SIGCONT);
    let status = || world.cli(&switch, &["show interfaces status", "show platform ports"]);
    assert!(wait(|| status().contains("p1: no such device")), "{}", status());
    let up = || status().lines().any(|line| line.starts_with("Gi0/2") && line.contains(" connected"));
    assert!(wait(up), "{}", status());
}
