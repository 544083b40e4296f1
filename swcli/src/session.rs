//! What a session with the switch is apart from its terminal: a mode, a privilege and a connection that is made again
//! when the daemon has restarted.

use crate::client::{Client, OnLog};
use crate::draw::draw;
use crate::errors;
use crate::filter::{self, Filter};
use crate::help::Place;
use mona_model::api::{LineError, Reply};
use mona_model::config::Config;
use mona_model::grammar::{self, Local, Parsed};
use mona_model::rows::Action;
use mona_model::shown::Shown;
use mona_model::text::{Delimiter, Unfinished};
use std::borrow::Cow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a line waits for a daemon that is restarting.
const RECONNECT: Duration = Duration::from_secs(3);
/// Pause between two attempts.
const RETRY: Duration = Duration::from_millis(50);
/// Lines `show history` remembers.
const HISTORY_LIMIT: usize = 256;

/// A session.
pub struct Session {
    /// The mode, and the privilege that requests are made with.
    pub place: Place,
    /// Lines typed, oldest first, without consecutive duplicates.
    pub history: Vec<String>,
    /// `terminal length`; `None` = as tall as the screen, 0 = no pager.
    pub length: Option<u32>,
    /// A command whose text goes on in the lines that follow.
    text: Option<Unfinished>,
    client: Client,
    socket: PathBuf,
    on_log: Box<dyn Fn() -> OnLog>,
    monitor: bool,
}

/// What a line came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// To be printed.
    pub lines: Vec<String>,
    /// Printed after them: why the line was refused.
    pub error: Vec<String>,
    /// The session is over.
    pub quit: bool,
}

impl Outcome {
    fn refused(error: Vec<String>) -> Outcome {
        Outcome { error, ..Outcome::default() }
    }
}

impl Session {
    /// Connects. `on_log` makes a receiver of log lines for each connection; `privilege` lowers what the socket grants.
    pub fn open(
        socket: PathBuf,
        privilege: Option<u8>,
        origin: &str,
        on_log: Box<dyn Fn() -> OnLog>,
    ) -> Result<Session, String> {
        let mut client = Client::connect_with(&socket, on_log())?;
        client.origin = origin.into();
        let privilege = privilege.unwrap_or(client.granted).min(client.granted);
        client.privilege = Some(privilege);
        let place = Place { context: Vec::new(), privilege, in_text: false };
        Ok(Session { place, history: Vec::new(), length: None, text: None, client, socket, on_log, monitor: false })
    }

    /// `host#`, `host(config-if)#`, `host>`; none while a text is told.
    pub fn prompt(&self) -> String {
        if self.place.in_text {
            return String::new();
        }
        let mark = if self.place.privilege >= 2 { '#' } else { '>' };
        format!("{}{}{mark}", self.client.hostname, grammar::prompt(&self.place.context))
    }

    /// Keeps a typed line for `show history`.
    pub fn remember(&mut self, line: &str) {
        if self.place.in_text || line.trim().is_empty() || self.history.last().is_some_and(|last| last == line) {
            return;
        }
        if self.history.len() == HISTORY_LIMIT {
            self.history.remove(0);
        }
        self.history.push(line.to_owned());
    }

    /// Carries out a line. `indent`: the column it began in.
    pub fn carry_out(&mut self, line: &str, indent: usize) -> Outcome {
        let line = match self.text.take() {
            None => Cow::Borrowed(line),
            Some(mut text) => match text.add(line) {
                Some(whole) => Cow::Owned(whole),
                None => {
                    self.text = Some(text);
                    return Outcome::default();
                }
            },
        };
        let outcome = self.carry_out_whole(&line, indent);
        self.place.in_text = self.text.is_some();
        outcome
    }

    /// The text that is not at its end yet: the first line of its command, and what ends it.
    pub fn text(&self) -> Option<(&str, Delimiter)> {
        self.text.as_ref().map(|text| (text.first_line(), text.delimiter()))
    }

    /// Ctrl-C: the end of the text, if it is one that it ends; any other text is given up.
    pub fn interrupt(&mut self) -> Outcome {
        match self.text() {
            Some((_, delimiter)) if delimiter.is_ctrl_c() => self.carry_out("^C", 0),
            _ => {
                self.give_up_text();
                Outcome::default()
            }
        }
    }

    fn give_up_text(&mut self) {
        self.text = None;
        self.place.in_text = false;
    }

    fn carry_out_whole(&mut self, line: &str, indent: usize) -> Outcome {
        let refused = |error: &LineError| Outcome::refused(errors::text(error, indent, line));
        let (command, filter) = match filter::split(line) {
            (command, Some((offset, rest))) if self.place.is_exec(line) => match Filter::parse(line, offset, rest) {
                Ok(filter) => (command.trim_end(), Some(filter)),
                Err(error) => return refused(&error),
            },
            _ => (line, None),
        };
        let mut outcome = match self.carry_out_command(command) {
            Ok(outcome) => outcome,
            Err(Refusal::Line(error)) => return refused(&error),
            Err(Refusal::Connection(text)) => return Outcome::refused(vec![format!("% {text}")]),
        };
        let error = outcome.error.take().map_or(Vec::new(), |error| errors::text(&error, indent, line));
        let lines = match filter {
            Some(Filter::Json) => json(&outcome.shown),
            Some(filter) => filter.apply(outcome.shown.iter().flat_map(draw).collect()),
            None => outcome.shown.iter().flat_map(draw).collect(),
        };
        outcome.notes.extend(lines);
        Outcome { lines: outcome.notes, error, quit: outcome.quit }
    }

    /// Leaves any configuration mode: Ctrl-Z, and the end of a script.
    pub fn end(&mut self) -> Outcome {
        self.give_up_text();
        if self.place.context.is_empty() { Outcome::default() } else { self.carry_out("end", 0) }
    }

    fn carry_out_command(&mut self, line: &str) -> Result<Done, Refusal> {
        // Interfaces named by their netdev are the daemon's to find, so what this grammar refuses it may still accept.
        let parsed = grammar::parse(&Config::default(), &self.place.context, self.place.privilege, line);
        if let Ok(Parsed::Local(local)) = parsed {
            return self.carry_out_local(local).map_err(Refusal::Line);
        }
        if let Ok(Parsed::More(text)) = parsed {
            self.text = Some(text);
            return Ok(Done::default());
        }
        let mut done = Done::default();
        let reply = self.request(line, &mut done.notes).map_err(Refusal::Connection)?;
        if reply.error.is_none() {
            match parsed {
                // An exec command leaves the mode alone, whatever the reply says (saving is answered without it).
                Ok(Parsed::Exec(action)) => {
                    if let Action::Monitor(on) = action {
                        self.monitor = on;
                    }
                }
                _ => self.place.context = reply.context,
            }
        }
        done.shown = reply.shown;
        done.error = reply.error;
        Ok(done)
    }

    fn request(&mut self, line: &str, notes: &mut Vec<String>) -> Result<Reply, String> {
        if !self.client.is_connected() {
            self.reconnect()?;
            notes.push("% switchd had restarted; connected again".into());
        }
        self.client.request(&self.place.context, line)
    }

    fn reconnect(&mut self) -> Result<(), String> {
        let until = Instant::now() + RECONNECT;
        let mut client = loop {
            match Client::connect_with(&self.socket, (self.on_log)()) {
                Ok(client) => break client,
                Err(error) if Instant::now() >= until => return Err(error),
                Err(_) => std::thread::sleep(RETRY),
            }
        };
        self.place.privilege = self.place.privilege.min(client.granted);
        client.privilege = Some(self.place.privilege);
        client.origin = std::mem::take(&mut self.client.origin);
        self.client = client;
        if self.monitor {
            self.client.request(&[], "terminal monitor")?;
        }
        Ok(())
    }

    fn carry_out_local(&mut self, local: Local) -> Result<Done, LineError> {
        let denied = |text: &str| Err(LineError::Denied { text: text.into() });
        let mut done = Done::default();
        match local {
            Local::Quit => done.quit = true,
            Local::Enable(level) if level > self.client.granted => {
                return denied("Access denied: only root and the group mona-admin may change the switch");
            }
            Local::Enable(level) => self.set_privilege(level),
            Local::Disable(level) if level > self.place.privilege => {
                return denied("New privilege level must be less than current privilege level");
            }
            Local::Disable(level) => self.set_privilege(level),
            Local::TerminalLength(length) => self.length = Some(length),
            // Nothing here wraps by itself.
            Local::TerminalWidth(_) | Local::Nothing => {}
            Local::History => {
                done.shown.push(Shown::Text(self.history.iter().map(|line| format!("  {line}")).collect()));
            }
            Local::Help => done.shown.push(Shown::Text(HELP.lines().map(str::to_owned).collect())),
        }
        Ok(done)
    }

    fn set_privilege(&mut self, level: u8) {
        self.place.privilege = level;
        self.client.privilege = Some(level);
    }
}

/// What a command did, before it is drawn.
#[derive(Default)]
struct Done {
    notes: Vec<String>,
    shown: Vec<Shown>,
    error: Option<LineError>,
    quit: bool,
}

enum Refusal {
    Line(LineError),
    Connection(String),
}

/// The typed rows: one value as it is, several as a list.
fn json(shown: &[Shown]) -> Vec<String> {
    let text = match shown {
        [one] => serde_json::to_string_pretty(one),
        several => serde_json::to_string_pretty(several),
    };
    // All keys are strings and all values plain data, so there is nothing that cannot be written.
    text.map_or_else(|error| vec![format!("% {error}")], |text| text.lines().map(str::to_owned).collect())
}

const HELP: &str = "\
Help may be requested at any point in a command by entering
a question mark '?'.  If nothing matches, the help list will
be empty and you must backup until entering a '?' shows the
available options.
Two styles of help are provided:
1. Full help is available when you are ready to enter a
   command argument (e.g. 'show ?') and describes each possible
   argument.
2. Partial help is provided when an abbreviated argument is entered
   and you want to know what arguments match the input
   (e.g. 'show pr?'.)
";
