//! What the daemon says on stderr. A thread writes it: a terminal that was stopped or a pipe that nobody reads must not
//! stop the switch.

use mona_datapath::io::sched;
use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// Lines that may wait: a thousand ports come up in one burst.
const LINES: usize = 4096;
/// How long the last lines may take at the end.
const FAREWELL: Duration = Duration::from_millis(200);

/// Stderr, by a thread.
pub struct Stderr {
    lines: Option<SyncSender<String>>,
    ended: Receiver<()>,
    lost: u64,
}

impl Stderr {
    /// Starts the thread.
    pub fn start() -> Result<Stderr, String> {
        let (lines, waiting) = sync_channel::<String>(LINES);
        let (ending, ended) = sync_channel(1);
        std::thread::Builder::new()
            .name("stderr".into())
            .spawn(move || {
                // It writes to what is open already, no more urgently than others; resigning cannot fail.
                let _ = sched::resign();
                let _ = sched::nice(0);
                for line in waiting {
                    // Nobody listens: then there is nothing to say, and all the same something to do.
                    let _ = writeln!(std::io::stderr(), "{line}");
                }
                let _ = ending.send(());
            })
            .map_err(|e| format!("no thread for stderr: {e}"))?;
        Ok(Stderr { lines: Some(lines), ended, lost: 0 })
    }

    /// Says a line; it is lost if too many wait, which is said when there is room again.
    pub fn say(&mut self, line: impl Into<String>) {
        let Some(lines) = &self.lines else { return };
        if self.lost > 0 && lines.try_send(format!("switchd: {} lines are missing here", self.lost)).is_ok() {
            self.lost = 0;
        }
        if lines.try_send(line.into()).is_err() {
            self.lost += 1;
        }
    }
}

impl Drop for Stderr {
    fn drop(&mut self) {
        self.lines = None;
        let _ = self.ended.recv_timeout(FAREWELL);
    }
}
