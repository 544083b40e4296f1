//! The configuration: plain data, no behaviour. Only rows change it, only `compile()` reads it for the datapath.
//!
//! A field is `None` where the operator said nothing, so that profiles can fill in and `show running-config` stays short.

use crate::acl::{AccessList, Filters};
use crate::l3::{L3, Routing};
use crate::names::{InterfaceName, VlanSet};
use ipnet::Ipv4Net;
use mona_wire::{Mac, VlanId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Everything the operator said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// `hostname NAME`
    pub hostname: String,
    /// `vlan N`; VLANs 1 and 1002-1005 are always there.
    pub vlans: BTreeMap<VlanId, VlanConfig>,
    /// `vlan dot1q tag native`: trunks tag their native VLAN and drop untagged frames.
    pub tag_native: bool,
    /// `port-profile NAME`
    pub profiles: BTreeMap<String, Profile>,
    /// `interface NAME`
    pub interfaces: BTreeMap<InterfaceName, InterfaceConfig>,
    /// `mac address-table …`
    pub mac: MacConfig,
    /// `logging …`
    pub logging: LoggingConfig,
    /// `ip …`, `ipv6 …`, `arp …`
    #[serde(default)]
    pub routing: Routing,
    /// `access-list …`, `ip access-list …`, `ipv6 access-list …`, `mac access-list …`
    #[serde(default)]
    pub access_lists: BTreeMap<String, AccessList>,
    /// `platform flow-cache …`
    #[serde(default)]
    pub flow_cache: FlowCacheConfig,
    /// `platform host-frames`
    #[serde(default)]
    pub host_frames: bool,
    /// `banner …`
    #[serde(default)]
    pub banners: BTreeMap<Banner, String>,
}

/// When a text is shown to who begins a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Banner {
    /// Last, before the first prompt.
    Exec,
    /// After the message of the day.
    Login,
    /// First.
    Motd,
}

impl Banner {
    /// All, in the order in which they are shown.
    pub const ALL: [Banner; 3] = [Banner::Motd, Banner::Login, Banner::Exec];

    /// How the shell calls it.
    pub fn word(self) -> &'static str {
        match self {
            Banner::Exec => "exec",
            Banner::Login => "login",
            Banner::Motd => "motd",
        }
    }
}

/// `platform flow-cache …`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowCacheConfig {
    /// `no platform flow-cache`
    pub off: bool,
    /// `hold SECONDS`: how long the kernel forwards what it remembers without the switch; default 300.
    pub hold_secs: Option<u32>,
}

/// `vlan N`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VlanConfig {
    /// `name WORD`; without one it is called `VLAN0010` (1: `default`).
    pub name: Option<String>,
}

/// `port-profile NAME`: settings that interfaces inherit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// What an interface may inherit.
    pub switchport: Switchport,
}

/// `interface NAME`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceConfig {
    /// `device NETDEV`
    pub device: Option<String>,
    /// `io auto|packet|xdp`
    pub io: Io,
    /// `description LINE`
    pub description: Option<String>,
    /// `shutdown`
    pub shutdown: bool,
    /// `mtu BYTES`
    pub mtu: Option<u16>,
    /// `tag NAME`: hooks find the interface by it, whatever the netdev is called.
    pub tag: Option<String>,
    /// `inherit port-profile NAME`
    pub profile: Option<String>,
    /// Made by a hook without a name: goes away with its device and is not saved.
    pub hot_plug: bool,
    /// `switchport …`
    pub switchport: Switchport,
    /// `no switchport`, `ip …`, `ipv6 …`
    #[serde(default)]
    pub l3: L3,
    /// `ip access-group …`, `ipv6 traffic-filter …`, `mac access-group …`
    #[serde(default)]
    pub filters: Filters,
    /// `no platform flow-cache` on the interface.
    #[serde(default)]
    pub uncached: bool,
    /// `platform host-frames` on the interface.
    #[serde(default)]
    pub host_frames: bool,
}

/// Which I/O a port uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Io {
    /// What fits the device.
    #[default]
    Auto,
    /// The backplane.
    Packet,
    /// AF_XDP.
    Xdp,
}

/// `switchport …`, of an interface or a profile. The interface's own words win over its profile's, those over the
/// default: see `Config::switchport`. So the default itself is kept only where an interface has a profile that may say
/// otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switchport {
    /// `switchport mode access|trunk`; default access.
    pub mode: Option<SwitchportMode>,
    /// `switchport access vlan N`; default 1.
    pub access_vlan: Option<VlanId>,
    /// `switchport trunk allowed vlan LIST`; default all. The full set is kept only by an interface that has a profile:
    /// there `all` says something.
    pub trunk_allowed: Option<VlanSet>,
    /// `switchport trunk native vlan N`; default 1.
    pub trunk_native: Option<VlanId>,
    /// `switchport protected`
    pub protected: Option<bool>,
    /// `switchport block unicast`
    pub block_unicast: Option<bool>,
    /// `switchport block multicast`
    pub block_multicast: Option<bool>,
    /// `mac address-table learning` on the interface; default on.
    pub learning: Option<bool>,
}

/// `switchport mode`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SwitchportMode {
    /// One VLAN, untagged.
    Access,
    /// Many VLANs, tagged but for the native one.
    Trunk,
}

/// `mac address-table …`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MacConfig {
    /// `aging-time SECONDS`: 0 = never, else 10..=1000000; default 300.
    pub aging_secs: u32,
    /// `no mac address-table learning vlan N`
    pub no_learning: BTreeSet<VlanId>,
    /// `static H.H.H vlan N interface NAME`
    pub statics: BTreeMap<(VlanId, Mac), InterfaceName>,
}

/// `logging …`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggingConfig {
    /// `logging buffered LINES`; default 1000 lines.
    pub buffered: Option<u32>,
}

/// What an interface's switchport settings come to after profile and defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveSwitchport {
    /// Access or trunk.
    pub mode: SwitchportMode,
    /// The access VLAN.
    pub access_vlan: VlanId,
    /// The allowed VLANs; `None` = all.
    pub trunk_allowed: Option<VlanSet>,
    /// The native VLAN.
    pub trunk_native: VlanId,
    /// `switchport protected`
    pub protected: bool,
    /// `switchport block unicast`
    pub block_unicast: bool,
    /// `switchport block multicast`
    pub block_multicast: bool,
    /// Are addresses learned?
    pub learning: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            hostname: "Switch".into(),
            vlans: [1, 1002, 1003, 1004, 1005]
                .into_iter()
                .filter_map(VlanId::new)
                .map(|vlan| (vlan, VlanConfig::default()))
                .collect(),
            tag_native: false,
            profiles: BTreeMap::new(),
            interfaces: BTreeMap::new(),
            mac: MacConfig { aging_secs: Config::AGING_SECS, no_learning: BTreeSet::new(), statics: BTreeMap::new() },
            logging: LoggingConfig { buffered: None },
            routing: Routing::default(),
            access_lists: BTreeMap::new(),
            flow_cache: FlowCacheConfig::default(),
            host_frames: false,
            banners: BTreeMap::new(),
        }
    }
}

impl Config {
    /// `mac address-table aging-time` unless something else is said.
    pub const AGING_SECS: u32 = 300;
    /// `platform flow-cache hold` unless something else is said.
    pub const HOLD_SECS: u32 = 300;

    /// The primary IPv4 address that an interface uses: its own, or that of the loopback that lends it one.
    pub fn ip(&self, interface: &InterfaceConfig) -> Option<Ipv4Net> {
        let lender = || self.interfaces.get(&interface.l3.ip.unnumbered?);
        let borrowed = || lender()?.l3.ip.address.map(|net| Ipv4Net::from(net.addr()));
        interface.l3.ip.address.or_else(borrowed)
    }

    /// All IPv4 addresses that an interface uses, the primary first.
    pub fn ips<'a>(&self, interface: &'a InterfaceConfig) -> impl Iterator<Item = Ipv4Net> + use<'a> {
        self.ip(interface).into_iter().chain(interface.l3.ip.secondary.iter().copied())
    }

    /// The settings of an interface after its profile and the defaults.
    pub fn switchport(&self, interface: &InterfaceConfig) -> EffectiveSwitchport {
        let none = Switchport::default();
        let own = &interface.switchport;
        let profile =
            interface.profile.as_ref().and_then(|name| self.profiles.get(name)).map_or(&none, |p| &p.switchport);
        EffectiveSwitchport {
            mode: own.mode.or(profile.mode).unwrap_or(SwitchportMode::Access),
            access_vlan: own.access_vlan.or(profile.access_vlan).unwrap_or(VlanId::DEFAULT),
            trunk_allowed: own
                .trunk_allowed
                .as_ref()
                .or(profile.trunk_allowed.as_ref())
                .filter(|v| !v.is_all())
                .cloned(),
            trunk_native: own.trunk_native.or(profile.trunk_native).unwrap_or(VlanId::DEFAULT),
            protected: own.protected.or(profile.protected).unwrap_or(false),
            block_unicast: own.block_unicast.or(profile.block_unicast).unwrap_or(false),
            block_multicast: own.block_multicast.or(profile.block_multicast).unwrap_or(false),
            learning: own.learning.or(profile.learning).unwrap_or(true),
        }
    }

    /// The name of a VLAN, given or default.
    pub fn vlan_name(&self, vlan: VlanId) -> String {
        match (self.vlans.get(&vlan).and_then(|v| v.name.as_ref()), vlan.get()) {
            (Some(name), _) => name.clone(),
            (None, 1) => "default".into(),
            (None, 1002) => "fddi-default".into(),
            (None, 1003) => "token-ring-default".into(),
            (None, 1004) => "fddinet-default".into(),
            (None, 1005) => "trnet-default".into(),
            (None, vid) => format!("VLAN{vid:04}"),
        }
    }
}
