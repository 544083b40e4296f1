//! `switchport …`, of an interface or of a profile.

use super::vlan::is_unsupported;
use super::{DONE, Does, Done, No, Rejected, Row, Said, say};
use crate::config::{Config, Switchport, SwitchportMode, VlanConfig};
use crate::modes::{Mode, Place};
use crate::names::VlanSet;
use mona_wire::VlanId;
use std::collections::btree_map::Entry;

const HERE: &[Mode] = &[Mode::Interface, Mode::Profile];

pub(super) static ROWS: &[Row] = &[
    Row::config(
        HERE,
        "switchport mode {mode:access|trunk}",
        No::Words,
        Does::Set {
            set: |config, place, args, no| {
                let mode = match args.word("mode").as_deref() {
                    _ if no => None,
                    Some("trunk") => Some(SwitchportMode::Trunk),
                    _ => Some(SwitchportMode::Access),
                };
                each(config, place, |s, _| s.mode = mode)
            },
            get: |config, place| {
                say(of(config, place).and_then(|s| s.mode).map(|mode| match mode {
                    SwitchportMode::Access => "access",
                    SwitchportMode::Trunk => "trunk",
                }))
            },
        },
    )
    .help(&[
        ("mode", "Set trunking mode of the interface"),
        ("access", "Set trunking mode to ACCESS unconditionally"),
        ("trunk", "Set trunking mode to TRUNK unconditionally"),
    ]),
    Row::config(
        HERE,
        "switchport access vlan <vlan:vlan>",
        No::Words,
        Does::Set {
            set: |config, place, args, no| {
                let vlan = if no { None } else { args.vlan("vlan") };
                let mut messages = Vec::new();
                if let Some(vlan) = vlan {
                    usable(vlan)?;
                    if let Entry::Vacant(place) = config.vlans.entry(vlan) {
                        place.insert(VlanConfig::default());
                        messages.push(format!("% Access VLAN does not exist. Creating vlan {vlan}"));
                    }
                }
                each(config, place, |s, _| s.access_vlan = vlan)?;
                Ok(Done { messages, enter: None })
            },
            get: |config, place| say(of(config, place).and_then(|s| s.access_vlan)),
        },
    )
    .help(&[
        ("access", "Set access mode characteristics of the interface"),
        ("vlan", "VLAN of the interface in access mode"),
    ]),
    Row::config(
        HERE,
        "switchport trunk native vlan <vlan:vlan>",
        No::Words,
        Does::Set {
            set: |config, place, args, no| {
                let vlan = if no { None } else { args.vlan("vlan") };
                vlan.map_or(Ok(()), usable)?;
                each(config, place, |s, _| s.trunk_native = vlan)
            },
            get: |config, place| say(of(config, place).and_then(|s| s.trunk_native)),
        },
    )
    .help(&[
        ("trunk", "Set trunking characteristics of the interface"),
        ("native", "Set the native VLAN of the trunk"),
        ("vlan", "VLAN of untagged frames"),
    ]),
    Row::config(
        HERE,
        "switchport trunk allowed vlan <vlans:vlans>",
        No::Words,
        Does::Set {
            set: |config, place, args, no| {
                let vlans = if no { None } else { args.vlans("vlans") };
                allow(config, place, |_| vlans.clone())
            },
            get: |config, place| match of(config, place).and_then(|s| s.trunk_allowed.as_ref()) {
                Some(vlans) if !vlans.is_empty() && !vlans.is_all() => vec![Said::Yes(vec![vlans.to_string()])],
                _ => Vec::new(),
            },
        },
    )
    .help(&[
        ("trunk", "Set trunking characteristics of the interface"),
        ("allowed", "Set allowed VLANs of the trunk"),
        ("vlan", "Allowed VLANs in trunk mode"),
        ("<vlans>", "VLAN IDs of the allowed VLANs: 10 or 10,20-29"),
    ]),
    Row::config(
        HERE,
        "switchport trunk allowed vlan {how:all|none}",
        No::Never,
        Does::Set {
            set: |config, place, args, _| {
                let none = args.word("how").as_deref() == Some("none");
                allow(config, place, |_| Some(if none { VlanSet::default() } else { VlanSet::all() }))
            },
            get: |config, place| match of(config, place).and_then(|s| s.trunk_allowed.as_ref()) {
                Some(vlans) if vlans.is_empty() => say(Some("none")),
                Some(vlans) if vlans.is_all() => say(Some("all")),
                _ => Vec::new(),
            },
        },
    )
    .help(&[("all", "All VLANs"), ("none", "No VLANs")]),
    Row::config(
        HERE,
        "switchport trunk allowed vlan {how:add|except|remove} <vlans:vlans>",
        No::Never,
        Does::Set {
            set: |config, place, args, _| {
                let (how, list) = (args.word("how").unwrap_or_default(), args.vlans("vlans").unwrap_or_default());
                allow(config, place, |now| {
                    let now = now.unwrap_or_else(VlanSet::all);
                    Some(match how.as_str() {
                        "add" => now.or(&list),
                        "remove" => now.without(&list),
                        _ => VlanSet::all().without(&list),
                    })
                })
            },
            get: super::unsaid,
        },
    )
    .help(&[
        ("add", "Add VLANs to the current list"),
        ("except", "All VLANs except the following"),
        ("remove", "Remove VLANs from the current list"),
    ]),
    Row::config(
        HERE,
        "switchport protected",
        No::Words,
        Does::Set {
            set: |config, place, _, no| each(config, place, |s, inherits| s.protected = said(!no, false, inherits)),
            get: |config, place| own_flag(of(config, place).and_then(|s| s.protected), &[]),
        },
    )
    .help(&[("protected", "Configure an interface to be a protected port")]),
    Row::config(
        HERE,
        "switchport block {what:multicast|unicast}",
        No::Full,
        Does::Set {
            set: |config, place, args, no| {
                let unicast = args.word("what").as_deref() == Some("unicast");
                each(config, place, |s, inherits| {
                    let field = if unicast { &mut s.block_unicast } else { &mut s.block_multicast };
                    *field = said(!no, false, inherits);
                })
            },
            get: |config, place| {
                let Some(of) = of(config, place) else { return Vec::new() };
                [own_flag(of.block_multicast, &["multicast"]), own_flag(of.block_unicast, &["unicast"])].concat()
            },
        },
    )
    .help(&[
        ("block", "Disable forwarding of unknown uni/multi cast addresses"),
        ("multicast", "Block unknown multicast addresses"),
        ("unicast", "Block unknown unicast addresses"),
    ]),
    Row::config(
        HERE,
        "mac address-table learning",
        No::Words,
        Does::Set {
            set: |config, place, _, no| each(config, place, |s, inherits| s.learning = said(!no, true, inherits)),
            get: |config, place| own_flag(of(config, place).and_then(|s| s.learning), &[]),
        },
    )
    .help(&[("learning", "Learn addresses on this interface")]),
];

fn usable(vlan: VlanId) -> Result<(), Rejected> {
    match is_unsupported(vlan) {
        true => Err(format!("VLAN {vlan} is reserved for FDDI and Token Ring: choose another")),
        false => Ok(()),
    }
}

fn of<'a>(config: &'a Config, place: &Place) -> Option<&'a Switchport> {
    match place {
        Place::Profile(name) => config.profiles.get(name).map(|p| &p.switchport),
        _ => place.interfaces().first().and_then(|name| config.interfaces.get(name)).map(|i| &i.switchport),
    }
}

/// What is kept of a flag: its default is worth a word only where a profile may say otherwise.
fn said(value: bool, default: bool, inherits: bool) -> Option<bool> {
    (value != default || inherits).then_some(value)
}

fn own_flag(value: Option<bool>, args: &[&str]) -> Vec<Said> {
    let args = args.iter().map(|arg| arg.to_string()).collect();
    value.map(|on| if on { Said::Yes(args) } else { Said::No(args) }).into_iter().collect()
}

/// Edits the settings of a place; the flag tells whether they stand before those of a profile.
fn each(config: &mut Config, place: &Place, mut edit: impl FnMut(&mut Switchport, bool)) -> Result<Done, Rejected> {
    if let Place::Profile(name) = place {
        edit(&mut config.profiles.entry(name.clone()).or_default().switchport, false);
    }
    for name in place.interfaces() {
        let interface = config.interfaces.entry(*name).or_default();
        edit(&mut interface.switchport, interface.profile.is_some());
    }
    DONE
}

/// Edits the allowed VLANs, given those in effect (`None`: all).
fn allow(
    config: &mut Config,
    place: &Place,
    edit: impl Fn(Option<VlanSet>) -> Option<VlanSet>,
) -> Result<Done, Rejected> {
    if let Place::Profile(name) = place {
        let now = &mut config.profiles.entry(name.clone()).or_default().switchport.trunk_allowed;
        *now = edit(now.take()).filter(|vlans| !vlans.is_all());
    }
    for name in place.interfaces() {
        config.interfaces.entry(*name).or_default();
        let new = edit(config.interfaces.get(name).and_then(|interface| config.switchport(interface).trunk_allowed));
        if let Some(interface) = config.interfaces.get_mut(name) {
            let inherits = interface.profile.is_some();
            interface.switchport.trunk_allowed = new.filter(|vlans| inherits || !vlans.is_all());
        }
    }
    DONE
}

/// Forgets what was said only against a profile that is not inherited any more.
pub(super) fn forget_defaults(s: &mut Switchport) {
    for flag in [&mut s.protected, &mut s.block_unicast, &mut s.block_multicast] {
        *flag = flag.filter(|on| *on);
    }
    s.learning = s.learning.filter(|on| !*on);
    s.trunk_allowed = s.trunk_allowed.take().filter(|vlans| !vlans.is_all());
}
