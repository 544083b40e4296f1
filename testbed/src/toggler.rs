//! Turns the flow cache off and on, over and over, beside what a test does.

use mona_swcli::client::Client;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

/// Long enough for some frames, and short enough that a test sees many changes.
const PAUSE: Duration = Duration::from_millis(7);

/// One at work.
pub struct Toggler {
    stop: Arc<AtomicBool>,
    work: JoinHandle<()>,
}

impl Toggler {
    /// Begins at the switch of this control socket, for all of it and for its first two interfaces.
    pub fn start(socket: &Path) -> Toggler {
        let stop = Arc::new(AtomicBool::new(false));
        let mut client = Client::connect(socket).expect("the switch answers");
        let stopped = stop.clone();
        let work = spawn(move || {
            let global = vec!["configure terminal".to_string()];
            let inside = |port: u8| vec![global[0].clone(), format!("interface gi0/{port}")];
            let places = [global.clone(), inside(1), inside(2)];
            while !stopped.load(Ordering::Relaxed) {
                for (place, line) in
                    places.iter().flat_map(|place| [(place, "no platform flow-cache"), (place, "platform flow-cache")])
                {
                    let reply = client.request(place, line).expect("the switch answers");
                    assert!(reply.error.is_none(), "{line}: {:?}", reply.error);
                    sleep(PAUSE);
                }
            }
        });
        Toggler { stop, work }
    }

    /// Ends it with the cache on.
    pub fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.work.join().expect("all lines were taken");
    }
}
