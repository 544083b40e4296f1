//! `mac address-table …`, configuration side.

use super::{DONE, Does, No, Row, Said};
use crate::modes::Mode;
use mona_wire::Mac;

pub(super) static ROWS: &[Row] = &[
    aging("mac address-table aging-time <seconds:0-1000000>"),
    aging("mac-address-table aging-time <seconds:0-1000000>").hidden(),
    Row::config(
        &[Mode::Config],
        "mac address-table learning vlan <vlans:vlans>",
        No::Full,
        Does::Set {
            set: |config, _, args, no| {
                for vlan in args.vlans("vlans").unwrap_or_default().0 {
                    if no {
                        config.mac.no_learning.insert(vlan)
                    } else {
                        config.mac.no_learning.remove(&vlan)
                    };
                }
                DONE
            },
            get: |config, _| {
                let off: crate::names::VlanSet = config.mac.no_learning.iter().copied().collect();
                if off.0.is_empty() { Vec::new() } else { vec![Said::No(vec![off.to_string()])] }
            },
        },
    )
    .help(&[("learning", "Enable MAC address learning"), ("vlans", "VLAN IDs: 10 or 10,20-29")]),
    fixed("mac address-table static <mac:mac> vlan <vlan:vlan> interface <interface:interface>"),
    fixed("mac-address-table static <mac:mac> vlan <vlan:vlan> interface <interface:interface>").hidden(),
];

const fn aging(syntax: &'static str) -> Row {
    Row::config(
        &[Mode::Config],
        syntax,
        No::Words,
        Does::Set {
            set: |config, _, args, no| {
                let seconds = if no { 300 } else { args.number("seconds").unwrap_or(300) };
                if (1..10).contains(&seconds) {
                    return Err("The aging time is 0 (never) or 10 to 1000000 seconds".into());
                }
                config.mac.aging_secs = seconds;
                DONE
            },
            get: |config, _| match config.mac.aging_secs {
                300 => Vec::new(),
                seconds => vec![Said::Yes(vec![seconds.to_string()])],
            },
        },
    )
    .help(&[
        ("aging-time", "Set MAC address table entry maximum age"),
        ("seconds", "Maximum age in seconds, 0 disables aging"),
    ])
}

const fn fixed(syntax: &'static str) -> Row {
    Row::config(
        &[Mode::Config],
        syntax,
        No::Full,
        Does::Set {
            set: |config, _, args, no| {
                let (Some(mac), Some(vlan), Some(interface)) =
                    (args.mac("mac"), args.vlan("vlan"), args.interface("interface"))
                else {
                    return DONE;
                };
                if mac.is_group() || mac == Mac::ZERO {
                    return Err(format!(
                        "{mac} is no station's address: a static address must be unicast and not zero"
                    ));
                }
                if no {
                    config.mac.statics.remove(&(vlan, mac));
                } else if !config.interfaces.contains_key(&interface) {
                    return Err(format!("There is no {interface}: say `interface {interface}` first"));
                } else {
                    config.mac.statics.insert((vlan, mac), interface);
                }
                DONE
            },
            get: |config, _| {
                let line = |((vlan, mac), name): (&(mona_wire::VlanId, Mac), &crate::names::InterfaceName)| {
                    Said::Yes(vec![mac.to_string(), vlan.to_string(), name.to_string()])
                };
                config.mac.statics.iter().map(line).collect()
            },
        },
    )
    .help(&[("static", "Static MAC addresses"), ("mac", "48 bit mac address"), ("vlan", "VLAN keyword")])
}
