//! Any lines into the shell: an answer to each, `?` and Tab as well; a refused line changes nothing, and what is printed
//! afterwards reads back as the same configuration.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mona_model::config::Config;
use mona_model::grammar::{Parsed, complete, help, parse, prompt};
use mona_model::print::{print, print_all};

fuzz_target!(|text: &str| {
    let mut config = Config::default();
    let mut context = Vec::new();
    // A carriage return ends a line here, so that some lines have a line feed in them.
    for line in text.split('\r').take(64) {
        let _ = help(&context, 15, line);
        if let Some(completed) = complete(&context, 15, line) {
            assert!(completed.len() > line.len() && completed.ends_with(' '));
        }
        match parse(&config, &context, 15, line) {
            Ok(Parsed::Config(command)) => {
                let before = config.clone();
                match command.apply(&mut config) {
                    Ok(applied) => context = applied.context,
                    Err(_) => assert_eq!(config, before, "{line:?}"),
                }
            }
            Ok(Parsed::Context(to)) => context = to,
            Ok(Parsed::Exec(_) | Parsed::Local(_) | Parsed::More(_)) | Err(_) => {}
        }
        assert!(context.is_empty() == prompt(&context).is_empty());
    }
    let lines = print(&config, false);
    let read = read(&lines);
    assert_eq!(read, config, "{lines:#?}");
    assert_eq!(print(&read, false), lines);
    let full = self::read(&print_all(&config));
    for (name, interface) in &config.interfaces {
        assert_eq!(full.switchport(&full.interfaces[name]), config.switchport(interface));
    }
});

/// Reads lines as they come from a file: no line feed stays in one, but for those of a text.
fn read(lines: &[String]) -> Config {
    let mut config = Config::default();
    let mut context = vec!["configure terminal".to_string()];
    let file = lines.join("\n");
    let mut lines = file.lines();
    while let Some(line) = lines.next() {
        let mut parsed = parse(&config, &context, 15, line);
        if let Ok(Parsed::More(text)) = &mut parsed {
            let whole = lines.find_map(|line| text.add(line)).expect("what is printed has an end");
            parsed = parse(&config, &context, 15, &whole);
        }
        match parsed {
            Ok(Parsed::Config(command)) => match command.apply(&mut config) {
                Ok(applied) => context = applied.context,
                Err(text) => panic!("{line:?}: {text}"),
            },
            Ok(_) => {}
            Err(error) => panic!("{line:?}: {error:?}"),
        }
    }
    config
}
