//! What the ways of routes promise, in every order of events.

use loom::sync::Arc;
use loom::thread;
use mona_loom::Drop;
use mona_loom::hops::{Hop, Hops, NextHop, Room, Step};
use mona_wire::ip::mapped;
use mona_wire::{Instant, VlanId};
use std::net::IpAddr;

fn vlan(number: u16) -> VlanId {
    VlanId::new(number).unwrap()
}

fn gateway(number: u16) -> IpAddr {
    IpAddr::from([10, 0, 0, number as u8])
}

/// The way of that number: its VLAN and its gateway go together.
fn way(number: u16) -> Hop {
    Hop::gateway(vlan(number), gateway(number))
}

fn path(number: u16) -> NextHop {
    NextHop { vlan: vlan(number), gateway: Some(gateway(number)), weight: 1 }
}

fn to(number: u16) -> Step {
    Step::To(vlan(number), Some(mapped(gateway(number))))
}

/// One group, and so few next hops that they are used again at once.
fn small() -> Arc<Hops> {
    Arc::new(Hops::with_room(Room { leaves: 4, next_hops: 2, groups: 1 }))
}

fn check(run: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(run);
}

/// The way of a leaf changes, and the place of the old next hop is another's: a reader goes by the old way or by a new one,
/// never by half of each, and never nowhere.
#[test]
fn a_leaf_that_changes_leads_somewhere() {
    check(|| {
        let hops = small();
        let leaf = hops.enter(&way(1), false, Instant::default()).unwrap();
        let reader = {
            let hops = hops.clone();
            thread::spawn(move || {
                let step = hops.follow(leaf, || 0).expect("there is always a way");
                assert!([to(1), to(2), to(3)].contains(&step), "{step:?}");
            })
        };
        hops.change(leaf, &way(2)).unwrap();
        hops.change(leaf, &way(3)).unwrap();
        reader.join().unwrap();
        assert_eq!(hops.follow(leaf, || 0), Some(to(3)));
    });
}

/// From one path to two and back to another: whatever bucket a flow has.
#[test]
fn a_group_that_comes_and_goes_leads_somewhere() {
    check(|| {
        let hops = small();
        let leaf = hops.enter(&way(1), false, Instant::default()).unwrap();
        let reader = {
            let hops = hops.clone();
            thread::spawn(move || {
                let step = hops.follow(leaf, || u32::MAX).expect("there is always a way");
                assert!([to(1), to(2)].contains(&step), "{step:?}");
            })
        };
        hops.change(leaf, &Hop::Via(vec![path(1), path(2)])).unwrap();
        hops.change(leaf, &way(2)).unwrap();
        reader.join().unwrap();
    });
}

/// A leaf that was given up leads nowhere, whoever has its next hop's place now.
#[test]
fn a_leaf_that_was_given_up_is_nobody_elses() {
    check(|| {
        let hops = small();
        let leaf = hops.enter(&way(1), false, Instant::default()).unwrap();
        hops.enter(&way(2), false, Instant::default()).unwrap();
        let reader = {
            let hops = hops.clone();
            thread::spawn(move || {
                let step = hops.follow(leaf, || 0);
                assert!([Some(to(1)), None].contains(&step), "{step:?}");
                let (reaches, _) = hops.reaches(leaf, Some(vlan(3)));
                assert!(!reaches);
            })
        };
        hops.leave(leaf, Instant::default());
        let third = hops.enter(&way(3), false, Instant::default()).unwrap();
        assert_ne!(third, leaf, "it rests");
        reader.join().unwrap();
    });
}

/// What is dropped is dropped, and the word says for which reason, while it changes.
#[test]
fn a_way_that_is_closed() {
    check(|| {
        let hops = small();
        let leaf = hops.enter(&way(1), true, Instant::default()).unwrap();
        let reader = {
            let hops = hops.clone();
            thread::spawn(move || {
                let step = hops.follow(leaf, || 0).expect("there is always a way");
                let all = [to(1), Step::Drop(Drop::Reject), Step::Local];
                assert!(all.contains(&step), "{step:?}");
                assert!(hops.reaches(leaf, None).1, "it stays a default route");
            })
        };
        hops.change(leaf, &Hop::Drop(Drop::Reject)).unwrap();
        hops.change(leaf, &Hop::Local).unwrap();
        reader.join().unwrap();
    });
}
