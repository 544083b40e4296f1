//! Access lists: which frames may pass, by addresses, protocol, ports and flags, decided by the first line that fits.
//!
//! ```text
//!  frame ──▶ Key (lazily, where a list is) ──▶ per field the set of lines that accept its value ──▶ AND ──▶ first line
//! ```
//! A field's sets are bit vectors, one bit a line (Lakshman and Stiliadis, SIGCOMM 1998): a thousand lines are sixteen
//! words, so what a frame costs hardly grows with the list. Fields in which all lines accept everything cost nothing.

mod filters;
mod key;
mod rule;
mod table;
#[cfg(test)]
mod tests;

use crate::Drop;
use crate::flow::{Depth, Looked};
pub(crate) use filters::pass;
pub use filters::{Filters, Stage};
pub use key::Key;
pub use rule::{Family, Flags, Masked, Ports, Rule, UNCOUNTED};
use table::Table;

/// Lines a list may have: what its vectors take (a megabyte or two for addresses of every kind) and what a frame pays
/// for them at worst is measured up to here.
pub const LINES: usize = 4096;

/// A list as workers decide by it.
#[derive(Debug)]
pub struct Acl {
    rules: Vec<Rule>,
    table: Table,
    looked: Looked,
}

/// What a list says of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// May it pass?
    pub permit: bool,
    /// Is control to be told?
    pub log: bool,
    /// Whose counter it is counted in; [`UNCOUNTED`] for what nobody wrote.
    pub slot: u32,
}

/// A list has more than [`LINES`] lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl Acl {
    /// Compiles the lines of a list, first to last. Behind them nothing passes.
    pub fn compile(rules: Vec<Rule>) -> Result<Acl, TooLong> {
        if rules.len() > LINES {
            return Err(TooLong);
        }
        let table = Table::of(&rules);
        let looked = rules.iter().fold(Looked { depth: Depth::L3, flags: false }, |all, rule| all.and(rule.looked()));
        Ok(Acl { rules, table, looked })
    }

    /// The first line that fits decides. `Err`: a line looks at what the packet is too short for.
    #[inline]
    pub fn decide(&self, key: &Key) -> Result<Verdict, Drop> {
        Ok(match self.first(key)? {
            Some(line) => {
                let Rule { permit, log, slot, .. } = self.rules[line];
                Verdict { permit, log, slot }
            }
            None => Verdict { permit: false, log: false, slot: UNCOUNTED },
        })
    }

    /// The line that decides; `None`: none fits.
    #[inline]
    pub fn first(&self, key: &Key) -> Result<Option<usize>, Drop> {
        self.table.first(key)
    }

    /// What of a frame of its family it looks at, at most.
    pub fn looked(&self) -> Looked {
        self.looked
    }

    /// Bytes that its vectors take.
    pub fn size(&self) -> usize {
        self.table.size()
    }

    /// Its lines.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
}
