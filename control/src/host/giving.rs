//! The static routes, given to Linux little by little: there may be a million, each of which takes the kernel some
//! microseconds, and who waits for the loop does not wait for them.

use super::messages::route_message;
use super::{GONE, errno};
use crate::import::Key;
use crate::input::{HostHop, HostRoute};
use crate::request::Requests;
use crate::rtmsg::Hop;
use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::RouteNetlinkMessage as Message;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;

/// Given in one turn of the loop: some milliseconds.
const TURN: usize = 512;
/// Sentences about routes that are kept: a netdev that vanishes may take a million along.
const SENTENCES: usize = 100;

/// The routes, and how far they are given.
#[derive(Default)]
pub(super) struct Giving {
    plan: Arc<BTreeMap<IpNet, HostRoute>>,
    /// Our netdevs: their indices, and are they up?
    netdevs: BTreeMap<String, (u32, bool)>,
    /// There is no other switch in this network namespace.
    alone: bool,
    /// What was planned may be different from what is there, or being given.
    due: bool,
    /// What is to be done, in order.
    changes: VecDeque<Change>,
    /// Routes without a way that were given: that they are ours nothing else says.
    nowhere: BTreeSet<Key>,
    /// What is wrong, and was said.
    wrong: BTreeSet<String>,
    was_wrong: BTreeSet<String>,
}

/// A route that is to be, or to be no more.
struct Change {
    key: Key,
    gone: bool,
    hops: Arc<[Hop]>,
}

impl Giving {
    /// What is to be from now on. All switches of a network namespace have one protocol number: what neither was given by us
    /// nor leads by our netdevs is another's, unless we are `alone`.
    pub fn plan(&mut self, plan: Arc<BTreeMap<IpNet, HostRoute>>, netdevs: BTreeMap<String, (u32, bool)>, alone: bool) {
        self.due |= !Arc::ptr_eq(&plan, &self.plan) || netdevs != self.netdevs || alone != self.alone;
        (self.plan, self.netdevs, self.alone) = (plan, netdevs, alone);
    }

    /// Somebody may have changed them.
    pub fn doubt(&mut self) {
        self.due = true;
    }

    /// Is there anything to do?
    pub fn is_due(&self) -> bool {
        self.due || !self.changes.is_empty()
    }

    /// Does some of it.
    pub fn give<'a>(
        &mut self,
        requests: &mut Requests,
        own: impl Iterator<Item = (&'a Key, &'a [Hop])>,
    ) -> io::Result<Option<Vec<String>>> {
        let mut said = Vec::new();
        if std::mem::take(&mut self.due) {
            self.was_wrong = std::mem::take(&mut self.wrong);
            self.compare(own, &mut said);
        }
        if self.changes.is_empty() {
            return Ok((!said.is_empty()).then_some(said));
        }
        let some: Vec<Change> = self.changes.drain(..TURN.min(self.changes.len())).collect();
        let request = |change: &Change| match route_message(change.key, &change.hops) {
            message if change.gone => (Message::DelRoute(message), 0),
            message => (Message::NewRoute(message), NLM_F_CREATE | NLM_F_REPLACE),
        };
        let results = requests.ask(some.iter().map(request).collect())?;
        for (change, result) in some.iter().zip(results) {
            match (result, change.gone) {
                (Err(e), true) if errno(&e).is_some_and(|code| GONE.contains(&code)) => {}
                (Err(e), true) => self.say(format!("the route to {} cannot be removed: {e}", change.key.0), &mut said),
                (Err(e), false) => {
                    self.say(format!("the route to {} cannot be given to Linux: {e}", change.key.0), &mut said);
                }
                (Ok(()), false) if change.hops.is_empty() => drop(self.nowhere.insert(change.key)),
                (Ok(()), _) => drop(self.nowhere.remove(&change.key)),
            }
        }
        Ok(Some(said))
    }

    fn say(&mut self, what: String, said: &mut Vec<String>) {
        if self.wrong.len() < SENTENCES && !self.was_wrong.contains(&what) {
            said.push(what.clone());
        }
        if self.wrong.len() < SENTENCES {
            self.wrong.insert(what);
        }
    }

    /// The hops of a way that are there and up; `None`: the route is not to be.
    fn hops(&self, way: &[HostHop]) -> Option<Arc<[Hop]>> {
        let up = |name: &String| self.netdevs.get(name).filter(|(_, up)| *up).map(|(index, _)| *index);
        let hop = |way: &HostHop| Some(Hop { index: up(way.device.as_ref()?)?, gateway: way.gateway, weight: 1 });
        let mut hops: Vec<Hop> = way.iter().filter_map(hop).collect();
        hops.sort_unstable();
        hops.dedup();
        (!hops.is_empty() || way.iter().any(|way| way.device.is_none())).then(|| hops.into())
    }

    /// What is different between plan and kernel. Both ascend.
    fn compare<'a>(&mut self, own: impl Iterator<Item = (&'a Key, &'a [Hop])>, said: &mut Vec<String>) {
        let mut changes = VecDeque::new();
        let mut known: BTreeMap<&[HostHop], Option<Arc<[Hop]>>> = BTreeMap::new();
        let plan = self.plan.clone();
        let wanted = plan.iter().filter_map(|(prefix, route)| {
            let hops = known.entry(&route.hops).or_insert_with(|| self.hops(&route.hops)).clone()?;
            // By this routing daemons know its distance: FRR takes it from the upper byte of the metric of others' routes.
            Some(((prefix.trunc(), u32::from(route.distance) << 24), hops))
        });
        let by_us: BTreeSet<u32> = self.netdevs.values().map(|(index, _)| *index).collect();
        let is_ours = |key: &Key, hops: &[Hop]| {
            self.alone || self.nowhere.contains(key) || hops.iter().any(|hop| by_us.contains(&hop.index))
        };
        let mut others = Vec::new();
        let mut wanted = wanted.peekable();
        let new = |(key, hops): (Key, Arc<[Hop]>)| Change { key, gone: false, hops };
        for (key, hops) in own {
            while let Some(wish) = wanted.next_if(|(next, _)| next < key) {
                changes.push_back(new(wish));
            }
            let wish = wanted.next_if(|(next, _)| next == key);
            let old = |hops: &[Hop]| Change { key: *key, gone: true, hops: hops.into() };
            match wish {
                Some((_, wanted)) if wanted[..] == *hops => {}
                Some(_) if !is_ours(key, hops) => others.push(key.0),
                None if !is_ours(key, hops) => {}
                // An IPv4 route is replaced whatever it was; an IPv6 one only by one of its kind.
                Some(wish) if key.0.addr().is_ipv4() => changes.push_back(new(wish)),
                Some(wish) => changes.extend([old(hops), new(wish)]),
                None => changes.push_back(old(hops)),
            }
        }
        changes.extend(wanted.map(new));
        self.changes = changes;
        for prefix in others {
            self.say(format!("another switch of this host has a route to {prefix} in Linux: ours is not there"), said);
        }
    }
}
