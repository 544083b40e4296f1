//! Open vSwitch in userspace on AF_XDP: a learning switch, or one rule that routes.

use crate::rig::{Rig, Role, last_cpu};
use mona_testbed::netns::wait;
use std::path::Path;
use std::time::Duration;

pub fn start(rig: &mut Rig) -> Result<(), String> {
    let dir = rig.world.dir.display().to_string();
    let namespace = rig.sw_ns.clone();
    let environment = format!("cd {dir} && export OVS_RUNDIR={dir} OVS_DBDIR={dir} OVS_LOGDIR={dir}");
    let attempt = |rig: &Rig, line: &str| {
        let made = rig.world.attempt(&namespace, &format!("{environment} && {line}"));
        if made.status.success() { Ok(()) } else { Err(format!("ovs: {}", String::from_utf8_lossy(&made.stderr))) }
    };
    attempt(rig, "ovsdb-tool create conf.db /usr/share/openvswitch/vswitch.ovsschema")?;
    let (database, punix) = (format!("{dir}/conf.db"), format!("--remote=punix:{dir}/db.sock"));
    let database_ctl = format!("--unixctl={dir}/db.ctl");
    rig.world.spawn(&namespace, Path::new("/usr/sbin/ovsdb-server"), &[&database, &punix, &database_ctl]);
    if !wait(|| rig.world.dir.join("db.sock").exists()) {
        return Err("ovsdb-server did not start".into());
    }
    let vsctl = format!("ovs-vsctl --timeout=10 --db=unix:{dir}/db.sock");
    attempt(rig, &format!("{vsctl} --no-wait init"))?;
    let mask = format!("other_config:pmd-cpu-mask={:#x}", 1u64 << last_cpu());
    attempt(rig, &format!("{vsctl} --no-wait set Open_vSwitch . {mask}"))?;
    let log = format!("--log-file={dir}/vswitchd.log");
    let remote = format!("unix:{dir}/db.sock");
    let ctl = format!("--unixctl={}", control(rig));
    let run = format!("OVS_RUNDIR={dir}");
    let arguments = [&run, "/usr/sbin/ovs-vswitchd", &remote, &ctl, &log];
    rig.world.spawn(&namespace, Path::new("/usr/bin/env"), &arguments);
    // By default it learns 8,192 stations.
    attempt(
        rig,
        &format!(
            "{vsctl} add-br br0 -- set bridge br0 datapath_type=netdev other_config:mac-table-size=200000 \
             -- add-port br0 p1 -- set interface p1 type=afxdp -- add-port br0 p2 -- set interface p2 type=afxdp"
        ),
    )?;
    std::thread::sleep(Duration::from_secs(2));
    if rig.role == Role::Routed {
        let (router, near, far) = (rig.mac(&namespace, "p2"), rig.mac(&rig.gen_ns, "g0"), rig.mac(&rig.sink_ns, "s0"));
        let rule = |way: &str, to: &str, port: &str| {
            format!("{way},actions=dec_ttl,mod_dl_src:{router},mod_dl_dst:{to},output:{port}")
        };
        for rule in [rule("in_port=p1,ip", &far, "p2"), rule("in_port=p2,ip", &near, "p1")] {
            attempt(rig, &format!("ovs-ofctl add-flow {dir}/br0.mgmt '{rule}'"))?;
        }
    }
    Ok(())
}

/// Where ovs-appctl finds it.
fn control(rig: &Rig) -> String {
    format!("{}/vswitchd.ctl", rig.world.dir.display())
}

/// How many stations it knows.
pub fn stations(rig: &Rig) -> usize {
    rig.sw(&format!("ovs-appctl -t {} fdb/show br0 | tail -n +2 | wc -l", control(rig))).trim().parse().unwrap_or(0)
}
