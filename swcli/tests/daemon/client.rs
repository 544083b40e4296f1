//! The client against daemons that behave, and against some that do not.

use crate::fake::{hello, reply, send, serve, socket_path, text};
use mona_model::api::{LineError, Message, Reply};
use mona_swcli::client::Client;
use std::sync::mpsc::channel;

#[test]
fn lines_are_answered_in_order() {
    let path = socket_path();
    serve(&path, 1, Some(hello()), |request, _| Some(reply(request, vec![text(&request.line)])));
    let mut client = Client::connect(&path).expect("it greets");
    assert_eq!((client.hostname.as_str(), client.granted), ("s1", 15));
    for line in ["show version", "show vlan | include ä", ""] {
        let reply = client.request(&["configure terminal".into()], line).expect("it answers");
        assert_eq!(reply.context, ["configure terminal"]);
        assert_eq!(reply.shown, [text(line)]);
    }
    let said = client.request(&[], &"x".repeat(1 << 20)).err().unwrap_or_default();
    assert_eq!(said, "the line is too long: 1048576 bytes, 65536 are allowed");
    assert!(client.request(&[], "show version").is_ok());
}

#[test]
fn log_lines_are_kept_apart_from_replies() {
    let path = socket_path();
    serve(&path, 1, Some(hello()), |request, stream| {
        send(stream, &Message::Log { line: "%LINK-3-UPDOWN: before".into() });
        // An answer to a request of long ago is not taken for the answer to this one.
        send(stream, &Message::Reply(Reply { id: 99, ..reply(request, Vec::new()) }));
        Some(reply(request, vec![text("answer")]))
    });
    let (to_test, logs) = channel();
    let mut client = Client::connect_with(&path, Box::new(move |line| drop(to_test.send(line)))).expect("it greets");
    assert_eq!(client.request(&[], "show clock").expect("it answers").shown, [text("answer")]);
    assert_eq!(logs.recv().as_deref(), Ok("%LINK-3-UPDOWN: before"));
}

#[test]
fn what_cannot_be_used_is_said() {
    let check = |greeting: Message, expect: &str| {
        let path = socket_path();
        serve(&path, 1, Some(greeting), |_, _| None);
        let said = Client::connect(&path).err().unwrap_or_default();
        assert!(said.contains(expect), "{said}");
    };
    check(
        Message::Hello { v: 99, hostname: "s1".into(), privilege: 15 },
        "switchd speaks protocol version 99, this program 1",
    );
    let denied = LineError::Denied { text: "user nobody is in neither group".into() };
    let refusal = Reply { id: 0, hostname: "s1".into(), error: Some(denied), context: Vec::new(), shown: Vec::new() };
    check(Message::Reply(refusal), "user nobody is in neither group");
    let nowhere = Client::connect(&socket_path()).err().unwrap_or_default();
    assert!(nowhere.starts_with("switchd does not answer at "), "{nowhere}");
}

#[test]
fn a_daemon_that_dies_is_noticed() {
    let path = socket_path();
    let daemon = serve(&path, 1, Some(hello()), |_, _| None);
    let mut client = Client::connect(&path).expect("it greets");
    let said = client.request(&[], "show version").err().unwrap_or_default();
    assert_eq!(said, "the connection to switchd was lost before it answered");
    daemon.join().expect("it ended");
    assert!(!client.is_connected());
}
