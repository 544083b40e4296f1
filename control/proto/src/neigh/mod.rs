//! Neighbours: ARP (RFC 826, 1122 2.3.2, 1812 3.3.2) and Neighbor Discovery (RFC 4861) for the frames the datapath
//! forwards, the ICMP errors about them (RFC 792, 1812 4.3, 4443), proxy ARP and router advertisements.
//!
//! The datapath forwards to the neighbours it was told of; a frame it cannot finish comes here as a [`Trap`]. Linux has the
//! router's own addresses (on the netdev behind each interface), and it alone answers ARP requests and solicitations for
//! them, echo, and duplicate address detection, and resolves for its own traffic: nothing is answered twice. So every ARP and
//! ND frame in a VLAN with an interface is both Linux's and [heard](In::Heard) here. What is new is [announced](announce) here
//! for IPv4 (not by `arp_notify`), by Linux for IPv6 (`ndisc_notify`).
//!
//! ```text
//!                  Trap::Unresolved           Heard             Used             expire
//!                         │                     │                │                 │
//!   icmp ◀── Failed ── resolve ◀─ answers ── arp, nd ──▶ table (State, one per neighbour) ──▶ Add, Remove
//!     ▲                   └─ requests ──▶ Send  └─ RS ──▶ ra ──▶ Send
//!     └── other traps ──▶ Route, Send
//! ```

mod announce;
mod arp;
mod bucket;
mod config;
mod counters;
mod frame;
mod icmp;
mod nd;
mod queue;
mod ra;
mod resolve;
mod table;

pub use config::{Address, Config, Interface, Limits, Preference, Ra, RaPrefix};
pub use counters::Counters;
pub use table::State;

use bucket::Bucket;
use mona_wire::{Instant, Mac, PortId, VlanId};
use queue::Held;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use table::Table;

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum In<'a> {
    /// The datapath could not finish this frame.
    Trap {
        /// The interface it came in on.
        vlan: VlanId,
        /// The port it came in on.
        port: PortId,
        /// Why.
        why: Trap,
        /// All of it as it came in, TTL not yet decremented.
        frame: &'a [u8],
    },
    /// An ARP or ND frame was seen in a VLAN with an interface, whoever it is for.
    Heard {
        /// Where.
        vlan: VlanId,
        /// All of it.
        frame: &'a [u8],
    },
    /// The datapath forwarded to these since this was last said. To be said every few seconds, at most 30 apart: a
    /// neighbour that is not used is not asked whether it is still there, but forgotten.
    Used(&'a [(VlanId, IpAddr)]),
    /// These were neighbours before a restart. They are forwarded to, and asked when they are used.
    Known(&'a [(VlanId, IpAddr, Mac)]),
    /// The link was lost: neighbours may be others when it comes back. (An interface that is configured down is too.)
    LinkDown(VlanId),
    /// `clear ip arp`, `clear ipv6 neighbors`: forgets what was learned.
    Clear {
        /// IPv4, or IPv6.
        six: bool,
        /// Of one interface only.
        vlan: Option<VlanId>,
        /// One neighbour only.
        ip: Option<IpAddr>,
    },
}

/// Why the datapath could not finish a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// Everything is decided but the neighbour's station address.
    Unresolved {
        /// The interface it leaves by.
        vlan: VlanId,
        /// The neighbour: the route's next hop, or the destination itself where that is on link.
        next_hop: IpAddr,
    },
    /// TTL or hop limit is used up.
    TtlExceeded,
    /// No route.
    NoRoute,
    /// A route says that it is unreachable (the kernel's `unreachable`).
    Rejected,
    /// An ACL or a route (the kernel's `prohibit`) forbids it.
    Prohibited,
    /// The source may not come from here.
    SourcePolicy,
    /// An IPv6 source that is valid on its link only, and a destination that is not there.
    BeyondScope,
    /// Larger than the MTU, and not to be fragmented.
    TooBig {
        /// What would fit.
        mtu: u16,
    },
    /// It was forwarded, and left by the interface it came in on.
    Redirect {
        /// The neighbour it was sent to.
        next_hop: IpAddr,
    },
    /// The header cannot be processed.
    ParameterProblem {
        /// The byte of the IP packet that is wrong.
        pointer: u16,
    },
}

/// What shall be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Out {
    /// Bridge this frame of the switch's own (untagged, from the router's MAC) into a VLAN.
    Send {
        /// Which.
        vlan: VlanId,
        /// All of it.
        frame: Vec<u8>,
    },
    /// Route this packet of the router's own: an ICMP error, whose way back is not known here. TTL is not decremented, no
    /// inbound ACL applies.
    Route {
        /// The interface whose address it bears (and where it enters, if it has to enter somewhere).
        vlan: VlanId,
        /// All of it, to and from the interface's own MAC.
        frame: Vec<u8>,
    },
    /// Decide again: a frame that was trapped as unresolved, as it came in. Workers must have the neighbours
    /// [added](Out::Add) before.
    Again {
        /// The interface it came in on.
        vlan: VlanId,
        /// The port it came in on.
        port: PortId,
        /// All of it.
        frame: Vec<u8>,
    },
    /// The datapath's neighbour table: this is where the address is (replaces).
    Add {
        /// The interface.
        vlan: VlanId,
        /// The neighbour.
        ip: IpAddr,
        /// Its station address.
        mac: Mac,
    },
    /// The datapath's neighbour table: not known any more.
    Remove {
        /// The interface.
        vlan: VlanId,
        /// The neighbour.
        ip: IpAddr,
    },
    /// A log line.
    Log {
        /// `%FACILITY-severity-MNEMONIC`
        tag: &'static str,
        /// The sentence.
        text: String,
    },
}

/// A row of `show ip arp` or `show ipv6 neighbors`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The interface.
    pub vlan: VlanId,
    /// Its address.
    pub ip: IpAddr,
    /// Its station address, if known.
    pub mac: Option<Mac>,
    /// Since it was last known to be there; `None` for the router's own and static ones.
    pub age: Option<Duration>,
    /// What is known; `None`: it is the router's own address.
    pub state: Option<State>,
    /// It says that it is a router.
    pub router: bool,
}

/// Where an address is routed to, if there is a route.
pub type Reachable<'a> = &'a dyn Fn(IpAddr) -> Option<Routed>;

/// Where an address is routed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Routed {
    /// By this interface.
    pub vlan: VlanId,
    /// No other router is between: whose address it is, is a neighbour.
    pub direct: bool,
}

/// The machine.
#[derive(Debug, Default)]
pub struct Neigh {
    limits: Limits,
    links: BTreeMap<VlanId, Link>,
    /// Bytes in all queues.
    held: usize,
    /// ICMP errors of all interfaces, by kind.
    errors: [Bucket; icmp::Kind::COUNT],
    /// IPv4 identification of the next error.
    id: u16,
    counters: Counters,
}

/// An interface and its neighbours.
#[derive(Debug)]
struct Link {
    interface: Interface,
    table: Table,
    ra: ra::Schedule,
    /// Requests and solicitations that everybody in the VLAN gets.
    requests: Bucket,
    /// ICMP errors about frames that came in here, by kind.
    errors: [Bucket; icmp::Kind::COUNT],
    duplicate_logged: Option<Instant>,
    announce_again: BTreeMap<Ipv4Addr, Instant>,
    /// Different in every draw.
    draws: u64,
}

impl Link {
    fn new(vlan: VlanId, interface: Interface) -> Link {
        let (table, draws) = (Table::new(vlan), 0);
        let (ra, requests, errors, duplicate_logged, announce_again) = Default::default();
        Link { interface, table, ra, requests, errors, duplicate_logged, announce_again, draws }
    }

    /// A duration between the two, different for every interface and every time, and the same in every replay.
    fn between(&mut self, least: Duration, most: Duration) -> Duration {
        self.draws += 1;
        // SplitMix64.
        let mut word = self.interface.mac.to_u64().wrapping_add(self.draws.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^= word >> 31;
        let span = most.saturating_sub(least).as_millis() as u64 + 1;
        least + Duration::from_millis(word % span)
    }
}

impl Neigh {
    /// What shall be, from now on. Neighbours stay where they can still be.
    pub fn configure(&mut self, now: Instant, config: &Config, out: &mut Vec<Out>) {
        self.limits = config.limits;
        let gone: Vec<VlanId> =
            self.links.keys().filter(|vlan| !config.interfaces.contains_key(vlan)).copied().collect();
        for vlan in gone {
            self.change(now, vlan, Interface { up: false, ..Interface::default() }, out);
            self.links.remove(&vlan);
        }
        for (vlan, interface) in &config.interfaces {
            if self.links.get(vlan).is_none_or(|link| link.interface != *interface) {
                self.change(now, *vlan, interface.clone(), out);
            }
        }
    }

    fn change(&mut self, now: Instant, vlan: VlanId, interface: Interface, out: &mut Vec<Out>) {
        let link = self.links.entry(vlan).or_insert_with(|| Link::new(vlan, Interface::default()));
        link.retire_ra(vlan, &interface, out);
        let old = std::mem::replace(&mut link.interface, interface);
        link.announce(now, vlan, &old, out);
        link.schedule_ra(now, &old);
        let Interface { up, statics, .. } = &link.interface;
        // A static neighbour goes with its line, a learned one when it is no neighbour any more.
        let stays = |ip: IpAddr, state: State| match state {
            State::Static => *up && statics.contains_key(&ip),
            State::Incomplete | State::Failed => *up && old.up,
            State::Reachable | State::Stale | State::Delay | State::Probe => {
                *up && !link.interface.owns(ip) && (link.interface.on_link(ip) || !old.on_link(ip))
            }
        };
        let leave: Vec<IpAddr> =
            link.table.iter().filter(|(ip, entry)| !stays(*ip, entry.state)).map(|(ip, _)| ip).collect();
        let enter: Vec<(IpAddr, Mac)> = statics.iter().filter(|_| *up).map(|(ip, mac)| (*ip, *mac)).collect();
        for ip in leave {
            self.forget(vlan, ip, out);
        }
        for (ip, mac) in enter {
            self.fix(now, vlan, ip, mac, out);
        }
    }

    /// Something happened. `reachable` is asked where an address is routed to.
    pub fn input(&mut self, now: Instant, input: In, reachable: Reachable, out: &mut Vec<Out>) {
        match input {
            In::Trap { vlan, port, why, frame } => self.trap(now, vlan, port, why, frame, out),
            In::Heard { vlan, frame } => self.heard(now, vlan, frame, reachable, out),
            In::Used(used) => used.iter().for_each(|(vlan, ip)| self.used(now, *vlan, *ip, out)),
            In::Known(known) => {
                known.iter().for_each(|(vlan, ip, mac)| self.remember(now, (*vlan, *ip), *mac, reachable, out))
            }
            In::LinkDown(vlan) => self.clear(|at, _| at == vlan, out),
            In::Clear { six, vlan, ip } => self.clear(
                |at, address| {
                    address.is_ipv6() == six && vlan.is_none_or(|v| v == at) && ip.is_none_or(|ip| ip == address)
                },
                out,
            ),
        }
    }

    fn trap(&mut self, now: Instant, vlan: VlanId, port: PortId, why: Trap, frame: &[u8], out: &mut Vec<Out>) {
        match why {
            Trap::Unresolved { vlan: leaves, next_hop } => {
                self.unresolved(now, Held { vlan, port, frame: frame.to_vec() }, leaves, next_hop, out)
            }
            Trap::Redirect { next_hop } => self.redirect(now, vlan, next_hop, frame, out),
            Trap::TtlExceeded => self.error(now, vlan, frame, icmp::Error::Exceeded, out),
            Trap::NoRoute => self.error(now, vlan, frame, icmp::Error::NoRoute, out),
            Trap::Rejected => self.error(now, vlan, frame, icmp::Error::Rejected, out),
            Trap::Prohibited => self.error(now, vlan, frame, icmp::Error::Prohibited, out),
            Trap::SourcePolicy => self.error(now, vlan, frame, icmp::Error::SourcePolicy, out),
            Trap::BeyondScope => self.error(now, vlan, frame, icmp::Error::BeyondScope, out),
            Trap::TooBig { mtu } => self.error(now, vlan, frame, icmp::Error::TooBig(mtu), out),
            Trap::ParameterProblem { pointer } => self.error(now, vlan, frame, icmp::Error::Parameter(pointer), out),
        }
    }

    /// Time passed.
    pub fn expire(&mut self, now: Instant, out: &mut Vec<Out>) {
        let links: Vec<VlanId> = self.links.keys().copied().collect();
        for vlan in links {
            while let Some((due, ip)) = self.links.get(&vlan).and_then(|link| link.table.next())
                && due <= now
            {
                self.due(now, vlan, ip, out);
            }
            self.expire_announcements(now, vlan, out);
            if let Some(link) = self.links.get_mut(&vlan) {
                link.expire_ra(now, vlan, &mut self.counters, out);
            }
        }
    }

    /// When [`Neigh::expire`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        let of = |link: &Link| {
            let table = link.table.next().map(|(due, _)| due);
            [table, link.ra.next(), link.next_announcement()].into_iter().flatten().min()
        };
        self.links.values().filter_map(of).min()
    }

    /// The neighbours and, as on IOS, the router's own addresses; by interface, then by address.
    pub fn entries(&self, now: Instant) -> Vec<Neighbour> {
        let mut rows = Vec::new();
        for (&vlan, link) in &self.links {
            let Interface { v4, v6, link_local, mac, up, .. } = &link.interface;
            let v4 = v4.iter().map(|own| IpAddr::V4(own.ip));
            let v6 = v6.iter().map(|own| IpAddr::V6(own.ip)).chain(link_local.map(IpAddr::V6));
            let own = |ip| Neighbour { vlan, ip, mac: Some(*mac), age: None, state: None, router: true };
            let mut of: Vec<Neighbour> = v4.chain(v6).filter(|_| *up).map(own).collect();
            of.extend(link.table.iter().map(|(ip, entry)| Neighbour {
                vlan,
                ip,
                mac: entry.state.forwards().then_some(entry.mac),
                age: (entry.state != State::Static).then(|| now.since(entry.confirmed)),
                state: Some(entry.state),
                router: entry.router,
            }));
            of.sort_by_key(|row| row.ip);
            rows.extend(of);
        }
        rows
    }

    /// Bytes of frames that wait for their neighbours.
    pub fn held_bytes(&self) -> usize {
        self.held
    }

    /// What was done so far, for `show ip traffic`.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}
