//! A device taken from the host to be a port, and given back as it was found: IPv6 off, promiscuous, and no feature on
//! by which a frame would not be what it is on a wire.

use super::backplane::Promiscuous;
use super::found::{Found, Records};
use super::link::{Link, Links};
use super::packet::MARK;
use crate::switching::OpenError;
use aya::programs::{SchedClassifier, TcAttachType};
use std::fmt::Display;
use std::sync::Arc;
use std::{fs, io};

/// Programs by which a port of any switch is known.
const PROGRAMS: [&str; 2] = ["port_in", "generic_in"];

/// A device and how it was.
pub(crate) struct Taken {
    pub(super) device: Link,
    found: Found,
    records: Arc<Records>,
}

/// The device of this name, if it can be a port.
/// `is_ours`: a predecessor's programs there are to be adopted.
pub(super) fn candidate(links: &Links, device: &str, is_ours: impl Fn(u32) -> bool) -> Result<Link, OpenError> {
    let link = links.get(device).map_err(|e| match e.raw_os_error() {
        Some(libc::ENODEV) => OpenError(format!("there is no device {device}")),
        _ => sentence(device, e),
    })?;
    if link.flags & libc::IFF_LOOPBACK as u32 != 0 {
        return Err(OpenError(format!("{device} is the loopback device, which cannot be a port")));
    }
    if link.alias == MARK {
        return Err(OpenError(format!("{device} is part of a switch's backplane")));
    }
    if link.master.is_some() {
        return Err(OpenError(format!("{device} belongs to a bridge or bond; take it out of there first")));
    }
    if is_ours(link.index) {
        return Ok(link);
    }
    match is_port(device) {
        Ok(false) => Ok(link),
        Ok(true) => Err(OpenError(format!("{device} is a port of a switch already"))),
        // Reading whose they are needs CAP_SYS_ADMIN.
        Err(_) => Err(OpenError(format!(
            "{device} has TC programs: it is a port of a switch already, or they are in the way (bpftool net show dev {device})"
        ))),
    }
}

/// Has a switch's program attached?
fn is_port(device: &str) -> Result<bool, OpenError> {
    let attached = SchedClassifier::query_tcx(device, TcAttachType::Ingress).map_err(|e| sentence(device, e))?;
    Ok(attached.1.iter().any(|program| program.name_as_str().is_some_and(|name| PROGRAMS.contains(&name))))
}

impl Taken {
    /// Takes it, with these features off. Whether it is up is not decided here. If that fails it is left as it was.
    pub(super) fn take(
        links: &Links,
        promiscuous: &Promiscuous,
        records: &Arc<Records>,
        link: &Link,
        off: &[&'static str],
    ) -> Result<Taken, OpenError> {
        let device = &link.name;
        let read = || Found::of(link, fs::read_to_string(ipv6_off(device)).ok());
        let mut taken = Taken {
            device: link.clone(),
            // How a killed switch had found it.
            found: records.of(link).unwrap_or_else(read),
            records: Arc::clone(records),
        };
        let mut change = || -> io::Result<()> {
            for feature in off {
                if links.feature(device, feature)? == Some(true) {
                    taken.found.features.push(feature.to_string());
                }
            }
            taken.keep();
            let found = &taken.found;
            links.set_features(device, true, |name| is_one(&found.features, name) && !off.contains(&name))?;
            // What is configured now is asked for anew.
            if let Some(mtu) = found.mtu {
                links.set_mtu(link.index, mtu)?;
            }
            quiet(device)?;
            links.set_features(device, false, |name| off.contains(&name))?;
            promiscuous.set(link.index, true)
        };
        match change() {
            Ok(()) => Ok(taken),
            Err(error) => {
                taken.give_back(links, promiscuous, ());
                Err(sentence(device, error))
            }
        }
    }

    fn keep(&self) {
        self.records.keep(self.device.index, &self.found);
    }

    /// Sets it up or down, until it is given back.
    pub(crate) fn set_up(&mut self, links: &Links, up: bool) -> io::Result<()> {
        self.found.shut = !up;
        self.keep();
        links.set_flags(self.device.index, if up { libc::IFF_UP } else { 0 }, libc::IFF_UP)
    }

    /// Gives it an MTU, until it is given back.
    pub(crate) fn set_mtu(&mut self, links: &Links, mtu: u32) -> io::Result<()> {
        let own = match self.found.mtu {
            Some(own) => own,
            None => links.get(&self.device.name)?.mtu,
        };
        self.found.mtu = Some(own).filter(|own| *own != mtu);
        self.keep();
        links.set_mtu(self.device.index, mtu)
    }

    /// As it was; it may be gone or have another name. Its programs are still attached, and go on the way: an MTU may not
    /// fit them.
    pub(super) fn give_back(&self, links: &Links, promiscuous: &Promiscuous, programs: impl Sized) {
        let index = self.device.index;
        // Indices are used again: a device without any program is another one. Reading whose a program is needs
        // CAP_SYS_ADMIN, which is dropped by now: one that cannot be read is ours.
        if let Some(device) = name_of(index).filter(|device| is_port(device).unwrap_or(true)) {
            // A device that is half gone is given back as far as it is there.
            let _ = promiscuous.set(index, false);
            put_back(links, index, &device, &self.found, programs);
        }
        self.records.forget(index);
    }
}

/// What a killed switch had, and nobody has now: index, name, and how it was found.
pub(super) fn left(links: &Links, records: &Records, is_open: impl Fn(u32) -> bool) -> Vec<(u32, String, Found)> {
    let device = |index: u32| {
        let device = name_of(index)?;
        let found = records.of(&links.get(&device).ok()?)?;
        // It may be the port of another switch by now.
        (!is_port(&device).unwrap_or(true)).then_some((index, device, found))
    };
    records.indices().into_iter().filter(|index| !is_open(*index)).filter_map(device).collect()
}

/// Gives that back.
pub(super) fn give_back_left(links: &Links, records: &Records, is_open: impl Fn(u32) -> bool) {
    for (index, device, found) in left(links, records, &is_open) {
        put_back(links, index, &device, &found, ());
    }
    records.indices().into_iter().filter(|index| !is_open(*index)).for_each(|index| records.forget(index));
}

/// Each step by itself: one that is refused leaves the others.
fn put_back(links: &Links, index: u32, device: &str, found: &Found, programs: impl Sized) {
    let _ = links.set_features(device, true, |name| is_one(&found.features, name));
    if let Some(value) = &found.ipv6_off {
        let _ = fs::write(ipv6_off(device), value);
    }
    drop(programs);
    if let Some(mtu) = found.mtu {
        let _ = links.set_mtu(index, mtu);
    }
    if !found.up {
        let _ = links.set_flags(index, 0, libc::IFF_UP);
    } else if found.shut {
        let _ = links.set_flags(index, libc::IFF_UP, libc::IFF_UP);
    }
}

fn is_one(features: &[String], name: &str) -> bool {
    features.iter().any(|feature| feature == name)
}

/// IPv6 off, so that the host says nothing of its own there. A kernel without IPv6 has nothing to turn off.
pub(super) fn quiet(device: &str) -> io::Result<()> {
    match fs::write(ipv6_off(device), "1") {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn ipv6_off(device: &str) -> String {
    format!("/proc/sys/net/ipv6/conf/{device}/disable_ipv6")
}

fn name_of(index: u32) -> Option<String> {
    nix::net::if_::if_indextoname(index).ok()?.into_string().ok()
}

/// What went wrong, with what.
pub(super) fn sentence(what: &str, error: impl Display) -> OpenError {
    OpenError(format!("{what}: {error}"))
}
