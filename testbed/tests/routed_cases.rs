//! The catalogue's tables of the router (`testbed/cases/r4.cases`, `r6.cases`) through a real switchd, over `packet` and `xdp`
//! ports alike: each port of a case is a veth, `h10` is the netdev `vlan10`. What leaves must be, byte for byte, what the
//! recorder says of the same world, and what is dropped must be counted by its name.

#[path = "../../datapath/tests/world/mod.rs"]
mod world;

use ipnet::IpNet;
use mona_datapath::fragments::Fragments;
use mona_datapath::io::Offload;
use mona_datapath::io::raw::RawSocket;
use mona_datapath::offload::Leaving;
use mona_datapath::{Drop, Recorder};
use mona_model::shown::Shown;
use mona_swcli::client::Client;
use mona_testbed::netns::{Switch, World, wait};
use mona_wire::Eth;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};
use world::{Line, mac, router};

/// How long what should not come is waited for.
const QUIET: Duration = Duration::from_millis(15);
/// The ports that cases use.
const PORTS: std::ops::RangeInclusive<u16> = 1..=6;
/// Interfaces that do not route while others do are made by `no ip routing` or by having no address; these tables say so of one
/// interface with an address.
const NOT_CONFIGURABLE: [&str; 2] = [" off4", " off6"];

#[test]
fn over_packet() {
    run("packet");
}

#[test]
fn over_xdp() {
    run("xdp");
}

fn run(io: &str) {
    let mut world = World::new("rcase");
    let (sw, hosts) = (world.namespace("sw"), world.namespace("hosts"));
    // Routes of the kernel's that refuse lead by the loopback.
    world.exec(&sw, "sysctl -qw net.ipv6.conf.lo.disable_ipv6=0");
    let mut ports = BTreeMap::new();
    for port in PORTS {
        world.cable((&sw, &format!("p{port}")), (&hosts, &format!("h{port}")));
        world.exec(&hosts, &format!("ip link set h{port} mtu 9000"));
        ports.insert(format!("p{port}"), world.raw(&hosts, &format!("h{port}")));
    }
    fs::create_dir_all(world.dir.join("sw")).expect("the switch's directory");
    fs::write(world.dir.join("sw/startup-config.mac"), format!("{}\n", mac("r"))).expect("the router's address");
    let (mut failures, mut count) = (String::new(), 0);
    for text in [include_str!("../cases/r4.cases"), include_str!("../cases/r6.cases")] {
        for case in text.split("\n== ").skip(1) {
            let (title, case) = case.split_once('\n').expect("a title and a case");
            let (description, script) = case.split_once("\n--\n").expect("a switch, --, and frames");
            if NOT_CONFIGURABLE.iter().any(|word| description.contains(word)) {
                continue;
            }
            let case = Case::new(description);
            let switch = world.switch(&sw, &case.config(), &["--io", io, "--workers", "2"]);
            case.settle(&world, &switch, title);
            let netdevs = case.netdevs.iter().map(|(name, device)| (name.clone(), world.raw(&sw, device)));
            let netdevs: BTreeMap<String, RawSocket> = netdevs.collect();
            let client = Client::connect(&switch.socket).expect("it answers");
            let table = world::World::new(description);
            netdevs.values().for_each(|netdev| passes(netdev, &ports));
            let mut bench = Bench { client, sockets: ports.iter().chain(&netdevs).collect(), table };
            for (frame, expect) in script.lines().filter_map(|line| line.split_once("=>")) {
                count += 1;
                if let Err(why) = bench.frame(frame.trim(), expect.trim()) {
                    let _ = writeln!(failures, "{title}: {frame}=>{expect}: {why}");
                }
            }
            let refusals = case.refusals.iter().map(|(family, line)| format!("ip {family} route del {line} 2>&1;"));
            world.exec(&sw, &refusals.chain(["true".into()]).collect::<String>());
            drop(bench);
            world.stop(&switch);
            // The next case has interfaces of its own.
            case.netdevs.values().for_each(|device| drop(world.attempt(&sw, &format!("ip link del {device}"))));
        }
    }
    assert!(count > 150, "{count} frames");
    assert!(failures.is_empty(), "over {io}:\n{failures}");
}

/// Waits until what the switch itself says by a netdev leaves by some port: then the other way is open too.
fn passes(netdev: &RawSocket, ports: &BTreeMap<String, RawSocket>) {
    const PROBE: u16 = 0x88b6;
    let mut frame = [mac("*").0, mac("r").0].concat();
    frame.extend(PROBE.to_be_bytes());
    frame.resize(60, 0);
    let arrives = || {
        netdev.send(&frame).expect("it is sent");
        ports.values().any(|port| {
            let received = std::iter::from_fn(|| port.receive(Duration::from_millis(1)).ok().flatten());
            received.into_iter().any(|bytes| Eth::parse(&bytes).is_some_and(|eth| eth.ethertype == PROBE))
        })
    };
    assert!(wait(arrives), "the netdev's port does not open");
}

/// A case's switch as configuration lines.
#[derive(Default)]
struct Case {
    global: String,
    /// By the name of the interface.
    interfaces: BTreeMap<String, String>,
    /// `h10` is `vlan10`.
    netdevs: BTreeMap<String, String>,
    connected: usize,
    /// Routes that only a routing daemon would enter: `-4` or `-6`, and what `ip route` is told.
    refusals: Vec<(&'static str, String)>,
    /// The routed ports and sub-interfaces, as they come.
    routed: Vec<String>,
}

impl Case {
    fn new(description: &str) -> Case {
        let mut case = Case { global: "ipv6 unicast-routing\n".into(), ..Case::default() };
        for line in description.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[0] {
                "vlan" => words[1..].iter().for_each(|vid| case.global(&format!("vlan {vid}"))),
                "station" => {
                    let (vlan, port) = (words[1], words[3].trim_start_matches('p'));
                    let station = mac(words[2]);
                    case.global(&format!(
                        "mac address-table static {station} vlan {vlan} interface GigabitEthernet0/{port}"
                    ));
                }
                "svi" => {
                    case.netdevs.insert(format!("h{}", words[1]), format!("vlan{}", words[1]));
                    case.routing(&format!("Vlan{}", words[1]), &words[2..]);
                }
                "routed" => {
                    let (port, vid) = words[1].split_once('.').unwrap_or((words[1], ""));
                    let number = port.trim_start_matches('p');
                    let (dot, name) =
                        if vid.is_empty() { ("", number.to_string()) } else { (".", format!("{number}.{vid}")) };
                    let interface = format!("GigabitEthernet0/{name}");
                    if !dot.is_empty() {
                        case.interface(&interface, &format!("encapsulation dot1Q {vid}"));
                    }
                    case.routed.push(interface.clone());
                    case.netdevs.insert(format!("hi{}", case.routed.len()), format!("gi0-{name}"));
                    case.routing(&interface, &words[2..]);
                }
                "neighbour" => {
                    let station = mac(words[3]);
                    let line = match words[2].contains(':') {
                        true => format!("ipv6 neighbor {} {} {station}", words[2], case.name(words[1])),
                        false => format!("arp {} {station} arpa", words[2]),
                    };
                    case.global(&line);
                }
                "route" => case.route(&words),
                name => case.port(name, &words[1..]),
            }
        }
        case
    }

    fn global(&mut self, line: &str) {
        let _ = writeln!(self.global, "{line}");
    }

    fn interface(&mut self, name: &str, line: &str) {
        let _ = writeln!(self.interfaces.entry(name.to_string()).or_default(), " {line}");
    }

    /// The interface in a VLAN of this number.
    fn name(&self, vlan: &str) -> String {
        match vlan.parse::<usize>().expect("a number") {
            internal @ 4097.. => self.routed[internal - 4097].clone(),
            vid => format!("Vlan{vid}"),
        }
    }

    fn port(&mut self, device: &str, words: &[&str]) {
        let name = format!("GigabitEthernet0/{}", device.trim_start_matches('p'));
        let after = |word: &str| words.iter().position(|w| *w == word).map(|at| words[at + 1]);
        self.interface(&name, &format!("device {device}"));
        let lines = match words[0] {
            "no-switchport" => vec!["no switchport".to_string()],
            "access" => vec!["switchport mode access".into(), format!("switchport access vlan {}", words[1])],
            _ => vec![
                "switchport mode trunk".into(),
                format!("switchport trunk allowed vlan {}", words[1]),
                format!("switchport trunk native vlan {}", after("native").unwrap_or("1")),
            ],
        };
        lines.iter().for_each(|line| self.interface(&name, line));
        self.interface(&name, &format!("mtu {}", after("mtu").unwrap_or("1500")));
        if words.contains(&"protected") {
            self.interface(&name, "switchport protected");
        }
        match words.contains(&"down") {
            true => self.interface(&name, "shutdown"),
            false => self.connected += 1,
        }
    }

    /// Addresses and options of a routing interface.
    fn routing(&mut self, name: &str, words: &[&str]) {
        let mut six = false;
        for word in words.iter().filter(|word| word.contains('/')) {
            let net: IpNet = word.parse().expect("an address");
            six |= word.contains(':');
            let line = match net {
                IpNet::V4(net) => format!("ip address {} {}", net.addr(), net.netmask()),
                IpNet::V6(net) => format!("ipv6 address {net}"),
            };
            self.interface(name, &line);
        }
        let ip = if six { "ipv6" } else { "ip" };
        // Nobody waits for the probes of an address.
        let quiet = ["ipv6 nd dad attempts 0", "ipv6 nd ra suppress"];
        quiet.iter().filter(|_| six).for_each(|line| self.interface(name, line));
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "mtu" => self.interface(name, &format!("{ip} mtu {}", words.next().expect("a number"))),
                "urpf" => {
                    let how = match words.next() {
                        Some(&"strict") => "rx",
                        Some(&"loose") => "any",
                        _ => "any allow-default",
                    };
                    self.interface(name, &format!("{ip} verify unicast source reachable-via {how}"));
                }
                "martian-strict" => self.global("ip martian strict"),
                "options" => match words.next() {
                    Some(&"readable") => self.global("ip source-route"),
                    how => self.global(&format!("ip options {}", how.expect("how"))),
                },
                "directed-broadcast" => self.interface(name, "ip directed-broadcast"),
                "no-redirects" => self.interface(name, "no ip redirects"),
                word => assert!(word.contains('/'), "{word}"),
            }
        }
    }

    fn route(&mut self, words: &[&str]) {
        let net: IpNet = words[1].parse().expect("a prefix");
        let (family, head) = match net {
            IpNet::V4(net) => ("-4", format!("ip route {} {}", net.addr(), net.netmask())),
            IpNet::V6(net) => ("-6", format!("ipv6 route {net}")),
        };
        match words[2] {
            "null0" => self.global(&format!("{head} Null0")),
            "dev" => self.global(&format!("{head} {}", self.name(words[3]))),
            "reject" => self.refusals.push((family, format!("unreachable {net} proto 186"))),
            "prohibit" => self.refusals.push((family, format!("prohibit {net} proto 186"))),
            _ => {
                for hop in &words[3..] {
                    let hop =
                        hop.split_once('%').map_or(hop.to_string(), |(vlan, hop)| format!("{} {hop}", self.name(vlan)));
                    self.global(&format!("{head} {hop}"));
                }
            }
        }
    }

    /// The startup-config.
    fn config(&self) -> String {
        // A port before its sub-interfaces: as names sort.
        let interfaces = self.interfaces.iter().map(|(name, lines)| format!("interface {name}\n{lines}"));
        // Static stations name ports that must be switch ports by then.
        let (stations, global): (Vec<&str>, Vec<&str>) =
            self.global.lines().partition(|line| line.starts_with("mac address-table"));
        format!("{}\n{}{}\nend\n", global.join("\n"), interfaces.collect::<String>(), stations.join("\n"))
    }

    /// Until ports are connected, netdevs carry and routes are in.
    fn settle(&self, world: &World, switch: &Switch, title: &str) {
        let ports = || {
            let status = world.cli(switch, &["show interfaces status"]);
            status.matches(" connected ").count() == self.connected
        };
        let netdevs = || {
            let shown = world.exec(&switch.namespace, "ip -br link show up");
            let up = |name: &String| {
                shown.lines().any(|line| line.starts_with(&format!("{name}@")) && line.contains("LOWER_UP"))
            };
            self.netdevs.values().all(up)
        };
        let report = || {
            let shown = world.cli(switch, &["show interfaces status", "show platform ports", "show logging"]);
            format!("{title}:\n{}\n{shown}", self.config())
        };
        assert!(wait(ports) && wait(netdevs), "{}", report());
        assert!(!world.cli(switch, &["show logging"]).contains("CONFIG_LINE"), "{}", report());
        for (family, line) in &self.refusals {
            world.exec(&switch.namespace, &format!("ip {family} route add {line}"));
            let show = if *family == "-4" { "show ip route" } else { "show ipv6 route" };
            let prefix = line.split(' ').nth(1).expect("kind and prefix");
            let network = prefix.split_once('/').map_or(prefix, |(network, _)| network);
            assert!(wait(|| world.cli(switch, &[show]).to_lowercase().contains(network)), "{line}: {}", report());
        }
    }
}

struct Bench<'a> {
    client: Client,
    /// Of ports, and of the switch's netdevs.
    sockets: BTreeMap<&'a String, &'a RawSocket>,
    table: world::World,
}

/// What is to come, or came, and where.
type Frames = Vec<(String, Vec<u8>)>;

impl Bench<'_> {
    /// Sends a frame; what comes must be what the recorder says, nothing more, and in time.
    fn frame(&mut self, text: &str, expect: &str) -> Result<(), String> {
        let line = world::line(text);
        let (mut wanted, dropped) = self.wanted(&line);
        // The table is right, and the world has learned.
        let said = self.table.run(&line);
        assert_eq!(said, expect, "{text}");
        let port = text.split(' ').next().expect("a port").to_string();
        let before = dropped.map(|why| self.drops(why));
        let socket = self.sockets[&port];
        // What a frame before made arrive late is not of this one.
        self.collect(&line, 0, Duration::ZERO);
        if let Err(e) = socket.send(&line.bytes) {
            // A veth itself refuses what is larger than its peer takes.
            return if wanted.is_empty() { Ok(()) } else { Err(format!("not sent: {e}")) };
        }
        let mut got = self.collect(&line, wanted.len(), QUIET);
        got.sort();
        wanted.sort();
        if got != wanted {
            let show = |frames: &Frames| {
                let one = |(port, bytes): &(String, Vec<u8>)| {
                    format!("{port} {} bytes {:02x?}", bytes.len(), &bytes[..bytes.len().min(40)])
                };
                frames.iter().map(one).collect::<Vec<_>>().join("; ")
            };
            return Err(format!("got [{}], wanted [{}]", show(&got), show(&wanted)));
        }
        if let (Some(why), Some(before)) = (dropped, before)
            && !wait(|| self.drops(why) > before)
        {
            return Err(format!("{} did not count it", why.name()));
        }
        if let Some((_, learned)) = expect.split_once("learn ") {
            let (vlan, name) = learned.split_once(' ').expect("a VLAN and a station");
            let line = format!("show mac address-table dynamic address {} vlan {vlan}", mac(name));
            let known = || match self.client.request(&[], &line).map(|reply| reply.shown) {
                Ok(shown) => matches!(&shown[..], [Shown::MacTable(rows)] if !rows.is_empty()),
                Err(_) => false,
            };
            if !wait(known) {
                return Err(format!("{name} was not learned in VLAN {vlan}"));
            }
        }
        Ok(())
    }

    /// What the recorder says: frames as they leave, or why there are none.
    fn wanted(&self, line: &Line) -> (Frames, Option<Drop>) {
        let recorder = Recorder::trace(&self.table.snapshot, line.rx, &line.bytes, &Offload::default());
        let mut bytes = line.bytes.clone();
        let mut frames = Vec::new();
        let mut room = vec![0; 1 << 16];
        let fragment = recorder.rewrite.map_or(0, |(_, rewrite)| rewrite.fragment);
        if let Some((_, rewrite)) = recorder.rewrite {
            rewrite.apply(&mut bytes);
            bytes.truncate(rewrite.len as usize);
        }
        let parts: Vec<Vec<u8>> = match Fragments::of(&bytes, fragment).filter(|_| fragment > 0) {
            Some(fragments) => (0..fragments.count())
                .map(|index| {
                    let length = fragments.write(index, &mut room).expect("room for it");
                    room[..length].to_vec()
                })
                .collect(),
            None => vec![bytes],
        };
        for (port, tag) in &recorder.sends {
            for part in &parts {
                let leaving = Leaving::new(part, &Offload::default(), *tag).expect("it is a frame");
                let length = leaving.write(&mut room).expect("room for it");
                frames.push((router::port_name(*port), room[..length].to_vec()));
            }
        }
        (frames, recorder.dropped)
    }

    /// What arrives of this frame, everywhere, until it is quiet.
    fn collect(&self, line: &Line, wanted: usize, patience: Duration) -> Frames {
        let mut got = Frames::new();
        let until = Instant::now() + Duration::from_secs(2);
        let mut quiet = Instant::now() + patience;
        let of_it = is(&line.bytes);
        loop {
            for (port, socket) in &self.sockets {
                while let Ok(Some(bytes)) = socket.receive(Duration::ZERO) {
                    // Hosts, the kernel and the router have things to say of their own.
                    if is(&bytes) == of_it {
                        got.push((port.to_string(), bytes));
                        quiet = Instant::now() + patience;
                    }
                }
            }
            if Instant::now() >= quiet && (got.len() >= wanted || Instant::now() >= until) {
                return got;
            }
            std::thread::yield_now();
        }
    }

    fn drops(&mut self, why: Drop) -> u64 {
        let shown = self.client.request(&[], "show platform drops").map(|reply| reply.shown);
        let Ok([Shown::PlatformDrops(rows)]) = shown.as_deref() else { return 0 };
        rows.iter().filter(|row| row.reason == why.name()).map(|row| row.count).sum()
    }
}

/// What stays the same on the way and tells it from others: EtherType, protocol and addresses of a packet, all of an ARP packet.
fn is(frame: &[u8]) -> Option<(u16, Vec<u8>)> {
    let eth = Eth::parse(frame)?;
    let packet = &frame[eth.len()..];
    let of = match eth.ethertype {
        0x0800 => [packet.get(9..10)?, packet.get(12..20)?].concat(),
        0x86dd => [packet.get(6..7)?, packet.get(8..40)?].concat(),
        0x0806 => packet.get(..28)?.to_vec(),
        _ => Vec::new(),
    };
    Some((eth.ethertype, of))
}
