//! The routes that count, to the tables that workers look in. Nobody else writes them.

use crate::rib::{Path, Refusal, Rib, Way};
use crate::state::State;
use ipnet::{IpNet, Ipv6Net};
use mona_datapath::Drop;
use mona_datapath::changes::Changes;
use mona_datapath::flow::Dep;
use mona_datapath::hops::{Hop, Leaf, NextHop, PATHS, Room};
use mona_datapath::lpm::{Lpm4Writer, Lpm6Writer, Mark, Prefix, TableFull};
use mona_datapath::routing::Routing;
use mona_wire::Instant;
use mona_wire::ip::mapped;
use std::collections::BTreeSet;
use std::collections::btree_set::Range;
use std::sync::Arc;

/// So many routes more than went are tried: some may wait for room of another kind.
const TRIED: usize = 64;

/// How much there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// IPv4 routes.
    pub routes4: usize,
    /// IPv6 routes.
    pub routes6: usize,
    /// Ways that they lead.
    pub ways: Room,
    /// Neighbours.
    pub neighbours: usize,
}

impl Limits {
    /// A router's: the Internet's tables of today, half as much again.
    pub const ROUTER: Limits = Limits { routes4: 1_500_000, routes6: 400_000, ways: Room::ROUTER, neighbours: 131_072 };
    /// Of tests.
    pub const SMALL: Limits = Limits { routes4: 1000, routes6: 1000, ways: Room::SMALL, neighbours: 1024 };
}

/// The tables, and who writes them.
pub struct Fib {
    v4: Lpm4Writer,
    v6: Lpm6Writer,
    routing: Arc<Routing>,
    limits: Limits,
    /// Routes that count and found no room: packets take the way of a shorter prefix, or none.
    left_out: BTreeSet<IpNet>,
    /// Prefixes of which addresses have another route now.
    pub(crate) changes: Changes,
}

/// A moment: what was replaced before may be used again when every worker has begun a new round.
#[derive(Clone, Copy, Debug)]
pub struct Moment(Mark, Mark);

impl Fib {
    /// Empty tables.
    pub fn new(limits: Limits) -> Fib {
        let (v4, v6) = (Lpm4Writer::new(limits.routes4), Lpm6Writer::new(limits.routes6));
        let routing = Routing::new(v4.table().clone(), v6.table().clone(), limits.ways, limits.neighbours);
        Fib { v4, v6, routing: Arc::new(routing), limits, left_out: BTreeSet::new(), changes: Changes::default() }
    }

    /// What workers read.
    pub fn routing(&self) -> &Arc<Routing> {
        &self.routing
    }

    /// How much there is room for.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Routes that found no room.
    pub fn left_out(&self) -> &BTreeSet<IpNet> {
        &self.left_out
    }

    /// The routes of these prefixes, from now on. Returns how many found no room (one that was there before stays as it
    /// was).
    pub fn follow(&mut self, prefixes: BTreeSet<IpNet>, rib: &Rib, state: &State, now: Instant) -> usize {
        let before = self.left_out.len();
        let gone = |four: bool| {
            prefixes.iter().filter(|prefix| prefix.addr().is_ipv4() == four && rib.get(prefix).is_none()).count()
        };
        let gone = [true, false].map(gone);
        for prefix in prefixes {
            self.set(prefix, rib, state, now);
        }
        // There may be room now for as many as went. (All of them would be half a million at each change of a full table.)
        let six = IpNet::from(Ipv6Net::default());
        let waiting = |prefixes: Range<IpNet>, gone: usize| -> Vec<IpNet> {
            prefixes.take(if gone > 0 { gone + TRIED } else { 0 }).copied().collect()
        };
        let some = [waiting(self.left_out.range(..six), gone[0]), waiting(self.left_out.range(six..), gone[1])];
        some.into_iter().flatten().for_each(|prefix| self.set(prefix, rib, state, now));
        self.left_out.len().saturating_sub(before)
    }

    fn set(&mut self, prefix: IpNet, rib: &Rib, state: &State, now: Instant) {
        self.left_out.remove(&prefix);
        let Some(hop) = rib.get(&prefix).map(|route| hop(&route.way, state)) else {
            if let Some(leaf) = self.remove(prefix) {
                self.changes.add(dep(prefix));
                self.routing.hops.leave(leaf, now);
            }
            return;
        };
        let entered = self.routing.hops.enter(&hop, prefix.prefix_len() == 0, now).ok();
        let replaced = entered.map(|leaf| (leaf, self.insert(prefix, leaf)));
        match replaced {
            Some((leaf, Ok(Some(old)))) => {
                if leaf != old {
                    self.changes.add(dep(prefix));
                }
                self.routing.hops.leave(old, now);
            }
            Some((_, Ok(None))) => self.changes.add(dep(prefix)),
            Some((leaf, Err(TableFull))) => {
                self.routing.hops.leave(leaf, now);
                self.left_out.insert(prefix);
            }
            None => {
                self.left_out.insert(prefix);
            }
        }
    }

    fn insert(&mut self, prefix: IpNet, leaf: Leaf) -> Result<Option<Leaf>, TableFull> {
        match prefix {
            IpNet::V4(net) => self.v4.insert(Prefix::from((net.addr(), net.prefix_len())), leaf),
            IpNet::V6(net) => self.v6.insert(Prefix::from((net.addr(), net.prefix_len())), leaf),
        }
    }

    fn remove(&mut self, prefix: IpNet) -> Option<Leaf> {
        match prefix {
            IpNet::V4(net) => self.v4.remove(Prefix::from((net.addr(), net.prefix_len()))),
            IpNet::V6(net) => self.v6.remove(Prefix::from((net.addr(), net.prefix_len()))),
        }
    }

    /// Now.
    pub fn moment(&self) -> Moment {
        Moment(self.v4.mark(), self.v6.mark())
    }

    /// Is there anything to reclaim?
    pub fn is_waiting(&self) -> bool {
        self.v4.waiting() + self.v6.waiting() > 0
    }

    /// Is there so much that the next changes may find no room?
    pub fn must_reclaim(&self) -> bool {
        self.v4.must_reclaim() || self.v6.must_reclaim()
    }

    /// Every worker has begun a new round since that moment.
    pub fn reclaim(&mut self, until: Moment) {
        self.v4.reclaim(until.0);
        self.v6.reclaim(until.1);
    }

    /// Bytes that workers look in.
    pub fn memory(&self) -> (usize, usize) {
        (self.v4.memory(), self.v6.memory())
    }
}

/// What flows by the prefix depend on.
fn dep(prefix: IpNet) -> Dep {
    let before = if prefix.addr().is_ipv4() { 96 } else { 0 };
    Dep::of_prefix(mapped(prefix.addr()), before + prefix.prefix_len())
}

/// A way as workers go it. Paths beyond what a route may have are left out.
fn hop(way: &Way, state: &State) -> Hop {
    let vlan = |path: &Path| state.routers.get(&path.interface).and_then(|router| router.vlan);
    match way {
        Way::Local => Hop::Local,
        Way::Null(Refusal::Silent) => Hop::Drop(Drop::Blackhole),
        Way::Null(Refusal::Unreachable) => Hop::Drop(Drop::Reject),
        Way::Null(Refusal::Prohibited) => Hop::Drop(Drop::Prohibit),
        Way::Broadcast(name) => {
            let vlan = state.routers.get(name).and_then(|router| router.vlan);
            vlan.map_or(Hop::Drop(Drop::Blackhole), Hop::Broadcast)
        }
        Way::Paths(paths) => {
            let next = |path: &Path| Some(NextHop { vlan: vlan(path)?, gateway: path.gateway, weight: path.weight });
            let hops: Vec<NextHop> = paths.iter().filter_map(next).take(PATHS).collect();
            if hops.is_empty() { Hop::Drop(Drop::Blackhole) } else { Hop::Via(hops) }
        }
    }
}
