//! `swbench compare`: every device on the same rig in one run, in turns, part by part.

mod acl;
mod bridged;
mod cost;
pub mod flood;
mod flows;
mod restart;
mod routed;
pub mod routes;
mod tcp;

use crate::device::Device;
use crate::results::Results;
use std::time::Duration;

/// One table.
pub struct Part {
    /// What it is called.
    pub name: &'static str,
    /// Its head.
    pub about: &'static str,
    /// Who is measured.
    pub devices: &'static [Device],
    /// How.
    pub measure: fn(&mut Sample) -> Result<(), String>,
    /// What is to be reached.
    pub wanted: &'static [Wanted],
    /// How often.
    pub rounds: Rounds,
}

/// How many rounds a part has.
pub enum Rounds {
    /// It takes long and differs little.
    One,
    /// As many as are asked for.
    Asked,
    /// Four times as many: single ones are short, and differ by a quarter.
    Many,
}

/// All tables, in their order.
pub const PARTS: [&Part; 9] = [
    &bridged::PART,
    &routed::PART,
    &tcp::PART,
    &flood::PART,
    &acl::PART,
    &cost::PART,
    &flows::PART,
    &restart::PART,
    &routes::PART,
];

/// What a cell should be.
pub enum Wanted {
    /// So many times another.
    Ratio {
        /// Of both.
        column: &'static str,
        /// The row that is to be more.
        ours: &'static str,
        /// The other.
        theirs: &'static str,
        /// The least that is wanted.
        at_least: f64,
    },
    /// So little more than another.
    Added {
        /// Of both.
        column: &'static str,
        /// The row that may be more.
        ours: &'static str,
        /// The other.
        theirs: &'static str,
        /// The most that is wanted.
        at_most: f64,
    },
    /// So little.
    AtMost {
        /// The cell.
        column: &'static str,
        /// The cell.
        row: &'static str,
        /// The most that is wanted.
        at_most: f64,
    },
    /// So much.
    AtLeast {
        /// The cell.
        column: &'static str,
        /// The cell.
        row: &'static str,
        /// The least that is wanted.
        at_least: f64,
    },
}

/// How long and how much.
#[derive(Clone, Copy)]
pub struct Settings {
    /// How often each device has its turn.
    pub rounds: usize,
    /// Of a run at full load.
    pub time: Duration,
    /// Of a large table.
    pub routes: usize,
    /// Of a large table of stations.
    pub stations: u32,
}

/// One device's turn in one part.
pub struct Sample<'a> {
    /// Who.
    pub device: Device,
    /// How long and how much.
    pub settings: Settings,
    part: &'static str,
    results: &'a mut Results,
}

impl Sample<'_> {
    /// A value in the device's row.
    pub fn put(&mut self, column: &str, value: f64) {
        self.put_as(self.device.name(), column, value);
    }

    /// A value in another row.
    pub fn put_as(&mut self, row: &str, column: &str, value: f64) {
        self.results.put(self.part, row, column, value);
    }

    /// A value of this part.
    pub fn get(&self, row: &str, column: &str) -> Option<f64> {
        self.results.get(self.part, row, column)
    }

    /// What must be said of the device.
    pub fn note(&mut self, text: &str) {
        self.results.note(self.part, self.device.name(), text);
    }

    /// Does something that may fail without keeping the rest from being measured.
    pub fn attempt(&mut self, what: &str, work: impl FnOnce(&mut Self) -> Result<(), String>) {
        if let Err(why) = work(self) {
            self.note(&format!("{what}: not measured: {}", why.lines().next().unwrap_or_default()));
        }
    }

    /// Takes over what a rig has to say.
    pub fn notes_of(&mut self, rig: &crate::rig::Rig) {
        rig.notes.iter().for_each(|text| self.note(text));
    }
}

/// Measures a part `rounds` times, its devices in turns, so that a slow minute of the machine hits all alike.
pub fn compare(part: &'static Part, devices: &[Device], settings: Settings) -> Results {
    let mut results = Results::default();
    let rounds = match part.rounds {
        Rounds::One => 1,
        Rounds::Asked => settings.rounds,
        Rounds::Many => settings.rounds * 4,
    };
    for round in 1..=rounds {
        for device in part.devices.iter().filter(|device| devices.is_empty() || devices.contains(device)) {
            eprintln!("{}, round {round}: {}", part.name, device.name());
            let mut sample = Sample { device: *device, settings, part: part.name, results: &mut results };
            if let Err(why) = (part.measure)(&mut sample) {
                sample.note(&format!("not measured: {}", why.lines().next().unwrap_or_default()));
            }
        }
    }
    results
}
