//! A text of several lines, as `banner motd` takes it: it ends where the character comes again that it begins with. In the
//! configuration that is `^C`, which may be written so or as the one character that Ctrl-C makes.

use std::fmt;

/// Longest text, bytes; as with IOS a page or two.
pub const TEXT_LIMIT: usize = 4096;
/// What Ctrl-C makes (ETX).
const CTRL_C: char = '\x03';

/// What ends a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delimiter(char);

impl fmt::Display for Delimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == CTRL_C { f.write_str("^C") } else { write!(f, "{}", self.0) }
    }
}

impl Delimiter {
    /// Takes it off the beginning of a text.
    fn strip(text: &str) -> Option<(Delimiter, &str)> {
        if let Some(rest) = text.strip_prefix("^C") {
            return Some((Delimiter(CTRL_C), rest));
        }
        let first = text.chars().next()?;
        Some((Delimiter(first), &text[first.len_utf8()..]))
    }

    /// Does the key Ctrl-C end the text?
    pub fn is_ctrl_c(self) -> bool {
        self.0 == CTRL_C
    }

    fn find(self, text: &str) -> Option<usize> {
        let written = text.find("^C").filter(|_| self.is_ctrl_c());
        text.find(self.0).into_iter().chain(written).min()
    }
}

/// What stands behind the words of a command that takes a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// `#text#`, and what is between. What follows on the last line is left out, as on IOS.
    Whole(String),
    /// `#text`: more lines are to come, up to this.
    Begun(Delimiter),
}

impl Text {
    /// Reads it; `None`: nothing there, or there are lines behind the end.
    pub fn read(text: &str) -> Option<Text> {
        let (delimiter, rest) = Delimiter::strip(text)?;
        match delimiter.find(rest) {
            None => Some(Text::Begun(delimiter)),
            Some(end) => (!rest[end..].contains('\n')).then(|| Text::Whole(rest[..end].into())),
        }
    }

    /// A text as the configuration says it.
    pub fn print(text: &str) -> String {
        format!("^C{text}^C")
    }

    /// Can it be kept? What is no text ends it, or the line that it is on, when it is read again.
    pub fn check(text: &str) -> Result<(), String> {
        if text.len() > TEXT_LIMIT {
            return Err(format!("A banner has at most {TEXT_LIMIT} bytes"));
        }
        let is_plain = |c: char| !c.is_control() || matches!(c, '\t' | '\n');
        match text.contains("^C") || !text.chars().all(is_plain) {
            true => Err("A banner has no control characters, and no ^C, which ends it in the configuration".into()),
            false => Ok(()),
        }
    }
}

/// A command whose text is not at its end yet: the lines that follow belong to it, whatever they say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    command: String,
    delimiter: Delimiter,
    limit: usize,
}

impl Unfinished {
    pub(crate) fn new(line: &str, delimiter: Delimiter) -> Unfinished {
        Unfinished { command: line.into(), delimiter, limit: line.len() + TEXT_LIMIT }
    }

    /// Its first line.
    pub fn first_line(&self) -> &str {
        self.command.lines().next().unwrap_or_default()
    }

    /// What ends it.
    pub fn delimiter(&self) -> Delimiter {
        self.delimiter
    }

    /// Adds a line; returns the whole command if that is its last.
    pub fn add(&mut self, line: &str) -> Option<String> {
        let is_last = self.delimiter.find(line).is_some();
        // Of a text that is too long anyway nothing more is kept, but its end is still waited for.
        if is_last || self.command.len() <= self.limit {
            self.command.push('\n');
            self.command.push_str(line);
        }
        is_last.then(|| std::mem::take(&mut self.command))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_ends_where_it_says() {
        let whole = |text: &str| Some(Text::Whole(text.into()));
        let begun = |c| Some(Text::Begun(Delimiter(c)));
        for (typed, read) in [
            ("#hello#", whole("hello")),
            ("##", whole("")),
            ("#hello# world", whole("hello")),
            ("#a\nb\n#", whole("a\nb\n")),
            ("#a\nb\n# world", whole("a\nb\n")),
            ("^Chello^C", whole("hello")),
            ("^C\nhello\n^C", whole("\nhello\n")),
            ("^CC\nhello\n^C", whole("C\nhello\n")),
            ("\x03hello\x03", whole("hello")),
            ("\x03hello^C", whole("hello")),
            ("^Chello\x03", whole("hello")),
            ("^a^", whole("a")),
            ("\u{e9}a\u{e9}", whole("a")),
            ("#a", begun('#')),
            ("#", begun('#')),
            ("^C", begun(CTRL_C)),
            ("^Ca^b", begun(CTRL_C)),
            ("#a#\nshutdown", None),
            ("", None),
        ] {
            assert_eq!(Text::read(typed), read, "{typed:?}");
        }
    }

    #[test]
    fn lines_are_gathered_up_to_the_end() {
        let mut text = Unfinished::new("banner motd #", Delimiter('#'));
        assert_eq!(text.add("shutdown"), None);
        assert_eq!(text.add(""), None);
        assert_eq!(text.add("bye #"), Some("banner motd #\nshutdown\n\nbye #".into()));
        // However much comes, little is kept, and that it is too much is seen.
        let mut text = Unfinished::new("banner motd #", Delimiter('#'));
        for _ in 0..10_000 {
            assert_eq!(text.add("0123456789"), None);
        }
        let whole = text.add("#").expect("the end");
        let Some(Text::Whole(kept)) = Text::read(&whole["banner motd ".len()..]) else { panic!("{whole}") };
        assert!((TEXT_LIMIT + 1..TEXT_LIMIT + 100).contains(&kept.len()), "{}", kept.len());
        assert!(Text::check(&kept).is_err());
    }
}
