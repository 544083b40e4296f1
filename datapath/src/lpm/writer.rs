//! Who changes the table: keeps the routes in order and compiles what a change touches.

use super::Leaf;
use super::address::{Address, Prefix};
use super::compiler::Compiler;
use super::routes::Routes;
use super::table::{Lpm, ROOT};
use std::sync::Arc;

/// The table has no room: nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableFull;

/// A moment in the life of a table, for [`Writer::reclaim`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

/// The routes of one family, and the one who writes the workers' table of them.
pub struct Writer<A> {
    routes: Routes<A>,
    limit: usize,
    compiler: Compiler<A>,
}

/// The writer of IPv4.
pub type Lpm4Writer = Writer<u32>;
/// The writer of IPv6.
pub type Lpm6Writer = Writer<u128>;

/// Replaced parts that it may at most be sensible to let wait: 4 MiB or so.
const WAITING: usize = 1 << 15;

impl<A: Address> Writer<A> {
    /// For at most `limit` routes. Address space is taken for as many of the worst kind, memory for those there are.
    pub fn new(limit: usize) -> Writer<A> {
        Writer { routes: Routes::default(), limit, compiler: Compiler::new(limit) }
    }

    /// The table that this writes.
    pub fn table(&self) -> &Arc<Lpm<A>> {
        &self.compiler.table
    }

    /// The routes.
    pub fn routes(&self) -> &Routes<A> {
        &self.routes
    }

    /// How many routes there may be.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Enters or replaces a route; returns what was there. Visible to workers at once.
    pub fn insert(&mut self, prefix: Prefix<A>, leaf: Leaf) -> Result<Option<Leaf>, TableFull> {
        let known = self.routes.get(prefix);
        if known == Some(leaf) {
            return Ok(known);
        }
        if known.is_none() && self.routes.len() >= self.limit || !self.compiler.has_room_for(&self.routes, prefix) {
            return Err(TableFull);
        }
        self.routes.insert(prefix, leaf);
        self.compiler.compile(&self.routes, prefix);
        Ok(known)
    }

    /// Removes a route; returns what was there. Visible to workers at once.
    pub fn remove(&mut self, prefix: Prefix<A>) -> Option<Leaf> {
        let known = self.routes.remove(prefix)?;
        self.compiler.compile_or_put_off(&self.routes, prefix);
        Some(known)
    }

    /// Enters or replaces many routes: all, or if there is no room for them none. Much faster than one by one if they are
    /// a good part of the table.
    pub fn load(&mut self, routes: impl IntoIterator<Item = (Prefix<A>, Leaf)>) -> Result<(), TableFull> {
        let new: Routes<A> = routes.into_iter().collect();
        let known = new.iter().filter(|(prefix, _)| self.routes.get(*prefix).is_some()).count();
        let all = self.routes.iter().chain(new.iter()).map(|(prefix, _)| prefix);
        if self.routes.len() + new.len() - known > self.limit || !self.compiler.has_room(1 << ROOT, all) {
            return Err(TableFull);
        }
        if self.routes.is_empty() {
            self.routes = new;
            self.compiler.compile_all(&self.routes, self.routes.iter().map(|(prefix, _)| prefix));
        } else {
            self.routes.extend(new.iter());
            self.compiler.compile_all(&self.routes, new.iter().map(|(prefix, _)| prefix));
        }
        Ok(())
    }

    /// Memory that the workers' table takes, in bytes.
    pub fn memory(&self) -> usize {
        self.compiler.memory()
    }

    /// Parts of the table that were replaced and not yet reclaimed.
    pub fn waiting(&self) -> usize {
        self.compiler.waiting()
    }

    /// Should control wait for the workers and [`Writer::reclaim`] before it makes more changes?
    pub fn must_reclaim(&self) -> bool {
        self.waiting() >= WAITING || self.compiler.has_put_off()
    }

    /// Uses again what was replaced before a [`Mark`] was taken. To be called when every worker has begun a new round
    /// since then: the lookups that could still be on their way there have ended.
    pub fn reclaim(&mut self, until: Mark) {
        self.compiler.reclaim(until.0);
        self.compiler.catch_up(&self.routes);
    }

    /// A mark behind all changes so far.
    pub fn mark(&self) -> Mark {
        Mark(self.compiler.retired())
    }
}
