//! Transcripts: what a person at the shell types and sees, played through a real pseudo-terminal.
//!
//! A `.cli` file is the screen from top to bottom, compared in full. A line that begins with a prompt is typed; what
//! follows up to the next prompt is what must appear.
//!
//! ```text
//! # A comment. Lines before the first prompt are the startup-config; `@` lines run in the switch's namespace.
//! s1#sh ver?                    `?` acts at once: no Enter is typed after it,
//! version
//! s1#sh ver | i <TAB:nclude >   and the line goes on where it stood. <TAB:text>: Tab adds this text.
//! s1#conf t<C-c>                <C-c>, <C-z>, <C-u>, <C-p>, <C-v>, <BS>, <NUL>: keys.
//! s1#sh v<WAIT>                 Nothing more is typed for now.
//!  --More-- <SPACE>             A page is turned; the line is gone afterwards.
//! s1(config)#banner motd #      Of a text of several lines,
//! Enter TEXT message.  End with the character '#'.
//! > Who are you?                each is typed where there is no prompt.
//! > #
//! --- ends the startup-config where something is shown before the first prompt.
//! … stands for anything in a line, a line of ⋮ alone for any lines.
//! ```

use crate::netns::{PATIENCE, binary};
use nix::poll::{PollFd, PollFlags, poll};
use nix::pty::{Winsize, openpty};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Columns of the terminal: wide, so that nothing wraps.
const COLUMNS: u16 = 200;
/// Lines of the terminal: the pager stops after one less.
const LINES: u16 = 24;

/// One step of a transcript.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// A line that begins with a prompt.
    Type(String),
    /// A line of a text, typed where there is no prompt.
    Text(String),
    /// A page is turned with these keys.
    Turn(String),
    /// Runs in the switch's namespace.
    Run(String),
    /// Appears.
    See(String),
}

/// A transcript, read.
pub struct Transcript {
    /// The switch's startup-config.
    pub config: String,
    steps: Vec<Step>,
}

impl Transcript {
    /// Reads the text of a `.cli` file.
    pub fn read(text: &str) -> Transcript {
        let mut lines = text.lines().filter(|line| !line.starts_with('#')).peekable();
        let mut config = String::new();
        while let Some(line) = lines.next_if(|line| prompt_length(line).is_none() && *line != "---") {
            config.push_str(line);
            config.push('\n');
        }
        lines.next_if_eq(&"---");
        let step = |line: &str| {
            if let Some(command) = line.strip_prefix("@ ") {
                Step::Run(command.into())
            } else if let Some(text) = line.strip_prefix("> ") {
                Step::Text(text.into())
            } else if let Some(keys) = line.strip_prefix(" --More-- ") {
                Step::Turn(keys.into())
            } else if prompt_length(line).is_some() {
                Step::Type(line.into())
            } else {
                Step::See(line.into())
            }
        };
        Transcript { config, steps: lines.map(step).collect() }
    }

    /// Plays it on `swcli` with this `TERM`; `run` carries out the `@` lines. Panics with both screens when they differ.
    pub fn play(&self, socket: &Path, term: &str, run: impl Fn(&str)) {
        let mut terminal = Terminal::open(socket, term);
        let mut screen: Vec<String> = Vec::new();
        // What stands after the prompt already, because `?` or an event had the line shown again.
        let mut pending = String::new();
        for step in &self.steps {
            match step {
                Step::See(line) => screen.push(line.clone()),
                Step::Run(command) => run(command),
                Step::Text(text) => {
                    // No key but Ctrl-C means anything else here.
                    let (text, end) = text.strip_suffix("<C-c>").map_or((text.as_str(), "\r"), |text| (text, "\x03"));
                    screen.push(text.into());
                    terminal.send([text, end].concat().into_bytes());
                }
                Step::Turn(keys) => {
                    screen.push(" --More--".into());
                    terminal.expect(&screen);
                    screen.pop();
                    typed(keys).into_iter().for_each(|key| terminal.send(key.bytes()));
                }
                Step::Type(line) => {
                    let (prompt, rest) = line.split_at(prompt_length(line).unwrap_or(0));
                    let rest = rest
                        .strip_prefix(pending.as_str())
                        .unwrap_or_else(|| panic!("{line}: the line begins with {pending:?} already"));
                    screen.push(format!("{prompt}{pending}"));
                    terminal.expect(&screen);
                    pending = self.type_keys(rest, pending, prompt, &mut screen, &mut terminal);
                }
            }
        }
        terminal.expect(&screen);
    }

    /// Types the keys of one line; returns what the next line begins with.
    fn type_keys(
        &self,
        keys: &str,
        mut line: String,
        prompt: &str,
        screen: &mut Vec<String>,
        terminal: &mut Terminal,
    ) -> String {
        let show = |screen: &mut Vec<String>, text: &str| {
            screen.pop();
            screen.push(format!("{prompt}{text}"));
        };
        for key in typed(keys) {
            terminal.send(key.bytes());
            match key {
                Key::Help => {
                    show(screen, &format!("{line}?"));
                    return line;
                }
                Key::Char(c) => line.push(c),
                Key::Tab(added) => {
                    line.push_str(&added);
                    show(screen, &line);
                    terminal.expect(screen);
                }
                Key::Erase => drop(line.pop()),
                Key::EraseAll => line.clear(),
                Key::Literal(c) => line.push(c),
                // The line that is recalled is in the transcript: `<C-p:show version>`.
                Key::Recall(text) => line = text,
                Key::Cancel => {
                    show(screen, &line);
                    return String::new();
                }
                Key::End => {
                    show(screen, &format!("{line}^Z"));
                    return String::new();
                }
                Key::Wait => {
                    show(screen, &line);
                    terminal.expect(screen);
                    // The event's line appears above this one, which is shown again below it.
                    screen.pop();
                    return line;
                }
                Key::Enter | Key::Space | Key::Nul => {}
            }
        }
        terminal.send(b"\r".to_vec());
        show(screen, &line);
        String::new()
    }
}

/// A key, and what it does to the line.
#[derive(Debug)]
enum Key {
    Char(char),
    Help,
    Tab(String),
    Erase,
    EraseAll,
    Literal(char),
    Recall(String),
    Cancel,
    End,
    Wait,
    Enter,
    Space,
    Nul,
}

impl Key {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Key::Char(c) => c.to_string().into_bytes(),
            Key::Help => b"?".to_vec(),
            Key::Tab(_) => b"\t".to_vec(),
            Key::Erase => b"\x7f".to_vec(),
            Key::EraseAll => b"\x15".to_vec(),
            Key::Literal(c) => format!("\x16{c}").into_bytes(),
            Key::Recall(_) => b"\x10".to_vec(),
            Key::Cancel => b"\x03".to_vec(),
            Key::End => b"\x1a".to_vec(),
            Key::Wait => Vec::new(),
            Key::Enter => b"\r".to_vec(),
            Key::Space => b" ".to_vec(),
            Key::Nul => b"\0".to_vec(),
        }
    }
}

/// The keys of a line as it is written in a transcript.
fn typed(text: &str) -> Vec<Key> {
    let mut keys = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let named = rest.strip_prefix('<').and_then(|after| after.split_once('>')).and_then(|(name, after)| {
            let (name, argument) = name.split_once(':').unwrap_or((name, ""));
            let key = match name {
                "TAB" => Key::Tab(argument.into()),
                "BS" => Key::Erase,
                "C-u" => Key::EraseAll,
                "C-v" => Key::Literal(argument.chars().next().unwrap_or('?')),
                "C-p" => Key::Recall(argument.into()),
                "C-c" => Key::Cancel,
                "C-z" => Key::End,
                "WAIT" => Key::Wait,
                "ENTER" => Key::Enter,
                "SPACE" => Key::Space,
                "NUL" => Key::Nul,
                _ => return None,
            };
            Some((key, after))
        });
        match named {
            Some((key, after)) => {
                keys.push(key);
                rest = after;
            }
            None => {
                keys.push(if c == '?' { Key::Help } else { Key::Char(c) });
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    keys
}

/// `s1#`, `s1>`, `s1(config-if)#`: its length, if the line begins with one.
fn prompt_length(line: &str) -> Option<usize> {
    let end = line.find(['#', '>'])?;
    let (name, mode) = line[..end].split_once('(').unwrap_or((&line[..end], ")"));
    let word = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    (!name.is_empty() && word(name) && word(mode.strip_suffix(')')?)).then_some(end + 1)
}

/// `swcli` on a pseudo-terminal, and the screen it has painted.
struct Terminal {
    child: Child,
    master: File,
    screen: Screen,
    term: String,
}

impl Terminal {
    fn open(socket: &Path, term: &str) -> Terminal {
        let size = Winsize { ws_row: LINES, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(&size, None).expect("a pseudo-terminal");
        let slave = || Stdio::from(pty.slave.try_clone().expect("a second handle"));
        let child = Command::new(binary("swcli"))
            .arg("--socket")
            .arg(socket)
            .env("TERM", term)
            .env_remove("SSH_CONNECTION")
            .stdin(slave())
            .stdout(slave())
            .stderr(slave())
            .spawn()
            .expect("swcli runs");
        Terminal { child, master: pty.master.into(), screen: Screen::default(), term: term.into() }
    }

    fn send(&mut self, bytes: Vec<u8>) {
        self.master.write_all(&bytes).expect("the terminal takes keys");
    }

    /// Waits until the screen shows just this.
    fn expect(&mut self, expected: &[String]) {
        let until = Instant::now() + PATIENCE;
        while !matches(expected, &self.screen.text()) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || !self.receive(left) {
                let seen = self.screen.text().join("\n");
                panic!("TERM={}\n--- expected\n{}\n--- seen\n{seen}\n---", self.term, expected.join("\n"));
            }
        }
    }

    /// Paints what swcli writes next; `false` when nothing came in time, or nothing will.
    fn receive(&mut self, patience: Duration) -> bool {
        let mut fds = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        let millis = u16::try_from(patience.as_millis().max(1)).unwrap_or(u16::MAX);
        if !matches!(poll(&mut fds, millis), Ok(1..)) {
            return false;
        }
        let mut bytes = [0; 4096];
        let Ok(n @ 1..) = self.master.read(&mut bytes) else { return false };
        if self.term != "xterm" {
            assert!(!bytes[..n].contains(&0x1b), "TERM={} was sent a control sequence", self.term);
        }
        self.screen.paint(&bytes[..n]);
        true
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// As much of a terminal as rustyline needs: a scroll of lines and a cursor.
#[derive(Default)]
struct Screen {
    lines: Vec<Vec<char>>,
    row: usize,
    column: usize,
    /// Bytes of an unfinished character or control sequence.
    partial: Vec<u8>,
}

impl Screen {
    fn text(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            self.lines.iter().map(|line| line.iter().collect::<String>().trim_end().to_owned()).collect();
        // The cursor's own line, below all that was written.
        lines.pop_if(|line| line.is_empty());
        lines
    }

    fn paint(&mut self, bytes: &[u8]) {
        self.partial.extend(bytes);
        let bytes = std::mem::take(&mut self.partial);
        let mut at = 0;
        while at < bytes.len() {
            match self.paint_one(&bytes[at..]) {
                0 => break,
                n => at += n,
            }
        }
        self.partial = bytes[at..].to_vec();
    }

    /// Paints what stands first; returns its length, 0 when it is not complete.
    fn paint_one(&mut self, bytes: &[u8]) -> usize {
        match bytes[0] {
            b'\r' => self.column = 0,
            b'\n' => {
                self.row += 1;
                self.line();
            }
            0x08 => self.column = self.column.saturating_sub(1),
            0x1b => {
                let Some(end) = bytes.iter().skip(2).position(|byte| (0x40..0x7f).contains(byte)) else { return 0 };
                let body = String::from_utf8_lossy(&bytes[2..2 + end]).into_owned();
                self.control(&body, bytes[2 + end]);
                return end + 3;
            }
            0..0x20 | 0x7f => {}
            _ => {
                let length = match bytes[0] {
                    0..0x80 => 1,
                    0x80..0xe0 => 2,
                    0xe0..0xf0 => 3,
                    _ => 4,
                };
                let Some(text) = bytes.get(..length) else { return 0 };
                let column = self.column;
                let line = self.line();
                if line.len() <= column {
                    line.resize(column + 1, ' ');
                }
                line[column] = String::from_utf8_lossy(text).chars().next().unwrap_or(' ');
                self.column += 1;
                return length;
            }
        }
        1
    }

    fn control(&mut self, body: &str, last: u8) {
        let n: usize = body.parse().unwrap_or(1);
        match last {
            b'A' => self.row = self.row.saturating_sub(n),
            b'B' => self.row += n,
            b'C' => self.column += n,
            b'D' => self.column = self.column.saturating_sub(n),
            b'G' => self.column = n.saturating_sub(1),
            b'K' | b'J' => {
                let column = self.column;
                self.line().truncate(column);
                if last == b'J' {
                    self.lines.truncate(self.row + 1);
                }
            }
            // Modes and colours leave no mark on the text.
            _ => {}
        }
    }

    fn line(&mut self) -> &mut Vec<char> {
        if self.lines.len() <= self.row {
            self.lines.resize(self.row + 1, Vec::new());
        }
        &mut self.lines[self.row]
    }
}

/// Does the screen show what is expected? See the head of this file for `…` and `⋮`.
fn matches(expected: &[String], seen: &[String]) -> bool {
    match expected.split_first() {
        None => seen.is_empty(),
        Some((line, rest)) if line == "⋮" => (0..=seen.len()).any(|skip| matches(rest, &seen[skip..])),
        Some((line, rest)) => seen
            .split_first()
            .is_some_and(|(first, later)| line_matches(line.trim_end(), first) && matches(rest, later)),
    }
}

fn line_matches(expected: &str, seen: &str) -> bool {
    let Some((start, rest)) = expected.split_once('…') else { return expected == seen };
    let Some(seen) = seen.strip_prefix(start) else { return false };
    seen.char_indices().map(|(at, _)| at).chain([seen.len()]).any(|at| line_matches(rest, &seen[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts() {
        let cases = [
            ("s1#show", Some(3)),
            ("s1>", Some(3)),
            ("s1(config-if)# x", Some(14)),
            ("#", None),
            (" s1#", None),
            ("not a #prompt", None),
            ("interface GigabitEthernet0/1", None),
        ];
        for (line, expect) in cases {
            assert_eq!(prompt_length(line), expect, "{line}");
        }
    }

    #[test]
    fn screens() {
        let check = |bytes: &str, expect: &str| {
            let mut screen = Screen::default();
            bytes.as_bytes().chunks(1).for_each(|byte| screen.paint(byte));
            assert_eq!(screen.text().join("\n"), expect);
        };
        check("a\r\nb", "a\nb");
        check("abc\x08\x08 \x08", "a c");
        check("s1#sh\r\x1b[Ks1#show\x1b[?25h\r\n", "s1#show");
        check("s1#sh\r\n\x1b[A\x1b[6G?\n\rx", "s1#sh?\nx");
        check("ä\x1b[1Döx", "öx");
    }

    #[test]
    fn wildcards() {
        let check = |expected: &str, seen: &str, expect: bool| {
            let lines = |text: &str| text.split('|').map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(matches(&lines(expected), &lines(seen)), expect, "{expected} {seen}");
        };
        check("a|b", "a|b", true);
        check("a|b", "a|c", false);
        check("a|b", "a|b|c", false);
        check("up … ms", "up 12 ms", true);
        check("up … ms", "up 12 s", false);
        check("a|⋮|c", "a|c", true);
        check("a|⋮|c", "a|b|b|c", true);
        check("a|⋮|c", "a|b|b", false);
    }
}
