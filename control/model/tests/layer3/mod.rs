//! Random layer 3: interfaces of the router whose subnets do not overlap, routes, static neighbours.

use ipnet::{Ipv4Net, Ipv6Net};
use mona_model::config::{Config, InterfaceConfig};
use mona_model::l3::{
    AdvertisedPrefix, Encapsulation, Ip, Ip6, IpOptions, L3, Nd, RouteOptions, Routing, StaticRoute, Verify,
};
use mona_model::names::{InterfaceKind, InterfaceName};
use mona_wire::{Mac, VlanId};
use proptest::option;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

fn verify() -> impl Strategy<Value = Option<Verify>> {
    let of = |(strict, allow_default)| Verify { strict, allow_default };
    option::of((any::<bool>(), any::<bool>()).prop_map(of))
}

prop_compose! {
    fn ip()(
        mtu in option::of(68u16..=9216),
        (proxy_arp, redirects, unreachables, directed_broadcast) in any::<(bool, bool, bool, bool)>(),
        arp_timeout in option::of(1u32..=2_147_483),
        verify in verify(),
    ) -> Ip {
        Ip { mtu, proxy_arp, redirects, unreachables, directed_broadcast, arp_timeout, verify, ..Ip::default() }
    }
}

prop_compose! {
    fn nd()(
        (suppress, managed, other) in any::<(bool, bool, bool)>(),
        interval in option::of(4u32..=1800),
        lifetime in option::of(0u32..=9000),
        reachable_ms in option::of(0u32..=3_600_000),
        ns_interval_ms in option::of(1000u32..=3_600_000),
        dad_attempts in option::of(0u32..=600),
        prefixes in proptest::collection::btree_map(0u16..9, (any::<u32>(), any::<u32>(), any::<bool>(), any::<bool>()), 0..3),
    ) -> Nd {
        let prefix = |(n, (a, b, autoconfig, hidden)): (u16, (u32, u32, bool, bool))| {
            let net = Ipv6Net::new(Ipv6Addr::new(0x2001, 0xdb8, 0xeee, n, 0, 0, 0, 0), 64).expect("a length");
            let shown = AdvertisedPrefix::Shown { valid: a.max(b), preferred: a.min(b), autoconfig };
            (net, if hidden { AdvertisedPrefix::Hidden } else { shown })
        };
        let prefixes = prefixes.into_iter().map(prefix).collect();
        Nd { suppress, interval, lifetime, reachable_ms, ns_interval_ms, managed, other, dad_attempts, prefixes }
    }
}

prop_compose! {
    fn ip6()(
        (enable, redirects, unreachables) in any::<(bool, bool, bool)>(),
        link_local in option::of(1u16..100),
        mtu in option::of(1280u16..=9216),
        verify in verify(),
        nd in nd(),
    ) -> Ip6 {
        let link_local = link_local.map(|n| Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, n));
        Ip6 { enable, link_local, mtu, redirects, unreachables, verify, nd, ..Ip6::default() }
    }
}

/// Its addresses are given by [`add`], for they must not overlap.
fn one() -> impl Strategy<Value = (u8, u16, L3, u8, bool)> {
    let l3 = (ip(), ip6()).prop_map(|(ip, ipv6)| L3 { ip, ipv6, ..L3::default() });
    (0u8..4, 100u16..200, l3, 0u8..4, any::<bool>())
}

fn name(kind: u8, number: u16) -> InterfaceName {
    let of = |kind| InterfaceName { kind, slot: 0, number, sub: 0 };
    match kind {
        0 => of(InterfaceKind::Loopback),
        1 => of(InterfaceKind::Vlan),
        2 => InterfaceName::port(0, number),
        _ => InterfaceName { sub: 7, ..InterfaceName::port(0, number) },
    }
}

/// What is said of the router: interfaces, and the rest.
pub type Router = (Vec<(u8, u16, L3, u8, bool)>, Routing);

/// A router.
pub fn router() -> BoxedStrategy<Router> {
    (proptest::collection::vec(one(), 0..6), routing()).boxed()
}

fn routing() -> impl Strategy<Value = Routing> {
    let options = (option::of(2u8..=250), option::of("[a-z]{1,9}"), option::of(1u32..));
    let options = options.prop_map(|(distance, name, tag)| RouteOptions { distance, name, tag });
    let route = (0u8..60, 8u8..=24, option::of(any::<u8>()), 0u8..3, options).boxed();
    let macs = proptest::collection::vec((any::<u8>(), any::<[u8; 6]>()), 0..4);
    let routes = proptest::collection::vec(route, 0..6);
    (any::<[bool; 5]>(), 0u8..3, routes.clone(), routes, macs.clone(), macs).prop_map(
        |([ip, ipv6, martian_strict, source_route, share_by_addresses], options, four, six, arp, neighbors)| {
            let mac = |mut mac: [u8; 6]| {
                mac[0] &= 0xfe;
                Mac(mac)
            };
            let interface = |way: u8| match way {
                1 => Some("Vlan100".parse().expect("a name")),
                2 => Some("Null0".parse().expect("a name")),
                _ => None,
            };
            let mut routing =
                Routing { ip, ipv6, martian_strict, source_route, share_by_addresses, ..Routing::default() };
            routing.options = [None, Some(IpOptions::Drop), Some(IpOptions::Ignore)][usize::from(options)];
            for (net, length, gateway, way, options) in four {
                let prefix = Ipv4Net::new(Ipv4Addr::new(20 + net, 0, 0, 0), length).expect("a length");
                let gateway = gateway.map(|n| IpAddr::V4(Ipv4Addr::new(192, 0, 2, n)));
                let gateway =
                    if way == 0 { gateway.or(Some([192, 0, 2, 1].into())) } else { gateway.filter(|_| way == 1) };
                routing.routes.insert(StaticRoute { prefix, interface: interface(way), gateway }, options);
            }
            for (net, length, gateway, way, options) in six {
                let prefix = Ipv6Net::new(Ipv6Addr::new(0x2001, 0xdb8 + u16::from(net), 0, 0, 0, 0, 0, 0), 32 + length);
                let far = |n: u8| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xfff, 0, 0, 0, 0, u16::from(n)));
                let gateway = if way == 0 { gateway.or(Some(1)) } else { gateway.filter(|_| way == 1) }.map(far);
                let prefix = prefix.expect("a length");
                routing.routes6.insert(StaticRoute { prefix, interface: interface(way), gateway }, options);
            }
            routing.arp = arp.into_iter().map(|(n, m)| (Ipv4Addr::new(10, 0, 0, n), mac(m))).collect();
            let neighbor =
                |(n, m)| (("Vlan100".parse().expect("a name"), Ipv6Addr::from(u128::from(n) | 0xfd << 120)), mac(m));
            routing.neighbors = neighbors.into_iter().map(neighbor).collect();
            routing
        },
    )
}

/// Gives a configuration a router.
pub fn add(config: &mut Config, (interfaces, routing): Router) {
    config.routing = routing;
    for (index, (kind, number, mut l3, addresses, flag)) in interfaces.into_iter().enumerate() {
        let (name, index) = (name(kind, number), index as u8);
        // Whose address is borrowed stays.
        if kind == 0 && config.interfaces.contains_key(&name) {
            continue;
        }
        l3.routed = kind == 2;
        if let Some(parent) = name.parent() {
            let of_parent = config.interfaces.entry(parent).or_default();
            if !of_parent.l3.routed {
                *of_parent = InterfaceConfig { l3: L3 { routed: true, ..L3::default() }, ..InterfaceConfig::default() };
            }
            let vid = VlanId::new(number).expect("in range");
            l3.encapsulation = (addresses != 3).then_some(Encapsulation { vid, native: flag });
        }
        let four = |n: u8| Ipv4Net::new(Ipv4Addr::new(10, index, n, 1), 24).expect("a length");
        let six =
            |n: u16| Ipv6Net::new(Ipv6Addr::new(0x2001, 0xdb8, index.into(), n, 0, 0, 0, 1), 64).expect("a length");
        if addresses > 0 {
            l3.ip.address = Some(four(0));
            l3.ip.secondary = (1..addresses).map(four).collect();
            l3.ipv6.addresses = (1..addresses.into()).map(|n| (six(n), false)).collect();
        }
        // One without an address may borrow that of a loopback.
        let lends = |(name, other): &(&InterfaceName, &InterfaceConfig)| {
            name.kind == InterfaceKind::Loopback && other.l3.ip.address.is_some()
        };
        if addresses == 0 && kind > 0 && flag {
            l3.ip.unnumbered = config.interfaces.iter().find(lends).map(|(name, _)| *name);
        }
        let interface = InterfaceConfig { l3, shutdown: flag, ..InterfaceConfig::default() };
        config.interfaces.insert(name, interface);
    }
}
