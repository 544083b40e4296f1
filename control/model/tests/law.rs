//! The law of the rows: what is printed reads back as the same configuration.

use mona_model::config::{Config, InterfaceConfig, Io, Profile, Switchport, SwitchportMode, VlanConfig};
use mona_model::grammar::{Parsed, parse};
use mona_model::names::{InterfaceKind, InterfaceName, VlanSet};
use mona_model::print::{print, print_all};
use mona_wire::{Mac, VlanId};
use proptest::prelude::*;

/// Reads lines as a startup-config is read; panics at one that is not understood.
fn read(lines: &[String]) -> Config {
    let mut config = Config::default();
    let mut context = vec!["configure terminal".to_string()];
    for line in lines {
        match parse(&config, &context, 15, line).unwrap_or_else(|e| panic!("{line}: {e:?}")) {
            Parsed::Config(command) => {
                context = command.apply(&mut config).unwrap_or_else(|e| panic!("{line}: {e}")).context;
            }
            Parsed::Context(_) => context = vec!["configure terminal".to_string()],
            Parsed::Local(_) => {}
            Parsed::Exec(action) => panic!("{line}: {action:?}"),
        }
    }
    config
}

fn vlan() -> impl Strategy<Value = VlanId> {
    (1u16..=4094).prop_filter_map("usable", |v| VlanId::new(v).filter(|v| !(1002..=1005).contains(&v.get())))
}

fn vlans() -> impl Strategy<Value = VlanSet> {
    prop_oneof![
        proptest::collection::btree_set(vlan(), 0..8).prop_map(VlanSet),
        proptest::collection::btree_set((1u16..=4094).prop_filter_map("", VlanId::new), 200..400).prop_map(VlanSet),
    ]
}

fn switchport() -> impl Strategy<Value = Switchport> {
    (
        proptest::option::of(prop_oneof![Just(SwitchportMode::Access), Just(SwitchportMode::Trunk)]),
        proptest::option::of(vlan()),
        proptest::option::of(vlans()),
        proptest::option::of(vlan()),
        proptest::option::of(Just(true)),
        proptest::option::of(Just(true)),
        proptest::option::of(Just(true)),
    )
        .prop_map(|(mode, access_vlan, trunk_allowed, trunk_native, protected, block_unicast, block_multicast)| {
            Switchport {
                mode,
                access_vlan,
                trunk_allowed,
                trunk_native,
                protected,
                block_unicast,
                block_multicast,
                learning: None,
            }
        })
}

fn name() -> impl Strategy<Value = InterfaceName> {
    (0u16..3, 1u16..50).prop_map(|(slot, number)| InterfaceName { kind: InterfaceKind::GigabitEthernet, slot, number })
}

prop_compose! {
    fn interface()(
        io in prop_oneof![Just(Io::Auto), Just(Io::Packet), Just(Io::Xdp)],
        description in proptest::option::of("[a-zA-Z0-9][ -~]{0,40}[a-z!|?]"),
        shutdown: bool,
        mtu in proptest::option::of(68u16..=9216),
        learning in proptest::option::of(Just(false)),
        switchport in switchport(),
    ) -> InterfaceConfig {
        InterfaceConfig { io, description, shutdown, mtu, switchport: Switchport { learning, ..switchport }, ..Default::default() }
    }
}

prop_compose! {
    fn config()(
        hostname in "[a-zA-Z][a-zA-Z0-9._-]{0,30}",
        vlans in proptest::collection::btree_map(vlan(), proptest::option::of("[a-z][a-z0-9_-]{0,20}"), 0..20),
        tag_native: bool,
        profiles in proptest::collection::btree_map("[a-z]{1,8}", switchport(), 0..4),
        interfaces in proptest::collection::btree_map(name(), interface(), 0..12),
        statics in proptest::collection::vec((vlan(), any::<[u8; 6]>(), any::<prop::sample::Index>()), 0..5),
        aging in prop_oneof![Just(0u32), Just(300), 10u32..=1_000_000],
        no_learning in proptest::collection::btree_set(vlan(), 0..5),
        buffered in proptest::option::of(10u32..=100_000),
        marks in proptest::collection::vec(any::<bool>(), 12),
    ) -> Config {
        let mut config = Config { hostname, tag_native, ..Config::default() };
        for (index, (vlan, name)) in vlans.into_iter().enumerate() {
            let name = name.filter(|_| vlan.get() != 1).map(|name| format!("{name}{index}"));
            config.vlans.insert(vlan, VlanConfig { name });
        }
        for (name, switchport) in profiles {
            config.profiles.insert(name, Profile { switchport });
        }
        let profiles: Vec<String> = config.profiles.keys().cloned().collect();
        for (index, (name, mut interface)) in interfaces.into_iter().enumerate() {
            if marks[index] {
                interface.device = Some(format!("vnet{index}"));
                interface.tag = Some(format!("vm{index}"));
                interface.profile = profiles.get(index % 4).cloned();
            }
            config.interfaces.insert(name, interface);
        }
        let names: Vec<InterfaceName> = config.interfaces.keys().copied().collect();
        for (vlan, mut mac, index) in statics {
            mac[0] &= 0xfe;
            if !names.is_empty() && mac != [0; 6] {
                config.mac.statics.insert((vlan, Mac(mac)), *index.get(&names));
            }
        }
        config.mac.aging_secs = aging;
        config.mac.no_learning = no_learning;
        config.logging.buffered = buffered;
        config
    }
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(config in config()) {
        let lines = print(&config, false);
        let read = read(&lines);
        prop_assert_eq!(&read, &config, "{}", lines.join("\n"));
        prop_assert_eq!(print(&read, false), lines);
    }

    #[test]
    fn with_defaults_it_means_the_same(config in config()) {
        let read = read(&print_all(&config));
        for (name, interface) in &config.interfaces {
            prop_assert_eq!(read.switchport(&read.interfaces[name]), config.switchport(interface));
        }
    }

    #[test]
    fn lists_of_vlans_read_back(set in vlans()) {
        if !set.0.is_empty() {
            prop_assert_eq!(mona_model::args::vlans(&set.to_string()), Some(set));
        }
    }
}
