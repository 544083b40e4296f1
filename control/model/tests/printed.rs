//! The configuration as it is shown, saved, shown with its defaults, and cited.

use mona_model::config::Config;
use mona_model::grammar::{Parsed, parse};
use mona_model::print::{print, print_all, print_interface, print_interface_all};
use mona_model::sources::{Setting, sources};

fn switch() -> Config {
    let lines = "hostname s1
vlan 10
name red
vlan 20
vlan dot1q tag native
mac address-table aging-time 60
logging buffered 4096
port-profile web
switchport access vlan 10
switchport protected
interface gi0/1
device eth1
description uplink
switchport mode trunk
switchport trunk allowed vlan 10,20
interface gi0/2
inherit port-profile web
device vnet0
tag web1
no switchport protected
interface gi1/1
device vnet1
switchport access vlan 30
mac address-table static 0200.0000.0001 vlan 10 interface gi1/1
mac address-table static 0200.0000.0002 vlan 10 interface gi0/1
no vlan 30";
    let (mut config, mut context) = (Config::default(), vec!["configure terminal".to_string()]);
    for line in lines.lines() {
        match parse(&config, &context, 15, line) {
            Ok(Parsed::Config(command)) => context = command.apply(&mut config).expect(line).context,
            other => panic!("{line}: {other:?}"),
        }
    }
    // As if a hook had made it.
    config.interfaces.get_mut(&"gi1/1".parse().expect("a name")).expect("made above").hot_plug = true;
    config
}

#[test]
fn running() {
    assert_eq!(
        print(&switch(), false).join("\n"),
        "!
hostname s1
logging buffered 4096
vlan dot1q tag native
mac address-table aging-time 60
!
vlan 10
 name red
!
vlan 20
!
port-profile web
 switchport access vlan 10
 switchport protected
!
interface GigabitEthernet0/1
 device eth1
 description uplink
 switchport mode trunk
 switchport trunk allowed vlan 10,20
!
interface GigabitEthernet0/2
 inherit port-profile web
 device vnet0
 tag web1
 no switchport protected
!
interface GigabitEthernet1/1
 device vnet1
 switchport access vlan 30
!
mac address-table static 0200.0000.0001 vlan 10 interface GigabitEthernet1/1
mac address-table static 0200.0000.0002 vlan 10 interface GigabitEthernet0/1
!
no vlan 30
!
end"
    );
}

/// Without what only a hook made, and without the netdev of what hooks find by its tag.
#[test]
fn saved() {
    let (running, saved) = (print(&switch(), false), print(&switch(), true));
    let left_out: Vec<&String> = running.iter().filter(|line| !saved.contains(line)).collect();
    assert_eq!(
        left_out,
        [
            " device vnet0",
            "interface GigabitEthernet1/1",
            " device vnet1",
            " switchport access vlan 30",
            "mac address-table static 0200.0000.0001 vlan 10 interface GigabitEthernet1/1",
            "no vlan 30",
        ]
    );
    assert!(saved.iter().all(|line| running.contains(line)));
}

#[test]
fn with_defaults() {
    let name = "gi0/2".parse().expect("a name");
    assert_eq!(
        print_interface_all(&switch(), name).join("\n"),
        "interface GigabitEthernet0/2
 inherit port-profile web
 device vnet0
 tag web1
 mtu 1500
 switchport mode access
 switchport access vlan 10
 switchport trunk native vlan 1
 no switchport protected
 no shutdown
 no switchport block unicast
 no switchport block multicast
 mac address-table learning
 switchport trunk allowed vlan all"
    );
    let all = print_all(&switch());
    let own = print_interface_all(&switch(), name);
    assert!(all.windows(own.len()).any(|lines| lines == own), "{all:#?}");
    for line in ["mac address-table aging-time 300", "no vlan dot1q tag native", "logging buffered 1000"] {
        assert!(!all.contains(&line.to_string()), "{line}");
        assert!(print_all(&Config::default()).contains(&line.to_string()), "{line}");
    }
    assert!(print_interface(&switch(), "gi0/9".parse().expect("a name")).is_empty());
}

#[test]
fn cited() {
    let config = switch();
    let cite = |name: &str, setting| sources(&config, name.parse().expect("a name"), setting).join(";");
    let (own, web) = ("interface GigabitEthernet0/1; switchport", "port-profile web; switchport");
    assert_eq!(cite("gi0/1", Setting::Mode), format!("{own} mode trunk"));
    assert_eq!(cite("gi0/1", Setting::AllowedVlans), format!("{own} trunk allowed vlan 10,20"));
    assert_eq!(cite("gi0/1", Setting::NativeVlan), "");
    assert_eq!(cite("gi0/2", Setting::AccessVlan), format!("{web} access vlan 10"));
    assert_eq!(cite("gi0/2", Setting::Protected), "interface GigabitEthernet0/2; no switchport protected");
    assert_eq!(cite("gi0/2", Setting::Learning), "");
    assert_eq!(cite("gi0/9", Setting::Mode), "");
}

/// A switch that routes: in `show running-config`, and with its defaults.
#[test]
fn routers() {
    let lines = "no ip routing
ipv6 unicast-routing
interface gi0/1
no switchport
ip address 10.1.0.1 255.255.255.0
no ip redirects
interface gi0/1.100
encapsulation dot1Q 100
interface vlan 10
ip address 10.0.10.1 255.255.255.0
ip address 10.0.11.1 255.255.255.0 secondary
ipv6 address 2001:db8:10::1/64
ip route 0.0.0.0 0.0.0.0 10.0.10.254 200 name up
ipv6 route ::/0 vlan 10 fe80::1
arp 10.0.10.2 0011.2233.4455 arpa";
    let (mut config, mut context) = (Config::default(), vec!["configure terminal".to_string()]);
    for line in lines.lines() {
        match parse(&config, &context, 15, line) {
            Ok(Parsed::Config(command)) => context = command.apply(&mut config).expect(line).context,
            other => panic!("{line}: {other:?}"),
        }
    }
    assert_eq!(
        print(&config, false).join("\n"),
        "!
hostname Switch
no ip routing
ipv6 unicast-routing
!
interface GigabitEthernet0/1
 no switchport
 ip address 10.1.0.1 255.255.255.0
 no ip redirects
!
interface GigabitEthernet0/1.100
 encapsulation dot1Q 100
!
interface Vlan10
 ip address 10.0.11.1 255.255.255.0 secondary
 ip address 10.0.10.1 255.255.255.0
 ipv6 address 2001:db8:10::1/64
!
arp 10.0.10.2 0011.2233.4455 arpa
ip route 0.0.0.0 0.0.0.0 10.0.10.254 200 name up
ipv6 route ::/0 Vlan10 fe80::1
!
end"
    );
    assert_eq!(
        print_interface_all(&config, "vlan 10".parse().expect("a name")).join("\n"),
        "interface Vlan10
 ip address 10.0.11.1 255.255.255.0 secondary
 ip address 10.0.10.1 255.255.255.0
 arp timeout 14400
 ipv6 address 2001:db8:10::1/64
 no shutdown
 ip redirects
 ip unreachables
 ip proxy-arp
 no ip directed-broadcast
 ipv6 redirects
 ipv6 unreachables"
    );
}
