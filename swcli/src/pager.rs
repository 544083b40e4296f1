//! `--More--`: a page at a time, without a single control sequence (IOS itself only uses backspaces).

use crate::terminal::Keys;
use std::io::{Write, stdout};

const MORE: &str = " --More-- ";

/// Prints the lines, so many at once; 0 = all. Blank = next page, Enter = next line, any other key = enough.
pub fn page(lines: &[String], length: u32, keys: &mut Keys) {
    // A line at least: of a screen of one, a blank turns no page either.
    let page = (length as usize).saturating_sub(1).max(1);
    let mut rest = lines;
    let mut count = if length == 0 || lines.len() <= page { lines.len() } else { page };
    loop {
        let (now, later) = rest.split_at(count.min(rest.len()));
        print(now);
        rest = later;
        if rest.is_empty() {
            return;
        }
        let mut out = stdout();
        let _ = out.write_all(MORE.as_bytes()).and_then(|()| out.flush());
        let key = loop {
            match keys.byte() {
                // NUL is never a key: NAPALM sends it to see whether the line is alive.
                Some(0) => {}
                key => break key,
            }
        };
        let back = "\x08".repeat(MORE.len());
        let _ = write!(out, "{back}{}{back}", " ".repeat(MORE.len())).and_then(|()| out.flush());
        count = match key {
            Some(b' ') => page,
            Some(b'\r' | b'\n') => 1,
            _ => return,
        };
    }
}

/// Prints lines. A reader that has gone away (`| head`) is no error worth a word.
pub fn print(lines: &[String]) {
    let mut text = String::with_capacity(lines.iter().map(|line| line.len() + 1).sum());
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    let mut out = stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
