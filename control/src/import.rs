//! The routes that others entered into the kernel's main table by the switch's own netdevs, as far as they were told.
//!
//! The dump is asked for on the socket of events, so that what it says and what events say come in the order in which it
//! became so. Only while a part of the dump is being written can an event overtake it: during a dump the event counts. The
//! kernel flushes IPv4 routes silently when a device goes down and revives them silently: then everything is dumped anew, and
//! what is different is told.

use crate::input::{KernelHop, KernelRoute};
use crate::rib::Refusal;
use crate::rtmsg::{self, Hop, INET, INET6, Kind, Told};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound::{Included, Unbounded};
use std::sync::Arc;

/// The switch's own routes in the kernel are known by this number. (Neither /etc/iproute2/rt_protos nor FRR has it.)
pub const PROTOCOL: u8 = 77;
/// Who is no routing daemon: unspecified, redirects, the kernel itself, `ip route` without a word, router advertisements,
/// DHCP.
const HOST: [u8; 6] = [0, 1, 2, 3, 9, 16];
/// `static`, of network configurations on the host: what it drops is the host's business.
const STATIC: u8 = 4;

/// Of the same prefix there are routes of different metrics.
pub type Key = (IpNet, u32);

/// A route of a protocol that is so now, or gone.
type News = (Key, u8, Option<(Refusal, Arc<[Hop]>)>);

/// A route that is known.
#[derive(Clone, Debug)]
struct Known {
    protocol: u8,
    /// Was the switch told of it? If not it is a default route of the host's.
    told: bool,
    /// The dump in which, or during which, it was seen last.
    round: u32,
    hops: Arc<[Hop]>,
    /// Without hops: what is said of what it drops.
    refusal: Refusal,
}

/// Where a dump is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dump {
    None,
    Four,
    Six,
}

/// All that is known.
pub struct Import {
    /// The switch's own netdevs.
    netdevs: BTreeMap<u32, String>,
    known: BTreeMap<Key, Known>,
    /// The switch's own routes.
    own: BTreeMap<Key, Known>,
    /// Ways of routes; most routes have the same as many others.
    ways: BTreeSet<Arc<[Hop]>>,
    dump: Dump,
    round: u32,
    /// Gone since the dump began.
    gone: BTreeSet<Key>,
    /// What is known may be wrong.
    stale: bool,
    /// Nexthop objects (ip-nexthop(8)) that routes lead by.
    objects: BTreeSet<u32>,
    /// Netdevs that routes led by when they went down.
    down: BTreeSet<u32>,
    /// What is to be told, in order.
    news: VecDeque<News>,
    /// A default route came or went.
    defaults_changed: bool,
    hops: Vec<Hop>,
}

impl Default for Import {
    fn default() -> Import {
        Import {
            netdevs: BTreeMap::new(),
            known: BTreeMap::new(),
            own: BTreeMap::new(),
            ways: BTreeSet::new(),
            dump: Dump::None,
            round: 0,
            gone: BTreeSet::new(),
            stale: true,
            objects: BTreeSet::new(),
            down: BTreeSet::new(),
            news: VecDeque::new(),
            defaults_changed: false,
            hops: Vec::new(),
        }
    }
}

impl Import {
    /// Events were lost: what is known may be wrong.
    pub fn doubt(&mut self) {
        self.stale = true;
    }

    /// A netdev of the switch's went down or up, by which the kernel flushes and revives IPv4 routes without a word.
    pub fn flapped(&mut self, index: u32, up: bool) {
        self.own.retain(|_, known| known.hops.iter().all(|hop| hop.index != index));
        let used = self.ways.iter().any(|ways| ways.iter().any(|hop| hop.index == index));
        if !up && used {
            self.down.insert(index);
        }
        self.stale |= used | (up && self.down.remove(&index));
    }

    /// An IPv4 address of a netdev of the switch's went: if it was the last, the kernel flushed IPv4 routes without a word.
    pub fn lost_address(&mut self, index: u32) {
        self.own
            .retain(|(prefix, _), known| prefix.addr().is_ipv6() || known.hops.iter().all(|hop| hop.index != index));
        self.stale |= self.ways.iter().any(|ways| ways.iter().any(|hop| hop.index == index));
    }

    /// A nexthop object was changed or removed.
    pub fn object(&mut self, id: u32) {
        self.stale |= self.objects.contains(&id);
    }

    /// Is it time to read everything anew?
    pub fn is_due(&self) -> bool {
        self.stale && self.dump == Dump::None
    }

    /// Begins a dump: the request for it. [`Import::dumped`] is to be told when it is answered.
    pub fn begin(&mut self) -> [u8; 28] {
        self.stale = false;
        self.dump = Dump::Four;
        self.round += 1;
        self.objects.clear();
        rtmsg::dump(INET)
    }

    /// Is a dump under way?
    pub fn is_busy(&self) -> bool {
        self.dump != Dump::None
    }

    /// A family was dumped whole; what to ask for next.
    pub fn dumped(&mut self) -> Option<[u8; 28]> {
        if self.dump == Dump::Four {
            self.dump = Dump::Six;
            return Some(rtmsg::dump(INET6));
        }
        self.dump = Dump::None;
        self.gone.clear();
        let round = self.round;
        let missing = |map: &BTreeMap<Key, Known>| -> Vec<Key> {
            map.iter().filter(|(_, known)| known.round != round).map(|(key, _)| *key).collect()
        };
        self.own.retain(|_, known| known.round == round);
        missing(&self.known).into_iter().for_each(|key| self.forget(key));
        self.ways.retain(|ways| Arc::strong_count(ways) > 1);
        None
    }

    /// The dump was not answered.
    pub fn abandon(&mut self) {
        (self.dump, self.stale) = (Dump::None, true);
        self.gone.clear();
    }

    /// The switch's own netdevs, by index, from now on.
    pub fn set_netdevs(&mut self, netdevs: BTreeMap<u32, String>) {
        // Who came new just now has no routes yet; who was here before under another name had.
        self.stale |= self.netdevs.iter().any(|(index, name)| netdevs.get(index) != Some(name));
        self.netdevs = netdevs;
    }

    /// The switch's own netdevs, by index.
    pub fn netdevs(&self) -> &BTreeMap<u32, String> {
        &self.netdevs
    }

    /// The switch's own routes, as they are in the kernel: those to a prefix, or all.
    pub fn own(&self, prefix: Option<IpNet>) -> impl Iterator<Item = (&Key, &[Hop])> {
        let from = prefix.map_or(Unbounded, |prefix| Included((prefix, 0)));
        let to = prefix.map_or(Unbounded, |prefix| Included((prefix, u32::MAX)));
        self.own.range((from, to)).map(|(key, known)| (key, &known.hops[..]))
    }

    /// The devices that default routes leave by.
    pub fn defaults(&self) -> BTreeSet<u32> {
        let of = |zero: IpNet| self.known.range((zero, 0)..=(zero, u32::MAX));
        let all = of(Ipv4Net::default().into()).chain(of(Ipv6Net::default().into()));
        all.flat_map(|(_, known)| known.hops.iter().map(|hop| hop.index)).collect()
    }

    /// Did a default route come or go since this was asked last?
    pub fn have_defaults_changed(&mut self) -> bool {
        std::mem::take(&mut self.defaults_changed)
    }

    /// What is to be told, up to so many.
    pub fn news(&mut self, limit: usize) -> Vec<KernelRoute> {
        let netdevs = &self.netdevs;
        let hop = |hop: &Hop| {
            let device = netdevs.get(&hop.index)?.clone();
            Some(KernelHop { gateway: hop.gateway, device, weight: hop.weight })
        };
        let news = self.news.drain(..limit.min(self.news.len()));
        news.map(|((prefix, metric), protocol, way)| {
            let (refusal, hops) = way.map(|(refusal, hops)| (refusal, hops.iter().filter_map(hop).collect())).unzip();
            KernelRoute { prefix, protocol, metric, hops, refusal: refusal.unwrap_or_default() }
        })
        .collect()
    }

    /// Is there something to be told?
    pub fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// Takes a message about a route; `dumped`: it is part of a dump. Was it about one of the switch's own?
    pub fn take(&mut self, message: &[u8], dumped: bool) -> bool {
        let mut hops = std::mem::take(&mut self.hops);
        let told = rtmsg::read(message, &mut hops);
        let own = told.is_some_and(|told| self.learn(&told, &hops, dumped));
        self.hops = hops;
        own
    }

    fn learn(&mut self, told: &Told, hops: &[Hop], dumped: bool) -> bool {
        let key = (told.prefix, told.metric);
        let own = told.protocol == PROTOCOL;
        let known = if own { self.own.get_mut(&key) } else { self.known.get_mut(&key) };
        // Of several with the same prefix and metric the first counts: the dump tells it first.
        if dumped && (known.as_ref().is_some_and(|known| known.round == self.round) || self.gone.contains(&key)) {
            return false;
        }
        if told.gone {
            let Some(known) = known.filter(|known| known.protocol == told.protocol) else { return false };
            // A way of an IPv6 route is taken out by itself.
            let six = matches!(told.prefix, IpNet::V6(_)) && told.kind == Kind::Unicast;
            let left: Vec<Hop> = known.hops.iter().filter(|hop| six && !hops.contains(hop)).copied().collect();
            match (left.is_empty(), own) {
                (true, true) => drop(self.own.remove(&key)),
                (true, false) => self.forget(key),
                (false, _) => self.put(key, told.protocol, &left, Refusal::Silent),
            }
            if left.is_empty() && self.is_busy() {
                self.gone.insert(key);
            }
            return own;
        }
        if told.appended && matches!(told.prefix, IpNet::V4(_)) && known.is_some() {
            return false;
        }
        self.gone.remove(&key);
        self.objects.extend(told.object);
        let is_ours = |hop: &Hop| self.netdevs.contains_key(&hop.index);
        let counts = match told.kind {
            Kind::Unicast => !hops.is_empty() && hops.iter().all(is_ours),
            Kind::Null(_) => told.protocol != STATIC,
            Kind::Other => false,
        };
        let is_default = told.prefix.prefix_len() == 0 && told.kind == Kind::Unicast && !hops.is_empty();
        match own || is_default || (counts && !HOST.contains(&told.protocol)) {
            true => {
                // The ways of what drops are of no meaning (IPv6 says `lo`).
                let (hops, refusal) = match told.kind {
                    Kind::Unicast | Kind::Other => (hops, Refusal::Silent),
                    Kind::Null(refusal) => (&[][..], refusal),
                };
                self.put(key, told.protocol, hops, refusal);
            }
            // What was there before was replaced.
            false => self.forget(key),
        }
        own
    }

    fn put(&mut self, key: Key, protocol: u8, hops: &[Hop], refusal: Refusal) {
        let hops = match self.ways.get(hops) {
            Some(ways) => ways.clone(),
            None => {
                let ways: Arc<[Hop]> = hops.into();
                self.ways.insert(ways.clone());
                ways
            }
        };
        let ours = hops.iter().all(|hop| self.netdevs.contains_key(&hop.index));
        let told = ours && protocol != PROTOCOL && !HOST.contains(&protocol);
        let new = Known { protocol, told, round: self.round, hops, refusal };
        if protocol == PROTOCOL {
            self.own.insert(key, new);
            return;
        }
        self.defaults_changed |= key.0.prefix_len() == 0;
        let old = self.known.insert(key, new.clone());
        if let Some(old) = old.filter(|old| old.told) {
            if told && (old.protocol, old.refusal) == (protocol, refusal) && old.hops == new.hops {
                return;
            }
            if !told || old.protocol != protocol {
                self.news.push_back((key, old.protocol, None));
            }
        }
        if told {
            self.news.push_back((key, protocol, Some((refusal, new.hops))));
        }
    }

    fn forget(&mut self, key: Key) {
        let Some(old) = self.known.remove(&key) else { return };
        self.defaults_changed |= key.0.prefix_len() == 0;
        if old.told {
            self.news.push_back((key, old.protocol, None));
        }
    }
}
