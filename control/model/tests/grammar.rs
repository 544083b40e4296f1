//! The grammar as an operator meets it: abbreviations, errors with their place, `?`, Tab, `no`, and IOS's own manners.

use mona_model::api::LineError;
use mona_model::config::Config;
use mona_model::grammar::{Parsed, complete, help, parse, prompt};
use mona_model::print::print;

/// Says lines from `configure terminal` on; returns what was answered, one line each: messages, `^N` for the place of an
/// error, the mode's prompt.
fn say(lines: &str) -> (Config, String) {
    let mut config = Config::default();
    let mut context = vec!["configure terminal".to_string()];
    let mut said = String::new();
    for line in lines.lines() {
        match parse(&config, &context, 15, line) {
            Ok(Parsed::Config(command)) => match command.apply(&mut config) {
                Ok(applied) => {
                    context = applied.context;
                    applied.messages.iter().for_each(|m| said += &format!("{m}\n"));
                }
                Err(text) => said += &format!("rejected: {text}\n"),
            },
            Ok(Parsed::Context(to)) => context = to,
            Ok(other) => said += &format!("{other:?}\n"),
            Err(LineError::Invalid { at }) => said += &format!("{line}\n{}^\n", " ".repeat(at)),
            Err(error) => said += &format!("{error:?}\n"),
        }
    }
    said += &format!("{}\n", prompt(&context));
    (config, said)
}

fn check(lines: &str, answer: &str, configuration: &str) {
    let (config, said) = say(lines);
    assert_eq!(said.trim_end(), answer.trim_end(), "\n{lines}");
    let printed: Vec<String> = print(&config, false).into_iter().filter(|l| l != "!" && l != "end").skip(1).collect();
    assert_eq!(printed.join("\n"), configuration.trim_end(), "\n{lines}");
}

#[test]
fn abbreviations_and_two_word_names() {
    check(
        "int gi 0/1\nsw mo tr\nsw tr al vl 10,20-22\ninterface GigabitEthernet0/2\nsw acc vl 30",
        "% Access VLAN does not exist. Creating vlan 30\n(config-if)",
        "vlan 30\ninterface GigabitEthernet0/1\n switchport mode trunk\n switchport trunk allowed vlan 10,20-22\n\
         interface GigabitEthernet0/2\n switchport access vlan 30",
    );
}

#[test]
fn errors_point_at_the_place() {
    check(
        "interface gi0/1\nswitchport moode access",
        "switchport moode access\n             ^\n(config-if)",
        "interface GigabitEthernet0/1",
    );
    check("vlan 0", "vlan 0\n     ^\n(config)", "");
    check("vlan 4095", "vlan 4095\n     ^\n(config)", "");
    check("vlan 5000", "vlan 5000\n     ^\n(config)", "");
    check("s", "s\n^\n(config)", "");
    check("interface", "Incomplete\n(config)", "");
    check(
        "interface gi0/1\nswitchport trunk allowed vlan 1-5,,7",
        "switchport trunk allowed vlan 1-5,,7\n                              ^\n(config-if)",
        "interface GigabitEthernet0/1",
    );
    check("l", "Ambiguous { line: \"l\" }\n(config)", "");
}

#[test]
fn ambiguity_is_named() {
    let none: Vec<String> = Vec::new();
    assert_eq!(parse(&Config::default(), &none, 15, "c").unwrap_err(), LineError::Ambiguous { line: "c".into() });
    assert_eq!(parse(&Config::default(), &none, 15, "xyzzy").unwrap_err(), LineError::Unknown);
    assert_eq!(parse(&Config::default(), &none, 15, "show").unwrap_err(), LineError::Incomplete);
    // Exact beats longer.
    assert!(matches!(parse(&Config::default(), &none, 15, "write"), Ok(Parsed::Exec(_))));
    // A read-only session does not have the word.
    assert!(parse(&Config::default(), &none, 1, "configure terminal").is_err());
}

#[test]
fn allowed_lists_add_remove_except() {
    check(
        "interface gi0/1\nswitchport trunk allowed vlan 1-5,7,9-12\nswitchport trunk allowed vlan add 6\n\
         switchport trunk allowed vlan remove 2,10",
        "(config-if)",
        "interface GigabitEthernet0/1\n switchport trunk allowed vlan 1,3-7,9,11,12",
    );
    check(
        "interface gi0/1\nswitchport trunk allowed vlan except 2-4093",
        "(config-if)",
        "interface GigabitEthernet0/1\n switchport trunk allowed vlan 1,4094",
    );
    check(
        "interface gi0/1\nswitchport trunk allowed vlan none",
        "(config-if)",
        "interface GigabitEthernet0/1\n switchport trunk allowed vlan none",
    );
    check(
        "interface gi0/1\nswitchport trunk allowed vlan 7\nswitchport trunk allowed vlan all",
        "(config-if)",
        "interface GigabitEthernet0/1",
    );
    check(
        "interface gi0/1\nswitchport trunk allowed vlan 7\nno switchport trunk allowed vlan",
        "(config-if)",
        "interface GigabitEthernet0/1",
    );
}

#[test]
fn default_vlans_stay() {
    check("no vlan 1", "rejected: Default VLAN 1 may not be deleted.\n(config)", "");
    check("no vlan 10,1002", "rejected: Default VLAN id(s) 1002 may not be deleted.\n(config)", "");
    check(
        "vlan 10\nname blue\nvlan 20\nname blue",
        "rejected: VLAN 10 has the name blue already\n(config-vlan)",
        "vlan 10\n name blue\nvlan 20",
    );
    check("vlan 10\nno vlan 10", "(config)", "");
}

#[test]
fn a_deleted_access_vlan_stays_deleted() {
    check(
        "interface gi0/1\nswitchport access vlan 10\nno vlan 10",
        "% Access VLAN does not exist. Creating vlan 10\n(config)",
        "interface GigabitEthernet0/1\n switchport access vlan 10\nno vlan 10",
    );
}

#[test]
fn ranges_devices_tags_profiles() {
    check(
        "interface range gi0/1 - 3, gi0/7\nshutdown\nno shutdown\ndescription office\nexit\ninterface gi0/2\nno description",
        "(config-if)",
        "interface GigabitEthernet0/1\n description office\ninterface GigabitEthernet0/2\n\
         interface GigabitEthernet0/3\n description office\ninterface GigabitEthernet0/7\n description office",
    );
    check(
        "interface gi0/1\ndevice eth1\ntag web1\ninterface gi0/2\ndevice eth1\ntag web1\ninterface eth1\nshutdown",
        "rejected: eth1 is the device of GigabitEthernet0/1: say `no device` there first\n\
         rejected: web1 is the tag of GigabitEthernet0/1: say `no tag` there first\n(config-if)",
        "interface GigabitEthernet0/1\n device eth1\n tag web1\n shutdown\ninterface GigabitEthernet0/2",
    );
    check(
        "interface gi0/1\ninherit port-profile web\nport-profile web\nswitchport access vlan 10\ninterface gi0/1\n\
         inherit port-profile web\nno port-profile web",
        "rejected: There is no port-profile web: say `port-profile web` first\n\
         % Access VLAN does not exist. Creating vlan 10\n\
         rejected: port-profile web is inherited by Gi0/1: say `no inherit port-profile` there first\n(config-if)",
        "vlan 10\nport-profile web\n switchport access vlan 10\ninterface GigabitEthernet0/1\n inherit port-profile web",
    );
}

#[test]
fn static_addresses_are_checked() {
    check(
        "mac address-table static 0100.5e00.0001 vlan 1 interface gi0/1\n\
         mac address-table static 0011.2233.4455 vlan 1 interface gi0/1\ninterface gi0/1\n\
         mac address-table static 0011.2233.4455 vlan 1 interface gi0/1\ninterface gi0/1\nno mac address-table learning\nno mac address-table learning vlan 5",
        "rejected: 0100.5e00.0001 is no station's address: a static address must be unicast and not zero\n\
         rejected: There is no GigabitEthernet0/1: say `interface GigabitEthernet0/1` first\n(config)",
        "no mac address-table learning vlan 5\ninterface GigabitEthernet0/1\n no mac address-table learning\n\
         mac address-table static 0011.2233.4455 vlan 1 interface GigabitEthernet0/1",
    );
}

#[test]
fn clients_prepare_their_sessions() {
    for line in
        ["terminal width 511", "terminal length 0", "term len 0", "term width 0", "show privilege", "term width 512"]
    {
        assert!(parse(&Config::default(), &[], 1, line).is_ok(), "{line}");
    }
    check("no logging console\nline console 0\nexec-timeout 0\nline vty 0 4\nexec-timeout 0\nend", "", "");
}

#[test]
fn an_interface_may_say_otherwise_than_its_profile() {
    check(
        "port-profile p\nswitchport protected\nswitchport trunk allowed vlan 10\nno mac address-table learning\n\
         interface gi0/1\ninherit port-profile p\nno switchport protected\nswitchport trunk allowed vlan add 20\n\
         mac address-table learning\ninterface gi0/2\ninherit port-profile p\nswitchport trunk allowed vlan all\n\
         interface gi0/3\nno switchport protected\nswitchport trunk allowed vlan all",
        "(config-if)",
        "port-profile p\n switchport trunk allowed vlan 10\n switchport protected\n no mac address-table learning\n\
         interface GigabitEthernet0/1\n inherit port-profile p\n switchport trunk allowed vlan 10,20\n\
         \x20no switchport protected\n mac address-table learning\n\
         interface GigabitEthernet0/2\n inherit port-profile p\n switchport trunk allowed vlan all\n\
         interface GigabitEthernet0/3",
    );
    // What was said against the profile goes with it.
    check(
        "port-profile p\nswitchport protected\ninterface gi0/1\ninherit port-profile p\nno switchport protected\n\
         switchport trunk allowed vlan all\nno inherit port-profile",
        "(config-if)",
        "port-profile p\n switchport protected\ninterface GigabitEthernet0/1",
    );
}

#[test]
fn names_that_vlans_have_by_themselves_are_taken() {
    check(
        "vlan 20\nname VLAN0010\nname default\nvlan 10\nname VLAN0010\nno name",
        "rejected: VLAN 10 has the name VLAN0010 already\nrejected: VLAN 1 has the name default already\n(config-vlan)",
        "vlan 10\nvlan 20",
    );
}

#[test]
fn a_line_is_one_line() {
    let (mut config, context) = (Config::default(), ["configure terminal".into(), "interface gi0/1".to_string()]);
    for (line, at) in [("description a\nshutdown", 13), ("description \u{0}", 12), ("  tag a\u{7f}", 7)] {
        assert_eq!(parse(&config, &context, 15, line).unwrap_err(), LineError::Invalid { at }, "{line:?}");
    }
    let Ok(Parsed::Config(command)) = parse(&config, &context, 15, "description a\tb\r\n") else { panic!() };
    command.apply(&mut config).expect("a tab is fine");
    assert_eq!(print(&config, false)[4], " description a\tb");
    // Nor does a context that no line could have made get into the file.
    let context = ["configure terminal".into(), "port-profile a\nshutdown".to_string()];
    assert_eq!(prompt(&context), "(config)");
}

#[test]
fn long_descriptions_are_not_lists() {
    let text = format!("{} allowed vlan 1,2,3,4,5", "x".repeat(70));
    check(
        &format!("interface gi0/1\ndescription {text}"),
        "(config-if)",
        &format!("interface GigabitEthernet0/1\n description {text}"),
    );
    let e = "é".repeat(240);
    check(
        &format!("interface gi0/1\ndescription {e}\ndescription {e}é"),
        "rejected: A description has at most 240 characters\n(config-if)",
        &format!("interface GigabitEthernet0/1\n description {e}"),
    );
}

#[test]
fn long_lists_are_continued() {
    let odd = (1..60).map(|n| (2 * n + 1001).to_string()).collect::<Vec<_>>().join(",");
    let (config, _) = say(&format!("interface gi0/1\nswitchport trunk allowed vlan {odd}"));
    let lines = print(&config, false);
    let lines: Vec<&String> = lines.iter().filter(|line| line.contains("allowed")).collect();
    assert_eq!(lines.len(), 7);
    assert_eq!(lines[0], " switchport trunk allowed vlan 1003,1005,1007,1009,1011,1013,1015,1017,1019");
    assert_eq!(lines[1], " switchport trunk allowed vlan add 1021,1023,1025,1027,1029,1031,1033,1035,1037");
    assert!(lines.iter().all(|line| line.len() < 80));
}

#[test]
fn addresses_go_without_their_interface() {
    check(
        "interface gi0/1\nexit\nmac address-table static 1.2.3 vlan 5 interface gi0/1\n\
         mac-address-table static 1.2.4 vlan 5 interface gi0/1\nno mac address-table static 1.2.3 vlan 5\n\
         no mac address-table static 1.2.4\nno\ndo",
        "Incomplete\nIncomplete\nIncomplete\n(config)",
        "interface GigabitEthernet0/1\nmac address-table static 0001.0002.0004 vlan 5 interface GigabitEthernet0/1",
    );
}

/// What exec lines ask for, as JSON; every argument of every row once.
#[test]
fn exec_lines() {
    let (config, _) = say("interface gi0/7\ndevice vnet7");
    for (line, action) in [
        ("sh ver", r#""ShowVersion""#),
        ("show run", r#"{"ShowRunning":{"interface":null,"all":false}}"#),
        ("sh run int vnet7 all", r#"{"ShowRunning":{"interface":"GigabitEthernet0/7","all":true}}"#),
        ("show startup-config", r#""ShowStartup""#),
        ("show vlan brief", r#"{"ShowVlan":{"brief":true,"id":null,"name":null}}"#),
        ("show vlan id 10", r#"{"ShowVlan":{"brief":false,"id":10,"name":null}}"#),
        ("show vlan counters", r#"{"ShowVlanCounters":null}"#),
        ("show vlan counters id 10", r#"{"ShowVlanCounters":10}"#),
        ("show vlan name red", r#"{"ShowVlan":{"brief":false,"id":null,"name":"red"}}"#),
        (
            "show mac add static address 0:0:0:1:2:3 int gi 0/1 vlan 5",
            r#"{"ShowMac":{"is_static":true,"address":"0000.0001.0203","interface":"GigabitEthernet0/1","vlan":5}}"#,
        ),
        ("show mac address-table aging-time", r#""ShowMacAging""#),
        ("show mac-address-table", r#"{"ShowMac":{"is_static":null,"address":null,"interface":null,"vlan":null}}"#),
        ("show mac-address-table aging", r#""ShowMacAging""#),
        ("show mac-address-table count vlan 5", r#"{"ShowMacCount":5}"#),
        (
            "clear mac-address-table dynamic int vnet7",
            r#"{"ClearMac":{"is_static":null,"address":null,"interface":"GigabitEthernet0/7","vlan":null}}"#,
        ),
        ("show int status", r#"{"ShowInterfaces":{"interface":null,"view":"Status"}}"#),
        ("show int vnet7 sw", r#"{"ShowInterfaces":{"interface":"GigabitEthernet0/7","view":"Switchport"}}"#),
        ("show platform ports", r#""ShowPlatformPorts""#),
        ("show platform drops", r#""ShowPlatformDrops""#),
        ("show platform flow-cache", r#""ShowFlowCache""#),
        ("sh plat flow sum", r#""ShowFlowCache""#),
        ("show platform flow-cache flow", r#"{"ShowFlows":{"interface":null,"mac":null,"host":null}}"#),
        (
            "show platform flow-cache interface gi0/1 host 10.0.0.1",
            r#"{"ShowFlows":{"interface":"GigabitEthernet0/1","mac":null,"host":"10.0.0.1"}}"#,
        ),
        (
            "show platform flow-cache flow address 2.0.a",
            r#"{"ShowFlows":{"interface":null,"mac":"0002.0000.000a","host":null}}"#,
        ),
        (
            "show platform flow-cache flow host 2001:db8::1",
            r#"{"ShowFlows":{"interface":null,"mac":null,"host":"2001:db8::1"}}"#,
        ),
        ("clear counters gi0/1", r#"{"ClearCounters":"GigabitEthernet0/1"}"#),
        ("clear logging", r#""ClearLogging""#),
        ("copy run start", r#""Save""#),
        ("wr", r#""Save""#),
        ("term no mon", r#"{"Monitor":false}"#),
        (
            "packet-tracer input gi0/1 hex 01:02 0304",
            r#"{"Trace":{"interface":"GigabitEthernet0/1","frame":[1,2,3,4]}}"#,
        ),
        (
            "platform port add v1 interface gi1/2 tag t profile p trunk 1-3 native-vlan 2 io xdp force",
            r#"{"AddPort":{"device":"v1","interface":"GigabitEthernet1/2","tag":"t","profile":"p","access_vlan":null,"trunk":[1,2,3],"native_vlan":2,"io":"xdp","force":true}}"#,
        ),
        (
            "platform port add v1 access-vlan 5",
            r#"{"AddPort":{"device":"v1","interface":null,"tag":null,"profile":null,"access_vlan":5,"trunk":null,"native_vlan":null,"io":null,"force":false}}"#,
        ),
        ("platform port remove v1", r#"{"RemovePort":{"device":"v1"}}"#),
    ] {
        match parse(&config, &[], 15, line) {
            Ok(Parsed::Exec(found)) => assert_eq!(serde_json::to_string(&found).unwrap(), action, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }
    let traced = |line: &str| match parse(&config, &[], 15, line) {
        Ok(Parsed::Exec(mona_model::rows::Action::Trace { frame, .. })) => frame,
        other => panic!("{line}: {other:?}"),
    };
    let frame = traced("packet-tracer input gi0/1 vlan 10 0200.0000.0001 0200.0000.0002 ipv6");
    assert_eq!(frame[..18], [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x81, 0, 0, 10, 0x86, 0xdd]);
    assert_eq!(traced("packet-tracer input gi0/1 1.1.1 2.2.2 88cc")[12..14], [0x88, 0xcc]);
    assert_eq!(frame.len(), 60);
    // What nobody says is what nobody knows, and headers are right as far as a switch looks.
    assert_eq!(traced("packet-tracer input gi0/1 1.1.1 2.2.2")[12..14], [0x88, 0xb5]);
    assert_eq!(traced("packet-tracer input gi0/1 1.1.1 2.2.2 arp")[12..14], [8, 6]);
    let headers = |words: &str| {
        let frame = traced(&format!("packet-tracer input gi0/1 1.1.1 2.2.2 {words}"));
        let headers = etherparse::PacketHeaders::from_ethernet_slice(&frame).expect(words);
        format!("{:?} {:?}", headers.net.expect(words), headers.transport)
    };
    for (words, all) in [
        ("ip 10.0.0.1 10.0.0.2", &["source: [10, 0, 0, 1]", "destination: [10, 0, 0, 2]", "protocol: 253"][..]),
        (
            "ip 10.0.0.1 10.0.0.2 tcp 1024 www",
            &["source_port: 1024", "destination_port: 80", "syn: true", "ack: false"],
        ),
        ("ip 10.0.0.1 10.0.0.2 udp 1024 domain", &["source_port: 1024", "destination_port: 53"]),
        ("ip 10.0.0.1 10.0.0.2 icmp", &["EchoRequest"]),
        ("ip 10.0.0.1 10.0.0.2 89", &["protocol: 89"]),
        ("ipv6 2001:db8::1 2001:db8::2 tcp 1 2", &["next_header: 6", "source_port: 1, destination_port: 2"]),
        ("ipv6 2001:db8::1 2001:db8::2 icmp", &["EchoRequest"]),
    ] {
        let found = headers(words);
        assert!(all.iter().all(|wanted| found.contains(wanted)), "{words}: {found}");
    }
    let both = parse(&config, &[], 15, "platform port add v1 access-vlan 5 trunk 1").unwrap_err();
    assert!(matches!(both, LineError::Rejected { .. }), "{both:?}");
    check("line vty 0 4\nexec-timeout 5 30", "(config-line)", "");
}

/// What `?` lists, words only.
fn question(context: &str, line: &str) -> String {
    let context: Vec<String> = context.lines().map(String::from).collect();
    match help(&context, 15, line) {
        Ok(found) => found.into_iter().map(|(word, _)| word).collect::<Vec<_>>().join(" "),
        Err(error) => format!("{error:?}"),
    }
}

#[test]
fn question_marks() {
    assert_eq!(question("", "sh"), "show");
    assert_eq!(question("", "sh m"), "mac memory");
    assert!(question("", "sh m ").starts_with("Ambiguous"), "{}", question("", "sh m "));
    assert_eq!(question("", "sh ma "), "address-table");
    assert_eq!(question("", "sh ma qqq"), "Invalid { at: 6 }");
    assert_eq!(question("", "sh ver"), "version");
    assert_eq!(question("", "sh ver "), "<cr>");
    assert_eq!(question("", "sh ver qqq"), "Invalid { at: 7 }");
    assert_eq!(question("", "terminal "), "length monitor no width");
    assert_eq!(question("", "show running-config "), "all interface <cr>");
    assert_eq!(question("configure terminal", "switchport"), "Invalid { at: 0 }");
    assert_eq!(
        question("configure terminal\ninterface GigabitEthernet0/1", "switchport trunk allowed vlan "),
        "WORD add all except none remove"
    );
    assert_eq!(question("configure terminal\ninterface GigabitEthernet0/1", "no sh"), "shutdown");
    assert_eq!(question("configure terminal", "do sh cl"), "clock");
    assert_eq!(question("configure terminal", "mac address-table aging-time "), "<0-1000000>");
    // The shell has no configuration: any netdev may be bound.
    assert_eq!(question("", "show interfaces vnet0 "), "counters description status switchport trunk <cr>");
    assert_eq!(question("", "show interfaces gi"), "GigabitEthernet");
    assert_eq!(question("", "show interfaces gi "), "<0-9>/<1-4094>");
    assert_eq!(question("configure terminal", "interface GigabitEthernet "), "<0-9>/<1-4094>");
    assert_eq!(question("", "show mac-address-table c"), "count");
    assert_eq!(question("configure terminal\ninterface GigabitEthernet0/1", "e"), "end exit");
    assert_eq!(question("configure terminal", "no mac address-table static 1.2.3 vlan 5 "), "interface <cr>");
    assert!(!question("", "platform ").contains("port "), "hook lines are hidden");
}

#[test]
fn tab_completes_what_is_unique() {
    assert_eq!(complete(&[], 15, "sh").as_deref(), Some("show "));
    assert_eq!(complete(&[], 15, "show ver").as_deref(), Some("show version "));
    assert_eq!(complete(&[], 15, "show ma").as_deref(), Some("show mac "));
    assert_eq!(complete(&[], 15, "c"), None);
    assert_eq!(complete(&[], 15, "show int gi").as_deref(), Some("show int GigabitEthernet "));
    let context = ["configure terminal".to_string(), "interface GigabitEthernet0/1".to_string()];
    assert_eq!(complete(&context, 15, "sw").as_deref(), Some("switchport "));
    assert_eq!(complete(&context, 15, "no shut").as_deref(), Some("no shutdown "));
}

#[test]
fn every_word_has_help() {
    for mode in [
        "",
        "configure terminal",
        "configure terminal\ninterface GigabitEthernet0/1",
        "configure terminal\nvlan 10",
        "configure terminal\nport-profile x",
        "configure terminal\nline vty 0 4",
    ] {
        let context: Vec<String> = mode.lines().map(String::from).collect();
        walk(&context, "", 0);
    }
}

/// Follows every word `?` offers, eight deep; each must come with help that begins with a capital letter or a digit.
fn walk(context: &[String], line: &str, depth: usize) {
    let found = help(context, 15, line).unwrap_or_default();
    for (word, text) in found.into_iter().filter(|(word, _)| word != "<cr>") {
        assert!(text.starts_with(|c: char| c.is_ascii_alphanumeric()), "{context:?}: {line}{word}: {text:?}");
        if !word.starts_with(|c: char| c.is_ascii_lowercase()) || depth > 7 || matches!(word.as_str(), "do" | "no") {
            continue;
        }
        walk(context, &format!("{line}{word} "), depth + 1);
    }
}
