//! The datapath: workers send or drop each frame by the [`Snapshot`], and tell control what they saw.
//!
//! ```text
//!        rx                                    tx
//!  io ───────▶ parse ▶ admit ▶ learn ▶ lookup ▶ egress ───▶ io
//!                 │       │                │       │
//!                 └───────┴── Err(Drop) ───┴───────┘   named, counted, never logged
//! ```
//!
//! [`forward()`](forward::forward) *is* the datapath. Everything around it only brings frames to it and carries its
//! decisions away: [`batch`] sends, [`recorder`] explains. It names no control protocol, allocates nothing per frame,
//! takes no lock and makes no system call outside [`io`].

mod atomic {
    //! Whose atomics the tables of workers ([`crate::fdb`], [`crate::hops`], [`crate::neighbours`], [`crate::lpm`]) are built
    //! on: the model checker's where they are included there.
    pub use std::sync::atomic::*;
    use zerocopy::FromZeros;

    /// Zeros. The kernel gives the memory page by page, when it is first written.
    pub fn zeroed<T: FromZeros>(count: usize) -> Box<[T]> {
        <[T]>::new_box_zeroed_with_elems(count).expect("address space for the tables")
    }
}
mod room {
    //! How large the tables of [`crate::lpm`] are at least: a model checker has less.

    /// Address bits that choose an entry of the root.
    pub const ROOT: u8 = 19;
    /// Leaves.
    pub const LEAVES: usize = 1 << 20;
}
pub mod acl;
pub mod asking;
pub mod batch;
pub mod changes;
pub mod crossing;
pub mod drop;
pub mod fdb;
pub mod flow;
pub mod forward;
pub mod fragments;
pub mod hops;
pub mod io;
pub mod lpm;
pub mod neighbours;
pub mod offload;
pub mod out;
pub mod own;
pub mod packet;
pub mod policer;
mod prefetch;
pub mod program;
mod punt;
pub mod recorder;
pub mod restraint;
pub mod rewrite;
pub mod ring;
pub mod route;
pub mod routing;
pub mod sleep;
pub mod snapshot;
pub mod stats;
pub mod switching;
pub mod uncached;
mod wiring;
pub mod worker;

pub use batch::Batch;
pub use drop::Drop;
pub use fdb::Fdb;
pub use forward::{Frame, forward};
pub use out::{Out, Seen};
pub use recorder::Recorder;
pub use snapshot::Snapshot;
