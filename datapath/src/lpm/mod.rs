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

use std::fmt;
use std::num::NonZeroU32;

pub use address::{Address, Prefix};
pub use routes::Routes;
pub use table::{Cell, Lpm, Lpm4, Lpm6};
pub use writer::{Lpm4Writer, Lpm6Writer, Mark, TableFull, Writer};

/// What a prefix leads to: an index into the table of next hops. Less than [`Leaf::COUNT`]. Kept as one more than that, so
/// that an `Option` of it is the word that the table has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Leaf(NonZeroU32);

impl Leaf {
    /// How many there are.
    pub const COUNT: usize = crate::room::LEAVES;

    /// The leaf of an index, which must be less than [`Leaf::COUNT`].
    pub fn new(index: u32) -> Leaf {
        assert!((index as usize) < Leaf::COUNT, "{index} is no index of a next hop");
        Leaf(NonZeroU32::MIN.saturating_add(index))
    }

    /// The index.
    #[inline(always)]
    pub fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Leaf({})", self.index())
    }
}
