//! Scripts: an input a line, below it the outputs, each after `>`.
//!
//! - `+SECONDS`: time passes; what falls due in between is printed with its time
//! - `set VLAN WHAT VALUE…`: the configuration changes
//! - `trap VLAN WHY PACKET`: [`frames::packet`]; `trap VLAN unresolved OUT NEXT-HOP PACKET`
//! - `arp VLAN request|reply|gratuitous SENDER MAC [TARGET]`
//! - `ns VLAN SRC TARGET MAC|-`, `na VLAN TARGET MAC|- FLAGS [DST]`, `rs VLAN SRC MAC|-`
//! - `used VLAN IP`, `known VLAN IP MAC`, `linkdown VLAN`, `clear 4|6 [VLAN] [IP]`
//! - `show`: the neighbours

use crate::frames::{self, Words, describe, ethernet, nd_frame};
use mona_proto::neigh::{Address, Config, In, Interface, Neigh, Out, Ra, RaPrefix, Routed, Trap};
use mona_wire::arp::{Arp, Operation};
use mona_wire::{Instant, Mac, PortId, VlanId, nd};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// A router with `Vlan10`: 10.0.10.1/24, 10.0.11.1/24, 2001:db8:10::1/64, and `Vlan20`: 10.0.20.1/24,
/// 2001:db8:20::1/64. Everything else is routed to VLAN 30, where there is no interface.
pub struct World {
    pub neigh: Neigh,
    pub config: Config,
    pub now: Instant,
}

pub fn vlan(text: &str) -> VlanId {
    VlanId::new(text.parse().unwrap_or_else(|_| panic!("VLAN {text}"))).expect("a VLAN")
}

pub fn interface(vid: u16) -> Interface {
    let own4 = |text: String| Address { ip: text.parse().expect("an address"), length: 24 };
    let mut v4 = vec![own4(format!("10.0.{vid}.1"))];
    if vid == 10 {
        v4.push(own4("10.0.11.1".into()));
    }
    Interface {
        name: format!("Vlan{vid}"),
        up: true,
        mac: router(vid),
        v4,
        v6: vec![Address { ip: format!("2001:db8:{vid}::1").parse().expect("an address"), length: 64 }],
        link_local: Some("fe80::1".parse().expect("an address")),
        proxy_arp: false,
        ..Interface::default()
    }
}

/// The router's address in a VLAN.
pub fn router(vid: u16) -> Mac {
    Mac([2, 0, 0, 0, 0, vid as u8])
}

/// Where the world's router routes: directly (198.51.100.0/24 to VLAN 20, by a route without a gateway), or to VLAN 30;
/// nowhere for 192.0.2.0/24 and the subnets' broadcast addresses.
pub fn routes(ip: IpAddr) -> Option<Routed> {
    let text = ip.to_string();
    let ways = [
        ("10.0.10.", 10),
        ("10.0.11.", 10),
        ("10.0.20.", 20),
        ("198.51.100.", 20),
        ("2001:db8:10:", 10),
        ("2001:db8:20:", 20),
    ];
    let way = ways.iter().find(|(prefix, _)| text.starts_with(prefix)).map(|(_, vid)| *vid);
    let routed = Routed { vlan: VlanId::new(way.unwrap_or(30))?, direct: way.is_some() };
    let is_edge = text.ends_with(".0") || text.ends_with(".255");
    (!text.starts_with("192.0.2.") && !is_edge).then_some(routed)
}

impl World {
    pub fn new() -> World {
        let mut config = Config::default();
        config.interfaces.extend([10, 20].map(|vid| (VlanId::new(vid).expect("a VLAN"), interface(vid))));
        let mut world = World { neigh: Neigh::default(), config, now: Instant::default() };
        // It announces itself.
        assert_eq!(world.configure().len(), 3);
        assert_eq!(world.wait(3.0).len(), 3);
        world
    }

    fn configure(&mut self) -> Vec<String> {
        let mut out = Vec::new();
        self.neigh.configure(self.now, &self.config, &mut out);
        out.iter().map(print).collect()
    }

    fn input(&mut self, input: In) -> Vec<String> {
        let mut out = Vec::new();
        self.neigh.input(self.now, input, &routes, &mut out);
        out.iter().map(print).collect()
    }

    /// Lets time pass; outputs bear the second they came at.
    fn wait(&mut self, seconds: f64) -> Vec<String> {
        let end = self.now + Duration::from_secs_f64(seconds);
        let start = self.now;
        let mut lines = Vec::new();
        while let Some(due) = self.neigh.deadline().filter(|due| *due <= end) {
            self.now = due.max(self.now);
            let mut out = Vec::new();
            self.neigh.expire(self.now, &mut out);
            let at = self.now.since(start).as_millis() as f64 / 1000.0;
            lines.extend(out.iter().map(|out| format!("{at} {}", print(out))));
            assert!(self.neigh.deadline().is_none_or(|next| next > self.now), "a deadline stays behind");
        }
        self.now = end;
        lines
    }

    /// One line of a script.
    pub fn line(&mut self, line: &str) -> Vec<String> {
        if let Some(seconds) = line.strip_prefix('+') {
            return self.wait(seconds.parse().expect("seconds"));
        }
        let words = Words::new(line);
        let plain = words.plain.as_slice();
        match plain {
            ["set", at, what @ ..] => {
                set(self.config.interfaces.entry(vlan(at)).or_default(), what);
                self.configure()
            }
            ["limit", what, value] => {
                let limits = &mut self.config.limits;
                let value: usize = value.parse().expect("a number");
                match *what {
                    "neighbours" => limits.neighbours = value,
                    "total" => limits.neighbours_total = value,
                    "unresolved" => limits.unresolved = value,
                    "frames" => limits.queue_frames = value,
                    "bytes" => limits.queue_bytes = value,
                    "held" => limits.held_bytes = value,
                    "requests" => limits.requests_per_second = value as u32,
                    "errors" => limits.errors_per_second = value as u32,
                    "errors-total" => limits.errors_per_second_total = value as u32,
                    _ => panic!("limit {what}"),
                }
                self.configure()
            }
            ["remove", at] => {
                self.config.interfaces.remove(&vlan(at));
                self.configure()
            }
            ["trap", at, why, rest @ ..] => {
                let (why, rest) = trap(why, rest);
                let frame = frames::packet(&Words { plain: rest.to_vec(), named: words.named.clone() }, router(10));
                self.input(In::Trap { vlan: vlan(at), port: PortId(1), why, frame: &frame })
            }
            ["arp", at, what, sender, mac, target @ ..] => {
                let operation = if *what == "reply" { Operation::Reply } else { Operation::Request };
                let sender: Ipv4Addr = sender.parse().expect("an address");
                let target = target.first().map_or(sender, |text| text.parse().expect("an address"));
                let mac: Mac = mac.parse().expect("a MAC address");
                let arp = Arp { operation, sender_mac: mac, sender, target_mac: Mac::ZERO, target };
                let mut packet = arp.bytes().to_vec();
                if let Some(spoil) = words.named.get("spoil") {
                    packet[spoil.parse::<usize>().expect("an offset")] ^= 0x10;
                }
                let frame = ethernet(Mac::BROADCAST, mac, 0x0806, &packet);
                self.input(In::Heard { vlan: vlan(at), frame: &frame })
            }
            ["ns" | "na" | "rs", at, ..] => self.input(In::Heard { vlan: vlan(at), frame: &nd_input(&words) }),
            ["used", at, ip] => self.input(In::Used(&[(vlan(at), ip.parse().expect("an address"))])),
            ["known", at, ip, mac] => {
                let mac = mac.parse().expect("a MAC address");
                self.input(In::Known(&[(vlan(at), ip.parse().expect("an address"), mac)]))
            }
            ["linkdown", at] => self.input(In::LinkDown(vlan(at))),
            ["clear", family, rest @ ..] => {
                let at = rest.first().map(|at| vlan(at));
                let ip = rest.get(1).map(|ip| ip.parse().expect("an address"));
                self.input(In::Clear { six: *family == "6", vlan: at, ip })
            }
            ["show"] => {
                let row = |row: mona_proto::neigh::Neighbour| {
                    let mac = row.mac.map_or("incomplete".into(), |mac| mac.to_string());
                    let age = row.age.map_or("-".into(), |age| age.as_secs().to_string());
                    let state = row.state.map_or("own".into(), |state| format!("{state:?}").to_lowercase());
                    let router = if row.router && row.state.is_some() { " router" } else { "" };
                    format!("{} {} {age} {mac} {state}{router}", row.vlan, row.ip)
                };
                self.neigh.entries(self.now).into_iter().filter(|row| row.state.is_some()).map(row).collect()
            }
            _ => panic!("what is {line:?}"),
        }
    }
}

fn trap<'a>(why: &str, rest: &'a [&'a str]) -> (Trap, &'a [&'a str]) {
    match why {
        "unresolved" => {
            (Trap::Unresolved { vlan: vlan(rest[0]), next_hop: rest[1].parse().expect("an address") }, &rest[2..])
        }
        "redirect" => (Trap::Redirect { next_hop: rest[0].parse().expect("an address") }, &rest[1..]),
        "toobig" => (Trap::TooBig { mtu: rest[0].parse().expect("an MTU") }, &rest[1..]),
        "parameter" => (Trap::ParameterProblem { pointer: rest[0].parse().expect("an offset") }, &rest[1..]),
        "ttl" => (Trap::TtlExceeded, rest),
        "noroute" => (Trap::NoRoute, rest),
        "rejected" => (Trap::Rejected, rest),
        "prohibited" => (Trap::Prohibited, rest),
        "source" => (Trap::SourcePolicy, rest),
        "scope" => (Trap::BeyondScope, rest),
        _ => panic!("trap {why}"),
    }
}

fn set(interface: &mut Interface, what: &[&str]) {
    let on = || what[1] == "on";
    let duration = |text: &str| Duration::from_secs_f64(text.parse().expect("seconds"));
    let address = |text: &str| {
        let (ip, length) = text.split_once('/').expect("a prefix");
        (ip.parse::<IpAddr>().expect("an address"), length.parse::<u8>().expect("a length"))
    };
    match what[0] {
        "up" => interface.up = on(),
        "proxy-arp" => interface.proxy_arp = on(),
        "redirects" => (interface.redirects, interface.redirects6) = (on(), on()),
        "unreachables" => (interface.unreachables, interface.unreachables6) = (on(), on()),
        "arp-timeout" => interface.arp_timeout = duration(what[1]),
        "expire" => interface.expire = duration(what[1]),
        "mac" => interface.mac = what[1].parse().expect("a MAC address"),
        "link-local" => interface.link_local = what.get(1).map(|text| text.parse().expect("an address")),
        "address" => {
            (interface.v4, interface.v6) = Default::default();
            for (ip, length) in what[1..].iter().map(|text| address(text)) {
                match ip {
                    IpAddr::V4(ip) => interface.v4.push(Address { ip, length }),
                    IpAddr::V6(ip) => interface.v6.push(Address { ip, length }),
                }
            }
        }
        "static" => {
            let ip = what[1].parse().expect("an address");
            match what.get(2) {
                Some(mac) => interface.statics.insert(ip, mac.parse().expect("a MAC address")),
                None => interface.statics.remove(&ip),
            };
        }
        "ra" if what[1] == "off" => interface.ra = None,
        "ra" => {
            let ra = interface.ra.get_or_insert_with(Ra::default);
            match what[1..] {
                ["on"] => {}
                ["prefix", text, ..] => {
                    let (IpAddr::V6(ip), length) = address(text) else { panic!("{text}") };
                    ra.prefixes.push(RaPrefix::of(Address { ip, length }));
                }
                ["suppress"] => ra.suppress = true,
                ["unicast"] => ra.solicited_unicast = true,
                ["managed"] => ra.managed = true,
                ["lifetime", text] => ra.lifetime = duration(text),
                ["interval", least, most] => (ra.interval_min, ra.interval) = (duration(least), duration(most)),
                _ => panic!("{what:?}"),
            }
        }
        _ => panic!("{what:?}"),
    }
}

/// `ns VLAN SRC TARGET MAC|-`, `na VLAN TARGET MAC|- FLAGS`, `rs VLAN SRC MAC|-`; `dst=`, `hops=`, `spoil=AT` (in the
/// message; `fix=1` mends the checksum), `cut=N` (bytes of the message), `add=HEX` (an option).
fn nd_input(words: &Words) -> Vec<u8> {
    let six = |text: &str| text.parse::<Ipv6Addr>().expect("an address");
    let mac = |text: &str| (text != "-").then(|| text.parse::<Mac>().expect("a MAC address"));
    let named = |key: &str, default: Ipv6Addr| words.named.get(key).map_or(default, |text| six(text));
    let (src, dst, source, mut message) = match words.plain.as_slice() {
        ["ns", _, src, target, source] => {
            let (src, target, source) = (six(src), six(target), mac(source));
            let dst = named("dst", nd::solicited_node(target));
            let mut message = nd::neighbor_solicit(src, dst, target, source.unwrap_or(Mac::ZERO));
            message.truncate(if source.is_some() { 32 } else { 24 });
            (src, dst, source, message)
        }
        ["na", _, target, at, flags] => {
            let (target, at) = (six(target), mac(at));
            let dst = named("dst", six("2001:db8:20::1"));
            let flags = u8::from_str_radix(flags, 16).expect("flags");
            let mut message = nd::neighbor_advert(target, dst, target, flags, at.unwrap_or(Mac::ZERO));
            message.truncate(if at.is_some() { 32 } else { 24 });
            (target, dst, at, message)
        }
        ["rs", _, src, source] => {
            let dst = named("dst", nd::ALL_ROUTERS);
            (six(src), dst, mac(source), nd::router_solicit(six(src), dst, mac(source)))
        }
        _ => panic!("{:?}", words.plain),
    };
    message.extend(frames::hex(words.named.get("add").copied().unwrap_or("")));
    message.truncate(words.number("cut", 10_000) as usize);
    let spoil = words.named.get("spoil").map(|at| at.parse::<usize>().expect("an offset"));
    if let Some(at) = spoil {
        message[at] ^= 0x10;
    }
    if words.number("fix", u64::from(spoil.is_none())) == 1 {
        (message[2], message[3]) = (0, 0);
        let checksum = mona_wire::icmp::sum6(src, dst, &message).finish();
        message[2..4].copy_from_slice(&checksum.to_be_bytes());
    }
    let from = source.filter(|mac| *mac != Mac::ZERO).unwrap_or(Mac([2, 0, 0, 0, 0x0a, 9]));
    let to = if dst.is_multicast() { nd::group_mac(dst) } else { router(20) };
    nd_frame(src, dst, from, to, words.number("hops", 255) as u8, &message)
}

pub fn print(out: &Out) -> String {
    match out {
        Out::Send { vlan, frame } => format!("send {vlan} {}", describe(frame)),
        Out::Route { vlan, frame } => format!("route {vlan} {}", describe(frame)),
        Out::Again { vlan, port, frame } => format!("again {vlan} {port} {}", describe(frame)),
        Out::Add { vlan, ip, mac } => format!("add {vlan} {ip} {mac}"),
        Out::Remove { vlan, ip } => format!("remove {vlan} {ip}"),
        Out::Log { tag, text } => format!("log {tag}: {text}"),
    }
}

/// Runs a script; prints all of what happened where it is not what was said.
pub fn check(script: &str) {
    let mut world = World::new();
    let lines: Vec<&str> =
        script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let wanted: Vec<String> = lines.iter().map(|line| line.to_string()).collect();
    let mut happened = Vec::new();
    for line in lines.iter().filter(|line| !line.starts_with('>')) {
        happened.push(line.to_string());
        happened.extend(world.line(line).into_iter().map(|out| format!("> {out}")));
    }
    assert!(happened == wanted, "this happened:\n{}\n\nwanted:\n{}", happened.join("\n"), wanted.join("\n"));
}
