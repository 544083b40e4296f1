//! `clear …`

use super::show::mac_filter;
use super::{Action, Does, Row};

const FILTERS: &str =
    "clear mac address-table dynamic [address <mac:mac>] [interface <interface:interface>] [vlan <vlan:vlan>]";

pub(super) static ROWS: &[Row] = &[
    Row::exec(FILTERS, Does::Exec(|args| Ok(Action::ClearMac(mac_filter(args))))).privileged(),
    Row::exec(
        "clear counters [<interface:interface>]",
        Does::Exec(|args| Ok(Action::ClearCounters(args.interface("interface")))),
    )
    .privileged()
    .help(&[("counters", "Clear counters on one or all interfaces")]),
    Row::exec(
        "clear ip arp [<address:ip>]",
        Does::Exec(|args| Ok(Action::ClearNeighbours { six: false, address: args.ip("address").map(Into::into) })),
    )
    .privileged()
    .help(&[("arp", "Clear the entire ARP table"), ("<address>", "One address of it")]),
    Row::exec("clear arp-cache", Does::Exec(|_| Ok(Action::ClearNeighbours { six: false, address: None })))
        .privileged()
        .help(&[("arp-cache", "Clear the entire ARP cache")]),
    Row::exec("clear ipv6 neighbors", Does::Exec(|_| Ok(Action::ClearNeighbours { six: true, address: None })))
        .privileged()
        .help(&[("neighbors", "Clear IPv6 neighbor entries")]),
    Row::exec("clear logging", Does::Exec(|_| Ok(Action::ClearLogging)))
        .privileged()
        .help(&[("logging", "Clear logging buffer")]),
];
