//! `show ip cef`: what is done with a packet.

use super::address;
use mona_model::shown_ip::{CefDoes, CefPath, CefRow};

/// The table.
pub fn draw(rows: &[CefRow]) -> Vec<String> {
    let mut lines = vec!["Prefix               Next Hop             Interface".to_string()];
    for row in rows {
        let prefix = address(row.prefix);
        let mut line = |prefix: &str, next: &str, interface: &str| {
            lines.push(format!("{prefix:<20} {next:<20} {interface}"));
        };
        match &row.does {
            CefDoes::NoRoute => line(&prefix, "no route", ""),
            CefDoes::Drop => line(&prefix, "drop", ""),
            CefDoes::Receive(name) => line(&prefix, "receive", &name.map(|n| n.to_string()).unwrap_or_default()),
            CefDoes::Forward(paths) => {
                for (n, path) in paths.iter().enumerate() {
                    let next = path.gateway.map_or("attached".into(), address);
                    line(if n == 0 { &prefix } else { "" }, &next, &path.interface.to_string());
                }
            }
        }
    }
    lines
}

/// What a packet to one address meets.
pub fn draw_one(row: &CefRow) -> Vec<String> {
    let mut lines = vec![address(row.prefix)];
    match &row.does {
        CefDoes::NoRoute => lines.push("  no route".into()),
        CefDoes::Drop => lines.push("  attached to Null0, drop".into()),
        CefDoes::Receive(Some(name)) => lines.push(format!("  receive for {name}")),
        CefDoes::Receive(None) => lines.push("  receive".into()),
        CefDoes::Forward(paths) => lines.extend(paths.iter().flat_map(path)),
    }
    lines
}

fn path(path: &CefPath) -> Vec<String> {
    let way = match path.gateway {
        Some(gateway) => format!("  nexthop {} {}", address(gateway), path.interface),
        None => format!("  attached to {}", path.interface),
    };
    let adjacency = path.adjacency.map(|(ip, mac)| match mac {
        Some(mac) => format!("    adjacency {}, {mac}", address(ip)),
        None => format!("    adjacency {}, unresolved", address(ip)),
    });
    [way].into_iter().chain(adjacency).collect()
}
