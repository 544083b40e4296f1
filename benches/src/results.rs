//! What was measured: cells of tables, medians of all rounds; kept in a file, so that a part can be measured again alone.

use serde::{Deserialize, Serialize};
use std::path::Path;

/// A value of a table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cell {
    /// Which table.
    pub part: String,
    /// Its row: mostly a device.
    pub row: String,
    /// Its column, with the unit.
    pub column: String,
    /// The median of all rounds.
    pub median: f64,
    /// One value for each round.
    pub values: Vec<f64>,
}

/// A remark on a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// Which table.
    pub part: String,
    /// Its row.
    pub row: String,
    /// What is to be said.
    pub text: String,
}

/// All tables.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Results {
    /// In the order of rows and columns.
    pub cells: Vec<Cell>,
    /// What could not be measured, and what else must be known.
    pub notes: Vec<Note>,
}

impl Results {
    /// One more value.
    pub fn put(&mut self, part: &str, row: &str, column: &str, value: f64) {
        if !value.is_finite() {
            return;
        }
        let at = self.cells.iter().position(|c| c.part == part && c.row == row && c.column == column);
        let at = at.unwrap_or_else(|| {
            let (part, row, column) = (part.into(), row.into(), column.into());
            self.cells.push(Cell { part, row, column, median: 0.0, values: Vec::new() });
            self.cells.len() - 1
        });
        let cell = &mut self.cells[at];
        cell.values.push(value);
        cell.median = median(cell.values.clone());
    }

    /// A remark, once.
    pub fn note(&mut self, part: &str, row: &str, text: &str) {
        let note = Note { part: part.into(), row: row.into(), text: text.into() };
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// A cell's median.
    pub fn get(&self, part: &str, row: &str, column: &str) -> Option<f64> {
        let cell = self.cells.iter().find(|c| c.part == part && c.row == row && c.column == column);
        cell.map(|cell| cell.median)
    }

    /// Rows and columns of a part, in the order they came.
    pub fn shape(&self, part: &str) -> (Vec<&str>, Vec<&str>) {
        let (mut rows, mut columns): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
        for cell in self.cells.iter().filter(|cell| cell.part == part) {
            if !rows.contains(&cell.row.as_str()) {
                rows.push(&cell.row);
            }
            if !columns.contains(&cell.column.as_str()) {
                columns.push(&cell.column);
            }
        }
        (rows, columns)
    }

    /// As JSON, a line a cell.
    fn lines(&self) -> String {
        let list = |lines: Vec<String>| format!("[\n{}\n]", lines.join(",\n"));
        let line = |value: serde_json::Result<String>| value.expect("plain data");
        let cells = list(self.cells.iter().map(|cell| line(serde_json::to_string(cell))).collect());
        let notes = list(self.notes.iter().map(|note| line(serde_json::to_string(note))).collect());
        format!("{{\"cells\": {cells},\n\"notes\": {notes}}}\n")
    }

    /// Puts these beside those of the file: a part that was measured now replaces the one there.
    pub fn join(self, path: &Path) -> Result<Results, String> {
        let mut all: Results = match std::fs::read_to_string(path) {
            Ok(text) => serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?,
            Err(_) => Results::default(),
        };
        let is_new = |part: &str| self.cells.iter().any(|cell| cell.part == part);
        all.cells.retain(|cell| !is_new(&cell.part));
        all.notes.retain(|note| !is_new(&note.part));
        all.cells.extend(self.cells);
        all.notes.extend(self.notes);
        std::fs::write(path, all.lines()).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(all)
    }
}

/// The middle one; of an even number the upper.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
