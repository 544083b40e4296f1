//! The editor for people: rustyline with the keys of IOS.

use super::Typed;
use crate::client::OnLog;
use crate::help::{self, Place};
use rustyline::completion::{Completer, Pair};
use rustyline::config::{BellStyle, CompletionType, Config};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{
    Cmd, ConditionalEventHandler, Context, Event, EventContext, EventHandler, ExternalPrinter, Helper, KeyEvent,
    RepeatCount,
};
use std::io::{Write, stdout};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// Log lines that wait to be printed; more are lost here, and are still in `show logging`.
const LOG_LIMIT: usize = 1000;

/// The editor.
pub struct Rich {
    line: rustyline::Editor<Words, MemHistory>,
    pressed: Pressed,
    in_text: Arc<AtomicBool>,
    to_logs: SyncSender<String>,
}

/// Which key ended the line, if not Enter; the byte position of the cursor then.
type Pressed = Arc<Mutex<Option<(Key, usize)>>>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Help,
    End,
}

/// Ends the line and remembers the key. rustyline has no "show this and go on", but a line that was ended can be offered
/// again as the beginning of the next.
struct EndLine {
    key: Key,
    pressed: Pressed,
    in_text: Arc<AtomicBool>,
}

impl ConditionalEventHandler for EndLine {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext) -> Option<Cmd> {
        if self.key == Key::Help && self.in_text.load(Relaxed) {
            return None;
        }
        *self.pressed.lock().unwrap_or_else(PoisonError::into_inner) = Some((self.key, context.pos()));
        Some(Cmd::AcceptLine)
    }
}

/// Inside a text Tab is text, too.
struct TabInText(Arc<AtomicBool>);

impl ConditionalEventHandler for TabInText {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, _: &EventContext) -> Option<Cmd> {
        self.0.load(Relaxed).then(|| Cmd::Insert(1, "\t".into()))
    }
}

/// Tab.
#[derive(Default)]
struct Words {
    place: Place,
}

impl Helper for Words {}
impl Highlighter for Words {}
impl Validator for Words {}
impl Hinter for Words {
    type Hint = String;
}

impl Completer for Words {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let completed = help::complete(&self.place, &line[..pos]);
        Ok((0, completed.map(|text| Pair { display: text.clone(), replacement: text }).into_iter().collect()))
    }
}

impl Rich {
    /// Takes the terminal.
    pub fn open() -> Result<Rich, String> {
        let config = Config::builder()
            .bell_style(BellStyle::Audible)
            .completion_type(CompletionType::List)
            // A pasted configuration shall run line by line.
            .bracketed_paste(false)
            .build();
        let wrong = |e: ReadlineError| format!("the terminal cannot be used: {e}");
        let mut line = rustyline::Editor::with_history(config, MemHistory::new()).map_err(wrong)?;
        line.set_helper(Some(Words::default()));
        let (pressed, in_text) = (Pressed::default(), Arc::new(AtomicBool::new(false)));
        for (event, key) in [(KeyEvent::from('?'), Key::Help), (KeyEvent::ctrl('Z'), Key::End)] {
            let handler = EndLine { key, pressed: pressed.clone(), in_text: in_text.clone() };
            line.bind_sequence(event, EventHandler::Conditional(Box::new(handler)));
        }
        line.bind_sequence(KeyEvent::from('\t'), EventHandler::Conditional(Box::new(TabInText(in_text.clone()))));
        let mut printer = line.create_external_printer().map_err(wrong)?;
        let (to_logs, logs) = sync_channel::<String>(LOG_LIMIT);
        // A thread of its own: printing waits until the line is redrawn, and the socket's reader must never wait for the
        // keyboard.
        std::thread::Builder::new()
            .name("log printer".into())
            .spawn(move || {
                for log in logs {
                    if printer.print(format!("{log}\n")).is_err() {
                        return;
                    }
                }
            })
            .map_err(|e| format!("no thread: {e}"))?;
        Ok(Rich { line, pressed, in_text, to_logs })
    }

    /// See [`super::Editor::log_source`].
    pub fn log_source(&self) -> Box<dyn Fn() -> OnLog> {
        let to_logs = self.to_logs.clone();
        Box::new(move || {
            let to_logs = to_logs.clone();
            Box::new(move |line| {
                // Full: see LOG_LIMIT.
                let _ = to_logs.try_send(line);
            })
        })
    }

    /// See [`super::Editor::read`].
    pub fn read(&mut self, prompt: &str, initial: (&str, &str), place: &Place) -> Typed {
        if let Some(words) = self.line.helper_mut() {
            words.place = place.clone();
        }
        self.in_text.store(place.in_text, Relaxed);
        let read = self.line.readline_with_initial(prompt, initial);
        let pressed = self.pressed.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (read, pressed) {
            (Ok(mut line), Some((Key::Help, at))) => {
                self.append_to_line(prompt.len() + line.chars().count(), "?");
                let after = line.split_off(at.min(line.len()));
                Typed::Help(line, after)
            }
            (Ok(line), Some((Key::End, _))) => {
                self.append_to_line(prompt.len() + line.chars().count(), "^Z");
                Typed::End(line)
            }
            (Ok(line), None) => {
                if !place.in_text {
                    // Kept in memory only: it cannot fail.
                    let _ = self.line.add_history_entry(line.as_str());
                }
                Typed::Line(line)
            }
            (Err(ReadlineError::Interrupted), _) => Typed::Cancelled,
            (Err(_), _) => Typed::Closed,
        }
    }

    /// Shows the key that ended the line where it was typed, one line up.
    fn append_to_line(&mut self, columns: usize, text: &str) {
        let width = self.line.dimensions().map_or(80, |(columns, _)| usize::from(columns)).max(1);
        let mut out = stdout();
        let _ = write!(out, "\x1b[A\x1b[{}G{text}\n\r", columns % width + 1).and_then(|()| out.flush());
    }

    /// See [`super::Editor::screen_lines`].
    pub fn screen_lines(&mut self) -> Option<u32> {
        self.line.dimensions().map(|(_, lines)| u32::from(lines))
    }
}
