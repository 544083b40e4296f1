//! What a switch learns: how many addresses (RFC 2889 5.7), how fast (5.8), and how soon after a frame.
//!
//! ```text
//!   learning frames  g0 ─▶ p1 ┐      ┌ p2 ─▶ s0       test frames  s0 ─▶ p2 ┐      ┌ p1 ─▶ g0
//!                             ├ sw: ─┤                                      ├ sw: ─┤
//!                             ┘      └ p3    m0                             ┘      └ p3 ─▶ m0 hears what was flooded
//! ```

use crate::rig::{Rig, before_the_first, first_in_line, index_of, mac_of, pin};
use crate::traffic::{Generator, Sink, Stream};
use mona_testbed::netns::inside;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The first address that is to be learned.
const LEARNED: [u8; 6] = [2, 0, 0, 0x10, 0, 0];
/// Where learning frames go: the station behind p2.
const TARGET: [u8; 6] = [2, 0, 0, 1, 0, 1];
/// Nanoseconds between test frames: no device here loses any at 200 kpps.
const TEST_GAP: u64 = 5000;
/// A trial that fails is made so often before it counts: the machine has other things to do.
const ATTEMPTS: usize = 3;

/// How often each address is sent where it is sought how many there is room for: one frame that is lost is no lack of room.
const TIMES: u32 = 3;

/// One trial: so many addresses, at such a rate.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Trial {
    /// How many addresses were sent from.
    pub stations: u32,
    /// Learning frames a second, as they were sent.
    pub offered: f64,
    /// How long they took to send, milliseconds.
    pub ms: f64,
    /// Test frames that came back to p1 alone.
    pub learned: u64,
    /// Test frames that were flooded.
    pub flooded: u64,
    /// Test frames that did not arrive.
    pub lost: u64,
}

impl Trial {
    fn is_passed(&self) -> bool {
        self.learned == u64::from(self.stations)
    }
}

/// What a search found.
#[derive(Debug, Serialize)]
pub struct Found {
    /// The best trial that passed; none did if it is absent.
    pub best: Option<Trial>,
    /// All trials, in their order.
    pub trials: Vec<Trial>,
}

impl Found {
    /// Tries, and remembers.
    fn passes(&mut self, rig: &Rig, stations: u32, rate: f64, to: [u8; 6], times: u32) -> Result<bool, String> {
        for _ in 0..ATTEMPTS {
            let trial = trial(rig, stations, rate, to, times)?;
            self.trials.push(trial);
            if trial.is_passed() {
                if self.best.is_none_or(|best| (best.stations, best.offered) < (trial.stations, trial.offered)) {
                    self.best = Some(trial);
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// As a table.
    pub fn table(&self) -> String {
        let mut text = String::from(" addresses   offered/s   sent in ms     learned     flooded        lost\n");
        for trial in &self.trials {
            let Trial { stations, offered, ms, learned, flooded, lost } = trial;
            let _ = writeln!(text, "{stations:10} {offered:11.0} {ms:12.1} {learned:11} {flooded:11} {lost:11}");
        }
        text
    }
}

/// A rig with a third port, whose far end hears what is flooded.
pub fn monitored(mut rig: Rig) -> Result<Rig, String> {
    let monitor = rig.world.namespace("monitor");
    rig.add_port(3, (&monitor, "m0"))?;
    rig.monitor_ns = monitor;
    // Live frames come from s0 as well.
    rig.world.attempt(&rig.sw_ns, "ethtool -K p2 gro on");
    Ok(rig)
}

/// Teaches a device that knows nothing `stations` addresses, each so many times, and asks for each of them.
fn trial(rig: &Rig, stations: u32, rate: f64, to: [u8; 6], times: u32) -> Result<Trial, String> {
    rig.forget()?;
    rig.announce("sink", TARGET, 1);
    let _first = rig.first()?;
    let gap = (1e9 / rate) as u64;
    let took = inside(&rig.gen_ns, || {
        pin(0)?;
        first_in_line()?;
        let stream = Stream { smacs: stations, smac: LEARNED, dmac: to, gap, ..Stream::default() };
        let mut generator = Generator::new(Stream { ifindex: index_of("g0")?, ..stream }, 64)?;
        // A call takes its time whatever it sends.
        let call = generator.send(1)?;
        Ok::<_, String>(generator.send(stations * times)?.saturating_sub(call))
    })?;
    // What is in effect only later than that is not learned at this rate.
    std::thread::sleep(Duration::from_millis(100));
    let (mut arrived, mut flooded) = ask(rig, stations)?;
    for _ in 1..ATTEMPTS {
        // Test frames that are lost say nothing about the table: it is asked again.
        if arrived < stations.into() && flooded == 0 {
            (arrived, flooded) = ask(rig, stations)?;
        }
    }
    Ok(Trial {
        stations,
        offered: f64::from(stations * times) / took.as_secs_f64(),
        ms: took.as_secs_f64() * 1e3,
        learned: arrived.saturating_sub(flooded),
        flooded,
        lost: u64::from(stations).saturating_sub(arrived),
    })
}

/// Sends a test frame to each address: how many arrived, and how many of them were flooded.
fn ask(rig: &Rig, stations: u32) -> Result<(u64, u64), String> {
    let sinks = [(&rig.gen_ns, "g0"), (&rig.monitor_ns, "m0")];
    let [asked, flooded] = sinks.map(|(namespace, device)| inside(namespace, || Sink::new(device)));
    let (asked, flooded) = (asked?, flooded?);
    inside(&rig.sink_ns, || {
        pin(0)?;
        first_in_line()?;
        let stream = Stream { dmacs: stations, smac: TARGET, dmac: LEARNED, gap: TEST_GAP, ..Stream::default() };
        Generator::new(Stream { ifindex: index_of("s0")?, ..stream }, 64)?.send(stations)
    })?;
    Ok((asked.settled().frames, flooded.settled().frames))
}

/// RFC 2889 5.7: the most addresses that can be learned one after the other and are all known afterwards. It is sought
/// between the last doubling that passed and the first that did not.
pub fn capacity(rig: &Rig, rate: f64, most: u32) -> Result<Found, String> {
    let mut found = Found { best: None, trials: Vec::new() };
    let (mut low, mut high) = (0, 1024.min(most));
    while found.passes(rig, high, rate, TARGET, TIMES)? {
        low = high;
        if high == most {
            return Ok(found);
        }
        high = high.saturating_mul(2).min(most);
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if found.passes(rig, middle, rate, TARGET, TIMES)? {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(found)
}

/// RFC 2889 5.8: the highest rate at which all addresses are learned, to 2 %. If `filtered`, the learning frames' destination
/// is behind the port they come in by, so that nothing is forwarded: what learning can do by itself.
pub fn rate(rig: &Rig, stations: u32, filtered: bool) -> Result<Found, String> {
    let to = if filtered { LEARNED } else { TARGET };
    let mut found = Found { best: None, trials: Vec::new() };
    if found.passes(rig, stations, f64::INFINITY, to, 1)? {
        return Ok(found);
    }
    let (mut low, mut high) = (0.0, 2e6);
    while high - low > high * 0.02 {
        let middle = (low + high) / 2.0;
        if found.passes(rig, stations, middle, to, 1)? {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(found)
}

/// How long after its first frame a station is known, beside a port at its maximum.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Effect {
    /// Stations that appeared.
    pub stations: usize,
    /// Half of them were known by then, microseconds; none if that took longer than was looked.
    pub median_us: Option<f64>,
    /// 99 in 100.
    pub p99_us: Option<f64>,
    /// Those that were still unknown when it was no longer looked: their first frame was lost or came late.
    pub unknown: usize,
}

/// How long it is looked, and how often.
const LOOKED: Duration = Duration::from_millis(5);
const STEP: Duration = Duration::from_micros(50);

/// Stations appear one after the other behind p3 while p1 is at its maximum. From p4 frames are sent to each, from the
/// moment of its first frame on: those that are flooded, and so arrive at g0, came too early.
pub fn effect(rig: &mut Rig, stations: u32) -> Result<Effect, String> {
    let quiet = rig.world.namespace("quiet");
    rig.add_port(3, (&quiet, "q3"))?;
    rig.add_port(4, (&quiet, "q4"))?;
    let rig = &*rig;
    rig.announce("sink", TARGET, 1);
    let [new, asking] = ["q3", "q4"].map(|device| rig.world.raw(&quiet, device));
    let heard = rig.world.raw(&rig.gen_ns, "g0");
    let asker = [2, 0, 0, 4, 0, 1];
    let frame = |to: [u8; 6], from: [u8; 6], at: u32| {
        let mut frame = [0u8; 60];
        frame[..6].copy_from_slice(&to);
        frame[6..12].copy_from_slice(&from);
        frame[12..14].copy_from_slice(&[0x88, 0xb5]); // local experimental, 802-2014 table 3
        frame[14..18].copy_from_slice(&at.to_be_bytes());
        frame
    };
    asking.send(&frame([0xff; 6], asker, 0)).map_err(|e| e.to_string())?;
    let ended = AtomicBool::new(false);
    let flood = Stream { dmac: TARGET, ..Stream::default() };
    // By station: when the last frame was sent that was flooded, nanoseconds after the first of the station.
    let mut flooded: BTreeMap<[u8; 6], u32> = BTreeMap::new();
    let mut asked = Vec::new();
    std::thread::scope(|scope| {
        let _sink = inside(&rig.sink_ns, || Sink::new("s0"))?;
        let _first = rig.first()?;
        let loud = scope.spawn(|| {
            // What it starts is as far in front.
            first_in_line()?;
            rig.flood(flood, &ended)
        });
        let listener = scope.spawn(|| {
            before_the_first()?;
            let mut flooded = BTreeMap::new();
            let mut buffer = vec![0u8; 2048];
            while !ended.load(Ordering::Relaxed) {
                while let Ok(Some(60)) = heard.receive_into(&mut buffer, Duration::from_millis(100)) {
                    if buffer[6..12] == asker && buffer[0] == LEARNED[0] {
                        let station: [u8; 6] = buffer[..6].try_into().expect("six bytes");
                        let at = u32::from_be_bytes(buffer[14..18].try_into().expect("four bytes"));
                        let last = flooded.entry(station).or_insert(at);
                        *last = at.max(*last);
                    }
                }
            }
            Ok::<_, String>(flooded)
        });
        std::thread::sleep(Duration::from_millis(500));
        let sent = inside(&quiet, || {
            // What is measured is the switch, not when this thread gets its turn.
            pin(0)?;
            before_the_first()?;
            let mut times = Vec::new();
            for station in 0..stations {
                let mac = mac_of(LEARNED, station);
                let start = Instant::now();
                new.send(&frame(asker, mac, 0)).map_err(|e| e.to_string())?;
                let mut sent = Vec::new();
                while start.elapsed() < LOOKED {
                    let at = start.elapsed().as_nanos() as u32;
                    asking.send(&frame(mac, asker, at)).map_err(|e| e.to_string())?;
                    sent.push(at);
                    std::thread::sleep(STEP);
                }
                times.push((mac, sent));
                std::thread::sleep(LOOKED);
            }
            Ok::<_, String>(times)
        });
        ended.store(true, Ordering::Relaxed);
        loud.join().map_err(|_| "the flood failed")??;
        flooded = listener.join().map_err(|_| "the listener failed")??;
        asked = sent?;
        Ok::<_, String>(())
    })?;
    // Known at the first frame after the last that was flooded.
    let known = asked.iter().map(|(mac, sent)| match flooded.get(mac) {
        None => Some(sent[0]),
        Some(last) => sent.iter().copied().find(|at| at > last),
    });
    let mut known: Vec<f64> = known.map(|at| at.map_or(f64::INFINITY, |at| f64::from(at) / 1e3)).collect();
    known.sort_by(f64::total_cmp);
    let at = |share: usize| Some(known[known.len() * share / 100]).filter(|us| us.is_finite());
    Ok(Effect {
        stations: known.len(),
        median_us: at(50),
        p99_us: at(99),
        unknown: known.iter().filter(|us| us.is_infinite()).count(),
    })
}
