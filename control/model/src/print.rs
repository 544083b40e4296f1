//! The configuration as lines: what `show running-config` shows and the startup-config holds. Every line is one that the
//! grammar reads back.

use crate::acl::ListKind;
use crate::config::Config;
use crate::modes::{Mode, Place};
use crate::names::InterfaceName;
use crate::rows::{self, Does, Row, Said};
use crate::syntax::{Token, paths};

/// Longest line of a list before it is continued with `add`, without the blank in front.
const WIDTH: usize = 79;
/// The one list that can be continued.
const LIST: &str = "allowed vlan <vlans:vlans>";

/// Prints the configuration as `show running-config` does (without `Building configuration...` and the byte count).
/// `startup`: as it is saved: hot-plug interfaces left out, tagged ones without their device line.
pub fn print(config: &Config, startup: bool) -> Vec<String> {
    if startup {
        return print(&saved(config), false);
    }
    let mut lines = Vec::new();
    let mut block = |part: Vec<String>| {
        if !part.is_empty() {
            lines.push("!".to_string());
            lines.extend(part);
        }
    };
    let global = |want: &dyn Fn(&Row) -> bool| said_by(config, Mode::Config, &Place::Global, want);
    block(global(&|row| !row.late));
    for (vlan, settings) in &config.vlans {
        if !rows::is_default_vlan(*vlan) || settings.name.is_some() {
            let place = Place::Vlan([*vlan].into_iter().collect());
            block(section(config, &place));
        }
    }
    for name in config.profiles.keys() {
        block(section(config, &Place::Profile(name.clone())));
    }
    for name in config.interfaces.keys() {
        block(section(config, &Place::Interface(*name)));
    }
    for kind in ListKind::ALL {
        for (name, list) in
            config.access_lists.iter().filter(|(name, list)| list.kind == kind && !rows::in_lines(name, list))
        {
            block(section(config, &Place::AccessList(list.kind, name.clone())));
        }
    }
    block(global(&|row| row.late));
    block(missing_vlans(config));
    lines.push("!".into());
    lines.push("end".into());
    lines
}

/// The text of a startup-config.
pub fn startup(config: &Config) -> String {
    let mut text = String::new();
    for line in print(config, true) {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// What is kept over a restart: a hook adds its ports again, and gives those with a tag their netdev.
fn saved(config: &Config) -> Config {
    let mut saved = config.clone();
    saved.interfaces.retain(|_, interface| !interface.hot_plug || interface.tag.is_some());
    for interface in saved.interfaces.values_mut().filter(|interface| interface.tag.is_some()) {
        interface.device = None;
    }
    saved.mac.statics.retain(|_, name| saved.interfaces.contains_key(name));
    saved
}

/// `interface X` and its lines; empty if there is no such interface.
pub fn print_interface(config: &Config, name: InterfaceName) -> Vec<String> {
    match config.interfaces.contains_key(&name) {
        true => section(config, &Place::Interface(name)),
        false => Vec::new(),
    }
}

/// `port-profile X` and its lines.
pub fn print_profile(config: &Config, name: &str) -> Vec<String> {
    section(config, &Place::Profile(name.into()))
}

/// As [`print`], with what an interface's defaults are (`show running-config all`).
pub fn print_all(config: &Config) -> Vec<String> {
    let mut full = config.clone();
    for name in config.interfaces.keys() {
        full.interfaces.insert(*name, with_defaults(config, *name));
    }
    let mut lines = print(&full, false);
    for (line, wanted) in [
        ("mac address-table aging-time 300", config.mac.aging_secs == Config::AGING_SECS),
        ("no vlan dot1q tag native", !config.tag_native),
        ("logging buffered 1000", config.logging.buffered.is_none()),
    ] {
        if wanted {
            let after = lines.iter().position(|l| l.starts_with("hostname ")).map_or(0, |at| at + 1);
            lines.insert(after, line.into());
        }
    }
    let mut with = Vec::with_capacity(lines.len());
    let mut name = None;
    let close = |name: &mut Option<InterfaceName>, with: &mut Vec<String>| {
        if let Some((name, interface)) = name.take().and_then(|n| config.interfaces.get_key_value(&n)) {
            with.extend(off_lines(config, *name, interface));
        }
    };
    for line in lines {
        if !line.starts_with(' ') {
            close(&mut name, &mut with);
            name = line.strip_prefix("interface ").and_then(|n| n.parse().ok());
        }
        with.push(line);
    }
    with
}

/// `interface X` with what its defaults are.
pub fn print_interface_all(config: &Config, name: InterfaceName) -> Vec<String> {
    let Some(interface) = config.interfaces.get(&name) else { return Vec::new() };
    let mut full = config.clone();
    full.interfaces.insert(name, with_defaults(config, name));
    let mut lines = print_interface(&full, name);
    lines.extend(off_lines(config, name, interface));
    lines
}

fn with_defaults(config: &Config, name: InterfaceName) -> crate::config::InterfaceConfig {
    let mut interface = config.interfaces.get(&name).cloned().unwrap_or_default();
    if name.is_port() {
        interface.mtu.get_or_insert(1500);
    }
    if !name.is_port() || interface.l3.routed {
        if interface.l3.has_ip() {
            interface.l3.ip.arp_timeout.get_or_insert(14_400);
        }
        return interface;
    }
    let effective = config.switchport(&interface);
    interface.switchport.mode = Some(effective.mode);
    interface.switchport.access_vlan = Some(effective.access_vlan);
    interface.switchport.trunk_native = Some(effective.trunk_native);
    interface
}

/// The flags of an interface that are as they are by default.
fn off_lines(config: &Config, name: InterfaceName, interface: &crate::config::InterfaceConfig) -> Vec<String> {
    let switches = name.is_port() && !interface.l3.routed;
    let (ip, ip6) = (&interface.l3.ip, &interface.l3.ipv6);
    let (four, six) = (!switches && interface.l3.has_ip(), !switches && interface.l3.has_ip6());
    let own = &interface.switchport;
    let effective = config.switchport(interface);
    [
        (" no shutdown", !interface.shutdown),
        (" no switchport protected", switches && own.protected.is_none() && !effective.protected),
        (" no switchport block unicast", switches && own.block_unicast.is_none() && !effective.block_unicast),
        (" no switchport block multicast", switches && own.block_multicast.is_none() && !effective.block_multicast),
        (" mac address-table learning", switches && own.learning.is_none() && effective.learning),
        (
            " switchport trunk allowed vlan all",
            switches && own.trunk_allowed.is_none() && effective.trunk_allowed.is_none(),
        ),
        (" ip redirects", four && ip.redirects),
        (" ip unreachables", four && ip.unreachables),
        (" ip proxy-arp", four && ip.proxy_arp),
        (" no ip directed-broadcast", four && !ip.directed_broadcast),
        (" ipv6 redirects", six && ip6.redirects),
        (" ipv6 unreachables", six && ip6.unreachables),
    ]
    .into_iter()
    .filter(|(_, off)| *off)
    .map(|(line, _)| line.to_string())
    .collect()
}

/// A head line and what is said at its place, indented.
fn section(config: &Config, place: &Place) -> Vec<String> {
    let head = place.context().pop().unwrap_or_default();
    let mut lines = vec![head];
    let said = said_by(config, place.mode(), place, &|_| true);
    lines.extend(said.into_iter().map(|line| format!(" {line}")));
    lines
}

/// What the rows of a mode say at a place, as lines.
fn said_by(config: &Config, mode: Mode, place: &Place, want: &dyn Fn(&Row) -> bool) -> Vec<String> {
    let mut lines = Vec::new();
    for row in rows::all().filter(|row| row.modes.contains(&mode) && !row.hidden && want(row)) {
        let Does::Set { get, .. } = row.does else { continue };
        let said = get(config, place);
        // Of a row there may be a million lines.
        let spelling = Spelling::of(row, !said.is_empty());
        for said in said {
            match said {
                Said::Yes(args) if row.syntax.ends_with(LIST) => lines.extend(wrapped(&spelling.line(&args))),
                Said::Yes(args) => lines.push(spelling.line(&args)),
                Said::No(args) => lines.push(format!("no {}", spelling.line(&args))),
                Said::Line(line) => lines.push(line),
            }
        }
    }
    lines
}

/// The ways through a row's syntax, each with the names of its arguments.
struct Spelling(Vec<(Vec<Token>, Vec<&'static str>)>);

impl Spelling {
    fn of(row: &'static Row, wanted: bool) -> Spelling {
        let name = |token: &Token| match token {
            Token::Arg(name, _) => Some(*name),
            Token::Word(_) => None,
        };
        let paths = if wanted { paths(row.syntax) } else { Vec::new() };
        Spelling(paths.into_iter().map(|path| (path.clone(), path.iter().filter_map(name).collect())).collect())
    }

    /// The row's syntax with these arguments in their places. Where it has options, there is an argument for each place of the
    /// longest way, and an empty one stands for what is not said.
    fn line(&self, args: &[String]) -> String {
        let all =
            self.0.iter().map(|(_, names)| &names[..]).find(|names| names.len() == args.len()).unwrap_or_default();
        let is_said = |(_, arg): &(&&str, &String)| !arg.is_empty();
        let said = || all.iter().zip(args).filter(is_said);
        let path = self.0.iter().find(|(_, names)| names.iter().eq(said().map(|(name, _)| name)));
        let (mut line, mut args) = (String::with_capacity(WIDTH), said());
        for token in path.into_iter().flat_map(|(path, _)| path) {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(match token {
                Token::Word(word) => word,
                Token::Arg(..) => args.next().map_or("", |(_, arg)| arg.as_str()),
            });
        }
        line
    }
}

/// `… allowed vlan LIST` over 80 columns goes on in `… allowed vlan add LIST`.
fn wrapped(line: &str) -> Vec<String> {
    let Some((head, list)) = line.split_once("allowed vlan ").filter(|_| line.len() >= WIDTH) else {
        return vec![line.to_string()];
    };
    let mut lines: Vec<String> = Vec::new();
    let mut now = format!("{head}allowed vlan ");
    let mut fresh = true;
    for part in list.split(',') {
        if !fresh && now.len() + part.len() + 1 >= WIDTH {
            lines.push(std::mem::replace(&mut now, format!("{head}allowed vlan add ")));
            fresh = true;
        }
        if !fresh {
            now.push(',');
        }
        now.push_str(part);
        fresh = false;
    }
    lines.push(now);
    lines
}

/// Naming an access VLAN creates it; one that was deleted since must stay so.
fn missing_vlans(config: &Config) -> Vec<String> {
    let of_interfaces = config.interfaces.values().map(|i| &i.switchport);
    let of_profiles = config.profiles.values().map(|p| &p.switchport);
    let missing: crate::names::VlanSet = of_interfaces
        .chain(of_profiles)
        .filter_map(|s| s.access_vlan)
        .filter(|vlan| !config.vlans.contains_key(vlan))
        .collect();
    if missing.is_empty() { Vec::new() } else { vec![format!("no vlan {missing}")] }
}
