//! The matcher: which rows does a line fit, where does it break, what may come next? Rows are few, so all of them are
//! followed side by side, word by word.

use crate::api::LineError;
use crate::args::{Args, Kind, Value, starts};
use crate::config::Config;
use crate::modes::Mode;
use crate::names::InterfaceKind;
use crate::rows::{No, Row};
use crate::stem::{Start, Stem};
use crate::syntax::{OLD_TABLE, Prepared, Token};
use crate::words;
use std::cell::Cell;

/// A row that still fits, and how far.
struct Thread<'a> {
    prepared: &'a Prepared,
    /// The places that may come next; behind the last one: the line is said in full.
    next: &'a [usize],
    /// The kind of interface that was said, its number not yet: `interface gi`.
    half: Option<InterfaceKind>,
    args: Args,
}

impl<'a> Thread<'a> {
    /// Is the line said in full?
    fn full(&self) -> bool {
        self.half.is_none() && self.next.contains(&self.prepared.tokens.len())
    }

    /// May it end here after `no`?
    fn early(&self) -> bool {
        let is_next = |place: &str| {
            self.tokens().any(|token| match token {
                Token::Word(word) => *word == place,
                Token::Arg(name, _) => *name == place,
            })
        };
        let early = match self.row().no {
            No::Words => !self.args.0.is_empty() || self.tokens().any(|token| matches!(token, Token::Arg(..))),
            No::Before(place) => is_next(place),
            No::After(place) => self.args.0.last().is_some_and(|(name, _)| *name == place),
            No::Never | No::Full => false,
        };
        self.half.is_none() && early
    }

    fn row(&self) -> &'static Row {
        self.prepared.row()
    }

    /// What may come next.
    fn tokens(&self) -> impl Iterator<Item = &'a Token> + use<'a> {
        let tokens = &self.prepared.tokens;
        self.next.iter().filter_map(|at| tokens.get(*at))
    }

    /// The words that may come next, hidden ones too.
    fn words(&self) -> impl Iterator<Item = &'static str> + use<'a> {
        self.tokens().flat_map(|token| {
            let (word, kind) = match token {
                Token::Word(word) => (Some(*word), None),
                Token::Arg(_, kind) => (None, Some(kind)),
            };
            word.into_iter().chain(kind.into_iter().flat_map(Kind::words))
        })
    }

    fn hides(&self, word: &str) -> bool {
        self.row().hidden || word == OLD_TABLE
    }

    /// Goes on behind those of the next places that take something, by every way there is.
    fn go_on(mut self, take: impl Fn(&Token) -> Option<Taken>, on: &mut Vec<Thread<'a>>) {
        let mut found = None;
        for (nth, at) in self.next.iter().enumerate() {
            let Some(taken) = self.prepared.tokens.get(*at).and_then(&take) else { continue };
            // Seldom does a second place of a row take it: for one nothing is copied.
            if let Some(before) = found.replace((nth, taken)) {
                on.push(self.behind(before, self.args.clone()));
            }
        }
        if let Some(last) = found {
            let args = std::mem::take(&mut self.args);
            on.push(self.behind(last, args));
        }
    }

    fn behind(&self, (nth, taken): (usize, Taken), mut args: Args) -> Thread<'a> {
        let (prepared, at) = (self.prepared, self.next[nth]);
        let (next, half) = match taken {
            Taken::Half(kind) => (&self.next[nth..=nth], Some(kind)),
            Taken::Word | Taken::Value(_) => (&prepared.follow[at][..], None),
        };
        if let (Token::Arg(name, _), Taken::Value(value)) = (&prepared.tokens[at], taken) {
            args.0.push((*name, value));
        }
        Thread { prepared, next, half, args }
    }
}

/// What a place makes of a word.
enum Taken {
    /// It is the word.
    Word,
    /// It is an argument.
    Value(Value),
    /// It is the first half of an interface's name, which the place still waits for.
    Half(InterfaceKind),
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
    /// Follows the words of `line` from `start` on, as the rows go on that may be said so. Without a configuration any netdev
    /// may be bound to an interface.
    pub fn follow(
        (mode, privilege, no): (Mode, u8, bool),
        line: &str,
        start: usize,
        config: Option<&Config>,
    ) -> Result<Walk<'a>, Stop> {
        let begin = |&(prepared, next): &Start| Thread { prepared, next, half: None, args: Args::default() };
        let begin = |starts: &[Start], at| (starts.iter().map(begin).collect(), at);
        let (threads, mut at) = Stem::follow((mode, privilege, no), line, start, begin);
        let mut walk = Walk { threads, no };
        let mut first = at == start;
        loop {
            at += line[at..].len() - line[at..].trim_start().len();
            if at >= line.len() {
                return Ok(walk);
            }
            at = walk.step(line, at, config).map_err(|stop| match stop {
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
        if let Some(chosen) = self.keyword(word)? {
            let take = |token: &Token| match token {
                Token::Word(word) => (*word == chosen).then_some(Taken::Word),
                Token::Arg(_, kind) => kind.value_of(chosen).map(Taken::Value),
            };
            self.go_on(&take);
            return Ok(word_end);
        }
        // `gi 0/1` is one name in two words.
        let joined_end = joined(line, at, word_end);
        let text_of = |kind: &Kind| match kind {
            kind if kind.takes_rest() => &line[at..],
            Kind::Interface(_) => &line[at..joined_end],
            _ => word,
        };
        let end = Cell::new(word_end);
        let take = |token: &Token| {
            let Token::Arg(_, kind) = token else { return None };
            let text = text_of(kind);
            let any_netdev = || {
                (config.is_none() && matches!(kind, Kind::Interface(_)) && is_netdev(word))
                    .then(|| Value::Word(word.into()))
            };
            if !kind.offers().is_empty()
                && line[word_end..].trim().is_empty()
                && let Some(half) = InterfaceKind::of(word)
            {
                return Some(Taken::Half(half));
            }
            let value = kind.value(text, config).or_else(any_netdev)?;
            end.set(end.get().max(at + text.len()));
            Some(Taken::Value(value))
        };
        let common = self.common(word);
        self.go_on(&take);
        if self.threads.is_empty() { Err(Stop::Later(at + common)) } else { Ok(end.get()) }
    }

    fn go_on(&mut self, take: &dyn Fn(&Token) -> Option<Taken>) {
        let mut on = Vec::with_capacity(4);
        self.threads.drain(..).for_each(|thread| thread.go_on(take, &mut on));
        self.threads = on;
    }

    /// The word that is meant, if one may come next: the one that is typed in full, or the only one that begins so.
    fn keyword(&self, typed: &str) -> Result<Option<&'static str>, Stop> {
        let (mut fit, mut ambiguous) = (None, false);
        for thread in &self.threads {
            for word in thread.words().filter(|word| starts(word, typed)) {
                if word.len() == typed.len() {
                    return Ok(Some(word));
                }
                // A hidden word is said in full or not at all: it makes no other ambiguous.
                if !thread.hides(word) {
                    ambiguous |= fit.replace(word).is_some_and(|other| other != word);
                }
            }
        }
        if ambiguous { Err(Stop::Ambiguous) } else { Ok(fit) }
    }

    /// How far the word is one that may come next.
    fn common(&self, typed: &str) -> usize {
        let words = self.threads.iter().flat_map(|thread| thread.words().filter(|word| !thread.hides(word)));
        let common =
            |word: &str| word.bytes().zip(typed.bytes()).take_while(|(a, b)| *a == b.to_ascii_lowercase()).count();
        words.map(common).max().unwrap_or(0)
    }

    /// The row that the line is, now that it has ended.
    pub fn finish(mut self) -> Result<Match, LineError> {
        let early = || self.threads.iter().position(|thread| self.no && thread.early());
        // A row said in full before one that `no` lets stop early.
        let found = self.threads.iter().position(Thread::full).or_else(early).ok_or(LineError::Incomplete)?;
        let thread = self.threads.swap_remove(found);
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
        for (thread, token) in self.threads.iter().flat_map(|thread| thread.tokens().map(move |token| (thread, token)))
        {
            let mut word = |word: &str, help| {
                if starts(word, typed) && !thread.hides(word) {
                    push(word.to_string(), help, true);
                }
            };
            match token {
                Token::Word(w) => word(w, words::word(thread.row(), w)),
                Token::Arg(_, Kind::Choice(all)) => {
                    all.iter().for_each(|w| word(w, words::word(thread.row(), w)));
                }
                Token::Arg(name, kind) if !thread.row().hidden => {
                    let help = words::argument(thread.row(), name);
                    if let Kind::Named(names) = kind {
                        names.all().for_each(|(name, _, help)| word(name, help));
                    }
                    match (kind, thread.half) {
                        (Kind::Named(names), _) if names.low > names.high => {}
                        (_, Some(half)) if typed.is_empty() => push(half.numbers().into(), help, false),
                        // As far as it goes the name of an interface is a word, too.
                        (Kind::Interface(_) | Kind::Range, _) => {
                            for kind in kind.offers() {
                                if starts(kind.word(), typed) {
                                    push(kind.word().into(), words::kind(*kind), !typed.is_empty());
                                }
                            }
                        }
                        _ if typed.is_empty() => push(kind.shown(), help, false),
                        _ => {}
                    }
                }
                Token::Arg(..) => {}
            }
        }
        found.sort();
        if typed.is_empty() && self.threads.iter().any(|thread| thread.full() || self.no && thread.early()) {
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
