//! The static routes, given to Linux little by little: there may be a million, each of which takes the kernel some
//! microseconds, and who waits for the loop does not wait for them.

use super::messages::route_message;
use super::{GONE, errno};
use crate::import::Key;
use crate::input::{HostHop, HostRoute};
use crate::request::Requests;
use crate::rtmsg::Hop;
use ipnet::IpNet;
use mona_model::shared::SharedMap;
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
    plan: SharedMap<IpNet, HostRoute>,
    /// Our netdevs: their indices, and are they up?
    netdevs: BTreeMap<String, (u32, bool)>,
    /// There is no other switch in this network namespace.
    alone: bool,
    /// What was planned may be different from what is there, or being given…
    due: bool,
    /// …or only these may.
    planned: BTreeSet<IpNet>,
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
    pub fn plan(&mut self, routes: SharedMap<IpNet, HostRoute>, netdevs: BTreeMap<String, (u32, bool)>, alone: bool) {
        self.due |= netdevs != self.netdevs || alone != self.alone;
        (self.netdevs, self.alone) = (netdevs, alone);
        self.plan_routes(routes);
    }

    /// The same netdevs as before, and these routes.
    pub fn plan_routes(&mut self, routes: SharedMap<IpNet, HostRoute>) {
        let different = routes.different(&self.plan).into_iter().copied();
        // What is still on its way to Linux is not what is there.
        match self.due || !self.changes.is_empty() {
            true => self.due |= different.count() > 0,
            false => self.planned.extend(different),
        }
        self.plan = routes;
    }

    /// Somebody may have changed them.
    pub fn doubt(&mut self) {
        self.due = true;
    }

    /// Is there anything to do?
    pub fn is_due(&self) -> bool {
        self.due || !self.planned.is_empty() || !self.changes.is_empty()
    }

    /// Does some of it. `own`: our routes as they are in Linux, those to a prefix or all.
    pub fn give<'a, I: Iterator<Item = (&'a Key, &'a [Hop])>>(
        &mut self,
        requests: &mut Requests,
        own: impl Fn(Option<IpNet>) -> I,
    ) -> io::Result<Option<Vec<String>>> {
        let mut said = Vec::new();
        self.prepare(own, &mut said);
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

    /// What was planned and what is there, compared where they may differ.
    fn prepare<'a, I: Iterator<Item = (&'a Key, &'a [Hop])>>(
        &mut self,
        own: impl Fn(Option<IpNet>) -> I,
        said: &mut Vec<String>,
    ) {
        let (due, planned) = (std::mem::take(&mut self.due), std::mem::take(&mut self.planned));
        let plan = self.plan.clone();
        if due {
            self.was_wrong = std::mem::take(&mut self.wrong);
            self.changes.clear();
            return self.compare(plan.iter(), own(None), said);
        }
        for prefix in planned {
            let wanted = plan.get(&prefix).map(|route| (&prefix, route));
            self.compare(wanted.into_iter(), own(Some(prefix)), said);
        }
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
    fn compare<'a, 'b>(
        &mut self,
        plan: impl Iterator<Item = (&'a IpNet, &'a HostRoute)>,
        own: impl Iterator<Item = (&'b Key, &'b [Hop])>,
        said: &mut Vec<String>,
    ) {
        let mut changes = VecDeque::new();
        let mut known: BTreeMap<&[HostHop], Option<Arc<[Hop]>>> = BTreeMap::new();
        let wanted = plan.filter_map(|(prefix, route)| {
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
        self.changes.extend(changes);
        for prefix in others {
            self.say(format!("another switch of this host has a route to {prefix} in Linux: ours is not there"), said);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    /// Routes a line each: `PREFIX DISTANCE [NETDEV GATEWAY]…`; without a way they lead nowhere.
    fn planned(lines: &[&str]) -> SharedMap<IpNet, HostRoute> {
        let route = |line: &&str| {
            let words: Vec<&str> = line.split(' ').collect();
            let hop = |way: &[&str]| HostHop { gateway: way[1].parse().ok(), device: Some(way[0].into()) };
            let mut hops: Vec<HostHop> = words[2..].chunks(2).map(hop).collect();
            if hops.is_empty() {
                hops.push(HostHop { gateway: None, device: None });
            }
            let distance = words[1].parse().expect("a distance");
            (words[0].parse().expect("a prefix"), HostRoute { distance, hops: hops.into() })
        };
        lines.iter().map(route).collect()
    }

    /// The same as the kernel has it: `PREFIX DISTANCE [INDEX GATEWAY]…`.
    fn present(lines: &[&str]) -> BTreeMap<Key, Vec<Hop>> {
        let route = |line: &&str| {
            let words: Vec<&str> = line.split(' ').collect();
            let gateway = |text: &str| text.parse::<IpAddr>().ok();
            let hop =
                |way: &[&str]| Hop { index: way[0].parse().expect("an index"), gateway: gateway(way[1]), weight: 1 };
            let metric = words[1].parse::<u32>().expect("a distance") << 24;
            ((words[0].parse().expect("a prefix"), metric), words[2..].chunks(2).map(hop).collect())
        };
        lines.iter().map(route).collect()
    }

    /// A plan's, as they are told and as they are.
    struct Linux {
        giving: Giving,
        own: BTreeMap<Key, Vec<Hop>>,
    }

    impl Linux {
        fn new(alone: bool, plan: &[&str], own: &[&str]) -> Linux {
            let netdevs = [("vlan10", 1, true), ("vlan20", 2, true), ("vlan30", 3, false)];
            let netdevs = netdevs.into_iter().map(|(name, index, up)| (name.to_string(), (index, up))).collect();
            let mut giving = Giving::default();
            giving.plan(planned(plan), netdevs, alone);
            Linux { giving, own: present(own) }
        }

        /// What is to be done, and what is wrong.
        fn changes(&mut self) -> (Vec<String>, Vec<String>) {
            let mut wrong = Vec::new();
            let to = |prefix: Option<IpNet>| {
                let own = self.own.iter().filter(move |(key, _)| prefix.is_none_or(|prefix| key.0 == prefix));
                own.map(|(key, hops)| (key, &hops[..]))
            };
            self.giving.prepare(to, &mut wrong);
            let show = |change: &Change| {
                let hop = |hop: &Hop| format!(" {} {}", hop.index, hop.gateway.map_or("-".into(), |ip| ip.to_string()));
                let (prefix, metric) = change.key;
                let sign = if change.gone { '-' } else { '+' };
                format!("{sign}{prefix} {}{}", metric >> 24, change.hops.iter().map(hop).collect::<String>())
            };
            (self.giving.changes.iter().map(show).collect(), wrong)
        }

        /// They are as told.
        fn done(&mut self) {
            for change in self.giving.changes.drain(..) {
                match change.gone {
                    true => drop(self.own.remove(&change.key)),
                    false => drop(self.own.insert(change.key, change.hops.to_vec())),
                }
            }
        }
    }

    fn check(alone: bool, plan: &[&str], own: &[&str], changes: &[&str], said: &[&str]) {
        let found = Linux::new(alone, plan, own).changes();
        assert_eq!(
            found,
            (changes.iter().map(|s| s.to_string()).collect(), said.iter().map(|s| s.to_string()).collect())
        );
    }

    #[test]
    fn of_a_new_plan_only_what_is_new_is_looked_at() {
        let plan = ["20.0.0.0/8 1 vlan10 10.0.10.2", "30.0.0.0/8 1 vlan10 10.0.10.2", "40.0.0.0/8 1"];
        let mut linux = Linux::new(true, &plan, &[]);
        assert_eq!(linux.changes().0.len(), 3);
        linux.done();
        // Somebody took one away, which is nobody's business until it is doubted.
        linux.own.remove(&("40.0.0.0/8".parse().expect("a prefix"), 1 << 24));
        let other = ["20.0.0.0/8 5 vlan10 10.0.10.2", "40.0.0.0/8 1", "50.0.0.0/8 1 vlan20 10.0.20.2"];
        linux.giving.plan_routes(planned(&other));
        let expect = [
            "-20.0.0.0/8 1 1 10.0.10.2",
            "+20.0.0.0/8 5 1 10.0.10.2",
            "-30.0.0.0/8 1 1 10.0.10.2",
            "+50.0.0.0/8 1 2 10.0.20.2",
        ];
        assert_eq!(linux.changes(), (expect.map(String::from).to_vec(), Vec::new()));
        // What is on its way is not there yet: all is looked at.
        linux.giving.plan_routes(planned(&plan));
        assert_eq!(linux.changes(), (vec!["+40.0.0.0/8 1".to_string()], Vec::new()));
        linux.done();
        linux.giving.plan_routes(planned(&plan));
        assert!(!linux.giving.is_due());
    }

    #[test]
    fn only_what_differs_is_given() {
        let plan =
            ["20.0.0.0/8 1 vlan10 10.0.10.2", "30.0.0.0/8 1", "40.0.0.0/8 200 vlan20 10.0.20.2 vlan10 10.0.10.2"];
        let own = ["20.0.0.0/8 1 1 10.0.10.2", "30.0.0.0/8 1", "40.0.0.0/8 200 1 10.0.10.2 2 10.0.20.2"];
        check(
            true,
            &plan,
            &[],
            &["+20.0.0.0/8 1 1 10.0.10.2", "+30.0.0.0/8 1", "+40.0.0.0/8 200 1 10.0.10.2 2 10.0.20.2"],
            &[],
        );
        check(true, &plan, &own, &[], &[]);
        check(
            true,
            &[],
            &own,
            &["-20.0.0.0/8 1 1 10.0.10.2", "-30.0.0.0/8 1", "-40.0.0.0/8 200 1 10.0.10.2 2 10.0.20.2"],
            &[],
        );
        // Another distance is another route; another way replaces the one of IPv4 and follows the one of IPv6.
        check(
            true,
            &["20.0.0.0/8 5 vlan10 10.0.10.2"],
            &own[..1],
            &["-20.0.0.0/8 1 1 10.0.10.2", "+20.0.0.0/8 5 1 10.0.10.2"],
            &[],
        );
        check(true, &["20.0.0.0/8 1 vlan20 10.0.20.2"], &own[..1], &["+20.0.0.0/8 1 2 10.0.20.2"], &[]);
        check(
            true,
            &["2001:db8::/32 1 vlan20 fe80::1"],
            &["2001:db8::/32 1 1 fe80::1"],
            &["-2001:db8::/32 1 1 fe80::1", "+2001:db8::/32 1 2 fe80::1"],
            &[],
        );
    }

    #[test]
    fn a_netdev_that_is_down_or_not_there_has_none() {
        check(true, &["20.0.0.0/8 1 vlan30 10.0.30.2", "30.0.0.0/8 1 vlan99 10.0.99.2"], &[], &[], &[]);
        check(
            true,
            &["20.0.0.0/8 1 vlan30 10.0.30.2 vlan10 10.0.10.2"],
            &["20.0.0.0/8 1 1 10.0.10.2 3 10.0.30.2"],
            &["+20.0.0.0/8 1 1 10.0.10.2"],
            &[],
        );
    }

    #[test]
    fn what_is_another_switchs_stays() {
        let theirs = ["20.0.0.0/8 1 9 10.9.0.2", "30.0.0.0/8 1"];
        check(false, &[], &theirs, &[], &[]);
        check(
            false,
            &["20.0.0.0/8 1 vlan10 10.0.10.2"],
            &theirs,
            &[],
            &["another switch of this host has a route to 20.0.0.0/8 in Linux: ours is not there"],
        );
        check(false, &[], &["20.0.0.0/8 1 1 10.0.10.2"], &["-20.0.0.0/8 1 1 10.0.10.2"], &[]);
    }
}
