//! The control socket, turn by turn: nobody waits for those who ask more than they read.

use mona_control::server::Server;
use mona_model::api::{LineError, Reply, Request, VERSION};
use std::io::Write;
use std::os::unix::net::UnixStream;

fn request(id: u64) -> Vec<u8> {
    let (context, line, origin) = (Vec::new(), "show clock".into(), "vty0".into());
    let request = Request { v: VERSION, id, context, line, privilege: None, origin };
    [serde_json::to_vec(&request).expect("it is JSON"), b"\n".to_vec()].concat()
}

/// An answer that a socket does not take at once.
fn answer(id: u64) -> Reply {
    let error = Some(LineError::Rejected { text: "x".repeat(600_000) });
    Reply { id, hostname: "sw".into(), error, context: Vec::new(), shown: Vec::new() }
}

#[test]
fn a_turn_takes_one_request_of_each_client() {
    let dir = std::env::temp_dir().join(format!("mona-server-{}", std::process::id()));
    let path = dir.join("socket");
    let mut server = Server::listen(&path).expect("a socket");
    let mut clients: Vec<UnixStream> = (0..3).map(|_| UnixStream::connect(&path).expect("it listens")).collect();
    // The first two ask a hundred things at once, the third asks one. None reads.
    for client in &mut clients[..2] {
        client.write_all(&(0..100).flat_map(request).collect::<Vec<u8>>()).expect("there is room");
    }
    clients[2].write_all(&request(7)).expect("there is room");
    let mut asked_at = [Vec::new(), Vec::new(), Vec::new()];
    for turn in 0..10 {
        for asked in server.serve("sw") {
            asked_at[asked.client as usize - 1].push(turn);
            server.reply(asked.client, answer(asked.request.id));
        }
    }
    // More than a megabyte behind a client is asked nothing more: its own backlog waits, for itself alone.
    let turns = |at: usize| (asked_at[at].first().copied(), asked_at[at].len());
    assert_eq!(turns(2), (turns(0).0, 1), "the third is asked in the same turn as the first: {asked_at:?}");
    for rude in [0, 1] {
        assert!((2..10).contains(&asked_at[rude].len()), "{asked_at:?}");
        assert!(asked_at[rude].windows(2).all(|pair| pair[0] < pair[1]), "one each turn: {asked_at:?}");
    }
    // The third asks again, however much waits for the others.
    clients[2].write_all(&request(8)).expect("there is room");
    let next: Vec<u64> = server.serve("sw").into_iter().map(|asked| asked.client).collect();
    assert_eq!(next, [3]);
    drop(server);
    let _ = std::fs::remove_dir(dir);
}

#[test]
fn answers_come_in_the_order_of_what_was_asked() {
    let dir = std::env::temp_dir().join(format!("mona-order-{}", std::process::id()));
    let path = dir.join("socket");
    let mut server = Server::listen(&path).expect("a socket");
    let mut clients: Vec<UnixStream> = (0..2).map(|_| UnixStream::connect(&path).expect("it listens")).collect();
    for client in &mut clients {
        client.write_all(&[request(1), request(2)].concat()).expect("there is room");
    }
    let mut asked = || -> Vec<(u64, u64)> {
        server.serve("sw").into_iter().map(|asked| (asked.client, asked.request.id)).collect()
    };
    assert_eq!(asked(), [(1, 1), (2, 1)]);
    // What the first asked takes somebody else a while: it waits, and is waited for; the second does neither.
    assert_eq!(asked(), []);
    assert!(!server.has_more(), "nothing could be done in another turn");
    server.reply(2, answer(1));
    assert!(server.has_more());
    let next: Vec<(u64, u64)> = server.serve("sw").into_iter().map(|asked| (asked.client, asked.request.id)).collect();
    assert_eq!(next, [(2, 2)]);
    // The listener, and of the second client that it may read: that the first left is no news until it is answered.
    drop(clients);
    let waited_for = server.fds().count();
    assert!(waited_for <= 2, "{waited_for}");
    server.reply(1, answer(1));
    server.reply(2, answer(2));
    server.serve("sw");
    server.part();
    assert_eq!(server.clients().len(), 0);
    drop(server);
    let _ = std::fs::remove_dir(dir);
}
