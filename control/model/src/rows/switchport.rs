//! `switchport …`, of an interface or of a profile.

use super::vlan::is_unsupported;
use super::{DONE, Does, Done, No, Rejected, Row, Said, flag, say};
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
                each(config, place, |s| s.mode = mode)
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
                each(config, place, |s| s.access_vlan = vlan)?;
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
                each(config, place, |s| s.trunk_native = vlan)
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
                each(config, place, |s| s.trunk_allowed = vlans.clone().filter(|v| v.0.len() < 4094))
            },
            get: |config, place| match of(config, place).and_then(|s| s.trunk_allowed.as_ref()) {
                Some(vlans) if !vlans.0.is_empty() => vec![Said::Yes(vec![vlans.to_string()])],
                _ => Vec::new(),
            },
        },
    )
    .help(&[
        ("trunk", "Set trunking characteristics of the interface"),
        ("allowed", "Set allowed VLANs of the trunk"),
        ("vlan", "Allowed VLANs in trunk mode"),
        ("vlans", "VLAN IDs of the allowed VLANs: 10 or 10,20-29"),
    ]),
    Row::config(
        HERE,
        "switchport trunk allowed vlan {how:all|none}",
        No::Never,
        Does::Set {
            set: |config, place, args, _| {
                let none = args.word("how").as_deref() == Some("none");
                each(config, place, |s| s.trunk_allowed = none.then(VlanSet::default))
            },
            get: |config, place| match of(config, place).and_then(|s| s.trunk_allowed.as_ref()) {
                Some(vlans) if vlans.0.is_empty() => say(Some("none")),
                _ => Vec::new(),
            },
        },
    )
    .help(&[("all", "all VLANs"), ("none", "no VLANs")]),
    Row::config(
        HERE,
        "switchport trunk allowed vlan {how:add|except|remove} <vlans:vlans>",
        No::Never,
        Does::Set {
            set: |config, place, args, _| {
                let (how, list) = (args.word("how").unwrap_or_default(), args.vlans("vlans").unwrap_or_default());
                each(config, place, |s| {
                    let now = s.trunk_allowed.clone().unwrap_or_else(every);
                    let new: VlanSet = match how.as_str() {
                        "add" => now.0.union(&list.0).copied().collect(),
                        "remove" => now.0.difference(&list.0).copied().collect(),
                        _ => every().0.difference(&list.0).copied().collect(),
                    };
                    s.trunk_allowed = Some(new).filter(|v| v.0.len() < 4094);
                })
            },
            get: super::unsaid,
        },
    )
    .help(&[
        ("add", "add VLANs to the current list"),
        ("except", "all VLANs except the following"),
        ("remove", "remove VLANs from the current list"),
        ("vlans", "VLAN IDs: 10 or 10,20-29"),
    ]),
    Row::config(
        HERE,
        "switchport protected",
        No::Words,
        Does::Set {
            set: |config, place, _, no| each(config, place, |s| s.protected = (!no).then_some(true)),
            get: |config, place| flag(of(config, place).and_then(|s| s.protected) == Some(true)),
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
                each(config, place, |s| {
                    let field = if unicast { &mut s.block_unicast } else { &mut s.block_multicast };
                    *field = (!no).then_some(true);
                })
            },
            get: |config, place| {
                let of = of(config, place);
                let unicast = of.and_then(|s| s.block_unicast) == Some(true);
                let multicast = of.and_then(|s| s.block_multicast) == Some(true);
                let mut said = say(multicast.then_some("multicast"));
                said.extend(say(unicast.then_some("unicast")));
                said
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
        "switchport",
        No::Words,
        Does::Set {
            set: |_, _, _, no| match no {
                true => Err("This switch has no routed ports: an interface is always a switchport".into()),
                false => DONE,
            },
            get: super::unsaid,
        },
    ),
];

fn every() -> VlanSet {
    (1..=4094).filter_map(VlanId::new).collect()
}

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

fn each(config: &mut Config, place: &Place, mut edit: impl FnMut(&mut Switchport)) -> Result<Done, Rejected> {
    if let Place::Profile(name) = place {
        edit(&mut config.profiles.entry(name.clone()).or_default().switchport);
    }
    for name in place.interfaces() {
        edit(&mut config.interfaces.entry(*name).or_default().switchport);
    }
    DONE
}
