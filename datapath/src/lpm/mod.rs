//! Longest prefix match: where to, by destination address, for a million routes of each family.
//!
//! ```text
//!   control ──▶ Writer: Routes, ordered ──▶ Lpm: entries, slots ──▶ workers
//!                the truth      one change: a few words, in place    lookup(): two dependent loads, no branch that
//!                                                                    chance decides
//! ```
//!
//! A table is small so that it stays in the cache: IPv4 takes 4 MiB for the root and about 6 bytes per route.

mod address;
mod compiler;
mod routes;
mod slots;
mod table;
mod writer;

pub use address::{Address, Prefix};
pub use routes::Routes;
pub use table::{Lpm, Lpm4, Lpm6};
pub use writer::{Lpm4Writer, Lpm6Writer, Mark, TableFull, Writer};

/// What a prefix leads to: an index into the table of next hops. Less than [`Leaf::COUNT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Leaf(pub u32);

impl Leaf {
    /// How many there are.
    pub const COUNT: usize = 1 << 20;
}
