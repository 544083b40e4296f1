//! What changed, in terms of what flows depend on: to be raised when workers decide by it, before anybody is told that it is
//! so.

use crate::flow::Dep;
use crate::snapshot::{PortSet, Snapshot, Vlan};
use mona_wire::{PortId, VlanId};
use std::sync::Arc;

/// So many are raised one by one. More is as good as all: most flows would be found to be stale.
const MOST: usize = 8192;

/// Things that changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Up to twice [`MOST`], some more than once: a station is added in no time, and what is raised twice is raised.
    deps: Vec<Dep>,
    all: bool,
}

impl Changes {
    /// What is different in a snapshot from the one before. (Of the tables that snapshots share, who writes them says it.)
    pub fn between(old: &Snapshot, new: &Snapshot) -> Changes {
        let mut changes = Changes { all: old.load_sharing != new.load_sharing, ..Changes::default() };
        let mut ports = PortSet::default();
        for at in 0..old.ports.len().max(new.ports.len()) {
            let id = PortId(at as u16);
            if old.port(id) != new.port(id) {
                changes.add(Dep::Port(id));
                ports.insert(id);
            }
        }
        for (at, (before, now)) in old.vlans.iter().zip(&new.vlans).enumerate() {
            let Some(id) = u16::try_from(at).ok().and_then(VlanId::numbered) else { continue };
            if let Some(now) = now
                && now.forward.meets(&ports)
            {
                changes.add(Dep::Members(id));
            }
            match (before, now) {
                (None, None) => {}
                (Some(before), Some(now)) if Arc::ptr_eq(before, now) => {}
                (Some(before), Some(now)) => changes.vlan(id, before, now),
                _ => changes.add(Dep::Vlan(id)),
            }
        }
        changes
    }

    fn vlan(&mut self, id: VlanId, before: &Vlan, now: &Vlan) {
        if (before.vid, &before.router) != (now.vid, &now.router) {
            self.add(Dep::Vlan(id));
        }
        let sets = |vlan: &Vlan| [vlan.forward.clone(), vlan.learn.clone(), vlan.untagged.clone()];
        for (before, now) in sets(before).into_iter().zip(sets(now)) {
            if before != now {
                self.add(Dep::Members(id));
            }
            let mut differs = |set: PortSet| set.iter().for_each(|port| self.add(Dep::Member(id, port)));
            differs(before.without(&now));
            differs(now.without(&before));
        }
    }

    /// This too.
    pub fn add(&mut self, dep: Dep) {
        if self.all {
            return;
        }
        self.deps.push(dep);
        if self.deps.len() > 2 * MOST {
            self.deps.sort_unstable();
            self.deps.dedup();
            if self.deps.len() > MOST {
                (self.all, self.deps) = (true, Vec::new());
            }
        }
    }

    /// And these.
    pub fn append(&mut self, other: Changes) {
        if self.is_empty() {
            *self = other;
            return;
        }
        self.all |= other.all;
        other.deps.into_iter().for_each(|dep| self.add(dep));
    }

    /// Did nothing change?
    pub fn is_empty(&self) -> bool {
        !self.all && self.deps.is_empty()
    }

    /// What changed, some of it more than once; `None`: everything.
    pub fn deps(&self) -> Option<&[Dep]> {
        (!self.all).then_some(&self.deps)
    }

    /// Did one of these change?
    pub fn touch(&self, deps: impl IntoIterator<Item = Dep>) -> bool {
        self.all || deps.into_iter().any(|dep| self.deps.contains(&dep))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mona_wire::Mac;

    fn station(last: usize) -> Dep {
        Dep::Station(VlanId::DEFAULT, Mac::from_u64(last as u64))
    }

    #[test]
    fn what_changes_again_and_again_is_no_more_than_once_and_many_things_are_all() {
        for (different, all) in [(1, false), (100, false), (MOST, false), (2 * MOST + 1, true)] {
            let mut changes = Changes::default();
            (0..10 * MOST).for_each(|at| changes.add(station(at % different)));
            assert_eq!(changes.deps().is_none(), all, "{different}");
            assert!(changes.deps.len() <= 2 * MOST, "{different}");
            let mut sum = Changes::default();
            sum.append(changes.clone());
            assert_eq!(sum, changes);
            sum.append(changes);
            assert_eq!(sum.deps().is_none(), all, "{different} twice");
            assert!((0..different).step_by(97).all(|at| sum.touch([station(at)])));
            assert_eq!(sum.touch([station(different)]), all);
        }
    }
}
