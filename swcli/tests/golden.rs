//! The layout of every `show`: `golden/NAME.json` is what the daemon says, `golden/NAME.txt` what the operator sees.
//! `UPDATE_GOLDEN=1 cargo test -p mona-swcli --test golden` writes the texts anew, for `git diff` to judge.

use mona_model::shown::Shown;
use std::path::Path;

#[test]
fn layouts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder is part of the source")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    names.sort();
    assert!(names.len() > 20, "only {} layouts", names.len());
    for path in names {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let json = std::fs::read_to_string(&path).expect("readable");
        let shown: Shown = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{name}: {error}"));
        let text = mona_swcli::draw::draw(&shown).join("\n") + "\n";
        assert!(!text.contains("not found"), "{name}: Ansible takes these words for a failure");
        let expect = path.with_extension("txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&expect, &text).expect("writable");
        }
        assert_eq!(text, std::fs::read_to_string(&expect).unwrap_or_default(), "{name}");
    }
}
