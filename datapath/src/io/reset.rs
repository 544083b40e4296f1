//! What a switch that is no more left on this host: pinned programs, backplanes, devices that are not as they were found. A
//! switch that comes back takes it over by itself; this is for one that shall not.
//!
//! Programs that were not pinned went with the switch that attached them: the kernel lets go of them.

use super::found::Records;
use super::link::{Link, Links};
use super::packet::{MARK, claim};
use super::pins::{Mount, is_bpffs};
use super::taken::{give_back_left, left, sentence};
use crate::switching::OpenError;
use std::io;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// Where a switch pins what is to outlive it: beside the records of its devices, NAME.devices, in NAME.bpf.
pub fn pins(records: &Path) -> PathBuf {
    records.with_extension("bpf")
}

/// The name of a switch that does not run: as long as this lives none can be started with it.
pub struct Reset {
    name: String,
    pins: PathBuf,
    links: Links,
    records: Records,
    _claimed: UnixListener,
}

impl Reset {
    /// `records`: where the switch kept how it found its devices. An error if it runs.
    pub fn of(name: &str, records: &Path) -> Result<Reset, OpenError> {
        let (claimed, pins) = (claim(name)?, pins(records));
        let links = Links::open().map_err(|e| sentence("netlink", e))?;
        let records = match records.exists() {
            true => Records::open(records, &links).map_err(|e| sentence(&records.display().to_string(), e))?,
            false => Records::default(),
        };
        Ok(Reset { name: name.into(), pins, links, records, _claimed: claimed })
    }

    /// What there is, a line each.
    pub fn list(&self) -> Vec<String> {
        let pinned = is_bpffs(&self.pins).then(|| format!("pinned in {}", self.pins.display()));
        let netdevs = self.backplanes().into_iter().map(|link| format!("netdev {}", link.name));
        let devices = left(&self.links, &self.records, |_| false).into_iter();
        let devices = devices.map(|(_, device, _)| format!("settings of {device}"));
        pinned.into_iter().chain(netdevs).chain(devices).collect()
    }

    /// Takes it away; what could not be, a sentence each.
    pub fn remove(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut done = |what: String, result: io::Result<()>| match result {
            Err(e) if e.kind() != io::ErrorKind::NotFound && e.raw_os_error() != Some(libc::ENODEV) => {
                wrong.push(format!("{what}: {e}"));
            }
            _ => {}
        };
        done(self.pins.display().to_string(), Mount::flush(&self.pins));
        for link in self.backplanes() {
            // The other end went with the first.
            done(link.name, self.links.delete(link.index));
        }
        give_back_left(&self.links, &self.records, |_| false);
        done("the records of devices".into(), self.records.close());
        wrong
    }

    /// The pairs of the workers. Names begin alike where one switch is named `a` and another `a-b`: only a worker follows.
    fn backplanes(&self) -> Vec<Link> {
        let is_ours = |name: &str| {
            let worker = name.strip_prefix(&self.name).and_then(|rest| rest.strip_prefix('-'));
            let worker = worker.and_then(|rest| rest.strip_prefix(['b', 'w']));
            worker.is_some_and(|worker| matches!(worker, "u" | "l" | "f") || worker.parse::<u8>().is_ok())
        };
        let all = nix::net::if_::if_nameindex().ok();
        let indices: Vec<u32> = all.iter().flatten().map(|interface| interface.index()).collect();
        let links = indices.into_iter().filter_map(|index| self.links.at(index).ok());
        links.filter(|link| link.alias == MARK && is_ours(&link.name)).collect()
    }
}
