//! R4-05, R4-06, R4-12, R4-13, R4-16, R6-01, R6-02, R6-06: what senders are told, and what they are not.

use crate::world::{World, check};

#[test]
fn r4_05_r4_16_errors_and_their_codes() {
    check(
        "
        trap 10 ttl 10.0.10.9 10.0.20.5 ttl=1
        > route 10 0200.0000.000a > 0200.0000.000a icmp 10.0.10.1 > 10.0.10.9 11/0 about 10.0.10.9 > 10.0.20.5, 56 bytes
        trap 10 noroute 10.0.10.9 192.0.2.5
        > route 10 0200.0000.000a > 0200.0000.000a icmp 10.0.10.1 > 10.0.10.9 3/0 about 10.0.10.9 > 192.0.2.5, 56 bytes
        trap 10 rejected 10.0.10.9 192.0.2.5
        > route 10 0200.0000.000a > 0200.0000.000a icmp 10.0.10.1 > 10.0.10.9 3/1 about 10.0.10.9 > 192.0.2.5, 56 bytes
        trap 10 prohibited 10.0.10.9 10.0.20.5
        > route 10 0200.0000.000a > 0200.0000.000a icmp 10.0.10.1 > 10.0.10.9 3/13 about 10.0.10.9 > 10.0.20.5, 56 bytes
        trap 10 source 10.0.10.9 10.0.20.5
        > route 10 0200.0000.000a > 0200.0000.000a icmp 10.0.10.1 > 10.0.10.9 3/13 about 10.0.10.9 > 10.0.20.5, 56 bytes
        trap 10 parameter 20 10.0.10.9 10.0.20.5
        > route 10 0200.0000.000a > 0200.0000.000a icmp 10.0.10.1 > 10.0.10.9 12/0 335544320 about 10.0.10.9 > 10.0.20.5, 56 bytes
        # There is no such thing in IPv4.
        trap 10 scope 10.0.10.9 10.0.20.5
        # The address of the interface the packet came in on: the one of the sender's subnet, or the first.
        trap 10 ttl 10.0.11.9 10.0.20.5 ttl=1
        > route 10 0200.0000.000a > 0200.0000.000a icmp 10.0.11.1 > 10.0.11.9 11/0 about 10.0.11.9 > 10.0.20.5, 56 bytes
        trap 10 ttl 203.0.113.7 10.0.20.5 ttl=1
        > route 10 0200.0000.000a > 0200.0000.000a icmp 10.0.10.1 > 203.0.113.7 11/0 about 203.0.113.7 > 10.0.20.5, 56 bytes
        set 20 address
        trap 20 ttl 203.0.113.7 10.0.20.5 ttl=1
        > route 20 0200.0000.0014 > 0200.0000.0014 icmp 10.0.10.1 > 203.0.113.7 11/0 about 203.0.113.7 > 10.0.20.5, 56 bytes
        ",
    );
}

#[test]
fn r4_06_too_big_tells_the_mtu() {
    check(
        "
        trap 10 toobig 1400 10.0.10.9 10.0.20.5 frag=0x4000 len=1480
        > route 10 0200.0000.000a > 0200.0000.000a icmp 10.0.10.1 > 10.0.10.9 3/4 1400 about 10.0.10.9 > 10.0.20.5, 576 bytes
        ",
    );
}

#[test]
fn r4_12_as_much_is_quoted_as_fits_without_the_padding() {
    check(
        "
        trap 10 ttl 10.0.10.9 10.0.20.5 len=0
        > route 10 0200.0000.000a > 0200.0000.000a icmp 10.0.10.1 > 10.0.10.9 11/0 about 10.0.10.9 > 10.0.20.5, 48 bytes
        trap 10 ttl 10.0.10.9 10.0.20.5 len=0 pad=26
        > route 10 0200.0000.000a > 0200.0000.000a icmp 10.0.10.1 > 10.0.10.9 11/0 about 10.0.10.9 > 10.0.20.5, 48 bytes
        trap 10 ttl 10.0.10.9 10.0.20.5 len=528
        > route 10 0200.0000.000a > 0200.0000.000a icmp 10.0.10.1 > 10.0.10.9 11/0 about 10.0.10.9 > 10.0.20.5, 576 bytes
        trap 10 ttl 10.0.10.9 10.0.20.5 len=527
        > route 10 0200.0000.000a > 0200.0000.000a icmp 10.0.10.1 > 10.0.10.9 11/0 about 10.0.10.9 > 10.0.20.5, 575 bytes
        trap 10 ttl 10.0.10.9 10.0.20.5 len=60000
        > route 10 0200.0000.000a > 0200.0000.000a icmp 10.0.10.1 > 10.0.10.9 11/0 about 10.0.10.9 > 10.0.20.5, 576 bytes
        trap 10 ttl 10.0.10.9 10.0.20.5 options=01010101
        > route 10 0200.0000.000a > 0200.0000.000a icmp 10.0.10.1 > 10.0.10.9 11/0 about 10.0.10.9 > 10.0.20.5, 60 bytes
        ",
    );
}

/// Nothing is said about these, although something is about their like.
fn silent(traps: &[&str], like: &str) {
    let mut world = World::new();
    for line in traps {
        assert_eq!(world.line(line), Vec::<String>::new(), "{line}");
    }
    assert_eq!(world.neigh.counters().errors_exempt, traps.len() as u64);
    assert_eq!(world.line(like).len(), 1, "{like}");
}

#[test]
fn r4_12_no_error_about_some_packets() {
    silent(
        &[
            // ICMP errors, and what may be one.
            "trap 10 ttl 10.0.10.9 10.0.20.5 proto=1 type=3",
            "trap 10 ttl 10.0.10.9 10.0.20.5 proto=1 type=4",
            "trap 10 ttl 10.0.10.9 10.0.20.5 proto=1 type=5",
            "trap 10 ttl 10.0.10.9 10.0.20.5 proto=1 type=11",
            "trap 10 ttl 10.0.10.9 10.0.20.5 proto=1 type=12",
            "trap 10 ttl 10.0.10.9 10.0.20.5 proto=1 type=99",
            "trap 10 ttl 10.0.10.9 10.0.20.5 proto=1 len=0",
            // To groups and to all: of the network, of the link, of a subnet that is known here.
            "trap 10 ttl 10.0.10.9 224.0.0.5",
            "trap 10 ttl 10.0.10.9 255.255.255.255",
            "trap 10 ttl 10.0.10.9 10.0.20.255",
            "trap 10 ttl 10.0.10.9 10.0.20.0",
            "trap 10 ttl 10.0.10.9 10.0.20.5 to=ffff.ffff.ffff",
            "trap 10 ttl 10.0.10.9 10.0.20.5 to=0100.5e00.0005",
            // Fragments but the first.
            "trap 10 ttl 10.0.10.9 10.0.20.5 frag=1",
            "trap 10 ttl 10.0.10.9 10.0.20.5 frag=0x2001",
            // Sources that are no single host.
            "trap 10 ttl 0.0.0.0 10.0.20.5",
            "trap 10 ttl 0.1.2.3 10.0.20.5",
            "trap 10 ttl 127.0.0.1 10.0.20.5",
            "trap 10 ttl 224.0.0.5 10.0.20.5",
            "trap 10 ttl 240.0.0.1 10.0.20.5",
            "trap 10 ttl 255.255.255.255 10.0.20.5",
            "trap 10 ttl 10.0.20.255 10.0.20.5",
            "trap 10 ttl 10.0.10.0 10.0.20.5",
            // The router itself.
            "trap 10 ttl 10.0.20.1 10.0.20.5",
            // R4-05: not worth to be called a packet.
            "trap 10 ttl 10.0.10.9 10.0.20.5 spoil=0",
            "trap 10 ttl 10.0.10.9 10.0.20.5 spoil=2",
            "trap 10 ttl 10.0.10.9 10.0.20.5 spoil=10",
        ],
        "trap 10 ttl 10.0.10.9 10.0.20.5 proto=1 type=8",
    );
    silent(&[], "trap 10 ttl 10.0.10.9 10.0.20.5 frag=0x2000");
}

#[test]
fn r4_12_the_rate_is_limited_by_interface_and_kind_and_in_all() {
    let mut world = World::new();
    let told = |world: &mut World, line: &str| (0..500).filter(|_| !world.line(line).is_empty()).count();
    assert_eq!(told(&mut world, "trap 10 ttl 10.0.10.9 10.0.20.5"), 100);
    // Path MTU discovery, and the other interface, do not suffer.
    assert_eq!(told(&mut world, "trap 10 toobig 1400 10.0.10.9 10.0.20.5"), 100);
    assert_eq!(told(&mut world, "trap 20 ttl 10.0.20.9 10.0.10.5"), 100);
    assert_eq!(world.neigh.counters().errors_limited, 1200);
    world.line("+0.1");
    assert_eq!(told(&mut world, "trap 10 ttl 10.0.10.9 10.0.20.5"), 10);
    world.line("+100");
    assert_eq!(told(&mut world, "trap 10 ttl 10.0.10.9 10.0.20.5"), 100, "no more than a second's worth at once");
    world.line("+100");
    world.line("limit errors-total 150");
    assert_eq!(told(&mut world, "trap 10 ttl 10.0.10.9 10.0.20.5"), 100);
    assert_eq!(told(&mut world, "trap 20 ttl 10.0.20.9 10.0.10.5"), 50);
}

#[test]
fn no_ip_unreachables() {
    check(
        "
        set 10 unreachables off
        trap 10 noroute 10.0.10.9 192.0.2.5
        trap 10 prohibited 10.0.10.9 192.0.2.5
        # As on IOS, path MTU discovery too; in IPv6 that is no unreachable.
        trap 10 toobig 1400 10.0.10.9 10.0.20.5
        trap 10 noroute 2001:db8:10::9 2001:db8:99::5
        trap 10 toobig 1400 2001:db8:10::9 2001:db8:20::5
        > route 10 0200.0000.000a > 0200.0000.000a icmp6 2001:db8:10::1 > 2001:db8:10::9 2/0 1400 about 2001:db8:10::9 > 2001:db8:20::5, 96 bytes
        trap 10 ttl 10.0.10.9 10.0.20.5
        > route 10 0200.0000.000a > 0200.0000.000a icmp 10.0.10.1 > 10.0.10.9 11/0 about 10.0.10.9 > 10.0.20.5, 56 bytes
        ",
    );
}

#[test]
fn r4_13_redirects_to_senders_of_the_next_hops_subnet() {
    check(
        "
        trap 10 redirect 10.0.10.254 10.0.10.9 198.51.100.7
        > send 10 0200.0000.000a > 0200.0000.0a09 icmp 10.0.10.1 > 10.0.10.9 5/1 by 10.0.10.254 about 10.0.10.9 > 198.51.100.7, 56 bytes
        trap 10 redirect 10.0.11.254 10.0.11.9 198.51.100.7
        > send 10 0200.0000.000a > 0200.0000.0a09 icmp 10.0.11.1 > 10.0.11.9 5/1 by 10.0.11.254 about 10.0.11.9 > 198.51.100.7, 56 bytes
        # Of another subnet on the same link; from behind another router; a next hop of no subnet.
        trap 10 redirect 10.0.11.254 10.0.10.9 198.51.100.7
        trap 10 redirect 10.0.10.254 203.0.113.7 198.51.100.7
        trap 10 redirect 10.0.99.254 10.0.10.9 198.51.100.7
        # Loosely or strictly source routed, behind a no-operation; another option.
        trap 10 redirect 10.0.10.254 10.0.10.9 198.51.100.7 options=01830704c6336407
        trap 10 redirect 10.0.10.254 10.0.10.9 198.51.100.7 options=890704c633640700
        trap 10 redirect 10.0.10.254 10.0.10.9 198.51.100.7 options=94040000
        > send 10 0200.0000.000a > 0200.0000.0a09 icmp 10.0.10.1 > 10.0.10.9 5/1 by 10.0.10.254 about 10.0.10.9 > 198.51.100.7, 60 bytes
        # Redirects are errors.
        trap 10 redirect 10.0.10.254 10.0.10.9 198.51.100.7 proto=1 type=3
        trap 10 redirect 10.0.10.254 10.0.10.9 198.51.100.7 frag=1
        set 10 redirects off
        trap 10 redirect 10.0.10.254 10.0.10.9 198.51.100.7
        trap 10 redirect fe80::fe 2001:db8:10::9 2001:db8:99::7
        ",
    );
}

#[test]
fn rfc_4861_8_2_redirects() {
    check(
        "
        trap 10 redirect fe80::fe 2001:db8:10::9 2001:db8:99::7
        > send 10 0200.0000.000a > 0200.0000.0a09 redirect fe80::1 > 2001:db8:10::9 2001:db8:99::7 by fe80::fe redirected 56, 136 bytes
        # The neighbour's address is told if it is known, and no more than fits is quoted.
        ns 10 fe80::fe fe80::1 0200.0000.01fe
        > add 10 fe80::fe 0200.0000.01fe
        trap 10 redirect fe80::fe 2001:db8:10::9 2001:db8:99::7 len=1400
        > send 10 0200.0000.000a > 0200.0000.0a09 redirect fe80::1 > 2001:db8:10::9 2001:db8:99::7 by fe80::fe target 0200.0000.01fe redirected 1192, 1280 bytes
        # On link: the destination itself.
        trap 10 redirect 2001:db8:10::7 2001:db8:10::9 2001:db8:10::7
        > send 10 0200.0000.000a > 0200.0000.0a09 redirect fe80::1 > 2001:db8:10::9 2001:db8:10::7 by 2001:db8:10::7 redirected 56, 136 bytes
        # A router that is known by a global address only cannot be named; a sender from elsewhere is not told.
        trap 10 redirect 2001:db8:10::fe 2001:db8:10::9 2001:db8:99::7
        trap 10 redirect fe80::fe 2001:db8:77::9 2001:db8:99::7
        trap 10 redirect fe80::fe 2001:db8:10::9 ff0e::7
        ",
    );
}

#[test]
fn r6_01_r6_02_errors_and_their_codes() {
    check(
        "
        trap 10 ttl 2001:db8:10::9 2001:db8:20::5 ttl=1
        > route 10 0200.0000.000a > 0200.0000.000a icmp6 2001:db8:10::1 > 2001:db8:10::9 3/0 about 2001:db8:10::9 > 2001:db8:20::5, 96 bytes
        trap 10 noroute 2001:db8:10::9 2001:db8:99::5
        > route 10 0200.0000.000a > 0200.0000.000a icmp6 2001:db8:10::1 > 2001:db8:10::9 1/0 about 2001:db8:10::9 > 2001:db8:99::5, 96 bytes
        trap 10 prohibited 2001:db8:10::9 2001:db8:99::5
        > route 10 0200.0000.000a > 0200.0000.000a icmp6 2001:db8:10::1 > 2001:db8:10::9 1/1 about 2001:db8:10::9 > 2001:db8:99::5, 96 bytes
        trap 10 source 2001:db8:10::9 2001:db8:99::5
        > route 10 0200.0000.000a > 0200.0000.000a icmp6 2001:db8:10::1 > 2001:db8:10::9 1/5 about 2001:db8:10::9 > 2001:db8:99::5, 96 bytes
        trap 10 rejected 2001:db8:10::9 2001:db8:99::5
        > route 10 0200.0000.000a > 0200.0000.000a icmp6 2001:db8:10::1 > 2001:db8:10::9 1/0 about 2001:db8:10::9 > 2001:db8:99::5, 96 bytes
        trap 10 parameter 6 2001:db8:10::9 2001:db8:99::5
        > route 10 0200.0000.000a > 0200.0000.000a icmp6 2001:db8:10::1 > 2001:db8:10::9 4/0 6 about 2001:db8:10::9 > 2001:db8:99::5, 96 bytes
        trap 10 toobig 1400 2001:db8:10::9 2001:db8:20::5 len=1460
        > route 10 0200.0000.000a > 0200.0000.000a icmp6 2001:db8:10::1 > 2001:db8:10::9 2/0 1400 about 2001:db8:10::9 > 2001:db8:20::5, 1280 bytes
        # To groups too (RFC 4443 2.4(e.3)).
        trap 10 toobig 1400 2001:db8:10::9 ff0e::5 to=3333.0000.0005
        > route 10 0200.0000.000a > 0200.0000.000a icmp6 2001:db8:10::1 > 2001:db8:10::9 2/0 1400 about 2001:db8:10::9 > ff0e::5, 96 bytes
        # A link-local source is answered on its link.
        trap 10 scope fe80::9 2001:db8:20::5
        > send 10 0200.0000.000a > 0200.0000.0a09 icmp6 fe80::1 > fe80::9 1/2 about fe80::9 > 2001:db8:20::5, 96 bytes
        # From an interface that has a link-local address only.
        set 20 address 10.0.20.1/24
        trap 20 ttl 2001:db8:77::9 2001:db8:10::5 ttl=1
        > route 20 0200.0000.0014 > 0200.0000.0014 icmp6 2001:db8:10::1 > 2001:db8:77::9 3/0 about 2001:db8:77::9 > 2001:db8:10::5, 96 bytes
        ",
    );
}

#[test]
fn r6_06_no_error_about_some_packets() {
    silent(
        &[
            // Errors and redirects; behind extension headers too (hop-by-hop, destination options, first fragment, authentication).
            "trap 10 ttl 2001:db8:10::9 2001:db8:20::5 proto=58 type=1",
            "trap 10 ttl 2001:db8:10::9 2001:db8:20::5 proto=58 type=127",
            "trap 10 ttl 2001:db8:10::9 2001:db8:20::5 proto=58 type=137",
            "trap 10 ttl 2001:db8:10::9 2001:db8:20::5 proto=58 len=0",
            "trap 10 ttl 2001:db8:10::9 2001:db8:20::5 proto=0 options=3c000104000000003a00010400000000 type=3",
            "trap 10 ttl 2001:db8:10::9 2001:db8:20::5 proto=44 options=3a00000100000007 type=3",
            "trap 10 ttl 2001:db8:10::9 2001:db8:20::5 proto=51 options=3a010000000000000000000b type=3",
            // What cannot be read to its end may be one.
            "trap 10 ttl 2001:db8:10::9 2001:db8:20::5 proto=0 options=3aff010400000000 type=3",
            // Groups.
            "trap 10 ttl 2001:db8:10::9 ff0e::5",
            "trap 10 ttl 2001:db8:10::9 2001:db8:20::5 to=3333.0000.0005",
            // Sources that are no single node.
            "trap 10 ttl :: 2001:db8:20::5",
            "trap 10 toobig 1400 :: 2001:db8:20::5",
            "trap 10 ttl ::1 2001:db8:20::5",
            "trap 10 ttl ff02::1 2001:db8:20::5",
            "trap 10 ttl 2001:db8:20::1 2001:db8:20::5",
            "trap 10 toobig 1400 2001:db8:10::9 ff0e::5 proto=58 type=1",
            "trap 10 ttl 2001:db8:10::9 2001:db8:20::5 spoil=0",
            "trap 10 ttl 2001:db8:10::9 2001:db8:20::5 spoil=4",
        ],
        "trap 10 ttl 2001:db8:10::9 2001:db8:20::5 proto=58 type=128",
    );
    silent(&[], "trap 10 ttl 2001:db8:10::9 2001:db8:20::5 proto=0 options=3a00010400000000 type=128");
    // A later fragment does not show what it is of.
    silent(&[], "trap 10 ttl 2001:db8:10::9 2001:db8:20::5 proto=44 options=3a00000800000007 type=1");
}

#[test]
fn r6_06_the_rate_is_limited() {
    let mut world = World::new();
    let told = |world: &mut World, line: &str| (0..500).filter(|_| !world.line(line).is_empty()).count();
    assert_eq!(told(&mut world, "trap 10 ttl 2001:db8:10::9 2001:db8:20::5"), 100);
    assert_eq!(told(&mut world, "trap 10 toobig 1400 2001:db8:10::9 2001:db8:20::5"), 100);
    assert_eq!(told(&mut world, "trap 10 redirect fe80::fe 2001:db8:10::9 2001:db8:99::7"), 100);
    assert_eq!(told(&mut world, "trap 10 noroute 2001:db8:10::9 2001:db8:20::5"), 100);
}

#[test]
fn frames_that_are_no_ip_are_not_spoken_about() {
    check(
        "
        trap 10 ttl 10.0.10.9 10.0.20.5 spoil=0
        # The interface is gone.
        remove 10
        trap 10 ttl 10.0.10.9 10.0.20.5
        ",
    );
}
