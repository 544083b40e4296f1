//! ARP as it is heard and asked (RFC 826): who speaks is updated, who asks us is learned, and for proxy ARP (RFC 1027) who
//! asks for what lies behind the router is answered.

use super::frame::ethernet;
use super::resolve::Heard;
use super::{Link, Neigh, Out, Reachable, Routed};
use mona_wire::arp::{Arp, ETHERTYPE, Operation};
use mona_wire::{Eth, Instant, Mac, VlanId, eth, nd};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// How often a duplicate address is complained of.
const DUPLICATE_EVERY: Duration = Duration::from_secs(30);

impl Neigh {
    /// An ARP or ND frame in a VLAN with an interface.
    pub(super) fn heard(&mut self, now: Instant, vlan: VlanId, frame: &[u8], routes: Reachable, out: &mut Vec<Out>) {
        if !self.links.get(&vlan).is_some_and(|link| link.interface.up) {
            return;
        }
        let Some(header) = Eth::parse(frame) else { return };
        let packet = &frame[header.len()..];
        let valid = match header.ethertype {
            ETHERTYPE => Arp::parse(packet).map(|arp| self.heard_arp(now, vlan, &arp, routes, out)),
            eth::IPV6 => {
                nd::Message::parse(packet).map(|message| self.heard_nd(now, vlan, &header, packet, message, out))
            }
            _ => return,
        };
        self.counters.invalid += u64::from(valid.is_none());
    }

    fn heard_arp(&mut self, now: Instant, vlan: VlanId, arp: &Arp, routes: Reachable, out: &mut Vec<Out>) {
        let request = arp.operation == Operation::Request;
        self.counters.arp_requests_in += u64::from(request);
        self.counters.arp_replies_in += u64::from(!request);
        let Some(link) = self.links.get_mut(&vlan) else { return };
        let sender = IpAddr::V4(arp.sender);
        if !is_station(arp.sender_mac) || arp.sender_mac == link.interface.mac {
            return;
        }
        if link.interface.owns(sender) {
            return link.duplicate(now, sender, arp.sender_mac, out);
        }
        let for_us = link.interface.owns(IpAddr::V4(arp.target));
        // RFC 826: merge what is there; add the sender if we are the target. An answer that nobody asked for and an
        // announcement add nothing.
        let asks_us = request && for_us && link.has_neighbour(vlan, sender, routes);
        if link.table.get(sender).is_some() || asks_us {
            self.learn(now, vlan, sender, arp.sender_mac, Heard::Confirmed, out);
        }
        if request && !for_us {
            self.proxy(vlan, arp, routes, out);
        }
    }

    /// Answers for an address that is reached through another interface. An announcement, a probe for a duplicate
    /// (RFC 5227), a sender that is not of this link, and an address of this link's own hosts are not answered.
    fn proxy(&mut self, vlan: VlanId, arp: &Arp, routes: Reachable, out: &mut Vec<Out>) {
        let Some(link) = self.links.get(&vlan) else { return };
        let interface = &link.interface;
        let target = IpAddr::V4(arp.target);
        let host = !arp.target.is_unspecified()
            && !arp.target.is_loopback()
            && !arp.target.is_link_local()
            && arp.target.octets()[0] < 224;
        let asks = arp.sender != arp.target && link.has_neighbour(vlan, IpAddr::V4(arp.sender), routes);
        let elsewhere = || routes(target).is_some_and(|routed| routed.vlan != vlan);
        if !interface.proxy_arp || !host || !asks || !elsewhere() {
            return;
        }
        let (sender_mac, target_mac) = (interface.mac, arp.sender_mac);
        let reply = Arp { operation: Operation::Reply, sender_mac, sender: arp.target, target_mac, target: arp.sender };
        self.counters.arp_proxied += 1;
        out.push(Out::Send { vlan, frame: ethernet(target_mac, sender_mac, ETHERTYPE, &[&reply.bytes()]) });
    }
}

impl Link {
    /// Is it a neighbour's address here: of one of the interface's prefixes, or one that a route says is here?
    pub(super) fn has_neighbour(&self, vlan: VlanId, ip: IpAddr, routes: Reachable) -> bool {
        self.interface.on_link(ip) || routes(ip) == Some(Routed { vlan, direct: true })
    }

    /// The request for a neighbour, to all or to the one it is to be confirmed by.
    pub(super) fn arp_request(&self, target: Ipv4Addr, to: Option<Mac>) -> Option<Vec<u8>> {
        let (sender, sender_mac) = (self.interface.source4(target)?, self.interface.mac);
        let request = Arp { operation: Operation::Request, sender_mac, sender, target_mac: Mac::ZERO, target };
        Some(ethernet(to.unwrap_or(Mac::BROADCAST), sender_mac, ETHERTYPE, &[&request.bytes()]))
    }

    /// Another station uses an address of the router.
    pub(super) fn duplicate(&mut self, now: Instant, ip: IpAddr, mac: Mac, out: &mut Vec<Out>) {
        if self.duplicate_logged.is_some_and(|last| now.since(last) < DUPLICATE_EVERY) {
            return;
        }
        self.duplicate_logged = Some(now);
        let tag = if ip.is_ipv4() { "%IP-4-DUPADDR" } else { "%IPV6_ND-4-DUPLICATE" };
        let text = format!("Duplicate address {ip} on {}, sourced by {mac}", self.interface.name);
        out.push(Out::Log { tag, text });
    }
}

/// Can one station have this address?
pub(super) fn is_station(mac: Mac) -> bool {
    !mac.is_group() && mac != Mac::ZERO
}
