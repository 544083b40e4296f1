//! `testbed replay FILE`: runs a record of `switchd --record` through the same machine and prints what it would have done.

use crate::speech;
use mona_control::fib::{Fib, Limits};
use mona_control::input::{HostHop, Output};
use mona_control::journal::{Entry, read};
use mona_control::switch::Switch;
use mona_datapath::Fdb;
use mona_datapath::switching::IoChoice;
use std::fmt::Write as _;
use std::sync::Arc;

/// The outputs of a record, one line each with the time of its input; with tables for so many routes. An error names the line that cannot be read.
pub fn replay(text: &str, limits: Limits) -> Result<String, String> {
    let mut out = String::new();
    let mut switch = new(131_072, limits, IoChoice::Auto);
    for entry in read(text)? {
        match entry {
            Entry::Start { stations, io } => {
                switch = new(stations, limits, io);
            }
            Entry::Input { now, input } => {
                for output in switch.step(now, input) {
                    let _ = writeln!(out, "{:>12.6} {}", now.0 as f64 / 1e9, describe(&output));
                }
            }
        }
    }
    Ok(out)
}

/// An output as a line.
pub fn describe(output: &Output) -> String {
    match output {
        Output::Reply { session, reply } => match &reply.error {
            None => format!("reply to {session}: {}", serde_json::to_string(&reply.shown).unwrap_or_default()),
            Some(error) => format!("reply to {session}: {}", serde_json::to_string(error).unwrap_or_default()),
        },
        Output::Open { port, device, io } => format!("open {device} as {port}, io {io:?}"),
        Output::Close { port, device } => format!("close {device}, {port}"),
        Output::SetUp { device, up } => format!("set {device} {}", if *up { "up" } else { "down" }),
        Output::SetMtu { device, mtu } => format!("set {device} mtu {mtu}"),
        Output::Publish(snapshot) => {
            let up: Vec<String> = snapshot
                .ports
                .iter()
                .enumerate()
                .filter(|(_, port)| port.as_ref().is_some_and(|p| p.up))
                .map(|(index, _)| format!("p{index}"))
                .collect();
            format!("publish {}: up {}", snapshot.number, up.join(" "))
        }
        Output::Host(plan) => {
            let words = |words: Vec<String>| words.join(", ");
            let links = plan.links.iter().map(|(name, link)| {
                let addresses = link.addresses.iter().map(|address| format!(" {address}")).collect::<String>();
                let six = link.link_local.map_or(String::new(), |address| format!(" {address}"));
                format!("{name} {}{addresses}{six}", if link.up { "up" } else { "down" })
            });
            let hop = |hop: &HostHop| {
                let gateway = hop.gateway.map_or("-".into(), |gateway| gateway.to_string());
                format!("{} {gateway}", hop.device.as_deref().unwrap_or("null"))
            };
            let routes = plan.routes.iter();
            let routes =
                routes.map(|(prefix, route)| format!("{prefix} by {}", words(route.hops.iter().map(hop).collect())));
            format!("host: {}; routes: {}", words(links.collect()), words(routes.collect()))
        }
        Output::Inject { port, frame } => format!("inject by {port}: {}", speech::describe(frame)),
        Output::Raise(changes) => match changes.deps() {
            Some(deps) => format!("raise {deps:?}"),
            None => "raise everything".into(),
        },
        Output::Log(line) => format!("log {line}"),
        Output::Save { config, .. } => format!("save {} bytes", mona_model::print::startup(config).len()),
        Output::KeepNeighbours(text) => format!("keep {} neighbours", text.lines().count()),
        Output::Keep(text) => format!("keep {} bytes", text.len()),
        Output::Monitor { session, on } => format!("monitor {session} {on}"),
        Output::ClearCounters(port) => format!("clear counters of {port}"),
        Output::ClearMatches(slots) => format!("clear counters of {} access list lines", slots.len()),
        Output::Show { session, action, .. } => format!("show to {}: {action:?}", session.id),
        Output::Print(job) => format!("print to {}", job.session),
        Output::Probe(job) => {
            let from = job.source.map(|from| format!(" from {from}")).unwrap_or_default();
            let by = job.device.as_ref().map(|device| format!(" by {device}")).unwrap_or_default();
            format!("probe {}{from}{by}", job.probe.to)
        }
        Output::LookAgain(moved) => format!("look again for {} stations that moved", moved.len()),
        Output::ScanNeighbours => "scan for neighbours in use".into(),
        Output::Scan { limit } => format!("scan for stations idle {limit} epochs"),
    }
}

fn new(stations: usize, limits: Limits, io: IoChoice) -> Switch {
    Switch::new(Arc::new(Fdb::with_capacity_and_seed(stations, [1, 2])), Fib::new(limits), io)
}
