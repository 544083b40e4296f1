//! What changed, in terms of what flows depend on: to be raised when workers decide by it, before anybody is told that it is
//! so.

use crate::flow::Dep;
use crate::snapshot::{PortSet, Snapshot, Vlan};
use mona_wire::{PortId, VlanId};
use std::collections::BTreeSet;
use std::sync::Arc;

/// So many are raised one by one. More is as good as all: most flows would be found to be stale.
const MOST: usize = 8192;

/// Things that changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    deps: BTreeSet<Dep>,
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
        if !self.all {
            self.deps.insert(dep);
            self.all = self.deps.len() > MOST;
        }
    }

    /// And these.
    pub fn append(&mut self, other: Changes) {
        self.all |= other.all;
        other.deps.into_iter().for_each(|dep| self.add(dep));
    }

    /// Did nothing change?
    pub fn is_empty(&self) -> bool {
        !self.all && self.deps.is_empty()
    }

    /// What changed; `None`: everything.
    pub fn deps(&self) -> Option<&BTreeSet<Dep>> {
        (!self.all).then_some(&self.deps)
    }

    /// Did one of these change?
    pub fn touch(&self, deps: impl IntoIterator<Item = Dep>) -> bool {
        self.all || deps.into_iter().any(|dep| self.deps.contains(&dep))
    }
}
