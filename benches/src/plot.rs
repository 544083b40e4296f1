//! Results as bars (SVG): a panel for each column that matters.

use crate::results::Results;
use std::fmt::Write as _;
use std::path::Path;

/// Part, column and title of a panel.
const PANELS: [(&str, &str, &str); 8] = [
    ("bridged", "one flow", "Bridged, 64 B, one flow, Mpps"),
    ("bridged", "1,000 flows", "Bridged, 64 B, 1,000 flows, Mpps"),
    ("bridged", "100 k flows", "Bridged, 64 B, 100,000 flows, Mpps"),
    ("routed", "1 route", "Routed, 64 B, one route, Mpps"),
    ("routed", "1 M, 1,000 flows", "Routed, 1 M routes, 1,000 flows, Mpps"),
    ("tcp", "bridged 1", "TCP, bridged, one stream, Gb/s"),
    ("tcp", "routed 1", "TCP, routed, one stream, Gb/s"),
    ("cost", "RTT us", "Round trip, us (less is better)"),
];

const LINE: usize = 22;
const WIDTH: usize = 470;
/// Where bars begin, and how long the longest is.
const BAR: (usize, f64) = (165, 240.0);

/// Writes the panels that have values, two in a line.
pub fn plot(results: &Results, path: &Path) -> Result<(), String> {
    let panels: Vec<_> = PANELS
        .iter()
        .filter_map(|(part, column, title)| {
            let rows: Vec<(&str, f64)> = results
                .cells
                .iter()
                .filter(|c| c.part == *part && c.column == *column && c.row != "generator and sink")
                .map(|cell| (cell.row.as_str(), cell.median))
                .collect();
            (!rows.is_empty()).then_some((*title, rows))
        })
        .collect();
    let (mut body, mut top) = (String::new(), 10);
    for pair in panels.chunks(2) {
        for (side, (title, rows)) in pair.iter().enumerate() {
            panel(&mut body, (side * WIDTH, top), title, rows);
        }
        top += pair.iter().map(|(_, rows)| rows.len()).max().unwrap_or(0) * LINE + 50;
    }
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{top}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n",
        2 * WIDTH
    );
    std::fs::write(path, svg).map_err(|e| format!("{}: {e}", path.display()))
}

fn panel(svg: &mut String, (left, top): (usize, usize), title: &str, rows: &[(&str, f64)]) {
    let most = rows.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
    let at = left + BAR.0;
    let _ = writeln!(svg, "<text x=\"{at}\" y=\"{}\" font-weight=\"bold\">{title}</text>", top + 16);
    for (index, (name, value)) in rows.iter().enumerate() {
        let (y, length) = (top + 26 + index * LINE, value / most * BAR.1);
        let color = if name.starts_with("mona") { "#2a6f97" } else { "#a9b4bd" };
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{name}</text>\
             <rect x=\"{at}\" y=\"{y}\" width=\"{length:.0}\" height=\"16\" fill=\"{color}\"/>\
             <text x=\"{:.0}\" y=\"{}\">{value:.2}</text>",
            at - 8,
            y + 13,
            at as f64 + length + 6.0,
            y + 13
        );
    }
}
