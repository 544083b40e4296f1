//! How a line becomes a command: abbreviation, ambiguity, caret, `?`, Tab, `no`, `do`, all from the rows. (Contract.)

use crate::api::LineError;
use crate::config::Config;
use crate::rows::{Action, Rejected};

/// A line that was understood.
pub enum Parsed {
    /// Exec: control carries it out.
    Exec(Action),
    /// Configuration: [`ConfigLine::apply`] edits a [`Config`].
    Config(ConfigLine),
    /// Entering, leaving modes (`configure terminal`, `interface X`, `exit`, `end`): the context afterwards. Entering an
    /// interface or VLAN that does not exist is a `Config` line as well.
    Context(Vec<String>),
    /// The shell's own business: `terminal length`, `show history`, `enable`, `disable`, `exit` at exec, `help`.
    Local(Local),
}

/// What the shell does itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Local {
    /// `exit`, `quit`, `logout` in exec mode.
    Quit,
    /// `enable [N]`
    Enable(u8),
    /// `disable [N]`
    Disable(u8),
    /// `terminal length N`; 0 = no pager.
    TerminalLength(u32),
    /// `terminal width N`
    TerminalWidth(u32),
    /// `show history`
    History,
    /// `help`
    Help,
    /// An empty line or a comment (`!`).
    Nothing,
}

/// A configuration command with its arguments, ready to edit a configuration. (Fields are the grammar's own.)
pub struct ConfigLine {}

/// What a configuration line did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The mode afterwards.
    pub context: Vec<String>,
    /// What IOS would say: `% Access VLAN does not exist. Creating vlan 10`.
    pub messages: Vec<String>,
}

impl ConfigLine {
    /// Edits the configuration, all or nothing.
    pub fn apply(&self, _config: &mut Config) -> Result<Applied, Rejected> {
        todo!()
    }
}

/// Understands a line typed in a mode. `config` serves only to find interfaces by their netdev's name.
pub fn parse(_config: &Config, _context: &[String], _privilege: u8, _line: &str) -> Result<Parsed, LineError> {
    todo!()
}

/// What `?` prints at this place: name and help, and `("<cr>", "")` when the line is complete.
pub fn help(_context: &[String], _privilege: u8, _line: &str) -> Result<Vec<(String, String)>, LineError> {
    todo!()
}

/// What Tab makes of the line: the completed line, when there is one way only.
pub fn complete(_context: &[String], _privilege: u8, _line: &str) -> Option<String> {
    todo!()
}

/// The prompt's mode: ``, `(config)`, `(config-if)`, `(config-if-range)`, `(config-vlan)`, `(config-port-prof)`.
pub fn prompt(_context: &[String]) -> &'static str {
    todo!()
}
