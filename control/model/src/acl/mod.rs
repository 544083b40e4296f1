//! Access lists as the operator wrote them: `access-list N …`, `ip access-list …`, `ipv6 access-list …`, `mac access-list …`,
//! and where interfaces use them.

pub mod names;
mod text;

pub use text::protocol;

use ipnet::Ipv6Net;
use mona_wire::Mac;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// Lines a list may have, remarks among them: as many as workers take.
pub const LINES: usize = 4096;
/// Entries all lists may have together: each has a counter at each worker.
pub const ENTRIES: usize = 65_536;
/// Between numbers that nobody chose, and before the first.
pub const STEP: u32 = 10;
/// The largest sequence number.
pub const LAST: u32 = 2_147_483_647;

/// What a list looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListKind {
    /// IPv4, the source alone.
    Standard,
    /// IPv4.
    Extended,
    /// IPv6.
    Ip6,
    /// What is no IP.
    Mac,
}

/// A list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessList {
    /// What it looks at.
    pub kind: ListKind,
    /// Its lines by sequence number.
    pub lines: BTreeMap<u32, Line>,
}

/// A line of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Line {
    /// `remark LINE`
    Remark(String),
    /// `permit …`, `deny …`
    Entry(Entry),
}

/// `permit …`, `deny …`. What is not said is everything; a standard list says no more than the source.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Entry {
    /// `permit`
    pub permit: bool,
    /// The protocol's number; none: `ip`, `ipv6`.
    pub protocol: Option<u8>,
    /// The source.
    pub src: Address,
    /// Its port.
    pub sport: Option<Ports>,
    /// The destination.
    pub dst: Address,
    /// Its port.
    pub dport: Option<Ports>,
    /// `established`, `match-any +syn …`
    pub flags: Option<Flags>,
    /// Type, and perhaps code.
    pub icmp: Option<(u8, Option<u8>)>,
    /// EtherType and the bits of it that do not matter.
    pub ethertype: Option<(u16, u16)>,
    /// `cos N`: the priority in the tag.
    pub cos: Option<u8>,
    /// `fragments`: those that are not the first.
    pub fragments: bool,
    /// `dscp N`
    pub dscp: Option<u8>,
    /// `precedence N`
    pub precedence: Option<u8>,
    /// `tos N`
    pub tos: Option<u8>,
    /// `log`
    pub log: Log,
}

/// An address with the bits of it that do not matter. Those are zero in the address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Address {
    /// `any`
    #[default]
    Any,
    /// `A WILDCARD`; `host A` without any.
    Ip(Ipv4Addr, Ipv4Addr),
    /// `P/L`; `host A` of full length.
    Ip6(Ipv6Net),
    /// `H.H.H MASK`, `host H.H.H`
    Mac(Mac, Mac),
}

/// `eq`, `gt`, `lt`, `neq`, `range`
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ports {
    /// This one.
    Eq(u16),
    /// All above.
    Gt(u16),
    /// All below.
    Lt(u16),
    /// All others.
    Neq(u16),
    /// From the first to the last.
    Range(u16, u16),
}

/// Flags of TCP, by their bits in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Flags {
    /// `match-all`; else one suffices.
    pub all: bool,
    /// `+ack`
    pub set: u8,
    /// `-ack`
    pub clear: u8,
}

impl Flags {
    /// `established`: ACK or RST.
    pub const ESTABLISHED: Flags = Flags { all: false, set: 0x14, clear: 0 };
}

/// Is what fits logged?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Log {
    /// No.
    #[default]
    No,
    /// `log`
    Log,
    /// `log-input`: with the interface and the source's MAC.
    Input,
}

/// The lists of an interface; of some that do not exist nothing is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filters {
    /// `ip access-group NAME in|out`
    pub ip: Ways,
    /// `ipv6 traffic-filter NAME in|out`
    pub ipv6: Ways,
    /// `mac access-group NAME in|out`
    pub mac: Ways,
}

/// The list of each way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ways {
    /// Of frames that come in.
    pub inward: Option<String>,
    /// Of frames that leave.
    pub outward: Option<String>,
}

impl ListKind {
    /// The words before the name.
    pub const fn head(self) -> &'static str {
        match self {
            ListKind::Standard => "ip access-list standard",
            ListKind::Extended => "ip access-list extended",
            ListKind::Ip6 => "ipv6 access-list",
            ListKind::Mac => "mac access-list extended",
        }
    }

    /// What IOS calls such a list.
    pub const fn noun(self) -> &'static str {
        match self {
            ListKind::Standard => "Standard IP access list",
            ListKind::Extended => "Extended IP access list",
            ListKind::Ip6 => "IPv6 access list",
            ListKind::Mac => "Extended MAC access list",
        }
    }

    /// All of them.
    pub const ALL: [ListKind; 4] = [ListKind::Standard, ListKind::Extended, ListKind::Mac, ListKind::Ip6];

    /// The kind of a numbered list.
    pub const fn of_number(number: u32) -> Option<ListKind> {
        match number {
            1..=99 | 1300..=1999 => Some(ListKind::Standard),
            100..=199 | 2000..=2699 => Some(ListKind::Extended),
            700..=799 => Some(ListKind::Mac),
            _ => None,
        }
    }

    /// May a list of the kind have this name? A number says of what kind a list is, a name begins with a letter.
    pub fn takes(self, name: &str) -> bool {
        match name.parse().ok().filter(|_| name.starts_with(|c: char| c.is_ascii_digit())) {
            Some(number) => ListKind::of_number(number) == Some(self) && number.to_string() == name,
            None => name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().count() <= 64,
        }
    }
}

/// The number of a numbered list.
pub fn number(name: &str) -> Option<u32> {
    name.parse().ok().filter(|number| ListKind::of_number(*number).is_some())
}

impl AccessList {
    /// One without lines.
    pub fn new(kind: ListKind) -> AccessList {
        AccessList { kind, lines: BTreeMap::new() }
    }

    /// Its entries in order.
    pub fn entries(&self) -> impl Iterator<Item = (u32, &Entry)> {
        self.lines.iter().filter_map(|(sequence, line)| match line {
            Line::Entry(entry) => Some((*sequence, entry)),
            Line::Remark(_) => None,
        })
    }

    /// The number that the next line gets without saying one; `None`: there is none left.
    pub fn next(&self) -> Option<u32> {
        let last = self.lines.last_key_value().map_or(0, |(sequence, _)| *sequence);
        last.checked_add(STEP).filter(|next| *next <= LAST)
    }
}

impl Address {
    /// With the bits that do not matter zero, and `any` where none matters.
    pub fn ip(address: Ipv4Addr, wildcard: Ipv4Addr) -> Address {
        match wildcard {
            Ipv4Addr::BROADCAST => Address::Any,
            _ => Address::Ip(address & !wildcard, wildcard),
        }
    }

    /// The prefix without its host part.
    pub fn ip6(prefix: Ipv6Net) -> Address {
        if prefix.prefix_len() == 0 { Address::Any } else { Address::Ip6(prefix.trunc()) }
    }

    /// As [`Address::ip`].
    pub fn mac(address: Mac, wildcard: Mac) -> Address {
        let mut bytes = address.0;
        bytes.iter_mut().zip(wildcard.0).for_each(|(byte, wild)| *byte &= !wild);
        if wildcard == Mac::BROADCAST { Address::Any } else { Address::Mac(Mac(bytes), wildcard) }
    }
}
