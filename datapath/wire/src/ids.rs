//! The numbers that could be mixed up, each with its own type.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A port of the switch. Port 0 is the switch itself, like the CPU port of a hardware switch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PortId(pub u16);

impl PortId {
    /// The switch itself: punting is forwarding to it, injecting is receiving from it.
    pub const SELF: PortId = PortId(0);
    /// How many port numbers there are: the backplane carries the number in the 12-bit VID of an 802.1ad tag, whose
    /// values 0 and 4095 are reserved (802.1Q-2018 table 9-2), so ports are 1..=4094 and 0 never crosses it.
    pub const COUNT: usize = 4095;

    /// The number as an index into per-port tables.
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for PortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}", self.0)
    }
}

/// A VLAN: 1..=4094 (802.1Q-2018 table 9-2: 0 is the priority tag, 4095 is reserved), or an *internal* one, 4096..=8191:
/// the segment behind a routed port or a sub-interface, whose number never stands in a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct VlanId(u16);

impl VlanId {
    /// The default PVID (802.1Q-2018 table 9-2).
    pub const DEFAULT: VlanId = VlanId(1);
    /// One more than the largest number a table may be indexed with.
    pub const COUNT: usize = 8192;
    /// How many internal VLANs there are.
    pub const INTERNAL: u16 = 4096;

    /// `None` for 0, 4095 and beyond.
    #[inline]
    pub const fn new(vid: u16) -> Option<VlanId> {
        if vid >= 1 && vid <= 4094 { Some(VlanId(vid)) } else { None }
    }

    /// The internal VLAN of that index, 0..4096; `None` beyond.
    #[inline]
    pub const fn internal(index: u16) -> Option<VlanId> {
        if index < VlanId::INTERNAL { Some(VlanId(4096 + index)) } else { None }
    }

    /// The VLAN of that number, internal or not.
    #[inline]
    pub const fn numbered(number: u16) -> Option<VlanId> {
        if number == 0 || number == 4095 || number as usize >= VlanId::COUNT { None } else { Some(VlanId(number)) }
    }

    /// Is it internal?
    #[inline]
    pub const fn is_internal(self) -> bool {
        self.0 >= 4096
    }

    /// The number: 1..=4094, or 4096..=8191 if it is internal.
    #[inline]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The number as an index into a table of [`VlanId::COUNT`] entries.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for VlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<u16> for VlanId {
    type Error = &'static str;
    fn try_from(vid: u16) -> Result<Self, Self::Error> {
        VlanId::numbered(vid).ok_or("a VLAN is a number from 1 to 4094, or from 4096 to 8191 inside the switch")
    }
}

impl From<VlanId> for u16 {
    fn from(vlan: VlanId) -> u16 {
        vlan.0
    }
}

/// Tag control information (802.1Q-2018 9.6): PCP (3 bits), DEI (1 bit), VID (12 bits, 0 = priority tag).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tci(pub u16);

impl Tci {
    /// A tag with this VID that keeps the priority and drop eligibility of `self`.
    #[inline]
    pub const fn with_vid(self, vid: u16) -> Tci {
        Tci((self.0 & 0xf000) | (vid & 0x0fff))
    }

    /// The VLAN identifier, 0..=4095.
    #[inline]
    pub const fn vid(self) -> u16 {
        self.0 & 0x0fff
    }

    /// The priority code point, 0..=7.
    #[inline]
    pub const fn pcp(self) -> u8 {
        (self.0 >> 13) as u8
    }
}
