//! What is measured of a rig: rate, RFC 2544 throughput, latency, round trips, TCP, fairness, hooks.

use crate::rig::{Rig, Sent, first_in_line, last_cpu, last_in_line, mac_of, pin};
use crate::traffic::Stream;
use mona_testbed::netns::wait;
use serde::Serialize;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A rate at full load.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Rate {
    /// Offered, million frames a second.
    pub offered_mpps: f64,
    /// Delivered, million frames a second.
    pub mpps: f64,
    /// Frames delivered out of order.
    pub reordered: u64,
    /// Frames delivered twice.
    pub duplicate: u64,
    /// How busy the device's own processes were; 1 = a CPU all the time. The sender's CPU always is.
    pub device_busy: f64,
}

impl From<Sent> for Rate {
    fn from(sent: Sent) -> Rate {
        let secs = sent.took.as_secs_f64();
        Rate {
            offered_mpps: sent.frames as f64 / secs / 1e6,
            mpps: sent.seen.frames as f64 / secs / 1e6,
            reordered: sent.seen.reordered,
            duplicate: sent.seen.duplicate,
            device_busy: sent.device.as_secs_f64() / secs,
        }
    }
}

/// Round trips of single frames over an idle device, microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RoundTrip {
    /// Half of them were faster.
    pub median_us: f64,
    /// 99 in 100 were faster.
    pub p99_us: f64,
}

/// Full load for about `time`.
pub fn rate(rig: &mut Rig, stream: Stream, size: usize, time: Duration) -> Result<Rate, String> {
    rig.teach(&stream)?;
    rig.warm(&stream)?;
    rig.blast(stream, size, time).map(Rate::from)
}

/// RFC 2544 26.1 as VSPERF adapts it: the highest rate at which no more than `loss` of the frames is lost, by binary
/// search to 2 %. Returns million frames a second and, at that rate, median and 99th percentile latency in microseconds
/// (26.2; only frames of 84 bytes and more carry the time).
pub fn throughput(
    rig: &mut Rig,
    stream: Stream,
    size: usize,
    time: Duration,
    loss: f64,
) -> Result<(f64, Option<(f64, f64)>), String> {
    let (mut low, mut high) = (0.0, rate(rig, Stream { gap: 0, ..stream }, size, time)?.mpps * 1.1e6);
    let mut latency = None;
    while high - low > high * 0.02 {
        let middle = (low + high) / 2.0;
        let gap = (1e9 / middle) as u64;
        let Sent { seen, frames, .. } = rig.blast(Stream { gap, stamp: 1, ..stream }, size, time)?;
        if (seen.frames as f64) < frames as f64 * (1.0 - loss) {
            high = middle;
        } else {
            low = middle;
            latency = seen.percentile(0.5).zip(seen.percentile(0.99)).map(|(a, b)| (a as f64 / 1e3, b as f64 / 1e3));
        }
    }
    Ok((low / 1e6, latency))
}

/// Round trips of single frames, half a millisecond apart: the device is idle between them, but no CPU sleeps. `fresh`: each
/// is by a station of its own that the device knows, and so the first frame of a flow, there and back.
pub fn round_trip(rig: &mut Rig, rounds: usize, fresh: bool) -> Result<RoundTrip, String> {
    const WARM: usize = 50;
    let (near, far) = ([2, 0, 0, 0x20, 0, 0], [2, 0, 0, 2, 0, 2]);
    let stations = if fresh { rounds + WARM } else { 1 };
    let who = |round: usize| mac_of(near, (round % stations) as u32);
    rig.teach(&Stream { smac: near, smacs: stations as u32, dmac: far, ..Stream::default() })?;
    let frame = |to: [u8; 6], from: [u8; 6]| {
        let mut frame = [0u8; 60];
        frame[..6].copy_from_slice(&to);
        frame[6..12].copy_from_slice(&from);
        frame[12..14].copy_from_slice(&[0x88, 0xb5]); // local experimental, 802-2014 table 3
        frame
    };
    let (a, b) = (rig.world.raw(&rig.gen_ns, "g0"), rig.world.raw(&rig.sink_ns, "s0"));
    let patience = Duration::from_millis(200);
    // A device whose work is the kernel's does not wait for other work of the machine: nor do the others.
    let _first = rig.first()?;
    let ended = AtomicBool::new(false);
    let mut times = std::thread::scope(|scope| {
        // To wake a virtual CPU takes the host as long as the way there and back, and not two times alike.
        for cpu in 0..=last_cpu() {
            let ended = &ended;
            scope.spawn(move || {
                pin(cpu).and_then(|()| last_in_line()).expect("a thread may do less");
                while !ended.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let echo = scope.spawn(move || {
            // Wherever there is room: a device that polls has a CPU for itself.
            first_in_line()?;
            let mut buffer = vec![0u8; 2048];
            let mut idle = 0;
            while idle < 10 {
                match b.receive_into(&mut buffer, patience) {
                    Ok(Some(60)) if buffer[..6] == far => {
                        idle = 0;
                        let from = buffer[6..12].try_into().expect("six bytes");
                        let _ = b.send(&frame(from, far));
                    }
                    Ok(Some(_)) => {}
                    _ => idle += 1,
                }
            }
            Ok::<_, String>(())
        });
        let asker = scope.spawn(move || {
            pin(0)?;
            first_in_line()?;
            let mut times = Vec::with_capacity(rounds);
            let mut buffer = vec![0u8; 2048];
            for round in 0..rounds + WARM {
                let start = Instant::now();
                a.send(&frame(far, who(round))).map_err(|e| e.to_string())?;
                while start.elapsed() < patience {
                    if let Ok(Some(60)) = a.receive_into(&mut buffer, patience)
                        && buffer[..6] == who(round)
                    {
                        // The first ones warm up.
                        if round >= WARM {
                            times.push(start.elapsed().as_secs_f64() * 1e6);
                        }
                        break;
                    }
                }
                std::thread::sleep(Duration::from_micros(500));
            }
            Ok::<_, String>(times)
        });
        let (times, echoed) = (asker.join(), echo.join());
        ended.store(true, Ordering::Relaxed);
        echoed.map_err(|_| "the echo thread failed")??;
        times.map_err(|_| "the asking thread failed")?
    })?;
    if times.len() < rounds * 9 / 10 {
        return Err(format!("only {} of {rounds} round trips came back", times.len()));
    }
    times.sort_by(f64::total_cmp);
    Ok(RoundTrip { median_us: times[times.len() / 2], p99_us: times[times.len() * 99 / 100] })
}

/// iperf3 through the device, offloads as they are, Gb/s.
pub fn tcp(rig: &Rig, streams: u32, seconds: u32) -> Result<f64, String> {
    let server = Command::new("ip")
        .args(["netns", "exec", &rig.sink_ns, "iperf3", "-s", "-1", "-p", "5201"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .map_err(|e| format!("iperf3: {e}"))?;
    let server = Guard(server);
    wait(|| rig.world.exec(&rig.sink_ns, "ss -Hltn sport = :5201").contains("5201"));
    let line = format!("timeout -k 1 {} iperf3 -c 198.19.0.1 -p 5201 -J -t {seconds} -O 1 -P {streams}", seconds + 10);
    let output = rig.world.attempt(&rig.gen_ns, &line);
    drop(server);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).map_err(|e| format!("iperf3: {e}"))?;
    report["end"]["sum_received"]["bits_per_second"]
        .as_f64()
        .map(|bits| bits / 1e9)
        .ok_or_else(|| format!("iperf3: {}", report["error"]))
}

/// A child that does not outlive the measurement.
struct Guard(std::process::Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port at its maximum (p1) beside one that offers 10 kpps (p3 → p2): the share of the latter's frames that is lost.
pub fn fairness(rig: &mut Rig, time: Duration) -> Result<f64, String> {
    let quiet = rig.world.namespace("quiet");
    rig.add_port(3, (&quiet, "q0"))?;
    rig.add_port(4, (&quiet, "q4"))?;
    let (target, source) = ([2, 0, 0, 3, 0, 1], [2, 0, 0, 3, 0, 2]);
    let receiver = rig.world.raw(&rig.sink_ns, "s0");
    let mut frame = [0u8; 60];
    frame[..6].copy_from_slice(&[0xff; 6]);
    frame[6..12].copy_from_slice(&target);
    frame[12..14].copy_from_slice(&[0x88, 0xb5]);
    receiver.send(&frame).map_err(|e| e.to_string())?;
    let sender = rig.world.raw(&quiet, "q0");
    // The flood leaves by a port of its own (p4): the quiet stream shares worker and ring with it, not the exit.
    let flood = Stream { dmac: [2, 0, 0, 9, 0, 1], ..Stream::default() };
    frame[..6].copy_from_slice(&[0xff; 6]);
    frame[6..12].copy_from_slice(&flood.dmac);
    rig.world.raw(&quiet, "q4").send(&frame).map_err(|e| e.to_string())?;
    frame[..6].copy_from_slice(&target);
    frame[6..12].copy_from_slice(&source);
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let loud = scope.spawn(|| rig.flood(flood, &ended));
        let counter = scope.spawn(move || {
            let mut buffer = vec![0u8; 2048];
            let (mut count, mut idle) = (0u64, 0);
            while idle < 5 {
                match receiver.receive_into(&mut buffer, Duration::from_millis(200)) {
                    Ok(Some(_)) if buffer[6..12] == source => {
                        count += 1;
                        idle = 0;
                    }
                    Ok(Some(_)) => {}
                    _ => idle += 1,
                }
            }
            count
        });
        std::thread::sleep(Duration::from_millis(300));
        let _ = pin(last_cpu());
        let (start, mut sent) = (Instant::now(), 0u64);
        while start.elapsed() < time {
            let due = (start.elapsed().as_secs_f64() * 10_000.0) as u64;
            while sent < due {
                sender.send(&frame).map_err(|e| e.to_string())?;
                sent += 1;
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        ended.store(true, Ordering::Relaxed);
        loud.join().map_err(|_| "the flood failed")??;
        let got = counter.join().map_err(|_| "the counter failed")?;
        Ok(1.0 - got as f64 / sent.max(1) as f64)
    })
}

/// How long `swctl add-port` and `remove-port` take, milliseconds: (median, 99th percentile) of each.
pub fn hooks(rig: &Rig, calls: usize) -> Result<[(f64, f64); 2], String> {
    let switch = rig.switch.as_ref().ok_or("only Mona has hooks")?;
    let mut times = [Vec::new(), Vec::new()];
    for call in 0..calls {
        let name = format!("hot{call}");
        rig.world.exec(&rig.sw_ns, &format!("ip link add {name} type veth peer name {name}p && ip link set {name} up"));
        for (verb, times) in ["add-port", "remove-port"].into_iter().zip(&mut times) {
            let start = Instant::now();
            let (done, text) = rig.world.ctl(switch, &[verb, &name]);
            times.push(start.elapsed().as_secs_f64() * 1e3);
            if !done {
                return Err(format!("{verb} {name}: {text}"));
            }
        }
        rig.world.exec(&rig.sw_ns, &format!("ip link del {name}"));
    }
    Ok(times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        (times[times.len() / 2], times[times.len() * 99 / 100])
    }))
}
