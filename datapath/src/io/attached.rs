//! A program at a device: attached in the place of a predecessor's where that is, so that no frame passes without one.

use super::link::Link;
use super::pins::{Pins, attached_to, detach};
use super::taken::sentence;
use crate::switching::OpenError;
use aya::Ebpf;
use aya::programs::links::{FdLink, LinkOrder, PinnedLink};
use aya::programs::tc::{SchedClassifierLink, TcAttachOptions};
use aya::programs::xdp::{XdpLink, XdpMode};
use aya::programs::{ProgramError, SchedClassifier, TcAttachType, Xdp};
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

/// What a program is attached to.
#[derive(Clone, Copy)]
pub(super) struct Side {
    /// The pins of its links begin with this.
    pub(super) pin: &'static str,
    pub(super) program: &'static str,
    to: To,
}

#[derive(Clone, Copy)]
enum To {
    Tcx(TcAttachType),
    Xdp(XdpMode),
}

impl Side {
    /// Where its link at a device is pinned.
    pub(super) fn pinned(self, pins: &Pins, index: u32) -> PathBuf {
        pins.path(&format!("{}-{index}", self.pin))
    }
}

/// The two of every port (where the kernel runs the XDP program, another one in), the end of a pair, and what an `xdp` port
/// has before them: in its driver, or else in the kernel's receive path.
pub(super) const PORT_IN: Side = Side { pin: "in", program: "port_in", to: To::Tcx(TcAttachType::Ingress) };
pub(super) const GENERIC_IN: Side = Side { program: "generic_in", ..PORT_IN };
pub(super) const PORT_OUT: Side = Side { pin: "out", program: "port_out", to: To::Tcx(TcAttachType::Egress) };
pub(super) const FAR_IN: Side = Side { pin: "far", program: "far_in", to: To::Tcx(TcAttachType::Ingress) };
pub(super) const NATIVE: Side = Side { pin: "native", program: "xdp_in", to: To::Xdp(XdpMode::Driver) };
pub(super) const GENERIC: Side = Side { pin: "generic", program: "xdp_in", to: To::Xdp(XdpMode::Skb) };
/// Of frames that leave many at a time: by which the kernel receives them, and where it does.
pub(super) const LIVE_OUT: Side = Side { pin: "live-out", program: "live_out", to: To::Xdp(XdpMode::Driver) };
pub(super) const LIVE_IN: Side = Side { pin: "live-in", program: "live_in", to: To::Tcx(TcAttachType::Ingress) };
/// All that a port may have.
pub(super) const OF_PORTS: [Side; 4] = [PORT_OUT, PORT_IN, NATIVE, GENERIC];

/// A program at a device. It goes with this, and, if it is pinned, only with this or by somebody else's hand.
pub(super) struct Attached {
    pub(super) side: Side,
    _link: FdLink,
    pin: Option<(u32, PathBuf)>,
}

impl Attached {
    /// Attaches it, in the place of the one that a predecessor left there.
    pub(super) fn attach(bpf: &mut Ebpf, pins: Option<&Pins>, side: Side, link: &Link) -> Result<Attached, OpenError> {
        Attached::try_attach(bpf, pins, side, link).map_err(|error| match side.to {
            To::Tcx(_) => sentence(&format!("attaching to {} (kernel 6.6 or later)", link.name), error),
            To::Xdp(_) if is_occupied(&error) => {
                let name = &link.name;
                OpenError(format!("{name} has an XDP program already; detach it (ip link set dev {name} xdp off)"))
            }
            To::Xdp(_) => sentence(&format!("attaching XDP to {}", link.name), error),
        })
    }

    /// In the driver if it can, else in the kernel's receive path.
    pub(super) fn attach_xdp(bpf: &mut Ebpf, pins: Option<&Pins>, link: &Link) -> Result<Attached, OpenError> {
        // Only one of them can be there.
        let left = pins.is_some_and(|pins| GENERIC.pinned(pins, link.index).exists());
        match Attached::try_attach(bpf, pins, NATIVE, link) {
            Ok(attached) => Ok(attached),
            Err(error) if is_occupied(&error) && !left => Attached::attach(bpf, pins, NATIVE, link),
            Err(_) => Attached::attach(bpf, pins, GENERIC, link),
        }
    }

    fn try_attach(bpf: &mut Ebpf, pins: Option<&Pins>, side: Side, link: &Link) -> Result<Attached, ProgramError> {
        let Some(pin) = pins.map(|pins| side.pinned(pins, link.index)) else {
            return Ok(Attached { side, _link: new(bpf, side, link)?, pin: None });
        };
        if let Some(adopted) = adopt(bpf, side, &pin, link.index) {
            return Ok(Attached { side, _link: adopted, pin: Some((link.index, pin)) });
        }
        remove(&pin);
        let attached = new(bpf, side, link)?;
        match attached.pin(&pin) {
            Ok(pinned) => Ok(Attached { side, _link: FdLink::from(pinned), pin: Some((link.index, pin)) }),
            // It cannot stay behind, but it can be there.
            Err(_) => Ok(Attached { side, _link: new(bpf, side, link)?, pin: None }),
        }
    }

    /// Does the device's driver run it?
    pub(super) fn is_native(&self) -> bool {
        matches!(self.side.to, To::Xdp(XdpMode::Driver))
    }

    /// It stays when this process ends.
    pub(super) fn leave(mut self) {
        self.pin = None;
    }

    /// Where its link is pinned, and the index of the device it is to be at.
    pub(super) fn pinned(&self) -> Option<(u32, PathBuf)> {
        self.pin.clone()
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

fn new(bpf: &mut Ebpf, side: Side, link: &Link) -> Result<FdLink, ProgramError> {
    let old = |_| ProgramError::UnexpectedProgramType;
    match side.to {
        To::Tcx(to) => {
            let program = classifier(bpf, side.program)?;
            let first = TcAttachOptions::TcxOrder(LinkOrder::first());
            let id = program.attach_with_options(&link.name, to, first)?;
            FdLink::try_from(program.take_link(id)?).map_err(old)
        }
        To::Xdp(mode) => {
            let program = xdp(bpf, side.program)?;
            let id = program.attach_to_if_index(link.index, mode)?;
            FdLink::try_from(program.take_link(id)?).map_err(old)
        }
    }
}

fn adopt(bpf: &mut Ebpf, side: Side, pin: &PathBuf, index: u32) -> Option<FdLink> {
    if attached_to(pin).ok()? != index {
        return None;
    }
    let left = FdLink::from(PinnedLink::from_pin(pin).ok()?);
    match side.to {
        To::Tcx(_) => {
            let program = classifier(bpf, side.program).ok()?;
            let id = program.attach_to_link(SchedClassifierLink::try_from(left).ok()?).ok()?;
            FdLink::try_from(program.take_link(id).ok()?).ok()
        }
        To::Xdp(_) => {
            let program = xdp(bpf, side.program).ok()?;
            let id = program.attach_to_link(XdpLink::try_from(left).ok()?).ok()?;
            FdLink::try_from(program.take_link(id).ok()?).ok()
        }
    }
}

/// Has the kernel check the program.
pub(super) fn load(bpf: &mut Ebpf, side: Side) -> Result<(), OpenError> {
    let loaded = match side.to {
        To::Tcx(_) => classifier(bpf, side.program).and_then(SchedClassifier::load),
        To::Xdp(_) => xdp(bpf, side.program).and_then(Xdp::load),
    };
    loaded.map_err(|e| sentence(side.program, e))
}

/// The XDP program itself.
pub(super) fn descriptor(bpf: &mut Ebpf, side: Side) -> Result<OwnedFd, OpenError> {
    let wrong = |e: &dyn std::fmt::Display| sentence(side.program, e);
    let program = xdp(bpf, side.program).map_err(|e| wrong(&e))?;
    program.fd().map_err(|e| wrong(&e))?.as_fd().try_clone_to_owned().map_err(|e| wrong(&e))
}

fn classifier<'a>(bpf: &'a mut Ebpf, program: &str) -> Result<&'a mut SchedClassifier, ProgramError> {
    bpf.program_mut(program).ok_or(ProgramError::NotLoaded)?.try_into()
}

fn xdp<'a>(bpf: &'a mut Ebpf, program: &str) -> Result<&'a mut Xdp, ProgramError> {
    bpf.program_mut(program).ok_or(ProgramError::NotLoaded)?.try_into()
}

/// Is there another program?
fn is_occupied(error: &ProgramError) -> bool {
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return matches!(error.raw_os_error(), Some(libc::EBUSY | libc::EEXIST));
        }
        source = error.source();
    }
    false
}
