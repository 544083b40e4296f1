//! The programs of `packet` ports: loaded, with the maps that a predecessor left if there are any, and attached, in the place
//! of its programs where those are, so that no frame passes without one.

use super::flows::SLOTS;
use super::link::Link;
use super::pins::{Mount, Pins, attached_to, detach};
use super::taken::sentence;
use crate::switching::OpenError;
use aya::programs::links::{FdLink, LinkOrder, PinnedLink};
use aya::programs::tc::{SchedClassifierLink, TcAttachOptions};
use aya::programs::{ProgramError, SchedClassifier, TcAttachType};
use aya::{Ebpf, EbpfLoader};
use std::fs;
use std::path::PathBuf;

const OBJECT: &[u8] = aya::include_bytes_aligned!("../../bpf/mona.bpf.o");
/// What is handed on.
const MAPS: [&str; 8] = ["ports", "admitted", "consumed", "refused", "flows", "depends", "generations", "cache"];

/// What a program is attached to.
#[derive(Clone, Copy)]
pub(super) struct Side {
    /// The pins of its links begin with this.
    pub(super) pin: &'static str,
    program: &'static str,
    to: TcAttachType,
}

/// The two of a port, and the end of a pair.
pub(super) const PORT_IN: Side = Side { pin: "in", program: "port_in", to: TcAttachType::Ingress };
pub(super) const PORT_OUT: Side = Side { pin: "out", program: "port_out", to: TcAttachType::Egress };
pub(super) const FAR_IN: Side = Side { pin: "far", program: "far_in", to: TcAttachType::Ingress };

/// A program at a device. It goes with this, and, if it is pinned, only with this or by somebody else's hand.
pub(super) struct Attached {
    _link: SchedClassifierLink,
    pin: Option<(u32, PathBuf)>,
}

impl Attached {
    /// Attaches it, in the place of the one that a predecessor left there.
    pub(super) fn attach(bpf: &mut Ebpf, pins: Option<&Pins>, side: Side, link: &Link) -> Result<Attached, OpenError> {
        let program = classifier(bpf, side.program)?;
        let new = |program: &mut SchedClassifier| -> Result<SchedClassifierLink, ProgramError> {
            let first = TcAttachOptions::TcxOrder(LinkOrder::first());
            program.attach_with_options(&link.name, side.to, first).and_then(|id| program.take_link(id))
        };
        let wrong = |e| sentence(&format!("attaching to {} (kernel 6.6 or later)", link.name), e);
        let Some(pin) = pins.map(|pins| pins.path(&format!("{}-{}", side.pin, link.index))) else {
            return Ok(Attached { _link: new(program).map_err(wrong)?, pin: None });
        };
        if let Some(adopted) = adopt(program, &pin, link.index) {
            return Ok(Attached { _link: adopted, pin: Some((link.index, pin)) });
        }
        remove(&pin);
        let attached = new(program).map_err(wrong)?;
        let pinned = FdLink::try_from(attached).ok().and_then(|attached| attached.pin(&pin).ok());
        match pinned.and_then(|pinned| SchedClassifierLink::try_from(FdLink::from(pinned)).ok()) {
            Some(attached) => Ok(Attached { _link: attached, pin: Some((link.index, pin)) }),
            // It cannot stay behind, but it can be there.
            None => Ok(Attached { _link: new(program).map_err(wrong)?, pin: None }),
        }
    }

    /// It stays when this process ends.
    pub(super) fn leave(mut self) {
        self.pin = None;
    }

    /// Has nobody taken it off?
    pub(super) fn is_there(&self) -> bool {
        self.pin.as_ref().is_none_or(|(index, pin)| attached_to(pin).is_ok_and(|at| at == *index))
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        if let Some((_, pin)) = &self.pin {
            remove(pin);
        }
    }
}

/// Takes off what is pinned there, if anything is.
pub(super) fn remove(pin: &PathBuf) {
    let _ = detach(pin);
    let _ = fs::remove_file(pin);
}

fn adopt(program: &mut SchedClassifier, pin: &PathBuf, index: u32) -> Option<SchedClassifierLink> {
    if attached_to(pin).ok()? != index {
        return None;
    }
    let left = SchedClassifierLink::try_from(FdLink::from(PinnedLink::from_pin(pin).ok()?)).ok()?;
    let id = program.attach_to_link(left).ok()?;
    program.take_link(id).ok()
}

/// What was loaded.
pub(super) struct Loaded {
    pub(super) bpf: Ebpf,
    /// Where it is pinned.
    pub(super) pins: Option<Pins>,
    /// Why it is not.
    pub(super) unpinned: Option<String>,
    /// Why the kernel replays no flows, if it does not take the program that would.
    pub(super) forgetful: Option<String>,
}

/// Loads the programs, over the maps that are pinned if that is possible. Otherwise what is pinned is taken off, and the
/// programs are loaded anew.
pub(super) fn load(mount: Option<&Mount>, cookie: u64, slots: u32, entries: u32) -> Result<Loaded, OpenError> {
    let build = [slots, entries, SLOTS]
        .map(u32::to_le_bytes)
        .concat()
        .iter()
        .chain(OBJECT)
        .fold(FNV, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    let mut why = None;
    if let Some(mount) = mount {
        for _ in 0..2 {
            let tried = mount.pins(cookie, build).map_err(|e| sentence("its directory", e));
            match tried.and_then(|pins| Ok((load_over(Some(&pins), slots, entries, true)?, pins))) {
                Ok((bpf, pins)) => return Ok(Loaded { bpf, pins: Some(pins), unpinned: None, forgetful: None }),
                Err(error) => why = Some(error.0),
            }
            // What was left may be what is wrong.
            let _ = mount.pins(cookie, build).and_then(|pins| pins.clear());
        }
    }
    let (bpf, forgetful) = match load_over(None, slots, entries, true) {
        Ok(bpf) => (bpf, None),
        // The verifier's log is long, and its end says what is wrong.
        Err(error) => {
            let end = error.0.trim_end().lines().rev().find(|line| !line.starts_with("processed")).unwrap_or_default();
            (load_over(None, slots, entries, false)?, Some(end.trim().to_string()))
        }
    };
    Ok(Loaded { bpf, pins: None, unpinned: why.filter(|_| forgetful.is_none()), forgetful })
}

/// FNV-1a: it is the same in every release.
const FNV: u64 = 0xcbf2_9ce4_8422_2325;

fn load_over(pins: Option<&Pins>, slots: u32, entries: u32, remembers: bool) -> Result<Ebpf, OpenError> {
    let mut loader = EbpfLoader::new();
    let remembers = u32::from(remembers);
    loader.override_global("remembers", &remembers, true);
    loader.override_global("slots", &slots, true).override_global("flow_mask", &(SLOTS - 1), true);
    loader.map_max_entries("flows", SLOTS).map_max_entries("depends", SLOTS);
    loader.map_max_entries("admitted", entries).map_max_entries("consumed", entries);
    if let Some(pins) = pins {
        for map in MAPS {
            loader.map_pin_path(map, pins.path(map));
        }
    }
    let mut bpf = loader
        .load(OBJECT)
        .map_err(|e| sentence("loading the BPF programs (CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON)", e))?;
    for side in [PORT_IN, PORT_OUT, FAR_IN] {
        classifier(&mut bpf, side.program)?.load().map_err(|e| sentence(side.program, e))?;
    }
    Ok(bpf)
}

pub(super) fn classifier<'a>(bpf: &'a mut Ebpf, program: &str) -> Result<&'a mut SchedClassifier, OpenError> {
    let found = bpf.program_mut(program).ok_or_else(|| OpenError(format!("the BPF object has no {program}")))?;
    found.try_into().map_err(|e| sentence(program, e))
}
