//! What `switchd` takes on its command line.

use clap::{CommandFactory, Parser, ValueEnum};
use mona_datapath::switching::IoChoice;
use mona_model::api::SOCKET;
use std::path::PathBuf;

/// A software switch: forwards frames between netdevs, configured from an IOS-like shell.
#[derive(Parser)]
#[command(version, about)]
pub struct Arguments {
    /// The startup-config: read at the start, written by `write memory`.
    #[arg(long, default_value = "/etc/mona/startup-config")]
    pub config: PathBuf,
    /// Where swcli and swctl find the daemon.
    #[arg(long, default_value = SOCKET)]
    pub socket: PathBuf,
    /// Worker threads; by default one per CPU but one, at least one, at most eight.
    #[arg(long)]
    pub workers: Option<usize>,
    /// What `io auto` means.
    #[arg(long, value_enum, default_value = "auto")]
    pub io: Io,
    /// Write every input to this file: `testbed replay` runs it again.
    #[arg(long)]
    pub record: Option<PathBuf>,
    /// Where the ports that hooks added are kept over a restart.
    #[arg(long, default_value = "/run/mona")]
    pub run: PathBuf,
    /// Names the switch's own netdevs: several switches in one namespace need a name each (at most 8 characters).
    #[arg(long, default_value = "mona")]
    pub name: String,
    /// Addresses the MAC table holds.
    #[arg(long, default_value_t = 131_072, value_parser = clap::value_parser!(u32).range(64..=4_194_304))]
    pub stations: u32,
    /// Do not run, but take away what a switch of this name that is no more left on the host.
    #[arg(long)]
    pub reset: bool,
    /// Only list what that is.
    #[arg(long, requires = "reset")]
    pub dry_run: bool,
    /// Let all ports go however this process ends; without it the kernel goes on forwarding what it knows for the time of
    /// `platform flow-cache hold`.
    #[arg(long)]
    pub flush_on_exit: bool,
    /// Print the manual page.
    #[arg(long, hide = true)]
    pub man: bool,
}

/// `--io`
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Io {
    /// xdp for physical NICs whose driver has native XDP, packet for all else.
    Auto,
    /// The backplane.
    Packet,
    /// AF_XDP.
    Xdp,
}

impl From<Io> for IoChoice {
    fn from(io: Io) -> IoChoice {
        match io {
            Io::Auto => IoChoice::Auto,
            Io::Packet => IoChoice::Packet,
            Io::Xdp => IoChoice::Xdp,
        }
    }
}

impl Arguments {
    /// How many workers: asked for, or what the machine has.
    pub fn workers(&self) -> usize {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        self.workers.unwrap_or(cpus.saturating_sub(1).clamp(1, 8))
    }
}

/// The manual page, roff.
pub fn man() -> String {
    let mut page = Vec::new();
    // Writing to memory does not fail.
    let _ = clap_mangen::Man::new(Arguments::command().name("switchd")).section("8").render(&mut page);
    String::from_utf8_lossy(&page).into_owned()
}
