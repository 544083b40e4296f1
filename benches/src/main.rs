//! swbench: generator, sink and measurements for switches on veths. Everything happens in network namespaces that it makes
//! itself and removes again.
//!
//! ```text
//!   traffic    generator and sink (live XDP frames)        measure   rate, RFC 2544, round trips, TCP, learning, …
//!   bgp        a neighbour that teaches a full table
//!   rig        generator ─ device ─ sink                   teach     what a device must know before
//!   device/    what is between, and how it is set up       router    routes and next hops; prefixes
//!   compare/   all devices in one run, part by part        results   medians, JSON; table, plot
//!   turns      some devices, in turns of a fraction of a second
//!   cpu        what processes take of CPUs                 learning  RFC 2889 5.7, 5.8
//!   acl, entering, lpm, micro, routed   forward() and tables alone
//! ```

mod acl;
mod bgp;
mod compare;
mod cpu;
mod device;
mod entering;
mod learning;
mod lpm;
mod measure;
mod micro;
mod plot;
mod prefixes;
mod results;
mod rig;
mod routed;
mod router;
mod table;
mod teach;
mod traffic;
mod turns;

use clap::{Parser, Subcommand};
use compare::{PARTS, Part, Settings};
use device::Device;
use rig::{Rig, Role};
use std::path::PathBuf;
use std::time::Duration;
use traffic::Stream;

#[derive(Parser)]
#[command(version, about = "Measures switches between veths")]
struct Arguments {
    /// Print JSON instead of a table.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Delivered rate at full load.
    Rate(Load),
    /// RFC 2544 throughput by binary search, with latency at that rate.
    Throughput {
        #[command(flatten)]
        load: Load,
        /// Share of frames that may be lost.
        #[arg(long, default_value_t = 0.0001)]
        loss: f64,
    },
    /// Round trips of single frames.
    Latency {
        /// The device under test.
        #[arg(long, value_enum, default_value = "mona-packet")]
        device: Device,
    },
    /// RFC 2889 5.7: how many addresses are learned.
    Capacity {
        /// The device under test.
        #[arg(long, value_enum, default_value = "mona-packet")]
        device: Device,
        /// Learning frames a second.
        #[arg(long, default_value_t = 100_000.0)]
        rate: f64,
        /// Look no further than this.
        #[arg(long, default_value_t = 1 << 20)]
        most: u32,
    },
    /// RFC 2889 5.8: how fast addresses are learned.
    Learning {
        /// The device under test.
        #[arg(long, value_enum, default_value = "mona-packet")]
        device: Device,
        /// How many.
        #[arg(long, default_value_t = 65_536)]
        stations: u32,
        /// Learning frames go to a station behind the port they come in by: nothing is forwarded.
        #[arg(long)]
        filtered: bool,
    },
    /// How soon after its first frame a station is known, beside a port at its maximum.
    Effect {
        /// How many stations appear.
        #[arg(long, default_value_t = 1000)]
        stations: u32,
    },
    /// The share of a 10 kpps stream that is lost beside a port at its maximum.
    Fairness,
    /// How long swctl add-port and remove-port take.
    Hooks {
        /// How many calls.
        #[arg(long, default_value_t = 200)]
        calls: usize,
    },
    /// What 100 changes of routes a second cost 1,000 flows at full load.
    Changes {
        /// The device under test.
        #[arg(long, value_enum, default_value = "mona-packet")]
        device: Device,
        /// How many routes there are.
        #[arg(long, default_value_t = 1_000_000)]
        routes: usize,
        /// Runs without and with.
        #[arg(long, default_value_t = 5)]
        pairs: usize,
        /// Seconds of a run.
        #[arg(long, default_value_t = 1.0)]
        seconds: f64,
    },
    /// `forward()` alone, by the number of stations.
    Micro,
    /// What a new flow costs the worker and control, one thread.
    Entering,
    /// Longest prefix match alone, and librte_fib beside it.
    Lpm {
        /// The program of `benches/fib/`; without, only our own tables are measured.
        #[arg(long)]
        fib: Option<PathBuf>,
    },
    /// `forward()` with an access list, by the number of its lines.
    Acl,
    /// Every device in one run.
    Compare(Compare),
    /// Some devices in turns of a fraction of a second, each beside the first.
    Turns(Turns),
}

#[derive(clap::Args)]
struct Compare {
    /// Only these parts: bridged, routed, tcp, flood, acl, cost, flows, restart, routes.
    #[arg(long, value_delimiter = ',', value_parser = part)]
    only: Vec<&'static Part>,
    /// Only these devices.
    #[arg(long, value_enum, value_delimiter = ',')]
    devices: Vec<Device>,
    /// Rounds; tables show medians.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of each run at full load.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// How many routes a million are.
    #[arg(long, default_value_t = 1_000_000)]
    routes: usize,
    /// How many stations a hundred thousand are.
    #[arg(long, default_value_t = 100_000)]
    stations: u32,
    /// Keep all results here; parts not measured now stay as they are.
    #[arg(long)]
    save: Option<PathBuf>,
    /// Draw the bars here.
    #[arg(long)]
    plot: Option<PathBuf>,
}

#[derive(clap::Args)]
struct Turns {
    /// These devices.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Device::TcRedirect, Device::MonaPacket, Device::BridgeTuned])]
    devices: Vec<Device>,
    /// Destinations.
    #[arg(long, default_value_t = 1)]
    stations: u32,
    /// Packets that are routed.
    #[arg(long)]
    routed: bool,
    /// iperf3 by so many streams.
    #[arg(long, conflicts_with = "to")]
    tcp: Option<u32>,
    /// Broadcasts to so many others.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=15))]
    to: Option<u8>,
    /// Broadcasts that a host's socket sends.
    #[arg(long, requires = "to")]
    socket: bool,
    /// Rigs of each device.
    #[arg(long, default_value_t = 4)]
    rigs: usize,
    /// Turns of each rig.
    #[arg(long, default_value_t = 20)]
    turns: usize,
    /// Seconds of each turn.
    #[arg(long, default_value_t = 0.2)]
    seconds: f64,
}

impl Turns {
    fn load(&self) -> turns::Load {
        let role = if self.routed { Role::Routed } else { Role::Bridged };
        match (self.tcp, self.to) {
            (Some(streams), _) => turns::Load::Tcp(streams, role),
            (_, Some(copies)) => turns::Load::Flood(copies, self.socket),
            _ if self.routed => turns::Load::Routed(self.stations),
            _ => turns::Load::Bridged(Stream { dmacs: self.stations, ..Stream::default() }),
        }
    }
}

fn part(name: &str) -> Result<&'static Part, String> {
    let names = || PARTS.map(|part| part.name).join(", ");
    PARTS.into_iter().find(|part| part.name == name).ok_or_else(|| format!("one of {}", names()))
}

#[derive(clap::Args)]
struct Load {
    /// The device under test.
    #[arg(long, value_enum, default_value = "mona-packet")]
    device: Device,
    /// Frame size as on the wire, with FCS.
    #[arg(long, default_value_t = 64)]
    size: usize,
    /// UDP source ports.
    #[arg(long, default_value_t = 1)]
    flows: u32,
    /// Destination addresses, scattered.
    #[arg(long, default_value_t = 1)]
    stations: u32,
    /// A tag.
    #[arg(long, default_value_t = 0)]
    vlan: u32,
    /// Seconds a run lasts.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
}

impl Load {
    fn stream(&self) -> Stream {
        Stream { flows: self.flows, dmacs: self.stations, vlan: self.vlan, ..Stream::default() }
    }
}

fn main() {
    if let Err(why) = run(Arguments::parse()) {
        eprintln!("swbench: {why}");
        std::process::exit(1);
    }
}

fn run(arguments: Arguments) -> Result<(), String> {
    let json = arguments.json;
    let print = |text: String, value: serde_json::Value| {
        if json { println!("{value}") } else { println!("{}", text.trim_end()) }
    };
    match arguments.what {
        What::Rate(load) => {
            let mut rig = Rig::new(load.device)?;
            let rate = measure::rate(&mut rig, load.stream(), load.size, Duration::from_secs_f64(load.seconds))?;
            let text = format!(
                "{}: {:.3} Mpps delivered of {:.3} offered, {} reordered, {} duplicate",
                rig.device.name(),
                rate.mpps,
                rate.offered_mpps,
                rate.reordered,
                rate.duplicate
            );
            print(text, serde_json::json!(rate));
        }
        What::Throughput { load, loss } => {
            let mut rig = Rig::new(load.device)?;
            let time = Duration::from_secs_f64(load.seconds);
            let (mpps, latency) = measure::throughput(&mut rig, load.stream(), load.size, time, loss)?;
            let mut text = format!("{}: {mpps:.3} Mpps with no more than {loss} lost", rig.device.name());
            if let Some((median, p99)) = latency {
                text += &format!("; latency median {median:.1} us, p99 {p99:.1} us");
            }
            print(text, serde_json::json!({ "mpps": mpps, "latency_us": latency }));
        }
        What::Latency { device } => {
            let trip = measure::round_trip(&mut Rig::new(device)?, 2000, false)?;
            let text = format!("{}: median {:.1} us, p99 {:.1} us", device.name(), trip.median_us, trip.p99_us);
            print(text, serde_json::json!(trip));
        }
        What::Capacity { device, rate, most } => {
            let rig = learning::monitored(Rig::new(device)?)?;
            let found = learning::capacity(&rig, rate, most)?;
            let best = found.best.map_or(0, |trial| trial.stations);
            let text = format!("{}{}: {best} addresses are learned", found.table(), rig.device.name());
            print(text, serde_json::json!(found));
        }
        What::Learning { device, stations, filtered } => {
            let rig = learning::monitored(Rig::new(device)?)?;
            let found = learning::rate(&rig, stations, filtered)?;
            let (rate, ms) = found.best.map_or((0.0, 0.0), |trial| (trial.offered, trial.ms));
            let (table, name) = (found.table(), rig.device.name());
            let text = format!("{table}{name}: {stations} addresses are learned at {rate:.0} a second, in {ms:.0} ms");
            print(text, serde_json::json!(found));
        }
        What::Effect { stations } => {
            let effect = learning::effect(&mut Rig::new(Device::MonaPacket)?, stations)?;
            let us = |us: Option<f64>| us.map_or("later".into(), |us| format!("{us:.0} us"));
            let text = format!(
                "{} stations appeared beside a port at its maximum: known after {} (median), {} (p99), {} not at all",
                effect.stations,
                us(effect.median_us),
                us(effect.p99_us),
                effect.unknown
            );
            print(text, serde_json::json!(effect));
        }
        What::Fairness => {
            let loss = measure::fairness(&mut Rig::new(Device::MonaPacket)?, Duration::from_secs(3))?;
            let text = format!("{:.3} % of a 10 kpps stream lost beside a port at its maximum", loss * 100.0);
            print(text, serde_json::json!({ "loss": loss }));
        }
        What::Hooks { calls } => {
            let [add, remove] = measure::hooks(&Rig::new(Device::MonaPacket)?, calls)?;
            let text = format!(
                "add-port median {:.1} ms, p99 {:.1} ms; remove-port median {:.1} ms, p99 {:.1} ms",
                add.0, add.1, remove.0, remove.1
            );
            print(text, serde_json::json!({ "add_ms": add, "remove_ms": remove }));
        }
        What::Changes { device, routes, pairs, seconds } => {
            let pairs = compare::routes::changes(device, routes, pairs, Duration::from_secs_f64(seconds))?;
            let of = |of: fn(&compare::routes::Pair) -> f64| results::median(pairs.iter().map(of).collect());
            let text = format!(
                "{}, {routes} routes: 100 changes a second cost {:.1} % (median of {} pairs; {:.3} and {:.3} Mpps); CPU time: \
                 control {:.1} instead of {:.1} ms a second, who asks {:.1} with the kernel's part",
                device.name(),
                of(|pair| (1.0 - pair.busy / pair.quiet) * 100.0),
                pairs.len(),
                of(|pair| pair.quiet),
                of(|pair| pair.busy),
                of(|pair| pair.control[1]),
                of(|pair| pair.control[0]),
                of(|pair| pair.asking),
            );
            print(text, serde_json::json!(pairs));
        }
        What::Micro => {
            let (bridged, routed) = (micro::run(), routed::run());
            let text = format!("{}\n{}", micro::table(&bridged), routed::table(&routed));
            print(text, serde_json::json!({ "bridged": bridged, "routed": routed }));
        }
        What::Entering => {
            let rows = entering::run();
            print(entering::table(&rows), serde_json::json!(rows));
        }
        What::Lpm { fib } => {
            let rows = lpm::run(fib.as_deref())?;
            print(lpm::table(&rows), serde_json::json!(rows));
        }
        What::Acl => {
            let rows = acl::run();
            print(acl::table(&rows), serde_json::json!(rows));
        }
        What::Turns(asked) => {
            let time = Duration::from_secs_f64(asked.seconds);
            let times = turns::Times { rigs: asked.rigs, turns: asked.turns, time };
            let rows = turns::turns(&asked.devices, asked.load(), times)?;
            print(turns::table(&rows), serde_json::json!(rows));
        }
        What::Compare(Compare { only, devices, rounds, seconds, routes, stations, save, plot }) => {
            let parts = if only.is_empty() { PARTS.to_vec() } else { only };
            let settings = Settings { rounds, time: Duration::from_secs_f64(seconds), routes, stations };
            for part in parts {
                let mut results = compare::compare(part, &devices, settings);
                print(table::report(&results, part), serde_json::json!(results));
                if let Some(path) = &save {
                    results = results.join(path)?;
                }
                if let Some(path) = &plot {
                    plot::plot(&results, path)?;
                }
            }
        }
    }
    Ok(())
}
