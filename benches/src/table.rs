//! A part's results as text: a table, then how they stand to what is wanted, then what must be said.

use crate::compare::{Part, Wanted};
use crate::results::Results;
use std::fmt::Write as _;

/// A part's table, and how it stands to what is wanted.
pub fn report(results: &Results, part: &Part) -> String {
    let (rows, columns) = results.shape(part.name);
    let mut text = format!("{}: {}\n", part.name, part.about);
    let first = rows.iter().map(|row| row.len()).max().unwrap_or(0).max(12);
    let _ = write!(text, "{:first$}", "");
    columns.iter().for_each(|column| text += &format!("  {column:>9}"));
    text += "\n";
    for row in &rows {
        let _ = write!(text, "{row:first$}");
        for column in &columns {
            let value = results.get(part.name, row, column).map_or("-".into(), number);
            let _ = write!(text, "  {value:>width$}", width = column.len().max(9));
        }
        if let Some(limit) = limit(results, part.name, row) {
            let _ = write!(text, "  limit: {limit}");
        }
        text += "\n";
    }
    for wanted in part.wanted {
        text += &wanted.line(results, part.name);
    }
    for note in results.notes.iter().filter(|note| note.part == part.name) {
        let _ = writeln!(text, "note: {}: {}", note.row, note.text.lines().next().unwrap_or_default());
    }
    text
}

/// What the rate of one flow is limited by. All the kernel does for a frame, it does where the frame was sent.
fn limit(results: &Results, part: &str, row: &str) -> Option<&'static str> {
    let get = |column| results.get(part, row, column);
    let (mpps, offered) = (get("one flow").or(get("1 route"))?, get("offered")?);
    Some(match (mpps / offered > 0.98, get("worker %")? > 85.0) {
        (true, _) => "the sender's CPU (generator and kernel)",
        (false, true) => "the worker's CPU",
        (false, false) => "a queue",
    })
}

fn number(value: f64) -> String {
    match value.abs() {
        0.0..10.0 => format!("{value:.3}"),
        10.0..1000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

impl Wanted {
    fn line(&self, results: &Results, part: &str) -> String {
        let get = |row, column| results.get(part, row, column);
        let met = |met: bool| if met { "" } else { "  ← not reached" };
        let (column, name, value, wanted, met) = match *self {
            Wanted::Ratio { column, ours, theirs, at_least } => {
                let Some(ratio) = get(ours, column).zip(get(theirs, column)).map(|(a, b)| a / b) else {
                    return String::new();
                };
                let name = format!("{ours} / {theirs}");
                (column, name, format!("{ratio:.2}"), format!("≥ {at_least:.2}"), met(ratio >= at_least))
            }
            Wanted::Added { column, ours, theirs, at_most } => {
                let Some(added) = get(ours, column).zip(get(theirs, column)).map(|(a, b)| a - b) else {
                    return String::new();
                };
                let name = format!("{ours} - {theirs}");
                (column, name, number(added), format!("≤ {at_most}"), met(added <= at_most))
            }
            Wanted::AtMost { column, row, at_most } => {
                let Some(value) = get(row, column) else { return String::new() };
                (column, row.to_string(), number(value), format!("≤ {at_most}"), met(value <= at_most))
            }
            Wanted::AtLeast { column, row, at_least } => {
                let Some(value) = get(row, column) else { return String::new() };
                (column, row.to_string(), number(value), format!("≥ {at_least}"), met(value >= at_least))
            }
        };
        format!("  {column}: {name}: {value} (wanted {wanted}){met}\n")
    }
}
