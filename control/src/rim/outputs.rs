//! What the machine asks, carried out.

use super::{Opening, Rim};
use mona_control::counters::{Counted, FlowCounts};
use mona_control::input::{Input, Output};
use mona_control::save::{Job, keep};
use mona_datapath::fdb::Origin;
use mona_datapath::switching::{QUEUES_FREE, QUEUES_RETRY};
use mona_model::api::{LineError, Reply};
use mona_wire::Instant;

impl Rim {
    /// Does what the machine asks; returns what came of it, if that matters to it.
    pub(super) fn carry_out(&mut self, now: Instant, output: Output) -> Option<Input> {
        match output {
            Output::Reply { session, reply } => {
                // What was promised holds for the very next frame.
                self.synchronise();
                self.server.reply(session, reply);
            }
            Output::Show { session, id, context, action } => {
                // What is shown holds for the very next frame, too: a station that was seen elsewhere in this turn.
                self.synchronise();
                self.datapath.fold();
                let result = self.view(&session, |switch, view| switch.show(now, &action, view));
                let (shown, error) = match result {
                    Ok(shown) => (shown, None),
                    Err(text) => (Vec::new(), Some(LineError::Rejected { text })),
                };
                let hostname = self.switch.config.hostname.clone();
                self.server.reply(session.id, Reply { id, hostname, error, context, shown });
            }
            Output::Open { port, device, io } => {
                let opening = Opening { port, device, io, until: now + QUEUES_FREE, next: now };
                return self.open(now, opening);
            }
            Output::Close { port, .. } => {
                self.synchronise();
                self.opening.retain(|opening| opening.port != port);
                self.datapath.close(port);
                self.counters.forget(Counted::Port(port));
            }
            Output::SetUp { device, up } => {
                if let Err(e) = self.datapath.set_up(&device, up) {
                    self.stderr
                        .say(format!("switchd: {device} could not be set {}: {e}", if up { "up" } else { "down" }));
                }
            }
            Output::SetMtu { device, mtu } => {
                if let Err(e) = self.datapath.set_mtu(&device, mtu) {
                    self.stderr.say(format!("switchd: the MTU of {device} could not be set to {mtu}: {e}"));
                }
            }
            Output::Print(job) => self.printer.ask(job),
            Output::Probe(job) => return self.prober.start(job),
            Output::Host(plan) => {
                let wrong = self.netlink.plan(plan);
                self.complain(wrong);
            }
            Output::Inject { port, frame } => self.datapath.inject(port, &frame),
            Output::Publish(snapshot) => {
                self.datapath.publish(snapshot);
                self.datapath.flows().enable(!self.switch.config.flow_cache.off);
                for (port, guarded) in self.switch.guarded() {
                    if let Err(e) = self.datapath.guard(port, guarded) {
                        self.stderr.say(format!("switchd: {port}: {e}"));
                    }
                }
                self.unsynchronised = true;
            }
            Output::Raise(changes) => self.changes.append(changes),
            Output::Log(line) => {
                self.server.log(&line);
                self.stderr.say(line);
            }
            Output::Save { session, id, config } => self.saver.ask(Job { session, id, config }),
            Output::Keep(text) => {
                if let Err(why) = keep(&self.kept, &text) {
                    self.stderr.say(format!("switchd: the ports that hooks added are not kept: {why}"));
                }
            }
            Output::KeepNeighbours(text) => self.keep_neighbours(&text),
            Output::Monitor { session, on } => self.server.monitor(session, on),
            Output::ClearCounters(whose) => {
                // Once for all that are cleared together.
                if std::mem::replace(&mut self.folded, now) != now {
                    self.datapath.fold();
                }
                let raw = match whose {
                    Counted::Port(port) => {
                        let counts = FlowCounts::of(&self.datapath.flow_totals(), port);
                        self.counters.clear_flows(port, counts);
                        self.datapath.port_counters(port)
                    }
                    Counted::Vlan(vlan) => self.datapath.vlan_counters(vlan).as_port(),
                    Counted::Router(vlan) => self.datapath.router_counters(vlan).as_port(),
                };
                self.counters.clear(now, whose, raw);
            }
            Output::LookAgain(moved) => self.datapath.look_again(&moved),
            Output::ScanNeighbours => {
                self.datapath.fold();
                let neighbours = &self.switch.snapshot.routing.neighbours;
                let epoch = neighbours.epoch();
                let used: Vec<_> = neighbours.iter().filter(|n| n.epoch == epoch).map(|n| (n.vlan, n.ip())).collect();
                neighbours.set_epoch(epoch.wrapping_add(1));
                return Some(Input::NeighboursUsed(used));
            }
            Output::ClearMatches(slots) => {
                self.datapath.fold();
                for slot in slots {
                    self.counters.clear_matches(slot, self.datapath.matches(slot));
                }
            }
            Output::Scan { limit } => {
                self.datapath.fold();
                let fdb = self.datapath.fdb();
                let epoch = fdb.epoch();
                let idle: Vec<_> = fdb
                    .iter()
                    .filter(|s| s.origin == Origin::Dynamic && epoch.wrapping_sub(s.epoch) > limit)
                    .map(|s| (s.vlan, s.mac))
                    .collect();
                return (!idle.is_empty()).then_some(Input::Idle(idle));
            }
        }
        None
    }

    /// Opens a port; the answer comes later if its queues are busy, which they may be for a moment.
    fn open(&mut self, now: Instant, opening: Opening) -> Option<Input> {
        let Opening { port, device, io, until, .. } = opening;
        match self.datapath.try_open(port, &device, io, now < until) {
            Err(refused) if refused.busy => {
                self.opening.push(Opening { port, device, io, until, next: now + QUEUES_RETRY });
                None
            }
            result => {
                self.counters.forget(Counted::Port(port));
                Some(Input::Opened { port, device, result: result.map_err(|refused| refused.why.0) })
            }
        }
    }

    /// Tries again what was busy.
    pub(super) fn open_again(&mut self) {
        let now = self.now();
        // One by one: what comes of the first may take others back.
        while let Some(due) = self.opening.iter().position(|opening| opening.next <= now) {
            let opening = self.opening.remove(due);
            if let Some(input) = self.open(now, opening) {
                self.feed(input);
            }
        }
    }
}
