//! Every row: its words are explained, every way through its syntax is understood, printed lines are its own.

use super::{Does, No, Row, all};
use crate::acl::ListKind;
use crate::args::Kind;
use crate::config::Config;
use crate::grammar::{Parsed, help, parse};
use crate::modes::{Mode, Place};
use crate::syntax::{Token, paths};
use crate::words;
use proptest::prelude::*;
use std::sync::LazyLock;

/// A place in the mode.
fn place(mode: Mode) -> Place {
    let vlans = || crate::args::vlans("10").expect("a list");
    match mode {
        Mode::Exec => Place::Exec,
        Mode::Config => Place::Global,
        Mode::Interface => Place::Interface("gi0/1".parse().expect("a name")),
        Mode::Subinterface => Place::Interface("gi0/1.10".parse().expect("a name")),
        Mode::Svi => Place::Interface("vlan 10".parse().expect("a name")),
        Mode::Loopback => Place::Interface("lo0".parse().expect("a name")),
        Mode::Vlan => Place::Vlan(vlans()),
        Mode::Profile => Place::Profile("p".into()),
        Mode::StandardList => Place::AccessList(ListKind::Standard, "s".into()),
        Mode::ExtendedList => Place::AccessList(ListKind::Extended, "e".into()),
        Mode::Ip6List => Place::AccessList(ListKind::Ip6, "x".into()),
        Mode::MacList => Place::AccessList(ListKind::Mac, "m".into()),
        Mode::Line => Place::Line("vty 0 4".into()),
    }
}

/// Something of the kind, as an operator types it.
fn sample(kind: &Kind) -> String {
    match kind {
        Kind::Vlan => "20".into(),
        Kind::Vlans => "1-5,7,9-12".into(),
        Kind::Interface(_) => "gi 0/2".into(),
        Kind::Range => "gi0/1 - 3, gi0/7".into(),
        Kind::Mac => "0011.2233.4455".into(),
        Kind::Word => "word".into(),
        Kind::Line => "some words".into(),
        Kind::Text => "#some words#".into(),
        Kind::Number(_, high) => high.to_string(),
        Kind::Ethertype => "arp".into(),
        Kind::Hex => "ff ff".into(),
        Kind::Ip => "10.0.0.0".into(),
        Kind::Mask => "255.0.0.0".into(),
        Kind::Ip6 => "2001:db8::1".into(),
        Kind::Prefix6 => "2001:db8:1::/48".into(),
        Kind::Hex16 => "0x806".into(),
        Kind::Named(names) => names.all().next().expect("a name").0.into(),
        Kind::Choice(words) => words[0].into(),
    }
}

/// Every way to say every row in each of its modes, with what stands for an argument.
fn each_way(mut check: impl FnMut(&'static Row, &[String], &[Token], &[String])) {
    for row in all() {
        for mode in row.modes {
            let context = place(*mode).context();
            for path in paths(row.syntax) {
                let words: Vec<String> = path
                    .iter()
                    .map(|token| match token {
                        Token::Word(word) => word.to_string(),
                        Token::Arg(_, kind) => sample(kind),
                    })
                    .collect();
                check(row, &context, &path, &words);
            }
        }
    }
}

#[test]
fn every_word_is_explained() {
    let mut missing = Vec::new();
    let fine = |text: &str| text.starts_with(|c: char| c.is_ascii_alphanumeric());
    each_way(|row, _, path, _| {
        for token in path {
            let of = |word: &str| words::word(row, word);
            match token {
                Token::Word(word) => {
                    if !fine(of(word)) {
                        missing.push(format!("{}: {word}: {:?}", row.syntax, of(word)))
                    }
                }
                Token::Arg(_, Kind::Choice(all)) => {
                    all.iter().for_each(|word| {
                        if !fine(of(word)) {
                            missing.push(format!("{}: {word}: {:?}", row.syntax, of(word)))
                        }
                    });
                }
                Token::Arg(name, _) => {
                    let text = words::argument(row, name);
                    if !fine(text) {
                        missing.push(format!("{}: <{name}>: {text:?}", row.syntax))
                    };
                }
            }
        }
        // Help for what the row does not have is a slip of the pen.
        for (key, _) in row.help {
            let has = |token: &Token| match token {
                Token::Word(word) => word == key,
                Token::Arg(_, Kind::Choice(all)) => all.contains(key),
                Token::Arg(name, _) => *key == format!("<{name}>"),
            };
            if !paths(row.syntax).iter().flatten().any(has) {
                missing.push(format!("{}: has no {key}", row.syntax))
            }
        }
    });
    missing.sort();
    missing.dedup();
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn every_way_is_understood() {
    each_way(|row, context, _, words| {
        let line = words.join(" ");
        if words.iter().any(|w| w == "access-vlan") && words.iter().any(|w| w == "trunk") {
            return;
        }
        let parsed = parse(&Config::default(), context, 15, &line).unwrap_or_else(|e| panic!("{line}: {e:?}"));
        let same = match (&row.does, &parsed) {
            (Does::Set { .. }, Parsed::Config(command)) => std::ptr::eq(command.row(), row),
            (Does::Exec(_), Parsed::Exec(_)) => true,
            (Does::Local(_), Parsed::Local(_)) | (Does::Context(_), Parsed::Context(_)) => true,
            _ => false,
        };
        assert!(same, "{line} in {context:?} is {parsed:?}");
        assert!(parse(&Config::default(), context, row.privilege, &line).is_ok());
        if row.no != No::Never {
            let no = parse(&Config::default(), context, 15, &format!("no {line}"));
            assert!(matches!(no, Ok(Parsed::Config(command)) if std::ptr::eq(command.row(), row)), "no {line}");
        }
        let in_capitals = line.to_ascii_uppercase();
        assert!(parse(&Config::default(), context, 15, &in_capitals).is_ok(), "{in_capitals}");
    });
}

#[test]
fn help_leads_along_every_way() {
    each_way(|row, context, path, words| {
        for (index, token) in path.iter().enumerate().filter(|_| !row.hidden) {
            let before = words[..index].iter().map(|word| format!("{word} ")).collect::<String>();
            let offered = help(context, 15, &before).unwrap_or_else(|e| panic!("{before}?: {e:?}"));
            let wanted = match token {
                Token::Word(word) => word.to_string(),
                Token::Arg(_, Kind::Choice(all)) => all[0].into(),
                Token::Arg(_, Kind::Named(_)) => words[index].clone(),
                Token::Arg(_, kind) => kind.shown(),
            };
            let rest = path[..index].iter().any(|t| matches!(t, Token::Arg(_, kind) if kind.takes_rest()));
            assert!(rest || offered.iter().any(|(word, _)| *word == wanted), "{before}? has no {wanted}: {offered:?}");
            let mut once = offered.clone();
            once.sort();
            once.dedup_by(|a, b| a.0 == b.0);
            assert_eq!(once.len(), offered.len(), "{before}?");
        }
        let line = words.join(" ") + " ";
        let ended = help(context, 15, &line).unwrap_or_else(|e| panic!("{line}?: {e:?}"));
        assert!(row.hidden || ended.contains(&("<cr>".into(), String::new())), "{line}? {ended:?}");
    });
}

/// All ways of all configuration rows.
static WAYS: LazyLock<Vec<crate::syntax::Path>> = LazyLock::new(|| {
    let rows = all().filter(|row| !row.modes.contains(&Mode::Exec));
    rows.flat_map(|row| paths(row.syntax)).collect()
});

/// Something of the kind; few of each, so that lines meet.
fn one_of(kind: &Kind, pick: usize) -> String {
    let some: &[&str] = match kind {
        Kind::Vlan => &["1", "2", "10", "4094", "1002"],
        Kind::Vlans => &["1", "2,10", "1-4094", "3-900,950", "10"],
        Kind::Interface(_) => &["gi0/1", "gi0/2", "eth1", "gi 1/7", "vlan 10", "lo0", "gi0/1.10"],
        Kind::Range => &["gi0/1 - 2", "gi0/2, gi1/7", "gi0/1-gi0/3,eth1"],
        Kind::Mac => &["0200.0000.0001", "0100.0000.0001", "0200.0000.0002"],
        Kind::Word => &["a", "b", "VLAN0010", "eth1", "default", "eth2"],
        Kind::Line => &["x", "y , z", "switchport trunk allowed vlan 1,2,3", "! \u{e9}"],
        Kind::Text => &["#x#", "^C\nshutdown\n^C", "@\n!\n#end\n@", "^C^C", "%a^Cb%", "#"],
        Kind::Number(low, high) => return [*low, *high, low + (high - low) / 2][pick % 3].to_string(),
        Kind::Choice(words) => return words[pick % words.len()].into(),
        Kind::Named(names) if names.low > names.high || pick.is_multiple_of(2) => {
            return names.names[pick % names.names.len()].0.into();
        }
        Kind::Named(names) => return [names.low, names.high][pick / 2 % 2].to_string(),
        Kind::Hex16 => &["0x806", "0x0", "0xffff"],
        Kind::Ethertype | Kind::Hex => &["ff"],
        Kind::Ip => &["10.0.0.1", "10.0.0.0", "192.0.2.9", "10.128.0.1", "0.0.0.0"],
        Kind::Mask => &["255.0.0.0", "255.255.255.0", "255.255.255.255", "0.0.0.0"],
        Kind::Ip6 => &["2001:db8::1", "fe80::1", "fe80::2", "::1"],
        Kind::Prefix6 => &["2001:db8::1/64", "2001:db8::/64", "2001:db8::/32", "::/0", "2001:db8:1::1/127"],
    };
    some[pick % some.len()].into()
}

proptest! {
    /// Whatever is said in whatever order: a line that is refused changes nothing, and the law holds.
    #[test]
    fn whatever_is_said_reads_back(said in proptest::collection::vec((any::<prop::sample::Index>(), any::<[u8; 3]>(), 0u8..4), 0..60)) {
        let mut config = Config::default();
        let mut context = Place::Global.context();
        let mut script = Vec::new();
        for (way, picks, no) in said {
            let mut picks = picks.into_iter().map(usize::from);
            let words = way.get(&WAYS).iter().map(|token| match token {
                Token::Word(word) => word.to_string(),
                Token::Arg(_, kind) => one_of(kind, picks.next().unwrap_or(0)),
            });
            let line = if no == 0 { "no " } else { "" }.to_string() + &words.collect::<Vec<_>>().join(" ");
            // A line of an interface is said at one.
            if matches!(parse(&config, &context, 15, &line), Err(_) | Ok(Parsed::Context(_))) {
                let name = ["gi0/1", "gi0/1.10", "vlan 10", "lo0"][usize::from(no)];
                context = Place::Interface(name.parse().expect("a name")).context();
            }
            let before = config.clone();
            script.push(line.clone());
            if let Ok(Parsed::Config(command)) = parse(&config, &context, 15, &line) {
                match command.apply(&mut config) {
                    Ok(applied) => context = applied.context,
                    Err(_) => prop_assert_eq!(&config, &before, "{}", line),
                }
            }
        }
        let lines = crate::print::print(&config, false);
        let (mut read, mut context) = (Config::default(), Place::Global.context());
        for line in &lines {
            match parse(&read, &context, 15, line) {
                Ok(Parsed::Config(command)) => {
                    let applied = command.apply(&mut read).map_err(|e| TestCaseError::fail(format!("{line}: {e}")))?;
                    context = applied.context;
                }
                Ok(_) => {}
                Err(error) => prop_assert!(false, "{}: {:?}", line, error),
            }
        }
        prop_assert_eq!(&read, &config, "{}\nafter\n{}", lines.join("\n"), script.join("\n"));
        prop_assert_eq!(crate::print::print(&read, false), lines);
    }
}
