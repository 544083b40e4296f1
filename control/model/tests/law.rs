//! The law of the rows: what is printed reads back as the same configuration.

mod layer3;
mod lists;

use mona_model::config::{
    Banner, Config, FlowCacheConfig, InterfaceConfig, Io, Profile, Switchport, SwitchportMode, VlanConfig,
};
use mona_model::grammar::{Parsed, parse};
use mona_model::names::{InterfaceName, VlanSet};
use mona_model::print::{print, print_all, startup};
use mona_model::text::Unfinished;
use mona_wire::{Mac, VlanId};
use proptest::prelude::*;
use std::collections::BTreeMap;

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
            Parsed::More(_) => panic!("{line}: it has no end"),
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
        proptest::collection::btree_set(vlan(), 0..8).prop_map(VlanSet::from_iter),
        proptest::collection::btree_set((1u16..=4094).prop_filter_map("", VlanId::new), 200..400)
            .prop_map(VlanSet::from_iter),
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
    (0u16..3, 1u16..50).prop_map(|(slot, number)| InterfaceName::port(slot, number))
}

prop_compose! {
    fn interface()(
        io in prop_oneof![Just(Io::Auto), Just(Io::Packet), Just(Io::Xdp)],
        description in proptest::option::of(prop_oneof!["[!-~]([ -~é]{0,200}[!-~])?", "x{20,60} switchport trunk allowed vlan [0-9,]{40,60}"]),
        shutdown: bool,
        mtu in proptest::option::of(68u16..=9216),
        learning in proptest::option::of(Just(false)),
        switchport in switchport(),
        filters in lists::filters(),
        (uncached, host_frames) in any::<(bool, bool)>(),
    ) -> InterfaceConfig {
        InterfaceConfig {
            io,
            description,
            shutdown,
            mtu,
            switchport: Switchport { learning, ..switchport },
            filters,
            uncached,
            host_frames,
            ..Default::default()
        }
    }
}

fn banners() -> impl Strategy<Value = BTreeMap<Banner, String>> {
    let kind = prop_oneof![Just(Banner::Exec), Just(Banner::Login), Just(Banner::Motd)];
    // Lines that mean something elsewhere, and anything else that a text may say.
    let text =
        prop_oneof!["\n(!\n|end\n|interface gi0/1\n| shutdown\n|banner motd #\n|#|\\^|C){0,8}", "[ -~\té\n]{0,200}"];
    proptest::collection::btree_map(kind, text.prop_filter("its end", |text| !text.contains("^C")), 0..3)
}

prop_compose! {
    fn config()(
        hostname in "[a-zA-Z][a-zA-Z0-9._-]{0,30}",
        vlans in proptest::collection::btree_map(vlan(), proptest::option::of("[a-z][a-z0-9_-]{0,20}"), 0..20),
        tag_native: bool,
        profiles in proptest::collection::btree_map("[a-z]{1,8}", switchport(), 0..4),
        interfaces in proptest::collection::btree_map(name(), interface().boxed(), 0..12),
        statics in proptest::collection::vec((vlan(), any::<[u8; 6]>(), any::<prop::sample::Index>()), 0..5),
        aging in prop_oneof![Just(0u32), Just(300), 10u32..=1_000_000],
        no_learning in proptest::collection::btree_set(vlan(), 0..5),
        buffered in proptest::option::of(10u32..=100_000),
        marks in proptest::collection::vec(any::<bool>(), 12),
        (hot_plug, access_lists, router, banners) in
            (prop_oneof![Just(false), Just(false), Just(true)], lists::lists(), layer3::router(), banners()),
    ) -> Config {
        let mut config = Config { hostname, tag_native, access_lists, banners, ..Config::default() };
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
                interface.tag = Some(format!("vm{index}")).filter(|_| index % 3 > 0);
                interface.profile = profiles.get(index % 4).cloned();
            }
            if interface.profile.is_some() {
                // Only before a profile is the default worth a word.
                let own = &mut interface.switchport;
                own.protected = Some(marks[(index + 1) % 12]);
                own.block_unicast = own.block_unicast.map(|_| marks[(index + 2) % 12]);
                own.learning = Some(marks[(index + 3) % 12]);
                own.trunk_allowed = own.trunk_allowed.take().or(marks[(index + 4) % 12].then(VlanSet::all));
            }
            interface.hot_plug = name.slot == InterfaceName::HOT_PLUG_SLOT && hot_plug;
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
        config.flow_cache = FlowCacheConfig { off: marks[5], hold_secs: buffered.map(|lines| lines % 86_401) };
        layer3::add(&mut config, router);
        config
    }
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(mut config in config()) {
        // Who made an interface is not configuration.
        config.interfaces.values_mut().for_each(|interface| interface.hot_plug = false);
        let lines = print(&config, false);
        let read = read(&lines);
        prop_assert_eq!(&read, &config, "{}", lines.join("\n"));
        prop_assert_eq!(print(&read, false), lines);
    }

    /// A file has lines and nothing else: a text of several is found again.
    #[test]
    fn a_file_reads_back(mut config in config()) {
        config.interfaces.values_mut().for_each(|interface| (interface.hot_plug, interface.tag) = (false, None));
        let (file, mut commands, mut text) = (startup(&config), Vec::new(), None::<Unfinished>);
        for line in file.lines() {
            let Some(mut begun) = text.take() else {
                match parse(&config, &["configure terminal".to_string()], 15, line) {
                    Ok(Parsed::More(more)) => text = Some(more),
                    _ => commands.push(line.to_string()),
                }
                continue;
            };
            match begun.add(line) {
                Some(whole) => commands.push(whole),
                None => text = Some(begun),
            }
        }
        prop_assert_eq!(text, None);
        prop_assert_eq!(read(&commands), config);
    }

    #[test]
    fn what_is_saved_reads_back_without_what_hooks_made(mut config in config()) {
        let read = read(&print(&config, true));
        config.interfaces.retain(|_, interface| !interface.hot_plug || interface.tag.is_some());
        let kept: Vec<InterfaceName> = config.interfaces.keys().copied().collect();
        config.mac.statics.retain(|_, name| kept.contains(name));
        for interface in config.interfaces.values_mut() {
            interface.hot_plug = false;
            interface.device = interface.device.take().filter(|_| interface.tag.is_none());
        }
        prop_assert_eq!(read, config);
    }

    #[test]
    fn with_defaults_it_means_the_same(config in config()) {
        let read = read(&print_all(&config));
        for (name, interface) in &config.interfaces {
            prop_assert_eq!(read.switchport(&read.interfaces[name]), config.switchport(interface));
        }
    }

    #[test]
    fn a_bad_list_changes_nothing(list in "[0-9,-]{0,12}", how in prop_oneof![Just(""), Just("add "), Just("remove ")]) {
        let start: Vec<String> =
            ["interface GigabitEthernet0/1", "switchport trunk allowed vlan 5-9"].map(String::from).to_vec();
        let mut config = read(&start);
        let before = config.clone();
        let context = vec!["configure terminal".to_string(), start[0].clone()];
        let line = format!("switchport trunk allowed vlan {how}{list}");
        let good = mona_model::args::vlans(&list);
        match parse(&config, &context, 15, &line) {
            Ok(Parsed::Config(command)) => {
                prop_assert!(command.apply(&mut config).is_ok());
                prop_assert!(good.is_some(), "{}", line);
            }
            Ok(other) => panic!("{line}: {other:?}"),
            Err(_) => {
                prop_assert!(good.is_none(), "{}", line);
                prop_assert_eq!(config, before);
            }
        }
    }

    #[test]
    fn lists_of_vlans_read_back(set in vlans()) {
        if !set.is_empty() {
            prop_assert_eq!(mona_model::args::vlans(&set.to_string()), Some(set));
        }
    }
}

/// Ten thousand lines are a start of the switch, not a wait. The bound is generous: this is a build without optimisation.
#[test]
fn ten_thousand_lines_are_quick() {
    let mut lines = Vec::new();
    for index in 0..2000u16 {
        lines.push(format!("interface gi{}/{}", index / 1000, index % 1000 + 1));
        lines.push(format!(" device v{index}"));
        lines.push(format!(" tag vm{index}"));
        lines.push(" switchport mode trunk".into());
        lines.push(format!(" switchport trunk allowed vlan 10-20,{}", index + 100));
    }
    // Of CPU time: the machine may be busy with something else.
    let spent = || {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("proc");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        std::time::Duration::from_millis(10 * fields[11].parse::<u64>().expect("ticks"))
    };
    let before = spent();
    let config = read(&lines);
    assert_eq!(config.interfaces.len(), 2000);
    assert!(print(&config, false).len() > lines.len());
    let took = spent() - before;
    assert!(took < std::time::Duration::from_secs(5), "{took:?}");
}
