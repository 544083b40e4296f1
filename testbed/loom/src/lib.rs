//! The table of stations under the model checker: every order in which its words can be written and read.
//!
//! The source is the datapath's own, built here on loom's atomics. Run: `cargo test --release` in this folder. A crate of
//! its own, outside the workspace, because loom would otherwise be compiled into every test.

mod atomic {
    pub use loom::sync::atomic::*;
    pub use std::sync::atomic::Ordering;
}

mod prefetch {
    pub fn prefetch<T>(_: &T) {}
}

#[path = "../../../datapath/src/fdb.rs"]
#[allow(dead_code)]
pub mod fdb;

