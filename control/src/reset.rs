//! `switchd --reset`: takes away what a switch of this name that is no more left on the host, for who does not want it back:
//! netdevs, routes, backplanes, pins, and the settings of devices. Nothing else is touched, and nothing while it runs.

use crate::host::Host;
use crate::import::PROTOCOL;
use crate::request::Requests;
use ipnet::IpNet;
use mona_datapath::io::reset::Reset;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage as Message};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::{fs, io};

/// What was found, a line each; and what could not be removed, if it was to be. `run`: the switch's `--run`.
pub fn reset(name: &str, run: &Path, only_list: bool) -> Result<(Vec<String>, Vec<String>), String> {
    let datapath = Reset::of(name, &run.join(format!("{name}.devices"))).map_err(|e| e.0)?;
    let mut requests = Requests::open().map_err(|e| format!("netlink: {e}"))?;
    let say = |e: io::Error| format!("netlink: {e}");
    let netdevs = Host::new(name).netdevs(&mut requests).map_err(say)?;
    // Several switches in one network namespace have one protocol number: the routes are of them all.
    let alone = !Host::others(name, &mut requests).map_err(say)?;
    let routes = routes(&mut requests).map_err(say)?;
    let ours: Vec<&RouteMessage> =
        routes.iter().filter(|route| alone || outputs(route).any(|index| netdevs.contains_key(&index))).collect();
    let memory = run.join(format!("{name}.neighbours"));
    let mut found: Vec<String> = netdevs.values().map(|netdev| format!("netdev {netdev}")).collect();
    found.extend(ours.iter().map(|route| format!("route {}", prefix(route).map_or("?".into(), |p| p.to_string()))));
    found.extend(datapath.list());
    found.extend(memory.exists().then(|| memory.display().to_string()));
    if only_list {
        return Ok((found, Vec::new()));
    }
    let mut wrong = remove_routes(&mut requests, ours).map_err(say)?;
    wrong.extend(remove_netdevs(&mut requests, &netdevs).map_err(say)?);
    wrong.extend(datapath.remove());
    if let Err(e) = fs::remove_file(&memory)
        && e.kind() != io::ErrorKind::NotFound
    {
        wrong.push(format!("{}: {e}", memory.display()));
    }
    Ok((found, wrong))
}

fn remove_routes(requests: &mut Requests, routes: Vec<&RouteMessage>) -> io::Result<Vec<String>> {
    // As ip-route(8) does: the message that told of it, back.
    let batch = routes.iter().map(|route| (Message::DelRoute((*route).clone()), 0)).collect();
    let results = requests.ask(batch)?.into_iter().zip(routes);
    let wrong = results.filter_map(|(result, route)| Some((result.err()?, prefix(route)?)));
    Ok(wrong.map(|(e, prefix)| format!("route {prefix}: {e}")).collect())
}

/// The other ends go with them.
fn remove_netdevs(requests: &mut Requests, netdevs: &BTreeMap<u32, String>) -> io::Result<Vec<String>> {
    let message = |index: &u32| {
        let mut message = LinkMessage::default();
        message.header.index = *index;
        (Message::DelLink(message), 0)
    };
    let results = requests.ask(netdevs.keys().map(message).collect())?.into_iter().zip(netdevs.values());
    Ok(results.filter_map(|(result, name)| Some(format!("netdev {name}: {}", result.err()?))).collect())
}

/// The routes of switches in the main table.
fn routes(requests: &mut Requests) -> io::Result<Vec<RouteMessage>> {
    let mut all = Vec::new();
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let mut question = RouteMessage::default();
        question.header.address_family = family;
        all.extend(requests.dump(Message::GetRoute(question))?);
    }
    let route = |message| if let Message::NewRoute(route) = message { Some(route) } else { None };
    let is_ours = |route: &RouteMessage| {
        route.header.protocol == RouteProtocol::from(PROTOCOL) && route.header.table == RouteHeader::RT_TABLE_MAIN
    };
    Ok(all.into_iter().filter_map(route).filter(is_ours).collect())
}

/// The netdevs it leaves by.
fn outputs(route: &RouteMessage) -> impl Iterator<Item = u32> + '_ {
    route.attributes.iter().flat_map(|attribute| match attribute {
        RouteAttribute::Oif(index) => vec![*index],
        RouteAttribute::MultiPath(hops) => hops.iter().map(|hop| hop.interface_index).collect(),
        _ => Vec::new(),
    })
}

fn prefix(route: &RouteMessage) -> Option<IpNet> {
    let destination = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(RouteAddress::Inet(ip)) => Some(IpAddr::V4(*ip)),
        RouteAttribute::Destination(RouteAddress::Inet6(ip)) => Some(IpAddr::V6(*ip)),
        _ => None,
    });
    let all = match route.header.address_family {
        AddressFamily::Inet => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        _ => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    IpNet::new(destination.unwrap_or(all), route.header.destination_prefix_length).ok()
}
