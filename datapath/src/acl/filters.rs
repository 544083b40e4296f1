//! The lists of a port or of a router's interface, one of each family and way, and what comes of a frame there.

use super::{Acl, Family, Key, UNCOUNTED};
use crate::Drop;
use crate::flow::{Depth, Looked};
use crate::forward::Frame;
use crate::out::{Note, Out, Told};
use mona_wire::{PortId, VlanId};
use std::sync::Arc;

/// The lists of one way at one place. Two are alike if they are the same lists in memory.
#[derive(Clone, Debug, Default)]
pub struct Filters {
    /// For IPv4.
    pub ip4: Option<Arc<Acl>>,
    /// For IPv6.
    pub ip6: Option<Arc<Acl>>,
    /// For what is no IP.
    pub mac: Option<Arc<Acl>>,
}

/// Where lists are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// In by a port.
    PortIn(PortId),
    /// Out by a port.
    PortOut(PortId),
    /// To the router, by its interface in this VLAN.
    RouterIn(VlanId),
    /// From the router, likewise.
    RouterOut(VlanId),
}

impl Stage {
    /// What is said of a frame that may not pass. A router says so to the sender (RFC 1812 5.2.7.1), a bridge does not.
    const fn drop(self) -> Drop {
        match self {
            Stage::PortIn(_) => Drop::PortAclIn,
            Stage::PortOut(_) => Drop::PortAclOut,
            Stage::RouterIn(_) => Drop::AclIn,
            Stage::RouterOut(_) => Drop::AclOut,
        }
    }
}

/// May the frame pass? Where there is no list, that costs a look at a pointer.
#[inline(always)]
pub(crate) fn pass(
    filters: &Option<Arc<Filters>>,
    stage: Stage,
    vlan: VlanId,
    frame: &Frame<'_>,
    out: &mut impl Out,
) -> Result<(), Drop> {
    match filters {
        None => Ok(()),
        Some(filters) => filters.decide(stage, vlan, frame, out),
    }
}

impl Filters {
    /// `None` if there is no list in it.
    pub fn some(self) -> Option<Arc<Filters>> {
        (self != Filters::default()).then(|| Arc::new(self))
    }

    #[inline(never)]
    fn decide(&self, stage: Stage, vlan: VlanId, frame: &Frame<'_>, out: &mut impl Out) -> Result<(), Drop> {
        let family = Key::family(&frame.eth);
        let acl = match family {
            Family::Ip4 => &self.ip4,
            Family::Ip6 => &self.ip6,
            Family::Mac => &self.mac,
        };
        // Which family it is has been looked at in any case.
        out.looked(acl.as_ref().map_or(Looked { depth: Depth::L3, flags: false }, |acl| acl.looked()));
        let Some(acl) = acl else { return Ok(()) };
        let verdict = acl.decide(&Key::read(&frame.eth, frame.bytes)?)?;
        let slot = Some(verdict.slot).filter(|slot| *slot != UNCOUNTED);
        out.note(Note::Listed { stage, family, slot, permit: verdict.permit });
        if let Some(slot) = slot {
            out.matched(slot);
            if verdict.log {
                out.tell(vlan, Told::Listed { slot, permit: verdict.permit });
            }
        }
        if verdict.permit { Ok(()) } else { Err(stage.drop()) }
    }
}

impl PartialEq for Filters {
    fn eq(&self, other: &Filters) -> bool {
        let same = |one: &Option<Arc<Acl>>, other: &Option<Arc<Acl>>| match (one, other) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        };
        same(&self.ip4, &other.ip4) && same(&self.ip6, &other.ip6) && same(&self.mac, &other.mac)
    }
}

impl Eq for Filters {}
