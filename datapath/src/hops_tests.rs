use super::*;
use mona_wire::ip::unmapped;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::atomic::AtomicBool;

fn vlan(number: u16) -> VlanId {
    VlanId::numbered(number).unwrap()
}

fn gateway(number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, number))
}

fn at(millis: u64) -> Instant {
    Instant(millis * 1_000_000)
}

/// `1:2 3` is gateway 1 with weight 2 and gateway 3, in the VLAN of its number.
fn via(text: &str) -> Hop {
    let path = |word: &str| {
        let (number, weight) = word.split_once(':').unwrap_or((word, "1"));
        let number: u8 = number.parse().unwrap();
        NextHop { vlan: vlan(number.into()), gateway: Some(gateway(number)), weight: weight.parse().unwrap() }
    };
    Hop::Via(text.split_whitespace().map(path).collect())
}

/// By bucket: the gateway's last number.
fn spread(hops: &Hops, leaf: Leaf) -> Vec<u8> {
    let each = (0..BUCKETS as u32).map(|bucket| match hops.follow(leaf, || bucket << 25) {
        Some(Step::To(vlan, Some(to))) => {
            assert_eq!(unmapped(to), gateway(vlan.get() as u8), "the VLAN is the gateway's");
            to as u8
        }
        other => panic!("{other:?}"),
    });
    each.collect()
}

fn shares(hops: &Hops, leaf: Leaf) -> String {
    let mut counts = BTreeMap::new();
    spread(hops, leaf).into_iter().for_each(|to| *counts.entry(to).or_insert(0) += 1);
    counts.iter().map(|(to, count)| format!("{to}:{count}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_kind_of_way() {
    let hops = Hops::with_room(Room::SMALL);
    let follow = |hop: &Hop| hops.follow(hops.enter(hop, false, at(0)).unwrap(), || 0);
    assert_eq!(follow(&Hop::Local), Some(Step::Local));
    assert_eq!(follow(&Hop::Drop(Drop::Reject)), Some(Step::Drop(Drop::Reject)));
    assert_eq!(follow(&Hop::Broadcast(vlan(4096))), Some(Step::Broadcast(vlan(4096))));
    assert_eq!(follow(&Hop::connected(vlan(10))), Some(Step::To(vlan(10), None)));
    let six: IpAddr = "2001:db8::1".parse().unwrap();
    assert_eq!(follow(&Hop::gateway(vlan(8191), six)), Some(Step::To(vlan(8191), Some(mapped(six)))));
    assert_eq!(hops.follow(Leaf::new(63), || 0), None);
    assert_eq!(hops.follow(Leaf::new(Leaf::COUNT as u32 - 1), || 0), None);
}

#[test]
fn shares_are_those_of_the_weights() {
    let table = "
        1 2                 | 1:64 2:64
        1:2 2               | 1:85 2:43
        1:11 2:45           | 1:25 2:103
        1 2 3               | 1:43 2:43 3:42
        1:0 2:0             | 1:64 2:64
        1:65535 2:1         | 1:128
        1:100 2:1           | 1:127 2:1";
    for row in table.lines().filter(|row| row.contains('|')) {
        let (paths, expect) = row.split_once('|').unwrap();
        let hops = Hops::with_room(Room::SMALL);
        let leaf = hops.enter(&via(paths), false, at(0)).unwrap();
        assert_eq!(shares(&hops, leaf), expect.trim(), "{paths}");
    }
}

#[test]
fn a_flow_moves_only_if_its_path_went_or_has_too_much() {
    let hops = Hops::with_room(Room::SMALL);
    let leaf = hops.enter(&via("1 2 3 4"), false, at(0)).unwrap();
    let before = spread(&hops, leaf);
    hops.change(leaf, &via("1 2 4")).unwrap();
    let after = spread(&hops, leaf);
    assert!(before.iter().zip(&after).all(|(was, is)| was == is || *was == 3));
    assert_eq!(shares(&hops, leaf), "1:43 2:43 4:42");
    hops.change(leaf, &via("1 2 4 5")).unwrap();
    let again = spread(&hops, leaf);
    let moved = after.iter().zip(&again).filter(|(was, is)| was != is).count();
    assert_eq!((moved, shares(&hops, leaf).as_str()), (32, "1:32 2:32 4:32 5:32"));
    // One path alone needs no group; and back.
    hops.change(leaf, &via("5")).unwrap();
    assert_eq!((shares(&hops, leaf).as_str(), hops.used()), ("5:128", Room { leaves: 1, next_hops: 1, groups: 0 }));
    hops.change(leaf, &via("5 6")).unwrap();
    assert_eq!(shares(&hops, leaf), "5:64 6:64");
}

#[test]
fn routes_of_one_way_share_a_leaf_which_rests_before_it_is_another() {
    let hops = Hops::with_room(Room { leaves: 2, next_hops: 3, groups: 1 });
    let one = hops.enter(&via("1"), false, at(0)).unwrap();
    assert_eq!(hops.enter(&via("1"), false, at(0)), Ok(one));
    let default = hops.enter(&via("1"), true, at(0)).unwrap();
    assert_ne!(one, default, "a default route has its own");
    assert_eq!(hops.enter(&via("2"), false, at(0)), Err(Full));
    hops.leave(one, at(10));
    assert_eq!(shares(&hops, one), "1:128");
    hops.leave(one, at(10));
    assert_eq!((hops.follow(one, || 0), hops.hop(one)), (None, None));
    assert_eq!(hops.enter(&via("2"), false, at(1009)), Err(Full));
    assert_eq!(hops.enter(&via("2"), false, at(1010)), Ok(one));
    assert_eq!((shares(&hops, one).as_str(), hops.hop(one)), ("2:128", Some(via("2"))));
    assert_eq!(hops.used(), Room { leaves: 2, next_hops: 2, groups: 0 });
}

#[test]
fn what_does_not_fit_changes_nothing() {
    let hops = Hops::with_room(Room { leaves: 4, next_hops: 3, groups: 1 });
    let leaf = hops.enter(&via("1 2"), false, at(0)).unwrap();
    let used = hops.used();
    assert_eq!(hops.change(leaf, &via("2 3 4")), Err(Full), "next hops");
    assert_eq!(hops.enter(&via("2 3"), false, at(0)), Err(Full), "groups");
    assert_eq!(hops.change(leaf, &via(&"1 ".repeat(PATHS + 1))), Err(Full), "paths");
    assert_eq!((shares(&hops, leaf).as_str(), hops.used()), ("1:64 2:64", used));
    hops.leave(leaf, at(0));
    assert_eq!(hops.used(), Room { leaves: 0, next_hops: 0, groups: 0 });
}

#[test]
fn the_way_back() {
    let hops = Hops::with_room(Room::SMALL);
    let default = hops.enter(&via("1 2"), true, at(0)).unwrap();
    let null = hops.enter(&Hop::Drop(Drop::Blackhole), false, at(0)).unwrap();
    let connected = hops.enter(&Hop::connected(vlan(7)), false, at(0)).unwrap();
    let ask = |leaf, number: u16| hops.reaches(leaf, VlanId::numbered(number));
    assert_eq!((ask(default, 2), ask(default, 3), ask(default, 0)), ((true, true), (false, true), (true, true)));
    assert_eq!((ask(null, 0), ask(connected, 7), ask(connected, 8)), ((false, false), (true, false), (false, false)));
}

/// While the writer gives next hops, groups and numbers to one after the other, no reader sees one's VLAN with another's
/// address, and none is left without a way.
#[test]
fn a_reader_sees_no_mixture() {
    let hops = Hops::with_room(Room { leaves: 1, next_hops: 5, groups: 1 });
    let leaf = hops.enter(&via("1"), false, at(0)).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for seed in 0..2u32 {
            let (hops, stop) = (&hops, &stop);
            scope.spawn(move || {
                let mut flow = seed;
                while !stop.load(Relaxed) {
                    flow = flow.wrapping_mul(0x9e37_79b1).wrapping_add(1);
                    // The writer is faster here than it ever is: it may win every try.
                    if let Some(step) = hops.follow(leaf, || flow) {
                        let Step::To(vlan, Some(to)) = step else { panic!("{step:?}") };
                        assert_eq!(unmapped(to), gateway(vlan.get() as u8));
                    }
                }
            });
        }
        for round in 0..20_000u32 {
            let (one, two) = (round % 250 + 1, (round + 1) % 250 + 1);
            let hop = if round % 3 == 0 { format!("{one} {two}") } else { one.to_string() };
            hops.change(leaf, &via(&hop)).unwrap();
        }
        stop.store(true, Relaxed);
    });
}
