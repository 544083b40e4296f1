//! From typed values to the text that IOS prints, one file per noun. Column widths are those of IOS: clients cut by
//! them, and ntc-templates' `cisco_ios` patterns must match without an error.

mod acl;
mod counters;
mod description;
mod drops;
mod flows;
mod interfaces;
mod ip_cef;
mod ip_interface;
mod ip_neighbour;
mod ip_probe;
mod ip_route;
mod ip_traffic;
mod logging;
mod mac;
mod memory;
mod ports;
mod processes;
mod status;
mod switchport;
mod time;
mod trace;
mod trunk;
mod users;
mod version;
mod vlan;

use ipnet::Ipv4Net;
use mona_model::names::InterfaceName;
use mona_model::shown::Shown;

/// The lines of one piece of output.
pub fn draw(shown: &Shown) -> Vec<String> {
    let mut lines = match shown {
        Shown::Text(lines) => lines.clone(),
        Shown::Version(version) => version::draw(version),
        Shown::Vlans { brief, vlans } => vlan::draw(*brief, vlans),
        Shown::VlanCounters(rows) => vlan::draw_counters(rows),
        Shown::MacTable(rows) => mac::draw(rows),
        Shown::AgingTime(secs) => mac::draw_aging(*secs),
        Shown::MacCount(rows) => mac::draw_count(rows),
        Shown::Interfaces(list) => list.iter().flat_map(interfaces::draw).collect(),
        Shown::Status(list) => status::draw(list),
        Shown::Description(list) => description::draw(list),
        Shown::Switchport(list) => list.iter().flat_map(switchport::draw).collect(),
        Shown::Trunk(list) => trunk::draw(list),
        Shown::Counters(list) => counters::draw(list),
        Shown::Errors(list) => counters::draw_errors(list),
        Shown::AccessLists(lists) => lists.iter().flat_map(acl::draw).collect(),
        Shown::Routes(table) => ip_route::draw(table),
        Shown::Route(table) => table.routes.iter().flat_map(ip_route::draw_one).collect(),
        Shown::RouteSummary(summary) => ip_route::draw_summary(summary),
        Shown::Arp(rows) => ip_neighbour::draw_arp(rows),
        Shown::Neighbors(rows) => ip_neighbour::draw_nd(rows),
        Shown::IpInterfaces(list) => list.iter().flat_map(ip_interface::draw).collect(),
        Shown::IpInterfacesBrief(list) => ip_interface::draw_brief(list),
        Shown::Ip6Interfaces(list) => list.iter().flat_map(ip_interface::draw6).collect(),
        Shown::Ip6InterfacesBrief(list) => ip_interface::draw6_brief(list),
        Shown::Traffic(traffic) => ip_traffic::draw(traffic),
        Shown::Cef(rows) => ip_cef::draw(rows),
        Shown::CefTo(row) => ip_cef::draw_one(row),
        Shown::Ping(ping) => ip_probe::draw_ping(ping),
        Shown::Traceroute(trace) => ip_probe::draw_trace(trace),
        Shown::PlatformPorts(list) => ports::draw(list),
        Shown::PlatformDrops(list) => drops::draw(list),
        Shown::FlowCache(cache) => flows::draw(cache),
        Shown::Flows(list) => flows::draw_flows(list),
        Shown::Logging(logging) => logging::draw(logging),
        Shown::Clock(clock) => vec![clock.clone()],
        Shown::Users(list) => users::draw(list),
        Shown::Processes(all) => processes::draw(all),
        Shown::Memory(pools) => memory::draw(pools),
        Shown::Privilege(level) => vec![format!("Current privilege level is {level}")],
        Shown::Trace(trace) => trace::draw(trace),
        Shown::Port(name) => vec![name.to_string()],
    };
    for line in &mut lines {
        line.truncate(line.trim_end().len());
    }
    lines
}

/// Breaks a list into lines of at most `width` columns, between items. `separator`: `,` stays at the end of a line that
/// goes on (lists of VLANs), of `, ` nothing does (lists of ports): so it is on IOS.
fn wrap(items: &[String], separator: &str, width: usize) -> Vec<String> {
    let end = if separator.ends_with(' ') { "" } else { separator };
    let mut lines = vec![String::new()];
    for (n, item) in items.iter().enumerate() {
        let last = lines.len() - 1;
        let line = &mut lines[last];
        let room = if n + 1 < items.len() { end.len() } else { 0 };
        if line.is_empty() {
            line.push_str(item);
        } else if line.len() + separator.len() + item.len() + room <= width {
            line.push_str(separator);
            line.push_str(item);
        } else {
            line.push_str(end);
            lines.push(item.clone());
        }
    }
    lines
}

/// The first `width` characters.
fn cut(text: &str, width: usize) -> String {
    text.chars().take(width).collect()
}

/// An interface's primary IPv4 address, and whose it is.
fn own_address(net: Ipv4Net, lender: Option<InterfaceName>) -> String {
    match lender {
        Some(lender) => format!("  Interface is unnumbered. Using address of {lender} ({})", net.addr()),
        None => format!("  Internet address is {net}"),
    }
}

/// An address as IOS writes it: IPv6 in capitals.
fn address(ip: impl std::fmt::Display) -> String {
    ip.to_string().to_uppercase()
}

#[cfg(test)]
mod tests {
    #[test]
    fn lists_wrap_between_items() {
        let check = |items: &[&str], separator: &str, expect: &str| {
            let items: Vec<String> = items.iter().map(|s| s.to_string()).collect();
            assert_eq!(super::wrap(&items, separator, 12).join("\n"), expect);
        };
        check(&[], ", ", "");
        check(&["Gi0/1"], ", ", "Gi0/1");
        check(&["Gi0/1", "Gi2"], ", ", "Gi0/1, Gi2");
        check(&["Gi0/1", "Gi0/2", "Gi0/3"], ", ", "Gi0/1, Gi0/2\nGi0/3");
        check(&["1-10", "20", "300-400", "7"], ",", "1-10,20,\n300-400,7");
    }
}
