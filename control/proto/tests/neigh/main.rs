//! Neighbours on virtual time: what comes in and what goes out, line by line (see `world.rs` for the words).

mod arp;
mod frames;
mod icmp;
mod nd;
mod ra;
mod random;
mod world;
