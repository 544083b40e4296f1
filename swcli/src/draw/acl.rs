//! `show access-lists`: each list and what its lines decided about.

use mona_model::acl::ListKind;
use mona_model::shown::AccessListRow;

/// One list.
pub fn draw(list: &AccessListRow) -> Vec<String> {
    let mut lines = vec![format!("{} {}", list.kind.noun(), list.name)];
    for line in &list.lines {
        let matches = match line.matches {
            0 => String::new(),
            1 => " (1 match)".into(),
            many => format!(" ({many} matches)"),
        };
        lines.push(match list.kind {
            ListKind::Ip6 => format!("    {}{matches} sequence {}", line.text, line.sequence),
            _ => format!("    {} {}{matches}", line.sequence, line.text),
        });
    }
    lines
}
