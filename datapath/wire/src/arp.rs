//! ARP for IPv4 over Ethernet (RFC 826).

use crate::Mac;
use std::net::Ipv4Addr;

/// The EtherType.
pub const ETHERTYPE: u16 = 0x0806;
/// Bytes of a packet.
pub const LENGTH: usize = 28;

/// What is asked or told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Who has the target address?
    Request,
    /// The sender has the sender address.
    Reply,
}

/// A packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// Request or reply.
    pub operation: Operation,
    /// The sender's station address.
    pub sender_mac: Mac,
    /// The sender's address, 0.0.0.0 in a probe (RFC 5227).
    pub sender: Ipv4Addr,
    /// The target's station address, meaningless in a request.
    pub target_mac: Mac,
    /// The target's address.
    pub target: Ipv4Addr,
}

impl Arp {
    /// Reads a packet; bytes behind it are padding. `None` for what is cut short, of other kinds of addresses, or
    /// neither request nor reply.
    pub fn parse(packet: &[u8]) -> Option<Arp> {
        let packet: &[u8; LENGTH] = packet.first_chunk()?;
        // Ethernet (1), IPv4, of 6 and 4 bytes.
        if packet[..6] != [0, 1, 8, 0, 6, 4] {
            return None;
        }
        Some(Arp {
            operation: match u16::from_be_bytes([packet[6], packet[7]]) {
                1 => Operation::Request,
                2 => Operation::Reply,
                _ => return None,
            },
            sender_mac: Mac(*packet[8..].first_chunk()?),
            sender: Ipv4Addr::from(*packet[14..].first_chunk()?),
            target_mac: Mac(*packet[18..].first_chunk()?),
            target: Ipv4Addr::from(*packet[24..].first_chunk()?),
        })
    }

    /// The packet.
    pub fn bytes(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[..6].copy_from_slice(&[0, 1, 8, 0, 6, 4]);
        bytes[7] = match self.operation {
            Operation::Request => 1,
            Operation::Reply => 2,
        };
        bytes[8..14].copy_from_slice(&self.sender_mac.0);
        bytes[14..18].copy_from_slice(&self.sender.octets());
        bytes[18..24].copy_from_slice(&self.target_mac.0);
        bytes[24..28].copy_from_slice(&self.target.octets());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            (asks, sender_mac, target_mac) in any::<(bool, [u8; 6], [u8; 6])>(),
            (sender, target) in any::<([u8; 4], [u8; 4])>(),
            padding in any::<Vec<u8>>(),
        ) {
            let operation = if asks { Operation::Request } else { Operation::Reply };
            let (sender, target) = (sender.into(), target.into());
            let arp = Arp { operation, sender_mac: Mac(sender_mac), sender, target_mac: Mac(target_mac), target };
            let bytes = arp.bytes();
            prop_assert_eq!(Arp::parse(&[bytes.as_slice(), &padding].concat()), Some(arp));
            prop_assert_eq!(Arp::parse(&bytes[..LENGTH - 1]), None);
        }
    }

    #[test]
    fn other_kinds_of_addresses_and_operations() {
        let arp = Arp {
            operation: Operation::Request,
            sender_mac: Mac([2, 0, 0, 0, 0, 1]),
            sender: [10, 0, 0, 1].into(),
            target_mac: Mac::ZERO,
            target: [10, 0, 0, 2].into(),
        };
        for at in 0..8 {
            let mut bytes = arp.bytes();
            bytes[at] ^= 0x10;
            assert_eq!(Arp::parse(&bytes), None, "byte {at}");
        }
    }
}
