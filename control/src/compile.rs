//! `compile(config, state) → snapshot`: pure, and by parts: a VLAN whose sets did not change keeps its place in memory.

use crate::state::State;
use mona_datapath::snapshot::{Home, Port, PortSet, Snapshot, Vlan};
use mona_model::config::{Config, SwitchportMode};
use mona_model::rows::is_unsupported_vlan;
use mona_wire::{PortId, VlanId};
use std::sync::Arc;

/// What workers do from now on. `number` is the new snapshot's.
pub fn compile(config: &Config, state: &State, previous: &Snapshot, number: u64) -> Snapshot {
    let members: Vec<Member> = members(config, state).collect();
    let most = members.iter().map(|m| m.id.index() + 1).max().unwrap_or(0);
    let mut ports = vec![None; most];
    for member in &members {
        ports[member.id.index()] = Some(member.port.clone());
    }
    let exists = |vlan: VlanId| config.vlans.contains_key(&vlan) && !is_unsupported_vlan(vlan);
    let mut vlans: Vec<Option<Arc<Vlan>>> = vec![None; VlanId::COUNT];
    for vlan in config.vlans.keys().copied().filter(|v| exists(*v)) {
        let new = vlan_of(vlan, &members, config);
        vlans[vlan.index()] = Some(match &previous.vlans[vlan.index()] {
            Some(old) if **old == new => old.clone(),
            _ => Arc::new(new),
        });
    }
    Snapshot { number, ports, vlans, fdb: previous.fdb.clone() }
}

/// A port with what decides its membership.
struct Member {
    id: PortId,
    port: Port,
    carries: Carries,
}

enum Carries {
    Access(VlanId),
    Trunk { native: VlanId, allowed: Option<mona_model::names::VlanSet> },
}

fn members<'a>(config: &'a Config, state: &'a State) -> impl Iterator<Item = Member> + 'a {
    state.ports.iter().filter_map(|(name, port)| {
        let interface = config.interfaces.get(name)?;
        let device = state.devices.get(&port.device)?;
        let home = port.opened.as_ref()?.home.unwrap_or(Home::Backplane);
        let effective = config.switchport(interface);
        let (untagged, tagged, carries) = match effective.mode {
            SwitchportMode::Access => (Some(effective.access_vlan), false, Carries::Access(effective.access_vlan)),
            SwitchportMode::Trunk => (
                Some(effective.trunk_native).filter(|_| !config.tag_native),
                true,
                Carries::Trunk { native: effective.trunk_native, allowed: effective.trunk_allowed },
            ),
        };
        let port = Port {
            up: state.line(*name, interface).is_ok(),
            untagged,
            tagged,
            learning: effective.learning,
            protected: effective.protected,
            block_unicast: effective.block_unicast,
            block_multicast: effective.block_multicast,
            mtu: interface.mtu.unwrap_or_else(|| u16::try_from(device.mtu).unwrap_or(u16::MAX)),
            home,
        };
        Some(Member { id: state.ports.get(name)?.id, port, carries })
    })
}

fn vlan_of(vlan: VlanId, members: &[Member], config: &Config) -> Vlan {
    let (mut forward, mut untagged) = (PortSet::default(), PortSet::default());
    for member in members.iter().filter(|m| m.port.up) {
        let (is_member, without_tag) = match &member.carries {
            Carries::Access(access) => (*access == vlan, true),
            Carries::Trunk { native, allowed } => {
                (allowed.as_ref().is_none_or(|set| set.0.contains(&vlan)), *native == vlan && !config.tag_native)
            }
        };
        if is_member {
            forward.insert(member.id);
            if without_tag {
                untagged.insert(member.id);
            }
        }
    }
    let learn = if config.mac.no_learning.contains(&vlan) { PortSet::default() } else { forward.clone() };
    Vlan { learn, forward, untagged }
}
