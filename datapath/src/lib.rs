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

pub mod drop;
pub mod fdb;
pub mod io;
pub mod out;
pub mod snapshot;
pub mod stats;
pub mod switching;

pub use drop::Drop;
pub use fdb::Fdb;
pub use out::{Out, Seen};
pub use snapshot::Snapshot;
