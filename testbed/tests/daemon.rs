//! `switchd` as a process: what clients may do to it, what it may do to the machine, and what is left when it ends.

use mona_model::api::{Message, REQUEST_LIMIT, Request, VERSION};
use mona_testbed::netns::{PATIENCE, Switch, World, binary, wait};
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A connection, with nothing clever in between.
struct Raw {
    stream: UnixStream,
    lines: BufReader<UnixStream>,
}

impl Raw {
    /// Connects, and reads the greeting.
    fn connect(socket: &Path) -> Raw {
        let stream = UnixStream::connect(socket).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut raw = Raw { lines: BufReader::new(stream.try_clone().expect("a second handle")), stream };
        let hello = raw.line();
        assert!(hello.contains("\"hello\""), "no greeting but {hello}");
        raw
    }

    fn send(&mut self, bytes: &[u8]) {
        // Who is refused in the middle of a line cannot write the rest.
        let _ = self.stream.write_all(bytes);
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let _ = self.lines.read_line(&mut line);
        line
    }

    /// Carries out a line, and returns the whole answer as text.
    fn ask(&mut self, line: &str) -> String {
        self.send(request(line).as_bytes());
        self.line()
    }
}

fn request(line: &str) -> String {
    let (context, origin) = (Vec::new(), "vty0".into());
    let request = Request { v: VERSION, id: 7, context, line: line.into(), privilege: None, origin };
    serde_json::to_string(&request).expect("it is JSON") + "\n"
}

/// A world with one namespace of `ports` devices p1…, each a cable to a device h1… of the namespace of hosts.
fn world(label: &str, ports: usize) -> (World, String) {
    let mut world = World::new(&format!("rim-{label}"));
    let (space, hosts) = (world.namespace("s"), world.namespace("h"));
    for port in 1..=ports {
        world.cable((&space, &format!("p{port}")), (&hosts, &format!("h{port}")));
    }
    (world, space)
}

/// CPU time that a process has used, all its threads.
fn cpu(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 10)
}

/// A field of `/proc/PID/status`.
fn status(path: &Path, field: &str) -> String {
    try_status(path, field).unwrap_or_else(|| panic!("no {field} of {}", path.display()))
}

/// None of what has ended.
fn try_status(path: &Path, field: &str) -> Option<String> {
    let text = fs::read_to_string(path.join("status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(line.trim().to_string())
}

#[test]
fn a_wrong_request_ends_its_client_with_a_sentence_and_nobody_else() {
    let (mut world, space) = world("wrong", 0);
    let switch = world.switch(&space, "hostname sw1\n", &[]);
    let mut bystander = Raw::connect(&switch.socket);
    let long = [&vec![b'a'; 1 << 20][..], b"\n"].concat();
    let cases: [(&str, &[u8], &str); 8] = [
        ("not JSON", b"show version\n", "one JSON object on one line"),
        ("another version", b"{\"v\":2,\"id\":1,\"line\":\"show version\"}\n", "protocol version 1, not 2"),
        ("another version's fields", b"{\"v\":9,\"verb\":\"show\"}\n", "protocol version 1, not 9"),
        ("no line", b"{\"v\":1,\"id\":1}\n", "missing field `line`"),
        ("an unknown field", b"{\"v\":1,\"id\":1,\"line\":\"\",\"zeal\":1}\n", "unknown field `zeal`"),
        ("not UTF-8", b"{\"v\":1,\"id\":1,\"line\":\"\xff\"}\n", "one JSON object on one line"),
        ("half a line", b"{\"v\":1,\"id\":1,\"li", "cut off"),
        ("1 MiB", &long, &format!("at most {REQUEST_LIMIT} bytes")),
    ];
    for (what, bytes, expect) in cases {
        let mut client = Raw::connect(&switch.socket);
        client.send(bytes);
        let _ = client.stream.shutdown(Shutdown::Write);
        let answer = client.line();
        assert!(answer.contains("\"protocol\"") && answer.contains(expect), "{what}: {answer}");
        assert_eq!(client.line(), "", "{what}: the connection ends");
        let answer = bystander.ask("show privilege");
        assert!(answer.contains("\"rows\":15"), "{what}: a bystander hears {answer}");
    }
    // A line may come in pieces, and several in one.
    let text = request("show privilege").repeat(3);
    let (first, second) = text.split_at(9);
    let mut client = Raw::connect(&switch.socket);
    client.send(first.as_bytes());
    bystander.ask("show privilege");
    client.send(second.as_bytes());
    for _ in 0..3 {
        assert!(client.line().contains("\"rows\":15"));
    }
}

#[test]
fn who_asks_and_leaves_is_answered_all_the_same() {
    let (mut world, space) = world("leave", 0);
    let switch = world.switch(&space, "", &[]);
    let mut client = Raw::connect(&switch.socket);
    client.send((request("write memory") + &request("show privilege")).as_bytes());
    client.stream.shutdown(Shutdown::Write).expect("half a connection");
    let mut rest = String::new();
    client.lines.read_to_string(&mut rest).expect("text");
    assert!(rest.contains("[OK]") && rest.contains("\"rows\":15"), "{rest}");
}

#[test]
fn who_does_not_read_costs_the_others_nothing() {
    let (mut world, space) = world("slow", 0);
    let config: String = (2..600).map(|vlan| format!("vlan {vlan}\n name a-name-of-some-length-{vlan}\n")).collect();
    let switch = world.switch(&space, &config, &[]);
    let pid = world.pid(&switch);
    let mut bystander = Raw::connect(&switch.socket);
    // One that asks as long as it can write, one that also says it is done; neither reads a byte.
    let mut rude: Vec<Raw> = (0..2).map(|_| Raw::connect(&switch.socket)).collect();
    for client in &mut rude {
        client.stream.set_write_timeout(Some(Duration::from_millis(500))).expect("a timeout");
        client.send(request("terminal monitor").as_bytes());
        client.send(request("show vlan").repeat(4000).as_bytes());
    }
    rude[1].stream.shutdown(Shutdown::Write).expect("half a connection");
    // Beside those who do not read, not behind them: they still have not read a byte. (That each turn takes one request of
    // each client is a test of the server's own.)
    for _ in 0..100 {
        let answer = bystander.ask("show privilege");
        assert!(answer.contains("\"rows\":15"), "{answer}");
    }
    let memory = status(Path::new(&format!("/proc/{pid}")), "VmRSS");
    let kib: u64 = memory.trim_end_matches(" kB").parse().expect("a number");
    assert!(kib < 256 << 10, "it grew to {memory}");
    // They are waited for without trying again and again.
    let rests = wait(|| {
        let before = cpu(pid);
        std::thread::sleep(Duration::from_millis(500));
        cpu(pid) - before <= Duration::from_millis(10)
    });
    assert!(rests, "it is busy with clients that do nothing");
}

/// An answer as long as the configuration is made beside what others ask, not before. (Were it made before, none could
/// overtake it, however often it is tried.)
#[test]
fn who_asks_for_the_whole_configuration_keeps_nobody_waiting() {
    let (mut world, space) = world("whole", 0);
    let remarks: String = (0..4000).map(|n| format!(" remark a line of some length, number {n}\n")).collect();
    let config: String = (0..5).map(|list| format!("ip access-list extended LONG{list}\n{remarks}")).collect();
    let switch = world.switch(&space, &config, &[]);
    let mut bystander = Raw::connect(&switch.socket);
    let mut curious = Raw::connect(&switch.socket);
    for what in ["show running-config", "show startup-config"] {
        let is_overtaken = (0..50).any(|_| {
            // The next after it is asked for at once, and answered behind it.
            curious.send((request(what) + &request("show privilege")).as_bytes());
            let answer = bystander.ask("show privilege");
            assert!(answer.contains("\"rows\":15"), "{answer}");
            curious.stream.set_nonblocking(true).expect("a socket");
            let is_overtaken = curious.lines.fill_buf().is_err();
            curious.stream.set_nonblocking(false).expect("a socket");
            let answer = curious.line();
            assert!(answer.contains("LONG0") && answer.contains("LONG4"), "{what}: {} bytes", answer.len());
            assert!(curious.line().contains("\"rows\":15"), "{what}");
            is_overtaken
        });
        assert!(is_overtaken, "{what} is answered before anybody else");
    }
    let (done, text) = world.try_cli(&switch, &["show running-config interface vlan 7"]);
    assert!(!done && text.contains("There is no Vlan7"), "{text}");
}

#[test]
fn a_crowd_is_refused_at_the_door() {
    let (mut world, space) = world("crowd", 0);
    let switch = world.switch(&space, "", &[]);
    let mut crowd: Vec<Raw> = (0..128).map(|_| Raw::connect(&switch.socket)).collect();
    let mut text = String::new();
    let mut late = UnixStream::connect(&switch.socket).expect("it listens");
    late.read_to_string(&mut text).expect("text");
    assert!(text.contains("128 clients are connected already"), "{text}");
    crowd.pop();
    assert!(wait(|| {
        let stream = UnixStream::connect(&switch.socket).expect("it listens");
        let mut line = String::new();
        let _ = BufReader::new(stream).read_line(&mut line);
        line.contains("\"hello\"")
    }));
}

#[test]
fn credentials_decide() {
    let (mut world, space) = world("who", 0);
    let dir = world.dir.clone();
    let groups = fs::read_to_string("/etc/group").expect("every system has groups");
    let others = groups.lines().filter(|line| !line.starts_with("mona")).map(|line| format!("{line}\n"));
    fs::write(dir.join("group"), others.collect::<String>() + "mona:x:64242:\nmona-admin:x:64243:\n").expect("a file");
    fs::copy(binary("swcli"), dir.join("swcli")).expect("a copy that everybody may run");
    fs::set_permissions(&dir, Permissions::from_mode(0o755)).expect("ours");
    let shown = dir.display();
    // The namespace's processes have mounts of their own: the host's groups stay as they are.
    let start = format!(
        "mount --bind {shown}/group /etc/group && exec {} --socket {shown}/s --config {shown}/startup-config --run {shown}",
        binary("switchd").display()
    );
    let daemon = world.spawn(&space, Path::new("/bin/sh"), &["-c", &start]);
    assert!(wait(|| world.log(daemon).contains("switchd: ready")), "{}", world.log(daemon));
    let mode = fs::metadata(dir.join("s")).expect("the socket").permissions().mode() & 0o777;
    assert_eq!(mode, 0o666, "anybody may ask, credentials decide");
    let stranger = "is in neither of the groups mona and mona-admin";
    let cases = [
        ("root", "--reuid 0", "show privilege", "Current privilege level is 15"),
        ("admin by main group", "--reuid 65534 --regid 64243 --clear-groups", "show privilege", "level is 15"),
        ("admin by other group", "--reuid 65534 --regid 65534 --groups 64243", "show privilege", "level is 15"),
        ("in both", "--reuid 65534 --regid 64242 --groups 64243", "show privilege", "level is 15"),
        ("reader", "--reuid 65534 --regid 65534 --groups 64242", "show privilege", "level is 1"),
        ("reader shows", "--reuid 65534 --regid 64242 --clear-groups", "show vlan brief", "default"),
        ("stranger", "--reuid 65534 --regid 65534 --clear-groups", "show privilege", stranger),
    ];
    for (who, credentials, line, expect) in cases {
        let command = format!("setpriv {credentials} {shown}/swcli --socket {shown}/s -c '{line}'");
        let output = world.attempt(&space, &command);
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(expect), "{who}: {text}");
        assert_eq!(output.status.success(), who != "stranger", "{who}: {text}");
    }
    // What only administrators may do a reader may not, whatever privilege it claims.
    let claim = "{\"v\":1,\"id\":1,\"context\":[\"configure terminal\"],\"line\":\"hostname mine\",\"privilege\":15}";
    let script = "$s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die; <$s>; print $s \"$ARGV[1]\\n\"; $s->flush; print scalar <$s>";
    let command = format!(
        "setpriv --reuid 65534 --regid 64242 --clear-groups perl -MIO::Socket::UNIX -e '{script}' {shown}/s '{claim}'"
    );
    let output = world.attempt(&space, &command);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("\"error\"") && text.contains("\"hostname\":\"Switch\""), "{text}");
}

#[test]
fn one_socket_one_daemon() {
    let (mut world, space) = world("one", 0);
    let switch = world.switch(&space, "", &[]);
    let again = |socket: &Path| {
        let output = Command::new("ip")
            .args(["netns", "exec", &switch.namespace])
            .arg(binary("switchd"))
            .args(["--name", "other", "--config", "/nonexistent/config", "--run"])
            .arg(&world.dir)
            .arg("--socket")
            .arg(socket)
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let text = again(&switch.socket);
    assert!(text.contains("another switchd listens there"), "{text}");
    let precious = world.dir.join("precious");
    fs::write(&precious, "a file\n").expect("a file");
    let text = again(&precious);
    assert!(text.contains("is no socket"), "{text}");
    assert_eq!(fs::read_to_string(&precious).expect("still there"), "a file\n");
    Raw::connect(&switch.socket);
    world.stop(&switch);
    assert!(!switch.socket.exists(), "it takes its socket with it");
}

#[test]
fn bad_lines_of_the_startup_config_are_named_and_the_rest_applies() {
    let (mut world, space) = world("lines", 1);
    let config = "hostname sw1\nbogus line\ninterface GigabitEthernet0/1\n device p1\n nonsense here\n\
        vlan 5000\nvlan 10\n name \u{1}\nvlan 20\n name ok\n";
    let switch = world.switch(&space, config, &[]);
    let said = world.messages(&switch);
    for line in [2, 5, 6] {
        assert!(said.contains(&format!("startup-config line {line}:")), "line {line} is not named:\n{said}");
    }
    let shown = world.cli(&switch, &["show vlan brief", "show interfaces status"]);
    assert!(shown.contains("ok") && shown.contains("connected"), "{shown}");
    // Not even text, and none at all.
    fs::write(&switch.config, b"\xff\xfe\x00\nhostname sw2\n").expect("ours");
    let mut switch = switch;
    world.crash(&mut switch);
    assert!(world.cli(&switch, &["show running-config"]).contains("hostname sw2"));
    fs::remove_file(&switch.config).expect("ours");
    world.crash(&mut switch);
    assert!(world.cli(&switch, &["show running-config"]).contains("hostname Switch"));
}

#[test]
fn saving_replaces_the_file_whole_or_not_at_all() {
    let (mut world, space) = world("save", 0);
    let switch = world.switch(&space, "hostname before\n", &[]);
    let dir = switch.config.parent().expect("a directory").to_path_buf();
    let files = || {
        let mut names: Vec<_> = fs::read_dir(&dir).expect("ours").map(|e| e.expect("a file").file_name()).collect();
        names.sort();
        names
    };
    let before = files();
    world.cli(&switch, &["configure terminal", "hostname after"]);
    // Root without CAP_DAC_OVERRIDE, as the daemon is, may not write where nobody may.
    fs::set_permissions(&dir, Permissions::from_mode(0o555)).expect("ours");
    let (done, text) = world.try_cli(&switch, &["write memory"]);
    assert!(!done && text.contains("the configuration was not saved") && text.contains("startup-config"), "{text}");
    assert_eq!(fs::read_to_string(&switch.config).expect("still there"), "hostname before\n");
    assert_eq!(files(), before, "nothing is left over");
    fs::set_permissions(&dir, Permissions::from_mode(0o755)).expect("ours");
    world.cli(&switch, &["write memory"]);
    assert!(fs::read_to_string(&switch.config).expect("there").contains("hostname after"));
    assert_eq!(files(), before, "nothing is left over");
}

#[test]
fn ports_of_hooks_return_after_kill_9() {
    let (mut world, space) = world("kill", 4);
    let config = "vlan 20\nport-profile office\n switchport mode access\n switchport access vlan 20\n";
    let mut switch = world.switch(&space, config, &[]);
    let add = |world: &World, switch: &Switch, arguments: &[&str]| {
        let (done, name) = world.ctl(switch, &[&["add-port"], arguments].concat());
        assert!(done, "{name}");
        name
    };
    let trunk = ["p1", "--trunk", "10,20-29", "--native-vlan", "10"];
    assert_eq!(add(&world, &switch, &trunk), "GigabitEthernet1/1");
    assert_eq!(
        add(&world, &switch, &["p2", "--interface", "GigabitEthernet0/7", "--profile", "office"]),
        "GigabitEthernet0/7"
    );
    assert_eq!(add(&world, &switch, &["p3", "--tag", "web1", "--access-vlan", "20"]), "GigabitEthernet1/2");
    assert_eq!(add(&world, &switch, &["p4"]), "GigabitEthernet1/3");
    world.ctl(&switch, &["remove-port", "p4"]);
    let shown = ["show running-config", "show interfaces status"];
    let before = world.cli(&switch, &shown);
    world.crash(&mut switch);
    assert_eq!(world.cli(&switch, &shown), before);
    // The wish said again changes nothing.
    assert_eq!(add(&world, &switch, &trunk), "GigabitEthernet1/1");
    assert_eq!(world.cli(&switch, &shown), before);
    // A device that vanished meanwhile: its nameless interface is gone too, the one with a tag waits for the next.
    world.crash_and(&mut switch, "ip link del p1; ip link del p3");
    let after = world.cli(&switch, &["show running-config"]);
    assert!(!after.contains("GigabitEthernet1/1"), "{after}");
    assert!(after.contains("tag web1") && !after.contains("device p3"), "{after}");
    assert_eq!(add(&world, &switch, &["p4", "--tag", "web1"]), "GigabitEthernet1/2");
    let after = world.cli(&switch, &["show running-config interface GigabitEthernet1/2"]);
    assert!(after.contains("switchport access vlan 20") && after.contains("device p4"), "{after}");
    // Another device of the same name is somebody else's.
    world.crash_and(&mut switch, "ip link del p2; ip link add p2 type veth peer name q2");
    let other = world.cli(&switch, &["show running-config"]);
    assert!(!other.contains("p2") && !other.contains("GigabitEthernet0/7"), "{other}");
}

#[test]
fn sigterm_gives_everything_back() {
    let (mut world, space) = world("term", 3);
    world.exec(&space, "sysctl -qw net.ipv6.conf.p1.disable_ipv6=0; ethtool -K p2 tso off rxvlan off 2>/dev/null; ip link set p3 mtu 1400");
    let facts = |world: &World| {
        let mut text = world.exec(&space, "ip -d link | sed -E 's/ (qlen|numtxqueues) [0-9]+//g'");
        for port in 1..=3 {
            text += &world.exec(
                &space,
                &format!("sysctl net.ipv6.conf.p{port}.disable_ipv6; ethtool -k p{port}; bpftool net show dev p{port}"),
            );
        }
        text
    };
    let before = facts(&world);
    let config =
        "interface GigabitEthernet0/1\n device p1\n mtu 1600\ninterface GigabitEthernet0/2\n device p2\n shutdown\n";
    let switch = world.switch(&space, config, &[]);
    assert!(world.ctl(&switch, &["add-port", "p3"]).0);
    assert_ne!(facts(&world), before, "it has its programs there");
    // What reloads other daemons is no reason to end this one.
    let pid = nix::unistd::Pid::from_raw(world.pid(&switch) as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGHUP).expect("it runs");
    world.cli(&switch, &["show version"]);
    world.stop(&switch);
    // A carrier comes back in its own time.
    wait(|| facts(&world) == before);
    let after = facts(&world);
    let differs: Vec<_> = before.lines().zip(after.lines()).filter(|(before, after)| before != after).collect();
    assert!(after == before, "what differs: {differs:#?}");
}

#[test]
fn add_port_returns_when_frames_pass() {
    let (mut world, space) = world("passes", 2);
    let hosts = space.replace("-s", "-h");
    let switch = world.switch(&space, "interface GigabitEthernet0/1\n device p2\n", &[]);
    let [one, two] = ["h1", "h2"].map(|device| world.raw(&hosts, device));
    for round in 0..50u8 {
        let added = world.ctl(&switch, &["add-port", "p1"]);
        assert_eq!(added, (true, "GigabitEthernet1/1".into()), "round {round}");
        // One frame each way, and no second chance.
        for (from, to) in [(&one, &two), (&two, &one)] {
            let mut frame = vec![0xff; 60];
            frame[6..15].copy_from_slice(&[2, 0, 0, 0, 0, 9, 0x88, 0xb5, round]);
            from.send(&frame).expect("sent");
            let heard = to.receive(PATIENCE).expect("a socket").expect("it arrives");
            assert_eq!(heard, frame, "round {round}");
        }
        let removed = world.ctl(&switch, &["remove-port", "p1"]);
        assert!(removed.0, "{}", removed.1);
    }
}

#[test]
fn it_keeps_three_capabilities_and_its_threads_none() {
    let (mut world, space) = world("caps", 1);
    let switch = world.switch(&space, "interface GigabitEthernet0/1\n device p1\n", &["--workers", "2"]);
    // CAP_NET_ADMIN 12, CAP_NET_RAW 13, CAP_BPF 39; and CAP_IPC_LOCK 14 where without CAP_SYS_RESOURCE 24 the limit on
    // locked memory could not be raised.
    let ours = u64::from_str_radix(&status(Path::new("/proc/self"), "CapEff"), 16).expect("a set");
    let lock = if ours >> 24 & 1 == 0 { 1 << 14 } else { 0 };
    let kept = format!("{:016x}", 1u64 << 12 | 1 << 13 | 1 << 39 | lock);
    let pid = world.pid(&switch);
    let tasks = || -> Vec<PathBuf> {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
        tasks.map(|task| task.expect("a thread").path()).collect()
    };
    // A thread that has just begun is about to lose them, and may end meanwhile.
    let wrong = || -> Vec<String> {
        let sets = ["CapEff", "CapPrm", "CapInh", "CapAmb"];
        let of = |task: &Path, set: &str| {
            let mine = task.ends_with(pid.to_string()) && ["CapEff", "CapPrm"].contains(&set);
            let expect = if mine { kept.clone() } else { format!("{:016x}", 0) };
            let is = try_status(task, set)?;
            (is != expect).then(|| format!("{set} of {:?} is {is}, not {expect}", try_status(task, "Name")))
        };
        tasks().iter().flat_map(|task| sets.map(|set| of(task, set))).flatten().collect()
    };
    assert!(wait(|| wrong().is_empty()), "{:?}", wrong());
    let threads: Vec<String> = tasks().iter().filter_map(|task| try_status(task, "Name")).collect();
    assert!(threads.iter().filter(|name| name.starts_with("s-")).count() == 2, "both workers are among {threads:?}");
    // With them it can do all that it is asked: the port is given back, taken again, and saved.
    world.cli(
        &switch,
        &["configure terminal", "interface GigabitEthernet0/1", "no device", "device p1", "end", "write memory"],
    );
    assert!(world.cli(&switch, &["show interfaces status"]).contains("connected"));
}

#[test]
fn a_missing_capability_is_named() {
    let (mut world, space) = world("miss", 1);
    let dir = world.dir.display().to_string();
    let daemon = binary("switchd").display().to_string();
    let rest = format!("--socket {dir}/s --config {dir}/none --run {dir} --name miss");
    for (bounds, expect) in [
        ("-net_admin", "CAP_NET_ADMIN missing"),
        ("-net_raw", "CAP_NET_RAW missing"),
        ("-bpf", "CAP_BPF missing"),
        ("-net_admin,-bpf", "CAP_NET_ADMIN and CAP_BPF missing"),
        ("-all", "CAP_NET_ADMIN and CAP_NET_RAW and CAP_BPF missing"),
    ] {
        let output = world.attempt(&space, &format!("timeout 10 setpriv --bounding-set {bounds} {daemon} {rest}"));
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(expect) && text.contains("run it as root, or give it"), "{bounds}: {text}");
        assert_eq!(output.status.code(), Some(1), "{bounds}");
    }
    // Those of the unit are enough, and the three alone as well, with a warning for what that costs.
    for (label, bounds, warning) in [
        ("unit", "+net_admin,+net_raw,+bpf,+perfmon,+sys_resource,+sys_nice", false),
        ("three", "+net_admin,+net_raw,+bpf", true),
    ] {
        let line = format!("exec setpriv --bounding-set -all,{bounds} {daemon} {rest}-{label}");
        let index = world.spawn(&space, Path::new("/bin/sh"), &["-c", &line.replace("/s ", &format!("/{label} "))]);
        assert!(wait(|| world.log(index).contains("switchd: ready")), "{label}: {}", world.log(index));
        assert_eq!(world.log(index).contains("CAP_PERFMON missing"), warning, "{label}: {}", world.log(index));
        let refused = "the kernel refuses the flow cache";
        assert_eq!(world.log(index).contains(refused), warning, "{label}: {}", world.log(index));
        let ctl = format!("{} --socket {dir}/{label}", binary("swctl").display());
        let added = world.exec(&space, &format!("{ctl} add-port p1 && {ctl} remove-port p1"));
        assert_eq!(added.trim(), "GigabitEthernet1/1", "{label}");
    }
}

#[test]
fn stderr_that_nobody_reads_does_not_stop_it() {
    let (world, space) = world("stderr", 0);
    let config = world.dir.join("startup-config");
    // More than a pipe holds.
    fs::write(&config, "no such line, and it is rather a long one\n".repeat(4000)).expect("a file");
    for closed in [false, true] {
        let socket = world.dir.join(format!("s{closed}"));
        let mut child = Command::new("ip")
            .args(["netns", "exec", &space])
            .arg(binary("switchd"))
            .args(["--name", "err", "--run"])
            .arg(&world.dir)
            .arg("--config")
            .arg(&config)
            .arg("--socket")
            .arg(&socket)
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let listens = wait(|| socket.exists());
        if closed {
            child.stderr = None;
        }
        let answered = listens && Raw::connect(&socket).ask("show privilege").contains("\"rows\":15");
        let pid = nix::unistd::Pid::from_raw(child.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("it runs");
        let ended = wait(|| matches!(child.try_wait(), Ok(Some(_))));
        let _ = child.kill();
        let status = child.wait().expect("it ends");
        assert!(listens && answered && ended && status.success(), "closed {closed}: {listens} {answered} {status}");
    }
}

#[test]
fn idle_it_sleeps() {
    let (mut world, space) = world("idle", 8);
    let config: String = (1..=8).map(|port| format!("interface GigabitEthernet0/{port}\n device p{port}\n")).collect();
    let switch = world.switch(&space, &config, &["--workers", "2"]);
    let pid = world.pid(&switch);
    let mut client = Raw::connect(&switch.socket);
    client.ask("terminal monitor");
    let span = Duration::from_secs(3);
    let mut used = [(); 3].map(|()| {
        let before = cpu(pid);
        std::thread::sleep(span);
        (cpu(pid) - before).as_secs_f64() / span.as_secs_f64() * 100.0
    });
    // What wakes it once is not its rest.
    used.sort_by(f64::total_cmp);
    println!("eight idle ports, two workers: {used:.1?} % of a CPU");
    assert!(used[1] < 2.0, "{used:.1?} % of a CPU");
}

#[test]
fn the_record_is_one_of_inputs() {
    let (mut world, space) = world("record", 1);
    let record = world.dir.join("record");
    let path = record.display().to_string();
    let switch = world.switch(&space, "hostname sw1\n", &["--record", &path]);
    assert!(world.ctl(&switch, &["add-port", "p1"]).0);
    world.stop(&switch);
    let entries = mona_control::journal::read(&fs::read_to_string(&record).expect("a record")).expect("it can be read");
    let text = format!("{entries:?}");
    for expect in ["Start", "Wall", "Startup", "platform port add p1", "Opened"] {
        assert!(text.contains(expect), "{expect} is missing");
    }
    let output = Command::new(binary("testbed")).arg("replay").arg(&record).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn messages_are_those_of_the_protocol() {
    let (mut world, space) = world("words", 0);
    let switch = world.switch(&space, "hostname sw1\n", &[]);
    let stream = UnixStream::connect(&switch.socket).expect("it listens");
    let mut client = Raw { lines: BufReader::new(stream.try_clone().expect("a second handle")), stream };
    let hello: Message = serde_json::from_str(&client.line()).expect("a message");
    assert_eq!(hello, Message::Hello { v: VERSION, hostname: "sw1".into(), privilege: 15 });
    let answer = client.ask("show privilege");
    let Ok(Message::Reply(reply)) = serde_json::from_str(&answer) else { panic!("{answer}") };
    assert_eq!((reply.id, reply.hostname.as_str(), reply.error), (7, "sw1", None));
    client.ask("terminal monitor");
    let mut other = Raw::connect(&switch.socket);
    other.send(b"{\"v\":1,\"id\":1,\"context\":[\"configure terminal\"],\"line\":\"end\"}\n");
    let log: Message = serde_json::from_str(&client.line()).expect("a message");
    assert!(matches!(&log, Message::Log { line } if line.contains("%SYS-5-CONFIG_I")), "{log:?}");
}

#[test]
fn systemd_hears_of_its_beginning_and_end() {
    let (mut world, space) = world("notify", 0);
    let dir = world.dir.display().to_string();
    let systemd = std::os::unix::net::UnixDatagram::bind(world.dir.join("notify")).expect("a socket");
    systemd.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let heard = || {
        let mut text = [0; 256];
        let size = systemd.recv(&mut text).expect("it says something");
        String::from_utf8_lossy(&text[..size]).into_owned()
    };
    let start = format!(
        "NOTIFY_SOCKET={dir}/notify exec {} --socket {dir}/s --config {dir}/none --run {dir} --name ntfy",
        binary("switchd").display()
    );
    let index = world.spawn(&space, Path::new("/bin/sh"), &["-c", &start]);
    assert!(heard().contains("READY=1"), "{}", world.log(index));
    Raw::connect(&world.dir.join("s")).ask("show version");
    let pid = nix::unistd::Pid::from_raw(world.process(index) as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("it runs");
    assert!(heard().contains("STOPPING=1"), "{}", world.log(index));
}
