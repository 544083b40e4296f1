//! How a device was before a switch took it. A file of its own says so too, from before the device is changed until it is
//! given back: after `kill -9` the next start finds there what it cannot see on the device any more.

use super::link::{Link, Links};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// What a device was like, as far as a switch changes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Who it was.
    name: String,
    kind: String,
    permanent: String,
    /// Was it up?
    pub(super) up: bool,
    /// It is down because a switch set it down.
    pub(super) shut: bool,
    /// The MTU it had, if a switch gave it another.
    pub(super) mtu: Option<u32>,
    /// Was IPv6 off? (the sysctl; `None` where the kernel has no IPv6)
    pub(super) ipv6_off: Option<String>,
    /// Features that were on and are off now.
    pub(super) features: Vec<String>,
}

impl Found {
    pub(super) fn of(link: &Link, ipv6_off: Option<String>) -> Found {
        Found {
            name: link.name.clone(),
            kind: link.kind.clone().unwrap_or_default(),
            permanent: link.permanent.clone(),
            up: link.flags & libc::IFF_UP as u32 != 0,
            ipv6_off,
            ..Found::default()
        }
    }

    /// Is this the device that had the index then? Indices are used again, and so are names.
    fn is(&self, link: &Link) -> bool {
        let same_kind = self.kind == link.kind.as_deref().unwrap_or_default();
        let same_address = !self.permanent.is_empty() && self.permanent == link.permanent;
        same_kind && (self.name == link.name || same_address)
    }

    fn text(&self, place: &str) -> String {
        let yes = |is: bool| if is { "yes" } else { "no" };
        let mut text = format!("place {place}\nname {}\n", self.name);
        let mut say = |key: &str, value: &str| {
            // Writing to memory does not fail.
            let _ = writeln!(text, "{key} {value}");
        };
        say("kind", &self.kind);
        say("permanent", &self.permanent);
        say("up", yes(self.up));
        say("shut", yes(self.shut));
        if let Some(mtu) = self.mtu {
            say("mtu", &mtu.to_string());
        }
        if let Some(off) = &self.ipv6_off {
            say("ipv6-off", off.trim());
        }
        self.features.iter().for_each(|feature| say("feature", feature));
        text
    }

    /// `None` if it is of another place or not whole.
    fn parse(text: &str, place: &str) -> Option<Found> {
        let mut lines = text.lines();
        let mut found = Found::default();
        if lines.next()?.strip_prefix("place ")? != place {
            return None;
        }
        for line in lines {
            let (key, value) = line.split_once(' ')?;
            match key {
                "name" => found.name = value.into(),
                "kind" => found.kind = value.into(),
                "permanent" => found.permanent = value.into(),
                "up" => found.up = value == "yes",
                "shut" => found.shut = value == "yes",
                "mtu" => found.mtu = Some(value.parse().ok()?),
                "ipv6-off" => found.ipv6_off = Some(value.into()),
                "feature" => found.features.push(value.into()),
                _ => return None,
            }
        }
        (!found.name.is_empty()).then_some(found)
    }
}

/// The directory of the files, one for each device a switch has, named by its index. Without one nothing is kept.
#[derive(Debug, Default)]
pub(crate) struct Records {
    dir: Option<PathBuf>,
    /// Indices mean something in one network namespace, until the machine boots anew.
    place: String,
}

impl Records {
    pub(crate) fn open(dir: &Path, links: &Links) -> io::Result<Records> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        let place = format!("{} {}", boot.trim(), links.namespace()?);
        fs::create_dir_all(dir)?;
        // A switch that may not write finds out now.
        fs::write(dir.join(".new"), "").and_then(|()| fs::remove_file(dir.join(".new")))?;
        Ok(Records { dir: Some(dir.into()), place })
    }

    /// What was kept of this device, if a switch that is no more had it.
    pub(super) fn of(&self, link: &Link) -> Option<Found> {
        let text = fs::read_to_string(self.dir.as_ref()?.join(link.index.to_string())).ok()?;
        Found::parse(&text, &self.place).filter(|found| found.is(link))
    }

    /// Keeps it, whole or not at all. A disk that is full costs what a crash would need, and nothing now.
    pub(super) fn keep(&self, index: u32, found: &Found) {
        let Some(dir) = &self.dir else { return };
        let temporary = dir.join(".new");
        let written = fs::write(&temporary, found.text(&self.place));
        let _ = written.and_then(|()| fs::rename(&temporary, dir.join(index.to_string())));
    }

    /// The device is as it was.
    pub(super) fn forget(&self, index: u32) {
        if let Some(dir) = &self.dir {
            // None is what is wanted.
            let _ = fs::remove_file(dir.join(index.to_string()));
        }
    }

    /// No switch keeps anything here any more: the directory goes, unless there is something in it.
    pub(super) fn close(&self) -> io::Result<()> {
        self.dir.as_ref().map_or(Ok(()), fs::remove_dir)
    }

    /// The indices there are files of.
    pub(super) fn indices(&self) -> Vec<u32> {
        let files = self.dir.as_ref().and_then(|dir| fs::read_dir(dir).ok());
        let names = files.into_iter().flatten().flatten().map(|file| file.file_name());
        names.filter_map(|name| name.to_str()?.parse().ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_back_in_the_same_place_alone() {
        let found = Found {
            name: "p1".into(),
            kind: "veth".into(),
            up: true,
            mtu: Some(1400),
            ipv6_off: Some("0".into()),
            features: vec!["rx-lro".into(), "tx-vlan-hw-insert".into()],
            ..Found::default()
        };
        for found in [found.clone(), Found { name: "x".into(), shut: true, ..Found::default() }] {
            let text = found.text("boot 7");
            assert_eq!(Found::parse(&text, "boot 7").as_ref(), Some(&found), "{text}");
            assert_eq!(Found::parse(&text, "boot 8"), None);
        }
        for text in ["", "place boot 7\n", "place boot 7\nname p1\nmtu x\n", "place boot 7\nname p1\nzeal 1\n", "x"] {
            assert_eq!(Found::parse(text, "boot 7"), None, "{text}");
        }
        let link = |name: &str, kind: Option<&str>, permanent: &str| Link {
            name: name.into(),
            kind: kind.map(Into::into),
            permanent: permanent.into(),
            ..Link::default()
        };
        assert!(found.is(&link("p1", Some("veth"), "")));
        assert!(!found.is(&link("p1", Some("tun"), "")) && !found.is(&link("p2", Some("veth"), "")));
        let nic = Found::of(&link("eth0", None, "02"), None);
        assert!(nic.is(&link("lan0", None, "02")) && !nic.is(&link("lan0", None, "03")));
    }
}
