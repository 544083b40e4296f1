//! The lines of a world that make it a router, and packets.
//!
//! ```text
//! svi 10 10.0.10.1/24 2001:db8:10::1/64      the router's interface in VLAN 10, MAC r; its netdev is port h10
//! routed p3 10.0.3.1/24                      a routed port, its netdev hp3; routed p3.100 …: a sub-interface
//!     options: mtu N, urpf strict|loose|any, martian-strict, options drop|ignore|readable, directed-broadcast, no-redirects, off4, off6
//! route 10.9.0.0/16 via 10.0.20.9 10.0.30.9*2        next hops and weights; or null0, reject, prohibit, dev 20
//! neighbour 10 10.0.10.2 b
//! hash ports label
//!
//! p1 a>r 10.0.10.2>10.0.20.2                 a UDP packet of 100 bytes
//!     options: ttl N, len N (of the packet), pad N, df, frag N (flags and offset, hexadecimal), proto N, type N (its first
//!     byte), ports A:B, id N, options HEX, byte AT VALUE (of the packet, after the checksum is made)
//! p1 a>* arp
//!
//! => p2:20 r>b ttl 63        routed: the copies, then what the packet has become; len N if its length changed; cut N
//! => h10   => drop ttl_value_is_too_small   … told neighbour, told redirect
//! ```

use mona_datapath::fdb::Origin;
use mona_datapath::hops::{Hop, NextHop, Room};
use mona_datapath::lpm::{Lpm4Writer, Lpm6Writer, Prefix};
use mona_datapath::routing::{LoadSharing, Options, RouterInterface, Routing, Urpf};
use mona_datapath::snapshot::{Home, Port, Snapshot, Vlan};
use mona_datapath::{Drop, Recorder};
use mona_wire::checksum::Sum;
use mona_wire::{Eth, Instant, Mac, PortId, VlanId};
use std::net::IpAddr;
use std::sync::Arc;

use super::{mac, name, port, print_tag, vlan};

/// Host ports have numbers from here on: that of an SVI comes with its VLAN's, that of a routed port with the index of its
/// internal VLAN.
pub const SVI: u16 = 3000;
const ROUTED: u16 = 3500;

/// An interface of the router: its VLAN, and its addresses with the lengths of their prefixes.
type Interface = (VlanId, RouterInterface, Vec<(IpAddr, u8)>);

/// What is collected while the lines are read.
pub struct Router {
    pub lpm4: Lpm4Writer,
    pub lpm6: Lpm6Writer,
    pub routing: Arc<Routing>,
    interfaces: Vec<Interface>,
    encapsulations: Vec<(PortId, u16, VlanId)>,
    internals: Vec<(VlanId, Vlan)>,
    ports: Vec<(PortId, Port)>,
    pub sharing: LoadSharing,
}

impl Default for Router {
    fn default() -> Router {
        let (lpm4, lpm6) = (Lpm4Writer::new(1000), Lpm6Writer::new(1000));
        let routing = Routing::new(lpm4.table().clone(), lpm6.table().clone(), Room::SMALL, 100);
        Router {
            lpm4,
            lpm6,
            routing: Arc::new(routing),
            interfaces: Vec::new(),
            encapsulations: Vec::new(),
            internals: Vec::new(),
            ports: Vec::new(),
            sharing: LoadSharing::default(),
        }
    }
}

impl Router {
    /// Takes a line, if it is one of the router's.
    pub fn line(&mut self, words: &[&str]) -> bool {
        match words[0] {
            "svi" => {
                let id = vlan(words[1]);
                self.interface(id, PortId(SVI + id.get()), &words[2..]);
            }
            "routed" => self.routed(words),
            "route" => self.route(words),
            "neighbour" => {
                self.routing.neighbours.insert(vlan(words[1]), words[2].parse().unwrap(), mac(words[3])).unwrap();
            }
            "hash" => {
                self.sharing.ports = words.contains(&"ports");
                self.sharing.flow_label = words.contains(&"label");
            }
            _ => return false,
        }
        true
    }

    fn routed(&mut self, words: &[&str]) {
        let (id, vid) = words[1].split_once('.').unwrap_or((words[1], "0"));
        let vid: u16 = vid.parse().unwrap();
        let internal = VlanId::internal(self.internals.len() as u16 + 1).unwrap();
        let host = PortId(ROUTED + self.internals.len() as u16 + 1);
        let mut segment = Vlan { vid, ..Vlan::new(internal) };
        segment.forward.insert(port(id));
        if vid == 0 {
            segment.untagged.insert(port(id));
        }
        self.encapsulations.push((port(id), vid, internal));
        self.internals.push((internal, segment));
        self.interface(internal, host, &words[2..]);
    }

    fn interface(&mut self, id: VlanId, host: PortId, words: &[&str]) {
        let after = |word: &str| words.iter().position(|at| *at == word).map(|at| words[at + 1]);
        let has = |word: &str| words.contains(&word);
        let urpf = after("urpf").map(|how| Urpf { strict: how == "strict", allow_default: how == "any" });
        let mtu = after("mtu").map_or(1500, |mtu| mtu.parse().unwrap());
        let router = RouterInterface {
            mtu4: mtu,
            mtu6: mtu,
            routes4: !has("off4"),
            routes6: !has("off6"),
            urpf4: urpf,
            urpf6: urpf,
            strict: has("martian-strict"),
            options: match after("options") {
                Some("drop") => Options::Drop,
                Some("ignore") => Options::Ignore,
                Some("readable") => Options::Readable,
                _ => Options::NoSourceRoute,
            },
            directed_broadcast: has("directed-broadcast"),
            redirects: !has("no-redirects"),
            ..RouterInterface::new(mac("r"), Some(host))
        };
        let prefixes: Vec<(IpAddr, u8)> = words
            .iter()
            .filter_map(|word| word.split_once('/'))
            .map(|(address, length)| (address.parse().unwrap(), length.parse().unwrap()))
            .collect();
        for (address, length) in &prefixes {
            self.enter(*address, *length, &Hop::connected(id));
            self.enter(*address, if address.is_ipv4() { 32 } else { 128 }, &Hop::Local);
            if let IpAddr::V4(four) = address {
                let all = Prefix::new(four.to_bits(), *length);
                for end in [all.address(), all.last()] {
                    self.enter(IpAddr::V4(end.into()), 32, &Hop::Broadcast(id));
                }
            }
        }
        self.interfaces.push((id, router, prefixes));
        self.ports.push((host, host_port(id)));
    }

    fn route(&mut self, words: &[&str]) {
        let (address, length) = words[1].split_once('/').unwrap();
        let hop = match words[2] {
            "null0" => Hop::Drop(Drop::Blackhole),
            "reject" => Hop::Drop(Drop::Reject),
            "prohibit" => Hop::Drop(Drop::Prohibit),
            "dev" => Hop::connected(vlan(words[3])),
            _ => Hop::Via(words[3..].iter().map(|word| self.next_hop(word)).collect()),
        };
        self.enter(address.parse().unwrap(), length.parse().unwrap(), &hop);
    }

    /// `10.0.20.9*2`: in the VLAN whose subnet it is in; `20%fe80::1` says which.
    fn next_hop(&self, word: &str) -> NextHop {
        let (gateway, weight) = word.split_once('*').unwrap_or((word, "1"));
        let (id, gateway) = match gateway.split_once('%') {
            Some((id, gateway)) => (Some(vlan(id)), gateway),
            None => (None, gateway),
        };
        let gateway: IpAddr = gateway.parse().unwrap();
        let inside = |(_, _, prefixes): &&Interface| {
            prefixes.iter().any(|(address, length)| match (address, gateway) {
                (IpAddr::V4(a), IpAddr::V4(b)) => Prefix::new(a.to_bits(), *length).contains(b.to_bits()),
                (IpAddr::V6(a), IpAddr::V6(b)) => Prefix::new(a.to_bits(), *length).contains(b.to_bits()),
                _ => false,
            })
        };
        let vlan = id.unwrap_or_else(|| self.interfaces.iter().find(inside).expect("its subnet").0);
        NextHop { vlan, gateway: Some(gateway), weight: weight.parse().unwrap() }
    }

    fn enter(&mut self, address: IpAddr, length: u8, hop: &Hop) {
        let leaf = self.routing.hops.enter(hop, length == 0, Instant::default()).unwrap();
        match address {
            IpAddr::V4(four) => self.lpm4.insert(Prefix::new(four.to_bits(), length), leaf).unwrap(),
            IpAddr::V6(six) => self.lpm6.insert(Prefix::new(six.to_bits(), length), leaf).unwrap(),
        };
    }

    /// Adds what was collected to a switch that has its ports and VLANs.
    pub fn finish(&mut self, snapshot: &mut Snapshot) {
        for (id, segment) in self.internals.drain(..) {
            snapshot.vlans[id.index()] = Some(Arc::new(segment));
        }
        let ports = &mut snapshot.ports;
        for (id, host) in self.ports.drain(..) {
            ports.resize(ports.len().max(id.index() + 1), None);
            ports[id.index()] = Some(host);
        }
        for (id, vid, internal) in &self.encapsulations {
            let port = ports[id.index()].as_mut().expect("a line of its own before");
            (port.untagged, port.tagged, port.learning) = (port.untagged.filter(|id| id.is_internal()), false, false);
            let mut all = port.encapsulations.as_deref().unwrap_or_default().to_vec();
            match vid {
                0 => port.untagged = Some(*internal),
                _ => all.push((*vid, *internal)),
            }
            all.sort();
            port.encapsulations = Some(all.into());
        }
        for (id, router, _) in self.interfaces.drain(..) {
            let host = router.host.unwrap();
            let vlan = snapshot.vlans[id.index()].as_mut().expect("a VLAN that exists");
            let vlan = Arc::make_mut(vlan);
            vlan.forward.insert(host);
            vlan.untagged.insert(host);
            vlan.router = Some(Arc::new(router));
            snapshot.fdb.insert(id, mac("r"), host, Origin::Static).unwrap();
        }
        snapshot.routing = self.routing.clone();
        snapshot.load_sharing = self.sharing;
    }
}

fn host_port(id: VlanId) -> Port {
    Port { host: true, learning: false, block_unicast: true, mtu: 9000, ..Port::new(id, Home::Backplane) }
}

/// `p1`, `h10` for the netdev of VLAN 10, `hi1` for that of the first routed port.
pub fn port_name(id: PortId) -> String {
    match id.0 {
        3500..3600 => format!("hi{}", id.0 - ROUTED),
        3000..3100 => format!("h{}", id.0 - SVI),
        _ => id.to_string(),
    }
}

/// What is behind the addresses of a frame with a packet: EtherType and all.
pub fn packet(words: &[&str]) -> Vec<u8> {
    if words[0] == "arp" {
        return [&[8, 6][..], &[0; 28]].concat();
    }
    let (source, destination) = words[0].split_once('>').unwrap();
    let (source, destination): (IpAddr, IpAddr) = (source.parse().unwrap(), destination.parse().unwrap());
    let after = |word: &str| words.iter().position(|at| *at == word).map(|at| &words[at + 1..]);
    let number = |word: &str, otherwise: usize| after(word).map_or(otherwise, |rest| rest[0].parse().unwrap());
    let options = after("options").map_or(Vec::new(), |rest| hex(rest[0]));
    let (length, ttl, protocol) = (number("len", 100), number("ttl", 64) as u8, number("proto", 17) as u8);
    let (mut bytes, header) = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let header = 20 + options.len();
            let mut bytes = vec![0x40 | (header / 4) as u8, 0];
            bytes.extend((length as u16).to_be_bytes());
            bytes.extend((number("id", 0xabcd) as u16).to_be_bytes());
            let flags = after("frag").map_or(0, |rest| u16::from_str_radix(rest[0], 16).unwrap());
            bytes.extend((flags | if words.contains(&"df") { 0x4000 } else { 0 }).to_be_bytes());
            bytes.extend([ttl, protocol, 0, 0]);
            bytes.extend([source.octets(), destination.octets()].concat());
            bytes.extend(&options);
            let sum = Sum::default().bytes(&bytes).finish();
            bytes[10..12].copy_from_slice(&sum.to_be_bytes());
            (bytes, header)
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let mut bytes = (0x6000_0000u32 | number("label", 0) as u32).to_be_bytes().to_vec();
            bytes.extend(((length - 40) as u16).to_be_bytes());
            bytes.extend([protocol, ttl]);
            bytes.extend([source.octets(), destination.octets()].concat());
            (bytes, 40)
        }
        _ => panic!("{words:?}: of one family"),
    };
    bytes.resize(length.max(header), 0);
    let mut put = |at: usize, word: u16| {
        if let Some(room) = bytes.get_mut(header + at..).and_then(|rest| rest.first_chunk_mut()) {
            *room = word.to_be_bytes();
        }
    };
    if let Some((from, to)) = after("ports").and_then(|rest| rest[0].split_once(':')) {
        put(0, from.parse().unwrap());
        put(2, to.parse().unwrap());
    }
    if let Some(kind) = after("type") {
        put(0, u16::from(kind[0].parse::<u8>().unwrap()) << 8);
    }
    if let Some(change) = after("byte") {
        bytes[change[0].parse::<usize>().unwrap()] = change[1].parse().unwrap();
    }
    bytes.resize(bytes.len() + number("pad", 0), 0xee);
    let ethertype: [u8; 2] = if source.is_ipv4() { [8, 0] } else { [0x86, 0xdd] };
    [&ethertype[..], &bytes].concat()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}

/// `r>b ttl 63 len 86`: what the frame has become.
pub fn rewritten(recorder: &Recorder, bytes: &[u8]) -> Option<String> {
    let (_, rewrite) = recorder.rewrite?;
    let mut bytes = bytes.to_vec();
    rewrite.apply(&mut bytes);
    let before = bytes.len();
    bytes.truncate(rewrite.len as usize);
    let eth = Eth::parse(&bytes).unwrap();
    let ip = eth.len();
    let ttl = if rewrite.six { bytes[ip + 7] } else { bytes[ip + 8] };
    if !rewrite.six {
        let header = usize::from(bytes[ip] & 0xf) * 4;
        assert_eq!(Sum::default().bytes(&bytes[ip..ip + header]).finish(), 0, "the checksum is right");
    }
    let mut said =
        format!("{}>{} ttl {ttl}", name(eth.src), if eth.dst == Mac::BROADCAST { "*".into() } else { name(eth.dst) });
    if bytes.len() != before {
        said += &format!(" len {}", bytes.len());
    }
    if rewrite.fragment > 0 {
        said += &format!(" cut {}", rewrite.fragment);
    }
    Some(said)
}

/// `p2:20/5`
pub fn copy(id: PortId, tag: Option<mona_wire::Tci>) -> String {
    match tag {
        None => port_name(id),
        Some(tag) => format!("{}:{}", port_name(id), print_tag(tag)),
    }
}
