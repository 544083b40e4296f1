//! mona-commands(7): every command with its words explained, made from the rows.

use crate::args::Kind;
use crate::modes::Mode;
use crate::rows::{self, No, Row};
use crate::syntax::{Token, paths};
use crate::words;
use std::fmt::Write as _;

const MODES: [(Mode, &str); 6] = [
    (Mode::Exec, "EXEC MODE"),
    (Mode::Config, "CONFIGURATION MODE"),
    (Mode::Interface, "INTERFACE MODE"),
    (Mode::Vlan, "VLAN MODE"),
    (Mode::Profile, "PORT-PROFILE MODE"),
    (Mode::Line, "LINE MODE"),
];

/// The manual page, roff.
pub fn man() -> String {
    let mut page = String::from(
        ".TH MONA-COMMANDS 7 \"\" \"Mona\" \"Mona Manual\"\n.SH NAME\nmona\\-commands \\- the commands of the Mona switch\n\
         .SH DESCRIPTION\nCommands may be abbreviated as long as they are unique; \\fB?\\fR lists what may come next, Tab \
         completes. An interface may be named by the netdev that is bound to it.\n",
    );
    for (mode, title) in MODES {
        let _ = writeln!(page, ".SH {title}");
        for row in rows::all().filter(|row| !row.hidden && row.modes.contains(&mode)) {
            let no = match row.no {
                No::Never => "",
                No::Words | No::Full => "[\\fBno\\fR] ",
            };
            let _ = writeln!(page, ".TP\n{no}{}", row.syntax.split(' ').map(place).collect::<Vec<_>>().join(" "));
            let who = if row.privilege > 1 && mode == Mode::Exec { " Needs privilege 15." } else { "" };
            let _ = writeln!(page, "{}.{who}", escape(about(row)));
        }
    }
    page.push_str(".SH SEE ALSO\n.BR swcli (1),\n.BR switchd (8),\n.BR swctl (8)\n");
    page
}

/// What the row's last word means: that is what the row is for.
fn about(row: &'static Row) -> &'static str {
    let longest = paths(row.syntax).into_iter().max_by_key(Vec::len).unwrap_or_default();
    let says = |token: &Token| match token {
        Token::Word(word) => words::help(row, word, true),
        Token::Arg(_, Kind::Choice(all)) => words::help(row, all.first().copied().unwrap_or(""), true),
        Token::Arg(_, kind) => words::help(row, &kind.shown(), false),
    };
    let words = longest.iter().rev().filter(|t| matches!(t, Token::Word(_)));
    words.map(says).find(|help| !help.is_empty()).unwrap_or("")
}

/// One place of a syntax, in bold or italics.
fn place(text: &str) -> String {
    let open = text.starts_with('[');
    let close = text.ends_with(']');
    let inner = text.trim_start_matches('[').trim_end_matches(']');
    let shown = match inner.strip_prefix(['<', '{']) {
        Some(rest) => {
            let (name, kind) = rest[..rest.len() - 1].split_once(':').unwrap_or((rest, rest));
            match Kind::of_any(kind) {
                true => format!("\\fI{}\\fR", escape(name)),
                false => kind.split('|').map(|w| format!("\\fB{}\\fR", escape(w))).collect::<Vec<_>>().join("|"),
            }
        }
        None => format!("\\fB{}\\fR", escape(inner)),
    };
    format!("{}{shown}{}", if open { "[" } else { "" }, if close { "]" } else { "" })
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}
