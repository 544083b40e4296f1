//! The rig every measurement uses: generator ─ device under test ─ sink, each in a namespace of its own, on two cables.
//!
//! ```text
//!   gen: g0 ══ p1 :sw: p2 ══ s0 :sink        gen on the first CPU, userspace switches on the last
//!   198.18.0.1                198.19.0.1     one network when bridged, two when routed (the device's are .255.254)
//! ```

use crate::cpu::spent_by;
use crate::device::{Device, Redirect};
use crate::traffic::{Generator, Seen, Sink, Stream};
use mona_testbed::netns::{Switch, World, inside, wait};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What the device does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Both cables are one network.
    Bridged,
    /// It is the router between two.
    Routed,
}

/// A rig, set up and connected.
pub struct Rig {
    /// Its namespaces and processes.
    pub world: World,
    /// What is measured.
    pub device: Device,
    /// And as what.
    pub role: Role,
    /// Namespace of the generator; its netdev is `g0`.
    pub gen_ns: String,
    /// Namespace of the sink; its netdev is `s0`.
    pub sink_ns: String,
    /// Namespace of the device under test; its ports are `p1` and `p2`.
    pub sw_ns: String,
    /// Namespace of `m0`, behind port `p3`, where there is one.
    pub monitor_ns: String,
    /// Mona, if it is what is measured.
    pub switch: Option<Switch>,
    /// The bare redirect, if it is that.
    pub redirect: Option<Redirect>,
    /// Where streams with `targets` are sent.
    pub targets: Arc<[Ipv4Addr]>,
    /// What the reader of a figure must know about this device.
    pub notes: Vec<String>,
}

/// What became of a stream.
#[derive(Clone, Copy)]
pub struct Sent {
    /// What the sink saw.
    pub seen: Seen,
    /// So many frames were sent.
    pub frames: u64,
    /// And sending took so long.
    pub took: Duration,
    /// For so much of that the generator waited until a frame was due.
    pub spun: Duration,
    /// What the device's own processes took of CPUs meanwhile; what the kernel does for a frame is on the sender's.
    pub device: Duration,
}

/// From generator to sink.
pub struct Path {
    gen_ns: String,
    sink_ns: String,
    targets: Arc<[Ipv4Addr]>,
    processes: Vec<u32>,
}

impl Rig {
    /// A rig for frames of the generator, bridged; an error says what is missing.
    pub fn new(device: Device) -> Result<Rig, String> {
        Rig::build(device, Role::Bridged, true)
    }

    /// Sets the device up. `live`: the ports are made to take frames of the generator; otherwise they are as veths are.
    pub fn build(device: Device, role: Role, live: bool) -> Result<Rig, String> {
        let mut world = World::new("bench");
        let (gen_ns, sw_ns, sink_ns) = (world.namespace("gen"), world.namespace("sw"), world.namespace("sink"));
        if device == Device::Nothing {
            world.cable((&gen_ns, "g0"), (&sink_ns, "s0"));
        } else {
            world.cable((&gen_ns, "g0"), (&sw_ns, "p1"));
            world.cable((&sw_ns, "p2"), (&sink_ns, "s0"));
        }
        let (switch, redirect) = (None, None);
        let (targets, notes) = (Arc::from([]), Vec::new());
        let monitor_ns = String::new();
        let mut rig = Rig { world, device, role, gen_ns, sink_ns, sw_ns, monitor_ns, switch, redirect, targets, notes };
        if live && !device.has_xdp() {
            // Live frames enter a veth only through NAPI, which GRO (or an XDP program) turns on.
            rig.sw("ethtool -K p1 gro on");
        }
        if device.sends_by_xdp() {
            rig.world.exec(&rig.gen_ns, "ethtool -K g0 gro on");
            rig.world.exec(&rig.sink_ns, "ethtool -K s0 gro on");
        }
        let length = if role == Role::Routed && device != Device::Nothing { 16 } else { 15 };
        rig.world.exec(&rig.gen_ns, &format!("ip addr add 198.18.0.1/{length} dev g0"));
        rig.world.exec(&rig.sink_ns, &format!("ip addr add 198.19.0.1/{length} dev s0"));
        device.set_up(&mut rig)?;
        if length == 16 {
            rig.world.exec(&rig.gen_ns, "ip route add default via 198.18.255.254");
            rig.world.exec(&rig.sink_ns, "ip route add default via 198.19.255.254");
        }
        Ok(rig)
    }

    /// Runs a line of shell beside the device.
    pub fn sw(&self, line: &str) -> String {
        self.world.exec(&self.sw_ns, line)
    }

    /// The address of a netdev.
    pub fn mac(&self, namespace: &str, device: &str) -> String {
        self.world.exec(namespace, &format!("cat /sys/class/net/{device}/address")).trim().to_string()
    }

    /// Runs lines in Mona's shell.
    pub fn cli(&self, lines: &[&str]) -> Result<String, String> {
        let switch = self.switch.as_ref().ok_or("only Mona has this shell")?;
        let (done, text) = self.world.try_cli(switch, lines);
        if done { Ok(text) } else { Err(text.lines().rev().take(3).collect::<Vec<_>>().join("; ")) }
    }

    /// What Mona shows, as JSON; nothing if it does not know the command.
    pub fn shown(&self, command: &str) -> serde_json::Value {
        let text = self.cli(&[&format!("{command} | json")]).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// The device at real-time priority, until what is returned is dropped.
    pub fn first(&self) -> Result<RealTime, String> {
        RealTime::begin(self.world.processes())
    }

    /// One more port, `p` and this number, on a cable to `far` in `namespace`.
    pub fn add_port(&self, number: u8, (namespace, far): (&str, &str)) -> Result<(), String> {
        let port = format!("p{number}");
        self.world.cable((namespace, far), (&self.sw_ns, &port));
        match (self.device, &self.switch) {
            (_, Some(switch)) => {
                let lines =
                    ["configure terminal", &format!("interface gi0/{number}"), &format!("device {port}"), "end"];
                self.world.cli(switch, &lines);
                let ports = usize::from(number);
                wait(|| self.world.cli(switch, &["show interfaces status"]).matches("connected").count() >= ports);
            }
            (Device::Bridge | Device::BridgeTuned, _) => {
                self.sw(&format!("ip link set {port} master br0"));
                wait(|| self.sw("bridge link").matches("state forwarding").count() >= usize::from(number));
            }
            (Device::Ovs, _) => {
                let database = format!("--db=unix:{}/db.sock", self.world.dir.display());
                let interface = format!("add-port br0 {port} -- set interface {port} type=afxdp");
                self.sw(&format!("ovs-vsctl --timeout=10 {database} {interface}"));
            }
            _ => return Err(format!("{} has two ports", self.device.name())),
        }
        Ok(())
    }

    /// The device forgets all addresses it has learned.
    pub fn forget(&self) -> Result<(), String> {
        match (self.device, &self.switch) {
            (_, Some(switch)) => drop(self.world.cli(switch, &["clear mac address-table dynamic"])),
            (Device::Bridge | Device::BridgeTuned, _) => drop(self.sw("ip link set br0 type bridge fdb_flush")),
            (Device::Ovs, _) => {
                drop(self.sw(&format!("ovs-appctl -t {}/vswitchd.ctl fdb/flush br0", self.world.dir.display())));
            }
            _ => return Err(format!("{} learns nothing", self.device.name())),
        }
        Ok(())
    }

    /// Sends `stream` for about `time`, generator and device before all else that the machine does.
    pub fn blast(&self, stream: Stream, size: usize, time: Duration) -> Result<Sent, String> {
        let _first = self.first()?;
        self.path().send(stream, size, time, true)
    }

    /// The same at ordinary priority: for what makes the device take much memory anew.
    pub fn send(&self, stream: Stream, size: usize, time: Duration) -> Result<Sent, String> {
        self.path().send(stream, size, time, false)
    }

    /// Sends `stream` at full speed and ordinary priority until it is ended: what else the switch has to do must get its
    /// share.
    pub fn flood(&self, stream: Stream, ended: &AtomicBool) -> Result<(), String> {
        inside(&self.gen_ns, || {
            pin(0)?;
            let mut generator = Generator::new(Stream { ifindex: index_of("g0")?, ..stream }, 64)?;
            while !ended.load(Ordering::Relaxed) {
                generator.send(400_000)?;
            }
            Ok(())
        })
    }

    /// Where frames go, without what may be done to the device meanwhile.
    pub fn path(&self) -> Path {
        Path {
            gen_ns: self.gen_ns.clone(),
            sink_ns: self.sink_ns.clone(),
            targets: self.targets.clone(),
            processes: self.world.processes(),
        }
    }
}

impl Path {
    /// Sends at real-time priority (`first`) or as everybody.
    pub fn send(&self, stream: Stream, size: usize, time: Duration, first: bool) -> Result<Sent, String> {
        let sink = inside(&self.sink_ns, || Sink::new("s0"))?;
        inside(&self.gen_ns, || {
            let mut generator = Generator::new(Stream { ifindex: index_of("g0")?, ..stream }, size)?;
            generator.aim(&self.targets[..self.targets.len().min(stream.targets as usize)])?;
            pin(0)?;
            if first {
                first_in_line()?;
            }
            // A call has a cost of its own, so the run is one call: a short one tells how long it must be.
            let frames = match stream.gap {
                0 => {
                    let probe = 200_000;
                    let took = generator.send(probe)?;
                    let rate = f64::from(probe) / (took.as_secs_f64() - 0.01).max(0.001);
                    (rate * time.as_secs_f64()) as u32
                }
                gap => (time.as_nanos() as u64 / gap) as u32,
            };
            let before = sink.settled();
            let (spun, device) = (generator.spun()?, spent_by(&self.processes));
            let took = generator.send(frames.max(1))?;
            let device = spent_by(&self.processes).saturating_sub(device);
            let spun = Duration::from_nanos(generator.spun()? - spun);
            Ok(Sent { seen: sink.settled().since(&before), frames: u64::from(frames.max(1)), took, spun, device })
        })
    }
}

/// A netdev of the namespace the thread is in.
pub fn index_of(device: &str) -> Result<u32, String> {
    nix::net::if_::if_nametoindex(device).map_err(|e| format!("{device}: {e}"))
}

/// Station number `n` counted from `base`, as the generator counts.
pub fn mac_of(base: [u8; 6], n: u32) -> [u8; 6] {
    let low = u32::from_be_bytes([0, base[3], base[4], base[5]]).wrapping_add(n).to_be_bytes();
    [base[0], base[1], base[2], low[1], low[2], low[3]]
}

/// The bytes of an address as the kernel writes it.
pub fn mac_from(text: &str) -> [u8; 6] {
    let mut mac = [0; 6];
    mac.iter_mut().zip(text.split(':')).for_each(|(to, digits)| *to = u8::from_str_radix(digits, 16).unwrap_or(0));
    mac
}

/// Above the interrupt threads of the machine (50).
const PRIORITY: u8 = 60;

/// Processes at real-time priority, alike for every device, so that what else the machine does waits for the end of the
/// measurement; the kernel leaves it a twentieth of each CPU. (Only while frames flow: what takes much memory
/// anew in a real-time class can wait for ever for those it has put to sleep.) Their first threads, Mona's control among them, are a step
/// above the others: they do little, and must not wait for their own workers.
pub struct RealTime(Vec<u32>);

impl RealTime {
    fn begin(processes: Vec<u32>) -> Result<RealTime, String> {
        let these = RealTime(processes);
        for process in &these.0 {
            chrt(&["-a", "-f"], PRIORITY, *process)?;
            chrt(&["-f"], PRIORITY + 1, *process)?;
        }
        Ok(these)
    }
}

impl Drop for RealTime {
    fn drop(&mut self) {
        // A process that has ended needs nothing.
        self.0.iter().for_each(|process| chrt(&["-a", "-o"], 0, *process).unwrap_or(()));
    }
}

/// Gives the calling thread real-time priority.
pub fn first_in_line() -> Result<(), String> {
    chrt(&["-f"], PRIORITY, nix::unistd::gettid().as_raw() as u32)
}

/// Gives the calling thread a step more than that: it does little, and it is not to wait for the load.
pub fn before_the_first() -> Result<(), String> {
    chrt(&["-f"], PRIORITY + 1, nix::unistd::gettid().as_raw() as u32)
}

/// The calling thread runs when no other has anything to do.
pub fn last_in_line() -> Result<(), String> {
    chrt(&["-i"], 0, nix::unistd::gettid().as_raw() as u32)
}

/// Sets the scheduling class and priority of a thread or (`-a`) of all threads of its process.
fn chrt(class: &[&str], priority: u8, task: u32) -> Result<(), String> {
    let output = Command::new("chrt").args(class).args(["-p", &priority.to_string(), &task.to_string()]).output();
    let output = output.map_err(|e| format!("chrt: {e}"))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// The CPU of userspace switches: as far from the generator's as there is.
pub fn last_cpu() -> usize {
    let cpus = nix::unistd::sysconf(nix::unistd::SysconfVar::_NPROCESSORS_ONLN);
    cpus.ok().flatten().map_or(0, |n| n as usize - 1)
}

/// Pins the calling thread (and what it starts) to a CPU.
pub fn pin(cpu: usize) -> Result<(), String> {
    let mut set = CpuSet::new();
    set.set(cpu).map_err(|e| e.to_string())?;
    sched_setaffinity(Pid::from_raw(0), &set).map_err(|e| format!("CPU {cpu}: {e}"))
}

/// Does something with the calling thread (and what it starts) on one CPU.
pub fn on_cpu<T>(cpu: usize, work: impl FnOnce() -> T) -> Result<T, String> {
    let before = sched_getaffinity(Pid::from_raw(0)).map_err(|e| e.to_string())?;
    pin(cpu)?;
    let done = work();
    sched_setaffinity(Pid::from_raw(0), &before).map_err(|e| e.to_string())?;
    Ok(done)
}
