//! What a new flow costs those who have it remembered: the worker that writes a decision down and control that enters it,
//! one thread, without the ring between them; into a table with room, and into one where each pushes out another of its
//! port, at 200,000 a second of the table's clock.

use crate::micro::{Random, address, memory, nanos, own_time, port_of, switch};
use crate::routed::{packet, router};
use mona_datapath::Snapshot;
use mona_datapath::asking::{Answer, Asked};
use mona_datapath::io::flows::{FlowTable, SLOTS, Way};
use mona_datapath::io::{Offload, RxFrame};
use mona_datapath::program::program;
use mona_wire::PortId;
use serde::Serialize;

/// Stations of the switch, routes of the router.
const STATIONS: usize = 64 << 10;
const ROUTES: usize = 1_000_000;
/// Flows of a round: some fewer than a port may hold, and then many times as many.
const FLOWS: usize = 80_000;
const MORE: usize = 400_000;
/// Nanoseconds of the table's clock from flow to flow.
const GAP: u64 = 5000;

/// What was measured of one kind of flow.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What kind.
    pub kind: &'static str,
    /// Not asking about a frame for once, since the worker is behind.
    pub question_ns: f64,
    /// Deciding once more, written down.
    pub program_ns: f64,
    /// Entering where there is room.
    pub enter_ns: f64,
    /// Entering where another goes.
    pub replace_ns: f64,
    /// Looking whether something went by, each flow.
    pub fold_ns: f64,
}

/// Measures bridged flows and routed ones.
pub fn run() -> Vec<Row> {
    let mut random = Random::default();
    let bridged: Vec<_> = memory(FLOWS + MORE)
        .into_iter()
        .enumerate()
        .map(|(number, bytes)| {
            // Of one port's stations to those of the next.
            let (from, to) = (number % (STATIONS / 64) * 64, (number / (STATIONS / 64)) % (STATIONS / 64) * 64 + 1);
            address(bytes, from, to);
            RxFrame::fixed(port_of(from), bytes, Offload::default())
        })
        .collect();
    let stations = switch(STATIONS);
    (0..STATIONS).for_each(|station| crate::micro::enter(&stations, station));
    let (routes, prefixes) = router(ROUTES, &mut || (random.next() >> 16) as u32);
    let routed: Vec<_> = memory(FLOWS + MORE)
        .into_iter()
        .enumerate()
        .map(|(number, bytes)| {
            let (prefix, _) = prefixes[number * 7919 % prefixes.len()];
            packet(bytes, prefix)
        })
        .collect();
    vec![measure("bridged", &stations, &bridged), measure("routed", &routes, &routed)]
}

/// The rows as a table.
pub fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:>9}  {:>8}  {:>8}  {:>8}  {:>8}  {:>8}\n",
        "new flow", "question", "program", "enter", "replace", "fold"
    );
    for Row { kind, question_ns, program_ns, enter_ns, replace_ns, fold_ns } in rows {
        text += &format!(
            "{kind:>9}  {question_ns:>8.1}  {program_ns:>8.1}  {enter_ns:>8.1}  {replace_ns:>8.1}  {fold_ns:>8.1}\n"
        );
    }
    text
}

fn measure(kind: &'static str, snapshot: &Snapshot, frames: &[RxFrame]) -> Row {
    let mut asked = Asked::default();
    let began = own_time();
    let mut noted = 0;
    for (number, frame) in frames.iter().enumerate() {
        noted +=
            usize::from(matches!(asked.question(frame.rx, frame.bytes(), number as u64 * GAP, true), Answer::Noted));
    }
    let question_ns = nanos(own_time() - began, frames.len());
    assert!(noted > 0);
    let mut table = FlowTable::in_memory(SLOTS).expect("memory for flows");
    for at in 1..snapshot.ports.len() as u16 {
        table.set_port(PortId(at), Way::tc(at.into(), at.into()));
    }
    let epoch = table.epoch();
    let decide = |frame: &RxFrame| {
        program(snapshot, frame.rx, frame.bytes(), frame.len() as u32, &frame.offload, epoch).expect("a plain decision")
    };
    let (first, more) = frames.split_at(FLOWS);
    let (mut programmed, mut entered) = (Default::default(), [Default::default(); 2]);
    for (phase, frames) in [first, more].into_iter().enumerate() {
        // As many as a turn of control takes.
        for (turn, chunk) in frames.chunks(512).enumerate() {
            let began = own_time();
            let flows: Vec<_> = chunk.iter().map(decide).collect();
            let written = own_time();
            let now = (phase * FLOWS + turn * 512) as u64 * GAP;
            flows.iter().enumerate().for_each(|(at, flow)| {
                // Refused where the slots it might lie in are taken: that costs too.
                let _ = table.insert(flow, now + at as u64 * GAP);
            });
            programmed += written - began;
            entered[phase] += own_time() - written;
        }
    }
    let flows = table.flows().count();
    assert!(flows > FLOWS);
    let began = own_time();
    table.fold(frames.len() as u64 * GAP, u64::MAX, |_, _, _| ());
    let fold_ns = nanos(own_time() - began, flows);
    let program_ns = nanos(programmed, frames.len());
    let [enter_ns, replace_ns] = [nanos(entered[0], FLOWS), nanos(entered[1], MORE)];
    Row { kind, question_ns, program_ns, enter_ns, replace_ns, fold_ns }
}
