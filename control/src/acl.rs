//! Access lists on their way to workers: a counter for each line, the lists compiled once as long as they stay the same, and
//! the log of what lines had logged.

use crate::log::Log;
use mona_datapath::acl::{Acl, Family, Filters, Flags, Key, Masked, Ports, Rule, UNCOUNTED};
use mona_datapath::stats::SLOTS;
use mona_model::acl::names::icmp_of;
use mona_model::acl::{self, AccessList, Address, Entry, ListKind};
use mona_model::config::{Config, InterfaceConfig};
use mona_model::names::InterfaceName;
use mona_wire::{Eth, Instant};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

/// How often a flow that goes on is logged, as on IOS.
const AGAIN: Duration = Duration::from_secs(300);
/// Flows that are remembered at once, so that they are not logged frame by frame.
const FLOWS: usize = 1024;
/// Lines logged per second: a scan is not to drive everything else out of the log.
const PER_SECOND: u32 = 10;

/// What control knows of access lists besides what the operator said.
#[derive(Clone, Debug, Default)]
pub struct Lists {
    /// The counters by list and entry: whatever is edited around it, an entry keeps its own.
    slots: BTreeMap<String, BTreeMap<Entry, u32>>,
    /// Whose they are.
    lines: BTreeMap<u32, (String, Entry)>,
    /// Counters nobody has, below the lowest that nobody ever had.
    free: BTreeSet<u32>,
    next: u32,
    /// What workers have of each list, and what that was made of.
    compiled: BTreeMap<String, (AccessList, Arc<Acl>)>,
    flows: BTreeMap<Flow, Logged>,
    /// The second that is now, and how many lines were logged in it.
    second: (u64, u32),
    /// Frames not logged because too much was.
    missed: u64,
    missed_logged: Option<Instant>,
}

/// What is logged as one.
type Flow = (u32, Vec<u8>);

#[derive(Clone, Debug)]
struct Logged {
    at: Instant,
    more: u64,
}

impl Lists {
    /// Gives every entry a counter and compiles what changed. Returns the counters that have a new owner: they start from
    /// zero.
    pub fn configure(&mut self, config: &Config) -> Vec<u32> {
        let lists = &config.access_lists;
        let gone: Vec<String> = self.compiled.keys().filter(|name| !lists.contains_key(*name)).cloned().collect();
        for name in gone {
            self.compiled.remove(&name);
            self.release(self.slots.get(&name).cloned().unwrap_or_default());
            self.slots.remove(&name);
        }
        let mut fresh = Vec::new();
        for (name, list) in lists {
            if self.compiled.get(name).is_some_and(|(old, _)| old == list) {
                continue;
            }
            let mut old = self.slots.remove(name).unwrap_or_default();
            let mut slots: BTreeMap<Entry, u32> =
                list.entries().filter_map(|(_, entry)| old.remove_entry(entry)).collect();
            self.release(old);
            for (_, entry) in list.entries() {
                if !slots.contains_key(entry)
                    && let Some(slot) = self.take()
                {
                    slots.insert(entry.clone(), slot);
                    self.lines.insert(slot, (name.clone(), entry.clone()));
                    fresh.push(slot);
                }
            }
            let slot = |entry| slots.get(entry).copied().unwrap_or(UNCOUNTED);
            let rules = list.entries().map(|(_, entry)| rule(list.kind, entry, slot(entry)));
            // The model lets no list become longer than workers take.
            if let Ok(acl) = Acl::compile(rules.chain(unwritten(list.kind)).collect()) {
                self.compiled.insert(name.clone(), (list.clone(), Arc::new(acl)));
            }
            self.slots.insert(name.clone(), slots);
        }
        fresh
    }

    fn release(&mut self, slots: BTreeMap<Entry, u32>) {
        for slot in slots.into_values() {
            self.lines.remove(&slot);
            self.free.insert(slot);
            // Nobody's flows are to be taken for the next owner's.
            self.flows.retain(|(other, _), _| *other != slot);
        }
    }

    fn take(&mut self) -> Option<u32> {
        self.free.pop_first().or_else(|| {
            let slot = self.next;
            self.next += u32::from((slot as usize) < SLOTS);
            ((slot as usize) < SLOTS).then_some(slot)
        })
    }

    /// The counter of an entry.
    pub fn slot(&self, list: &str, entry: &Entry) -> u32 {
        self.slots.get(list).and_then(|slots| slots.get(entry)).copied().unwrap_or(UNCOUNTED)
    }

    /// The list and the entry that a counter belongs to.
    pub fn line(&self, slot: u32) -> Option<&(String, Entry)> {
        self.lines.get(&slot)
    }

    /// All counters, or those of one list.
    pub fn counters(&self, only: Option<&str>) -> Vec<u32> {
        let chosen = self.slots.iter().filter(|(name, _)| only.is_none_or(|only| only == *name));
        chosen.flat_map(|(_, slots)| slots.values().copied()).collect()
    }

    /// The lists of an interface for frames that come in, and for those that leave. One that does not exist, or has no
    /// entry, lets everything pass (as on IOS).
    pub fn filters(&self, interface: &InterfaceConfig) -> [Option<Arc<Filters>>; 2] {
        let of = &interface.filters;
        [|ways: &acl::Ways| ways.inward.clone(), |ways: &acl::Ways| ways.outward.clone()].map(|way| {
            let find = |name: Option<String>, fits: fn(ListKind) -> bool| {
                let (list, acl) = self.compiled.get(&name?)?;
                (fits(list.kind) && list.entries().next().is_some()).then(|| acl.clone())
            };
            let ip4 = find(way(&of.ip), |kind| matches!(kind, ListKind::Standard | ListKind::Extended));
            let ip6 = find(way(&of.ipv6), |kind| kind == ListKind::Ip6);
            Filters { ip4, ip6, mac: find(way(&of.mac), |kind| kind == ListKind::Mac) }.some()
        })
    }

    /// A line decided about this frame, and is to be logged: the first of a flow at once, what follows in sums.
    pub fn logged(
        &mut self,
        now: Instant,
        slot: u32,
        input: Option<InterfaceName>,
        frame: &[u8],
        config: &Config,
        log: &mut Log,
    ) {
        let Some((name, entry)) = self.lines.get(&slot) else { return };
        let Some(list) = config.access_lists.get(name) else { return };
        let Some(sequence) = list.entries().find(|(_, other)| *other == entry).map(|(sequence, _)| sequence) else {
            return;
        };
        let Some(eth) = Eth::parse(frame) else { return };
        let family = if list.kind == ListKind::Ip6 { Family::Ip6 } else { Family::Ip4 };
        let Some(key) = Key::read(&eth, frame).ok().filter(|key| key.family == family) else { return };
        let flow = (slot, flow(list.kind, &key));
        if let Some(known) = self.flows.get_mut(&flow)
            && now.since(known.at) < AGAIN
        {
            known.more += 1;
            return;
        }
        if self.flows.len() >= FLOWS && !self.flows.contains_key(&flow) {
            self.flows.retain(|_, known| now.since(known.at) < AGAIN);
        }
        let second = now.as_secs();
        if self.second.0 != second {
            self.second = (second, 0);
        }
        if self.second.1 >= PER_SECOND || self.flows.len() >= FLOWS {
            self.missed += 1;
            return;
        }
        self.second.1 += 1;
        let packets = 1 + self.flows.insert(flow, Logged { at: now, more: 0 }).map_or(0, |known| known.more);
        let input = input.filter(|_| entry.log == acl::Log::Input);
        let input = input.map(|name| format!(" ({name} {})", eth.src)).unwrap_or_default();
        let (tag, text) = message(name, sequence, list.kind, entry.permit, &key, &input, packets);
        log.add(now, tag, &text);
        let due = self.missed_logged.is_none_or(|last| now.since(last) >= AGAIN);
        if self.missed > 0 && due {
            let missed = std::mem::take(&mut self.missed);
            self.missed_logged = Some(now);
            let text = format!(
                "access-list logging rate-limited or missed {missed} packet{}",
                if missed == 1 { "" } else { "s" }
            );
            log.add(now, "%SEC-6-IPACCESSLOGRL", &text);
        }
    }
}

/// What makes two packets one flow in the log of a list.
fn flow(kind: ListKind, key: &Key) -> Vec<u8> {
    let (src, dst) = key.addresses();
    match kind {
        ListKind::Standard => src.to_vec(),
        _ => [src, dst, &[key.protocol()], &key.icmp(), &key.ports[0].to_be_bytes(), &key.ports[1].to_be_bytes()]
            .concat(),
    }
}

/// IOS's tag and text.
fn message(
    name: &str,
    sequence: u32,
    kind: ListKind,
    permit: bool,
    key: &Key,
    input: &str,
    packets: u64,
) -> (&'static str, String) {
    let action = if permit { "permitted" } else { "denied" };
    let packets = format!("{packets} packet{}", if packets == 1 { "" } else { "s" });
    let (src, dst) = key.addresses();
    let (src, dst) = (address(src), address(dst));
    let protocol = acl::protocol(kind, Some(key.protocol()));
    let list = if kind == ListKind::Ip6 { format!("list {name}/{sequence}") } else { format!("list {name}") };
    let protocol = if protocol == "icmp" && kind == ListKind::Ip6 { "icmpv6".into() } else { protocol };
    let ([sport, dport], [number, code]) = (key.ports, key.icmp());
    let six = kind == ListKind::Ip6;
    match protocol.as_str() {
        _ if kind == ListKind::Standard => ("%SEC-6-IPACCESSLOGS", format!("{list} {action} {src} {packets}")),
        "tcp" | "udp" if !key.is_later_fragment() => (
            if six { "%IPV6_ACL-6-ACCESSLOGP" } else { "%SEC-6-IPACCESSLOGP" },
            format!("{list} {action} {protocol} {src}({sport}){input} -> {dst}({dport}), {packets}"),
        ),
        "icmp" | "icmpv6" if !key.is_later_fragment() => (
            if six { "%IPV6_ACL-6-ACCESSLOGDP" } else { "%SEC-6-IPACCESSLOGDP" },
            format!("{list} {action} {protocol} {src}{input} -> {dst} ({number}/{code}), {packets}"),
        ),
        _ => (
            if six { "%IPV6_ACL-6-ACCESSLOGNP" } else { "%SEC-6-IPACCESSLOGNP" },
            format!("{list} {action} {} {src}{input} -> {dst}, {packets}", key.protocol()),
        ),
    }
}

fn address(bytes: &[u8]) -> String {
    match bytes.len() {
        4 => bytes.first_chunk().map(|ip: &[u8; 4]| Ipv4Addr::from(*ip).to_string()),
        _ => bytes.first_chunk().map(|ip: &[u8; 16]| Ipv6Addr::from(*ip).to_string().to_ascii_uppercase()),
    }
    .unwrap_or_default()
}

/// What stands behind the lines of a list of IPv6 before the last word: neighbour discovery goes on (as on IOS).
fn unwritten(kind: ListKind) -> Vec<Rule> {
    let discovery = |message| Rule {
        permit: true,
        slot: UNCOUNTED,
        protocol: Some(icmp_of(kind)),
        icmp: Some((message, None)),
        ..Rule::default()
    };
    if kind == ListKind::Ip6 { [136, 135].map(discovery).to_vec() } else { Vec::new() }
}

fn rule(kind: ListKind, entry: &Entry, slot: u32) -> Rule {
    // A list of IPv4 shows its byte of service, one of MACs the priority of the tag.
    let (mut tos, mut mask) = (0, 0);
    let mut say = |value: Option<u8>, shift: u8, bits: u8| {
        if let Some(value) = value {
            tos |= value << shift;
            mask |= bits;
        }
    };
    say(entry.dscp, 2, 0xfc);
    say(entry.precedence, 5, 0xe0);
    say(entry.tos, 1, 0x1e);
    say(entry.cos, 0, 0x07);
    Rule {
        permit: entry.permit,
        log: entry.log != acl::Log::No && kind != ListKind::Mac,
        slot,
        src: masked(entry.src),
        dst: masked(entry.dst),
        ethertype: entry
            .ethertype
            .map(|(value, wild)| Masked::new(&value.to_be_bytes(), &(!wild).to_be_bytes()))
            .unwrap_or_default(),
        protocol: entry.protocol,
        tos: Masked::new(&[tos], &[mask]),
        sport: entry.sport.map(ports),
        dport: entry.dport.map(ports),
        flags: entry.flags.map(|acl::Flags { all, set, clear }| Flags { all, set, clear }),
        icmp: entry.icmp,
        fragments: entry.fragments,
    }
}

fn masked(address: Address) -> Masked<16> {
    match address {
        Address::Any => Masked::default(),
        Address::Ip(ip, wildcard) => Masked::new(&ip.octets(), &(!wildcard).octets()),
        Address::Ip6(prefix) => Masked::new(&prefix.addr().octets(), &prefix.netmask().octets()),
        Address::Mac(mac, wildcard) => Masked::new(&mac.0, &wildcard.0.map(|byte| !byte)),
    }
}

fn ports(ports: acl::Ports) -> Ports {
    let run = |low, high| Ports { low, high, not: false };
    match ports {
        acl::Ports::Eq(port) => run(port, port),
        acl::Ports::Gt(port) => port.checked_add(1).map_or(run(1, 0), |low| run(low, u16::MAX)),
        acl::Ports::Lt(port) => port.checked_sub(1).map_or(run(1, 0), |high| run(0, high)),
        acl::Ports::Neq(port) => Ports { low: port, high: port, not: true },
        acl::Ports::Range(low, high) => run(low, high),
    }
}

/// The family whose lists are bound by these words.
pub fn command(family: Family) -> &'static str {
    match family {
        Family::Ip4 => "ip access-group",
        Family::Ip6 => "ipv6 traffic-filter",
        Family::Mac => "mac access-group",
    }
}

/// The configuration lines of an entry.
pub fn cite(config: &Config, name: &str, entry: &Entry) -> Vec<String> {
    let Some(list) = config.access_lists.get(name) else { return Vec::new() };
    let text = entry.text(list.kind);
    let alone =
        acl::number(name).and_then(|number| Some(format!("access-list {number} {}", entry.in_line(list.kind)?)));
    match alone {
        Some(line) => vec![line],
        None => vec![format!("{} {name}", list.kind.head()), format!(" {text}")],
    }
}
