//! What hypervisors ask: `platform port add` and `remove`. Both are idempotent; an addition is answered when frames pass, and
//! undone when they cannot.

use crate::input::Session;
use crate::state::obstacle;
use crate::switch::Switch;
use mona_model::api::LineError;
use mona_model::config::{Config, InterfaceConfig, SwitchportMode};
use mona_model::names::InterfaceName;
use mona_model::print::print_interface;
use mona_model::rows::{AddPort, Rejected, is_unsupported_vlan};
use mona_model::shown::Shown;
use mona_wire::{Instant, VlanId};

/// Somebody waits for a port to be opened.
#[derive(Debug)]
pub(crate) struct Waiting {
    session: u64,
    id: u64,
    messages: Vec<String>,
    /// The interface before, to be put back if the port cannot be opened…
    before: Option<InterfaceConfig>,
    /// …and what was made of it.
    after: Option<InterfaceConfig>,
    was_hooked: bool,
    /// VLANs that were made on the way.
    made: Vec<VlanId>,
}

impl Switch {
    pub(crate) fn add_port(&mut self, now: Instant, session: &Session, id: u64, wish: &AddPort) {
        match self.plan(wish) {
            Err(text) => self.reject(session.id, id, &[], LineError::Rejected { text }),
            Ok(Plan { name, config, messages, made }) => {
                let before = self.config.interfaces.get(&name).cloned();
                let was_hooked = self.state.hooked.contains(&name);
                // What the operator bound to this device stays the operator's.
                let is_bound = before.as_ref().is_some_and(|before| before.device.as_ref() == Some(&wish.device));
                if !is_bound {
                    self.state.hooked.insert(name);
                }
                // A wish said again is a reason to try again.
                self.state.failed.remove(&name);
                let after = config.interfaces.get(&name).cloned();
                self.set_config(now, config);
                let waiting = Waiting { session: session.id, id, messages, before, after, was_hooked, made };
                self.waiting.entry(name).or_default().push(waiting);
                if self.state.ports.get(&name).is_some_and(|port| port.opened.is_some()) {
                    self.accept_waiting(name);
                } else if let Some(why) = self.state.failed.get(&name).map(|f| f.why.clone()) {
                    self.refuse_waiting(name, &why);
                }
            }
        }
    }

    fn plan(&self, wish: &AddPort) -> Result<Plan, Rejected> {
        let device = &wish.device;
        let Some(facts) = self.state.devices.get(device) else {
            return Err(format!("{device}: no such device: create it first (ip link shows what there is)"));
        };
        if let Some(why) = obstacle(&self.state, facts) {
            return Err(why);
        }
        if (facts.has_address || facts.has_default_route) && !wish.force {
            let what = if facts.has_default_route { "the host's default route" } else { "addresses of the host" };
            return Err(format!(
                "{device} has {what}, and a port cuts it off from the host: move them elsewhere first, or say --force"
            ));
        }
        let mut config = self.config.clone();
        let bound = config.interfaces.iter().find(|(_, i)| i.device.as_ref() == Some(device)).map(|(name, _)| *name);
        let tagged = wish
            .tag
            .as_ref()
            .and_then(|tag| config.interfaces.iter().find(|(_, i)| i.tag.as_ref() == Some(tag)).map(|(name, _)| *name));
        let name = match (wish.interface, tagged, bound) {
            (Some(name), Some(other), _) if name != other => {
                return Err(format!(
                    "the tag {} belongs to {other}: leave --interface out",
                    wish.tag.as_deref().unwrap_or("")
                ));
            }
            (Some(name), ..) | (None, Some(name), _) | (None, None, Some(name)) => name,
            (None, None, None) => free_name(&config).ok_or("all of GigabitEthernet1/1 to 1/4094 are in use")?,
        };
        if let Some(other) = bound.filter(|other| *other != name) {
            return Err(format!("{device} is the device of {other}: swctl remove-port {device} first"));
        }
        let fresh = !config.interfaces.contains_key(&name);
        let interface = config.interfaces.entry(name).or_default();
        if let Some(other) = interface.device.as_ref().filter(|d| *d != device && self.state.devices.contains_key(*d)) {
            return Err(format!("{name} has the device {other}: swctl remove-port {other} first"));
        }
        interface.device = Some(device.clone());
        interface.hot_plug |= fresh;
        if let Some(tag) = &wish.tag {
            interface.tag = Some(tag.clone());
        }
        let (mut messages, mut made) = (Vec::new(), Vec::new());
        apply(&mut config, name, wish, &mut messages, &mut made)?;
        Ok(Plan { name, config, messages, made })
    }

    /// The port is open: whoever waited for it is told.
    pub(crate) fn accept_waiting(&mut self, name: InterfaceName) {
        for waiting in self.waiting.remove(&name).unwrap_or_default() {
            let mut shown = vec![Shown::Port(name)];
            if !waiting.messages.is_empty() {
                shown.insert(0, Shown::Text(waiting.messages));
            }
            self.reply(waiting.session, waiting.id, &[], shown);
        }
    }

    /// The port could not be opened: everything is as it was, and whoever waited is told why.
    pub(crate) fn refuse_waiting(&mut self, name: InterfaceName, why: &str) {
        // The last first: what the first found is what remains.
        for waiting in self.waiting.remove(&name).unwrap_or_default().into_iter().rev() {
            self.take_back(name, &waiting);
            self.reject(waiting.session, waiting.id, &[], LineError::Rejected { text: why.into() });
            (self.changed, self.rekeep) = (true, true);
        }
    }

    /// Takes back what a wish made of an interface, and nothing that others have said or done since.
    fn take_back(&mut self, name: InterfaceName, waiting: &Waiting) {
        let now = self.config.interfaces.remove(&name);
        self.state.hooked.remove(&name);
        let mut back = waiting.before.clone();
        if let (Some(back), Some(now), Some(after)) = (&mut back, now, &waiting.after)
            && now != *after
        {
            *back = InterfaceConfig { device: back.device.take(), ..now };
        }
        let others = |held: &dyn Fn(&InterfaceConfig) -> bool| self.config.interfaces.values().any(held);
        if let Some(back) = &mut back {
            let is_there = |device: &String| !waiting.was_hooked || self.state.devices.contains_key(device);
            let device = back.device.take().filter(is_there);
            back.device = device.filter(|device| !others(&|other| other.device.as_ref() == Some(device)));
            back.tag = back.tag.take().filter(|tag| !others(&|other| other.tag.as_ref() == Some(tag)));
            back.profile = back.profile.take().filter(|profile| self.config.profiles.contains_key(profile));
        }
        // What only a hook made is nothing without its device.
        match back.filter(|back| !back.hot_plug || back.device.is_some() || back.tag.is_some()) {
            Some(back) => {
                if waiting.was_hooked && back.device.is_some() {
                    self.state.hooked.insert(name);
                }
                self.config.interfaces.insert(name, back);
            }
            None => self.config.mac.statics.retain(|_, interface| *interface != name),
        }
        for vlan in &waiting.made {
            if !is_used(&self.config, *vlan) {
                self.config.vlans.remove(vlan);
            }
        }
    }

    /// Somebody else changed what was being opened: whoever waited is told, and what is configured now stays.
    pub(crate) fn abandon_waiting(&mut self, name: InterfaceName, why: &str) {
        for waiting in self.waiting.remove(&name).unwrap_or_default() {
            self.reject(waiting.session, waiting.id, &[], LineError::Rejected { text: why.into() });
        }
    }

    /// The operator changes the configuration: an interface whose device line changes is no hook's any more, and one that is
    /// taken out of shutdown is tried again if its device could not be opened, as on IOS.
    pub(crate) fn take_over(&mut self, config: &Config) {
        let old = &self.config.interfaces;
        let device = |interface: Option<&InterfaceConfig>| interface.and_then(|i| i.device.clone());
        self.state.hooked.retain(|name| {
            let now = device(config.interfaces.get(name));
            now.is_some() && now == device(old.get(name))
        });
        let is_shut = |interface: Option<&InterfaceConfig>| interface.is_some_and(|i| i.shutdown);
        self.state.failed.retain(|name, _| !is_shut(old.get(name)) || is_shut(config.interfaces.get(name)));
    }

    /// The configuration to save: a device that a hook plugged in is plugged in again by a hook.
    pub(crate) fn without_hooks(&self) -> Config {
        let mut config = self.config.clone();
        for name in &self.state.hooked {
            if let Some(interface) = config.interfaces.get_mut(name) {
                interface.device = None;
            }
        }
        config
    }

    pub(crate) fn remove_port(&mut self, now: Instant, session: &Session, id: u64, device: &str) {
        let bound = self.config.interfaces.iter().find(|(_, i)| i.device.as_deref() == Some(device)).map(|(n, _)| *n);
        if let Some(name) = bound {
            if !self.state.hooked.contains(&name) {
                let text = format!("{device} is bound to {name} by the configuration: say `no device` there");
                return self.reject(session.id, id, &[], LineError::Rejected { text });
            }
            self.unplug(now, name);
        }
        self.reply(session.id, id, &[], Vec::new());
    }

    /// Takes a hooked interface's device away: an interface that only the hook made goes with it, one with a tag or a place
    /// in the configuration stays for the next.
    pub(crate) fn unplug(&mut self, now: Instant, name: InterfaceName) {
        let mut config = self.config.clone();
        self.state.hooked.remove(&name);
        if let Some(interface) = config.interfaces.get_mut(&name) {
            if interface.hot_plug && interface.tag.is_none() {
                config.interfaces.remove(&name);
                config.mac.statics.retain(|_, interface| *interface != name);
            } else {
                interface.device = None;
            }
        }
        self.set_config(now, config);
    }

    /// The ports that hooks added, as text: read back by [`Switch::restore`]. The index says which device it was.
    pub(crate) fn kept(&self) -> String {
        let mut text = String::new();
        for name in &self.state.hooked {
            print_interface(&self.config, *name).iter().for_each(|line| text += &format!("{line}\n"));
            let device = self.config.interfaces.get(name).and_then(|i| self.state.devices.get(i.device.as_ref()?));
            text += &device.map(|device| format!("{INDEX}{}\n", device.ifindex)).unwrap_or_default();
        }
        text
    }

    /// Reads back what hooks had added; of that, what has no device any more goes as if it vanished now. Another device of
    /// the same name is not given the place of the one that went: hypervisors use names again.
    pub(crate) fn restore(&mut self, now: Instant, text: &str) {
        let (mut lines, mut restored) = (String::new(), Vec::new());
        for section in sections(text) {
            let device = section.device.and_then(|device| self.state.devices.get(device));
            let is_there = device.is_some_and(|device| section.ifindex.is_none_or(|index| index == device.ifindex));
            let shown = section.lines.iter().filter(|line| is_there || !line.starts_with(DEVICE));
            shown.for_each(|line| lines += &format!("{line}\n"));
            // What is kept is all there is to say of an interface: what was saved of it may have been taken back since.
            let saved = self.config.interfaces.insert(section.name, InterfaceConfig::default());
            restored.push((section.name, is_there, saved.is_none()));
        }
        self.load(now, &lines, "kept ports");
        for (name, is_there, is_fresh) in restored {
            let Some(interface) = self.config.interfaces.get_mut(&name) else { continue };
            // Nobody but a hook has made it.
            interface.hot_plug = is_fresh;
            let has_device = interface.device.is_some();
            self.state.hooked.insert(name);
            if !is_there || !has_device {
                self.unplug(now, name);
            }
        }
        (self.kept, self.rekeep) = (text.into(), true);
    }
}

const DEVICE: &str = " device ";
const INDEX: &str = " ! ifindex ";

/// A kept interface.
struct Section<'a> {
    name: InterfaceName,
    lines: Vec<&'a str>,
    device: Option<&'a str>,
    ifindex: Option<u32>,
}

fn sections(text: &str) -> Vec<Section<'_>> {
    let mut sections: Vec<Section> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("interface ").and_then(|name| name.parse().ok()) {
            sections.push(Section { name, lines: vec![line], device: None, ifindex: None });
        } else if let Some(section) = sections.last_mut() {
            match line.strip_prefix(INDEX) {
                Some(index) => section.ifindex = index.parse().ok(),
                None => section.lines.push(line),
            }
            section.device = line.strip_prefix(DEVICE).or(section.device);
        }
    }
    sections
}

struct Plan {
    name: InterfaceName,
    config: Config,
    messages: Vec<String>,
    made: Vec<VlanId>,
}

/// Does anything in the configuration speak of this VLAN?
fn is_used(config: &Config, vlan: VlanId) -> bool {
    let named = config.vlans.get(&vlan).is_some_and(|v| *v != Default::default());
    let interfaces = config.interfaces.values().map(|i| &i.switchport);
    let mut all = interfaces.chain(config.profiles.values().map(|p| &p.switchport));
    named || all.any(|s| s.access_vlan == Some(vlan) || s.trunk_native == Some(vlan))
}

/// The lowest free interface of the slot for hooks.
fn free_name(config: &Config) -> Option<InterfaceName> {
    (1..=4094)
        .map(|number| InterfaceName::port(InterfaceName::HOT_PLUG_SLOT, number))
        .find(|name| !config.interfaces.contains_key(name))
}

fn apply(
    config: &mut Config,
    name: InterfaceName,
    wish: &AddPort,
    messages: &mut Vec<String>,
    made: &mut Vec<VlanId>,
) -> Result<(), Rejected> {
    if let Some(profile) = wish.profile.as_ref().filter(|p| !config.profiles.contains_key(*p)) {
        return Err(format!("there is no port-profile {profile}: configure it first"));
    }
    for vlan in [wish.access_vlan, wish.native_vlan].into_iter().flatten() {
        if is_unsupported_vlan(vlan) {
            return Err(format!("VLAN {vlan} is reserved for FDDI and Token Ring: choose another"));
        }
    }
    if let Some(vlan) = wish.access_vlan.filter(|v| !config.vlans.contains_key(v)) {
        config.vlans.insert(vlan, Default::default());
        messages.push(format!("% Access VLAN does not exist. Creating vlan {vlan}"));
        made.push(vlan);
    }
    let interface = config.interfaces.entry(name).or_default();
    if let Some(profile) = &wish.profile {
        interface.profile = Some(profile.clone());
    }
    if let Some(io) = wish.io {
        interface.io = io;
    }
    if let Some(vlan) = wish.access_vlan {
        interface.switchport.mode = Some(SwitchportMode::Access);
        interface.switchport.access_vlan = Some(vlan);
    }
    if let Some(allowed) = &wish.trunk {
        interface.switchport.mode = Some(SwitchportMode::Trunk);
        interface.switchport.trunk_allowed = Some(allowed.clone()).filter(|v| !v.is_all());
        interface.switchport.trunk_native = wish.native_vlan;
    }
    Ok(())
}
