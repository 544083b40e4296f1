//! A switch of four ports on cables, in two VLANs with a router between, and a client of its shell.
#![allow(dead_code)]

use mona_datapath::io::raw::RawSocket;
use mona_model::shown::{FlowCache, Flows, Shown};
use mona_swcli::client::Client;
use mona_testbed::netns::{Switch, World, wait};
use mona_wire::checksum::Sum;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

pub const PORTS: u16 = 4;

/// Stations a, b, … on the ports 1, 2, … of VLAN 10; the cables of port 4 lead to VLAN 20 with a router between.
const CONFIG: &str = "\
vlan 10,20,30
ip access-list extended none
 deny udp any any eq 9
 permit ip any any
interface gi0/1
 device p1
 switchport access vlan 10
interface gi0/2
 device p2
 switchport access vlan 10
interface gi0/3
 device p3
 switchport mode trunk
 switchport trunk allowed vlan 10,30
interface gi0/4
 device p4
 switchport access vlan 20
interface vlan 10
 ip address 10.0.10.1 255.255.255.0
interface vlan 20
 ip address 10.0.20.1 255.255.255.0
interface vlan 30
 ip address 10.0.30.1 255.255.255.0
ip route 10.9.0.0 255.255.0.0 10.0.20.2
arp 10.0.20.2 0200.0000.0004 arpa
arp 10.0.30.2 0200.0000.0003 arpa
mac address-table static 0200.0000.0004 vlan 20 interface gi0/4
mac address-table static 0200.0000.0003 vlan 30 interface gi0/3
end
";

/// What ports are, and whether hosts' devices have NAPI, without which they take no frames from XDP.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    pub io: &'static str,
    pub napi: &'static str,
}

/// The kinds there are.
pub const KINDS: [Ports; 3] =
    [Ports { io: "packet", napi: "off" }, Ports { io: "xdp", napi: "on" }, Ports { io: "xdp", napi: "off" }];

pub struct Bed {
    pub world: World,
    pub switch: Switch,
    /// The namespace of the cables' other ends, h1 to h4.
    pub hosts: String,
    pub client: Client,
    pub sockets: BTreeMap<u16, RawSocket>,
    /// The last frame's number: none that stands in what hosts and routers say of themselves, as zeros do.
    next: u32,
}

impl Bed {
    pub fn new(label: &str) -> Bed {
        Bed::over(label, Ports { io: "packet", napi: "off" })
    }

    /// The same with ports of another kind.
    pub fn over(label: &str, ports: Ports) -> Bed {
        let mut world = World::new(&format!("flows-{label}"));
        let (sw, hosts) = (world.namespace("sw"), world.namespace("hosts"));
        let mut sockets = BTreeMap::new();
        for port in 1..=PORTS {
            world.cable((&sw, &format!("p{port}")), (&hosts, &format!("h{port}")));
            world.exec(&hosts, &format!("ethtool -K h{port} gro {} txvlan off", ports.napi));
            sockets.insert(port, world.raw(&hosts, &format!("h{port}")));
        }
        let switch = world.switch(&sw, CONFIG, &["--workers", "1", "--io", ports.io]);
        let client = Client::connect(&switch.socket).expect("it answers");
        let mut bed = Bed { world, switch, hosts, client, sockets, next: 0x4d6f_6e00 };
        bed.connected();
        for (port, tag) in [(1, None), (2, None), (3, Some(10))] {
            bed.teach(port, port as u8, tag);
        }
        bed
    }

    /// Waits until all ports are up.
    pub fn connected(&self) {
        let up = wait(|| {
            let status = self.world.cli(&self.switch, &["show interfaces status"]);
            status.matches(" connected ").count() >= usize::from(PORTS)
        });
        assert!(up, "{}", self.world.messages(&self.switch));
    }

    /// Lines of configuration, each in the mode that the ones before lead to.
    pub fn configure(&mut self, lines: &[&str]) {
        let mut context = vec!["configure terminal".to_string()];
        for line in lines {
            let reply = self.client.request(&context, line).expect("it answers");
            assert!(reply.error.is_none(), "{line}: {:?}", reply.error);
            context = reply.context;
        }
    }

    pub fn ask(&mut self, line: &str) -> Shown {
        let reply = self.client.request(&[], line).expect("it answers");
        reply.shown.into_iter().next().unwrap_or_else(|| panic!("{line}: {:?}", reply.error))
    }

    pub fn summary(&mut self) -> FlowCache {
        match self.ask("show platform flow-cache") {
            Shown::FlowCache(cache) => cache,
            other => panic!("{other:?}"),
        }
    }

    pub fn flows(&mut self, filter: &str) -> Flows {
        match self.ask(&format!("show platform flow-cache flow {filter}")) {
            Shown::Flows(flows) => flows,
            other => panic!("{other:?}"),
        }
    }

    pub fn hits(&mut self, port: usize) -> u64 {
        self.summary().ports[port - 1].hits
    }

    /// A station says something to itself until the switch knows it there.
    pub fn teach(&mut self, port: u16, station: u8, tag: Option<u16>) {
        let frame = self.frame([2, 0, 0, 0, 0, 0x77], station, tag);
        let line = format!("show mac address-table dynamic address 0200.0000.{station:04x} vlan 10");
        let known = wait(|| {
            self.sockets[&port].send(&frame).expect("it is sent");
            matches!(self.ask(&line), Shown::MacTable(rows)
                if rows.iter().any(|row| row.port.is_some_and(|name| name.to_string() == format!("GigabitEthernet0/{port}"))))
        });
        assert!(known, "station {station} is not learned on port {port}");
        self.drain();
    }

    pub fn drain(&self) {
        std::thread::sleep(Duration::from_millis(20));
        for socket in self.sockets.values() {
            while let Ok(Some(_)) = socket.receive(Duration::ZERO) {}
        }
    }

    /// A frame with a number of its own.
    pub fn frame(&mut self, dst: [u8; 6], src: u8, tag: Option<u16>) -> Vec<u8> {
        let mut frame = [dst, [2, 0, 0, 0, 0, src]].concat();
        frame.extend(tag.iter().flat_map(|vid| [0x81, 0, (vid >> 8) as u8, *vid as u8]));
        frame.extend([0x88, 0xb5]);
        frame.extend(self.number());
        frame.resize(64, 0);
        frame
    }

    pub fn number(&mut self) -> [u8; 4] {
        self.next += 1;
        self.next.to_be_bytes()
    }

    /// A UDP packet for the router.
    pub fn packet(&mut self, to: [u8; 4], port: u16) -> Vec<u8> {
        let mut packet =
            [&self.router()[..], &[2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 60, 0, 0, 0, 0, 64, 17, 0, 0]].concat();
        packet.extend([10, 0, 10, 2]);
        packet.extend(to);
        let sum = Sum::default().bytes(&packet[14..34]).finish();
        packet[24..26].copy_from_slice(&sum.to_be_bytes());
        packet.extend([0, 7]);
        packet.extend(port.to_be_bytes());
        packet.extend([0, 40, 0, 0]);
        packet.extend(self.number());
        packet.resize(74, 0);
        packet
    }

    pub fn router(&self) -> [u8; 6] {
        let shown = self.world.exec(&self.switch.namespace, "ip -br link show vlan10");
        let mac = shown.split_whitespace().nth(2).expect("its address");
        let mac: mona_wire::Mac = mac.parse().unwrap_or_else(|why| panic!("{mac}: {why}"));
        mac.0
    }

    /// Sends it, and says by which ports it comes out, and how.
    pub fn send(&self, from: u16, frame: &[u8], expected: usize) -> Vec<(u16, Vec<u8>)> {
        let number = number_at(frame);
        let has = |bytes: &[u8]| bytes.windows(4).any(|four| four == number);
        self.sockets[&from].send(frame).expect("it is sent");
        let (mut got, until) = (Vec::new(), Instant::now() + Duration::from_secs(10));
        let mut quiet = Instant::now() + Duration::from_millis(20);
        while Instant::now() < quiet || (got.len() < expected && Instant::now() < until) {
            for (port, socket) in &self.sockets {
                while let Ok(Some(bytes)) = socket.receive(Duration::ZERO) {
                    if has(&bytes) {
                        got.push((*port, bytes));
                        quiet = Instant::now() + Duration::from_millis(20);
                    }
                }
            }
            std::thread::yield_now();
        }
        got
    }

    /// Ports by which a frame comes out.
    pub fn ports(&self, from: u16, frame: &[u8], expected: usize) -> Vec<u16> {
        let mut ports: Vec<u16> = self.send(from, frame, expected).into_iter().map(|(port, _)| port).collect();
        ports.sort();
        ports
    }

    /// Sends frames made by `make` until the kernel forwards them.
    pub fn warm(&mut self, from: u16, to: u16, make: impl Fn(&mut Bed) -> Vec<u8>) {
        self.warm_all(from, &[to], make);
    }

    /// The same of frames that go to several.
    pub fn warm_all(&mut self, from: u16, to: &[u16], make: impl Fn(&mut Bed) -> Vec<u8>) {
        let before = self.hits(usize::from(from));
        let hit = wait(|| {
            let frame = make(self);
            assert_eq!(self.ports(from, &frame, to.len()), to, "every one arrives");
            self.hits(usize::from(from)) > before
        });
        assert!(hit, "never remembered: {:?}\n{}", self.summary(), self.world.messages(&self.switch));
    }
}

/// The number in a frame: behind the EtherType, or the UDP header.
fn number_at(frame: &[u8]) -> &[u8] {
    match frame[12..14] {
        [0x81, 0] => &frame[18..22],
        [8, 0] => &frame[42..46],
        _ => &frame[14..18],
    }
}
