//! What a worker does with what was decided: frames leave by its own ports or go to a colleague or to control, which hears what
//! was seen and is asked to remember flows.

use super::Desk;
use crate::asking::{Answer, Asked};
use crate::batch::Batch;
use crate::crossing::Crossings;
use crate::flow::{COPIES, Flow};
use crate::fragments;
use crate::io::RxFrame;
use crate::io::credit::Settled;
use crate::io::set::{Egress, IoSet};
use crate::offload::{MIN_FRAME, header_len};
use crate::out::Told;
use crate::policer::Policer;
use crate::program::program;
use crate::punt::Punts;
use crate::ring::{Bell, Label};
use crate::snapshot::{Home, Snapshot};
use crate::stats::Runs;
use crate::uncached::Uncached;
use crate::{Drop, Seen};
use crossbeam::utils::CachePadded;
use mona_wire::eth::{TAG, TPID_C};
use mona_wire::{PortId, Tci, VlanId};
use rtrb::Producer;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Flows that control is told of together, and for how long the first of them waits at most: to be woken costs control as much
/// as to enter ten.
const TOGETHER: usize = 64;
const WAIT: Duration = Duration::from_micros(200);
/// How often control is woken for sources at most: a lone one is learned at once, of many those that came meanwhile together. To
/// be woken costs control as much as to learn fifty.
const PAUSE: Duration = Duration::from_micros(200);
/// How often a worker asks the kernel what was lost, in nanoseconds.
const ASK: u64 = 100_000_000;

/// Where decisions go: own ports, other workers, control, counters.
pub(super) struct Exits {
    pub(super) desk: Arc<Desk>,
    pub(super) io: IoSet,
    pub(super) crossing: Crossings,
    pub(super) punts: Punts,
    pub(super) policer: Policer,
    /// Room for a packet and for a fragment of it.
    pub(super) scratch: Box<[u8]>,
    pub(super) seen: Producer<(u64, Seen)>,
    pub(super) flows: Producer<Flow>,
    pub(super) asked: Asked,
    /// Flows that control was not woken for yet, and since when.
    pub(super) waiting: Option<(usize, Instant)>,
    pub(super) control: Arc<Bell>,
    /// Is there something new for control in this round?
    pub(super) reported: bool,
    /// Are there sources that control was not woken for yet?
    pub(super) unheard: bool,
    /// When it was last woken for some.
    pub(super) heard: Instant,
    /// Copies sent but not yet counted.
    pub(super) tx: Runs<(PortId, Option<VlanId>)>,
    /// The coarse clock at this round.
    pub(super) now: u64,
    /// When the kernel was asked for losses.
    pub(super) lost_at: u64,
}

impl Exits {
    /// Carries out what was decided about a batch.
    #[inline]
    pub(super) fn send(&mut self, snapshot: &Snapshot, batch: &Batch, frames: &mut [RxFrame]) {
        // Control is shown what came in: before it is changed.
        for (frame, vlan, told) in &batch.told {
            self.tell(&frames[usize::from(*frame)], *vlan, *told);
        }
        for routed in &batch.routed {
            frames[usize::from(routed.frame)].rewrite(&routed.rewrite);
        }
        for send in &batch.sends {
            let frame = &frames[usize::from(send.frame)];
            let (from, offload) = (frame.rx, frame.offload);
            let label = Label { from, to: send.port, vlan: Some(send.vlan), tag: send.tag, offload, told: None };
            if send.port == PortId::SELF {
                self.punt(label, frame.bytes());
                continue;
            }
            let Some(port) = snapshot.port(send.port) else { continue };
            if port.host && !self.policer.admit(send.port, frame.bytes(), self.now) {
                self.desk.counters.dropped(from, Drop::HostPoliced);
                self.desk.counters.dropped_ip(frame.bytes(), Drop::HostPoliced);
            } else if send.fragment > 0 {
                self.cut(port.home, label, frame.bytes(), send.fragment);
            } else {
                self.exit(port.home, label, frame.bytes(), Some(frame));
            }
        }
    }

    /// By a port, whoever's it is.
    #[inline]
    fn exit(&mut self, home: Home, label: Label, bytes: &[u8], from: Option<&RxFrame>) {
        match home {
            Home::Worker(other) if !self.io.reaches(label.to, home) => self.cross(other, label, bytes),
            _ => self.leave(home, label, bytes, from),
        }
    }

    /// In fragments; of a super-frame, each segment.
    #[cold]
    fn cut(&mut self, home: Home, label: Label, bytes: &[u8], mtu: u16) {
        let mut scratch = std::mem::take(&mut self.scratch);
        let complete = Label { offload: Default::default(), ..label };
        let done =
            fragments::each(bytes, &label.offload, mtu, &mut scratch, |part| self.exit(home, complete, part, None));
        self.scratch = scratch;
        if let Err(why) = done {
            self.desk.counters.dropped(label.from, why);
            self.desk.counters.dropped_ip(bytes, why);
        }
    }

    /// A frame that another worker or the switch itself sends by a port of this one. One that this worker has given
    /// back meanwhile is no port any more.
    #[inline]
    pub(super) fn deliver(&mut self, snapshot: &Snapshot, label: Label, bytes: &[u8]) {
        match snapshot.port(label.to).map(|port| port.home) {
            Some(home) if self.io.reaches(label.to, home) => self.leave(home, label, bytes, None),
            _ => self.desk.counters.dropped(label.from, Drop::PortDown),
        }
    }

    /// By a port of this worker's own.
    #[inline]
    fn leave(&mut self, home: Home, label: Label, bytes: &[u8], from: Option<&RxFrame>) {
        let Exits { desk, io, tx, now, .. } = self;
        let egress = Egress { bytes, tag: label.tag, offload: label.offload };
        match io.send(label.to, home, &egress, from) {
            Ok(()) => {
                let run = tx.of((label.to, label.vlan), |(port, vlan), run| desk.counters.sent(port, vlan, run, *now));
                run.add(bytes, leaving_len(bytes, label.tag), &label.offload);
            }
            Err(why) => desk.counters.dropped(label.from, why),
        }
    }

    /// By a port of another worker.
    #[inline]
    fn cross(&mut self, worker: u8, label: Label, bytes: &[u8]) {
        if let Err(why) = self.crossing.pass(worker, label, bytes) {
            self.desk.counters.dropped(label.from, why);
        }
    }

    /// To the switch itself, as it came in.
    fn punt(&mut self, label: Label, bytes: &[u8]) {
        if self.punts.push(label, bytes, self.now) {
            self.reported = true;
            return;
        }
        match label.told {
            None => self.desk.counters.dropped(label.from, Drop::PuntFull),
            // The frame itself goes its way, or was dropped and counted already.
            Some(Told::Listed { .. }) => self.desk.unlogged.add(1),
            Some(_) => self.desk.told_lost.add(1),
        }
    }

    /// Shows control a frame, of a super-frame the first segment.
    #[cold]
    fn tell(&mut self, frame: &RxFrame, vlan: VlanId, told: Told) {
        let (from, offload) = (frame.rx, frame.offload);
        let first = offload.gso.map(|gso| header_len(frame.bytes(), &offload, &gso) as usize + usize::from(gso.size));
        let bytes = &frame.bytes()[..first.unwrap_or(usize::MAX).min(frame.len())];
        self.punt(Label { from, to: PortId::SELF, vlan: Some(vlan), tag: None, offload, told: Some(told) }, bytes);
    }

    /// Asks control to have remembered what can be: a frame of which few copies leave, whole. What does not fit is asked
    /// again by a later frame.
    #[inline]
    pub(super) fn ask(&mut self, snapshot: &Snapshot, batch: &Batch, frames: &[RxFrame], epoch: u64, behind: bool) {
        let replayed = |port| snapshot.port(port).is_some_and(|port| port.cached);
        let decisions = || batch.sends.chunk_by(|one, other| one.frame == other.frame);
        // Who is behind looks up many; otherwise most are few.
        for send in decisions().filter_map(<[_]>::first).filter(|_| behind) {
            let frame = &frames[usize::from(send.frame)];
            if replayed(frame.rx) {
                self.asked.prefetch(frame.rx, frame.bytes());
            }
        }
        for sends in decisions() {
            let [send, ..] = sends else { continue };
            let frame = &frames[usize::from(send.frame)];
            if send.fragment > 0 || !replayed(frame.rx) || !sends.iter().take(COPIES).all(|send| replayed(send.port)) {
                continue;
            }
            // Known without asking; and the station's next frame is not too early to ask about.
            if batch.strangers >> send.frame & 1 != 0 {
                self.desk.uncached[frame.rx.index()][Uncached::Learning.index()].add(1);
                continue;
            }
            let question = match self.asked.question(frame.rx, frame.bytes(), self.now, behind) {
                Answer::Ask(question) => question,
                Answer::Noted => {
                    self.desk.uncached[frame.rx.index()][Uncached::Once.index()].add(1);
                    continue;
                }
                Answer::Wait => continue,
            };
            let flow = program(snapshot, frame.rx, frame.bytes(), frame.len() as u32, &frame.offload, epoch);
            self.asked.asked(question, flow.as_ref().ok().map(|flow| flow.looked.depth), self.now);
            match flow {
                Ok(flow) if self.flows.push(flow).is_ok() => {
                    self.waiting.get_or_insert_with(|| (0, Instant::now())).0 += 1;
                }
                Ok(_) => self.desk.uncached[frame.rx.index()][Uncached::Lost.index()].add(1),
                Err(why) => self.desk.uncached[frame.rx.index()][why.index()].add(1),
            }
        }
    }

    /// Tells control about sources. What does not fit is lost; the station's next frame repeats it.
    #[inline]
    pub(super) fn report(&mut self, batch: &mut Batch, reported: &CachePadded<AtomicU64>) {
        if !batch.seen.is_empty() {
            let number = reported.fetch_add(1, Relaxed);
            for seen in &batch.seen {
                match self.seen.push((number, *seen)) {
                    Ok(()) => self.unheard = true,
                    Err(_) => self.desk.seen_lost.add(1),
                }
            }
        }
        batch.budget = Batch::share(self.seen.slots(), self.seen.buffer().capacity());
    }

    /// The end of a round that moved something: kernels are kicked, memory is given back, sleepers are woken.
    #[inline]
    pub(super) fn flush(&mut self) {
        let Exits { desk, now, .. } = self;
        self.tx.end(|(port, vlan), run| desk.counters.sent(port, vlan, run, *now));
        self.io.flush();
        self.crossing.wake();
        if std::mem::take(&mut self.reported) {
            self.control.ring();
        }
        self.ring_for_seen();
        self.ring_for_flows(TOGETHER);
        self.ask_losses_in_time();
    }

    /// Wakes control if sources wait for it, unless it was just woken for others.
    #[inline]
    pub(super) fn ring_for_seen(&mut self) {
        if self.unheard && self.heard.elapsed() >= PAUSE {
            self.ring_for_all_seen();
        }
    }

    /// Wakes control if sources wait for it.
    #[inline]
    pub(super) fn ring_for_all_seen(&mut self) {
        if std::mem::take(&mut self.unheard) {
            self.heard = Instant::now();
            self.control.ring();
        }
    }

    #[inline]
    pub(super) fn ask_losses_in_time(&mut self) {
        if self.now - self.lost_at > ASK {
            self.ask_losses();
        }
    }

    /// Wakes control if so many flows wait for it, or one for long enough.
    #[inline]
    pub(super) fn ring_for_flows(&mut self, together: usize) {
        if let Some((flows, since)) = self.waiting
            && (flows >= together || since.elapsed() > WAIT)
        {
            self.waiting = None;
            self.control.ring();
        }
    }

    /// Gives ports the credit of what was received, as far as it is sent, by whatever worker: all of it?
    #[inline]
    pub(super) fn settle(&mut self) -> bool {
        let settled = self.crossing.settle();
        self.io.settle(settled);
        settled == Settled::All
    }

    /// Asks the kernel what was lost.
    #[cold]
    fn ask_losses(&mut self) {
        self.lost_at = self.now;
        self.io.losses(&self.desk.losses);
    }
}

/// How long a frame is with the tag it leaves with; a runt that a removed tag leaves behind is padded.
#[inline]
fn leaving_len(bytes: &[u8], tag: Option<Tci>) -> usize {
    let tagged = bytes.get(12..14).is_some_and(|tpid| tpid == TPID_C.to_be_bytes());
    match (tagged, tag.is_some()) {
        (false, true) => bytes.len() + TAG,
        (true, false) => (bytes.len() - TAG).max(MIN_FRAME),
        _ => bytes.len(),
    }
}
