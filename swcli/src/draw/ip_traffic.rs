//! `show ip traffic`, `show ipv6 traffic`.

use mona_model::shown_ip::{Count, Traffic};

/// Columns of a line of counters.
const WIDTH: usize = 66;

/// The counters, in groups.
pub fn draw(traffic: &Traffic) -> Vec<String> {
    let mut lines = vec![if traffic.six { "IPv6 statistics:" } else { "IP statistics:" }.to_string()];
    for (title, counts) in &traffic.groups {
        lines.push(format!("  {title}:"));
        let items: Vec<String> = counts.iter().map(|Count { what, count }| format!("{count} {what}")).collect();
        lines.extend(super::wrap(&items, ", ", WIDTH).into_iter().map(|part| format!("    {part}")));
    }
    lines
}
