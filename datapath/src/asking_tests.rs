use super::*;

const MS: u64 = 1_000_000;

/// To station `to`, a UDP packet to this port.
fn frame(to: u8, port: u8) -> Vec<u8> {
    let mut frame = vec![0; 60];
    (frame[5], frame[11]) = (to, 9);
    (frame[12], frame[14], frame[23], frame[37]) = (8, 0x45, 17, port);
    frame
}

#[test]
fn what_was_asked_lately_is_not_asked() {
    let mut asked = Asked::default();
    let mut ask = |to, port, at_ms: u64, answer| {
        let question = asked.question(PortId(1), &frame(to, port), at_ms * MS);
        question.map(|question| asked.asked(question, answer, at_ms * MS)).is_some()
    };
    let deep = Some(Depth::L4);
    // What the addresses decide is asked once for all their packets; what more decides, for each.
    for (to, port, at, answer, expect) in [
        (1, 1, 100, Some(Depth::L2), true),
        (1, 1, 101, Some(Depth::L2), false),
        (1, 2, 109, Some(Depth::L2), false),
        (1, 2, 110, Some(Depth::L2), true),
        (2, 1, 120, deep, true),
        (2, 1, 121, deep, false),
        (2, 2, 121, deep, true),
        (2, 2, 122, deep, false),
        (2, 1, 131, deep, true),
        (3, 1, 140, None, true),
        (3, 1, 141, None, false),
        (3, 2, 142, None, true),
    ] {
        assert_eq!(ask(to, port, at, answer), expect, "to {to}, port {port}, at {at} ms");
    }
}

#[test]
fn who_invents_addresses_is_asked_for_so_often_only() {
    let mut asked = Asked::default();
    let mut count = 0;
    for at in 0..3u32 {
        for host in 0..10_000u32 {
            let mut frame = frame(1, 1);
            frame[..4].copy_from_slice(&(host * 3 + at).to_be_bytes());
            frame[0] = 2;
            if let Some(question) = asked.question(PortId(1), &frame, u64::from(at + 100) * MS) {
                asked.asked(question, Some(Depth::L2), u64::from(at + 100) * MS);
                count += 1;
            }
        }
    }
    assert_eq!(count, 3 * PER_TICK);
}

#[test]
fn addresses_that_count_up_together_are_told_apart() {
    let mut asked = Asked::default();
    let mut count = 0;
    for host in 0..1000u16 {
        let mut frame = frame(0, 1);
        frame[4..6].copy_from_slice(&host.to_be_bytes());
        frame[10..12].copy_from_slice(&(host % 64).to_be_bytes());
        if let Some(question) = asked.question(PortId(1), &frame, 100 * MS) {
            asked.asked(question, Some(Depth::L2), 100 * MS);
            count += 1;
        }
    }
    assert_eq!(count, 1000);
}
