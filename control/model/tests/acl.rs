//! Access lists as lines: what is typed, what IOS prints, what it says to a line it does not take.

use mona_model::config::Config;
use mona_model::grammar::{Parsed, help, parse};
use mona_model::print::print;

/// Types the lines; returns what was answered besides nothing: messages and errors.
fn type_in(config: &mut Config, lines: &str) -> Vec<String> {
    let mut context = vec!["configure terminal".to_string()];
    let mut said = Vec::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match parse(config, &context, 15, line) {
            Ok(Parsed::Config(command)) => match command.apply(config) {
                Ok(applied) => {
                    context = applied.context;
                    said.extend(applied.messages);
                }
                Err(text) => said.push(text),
            },
            other => said.push(format!("{line}: {other:?}")),
        }
    }
    said
}

/// The configuration after these lines, without what a fresh one says too.
fn printed(lines: &str) -> String {
    let mut config = Config::default();
    assert_eq!(type_in(&mut config, lines), Vec::<String>::new());
    let fresh = print(&Config::default(), false);
    let lines: Vec<String> =
        print(&config, false).into_iter().filter(|line| line != "!" && !fresh.contains(line)).collect();
    lines.join("\n")
}

fn refused(lines: &str) -> String {
    type_in(&mut Config::default(), lines).join("|")
}

#[test]
fn as_ios_prints_it() {
    assert_eq!(
        printed(
            "ip access-list standard HOSTS
             permit host 10.1.1.1
             permit 10.1.1.2
             deny 10.1.2.3 0.0.0.255 log
             remark the rest
             permit any
             ip access-list extended WEB
             permit tcp any host 10.0.0.1 eq 80
             permit tcp any host 10.0.0.1 eq ssh
             25 permit tcp 10.9.9.9 0.255.255.255 gt 1023 any range ftp-data ftp established
             permit tcp any any match-all +syn -ack
             permit tcp any any syn fin
             permit udp any eq domain any neq 53 dscp ef
             permit icmp any any echo
             permit icmp any any 3 13
             permit icmp any any 3 99
             permit 6 any any
             permit gre any any precedence critical tos min-delay
             permit 99 any any tos 3
             permit ip any any fragments log-input
             deny ip any any log
             access-list 10 permit 10.0.0.0 0.0.0.255
             access-list 10 remark office
             access-list 10 deny any
             access-list 101 permit tcp any any established
             access-list 101 deny ip any any
             ipv6 access-list SIX
             permit tcp 2001:db8::1/32 any eq www
             deny ipv6 host 2001:db8::1 any log
             sequence 15 permit icmp any any nd-na
             permit udp any any eq 53 sequence 17
             mac access-list extended M
             permit host 0011.2233.4455 any arp
             deny 0011.2200.0000 0000.00ff.ffff any 0x88cc 0x3
             deny any any cos 5
             interface gi0/1
             ip access-group 101 in
             ip access-group WEB out
             ipv6 traffic-filter SIX in
             mac access-group M in"
        ),
        "interface GigabitEthernet0/1
 ip access-group 101 in
 ip access-group WEB out
 ipv6 traffic-filter SIX in
 mac access-group M in
ip access-list standard HOSTS
 permit 10.1.1.1
 permit 10.1.1.2
 deny   10.1.2.0 0.0.0.255 log
 remark the rest
 permit any
ip access-list extended WEB
 permit tcp any host 10.0.0.1 eq www
 permit tcp any host 10.0.0.1 eq 22
 25 permit tcp 10.0.0.0 0.255.255.255 gt 1023 any range ftp-data ftp established
 permit tcp any any match-all -ack +syn
 permit tcp any any fin syn
 permit udp any eq domain any neq domain dscp ef
 permit icmp any any echo
 permit icmp any any administratively-prohibited
 permit icmp any any 3 99
 permit tcp any any
 permit gre any any precedence critical tos min-delay
 permit 99 any any tos 3
 permit ip any any fragments log-input
 deny   ip any any log
mac access-list extended M
 permit host 0011.2233.4455 any arp
 deny   0011.2200.0000 0000.00ff.ffff any 0x88cc 0x3
 deny   any any cos 5
ipv6 access-list SIX
 permit tcp 2001:DB8::/32 any eq www
 sequence 15 permit icmp any any nd-na
 sequence 17 permit udp any any eq domain
 sequence 20 deny ipv6 host 2001:DB8::1 any log
access-list 10 permit 10.0.0.0 0.0.0.255
access-list 10 remark office
access-list 10 deny   any
access-list 101 permit tcp any any established
access-list 101 deny   ip any any"
    );
}

#[test]
fn lines_come_and_go() {
    let list = "ip access-list extended A
         permit ip any host 10.0.0.1
         permit ip any host 10.0.0.2
         permit ip any host 10.0.0.3\n";
    let lines = |more: &str| printed(&format!("{list}{more}"));
    let head = "ip access-list extended A";
    let [one, two, three] = [1, 2, 3].map(|n| format!(" permit ip any host 10.0.0.{n}"));
    assert_eq!(lines("no 20"), format!("{head}\n{one}\n 30{three}"));
    assert_eq!(lines("no permit ip any host 10.0.0.1"), format!("{head}\n 20{two}\n{three}"));
    assert_eq!(lines("no 20 permit ip any host 10.0.0.2"), format!("{head}\n{one}\n 30{three}"));
    assert_eq!(lines("no 20\n ip access-list resequence A 10 10"), format!("{head}\n{one}\n{three}"));
    assert_eq!(lines("ip access-list resequence A 100 5"), format!("{head}\n 100{one}\n 105{two}\n 110{three}"));
    assert_eq!(lines("5 deny tcp any any"), format!("{head}\n 5 deny   tcp any any\n 10{one}\n{two}\n{three}"));
    assert_eq!(lines("no ip access-list extended A"), "");
    // A numbered list with numbers of somebody's choice needs its head.
    let numbered = "access-list 7 permit 10.0.0.1\n ip access-list standard 7\n 15 permit 10.0.0.2\n";
    assert_eq!(printed(numbered), "ip access-list standard 7\n permit 10.0.0.1\n 15 permit 10.0.0.2");
    assert_eq!(printed("access-list 7 permit any\n no access-list 7"), "");
    assert_eq!(printed("ip access-list standard 7"), "ip access-list standard 7");
    let bound = "interface gi0/1\n ip access-group A in\n ip access-group A out\n";
    assert_eq!(
        printed(&format!("{bound}no ip access-group A out")),
        "interface GigabitEthernet0/1\n ip access-group A in"
    );
    assert_eq!(printed(&format!("{bound}no ip access-group A")), "interface GigabitEthernet0/1");
}

#[test]
fn what_is_refused() {
    let standard = "ip access-list standard A\n permit any\n";
    for (lines, said) in [
        ("ip access-list extended A", "A Standard IP access list with this name already exists"),
        ("ipv6 access-list A", "A Standard IP access list with this name already exists"),
        ("ip access-list standard 101", "Invalid access list name."),
        ("ip access-list extended 9lives", "Invalid access list name."),
        ("ip access-list standard A\n permit any", "% Duplicate permit statement ignored."),
        ("ip access-list standard A\n 10 permit 10.0.0.1", "Duplicate sequence number"),
        ("ip access-list standard A\n no 20", "Access list A has no such line"),
        ("ip access-list standard A\n no permit 10.0.0.1", "Access list A has no such line"),
        ("ip access-list standard A\n 2147483647 deny 10.0.0.1\n deny 10.0.0.2", "Exceeded maximum sequence number"),
        ("ip access-list resequence B 10 10", "Access list B does not exist"),
        ("no ip access-list standard B", "Access list B does not exist"),
        ("no access-list 10", "Access list 10 does not exist"),
        ("ip access-list extended E\n permit tcp any any gt 65535", "There is no such port"),
        (
            "ip access-list extended E\n permit tcp any any eq 80 fragments",
            "A fragment that is not the first has no ports, flags or message: leave them out",
        ),
        ("ip access-list extended E\n permit icmp any any ttl-exceeded 0", "The message's name says its code already"),
        ("interface gi0/1\n ip access-group 999 in", "Invalid access list name."),
    ] {
        assert_eq!(refused(&format!("{standard}{lines}")), said, "{lines}");
    }
    // What a list of the kind cannot say is no line of its mode.
    for line in ["permit tcp any any", "permit 10.0.0.1 0.0.0.1 log-input", "permit", "permit host", "no", "no permit"]
    {
        let context = ["configure terminal", "ip access-list standard A"].map(String::from);
        assert!(parse(&Config::default(), &context, 15, line).is_err(), "{line}");
    }
    for line in ["permit udp any any established", "permit ip any any eq 80", "permit tcp any eq any", "permit tcp any"]
    {
        let context = ["configure terminal", "ip access-list extended A"].map(String::from);
        assert!(parse(&Config::default(), &context, 15, line).is_err(), "{line}");
    }
}

#[test]
fn a_list_has_an_end() {
    let mut config = Config::default();
    let lines: String = (0..4097).map(|n| format!("permit 10.0.{}.{}\n", n / 256, n % 256)).collect();
    let said = type_in(&mut config, &format!("ip access-list standard A\n{lines}"));
    assert_eq!(said, ["An access list has at most 4096 lines"]);
}

#[test]
fn question_marks() {
    let shown = |line: &str| -> String {
        let context = ["configure terminal", "ip access-list extended A"].map(String::from);
        let found = help(&context, 15, line).expect(line);
        found.into_iter().map(|(word, _)| word).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(shown("permit tcp "), "A.B.C.D any host");
    assert_eq!(shown("permit tcp any any eq w"), "whois www");
    assert!(shown("permit tcp any any eq ").starts_with("<0-65535> bgp chargen cmd"));
    assert!(shown("permit tcp any any ").contains("eq established fin fragments gt log"));
    assert_eq!(shown("permit icmp any any echo"), "echo echo-reply");
    assert!(shown("permit ").starts_with("<0-255> ahp eigrp esp gre icmp igmp ip"));
    let means = |line: &str| help(&[], 15, line).expect(line).into_iter().map(|(_, means)| means).collect::<Vec<_>>();
    assert_eq!(means("show ipv6 acc"), ["List IPv6 access lists"]);
}
