//! What an access list looks at in a frame, read where a list is and nowhere else.

use super::Family;
use crate::Drop;
use mona_wire::Eth;
use mona_wire::eth::{IPV4, IPV6};
use mona_wire::ip::{ICMP, ICMPV6, TCP, UDP};

/// Extension headers stepped over: more is not traffic (RFC 8200 4.1 has each occur once, one twice).
const EXTENSIONS: usize = 8;

/// Where in [`Key::bytes`] the fields are.
pub(super) const SRC: usize = 0;
pub(super) const DST: usize = 16;
pub(super) const ETHERTYPE: usize = 32;
pub(super) const PROTOCOL: usize = 34;
pub(super) const TOS: usize = 35;
/// 0, or 1 for a fragment that is not the first.
pub(super) const LATER: usize = 36;
/// From here on fields of the upper layer, which later fragments do not have.
pub(super) const FLAGS: usize = 37;
pub(super) const TYPE: usize = 38;
pub(super) const CODE: usize = 39;
pub(super) const BYTES: usize = 40;

/// The fields of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Which lists are for it.
    pub family: Family,
    /// All fields of bytes.
    pub(super) bytes: [u8; BYTES],
    /// Source and destination port.
    pub ports: [u16; 2],
    /// The packet ends before the fields of its upper layer do: what to say of it if a line looks at them.
    pub(super) cut: Option<Drop>,
}

impl Key {
    /// Reads the fields of a frame. An IP header that is not all there, or cannot be trusted, is a reason to drop it: no line
    /// could say what it is.
    #[inline]
    pub fn read(eth: &Eth, frame: &[u8]) -> Result<Key, Drop> {
        let packet = frame.get(eth.len()..).unwrap_or_default();
        match eth.ethertype {
            IPV4 => Key::four(packet),
            IPV6 => Key::six(packet).ok_or(Drop::IpHeader),
            ethertype => {
                let mut key = Key::new(Family::Mac);
                key.bytes[SRC..SRC + 6].copy_from_slice(&eth.src.0);
                key.bytes[DST..DST + 6].copy_from_slice(&eth.dst.0);
                key.bytes[ETHERTYPE..ETHERTYPE + 2].copy_from_slice(&ethertype.to_be_bytes());
                key.bytes[TOS] = eth.tag.map_or(0, |tag| tag.pcp());
                Ok(key)
            }
        }
    }

    /// The family of a frame, without reading more of it.
    #[inline]
    pub fn family(eth: &Eth) -> Family {
        match eth.ethertype {
            IPV4 => Family::Ip4,
            IPV6 => Family::Ip6,
            _ => Family::Mac,
        }
    }

    #[inline]
    fn new(family: Family) -> Key {
        Key { family, bytes: [0; BYTES], ports: [0; 2], cut: None }
    }

    #[inline]
    fn four(packet: &[u8]) -> Result<Key, Drop> {
        let fixed: &[u8; 20] = packet.first_chunk().ok_or(Drop::IpHeader)?;
        let header = usize::from(fixed[0] & 0xf) * 4;
        if fixed[0] >> 4 != 4 || header < 20 || header > packet.len() {
            return Err(Drop::IpHeader);
        }
        // What is behind the packet is padding, not ports. (A super-frame's own account may be 0.)
        let total = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
        let packet = packet.get(..total).filter(|packet| packet.len() >= header).unwrap_or(packet);
        let mut key = Key::new(Family::Ip4);
        key.bytes[SRC..SRC + 4].copy_from_slice(&fixed[12..16]);
        key.bytes[DST..DST + 4].copy_from_slice(&fixed[16..20]);
        key.bytes[PROTOCOL] = fixed[9];
        key.bytes[TOS] = fixed[1];
        let fragment = u16::from_be_bytes([fixed[6], fixed[7]]);
        let offset = fragment & 0x1fff;
        if offset == 1 && fixed[9] == TCP {
            // RFC 1858 3.2.2: it would overwrite the flags of the first fragment.
            return Err(Drop::TinyFragment);
        }
        key.upper(packet, header, fixed[9], offset != 0);
        if fragment & 0x2000 != 0 {
            key.cut = key.cut.map(|_| Drop::TinyFragment);
        }
        Ok(key)
    }

    #[inline]
    fn six(packet: &[u8]) -> Option<Key> {
        let fixed: &[u8; 40] = packet.first_chunk()?;
        if fixed[0] >> 4 != 6 {
            return None;
        }
        let length = usize::from(u16::from_be_bytes([fixed[4], fixed[5]]));
        let packet = packet.get(..40 + length).filter(|_| length > 0).unwrap_or(packet);
        let mut key = Key::new(Family::Ip6);
        key.bytes[SRC..SRC + 16].copy_from_slice(&fixed[8..24]);
        key.bytes[DST..DST + 16].copy_from_slice(&fixed[24..40]);
        key.bytes[TOS] = fixed[0] << 4 | fixed[1] >> 4;
        let (mut next, mut at, mut later) = (fixed[6], 40, false);
        let mut left = EXTENSIONS;
        while !later {
            let length = match next {
                0 | 43 | 60 | 135 => 8 + usize::from(*packet.get(at + 1)?) * 8,
                44 => {
                    let fragment: &[u8; 8] = packet.get(at..)?.first_chunk()?;
                    later = u16::from_be_bytes([fragment[2], fragment[3]]) & 0xfff8 != 0;
                    8
                }
                _ => break,
            };
            left = left.checked_sub(1)?;
            next = *packet.get(at)?;
            at += length;
        }
        key.bytes[PROTOCOL] = next;
        key.upper(packet, at, next, later);
        Some(key)
    }

    /// Ports, flags, type and code.
    #[inline]
    fn upper(&mut self, packet: &[u8], at: usize, protocol: u8, later: bool) {
        if later {
            self.bytes[LATER] = 1;
            return;
        }
        let upper = packet.get(at..).unwrap_or_default();
        let wanted = match (protocol, self.family) {
            (TCP, _) => 14,
            (UDP, _) => 8,
            (ICMP, Family::Ip4) | (ICMPV6, Family::Ip6) => 2,
            _ => return,
        };
        if upper.len() < wanted {
            self.cut = Some(Drop::IpHeader);
        } else if wanted == 2 {
            self.bytes[TYPE..=CODE].copy_from_slice(&upper[..2]);
        } else {
            self.ports = [u16::from_be_bytes([upper[0], upper[1]]), u16::from_be_bytes([upper[2], upper[3]])];
            if wanted == 14 {
                self.bytes[FLAGS] = upper[13];
            }
        }
    }

    /// The upper-layer protocol.
    pub fn protocol(&self) -> u8 {
        self.bytes[PROTOCOL]
    }

    /// Source and destination address, 4, 16 or 6 bytes long.
    pub fn addresses(&self) -> (&[u8], &[u8]) {
        let length = match self.family {
            Family::Ip4 => 4,
            Family::Ip6 => 16,
            Family::Mac => 6,
        };
        (&self.bytes[SRC..SRC + length], &self.bytes[DST..DST + length])
    }

    /// Type and code of ICMP.
    pub fn icmp(&self) -> [u8; 2] {
        [self.bytes[TYPE], self.bytes[CODE]]
    }

    /// Is it a fragment that is not the first?
    pub fn is_later_fragment(&self) -> bool {
        self.bytes[LATER] != 0
    }
}
