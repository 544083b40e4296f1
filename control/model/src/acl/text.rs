//! Lines of access lists as IOS writes them, in the configuration and in `show access-lists`.

use super::names::{self, FLAGS, Names};
use super::{AccessList, Address, Entry, Flags, Line, ListKind, Log, Ports, STEP};
use mona_wire::Mac;
use mona_wire::ip::{TCP, UDP};
use std::net::Ipv4Addr;

impl AccessList {
    /// Its lines as the configuration has them, without the head. A number stands where the line would get another by
    /// itself.
    pub fn text(&self) -> Vec<String> {
        let mut last = 0;
        let numbered = self.lines.iter().map(|(sequence, line)| {
            let before = match *sequence == last + STEP {
                true => String::new(),
                false if self.kind == ListKind::Ip6 => format!("sequence {sequence} "),
                false => format!("{sequence} "),
            };
            last = *sequence;
            format!("{before}{}", line.text(self.kind))
        });
        numbered.collect()
    }

    /// Would its lines get their numbers by themselves?
    pub fn is_plain(&self) -> bool {
        self.lines.keys().zip(1..).all(|(sequence, at)| *sequence == STEP * at)
    }
}

impl Line {
    /// The line of a list of the kind.
    pub fn text(&self, kind: ListKind) -> String {
        match self {
            Line::Remark(text) => format!("remark {text}"),
            Line::Entry(entry) => entry.text(kind),
        }
    }

    /// The same behind `access-list N`, where that can say it.
    pub fn in_line(&self, kind: ListKind) -> Option<String> {
        match self {
            Line::Entry(entry) => entry.in_line(kind),
            Line::Remark(_) => Some(self.text(kind)),
        }
    }
}

impl Entry {
    /// `permit tcp any host 10.0.0.1 eq www`
    pub fn text(&self, kind: ListKind) -> String {
        match kind {
            ListKind::Standard => format!("{}{}{}", self.action(kind), self.source(), self.logged()),
            _ => self.long(kind),
        }
    }

    /// As `show access-lists` has it: a standard list's wildcard is explained there.
    pub fn shown(&self, kind: ListKind) -> String {
        match (kind, self.src) {
            (ListKind::Standard, Address::Ip(address, wildcard)) if wildcard != Ipv4Addr::UNSPECIFIED => {
                format!("{}{address}, wildcard bits {wildcard}{}", self.action(kind), self.logged())
            }
            _ => self.text(kind),
        }
    }

    fn action(&self, kind: ListKind) -> &'static str {
        match (self.permit, kind) {
            (true, _) => "permit ",
            (false, ListKind::Ip6) => "deny ",
            // IOS writes the addresses of both one below the other.
            (false, _) => "deny   ",
        }
    }

    fn source(&self) -> String {
        match self.src {
            Address::Ip(address, Ipv4Addr::UNSPECIFIED) => address.to_string(),
            other => address(other),
        }
    }

    /// As [`Line::in_line`]: of MACs `permit 0011.2233.4455 0000.0000.0000`, of frames from there, whatever else is in them.
    pub fn in_line(&self, kind: ListKind) -> Option<String> {
        if kind != ListKind::Mac {
            return Some(self.text(kind));
        }
        let (address, wildcard) = match self.src {
            Address::Any => (Mac::ZERO, Mac::BROADCAST),
            Address::Mac(address, wildcard) => (address, wildcard),
            Address::Ip(..) | Address::Ip6(_) => return None,
        };
        let alone = Entry { permit: self.permit, src: self.src, ..Entry::default() };
        (alone == *self).then(|| format!("{}{address} {wildcard}", self.action(kind)))
    }

    fn logged(&self) -> &'static str {
        match self.log {
            Log::No => "",
            Log::Log => " log",
            Log::Input => " log-input",
        }
    }

    fn long(&self, kind: ListKind) -> String {
        let mut words: Vec<String> = Vec::new();
        if kind != ListKind::Mac {
            words.push(protocol(kind, self.protocol));
        }
        words.push(address(self.src));
        words.extend(self.sport.map(|it| ports(port_names(self.protocol), it)));
        words.push(address(self.dst));
        words.extend(self.dport.map(|it| ports(port_names(self.protocol), it)));
        words.extend(self.icmp.map(|(number, code)| icmp(kind, number, code)));
        words.extend(self.ethertype.map(|(value, mask)| ethertype(value, mask)));
        words.extend(self.cos.map(|cos| format!("cos {cos}")));
        words.extend(self.flags.map(flags));
        words.extend(self.fragments.then(|| "fragments".to_string()));
        words.extend(self.dscp.map(|it| format!("dscp {}", names::DSCP.print(it.into()))));
        words.extend(self.precedence.map(|it| format!("precedence {}", names::PRECEDENCE.print(it.into()))));
        words.extend(self.tos.map(|it| format!("tos {}", names::TOS.print(it.into()))));
        format!("{}{}{}", self.action(kind), words.join(" "), self.logged())
    }
}

fn address(address: Address) -> String {
    match address {
        Address::Any => "any".into(),
        Address::Ip(address, Ipv4Addr::UNSPECIFIED) => format!("host {address}"),
        Address::Ip(address, wildcard) => format!("{address} {wildcard}"),
        Address::Ip6(prefix) if prefix.prefix_len() == 128 => {
            format!("host {}", prefix.addr().to_string().to_ascii_uppercase())
        }
        Address::Ip6(prefix) => prefix.to_string().to_ascii_uppercase(),
        Address::Mac(address, Mac::ZERO) => format!("host {address}"),
        Address::Mac(address, wildcard) => format!("{address} {wildcard}"),
    }
}

/// The name of a protocol in lists of the kind.
pub fn protocol(kind: ListKind, number: Option<u8>) -> String {
    let names = if kind == ListKind::Ip6 { &names::IP6_PROTOCOLS } else { &names::IP_PROTOCOLS };
    match number {
        Some(TCP) => "tcp".into(),
        Some(UDP) => "udp".into(),
        Some(icmp) if icmp == names::icmp_of(kind) => "icmp".into(),
        other => names.print(other.map_or(names::ANY, u32::from)),
    }
}

fn port_names(protocol: Option<u8>) -> &'static Names {
    if protocol == Some(UDP) { &names::UDP_PORTS } else { &names::TCP_PORTS }
}

fn ports(names: &Names, ports: Ports) -> String {
    let name = |port: u16| names.print(port.into());
    match ports {
        Ports::Eq(port) => format!("eq {}", name(port)),
        Ports::Gt(port) => format!("gt {}", name(port)),
        Ports::Lt(port) => format!("lt {}", name(port)),
        Ports::Neq(port) => format!("neq {}", name(port)),
        Ports::Range(low, high) => format!("range {} {}", name(low), name(high)),
    }
}

fn icmp(kind: ListKind, number: u8, code: Option<u8>) -> String {
    let names = if kind == ListKind::Ip6 { &names::ICMPV6 } else { &names::ICMP };
    let message = names::message(number, code);
    match names.names.iter().find(|(_, other, _)| *other == message) {
        Some((name, ..)) => name.to_string(),
        None => code.map_or_else(|| number.to_string(), |code| format!("{number} {code}")),
    }
}

fn ethertype(value: u16, mask: u16) -> String {
    match names::ETHERTYPES.names.iter().find(|(_, other, _)| (*other, mask) == (value.into(), 0)) {
        Some((name, ..)) => name.to_string(),
        None => format!("{value:#x} {mask:#x}"),
    }
}

fn flags(flags: Flags) -> String {
    if flags == Flags::ESTABLISHED {
        return "established".into();
    }
    let plain = !flags.all && flags.clear == 0;
    let mut words: Vec<String> = Vec::new();
    if !plain {
        words.push(if flags.all { "match-all" } else { "match-any" }.into());
    }
    for (name, bit) in FLAGS {
        let sign = if plain { "" } else { "+" };
        words.extend((flags.set & bit != 0).then(|| format!("{sign}{name}")));
        words.extend((flags.clear & bit != 0).then(|| format!("-{name}")));
    }
    words.join(" ")
}
