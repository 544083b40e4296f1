//! `mac address-table …`, configuration side.

use super::{DONE, Does, No, Row, Said};
use crate::config::Config;
use crate::modes::Mode;
use crate::names::VlanSet;
use mona_wire::Mac;

pub(super) static ROWS: &[Row] = &[
    Row::config(
        &[Mode::Config],
        "mac address-table aging-time <seconds:0-1000000>",
        No::Words,
        Does::Set {
            set: |config, _, args, no| {
                let seconds = args.number("seconds").filter(|_| !no).unwrap_or(Config::AGING_SECS);
                if (1..10).contains(&seconds) {
                    return Err("The aging time is 0 (never) or 10 to 1000000 seconds".into());
                }
                config.mac.aging_secs = seconds;
                DONE
            },
            get: |config, _| match config.mac.aging_secs {
                Config::AGING_SECS => Vec::new(),
                seconds => vec![Said::Yes(vec![seconds.to_string()])],
            },
        },
    )
    .help(&[
        ("aging-time", "Set MAC address table entry maximum age"),
        ("<seconds>", "Maximum age in seconds, 0 disables aging"),
    ]),
    Row::config(
        &[Mode::Config],
        "mac address-table learning vlan <vlans:vlans>",
        No::Full,
        Does::Set {
            set: |config, _, args, no| {
                for vlan in args.vlans("vlans").unwrap_or_default().iter() {
                    if no {
                        config.mac.no_learning.insert(vlan)
                    } else {
                        config.mac.no_learning.remove(&vlan)
                    };
                }
                DONE
            },
            get: |config, _| {
                let off: VlanSet = config.mac.no_learning.iter().copied().collect();
                if off.is_empty() { Vec::new() } else { vec![Said::No(vec![off.to_string()])] }
            },
        },
    )
    .help(&[("learning", "Enable MAC address learning"), ("vlan", "In these VLANs")]),
    Row::config(
        &[Mode::Config],
        "mac address-table static <mac:mac> vlan <vlan:vlan> interface <interface:port>",
        No::Before("interface"),
        Does::Set {
            set: |config, _, args, no| {
                let (Some(mac), Some(vlan)) = (args.mac("mac"), args.vlan("vlan")) else { return DONE };
                if mac.is_group() || mac == Mac::ZERO {
                    return Err(format!(
                        "{mac} is no station's address: a static address must be unicast and not zero"
                    ));
                }
                match args.interface("interface") {
                    _ if no => drop(config.mac.statics.remove(&(vlan, mac))),
                    Some(interface) if !interface.is_port() => {
                        return Err(format!("{interface} is no port: a station is behind a port"));
                    }
                    Some(interface) if !config.interfaces.contains_key(&interface) => {
                        return Err(format!("There is no {interface}: say `interface {interface}` first"));
                    }
                    Some(interface) => drop(config.mac.statics.insert((vlan, mac), interface)),
                    None => {}
                }
                DONE
            },
            get: |config, _| {
                let statics = config.mac.statics.iter();
                statics
                    .map(|((vlan, mac), name)| Said::Yes(vec![mac.to_string(), vlan.to_string(), name.to_string()]))
                    .collect()
            },
        },
    )
    .help(&[("static", "Static MAC addresses"), ("vlan", "VLAN of the address"), ("interface", "Where the station is")])
    .late(),
];
