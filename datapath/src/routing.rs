//! What a router is made of: its interfaces, and the tables that all snapshots share.

use crate::acl::Filters;
use crate::hops::{Hops, Room};
use crate::lpm::{Lpm4, Lpm6};
use crate::neighbours::Neighbours;
use mona_wire::{Mac, PortId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Read by every worker, written by control alone, in place.
pub struct Routing {
    /// IPv4 prefixes. The writer of the routes has another handle on it.
    pub lpm4: Arc<Lpm4>,
    /// IPv6 prefixes.
    pub lpm6: Arc<Lpm6>,
    /// What the leaves of the prefixes stand for.
    pub hops: Hops,
    /// Who is at an address.
    pub neighbours: Neighbours,
}

impl Routing {
    /// These tables of prefixes, and empty ones for so many ways and neighbours.
    pub fn new(lpm4: Arc<Lpm4>, lpm6: Arc<Lpm6>, room: Room, neighbours: usize) -> Routing {
        Routing { lpm4, lpm6, hops: Hops::with_room(room), neighbours: Neighbours::with_capacity(neighbours) }
    }

    /// The same with tables of prefixes that stay empty.
    pub fn with_room(room: Room, neighbours: usize) -> Routing {
        Routing::new(Arc::new(Lpm4::empty()), Arc::new(Lpm6::empty()), room, neighbours)
    }
}

/// The router's interface in a VLAN, or behind a routed port or sub-interface (whose VLAN is internal).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouterInterface {
    /// The router's address there: frames to it are routed, routed frames come from it. Where there is a host port, it is
    /// a static station behind it.
    pub mac: Mac,
    /// The port behind which the interface's netdev is, a member of the VLAN.
    pub host: Option<PortId>,
    /// Largest IPv4 packet that leaves here.
    pub mtu4: u16,
    /// Largest IPv6 packet that leaves here.
    pub mtu6: u16,
    /// Are IPv4 packets routed from and to here? Where not (no address, `no ip routing`), the netdev gets those to `mac`.
    pub routes4: bool,
    /// The same for IPv6.
    pub routes6: bool,
    /// `ip verify unicast source reachable-via`
    pub urpf4: Option<Urpf>,
    /// `ipv6 verify unicast source reachable-via`
    pub urpf6: Option<Urpf>,
    /// `ip martian strict`: packets from and to 240.0.0.0/4 and 169.254.0.0/16 are not routed.
    pub strict: bool,
    /// What becomes of IPv4 packets with options.
    pub options: Options,
    /// `ip directed-broadcast`: a broadcast to the connected subnet may leave here.
    pub directed_broadcast: bool,
    /// The access lists of packets that come to the router here.
    pub acl_in: Option<Arc<Filters>>,
    /// Those of packets that the router forwards to here. Its own pass.
    pub acl_out: Option<Arc<Filters>>,
    /// `ip redirects`: control is told when a packet leaves in the VLAN it came from.
    pub redirects: bool,
}

impl RouterInterface {
    /// One with the usual settings that routes both protocols.
    pub fn new(mac: Mac, host: Option<PortId>) -> RouterInterface {
        RouterInterface {
            mac,
            host,
            mtu4: 1500,
            mtu6: 1500,
            routes4: true,
            routes6: true,
            urpf4: None,
            urpf6: None,
            strict: false,
            options: Options::default(),
            directed_broadcast: false,
            redirects: true,
            acl_in: None,
            acl_out: None,
        }
    }
}

/// What becomes of IPv4 packets with options (RFC 7126). Where they are forwarded they are carried as they are: nothing is
/// recorded in them, and no source route is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Options {
    /// What is source-routed is dropped (RFC 7126 4.3, 4.4; so does Linux), and what cannot be read.
    #[default]
    NoSourceRoute,
    /// `ip source-route`: only what cannot be read is dropped.
    Readable,
    /// `ip options ignore`: nobody looks at them.
    Ignore,
    /// `ip options drop`: all are dropped.
    Drop,
}

/// Unicast reverse path forwarding (RFC 3704).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Urpf {
    /// The way back must be by the VLAN the packet came from; else any way will do.
    pub strict: bool,
    /// Is the default route a way back?
    pub allow_default: bool,
}

/// What of a packet chooses among several paths. The same packet always takes the same one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadSharing {
    /// Ports of TCP, UDP and the like too, not only addresses.
    pub ports: bool,
    /// The flow label of IPv6 (RFC 6438).
    pub flow_label: bool,
    /// Makes this router choose otherwise than the one before it.
    pub seed: u32,
}
