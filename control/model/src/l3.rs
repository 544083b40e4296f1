//! What the operator said of layer 3: addresses and settings of interfaces, static routes, static neighbours.

use crate::names::InterfaceName;
use crate::shared::SharedMap;
use ipnet::{Ipv4Net, Ipv6Net};
use mona_wire::Mac;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `ip …` and `ipv6 …` of an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct L3 {
    /// `no switchport`: the port is routed. (Other interfaces are by nature.)
    pub routed: bool,
    /// `encapsulation dot1Q N [native]` of a sub-interface.
    pub encapsulation: Option<Encapsulation>,
    /// `ip …`
    pub ip: Ip,
    /// `ipv6 …`
    pub ipv6: Ip6,
}

/// `encapsulation dot1Q N [native]`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encapsulation {
    /// The VLAN identifier in the tag.
    pub vid: mona_wire::VlanId,
    /// The port's untagged frames are this sub-interface's, and leave without a tag.
    pub native: bool,
}

/// `ip …` of an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ip {
    /// `ip address A M`
    pub address: Option<Ipv4Net>,
    /// `ip address A M secondary`
    pub secondary: BTreeSet<Ipv4Net>,
    /// `ip unnumbered LOOPBACK`: instead of an address of its own, that of a loopback, which has one.
    pub unnumbered: Option<InterfaceName>,
    /// `ip mtu BYTES`; default: the interface's.
    pub mtu: Option<u16>,
    /// `ip proxy-arp`; default on.
    pub proxy_arp: bool,
    /// `ip redirects`; default on.
    pub redirects: bool,
    /// `ip unreachables`; default on.
    pub unreachables: bool,
    /// `ip directed-broadcast`; default off (RFC 2644).
    pub directed_broadcast: bool,
    /// `arp timeout SECONDS`; default four hours.
    pub arp_timeout: Option<u32>,
    /// `ip verify unicast source reachable-via …`
    pub verify: Option<Verify>,
}

impl Default for Ip {
    fn default() -> Ip {
        Ip {
            address: None,
            secondary: BTreeSet::new(),
            unnumbered: None,
            mtu: None,
            proxy_arp: true,
            redirects: true,
            unreachables: true,
            directed_broadcast: false,
            arp_timeout: None,
            verify: None,
        }
    }
}

/// `… verify unicast source reachable-via …` (RFC 3704).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verify {
    /// `rx`: by the interface it came in on (strict); else `any` (loose).
    pub strict: bool,
    /// `allow-default`: the default route counts.
    pub allow_default: bool,
}

/// `ipv6 …` of an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ip6 {
    /// `ipv6 enable`: a link-local address even without any other.
    pub enable: bool,
    /// `ipv6 address A link-local`; default: made of the MAC.
    pub link_local: Option<Ipv6Addr>,
    /// `ipv6 address A/L`; `true`: `eui-64`, the lower half is made of the MAC.
    pub addresses: BTreeSet<(Ipv6Net, bool)>,
    /// `ipv6 mtu BYTES`
    pub mtu: Option<u16>,
    /// `ipv6 redirects`; default on.
    pub redirects: bool,
    /// `ipv6 unreachables`; default on.
    pub unreachables: bool,
    /// `ipv6 verify unicast source reachable-via …`
    pub verify: Option<Verify>,
    /// `ipv6 nd …`
    pub nd: Nd,
}

impl Default for Ip6 {
    fn default() -> Ip6 {
        Ip6 {
            enable: false,
            link_local: None,
            addresses: BTreeSet::new(),
            mtu: None,
            redirects: true,
            unreachables: true,
            verify: None,
            nd: Nd::default(),
        }
    }
}

/// `ipv6 nd …` (RFC 4861 6.2.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Nd {
    /// `ra suppress`: no periodic advertisements.
    pub suppress: bool,
    /// `ra interval SECONDS`; default 200.
    pub interval: Option<u32>,
    /// `ra lifetime SECONDS`; default 1800.
    pub lifetime: Option<u32>,
    /// `reachable-time MILLISECONDS`; default 30 s here, unspecified in advertisements.
    pub reachable_ms: Option<u32>,
    /// `ns-interval MILLISECONDS`; default 1 s here, unspecified in advertisements.
    pub ns_interval_ms: Option<u32>,
    /// `managed-config-flag`
    pub managed: bool,
    /// `other-config-flag`
    pub other: bool,
    /// `dad attempts N`; default 1, 0 = none.
    pub dad_attempts: Option<u32>,
    /// `prefix P/L VALID PREFERRED [no-autoconfig]`, `prefix P/L no-advertise`
    pub prefixes: BTreeMap<Ipv6Net, AdvertisedPrefix>,
}

/// `ipv6 nd prefix …`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AdvertisedPrefix {
    /// `no-advertise`
    Hidden,
    /// Advertised with these lifetimes in seconds.
    Shown {
        /// Valid lifetime.
        valid: u32,
        /// Preferred lifetime, not more.
        preferred: u32,
        /// The A flag: hosts may make addresses of it.
        autoconfig: bool,
    },
}

/// The router as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Routing {
    /// `ip routing`; default on.
    pub ip: bool,
    /// `ipv6 unicast-routing`; default off.
    pub ipv6: bool,
    /// `ip martian strict`
    pub martian_strict: bool,
    /// `ip source-route`; default off, other than on IOS (RFC 7126 4.3, 4.4).
    pub source_route: bool,
    /// `ip options …`
    pub options: Option<IpOptions>,
    /// `ip cef load-sharing algorithm original`: by addresses alone; default: with protocol and ports.
    pub share_by_addresses: bool,
    /// `ip route …`
    pub routes: SharedMap<StaticRoute<Ipv4Net>, RouteOptions>,
    /// `ipv6 route …`
    pub routes6: SharedMap<StaticRoute<Ipv6Net>, RouteOptions>,
    /// `arp A H.H.H`
    pub arp: BTreeMap<Ipv4Addr, Mac>,
    /// `ipv6 neighbor A IFACE H.H.H`
    pub neighbors: BTreeMap<(InterfaceName, Ipv6Addr), Mac>,
}

/// `ip options …`: what becomes of packets with any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IpOptions {
    /// They are dropped.
    Drop,
    /// They are forwarded as those without.
    Ignore,
}

impl Default for Routing {
    fn default() -> Routing {
        Routing {
            ip: true,
            ipv6: false,
            martian_strict: false,
            source_route: false,
            options: None,
            share_by_addresses: false,
            routes: SharedMap::new(),
            routes6: SharedMap::new(),
            arp: BTreeMap::new(),
            neighbors: BTreeMap::new(),
        }
    }
}

/// A static route's prefix and way: what makes it one and no other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StaticRoute<N> {
    /// The destinations.
    pub prefix: N,
    /// By this interface; `Null0` drops.
    pub interface: Option<InterfaceName>,
    /// To this router. One of both is there.
    pub gateway: Option<IpAddr>,
}

/// What else is said of a static route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteOptions {
    /// Administrative distance; default 1.
    pub distance: Option<u8>,
    /// `name WORD`
    pub name: Option<String>,
    /// `tag N`
    pub tag: Option<u32>,
}

impl L3 {
    /// Has it an IPv4 address, if only a borrowed one?
    pub fn has_ip(&self) -> bool {
        self.ip.address.is_some() || self.ip.unnumbered.is_some()
    }

    /// Does it speak IPv6?
    pub fn has_ip6(&self) -> bool {
        self.ipv6.enable || self.ipv6.link_local.is_some() || !self.ipv6.addresses.is_empty()
    }

    /// IPv4 addresses of its own, the primary first.
    pub fn ips(&self) -> impl Iterator<Item = Ipv4Net> + '_ {
        self.ip.address.into_iter().chain(self.ip.secondary.iter().copied())
    }
}
