//! Whether the programs are still where they belong. The kernel answers that under the lock of all changes of devices: while
//! somebody takes network namespaces away it waits for half a second. So a thread of its own asks; control, which has new flows
//! to enter meanwhile, hears of it the next time.

use super::pins::attached_to;
use super::sched;
use std::path::PathBuf;
use std::thread::{Builder, JoinHandle};

/// At most one look at a time.
#[derive(Default)]
pub(crate) struct Watch(Option<JoinHandle<Vec<u32>>>);

impl Watch {
    /// The devices that lack a program, as the look says that has ended since the last time.
    pub(crate) fn found(&mut self) -> Vec<u32> {
        match self.0.take_if(|look| look.is_finished()) {
            Some(look) => look.join().unwrap_or_default(),
            None => Vec::new(),
        }
    }

    /// Begins the next if none is under way: are these pinned links at the devices with these indices?
    pub(crate) fn look(&mut self, links: impl FnOnce() -> Vec<(u32, PathBuf)>) {
        if self.0.is_none() {
            let links = links();
            let look = move || {
                // Not as urgent as control, whose thread it comes from.
                let _ = sched::nice(0);
                let is_missing = |(index, pin): &(u32, PathBuf)| !attached_to(pin).is_ok_and(|at| at == *index);
                links.into_iter().filter(is_missing).map(|(index, _)| index).collect()
            };
            self.0 = Builder::new().name("watch".into()).spawn(look).ok();
        }
    }
}
