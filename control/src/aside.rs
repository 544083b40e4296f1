//! A thread beside control for what takes long: jobs, done one after the other, of which control hears what came of them.

use mona_datapath::io::sched;
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Builder;

/// The thread. Who asks for jobs (a client, one at a time) bounds how many wait.
pub struct Aside<J, D> {
    jobs: Sender<J>,
    done: Receiver<D>,
    bell: Arc<EventFd>,
}

impl<J: Send + 'static, D: Send + 'static> Aside<J, D> {
    /// Starts the thread of this name, which does `work`. It ends with this.
    pub fn start(name: &str, work: impl Fn(J) -> D + Send + 'static) -> Result<Aside<J, D>, String> {
        let bell = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC).map_err(|e| e.to_string())?;
        let bell = Arc::new(bell);
        let (jobs, todo) = channel();
        let (finished, done) = channel();
        let ring = bell.clone();
        let run = move || {
            // Files of its own user are all it needs, no more urgently than others; resigning cannot fail.
            let _ = sched::resign();
            let _ = sched::nice(0);
            for job in todo {
                if finished.send(work(job)).is_err() {
                    return;
                }
                let _ = ring.write(1);
            }
        };
        Builder::new().name(name.into()).spawn(run).map_err(|e| e.to_string())?;
        Ok(Aside { jobs, done, bell })
    }

    /// Asks for something to be done.
    pub fn ask(&self, job: J) {
        // The thread ends only with us.
        let _ = self.jobs.send(job);
    }

    /// Readable when something was done.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// What came of what was done.
    pub fn done(&self) -> Vec<D> {
        let _ = self.bell.read();
        self.done.try_iter().collect()
    }
}
