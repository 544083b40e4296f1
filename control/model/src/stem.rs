//! The words that the rows of a mode begin with, as a tree: lines written in full, as all of a saved configuration are, go
//! along it without looking at each row, so that a million of them are read in seconds. Where it ends `walk.rs` goes on.

use crate::modes::Mode;
use crate::rows::{No, rows_of};
use crate::syntax::{Prepared, Token};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Words in a row beyond which a tree would have much to hold and little to tell apart.
const DEPTH: usize = 3;
/// The privilege that may say everything.
const ALL: u8 = 15;

/// A row, and the places of it that may come next.
pub(crate) type Start = (&'static Prepared, &'static [usize]);

/// What some words lead to.
pub(crate) struct Stem {
    /// All that fits so far.
    pub starts: Vec<Start>,
    /// By the words that may come next and are no arguments.
    next: Vec<(&'static str, Stem)>,
}

static STEMS: LazyLock<BTreeMap<(Mode, bool), Stem>> = LazyLock::new(|| {
    let ways = Mode::ALL.into_iter().flat_map(|mode| [(mode, false), (mode, true)]);
    ways.map(|(mode, no)| ((mode, no), Stem::grown(starts(mode, ALL, no), DEPTH))).collect()
});

fn starts(mode: Mode, privilege: u8, no: bool) -> Vec<Start> {
    let rows = rows_of(mode, privilege).filter(|prepared| !no || prepared.row().no != No::Never);
    rows.map(|prepared| (prepared, &prepared.first[..])).collect()
}

impl Stem {
    /// Follows the words of a line from `start` on as far as the tree goes, for who may say so much in a mode. What there
    /// may be next then, and where in the line.
    pub fn follow<T>(
        (mode, privilege, no): (Mode, u8, bool),
        line: &str,
        start: usize,
        then: impl FnOnce(&[Start], usize) -> T,
    ) -> T {
        let (mut stem, mut at) = match STEMS.get(&(mode, no)) {
            Some(stem) if privilege >= ALL => (stem, start),
            _ => return then(&starts(mode, privilege, no), start),
        };
        loop {
            let begin = line.len() - line[at..].trim_start().len();
            let end = line[begin..].find(char::is_whitespace).map_or(line.len(), |length| begin + length);
            let word = &line[begin..end];
            match stem.next.iter().find(|(next, _)| next.eq_ignore_ascii_case(word)) {
                Some((_, next)) => (stem, at) = (next, end),
                None => return then(&stem.starts, at),
            }
        }
    }

    fn grown(starts: Vec<Start>, depth: usize) -> Stem {
        let tokens = || starts.iter().flat_map(|(row, places)| places.iter().filter_map(|at| row.tokens.get(*at)));
        let is_argument = |word: &&'static str| {
            tokens().any(|token| matches!(token, Token::Arg(_, kind) if kind.value_of(word).is_some()))
        };
        let words = tokens().filter_map(|token| if let Token::Word(word) = token { Some(*word) } else { None });
        let mut words: Vec<&'static str> = words.filter(|word| depth > 0 && !is_argument(word)).collect();
        words.sort_unstable();
        words.dedup();
        let next = words.into_iter().map(|word| (word, Stem::grown(behind(&starts, word), depth - 1))).collect();
        Stem { starts, next }
    }
}

/// What fits when this word is said.
fn behind(starts: &[Start], word: &str) -> Vec<Start> {
    let fits = |row: &Prepared, at: usize| matches!(row.tokens.get(at), Some(Token::Word(next)) if *next == word);
    let places = starts.iter().flat_map(|(row, places)| places.iter().map(move |at| (*row, *at)));
    places.filter(|(row, at)| fits(row, *at)).map(|(row, at)| (row, &row.follow[at][..])).collect()
}
