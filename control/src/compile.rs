//! `compile(config, state) → snapshot`: pure, and by parts: only the VLANs that a change touches are made anew, by the ports
//! that changed; the others keep their place in memory.

use crate::router::RouterPort;
use crate::state::State;
use mona_datapath::routing::{LoadSharing, Options, RouterInterface, Urpf};
use mona_datapath::snapshot::{Home, Port, Snapshot, Vlan};
use mona_model::config::{Config, SwitchportMode};
use mona_model::l3::{IpOptions, Verify};
use mona_model::names::{InterfaceName, VlanSet};
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
    let exist = exist(config);
    let learn = exist.without(&config.mac.no_learning.iter().copied().collect());
    let mut carried = BTreeMap::new();
    let mut ports = Vec::new();
    for (id, port, carries) in members(config, state, &exist) {
        ports.resize(ports.len().max(id.index() + 1), None);
        ports[id.index()] = Some(port);
        carried.insert(id, carries);
    }
    let new = Made { exist, learn, ports: carried };
    let mut vlans = vlans(previous, made, &new);
    routers(config, state, previous, &mut vlans);
    let snapshot = Snapshot {
        number,
        ports,
        vlans,
        fdb: previous.fdb.clone(),
        routing: previous.routing.clone(),
        load_sharing: LoadSharing { ports: !config.routing.share_by_addresses, ..previous.load_sharing },
    };
    (snapshot, new)
}

/// The VLANs that have a port which is up, the router's own not counted.
pub fn served(config: &Config, state: &State) -> VlanSet {
    members(config, state, &exist(config))
        .filter(|(_, port, _)| !port.host)
        .fold(VlanSet::default(), |served, (.., carries)| served.or(&carries.member))
}

fn exist(config: &Config) -> VlanSet {
    config.vlans.keys().copied().filter(|vlan| !is_unsupported_vlan(*vlan)).collect()
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

/// The router's interfaces in the VLANs, and the internal VLANs of those behind a port of their own.
fn routers(config: &Config, state: &State, previous: &Snapshot, vlans: &mut [Option<Arc<Vlan>>]) {
    let routed = state.routers.iter().filter_map(|(name, router)| Some((router.vlan?, *name)));
    let routed: BTreeMap<VlanId, InterfaceName> = routed.collect();
    for (at, slot) in vlans.iter_mut().enumerate() {
        let Some(id) = u16::try_from(at).ok().and_then(VlanId::numbered) else { continue };
        let name = routed.get(&id);
        if id.is_internal() {
            let new = name.map(|name| internal(config, state, id, *name));
            let same = previous.vlans[at].as_deref() == new.as_ref();
            *slot = if same { previous.vlans[at].clone() } else { new.map(Arc::new) };
            continue;
        }
        let Some(vlan) = slot else { continue };
        let new = name.and_then(|name| router_interface(config, state, *name));
        if vlan.router.as_deref() != new.as_ref() {
            Arc::make_mut(vlan).router = new.map(Arc::new);
        }
    }
}

/// The VLAN behind a routed port or a sub-interface: the port and the netdev. Nothing is learned there.
fn internal(config: &Config, state: &State, id: VlanId, name: InterfaceName) -> Vlan {
    let mut vlan = Vlan::new(id);
    let port = state.ports.get(&name.parent().unwrap_or(name));
    let encapsulation = config.interfaces.get(&name).and_then(|interface| interface.l3.encapsulation);
    if let Some(router) = state.routers.get(&name).filter(|router| router.up) {
        if let Some(port) = port {
            vlan.forward.insert(port.id);
            match encapsulation {
                Some(encapsulation) if !encapsulation.native => vlan.vid = encapsulation.vid.get(),
                _ => vlan.untagged.insert(port.id),
            }
        }
        if let Some(host) = host(state, router) {
            vlan.forward.insert(host);
            vlan.untagged.insert(host);
        }
    }
    vlan.router = router_interface(config, state, name).map(Arc::new);
    vlan
}

/// The router's interface, as long as it is up.
fn router_interface(config: &Config, state: &State, name: InterfaceName) -> Option<RouterInterface> {
    let router = state.routers.get(&name).filter(|router| router.up)?;
    let interface = config.interfaces.get(&name)?;
    let (ip, ip6) = (&interface.l3.ip, &interface.l3.ipv6);
    let parent = state.ports.get(&name.parent().unwrap_or(name));
    let device = parent.and_then(|port| state.devices.get(&port.device)).and_then(|d| u16::try_from(d.mtu).ok());
    let mtu = interface.mtu.or(device).unwrap_or(1500);
    let urpf = |verify: Verify| Urpf { strict: verify.strict, allow_default: verify.allow_default };
    let [acl_in, acl_out] = state.lists.filters(interface);
    Some(RouterInterface {
        mac: state.mac,
        host: host(state, router),
        mtu4: ip.mtu.unwrap_or(mtu),
        mtu6: ip6.mtu.unwrap_or(mtu),
        routes4: config.routing.ip && interface.l3.has_ip(),
        routes6: config.routing.ipv6 && interface.l3.has_ip6(),
        urpf4: ip.verify.map(urpf),
        urpf6: ip6.verify.map(urpf),
        strict: config.routing.martian_strict,
        options: match config.routing.options {
            Some(IpOptions::Drop) => Options::Drop,
            Some(IpOptions::Ignore) => Options::Ignore,
            None if config.routing.source_route => Options::Readable,
            None => Options::NoSourceRoute,
        },
        directed_broadcast: ip.directed_broadcast,
        redirects: ip.redirects,
        acl_in,
        acl_out,
    })
}

/// The port of the interface's netdev, if frames pass.
fn host(state: &State, router: &RouterPort) -> Option<PortId> {
    let port = router.port.as_ref().filter(|port| port.opened.is_some())?;
    let device = state.devices.get(&router.peer)?;
    (device.admin_up && device.carrier).then_some(port.id)
}

/// The ports, and the VLANs of each.
fn members<'a>(
    config: &'a Config,
    state: &'a State,
    exist: &'a VlanSet,
) -> impl Iterator<Item = (PortId, Port, Carries)> + 'a {
    switched(config, state, exist).chain(hosts(config, state, exist))
}

/// The ports behind which the router's netdevs are.
fn hosts<'a>(
    config: &'a Config,
    state: &'a State,
    exist: &'a VlanSet,
) -> impl Iterator<Item = (PortId, Port, Carries)> + 'a {
    state.routers.values().filter_map(move |router| {
        let port = router.port.as_ref()?;
        let device = state.devices.get(&router.peer)?;
        let up = host(state, router).is_some();
        let member = router.vlan.filter(|vlan| up && !vlan.is_internal()).map(only).unwrap_or_default().and(exist);
        let out = Port {
            up,
            untagged: router.vlan,
            tagged: false,
            encapsulations: None,
            host: true,
            learning: false,
            protected: false,
            block_unicast: true,
            block_multicast: false,
            mtu: u16::try_from(device.mtu).unwrap_or(u16::MAX),
            acl_in: None,
            acl_out: None,
            cached: !config.flow_cache.off,
            home: port.opened.as_ref()?.home.unwrap_or(Home::Backplane),
        };
        Some((port.id, out, Carries { untagged: member.clone(), member }))
    })
}

/// What the tags of a routed port mean, and its untagged frames.
fn subinterfaces(config: &Config, state: &State, name: InterfaceName) -> (Option<VlanId>, Arc<[(u16, VlanId)]>) {
    let mut untagged = state.routers.get(&name).and_then(|router| router.vlan);
    let mut tags = Vec::new();
    for (sub, router) in state.routers.iter().filter(|(sub, _)| sub.parent() == Some(name)) {
        let encapsulation = config.interfaces.get(sub).and_then(|interface| interface.l3.encapsulation);
        let (Some(encapsulation), Some(vlan)) = (encapsulation, router.vlan) else { continue };
        tags.push((encapsulation.vid.get(), vlan));
        if encapsulation.native {
            untagged = Some(vlan);
        }
    }
    tags.sort_unstable();
    (untagged, tags.into())
}

/// The ports of interfaces.
fn switched<'a>(
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
        let member = if up && !interface.l3.routed { may_carry.and(exist) } else { VlanSet::default() };
        let untagged_in = untagged.map(only).unwrap_or_default().and(&member);
        let carries = Carries { member, untagged: untagged_in };
        let routed = interface.l3.routed.then(|| subinterfaces(config, state, *name));
        let (untagged, encapsulations) = match routed {
            Some((untagged, tags)) => (untagged, Some(tags)),
            None => (untagged, None),
        };
        let [acl_in, acl_out] = if interface.l3.routed { [None, None] } else { state.lists.filters(interface) };
        let out = Port {
            up,
            untagged,
            tagged: trunk && encapsulations.is_none(),
            learning: effective.learning && encapsulations.is_none(),
            encapsulations,
            host: false,
            protected: effective.protected,
            block_unicast: effective.block_unicast,
            block_multicast: effective.block_multicast,
            mtu: interface.mtu.unwrap_or_else(|| u16::try_from(device.mtu).unwrap_or(u16::MAX)),
            acl_in,
            acl_out,
            cached: !(config.flow_cache.off || interface.uncached),
            home,
        };
        Some((port.id, out, carries))
    })
}

fn only(vlan: VlanId) -> VlanSet {
    [vlan].into_iter().collect()
}
