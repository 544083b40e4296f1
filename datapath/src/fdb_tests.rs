use super::*;
use std::collections::BTreeMap;

const SEED: [u64; 2] = [0x0123_4567_89ab_cdef, 0xfeed_beef_dead_cafe];

fn vlan(vid: u16) -> VlanId {
    VlanId::new(vid).unwrap()
}

fn mac(number: u64) -> Mac {
    Mac::from_u64(0x0200_0000_0000 | number)
}

#[test]
fn a_station_is_found_moved_and_removed() {
    let fdb = Fdb::with_capacity_and_seed(10, SEED);
    fdb.set_epoch(7);
    assert_eq!(fdb.lookup(vlan(1), mac(1)), None);
    fdb.insert(vlan(1), mac(1), PortId(3), Origin::Dynamic).unwrap();
    let station = fdb.lookup(vlan(1), mac(1)).unwrap();
    let (port, last) = (PortId(3), PortId::SELF);
    let expect = Station { vlan: vlan(1), mac: mac(1), port, last, origin: Origin::Dynamic, epoch: 7 };
    assert_eq!(station, expect);
    // Independent learning: another VLAN is another station.
    assert_eq!(fdb.lookup(vlan(2), mac(1)), None);
    fdb.insert(vlan(1), mac(1), PortId(4094), Origin::Static).unwrap();
    let moved = fdb.lookup(vlan(1), mac(1)).unwrap();
    assert_eq!((moved.port, moved.origin, fdb.len()), (PortId(4094), Origin::Static, 1));
    assert!(fdb.remove(vlan(1), mac(1)));
    assert!(!fdb.remove(vlan(1), mac(1)));
    assert_eq!((fdb.lookup(vlan(1), mac(1)), fdb.len()), (None, 0));
}

#[test]
fn a_touch_stamps_the_epoch_and_never_undoes_a_move() {
    let fdb = Fdb::with_capacity_and_seed(10, SEED);
    fdb.insert(vlan(1), mac(1), PortId(3), Origin::Dynamic).unwrap();
    let old = fdb.lookup(vlan(1), mac(1)).unwrap();
    fdb.set_epoch(1);
    fdb.touch(&old);
    assert_eq!(fdb.lookup(vlan(1), mac(1)).unwrap().epoch, 1);
    fdb.insert(vlan(1), mac(1), PortId(4), Origin::Dynamic).unwrap();
    fdb.set_epoch(2);
    fdb.touch(&old);
    let now = fdb.lookup(vlan(1), mac(1)).unwrap();
    assert_eq!((now.port, now.epoch), (PortId(4), 1));
    fdb.remove(vlan(1), mac(1));
    fdb.touch(&now);
    assert_eq!(fdb.lookup(vlan(1), mac(1)), None);
}

#[test]
fn as_many_as_promised_and_not_one_more() {
    for capacity in [0, 1, 2, 3, 100, 8192] {
        let fdb = Fdb::with_capacity_and_seed(capacity, SEED);
        for number in 0..capacity as u64 {
            fdb.insert(vlan(5), mac(number), PortId(1), Origin::Dynamic).unwrap();
        }
        assert_eq!((fdb.len(), fdb.capacity()), (capacity, capacity));
        assert_eq!(fdb.insert(vlan(5), mac(1 << 30), PortId(1), Origin::Dynamic), Err(Full));
        if capacity > 0 {
            // Who is there may move when the table is full.
            assert_eq!(fdb.insert(vlan(5), mac(0), PortId(2), Origin::Dynamic), Ok(()));
        }
        assert_eq!(fdb.retain(|_| false), capacity);
        assert!(fdb.is_empty() && fdb.iter().next().is_none());
        assert!(fdb.buckets.iter().all(|bucket| passed(bucket) == 0), "searches are short again");
    }
}

/// Addresses in a row, as a hypervisor gives them out, or with one octet that counts, whatever the secret is.
#[test]
fn searches_are_short() {
    for seed in [SEED, [0, 0], [1, 2], [u64::MAX, 1 << 63], [7, 0x5555_5555_5555_5555]] {
        for shift in [0, 8, 16, 24] {
            let fdb = Fdb::with_capacity_and_seed(8192, seed);
            for number in 0..8192u64 {
                let octets = number << shift & 0xffff_ffff | number >> (32 - shift) << 33;
                fdb.insert(vlan(1), Mac::from_u64(octets << 1), PortId(1), Origin::Dynamic).unwrap();
            }
            let passed: Vec<u64> = fdb.buckets.iter().map(passed).collect();
            let one_line = passed.iter().filter(|passed| **passed == 0).count();
            assert!(one_line * 100 > passed.len() * 80, "{seed:x?} << {shift}: {one_line} of {}", passed.len());
            assert!(passed.iter().all(|passed| *passed < PASSED_MAX), "{seed:x?} << {shift}");
        }
    }
}

#[test]
fn the_order_is_that_of_the_seed() {
    let order = |seed| {
        let fdb = Fdb::with_capacity_and_seed(100, seed);
        (0..100).for_each(|number| fdb.insert(vlan(1), mac(number), PortId(1), Origin::Dynamic).unwrap());
        fdb.iter().map(|station| station.mac).collect::<Vec<_>>()
    };
    assert_eq!(order(SEED), order(SEED));
    assert_ne!(order(SEED), order([1, 2]));
}

proptest::proptest! {
    /// Any history of a small, often full table is that of a map. (L2-16)
    #[test]
    fn as_a_map(steps in proptest::collection::vec((0u8..8, 0u64..40, 1u16..4, 1u16..5), 0..400)) {
        let fdb = Fdb::with_capacity_and_seed(24, SEED);
        let mut model = BTreeMap::new();
        for (what, number, vid, port) in steps {
            let key = (vlan(vid), mac(number));
            match what {
                0..5 => {
                    let origin = if number % 5 == 0 { Origin::Static } else { Origin::Dynamic };
                    let fits = model.contains_key(&key) || model.len() < 24;
                    proptest::prop_assert_eq!(fdb.insert(key.0, key.1, PortId(port), origin).is_ok(), fits);
                    if fits {
                        model.insert(key, (PortId(port), origin));
                    }
                }
                5 | 6 => proptest::prop_assert_eq!(fdb.remove(key.0, key.1), model.remove(&key).is_some()),
                _ => {
                    let before = model.len();
                    model.retain(|_, (at, _)| *at != PortId(port));
                    proptest::prop_assert_eq!(fdb.retain(|s| s.port != PortId(port)), before - model.len());
                }
            }
            for number in 0..40 {
                for vid in 1..4 {
                    let found = fdb.lookup(vlan(vid), mac(number)).map(|s| (s.port, s.origin));
                    proptest::prop_assert_eq!(found, model.get(&(vlan(vid), mac(number))).copied());
                }
            }
            let all: BTreeMap<_, _> = fdb.iter().map(|s| ((s.vlan, s.mac), (s.port, s.origin))).collect();
            proptest::prop_assert_eq!(&all, &model);
            proptest::prop_assert_eq!(fdb.len(), model.len());
        }
    }
}
