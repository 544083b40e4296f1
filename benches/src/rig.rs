//! The rig every measurement uses: generator ─ device under test ─ sink, each in a namespace of its own, on two cables.
//!
//! ```text
//!   gen: g0 ══ p1 :sw: p2 ══ s0 :sink        gen on the first CPU, userspace switches on the last
//! ```

use crate::traffic::{Generator, Seen, Sink, Stream};
use mona_testbed::netns::{Switch, World, inside, wait};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What stands between generator and sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// Nothing: the generator's own ceiling.
    Nothing,
    /// Mona on `packet` ports.
    MonaPacket,
    /// Mona on `xdp` ports.
    MonaXdp,
    /// The Linux bridge as this system has it.
    Bridge,
    /// The Linux bridge with `net.bridge.bridge-nf-call-*=0`.
    BridgeTuned,
    /// Open vSwitch in userspace on AF_XDP.
    Ovs,
    /// DPDK testpmd, `io` forwarding on AF_XDP.
    Testpmd,
}

impl Device {
    /// In the order of the table.
    pub const ALL: [Device; 7] = [
        Device::Nothing,
        Device::MonaPacket,
        Device::MonaXdp,
        Device::Bridge,
        Device::BridgeTuned,
        Device::Ovs,
        Device::Testpmd,
    ];

    /// As the table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Device::Nothing => "generator and sink",
            Device::MonaPacket => "mona packet",
            Device::MonaXdp => "mona xdp",
            Device::Bridge => "bridge as installed",
            Device::BridgeTuned => "bridge nf-call=0",
            Device::Ovs => "ovs afxdp",
            Device::Testpmd => "testpmd af_xdp",
        }
    }

    /// Do its ports have an XDP program of their own, by which live frames may enter?
    fn has_xdp(self) -> bool {
        matches!(self, Device::MonaXdp | Device::Ovs | Device::Testpmd | Device::Nothing)
    }
}

/// A rig, set up and connected.
pub struct Rig {
    /// Its namespaces and processes.
    pub world: World,
    /// What is measured.
    pub device: Device,
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
}

/// The startup-config that makes Mona a plain switch of two ports.
const TWO_PORTS: &str = "interface GigabitEthernet0/1\n device p1\ninterface GigabitEthernet0/2\n device p2\nend\n";

impl Rig {
    /// Sets the device up between generator and sink; an error says what is missing.
    pub fn new(device: Device) -> Result<Rig, String> {
        let mut world = World::new("bench");
        let (gen_ns, sw_ns, sink_ns) = (world.namespace("gen"), world.namespace("sw"), world.namespace("sink"));
        let mut rig = if device == Device::Nothing {
            world.cable((&gen_ns, "g0"), (&sink_ns, "s0"));
            Rig { world, device, gen_ns, sink_ns, sw_ns, monitor_ns: String::new(), switch: None }
        } else {
            world.cable((&gen_ns, "g0"), (&sw_ns, "p1"));
            world.cable((&sw_ns, "p2"), (&sink_ns, "s0"));
            Rig { world, device, gen_ns, sink_ns, sw_ns, monitor_ns: String::new(), switch: None }
        };
        if !device.has_xdp() {
            // Live frames enter a veth only through NAPI, which GRO (or an XDP program) turns on.
            rig.sw("ethtool -K p1 gro on");
        }
        match device {
            Device::Nothing => {}
            Device::MonaPacket => rig.mona("packet"),
            Device::MonaXdp => rig.mona("xdp"),
            Device::Bridge => rig.bridge(1),
            Device::BridgeTuned => rig.bridge(0),
            Device::Ovs => rig.ovs()?,
            Device::Testpmd => rig.testpmd()?,
        }
        rig.world.exec(&rig.gen_ns, "ip addr add 198.18.0.1/24 dev g0");
        rig.world.exec(&rig.sink_ns, "ip addr add 198.18.0.2/24 dev s0");
        Ok(rig)
    }

    fn sw(&self, line: &str) -> String {
        self.world.exec(&self.sw_ns, line)
    }

    fn mona(&mut self, io: &str) {
        let namespace = self.sw_ns.clone();
        let cpu = last_cpu().to_string();
        let _ = pin(last_cpu());
        self.switch = Some(self.world.switch(&namespace, TWO_PORTS, &["--workers", "1", "--io", io]));
        let _ = cpu;
        let _ = unpin();
        let switch = self.switch.as_ref().expect("just set");
        wait(|| self.world.cli(switch, &["show interfaces status"]).matches("connected").count() >= 2);
    }

    fn bridge(&self, nf_call: u8) {
        // Absent without br_netfilter: then both rows are the same.
        let _ = self.world.attempt(
            &self.sw_ns,
            &format!("for f in /proc/sys/net/bridge/bridge-nf-call-*; do echo {nf_call} > $f; done"),
        );
        self.sw("ip link add br0 type bridge && ip link set br0 up");
        self.sw("ip link set p1 master br0 && ip link set p2 master br0");
        wait(|| self.sw("bridge link").matches("state forwarding").count() == 2);
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

    fn ovs(&mut self) -> Result<(), String> {
        let dir = self.world.dir.display().to_string();
        let mask = 1u64 << last_cpu();
        let environment = format!("cd {dir} && export OVS_RUNDIR={dir} OVS_DBDIR={dir} OVS_LOGDIR={dir}");
        let attempt = |world: &World, line: &str| {
            let made = world.attempt(&self.sw_ns, &format!("{environment} && {line}"));
            if made.status.success() { Ok(()) } else { Err(format!("ovs: {}", String::from_utf8_lossy(&made.stderr))) }
        };
        attempt(&self.world, "ovsdb-tool create conf.db /usr/share/openvswitch/vswitch.ovsschema")?;
        let namespace = self.sw_ns.clone();
        let (database, punix) = (format!("{dir}/conf.db"), format!("--remote=punix:{dir}/db.sock"));
        let database_ctl = format!("--unixctl={dir}/db.ctl");
        self.world.spawn(&namespace, Path::new("/usr/sbin/ovsdb-server"), &[&database, &punix, &database_ctl]);
        if !wait(|| self.world.dir.join("db.sock").exists()) {
            return Err("ovsdb-server did not start".into());
        }
        let vsctl = format!("ovs-vsctl --timeout=10 --db=unix:{dir}/db.sock");
        attempt(&self.world, &format!("{vsctl} --no-wait init"))?;
        let mask = format!("other_config:pmd-cpu-mask={mask:#x}");
        attempt(&self.world, &format!("{vsctl} --no-wait set Open_vSwitch . {mask}"))?;
        let log = format!("--log-file={dir}/vswitchd.log");
        let remote = format!("unix:{dir}/db.sock");
        let ctl = format!("--unixctl={dir}/vswitchd.ctl");
        self.world.spawn(&namespace, Path::new("/usr/sbin/ovs-vswitchd"), &[&remote, &ctl, &log]);
        attempt(
            &self.world,
            &format!(
                "{vsctl} add-br br0 -- set bridge br0 datapath_type=netdev -- add-port br0 p1 \
                 -- set interface p1 type=afxdp -- add-port br0 p2 -- set interface p2 type=afxdp"
            ),
        )?;
        std::thread::sleep(Duration::from_secs(2));
        Ok(())
    }

    fn testpmd(&mut self) -> Result<(), String> {
        let namespace = self.sw_ns.clone();
        let cpu = format!("0,{}", last_cpu());
        let arguments = [
            // Line by line, or nothing is seen before it ends.
            "-oL",
            "/usr/bin/dpdk-testpmd",
            "--no-pci",
            "--no-huge",
            "-m",
            "1024",
            "--no-shconf",
            "-l",
            &cpu,
            "--main-lcore",
            "0",
            "--vdev",
            "net_af_xdp0,iface=p1",
            "--vdev",
            "net_af_xdp1,iface=p2",
            "--",
            "--forward-mode=io",
            "--auto-start",
            "--stats-period=3600",
            "--total-num-mbufs=16384",
            "--disable-link-check",
        ];
        let index = self.world.spawn(&namespace, Path::new("/usr/bin/stdbuf"), &arguments);
        let started = || self.world.log(index).contains("Configuring Port 1");
        if !wait(started) && !wait(started) {
            return Err(format!("testpmd: {}", self.world.log(index)));
        }
        std::thread::sleep(Duration::from_secs(3));
        Ok(())
    }

    /// Lets the device learn where the stream's destinations are: each sends one frame from the sink's side.
    pub fn teach(&self, stream: &Stream) {
        let socket = self.world.raw(&self.sink_ns, "s0");
        for station in 0..stream.dmacs.max(1) {
            let mut frame = vec![0u8; 60];
            frame[..6].copy_from_slice(&[0xff; 6]);
            frame[6..12].copy_from_slice(&mac_of(stream.dmac, station));
            frame[12..14].copy_from_slice(&[0x88, 0xb5]);
            // A full queue is a reason to wait a moment, no more.
            while socket.send(&frame).is_err() {
                std::thread::yield_now();
            }
        }
        std::thread::sleep(Duration::from_millis(200));
    }

    /// Sends `stream` for about `time` and returns what the sink saw, what was sent, and how long sending took.
    pub fn blast(&self, stream: Stream, size: usize, time: Duration) -> Result<(Seen, u64, Duration), String> {
        let _first = self.first()?;
        self.send(stream, size, time)
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

    fn send(&self, stream: Stream, size: usize, time: Duration) -> Result<(Seen, u64, Duration), String> {
        let sink = inside(&self.sink_ns, || Sink::new("s0"))?;
        inside(&self.gen_ns, || {
            pin(0)?;
            first_in_line()?;
            let mut generator = Generator::new(Stream { ifindex: index_of("g0")?, ..stream }, size)?;
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
            let took = generator.send(frames.max(1))?;
            Ok((sink.settled().since(&before), u64::from(frames.max(1)), took))
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

/// Above the interrupt threads of the machine (50).
const PRIORITY: u8 = 60;

/// Processes at real-time priority, alike for every device, so that what else the machine does waits for the end of the
/// measurement; the kernel leaves it a twentieth of each CPU. Their first threads, Mona's control among them, are a step
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

/// Sets the scheduling class and priority of a thread or (`-a`) of all threads of its process.
fn chrt(class: &[&str], priority: u8, task: u32) -> Result<(), String> {
    let output = Command::new("chrt").args(class).args(["-p", &priority.to_string(), &task.to_string()]).output();
    let output = output.map_err(|e| format!("chrt: {e}"))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// The CPU of userspace switches: as far from the generator's as there is.
pub fn last_cpu() -> usize {
    std::thread::available_parallelism().map_or(0, |n| n.get() - 1)
}

/// Pins the calling thread (and what it starts) to a CPU.
pub fn pin(cpu: usize) -> Result<(), String> {
    let mut set = CpuSet::new();
    set.set(cpu).map_err(|e| e.to_string())?;
    sched_setaffinity(Pid::from_raw(0), &set).map_err(|e| format!("CPU {cpu}: {e}"))
}

fn unpin() -> Result<(), String> {
    let mut set = CpuSet::new();
    for cpu in 0..64 {
        set.set(cpu).map_err(|e| e.to_string())?;
    }
    sched_setaffinity(Pid::from_raw(0), &set).map_err(|e| e.to_string())
}
