//! The control socket: one JSON object per line. Everything a client can do wrong ends that client at most.

use mona_datapath::io::peer;
use mona_model::api::{LineError, Message, REQUEST_LIMIT, Reply, Request, VERSION};
use nix::poll::PollFlags;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::{Group, Uid, User};
use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Clients at once; the next is refused with a sentence.
const CLIENTS: usize = 128;
/// Of them, those that may be taken by who may only read: they cannot lock the others out.
const READERS: usize = 96;
/// Accepted in one turn: a crowd at the door does not keep those inside waiting.
const WELCOMES: usize = 16;
/// Bytes that may wait for clients that do not read, all together: the largest answer (a MAC table of a million) fits.
/// When more pile up, who has the most is dropped.
const BACKLOG: usize = 256 << 20;
/// A client that is this far behind is asked nothing more, and dropped if it wants log lines.
const BEHIND: usize = 1 << 20;
/// Bytes written to a client in one turn: one that reads as fast as it is told keeps nobody waiting.
const TURN: usize = 1 << 20;

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
    /// Requests that are not answered yet.
    unanswered: u32,
    /// It says no more.
    eof: bool,
    /// It is told no more than what is in `output`.
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
        match fs::symlink_metadata(path) {
            Ok(file) if file.file_type().is_socket() => fs::remove_file(path).map_err(wrong)?,
            Ok(_) => return Err(format!("{}: this is no socket: choose another --socket", path.display())),
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(wrong(e)),
        }
        let listener = UnixListener::bind(path).map_err(wrong)?;
        listener.set_nonblocking(true).map_err(wrong)?;
        // Anybody may connect: who it is decides, and who is nobody gets a sentence instead of a riddle.
        fs::set_permissions(path, fs::Permissions::from_mode(0o666)).map_err(wrong)?;
        Ok(Server { listener, path: path.into(), clients: BTreeMap::new(), next: 1 })
    }

    /// The descriptors to wait for, and for what; the listener comes first. Nothing is waited for of who waits for an answer:
    /// that it left would be said again and again.
    pub fn fds(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        let clients = self.clients.values().map(|client| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::POLLIN, client.listened_to());
            flags.set(PollFlags::POLLOUT, !client.output.is_empty());
            (client.stream.as_fd(), flags)
        });
        let clients = clients.filter(|(_, flags)| !flags.is_empty());
        std::iter::once((self.listener.as_fd(), PollFlags::POLLIN)).chain(clients)
    }

    /// Is there a request that was read already? Then waiting would be wrong.
    pub fn has_more(&self) -> bool {
        self.clients.values().any(|client| client.has_line() && client.is_asked())
    }

    /// The clients by number.
    pub fn clients(&self) -> &BTreeMap<u64, Client> {
        &self.clients
    }

    /// Accepts, reads and writes as far as it goes without waiting; returns what was asked. A client is greeted with
    /// `hostname`.
    pub fn serve(&mut self, hostname: &str) -> Vec<Asked> {
        for _ in 0..WELCOMES {
            let Ok((stream, _)) = self.listener.accept() else { break };
            self.welcome(stream, hostname);
        }
        let mut asked = Vec::new();
        for (id, client) in &mut self.clients {
            client.write();
            if client.listened_to() {
                client.read(hostname);
            }
            asked.extend(client.next(hostname).map(|request| Asked { client: *id, request }));
        }
        asked
    }

    /// Ends with the clients that have been told all they are going to be told.
    pub fn part(&mut self) {
        self.clients.retain(|_, client| {
            let done = client.eof && client.unanswered == 0 && !client.has_line();
            !((client.closing || done) && client.output.is_empty())
        });
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
            unanswered: 0,
            eof: false,
            closing: false,
        };
        if granted == 0 {
            let text =
                format!("user {} is in neither of the groups mona and mona-admin: ask for membership", client.user);
            client.fail(hostname, LineError::Denied { text });
        } else if self.clients.len() >= if granted > 1 { CLIENTS } else { READERS } {
            let text = format!("{} clients are connected already: end one of them first", self.clients.len());
            client.fail(hostname, LineError::Denied { text });
        } else {
            client.say(&Message::Hello { v: VERSION, hostname: hostname.into(), privilege: granted });
        }
        self.clients.insert(self.next, client);
        self.next += 1;
    }

    /// Answers a client, if it is still there.
    pub fn reply(&mut self, client: u64, reply: Reply) {
        self.answer(client, spelled(&Message::Reply(reply)));
    }

    /// The same with the answer as it is sent.
    pub fn answer(&mut self, client: u64, answer: Vec<u8>) {
        let Some(client) = self.clients.get_mut(&client) else { return };
        client.unanswered = client.unanswered.saturating_sub(1);
        client.send(answer);
        client.write();
        while self.clients.values().map(|client| client.output.len()).sum::<usize>() > BACKLOG {
            if let Some(fattest) = self.clients.values_mut().max_by_key(|client| client.output.len()) {
                fattest.hang_up();
            }
        }
    }

    /// Shows a log line to those who asked for it.
    pub fn log(&mut self, line: &str) {
        for client in self.clients.values_mut().filter(|client| client.monitor) {
            if client.output.len() > BEHIND {
                client.hang_up();
            }
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
        self.send(spelled(message));
    }

    fn send(&mut self, line: Vec<u8>) {
        match self.closing {
            true => {}
            // Not copied: it may be forty megabytes.
            false if self.output.is_empty() => self.output = line.into(),
            false => self.output.extend(line),
        }
    }

    /// Says what is wrong and closes once that is written.
    fn fail(&mut self, hostname: &str, error: LineError) {
        let (context, shown) = (Vec::new(), Vec::new());
        self.say(&Message::Reply(Reply { id: 0, hostname: hostname.into(), error: Some(error), context, shown }));
        self.closing = true;
    }

    /// Ends it without another word.
    fn hang_up(&mut self) {
        self.output = VecDeque::new();
        self.closing = true;
    }

    /// Is there anything it could say that would be read now?
    fn listened_to(&self) -> bool {
        self.is_asked() && !self.eof && !self.has_line()
    }

    /// May it ask something? Who does not read the answers may not, and who waits for one has asked: answers come in the
    /// order of what was asked.
    fn is_asked(&self) -> bool {
        !self.closing && self.unanswered == 0 && self.output.len() <= BEHIND
    }

    fn has_line(&self) -> bool {
        self.input.contains(&b'\n')
    }

    fn read(&mut self, hostname: &str) {
        let mut buffer = [0u8; 16 * 1024];
        while self.input.len() <= REQUEST_LIMIT && !self.has_line() {
            match self.stream.read(&mut buffer) {
                // It said all it had to say; what it asked is still answered. What was begun and never ended with a
                // newline was no request.
                Ok(0) => {
                    self.eof = true;
                    if !self.input.is_empty() {
                        let text = "a request ends with a newline: this one was cut off".into();
                        self.fail(hostname, LineError::Protocol { text });
                    }
                    return;
                }
                Ok(size) => self.input.extend(&buffer[..size]),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.hang_up(),
            }
        }
    }

    /// The next request. One at a time: who asks much waits for others.
    fn next(&mut self, hostname: &str) -> Option<Request> {
        if !self.is_asked() {
            return None;
        }
        let end = self.input.iter().position(|b| *b == b'\n');
        if end.unwrap_or(self.input.len()) >= REQUEST_LIMIT {
            let text = format!("a request has at most {REQUEST_LIMIT} bytes");
            self.fail(hostname, LineError::Protocol { text });
            return None;
        }
        let line: Vec<u8> = self.input.drain(..=end?).collect();
        let text = match serde_json::from_slice::<Request>(&line) {
            Ok(request) if request.v == VERSION => {
                self.last = Instant::now();
                self.origin.clone_from(&request.origin);
                self.unanswered += 1;
                return Some(request);
            }
            Ok(Request { v, .. }) => other_version(v.into()),
            // Another version may well have other fields.
            Err(e) => {
                match serde_json::from_slice::<serde_json::Value>(&line).ok().and_then(|r| r.get("v")?.as_u64()) {
                    Some(v) if v != u64::from(VERSION) => other_version(v),
                    _ => format!("a request is one JSON object on one line: {e}"),
                }
            }
        };
        self.fail(hostname, LineError::Protocol { text });
        None
    }

    fn write(&mut self) {
        let least = self.output.len().saturating_sub(TURN);
        while self.output.len() > least {
            match self.stream.write(self.output.as_slices().0) {
                Ok(0) => break,
                Ok(size) => {
                    self.output.drain(..size);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.hang_up(),
            }
        }
    }

    /// How long ago it last asked something.
    pub fn idle(&self) -> Duration {
        self.last.elapsed()
    }
}

/// A message as it is sent.
pub fn spelled(message: &Message) -> Vec<u8> {
    let Ok(mut line) = serde_json::to_vec(message) else { return Vec::new() };
    line.push(b'\n');
    line
}

fn other_version(v: u64) -> String {
    format!("this daemon speaks protocol version {VERSION}, not {v}: install both from one build")
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
