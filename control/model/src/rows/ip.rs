//! `no switchport`, `encapsulation`, `ip …` and `arp timeout` of an interface.

use super::interface::{each, each_l3, l3, layer3};
use super::{ANY_INTERFACE, DONE, Does, Done, No, Rejected, Row, Said, l3_flag, l3_number, say};
use crate::args::Args;
use crate::config::Config;
use crate::l3::{Encapsulation, L3, Verify};
use crate::modes::{Mode, Place};
use crate::names::{InterfaceKind, InterfaceName};
use ipnet::Ipv4Net;

pub(super) static ROWS: &[Row] = &[
    Row::config(
        &[Mode::Interface],
        "switchport",
        No::Words,
        Does::Set {
            set: |config, place, _, no| {
                for name in place.interfaces() {
                    if !no {
                        config.interfaces.retain(|other, _| other.parent() != Some(*name));
                    }
                }
                // A port that switches has no addresses, and one that begins to route has none yet.
                each(config, place, |interface| {
                    if interface.l3.routed != no {
                        interface.l3 = L3 { routed: no, ..L3::default() };
                    }
                })
            },
            get: |config, place| match l3(config, place) {
                Some(l3) if l3.routed => vec![Said::No(Vec::new())],
                _ => Vec::new(),
            },
        },
    ),
    Row::config(
        &[Mode::Subinterface],
        "encapsulation dot1Q <vlan:vlan> [{native:native}]",
        No::Words,
        Does::Set {
            set: |config, place, args, no| {
                let vid = args.vlan("vlan").filter(|_| !no);
                let encapsulation = vid.map(|vid| Encapsulation { vid, native: args.has("native") });
                if let Some(new) = &encapsulation {
                    let [name] = place.interfaces() else {
                        return Err("A VLAN belongs to one sub-interface: say `interface NAME` first".into());
                    };
                    let sibling = |(other, _): &(&InterfaceName, _)| *other != name && other.parent() == name.parent();
                    let takes = |old: Encapsulation| old.vid == new.vid || old.native && new.native;
                    let taken =
                        config.interfaces.iter().filter(sibling).find(|(_, i)| i.l3.encapsulation.is_some_and(takes));
                    if let Some((other, _)) = taken {
                        return Err(format!("{other} has this VLAN already: say `no encapsulation dot1Q` there first"));
                    }
                }
                each(config, place, |interface| interface.l3.encapsulation = encapsulation)
            },
            get: |config, place| match l3(config, place).and_then(|l3| l3.encapsulation) {
                Some(Encapsulation { vid, native }) => vec![Said::Yes(vec![vid.to_string(), word(native, "native")])],
                None => Vec::new(),
            },
        },
    )
    .help(&[
        ("encapsulation", "Set encapsulation type for an interface"),
        ("dot1Q", "IEEE 802.1Q Virtual LAN"),
        ("<vlan>", "IEEE 802.1Q VLAN ID"),
        ("native", "Make this as native vlan"),
    ]),
    Row::config(
        ANY_INTERFACE,
        "ip address <address:ip> <mask:mask> [{secondary:secondary}]",
        No::Words,
        Does::Set { set: address, get: addresses },
    )
    .help(&[
        ("address", "Set the IP address of an interface"),
        ("<address>", "IP address"),
        ("<mask>", "IP subnet mask"),
        ("secondary", "Make this IP address a secondary address"),
    ]),
    Row::config(
        &[Mode::Interface, Mode::Subinterface, Mode::Svi],
        "ip unnumbered <lender:loopback>",
        No::Words,
        Does::Set { set: unnumbered, get: |config, place| say(l3(config, place).and_then(|l3| l3.ip.unnumbered)) },
    )
    .help(&[
        ("unnumbered", "Enable IP processing without an explicit address"),
        ("<lender>", "Loopback whose address is used"),
    ]),
    l3_number!("ip mtu <bytes:68-9216>", "bytes", ip.mtu)
        .help(&[("mtu", "Set IP Maximum Transmission Unit"), ("<bytes>", "MTU (bytes)")]),
    l3_flag!("ip proxy-arp", true, ip.proxy_arp).help(&[("proxy-arp", "Enable proxy ARP")]),
    l3_flag!("ip redirects", true, ip.redirects).help(&[("redirects", "Enable sending ICMP Redirect messages")]),
    l3_flag!("ip unreachables", true, ip.unreachables)
        .help(&[("unreachables", "Enable sending ICMP Unreachable messages")]),
    l3_flag!("ip directed-broadcast", false, ip.directed_broadcast)
        .help(&[("directed-broadcast", "Enable forwarding of directed broadcasts")]),
    Row::config(
        ANY_INTERFACE,
        "ip verify unicast source reachable-via {via:any|rx} [{default:allow-default}]",
        No::Words,
        Does::Set {
            set: |config, place, args, no| {
                let verify = verify(args.word("via").as_deref(), args.has("default"), no);
                each_l3(config, place, |l3| l3.ip.verify = verify)
            },
            get: |config, place| verified(l3(config, place).and_then(|l3| l3.ip.verify)),
        },
    )
    .help(VERIFY),
    l3_number!("arp timeout <seconds:1-2147483>", "seconds", ip.arp_timeout).help(&[
        ("arp", "Set arp type or timeout"),
        ("timeout", "Set ARP cache timeout"),
        ("<seconds>", "Seconds"),
    ]),
];

/// What the words of unicast reverse path forwarding mean.
pub(super) const VERIFY: &[(&str, &str)] = &[
    ("verify", "Enable per packet validation"),
    ("unicast", "Enable per packet validation for unicast"),
    ("source", "Validation of source address"),
    ("reachable-via", "Specify reachability check to apply to the source address"),
    ("any", "Source is reachable via any interface"),
    ("rx", "Source is reachable via interface on which packet was received"),
    ("allow-default", "Allow default route to match when checking source address"),
];

pub(super) fn verify(via: Option<&str>, allow_default: bool, no: bool) -> Option<Verify> {
    (!no).then_some(Verify { strict: via == Some("rx"), allow_default })
}

pub(super) fn verified(verify: Option<Verify>) -> Vec<Said> {
    let say = |v: Verify| {
        let via = if v.strict { "rx" } else { "any" };
        Said::Yes(vec![via.to_string(), word(v.allow_default, "allow-default")])
    };
    verify.into_iter().map(say).collect()
}

/// An optional word, for a line to be printed.
pub(super) fn word(said: bool, word: &str) -> String {
    if said { word.into() } else { String::new() }
}

fn address(config: &mut Config, place: &Place, args: &Args, no: bool) -> Result<Done, Rejected> {
    let (ip, mask, secondary) = (args.ip("address"), args.mask("mask"), args.has("secondary"));
    let net = ip.zip(mask).and_then(|(ip, mask)| Ipv4Net::new(ip, mask).ok());
    if no {
        let own = |name: &InterfaceName| config.interfaces.get(name).and_then(|interface| interface.l3.ip.address);
        let loses = |name: &&InterfaceName| !secondary && (net.is_none() || own(name) == net);
        place.interfaces().iter().filter(loses).try_for_each(|name| not_lent(config, *name))?;
        return each_l3(config, place, |l3| match net {
            None => (l3.ip.address, l3.ip.secondary, l3.ip.unnumbered) = Default::default(),
            Some(net) if secondary => {
                l3.ip.secondary.remove(&net);
            }
            Some(net) if l3.ip.address == Some(net) => l3.ip.address = None,
            Some(_) => {}
        });
    }
    let Some(net) = net else { return DONE };
    let [name] = place.interfaces() else {
        return Err("An address belongs to one interface: say `interface NAME` first".into());
    };
    layer3(config, place)?;
    usable(net)?;
    if secondary && config.interfaces.get(name).is_some_and(|interface| interface.l3.ip.address == Some(net)) {
        return Err("Secondary can't be same as primary".into());
    }
    for (other, interface) in &config.interfaces {
        for taken in interface.l3.ips().filter(|taken| overlap(taken, &net)) {
            let primary = interface.l3.ip.address == Some(taken);
            // The primary address may be replaced, and what is said already may be said again.
            let own = other == name && (taken == net || primary && !secondary);
            if !own {
                return Err(format!("% {} overlaps with {other}", net.network()));
            }
        }
    }
    let borrows = config.interfaces.get(name).and_then(|interface| interface.l3.ip.unnumbered);
    if let Some(lender) = borrows.filter(|_| secondary) {
        return Err(format!("{name} uses the address of {lender}: give it one of its own first"));
    }
    each_l3(config, place, |l3| match secondary {
        true => {
            l3.ip.secondary.insert(net);
        }
        false => {
            l3.ip.secondary.remove(&net);
            l3.ip.address = Some(net);
            l3.ip.unnumbered = None;
        }
    })
}

fn unnumbered(config: &mut Config, place: &Place, args: &Args, no: bool) -> Result<Done, Rejected> {
    if no {
        return each_l3(config, place, |l3| l3.ip.unnumbered = None);
    }
    let Some(lender) = args.interface("lender") else { return DONE };
    layer3(config, place)?;
    // It is always there, and leads to nobody: so all that lies behind the borrower is what routes say.
    if lender.kind != InterfaceKind::Loopback {
        return Err(format!("Only the address of a loopback can be used elsewhere, and {lender} is none"));
    }
    if config.interfaces.get(&lender).is_none_or(|interface| interface.l3.ip.address.is_none()) {
        return Err(format!("{lender} has no address: give it one by `ip address` there first"));
    }
    each_l3(config, place, |l3| {
        (l3.ip.address, l3.ip.secondary, l3.ip.unnumbered) = (None, Default::default(), Some(lender));
    })
}

/// An address that others use stays.
pub(super) fn not_lent(config: &Config, lender: InterfaceName) -> Result<(), Rejected> {
    match config.interfaces.iter().find(|(_, interface)| interface.l3.ip.unnumbered == Some(lender)) {
        Some((name, _)) => Err(format!("{name} uses the address of {lender}: say `no ip unnumbered` there first")),
        None => Ok(()),
    }
}

fn addresses(config: &Config, place: &Place) -> Vec<Said> {
    let Some(l3) = l3(config, place) else { return Vec::new() };
    let say = |net: &Ipv4Net, secondary| {
        Said::Yes(vec![net.addr().to_string(), net.netmask().to_string(), word(secondary, "secondary")])
    };
    // As IOS lists them: the secondary ones first.
    let secondary = l3.ip.secondary.iter().map(|net| say(net, true));
    secondary.chain(l3.ip.address.iter().map(|net| say(net, false))).collect()
}

fn overlap(a: &Ipv4Net, b: &Ipv4Net) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

/// A host's address in its subnet (RFC 1122 3.2.1.3): neither the subnet itself nor its broadcast address.
fn usable(net: Ipv4Net) -> Result<(), Rejected> {
    let ip = net.addr();
    if ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || ip.octets()[0] == 0 || ip.octets()[0] >= 240 {
        return Err(format!("Not a valid host address - {ip}"));
    }
    let is_edge = ip == net.network() || ip == net.broadcast();
    match is_edge && net.prefix_len() < 31 || net.prefix_len() == 0 {
        true => Err(format!("Bad mask /{} for address {ip}", net.prefix_len())),
        false => Ok(()),
    }
}
