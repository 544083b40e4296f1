//! What a test that was killed leaves is gone when the next begins, and nothing else.

use mona_testbed::netns::{World, wait};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn what_a_killed_test_leaves_goes_with_the_next() {
    let (mut lives, mut killed) = (World::new("lives"), World::new("killed"));
    let (kept, left) = (lives.namespace("h"), killed.namespace("h"));
    let mut sleeper = Command::new("ip")
        .args(["netns", "exec", &left, "sleep", "600"])
        .stdin(Stdio::null())
        .spawn()
        .expect("it runs");
    // As if it belonged to a process that is no more.
    let mut gone = Command::new("true").spawn().expect("it runs");
    gone.wait().expect("it ends");
    let dir = killed.dir.clone();
    fs::write(dir.join("owner"), gone.id().to_string()).expect("it is written");
    std::mem::forget(killed);
    World::clear_killed();
    assert!(wait(|| sleeper.try_wait().expect("it is ours").is_some()), "what ran there ends");
    let is_there = |name: &str| Path::new("/run/netns").join(name).exists();
    assert!(!is_there(&left) && !dir.exists());
    assert!(is_there(&kept) && lives.dir.exists(), "whose process lives is left alone");
}
