//! Writing the configuration so that whatever happens one whole file is there: a new file, to the disk, in the old one's
//! place. It may wait for the disk, so a thread of its own does it.

use crate::aside::Aside;
use crate::input::Input;
use mona_model::config::Config;
use mona_model::print::startup;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Something to save, and who asked: session and request.
pub struct Job {
    /// Who asked.
    pub session: u64,
    /// Of the request.
    pub id: u64,
    /// What.
    pub config: Box<Config>,
}

/// The thread that writes, to `path`.
pub fn saver(path: PathBuf) -> Result<Aside<Job, Input>, String> {
    Aside::start("save", move |Job { session, id, config }| Input::Saved {
        session,
        id,
        result: save(&path, &startup(&config)),
    })
}

/// Replaces the configuration.
pub fn save(path: &Path, text: &str) -> Result<(), String> {
    replace(path, text).map_err(|why| format!("the configuration was not saved: {why}"))
}

/// Replaces `path` by a file of this text. On an error, which says what and why, the old file is as it was.
pub fn replace(path: &Path, text: &str) -> Result<(), String> {
    let say = |what: &Path, e: std::io::Error| format!("{}: {e}", what.display());
    let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or_else(|| format!("{} is no file name", path.display()))?;
    fs::create_dir_all(dir).map_err(|e| say(dir, e))?;
    let temporary = dir.join(format!(".{}.new", name.to_string_lossy()));
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(dir)?.sync_all()
    };
    write().map_err(|e| {
        let _ = fs::remove_file(&temporary);
        say(path, e)
    })
}

/// Replaces a file that need not survive the machine (of `/run`): it says of which boot it is, where the directory does.
pub fn keep(path: &Path, text: &str) -> Result<(), String> {
    let text = format!("{}{text}", this_boot());
    let temporary = path.with_extension("new");
    let dir = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(dir)
        .and_then(|()| fs::write(&temporary, text))
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(|e| format!("{}: {e}", path.display()))
}

/// What was kept since the machine booted: after that hypervisors call their hooks anew.
pub fn kept(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.strip_prefix(&this_boot()).map(String::from)
}

fn this_boot() -> String {
    format!("! boot {}\n", fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_another_boot_is_none() {
        let path = std::env::temp_dir().join(format!("mona-kept-{}", std::process::id()));
        keep(&path, "interface gi1/1\n").expect("a file");
        assert_eq!(kept(&path).as_deref(), Some("interface gi1/1\n"));
        fs::write(&path, "! boot 0\ninterface gi1/1\n").expect("a file");
        assert_eq!(kept(&path), None);
        fs::remove_file(&path).expect("ours");
        assert_eq!(kept(&path), None);
    }
}
