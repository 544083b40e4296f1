//! Makes Linux follow the [`HostPlan`]: of each of the switch's own interfaces a veth pair, whose near end has the interface's
//! name and addresses and whose far end is a port of the switch.
//!
//! What there is is compared with what is to be, and only the difference is done, so that a switch that was restarted adopts
//! what its predecessor left and nobody notices. Netdevs are known as ours by their alias, addresses and routes by their
//! protocol number; nothing else is touched.

mod giving;
mod messages;
mod present;

use crate::import::Key;
use crate::input::{HostLink, HostPlan};
use crate::request::Requests;
use crate::rtmsg::Hop;
use crate::sysctl::{self, Settings};
use giving::Giving;
use ipnet::IpNet;
use messages::{address_message, pair};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage as Message;
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkMessage};
use nix::errno::Errno;
use present::{Address, Netdev, addresses, netdevs};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a netdev that a predecessor left up stays so, whatever the plan: the ports behind it are still being opened, and a
/// netdev that goes down loses the routes of routing daemons.
const GRACE: Duration = Duration::from_secs(10);

/// The kernel's side of the plan.
pub struct Host {
    /// The alias of our netdevs.
    mark: String,
    plan: Arc<HostPlan>,
    /// What was set at which netdev.
    set: BTreeMap<u32, Settings>,
    /// Netdevs that a predecessor left up and that were not planned up yet, and until when they stay so.
    left: Option<BTreeSet<u32>>,
    until: Instant,
    /// The netdevs are as planned, or it was said why not.
    linked: bool,
    /// The routes, on their way to Linux.
    routes: Giving,
    /// What is wrong, and was said.
    wrong: BTreeSet<String>,
}

/// What following the plan came to.
#[derive(Default)]
pub struct Followed {
    /// The switch's own netdevs.
    pub netdevs: BTreeMap<u32, String>,
    /// Something was different from the plan.
    pub changed: bool,
    /// What cannot be as planned, and was not said yet: sentences.
    pub wrong: Vec<String>,
}

/// Ours, by name.
type Netdevs<'a> = BTreeMap<&'a str, &'a Netdev>;

/// Requests, each with what to say if it is refused.
type Batch = Vec<(Message, u16, String)>;

impl Host {
    /// For the switch of this name; it has no plan yet.
    pub fn new(name: &str) -> Host {
        Host {
            mark: format!("{name} host"),
            plan: Arc::default(),
            set: BTreeMap::new(),
            left: None,
            until: Instant::now() + GRACE,
            linked: false,
            routes: Giving::default(),
            wrong: BTreeSet::new(),
        }
    }

    /// What is to be from now on. Is there more to follow than its routes?
    pub fn plan(&mut self, plan: Arc<HostPlan>) -> bool {
        let linked = self.linked && plan.links == self.plan.links;
        if linked {
            self.routes.plan_routes(plan.routes.clone());
        }
        self.plan = plan;
        !linked
    }

    /// Our netdevs, as a predecessor left them.
    pub fn netdevs(&self, requests: &mut Requests) -> io::Result<BTreeMap<u32, String>> {
        let all = netdevs(requests)?;
        Ok(all.into_iter().filter(|(_, is)| is.alias == self.mark).map(|(name, is)| (is.index, name)).collect())
    }

    /// Are there netdevs of switches of other names?
    pub fn others(name: &str, requests: &mut Requests) -> io::Result<bool> {
        let own = Host::new(name);
        Ok(netdevs(requests)?.values().any(|is| own.is_of_another(is)))
    }

    fn is_of_another(&self, is: &Netdev) -> bool {
        is.alias.ends_with(" host") && is.alias != self.mark
    }

    /// Is a netdev of this name part of the plan?
    pub fn is_planned(&self, name: &str) -> bool {
        self.plan.links.iter().any(|(near, link)| near == name || link.peer == name)
    }

    /// Settings of this netdev may have been changed by somebody.
    pub fn doubt(&mut self, index: u32) {
        self.set.remove(&index);
    }

    /// Makes it so, but for the routes, which [`Host::give`] makes so little by little.
    pub fn follow(&mut self, requests: &mut Requests) -> io::Result<Followed> {
        let mut followed = Followed::default();
        let mut wrong = Vec::new();
        let mut plan = self.plan.clone();
        self.linked = false;
        let all = self.make(requests, &plan, &mut followed, &mut wrong)?;
        self.spare(&mut plan, &all);
        let ours = |(name, is): &(&String, &Netdev)| is.alias == self.mark && plan.links.contains_key(*name);
        let netdevs: Netdevs = all.iter().filter(ours).map(|(name, is)| (&name[..], is)).collect();
        for (name, is) in &netdevs {
            let link = &plan.links[*name];
            let settings = Settings { six: link.link_local.is_some(), dad: link.dad_attempts };
            if self.set.get(&is.index) != Some(&settings) {
                match sysctl::set(name, settings) {
                    Ok(()) => drop(self.set.insert(is.index, settings)),
                    Err(why) => wrong.push(format!("{name}: {why}")),
                }
            }
        }
        self.set.retain(|index, _| netdevs.values().any(|is| is.index == *index));
        let mut batch = Batch::new();
        for (name, is) in &netdevs {
            let link = &plan.links[*name];
            shape(name, link, is, all.get(&link.peer), &mut batch);
        }
        address(&plan, &netdevs, &addresses(requests)?, &mut batch, &mut wrong);
        let alone = !all.values().any(|is| self.is_of_another(is));
        let is_up = |name: &str| plan.links.get(name).is_some_and(|link| link.up);
        let netdevs_up = netdevs.iter().map(|(name, is)| (name.to_string(), (is.index, is_up(name)))).collect();
        self.routes.plan(plan.routes.clone(), netdevs_up, alone);
        followed.changed |= !batch.is_empty();
        carry_out(requests, batch, &mut wrong)?;
        followed.netdevs = netdevs.into_iter().map(|(name, is)| (is.index, name.into())).collect();
        followed.wrong = wrong.iter().filter(|what| !self.wrong.contains(*what)).cloned().collect();
        self.wrong = wrong.into_iter().collect();
        self.linked = true;
        Ok(followed)
    }

    /// Gives some of the routes to Linux, or takes some away. `own`: our routes as they are, those to a prefix or all. What
    /// cannot be, and was not said yet; `None`: there is nothing to do.
    pub fn give<'a, I: Iterator<Item = (&'a Key, &'a [Hop])>>(
        &mut self,
        requests: &mut Requests,
        own: impl Fn(Option<IpNet>) -> I,
    ) -> io::Result<Option<Vec<String>>> {
        self.routes.give(requests, own)
    }

    /// Are there routes that [`Host::give`] has to do with?
    pub fn is_giving(&self) -> bool {
        self.routes.is_due()
    }

    /// Our routes in Linux may not be what was planned.
    pub fn doubt_routes(&mut self) {
        self.routes.doubt();
    }

    /// Is there something to be done that could not be done at first?
    pub fn is_due(&self) -> bool {
        self.left.as_ref().is_some_and(|left| !left.is_empty()) && self.until <= Instant::now()
    }

    /// What a predecessor left up is not set down yet.
    fn spare(&mut self, plan: &mut Arc<HostPlan>, all: &BTreeMap<String, Netdev>) {
        let ours_and_up = |is: &&Netdev| is.alias == self.mark && is.up;
        let left = self.left.get_or_insert_with(|| all.values().filter(ours_and_up).map(|is| is.index).collect());
        if self.until <= Instant::now() {
            left.clear();
        }
        let left_ones = all.iter().filter(|(_, is)| left.contains(&is.index)).map(|(name, is)| (name, is.index));
        for (name, index) in left_ones.collect::<Vec<_>>() {
            match plan.links.get(name) {
                Some(link) if !link.up => {
                    Arc::make_mut(plan).links.entry(name.clone()).and_modify(|link| link.up = true);
                }
                _ => drop(left.remove(&index)),
            }
        }
    }

    /// Removes pairs that are not planned and makes those that are; what there is then.
    fn make(
        &self,
        requests: &mut Requests,
        plan: &HostPlan,
        followed: &mut Followed,
        wrong: &mut Vec<String>,
    ) -> io::Result<BTreeMap<String, Netdev>> {
        let is = netdevs(requests)?;
        let index_of = |name: &String| is.get(name).map(|is| is.index);
        let whole = |is: &Netdev, link: &HostLink| is.peer.is_some() && is.peer == index_of(&link.peer);
        let mut batch = Batch::new();
        let mut gone = BTreeSet::new();
        for (name, netdev) in &is {
            let planned = plan.links.get(name).is_some_and(|link| whole(netdev, link));
            if netdev.alias == self.mark && !planned {
                let mut message = LinkMessage::default();
                message.header.index = netdev.index;
                batch.push((Message::DelLink(message), 0, format!("{name} cannot be removed: ip link del {name}")));
                gone.insert(name);
            }
        }
        let mut marks = Batch::new();
        for (name, link) in &plan.links {
            match is.get(name).filter(|_| !gone.contains(name)) {
                Some(netdev) if netdev.alias == self.mark => continue,
                // Made a moment before a predecessor was killed.
                Some(netdev)
                    if netdev.alias.is_empty() && netdev.kind == Some(InfoKind::Veth) && whole(netdev, link) => {}
                // Somebody else's: the interface is down and says why.
                Some(_) => continue,
                None => {
                    let what = format!("the netdevs {name} and {} cannot be made", link.peer);
                    let flags = NLM_F_CREATE | NLM_F_EXCL;
                    batch.push((Message::NewLink(pair(name, link)), flags, what));
                }
            }
            let mut message = LinkMessage::default();
            message.attributes.push(LinkAttribute::IfName(name.clone()));
            message.attributes.push(LinkAttribute::IfAlias(self.mark.clone()));
            marks.push((Message::SetLink(message), 0, format!("{name} cannot be marked")));
        }
        if batch.is_empty() && marks.is_empty() {
            return Ok(is);
        }
        followed.changed = true;
        carry_out(requests, batch, wrong)?;
        // Of a pair that could not be made there is nothing to mark, which was said.
        carry_out(requests, marks, &mut Vec::new())?;
        for link in plan.links.values() {
            // The far end is the switch's: the kernel says nothing by it.
            let _ = sysctl::quiet(&link.peer);
        }
        netdevs(requests)
    }
}

/// Address, MTU, up or down.
fn shape(name: &str, link: &HostLink, is: &Netdev, peer: Option<&Netdev>, batch: &mut Batch) {
    let mut set = |index: u32, what: String, attribute: Option<LinkAttribute>, up: Option<bool>| {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.attributes.extend(attribute);
        if let Some(up) = up {
            message.header.change_mask = LinkFlags::Up;
            message.header.flags = if up { LinkFlags::Up } else { LinkFlags::empty() };
        }
        batch.push((Message::SetLink(message), 0, what));
    };
    if is.mac != Some(link.mac) {
        let what = format!("the address of {name} cannot be set to {}", link.mac);
        set(is.index, what, Some(LinkAttribute::Address(link.mac.0.to_vec())), None);
    }
    for (name, is) in [(&link.peer[..], peer), (name, Some(is))] {
        if let Some(is) = is.filter(|is| is.mtu != link.mtu) {
            let what = format!("the MTU of {name} cannot be set to {}", link.mtu);
            set(is.index, what, Some(LinkAttribute::Mtu(link.mtu)), None);
        }
    }
    if let Some(peer) = peer.filter(|peer| !peer.up) {
        set(peer.index, format!("{} cannot be set up", link.peer), None, Some(true));
    }
    if is.up != link.up {
        let what = format!("{name} cannot be set {}", if link.up { "up" } else { "down" });
        set(is.index, what, None, Some(link.up));
    }
}

/// The addresses of each netdev. Linux answers for those of a netdev that is down too: then it has none.
fn address(
    plan: &HostPlan,
    netdevs: &Netdevs,
    all: &BTreeMap<u32, Vec<Address>>,
    batch: &mut Batch,
    wrong: &mut Vec<String>,
) {
    for (name, netdev) in netdevs {
        let link = &plan.links[*name];
        let no_dad = link.dad_attempts == 0;
        let local = link.link_local.and_then(|address| IpNet::new(address.into(), 64).ok());
        let wanted: Vec<IpNet> = local.into_iter().chain(link.addresses.iter().copied()).collect();
        let wanted = if link.up { &wanted[..] } else { &[] };
        let is = all.get(&netdev.index).map_or(&[][..], |is| &is[..]);
        // Linux speaks as the first of its IPv4 addresses where nothing else decides: if that is to be another, all of
        // them go and come in order.
        let foreign = |net: &IpNet| is.iter().any(|is| !is.ours && is.net == *net);
        let first_is = is.iter().find(|is| is.ours && is.net.addr().is_ipv4() && wanted.contains(&is.net));
        let first = wanted.iter().find(|net| net.addr().is_ipv4() && !foreign(net));
        let reorder = first_is.is_some_and(|is| Some(&is.net) != first);
        let goes = |is: &Address| is.ours && (!wanted.contains(&is.net) || (reorder && is.net.addr().is_ipv4()));
        for Address { net, duplicate, .. } in is {
            if *duplicate && wanted.contains(net) {
                let what = format!("another station in the network of {name} has its address {}", net.addr());
                wrong.push(format!("{what}: it is not used"));
            }
        }
        let leave = |is: &Address| {
            let message = address_message(netdev.index, is.net, no_dad);
            (Message::DelAddress(message), 0, format!("{} cannot be taken from {name}", is.net))
        };
        let come = |net: &IpNet| {
            let message = address_message(netdev.index, *net, no_dad);
            (Message::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL, format!("{net} cannot be given to {name}"))
        };
        let comes = |net: &&IpNet| !is.iter().any(|is| is.net == **net && !goes(is));
        let (leaving, coming) = (is.iter().filter(|is| goes(is)).map(leave), wanted.iter().filter(comes).map(come));
        // With its last IPv4 address a netdev loses its routes: the next one comes before.
        match reorder {
            true => batch.extend(leaving.chain(coming)),
            false => batch.extend(coming.chain(leaving)),
        }
    }
}

/// What is to go may be gone: the kernel takes addresses and routes with a netdev that goes down.
const GONE: [Errno; 3] = [Errno::ESRCH, Errno::ENODEV, Errno::EADDRNOTAVAIL];

fn errno(e: &io::Error) -> Option<Errno> {
    e.raw_os_error().map(Errno::from_raw)
}

fn carry_out(requests: &mut Requests, batch: Batch, wrong: &mut Vec<String>) -> io::Result<()> {
    let is_removal = |message: &Message| matches!(message, Message::DelLink(_) | Message::DelAddress(_));
    let whats: Vec<_> = batch.iter().map(|(message, _, what)| (is_removal(message), what.clone())).collect();
    let results = requests.ask(batch.into_iter().map(|(message, flags, _)| (message, flags)).collect())?;
    for ((removal, what), result) in whats.into_iter().zip(results) {
        if let Err(e) = result
            && !(removal && errno(&e).is_some_and(|code| GONE.contains(&code)))
        {
            wrong.push(format!("{what}: {e}"));
        }
    }
    Ok(())
}
