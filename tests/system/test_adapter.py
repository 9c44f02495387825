#!/usr/bin/env python3
"""Adapter1, Manager1, LogControl1: configuration, activity, capture."""
import asyncio
import os
import struct

from bledtest import Error, World, main, plain, Variant


async def refused(name, coroutine):
    try:
        await coroutine
    except Error as e:
        assert e.name == name, e
        return e.text
    raise AssertionError(f"not refused with {name}")


INVALID = "org.freedesktop.DBus.Error.InvalidArgs"


async def test_properties_before_and_after_activation():
    async with World() as world:
        a = await world.bled("a", ["unix:" + world.hci(0)])
        assert await a.get("Adapter1", "Active") is False
        assert await a.get("Adapter1", "Mac") == [0, ""]
        assert await a.get("Adapter1", "Transport") == "unix:" + world.hci(0)
        await a.activate()
        change = await a.client.expect("PropertiesChanged", "org.bled.Adapter1",
                                       where=lambda s: "Active" in s.args[1])
        assert change.args[1]["Active"].value is True
        kind, addr = await a.address()
        assert kind == 0 and len(addr) == 17
        assert await a.get("Adapter1", "Identity") == [kind, addr]
        assert "extended-advertising" in await a.get("Adapter1", "Features")
        assert await a.get("Adapter1", "HciVersion") >= 9
        await a.call("Adapter1", "SetActive", "ba{sv}", False, {})
        assert await a.get("Adapter1", "Mac") == [0, ""]
        assert await a.get("Adapter1", "Identity") == [kind, addr]


async def test_configuration_defaults_ranges_and_change_signals():
    async with World() as world:
        a = await world.bled("a", ["unix:" + world.hci(0)])
        defaults = {"AddrMode": ("y", 0), "GapName": ("s", "bled"), "Appearance": ("q", 0),
                    "RxBuf": ("u", 65536), "Mtu": ("q", 256), "Bond": ("b", True),
                    "Mitm": ("b", False), "Io": ("y", 3), "LeSecure": ("b", False),
                    "Pairable": ("b", True), "PairableTimeout": ("u", 0)}
        for name, (_, value) in defaults.items():
            assert await a.get("Adapter1", name) == value, name
        new = {"AddrMode": 1, "GapName": "Ofen", "Appearance": 833, "RxBuf": 100000, "Mtu": 517,
               "Bond": False, "Mitm": True, "Io": 4, "LeSecure": True, "Pairable": False,
               "PairableTimeout": 60}
        for name, value in new.items():
            await a.set("Adapter1", name, defaults[name][0], value)
            change = await a.client.expect("PropertiesChanged", "org.bled.Adapter1",
                                           where=lambda s, n=name: n in s.args[1])
            assert change.args[1][name].value == value
            assert await a.get("Adapter1", name) == value
        for name, sig, bad in (("AddrMode", "y", 4), ("Mtu", "q", 22), ("Mtu", "q", 518),
                               ("Io", "y", 5), ("GapName", "s", "x" * 249)):
            await refused(INVALID, a.set("Adapter1", name, sig, bad))


async def test_inactive_refuses_what_needs_the_radio():
    async with World() as world:
        a = await world.bled("a", ["unix:" + world.hci(0)])
        for call in (("Broadcaster1", "Advertise", "ua{sv}", 100000, {}),
                     ("Observer1", "Scan", "ua{sv}", 0, {}),
                     ("Observer1", "Discover", "ua{sv}", 10, {}),
                     ("Central1", "Connect", "ysa{sv}", 0, "00:11:22:33:44:55", {}),
                     ("Link1", "Disconnect", "qa{sv}", 1, {})):
            await refused("org.bled.Error.NotActive", a.call(*call))
        await a.call("Observer1", "StopScan")
        await a.call("Broadcaster1", "StopAdvertising", "y", 255)
        await a.call("Central1", "CancelConnect", "ys", 0, "")
        await a.call("Adapter1", "Stats")
        await a.call("Adapter1", "SetActive", "ba{sv}", False, {})


async def test_calls_during_bring_up_wait_for_it():
    async with World() as world:
        a = await world.bled("a", ["unix:" + world.hci(0)])
        up = asyncio.ensure_future(a.activate())
        scan = asyncio.ensure_future(a.call("Observer1", "Scan", "ua{sv}", 100, {}))
        await up
        await scan


async def test_reset_keeps_what_the_daemon_owns():
    async with World() as world:
        a = await world.bled("a", ["unix:" + world.hci(0)])
        await a.activate()
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {})
        await a.call("Adapter1", "Reset", "a{sv}", {})
        assert await a.get("Adapter1", "Active")
        b = await world.bled("b", ["unix:" + world.hci(1)])
        await b.activate()
        await b.call("Central1", "Connect", "ysa{sv}", *await a.address(), {})


async def test_two_adapters_in_one_daemon():
    async with World() as world:
        a = await world.bled("a", ["unix:" + world.hci(0), "unix:" + world.hci(1)])
        adapters = plain((await a.client.raw(a.name, "/org/bled", "org.freedesktop.DBus.Properties",
                                             "Get", "ss", ["org.bled.Manager1", "Adapters"]))[0])
        assert adapters == ["/org/bled/hci0", "/org/bled/hci1"], adapters
        for path in adapters:
            await a.activate(path)
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {})
        target = await a.address()
        await a.call("Central1", "Connect", "ysa{sv}", *target, {}, path="/org/bled/hci1")
        up = await a.client.expect("PeripheralConnected")
        assert up.path == "/org/bled/hci1"
        up = await a.client.expect("CentralConnected")
        assert up.path == "/org/bled/hci0"


async def test_hci_command_is_off_unless_configured():
    async with World() as world:
        a = await world.bled("a", ["unix:" + world.hci(0)])
        await a.activate()
        await refused("org.freedesktop.DBus.Error.AccessDenied",
                      a.call("Adapter1", "HciCommand", "qqay", 4, 9, b""))


async def test_capture_is_btsnoop():
    async with World() as world:
        a = await world.bled("a", ["unix:" + world.hci(0)])
        path = world.dir / "capture.btsnoop"
        await a.activate()
        with open(path, "wb") as f:
            await a.call("Adapter1", "StartCapture", "ha{sv}", 0, {}, fds=[f.fileno()])
        await a.call("Adapter1", "Reset", "a{sv}", {})
        await a.call("Adapter1", "StopCapture")
        data = path.read_bytes()
        assert data[:16] == b"btsnoop\0" + struct.pack(">II", 1, 1002), data[:16]
        original, included, flags, drops = struct.unpack_from(">IIII", data, 16)
        assert original == included == 4 and data[40:44] == bytes([1, 3, 0x0c, 0]), data[16:60]


async def test_log_control():
    async with World() as world:
        a = await world.bled("a", ["unix:" + world.hci(0)])
        path, iface = "/org/freedesktop/LogControl1", "org.freedesktop.LogControl1"
        assert await a.get(iface, "LogLevel", path) == "debug"
        await a.set(iface, "LogLevel", "s", "warning", path)
        assert await a.get(iface, "LogLevel", path) == "warning"
        await refused(INVALID, a.set(iface, "LogLevel", "s", "loud", path))
        assert await a.get(iface, "SyslogIdentifier", path) == "bled"


main(*[f for name, f in sorted(globals().items()) if name.startswith("test_")])
