//! `swcli`: the shell of the switch, on a terminal, for one line, or for lines on stdin.

use clap::{CommandFactory, Parser};
use mona_swcli::shell;
use mona_swcli::terminal::Style;
use std::path::PathBuf;
use std::process::ExitCode;

/// The shell of the Mona switch
#[derive(Parser)]
#[command(name = "swcli", version)]
struct Args {
    /// Where switchd listens
    #[arg(long, value_name = "PATH", default_value = mona_model::api::SOCKET)]
    socket: PathBuf,
    /// Carry out this line and leave (several: in order, in one session)
    #[arg(short = 'c', value_name = "LINE")]
    lines: Vec<String>,
    /// Start at this privilege, 1 to 15, instead of the highest that is granted
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=15))]
    privilege: Option<u8>,
    /// Print the manual page
    #[arg(long, hide = true)]
    man: bool,
    /// Print the manual page of the commands
    #[arg(long, hide = true)]
    man_commands: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.man || args.man_commands {
        print!("{}", if args.man { man() } else { mona_model::reference::man() });
        return ExitCode::SUCCESS;
    }
    let done = match Style::detect() {
        _ if !args.lines.is_empty() => {
            let lines = args.lines.iter().flat_map(|text| text.lines()).map(str::to_owned);
            shell::batch(args.socket, args.privilege, lines)
        }
        Style::Batch => shell::batch(args.socket, args.privilege, shell::stdin_lines()),
        style => shell::interactive(args.socket, args.privilege, style).map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("swcli: {error}");
            ExitCode::from(2)
        }
    }
}

/// The manual page, roff.
fn man() -> String {
    let mut page = Vec::new();
    // Writing to memory does not fail.
    let _ = clap_mangen::Man::new(Args::command()).section("1").render(&mut page);
    String::from_utf8_lossy(&page).into_owned()
}
