//! A real router between hosts in namespaces of their own: between VLANs, from a routed port and by its sub-interface, over
//! `packet` and `xdp` ports: ping, TCP with all offloads on, traceroute, path MTU, the router's own addresses, static routes.

use mona_testbed::netns::{Switch, TWO_VLANS, World, wait};

/// h1 in VLAN 10, h2 in VLAN 20, h3 on a routed port, h4 behind a tag of another.
const CONFIG: &str = "\
hostname r1
ipv6 unicast-routing
interface gi0/3
 device p3
 no switchport
 ip address 10.0.3.1 255.255.255.0
 ipv6 address 2001:db8:3::1/64
interface gi0/4
 device p4
 no switchport
interface gi0/4.40
 encapsulation dot1Q 40
 ip address 10.0.4.1 255.255.255.0
interface vlan 10
 ip address 10.0.1.1 255.255.255.0
 ipv6 address 2001:db8:1::1/64
interface vlan 20
 ip address 10.0.2.1 255.255.255.0
 ipv6 address 2001:db8:2::1/64
interface loopback 0
 ip address 192.0.2.1 255.255.255.255
";

/// Tags what h4 sends with VLAN 40.
const TAGGER: &str = "\
vlan 40
interface gi0/1
 device t1
 switchport mode trunk
interface gi0/2
 device t2
 switchport access vlan 40
";

struct Bed {
    world: World,
    switch: Switch,
    hosts: Vec<String>,
}

impl Bed {
    fn new(label: &str, io: &str) -> Bed {
        let mut world = World::new(&format!("route-{label}"));
        let namespace = world.namespace("r");
        let mut hosts = Vec::new();
        for n in 1..=3 {
            let host = world.namespace(&format!("h{n}"));
            world.exec(&host, "sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0");
            world.cable((&namespace, &format!("p{n}")), (&host, "eth0"));
            world.exec(
                &host,
                &format!(
                    "ip addr add 10.0.{n}.2/24 dev eth0; ip route add default via 10.0.{n}.1
                     ip addr add 2001:db8:{n}::2/64 dev eth0 nodad; ip -6 route add default via 2001:db8:{n}::1"
                ),
            );
            hosts.push(host);
        }
        // h4 is behind a switch that tags: VLAN devices are not in every kernel.
        let (tagger, host) = (world.namespace("t"), world.namespace("h4"));
        world.cable((&namespace, "p4"), (&tagger, "t1"));
        world.cable((&tagger, "t2"), (&host, "eth0"));
        world.exec(&host, "ip addr add 10.0.4.2/24 dev eth0; ip route add default via 10.0.4.1");
        world.switch(&tagger, TAGGER, &["--io", io]);
        hosts.push(host);
        let switch = world.switch(&namespace, &[TWO_VLANS, CONFIG].concat(), &["--io", io]);
        let bed = Bed { world, switch, hosts };
        bed.settle();
        bed
    }

    /// Until the router's netdevs are up.
    fn settle(&self) {
        let up = || {
            let shown = self.world.exec(&self.switch.namespace, "ip -br link show up");
            ["vlan10@", "vlan20@", "gi0-3@", "gi0-4.40@"]
                .iter()
                .all(|name| shown.lines().any(|line| line.starts_with(name) && line.contains(" UP ")))
        };
        assert!(wait(up), "{}{}", self.world.exec(&self.switch.namespace, "ip addr"), self.report());
    }

    fn pings(&self, from: usize, to: &str) -> bool {
        wait(|| self.world.pings(&self.hosts[from - 1], to))
    }

    fn check_all(&self) {
        for (from, to) in
            [(1, "10.0.2.2"), (1, "10.0.3.2"), (1, "10.0.4.2"), (2, "10.0.1.2"), (3, "10.0.2.2"), (4, "10.0.1.2")]
        {
            assert!(self.pings(from, to), "h{from} does not reach {to}{}", self.report());
        }
        for (from, to) in [(1, "2001:db8:2::2"), (2, "2001:db8:3::2"), (3, "2001:db8:1::2")] {
            assert!(self.pings(from, to), "h{from} does not reach {to}{}", self.report());
        }
    }

    fn report(&self) -> String {
        let lines = ["show platform ports", "show platform drops", "show logging"];
        self.world.cli(&self.switch, &lines)
    }
}

fn everything(label: &str, io: &str) {
    let bed = Bed::new(label, io);
    bed.check_all();
    // The router's own addresses, on whatever side, and its loopback.
    for to in ["10.0.1.1", "10.0.2.1", "192.0.2.1", "2001:db8:1::1", "2001:db8:2::1"] {
        assert!(bed.pings(1, to), "h1 does not reach the router's {to}{}", bed.report());
    }
    // It reaches hosts itself.
    assert!(wait(|| bed.world.pings(&bed.switch.namespace, "10.0.2.2")), "{}", bed.report());
    // Every hop counts one.
    let ttl = bed.world.exec(&bed.hosts[0], "ping -c1 -W20 10.0.2.2");
    assert!(ttl.contains("ttl=63"), "{ttl}");
    let low = bed.world.attempt(&bed.hosts[0], "ping -c1 -W20 -t1 10.0.2.2");
    let low = String::from_utf8_lossy(&low.stdout).into_owned();
    assert!(low.contains("From 10.0.1.1") && low.contains("Time to live exceeded"), "{low}");
    let low = bed.world.attempt(&bed.hosts[0], "ping -6 -c1 -W20 -t1 2001:db8:2::2");
    let low = String::from_utf8_lossy(&low.stdout).into_owned();
    assert!(low.contains("From 2001:db8:1::1") && low.contains("Hop limit"), "{low}");
    // No route, and nobody there.
    let none = bed.world.attempt(&bed.hosts[0], "ping -c1 -W20 198.51.100.1");
    let none = String::from_utf8_lossy(&none.stdout).into_owned();
    assert!(none.contains("From 10.0.1.1") && none.contains("Net Unreachable"), "{none}");
    let nobody = bed.world.attempt(&bed.hosts[0], "ping -c1 -W20 10.0.2.99");
    let nobody = String::from_utf8_lossy(&nobody.stdout).into_owned();
    assert!(nobody.contains("From 10.0.1.1") && nobody.contains("Host Unreachable"), "{nobody}");
    // TCP with the hosts' offloads on, both families.
    for (to, address) in [(1, "10.0.2.2"), (2, "10.0.3.2"), (1, "2001:db8:2::2")] {
        let server = if address.contains("3.2") { 2 } else { 1 };
        // It is forked before it listens.
        bed.world.exec(&bed.hosts[server], "iperf3 -s -D -1 >/dev/null");
        assert!(wait(|| !bed.world.exec(&bed.hosts[server], "ss -Htln sport = 5201").is_empty()), "no server");
        let done = bed
            .world
            .attempt(&bed.hosts[to - 1], &format!("timeout 120 iperf3 -c {address} -n 64M --connect-timeout 20000"));
        assert!(done.status.success(), "h{to} to {address}: {}{}", String::from_utf8_lossy(&done.stdout), bed.report());
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

#[test]
fn a_narrow_link_is_told_to_senders() {
    let bed = Bed::new("mtu", "packet");
    bed.check_all();
    bed.world.cli(&bed.switch, &["configure terminal", "interface vlan 20", "ip mtu 1400", "ipv6 mtu 1400", "end"]);
    let big = bed.world.attempt(&bed.hosts[0], "ping -c1 -W20 -s1400 -M do 10.0.2.2");
    let big = String::from_utf8_lossy(&big.stdout).into_owned();
    assert!(big.contains("From 10.0.1.1") && big.contains("mtu = 1400"), "{big}{}", bed.report());
    // The host knows now.
    let route = bed.world.exec(&bed.hosts[0], "ip route get 10.0.2.2");
    assert!(route.contains("mtu 1400"), "{route}");
    bed.world.attempt(&bed.hosts[0], "ping -6 -c1 -W20 -s1400 -M do 2001:db8:2::2");
    let learned = wait(|| bed.world.exec(&bed.hosts[0], "ip -6 route get 2001:db8:2::2").contains("mtu 1400"));
    assert!(learned, "{}", bed.report());
    // Who lets be cut is cut.
    bed.world.exec(&bed.hosts[0], "ip route flush cache");
    let cut = bed.world.exec(&bed.hosts[0], "ping -c2 -W20 -s1400 -M dont 10.0.2.2");
    assert!(cut.contains(" 0% packet loss"), "{cut}{}", bed.report());
}

#[test]
fn a_restart_leaves_the_netdevs_and_routes_again() {
    let mut bed = Bed::new("again", "packet");
    bed.check_all();
    let before = bed
        .world
        .exec(&bed.switch.namespace, "ip -o link show vlan10 | cut -d: -f1; cat /sys/class/net/vlan10/address");
    // A routing daemon's: Linux forgets it when the netdev goes down, be it for a moment.
    let daemons = "198.51.100.0/24 via 10.0.1.2 dev vlan10 proto 186";
    bed.world.exec(&bed.switch.namespace, &format!("ip route add {daemons}"));
    bed.world.crash(&mut bed.switch);
    bed.settle();
    bed.check_all();
    let after = bed
        .world
        .exec(&bed.switch.namespace, "ip -o link show vlan10 | cut -d: -f1; cat /sys/class/net/vlan10/address");
    assert_eq!(before, after, "the netdev was made anew, or the router's address is another");
    let kept = bed.world.exec(&bed.switch.namespace, "ip route show proto 186");
    assert!(kept.contains("198.51.100.0/24"), "{kept}");
}

#[test]
fn routes_that_lead_nowhere_are_told_as_the_kernel_has_them() {
    let bed = Bed::new("null", "packet");
    bed.check_all();
    let nowhere = [
        ("blackhole", "198.51.100.0/26", "2001:db8:a::/48"),
        ("unreachable", "198.51.100.64/26", "2001:db8:b::/48"),
        ("prohibit", "198.51.100.128/26", "2001:db8:c::/48"),
    ];
    for (kind, four, six) in nowhere {
        let lines = format!("ip route add {kind} {four} proto bgp; ip -6 route add {kind} {six} proto bgp");
        bed.world.exec(&bed.switch.namespace, &lines);
    }
    let imported = || {
        let shown = bed.world.cli(&bed.switch, &["show ip route bgp", "show ipv6 route bgp"]);
        shown.matches("Null0").count() == 6
    };
    assert!(wait(imported), "{}", bed.world.cli(&bed.switch, &["show ip route", "show ipv6 route"]));
    for (to, says) in [
        ("198.51.100.65", "Destination Host Unreachable"),
        ("198.51.100.129", "Packet filtered"),
        ("2001:db8:b::1", "No route"),
        ("2001:db8:c::1", "Administratively prohibited"),
    ] {
        let ping = bed.world.attempt(&bed.hosts[0], &format!("ping -c1 -W20 {to}"));
        let ping = String::from_utf8_lossy(&ping.stdout).into_owned();
        assert!(ping.contains("From ") && ping.contains(says), "{to}: {ping}{}", bed.report());
    }
    for to in ["198.51.100.1", "2001:db8:a::1"] {
        let ping = bed.world.attempt(&bed.hosts[0], &format!("ping -c1 -W1 {to}"));
        let ping = String::from_utf8_lossy(&ping.stdout).into_owned();
        assert!(!ping.contains("From ") && ping.contains("100% packet loss"), "{to}: {ping}");
    }
    let drops = bed.world.cli(&bed.switch, &["show platform drops"]);
    assert!(["blackhole_route", "reject_route", "prohibit_route"].iter().all(|why| drops.contains(why)), "{drops}");
}

/// The line of `text` that begins with these words, behind them.
fn behind<'a>(text: &'a str, words: &str) -> &'a str {
    text.lines().find_map(|line| line.trim().strip_prefix(words)).unwrap_or("").trim()
}

#[test]
fn what_is_routed_is_counted() {
    let bed = Bed::new("count", "packet");
    bed.check_all();
    let show = |line: &str| bed.world.cli(&bed.switch, &[line]);
    let forwarded = |line: &str| -> u64 {
        let text = show(line);
        behind(&text, "Sent:").split(' ').next().and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{text}"))
    };
    // Twenty echoes of 98 and 118 bytes, and their answers: unless one of those before was late enough to be among them.
    let mut text = String::new();
    let counted = wait(|| {
        let (four, six) = (forwarded("show ip traffic"), forwarded("show ipv6 traffic"));
        bed.world.cli(&bed.switch, &["clear counters"]);
        bed.world
            .exec(&bed.hosts[0], "ping -q -c 10 -i 0.05 -W 20 10.0.2.2; ping -q -c 10 -i 0.05 -W 20 2001:db8:2::2");
        let all = "ucast: 20 pkt, 2160 bytes";
        let after = (forwarded("show ip traffic"), forwarded("show ipv6 traffic"));
        text = format!("{four} {six} {after:?}");
        four > 0
            && six > 0
            && after == (four + 20, six + 20)
            && [("vlan 10", "Vlan10"), ("vlan 20", "Vlan20")].into_iter().all(|(interface, own)| {
                let shown = show(&format!("show interfaces {interface}"));
                text.push_str(&shown);
                shown.starts_with(own)
                    && ["L3 in Switched:", "L3 out Switched:"].iter().all(|way| behind(&shown, way) == all)
                    && shown.contains("Last input 00:0")
                    && shown.contains("counters 00:0")
            })
    });
    assert!(counted, "{text}");
    // What is for the router itself comes in too, but is not routed.
    bed.world.exec(&bed.hosts[2], "ping -q -c 10 -i 0.05 -W 20 10.0.3.1");
    bed.world.exec(&bed.hosts[1], "ping -q -c 10 -i 0.05 -W 20 10.0.2.1");
    let text = show("show interfaces vlan 20");
    assert_eq!(behind(&text, "L3 in Switched:"), "ucast: 20 pkt, 2160 bytes", "{text}");
    let packets = |text: &str, what: &str| -> u64 {
        let line = text.lines().find(|line| line.contains(what)).unwrap_or("");
        line.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{text}"))
    };
    assert!((30..60).contains(&packets(&text, " packets input")), "{text}");
    assert!((30..60).contains(&packets(&text, " packets output")), "{text}");
    // A routed port counts what it carries, and what of that was routed.
    let text = show("show interfaces gi0/3");
    assert_eq!(behind(&text, "L3 in Switched:"), "ucast: 0 pkt, 0 bytes", "{text}");
    assert!(packets(&text, " packets input") >= 10, "{text}");
    // Rates follow within some samples.
    let rate = || behind(&show("show interfaces vlan 20"), "5 minute input rate").starts_with("0 ");
    bed.world.exec(&bed.hosts[0], "ping -q -c 200 -i 0.01 -s 1400 -W 20 10.0.2.2");
    assert!(wait(|| !rate()), "{}", show("show interfaces vlan 20"));
    // Drops have reasons, by family.
    bed.world
        .attempt(&bed.hosts[0], "ping -c1 -W20 198.51.100.1; ping -c1 -W20 -t1 10.0.2.2; ping -c1 -W20 2001:db8:99::1");
    let (ip, ip6) = (show("show ip traffic"), show("show ipv6 traffic"));
    assert!(ip.contains(" 1 no route") && ip.contains(" 1 bad hop count"), "{ip}");
    assert!(ip6.contains(" 1 no route") && ip6.contains(" 0 hop count exceeded"), "{ip6}");
    assert!(ip.contains("1 time exceeded"), "{ip}");
    // One interface alone begins anew.
    bed.world.cli(&bed.switch, &["clear counters vlan 20"]);
    let text = show("show interfaces vlan 20");
    assert_eq!(behind(&text, "L3 in Switched:"), "ucast: 0 pkt, 0 bytes", "{text}");
    assert_ne!(behind(&show("show interfaces vlan 10"), "L3 in Switched:"), "ucast: 0 pkt, 0 bytes");
}

#[test]
fn who_was_known_before_a_crash_is_known_after_it() {
    let mut bed = Bed::new("known", "packet");
    bed.check_all();
    let lines = |bed: &Bed| {
        let path = bed.switch.config.with_file_name("r.neighbours");
        std::fs::read_to_string(path).unwrap_or_default()
    };
    assert!(wait(|| lines(&bed).contains("Vlan20 10.0.2.2 ") && lines(&bed).contains("Vlan20 2001:db8:2::2 ")));
    // Nobody answers from now on: h1 is told who the router is, and h2 is silent.
    let router = bed.world.exec(&bed.switch.namespace, "cat /sys/class/net/vlan10/address");
    for (host, gateway) in [(0, "10.0.1.1"), (1, "10.0.2.1")] {
        let line = format!("ip neigh replace {gateway} lladdr {} dev eth0 nud permanent", router.trim());
        bed.world.exec(&bed.hosts[host], &format!("{line}; sysctl -qw net.ipv4.conf.all.arp_ignore=8"));
    }
    bed.world.crash(&mut bed.switch);
    // The first packet that finds the router goes through.
    assert!(wait(|| bed.world.attempt(&bed.hosts[0], "ping -q -c1 -W1 10.0.2.2").status.success()), "{}", bed.report());
    // Who does not answer is forgotten.
    assert!(wait(|| !bed
        .world
        .cli(&bed.switch, &["show ip arp"])
        .lines()
        .any(|l| l.contains("10.0.2.2 ") && l.contains("ARPA"))));
}
