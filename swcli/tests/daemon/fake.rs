//! A daemon of a few lines, for tests of the client's side.

use mona_model::api::{LineError, Message, Reply, Request, VERSION};
use mona_model::shown::Shown;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A path for a socket, in a directory of the test's own.
pub fn socket_path() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let dir =
        std::env::temp_dir().join(format!("swcli-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
    std::fs::create_dir_all(&dir).expect("a directory");
    dir.join("switchd.sock")
}

/// The greeting of a daemon that grants everything.
pub fn hello() -> Message {
    Message::Hello { v: VERSION, hostname: "s1".into(), privilege: 15 }
}

/// Sends a message.
pub fn send(stream: &mut UnixStream, message: &Message) {
    let mut text = serde_json::to_string(message).expect("plain data");
    text.push('\n');
    // A client that has gone is no concern of the test.
    let _ = stream.write_all(text.as_bytes());
}

/// Serves so many connections, one after the other, and then is gone: `greeting` first, then `answer` for each request.
pub fn serve(
    path: &Path,
    connections: usize,
    greeting: Option<Message>,
    answer: impl Fn(&Request, &mut UnixStream) -> Option<Reply> + Send + 'static,
) -> std::thread::JoinHandle<()> {
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path).expect("the socket can be made");
    let path = path.to_owned();
    std::thread::spawn(move || {
        for _ in 0..connections {
            let (mut stream, _) = listener.accept().expect("a client");
            if let Some(greeting) = &greeting {
                send(&mut stream, greeting);
            }
            let reader = BufReader::new(stream.try_clone().expect("a second handle"));
            for line in reader.lines() {
                let Ok(line) = line else { break };
                let request: Request = serde_json::from_str(&line).expect("the client speaks the protocol");
                match answer(&request, &mut stream) {
                    Some(reply) => send(&mut stream, &Message::Reply(reply)),
                    // The daemon dies.
                    None => break,
                }
            }
        }
        let _ = std::fs::remove_file(path);
    })
}

/// A reply that shows these values and stays in the mode.
pub fn reply(request: &Request, shown: Vec<Shown>) -> Reply {
    Reply { id: request.id, hostname: "s1".into(), error: None, context: request.context.clone(), shown }
}

/// A reply that refuses.
pub fn refuse(request: &Request, error: LineError) -> Reply {
    Reply { error: Some(error), ..reply(request, Vec::new()) }
}

/// Text to show.
pub fn text(lines: &str) -> Shown {
    Shown::Text(lines.lines().map(str::to_owned).collect())
}
