//! The tables that workers read while control writes them, under the model checker: every order in which their words can be
//! written and read.
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

mod lpm {
    //! What prefixes lead to; the table of them is too large for a model.

    /// An index into the table of next hops.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Leaf(pub u32);
}
