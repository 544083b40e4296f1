//! What `packet-tracer` cites of a packet that is routed: the route, the neighbour, and what is said of the router's interfaces.

use crate::rib::{Route, Source, Way, covering};
use crate::show_ip::source;
use crate::switch::Switch;
use ipnet::{IpNet, Ipv4Net};
use mona_model::config::Config;
use mona_model::l3::{RouteOptions, StaticRoute};
use mona_model::names::InterfaceName;
use mona_model::print::{print, print_interface};
use mona_wire::VlanId;
use std::net::IpAddr;

impl Switch {
    /// The route that a packet for `to` takes, as far as there is room for it, and the lines that made it.
    pub(crate) fn route_behind(&self, to: IpAddr) -> (String, Vec<String>) {
        let room = |prefix: &IpNet| !self.fib.left_out().contains(prefix);
        let found = covering(to).filter(room).find_map(|prefix| Some((prefix, self.routes.rib.get(&prefix)?)));
        let Some((prefix, route)) = found else { return ("no route".into(), Vec::new()) };
        let lines = match (&route.way, route.source) {
            (_, Source::Static) => static_lines(&self.config, prefix, route),
            (_, Source::Kernel(_)) => Vec::new(),
            (Way::Local, _) => {
                self.owner(prefix.addr()).map(|name| self.address_lines(name, prefix)).unwrap_or_default()
            }
            (Way::Broadcast(name), _) => self.address_lines(*name, prefix),
            (Way::Paths(paths), _) => {
                paths.first().map(|path| self.address_lines(path.interface, prefix)).unwrap_or_default()
            }
            (Way::Null(_), _) => Vec::new(),
        };
        (format!("{prefix}, {}", source(route.source).word()), lines)
    }

    /// The line that says the neighbour's MAC, if he did not say it himself.
    pub(crate) fn neighbour_behind(&self, vlan: VlanId, address: IpAddr) -> Vec<String> {
        let routing = &self.config.routing;
        let line = match address {
            IpAddr::V4(ip) => routing.arp.get(&ip).map(|mac| format!("arp {ip} {mac} arpa")),
            IpAddr::V6(ip) => self
                .state
                .router_in(vlan)
                .and_then(|name| Some(format!("ipv6 neighbor {ip} {name} {}", routing.neighbors.get(&(name, ip))?))),
        };
        line.into_iter().collect()
    }

    /// What is said of the router's interface in this VLAN that begins with one of these words.
    pub(crate) fn lines_at(&self, vlan: VlanId, words: &[&str]) -> Vec<String> {
        let begins = |line: &str| words.iter().any(|words| line.trim_start().starts_with(words));
        self.state.router_in(vlan).map(|name| self.lines_of(name, begins)).unwrap_or_default()
    }

    /// The router's interface in this VLAN, by its name.
    pub(crate) fn router_name(&self, vlan: VlanId) -> String {
        self.state.router_in(vlan).map_or_else(|| format!("VLAN {vlan}"), |name| name.to_string())
    }

    /// The addresses of an interface in whose subnet the prefix lies.
    fn address_lines(&self, name: InterfaceName, prefix: IpNet) -> Vec<String> {
        self.lines_of(name, |line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let net = match words[..] {
                ["ip", "address", ip, mask, ..] => ip
                    .parse()
                    .ok()
                    .zip(mask.parse().ok())
                    .and_then(|(ip, mask)| Ipv4Net::with_netmask(ip, mask).ok().map(IpNet::from)),
                ["ipv6", "address", net, ..] => net.parse().ok(),
                _ => None,
            };
            net.is_some_and(|net: IpNet| net.contains(&prefix))
        })
    }

    /// The head of an interface and the lines of it that are wanted; nothing if there are none.
    fn lines_of(&self, name: InterfaceName, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let lines = print_interface(&self.config, name);
        let found: Vec<String> = lines.iter().skip(1).filter(|line| wanted(line)).cloned().collect();
        match found.is_empty() {
            true => found,
            false => lines.into_iter().take(1).chain(found).collect(),
        }
    }
}

/// The static routes to the prefix that are in use: one of a greater distance waits.
fn static_lines(config: &Config, prefix: IpNet, route: &Route) -> Vec<String> {
    fn used<N: Into<IpNet> + Copy>(wish: &(&StaticRoute<N>, &RouteOptions), prefix: IpNet, distance: u8) -> bool {
        wish.0.prefix.into() == prefix && wish.1.distance.unwrap_or(Source::Static.distance()) == distance
    }
    let routing = &config.routing;
    let mut only = Config::default();
    let four = routing.routes.iter().filter(|wish| used(wish, prefix, route.distance));
    only.routing.routes = four.map(|(to, options)| (to.clone(), options.clone())).collect();
    let six = routing.routes6.iter().filter(|wish| used(wish, prefix, route.distance));
    only.routing.routes6 = six.map(|(to, options)| (to.clone(), options.clone())).collect();
    let is_route = |line: &String| line.starts_with("ip route ") || line.starts_with("ipv6 route ");
    print(&only, false).into_iter().filter(is_route).collect()
}
