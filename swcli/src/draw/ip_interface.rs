//! `show ip interface`, `show ipv6 interface`, long and brief.

use super::address;
use mona_model::shown_ip::IpInterface;
use std::collections::BTreeSet;
use std::net::Ipv6Addr;

/// `administratively down`, and the line protocol.
fn status(i: &IpInterface) -> (&'static str, &'static str) {
    match (i.shutdown, i.up) {
        (true, _) => ("administratively down", "down"),
        (false, true) => ("up", "up"),
        (false, false) => ("down", "down"),
    }
}

fn head(i: &IpInterface) -> String {
    let (link, protocol) = status(i);
    format!("{} is {link}, line protocol is {protocol}", i.name)
}

fn list(way: &str, name: &Option<String>) -> String {
    format!("  {way} access list is {}", name.as_deref().unwrap_or("not set"))
}

fn on(set: bool, yes: &str, no: &str) -> String {
    if set { yes.into() } else { no.into() }
}

/// What IPv4 does on an interface.
pub fn draw(i: &IpInterface) -> Vec<String> {
    let mut lines = vec![head(i)];
    let (out, inward) = (list("Outgoing", &i.lists.0), list("Inbound ", &i.lists.1));
    let Some(own) = i.address else {
        if i.routed {
            lines.push("  Internet protocol processing disabled".into());
        }
        lines.extend([out, inward]);
        return lines;
    };
    lines.extend([super::own_address(own, i.ip.unnumbered), "  Broadcast address is 255.255.255.255".into()]);
    lines.extend(i.ip.unnumbered.is_none().then(|| "  Address determined by setup command".into()));
    lines.extend([
        format!("  MTU is {} bytes", i.mtu),
        "  Helper address is not set".into(),
        format!("  Directed broadcast forwarding is {}", on(i.ip.directed_broadcast, "enabled", "disabled")),
    ]);
    lines.extend(i.secondary.iter().map(|net| format!("  Secondary address {net}")));
    lines.extend([
        out,
        inward,
        format!("  Proxy ARP is {}", on(i.ip.proxy_arp, "enabled", "disabled")),
        "  Local Proxy ARP is disabled".into(),
        "  Security level is default".into(),
        "  Split horizon is enabled".into(),
        format!("  ICMP redirects are {}", on(i.ip.redirects, "always sent", "never sent")),
        format!("  ICMP unreachables are {}", on(i.ip.unreachables, "always sent", "never sent")),
        "  ICMP mask replies are never sent".into(),
        "  IP fast switching is enabled".into(),
        "  IP CEF switching is enabled".into(),
        "  Router Discovery is disabled".into(),
        "  IP output packet accounting is disabled".into(),
        "  IP access violation accounting is disabled".into(),
        "  Policy routing is disabled".into(),
        "  Network address translation is disabled".into(),
    ]);
    lines.extend(verify(i, false));
    lines
}

fn verify(i: &IpInterface, six: bool) -> Option<String> {
    let verify = i.verify(six)?;
    let family = if six { "IPv6" } else { "IP" };
    let via = if verify.strict { "RX" } else { "ANY" };
    let default = if verify.allow_default { ", allow default" } else { "" };
    Some(format!("  {family} verify source reachable-via {via}{default}"))
}

/// All interfaces, a line each.
pub fn draw_brief(list: &[IpInterface]) -> Vec<String> {
    let mut lines = vec!["Interface              IP-Address      OK? Method Status                Protocol".into()];
    for i in list {
        let (link, protocol) = status(i);
        let ip = i.address.map_or("unassigned".into(), |net| net.addr().to_string());
        let method = if i.address.is_some() && i.ip.unnumbered.is_none() { "manual" } else { "unset" };
        lines.push(format!("{:<22} {ip:<15} YES {method:<6} {link:<21} {protocol}", i.name.to_string()));
    }
    lines
}

/// What IPv6 does on an interface.
pub fn draw6(i: &IpInterface) -> Vec<String> {
    let mut lines = vec![head(i)];
    let Some(link_local) = i.link_local else {
        lines.push("  IPv6 is disabled".into());
        return lines;
    };
    let stalled = on(i.up, "enabled", "stalled");
    lines.push(format!("  IPv6 is {stalled}, link-local address is {}", address(link_local)));
    lines.push("  No Virtual link-local address(es):".into());
    if i.addresses6.is_empty() {
        lines.push("  No global unicast address is configured".into());
    } else {
        lines.push("  Global unicast address(es):".into());
        for net in &i.addresses6 {
            lines.push(format!("    {}, subnet is {}", address(net.addr()), address(net.trunc())));
        }
    }
    lines.push("  Joined group address(es):".into());
    lines.extend(groups(i, link_local).into_iter().map(|group| format!("    {}", address(group))));
    let nd = &i.ipv6.nd;
    lines.extend([
        format!("  MTU is {} bytes", i.mtu6),
        format!("  ICMP redirects are {}", on(i.ipv6.redirects, "enabled", "disabled")),
        format!("  ICMP unreachables are {}", on(i.ipv6.unreachables, "sent", "never sent")),
    ]);
    lines.extend(i.lists6.1.iter().map(|name| format!("  Inbound access list {name}")));
    lines.extend(i.lists6.0.iter().map(|name| format!("  Outgoing access list {name}")));
    lines.extend(verify(i, true));
    let attempts = nd.dad_attempts.unwrap_or(1);
    let dad = on(attempts > 0, "enabled", "disabled");
    let reachable = nd.reachable_ms.filter(|ms| *ms > 0).unwrap_or(30_000);
    lines.extend([
        format!("  ND DAD is {dad}, number of DAD attempts: {attempts}"),
        format!("  ND reachable time is {reachable} milliseconds (using {reachable})"),
    ]);
    if i.advertises {
        lines.extend([
            format!("  ND advertised reachable time is {}", advertised(nd.reachable_ms)),
            format!("  ND advertised retransmit interval is {}", advertised(nd.ns_interval_ms)),
            format!("  ND router advertisements are sent every {} seconds", nd.interval.unwrap_or(200)),
            format!("  ND router advertisements live for {} seconds", nd.lifetime.unwrap_or(1800)),
            "  ND advertised default router preference is Medium".into(),
            format!("  Hosts use {} for addresses.", on(nd.managed, "DHCP", "stateless autoconfig")),
        ]);
        if nd.other {
            lines.push("  Hosts use DHCP to obtain other configuration.".into());
        }
    }
    lines
}

fn advertised(ms: Option<u32>) -> String {
    match ms.unwrap_or(0) {
        0 => "0 (unspecified)".into(),
        ms => format!("{ms} milliseconds"),
    }
}

/// All nodes, all routers, and the solicited-node groups of its addresses (RFC 4291 2.8).
fn groups(i: &IpInterface, link_local: Ipv6Addr) -> BTreeSet<Ipv6Addr> {
    let own = i.addresses6.iter().map(|net| net.addr()).chain([link_local]);
    let solicited =
        own.map(|ip| Ipv6Addr::from(0xff02_0000_0000_0000_0000_0001_ff00_0000 | u128::from(ip) & 0xff_ffff));
    let all = [Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1), Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2)];
    solicited.chain(all).collect()
}

/// All interfaces with their addresses.
pub fn draw6_brief(list: &[IpInterface]) -> Vec<String> {
    let mut lines = Vec::new();
    for i in list {
        let (link, protocol) = status(i);
        lines.push(format!("{:<22} [{link}/{protocol}]", i.name.to_string()));
        let own = i.link_local.into_iter().chain(i.addresses6.iter().map(|net| net.addr()));
        let addresses: Vec<String> = own.map(|ip| format!("    {}", address(ip))).collect();
        match addresses.is_empty() {
            true => lines.push("    unassigned".into()),
            false => lines.extend(addresses),
        }
    }
    lines
}
