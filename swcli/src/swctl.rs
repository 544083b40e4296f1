//! `swctl`: the hook that hypervisors call. Each verb is one line to the daemon.

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use mona_model::api::{LineError, Reply, SOCKET};
use mona_model::shown::Shown;
use mona_swcli::client::Client;
use mona_swcli::errors;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

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
    /// Takes away what a daemon that is no more left on the host: netdevs, routes, pinned programs, settings of devices. Lists
    /// it. Refused while the daemon runs.
    Reset {
        /// Only list it.
        #[arg(long)]
        dry_run: bool,
        /// The daemon's --name.
        #[arg(long, default_value = "mona")]
        name: String,
        /// The daemon's --run.
        #[arg(long, default_value = "/run/mona")]
        run: PathBuf,
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
    if let Verb::Reset { dry_run, name, run } = &verb {
        eprintln!("swctl: {}", reset(*dry_run, name, run));
        std::process::exit(1);
    }
    if let Err(why) = line(&verb).and_then(|line| run(&arguments.socket, &line)) {
        eprintln!("swctl: {why}");
        std::process::exit(1);
    }
}

/// No daemon to ask: `switchd` does it, which knows what it leaves. Returns why it could not be called.
fn reset(dry_run: bool, name: &str, run: &std::path::Path) -> String {
    let beside = std::env::current_exe().ok().map(|me| me.with_file_name("switchd")).filter(|path| path.exists());
    let program = beside.unwrap_or_else(|| "switchd".into());
    let mut command = Command::new(&program);
    command.args(["--reset", "--name", name, "--run"]).arg(run).args(dry_run.then_some("--dry-run"));
    format!("{}: {}", program.display(), command.exec())
}

fn run(socket: &std::path::Path, line: &str) -> Result<(), String> {
    let mut client = Client::connect(socket)?;
    client.origin = "swctl".into();
    let Reply { error, shown, .. } = client.request(&[], line)?;
    if let Some(error) = error {
        return Err(refusal(&error, line));
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

/// Why, in words of the command line: the daemon's offsets are into a line that nobody typed.
fn refusal(error: &LineError, line: &str) -> String {
    match error {
        LineError::Invalid { at } => {
            let begin = line.get(..*at).and_then(|before| before.rfind(' ')).map_or(0, |space| space + 1);
            let word = line[begin..].split(' ').next().unwrap_or_default();
            let before = line[..begin].trim_end().rsplit(' ').next().unwrap_or_default();
            format!("`{word}` is not valid after {before}: see swctl add-port --help")
        }
        error => errors::sentence(Some(error)),
    }
}

/// The line for the daemon. A value is one word of it, and cannot become more.
fn line(verb: &Verb) -> Result<String, String> {
    let mut words = vec![("platform port", None)];
    match verb {
        Verb::Reset { .. } => return Err("nobody is asked for that".into()),
        Verb::RemovePort { netdev } => words.push(("remove", Some(netdev.clone()))),
        Verb::AddPort { netdev, interface, tag, profile, access_vlan, trunk, native_vlan, io, force } => {
            let io = io.and_then(|io| io.to_possible_value()).map(|value| value.get_name().to_string());
            words.push(("add", Some(netdev.clone())));
            let options = [
                ("interface", interface.clone()),
                ("tag", tag.clone()),
                ("profile", profile.clone()),
                ("access-vlan", access_vlan.map(|v| v.to_string())),
                ("trunk", trunk.clone()),
                ("native-vlan", native_vlan.map(|v| v.to_string())),
                ("io", io),
            ];
            words.extend(options.into_iter().filter(|(_, value)| value.is_some()));
            words.extend(force.then_some(("force", None)));
        }
    }
    let mut line = Vec::new();
    for (word, value) in words {
        line.push(word.to_string());
        if let Some(value) = value {
            // `?` and `|` mean something to the daemon too.
            if value.is_empty() || value.contains(|c: char| c.is_whitespace() || c.is_control() || "?|".contains(c)) {
                return Err(format!("`{value}` after {word} is not one word"));
            }
            line.push(value);
        }
    }
    Ok(line.join(" "))
}

/// The manual page, roff.
fn man() -> String {
    let mut page = Vec::new();
    // Writing to memory does not fail.
    let _ = clap_mangen::Man::new(Arguments::command().name("swctl")).section("8").render(&mut page);
    String::from_utf8_lossy(&page).into_owned()
}
