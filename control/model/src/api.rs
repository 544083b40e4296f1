//! The words between shell, hooks and daemon: one JSON object per line over a Unix socket.
//!
//! A request carries one line and the mode it is typed in; the daemon keeps nothing per client but its subscription, so a
//! client may reconnect at any time. Lines are the only interchange: hooks send lines too.

use crate::shown::Shown;
use serde::{Deserialize, Serialize};

/// The version of this protocol; a request with another is refused with a sentence that names both.
pub const VERSION: u32 = 1;
/// Longest request the daemon reads, bytes with the newline; more ends the connection with an error.
pub const REQUEST_LIMIT: usize = 64 * 1024;
/// Where the daemon listens unless told otherwise.
pub const SOCKET: &str = "/run/mona/switchd.sock";

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// [`VERSION`]
    pub v: u32,
    /// Returned with the reply.
    pub id: u64,
    /// The mode: the lines that lead there from `configure terminal`, empty in exec mode. For instance
    /// `["configure terminal", "interface GigabitEthernet0/1"]`.
    #[serde(default)]
    pub context: Vec<String>,
    /// The line.
    pub line: String,
    /// The session runs at this privilege (`enable`, `disable`), at most what the socket's credentials allow.
    #[serde(default)]
    pub privilege: Option<u8>,
    /// From where, for `show users` and `%SYS-5-CONFIG_I`: `console`, `vty0`, `swctl`.
    #[serde(default)]
    pub origin: String,
}

/// What the daemon answers, or tells unasked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Message {
    /// First line after connecting.
    Hello {
        /// [`VERSION`]
        v: u32,
        /// The host name, for the prompt.
        hostname: String,
        /// The highest privilege the credentials allow: 15 or 1.
        privilege: u8,
    },
    /// The answer to a request.
    Reply(Reply),
    /// A log line, to those who said `terminal monitor`.
    Log {
        /// `*Nov 21 05:00:00.000: %LINK-3-UPDOWN: …`
        line: String,
    },
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// Of the request.
    pub id: u64,
    /// The host name as it is now, for the prompt.
    pub hostname: String,
    /// `Some`: the line was not carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<LineError>,
    /// The mode after the line, as in [`Request::context`].
    #[serde(default)]
    pub context: Vec<String>,
    /// What it printed, in order. Messages such as `% Access VLAN does not exist. Creating vlan 10` come this way too.
    #[serde(default)]
    pub shown: Vec<Shown>,
}

/// Why a line was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum LineError {
    /// `% Invalid input detected at '^' marker.`; `at` = offset of the first character that broke the match.
    Invalid {
        /// Offset in the line, bytes.
        at: usize,
    },
    /// `% Incomplete command.`
    Incomplete,
    /// `% Ambiguous command:  "li"`
    Ambiguous {
        /// The line as typed.
        line: String,
    },
    /// `% Unknown command or computer name, or unable to find computer address` in exec mode: nothing starts like that.
    Unknown,
    /// Understood and refused: a sentence that says what to do, printed after `% `.
    Rejected {
        /// The sentence, without `% `.
        text: String,
    },
    /// The privilege is too low, or the credentials give none.
    Denied {
        /// The sentence, without `% `.
        text: String,
    },
    /// The request itself was wrong (not JSON, too long, another version).
    Protocol {
        /// The sentence.
        text: String,
    },
}
