//! What a new `switchd` makes of what the last one left to the kernel: flows of every kind and of many ports go on without a
//! loss, and devices that were renamed, replaced or left by another build are found as they are.

use mona_datapath::io::pins::Mount;
use mona_model::shown::{FlowCache, Shown};
use mona_swcli::client::Client;
use mona_testbed::netns::{Switch, World, wait};
use mona_testbed::numbered::Numbered;
use mona_wire::checksum::Sum;
use std::net::IpAddr;
use std::thread::sleep;
use std::time::Duration;

/// Ports p1, p2, … with their far ends h1, h2, …, as a switch that lets the kernel go on.
struct Bed {
    world: World,
    switch: Switch,
    hosts: String,
}

/// Between two frames of a stream.
const GAP: Duration = Duration::from_millis(2);

fn station(port: u16) -> [u8; 6] {
    [2, 0, 0, 0, (port >> 8) as u8, port as u8]
}

/// The head of a frame of no protocol.
fn bare(from: u16, to: u16, tag: Option<u16>) -> Vec<u8> {
    let mut head = [station(to), station(from)].concat();
    head.extend(tag.iter().flat_map(|vid| [0x81, 0, (vid >> 8) as u8, *vid as u8]));
    [head, vec![0x88, 0xb5]].concat()
}

impl Bed {
    fn new(label: &str, ports: u16, config: &str) -> Bed {
        let mut world = World::new(&format!("adopt-{label}"));
        let (space, hosts) = (world.namespace("s"), world.namespace("hosts"));
        (1..=ports).for_each(|port| world.cable((&space, &format!("p{port}")), (&hosts, &format!("h{port}"))));
        let switch = world.holding(&space, config, &["--workers", "1", "--io", "packet"]);
        let bed = Bed { world, switch, hosts };
        bed.connected(ports);
        bed
    }

    fn connected(&self, ports: u16) {
        let up = || self.world.cli(&self.switch, &["show interfaces status"]).matches(" connected ").count();
        assert!(wait(|| up() == usize::from(ports)), "{} are up\n{}", up(), self.world.messages(&self.switch));
    }

    /// Stations say something, each at its port, until the switch knows them.
    fn announce(&self, stations: &[(u16, Option<u16>)]) {
        let known = || {
            for (port, tag) in stations {
                let frame = [bare(*port, 0x777, *tag), vec![0; 46]].concat();
                self.world.raw(&self.hosts, &format!("h{port}")).send(&frame).expect("it is sent");
            }
            let table = self.world.cli(&self.switch, &["show mac address-table"]);
            stations.iter().all(|(port, _)| table.contains(&format!("0200.0000.{port:04x}")))
        };
        assert!(wait(known), "{}", self.world.cli(&self.switch, &["show mac address-table"]));
    }

    /// A stream from one port to another.
    fn stream(&self, from: u16, to: u16, head: Vec<u8>, gap: Duration) -> Numbered {
        static NEXT: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(1);
        let socket = |port: u16| self.world.raw(&self.hosts, &format!("h{port}"));
        let id = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Numbered::start(socket(from), vec![socket(to)], head, id, gap)
    }

    fn cache(&self) -> FlowCache {
        let mut client = Client::connect(&self.switch.socket).expect("it answers");
        let reply = client.request(&[], "show platform flow-cache").expect("it answers");
        match reply.shown.into_iter().next() {
            Some(Shown::FlowCache(cache)) => cache,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until the kernel forwards all that comes, of so many flows at least.
    fn replayed(&self, flows: u64) {
        let sum = |cache: &FlowCache| {
            let all = cache.ports.iter().map(|port| (port.hits, port.misses));
            all.fold((0, 0), |(hits, misses), (h, m)| (hits + h, misses + m))
        };
        let alone = wait(|| {
            let (hits, misses) = sum(&self.cache());
            wait(|| sum(&self.cache()).0 > hits + 100 * flows);
            let now = self.cache();
            sum(&now).1 == misses && now.flows >= flows
        });
        assert!(alone, "{:?}\n{}", self.cache(), self.world.messages(&self.switch));
    }

    /// All flows that were left go on, and there are so many at least.
    fn adopted(&self, least: usize) {
        let said = self.world.messages(&self.switch);
        let line = said.lines().find(|line| line.contains("flows that went on meanwhile are adopted"));
        let numbers: Vec<usize> = line.unwrap_or_default().split(' ').filter_map(|word| word.parse().ok()).collect();
        assert!(matches!(numbers[..], [kept, all] if kept == all && kept >= least), "{said}");
    }

    fn pins(&self) -> std::path::PathBuf {
        self.switch.config.with_file_name("s.bpf")
    }

    fn sw(&self, line: &str) -> String {
        self.world.exec(&self.switch.namespace, line)
    }

    fn restart(&mut self) {
        self.world.restart(&mut self.switch, &["--workers", "1", "--io", "packet"]);
    }
}

/// So many ports, all in one VLAN.
fn plain(ports: u16) -> String {
    (1..=ports).map(|port| format!("interface GigabitEthernet0/{port}\n device p{port}\n")).collect()
}

/// Everything by which flows are told apart, and everything that is done to frames.
const MIXED: &str = "\
vlan 10,20,99
ipv6 unicast-routing
ip access-list extended PORTS
 permit udp any any eq 9
 permit tcp any any established
 deny ip any any
ipv6 access-list SIX
 permit udp any any eq 9
interface gi0/1
 device p1
 switchport mode trunk
 switchport trunk allowed vlan 10,20
 switchport trunk native vlan 10
interface gi0/2
 device p2
 switchport access vlan 10
 ip access-group PORTS in
interface gi0/3
 device p3
 switchport mode trunk
 switchport trunk allowed vlan 10,20,99
 switchport trunk native vlan 99
interface gi0/4
 device p4
 switchport access vlan 20
 ipv6 traffic-filter SIX in
interface vlan 10
 ip address 10.0.10.1 255.255.255.0
 ipv6 address 2001:db8:10::1/64
interface vlan 20
 ip address 10.0.20.1 255.255.255.0
 ipv6 address 2001:db8:20::1/64
arp 10.0.10.2 0200.0000.0002 arpa
arp 10.0.20.4 0200.0000.0004 arpa
ipv6 neighbor 2001:db8:10::2 vlan 10 0200.0000.0002
ipv6 neighbor 2001:db8:20::4 vlan 20 0200.0000.0004
end
";

/// The head of a packet of UDP, or of TCP in a connection.
fn packet(macs: [[u8; 6]; 2], tag: Option<u16>, from: &str, to: &str, protocol: u8) -> Vec<u8> {
    let mut head = macs.concat();
    head.extend(tag.iter().flat_map(|vid| [0x81, 0, (vid >> 8) as u8, *vid as u8]));
    match (from.parse().expect("an address"), to.parse().expect("an address")) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            // Nothing is behind it, or a worker would have to cut it off.
            let length = if tag.is_some() { 56 } else { 60 };
            let mut packet = vec![0x45, 0, 0, length, 0, 0, 0, 0, 64, protocol, 0, 0];
            packet.extend([from.octets(), to.octets()].concat());
            let sum = Sum::default().bytes(&packet).finish();
            packet[10..12].copy_from_slice(&sum.to_be_bytes());
            head.extend([8, 0]);
            head.extend(packet);
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            head.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 20, protocol, 64]);
            head.extend([from.octets(), to.octets()].concat());
        }
        _ => panic!("two families"),
    }
    match protocol {
        17 => head.extend([0, 7, 0, 9, 0, 20, 0, 0]),
        // Acknowledging.
        _ => head.extend([0, 7, 0, 99, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 0, 0, 0, 0, 0, 0]),
    }
    head
}

#[test]
fn flows_of_every_kind_lose_nothing() {
    let mut bed = Bed::new("kinds", 4, MIXED);
    let mac = bed.sw("cat /sys/class/net/vlan10/address");
    let router = mac.trim().parse::<mona_wire::Mac>().expect("an address").0;
    bed.announce(&[(1, None), (2, None), (3, Some(10)), (4, None)]);
    let [one, two, four] = [1, 2, 4].map(station);
    let kinds = [
        ("from the native VLAN, untagged", 1, 2, bare(1, 2, None)),
        ("a tag taken off", 3, 2, bare(3, 2, Some(10))),
        ("a tag put on", 2, 3, bare(2, 3, None)),
        ("by ports, bridged", 2, 1, packet([one, two], None, "10.0.10.2", "10.0.10.9", 17)),
        ("by flags, bridged", 2, 1, packet([one, two], None, "10.0.10.2", "10.0.10.9", 6)),
        ("routed from the native VLAN", 1, 4, packet([router, one], None, "10.0.10.9", "10.0.20.4", 17)),
        ("routed from a tagged VLAN", 1, 2, packet([router, one], Some(20), "10.0.20.9", "10.0.10.2", 17)),
        ("routed by ports", 2, 4, packet([router, two], None, "10.0.10.2", "10.0.20.4", 17)),
        ("IPv6, routed", 1, 4, packet([router, one], None, "2001:db8:10::9", "2001:db8:20::4", 17)),
        ("IPv6, routed by ports", 4, 2, packet([router, four], None, "2001:db8:20::4", "2001:db8:10::2", 17)),
    ];
    let start =
        |(what, from, to, head): &(&'static str, u16, u16, Vec<u8>)| (*what, bed.stream(*from, *to, head.clone(), GAP));
    let streams: Vec<_> = kinds.iter().map(start).collect();
    for (what, stream) in &streams {
        assert!(stream.goes_on(20), "{what}: {}", bed.world.cli(&bed.switch, &["show platform drops"]));
    }
    bed.replayed(kinds.len() as u64);
    for killed in [true, false] {
        if killed {
            bed.world.kill_switch(&bed.switch)
        } else {
            bed.world.stop(&bed.switch)
        }
        for (what, stream) in &streams {
            assert!(stream.goes_on(20), "{what}: without the switch");
        }
        bed.restart();
        bed.adopted(kinds.len());
        bed.replayed(kinds.len() as u64);
    }
    streams.iter().for_each(|(_, stream)| stream.stop());
    for (what, stream) in streams {
        stream.end().whole().unwrap_or_else(|why| panic!("{what}: {why}"));
    }
}

#[test]
fn many_ports_lose_nothing() {
    const PORTS: u16 = 72;
    let mut bed = Bed::new("many", PORTS, &plain(PORTS));
    bed.announce(&(1..=PORTS).map(|port| (port, None)).collect::<Vec<_>>());
    let pairs = (1..=PORTS).step_by(2).map(|port| (port, port + 1));
    let streams: Vec<_> =
        pairs.map(|(from, to)| bed.stream(from, to, bare(from, to, None), Duration::from_millis(20))).collect();
    bed.replayed(streams.len() as u64);
    bed.world.crash(&mut bed.switch);
    bed.adopted(streams.len());
    bed.connected(PORTS);
    bed.replayed(streams.len() as u64);
    streams.iter().for_each(Numbered::stop);
    for (at, stream) in streams.into_iter().enumerate() {
        stream.end().whole().unwrap_or_else(|why| panic!("from port {}: {why}", 2 * at + 1));
    }
}

#[test]
fn what_another_build_left_is_taken_off() {
    let mut bed = Bed::new("build", 2, &plain(2));
    bed.announce(&[(1, None), (2, None)]);
    let stream = bed.stream(1, 2, bare(1, 2, None), GAP);
    bed.replayed(1);
    let before = bed.world.links(&bed.switch, "p1");
    bed.world.kill_switch(&bed.switch);
    // The name tells the build.
    let pins = bed.pins();
    let builds = || {
        let all = std::fs::read_dir(&pins).expect("a bpffs").flatten().map(|entry| entry.path());
        all.filter(|path| path.is_dir()).map(|path| path.display().to_string()).collect::<Vec<_>>()
    };
    let [was] = &builds()[..] else { panic!("{:?}", builds()) };
    let (cookie, _) = was.rsplit_once('-').expect("a cookie and a build");
    let other = format!("{cookie}-0123456789abcdef");
    std::fs::rename(was, &other).expect("root may");
    assert_eq!(builds(), [other]);
    let was = was.clone();
    bed.restart();
    let said = bed.world.messages(&bed.switch);
    assert!(said.contains("what another build of switchd had left was taken off"), "{said}");
    assert_eq!(builds(), [was]);
    let after = bed.world.links(&bed.switch, "p1");
    assert!(
        after.len() == 2 && before.len() == 2 && after.iter().all(|link| !before.contains(link)),
        "{before:?} {after:?}"
    );
    // Nothing is known of who only receives.
    bed.announce(&[(1, None), (2, None)]);
    assert!(stream.goes_on(100), "{said}");
    bed.replayed(1);
    stream.end();
    // Of the same build nothing of the kind is said.
    bed.world.crash(&mut bed.switch);
    assert!(!bed.world.messages(&bed.switch).contains("another build"));
}

#[test]
fn a_device_may_be_renamed() {
    let mut bed = Bed::new("rename", 4, &plain(4));
    bed.announce(&[(1, None), (2, None), (3, None), (4, None)]);
    let others = bed.stream(3, 4, bare(3, 4, None), GAP);
    let stream = bed.stream(1, 2, bare(1, 2, None), GAP);
    bed.replayed(2);
    // While the switch runs: a device of this name is gone, and one that nobody asked for is there.
    bed.sw("ip link set p1 name q1");
    bed.connected(3);
    assert!(bed.world.links(&bed.switch, "q1").is_empty(), "it is given back: {}", bed.world.messages(&bed.switch));
    assert!(stream.stops() && others.goes_on(100));
    bed.sw("ip link set q1 name p1");
    bed.connected(4);
    assert!(stream.goes_on(100), "{}", bed.world.messages(&bed.switch));
    bed.replayed(2);
    // While it is away, and its configuration knows: nothing is lost.
    let goes_on = bed.stream(1, 2, bare(1, 2, None), GAP);
    bed.world.kill_switch(&bed.switch);
    bed.sw("ip link set p1 name q1");
    let config = plain(4).replace("p1", "q1");
    std::fs::write(&bed.switch.config, config).expect("ours");
    bed.restart();
    bed.adopted(2);
    bed.connected(4);
    bed.replayed(2);
    goes_on.end().whole().expect("all of them");
    // While it is away, and its configuration does not know.
    bed.world.kill_switch(&bed.switch);
    bed.sw("ip link set q1 name r1");
    bed.restart();
    bed.connected(3);
    assert!(stream.stops() && others.goes_on(100));
    assert!(bed.world.links(&bed.switch, "r1").is_empty(), "{}", bed.world.messages(&bed.switch));
    stream.end();
    others.end().whole().expect("who was not renamed");
}

#[test]
fn a_device_may_come_back_as_another() {
    let mut bed = Bed::new("another", 4, &plain(4));
    bed.announce(&[(1, None), (2, None), (3, None), (4, None)]);
    let others = bed.stream(3, 4, bare(3, 4, None), GAP);
    let first = bed.stream(1, 2, bare(1, 2, None), GAP);
    bed.replayed(2);
    first.end().whole().expect("of the old one");
    let index = |bed: &Bed| bed.sw("cat /sys/class/net/p1/ifindex").trim().to_string();
    let was = index(&bed);
    bed.world.kill_switch(&bed.switch);
    bed.sw("ip link del p1");
    bed.world.cable((&bed.switch.namespace, "p1"), (&bed.hosts, "h1"));
    let now = index(&bed);
    assert_ne!(was, now);
    bed.restart();
    bed.connected(4);
    bed.announce(&[(2, None)]);
    let stream = bed.stream(1, 2, bare(1, 2, None), GAP);
    assert!(stream.goes_on(100), "{}", bed.world.messages(&bed.switch));
    bed.replayed(2);
    assert_eq!(bed.world.links(&bed.switch, "p1").len(), 2);
    let pinned = bed.world.exec(&bed.switch.namespace, &format!("ls {}/*", bed.pins().display()));
    let has = |index: &str| pinned.lines().any(|line| line == format!("in-{index}"));
    assert!(has(&now) && !has(&was), "{pinned}");
    stream.end().whole().expect("of the new one");
    others.end().whole().expect("of the others");
}

#[test]
fn when_the_time_is_over_nobody_gets_anything() {
    let bed = Bed::new("over", 2, &format!("platform flow-cache hold 3\n{}", plain(2)));
    let mut bed = bed;
    bed.announce(&[(1, None), (2, None)]);
    let stream = bed.stream(1, 2, bare(1, 2, None), GAP);
    bed.replayed(1);
    bed.world.kill_switch(&bed.switch);
    assert!(stream.stops());
    // What is addressed to the port's own device would be the host's.
    let mac = bed.sw("cat /sys/class/net/p1/address").trim().parse::<mona_wire::Mac>().expect("an address").0;
    let frame = [packet([mac, station(1)], None, "192.0.2.1", "192.0.2.2", 17), vec![0; 24]].concat();
    let everybody = [packet([[0xff; 6], station(1)], None, "192.0.2.1", "255.255.255.255", 17), vec![0; 24]].concat();
    let socket = bed.world.raw(&bed.hosts, "h1");
    let received = |bed: &Bed| -> u64 {
        let all = bed.sw("grep ^Ip: /proc/net/snmp | tail -1");
        all.split_whitespace().nth(3).and_then(|count| count.parse().ok()).expect("a count")
    };
    let before = received(&bed);
    let send = || {
        for _ in 0..100 {
            [&frame, &everybody].iter().for_each(|frame| socket.send(frame).expect("it is sent"));
            sleep(Duration::from_millis(1));
        }
    };
    send();
    assert_eq!(received(&bed), before, "the host's stack sees nothing");
    assert!(stream.stops());
    // But it does once the programs are gone.
    Mount::flush(&bed.pins()).expect("root may");
    assert!(wait(|| bed.world.links(&bed.switch, "p1").is_empty()));
    send();
    assert!(wait(|| received(&bed) >= before + 200), "{} of 200", received(&bed) - before);
    bed.restart();
    assert!(stream.goes_on(100), "{}", bed.world.messages(&bed.switch));
    stream.end();
}
