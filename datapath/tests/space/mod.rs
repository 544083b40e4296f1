//! A network namespace of a test's own, and the shell in it.
#![allow(dead_code)]

use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Runs a test in a network namespace, which ends with its thread.
pub fn alone(test: impl FnOnce() + Send + 'static) {
    let done = thread::spawn(|| {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root");
        test();
    });
    if let Err(panic) = done.join() {
        std::panic::resume_unwind(panic);
    }
}

/// The same, one test at a time: a program that another test starts would hold what this one closes, from fork to exec; and what
/// is counted of this process is to be this test's.
pub fn one_by_one(test: impl FnOnce() + Send + 'static) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    alone(test);
}

/// What a line of shell says, which succeeds.
pub fn sh(line: &str) -> String {
    let output = Command::new("sh").args(["-c", line]).output().expect("sh");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{line}: {text}");
    text
}
