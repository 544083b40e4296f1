//! The routes in order: the truth that the table of the workers is compiled from.

use super::Leaf;
use super::address::{Address, Prefix};
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included};

/// Prefixes and what they lead to; a prefix stands before the longer ones within it.
#[derive(Clone, Debug)]
pub struct Routes<A>(BTreeMap<Prefix<A>, Leaf>);

impl<A: Address> Default for Routes<A> {
    fn default() -> Routes<A> {
        Routes(BTreeMap::new())
    }
}

impl<A: Address> FromIterator<(Prefix<A>, Leaf)> for Routes<A> {
    fn from_iter<I: IntoIterator<Item = (Prefix<A>, Leaf)>>(routes: I) -> Routes<A> {
        Routes(routes.into_iter().collect())
    }
}

impl<A: Address> Routes<A> {
    /// Enters or replaces; returns what was there.
    pub fn insert(&mut self, prefix: Prefix<A>, leaf: Leaf) -> Option<Leaf> {
        self.0.insert(prefix, leaf)
    }

    /// Enters or replaces many.
    pub fn extend(&mut self, routes: impl IntoIterator<Item = (Prefix<A>, Leaf)>) {
        self.0.extend(routes);
    }

    /// Removes; returns what was there.
    pub fn remove(&mut self, prefix: Prefix<A>) -> Option<Leaf> {
        self.0.remove(&prefix)
    }

    /// Of exactly this prefix.
    pub fn get(&self, prefix: Prefix<A>) -> Option<Leaf> {
        self.0.get(&prefix).copied()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Prefix<A>, Leaf)> + '_ {
        self.0.iter().map(|(prefix, leaf)| (*prefix, *leaf))
    }

    /// The longer ones within the prefix, in order.
    pub fn longer(&self, prefix: Prefix<A>) -> impl Iterator<Item = (Prefix<A>, Leaf)> + '_ {
        let end = Prefix::new(prefix.last(), A::WIDTH);
        self.0.range((Excluded(prefix), Included(end))).map(|(prefix, leaf)| (*prefix, *leaf))
    }

    /// The longest prefix with the address in it.
    pub fn covering(&self, address: A) -> Option<(Prefix<A>, Leaf)> {
        self.covering_up_to(address, A::WIDTH)
    }

    /// The longest of those not longer than `length`.
    pub(super) fn covering_up_to(&self, address: A, length: u8) -> Option<(Prefix<A>, Leaf)> {
        let mut key = Prefix::new(address, length);
        loop {
            let (&prefix, &leaf) = self.0.range(..=key).next_back()?;
            if prefix.contains(address) {
                return Some((prefix, leaf));
            }
            // What contains the address and stands before this one contains this one, too.
            key = Prefix::new(address, prefix.address().common(address));
        }
    }
}
