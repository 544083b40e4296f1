//! The table that workers read, against a list of routes read from its definition: the longest prefix with the address in
//! it wins.

use mona_datapath::lpm::{Address, Leaf, Prefix, TableFull, Writer};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Routes, and nothing clever.
struct Naive<A>(BTreeMap<Prefix<A>, Leaf>);

impl<A: Address> Naive<A> {
    fn lookup(&self, address: A) -> Option<Leaf> {
        let containing = self.0.iter().filter(|(prefix, _)| prefix.contains(address));
        containing.max_by_key(|(prefix, _)| prefix.length()).map(|(_, leaf)| *leaf)
    }
}

/// One change of the routes.
#[derive(Clone, Debug)]
enum Step<A> {
    Insert(Prefix<A>, Leaf),
    Remove(Prefix<A>),
    /// The one that is so far in, if there are as many.
    RemoveKnown(usize),
    Load(Vec<(Prefix<A>, Leaf)>),
    Reclaim,
}

/// After every step both say the same of all addresses where a route begins or ends, or that lie just beside.
fn check<A: Address>(steps: &[Step<A>], beside: impl Fn(A) -> [A; 3]) {
    let mut writer = Writer::<A>::new(1000);
    let table = writer.table().clone();
    let mut naive = Naive(BTreeMap::new());
    for step in steps {
        match step {
            Step::Insert(prefix, leaf) => {
                assert_eq!(writer.insert(*prefix, *leaf), Ok(naive.0.insert(*prefix, *leaf)));
            }
            Step::Remove(prefix) => assert_eq!(writer.remove(*prefix), naive.0.remove(prefix)),
            Step::RemoveKnown(at) => {
                if let Some(prefix) = naive.0.keys().nth(*at).copied() {
                    assert_eq!(writer.remove(prefix), naive.0.remove(&prefix));
                }
            }
            Step::Load(routes) => {
                naive.0.extend(routes.iter().copied());
                assert_eq!(writer.load(routes.iter().copied()), Ok(()));
            }
            Step::Reclaim => {
                writer.reclaim(writer.mark());
                assert_eq!(writer.waiting(), 0);
            }
        }
        assert!(writer.routes().iter().eq(naive.0.iter().map(|(prefix, leaf)| (*prefix, *leaf))));
        let ends = naive.0.keys().flat_map(|prefix| [prefix.address(), prefix.last()]);
        let addresses: Vec<A> = ends.flat_map(&beside).collect();
        let mut bulk = vec![None; addresses.len()];
        table.lookup_bulk(&addresses, &mut bulk);
        for (address, bulk) in addresses.into_iter().zip(bulk) {
            let expected = naive.lookup(address);
            assert_eq!(table.lookup(address), expected, "{address:x?} after {step:x?}");
            assert_eq!(bulk, expected);
            assert_eq!(writer.routes().covering(address).map(|(_, leaf)| leaf), expected);
        }
    }
}

/// Prefixes that lie in, over and beside each other: of few addresses, at every length.
fn clustered4() -> impl Strategy<Value = Prefix<u32>> {
    let near = prop_oneof![
        3 => (0..4u32, any::<u8>()).prop_map(|(low, bits)| 0x0a01_0000 | low << 12 | u32::from(bits) << 3),
        1 => any::<u32>(),
    ];
    let length = prop_oneof![1 => 12..=32u8, 2 => 17..=32u8, 1 => prop::sample::select(vec![0, 9, 19, 20, 24, 25, 32])];
    (near, length).prop_map(|(address, length)| Prefix::new(address, length))
}

fn clustered6() -> impl Strategy<Value = Prefix<u128>> {
    let site = 0x2001_0db8_u128 << 96;
    let near = prop_oneof![
        3 => (0..4u128, any::<u16>(), 0..4u128).prop_map(move |(net, middle, host)| {
            site | net << 80 | u128::from(middle & 0x8421) << 48 | host
        }),
        1 => any::<u128>(),
    ];
    let length = prop_oneof![1 => 17..=128u8, 2 => 24..=64u8, 1 => prop::sample::select(vec![12, 0, 19, 24, 32, 48, 64, 127, 128])];
    (near, length).prop_map(|(address, length)| Prefix::new(address, length))
}

fn steps<A: Address>(
    prefix: impl Strategy<Value = Prefix<A>> + Clone + 'static,
) -> impl Strategy<Value = Vec<Step<A>>> {
    let leaf = || prop_oneof![4 => 0..4u32, 1 => 0..Leaf::COUNT as u32].prop_map(Leaf::new);
    let step = prop_oneof![
        8 => (prefix.clone(), leaf()).prop_map(|(prefix, leaf)| Step::Insert(prefix, leaf)),
        1 => prefix.clone().prop_map(Step::Remove),
        4 => (0..40usize).prop_map(Step::RemoveKnown),
        1 => vec((prefix, leaf()), 1..30).prop_map(Step::Load),
        2 => Just(Step::Reclaim),
    ];
    vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn four(steps in steps(clustered4().boxed())) {
        check(&steps, |at: u32| [at.wrapping_sub(1), at, at.wrapping_add(1)]);
    }

    #[test]
    fn six(steps in steps(clustered6().boxed())) {
        check(&steps, |at: u128| [at.wrapping_sub(1), at, at.wrapping_add(1)]);
    }
}

/// The widest prefixes, over and beside narrow ones.
#[test]
fn wide() {
    let prefix = |address: u32, length| Prefix::new(address, length);
    let (left, right) = (prefix(0, 1), prefix(1 << 31, 1));
    let host = |address| (prefix(address, 32), Leaf::new(7));
    check(
        &[
            Step::Insert(left, Leaf::new(1)),
            Step::Load(vec![host(0), host(u32::MAX), (prefix(0x0a00_0000, 8), Leaf::new(3)), (right, Leaf::new(2))]),
            Step::Insert(prefix(0, 0), Leaf::new(4)),
            Step::Remove(left),
            Step::Remove(prefix(u32::MAX, 32)),
            Step::Remove(right),
            Step::Remove(prefix(0, 0)),
        ],
        |at| [at.wrapping_sub(1), at, at.wrapping_add(1)],
    );
}

/// At the limit: a sentence instead of a route, and all else as it was.
#[test]
fn the_limit() {
    let mut writer = Writer::<u32>::new(3);
    let prefix = |number: u32| Prefix::new(number << 24, 8);
    for number in 1..=3 {
        assert_eq!(writer.insert(prefix(number), Leaf::new(number)), Ok(None));
    }
    assert_eq!(writer.insert(prefix(4), Leaf::new(4)), Err(TableFull));
    assert_eq!(writer.load([(prefix(1), Leaf::new(9)), (prefix(5), Leaf::new(5))]), Err(TableFull));
    assert_eq!(writer.routes().len(), 3);
    let seen = |writer: &Writer<u32>| [1, 2, 3, 4, 5].map(|number| writer.table().lookup(number << 24));
    assert_eq!(seen(&writer), [Some(Leaf::new(1)), Some(Leaf::new(2)), Some(Leaf::new(3)), None, None]);
    // What is there can be replaced, and room can be made.
    assert_eq!(writer.insert(prefix(1), Leaf::new(7)), Ok(Some(Leaf::new(1))));
    assert_eq!(writer.remove(prefix(2)), Some(Leaf::new(2)));
    assert_eq!(writer.insert(prefix(4), Leaf::new(4)), Ok(None));
    assert_eq!(seen(&writer), [Some(Leaf::new(7)), None, Some(Leaf::new(3)), Some(Leaf::new(4)), None]);
}

/// What is no prefix, or none that is there: the nearest sense is made of it, and nothing else happens.
#[test]
fn bad_input() {
    let table = [
        // Host bits are none of the prefix; a length beyond the address is the address.
        (0x0a01_0203, 8, "10.0.0.0/8"),
        (0x0a01_0203, 0, "0.0.0.0/0"),
        (0x0a01_0203, 32, "10.1.2.3/32"),
        (0x0a01_0203, 33, "10.1.2.3/32"),
        (u32::MAX, 255, "255.255.255.255/32"),
        (0, 255, "0.0.0.0/32"),
    ];
    for (address, length, expect) in table {
        let prefix = Prefix::new(address, length);
        assert_eq!(format!("{}/{}", std::net::Ipv4Addr::from(prefix.address()), prefix.length()), expect);
    }
    assert_eq!(Prefix::new(1_u128, 200), Prefix::new(1_u128, 128));
    let mut writer = Writer::<u32>::new(2);
    let (eight, nine) = (Prefix::new(0x0a00_0000, 8), Prefix::new(0x0a00_0000, 9));
    assert_eq!(writer.remove(eight), None, "of an empty table");
    assert_eq!(writer.load([]), Ok(()));
    assert_eq!(writer.insert(eight, Leaf::new(1)), Ok(None));
    assert_eq!(writer.remove(nine), None, "another prefix of the same address");
    // The same prefix more than once counts once, and the last word counts.
    assert_eq!(writer.load([(eight, Leaf::new(2)), (nine, Leaf::new(3)), (eight, Leaf::new(4))]), Ok(()));
    assert_eq!(writer.routes().iter().collect::<Vec<_>>(), [(eight, Leaf::new(4)), (nine, Leaf::new(3))]);
    assert_eq!(writer.insert(Prefix::new(0, 0), Leaf::new(5)), Err(TableFull));
    assert_eq!(writer.table().lookup(0x0b00_0000), None, "what was refused is not there");
    assert_eq!((writer.remove(eight), writer.remove(eight)), (Some(Leaf::new(4)), None));
    // No room at all.
    let mut none = Writer::<u128>::new(0);
    assert_eq!(none.insert(Prefix::new(0, 0), Leaf::new(0)), Err(TableFull));
    assert_eq!(none.load([(Prefix::new(0, 0), Leaf::new(0))]), Err(TableFull));
    assert_eq!(none.table().lookup(0), None);
}

#[test]
#[should_panic(expected = "is no index of a next hop")]
fn a_leaf_that_cannot_be() {
    let _ = Writer::<u32>::new(1).insert(Prefix::new(0, 0), Leaf::new(Leaf::COUNT as u32));
}
