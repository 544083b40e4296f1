//! How a line becomes a command: abbreviation, ambiguity, caret, `?`, Tab, `no`, `do`, all from the rows.

use crate::api::LineError;
use crate::args::Args;
use crate::config::Config;
use crate::modes::{Mode, Place};
use crate::rows::{Action, Does, Rejected, Row};
use crate::text::Unfinished;
use crate::walk::{Match, Stop, Walk};

/// A line that was understood.
#[derive(Debug)]
pub enum Parsed {
    /// Exec: control carries it out.
    Exec(Action),
    /// Configuration: [`ConfigLine::apply`] edits a [`Config`].
    Config(ConfigLine),
    /// Leaving modes or entering `config`: the context afterwards. Entering an interface or VLAN is a `Config` line, since
    /// it makes what it names.
    Context(Vec<String>),
    /// A line that begins a text: the lines that follow belong to it, see [`Unfinished::add`].
    More(Unfinished),
    /// The shell's own business.
    Local(Local),
}

/// What the shell does itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Local {
    /// `exit`, `quit`, `logout` in exec mode.
    Quit,
    /// `enable [N]`
    Enable(u8),
    /// `disable [N]`
    Disable(u8),
    /// `terminal length N`; 0 = no pager.
    TerminalLength(u32),
    /// `terminal width N`
    TerminalWidth(u32),
    /// `show history`
    History,
    /// `help`
    Help,
    /// An empty line or a comment (`!`).
    Nothing,
}

/// A configuration command with its arguments, ready to edit a configuration.
pub struct ConfigLine {
    row: &'static Row,
    args: Args,
    no: bool,
    place: Place,
}

impl std::fmt::Debug for ConfigLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{} {:?} at {:?}", if self.no { "no " } else { "" }, self.row.syntax, self.args, self.place)
    }
}

/// What a configuration line did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The mode afterwards.
    pub context: Vec<String>,
    /// What IOS would say: `% Access VLAN does not exist. Creating vlan 10`.
    pub messages: Vec<String>,
}

impl ConfigLine {
    /// The row that the line is.
    pub fn row(&self) -> &'static Row {
        self.row
    }

    /// Edits the configuration, all or nothing: a row checks before it writes, so that ten thousand lines need no copies.
    /// An error is a sentence that says what to do.
    pub fn apply(&self, config: &mut Config) -> Result<Applied, Rejected> {
        let Does::Set { set, .. } = self.row.does else {
            return Ok(Applied { context: self.place.context(), messages: Vec::new() });
        };
        let done = set(config, &self.place, &self.args, self.no)?;
        Ok(Applied { context: done.enter.unwrap_or_else(|| self.place.clone()).context(), messages: done.messages })
    }
}

/// Understands a line typed in a mode. `config` serves only to find interfaces by their netdev's name.
pub fn parse(config: &Config, context: &[String], privilege: u8, line: &str) -> Result<Parsed, LineError> {
    let start = line.len() - line.trim_start().len();
    let text = line.trim();
    if text.is_empty() || text.starts_with('!') {
        return Ok(Parsed::Local(Local::Nothing));
    }
    let parsed = understand(config, context, privilege, line);
    let has_text = match &parsed {
        Ok(Parsed::Config(command)) => command.args.has_text(),
        Ok(Parsed::More(_)) => true,
        Ok(Parsed::Exec(_) | Parsed::Context(_) | Parsed::Local(_)) | Err(_) => false,
    };
    // A line feed in a description would be a line of its own in the file: only a text may have one.
    match text.find(|c: char| c.is_control() && c != '\t') {
        Some(at) if !has_text => Err(LineError::Invalid { at: start + at }),
        _ => parsed,
    }
}

fn understand(config: &Config, context: &[String], privilege: u8, line: &str) -> Result<Parsed, LineError> {
    let place = Place::of(context);
    let start = line.len() - line.trim_start().len();
    let text = line.trim();
    if place.mode() != Mode::Exec && ["no", "do"].iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return Err(LineError::Incomplete);
    }
    if let Some(rest) = after(line, "do")
        && place.mode() != Mode::Exec
    {
        let found = find(config, Mode::Exec, privilege, line, rest, false)?;
        return run(found, Place::Exec, context, line, false);
    }
    let (begin, no) = match after(line, "no") {
        Some(rest) if place.mode() != Mode::Exec => (rest, true),
        _ => (start, false),
    };
    let mode = place.mode();
    let own = find(config, mode, privilege, line, begin, no);
    match (own, mode.parent()) {
        // What the parent makes of it is the answer, unless it understands even less.
        (Err(Trouble::Stop(stop)), Some(parent)) => match find(config, parent, privilege, line, begin, no) {
            Err(Trouble::Stop(other)) if other.at() <= stop.at() => Err(Trouble::Stop(stop).into()),
            found => run(found?, Place::Global, context, line, no),
        },
        (Err(Trouble::Stop(Stop::First(_))), None) if mode == Mode::Exec && !text.contains(' ') => {
            Err(LineError::Unknown)
        }
        (found, _) => run(found?, place, context, line, no),
    }
}

/// Where the line goes on after a leading `word` and a blank.
fn after(line: &str, word: &str) -> Option<usize> {
    let start = line.len() - line.trim_start().len();
    let rest =
        line.get(start..start + word.len()).filter(|w| w.eq_ignore_ascii_case(word)).map(|_| start + word.len())?;
    line[rest..].starts_with(char::is_whitespace).then(|| line.len() - line[rest..].trim_start().len())
}

enum Trouble {
    Stop(Stop),
    Error(LineError),
}

impl From<Trouble> for LineError {
    fn from(trouble: Trouble) -> LineError {
        match trouble {
            Trouble::Stop(Stop::First(at) | Stop::Later(at)) => LineError::Invalid { at },
            Trouble::Stop(Stop::Ambiguous) => LineError::Ambiguous { line: String::new() },
            Trouble::Error(error) => error,
        }
    }
}

fn find(config: &Config, mode: Mode, privilege: u8, line: &str, at: usize, no: bool) -> Result<Match, Trouble> {
    let walk = Walk::follow((mode, privilege, no), line, at, Some(config)).map_err(|stop| match stop {
        Stop::Ambiguous => Trouble::Error(LineError::Ambiguous { line: line.trim().into() }),
        stop => Trouble::Stop(stop),
    })?;
    walk.finish().map_err(Trouble::Error)
}

fn run(found: Match, place: Place, context: &[String], line: &str, no: bool) -> Result<Parsed, LineError> {
    let Match { row, args } = found;
    if let Some(delimiter) = args.begun().filter(|_| !no) {
        return Ok(Parsed::More(Unfinished::new(line, delimiter)));
    }
    Ok(match row.does {
        Does::Set { .. } => Parsed::Config(ConfigLine { row, args, no, place }),
        Does::Exec(action) => Parsed::Exec(action(&args).map_err(|text| LineError::Rejected { text })?),
        Does::Local(local) => Parsed::Local(local(&args)),
        Does::Context(to) => Parsed::Context(to(context)),
    })
}

/// What `?` prints at this place: name and help, and `("<cr>", "")` when the line is complete. After a partial word: the
/// words that begin so.
pub fn help(context: &[String], privilege: u8, line: &str) -> Result<Vec<(String, String)>, LineError> {
    let (walk, typed) = look(context, privilege, line)?;
    let mut found: Vec<(String, String)> =
        walk.iter().flat_map(|walk| walk.next(&typed)).map(|next| (next.word, next.help.to_string())).collect();
    let at_start = line.trim_start()[..].split_whitespace().count() <= usize::from(!typed.is_empty());
    if at_start && Place::of(context) != Place::Exec {
        for (word, text) in
            [("do", "To run exec commands in config mode"), ("no", "Negate a command or set its defaults")]
        {
            if word.starts_with(&typed) {
                found.push((word.into(), text.into()));
            }
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        // A word that the mode and its parent have means what it means here: the sort is stable.
        found.dedup_by(|b, a| a.0 == b.0);
    }
    if found.is_empty() {
        return Err(if Place::of(context) == Place::Exec && at_start {
            LineError::Unknown
        } else {
            LineError::Invalid { at: line.len() - typed.len() }
        });
    }
    Ok(found)
}

/// What Tab makes of the line: the completed line and a blank, when there is one way only.
pub fn complete(context: &[String], privilege: u8, line: &str) -> Option<String> {
    let (walks, typed) = look(context, privilege, line).ok()?;
    if typed.is_empty() {
        return None;
    }
    let mut found: Vec<String> =
        walks.iter().flat_map(|walk| walk.next(&typed)).filter(|next| next.is_word).map(|next| next.word).collect();
    if Place::of(context) != Place::Exec && line.trim_start() == typed {
        found.extend(["do", "no"].iter().filter(|w| w.starts_with(&typed)).map(|w| w.to_string()));
    }
    found.sort();
    found.dedup();
    match found.as_slice() {
        [one] => Some(format!("{}{one} ", &line[..line.len() - typed.len()])),
        _ => None,
    }
}

/// The walks up to the word that is being typed, and that word.
fn look(context: &[String], privilege: u8, line: &str) -> Result<(Vec<Walk<'static>>, String), LineError> {
    let place = Place::of(context);
    let typed = line.rsplit(char::is_whitespace).next().unwrap_or("").to_string();
    let mut before = &line[..line.len() - typed.len()];
    let mut begin = 0;
    let mut mode = place.mode();
    let mut no = false;
    if mode != Mode::Exec {
        if let Some(at) = after(before, "do") {
            (begin, mode) = (at, Mode::Exec);
        } else if let Some(at) = after(before, "no") {
            (begin, no) = (at, true);
        }
    }
    if before.trim().is_empty() {
        before = "";
    }
    let mut walks = Vec::new();
    let mut error = None;
    let mut next = Some(mode);
    while let Some(mode) = next {
        match Walk::follow((mode, privilege, no), before, begin.min(before.len()), None) {
            Ok(walk) => {
                walks.push(walk);
                // Once a word is said, the first mode that knows it has it.
                if before.len() > begin {
                    break;
                }
            }
            Err(Stop::Ambiguous) => return Err(LineError::Ambiguous { line: line.trim().into() }),
            Err(Stop::First(at)) => {
                error.get_or_insert(LineError::Invalid { at });
            }
            Err(Stop::Later(at)) => return Err(LineError::Invalid { at }),
        }
        next = if mode == Mode::Exec { None } else { mode.parent() };
    }
    if walks.is_empty() { Err(error.unwrap_or(LineError::Incomplete)) } else { Ok((walks, typed)) }
}

/// The prompt's mode: ``, `(config)`, `(config-if)`, `(config-if-range)`, `(config-vlan)`, `(config-port-prof)`.
pub fn prompt(context: &[String]) -> &'static str {
    Place::of(context).prompt()
}
