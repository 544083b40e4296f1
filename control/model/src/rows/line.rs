//! `line …`: accepted because clients set timeouts before they begin. A session here is a connection to the daemon's socket;
//! it has no lines and no timeout, so nothing of this is kept.

use super::{DONE, Does, Done, No, Row, unsaid};
use crate::modes::{Mode, Place};

pub(super) static ROWS: &[Row] = &[
    Row::config(
        &[Mode::Config],
        "line {kind:console|vty} <first:0-15> [<last:0-15>]",
        No::Never,
        Does::Set {
            set: |_, _, args, _| {
                let kind = args.word("kind").unwrap_or_default();
                let numbers = [args.number("first"), args.number("last")].into_iter().flatten();
                let text = numbers.fold(kind, |text, number| format!("{text} {number}"));
                Ok(Done { messages: Vec::new(), enter: Some(Place::Line(text)) })
            },
            get: unsaid,
        },
    )
    .help(&[
        ("console", "Primary terminal line"),
        ("vty", "Virtual terminal"),
        ("<first>", "First line"),
        ("<last>", "Last line"),
    ]),
    Row::config(
        &[Mode::Line],
        "exec-timeout <minutes:0-35791> [<seconds:0-2147483>]",
        No::Words,
        Does::Set { set: |_, _, _, _| DONE, get: unsaid },
    )
    .help(&[("<minutes>", "Timeout in minutes"), ("<seconds>", "Timeout in seconds")]),
];
