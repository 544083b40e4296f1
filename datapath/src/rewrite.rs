//! What routing changes in a packet: both MACs, TTL or hop limit, the header checksum by the difference (RFC 1624), and the
//! padding, which does not go further than its link (RFC 1812 5.2.2 takes the length from the header). Pure: bytes in,
//! bytes out.

use mona_wire::Mac;

/// How a packet leaves. It is applied once, in the frame's own memory: a routed frame is never bridged as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// The next hop, or everybody.
    pub dst: Mac,
    /// The router.
    pub src: Mac,
    /// Where the IP header starts: 14, or 18 behind a tag.
    pub ip: u8,
    /// Is it IPv6?
    pub six: bool,
    /// Bytes of the frame that are left, without padding beyond the shortest frame's.
    pub len: u32,
    /// An IPv4 packet larger than this leaves in fragments; 0: whole.
    pub fragment: u16,
}

impl Rewrite {
    /// Changes the frame, but not its length, for which its memory is only a view.
    #[inline]
    pub fn apply(&self, frame: &mut [u8]) {
        if let Some(addresses) = frame.first_chunk_mut::<12>() {
            addresses[..6].copy_from_slice(&self.dst.0);
            addresses[6..].copy_from_slice(&self.src.0);
        }
        let Some(header) = frame.get_mut(usize::from(self.ip)..).and_then(|rest| rest.first_chunk_mut::<12>()) else {
            return;
        };
        if self.six {
            header[7] = header[7].wrapping_sub(1);
            return;
        }
        header[8] = header[8].wrapping_sub(1);
        // RFC 1624 equation 3, HC' = ~(~HC + ~m + m'), for the word of TTL and protocol, whose m' = m - 0x0100: HC + 0x0100
        // with the carry brought round, also that of 0xffff, which is 0.
        let checksum = u16::from_be_bytes([header[10], header[11]]);
        let checksum = checksum.wrapping_add(0x0100 + u16::from(checksum >= 0xfeff));
        header[10..].copy_from_slice(&checksum.to_be_bytes());
    }
}

#[cfg(test)]
#[path = "rewrite_tests.rs"]
mod tests;
