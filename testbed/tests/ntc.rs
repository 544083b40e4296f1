//! ntc-templates' `cisco_ios` patterns must understand what swcli prints: in the golden layouts, field by field, and from
//! a running switch. netmiko must be able to operate it.

use mona_testbed::netns::{World, binary};
use std::path::Path;
use std::process::Command;

fn check(arguments: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("ntc/run");
    let output = Command::new(script).args(arguments).output().expect("the script runs");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
}

#[test]
fn golden_layouts() {
    check(&[concat!(env!("CARGO_MANIFEST_DIR"), "/../swcli/tests/golden")]);
}

#[test]
fn netmiko_operates_it() {
    let mut world = World::new("swclik");
    let namespace = world.namespace("s1");
    world.cable((&namespace, "p1"), (&namespace, "q1"));
    let config = "hostname s1\nipv6 unicast-routing\nvlan 10\nlogging buffered 500\ninterface Loopback0\n ip address \
                  10.255.0.1 255.255.255.255\ninterface GigabitEthernet0/1\n device p1\n switchport access vlan \
                  10\ninterface GigabitEthernet0/2\ninterface GigabitEthernet0/3\n shutdown\ninterface Vlan10\n ip \
                  address 10.0.10.1 255.255.255.0\n ipv6 address 2001:db8:10::1/64\narp 10.0.10.7 0200.0000.0007 \
                  ARPA\nip route 10.9.0.0 255.255.0.0 10.0.10.7\nip access-list extended WEB\n permit tcp any host \
                  10.0.0.1 eq www\naccess-list 10 permit 10.0.0.0 0.0.0.255\nipv6 access-list SIX\n permit tcp any \
                  2001:db8::/32\nend\n";
    let switch = world.switch(&namespace, config, &[]);
    drop(world.exec(&namespace, "ip link set lo up"));
    check(&["netmiko_session.py", &format!("{} --socket {}", binary("swcli").display(), switch.socket.display())]);
}

#[test]
fn a_running_switch() {
    let mut world = World::new("swclin");
    let namespace = world.namespace("s1");
    world.cable((&namespace, "p1"), (&namespace, "q1"));
    world.cable((&namespace, "p2"), (&namespace, "q2"));
    let config = "hostname s1\nvlan 10\n name red\nlogging buffered 500\ninterface GigabitEthernet0/1\n device p1\n \
                  description to h1\n switchport access vlan 10\ninterface GigabitEthernet0/2\n device p2\n switchport mode \
                  trunk\n switchport trunk allowed vlan 2,4,6,8-20\ninterface GigabitEthernet0/3\n shutdown\nmac \
                  address-table static 0011.2233.4455 vlan 10 interface GigabitEthernet0/1\nip access-list extended \
                  WEB\n permit tcp any host 10.0.0.1 eq www\n deny ip any any log\naccess-list 10 permit \
                  10.0.0.0 0.0.0.255\nipv6 access-list SIX\n permit tcp any 2001:db8::/32\nend\n";
    let switch = world.switch(&namespace, config, &[]);
    check(&["--swcli", &format!("{} --socket {}", binary("swcli").display(), switch.socket.display())]);
    // The daemon has the capability that a ping needs, and so has the thread that waits for the answers.
    drop(world.exec(&namespace, "sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.lo.disable_ipv6=0"));
    drop(world.exec(&namespace, "ip link set lo up"));
    for line in ["ping 127.0.0.1 size 1400 df-bit", "ping ::1"] {
        let swcli = Command::new(binary("swcli")).arg("--socket").arg(&switch.socket).args(["-c", line]).output();
        let text = String::from_utf8_lossy(&swcli.expect("swcli runs").stdout).into_owned();
        assert!(text.contains("Success rate is 100 percent (5/5)"), "{text}");
    }
}
