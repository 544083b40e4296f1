//! How Linux treats the switch's own netdevs: what makes it answer as a router of its own would, and no more.
//!
//! Everything is said, since what a new netdev begins with is the host's choice (`net.*.conf.default`). Writing needs
//! CAP_NET_ADMIN alone.

use std::{fs, io};

/// What the settings of a netdev depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Does it speak IPv6?
    pub six: bool,
    /// Probes before an address is used.
    pub dad: u32,
}

const FOUR: [(&str, u32); 14] = [
    // The switch routes; the kernel only receives and sends.
    ("forwarding", 0),
    // Only for the addresses of the interface that is asked…
    ("arp_ignore", 1),
    ("arp_filter", 0),
    // …and with one of them as sender.
    ("arp_announce", 2),
    ("arp_accept", 0),
    ("arp_notify", 0),
    // Proxy ARP is the switch's.
    ("proxy_arp", 0),
    ("proxy_arp_pvlan", 0),
    // Frames may come back another way than ours go. The greater of this and `all` counts: with 0 the 1 of a host would
    // be strict, with 2 nothing is.
    ("rp_filter", 2),
    ("accept_source_route", 0),
    ("accept_redirects", 0),
    ("send_redirects", 0),
    ("accept_local", 0),
    // A primary address that goes does not take others with it.
    ("promote_secondaries", 1),
];

const SIX: [(&str, u32); 12] = [
    // To IPv6 this is what it is, not what it does (that is `all.forwarding`): a router, which says so in neighbour
    // advertisements (RFC 4861 4.4). Hosts drop the default route by a neighbour that says it is none (7.2.5).
    ("forwarding", 1),
    // Of addresses it has the configured ones only: none by itself, by advertisements, or for privacy.
    ("addr_gen_mode", 1),
    ("accept_ra", 0),
    ("autoconf", 0),
    ("use_tempaddr", 0),
    ("router_solicitations", 0),
    ("accept_redirects", 0),
    ("accept_source_route", 0),
    ("proxy_ndp", 0),
    ("force_forwarding", 0),
    // New addresses are announced; those of IPv4 are by the switch, when the line comes up too.
    ("ndisc_notify", 1),
    ("keep_addr_on_down", 0),
];

/// Makes a netdev of this network namespace so. An error says which setting.
pub fn set(netdev: &str, settings: Settings) -> Result<(), String> {
    for (key, value) in FOUR {
        write(4, netdev, key, value)?;
    }
    if !settings.six {
        // A kernel without IPv6 has nothing to turn off.
        return quiet(netdev);
    }
    for (key, value) in SIX {
        write(6, netdev, key, value)?;
    }
    write(6, netdev, "accept_dad", u32::from(settings.dad > 0))?;
    write(6, netdev, "dad_transmits", settings.dad)?;
    write(6, netdev, "disable_ipv6", 0)
}

/// Lets a netdev say nothing of its own.
pub fn quiet(netdev: &str) -> Result<(), String> {
    if !fs::exists(path(6, netdev, "disable_ipv6")).unwrap_or(true) {
        return Ok(());
    }
    write(6, netdev, "disable_ipv6", 1)
}

fn write(version: u32, netdev: &str, key: &str, value: u32) -> Result<(), String> {
    let path = path(version, netdev, key);
    match fs::write(&path, value.to_string()) {
        // Older kernels do not know every key; the netdev may be gone by now.
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(|e| format!("{path} cannot be set to {value}: {e}")),
    }
}

fn path(version: u32, netdev: &str, key: &str) -> String {
    format!("/proc/sys/net/ipv{version}/conf/{netdev}/{key}")
}
