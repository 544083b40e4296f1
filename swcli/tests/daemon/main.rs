//! swcli's client and session against daemons of a few lines.

mod client;
mod fake;
mod session;
mod terminal;
