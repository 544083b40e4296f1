//! The matcher: which rows does a line fit, where does it break, what may come next? Rows are few, so all of them are
//! followed side by side, word by word.

use crate::api::LineError;
use crate::args::{Args, Kind, Value, starts};
use crate::config::Config;
use crate::names::InterfaceKind;
use crate::rows::{No, Row};
use crate::syntax::{OLD_TABLE, Prepared, Token};
use crate::words;

/// A row that still fits, and how far.
#[derive(Clone)]
struct Thread<'a> {
    prepared: &'a Prepared,
    /// The place that comes next; behind the last one: the line is said in full.
    at: usize,
    /// The kind of interface that was said, its number not yet: `interface gi`.
    half: Option<InterfaceKind>,
    args: Args,
}

impl<'a> Thread<'a> {
    fn complete(&self, no: bool) -> bool {
        let is_next = |place: &str| match self.next() {
            Some(Token::Word(word)) => *word == place,
            Some(Token::Arg(name, _)) => *name == place,
            None => false,
        };
        let early = match self.row().no {
            No::Words => !self.args.0.is_empty() || matches!(self.next(), Some(Token::Arg(..))),
            No::Before(place) => is_next(place),
            No::After(place) => self.args.0.last().is_some_and(|(name, _)| *name == place),
            No::Never | No::Full => false,
        };
        self.half.is_none() && (self.next().is_none() || no && early)
    }

    fn row(&self) -> &'static Row {
        self.prepared.row()
    }

    fn next(&self) -> Option<&'a Token> {
        self.prepared.tokens.get(self.at)
    }

    fn hides(&self, word: &str) -> bool {
        self.row().hidden || word == OLD_TABLE
    }

    /// Goes on behind the next place, by every way there is.
    fn go_on(mut self, value: Option<Value>) -> impl Iterator<Item = Thread<'a>> {
        if let (Some(Token::Arg(name, _)), Some(value)) = (self.next(), value) {
            self.args.0.push((*name, value));
        }
        let follow = &self.prepared.follow[self.at];
        follow.iter().map(move |at| Thread { at: *at, ..self.clone() })
    }
}

/// A line that fits a row.
pub struct Match {
    /// The row.
    pub row: &'static Row,
    /// Its arguments.
    pub args: Args,
}

/// How far a line fits.
pub struct Walk<'a> {
    threads: Vec<Thread<'a>>,
    no: bool,
}

/// What may come next.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Next {
    /// A word, or how the place of an argument is shown.
    pub word: String,
    /// What it means.
    pub help: &'static str,
    /// Can it be typed as it is shown?
    pub is_word: bool,
}

/// Where a line stops fitting.
#[derive(Debug, PartialEq)]
pub enum Stop {
    /// At the first word: nothing in this mode begins so.
    First(usize),
    /// Later.
    Later(usize),
    /// More than one word begins so.
    Ambiguous,
}

impl Stop {
    /// How far the line was understood.
    pub fn at(&self) -> usize {
        match self {
            Stop::First(at) | Stop::Later(at) => *at,
            Stop::Ambiguous => usize::MAX,
        }
    }
}

impl<'a> Walk<'a> {
    /// A walk from the beginning through these rows.
    pub fn new(rows: &[&'a Prepared], no: bool) -> Walk<'a> {
        let rows = rows.iter().filter(|prepared| !no || prepared.row().no != No::Never);
        let start = |prepared, at: &usize| Thread { prepared, at: *at, half: None, args: Args::default() };
        let threads = rows.flat_map(|prepared| prepared.first.iter().map(|at| start(*prepared, at))).collect();
        Walk { threads, no }
    }

    /// Follows the words of `line` from `start` on. Without a configuration any netdev may be bound to an interface.
    pub fn follow(&mut self, line: &str, start: usize, config: Option<&Config>) -> Result<(), Stop> {
        let mut at = start;
        let mut first = true;
        loop {
            at += line[at..].len() - line[at..].trim_start().len();
            if at >= line.len() {
                return Ok(());
            }
            at = self.step(line, at, config).map_err(|stop| match stop {
                Stop::Later(place) if first => Stop::First(place),
                other => other,
            })?;
            first = false;
        }
    }

    /// Follows one word at `at`; returns where the next begins.
    fn step(&mut self, line: &str, at: usize, config: Option<&Config>) -> Result<usize, Stop> {
        let word_end = at + line[at..].find(char::is_whitespace).unwrap_or(line.len() - at);
        let word = &line[at..word_end];
        let typed = word.to_ascii_lowercase();
        let words = self.keywords(false);
        let chosen = match self.keywords(true).into_iter().find(|w| w.eq_ignore_ascii_case(word)) {
            Some(exact) => Some(exact),
            // A hidden word is said in full or not at all: it makes no other ambiguous.
            None => {
                let fits: Vec<_> = words.iter().filter(|w| starts(w, word)).collect();
                if fits.len() > 1 {
                    return Err(Stop::Ambiguous);
                }
                fits.first().map(|w| **w)
            }
        };
        if let Some(chosen) = chosen {
            let fitting = self.threads.drain(..).filter_map(|thread| match thread.next()? {
                Token::Word(word) => (*word == chosen).then_some((thread, None)),
                Token::Arg(_, kind) => kind.value_of(chosen).map(|value| (thread, Some(value))),
            });
            self.threads = fitting.flat_map(|(thread, value)| thread.go_on(value)).collect();
            return Ok(word_end);
        }
        // `gi 0/1` is one name in two words.
        let joined_end = joined(line, at, word_end);
        let mut end = word_end;
        let mut kept = Vec::new();
        for thread in self.threads.drain(..) {
            let Some(Token::Arg(_, kind)) = thread.next() else { continue };
            let text = match kind {
                kind if kind.takes_rest() => &line[at..],
                Kind::Interface => &line[at..joined_end],
                _ => word,
            };
            let any_netdev =
                || (config.is_none() && *kind == Kind::Interface && is_netdev(word)).then(|| Value::Word(word.into()));
            let half = InterfaceKind::of(word)
                .filter(|_| matches!(kind, Kind::Interface | Kind::Range) && line[word_end..].trim().is_empty());
            if half.is_some() {
                kept.push(Thread { half, ..thread });
            } else if let Some(value) = kind.value(text, config).or_else(any_netdev) {
                end = end.max(at + text.len());
                kept.extend(thread.go_on(Some(value)));
            }
        }
        if kept.is_empty() {
            let common = |w: &&str| w.bytes().zip(typed.bytes()).take_while(|(a, b)| a == b).count();
            return Err(Stop::Later(at + words.iter().map(common).max().unwrap_or(0)));
        }
        self.threads = kept;
        Ok(end)
    }

    /// The words that may come next, with the hidden ones or without.
    fn keywords(&self, hidden: bool) -> Vec<&'static str> {
        let mut words: Vec<&'static str> = Vec::new();
        for thread in &self.threads {
            let next = match thread.next() {
                Some(Token::Word(word)) => vec![*word],
                Some(Token::Arg(_, kind)) => kind.words(),
                None => Vec::new(),
            };
            words.extend(next.into_iter().filter(|word| hidden || !thread.hides(word)));
        }
        words.sort_unstable();
        words.dedup();
        words
    }

    /// The row that the line is, now that it has ended.
    pub fn finish(mut self) -> Result<Match, LineError> {
        let no = self.no;
        // A row said in full before one that `no` lets stop early.
        self.threads.sort_by_key(|thread| thread.next().is_some());
        let thread = self.threads.into_iter().find(|t| t.complete(no)).ok_or(LineError::Incomplete)?;
        Ok(Match { row: thread.row(), args: thread.args })
    }

    /// What may come next that begins with `typed`; `<cr>` when the line may end here.
    pub fn next(&self, typed: &str) -> Vec<Next> {
        let mut found: Vec<Next> = Vec::new();
        let mut push = |word: String, help, is_word| {
            if !found.iter().any(|next| next.word == word) {
                found.push(Next { word, help, is_word });
            }
        };
        for thread in &self.threads {
            let mut word = |word: &str, help| {
                if starts(word, typed) && !thread.hides(word) {
                    push(word.to_string(), help, true);
                }
            };
            match thread.next() {
                Some(Token::Word(w)) => word(w, words::word(thread.row(), w)),
                Some(Token::Arg(_, Kind::Choice(all))) => {
                    all.iter().for_each(|w| word(w, words::word(thread.row(), w)));
                }
                Some(Token::Arg(name, kind)) if !thread.row().hidden => {
                    let help = words::argument(thread.row(), name);
                    if let Kind::Named(names) = kind {
                        names.all().for_each(|(name, _, help)| word(name, help));
                    }
                    match (kind, thread.half) {
                        (Kind::Named(names), _) if names.low > names.high => {}
                        (_, Some(half)) if typed.is_empty() => push(half.numbers().into(), help, false),
                        // As far as it goes the name of an interface is a word, too.
                        (Kind::Interface | Kind::Range, _) => {
                            for kind in InterfaceKind::ALL {
                                if starts(kind.word(), typed) {
                                    push(kind.word().into(), words::kind(kind), !typed.is_empty());
                                }
                            }
                        }
                        _ if typed.is_empty() => push(kind.shown(), help, false),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        found.sort();
        if typed.is_empty() && self.threads.iter().any(|t| t.complete(self.no)) {
            found.push(Next { word: "<cr>".into(), help: "", is_word: false });
        }
        found
    }
}

/// Could it be the name of a netdev (IFNAMSIZ, and what the kernel refuses)?
fn is_netdev(word: &str) -> bool {
    word.len() < 16 && word.starts_with(|c: char| c.is_ascii_alphabetic()) && !word.contains(['/', ':'])
}

/// The end of an interface name at `at`, when it is written in two words.
fn joined(line: &str, at: usize, word_end: usize) -> usize {
    let alphabetic = line[at..word_end].bytes().all(|b| b.is_ascii_alphabetic());
    let rest = &line[word_end..];
    let next = rest.trim_start();
    if !alphabetic || !next.starts_with(|c: char| c.is_ascii_digit()) {
        return word_end;
    }
    let start = word_end + rest.len() - next.len();
    start + next.find(char::is_whitespace).unwrap_or(next.len())
}
