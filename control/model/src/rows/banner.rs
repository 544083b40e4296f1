//! `banner …`: what a session shows when it begins.

use super::{DONE, Does, No, Row, Said, unsaid};
use crate::config::Banner;
use crate::modes::Mode;
use crate::text::Text;

pub(super) static ROWS: &[Row] = &[
    Row::config(
        &[Mode::Config],
        "banner {kind:exec|login|motd} <text:text>",
        No::Before("text"),
        Does::Set {
            set: |config, _, args, no| {
                let kind = args.word("kind").unwrap_or_default();
                let Some(kind) = Banner::ALL.into_iter().find(|banner| banner.word() == kind) else { return DONE };
                match args.text("text").filter(|_| !no) {
                    None => drop(config.banners.remove(&kind)),
                    Some(text) => {
                        Text::check(&text)?;
                        config.banners.insert(kind, text);
                    }
                }
                DONE
            },
            get: |config, _| {
                let said = |(kind, text): (&Banner, &String)| Said::Yes(vec![kind.word().into(), Text::print(text)]);
                config.banners.iter().map(said).collect()
            },
        },
    )
    .help(&[
        ("banner", "Define a login banner"),
        ("exec", "Set EXEC process creation banner"),
        ("login", "Set login banner"),
        ("motd", "Set Message of the Day banner"),
        ("<text>", "c banner-text c, where 'c' is a delimiting character"),
    ])
    .late(),
    // Known, so that the lines of its text are none of the configuration.
    Row::config(
        &[Mode::Config],
        "banner {kind:incoming|prompt-timeout|slip-ppp} <text:text>",
        No::Before("text"),
        Does::Set {
            set: |_, _, _, no| match no {
                true => DONE,
                false => Err("No such session begins here: `banner motd`, `login` and `exec` are shown".into()),
            },
            get: unsaid,
        },
    )
    .help(&[
        ("banner", "Define a login banner"),
        ("incoming", "Set incoming terminal line banner"),
        ("prompt-timeout", "Set message for login authentication timeout"),
        ("slip-ppp", "Set message for SLIP/PPP"),
        ("<text>", "c banner-text c, where 'c' is a delimiting character"),
    ])
    .hidden(),
];
