//! `port-profile NAME`: settings that interfaces inherit.

use super::switchport::forget_defaults;
use super::{DONE, Does, Done, No, Row, named, say, unsaid};
use crate::modes::{Mode, Place};

pub(super) static ROWS: &[Row] = &[
    Row::config(
        &[Mode::Config],
        "port-profile <profile:word>",
        No::Full,
        Does::Set {
            set: |config, _, args, no| {
                let name = args.word("profile").unwrap_or_default();
                if no {
                    let users: Vec<String> = config
                        .interfaces
                        .iter()
                        .filter(|(_, i)| i.profile.as_ref() == Some(&name))
                        .map(|(n, _)| n.short())
                        .collect();
                    if !users.is_empty() {
                        return Err(format!(
                            "port-profile {name} is inherited by {}: say `no inherit port-profile` there first",
                            users.join(", ")
                        ));
                    }
                    config.profiles.remove(&name);
                    return Ok(Done { messages: Vec::new(), enter: Some(Place::Global) });
                }
                named(&name)?;
                config.profiles.entry(name.clone()).or_default();
                Ok(Done { messages: Vec::new(), enter: Some(Place::Profile(name)) })
            },
            get: unsaid,
        },
    )
    .help(&[("port-profile", "Settings that interfaces inherit")]),
    Row::config(
        &[Mode::Interface],
        "inherit port-profile <profile:word>",
        No::Words,
        Does::Set {
            set: |config, place, args, no| {
                let profile = if no { None } else { args.word("profile") };
                if let Some(name) = profile.as_ref().filter(|name| !config.profiles.contains_key(*name)) {
                    return Err(format!("There is no port-profile {name}: say `port-profile {name}` first"));
                }
                for name in place.interfaces() {
                    let interface = config.interfaces.entry(*name).or_default();
                    interface.profile = profile.clone();
                    if profile.is_none() {
                        forget_defaults(&mut interface.switchport);
                    }
                }
                DONE
            },
            get: |config, place| {
                say(place.interfaces().first().and_then(|name| config.interfaces.get(name)?.profile.clone()))
            },
        },
    )
    .help(&[("inherit", "Inherit settings"), ("port-profile", "From a port-profile")]),
];
