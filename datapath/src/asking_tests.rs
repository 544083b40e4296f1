use super::*;

const MS: u64 = 1_000_000;

/// To station `to`, a UDP packet to this port.
fn frame(to: u8, port: u8) -> Vec<u8> {
    let mut frame = vec![0; 60];
    (frame[5], frame[11]) = (to, 9);
    (frame[12], frame[14], frame[23], frame[37]) = (8, 0x45, 17, port);
    frame
}

/// Asks, and is answered at once.
fn ask(asked: &mut Asked, frame: &[u8], answer: Option<Depth>, at_ms: u64, behind: bool) -> &'static str {
    match asked.question(PortId(1), frame, at_ms * MS, behind) {
        Answer::Ask(question) => {
            asked.asked(question, answer, at_ms * MS);
            "ask"
        }
        Answer::Noted => "noted",
        Answer::Wait => "wait",
    }
}

#[test]
fn what_was_asked_lately_is_not_asked() {
    let mut asked = Asked::default();
    let deep = Some(Depth::L4);
    // What the addresses decide is asked once for all their packets; what more decides, for each.
    for (to, port, at, answer, expect) in [
        (1, 1, 100, Some(Depth::L2), "ask"),
        (1, 1, 101, Some(Depth::L2), "wait"),
        (1, 2, 109, Some(Depth::L2), "wait"),
        (1, 2, 110, Some(Depth::L2), "ask"),
        (2, 1, 120, deep, "ask"),
        (2, 1, 121, deep, "wait"),
        (2, 2, 121, deep, "ask"),
        (2, 2, 122, deep, "wait"),
        (2, 1, 131, deep, "ask"),
        (3, 1, 140, None, "ask"),
        (3, 1, 141, None, "wait"),
        (3, 2, 142, None, "ask"),
    ] {
        assert_eq!(ask(&mut asked, &frame(to, port), answer, at, false), expect, "to {to}, port {port}, at {at} ms");
    }
}

#[test]
fn who_is_behind_asks_about_what_comes_twice() {
    let mut asked = Asked::default();
    let deep = Some(Depth::L4);
    for (to, port, at, answer, behind, expect) in [
        // Addresses that come twice, whatever the packet;
        (1, 1, 100, Some(Depth::L2), true, "noted"),
        (1, 2, 150, Some(Depth::L2), true, "ask"),
        (1, 3, 151, Some(Depth::L2), true, "wait"),
        (1, 3, 160, Some(Depth::L2), true, "ask"),
        // where they do not decide, packets of one kind.
        (2, 1, 100, deep, true, "noted"),
        (2, 1, 101, deep, true, "ask"),
        (2, 1, 102, deep, true, "wait"),
        (2, 2, 103, deep, true, "noted"),
        (2, 3, 104, deep, true, "noted"),
        (2, 2, 105, deep, true, "ask"),
        (2, 1, 111, deep, true, "ask"),
        // Who has caught up asks at once.
        (2, 4, 112, deep, false, "ask"),
        (3, 1, 112, deep, true, "noted"),
        (3, 1, 112, deep, false, "ask"),
    ] {
        assert_eq!(ask(&mut asked, &frame(to, port), answer, at, behind), expect, "to {to}, port {port}, at {at} ms");
    }
}

#[test]
fn who_has_seen_flows_come_back_knows_it_for_a_second() {
    let mut asked = Asked::default();
    for (hosts, at_ms, expect) in
        [(0..100, 2000, false), (0..20, 2100, false), (20..26, 2101, true), (0..1, 3002, false), (26..40, 3003, true)]
    {
        for to in hosts.clone() {
            ask(&mut asked, &frame(to, 1), Some(Depth::L2), at_ms, true);
        }
        assert_eq!(asked.come_back(), expect, "{hosts:?} at {at_ms} ms");
    }
}

/// From or to so many hosts, each once.
fn spray(hosts: u32, at_ms: u64, behind: bool) -> usize {
    let mut asked = Asked::default();
    let frames = (0..hosts).map(|host| {
        let mut frame = frame(1, 1);
        frame[..4].copy_from_slice(&host.to_be_bytes());
        frame[0] = 2;
        frame
    });
    frames.filter(|frame| ask(&mut asked, frame, Some(Depth::L2), at_ms, behind) == "ask").count()
}

#[test]
fn who_invents_addresses_is_asked_for_so_often_only() {
    assert_eq!(spray(10_000, 100, false), PER_TICK as usize);
    assert_eq!(spray(200_000, 100, true), 0);
}

#[test]
fn addresses_that_count_up_together_are_told_apart() {
    let mut asked = Asked::default();
    let mut count = 0;
    for host in 0..1000u16 {
        let mut frame = frame(0, 1);
        frame[4..6].copy_from_slice(&host.to_be_bytes());
        frame[10..12].copy_from_slice(&(host % 64).to_be_bytes());
        count += usize::from(ask(&mut asked, &frame, Some(Depth::L2), 100, false) == "ask");
    }
    assert_eq!(count, 1000);
}

#[test]
fn what_comes_twice_is_known_beside_what_comes_once() {
    let mut asked = Asked::default();
    let hosts = SLOTS as u32 / 8;
    let mut again = 0;
    for number in 0..2 * hosts {
        let mut frame = frame(1, 1);
        frame[2..6].copy_from_slice(&(number % hosts).to_be_bytes());
        let at_ms = 100 + u64::from(number / 1000);
        again += u32::from(ask(&mut asked, &frame, Some(Depth::L2), at_ms, true) == "ask");
    }
    assert!(asked.come_back());
    // Of those that share a slot the last alone is known.
    assert!((hosts * 7 / 8..hosts).contains(&again), "{again} of {hosts}");
}
