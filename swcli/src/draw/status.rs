//! `show interfaces status`.

use super::cut;
use super::interfaces::media;
use mona_model::shown::Interface;

/// The table.
pub fn draw(list: &[Interface]) -> Vec<String> {
    let mut lines =
        vec![String::new(), "Port      Name               Status       Vlan       Duplex  Speed Type".into()];
    for i in list {
        let vlan = match (i.routed, i.trunk && i.up) {
            (true, _) => "routed".into(),
            (false, true) => "trunk".into(),
            (false, false) => i.access_vlan.to_string(),
        };
        let name = cut(i.description.as_deref().unwrap_or(""), 18);
        lines.push(format!(
            "{:<9} {name:<18} {:<12} {vlan:<10} {:>6} {:>6} {}",
            i.name.short(),
            i.status,
            duplex(i),
            speed(i),
            media(i),
        ));
    }
    lines
}

fn duplex(i: &Interface) -> &'static str {
    match i.duplex_full.filter(|_| i.up) {
        Some(true) => "a-full",
        Some(false) => "a-half",
        None => "auto",
    }
}

fn speed(i: &Interface) -> String {
    match i.speed_mbps.filter(|_| i.up) {
        Some(mbps) if mbps >= 10_000 => format!("a-{}G", mbps / 1000),
        Some(mbps) => format!("a-{mbps}"),
        None => "auto".into(),
    }
}
