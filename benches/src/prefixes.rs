//! Prefixes of IPv4 whose lengths are those of a full table, the same in each run.

use crate::micro::Random;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// So many, scattered over 16.0.0.0 to 111.255.255.255: unicast addresses that no martian is among.
pub fn prefixes(count: usize) -> Vec<(u32, u8)> {
    let mut numbers = Random::default();
    let mut random = move || (numbers.next() >> 16) as u32;
    let mut all = BTreeSet::new();
    while all.len() < count {
        let (address, length) = (0x1000_0000 + random() % 0x6000_0000, length(random() % 100));
        all.insert((address & (u32::MAX << (32 - length)), length));
    }
    all.into_iter().collect()
}

/// An address in each of some of them, in random order.
pub fn addresses(prefixes: &[(u32, u8)], count: usize) -> Vec<Ipv4Addr> {
    let mut numbers = Random::default();
    let mut order: Vec<usize> = (0..prefixes.len()).collect();
    for at in (1..order.len()).rev() {
        order.swap(at, numbers.next() % (at + 1));
    }
    order
        .into_iter()
        .take(count)
        .map(|at| {
            let (address, length) = prefixes[at];
            Ipv4Addr::from_bits(address | (numbers.next() as u32).checked_shr(u32::from(length)).unwrap_or(0))
        })
        .collect()
}

/// The lengths of a full table, about: six in ten are /24.
pub fn length(percent: u32) -> u8 {
    match percent {
        0..60 => 24,
        60..70 => 22,
        70..78 => 23,
        78..83 => 21,
        83..88 => 20,
        88..92 => 19,
        92..97 => 16 + (percent - 92) as u8 % 3,
        _ => 25 + (percent - 97) as u8,
    }
}
