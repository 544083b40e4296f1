#!/usr/bin/env python3
"""netmiko, unmodified, operates swcli as it does a Cisco IOS device.

    netmiko_session.py 'swcli --socket S'

Needs `pip install netmiko`. What netmiko reads by time, not until a prompt, is not used: machines are slow at times.
"""

import shlex
import sys

from netmiko import ConnectHandler
from netmiko.exceptions import ConfigInvalidException

import door

# Commands with a template, and how many rows of the switch of the test they give at least.
PARSED = {
    "show version": 1, "show vlan": 6, "show vlan brief": 6, "show mac address-table": 18, "show mac-address-table": 18,
    "show interfaces": 5, "show interfaces status": 3, "show interfaces description": 5, "show interfaces switchport": 3,
    "show ip route": 4, "show ip route summary": 2, "show ipv6 route": 2, "show ip arp": 2, "show arp": 2,
    "show ip interface": 5, "show ip interface brief": 5, "show ipv6 interface brief": 5, "show ip access-lists": 3,
    "show access-lists": 2, "show ipv6 access-list": 1, "show logging": 1, "show clock": 1, "show users": 1,
    "show processes cpu": 4,
    "ping 127.0.0.1": 1,
}


def main():
    port = door.open_door(shlex.split(sys.argv[1]))
    waits = dict.fromkeys(("conn_timeout", "banner_timeout", "auth_timeout", "read_timeout_override"), 120)
    switch = ConnectHandler(device_type="cisco_ios", host="127.0.0.1", port=port, username=door.USER,
                            password=door.PASSWORD, **waits)
    assert switch.find_prompt() == "s1#", switch.find_prompt()
    switch.enable()
    for command, least in PARSED.items():
        rows = switch.send_command(command, use_textfsm=True, raise_parsing_error=True)
        assert isinstance(rows, list) and len(rows) >= least, f"{command}: {rows}"

    assert not switch.check_config_mode()
    said = switch.send_config_set(["interface gi0/2", "description by netmiko", "exit", "vlan 30", "name green"])
    assert "% " not in said and said.rstrip().endswith("s1#"), said
    try:
        switch.send_config_set(["vlan 30", "nam gren bleu"], error_pattern=r"% Invalid input")
        raise AssertionError("a line that was refused passed")
    except ConfigInvalidException:
        switch.exit_config_mode()

    # Of several lines, all at once, as a person pastes them.
    switch.config_mode()
    switch.write_channel("banner motd ^C\nNobody is to\nexit\n shutdown\n^C\n")
    switch.read_until_pattern(r"\n\^C\r?\n.*\(config\)#")
    switch.exit_config_mode()
    assert "[OK]" in switch.save_config()
    running = switch.send_command("show running-config")
    for wanted in ("description by netmiko", "name green", "banner motd ^C\nNobody is to\nexit\n shutdown\n^C\n"):
        assert wanted in running, running
    saved = switch.send_command("show startup-config")
    assert running[running.index("hostname"):] == saved[saved.index("hostname"):], saved
    assert switch.is_alive()
    switch.disconnect()


main()
