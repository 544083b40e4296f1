//! The neighbours: (VLAN, IP address) → MAC, read by every worker, written by control alone.
//!
//! ```text
//!  bucket, one cache line   ┌ place ┬ address ┬ address ┬ value ┬ place ┬ address ┬ address ┬ value ┐
//!  place  32 version │ 8 passed │ 8 · │ 16 VLAN         (passed: of the first place only)
//!  value  48 MAC │ 16 epoch
//! ```
//!
//! Made as the table of stations ([`crate::fdb`]) is, with a longer key: a neighbour lies in its bucket or, where that was
//! full, in the next one that had room, and never elsewhere later; a slot changes hands only while its version is odd.
//! Workers write the epoch in which they last sent to the neighbour: who is in use is probed before he ages out, who is not
//! is forgotten (RFC 4861 7.3.3).

use crate::atomic::{AtomicU16, AtomicU64, AtomicUsize, Ordering::*};
use crate::fdb::{Full, scattered};
use crate::prefetch::prefetch;
use mona_wire::ip::{mapped, unmapped};
use mona_wire::{Mac, VlanId};
use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;

/// One neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The VLAN he lives in.
    pub vlan: VlanId,
    /// His address, IPv4 mapped into IPv6.
    pub address: u128,
    /// His MAC.
    pub mac: Mac,
    /// The epoch in which a packet was last sent to him.
    pub epoch: u16,
}

impl Neighbour {
    /// His address.
    pub fn ip(&self) -> IpAddr {
        unmapped(self.address)
    }
}

/// The table.
pub struct Neighbours {
    buckets: Box<[Bucket]>,
    seed: [u64; 2],
    /// Written by control, read by workers with every packet they send to a neighbour.
    epoch: AtomicU16,
    /// Written by control.
    len: AtomicUsize,
    capacity: usize,
}

const SLOTS: usize = 2;

#[derive(Default)]
#[repr(align(64))]
struct Bucket([Slot; SLOTS]);

/// Written by control; workers change the epoch in the value.
struct Slot {
    place: AtomicU64,
    address: [AtomicU64; 2],
    value: AtomicU64,
}

impl Default for Slot {
    fn default() -> Slot {
        Slot { place: AtomicU64::new(ODD), address: Default::default(), value: AtomicU64::new(0) }
    }
}

/// One version further.
const ODD: u64 = 1 << 32;
const PASSED: u64 = 0xff << 24;
const PASSED_ONE: u64 = 1 << 24;

impl Neighbours {
    /// A table for so many. Where they lie differs from process to process.
    pub fn with_capacity(neighbours: usize) -> Neighbours {
        let random = || std::hash::RandomState::new().build_hasher().finish();
        Neighbours::with_capacity_and_seed(neighbours, [random(), random()])
    }

    /// The same with the order of the table given, for tests and replays.
    pub fn with_capacity_and_seed(neighbours: usize, seed: [u64; 2]) -> Neighbours {
        Neighbours {
            // Half of the slots stay free.
            buckets: (0..neighbours.max(1)).map(|_| Bucket::default()).collect(),
            seed: [scattered(seed[0]), scattered(seed[1]) | 1],
            epoch: AtomicU16::new(0),
            len: AtomicUsize::new(0),
            capacity: neighbours,
        }
    }

    /// Workers: who is it? (`None`: not resolved.)
    #[inline(always)]
    pub fn lookup(&self, vlan: VlanId, address: u128) -> Option<Neighbour> {
        let mut at = self.home(vlan, address);
        loop {
            let bucket = &self.buckets[at];
            for slot in &bucket.0 {
                if let Some(value) = slot.value_for(vlan, address) {
                    return Some(Neighbour { vlan, address, mac: Mac::from_u64(value >> 16), epoch: value as u16 });
                }
            }
            if !bucket.was_passed() {
                return None;
            }
            at = self.after(at);
        }
    }

    /// Workers: asks the cache for the line a later [`Neighbours::lookup`] will read.
    #[inline]
    pub fn prefetch(&self, vlan: VlanId, address: u128) {
        prefetch(&self.buckets[self.home(vlan, address)]);
    }

    /// Workers: a packet goes to him (one relaxed write per epoch and neighbour).
    #[inline(always)]
    pub fn touch(&self, neighbour: &Neighbour) {
        let epoch = self.epoch();
        if neighbour.epoch != epoch {
            let Neighbour { vlan, address, mac, epoch: saw } = *neighbour;
            self.stamp((vlan, address), mac.to_u64() << 16 | u64::from(saw), epoch);
        }
    }

    /// Only if he is still who a worker `saw`: control's change is never undone.
    #[cold]
    fn stamp(&self, (vlan, address): (VlanId, u128), saw: u64, epoch: u16) {
        let Some((slot, _)) = self.find(vlan, address) else { return };
        // Who is second has nothing to add.
        let _ = slot.value.compare_exchange(saw, saw & !0xffff | u64::from(epoch), Relaxed, Relaxed);
    }

    /// Control: the epoch that workers stamp with.
    pub fn set_epoch(&self, epoch: u16) {
        self.epoch.store(epoch, Relaxed);
    }

    /// The epoch workers stamp with now.
    #[inline]
    pub fn epoch(&self) -> u16 {
        self.epoch.load(Relaxed)
    }

    /// Control alone: enters one, as used now, or gives him another MAC.
    pub fn insert(&self, vlan: VlanId, address: IpAddr, mac: Mac) -> Result<(), Full> {
        let address = mapped(address);
        let value = mac.to_u64() << 16 | u64::from(self.epoch());
        if let Some((slot, _)) = self.find(vlan, address) {
            slot.value.swap(value, AcqRel);
            return Ok(());
        }
        if self.len() >= self.capacity {
            return Err(Full);
        }
        let mut at = self.home(vlan, address);
        loop {
            if let Some(slot) = self.buckets[at].0.iter().find(|slot| slot.is_free()) {
                // The version is odd until all is written.
                slot.address[0].store((address >> 64) as u64, Release);
                slot.address[1].store(address as u64, Release);
                slot.value.swap(value, AcqRel);
                let place = slot.place.load(Relaxed);
                slot.place.store((place & !0xffff).wrapping_add(ODD) | u64::from(vlan.get()), Release);
                self.len.store(self.len() + 1, Relaxed);
                return Ok(());
            }
            self.buckets[at].count_passed(true);
            at = self.after(at);
        }
    }

    /// Control alone: removes one; `false` if he was not there.
    pub fn remove(&self, vlan: VlanId, address: IpAddr) -> bool {
        let address = mapped(address);
        let Some((slot, at)) = self.find(vlan, address) else { return false };
        slot.place.store(slot.place.load(Relaxed).wrapping_add(ODD), Release);
        let mut before = self.home(vlan, address);
        while before != at {
            self.buckets[before].count_passed(false);
            before = self.after(before);
        }
        self.len.store(self.len() - 1, Relaxed);
        true
    }

    /// All of them, in table order.
    pub fn iter(&self) -> impl Iterator<Item = Neighbour> + '_ {
        self.buckets.iter().flat_map(|bucket| &bucket.0).filter(|slot| !slot.is_free()).filter_map(|slot| {
            let vlan = VlanId::numbered(slot.place.load(Acquire) as u16)?;
            let address = slot.address();
            let value = slot.value_for(vlan, address)?;
            Some(Neighbour { vlan, address, mac: Mac::from_u64(value >> 16), epoch: value as u16 })
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len.load(Relaxed)
    }

    /// Is there nobody?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many fit.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    fn find(&self, vlan: VlanId, address: u128) -> Option<(&Slot, usize)> {
        let mut at = self.home(vlan, address);
        loop {
            let bucket = &self.buckets[at];
            if let Some(slot) = bucket.0.iter().find(|slot| slot.value_for(vlan, address).is_some()) {
                return Some((slot, at));
            }
            if !bucket.was_passed() {
                return None;
            }
            at = self.after(at);
        }
    }

    /// Both halves of the address and the VLAN, multiplied by a secret and spread (as in [`crate::fdb`]).
    #[inline(always)]
    fn home(&self, vlan: VlanId, address: u128) -> usize {
        let (high, low) = ((address >> 64) as u64, address as u64);
        let wide = u128::from(low ^ u64::from(vlan.get()) << 48 ^ self.seed[0]) * u128::from(high ^ self.seed[1]);
        let hash = ((wide as u64) ^ (wide >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((u128::from(hash) * self.buckets.len() as u128) >> 64) as usize
    }

    #[inline]
    fn after(&self, at: usize) -> usize {
        if at + 1 == self.buckets.len() { 0 } else { at + 1 }
    }
}

impl Bucket {
    #[inline]
    fn was_passed(&self) -> bool {
        self.0[0].place.load(Acquire) & PASSED != 0
    }

    /// At its maximum the count stays: searches are longer then, not wrong.
    fn count_passed(&self, up: bool) {
        let place = self.0[0].place.load(Relaxed);
        let place = match (place & PASSED, up) {
            (PASSED, _) => place,
            (_, true) => place + PASSED_ONE,
            (_, false) => place - PASSED_ONE,
        };
        self.0[0].place.store(place, Release);
    }
}

impl Slot {
    fn is_free(&self) -> bool {
        self.place.load(Relaxed) & ODD != 0
    }

    #[inline]
    fn address(&self) -> u128 {
        let [high, low] = self.address.each_ref().map(|word| word.load(Acquire));
        u128::from(high) << 64 | u128::from(low)
    }

    /// The value, if the slot is that of the key: not while it changes hands.
    #[inline(always)]
    fn value_for(&self, vlan: VlanId, address: u128) -> Option<u64> {
        let before = self.place.load(Acquire) & !PASSED;
        if before & ODD != 0 || before as u16 != vlan.get() || self.address() != address {
            return None;
        }
        let value = self.value.load(Acquire);
        (self.place.load(Relaxed) & !PASSED == before).then_some(value)
    }
}

#[cfg(test)]
#[path = "neighbours_tests.rs"]
mod tests;
