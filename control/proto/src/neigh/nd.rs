//! Neighbor Discovery as it is heard and asked (RFC 4861 7). Linux answers solicitations for the router's own addresses;
//! here their senders are learned, and answers to our own are taken.

use super::arp::is_station;
use super::frame::ethernet;
use super::resolve::Heard;
use super::table::State;
use super::{Link, Neigh, Out};
use mona_wire::ip::ICMPV6;
use mona_wire::ip6::Ip6;
use mona_wire::nd::{self, HOP_LIMIT, Message};
use mona_wire::{Eth, Instant, Mac, VlanId, eth};
use std::net::{IpAddr, Ipv6Addr};

impl Neigh {
    pub(super) fn heard_nd(
        &mut self,
        now: Instant,
        vlan: VlanId,
        header: &Eth,
        packet: &[u8],
        message: Message,
        out: &mut Vec<Out>,
    ) {
        self.counters.nd_in += 1;
        let Some(Ip6 { src, .. }) = Ip6::parse(packet) else { return };
        let Some(link) = self.links.get_mut(&vlan) else { return };
        if header.src == link.interface.mac {
            return;
        }
        match message {
            Message::NeighborSolicit { target, source } if link.interface.owns(IpAddr::V6(target)) => {
                if src.is_unspecified() {
                    return link.duplicate(now, IpAddr::V6(target), header.src, out);
                }
                self.mentioned(now, vlan, src, source, out);
            }
            // For others.
            Message::NeighborSolicit { .. } => {}
            Message::NeighborAdvert { target, router, solicited, overrides, mac } => {
                if link.interface.owns(IpAddr::V6(target)) {
                    return link.duplicate(now, IpAddr::V6(target), header.src, out);
                }
                let Some(advert) = Advert { router, solicited, overrides, mac }.valid() else { return };
                self.advertised(now, vlan, IpAddr::V6(target), advert, out);
            }
            Message::RouterSolicit { source } => {
                self.mentioned(now, vlan, src, source, out);
                let to = (!src.is_unspecified()).then_some((src, source.unwrap_or(header.src)));
                self.solicited_ra(now, vlan, to, out);
            }
            // What other routers say is for hosts.
            Message::RouterAdvert { .. } => {}
        }
    }

    /// A station told its address beside something else (RFC 4861 6.2.6, 7.2.3): it is known from then on, but not whether
    /// it hears us. If it was known at this address nothing changes.
    fn mentioned(&mut self, now: Instant, vlan: VlanId, src: Ipv6Addr, mac: Option<Mac>, out: &mut Vec<Out>) {
        let Some(link) = self.links.get(&vlan) else { return };
        let ip = IpAddr::V6(src);
        let Some(mac) = mac.filter(|mac| is_station(*mac) && *mac != link.interface.mac) else { return };
        let host = link.interface.on_link(ip) && !link.interface.owns(ip);
        let known = link.table.get(ip).is_some_and(|entry| entry.state.forwards() && entry.mac == mac);
        if host && !known {
            self.learn(now, vlan, ip, mac, Heard::Mentioned, out);
        }
    }

    /// RFC 4861 7.2.5
    fn advertised(&mut self, now: Instant, vlan: VlanId, ip: IpAddr, advert: Advert, out: &mut Vec<Out>) {
        let Some(link) = self.links.get_mut(&vlan) else { return };
        // An advertisement that nobody asked for adds nothing.
        let Some(entry) = link.table.get(ip) else { return };
        let (state, known, confirmed) = (entry.state, entry.mac, entry.confirmed);
        let heard = if advert.solicited { Heard::Confirmed } else { Heard::Mentioned };
        match state {
            State::Static => return,
            State::Incomplete | State::Failed => {
                let Some(mac) = advert.mac else { return };
                self.learn(now, vlan, ip, mac, heard, out);
            }
            State::Reachable | State::Stale | State::Delay | State::Probe => {
                let mac = advert.mac.unwrap_or(known);
                if mac != known && !advert.overrides {
                    if state == State::Reachable {
                        // Somebody claims another address for it: the one that is known has to prove itself.
                        let due = link.life(ip).map(|life| confirmed + life);
                        link.table.edit(now, ip, out, |entry| (entry.state, entry.due) = (State::Stale, due));
                    }
                    return;
                }
                if advert.solicited || mac != known {
                    self.learn(now, vlan, ip, mac, heard, out);
                }
            }
        }
        if let Some(link) = self.links.get_mut(&vlan).filter(|link| link.table.get(ip).is_some()) {
            link.table.edit(now, ip, out, |entry| entry.router = advert.router);
        }
    }
}

/// What an advertisement says.
#[derive(Clone, Copy)]
struct Advert {
    router: bool,
    solicited: bool,
    overrides: bool,
    mac: Option<Mac>,
}

impl Advert {
    /// A group address cannot be a neighbour's.
    fn valid(self) -> Option<Advert> {
        self.mac.is_none_or(is_station).then_some(self)
    }
}

impl Link {
    /// The solicitation for a neighbour: to the target's group, or to the one it is to be confirmed by.
    pub(super) fn solicitation(&self, target: Ipv6Addr, to: Option<Mac>) -> Option<Vec<u8>> {
        let src = self.interface.source6(target)?;
        let group = nd::solicited_node(target);
        let (dst, mac) = to.map_or((group, nd::group_mac(group)), |mac| (target, mac));
        let message = nd::neighbor_solicit(src, dst, target, self.interface.mac);
        Some(self.nd_frame(src, dst, mac, &message))
    }

    /// A frame with a message of Neighbor Discovery.
    pub(super) fn nd_frame(&self, src: Ipv6Addr, dst: Ipv6Addr, mac: Mac, message: &[u8]) -> Vec<u8> {
        // Network control (RFC 4594 3.1), as the errors.
        let (class, length) = (0xc0, message.len() as u16);
        let ip = Ip6 { class, flow: 0, length, next: ICMPV6, hop_limit: HOP_LIMIT, src, dst };
        ethernet(mac, self.interface.mac, eth::IPV6, &[&ip.bytes(), message])
    }
}
