//! The terminal below the editors and the pager: is there one, and one key at a time.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{self, InputFlags, LocalFlags, SetArg, SpecialCharacterIndices, Termios};
use std::collections::VecDeque;
use std::io::{IsTerminal, stdin, stdout};
use std::os::fd::{AsFd, BorrowedFd};

/// How the shell talks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Line editing with cursor movement.
    Rich,
    /// A terminal that shall see nothing but characters: netmiko, Ansible and their kin announce `vt100` or `dumb`.
    Plain,
    /// No terminal: lines in, text out.
    Batch,
}

impl Style {
    /// What stdin, stdout and `TERM` call for.
    pub fn detect() -> Style {
        if !stdin().is_terminal() || !stdout().is_terminal() {
            return Style::Batch;
        }
        match std::env::var("TERM").as_deref() {
            Err(_) | Ok("" | "vt100" | "dumb") => Style::Plain,
            Ok(_) => Style::Rich,
        }
    }
}

/// Keys typed and not yet used. Type-ahead outlives each reader, so nothing that a script sends early is lost.
#[derive(Default)]
pub struct Keys {
    buffer: VecDeque<u8>,
}

impl Keys {
    /// Waits for a byte or for `other` to have something to read: `false` = it was the other.
    pub fn wait(&self, other: BorrowedFd) -> bool {
        if self.is_waiting() {
            return true;
        }
        let stdin = stdin();
        let mut fds = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN), PollFd::new(other, PollFlags::POLLIN)];
        loop {
            match poll(&mut fds, PollTimeout::NONE) {
                Err(Errno::EINTR) => {}
                Err(_) => return true,
                Ok(_) => return fds[1].revents().is_none_or(|events| events.is_empty()),
            }
        }
    }

    /// The next byte; `None` at the end of the input. Waits.
    pub fn byte(&mut self) -> Option<u8> {
        if self.buffer.is_empty() {
            let mut bytes = [0; 512];
            let n = loop {
                match nix::unistd::read(stdin(), &mut bytes) {
                    Ok(n) => break n,
                    Err(Errno::EINTR) => {}
                    Err(_) => return None,
                }
            };
            self.buffer.extend(&bytes[..n]);
        }
        self.buffer.pop_front()
    }

    /// Is a byte at hand without waiting for the terminal?
    pub fn is_waiting(&self) -> bool {
        !self.buffer.is_empty()
    }
}

/// Every key at once and unechoed while this lives: the reader echoes what it accepts, and what is typed ahead while a
/// command runs is neither shown twice nor taken for a signal.
pub struct RawMode {
    before: Option<Termios>,
}

impl RawMode {
    /// Switches over; on something that is no terminal nothing happens.
    pub fn enter() -> RawMode {
        let Ok(before) = termios::tcgetattr(stdin()) else { return RawMode { before: None } };
        let mut raw = before.clone();
        raw.local_flags &= !(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG | LocalFlags::IEXTEN);
        raw.input_flags &= !(InputFlags::ICRNL | InputFlags::INLCR | InputFlags::IXON | InputFlags::ISTRIP);
        raw.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
        raw.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
        // TCSADRAIN keeps type-ahead; TCSAFLUSH would lose what a script has sent already.
        let _ = termios::tcsetattr(stdin(), SetArg::TCSADRAIN, &raw);
        RawMode { before: Some(before) }
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = termios::tcsetattr(stdin(), SetArg::TCSADRAIN, before);
        }
    }
}
