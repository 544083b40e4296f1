//! `swctl`: the hook that hypervisors call. Each verb is one line to the daemon.

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use mona_model::api::{Reply, SOCKET};
use mona_model::shown::Shown;
use mona_swcli::client::Client;
use mona_swcli::errors;
use std::path::PathBuf;

/// Adds ports to the switch and takes them away.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// Where the daemon listens.
    #[arg(long, global = true, default_value = SOCKET)]
    socket: PathBuf,
    /// Print the manual page.
    #[arg(long, hide = true)]
    man: bool,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand)]
enum Verb {
    /// Makes a netdev a port and prints the interface it is; returns when frames pass. May be said again.
    AddPort {
        /// The netdev.
        netdev: String,
        /// Be this interface.
        #[arg(long)]
        interface: Option<String>,
        /// Be the interface that has this tag, with its saved settings.
        #[arg(long)]
        tag: Option<String>,
        /// Inherit this port-profile.
        #[arg(long)]
        profile: Option<String>,
        /// Access port in this VLAN.
        #[arg(long, conflicts_with = "trunk")]
        access_vlan: Option<u16>,
        /// Trunk of these VLANs: 10,20-29
        #[arg(long)]
        trunk: Option<String>,
        /// The trunk's native VLAN.
        #[arg(long, requires = "trunk")]
        native_vlan: Option<u16>,
        /// How frames come and go.
        #[arg(long, value_enum)]
        io: Option<Io>,
        /// Even if the host has addresses or its default route there.
        #[arg(long)]
        force: bool,
    },
    /// Takes a port away; fine if it is gone already.
    RemovePort {
        /// The netdev.
        netdev: String,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Io {
    Auto,
    Packet,
    Xdp,
}

fn main() {
    let arguments = Arguments::parse();
    if arguments.man {
        return print!("{}", man());
    }
    let Some(verb) = arguments.verb else {
        let _ = Arguments::command().print_help();
        std::process::exit(2);
    };
    if let Err(why) = run(&arguments.socket, &line(&verb)) {
        eprintln!("swctl: {why}");
        std::process::exit(1);
    }
}

fn run(socket: &std::path::Path, line: &str) -> Result<(), String> {
    let mut client = Client::connect(socket)?;
    client.origin = "swctl".into();
    let Reply { error, shown, .. } = client.request(&[], line)?;
    if let Some(error) = error {
        return Err(errors::sentence(Some(&error)));
    }
    for shown in shown {
        match shown {
            Shown::Port(name) => println!("{name}"),
            // What the switch did besides is for people, not for who reads the name.
            Shown::Text(lines) => lines.iter().for_each(|line| eprintln!("{line}")),
            _ => {}
        }
    }
    Ok(())
}

/// The line for the daemon.
fn line(verb: &Verb) -> String {
    match verb {
        Verb::RemovePort { netdev } => format!("platform port remove {netdev}"),
        Verb::AddPort { netdev, interface, tag, profile, access_vlan, trunk, native_vlan, io, force } => {
            let io = io.and_then(|io| io.to_possible_value()).map(|value| value.get_name().to_string());
            let options = [
                ("interface", interface.clone()),
                ("tag", tag.clone()),
                ("profile", profile.clone()),
                ("access-vlan", access_vlan.map(|v| v.to_string())),
                ("trunk", trunk.clone()),
                ("native-vlan", native_vlan.map(|v| v.to_string())),
                ("io", io),
            ];
            let mut line = format!("platform port add {netdev}");
            for (word, value) in options {
                if let Some(value) = value {
                    line += &format!(" {word} {value}");
                }
            }
            if *force { line + " force" } else { line }
        }
    }
}

/// The manual page, roff.
fn man() -> String {
    let mut page = Vec::new();
    // Writing to memory does not fail.
    let _ = clap_mangen::Man::new(Arguments::command().name("swctl")).section("8").render(&mut page);
    String::from_utf8_lossy(&page).into_owned()
}
