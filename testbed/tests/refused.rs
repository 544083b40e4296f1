//! What the kernel refuses: said with what to do about it, and what can go on goes on.

use mona_datapath::io::raw::RawSocket;
use mona_testbed::netns::{Switch, World, wait};
use std::time::Duration;

/// Two hosts in one network, the cable of each ending at a port of a switch that is started by `launcher`.
fn world(label: &str, launcher: &[&str]) -> (World, Switch, String) {
    let mut world = World::new(&format!("refused-{label}"));
    let space = world.namespace("s");
    let hosts = world.hosts(&space, |host| format!("ip addr add 10.0.0.{host}/24 dev eth0"));
    let config = "interface gi0/1\n device p1\ninterface gi0/2\n device p2\nend\n";
    let switch = world.launched(&space, config, launcher, &["--workers", "1"]);
    let [one, _] = hosts;
    (world, switch, one)
}

/// Runs what follows under a filter of system calls by which bpf(2) fails for one of its commands, as on a kernel that does
/// not know it or does not allow it. (x86-64: 321 is bpf, AUDIT_ARCH does not matter where one's own program is asked.)
fn without(command: u32, error: u32) -> String {
    format!(
        r#"
import ctypes, os, struct, sys
code = [(0x20, 0, 0, 0), (0x15, 0, 3, 321), (0x20, 0, 0, 16), (0x15, 0, 1, {command}), (0x06, 0, 0, 0x00050000 | {error}),
        (0x06, 0, 0, 0x7fff0000)]
program = b"".join(struct.pack("HBBI", *one) for one in code)
memory = ctypes.create_string_buffer(program, len(program))
filter = struct.pack("HxxxxxxQ", len(code), ctypes.addressof(memory))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(22, 2, filter, 0, 0) == 0, ctypes.get_errno()
os.execv(sys.argv[1], sys.argv[1:])
"#
    )
}

/// BPF_LINK_CREATE: kernels before 6.6 know no tcx.
const LINK_CREATE: u32 = 28;
/// BPF_OBJ_PIN
const OBJ_PIN: u32 = 6;
/// BPF_PROG_LOAD
const PROG_LOAD: u32 = 5;

#[test]
fn without_perfmon_workers_decide() {
    let launcher = ["setpriv", "--bounding-set", "-all,+net_admin,+net_raw,+bpf"];
    let (world, switch, one) = world("perfmon", &launcher);
    let said = world.messages(&switch);
    assert!(
        said.contains("CAP_PERFMON missing: BPF programs run with Spectre barriers, at twice their cost"),
        "{said}"
    );
    assert!(
        said.contains("the kernel refuses the flow cache (") && said.contains("workers decide every frame"),
        "{said}"
    );
    assert!(said.contains("give switchd CAP_PERFMON"), "{said}");
    assert!(wait(|| world.pings(&one, "10.0.0.2")), "{said}");
    world.exec(&one, "ping -q -c 50 -i 0.01 10.0.0.2");
    let shown = world.cli(&switch, &["show platform flow-cache summary"]);
    assert!(shown.contains("0 entered"), "{shown}");
}

#[test]
fn a_kernel_without_tcx_is_named() {
    // EINVAL: the attach type is unknown.
    refuses("tcx", &without(LINK_CREATE, 22), "kernel 6.6 or later");
}

#[test]
fn what_cannot_be_pinned_forwards_all_the_same() {
    // EPERM
    let (world, switch, one) = world("pin", &["python3", "-c", &without(OBJ_PIN, 1)]);
    let said = world.messages(&switch);
    assert!(said.contains("when this process ends forwarding stops at once"), "{said}");
    assert!(wait(|| world.pings(&one, "10.0.0.2")), "{said}");
    world.exec(&one, "ping -q -c 50 -i 0.01 10.0.0.2");
    let shown = world.cli(&switch, &["show platform flow-cache summary"]);
    assert!(!shown.contains("\n0 entered"), "it remembers: {shown}");
}

#[test]
fn without_programs_it_does_not_start_and_says_what_is_missing() {
    // EPERM
    refuses("load", &without(PROG_LOAD, 1), "CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON");
}

#[test]
fn without_lists_the_copies_of_a_flood_are_made_one_by_one() {
    let mut world = World::new("refused-lists");
    let (space, hosts) = (world.namespace("s"), world.namespace("h"));
    let mut config = String::new();
    for port in 1..=5 {
        world.cable((&space, &format!("p{port}")), (&hosts, &format!("h{port}")));
        config += &format!("interface gi0/{port}\n device p{port}\n");
    }
    world.exec(&space, "ip link add s-bf type veth peer name s-wf");
    let switch = world.switch(&space, &config, &["--workers", "1"]);
    let said = world.messages(&switch);
    let why = "the kernel has no lists for the copies of a flood (s-bf is in the way; remove it or choose another --name): each";
    assert!(said.contains(why), "{said}");
    let (from, to): (_, Vec<_>) =
        (world.raw(&hosts, "h1"), (2..=5).map(|host| world.raw(&hosts, &format!("h{host}"))).collect());
    let frame = [&[0xff; 6][..], &[2, 0, 0, 0, 0, 1, 0x88, 0xb5], &[7; 46]].concat();
    let heard = || {
        from.send(&frame).expect("sent");
        let hears = |host: &RawSocket| {
            // Hosts say other things, too.
            let mut all = std::iter::from_fn(|| host.receive(Duration::from_secs(1)).expect("a socket"));
            all.any(|heard| heard == frame)
        };
        to.iter().all(hears)
    };
    let flows = || world.cli(&switch, &["show platform flow-cache flow address 0200.0000.0001"]);
    assert!(wait(|| heard() && flows().contains("ffff.ffff.ffff")), "{}\n{}", flows(), world.messages(&switch));
    assert!((0..10).all(|_| heard()), "{}", flows());
    world.stop(&switch);
    assert_eq!(world.exec(&space, "ip -br link | grep -c ^s-bf"), "1\n", "what is another's stays");
}

/// It ends with a sentence and leaves nothing behind, and another switch goes on.
fn refuses(label: &str, script: &str, sentence: &str) {
    let (mut world, switch, one) = world(label, &[]);
    assert!(wait(|| world.pings(&one, "10.0.0.2")), "{}", world.messages(&switch));
    let links = world.exec(&switch.namespace, "ip -o link | wc -l");
    let said = world.refused(&switch.namespace, &["python3", "-c", script]);
    assert!(said.contains(sentence) && !said.contains("panicked"), "{said}");
    assert_eq!(world.exec(&switch.namespace, "ip -o link | wc -l"), links, "{said}");
    assert!(world.reaches(&one, "10.0.0.2"), "another switch goes on");
}
