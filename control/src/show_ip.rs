//! `show ip …`, `show ipv6 …`: routes, neighbours and the router's interfaces as typed values.

use crate::compile::served;
use crate::probe::Job;
use crate::rib::{self, Path, Route, Source, Way};
use crate::router::{addresses6, is_routed, link_local};
use crate::show::configured;
use crate::switch::Switch;
use ipnet::IpNet;
use mona_model::config::InterfaceConfig;
use mona_model::l3::L3;
use mona_model::names::InterfaceName;
use mona_model::shown::Shown;
use mona_model::shown_ip::*;
use mona_proto::neigh::{Neighbour, State};
use mona_wire::{Instant, Mac};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Rows of one answer: a full table would keep the switch from its work while it is written. The rest is said to be there.
const ROWS: usize = 50_000;

/// Where packets on a path go: the neighbour, and his MAC if it is known.
type Adjacency<'a> = &'a dyn Fn(&Path) -> Option<(IpAddr, Option<Mac>)>;

impl Switch {
    pub(crate) fn show_neighbours(
        &self,
        now: Instant,
        six: bool,
        address: Option<IpAddr>,
        mac: Option<Mac>,
        interface: Option<InterfaceName>,
    ) -> Shown {
        let fits = |row: &NeighbourRow| {
            address.is_none_or(|ip| ip == row.ip)
                && mac.is_none_or(|mac| row.mac == Some(mac))
                && interface.is_none_or(|name| name == row.interface)
        };
        let rows: Vec<NeighbourRow> = self.neighbour_rows(now, six).filter(fits).collect();
        if six { Shown::Neighbors(rows) } else { Shown::Arp(rows) }
    }

    pub(crate) fn show_routes(&self, now: Instant, six: bool, wanted: Wanted) -> Result<Shown, String> {
        let rib = &self.routes.rib;
        let none = || Err(format!("{} not in table", if six { "Route" } else { "Network" }));
        let one = match wanted {
            Wanted::To(address) => Some(rib.longest(address)),
            Wanted::Prefix(net) => Some(rib.get(&net).map(|route| (net, route))),
            Wanted::All | Wanted::Within(_) | Wanted::Of(_) => None,
        };
        if let Some(found) = one {
            let Some(row) = found.and_then(|(prefix, route)| self.route_row(now, prefix, route)) else { return none() };
            return Ok(Shown::Route(self.table(six, vec![row], 0, 0)));
        }
        let within = match wanted {
            Wanted::Within(net) => net,
            _ => default_network(six),
        };
        let is_wanted = |row: &RouteRow| match wanted {
            Wanted::Of(RouteSource::Connected) => {
                matches!(row.source, RouteSource::Connected | RouteSource::Local)
            }
            Wanted::Of(source) => row.source == source,
            Wanted::All | Wanted::Within(_) | Wanted::To(_) | Wanted::Prefix(_) => true,
        };
        let (mut rows, mut more, mut total) = (Vec::new(), 0, 0);
        for (prefix, route) in rib.within(within) {
            // Those beyond the limit are counted without being made.
            if rows.len() == ROWS {
                more += usize::from(!matches!(route.way, Way::Broadcast(_)));
                continue;
            }
            let Some(row) = self.route_row(now, prefix, route) else { continue };
            total += 1;
            if is_wanted(&row) {
                rows.push(row);
            }
        }
        if rows.is_empty() && matches!(wanted, Wanted::Within(_)) {
            return none();
        }
        Ok(Shown::Routes(self.table(six, rows, more, total + more)))
    }

    /// A `ping` or `traceroute` as the rim carries it out.
    pub(crate) fn probe(&self, session: u64, id: u64, context: &[String], probe: Probe) -> Result<Job, String> {
        let six = probe.to.is_ipv6();
        let own = |name: InterfaceName| {
            let interface = self.config.interfaces.get(&name)?;
            let l3 = &interface.l3;
            match six {
                false => self.config.ip(interface).map(|net| IpAddr::V4(net.addr())),
                true => addresses6(l3, self.state.mac)
                    .map(|net| net.addr())
                    .next()
                    .or(link_local(l3, self.state.mac))
                    .map(IpAddr::V6),
            }
        };
        let link_only = matches!(probe.to, IpAddr::V6(ip) if ip.is_unicast_link_local());
        let (source, device) = match probe.from {
            Some(ProbeSource::Interface(name)) => {
                let router = self.state.routers.get(&name).filter(|router| router.up);
                let router = router.ok_or_else(|| format!("Invalid source interface - {name} is not up"))?;
                let source = own(name).ok_or_else(|| format!("Invalid source interface - {name} has no address"))?;
                ((!link_only).then_some(source), link_only.then(|| router.netdev.clone()))
            }
            Some(ProbeSource::Address(ip)) if self.owner(ip).is_none() => {
                return Err(format!("Invalid source address- IP address {ip} not on any of our up interfaces"));
            }
            Some(ProbeSource::Address(ip)) => (Some(ip), None),
            None if link_only => return Err("A link-local address needs the link: source INTERFACE".into()),
            None => (None, None),
        };
        Ok(Job { session, id, context: context.to_vec(), probe, source, device })
    }

    fn table(&self, six: bool, routes: Vec<RouteRow>, more: usize, total: usize) -> RouteTable {
        let network = default_network(six);
        let last_resort = self.routes.rib.get(&network).map(|route| LastResort {
            gateway: match &route.way {
                Way::Paths(paths) => paths.first().and_then(|path| path.gateway),
                Way::Local | Way::Broadcast(_) | Way::Null(_) => None,
            },
            network: network.addr(),
        });
        RouteTable { six, last_resort, routes, more, total }
    }

    /// A route as it is listed. Broadcast and anycast addresses are the router's own affair: `None`.
    fn route_row(&self, now: Instant, prefix: IpNet, route: &Route) -> Option<RouteRow> {
        let own = |interface| PathRow { interface, gateway: None, weight: 1 };
        let paths = match &route.way {
            Way::Broadcast(_) => return None,
            Way::Local => vec![own(self.owner(prefix.addr())?)],
            Way::Paths(paths) => paths.iter().map(path_row).collect(),
            // The rest of a loopback's subnet leads nowhere, but is its.
            Way::Null(_) if route.source == Source::Connected => vec![own(self.subnet_of(prefix)?)],
            Way::Null(_) => Vec::new(),
        };
        // A loopback's host address is its subnet too, and IOS calls it that.
        let is_subnet = matches!(prefix, IpNet::V4(_)) && route.way == Way::Local && self.subnet_of(prefix).is_some();
        Some(RouteRow {
            source: if is_subnet { RouteSource::Connected } else { source(route.source) },
            prefix,
            distance: route.distance,
            metric: route.metric,
            paths,
            age_secs: now.since(route.since).as_secs(),
        })
    }

    /// The interface that is up and has this address.
    pub(crate) fn owner(&self, address: IpAddr) -> Option<InterfaceName> {
        self.up_with(|_, net| net.addr() == address)
    }

    /// The interface that is up and in this subnet; who borrows an address is in none.
    fn subnet_of(&self, prefix: IpNet) -> Option<InterfaceName> {
        self.up_with(|l3, net| net.trunc() == prefix && (net.addr().is_ipv6() || l3.ip.unnumbered.is_none()))
    }

    fn up_with(&self, fits: impl Fn(&L3, IpNet) -> bool) -> Option<InterfaceName> {
        let routers = self.state.routers.iter().filter(|(_, router)| router.up);
        let has = |name: &InterfaceName| {
            let interface = self.config.interfaces.get(name)?;
            let six = addresses6(&interface.l3, self.state.mac).map(IpNet::V6);
            let mut all = self.config.ips(interface).map(IpNet::V4).chain(six);
            all.any(|net| fits(&interface.l3, net)).then_some(*name)
        };
        routers.filter_map(|(name, _)| has(name)).next()
    }

    /// How many routes there are, by source and length.
    pub fn route_summary(&self, six: bool) -> RouteSummary {
        let mut sources: BTreeMap<RouteSource, SourceRow> = [RouteSource::Connected, RouteSource::Static]
            .map(|source| (source, SourceRow { source, networks: 0, subnets: 0, memory: 0 }))
            .into();
        let mut lengths: BTreeMap<u8, usize> = BTreeMap::new();
        let listed = |(prefix, route): &(IpNet, &Route)| match route.way {
            Way::Local => self.owner(prefix.addr()).is_some(),
            Way::Broadcast(_) => false,
            Way::Null(_) | Way::Paths(_) => true,
        };
        for (prefix, route) in self.routes.rib.within(default_network(six)).filter(listed) {
            let source = match source(route.source) {
                RouteSource::Local if !six => RouteSource::Connected,
                source => source,
            };
            let row = sources.entry(source).or_insert(SourceRow { source, networks: 0, subnets: 0, memory: 0 });
            match prefix {
                IpNet::V4(net) if net.prefix_len() > class_length(net.addr()) => row.subnets += 1,
                _ => row.networks += 1,
            }
            let paths = if let Way::Paths(paths) = &route.way { paths.len() } else { 0 };
            row.memory += size_of::<(IpNet, Route)>() + paths * size_of::<Path>();
            *lengths.entry(prefix.prefix_len()).or_default() += 1;
        }
        let limits = self.fib.limits();
        RouteSummary {
            six,
            sources: sources.into_values().collect(),
            lengths: lengths.into_iter().collect(),
            left_out: self.fib.left_out().iter().filter(|prefix| prefix.addr().is_ipv6() == six).count(),
            room: if six { limits.routes6 } else { limits.routes4 },
        }
    }

    fn neighbour_rows(&self, now: Instant, six: bool) -> impl Iterator<Item = NeighbourRow> + '_ {
        let row = |Neighbour { vlan, ip, mac, age, state, .. }: Neighbour| {
            Some(NeighbourRow {
                ip,
                age_mins: age.map(|age| age.as_secs() / 60),
                mac,
                state: match state {
                    None | Some(State::Static | State::Reachable) => "REACH",
                    Some(State::Stale) => "STALE",
                    Some(State::Delay) => "DELAY",
                    Some(State::Probe) => "PROBE",
                    Some(State::Incomplete | State::Failed) => "INCMP",
                }
                .into(),
                interface: self.state.router_in(vlan)?,
            })
        };
        // As on IOS, the router's own addresses are among those of ARP, not of ND.
        let entries = self.neigh.entries(now).into_iter();
        entries.filter(move |n| n.ip.is_ipv6() == six && !(six && n.state.is_none())).filter_map(row)
    }

    pub(crate) fn ip_interfaces(&self, six: bool, only: Option<InterfaceName>, brief: bool) -> Result<Shown, String> {
        if let Some(name) = only {
            configured(&self.config, name)?;
        }
        let served = served(&self.config, &self.state);
        let chosen = self.config.interfaces.iter().filter(|(name, _)| only.is_none_or(|n| n == **name));
        let rows = chosen.map(|(name, interface)| {
            let routed = is_routed(&self.config, *name, interface) || !name.is_port();
            let line = match routed {
                true => self.state.router_line(&self.config, *name, &served),
                false => self.state.line(*name, interface),
            };
            self.ip_interface(*name, interface, routed, line)
        });
        // An interface without IPv6 has nothing to say of it, unless it is asked by name.
        let fits = |row: &IpInterface| !six || brief || only.is_some() || row.has_ip6;
        let rows = rows.filter(fits).collect();
        Ok(match (six, brief) {
            (false, false) => Shown::IpInterfaces(rows),
            (false, true) => Shown::IpInterfacesBrief(rows),
            (true, false) => Shown::Ip6Interfaces(rows),
            (true, true) => Shown::Ip6InterfacesBrief(rows),
        })
    }

    fn ip_interface(
        &self,
        name: InterfaceName,
        interface: &InterfaceConfig,
        routed: bool,
        line: Result<(), String>,
    ) -> IpInterface {
        let (l3, filters) = (&interface.l3, &interface.filters);
        let mtu = interface.mtu.unwrap_or(1500);
        IpInterface {
            name,
            shutdown: interface.shutdown,
            up: line.is_ok(),
            reason: line.err(),
            routed,
            address: self.config.ip(interface),
            secondary: l3.ip.secondary.iter().copied().collect(),
            mtu: l3.ip.mtu.unwrap_or(mtu),
            mtu6: l3.ipv6.mtu.unwrap_or(mtu),
            lists: (filters.ip.outward.clone(), filters.ip.inward.clone()),
            lists6: (filters.ipv6.outward.clone(), filters.ipv6.inward.clone()),
            ip: l3.ip.clone(),
            has_ip6: l3.has_ip6(),
            link_local: link_local(l3, self.state.mac),
            addresses6: addresses6(l3, self.state.mac).collect(),
            ipv6: l3.ipv6.clone(),
            advertises: self.config.routing.ipv6 && l3.has_ip6() && !l3.ipv6.nd.suppress,
        }
    }

    pub(crate) fn cef(&self, six: bool) -> Vec<CefRow> {
        let default = default_network(six);
        let mut rows = Vec::new();
        if self.routes.rib.get(&default).is_none() {
            rows.push(CefRow { prefix: default, does: CefDoes::NoRoute });
        }
        let of = |(prefix, route): (IpNet, &Route)| CefRow { prefix, does: self.cef_does(prefix, route, &|_| None) };
        rows.extend(self.routes.rib.within(default).take(ROWS).map(of));
        rows
    }

    pub(crate) fn cef_to(&self, now: Instant, address: IpAddr) -> CefRow {
        let Some((prefix, route)) = self.routes.rib.longest(address) else {
            return CefRow { prefix: default_network(address.is_ipv6()), does: CefDoes::NoRoute };
        };
        let known = self.neigh.entries(now);
        let adjacency = |path: &Path| -> Option<(IpAddr, Option<Mac>)> {
            let next_hop = path.gateway.unwrap_or(address);
            let vlan = self.state.routers.get(&path.interface)?.vlan?;
            let entry = known.iter().find(|n| n.vlan == vlan && n.ip == next_hop);
            Some((next_hop, entry.and_then(|entry| entry.mac)))
        };
        CefRow { prefix, does: self.cef_does(prefix, route, &adjacency) }
    }

    fn cef_does(&self, prefix: IpNet, route: &Route, adjacency: Adjacency) -> CefDoes {
        match &route.way {
            Way::Local => CefDoes::Receive(self.owner(prefix.addr())),
            Way::Broadcast(name) => CefDoes::Receive(Some(*name)),
            Way::Null(_) => CefDoes::Drop,
            Way::Paths(paths) => CefDoes::Forward(
                paths
                    .iter()
                    .map(|path| CefPath {
                        interface: path.interface,
                        gateway: path.gateway,
                        adjacency: adjacency(path),
                    })
                    .collect(),
            ),
        }
    }
}

fn path_row(path: &Path) -> PathRow {
    PathRow { interface: path.interface, gateway: path.gateway, weight: path.weight }
}

pub(crate) fn source(source: Source) -> RouteSource {
    match source {
        Source::Local => RouteSource::Local,
        Source::Connected => RouteSource::Connected,
        Source::Static | Source::Kernel(rib::ZSTATIC) => RouteSource::Static,
        Source::Kernel(rib::BGP) => RouteSource::Bgp,
        Source::Kernel(rib::EIGRP) => RouteSource::Eigrp,
        Source::Kernel(rib::ISIS) => RouteSource::Isis,
        Source::Kernel(rib::OSPF) => RouteSource::Ospf,
        Source::Kernel(rib::RIP) => RouteSource::Rip,
        Source::Kernel(_) => RouteSource::Kernel,
    }
}
