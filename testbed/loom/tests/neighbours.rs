//! What the table of neighbours promises, in every order of events.

use loom::sync::Arc;
use loom::thread;
use mona_loom::neighbours::Neighbours;
use mona_wire::ip::mapped;
use mona_wire::{Mac, VlanId};
use std::net::IpAddr;

const SEED: [u64; 2] = [1, 2];
const VLAN: VlanId = VlanId::DEFAULT;

fn ip(number: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, number])
}

fn mac(number: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, number])
}

/// A table of one bucket or two, so that everybody meets in it.
fn small(neighbours: usize) -> Arc<Neighbours> {
    Arc::new(Neighbours::with_capacity_and_seed(neighbours, SEED))
}

fn check(run: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(run);
}

/// The slot of one neighbour is given to another and back: nobody ever has the other's MAC.
#[test]
fn a_slot_used_again_shows_nobody_elses_mac() {
    check(|| {
        let table = small(1);
        table.insert(VLAN, ip(1), mac(1)).unwrap();
        let reader = {
            let table = table.clone();
            thread::spawn(move || {
                for number in [1, 2] {
                    if let Some(neighbour) = table.lookup(VLAN, mapped(ip(number))) {
                        assert_eq!(neighbour.mac, mac(number));
                    }
                }
            })
        };
        table.remove(VLAN, ip(1));
        table.insert(VLAN, ip(2), mac(2)).unwrap();
        table.remove(VLAN, ip(2));
        table.insert(VLAN, ip(1), mac(1)).unwrap();
        reader.join().unwrap();
    });
}

/// A worker stamps while control gives him another MAC: he keeps it, and is never missing on the way.
#[test]
fn a_touch_never_undoes_a_change() {
    check(|| {
        let table = small(1);
        table.insert(VLAN, ip(1), mac(1)).unwrap();
        table.set_epoch(1);
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let table = table.clone();
                thread::spawn(move || {
                    let neighbour = table.lookup(VLAN, mapped(ip(1))).expect("he moves, he does not go");
                    assert!([mac(1), mac(2)].contains(&neighbour.mac));
                    table.touch(&neighbour);
                })
            })
            .collect();
        table.insert(VLAN, ip(1), mac(2)).unwrap();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        let neighbour = table.lookup(VLAN, mapped(ip(1))).unwrap();
        assert_eq!((neighbour.mac, neighbour.epoch), (mac(2), 1));
    });
}

/// A late stamp for one who is gone does not bring him back, nor does it age who has his slot now.
#[test]
fn a_touch_of_the_departed() {
    check(|| {
        let table = small(1);
        table.insert(VLAN, ip(1), mac(1)).unwrap();
        let old = table.lookup(VLAN, mapped(ip(1))).unwrap();
        table.set_epoch(1);
        let worker = {
            let table = table.clone();
            thread::spawn(move || table.touch(&old))
        };
        table.set_epoch(0);
        table.remove(VLAN, ip(1));
        table.insert(VLAN, ip(2), mac(2)).unwrap();
        worker.join().unwrap();
        assert_eq!(table.lookup(VLAN, mapped(ip(1))), None);
        assert_eq!(table.lookup(VLAN, mapped(ip(2))).map(|n| (n.mac, n.epoch)), Some((mac(2), 0)));
        assert_eq!((table.len(), table.iter().count()), (1, 1));
    });
}

/// Neighbours that overflowed into the next bucket stay found while others before them come and go. Of so many threes some
/// share a home, which has room for two.
#[test]
fn who_passed_a_full_bucket_is_found() {
    for first in (1..120).step_by(3) {
        check(move || {
            let table = small(3);
            (first..first + 3).for_each(|number| table.insert(VLAN, ip(number), mac(number)).unwrap());
            let reader = {
                let table = table.clone();
                thread::spawn(move || {
                    let last = first + 2;
                    assert_eq!(table.lookup(VLAN, mapped(ip(last))).map(|neighbour| neighbour.mac), Some(mac(last)));
                })
            };
            table.remove(VLAN, ip(first));
            table.insert(VLAN, ip(200), mac(200)).unwrap();
            reader.join().unwrap();
        });
    }
}
