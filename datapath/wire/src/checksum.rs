//! The Internet checksum (RFC 1071): the 16-bit one's complement of the one's complement sum.

/// A sum under way. Order of the parts does not matter; each part but the last must be of even length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(u64);

impl Sum {
    /// Adds bytes as big-endian 16-bit words, an odd last byte padded with zero.
    #[inline]
    pub fn bytes(self, bytes: &[u8]) -> Sum {
        // One's complement addition is the same in any byte order and in any word size (RFC 1071 1 and 2(B), 2(C)).
        let (words, tail) = bytes.as_chunks::<4>();
        let mut sum = words.iter().map(|word| u64::from(u32::from_be_bytes(*word))).sum::<u64>();
        let (pairs, odd) = tail.as_chunks::<2>();
        sum += pairs.iter().map(|pair| u64::from(u16::from_be_bytes(*pair))).sum::<u64>();
        if let [last] = odd {
            sum += u64::from(*last) << 8;
        }
        // A frame is at most 64 KiB, 2^14 words of 32 bits: no overflow; folded so that no number of parts overflows.
        Sum(self.0 + fold(sum) as u64)
    }

    /// Adds one 16-bit word.
    #[inline]
    pub const fn word(self, word: u16) -> Sum {
        Sum(self.0 + word as u64)
    }

    /// Adds the pseudo-header of IPv4 (RFC 9293 3.1) or IPv6 (RFC 8200 8.1): both addresses in a row, the length of the
    /// upper-layer packet and its protocol.
    #[inline]
    pub fn pseudo(self, addresses: &[u8], length: usize, protocol: u8) -> Sum {
        let length = length as u32;
        self.bytes(addresses).word((length >> 16) as u16).word(length as u16).word(u16::from(protocol))
    }

    /// The sum, folded into 16 bits and not complemented: what a sender that leaves the rest to the device writes.
    #[inline]
    pub const fn folded(self) -> u16 {
        fold(self.0)
    }

    /// The checksum: the complement of the sum. Over data that includes a right checksum it is 0.
    #[inline]
    pub const fn finish(self) -> u16 {
        !fold(self.0)
    }
}

/// Is the checksum of an IPv4 header without options right? The header must not be all zeros, which none of version 4 is.
#[inline(always)]
pub fn is_right(header: &[u8; 20]) -> bool {
    // One's complement addition is addition modulo 0xffff, in any byte order and word size (RFC 1071 2(B), 2(C)), so nothing
    // has to be folded or swapped. A sum other than 0 that is 0 there is 0xffff when folded: its complement is 0.
    let (words, _) = header.as_chunks::<4>();
    words.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum::<u64>().is_multiple_of(0xffff)
}

#[inline]
const fn fold(mut sum: u64) -> u16 {
    sum = (sum & 0xffff_ffff) + (sum >> 32);
    sum = (sum & 0xffff_ffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 1071 section 1, word by word with an end-around carry.
    fn naive(bytes: &[u8]) -> u16 {
        let mut sum = 0u32;
        for pair in bytes.chunks(2) {
            sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }

    #[test]
    fn the_example_of_rfc_1071() {
        assert_eq!(Sum::default().bytes(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]).folded(), 0xddf2);
    }

    proptest! {
        #[test]
        fn a_right_header_is_found_right(mut header: [u8; 20], by in 0usize..40, flip: u8) {
            header[0] = 0x45;
            header[10..12].copy_from_slice(&[0; 2]);
            let sum = !naive(&header);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            prop_assert!(is_right(&header));
            // Perhaps one byte is wrong. 0 and 0xffff are the same number.
            if let Some(byte) = header.get_mut(by) {
                *byte ^= flip;
            }
            prop_assert_eq!(is_right(&header), naive(&header) == 0xffff);
        }

        #[test]
        fn as_the_naive_sum(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 0usize..150) {
            let cut = (cut * 2).min(bytes.len() & !1);
            let sum = Sum::default().bytes(&bytes[..cut]).bytes(&bytes[cut..]);
            prop_assert_eq!(sum.folded(), naive(&bytes));
            prop_assert_eq!(sum.finish(), !naive(&bytes));
        }
    }
}
