//! Interfaces are configuration, devices are state, a port is the two matched: opened when both are there, closed when either
//! goes, and kept as it is otherwise.

use crate::counters::Counted;
use crate::input::Output;
use crate::state::{Failed, Port, obstacle};
use crate::switch::Switch;
use mona_datapath::switching::{IoChoice, Opened};
use mona_model::config::Io;
use mona_model::names::InterfaceName;
use mona_wire::{Instant, PortId};

impl Switch {
    /// Closes ports that no longer match, opens those that now do, and asks devices to be as they are configured.
    pub(crate) fn match_ports(&mut self, now: Instant) {
        let gone: Vec<InterfaceName> =
            self.state.ports.iter().filter(|(name, port)| !self.still_matches(**name, port)).map(|(n, _)| *n).collect();
        for name in gone {
            self.close(now, name);
        }
        self.match_routers(now);
        self.state.failed.retain(|name, failed| {
            let wanted = self.config.interfaces.get(name);
            let same = self.state.devices.get(&failed.device).is_some_and(|d| d.ifindex == failed.ifindex);
            wanted.is_some_and(|i| i.device.as_ref() == Some(&failed.device) && i.io == failed.io) && same
        });
        let missing: Vec<InterfaceName> = self
            .config
            .interfaces
            .iter()
            .filter(|(name, i)| i.device.is_some() && !self.state.ports.contains_key(name))
            .map(|(name, _)| *name)
            .collect();
        for name in missing {
            self.open(name);
        }
        self.ask_devices();
        self.watch_lines(now);
    }

    /// The ports, and whether frames of the host's own programs are kept from leaving by them.
    pub fn guarded(&self) -> impl Iterator<Item = (PortId, bool)> + '_ {
        let lets = |name| self.config.interfaces.get(name).is_some_and(|interface| interface.host_frames);
        self.state.ports.iter().map(move |(name, port)| (port.id, !self.config.host_frames && !lets(name)))
    }

    fn still_matches(&self, name: InterfaceName, port: &Port) -> bool {
        self.config.interfaces.get(&name).is_some_and(|interface| {
            interface.device.as_ref() == Some(&port.device)
                && interface.io == port.io
                && self.state.devices.get(&port.device).is_some_and(|device| device.ifindex == port.ifindex)
        })
    }

    fn close(&mut self, now: Instant, name: InterfaceName) {
        let Some(port) = self.state.ports.remove(&name) else { return };
        if port.up {
            self.say_line(now, name, false);
        }
        self.state.reserved.remove(&port.id);
        // Workers must not send to it while it is being closed.
        self.publish(now);
        if port.opened.is_none() {
            self.abandon_waiting(name, &format!("{name} was taken away while {} was being opened", port.device));
        }
        self.outputs.push(Output::Close { port: port.id, device: port.device });
        self.outputs.push(Output::ClearCounters(Counted::Port(port.id)));
    }

    fn open(&mut self, name: InterfaceName) {
        if self.state.failed.contains_key(&name) {
            return;
        }
        let Some(interface) = self.config.interfaces.get(&name) else { return };
        let Some(device) = interface.device.as_ref().and_then(|d| self.state.devices.get(d)) else { return };
        let io = interface.io;
        let failed = |why| Failed { device: device.name.clone(), ifindex: device.ifindex, io, why };
        if let Some(why) = obstacle(&self.state, device) {
            // Not final: the device may be let go, which is an event, and then it is tried again.
            self.state.failed.insert(name, Failed { ifindex: 0, ..failed(why.clone()) });
            self.refuse_waiting(name, &why);
            return;
        }
        let Some(id) = self.state.free_port(device.ifindex) else {
            let why = format!("all {} port numbers are in use: remove a port first", PortId::COUNT - 1);
            self.state.failed.insert(name, failed(why.clone()));
            self.refuse_waiting(name, &why);
            return;
        };
        let port = Port {
            id,
            device: device.name.clone(),
            ifindex: device.ifindex,
            io,
            opened: None,
            up: false,
            mtu_asked: None,
            mtu_own: None,
            up_asked: false,
        };
        let device = device.name.clone();
        self.state.ports.insert(name, port);
        let io = match io {
            Io::Auto => self.default_io,
            Io::Packet => IoChoice::Packet,
            Io::Xdp => IoChoice::Xdp,
        };
        self.outputs.push(Output::Open { port: id, device, io });
    }

    /// The rim opened a port, or could not.
    pub(crate) fn opened(&mut self, now: Instant, id: PortId, device: &str, result: Result<Opened, String>) {
        if self.opened_host(now, id, device, &result) {
            return;
        }
        let name = self.state.ports.iter().find(|(_, p)| p.id == id && p.device == device).map(|(name, _)| *name);
        // The answer to a wish that has been withdrawn since: it was closed after that.
        let Some(name) = name else { return };
        match result {
            Ok(opened) => {
                if let Some(port) = self.state.ports.get_mut(&name) {
                    port.opened = Some(opened);
                }
                self.match_ports(now);
                self.publish(now);
                self.accept_waiting(name);
            }
            Err(why) => {
                if let Some(port) = self.state.ports.remove(&name) {
                    let failed = Failed { device: port.device, ifindex: port.ifindex, io: port.io, why: why.clone() };
                    let text = format!("{name}: {why}");
                    self.log.add(now, "%MONA-3-OPEN", &text);
                    self.state.failed.insert(name, failed);
                }
                self.refuse_waiting(name, &why);
            }
        }
    }

    /// `shutdown` takes the link down for the peer, whoever sets the device up again; `no shutdown` and opening set it up
    /// once; `mtu` is set when it differs, `no mtu` gives the device its own again.
    fn ask_devices(&mut self) {
        for (name, port) in &mut self.state.ports {
            let (Some(interface), Some(device)) =
                (self.config.interfaces.get(name), self.state.devices.get(&port.device))
            else {
                continue;
            };
            if port.opened.is_none() {
                continue;
            }
            if interface.shutdown {
                if device.admin_up {
                    self.outputs.push(Output::SetUp { device: device.name.clone(), up: false });
                }
                port.up_asked = false;
            } else if !port.up_asked {
                if !device.admin_up {
                    self.outputs.push(Output::SetUp { device: device.name.clone(), up: true });
                }
                port.up_asked = true;
            }
            match interface.mtu.map(u32::from) {
                Some(mtu) if device.mtu != mtu && port.mtu_asked != Some(mtu) => {
                    port.mtu_own.get_or_insert(device.mtu);
                    port.mtu_asked = Some(mtu);
                    self.outputs.push(Output::SetMtu { device: device.name.clone(), mtu });
                }
                Some(_) => {}
                None => {
                    port.mtu_asked = None;
                    if let Some(mtu) = port.mtu_own.take().filter(|own| *own != device.mtu) {
                        self.outputs.push(Output::SetMtu { device: device.name.clone(), mtu });
                    }
                }
            }
        }
    }

    /// Logs lines that went up or down.
    fn watch_lines(&mut self, now: Instant) {
        let changes: Vec<(InterfaceName, bool)> = self
            .state
            .ports
            .iter()
            .filter_map(|(name, port)| {
                let up = self.state.line(*name, self.config.interfaces.get(name)?).is_ok();
                (up != port.up).then_some((*name, up))
            })
            .collect();
        for (name, up) in changes {
            if let Some(port) = self.state.ports.get_mut(&name) {
                port.up = up;
            }
            self.say_line(now, name, up);
        }
    }

    pub(crate) fn say_line(&mut self, now: Instant, name: InterfaceName, up: bool) {
        let word = if up { "up" } else { "down" };
        match self.config.interfaces.get(&name).is_some_and(|i| i.shutdown) && !up {
            true => {
                let text = format!("Interface {name}, changed state to administratively down");
                self.log.add(now, "%LINK-5-CHANGED", &text);
            }
            false => self.log.add(now, "%LINK-3-UPDOWN", &format!("Interface {name}, changed state to {word}")),
        }
        let text = format!("Line protocol on Interface {name}, changed state to {word}");
        self.log.add(now, "%LINEPROTO-5-UPDOWN", &text);
    }
}
