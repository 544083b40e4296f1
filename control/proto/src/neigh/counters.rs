//! What `show ip traffic` and `show ipv6 traffic` count of this machine's work.

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// ARP requests heard.
    pub arp_requests_in: u64,
    /// ARP replies heard.
    pub arp_replies_in: u64,
    /// ARP requests sent.
    pub arp_requests_out: u64,
    /// ARP replies sent for others.
    pub arp_proxied: u64,
    /// Valid ND messages heard.
    pub nd_in: u64,
    /// Neighbor solicitations sent.
    pub nd_solicits_out: u64,
    /// Router advertisements sent.
    pub nd_adverts_out: u64,
    /// ARP and ND frames that are not what the standards allow.
    pub invalid: u64,
    /// Frames that were held until their neighbour was known, and forwarded then.
    pub released: u64,
    /// Frames that waited in a queue that was full, or whose neighbour was given up to make room.
    pub queue_dropped: u64,
    /// Frames whose neighbour did not answer, or could not be asked.
    pub unresolved: u64,
    /// Neighbours forgotten to make room for others.
    pub evicted: u64,
    /// Requests not sent because too many were.
    pub requests_limited: u64,
    /// ICMP redirects sent.
    pub icmp_redirects: u64,
    /// ICMP unreachables sent.
    pub icmp_unreachables: u64,
    /// ICMP time exceeded sent.
    pub icmp_exceeded: u64,
    /// ICMP parameter problem sent.
    pub icmp_parameter: u64,
    /// ICMPv6 redirects sent.
    pub icmp6_redirects: u64,
    /// ICMPv6 unreachables sent.
    pub icmp6_unreachables: u64,
    /// ICMPv6 packet too big sent.
    pub icmp6_too_big: u64,
    /// ICMPv6 time exceeded sent.
    pub icmp6_exceeded: u64,
    /// ICMPv6 parameter problem sent.
    pub icmp6_parameter: u64,
    /// ICMP and ICMPv6 errors not sent because too many were.
    pub errors_limited: u64,
    /// ICMP and ICMPv6 errors not sent because of what the packet was (RFC 1812 4.3.2.7, RFC 4443 2.4(e)).
    pub errors_exempt: u64,
}
