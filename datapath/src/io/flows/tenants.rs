//! Who is in which slot: an array, for a flow is looked at by its slot whenever it is entered, found, counted or given up.

use super::Tenant;
use crate::prefetch::prefetch;

/// What is in the slots.
pub(super) struct Tenants {
    slots: Box<[Option<Box<Tenant>>]>,
    count: usize,
}

impl Tenants {
    /// Nobody, in so many slots.
    pub(super) fn new(slots: u32) -> Tenants {
        Tenants { slots: (0..slots).map(|_| None).collect(), count: 0 }
    }

    /// How many slots are taken.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn contains(&self, at: u32) -> bool {
        self.get(at).is_some()
    }

    pub(super) fn get(&self, at: u32) -> Option<&Tenant> {
        self.slots.get(at as usize)?.as_deref()
    }

    pub(super) fn get_mut(&mut self, at: u32) -> Option<&mut Tenant> {
        self.slots.get_mut(at as usize)?.as_deref_mut()
    }

    /// In place of whoever is there.
    pub(super) fn insert(&mut self, at: u32, tenant: Box<Tenant>) {
        self.remove(at);
        self.slots[at as usize] = Some(tenant);
        self.count += 1;
    }

    pub(super) fn remove(&mut self, at: u32) -> Option<Box<Tenant>> {
        let left = self.slots.get_mut(at as usize)?.take();
        self.count -= usize::from(left.is_some());
        left
    }

    /// All, by slot.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Tenant)> {
        (0..).zip(self.all()).filter_map(|(at, tenant)| Some((at, tenant.as_deref()?)))
    }

    /// The slots from there on that are taken as of now, at most so many.
    pub(super) fn taken(&self, from: u32, most: usize) -> Vec<u32> {
        let slots = self.all().get(from as usize..).unwrap_or_default();
        (from..).zip(slots).filter(|(_, tenant)| tenant.is_some()).map(|(at, _)| at).take(most).collect()
    }

    /// Who is there will be looked at soon.
    pub(super) fn prefetch(&self, at: u32) {
        self.get(at).into_iter().for_each(prefetch);
    }

    fn all(&self) -> &[Option<Box<Tenant>>] {
        if self.count == 0 { &[] } else { &self.slots }
    }
}
