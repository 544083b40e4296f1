use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

fn vlan(number: u16) -> VlanId {
    VlanId::numbered(number).unwrap()
}

fn mac(number: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, number])
}

/// Few addresses, so that they meet; of both protocols, and one that is an IPv4 address in another form.
fn ip(number: u8) -> IpAddr {
    match number % 3 {
        0 => IpAddr::V4(Ipv4Addr::new(10, 0, 0, number)),
        1 => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number.into())),
        _ => IpAddr::V6(Ipv6Addr::new(number.into(), 0, 0, 0, 0, 0, 0, 1)),
    }
}

#[test]
fn who_is_used_is_stamped_and_a_late_stamp_undoes_nothing() {
    let table = Neighbours::with_capacity_and_seed(4, [1, 2]);
    table.insert(vlan(10), ip(3), mac(1)).unwrap();
    let old = table.lookup(vlan(10), mapped(ip(3))).unwrap();
    table.set_epoch(7);
    table.touch(&old);
    assert_eq!(table.lookup(vlan(10), mapped(ip(3))).unwrap().epoch, 7);
    table.insert(vlan(10), ip(3), mac(2)).unwrap();
    table.set_epoch(8);
    table.touch(&old);
    let now = table.lookup(vlan(10), mapped(ip(3))).unwrap();
    assert_eq!((now.mac, now.epoch, now.ip()), (mac(2), 7, ip(3)));
    table.remove(vlan(10), ip(3));
    table.touch(&now);
    assert_eq!(table.lookup(vlan(10), mapped(ip(3))), None);
}

proptest! {
    #[test]
    fn as_a_map(
        steps in prop::collection::vec((0u8..3, prop::sample::select(vec![1u16, 10, 4096, 8191]), 0u8..12, 0u8..9), 0..300),
        seed: [u64; 2],
        capacity in 1usize..20,
    ) {
        let table = Neighbours::with_capacity_and_seed(capacity, seed);
        let mut map = BTreeMap::new();
        for (what, number, host, address) in steps {
            let key = (vlan(number), ip(host));
            match what {
                0 => prop_assert_eq!(table.remove(key.0, key.1), map.remove(&key).is_some()),
                _ if map.len() == capacity && !map.contains_key(&key) => {
                    prop_assert_eq!(table.insert(key.0, key.1, mac(address)), Err(Full));
                }
                _ => {
                    table.insert(key.0, key.1, mac(address)).unwrap();
                    map.insert(key, mac(address));
                }
            }
            prop_assert_eq!(table.len(), map.len());
            for number in [1, 10, 4096, 8191] {
                for host in 0..12 {
                    let found = table.lookup(vlan(number), mapped(ip(host))).map(|found| found.mac);
                    prop_assert_eq!(found, map.get(&(vlan(number), ip(host))).copied());
                }
            }
        }
        let all: BTreeMap<_, _> = table.iter().map(|one| ((one.vlan, one.ip()), one.mac)).collect();
        prop_assert_eq!(&all, &map);
        for (at, ip) in map.into_keys() {
            table.remove(at, ip);
        }
        prop_assert!(table.buckets.iter().all(|bucket| !bucket.was_passed()), "searches are short again");
    }
}
