//! A row's syntax, taken apart: the ways through it, and from each place those that may follow.

use crate::args::Kind;
use crate::rows::Row;

/// What older clients write for `mac address-table`: taken wherever that is, shown nowhere.
pub(crate) const OLD_TABLE: &str = "mac-address-table";

/// One place of a syntax.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// A word, typed in full or abbreviated.
    Word(&'static str),
    /// `<name:kind>`
    Arg(&'static str, Kind),
}

/// A way through a row: its syntax with every option taken or left out.
pub type Path = Vec<Token>;

/// Ways through one syntax that are written out: of those with more, one way by every place stands for all.
const WAYS: usize = 1000;

/// A part of a syntax.
#[derive(Clone, Debug)]
enum Part {
    Token(Token),
    /// `[…]`; with a star after it, as often as wanted.
    Option {
        inside: Vec<Part>,
        again: bool,
    },
    /// `(… | …)`
    OneOf(Vec<Vec<Part>>),
}

/// Takes a syntax such as `show vlan [{brief:brief}]` apart, up to its end or that of the bracket it stands in:
/// `<name:kind>` is an argument, `{name:a|b}` a choice, `[…]` an option, `(… | …)` one of several ways to go on.
fn parts(rest: &mut &'static str) -> Vec<Part> {
    let mut parts = Vec::new();
    loop {
        *rest = rest.trim_start();
        if let Some(inside) = rest.strip_prefix('[') {
            *rest = inside;
            let inside = self::parts(rest);
            *rest = rest.strip_prefix(']').expect("the options of a row's syntax are closed");
            let again = rest.strip_prefix('*');
            *rest = again.unwrap_or(rest);
            parts.push(Part::Option { inside, again: again.is_some() });
        } else if rest.starts_with('(') {
            let mut ways = Vec::new();
            while let Some(inside) = rest.strip_prefix(['(', '|']) {
                *rest = inside;
                ways.push(self::parts(rest));
            }
            *rest = rest.strip_prefix(')').expect("the ways of a row's syntax are closed");
            parts.push(Part::OneOf(ways));
        } else if rest.is_empty() || rest.starts_with([']', ')', '|']) {
            return parts;
        } else {
            let end = match rest.as_bytes()[0] {
                b'<' => rest.find('>').map(|at| at + 1),
                b'{' => rest.find('}').map(|at| at + 1),
                _ => rest.find([' ', ']', ')']),
            };
            let (token, after) = rest.split_at(end.unwrap_or(rest.len()));
            *rest = after;
            parts.push(Part::Token(match token.strip_prefix(['<', '{']) {
                Some(inner) => {
                    let inner = &inner[..inner.len() - 1];
                    let (name, kind) = inner.split_once(':').unwrap_or((inner, inner));
                    let choice = token.starts_with('{');
                    Token::Arg(name, if choice { Kind::Choice(kind.split('|').collect()) } else { Kind::of(kind) })
                }
                None => Token::Word(token),
            }));
        }
    }
}

/// The ways through a syntax, those with options before those without; of very many, such that every place is on one.
pub fn paths(syntax: &'static str) -> Vec<Path> {
    let parts = parts(&mut &*syntax);
    if count(&parts) > WAYS { some_ways(&parts) } else { all_ways(&parts) }
}

fn count(parts: &[Part]) -> usize {
    let of = |part: &Part| match part {
        Part::Token(_) => 1,
        Part::Option { inside, .. } => 1 + count(inside),
        Part::OneOf(ways) => ways.iter().map(|way| count(way)).sum(),
    };
    parts.iter().map(of).fold(1, usize::saturating_mul)
}

fn all_ways(parts: &[Part]) -> Vec<Path> {
    let mut paths = vec![Path::new()];
    for part in parts {
        let inside = match part {
            Part::Token(token) => {
                paths.iter_mut().for_each(|path| path.push(token.clone()));
                continue;
            }
            Part::Option { inside, .. } => all_ways(inside),
            Part::OneOf(ways) => ways.iter().flat_map(|way| all_ways(way)).collect(),
        };
        let with = paths.iter().flat_map(|path| inside.iter().map(|more| [path.as_slice(), more].concat())).collect();
        let without = std::mem::replace(&mut paths, with);
        if matches!(part, Part::Option { .. }) {
            paths.extend(without);
        }
    }
    paths
}

/// The shortest way, and those that leave it at one part only.
fn some_ways(parts: &[Part]) -> Vec<Path> {
    let shortest: Vec<Path> = parts.iter().map(shortest).collect();
    let mut paths = vec![shortest.concat()];
    for (at, part) in parts.iter().enumerate() {
        let others = match part {
            Part::Token(_) => continue,
            Part::Option { inside, .. } => some_ways(inside),
            Part::OneOf(ways) => ways.iter().flat_map(|way| some_ways(way)).collect(),
        };
        let (before, after) = (shortest[..at].concat(), shortest[at + 1..].concat());
        paths.extend(others.iter().map(|other| [before.as_slice(), other, &after].concat()));
    }
    paths
}

fn shortest(part: &Part) -> Path {
    match part {
        Part::Token(token) => vec![token.clone()],
        Part::Option { .. } => Path::new(),
        Part::OneOf(ways) => {
            let ways = ways.iter().map(|way| way.iter().flat_map(shortest).collect::<Path>());
            ways.min_by_key(Vec::len).unwrap_or_default()
        }
    }
}

/// Where a part begins and ends, as places in [`Prepared::tokens`]: what a line may say first, last, and may it say
/// nothing?
struct Span {
    first: Vec<usize>,
    last: Vec<usize>,
    empty: bool,
}

/// A row whose syntax is taken apart: its places, and from each those that may follow (Glushkov's automaton).
pub struct Prepared {
    row: &'static Row,
    pub(crate) tokens: Vec<Token>,
    /// With the number of all tokens where the line may end.
    pub(crate) follow: Vec<Vec<usize>>,
    pub(crate) first: Vec<usize>,
}

impl Prepared {
    /// Takes the row's syntax apart.
    pub fn new(row: &'static Row) -> Prepared {
        let mut prepared = Prepared { row, tokens: Vec::new(), follow: Vec::new(), first: Vec::new() };
        let whole = prepared.sequence(&parts(&mut &*row.syntax));
        prepared.first = whole.first;
        let old = prepared.add_old_spelling();
        let end = prepared.tokens.len();
        whole.last.iter().for_each(|last| prepared.follow[*last].push(end));
        if let Some((old, new)) = old {
            prepared.follow[old] = prepared.follow[new].clone();
        }
        prepared
    }

    /// The row.
    pub fn row(&self) -> &'static Row {
        self.row
    }

    fn sequence(&mut self, parts: &[Part]) -> Span {
        let mut whole = Span { first: Vec::new(), last: Vec::new(), empty: true };
        for part in parts {
            let span = self.part(part);
            self.join(&whole.last, &span.first);
            if whole.empty {
                whole.first.extend(&span.first);
            }
            if !span.empty {
                whole.last.clear();
            }
            whole.last.extend(&span.last);
            whole.empty &= span.empty;
        }
        whole
    }

    fn part(&mut self, part: &Part) -> Span {
        match part {
            Part::Token(token) => {
                let at = self.tokens.len();
                self.tokens.push(token.clone());
                self.follow.push(Vec::new());
                Span { first: vec![at], last: vec![at], empty: false }
            }
            Part::Option { inside, again } => {
                let span = self.sequence(inside);
                if *again {
                    self.join(&span.last, &span.first);
                }
                Span { empty: true, ..span }
            }
            Part::OneOf(ways) => {
                let mut one = Span { first: Vec::new(), last: Vec::new(), empty: false };
                for way in ways {
                    let span = self.sequence(way);
                    one.first.extend(span.first);
                    one.last.extend(span.last);
                    one.empty |= span.empty;
                }
                one
            }
        }
    }

    fn join(&mut self, from: &[usize], to: &[usize]) {
        for at in from {
            let follow = &mut self.follow[*at];
            follow.extend(to.iter().filter(|next| !follow.contains(next)).copied().collect::<Vec<_>>());
        }
    }

    /// The older spelling of `mac address-table` is one word that leads where these two lead: its place, and that of the second.
    fn add_old_spelling(&mut self) -> Option<(usize, usize)> {
        let is = |at: usize, word| self.tokens[at] == Token::Word(word);
        let mac = (1..self.tokens.len()).find(|at| is(at - 1, "mac") && is(*at, "address-table"))?;
        let old = self.tokens.len();
        self.tokens.push(Token::Word(OLD_TABLE));
        self.follow.push(Vec::new());
        for follow in self.follow.iter_mut().chain([&mut self.first]).filter(|follow| follow.contains(&(mac - 1))) {
            follow.push(old);
        }
        Some((old, mac))
    }
}
