//! How flows leave the table: who makes room, whose port is gone, and when a slot may be used again.

use super::{Decided, FlowTable, Refused, Share, Tenant, UNKNOWN};
use crate::io::slots::Key;
use mona_wire::PortId;

/// Of eight slots, so many are used at most: where a key may lie there is to be room.
const USED: usize = 7;
/// A port may have so many times as many flows as it leaves free: alone four fifths of all, and there is room for others' at once
/// however many it has.
const TIMES: usize = 4;
/// A slot is not used again before everybody who may have found it is done with it (nanoseconds); and then everybody is done who
/// may have missed it before it was written.
pub(super) const REST: u64 = 10_000_000;
/// Flows that are looked at to find one that nobody uses.
const TRIES: usize = 8;

impl FlowTable {
    /// Has the port its share?
    pub(super) fn is_full(&self, share: &Share) -> bool {
        let left = (self.slots.count() as usize * USED / 8).saturating_sub(self.tenants.len());
        share.slots > 0 && share.slots >= TIMES * left
    }

    /// A free slot for a key of this port, which may have to give another one up first.
    pub(super) fn room(&mut self, key: &Key, port: PortId, now: u64) -> Result<u32, Refused> {
        if self.ports.get(&port).is_some_and(|share| self.is_full(share)) {
            self.evict(port, now);
        }
        self.slots.room(key).ok_or(Refused::Full)
    }

    /// The port gives up the first of its flows that was not used since it was looked at last.
    fn evict(&mut self, port: PortId, now: u64) {
        for left in (0..TRIES).rev() {
            let Some(share) = self.ports.get_mut(&port) else { return };
            let Some((at, version)) = share.order.pop_front() else { return };
            let frames = self.slots.counted(at).0;
            match self.tenants.get_mut(at) {
                Some(Tenant::Decided(decided)) if self.slots.version(at) == version => {
                    if decided.passed != frames && left > 0 {
                        decided.passed = frames;
                        share.order.push_back((at, version));
                        continue;
                    }
                    share.stats.evictions += 1;
                }
                _ => continue,
            }
            return self.remove(at, now);
        }
    }

    /// Takes a flow out; its slot rests.
    pub(super) fn remove(&mut self, at: u32, now: u64) {
        self.slots.forget(at);
        let gone = self.leave(at);
        if let Some(Tenant::Decided(Decided { parent: Some((parent, id)), .. })) = gone.as_deref()
            && self.looks_deeper(*parent, *id)
        {
            self.release(*parent, now);
        }
        self.resting.push_back((now, at, gone));
    }

    pub(super) fn looks_deeper(&self, at: u32, under: u32) -> bool {
        matches!(self.tenants.get(at), Some(Tenant::Deeper { id, .. }) if *id == under)
    }

    /// Makes a slot ready for what follows there at once, under the same key.
    pub(super) fn vacate(&mut self, at: u32) {
        self.slots.forget(at);
        let Some(gone) = self.leave(at) else { return };
        if let Tenant::Decided(Decided { parent: Some((parent, id)), .. }) = &*gone
            && self.looks_deeper(*parent, *id)
            && let Some(Tenant::Deeper { children, .. }) = self.tenants.get_mut(*parent)
        {
            *children -= 1;
        }
        self.part(at, *gone);
    }

    /// Nobody has the slot any more.
    fn leave(&mut self, at: u32) -> Option<Box<Tenant>> {
        let gone = self.tenants.remove(at)?;
        let (port, flows) = match &*gone {
            Tenant::Deeper { outer, .. } => (outer.rx, 0),
            Tenant::Decided(decided) => (decided.entry.outer.rx, 1),
        };
        if let Some(share) = self.ports.get_mut(&port) {
            (share.slots, share.stats.flows) = (share.slots - 1, share.stats.flows - flows);
        }
        Some(gone)
    }

    /// What went by a flow that is no more is told with the next fold.
    fn part(&mut self, at: u32, gone: Tenant) {
        let Tenant::Decided(mut decided) = gone else { return };
        self.fanouts.iter_mut().zip(decided.fanout).for_each(|(fanouts, list)| fanouts.release(list));
        let (frames, bytes) = decided.fold(self.slots.counted(at));
        if frames > 0 {
            self.parted.push((decided.entry, frames, bytes));
        }
    }

    /// When there is something to [settle](FlowTable::settle).
    pub fn due(&self) -> Option<u64> {
        self.unmarked.front().map(|unmarked| unmarked.0.saturating_add(REST))
    }

    /// What takes its time has had it: flows are told which of their frames went up last, slots that have rested are free.
    pub fn settle(&mut self, now: u64) {
        // A program that missed a flow has counted its frame by now; one that found it has said itself which number the frame
        // was given. So what goes up of the flow is among those counted here, or later, and then says so: when as many
        // have been sent on, nothing is overtaken.
        while let Some((since, at, version, credit)) = self.unmarked.front().copied()
            && since.saturating_add(REST) <= now
        {
            self.unmarked.pop_front();
            if self.slots.version(at) == version
                && let Some(last) = self.slots.admitted(credit)
            {
                self.slots.mark(at, last);
            }
        }
        self.resting.iter_mut().rev().take_while(|rest| rest.0 == UNKNOWN).for_each(|rest| rest.0 = now);
        while self.resting.front().is_some_and(|rest| rest.0.saturating_add(REST) <= now) {
            let Some((_, at, gone)) = self.resting.pop_front() else { return };
            self.free(at, gone);
        }
    }

    fn free(&mut self, at: u32, gone: Option<Box<Tenant>>) {
        if let Some(gone) = gone {
            self.part(at, *gone);
        }
        self.slots.free(at);
    }

    /// Forgets all flows of frames that come in or leave by this port.
    pub fn remove_port(&mut self, port: PortId) {
        self.remove_if(|tenant| match tenant {
            Tenant::Deeper { outer, .. } => outer.rx == port,
            Tenant::Decided(decided) => {
                decided.entry.outer.rx == port || decided.entry.action.copies().any(|(to, _)| to == port)
            }
        });
    }

    /// Forgets everything.
    pub fn flush(&mut self) {
        self.remove_if(|_| true);
    }

    fn remove_if(&mut self, which: impl Fn(&Tenant) -> bool) {
        let gone: Vec<u32> = self.tenants.iter().filter(|(_, tenant)| which(tenant)).map(|(at, _)| at).collect();
        self.remove_all(&gone, UNKNOWN);
    }

    /// Those that are still there: one may have gone with another.
    pub(super) fn remove_all(&mut self, gone: &[u32], now: u64) {
        for at in gone {
            if self.tenants.contains(*at) {
                self.remove(*at, now);
            }
        }
    }
}
