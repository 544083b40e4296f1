//! A line of an access list in plain values, whoever wrote it.

use super::key::{self, Key};
use crate::flow::{Depth, Looked};

/// Which frames a list is for. A frame of another family passes it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4 packets.
    Ip4,
    /// IPv6 packets.
    Ip6,
    /// Everything that is neither, as on Catalyst switches: ARP, LLC, …
    Mac,
}

/// [`Rule::slot`] of a line that is not counted.
pub const UNCOUNTED: u32 = u32::MAX;

/// A line. What is not said accepts everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rule {
    /// May what fits pass?
    pub permit: bool,
    /// Is control told about what fits?
    pub log: bool,
    /// The counter of what fits.
    pub slot: u32,
    /// Source address; shorter ones fill the first bytes.
    pub src: Masked<16>,
    /// Destination address.
    pub dst: Masked<16>,
    /// The EtherType (or length) of a frame that is no IP packet.
    pub ethertype: Masked<2>,
    /// The upper-layer protocol.
    pub protocol: Option<u8>,
    /// The byte of type of service or traffic class: DSCP, precedence.
    pub tos: Masked<1>,
    /// TCP and UDP.
    pub sport: Option<Ports>,
    /// TCP and UDP.
    pub dport: Option<Ports>,
    /// TCP.
    pub flags: Option<Flags>,
    /// ICMP type, and perhaps code.
    pub icmp: Option<(u8, Option<u8>)>,
    /// Only fragments that are not the first.
    pub fragments: bool,
}

/// Bytes of which some bits must be as given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Masked<const N: usize> {
    /// The wanted bits.
    pub value: [u8; N],
    /// Which bits matter.
    pub mask: [u8; N],
}

impl<const N: usize> Default for Masked<N> {
    fn default() -> Masked<N> {
        Masked { value: [0; N], mask: [0; N] }
    }
}

impl<const N: usize> Masked<N> {
    /// `value` where `mask` has ones; what is shorter leaves the rest alone.
    pub fn new(value: &[u8], mask: &[u8]) -> Masked<N> {
        let mut masked = Masked::default();
        for (at, (value, mask)) in value.iter().zip(mask).take(N).enumerate() {
            (masked.value[at], masked.mask[at]) = (value & mask, *mask);
        }
        masked
    }

    /// Are the bits there as wanted? (What `bytes` has more is not looked at.)
    fn fit(&self, bytes: &[u8]) -> bool {
        bytes.iter().zip(self.value.iter().zip(&self.mask)).all(|(byte, (value, mask))| (byte ^ value) & mask == 0)
    }
}

/// Port numbers: a run of them, or all others. A run that ends before it begins is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ports {
    /// The first.
    pub low: u16,
    /// The last.
    pub high: u16,
    /// All but these.
    pub not: bool,
}

impl Ports {
    /// Is the port among them?
    pub const fn contain(self, port: u16) -> bool {
        (self.low <= port && port <= self.high) != self.not
    }
}

/// Flags of the TCP header (RFC 9293 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flags {
    /// These must be set,
    pub set: u8,
    /// these clear:
    pub clear: u8,
    /// all of them, or any one.
    pub all: bool,
}

impl Flags {
    /// FIN.
    pub const FIN: u8 = 1;
    /// SYN.
    pub const SYN: u8 = 2;
    /// RST.
    pub const RST: u8 = 4;
    /// PSH.
    pub const PSH: u8 = 8;
    /// ACK.
    pub const ACK: u8 = 16;
    /// URG.
    pub const URG: u8 = 32;
    /// `established`: ACK or RST.
    pub const ESTABLISHED: Flags = Flags { set: Flags::ACK | Flags::RST, clear: 0, all: false };

    /// Do these flags fit?
    pub const fn fit(self, flags: u8) -> bool {
        match self.all {
            true => flags & self.set == self.set && flags & self.clear == 0,
            false => flags & self.set != 0 || !flags & self.clear != 0,
        }
    }
}

impl Rule {
    /// What of a frame it looks at.
    pub(super) fn looked(&self) -> Looked {
        Looked { depth: if self.looks_beyond() { Depth::L4 } else { Depth::L3 }, flags: self.flags.is_some() }
    }

    /// Does the line fit a frame of its family? This is what a line means, as IOS's documentation has it; the compiled list
    /// says the same of all lines at once.
    pub fn fits(&self, key: &Key) -> bool {
        let side = |ports: Option<Ports>, port| ports.is_none_or(|ports| ports.contain(port));
        let [kind, code] = key.icmp();
        let beyond = side(self.sport, key.ports[0])
            && side(self.dport, key.ports[1])
            && self.flags.is_none_or(|flags| flags.fit(key.bytes[key::FLAGS]))
            && self.icmp.is_none_or(|(wanted, with)| wanted == kind && with.is_none_or(|with| with == code));
        self.src.fit(&key.bytes[key::SRC..])
            && self.dst.fit(&key.bytes[key::DST..])
            && self.ethertype.fit(&key.bytes[key::ETHERTYPE..])
            && self.protocol.is_none_or(|protocol| protocol == key.protocol())
            && self.tos.fit(&key.bytes[key::TOS..])
            && match (self.fragments, key.is_later_fragment()) {
                (true, later) => later,
                (false, false) => beyond,
                (false, true) => self.takes_later_fragments(),
            }
    }

    /// Does it look at the upper-layer header?
    const fn looks_beyond(&self) -> bool {
        self.sport.is_some() || self.dport.is_some() || self.flags.is_some() || self.icmp.is_some()
    }

    /// A fragment that is not the first has no ports. A line that permits by them permits such a fragment by the rest it
    /// says; one that denies by them leaves it to the lines that follow, as on IOS.
    pub const fn takes_later_fragments(&self) -> bool {
        self.permit || !self.looks_beyond()
    }
}
