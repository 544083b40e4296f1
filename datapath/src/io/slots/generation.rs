//! Which of the generations is that of something that flows depend on.

use super::GENERATIONS;
use std::hash::{Hash, Hasher};

/// The generation by which something that was depended on is known.
pub(in crate::io) fn generation(of: &impl Hash) -> u32 {
    let mut mixed = Mixed(0);
    of.hash(&mut mixed);
    (mixed.finish() as usize % GENERATIONS) as u32
}

/// A tenth of the time of the library's hasher, which withstands who chooses what is hashed: here he gains that flows go stale
/// with others.
struct Mixed(u64);

impl Hasher for Mixed {
    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.write_u64(u64::from_ne_bytes(word));
        }
    }

    #[inline]
    fn write_u64(&mut self, word: u64) {
        let product = (self.0 ^ word ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xd6e8_feb8_6659_fd93);
        self.0 = product ^ product >> 32;
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}
