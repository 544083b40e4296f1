//! Which configuration lines stand behind a setting: what `packet-tracer` cites.

use crate::config::{Config, Switchport};
use crate::names::InterfaceName;
use crate::print::print_interface;

/// A setting of an interface that a decision may rest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// `switchport mode`
    Mode,
    /// `switchport access vlan`
    AccessVlan,
    /// `switchport trunk native vlan`
    NativeVlan,
    /// `switchport trunk allowed vlan`
    AllowedVlans,
    /// `switchport protected`
    Protected,
    /// `switchport block unicast`
    BlockUnicast,
    /// `switchport block multicast`
    BlockMulticast,
    /// `mac address-table learning`
    Learning,
    /// `shutdown`
    Shutdown,
    /// `mtu`
    Mtu,
}

impl Setting {
    fn words(self) -> &'static str {
        match self {
            Setting::Mode => "switchport mode",
            Setting::AccessVlan => "switchport access vlan",
            Setting::NativeVlan => "switchport trunk native vlan",
            Setting::AllowedVlans => "switchport trunk allowed vlan",
            Setting::Protected => "switchport protected",
            Setting::BlockUnicast => "switchport block unicast",
            Setting::BlockMulticast => "switchport block multicast",
            Setting::Learning => "mac address-table learning",
            Setting::Shutdown => "shutdown",
            Setting::Mtu => "mtu",
        }
    }

    fn is_set(self, s: &Switchport) -> bool {
        match self {
            Setting::Mode => s.mode.is_some(),
            Setting::AccessVlan => s.access_vlan.is_some(),
            Setting::NativeVlan => s.trunk_native.is_some(),
            Setting::AllowedVlans => s.trunk_allowed.is_some(),
            Setting::Protected => s.protected.is_some(),
            Setting::BlockUnicast => s.block_unicast.is_some(),
            Setting::BlockMulticast => s.block_multicast.is_some(),
            Setting::Learning => s.learning.is_some(),
            Setting::Shutdown | Setting::Mtu => true,
        }
    }
}

/// The head of the section and the lines in it that make the setting what it is: the interface's own, else its profile's;
/// empty where the default holds.
pub fn sources(config: &Config, name: InterfaceName, setting: Setting) -> Vec<String> {
    let Some(interface) = config.interfaces.get(&name) else { return Vec::new() };
    let cite = |lines: Vec<String>| {
        let said = |line: &&String| line.trim_start().trim_start_matches("no ").starts_with(setting.words());
        let found: Vec<String> = lines.iter().skip(1).filter(said).cloned().collect();
        match found.is_empty() {
            true => Vec::new(),
            false => lines.into_iter().take(1).chain(found).collect(),
        }
    };
    if setting.is_set(&interface.switchport) {
        let own = cite(print_interface(config, name));
        if !own.is_empty() {
            return own;
        }
    }
    match interface.profile.as_ref().filter(|p| config.profiles.get(*p).is_some_and(|p| setting.is_set(&p.switchport)))
    {
        Some(profile) => cite(crate::print::print_profile(config, profile)),
        None => Vec::new(),
    }
}
