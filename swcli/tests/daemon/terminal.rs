//! swcli on a pseudo-terminal, as netmiko and Ansible see it: every byte counts.

use crate::fake::{hello, reply, serve, socket_path, text};
use expectrl::{Expect, Session};
use std::process::Command;
use std::time::Duration;

#[test]
fn a_plain_terminal_sees_characters_only() {
    let path = socket_path();
    serve(&path, 1, Some(hello()), |request, _| {
        // What a session shows when it begins is printed before the first prompt.
        let shown = if request.line == "show banner" { "Be careful." } else { &request.line };
        Some(reply(request, vec![text(shown)]))
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_swcli"));
    command.arg("--socket").arg(&path).env("TERM", "vt100");
    let mut shell = Session::spawn(command).expect("swcli runs");
    shell.set_expect_timeout(Some(Duration::from_secs(60)));
    let mut check = |keys: &str, expect: &str| {
        shell.send(keys).expect("the terminal takes keys");
        let found = shell.expect(expect).unwrap_or_else(|error| panic!("{keys:?}: {error}"));
        // All of it, from the last prompt on: the echo once, nothing before it, no control sequence.
        assert_eq!(String::from_utf8_lossy(found.before()), "", "{keys:?}");
    };
    check("", "Be careful.\r\ns1#");
    // netmiko and scrapli end lines with LF, Unicon and RANCID with CR.
    check("show clock\n", "show clock\r\nshow clock\r\ns1#");
    check("show clock\r", "show clock\r\nshow clock\r\ns1#");
    check("show clock\r\n", "show clock\r\nshow clock\r\ns1#");
    check("\n", "\r\ns1#");
    check("\0\0show ve\0rsion\r", "show version\r\nshow version\r\ns1#");
    check("show ver?", "show ver?\r\nversion\r\ns1#show ver");
    check("\x03", "\r\ns1#");
    check("sx\x7fhow clock\r", "sx\x08 \x08how clock\r\nshow clock\r\ns1#");
    check("\x1b[A", "show clock");
    check("\x15", &"\x08 \x08".repeat(10));
    check("exit\r", "exit\r\n");
}
