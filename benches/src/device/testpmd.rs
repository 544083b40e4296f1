//! DPDK's testpmd: every frame to the other port, no table.

use crate::rig::{Rig, last_cpu};
use mona_testbed::netns::wait;
use std::path::Path;
use std::time::Duration;

pub fn start(rig: &mut Rig) -> Result<(), String> {
    let namespace = rig.sw_ns.clone();
    let cpu = format!("0,{}", last_cpu());
    let arguments = [
        // Line by line, or nothing is seen before it ends.
        "-oL",
        "/usr/bin/dpdk-testpmd",
        "--no-pci",
        "--no-huge",
        "-m",
        "1024",
        "--no-shconf",
        "-l",
        &cpu,
        "--main-lcore",
        "0",
        "--vdev",
        "net_af_xdp0,iface=p1",
        "--vdev",
        "net_af_xdp1,iface=p2",
        "--",
        "--forward-mode=io",
        "--auto-start",
        "--stats-period=3600",
        "--total-num-mbufs=16384",
        "--disable-link-check",
    ];
    let index = rig.world.spawn(&namespace, Path::new("/usr/bin/stdbuf"), &arguments);
    let started = || rig.world.log(index).contains("Configuring Port 1");
    if !wait(started) && !wait(started) {
        return Err(format!("testpmd: {}", rig.world.log(index)));
    }
    std::thread::sleep(Duration::from_secs(3));
    Ok(())
}
