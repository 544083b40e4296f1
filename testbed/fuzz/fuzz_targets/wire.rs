//! Any bytes through the views of headers: an answer or none, and one that agrees with the bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mona_wire::checksum::Sum;
use mona_wire::eth::{Eth, TPID_C};
use mona_wire::ip::Upper;

fuzz_target!(|bytes: &[u8]| {
    let Some(eth) = Eth::parse(bytes) else {
        assert!(bytes.len() < 18);
        return;
    };
    assert!(eth.len() <= bytes.len());
    assert_eq!([eth.dst.0, eth.src.0].concat(), bytes[..12]);
    assert_eq!(eth.ethertype.to_be_bytes(), bytes[eth.inner()..eth.len()]);
    assert_eq!(eth.tag.is_some(), bytes[12..14] == TPID_C.to_be_bytes());
    assert_eq!(mona_wire::Mac::from_u64(eth.dst.to_u64()), eth.dst);
    let rest = &bytes[eth.inner()..];
    if let Some(upper) = Upper::locate(rest) {
        assert!(upper.ip < upper.at && upper.at <= rest.len());
        assert_eq!(upper.addresses(rest).len(), if upper.six { 32 } else { 8 });
        let _ = upper.pseudo(rest, rest.len() - upper.at);
    }
    // A sum in two parts is the sum of the whole, and the complement completes it.
    let (one, two) = rest.split_at(rest.len() / 4 * 2);
    let sum = Sum::default().bytes(one).bytes(two);
    assert_eq!(sum.folded(), Sum::default().bytes(rest).folded());
    assert_eq!(sum.word(sum.finish()).finish(), 0);
});
