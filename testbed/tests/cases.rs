//! The catalogue's tables (`testbed/cases/l2.cases`) through a real switchd: each port of a case is a veth whose far end sends
//! the frames and sees, byte for byte, what leaves. For `packet` and `xdp` ports alike.

use mona_datapath::io::raw::RawSocket;
use mona_model::shown::Shown;
use mona_swcli::client::Client;
use mona_testbed::netns::{Switch, World, wait};
use mona_testbed::toggler::Toggler;
use mona_wire::Mac;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// How long what should not come is waited for.
const QUIET: Duration = Duration::from_millis(15);
/// The ports that cases use.
const PORTS: std::ops::RangeInclusive<u16> = 1..=8;

/// How often each frame is sent, so that what the kernel remembers of the first is tried by the next.
const TIMES: usize = 3;

#[test]
fn over_packet() {
    run("packet", "", false);
}

#[test]
fn over_packet_without_the_flow_cache() {
    run("packet", "no platform flow-cache\n", false);
}

#[test]
fn over_packet_while_the_flow_cache_goes_on_and_off() {
    run("packet", "", true);
}

#[test]
fn over_xdp() {
    run("xdp", "", false);
}

#[test]
fn over_xdp_while_the_flow_cache_goes_on_and_off() {
    run("xdp", "", true);
}

fn run(io: &str, first: &str, toggled: bool) {
    let mut world = World::new("cases");
    let (sw, hosts) = (world.namespace("sw"), world.namespace("hosts"));
    let mut sockets = BTreeMap::new();
    for port in PORTS {
        world.cable((&sw, &format!("p{port}")), (&hosts, &format!("h{port}")));
        // Frames larger than the switch takes must reach it.
        world.exec(&hosts, &format!("ip link set h{port} mtu 9000"));
        sockets.insert(port, world.raw(&hosts, &format!("h{port}")));
    }
    let text = include_str!("../cases/l2.cases");
    let mut failures = String::new();
    for case in text.split("\n== ").skip(1) {
        let (title, case) = case.split_once('\n').expect("a title and a case");
        let (description, script) = case.split_once("\n--\n").expect("a switch, --, and frames");
        let (config, ports) = configuration(description);
        let config = format!("{first}{config}");
        let switch = world.switch(&sw, &config, &["--io", io, "--workers", "2"]);
        let connected = ports.iter().filter(|(_, down)| !**down).count();
        let ready = wait(|| {
            let status = world.cli(&switch, &["show interfaces status"]);
            status.matches(" connected ").count() + status.matches(" inactive ").count() == connected
        });
        assert!(
            ready,
            "{title}:\n{config}\n{}",
            world.cli(&switch, &["show platform ports", "show interfaces status"])
        );
        let mut bench =
            Bench { client: Client::connect(&switch.socket).expect("it answers"), sockets: &sockets, next: 1 };
        bench.teach(description);
        let toggler = toggled.then(|| Toggler::start(&switch.socket));
        for (frame, expect) in script.lines().filter_map(|line| line.split_once("=>")) {
            if let Err(why) = (0..TIMES).try_for_each(|_| bench.frame(frame.trim(), expect.trim())) {
                let _ = writeln!(failures, "{title}: {frame}=>{expect}: {why}");
            }
        }
        if let Some(toggler) = toggler {
            toggler.end();
        }
        drop(bench);
        world.stop(&switch);
        assert_eq!(leftovers(&world, &switch), "", "{title}: the switch left something behind");
    }
    assert!(failures.is_empty(), "over {io}:\n{failures}");
}

/// Netdevs of the switch's own that are still there.
fn leftovers(world: &World, switch: &Switch) -> String {
    let links = world.exec(&switch.namespace, "ip -o link");
    links.lines().filter(|line| line.contains("mona backplane")).collect::<Vec<_>>().join("\n")
}

/// The case's switch as a startup-config, and its ports: is it down?
fn configuration(description: &str) -> (String, BTreeMap<u16, bool>) {
    let (mut head, mut interfaces, mut tail) = (String::new(), String::new(), String::new());
    let mut ports = BTreeMap::new();
    for line in description.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let after = |word: &str| words.iter().position(|w| *w == word).map(|at| words[at + 1]);
        match words[0] {
            "vlan" => {
                for vid in words[1..].iter().filter(|w| **w != "no-learning") {
                    let _ = writeln!(head, "vlan {vid}");
                    if words.contains(&"no-learning") {
                        let _ = writeln!(tail, "no mac address-table learning vlan {vid}");
                    }
                }
            }
            "station" if words.last() == Some(&"static") => {
                let port = words[3].trim_start_matches('p');
                let (vlan, mac) = (words[1], mac(words[2]));
                let _ = writeln!(tail, "mac address-table static {mac} vlan {vlan} interface GigabitEthernet0/{port}");
            }
            "station" => {}
            name => {
                let number: u16 = name.trim_start_matches('p').parse().expect("p and a number");
                ports.insert(number, words.contains(&"down"));
                let _ = writeln!(interfaces, "interface GigabitEthernet0/{number}\n device {name}");
                match words[1] {
                    "access" => {
                        let _ = writeln!(interfaces, " switchport mode access\n switchport access vlan {}", words[2]);
                    }
                    _ => {
                        let native = after("native").unwrap_or("1");
                        let _ = writeln!(
                            interfaces,
                            " switchport mode trunk\n switchport trunk allowed vlan {}\n switchport trunk native vlan {native}",
                            words[2]
                        );
                    }
                }
                for (word, line) in [
                    ("protected", " switchport protected"),
                    ("block-unicast", " switchport block unicast"),
                    ("block-multicast", " switchport block multicast"),
                    ("no-learning", " no mac address-table learning"),
                    ("down", " shutdown"),
                ] {
                    if words.contains(&word) {
                        let _ = writeln!(interfaces, "{line}");
                    }
                }
                let _ = writeln!(interfaces, " mtu {}", after("mtu").unwrap_or("1500"));
                if words.contains(&"tagged-only") && !head.contains("dot1q") {
                    let _ = writeln!(head, "vlan dot1q tag native");
                }
            }
        }
    }
    // VLANs that a port names exist only if the case says so.
    let named = |vid: &str| description.lines().any(|l| l.starts_with("vlan ") && l.split(' ').any(|w| w == vid));
    for line in interfaces.lines().filter_map(|l| l.trim().strip_prefix("switchport access vlan ")) {
        if !named(line) {
            let _ = writeln!(tail, "no vlan {line}");
        }
    }
    (format!("{head}{interfaces}{tail}end\n"), ports)
}

struct Bench<'a> {
    client: Client,
    sockets: &'a BTreeMap<u16, RawSocket>,
    next: u64,
}

impl Bench<'_> {
    /// Stations that the case knows from the start say something first.
    fn teach(&mut self, description: &str) {
        for line in description.lines().filter(|l| l.starts_with("station ") && !l.ends_with("static")) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (frame, _) = self.bytes(&[words[3], &format!("{0}>{0}", words[2])]);
            let port = words[3].trim_start_matches('p').parse().expect("a port");
            self.sockets[&port].send(&frame).expect("it is sent");
            self.learned(words[1], words[2], port).expect("a frame teaches its source");
        }
        std::thread::sleep(QUIET);
        self.drain();
    }

    fn drain(&self) {
        for socket in self.sockets.values() {
            while let Ok(Some(_)) = socket.receive(Duration::ZERO) {}
        }
    }

    /// The frame a line describes, with a payload of its own, and whether it has a tag.
    fn bytes(&mut self, words: &[&str]) -> (Vec<u8>, bool) {
        let way = words.iter().position(|w| w.contains('>')).expect("from>to");
        let (src, dst) = words[way].split_once('>').expect("from>to");
        let mut bytes = [mac(dst).0, mac(src).0].concat();
        if way == 2 {
            bytes.extend([0x81, 0x00]);
            bytes.extend(tci(words[1]).to_be_bytes());
        }
        bytes.extend([0x88, 0xb5]);
        let payload: usize = words.get(way + 1).map_or(46, |size| size.parse().expect("a size"));
        let mark = self.next.to_be_bytes();
        bytes.extend((0..payload).map(|at| mark.get(at).copied().unwrap_or(at as u8)));
        self.next += 1;
        (bytes, way == 2)
    }

    /// Sends a frame; what comes must be what is expected, nothing more, and in time.
    fn frame(&mut self, text: &str, expect: &str) -> Result<(), String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let port: u16 = words[0].trim_start_matches('p').parse().expect("a port");
        let Some(socket) = self.sockets.get(&port) else { return Ok(()) };
        let (frame, tagged) = self.bytes(&words);
        // Neither the hosts' own noise nor a late copy of what was said before is ours: behind the EtherType is its number.
        let said = &frame[if tagged { 16 } else { 12 }..];
        let mark = &said[..said.len().min(2 + size_of_val(&self.next))];
        if let Err(e) = socket.send(&frame) {
            // A veth itself refuses what is larger than its peer takes.
            return if expect.starts_with("drop") { Ok(()) } else { Err(format!("not sent: {e}")) };
        }
        let (sends, learn) = expect.split_once("learn ").map_or((expect, None), |(sends, learn)| (sends, Some(learn)));
        let mut wanted: BTreeMap<u16, Vec<u8>> = BTreeMap::new();
        if !sends.starts_with("drop") {
            for send in sends.split_whitespace().filter(|send| *send != "p0" && !send.starts_with("p0:")) {
                let (name, tag) = send.split_once(':').map_or((send, None), |(name, tag)| (name, Some(tag)));
                wanted.insert(name.trim_start_matches('p').parse().expect("a port"), leaves(&frame, tagged, tag));
            }
        }
        let mut got: Vec<(u16, Vec<u8>)> = Vec::new();
        let until = Instant::now() + Duration::from_secs(10);
        let mut quiet = Instant::now() + QUIET;
        while Instant::now() < quiet || (got.len() < wanted.len() && Instant::now() < until) {
            for (port, socket) in self.sockets {
                while let Ok(Some(bytes)) = socket.receive(Duration::ZERO) {
                    if bytes.windows(mark.len()).skip(12).take(5).any(|bytes| bytes == mark) {
                        got.push((*port, bytes));
                        quiet = Instant::now() + QUIET;
                    }
                }
            }
            std::thread::yield_now();
        }
        got.sort();
        let wanted: Vec<(u16, Vec<u8>)> = wanted.into_iter().collect();
        if got != wanted {
            let show = |frames: &[(u16, Vec<u8>)]| {
                let one = |(port, bytes): &(u16, Vec<u8>)| {
                    format!("p{port} {} bytes {:02x?}", bytes.len(), &bytes[..bytes.len().min(26)])
                };
                frames.iter().map(one).collect::<Vec<_>>().join("; ")
            };
            return Err(format!("got [{}], wanted [{}]", show(&got), show(&wanted)));
        }
        if let Some((vlan, name)) = learn.and_then(|learn| learn.trim().split_once(' ')) {
            self.learned(vlan, name, port)?;
        }
        Ok(())
    }

    fn learned(&mut self, vlan: &str, name: &str, port: u16) -> Result<(), String> {
        let line = format!("show mac address-table dynamic address {} vlan {vlan}", mac(name));
        let wanted = format!("GigabitEthernet0/{port}");
        let known = wait(|| match self.client.request(&[], &line).map(|reply| reply.shown) {
            Ok(shown) => matches!(&shown[..], [Shown::MacTable(rows)]
                if rows.iter().any(|row| row.port.is_some_and(|port| port.to_string() == wanted))),
            Err(_) => false,
        });
        if known { Ok(()) } else { Err(format!("{name} was not learned in VLAN {vlan} on p{port}")) }
    }
}

/// The frame as it leaves: with this tag or none; what untagging leaves too short is padded.
fn leaves(frame: &[u8], tagged: bool, tag: Option<&str>) -> Vec<u8> {
    let mut out = frame[..12].to_vec();
    if let Some(tag) = tag {
        out.extend([0x81, 0x00]);
        out.extend(tci(tag).to_be_bytes());
    }
    out.extend(&frame[if tagged { 16 } else { 12 }..]);
    if tagged && tag.is_none() && out.len() < 60 {
        out.resize(60, 0);
    }
    out
}

fn tci(text: &str) -> u16 {
    let (vid, pcp) = text.split_once('/').unwrap_or((text, "0"));
    pcp.parse::<u16>().expect("a priority") << 13 | vid.parse::<u16>().expect("a VLAN")
}

fn mac(name: &str) -> Mac {
    match name.as_bytes() {
        b"*" => Mac::BROADCAST,
        b"g" => Mac([0x01, 0x00, 0x5e, 0x00, 0x00, 0x01]),
        [letter @ b'a'..=b'z'] => Mac([2, 0, 0, 0, 0, *letter]),
        _ => name.parse().expect("an address"),
    }
}
