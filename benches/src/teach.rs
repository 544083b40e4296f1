//! Before anything is measured: what the device must know to forward a stream, and a first, slow round of its flows.

use crate::device::{Device, stations_of_ovs};
use crate::rig::{Rig, Role, mac_of};
use crate::traffic::Stream;
use std::time::Duration;

/// Nanoseconds between the frames of the first round: slow enough for every device to enter what it remembers.
const GAP: u64 = 8_000;

impl Rig {
    /// Lets the device learn where the stream's stations are: each sends one frame from its side, again if it was missed.
    pub fn teach(&mut self, stream: &Stream) -> Result<(), String> {
        if let Some(redirect) = &mut self.redirect {
            return redirect.teach(stream);
        }
        if self.role == Role::Routed || matches!(self.device, Device::Nothing | Device::Testpmd) {
            return Ok(());
        }
        let (sources, targets) = (stream.smacs.max(1), stream.dmacs.max(1));
        let wanted = (sources + targets) as usize;
        for _ in 0..10 {
            self.announce("gen", stream.smac, sources);
            self.announce("sink", stream.dmac, targets);
            if self.stations() >= wanted {
                return Ok(());
            }
        }
        let known = self.stations();
        self.notes.push(format!("it has learned {known} of {wanted} stations"));
        Ok(())
    }

    /// Each of so many stations sends one frame from that side.
    pub fn announce(&self, side: &str, first: [u8; 6], stations: u32) {
        let (namespace, device) = if side == "gen" { (&self.gen_ns, "g0") } else { (&self.sink_ns, "s0") };
        let socket = self.world.raw(namespace, device);
        for station in 0..stations {
            let mut frame = [0u8; 60];
            frame[..6].copy_from_slice(&[0xff; 6]);
            frame[6..12].copy_from_slice(&mac_of(first, station));
            frame[12..14].copy_from_slice(&[0x88, 0xb5]);
            // A full queue is a reason to wait a moment, no more; and who learns is given time for it.
            while socket.send(&frame).is_err() {
                std::thread::yield_now();
            }
            if station % 100 == 99 {
                std::thread::sleep(Duration::from_micros(500));
            }
        }
        std::thread::sleep(Duration::from_millis(100));
    }

    /// How many stations the device knows.
    pub fn stations(&self) -> usize {
        match self.device {
            Device::Bridge | Device::BridgeTuned => {
                let text = self.sw("bridge fdb show br br0 dynamic | grep -c master || true");
                text.trim().parse().unwrap_or(0)
            }
            Device::Ovs => stations_of_ovs(self),
            _ => sum_of(&self.shown("show mac address-table count"), &["dynamic"]) as usize,
        }
    }

    /// Every flow of the stream once or more, at a pace that all devices bear.
    pub fn warm(&self, stream: &Stream) -> Result<(), String> {
        let flows = stream.dmacs.max(stream.targets).max(stream.flows).max(5_000);
        let time = Duration::from_nanos(2 * u64::from(flows) * GAP);
        self.send(Stream { gap: GAP, ..*stream }, 64, time).map(drop)
    }
}

/// The sum of all numbers of these names, however deep.
pub fn sum_of(value: &serde_json::Value, fields: &[&str]) -> u64 {
    match value {
        serde_json::Value::Array(all) => all.iter().map(|v| sum_of(v, fields)).sum(),
        serde_json::Value::Object(map) => map
            .iter()
            .map(|(key, v)| if fields.contains(&key.as_str()) { v.as_u64().unwrap_or(0) } else { sum_of(v, fields) })
            .sum(),
        _ => 0,
    }
}
