//! The modes, a declared tree, and the places a line may speak about.

use crate::acl::ListKind;
use crate::args::{self, Kind, Value};
use crate::names::{InterfaceKind, InterfaceName, VlanSet};

/// A mode of the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// `Switch>` and `Switch#`
    Exec,
    /// `(config)`
    Config,
    /// `(config-if)` and `(config-if-range)` of ports
    Interface,
    /// `(config-subif)`: a sub-interface of a routed port
    Subinterface,
    /// `(config-if)` of the router's interface in a VLAN
    Svi,
    /// `(config-if)` of a loopback
    Loopback,
    /// `(config-vlan)`
    Vlan,
    /// `(config-port-prof)`
    Profile,
    /// `(config-std-nacl)`
    StandardList,
    /// `(config-ext-nacl)`
    ExtendedList,
    /// `(config-ipv6-acl)`
    Ip6List,
    /// `(config-ext-macl)`
    MacList,
    /// `(config-line)`: accepted for the sake of clients that set timeouts; the socket has no lines.
    Line,
}

/// What a configuration line speaks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// No configuration at all: exec mode.
    Exec,
    /// The switch.
    Global,
    /// One interface.
    Interface(InterfaceName),
    /// Several at once.
    Range(Vec<InterfaceName>),
    /// One VLAN, or several.
    Vlan(VlanSet),
    /// A profile.
    Profile(String),
    /// An access list.
    AccessList(ListKind, String),
    /// A line, as typed.
    Line(String),
}

impl Mode {
    /// All there are.
    pub const ALL: [Mode; 13] = [
        Mode::Exec,
        Mode::Config,
        Mode::Interface,
        Mode::Subinterface,
        Mode::Svi,
        Mode::Loopback,
        Mode::Vlan,
        Mode::Profile,
        Mode::StandardList,
        Mode::ExtendedList,
        Mode::Ip6List,
        Mode::MacList,
        Mode::Line,
    ];
    /// Those in which something is configured.
    pub const CONFIGURATION: &'static [Mode] = match Mode::ALL.split_first() {
        Some((Mode::Exec, others)) => others,
        _ => panic!("exec mode is the first"),
    };

    /// The mode in which an interface is configured.
    pub fn of(name: &InterfaceName) -> Mode {
        match name.kind {
            InterfaceKind::GigabitEthernet if name.sub > 0 => Mode::Subinterface,
            InterfaceKind::GigabitEthernet => Mode::Interface,
            InterfaceKind::Loopback | InterfaceKind::Null => Mode::Loopback,
            InterfaceKind::Vlan => Mode::Svi,
        }
    }

    /// Where a line is tried that this mode does not know: from `config-if` one may say any line of `config`.
    pub fn parent(self) -> Option<Mode> {
        match self {
            Mode::Exec | Mode::Config => None,
            _ => Some(Mode::Config),
        }
    }
}

impl Place {
    /// The mode of the place.
    pub fn mode(&self) -> Mode {
        match self {
            Place::Exec => Mode::Exec,
            Place::Global => Mode::Config,
            Place::Interface(_) | Place::Range(_) => self.interfaces().first().map_or(Mode::Interface, Mode::of),
            Place::Vlan(_) => Mode::Vlan,
            Place::Profile(_) => Mode::Profile,
            Place::AccessList(ListKind::Standard, _) => Mode::StandardList,
            Place::AccessList(ListKind::Extended, _) => Mode::ExtendedList,
            Place::AccessList(ListKind::Ip6, _) => Mode::Ip6List,
            Place::AccessList(ListKind::Mac, _) => Mode::MacList,
            Place::Line(_) => Mode::Line,
        }
    }

    /// What stands in the prompt.
    pub fn prompt(&self) -> &'static str {
        match self {
            Place::Exec => "",
            Place::Global => "(config)",
            Place::Interface(name) if name.sub > 0 => "(config-subif)",
            Place::Interface(_) => "(config-if)",
            Place::Range(_) => "(config-if-range)",
            Place::Vlan(_) => "(config-vlan)",
            Place::Profile(_) => "(config-port-prof)",
            Place::AccessList(ListKind::Standard, _) => "(config-std-nacl)",
            Place::AccessList(ListKind::Extended, _) => "(config-ext-nacl)",
            Place::AccessList(ListKind::Ip6, _) => "(config-ipv6-acl)",
            Place::AccessList(ListKind::Mac, _) => "(config-ext-macl)",
            Place::Line(_) => "(config-line)",
        }
    }

    /// The lines that lead here from exec mode.
    pub fn context(&self) -> Vec<String> {
        let head = match self {
            Place::Exec => return Vec::new(),
            Place::Global => None,
            Place::Interface(name) => Some(format!("interface {name}")),
            Place::Range(names) => Some(format!("interface range {}", args::print_range(names))),
            Place::Vlan(vlans) => Some(format!("vlan {vlans}")),
            Place::Profile(name) => Some(format!("port-profile {name}")),
            Place::AccessList(kind, name) => Some(format!("{} {name}", kind.head())),
            Place::Line(text) => Some(format!("line {text}")),
        };
        std::iter::once("configure terminal".to_string()).chain(head).collect()
    }

    /// The place that such lines lead to; a context nobody made leads to the switch as a whole.
    pub fn of(context: &[String]) -> Place {
        let Some(head) = context.get(1) else {
            return if context.is_empty() { Place::Exec } else { Place::Global };
        };
        let place = || {
            if let Some(text) = head.strip_prefix("interface range ") {
                let Value::Range(names) = Kind::Range.value(text, None)? else { return None };
                return Some(Place::Range(names));
            }
            for kind in ListKind::ALL {
                let name = head.strip_prefix(kind.head()).and_then(|rest| rest.strip_prefix(' '));
                if let Some(name) = name.filter(|name| args::is_word(name) && kind.takes(name)) {
                    return Some(Place::AccessList(kind, name.into()));
                }
            }
            let (noun, text) = head.split_once(' ')?;
            match noun {
                "interface" => text.parse().ok().map(Place::Interface),
                "vlan" => args::vlans(text).map(Place::Vlan),
                // The name is printed: it must be one that the grammar reads back.
                "port-profile" if args::is_word(text) => Some(Place::Profile(text.into())),
                "line" => Some(Place::Line(text.into())),
                _ => None,
            }
        };
        place().unwrap_or(Place::Global)
    }

    /// The interfaces it speaks about.
    pub fn interfaces(&self) -> &[InterfaceName] {
        match self {
            Place::Interface(name) => std::slice::from_ref(name),
            Place::Range(names) => names,
            _ => &[],
        }
    }
}
