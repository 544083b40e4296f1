//! The numbers that have names in access lists: protocols, ports, ICMP messages, code points. As on IOS.

use super::ListKind;
use mona_wire::ip;

/// A name, its number, and what it means.
pub type Name = (&'static str, u32, &'static str);

/// A number, or one of some names for it.
#[derive(Debug, PartialEq)]
pub struct Names {
    /// The least; above `high` where only names are taken.
    pub low: u32,
    /// The greatest.
    pub high: u32,
    /// As printed.
    pub names: &'static [Name],
    /// Read, not printed.
    pub aliases: &'static [Name],
}

impl Names {
    /// All names that are read.
    pub fn all(&self) -> impl Iterator<Item = &'static Name> {
        self.names.iter().chain(self.aliases)
    }

    /// The number of a name in full.
    pub fn number(&self, name: &str) -> Option<u32> {
        self.all().find(|(word, ..)| word.eq_ignore_ascii_case(name)).map(|(_, number, _)| *number)
    }

    /// The name, or the number in digits.
    pub fn print(&self, number: u32) -> String {
        let name = self.names.iter().find(|(_, other, _)| *other == number);
        name.map_or_else(|| number.to_string(), |(name, ..)| name.to_string())
    }
}

/// Type and code as one number, as the names of messages have them.
pub const fn message(kind: u8, code: Option<u8>) -> u32 {
    match code {
        Some(code) => 1 << 16 | (code as u32) << 8 | kind as u32,
        None => kind as u32,
    }
}

/// The type and the code of a message.
pub const fn of_message(number: u32) -> (u8, Option<u8>) {
    (number as u8, if number >> 16 == 0 { None } else { Some((number >> 8) as u8) })
}

const fn both(kind: u8, code: u8) -> u32 {
    message(kind, Some(code))
}

/// `ip`, `ipv6`: any protocol.
pub const ANY: u32 = 256;

/// Protocols of IPv4 without the three that have more to say.
pub static IP_PROTOCOLS: Names = Names {
    low: 0,
    high: 255,
    names: &[
        ("ahp", 51, "Authentication Header Protocol"),
        ("eigrp", 88, "EIGRP routing protocol"),
        ("esp", 50, "Encapsulation Security Payload"),
        ("gre", 47, "GRE tunneling"),
        ("igmp", 2, "Internet Gateway Message Protocol"),
        ("ip", ANY, "Any Internet Protocol"),
        ("ipinip", 4, "IP in IP tunneling"),
        ("nos", 94, "KA9Q NOS compatible IP over IP tunneling"),
        ("ospf", 89, "OSPF routing protocol"),
        ("pcp", 108, "Payload Compression Protocol"),
        ("pim", 103, "Protocol Independent Multicast"),
        ("sctp", 132, "Stream Control Transmission Protocol"),
    ],
    aliases: &[],
};

/// Protocols of IPv6 likewise.
pub static IP6_PROTOCOLS: Names = Names {
    low: 0,
    high: 255,
    names: &[
        ("ahp", 51, "Authentication Header Protocol"),
        ("esp", 50, "Encapsulation Security Payload"),
        ("ipv6", ANY, "Any IPv6"),
        ("pcp", 108, "Payload Compression Protocol"),
        ("sctp", 132, "Stream Control Transmission Protocol"),
    ],
    aliases: &[],
};

/// Ports of TCP.
pub static TCP_PORTS: Names = Names {
    low: 0,
    high: 65535,
    names: &[
        ("bgp", 179, "Border Gateway Protocol (179)"),
        ("chargen", 19, "Character generator (19)"),
        ("cmd", 514, "Remote commands (rcmd, 514)"),
        ("daytime", 13, "Daytime (13)"),
        ("discard", 9, "Discard (9)"),
        ("domain", 53, "Domain Name Service (53)"),
        ("drip", 3949, "Dynamic Routing Information Protocol (3949)"),
        ("echo", 7, "Echo (7)"),
        ("exec", 512, "Exec (rsh, 512)"),
        ("finger", 79, "Finger (79)"),
        ("ftp", 21, "File Transfer Protocol (21)"),
        ("ftp-data", 20, "FTP data connections (20)"),
        ("gopher", 70, "Gopher (70)"),
        ("hostname", 101, "NIC hostname server (101)"),
        ("ident", 113, "Ident Protocol (113)"),
        ("irc", 194, "Internet Relay Chat (194)"),
        ("klogin", 543, "Kerberos login (543)"),
        ("kshell", 544, "Kerberos shell (544)"),
        ("login", 513, "Login (rlogin, 513)"),
        ("lpd", 515, "Printer service (515)"),
        ("msrpc", 135, "MS Remote Procedure Call (135)"),
        ("nntp", 119, "Network News Transport Protocol (119)"),
        ("pim-auto-rp", 496, "PIM Auto-RP (496)"),
        ("pop2", 109, "Post Office Protocol v2 (109)"),
        ("pop3", 110, "Post Office Protocol v3 (110)"),
        ("smtp", 25, "Simple Mail Transport Protocol (25)"),
        ("sunrpc", 111, "Sun Remote Procedure Call (111)"),
        ("tacacs", 49, "TAC Access Control System (49)"),
        ("talk", 517, "Talk (517)"),
        ("telnet", 23, "Telnet (23)"),
        ("time", 37, "Time (37)"),
        ("uucp", 540, "Unix-to-Unix Copy Program (540)"),
        ("whois", 43, "Nicname (43)"),
        ("www", 80, "World Wide Web (HTTP, 80)"),
    ],
    aliases: &[("ssh", 22, "Secure Shell (22)"), ("syslog", 514, "Syslog (514)")],
};

/// Ports of UDP.
pub static UDP_PORTS: Names = Names {
    low: 0,
    high: 65535,
    names: &[
        ("biff", 512, "Biff (mail notification, comsat, 512)"),
        ("bootpc", 68, "Bootstrap Protocol (BOOTP) client (68)"),
        ("bootps", 67, "Bootstrap Protocol (BOOTP) server (67)"),
        ("discard", 9, "Discard (9)"),
        ("dnsix", 195, "DNSIX security protocol auditing (195)"),
        ("domain", 53, "Domain Name Service (DNS, 53)"),
        ("echo", 7, "Echo (7)"),
        ("isakmp", 500, "Internet Security Association and Key Management Protocol (500)"),
        ("mobile-ip", 434, "Mobile IP registration (434)"),
        ("nameserver", 42, "IEN116 name service (obsolete, 42)"),
        ("netbios-dgm", 138, "NetBios datagram service (138)"),
        ("netbios-ns", 137, "NetBios name service (137)"),
        ("netbios-ss", 139, "NetBios session service (139)"),
        ("non500-isakmp", 4500, "Internet Security Association and Key Management Protocol (4500)"),
        ("ntp", 123, "Network Time Protocol (123)"),
        ("pim-auto-rp", 496, "PIM Auto-RP (496)"),
        ("rip", 520, "Routing Information Protocol (router, in.routed, 520)"),
        ("ripv6", 521, "Routing Information Protocol (IPv6, 521)"),
        ("snmp", 161, "Simple Network Management Protocol (161)"),
        ("snmptrap", 162, "SNMP Traps (162)"),
        ("sunrpc", 111, "Sun Remote Procedure Call (111)"),
        ("syslog", 514, "System Logger (514)"),
        ("tacacs", 49, "TAC Access Control System (49)"),
        ("talk", 517, "Talk (517)"),
        ("tftp", 69, "Trivial File Transfer Protocol (69)"),
        ("time", 37, "Time (37)"),
        ("who", 513, "Who service (rwho, 513)"),
        ("xdmcp", 177, "X Display Manager Control Protocol (177)"),
    ],
    aliases: &[],
};

/// Messages of ICMP (RFC 792, IANA).
pub static ICMP: Names = Names {
    low: 0,
    high: 255,
    names: &[
        ("administratively-prohibited", both(3, 13), "Administratively prohibited"),
        ("alternate-address", 6, "Alternate address"),
        ("conversion-error", 31, "Datagram conversion"),
        ("dod-host-prohibited", both(3, 10), "Host prohibited"),
        ("dod-net-prohibited", both(3, 9), "Net prohibited"),
        ("echo", 8, "Echo (ping)"),
        ("echo-reply", 0, "Echo reply"),
        ("general-parameter-problem", both(12, 0), "Parameter problem"),
        ("host-isolated", both(3, 8), "Host isolated"),
        ("host-precedence-unreachable", both(3, 14), "Host unreachable for precedence"),
        ("host-redirect", both(5, 1), "Host redirect"),
        ("host-tos-redirect", both(5, 3), "Host redirect for TOS"),
        ("host-tos-unreachable", both(3, 12), "Host unreachable for TOS"),
        ("host-unknown", both(3, 7), "Host unknown"),
        ("host-unreachable", both(3, 1), "Host unreachable"),
        ("information-reply", 16, "Information replies"),
        ("information-request", 15, "Information requests"),
        ("mask-reply", 18, "Mask replies"),
        ("mask-request", 17, "Mask requests"),
        ("mobile-redirect", 32, "Mobile host redirect"),
        ("net-redirect", both(5, 0), "Network redirect"),
        ("net-tos-redirect", both(5, 2), "Net redirect for TOS"),
        ("net-tos-unreachable", both(3, 11), "Network unreachable for TOS"),
        ("net-unreachable", both(3, 0), "Net unreachable"),
        ("network-unknown", both(3, 6), "Network unknown"),
        ("no-room-for-option", both(12, 2), "Parameter required but no room"),
        ("option-missing", both(12, 1), "Parameter required but not present"),
        ("packet-too-big", both(3, 4), "Fragmentation needed and DF set"),
        ("parameter-problem", 12, "All parameter problems"),
        ("port-unreachable", both(3, 3), "Port unreachable"),
        ("precedence-unreachable", both(3, 15), "Precedence cutoff"),
        ("protocol-unreachable", both(3, 2), "Protocol unreachable"),
        ("reassembly-timeout", both(11, 1), "Reassembly timeout"),
        ("redirect", 5, "All redirects"),
        ("router-advertisement", 9, "Router discovery advertisements"),
        ("router-solicitation", 10, "Router discovery solicitations"),
        ("source-quench", 4, "Source quenches"),
        ("source-route-failed", both(3, 5), "Source route failed"),
        ("time-exceeded", 11, "All time exceededs"),
        ("timestamp-reply", 14, "Timestamp replies"),
        ("timestamp-request", 13, "Timestamp requests"),
        ("traceroute", 30, "Traceroute"),
        ("ttl-exceeded", both(11, 0), "TTL exceeded"),
        ("unreachable", 3, "All unreachables"),
    ],
    aliases: &[],
};

/// Messages of ICMPv6 (RFC 4443, RFC 4861).
pub static ICMPV6: Names = Names {
    low: 0,
    high: 255,
    names: &[
        ("beyond-scope", both(1, 2), "Destination beyond scope"),
        ("destination-unreachable", both(1, 3), "Destination address is unreachable"),
        ("echo-reply", 129, "Echo reply"),
        ("echo-request", 128, "Echo request (ping)"),
        ("header", both(4, 0), "Parameter header problem"),
        ("hop-limit", both(3, 0), "Hop limit exceeded in transit"),
        ("mld-query", 130, "Multicast Listener Discovery Query"),
        ("mld-reduction", 132, "Multicast Listener Discovery Reduction"),
        ("mld-report", 131, "Multicast Listener Discovery Report"),
        ("nd-na", 136, "Neighbor discovery neighbor advertisements"),
        ("nd-ns", 135, "Neighbor discovery neighbor solicitations"),
        ("next-header", both(4, 1), "Parameter next header problems"),
        ("no-admin", both(1, 1), "Administration prohibited destination"),
        ("no-route", both(1, 0), "No route to destination"),
        ("packet-too-big", 2, "Packet too big"),
        ("parameter-option", both(4, 2), "Parameter option problems"),
        ("parameter-problem", 4, "All parameter problems"),
        ("port-unreachable", both(1, 4), "Port unreachable"),
        ("reassembly-timeout", both(3, 1), "Reassembly timeout"),
        ("redirect", 137, "Neighbor redirect"),
        ("router-advertisement", 134, "Neighbor discovery router advertisements"),
        ("router-renumbering", 138, "All router renumbering"),
        ("router-solicitation", 133, "Neighbor discovery router solicitations"),
        ("time-exceeded", 3, "All time exceeded"),
        ("unreachable", 1, "All unreachable"),
    ],
    aliases: &[],
};

/// Code points (RFC 2474, RFC 2597, RFC 3246).
pub static DSCP: Names = Names {
    low: 0,
    high: 63,
    names: &[
        ("af11", 10, "Match packets with AF11 dscp (001010)"),
        ("af12", 12, "Match packets with AF12 dscp (001100)"),
        ("af13", 14, "Match packets with AF13 dscp (001110)"),
        ("af21", 18, "Match packets with AF21 dscp (010010)"),
        ("af22", 20, "Match packets with AF22 dscp (010100)"),
        ("af23", 22, "Match packets with AF23 dscp (010110)"),
        ("af31", 26, "Match packets with AF31 dscp (011010)"),
        ("af32", 28, "Match packets with AF32 dscp (011100)"),
        ("af33", 30, "Match packets with AF33 dscp (011110)"),
        ("af41", 34, "Match packets with AF41 dscp (100010)"),
        ("af42", 36, "Match packets with AF42 dscp (100100)"),
        ("af43", 38, "Match packets with AF43 dscp (100110)"),
        ("cs1", 8, "Match packets with CS1(precedence 1) dscp (001000)"),
        ("cs2", 16, "Match packets with CS2(precedence 2) dscp (010000)"),
        ("cs3", 24, "Match packets with CS3(precedence 3) dscp (011000)"),
        ("cs4", 32, "Match packets with CS4(precedence 4) dscp (100000)"),
        ("cs5", 40, "Match packets with CS5(precedence 5) dscp (101000)"),
        ("cs6", 48, "Match packets with CS6(precedence 6) dscp (110000)"),
        ("cs7", 56, "Match packets with CS7(precedence 7) dscp (111000)"),
        ("default", 0, "Match packets with default dscp (000000)"),
        ("ef", 46, "Match packets with EF dscp (101110)"),
    ],
    aliases: &[],
};

/// Precedences (RFC 791 3.1).
pub static PRECEDENCE: Names = Names {
    low: 0,
    high: 7,
    names: &[
        ("critical", 5, "Match packets with critical precedence (5)"),
        ("flash", 3, "Match packets with flash precedence (3)"),
        ("flash-override", 4, "Match packets with flash override precedence (4)"),
        ("immediate", 2, "Match packets with immediate precedence (2)"),
        ("internet", 6, "Match packets with internetwork control precedence (6)"),
        ("network", 7, "Match packets with network control precedence (7)"),
        ("priority", 1, "Match packets with priority precedence (1)"),
        ("routine", 0, "Match packets with routine precedence (0)"),
    ],
    aliases: &[],
};

/// Types of service (RFC 1349).
pub static TOS: Names = Names {
    low: 0,
    high: 15,
    names: &[
        ("max-reliability", 2, "Match packets with max reliable TOS (2)"),
        ("max-throughput", 4, "Match packets with max throughput TOS (4)"),
        ("min-delay", 8, "Match packets with min delay TOS (8)"),
        ("min-monetary-cost", 1, "Match packets with min monetary cost TOS (1)"),
        ("normal", 0, "Match packets with normal TOS (0)"),
    ],
    aliases: &[],
};

/// EtherTypes of MAC lists; others are said as a number and a mask.
pub static ETHERTYPES: Names = Names {
    low: 1,
    high: 0,
    names: &[
        ("aarp", 0x80f3, "EtherType: AppleTalk ARP"),
        ("amber", 0x6008, "EtherType: DEC-Amber"),
        ("appletalk", 0x809b, "EtherType: AppleTalk/EtherTalk"),
        ("arp", 0x0806, "EtherType: ARP"),
        ("dec-spanning", 0x8038, "EtherType: DEC-Spanning-Tree"),
        ("decnet-iv", 0x6003, "EtherType: DECnet Phase IV"),
        ("diagnostic", 0x6005, "EtherType: DEC-Diagnostic"),
        ("dsm", 0x8039, "EtherType: DEC-DSM"),
        ("lat", 0x6004, "EtherType: DEC-LAT"),
        ("lavc-sca", 0x6007, "EtherType: DEC-LAVC-SCA"),
        ("mop-console", 0x6002, "EtherType: DEC-MOP Remote Console"),
        ("mop-dump", 0x6001, "EtherType: DEC-MOP Dump"),
        ("vines-echo", 0x0baf, "EtherType: VINES Echo"),
        ("vines-ip", 0x0bad, "EtherType: VINES IP"),
        ("xns-idp", 0x0600, "EtherType: XNS IDP"),
    ],
    aliases: &[],
};

/// Flags of TCP with their bits, in the order that IOS prints them.
pub static FLAGS: [(&str, u8); 6] =
    [("ack", 0x10), ("fin", 0x01), ("psh", 0x08), ("rst", 0x04), ("syn", 0x02), ("urg", 0x20)];

/// ICMP's number in lists of the kind.
pub const fn icmp_of(kind: ListKind) -> u8 {
    match kind {
        ListKind::Ip6 => ip::ICMPV6,
        _ => ip::ICMP,
    }
}
