//! The stations: (VLAN, MAC) → port, read by every worker, written by control alone.
//!
//! Contract (the table itself is filled in by its owner).

use mona_wire::{Mac, PortId, VlanId};

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
    /// Configured or learned.
    pub origin: Origin,
    /// The epoch in which a frame from it was last seen.
    pub epoch: u16,
}

/// The forwarding database.
pub struct Fdb {}

/// The table is full: the station was not entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

#[allow(unused_variables)]
impl Fdb {
    /// A table for up to `stations` entries.
    pub fn with_capacity(stations: usize) -> Fdb {
        todo!()
    }

    /// Workers: where is it? (`None` = unknown.)
    #[inline]
    pub fn lookup(&self, vlan: VlanId, mac: Mac) -> Option<Station> {
        todo!()
    }

    /// Workers: asks the cache for the line a later [`Fdb::lookup`] will read.
    #[inline]
    pub fn prefetch(&self, vlan: VlanId, mac: Mac) {
        todo!()
    }

    /// Workers: a frame from the station was seen in this epoch (one relaxed write per epoch and station).
    #[inline]
    pub fn touch(&self, station: &Station) {
        todo!()
    }

    /// Control: the epoch that workers stamp stations with.
    pub fn set_epoch(&self, epoch: u16) {
        todo!()
    }

    /// The epoch workers stamp with now.
    #[inline]
    pub fn epoch(&self) -> u16 {
        todo!()
    }

    /// Control alone: enters or replaces a station.
    pub fn insert(&self, vlan: VlanId, mac: Mac, port: PortId, origin: Origin) -> Result<(), Full> {
        todo!()
    }

    /// Control alone: removes one; `false` if it was not there.
    pub fn remove(&self, vlan: VlanId, mac: Mac) -> bool {
        todo!()
    }

    /// Control alone: removes those for which `keep` says no; returns how many went.
    pub fn retain(&self, keep: impl FnMut(&Station) -> bool) -> usize {
        todo!()
    }

    /// Every station, in table order.
    pub fn iter(&self) -> impl Iterator<Item = Station> + '_ {
        std::iter::empty()
    }

    /// How many stations there are.
    pub fn len(&self) -> usize {
        todo!()
    }

    /// Is the table empty?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many fit.
    pub fn capacity(&self) -> usize {
        todo!()
    }
}
