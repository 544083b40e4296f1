//! `interface NAME` and what is said of it besides switchport.

use super::{ANY_INTERFACE, DONE, Does, Done, No, Rejected, Row, flag, named, say, unsaid};
use crate::config::{Config, InterfaceConfig, Io};
use crate::l3::L3;
use crate::modes::{Mode, Place};
use crate::names::{InterfaceKind, InterfaceName};

/// Smallest and largest MTU of an interface: 802.3's minimum payload plus a header for IP, and jumbo frames.
const MTU: &str = "mtu <bytes:68-9216>";

pub(super) static ROWS: &[Row] = &[
    Row::config(
        &[Mode::Config],
        "interface <interface:interface>",
        No::Full,
        Does::Set {
            set: |config, _, args, no| match args.interface("interface") {
                Some(name) if no => remove(config, name),
                Some(name) if name.kind == InterfaceKind::Null => Err(format!("{name} has nothing to configure")),
                Some(name) => {
                    make(config, name);
                    Ok(Done { messages: Vec::new(), enter: Some(Place::Interface(name)) })
                }
                None => DONE,
            },
            get: unsaid,
        },
    )
    .help(&[("interface", "Select an interface to configure")]),
    Row::config(
        &[Mode::Config],
        "interface range <range:range>",
        No::Never,
        Does::Set {
            set: |config, _, args, _| {
                let names = args.range("range").unwrap_or_default();
                if let Some(name) = names.iter().find(|name| name.kind == InterfaceKind::Null) {
                    return Err(format!("{name} has nothing to configure"));
                }
                names.iter().for_each(|name| make(config, *name));
                Ok(Done { messages: Vec::new(), enter: Some(Place::Range(names)) })
            },
            get: unsaid,
        },
    )
    .help(&[("range", "Several interfaces at once"), ("<range>", "Interfaces: gi0/1 - 4, gi0/7")]),
    Row::config(
        &[Mode::Config],
        "default interface (<interface:interface> | range <range:range>)",
        No::Never,
        Does::Set {
            set: |config, _, args, _| {
                let one = args.interface("interface").map(|name| vec![name]);
                restore(config, &one.or(args.range("range")).unwrap_or_default())
            },
            get: unsaid,
        },
    )
    .help(&[
        ("default", "Set a command to its defaults"),
        ("interface", "Select an interface to configure"),
        ("range", "Several interfaces at once"),
        ("<range>", "Interfaces: gi0/1 - 4, gi0/7"),
    ]),
    Row::config(
        &[Mode::Interface],
        "device <device:word>",
        No::Words,
        Does::Set {
            set: |config, place, args, no| {
                let device = if no { None } else { args.word("device") };
                if let Some(device) = &device {
                    let [name] = place.interfaces() else {
                        return Err("A netdev belongs to one interface: say `interface NAME` first".into());
                    };
                    if device.len() > 15 || device.contains('/') {
                        return Err(format!("{device} is no netdev name: it has at most 15 characters and no slash"));
                    }
                    let owner = config.interfaces.iter().find(|(n, i)| *n != name && i.device.as_ref() == Some(device));
                    if let Some((other, _)) = owner {
                        return Err(format!("{device} is the device of {other}: say `no device` there first"));
                    }
                }
                each(config, place, |interface| interface.device = device.clone())
            },
            get: |config, place| say(of(config, place).and_then(|i| i.device.clone())),
        },
    )
    .help(&[("device", "Bind the interface to a netdev")]),
    Row::config(
        &[Mode::Interface],
        "io {io:auto|packet|xdp}",
        No::Words,
        Does::Set {
            set: |config, place, args, no| {
                let io = if no { Io::Auto } else { io(args.word("io").as_deref()).unwrap_or_default() };
                each(config, place, |interface| interface.io = io)
            },
            get: |config, place| match of(config, place).map(|i| i.io) {
                Some(Io::Packet) => say(Some("packet")),
                Some(Io::Xdp) => say(Some("xdp")),
                Some(Io::Auto) | None => Vec::new(),
            },
        },
    ),
    Row::config(
        ANY_INTERFACE,
        "description <text:line>",
        No::Words,
        Does::Set {
            set: |config, place, args, no| {
                let text = if no { None } else { args.word("text") };
                if text.as_ref().is_some_and(|t| t.chars().count() > 240) {
                    return Err("A description has at most 240 characters".into());
                }
                each(config, place, |interface| interface.description = text.clone())
            },
            get: |config, place| say(of(config, place).and_then(|i| i.description.clone())),
        },
    )
    .help(&[("<text>", "Up to 240 characters describing this interface")]),
    Row::config(
        &[Mode::Interface],
        "tag <tag:word>",
        No::Words,
        Does::Set {
            set: |config, place, args, no| {
                let tag = if no { None } else { args.word("tag") };
                if let Some(tag) = &tag {
                    named(tag)?;
                    let [name] = place.interfaces() else {
                        return Err("A tag belongs to one interface: say `interface NAME` first".into());
                    };
                    let owner = config.interfaces.iter().find(|(n, i)| *n != name && i.tag.as_ref() == Some(tag));
                    if let Some((other, _)) = owner {
                        return Err(format!("{tag} is the tag of {other}: say `no tag` there first"));
                    }
                }
                each(config, place, |interface| interface.tag = tag.clone())
            },
            get: |config, place| say(of(config, place).and_then(|i| i.tag.clone())),
        },
    )
    .help(&[
        ("tag", "By which hooks find the interface, whatever its netdev is called"),
        ("<tag>", "Name, such as that of a virtual machine"),
    ]),
    Row::config(
        &[Mode::Interface],
        MTU,
        No::Words,
        Does::Set {
            set: |config, place, args, no| {
                let mtu = if no { None } else { args.number("bytes").and_then(|m| u16::try_from(m).ok()) };
                each(config, place, |interface| interface.mtu = mtu)
            },
            get: |config, place| say(of(config, place).and_then(|i| i.mtu)),
        },
    )
    .help(&[("<bytes>", "MTU size in bytes")]),
    Row::config(
        ANY_INTERFACE,
        "shutdown",
        No::Words,
        Does::Set {
            set: |config, place, _, no| each(config, place, |interface| interface.shutdown = !no),
            get: |config, place| flag(of(config, place).is_some_and(|i| i.shutdown)),
        },
    ),
];

/// The I/O a word names.
pub(crate) fn io(word: Option<&str>) -> Option<Io> {
    match word {
        Some("packet") => Some(Io::Packet),
        Some("xdp") => Some(Io::Xdp),
        Some("auto") => Some(Io::Auto),
        _ => None,
    }
}

/// The layer 3 of the interface, or of the first of them.
pub(crate) fn l3<'a>(config: &'a Config, place: &Place) -> Option<&'a L3> {
    of(config, place).map(|interface| &interface.l3)
}

/// Edits layer 3 of the interfaces; a port that switches has none.
pub(crate) fn each_l3(config: &mut Config, place: &Place, mut edit: impl FnMut(&mut L3)) -> Result<Done, Rejected> {
    layer3(config, place)?;
    each(config, place, |interface| edit(&mut interface.l3))
}

/// Refuses ports that switch.
pub(super) fn layer3(config: &Config, place: &Place) -> Result<(), Rejected> {
    match place.interfaces().iter().all(|name| may_route(config, *name)) {
        true => Ok(()),
        false => Err("% IP addresses may not be configured on L2 links.".into()),
    }
}

/// May it have addresses? A port only after `no switchport`.
pub(crate) fn may_route(config: &Config, name: InterfaceName) -> bool {
    !name.is_port() || config.interfaces.get(&name).is_some_and(|interface| interface.l3.routed)
}

/// An interface is there once it is named; one of the router's comes up by itself.
fn make(config: &mut Config, name: InterfaceName) {
    config.interfaces.entry(name).or_default();
}

pub(crate) fn of<'a>(config: &'a Config, place: &Place) -> Option<&'a InterfaceConfig> {
    place.interfaces().first().and_then(|name| config.interfaces.get(name))
}

pub(crate) fn each(
    config: &mut Config,
    place: &Place,
    mut edit: impl FnMut(&mut InterfaceConfig),
) -> Result<Done, Rejected> {
    for name in place.interfaces() {
        edit(config.interfaces.entry(*name).or_default());
    }
    DONE
}

fn remove(config: &mut Config, name: InterfaceName) -> Result<Done, Rejected> {
    super::ip::not_lent(config, name)?;
    if config.interfaces.remove(&name).is_none() {
        return Err(format!("There is no {name}"));
    }
    // Its sub-interfaces go with it.
    config.interfaces.retain(|other, _| other.parent() != Some(name));
    config.mac.statics.retain(|_, interface| *interface != name);
    Ok(Done { messages: Vec::new(), enter: Some(Place::Global) })
}

/// As if nothing had been said of them, but for what they are: their netdevs and the tags by which hooks find them.
fn restore(config: &mut Config, names: &[InterfaceName]) -> Result<Done, Rejected> {
    for name in names {
        super::ip::not_lent(config, *name)?;
        if !config.interfaces.contains_key(name) {
            return Err(format!("There is no {name}"));
        }
    }
    let mut messages = Vec::new();
    for name in names {
        let Some(interface) = config.interfaces.get_mut(name) else { continue };
        let InterfaceConfig { device, tag, hot_plug, .. } = std::mem::take(interface);
        *interface = InterfaceConfig { device, tag, hot_plug, ..InterfaceConfig::default() };
        // It switches from now on, and who switches has no sub-interfaces.
        config.interfaces.retain(|other, _| other.parent() != Some(*name));
        messages.push(format!("Interface {name} set to default configuration"));
    }
    Ok(Done { messages, enter: None })
}
