//! Two routers between two hosts, with two links between them: traceroute, equal ways, a narrow link, a host that configures
//! itself, an address that somebody else has; and what Linux has beside: netdevs of the router's names, very many routes.

use mona_testbed::netns::{Switch, World, wait};
use std::net::UdpSocket;

/// Flows that are shared between two ways.
const FLOWS: u16 = 4000;
/// Routes of the kernel's.
const ROUTES: u32 = 100_000;

/// A router with its host's network on gi0/1 (VLAN 10) and links to the other on gi0/2 and gi0/3, of which this is end 1 or 2.
fn config(end: u32) -> String {
    let other = 3 - end;
    let link = |n: u32| {
        format!(
            "interface gi0/{port}\n device p{port}\n no switchport\n ip address 10.1.{n}.{end} 255.255.255.0\n \
             ipv6 address 2001:db8:1{n}::{end}/64\n ipv6 nd dad attempts 0\n",
            port = n + 1
        )
    };
    let route = |n: u32| {
        format!(
            "ip route 10.0.{other}.0 255.255.255.0 10.1.{n}.{other}\nipv6 route 2001:db8:{other}::/64 2001:db8:1{n}::{other}\n"
        )
    };
    format!(
        "hostname r{end}\nvlan 10\nipv6 unicast-routing\nip cef load-sharing algorithm include-ports\ninterface gi0/1\n device \
         p1\n switchport access vlan 10\ninterface vlan 10\n ip address 10.0.{end}.1 255.255.255.0\n ipv6 address \
         2001:db8:{end}::1/64\n ipv6 nd dad attempts 0\n ipv6 nd ra interval 4\n{}{}{}{}end\n",
        link(1),
        link(2),
        route(1),
        route(2)
    )
}

struct Bed {
    world: World,
    routers: [Switch; 2],
    hosts: [String; 2],
}

impl Bed {
    fn new(label: &str, io: &str) -> Bed {
        let mut world = World::new(&format!("paths-{label}"));
        let routers = ["r1", "r2"].map(|name| world.namespace(name));
        let hosts = ["h1", "h2"].map(|name| world.namespace(name));
        for link in ["p2", "p3"] {
            world.cable((&routers[0], link), (&routers[1], link));
        }
        for (n, (router, host)) in (1..).zip(routers.iter().zip(&hosts)) {
            // It makes itself an address of the prefix that the router advertises, and a default route.
            world.exec(host, "sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0");
            world.exec(host, "sysctl -qw net.ipv6.conf.default.accept_ra=1 net.ipv6.conf.default.autoconf=1");
            world.cable((router, "p1"), (host, "eth0"));
            world.exec(host, &format!("ip addr add 10.0.{n}.2/24 dev eth0; ip route add default via 10.0.{n}.1"));
        }
        let switch = |n: usize| config(n as u32 + 1);
        let routers = [0, 1].map(|n| world.switch(&routers[n], &switch(n), &["--io", io]));
        let bed = Bed { world, routers, hosts };
        assert!(wait(|| bed.world.pings(&bed.hosts[0], "10.0.2.2")), "{}", bed.report());
        bed
    }

    /// The address that a host made itself of the prefix.
    fn own_address(&self, n: usize) -> String {
        let prefix = format!("2001:db8:{}:", n + 1);
        let find = || {
            let shown = self.world.exec(&self.hosts[n], "ip -6 -o addr show dev eth0 scope global dynamic -tentative");
            let net = shown.split_whitespace().find(|word| word.starts_with(&prefix))?.to_string();
            net.split_once('/').map(|(address, _)| address.to_string())
        };
        assert!(wait(|| find().is_some()), "h{} has no address of {prefix}:/64{}", n + 1, self.report());
        let routed = || self.world.exec(&self.hosts[n], "ip -6 route show default").contains("via fe80::");
        assert!(wait(routed), "h{} has no router{}", n + 1, self.report());
        find().expect("it was there")
    }

    fn said(&self, line: &str) -> String {
        String::from_utf8_lossy(&self.world.attempt(&self.hosts[0], line).stdout).into_owned()
    }

    /// What the second router received by each link.
    fn received(&self) -> [u64; 2] {
        ["p2", "p3"].map(|link| {
            let count = self
                .world
                .exec(&self.routers[1].namespace, &format!("cat /sys/class/net/{link}/statistics/rx_packets"));
            count.trim().parse().expect("a number")
        })
    }

    fn report(&self) -> String {
        let lines = ["show ip route", "show ipv6 route", "show ip arp", "show platform drops", "show logging"];
        self.routers.iter().map(|router| format!("\n{}", self.world.cli(router, &lines))).collect()
    }
}

#[test]
fn over_packet_ports() {
    everything("p", "packet");
}

#[test]
fn over_xdp_ports() {
    everything("x", "xdp");
}

fn everything(label: &str, io: &str) {
    let bed = Bed::new(label, io);
    let (world, [one, two]) = (&bed.world, &bed.hosts);
    // RFC 4861 6, RFC 4862: hosts that configure themselves, and reach each other.
    let [_, there] = [0, 1].map(|n| bed.own_address(n));
    assert!(wait(|| world.pings(one, &there)), "{}", bed.report());
    // Each router on the way names itself, by the interface that the packet came in by.
    for (hops, froms) in
        [(1, &["From 10.0.1.1 "][..]), (2, &["From 10.1.1.2 ", "From 10.1.2.2 "]), (3, &["from 10.0.2.2:"])]
    {
        let hop = || bed.said(&format!("ping -c1 -W1 -t{hops} 10.0.2.2"));
        assert!(wait(|| froms.iter().any(|from| hop().contains(from))), "hop {hops}: {}{}", hop(), bed.report());
    }
    for (hops, froms) in [
        (1, &["From 2001:db8:1::1 "][..]),
        (2, &["From 2001:db8:11::2 ", "From 2001:db8:12::2 "]),
        (3, &[&format!("from {there}:")]),
    ] {
        let hop = || bed.said(&format!("ping -6 -c1 -W1 -t{hops} {there}"));
        assert!(wait(|| froms.iter().any(|from| hop().contains(from))), "hop {hops}: {}{}", hop(), bed.report());
    }
    // As traceroute sees them, a host's and the router's own.
    let three = [&["10.0.1.1"][..], &["10.1.1.2", "10.1.2.2"], &["10.0.2.2"]];
    let three6 = [&["2001:db8:1::1"][..], &["2001:db8:11::2", "2001:db8:12::2"], &[&there]];
    for (address, wanted) in [("10.0.2.2", three), (&there, three6)] {
        let hops = || bed.said(&format!("traceroute -n -q 1 -w 2 -m 5 {address}"));
        assert!(wait(|| is_path(&hops(), &wanted)), "{address}: {}{}", hops(), bed.report());
        let own = || world.cli(&bed.routers[0], &[&format!("traceroute {address}")]);
        assert!(wait(|| is_path(&own(), &wanted[1..])), "{address}: {}{}", own(), bed.report());
    }
    // Flows are shared, and all arrive whichever way they go.
    let before = bed.received();
    let socket = mona_testbed::netns::inside(one, || UdpSocket::bind("0.0.0.0:5000")).expect("a socket");
    let shares = || {
        let now = bed.received();
        [now[0] - before[0], now[1] - before[1]]
    };
    for flow in 0..FLOWS {
        socket.send_to(b"flow", ("10.0.2.2", 10_000 + flow)).expect("it is sent");
        // It is no matter of rings here: no more go before these have come.
        if (flow + 1) % 50 == 0 {
            let come = || shares().iter().sum::<u64>() > u64::from(flow);
            assert!(wait(come), "{:?} of {flow}{}", shares(), bed.report());
        }
    }
    let half = u64::from(FLOWS) / 2;
    let fair = half * 85 / 100..=half * 115 / 100;
    assert!(shares().iter().all(|share| fair.contains(share)), "of {FLOWS} flows {:?}", shares());
    // One way is gone: all go the other.
    world.exec(&bed.routers[1].namespace, "ip link set p3 down");
    assert!(wait(|| !world.cli(&bed.routers[0], &["show ip route 10.0.2.2"]).contains("10.1.2.2")), "{}", bed.report());
    let all = || {
        (1..=4).all(|n| world.attempt(one, &format!("ping -q -c1 -W1 -I 10.0.1.2 10.0.2.2 -e {n}")).status.success())
    };
    assert!(wait(all), "{}", bed.report());
    world.exec(&bed.routers[1].namespace, "ip link set p3 up");
    // A narrow link in the middle, and TCP with its offloads on gets through it.
    for router in &bed.routers {
        for link in ["interface gi0/2", "interface gi0/3"] {
            world.cli(router, &["configure terminal", link, "ip mtu 1400", "ipv6 mtu 1400"]);
        }
    }
    for address in ["10.0.2.2", &there] {
        world.exec(two, "iperf3 -s -D -1 >/dev/null");
        let done = bed.said(&format!("timeout 30 iperf3 -c {address} -n 16M --connect-timeout 3000 2>&1"));
        assert!(done.contains("iperf Done"), "{address}: {done}{}", bed.report());
        let route = world.exec(one, &format!("ip route get {address}"));
        assert!(route.contains("mtu 1400"), "{route}");
    }
    // RFC 4862 5.4: what a station has is not the router's, who says so and leaves it alone.
    world.exec(one, "ip addr add 2001:db8:1::9/64 dev eth0 nodad");
    world.cli(
        &bed.routers[0],
        &["configure terminal", "interface vlan 10", "ipv6 nd dad attempts 1", "ipv6 address 2001:db8:1::9/64"],
    );
    let said = "%IPV6_ND-4-DUPLICATE: Duplicate address 2001:db8:1::9 on Vlan10";
    assert!(wait(|| world.cli(&bed.routers[0], &["show logging"]).contains(said)), "{}", bed.report());
    assert!(world.reaches(two, &bed.own_address(0)), "and all else goes on");
}

/// Does traceroute name these hops, each one of several, and no others?
fn is_path(said: &str, wanted: &[&[&str]]) -> bool {
    let words = |line: &str| line.split_whitespace().map(str::to_string).collect::<Vec<_>>();
    let hops = said.lines().map(words).filter(|words| words.first().is_some_and(|word| word.parse::<u8>().is_ok()));
    let hops: Vec<_> = hops.collect();
    hops.len() == wanted.len()
        && hops
            .iter()
            .zip(wanted)
            .all(|(hop, any)| any.iter().any(|one| hop.get(1).is_some_and(|is| is.eq_ignore_ascii_case(one))))
}

const ONE: &str = "\
vlan 10
interface gi0/1
 device p1
 switchport access vlan 10
interface gi0/2
 device p2
 no switchport
 ip address 10.0.2.1 255.255.255.0
interface vlan 10
 ip address 10.0.1.1 255.255.255.0
end
";

/// A router with a host in VLAN 10 and one at a routed port.
fn one(label: &str) -> (World, String, [String; 2]) {
    let mut world = World::new(&format!("paths-{label}"));
    let router = world.namespace("r");
    let hosts =
        world.hosts(&router, |n| format!("ip addr add 10.0.{n}.2/24 dev eth0; ip route add default via 10.0.{n}.1"));
    (world, router, hosts)
}

#[test]
fn a_netdev_of_somebody_elses_is_left_alone() {
    let (mut world, router, hosts) = one("alien");
    world.exec(
        &router,
        "ip link add vlan10 type veth peer name elsewhere; ip addr add 192.0.2.1/24 dev vlan10; ip link set vlan10 up",
    );
    let facts = |world: &World| {
        world
            .exec(&router, "ip -d link show vlan10 | sed s/qdisc.*//; ip -o addr show vlan10; ip route show dev vlan10")
    };
    let before = facts(&world);
    let switch = world.switch(&router, ONE, &[]);
    let why = "another netdev is named vlan10: rename or remove it";
    let said = |world: &World| {
        let lines = ["show interfaces vlan 10", "show ip interface brief", "show ip route", "show logging"];
        world.cli(&switch, &lines)
    };
    // Its interface is down, and says why, until that is gone.
    let is_down = |world: &World| {
        let said = said(world);
        let brief = said.lines().any(|line| line.starts_with("Vlan10 ") && line.trim_end().ends_with("down"));
        let shown = said.contains("Vlan10 is down") && said.contains(&format!("  Down: {why}"));
        let logged = said.contains(&format!("%MONA-3-NETDEV: Vlan10: {why}"));
        brief && shown && logged && !said.contains("10.0.1.0/24 is directly connected")
    };
    assert!(wait(|| is_down(&world)), "{}", said(&world));
    assert_eq!(facts(&world), before);
    // The other interfaces do not mind.
    assert!(wait(|| world.pings(&hosts[1], "10.0.2.1")), "{}", said(&world));
    assert_eq!(facts(&world), before);
    // When that is renamed or removed the interface is there, with nothing else to be done.
    let is_up = |world: &World| world.pings(&hosts[0], "10.0.1.1") && world.pings(&hosts[0], "10.0.2.2");
    world.exec(&router, "ip link set vlan10 down; ip link set vlan10 name vlan10-old");
    assert!(wait(|| is_up(&world)), "{}", said(&world));
    // One that takes the place of ours, quicker than we are.
    let taken = "ip link show other || { ip link del vlan10; ip link add vlan10 type veth peer name other; }";
    assert!(wait(|| world.attempt(&router, taken).status.success() && is_down(&world)), "{}", said(&world));
    world.exec(&router, "ip link del vlan10");
    assert!(wait(|| is_up(&world)), "{}", said(&world));
    assert!(world.exec(&router, "ip -o addr show vlan10-old").contains("192.0.2.1/24"));
}

#[test]
fn a_hundred_thousand_routes_of_the_kernel() {
    let (mut world, router, hosts) = one("many");
    let switch = world.switch(&router, ONE, &[]);
    assert!(wait(|| world.pings(&hosts[0], "10.0.2.2")), "{}", world.messages(&switch));
    let all = world.dir.join("routes");
    let prefix = |n: u32| std::net::Ipv4Addr::from(0x1400_0000 + (n << 8));
    let lines = |verb: &str| -> String {
        (0..ROUTES).map(|n| format!("route {verb} {}/24 via 10.0.2.2 dev gi0-2 proto 186\n", prefix(n))).collect()
    };
    let batch = |world: &World, verb: &str| {
        std::fs::write(&all, lines(verb)).expect("a file of the test's");
        world.exec(&router, &format!("ip -batch {}", all.display()));
    };
    let count = |world: &World| {
        let shown = world.cli(&switch, &["show ip route summary"]);
        let row = shown.lines().find(|line| line.starts_with("bgp ")).map(str::to_string);
        row.and_then(|row| row.split_whitespace().nth(2)?.parse::<u32>().ok()).unwrap_or(0)
    };
    let report = |world: &World| world.cli(&switch, &["show ip route summary", "show logging"]);
    world.exec(&hosts[1], "ip addr add 20.0.0.1/32 dev lo; ip addr add 21.134.159.1/32 dev lo");
    batch(&world, "add");
    assert!(wait(|| count(&world) == ROUTES), "{} routes{}", count(&world), report(&world));
    for host in ["20.0.0.1", "21.134.159.1"] {
        assert!(wait(|| world.pings(&hosts[0], host)), "{host}{}", report(&world));
    }
    assert!(!world.pings(&hosts[0], "21.134.160.1"));
    // As many go at once, when their interface does.
    world.cli(&switch, &["configure terminal", "interface gi0/2", "shutdown"]);
    assert!(wait(|| count(&world) == 0), "{} routes{}", count(&world), report(&world));
    assert!(wait(|| world.pings(&hosts[0], "10.0.1.1")), "{}", report(&world));
}
