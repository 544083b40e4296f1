//! The client's side of the socket: one request, one reply, and log lines that come unasked.
//!
//! A thread reads the socket so that a `%LINK-3-UPDOWN` line appears while the operator types; replies come back to
//! [`Client::request`] over a channel. The daemon keeps nothing for a client, so a lost connection is simply made again.

use mona_model::api::{Message, REQUEST_LIMIT, Reply, Request, VERSION};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::time::Duration;

/// Longest a request may take: saving waits for the disk; all else answers within milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where log lines go.
pub type OnLog = Box<dyn FnMut(String) + Send>;

/// A connection to `switchd`.
pub struct Client {
    /// Of the last reply (or the greeting).
    pub hostname: String,
    /// The highest privilege the socket's credentials allow.
    pub granted: u8,
    /// The privilege that requests ask for; `None` = all that is granted.
    pub privilege: Option<u8>,
    /// `console`, `vty0`, `swctl`: see [`Request::origin`].
    pub origin: String,
    socket: UnixStream,
    messages: Receiver<Message>,
    next_id: u64,
}

impl Client {
    /// Connects and reads the greeting; log lines are dropped.
    pub fn connect(path: &Path) -> Result<Client, String> {
        Client::connect_with(path, Box::new(|_| {}))
    }

    /// Connects and reads the greeting; log lines go to `on_log`, from the reading thread.
    pub fn connect_with(path: &Path, mut on_log: OnLog) -> Result<Client, String> {
        let wrong = |e: std::io::Error| format!("switchd does not answer at {}: {e}", path.display());
        let socket = UnixStream::connect(path).map_err(wrong)?;
        let reader = BufReader::new(socket.try_clone().map_err(wrong)?);
        let (to_us, messages) = channel();
        std::thread::Builder::new()
            .name("switchd reader".into())
            .spawn(move || {
                for line in reader.lines() {
                    // Neither an unreadable socket nor an unreadable message can be repaired: the channel closes.
                    let Some(message) = line.ok().and_then(|line| serde_json::from_str(&line).ok()) else { return };
                    match message {
                        Message::Log { line } => on_log(line),
                        message => {
                            if to_us.send(message).is_err() {
                                return;
                            }
                        }
                    }
                }
            })
            .map_err(wrong)?;
        match messages.recv_timeout(PATIENCE) {
            Ok(Message::Hello { v: VERSION, hostname, privilege }) => Ok(Client {
                hostname,
                granted: privilege,
                privilege: None,
                origin: "console".into(),
                socket,
                messages,
                next_id: 1,
            }),
            Ok(Message::Hello { v, .. }) => {
                Err(format!("switchd speaks protocol version {v}, this program {VERSION}: install both from one build"))
            }
            // A connection refused for its credentials is told so in a reply.
            Ok(Message::Reply(reply)) => Err(crate::errors::sentence(reply.error.as_ref())),
            Ok(Message::Log { .. }) | Err(_) => Err(format!("switchd at {} does not greet", path.display())),
        }
    }

    /// Is the connection still there, as far as can be known without asking?
    pub fn is_connected(&self) -> bool {
        // Between requests nothing is due but the end; a reply that nobody waits for any more is thrown away.
        loop {
            match self.messages.try_recv() {
                Ok(_) => {}
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// Carries out one line in the mode `context`. An `Err` is about the connection; a refused line is in the reply.
    pub fn request(&mut self, context: &[String], line: &str) -> Result<Reply, String> {
        let id = self.next_id;
        self.next_id += 1;
        let request = Request {
            v: VERSION,
            id,
            context: context.to_vec(),
            line: line.into(),
            privilege: self.privilege,
            origin: self.origin.clone(),
        };
        let mut text = serde_json::to_vec(&request).map_err(|e| e.to_string())?;
        text.push(b'\n');
        if text.len() > REQUEST_LIMIT {
            return Err(format!("the line is too long: {} bytes, {REQUEST_LIMIT} are allowed", line.len()));
        }
        self.socket.write_all(&text).map_err(|e| format!("the connection to switchd is lost: {e}"))?;
        loop {
            match self.messages.recv_timeout(PATIENCE) {
                Ok(Message::Reply(reply)) if reply.id == id => {
                    self.hostname.clone_from(&reply.hostname);
                    return Ok(reply);
                }
                // The answer to an earlier request whose patience ran out.
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return Err("switchd does not answer".into()),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err("the connection to switchd was lost before it answered".into());
                }
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Ends the reading thread as well. An error means that the peer was faster.
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }
}
