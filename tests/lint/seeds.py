#!/usr/bin/env python3
"""seeds.txt maps all of MicroPython's `bluetooth` and Pycom's characteristic: every row's D-Bus member,
Python call and tests are there, and no method, value, event, flag or constant is without a row."""
import importlib
import pathlib
import re
import sys
import xml.etree.ElementTree as ET

TEST = {".c": r"START_TEST\({}\)", ".py": r"async def {}\("}
SECTIONS = {  # what must be there, and no more
    "method": ["BLE", "BLE.active", "BLE.config", "BLE.irq", "BLE.gap_advertise", "BLE.gap_scan",
               "BLE.gap_connect", "BLE.gap_disconnect", "BLE.gatts_register_services",
               "BLE.gatts_read", "BLE.gatts_write", "BLE.gatts_notify", "BLE.gatts_indicate",
               "BLE.gatts_set_buffer", "BLE.gattc_discover_services",
               "BLE.gattc_discover_characteristics", "BLE.gattc_discover_descriptors",
               "BLE.gattc_read", "BLE.gattc_write", "BLE.gattc_exchange_mtu", "BLE.l2cap_listen",
               "BLE.l2cap_connect", "BLE.l2cap_disconnect", "BLE.l2cap_send", "BLE.l2cap_recvinto",
               "BLE.gap_pair", "BLE.gap_passkey", "UUID"],
    "config": ["mac", "addr_mode", "gap_name", "rxbuf", "mtu", "bond", "mitm", "io", "le_secure"],
    "event": list(range(1, 32)),
    "flag": [0x0001, 0x0002, 0x0004, 0x0008, 0x0010, 0x0020, 0x0040, 0x0100, 0x0200, 0x0400, 0x0800,
             0x1000, 0x2000, 0x4000],
    "addr_mode": [0, 1, 2, 3], "addr_type": [0, 1], "adv_type": [0, 1, 2, 3, 4],
    "io": [0, 1, 2, 3, 4], "read_answer": [0x00, 0x02, 0x03, 0x05, 0x08, 0x0f],
    "passkey_action": [0, 2, 3, 4], "write_mode": [0, 1],
    "pycom": ["Bluetooth", "Bluetooth.set_advertisement", "Bluetooth.advertise", "Bluetooth.callback",
              "Bluetooth.events", "Bluetooth.service", "service.characteristic",
              "characteristic.value", "characteristic.events", "characteristic.event",
              "characteristic.callback", "handler", "CHAR_READ_EVENT", "CHAR_WRITE_EVENT",
              "CLIENT_CONNECTED", "CLIENT_DISCONNECTED"],
}


def rows(text):
    """(section, name, number or None, D-Bus members, Python calls, tests)"""
    for line in re.sub(r"\n[ \t]+", " ", text).splitlines():
        if not line or line.startswith("#"):
            continue
        what, members, calls, tests = (part.strip() for part in line.split("|"))
        section, name, *number = what.split()
        yield section, name, int(number[0], 16) if number else None, members, calls, tests


def members(root):
    found = {}
    for path in (root / "dbus/interfaces").glob("*.xml"):
        words = set(re.findall(r"\w+", path.read_text()))
        for interface in ET.parse(path).getroot().iter("interface"):
            for node in interface:
                name = f"{interface.get('name').removeprefix('org.bled.')}.{node.get('name')}"
                found[name] = words
    return found


def has_test(tests, name):
    path, _, function = name.partition(":")
    file = tests / path
    return bool(function) and file.suffix in TEST and file.exists() and bool(
        re.search(TEST[file.suffix].format(re.escape(function)), file.read_text()))


def has_call(name):
    parts = name.split(".")
    module = "bled.pycom" if parts[0] == "pycom" else "bled.micropython"
    thing = importlib.import_module(module)
    if parts[0] in ("events", "bluetooth"):
        thing = importlib.import_module("bled.micropython.events" if parts[0] == "events" else
                                        "bluetooth")
    for part in parts[1:]:
        if not hasattr(thing, part):
            return None
        thing = getattr(thing, part)
    return thing


def main():
    root = pathlib.Path(sys.argv[1])
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(root / "dbus/python"))
    table = list(rows((root / "tests/lint/seeds.txt").read_text()))
    there, bad, named = members(root), [], set()
    for section, wanted in SECTIONS.items():
        has = [r[1] if r[2] is None else r[2] for r in table if r[0] == section]
        if sorted(has) != sorted(wanted):
            bad.append(f"{section}: {set(has) ^ set(wanted) or 'a row is there twice'}")
    for section, name, number, of, calls, tests in table:
        if section not in SECTIONS:
            bad.append(f"{section} {name}: no such section")
        for member in of.split():
            member, _, word = member.partition(":")
            if member != "-" and (member not in there or word and word not in there[member]):
                bad.append(f"{name}: {member} {word} is not in the interfaces")
        for call in calls.split():
            thing = None if call == "-" else has_call(call)
            if call != "-" and thing is None:
                bad.append(f"{name}: there is no {call}")
            if number is not None and isinstance(thing, int) and thing != number:
                bad.append(f"{name}: {call} is {thing}, not {number}")
        if not tests:
            bad.append(f"{name}: no test")
        named.update(tests.split())
    bad += [f"{name}: no such test" for name in sorted(named) if not has_test(root / "tests", name)]
    for line in bad:
        print(line)
    print(f"{len(table)} rows, {len(named)} tests")
    return 1 if bad or not table else 0


sys.exit(main())
