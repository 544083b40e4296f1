//! `switchd`: the rim. It reads the clock, the sockets and the workers' reports, feeds them to [`Switch::step`] as inputs, and
//! does what the outputs say. Nothing is decided here.

mod arguments;
mod rim;

use arguments::{Arguments, Io};
use clap::Parser;
use mona_control::{privilege, reset};
use rim::Rim;

fn main() {
    let arguments = Arguments::parse();
    if arguments.man {
        return print!("{}", arguments::man());
    }
    let result = if arguments.reset { reset(&arguments) } else { run(arguments) };
    if let Err(why) = result {
        eprintln!("switchd: {why}");
        std::process::exit(1);
    }
}

fn reset(arguments: &Arguments) -> Result<(), String> {
    let (found, wrong) = reset::reset(&arguments.name, &arguments.run, arguments.dry_run)?;
    found.iter().for_each(|what| println!("{what}"));
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

fn run(arguments: Arguments) -> Result<(), String> {
    // Before any thread is started: all of them leave signals to this one.
    let signals = rim::block_signals()?;
    privilege::check()?;
    privilege::warnings().iter().for_each(|warning| eprintln!("switchd: {warning}"));
    if let Some(warning) = privilege::raise_limits(arguments.io != Io::Packet) {
        eprintln!("switchd: {warning}");
    }
    let mut rim = Rim::start(arguments, signals)?;
    privilege::go_first();
    privilege::drop_rest()?;
    rim.boot()?;
    rim.run();
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    Ok(())
}
