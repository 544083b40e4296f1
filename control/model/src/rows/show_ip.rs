//! `show ip …`, `show ipv6 …`, `show arp`; `ping` and `traceroute`.

use super::{Action, Does, Rejected, Row};
use crate::args::Args;
use crate::shown_ip::{Probe, ProbeSource, RouteSource, Wanted};
use ipnet::{IpNet, Ipv4Net};
use std::net::IpAddr;

const ROUTES: &str = "show ip route [(<address:ip> [<mask:mask> [{longer:longer-prefixes}]] | \
                      {source:bgp|connected|eigrp|isis|ospf|rip|static})]";
const ROUTES6: &str = "show ipv6 route [(<address:ip6> | <prefix:prefix6> [{longer:longer-prefixes}] | \
                       {source:bgp|connected|eigrp|isis|ospf|rip|static})]";
const NEIGHBOURS: &[(&str, &str)] = &[
    ("arp", "ARP table"),
    ("<address>", "IP address of the ARP entry"),
    ("<interface>", "ARP entries of one interface"),
    ("<mac>", "48-bit hardware address of the ARP entry"),
];
const INTERFACES: &[(&str, &str)] =
    &[("interface", "IP interface status and configuration"), ("brief", "Brief summary of status and configuration")];
/// What the words of `show ip route` mean, with those of its own.
macro_rules! sources {
    ($($own:expr),*) => {
        &[
            ("route", "IP routing table"),
            ("bgp", "Border Gateway Protocol (BGP)"),
            ("connected", "Connected"),
            ("eigrp", "Enhanced Interior Gateway Routing Protocol (EIGRP)"),
            ("isis", "ISO IS-IS"),
            ("longer-prefixes", "Show route matching the specified network and its subnets"),
            ("ospf", "Open Shortest Path First (OSPF)"),
            ("rip", "Routing Information Protocol (RIP)"),
            ("static", "Static routes"),
            ("<address>", "Address or network to display information about"),
            $($own),*
        ]
    };
}
const SUMMARY: &[(&str, &str)] = &[("route", "IP routing table"), ("summary", "Summary of all routes")];
const CEF: &[(&str, &str)] =
    &[("cef", "What is done with a packet: route and adjacency"), ("<address>", "Its destination")];
/// What the words of `ping` and `traceroute` mean.
macro_rules! probes {
    ($($own:expr),*) => {
        &[
            ("source", "Send from this address"),
            ("timeout", "How long an answer is waited for"),
            ("<to>", "Destination address"),
            ("<from>", "An address of the switch"),
            ("<interface>", "An interface whose address it is"),
            ("<timeout>", "Seconds"),
            $($own),*
        ]
    };
}
const PING: &[(&str, &str)] = probes!(
    ("ping", "Send echo messages"),
    ("repeat", "Number of messages"),
    ("size", "Bytes of a packet"),
    ("df-bit", "Do not fragment the packets"),
    ("<repeat>", "Repeat count"),
    ("<size>", "Datagram size")
);
const TRACEROUTE: &[(&str, &str)] = probes!(
    ("traceroute", "Trace route to destination"),
    ("probe", "Number of messages to each router"),
    ("ttl", "Routers on the way that are asked"),
    ("<first>", "Number of the first"),
    ("<last>", "Number of the last"),
    ("numeric", "Addresses are not looked up: they never are"),
    ("<repeat>", "Probe count")
);

/// The way a probe is said, for one family.
macro_rules! probe {
    (ping $word:literal $kind:literal) => {
        concat!(
            "ping [",
            $word,
            "] <to:",
            $kind,
            "> [(source (<interface:interface> | <from:",
            $kind,
            ">) | \
             repeat <repeat:1-1000> | size <size:48-9216> | timeout <timeout:0-20> | {df:df-bit})]*"
        )
    };
    (traceroute $word:literal $kind:literal) => {
        concat!(
            "traceroute [",
            $word,
            "] <to:",
            $kind,
            "> [(source (<interface:interface> | <from:",
            $kind,
            ">) | ttl <first:0-255> <last:0-255> | probe <repeat:1-10> | timeout <timeout:0-20> | {numeric:numeric})]*"
        )
    };
}

pub(super) static ROWS: &[Row] = &[
    Row::exec(ROUTES, Does::Exec(|args| routes(args, false))).help(sources!(("<mask>", "Network mask"))),
    Row::exec(ROUTES6, Does::Exec(|args| routes(args, true))).help(sources!(("<prefix>", "IPv6 prefix"))),
    Row::exec("show ip route summary", Does::Exec(|_| Ok(Action::ShowRouteSummary { six: false }))).help(SUMMARY),
    Row::exec("show ipv6 route summary", Does::Exec(|_| Ok(Action::ShowRouteSummary { six: true }))).help(SUMMARY),
    Row::exec(
        "show ip arp [(<address:ip> | <mac:mac> | <interface:interface>)]",
        Does::Exec(|args| Ok(neighbours(args, false))),
    )
    .help(NEIGHBOURS),
    Row::exec(
        "show arp [(<address:ip> | <mac:mac> | <interface:interface>)]",
        Does::Exec(|args| Ok(neighbours(args, false))),
    )
    .help(NEIGHBOURS),
    Row::exec(
        "show ipv6 neighbors [(<address:ip6> | <mac:mac> | <interface:interface>)]",
        Does::Exec(|args| Ok(neighbours(args, true))),
    )
    .help(&[
        ("neighbors", "Show IPv6 neighbor cache entries"),
        ("<address>", "One IPv6 neighbor"),
        ("<mac>", "Neighbors of this hardware address"),
        ("<interface>", "Neighbors on one interface"),
    ]),
    Row::exec(
        "show ip interface [(<interface:interface> | {brief:brief})]",
        Does::Exec(|args| Ok(interfaces(args, false))),
    )
    .help(INTERFACES),
    Row::exec(
        "show ipv6 interface [(<interface:interface> | {brief:brief})]",
        Does::Exec(|args| Ok(interfaces(args, true))),
    )
    .help(INTERFACES),
    Row::exec("show ip traffic", Does::Exec(|_| Ok(Action::ShowTraffic { six: false })))
        .help(&[("traffic", "IP protocol statistics")]),
    Row::exec("show ipv6 traffic", Does::Exec(|_| Ok(Action::ShowTraffic { six: true })))
        .help(&[("traffic", "IPv6 traffic statistics")]),
    Row::exec(
        "show ip cef [<address:ip>]",
        Does::Exec(|args| Ok(Action::ShowCef { six: false, address: args.ip("address").map(IpAddr::V4) })),
    )
    .help(CEF),
    Row::exec(
        "show ipv6 cef [<address:ip6>]",
        Does::Exec(|args| Ok(Action::ShowCef { six: true, address: args.ip6("address").map(IpAddr::V6) })),
    )
    .help(CEF),
    Row::exec(probe!(ping "ip" "ip"), Does::Exec(|args| probe(args, false))).help(PING),
    Row::exec(probe!(ping "ipv6" "ip6"), Does::Exec(|args| probe(args, false))).help(PING),
    Row::exec(probe!(traceroute "ip" "ip"), Does::Exec(|args| probe(args, true))).help(TRACEROUTE),
    Row::exec(probe!(traceroute "ipv6" "ip6"), Does::Exec(|args| probe(args, true))).help(TRACEROUTE),
];

fn routes(args: &Args, six: bool) -> Result<Action, Rejected> {
    let prefix = match (args.ip("address"), args.mask("mask")) {
        (Some(address), Some(length)) => Ipv4Net::new(address, length).ok().map(IpNet::V4),
        _ => args.prefix6("prefix").map(IpNet::V6),
    };
    let address = args.ip("address").map(IpAddr::V4).or(args.ip6("address").map(IpAddr::V6));
    let wanted = match (prefix.map(|net| net.trunc()), address, args.word("source").as_deref()) {
        (Some(net), ..) if args.has("longer") => Wanted::Within(net),
        (Some(net), ..) => Wanted::Prefix(net),
        (None, Some(address), _) => Wanted::To(address),
        (None, None, Some("bgp")) => Wanted::Of(RouteSource::Bgp),
        (None, None, Some("connected")) => Wanted::Of(RouteSource::Connected),
        (None, None, Some("eigrp")) => Wanted::Of(RouteSource::Eigrp),
        (None, None, Some("isis")) => Wanted::Of(RouteSource::Isis),
        (None, None, Some("ospf")) => Wanted::Of(RouteSource::Ospf),
        (None, None, Some("rip")) => Wanted::Of(RouteSource::Rip),
        (None, None, Some("static")) => Wanted::Of(RouteSource::Static),
        (None, None, _) => Wanted::All,
    };
    Ok(Action::ShowRoutes { six, wanted })
}

fn neighbours(args: &Args, six: bool) -> Action {
    Action::ShowNeighbours {
        six,
        address: args.ip("address").map(IpAddr::V4).or(args.ip6("address").map(IpAddr::V6)),
        mac: args.mac("mac"),
        interface: args.interface("interface"),
    }
}

fn interfaces(args: &Args, six: bool) -> Action {
    Action::ShowIpInterfaces { six, interface: args.interface("interface"), brief: args.has("brief") }
}

fn probe(args: &Args, trace: bool) -> Result<Action, Rejected> {
    let of = |name| args.ip(name).map(IpAddr::V4).or(args.ip6(name).map(IpAddr::V6));
    let to = of("to").ok_or("Say an address to ping")?;
    let ttls = match (args.number("first"), args.number("last")) {
        (Some(first), Some(last)) if last < first.max(1) => return Err("The last TTL is less than the first".into()),
        // A packet of TTL 0 goes nowhere.
        (Some(first), Some(last)) => (first.max(1) as u8, last as u8),
        _ => Probe::TTLS,
    };
    Ok(Action::Probe(Probe {
        to,
        from: of("from").map(ProbeSource::Address).or(args.interface("interface").map(ProbeSource::Interface)),
        repeat: args.number("repeat").unwrap_or(if trace { 3 } else { 5 }),
        size: args.number("size").and_then(|n| n.try_into().ok()).unwrap_or(if trace { 60 } else { 100 }),
        dont_fragment: args.has("df"),
        // What IOS waits; of `traceroute` less, for there are many.
        timeout_secs: args.number("timeout").unwrap_or(if trace { 1 } else { 2 }),
        ttls,
        trace,
    }))
}
