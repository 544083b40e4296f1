//! The commands: one row each. A row is a lens: its syntax parses, completes and explains the line, `set` writes it into the
//! configuration, `get` reads it back, and `show running-config` is made of what `get` says in the row's own words.
//!
//! A new command is one row in the file of its noun. Syntax: `<name:kind>` is an argument (see [`Kind`](crate::args::Kind)),
//! `{name:a|b}` a choice of words, `[…]` an option, `[…]*` one that may be taken again, `(… | …)` one of several ways.

mod acl;
mod already;
mod banner;
mod clear;
mod entry;
mod exec;
mod global;
mod interface;
mod ip;
mod ip6;
mod line;
mod mac;
mod platform;
mod profile;
mod route;
mod show;
mod show_ip;
mod switchport;
#[cfg(test)]
mod tests;
mod vlan;

use crate::args::Args;
use crate::config::{Banner, Config};
use crate::grammar::Local;
use crate::modes::{Mode, Place};
use crate::names::InterfaceName;
use crate::shown_ip::{Probe, Wanted};
use crate::syntax::Prepared;
use mona_wire::{Mac, VlanId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::LazyLock;

/// One command.
pub struct Row {
    /// Where it can be said.
    pub modes: &'static [Mode],
    /// How it is said.
    pub syntax: &'static str,
    /// What its words mean, as far as `words.rs` does not say it already.
    pub help: &'static [(&'static str, &'static str)],
    /// Who may say it: 1 or 15.
    pub privilege: u8,
    /// What `no` before it takes.
    pub no: No,
    /// Not shown by `?`.
    pub hidden: bool,
    /// Names interfaces, so it is printed after them.
    pub late: bool,
    /// What it does.
    pub does: Does,
}

/// How a row is said with `no`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum No {
    /// Not at all.
    Never,
    /// The words suffice; arguments may follow.
    Words,
    /// The line may end before this word, or before the argument of this name.
    Before(&'static str),
    /// The line may end after the argument of this name.
    After(&'static str),
    /// In full.
    Full,
}

/// What a row does.
#[derive(Clone, Copy)]
pub enum Does {
    /// Edits and reads back one field of the configuration.
    Set {
        /// Writes; the flag is `no`.
        set: fn(&mut Config, &Place, &Args, bool) -> Result<Done, Rejected>,
        /// Reads what is to be printed at a place.
        get: fn(&Config, &Place) -> Vec<Said>,
    },
    /// Something control carries out.
    Exec(fn(&Args) -> Result<Action, Rejected>),
    /// Something the shell does itself.
    Local(fn(&Args) -> Local),
    /// A change of mode: the context after that one.
    Context(fn(&[String]) -> Vec<String>),
}

/// What a `set` did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// What IOS would say to it.
    pub messages: Vec<String>,
    /// The place it leads to.
    pub enter: Option<Place>,
}

/// A line to be printed, in terms of the row's syntax.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// With these arguments.
    Yes(Vec<String>),
    /// The same after `no`.
    No(Vec<String>),
    /// A line that spells itself.
    Line(String),
}

impl Row {
    /// A row anybody may say in exec mode.
    const fn exec(syntax: &'static str, does: Does) -> Row {
        Row { modes: &[Mode::Exec], syntax, help: &[], privilege: 1, no: No::Never, hidden: false, late: false, does }
    }

    /// A row of a configuration mode.
    const fn config(modes: &'static [Mode], syntax: &'static str, no: No, does: Does) -> Row {
        Row { modes, syntax, help: &[], privilege: 15, no, hidden: false, late: false, does }
    }

    /// With help for words that need their own.
    const fn help(self, help: &'static [(&'static str, &'static str)]) -> Row {
        Row { help, ..self }
    }

    /// Only for privilege 15.
    const fn privileged(self) -> Row {
        Row { privilege: 15, ..self }
    }

    /// Printed after the interfaces.
    const fn late(self) -> Row {
        Row { late: true, ..self }
    }

    /// Not shown by `?`.
    const fn hidden(self) -> Row {
        Row { hidden: true, ..self }
    }
}

/// A field that is only written: nothing of it is printed by its own row.
fn unsaid(_: &Config, _: &Place) -> Vec<Said> {
    Vec::new()
}

/// `Yes(args)` if there is something to say.
fn say<T: ToString>(value: Option<T>) -> Vec<Said> {
    value.map(|v| Said::Yes(vec![v.to_string()])).into_iter().collect()
}

/// `Yes` without arguments, if set.
fn flag(set: bool) -> Vec<Said> {
    if set { vec![Said::Yes(Vec::new())] } else { Vec::new() }
}

/// A name of the operator's choice has an end.
fn named(name: &str) -> Result<(), Rejected> {
    match name.chars().count() {
        ..=64 => Ok(()),
        _ => Err("A name has at most 64 characters".into()),
    }
}

/// One of an interface's modes: any interface, or any that layer 3 may run on.
const ANY_INTERFACE: &[Mode] = &[Mode::Interface, Mode::Subinterface, Mode::Svi, Mode::Loopback];

/// A flag of an interface's layer 3: `flag!("ip redirects", true, ip.redirects, "help")`, `true` by default.
macro_rules! l3_flag {
    ($syntax:literal, $default:literal, $($field:ident).+) => {
        Row::config(
            super::ANY_INTERFACE,
            $syntax,
            No::Words,
            Does::Set {
                set: |config, place, _, no| super::interface::each_l3(config, place, |l3| l3.$($field).+ = !no),
                get: |config, place| match super::interface::l3(config, place) {
                    Some(l3) if l3.$($field).+ != $default => vec![if $default { Said::No(vec![]) } else { Said::Yes(vec![]) }],
                    _ => Vec::new(),
                },
            },
        )
    };
}

/// A number of an interface's layer 3: `l3_number!("ip mtu <bytes:68-9216>", ip.mtu)`.
macro_rules! l3_number {
    ($syntax:literal, $argument:literal, $($field:ident).+) => {
        Row::config(
            super::ANY_INTERFACE,
            $syntax,
            No::Words,
            Does::Set {
                set: |config, place, args, no| {
                    let value = args.number($argument).filter(|_| !no).and_then(|n| n.try_into().ok());
                    super::interface::each_l3(config, place, |l3| l3.$($field).+ = value)
                },
                get: |config, place| super::say(super::interface::l3(config, place).and_then(|l3| l3.$($field).+)),
            },
        )
    };
}
pub(crate) use {l3_flag, l3_number};

const DONE: Result<Done, Rejected> = Ok(Done { messages: Vec::new(), enter: None });

/// The files of rows; within a mode, `show running-config` prints in this order.
static FILES: &[&[Row]] = &[
    global::ROWS,
    vlan::ROWS,
    mac::ROWS,
    profile::ROWS,
    interface::ROWS,
    switchport::ROWS,
    ip::ROWS,
    ip6::ROWS,
    route::ROWS,
    acl::ROWS,
    banner::ROWS,
    line::ROWS,
    already::ROWS,
    exec::ROWS,
    show::ROWS,
    show_ip::ROWS,
    clear::ROWS,
    platform::ROWS,
];

static PREPARED: LazyLock<Vec<Prepared>> =
    LazyLock::new(|| FILES.iter().copied().flatten().map(Prepared::new).collect());

/// Asked for each line of a configuration, of which there may be a million.
static BY_MODE: LazyLock<BTreeMap<Mode, Vec<&'static Prepared>>> = LazyLock::new(|| {
    let mut rows: BTreeMap<Mode, Vec<&'static Prepared>> = BTreeMap::new();
    for prepared in PREPARED.iter() {
        prepared.row().modes.iter().for_each(|mode| rows.entry(*mode).or_default().push(prepared));
    }
    rows
});

/// Every row.
pub fn all() -> impl Iterator<Item = &'static Row> {
    FILES.iter().copied().flatten()
}

/// The rows of a mode that a privilege may say.
pub(crate) fn rows_of(mode: Mode, privilege: u8) -> impl Iterator<Item = &'static Prepared> {
    let rows = BY_MODE.get(&mode).into_iter().flatten().copied();
    rows.filter(move |prepared| prepared.row().privilege <= privilege)
}

/// What an exec row asks control to do. Closed: control matches it without a wildcard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// `show version`
    ShowVersion,
    /// `show running-config [interface X | all]`
    ShowRunning {
        /// Only this interface.
        interface: Option<InterfaceName>,
        /// With defaults.
        all: bool,
    },
    /// `show startup-config`
    ShowStartup,
    /// `show vlan [brief | id N | name WORD]`
    ShowVlan {
        /// `brief`
        brief: bool,
        /// `id LIST`
        id: Option<VlanId>,
        /// `name WORD`
        name: Option<String>,
    },
    /// `show vlan counters [id N]`
    ShowVlanCounters(Option<VlanId>),
    /// `show mac address-table [dynamic|static] [address] [interface] [vlan]`
    ShowMac(MacFilter),
    /// `show mac address-table aging-time`
    ShowMacAging,
    /// `show mac address-table count [vlan N]`
    ShowMacCount(Option<VlanId>),
    /// `show interfaces [X] [status|description|switchport|trunk|counters]`
    ShowInterfaces {
        /// Only this one.
        interface: Option<InterfaceName>,
        /// Which view.
        view: InterfaceView,
    },
    /// `show access-lists [NAME]`, `show ip access-lists`, `show ipv6 access-list`
    ShowAccessLists {
        /// Only those of IPv6, or only of IPv4.
        only: Option<bool>,
        /// Only this one.
        list: Option<String>,
    },
    /// `clear access-list counters [NAME]`
    ClearAccessLists {
        /// Only this one's.
        list: Option<String>,
    },
    /// `show ip route …`, `show ipv6 route …`
    ShowRoutes {
        /// Of IPv6.
        six: bool,
        /// Which.
        wanted: Wanted,
    },
    /// `show ip route summary`, `show ipv6 route summary`
    ShowRouteSummary {
        /// Of IPv6.
        six: bool,
    },
    /// `show ip arp …`, `show ipv6 neighbors …`
    ShowNeighbours {
        /// Of IPv6.
        six: bool,
        /// Only this one.
        address: Option<IpAddr>,
        /// Only this station.
        mac: Option<Mac>,
        /// Only there.
        interface: Option<InterfaceName>,
    },
    /// `show ip interface [X | brief]`, `show ipv6 interface [X | brief]`
    ShowIpInterfaces {
        /// Of IPv6.
        six: bool,
        /// Only this one.
        interface: Option<InterfaceName>,
        /// `brief`
        brief: bool,
    },
    /// `show ip traffic`, `show ipv6 traffic`
    ShowTraffic {
        /// Of IPv6.
        six: bool,
    },
    /// `show ip cef [A]`, `show ipv6 cef [A]`
    ShowCef {
        /// Of IPv6.
        six: bool,
        /// Only what a packet to this address meets.
        address: Option<IpAddr>,
    },
    /// `clear ip arp [A]`, `clear arp-cache`, `clear ipv6 neighbors`
    ClearNeighbours {
        /// Of IPv6.
        six: bool,
        /// Only this one.
        address: Option<IpAddr>,
    },
    /// `ping`, `traceroute`
    Probe(Probe),
    /// `show platform ports`
    ShowPlatformPorts,
    /// `show platform drops`
    ShowPlatformDrops,
    /// `show platform flow-cache [summary]`
    ShowFlowCache,
    /// `show platform flow-cache flow|interface X …`
    ShowFlows(FlowFilter),
    /// `show logging`
    ShowLogging,
    /// `show banner [exec|login|motd]`
    ShowBanner(Option<Banner>),
    /// `show clock`
    ShowClock,
    /// `show users`
    ShowUsers,
    /// `show processes cpu`
    ShowProcesses {
        /// The busiest first.
        sorted: bool,
    },
    /// `show memory statistics`
    ShowMemory,
    /// `show privilege`
    ShowPrivilege,
    /// `packet-tracer …`
    Trace {
        /// In by this interface.
        interface: InterfaceName,
        /// The frame, with its tag.
        frame: Vec<u8>,
    },
    /// `write memory`, `copy running-config startup-config`
    Save,
    /// `clear mac address-table dynamic …`
    ClearMac(MacFilter),
    /// `clear counters [X]`
    ClearCounters(Option<InterfaceName>),
    /// `clear logging`
    ClearLogging,
    /// `terminal monitor`, `terminal no monitor`
    Monitor(bool),
    /// `platform port add NETDEV …`: what `swctl add-port` sends.
    AddPort(AddPort),
    /// `platform port remove NETDEV`
    RemovePort {
        /// The netdev.
        device: String,
    },
}

/// The filters of `show|clear mac address-table`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MacFilter {
    /// `static` or `dynamic`
    pub is_static: Option<bool>,
    /// `address H.H.H`
    pub address: Option<Mac>,
    /// `interface X`
    pub interface: Option<InterfaceName>,
    /// `vlan N`
    pub vlan: Option<VlanId>,
}

/// The filters of `show platform flow-cache flow`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowFilter {
    /// `interface X`: in or out.
    pub interface: Option<InterfaceName>,
    /// `address H.H.H`: from or to.
    pub mac: Option<Mac>,
    /// `host A`: from or to.
    pub host: Option<IpAddr>,
}

/// The views of `show interfaces`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InterfaceView {
    /// All there is.
    Full,
    /// `status`
    Status,
    /// `description`
    Description,
    /// `switchport`
    Switchport,
    /// `trunk`
    Trunk,
    /// `counters`
    Counters,
    /// `counters errors`
    Errors,
}

/// `swctl add-port`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddPort {
    /// The netdev.
    pub device: String,
    /// `--interface`
    pub interface: Option<InterfaceName>,
    /// `--tag`
    pub tag: Option<String>,
    /// `--profile`
    pub profile: Option<String>,
    /// `--access-vlan`
    pub access_vlan: Option<VlanId>,
    /// `--trunk`
    pub trunk: Option<crate::names::VlanSet>,
    /// `--native-vlan`
    pub native_vlan: Option<VlanId>,
    /// `--io`
    pub io: Option<crate::config::Io>,
    /// `--force`: even if the netdev carries the host's addresses or default route.
    pub force: bool,
}

/// What a configuration row returns when it refuses: a sentence that says what to do.
pub type Rejected = String;

/// VLANs that exist always and cannot be deleted: 1 and 1002-1005.
pub fn is_default_vlan(vlan: VlanId) -> bool {
    vlan::is_default(vlan)
}

/// Is a numbered list printed as lines of its own?
pub(crate) use acl::in_lines;

/// VLANs of FDDI and Token Ring, 1002-1005: listed, never used.
pub fn is_unsupported_vlan(vlan: VlanId) -> bool {
    vlan::is_unsupported(vlan)
}
