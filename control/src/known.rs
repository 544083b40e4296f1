//! Neighbours over a restart: the text in `/run` that says who was known, and what is made of it. A switch that comes back
//! forwards to them at once, and asks those that it uses; else the first packets to each next hop would wait for an answer.
//!
//! The kernel's own table does not say it: Linux knows only those it speaks to itself, not those the switch forwards to.

use crate::input::Output;
use crate::switch::Switch;
use mona_model::names::InterfaceName;
use mona_proto::neigh::{In, State};
use mona_wire::{Instant, Mac, VlanId};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

/// So long after its start the switch believes what was before. Interfaces that come up later may have others behind them.
const FRESH: Duration = Duration::from_secs(60);

/// What is remembered.
#[derive(Default)]
pub(crate) struct Known {
    /// Somebody came or went since the text was written.
    pub(crate) changed: bool,
    /// As they were before the restart, of interfaces that are not up yet.
    before: BTreeMap<InterfaceName, Vec<(IpAddr, Mac)>>,
}

impl Switch {
    /// Those who are known now, a line each: interface, address, station. Static ones are configuration.
    pub fn known(&self, now: Instant) -> String {
        let names: BTreeMap<VlanId, InterfaceName> =
            self.state.routers.iter().filter_map(|(name, router)| Some((router.vlan?, *name))).collect();
        let mut text = String::new();
        for neighbour in self.neigh.entries(now) {
            let learned = neighbour.state.is_some_and(|state| state != State::Static);
            if let (true, Some(mac), Some(name)) = (learned, neighbour.mac, names.get(&neighbour.vlan)) {
                let _ = writeln!(text, "{name} {} {mac}", neighbour.ip);
            }
        }
        text
    }

    /// Those who were known before a restart, as [`Switch::known`] said. Lines that are none are left out: nobody is hurt.
    pub(crate) fn recall(&mut self, text: &str) {
        for line in text.lines() {
            let mut words = line.split(' ');
            let mut word = || words.next().unwrap_or_default();
            if let (Ok(name), Ok(ip), Ok(mac)) = (word().parse(), word().parse(), word().parse()) {
                self.known.before.entry(name).or_default().push((ip, mac));
            }
        }
        self.routes.changed = true;
    }

    /// The machine is told of those behind interfaces that are up now.
    pub(crate) fn recall_those_behind(&mut self, now: Instant) {
        if now.since(Instant::default()) > FRESH {
            self.known.before.clear();
        }
        let up: Vec<(InterfaceName, VlanId)> = self
            .known
            .before
            .keys()
            .filter_map(|name| Some((*name, self.state.routers.get(name).filter(|router| router.up)?.vlan?)))
            .collect();
        for (name, vlan) in up {
            let before = self.known.before.remove(&name).unwrap_or_default();
            let those: Vec<_> = before.into_iter().map(|(ip, mac)| (vlan, ip, mac)).collect();
            self.tell_neigh(now, In::Known(&those));
        }
    }

    /// The text is written anew, if it would be another.
    pub(crate) fn keep_known(&mut self, now: Instant) {
        if std::mem::take(&mut self.known.changed) {
            self.outputs.push(Output::KeepNeighbours(self.known(now)));
        }
    }
}
