//! The stations: (VLAN, MAC) → port, read by every worker, written by control alone.
//!
//! ```text
//!  bucket, one cache line   ┌ key ┬ value ┬ key ┬ value ┬ key ┬ value ┬ key ┬ value ┐
//!  key     3 bits passed │ 13 VLAN │ 48 MAC         (passed: the sum over the bucket)
//!  value  23 bits version │ 1 static │ 12 port │ 12 port seen last, xor port │ 16 epoch
//! ```
//!
//! A station lies in the bucket its key hashes to or, where that was full, in the next one that had room; a bucket
//! counts how many stations *passed* it that way, so that a search ends at the first one that none did. Stations never
//! lie elsewhere later: a reader cannot miss one that is moved. The table has twice the slots it needs, so that most
//! searches, also in vain, read one cache line.
//!
//! A slot that is used again must not show its new port to who is looking for its old key. So a reader takes a value
//! only if its *version* was the same, and even, before and after it had read the key: `value → key → value`. An odd
//! version means that the slot is empty or changing hands: the writer makes it odd, then changes the key, then makes it
//! even again with the new port.
//!
//! A station is where its last frame came from. Reports are behind what workers see; so workers also write the port that a
//! station was *seen last* behind into its word, when that is another than before, and control leaves it there when it enters
//! the port of a report: so it sees whether the station has spoken elsewhere since. While a station is unknown there is no
//! such word: the last report is right, and it is entered as one that was not seen since.

use crate::atomic::{AtomicU16, AtomicU64, AtomicUsize, Ordering::*};
use crate::prefetch::prefetch;
use mona_wire::{Mac, PortId, VlanId};
use std::hash::{BuildHasher, Hasher};

/// Who put a station into the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Learned from a frame; ages.
    Dynamic,
    /// Configured; neither ages nor moves.
    Static,
}

/// One station.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Station {
    /// The VLAN it lives in.
    pub vlan: VlanId,
    /// Its address.
    pub mac: Mac,
    /// The port it is behind.
    pub port: PortId,
    /// The port its last frame came in by; [`PortId::SELF`] if none has since it was entered.
    pub last: PortId,
    /// Configured or learned.
    pub origin: Origin,
    /// The epoch in which a frame from it was last seen.
    pub epoch: u16,
}

/// Where a station is, if it is known: its key and the bucket that belongs to. To be asked about more than once, or later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    key: u64,
    home: u32,
}

/// The table is full: the station was not entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// The forwarding database.
pub struct Fdb {
    buckets: Box<[Bucket]>,
    seed: [u64; 2],
    /// Written by control, read by workers whenever a known station sends.
    epoch: AtomicU16,
    /// Written by control, read by whoever asks.
    len: AtomicUsize,
    capacity: usize,
}

/// Slots of a bucket: one cache line of 64 bytes.
const SLOTS: usize = 4;

#[repr(align(64))]
struct Bucket([Slot; SLOTS]);

/// Written by control; workers change the epoch and the port seen last in the value.
struct Slot {
    key: AtomicU64,
    value: AtomicU64,
}

impl Place {
    /// Is it a group's address, which no station has?
    #[inline(always)]
    pub fn is_group(self) -> bool {
        self.key >> 40 & 1 != 0
    }

    /// Is it everybody's?
    #[inline(always)]
    pub fn is_broadcast(self) -> bool {
        self.key << 16 == Mac::BROADCAST.to_u64() << 16
    }
}

impl Fdb {
    /// A table for up to `stations` entries. Addresses are chosen by whoever sends frames: where they lie is not, it
    /// differs from process to process.
    pub fn with_capacity(stations: usize) -> Fdb {
        let random = || std::hash::RandomState::new().build_hasher().finish();
        Fdb::with_capacity_and_seed(stations, [random(), random()])
    }

    /// The same with the order of the table given, for tests and replays.
    pub fn with_capacity_and_seed(stations: usize, seed: [u64; 2]) -> Fdb {
        let slot = || Slot { key: AtomicU64::new(0), value: AtomicU64::new(EMPTY) };
        let bucket = || Bucket([slot(), slot(), slot(), slot()]);
        Fdb {
            buckets: (0..(2 * stations).div_ceil(SLOTS).max(1)).map(|_| bucket()).collect(),
            // The factor is odd: never 0, which would put all stations in one place.
            seed: [scattered(seed[0]), scattered(seed[1]) | 1],
            epoch: AtomicU16::new(0),
            len: AtomicUsize::new(0),
            capacity: stations,
        }
    }

    /// Workers: where is it? (`None` = unknown.)
    #[inline(always)]
    pub fn lookup(&self, vlan: VlanId, mac: Mac) -> Option<Station> {
        self.lookup_at(vlan, self.place(vlan, mac))
    }

    /// Workers: where it would be.
    #[inline(always)]
    pub fn place(&self, vlan: VlanId, mac: Mac) -> Place {
        let key = key_of(vlan, mac);
        Place { key, home: self.home(key) as u32 }
    }

    /// Workers: asks the cache for the line that [`Fdb::lookup_at`] will read.
    #[inline(always)]
    pub fn prefetch(&self, place: Place) {
        prefetch(&self.buckets[place.home as usize]);
    }

    /// Workers: who is there, in this VLAN? (`None` = unknown.)
    #[inline(always)]
    pub fn lookup_at(&self, vlan: VlanId, Place { key, home }: Place) -> Option<Station> {
        let bucket = &self.buckets[home as usize];
        let found = match bucket.likely(key).value_for(key) {
            None if passed(bucket) > 0 => self.find_from(self.after(home as usize), key).map(|(_, value)| value),
            found => found,
        };
        found.map(|value| station(vlan, key, value))
    }

    /// Workers: the station, as it was looked up, spoke behind this port: is that where it is? If not it is to be reported.
    /// (One relaxed write per epoch and station, and one each time it speaks elsewhere than before.)
    #[inline(always)]
    pub fn heard(&self, station: &Station, rx: PortId) -> bool {
        let nothing_new = station.port == rx && station.last == station.port && station.epoch == self.epoch();
        nothing_new || self.hear(key_of(station.vlan, station.mac), rx)
    }

    /// Replaces only what it says is its own, and only if all else is as it was: control's change of the slot is never undone.
    #[cold]
    fn hear(&self, key: u64, rx: PortId) -> bool {
        while let Some((slot, value)) = self.find(key) {
            let there = port(value) == rx;
            let heard = with_last(if there { with_epoch(value, self.epoch()) } else { value }, rx);
            // A relaxed read-modify-write keeps the writer's release sequence alive.
            if value == heard || slot.value.compare_exchange(value, heard, Relaxed, Relaxed).is_ok() {
                return there;
            }
        }
        false
    }

    /// The station is alive where it is said to be: another frame of it was forwarded in this epoch, whenever that was.
    #[inline]
    pub fn touch(&self, station: &Station) {
        if station.epoch != self.epoch()
            && let Some((slot, value)) = self.find(key_of(station.vlan, station.mac))
            && port(value) == station.port
        {
            // Who is second has nothing to add.
            let _ = slot.value.compare_exchange(value, with_epoch(value, self.epoch()), Relaxed, Relaxed);
        }
    }

    /// Control: the epoch that workers stamp stations with.
    pub fn set_epoch(&self, epoch: u16) {
        self.epoch.store(epoch, Relaxed);
    }

    /// The epoch workers stamp with now.
    #[inline]
    pub fn epoch(&self) -> u16 {
        self.epoch.load(Relaxed)
    }

    /// Control alone: enters or replaces a station. Where it was seen last stays so.
    pub fn insert(&self, vlan: VlanId, mac: Mac, port: PortId, origin: Origin) -> Result<(), Full> {
        let key = key_of(vlan, mac);
        let fresh = |version, last| value_of(version, port, last, origin, self.epoch());
        while let Some((slot, value)) = self.find(key) {
            // Who was first is a worker that has just seen it.
            if slot.value.compare_exchange(value, fresh(version(value), last(value)), AcqRel, Relaxed).is_ok() {
                return Ok(());
            }
        }
        if self.len() >= self.capacity {
            return Err(Full);
        }
        let mut at = self.home(key);
        loop {
            // There is always room further on: half of all slots are free.
            if let Some(slot) = self.buckets[at].slot_of(0) {
                // The version is odd. `passed` stays, whoever's key it lies beside.
                slot.key.store(slot.key.load(Relaxed) & !KEY | key, Release);
                slot.publish(fresh(version(slot.value.load(Relaxed)) + 1, PortId::SELF));
                self.len.store(self.len() + 1, Relaxed);
                return Ok(());
            }
            count_passed(&self.buckets[at], true);
            at = self.after(at);
        }
    }

    /// Control alone: removes one; `false` if it was not there.
    pub fn remove(&self, vlan: VlanId, mac: Mac) -> bool {
        let key = key_of(vlan, mac);
        let mut at = self.home(key);
        loop {
            if let Some(slot) = self.buckets[at].slot_of(key) {
                self.clear(slot, key, at);
                return true;
            }
            if passed(&self.buckets[at]) == 0 {
                return false;
            }
            at = self.after(at);
        }
    }

    /// Control alone: removes those for which `keep` says no; returns how many went.
    pub fn retain(&self, mut keep: impl FnMut(&Station) -> bool) -> usize {
        let mut gone = 0;
        for (at, bucket) in self.buckets.iter().enumerate() {
            for slot in &bucket.0 {
                let key = slot.key.load(Relaxed) & KEY;
                if key != 0 && !keep(&station_of(key, slot.value.load(Relaxed))) {
                    self.clear(slot, key, at);
                    gone += 1;
                }
            }
        }
        gone
    }

    /// Every station, in table order: the same for the same seed and the same history.
    pub fn iter(&self) -> impl Iterator<Item = Station> + '_ {
        let read = self.buckets.iter().flat_map(|bucket| &bucket.0).filter_map(Slot::read);
        read.map(|(key, value)| station_of(key, value))
    }

    /// How many stations there are.
    pub fn len(&self) -> usize {
        self.len.load(Relaxed)
    }

    /// Is the table empty?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many fit.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The slot of a key and its value: for who can tell that it is still so (control, or a compare-exchange).
    fn find(&self, key: u64) -> Option<(&Slot, u64)> {
        self.find_from(self.home(key), key)
    }

    #[cold]
    fn find_from(&self, mut at: usize, key: u64) -> Option<(&Slot, u64)> {
        loop {
            let bucket = &self.buckets[at];
            if let Some(slot) = bucket.slot_of(key)
                && let Some(value) = slot.value_for(key)
            {
                return Some((slot, value));
            }
            if passed(bucket) == 0 {
                return None;
            }
            at = self.after(at);
        }
    }

    /// Empties a slot of the bucket `at`.
    fn clear(&self, slot: &Slot, key: u64, at: usize) {
        let odd = version(slot.value.load(Relaxed)) + 1;
        slot.publish(odd << VERSION);
        slot.key.store(slot.key.load(Relaxed) & !KEY, Release);
        let mut before = self.home(key);
        while before != at {
            count_passed(&self.buckets[before], false);
            before = self.after(before);
        }
        self.len.store(self.len() - 1, Relaxed);
    }

    /// The bucket a key belongs to: a folded multiplication by a secret, spread to the high bits, and those as an index.
    #[inline]
    fn home(&self, key: u64) -> usize {
        let wide = u128::from(key ^ self.seed[0]) * u128::from(self.seed[1]);
        let hash = ((wide as u64) ^ (wide >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((u128::from(hash) * self.buckets.len() as u128) >> 64) as usize
    }

    #[inline]
    fn after(&self, at: usize) -> usize {
        if at + 1 == self.buckets.len() { 0 } else { at + 1 }
    }
}

impl Bucket {
    /// The slot with this key, if there is one.
    fn slot_of(&self, key: u64) -> Option<&Slot> {
        self.0.iter().find(|slot| slot.key.load(Relaxed) & KEY == key)
    }

    /// The slot that has this key if any has. All are compared without a branch: in which one a station lies is chance, and
    /// a branch on it would be guessed wrong every other time.
    #[inline(always)]
    fn likely(&self, key: u64) -> &Slot {
        let equal = |at: usize| self.0[at].key.load(Relaxed) & KEY == key;
        let mut at = if equal(1) { 1 } else { 0 };
        at = if equal(2) { 2 } else { at };
        at = if equal(3) { 3 } else { at };
        &self.0[at]
    }
}

impl Slot {
    /// The key and the value that belongs to it; `None` if the slot is empty or changing hands.
    #[inline(always)]
    fn read(&self) -> Option<(u64, u64)> {
        let before = self.value.load(Acquire);
        let key = self.key.load(Acquire) & KEY;
        let value = self.value.load(Relaxed);
        (version(before) == version(value) && version(value).is_multiple_of(2)).then_some((key, value))
    }

    /// Writes the value. A swap, where a store would do: so it and the workers' compare-exchanges are of one kind and in
    /// one visible order, which the model checker can follow.
    fn publish(&self, value: u64) {
        self.value.swap(value, AcqRel);
    }

    /// The value, if the slot is that of `key`.
    #[inline(always)]
    fn value_for(&self, key: u64) -> Option<u64> {
        self.read().filter(|read| read.0 == key).map(|(_, value)| value)
    }
}

/// The bits of a key word that are the key. Never zero: there is no VLAN 0.
const KEY: u64 = (1 << PASSED) - 1;
/// Where a key word's part of the count of those that passed starts.
const PASSED: u32 = 61;
/// As far as `passed` counts; from here it does not go down again (searches are longer, not wrong).
const PASSED_MAX: u64 = 7 * SLOTS as u64;

/// Where the parts of a value word start. The version has 23 bits: it does not come round while a reader is reading three
/// words.
const LAST: u32 = 16;
const PORT: u32 = 28;
const STATIC: u32 = 40;
const VERSION: u32 = 41;
/// The bits of a port.
const PORTS: u64 = (1 << (PORT - LAST)) - 1;
const _: () = assert!(PortId::COUNT as u64 <= PORTS + 1);
/// The value of a slot that was never used: an odd version.
const EMPTY: u64 = 1 << VERSION;

fn key_of(vlan: VlanId, mac: Mac) -> u64 {
    u64::from(vlan.get()) << 48 | mac.to_u64()
}

fn value_of(version: u64, port: PortId, last: PortId, origin: Origin, epoch: u16) -> u64 {
    let ports = u64::from(port.0) << PORT | u64::from(port.0 ^ last.0) << LAST;
    version << VERSION | u64::from(origin == Origin::Static) << STATIC | ports | u64::from(epoch)
}

fn with_epoch(value: u64, epoch: u16) -> u64 {
    value & !0xffff | u64::from(epoch)
}

fn with_last(value: u64, last: PortId) -> u64 {
    value & !(PORTS << LAST) | u64::from(port(value).0 ^ last.0) << LAST
}

#[inline(always)]
fn port(value: u64) -> PortId {
    PortId((value >> PORT & PORTS) as u16)
}

/// Stored as what it differs in: that it does not costs one look.
#[inline(always)]
fn last(value: u64) -> PortId {
    PortId(port(value).0 ^ (value >> LAST & PORTS) as u16)
}

fn version(value: u64) -> u64 {
    value >> VERSION
}

fn station_of(key: u64, value: u64) -> Station {
    // A key that is in the table was made of a VLAN.
    station(VlanId::numbered((key >> 48) as u16).unwrap_or(VlanId::DEFAULT), key, value)
}

#[inline(always)]
fn station(vlan: VlanId, key: u64, value: u64) -> Station {
    Station {
        vlan,
        mac: Mac::from_u64(key),
        port: port(value),
        last: last(value),
        origin: if value >> STATIC & 1 != 0 { Origin::Static } else { Origin::Dynamic },
        epoch: value as u16,
    }
}

/// A seed without a pattern, for a multiplication by one like 0x5555… hashes badly (the finaliser of splitmix64).
pub(crate) const fn scattered(seed: u64) -> u64 {
    let word = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

/// How many passed the bucket: the sum of what its key words count.
#[inline]
fn passed(bucket: &Bucket) -> u64 {
    bucket.0.iter().map(|slot| slot.key.load(Acquire) >> PASSED).sum()
}

/// In one of the words: so a reader never sees a sum that is zero only on the way to another.
fn count_passed(bucket: &Bucket, up: bool) {
    if passed(bucket) == PASSED_MAX {
        return;
    }
    let full = PASSED_MAX / SLOTS as u64;
    let counts = |slot: &&Slot| match slot.key.load(Relaxed) >> PASSED {
        count if up => count < full,
        count => count > 0,
    };
    if let Some(slot) = bucket.0.iter().find(counts) {
        let key = slot.key.load(Relaxed);
        slot.key.store(if up { key + (1 << PASSED) } else { key - (1 << PASSED) }, Release);
    }
}

#[cfg(test)]
#[path = "fdb_tests.rs"]
mod tests;
