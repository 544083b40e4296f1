//! The routes the router knows, from every source, and which of them count: of those to one prefix the one of the least
//! administrative distance, of these the one of the least metric.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use mona_model::names::InterfaceName;
use mona_wire::Instant;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// Who says that there is a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// An address of an interface that is up: the host route to it.
    Local,
    /// The subnet of an address of an interface that is up.
    Connected,
    /// `ip route`
    Static,
    /// A routing daemon, by the kernel: its RTPROT number.
    Kernel(u8),
}

/// One path of a route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path {
    /// The interface it leaves by.
    pub interface: InterfaceName,
    /// To this router; `None`: the destinations are there.
    pub gateway: Option<IpAddr>,
    /// Its share among the paths.
    pub weight: u16,
}

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// To the router itself.
    Local,
    /// To all hosts of the interface's subnet.
    Broadcast(InterfaceName),
    /// Nowhere.
    Null(Refusal),
    /// By one of these.
    Paths(Arc<[Path]>),
}

/// What the sender of a packet hears whose route leads nowhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Refusal {
    /// Nothing: `Null0`, the kernel's `blackhole`.
    #[default]
    Silent,
    /// The kernel's `unreachable`.
    Unreachable,
    /// The kernel's `prohibit`.
    Prohibited,
}

/// A route as one source tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Who.
    pub source: Source,
    /// How much that source is trusted: less is more.
    pub distance: u8,
    /// What the source says it costs.
    pub metric: u32,
    /// Where to.
    pub way: Way,
    /// Since when.
    pub since: Instant,
}

impl Route {
    /// One that leads where it led before keeps its age.
    pub fn aged(self, old: Option<&Route>) -> Route {
        match old.filter(|old| old.way == self.way) {
            Some(old) => Route { since: old.since, ..self },
            None => self,
        }
    }
}

impl Source {
    /// What the distance is unless something else is said (as on IOS).
    pub const fn distance(self) -> u8 {
        match self {
            Source::Local | Source::Connected => 0,
            Source::Static => 1,
            Source::Kernel(BGP) => 20,
            Source::Kernel(EIGRP) => 90,
            Source::Kernel(OSPF) => 110,
            Source::Kernel(ISIS) => 115,
            Source::Kernel(RIP) => 120,
            // FRR's own static routes, and those of programs we do not know.
            Source::Kernel(ZSTATIC) => 1,
            Source::Kernel(_) => 200,
        }
    }
}

/// RTPROT_BGP of linux/rtnetlink.h.
pub const BGP: u8 = 186;
/// RTPROT_ISIS
pub const ISIS: u8 = 187;
/// RTPROT_OSPF
pub const OSPF: u8 = 188;
/// RTPROT_RIP
pub const RIP: u8 = 189;
/// RTPROT_EIGRP
pub const EIGRP: u8 = 192;
/// RTPROT_ZSTATIC
pub const ZSTATIC: u8 = 196;

/// All routes.
#[derive(Clone, Debug, Default)]
pub struct Rib {
    /// The routes to each prefix, the one that counts first. Never empty.
    pub(crate) table: BTreeMap<IpNet, Vec<Route>>,
    /// Prefixes whose first route changed since [`Rib::changes`].
    changed: BTreeSet<IpNet>,
    /// Prefixes to which another route than before would count without `ip route` lines, since [`Rib::spoken`].
    spoken: Vec<IpNet>,
}

impl Rib {
    /// A source says that there is this route; what it said of the prefix (at this metric, if it is the kernel's) before is
    /// forgotten. The age of a route that stays the same stays.
    pub fn put(&mut self, prefix: IpNet, mut route: Route) {
        let routes = self.table.entry(prefix).or_default();
        let others = others(routes).cloned();
        let at = routes.iter().position(|old| same_saying(old, &route));
        let old = at.map(|at| routes.remove(at));
        if let Some(old) = &old
            && old.way == route.way
        {
            route.since = old.since;
        }
        let first = routes.first().filter(|_| at != Some(0)).cloned().or(old);
        let place = routes.partition_point(|other| rank(other) <= rank(&route));
        // Most prefixes have one: room for four would be most of what a million take.
        routes.reserve_exact(1);
        routes.insert(place, route);
        if first.as_ref().map(|first| &first.way) != routes.first().map(|first| &first.way) {
            self.changed.insert(prefix);
        }
        if !alike(others.as_ref(), self::others(routes)) {
            self.spoken.push(prefix);
        }
    }

    /// A source says no more that there is a route to the prefix (at this metric, if it is the kernel's).
    pub fn take(&mut self, prefix: IpNet, source: Source, metric: u32) {
        let Some(routes) = self.table.get_mut(&prefix) else { return };
        let others = others(routes).cloned();
        let says = |old: &Route| old.source == source && (old.metric == metric || !matches!(source, Source::Kernel(_)));
        let Some(at) = routes.iter().position(says) else { return };
        routes.remove(at);
        if at == 0 {
            self.changed.insert(prefix);
        }
        if !alike(others.as_ref(), self::others(routes)) {
            self.spoken.push(prefix);
        }
        if routes.is_empty() {
            self.table.remove(&prefix);
        }
    }

    /// All that a source says, other than the kernel: what it said before and says no more goes. `old` is what it said.
    pub fn replace(&mut self, old: &BTreeMap<IpNet, Route>, new: &BTreeMap<IpNet, Route>) {
        for (prefix, route) in old.iter().filter(|(prefix, _)| !new.contains_key(prefix)) {
            self.take(*prefix, route.source, route.metric);
        }
        for (prefix, route) in new.iter().filter(|(prefix, route)| old.get(prefix) != Some(route)) {
            if let Some(before) = old.get(prefix).filter(|before| before.source != route.source) {
                self.take(*prefix, before.source, before.metric);
            }
            self.put(*prefix, route.clone());
        }
    }

    /// The prefixes whose route changed since the last call.
    pub fn changes(&mut self) -> BTreeSet<IpNet> {
        std::mem::take(&mut self.changed)
    }

    /// The prefixes to which, without `ip route` lines, another route would count than at the last call.
    pub fn spoken(&mut self) -> Vec<IpNet> {
        std::mem::take(&mut self.spoken)
    }

    /// The route that counts for a prefix.
    pub fn get(&self, prefix: &IpNet) -> Option<&Route> {
        self.table.get(prefix)?.first()
    }

    /// The route that a packet to this address takes, with its prefix.
    pub fn longest(&self, address: IpAddr) -> Option<(IpNet, &Route)> {
        covering(address).find_map(|prefix| Some((prefix, self.get(&prefix)?)))
    }

    /// The route to a prefix that would count without `ip route` lines.
    pub fn without_static(&self, prefix: &IpNet) -> Option<&Route> {
        others(self.table.get(prefix)?)
    }

    /// The routes that count, ascending by prefix: IPv4 first.
    pub fn iter(&self) -> impl Iterator<Item = (IpNet, &Route)> {
        self.table.iter().filter_map(|(prefix, routes)| Some((*prefix, routes.first()?)))
    }

    /// Those to prefixes within one.
    pub fn within(&self, net: IpNet) -> impl Iterator<Item = (IpNet, &Route)> {
        let last: IpNet = match net {
            IpNet::V4(net) => Ipv4Net::from(net.broadcast()).into(),
            IpNet::V6(net) => Ipv6Net::from(net.broadcast()).into(),
        };
        let fits = move |(prefix, _): &(&IpNet, &Vec<Route>)| net.contains(*prefix);
        let inside = self.table.range(net.trunc()..=last).filter(fits);
        inside.filter_map(|(prefix, routes)| Some((*prefix, routes.first()?)))
    }

    /// How many prefixes there are routes to.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

/// The prefixes that hold an address, the longest first.
pub fn covering(address: IpAddr) -> impl Iterator<Item = IpNet> {
    let most = if address.is_ipv4() { 32 } else { 128 };
    (0..=most).rev().filter_map(move |length| Some(IpNet::new(address, length).ok()?.trunc()))
}

/// What counts without `ip route` lines.
fn others(routes: &[Route]) -> Option<&Route> {
    routes.iter().find(|route| route.source != Source::Static)
}

/// Do they lead the same way, and count as much against a static one?
fn alike(one: Option<&Route>, other: Option<&Route>) -> bool {
    fn essence(route: &Route) -> (u8, &Way) {
        (route.distance, &route.way)
    }
    one.map(essence) == other.map(essence)
}

/// Are they the same source's word about a prefix?
fn same_saying(a: &Route, b: &Route) -> bool {
    a.source == b.source && (a.metric == b.metric || !matches!(a.source, Source::Kernel(_)))
}

fn rank(route: &Route) -> (u8, u32, Source) {
    (route.distance, route.metric, route.source)
}
