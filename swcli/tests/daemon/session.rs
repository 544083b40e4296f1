//! What a line comes to, whatever the terminal.

use crate::fake::{hello, refuse, reply, serve, socket_path, text};
use mona_model::api::{LineError, Message, VERSION};
use mona_model::shown::Shown;
use mona_swcli::client::OnLog;
use mona_swcli::session::Session;
use std::path::Path;

fn open(path: &Path) -> Session {
    let ignore = || -> OnLog { Box::new(|_| {}) };
    Session::open(path.to_owned(), None, "console", Box::new(ignore)).expect("it greets")
}

/// What the operator sees after typing this, without the prompt.
fn type_line(session: &mut Session, line: &str) -> String {
    let outcome = session.carry_out(line, session.prompt().len());
    [outcome.lines, outcome.error].concat().join("\n")
}

#[test]
fn lines_and_what_they_print() {
    let path = socket_path();
    serve(&path, 1, Some(hello()), |request, _| {
        Some(match request.line.as_str() {
            "show vlan brief" => reply(request, vec![text("1    default\n10   red\n20   blue")]),
            "show privilege" => reply(request, vec![Shown::Privilege(request.privilege.unwrap_or(0))]),
            "show both" => reply(request, vec![Shown::Privilege(1), text("x")]),
            "show vlan id x" => refuse(request, LineError::Invalid { at: 13 }),
            "vlan 1" => refuse(request, LineError::Rejected { text: "Default VLAN 1 may not be deleted.".into() }),
            _ => refuse(request, LineError::Unknown),
        })
    });
    let mut session = open(&path);
    assert_eq!(session.prompt(), "s1#");
    let cases = [
        ("show vlan brief", "1    default\n10   red\n20   blue"),
        ("show vlan brief | i red|blue", "10   red\n20   blue"),
        ("show vlan brief | count .", "Number of lines which match regexp = 3"),
        ("show vlan brief | wrong", "                     ^\n% Invalid input detected at '^' marker.\n"),
        ("show vlan brief |", "% Incomplete command.\n"),
        ("show privilege", "Current privilege level is 15"),
        ("show privilege | json", "{\n  \"show\": \"privilege\",\n  \"rows\": 15\n}"),
        ("show vlan id x", "                ^\n% Invalid input detected at '^' marker.\n"),
        ("vlan 1", "% Default VLAN 1 may not be deleted."),
        ("foo", "% Unknown command or computer name, or unable to find computer address"),
        ("terminal length 0", ""),
        ("term width 511", ""),
        ("", ""),
        ("! a comment", ""),
        ("enable", ""),
        ("disable", ""),
        ("show privilege", "Current privilege level is 1"),
        ("enable", ""),
        ("show privilege", "Current privilege level is 15"),
    ];
    for (line, expect) in cases {
        assert_eq!(type_line(&mut session, line), expect, "{line}");
    }
    assert_eq!(session.length, Some(0));
    assert!(session.carry_out("exit", 0).quit);
}

#[test]
fn a_text_of_several_lines_is_one_command() {
    let path = socket_path();
    serve(&path, 1, Some(hello()), |request, _| {
        let mut reply = reply(request, vec![text(&request.line.replace('\n', "/"))]);
        reply.context = vec!["configure terminal".into()];
        Some(reply)
    });
    let mut session = open(&path);
    let cases = [
        ("configure terminal", "configure terminal", "s1(config)#"),
        ("banner motd #one line#", "banner motd #one line#", "s1(config)#"),
        ("banner motd #", "", ""),
        ("exit", "", ""),
        ("show version | include x", "", ""),
        ("", "", ""),
        (
            "bye # and what follows",
            "banner motd #/exit/show version | include x//bye # and what follows",
            "s1(config)#",
        ),
        ("no banner motd #", "no banner motd #", "s1(config)#"),
        ("banner login ^C", "", ""),
        ("no end", "", ""),
    ];
    for (line, expect, prompt) in cases {
        assert_eq!(type_line(&mut session, line), expect, "{line}");
        session.remember(line);
        assert_eq!(session.prompt(), prompt, "{line}");
    }
    assert_eq!(session.text().map(|(line, end)| format!("{line} {end}")).as_deref(), Some("banner login ^C ^C"));
    assert_eq!(session.interrupt().lines, ["banner login ^C/no end/^C"]);
    type_line(&mut session, "banner login #");
    assert_eq!(session.interrupt().lines, [""; 0]);
    type_line(&mut session, "banner login #");
    assert_eq!(session.end().lines, ["end"]);
    assert!(!session.history.contains(&"exit".to_string()));
}

#[test]
fn history_drops_duplicates_and_empty_lines() {
    let path = socket_path();
    serve(&path, 1, Some(hello()), |request, _| Some(reply(request, Vec::new())));
    let mut session = open(&path);
    for line in ["show clock", "show clock", "", "show history"] {
        session.remember(line);
    }
    assert_eq!(type_line(&mut session, "show history"), "  show clock\n  show history");
    assert_eq!(type_line(&mut session, "show history | exclude clock"), "  show history");
}

#[test]
fn the_mode_outlives_the_daemon() {
    let path = socket_path();
    let enter = |request: &mona_model::api::Request, _: &mut _| {
        (request.line == "conf t").then(|| {
            let mut reply = reply(request, Vec::new());
            reply.context = vec!["configure terminal".into()];
            reply
        })
    };
    let daemon = serve(&path, 1, Some(hello()), enter);
    let mut session = open(&path);
    type_line(&mut session, "conf t");
    assert_eq!(session.prompt(), "s1(config)#");
    assert!(type_line(&mut session, "hostname s2").contains("lost before it answered"));
    daemon.join().expect("it ended");
    serve(&path, 1, Some(hello()), |request, _| Some(reply(request, vec![text(&request.context.join(","))])));
    assert_eq!(type_line(&mut session, "hostname s2"), "% switchd had restarted; connected again\nconfigure terminal");
    assert_eq!(session.prompt(), "s1(config)#");
}

#[test]
fn privilege_is_what_the_socket_grants() {
    let path = socket_path();
    let reader = Message::Hello { v: VERSION, hostname: "s1".into(), privilege: 1 };
    serve(&path, 1, Some(reader), |request, _| Some(reply(request, Vec::new())));
    let mut session = open(&path);
    assert_eq!(session.prompt(), "s1>");
    assert_eq!(
        type_line(&mut session, "enable"),
        "% Access denied: only root and the group mona-admin may change the switch"
    );
    assert_eq!(session.prompt(), "s1>");
}
