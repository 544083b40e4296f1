//! The router's interfaces: SVIs, routed ports, their sub-interfaces, and loopbacks. Each is a VLAN with a router in it (an
//! internal one behind a routed port) and a netdev for Linux: one end of a veth pair whose other end is a port of the VLAN.

use crate::counters::Counted;
use crate::input::{HostHop, HostLink, HostPlan, HostRoute, KernelHop, KernelRoute, Output};
use crate::rib::{Path, Refusal, Rib, Route, Source, Way};
use crate::state::State;
use crate::statics::Statics;
use crate::switch::Switch;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use mona_datapath::switching::{IoChoice, Opened};
use mona_model::config::{Config, InterfaceConfig};
use mona_model::l3::L3;
use mona_model::names::{InterfaceKind, InterfaceName, VlanSet};
use mona_model::shared::SharedMap;
use mona_wire::{Instant, Mac, PortId, VlanId};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::sync::Arc;

/// One of the router's interfaces, as long as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouterPort {
    /// The VLAN it routes; a loopback has none.
    pub vlan: Option<VlanId>,
    /// Its netdev.
    pub netdev: String,
    /// The other end of that.
    pub peer: String,
    /// The port that the other end is.
    pub port: Option<HostPort>,
    /// Why the other end is no port: its kernel index then, and a sentence.
    pub failed: Option<(u32, String)>,
    /// Was the interface up when we last looked?
    pub up: bool,
    /// Had somebody else's netdev its name then?
    pub displaced: bool,
}

impl RouterPort {
    /// Is this the port that its netdev's other end is?
    pub fn is_port(&self, id: PortId) -> bool {
        self.port.as_ref().is_some_and(|port| port.id == id)
    }
}

/// The switch's end of the pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// Its number in the datapath.
    pub id: PortId,
    /// The netdev's kernel index when it was opened.
    pub ifindex: u32,
    /// `None` while it is being opened.
    pub opened: Option<Opened>,
}

/// What the router makes of interfaces, lines and what the kernel tells.
#[derive(Default)]
pub struct Routes {
    /// The routes of all sources.
    pub rib: Rib,
    /// Those of interfaces.
    connected: BTreeMap<IpNet, Route>,
    /// Those of `ip route` lines.
    pub(crate) fixed: Statics,
    /// Interfaces that are up.
    up: BTreeSet<InterfaceName>,
    /// What Linux was told last.
    plan: Arc<HostPlan>,
    /// Something that they are made of changed…
    pub(crate) changed: bool,
    /// …and that is not only what others say of routes: interfaces, which may be many.
    pub(crate) shaped: bool,
}

/// Is the interface one of the router's?
pub fn is_routed(config: &Config, name: InterfaceName, interface: &InterfaceConfig) -> bool {
    match (name.kind, name.parent()) {
        (InterfaceKind::Loopback | InterfaceKind::Vlan, _) => true,
        (InterfaceKind::Null, _) => false,
        (InterfaceKind::GigabitEthernet, None) => interface.l3.routed,
        (InterfaceKind::GigabitEthernet, Some(parent)) => {
            interface.l3.encapsulation.is_some() && config.interfaces.get(&parent).is_some_and(|p| p.l3.routed)
        }
    }
}

impl State {
    /// What to do if the netdev of that name is somebody else's. Ours comes after its other end, and goes before it.
    fn displaced(&self, router: &RouterPort) -> Option<String> {
        let is_foreign = self.devices.contains_key(&router.netdev) && !self.devices.contains_key(&router.peer);
        is_foreign.then(|| format!("another netdev is named {}: rename or remove it", router.netdev))
    }

    /// Is the router's interface up, and if not, why? `served`: VLANs that have a port which is up (IOS: autostate).
    pub fn router_line(&self, config: &Config, name: InterfaceName, served: &VlanSet) -> Result<(), String> {
        let Some(interface) = config.interfaces.get(&name) else { return Err("not configured".into()) };
        if interface.shutdown {
            return Err("administratively down".into());
        }
        if let Some(why) = self.routers.get(&name).and_then(|router| self.displaced(router)) {
            return Err(why);
        }
        match (name.vlan(), name.parent()) {
            (Some(vlan), _) if !config.vlans.contains_key(&vlan) => {
                Err(format!("VLAN {vlan} does not exist: vlan {vlan}"))
            }
            (Some(vlan), _) if !served.contains(vlan) => Err(format!("no port of VLAN {vlan} is up")),
            (Some(_), _) => Ok(()),
            (None, Some(parent)) => match config.interfaces.get(&parent) {
                Some(p) if !p.l3.routed => Err(format!("{parent} is a switchport: no switchport")),
                Some(_) if interface.l3.encapsulation.is_none() => Err("no VLAN: encapsulation dot1Q N".into()),
                Some(p) => self.line(parent, p).map_err(|why| format!("{parent}: {why}")),
                None => Err(format!("there is no {parent}")),
            },
            (None, None) if name.is_port() => self.line(name, interface),
            (None, None) => Ok(()),
        }
    }
}

impl Switch {
    /// The router's interfaces follow the configuration, and their netdevs' other ends become ports.
    pub(crate) fn match_routers(&mut self, now: Instant) {
        let is_wanted = |name: &InterfaceName| {
            self.config.interfaces.get(name).is_some_and(|interface| is_routed(&self.config, *name, interface))
        };
        let gone: Vec<_> = self.state.routers.keys().copied().filter(|name| !is_wanted(name)).collect();
        let new: Vec<_> = self.config.interfaces.keys().copied().filter(|name| is_wanted(name)).collect();
        for name in gone {
            self.close_host(now, name);
            let vlan = self.state.routers.remove(&name).and_then(|router| router.vlan);
            self.outputs.extend(vlan.map(|vlan| Output::ClearCounters(Counted::Router(vlan))));
        }
        for name in new {
            if !self.state.routers.contains_key(&name) {
                let router = self.new_router(name);
                self.state.routers.insert(name, router);
            }
        }
        let names: Vec<InterfaceName> = self.state.routers.keys().copied().collect();
        names.into_iter().for_each(|name| self.match_host(now, name));
    }

    fn new_router(&self, name: InterfaceName) -> RouterPort {
        let netdev = match name.kind {
            InterfaceKind::GigabitEthernet => name.short().to_ascii_lowercase().replace('/', "-"),
            _ => name.to_string().to_ascii_lowercase().replace("loopback", "lo"),
        };
        let used = |vlan: &VlanId| self.state.routers.values().any(|router| router.vlan == Some(*vlan));
        let vlan = match name.kind {
            InterfaceKind::GigabitEthernet => {
                (0..VlanId::INTERNAL).filter_map(VlanId::internal).find(|vlan| !used(vlan))
            }
            _ => name.vlan(),
        };
        // A netdev's name has at most 15 characters.
        let peer = Some(format!("{}-{netdev}", self.state.own)).filter(|peer| peer.len() < 16);
        let peer = peer.unwrap_or_else(|| format!("{}-{}{:x}.{:x}", self.state.own, name.slot, name.number, name.sub));
        RouterPort { vlan, netdev, peer, port: None, failed: None, up: false, displaced: false }
    }

    /// Opens the port of an interface when its device is there, closes it when that is gone or another one.
    fn match_host(&mut self, now: Instant, name: InterfaceName) {
        let Some(router) = self.state.routers.get(&name) else { return };
        let device = self.state.devices.get(&router.peer).map(|device| device.ifindex);
        if router.port.as_ref().is_some_and(|port| Some(port.ifindex) != device) {
            self.close_host(now, name);
        }
        let free = self.state.free_port(device.unwrap_or(0));
        let Some(router) = self.state.routers.get_mut(&name) else { return };
        let failed = router.failed.as_ref().map(|(ifindex, _)| *ifindex);
        let Some(ifindex) = device.filter(|ifindex| Some(*ifindex) != failed) else { return };
        if router.port.is_some() || router.vlan.is_none() {
            return;
        }
        router.failed = None;
        let Some(id) = free else {
            router.failed = Some((ifindex, "all port numbers are in use: remove a port first".into()));
            return;
        };
        router.port = Some(HostPort { id, ifindex, opened: None });
        self.outputs.push(Output::Open { port: id, device: router.peer.clone(), io: IoChoice::Packet });
    }

    fn close_host(&mut self, now: Instant, name: InterfaceName) {
        let Some(router) = self.state.routers.get_mut(&name) else { return };
        let (peer, port) = (router.peer.clone(), router.port.take());
        if let Some(port) = port {
            // Workers must not send to it while it is being closed.
            self.publish(now);
            self.outputs.push(Output::Close { port: port.id, device: peer });
            self.outputs.push(Output::ClearCounters(Counted::Port(port.id)));
        }
    }

    /// The router's address is behind the ports of its netdevs.
    pub(crate) fn own_stations(&self) -> impl Iterator<Item = ((VlanId, Mac), PortId)> + '_ {
        self.state.routers.values().filter_map(|router| {
            let port = router.port.as_ref().filter(|port| port.opened.is_some())?;
            Some(((router.vlan?, self.state.mac), port.id))
        })
    }

    /// The rim opened the port of a router's interface, or could not; `false`: it was another port.
    pub(crate) fn opened_host(
        &mut self,
        now: Instant,
        id: PortId,
        device: &str,
        result: &Result<Opened, String>,
    ) -> bool {
        let mut routers = self.state.routers.iter_mut();
        let is_it = |router: &RouterPort| router.peer == device && router.port.as_ref().is_some_and(|p| p.id == id);
        let Some((name, router)) = routers.find(|(_, router)| is_it(router)) else { return false };
        match (result, &mut router.port) {
            (Ok(opened), Some(port)) => port.opened = Some(opened.clone()),
            (Err(why), _) => {
                let ifindex = router.port.take().map_or(0, |port| port.ifindex);
                router.failed = Some((ifindex, why.clone()));
                self.log.add(now, "%MONA-3-OPEN", &format!("{name}: {why}"));
            }
            (Ok(_), None) => {}
        }
        self.changed = true;
        true
    }

    /// Which of the router's interfaces are up, from now on; changes are logged.
    pub(crate) fn watch_routers(&mut self, now: Instant, served: &VlanSet) {
        let names: Vec<InterfaceName> = self.state.routers.keys().copied().collect();
        for name in names {
            let why = self.state.routers.get(&name).and_then(|router| self.state.displaced(router));
            if let Some(router) = self.state.routers.get_mut(&name)
                && std::mem::replace(&mut router.displaced, why.is_some()) != why.is_some()
                && let Some(why) = why
            {
                self.log.add(now, "%MONA-3-NETDEV", &format!("{name}: {why}"));
            }
            let up = self.state.router_line(&self.config, name, served).is_ok();
            let Some(router) = self.state.routers.get_mut(&name).filter(|router| router.up != up) else { continue };
            router.up = up;
            // A routed port's line is that of the port, and logged there.
            if !name.is_port() {
                self.say_line(now, name, up);
            }
        }
    }

    /// The routes that interfaces and configuration make, from now on. Is it about more than what others say of routes?
    pub(crate) fn route(&mut self, now: Instant) -> bool {
        let routes = &mut self.routes;
        let shaped = std::mem::take(&mut routes.shaped);
        if shaped {
            let connected = connected(&self.config, &self.state, &routes.connected, now);
            if connected != routes.connected {
                routes.rib.replace(&routes.connected, &connected);
                routes.connected = connected;
            }
            routes.up = self.state.routers.iter().filter(|(_, router)| router.up).map(|(name, _)| *name).collect();
        }
        let spoken = routes.rib.spoken();
        let fixed = routes.fixed.follow(&self.config, &mut routes.rib, &routes.up, &spoken, now);
        let changed = routes.rib.changes();
        let is_given = |prefix: &&IpNet| routes.fixed.get(prefix).is_some() || routes.plan.routes.contains_key(prefix);
        let mut given: Vec<IpNet> = fixed.into_iter().chain(changed.iter().filter(is_given).copied()).collect();
        given.sort();
        given.dedup();
        let lost = self.fib.follow(changed, &routes.rib, &self.state, now);
        if lost > 0 {
            let limits = self.fib.limits();
            let text = format!(
                "{lost} routes found no room: there are {} IPv4 and {} IPv6 routes at most",
                limits.routes4, limits.routes6
            );
            self.log.add(now, "%MONA-2-FIBFULL", &text);
        }
        let plan = &self.routes.plan;
        let links = if shaped { self.host_links() } else { plan.links.clone() };
        let routes = self.host_routes(given);
        if links != plan.links || routes != plan.routes {
            self.routes.plan = Arc::new(HostPlan { links, routes });
            self.outputs.push(Output::Host(self.routes.plan.clone()));
        }
        shaped
    }

    /// What routing daemons entered into the kernel, or took back.
    pub(crate) fn kernel_routes(&mut self, now: Instant, routes: Vec<KernelRoute>) {
        let names: BTreeMap<&str, InterfaceName> =
            self.state.routers.iter().map(|(name, router)| (router.netdev.as_str(), *name)).collect();
        for KernelRoute { prefix, protocol, metric, hops, refusal } in routes {
            let source = Source::Kernel(protocol);
            let path = |hop: KernelHop| {
                let interface = *names.get(hop.device.as_str())?;
                Some(Path { interface, gateway: hop.gateway, weight: hop.weight.max(1) })
            };
            let is_null = hops.as_ref().is_some_and(Vec::is_empty);
            let paths: Vec<Path> = hops.into_iter().flatten().filter_map(path).collect();
            match paths.is_empty() && !is_null {
                true => self.routes.rib.take(prefix, source, metric),
                false => {
                    let way = if is_null { Way::Null(refusal) } else { Way::Paths(paths.into()) };
                    let route = Route { source, distance: source.distance(), metric, way, since: now };
                    self.routes.rib.put(prefix, route);
                }
            }
        }
        self.routes.changed = true;
    }

    fn host_links(&self) -> BTreeMap<String, HostLink> {
        let link = |(name, router): (&InterfaceName, &RouterPort)| {
            let interface = self.config.interfaces.get(name)?;
            let own = interface.mtu.unwrap_or(1500);
            let mtu = own.max(interface.l3.ip.mtu.unwrap_or(0)).max(interface.l3.ipv6.mtu.unwrap_or(0));
            let six = addresses6(&interface.l3, self.state.mac).map(IpNet::V6);
            let link = HostLink {
                peer: router.peer.clone(),
                mac: self.state.mac,
                mtu: mtu.into(),
                up: router.up,
                addresses: self.config.ips(interface).map(IpNet::V4).chain(six).collect(),
                link_local: link_local(&interface.l3, self.state.mac),
                dad_attempts: interface.l3.ipv6.nd.dad_attempts.unwrap_or(1),
            };
            Some((router.netdev.clone(), link))
        };
        self.state.routers.iter().filter_map(link).collect()
    }

    /// The static routes as Linux is to have them, those to these prefixes anew. Only where they count: another source's
    /// better route is in the kernel by itself.
    fn host_routes(&self, anew: Vec<IpNet>) -> SharedMap<IpNet, HostRoute> {
        let Routes { rib, fixed, plan, .. } = &self.routes;
        let mut routes = plan.routes.clone();
        let netdev = |name: &InterfaceName| self.state.routers.get(name).map(|router| router.netdev.clone());
        let hop = |path: &Path| HostHop { gateway: path.gateway, device: netdev(&path.interface) };
        let nowhere: Arc<[HostHop]> = [HostHop { gateway: None, device: None }].into();
        let mut known: BTreeMap<&[Path], Arc<[HostHop]>> = BTreeMap::new();
        for prefix in anew {
            let counts = rib.get(&prefix).is_some_and(|route| route.source == Source::Static);
            let Some(route) = fixed.get(&prefix).filter(|_| counts) else {
                routes.remove(&prefix);
                continue;
            };
            let hops = match &route.way {
                Way::Paths(paths) => known.entry(paths).or_insert_with(|| paths.iter().map(hop).collect()).clone(),
                _ => nowhere.clone(),
            };
            routes.insert(prefix, HostRoute { distance: route.distance, hops });
        }
        routes
    }
}

/// Of each interface that is up: the subnets of its addresses, the addresses themselves, and the subnets' broadcast addresses,
/// the old one of zeros too (RFC 1812 4.2.3.1).
fn connected(config: &Config, state: &State, old: &BTreeMap<IpNet, Route>, now: Instant) -> BTreeMap<IpNet, Route> {
    let mut routes = BTreeMap::new();
    for (name, router) in state.routers.iter().filter(|(_, router)| router.up) {
        let Some(interface) = config.interfaces.get(name) else { continue };
        let mut put = |prefix: IpNet, source, way| {
            let route = Route { source, distance: 0, metric: 0, way, since: now };
            routes.insert(prefix, route.aged(old.get(&prefix)));
        };
        let on_link = match router.vlan {
            Some(_) => Way::Paths([Path { interface: *name, gateway: None, weight: 1 }].into()),
            None => Way::Null(Refusal::Silent),
        };
        for net in config.ips(interface) {
            put(net.trunc().into(), Source::Connected, on_link.clone());
            if net.prefix_len() < 31 {
                for edge in [net.network(), net.broadcast()] {
                    put(Ipv4Net::from(edge).into(), Source::Local, Way::Broadcast(*name));
                }
            }
            put(Ipv4Net::from(net.addr()).into(), Source::Local, Way::Local);
        }
        for net in addresses6(&interface.l3, state.mac) {
            put(net.trunc().into(), Source::Connected, on_link.clone());
            // RFC 4291 2.6.1: the subnet-router anycast address.
            for address in [net.network(), net.addr()] {
                put(Ipv6Net::from(address).into(), Source::Local, Way::Local);
            }
        }
    }
    routes
}

/// The IPv6 addresses of an interface, the lower half made of the MAC where that is configured (RFC 4291 appendix A).
pub(crate) fn addresses6(l3: &L3, mac: Mac) -> impl Iterator<Item = Ipv6Net> + '_ {
    l3.ipv6.addresses.iter().filter_map(move |(net, eui)| match eui {
        true => Ipv6Net::new((u128::from(net.network()) | u128::from(eui64(mac))).into(), net.prefix_len()).ok(),
        false => Some(*net),
    })
}

/// The link-local address of an interface that speaks IPv6.
pub(crate) fn link_local(l3: &L3, mac: Mac) -> Option<Ipv6Addr> {
    let made = || Ipv6Addr::from(0xfe80 << 112 | u128::from(eui64(mac)));
    l3.has_ip6().then(|| l3.ipv6.link_local.unwrap_or_else(made))
}

fn eui64(mac: Mac) -> u64 {
    let [a, b, c, d, e, f] = mac.0;
    u64::from_be_bytes([a ^ 2, b, c, 0xff, 0xfe, d, e, f])
}
