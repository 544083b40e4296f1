//! `vlan N` and what is said of it.

use super::{DONE, Does, Done, No, Rejected, Row, Said, say};
use crate::args;
use crate::config::Config;
use crate::modes::{Mode, Place};
use crate::names::VlanSet;
use mona_wire::VlanId;

/// VLANs that exist always and cannot be deleted.
pub(crate) fn is_default(vlan: VlanId) -> bool {
    matches!(vlan.get(), 1 | 1002..=1005)
}

/// VLANs of FDDI and Token Ring: listed, never used.
pub(crate) fn is_unsupported(vlan: VlanId) -> bool {
    matches!(vlan.get(), 1002..=1005)
}

pub(super) static ROWS: &[Row] = &[
    Row::config(
        &[Mode::Config],
        "vlan <vlans:vlans>",
        No::Full,
        Does::Set {
            set: |config, _, args, no| {
                let vlans = args.vlans("vlans").unwrap_or_default();
                if no { remove(config, &vlans) } else { enter(config, vlans) }
            },
            // The blocks themselves are printed by `print.rs`.
            get: super::unsaid,
        },
    )
    .help(&[("<vlans>", "ISL VLAN IDs 1-4094: 10 or 10,20-29")]),
    Row::config(
        &[Mode::Vlan],
        "name <name:word>",
        No::Words,
        Does::Set {
            set: |config, place, args, no| {
                let Place::Vlan(vlans) = place else { return DONE };
                let mut name = if no { None } else { args.word("name") };
                if let Some(wish) = &name {
                    if wish.chars().count() > 32 {
                        return Err("A VLAN name has at most 32 characters".into());
                    }
                    let [only] = vlans.iter().collect::<Vec<_>>()[..] else {
                        return Err("A name belongs to one VLAN: say `vlan N` first".into());
                    };
                    match called(config, wish) {
                        Some(other) if other != only => {
                            return Err(format!("VLAN {other} has the name {wish} already"));
                        }
                        _ => {}
                    }
                    name = name.filter(|name| *name != Config::default().vlan_name(only));
                }
                if vlans.iter().any(is_default) {
                    return Err("Default VLAN names may not be changed".into());
                }
                for vlan in vlans.iter() {
                    config.vlans.entry(vlan).or_default().name = name.clone();
                }
                DONE
            },
            get: |config, place| match place {
                Place::Vlan(vlans) => say(vlans.iter().next().and_then(|v| config.vlans.get(&v)?.name.clone())),
                _ => Vec::<Said>::new(),
            },
        },
    )
    .help(&[("name", "Ascii name of the VLAN"), ("<name>", "The ascii name for the VLAN")]),
];

/// The VLAN of that name. The names that VLANs have by themselves are taken even where the VLAN does not exist yet: it may.
fn called(config: &Config, name: &str) -> Option<VlanId> {
    let by_itself = name.strip_prefix("VLAN").filter(|number| number.len() == 4).and_then(args::vlan);
    config.vlans.keys().copied().find(|vlan| config.vlan_name(*vlan) == name).or(by_itself)
}

fn enter(config: &mut Config, vlans: VlanSet) -> Result<Done, Rejected> {
    for vlan in vlans.iter() {
        config.vlans.entry(vlan).or_default();
    }
    Ok(Done { messages: Vec::new(), enter: Some(Place::Vlan(vlans)) })
}

fn remove(config: &mut Config, vlans: &VlanSet) -> Result<Done, Rejected> {
    let kept: VlanSet = vlans.iter().filter(|v| is_default(*v)).collect();
    if vlans.len() == 1 && !kept.is_empty() {
        return Err(format!("Default VLAN {kept} may not be deleted."));
    }
    if !kept.is_empty() {
        return Err(format!("Default VLAN id(s) {kept} may not be deleted."));
    }
    vlans.iter().for_each(|vlan| {
        config.vlans.remove(&vlan);
    });
    Ok(Done { messages: Vec::new(), enter: Some(Place::Global) })
}
