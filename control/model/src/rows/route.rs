//! `ip routing`, `ip route …` and static neighbours: what is said of the router as a whole.

use super::ip::word;
use super::{DONE, Does, Done, No, Rejected, Row, Said, flag};
use crate::args::Args;
use crate::config::Config;
use crate::l3::{IpOptions, RouteOptions, Routing, StaticRoute};
use crate::modes::Mode;
use crate::names::{InterfaceKind, InterfaceName};
use crate::shared::SharedMap;
use ipnet::{Ipv4Net, Ipv6Net};
use mona_wire::Mac;
use std::net::IpAddr;

pub(super) static ROWS: &[Row] = &[
    Row::config(
        &[Mode::Config],
        "ip routing",
        No::Words,
        Does::Set {
            set: |config, _, _, no| edit(config, |routing| routing.ip = !no),
            get: |config, _| if config.routing.ip { Vec::new() } else { vec![Said::No(Vec::new())] },
        },
    )
    .help(&[("routing", "Enable IP routing")]),
    Row::config(
        &[Mode::Config],
        "ipv6 unicast-routing",
        No::Words,
        Does::Set {
            set: |config, _, _, no| edit(config, |routing| routing.ipv6 = !no),
            get: |config, _| flag(config.routing.ipv6),
        },
    )
    .help(&[("unicast-routing", "Enable unicast routing")]),
    Row::config(
        &[Mode::Config],
        "ip martian strict",
        No::Words,
        Does::Set {
            set: |config, _, _, no| edit(config, |routing| routing.martian_strict = !no),
            get: |config, _| flag(config.routing.martian_strict),
        },
    )
    .help(&[
        ("martian", "Packets whose addresses nobody should have"),
        ("strict", "Drop class E and link-local addresses, too"),
    ]),
    Row::config(
        &[Mode::Config],
        "ip source-route",
        No::Words,
        Does::Set {
            set: |config, _, _, no| edit(config, |routing| routing.source_route = !no),
            get: |config, _| flag(config.routing.source_route),
        },
    )
    .help(&[("source-route", "Forward packets with source routing header options")]),
    Row::config(
        &[Mode::Config],
        "ip options {how:drop|ignore}",
        No::Words,
        Does::Set {
            set: |config, _, args, no| {
                let options = match args.word("how").as_deref() {
                    _ if no => None,
                    Some("drop") => Some(IpOptions::Drop),
                    _ => Some(IpOptions::Ignore),
                };
                edit(config, |routing| routing.options = options)
            },
            get: |config, _| {
                super::say(config.routing.options.map(|options| match options {
                    IpOptions::Drop => "drop",
                    IpOptions::Ignore => "ignore",
                }))
            },
        },
    )
    .help(&[
        ("options", "Packets with IP options"),
        ("drop", "Drop them"),
        ("ignore", "Forward them as those without"),
    ]),
    Row::config(
        &[Mode::Config],
        "ip cef load-sharing algorithm {algorithm:include-ports|original}",
        No::Words,
        Does::Set {
            set: |config, _, args, no| {
                let original = !no && args.word("algorithm").as_deref() == Some("original");
                edit(config, |routing| routing.share_by_addresses = original)
            },
            get: |config, _| super::say(config.routing.share_by_addresses.then_some("original")),
        },
    )
    .help(&[
        ("cef", "Forwarding of IP packets"),
        ("load-sharing", "Sharing of equal ways"),
        ("algorithm", "By what a flow is known"),
        ("include-ports", "Addresses, protocol and ports"),
        ("original", "Addresses alone"),
    ]),
    Row::config(
        &[Mode::Config],
        "arp <address:ip> <mac:mac> [{type:arpa}]",
        No::Before("mac"),
        Does::Set {
            set: |config, _, args, no| {
                let (Some(ip), mac) = (args.ip("address"), args.mac("mac")) else { return DONE };
                if ip.is_multicast() || ip.is_broadcast() || ip.is_unspecified() || ip.is_loopback() {
                    return Err(format!("Not a valid host address - {ip}"));
                }
                station(mac)?;
                edit(config, |routing| match mac.filter(|_| !no) {
                    Some(mac) => drop(routing.arp.insert(ip, mac)),
                    None => drop(routing.arp.remove(&ip)),
                })
            },
            get: |config, _| {
                let entries = config.routing.arp.iter();
                entries.map(|(ip, mac)| Said::Yes(vec![ip.to_string(), mac.to_string(), "arpa".into()])).collect()
            },
        },
    )
    .help(&[("arp", "Set a static ARP entry"), ("<address>", "IP address of ARP entry"), ("arpa", "ARP type ARPA")])
    .late(),
    Row::config(
        &[Mode::Config],
        "ipv6 neighbor <address:ip6> <interface:interface> <mac:mac>",
        No::Before("mac"),
        Does::Set {
            set: |config, _, args, no| {
                let (Some(ip), Some(name)) = (args.ip6("address"), args.interface("interface")) else { return DONE };
                let mac = args.mac("mac");
                if ip.is_multicast() || ip.is_unspecified() || ip.is_loopback() {
                    return Err(format!("Not a valid host address - {ip}"));
                }
                station(mac)?;
                edit(config, |routing| match mac.filter(|_| !no) {
                    Some(mac) => drop(routing.neighbors.insert((name, ip), mac)),
                    None => drop(routing.neighbors.remove(&(name, ip))),
                })
            },
            get: |config, _| {
                let neighbors = config.routing.neighbors.iter();
                neighbors
                    .map(|((name, ip), mac)| Said::Yes(vec![ip.to_string(), name.to_string(), mac.to_string()]))
                    .collect()
            },
        },
    )
    .help(&[("neighbor", "Neighbor"), ("<address>", "IPv6 address")])
    .late(),
    Row::config(
        &[Mode::Config],
        "ip route <prefix:ip> <mask:mask> <gateway:ip> [<distance:1-255>] [name <name:word>] [tag <tag:1-4294967295>]",
        No::Full,
        Does::Set { set: |config, _, args, no| route4(config, args, no), get: |config, _| routes4(config, false) },
    )
    .help(ROUTE)
    .late(),
    Row::config(
        &[Mode::Config],
        "ip route <prefix:ip> <mask:mask> <interface:interface> [<gateway:ip>] [<distance:1-255>] [name <name:word>] \
         [tag <tag:1-4294967295>]",
        No::Full,
        Does::Set { set: |config, _, args, no| route4(config, args, no), get: |config, _| routes4(config, true) },
    )
    .help(ROUTE)
    .late(),
    Row::config(
        &[Mode::Config],
        "ipv6 route <prefix:prefix6> <gateway:ip6> [<distance:1-254>] [name <name:word>] [tag <tag:1-4294967295>]",
        No::Full,
        Does::Set { set: |config, _, args, no| route6(config, args, no), get: |config, _| routes6(config, false) },
    )
    .help(ROUTE6)
    .late(),
    Row::config(
        &[Mode::Config],
        "ipv6 route <prefix:prefix6> <interface:interface> [<gateway:ip6>] [<distance:1-254>] [name <name:word>] \
         [tag <tag:1-4294967295>]",
        No::Full,
        Does::Set { set: |config, _, args, no| route6(config, args, no), get: |config, _| routes6(config, true) },
    )
    .help(ROUTE6)
    .late(),
];

/// A neighbour is a station: no group, nor nobody.
fn station(mac: Option<Mac>) -> Result<(), Rejected> {
    match mac {
        Some(mac) if mac.is_group() => Err(format!("{mac} is no station's address: it has the group bit set")),
        Some(Mac::ZERO) => Err(format!("{} is no station's address", Mac::ZERO)),
        _ => Ok(()),
    }
}

/// What the words of a static route mean.
const ROUTE: &[(&str, &str)] = &[
    ("route", "Establish static routes"),
    ("<prefix>", "Destination prefix"),
    ("<mask>", "Destination prefix mask"),
    ("<gateway>", "Forwarding router's address"),
    ("<distance>", "Distance metric for this route"),
    ("name", "Specify name of the next hop"),
    ("<name>", "Name of the next hop"),
    ("tag", "Set tag for this route"),
    ("<tag>", "Tag value"),
];

/// The same of IPv6.
const ROUTE6: &[(&str, &str)] = &[
    ("route", "Establish static routes"),
    ("<prefix>", "Destination prefix"),
    ("<gateway>", "Forwarding router's address"),
    ("<distance>", "Distance metric for this route"),
    ("name", "Specify name of the next hop"),
    ("<name>", "Name of the next hop"),
    ("tag", "Set tag for this route"),
    ("<tag>", "Tag value"),
];

fn edit(config: &mut Config, edit: impl FnOnce(&mut Routing)) -> Result<Done, Rejected> {
    edit(&mut config.routing);
    DONE
}

fn route4(config: &mut Config, args: &Args, no: bool) -> Result<Done, Rejected> {
    let (Some(ip), Some(mask)) = (args.ip("prefix"), args.mask("mask")) else { return DONE };
    let Ok(prefix) = Ipv4Net::new(ip, mask) else { return DONE };
    if prefix.trunc() != prefix {
        return Err("%Inconsistent address and mask".into());
    }
    if ip.is_loopback() || ip.is_multicast() {
        return Err("%Invalid destination prefix".into());
    }
    let gateway = args.ip("gateway").map(IpAddr::V4);
    let route = StaticRoute { prefix, interface: args.interface("interface"), gateway };
    check(&route, no)?;
    set(&mut config.routing.routes, route, args, no)
}

fn route6(config: &mut Config, args: &Args, no: bool) -> Result<Done, Rejected> {
    let Some(prefix) = args.prefix6("prefix") else { return DONE };
    if prefix.trunc() != prefix {
        return Err("%Inconsistent address and mask".into());
    }
    let route =
        StaticRoute { prefix, interface: args.interface("interface"), gateway: args.ip6("gateway").map(IpAddr::V6) };
    if let (Some(IpAddr::V6(gateway)), None) = (route.gateway, route.interface)
        && gateway.is_unicast_link_local()
    {
        return Err("% Interface has to be specified for a link-local nexthop".into());
    }
    check(&route, no)?;
    set(&mut config.routing.routes6, route, args, no)
}

fn check<N>(route: &StaticRoute<N>, no: bool) -> Result<(), Rejected> {
    let is_null = |name: &InterfaceName| name.kind == InterfaceKind::Null;
    match (route.interface, route.gateway) {
        _ if no => Ok(()),
        (Some(name), Some(_)) if is_null(&name) => Err("Null0 drops: it has no next hop".into()),
        (_, Some(gateway)) if gateway.is_unspecified() || gateway.is_multicast() || gateway.is_loopback() => {
            Err("%Invalid next hop address".into())
        }
        _ => Ok(()),
    }
}

fn set<N: Ord + Clone>(
    routes: &mut SharedMap<StaticRoute<N>, RouteOptions>,
    route: StaticRoute<N>,
    args: &Args,
    no: bool,
) -> Result<Done, Rejected> {
    let options = RouteOptions {
        distance: args.number("distance").map(|n| n as u8).filter(|distance| *distance != 1),
        name: args.word("name"),
        tag: args.number("tag"),
    };
    match no {
        true if routes.remove(&route).is_none() => Err("%No matching route to delete".into()),
        true => DONE,
        false => {
            routes.insert(route, options);
            DONE
        }
    }
}

fn routes4(config: &Config, by_interface: bool) -> Vec<Said> {
    let routes = config.routing.routes.iter().filter(|(route, _)| route.interface.is_some() == by_interface);
    let say = |(route, options): (&StaticRoute<Ipv4Net>, _)| {
        let head = vec![route.prefix.addr().to_string(), route.prefix.netmask().to_string()];
        Said::Yes(head.into_iter().chain(way(route, options)).collect())
    };
    routes.map(say).collect()
}

fn routes6(config: &Config, by_interface: bool) -> Vec<Said> {
    let routes = config.routing.routes6.iter().filter(|(route, _)| route.interface.is_some() == by_interface);
    let say = |(route, options): (&StaticRoute<Ipv6Net>, _)| {
        Said::Yes(std::iter::once(route.prefix.to_string()).chain(way(route, options)).collect())
    };
    routes.map(say).collect()
}

/// Everything behind the prefix.
fn way<N>(route: &StaticRoute<N>, options: &RouteOptions) -> Vec<String> {
    let gateway = route.gateway.map_or(String::new(), |gateway| gateway.to_string());
    let mut words: Vec<String> = route.interface.iter().map(InterfaceName::to_string).collect();
    words.push(gateway);
    words.push(options.distance.map_or(String::new(), |distance| distance.to_string()));
    words.push(options.name.clone().unwrap_or_default());
    words.push(options.tag.map_or(String::new(), |tag| word(true, &tag.to_string())));
    words
}
