//! Interfaces that borrow the address of a loopback: hosts of one subnet in two VLANs, each behind a route of its own. For
//! `packet` and `xdp` ports alike.

use mona_testbed::netns::{Switch, TWO_VLANS, World, wait};

/// h1 in VLAN 10 and h2 in VLAN 20 are of the loopback's subnet.
const CONFIG: &str = "\
interface loopback 0
 ip address 10.0.0.1 255.255.255.0
interface vlan 10
 ip unnumbered loopback 0
interface vlan 20
 ip unnumbered loopback 0
ip route 10.0.0.11 255.255.255.255 vlan 10
ip route 10.0.0.12 255.255.255.255 vlan 20
end
";

fn hosts_are_reached_by_routes_of_their_own(label: &str, io: &str) {
    let mut world = World::new(&format!("unnum-{label}"));
    let sw = world.namespace("sw");
    // The first knows no subnet, so it asks for the router alone; the second asks for everybody.
    let hosts = world.hosts(&sw, |n| match n {
        1 => "ip addr add 10.0.0.11/32 dev eth0; ip route add default via 10.0.0.1 dev eth0 onlink".into(),
        _ => format!("ip addr add 10.0.0.1{n}/24 dev eth0"),
    });
    let [h1, h2] = &hosts;
    let mut switch = world.switch(&sw, &[TWO_VLANS, CONFIG].concat(), &["--io", io]);
    let report = |world: &World, switch: &Switch, what: &str| {
        let shown = ["show ip route", "show ip arp", "show ip interface", "show logging"];
        let linux = world.attempt(&sw, "ip addr; ip route");
        format!("{what}\n{}{}", String::from_utf8_lossy(&linux.stdout), world.cli(switch, &shown))
    };
    let pings = |world: &World, switch: &Switch, from: &str, to: &str| {
        assert!(wait(|| world.pings(from, to)), "{}", report(world, switch, to))
    };
    // Linux answers for the address in either VLAN, and reaches hosts from it.
    pings(&world, &switch, h1, "10.0.0.1");
    pings(&world, &switch, h2, "10.0.0.1");
    pings(&world, &switch, &sw, "10.0.0.11");
    let shown = world.cli(&switch, &["ping 10.0.0.12 source vlan 20", "show ip interface vlan 20", "show ip arp"]);
    assert!(shown.contains("Packet sent with a source address of 10.0.0.1"), "{shown}");
    assert!(shown.contains("Interface is unnumbered. Using address of Loopback0 (10.0.0.1)"), "{shown}");
    // From host to host by the router, which says so.
    pings(&world, &switch, h1, "10.0.0.12");
    pings(&world, &switch, h2, "10.0.0.11");
    let hops = world.exec(h1, "ping -c 1 -W 5 -t 1 10.0.0.12 || true");
    assert!(hops.contains("From 10.0.0.1") && hops.contains("Time to live exceeded"), "{hops}");
    // Who has no route is nobody's neighbour.
    world.exec(h2, "ip addr add 10.0.0.99/24 dev eth0");
    assert!(!world.pings(h2, "-I 10.0.0.99 10.0.0.11"), "{}", world.cli(&switch, &["show ip arp"]));
    // It survives a restart, and follows the loopback.
    world.crash(&mut switch);
    pings(&world, &switch, h1, "10.0.0.12");
    world.cli(&switch, &["configure terminal", "interface loopback 0", "ip address 10.0.0.2 255.255.255.0", "end"]);
    world.exec(h1, "ip route replace default via 10.0.0.2 dev eth0 onlink");
    pings(&world, &switch, h1, "10.0.0.2");
    pings(&world, &switch, h1, "10.0.0.12");
    assert!(!world.pings(h2, "10.0.0.1"), "{}", report(&world, &switch, "the old address"));
    assert_eq!(world.exec(&sw, "ip -br -4 addr show vlan10 | awk '{print $3}'").trim(), "10.0.0.2/32");
}

#[test]
fn over_packet() {
    hosts_are_reached_by_routes_of_their_own("packet", "packet");
}

#[test]
fn over_xdp() {
    hosts_are_reached_by_routes_of_their_own("xdp", "xdp");
}
