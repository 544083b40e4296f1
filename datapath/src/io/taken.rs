//! A device taken from the host to be a port, and given back as it was found: IPv6 off, promiscuous, and no feature on
//! by which a frame would not be what it is on a wire.

use super::backplane::Promiscuous;
use super::link::{Link, Links};
use super::packet::MARK;
use crate::switching::OpenError;
use aya::programs::{SchedClassifier, TcAttachType};
use std::fmt::Display;
use std::{fs, io};

/// Programs by which a port of any switch is known.
const PROGRAMS: [&str; 2] = ["port_in", "xdp_out"];

/// A device and how it was.
pub(super) struct Taken {
    pub(super) device: Link,
    ipv6_was_off: Option<String>,
    /// Features that were on and are off now.
    features: Vec<&'static str>,
    was_up: bool,
}

/// The device of this name, if it can be a port.
pub(super) fn candidate(links: &Links, device: &str) -> Result<Link, OpenError> {
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
    if is_port(device)? {
        return Err(OpenError(format!("{device} is a port of a switch already")));
    }
    Ok(link)
}

/// Has a switch's program attached?
fn is_port(device: &str) -> Result<bool, OpenError> {
    for side in [TcAttachType::Ingress, TcAttachType::Egress] {
        let attached = SchedClassifier::query_tcx(device, side).map_err(|e| sentence(device, e))?;
        if attached.1.iter().any(|program| program.name_as_str().is_some_and(|name| PROGRAMS.contains(&name))) {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Taken {
    /// Takes it, with these features off. Whether it is up is not decided here. If that fails it is left as it was.
    pub(super) fn take(
        links: &Links,
        promiscuous: &Promiscuous,
        link: &Link,
        off: &[&'static str],
    ) -> Result<Taken, OpenError> {
        let device = &link.name;
        let mut taken = Taken {
            device: link.clone(),
            ipv6_was_off: fs::read_to_string(ipv6_off(device)).ok(),
            features: Vec::new(),
            was_up: link.flags & libc::IFF_UP as u32 != 0,
        };
        let mut change = || -> io::Result<()> {
            quiet(device)?;
            for feature in off {
                if links.feature(device, feature)? == Some(true) {
                    taken.features.push(feature);
                }
            }
            links.set_features(device, false, |name| off.contains(&name))?;
            promiscuous.set(link.index, true)
        };
        match change() {
            Ok(()) => Ok(taken),
            Err(error) => {
                taken.give_back(links, promiscuous);
                Err(sentence(device, error))
            }
        }
    }

    /// As it was, while its programs are still attached; it may be gone or have another name.
    pub(super) fn give_back(&self, links: &Links, promiscuous: &Promiscuous) {
        let Some(device) = name_of(self.device.index) else { return };
        // Indices are used again: a device without any program is another one. Reading whose a program is needs
        // CAP_SYS_ADMIN, which is dropped by now: one that cannot be read is ours.
        if !is_port(&device).unwrap_or(true) {
            return;
        }
        // Each step by itself: a device that is half gone is given back as far as it is there.
        let _ = promiscuous.set(self.device.index, false);
        let _ = links.set_features(&device, true, |name| self.features.contains(&name));
        if let Some(value) = &self.ipv6_was_off {
            let _ = fs::write(ipv6_off(&device), value);
        }
        if !self.was_up {
            let _ = links.set_flags(self.device.index, 0, libc::IFF_UP);
        }
    }
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
