//! `compile(config, state) → snapshot`: pure, and by parts: only the VLANs that a change touches are made anew, by the ports
//! that changed; the others keep their place in memory.

use crate::state::State;
use mona_datapath::snapshot::{Home, Port, Snapshot, Vlan};
use mona_model::config::{Config, SwitchportMode};
use mona_model::names::VlanSet;
use mona_model::rows::is_unsupported_vlan;
use mona_wire::{PortId, VlanId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the VLANs of a snapshot were made of: the next one differs from it in what differs here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// The VLANs there are…
    exist: VlanSet,
    /// …and of those, where addresses are learned.
    learn: VlanSet,
    ports: BTreeMap<PortId, Carries>,
}

/// The VLANs of one port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Carries {
    /// It is a member of these.
    member: VlanSet,
    /// Of those, where it sends without a tag.
    untagged: VlanSet,
}

/// What workers do from now on, and what that was made of. `number` is the new snapshot's; `made` is of `previous`.
pub fn compile(config: &Config, state: &State, previous: &Snapshot, made: &Made, number: u64) -> (Snapshot, Made) {
    let exist: VlanSet = config.vlans.keys().copied().filter(|vlan| !is_unsupported_vlan(*vlan)).collect();
    let learn = exist.without(&config.mac.no_learning.iter().copied().collect());
    let mut carried = BTreeMap::new();
    let mut ports = Vec::new();
    for (id, port, carries) in members(config, state, &exist) {
        ports.resize(ports.len().max(id.index() + 1), None);
        ports[id.index()] = Some(port);
        carried.insert(id, carries);
    }
    let new = Made { exist, learn, ports: carried };
    let vlans = vlans(previous, made, &new);
    let snapshot = Snapshot {
        number,
        ports,
        vlans,
        fdb: previous.fdb.clone(),
        routing: previous.routing.clone(),
        load_sharing: previous.load_sharing,
    };
    (snapshot, new)
}

/// The VLANs before, and what is different in `new`.
fn vlans(previous: &Snapshot, old: &Made, new: &Made) -> Vec<Option<Arc<Vlan>>> {
    let mut vlans = previous.vlans.clone();
    for vlan in old.exist.differing(&new.exist).iter() {
        vlans[vlan.index()] = new.exist.contains(vlan).then(|| Arc::new(Vlan::new(vlan)));
    }
    let nowhere = Carries::default();
    let gone = old.ports.keys().filter(|id| !new.ports.contains_key(id));
    for id in new.ports.keys().chain(gone) {
        let before = old.ports.get(id).unwrap_or(&nowhere);
        let now = new.ports.get(id).unwrap_or(&nowhere);
        if before == now {
            continue;
        }
        let differing = before.member.differing(&now.member).or(&before.untagged.differing(&now.untagged));
        for vlan in differing.iter() {
            // The first port that differs makes a copy, the others change that.
            let Some(changed) = vlans[vlan.index()].as_mut().map(Arc::make_mut) else { continue };
            changed.forward.set(*id, now.member.contains(vlan));
            changed.untagged.set(*id, now.untagged.contains(vlan));
            changed.learn.set(*id, now.member.contains(vlan) && new.learn.contains(vlan));
        }
    }
    for vlan in old.learn.differing(&new.learn).iter() {
        let Some(changed) = vlans[vlan.index()].as_mut().map(Arc::make_mut) else { continue };
        changed.learn = if new.learn.contains(vlan) { changed.forward.clone() } else { Default::default() };
    }
    vlans
}

/// The ports, and the VLANs of each.
fn members<'a>(
    config: &'a Config,
    state: &'a State,
    exist: &'a VlanSet,
) -> impl Iterator<Item = (PortId, Port, Carries)> + 'a {
    state.ports.iter().filter_map(move |(name, port)| {
        let interface = config.interfaces.get(name)?;
        let device = state.devices.get(&port.device)?;
        let home = port.opened.as_ref()?.home.unwrap_or(Home::Backplane);
        let effective = config.switchport(interface);
        let trunk = effective.mode == SwitchportMode::Trunk;
        let (untagged, may_carry) = match effective.mode {
            SwitchportMode::Access => (Some(effective.access_vlan), only(effective.access_vlan)),
            SwitchportMode::Trunk => (
                Some(effective.trunk_native).filter(|_| !config.tag_native),
                effective.trunk_allowed.unwrap_or_else(VlanSet::all),
            ),
        };
        let up = state.line(*name, interface).is_ok();
        let member = if up { may_carry.and(exist) } else { VlanSet::default() };
        let untagged_in = untagged.map(only).unwrap_or_default().and(&member);
        let carries = Carries { member, untagged: untagged_in };
        let out = Port {
            up,
            untagged,
            tagged: trunk,
            encapsulations: None,
            host: false,
            learning: effective.learning,
            protected: effective.protected,
            block_unicast: effective.block_unicast,
            block_multicast: effective.block_multicast,
            mtu: interface.mtu.unwrap_or_else(|| u16::try_from(device.mtu).unwrap_or(u16::MAX)),
            home,
        };
        Some((port.id, out, carries))
    })
}

fn only(vlan: VlanId) -> VlanSet {
    [vlan].into_iter().collect()
}
