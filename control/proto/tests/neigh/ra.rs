//! R6-04: router advertisements.

use crate::world::{World, check};

const RA: &str = "send 20 0200.0000.0014 > 3333.0000.0001 ra fe80::1 > ff02::1";

/// The seconds at which something was sent, counted from `from`, and what.
fn times(lines: &[String]) -> Vec<(f64, String)> {
    let split = |line: &String| {
        let (at, what) = line.split_once(' ').expect("a time");
        (at.parse().expect("a time"), what.to_string())
    };
    lines.iter().map(split).collect()
}

#[test]
fn r6_04_what_is_advertised() {
    check(
        "
        set 20 ra on
        +0.5
        > 0.009 send 20 0200.0000.0014 > 3333.0000.0001 ra fe80::1 > ff02::1 hops 64 flags 00 lifetime 1800 reachable 0 retransmit 0 source 0200.0000.0014 mtu 1500
        set 20 ra prefix 2001:db8:20::1/64
        set 20 ra managed
        +3.5
        > 2.509 send 20 0200.0000.0014 > 3333.0000.0001 ra fe80::1 > ff02::1 hops 64 flags 80 lifetime 1800 reachable 0 retransmit 0 source 0200.0000.0014 mtu 1500 prefix 2001:db8:20::/64 c0 2592000 604800
        # No default router, and no other one when it ends.
        set 20 ra lifetime 0
        +3.5
        > 2.009 send 20 0200.0000.0014 > 3333.0000.0001 ra fe80::1 > ff02::1 hops 64 flags 80 lifetime 0 reachable 0 retransmit 0 source 0200.0000.0014 mtu 1500 prefix 2001:db8:20::/64 c0 2592000 604800
        set 20 ra off
        > send 20 0200.0000.0014 > 3333.0000.0001 ra fe80::1 > ff02::1 hops 64 flags 80 lifetime 0 reachable 0 retransmit 0 source 0200.0000.0014 mtu 1500 prefix 2001:db8:20::/64 c0 2592000 604800
        set 20 up off
        +1000
        ",
    );
}

#[test]
fn r6_04_three_soon_and_then_one_now_and_then() {
    let mut world = World::new();
    world.line("set 20 ra on");
    let sent = times(&world.line("+3600"));
    assert!(sent.iter().all(|(_, what)| what.starts_with(RA)));
    let gaps: Vec<f64> = sent.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(sent[0].0 <= 0.5, "{gaps:?}");
    assert!(gaps[..2].iter().all(|gap| *gap <= 16.0), "{gaps:?}");
    assert!(gaps[2..].iter().all(|gap| (149.9..=200.1).contains(gap)), "{gaps:?}");
    assert!(gaps[2..].windows(2).any(|pair| pair[0] != pair[1]), "routers that start together must not stay together");
    // Anew when something changes, and never more than once in 3 seconds.
    world.line("set 20 ra interval 3 4");
    let sent = times(&world.line("+600"));
    let gaps: Vec<f64> = sent.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(gaps.len() > 100 && gaps.iter().all(|gap| (2.99..=4.01).contains(gap)), "{gaps:?}");
}

#[test]
fn r6_04_solicitations_are_answered_to_all_at_most_once_in_three_seconds() {
    let mut world = World::new();
    world.line("set 20 ra on");
    world.line("+100");
    let mut sent = Vec::new();
    // Ten a second for half a minute.
    for tenth in 0..300 {
        let learned = world.line("rs 20 fe80::5 0200.0000.0205");
        assert_eq!(learned.len(), usize::from(tenth == 0), "its sender is learned once: {learned:?}");
        sent.extend(times(&world.line("+0.1")).into_iter().map(|(at, what)| (at + tenth as f64 / 10.0, what)));
    }
    assert!(sent[0].0 <= 0.6 && sent.iter().all(|(_, what)| what.starts_with(RA)), "{sent:?}");
    let gaps: Vec<f64> = sent.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(gaps.len() >= 7 && gaps.iter().all(|gap| (2.99..3.7).contains(gap)), "{gaps:?}");
}

#[test]
fn r6_04_suppressed_advertisements_still_answer() {
    check(
        "
        set 20 ra on
        set 20 ra suppress
        +1000
        rs 20 fe80::5 -
        +1000
        > 0.11 send 20 0200.0000.0014 > 3333.0000.0001 ra fe80::1 > ff02::1 hops 64 flags 00 lifetime 1800 reachable 0 retransmit 0 source 0200.0000.0014 mtu 1500
        rs 20 fe80::5 0200.0000.0205 hops=254
        +1000
        # Nothing at all.
        set 20 ra off
        > send 20 0200.0000.0014 > 3333.0000.0001 ra fe80::1 > ff02::1 hops 64 flags 00 lifetime 0 reachable 0 retransmit 0 source 0200.0000.0014 mtu 1500
        rs 20 fe80::5 -
        +1000
        ",
    );
}

#[test]
fn r6_04_answers_to_the_one_who_asks() {
    check(
        "
        set 20 ra on
        set 20 ra unicast
        set 20 ra suppress
        rs 20 fe80::5 0200.0000.0205
        > add 20 fe80::5 0200.0000.0205
        > send 20 0200.0000.0014 > 0200.0000.0205 ra fe80::1 > fe80::5 hops 64 flags 00 lifetime 1800 reachable 0 retransmit 0 source 0200.0000.0014 mtu 1500
        rs 20 fe80::6 -
        > send 20 0200.0000.0014 > 0200.0000.0a09 ra fe80::1 > fe80::6 hops 64 flags 00 lifetime 1800 reachable 0 retransmit 0 source 0200.0000.0014 mtu 1500
        # Who has no address cannot be answered alone.
        rs 20 :: -
        +1
        > 0.092 send 20 0200.0000.0014 > 3333.0000.0001 ra fe80::1 > ff02::1 hops 64 flags 00 lifetime 1800 reachable 0 retransmit 0 source 0200.0000.0014 mtu 1500
        ",
    );
}

#[test]
fn rfc_4861_6_2_5_the_last_one_says_good_bye() {
    let last = |line: &str| {
        let mut world = World::new();
        world.line("set 20 ra on");
        world.line("+100");
        let out = world.line(line);
        assert_eq!(world.line("+1").len(), usize::from(line.contains("link-local fe80")), "{line}");
        out
    };
    let goodbye = format!("{RA} hops 64 flags 00 lifetime 0 reachable 0 retransmit 0 source 0200.0000.0014 mtu 1500");
    for line in ["set 20 up off", "set 20 ra off", "remove 20", "set 20 link-local fe80::2", "set 20 link-local"] {
        assert_eq!(last(line), std::slice::from_ref(&goodbye), "{line}");
    }
    // It was never told that there is a router.
    check("set 20 ra on\nset 20 up off\nset 20 ra off");
}
