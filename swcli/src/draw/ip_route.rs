//! `show ip route`, `show ipv6 route`: tables, single routes, and sums.

use super::address;
use super::time::ago;
use ipnet::{IpNet, Ipv4Net};
use mona_model::shown_ip::{PathRow, RouteRow, RouteSource, RouteSummary, RouteTable, class_length};
use std::collections::BTreeSet;

/// The table.
pub fn draw(table: &RouteTable) -> Vec<String> {
    let mut lines = if table.six { draw6(table) } else { draw4(table) };
    if table.more > 0 {
        lines.push(String::new());
        lines.push(format!("... and {} more: show ip route A.B.C.D MASK longer-prefixes", table.more));
    }
    lines
}

fn draw4(table: &RouteTable) -> Vec<String> {
    let mut lines = vec![
        "Codes: L - local, C - connected, S - static, R - RIP, B - BGP".into(),
        "       D - EIGRP, O - OSPF, i - IS-IS, K - kernel".into(),
        "       * - candidate default".into(),
        String::new(),
        match &table.last_resort {
            None => "Gateway of last resort is not set".into(),
            Some(last) => {
                let gateway = last.gateway.map_or("0.0.0.0".into(), address);
                format!("Gateway of last resort is {gateway} to network {}", last.network)
            }
        },
        String::new(),
    ];
    let mut rest = table.routes.as_slice();
    while let Some(first) = rest.first() {
        let class = class_of(first);
        let length = rest.iter().position(|row| class_of(row) != class).unwrap_or(rest.len());
        let (group, after) = rest.split_at(length);
        rest = after;
        // What is larger than its class stands alone, and so does a whole network without parts.
        let parts = |row: &&RouteRow| class.is_some_and(|class| row.prefix.prefix_len() > class.prefix_len());
        let Some(class) = class.filter(|_| group.iter().any(|row| parts(&row))) else {
            lines.extend(group.iter().flat_map(|row| route(row, &row.prefix.to_string(), false)));
            continue;
        };
        let masks: BTreeSet<u8> = group.iter().map(|row| row.prefix.prefix_len()).collect();
        let count = group.len();
        match masks.first().filter(|_| masks.len() == 1) {
            Some(mask) => {
                lines.push(format!("      {}/{mask} is subnetted, {count} subnets", class.addr()));
                lines.extend(group.iter().flat_map(|row| route(row, &row.prefix.addr().to_string(), true)));
            }
            None => {
                lines.push(format!("      {class} is variably subnetted, {count} subnets, {} masks", masks.len()));
                lines.extend(group.iter().flat_map(|row| route(row, &row.prefix.to_string(), true)));
            }
        }
    }
    lines
}

/// The network of the old classes that a route belongs to; `None`: it is to a larger one.
fn class_of(row: &RouteRow) -> Option<Ipv4Net> {
    let IpNet::V4(net) = row.prefix else { return None };
    let length = class_length(net.addr());
    (net.prefix_len() >= length).then(|| Ipv4Net::new(net.addr(), length).ok().map(|net| net.trunc()))?
}

fn code(row: &RouteRow) -> &'static str {
    match row.source {
        RouteSource::Connected => "C",
        RouteSource::Local => "L",
        RouteSource::Static => "S",
        RouteSource::Rip => "R",
        RouteSource::Bgp => "B",
        RouteSource::Eigrp => "D",
        RouteSource::Ospf => "O",
        RouteSource::Isis => "i",
        RouteSource::Kernel => "K",
    }
}

fn route(row: &RouteRow, prefix: &str, grouped: bool) -> Vec<String> {
    let star = if row.prefix.prefix_len() == 0 { "*" } else { "" };
    let width = if grouped { 9 } else { 6 };
    let head = format!("{:<width$}{prefix} ", format!("{}{star}", code(row)));
    let fixed = matches!(row.source, RouteSource::Connected | RouteSource::Local | RouteSource::Static);
    let age = if fixed { String::new() } else { format!(", {}", ago(Some(row.age_secs))) };
    if row.paths.is_empty() {
        return vec![match fixed {
            true => format!("{head}is directly connected, Null0"),
            false => format!("{:<width$}{} is a summary{age}, Null0", code(row), row.prefix),
        }];
    }
    let way = |(n, path): (usize, &PathRow)| {
        let head = if n == 0 { head.clone() } else { " ".repeat(head.len()) };
        match path.gateway {
            None => format!("{head}is directly connected{age}, {}", path.interface),
            Some(gateway) => {
                let gateway = address(gateway);
                format!("{head}[{}/{}] via {gateway}{age}, {}", row.distance, row.metric, path.interface)
            }
        }
    };
    row.paths.iter().enumerate().map(way).collect()
}

fn draw6(table: &RouteTable) -> Vec<String> {
    let mut lines = vec![
        format!("IPv6 Routing Table - default - {} entries", table.total),
        "Codes: C - Connected, L - Local, S - Static, R - RIP, B - BGP".into(),
        "       D - EIGRP, O - OSPF, I - IS-IS, K - Kernel".into(),
    ];
    for row in &table.routes {
        let code = match row.source {
            RouteSource::Isis => "I",
            _ => code(row),
        };
        lines.push(format!("{code:<3} {} [{}/{}]", address(row.prefix), row.distance, row.metric));
        let local = row.source == RouteSource::Local;
        lines.extend(row.paths.iter().map(|path| match path.gateway {
            Some(gateway) => format!("     via {}, {}", address(gateway), path.interface),
            None if local => format!("     via {}, receive", path.interface),
            None => format!("     via {}, directly connected", path.interface),
        }));
        if row.paths.is_empty() {
            lines.push("     via Null0, directly connected".into());
        }
    }
    lines
}

/// One route with all that is known of it.
pub fn draw_one(row: &RouteRow) -> Vec<String> {
    let name = match row.source {
        RouteSource::Connected | RouteSource::Local => "connected",
        source => source.word(),
    };
    let length = row.prefix.prefix_len();
    let supernet = match row.prefix {
        IpNet::V4(net) if length < class_length(net.addr()) => ", supernet",
        _ => "",
    };
    let more = match row.source {
        RouteSource::Connected | RouteSource::Local => " (connected, via interface)",
        _ if length == 0 => ", candidate default path",
        _ => "",
    };
    let mut lines = vec![
        format!("Routing entry for {}{supernet}", address(row.prefix)),
        format!("  Known via \"{name}\", distance {}, metric {}{more}", row.distance, row.metric),
    ];
    let fixed = matches!(row.source, RouteSource::Connected | RouteSource::Local | RouteSource::Static);
    let age = ago(Some(row.age_secs));
    if let Some(path) = row.paths.first().filter(|_| !fixed) {
        let from = path.gateway.map(|gateway| format!("from {} ", address(gateway))).unwrap_or_default();
        lines.push(format!("  Last update {from}on {}, {age} ago", path.interface));
    }
    lines.push("  Routing Descriptor Blocks:".into());
    let mut block = |star: &str, way: String, weight: u16| {
        lines.push(format!("  {star} {way}"));
        lines.push(format!("      Route metric is {}, traffic share count is {weight}", row.metric));
    };
    if row.paths.is_empty() {
        block("*", "directly connected, via Null0".into(), 1);
    }
    for (n, path) in row.paths.iter().enumerate() {
        let way = match path.gateway {
            None => format!("directly connected, via {}", path.interface),
            Some(gateway) if fixed => format!("{}, via {}", address(gateway), path.interface),
            Some(gateway) => {
                let gateway = address(gateway);
                format!("{gateway}, from {gateway}, {age} ago, via {}", path.interface)
            }
        };
        block(if n == 0 { "*" } else { " " }, way, path.weight);
    }
    lines
}

/// What the operator must know of a full table.
fn left_out(summary: &RouteSummary) -> Option<String> {
    let RouteSummary { left_out, room, .. } = summary;
    (*left_out > 0).then(|| format!("% {left_out} of them are not used: the forwarding table has room for {room}"))
}

/// How many routes there are, by source.
pub fn draw_summary(summary: &RouteSummary) -> Vec<String> {
    let sum = |of: fn(&mona_model::shown_ip::SourceRow) -> usize| summary.sources.iter().map(of).sum::<usize>();
    let (networks, subnets, memory) = (sum(|s| s.networks), sum(|s| s.subnets), sum(|s| s.memory));
    if summary.six {
        let mut lines = vec![
            format!("IPv6 routing table name is default(0) global scope - {networks} entries"),
            "IPv6 routing table default maximum-paths is 64".into(),
            "Route Source    Networks    Overhead    Memory (bytes)".into(),
        ];
        let row = |name: &str, networks, memory| format!("{name:<15} {networks:<11} 0           {memory}");
        lines.extend(summary.sources.iter().map(|s| row(s.source.word(), s.networks, s.memory)));
        lines.push(row("Total", networks, memory));
        lines.extend(left_out(summary));
        lines.extend([String::new(), "  Number of prefixes:".into()]);
        let lengths: Vec<String> =
            summary.lengths.iter().map(|(length, count)| format!("/{length}: {count}")).collect();
        lines.extend(super::wrap(&lengths, ", ", 70).into_iter().map(|part| format!("    {part}")));
        return lines;
    }
    let row = |name: &str, networks, subnets, memory| {
        format!("{name:<15} {networks:<11} {subnets:<11} 0           0           {memory}")
    };
    let mut lines = vec![
        "IP routing table name is default (0x0)".into(),
        "IP routing table maximum-paths is 64".into(),
        "Route Source    Networks    Subnets     Replicates  Overhead    Memory (bytes)".into(),
    ];
    lines.extend(summary.sources.iter().map(|s| row(s.source.word(), s.networks, s.subnets, s.memory)));
    lines.push(row("Total", networks, subnets, memory));
    lines.extend(left_out(summary));
    lines
}
