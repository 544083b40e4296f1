//! `show interfaces switchport`.

use super::wrap;
use mona_model::shown::Interface;
use mona_wire::VlanId;

/// Columns a list of VLANs may take after its caption before it goes on in the next line.
const LIST_WIDTH: usize = 54;

/// One interface.
pub fn draw(i: &Interface) -> Vec<String> {
    if i.routed {
        return vec![format!("Name: {}", i.name.short()), "Switchport: Disabled".into(), String::new()];
    }
    let mode = if i.trunk { "trunk" } else { "static access" };
    let on = |set: bool| if set { "enabled" } else { "disabled" };
    let allowed: Vec<String> = i.allowed.split(',').map(str::to_owned).collect();
    let mut lines = vec![
        format!("Name: {}", i.name.short()),
        "Switchport: Enabled".into(),
        format!("Administrative Mode: {mode}"),
        format!("Operational Mode: {}", if i.up { mode } else { "down" }),
        "Administrative Trunking Encapsulation: dot1q".into(),
    ];
    if i.up {
        lines.push(format!("Operational Trunking Encapsulation: {}", if i.trunk { "dot1q" } else { "native" }));
    }
    lines.extend([
        "Negotiation of Trunking: Off".into(),
        format!("Access Mode VLAN: {}", vlan(i.access_vlan, i.access_vlan_name.as_deref())),
        format!("Trunking Native Mode VLAN: {}", vlan(i.native_vlan, i.native_vlan_name.as_deref())),
        format!("Administrative Native VLAN tagging: {}", on(i.native_tagged)),
        "Voice VLAN: none".into(),
        "Administrative private-vlan host-association: none".into(),
        "Administrative private-vlan mapping: none".into(),
        "Administrative private-vlan trunk native VLAN: none".into(),
        "Administrative private-vlan trunk Native VLAN tagging: enabled".into(),
        "Administrative private-vlan trunk encapsulation: dot1q".into(),
        "Administrative private-vlan trunk normal VLANs: none".into(),
        "Administrative private-vlan trunk associations: none".into(),
        "Administrative private-vlan trunk mappings: none".into(),
        "Operational private-vlan: none".into(),
    ]);
    for (n, part) in wrap(&allowed, ",", LIST_WIDTH).into_iter().enumerate() {
        lines.push(if n == 0 { format!("Trunking VLANs Enabled: {part}") } else { format!("     {part}") });
    }
    lines.extend([
        "Pruning VLANs Enabled: 2-1001".into(),
        "Capture Mode Disabled".into(),
        "Capture VLANs Allowed: ALL".into(),
        String::new(),
        format!("Protected: {}", i.protected),
        format!("Unknown unicast blocked: {}", on(i.block_unicast)),
        format!("Unknown multicast blocked: {}", on(i.block_multicast)),
        "Appliance trust: none".into(),
        String::new(),
    ]);
    lines
}

fn vlan(vlan: VlanId, name: Option<&str>) -> String {
    format!("{vlan} ({})", name.unwrap_or("Inactive"))
}
