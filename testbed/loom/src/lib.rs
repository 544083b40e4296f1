//! The tables that workers read while control writes them, under the model checker: every order in which their words can be
//! written and read.
//!
//! The source is the datapath's own, built here on loom's atomics. Run: `cargo test --release` in this folder. A crate of
//! its own, outside the workspace, because loom would otherwise be compiled into every test.

mod atomic {
    pub use loom::sync::atomic::*;
    pub use std::sync::atomic::Ordering;

    pub fn zeroed<T: Default>(count: usize) -> Box<[T]> {
        (0..count).map(|_| T::default()).collect()
    }
}

mod prefetch {
    pub fn prefetch<T>(_: &T) {}
}

#[path = "../../../datapath/src/fdb.rs"]
#[allow(dead_code)]
pub mod fdb;

#[path = "../../../datapath/src/neighbours.rs"]
#[allow(dead_code)]
pub mod neighbours;

#[path = "../../../datapath/src/hops.rs"]
#[allow(dead_code)]
pub mod hops;

#[path = "../../../datapath/src/drop.rs"]
#[allow(dead_code)]
mod drop;
pub use drop::Drop;

mod room {
    // IPv4: 8 entries in the root, and three groups below one another.
    pub const ROOT: u8 = 3;
    pub const LEAVES: usize = 8;
}

#[path = "../../../datapath/src/lpm/mod.rs"]
#[allow(dead_code)]
pub mod lpm;
