//! Static routes: which of the configured ones can be used, and by which paths.

use crate::rib::{Path, Refusal, Rib, Route, Source, Way, covering};
use ipnet::IpNet;
use mona_model::config::Config;
use mona_model::l3::{RouteOptions, StaticRoute};
use mona_model::names::{InterfaceKind, InterfaceName};
use mona_wire::Instant;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// How often next hops behind next hops are looked up anew: so deep may they be nested.
const ROUNDS: usize = 8;

/// A configured route, whatever its family.
struct Wish<'a> {
    prefix: IpNet,
    interface: Option<InterfaceName>,
    gateway: Option<IpAddr>,
    options: &'a RouteOptions,
}

/// Gateways, and by which paths packets for each leave. One that lies in the prefix whose gateway it is, is looked up beside that.
#[derive(Default)]
pub struct Ways(BTreeMap<(IpAddr, Option<IpNet>), Arc<[Path]>>);

impl Ways {
    /// Do packets for all these gateways leave by the same paths as when `found` was made of them?
    pub fn stay(&self, rib: &Rib, found: &BTreeMap<IpNet, Route>) -> bool {
        self.0.iter().all(|(key, paths)| behind(rib, found, key.1, key.0)[..] == paths[..])
    }
}

/// The routes that count as static ones: of each prefix those of the least distance that can be used. A gateway is looked up
/// among the routes of `rib` and these, but not behind its own prefix.
pub fn statics(
    config: &Config,
    rib: &Rib,
    is_up: &dyn Fn(InterfaceName) -> bool,
    now: Instant,
) -> (Ways, BTreeMap<IpNet, Route>) {
    let mut found = BTreeMap::new();
    // Many routes have few gateways: only these are looked up, and only they can make another round necessary.
    let mut ways = Ways::default();
    for key in wishes(config).filter_map(|wish| wish.gateway_beside()) {
        ways.0.entry(key).or_default();
    }
    for turn in 0..ROUNDS {
        let resolved: BTreeMap<_, _> =
            ways.0.keys().map(|key| (*key, behind(rib, &found, key.1, key.0).into())).collect();
        if turn > 0 && resolved == ways.0 {
            break;
        }
        ways = Ways(resolved);
        found = round(config, &ways, is_up, now);
    }
    (ways, found)
}

/// Routes of the same way share it: there may be a million of them.
fn round(config: &Config, ways: &Ways, is_up: &dyn Fn(InterfaceName) -> bool, now: Instant) -> BTreeMap<IpNet, Route> {
    let mut found: Vec<(IpNet, Route)> = Vec::new();
    for wish in wishes(config) {
        let way = match (wish.interface, wish.gateway) {
            (Some(name), _) if name.kind == InterfaceKind::Null => Way::Null(Refusal::Silent),
            (Some(interface), gateway) if is_up(interface) => {
                Way::Paths([Path { interface, gateway, weight: 1 }].into())
            }
            (None, Some(_)) => match wish.gateway_beside().and_then(|key| ways.0.get(&key)) {
                Some(paths) if !paths.is_empty() => Way::Paths(paths.clone()),
                _ => continue,
            },
            _ => continue,
        };
        let distance = wish.options.distance.unwrap_or(Source::Static.distance());
        let route = Route { source: Source::Static, distance, metric: 0, way, since: now };
        // They are told in the order of their prefixes.
        match found.last_mut().filter(|(prefix, _)| *prefix == wish.prefix) {
            None => found.push((wish.prefix, route)),
            Some((_, best)) if best.distance > distance => *best = route,
            Some((_, best)) if best.distance == distance => best.way = both(&best.way, route.way),
            Some(_) => {}
        }
    }
    found.into_iter().collect()
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

impl Wish<'_> {
    /// What is looked up for it.
    fn gateway_beside(&self) -> Option<(IpAddr, Option<IpNet>)> {
        let gateway = self.gateway.filter(|_| self.interface.is_none())?;
        Some((gateway, self.prefix.contains(&gateway).then_some(self.prefix)))
    }
}

fn wishes(config: &Config) -> impl Iterator<Item = Wish<'_>> {
    fn wish<'a, N: Into<IpNet> + Copy>((route, options): (&'a StaticRoute<N>, &'a RouteOptions)) -> Wish<'a> {
        Wish { prefix: route.prefix.into(), interface: route.interface, gateway: route.gateway, options }
    }
    config.routing.routes.iter().map(wish).chain(config.routing.routes6.iter().map(wish))
}

/// The paths on which packets for a gateway leave: on its subnet, or those of the route to it. Nobody is behind the router
/// itself, and nobody behind `Null0`.
fn behind(rib: &Rib, statics: &BTreeMap<IpNet, Route>, own: Option<IpNet>, gateway: IpAddr) -> Vec<Path> {
    let route = covering(gateway).filter(|prefix| Some(*prefix) != own).find_map(|prefix| {
        let others = rib.without(&prefix, Source::Static);
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
        let (_, found) = statics(&config, &rib, &|name| ups.contains(&name), Instant::default());
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
}
