#!/usr/bin/env python3
"""The documented XML against the live introspection, both ways: members, argument names and
types, access, and annotations that change meaning."""
import asyncio
import pathlib
import sys
import xml.etree.ElementTree as ET

ROOT = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(ROOT / "tests/support"))
from bledtest import Variant, World  # noqa: E402

STANDARD = {"org.freedesktop.DBus.Peer", "org.freedesktop.DBus.Introspectable",
            "org.freedesktop.DBus.Properties", "org.freedesktop.DBus.ObjectManager"}
EMITS = "org.freedesktop.DBus.Property.EmitsChangedSignal"


def members(interface):
    """{member: its shape}, comparable between documentation and introspection."""
    shape = {}
    for node in interface:
        if node.tag in ("method", "signal"):
            args = []
            for arg in node.findall("arg"):
                way = arg.get("direction", "in" if node.tag == "method" else "out")
                args.append((arg.get("name"), arg.get("type"), way))
            shape[f"{node.tag} {node.get('name')}"] = args
        elif node.tag == "property":
            emits = [a.get("value") for a in node.findall("annotation") if a.get("name") == EMITS]
            shape[f"property {node.get('name')}"] = (node.get("type"), node.get("access"),
                                                     emits[0] if emits else "true")
    return shape


def documented():
    found = {}
    for path in sorted((ROOT / "dbus/interfaces").glob("*.xml")):
        for interface in ET.parse(path).getroot().iter("interface"):
            found[interface.get("name")] = interface
    return found


def undocumented(interface):
    """Members without a sentence about them."""
    for node in interface:
        if node.tag in ("method", "signal", "property"):
            text = "".join("".join(d.itertext()) for d in node if d.tag.endswith("doc"))
            if not text.strip():
                yield f"{interface.get('name')}: {node.tag} {node.get('name')} has no documentation"


async def live():
    found = {}
    async with World(controllers=2) as world:
        a = await world.bled("a", adapters=["unix:" + world.hci(0)])
        b = await world.bled("b", adapters=["unix:" + world.hci(1)])
        await a.activate()
        await b.activate()
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 100000, {})
        conn = (await b.call("Central1", "Connect", "ysa{sv}", *await a.address(), {}))[0]
        definition = {"uuid": Variant("s", "2a37"), "flags": Variant("u", 2)}
        handle = (await b.call("GattServer1", "AddService", "saa{sv}a{sv}", "180d", [definition], {}))[1][0]
        for path in ("/org/bled", "/org/bled/hci0", "/org/freedesktop/LogControl1",
                     f"/org/bled/hci0/conn{conn:04x}", f"/org/bled/hci0/char{handle:04x}"):
            xml = await b.introspect(path)
            for interface in ET.fromstring(xml).iter("interface"):
                if interface.get("name") not in STANDARD:
                    found[interface.get("name")] = interface
    return found


def main():
    docs, now = documented(), asyncio.run(live())
    bad = [f"{name}: live, not documented" for name in sorted(set(now) - set(docs))]
    bad += [f"{name}: documented, not live" for name in sorted(set(docs) - set(now))]
    for name in sorted(set(docs) & set(now)):
        want, have = members(docs[name]), members(now[name])
        for member in sorted(set(want) | set(have)):
            if want.get(member) != have.get(member):
                bad.append(f"{name}: {member}: documented {want.get(member)}, "
                           f"live {have.get(member)}")
    for interface in docs.values():
        bad += undocumented(interface)
    for line in bad:
        print(line)
    print(f"{len(docs)} interfaces, {len(bad)} differences")
    return 1 if bad or not docs else 0


sys.exit(main())
