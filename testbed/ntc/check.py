#!/usr/bin/env python3
"""Do ntc-templates' cisco_ios templates understand what swcli prints?

    check.py GOLDEN_FOLDER              parses swcli/tests/golden/*.txt and asserts key fields
    check.py --swcli 'swcli --socket S' parses what a running switch prints (fields are not known, rows are counted)
    check.py --command 'show vlan' < F  parses stdin

Needs `pip install ntc-templates`.
"""

import json
import pathlib
import shlex
import subprocess
import sys

from ntc_templates.parse import parse_output

# Commands whose output must be parsed, with the golden text and assertions on it: row, field, value.
COMMANDS = {
    "show vlan": ("show_vlan", [(0, "vlan_id", "1"), (0, "interfaces", 10), (1, "vlan_name", "red"),
                                (1, "interfaces", ["Gi0/11", "Gi1/1"]), (3, "status", "act/unsup"), (7, "vlan_id", "4094")]),
    "show vlan brief": ("show_vlan_brief", [(0, "vlan_id", "1"), (0, "interfaces", 10), (7, "vlan_id", "4094")]),
    "show mac address-table": ("show_mac_address-table", [
        (0, "vlan_id", "All"), (0, "destination_port", ["CPU"]), (1, "destination_address", "0011.2233.4455"),
        (1, "type", "DYNAMIC"), (1, "destination_port", ["Gi0/1"]), (3, "vlan_id", "4094")]),
    "show interfaces": ("show_interfaces", [
        (0, "interface", "GigabitEthernet0/1"), (0, "link_status", "up"), (0, "protocol_status", "up (connected)"),
        (0, "mac_address", "0200.0000.0001"), (0, "bia", "0200.0000.0001"), (0, "description", "to the web server"),
        (0, "mtu", "1500"), (0, "duplex", "Full-duplex"), (0, "speed", "10000Mb/s"), (0, "bandwidth", "10000000 Kbit"),
        (0, "input_rate", "1000000"), (0, "output_pps", "750000"), (0, "input_packets", "1234567"),
        (0, "output_packets", "7654321"), (0, "runts", "1"), (0, "giants", "2"), (0, "last_input", "00:00:01"),
        (0, "queue_drops", "7"), (0, "queue_output_drops", "8"), (2, "link_status", "down"), (2, "duplex", "Auto-duplex"),
        (3, "link_status", "administratively down"), (5, "interface", "GigabitEthernet0/6")]),
    "show interfaces status": ("show_interfaces_status", [
        (0, "port", "Gi0/1"), (0, "status", "connected"), (0, "vlan_id", "10"), (0, "duplex", "a-full"),
        (0, "speed", "a-10G"), (1, "vlan_id", "trunk"), (2, "status", "notconnect"), (3, "status", "disabled"),
        (4, "status", "inactive"), (4, "type", "virtual")]),
    "show interfaces description": ("show_interfaces_description", [
        (0, "port", "Gi0/1"), (0, "status", "up"), (0, "protocol", "up"), (0, "description", "to the web server"),
        (3, "status", "admin down")]),
    "show interfaces switchport": ("show_interfaces_switchport", [
        (0, "interface", "Gi0/1"), (0, "mode", "static access"), (0, "access_vlan", "10"), (0, "trunking_vlans", ["ALL"]),
        (1, "admin_mode", "trunk"), (1, "native_vlan", "99"), (1, "trunking_vlans", 40), (2, "mode", "down"),
        (5, "trunking_vlans", ["NONE"])]),
    "show access-lists": ("show_access-lists", [
        (0, "name", "10"), (0, "matches", "12"), (1, "source", "10.1.1.1"), (3, "destination", "host 10.0.0.1"),
        (3, "matches", "1234567"), (4, "source_port", "5000 5010"), (4, "destination_port", "domain")]),
    "show ip access-lists": ("show_access-lists", [
        (1, "src_wildcard", "0.0.0.255"), (1, "matches", "12"), (2, "log", "log"), (5, "dst_port", "www"),
        (6, "src_port_range_end", "5010"), (7, "tcp_flag", "established"), (8, "icmp_type", "echo"), (9, "action", "deny")]),
    "show ipv6 access-list": ("show_ipv6_access-list", [
        (0, "acl_name", "SIX"), (0, "ipv6_destination", "2001:DB8::/32"), (0, "sequence", "10")]),
    "show version": ("show_version", [
        (0, "hostname", "sw1"), (0, "version", "0.1.0"), (0, "uptime", "1 day, 2 hours, 3 minutes"), (0, "uptime_hours", "2"),
        (0, "mac_address", ["02:00:00:00:00:01"]), (0, "serial", ["a1b2c3d4e5f6"]), (0, "software_image", "switchd"),
        (0, "running_image", "/usr/sbin/switchd"), (0, "restarted", "05:00:00 UTC Sat Nov 21 2026"),
        (0, "reload_reason", "power-on"), (0, "config_register", "0xF")]),
    "show logging": ("show_logging", [
        (0, "facility", "LINK"), (0, "severity", "3"), (0, "mnemonic", "UPDOWN"), (1, "facility", "SYS")]),
    "show users": ("show_users", [(0, "user", "root"), (1, "line", "1 vty 0")]),
    "show processes cpu": ("show_processes_cpu", [
        (0, "cpu_usage_5_sec", "12"), (0, "cpu_interruption_5_sec", "10"), (0, "cpu_usage_1_min", "8"),
        (0, "process_cpu_usage_5_sec", "0.25"), (0, "process_name", "control"), (2, "process_pid", "4194303")]),
    "show ip route": ("show_ip_route", [
        (0, "network", "0.0.0.0"), (0, "flag", "*"), (0, "nexthop_ip", "10.0.10.254"), (1, "network", "10.0.0.0"),
        (1, "nexthop_if", "Null0"), (2, "protocol", "C"), (2, "nexthop_if", "Vlan10"), (4, "protocol", "O"),
        (4, "distance", "110"), (4, "metric", "20"), (4, "uptime", "00:01:05"), (5, "nexthop_ip", "10.0.10.3"),
        (6, "uptime", "1d01h"), (7, "network", "172.16.1.0"), (7, "prefix_length", "24"), (9, "prefix_length", "32"),
        (10, "protocol", "K"), (11, "protocol", "D")]),
    "show ip route summary": ("show_ip_route_summary", [
        (0, "route_source", "connected"), (0, "subnets", "4"), (2, "route_source", "bgp"), (3, "route_source", "Total")]),
    "show ipv6 route": ("show_ipv6_route", [
        (0, "network", "::/0"), (0, "nexthop_ip", "FE80::9"), (2, "protocol", "C"), (4, "nexthop_ip", "FE80::3")]),
    "show ip arp": ("show_ip_arp", [
        (0, "age", "-"), (0, "interface", "Vlan10"), (1, "age", "17"), (1, "mac_address", "0011.2233.4455"),
        (2, "mac_address", "Incomplete")]),
    "show ipv6 neighbors": ("show_ipv6_neighbors", [
        (0, "address", "2001:DB8:10::2"), (1, "type", "STALE"), (2, "mac_address", "-"), (3, "age", "-"),
        (3, "interface", "Vl10")]),
    "show ip interface": ("show_ip_interface", [
        (0, "interface", "Loopback0"), (0, "prefix_length", ["32"]), (3, "ip_address", ["10.0.10.1", "10.0.11.1"]),
        (3, "mtu", "1400"), (3, "outgoing_acl", "out-list"), (3, "inbound_acl", "101"),
        (4, "link_status", "administratively down")]),
    "show ip interface brief": ("show_ip_interface_brief", [
        (0, "ip_address", "192.0.2.1"), (1, "ip_address", "unassigned"), (2, "status", "down"), (3, "proto", "up"),
        (4, "status", "administratively down")]),
    "show ipv6 interface brief": ("show_ipv6_interface_brief", [
        (0, "ipv6_address", ["unassigned"]), (3, "interface", "Vlan10"), (3, "ipv6_address", ["FE80::1", "2001:DB8:10::1"]),
        (4, "admin", "administratively down")]),
    "show ip cef": ("show_ip_cef", [
        (0, "nexthop", ["no route"]), (1, "nexthop", ["attached"]), (1, "interface", ["Vlan10"]), (2, "nexthop", ["receive"]),
        (3, "nexthop", ["10.0.10.2", "10.0.10.3"]), (4, "nexthop", ["drop"])]),
    "ping 10.0.10.2": ("ping", [(0, "success_pct", "60"), (0, "success_qty", "3"), (0, "rtt_max", "2")]),
    "traceroute 10.9.0.1": ("traceroute", [(0, "ip_address", "10.0.10.2"), (3, "rtt_response", ["!A", "!A", "!A"])]),
    "show clock": ("show_clock", [(0, "time", "05:00:00.000"), (0, "year", "2026")]),
}


def parse(command, text):
    """The rows that the template finds; a line it does not know is an exception."""
    return parse_output(platform="cisco_ios", command=command, data=text)


def check_golden(folder):
    wrong = 0
    for command, (name, expected) in COMMANDS.items():
        rows = parse(command, (folder / f"{name}.txt").read_text())
        for row, field, value in expected:
            seen = rows[row][field]
            if (len(seen) if isinstance(value, int) else seen) != value:
                print(f"{command}: row {row}: {field} is {seen!r}, not {value!r}")
                wrong += 1
        print(f"{command}: {len(rows)} rows")
    return wrong


def check_switch(swcli):
    wrong = 0
    for command in COMMANDS:
        if not command.startswith("show "):
            continue
        text = subprocess.run(shlex.split(swcli) + ["-c", command], check=True, capture_output=True, text=True).stdout
        try:
            print(f"{command}: {len(parse(command, text))} rows")
        except Exception as error:  # textfsm raises its own kinds
            print(f"{command}: {error}\n{text}")
            wrong += 1
    return wrong


def main(args):
    if args[:1] == ["--swcli"] and len(args) == 2:
        return check_switch(args[1])
    if args[:1] == ["--command"] and len(args) == 2:
        print(json.dumps(parse(args[1], sys.stdin.read()), indent=1))
        return 0
    if len(args) == 1 and not args[0].startswith("-"):
        return check_golden(pathlib.Path(args[0]))
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
