//! `switchd --record FILE`: every input with its time, one JSON object per line. `testbed replay FILE` runs them again.

use crate::input::Input;
use mona_datapath::switching::IoChoice;
use mona_wire::Instant;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// A line of the record.
#[expect(clippy::large_enum_variant, reason = "they come one at a time")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Entry {
    /// First line: what the switch was started with.
    Start {
        /// Stations the table holds.
        stations: usize,
        /// What `io auto` means.
        io: IoChoice,
    },
    /// An input.
    Input {
        /// When.
        now: Instant,
        /// What.
        input: Input,
    },
}

/// A record being written.
pub struct Journal {
    file: BufWriter<File>,
}

impl Journal {
    /// Begins a record.
    pub fn create(path: &Path, start: &Entry) -> Result<Journal, String> {
        let file = File::create(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut journal = Journal { file: BufWriter::new(file) };
        journal.write(start).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(journal)
    }

    /// Adds an entry; it is in the file when this returns, so that a crash loses nothing.
    pub fn write(&mut self, entry: &Entry) -> std::io::Result<()> {
        serde_json::to_writer(&mut self.file, entry)?;
        self.file.write_all(b"\n")?;
        self.file.flush()
    }
}

/// Reads a record back. An error names the line.
pub fn read(text: &str) -> Result<Vec<Entry>, String> {
    let entry = |(index, line)| serde_json::from_str(line).map_err(|e| format!("line {}: {e}", index + 1));
    text.lines().enumerate().map(entry).collect()
}
