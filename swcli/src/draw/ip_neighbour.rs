//! `show ip arp`, `show ipv6 neighbors`.

use super::address;
use mona_model::shown_ip::NeighbourRow;

/// The table of ARP.
pub fn draw_arp(rows: &[NeighbourRow]) -> Vec<String> {
    let mut lines = vec!["Protocol  Address          Age (min)  Hardware Addr   Type   Interface".into()];
    for row in rows {
        let age = row.age_mins.map_or("-".into(), |age| age.to_string());
        lines.push(match row.mac {
            Some(mac) => format!("Internet  {:<15} {age:>9}   {mac}  ARPA   {}", row.ip, row.interface),
            None => format!("Internet  {:<15} {age:>9}   Incomplete      ARPA", row.ip),
        });
    }
    lines
}

/// The table of ND.
pub fn draw_nd(rows: &[NeighbourRow]) -> Vec<String> {
    let mut lines = vec!["IPv6 Address                              Age Link-layer Addr State Interface".into()];
    for row in rows {
        let age = row.age_mins.map_or("-".into(), |age| age.to_string());
        let mac = row.mac.map_or("-".into(), |mac| mac.to_string());
        let interface = row.interface.short();
        lines.push(format!("{:<39} {age:>5} {mac:<15} {:<5} {interface}", address(row.ip), row.state));
    }
    lines
}
