//! R6-03 and R6-05: Neighbor Discovery.

use crate::world::{World, check};

#[test]
fn r6_05_an_unresolved_destination_is_solicited_and_its_frames_wait() {
    check(
        "
        trap 10 unresolved 20 2001:db8:20::5 2001:db8:10::9 2001:db8:20::5 ttl=9
        > send 20 0200.0000.0014 > 3333.ff00.0005 ns 2001:db8:20::1 > ff02::1:ff00:5 asks for 2001:db8:20::5 source 0200.0000.0014
        trap 10 unresolved 20 2001:db8:20::5 2001:db8:10::9 2001:db8:20::5 ttl=8
        +1.5
        > 1 send 20 0200.0000.0014 > 3333.ff00.0005 ns 2001:db8:20::1 > ff02::1:ff00:5 asks for 2001:db8:20::5 source 0200.0000.0014
        na 20 2001:db8:20::5 0200.0000.0205 60
        > add 20 2001:db8:20::5 0200.0000.0205
        > again 10 p1 2001:db8:10::9 > 2001:db8:20::5 ttl 9 62 bytes
        > again 10 p1 2001:db8:10::9 > 2001:db8:20::5 ttl 8 62 bytes
        show
        > 20 2001:db8:20::5 0 0200.0000.0205 reachable
        # Link-local next hops are asked from the link-local address.
        trap 10 unresolved 20 fe80::205 2001:db8:10::9 2001:db8:99::5
        > send 20 0200.0000.0014 > 3333.ff00.0205 ns fe80::1 > ff02::1:ff00:205 asks for fe80::205 source 0200.0000.0014
        na 20 fe80::205 0200.0000.0205 e0 dst=fe80::1
        > add 20 fe80::205 0200.0000.0205
        > again 10 p1 2001:db8:10::9 > 2001:db8:99::5 ttl 64 62 bytes
        show
        > 20 2001:db8:20::5 0 0200.0000.0205 reachable
        > 20 fe80::205 0 0200.0000.0205 reachable router
        ",
    );
}

#[test]
fn r6_05_no_answer_is_address_unreachable() {
    check(
        "
        trap 10 unresolved 20 2001:db8:20::5 2001:db8:10::9 2001:db8:20::5
        > send 20 0200.0000.0014 > 3333.ff00.0005 ns 2001:db8:20::1 > ff02::1:ff00:5 asks for 2001:db8:20::5 source 0200.0000.0014
        +3
        > 1 send 20 0200.0000.0014 > 3333.ff00.0005 ns 2001:db8:20::1 > ff02::1:ff00:5 asks for 2001:db8:20::5 source 0200.0000.0014
        > 2 send 20 0200.0000.0014 > 3333.ff00.0005 ns 2001:db8:20::1 > ff02::1:ff00:5 asks for 2001:db8:20::5 source 0200.0000.0014
        > 3 route 10 0200.0000.000a > 0200.0000.000a icmp6 2001:db8:10::1 > 2001:db8:10::9 1/3 about 2001:db8:10::9 > 2001:db8:20::5, 96 bytes
        ",
    );
}

#[test]
fn r6_05_nud_reachable_stale_delay_probe() {
    check(
        "
        ns 20 2001:db8:20::5 2001:db8:20::1 0200.0000.0205
        > add 20 2001:db8:20::5 0200.0000.0205
        # Who asks is known, but not whether it hears us: it is asked 5 seconds after it is sent to.
        show
        > 20 2001:db8:20::5 0 0200.0000.0205 stale
        used 20 2001:db8:20::5
        show
        > 20 2001:db8:20::5 0 0200.0000.0205 delay
        +5
        > 5 send 20 0200.0000.0014 > 0200.0000.0205 ns 2001:db8:20::1 > 2001:db8:20::5 asks for 2001:db8:20::5 source 0200.0000.0014
        # An answer without an address confirms the one that was asked.
        na 20 2001:db8:20::5 - 40
        show
        > 20 2001:db8:20::5 0 0200.0000.0205 reachable
        used 20 2001:db8:20::5
        # 30 s, times something between a half and one and a half.
        +14.9
        show
        > 20 2001:db8:20::5 14 0200.0000.0205 reachable
        +30.1
        show
        > 20 2001:db8:20::5 45 0200.0000.0205 stale
        used 20 2001:db8:20::5
        +10
        > 5 send 20 0200.0000.0014 > 0200.0000.0205 ns 2001:db8:20::1 > 2001:db8:20::5 asks for 2001:db8:20::5 source 0200.0000.0014
        > 6 send 20 0200.0000.0014 > 0200.0000.0205 ns 2001:db8:20::1 > 2001:db8:20::5 asks for 2001:db8:20::5 source 0200.0000.0014
        > 7 send 20 0200.0000.0014 > 0200.0000.0205 ns 2001:db8:20::1 > 2001:db8:20::5 asks for 2001:db8:20::5 source 0200.0000.0014
        > 8 remove 20 2001:db8:20::5
        # One that is not used is forgotten some day, without a question.
        ns 20 2001:db8:20::5 2001:db8:20::1 0200.0000.0205
        > add 20 2001:db8:20::5 0200.0000.0205
        +14401
        > 14400 remove 20 2001:db8:20::5
        ",
    );
}

#[test]
fn rfc_4861_7_2_5_flags_of_advertisements() {
    check(
        "
        # Nobody asked: nothing.
        na 20 2001:db8:20::5 0200.0000.0205 20 dst=ff02::1
        show
        # Asked, and the answer is not solicited: frames go there, and it is asked whether it hears us.
        trap 10 unresolved 20 2001:db8:20::5 2001:db8:10::9 2001:db8:20::5
        > send 20 0200.0000.0014 > 3333.ff00.0005 ns 2001:db8:20::1 > ff02::1:ff00:5 asks for 2001:db8:20::5 source 0200.0000.0014
        # Without an address it is of no use.
        na 20 2001:db8:20::5 - 60
        # A group address is nobody's.
        na 20 2001:db8:20::5 0300.0000.0205 60
        na 20 2001:db8:20::5 0200.0000.0205 20 dst=ff02::1
        > add 20 2001:db8:20::5 0200.0000.0205
        > again 10 p1 2001:db8:10::9 > 2001:db8:20::5 ttl 64 62 bytes
        show
        > 20 2001:db8:20::5 0 0200.0000.0205 delay
        na 20 2001:db8:20::5 0200.0000.0205 40
        show
        > 20 2001:db8:20::5 0 0200.0000.0205 reachable
        # Another address without override: the known one has to prove itself.
        na 20 2001:db8:20::5 0200.0000.0206 40
        show
        > 20 2001:db8:20::5 0 0200.0000.0205 stale
        na 20 2001:db8:20::5 0200.0000.0206 c0
        +100
        show
        > 20 2001:db8:20::5 100 0200.0000.0205 stale
        # With override, not solicited; it is a router too.
        na 20 2001:db8:20::5 0200.0000.0206 a0 dst=ff02::1
        > add 20 2001:db8:20::5 0200.0000.0206
        show
        > 20 2001:db8:20::5 0 0200.0000.0206 stale router
        # With override, solicited; no router any more.
        na 20 2001:db8:20::5 0200.0000.0207 60
        > add 20 2001:db8:20::5 0200.0000.0207
        show
        > 20 2001:db8:20::5 0 0200.0000.0207 reachable
        # The same again, not solicited, tells nothing new.
        na 20 2001:db8:20::5 0200.0000.0207 20 dst=ff02::1
        show
        > 20 2001:db8:20::5 0 0200.0000.0207 reachable
        ",
    );
}

#[test]
fn r6_05_static_entries_win() {
    check(
        "
        set 20 static 2001:db8:20::5 0200.0000.0555
        > add 20 2001:db8:20::5 0200.0000.0555
        ns 20 2001:db8:20::5 2001:db8:20::1 0200.0000.0205
        na 20 2001:db8:20::5 0200.0000.0205 60
        used 20 2001:db8:20::5
        clear 6
        linkdown 20
        +100000
        show
        > 20 2001:db8:20::5 - 0200.0000.0555 static
        ",
    );
}

#[test]
fn r6_03_solicitations_tell_of_their_sender_only_if_they_are_for_the_router() {
    check(
        "
        # For another host; from off link; from the unspecified address (a probe for a duplicate) with nobody to learn.
        ns 20 2001:db8:20::5 2001:db8:20::77 0200.0000.0205
        ns 20 2001:db8:30::5 2001:db8:20::1 0200.0000.0205
        ns 20 2001:db8:20::5 2001:db8:20::1 -
        ns 20 2001:db8:20::5 2001:db8:20::1 0300.0000.0205
        ns 20 2001:db8:20::5 2001:db8:20::1 0000.0000.0000
        # The switch's own, seen again.
        ns 20 2001:db8:20::1 2001:db8:20::5 0200.0000.0014
        show
        ns 20 fe80::5 fe80::1 0200.0000.0205
        > add 20 fe80::5 0200.0000.0205
        ns 20 2001:db8:20::5 2001:db8:20::1 0200.0000.0205
        > add 20 2001:db8:20::5 0200.0000.0205
        ns 20 2001:db8:20::5 2001:db8:20::1 0200.0000.0206 dst=2001:db8:20::1
        > add 20 2001:db8:20::5 0200.0000.0206
        # One that is waited for.
        trap 10 unresolved 20 2001:db8:20::7 2001:db8:10::9 2001:db8:20::7
        > send 20 0200.0000.0014 > 3333.ff00.0007 ns 2001:db8:20::1 > ff02::1:ff00:7 asks for 2001:db8:20::7 source 0200.0000.0014
        ns 20 2001:db8:20::7 2001:db8:20::1 0200.0000.0207
        > add 20 2001:db8:20::7 0200.0000.0207
        > again 10 p1 2001:db8:10::9 > 2001:db8:20::7 ttl 64 62 bytes
        show
        > 20 2001:db8:20::5 0 0200.0000.0206 stale
        > 20 2001:db8:20::7 0 0200.0000.0207 delay
        > 20 fe80::5 0 0200.0000.0205 stale
        ",
    );
}

#[test]
fn r6_03_what_a_receiver_must_not_believe() {
    // RFC 4861 7.1.1, 7.1.2: each of these would be learned from were it not for what is wrong with it.
    let invalid = [
        "ns 20 2001:db8:20::5 2001:db8:20::1 0200.0000.0205 hops=254",
        "ns 20 2001:db8:20::5 2001:db8:20::1 0200.0000.0205 spoil=2 fix=0",
        "ns 20 2001:db8:20::5 2001:db8:20::1 0200.0000.0205 spoil=1",
        "ns 20 2001:db8:20::5 2001:db8:20::1 0200.0000.0205 cut=23",
        "ns 20 2001:db8:20::5 2001:db8:20::1 0200.0000.0205 cut=31",
        "ns 20 2001:db8:20::5 2001:db8:20::1 0200.0000.0205 add=0e00000000000000",
        "ns 20 2001:db8:20::5 2001:db8:20::1 0200.0000.0205 add=0e02000000000000",
        "ns 20 2001:db8:20::5 2001:db8:20::1 0200.0000.0205 add=0e",
        "ns 20 2001:db8:20::5 ff02::1 0200.0000.0205",
        "ns 20 :: 2001:db8:20::1 0200.0000.0205",
        "ns 20 :: 2001:db8:20::1 - dst=2001:db8:20::1",
        "na 20 2001:db8:20::9 0200.0000.0209 60 hops=254",
        "na 20 2001:db8:20::9 0200.0000.0209 60 spoil=2 fix=0",
        "na 20 2001:db8:20::9 0200.0000.0209 60 spoil=1",
        "na 20 2001:db8:20::9 0200.0000.0209 60 cut=23",
        "na 20 2001:db8:20::9 0200.0000.0209 60 add=0e00000000000000",
        "na 20 2001:db8:20::9 0200.0000.0209 60 dst=ff02::1",
        "rs 20 fe80::5 0200.0000.0205 hops=254",
        "rs 20 fe80::5 0200.0000.0205 spoil=1",
        "rs 20 fe80::5 0200.0000.0205 cut=7",
        "rs 20 fe80::5 0200.0000.0205 add=0100000000000000",
        "rs 20 :: 0200.0000.0205",
    ];
    let mut world = World::new();
    world.line("trap 10 unresolved 20 2001:db8:20::9 2001:db8:10::9 2001:db8:20::9");
    for line in invalid {
        let before = world.neigh.counters().invalid;
        assert_eq!(world.line(line), Vec::<String>::new(), "{line}");
        assert_eq!(world.neigh.counters().invalid, before + 1, "{line}");
    }
    // An option that nobody knows is skipped.
    assert_eq!(world.line("ns 20 2001:db8:20::5 2001:db8:20::1 0200.0000.0205 add=0e01000000000000").len(), 1);
    assert_eq!(world.line("na 20 2001:db8:20::9 0200.0000.0209 60").len(), 2);
}

#[test]
fn another_station_with_the_routers_address_is_complained_of() {
    check(
        "
        na 20 fe80::1 0200.0000.0205 20 dst=ff02::1
        > log %IPV6_ND-4-DUPLICATE: Duplicate address fe80::1 on Vlan20, sourced by 0200.0000.0205
        # It wants to have it: Linux defends it.
        ns 20 :: 2001:db8:20::1 -
        +30
        ns 20 :: 2001:db8:20::1 -
        > log %IPV6_ND-4-DUPLICATE: Duplicate address 2001:db8:20::1 on Vlan20, sourced by 0200.0000.0a09
        na 20 fe80::1 0200.0000.0014 20 dst=ff02::1
        ",
    );
}
