//! The catalogue's tables of the router (`testbed/cases/r4.cases`, `r6.cases`) through a real switchd: what the recorder says
//! of a frame is what leaves the ports, byte for byte, and what the netdevs of the router's interfaces get. Each frame is
//! sent several times, so that what the kernel remembers of the first is tried by the next. For `packet` and `xdp` alike.

#[path = "../../datapath/tests/world/mod.rs"]
mod model;

use mona_datapath::Recorder;
use mona_datapath::fragments::Fragments;
use mona_datapath::io::Offload;
use mona_datapath::io::raw::RawSocket;
use mona_testbed::netns::{Switch, World, wait};
use mona_testbed::toggler::Toggler;
use mona_wire::eth::{IPV4, IPV6};
use mona_wire::{Eth, Mac, PortId, Tci};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How long what should not come is waited for.
const QUIET: Duration = Duration::from_millis(8);
/// The ports that cases use.
const PORTS: std::ops::RangeInclusive<u16> = 1..=6;
/// How often each frame is sent.
const TIMES: usize = 3;

#[test]
fn over_packet() {
    run("packet", "", "off", false);
}

#[test]
fn over_packet_deciding_each_frame() {
    run("packet", "no platform flow-cache\n", "off", false);
}

#[test]
fn over_packet_while_the_flow_cache_goes_on_and_off() {
    run("packet", "", "off", true);
}

#[test]
fn over_xdp() {
    run("xdp", "", "off", false);
}

#[test]
fn over_xdp_while_the_flow_cache_goes_on_and_off() {
    run("xdp", "", "on", true);
}

#[test]
fn over_xdp_to_hosts_that_xdp_can_send_to() {
    run("xdp", "", "on", false);
}

/// `napi`: a host's device that has it takes frames from XDP.
fn run(io: &str, head: &str, napi: &str, toggled: bool) {
    let mut world = World::new("routed");
    let (sw, hosts) = (world.namespace("sw"), world.namespace("hosts"));
    let mut sockets = BTreeMap::new();
    for port in PORTS {
        world.cable((&sw, &format!("p{port}")), (&hosts, &format!("h{port}")));
        // Frames larger than the switch takes must reach it.
        world.exec(&hosts, &format!("ip link set h{port} mtu 9100; ethtool -K h{port} gro {napi}"));
        sockets.insert(format!("p{port}"), world.raw(&hosts, &format!("h{port}")));
    }
    let mut failures = String::new();
    for text in [include_str!("../cases/r4.cases"), include_str!("../cases/r6.cases")] {
        for case in text.split("\n== ").skip(1) {
            let (title, case) = case.split_once('\n').expect("a title and a case");
            let (description, script) = case.split_once("\n--\n").expect("a switch, --, and frames");
            // An interface that does not route is one without an address, or of a router that is off: not of one case's making.
            if ["off4", "off6"].iter().any(|word| description.split_whitespace().any(|is| is == *word)) {
                continue;
            }
            let mut script = script.lines().filter_map(|line| line.split_once("=>"));
            let case = Case::new(description);
            let switch = world.switch(&sw, &format!("{head}{}", case.config), &["--io", io, "--workers", "2"]);
            let kernel = case.kernel.lines().map(|line| world.exec(&sw, line));
            kernel.for_each(drop);
            let ready = case.ready(&world, &switch);
            let toggler = toggled.then(|| Toggler::start(&switch.socket));
            if let Err(why) = ready {
                let _ = writeln!(failures, "{title}: {why}\n{}", case.config);
            } else if let Err(why) = script.try_for_each(|(frame, _)| case.frame(&world, &switch, &sockets, frame)) {
                let _ = writeln!(failures, "{title}: {why}");
            }
            if let Some(toggler) = toggler {
                toggler.end();
            }
            world.stop(&switch);
            for netdev in case.netdevs.values() {
                world.attempt(&sw, &format!("ip link del {netdev}"));
            }
            case.kernel.lines().for_each(|line| drop(world.attempt(&sw, &line.replace(" add ", " del "))));
        }
    }
    assert!(failures.is_empty(), "over {io}:\n{failures}");
}

/// A case as a startup-config, as routes of somebody else's in the kernel, and as a snapshot.
struct Case {
    config: String,
    kernel: String,
    /// The netdevs of the router's interfaces, by their names in the tables (`h10`, `hi1`).
    netdevs: BTreeMap<String, String>,
    connected: usize,
    model: model::World,
}

impl Case {
    fn new(description: &str) -> Case {
        let [mut head, mut interfaces, mut tail, mut kernel] = [const { String::new() }; 4];
        let (mut netdevs, mut names) = (BTreeMap::new(), BTreeMap::new());
        let mut connected = 0;
        for line in description.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[0] {
                "vlan" => words[1..].iter().for_each(|vid| writeln!(head, "vlan {vid}").unwrap()),
                "svi" => {
                    netdevs.insert(format!("h{}", words[1]), format!("vlan{}", words[1]));
                    names.insert(words[1].to_string(), format!("Vlan{}", words[1]));
                    writeln!(interfaces, "interface Vlan{}\n{}", words[1], interface(&words[2..])).unwrap();
                }
                "routed" => {
                    let number = words[1].trim_start_matches('p');
                    let index = netdevs.keys().filter(|name| name.starts_with("hi")).count() + 1;
                    netdevs.insert(format!("hi{index}"), format!("gi0-{number}"));
                    names.insert((4096 + index).to_string(), format!("GigabitEthernet0/{number}"));
                    let tag = number
                        .split_once('.')
                        .map_or(String::new(), |(_, vid)| format!(" encapsulation dot1Q {vid}\n"));
                    let lines = interface(&words[2..]);
                    writeln!(interfaces, "interface GigabitEthernet0/{number}\n{tag}{lines}").unwrap();
                }
                "route" => route(&words[1..], &mut tail, &mut kernel),
                "neighbour" => {
                    let (mac, name) = (model::mac(words[3]), names.get(words[1]));
                    match words[2].parse().expect("an address") {
                        IpAddr::V4(four) => writeln!(tail, "arp {four} {mac} arpa").unwrap(),
                        IpAddr::V6(six) => {
                            writeln!(tail, "ipv6 neighbor {six} {} {mac}", name.expect("an interface")).unwrap()
                        }
                    }
                }
                "station" => {
                    let (mac, port) = (model::mac(words[2]), words[3].trim_start_matches('p'));
                    let line = format!("mac address-table static {mac} vlan {}", words[1]);
                    writeln!(tail, "{line} interface GigabitEthernet0/{port}").unwrap();
                }
                _ => {
                    connected += usize::from(!words.contains(&"down"));
                    interfaces += &switchport(&words);
                }
            }
            for (word, line) in [
                ("martian-strict", "ip martian strict"),
                ("tagged-only", "vlan dot1q tag native"),
                ("options drop", "ip options drop"),
                ("options ignore", "ip options ignore"),
                ("options readable", "ip source-route"),
            ] {
                if description.contains(word) && !head.contains(line) {
                    writeln!(head, "{line}").unwrap();
                }
            }
        }
        let config = format!("{head}ipv6 unicast-routing\n{interfaces}{tail}end\n");
        Case { config, kernel, netdevs, connected, model: model::World::new(description) }
    }

    /// All ports are up, all interfaces have their netdevs and routes, and Linux has asked whether its addresses are another's.
    fn ready(&self, world: &World, switch: &Switch) -> Result<(), String> {
        let show = ["show interfaces status", "show ip interface brief", "show ipv6 interface brief", "show ip route"];
        let ready = wait(|| {
            let text = world.cli(switch, &show);
            text.matches(" connected ").count() + text.matches(" routed ").count() >= self.connected
                && self.netdevs.values().all(|netdev| {
                    let link = world.exec(&switch.namespace, &format!("ip -o link show {netdev}"));
                    let tentative = world.exec(&switch.namespace, &format!("ip -6 address show {netdev} tentative"));
                    link.contains("LOWER_UP") && tentative.is_empty()
                })
                && !text.contains("down   ")
        });
        // The kernel's routes come by netlink.
        let kernel =
            |line: &str| line.split_whitespace().nth(if line.contains("-6") { 5 } else { 4 }).map(str::to_string);
        let imported = wait(|| {
            let routes = world.cli(switch, &["show ip route", "show ipv6 route"]).to_lowercase();
            self.kernel.lines().filter_map(kernel).all(|prefix| {
                let start = prefix.split_once('/').map_or(prefix.as_str(), |(address, _)| address);
                routes.contains(start)
            })
        });
        if ready && imported { Ok(()) } else { Err(format!("not ready:\n{}", world.cli(switch, &show))) }
    }

    /// Sends a frame some times; what comes must be what the recorder says, and nothing more.
    fn frame(
        &self,
        world: &World,
        switch: &Switch,
        sockets: &BTreeMap<String, RawSocket>,
        text: &str,
    ) -> Result<(), String> {
        let line = model::line(text.trim());
        let mac = fs::read_to_string(format!("{}.mac", switch.config.display())).expect("the router has a MAC");
        let router: Mac = mac.trim().parse().expect("an address");
        let recorder = Recorder::trace(&self.model.snapshot, line.rx, &line.bytes, &Offload::default());
        self.model.run(&line);
        let mut wanted: Vec<(String, Vec<u8>)> = Vec::new();
        for (port, tag) in &recorder.sends {
            for copy in copies(&line.bytes, &recorder, *tag) {
                wanted.push((model::router::port_name(*port), addressed(&copy, router)));
            }
        }
        wanted.retain(|(port, _)| *port != PortId::SELF.to_string());
        wanted.sort();
        let sent = addressed(&line.bytes, router);
        let open = |netdev: &String| world.raw(&switch.namespace, netdev);
        let netdevs: BTreeMap<String, RawSocket> =
            self.netdevs.iter().map(|(name, netdev)| (name.clone(), open(netdev))).collect();
        for time in 0..TIMES {
            if let Err(e) = sockets[&line.rx.to_string()].send(&sent) {
                // A veth itself refuses what is larger than its peer takes.
                return if wanted.is_empty() { Ok(()) } else { Err(format!("{text}: not sent: {e}")) };
            }
            let mut got: Vec<(String, Vec<u8>)> = Vec::new();
            let until = Instant::now() + Duration::from_secs(10);
            let mut quiet = Instant::now() + QUIET;
            while Instant::now() < quiet || (got.len() < wanted.len() && Instant::now() < until) {
                for (name, socket) in sockets.iter().chain(&netdevs) {
                    while let Ok(Some(bytes)) = socket.receive(Duration::ZERO) {
                        // What hosts and router say of themselves is not ours.
                        if said(&bytes) == said(&sent) {
                            got.push((name.clone(), bytes));
                            quiet = Instant::now() + QUIET;
                        }
                    }
                }
                std::thread::yield_now();
            }
            got.sort();
            if got != wanted {
                return Err(format!("{text}, time {time}: got {}, wanted {}", show(&got), show(&wanted)));
            }
        }
        Ok(())
    }
}

/// Lines of an interface of the router.
fn interface(words: &[&str]) -> String {
    let mut lines = String::new();
    let after = |word: &str| words.iter().position(|at| *at == word).map(|at| words[at + 1]);
    let mut families = [false; 2];
    for (address, length) in words.iter().filter_map(|word| word.split_once('/')) {
        match address.parse().expect("an address") {
            IpAddr::V4(four) => {
                let mask = u32::MAX << (32 - length.parse::<u32>().expect("a length"));
                writeln!(lines, " ip address {four} {}", std::net::Ipv4Addr::from(mask)).unwrap();
                families[0] = true;
            }
            IpAddr::V6(six) => {
                writeln!(lines, " ipv6 address {six}/{length}").unwrap();
                families[1] = true;
            }
        }
    }
    if let Some(mtu) = after("mtu") {
        for (family, is) in ["ip", "ipv6"].iter().zip(families) {
            if is {
                writeln!(lines, " {family} mtu {mtu}").unwrap();
            }
        }
    }
    let reachable = after("urpf").map(|how| match how {
        "strict" => "rx",
        "loose" => "any",
        _ => "any allow-default",
    });
    for (family, is) in ["ip", "ipv6"].iter().zip(families) {
        if let Some(how) = reachable.filter(|_| is) {
            writeln!(lines, " {family} verify unicast source reachable-via {how}").unwrap();
        }
    }
    for (word, line) in [("directed-broadcast", " ip directed-broadcast"), ("no-redirects", " no ip redirects")] {
        if words.contains(&word) {
            writeln!(lines, "{line}").unwrap();
        }
    }
    lines
}

/// A route as lines, or as one that somebody else has put into the kernel.
fn route(words: &[&str], tail: &mut String, kernel: &mut String) {
    let (address, length) = words[0].split_once('/').expect("a prefix");
    let address: IpAddr = address.parse().expect("an address");
    let prefix = match address {
        IpAddr::V4(four) => {
            let length: u32 = length.parse().expect("a length");
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            format!("ip route {four} {}", std::net::Ipv4Addr::from(mask))
        }
        IpAddr::V6(six) => format!("ipv6 route {six}/{length}"),
    };
    let family = if address.is_ipv4() { "" } else { "-6 " };
    match words[1] {
        "null0" => writeln!(tail, "{prefix} Null0").unwrap(),
        "reject" => writeln!(kernel, "ip {family}route add unreachable {} proto 186", words[0]).unwrap(),
        "prohibit" => writeln!(kernel, "ip {family}route add prohibit {} proto 186", words[0]).unwrap(),
        "dev" => writeln!(tail, "{prefix} Vlan{}", words[2]).unwrap(),
        _ => {
            for hop in &words[2..] {
                let hop = hop.split_once('%').map_or(hop.to_string(), |(vlan, hop)| format!("Vlan{vlan} {hop}"));
                writeln!(tail, "{prefix} {hop}").unwrap();
            }
        }
    }
}

fn switchport(words: &[&str]) -> String {
    let after = |word: &str| words.iter().position(|at| *at == word).map(|at| words[at + 1]);
    let (name, number) = (words[0], words[0].trim_start_matches('p'));
    let mut lines =
        format!("interface GigabitEthernet0/{number}\n device {name}\n mtu {}\n", after("mtu").unwrap_or("1500"));
    lines += &match words[1] {
        "no-switchport" => " no switchport\n".to_string(),
        "access" => format!(" switchport mode access\n switchport access vlan {}\n", words[2]),
        _ => format!(
            " switchport mode trunk\n switchport trunk allowed vlan {}\n switchport trunk native vlan {}\n",
            words[2],
            after("native").unwrap_or("1")
        ),
    };
    for (word, line) in [("protected", " switchport protected\n"), ("down", " shutdown\n")] {
        if words.contains(&word) {
            lines += line;
        }
    }
    lines
}

/// A frame of the tables with the router's real address.
fn addressed(frame: &[u8], router: Mac) -> Vec<u8> {
    let mut frame = frame.to_vec();
    for at in [0, 6] {
        if frame[at..at + 6] == model::mac("r").0 {
            frame[at..at + 6].copy_from_slice(&router.0);
        }
    }
    frame
}

/// What leaves of a frame by one port: rewritten, with this tag, in fragments; what untagging leaves too short is padded.
fn copies(frame: &[u8], recorder: &Recorder, tag: Option<Tci>) -> Vec<Vec<u8>> {
    let mut bytes = frame.to_vec();
    let mut fragment = 0;
    if let Some((_, rewrite)) = recorder.rewrite {
        rewrite.apply(&mut bytes);
        bytes.truncate(rewrite.len as usize);
        fragment = rewrite.fragment;
    }
    let tagged = Eth::parse(&bytes).expect("a frame").tag.is_some();
    let mut leaves = bytes[..12].to_vec();
    if let Some(tag) = tag {
        leaves.extend([&[0x81, 0x00][..], &tag.0.to_be_bytes()].concat());
    }
    leaves.extend(&bytes[if tagged { 16 } else { 12 }..]);
    if tagged && tag.is_none() && leaves.len() < 60 {
        leaves.resize(60, 0);
    }
    if fragment == 0 {
        return vec![leaves];
    }
    let fragments = Fragments::of(&leaves, fragment).expect("it can be cut");
    let one = |index| {
        let mut part = vec![0; 2000];
        let length = fragments.write(index, &mut part).expect("there is room");
        part.truncate(length);
        part
    };
    (0..fragments.count()).map(one).collect()
}

/// What a frame says that the router does not change: the addresses of a packet, or all behind the EtherType.
fn said(frame: &[u8]) -> Option<(u16, Vec<u8>)> {
    let eth = Eth::parse(frame)?;
    let packet = frame.get(eth.len()..)?;
    let said = match eth.ethertype {
        IPV4 => packet.get(12..20)?,
        IPV6 => packet.get(8..40)?,
        _ => packet.get(..28)?,
    };
    Some((eth.ethertype, said.to_vec()))
}

fn show(frames: &[(String, Vec<u8>)]) -> String {
    let one = |(port, bytes): &(String, Vec<u8>)| {
        format!("{port} {} bytes {:02x?}", bytes.len(), &bytes[..bytes.len().min(38)])
    };
    format!("[{}]", frames.iter().map(one).collect::<Vec<_>>().join("; "))
}
