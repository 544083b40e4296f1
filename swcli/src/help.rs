//! `?` and Tab: the grammar knows the words, this file knows how IOS prints them, and the filters after `|`.

use crate::filter;
use mona_model::api::LineError;
use mona_model::grammar;

/// Where a line is typed: all that help and completion depend on.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The mode, see [`mona_model::api::Request::context`].
    pub context: Vec<String>,
    /// The session's privilege.
    pub privilege: u8,
    /// Inside a text of several lines: every key is text, and there is no prompt.
    pub in_text: bool,
}

impl Place {
    /// Is this line an exec command, whose output may be filtered?
    pub fn is_exec(&self, line: &str) -> bool {
        self.context.is_empty() || line.trim_start().get(..3).is_some_and(|word| word.eq_ignore_ascii_case("do "))
    }
}

/// What `?` prints after `line`, without the line that is redrawn below it.
pub fn lines(place: &Place, line: &str) -> Vec<String> {
    let words = match filter::split(line) {
        (_, Some((_, rest))) if place.is_exec(line) => filter_words(rest),
        _ => grammar::help(&place.context, place.privilege, line).map(|words| with_filters(place, line, words)),
    };
    let words = match words {
        Ok(words) if !words.is_empty() => words,
        Err(LineError::Ambiguous { line }) => return vec![format!("% Ambiguous command:  \"{line}\"")],
        Ok(_) | Err(_) => return vec!["% Unrecognized command".into()],
    };
    // After part of a word IOS lists the words alone; a value (`<1-4094>`, `WORD`) always comes with its help.
    let partial = !line.is_empty() && !line.ends_with(' ');
    if partial && words.iter().all(|(name, _)| name.starts_with(|c: char| c.is_ascii_lowercase())) {
        let names: Vec<&str> = words.iter().map(|(name, _)| name.as_str()).collect();
        return vec![names.join("  ")];
    }
    let width = words.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut lines: Vec<String> =
        words.iter().map(|(name, help)| format!("  {name:width$}  {help}").trim_end().to_owned()).collect();
    lines.push(String::new());
    lines
}

/// The line after Tab, when it can go on in one way only.
pub fn complete(place: &Place, line: &str) -> Option<String> {
    if let (command, Some((_, rest))) = filter::split(line)
        && place.is_exec(line)
    {
        let word = rest.trim_start();
        let blanks = &rest[..rest.len() - word.len()];
        return match filter::matching(word)[..] {
            [(name, _)] if !word.is_empty() => Some(format!("{command}|{blanks}{name} ")),
            _ => None,
        };
    }
    grammar::complete(&place.context, place.privilege, line)
}

/// Commands whose answer is worth filtering.
const PRINTING: [&str; 5] = ["show", "packet-tracer", "ping", "traceroute", "write"];

/// Adds the bar where a line that prints something is complete.
fn with_filters(place: &Place, line: &str, mut words: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut typed = line.split_whitespace().map(str::to_ascii_lowercase).skip_while(|word| word == "do");
    let prints = |word: String| word.len() >= 2 && PRINTING.iter().any(|command| command.starts_with(&word));
    if let Some(end) = words.iter().position(|(name, _)| name == "<cr>")
        && typed.next().is_some_and(prints)
        && place.is_exec(line)
        && words.iter().all(|(name, _)| name != "|")
    {
        words.insert(end, ("|".into(), "Output modifiers".into()));
    }
    words
}

/// The words that may follow the bar.
fn filter_words(rest: &str) -> Result<Vec<(String, String)>, LineError> {
    let own = |(name, help): (&str, &str)| (name.to_owned(), help.to_owned());
    match rest.trim_start().split_once(' ') {
        None => Ok(filter::matching(rest.trim_start()).into_iter().map(own).collect()),
        Some((word, _)) => match filter::matching(word)[..] {
            [("json", _)] => Ok(vec![own(("<cr>", ""))]),
            [_] => Ok(vec![own(("LINE", "Regular Expression"))]),
            _ => Err(LineError::Unknown),
        },
    }
}
