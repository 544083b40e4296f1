//! `show ip traffic`, `show ipv6 traffic`.

use mona_model::shown_ip::{Count, CountGroup, Traffic};

/// Columns of a line of counters.
const WIDTH: usize = 64;

/// The counters, by protocol and kind.
pub fn draw(traffic: &Traffic) -> Vec<String> {
    let mut lines = Vec::new();
    for (at, section) in traffic.sections.iter().enumerate() {
        if at > 0 {
            lines.push(String::new());
        }
        lines.push(format!("{}:", section.title));
        for CountGroup { title, counts } in &section.groups {
            let items: Vec<String> = counts.iter().map(|Count { what, count }| format!("{count} {what}")).collect();
            let parts = super::wrap(&items, ", ", WIDTH).into_iter().enumerate();
            lines.extend(parts.map(|(n, part)| match n {
                0 => format!("  {:<7}{part}", format!("{title}:")),
                _ => format!("{:9}{part}", ""),
            }));
        }
    }
    lines
}
