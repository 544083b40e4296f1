//! mona-commands(7): every command with its words explained, made from the rows.

use crate::args::Kind;
use crate::modes::Mode;
use crate::rows::{self, No, Row};
use crate::syntax::{Token, paths};
use crate::words;
use std::fmt::Write as _;

const MODES: [(Mode, &str); 13] = [
    (Mode::Exec, "EXEC MODE"),
    (Mode::Config, "CONFIGURATION MODE"),
    (Mode::Interface, "INTERFACE MODE"),
    (Mode::Subinterface, "SUB-INTERFACE MODE"),
    (Mode::Svi, "INTERFACE MODE OF A VLAN"),
    (Mode::Loopback, "INTERFACE MODE OF A LOOPBACK"),
    (Mode::Vlan, "VLAN MODE"),
    (Mode::Profile, "PORT-PROFILE MODE"),
    (Mode::StandardList, "STANDARD ACCESS LIST MODE"),
    (Mode::ExtendedList, "EXTENDED ACCESS LIST MODE"),
    (Mode::Ip6List, "IPV6 ACCESS LIST MODE"),
    (Mode::MacList, "MAC ACCESS LIST MODE"),
    (Mode::Line, "LINE MODE"),
];

/// The manual page, roff.
pub fn man() -> String {
    let mut page = String::from(
        ".TH MONA-COMMANDS 7 \"\" \"Mona\" \"Mona Manual\"\n.\\\" Syntax is not broken up: lines are ragged.\n.ad l\n.nh\n.SH NAME\nmona\\-commands \\- the commands of the Mona switch\n\
         .SH DESCRIPTION\nCommands may be abbreviated as long as they are unique; \\fB?\\fR lists what may come next, Tab \
         completes. An interface may be named by the netdev that is bound to it.\n",
    );
    for (mode, title) in MODES {
        let _ = writeln!(page, ".SH {title}");
        for row in rows::all().filter(|row| !row.hidden && row.modes.contains(&mode)) {
            let no = match row.no {
                No::Never => "",
                No::Words | No::Before(_) | No::After(_) | No::Full => "[\\fBno\\fR] ",
            };
            let _ =
                writeln!(page, ".TP\n{no}{}", row.syntax.split_whitespace().map(place).collect::<Vec<_>>().join(" "));
            let who = if row.privilege > 1 && mode == Mode::Exec { " Needs privilege 15." } else { "" };
            let _ = writeln!(page, "{}.{who}", escape(about(row)));
            for (name, meaning) in arguments(row) {
                let _ = writeln!(page, ".br\n\\fI{}\\fR: {}.", escape(name), escape(meaning));
            }
        }
    }
    page.push_str(".SH SEE ALSO\n.BR swcli (1),\n.BR switchd (8),\n.BR swctl (8)\n");
    page
}

/// What the row's last word that must be said means, or its first choice where there is none: that is what the row is for.
fn about(row: &'static Row) -> &'static str {
    let shortest = paths(row.syntax).into_iter().min_by_key(Vec::len).unwrap_or_default();
    let words = shortest.iter().rev().filter_map(|token| match token {
        Token::Word(word) => Some(words::word(row, word)),
        Token::Arg(..) => None,
    });
    let choices = shortest.iter().filter_map(|token| match token {
        Token::Arg(_, Kind::Choice(words)) => words.last().map(|word| words::word(row, word)),
        _ => None,
    });
    words.chain(choices).next().unwrap_or("")
}

/// The arguments of the row, optional ones as well, and what they mean.
fn arguments(row: &'static Row) -> Vec<(&'static str, &'static str)> {
    let mut arguments: Vec<(&'static str, &'static str)> = Vec::new();
    let mut paths = paths(row.syntax);
    paths.sort_by_key(|path| std::cmp::Reverse(path.len()));
    for token in paths.into_iter().flatten() {
        match token {
            Token::Arg(_, Kind::Choice(_)) | Token::Word(_) => {}
            Token::Arg(name, _) if arguments.iter().any(|(other, _)| *other == name) => {}
            Token::Arg(name, _) => arguments.push((name, words::argument(row, name))),
        }
    }
    arguments
}

/// One place of a syntax, in bold or italics.
fn place(text: &'static str) -> String {
    let inner = text.trim_matches(['[', ']', '(', ')', '*']);
    let (open, close) = text.split_once(inner).unwrap_or_default();
    let shown = match inner.strip_prefix(['<', '{']) {
        Some(rest) => {
            let (name, kind) = rest[..rest.len() - 1].split_once(':').unwrap_or((rest, rest));
            match Kind::of(kind) {
                Kind::Choice(words) => {
                    words.iter().map(|w| format!("\\fB{}\\fR", escape(w))).collect::<Vec<_>>().join("|")
                }
                _ => format!("\\fI{}\\fR", escape(name)),
            }
        }
        None => format!("\\fB{}\\fR", escape(inner)),
    };
    format!("{open}{shown}{close}")
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_row_is_there() {
        let page = super::man();
        for row in crate::rows::all().filter(|row| !row.hidden) {
            let line: Vec<String> = row.syntax.split_whitespace().map(super::place).collect();
            assert!(page.contains(&line.join(" ")), "{}", row.syntax);
        }
        assert!(page.contains("\\fBshow\\fR \\fBmac\\fR \\fBaddress\\-table\\fR [\\fBdynamic\\fR|\\fBstatic\\fR] [\\fBaddress\\fR \\fImac\\fR]"));
        // Nothing is without a word about it.
        assert!(!page.lines().any(|line| line == "." || line.starts_with(". ") || line.ends_with(": .")), "{page}");
    }
}
