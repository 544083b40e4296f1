//! The tables of access lists (`testbed/cases/acl.cases`): by the control machine and the recorder, and through a real
//! switchd, whose counters must say the same.

use mona_control::fib::{Fib, Limits};
use mona_control::input::{Device, Input, Output};
use mona_control::switch::Switch;
use mona_datapath::io::Offload;
use mona_datapath::switching::{IoChoice, Opened};
use mona_datapath::{Fdb, Recorder};
use mona_model::shown::Shown;
use mona_swcli::client::Client;
use mona_testbed::netns::{World, wait};
use mona_testbed::toggler::Toggler;
use mona_wire::{Instant, PortId};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

const CASES: &str = include_str!("../cases/acl.cases");
const PORTS: u16 = 3;

struct Case {
    title: &'static str,
    config: String,
    /// The frame's line, its port, the frame, and what becomes of it.
    frames: Vec<(&'static str, u16, Vec<u8>, &'static str)>,
    show: &'static str,
}

fn cases() -> Vec<Case> {
    let case = |text: &'static str| {
        let (title, rest) = text.split_once('\n').expect("a title");
        let mut parts = rest.split("\n--\n");
        let ports = (1..=PORTS).map(|n| format!("interface gi0/{n}\ndevice p{n}\n")).collect::<String>();
        let config = format!("{ports}{}\nend\n", parts.next().expect("a configuration"));
        let lines = parts.next().expect("frames").lines().filter(|line| line.contains("=>"));
        let frames = lines.map(|line| {
            let (text, expect) = line.split_once("=>").expect("checked");
            let (port, bytes) = frame(text.trim());
            (line, port, bytes, expect.trim())
        });
        Case { title, config, frames: frames.collect(), show: parts.next().unwrap_or_default().trim_end() }
    };
    CASES.split("\n== ").skip(1).map(case).collect()
}

/// The port and the bytes of a frame.
fn frame(text: &str) -> (u16, Vec<u8>) {
    let words: Vec<&str> = text.split_whitespace().collect();
    let port: u16 = words[0].trim_start_matches('p').parse().expect("a port");
    let number = |word: &str| -> Option<u16> {
        let at = words.iter().position(|w| *w == word)?;
        words[at + 1].parse().ok()
    };
    let has = |word: &str| words.contains(&word);
    let mut bytes = vec![2, 0, 0, 0, 0, 0xfe, 2, 0, 0, 0, 0, port as u8];
    match words[1] {
        "arp" => bytes.extend([8, 6]),
        "type" => bytes.extend(u16::from_str_radix(words[2], 16).expect("hex").to_be_bytes()),
        protocol => {
            let way = words.iter().position(|word| *word == ">").expect("from > to");
            let ported = matches!(protocol, "tcp" | "udp");
            let end = |word: &str| -> (IpAddr, u16) {
                let (ip, port) = if ported { word.rsplit_once(':').expect("a port") } else { (word, "0") };
                (ip.parse().expect("an address"), port.parse().expect("a port"))
            };
            let ((src, sport), (dst, dport)) = (end(words[way - 1]), end(words[way + 1]));
            let number_of = match protocol {
                "tcp" => 6,
                "udp" => 17,
                "icmp" => 1,
                "icmp6" => 58,
                other => other.parse().expect("a protocol"),
            };
            let mut upper = if ported { [sport.to_be_bytes(), dport.to_be_bytes()].concat() } else { Vec::new() };
            if let Some((kind, code)) = words.get(way + 2).and_then(|word| word.split_once('/')) {
                upper.extend([kind, code].map(|number| number.parse::<u8>().expect("a number")));
            }
            upper.resize(40, 0);
            if protocol == "tcp" {
                let flags = [("ack", 16), ("rst", 4), ("syn", 2)];
                upper[13] = flags.iter().filter(|(flag, _)| has(flag)).map(|(_, bit)| bit).sum();
            }
            let tos = number("tos").unwrap_or(0) as u8;
            match (src, dst) {
                (IpAddr::V4(src), IpAddr::V4(dst)) => {
                    let fragment: u16 = if has("first") {
                        0x2000
                    } else if has("later") {
                        100
                    } else {
                        0
                    };
                    let total = number("cut").unwrap_or(20 + 40);
                    bytes.extend([8, 0, 0x45, tos]);
                    bytes.extend(total.to_be_bytes());
                    bytes.extend([0, 0]);
                    bytes.extend(fragment.to_be_bytes());
                    bytes.extend([64, number_of, 0, 0]);
                    bytes.extend(src.octets());
                    bytes.extend(dst.octets());
                    bytes.extend(upper);
                    bytes.truncate(14 + usize::from(total));
                }
                (IpAddr::V6(src), IpAddr::V6(dst)) => {
                    bytes.extend([0x86, 0xdd, 0x60 | tos >> 4, tos << 4, 0, 0, 0, 40, number_of, 64]);
                    bytes.extend(src.octets());
                    bytes.extend(dst.octets());
                    bytes.extend(upper);
                }
                _ => panic!("{text}: two families"),
            }
        }
    }
    // What is shorter than the header is not padded: padding would be there to look at.
    let cut = has("cut") && number("cut") < Some(20);
    if !cut {
        bytes.resize(bytes.len().max(60), 0);
    }
    (port, bytes)
}

#[test]
fn as_decided() {
    let mut wrong = String::new();
    for case in cases() {
        let mut switch = Switch::new(Arc::new(Fdb::with_capacity(64)), Fib::new(Limits::SMALL), IoChoice::Auto);
        let mut inputs = vec![Input::Startup(case.config.clone())];
        inputs.extend((1..=PORTS).map(|n| {
            Input::Device(Device {
                name: format!("p{n}"),
                ifindex: u32::from(n),
                admin_up: true,
                carrier: true,
                mtu: 1500,
                ..Device::default()
            })
        }));
        let mut log = Vec::new();
        while !inputs.is_empty() {
            for output in switch.step(Instant::default(), inputs.remove(0)) {
                match output {
                    Output::Open { port, device, .. } => {
                        let opened = Opened { io: "mem".into(), ..Opened::default() };
                        inputs.push(Input::Opened { port, device, result: Ok(opened) });
                    }
                    Output::Log(line) => log.push(line),
                    _ => {}
                }
            }
        }
        assert!(!log.iter().any(|line| line.contains("CONFIG_LINE")), "{}: {log:#?}", case.title);
        let ports: Vec<(PortId, u16)> = switch.state.ports.iter().map(|(name, port)| (port.id, name.number)).collect();
        let number = |id: PortId| ports.iter().find(|(other, _)| *other == id).expect("a port").1;
        for (line, port, bytes, expect) in &case.frames {
            let rx = ports.iter().find(|(_, number)| number == port).expect("a port").0;
            let record = Recorder::trace(&switch.snapshot, rx, bytes, &Offload::default());
            let mut sends: Vec<String> = record.sends.iter().map(|(id, _)| format!("p{}", number(*id))).collect();
            sends.sort();
            let got = record.dropped.map_or(sends.join(" "), |why| format!("drop {}", why.name()));
            if got != *expect {
                let _ = writeln!(wrong, "{}: {line}: {got}", case.title);
            }
            // What a list of the port it comes from denies teaches nothing.
            assert_eq!(record.seen.is_none(), expect.starts_with("drop"), "{line}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn over_packet() {
    run("packet", Flows::Flooded);
}

#[test]
fn over_packet_replayed() {
    run("packet", Flows::Known("platform flow-cache"));
}

#[test]
fn over_packet_deciding_each_frame() {
    run("packet", Flows::Known("no platform flow-cache"));
}

#[test]
fn over_packet_while_the_flow_cache_goes_on_and_off() {
    run("packet", Flows::Toggled);
}

#[test]
fn over_xdp() {
    run("xdp", Flows::Flooded);
}

#[test]
fn over_xdp_replayed() {
    run("xdp", Flows::Known("platform flow-cache"));
}

/// Who the frames are for.
#[derive(Clone, Copy, PartialEq)]
enum Flows {
    /// A station that nobody knows.
    Flooded,
    /// One that is known behind p2: each frame is sent several times, so that what the kernel remembers of the first is tried by
    /// the next; with this line before.
    Known(&'static str),
    /// The same, while that line changes.
    Toggled,
}

/// How often a frame is sent that may be replayed.
const TIMES: usize = 10;

fn run(io: &str, flows: Flows) {
    let mut world = World::new("aclc");
    let (sw, hosts) = (world.namespace("sw"), world.namespace("hosts"));
    let sockets: Vec<_> = (1..=PORTS)
        .map(|n| {
            world.cable((&sw, &format!("p{n}")), (&hosts, &format!("h{n}")));
            world.raw(&hosts, &format!("h{n}"))
        })
        .collect();
    let (mut wrong, mut replayed) = (String::new(), 0);
    for case in cases() {
        let first = if let Flows::Known(line) = flows { line } else { "" };
        let config = format!("{first}\n{}", case.config);
        let switch = world.switch(&sw, &config, &["--io", io, "--workers", "2"]);
        let ready = wait(|| world.cli(&switch, &["show interfaces status"]).matches(" connected ").count() == 3);
        assert!(ready, "{}:\n{}", case.title, world.cli(&switch, &["show platform ports", "show logging"]));
        if flows != Flows::Flooded {
            sockets[1].send(&FE).expect("it is sent");
            let known = || world.cli(&switch, &["show mac address-table"]).contains("0200.0000.00fe");
            assert!(wait(known), "{}", case.title);
            sockets.iter().for_each(|socket| while let Ok(Some(_)) = socket.receive(Duration::from_millis(5)) {});
        }
        let toggler = (flows == Flows::Toggled).then(|| Toggler::start(&switch.socket));
        for (at, (line, port, bytes, expect)) in case.frames.iter().enumerate() {
            // From nobody who is known yet: to be decided by the worker, behind the frame.
            let mark = |port: u16, time: usize| {
                let mut mark = vec![2, 0, 0, 0, 0, 0xee, 2, 0xee, 0, at as u8, time as u8, port as u8, 0x88, 0xb5];
                mark.resize(60, at as u8);
                mark
            };
            let wanted = match (flows, expect.split_once(' ')) {
                (_, Some(("drop", _))) => "",
                (Flows::Flooded, _) => expect,
                _ if *port != 2 && expect.split(' ').any(|to| to == "p2") => "p2",
                _ => "",
            };
            let from = &sockets[usize::from(*port) - 1];
            for time in 0..if flows == Flows::Flooded { 1 } else { TIMES } {
                from.send(bytes).expect("it is sent");
                // What comes after it arrives: then it has arrived too, or never will.
                let marked = mark(*port, time);
                let mut got = Vec::new();
                for (other, socket) in (1..=PORTS).zip(&sockets).filter(|(other, _)| other != port) {
                    let mut seen = false;
                    let arrived = wait(|| {
                        from.send(&marked).expect("it is sent");
                        while let Ok(Some(frame)) = socket.receive(Duration::from_millis(2)) {
                            seen |= frame == *bytes;
                            if frame == marked {
                                return true;
                            }
                        }
                        false
                    });
                    assert!(arrived, "{}: {line}: the mark is lost at p{other}", case.title);
                    if seen {
                        got.push(format!("p{other}"));
                    }
                }
                if got.join(" ") != wanted {
                    let _ = writeln!(wrong, "{}: {line}, time {time}: {}", case.title, got.join(" "));
                }
            }
        }
        if let Some(toggler) = toggler {
            toggler.end();
        }
        let show = match flows {
            Flows::Flooded => case.show.to_string(),
            // Where each line counts what comes in, it counts each time; of what leaves, one port is left of two.
            _ if case.config.contains(" out") => String::new(),
            _ => times(case.show),
        };
        let mut shown = String::new();
        let counted = wait(|| {
            shown = world.cli(&switch, &["show access-lists"]);
            show.is_empty() || shown.trim_end() == show
        });
        if !counted {
            let _ = writeln!(wrong, "{}:\n{shown}\nwanted:\n{show}", case.title);
        }
        let mut client = Client::connect(&switch.socket).expect("it answers");
        let reply = client.request(&[], "show platform flow-cache").expect("an answer");
        let [Shown::FlowCache(cache)] = &reply.shown[..] else { panic!("{reply:?}") };
        replayed += cache.ports.iter().map(|port| port.hits).sum::<u64>();
        drop(client);
        world.stop(&switch);
    }
    assert!(wrong.is_empty(), "over {io}:\n{wrong}");
    let may = io == "packet" && flows == Flows::Known("platform flow-cache");
    assert!(!may || replayed > 20, "the kernel forwarded {replayed} frames");
}

/// A frame of the station that all are for.
const FE: [u8; 60] = {
    let mut frame = [0; 60];
    (frame[0], frame[5], frame[6], frame[11], frame[12], frame[13]) = (2, 0xef, 2, 0xfe, 0x88, 0xb5);
    frame
};

/// Counters of so many frames for each.
fn times(show: &str) -> String {
    let mut text = String::new();
    for line in show.lines() {
        let counted = line.rsplit_once(" (").and_then(|(line, rest)| Some((line, rest.split_once(" match")?)));
        match counted {
            Some((line, (count, rest))) => {
                let count = count.parse::<usize>().expect("a count") * TIMES;
                let rest = rest.trim_start_matches("es");
                let _ = writeln!(text, "{line} ({count} matches{rest}");
            }
            None => {
                let _ = writeln!(text, "{line}");
            }
        }
    }
    text.trim_end().into()
}

/// What was acknowledged holds for the very next frame, also while others pass.
#[test]
fn a_change_holds_for_the_next_frame() {
    let mut world = World::new("aclh");
    let (sw, hosts) = (world.namespace("sw"), world.namespace("hosts"));
    let sockets: Vec<_> = (1..=2)
        .map(|n| {
            world.cable((&sw, &format!("p{n}")), (&hosts, &format!("h{n}")));
            world.raw(&hosts, &format!("h{n}"))
        })
        .collect();
    let config = "interface gi0/1\n device p1\n ip access-group A in\ninterface gi0/2\n device p2\nip access-list extended \
                  A\n 20 permit ip any any\nend\n";
    let switch = world.switch(&sw, config, &["--io", "packet", "--workers", "2"]);
    assert!(wait(|| world.cli(&switch, &["show interfaces status"]).matches(" connected ").count() == 2));
    let mut client = Client::connect(&switch.socket).expect("it answers");
    let context = ["configure terminal", "ip access-list extended A"].map(String::from);
    for turn in 0..30u16 {
        let deny = turn % 2 == 0;
        let line = if deny { "10 deny udp any any" } else { "no 10" };
        let reply = client.request(&context, line).expect("an answer");
        assert_eq!(reply.error, None);
        let (_, bytes) = frame(&format!("p1 udp 10.0.0.1:{turn} > 10.0.0.2:9"));
        let (_, mark) = frame(&format!("p1 tcp 10.0.0.1:{turn} > 10.0.0.2:9"));
        sockets[0].send(&bytes).expect("it is sent");
        let mut seen = false;
        let arrived = wait(|| {
            sockets[0].send(&mark).expect("it is sent");
            while let Ok(Some(frame)) = sockets[1].receive(Duration::from_millis(2)) {
                seen |= frame == bytes;
                if frame == mark {
                    return true;
                }
            }
            false
        });
        assert!(arrived && seen != deny, "turn {turn}: {line}: {}", if seen { "it passed" } else { "it did not pass" });
    }
    drop(client);
    world.stop(&switch);
}

/// Hosts in two VLANs with a list between them: what it permits passes, and who is denied is told so (ICMP 3/13).
#[test]
fn between_vlans() {
    let mut world = World::new("aclr");
    let (sw, a, b) = (world.namespace("sw"), world.namespace("a"), world.namespace("b"));
    for (port, host, net) in [("p1", &a, 10), ("p2", &b, 20)] {
        world.cable((&sw, port), (host, "eth0"));
        world.exec(host, &format!("ip addr add 10.0.{net}.2/24 dev eth0; ip route add default via 10.0.{net}.1"));
    }
    let config = "vlan 10\nvlan 20\ninterface gi0/1\n device p1\n switchport access vlan 10\ninterface gi0/2\n device p2\n \
                  switchport access vlan 20\ninterface vlan 10\n ip address 10.0.10.1 255.255.255.0\n ip access-group A \
                  in\ninterface vlan 20\n ip address 10.0.20.1 255.255.255.0\nip access-list extended A\n permit icmp any \
                  host 10.0.20.2\n deny ip any host 10.0.20.1 log\n permit ip any any\nend\n";
    let switch = world.switch(&sw, config, &["--workers", "2"]);
    assert!(wait(|| world.pings(&a, "10.0.20.2")), "{}", world.messages(&switch));
    let mut said = String::new();
    let told = wait(|| {
        said = String::from_utf8_lossy(&world.attempt(&a, "ping -c 1 -W 1 10.0.20.1").stdout).into_owned();
        said.contains("Packet filtered")
    });
    assert!(told, "{said}");
    // Nobody filters the other way.
    assert!(wait(|| world.pings(&b, "10.0.10.1")));
    let counted = world.cli(&switch, &["show access-lists"]);
    assert!(!counted.contains("20 deny   ip any host 10.0.20.1 log\n"), "{counted}");
    let log = world.cli(&switch, &["show logging"]);
    assert!(log.contains("%SEC-6-IPACCESSLOGDP: list A denied icmp 10.0.10.2 -> 10.0.20.1 (8/0), 1 packet"), "{log}");
    let drops = world.cli(&switch, &["show platform drops"]);
    assert!(drops.contains("ingress_flow_action_drop"), "{drops}");
    world.stop(&switch);
}
