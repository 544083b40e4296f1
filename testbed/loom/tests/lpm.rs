//! What the table of prefixes promises, in every order of events.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering::*};
use loom::thread;
use mona_loom::lpm::{Leaf, Lpm4Writer, Prefix};

/// The route of so many bits, and an address in the longest of them.
fn prefix(length: u8) -> Prefix<u32> {
    Prefix::new(ADDRESS, length)
}

const ADDRESS: u32 = 0x0a01_0203;
/// In the route of 8 bits, and in none of the longer ones.
const BESIDE: u32 = 0x0a80_0000;

fn check(run: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.max_branches = 100_000;
    model.check(run);
}

/// Longer routes come and go below another: a reader finds one of those there were, and beside them always the same.
#[test]
fn a_route_that_comes_and_goes() {
    check(|| {
        let mut writer = Lpm4Writer::new(2);
        writer.insert(prefix(8), Leaf::new(1)).unwrap();
        let table = writer.table().clone();
        let reader = thread::spawn(move || {
            let found = table.lookup(ADDRESS);
            assert!([Some(Leaf::new(1)), Some(Leaf::new(2)), Some(Leaf::new(3))].contains(&found), "{found:?}");
            assert_eq!(table.lookup(BESIDE), Some(Leaf::new(1)));
        });
        writer.insert(prefix(24), Leaf::new(2)).unwrap();
        writer.insert(prefix(24), Leaf::new(3)).unwrap();
        writer.remove(prefix(24));
        reader.join().unwrap();
        assert_eq!(writer.table().lookup(ADDRESS), Some(Leaf::new(1)));
    });
}

/// What was replaced is used again once the reader has begun a round after that: then for another route.
#[test]
fn what_was_reclaimed_is_nobody_elses() {
    check(|| {
        let mut writer = Lpm4Writer::new(3);
        writer.insert(prefix(8), Leaf::new(1)).unwrap();
        writer.insert(prefix(24), Leaf::new(2)).unwrap();
        let table = writer.table().clone();
        let [asked, begun] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let reader = {
            let (asked, begun) = (asked.clone(), begun.clone());
            thread::spawn(move || {
                let found = table.lookup(ADDRESS);
                assert!([Some(Leaf::new(1)), Some(Leaf::new(2))].contains(&found), "{found:?}");
                begun.store(asked.load(Acquire), Release);
                assert_eq!(table.lookup(BESIDE + (1 << 20)), Some(Leaf::new(1)));
            })
        };
        writer.remove(prefix(24));
        let mark = writer.mark();
        asked.store(true, Release);
        if begun.load(Acquire) {
            writer.reclaim(mark);
        }
        writer.insert(Prefix::new(BESIDE, 24), Leaf::new(4)).unwrap();
        reader.join().unwrap();
        assert_eq!(writer.table().lookup(BESIDE), Some(Leaf::new(4)));
        assert_eq!(writer.table().lookup(ADDRESS), Some(Leaf::new(1)));
    });
}
