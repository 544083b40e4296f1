//! What the table promises, in every order of events.

use mona_loom::fdb::{Fdb, Origin};
use loom::sync::Arc;
use loom::thread;
use mona_wire::{Mac, PortId, VlanId};

const SEED: [u64; 2] = [1, 2];
const VLAN: VlanId = VlanId::DEFAULT;

fn mac(number: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, number])
}

/// A table of one bucket, so that everybody meets in it.
fn small() -> Arc<Fdb> {
    Arc::new(Fdb::with_capacity_and_seed(2, SEED))
}

fn check(run: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(run);
}

/// The slot of one station is given to another and back: nobody is ever seen on the other's port.
#[test]
fn a_slot_used_again_shows_nobody_elses_port() {
    check(|| {
        let fdb = small();
        fdb.insert(VLAN, mac(1), PortId(1), Origin::Dynamic).unwrap();
        let reader = {
            let fdb = fdb.clone();
            thread::spawn(move || {
                for number in [1, 2] {
                    if let Some(station) = fdb.lookup(VLAN, mac(number)) {
                        assert_eq!(station.port, PortId(u16::from(number)));
                    }
                }
            })
        };
        fdb.remove(VLAN, mac(1));
        fdb.insert(VLAN, mac(2), PortId(2), Origin::Dynamic).unwrap();
        fdb.remove(VLAN, mac(2));
        fdb.insert(VLAN, mac(1), PortId(1), Origin::Dynamic).unwrap();
        reader.join().unwrap();
    });
}

/// Two workers stamp while control moves the station: it stays moved, and is never missing on the way.
#[test]
fn a_touch_never_undoes_a_move() {
    check(|| {
        let fdb = small();
        fdb.insert(VLAN, mac(1), PortId(1), Origin::Dynamic).unwrap();
        fdb.set_epoch(1);
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let fdb = fdb.clone();
                thread::spawn(move || {
                    let station = fdb.lookup(VLAN, mac(1)).expect("it moves, it does not go");
                    assert!([PortId(1), PortId(2)].contains(&station.port));
                    fdb.touch(&station);
                    fdb.heard(&station, station.port);
                })
            })
            .collect();
        fdb.insert(VLAN, mac(1), PortId(2), Origin::Static).unwrap();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        let station = fdb.lookup(VLAN, mac(1)).unwrap();
        assert_eq!((station.port, station.origin, station.epoch), (PortId(2), Origin::Static, 1));
    });
}

/// What a worker does with a frame of station 1 behind this port: does it report that?
fn speak(fdb: &Fdb, rx: PortId) -> bool {
    fdb.lookup(VLAN, mac(1)).is_none_or(|station| !fdb.heard(&station, rx))
}

/// What control does with a report, and with what it finds then.
fn enter(fdb: &Fdb, reported: PortId) {
    let mut port = reported;
    loop {
        fdb.insert(VLAN, mac(1), port, Origin::Dynamic).unwrap();
        match fdb.lookup(VLAN, mac(1)).unwrap().last {
            last if last == port || last == PortId::SELF => return,
            last => port = last,
        }
    }
}

/// It spoke elsewhere, and speaks at its old port while control enters that: it is there.
#[test]
fn who_speaks_last_is_believed() {
    check(|| {
        let fdb = small();
        fdb.insert(VLAN, mac(1), PortId(1), Origin::Dynamic).unwrap();
        assert!(speak(&fdb, PortId(2)));
        let worker = {
            let fdb = fdb.clone();
            thread::spawn(move || speak(&fdb, PortId(1)))
        };
        enter(&fdb, PortId(2));
        if worker.join().unwrap() {
            enter(&fdb, PortId(1));
        }
        let station = fdb.lookup(VLAN, mac(1)).unwrap();
        assert_eq!((station.port, station.last), (PortId(1), PortId(1)));
    });
}

/// Two workers hear it behind two ports while control enters a third: it is behind one of the two, which it spoke behind last,
/// whichever report comes first.
#[test]
fn two_workers_agree_who_was_last() {
    for first in [0, 1] {
        check(move || {
            let fdb = small();
            fdb.insert(VLAN, mac(1), PortId(1), Origin::Dynamic).unwrap();
            assert!(speak(&fdb, PortId(3)));
            let mut workers = [PortId(1), PortId(2)].map(|port| {
                let fdb = fdb.clone();
                (port, thread::spawn(move || speak(&fdb, port)))
            });
            enter(&fdb, PortId(3));
            workers.rotate_left(first);
            let reports = workers.map(|(port, worker)| (port, worker.join().unwrap()));
            reports.into_iter().filter(|(_, reported)| *reported).for_each(|(port, _)| enter(&fdb, port));
            let station = fdb.lookup(VLAN, mac(1)).unwrap();
            assert_eq!(station.port, station.last);
            assert_ne!(station.port, PortId(3));
        });
    }
}

/// Reported behind two ports while it was unknown, and heard behind the first when that is entered.
#[test]
fn a_report_from_before_it_was_known_does_not_move_who_spoke_since() {
    check(|| {
        let fdb = small();
        let worker = {
            let fdb = fdb.clone();
            thread::spawn(move || {
                let known = fdb.lookup(VLAN, mac(1)).is_some();
                (known, speak(&fdb, PortId(1)))
            })
        };
        enter(&fdb, PortId(1));
        enter(&fdb, PortId(2));
        let (known, reported) = worker.join().unwrap();
        if reported {
            enter(&fdb, PortId(1));
        }
        let station = fdb.lookup(VLAN, mac(1)).unwrap();
        assert_eq!(station.port, PortId(1), "{known}");
    });
}

/// A late stamp for a station that is gone does not bring it back, nor does it age who has its slot now.
#[test]
fn a_touch_of_the_departed() {
    check(|| {
        let fdb = small();
        fdb.insert(VLAN, mac(1), PortId(1), Origin::Dynamic).unwrap();
        let old = fdb.lookup(VLAN, mac(1)).unwrap();
        fdb.set_epoch(1);
        let worker = {
            let fdb = fdb.clone();
            thread::spawn(move || {
                fdb.touch(&old);
                fdb.heard(&old, PortId(1))
            })
        };
        fdb.set_epoch(0);
        fdb.remove(VLAN, mac(1));
        fdb.insert(VLAN, mac(2), PortId(1), Origin::Dynamic).unwrap();
        worker.join().unwrap();
        assert_eq!(fdb.lookup(VLAN, mac(1)), None);
        assert_eq!(fdb.lookup(VLAN, mac(2)).unwrap().epoch, 0);
        assert_eq!(fdb.iter().count(), 1);
    });
}

/// Stations that overflowed into the next bucket stay found while others before them come and go.
#[test]
fn who_passed_a_full_bucket_is_found() {
    check(|| {
        // Two buckets; five stations, of which at least one had to pass a full bucket if they share a home.
        let fdb = Arc::new(Fdb::with_capacity_and_seed(4, SEED));
        (1..=4).for_each(|number| fdb.insert(VLAN, mac(number), PortId(1), Origin::Dynamic).unwrap());
        let reader = {
            let fdb = fdb.clone();
            thread::spawn(move || {
                assert!(fdb.lookup(VLAN, mac(4)).is_some());
            })
        };
        fdb.remove(VLAN, mac(1));
        fdb.insert(VLAN, mac(9), PortId(1), Origin::Dynamic).unwrap();
        reader.join().unwrap();
    });
}
