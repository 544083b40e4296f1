//! The loop that a person sees: prompt, line, what it printed; and the one that a script sees: line, what it printed.

use crate::client::OnLog;
use crate::editor::{Editor, Plain, Rich, Typed};
use crate::help;
use crate::pager;
use crate::session::{Outcome, Session};
use crate::terminal::{Keys, RawMode, Style};
use nix::sys::signal::{SigSet, Signal};
use std::io::BufRead;
use std::path::PathBuf;

/// Lines of a screen that does not say how tall it is.
const DEFAULT_LENGTH: u32 = 24;

/// Talks to a person until `exit`.
pub fn interactive(socket: PathBuf, privilege: Option<u8>, style: Style) -> Result<(), String> {
    // Keys that stop other programs are keys of the shell; no thread may take the signal either, hence before the first.
    let signals: SigSet = [Signal::SIGINT, Signal::SIGTSTP, Signal::SIGQUIT].into_iter().collect();
    signals.thread_block().map_err(|e| format!("cannot block signals: {e}"))?;
    let mut editor = match style {
        Style::Rich => Editor::Rich(Box::new(Rich::open()?)),
        Style::Plain | Style::Batch => Editor::Plain(Plain::open()?),
    };
    let origin = if std::env::var_os("SSH_CONNECTION").is_some() { "vty0" } else { "console" };
    let on_log = editor.log_source();
    let mut session = Session::open(socket, privilege, origin, on_log)?;
    let _raw = RawMode::enter();
    pager::print(&session.carry_out("show banner", 0).lines);
    let mut keys = Keys::default();
    let mut initial = (String::new(), String::new());
    loop {
        let prompt = session.prompt();
        let (before, after) = std::mem::take(&mut initial);
        match editor.read(&prompt, (&before, &after), &session.place, &session.history) {
            Typed::Line(line) => {
                let outcome = type_line(&mut session, &line, &prompt);
                if show(&outcome, &session, &mut editor, &mut keys) {
                    return Ok(());
                }
            }
            Typed::Help(before, after) => {
                show_lines(&help::lines(&session.place, &before), &session, &mut editor, &mut keys);
                initial = (before, after);
            }
            // As on IOS, a command in the line is carried out first.
            Typed::End(line) => {
                let outcome = type_line(&mut session, &line, &prompt);
                let outcome_of_end = session.end();
                if show(&outcome, &session, &mut editor, &mut keys)
                    | show(&outcome_of_end, &session, &mut editor, &mut keys)
                {
                    return Ok(());
                }
            }
            Typed::Cancelled => {
                let outcome = session.interrupt();
                show(&outcome, &session, &mut editor, &mut keys);
            }
            Typed::Closed => {
                session.end();
                return Ok(());
            }
        }
    }
}

/// Carries out lines without a terminal: no prompt, no pager; refused lines are named on stderr. `false` = one was refused.
pub fn batch(socket: PathBuf, privilege: Option<u8>, lines: impl Iterator<Item = String>) -> Result<bool, String> {
    let on_log = || -> OnLog { Box::new(|line| pager::print(&[line])) };
    let mut session = Session::open(socket, privilege, "console", Box::new(on_log))?;
    let mut all_accepted = true;
    for line in lines {
        session.remember(&line);
        let outcome = session.carry_out(&line, 0);
        pager::print(&outcome.lines);
        if !outcome.error.is_empty() {
            all_accepted = false;
            eprintln!("{line}");
            outcome.error.iter().filter(|line| !line.is_empty()).for_each(|line| eprintln!("{line}"));
        }
        if outcome.quit {
            break;
        }
    }
    if let Some((line, delimiter)) = session.text() {
        all_accepted = false;
        eprintln!("{line}\n% The text does not end: a line with {delimiter} ends it");
    }
    session.end();
    Ok(all_accepted)
}

/// The lines of stdin, without NULs and line ends.
pub fn stdin_lines() -> impl Iterator<Item = String> {
    std::io::stdin().lock().split(b'\n').map_while(Result::ok).map(|mut bytes| {
        bytes.retain(|byte| *byte != 0 && *byte != b'\r');
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Carries out a line that a person typed after the prompt.
fn type_line(session: &mut Session, line: &str, prompt: &str) -> Outcome {
    session.remember(line);
    let (was_exec, was_in_text) = (session.place.context.is_empty(), session.place.in_text);
    let mut outcome = session.carry_out(line, prompt.chars().count());
    if let Some((_, delimiter)) = session.text().filter(|_| !was_in_text) {
        outcome.lines.push(format!("Enter TEXT message.  End with the character '{delimiter}'."));
    }
    if was_exec && !session.place.context.is_empty() {
        outcome.lines.push("Enter configuration commands, one per line.  End with CNTL/Z.".into());
    }
    outcome
}

/// Prints what a line came to; `true` = the session is over.
fn show(outcome: &Outcome, session: &Session, editor: &mut Editor, keys: &mut Keys) -> bool {
    show_lines(&outcome.lines, session, editor, keys);
    pager::print(&outcome.error);
    outcome.quit
}

fn show_lines(lines: &[String], session: &Session, editor: &mut Editor, keys: &mut Keys) {
    let length = session.length.unwrap_or_else(|| editor.screen_lines().unwrap_or(DEFAULT_LENGTH));
    match editor {
        Editor::Rich(_) => pager::page(lines, length, keys),
        Editor::Plain(plain) => pager::page(lines, length, &mut plain.keys),
    }
}
