//! What words mean that many rows share. A row says it itself where it means something else there.

use crate::args::Kind;
use crate::rows::Row;
use crate::syntax::{Token, paths};

static WORDS: &[(&str, &str)] = &[
    ("access", "Set access mode characteristics"),
    ("address", "An address of the table"),
    ("address-table", "MAC forwarding table"),
    ("all", "All"),
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
    ("interface", "Select an interface"),
    ("interfaces", "Interface status and configuration"),
    ("io", "How frames of the device are received and sent"),
    ("learning", "Learning of addresses"),
    ("length", "Set number of lines on a screen"),
    ("line", "Configure a terminal line"),
    ("logging", "Modify message logging facilities"),
    ("mac", "MAC configuration"),
    ("mac-address-table", "MAC forwarding table"),
    ("memory", "Write to NV memory"),
    ("monitor", "Copy log messages to this terminal"),
    ("mtu", "Set the interface Maximum Transmission Unit (MTU)"),
    ("name", "Name"),
    ("no", "Negate a command or set its defaults"),
    ("packet", "Raw sockets behind the backplane: veth, tap and the like"),
    ("packet-tracer", "Trace a frame through the switch"),
    ("platform", "Platform specific information"),
    ("port-profile", "Settings that interfaces inherit"),
    ("privilege", "Show current privilege level"),
    ("running-config", "Current operating configuration"),
    ("show", "Show running system information"),
    ("shutdown", "Shutdown the selected interface"),
    ("startup-config", "Contents of startup configuration"),
    ("static", "Configured addresses"),
    ("switchport", "Set switching mode characteristics"),
    ("terminal", "Configure from or set the terminal"),
    ("trunk", "Set trunking characteristics"),
    ("users", "Display information about terminal lines"),
    ("version", "System hardware and software status"),
    ("vlan", "VLAN commands"),
    ("width", "Set width of the display terminal"),
    ("write", "Write running configuration to memory"),
    ("xdp", "AF_XDP sockets: physical NICs"),
];

/// What an argument means, where the row does not say.
static ARGUMENTS: &[(&str, &str)] = &[
    ("interface", "GigabitEthernet IEEE 802.3z, or the name of a bound netdev"),
    ("mac", "48 bit mac address"),
    ("vlan", "VLAN ID"),
    ("name", "Name"),
    ("range", "Interfaces: gi0/1 - 4, gi0/7"),
    ("device", "Name of the netdev"),
    ("tag", "Name"),
];

/// What `word` means in `row`: the row's own help, else the common one. An argument is named by its place in the syntax.
pub(crate) fn help(row: &'static Row, word: &str, is_word: bool) -> &'static str {
    let find = |table: &'static [(&'static str, &'static str)], key: &str| {
        table.iter().find(|(w, _)| *w == key).map(|(_, help)| *help)
    };
    if is_word {
        return find(row.help, word).or_else(|| find(WORDS, word)).unwrap_or("");
    }
    let name = paths(row.syntax).into_iter().flatten().find_map(|token| match token {
        Token::Arg(name, kind) if kind.shown() == word && !matches!(kind, Kind::Choice(_)) => Some(name),
        _ => None,
    });
    // The last entry of that name: where an argument is called like a word, the row lists the word first.
    let own = |name: &str| row.help.iter().rev().find(|(w, _)| *w == name).map(|(_, help)| *help);
    name.and_then(|name| own(name).or_else(|| find(ARGUMENTS, name))).unwrap_or("")
}
