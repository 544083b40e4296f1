//! A real routing daemon on the switch's netdevs, and one as its neighbour: routes are learned, used, and gone when they are
//! withdrawn; a restart of the switch keeps them.

use mona_testbed::frr::{self, Frr};
use mona_testbed::netns::{Switch, World, wait};

/// As many prefixes of 100.64.0.0/10 as the neighbour tells besides its own.
const PREFIXES: usize = 1000;

struct Bed {
    world: World,
    switch: Switch,
    host: String,
    neighbour: Frr,
    own: Frr,
}

impl Bed {
    /// The neighbour is behind VLAN 10 and has 172.16.0.1; a host is in VLAN 20.
    fn new(label: &str, io: &str, daemon: &str, [own, theirs]: [String; 2]) -> Bed {
        let mut world = World::new(&format!("frr-{label}"));
        let namespace = world.namespace("r");
        let (neighbour, host) = (world.namespace("n"), world.namespace("h"));
        world.cable((&namespace, "p1"), (&neighbour, "eth0"));
        world.cable((&namespace, "p2"), (&host, "eth0"));
        world.exec(
            &neighbour,
            "ip addr add 10.0.10.2/24 dev eth0; ip addr add 172.16.0.1/32 dev lo; sysctl -qw net.ipv4.ip_forward=1",
        );
        world.exec(&host, "ip addr add 10.0.20.2/24 dev eth0; ip route add default via 10.0.20.1");
        let switch = world.switch(&namespace, &frr::router(), &["--io", io]);
        assert!(wait(|| world.pings(&namespace, "10.0.10.2")), "{}", world.messages(&switch));
        world.exec(
            &neighbour,
            &format!("for n in $(seq 0 {}); do echo route add blackhole 100.$((64 + n / 256)).$((n % 256)).0/24; done | ip -batch -", PREFIXES - 1),
        );
        let neighbour = Frr::start(&mut world, &neighbour, "", daemon, &theirs);
        let own = Frr::start(&mut world, &namespace, "", daemon, &own);
        Bed { world, switch, host, neighbour, own }
    }

    fn routes(&self) -> usize {
        let shown = self.world.cli(&self.switch, &["show ip route"]);
        shown.lines().filter(|line| line.starts_with(['B', 'O']) && line.contains("via 10.0.10.2")).count()
    }

    fn reaches(&self) -> bool {
        self.world.pings(&self.host, "172.16.0.1")
    }

    fn check(mut self, code: char) {
        assert!(wait(|| self.routes() > PREFIXES), "{} routes{}", self.routes(), self.report());
        assert!(wait(|| self.reaches()), "{}", self.report());
        let shown = self.world.cli(&self.switch, &["show ip route 172.16.0.1", "show ip route summary"]);
        assert!(shown.contains("172.16.0.1/32"), "{shown}");
        // A restart of the switch: daemons and kernel keep what they know, and it is used again.
        self.world.crash(&mut self.switch);
        assert!(wait(|| self.routes() > PREFIXES), "after a restart: {} routes{}", self.routes(), self.report());
        assert!(wait(|| self.reaches()), "after a restart: {}", self.report());
        // The neighbour is gone, and so is what it told.
        self.neighbour.kill(&mut self.world);
        assert!(wait(|| self.routes() == 0), "{code}: {} routes stay{}", self.routes(), self.report());
        assert!(!self.reaches());
    }

    fn report(&self) -> String {
        let shown = self.world.cli(&self.switch, &["show ip route summary", "show logging"]);
        let kernel = self.world.exec(&self.switch.namespace, "ip route | head -20; ip -br addr");
        format!("\n{shown}\n{kernel}\n{}{}", self.own.log(&self.world), self.neighbour.log(&self.world))
    }
}

fn bgp(own: u32, other: u32, address: &str, more: &str) -> String {
    format!(
        "router bgp {own}\n bgp router-id {address}\n no bgp ebgp-requires-policy\n timers bgp 1 3\n \
         neighbor {} remote-as {other}\n neighbor {} timers connect 1\n address-family ipv4 unicast\n  {more}\n exit-address-family\n",
        other_of(address),
        other_of(address)
    )
}

fn other_of(address: &str) -> &'static str {
    if address.ends_with(".1") { "10.0.10.2" } else { "10.0.10.1" }
}

fn bgp_over(label: &str, io: &str) {
    let own = bgp(65001, 65002, "10.0.10.1", "network 10.0.20.0/24");
    let theirs = bgp(65002, 65001, "10.0.10.2", "redistribute kernel\n  network 172.16.0.1/32");
    Bed::new(label, io, "bgpd", [own, theirs]).check('B');
}

#[test]
fn bgp_over_packet_ports() {
    bgp_over("bp", "packet");
}

#[test]
fn bgp_over_xdp_ports() {
    bgp_over("bx", "xdp");
}

#[test]
fn ospf_over_packet_ports() {
    let interface = |name: &str| format!("interface {name}\n ip ospf hello-interval 1\n ip ospf dead-interval 4\n!\n");
    let own = interface("vlan10") + "router ospf\n network 10.0.0.0/8 area 0\n";
    let theirs = interface("eth0")
        + "router ospf\n redistribute kernel\n network 10.0.0.0/8 area 0\n network 172.16.0.1/32 area 0\n";
    Bed::new("o", "packet", "ospfd", [own, theirs]).check('O');
}
