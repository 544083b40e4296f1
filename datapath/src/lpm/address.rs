//! Addresses of both families as numbers in host order, and prefixes of them.

use std::fmt::Debug;
use std::hash::Hash;
use std::net::{Ipv4Addr, Ipv6Addr};

/// An IPv4 address (`u32`) or an IPv6 address (`u128`), in host order.
pub trait Address: Copy + Ord + Hash + Debug + Send + Sync + 'static {
    /// Bits of an address.
    const WIDTH: u8;

    /// The `count` bits (at most 32) that follow the first `skip` ones.
    fn bits(self, skip: u8, count: u8) -> u32;
    /// Without the bits behind the first `length`.
    fn network(self, length: u8) -> Self;
    /// With all bits behind the first `length` set.
    fn last(self, length: u8) -> Self;
    /// The address whose first `length` bits are `value`, and the others zero.
    fn first(value: u32, length: u8) -> Self;
    /// How many bits both begin with.
    fn common(self, other: Self) -> u8;
}

macro_rules! address {
    ($number:ty) => {
        impl Address for $number {
            const WIDTH: u8 = <$number>::BITS as u8;

            #[inline(always)]
            fn bits(self, skip: u8, count: u8) -> u32 {
                // Two shifts: none is by the whole width.
                (self << skip >> 1 >> (Self::WIDTH - 1 - count)) as u32
            }

            fn network(self, length: u8) -> Self {
                self & !Self::MAX.checked_shr(length.into()).unwrap_or(0)
            }

            fn last(self, length: u8) -> Self {
                self | Self::MAX.checked_shr(length.into()).unwrap_or(0)
            }

            fn first(value: u32, length: u8) -> Self {
                Self::from(value) << (Self::WIDTH - length)
            }

            fn common(self, other: Self) -> u8 {
                (self ^ other).leading_zeros() as u8
            }
        }
    };
}
address!(u32);
address!(u128);

/// The addresses that begin with the same `length` bits. In order, a prefix stands before those within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix<A> {
    address: A,
    length: u8,
}

impl<A: Address> Prefix<A> {
    /// The first `length` bits of `address`; those behind are dropped. A length there cannot be is the longest.
    pub fn new(address: A, length: u8) -> Prefix<A> {
        let length = length.min(A::WIDTH);
        Prefix { address: address.network(length), length }
    }

    /// All addresses.
    pub fn all() -> Prefix<A> {
        Prefix { address: A::first(0, 1), length: 0 }
    }

    /// Its first address.
    pub fn address(self) -> A {
        self.address
    }

    /// Its last address.
    pub fn last(self) -> A {
        self.address.last(self.length)
    }

    /// How many bits it has.
    pub fn length(self) -> u8 {
        self.length
    }

    /// Is the address in it?
    pub fn contains(self, address: A) -> bool {
        address.network(self.length) == self.address
    }
}

impl From<(Ipv4Addr, u8)> for Prefix<u32> {
    fn from((address, length): (Ipv4Addr, u8)) -> Prefix<u32> {
        Prefix::new(address.into(), length)
    }
}

impl From<(Ipv6Addr, u8)> for Prefix<u128> {
    fn from((address, length): (Ipv6Addr, u8)) -> Prefix<u128> {
        Prefix::new(address.into(), length)
    }
}
