//! Interface names as IOS writes them, and sets of VLANs as IOS lists them.

pub use crate::vlans::VlanSet;
use mona_wire::VlanId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The kinds of interface, in the order in which configurations list them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum InterfaceKind {
    /// `Loopback0`: an address of the router that is always there.
    Loopback,
    /// `GigabitEthernet0/1`, a port; `GigabitEthernet0/1.100`, a sub-interface of a routed one.
    GigabitEthernet,
    /// `Vlan10`: the router's interface in a VLAN.
    Vlan,
    /// `Null0`: where routes lead that drop.
    Null,
}

/// An interface: `GigabitEthernet0/1`. Slot 1 holds those made by hooks without a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InterfaceName {
    /// The kind.
    pub kind: InterfaceKind,
    /// The slot of a port, 0..=9; else 0.
    pub slot: u16,
    /// The number in the slot, 1..=4094; that of the VLAN; of a loopback, 0..=4094.
    pub number: u16,
    /// The number of a sub-interface, 1..=4094; 0: it is none.
    pub sub: u16,
}

impl InterfaceKind {
    /// All kinds.
    pub const ALL: [InterfaceKind; 4] =
        [InterfaceKind::GigabitEthernet, InterfaceKind::Loopback, InterfaceKind::Null, InterfaceKind::Vlan];

    /// The word before the number.
    pub const fn word(self) -> &'static str {
        match self {
            InterfaceKind::GigabitEthernet => "GigabitEthernet",
            InterfaceKind::Loopback => "Loopback",
            InterfaceKind::Vlan => "Vlan",
            InterfaceKind::Null => "Null",
        }
    }

    /// The numbers that may follow, as `?` shows them.
    pub const fn numbers(self) -> &'static str {
        match self {
            InterfaceKind::GigabitEthernet => "<0-9>/<1-4094>",
            InterfaceKind::Loopback => "<0-4094>",
            InterfaceKind::Vlan => "<1-4094>",
            InterfaceKind::Null => "<0-0>",
        }
    }

    /// The kind that a word means, in full or abbreviated.
    pub fn of(word: &str) -> Option<InterfaceKind> {
        let word = word.to_ascii_lowercase();
        InterfaceKind::ALL
            .into_iter()
            .find(|kind| !word.is_empty() && kind.word().to_ascii_lowercase().starts_with(&word))
    }
}

impl InterfaceName {
    /// The slot of interfaces that hooks make.
    pub const HOT_PLUG_SLOT: u16 = 1;

    /// `GigabitEthernet<slot>/<number>`
    pub const fn port(slot: u16, number: u16) -> InterfaceName {
        InterfaceName { kind: InterfaceKind::GigabitEthernet, slot, number, sub: 0 }
    }

    /// `Vlan<number>`
    pub const fn svi(vlan: VlanId) -> InterfaceName {
        InterfaceName { kind: InterfaceKind::Vlan, slot: 0, number: vlan.get(), sub: 0 }
    }

    /// The SVI's VLAN.
    pub fn vlan(&self) -> Option<VlanId> {
        (self.kind == InterfaceKind::Vlan).then(|| VlanId::new(self.number)).flatten()
    }

    /// Is it a port, and no sub-interface of one?
    pub fn is_port(&self) -> bool {
        self.kind == InterfaceKind::GigabitEthernet && self.sub == 0
    }

    /// The port that a sub-interface belongs to.
    pub fn parent(&self) -> Option<InterfaceName> {
        (self.sub > 0).then_some(InterfaceName { sub: 0, ..*self })
    }

    /// `Gi0/1`
    pub fn short(&self) -> String {
        self.with(match self.kind {
            InterfaceKind::GigabitEthernet => "Gi",
            InterfaceKind::Loopback => "Lo",
            InterfaceKind::Vlan => "Vl",
            InterfaceKind::Null => "Nu",
        })
    }

    fn with(&self, kind: &str) -> String {
        let InterfaceName { slot, number, sub, .. } = self;
        match (self.is_port(), sub) {
            (true, _) => format!("{kind}{slot}/{number}"),
            (false, 0) => format!("{kind}{number}"),
            (false, sub) => format!("{kind}{slot}/{number}.{sub}"),
        }
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with(self.kind.word()))
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
    /// Takes any unambiguous abbreviation, glued or with a blank: `GigabitEthernet0/1`, `gi 0/1`, `g0/1.100`, `vlan 10`.
    fn from_str(text: &str) -> Result<InterfaceName, String> {
        let wrong = || format!("{text} is no interface name: write GigabitEthernet<slot>/<number>, such as Gi0/1");
        let digits = text.find(|c: char| c.is_ascii_digit()).ok_or_else(wrong)?;
        let kind = InterfaceKind::of(text[..digits].trim_end()).ok_or_else(wrong)?;
        let number = |s: &str, low: u16, high: u16| {
            let plain = !s.is_empty() && s.len() <= 4 && s.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| s.parse().ok()).flatten().filter(|n| (low..=high).contains(n)).ok_or_else(wrong)
        };
        let rest = &text[digits..];
        Ok(match kind {
            InterfaceKind::GigabitEthernet => {
                let (slot, rest) = rest.split_once('/').ok_or_else(wrong)?;
                let (port, sub) = match rest.split_once('.') {
                    Some((port, sub)) => (port, number(sub, 1, 4094)?),
                    None => (rest, 0),
                };
                InterfaceName { kind, slot: number(slot, 0, 9)?, number: number(port, 1, 4094)?, sub }
            }
            InterfaceKind::Loopback => InterfaceName { kind, slot: 0, number: number(rest, 0, 4094)?, sub: 0 },
            InterfaceKind::Vlan => InterfaceName { kind, slot: 0, number: number(rest, 1, 4094)?, sub: 0 },
            InterfaceKind::Null => InterfaceName { kind, slot: 0, number: number(rest, 0, 0)?, sub: 0 },
        })
    }
}
