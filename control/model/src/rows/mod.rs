//! The commands: one row each. (Contract; rows are filled in by their owner.)

use crate::config::Config;
use crate::names::InterfaceName;
use mona_wire::{Mac, VlanId};
use serde::{Deserialize, Serialize};

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
    /// `show platform ports`
    ShowPlatformPorts,
    /// `show platform drops`
    ShowPlatformDrops,
    /// `show logging`
    ShowLogging,
    /// `show clock`
    ShowClock,
    /// `show users`
    ShowUsers,
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

/// Prints the configuration as `show running-config` does (without `Building configuration...` and the byte count).
/// `startup`: as it is saved: hot-plug interfaces left out, tagged ones without their device line.
pub fn print(_config: &Config, _startup: bool) -> Vec<String> {
    todo!()
}
