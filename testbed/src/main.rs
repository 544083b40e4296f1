//! `testbed`: what demo and bug reports need of the testbed, as a program.

use clap::{Parser, Subcommand};
use mona_control::fib::Limits;
use mona_testbed::{replay, wire};
use std::path::PathBuf;

#[derive(Parser)]
#[command(version, about = "Runs records again, and cables for taps")]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Runs a record of `switchd --record` through the same machine and prints what it does.
    Replay {
        /// The record.
        file: PathBuf,
    },
    /// Opens two taps, each NAMESPACE:NAME, and carries frames between them until killed.
    Wire {
        /// One end.
        a: String,
        /// The other.
        b: String,
    },
}

fn main() {
    let done = match Arguments::parse().what {
        What::Wire { a, b } => wire::wire(&a, &b),
        What::Replay { file } => std::fs::read_to_string(&file)
            .map_err(|e| e.to_string())
            .and_then(|text| replay::replay(&text, Limits::ROUTER))
            .map(|out| print!("{out}"))
            .map_err(|e| format!("{}: {e}", file.display())),
    };
    if let Err(why) = done {
        eprintln!("testbed: {why}");
        std::process::exit(1);
    }
}
