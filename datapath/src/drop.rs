//! Why a frame was not sent: one closed enum, at once error value, counter index, `show` row and trace word.
//!
//! Where the kernel's devlink traps have a name for it, that name is used (Documentation/networking/devlink/
//! devlink-trap.rst). A new reason is one line in the table below.

macro_rules! drops {
    ($($variant:ident $name:literal $why:literal,)*) => {
        /// A reason not to send a frame.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Drop { $(#[doc = $why] $variant,)* }

        impl Drop {
            /// Every reason, in the order of their indices.
            pub const ALL: &'static [Drop] = &[$(Drop::$variant,)*];
            /// How many reasons there are.
            pub const COUNT: usize = Drop::ALL.len();

            /// The word that counters, `show platform drops` and traces use.
            pub const fn name(self) -> &'static str {
                match self { $(Drop::$variant => $name,)* }
            }

            /// What it means, in a sentence for an operator.
            pub const fn why(self) -> &'static str {
                match self { $(Drop::$variant => $why,)* }
            }
        }
    };
}

drops! {
    Malformed "malformed_frame" "the frame is too short for an Ethernet header, or its VLAN tag is cut off",
    Oversize "mtu_value_is_too_small" "the frame is larger than the MTU of the port it came in on or would leave by",
    PortDown "port_down" "the port is shut down, has no link or is no port any more",
    SourceMulticast "source_mac_is_multicast" "the source address has the group bit set",
    SourceZero "source_mac_is_zero" "the source address is all zero",
    TagMismatch "vlan_tag_mismatch" "a tagged frame on an access port, or an untagged one where only tagged are taken",
    ReservedVlan "vlan_reserved" "the VLAN identifier is 4095",
    IngressVlanFilter "ingress_vlan_filter" "the VLAN does not exist or is not allowed on the port the frame came in on",
    PortLoopback "port_loopback_filter" "the destination is on the port the frame came from",
    EgressVlanFilter "egress_vlan_filter" "the destination's port is not a forwarding member of the VLAN",
    Isolated "port_isolation" "both ports are protected",
    UnknownUnicastBlocked "unknown_unicast_blocked" "every other port of the VLAN blocks unknown unicast",
    UnknownMulticastBlocked "unknown_multicast_blocked" "every other port of the VLAN blocks unknown multicast",
    EmptyTxList "tx_list_is_empty" "no other port of the VLAN is forwarding",
    TxFull "tx_queue_full" "the queue of the port the frame should leave by was full",
    TxError "tx_error" "the device refused the frame",
    Unsegmentable "unsegmentable" "a super-frame should leave by a port that cannot carry it and cannot be cut here",
    RingFull "worker_ring_full" "the ring to the worker that owns the port was full",
    PuntFull "punt_queue_full" "the ring to the switch itself was full",
}
