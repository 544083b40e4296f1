use super::*;
use mona_wire::checksum::Sum;
use proptest::prelude::*;

/// RFC 1624 equation 3, for every checksum there is.
#[test]
fn the_checksum_is_that_of_rfc_1624() {
    for checksum in 0..=u16::MAX {
        let sum = u32::from(!checksum) + u32::from(!0x4011u16) + 0x3f11;
        let sum = (sum & 0xffff) + (sum >> 16);
        let expect = !(((sum & 0xffff) + (sum >> 16)) as u16);
        let mut frame = [0; 34];
        frame[22..24].copy_from_slice(&[0x40, 0x11]);
        frame[24..26].copy_from_slice(&checksum.to_be_bytes());
        Rewrite { dst: Mac([1; 6]), src: Mac([2; 6]), ip: 14, six: false, len: 34, fragment: 0 }.apply(&mut frame);
        assert_eq!(u16::from_be_bytes([frame[24], frame[25]]), expect, "{checksum:04x}");
    }
}

proptest! {
    #[test]
    fn the_checksum_stays_right(mut header: [u8; 20], ttl in 1u8..) {
        header[8] = ttl;
        header[10..12].copy_from_slice(&[0, 0]);
        let sum = Sum::default().bytes(&header).finish();
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        let mut frame = [&[0xee; 14], &header[..]].concat();
        let rewrite =
            Rewrite { dst: Mac([1; 6]), src: Mac([2; 6]), ip: 14, six: false, len: 34, fragment: 0 };
        rewrite.apply(&mut frame);
        prop_assert_eq!(Sum::default().bytes(&frame[14..]).finish(), 0);
        prop_assert_eq!(frame[22], ttl - 1);
        prop_assert_eq!(&frame[..14], &[[1; 6], [2; 6]].concat().into_iter().chain([0xee; 2]).collect::<Vec<u8>>()[..]);
        // Nothing else.
        frame[22] += 1;
        frame[24..26].copy_from_slice(&header[10..12]);
        prop_assert_eq!(&frame[14..], &header[..]);
    }
}
