//! The switch as a whole: its name, its log, and the ways out of a mode.

use super::{DONE, Does, No, Row, flag, say, unsaid};
use crate::modes::{Mode, Place};

pub(super) static ROWS: &[Row] = &[
    Row::config(
        &[Mode::Config],
        "hostname <name:word>",
        No::Words,
        Does::Set {
            set: |config, _, args, no| {
                let name = if no { "Switch".into() } else { args.word("name").unwrap_or_default() };
                let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
                if name.len() > 63 || !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(plain) {
                    return Err(
                        "A host name is 1 to 63 letters, digits, dots, dashes and underscores, a letter first".into()
                    );
                }
                config.hostname = name;
                DONE
            },
            get: |config, _| say(Some(&config.hostname)),
        },
    )
    .help(&[("<name>", "This system's network name")]),
    Row::config(
        &[Mode::Config],
        "logging buffered <lines:10-100000>",
        No::Words,
        Does::Set {
            set: |config, _, args, no| {
                config.logging.buffered = if no { None } else { args.number("lines") };
                DONE
            },
            get: |config, _| say(config.logging.buffered),
        },
    )
    .help(&[("buffered", "Set the size of the log buffer"), ("<lines>", "Lines the buffer holds")]),
    // Clients that open a session say this; there is no console that logging could disturb.
    Row::config(&[Mode::Config], "logging console", No::Words, Does::Set { set: |_, _, _, _| DONE, get: unsaid })
        .help(&[("console", "Log to the console")])
        .hidden(),
    Row::config(
        &[Mode::Config],
        "vlan dot1q tag native",
        No::Words,
        Does::Set {
            set: |config, _, _, no| {
                config.tag_native = !no;
                DONE
            },
            get: |config, _| flag(config.tag_native),
        },
    )
    .help(&[("dot1q", "dot1q parameters"), ("tag", "Tag parameters"), ("native", "Tag the native VLAN of trunks")]),
    Row::config(Mode::CONFIGURATION, "end", No::Never, Does::Context(|_| Vec::new()))
        .help(&[("end", "Exit from configure mode")]),
    Row::config(
        Mode::CONFIGURATION,
        "exit",
        No::Never,
        Does::Context(|context| match Place::of(context) {
            Place::Exec | Place::Global => Vec::new(),
            _ => Place::Global.context(),
        }),
    )
    .help(&[("exit", "Exit from this mode")]),
];
