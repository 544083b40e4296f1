//! The arguments of commands: their kinds, what each accepts, and the values that come out.

use crate::acl::names::{self, Names};
use crate::config::Config;
use crate::names::{InterfaceKind, InterfaceName, VlanSet};
use crate::text::{Delimiter, Text};
use ipnet::Ipv6Net;
use mona_wire::{Mac, VlanId};
use nom::Parser;
use nom::bytes::complete::tag;
use nom::character::complete::{digit1, multispace0};
use nom::combinator::{all_consuming, map_opt, map_res, opt};
use nom::multi::separated_list1;
use nom::sequence::{delimited, preceded};
use std::net::{Ipv4Addr, Ipv6Addr};

/// What an argument place accepts.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// 1..=4094
    Vlan,
    /// `1-5,7`
    Vlans,
    /// An interface name, or the name of a netdev that is bound to one; `?` offers these kinds. (Any other is refused with a
    /// sentence, by the row.)
    Interface(&'static [InterfaceKind]),
    /// `gi0/1 - 4, gi0/7`: the rest of the line.
    Range,
    /// H.H.H
    Mac,
    /// Anything without a blank.
    Word,
    /// The rest of the line.
    Line,
    /// A text between two of the same character, the rest of the line and of those that follow.
    Text,
    /// A decimal number in these bounds.
    Number(u32, u32),
    /// A hexadecimal number from 600 to ffff.
    Ethertype,
    /// Pairs of hexadecimal digits, the rest of the line.
    Hex,
    /// A.B.C.D
    Ip,
    /// A.B.C.D whose bits are ones, then zeros.
    Mask,
    /// X:X:X:X::X
    Ip6,
    /// X:X:X:X::X/<0-128>
    Prefix6,
    /// A hexadecimal number up to ffff, with 0x before it.
    Hex16,
    /// A decimal number, or one of the names for such.
    Named(&'static Names),
    /// One of these words, abbreviated or not.
    Choice(Vec<&'static str>),
}

/// The value of an argument.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of [`Kind::Vlan`].
    Vlan(VlanId),
    /// Of [`Kind::Vlans`].
    Vlans(VlanSet),
    /// Of [`Kind::Interface`].
    Interface(InterfaceName),
    /// Of [`Kind::Range`].
    Range(Vec<InterfaceName>),
    /// Of [`Kind::Mac`].
    Mac(Mac),
    /// Of [`Kind::Word`], [`Kind::Line`], [`Kind::Choice`].
    Word(String),
    /// Of [`Kind::Text`], between its delimiters.
    Text(String),
    /// Of [`Kind::Text`], if its end is still to come.
    Begun(Delimiter),
    /// Of [`Kind::Number`], [`Kind::Ethertype`], [`Kind::Hex16`], [`Kind::Named`].
    Number(u32),
    /// Of [`Kind::Hex`].
    Bytes(Vec<u8>),
    /// Of [`Kind::Ip`].
    Ip(Ipv4Addr),
    /// Of [`Kind::Mask`]: its length.
    Mask(u8),
    /// Of [`Kind::Ip6`].
    Ip6(Ipv6Addr),
    /// Of [`Kind::Prefix6`], with its host part.
    Prefix6(Ipv6Net),
}

/// The arguments of one line, by the names the syntax gives them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Args(pub(crate) Vec<(&'static str, Value)>);

macro_rules! getters {
    ($($name:ident $variant:ident $type:ty;)*) => { $(
        #[doc = concat!("The argument of that name, if it was given and is a ", stringify!($variant), ".")]
        pub fn $name(&self, name: &str) -> Option<$type> {
            self.0.iter().find_map(|(n, value)| match value {
                Value::$variant(v) if *n == name => Some(v.clone()),
                _ => None,
            })
        }
    )* };
}

impl Args {
    getters! {
        vlan Vlan VlanId;
        vlans Vlans VlanSet;
        interface Interface InterfaceName;
        range Range Vec<InterfaceName>;
        mac Mac Mac;
        word Word String;
        text Text String;
        number Number u32;
        bytes Bytes Vec<u8>;
        ip Ip Ipv4Addr;
        mask Mask u8;
        ip6 Ip6 Ipv6Addr;
        prefix6 Prefix6 Ipv6Net;
    }

    /// The words of that name, in the order they were given.
    pub fn words(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(move |(n, value)| match value {
            Value::Word(word) if *n == name => Some(word.as_str()),
            _ => None,
        })
    }

    /// What ends the text that is not at its end.
    pub(crate) fn begun(&self) -> Option<Delimiter> {
        self.0.iter().find_map(|(_, value)| if let Value::Begun(delimiter) = value { Some(*delimiter) } else { None })
    }

    /// Is one of them a text, which may have several lines?
    pub(crate) fn has_text(&self) -> bool {
        self.0.iter().any(|(_, value)| matches!(value, Value::Text(_) | Value::Begun(_)))
    }

    /// Was the word of this choice given?
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(n, _)| *n == name)
    }
}

impl Kind {
    /// The kind that a syntax names: `vlan`, `1-4094`, `access|trunk`.
    pub fn of(text: &'static str) -> Kind {
        if let Some((low, high)) = text.split_once('-')
            && let (Ok(low), Ok(high)) = (low.parse(), high.parse())
        {
            return Kind::Number(low, high);
        }
        match text {
            "vlan" => Kind::Vlan,
            "vlans" => Kind::Vlans,
            "interface" => Kind::Interface(&InterfaceKind::ALL),
            "loopback" => Kind::Interface(&[InterfaceKind::Loopback]),
            "port" => Kind::Interface(&[InterfaceKind::GigabitEthernet]),
            "range" => Kind::Range,
            "mac" => Kind::Mac,
            "word" => Kind::Word,
            "line" => Kind::Line,
            "text" => Kind::Text,
            "ethertype" => Kind::Ethertype,
            "hex" => Kind::Hex,
            "ip" => Kind::Ip,
            "mask" => Kind::Mask,
            "ip6" => Kind::Ip6,
            "prefix6" => Kind::Prefix6,
            "hex16" => Kind::Hex16,
            "ip-protocol" => Kind::Named(&names::IP_PROTOCOLS),
            "ip6-protocol" => Kind::Named(&names::IP6_PROTOCOLS),
            "tcp-port" => Kind::Named(&names::TCP_PORTS),
            "udp-port" => Kind::Named(&names::UDP_PORTS),
            "icmp-message" => Kind::Named(&names::ICMP),
            "icmp6-message" => Kind::Named(&names::ICMPV6),
            "dscp" => Kind::Named(&names::DSCP),
            "precedence" => Kind::Named(&names::PRECEDENCE),
            "tos" => Kind::Named(&names::TOS),
            "mac-type" => Kind::Named(&names::ETHERTYPES),
            words => Kind::Choice(words.split('|').collect()),
        }
    }

    /// How `?` shows the place.
    pub fn shown(&self) -> String {
        match self {
            Kind::Vlan => "<1-4094>".into(),
            Kind::Vlans | Kind::Word => "WORD".into(),
            Kind::Interface(_) | Kind::Range => self.offers()[0].word().into(),
            Kind::Mac => "H.H.H".into(),
            Kind::Line | Kind::Text => "LINE".into(),
            Kind::Number(low, high) => format!("<{low}-{high}>"),
            Kind::Ethertype => "<0x600-0xffff>".into(),
            Kind::Hex => "HH".into(),
            Kind::Ip | Kind::Mask => "A.B.C.D".into(),
            Kind::Ip6 => "X:X:X:X::X".into(),
            Kind::Prefix6 => "X:X:X:X::X/<0-128>".into(),
            Kind::Hex16 => "<0x0-0xFFFF>".into(),
            Kind::Named(names) => format!("<{}-{}>", names.low, names.high),
            Kind::Choice(words) => words.join("|"),
        }
    }

    /// The kinds of interfaces that `?` offers.
    pub(crate) fn offers(&self) -> &'static [InterfaceKind] {
        match self {
            Kind::Interface(kinds) => kinds,
            Kind::Range => &InterfaceKind::ALL,
            _ => &[],
        }
    }

    /// The words it takes.
    pub fn words(&self) -> impl Iterator<Item = &'static str> + use<'_> {
        let (choice, names) = match self {
            Kind::Choice(words) => (&words[..], None),
            Kind::Named(names) => (&[][..], Some(*names)),
            _ => (&[][..], None),
        };
        choice.iter().copied().chain(names.into_iter().flat_map(|names| names.all().map(|(word, ..)| *word)))
    }

    /// The value of one of [`Kind::words`].
    pub fn value_of(&self, word: &'static str) -> Option<Value> {
        match self {
            Kind::Choice(words) => words.contains(&word).then(|| Value::Word(word.into())),
            Kind::Named(names) => names.number(word).map(Value::Number),
            _ => None,
        }
    }

    /// Does it take the rest of the line, blanks and all?
    pub fn takes_rest(&self) -> bool {
        matches!(self, Kind::Line | Kind::Text | Kind::Range | Kind::Hex)
    }

    /// The value of `text`; `config` finds interfaces by their netdev. `None`: not of this kind.
    pub fn value(&self, text: &str, config: Option<&Config>) -> Option<Value> {
        match self {
            Kind::Vlan => vlan(text).map(Value::Vlan),
            Kind::Vlans => vlans(text).map(Value::Vlans),
            Kind::Interface(_) => interface(text, config).map(Value::Interface),
            Kind::Range => range(text, config).map(Value::Range),
            Kind::Mac => text.parse().ok().map(Value::Mac),
            Kind::Word => Some(Value::Word(text.into())),
            Kind::Line => Some(Value::Word(text.trim_end().into())),
            Kind::Text => Text::read(text).map(|text| match text {
                Text::Whole(text) => Value::Text(text),
                Text::Begun(delimiter) => Value::Begun(delimiter),
            }),
            Kind::Number(low, high) => within(*low, *high, text),
            Kind::Named(names) => within(names.low, names.high, text),
            Kind::Hex16 => u16::from_str_radix(text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?, 16)
                .ok()
                .map(|n| Value::Number(n.into())),
            Kind::Ethertype => ethertype(text).map(Value::Number),
            Kind::Hex => hex(text).map(Value::Bytes),
            Kind::Ip => text.parse().ok().map(Value::Ip),
            Kind::Mask => text.parse().ok().and_then(|m| ipnet::ipv4_mask_to_prefix(m).ok()).map(Value::Mask),
            Kind::Ip6 => text.parse().ok().map(Value::Ip6),
            Kind::Prefix6 => text.contains('/').then(|| text.parse().ok()).flatten().map(Value::Prefix6),
            Kind::Choice(words) => {
                let mut found = words.iter().filter(|word| starts(word, text));
                match (words.iter().find(|word| word.eq_ignore_ascii_case(text)), found.next(), found.next()) {
                    (Some(word), _, _) | (None, Some(word), None) => Some(Value::Word(word.to_string())),
                    _ => None,
                }
            }
        }
    }
}

/// A decimal number in these bounds.
fn within(low: u32, high: u32, text: &str) -> Option<Value> {
    let number = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())??;
    (low..=high).contains(&number).then_some(Value::Number(number))
}

/// Does a word begin as typed, whatever the case?
pub(crate) fn starts(word: &str, typed: &str) -> bool {
    word.get(..typed.len()).is_some_and(|head| head.eq_ignore_ascii_case(typed))
}

/// One word that can be printed and read back.
pub fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

fn number(text: &str) -> nom::IResult<&str, u16> {
    map_res(digit1, str::parse).parse(text)
}

fn one_vlan(text: &str) -> nom::IResult<&str, VlanId> {
    map_opt(number, VlanId::new).parse(text)
}

/// A VLAN number; `None` for 0, 4095 and what is no number.
pub fn vlan(text: &str) -> Option<VlanId> {
    all_consuming(one_vlan).parse(text).ok().map(|(_, vlan)| vlan)
}

/// A list such as `1-5,7,9-12`; ranges ascend. `None` if any part is wrong.
pub fn vlans(text: &str) -> Option<VlanSet> {
    let part = map_opt((one_vlan, opt(preceded(tag("-"), one_vlan))), |(low, high)| {
        let high = high.unwrap_or(low);
        (low <= high).then_some((low, high))
    });
    let (_, parts) = all_consuming(separated_list1(tag(","), part)).parse(text).ok()?;
    Some(parts.into_iter().flat_map(|(l, h)| (l.get()..=h.get()).filter_map(VlanId::new)).collect())
}

/// An interface by its name, abbreviated or not, or by the netdev bound to it.
pub fn interface(text: &str, config: Option<&Config>) -> Option<InterfaceName> {
    let by_device =
        || config?.interfaces.iter().find(|(_, i)| i.device.as_deref() == Some(text)).map(|(name, _)| *name);
    text.parse().ok().or_else(by_device)
}

/// `gi0/1 - 4 , gi0/7`: interfaces of one kind, and runs of them in one slot.
fn range(text: &str, config: Option<&Config>) -> Option<Vec<InterfaceName>> {
    let mut names: Vec<InterfaceName> = Vec::new();
    for part in text.split(',') {
        // A netdev's name may hold a dash: only ` - ` or one between digits is a run.
        let run = part.rsplit_once('-').and_then(|(first, last)| {
            let first: InterfaceName = first.trim().parse().ok()?;
            let spaced = delimited(multispace0, number, multispace0);
            let last = all_consuming(spaced).parse(last).ok().map(|(_, n)| n).or_else(|| {
                let name: InterfaceName = last.trim().parse().ok()?;
                (InterfaceName { number: first.number, ..name } == first).then_some(name.number)
            })?;
            (first.sub == 0 && first.number <= last && last <= 4094).then_some((first, last))
        });
        match run {
            Some((first, last)) => {
                names.extend((first.number..=last).map(|number| InterfaceName { number, ..first }));
            }
            None => names.push(interface(part.trim(), config)?),
        }
    }
    let same = |name: &InterfaceName| (name.kind, name.sub > 0) == (names[0].kind, names[0].sub > 0);
    names.iter().all(same).then_some(names)
}

/// Prints interfaces as a range that [`Kind::Range`] reads back.
pub fn print_range(names: &[InterfaceName]) -> String {
    let mut parts: Vec<(InterfaceName, u16)> = Vec::new();
    for name in names {
        match parts.last_mut() {
            Some((first, last))
                if name.sub == 0
                    && InterfaceName { number: first.number, ..*name } == *first
                    && *last + 1 == name.number =>
            {
                *last = name.number;
            }
            _ => parts.push((*name, name.number)),
        }
    }
    let print = |(first, last): &(InterfaceName, u16)| match first.number == *last {
        true => first.to_string(),
        false => format!("{first} - {last}"),
    };
    parts.iter().map(print).collect::<Vec<_>>().join(",")
}

fn ethertype(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    u32::from_str_radix(digits, 16).ok().filter(|number| (0x600..=0xffff).contains(number))
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|b| !matches!(b, b' ' | b':' | b'.')).collect();
    if digits.is_empty() || !digits.len().is_multiple_of(2) || digits.len() > 2 * 16_384 {
        return None;
    }
    let nibble = |b: u8| (b as char).to_digit(16).map(|d| d as u8);
    digits.chunks(2).map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?)).collect()
}
