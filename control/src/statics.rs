//! Static routes: which of the configured ones can be used, and by which paths.

use crate::rib::{Path, Refusal, Rib, Route, Source, Way, covering};
use ipnet::IpNet;
use mona_model::config::Config;
use mona_model::l3::{RouteOptions, Routing, StaticRoute};
use mona_model::names::{InterfaceKind, InterfaceName};
use mona_model::shared::SharedMap;
use mona_wire::Instant;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// How often next hops behind next hops are looked up anew: so deep may they be nested.
const ROUNDS: usize = 8;
/// Lines that are followed one by one; of more than that all routes are looked at once.
const FEW: usize = 1024;

/// The lines of a family.
type Lines<N> = SharedMap<StaticRoute<N>, RouteOptions>;

/// A configured route, whatever its family.
struct Wish<'a> {
    prefix: IpNet,
    interface: Option<InterfaceName>,
    gateway: Option<IpAddr>,
    options: &'a RouteOptions,
}

/// What is looked up for a line: its gateway. One that lies in the prefix whose gateway it is, is looked up beside that.
type Gateway = (IpAddr, Option<IpNet>);

/// Gateways, by which paths packets for each leave, and how many lines name it.
type Ways = BTreeMap<Gateway, (Arc<[Path]>, usize)>;

/// A line that came, went, or says something else of its route now.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    prefix: IpNet,
    gateway: Option<Gateway>,
    came: bool,
    went: bool,
}

/// The routes that count as static ones, kept as lines and all else change. There may be a million lines, and most of what
/// happens is not about them, or about few: then no other is looked at.
#[derive(Default)]
pub struct Statics {
    found: BTreeMap<IpNet, Route>,
    ways: Ways,
    /// Did the last of [`ROUNDS`] change nothing?
    settled: bool,
    /// Interfaces that were up.
    up: BTreeSet<InterfaceName>,
    /// Lines that changed since.
    edits: Vec<Edit>,
}

impl Statics {
    /// The route to a prefix, if there is one.
    pub fn get(&self, prefix: &IpNet) -> Option<&Route> {
        self.found.get(prefix)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&IpNet, &Route)> {
        self.found.iter()
    }

    /// What is different in the lines of another configuration.
    pub(crate) fn edit(&mut self, old: &Routing, new: &Routing) {
        edits(&old.routes, &new.routes, &mut self.edits);
        edits(&old.routes6, &new.routes6, &mut self.edits);
    }

    /// The routes from now on, told to the RIB. `spoken`: prefixes to which there is another route than before, not counting
    /// these. Returns those whose static route is another.
    pub fn follow(
        &mut self,
        config: &Config,
        rib: &mut Rib,
        up: &BTreeSet<InterfaceName>,
        spoken: &[IpNet],
        now: Instant,
    ) -> Vec<IpNet> {
        let edits = std::mem::take(&mut self.edits);
        let one_by_one = self.settled
            && *up == self.up
            && edits.len() <= FEW
            && self.count(&edits)
            && edits
                .iter()
                .map(|edit| edit.prefix)
                .chain(spoken.iter().copied())
                .all(|prefix| !self.decides(rib, prefix));
        if !one_by_one {
            self.up.clone_from(up);
            return self.follow_all(config, rib, now);
        }
        for gateway in edits.iter().filter(|edit| edit.came).filter_map(|edit| edit.gateway) {
            if let Some((paths, _)) = self.ways.get_mut(&gateway).filter(|(paths, _)| paths.is_empty()) {
                *paths = behind(rib, &self.found, gateway.1, gateway.0).into();
            }
        }
        let prefixes: BTreeSet<IpNet> = edits.into_iter().map(|edit| edit.prefix).collect();
        prefixes.into_iter().filter(|prefix| self.follow_one(*prefix, config, rib, now)).collect()
    }

    /// Is the route to this prefix another now?
    fn follow_one(&mut self, prefix: IpNet, config: &Config, rib: &mut Rib, now: Instant) -> bool {
        let new = round(wishes_for(config, prefix), &self.ways, &self.up, now).pop().map(|(_, route)| route);
        let old = self.found.remove(&prefix);
        let new = new.map(|new| new.aged(old.as_ref()));
        let differs = old != new;
        match (old, new) {
            (Some(old), None) => rib.take(prefix, old.source, old.metric),
            (_, Some(new)) => {
                if differs {
                    rib.put(prefix, new.clone());
                }
                self.found.insert(prefix, new);
            }
            (None, None) => {}
        }
        differs
    }

    fn follow_all(&mut self, config: &Config, rib: &mut Rib, now: Instant) -> Vec<IpNet> {
        let (ways, mut found, settled) = statics(config, rib, &self.up, now);
        for (prefix, route) in &mut found {
            if let Some(old) = self.found.get(prefix).filter(|old| old.way == route.way) {
                route.since = old.since;
            }
        }
        let old = std::mem::replace(&mut self.found, found);
        (self.ways, self.settled) = (ways, settled);
        if old == self.found {
            return Vec::new();
        }
        rib.replace(&old, &self.found);
        let gone = old.keys().filter(|prefix| !self.found.contains_key(prefix));
        let others =
            self.found.iter().filter(|(prefix, route)| old.get(prefix) != Some(route)).map(|(prefix, _)| prefix);
        gone.chain(others).copied().collect()
    }

    /// May a route to this prefix decide by which paths packets for a gateway leave? Not if there is one to a longer prefix
    /// that is not static, and so there whatever is looked up first.
    fn decides(&self, rib: &Rib, prefix: IpNet) -> bool {
        within(&self.ways, prefix).any(|((gateway, own), _)| {
            let mut longer = covering(*gateway).take_while(|other| other.prefix_len() > prefix.prefix_len());
            *own != Some(prefix) && !longer.any(|other| Some(other) != *own && rib.without_static(&other).is_some())
        })
    }

    /// Counts who names which gateway; those that came have no paths yet. `false`: the count is wrong.
    fn count(&mut self, edits: &[Edit]) -> bool {
        for edit in edits {
            let Some(gateway) = edit.gateway else { continue };
            let (_, lines) = self.ways.entry(gateway).or_insert_with(|| ([].into(), 0));
            let Some(left) = (*lines + usize::from(edit.came)).checked_sub(usize::from(edit.went)) else {
                return false;
            };
            *lines = left;
            if left == 0 {
                self.ways.remove(&gateway);
            }
        }
        true
    }
}

/// The gateways in a prefix.
fn within(ways: &Ways, prefix: IpNet) -> impl Iterator<Item = (&Gateway, &(Arc<[Path]>, usize))> {
    let last = match prefix {
        IpNet::V4(net) => IpAddr::V4(net.broadcast()),
        IpNet::V6(net) => IpAddr::V6(net.broadcast()),
    };
    ways.range((prefix.network(), None)..).take_while(move |((gateway, _), _)| *gateway <= last)
}

fn edits<N: Into<IpNet> + Ord + Copy>(old: &Lines<N>, new: &Lines<N>, edits: &mut Vec<Edit>) {
    edits.extend(old.different(new).into_iter().map(|line| {
        let (was, is) = (old.get(line), new.get(line));
        // Of what else it says nothing matters to its gateway.
        let gateway = was.or(is).and_then(|options| Wish::of((line, options)).gateway_beside());
        Edit { prefix: line.prefix.into(), gateway, came: was.is_none(), went: is.is_none() }
    }));
}

/// The routes that count as static ones: of each prefix those of the least distance that can be used. A gateway is looked up
/// among the routes of `rib` and these, but not behind its own prefix. And was the last round like the one before?
fn statics(
    config: &Config,
    rib: &Rib,
    up: &BTreeSet<InterfaceName>,
    now: Instant,
) -> (Ways, BTreeMap<IpNet, Route>, bool) {
    let mut found = BTreeMap::new();
    // Many routes have few gateways: only these are looked up, and only they can make another round necessary.
    let mut ways = Ways::new();
    for key in wishes(config).filter_map(|wish| wish.gateway_beside()) {
        ways.entry(key).or_insert_with(|| ([].into(), 0)).1 += 1;
    }
    for turn in 0..ROUNDS {
        let resolve =
            |(key, (_, lines)): (&Gateway, &(_, usize))| (*key, (behind(rib, &found, key.1, key.0).into(), *lines));
        let resolved: Ways = ways.iter().map(resolve).collect();
        if turn > 0 && resolved == ways {
            return (ways, found, true);
        }
        ways = resolved;
        found = round(wishes(config), &ways, up, now).into_iter().collect();
    }
    (ways, found, false)
}

/// What wishes in the order of their prefixes come to. Routes of the same way share it: there may be a million of them.
fn round<'a>(
    wishes: impl Iterator<Item = Wish<'a>>,
    ways: &Ways,
    up: &BTreeSet<InterfaceName>,
    now: Instant,
) -> Vec<(IpNet, Route)> {
    let mut found: Vec<(IpNet, Route)> = Vec::new();
    for wish in wishes {
        let way = match (wish.interface, wish.gateway) {
            (Some(name), _) if name.kind == InterfaceKind::Null => Way::Null(Refusal::Silent),
            (Some(interface), gateway) if up.contains(&interface) => {
                Way::Paths([Path { interface, gateway, weight: 1 }].into())
            }
            (None, Some(_)) => match wish.gateway_beside().and_then(|key| ways.get(&key)) {
                Some((paths, _)) if !paths.is_empty() => Way::Paths(paths.clone()),
                _ => continue,
            },
            _ => continue,
        };
        let distance = wish.options.distance.unwrap_or(Source::Static.distance());
        let route = Route { source: Source::Static, distance, metric: 0, way, since: now };
        match found.last_mut().filter(|(prefix, _)| *prefix == wish.prefix) {
            None => found.push((wish.prefix, route)),
            Some((_, best)) if best.distance > distance => *best = route,
            Some((_, best)) if best.distance == distance => best.way = both(&best.way, route.way),
            Some(_) => {}
        }
    }
    found
}

/// By the paths of both; what leads nowhere adds none.
fn both(one: &Way, other: Way) -> Way {
    match (one, other) {
        (Way::Paths(one), Way::Paths(other)) => {
            Way::Paths(sorted(one.iter().chain(&other[..]).cloned().collect()).into())
        }
        (paths @ Way::Paths(_), _) => paths.clone(),
        (_, other) => other,
    }
}

fn sorted(mut paths: Vec<Path>) -> Vec<Path> {
    paths.sort();
    paths.dedup();
    paths
}

impl<'a> Wish<'a> {
    fn of<N: Into<IpNet> + Copy>((route, options): (&'a StaticRoute<N>, &'a RouteOptions)) -> Wish<'a> {
        Wish { prefix: route.prefix.into(), interface: route.interface, gateway: route.gateway, options }
    }

    /// What is looked up for it.
    fn gateway_beside(&self) -> Option<Gateway> {
        let gateway = self.gateway.filter(|_| self.interface.is_none())?;
        Some((gateway, self.prefix.contains(&gateway).then_some(self.prefix)))
    }
}

fn wishes(config: &Config) -> impl Iterator<Item = Wish<'_>> {
    let Routing { routes, routes6, .. } = &config.routing;
    routes.iter().map(Wish::of).chain(routes6.iter().map(Wish::of))
}

fn wishes_for(config: &Config, prefix: IpNet) -> impl Iterator<Item = Wish<'_>> {
    fn of<N: Into<IpNet> + Ord + Copy>(lines: &Lines<N>, prefix: Option<N>) -> impl Iterator<Item = Wish<'_>> {
        // The least of its lines.
        let first = prefix.map(|prefix| StaticRoute { prefix, interface: None, gateway: None });
        let lines = first.into_iter().flat_map(|first| lines.from(first));
        lines.take_while(move |(line, _)| Some(line.prefix) == prefix).map(Wish::of)
    }
    let (four, six) = match prefix {
        IpNet::V4(net) => (Some(net), None),
        IpNet::V6(net) => (None, Some(net)),
    };
    of(&config.routing.routes, four).chain(of(&config.routing.routes6, six))
}

/// The paths on which packets for a gateway leave: on its subnet, or those of the route to it. Nobody is behind the router
/// itself, and nobody behind `Null0`.
fn behind(rib: &Rib, statics: &BTreeMap<IpNet, Route>, own: Option<IpNet>, gateway: IpAddr) -> Vec<Path> {
    let route = covering(gateway).filter(|prefix| Some(*prefix) != own).find_map(|prefix| {
        let others = rib.without_static(&prefix);
        let fixed = statics.get(&prefix);
        match (others, fixed) {
            (Some(other), Some(fixed)) => Some(if fixed.distance < other.distance { fixed } else { other }),
            (one, other) => one.or(other),
        }
    });
    let Some(Way::Paths(paths)) = route.map(|route| &route.way) else { return Vec::new() };
    let to = |path: &Path| Path { gateway: path.gateway.or(Some(gateway)), ..path.clone() };
    sorted(paths.iter().map(to).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rib::OSPF;
    use mona_model::grammar::{Parsed, parse};
    use proptest::prelude::*;

    /// Lines of configuration; `up NAME PREFIX` before them: an interface that is up, and its subnet.
    fn check(lines: &str, expect: &str) {
        let (mut config, mut rib, mut ups) = (Config::default(), Rib::default(), Vec::new());
        let context = vec!["configure terminal".to_string()];
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.split(' ').collect();
            if let ["up" | "ospf", name, prefix, ..] = words[..] {
                let interface: InterfaceName = name.parse().expect("a name");
                let gateway = words.get(3).map(|gateway| gateway.parse().expect("an address"));
                let source = if words[0] == "up" { Source::Connected } else { Source::Kernel(OSPF) };
                let way = Way::Paths([Path { interface, gateway, weight: 1 }].into());
                let route = Route { source, distance: source.distance(), metric: 0, way, since: Instant::default() };
                rib.put(prefix.parse().expect("a prefix"), route);
                ups.push(interface);
                continue;
            }
            let Ok(Parsed::Config(command)) = parse(&config, &context, 15, line) else { panic!("{line}") };
            command.apply(&mut config).expect(line);
        }
        let (_, found, _) = statics(&config, &rib, &ups.into_iter().collect(), Instant::default());
        let show = |(prefix, route): (&IpNet, &Route)| {
            let way = match &route.way {
                Way::Paths(paths) => paths
                    .iter()
                    .map(|p| format!("{} {}", p.interface.short(), p.gateway.map_or("-".into(), |g| g.to_string())))
                    .collect::<Vec<_>>()
                    .join(", "),
                way => format!("{way:?}"),
            };
            format!("{prefix} [{}] {way}", route.distance)
        };
        let text: Vec<String> = found.iter().map(show).collect();
        let expect: Vec<&str> = expect.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        assert_eq!(text, expect, "{lines}");
    }

    #[test]
    fn gateways_are_looked_up() {
        check(
            "up vlan10 10.0.0.0/24
             ip route 20.0.0.0 255.0.0.0 10.0.0.9
             ip route 30.0.0.0 255.0.0.0 11.0.0.9
             ip route 40.0.0.0 255.0.0.0 vlan10
             ip route 50.0.0.0 255.0.0.0 vlan20
             ip route 60.0.0.0 255.0.0.0 null0",
            "20.0.0.0/8 [1] Vl10 10.0.0.9
             40.0.0.0/8 [1] Vl10 -
             60.0.0.0/8 [1] Null(Silent)",
        );
    }

    #[test]
    fn gateways_may_be_behind_gateways() {
        check(
            "up vlan10 10.0.0.0/24
             ospf vlan20 50.0.0.0/8 10.2.0.1
             ip route 0.0.0.0 0.0.0.0 10.0.0.1
             ip route 20.0.0.0 255.0.0.0 30.1.1.1
             ip route 30.0.0.0 255.0.0.0 10.0.0.2
             ip route 40.0.0.0 255.0.0.0 50.0.0.1
             ip route 70.0.0.0 255.0.0.0 70.1.1.1",
            "0.0.0.0/0 [1] Vl10 10.0.0.1
             20.0.0.0/8 [1] Vl10 10.0.0.2
             30.0.0.0/8 [1] Vl10 10.0.0.2
             40.0.0.0/8 [1] Vl20 10.2.0.1
             70.0.0.0/8 [1] Vl10 10.0.0.1",
        );
        // Nothing but itself leads to it.
        check("up vlan10 10.0.0.0/24\nip route 70.0.0.0 255.0.0.0 70.1.1.1", "");
    }

    #[test]
    fn equal_ones_share_and_floating_ones_wait() {
        check(
            "up vlan10 10.0.0.0/24
             up vlan20 2001:db8:2::/64
             ip route 20.0.0.0 255.0.0.0 10.0.0.1
             ip route 20.0.0.0 255.0.0.0 10.0.0.2
             ip route 20.0.0.0 255.0.0.0 10.0.0.3 200
             ip route 30.0.0.0 255.0.0.0 10.9.0.1
             ip route 30.0.0.0 255.0.0.0 10.0.0.3 200
             ipv6 route 2001:db8:9::/48 2001:db8:2::1
             ipv6 route 2001:db8:8::/48 vlan20 fe80::1 5",
            "20.0.0.0/8 [1] Vl10 10.0.0.1, Vl10 10.0.0.2
             30.0.0.0/8 [200] Vl10 10.0.0.3
             2001:db8:8::/48 [5] Vl20 fe80::1
             2001:db8:9::/48 [1] Vl20 2001:db8:2::1",
        );
    }

    /// What happens: a line comes or goes (its prefix, gateway or interface, and distance), OSPF says something or takes it
    /// back, an interface goes up or down.
    #[derive(Clone, Debug)]
    enum Event {
        Line(usize, usize, u8, bool),
        Ospf(usize, usize, bool),
        Up(bool),
    }

    proptest! {
        /// Whatever happens, the routes that are followed are those that are found when all are looked at anew.
        #[test]
        fn following_is_finding(events in proptest::collection::vec(prop_oneof![
            6 => (0usize..PREFIXES.len(), 0usize..WAYS.len(), 0u8..3, any::<bool>()).prop_map(|(to, way, distance, comes)| Event::Line(to, way, distance, comes)),
            3 => (0usize..PREFIXES.len(), 0usize..2, any::<bool>()).prop_map(|(to, way, comes)| Event::Ospf(to, way, comes)),
            1 => any::<bool>().prop_map(Event::Up),
        ], 1..60)) {
            let (mut config, mut rib, mut statics) = (Config::default(), Rib::default(), Statics::default());
            let mut up: BTreeSet<InterfaceName> = ["vlan10", "vlan20"].map(|name| name.parse().expect("a name")).into();
            let path = |name: &str, gateway: Option<&str>| Path {
                interface: name.parse().expect("a name"),
                gateway: gateway.map(|gateway| gateway.parse().expect("an address")),
                weight: 1,
            };
            let put = |rib: &mut Rib, prefix: &str, source: Source, path: Path| {
                let way = Way::Paths([path].into());
                let route = Route { source, distance: source.distance(), metric: 0, way, since: Instant::default() };
                rib.put(prefix.parse().expect("a prefix"), route);
            };
            put(&mut rib, "10.0.0.0/24", Source::Connected, path("vlan10", None));
            put(&mut rib, "10.0.1.0/24", Source::Connected, path("vlan20", None));
            for event in events {
                let old = config.clone();
                match event {
                    Event::Line(to, way, distance, comes) => {
                        let net: ipnet::Ipv4Net = PREFIXES[to].parse().expect("a prefix");
                        let no = if comes { "" } else { "no " };
                        let line = format!("{no}ip route {} {} {} {}", net.addr(), net.netmask(), WAYS[way], 1 + 59 * u32::from(distance));
                        let Ok(Parsed::Config(command)) = parse(&config, &["configure terminal".to_string()], 15, &line) else { panic!("{line}") };
                        // What is not there cannot go.
                        let _ = command.apply(&mut config);
                    }
                    Event::Ospf(to, way, true) => put(&mut rib, PREFIXES[to], Source::Kernel(OSPF), path(["vlan10", "vlan20"][way], Some(["10.0.0.1", "10.0.1.1"][way]))),
                    Event::Ospf(to, _, false) => rib.take(PREFIXES[to].parse().expect("a prefix"), Source::Kernel(OSPF), 0),
                    Event::Up(is_up) => {
                        let name = "vlan20".parse().expect("a name");
                        if is_up { up.insert(name); } else { up.remove(&name); }
                    }
                }
                statics.edit(&old.routing, &config.routing);
                let before = statics.found.clone();
                let spoken = rib.spoken();
                let told = statics.follow(&config, &mut rib, &up, &spoken, Instant::default());
                let (ways, found, _) = super::statics(&config, &rib, &up, Instant::default());
                prop_assert_eq!(&statics.found, &found);
                if statics.settled {
                    prop_assert_eq!(&statics.ways, &ways);
                }
                let mut differ: Vec<IpNet> = before.keys().chain(found.keys()).filter(|at| before.get(at) != found.get(at)).copied().collect();
                differ.sort();
                differ.dedup();
                prop_assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), differ.into_iter().collect::<BTreeSet<_>>());
                let is_static = |route: &&Route| route.source == Source::Static;
                for prefix in PREFIXES.map(|prefix| prefix.parse::<IpNet>().expect("a prefix")) {
                    let there = rib.table.get(&prefix).into_iter().flatten().find(is_static);
                    prop_assert_eq!(there, found.get(&prefix));
                }
            }
        }
    }

    const PREFIXES: [&str; 9] = [
        "0.0.0.0/0",
        "10.0.0.0/8",
        "10.0.0.0/24",
        "10.0.0.0/28",
        "20.0.0.0/8",
        "20.1.0.0/16",
        "30.0.0.0/8",
        "30.1.0.0/16",
        "40.0.0.0/8",
    ];
    const WAYS: [&str; 8] = ["10.0.0.1", "10.0.0.2", "10.0.1.1", "20.1.0.1", "20.2.0.1", "30.1.0.1", "vlan20", "null0"];
}
