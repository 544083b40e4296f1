//! The threads and the rings between them: every worker has one to each other worker, and a few to and from control.

use crate::Seen;
use crate::crossing::{Crossing, Crossings};
use crate::flow::Flow;
use crate::io::live::Live;
use crate::io::packet::{Backplane, Urgent};
use crate::io::sched;
use crate::io::set::{IoSet, Own};
use crate::ring::{self, Bell, FrameReader, FrameWriter};
use crate::switching::OpenError;
use crate::worker::{Desk, Ends, Order, Shared, Worker};
use mona_wire::PortId;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use rtrb::{Consumer, Producer, RingBuffer};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// Reports of sources one worker may be ahead of control: at 64 k addresses in 100 ms, twelve milliseconds.
const SEEN: usize = 8192;
/// Flows one worker may be ahead of control: at 200,000 new ones a second, ten milliseconds (and 2 MiB).
const FLOWS: usize = 2048;
/// Ports changing hands at once.
pub(crate) const ORDERS: usize = 256;

/// What control keeps of one worker.
pub(crate) struct Link {
    pub(crate) desk: Arc<Desk>,
    pub(crate) injected: FrameWriter,
    pub(crate) punts: FrameReader,
    pub(crate) seen: Consumer<(u64, Seen)>,
    pub(crate) flows: Consumer<Flow>,
    pub(crate) orders: Producer<Order>,
    pub(crate) returned: Consumer<(PortId, Option<Own>)>,
    pub(crate) thread: Option<JoinHandle<()>>,
}

/// The I/Os a worker begins with; none in memory.
pub(crate) type Start = (Option<Backplane>, Option<Urgent>, Option<Live>);

/// Makes the rings and starts the threads, each on a CPU of its own as far as there are any. Those that run are in
/// `links` also if one fails.
pub(crate) fn employ(
    shared: &Arc<Shared>,
    control: &Arc<Bell>,
    ios: Vec<Start>,
    name: &str,
    links: &mut Vec<Link>,
) -> Result<(), OpenError> {
    let workers = ios.len();
    let desks =
        (0..workers).map(|_| Desk::new().map(Arc::new)).collect::<Result<Vec<_>, _>>().map_err(no_descriptor)?;
    let mut crossing: Vec<Crossings> = Vec::new();
    let mut arriving: Vec<Vec<FrameReader>> = (0..workers).map(|_| Vec::new()).collect();
    for from in 0..workers {
        let to_others = (0..workers).map(|to| {
            let (ring, reader) = (from != to).then(|| ring::frames(ring::FRAMES, ring::BYTES))?;
            arriving[to].push(reader);
            Some(Crossing { ring, bell: Arc::clone(&desks[to].bell), written: false })
        });
        crossing.push(Crossings(to_others.collect()));
    }
    let cpus = allowed_cpus();
    let rings = crossing.into_iter().zip(arriving);
    for (me, ((desk, (crossing, mut arriving)), (backplane, urgent, live))) in
        desks.into_iter().zip(rings).zip(ios).enumerate()
    {
        let (injected, injected_out) = ring::frames(ring::FRAMES, ring::BYTES);
        arriving.push(injected_out);
        let (punts, punts_out) = ring::frames(ring::FRAMES, ring::BYTES);
        let (seen, seen_out) = RingBuffer::new(SEEN);
        let (flows, flows_out) = RingBuffer::new(FLOWS);
        let (orders, orders_out) = RingBuffer::new(ORDERS);
        let (returned, returned_out) = RingBuffer::new(ORDERS);
        let control = Arc::clone(control);
        let ends = Ends { arriving, crossing, punts, seen, flows, orders: orders_out, returned, control };
        let io = IoSet::new(&desk.bell, backplane, urgent, live).map_err(no_descriptor)?;
        let worker = Worker::new(Arc::clone(shared), Arc::clone(&desk), io, ends);
        let cpu = cpus.get(me % cpus.len().max(1)).copied();
        let thread = thread::Builder::new()
            .name(format!("{name}-{me}"))
            .spawn(move || {
                pin(cpu);
                // Its sockets are open, and it opens no other. Without the right to resign it has none to lose.
                let _ = sched::resign();
                worker.run();
            })
            .map_err(|error| OpenError(format!("cannot start worker {me}: {error}")))?;
        links.push(Link {
            desk,
            injected,
            punts: punts_out,
            seen: seen_out,
            flows: flows_out,
            orders,
            returned: returned_out,
            thread: Some(thread),
        });
    }
    Ok(())
}

pub(crate) fn no_descriptor(errno: nix::Error) -> OpenError {
    OpenError(format!("the kernel gives no file descriptor for waking workers ({errno}): raise the limit (ulimit -n)"))
}

/// The CPUs this process may run on.
fn allowed_cpus() -> Vec<usize> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap_or_default();
    (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false)).collect()
}

/// Binds this thread to a CPU. One that went offline meanwhile leaves the thread unbound, which is slower, not wrong.
fn pin(cpu: Option<usize>) {
    let mut set = CpuSet::new();
    if let Some(cpu) = cpu
        && set.set(cpu).is_ok()
    {
        let _ = sched_setaffinity(Pid::from_raw(0), &set);
    }
}
