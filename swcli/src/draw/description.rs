//! `show interfaces description`.

use mona_model::shown::Interface;

/// The table.
pub fn draw(list: &[Interface]) -> Vec<String> {
    let mut lines = vec!["Interface                      Status         Protocol Description".into()];
    for i in list {
        let status = match (i.shutdown, i.up) {
            (true, _) => "admin down",
            (false, true) => "up",
            (false, false) => "down",
        };
        let protocol = if i.up && !i.shutdown { "up" } else { "down" };
        let description = i.description.as_deref().unwrap_or("");
        lines.push(format!("{:<30} {status:<14} {protocol:<8} {description}", i.name.short()));
    }
    lines
}
