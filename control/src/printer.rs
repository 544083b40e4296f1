//! `show running-config` and `show startup-config`: a million lines take a second to print and to spell. A thread of its own
//! does both, of a copy of the configuration, so that control goes on meanwhile.

use crate::aside::Aside;
use crate::server::spelled;
use crate::show::configured;
use mona_model::api::{LineError, Message, Reply};
use mona_model::config::Config;
use mona_model::names::InterfaceName;
use mona_model::print::{print, print_all, print_interface, print_interface_all};
use mona_model::shown::Shown;
use std::fs;
use std::path::{Path, PathBuf};

/// What is printed.
#[derive(Clone)]
pub enum Text {
    /// The configuration, or an interface's part; `all`: with defaults.
    Running {
        /// As it was when it was asked for.
        config: Box<Config>,
        /// The one that is wanted.
        interface: Option<InterfaceName>,
        /// What is so by default is said too.
        all: bool,
    },
    /// The saved configuration.
    Startup,
}

/// A text, and who asked for it.
#[derive(Clone)]
pub struct Job {
    /// Who asked.
    pub session: u64,
    /// The answer without its lines.
    pub reply: Reply,
    /// What.
    pub text: Text,
}

/// The thread that prints, sessions and their answers as they are sent; the startup-config is at `path`.
pub fn printer(path: PathBuf) -> Result<Aside<Job, (u64, Vec<u8>)>, String> {
    Aside::start("print", move |job: Job| (job.session, job.answer(&path)))
}

impl Job {
    fn answer(self, path: &Path) -> Vec<u8> {
        let saved =
            || fs::read_to_string(path).map_err(|e| format!("startup-config is not present: {}: {e}", path.display()));
        let (shown, error) = match self.text.lines(saved) {
            Ok(lines) => (vec![Shown::Text(lines)], None),
            Err(text) => (Vec::new(), Some(LineError::Rejected { text })),
        };
        spelled(&Message::Reply(Reply { shown, error, ..self.reply }))
    }
}

impl Text {
    /// What is shown, where `saved` reads the startup-config. An error is a sentence that says what to do.
    pub fn lines(&self, saved: impl FnOnce() -> Result<String, String>) -> Result<Vec<String>, String> {
        let body = match self {
            Text::Startup => {
                let text = saved()?;
                let head = format!("Using {} bytes", text.len());
                return Ok(std::iter::once(head).chain(text.lines().map(String::from)).collect());
            }
            Text::Running { config, interface: None, all: true } => print_all(config),
            Text::Running { config, interface: None, all: false } => print(config, false),
            Text::Running { config, interface: Some(name), all } => {
                configured(config, *name)?;
                let part = if *all { print_interface_all(config, *name) } else { print_interface(config, *name) };
                std::iter::once("!".to_string()).chain(part).chain(["end".to_string()]).collect()
            }
        };
        let body = match self {
            // A text is one command of several lines.
            Text::Running { config, .. } if !config.banners.is_empty() => {
                body.iter().flat_map(|command| command.split('\n')).map(String::from).collect()
            }
            _ => body,
        };
        let bytes: usize = body.iter().map(|line| line.len() + 1).sum();
        let head =
            ["Building configuration...".into(), String::new(), format!("Current configuration : {bytes} bytes")];
        Ok(head.into_iter().chain(body).collect())
    }
}
