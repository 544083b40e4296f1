//! The editor for terminals that shall see nothing but characters (`vt100`, `dumb`): netmiko, Ansible, scrapli and RANCID
//! match the echo of what they sent, once, unwrapped and without cursor movement.

use super::Typed;
use crate::client::OnLog;
use crate::help::{self, Place};
use crate::terminal::Keys;
use nix::fcntl::OFlag;
use std::io::{Write, stdout};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Longest line, bytes: a quarter of what a request may carry, so that JSON's escapes fit.
const LINE_LIMIT: usize = 16 * 1024;
/// Log lines that wait for a place to be printed; more are lost here, and are still in `show logging`.
const LOG_LIMIT: usize = 1000;

const BELL: &str = "\x07";
const ERASE: &str = "\x08 \x08";

/// The editor.
pub struct Plain {
    /// The pager reads from here too.
    pub keys: Keys,
    /// The last key was CR: an LF right after it is the same line end.
    after_cr: bool,
    logs: Receiver<String>,
    to_logs: SyncSender<String>,
    wake: OwnedFd,
    waker: Arc<OwnedFd>,
}

/// The line being typed.
struct Line<'a> {
    prompt: &'a str,
    text: String,
    /// What is still to be written, so that a pasted page costs few writes.
    echo: String,
}

impl Plain {
    /// Makes the editor.
    pub fn open() -> Result<Plain, String> {
        let (to_logs, logs) = sync_channel(LOG_LIMIT);
        let (wake, waker) =
            nix::unistd::pipe2(OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).map_err(|e| format!("no pipe: {e}"))?;
        Ok(Plain { keys: Keys::default(), after_cr: false, logs, to_logs, wake, waker: Arc::new(waker) })
    }

    /// See [`super::Editor::log_source`].
    pub fn log_source(&self) -> Box<dyn Fn() -> OnLog> {
        let (to_logs, waker) = (self.to_logs.clone(), self.waker.clone());
        Box::new(move || {
            let (to_logs, waker) = (to_logs.clone(), waker.clone());
            Box::new(move |line| {
                if to_logs.try_send(line).is_ok() {
                    // A full pipe wakes as well as one byte more.
                    let _ = nix::unistd::write(&waker, b"l");
                }
            })
        })
    }

    /// See [`super::Editor::screen_lines`]. rustyline knows how to ask; it reads no key here.
    pub fn screen_lines(&mut self) -> Option<u32> {
        rustyline::DefaultEditor::new().ok()?.dimensions().map(|(_, lines)| u32::from(lines))
    }

    /// See [`super::Editor::read`]. Text after the cursor is appended: the cursor is always at the end.
    pub fn read(&mut self, prompt: &str, initial: (&str, &str), place: &Place, history: &[String]) -> Typed {
        let mut line = Line { prompt, text: format!("{}{}", initial.0, initial.1), echo: String::new() };
        let logs: Vec<String> = self.take_logs();
        line.echo.extend(logs.iter().map(|log| format!("{log}\n")));
        line.redraw();
        let mut recalled = history.len();
        // Bytes of a character that is not complete yet.
        let mut partial: Vec<u8> = Vec::new();
        loop {
            if !self.keys.is_waiting() {
                line.flush();
                while !self.keys.wait(self.wake.as_fd()) {
                    line.hide();
                    for log in self.take_logs() {
                        line.echo.push_str(&format!("{log}\n"));
                    }
                    line.redraw();
                    line.flush();
                }
            }
            let Some(key) = self.keys.byte() else { return Typed::Closed };
            let after_cr = std::mem::replace(&mut self.after_cr, key == b'\r');
            match key {
                b'\n' if after_cr => {}
                b'\r' | b'\n' => return line.done("\n", Typed::Line),
                b'?' if !place.in_text => return line.done("?\n", |text| Typed::Help(text, String::new())),
                b'\t' if place.in_text => line.insert('\t'),
                b'\t' => line.complete(place),
                0x03 => return line.done("\n", |_| Typed::Cancelled),
                0x1a => return line.done("^Z\n", Typed::End),
                0x04 if line.text.is_empty() => return line.done("\n", |_| Typed::Closed),
                0x08 | 0x7f => line.erase(1),
                0x15 | 0x18 => line.erase(usize::MAX),
                0x17 => line.erase(line.text.len() - word_start(&line.text)),
                0x0c | 0x12 => {
                    line.echo.push('\n');
                    line.redraw();
                }
                0x10 => line.recall(history, &mut recalled, true),
                0x0e => line.recall(history, &mut recalled, false),
                0x1b => match self.escape_sequence() {
                    Some(b'A') => line.recall(history, &mut recalled, true),
                    Some(b'B') => line.recall(history, &mut recalled, false),
                    _ => {}
                },
                // Ctrl-V: the next key is text, `?` above all.
                0x16 => match self.keys.byte() {
                    Some(key @ 0x20..0x7f) => line.insert(key as char),
                    // What ends a banner, as the configuration writes it.
                    Some(0x03) => "^C".chars().for_each(|c| line.insert(c)),
                    _ => line.echo.push_str(BELL),
                },
                0x20..0x7f => line.insert(key as char),
                0x80.. => {
                    partial.push(key);
                    match std::str::from_utf8(&partial) {
                        Ok(text) => {
                            text.chars().for_each(|c| line.insert(c));
                            partial.clear();
                        }
                        Err(error) if error.error_len().is_some() => partial.clear(),
                        Err(_) => {}
                    }
                }
                // NUL (NAPALM asks so whether the line is alive) and keys without a meaning here.
                _ => {}
            }
        }
    }

    fn take_logs(&mut self) -> Vec<String> {
        let mut bytes = [0; 64];
        while matches!(nix::unistd::read(&self.wake, &mut bytes), Ok(n) if n > 0) {}
        self.logs.try_iter().collect()
    }

    /// Reads the rest of an escape sequence; its last byte.
    fn escape_sequence(&mut self) -> Option<u8> {
        match self.keys.byte()? {
            b'[' | b'O' => loop {
                let byte = self.keys.byte()?;
                if (0x40..0x7f).contains(&byte) {
                    return Some(byte);
                }
            },
            _ => None,
        }
    }
}

impl Line<'_> {
    fn redraw(&mut self) {
        self.echo.push_str(self.prompt);
        self.echo.push_str(&self.text);
    }

    /// Takes prompt and text off the screen, to show them again below something else.
    fn hide(&mut self) {
        let columns = self.prompt.chars().count() + self.text.chars().count();
        self.echo.push_str(&format!("\r{}\r", " ".repeat(columns)));
    }

    fn flush(&mut self) {
        // A terminal that is gone shows itself at the next read.
        let _ = stdout().write_all(self.echo.as_bytes()).and_then(|()| stdout().flush());
        self.echo.clear();
    }

    fn done(mut self, end: &str, typed: impl FnOnce(String) -> Typed) -> Typed {
        self.echo.push_str(end);
        self.flush();
        typed(self.text)
    }

    fn insert(&mut self, c: char) {
        if self.text.len() + c.len_utf8() > LINE_LIMIT {
            return self.echo.push_str(BELL);
        }
        self.text.push(c);
        self.echo.push(c);
    }

    /// Erases so many characters before the cursor.
    fn erase(&mut self, count: usize) {
        for _ in 0..count {
            if self.text.pop().is_none() {
                return;
            }
            self.echo.push_str(ERASE);
        }
    }

    fn complete(&mut self, place: &Place) {
        let Some(completed) = help::complete(place, &self.text) else { return self.echo.push_str(BELL) };
        match completed.strip_prefix(self.text.as_str()) {
            Some(rest) => self.echo.push_str(rest),
            // Written differently (upper case): shown anew, as IOS does.
            None => self.echo.push_str(&format!("\n{}{completed}", self.prompt)),
        }
        self.text = completed;
    }

    /// Replaces the line by the one before or after it in the history.
    fn recall(&mut self, history: &[String], at: &mut usize, back: bool) {
        let next = if back { at.checked_sub(1) } else { Some(*at + 1).filter(|next| *next <= history.len()) };
        let Some(next) = next else { return self.echo.push_str(BELL) };
        *at = next;
        self.erase(usize::MAX);
        self.text = history.get(next).cloned().unwrap_or_default();
        self.echo.push_str(&self.text);
    }
}

/// Where the last word of the text begins.
fn word_start(text: &str) -> usize {
    text.trim_end().rfind(' ').map_or(0, |blank| blank + 1)
}
