//! Reading a line from a person or from a program that plays one.

mod plain;
mod rich;

pub use plain::Plain;
pub use rich::Rich;

use crate::client::OnLog;
use crate::help::Place;

/// What was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// A line, with Enter.
    Line(String),
    /// `?`: the line before the cursor, and after it.
    Help(String, String),
    /// Ctrl-Z, and what stood in the line.
    End(String),
    /// Ctrl-C.
    Cancelled,
    /// Ctrl-D, or the terminal is gone.
    Closed,
}

/// One of the two.
pub enum Editor {
    /// With cursor movement.
    Rich(Box<Rich>),
    /// Characters only.
    Plain(Plain),
}

impl Editor {
    /// Reads a line that begins as `(before the cursor, after it)`.
    pub fn read(&mut self, prompt: &str, initial: (&str, &str), place: &Place, history: &[String]) -> Typed {
        match self {
            Editor::Rich(rich) => rich.read(prompt, initial, place),
            Editor::Plain(plain) => plain.read(prompt, initial, place, history),
        }
    }

    /// Makes receivers of log lines, one per connection, that print above the half-typed line.
    pub fn log_source(&self) -> Box<dyn Fn() -> OnLog> {
        match self {
            Editor::Rich(rich) => rich.log_source(),
            Editor::Plain(plain) => plain.log_source(),
        }
    }

    /// Lines of the screen, if it says.
    pub fn screen_lines(&mut self) -> Option<u32> {
        let lines = match self {
            Editor::Rich(rich) => rich.screen_lines(),
            Editor::Plain(plain) => plain.screen_lines(),
        };
        lines.filter(|lines| *lines > 0)
    }
}
