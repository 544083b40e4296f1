//! The errors a router makes about packets it does not forward, and redirects (RFC 792, RFC 1812 4.3; RFC 4443, RFC 4861 8).
//!
//! Each kind has its own rate: a flood of packets whose TTL ends here does not keep path MTU discovery from working. A rate
//! of 100 a second and interface, and 1000 in all, lets a traceroute and many senders through; IOS's default of two a second
//! and destination would not.

use super::frame::ethernet;
use super::{Interface, Link, Neigh, Out};
use mona_wire::icmp;
use mona_wire::ip::{ICMP, ICMPV6};
use mona_wire::ip4::{self, Ip4};
use mona_wire::ip6::{self, Ip6};
use mona_wire::{Eth, Instant, Mac, VlanId, eth, nd};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Internetwork control: RFC 1812 4.3.2.5; for IPv6 alike.
const PRECEDENCE: u8 = 0xc0;
/// The largest packet with an error: what everybody can take (RFC 1812 4.3.2.3; RFC 4443 2.4(c)).
const MAX4: usize = 576;
const MAX6: usize = 1280;

/// What is said about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    Exceeded,
    NoRoute,
    HostUnreachable,
    Rejected,
    Prohibited,
    SourcePolicy,
    BeyondScope,
    TooBig(u16),
    Parameter(u16),
}

/// What has a rate of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Unreachable,
    TooBig,
    Exceeded,
    Parameter,
    Redirect,
}

impl Kind {
    /// How many there are.
    pub const COUNT: usize = 5;
}

impl Error {
    fn kind(self) -> Kind {
        match self {
            Error::Exceeded => Kind::Exceeded,
            Error::TooBig(_) => Kind::TooBig,
            Error::Parameter(_) => Kind::Parameter,
            Error::NoRoute
            | Error::HostUnreachable
            | Error::Rejected
            | Error::Prohibited
            | Error::SourcePolicy
            | Error::BeyondScope => Kind::Unreachable,
        }
    }

    /// Type, code and the word that depends on the type.
    fn icmp(self) -> Option<(u8, u8, [u8; 4])> {
        let word = |low: u16| u32::from(low).to_be_bytes();
        Some(match self {
            Error::Exceeded => (11, 0, [0; 4]),
            Error::NoRoute => (3, 0, [0; 4]),
            Error::HostUnreachable | Error::Rejected => (3, 1, [0; 4]),
            Error::Prohibited | Error::SourcePolicy => (3, 13, [0; 4]),
            Error::TooBig(mtu) => (3, 4, word(mtu)),
            Error::Parameter(pointer) => (12, 0, [pointer.min(255) as u8, 0, 0, 0]),
            Error::BeyondScope => return None,
        })
    }

    fn icmp6(self) -> (u8, u8, [u8; 4]) {
        let word = |low: u16| u32::from(low).to_be_bytes();
        match self {
            // As Linux does. RFC 4443 3.1 calls code 6, "reject route", a subset of code 1, which means a policy.
            Error::NoRoute | Error::Rejected => (1, 0, [0; 4]),
            Error::Prohibited => (1, 1, [0; 4]),
            Error::BeyondScope => (1, 2, [0; 4]),
            Error::HostUnreachable => (1, 3, [0; 4]),
            Error::SourcePolicy => (1, 5, [0; 4]),
            Error::TooBig(mtu) => (2, 0, word(mtu)),
            Error::Exceeded => (3, 0, [0; 4]),
            Error::Parameter(pointer) => (4, 0, word(pointer)),
        }
    }
}

impl Neigh {
    /// Tells the sender of a frame that came in on `vlan` what became of it, if it may be told.
    pub(super) fn error(&mut self, now: Instant, vlan: VlanId, frame: &[u8], error: Error, out: &mut Vec<Out>) {
        let Some(header) = Eth::parse(frame) else { return };
        let packet = &frame[header.len()..];
        let Some(link) = self.links.get(&vlan) else { return };
        let wanted = |unreachables: bool| match error.kind() {
            Kind::Unreachable => unreachables,
            Kind::TooBig => unreachables || header.ethertype == eth::IPV6,
            Kind::Exceeded | Kind::Parameter | Kind::Redirect => true,
        };
        let made = match header.ethertype {
            eth::IPV4 if wanted(link.interface.unreachables) => self.error4(&header, packet, link, error),
            eth::IPV6 if wanted(link.interface.unreachables6) => self.error6(&header, packet, link, error),
            _ => return,
        };
        let Some((mac, packet)) = made else {
            self.counters.errors_exempt += 1;
            return;
        };
        if !self.may_tell(now, vlan, error.kind()) {
            return;
        }
        self.count(error, header.ethertype);
        let Some(link) = self.links.get(&vlan) else { return };
        let own = link.interface.mac;
        self.id = self.id.wrapping_add(u16::from(header.ethertype == eth::IPV4));
        let frame = ethernet(mac.unwrap_or(own), own, header.ethertype, &[&packet]);
        out.push(if mac.is_some() { Out::Send { vlan, frame } } else { Out::Route { vlan, frame } });
    }

    fn error4(&self, header: &Eth, packet: &[u8], link: &Link, error: Error) -> Option<(Option<Mac>, Vec<u8>)> {
        let about = Ip4::parse(packet).filter(|ip| self.may_tell_about4(header, ip, packet))?;
        let (kind, code, rest) = error.icmp()?;
        let src = link.interface.source4(about.src).or_else(|| self.any4())?;
        let quoted = &packet[..usize::from(about.length).min(MAX4 - ip4::HEADER - icmp::HEADER)];
        Some((None, packet4(self.id, src, about.src, &icmp::message(kind, code, rest, quoted))))
    }

    fn error6(&self, header: &Eth, packet: &[u8], link: &Link, error: Error) -> Option<(Option<Mac>, Vec<u8>)> {
        let about = Ip6::parse(packet)?;
        let (kind, code, rest) = error.icmp6();
        let told_to_groups = kind == 2;
        if !self.may_tell_about6(header, &about, packet, told_to_groups) {
            return None;
        }
        let near = about.src.is_unicast_link_local();
        let global = || link.interface.v6.first().map(|own| own.ip).or_else(|| self.any6());
        let src =
            if near { link.interface.link_local } else { link.interface.source6_global(about.src).or_else(global) };
        let src = src.or(link.interface.link_local)?;
        let quoted = &packet[..about.total().min(MAX6 - ip6::HEADER - icmp::HEADER)];
        let message = icmp::message6(src, about.src, kind, code, rest, quoted);
        let (length, dst) = (message.len() as u16, about.src);
        let ip = Ip6 { class: PRECEDENCE, flow: 0, length, next: ICMPV6, hop_limit: 255, src, dst };
        // A link-local address is reached on its link only; no route leads there.
        Some((near.then_some(header.src), [ip.bytes().as_slice(), &message].concat()))
    }

    /// RFC 1812 4.3.2.7
    fn may_tell_about4(&self, header: &Eth, ip: &Ip4, packet: &[u8]) -> bool {
        let broadcast = |ip: Ipv4Addr| {
            ip.is_broadcast()
                || self.links.values().any(|link| link.interface.v4.iter().any(|own| own.is_broadcast(ip)))
        };
        // Net 0, loopback, multicast, and class E, which holds the limited broadcast, are no single host's.
        let host = |ip: Ipv4Addr| !matches!(ip.octets()[0], 0 | 127 | 224..) && !broadcast(ip);
        let group = ip.dst.is_multicast() || broadcast(ip.dst);
        let later = ip.fragment & ip4::OFFSET != 0;
        let error = || ip.protocol == ICMP && !packet.get(ip.header).is_some_and(|kind| icmp::is_query(*kind));
        !header.dst.is_group() && host(ip.src) && !self.owns(IpAddr::V4(ip.src)) && !group && !later && !error()
    }

    /// RFC 4443 2.4(e)
    fn may_tell_about6(&self, header: &Eth, ip: &Ip6, packet: &[u8], told_to_groups: bool) -> bool {
        let host = !ip.src.is_multicast() && !ip.src.is_unspecified() && !ip.src.is_loopback();
        let group = ip.dst.is_multicast() || header.dst.is_group();
        // What cannot be read to its end is not known to be no error.
        let error = || match ip.upper(packet) {
            Some(upper) if !upper.first => false,
            Some(upper) => upper.protocol == ICMPV6 && packet.get(upper.at).is_none_or(|kind| icmp::is_error6(*kind)),
            None => true,
        };
        host && !self.owns(IpAddr::V6(ip.src)) && (!group || told_to_groups) && !error()
    }

    /// A packet was forwarded back to where it came from: its sender could have taken the next hop itself (RFC 1812
    /// 5.2.7.2, RFC 4861 8.2).
    pub(super) fn redirect(&mut self, now: Instant, vlan: VlanId, next: IpAddr, frame: &[u8], out: &mut Vec<Out>) {
        let Some(header) = Eth::parse(frame) else { return };
        let packet = &frame[header.len()..];
        let Some(link) = self.links.get(&vlan) else { return };
        let made = match (header.ethertype, next) {
            (eth::IPV4, IpAddr::V4(next)) if link.interface.redirects => self.redirect4(&header, packet, link, next),
            (eth::IPV6, IpAddr::V6(next)) if link.interface.redirects6 => self.redirect6(&header, packet, link, next),
            _ => return,
        };
        let Some(frame) = made else {
            self.counters.errors_exempt += 1;
            return;
        };
        if self.may_tell(now, vlan, Kind::Redirect) {
            let six = header.ethertype == eth::IPV6;
            self.counters.icmp6_redirects += u64::from(six);
            self.counters.icmp_redirects += u64::from(!six);
            self.id = self.id.wrapping_add(u16::from(!six));
            out.push(Out::Send { vlan, frame });
        }
    }

    fn redirect4(&self, header: &Eth, packet: &[u8], link: &Link, next: Ipv4Addr) -> Option<Vec<u8>> {
        let about = Ip4::parse(packet).filter(|ip| self.may_tell_about4(header, ip, packet))?;
        // The sender must be a neighbour of the next hop; who routed by options wanted this way.
        let subnet = link.interface.v4.iter().find(|own| own.contains(next))?;
        if !subnet.contains(about.src) || source_routed(&packet[..about.header]) {
            return None;
        }
        let quoted = &packet[..usize::from(about.length).min(MAX4 - ip4::HEADER - icmp::HEADER)];
        // For the host: redirects for nets are not made any more (5.2.7.2).
        let message = icmp::message(5, 1, next.octets(), quoted);
        let packet = packet4(self.id, subnet.ip, about.src, &message);
        Some(ethernet(header.src, link.interface.mac, eth::IPV4, &[&packet]))
    }

    fn redirect6(&self, header: &Eth, packet: &[u8], link: &Link, next: Ipv6Addr) -> Option<Vec<u8>> {
        let about = Ip6::parse(packet).filter(|ip| self.may_tell_about6(header, ip, packet, false))?;
        // To a router by its link-local address, or to the destination itself.
        let named = next.is_unicast_link_local() || next == about.dst;
        if !named || !link.interface.on_link(IpAddr::V6(about.src)) {
            return None;
        }
        let src = link.interface.link_local?;
        let mac = link.table.get(IpAddr::V6(next)).filter(|entry| entry.state.forwards()).map(|entry| entry.mac);
        let message = nd::redirect((src, about.src), next, about.dst, mac, &packet[..about.total()]);
        Some(link.nd_frame(src, about.src, header.src, &message))
    }

    fn may_tell(&mut self, now: Instant, vlan: VlanId, kind: Kind) -> bool {
        let Some(link) = self.links.get_mut(&vlan) else { return false };
        let told = link.errors[kind as usize].take(now, self.limits.errors_per_second)
            && self.errors[kind as usize].take(now, self.limits.errors_per_second_total);
        self.counters.errors_limited += u64::from(!told);
        told
    }

    fn count(&mut self, error: Error, ethertype: u16) {
        let counters = &mut self.counters;
        *match (error.kind(), ethertype == eth::IPV6) {
            (Kind::Unreachable | Kind::TooBig, false) => &mut counters.icmp_unreachables,
            (Kind::Unreachable, true) => &mut counters.icmp6_unreachables,
            (Kind::TooBig, true) => &mut counters.icmp6_too_big,
            (Kind::Exceeded, false) => &mut counters.icmp_exceeded,
            (Kind::Exceeded, true) => &mut counters.icmp6_exceeded,
            (Kind::Parameter, false) => &mut counters.icmp_parameter,
            (Kind::Parameter, true) => &mut counters.icmp6_parameter,
            (Kind::Redirect, false) => &mut counters.icmp_redirects,
            (Kind::Redirect, true) => &mut counters.icmp6_redirects,
        } += 1;
    }

    fn owns(&self, ip: IpAddr) -> bool {
        self.links.values().any(|link| link.interface.owns(ip))
    }

    /// An address of the router, for an interface that has none (RFC 1812 4.3.2.4).
    fn any4(&self) -> Option<Ipv4Addr> {
        self.links
            .values()
            .filter(|link| link.interface.up)
            .find_map(|link| link.interface.v4.first())
            .map(|own| own.ip)
    }

    fn any6(&self) -> Option<Ipv6Addr> {
        self.links
            .values()
            .filter(|link| link.interface.up)
            .find_map(|link| link.interface.v6.first())
            .map(|own| own.ip)
    }
}

impl Interface {
    fn source6_global(&self, peer: Ipv6Addr) -> Option<Ipv6Addr> {
        self.v6.iter().find(|own| own.contains(peer)).map(|own| own.ip)
    }
}

fn packet4(id: u16, src: Ipv4Addr, dst: Ipv4Addr, message: &[u8]) -> Vec<u8> {
    let (header, length) = (ip4::HEADER, (ip4::HEADER + message.len()) as u16);
    let ip = Ip4 { header, tos: PRECEDENCE, length, id, fragment: 0, ttl: 255, protocol: ICMP, src, dst };
    [ip.bytes().as_slice(), message].concat()
}

/// Is there a loose or a strict source route among the options (RFC 791 3.1)?
fn source_routed(header: &[u8]) -> bool {
    let is_one = |kind| matches!(kind, Ok(ip4::LOOSE_SOURCE_ROUTE | ip4::STRICT_SOURCE_ROUTE));
    ip4::options(header).any(is_one)
}
