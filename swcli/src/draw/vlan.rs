//! `show vlan`, `show vlan brief`, `show vlan counters`.

use super::{cut, wrap};
use mona_model::shown::{VlanCountersRow, VlanRow};

/// Width of the port list before it wraps.
const PORTS_WIDTH: usize = 31;

/// The first table; unless `brief`, the second as well.
pub fn draw(brief: bool, vlans: &[VlanRow]) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        "VLAN Name                             Status    Ports".into(),
        "---- -------------------------------- --------- -------------------------------".into(),
    ];
    for row in vlans {
        let ports: Vec<String> = row.ports.iter().map(|port| port.short()).collect();
        for (n, ports) in wrap(&ports, ", ", PORTS_WIDTH).into_iter().enumerate() {
            lines.push(match n {
                0 => format!("{:<4} {:<32} {:<9} {ports}", row.vlan, cut(&row.name, 32), row.status),
                _ => format!("{:48}{ports}", ""),
            });
        }
    }
    if !brief {
        lines.extend([
            String::new(),
            "VLAN Type  SAID       MTU   Parent RingNo BridgeNo Stp  BrdgMode Trans1 Trans2".into(),
            "---- ----- ---------- ----- ------ ------ -------- ---- -------- ------ ------".into(),
        ]);
        lines.extend(vlans.iter().map(second));
    }
    lines.push(String::new());
    lines
}

/// `show vlan counters`
pub fn draw_counters(rows: &[VlanCountersRow]) -> Vec<String> {
    let mut lines = vec![
        "VLAN         InFrames         InOctets        OutFrames        OutOctets".into(),
        "---- ---------------- ---------------- ---------------- ----------------".into(),
    ];
    lines.extend(rows.iter().map(|row| {
        let VlanCountersRow { vlan, rx_frames, rx_bytes, tx_frames, tx_bytes } = row;
        format!("{:<4} {rx_frames:>16} {rx_bytes:>16} {tx_frames:>16} {tx_bytes:>16}", vlan.to_string())
    }));
    lines
}

/// A row of the second table: what a VLAN of that number always is.
fn second(row: &VlanRow) -> String {
    let vid = row.vlan.get();
    let (kind, stp, mode) = match vid {
        1002 => ("fddi", "-", "-"),
        1003 => ("tr", "-", "srb"),
        1004 => ("fdnet", "ieee", "-"),
        1005 => ("trnet", "ibm", "-"),
        _ => ("enet", "-", "-"),
    };
    let said = 100_000 + u32::from(vid);
    format!("{vid:<4} {kind:<5} {said:<10} 1500  -      -      -        {stp:<4} {mode:<8} 0      0")
}
