//! The control plane: *what the operator said* and *what the network said*, compiled into *what workers do*.
//!
//! [`Switch::step`](switch::Switch::step) is the whole of it: no clock, socket, thread, randomness or hash order inside.
//! `main.rs` is the rim that reads the clock, the sockets and the datapath and feeds [`Input`](input::Input)s.

pub mod acl;
pub mod aside;
pub mod compile;
pub mod counters;
pub mod fib;
pub mod flows;
mod hooks;
pub mod host;
pub mod identity;
pub mod import;
pub mod input;
pub mod journal;
mod known;
pub mod learn;
pub mod load;
pub mod log;
mod neighbours;
pub mod netlink;
mod ports;
pub mod printer;
pub mod privilege;
pub mod probe;
mod request;
pub mod reset;
pub mod rib;
pub mod router;
mod rtmsg;
pub mod save;
pub mod say;
pub mod server;
pub mod show;
mod show_ip;
mod show_traffic;
pub mod state;
pub mod statics;
pub mod switch;
mod sysctl;
mod trace;
mod trace_ip;
