//! The whole control plane as one deterministic machine: [`Switch::step`] takes what happened and says what is to be done.
//! No clock, socket, thread, randomness or hash order inside.
//!
//! ```text
//!   Line ──parse──▶ clone ▶ edit ▶ swap ─┐
//!   Device, Opened ──────────▶ State ────┼─▶ match_ports ─▶ compile ─▶ Publish
//!   Seen, Idle ──────────────▶ Fdb       └─▶ Open, Close, SetUp, Log, Keep, Reply
//! ```

use crate::compile::{Made, compile, served};
use crate::counters::Counted;
use crate::fib::Fib;
use crate::hooks::Waiting;
use crate::input::{Device, Input, Output, Session};
use crate::known::Known;
use crate::learn::Learn;
use crate::log::Log;
use crate::printer::{Job, Text};
use crate::router::Routes;
use crate::state::State;
use mona_datapath::changes::Changes;
use mona_datapath::out::Told;
use mona_datapath::switching::IoChoice;
use mona_datapath::{Fdb, Snapshot};
use mona_model::api::{LineError, Reply};
use mona_model::config::Config;
use mona_model::grammar::{Parsed, parse};
use mona_model::names::InterfaceName;
use mona_model::rows::Action;
use mona_model::shown::Shown;
use mona_proto::neigh::{In, Neigh};
use mona_wire::{Instant, Mac, PortId, VlanId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The switch.
pub struct Switch {
    /// What the operator said.
    pub config: Config,
    /// What the network said.
    pub state: State,
    /// The log.
    pub log: Log,
    /// What learning remembers.
    pub learn: Learn,
    /// The stations: `learn.rs` alone writes them.
    pub fdb: Arc<Fdb>,
    /// What workers do.
    pub snapshot: Arc<Snapshot>,
    /// What its VLANs were made of.
    made: Made,
    /// The routes.
    pub routes: Routes,
    /// The routes as workers see them.
    pub fib: Fib,
    /// ARP, ND and ICMP errors.
    pub neigh: Neigh,
    /// Neighbours over a restart.
    pub(crate) known: Known,
    /// When workers are to be asked to whom they sent.
    pub(crate) next_ask: Option<Instant>,
    /// What `io auto` means.
    pub(crate) default_io: IoChoice,
    pub(crate) outputs: Vec<Output>,
    pub(crate) waiting: BTreeMap<InterfaceName, Vec<Waiting>>,
    /// What changed that flows may depend on, beside what learning and routes say.
    pub(crate) changes: Changes,
    /// Something that the snapshot is made of changed.
    pub(crate) changed: bool,
    /// What hooks added, or its settings, may have changed.
    pub(crate) rekeep: bool,
    statics: BTreeMap<(VlanId, Mac), PortId>,
    /// What is kept of what hooks added.
    pub(crate) kept: String,
    next_epoch: Instant,
}

impl Switch {
    /// A switch without configuration, whose stations are in `fdb` and whose `io auto` is `default_io`.
    /// Routes and neighbours go to `fib`.
    pub fn new(fdb: Arc<Fdb>, fib: Fib, default_io: IoChoice) -> Switch {
        Switch {
            config: Config::default(),
            state: State::default(),
            log: Log::default(),
            learn: Learn::default(),
            snapshot: Arc::new(Snapshot::routing(fdb.clone(), fib.routing().clone())),
            fdb,
            made: Made::default(),
            routes: Routes::default(),
            fib,
            neigh: Neigh::default(),
            known: Known::default(),
            next_ask: None,
            default_io,
            outputs: Vec::new(),
            waiting: BTreeMap::new(),
            changes: Changes::default(),
            changed: true,
            rekeep: false,
            statics: BTreeMap::new(),
            kept: String::new(),
            next_epoch: Instant::default(),
        }
    }

    /// Takes one input and says what is to be done about it.
    pub fn step(&mut self, now: Instant, input: Input) -> Vec<Output> {
        match input {
            Input::Time => {}
            Input::Wall(micros) => self.log.wall = micros,
            Input::Startup(text) => self.load(now, &text, "startup-config"),
            Input::Restore(text) => self.restore(now, &text),
            Input::Neighbours(text) => self.recall(&text),
            Input::Line { session, id, context, line } => self.line(now, session, id, context, &line),
            Input::Device(device) => {
                // Renamed, or another of the same name whose going nobody told: what was before is gone.
                let was = |(name, d): &(&String, &Device)| (**name == device.name) != (d.ifindex == device.ifindex);
                let gone: Vec<String> = self.state.devices.iter().filter(was).map(|(name, _)| name.clone()).collect();
                gone.iter().for_each(|name| self.device_gone(now, name));
                self.state.devices.insert(device.name.clone(), device);
                self.changed = true;
            }
            Input::DeviceGone { ifindex, name } => {
                if self.state.devices.get(&name).is_some_and(|d| d.ifindex == ifindex) {
                    self.device_gone(now, &name);
                }
            }
            Input::Opened { port, device, result } => self.opened(now, port, &device, result),
            Input::Seen(seen) => self.learn.seen(now, &seen, &self.snapshot, &self.state, &mut self.log),
            Input::Idle(idle) => self.learn.idle(&self.fdb, &idle),
            // No protocol takes them yet; they are counted where they came in, unless that port is gone.
            Input::Frame { port, .. } if self.snapshot.port(port).is_some() => {
                *self.state.reserved.entry(port).or_default() += 1;
            }
            Input::Frame { .. } => {}
            Input::Identity { mac, name } => {
                (self.state.mac, self.state.own) = (mac, name);
                self.changed = true;
            }
            Input::Left(left) => self.state.left = left.into_iter().collect(),
            Input::Routes(routes) => self.kernel_routes(now, routes),
            Input::Exception { port, why: Told::Listed { slot, .. }, bytes, .. } => {
                let input = self.state.interface_of(port);
                self.state.lists.logged(now, slot, input, &bytes, &self.config, &mut self.log);
            }
            Input::Exception { port, vlan, why, bytes } => self.exception(now, port, vlan, why, &bytes),
            Input::NeighboursUsed(used) => self.neighbours_used(now, &used),
            Input::Probed { session, id, context, result } => match result {
                Ok(shown) => self.reply(session, id, &context, vec![shown]),
                Err(text) => self.reject(session, id, &context, LineError::Rejected { text }),
            },
            Input::Saved { session, id, result } => match result {
                Ok(()) => {
                    let lines = ["Building configuration...", "[OK]"].map(String::from).to_vec();
                    self.reply(session, id, &[], vec![Shown::Text(lines)]);
                }
                Err(text) => self.reject(session, id, &[], LineError::Rejected { text }),
            },
        }
        self.age(now);
        self.expire_neigh(now);
        self.finish(now)
    }

    /// When [`Input::Time`] is due next.
    pub fn deadline(&self) -> Option<Instant> {
        let aging = (self.config.mac.aging_secs > 0).then_some(self.next_epoch);
        [aging, self.neigh_deadline()].into_iter().flatten().min()
    }

    /// What follows from any input: ports, stations, snapshot, kept ports, log.
    fn finish(&mut self, now: Instant) -> Vec<Output> {
        if self.changed {
            self.match_ports(now);
            self.publish(now);
        }
        if std::mem::take(&mut self.routes.changed) {
            if self.route(now) {
                self.configure_neigh(now);
            }
            self.recall_those_behind(now);
        }
        if std::mem::take(&mut self.rekeep) {
            let kept = self.kept();
            if kept != self.kept {
                self.kept.clone_from(&kept);
                self.outputs.push(Output::Keep(kept));
            }
        }
        if !self.learn.moved.is_empty() {
            self.outputs.push(Output::LookAgain(std::mem::take(&mut self.learn.moved)));
        }
        self.changes.append(std::mem::take(&mut self.learn.changes));
        self.changes.append(std::mem::take(&mut self.fib.changes));
        if !self.changes.is_empty() {
            // First: it is raised with what is published, before anybody gets an answer.
            self.outputs.insert(0, Output::Raise(std::mem::take(&mut self.changes)));
        }
        let fresh = self.log.take_fresh();
        self.outputs.extend(fresh.into_iter().map(Output::Log));
        std::mem::take(&mut self.outputs)
    }

    /// Compiles and publishes; static stations follow.
    pub(crate) fn publish(&mut self, now: Instant) {
        if !self.state.routers.is_empty() {
            let served = served(&self.config, &self.state);
            self.watch_routers(now, &served);
        }
        let number = self.snapshot.number + 1;
        let (snapshot, made) = compile(&self.config, &self.state, &self.snapshot, &self.made, number);
        let snapshot = Arc::new(snapshot);
        self.made = made;
        self.changes.append(Changes::between(&self.snapshot, &snapshot));
        self.learn.forget(&self.snapshot, &snapshot);
        let port_of = |name: &InterfaceName| self.state.ports.get(name).filter(|p| p.opened.is_some()).map(|p| p.id);
        let statics: BTreeMap<_, _> = self
            .config
            .mac
            .statics
            .iter()
            .filter(|((vlan, _), _)| snapshot.vlan(*vlan).is_some())
            .filter_map(|(key, name)| Some((*key, port_of(name)?)))
            .chain(self.own_stations())
            .collect();
        if statics != self.statics {
            self.statics = self.learn.set_statics(&self.fdb, statics);
        }
        self.snapshot = snapshot.clone();
        self.changed = false;
        (self.routes.changed, self.routes.shaped) = (true, true);
        self.outputs.push(Output::Publish(snapshot));
    }

    /// How long an epoch lasts, and after how many a station is idle: between the ageing time and a sixteenth (at least a
    /// second) more. What is left of an epoch when the station is seen and when it is missed comes on top of the ageing
    /// time, so two epochs make that sixteenth.
    pub(crate) fn epochs(&self) -> (Duration, u16) {
        let aging = u64::from(self.config.mac.aging_secs);
        let tick = (aging / 32).clamp(1, 3600);
        (Duration::from_secs(tick), aging.div_ceil(tick).min(u64::from(u16::MAX / 2)) as u16)
    }

    fn age(&mut self, now: Instant) {
        if self.config.mac.aging_secs == 0 || now < self.next_epoch {
            return;
        }
        let (tick, limit) = self.epochs();
        self.next_epoch = now + tick;
        self.fdb.set_epoch(self.fdb.epoch().wrapping_add(1));
        self.outputs.push(Output::Scan { limit });
    }

    fn device_gone(&mut self, now: Instant, name: &str) {
        self.state.devices.remove(name);
        self.changed = true;
        let hooked =
            self.state.hooked.iter().copied().find(|interface| {
                self.config.interfaces.get(interface).is_some_and(|i| i.device.as_deref() == Some(name))
            });
        if let Some(interface) = hooked {
            self.refuse_waiting(interface, &format!("{name} vanished while it was being opened"));
            self.unplug(now, interface);
        }
    }

    /// Puts a new configuration in the place of the old one.
    pub(crate) fn set_config(&mut self, now: Instant, config: Config) {
        if config.mac.aging_secs != self.config.mac.aging_secs {
            self.learn.refresh(&self.fdb);
            self.next_epoch = now;
        }
        self.rekeep = true;
        self.log.resize(config.logging.buffered);
        if config.access_lists != self.config.access_lists {
            let fresh = self.state.lists.configure(&config);
            self.outputs.push(Output::ClearMatches(fresh));
        }
        self.routes.fixed.edit(&self.config.routing, &config.routing);
        let gone = self.config.vlans.keys().filter(|vlan| !config.vlans.contains_key(vlan));
        let gone: Vec<_> = gone.map(|vlan| Output::ClearCounters(Counted::Vlan(*vlan))).collect();
        self.config = config;
        self.match_ports(now);
        self.publish(now);
        self.outputs.extend(gone);
    }

    /// Reads a whole configuration as one transaction: what is unusable is reported with its number, the rest applies.
    pub(crate) fn load(&mut self, now: Instant, text: &str, what: &str) {
        let mut config = self.config.clone();
        let start = vec!["configure terminal".to_string()];
        let mut context = start.clone();
        // The head of a section was unusable: its lines must not reach the section before.
        let mut lost = false;
        let said = |index: usize, line: &str, problem: &str| {
            let line: String = line.trim().chars().take(80).collect();
            format!("{what} line {}: \"{line}\": {problem}", index + 1)
        };
        let mut lines = text.lines().enumerate();
        while let Some((index, line)) = lines.next() {
            let inside = line.starts_with(' ') && !line.trim().is_empty();
            lost &= inside || line.trim().is_empty();
            if lost && inside {
                self.log.add(now, "%SYS-4-CONFIG_LINE", &said(index, line, "its section is unusable"));
                continue;
            }
            let mut parsed = parse(&config, &context, 15, line);
            if let Ok(Parsed::More(text)) = &mut parsed {
                // A text without an end is one unusable line: it must not take the rest of the file along.
                let mut ahead = lines.clone();
                if let Some(whole) = ahead.find_map(|(_, line)| text.add(line)) {
                    lines = ahead;
                    parsed = parse(&config, &context, 15, &whole);
                }
            }
            let problem = match parsed {
                Ok(Parsed::Config(command)) => {
                    // A line that is refused leaves what the lines before it made.
                    let tried = command.apply(&mut config);
                    tried.map(|applied| context = applied.context).err()
                }
                Ok(Parsed::Context(_)) => {
                    context.clone_from(&start);
                    None
                }
                Ok(Parsed::Local(_)) => None,
                Ok(Parsed::More(text)) => Some(format!("its text does not end with {}", text.delimiter())),
                Ok(Parsed::Exec(_)) => Some("this is no configuration line".to_string()),
                Err(error) => Some(sentence(&error)),
            };
            if let Some(problem) = problem {
                lost = !inside;
                self.log.add(now, "%SYS-4-CONFIG_LINE", &said(index, line, &problem));
            }
        }
        self.set_config(now, config);
    }

    fn line(&mut self, now: Instant, session: Session, id: u64, context: Vec<String>, line: &str) {
        if !context.is_empty() && session.privilege < 15 {
            let text = "Configuring needs privilege 15: a member of mona-admin or root has it".into();
            return self.reject(session.id, id, &[], LineError::Denied { text });
        }
        match parse(&self.config, &context, session.privilege, line) {
            Err(error) => self.reject(session.id, id, &context, error),
            Ok(Parsed::Local(_)) => self.reply(session.id, id, &context, Vec::new()),
            // Who asks sends the whole text with it.
            Ok(Parsed::More(_)) => self.reject(session.id, id, &context, LineError::Incomplete),
            Ok(Parsed::Context(to)) => {
                if to.is_empty() && !context.is_empty() {
                    let text = format!("Configured from console by {} on {}", session.user, session.origin);
                    self.log.add(now, "%SYS-5-CONFIG_I", &text);
                }
                self.reply(session.id, id, &to, Vec::new());
            }
            Ok(Parsed::Config(command)) => {
                let mut config = self.config.clone();
                match command.apply(&mut config) {
                    Err(text) => self.reject(session.id, id, &context, LineError::Rejected { text }),
                    Ok(applied) => {
                        if config != self.config {
                            self.take_over(&config);
                            self.set_config(now, config);
                        }
                        let shown = match applied.messages.is_empty() {
                            true => Vec::new(),
                            false => vec![Shown::Text(applied.messages)],
                        };
                        self.reply(session.id, id, &applied.context, shown);
                    }
                }
            }
            Ok(Parsed::Exec(action)) => self.act(now, session, id, context, action),
        }
    }

    fn act(&mut self, now: Instant, session: Session, id: u64, context: Vec<String>, action: Action) {
        match action {
            Action::Save => {
                let config = Box::new(self.without_hooks());
                self.outputs.push(Output::Save { session: session.id, id, config });
            }
            Action::ClearMac(filter) => {
                let port = filter.interface.map(|name| self.state.ports.get(&name).map(|port| port.id));
                self.learn.clear(&self.fdb, self.snapshot.number + 1, |station| {
                    filter.address.is_none_or(|mac| mac == station.mac)
                        && filter.vlan.is_none_or(|vlan| vlan == station.vlan)
                        && port.is_none_or(|port| port == Some(station.port))
                });
                self.changed = true;
                self.reply(session.id, id, &context, Vec::new());
            }
            Action::ClearCounters(interface) => {
                let chosen = |name: &InterfaceName| interface.is_none_or(|i| i == *name);
                let ports = self.state.ports.iter().filter(|(name, _)| chosen(name)).map(|(_, port)| port.id);
                let routers = self.state.routers.iter().filter(|(name, _)| chosen(name)).map(|(_, router)| router);
                let hosts = routers.clone().filter_map(|router| Some(router.port.as_ref()?.id));
                let ports: Vec<PortId> = ports.chain(hosts).collect();
                let routers: Vec<VlanId> = routers.filter_map(|router| router.vlan).collect();
                for port in &ports {
                    self.state.reserved.remove(port);
                }
                let vlans = self.config.vlans.keys().filter(|_| interface.is_none()).map(|vlan| Counted::Vlan(*vlan));
                let counted = ports.into_iter().map(Counted::Port).chain(routers.into_iter().map(Counted::Router));
                let counted = counted.chain(vlans);
                self.outputs.extend(counted.map(Output::ClearCounters));
                self.reply(session.id, id, &context, Vec::new());
            }
            Action::ClearAccessLists { list } => match list {
                Some(list) if !self.config.access_lists.contains_key(&list) => {
                    let text = format!("Access list {list} does not exist");
                    self.reject(session.id, id, &context, LineError::Rejected { text });
                }
                list => {
                    self.outputs.push(Output::ClearMatches(self.state.lists.counters(list.as_deref())));
                    self.reply(session.id, id, &context, Vec::new());
                }
            },
            Action::ClearNeighbours { six, address } => {
                self.tell_neigh(now, In::Clear { six, vlan: None, ip: address });
                self.reply(session.id, id, &context, Vec::new());
            }
            Action::Probe(probe) => match self.probe(session.id, id, &context, probe) {
                Ok(job) => self.outputs.push(Output::Probe(job)),
                Err(text) => self.reject(session.id, id, &context, LineError::Rejected { text }),
            },
            Action::ClearLogging => {
                self.log.clear();
                self.reply(session.id, id, &context, Vec::new());
            }
            Action::Monitor(on) => {
                self.outputs.push(Output::Monitor { session: session.id, on });
                self.reply(session.id, id, &context, Vec::new());
            }
            Action::AddPort(wish) => self.add_port(now, &session, id, &wish),
            Action::RemovePort { device } => self.remove_port(now, &session, id, &device),
            Action::ShowRunning { interface, all } => {
                let config = Box::new(self.config.clone());
                self.print(session.id, id, context, Text::Running { config, interface, all });
            }
            Action::ShowStartup => self.print(session.id, id, context, Text::Startup),
            show => self.outputs.push(Output::Show { session, id, context, action: show }),
        }
    }

    fn print(&mut self, session: u64, id: u64, context: Vec<String>, text: Text) {
        let hostname = self.config.hostname.clone();
        let reply = Reply { id, hostname, error: None, context, shown: Vec::new() };
        self.outputs.push(Output::Print(Job { session, reply, text }));
    }

    pub(crate) fn reply(&mut self, session: u64, id: u64, context: &[String], shown: Vec<Shown>) {
        self.answer(session, id, context, None, shown);
    }

    pub(crate) fn reject(&mut self, session: u64, id: u64, context: &[String], error: LineError) {
        self.answer(session, id, context, Some(error), Vec::new());
    }

    fn answer(&mut self, session: u64, id: u64, context: &[String], error: Option<LineError>, shown: Vec<Shown>) {
        let reply = Reply { id, hostname: self.config.hostname.clone(), error, context: context.to_vec(), shown };
        self.outputs.push(Output::Reply { session, reply });
    }
}

/// An error as a sentence of one line, for the log.
pub fn sentence(error: &LineError) -> String {
    match error {
        LineError::Invalid { at } => format!("Invalid input at column {}", at + 1),
        LineError::Incomplete => "Incomplete command".into(),
        LineError::Ambiguous { .. } => "Ambiguous command".into(),
        LineError::Unknown => "Unknown command".into(),
        LineError::Rejected { text } | LineError::Denied { text } | LineError::Protocol { text } => text.clone(),
    }
}
