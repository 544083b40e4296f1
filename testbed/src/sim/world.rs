//! The outside of a switch on virtual time: netdevs, a disk, one session and workers, without a kernel, a file or a thread.
//! It does at once what the rim would do, and keeps a record, so that each scenario is a test of `replay` too.

use crate::replay::{describe, replay};
use mona_control::counters::Counters;
use mona_control::fib::{Fib, Limits};
use mona_control::input::{Device, HostPlan, Input, Output, Session};
use mona_control::journal::Entry;
use mona_control::show::View;
use mona_control::switch::Switch;
use mona_datapath::fdb::Origin;
use mona_datapath::io::Offload;
use mona_datapath::out::Seen;
use mona_datapath::stats::{PortCounters, RouterCounters, VlanCounters};
use mona_datapath::switching::{IoChoice, Opened};
use mona_datapath::{Fdb, Recorder};
use mona_model::api::LineError;
use mona_model::shown::Shown;
use mona_model::shown_host::Version;
use mona_swcli::draw::draw;
use mona_wire::{Instant, Mac, PortId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

/// Stations the table holds.
const STATIONS: usize = 1024;
/// 05:00 on 21 November 2026, UTC, microseconds: what logs say at time zero.
const WALL: u64 = 1_795_237_200_000_000;

/// A switch and all that is around it.
pub struct World {
    /// The machine.
    pub switch: Switch,
    /// Virtual time.
    pub now: Instant,
    /// The netdevs by name.
    pub netdevs: BTreeMap<String, Netdev>,
    /// Netdevs that cannot be opened, and why.
    pub refusing: BTreeMap<String, String>,
    /// Netdevs whose opening takes until [`World::finish_opening`].
    pub slow: BTreeSet<String>,
    /// The saved configuration.
    pub saved: String,
    /// What hooks had added.
    pub kept: String,
    /// Who was known.
    pub known: String,
    /// What the switch did and logged, one line each.
    pub lines: Vec<String>,
    /// The error of the last line, if it was not carried out.
    pub error: Option<LineError>,
    /// What the last answer printed; `None` while none has come.
    pub printed: Option<Vec<String>>,
    /// Reports held back, if they are.
    pub held: Option<Vec<Seen>>,
    opening: Vec<(PortId, String)>,
    context: Vec<String>,
    next_index: u32,
    record: Vec<Entry>,
    did: String,
}

/// A netdev and whether its far end is there.
pub struct Netdev {
    /// As the kernel describes it.
    pub device: Device,
    /// Is there a carrier while it is up?
    pub link: bool,
}

impl Default for World {
    fn default() -> World {
        let mut world = World {
            switch: new_switch(),
            now: Instant::default(),
            netdevs: BTreeMap::new(),
            refusing: BTreeMap::new(),
            slow: BTreeSet::new(),
            saved: String::new(),
            kept: String::new(),
            known: String::new(),
            lines: Vec::new(),
            error: None,
            printed: None,
            held: None,
            opening: Vec::new(),
            context: Vec::new(),
            next_index: 1,
            record: Vec::new(),
            did: String::new(),
        };
        world.boot();
        world
    }
}

fn new_switch() -> Switch {
    Switch::new(Arc::new(Fdb::with_capacity_and_seed(STATIONS, [1, 2])), Fib::new(Limits::SMALL), IoChoice::Auto)
}

impl World {
    /// Starts the record, and tells the time and the devices.
    fn boot(&mut self) {
        self.record = vec![Entry::Start { stations: STATIONS, io: IoChoice::Auto }];
        self.feed(Input::Wall(WALL));
        let devices: Vec<Device> = self.netdevs.values().map(|n| n.device.clone()).collect();
        devices.into_iter().for_each(|device| self.feed(Input::Device(device)));
    }

    /// The switch ends, and another one starts with what was saved and kept.
    /// These netdevs are others meanwhile.
    pub fn restart(&mut self, replaced: &[&str]) -> Result<(), String> {
        self.check_record()?;
        for name in replaced {
            let netdev = self.netdevs.get_mut(*name).ok_or_else(|| format!("there is no {name}"))?;
            self.next_index += 1;
            netdev.device.ifindex = self.next_index;
        }
        self.switch = new_switch();
        (self.now, self.held, self.opening, self.did) = (Instant::default(), None, Vec::new(), String::new());
        self.boot();
        self.feed(Input::Startup(self.saved.clone()));
        self.feed(Input::Restore(self.kept.clone()));
        self.feed(Input::Neighbours(self.known.clone()));
        Ok(())
    }

    /// The record, written and read back, makes another switch do the same.
    pub fn check_record(&self) -> Result<(), String> {
        let mut text = String::new();
        for entry in &self.record {
            let line = serde_json::to_string(entry).map_err(|e| e.to_string())?;
            text.push_str(&line);
            text.push('\n');
        }
        let again = replay(&text, Limits::SMALL)?;
        let other = self.did.lines().zip(again.lines()).find(|(did, again)| did != again);
        match other {
            Some((did, again)) => Err(format!("replayed, it did otherwise:\n  first  {did}\n  then   {again}")),
            None if self.did.len() != again.len() => Err("replayed, it did more, or less".into()),
            None => Ok(()),
        }
    }

    /// Lets time pass; what is due on the way is done when it is due.
    pub fn until(&mut self, then: Instant) -> Result<(), String> {
        while let Some(due) = self.switch.deadline().filter(|due| *due <= then) {
            self.now = self.now.max(due);
            self.feed(Input::Time);
            if self.switch.deadline().is_some_and(|next| next <= due) {
                return Err(format!("what was due at {due:?} is still due"));
            }
        }
        self.now = self.now.max(then);
        Ok(())
    }

    /// Steps the machine with an input and with what comes of its outputs.
    pub fn feed(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            self.record.push(Entry::Input { now: self.now, input: input.clone() });
            for output in self.switch.step(self.now, input) {
                let line = describe(&output);
                let _ = writeln!(self.did, "{:>12.6} {line}", self.now.0 as f64 / 1e9);
                self.lines.push(line);
                inputs.extend(self.carry_out(output));
            }
        }
    }

    fn carry_out(&mut self, output: Output) -> Vec<Input> {
        match output {
            Output::Host(plan) => self.host(&plan),
            output => self.answer(output).into_iter().collect(),
        }
    }

    /// The switch's own interfaces: of each there is the end that is a port.
    fn host(&mut self, plan: &HostPlan) -> Vec<Input> {
        let mut inputs = Vec::new();
        let gone = |name: &String| name.starts_with("mona-") && !plan.links.values().any(|link| link.peer == *name);
        for name in self.netdevs.keys().filter(|name| gone(name)).cloned().collect::<Vec<_>>() {
            let ifindex = self.netdevs.remove(&name).map_or(0, |netdev| netdev.device.ifindex);
            inputs.push(Input::DeviceGone { ifindex, name });
        }
        for (netdev, link) in &plan.links {
            // A pair cannot be made where somebody else has the name.
            if !self.netdevs.contains_key(&link.peer) && !self.netdevs.contains_key(netdev) {
                inputs.push(self.changed(&link.peer, |netdev| netdev.device.admin_up = true));
            }
        }
        inputs
    }

    fn answer(&mut self, output: Output) -> Option<Input> {
        match output {
            Output::Reply { reply, .. } => {
                self.error = reply.error;
                if self.error.is_none() {
                    self.context = reply.context;
                }
                self.printed = Some(reply.shown.iter().flat_map(draw).collect());
                None
            }
            Output::Show { action, .. } => {
                let shown = self.show(&action);
                self.error = shown.as_ref().err().map(|text| LineError::Rejected { text: text.clone() });
                self.printed = Some(shown.unwrap_or_default().iter().flat_map(draw).collect());
                None
            }
            Output::Print(job) => {
                let lines = job.text.lines(|| Ok(self.saved.clone()));
                self.error = lines.as_ref().err().map(|text| LineError::Rejected { text: text.clone() });
                self.printed = Some(draw(&Shown::Text(lines.unwrap_or_default())));
                None
            }
            Output::Open { port, device, .. } if self.slow.contains(&device) => {
                self.opening.push((port, device));
                None
            }
            Output::Open { port, device, .. } => Some(self.open(port, device)),
            Output::SetUp { device, up } => {
                let netdev = self.netdevs.get_mut(&device)?;
                netdev.device.admin_up = up;
                netdev.device.carrier = up && netdev.link;
                Some(Input::Device(netdev.device.clone()))
            }
            Output::SetMtu { device, mtu } => {
                let netdev = self.netdevs.get_mut(&device)?;
                netdev.device.mtu = mtu;
                Some(Input::Device(netdev.device.clone()))
            }
            Output::Save { session, id, config } => {
                self.saved = mona_model::print::startup(&config);
                Some(Input::Saved { session, id, result: Ok(()) })
            }
            Output::Keep(text) => {
                self.kept = text;
                None
            }
            Output::KeepNeighbours(text) => {
                self.known = text;
                None
            }
            Output::LookAgain(moved) => {
                let again: Vec<_> = moved.iter().filter_map(|seen| seen.overtaken(&self.switch.fdb)).collect();
                (!again.is_empty()).then_some(Input::Seen(again))
            }
            Output::ScanNeighbours => {
                let neighbours = &self.switch.snapshot.routing.neighbours;
                let epoch = neighbours.epoch();
                let used: Vec<_> = neighbours.iter().filter(|n| n.epoch == epoch).map(|n| (n.vlan, n.ip())).collect();
                neighbours.set_epoch(epoch.wrapping_add(1));
                Some(Input::NeighboursUsed(used))
            }
            Output::Scan { limit } => {
                let fdb = &self.switch.fdb;
                let idle = |s: &mona_datapath::fdb::Station| fdb.epoch().wrapping_sub(s.epoch) > limit;
                let idle: Vec<_> =
                    fdb.iter().filter(|s| s.origin == Origin::Dynamic && idle(s)).map(|s| (s.vlan, s.mac)).collect();
                (!idle.is_empty()).then_some(Input::Idle(idle))
            }
            Output::Close { .. }
            | Output::Host(_)
            | Output::Probe(_)
            | Output::Inject { .. }
            | Output::Publish(_)
            | Output::Raise(_)
            | Output::Log(_)
            | Output::Monitor { .. }
            | Output::ClearCounters(_)
            | Output::ClearMatches(_) => None,
        }
    }

    fn open(&self, port: PortId, device: String) -> Input {
        let result = match (self.refusing.get(&device), self.netdevs.contains_key(&device)) {
            (Some(why), _) => Err(why.clone()),
            (None, false) => Err(format!("{device} vanished while it was being opened")),
            (None, true) => Ok(Opened {
                io: "mem".into(),
                attach: "-".into(),
                memory: "-".into(),
                queues: 1,
                workers: vec![0],
                why: "a scenario's".into(),
                home: None,
            }),
        };
        Input::Opened { port, device, result }
    }

    /// What took its time to be opened is open now, or cannot be.
    pub fn finish_opening(&mut self, device: &str) -> Result<(), String> {
        self.slow.remove(device);
        let at = self.opening.iter().position(|(_, d)| d == device);
        let (port, device) = self.opening.remove(at.ok_or_else(|| format!("{device} is not being opened"))?);
        self.feed(self.open(port, device));
        Ok(())
    }

    /// A netdev as a scenario wants it; a new one has a number of its own.
    pub fn netdev(&mut self, name: &str, change: impl FnOnce(&mut Netdev)) {
        let input = self.changed(name, change);
        self.feed(input);
    }

    fn changed(&mut self, name: &str, change: impl FnOnce(&mut Netdev)) -> Input {
        let next = &mut self.next_index;
        let netdev = self.netdevs.entry(name.into()).or_insert_with(|| {
            *next += 1;
            let mac = Some(Mac([2, 0xd, 0, 0, 0, *next as u8]));
            let device =
                Device { name: name.into(), ifindex: *next, kind: "veth".into(), mtu: 1500, mac, ..Device::default() };
            Netdev { device, link: true }
        });
        change(netdev);
        netdev.device.carrier = netdev.device.admin_up && netdev.link;
        Input::Device(netdev.device.clone())
    }

    /// The netdev vanishes.
    pub fn gone(&mut self, name: &str) -> Result<(), String> {
        let netdev = self.netdevs.remove(name).ok_or_else(|| format!("there is no {name}"))?;
        self.feed(Input::DeviceGone { ifindex: netdev.device.ifindex, name: name.into() });
        Ok(())
    }

    /// The netdev is another one from now on, and nobody said that the old one went.
    pub fn replace(&mut self, name: &str) {
        self.netdevs.remove(name);
        self.netdev(name, |netdev| netdev.device.admin_up = true);
    }

    /// The netdev is called otherwise.
    pub fn rename(&mut self, name: &str, other: &str) -> Result<(), String> {
        let mut netdev = self.netdevs.remove(name).ok_or_else(|| format!("there is no {name}"))?;
        netdev.device.name = other.into();
        let device = netdev.device.clone();
        self.netdevs.insert(other.into(), netdev);
        self.feed(Input::Device(device));
        Ok(())
    }

    /// A line is typed in the mode that the last one led to.
    pub fn line(&mut self, privilege: u8, line: &str) {
        let session = Session { id: 1, privilege, user: "alice".into(), origin: "vty0".into() };
        (self.error, self.printed) = (None, None);
        self.feed(Input::Line { session, id: 1, context: self.context.clone(), line: line.into() });
    }

    /// The mode that the next line is typed in.
    pub fn enter(&mut self, context: &[&str]) {
        self.context = context.iter().map(|line| line.to_string()).collect();
    }

    /// A frame comes in by a netdev: where copies leave, or why none do. Control hears of its source.
    pub fn frame(&mut self, device: &str, bytes: &[u8]) -> Result<String, String> {
        let port = self.port_of(device).ok_or_else(|| format!("{device} is no port"))?;
        let record = Recorder::trace(&self.switch.snapshot, port, bytes, &Offload::default());
        if let (Some(vlan), Some(source)) = (record.vlan, mona_wire::Eth::parse(bytes).map(|eth| eth.src))
            && let Some(station) = self.switch.fdb.lookup(vlan, source)
        {
            self.switch.fdb.heard(&station, port);
        }
        match (record.seen, &mut self.held) {
            (Some(seen), Some(held)) => held.push(seen),
            (Some(seen), None) => self.feed(Input::Seen(vec![seen])),
            (None, _) => {}
        }
        if let Some(vlan) = record.vlan {
            for why in record.told {
                self.feed(Input::Exception { port, vlan, why, bytes: bytes.to_vec() });
            }
        }
        if let Some(drop) = record.dropped {
            return Ok(format!("drop {}", drop.name()));
        }
        let mut out: Vec<String> = record
            .sends
            .iter()
            .map(|(port, tag)| {
                let name = self.device_of(*port).unwrap_or("self").to_string();
                tag.map_or(name.clone(), |tag| format!("{name}:{}", tag.vid()))
            })
            .collect();
        out.sort();
        Ok(out.join(" "))
    }

    fn port_of(&self, device: &str) -> Option<PortId> {
        self.switch.state.devices_of_ports().find(|(_, name)| *name == device).map(|(id, _)| id)
    }

    fn device_of(&self, id: PortId) -> Option<&str> {
        self.switch.state.devices_of_ports().find(|(port, _)| *port == id).map(|(_, name)| name)
    }

    fn show(&self, action: &mona_model::rows::Action) -> Result<Vec<Shown>, String> {
        let nothing = |_| PortCounters { drops: vec![0; mona_datapath::Drop::COUNT], ..PortCounters::default() };
        let view = View {
            raw: &nothing,
            vlan: &|_| VlanCounters::default(),
            router: &|_| RouterCounters::default(),
            ip_drops: &|_, _| 0,
            matches: &|_| 0,
            flow_totals: Default::default(),
            flows: &Vec::new,
            counters: &Counters::default(),
            clock: Duration::from_nanos(self.now.0).as_nanos() as u64,
            losses: Vec::new(),
            version: Version {
                version: "0".into(),
                hostname: String::new(),
                uptime_secs: 0,
                restarted: String::new(),
                image: "switchd".into(),
                kernel: "0".into(),
                machine: "none".into(),
                memory_kib: 0,
                workers: 1,
                interfaces: 0,
                mac: Mac::ZERO,
                serial: "0".into(),
            },
            users: Vec::new(),
            processes: &|_| Default::default(),
            memory: &Vec::new,
            monitors: 0,
            privilege: 15,
        };
        self.switch.show(self.now, action, &view)
    }
}
