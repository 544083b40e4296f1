//! What workers do: everything `forward()` reads, immutable, published by one atomic pointer.
//!
//! Only control's `compile()` makes one. Tables that did not change are shared with the previous snapshot (`Arc`).

use crate::Drop;
use crate::acl::Filters;
use crate::fdb::Fdb;
use crate::hops::Room;
use crate::routing::{LoadSharing, RouterInterface, Routing};
use mona_wire::{PortId, Tci, VlanId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// All that a worker decides by.
#[derive(Clone)]
pub struct Snapshot {
    /// Counts up with every publish; reports name the snapshot they were made under.
    pub number: u64,
    /// By [`PortId`]; ports beyond the end do not exist. Index 0 is the switch itself and always `None` for now.
    pub ports: Vec<Option<Port>>,
    /// By number, [`VlanId::COUNT`] entries; `None` where the VLAN does not exist.
    pub vlans: Vec<Option<Arc<Vlan>>>,
    /// The stations; shared by all snapshots, written by control alone.
    pub fdb: Arc<Fdb>,
    /// Routes and neighbours; shared and written likewise.
    pub routing: Arc<Routing>,
    /// How flows are shared among the paths of a route.
    pub load_sharing: LoadSharing,
}

/// One port as the datapath sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Is it open, not shut down and has a link? Nothing enters or leaves by a port that is not.
    pub up: bool,
    /// The VLAN of untagged and priority-tagged frames (802.1Q-2018 6.9.1: the PVID); `None` drops them
    /// (`vlan_tag_mismatch`), as on a trunk whose native VLAN is tagged. Of a routed port and of a host port: its internal
    /// VLAN, or the one it is the netdev of.
    pub untagged: Option<VlanId>,
    /// May frames with a VID other than 0 enter? Not on an access port.
    pub tagged: bool,
    /// `None` for a switchport. The sub-interfaces of a routed port, ascending by VID: which internal VLAN a tag means
    /// (`encapsulation dot1Q`). Other tags do not enter.
    pub encapsulations: Option<Arc<[(u16, VlanId)]>>,
    /// Is a netdev of the switch's own behind it? What comes from there was routed by Linux: it is bridged only; what goes
    /// there is policed. Such a port also blocks unknown unicast.
    pub host: bool,
    /// Are source addresses learned here?
    pub learning: bool,
    /// `switchport protected`: no frame passes between two protected ports.
    pub protected: bool,
    /// `switchport block unicast`: unknown unicast is not flooded to this port.
    pub block_unicast: bool,
    /// `switchport block multicast`: unregistered multicast (not broadcast) is not flooded to this port.
    pub block_multicast: bool,
    /// Largest payload (bytes behind Ethernet header and tags), the interface MTU; per segment for super-frames.
    pub mtu: u16,
    /// The access lists of frames that come in. What they deny teaches no address. (Of a switchport: a routed port's are
    /// its router interface's.)
    pub acl_in: Option<Arc<Filters>>,
    /// Those of frames that leave.
    pub acl_out: Option<Arc<Filters>>,
    /// May the kernel remember what is decided about frames that come in or leave here (`platform flow-cache`)?
    pub cached: bool,
    /// How the port is reached.
    pub home: Home,
}

impl Port {
    /// An access port of `vlan`, up, of which nothing else is said.
    pub fn new(vlan: VlanId, home: Home) -> Port {
        Port {
            up: true,
            untagged: Some(vlan),
            tagged: false,
            encapsulations: None,
            host: false,
            learning: true,
            protected: false,
            block_unicast: false,
            block_multicast: false,
            mtu: 1500,
            acl_in: None,
            acl_out: None,
            cached: true,
            home,
        }
    }
}

/// Which I/O sends to a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Home {
    /// Through the backplane: any worker sends by its own.
    Backplane,
    /// Through a queue that one worker owns; the others pass the frame over a ring.
    Worker(u8),
}

/// One VLAN: three sets of ports, whatever made them (link state, membership, spanning tree, LACP).
///
/// Behind a routed port or sub-interface is an *internal* VLAN of two members: the port, and the host port of the
/// interface's netdev. Nothing is learned there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vlan {
    /// Ports on which addresses are learned in this VLAN.
    pub learn: PortSet,
    /// Ports that may receive from and send to this VLAN.
    pub forward: PortSet,
    /// Ports by which frames of this VLAN leave without a tag.
    pub untagged: PortSet,
    /// What stands in the tag of its frames: its number, or of an internal VLAN that of the sub-interface.
    pub vid: u16,
    /// The router's interface, if it has one here.
    pub router: Option<Arc<RouterInterface>>,
}

impl Vlan {
    /// One without ports, whose tag is its number (0 for an internal one).
    pub fn new(id: VlanId) -> Vlan {
        let none = PortSet::default;
        let vid = if id.is_internal() { 0 } else { id.get() };
        Vlan { learn: none(), forward: none(), untagged: none(), vid, router: None }
    }
}

/// A set of ports: one bit each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortSet {
    words: Vec<u64>,
}

impl PortSet {
    /// Adds a port.
    pub fn insert(&mut self, port: PortId) {
        let word = port.index() / 64;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (port.index() % 64);
    }

    /// Takes a port out.
    pub fn remove(&mut self, port: PortId) {
        if let Some(word) = self.words.get_mut(port.index() / 64) {
            *word &= !(1 << (port.index() % 64));
        }
        // Equal sets are of equal length.
        while self.words.last() == Some(&0) {
            self.words.pop();
        }
    }

    /// Puts a port in or takes it out.
    pub fn set(&mut self, port: PortId, is_in: bool) {
        if is_in { self.insert(port) } else { self.remove(port) }
    }

    /// Those in this set and not in the other.
    pub fn without(&self, other: &PortSet) -> PortSet {
        let others = other.words.iter().chain(std::iter::repeat(&0));
        let mut words: Vec<u64> = self.words.iter().zip(others).map(|(word, other)| word & !other).collect();
        words.truncate(words.iter().rposition(|word| *word != 0).map_or(0, |last| last + 1));
        PortSet { words }
    }

    /// Have the sets a port in common?
    pub fn meets(&self, other: &PortSet) -> bool {
        self.words.iter().zip(&other.words).any(|(word, other)| word & other != 0)
    }

    /// Is the port in the set?
    #[inline]
    pub fn contains(&self, port: PortId) -> bool {
        self.words.get(port.index() / 64).is_some_and(|word| word >> (port.index() % 64) & 1 != 0)
    }

    /// The members in ascending order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = PortId> + '_ {
        self.words.iter().enumerate().flat_map(|(index, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                if rest == 0 {
                    return None;
                }
                let bit = rest.trailing_zeros();
                rest &= rest - 1;
                Some(PortId((index * 64) as u16 + bit as u16))
            })
        })
    }

    /// Is nobody in it?
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }
}

impl Port {
    /// The VLAN that a frame with this tag, or none, is meant for.
    #[inline(always)]
    pub fn vlan_of(&self, tag: Option<Tci>) -> Result<VlanId, Drop> {
        let Some(tag) = tag else { return self.untagged.ok_or(Drop::TagMismatch) };
        match tag.vid() {
            0 => self.untagged.ok_or(Drop::TagMismatch),
            vid => match (&self.encapsulations, VlanId::new(vid)) {
                (_, None) => Err(Drop::ReservedVlan),
                (None, Some(id)) if self.tagged => Ok(id),
                (None, _) => Err(Drop::TagMismatch),
                (Some(map), _) => encapsulated(map, vid),
            },
        }
    }
}

/// The internal VLAN of a tag.
#[inline(never)]
fn encapsulated(map: &[(u16, VlanId)], vid: u16) -> Result<VlanId, Drop> {
    map.binary_search_by_key(&vid, |(vid, _)| *vid).map(|at| map[at].1).map_err(|_| Drop::IngressVlanFilter)
}

impl FromIterator<PortId> for PortSet {
    fn from_iter<I: IntoIterator<Item = PortId>>(ports: I) -> PortSet {
        let mut set = PortSet::default();
        ports.into_iter().for_each(|port| set.insert(port));
        set
    }
}

impl Snapshot {
    /// A switch without ports and VLANs that has no room for routes.
    pub fn empty(fdb: Arc<Fdb>) -> Snapshot {
        Snapshot::routing(fdb, Arc::new(Routing::with_room(Room::SMALL, 1)))
    }

    /// A switch without ports and VLANs, with these tables.
    pub fn routing(fdb: Arc<Fdb>, routing: Arc<Routing>) -> Snapshot {
        let load_sharing = LoadSharing::default();
        Snapshot { number: 0, ports: Vec::new(), vlans: vec![None; VlanId::COUNT], fdb, routing, load_sharing }
    }

    /// The port, if there is one of that number.
    #[inline]
    pub fn port(&self, port: PortId) -> Option<&Port> {
        self.ports.get(port.index()).and_then(Option::as_ref)
    }

    /// The VLAN, if it exists.
    #[inline]
    pub fn vlan(&self, vlan: VlanId) -> Option<&Vlan> {
        self.vlans[vlan.index()].as_deref()
    }
}
