//! Scenarios on virtual time: text that a network engineer can read aloud, run on the real machine without a kernel.
//!
//! ```text
//! device veth0 up mtu 1500             a netdev, new or changed: up down link no-link mtu N master NAME address
//! gone veth0                           it vanishes          replace veth0   another of the same name, unannounced
//! rename veth0 veth9                  it is called otherwise
//! refuse veth0: WHY                    it cannot be opened, until: accept veth0
//! slow veth0                           its opening takes until: opened veth0
//! conf: interface gi0/1 / device veth0 lines in configuration mode
//! exec: clear counters                 a line in exec mode  user: …   at privilege 1
//! startup   restore                    the text below, in lines that begin with |, is read at boot
//! restart [replacing veth0]            another switch, with what was saved and kept; meanwhile netdevs became others
//! frame veth0 10/5 a>b => veth1:10     as in cases; copies by netdev and tag; => drop REASON; => nothing
//! packet veth0 a>b 10.0.0.1>10.0.1.1   a frame that carries IP or ARP, as speech.rs says; => as above
//! route 10.0.0.0/8 ospf 20 via vlan10 10.0.0.2   a routing daemon enters one (without `via` it drops: blackhole, unreachable, prohibit), or `gone`
//! routes 1200 bgp 0 via vlan10 10.0.0.2             so many of them at once: 20.0.0.0/24, 20.0.1.0/24 and so on
//! hold   deliver                       reports of sources wait   and arrive
//! expect log TEXT                      logged since the last that was expected; expect no log TEXT
//! expect out TEXT                      the same of what the switch asked of the outside
//! expect error TEXT                    the last line was refused
//! expect printed | show CMD | saved | kept      followed by | TEXT, which is there in this order, and ! TEXT, which is not
//! expect stations N
//! ```
//!
//! Any line may begin with `at 10s` (`1500ms`, `5m`). A scenario begins with `== TITLE`; `#` begins a comment.

pub mod world;

use crate::speech;
use mona_control::input::{Input, KernelHop, KernelRoute};
use mona_control::rib::{self, Refusal};
use mona_control::switch::sentence;
use mona_wire::{Instant, Mac};
use std::net::Ipv4Addr;
use world::World;

/// Runs the scenarios of a file; what went wrong, a line each.
pub fn run(file: &str, text: &str) -> Result<usize, String> {
    let (mut ran, mut failures) = (0, Vec::new());
    let mut scenario: Option<Scenario> = None;
    let mut lines = text.lines().enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(title) = line.strip_prefix("== ") {
            failures.extend(scenario.take().and_then(|s| s.end()));
            scenario = Some(Scenario::new(title));
            ran += 1;
            continue;
        }
        let mut block = Vec::new();
        while let Some((_, more)) = lines.next_if(|(_, l)| l.starts_with('|') || l.starts_with('!')) {
            block.push(more);
        }
        let Some(current) = &mut scenario else {
            return Err(format!("{file}:{}: a scenario begins with == and a title", index + 1));
        };
        if current.failed.is_none()
            && let Err(why) = current.say(line.trim(), &block)
        {
            current.failed = Some(format!("{file}:{}: {}: `{}`: {why}", index + 1, current.title, line.trim()));
        }
    }
    failures.extend(scenario.take().and_then(|s| s.end()));
    if failures.is_empty() { Ok(ran) } else { Err(failures.join("\n")) }
}

struct Scenario<'a> {
    title: &'a str,
    world: World,
    /// What was logged and done up to here has been looked at.
    logs: usize,
    outs: usize,
    failed: Option<String>,
}

impl<'a> Scenario<'a> {
    fn new(title: &'a str) -> Scenario<'a> {
        Scenario { title, world: World::default(), logs: 0, outs: 0, failed: None }
    }

    fn end(self) -> Option<String> {
        let refused = || Some(format!("{}: the last line: {}", self.title, sentence(self.world.error.as_ref()?)));
        let replayed = || self.world.check_record().err().map(|why| format!("{}: {why}", self.title));
        self.failed.clone().or_else(refused).or_else(replayed)
    }

    fn say(&mut self, line: &str, block: &[&str]) -> Result<(), String> {
        if let Some(rest) = line.strip_prefix("at ") {
            let (time, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            self.world.until(instant(time)?)?;
            return if rest.is_empty() { Ok(()) } else { self.say(rest.trim(), block) };
        }
        let (word, rest) = line.split_once(' ').map_or((line, ""), |(word, rest)| (word, rest.trim()));
        if word == "expect" {
            return self.expect(rest, block);
        }
        if let Some(error) = self.world.error.take() {
            return Err(format!("the line before was refused: {}", sentence(&error)));
        }
        let world = &mut self.world;
        match word {
            "device" => return device(world, rest),
            "gone" => return world.gone(rest),
            "replace" => world.replace(rest),
            "rename" => {
                let (name, other) = rest.split_once(' ').ok_or("rename NETDEV OTHER")?;
                return world.rename(name, other);
            }
            "refuse" => {
                let (name, why) = rest.split_once(": ").ok_or("refuse NETDEV: WHY")?;
                world.refusing.insert(name.into(), why.into());
            }
            "accept" => drop(world.refusing.remove(rest)),
            "slow" => drop(world.slow.insert(rest.into())),
            "opened" => return world.finish_opening(rest),
            "conf:" => return lines(world, &["configure terminal"], rest),
            "exec:" => return lines(world, &[], rest),
            "user:" => {
                world.enter(&[]);
                world.line(1, rest);
            }
            "startup" => world.feed(Input::Startup(text_of(block))),
            "restore" => world.feed(Input::Restore(text_of(block))),
            "restart" => {
                let replaced = rest.strip_prefix("replacing ").unwrap_or_default();
                return world.restart(&replaced.split_whitespace().collect::<Vec<_>>());
            }
            "frame" => return frame(world, rest),
            "packet" => return packet(world, rest),
            "route" => return route(world, rest),
            "routes" => return routes(world, rest),
            "hold" => world.held = Some(Vec::new()),
            "deliver" => {
                let held = world.held.take().ok_or("nothing is held")?;
                world.feed(Input::Seen(held));
            }
            _ => return Err("there is no such word".into()),
        }
        Ok(())
    }

    fn expect(&mut self, line: &str, block: &[&str]) -> Result<(), String> {
        let (no, line) = line.strip_prefix("no ").map_or((false, line), |rest| (true, rest));
        let (what, text) = line.split_once(' ').unwrap_or((line, ""));
        match what {
            "log" => find(&self.world.lines, &mut self.logs, no, |line| {
                line.strip_prefix("log ").is_some_and(|log| log.contains(text))
            }),
            "out" => {
                find(&self.world.lines, &mut self.outs, no, |line| !line.starts_with("log ") && line.contains(text))
            }
            "error" => match self.world.error.take() {
                Some(error) if sentence(&error).contains(text) => Ok(()),
                Some(error) => Err(format!("it was refused with: {}", sentence(&error))),
                None => Err("it was not refused".into()),
            },
            "stations" => {
                let there = self.world.switch.fdb.len();
                if text == there.to_string() { Ok(()) } else { Err(format!("there are {there}")) }
            }
            "printed" if no => {
                if self.world.printed.is_none() {
                    Ok(())
                } else {
                    Err("it was answered".into())
                }
            }
            "printed" => compare(self.world.printed.as_deref().ok_or("there was no answer")?, block),
            "show" => {
                lines(&mut self.world, &[], line)?;
                match self.world.error.take() {
                    Some(error) => Err(format!("it was refused: {}", sentence(&error))),
                    None => compare(self.world.printed.as_deref().unwrap_or_default(), block),
                }
            }
            "saved" => compare(&owned(&self.world.saved), block),
            "kept" => compare(&owned(&self.world.kept), block),
            _ => Err("there is no such expectation".into()),
        }
    }
}

fn owned(text: &str) -> Vec<String> {
    text.lines().map(String::from).collect()
}

fn text_of(block: &[&str]) -> String {
    block.iter().map(|line| line[1..].strip_prefix(' ').unwrap_or(&line[1..]).to_string() + "\n").collect()
}

fn instant(text: &str) -> Result<Instant, String> {
    let wrong = || format!("{text} is no time: write 10s, 1500ms or 5m");
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    match &text[digits..] {
        "ms" => Ok(Instant::from_millis(number)),
        "s" => Ok(Instant::from_millis(number * 1000)),
        "m" => Ok(Instant::from_millis(number * 60_000)),
        _ => Err(wrong()),
    }
}

/// Looks for a line after the one that was found last.
fn find(lines: &[String], from: &mut usize, no: bool, fits: impl Fn(&str) -> bool) -> Result<(), String> {
    match (lines[*from..].iter().position(|line| fits(line)), no) {
        (Some(at), false) => {
            *from += at + 1;
            Ok(())
        }
        (None, true) => Ok(()),
        (Some(at), true) => Err(format!("there is: {}", lines[*from + at])),
        (None, false) => Err(format!("there is only:\n    {}", lines[*from..].join("\n    "))),
    }
}

/// Runs of blanks count as one, but for those in front.
fn squeezed(line: &str) -> String {
    let indent = line.len() - line.trim_start().len();
    " ".repeat(indent) + &line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn compare(is: &[String], block: &[&str]) -> Result<(), String> {
    let mut rest = is.iter();
    for line in block {
        let text = squeezed(line[1..].strip_prefix(' ').unwrap_or(&line[1..]));
        let found = match line.starts_with('!') {
            true => !is.iter().any(|l| squeezed(l).contains(&text)),
            false => rest.any(|l| squeezed(l).contains(&text)),
        };
        if !found {
            return Err(format!("`{line}` does not fit:\n    {}", is.join("\n    ")));
        }
    }
    Ok(())
}

fn lines(world: &mut World, context: &[&str], text: &str) -> Result<(), String> {
    world.enter(context);
    for line in text.split(" / ") {
        if let Some(error) = &world.error {
            return Err(format!("the line before `{line}` was refused: {}", sentence(error)));
        }
        world.line(15, line.trim());
    }
    Ok(())
}

fn device(world: &mut World, text: &str) -> Result<(), String> {
    let mut words = text.split_whitespace();
    let name = words.next().ok_or("which device?")?;
    let masters: Vec<(String, u32)> = world.netdevs.iter().map(|(n, d)| (n.clone(), d.device.ifindex)).collect();
    let mut result = Ok(());
    world.netdev(name, |netdev| {
        while let Some(word) = words.next() {
            let device = &mut netdev.device;
            match word {
                "up" => device.admin_up = true,
                "down" => device.admin_up = false,
                "link" => netdev.link = true,
                "no-link" => netdev.link = false,
                "address" => device.has_address = true,
                "default-route" => device.has_default_route = true,
                "bridge" => device.kind = "bridge".into(),
                "free" => (device.master, device.master_kind) = (None, None),
                "mtu" => match words.next().and_then(|n| n.parse().ok()) {
                    Some(mtu) => device.mtu = mtu,
                    None => result = Err("mtu N".to_string()),
                },
                "master" => match words.next().and_then(|m| masters.iter().find(|(n, _)| n == m)) {
                    Some((_, index)) => (device.master, device.master_kind) = (Some(*index), Some("bridge".into())),
                    None => result = Err("master NAME, which is there".to_string()),
                },
                other => result = Err(format!("{other}?")),
            }
        }
    });
    result
}

/// `10.1.0.0/16 ospf 20 via vlan10 10.0.10.2 vlan10 10.0.10.3`
fn route(world: &mut World, text: &str) -> Result<(), String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [prefix, protocol, metric, rest @ ..] = words.as_slice() else { return Err("PREFIX PROTOCOL METRIC".into()) };
    let protocol = match *protocol {
        "bgp" => rib::BGP,
        "isis" => rib::ISIS,
        "ospf" => rib::OSPF,
        "rip" => rib::RIP,
        "eigrp" => rib::EIGRP,
        number => number.parse().map_err(|_| format!("{number} is no protocol"))?,
    };
    let refusal = match rest {
        ["unreachable"] => Refusal::Unreachable,
        ["prohibit"] => Refusal::Prohibited,
        _ => Refusal::Silent,
    };
    let hops = match rest {
        ["gone"] => None,
        [] | ["blackhole" | "unreachable" | "prohibit"] => Some(Vec::new()),
        ["via", hops @ ..] => {
            let hop = |pair: &[&str]| {
                let gateway = pair.get(1).map(|gateway| gateway.parse()).transpose();
                let gateway = gateway.map_err(|_| "via NETDEV GATEWAY …")?;
                Ok(KernelHop { device: pair[0].into(), gateway, weight: 1 })
            };
            Some(hops.chunks(2).map(hop).collect::<Result<_, &str>>()?)
        }
        _ => return Err("via NETDEV GATEWAY …, blackhole, unreachable, prohibit, gone, or nothing".into()),
    };
    world.feed(Input::Routes(vec![KernelRoute {
        prefix: prefix.parse().map_err(|_| format!("{prefix} is no prefix"))?,
        protocol,
        metric: metric.parse().map_err(|_| format!("{metric} is no metric"))?,
        hops,
        refusal,
    }]));
    Ok(())
}

/// `1200 bgp 0 via vlan10 10.0.10.2`
fn routes(world: &mut World, text: &str) -> Result<(), String> {
    let (count, rest) = text.split_once(' ').ok_or("routes N PROTOCOL METRIC …")?;
    let count: u32 = count.parse().map_err(|_| format!("{count} is no number"))?;
    (0..count).try_for_each(|n| route(world, &format!("{}/24 {rest}", Ipv4Addr::from(0x1400_0000 + (n << 8)))))
}

/// `veth0 10/5 a>b => veth1`
fn frame(world: &mut World, text: &str) -> Result<(), String> {
    let (frame, wanted) = text.split_once("=>").map_or((text, None), |(frame, wanted)| (frame, Some(wanted.trim())));
    let words: Vec<&str> = frame.split_whitespace().collect();
    let (device, tag, ends) = match words[..] {
        [device, ends] => (device, None, ends),
        [device, tag, ends] => (device, Some(tag), ends),
        _ => return Err("frame NETDEV [VID[/PCP]] SOURCE>DESTINATION".into()),
    };
    let (from, to) = ends.split_once('>').ok_or("SOURCE>DESTINATION")?;
    let mut bytes = [mac(to)?.0, mac(from)?.0].concat();
    if let Some(tag) = tag {
        let (vid, pcp) = tag.split_once('/').unwrap_or((tag, "0"));
        let number = |text: &str| text.parse::<u16>().map_err(|_| format!("{text} is no number"));
        bytes.extend([0x81, 0]);
        bytes.extend((number(vid)? & 0xfff | number(pcp)? << 13).to_be_bytes());
    }
    bytes.extend([0x88, 0xb5]);
    bytes.resize(64, 0);
    let out = world.frame(device, &bytes)?;
    let out = if out.is_empty() { "nothing" } else { &out };
    match wanted {
        Some(wanted) if wanted != out => Err(format!("=> {out}")),
        _ => Ok(()),
    }
}

fn packet(world: &mut World, text: &str) -> Result<(), String> {
    let (words, wanted) = text.split_once("=>").map_or((text, None), |(frame, wanted)| (frame, Some(wanted.trim())));
    let words: Vec<&str> = words.split_whitespace().collect();
    let (device, words) = words.split_first().ok_or("packet NETDEV …")?;
    let out = world.frame(device, &speech::frame(words, &mac)?)?;
    let out = if out.is_empty() { "nothing" } else { &out };
    match wanted {
        Some(wanted) if wanted != out => Err(format!("=> {out}")),
        _ => Ok(()),
    }
}

/// `a`…`z` are stations, `*` everybody, `g` a group; or an address.
fn mac(name: &str) -> Result<Mac, String> {
    match name.as_bytes() {
        b"*" => Ok(Mac::BROADCAST),
        b"g" => Ok(Mac([0x01, 0x00, 0x5e, 0, 0, 1])),
        [letter @ b'a'..=b'z'] => Ok(Mac([2, 0, 0, 0, 0, *letter])),
        _ => name.parse().map_err(|why| format!("{name}: {why}")),
    }
}
