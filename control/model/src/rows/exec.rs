//! Exec mode: what is neither `show` nor `clear`.

use super::{Action, Does, Row};
use crate::grammar::Local;
use crate::modes::Place;

pub(super) static ROWS: &[Row] = &[
    Row::exec("enable [<level:1-15>]", Does::Local(|args| Local::Enable(args.number("level").unwrap_or(15) as u8)))
        .help(&[("<level>", "Enable level")]),
    Row::exec("disable [<level:1-15>]", Does::Local(|args| Local::Disable(args.number("level").unwrap_or(1) as u8)))
        .help(&[("<level>", "Privilege level to go to")]),
    Row::exec("exit", Does::Local(|_| Local::Quit)).help(&[("exit", "Exit from the EXEC")]),
    Row::exec("quit", Does::Local(|_| Local::Quit)).help(&[("quit", "Exit from the EXEC")]),
    Row::exec("logout", Does::Local(|_| Local::Quit)).help(&[("logout", "Exit from the EXEC")]),
    Row::exec("help", Does::Local(|_| Local::Help)),
    Row::exec("configure terminal", Does::Context(|_| Place::Global.context()))
        .help(&[("terminal", "Configure from the terminal")])
        .privileged(),
    Row::exec("write memory", Does::Exec(|_| Ok(Action::Save))).privileged(),
    Row::exec("write terminal", Does::Exec(|_| Ok(Action::ShowRunning { interface: None, all: false })))
        .privileged()
        .help(&[("terminal", "Write to terminal")]),
    Row::exec("write", Does::Exec(|_| Ok(Action::Save))).privileged(),
    Row::exec("copy running-config startup-config", Does::Exec(|_| Ok(Action::Save))).privileged().help(&[
        ("running-config", "Copy from current system configuration"),
        ("startup-config", "Copy to startup configuration"),
    ]),
    Row::exec(
        "terminal length <lines:0-512>",
        Does::Local(|args| Local::TerminalLength(args.number("lines").unwrap_or(24))),
    )
    .help(&[("<lines>", "Number of lines on screen (0 for no pausing)")]),
    Row::exec(
        "terminal width <columns:0-512>",
        Does::Local(|args| Local::TerminalWidth(args.number("columns").unwrap_or(80))),
    )
    .help(&[("<columns>", "Number of characters on a screen line")]),
    Row::exec("terminal monitor", Does::Exec(|_| Ok(Action::Monitor(true)))),
    Row::exec("terminal no monitor", Does::Exec(|_| Ok(Action::Monitor(false))))
        .help(&[("no", "Negate a command or set its defaults"), ("monitor", "No log messages to this terminal")]),
];
