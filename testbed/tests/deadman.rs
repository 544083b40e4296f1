//! What goes on when `switchd` ends: ports stay attached, the next one adopts them, and what is not adopted is let go.

use mona_testbed::netns::{Switch, World, wait};

/// Two hosts and a switch between them that lets the kernel go on.
fn world(label: &str, config: &str) -> (World, Switch, [String; 2]) {
    let mut world = World::new(&format!("hold-{label}"));
    let space = world.namespace("s");
    let hosts = [1, 2].map(|host| {
        let name = world.namespace(&format!("h{host}"));
        world.cable((&space, &format!("p{host}")), (&name, "eth0"));
        world.exec(&name, &format!("ip addr add 10.0.0.{host}/24 dev eth0"));
        name
    });
    let switch = world.holding(&space, config, &["--workers", "1"]);
    (world, switch, hosts)
}

const TWO: &str = "interface GigabitEthernet0/1\n device p1\ninterface GigabitEthernet0/2\n device p2\n";

/// Prints the ids of the tcx links at a device, in and out (BPF_PROG_QUERY).
const LINKS: &str = r#"
import ctypes, socket, struct, sys
for side in (46, 47):
    ids, links = (ctypes.c_uint32 * 8)(), (ctypes.c_uint32 * 8)()
    ask = struct.pack("IIIIQIIQQQQ", socket.if_nametoindex(sys.argv[1]), side, 0, 0, ctypes.addressof(ids), 8, 0, 0,
                      ctypes.addressof(links), 0, 0)
    ask = ctypes.create_string_buffer(ask, len(ask))
    assert ctypes.CDLL(None, use_errno=True).syscall(321, 16, ask, len(ask)) == 0, ctypes.get_errno()
    print(*[link for link in links if link])
"#;

/// The ids of the links at a device.
fn links(world: &World, switch: &Switch, device: &str) -> Vec<String> {
    let shown = world.exec(&switch.namespace, &format!("python3 -c '{LINKS}' {device}"));
    shown.split_whitespace().map(str::to_string).collect()
}

fn mounts(world: &World) -> usize {
    let all = std::fs::read_to_string("/proc/self/mounts").expect("there are mounts");
    all.lines().filter(|line| line.contains(&world.dir.display().to_string())).count()
}

#[test]
fn ports_stay_attached_and_are_adopted() {
    let (mut world, mut switch, [one, _]) = world("adopt", TWO);
    assert!(world.pings(&one, "10.0.0.2"), "{}", world.messages(&switch));
    let before = [links(&world, &switch, "p1"), links(&world, &switch, "p2")];
    assert!(before.iter().all(|links| links.len() == 2), "{before:?}\n{}", world.messages(&switch));
    world.crash(&mut switch);
    assert_eq!([links(&world, &switch, "p1"), links(&world, &switch, "p2")], before, "{}", world.messages(&switch));
    assert!(world.pings(&one, "10.0.0.2"), "{}", world.messages(&switch));
    // Ended as it is asked to, too.
    world.stop(&switch);
    assert_eq!([links(&world, &switch, "p1"), links(&world, &switch, "p2")], before);
    assert!(!world.pings(&one, "10.0.0.2"), "nobody decides any more");
    assert_eq!(world.exec(&switch.namespace, "ip -br link | grep -c ^s- || true"), "0\n");
    // The next one has no use for p2.
    std::fs::write(&switch.config, "interface GigabitEthernet0/1\n device p1\n").expect("ours");
    world.restart(&mut switch, &["--workers", "1"]);
    assert_eq!([links(&world, &switch, "p1"), links(&world, &switch, "p2")], [before[0].clone(), Vec::new()]);
    world.stop(&switch);
    // Another build, here: other workers. What was left goes.
    std::fs::write(&switch.config, TWO).expect("ours");
    world.restart(&mut switch, &["--workers", "2"]);
    let after = [links(&world, &switch, "p1"), links(&world, &switch, "p2")];
    assert!(after.iter().all(|links| links.len() == 2) && after[0] != before[0], "{after:?}");
    assert!(world.pings(&one, "10.0.0.2"), "{}", world.messages(&switch));
    world.stop(&switch);
    assert_eq!(mounts(&world), 1);
    // One that wants nothing to go on, and whatever ends it.
    world.restart(&mut switch, &["--flush-on-exit"]);
    assert_eq!(mounts(&world), 0);
    assert!(world.pings(&one, "10.0.0.2"), "{}", world.messages(&switch));
    world.stop(&switch);
    assert!(links(&world, &switch, "p1").is_empty() && links(&world, &switch, "p2").is_empty());
    let left = std::fs::read_dir(switch.config.with_file_name("s.devices")).expect("a directory").count();
    assert_eq!(left, 0, "devices are given back");
}

#[test]
fn a_program_that_somebody_takes_off_is_put_back() {
    let (world, switch, [one, _]) = world("mend", TWO);
    let all = links(&world, &switch, "p1");
    assert_eq!(all.len(), 2);
    for (at, link) in all.iter().enumerate() {
        world.exec(&switch.namespace, &format!("bpftool link detach id {link}"));
        assert!(wait(|| links(&world, &switch, "p1").len() == 2), "{}", world.messages(&switch));
        let said = "p1: somebody took the switch's program off; it is attached again";
        assert!(wait(|| world.messages(&switch).matches(said).count() == at + 1), "{}", world.messages(&switch));
    }
    assert!(world.pings(&one, "10.0.0.2"), "{}", world.messages(&switch));
}

#[test]
fn without_a_bpffs_it_forwards_all_the_same() {
    let mut world = World::new("hold-none");
    let space = world.namespace("s");
    world.cable((&space, "p1"), (&space, "h1"));
    let dir = world.dir.join("s");
    std::fs::create_dir_all(&dir).expect("a directory");
    // Where a file is there is no directory.
    std::fs::write(dir.join("s.bpf"), "").expect("a file");
    let switch = world.holding(&space, "interface GigabitEthernet0/1\n device p1\n", &[]);
    let said = world.messages(&switch);
    assert!(said.contains("no bpffs") && said.contains("when this process ends forwarding stops at once"), "{said}");
    assert_eq!(links(&world, &switch, "p1").len(), 2);
    world.stop(&switch);
    assert!(links(&world, &switch, "p1").is_empty());
}
