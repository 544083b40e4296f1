//! Headers as views and values, and the small ids every crate speaks: nothing here does I/O, keeps a clock or allocates
//! on the frame path.
//!
//! A *view* reads fields out of bytes that somebody else owns; a *value* is a parsed, valid thing. Parsing happens once,
//! at the rim; inside the switch only values travel.

pub mod arp;
pub mod checksum;
pub mod eth;
pub mod icmp;
pub mod ids;
pub mod ip;
pub mod ip4;
pub mod ip6;
pub mod mac;
pub mod nd;
pub mod time;

pub use eth::Eth;
pub use ids::{PortId, Tci, VlanId};
pub use mac::Mac;
pub use time::Instant;
