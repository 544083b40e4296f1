//! What the kernel has of its own: the bridge and `ip_forward`.

use crate::rig::Rig;
use mona_testbed::netns::wait;

pub fn bridge(rig: &mut Rig, nf_call: u8) -> Result<(), String> {
    // Absent without br_netfilter: then both rows are the same.
    let _ = rig
        .world
        .attempt(&rig.sw_ns, &format!("for f in /proc/sys/net/bridge/bridge-nf-call-*; do echo {nf_call} > $f; done"));
    rig.sw("ip link add br0 type bridge && ip link set br0 up");
    rig.sw("ip link set p1 master br0 && ip link set p2 master br0");
    let up = wait(|| rig.sw("bridge link").matches("state forwarding").count() == 2);
    up.then_some(()).ok_or("the bridge does not forward".into())
}

pub fn ip_forward(rig: &mut Rig) -> Result<(), String> {
    rig.sw("sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0");
    rig.sw("sysctl -qw net.ipv4.conf.p1.rp_filter=0 net.ipv4.conf.p2.rp_filter=0");
    rig.sw("ip addr add 198.18.255.254/16 dev p1; ip addr add 198.19.255.254/16 dev p2");
    Ok(())
}
