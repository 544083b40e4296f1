//! Devices become ports: by which I/O, what is kept of how they were, and what they are set to while they are ports.

use super::*;
use crate::io::found::Records;
use crate::io::link::Links;
use crate::io::mem::{self, MemHost};
use crate::io::taken::Taken;
use std::io;
use std::path::Path;

impl Datapath {
    /// Makes `device` the port `port`. The device's settings are remembered and restored by [`Datapath::close`].
    /// Frames of the port are dropped until a snapshot that holds it is published. Waits for queues that were given back
    /// just now.
    pub fn open(&mut self, port: PortId, device: &str, io: IoChoice) -> Result<Opened, OpenError> {
        let end = Instant::now() + QUEUES_FREE;
        loop {
            match self.try_open(port, device, io, Instant::now() < end) {
                Err(refused) if refused.busy => thread::sleep(QUEUES_RETRY),
                result => return result.map_err(|refused| refused.why),
            }
        }
    }

    /// [`Datapath::open`] that does not wait: whoever has `patience` asks again when a queue was busy.
    pub fn try_open(&mut self, port: PortId, device: &str, io: IoChoice, patience: bool) -> Result<Opened, Refused> {
        self.check(port)?;
        let result = match (io, self.suits_xdp(device)) {
            (IoChoice::Packet, _) => Ok(self.open_packet(port, device)?),
            (IoChoice::Xdp, _) => self.open_xdp(port, device),
            (IoChoice::Auto, Err(why)) => Ok(Opened { why, ..self.open_packet(port, device)? }),
            (IoChoice::Auto, Ok(why)) => match self.open_xdp(port, device) {
                Ok(opened) => Ok(Opened { why, ..opened }),
                Err(refused) if refused.busy && patience => Err(refused),
                // A NIC whose queues are taken still makes a port, if a slower one.
                Err(refused) => {
                    let why = format!("{why}, but: {}", refused.why);
                    Ok(Opened { why, ..self.open_packet(port, device)? })
                }
            },
        };
        result.map_err(|refused| Refused { busy: refused.busy && patience, ..refused })
    }

    fn open_packet(&mut self, port: PortId, device: &str) -> Result<Opened, OpenError> {
        let worker = self.least_busy();
        let packet = self.packet.as_mut().ok_or_else(in_memory_only)?;
        let way = packet.open(port, device, worker)?.way;
        let remembers = packet.loaded().forgetful.is_none();
        self.hold(port, Kind::Packet, vec![worker]);
        if remembers {
            self.flows.set_port(port, way);
        }
        Ok(Opened {
            io: "packet".into(),
            attach: "tcx".into(),
            memory: "ring".into(),
            queues: 1,
            workers: vec![worker],
            why: "asked for".into(),
            home: Some(Home::Backplane),
        })
    }

    fn open_xdp(&mut self, port: PortId, device: &str) -> Result<Opened, Refused> {
        let workers = self.by_load();
        let (Some(packet), Some(xdp)) = (&mut self.packet, &mut self.xdp) else { return Err(in_memory_only().into()) };
        let (opened, way, queues) = xdp.open(packet.programs(), port, device, &workers)?;
        let remembers = packet.loaded().forgetful.is_none();
        self.hold(port, Kind::Xdp, opened.workers.clone());
        if remembers {
            self.flows.set_port(port, way);
        }
        for (worker, xsk) in queues {
            if let Err(error) = self.hand(worker, Order::Take(port, Own::Xsk(Box::new(xsk)))) {
                self.close(port);
                return Err(error.into());
            }
        }
        // Frames pass once the workers have taken their queues and filled them; whoever asked is told no sooner.
        let end = Instant::now() + HANDOVER;
        while self.links.iter().any(|link| link.orders.slots() < ORDERS) && Instant::now() < end {
            thread::sleep(Duration::from_micros(50));
        }
        Ok(opened)
    }

    /// Makes a port in memory, owned by the worker that has the fewest; the host's end of it is returned.
    pub fn open_in_memory(&mut self, port: PortId) -> Result<(Opened, MemHost), OpenError> {
        self.check(port)?;
        let worker = self.least_busy();
        let (near, host) = mem::cable(port, Arc::clone(&self.links[usize::from(worker)].desk.bell));
        self.hand(worker, Order::Take(port, Own::Mem(near)))?;
        self.hold(port, Kind::Mem, vec![worker]);
        let opened = Opened {
            io: "mem".into(),
            attach: "none".into(),
            memory: "ring".into(),
            queues: 1,
            workers: vec![worker],
            why: "a port in memory".into(),
            home: Some(Home::Worker(worker)),
        };
        Ok((opened, host))
    }

    /// Are frames that the host's own programs send by a port's netdev kept from leaving? They are unless this says no, which
    /// saves each frame the call of a program.
    pub fn guard(&mut self, port: PortId, guarded: bool) -> Result<(), OpenError> {
        let Some(packet) = &mut self.packet else { return Ok(()) };
        packet.guard(port, guarded)?;
        self.xdp.as_mut().map_or(Ok(()), |xdp| xdp.guard(packet.programs(), port, guarded))
    }

    /// Keeps in this directory what devices were like before they were taken, for the next start after a crash, and takes
    /// over what is there.
    pub fn keep_devices(&mut self, dir: &Path) -> io::Result<()> {
        let records = Arc::new(Records::open(dir, &Links::open()?)?);
        self.packet.iter_mut().for_each(|packet| packet.keep(Arc::clone(&records)));
        self.xdp.iter_mut().for_each(|xdp| xdp.keep(Arc::clone(&records)));
        Ok(())
    }

    /// The ports that a predecessor left attached and that are not open yet: the indices of their devices, their numbers.
    pub fn left(&self) -> Vec<(u32, PortId)> {
        let is_open = |index| self.xdp.as_ref().is_some_and(|xdp| xdp.is_open(index));
        self.packet.iter().flat_map(|packet| packet.left(is_open)).collect()
    }

    /// Puts back what somebody took off the devices of ports, as was found since the last time; what came of it, as sentences.
    /// And looks by which ports frames may leave many at a time, if somebody has changed a queueing discipline.
    pub fn mend(&mut self) -> Vec<String> {
        let Some(packet) = &mut self.packet else { return Vec::new() };
        if packet.loaded().was_revoked() {
            packet.look_together();
            self.xdp.iter().for_each(|xdp| xdp.look_together(packet.loaded()));
        }
        let mut mended = Vec::new();
        for index in self.watch.found() {
            mended.extend(packet.mend(index));
            mended.extend(self.xdp.iter_mut().flat_map(|xdp| xdp.mend(packet.programs(), index)));
        }
        self.watch.look(|| {
            let of_xdp = self.xdp.as_ref().map_or(Vec::new(), XdpPorts::pinned);
            [packet.pinned(), of_xdp].concat()
        });
        let say = |result: Result<String, OpenError>| match result {
            Ok(device) => format!("{device}: somebody took the switch's program off; it is attached again"),
            Err(why) => format!("{why}: somebody took the switch's program off, and it cannot be attached again"),
        };
        mended.into_iter().map(say).collect()
    }

    /// Readable when what devices can do has changed; none where the kernel does not tell.
    pub fn device_changes(&self) -> Option<BorrowedFd<'_>> {
        self.xdp.as_ref().and_then(XdpPorts::changes)
    }

    /// Has it changed since the last time?
    pub fn devices_changed(&self) -> bool {
        self.xdp.as_ref().is_some_and(XdpPorts::heard)
    }

    /// Looks by which ports' devices XDP can send now: flows by others are made anew.
    pub fn look_at_devices(&mut self) {
        if self.forgetful().is_none() {
            let changed = self.xdp.as_mut().map_or(Vec::new(), XdpPorts::changed);
            changed.into_iter().for_each(|(port, way)| self.flows.set_port(port, way));
        }
    }

    /// Gives back the devices that a crashed switch had and that are no ports now.
    pub fn give_back_left(&mut self) {
        if let Some(packet) = &mut self.packet {
            packet.give_back_left(|index| self.xdp.as_ref().is_some_and(|xdp| xdp.is_open(index)));
        }
    }

    /// Sets the device of a port up or down, until the port is closed.
    pub fn set_up(&mut self, device: &str, up: bool) -> io::Result<()> {
        self.taken(device).and_then(|(taken, links)| taken.set_up(links, up))
    }

    /// Gives the device of a port an MTU, until the port is closed.
    pub fn set_mtu(&mut self, device: &str, mtu: u32) -> io::Result<()> {
        self.taken(device).and_then(|(taken, links)| taken.set_mtu(links, mtu))
    }

    fn taken(&mut self, device: &str) -> io::Result<(&mut Taken, &Links)> {
        let packet = self.packet.as_mut().and_then(|packet| packet.taken(device));
        let xdp = self.xdp.as_mut().and_then(|xdp| xdp.taken(device));
        packet.or(xdp).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}
