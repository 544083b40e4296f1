//! Devices beside each other, each on a rig of its own, in turns of a fraction of a second: what a noisy minute of the machine
//! does to one it does to all. (Between two devices of a round of `compare` lie many seconds.) What a rig's memory happens to be
//! like stays with it for its life, so that there are several rigs of each, one after the other.

use crate::compare::flood;
use crate::device::Device;
use crate::measure::tcp;
use crate::results::median;
use crate::rig::{Rig, Role};
use crate::traffic::{Sink, Stream};
use serde::Serialize;
use std::fmt::Write as _;
use std::time::Duration;

/// What is measured.
#[derive(Clone, Copy)]
pub enum Load {
    /// Frames of 64 bytes at full speed, of one flow or more.
    Bridged(Stream),
    /// Packets to so many destinations behind one route.
    Routed(u32),
    /// iperf3 by so many streams, bridged or routed.
    Tcp(u32, Role),
    /// Broadcasts to so many others; of a host's socket, or as the generator's.
    Flood(u8, bool),
}

/// How often, and how long each time.
#[derive(Clone, Copy)]
pub struct Times {
    /// Rigs of each device.
    pub rigs: usize,
    /// Turns of each rig.
    pub turns: usize,
    /// Of a turn.
    pub time: Duration,
}

/// A device's figures.
#[derive(Serialize)]
pub struct Row {
    /// Who.
    pub device: &'static str,
    /// By rig, by turn: Mpps or Gb/s.
    pub values: Vec<Vec<f64>>,
}

/// A rig with all that its load needs.
struct Ready {
    rig: Rig,
    stream: Stream,
    _sinks: Vec<Sink>,
}

impl Ready {
    fn new(device: Device, load: Load) -> Result<Ready, String> {
        let (role, live) = match load {
            Load::Bridged(_) | Load::Flood(..) => (Role::Bridged, true),
            Load::Routed(_) => (Role::Routed, true),
            Load::Tcp(_, role) => (role, false),
        };
        let mut rig = Rig::build(device, role, live)?;
        let (mut stream, mut sinks) = (Stream::default(), Vec::new());
        match load {
            Load::Bridged(bridged) => stream = bridged,
            Load::Routed(targets) => {
                rig.add_gateways();
                rig.add_routes(&[(0x1000_0000, 4)])?;
                rig.targets = (1..=targets).map(|n| (0x1000_0000 + n).into()).collect();
                stream = rig.to_router(targets);
            }
            Load::Tcp(..) => return Ok(Ready { rig, stream, _sinks: sinks }),
            Load::Flood(copies, _) => {
                let namespace = rig.world.namespace("more");
                stream = flood::broadcasts();
                rig.announce("gen", stream.smac, 1);
                flood::grow(&rig, &namespace, &mut sinks, copies)?;
            }
        }
        if !matches!(load, Load::Flood(..)) {
            rig.teach(&stream)?;
        }
        rig.warm(&stream)?;
        Ok(Ready { rig, stream, _sinks: sinks })
    }

    fn measure(&self, load: Load, time: Duration) -> Result<f64, String> {
        match load {
            Load::Tcp(streams, _) => tcp(&self.rig, streams, time.as_secs().max(1) as u32),
            Load::Flood(_, true) => flood::by_socket(&self.rig, &self.stream, time).map(|rate| rate / 1e6),
            Load::Bridged(_) | Load::Routed(_) | Load::Flood(_, false) => {
                let sent = self.rig.blast(self.stream, 64, time)?;
                Ok(sent.seen.frames as f64 / sent.took.as_secs_f64() / 1e6)
            }
        }
    }
}

/// Measures these devices.
pub fn turns(devices: &[Device], load: Load, times: Times) -> Result<Vec<Row>, String> {
    let mut rows: Vec<Row> = devices.iter().map(|device| Row { device: device.name(), values: Vec::new() }).collect();
    for rig in 1..=times.rigs {
        eprintln!("rigs {rig} of {}", times.rigs);
        let all: Result<Vec<Ready>, String> = devices.iter().map(|device| Ready::new(*device, load)).collect();
        let all = all?;
        rows.iter_mut().for_each(|row| row.values.push(Vec::new()));
        for turn in 0..times.turns {
            let mut order: Vec<usize> = (0..all.len()).collect();
            // Who is first one time is last the other.
            if turn % 2 == 1 {
                order.reverse();
            }
            for place in order {
                let value = all[place].measure(load, times.time)?;
                rows[place].values.last_mut().expect("just pushed").push(value);
            }
        }
    }
    Ok(rows)
}

/// Each beside the first: the median of all turns' ratios, and of those of the rig where it is least and where it is most.
pub fn table(rows: &[Row]) -> String {
    let mut text = String::new();
    let Some(first) = rows.first() else { return text };
    for row in rows {
        let ratios = |rig: usize| row.values[rig].iter().zip(&first.values[rig]).map(|(a, b)| a / b);
        let mut rigs: Vec<f64> = (0..row.values.len()).map(|rig| median(ratios(rig).collect())).collect();
        rigs.sort_by(f64::total_cmp);
        let all = median((0..row.values.len()).flat_map(ratios).collect());
        let [least, most] = [rigs.first(), rigs.last()].map(|rig| rig.copied().unwrap_or(f64::NAN));
        let middle = median(row.values.iter().flatten().copied().collect());
        let _ = writeln!(
            text,
            "{:24} {middle:>8.3}  {all:.3} of {} (rigs {least:.3} to {most:.3})",
            row.device, first.device
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_compared_with_the_first_of_its_own_turn() {
        // The machine is twice as fast in the second turn, and the second rig of `b` is a good one.
        let row = |device, values: [[f64; 2]; 2]| Row { device, values: values.map(Vec::from).into() };
        let rows = [row("a", [[1.0, 2.0], [1.0, 2.0]]), row("b", [[0.5, 1.0], [2.0, 4.0]])];
        let text = table(&rows);
        assert!(text.lines().next().is_some_and(|line| line.ends_with("1.000 of a (rigs 1.000 to 1.000)")), "{text}");
        assert!(text.lines().nth(1).is_some_and(|line| line.ends_with("2.000 of a (rigs 0.500 to 2.000)")), "{text}");
    }
}
