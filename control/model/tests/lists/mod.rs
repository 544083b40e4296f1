//! Access lists as rows make them: no line twice, wildcards where the address is zero, nothing that a line cannot say.
#![allow(dead_code)]

use mona_model::acl::*;
use mona_wire::Mac;
use proptest::option;
use proptest::prelude::*;
use std::net::Ipv6Addr;

fn ip() -> impl Strategy<Value = Address> {
    let wildcard = prop_oneof![Just(0), Just(255), Just(0xff_ffff), Just(u32::MAX), any::<u32>()];
    (any::<u32>(), wildcard).prop_map(|(ip, wild)| Address::ip(ip.into(), wild.into()))
}

fn address(kind: ListKind) -> BoxedStrategy<Address> {
    match kind {
        ListKind::Standard | ListKind::Extended => ip().boxed(),
        ListKind::Ip6 => (any::<u128>(), prop_oneof![Just(0u8), Just(128), 0u8..=128])
            .prop_map(|(ip, len)| Address::ip6(ipnet::Ipv6Net::new(Ipv6Addr::from(ip), len).expect("a length")))
            .boxed(),
        ListKind::Mac => (any::<[u8; 6]>(), prop_oneof![Just([0; 6]), Just([255; 6]), any::<[u8; 6]>()])
            .prop_map(|(mac, wild)| Address::mac(Mac(mac), Mac(wild)))
            .boxed(),
    }
}

fn ports() -> impl Strategy<Value = Option<Ports>> {
    let port = || prop_oneof![Just(22u16), Just(53), Just(80), Just(514), any::<u16>()];
    let range = (port(), port()).prop_map(|(one, other)| Ports::Range(one.min(other), one.max(other)));
    option::of(prop_oneof![
        port().prop_map(Ports::Eq),
        (0u16..65535).prop_map(Ports::Gt),
        (1u16..).prop_map(Ports::Lt),
        port().prop_map(Ports::Neq),
        range
    ])
}

fn flags() -> impl Strategy<Value = Option<Flags>> {
    let some = (any::<bool>(), 0u8..64, 0u8..64).prop_map(|(all, set, clear)| Flags { all, set, clear });
    option::of(prop_oneof![Just(Flags::ESTABLISHED), some.prop_filter("a flag", |flags| flags.set | flags.clear != 0)])
}

prop_compose! {
    fn entry(kind: ListKind)(
        permit: bool,
        protocol in prop_oneof![Just(None), Just(Some(6)), Just(Some(17)), Just(Some(1)), Just(Some(58)), any::<u8>().prop_map(Some)],
        (src, dst) in (address(kind), address(kind)),
        (sport, dport, flags) in (ports(), ports(), flags()),
        icmp in option::of((prop_oneof![Just(3u8), Just(8), Just(128), any::<u8>()], option::of(prop_oneof![Just(13u8), any::<u8>()]))),
        ethertype in option::of((prop_oneof![Just(0x806u16), any::<u16>()], prop_oneof![Just(0u16), any::<u16>()])),
        (cos, dscp, precedence, tos) in (option::of(0u8..8), option::of(0u8..64), option::of(0u8..8), option::of(0u8..16)),
        fragments: bool,
        log in prop_oneof![Just(Log::No), Just(Log::Log), Just(Log::Input)],
    ) -> Entry {
        let mut entry = Entry { permit, src, log, ..Entry::default() };
        match kind {
            ListKind::Standard => entry.log = if log == Log::Input { Log::Log } else { log },
            ListKind::Mac => {
                entry.log = Log::No;
                (entry.dst, entry.cos) = (dst, cos);
                entry.ethertype = ethertype.map(|(value, wild)| (value & !wild, wild));
            }
            ListKind::Extended | ListKind::Ip6 => {
                (entry.dst, entry.protocol) = (dst, protocol);
                let icmp_is = if kind == ListKind::Ip6 { 58 } else { 1 };
                match protocol {
                    Some(6) => (entry.sport, entry.dport, entry.flags) = (sport, dport, flags),
                    Some(17) => (entry.sport, entry.dport) = (sport, dport),
                    Some(number) if number == icmp_is => entry.icmp = icmp,
                    _ => {}
                }
                let beyond = entry.sport.is_some() || entry.dport.is_some() || entry.flags.is_some() || entry.icmp.is_some();
                entry.fragments = fragments && !beyond;
                entry.dscp = dscp;
                if kind == ListKind::Extended && dscp.is_none() {
                    (entry.precedence, entry.tos) = (precedence, tos);
                }
            }
        }
        entry
    }
}

fn list(kind: ListKind) -> BoxedStrategy<AccessList> {
    let remark = "[!-~]([ -~]{0,80}[!-~])?".prop_map(Line::Remark);
    let line = prop_oneof![4 => entry(kind).prop_map(Line::Entry).boxed(), 1 => remark];
    let step = prop_oneof![8 => Just(10u32), 1 => 1u32..1000];
    proptest::collection::vec((step, line), 0..8)
        .prop_map(move |lines| {
            let mut list = AccessList::new(kind);
            let mut sequence = 0;
            for (step, line) in lines {
                if matches!(line, Line::Remark(_)) || !list.lines.values().any(|other| *other == line) {
                    sequence += step;
                    list.lines.insert(sequence, line);
                }
            }
            list
        })
        .boxed()
}

/// What the lines of a numbered list of MACs say.
fn of_sources(list: AccessList) -> AccessList {
    let mut alone = AccessList::new(list.kind);
    for line in list.lines.into_values() {
        let line = match line {
            Line::Entry(Entry { permit, src, .. }) => Line::Entry(Entry { permit, src, ..Entry::default() }),
            remark => remark,
        };
        if matches!(line, Line::Remark(_)) || !alone.lines.values().any(|other| *other == line) {
            alone.lines.insert(STEP * (alone.lines.len() as u32 + 1), line);
        }
    }
    alone
}

pub fn lists() -> BoxedStrategy<std::collections::BTreeMap<String, AccessList>> {
    let named =
        |kind: ListKind, names: &'static str| (names, list(kind)).prop_map(|(name, list)| (name.to_string(), list));
    let one = prop_oneof![
        named(ListKind::Standard, "s[a-z]"),
        named(ListKind::Standard, "[1-9]|13[0-9][0-9]"),
        named(ListKind::Extended, "e[a-z]"),
        named(ListKind::Extended, "1[0-9][0-9]|2[0-6][0-9][0-9]"),
        named(ListKind::Ip6, "x[a-z]"),
        named(ListKind::Mac, "m[a-z]"),
        named(ListKind::Mac, "7[0-9][0-9]"),
        ("7[0-9][0-9]", list(ListKind::Mac)).prop_map(|(name, list)| (name, of_sources(list))),
    ];
    proptest::collection::vec(one, 0..6).prop_map(|lists| lists.into_iter().collect()).boxed()
}

pub fn filters() -> BoxedStrategy<Filters> {
    let ways = |names: &'static str| {
        (option::weighted(0.3, names), option::weighted(0.3, names))
            .prop_map(|(inward, outward)| Ways { inward, outward })
    };
    (ways("e[a-z]|1[0-9][0-9]"), ways("x[a-z]"), ways("m[a-z]|7[0-9][0-9]"))
        .prop_map(|(ip, ipv6, mac)| Filters { ip, ipv6, mac })
        .boxed()
}
