//! What an access list costs a frame: `forward()` with a list at the port the frames come in by.
//!
//! The lines are different pairs of networks, hosts, ports and protocols, the last permits everything, and the frames are of
//! random addresses: nearly all are decided by the last line, and little of the list is in the cache. Beside it the same
//! list read line by line.

use crate::micro::{Random, enter, memory, nanos, port_of, switch};
use mona_datapath::acl::{Acl, Filters, Key, Masked, Ports, Rule};
use mona_datapath::io::{Offload, RxFrame};
use mona_datapath::{Batch, Snapshot};
use mona_wire::Eth;
use serde::Serialize;
use std::sync::Arc;
use std::time::Instant;

/// Stations of the switch, and frames of a round.
const STATIONS: usize = 8 << 10;
const FRAMES: usize = 1 << 14;
const ROUNDS: usize = 15;

/// What was measured with one list.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Lines; 0 is no list.
    pub lines: usize,
    /// `forward()` through a `Batch`, median of the rounds.
    pub forward_ns: f64,
    /// The fastest and the slowest round.
    pub spread_ns: [f64; 2],
    /// The list alone, without reading the packet.
    pub decide_ns: f64,
    /// The same, line by line.
    pub naive_ns: f64,
    /// Bytes of its vectors.
    pub bytes: usize,
}

/// Measures with no list, and with some.
pub fn run() -> Vec<Row> {
    [0, 1, 10, 100, 1000, 4000].into_iter().map(measure).collect()
}

/// The rows as a table.
pub fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:>9}  {:>18}  {:>16}  {:>10}  {:>15}  {:>9}\n",
        "acl lines", "forward ns/frame", "(min..max)", "list ns", "line by line ns", "KiB"
    );
    for row in rows {
        let spread = format!("({:.1}..{:.1})", row.spread_ns[0], row.spread_ns[1]);
        text += &format!(
            "{:>9}  {:>18.1}  {spread:>16}  {:>10.1}  {:>15.1}  {:>9}\n",
            row.lines,
            row.forward_ns,
            row.decide_ns,
            row.naive_ns,
            row.bytes / 1024
        );
    }
    let of = |lines| rows.iter().find(|row| row.lines == lines).map_or(f64::NAN, |row| row.forward_ns);
    text + &format!("1,000 lines / 10 lines: {:.2}\n", of(1000) / of(10))
}

fn measure(lines: usize) -> Row {
    let mut random = Random::default();
    let mut snapshot = switch(STATIONS);
    (0..STATIONS).for_each(|number| enter(&snapshot, number));
    let frames: Vec<RxFrame> =
        memory(FRAMES).into_iter().enumerate().map(|(at, bytes)| frame(bytes, at, &mut random)).collect();
    let rules = rules(lines, &mut random);
    let acl = Arc::new(Acl::compile(rules.clone()).expect("few enough lines"));
    if lines > 0 {
        let filters = Filters { ip4: Some(acl.clone()), ..Filters::default() }.some();
        snapshot.ports.iter_mut().flatten().for_each(|port| port.acl_in = filters.clone());
    }
    let rounds = rounds(&snapshot, &frames);
    let keys: Vec<Key> = frames.iter().map(key).collect();
    let began = Instant::now();
    let passed = keys.iter().filter(|key| acl.first(key).is_ok_and(|line| line.is_some())).count();
    let decide_ns = nanos(began.elapsed(), keys.len());
    let began = Instant::now();
    let naive = keys.iter().filter(|key| rules.iter().any(|rule| rule.fits(key))).count();
    let naive_ns = nanos(began.elapsed(), keys.len());
    assert_eq!(passed, naive);
    Row {
        lines,
        forward_ns: rounds[ROUNDS / 2],
        spread_ns: [rounds[0], rounds[ROUNDS - 1]],
        decide_ns,
        naive_ns,
        bytes: acl.size(),
    }
}

fn rounds(snapshot: &Snapshot, frames: &[RxFrame]) -> Vec<f64> {
    let mut batch = Batch::default();
    let mut rounds: Vec<f64> = (0..ROUNDS + 2)
        .map(|_| {
            let (began, mut done, mut sent) = (Instant::now(), 0, 0);
            while done < 1 << 19 {
                let mut left = frames;
                while !left.is_empty() {
                    let decided = batch.decide(snapshot, left);
                    sent += batch.sends.len();
                    left = &left[decided..];
                }
                done += frames.len();
            }
            assert_eq!(sent, done, "every frame passed");
            nanos(began.elapsed(), done)
        })
        .skip(2)
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds
}

/// A packet of TCP from and to 10.0.0.0/8.
fn frame(bytes: &'static mut [u8], at: usize, random: &mut Random) -> RxFrame {
    let (from, mut to) = (at % STATIONS, random.next() % STATIONS);
    if port_of(from) == port_of(to) {
        to = (to + 1) % STATIONS;
    }
    crate::micro::address(bytes, from, to);
    bytes[12..14].copy_from_slice(&[8, 0]);
    bytes[14..18].copy_from_slice(&[0x45, 0, 0, 46]);
    bytes[23] = 6;
    for place in [26, 30] {
        bytes[place] = 10;
        let [one, two, three, ..] = random.next().to_le_bytes();
        bytes[place + 1..place + 4].copy_from_slice(&[one, two, three]);
    }
    let [one, two, ..] = random.next().to_le_bytes();
    bytes[34..38].copy_from_slice(&[one | 0x80, two, 0, 80]);
    bytes[47] = 0x10;
    RxFrame::fixed(port_of(from), bytes, Offload::default())
}

/// Lines as operators write them, the last of which permits everything.
fn rules(lines: usize, random: &mut Random) -> Vec<Rule> {
    let mut rule = |at: usize| {
        let network = |random: &mut Random| {
            let [one, two, three, length, ..] = random.next().to_le_bytes();
            let mask = u32::MAX << [0, 0, 8, 16][usize::from(length) % 4];
            Masked::new(&[10, one, two, three], &mask.to_be_bytes())
        };
        let port = |low| Some(Ports { low, high: low, not: false });
        let (src, dst) = (network(random), network(random));
        let dst = if at.is_multiple_of(3) { Masked::default() } else { dst };
        let common = [22, 25, 53, 80, 443, 8080][random.next() % 6];
        let slot = at as u32;
        match random.next() % 4 {
            0 => Rule { slot, src, dst, ..Rule::default() },
            1 => Rule { slot, src, dst, protocol: Some(17), dport: port(common), ..Rule::default() },
            2 => Rule { slot, src, dst, protocol: Some(6), dport: port(common), ..Rule::default() },
            _ => {
                let low = random.next() as u16 & 0x7fff;
                let sport = Some(Ports { low, high: low + 100, not: false });
                Rule { slot, src, dst, protocol: Some(6), sport, ..Rule::default() }
            }
        }
    };
    let mut rules: Vec<Rule> = (1..lines).map(&mut rule).collect();
    rules.extend((lines > 0).then_some(Rule::default()));
    // Whatever fits, the frame goes on: the rounds are alike.
    rules.iter_mut().for_each(|rule| rule.permit = true);
    rules
}

fn key(frame: &RxFrame) -> Key {
    let eth = Eth::parse(frame.bytes()).expect("a frame");
    Key::read(&eth, frame.bytes()).expect("a packet")
}
