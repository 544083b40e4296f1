//! Where `forward()` puts its decisions: one function, several outs.

use crate::Drop;
use crate::acl::{Family, Stage};
use crate::fdb::{Fdb, Station};
use crate::flow::Looked;
use crate::hops::Leaf;
use crate::neighbours::{Neighbour, Neighbours};
use crate::rewrite::Rewrite;
use mona_wire::{Mac, PortId, Tci, VlanId};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// What a worker tells control about a source address that is unknown or on another port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Where the station is said to be.
    pub vlan: VlanId,
    /// Its address.
    pub mac: Mac,
    /// The port the frame came in on.
    pub port: PortId,
    /// The snapshot it was decided by: control discards reports older than a flush.
    pub snapshot: u64,
}

impl Seen {
    /// What is to be entered instead of this, which was: the port that workers saw the station behind since.
    pub fn overtaken(&self, fdb: &Fdb) -> Option<Seen> {
        let Station { port, last, .. } = fdb.lookup(self.vlan, self.mac)?;
        (last != port && last != PortId::SELF).then_some(Seen { port: last, ..*self })
    }
}

/// Why a frame is shown to control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Told {
    /// It was dropped for a reason that its sender may have to hear (an ICMP error), or that control may remedy
    /// (resolution): see [`Drop::is_told`].
    Dropped(Drop),
    /// ARP or neighbour discovery in a VLAN with a router, from outside. It went its way too.
    Neighbour,
    /// It was routed and left in the VLAN it came from (RFC 1812 5.2.7.2).
    Redirect,
    /// A line of an access list that is to be logged decided about it.
    Listed {
        /// The line's counter.
        slot: u32,
        /// May it pass?
        permit: bool,
    },
}

/// Receives what `forward()` decides about one frame. `Batch` sends, `Recorder` explains, `Program` writes it down for the
/// kernel.
pub trait Out {
    /// The frame was admitted to this VLAN (once per frame, before anything else).
    fn admitted(&mut self, vlan: VlanId);
    /// The source is not known there; a lost report is repeated by the next frame.
    fn seen(&mut self, seen: Seen);
    /// The source is this station, and came in by this port: is it known there? (An out that only explains leaves no trace.)
    #[inline(always)]
    fn heard(&mut self, fdb: &Fdb, station: &Station, rx: PortId) -> bool {
        fdb.heard(station, rx)
    }
    /// A packet goes to this neighbour: he is in use.
    #[inline(always)]
    fn used(&mut self, neighbours: &Neighbours, neighbour: &Neighbour) {
        neighbours.touch(neighbour);
    }
    /// A line of an access list, the one with this counter, decided about the frame or a copy.
    #[inline]
    fn matched(&mut self, _slot: u32) {}
    /// The decision looks at so much of the frame, beyond port, tag and addresses. (What asks a table of these says nothing.)
    #[inline]
    fn looked(&mut self, _looked: Looked) {}
    /// It looks at what no [`Looked`] says.
    #[inline]
    fn beyond(&mut self) {}
    /// The frame is routed: it leaves so rewritten, in this VLAN. All copies sent after this are of it.
    fn rewrite(&mut self, vlan: VlanId, rewrite: Rewrite);
    /// Control is shown the frame as it came in, in the VLAN it came in. What is dropped for a reason that is always told is
    /// not told here.
    fn tell(&mut self, vlan: VlanId, told: Told);
    /// A copy leaves by `port`, with this tag or with none.
    fn send(&mut self, port: PortId, tag: Option<Tci>);
    /// A decision worth a line of explanation; costs nothing where nobody listens.
    #[inline]
    fn note(&mut self, _note: Note) {}
}

/// The decisions a trace shows, in the order they are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// The VLAN the frame belongs to, and why.
    Classified(VlanId, Classified),
    /// The source was already known on this port.
    Known,
    /// The source is not learned, and why.
    NotLearned(NotLearned),
    /// The source will be learned (it was unknown) or moved from the port named.
    Learn(Option<PortId>),
    /// The destination is a station known on that port (`true`: a static address).
    Station(PortId, bool),
    /// The destination is unknown (unicast), a group, or broadcast: the frame is flooded.
    Flood(Flood),
    /// A member that does not get a copy, and why.
    Skipped(PortId, Drop),
    /// The destination is the router: the packet is looked at.
    Routed,
    /// …and not routed but handed to the interface's netdev, and why.
    ToHost(ToHost),
    /// The source is reachable as unicast reverse path forwarding asks.
    Verified,
    /// The route's prefix leads here.
    Leaf(Leaf),
    /// The path that was chosen: the VLAN, and the neighbour's address (that of the gateway or of the destination).
    NextHop(VlanId, IpAddr),
    /// The neighbour's MAC.
    Neighbour(Mac),
    /// The packet leaves in fragments of at most so many bytes.
    Fragmented(u16),
    /// An access list was asked.
    Listed {
        /// Where.
        stage: Stage,
        /// Which of the lists there.
        family: Family,
        /// The counter of the line that decided; none of what stands behind all lines unwritten.
        slot: Option<u32>,
        /// May the frame pass?
        permit: bool,
    },
}

/// Why a packet to the router's address is for its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToHost {
    /// It is no IP.
    NotIp,
    /// The interface does not route the protocol.
    NotRouting,
    /// The destination is an address of the router, or one that every router has.
    Address,
    /// The destination is of link scope.
    LinkScope,
}

/// Why a frame belongs to its VLAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Classified {
    /// By its own tag.
    Tag,
    /// Untagged: the port's VLAN.
    Untagged,
    /// Tagged with VID 0: the port's VLAN, priority kept.
    PriorityTag,
}

/// Why a source is not learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotLearned {
    /// Learning is off on the port.
    Port,
    /// Learning is off in the VLAN (or spanning tree forbids it).
    Vlan,
    /// It is a static address.
    Static,
}

/// What is flooded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flood {
    /// A unicast destination that is no known station.
    UnknownUnicast,
    /// A group address.
    Multicast,
    /// ff:ff:ff:ff:ff:ff
    Broadcast,
}
