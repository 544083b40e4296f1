//! The neighbours of one interface and what each waits for. Every change goes through [`Table::edit`], which tells the
//! datapath exactly what it forwards to from then on: its table is always ours.

use super::Out;
use super::queue::Queue;
use mona_wire::{Instant, Mac, VlanId};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What is known of a neighbour (RFC 4861 7.3.2, for IPv4 alike).
///
/// ```text
///   (none) ──needed──▶ Incomplete ──answer──▶ Reachable ──reachable time──▶ Stale ──used──▶ Delay ──▶ Probe
///                       │  3 asked              ▲   ▲                         │ unused            │  │ 3 asked
///                       ▼                       │   └───────── answer ────────┼───────────────────┘  ▼
///                     Failed ──a while──▶ (none)└── heard (ARP)               └──────▶ (none) ◀───── (none)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Configured: neither asked for nor changed by what is heard.
    Static,
    /// Asked for; frames wait.
    Incomplete,
    /// It was there a moment ago.
    Reachable,
    /// It was there once. Frames go there; when they do, it is asked whether it is still there.
    Stale,
    /// Frames go there; it will be asked if nothing is heard.
    Delay,
    /// It is being asked, and nobody else.
    Probe,
    /// It did not answer: frames are answered with unreachable, and it is not asked for a while.
    Failed,
}

impl State {
    /// Does the datapath forward to it?
    pub const fn forwards(self) -> bool {
        match self {
            State::Static | State::Reachable | State::Stale | State::Delay | State::Probe => true,
            State::Incomplete | State::Failed => false,
        }
    }
}

/// A neighbour.
#[derive(Debug)]
pub struct Entry {
    /// What is known of it.
    pub state: State,
    /// Its station address, if the state forwards.
    pub mac: Mac,
    /// When it was last known to be there, or first asked for.
    pub confirmed: Instant,
    /// When something is to be done about it.
    pub due: Option<Instant>,
    /// How often it was asked in this state.
    pub asked: u8,
    /// It says that it is a router.
    pub router: bool,
    /// Frames that wait for it; only while incomplete.
    pub queue: Queue,
}

impl Entry {
    /// Not known yet.
    pub fn new(now: Instant) -> Entry {
        let (state, mac, queue) = (State::Incomplete, Mac::ZERO, Queue::default());
        Entry { state, mac, confirmed: now, due: None, asked: 0, router: false, queue }
    }

    fn forwarding(&self) -> Option<Mac> {
        self.state.forwards().then_some(self.mac)
    }
}

/// The neighbours of one interface.
#[derive(Debug)]
pub struct Table {
    vlan: VlanId,
    entries: BTreeMap<IpAddr, Entry>,
    /// `Entry::due`, in order.
    due: BTreeSet<(Instant, IpAddr)>,
    /// Entries that do not forward, oldest first.
    unresolved: BTreeSet<(Instant, IpAddr)>,
    statics: usize,
}

impl Table {
    /// No neighbours.
    pub fn new(vlan: VlanId) -> Table {
        Table { vlan, entries: BTreeMap::new(), due: BTreeSet::new(), unresolved: BTreeSet::new(), statics: 0 }
    }

    /// The neighbour with this address.
    pub fn get(&self, ip: IpAddr) -> Option<&Entry> {
        self.entries.get(&ip)
    }

    /// All, by address.
    pub fn iter(&self) -> impl Iterator<Item = (IpAddr, &Entry)> {
        self.entries.iter().map(|(ip, entry)| (*ip, entry))
    }

    /// How many are learned and known.
    pub fn dynamic(&self) -> usize {
        self.entries.len() - self.statics - self.unresolved.len()
    }

    /// How many are asked for or did not answer.
    pub fn unresolved(&self) -> usize {
        self.unresolved.len()
    }

    /// The one that has been asked for, or did not answer, longest.
    pub fn oldest_unresolved(&self) -> Option<IpAddr> {
        self.unresolved.first().map(|(_, ip)| *ip)
    }

    /// The one that has been asked for longest and has frames waiting, other than `ip`.
    pub fn oldest_waiting(&self, other: IpAddr) -> Option<IpAddr> {
        self.unresolved.iter().map(|(_, ip)| *ip).find(|ip| *ip != other && !self.entries[ip].queue.is_empty())
    }

    /// The learned one that something is to be done about first: it expires first, or is asked because it is in doubt.
    pub fn first_dynamic(&self) -> Option<IpAddr> {
        // Of those that do not forward there are few (they have a bound of their own); static ones wait for nothing.
        self.due.iter().map(|(_, ip)| *ip).find(|ip| self.entries[ip].state.forwards())
    }

    /// When something is to be done next, and about whom.
    pub fn next(&self) -> Option<(Instant, IpAddr)> {
        self.due.first().copied()
    }

    /// Changes a neighbour, which is made if it is not there, and tells the datapath if that changes where frames go.
    pub fn edit<R>(&mut self, now: Instant, ip: IpAddr, out: &mut Vec<Out>, change: impl FnOnce(&mut Entry) -> R) -> R {
        let mut entry = self.detach(ip).unwrap_or_else(|| Entry::new(now));
        let before = entry.forwarding();
        let result = change(&mut entry);
        match entry.forwarding() {
            Some(mac) if before != Some(mac) => out.push(Out::Add { vlan: self.vlan, ip, mac }),
            None if before.is_some() => out.push(Out::Remove { vlan: self.vlan, ip }),
            Some(_) | None => {}
        }
        self.attach(ip, entry);
        result
    }

    /// Forgets a neighbour.
    pub fn remove(&mut self, ip: IpAddr, out: &mut Vec<Out>) -> Option<Entry> {
        let entry = self.detach(ip)?;
        if entry.state.forwards() {
            out.push(Out::Remove { vlan: self.vlan, ip });
        }
        Some(entry)
    }

    fn detach(&mut self, ip: IpAddr) -> Option<Entry> {
        let entry = self.entries.remove(&ip)?;
        if let Some(due) = entry.due {
            self.due.remove(&(due, ip));
        }
        if !entry.state.forwards() {
            self.unresolved.remove(&(entry.confirmed, ip));
        }
        self.statics -= usize::from(entry.state == State::Static);
        Some(entry)
    }

    fn attach(&mut self, ip: IpAddr, entry: Entry) {
        if let Some(due) = entry.due {
            self.due.insert((due, ip));
        }
        if !entry.state.forwards() {
            self.unresolved.insert((entry.confirmed, ip));
        }
        self.statics += usize::from(entry.state == State::Static);
        self.entries.insert(ip, entry);
    }
}
