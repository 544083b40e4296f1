//! Hosts and switches in network namespaces of their own: what a test builds, and what is gone when it ends; of one that was
//! killed, when the next begins.

use mona_datapath::io::raw::RawSocket;
use nix::sched::{CloneFlags, setns};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The head of a router's configuration: `p1` in VLAN 10, `p2` in VLAN 20.
pub const TWO_VLANS: &str = "\
vlan 10,20
interface gi0/1
 device p1
 switchport access vlan 10
interface gi0/2
 device p2
 switchport access vlan 20
";

/// The file of a world that says which process it belongs to.
const OWNER: &str = "owner";

/// How long anything may take before a test calls it broken.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A test's private world: a directory, namespaces and the processes in them.
pub struct World {
    label: String,
    /// A directory that goes away with the world.
    pub dir: PathBuf,
    namespaces: Vec<String>,
    children: Vec<Child>,
}

/// A switch that a world runs.
pub struct Switch {
    /// The namespace it runs in.
    pub namespace: String,
    /// Its control socket.
    pub socket: PathBuf,
    /// Its startup-config.
    pub config: PathBuf,
    index: usize,
    /// What starts it: nothing else, or a command whose last arguments it is.
    launcher: Vec<String>,
    arguments: Vec<String>,
}

impl World {
    /// A world of its own for the test `label` (a few letters: namespaces and backplanes are named by it).
    pub fn new(label: &str) -> World {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        static CLEARED: Once = Once::new();
        CLEARED.call_once(World::clear_killed);
        let label = format!("{label}{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(format!("mona-{label}"));
        fs::create_dir_all(&dir).expect("a directory for the test");
        fs::write(dir.join(OWNER), std::process::id().to_string()).expect("a file in it");
        World { label, dir, namespaces: Vec::new(), children: Vec::new() }
    }

    /// Takes away the worlds of processes that were killed, and what still runs there.
    pub fn clear_killed() {
        let entries = |dir: &Path| fs::read_dir(dir).into_iter().flatten().flatten();
        let name = |entry: fs::DirEntry| entry.file_name().into_string().ok();
        for dir in entries(&std::env::temp_dir()) {
            let (path, name_of) = (dir.path(), name(dir));
            let Some(label) = name_of.as_deref().and_then(|name| name.strip_prefix("mona-")) else { continue };
            let Ok(owner) = fs::read_to_string(path.join(OWNER)) else { continue };
            if Path::new("/proc").join(owner).exists() {
                continue;
            }
            let begins = format!("{label}-");
            let namespaces = entries(Path::new("/run/netns")).filter_map(name).filter(|name| name.starts_with(&begins));
            let namespaces: Vec<String> = namespaces.collect();
            for namespace in &namespaces {
                let _ =
                    Command::new("sh").args(["-c", &format!("ip netns pids {namespace} | xargs -r kill -9")]).status();
            }
            drop(World { label: label.into(), dir: path, namespaces, children: Vec::new() });
        }
    }

    /// Makes a namespace; its full name is returned. Loopback is up; IPv6 is quiet, so that no frame is sent that the
    /// test does not ask for.
    pub fn namespace(&mut self, name: &str) -> String {
        let full = format!("{}-{name}", self.label);
        run("ip", &["netns", "add", &full]);
        self.namespaces.push(full.clone());
        self.exec(&full, "ip link set lo up");
        self.exec(&full, "sysctl -qw net.ipv6.conf.default.disable_ipv6=1 net.ipv6.conf.all.disable_ipv6=1");
        full
    }

    /// A cable between two namespaces; both ends are up.
    pub fn cable(&self, (a, a_device): (&str, &str), (b, b_device): (&str, &str)) {
        run("ip", &["link", "add", a_device, "netns", a, "type", "veth", "peer", "name", b_device, "netns", b]);
        self.exec(a, &format!("ip link set {a_device} up"));
        self.exec(b, &format!("ip link set {b_device} up"));
    }

    /// Hosts `h1`, `h2`, … in namespaces of their own, their `eth0` on cables to the ports `p1`, `p2`, … of `switch`; each runs
    /// the line of shell that `line` says for its number.
    pub fn hosts<const N: usize>(&mut self, switch: &str, line: impl Fn(usize) -> String) -> [String; N] {
        std::array::from_fn(|index| {
            let number = index + 1;
            let name = self.namespace(&format!("h{number}"));
            self.cable((switch, &format!("p{number}")), (&name, "eth0"));
            self.exec(&name, &line(number));
            name
        })
    }

    /// Runs a line of shell in a namespace; it must succeed. Returns what it printed.
    pub fn exec(&self, namespace: &str, line: &str) -> String {
        let output = self.attempt(namespace, line);
        assert!(
            output.status.success(),
            "{namespace}: {line}: {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs a line of shell in a namespace, however it ends.
    pub fn attempt(&self, namespace: &str, line: &str) -> Output {
        Command::new("ip").args(["netns", "exec", namespace, "sh", "-c", line]).output().expect("ip netns exec runs")
    }

    /// Does `from` reach `address` soon? (two probes, a second each: to be asked again, or answered with no)
    pub fn pings(&self, from: &str, address: &str) -> bool {
        self.attempt(from, &format!("ping -q -c 2 -i 0.2 -W 1 {address}")).status.success()
    }

    /// Does it, by the same two probes, however late this machine is?
    pub fn reaches(&self, from: &str, address: &str) -> bool {
        self.attempt(from, &format!("ping -q -c 2 -i 0.2 -W 10 {address}")).status.success()
    }

    /// A raw socket on a device of a namespace.
    pub fn raw(&self, namespace: &str, device: &str) -> RawSocket {
        inside(namespace, || RawSocket::open(device)).unwrap_or_else(|e| panic!("{namespace}: {device}: {e}"))
    }

    /// Starts a process in a namespace; it is killed with the world.
    pub fn spawn(&mut self, namespace: &str, program: &Path, arguments: &[&str]) -> usize {
        let log = File::create(self.dir.join(format!("{}.log", self.children.len()))).expect("a log file");
        let child = Command::new("ip")
            .args(["netns", "exec", namespace])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {e}", program.display()));
        self.children.push(child);
        self.children.len() - 1
    }

    /// Kills a process (`SIGKILL`), and waits until it has ended.
    pub fn kill(&mut self, index: usize) {
        let _ = self.children[index].kill();
        let _ = self.children[index].wait();
    }

    /// The process of this number.
    pub fn process(&self, index: usize) -> u32 {
        self.children[index].id()
    }

    /// All processes that were started, by id.
    pub fn processes(&self) -> Vec<u32> {
        self.children.iter().map(Child::id).collect()
    }

    /// What process number `index` printed.
    pub fn log(&self, index: usize) -> String {
        fs::read_to_string(self.dir.join(format!("{index}.log"))).unwrap_or_default()
    }

    /// Starts `switchd` in a namespace with a startup-config and more arguments, and waits until it is ready. Nothing goes on
    /// when it ends.
    pub fn switch(&mut self, namespace: &str, config: &str, arguments: &[&str]) -> Switch {
        self.holding(namespace, config, &[arguments, &["--flush-on-exit"]].concat())
    }

    /// The same, but the kernel goes on forwarding when it ends.
    pub fn holding(&mut self, namespace: &str, config: &str, arguments: &[&str]) -> Switch {
        self.launched(namespace, config, &[], arguments)
    }

    /// The same, started by a command whose last arguments it is.
    pub fn launched(&mut self, namespace: &str, config: &str, launcher: &[&str], arguments: &[&str]) -> Switch {
        let name = namespace.rsplit('-').next().unwrap_or(namespace).to_string();
        let switch = self.new_switch(namespace, &name, config, launcher, arguments);
        let index = self.boot(&switch);
        Switch { index, ..switch }
    }

    /// The same with a name of its own, for more than one in a namespace.
    pub fn named_switch(&mut self, namespace: &str, name: &str, config: &str, arguments: &[&str]) -> Switch {
        let switch = self.new_switch(namespace, name, config, &[], arguments);
        let index = self.boot(&switch);
        Switch { index, ..switch }
    }

    /// Starts a switch that is not to become ready; returns what it said before it ended.
    pub fn refused(&mut self, namespace: &str, launcher: &[&str]) -> String {
        let switch = self.new_switch(namespace, "refused", "", launcher, &[]);
        let index = self.start(&switch);
        let ended = wait(|| matches!(self.children[index].try_wait(), Ok(Some(_))));
        assert!(ended, "it goes on:\n{}", self.log(index));
        self.log(index)
    }

    fn new_switch(&self, namespace: &str, name: &str, config: &str, launcher: &[&str], arguments: &[&str]) -> Switch {
        let dir = self.dir.join(name);
        fs::create_dir_all(&dir).expect("a directory for the switch");
        let all = |words: &[&str]| words.iter().map(|word| word.to_string()).collect::<Vec<_>>();
        let run = dir.display().to_string();
        let switch = Switch {
            namespace: namespace.to_string(),
            socket: dir.join("switchd.sock"),
            config: dir.join("startup-config"),
            index: 0,
            launcher: all(launcher),
            arguments: [all(&["--run", &run, "--name", name]), all(arguments)].concat(),
        };
        fs::write(&switch.config, config).expect("the startup-config");
        switch
    }

    fn boot(&mut self, switch: &Switch) -> usize {
        let index = self.start(switch);
        let ready = wait(|| self.log(index).contains("switchd: ready"));
        assert!(ready, "switchd did not become ready:\n{}", self.log(index));
        index
    }

    fn start(&mut self, switch: &Switch) -> usize {
        let mut words = switch.launcher.clone();
        words.push(binary("switchd").display().to_string());
        words.extend(["--config".to_string(), switch.config.display().to_string()]);
        words.extend(["--socket".to_string(), switch.socket.display().to_string()]);
        words.extend(switch.arguments.clone());
        let arguments: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        self.spawn(&switch.namespace, Path::new(&words[0]), &arguments)
    }

    /// Kills the switch (`SIGKILL`) and starts it again.
    pub fn crash(&mut self, switch: &mut Switch) {
        self.crash_and(switch, "true");
    }

    /// Kills the switch, runs a line of shell in its namespace, and starts it again.
    pub fn crash_and(&mut self, switch: &mut Switch, line: &str) {
        let child = &mut self.children[switch.index];
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        self.exec(&switch.namespace, line);
        switch.index = self.boot(switch);
    }

    /// Kills the switch (`SIGKILL`), and leaves it at that.
    pub fn kill_switch(&mut self, switch: &Switch) {
        self.kill(switch.index);
    }

    /// Starts a switch again that has ended, with more arguments, which prevail.
    pub fn restart(&mut self, switch: &mut Switch, arguments: &[&str]) {
        let more: Vec<String> = arguments.iter().map(|a| a.to_string()).collect();
        switch.arguments.truncate(4);
        switch.arguments.extend(more);
        switch.index = self.boot(switch);
    }

    /// Stops the switch with `SIGTERM`, and waits until it has ended.
    pub fn stop(&mut self, switch: &Switch) {
        let child = &mut self.children[switch.index];
        let pid = nix::unistd::Pid::from_raw(child.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("it runs");
        child.wait().expect("it ends");
    }

    /// What the switch wrote to stderr.
    pub fn messages(&self, switch: &Switch) -> String {
        self.log(switch.index)
    }

    /// The ids of the links of tcx programs at a device, in and out.
    pub fn links(&self, switch: &Switch, device: &str) -> Vec<String> {
        // BPF_PROG_QUERY of BPF_TCX_INGRESS and BPF_TCX_EGRESS.
        let ask = r#"
import ctypes, socket, struct, sys
for side in (46, 47):
    ids, links = (ctypes.c_uint32 * 8)(), (ctypes.c_uint32 * 8)()
    ask = struct.pack("IIIIQIIQQQQ", socket.if_nametoindex(sys.argv[1]), side, 0, 0, ctypes.addressof(ids), 8, 0, 0,
                      ctypes.addressof(links), 0, 0)
    ask = ctypes.create_string_buffer(ask, len(ask))
    assert ctypes.CDLL(None, use_errno=True).syscall(321, 16, ask, len(ask)) == 0, ctypes.get_errno()
    print(*[link for link in links if link])
"#;
        let shown = self.exec(&switch.namespace, &format!("python3 -c '{ask}' {device}"));
        shown.split_whitespace().map(str::to_string).collect()
    }

    /// The switch's process.
    pub fn pid(&self, switch: &Switch) -> u32 {
        self.children[switch.index].id()
    }

    /// Runs lines in `swcli`; none may be rejected.
    pub fn cli(&self, switch: &Switch, lines: &[&str]) -> String {
        let (done, text) = self.try_cli(switch, lines);
        assert!(done, "swcli {lines:?}:\n{text}\n{}", self.messages(switch));
        text
    }

    /// Runs lines in `swcli`: was every one accepted, and what was printed?
    pub fn try_cli(&self, switch: &Switch, lines: &[&str]) -> (bool, String) {
        let mut command = Command::new(binary("swcli"));
        command.arg("--socket").arg(&switch.socket);
        lines.iter().for_each(|line| {
            command.args(["-c", line]);
        });
        let output = command.stdin(Stdio::null()).output().expect("swcli runs");
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        (output.status.success(), text.into_owned())
    }

    /// Runs `swctl` on the switch: did it succeed, and what was printed?
    pub fn ctl(&self, switch: &Switch, arguments: &[&str]) -> (bool, String) {
        let output = Command::new("ip")
            .args(["netns", "exec", &switch.namespace])
            .arg(binary("swctl"))
            .args(arguments)
            .arg("--socket")
            .arg(&switch.socket)
            .output()
            .expect("swctl runs");
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        (output.status.success(), text.trim_end().to_string())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        // What switches left to go on.
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let mounts = mounts.lines().filter_map(|line| line.split(' ').nth(1)).map(Path::new);
        for pins in mounts.filter(|path| path.starts_with(&self.dir) && path.extension().is_some_and(|e| e == "bpf")) {
            let _ = mona_datapath::io::pins::Mount::flush(pins);
        }
        for namespace in &self.namespaces {
            let _ = Command::new("ip").args(["netns", "del", namespace]).status();
        }
        if std::thread::panicking() {
            for index in 0..self.children.len() {
                eprintln!("--- process {index}:\n{}", self.log(index));
            }
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Runs `work` in a thread that has entered the namespace; what it opens stays there.
pub fn inside<T: Send>(namespace: &str, work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                let file = File::open(Path::new("/run/netns").join(namespace)).expect("the namespace exists");
                setns(file, CloneFlags::CLONE_NEWNET).expect("root may enter it");
                work()
            })
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Sends `megabytes` by TCP from a namespace to an address in another, and compares what arrives.
pub fn tcp(from: &str, to: &str, address: &str, megabytes: usize) {
    const STEP: usize = 1 << 20;
    let pattern: Vec<u8> = (0..STEP as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let listener = inside(to, || TcpListener::bind(("0.0.0.0", 7000))).expect("a listener");
    let limit = Some(2 * PATIENCE);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = listener.accept().expect("a connection");
            stream.set_read_timeout(limit).expect("a timeout");
            let mut got = vec![0; STEP];
            for at in 0..megabytes {
                stream.read_exact(&mut got).unwrap_or_else(|e| panic!("{from}→{to} after {at} MiB: {e}"));
                assert!(got == pattern, "{from}→{to}: MiB {at} arrived otherwise than it was sent");
            }
        });
        let address = format!("{address}:7000").parse().expect("an address");
        let connect = || TcpStream::connect_timeout(&address, PATIENCE);
        let mut stream = inside(from, connect).unwrap_or_else(|e| panic!("{from}→{to}: {e}"));
        stream.set_write_timeout(limit).expect("a timeout");
        (0..megabytes).for_each(|_| stream.write_all(&pattern).expect("it is taken"));
    });
}

/// Asks until the answer is yes or patience is over.
pub fn wait(mut question: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if question() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    question()
}

/// A binary of this workspace, built beside the running test.
pub fn binary(name: &str) -> PathBuf {
    let me = std::env::current_exe().expect("the running test has a path");
    let found = me.ancestors().skip(1).take(2).map(|dir| dir.join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{name} is not built: run `cargo build --workspace` first"))
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
