//! An entry of an access list out of the arguments of its line.

use super::Rejected;
use crate::acl::names::{self, FLAGS, of_message};
use crate::acl::{Address, Entry, Flags, ListKind, Log, Ports};
use crate::args::Args;
use ipnet::Ipv6Net;
use mona_wire::Mac;
use mona_wire::ip::{TCP, UDP};
use std::net::Ipv4Addr;

/// The entry that the line says.
pub(super) fn of(kind: ListKind, args: &Args) -> Result<Entry, Rejected> {
    let protocol = match args.word("protocol").as_deref() {
        Some("tcp") => Some(TCP),
        Some("udp") => Some(UDP),
        Some(_) => Some(names::icmp_of(kind)),
        None => args.number("protocol").and_then(|number| u8::try_from(number).ok()),
    };
    let small = |name: &str| args.number(name).map(|number| number as u8);
    let ethertype =
        args.number("type").map(|it| (it, 0)).or(args.number("ethertype").zip(args.number("type-wildcard")));
    let entry = Entry {
        permit: args.word("action").as_deref() == Some("permit"),
        protocol,
        src: address(kind, args, ["src", "src-wildcard"]),
        sport: ports(args, ["sport-op", "sport", "sport-low", "sport-high"])?,
        dst: address(kind, args, ["dst", "dst-wildcard"]),
        dport: ports(args, ["dport-op", "dport", "dport-low", "dport-high"])?,
        flags: flags(args),
        icmp: match (args.number("icmp").map(of_message), small("code")) {
            (Some((_, Some(_))), Some(_)) => return Err("The message's name says its code already".into()),
            (message, code) => message.map(|(kind, own)| (kind, own.or(code))),
        },
        ethertype: ethertype.map(|(value, wild)| ((value & !wild) as u16, wild as u16)),
        cos: small("cos"),
        fragments: args.has("fragments"),
        dscp: small("dscp"),
        precedence: small("precedence"),
        tos: small("tos"),
        log: match args.word("log").as_deref() {
            None => Log::No,
            Some("log") => Log::Log,
            Some(_) => Log::Input,
        },
    };
    let beyond = entry.sport.is_some() || entry.dport.is_some() || entry.flags.is_some() || entry.icmp.is_some();
    match entry.fragments && beyond {
        true => Err("A fragment that is not the first has no ports, flags or message: leave them out".into()),
        false => Ok(entry),
    }
}

/// What is neither named nor numbered is any: so the line is said.
fn address(kind: ListKind, args: &Args, [name, wildcard]: [&str; 2]) -> Address {
    let address = match kind {
        ListKind::Standard | ListKind::Extended => {
            args.ip(name).map(|ip| Address::ip(ip, args.ip(wildcard).unwrap_or(Ipv4Addr::UNSPECIFIED)))
        }
        ListKind::Ip6 => {
            let host = || args.ip6(name).map(Ipv6Net::from);
            args.prefix6(name).or_else(host).map(Address::ip6)
        }
        ListKind::Mac => args.mac(name).map(|mac| Address::mac(mac, args.mac(wildcard).unwrap_or(Mac::ZERO))),
    };
    address.unwrap_or_default()
}

fn ports(args: &Args, [op, one, low, high]: [&str; 4]) -> Result<Option<Ports>, Rejected> {
    let port = |name| args.number(name).map(|port| port as u16);
    if let (Some(low), Some(high)) = (port(low), port(high)) {
        return Ok(Some(Ports::Range(low.min(high), low.max(high))));
    }
    Ok(match (args.word(op).as_deref(), port(one)) {
        (Some("gt"), Some(u16::MAX)) | (Some("lt"), Some(0)) => return Err("There is no such port".into()),
        (Some("gt"), Some(port)) => Some(Ports::Gt(port)),
        (Some("lt"), Some(port)) => Some(Ports::Lt(port)),
        (Some("neq"), Some(port)) => Some(Ports::Neq(port)),
        (_, port) => port.map(Ports::Eq),
    })
}

fn flags(args: &Args) -> Option<Flags> {
    let mut flags = Flags { all: args.word("match").as_deref() == Some("match-all"), set: 0, clear: 0 };
    let bit = |word: &str| FLAGS.iter().find(|(name, _)| *name == word).map_or(0, |(_, bit)| *bit);
    for word in args.words("flag") {
        match (word, word.strip_prefix('-')) {
            ("established", _) => flags = Flags::ESTABLISHED,
            (_, Some(clear)) => flags.clear |= bit(clear),
            (word, None) => flags.set |= bit(word.trim_start_matches('+')),
        }
    }
    (flags.set | flags.clear != 0).then_some(flags)
}
