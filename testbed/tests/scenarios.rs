//! Every `scenarios/*.sim`, on virtual time.

use mona_testbed::sim;
use std::path::Path;

#[test]
fn all() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder is part of the source")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "sim"))
        .collect();
    files.sort();
    let (mut ran, mut failures) = (0, String::new());
    for path in files {
        let text = std::fs::read_to_string(&path).expect("readable");
        match sim::run(&path.file_name().unwrap_or_default().to_string_lossy(), &text) {
            Ok(count) => ran += count,
            Err(why) => failures += &(why + "\n"),
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
    assert!(ran > 0, "no scenario ran");
}

/// A runner that finds nothing wrong would be no test.
#[test]
fn what_is_not_so_fails() {
    let base = "== t\ndevice v0 up\nconf: interface gi0/1 / device v0\n";
    for (wrong, why) in [
        ("expect log nothing of the sort", "there is only"),
        ("expect no log LINK-3-UPDOWN", "there is: log"),
        ("expect error x", "it was not refused"),
        ("expect stations 7", "there are 0"),
        ("expect show vlan brief\n| Gi9/9", "does not fit"),
        ("expect show vlan brief\n! Gi0/1", "does not fit"),
        ("frame v0 a>* => v1", "=> drop tx_list_is_empty"),
        ("frame v9 a>*", "v9 is no port"),
        ("conf: frobnicate", "the last line"),
        ("nonsense", "there is no such word"),
    ] {
        let failure = sim::run("t.sim", &format!("{base}{wrong}\n")).expect_err(wrong);
        assert!(failure.contains(why), "{wrong}: {failure}");
    }
}
