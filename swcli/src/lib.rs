//! The face of the switch: a shell that looks like IOS, and the client that hooks use too.
//!
//! ```text
//!   keys ──editor──▶ line ──client──▶ switchd ──▶ Shown ──draw──▶ lines ──filter──▶ pager ──▶ terminal
//!                     └─ shell's own words: enable, terminal, history, exit
//! ```
//!
//! Mode and privilege live here: the daemon keeps nothing for a client, so the shell survives its restart.

pub mod client;
pub mod draw;
pub mod editor;
pub mod errors;
pub mod filter;
pub mod help;
pub mod pager;
pub mod session;
pub mod shell;
pub mod terminal;
