//! The control socket: one JSON object per line. Everything a client can do wrong ends that client at most.

use mona_datapath::io::peer;
use mona_model::api::{LineError, Message, REQUEST_LIMIT, Reply, Request, VERSION};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::{Group, Uid, User};
use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Clients at once; the next is refused with a sentence.
const CLIENTS: usize = 128;
/// Bytes that may wait for a client that does not read: the largest answer (a MAC table of a million) fits, a client
/// that lets more pile up is dropped.
const BACKLOG: usize = 256 << 20;
/// Log lines are not kept for a client that is this far behind.
const LOG_BACKLOG: usize = 1 << 20;

/// The socket and its clients.
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
    clients: BTreeMap<u64, Client>,
    next: u64,
}

/// A connected client.
pub struct Client {
    stream: UnixStream,
    /// Highest privilege its credentials allow.
    pub granted: u8,
    /// Unix user.
    pub user: String,
    /// Process.
    pub pid: u32,
    /// As it last called itself.
    pub origin: String,
    /// When it last asked something.
    pub last: Instant,
    /// `terminal monitor`
    pub monitor: bool,
    input: Vec<u8>,
    output: VecDeque<u8>,
    eof: bool,
    closing: bool,
}

/// A request, with who made it.
pub struct Asked {
    /// The client.
    pub client: u64,
    /// The request.
    pub request: Request,
}

impl Server {
    /// Listens at `path`. A socket file nobody listens on is replaced; one with a living daemon is not.
    pub fn listen(path: &Path) -> Result<Server, String> {
        let wrong = |e: io::Error| format!("{}: {e}", path.display());
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        }
        if UnixStream::connect(path).is_ok() {
            return Err(format!("{}: another switchd listens there: stop it, or choose --socket", path.display()));
        }
        match fs::remove_file(path) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(wrong(e)),
            _ => {}
        }
        let listener = UnixListener::bind(path).map_err(wrong)?;
        listener.set_nonblocking(true).map_err(wrong)?;
        // Anybody may connect: who it is decides, and who is nobody gets a sentence instead of a riddle.
        fs::set_permissions(path, fs::Permissions::from_mode(0o666)).map_err(wrong)?;
        Ok(Server { listener, path: path.into(), clients: BTreeMap::new(), next: 1 })
    }

    /// The descriptors to wait for, with whether there is something to write; the listener comes first.
    pub fn fds(&self) -> impl Iterator<Item = (BorrowedFd<'_>, bool)> {
        let clients = self.clients.values().map(|c| (c.stream.as_fd(), !c.output.is_empty()));
        std::iter::once((self.listener.as_fd(), false)).chain(clients)
    }

    /// The clients by number.
    pub fn clients(&self) -> &BTreeMap<u64, Client> {
        &self.clients
    }

    /// Accepts, reads and writes as far as it goes without waiting; returns what was asked. A client is greeted with
    /// `hostname`.
    pub fn serve(&mut self, hostname: &str) -> Vec<Asked> {
        while let Ok((stream, _)) = self.listener.accept() {
            self.welcome(stream, hostname);
        }
        let mut asked = Vec::new();
        for (id, client) in &mut self.clients {
            client.closing |= client.eof;
            if !client.closing {
                client.read(hostname, |request| asked.push(Asked { client: *id, request }));
            }
            client.write();
        }
        self.clients.retain(|_, client| !(client.closing && client.output.is_empty()));
        asked
    }

    fn welcome(&mut self, stream: UnixStream, hostname: &str) {
        if stream.set_nonblocking(true).is_err() {
            return;
        }
        let (granted, user, pid) = credentials(&stream);
        let mut client = Client {
            stream,
            granted,
            user,
            pid,
            origin: String::new(),
            last: Instant::now(),
            monitor: false,
            input: Vec::new(),
            output: VecDeque::new(),
            eof: false,
            closing: false,
        };
        if granted == 0 {
            let text =
                format!("user {} is in neither of the groups mona and mona-admin: ask for membership", client.user);
            client.fail(hostname, LineError::Denied { text });
        } else if self.clients.len() >= CLIENTS {
            let text = format!("{CLIENTS} clients are connected already: end one of them first");
            client.fail(hostname, LineError::Denied { text });
        } else {
            client.say(&Message::Hello { v: VERSION, hostname: hostname.into(), privilege: granted });
        }
        self.clients.insert(self.next, client);
        self.next += 1;
    }

    /// Answers a client, if it is still there.
    pub fn reply(&mut self, client: u64, reply: Reply) {
        if let Some(client) = self.clients.get_mut(&client) {
            client.say(&Message::Reply(reply));
            client.write();
        }
    }

    /// Shows a log line to those who asked for it.
    pub fn log(&mut self, line: &str) {
        for client in self.clients.values_mut().filter(|c| c.monitor && c.output.len() < LOG_BACKLOG) {
            client.say(&Message::Log { line: line.into() });
            client.write();
        }
    }

    /// `terminal monitor`, on or off.
    pub fn monitor(&mut self, client: u64, on: bool) {
        if let Some(client) = self.clients.get_mut(&client) {
            client.monitor = on;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl Client {
    fn say(&mut self, message: &Message) {
        if self.closing {
            return;
        }
        let Ok(mut line) = serde_json::to_vec(message) else { return };
        line.push(b'\n');
        if self.output.len() + line.len() > BACKLOG {
            self.output.clear();
            self.closing = true;
            return;
        }
        self.output.extend(line);
    }

    /// Says what is wrong and closes once that is written.
    fn fail(&mut self, hostname: &str, error: LineError) {
        let (context, shown) = (Vec::new(), Vec::new());
        self.say(&Message::Reply(Reply { id: 0, hostname: hostname.into(), error: Some(error), context, shown }));
        self.closing = true;
    }

    fn read(&mut self, hostname: &str, mut asked: impl FnMut(Request)) {
        let mut buffer = [0u8; 16 * 1024];
        loop {
            match self.stream.read(&mut buffer) {
                // It said all it had to say; what it asked is still answered. What was begun and never ended with a
                // newline was no request.
                Ok(0) => {
                    self.eof = true;
                    break;
                }
                Ok(size) => self.input.extend(&buffer[..size]),
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(_) => {
                    self.closing = true;
                    self.output.clear();
                    return;
                }
            }
            if self.input.len() > REQUEST_LIMIT {
                break;
            }
        }
        let mut rest = std::mem::take(&mut self.input);
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            if line.len() > REQUEST_LIMIT {
                return self.too_long(hostname);
            }
            match serde_json::from_slice::<Request>(&line) {
                Ok(request) if request.v == VERSION => {
                    self.last = Instant::now();
                    self.origin.clone_from(&request.origin);
                    asked(request);
                }
                Ok(Request { v, .. }) => {
                    let text =
                        format!("this daemon speaks protocol version {VERSION}, not {v}: install both from one build");
                    return self.fail(hostname, LineError::Protocol { text });
                }
                Err(e) => {
                    let text = format!("a request is one JSON object on one line: {e}");
                    return self.fail(hostname, LineError::Protocol { text });
                }
            }
        }
        self.input = rest;
        if self.input.len() > REQUEST_LIMIT {
            self.too_long(hostname);
        }
    }

    fn too_long(&mut self, hostname: &str) {
        self.input.clear();
        let text = format!("a request has at most {REQUEST_LIMIT} bytes");
        self.fail(hostname, LineError::Protocol { text });
    }

    fn write(&mut self) {
        while !self.output.is_empty() {
            match self.stream.write(self.output.as_slices().0) {
                Ok(0) => break,
                Ok(size) => {
                    self.output.drain(..size);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.output.clear();
                    self.closing = true;
                }
            }
        }
    }

    /// How long ago it last asked something.
    pub fn idle(&self) -> Duration {
        self.last.elapsed()
    }
}

/// Privilege, user name and process: root and members of `mona-admin` have 15, members of `mona` 1, others none.
fn credentials(stream: &UnixStream) -> (u8, String, u32) {
    let Ok(peer) = getsockopt(stream, PeerCredentials) else { return (0, "unknown".into(), 0) };
    let user = User::from_uid(Uid::from_raw(peer.uid())).ok().flatten();
    let user = user.map_or_else(|| format!("uid {}", peer.uid()), |user| user.name);
    let mut groups = peer::groups(stream.as_fd()).unwrap_or_default();
    groups.push(peer.gid());
    let member = |name: &str| Group::from_name(name).ok().flatten().is_some_and(|g| groups.contains(&g.gid.as_raw()));
    let granted = match () {
        () if peer.uid() == 0 || member("mona-admin") => 15,
        () if member("mona") => 1,
        () => 0,
    };
    (granted, user, peer.pid().max(0) as u32)
}
