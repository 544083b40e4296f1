//! The only writer of the forwarding database: what workers saw becomes stations, moves, and flaps; what was flushed stays
//! flushed.

use crate::log::Log;
use crate::state::State;
use mona_datapath::Snapshot;
use mona_datapath::changes::Changes;
use mona_datapath::fdb::{Fdb, Full, Origin, Station};
use mona_datapath::flow::Dep;
use mona_datapath::out::Seen;
use mona_wire::{Instant, Mac, PortId, VlanId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Moves within this time make a flap.
const FLAP_WINDOW: Duration = Duration::from_secs(10);
/// So many moves make a flap.
const FLAP_MOVES: u32 = 3;
/// Stations watched for flapping at once; more are not watched until others have calmed down.
const FLAP_WATCHED: usize = 1024;
/// How often a full table is complained of.
const FULL_EVERY: Duration = Duration::from_secs(60);

/// What learning remembers besides the table.
#[derive(Debug, Default)]
pub struct Learn {
    /// Reports made under a snapshot before this one are stale, by port.
    ports: BTreeMap<PortId, u64>,
    /// The same, for all.
    all: u64,
    flaps: BTreeMap<(VlanId, Mac), Flap>,
    full_logged: Option<Instant>,
    /// Stations that did not fit.
    pub full: u64,
    /// Stations that moved or went.
    pub(crate) changes: Changes,
    /// Reports by which stations moved.
    pub(crate) moved: Vec<Seen>,
}

#[derive(Debug)]
struct Flap {
    since: Instant,
    moves: u32,
    logged: Option<Instant>,
}

impl Learn {
    /// Workers saw these. Returns nothing: what is stale, forbidden or already known changes nothing.
    pub fn seen(&mut self, now: Instant, seen: &[Seen], snapshot: &Snapshot, state: &State, log: &mut Log) {
        for seen in seen {
            let stale = |mark: Option<&u64>| mark.is_some_and(|mark| seen.snapshot < *mark);
            if seen.snapshot < self.all || stale(self.ports.get(&seen.port)) {
                continue;
            }
            let learns = snapshot.port(seen.port).is_some_and(|port| port.up && port.learning)
                && snapshot.vlan(seen.vlan).is_some_and(|vlan| vlan.learn.contains(seen.port));
            if !learns || seen.mac.is_group() || seen.mac == Mac::ZERO {
                continue;
            }
            let known = snapshot.fdb.lookup(seen.vlan, seen.mac);
            match known {
                Some(Station { origin: Origin::Static, .. }) => continue,
                Some(station) if station.port == seen.port => continue,
                Some(station) => {
                    self.changes.add(Dep::Station(seen.vlan, seen.mac));
                    self.flapped(now, seen, station.port, state, log);
                    self.moved.push(*seen);
                }
                None => {}
            }
            let inserted = snapshot.fdb.insert(seen.vlan, seen.mac, seen.port, Origin::Dynamic);
            if inserted.is_ok() && known.is_none() {
                self.changes.add(Dep::Unknown(seen.vlan, seen.mac));
            }
            if inserted == Err(Full) {
                self.full += 1;
                if self.full_logged.is_none_or(|last| now.since(last) >= FULL_EVERY) {
                    self.full_logged = Some(now);
                    let text = format!("{} stations: no more addresses are learned until some age", snapshot.fdb.len());
                    log.add(now, "%SW_MATM-4-TABLE_FULL", &text);
                }
            }
        }
    }

    fn flapped(&mut self, now: Instant, seen: &Seen, from: PortId, state: &State, log: &mut Log) {
        let key = (seen.vlan, seen.mac);
        if self.flaps.len() >= FLAP_WATCHED && !self.flaps.contains_key(&key) {
            self.flaps.retain(|_, flap| now.since(flap.since) < FLAP_WINDOW);
            if self.flaps.len() >= FLAP_WATCHED {
                return;
            }
        }
        let flap = self.flaps.entry(key).or_insert(Flap { since: now, moves: 0, logged: None });
        if now.since(flap.since) >= FLAP_WINDOW {
            (flap.since, flap.moves) = (now, 0);
        }
        flap.moves += 1;
        if flap.moves >= FLAP_MOVES && flap.logged.is_none_or(|last| now.since(last) >= FLAP_WINDOW) {
            flap.logged = Some(now);
            let name = |id| state.interface_of(id).map_or_else(|| format!("{id}"), |name| name.short());
            let text = format!(
                "Host {} in vlan {} is flapping between port {} and port {}",
                seen.mac,
                seen.vlan,
                name(from),
                name(seen.port)
            );
            log.add(now, "%SW_MATM-4-MACFLAP_NOTIF", &text);
        }
    }

    /// Forgets what is where it can no longer be: behind a port that has left its VLAN (its link went down, it was closed
    /// or configured otherwise, the VLAN was removed). Frames to such a station would be dropped until it aged. Reports
    /// that were made by what is replaced no longer count for these ports.
    pub fn forget(&mut self, previous: &Snapshot, next: &Snapshot) {
        let mut left = BTreeSet::new();
        for (old, new) in previous.vlans.iter().zip(&next.vlans) {
            let Some(old) = old else { continue };
            if new.as_ref().is_some_and(|new| std::sync::Arc::ptr_eq(old, new)) {
                continue;
            }
            match new {
                Some(new) => left.extend(old.forward.without(&new.forward).iter()),
                None => left.extend(old.forward.iter()),
            }
        }
        if left.is_empty() {
            return;
        }
        self.ports.extend(left.into_iter().map(|port| (port, next.number)));
        let stays =
            |s: &Station| s.origin == Origin::Static || next.vlan(s.vlan).is_some_and(|v| v.forward.contains(s.port));
        retain(&next.fdb, &mut self.changes, stays);
    }

    /// All stations were seen just now: a new ageing time counts in epochs of another length.
    pub fn refresh(&mut self, fdb: &Fdb) {
        fdb.iter().for_each(|station| fdb.touch(&station));
    }

    /// Removes those that no frame was seen from for the ageing time.
    pub fn idle(&mut self, fdb: &Fdb, idle: &[(VlanId, Mac)]) {
        for (vlan, mac) in idle {
            if fdb.lookup(*vlan, *mac).is_some_and(|s| s.origin == Origin::Dynamic) {
                fdb.remove(*vlan, *mac);
                self.changes.add(Dep::Station(*vlan, *mac));
            }
        }
    }

    /// `clear mac address-table dynamic …`: removes those that `goes` names.
    pub fn clear(&mut self, fdb: &Fdb, next: u64, mut goes: impl FnMut(&Station) -> bool) {
        self.all = next;
        retain(fdb, &mut self.changes, |s| s.origin == Origin::Static || !goes(s));
    }

    /// Makes the static stations those of the configuration (as far as their port is open and their VLAN exists), and
    /// returns those that fitted.
    pub fn set_statics(
        &mut self,
        fdb: &Fdb,
        wanted: BTreeMap<(VlanId, Mac), PortId>,
    ) -> BTreeMap<(VlanId, Mac), PortId> {
        retain(fdb, &mut self.changes, |s| {
            s.origin == Origin::Dynamic || wanted.get(&(s.vlan, s.mac)) == Some(&s.port)
        });
        let mut entered = wanted;
        entered.retain(|(vlan, mac), port| {
            let there = fdb.lookup(*vlan, *mac).is_some_and(|s| s.origin == Origin::Static && s.port == *port);
            if !there {
                // It may have been learned before, or not.
                self.changes.add(Dep::Station(*vlan, *mac));
                self.changes.add(Dep::Unknown(*vlan, *mac));
            }
            let fits = there || fdb.insert(*vlan, *mac, *port, Origin::Static).is_ok();
            self.full += u64::from(!fits);
            fits
        });
        entered
    }
}

/// Removes those that do not stay, and says so.
fn retain(fdb: &Fdb, changes: &mut Changes, mut stays: impl FnMut(&Station) -> bool) {
    fdb.retain(|station| {
        let stays = stays(station);
        if !stays {
            changes.add(Dep::Station(station.vlan, station.mac));
        }
        stays
    });
}
