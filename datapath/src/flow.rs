//! A flow: what the kernel may remember of a decision. Plain values; [`program`](crate::program) writes them down, and
//! `io` keeps them where the ports' programs find them.
//!
//! ```text
//!  outer key   port, tag, MACs               ─▶ L2: this is what is done
//!                                            └▶ or: look at so much more ─▶ inner key ─▶ L3 or L4: this is what is done
//! ```
//! The key holds just what `forward()` looked at. The rule by which a flow is true: it names everything the decision
//! depended on ([`Dep`]), each with a generation that control raises when that changed, after the workers decide by the
//! change and before the command returns. So the first frame after the change obeys it.

use crate::hops::Leaf;
use mona_wire::{Mac, PortId, VlanId};
use std::net::IpAddr;

/// How much of a frame a decision looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Depth {
    /// Port, tag and addresses.
    #[default]
    L2,
    /// The EtherType too, and of IP addresses, protocol and type of service; of what is no IP the priority.
    L3,
    /// Ports too, or type and code of ICMP. Never of fragments.
    L4,
}

/// What a decision looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// How deep.
    pub depth: Depth,
    /// At the flags of TCP as well?
    pub flags: bool,
}

impl Looked {
    /// At this and that.
    pub fn and(self, other: Looked) -> Looked {
        Looked { depth: self.depth.max(other.depth), flags: self.flags || other.flags }
    }
}

/// What is always looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Outer {
    /// The port the frame came in on.
    pub rx: PortId,
    /// The VID of its tag, if it has one. (Its priority is kept, not looked at.)
    pub vid: Option<u16>,
    /// Its destination.
    pub dst: Mac,
    /// Its source.
    pub src: Mac,
}

/// All that may be looked at beyond, as it stands in the frame. Of a packet: no options, no fragment, no extension header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Inner {
    /// The EtherType.
    pub ethertype: u16,
    /// Source and destination address: 8 bytes of IPv4, 32 of IPv6, none of others.
    pub addresses: [u8; 32],
    /// The protocol or next header.
    pub protocol: u8,
    /// Type of service or traffic class; of what is no IP the priority in its tag.
    pub tos: u8,
    /// Source and destination port; of ICMP type and code.
    pub ports: [u8; 4],
    /// The flags of TCP.
    pub flags: u8,
}

/// Copies that are replayed at most: where a flood makes more, it goes by userspace.
pub const COPIES: usize = 16;

/// A copy leaves by this port, with this VID in a tag that keeps the priority, or without one.
pub type Copied = (PortId, Option<u16>);

/// What is done with the frames of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Action {
    /// They leave by this port,
    pub to: PortId,
    /// with this VID in a tag that keeps the priority, or without one,
    pub vid: Option<u16>,
    /// if their payload (behind Ethernet header and tag, of a super-frame that of a segment) is at most so many bytes.
    pub mtu: u16,
    /// Routed: they go to this MAC from that one, with one less to live.
    pub route: Option<(Mac, Mac)>,
    /// Other copies leave as well: those that change the tag that it came with are last.
    pub also: [Option<Copied>; COPIES - 1],
}

impl Action {
    /// One copy leaves.
    pub const ALONE: [Option<Copied>; COPIES - 1] = [None; COPIES - 1];

    /// All copies.
    pub fn copies(&self) -> impl Iterator<Item = Copied> {
        std::iter::once((self.to, self.vid)).chain(self.also.into_iter().flatten())
    }
}

/// Something a decision depended on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dep {
    /// How a port is set, its lists, whether it is up.
    Port(PortId),
    /// A VLAN's tag and the router's interface there with its lists.
    Vlan(VlanId),
    /// Whether and how a port is a member of a VLAN.
    Member(VlanId, PortId),
    /// Who the members of a VLAN are, and how each is set: for what goes to all of them.
    Members(VlanId),
    /// Where a station is.
    Station(VlanId, Mac),
    /// That nobody knows where one is.
    Unknown(VlanId, Mac),
    /// Which route an address has: raised for [`Dep::of_prefix`].
    Route(u128, u8),
    /// What a leaf of the routes stands for.
    Leaf(u32),
    /// Who is at an address.
    Neighbour(VlanId, u128),
}

/// The prefixes that [`Dep::Route`] tells apart: changes of longer ones count for these, of shorter ones for all.
const LEVELS: [(u8, [u8; 3]); 2] = [(96, [24, 16, 0]), (0, [48, 32, 0])];

impl Dep {
    /// What the route of an address (IPv4 mapped into IPv6) depends on.
    pub fn of_address(address: u128) -> [Dep; 3] {
        let (mapped, levels) = LEVELS[usize::from(address >> 32 != 0xffff)];
        levels.map(|level| Dep::Route(masked(address, mapped + level), mapped + level))
    }

    /// What a change of this prefix (IPv4 mapped into IPv6, so 96 bits longer) is to be raised for.
    pub fn of_prefix(address: u128, len: u8) -> Dep {
        let (mapped, levels) = LEVELS[usize::from(!(address >> 32 == 0xffff && len >= 96))];
        let level = levels.into_iter().find(|level| mapped + level <= len).unwrap_or(0);
        Dep::Route(masked(address, mapped + level), mapped + level)
    }

    /// What a leaf stands for.
    pub fn of_leaf(leaf: Leaf) -> Dep {
        Dep::Leaf(leaf.index() as u32)
    }
}

fn masked(address: u128, len: u8) -> u128 {
    if len == 0 { 0 } else { address >> (128 - len) << (128 - len) }
}

/// Dependencies a flow may have: the longest list, of a routed flow whose source was verified, has 18.
pub const DEPS: usize = 24;
/// Lines of access lists that may have decided: in by the port, to and from the router, out by the port.
pub const LINES: usize = 4;

/// What the frames of a flow count for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The VLAN they are admitted to.
    pub from: VlanId,
    /// The VLAN they leave in.
    pub to: VlanId,
    /// Are they routed, as IPv6 packets or IPv4's?
    pub six: Option<bool>,
    /// The counters of lines of access lists.
    pub lines: [Option<u32>; LINES],
    /// Is the source a station that its frames keep alive?
    pub alive: bool,
    /// The neighbour they go to, by his address.
    pub neighbour: Option<IpAddr>,
}

/// A decision that may be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Which frames it is about,
    pub outer: Outer,
    /// by what of them;
    pub looked: Looked,
    /// the rest of that.
    pub inner: Inner,
    /// What is done with them.
    pub action: Action,
    /// What it depends on.
    pub deps: [Option<Dep>; DEPS],
    /// What they count for.
    pub counted: Counted,
    /// The snapshot it was decided by,
    pub snapshot: u64,
    /// and the epoch before that: what was raised since may be what it depends on.
    pub epoch: u64,
}
