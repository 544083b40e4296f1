//! Every `transcripts/*.cli`, on a terminal that can be painted on and on one that only takes characters.

use mona_testbed::netns::World;
use mona_testbed::transcript::Transcript;
use std::path::Path;

/// Plays each transcript on a switch of its own with three ports, `p1` to `p3`, whose far ends are `q1` to `q3`.
fn play_all(term: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder is part of the source")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "cli"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    for path in files {
        eprintln!("{} TERM={term}", path.display());
        let transcript = Transcript::read(&std::fs::read_to_string(&path).expect("readable"));
        let mut world = World::new("swcli");
        let namespace = world.namespace("s1");
        for n in 1..=3 {
            world.cable((&namespace, &format!("p{n}")), (&namespace, &format!("q{n}")));
        }
        let switch = world.switch(&namespace, &transcript.config, &[]);
        transcript.play(&switch.socket, term, |line| drop(world.exec(&namespace, line)));
    }
}

#[test]
fn on_a_screen() {
    play_all("xterm");
}

#[test]
fn on_a_plain_terminal() {
    play_all("vt100");
}
