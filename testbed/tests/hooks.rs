//! What hypervisors and packagers touch: `ifup` and `ifdown` as libvirt and QEMU call them, and what `install` puts where.

use mona_datapath::io::raw::RawSocket;
use mona_testbed::netns::{Switch, World, binary, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// A file of this repository.
fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path).canonicalize().expect("it is part of the repository")
}

fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr].concat().iter().map(|byte| char::from(*byte)).collect()
}

/// What arrives until nothing does for this long.
fn frames(socket: &RawSocket, patience: Duration) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| socket.receive(patience).expect("the socket lives")).collect()
}

/// Calls a hook as a hypervisor would: no environment but what is given, no capability but CAP_NET_ADMIN.
fn call(world: &World, switch: &Switch, environment: &str, hook: &str) -> Output {
    let (socket, swctl) = (switch.socket.display(), binary("swctl").display().to_string());
    let dir = world.dir.display();
    world.attempt(
        &switch.namespace,
        &format!(
            "env -i MONA_SOCKET={socket} MONA_SWCTL={swctl} {environment} \
             /usr/bin/setpriv --bounding-set -all,+net_admin {dir}/{hook}"
        ),
    )
}

/// A switch with a profile and an interface that waits for its guest, two taps and the hooks by their names.
fn bed(label: &str) -> (World, Switch) {
    let mut world = World::new(&format!("rim-{label}"));
    for hook in ["ifup", "ifdown"] {
        fs::copy(source("control/hooks").join(hook), world.dir.join(hook)).expect("a copy");
    }
    for name in ["ifup@web1", "ifup.office", "ifup.nowhere"] {
        symlink("ifup", world.dir.join(name)).expect("a link");
    }
    let space = world.namespace("s");
    world.exec(&space, "ip tuntap add tap0 mode tap; ip tuntap add tap1 mode tap");
    let config = "vlan 10\nvlan 20\nport-profile office\n switchport mode access\n switchport access vlan 20\n\
        interface GigabitEthernet1/9\n tag web1\n switchport mode access\n switchport access vlan 10\n";
    let switch = world.switch(&space, config, &[]);
    (world, switch)
}

#[test]
fn the_name_of_the_hook_says_what_the_port_is() {
    let (world, switch) = bed("name");
    let cases = [
        ("", "ifup tap0", "GigabitEthernet1/1", "device tap0"),
        ("", "ifup.office tap0", "GigabitEthernet1/1", "inherit port-profile office"),
        ("", "ifup@web1 tap0", "GigabitEthernet1/9", "switchport access vlan 10"),
        ("MONA_TAG=web1", "ifup tap0", "GigabitEthernet1/9", "switchport access vlan 10"),
        ("MONA_TAG=web1", "ifup.office tap0", "GigabitEthernet1/9", "inherit port-profile office"),
        ("MONA_PROFILE=office", "ifup.nowhere tap0", "GigabitEthernet1/1", "inherit port-profile office"),
        // QEMU passes more words in some versions; the first is the tap.
        ("", "ifup tap0 more", "GigabitEthernet1/1", "device tap0"),
    ];
    for (environment, hook, interface, expect) in cases {
        for _ in 0..2 {
            let output = call(&world, &switch, environment, hook);
            assert!(output.status.success(), "{environment} {hook}: {}", said(&output));
        }
        let shown = world.cli(&switch, &[&format!("show running-config interface {interface}")]);
        assert!(shown.contains(expect) && shown.contains("device tap0"), "{environment} {hook}: {shown}");
        let up = world.exec(&switch.namespace, "ip link show tap0");
        assert!(up.contains(",UP"), "{environment} {hook}: {up}");
        for _ in 0..2 {
            let output = call(&world, &switch, "", "ifdown tap0");
            assert!(output.status.success() && output.stdout.is_empty(), "{hook}: {}", said(&output));
        }
        let shown = world.cli(&switch, &["show running-config"]);
        assert!(!shown.contains("device tap0") && !shown.contains("1/1"), "{environment} {hook} left {shown}");
    }
    // Two guests at once, and one whose tap is gone before its hook is called.
    for hook in ["ifup@web1 tap0", "ifup.office tap1"] {
        assert!(call(&world, &switch, "", hook).status.success(), "{hook}");
    }
    world.exec(&switch.namespace, "ip link del tap0");
    assert!(call(&world, &switch, "", "ifdown tap0").status.success());
    assert!(world.cli(&switch, &["show running-config"]).contains("tag web1"));
}

#[test]
fn a_hook_that_fails_says_why_and_one_that_ends_never_fails() {
    let (mut world, switch) = bed("fail");
    let refused = |world: &World, hook: &str, expect: &str| {
        let begin = Instant::now();
        let output = call(world, &switch, "", hook);
        let text = said(&output);
        assert!(!output.status.success() && text.contains(expect), "{hook}: {}: {text}", output.status);
        assert!(begin.elapsed() < Duration::from_secs(30), "{hook}: {:?}", begin.elapsed());
    };
    let ends = |world: &World, hook: &str| {
        let output = call(world, &switch, "", hook);
        assert!(output.status.success(), "{hook}: {}: {}", output.status, said(&output));
    };
    refused(&world, "ifup", "usage: ifup NETDEV");
    refused(&world, "ifup tap7", "no such device");
    refused(&world, "ifup 'tap0 force'", "is not one word");
    refused(&world, "ifup.nowhere tap0", "there is no port-profile nowhere");
    world.exec(&switch.namespace, "ip addr add 192.0.2.1/24 dev tap1");
    refused(&world, "ifup tap1", "--force");
    ["ifdown", "ifdown tap7", "ifdown tap0"].iter().for_each(|hook| ends(&world, hook));
    // One that hangs, and one that is not there.
    let pid = Pid::from_raw(world.pid(&switch) as i32);
    kill(pid, Signal::SIGSTOP).expect("it runs");
    refused(&world, "ifup tap0", "did not answer within 5 seconds");
    ends(&world, "ifdown tap7");
    kill(pid, Signal::SIGCONT).expect("it runs");
    world.stop(&switch);
    refused(&world, "ifup tap0", "switchd does not answer at");
    ends(&world, "ifdown tap0");
}

#[test]
fn install_puts_everything_in_its_place_and_takes_it_away() {
    let world = World::new("rim-install");
    let (built, root) = (world.dir.join("built"), world.dir.join("root"));
    fs::create_dir_all(built.join("release")).expect("a directory");
    for program in ["switchd", "swctl", "swcli"] {
        symlink(binary(program), built.join("release").join(program)).expect("a link");
    }
    for prefix in ["/usr", "/opt/mona"] {
        let install = |arguments: &[&str]| {
            let output = Command::new(source("control/dist/install"))
                .args(arguments)
                .env("CARGO_TARGET_DIR", &built)
                .env("DESTDIR", &root)
                .env("PREFIX", prefix)
                .output()
                .expect("it runs");
            assert!(output.status.success(), "{prefix}: {}", said(&output));
        };
        // Twice: an update is an installation too.
        install(&[]);
        install(&[]);
        let at = |path: &str| root.join(prefix.trim_start_matches('/')).join(path);
        for program in ["sbin/switchd", "sbin/swctl", "bin/swcli", "lib/mona/ifup", "lib/mona/ifdown"] {
            let mode = fs::metadata(at(program)).unwrap_or_else(|e| panic!("{program}: {e}")).permissions().mode();
            assert_eq!(mode & 0o777, 0o755, "{program}");
        }
        for (page, expect) in [
            ("man8/switchd.8", "--config"),
            ("man8/swctl.8", "add-port"),
            ("man1/swcli.1", "--socket"),
            ("man7/mona-commands.7", "switchport access vlan"),
        ] {
            let page = at("share/man").join(page);
            let output = Command::new("man")
                .args(["--warnings", "-E", "UTF-8", "-l"])
                .arg(&page)
                .env("MANWIDTH", "80")
                .output()
                .expect("man runs");
            let shown = said(&output);
            assert!(output.status.success() && output.stderr.is_empty(), "{}: {shown}", page.display());
            assert!(shown.contains("NAME") && shown.contains(expect), "{} lacks {expect}: {shown}", page.display());
        }
        let unit = fs::read_to_string(root.join("lib/systemd/system/switchd.service")).expect("the unit");
        assert!(unit.contains(&format!("ExecStart={prefix}/sbin/switchd")), "{unit}");
        let ifup = fs::read_to_string(at("lib/mona/ifup")).expect("the hook");
        assert!(ifup.contains(&format!("{prefix}/sbin/swctl")), "it finds swctl without PATH");
        fs::write(root.join("etc/mona/startup-config"), "hostname mine\n").expect("a configuration");
        install(&["--uninstall"]);
        let left = Command::new("find").arg(&root).args(["-type", "f"]).output().expect("find runs");
        assert_eq!(said(&left), format!("{}/etc/mona/startup-config\n", root.display()), "the configuration stays");
    }
}

#[test]
fn the_unit_is_one() {
    // Where systemd is at hand it judges; elsewhere the other tests run on the unit's capabilities.
    let world = World::new("rim-unit");
    let unit = fs::read_to_string(source("control/dist/switchd.service")).expect("the unit");
    assert!(unit.contains("Type=notify") && unit.contains("RuntimeDirectoryPreserve=yes"));
    let unit = unit.replace("/usr/sbin/switchd", &binary("switchd").display().to_string());
    let path = world.dir.join("switchd.service");
    fs::write(&path, unit).expect("a copy");
    if let Ok(output) = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path).output() {
        // It may complain of the machine's other units.
        let about: Vec<String> =
            said(&output).lines().filter(|l| l.contains("switchd.service")).map(Into::into).collect();
        assert!(about.is_empty(), "{about:#?}");
    }
}

#[test]
fn a_guest_of_qemu_is_heard_in_its_vlan() {
    let (mut world, switch) = bed("qemu");
    let dir = world.dir.display().to_string();
    // Ports in the guest's VLAN and beside it.
    let hosts = world.namespace("h");
    for (port, vlan) in [("in", "20"), ("out", "10")] {
        world.cable((&switch.namespace, port), (&hosts, port));
        assert!(world.ctl(&switch, &["add-port", port, "--access-vlan", vlan]).0);
    }
    let (inside, outside) = (world.raw(&hosts, "in"), world.raw(&hosts, "out"));
    // QEMU makes the tap and calls the script with its name; its firmware asks for an address at once.
    let script = world.dir.join("guest");
    let qemu = format!(
        "#!/bin/sh\nexport MONA_SOCKET={} MONA_SWCTL={}\nexec timeout 240 qemu-system-x86_64 -M pc,accel=tcg -m 64 -display none \
         -monitor unix:{dir}/monitor,server,nowait -nodefaults -boot n -device virtio-net-pci,netdev=n,mac=52:54:00:00:00:01 \
         -netdev tap,id=n,ifname=guest0,script={dir}/ifup.office,downscript={dir}/ifdown\n",
        switch.socket.display(),
        binary("swctl").display()
    );
    fs::write(&script, qemu).expect("a file");
    let guest = world.spawn(&switch.namespace, Path::new("/bin/sh"), &[&script.display().to_string()]);
    let dhcp = |frame: &[u8]| {
        // An untagged IPv4 broadcast of the guest, UDP from port 68 to port 67.
        frame.len() > 300 && frame[6..14] == [0x52, 0x54, 0, 0, 0, 1, 8, 0] && frame[34..38] == [0, 68, 0, 67]
    };
    let until = Instant::now() + Duration::from_secs(180);
    let mut heard = false;
    while !heard && Instant::now() < until {
        heard = frames(&inside, Duration::from_millis(500)).iter().any(|frame| dhcp(frame));
    }
    assert!(heard, "no DHCP of the guest: {}", world.log(guest));
    assert!(!frames(&outside, Duration::from_millis(100)).iter().any(|frame| dhcp(frame)), "heard in another VLAN");
    assert!(world.cli(&switch, &["show running-config"]).contains("device guest0"));
    // The guest ends: its downscript and the end of its tap leave nothing.
    world.exec(&switch.namespace, &format!("perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(Peer => \"{dir}/monitor\"); print $s \"quit\\n\"; $s->flush; 1 while <$s>'"));
    assert!(wait(|| !world.cli(&switch, &["show running-config"]).contains("guest0")), "{}", world.log(guest));
}
