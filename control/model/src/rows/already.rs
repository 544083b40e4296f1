//! What configurations of other switches say that is so here anyway: taken without a word and not kept. The opposite is
//! refused, with a sentence. Not shown by `?`.

use super::{DONE, Does, No, Row, unsaid};
use crate::modes::Mode;

/// `already!(modes, syntax, is it so?, what is so)`
macro_rules! already {
    ($modes:expr, $syntax:literal, $is:literal, $what:literal, $($help:expr),*) => {
        Row::config(
            $modes,
            $syntax,
            No::Words,
            Does::Set { set: |_, _, _, no| if no != $is { DONE } else { Err($what.into()) }, get: unsaid },
        )
        .help(&[$($help),*])
        .hidden()
    };
}

const CONFIG: &[Mode] = &[Mode::Config];
const PORT: &[Mode] = &[Mode::Interface];

pub(super) static ROWS: &[Row] = &[
    already!(
        CONFIG,
        "aaa new-model",
        false,
        "Who may do what is said by groups of the host: mona and mona-admin",
        ("aaa", "Authentication, Authorization and Accounting"),
        ("new-model", "Enable new access control commands and functions")
    ),
    already!(CONFIG, "ip domain-lookup", false, "Names are not looked up", ("domain-lookup", "Enable name lookup")),
    already!(
        CONFIG,
        "ip domain lookup",
        false,
        "Names are not looked up",
        ("domain", "Name lookup"),
        ("lookup", "Enable name lookup")
    ),
    already!(
        CONFIG,
        "ip http server",
        false,
        "There is no web server",
        ("http", "HTTP server configuration"),
        ("server", "Enable http server")
    ),
    already!(
        CONFIG,
        "ip http secure-server",
        false,
        "There is no web server",
        ("http", "HTTP server configuration"),
        ("secure-server", "Enable HTTP secure server")
    ),
    already!(
        CONFIG,
        "ip classless",
        true,
        "Routes have no classes",
        ("classless", "Follow classless routing forwarding rules")
    ),
    already!(
        CONFIG,
        "ip subnet-zero",
        true,
        "The first subnet is one as others",
        ("subnet-zero", "Allow subnet zero subnets")
    ),
    already!(
        CONFIG,
        "service pad",
        false,
        "There is no X.29",
        ("service", "Modify use of network based services"),
        ("pad", "Enable PAD commands")
    ),
    already!(
        CONFIG,
        "service password-encryption",
        false,
        "No passwords are kept: the host knows who somebody is",
        ("service", "Modify use of network based services"),
        ("password-encryption", "Encrypt system passwords")
    ),
    already!(
        CONFIG,
        "service timestamps {what:debug|log} datetime msec",
        true,
        "Messages bear date and milliseconds",
        ("service", "Modify use of network based services"),
        ("timestamps", "Timestamp debug/log messages"),
        ("debug", "Timestamp debug messages"),
        ("log", "Timestamp log messages"),
        ("datetime", "Timestamp with date and time"),
        ("msec", "Include milliseconds in timestamp")
    ),
    already!(
        CONFIG,
        "vtp mode {mode:off|transparent}",
        true,
        "VLANs are not told to others",
        ("vtp", "Global VTP configuration"),
        ("mode", "VTP mode"),
        ("off", "No VTP"),
        ("transparent", "No VTP of its own")
    ),
    already!(CONFIG, "lldp run", false, "LLDP is not spoken", ("lldp", "LLDP"), ("run", "Enable LLDP")),
    already!(
        CONFIG,
        "spanning-tree vlan <vlans:vlans>",
        false,
        "There is no spanning tree",
        ("spanning-tree", "Spanning Tree Subsystem"),
        ("vlan", "VLAN Switch Spanning Tree"),
        ("<vlans>", "VLANs")
    ),
    already!(CONFIG, "cdp run", false, "CDP is not spoken", ("cdp", "CDP"), ("run", "Enable CDP")),
    already!(PORT, "cdp enable", false, "CDP is not spoken", ("cdp", "CDP"), ("enable", "Enable CDP on the interface")),
    already!(
        PORT,
        "duplex {duplex:auto}",
        true,
        "The device negotiates, not the switch",
        ("duplex", "Configure duplex operation"),
        ("auto", "Negotiate")
    ),
    already!(
        PORT,
        "negotiation {negotiation:auto}",
        true,
        "The device negotiates, not the switch",
        ("negotiation", "Autonegotiation"),
        ("auto", "Negotiate")
    ),
    already!(
        PORT,
        "spanning-tree portfast [edge] [trunk]",
        true,
        "Ports forward at once: there is no spanning tree",
        ("spanning-tree", "Spanning Tree Subsystem"),
        ("portfast", "Spanning tree portfast options"),
        ("edge", "Enable portfast edge on the interface"),
        ("trunk", "Enable portfast on the interface even in trunk mode")
    ),
    already!(
        PORT,
        "speed {speed:auto}",
        true,
        "The device negotiates, not the switch",
        ("speed", "Configure speed operation"),
        ("auto", "Negotiate")
    ),
    already!(
        PORT,
        "switchport trunk encapsulation {encapsulation:dot1q}",
        true,
        "Tags are of 802.1Q",
        ("encapsulation", "Set trunking encapsulation when interface is in trunking mode"),
        ("dot1q", "Interface uses only 802.1q trunking encapsulation when trunking")
    ),
    already!(
        PORT,
        "switchport nonegotiate",
        true,
        "Trunks are not negotiated",
        ("nonegotiate", "Do not negotiate trunking")
    ),
    already!(
        &[Mode::Line],
        "logging synchronous",
        true,
        "Messages do not disturb what is typed",
        ("synchronous", "Synchronized message output")
    ),
];
