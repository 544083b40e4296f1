//! What the operator may say: the configuration, the commands that are lenses on it, and the words in which the shell,
//! the hooks and the daemon talk.
//!
//! ```text
//!   line ──grammar──▶ Command ──row.set──▶ Config ──print──▶ lines          law: parse(print(c)) == c
//!                        └────row.exec───▶ Action ──control──▶ Shown ──swcli──▶ text or JSON
//! ```
//!
//! A command is one row: mode, syntax, help, and a pair of functions on one field of [`Config`](config::Config).

pub mod acl;
pub mod api;
pub mod args;
pub mod config;
pub mod grammar;
pub mod l3;
pub mod modes;
pub mod names;
pub mod print;
pub mod reference;
pub mod rows;
pub mod shared;
pub mod shown;
pub mod shown_host;
pub mod shown_ip;
pub mod sources;
mod stem;
mod syntax;
pub mod text;
pub mod vlans;
mod walk;
mod words;
