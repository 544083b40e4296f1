//! `show platform drops`: every reason that has dropped a frame.

use mona_model::shown::DropRow;

/// The table.
pub fn draw(list: &[DropRow]) -> Vec<String> {
    let mut lines = vec![
        "Reason                          Interface         Count  Meaning".into(),
        "------------------------------- ---------- ------------  ------------------------------".into(),
    ];
    for row in list {
        let interface = row.interface.map_or("-".into(), |name| name.short());
        lines.push(format!("{:<31} {interface:<10} {:>12}  {}", row.reason, row.count, row.why));
    }
    lines
}
