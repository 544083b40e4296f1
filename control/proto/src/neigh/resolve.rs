//! Who is where: what is asked, for how long an answer counts, and what becomes of the frames that wait for it
//! (RFC 4861 7.2 and 7.3, RFC 1122 2.3.2 for IPv4).

use super::arp::is_station;
use super::icmp::Error;
use super::queue::Held;
use super::table::{Entry, State};
use super::{Link, Neigh, Out, Reachable};
use mona_wire::{Instant, Mac, VlanId};
use std::net::IpAddr;
use std::time::Duration;

/// MAX_MULTICAST_SOLICIT and MAX_UNICAST_SOLICIT (RFC 4861 10); for ARP too.
const ASK: u8 = 3;
/// DELAY_FIRST_PROBE_TIME (RFC 4861 10).
const DELAY: Duration = Duration::from_secs(5);
/// Between ARP requests for the same address: RFC 1122 2.3.2.1 recommends at most one a second.
const ARP_RETRANSMIT: Duration = Duration::from_secs(1);
/// How long an address that did not answer is not asked for again. Whoever sends there is told that it is unreachable.
const HOLD_DOWN: Duration = Duration::from_secs(5);
/// An ARP entry that is used is asked for this long before it would expire; half of a shorter timeout.
const ARP_PROBE_AHEAD: Duration = Duration::from_secs(120);
/// Workers have a neighbour that was added this long ago: a frame that they trap nevertheless tells that it got lost.
const PUBLISHED: Duration = Duration::from_secs(1);
/// Configured times are at least this, so that no timer runs wild.
const LEAST: Duration = Duration::from_millis(100);

/// How a neighbour's address came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It answered, or (ARP) spoke: it is there.
    Confirmed,
    /// It was mentioned: whether it hears us is not known.
    Mentioned,
}

impl Neigh {
    /// A frame shall leave by `vlan` to `next_hop`, whose station address the datapath did not know.
    pub(super) fn unresolved(&mut self, now: Instant, held: Held, vlan: VlanId, ip: IpAddr, out: &mut Vec<Out>) {
        let limits = self.limits;
        let Some(link) = self.links.get_mut(&vlan).filter(|link| link.can_ask(ip)) else {
            self.counters.unresolved += 1;
            return;
        };
        let known = link.table.get(ip).map(|entry| (entry.state, entry.mac, entry.confirmed));
        match known {
            None => {
                while link.table.unresolved() >= limits.unresolved.max(1)
                    && let Some(oldest) = link.table.oldest_unresolved()
                    && let Some(mut entry) = link.table.remove(oldest, out)
                {
                    self.held -= entry.queue.bytes();
                    self.counters.queue_dropped += entry.queue.take().len() as u64;
                }
                self.ask(now, vlan, ip, out);
                self.hold(now, held, vlan, ip, out);
            }
            Some((State::Incomplete, ..)) => self.hold(now, held, vlan, ip, out),
            Some((State::Failed, ..)) => {
                self.counters.unresolved += 1;
                self.error(now, held.vlan, &held.frame, Error::HostUnreachable, out);
            }
            Some((State::Static | State::Reachable | State::Stale | State::Delay | State::Probe, mac, confirmed)) => {
                // The frame and the neighbour's address crossed; or the datapath lost it, or never had room for it: then
                // the frame is not sent round for ever.
                if now.since(confirmed) >= PUBLISHED {
                    out.push(Out::Add { vlan, ip, mac });
                    self.counters.unresolved += 1;
                } else {
                    self.counters.released += 1;
                    out.push(again(held));
                }
            }
        }
    }

    fn hold(&mut self, now: Instant, held: Held, vlan: VlanId, ip: IpAddr, out: &mut Vec<Out>) {
        let limits = self.limits;
        let Some(link) = self.links.get_mut(&vlan) else { return };
        while self.held + held.frame.len() > limits.held_bytes
            && let Some(oldest) = link.table.oldest_waiting(ip)
        {
            let mut queue = link.table.edit(now, oldest, out, |entry| std::mem::take(&mut entry.queue));
            self.held -= queue.bytes();
            self.counters.queue_dropped += queue.take().len() as u64;
        }
        let room = limits.held_bytes.saturating_sub(self.held);
        let (before, after, dropped) = link.table.edit(now, ip, out, |entry| {
            let before = entry.queue.bytes();
            let dropped = entry.queue.push(held, &limits, room);
            (before, entry.queue.bytes(), dropped)
        });
        self.held = self.held - before + after;
        self.counters.queue_dropped += dropped;
    }

    /// Asks for a neighbour: everybody, or itself if it is only to be confirmed. Sets the time of the next question.
    fn ask(&mut self, now: Instant, vlan: VlanId, ip: IpAddr, out: &mut Vec<Out>) {
        let Some(link) = self.links.get_mut(&vlan) else { return };
        let due = now + link.retransmit(ip);
        let to = link.table.get(ip).filter(|entry| entry.state.forwards()).map(|entry| entry.mac);
        let asked = to.is_some() || link.requests.take(now, self.limits.requests_per_second);
        if asked {
            match ip {
                IpAddr::V4(_) => self.counters.arp_requests_out += 1,
                IpAddr::V6(_) => self.counters.nd_solicits_out += 1,
            }
            out.extend(link.question(ip, to).map(|frame| Out::Send { vlan, frame }));
        } else {
            self.counters.requests_limited += 1;
        }
        link.table.edit(now, ip, out, |entry| {
            entry.asked += u8::from(asked);
            entry.due = Some(due);
        });
    }

    /// A neighbour is there, at this address. Its frames go out. Static ones are not changed, and not overridden.
    pub(super) fn learn(&mut self, now: Instant, vlan: VlanId, ip: IpAddr, mac: Mac, heard: Heard, out: &mut Vec<Out>) {
        let before = self.links.get(&vlan).and_then(|link| link.table.get(ip)).map(|entry| entry.state);
        if before == Some(State::Static) || !before.is_some_and(State::forwards) && !self.make_room(vlan, out) {
            return;
        }
        let Some(link) = self.links.get_mut(&vlan) else { return };
        let fresh = link.fresh(ip).map(|reachable| now + reachable);
        let stale = link.life(ip).map(|life| now + life);
        let mut queue = link.table.edit(now, ip, out, |entry| {
            entry.mac = mac;
            entry.confirmed = now;
            let waiting = !entry.queue.is_empty();
            (entry.state, entry.due) = match heard {
                Heard::Confirmed => (State::Reachable, fresh),
                // What waits is sent now: that is use.
                Heard::Mentioned if waiting => (State::Delay, Some(now + DELAY)),
                Heard::Mentioned => (State::Stale, stale),
            };
            std::mem::take(&mut entry.queue)
        });
        self.held -= queue.bytes();
        for held in queue.take() {
            self.counters.released += 1;
            out.push(again(held));
        }
    }

    /// Room for one more learned neighbour: if there is none, the one that expires first goes.
    fn make_room(&mut self, vlan: VlanId, out: &mut Vec<Out>) -> bool {
        let total: usize = self.links.values().map(|link| link.table.dynamic()).sum();
        let Some(link) = self.links.get_mut(&vlan) else { return false };
        let full = link.table.dynamic() >= self.limits.neighbours.max(1);
        if full || total >= self.limits.neighbours_total.max(1) {
            let Some(first) = link.table.first_dynamic() else { return false };
            link.table.remove(first, out);
            self.counters.evicted += 1;
        }
        true
    }

    /// A neighbour as it was before a restart: frames go there, and it is asked when they do.
    pub(super) fn remember(
        &mut self,
        now: Instant,
        (vlan, ip): (VlanId, IpAddr),
        mac: Mac,
        routes: Reachable,
        out: &mut Vec<Out>,
    ) {
        let Some(link) = self.links.get(&vlan) else { return };
        let known = link.table.get(ip).is_some_and(|entry| entry.state.forwards());
        if link.can_ask(ip) && link.has_neighbour(vlan, ip, routes) && is_station(mac) && !known {
            self.learn(now, vlan, ip, mac, Heard::Mentioned, out);
        }
    }

    /// A static neighbour.
    pub(super) fn fix(&mut self, now: Instant, vlan: VlanId, ip: IpAddr, mac: Mac, out: &mut Vec<Out>) {
        let Some(link) = self.links.get_mut(&vlan) else { return };
        let mut queue = link.table.edit(now, ip, out, |entry| {
            let queue = std::mem::take(&mut entry.queue);
            *entry = Entry { state: State::Static, mac, ..Entry::new(now) };
            queue
        });
        self.held -= queue.bytes();
        out.extend(queue.take().into_iter().map(again));
    }

    /// The datapath forwarded to it: one in doubt is asked.
    pub(super) fn used(&mut self, now: Instant, vlan: VlanId, ip: IpAddr, out: &mut Vec<Out>) {
        let Some(link) = self.links.get_mut(&vlan) else { return };
        if link.table.get(ip).is_none_or(|entry| entry.state != State::Stale) {
            return;
        }
        let state = if ip.is_ipv4() { State::Probe } else { State::Delay };
        link.table.edit(now, ip, out, |entry| {
            entry.state = state;
            entry.asked = 0;
            entry.due = Some(now + DELAY);
        });
        // IPv6 waits first: upper layers might confirm it on a host (RFC 4861 7.3.3); here it spreads the questions.
        if state == State::Probe {
            self.ask(now, vlan, ip, out);
        }
    }

    /// A neighbour's time has come.
    pub(super) fn due(&mut self, now: Instant, vlan: VlanId, ip: IpAddr, out: &mut Vec<Out>) {
        let Some(link) = self.links.get_mut(&vlan) else { return };
        let life = link.life(ip);
        let patience = link.retransmit(ip) * u32::from(ASK) * 2;
        let Some(entry) = link.table.get(ip) else { return };
        // One whose questions others leave no room for is given up as well.
        let goes_on = entry.asked < ASK && (entry.state == State::Probe || now.since(entry.confirmed) < patience);
        match (entry.state, goes_on) {
            (State::Incomplete | State::Probe, true) => self.ask(now, vlan, ip, out),
            (State::Incomplete, false) => {
                let mut queue = link.table.edit(now, ip, out, |entry| {
                    entry.state = State::Failed;
                    entry.due = Some(now + HOLD_DOWN);
                    std::mem::take(&mut entry.queue)
                });
                self.held -= queue.bytes();
                for held in queue.take() {
                    self.counters.unresolved += 1;
                    self.error(now, held.vlan, &held.frame, Error::HostUnreachable, out);
                }
            }
            (State::Reachable, _) => link.table.edit(now, ip, out, |entry| {
                entry.state = State::Stale;
                entry.due = life.map(|life| entry.confirmed + life);
            }),
            (State::Delay, _) => {
                link.table.edit(now, ip, out, |entry| {
                    entry.state = State::Probe;
                    entry.asked = 0;
                });
                self.ask(now, vlan, ip, out);
            }
            (State::Stale | State::Failed, _) | (State::Probe, false) => self.forget(vlan, ip, out),
            (State::Static, _) => link.table.edit(now, ip, out, |entry| entry.due = None),
        }
    }

    /// Forgets a neighbour and what waits for it.
    pub(super) fn forget(&mut self, vlan: VlanId, ip: IpAddr, out: &mut Vec<Out>) {
        let Some(mut entry) = self.links.get_mut(&vlan).and_then(|link| link.table.remove(ip, out)) else { return };
        self.held -= entry.queue.bytes();
        self.counters.queue_dropped += entry.queue.take().len() as u64;
    }

    /// Forgets what was learned, where `goes` says so.
    pub(super) fn clear(&mut self, goes: impl Fn(VlanId, IpAddr) -> bool, out: &mut Vec<Out>) {
        let of = |(vlan, link): (&VlanId, &Link)| {
            let (vlan, goes) = (*vlan, &goes);
            let leaves = link.table.iter().filter(move |(ip, entry)| entry.state != State::Static && goes(vlan, *ip));
            leaves.map(|(ip, _)| (vlan, ip)).collect::<Vec<_>>()
        };
        let leave: Vec<(VlanId, IpAddr)> = self.links.iter().flat_map(of).collect();
        for (vlan, ip) in leave {
            self.forget(vlan, ip, out);
        }
    }
}

impl Link {
    /// Can a host on this link have the address, and has the router one to ask for it from?
    fn can_ask(&self, ip: IpAddr) -> bool {
        let interface = &self.interface;
        let host = match ip {
            IpAddr::V4(ip) => !interface.v4.iter().any(|own| own.is_broadcast(ip)) && !ip.is_broadcast(),
            IpAddr::V6(_) => true,
        };
        let source = match ip {
            IpAddr::V4(ip) => interface.source4(ip).is_some(),
            IpAddr::V6(ip) => interface.source6(ip).is_some(),
        };
        let group = ip.is_multicast() || ip.is_unspecified() || ip.is_loopback();
        interface.up && host && source && !group && !interface.owns(ip)
    }

    /// The request or solicitation for a neighbour: to all, or to the one it is to be confirmed by.
    fn question(&self, ip: IpAddr, to: Option<Mac>) -> Option<Vec<u8>> {
        match ip {
            IpAddr::V4(ip) => self.arp_request(ip, to),
            IpAddr::V6(ip) => self.solicitation(ip, to),
        }
    }

    /// Between questions for the same neighbour.
    fn retransmit(&self, ip: IpAddr) -> Duration {
        if ip.is_ipv4() { ARP_RETRANSMIT } else { self.interface.retransmit.max(LEAST) }
    }

    /// How long a neighbour that was just confirmed is beyond doubt; `None`: for ever.
    fn fresh(&mut self, ip: IpAddr) -> Option<Duration> {
        let life = self.life(ip);
        if ip.is_ipv4() {
            // Not all at the same time: hosts that started together would be asked together for ever.
            let ahead = (life? / 2).min(ARP_PROBE_AHEAD);
            return Some(life? - self.between(ahead / 2, ahead));
        }
        // MIN_RANDOM_FACTOR and MAX_RANDOM_FACTOR (RFC 4861 10).
        let reachable = self.interface.reachable.max(LEAST);
        Some(self.between(reachable / 2, reachable * 3 / 2))
    }

    /// How long a neighbour is remembered that was not confirmed again; `None`: for ever.
    pub(super) fn life(&self, ip: IpAddr) -> Option<Duration> {
        let life = if ip.is_ipv4() { self.interface.arp_timeout } else { self.interface.expire };
        (!life.is_zero()).then(|| life.max(LEAST))
    }
}

fn again(held: Held) -> Out {
    Out::Again { vlan: held.vlan, port: held.port, frame: held.frame }
}
