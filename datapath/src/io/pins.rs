//! What outlives the daemon: maps, and the links by which programs are attached, pinned in a bpffs of its own. While they are
//! there the kernel goes on replaying what it knows; the next daemon adopts them, if it is of the same build and has as many
//! workers, and takes them off otherwise.
//!
//! ```text
//!   /run/mona/NAME.bpf            a bpffs, mounted where the host's mounts are: one that is the daemon's would end with it
//!     COOKIE-BUILD                the network namespace, the BPF object and what it was loaded with
//!       ports, admitted, flows…   maps
//!       in-7, out-7               links at the device of index 7
//! ```

#![allow(unsafe_code)]

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

/// Commands of bpf(2), as in linux/bpf.h.
const BPF_OBJ_GET: i64 = 7;
const BPF_OBJ_GET_INFO_BY_FD: i64 = 15;
const BPF_LINK_DETACH: i64 = 34;

/// A bpffs, held by a descriptor, so that it is the same in whatever mount namespace it lies.
#[derive(Clone, Debug)]
pub struct Mount {
    root: Arc<OwnedFd>,
    /// It may end with the daemon: a sentence.
    pub warning: Option<String>,
}

/// One daemon's directory in it.
#[derive(Clone, Debug)]
pub(super) struct Pins {
    root: Arc<OwnedFd>,
    under: String,
}

impl Mount {
    /// The bpffs at `dir`; mounted now if there is none, which needs CAP_SYS_ADMIN.
    pub fn open(dir: &Path) -> io::Result<Mount> {
        fs::create_dir_all(dir)?;
        let mut warning = None;
        let root = if is_bpffs(dir) {
            root(dir)?
        } else if let Some(root) = elsewhere(dir, make).find_map(Result::ok) {
            root
        } else {
            if is_apart() {
                let what = "it ends with the daemon's own mount namespace, and forwarding with it";
                warning = Some(format!("{}: {what}: mount it before the start", dir.display()));
            }
            make(dir)?
        };
        Ok(Mount { root: Arc::new(root), warning })
    }

    /// Takes off everything that is pinned at `dir`, and unmounts it: as if no daemon had been here. Nothing there is fine.
    pub fn flush(dir: &Path) -> io::Result<()> {
        elsewhere(dir, unmake).for_each(drop);
        if is_bpffs(dir) { unmake(dir) } else { Ok(()) }
    }

    /// Takes off what other builds left in the namespace of this cookie: was there anything?
    pub(super) fn clear_others(&self, cookie: u64, build: u64) -> io::Result<bool> {
        let (all, under) = (format!("{cookie:x}-"), under(cookie, build));
        let mut found = false;
        for other in fs::read_dir(self.path())?.flatten() {
            let name = other.file_name();
            if name.to_str().is_some_and(|name| name.starts_with(&all) && name != under) {
                clear(&other.path())?;
                found = true;
            }
        }
        Ok(found)
    }

    /// A directory for what was made of `build` in the namespace of this cookie.
    pub(super) fn pins(&self, cookie: u64, build: u64) -> io::Result<Pins> {
        let under = under(cookie, build);
        match fs::create_dir(self.path().join(&under)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(Pins { root: Arc::clone(&self.root), under }),
        }
    }

    fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.root.as_raw_fd()).into()
    }
}

fn under(cookie: u64, build: u64) -> String {
    format!("{cookie:x}-{build:016x}")
}

impl Pins {
    /// Where something of this name is pinned.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{}/{name}", self.root.as_raw_fd(), self.under))
    }

    /// The device indices for which there is a link of this kind.
    pub(super) fn indices(&self, kind: &str) -> Vec<u32> {
        let names = fs::read_dir(self.path("")).into_iter().flatten().flatten().map(|entry| entry.file_name());
        names.filter_map(|name| name.to_str()?.strip_prefix(kind)?.strip_prefix('-')?.parse().ok()).collect()
    }

    /// Takes everything off.
    pub(super) fn clear(&self) -> io::Result<()> {
        clear(&self.path(""))?;
        fs::create_dir(self.path(""))
    }
}

/// Takes off all that is pinned in a directory, links first, and removes it.
fn clear(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)?.flatten() {
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            clear(&path)?;
        } else {
            // A map is none.
            let _ = detach(&path);
            fs::remove_file(&path)?;
        }
    }
    fs::remove_dir(dir)
}

/// Takes the program of a pinned link off its device at once: what only lets go of it may have to wait for others.
pub(super) fn detach(pin: &Path) -> io::Result<()> {
    #[repr(C)]
    struct Attributes {
        link: u32,
    }
    let link = open(pin)?;
    bpf(BPF_LINK_DETACH, &mut Attributes { link: link.as_raw_fd() as u32 }).map(drop)
}

/// The index of the device at which a pinned tcx link has its program; 0: it was taken off, or the device is gone.
pub(super) fn attached_to(pin: &Path) -> io::Result<u32> {
    #[repr(C)]
    struct Attributes {
        fd: u32,
        len: u32,
        info: u64,
    }
    /// `struct bpf_link_info`: type, id, program, padding; of tcx and XDP the index comes first. The kernel fills what fits.
    type Info = [u32; 16];
    let link = open(pin)?;
    let mut info: Info = [0; 16];
    let len = size_of::<Info>() as u32;
    let info_at = (&raw mut info) as u64;
    bpf(BPF_OBJ_GET_INFO_BY_FD, &mut Attributes { fd: link.as_raw_fd() as u32, len, info: info_at })?;
    Ok(info[4])
}

fn open(pin: &Path) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Attributes {
        path: u64,
        fd: u32,
        flags: u32,
    }
    let path = std::ffi::CString::new(pin.as_os_str().as_bytes())?;
    let fd = bpf(BPF_OBJ_GET, &mut Attributes { path: path.as_ptr() as u64, fd: 0, flags: 0 })?;
    // SAFETY: a new descriptor of ours.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// bpf(2).
pub(super) fn bpf<T>(command: i64, attributes: &mut T) -> io::Result<i32> {
    // SAFETY: `union bpf_attr` begins with these fields, and the kernel takes the rest as zero; what they point to is the
    // caller's and outlives the call.
    let done = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<T>()) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(done as i32) }
}

/// Is there a bpffs?
pub(super) fn is_bpffs(dir: &Path) -> bool {
    statfs(dir).is_ok_and(|found| found.filesystem_type() == BPF_FS_MAGIC)
}

fn root(dir: &Path) -> io::Result<OwnedFd> {
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(dir);
    opened.map(OwnedFd::from)
}

fn make(dir: &Path) -> io::Result<OwnedFd> {
    fs::create_dir_all(dir)?;
    if !is_bpffs(dir) {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        mount(Some("bpf"), dir, Some("bpf"), flags, Some("mode=0700"))?;
    }
    root(dir)
}

fn unmake(dir: &Path) -> io::Result<()> {
    if !is_bpffs(dir) {
        return Ok(());
    }
    // Mount namespaces made meanwhile have copies of the mount: what is pinned is to be gone from them too.
    for entry in fs::read_dir(dir)?.flatten() {
        if entry.file_type()?.is_dir() {
            clear(&entry.path())?;
        }
    }
    umount2(dir, MntFlags::MNT_DETACH)?;
    fs::remove_dir(dir)
}

/// Does it in the mount namespaces that are there longer than the daemon, if they are others than its own and may be
/// entered: of the host's first process, of whoever started it (`ip netns exec` makes one for the daemon alone).
fn elsewhere<T: Send + 'static>(
    dir: &Path,
    work: fn(&Path) -> io::Result<T>,
) -> impl Iterator<Item = io::Result<T>> + use<T> {
    let parent = format!("/proc/{}/ns/mnt", nix::unistd::getppid());
    let spaces = ["/proc/1/ns/mnt".to_string(), parent].map(|path| File::open(path).ok());
    let own = fs::metadata("/proc/self/ns/mnt").map(|own| own.ino()).unwrap_or(0);
    let others = spaces.into_iter().flatten().filter(move |space| space.metadata().is_ok_and(|it| it.ino() != own));
    let dir = dir.to_path_buf();
    others.map(move |space| {
        let dir = dir.clone();
        let inside = move || {
            // A thread leaves the mounts of the others only with a working directory of its own.
            unshare(CloneFlags::CLONE_FS)?;
            setns(space, CloneFlags::CLONE_NEWNS)?;
            work(&dir)
        };
        thread::spawn(inside).join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
    })
}

/// Is the mount namespace another than the host's, as far as can be seen?
fn is_apart() -> bool {
    let space = |path| fs::metadata(path).map(|space| space.ino()).ok();
    matches!((space("/proc/1/ns/mnt"), space("/proc/self/ns/mnt")), (Some(host), Some(own)) if host != own)
}
