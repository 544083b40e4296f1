//! `show mac address-table`, `aging-time`, `count`.

use mona_model::shown::{MacCountRow, MacRow};

/// The table.
pub fn draw(rows: &[MacRow]) -> Vec<String> {
    let mut lines = vec![
        "          Mac Address Table".into(),
        "-------------------------------------------".into(),
        String::new(),
        "Vlan    Mac Address       Type        Ports".into(),
        "----    -----------       --------    -----".into(),
    ];
    for row in rows {
        let vlan = row.vlan.map_or("All".into(), |vlan| vlan.to_string());
        let kind = if row.is_static { "STATIC" } else { "DYNAMIC" };
        let port = row.port.map_or("CPU".into(), |port| port.short());
        lines.push(format!("{vlan:>4}    {}    {kind:<8}    {port}", row.mac));
    }
    lines.push(format!("Total Mac Addresses for this criterion: {}", rows.len()));
    lines
}

/// `show mac address-table aging-time`
pub fn draw_aging(secs: u32) -> Vec<String> {
    vec![format!("Global Aging Time: {secs:>4}"), "Vlan    Aging Time".into(), "----    ----------".into()]
}

/// `show mac address-table count`
pub fn draw_count(rows: &[MacCountRow]) -> Vec<String> {
    let mut lines = Vec::new();
    for row in rows {
        lines.extend([
            String::new(),
            format!("Mac Entries for Vlan {}:", row.vlan),
            "---------------------------".into(),
            format!("Dynamic Address Count  : {}", row.dynamic),
            format!("Static  Address Count  : {}", row.statics),
            format!("Total Mac Addresses    : {}", row.dynamic + row.statics),
        ]);
    }
    if let Some(row) = rows.last() {
        lines.extend([String::new(), format!("Total Mac Address Space Available: {}", row.free)]);
    }
    lines.push(String::new());
    lines
}
