//! Why a frame was not sent: one closed enum, at once error value, counter index, `show` row and trace word.
//!
//! Where the kernel's devlink traps have a name for it, that name is used (Documentation/networking/devlink/
//! devlink-trap.rst). A new reason is one line in the table below. Those *told* are shown to control, frame and all.

use serde::{Deserialize, Serialize};

macro_rules! drops {
    ($($variant:ident $name:literal $told:ident $why:literal,)*) => {
        /// A reason not to send a frame.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[repr(u8)]
        pub enum Drop { $(#[doc = $why] #[serde(rename = $name)] $variant,)* }

        impl Drop {
            /// Every reason, in the order of their indices.
            pub const ALL: &'static [Drop] = &[$(Drop::$variant,)*];
            /// How many reasons there are.
            pub const COUNT: usize = Drop::ALL.len();

            /// The word that counters, `show platform drops` and traces use.
            pub const fn name(self) -> &'static str {
                match self { $(Drop::$variant => $name,)* }
            }

            /// Is control shown the frame, so that it answers with an ICMP error or resolves the neighbour?
            pub const fn is_told(self) -> bool {
                match self { $(Drop::$variant => drops!(@ $told),)* }
            }

            /// What it means, in a sentence for an operator.
            pub const fn why(self) -> &'static str {
                match self { $(Drop::$variant => $why,)* }
            }
        }
    };
    (@ told) => { true };
    (@ silent) => { false };
}

drops! {
    Malformed "malformed_frame" silent "the frame is too short for an Ethernet header, or its VLAN tag is cut off",
    Oversize "frame_too_long" silent "the frame is larger than the MTU of the port it came in on or would leave by",
    PortDown "port_down" silent "the port is shut down, has no link or is no port any more",
    SourceMulticast "source_mac_is_multicast" silent "the source address has the group bit set",
    SourceZero "source_mac_is_zero" silent "the source address is all zero",
    TagMismatch "vlan_tag_mismatch" silent "a tagged frame on an access port, or an untagged one where only tagged are taken",
    ReservedVlan "vlan_reserved" silent "the VLAN identifier is 4095",
    IngressVlanFilter "ingress_vlan_filter" silent "the VLAN does not exist or is not allowed on the port the frame came in on",
    PortLoopback "port_loopback_filter" silent "the destination is on the port the frame came from",
    EgressVlanFilter "egress_vlan_filter" silent "the destination's port is not a forwarding member of the VLAN",
    Isolated "port_isolation" silent "both ports are protected",
    UnknownUnicastBlocked "unknown_unicast_blocked" silent "every other port of the VLAN blocks unknown unicast",
    UnknownMulticastBlocked "unknown_multicast_blocked" silent "every other port of the VLAN blocks unknown multicast",
    EmptyTxList "tx_list_is_empty" silent "no other port of the VLAN is forwarding",
    TxFull "tx_queue_full" silent "the queue of the port the frame should leave by was full",
    TxError "tx_error" silent "the device refused the frame",
    Unsegmentable "unsegmentable" silent "a super-frame should leave by a port that cannot carry it and cannot be cut here",
    RingFull "worker_ring_full" silent "the ring to the worker that owns the port was full",
    PuntFull "punt_queue_full" silent "the ring to the switch itself was full",
    IpHeader "ip_header_corrupted" silent "an IP header with a wrong version, length or checksum, or of a packet that is not all there",
    TinyFragment "ip_tiny_fragment" silent "a fragment that hides a TCP header from filters (RFC 1858)",
    Options "ip_options" silent "the packet has IP options, and none are let pass (ip options drop)",
    OptionMalformed "ip_option_malformed" told "the IP options of the packet cannot be read",
    SourceRouted "ip_source_route" silent "the packet says which way it wants to go (LSRR, SSRR), and may not (no ip source-route)",
    SourceIpMulticast "sip_is_mc" silent "the source of the packet is a multicast address",
    SourceIpLoopback "sip_is_loopback_address" silent "the source of the packet is a loopback address",
    SourceIpUnspecified "sip_is_unspecified" silent "the source of the packet is in 0.0.0.0/8, or is ::",
    SourceIpBroadcast "ipv4_sip_is_limited_bc" silent "the source of the packet is 255.255.255.255",
    SourceIpLinkLocal "ipv6_sip_link_local_scope" told "a packet from a link-local address does not leave its link",
    DestinationIpLoopback "dip_is_loopback_address" silent "the destination of the packet is a loopback address",
    NonRoutable "non_routable_packet" silent "the addresses of the packet are of no use beyond a link",
    Rpf "reverse_path_forwarding" silent "the way back to the source is not where the packet came from",
    InDisabled "irif_disabled" silent "the interface the packet came in on does not route, and has no netdev",
    OutDisabled "erif_disabled" silent "the interface the packet would leave by does not route",
    Ttl "ttl_value_is_too_small" told "the time to live, or the hop limit, is used up",
    LpmMiss4 "ipv4_lpm_miss" told "there is no route to the IPv4 destination",
    LpmMiss6 "ipv6_lpm_miss" told "there is no route to the IPv6 destination",
    Blackhole "blackhole_route" silent "the route leads to Null0",
    Reject "reject_route" told "the route says that the destination is unreachable",
    Prohibit "prohibit_route" told "the route says that the destination is prohibited",
    DirectedBroadcast "directed_broadcast" silent "a broadcast to a connected subnet, which must not leave there",
    Unresolved "unresolved_neigh" told "the address of the next hop is not resolved",
    Mtu "mtu_value_is_too_small" told "the packet is larger than the interface takes and must not be fragmented",
    Unfragmentable "unfragmentable" silent "the packet cannot be cut into fragments",
    PortAclIn "ingress_port_acl" silent "an access list of the port the frame came in on denies it",
    PortAclOut "egress_port_acl" silent "an access list of the port the frame would leave by denies it",
    AclIn "ingress_flow_action_drop" told "an access list of the interface the packet came in on denies it",
    AclOut "egress_flow_action_drop" told "an access list of the interface the packet would leave by denies it",
    HostPoliced "host_policed" silent "more for the switch's own netdev than it is let have",
}
