//! ICMP (RFC 792) and ICMPv6 (RFC 4443): the common header, the types a router makes or must know, and which of them are
//! errors, about which no error is made.

use crate::checksum::Sum;
use crate::ip::ICMPV6;
use crate::nd::REDIRECT;
use std::net::Ipv6Addr;

/// Bytes of type, code, checksum and the 32 bits that depend on the type.
pub const HEADER: usize = 8;

/// Is an ICMP message of this type a query or an answer to one, so that errors about it may be made (RFC 1812 4.3.2.7)?
/// What nobody knows may be an error.
pub const fn is_query(kind: u8) -> bool {
    // Echo, router discovery, timestamp, information, address mask; traceroute and later ones are not in use.
    matches!(kind, 0 | 8 | 9 | 10 | 13..=18)
}

/// Is an ICMPv6 message of this type an error or a redirect (RFC 4443 2.1, 2.4(e))?
pub const fn is_error6(kind: u8) -> bool {
    kind < 128 || kind == REDIRECT
}

/// An ICMP message: `rest` is the word that depends on the type.
pub fn message(kind: u8, code: u8, rest: [u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind, code, 0, 0];
    bytes.extend(rest);
    bytes.extend(body);
    let checksum = Sum::default().bytes(&bytes).finish();
    bytes[2..4].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

/// The same for ICMPv6, whose checksum covers a pseudo-header (RFC 4443 2.3).
pub fn message6(src: Ipv6Addr, dst: Ipv6Addr, kind: u8, code: u8, rest: [u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind, code, 0, 0];
    bytes.extend(rest);
    bytes.extend(body);
    let checksum = sum6(src, dst, &bytes).finish();
    bytes[2..4].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

/// The sum over the pseudo-header and an ICMPv6 message: of a message that came, it finishes as 0.
pub fn sum6(src: Ipv6Addr, dst: Ipv6Addr, message: &[u8]) -> Sum {
    Sum::default().pseudo(&[src.octets(), dst.octets()].concat(), message.len(), ICMPV6).bytes(message)
}
