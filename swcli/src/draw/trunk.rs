//! `show interfaces trunk`: four tables, one line per trunk in each.

use super::wrap;
use mona_model::shown::Interface;

/// Columns of a list of VLANs.
const LIST_WIDTH: usize = 67;

/// The tables; nothing when there is no trunk.
pub fn draw(list: &[Interface]) -> Vec<String> {
    let trunks: Vec<&Interface> = list.iter().filter(|i| i.trunk).collect();
    if trunks.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![String::new(), "Port        Mode             Encapsulation  Status        Native vlan".into()];
    for i in &trunks {
        let status = if i.up { "trunking" } else { "not-trunking" };
        lines.push(format!("{:<11} on               802.1q         {status:<13} {}", i.name.short(), i.native_vlan));
    }
    let table = |title: &str, vlans: &dyn Fn(&Interface) -> String| {
        let mut lines = vec![String::new(), format!("Port        {title}")];
        for i in &trunks {
            let items: Vec<String> = vlans(i).split(',').map(str::to_owned).collect();
            for (n, part) in wrap(&items, ",", LIST_WIDTH).into_iter().enumerate() {
                lines.push(format!("{:<11} {part}", if n == 0 { i.name.short() } else { String::new() }));
            }
        }
        lines
    };
    lines.extend(table("Vlans allowed on trunk", &|i| match i.allowed.as_str() {
        "ALL" => "1-4094".into(),
        "NONE" => "none".into(),
        list => list.into(),
    }));
    let active = |i: &Interface| match i.active.as_str() {
        "" | "NONE" => "none".into(),
        list => list.to_owned(),
    };
    lines.extend(table("Vlans allowed and active in management domain", &active));
    lines.extend(table("Vlans in spanning tree forwarding state and not pruned", &|i| {
        if i.up { active(i) } else { "none".into() }
    }));
    lines
}
