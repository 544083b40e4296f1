//! The loop around the machine: wait, gather inputs, step, carry out.

mod outputs;
mod view;

use crate::arguments::Arguments;
use mona_control::aside::Aside;
use mona_control::counters::{Counted, Counters};
use mona_control::fib::{Fib, Limits};
use mona_control::identity;
use mona_control::input::{Input, Session};
use mona_control::journal::{Entry, Journal};
use mona_control::load::Load;
use mona_control::netlink::{self, Netlink};
use mona_control::printer::{self, printer};
use mona_control::probe::Prober;
use mona_control::save::{self, keep, kept, saver};
use mona_control::say::Stderr;
use mona_control::server::{Asked, Server};
use mona_control::switch::Switch;
use mona_datapath::changes::Changes;
use mona_datapath::io::pins::Mount;
use mona_datapath::switching::{Datapath, IoChoice, Options, Report};
use mona_model::config::Config;
use mona_wire::{Instant, PortId};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::time::{ClockId, clock_gettime};
use std::collections::VecDeque;
use std::fs;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// How often counters are sampled for the rates.
const SAMPLE: Duration = Duration::from_secs(5);
/// Reports taken in one turn: lines and devices wait no longer than these take.
const REPORTS: usize = 4096;
/// Flows entered in one turn, of each worker: about half a millisecond, which a station waits at most until it is learned.
const FLOWS: usize = 512;
/// How often what the kernel forwarded by a flow is looked at: stations and neighbours age in steps of no less.
const FOLD: Duration = Duration::from_secs(1);
/// How often what routes took that are gone is used again.
const RECLAIM: Duration = Duration::from_millis(100);
/// How often it is looked whether programs are still where they belong.
const LOOK: Duration = Duration::from_secs(1);

/// What it means that nothing is pinned.
const UNPINNED: &str = "when this process ends forwarding stops at once";
/// Everything that touches the outside.
pub struct Rim {
    // Dropped in this order: no client, then no port.
    server: Server,
    datapath: Datapath,
    switch: Switch,
    netlink: Netlink,
    saver: Aside<save::Job, Input>,
    printer: Aside<printer::Job, (u64, Vec<u8>)>,
    prober: Prober,
    stderr: Stderr,
    journal: Option<Journal>,
    counters: Counters,
    load: Load,
    signals: SignalFd,
    /// CLOCK_MONOTONIC at switch time zero, nanoseconds.
    zero: u64,
    name: String,
    config: PathBuf,
    kept: PathBuf,
    neighbours: PathBuf,
    workers: usize,
    next_sample: Instant,
    next_fold: Instant,
    next_look: Instant,
    next_reclaim: Instant,
    /// When counters were cleared last, and what the kernel forwarded taken over before.
    folded: Instant,
    /// What changed and was not raised yet.
    changes: Changes,
    /// Ports whose queues were busy.
    opening: Vec<Opening>,
    /// A snapshot was published that not every worker may have seen.
    unsynchronised: bool,
    reports: Vec<Report>,
}

/// A port that is tried again.
struct Opening {
    port: PortId,
    device: String,
    io: IoChoice,
    until: Instant,
    next: Instant,
}

/// Where what outlives the daemon is pinned; what was left there is taken off if nothing is to outlive it.
fn pins(arguments: &Arguments) -> Option<Mount> {
    let dir = arguments.run.join(format!("{}.bpf", arguments.name));
    if arguments.flush_on_exit {
        if let Err(e) = Mount::flush(&dir) {
            eprintln!("switchd: {}: {e}: what another switchd left there may go on", dir.display());
        }
        return None;
    }
    match Mount::open(&dir) {
        Ok(mount) => {
            mount.warning.iter().for_each(|warning| eprintln!("switchd: {warning}"));
            Some(mount)
        }
        Err(e) => {
            eprintln!("switchd: {}: no bpffs (CAP_SYS_ADMIN mounts one): {e}: {UNPINNED}", dir.display());
            None
        }
    }
}

/// Signals come as something to read; SIGHUP and SIGPIPE mean nothing here.
pub fn block_signals() -> Result<SignalFd, String> {
    let mut set = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        set.add(signal);
    }
    set.thread_block().map_err(|e| e.to_string())?;
    SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).map_err(|e| e.to_string())
}

impl Rim {
    /// Opens everything that needs privilege.
    pub fn start(arguments: Arguments, signals: SignalFd) -> Result<Rim, String> {
        let workers = arguments.workers();
        let io = IoChoice::from(arguments.io);
        let options = Options { workers, stations: arguments.stations as usize, name: arguments.name.clone() };
        let server = Server::listen(&arguments.socket)?;
        let mount = pins(&arguments);
        let mut datapath = Datapath::start_holding(options, mount.as_ref()).map_err(|e| e.0)?;
        if datapath.replaced() {
            eprintln!("switchd: what another build of switchd had left was taken off: ports are attached anew");
        }
        if let Some(why) = datapath.unpinned() {
            eprintln!("switchd: {why}: {UNPINNED}");
        }
        if let Some(why) = datapath.forgetful() {
            let remedy = "give switchd CAP_PERFMON, or a newer kernel";
            eprintln!("switchd: the kernel refuses the flow cache ({why}): workers decide every frame; {remedy}");
        }
        if let Some(why) = datapath.single() {
            eprintln!("switchd: the kernel does not send many frames at a time ({why}): each is sent by itself");
        }
        if let Some(why) = datapath.apart() {
            eprintln!("switchd: the kernel has no lists for the copies of a flood ({why}): each is made by itself");
        }
        let devices = arguments.run.join(format!("{}.devices", arguments.name));
        if let Err(e) = datapath.keep_devices(&devices) {
            let what = "after a crash devices stay as they were left";
            eprintln!("switchd: {}: {e}: {what}", devices.display());
        }
        let netlink = Netlink::open(&arguments.name).map_err(|e| format!("netlink: {e}"))?;
        let start = Entry::Start { stations: arguments.stations as usize, io };
        let journal = arguments.record.as_deref().map(|path| Journal::create(path, &start)).transpose()?;
        let switch = Switch::new(datapath.fdb().clone(), Fib::new(Limits::ROUTER), io);
        let saver = saver(arguments.config.clone())?;
        let printer = printer(arguments.config.clone())?;
        Ok(Rim {
            server,
            datapath,
            switch,
            netlink,
            saver,
            printer,
            prober: Prober::new()?,
            stderr: Stderr::start()?,
            journal,
            counters: Counters::default(),
            load: Load::default(),
            signals,
            zero: monotonic(),
            neighbours: arguments.run.join(format!("{}.neighbours", arguments.name)),
            name: arguments.name,
            config: arguments.config,
            kept: arguments.run.join("ports"),
            workers,
            next_sample: Instant::default(),
            next_fold: Instant::default(),
            next_look: Instant::default(),
            next_reclaim: Instant::default(),
            folded: Instant::default(),
            changes: Changes::default(),
            opening: Vec::new(),
            unsynchronised: false,
            reports: Vec::with_capacity(REPORTS),
        })
    }

    /// Devices, then the startup-config, then what hooks had added.
    pub fn boot(&mut self) -> Result<(), String> {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.feed(Input::Wall(wall.as_micros() as u64));
        let (mac, said) = identity::mac(&self.config, &self.name);
        self.feed(Input::Identity { mac, name: self.name.clone() });
        let warning = self.netlink.warning();
        self.complain(said.into_iter().chain(warning));
        self.feed(Input::Left(self.datapath.left()));
        let devices = self.netlink.refresh().map_err(|e| format!("netlink: {e}"))?;
        self.feed_all(devices);
        match fs::read(&self.config) {
            Ok(bytes) => self.feed(Input::Startup(String::from_utf8_lossy(&bytes).into_owned())),
            // None yet: the switch starts empty.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => self
                .stderr
                .say(format!("switchd: {}: {e}: the switch starts without configuration", self.config.display())),
        }
        if let Some(text) = kept(&self.kept) {
            self.feed(Input::Restore(text));
        }
        if let Some(text) = kept(&self.neighbours) {
            self.feed(Input::Neighbours(text));
        }
        // By the routes of others, which are there, flows are judged too.
        while self.netlink.has_news() {
            let inputs = self.netlink.events();
            self.feed_all(inputs);
        }
        self.adopt();
        self.datapath.give_back_left();
        self.synchronise();
        Ok(())
    }

    /// What a predecessor's flows are about is learned from them, and those that are as they would be now go on.
    fn adopt(&mut self) {
        self.synchronise();
        let left = self.datapath.left_flows();
        for receives in [false, true] {
            let snapshot = self.switch.snapshot.clone();
            let seen: Vec<_> = left.iter().filter_map(|left| left.station(&snapshot, receives)).collect();
            if !seen.is_empty() {
                self.feed(Input::Seen(seen));
            }
        }
        self.synchronise();
        let kept = self.datapath.adopt(&left);
        if !left.is_empty() {
            self.stderr.say(format!("switchd: {kept} of {} flows that went on meanwhile are adopted", left.len()));
        }
    }

    /// Says that it is ready, and does what is asked until a signal says to end.
    pub fn run(&mut self) {
        self.stderr.say("switchd: ready");
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
        loop {
            // Workers ring thousands of times a second while flows are new, and hundreds of times it is somebody's turn to be folded:
            // nobody else is asked then.
            let (others, clients) = self.wait();
            if others {
                if let Ok(Some(signal)) = self.signals.read_signal()
                    && signal.ssi_signo != Signal::SIGHUP as u32
                {
                    self.hold(Duration::ZERO);
                    let known = self.switch.known(self.now());
                    return self.keep_neighbours(&known);
                }
                let inputs = self.netlink.events();
                self.feed_all(inputs);
                let wrong = self.netlink.tend();
                self.complain(wrong);
                if self.datapath.devices_changed() {
                    self.datapath.look_at_devices();
                }
            }
            self.datapath.remember(FLOWS);
            self.take_reports();
            if clients {
                self.serve();
            }
            if others {
                let probed = self.prober.done();
                self.feed_all(probed);
                let saved = self.saver.done();
                self.feed_all(saved);
                for (session, answer) in self.printer.done() {
                    self.server.answer(session, answer);
                }
            }
            let now = self.now();
            if self.switch.deadline().is_some_and(|at| at <= now) {
                self.feed(Input::Time);
            }
            self.open_again();
            if now >= self.next_fold {
                self.next_fold = now + FOLD / self.datapath.fold_some();
            }
            if now >= self.next_look {
                self.next_look = now + LOOK;
                // Less than what passes until the next time would end it while the switch runs.
                self.hold(LOOK * 3);
                let mended = self.datapath.mend();
                self.complain(mended);
                // Who asks waits for whoever changes devices just then, and flows for him.
                if self.datapath.device_changes().is_none() {
                    self.datapath.look_at_devices();
                }
            }
            if now >= self.next_sample {
                self.next_sample = now + SAMPLE;
                self.load.sample();
                for (port, _) in self.switch.state.devices_of_ports() {
                    self.counters.sample(now, Counted::Port(port), &self.datapath.traffic(port));
                }
                for vlan in self.switch.state.routers.values().filter_map(|router| router.vlan) {
                    self.counters.sample(now, Counted::Router(vlan), &self.datapath.router_counters(vlan).as_port());
                }
            }
            self.synchronise();
            self.reclaim();
            self.server.part();
        }
    }

    /// Does what clients ask.
    fn serve(&mut self) {
        for Asked { client, request } in self.server.serve(&self.switch.config.hostname) {
            let Some(asker) = self.server.clients().get(&client) else { continue };
            let privilege = request.privilege.map_or(asker.granted, |asked| asked.min(asker.granted));
            let origin = if request.origin.is_empty() { "vty0".into() } else { request.origin };
            let session = Session { id: client, privilege, user: asker.user.clone(), origin };
            self.feed(Input::Line { session, id: request.id, context: request.context, line: request.line });
        }
    }

    /// What the kernel remembers it forwards for so long without this process.
    fn hold(&mut self, least: Duration) {
        let secs = self.switch.config.flow_cache.hold_secs.unwrap_or(Config::HOLD_SECS);
        self.datapath.hold_on(Duration::from_secs(secs.into()).max(least));
    }

    /// Sleeps until something is to be done: by anybody but the workers, or since it is time? And by clients?
    fn wait(&self) -> (bool, bool) {
        let until = self.next_sample.min(self.next_look);
        let until = self.switch.deadline().map_or(until, |at| at.min(until));
        let until = self.opening.iter().map(|opening| opening.next).fold(until, Instant::min);
        let marks = self.datapath.remember_at().map(|at| Instant(at.saturating_sub(self.zero)));
        // Rounded up: a turn too early would find nothing due.
        let wake = until.min(marks.unwrap_or(until)).min(self.next_fold).since(self.now());
        let millis = wake.as_nanos().div_ceil(1_000_000).min(60_000) as u16;
        let mut fds = vec![
            PollFd::new(self.datapath.wakeup(), PollFlags::POLLIN),
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(netlink::borrowed(&self.netlink), PollFlags::POLLIN),
            PollFd::new(self.saver.fd(), PollFlags::POLLIN),
            PollFd::new(self.printer.fd(), PollFlags::POLLIN),
            PollFd::new(self.prober.fd(), PollFlags::POLLIN),
        ];
        fds.extend(self.datapath.device_changes().map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        let first = fds.len();
        fds.extend(self.server.fds().map(|(fd, flags)| PollFd::new(fd, flags)));
        let due = self.netlink.due();
        let left = due.map(|at| at.saturating_duration_since(std::time::Instant::now()));
        let millis = left.map_or(millis, |left| millis.min(left.as_nanos().div_ceil(1_000_000).min(60_000) as u16));
        let millis = if self.server.has_more() { 0 } else { millis };
        let _ = poll(&mut fds, PollTimeout::from(millis));
        let is_ready = |fd: &PollFd| fd.revents().is_some_and(|events| !events.is_empty());
        let clients = fds[first..].iter().any(is_ready) || self.server.has_more();
        let others = clients
            || fds[1..first].iter().any(is_ready)
            || due.is_some_and(|at| at <= std::time::Instant::now())
            || until <= self.now();
        (others, clients)
    }

    fn take_reports(&mut self) {
        let mut reports = std::mem::take(&mut self.reports);
        self.datapath.reports(REPORTS, &mut reports);
        let mut seen = Vec::new();
        for report in reports.drain(..) {
            match report {
                Report::Seen(one) => seen.push(one),
                Report::Frame(port, bytes) => self.feed(Input::Frame { port, bytes }),
                Report::Exception { port, vlan, why, frame } => {
                    self.feed(Input::Exception { port, vlan, why, bytes: frame });
                }
            }
        }
        self.reports = reports;
        if !seen.is_empty() {
            self.feed(Input::Seen(seen));
        }
    }

    fn now(&self) -> Instant {
        Instant(monotonic().saturating_sub(self.zero))
    }

    fn feed_all(&mut self, inputs: Vec<Input>) {
        inputs.into_iter().for_each(|input| self.feed(input));
    }

    /// Steps the machine with an input and with those that carrying out its outputs makes.
    fn feed(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let now = self.now();
            if let Some(journal) = &mut self.journal
                && let Err(e) = journal.write(&Entry::Input { now, input: input.clone() })
            {
                self.stderr.say(format!("switchd: the record ends here: {e}"));
                self.journal = None;
            }
            for output in self.switch.step(now, input) {
                inputs.extend(self.carry_out(now, output));
            }
        }
    }

    fn keep_neighbours(&mut self, text: &str) {
        if let Err(why) = keep(&self.neighbours, text) {
            self.stderr.say(format!("switchd: neighbours are not kept: {why}"));
        }
    }

    /// What is wrong outside, said to whoever reads the daemon's messages.
    fn complain(&mut self, wrong: impl IntoIterator<Item = String>) {
        wrong.into_iter().for_each(|why| self.stderr.say(format!("switchd: {why}")));
    }

    fn synchronise(&mut self) {
        if std::mem::take(&mut self.unsynchronised) {
            self.datapath.synchronise();
        }
        if !self.changes.is_empty() {
            self.datapath.raise(&std::mem::take(&mut self.changes));
        }
    }

    /// What routes took that are gone is used again, once no worker can still be looking there. Each worker has to begin a
    /// round for it: not after every change.
    fn reclaim(&mut self) {
        let (now, fib) = (self.now(), &self.switch.fib);
        if fib.is_waiting() && (fib.must_reclaim() || now >= self.next_reclaim) {
            self.next_reclaim = now + RECLAIM;
            let moment = fib.moment();
            if self.datapath.begin_round() {
                self.switch.fib.reclaim(moment);
            }
        }
    }
}

/// CLOCK_MONOTONIC, nanoseconds: the clock the datapath stamps with.
fn monotonic() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |t| t.tv_sec() as u64 * 1_000_000_000 + t.tv_nsec() as u64)
}
