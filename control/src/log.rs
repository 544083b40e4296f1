//! The log as IOS keeps it: stamped lines in a bounded buffer.

use mona_wire::Instant;
use std::collections::VecDeque;
use time::OffsetDateTime;

/// Lines kept unless `logging buffered` says otherwise.
const LINES: u32 = 1000;

/// The buffer and what new lines wait to be handed out.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// Microseconds since 1970 at switch time zero.
    pub wall: u64,
    size: Option<u32>,
    lines: VecDeque<String>,
    logged: u64,
    fresh: Vec<String>,
}

impl Log {
    /// Adds a line: `tag` is `%FACILITY-severity-MNEMONIC`.
    pub fn add(&mut self, now: Instant, tag: &str, text: &str) {
        let line = format!("{}: {tag}: {text}", stamp(self.at(now)));
        self.lines.push_back(line.clone());
        self.logged += 1;
        self.trim();
        self.fresh.push(line);
    }

    /// `logging buffered LINES`
    pub fn resize(&mut self, lines: Option<u32>) {
        self.size = lines;
        self.trim();
    }

    /// `clear logging`
    pub fn clear(&mut self) {
        self.lines.clear();
    }

    /// The lines added since the last call.
    pub fn take_fresh(&mut self) -> Vec<String> {
        std::mem::take(&mut self.fresh)
    }

    /// Size of the buffer, lines logged ever, the buffer.
    pub fn view(&self) -> (u32, u64, Vec<String>) {
        (self.size.unwrap_or(LINES), self.logged, self.lines.iter().cloned().collect())
    }

    /// Wall-clock time, microseconds since 1970.
    pub fn at(&self, now: Instant) -> u64 {
        self.wall + now.0 / 1000
    }

    fn trim(&mut self) {
        while self.lines.len() > self.size.unwrap_or(LINES) as usize {
            self.lines.pop_front();
        }
    }
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn date(micros: u64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// `*Nov 21 05:00:00.000`
fn stamp(micros: u64) -> String {
    let d = date(micros);
    let (h, m, s, ms) = (d.hour(), d.minute(), d.second(), d.millisecond());
    format!("*{} {:>2} {h:02}:{m:02}:{s:02}.{ms:03}", MONTHS[d.month() as usize - 1], d.day())
}

/// `05:00:00.000 UTC Sat Nov 21 2026`, with or without the milliseconds.
pub fn clock(micros: u64, with_millis: bool) -> String {
    let d = date(micros);
    let millis = if with_millis { format!(".{:03}", d.millisecond()) } else { String::new() };
    let weekday = &d.weekday().to_string()[..3];
    let (h, m, s) = (d.hour(), d.minute(), d.second());
    format!("{h:02}:{m:02}:{s:02}{millis} UTC {weekday} {} {} {}", MONTHS[d.month() as usize - 1], d.day(), d.year())
}
