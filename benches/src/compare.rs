//! `swbench compare`: every device on the same rig in one run, medians, ratios, JSON and a plot.

use crate::measure::{Rate, RoundTrip, rate, round_trip, tcp};
use crate::rig::{Device, Rig};
use crate::traffic::Stream;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

/// A row of the table: medians of all rounds.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The device.
    pub device: &'static str,
    /// 64-byte frames, one flow.
    pub one_flow: Option<Rate>,
    /// 64-byte frames to 1,000 stations.
    pub thousand: Option<Rate>,
    /// Round trips at low load.
    pub round_trip: Option<RoundTrip>,
    /// iperf3, one stream, Gb/s.
    pub tcp_gbps: Option<f64>,
    /// What could not be measured, and why.
    pub missing: Vec<String>,
}

/// Measures every device `rounds` times, in turns, so that a slow minute of the machine hits all alike.
pub fn compare(devices: &[Device], rounds: usize, time: Duration, with_tcp: bool) -> Vec<Row> {
    let mut samples: Vec<Vec<Row>> = devices.iter().map(|_| Vec::new()).collect();
    for round in 1..=rounds {
        for (device, samples) in devices.iter().zip(&mut samples) {
            eprintln!("round {round} of {rounds}: {}", device.name());
            samples.push(sample(*device, time, with_tcp));
        }
    }
    devices.iter().zip(samples).map(|(device, samples)| median_row(device.name(), samples)).collect()
}

fn sample(device: Device, time: Duration, with_tcp: bool) -> Row {
    let mut row = Row {
        device: device.name(),
        one_flow: None,
        thousand: None,
        round_trip: None,
        tcp_gbps: None,
        missing: Vec::new(),
    };
    // A rig of its own for each: what one measurement leaves behind (learned addresses, full queues) is not the next's.
    let mut with_rig = |what: &str, measure: &mut dyn FnMut(&Rig) -> Result<(), String>| {
        if let Err(why) = Rig::new(device).and_then(|rig| measure(&rig)) {
            row.missing.push(format!("{what}: {why}"));
        }
    };
    let (mut one_flow, mut thousand, mut trip, mut gbps) = (None, None, None, None);
    with_rig("64 B", &mut |rig| {
        one_flow = Some(rate(rig, Stream::default(), 64, time)?);
        thousand = Some(rate(rig, Stream { dmacs: 1000, ..Stream::default() }, 64, time)?);
        Ok(())
    });
    with_rig("round trip", &mut |rig| {
        trip = Some(round_trip(rig, 1000)?);
        Ok(())
    });
    if with_tcp && device != Device::Testpmd {
        with_rig("tcp", &mut |rig| {
            gbps = Some(tcp(rig, 1, 3)?);
            Ok(())
        });
    }
    Row { one_flow, thousand, round_trip: trip, tcp_gbps: gbps, ..row }
}

fn median_row(device: &'static str, rows: Vec<Row>) -> Row {
    let middle = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    };
    let rate_of = |pick: fn(&Row) -> Option<Rate>| {
        let all: Vec<Rate> = rows.iter().filter_map(pick).collect();
        middle(all.iter().map(|r| r.mpps).collect()).map(|mpps| Rate {
            mpps,
            offered_mpps: middle(all.iter().map(|r| r.offered_mpps).collect()).unwrap_or(0.0),
            reordered: all.iter().map(|r| r.reordered).sum(),
            duplicate: all.iter().map(|r| r.duplicate).sum(),
        })
    };
    let trips: Vec<RoundTrip> = rows.iter().filter_map(|r| r.round_trip).collect();
    Row {
        device,
        one_flow: rate_of(|r| r.one_flow),
        thousand: rate_of(|r| r.thousand),
        round_trip: middle(trips.iter().map(|t| t.median_us).collect()).map(|median_us| RoundTrip {
            median_us,
            p99_us: middle(trips.iter().map(|t| t.p99_us).collect()).unwrap_or(0.0),
        }),
        tcp_gbps: middle(rows.iter().filter_map(|r| r.tcp_gbps).collect()),
        missing: rows.into_iter().flat_map(|r| r.missing).collect(),
    }
}

/// The table, with ratios to the rows that matter.
pub fn table(rows: &[Row]) -> String {
    let number = |value: Option<f64>, digits: usize| value.map_or("-".into(), |v| format!("{v:.digits$}"));
    let mut text = format!(
        "{:<20} {:>9} {:>10} {:>10} {:>10} {:>10} {:>9}\n",
        "", "64 B Mpps", "offered", "1000 dmac", "RTT us", "RTT p99", "TCP Gb/s"
    );
    for row in rows {
        let _ = writeln!(
            text,
            "{:<20} {:>9} {:>10} {:>10} {:>10} {:>10} {:>9}",
            row.device,
            number(row.one_flow.map(|r| r.mpps), 3),
            number(row.one_flow.map(|r| r.offered_mpps), 3),
            number(row.thousand.map(|r| r.mpps), 3),
            number(row.round_trip.map(|t| t.median_us), 1),
            number(row.round_trip.map(|t| t.p99_us), 1),
            number(row.tcp_gbps, 2),
        );
    }
    let find = |device: Device| rows.iter().find(|row| row.device == device.name());
    let mut ratio = |what: &str, ours: Device, theirs: Device, pick: fn(&Row) -> Option<f64>, wanted: f64| {
        if let (Some(a), Some(b)) = (find(ours).and_then(pick), find(theirs).and_then(pick)) {
            let _ = writeln!(text, "{what:<24} {} / {}: {:.2} (wanted {wanted:.2})", ours.name(), theirs.name(), a / b);
        }
    };
    let mpps = |row: &Row| row.one_flow.map(|r| r.mpps);
    ratio("64 B", Device::MonaPacket, Device::Ovs, mpps, 1.2);
    ratio("64 B", Device::MonaXdp, Device::Ovs, mpps, 1.15);
    ratio("64 B", Device::MonaPacket, Device::BridgeTuned, mpps, 1.0);
    ratio("TCP, one stream", Device::MonaPacket, Device::BridgeTuned, |row| row.tcp_gbps, 0.55);
    if let (Some(ours), Some(bridge)) =
        (find(Device::MonaPacket).and_then(|r| r.round_trip), find(Device::BridgeTuned).and_then(|r| r.round_trip))
    {
        let _ = writeln!(
            text,
            "{:<24} mona packet - bridge: {:.1} us (wanted <= 30)",
            "RTT added, median",
            ours.median_us - bridge.median_us
        );
    }
    for missing in rows.iter().flat_map(|row| row.missing.iter().map(move |m| (row.device, m))) {
        let first = missing.1.lines().next().unwrap_or_default();
        let _ = writeln!(text, "not measured: {}: {first}", missing.0);
    }
    text
}

/// Bars of the 64-byte rates and of TCP, as SVG.
pub fn plot(rows: &[Row], path: &Path) -> Result<(), String> {
    let bars: Vec<(&str, f64, f64)> = rows
        .iter()
        .filter(|row| row.device != Device::Nothing.name())
        .map(|row| (row.device, row.one_flow.map_or(0.0, |r| r.mpps), row.tcp_gbps.unwrap_or(0.0)))
        .collect();
    let (width, line) = (760, 26);
    let height = 60 + bars.len() * line;
    let most = |pick: fn(&(&str, f64, f64)) -> f64| bars.iter().map(pick).fold(0.001, f64::max);
    let (most_mpps, most_gbps) = (most(|b| b.1), most(|b| b.2));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"170\" y=\"24\">64-byte frames, Mpps</text><text x=\"480\" y=\"24\">TCP, one stream, Gb/s</text>\n"
    );
    for (index, (name, mpps, gbps)) in bars.iter().enumerate() {
        let y = 44 + index * line;
        let color = if name.starts_with("mona") { "#2a6f97" } else { "#a9b4bd" };
        let _ = writeln!(svg, "<text x=\"160\" y=\"{}\" text-anchor=\"end\">{name}</text>", y + 14);
        for (x, value, most) in [(170.0, *mpps, most_mpps), (480.0, *gbps, most_gbps)] {
            let length = value / most * 220.0;
            let label = if value > 0.0 { format!("{value:.2}") } else { "-".into() };
            let _ = writeln!(
                svg,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{length:.0}\" height=\"18\" fill=\"{color}\"/>\
                 <text x=\"{:.0}\" y=\"{}\">{label}</text>",
                x + length + 6.0,
                y + 14
            );
        }
    }
    svg.push_str("</svg>\n");
    std::fs::write(path, svg).map_err(|e| format!("{}: {e}", path.display()))
}
