//! What follows the first `|` of an exec line: `include`, `exclude`, `begin`, `section`, `count`, `json`.

use mona_model::api::LineError;
use regex::Regex;

/// The filters with the help that `?` prints.
pub const FILTERS: [(&str, &str); 6] = [
    ("begin", "Begin with the line that matches"),
    ("count", "Count number of lines which match regexp"),
    ("exclude", "Exclude lines that match"),
    ("include", "Include lines that match"),
    ("json", "Print the typed rows as JSON"),
    ("section", "Filter a section of output"),
];

/// A filter, ready for the lines.
#[derive(Clone, Debug)]
pub enum Filter {
    /// `include RE`
    Include(Regex),
    /// `exclude RE`
    Exclude(Regex),
    /// `begin RE`
    Begin(Regex),
    /// `section RE`
    Section(Regex),
    /// `count RE`
    Count(Regex),
    /// `json`
    Json,
}

/// Cuts a line at its first `|`: the command, and what follows the bar with its offset in the line.
pub fn split(line: &str) -> (&str, Option<(usize, &str)>) {
    match line.split_once('|') {
        Some((command, rest)) => (command, Some((command.len() + 1, rest))),
        None => (line, None),
    }
}

/// The filters whose name begins like this.
pub fn matching(word: &str) -> Vec<(&'static str, &'static str)> {
    let word = word.to_ascii_lowercase();
    FILTERS.into_iter().filter(|(name, _)| name.starts_with(&word)).collect()
}

impl Filter {
    /// Understands what follows the bar; `offset` is its place in `line`. The expression may itself contain `|`.
    pub fn parse(line: &str, offset: usize, text: &str) -> Result<Filter, LineError> {
        let blanks = text.len() - text.trim_start().len();
        let (word, rest) = text.trim_start().split_once(' ').unwrap_or((text.trim_start(), ""));
        if word.is_empty() {
            return Err(LineError::Incomplete);
        }
        let name = match matching(word)[..] {
            [] => return Err(LineError::Invalid { at: offset + blanks }),
            [(name, _)] => name,
            _ => return Err(LineError::Ambiguous { line: line.into() }),
        };
        if name == "json" {
            return match rest.trim_start() {
                "" => Ok(Filter::Json),
                extra => Err(LineError::Invalid { at: line.len() - extra.len() }),
            };
        }
        // Blanks before the end belong to the expression only on IOS; they are never meant.
        let expression = rest.trim();
        if expression.is_empty() {
            return Err(LineError::Incomplete);
        }
        let regex = Regex::new(expression).map_err(|_| LineError::Rejected {
            text: format!(
                "Invalid regular expression {expression}: put \\ before ( ) [ ] * + ? that are meant as they are"
            ),
        })?;
        Ok(match name {
            "begin" => Filter::Begin(regex),
            "count" => Filter::Count(regex),
            "exclude" => Filter::Exclude(regex),
            "include" => Filter::Include(regex),
            _ => Filter::Section(regex),
        })
    }

    /// What is left of the lines. (JSON is made from the rows before they are drawn.)
    pub fn apply(&self, lines: Vec<String>) -> Vec<String> {
        match self {
            Filter::Json => lines,
            Filter::Include(regex) => lines.into_iter().filter(|line| regex.is_match(line)).collect(),
            Filter::Exclude(regex) => lines.into_iter().filter(|line| !regex.is_match(line)).collect(),
            Filter::Begin(regex) => lines.into_iter().skip_while(|line| !regex.is_match(line)).collect(),
            Filter::Count(regex) => {
                let count = lines.iter().filter(|line| regex.is_match(line)).count();
                vec![format!("Number of lines which match regexp = {count}")]
            }
            Filter::Section(regex) => section(regex, lines),
        }
    }
}

/// A line that matches and all that is indented below it.
fn section(regex: &Regex, lines: Vec<String>) -> Vec<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut inside: Option<usize> = None;
    let mut kept = Vec::new();
    for line in lines {
        if inside.is_some_and(|head| indent(&line) <= head || line.trim().is_empty()) {
            inside = None;
        }
        if inside.is_none() && regex.is_match(&line) {
            inside = Some(indent(&line));
        }
        if inside.is_some() {
            kept.push(line);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "hostname s1\n!\nvlan 10\n name red\n!\ninterface GigabitEthernet0/1\n device v1\n switchport access \
         vlan 10\n!\ninterface GigabitEthernet0/2\n shutdown\n!\nend";

    fn check(line: &str, expect: &str) {
        let (command, rest) = split(line);
        assert_eq!(command.trim_end(), "show running-config");
        let (offset, text) = rest.expect("the line has a bar");
        let seen = match Filter::parse(line, offset, text) {
            Ok(filter) => filter.apply(CONFIG.lines().map(str::to_owned).collect()).join("\n"),
            Err(error) => format!("{error:?}"),
        };
        assert_eq!(seen, expect, "{line}");
    }

    #[test]
    fn filters() {
        check("show running-config | include vlan", "vlan 10\n switchport access vlan 10");
        check("show running-config | i ^vlan|^host", "hostname s1\nvlan 10");
        check("show running-config|inc ^ name .+ |^hostname .+", "hostname s1");
        check(
            "show running-config | ex ^ |!",
            "hostname s1\nvlan 10\ninterface GigabitEthernet0/1\ninterface GigabitEthernet0/2\nend",
        );
        check("show running-config | b 0/2", "interface GigabitEthernet0/2\n shutdown\n!\nend");
        check(
            "show running-config | s interface.*1",
            "interface GigabitEthernet0/1\n device v1\n switchport access vlan 10",
        );
        check("show running-config | section vlan", "vlan 10\n name red\n switchport access vlan 10");
        check("show running-config | count interface", "Number of lines which match regexp = 2");
    }

    #[test]
    fn wrong_filters() {
        check("show running-config |", "Incomplete");
        check("show running-config | include ", "Incomplete");
        check("show running-config | foo", "Invalid { at: 22 }");
        check("show running-config | json x", "Invalid { at: 27 }");
        check(
            "show running-config | include *",
            "Rejected { text: \"Invalid regular expression *: put \\\\ before ( ) [ ] * + ? that are meant as they are\" }",
        );
    }
}
