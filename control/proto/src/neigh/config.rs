//! What the operator said, as far as neighbours, ICMP errors and router advertisements depend on it.

use mona_wire::{Mac, VlanId};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// The router's interfaces, by the VLAN they are in (a routed port has an internal one of its own).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Interfaces; those that are down too, so that they are known when they come up.
    pub interfaces: BTreeMap<VlanId, Interface>,
    /// Bounds.
    pub limits: Limits,
}

/// An address and the length of its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address<Ip> {
    /// The router's own address.
    pub ip: Ip,
    /// Bits that it shares with its neighbours.
    pub length: u8,
}

/// An interface of the router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// For log lines: `Vlan10`.
    pub name: String,
    /// Does the interface carry frames?
    pub up: bool,
    /// The router's MAC address there.
    pub mac: Mac,
    /// IPv4 addresses, the primary one first.
    pub v4: Vec<Address<Ipv4Addr>>,
    /// IPv6 addresses other than link-local.
    pub v6: Vec<Address<Ipv6Addr>>,
    /// The link-local address, if IPv6 is on.
    pub link_local: Option<Ipv6Addr>,
    /// `arp timeout`; zero: never.
    pub arp_timeout: Duration,
    /// `ip proxy-arp`
    pub proxy_arp: bool,
    /// `ip redirects`
    pub redirects: bool,
    /// `ip unreachables`: all of ICMP type 3, "fragmentation needed" too, as on IOS.
    pub unreachables: bool,
    /// `ipv6 redirects`
    pub redirects6: bool,
    /// `ipv6 unreachables`: ICMPv6 type 1.
    pub unreachables6: bool,
    /// `ipv6 nd reachable-time`: how long a neighbour that has answered is taken to be there.
    pub reachable: Duration,
    /// `ipv6 nd ns-interval`: between solicitations.
    pub retransmit: Duration,
    /// `ipv6 nd cache expire`: how long a neighbour that nothing is sent to is remembered.
    pub expire: Duration,
    /// Router advertisements; `None`: there are none (`ipv6 nd ra suppress all`, or no `ipv6 unicast-routing`).
    pub ra: Option<Ra>,
    /// `arp IP MAC`, `ipv6 neighbor IP INTERFACE MAC`
    pub statics: BTreeMap<IpAddr, Mac>,
}

/// Router advertisements of an interface (RFC 4861 6.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ra {
    /// `ipv6 nd ra suppress`: none unasked, but solicitations are answered.
    pub suppress: bool,
    /// MaxRtrAdvInterval.
    pub interval: Duration,
    /// MinRtrAdvInterval.
    pub interval_min: Duration,
    /// `ipv6 nd ra lifetime`, AdvDefaultLifetime; zero: not a default router.
    pub lifetime: Duration,
    /// `ipv6 nd managed-config-flag`
    pub managed: bool,
    /// `ipv6 nd other-config-flag`
    pub other: bool,
    /// `ipv6 nd router-preference` (RFC 4191).
    pub preference: Preference,
    /// Hop limit that hosts shall use; 0: no advice.
    pub hop_limit: u8,
    /// MTU option.
    pub mtu: Option<u32>,
    /// `ipv6 nd reachable-time` where it was set; zero: no advice.
    pub reachable: Duration,
    /// `ipv6 nd ns-interval` where it was set; zero: no advice.
    pub retransmit: Duration,
    /// `ipv6 nd ra solicited unicast`: a solicitation is answered to its sender (RFC 7772 4.1), not to all.
    pub solicited_unicast: bool,
    /// Prefixes.
    pub prefixes: Vec<RaPrefix>,
}

/// Which of several default routers hosts shall take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preference {
    /// Rather than others.
    High,
    /// As others.
    #[default]
    Medium,
    /// If there is no other.
    Low,
}

/// A prefix in router advertisements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RaPrefix {
    /// An address of the prefix.
    pub prefix: Address<Ipv6Addr>,
    /// Its addresses are neighbours.
    pub on_link: bool,
    /// Hosts may make addresses of it.
    pub autonomous: bool,
    /// How long it is on link; `Duration::MAX`: for ever.
    pub valid: Duration,
    /// How long addresses made of it are preferred.
    pub preferred: Duration,
}

/// Every table and queue has a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Dynamic neighbours of an interface. When it is reached the one that expires next goes.
    pub neighbours: usize,
    /// Dynamic neighbours of all interfaces.
    pub neighbours_total: usize,
    /// Neighbours of an interface that are asked for or did not answer. When it is reached the oldest goes: a scan of a
    /// prefix pushes out itself, while a neighbour that is there answers long before.
    pub unresolved: usize,
    /// Frames that wait for one neighbour (at least 1: RFC 1122 2.3.2.2). When it is reached the oldest goes.
    pub queue_frames: usize,
    /// Bytes that wait for one neighbour.
    pub queue_bytes: usize,
    /// Bytes that wait altogether. When it is reached those go that wait longest on the same interface.
    pub held_bytes: usize,
    /// Requests and solicitations an interface broadcasts in a second, whatever is asked for.
    pub requests_per_second: u32,
    /// ICMP errors of a kind made in a second for one interface's packets, and as many at once.
    pub errors_per_second: u32,
    /// The same for all interfaces.
    pub errors_per_second_total: u32,
}

impl<Ip: Copy + Into<IpAddr>> Address<Ip> {
    /// Does the prefix hold it?
    pub fn contains(&self, ip: impl Into<IpAddr>) -> bool {
        match (self.ip.into(), ip.into()) {
            (IpAddr::V4(own), IpAddr::V4(ip)) => {
                common(u128::from(own.to_bits()), ip.to_bits().into(), self.length, 32)
            }
            (IpAddr::V6(own), IpAddr::V6(ip)) => common(own.to_bits(), ip.to_bits(), self.length, 128),
            _ => false,
        }
    }
}

/// Are the first `length` of the low `width` bits alike?
fn common(a: u128, b: u128, length: u8, width: u8) -> bool {
    (a ^ b).checked_shr(u32::from(width.saturating_sub(length))).unwrap_or(0) == 0
}

impl Address<Ipv4Addr> {
    /// Is it a broadcast address of this subnet: host part all ones, or all zero, which is obsolete (RFC 1812 4.2.3.1)?
    /// There is none where a prefix has no room for it (RFC 3021).
    pub fn is_broadcast(&self, ip: Ipv4Addr) -> bool {
        let host = u32::MAX.checked_shr(u32::from(self.length)).unwrap_or(0);
        self.length < 31 && self.contains(ip) && (ip.to_bits() & host == host || ip.to_bits() & host == 0)
    }
}

impl RaPrefix {
    /// As IOS advertises a prefix of its own: on link and autonomous, valid for 30 days, preferred for 7.
    pub fn of(prefix: Address<Ipv6Addr>) -> RaPrefix {
        let days = |days: u64| Duration::from_secs(days * 86_400);
        RaPrefix { prefix, on_link: true, autonomous: true, valid: days(30), preferred: days(7) }
    }
}

impl Default for Interface {
    /// IOS's defaults, without a name, an address, or advertisements.
    fn default() -> Interface {
        Interface {
            name: String::new(),
            up: false,
            mac: Mac::ZERO,
            v4: Vec::new(),
            v6: Vec::new(),
            link_local: None,
            arp_timeout: Duration::from_secs(4 * 3600),
            proxy_arp: true,
            redirects: true,
            unreachables: true,
            redirects6: true,
            unreachables6: true,
            reachable: Duration::from_secs(30),
            retransmit: Duration::from_secs(1),
            expire: Duration::from_secs(4 * 3600),
            ra: None,
            statics: BTreeMap::new(),
        }
    }
}

impl Default for Ra {
    /// IOS's defaults.
    fn default() -> Ra {
        Ra {
            suppress: false,
            interval: Duration::from_secs(200),
            interval_min: Duration::from_secs(150),
            lifetime: Duration::from_secs(1800),
            managed: false,
            other: false,
            preference: Preference::Medium,
            hop_limit: 64,
            mtu: Some(1500),
            reachable: Duration::ZERO,
            retransmit: Duration::ZERO,
            solicited_unicast: false,
            prefixes: Vec::new(),
        }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            neighbours: 16_384,
            neighbours_total: 65_536,
            unresolved: 256,
            // At 10,000 frames a second, what comes while a neighbour answers within some milliseconds.
            queue_frames: 64,
            // Some super-frames of 64 KiB.
            queue_bytes: 256 * 1024,
            held_bytes: 8 << 20,
            requests_per_second: 1000,
            errors_per_second: 100,
            errors_per_second_total: 1000,
        }
    }
}

impl Interface {
    /// Is it an address of the router on this interface?
    pub fn owns(&self, ip: IpAddr) -> bool {
        match ip {
            IpAddr::V4(ip) => self.v4.iter().any(|own| own.ip == ip),
            IpAddr::V6(ip) => self.link_local == Some(ip) || self.v6.iter().any(|own| own.ip == ip),
        }
    }

    /// Is it an address that a neighbour on this link may have: in one of its prefixes, or link-local, and a host's?
    pub fn on_link(&self, ip: IpAddr) -> bool {
        match ip {
            IpAddr::V4(ip) => {
                self.v4.iter().any(|own| own.contains(ip)) && !self.v4.iter().any(|own| own.is_broadcast(ip))
            }
            IpAddr::V6(ip) if ip.is_unicast_link_local() => self.link_local.is_some(),
            IpAddr::V6(ip) => self.v6.iter().any(|own| own.contains(ip)),
        }
    }

    /// The IPv4 address to speak to `peer` from: of its subnet, else the primary one.
    pub fn source4(&self, peer: Ipv4Addr) -> Option<Ipv4Addr> {
        self.v4.iter().find(|own| own.contains(peer)).or(self.v4.first()).map(|own| own.ip)
    }

    /// The IPv6 address to speak to the neighbour `peer` from: of its prefix, else link-local.
    pub fn source6(&self, peer: Ipv6Addr) -> Option<Ipv6Addr> {
        self.v6.iter().find(|own| own.contains(peer)).map(|own| own.ip).or(self.link_local)
    }
}
