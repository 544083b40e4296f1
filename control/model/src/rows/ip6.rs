//! `ipv6 …` of an interface.

use super::interface::{each_l3, l3, may_route};
use super::ip::{VERIFY, verified, verify, word};
use super::{ANY_INTERFACE, DONE, Does, No, Rejected, Row, Said, l3_flag, l3_number, say};
use crate::config::Config;
use crate::l3::AdvertisedPrefix;
use ipnet::Ipv6Net;

pub(super) static ROWS: &[Row] = &[
    l3_flag!("ipv6 enable", false, ipv6.enable).help(&[("enable", "Enable IPv6 on interface")]),
    Row::config(
        ANY_INTERFACE,
        "ipv6 address <address:ip6> link-local",
        No::Full,
        Does::Set {
            set: |config, place, args, no| {
                let address = args.ip6("address");
                if let Some(address) = address.filter(|a| !a.is_unicast_link_local()) {
                    return Err(format!("{address} is not link-local: it begins with fe80"));
                }
                each_l3(config, place, |l3| match no {
                    true if l3.ipv6.link_local == address => l3.ipv6.link_local = None,
                    true => {}
                    false => l3.ipv6.link_local = address,
                })
            },
            get: |config, place| say(l3(config, place).and_then(|l3| l3.ipv6.link_local)),
        },
    )
    .help(&[
        ("address", "Configure IPv6 address on interface"),
        ("<address>", "IPv6 link-local address"),
        ("link-local", "Use link-local address"),
    ]),
    Row::config(
        ANY_INTERFACE,
        "ipv6 address <prefix:prefix6> [{eui:eui-64}]",
        No::Words,
        Does::Set {
            set: |config, place, args, no| {
                let Some(net) = args.prefix6("prefix") else {
                    return each_l3(config, place, |l3| {
                        (l3.ipv6.link_local, l3.ipv6.addresses) = (None, Default::default());
                    });
                };
                let eui = args.has("eui");
                if no {
                    return each_l3(config, place, |l3| {
                        l3.ipv6.addresses.remove(&(net, eui));
                    });
                }
                let [name] = place.interfaces() else {
                    return Err("An address belongs to one interface: say `interface NAME` first".into());
                };
                if !may_route(config, *name) {
                    return Err("% IPv6 addresses may not be configured on L2 links.".into());
                }
                usable(net, eui)?;
                let overlap = |a: &Ipv6Net| a.contains(&net.network()) || net.contains(&a.network());
                for (other, interface) in config.interfaces.iter().filter(|(other, _)| *other != name) {
                    if interface.l3.ipv6.addresses.iter().any(|(taken, _)| overlap(taken)) {
                        return Err(format!("% {} overlaps with {other}", net.trunc()));
                    }
                }
                each_l3(config, place, |l3| {
                    l3.ipv6.addresses.insert((net, eui));
                })
            },
            get: |config, place| {
                let addresses = l3(config, place).map(|l3| &l3.ipv6.addresses).into_iter().flatten();
                addresses.map(|(net, eui)| Said::Yes(vec![net.to_string(), word(*eui, "eui-64")])).collect()
            },
        },
    )
    .help(&[
        ("address", "Configure IPv6 address on interface"),
        ("<prefix>", "IPv6 prefix"),
        ("eui-64", "Use eui-64 interface identifier"),
    ]),
    l3_number!("ipv6 mtu <bytes:1280-9216>", "bytes", ipv6.mtu)
        .help(&[("mtu", "Set IPv6 Maximum Transmission Unit"), ("<bytes>", "MTU (bytes)")]),
    l3_flag!("ipv6 redirects", true, ipv6.redirects).help(&[("redirects", "Enable sending of ICMP Redirect messages")]),
    l3_flag!("ipv6 unreachables", true, ipv6.unreachables)
        .help(&[("unreachables", "Enable sending of ICMPv6 Unreachable messages")]),
    Row::config(
        ANY_INTERFACE,
        "ipv6 verify unicast source reachable-via {via:any|rx} [{default:allow-default}]",
        No::Words,
        Does::Set {
            set: |config, place, args, no| {
                let verify = verify(args.word("via").as_deref(), args.has("default"), no);
                each_l3(config, place, |l3| l3.ipv6.verify = verify)
            },
            get: |config, place| verified(l3(config, place).and_then(|l3| l3.ipv6.verify)),
        },
    )
    .help(VERIFY),
    l3_flag!("ipv6 nd ra suppress", false, ipv6.nd.suppress).help(ND),
    l3_number!("ipv6 nd ra interval <seconds:4-1800>", "seconds", ipv6.nd.interval).help(&[
        ("ra", "Router Advertisement control"),
        ("interval", "Set IPv6 Router Advertisement Interval"),
        ("<seconds>", "RA Interval (sec)"),
    ]),
    l3_number!("ipv6 nd ra lifetime <seconds:0-9000>", "seconds", ipv6.nd.lifetime).help(&[
        ("ra", "Router Advertisement control"),
        ("lifetime", "Set IPv6 Router Advertisement Lifetime"),
        ("<seconds>", "RA Lifetime (seconds)"),
    ]),
    l3_number!("ipv6 nd reachable-time <milliseconds:0-3600000>", "milliseconds", ipv6.nd.reachable_ms).help(&[
        ("reachable-time", "Set advertised reachability time"),
        ("<milliseconds>", "Reachability time in milliseconds"),
    ]),
    l3_number!("ipv6 nd ns-interval <milliseconds:1000-3600000>", "milliseconds", ipv6.nd.ns_interval_ms).help(&[
        ("ns-interval", "Set advertised NS retransmission interval"),
        ("<milliseconds>", "Retransmission interval in milliseconds"),
    ]),
    l3_flag!("ipv6 nd managed-config-flag", false, ipv6.nd.managed)
        .help(&[("managed-config-flag", "Hosts should use DHCP for address config")]),
    l3_flag!("ipv6 nd other-config-flag", false, ipv6.nd.other)
        .help(&[("other-config-flag", "Hosts should use DHCP for non-address config")]),
    l3_number!("ipv6 nd dad attempts <count:0-600>", "count", ipv6.nd.dad_attempts).help(&[
        ("dad", "Duplicate Address Detection"),
        ("attempts", "Set number of duplicate address detection attempts"),
        ("<count>", "Number of attempts, 0 disables"),
    ]),
    Row::config(
        ANY_INTERFACE,
        "ipv6 nd prefix <prefix:prefix6> {hidden:no-advertise}",
        No::Before("hidden"),
        Does::Set {
            set: |config, place, args, no| {
                advertise(config, place, args.prefix6("prefix"), AdvertisedPrefix::Hidden, no)
            },
            get: |config, place| {
                let prefixes = l3(config, place).map(|l3| &l3.ipv6.nd.prefixes).into_iter().flatten();
                let hidden = prefixes.filter(|(_, how)| **how == AdvertisedPrefix::Hidden);
                hidden.map(|(net, _)| Said::Yes(vec![net.to_string(), "no-advertise".into()])).collect()
            },
        },
    )
    .help(PREFIX),
    Row::config(
        ANY_INTERFACE,
        "ipv6 nd prefix <prefix:prefix6> <valid:0-4294967295> <preferred:0-4294967295> [{autoconfig:no-autoconfig}]",
        No::Full,
        Does::Set {
            set: |config, place, args, no| {
                let (Some(valid), Some(preferred)) = (args.number("valid"), args.number("preferred")) else {
                    return DONE;
                };
                if preferred > valid {
                    return Err("The preferred lifetime may not be longer than the valid lifetime".into());
                }
                let how = AdvertisedPrefix::Shown { valid, preferred, autoconfig: !args.has("autoconfig") };
                advertise(config, place, args.prefix6("prefix"), how, no)
            },
            get: |config, place| {
                let prefixes = l3(config, place).map(|l3| &l3.ipv6.nd.prefixes).into_iter().flatten();
                let say = |(net, how): (&Ipv6Net, &AdvertisedPrefix)| match how {
                    AdvertisedPrefix::Hidden => None,
                    AdvertisedPrefix::Shown { valid, preferred, autoconfig } => Some(Said::Yes(vec![
                        net.to_string(),
                        valid.to_string(),
                        preferred.to_string(),
                        word(!autoconfig, "no-autoconfig"),
                    ])),
                };
                prefixes.filter_map(say).collect()
            },
        },
    )
    .help(&[
        ("prefix", "Configure IPv6 Routing Prefix Advertisement"),
        ("<prefix>", "IPv6 prefix"),
        ("<valid>", "Valid Lifetime (secs)"),
        ("<preferred>", "Preferred Lifetime (secs)"),
        ("no-autoconfig", "Do not use prefix for autoconfiguration"),
    ]),
];

const ND: &[(&str, &str)] =
    &[("ra", "Router Advertisement control"), ("suppress", "Suppress IPv6 Router Advertisements")];

const PREFIX: &[(&str, &str)] = &[
    ("prefix", "Configure IPv6 Routing Prefix Advertisement"),
    ("<prefix>", "IPv6 prefix"),
    ("no-advertise", "Do not advertise prefix"),
];

fn advertise(
    config: &mut Config,
    place: &crate::modes::Place,
    prefix: Option<Ipv6Net>,
    how: AdvertisedPrefix,
    no: bool,
) -> Result<super::Done, Rejected> {
    let Some(prefix) = prefix.map(|p| p.trunc()) else { return DONE };
    each_l3(config, place, |l3| match no {
        true => drop(l3.ipv6.nd.prefixes.remove(&prefix)),
        false => drop(l3.ipv6.nd.prefixes.insert(prefix, how)),
    })
}

/// RFC 4291 2.5: an address of one interface, and no subnet-router anycast address where there is a host part.
fn usable(net: Ipv6Net, eui: bool) -> Result<(), Rejected> {
    let ip = net.addr();
    if ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || ip.is_unicast_link_local() {
        return Err(format!("{ip} is no address of an interface: it must be global or unique local"));
    }
    if eui && net.prefix_len() != 64 {
        return Err("eui-64 needs a prefix of 64 bits".into());
    }
    let host_part = u128::from(ip) & u128::from(net.hostmask());
    match !eui && host_part == 0 && net.prefix_len() < 127 || net.prefix_len() == 0 {
        true => Err(format!("{net} is a prefix, not an address: give the host part too, or eui-64")),
        false => Ok(()),
    }
}
