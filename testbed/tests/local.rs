//! The router's own addresses: Linux alone answers for them, as the catalogue asks (R4-07, R4-09, R4-15, R4-16, R6-03, VL-07,
//! VL-08), and has the routes that the switch has. For `packet` and `xdp` ports alike.

use mona_datapath::io::raw::RawSocket;
use mona_testbed::netns::{Switch, TWO_VLANS, World, inside, wait};
use mona_testbed::speech;
use mona_wire::arp::{Arp, Operation};
use mona_wire::checksum::Sum;
use mona_wire::ip::{ICMP, ICMPV6};
use mona_wire::ip4::Ip4;
use mona_wire::ip6::Ip6;
use mona_wire::{Mac, nd};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::time::Duration;

/// h1 in VLAN 10, h2 in VLAN 20, and a station of the test's own on a trunk whose native VLAN is 10.
const CONFIG: &str = "\
ipv6 unicast-routing
interface gi0/3
 device p3
 switchport mode trunk
 switchport trunk native vlan 10
interface vlan 10
 ip address 10.0.1.1 255.255.255.0
 no ip proxy-arp
 ipv6 address fe80::1 link-local
 ipv6 address 2001:db8:1::1/64
 ipv6 nd dad attempts 0
 ipv6 nd ra suppress
interface vlan 20
 ip address 10.0.2.1 255.255.255.0
 ipv6 address 2001:db8:2::1/64
 ipv6 nd dad attempts 0
end
";
const STATION: Mac = Mac([2, 0, 0, 0, 0, 3]);
const HERE: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 3);
const HERE6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 3);

struct Bed {
    world: World,
    switch: Switch,
    hosts: [String; 2],
    station: RawSocket,
    router: Mac,
}

impl Bed {
    fn new(label: &str, io: &str) -> Bed {
        let mut world = World::new(&format!("local-{label}"));
        let sw = world.namespace("sw");
        let hosts = world.hosts(&sw, |n| {
            format!(
                "sysctl -qw net.ipv6.conf.eth0.disable_ipv6=0
                 ip addr add 10.0.{n}.2/24 dev eth0; ip route add default via 10.0.{n}.1
                 ip addr add 2001:db8:{n}::2/64 dev eth0 nodad; ip -6 route add default via 2001:db8:{n}::1"
            )
        });
        let beside = world.namespace("st");
        world.cable((&sw, "p3"), (&beside, "h3"));
        let station = world.raw(&beside, "h3");
        let switch = world.switch(&sw, &[TWO_VLANS, CONFIG].concat(), &["--io", io]);
        let mut bed = Bed { world, switch, hosts, station, router: Mac::ZERO };
        for to in ["10.0.2.2", "2001:db8:2::2"] {
            assert!(wait(|| bed.world.pings(&bed.hosts[0], to)), "{to}: {}", bed.report());
        }
        let mac = bed.world.exec(&bed.switch.namespace, "cat /sys/class/net/vlan10/address");
        bed.router = mac.trim().parse().expect("an address");
        // Linux knows who asked it.
        assert_eq!(
            bed.asked(&arp("10.0.1.1"), 1)[0],
            format!("{}>{STATION} 10.0.1.1 is-at {}", bed.router, bed.router)
        );
        let neighbour = bed.asked(&bed.solicit("2001:db8:1::1", 255), 1);
        assert!(neighbour[0].ends_with("icmp6 136/0"), "{neighbour:?}");
        bed
    }

    /// Sends a frame and then asks for the router's address: what the router said to this station until it answered that, but
    /// not before it said `least` things.
    fn asked(&self, frame: &[u8], least: usize) -> Vec<String> {
        self.frames(frame, least).iter().map(|frame| speech::describe(frame)).collect()
    }

    fn frames(&self, frame: &[u8], least: usize) -> Vec<Vec<u8>> {
        while self.station.receive(Duration::ZERO).expect("a socket").is_some() {}
        self.station.send(frame).expect("it is sent");
        let last = Arp { sender_mac: STATION, sender: HERE, ..request([10, 0, 1, 1].into()) };
        let (mut said, mut answered) = (Vec::new(), false);
        let (mut patience, mut sent) = (400, false);
        while !(answered && said.len() >= least) {
            if said.len() >= least && !sent || patience == 0 {
                assert!(patience > 0, "{:?} is all it says: {}", said, self.report());
                self.station.send(&ethernet(Mac::BROADCAST, 0x0806, &last.bytes())).expect("it is sent");
                sent = true;
            }
            match self.station.receive(Duration::from_millis(50)).expect("a socket") {
                None => patience -= 1,
                Some(frame) if frame[..6] != STATION.0 || self.is_sought(&frame) => {}
                Some(frame) if sent && speech::describe(&frame).contains("10.0.1.1 is-at") => answered = true,
                Some(frame) => said.push(frame),
            }
        }
        said
    }

    /// Linux asks now and then whether this station is still there (RFC 4861 7.3.3, and the same by ARP): it is.
    fn is_sought(&self, frame: &[u8]) -> bool {
        let (router, packet) = (Mac(*frame[6..].first_chunk().expect("a source")), &frame[14..]);
        let reply = match (Arp::parse(packet), nd::Message::parse(packet)) {
            (Some(Arp { operation: Operation::Request, target: HERE, sender, .. }), _) => {
                let here = Arp { operation: Operation::Reply, target_mac: router, ..request(sender) };
                ethernet(router, 0x0806, &here.bytes())
            }
            (_, Some(nd::Message::NeighborSolicit { target: HERE6, .. })) => {
                let to = Ip6::parse(packet).expect("it was read").src;
                let here = nd::neighbor_advert(HERE6, to, HERE6, 0x60, STATION);
                ethernet(router, 0x86dd, &packet6(to, ICMPV6, 255, &here))
            }
            _ => return false,
        };
        self.station.send(&reply).expect("it is sent");
        true
    }

    /// A neighbour solicitation of this station's.
    fn solicit(&self, target: &str, hop_limit: u8) -> Vec<u8> {
        let target = target.parse().expect("an address");
        let group = nd::solicited_node(target);
        let packet = packet6(group, ICMPV6, hop_limit, &nd::neighbor_solicit(HERE6, group, target, STATION));
        ethernet(nd::group_mac(group), 0x86dd, &packet)
    }

    fn to_router(&self, ethertype: u16, packet: &[u8]) -> Vec<u8> {
        ethernet(self.router, ethertype, packet)
    }

    fn echo(&self, from: Ipv4Addr) -> Vec<u8> {
        self.to_router(0x0800, &packet4(from, ICMP, checked(vec![8, 0, 0, 0, 0, 1, 0, 1])))
    }

    fn report(&self) -> String {
        self.world.cli(&self.switch, &["show platform ports", "show platform drops", "show logging"])
    }
}

fn ethernet(to: Mac, ethertype: u16, packet: &[u8]) -> Vec<u8> {
    let mut frame = [&to.0[..], &STATION.0, &ethertype.to_be_bytes(), packet].concat();
    frame.resize(frame.len().max(60), 0);
    frame
}

fn request(target: Ipv4Addr) -> Arp {
    Arp { operation: Operation::Request, sender_mac: STATION, sender: HERE, target_mac: Mac::ZERO, target }
}

fn arp(target: &str) -> Vec<u8> {
    ethernet(Mac::BROADCAST, 0x0806, &request(target.parse().expect("an address")).bytes())
}

/// The same with a tag of a priority alone.
fn priority_tagged(frame: &[u8]) -> Vec<u8> {
    [&frame[..12], &[0x81, 0, 0xe0, 0], &frame[12..]].concat()
}

fn checked(mut message: Vec<u8>) -> Vec<u8> {
    let checksum = Sum::default().bytes(&message).finish();
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    message
}

fn packet4(src: Ipv4Addr, protocol: u8, payload: Vec<u8>) -> Vec<u8> {
    let length = 20 + payload.len() as u16;
    let dst = Ipv4Addr::new(10, 0, 1, 1);
    let header = Ip4 { header: 20, tos: 0, length, id: 1, fragment: 0, ttl: 64, protocol, src, dst };
    [&header.bytes()[..], &payload].concat()
}

fn packet6(dst: Ipv6Addr, next: u8, hop_limit: u8, payload: &[u8]) -> Vec<u8> {
    let header = Ip6 { class: 0, flow: 0, length: payload.len() as u16, next, hop_limit, src: HERE6, dst };
    [&header.bytes()[..], payload].concat()
}

#[test]
fn over_packet_ports() {
    everything(Bed::new("p", "packet"));
}

#[test]
fn over_xdp_ports() {
    everything(Bed::new("x", "xdp"));
}

fn everything(mut bed: Bed) {
    asked(&bed);
    addresses_change(&bed);
    vlans_come_and_go(&mut bed);
    routes_are_linuxs_too(&bed);
}

fn asked(bed: &Bed) {
    let silence: [String; 0] = [];
    let (router, h1) = (bed.router, &bed.hosts[0]);
    // R4-07: echoes of any size up to the MTU, and in fragments.
    for (to, sizes) in [("10.0.1.1", [0, 1472, 9000]), ("2001:db8:1::1", [0, 1452, 9000])] {
        for size in sizes {
            assert!(bed.world.attempt(h1, &format!("ping -c2 -W5 -s{size} {to}")).status.success(), "{to} {size}");
        }
    }
    // R4-07: who cannot be answered is not.
    let answer = format!("{router}>{STATION} 10.0.1.1>10.0.1.3 ttl 64 icmp 0/0");
    assert_eq!(bed.asked(&bed.echo(HERE), 1), [answer]);
    for nobody in [Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST, Ipv4Addr::new(224, 0, 0, 1)] {
        assert_eq!(bed.asked(&bed.echo(nobody), 0), silence, "{nobody}");
    }
    // R4-16: a port that nobody listens at, a protocol that nobody speaks.
    for (to, any) in [("10.0.1.1:9", "0.0.0.0:0"), ("[2001:db8:1::1]:9", "[::]:0")] {
        let socket = inside(h1, || UdpSocket::bind(any)).expect("a socket");
        socket.connect(to).expect("a route");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        socket.send(b"hello").expect("it is sent");
        let refused = socket.recv(&mut [0; 9]).expect_err("nobody is there").kind();
        assert_eq!(refused, ErrorKind::ConnectionRefused, "{to}");
    }
    let unknown = bed.to_router(0x0800, &packet4(HERE, 253, vec![0; 20]));
    assert_eq!(bed.asked(&unknown, 1), [format!("{router}>{STATION} 10.0.1.1>10.0.1.3 ttl 64 icmp 3/2")]);
    let problem = format!("{router}>{STATION} 2001:db8:1::1>2001:db8:1::3 ttl 64 icmp6 4/1");
    let unknown = packet6("2001:db8:1::1".parse().expect("an address"), 253, 64, &[0; 20]);
    assert_eq!(bed.asked(&bed.to_router(0x86dd, &unknown), 1), [problem]);
    // R4-15, VL-07: a tag of VLAN 0 is none; what is asked for elsewhere, or is nobody's, is not answered.
    let is_at = format!("{router}>{STATION} 10.0.1.1 is-at {router}");
    assert_eq!(bed.asked(&priority_tagged(&arp("10.0.1.1")), 1), [is_at]);
    for other in ["10.0.2.1", "10.0.2.2", "192.0.2.1", "10.0.1.99"] {
        assert_eq!(bed.asked(&arp(other), 0), silence, "{other}");
    }
    // R6-03: for its own addresses, solicited, as a router; for others, from further away, and for probes of others not.
    for own in ["2001:db8:1::1", "fe80::1"] {
        let said = bed.frames(&bed.solicit(own, 255), 1);
        let flags = said[0][14 + 40 + 4];
        assert_eq!((said.len(), said[0][14 + 40], flags & 0xc0), (1, 136, 0xc0), "router and solicited: {own}");
    }
    for (target, hop_limit) in [("2001:db8:1::77", 255), ("2001:db8:2::1", 255), ("2001:db8:1::1", 254)] {
        assert_eq!(bed.asked(&bed.solicit(target, hop_limit), 0), silence, "{target} {hop_limit}");
    }
}

/// R4-09: addresses are replaced and added while packets are routed.
fn addresses_change(bed: &Bed) {
    let (world, [h1, h2]) = (&bed.world, &bed.hosts);
    let vlan10 = |line: &str| world.cli(&bed.switch, &["configure terminal", "interface vlan 10", line, "end"]);
    vlan10("ip address 10.0.7.1 255.255.255.0 secondary");
    world.exec(h1, "ip addr add 10.0.7.2/24 dev eth0");
    assert!(wait(|| world.pings(h1, "10.0.7.1")), "{}", bed.report());
    assert!(wait(|| world.pings(h2, "10.0.7.2")), "{}", bed.report());
    assert!(world.reaches(h1, "10.0.1.1"), "{}", bed.report());
    vlan10("ip address 10.0.1.254 255.255.255.0");
    world.exec(h1, "ip route replace default via 10.0.1.254");
    assert!(wait(|| world.pings(h1, "10.0.2.2")), "{}", bed.report());
    assert!(!world.pings(h1, "10.0.1.1"), "{}", bed.report());
    assert!(world.reaches(h2, "10.0.7.2") && world.reaches(h2, "10.0.1.254"), "{}", bed.report());
    vlan10("no ip address 10.0.7.1 255.255.255.0 secondary");
    assert!(wait(|| !world.pings(h2, "10.0.7.2")), "{}", bed.report());
    vlan10("ip address 10.0.1.1 255.255.255.0");
    world.exec(h1, "ip route replace default via 10.0.1.1");
    assert!(wait(|| world.pings(h1, "10.0.2.2")), "{}", bed.report());
    // The same subnet elsewhere is refused.
    let (accepted, said) =
        world.try_cli(&bed.switch, &["configure terminal", "interface vlan 20", "ip address 10.0.1.9 255.255.255.0"]);
    assert!(!accepted && said.contains("% 10.0.1.0 overlaps with Vlan10"), "{said}");
}

/// VL-08: other VLANs and their interfaces come and go, and what is routed goes on.
fn vlans_come_and_go(bed: &mut Bed) {
    let ping = format!("ip netns exec {} ping -q -c400 -i0.005 -W5 10.0.2.2", bed.hosts[0]);
    let stream = std::process::Command::new("sh").args(["-c", &ping]).stdout(std::process::Stdio::piped()).spawn();
    let mut stream = stream.expect("ping");
    let mut turns = 0;
    while stream.try_wait().expect("its end").is_none() || turns == 0 {
        let make = ["vlan 30", "interface vlan 30", "ip address 10.0.30.1 255.255.255.0", "interface gi0/3"];
        let take = ["no interface vlan 30", "no vlan 30"];
        for (change, lines) in [("add 30", &make[..]), ("remove 30", &take)] {
            let allowed = format!("switchport trunk allowed vlan {change}");
            let mut all = vec!["configure terminal", "interface gi0/3", &allowed];
            all.extend(lines);
            bed.world.cli(&bed.switch, &all);
        }
        turns += 1;
    }
    let output = stream.wait_with_output().expect("its output");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("400 received"), "{turns} turns: {said}{}", bed.report());
}

/// Of several ways some may have gateways and some none.
fn routes_are_linuxs_too(bed: &Bed) {
    let lines = [
        "configure terminal",
        "ip route 198.51.100.0 255.255.255.0 10.0.1.2",
        "ip route 198.51.100.0 255.255.255.0 vlan 20",
        "ip route 203.0.113.0 255.255.255.0 vlan 10",
        "ip route 203.0.113.0 255.255.255.0 vlan 20",
        "end",
    ];
    bed.world.cli(&bed.switch, &lines);
    let routes = || bed.world.exec(&bed.switch.namespace, "ip route show proto 77");
    let ways = |wanted: &[&str]| wanted.iter().all(|way| routes().contains(way));
    let all = ["nexthop via 10.0.1.2 dev vlan10", "nexthop dev vlan20", "nexthop dev vlan10"];
    assert!(wait(|| ways(&all)), "{}{}", routes(), bed.report());
    // A netdev that gets other addresses keeps them, in whatever order its addresses come and go.
    let vlan20 = ["configure terminal", "interface vlan 20"];
    for address in ["10.0.2.9 255.255.255.0", "10.0.8.1 255.255.255.0 secondary", "10.0.2.1 255.255.255.0"] {
        bed.world.cli(&bed.switch, &[&vlan20[..], &[&format!("ip address {address}"), "end"]].concat());
        assert!(wait(|| ways(&all)), "{address}: {}{}", routes(), bed.report());
    }
}
