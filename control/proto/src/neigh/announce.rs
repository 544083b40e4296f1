//! Announcements of the router's own IPv4 addresses (RFC 5227 2.3): hosts that know another station by them, such as the
//! router before this one, learn that it is here. Linux would say nothing when an address is added, and does not know when
//! an interface gets its first forwarding port. IPv6 addresses it announces itself, once it knows that nobody else has them.

use super::frame::ethernet;
use super::{Interface, Link, Neigh, Out};
use mona_wire::arp::{Arp, ETHERTYPE, Operation};
use mona_wire::{Instant, Mac, VlanId};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// ANNOUNCE_INTERVAL; ANNOUNCE_NUM is 2 (RFC 5227 1.1).
const AGAIN: Duration = Duration::from_secs(2);

impl Link {
    /// The configuration was `old`: announces what is new, now and once more.
    pub(super) fn announce(&mut self, now: Instant, vlan: VlanId, old: &Interface, out: &mut Vec<Out>) {
        let Interface { up, mac, ref v4, .. } = self.interface;
        self.announce_again.retain(|ip, _| up && v4.iter().any(|own| own.ip == *ip));
        let said = |ip: Ipv4Addr| old.up && old.mac == mac && old.owns(IpAddr::V4(ip));
        for ip in v4.iter().map(|own| own.ip).filter(|ip| up && !said(*ip)) {
            out.push(announcement(vlan, mac, ip));
            self.announce_again.insert(ip, now + AGAIN);
        }
    }

    /// When something is to be announced again.
    pub(super) fn next_announcement(&self) -> Option<Instant> {
        self.announce_again.values().min().copied()
    }
}

impl Neigh {
    /// Time passed.
    pub(super) fn expire_announcements(&mut self, now: Instant, vlan: VlanId, out: &mut Vec<Out>) {
        let Some(link) = self.links.get_mut(&vlan) else { return };
        let mac = link.interface.mac;
        link.announce_again.retain(|ip, at| {
            let due = *at <= now;
            if due {
                out.push(announcement(vlan, mac, *ip));
            }
            !due
        });
    }
}

fn announcement(vlan: VlanId, mac: Mac, ip: Ipv4Addr) -> Out {
    let (operation, target_mac) = (Operation::Request, Mac::ZERO);
    let arp = Arp { operation, sender_mac: mac, sender: ip, target_mac, target: ip };
    Out::Send { vlan, frame: ethernet(Mac::BROADCAST, mac, ETHERTYPE, &[&arp.bytes()]) }
}
