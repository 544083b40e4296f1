//! Router advertisements (RFC 4861 6.2): now and then to all, soon when one is asked for, and once more, with lifetime zero,
//! when there will be no others.

use super::config::Preference;
use super::{Counters, Interface, Link, Neigh, Out, Ra};
use mona_wire::nd::{self, ALL_NODES, PrefixInformation, RouterAdvert};
use mona_wire::{Instant, Mac, VlanId};
use std::net::Ipv6Addr;
use std::time::Duration;

// RFC 4861 10.
const MAX_INITIAL_INTERVAL: Duration = Duration::from_secs(16);
const MAX_INITIAL: u8 = 3;
const MIN_DELAY: Duration = Duration::from_secs(3);
const MAX_RESPONSE_DELAY: Duration = Duration::from_millis(500);

/// The bits of the preference; a router that is none by default has none (RFC 4191 2.2).
const PREFERENCE: u8 = 0x18;

/// When advertisements to all are due.
#[derive(Clone, Copy, Debug, Default)]
pub struct Schedule {
    next: Option<Instant>,
    last: Option<Instant>,
    /// How many of the first, more frequent ones were sent.
    sent: u8,
    /// Hosts may have been told.
    told: bool,
}

impl Schedule {
    /// When something is to be done next.
    pub fn next(&self) -> Option<Instant> {
        self.next
    }

    /// The first instant, from `at` on, at which all may be told again.
    fn earliest(&self, at: Instant) -> Instant {
        self.last.map_or(at, |last| at.max(last + MIN_DELAY))
    }
}

/// What an interface advertises, and from where.
fn advertises(interface: &Interface) -> Option<(&Ra, Ipv6Addr)> {
    interface.ra.as_ref().filter(|_| interface.up).zip(interface.link_local)
}

impl Link {
    /// The configuration will be `next`: says good-bye if hosts shall not use this router any more (RFC 4861 6.2.5), or not
    /// by this address (6.2.8).
    pub(super) fn retire_ra(&mut self, vlan: VlanId, next: &Interface, out: &mut Vec<Out>) {
        let Some((ra, src)) = advertises(&self.interface) else { return };
        let goes_on = advertises(next).is_some_and(|(_, address)| address == src) && next.mac == self.interface.mac;
        if !goes_on && self.ra.told {
            let mut last = advert(ra, self.interface.mac);
            (last.lifetime, last.flags) = (0, last.flags & !PREFERENCE);
            let message = last.message(src, ALL_NODES);
            self.ra.told = false;
            out.push(Out::Send { vlan, frame: self.nd_frame(src, ALL_NODES, nd::group_mac(ALL_NODES), &message) });
        }
    }

    /// The configuration was `old`: what is new is told soon, and then a few times more often.
    pub(super) fn schedule_ra(&mut self, now: Instant, old: &Interface) {
        let said = |interface: &Interface| advertises(interface).map(|(ra, src)| (ra.clone(), src, interface.mac));
        let (before, after) = (said(old), said(&self.interface));
        if before == after {
            return;
        }
        let suppress = after.as_ref().is_none_or(|(ra, ..)| ra.suppress);
        self.ra.sent = 0;
        self.ra.next = None;
        if !suppress {
            let delay = self.between(Duration::ZERO, MAX_RESPONSE_DELAY);
            self.ra.next = Some(self.ra.earliest(now + delay));
        }
    }

    /// Time passed.
    pub(super) fn expire_ra(&mut self, now: Instant, vlan: VlanId, counters: &mut Counters, out: &mut Vec<Out>) {
        if self.ra.next.is_none_or(|next| next > now) {
            return;
        }
        self.ra.next = None;
        let Some((ra, src)) = advertises(&self.interface) else { return };
        let message = advert(ra, self.interface.mac).message(src, ALL_NODES);
        let (suppress, least, most) = (ra.suppress, ra.interval_min.max(MIN_DELAY), ra.interval.max(MIN_DELAY));
        out.push(Out::Send { vlan, frame: self.nd_frame(src, ALL_NODES, nd::group_mac(ALL_NODES), &message) });
        counters.nd_adverts_out += 1;
        (self.ra.last, self.ra.told) = (Some(now), true);
        self.ra.sent = (self.ra.sent + 1).min(MAX_INITIAL);
        if !suppress {
            let interval = self.between(least.min(most), most);
            let first = self.ra.sent < MAX_INITIAL;
            self.ra.next = Some(now + if first { interval.min(MAX_INITIAL_INTERVAL) } else { interval });
        }
    }
}

impl Neigh {
    /// A host asks for an advertisement; `to` is where it is, if it has an address (RFC 4861 6.2.6).
    pub(super) fn solicited_ra(&mut self, now: Instant, vlan: VlanId, to: Option<(Ipv6Addr, Mac)>, out: &mut Vec<Out>) {
        let Some(link) = self.links.get_mut(&vlan) else { return };
        let Some((ra, src)) = advertises(&link.interface) else { return };
        if let Some((dst, mac)) = to.filter(|_| ra.solicited_unicast) {
            let message = advert(ra, link.interface.mac).message(src, dst);
            if !link.requests.take(now, self.limits.requests_per_second) {
                self.counters.requests_limited += 1;
                return;
            }
            self.counters.nd_adverts_out += 1;
            link.ra.told = true;
            out.push(Out::Send { vlan, frame: link.nd_frame(src, dst, mac, &message) });
            return;
        }
        let delay = link.between(Duration::ZERO, MAX_RESPONSE_DELAY);
        let at = link.ra.earliest(now) + delay;
        link.ra.next = Some(link.ra.next.map_or(at, |next| next.min(at)));
    }
}

fn advert(ra: &Ra, source: Mac) -> RouterAdvert {
    let preference = match ra.preference {
        Preference::High => 0x08,
        Preference::Medium => 0,
        Preference::Low => 0x18,
    };
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    let preference = flag(!ra.lifetime.is_zero(), preference);
    let information = |prefix: &super::RaPrefix| PrefixInformation {
        prefix: masked(prefix.prefix.ip, prefix.prefix.length),
        length: prefix.prefix.length,
        flags: flag(prefix.on_link, 0x80) | flag(prefix.autonomous, 0x40),
        valid: seconds(prefix.valid),
        preferred: seconds(prefix.preferred.min(prefix.valid)),
    };
    RouterAdvert {
        hop_limit: ra.hop_limit,
        flags: flag(ra.managed, 0x80) | flag(ra.other, 0x40) | preference,
        lifetime: ra.lifetime.as_secs().try_into().unwrap_or(u16::MAX),
        reachable: millis(ra.reachable),
        retransmit: millis(ra.retransmit),
        source: Some(source),
        mtu: ra.mtu,
        prefixes: ra.prefixes.iter().map(information).collect(),
    }
}

fn masked(ip: Ipv6Addr, length: u8) -> Ipv6Addr {
    Ipv6Addr::from_bits(ip.to_bits() & !u128::MAX.checked_shr(length.into()).unwrap_or(0))
}

/// All ones, for what is longer.
fn seconds(duration: Duration) -> u32 {
    duration.as_secs().try_into().unwrap_or(u32::MAX)
}

fn millis(duration: Duration) -> u32 {
    duration.as_millis().try_into().unwrap_or(u32::MAX)
}
