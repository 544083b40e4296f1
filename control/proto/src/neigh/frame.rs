//! Ethernet frames of the switch's own.

use mona_wire::Mac;

/// An untagged frame. Padding to the minimum is the port's business.
pub fn ethernet(dst: Mac, src: Mac, ethertype: u16, parts: &[&[u8]]) -> Vec<u8> {
    let mut frame = [dst.0, src.0].concat();
    frame.extend(ethertype.to_be_bytes());
    parts.iter().for_each(|part| frame.extend(*part));
    frame
}
