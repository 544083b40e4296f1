//! Interface names as IOS writes them, and sets of VLANs as IOS lists them.

use mona_wire::VlanId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// The kinds of interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum InterfaceKind {
    /// A switch port.
    GigabitEthernet,
}

/// An interface: `GigabitEthernet0/1`. Slot 1 holds those made by hooks without a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InterfaceName {
    /// The kind.
    pub kind: InterfaceKind,
    /// The slot, 0..=9.
    pub slot: u16,
    /// The number in the slot, 1..=4094.
    pub number: u16,
}

/// A set of VLANs; prints as `1-5,7`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VlanSet(pub BTreeSet<VlanId>);

impl InterfaceName {
    /// The slot of interfaces that hooks make.
    pub const HOT_PLUG_SLOT: u16 = 1;

    /// `Gi0/1`
    pub fn short(&self) -> String {
        format!("Gi{}/{}", self.slot, self.number)
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GigabitEthernet{}/{}", self.slot, self.number)
    }
}

impl From<InterfaceName> for String {
    fn from(name: InterfaceName) -> String {
        name.to_string()
    }
}

impl TryFrom<String> for InterfaceName {
    type Error = String;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl std::str::FromStr for InterfaceName {
    type Err = String;
    /// Takes any unambiguous abbreviation, glued or with a blank: `GigabitEthernet0/1`, `gi 0/1`, `g0/1`.
    fn from_str(text: &str) -> Result<InterfaceName, String> {
        let wrong = || format!("{text} is no interface name: write GigabitEthernet<slot>/<number>, such as Gi0/1");
        let digits = text.find(|c: char| c.is_ascii_digit()).ok_or_else(wrong)?;
        let kind = text[..digits].trim_end().to_ascii_lowercase();
        if kind.is_empty() || !"gigabitethernet".starts_with(&kind) {
            return Err(wrong());
        }
        let (slot, number) = text[digits..].split_once('/').ok_or_else(wrong)?;
        let plain = |s: &str| !s.is_empty() && s.len() <= 4 && s.bytes().all(|b| b.is_ascii_digit());
        if !plain(slot) || !plain(number) {
            return Err(wrong());
        }
        let (slot, number) = (slot.parse().map_err(|_| wrong())?, number.parse().map_err(|_| wrong())?);
        if slot > 9 || !(1..=4094).contains(&number) {
            return Err(wrong());
        }
        Ok(InterfaceName { kind: InterfaceKind::GigabitEthernet, slot, number })
    }
}

impl VlanSet {
    /// 1-4094
    pub fn all() -> VlanSet {
        (1..=4094).filter_map(VlanId::new).collect()
    }

    /// Are all in it?
    pub fn is_all(&self) -> bool {
        self.0.len() == 4094
    }
}

impl fmt::Display for VlanSet {
    /// As IOS lists them: `1-5,7`; runs of two are written `4,5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut runs: Vec<(u16, u16)> = Vec::new();
        for vlan in self.0.iter().map(|v| v.get()) {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == vlan => *last = vlan,
                _ => runs.push((vlan, vlan)),
            }
        }
        for (index, (first, last)) in runs.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            match last - first {
                0 => write!(f, "{comma}{first}")?,
                1 => write!(f, "{comma}{first},{last}")?,
                _ => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

impl FromIterator<VlanId> for VlanSet {
    fn from_iter<I: IntoIterator<Item = VlanId>>(vlans: I) -> VlanSet {
        VlanSet(vlans.into_iter().collect())
    }
}
