//! A host in VLAN 10 browses a server in VLAN 20 through the switch, an access list on each side: curl, an HTTP server, IPv4
//! and IPv6. What the lists do not permit fails at once, for its sender is told, and is counted and logged.

use mona_testbed::netns::{TWO_VLANS, World, wait};
use std::path::Path;

const CONFIG: &str = "\
hostname r1
ipv6 unicast-routing
ip access-list extended WEB
 permit tcp any host 10.0.20.80 eq www
 deny ip any any log
ip access-list extended BACK
 permit tcp host 10.0.20.80 eq www any established
ipv6 access-list WEB6
 permit tcp any host 2001:db8:20::80 eq www
ipv6 access-list BACK6
 permit tcp host 2001:db8:20::80 eq www any established
interface vlan 10
 ip address 10.0.10.1 255.255.255.0
 ip access-group WEB in
 ipv6 address 2001:db8:10::1/64
 ipv6 nd dad attempts 0
 ipv6 traffic-filter WEB6 in
interface vlan 20
 ip address 10.0.20.1 255.255.255.0
 ip access-group BACK in
 ipv6 address 2001:db8:20::1/64
 ipv6 nd dad attempts 0
 ipv6 traffic-filter BACK6 in
end
";

#[test]
fn over_packet_ports() {
    browse("p", "packet");
}

#[test]
fn over_xdp_ports() {
    browse("x", "xdp");
}

fn browse(label: &str, io: &str) {
    let mut world = World::new(&format!("browse-{label}"));
    let [router, host, server] = ["r", "h", "s"].map(|name| world.namespace(name));
    for (port, space, net, own) in [("p1", &host, 10, 2), ("p2", &server, 20, 80)] {
        world.exec(space, "sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0");
        world.cable((&router, port), (space, "eth0"));
        world.exec(
            space,
            &format!(
                "ip addr add 10.0.{net}.{own}/24 dev eth0; ip route add default via 10.0.{net}.1
                 ip addr add 2001:db8:{net}::{own}/64 dev eth0 nodad; ip -6 route add default via 2001:db8:{net}::1"
            ),
        );
    }
    let site = world.dir.join("site");
    std::fs::create_dir(&site).expect("a directory of the test's");
    // More than one window, so that super-frames go through.
    let page: Vec<u8> = (0..8_000_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(site.join("page"), &page).expect("a file of the test's");
    for port in ["80", "8080"] {
        let directory = site.display().to_string();
        let arguments = ["-m", "http.server", port, "--bind", "::", "--directory", &directory];
        world.spawn(&server, Path::new("/usr/bin/python3"), &arguments);
    }
    let switch = world.switch(&router, &[TWO_VLANS, CONFIG].concat(), &["--io", io]);
    let report = |world: &World| {
        let lines = ["show access-lists", "show ip interface brief", "show platform drops", "show logging"];
        world.cli(&switch, &lines)
    };
    let got = world.dir.join("got");
    let curl = |world: &World, address: &str, port: u16| {
        let to = got.display();
        world.attempt(&host, &format!("curl -sS --noproxy '*' -m 20 -o {to} http://{address}:{port}/page"))
    };
    for (address, list) in [("10.0.20.80", "WEB"), ("[2001:db8:20::80]", "WEB6")] {
        // It takes a moment until ports and the server are up.
        assert!(wait(|| curl(&world, address, 80).status.success()), "{address}{}", report(&world));
        assert!(std::fs::read(&got).is_ok_and(|got| got == page), "{address}: it is another page{}", report(&world));
        // The server is there by this port too, but not for this host: it is told that (ICMP 3/13, ICMPv6 1/1).
        let local = format!("curl -sS --noproxy '*' -m 20 -o /dev/null http://{address}:8080/page");
        assert!(wait(|| world.attempt(&server, &local).status.success()), "{address}");
        let refused = curl(&world, address, 8080);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(7), "{address}: could not connect: {said}{}", report(&world));
        let shown = world.cli(&switch, &[&format!("show access-lists {list}")]);
        assert!(shown.contains("www (") && shown.contains("match"), "{shown}");
    }
    // Nor does the server begin anything.
    for address in ["10.0.10.2", "2001:db8:10::2"] {
        assert!(!world.pings(&server, address), "{address}{}", report(&world));
    }
    let log = report(&world);
    assert!(log.contains("%SEC-6-IPACCESSLOGP: list WEB denied tcp 10.0.10.2("), "{log}");
    assert!(log.contains("-> 10.0.20.80(8080)"), "{log}");
    // Another line, and the other port is open.
    world.cli(
        &switch,
        &["configure terminal", "ip access-list extended WEB", "15 permit tcp any host 10.0.20.80 eq 8080"],
    );
    world.cli(
        &switch,
        &["configure terminal", "ip access-list extended BACK", "permit tcp host 10.0.20.80 eq 8080 any established"],
    );
    let open = curl(&world, "10.0.20.80", 8080);
    assert!(open.status.success(), "{}{}", String::from_utf8_lossy(&open.stderr), report(&world));
}
