//! The generator and the sink: live XDP frames into one veth, counted and dropped at the far end of another. Everything
//! runs in the namespace the thread is in.

use aya::maps::{Array, MapData};
use aya::programs::xdp::XdpLinkId;
use aya::programs::{TestRun as _, TestRunAttrs, TestRunOptions, Xdp, XdpMode};
use aya::{Ebpf, EbpfLoader, Pod};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// The committed object; `benches/bpf/bench.bpf.c` is its source.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../bpf/bench.bpf.o");

/// What stands in front of a frame's sequence number, where UDP's payload begins.
const MAGIC: u32 = 0x4d6f_6e61;

/// Frames that the kernel's runner flushes at once.
const BURST: u32 = 64;

/// What is sent: `struct stream` of the program.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    /// By this netdev.
    pub ifindex: u32,
    /// So many UDP source ports, one after the other.
    pub flows: u32,
    /// So many source addresses, one after the other.
    pub smacs: u32,
    /// So many destination addresses, scattered: each once in a pass.
    pub dmacs: u32,
    /// The tag; 0 = none.
    pub vlan: u32,
    /// 1: the sink measures latency (frames of 64 bytes and more behind the tag).
    pub stamp: u32,
    /// 0 = IPv4.
    pub ethertype: u32,
    /// So many IPv4 destinations (see [`Generator::aim`]), one after the other; 0 = one alone.
    pub targets: u32,
    /// 1: no flow comes twice: `smacs` and the source address step once a pass through `dmacs` or `targets`.
    pub fresh: u32,
    /// So many frames of each flow…
    pub repeats: u32,
    /// …so many flows apart; 0: all flows in turns.
    pub window: u32,
    /// First source address.
    pub smac: [u8; 6],
    /// First destination address.
    pub dmac: [u8; 6],
    /// Nanoseconds from frame to frame; 0 = as fast as it goes.
    pub gap: u64,
    /// The number of the first frame.
    pub sequence: u64,
    /// The generator's own.
    pub next: u64,
    /// Nanoseconds it waited for frames to be due.
    pub spun: u64,
    /// The first flow, where there are several frames of each.
    pub begin: u64,
}

/// What arrived: `struct seen` of the program.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Frames of ours.
    pub frames: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Other frames.
    pub foreign: u64,
    /// Frames overtaken by a later one.
    pub reordered: u64,
    /// Frames that came twice in a row.
    pub duplicate: u64,
    last: u64,
    /// The longest time between two stamped frames, nanoseconds.
    pub silence: u64,
    when: u64,
    latency: [u64; 512],
}

#[derive(Clone, Copy)]
#[repr(transparent)]
struct StreamPod(Stream);
#[derive(Clone, Copy)]
#[repr(transparent)]
struct SeenPod(Seen);

mod pod {
    //! The two structs cross to the kernel as bytes.
    #![allow(unsafe_code)]
    // SAFETY: `repr(C)` of integers without padding or invalid values.
    unsafe impl aya::Pod for super::StreamPod {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::SeenPod {}
}

const _: fn() = || {
    fn is_pod<T: Pod>() {}
    is_pod::<StreamPod>();
};

impl Default for Stream {
    fn default() -> Stream {
        Stream {
            ifindex: 0,
            flows: 1,
            smacs: 1,
            dmacs: 1,
            vlan: 0,
            stamp: 0,
            ethertype: 0,
            targets: 0,
            fresh: 0,
            repeats: 0,
            window: 0,
            smac: [2, 0, 0, 0, 0, 1],
            dmac: [2, 0, 0, 1, 0, 1],
            gap: 0,
            sequence: 0,
            next: 0,
            spun: 0,
            begin: 0,
        }
    }
}

/// Sends one stream.
pub struct Generator {
    ebpf: Ebpf,
    frame: Vec<u8>,
    burst: u32,
}

impl Generator {
    /// A generator of frames of `size` bytes (as on the wire, with the 4 bytes of FCS that a veth does not carry).
    pub fn new(stream: Stream, size: usize) -> Result<Generator, String> {
        let mut loader = EbpfLoader::new();
        loader.map_max_entries("targets", stream.targets.max(1));
        let mut ebpf = loader.load(OBJECT).map_err(|e| format!("the generator's program: {e}"))?;
        let program: &mut Xdp =
            ebpf.program_mut("generate_0").expect("it is in the object").try_into().map_err(text)?;
        program.load().map_err(text)?;
        let mut generator = Generator { ebpf, frame: vec![0; size.max(64) - 4], burst: BURST };
        generator.set(stream)?;
        Ok(generator)
    }

    /// Sends this from now on.
    pub fn set(&mut self, stream: Stream) -> Result<(), String> {
        let map = self.ebpf.map_mut("streams").expect("it is in the object");
        // A paced frame leaves at once, or with those that are due in the same 10 microseconds; at full speed they go in bulk.
        self.burst = 10_000u64.checked_div(stream.gap).map_or(BURST, |due| due.clamp(1, BURST.into()) as u32);
        Array::<&mut MapData, StreamPod>::try_from(map).map_err(text)?.set(0, StreamPod(stream), 0).map_err(text)
    }

    /// What it sends to: as many addresses as the stream says.
    pub fn aim(&mut self, targets: &[Ipv4Addr]) -> Result<(), String> {
        let map = self.ebpf.map_mut("targets").expect("it is in the object");
        let mut map = Array::<&mut MapData, u32>::try_from(map).map_err(text)?;
        (0..).zip(targets).try_for_each(|(at, target)| map.set(at, target.to_bits().to_be(), 0).map_err(text))
    }

    /// Nanoseconds it has waited for frames to be due.
    pub fn spun(&self) -> Result<u64, String> {
        let map = self.ebpf.map("streams").expect("it is in the object");
        let map = Array::<&MapData, StreamPod>::try_from(map).map_err(text)?;
        Ok(map.get(&0, 0).map_err(text)?.0.spun)
    }

    /// Sends `frames`. A call costs some 10 ms beside the frames (the kernel makes and frees a pool of pages).
    pub fn send(&mut self, frames: u32) -> Result<Duration, String> {
        let start = Instant::now();
        let program: &mut Xdp = self.ebpf.program_mut("generate_0").expect("loaded").try_into().map_err(text)?;
        let options = TestRunOptions {
            data_in: Some(&self.frame),
            repeat: frames,
            attrs: TestRunAttrs::new().xdp_live_frames(self.burst),
            ..TestRunOptions::new()
        };
        program.test_run(options).map_err(|e| format!("live frames: {e}"))?;
        Ok(start.elapsed())
    }
}

/// A frame of the stream's first addresses that a sink counts, for other senders.
pub fn counted(stream: &Stream, sequence: u64) -> [u8; 60] {
    let mut frame = [0; 60];
    frame[..6].copy_from_slice(&stream.dmac);
    frame[6..12].copy_from_slice(&stream.smac);
    frame[12..14].copy_from_slice(&[0x88, 0xb5]); // local experimental, 802-2014 table 3
    frame[42..46].copy_from_slice(&MAGIC.to_ne_bytes());
    frame[46..54].copy_from_slice(&sequence.to_ne_bytes());
    frame
}

/// Counts and drops what arrives at a netdev.
pub struct Sink {
    ebpf: Ebpf,
    _link: XdpLinkId,
}

impl Sink {
    /// A sink at `device`.
    pub fn new(device: &str) -> Result<Sink, String> {
        let mut ebpf = EbpfLoader::new().load(OBJECT).map_err(|e| format!("the sink's program: {e}"))?;
        let program: &mut Xdp = ebpf.program_mut("count").expect("it is in the object").try_into().map_err(text)?;
        program.load().map_err(text)?;
        let link = program.attach(device, XdpMode::Driver).map_err(|e| format!("{device}: {e}"))?;
        Ok(Sink { ebpf, _link: link })
    }

    /// What arrived so far.
    pub fn seen(&self) -> Seen {
        let map = self.ebpf.map("sink").expect("it is in the object");
        let map = Array::<&MapData, SeenPod>::try_from(map).expect("it is an array");
        map.get(&0, 0).expect("it has one entry").0
    }

    /// Waits until nothing has arrived for a while, and returns what arrived so far.
    pub fn settled(&self) -> Seen {
        let mut last = self.seen();
        loop {
            std::thread::sleep(Duration::from_millis(50));
            let now = self.seen();
            if now.frames == last.frames {
                return now;
            }
            last = now;
        }
    }
}

impl Seen {
    /// What came after `before`.
    pub fn since(&self, before: &Seen) -> Seen {
        let mut latency = self.latency;
        latency.iter_mut().zip(before.latency).for_each(|(to, by)| *to -= by);
        Seen {
            frames: self.frames - before.frames,
            bytes: self.bytes - before.bytes,
            foreign: self.foreign - before.foreign,
            reordered: self.reordered - before.reordered,
            duplicate: self.duplicate - before.duplicate,
            last: self.last,
            silence: self.silence,
            when: self.when,
            latency,
        }
    }

    /// The latency below which `share` of the stamped frames stayed, nanoseconds; `None` without stamped frames.
    pub fn percentile(&self, share: f64) -> Option<u64> {
        let total: u64 = self.latency.iter().sum();
        let wanted = ((total as f64 * share).ceil() as u64).max(1);
        let mut sum = 0;
        for (slot, count) in self.latency.iter().enumerate() {
            sum += count;
            if total > 0 && sum >= wanted {
                let (log, step) = (slot / 8, (slot % 8) as u64);
                return Some(if log < 3 { slot as u64 } else { (8 + step + 1) << (log - 3) });
            }
        }
        None
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
