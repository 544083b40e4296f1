//! `show interfaces`: the long form.

use super::time::ago;
use mona_model::names::InterfaceKind;
use mona_model::shown::{Interface, InterfaceCounters};

/// One interface.
pub fn draw(i: &Interface) -> Vec<String> {
    let c = &i.counters;
    let (link, protocol) = match (i.shutdown, i.up) {
        (true, _) => ("administratively down", "down"),
        (false, true) => ("up", "up"),
        (false, false) => ("down", "down"),
    };
    // Of ports alone it is said what they are connected to.
    let status = if i.name.is_port() { format!(" ({})", i.status) } else { String::new() };
    // IOS has no place for an unknown speed: a gigabit interface counts as such.
    let kbps = u64::from(i.speed_mbps.unwrap_or(1000)) * 1000;
    let load = |bps: u64| (bps.saturating_mul(255) / (kbps * 1000).max(1)).clamp(1, 255);
    let mut lines = vec![
        format!("{} is {link}, line protocol is {protocol}{status}", i.name),
        match i.name.kind {
            InterfaceKind::GigabitEthernet => {
                format!("  Hardware is Gigabit Ethernet, address is {} (bia {})", i.mac, i.mac)
            }
            InterfaceKind::Vlan => format!("  Hardware is EtherSVI, address is {} (bia {})", i.mac, i.mac),
            InterfaceKind::Loopback | InterfaceKind::Null => "  Hardware is Loopback".into(),
        },
    ];
    lines.extend(i.description.iter().map(|text| format!("  Description: {text}")));
    lines.extend(i.address.map(|net| super::own_address(net, i.lender)));
    lines.extend(match (&i.device, &i.reason) {
        (None, None) if !i.name.is_port() => None,
        (None, Some(reason)) if !i.name.is_port() => Some(format!("  Down: {reason}")),
        _ => Some(device(i)),
    });
    lines.push(format!("  MTU {} bytes, BW {kbps} Kbit/sec, DLY 10 usec,", i.mtu));
    lines.push(format!("     reliability 255/255, txload {}/255, rxload {}/255", load(c.tx_bps), load(c.rx_bps)));
    lines.push(match (i.encapsulation, i.name.kind) {
        (Some(vid), _) => format!("  Encapsulation 802.1Q Virtual LAN, Vlan ID  {vid}."),
        (None, InterfaceKind::Loopback | InterfaceKind::Null) => "  Encapsulation LOOPBACK, loopback not set".into(),
        (None, InterfaceKind::GigabitEthernet | InterfaceKind::Vlan) => "  Encapsulation ARPA, loopback not set".into(),
    });
    lines.push("  Keepalive not set".into());
    if i.name.is_port() {
        lines.push(format!("  {}, {}, media type is {}", duplex(i), speed(i), media(i)));
        lines.push("  input flow-control is off, output flow-control is unsupported".into());
    }
    if i.name.kind != InterfaceKind::Loopback {
        lines.push(format!("  ARP type: ARPA, ARP Timeout {}", ago(Some(i.arp_timeout_secs.into()))));
    }
    lines.extend(counters(c));
    lines
}

fn device(i: &Interface) -> String {
    match (&i.device, &i.reason) {
        (Some(device), None) => format!("  Device {device}"),
        (Some(device), Some(reason)) => format!("  Device {device}, down: {reason}"),
        (None, Some(reason)) => format!("  No device, down: {reason}"),
        (None, None) => "  No device".into(),
    }
}

fn duplex(i: &Interface) -> &'static str {
    match i.duplex_full {
        Some(true) => "Full-duplex",
        Some(false) => "Half-duplex",
        None => "Auto-duplex",
    }
}

fn speed(i: &Interface) -> String {
    i.speed_mbps.map_or("Auto-speed".into(), |mbps| format!("{mbps}Mb/s"))
}

/// The medium as far as a netdev's speed tells.
pub fn media(i: &Interface) -> String {
    match i.speed_mbps {
        None => "virtual".into(),
        Some(..=1000) => "10/100/1000BaseTX".into(),
        Some(mbps) => format!("{}GBase", mbps / 1000),
    }
}

fn counters(c: &InterfaceCounters) -> Vec<String> {
    let mut lines = vec![
        format!("  Last input {}, output {}, output hang never", ago(c.last_input_secs), ago(c.last_output_secs)),
        format!("  Last clearing of \"show interface\" counters {}", ago(c.last_clear_secs)),
        format!("  Input queue: 0/75/{}/0 (size/max/drops/flushes); Total output drops: {}", c.rx_drops, c.tx_drops),
        "  Queueing strategy: fifo".into(),
        "  Output queue: 0/40 (size/max)".into(),
        format!("  5 minute input rate {} bits/sec, {} packets/sec", c.rx_bps, c.rx_pps),
        format!("  5 minute output rate {} bits/sec, {} packets/sec", c.tx_bps, c.tx_pps),
    ];
    if let Some(routed) = &c.routed {
        lines.push(format!("  L3 in Switched: ucast: {} pkt, {} bytes", routed.in_packets, routed.in_bytes));
        lines.push(format!("  L3 out Switched: ucast: {} pkt, {} bytes", routed.out_packets, routed.out_bytes));
    }
    lines.extend([
        format!("     {} packets input, {} bytes, 0 no buffer", c.rx_frames, c.rx_bytes),
        format!("     Received {} broadcasts ({} multicasts)", c.rx_broadcast + c.rx_multicast, c.rx_multicast),
        format!("     {} runts, {} giants, 0 throttles", c.runts, c.giants),
        format!("     {} input errors, 0 CRC, 0 frame, 0 overrun, 0 ignored", c.runts + c.giants),
        format!("     0 watchdog, {} multicast, 0 pause input", c.rx_multicast),
        "     0 input packets with dribble condition detected".into(),
        format!("     {} packets output, {} bytes, 0 underruns", c.tx_frames, c.tx_bytes),
        "     0 output errors, 0 collisions, 0 interface resets".into(),
        "     0 unknown protocol drops".into(),
        "     0 babbles, 0 late collision, 0 deferred".into(),
        "     0 lost carrier, 0 no carrier, 0 pause output".into(),
        "     0 output buffer failures, 0 output buffers swapped out".into(),
    ]);
    lines
}
