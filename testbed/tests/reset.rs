//! `swctl reset`: what a killed switch left on the host is found and taken away, and nothing else.

use mona_testbed::netns::{Switch, World, wait};

const CONFIG: &str = "\
vlan 10
ipv6 unicast-routing
interface gi0/1
 device p1
 switchport access vlan 10
 mtu 1400
interface gi0/2
 device p2
 no switchport
 ip address 10.0.2.1 255.255.255.0
interface gi0/3
 device p3
 shutdown
interface vlan 10
 ip address 10.0.1.1 255.255.255.0
 ipv6 address 2001:db8:1::1/64
interface loopback 0
 ip address 192.0.2.1 255.255.255.255
ip route 10.9.0.0 255.255.0.0 10.0.1.9
ip route 10.8.0.0 255.255.0.0 null0
ipv6 route 2001:db8:8::/48 null0
";

/// All of the host that a switch changes.
fn host(world: &World, namespace: &str) -> String {
    let devices =
        "for d in p1 p2 p3; do ip -o link show $d; ethtool -k $d; cat /proc/sys/net/ipv6/conf/$d/disable_ipv6; done";
    let rest = "ip -br link; ip route; ip -6 route show proto 77; bpftool net show";
    // Addresses that IPv6 makes itself come when they come.
    world.exec(namespace, &format!("{devices}; {rest}"))
}

fn reset(world: &World, switch: &Switch, more: &[&str]) -> (bool, String) {
    let run = switch.config.parent().expect("a directory").display().to_string();
    let name = switch.namespace.rsplit('-').next().expect("a name");
    world.ctl(switch, &[&["reset", "--name", name, "--run", &run], more].concat())
}

#[test]
fn what_a_killed_switch_left_is_taken_away() {
    let mut world = World::new("reset");
    let (namespace, far) = (world.namespace("sw"), world.namespace("far"));
    for n in 1..=3 {
        world.cable((&namespace, &format!("p{n}")), (&far, &format!("q{n}")));
    }
    // What looks like a switch's and is none.
    world.exec(
        &namespace,
        "ip link add sw-b7 type veth peer name sw-w7; ip link add vlan99 type veth peer name sw-vlan99",
    );
    world.exec(&namespace, "ip link set lo up; ip route add blackhole 10.7.0.0/16 proto 78");
    let before = host(&world, &namespace);
    for io in ["packet", "xdp"] {
        let switch = world.switch(&namespace, CONFIG, &["--io", io, "--workers", "2"]);
        let routes = || {
            let routes = world.exec(&namespace, "ip route show proto 77; ip -6 route show proto 77");
            ["10.9.0.0/16", "10.8.0.0/16", "2001:db8:8::/48"].iter().all(|prefix| routes.contains(prefix))
        };
        assert!(wait(routes), "{io}: {}{}", world.exec(&namespace, "ip addr; ip route"), world.messages(&switch));
        let running = host(&world, &namespace);
        assert_ne!(running, before);
        for more in [&[][..], &["--dry-run"]] {
            let (done, said) = reset(&world, &switch, more);
            assert!(!done && said.contains("runs here already"), "{io}: {said}");
        }
        world.cli(&switch, &["show version"]);
        world.kill_switch(&switch);
        let left = host(&world, &namespace);
        let (done, said) = reset(&world, &switch, &["--dry-run"]);
        for what in [
            "netdev vlan10",
            "netdev gi0-2",
            "netdev lo0",
            "netdev sw-b0",
            "netdev sw-bf",
            "netdev sw-w1",
            "netdev sw-bu",
            "netdev sw-wl",
            "settings of p1",
            "settings of p3",
            "route 10.8.0.0/16",
            "route 10.9.0.0/16",
            "route 2001:db8:8::/48",
        ] {
            assert!(said.lines().any(|line| line == what), "{io}: {what} is not in\n{said}");
        }
        assert!(done && !said.contains("sw-b7") && !said.contains("vlan99") && !said.contains("10.7"), "{io}: {said}");
        assert_eq!(host(&world, &namespace), left, "{io}: looking changes nothing");
        let (done, again) = reset(&world, &switch, &[]);
        assert!(done && again == said, "{io}: {again}");
        let same = || host(&world, &namespace) == before;
        assert!(wait(same), "{io}: it was\n{before}\nand is\n{}", host(&world, &namespace));
        let run = switch.config.parent().expect("a directory");
        for gone in ["sw.devices", "sw.bpf", "sw.neighbours"] {
            assert!(!run.join(gone).exists(), "{io}: {gone} is left");
        }
        assert_eq!(reset(&world, &switch, &[]), (true, String::new()), "{io}: nothing is left");
        // Names are no paths.
        for name in ["..", "a/b", "", "a name"] {
            let (done, said) = world.ctl(&switch, &["reset", "--name", name, "--dry-run"]);
            assert!(!done && said.contains("is no name for a switch"), "{said}");
        }
    }
    // No program keeps the devices from a switch of another name. (Debian's bpftool does not show tcx.)
    let switch = world.named_switch(&namespace, "fresh", CONFIG, &[]);
    let connected = || world.cli(&switch, &["show interfaces status"]).matches(" connected ").count() == 2;
    assert!(wait(connected), "{}", world.cli(&switch, &["show interfaces status", "show logging"]));
}

#[test]
fn another_switch_keeps_what_is_its() {
    let mut world = World::new("reset2");
    let (namespace, far) = (world.namespace("sw"), world.namespace("far"));
    world.cable((&namespace, "p1"), (&far, "q1"));
    world.cable((&namespace, "p2"), (&far, "q2"));
    let config = |port, vlan| {
        format!(
            "vlan {vlan}\ninterface gi0/1\n device {port}\n switchport access vlan {vlan}\n\
             interface vlan {vlan}\n ip address 10.0.{vlan}.1 255.255.255.0\nip route 10.{vlan}.0.0 255.255.0.0 10.0.{vlan}.9\n\
             ip route 10.1{vlan}.0.0 255.255.0.0 null0\n"
        )
    };
    let first = world.named_switch(&namespace, "one", &config("p1", 10), &[]);
    let second = world.named_switch(&namespace, "other", &config("p2", 20), &[]);
    let routes = |world: &World| world.exec(&namespace, "ip route show proto 77");
    assert!(
        wait(|| routes(&world).contains("10.10.0.0/16") && routes(&world).contains("10.20.0.0/16")),
        "{}",
        routes(&world)
    );
    // They have one protocol number, and leave each other's routes alone.
    let news = String::from_utf8_lossy(&world.attempt(&namespace, "timeout 2 ip monitor route").stdout).into_owned();
    assert!(!news.contains("proto 77"), "{news}");
    // Each takes back what it gave, what drops too.
    world.cli(&second, &["configure terminal", "no ip route 10.120.0.0 255.255.0.0 null0", "end"]);
    assert!(wait(|| !routes(&world).contains("10.120.0.0/16")), "{}", routes(&world));
    assert!(routes(&world).contains("10.110.0.0/16"), "{}", routes(&world));
    world.kill_switch(&first);
    let run = first.config.parent().expect("a directory").display().to_string();
    let (done, said) = world.ctl(&first, &["reset", "--name", "one", "--run", &run]);
    assert!(done && said.contains("netdev vlan10") && !said.contains("vlan20") && !said.contains("10.20"), "{said}");
    assert!(wait(|| !routes(&world).contains("10.10.0.0/16")), "{}", routes(&world));
    assert!(routes(&world).contains("10.20.0.0/16"), "{}", routes(&world));
    world.cli(&second, &["show version"]);
    let status = world.cli(&second, &["show interfaces status"]);
    assert!(status.contains("Gi0/1") && status.contains(" connected "), "{status}");
}
