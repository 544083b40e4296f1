//! Nobody sleeps beside a full ring: every interleaving of a sleeper with its wakers.

mod atomic {
    pub use loom::sync::atomic::*;
}
#[path = "../../../datapath/src/sleep.rs"]
#[allow(dead_code)]
mod sleep;

use atomic::{AtomicBool, AtomicUsize, Ordering::*};
use loom::sync::Arc;
use sleep::Asleep;

#[derive(Default)]
struct Scene {
    asleep: Asleep,
    ring: [AtomicBool; 2],
    /// What the eventfd counts.
    calls: AtomicUsize,
}

impl Scene {
    fn write(&self, ring: usize) {
        self.ring[ring].store(true, Release);
        if self.asleep.must_wake() {
            self.calls.fetch_add(1, AcqRel);
        }
    }

    fn sees(&self, ring: usize) -> bool {
        self.ring[ring].load(Acquire)
    }
}

#[test]
fn what_is_written_is_seen_or_wakes() {
    loom::model(|| {
        let scene = Arc::new(Scene::default());
        let wakers = [0, 1].map(|ring| {
            let scene = Arc::clone(&scene);
            loom::thread::spawn(move || scene.write(ring))
        });
        scene.asleep.arm();
        let seen = [scene.sees(0), scene.sees(1)];
        for waker in wakers {
            waker.join().unwrap();
        }
        let calls = scene.calls.load(Acquire);
        // It sleeps if it saw nothing, and then it must have been called; two writers do not call twice.
        assert!(seen != [false, false] || calls == 1, "{seen:?} {calls}");
        assert!(calls <= 1);
    });
}

#[test]
fn one_who_sleeps_again_is_woken_again() {
    loom::model(|| {
        let scene = Arc::new(Scene::default());
        let waker = {
            let scene = Arc::clone(&scene);
            loom::thread::spawn(move || {
                scene.write(0);
                scene.write(1);
            })
        };
        scene.asleep.arm();
        // Something else wakes it; what it was called for so far is over.
        scene.asleep.disarm();
        let first = [scene.sees(0), scene.sees(1)];
        scene.asleep.arm();
        let second = [scene.sees(0), scene.sees(1)];
        waker.join().unwrap();
        // What it did not see before it slept again has called it, though perhaps before, for what came first.
        assert!(second == [true, true] || scene.calls.load(Acquire) >= 1, "{first:?} {second:?}");
    });
}
