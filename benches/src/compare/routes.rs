//! A million routes: how long until the router has them, from the kernel, from its configuration and from FRR's BGP, and what
//! it costs to change a hundred a second while packets flow.

use super::{Part, Rounds, Sample, Wanted};
use crate::bgp::{AS, Neighbour};
use crate::cpu::{children, first_thread, memory_mib};
use crate::device::Device;
use crate::measure::{Rate, rate};
use crate::prefixes::{addresses, prefixes};
use crate::results::median;
use crate::rig::{Rig, Role, before_the_first, last_cpu, on_cpu, pin};
use crate::router::{GATEWAYS, gateway};
use mona_testbed::frr::Frr;
use mona_testbed::netns::{binary, inside, wait};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const OURS: &str = Device::MonaPacket.name();
const PLAIN: &str = Device::MonaPacketPlain.name();
/// Pairs of runs, with and without changes.
const PAIRS: usize = 5;
/// So long may it take, whatever it is.
const PATIENCE: Duration = Duration::from_secs(300);
/// The router's address at the sink, and the sink's.
const ENDS: [Ipv4Addr; 2] = [Ipv4Addr::new(198, 19, 255, 254), Ipv4Addr::new(198, 19, 0, 1)];

pub const PART: Part = Part {
    name: "routes",
    about: "a million routes, seconds until they are in the tables: entered by ip -batch beside the router, found in the \
            kernel at its start, of its startup-config (and until Linux has those too), told by FRR's BGP (by FRR and the \
            kernel alone beside it) and taken back; and per cent of 1,000 flows' rate that 100 changes a second cost",
    devices: &[Device::IpForward, Device::MonaPacket, Device::MonaPacketPlain],
    measure,
    wanted: &[
        // The kernel alone takes its time for them too.
        Wanted::Added { column: "netlink s", ours: OURS, theirs: Device::IpForward.name(), at_most: 5.0 },
        Wanted::AtMost { column: "at start s", row: OURS, at_most: 5.0 },
        Wanted::AtMost { column: "config s", row: OURS, at_most: 5.0 },
        Wanted::AtMost { column: "updates %", row: OURS, at_most: 2.0 },
        Wanted::AtMost { column: "updates %", row: PLAIN, at_most: 2.0 },
    ],
    rounds: Rounds::One,
};

fn measure(sample: &mut Sample) -> Result<(), String> {
    let all = prefixes(sample.settings.routes);
    let mut rig = Rig::build(sample.device, Role::Routed, true)?;
    rig.add_gateways();
    let path = rig.batch("add", &all)?;
    let began = Instant::now();
    rig.add_batch(&path)?;
    let alone = began.elapsed();
    if sample.device.is_mona() {
        rig.await_routes(all.len())?;
    }
    sample.put("netlink s", began.elapsed().as_secs_f64());
    if !sample.device.is_mona() {
        drop(rig);
        sample.attempt("FRR", |sample| taught(sample, &all));
        return Ok(());
    }
    sample.put("ip -batch s", alone.as_secs_f64());
    sample.put("MiB", memory_mib(rig.world.pid(rig.switch.as_ref().expect("it is Mona"))));
    sample.attempt("updates", |sample| {
        sample.put("updates %", updates(&mut rig, &all, sample.settings.time)? * 100.0);
        Ok(())
    });
    if sample.device == Device::MonaPacket {
        sample.attempt("at start", |sample| {
            sample.put("at start s", boot(&mut rig, all.len(), |config| config)?);
            Ok(())
        });
        drop(rig);
        sample.attempt("config", |sample| {
            let mut rig = Rig::build(sample.device, Role::Routed, true)?;
            sample.put("config s", boot(&mut rig, all.len(), |config| configured(config, &all))?);
            let began = Instant::now();
            until(|| rig.prefixes_in_linux() >= all.len())?;
            sample.put("+ Linux s", began.elapsed().as_secs_f64());
            Ok(())
        });
        sample.attempt("FRR", |sample| taught(sample, &all));
    }
    Ok(())
}

/// FRR on the router learns them from a BGP neighbour behind it, and forgets them again.
fn taught(sample: &mut Sample, all: &[(u32, u8)]) -> Result<(), String> {
    let mut rig = Rig::build(sample.device, Role::Routed, true)?;
    rig.add_gateways();
    let ([own, other], [router, neighbour]) = (AS, ENDS);
    let config = format!(
        "router bgp {own}\n bgp router-id {router}\n no bgp ebgp-requires-policy\n neighbor {neighbour} remote-as {other}\n \
         neighbor {neighbour} passive\n"
    );
    let namespace = rig.sw_ns.clone();
    let frr = Frr::start(&mut rig.world, &namespace, "", "bgpd", &config);
    let mut session = Err(String::new());
    let opened = wait(|| {
        session = inside(&rig.sink_ns, || Neighbour::open(router, neighbour));
        session.is_ok()
    });
    let Some(mut session) = session.ok().filter(|_| opened) else { return Err(frr.log(&rig.world)) };
    let has = |rig: &Rig| if rig.device.is_mona() { rig.routes() } else { rig.prefixes_in_linux() };
    let before = has(&rig);
    let began = Instant::now();
    for n in 0..GATEWAYS {
        let his: Vec<_> = all.iter().skip(n).step_by(GATEWAYS).copied().collect();
        session.announce(&his, gateway(n))?;
    }
    until(|| has(&rig) >= before + all.len())?;
    sample.put("FRR s", began.elapsed().as_secs_f64());
    if let Some(switch) = &rig.switch {
        sample.put("FRR MiB", memory_mib(rig.world.pid(switch)));
    }
    let began = Instant::now();
    session.withdraw(all)?;
    until(|| has(&rig) <= before)?;
    sample.put("withdrawn s", began.elapsed().as_secs_f64());
    Ok(())
}

/// Asks seldom: the answer takes its time of what is waited for.
fn until(mut question: impl FnMut() -> bool) -> Result<(), String> {
    let began = Instant::now();
    while !question() {
        if began.elapsed() > PATIENCE {
            return Err("it takes too long".into());
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    Ok(())
}

/// Kills the switch and starts it with another startup-config; seconds until it has so many routes. It may take long until
/// it is ready.
fn boot(rig: &mut Rig, routes: usize, edit: impl FnOnce(String) -> String) -> Result<f64, String> {
    let switch = rig.switch.as_ref().ok_or("only Mona starts")?;
    let text = std::fs::read_to_string(&switch.config).map_err(|e| e.to_string())?;
    std::fs::write(&switch.config, edit(text)).map_err(|e| e.to_string())?;
    let run = switch.socket.parent().ok_or("the control socket is in a directory")?;
    let arguments = [
        format!("--config={}", switch.config.display()),
        format!("--socket={}", switch.socket.display()),
        format!("--run={}", run.display()),
        format!("--name={}", run.file_name().unwrap_or_default().display()),
        "--workers=1".into(),
        "--io=packet".into(),
    ];
    // It is the only process of this world.
    rig.world.kill(0);
    let began = Instant::now();
    on_cpu(last_cpu(), || {
        rig.world.spawn(&rig.sw_ns, &binary("switchd"), &arguments.each_ref().map(String::as_str));
    })?;
    until(|| rig.routes() >= routes)?;
    Ok(began.elapsed().as_secs_f64())
}

fn configured(config: String, all: &[(u32, u8)]) -> String {
    let mut text = config.trim_end().trim_end_matches("end").to_string();
    for (n, (address, length)) in all.iter().enumerate() {
        let (address, mask) = (Ipv4Addr::from_bits(*address), Ipv4Addr::from_bits(u32::MAX << (32 - length)));
        let _ = writeln!(text, "ip route {address} {mask} {}", gateway(n));
    }
    text + "end\n"
}

/// The share of the rate of 1,000 flows that is lost to 100 changes of other routes a second.
fn updates(rig: &mut Rig, all: &[(u32, u8)], time: Duration) -> Result<f64, String> {
    let pairs = pairs(rig, all, PAIRS, time)?;
    Ok(1.0
        - median(pairs.iter().map(|pair| pair.busy).collect()) / median(pairs.iter().map(|pair| pair.quiet).collect()))
}

/// The same rate without and with changes, one after the other.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Pair {
    /// Million frames a second without.
    pub quiet: f64,
    /// With.
    pub busy: f64,
    /// CPU time of the switch's control, milliseconds a second, without and with.
    pub control: [f64; 2],
    /// CPU time of who asks for the changes, with the kernel's part: milliseconds a second.
    pub asking: f64,
}

/// What changes cost alone, without the rest of the part.
pub fn changes(device: Device, routes: usize, count: usize, time: Duration) -> Result<Vec<Pair>, String> {
    let all = prefixes(routes);
    let mut rig = Rig::build(device, Role::Routed, true)?;
    rig.add_gateways();
    rig.add_batch(&rig.batch("add", &all)?)?;
    if device.is_mona() {
        rig.await_routes(all.len())?;
    }
    pairs(&mut rig, &all, count, time)
}

fn pairs(rig: &mut Rig, all: &[(u32, u8)], count: usize, time: Duration) -> Result<Vec<Pair>, String> {
    rig.targets = addresses(all, 1_000).into();
    let stream = rig.to_router(rig.targets.len() as u32);
    rate(rig, stream, 64, Duration::from_millis(200))?;
    let process = rig.switch.as_ref().map(|switch| rig.world.pid(switch));
    let control = || process.map_or(Duration::ZERO, first_thread);
    let millis = |since: Duration, took: Duration| (control() - since).as_secs_f64() / took.as_secs_f64() * 1e3;
    let mut pairs = Vec::new();
    for pair in 0..count {
        let (began, since) = (Instant::now(), control());
        let quiet = Rate::from(rig.blast(stream, 64, time)?).mpps;
        let idle = millis(since, began.elapsed());
        let stop = AtomicBool::new(false);
        let (began, since, asked) = (Instant::now(), control(), children());
        let busy = std::thread::scope(|scope| {
            let changes = scope.spawn(|| change(rig, all, pair, &stop));
            let sent = rig.blast(stream, 64, time);
            stop.store(true, Ordering::Relaxed);
            changes.join().map_err(|_| "the changes failed")??;
            Ok::<_, String>(Rate::from(sent?).mpps)
        })?;
        let asking = (children() - asked).as_secs_f64() / began.elapsed().as_secs_f64() * 1e3;
        pairs.push(Pair { quiet, busy, control: [idle, millis(since, began.elapsed())], asking });
    }
    Ok(pairs)
}

/// Gives a route another next hop each 10 ms, on the CPU that is not the generator's.
fn change(rig: &Rig, all: &[(u32, u8)], turn: usize, stop: &AtomicBool) -> Result<(), String> {
    // Before all that is measured, or they would have to wait until a worker has nothing to do.
    pin(last_cpu())?;
    before_the_first()?;
    let mut ip: Child = Command::new("ip")
        .args(["netns", "exec", &rig.sw_ns, "ip", "-batch", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|e| format!("ip: {e}"))?;
    let mut lines = ip.stdin.take().expect("it is piped");
    let (began, mut number) = (Instant::now(), 0);
    while !stop.load(Ordering::Relaxed) {
        let (address, length) = all[(number * 7919 + turn) % all.len()];
        let (address, hop) = (Ipv4Addr::from_bits(address), gateway(number + turn));
        writeln!(lines, "route replace {address}/{length} via {hop} dev {} proto bgp", rig.way_out())
            .map_err(|e| e.to_string())?;
        number += 1;
        std::thread::sleep(
            (began + number as u32 * Duration::from_millis(10)).saturating_duration_since(Instant::now()),
        );
    }
    drop(lines);
    let (late, done) = (Instant::now(), ip.wait().map_err(|e| e.to_string())?);
    // What was only written has changed nothing yet.
    if late.elapsed() > Duration::from_millis(100) {
        return Err("ip -batch: the changes are behind".into());
    }
    done.success().then_some(()).ok_or_else(|| "ip -batch: a change was refused".into())
}

impl Rig {
    /// Waits until Mona has so many routes.
    fn await_routes(&self, routes: usize) -> Result<(), String> {
        let there = wait(|| {
            std::thread::sleep(Duration::from_millis(50));
            self.routes() >= routes
        });
        there.then_some(()).ok_or_else(|| format!("it has {} of {routes} routes", self.routes()))
    }

    /// How many prefixes Linux has routes to.
    fn prefixes_in_linux(&self) -> usize {
        let text = self.sw("cat /proc/net/fib_triestat");
        let numbers =
            text.lines().filter_map(|line| line.trim().strip_prefix("Prefixes:")?.trim().parse::<usize>().ok());
        numbers.max().unwrap_or(0)
    }
}
