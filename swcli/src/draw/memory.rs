//! `show memory statistics`.

use mona_model::shown_host::MemoryPool;

/// A row a pool. There are no blocks: all that is free is one, and it begins nowhere.
pub fn draw(pools: &[MemoryPool]) -> Vec<String> {
    let mut lines = vec!["                Head    Total(b)     Used(b)     Free(b)   Lowest(b)  Largest(b)".into()];
    lines.extend(pools.iter().map(|pool| {
        let MemoryPool { name, total, used, lowest } = pool;
        let free = total.saturating_sub(*used);
        format!("{name:>9} {:>10} {total:>11} {used:>11} {free:>11} {lowest:>11} {free:>11}", 0)
    }));
    lines
}
