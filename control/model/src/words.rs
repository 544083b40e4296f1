//! What words mean that many rows share. A row says it itself where it means something else there.

use crate::names::InterfaceKind;
use crate::rows::Row;

static WORDS: &[(&str, &str)] = &[
    ("access", "Set access mode characteristics"),
    ("address", "An address of the table"),
    ("address-table", "MAC forwarding table"),
    ("algorithm", "Algorithm"),
    ("all", "All"),
    ("allowed", "Set allowed VLANs of the trunk"),
    ("arp", "Address resolution"),
    ("auto", "Choose what fits the device"),
    ("buffered", "Log to a buffer"),
    ("clear", "Reset functions"),
    ("clock", "Display the system clock"),
    ("configure", "Enter configuration mode"),
    ("copy", "Copy from one file to another"),
    ("count", "Number of entries"),
    ("description", "Interface specific description"),
    ("disable", "Turn off privileged commands"),
    ("dynamic", "Learned addresses"),
    ("enable", "Turn on privileged commands"),
    ("exec-timeout", "Set the EXEC timeout"),
    ("help", "Description of the interactive help system"),
    ("history", "Display the session command history"),
    ("hostname", "Set system's network name"),
    ("id", "By number"),
    ("input", "Where the frame comes in"),
    ("interface", "One interface"),
    ("interfaces", "Interface status and configuration"),
    ("io", "How frames of the device are received and sent"),
    ("ip", "Internet Protocol"),
    ("ipv6", "Internet Protocol version 6"),
    ("learning", "Learning of addresses"),
    ("length", "Set number of lines on a screen"),
    ("line", "Configure a terminal line"),
    ("logging", "Modify message logging facilities"),
    ("mac", "MAC configuration"),
    ("memory", "Write to NV memory"),
    ("monitor", "Copy log messages to this terminal"),
    ("mtu", "Set the interface Maximum Transmission Unit (MTU)"),
    ("name", "Name"),
    ("nd", "IPv6 interface Neighbor Discovery subcommands"),
    ("no", "Negate a command or set its defaults"),
    ("packet", "Raw sockets behind the backplane: veth, tap and the like"),
    ("packet-tracer", "Trace a frame through the switch"),
    ("platform", "Platform specific information"),
    ("port-profile", "Settings that interfaces inherit"),
    ("privilege", "Show current privilege level"),
    ("redirects", "Enable sending ICMP Redirect messages"),
    ("route", "Routes"),
    ("running-config", "Current operating configuration"),
    ("show", "Show running system information"),
    ("shutdown", "Shutdown the selected interface"),
    ("startup-config", "Contents of startup configuration"),
    ("static", "Configured addresses"),
    ("switchport", "Set switching mode characteristics"),
    ("tag", "Name for hooks"),
    ("terminal", "Configure from or set the terminal"),
    ("trunk", "Set trunking characteristics"),
    ("unreachables", "Enable sending ICMP Unreachable messages"),
    ("users", "Display information about terminal lines"),
    ("version", "System hardware and software status"),
    ("vlan", "VLAN commands"),
    ("width", "Set width of the display terminal"),
    ("write", "Write running configuration to memory"),
    ("xdp", "AF_XDP sockets: physical NICs"),
];

/// What an argument means, where the row does not say.
static ARGUMENTS: &[(&str, &str)] = &[
    ("device", "Name of the netdev"),
    ("interface", "GigabitEthernet IEEE 802.3z, or the name of a bound netdev"),
    ("mac", "48 bit mac address"),
    ("profile", "Name of the profile"),
    ("vlan", "VLAN ID"),
    ("vlans", "VLAN IDs: 10 or 10,20-29"),
];

/// What a word means in `row`: the row's own help, else the common one.
pub(crate) fn word(row: &Row, word: &str) -> &'static str {
    find(row.help, word).or_else(|| find(WORDS, word)).unwrap_or("")
}

/// What an argument means in `row`, by its name in the syntax; in the row's help that stands as `<name>`.
pub(crate) fn argument(row: &Row, name: &str) -> &'static str {
    find(row.help, &format!("<{name}>")).or_else(|| find(ARGUMENTS, name)).unwrap_or("")
}

/// What a kind of interface is.
pub(crate) fn kind(kind: InterfaceKind) -> &'static str {
    match kind {
        InterfaceKind::GigabitEthernet => "GigabitEthernet IEEE 802.3z",
        InterfaceKind::Loopback => "Loopback interface",
        InterfaceKind::Null => "Null interface",
        InterfaceKind::Vlan => "Switch virtual interface of a VLAN",
    }
}

fn find(table: &'static [(&'static str, &'static str)], key: &str) -> Option<&'static str> {
    table.iter().find(|(word, _)| *word == key).map(|(_, help)| *help)
}
