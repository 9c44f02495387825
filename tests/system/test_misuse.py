#!/usr/bin/env python3
"""D-Bus calls with every wrong type, key, range and state: the documented error, and nothing else
changes."""
from bledtest import Error, World, main, Variant

INVALID = "org.freedesktop.DBus.Error.InvalidArgs"
NOBODY = (1, "C6:05:04:03:02:01")

# What each option must be; each is given with every other type, and its key misspelt.
OPTIONS = {
    ("Broadcaster1", "Advertise", "ua{sv}", (100000,)): {
        "adv_data": "ay", "resp_data": "ay", "connectable": "b", "scannable": "b", "name": "s",
        "services": "as", "appearance": "q", "manufacturer_data": "a{qay}",
        "service_data": "a{say}", "tx_power": "b", "set": "y", "resume": "b", "extended": "b",
        "primary_phy": "s", "secondary_phy": "s", "sid": "y", "directed": "(ys)",
        "duration_ms": "u", "addr_mode": "y", "wait": "b"},
    ("Observer1", "Scan", "ua{sv}", (1,)): {
        "interval_us": "u", "window_us": "u", "active": "b", "filter_duplicates": "b", "phys": "as",
        "addr_mode": "y", "services": "as", "name_prefix": "s", "addresses": "a(ys)",
        "manufacturers": "aq", "rssi_min": "n", "batch_ms": "u", "wait": "b"},
    ("Observer1", "Discover", "ua{sv}", (1,)): {"limit": "u", "active": "b", "wait": "b"},
    ("Observer1", "AcquireScan", "ua{sv}", (1,)): {"active": "b", "phys": "as"},
    ("Central1", "Connect", "ysa{sv}", NOBODY): {
        "scan_duration_ms": "u", "min_conn_interval_us": "u", "max_conn_interval_us": "u",
        "latency": "q", "supervision_timeout_ms": "u", "phys": "as", "addr_mode": "y", "auto": "b",
        "wait": "b"},
    ("Adapter1", "Attach", "a{sv}", ()): {
        "active": "b", "authorize_reads": "b", "authorize_writes": "b", "read_events": "b"},
    ("Adapter1", "SetActive", "ba{sv}", (True,)): {"force": "b", "wait": "b"},
    ("GattServer1", "RegisterServices", "a(sa(sua(su)))a{sv}", ((),)): {
        "authorize_reads": "b", "authorize_writes": "b", "read_events": "b", "wait": "b"},
    ("GattServer1", "AddService", "saa{sv}a{sv}", ("180d", ())): {
        "primary": "b", "includes": "aq", "handle": "q", "wait": "b"},
    ("GattServer1", "AddCharacteristic", "qa{sv}", (1,)): {
        "uuid": "s", "flags": "u", "value": "ay", "max_len": "q", "append": "b",
        "authorize_reads": "b", "authorize_writes": "b", "read_events": "b",
        "descriptors": "aa{sv}"},
    ("GattServer1", "Notify", "qqa{sv}", (1, 1)): {"value": "ay", "wait": "b"},
    ("GattServer1", "Indicate", "qqa{sv}", (1, 1)): {"value": "ay", "wait": "b"},
    ("GattServer1", "Reply", "uqa{sv}", (1, 0)): {"value": "ay", "wait": "b"},
}
VALUES = {"b": True, "y": 1, "n": 1, "q": 1, "i": 1, "u": 1, "x": 1, "t": 1, "d": 1.0, "s": "x",
          "o": "/x", "ay": b"\x01", "as": ["180d"], "aq": [1], "a(ys)": [[0, "00:11:22:33:44:55"]],
          "(ys)": [0, "00:11:22:33:44:55"], "a{qay}": {1: b"\x01"}, "a{say}": {"180d": b"\x01"},
          "a{sv}": {}, "v": Variant("b", True)}

RANGES = [
    ("Broadcaster1", "Advertise", "ua{sv}", 100000, {"sid": Variant("y", 1)}),
    ("Broadcaster1", "Advertise", "ua{sv}", 100000, {"extended": Variant("b", True),
                                                     "primary_phy": Variant("s", "2m")}),
    ("Observer1", "Discover", "ua{sv}", 1, {"batch_ms": Variant("u", 100)}),
    ("Observer1", "Scan", "ua{sv}", 1, {"phys": Variant("as", ["2m"])}),
    ("Central1", "Connect", "ysa{sv}", *NOBODY, {"phys": Variant("as", ["2m"])}),
    ("Broadcaster1", "Advertise", "ua{sv}", 100000, {"addr_mode": Variant("y", 4)}),
    ("Broadcaster1", "Advertise", "ua{sv}", 100000, {"sid": Variant("y", 16)}),
    ("Broadcaster1", "Advertise", "ua{sv}", 100000, {"set": Variant("y", 255)}),
    ("Broadcaster1", "Advertise", "ua{sv}", 100000, {"primary_phy": Variant("s", "3m")}),
    ("Broadcaster1", "Advertise", "ua{sv}", 100000, {"services": Variant("as", ["18"])}),
    ("Broadcaster1", "Advertise", "ua{sv}", 100000, {"directed": Variant("(ys)", [2, "00:11:22:33:44:55"])}),
    ("Broadcaster1", "Advertise", "ua{sv}", 100000, {"directed": Variant("(ys)", [0, "00:11:22:33:44"])}),
    ("Observer1", "Scan", "ua{sv}", 1, {"window_us": Variant("u", 2000000)}),
    ("Observer1", "Scan", "ua{sv}", 1, {"interval_us": Variant("u", 2499)}),
    ("Observer1", "Scan", "ua{sv}", 1, {"phys": Variant("as", ["4m"])}),
    ("Observer1", "Scan", "ua{sv}", 1, {"services": Variant("as", ["zz"])}),
    ("Observer1", "Scan", "ua{sv}", 1, {"services": Variant("as", ["180d"] * 65)}),
    ("Observer1", "Scan", "ua{sv}", 1, {"batch_ms": Variant("u", 0)}),
    ("Observer1", "Discover", "ua{sv}", 0, {}),
    ("Observer1", "Discover", "ua{sv}", 1, {"limit": Variant("u", 0)}),
    ("Observer1", "Discover", "ua{sv}", 1, {"limit": Variant("u", 1 << 31)}),
    ("Central1", "Connect", "ysa{sv}", 2, "00:11:22:33:44:55", {}),
    ("Central1", "Connect", "ysa{sv}", 0, "", {}),
    ("Central1", "Connect", "ysa{sv}", 0, "00:11:22:33:44:5", {}),
    ("Central1", "Connect", "ysa{sv}", 0, "00:11:22:33:44:5g", {}),
    ("Central1", "Connect", "ysa{sv}", *NOBODY, {"scan_duration_ms": Variant("u", 0)}),
    ("Central1", "Connect", "ysa{sv}", *NOBODY, {"min_conn_interval_us": Variant("u", 7499)}),
    ("Central1", "Connect", "ysa{sv}", *NOBODY, {"min_conn_interval_us": Variant("u", 50000),
                                                 "max_conn_interval_us": Variant("u", 40000)}),
    ("Central1", "Connect", "ysa{sv}", *NOBODY, {"latency": Variant("q", 500)}),
    ("Central1", "Connect", "ysa{sv}", *NOBODY, {"supervision_timeout_ms": Variant("u", 99)}),
    ("Central1", "Connect", "ysa{sv}", *NOBODY, {"latency": Variant("q", 499),
                                                 "supervision_timeout_ms": Variant("u", 100)}),
    ("Central1", "CancelConnect", "ys", 3, "00:11:22:33:44:55"),
]


async def refused(b, name, *call):
    try:
        await b.call(*call)
    except Error as e:
        assert e.name == name, (call, e)
        return e.text
    raise AssertionError(f"{call} was taken")


async def test_wrong_types_and_unknown_keys_name_the_key():
    async with World(controllers=1) as world:
        a = await world.bled("a", ["unix:" + world.hci(0)])
        await a.activate()
        n = 0
        for (interface, method, signature, args), options in OPTIONS.items():
            args = [list(x) if isinstance(x, tuple) else x for x in args]  # keys are hashed
            text = await refused(a, INVALID, interface, method, signature, *args,
                                 {"no_such_key": Variant("b", True)})
            assert "no_such_key" in text, text
            for key, right in options.items():
                for wrong, value in VALUES.items():
                    if wrong == right:
                        continue
                    text = await refused(a, INVALID, interface, method, signature, *args,
                                         {key: Variant(wrong, value)})
                    assert key in text, (key, wrong, text)
                    n += 1
        assert n > 900, n
        assert not a.client.seen("ScanDone") and not a.client.seen("AdvertisingStopped")
        stats = await a.stats()
        assert stats["procedures-open"] == 0, stats


async def test_wrong_ranges():
    async with World(controllers=1) as world:
        a = await world.bled("a", ["unix:" + world.hci(0)])
        await a.activate()
        for call in RANGES:
            await refused(a, INVALID, *call)
        assert (await a.stats())["procedures-open"] == 0


async def test_wrong_signatures():
    async with World(controllers=1) as world:
        a = await world.bled("a", ["unix:" + world.hci(0)])
        await a.activate()
        for interface, method, good in (("Broadcaster1", "Advertise", "ua{sv}"),
                                        ("Observer1", "Scan", "ua{sv}"),
                                        ("Central1", "Connect", "ysa{sv}"),
                                        ("GattServer1", "AddService", "saa{sv}a{sv}"),
                                        ("GattServer1", "Notify", "qqa{sv}"),
                                        ("Link1", "ReadRssi", "q"), ("Adapter1", "Stats", "")):
            for signature in ("", "s", "u", "q", "ua{sv}", "ysa{sv}", "a{sv}"):
                if signature != good:
                    args = {"": (), "s": ("x",), "u": (1,), "q": (1,), "ua{sv}": (1, {}),
                            "ysa{sv}": (0, "x", {}), "a{sv}": ({},)}[signature]
                    await refused(a, INVALID, interface, method, signature, *args)
        await refused(a, "org.freedesktop.DBus.Error.UnknownMethod", "Observer1", "Fly")


async def test_long_text_is_quoted_as_far_as_it_fits():
    """Cut between characters: the bus takes nothing else, and the call would have no answer."""
    async with World(controllers=1) as world:
        a = await world.bled("a", ["unix:" + world.hci(0)])
        await a.activate()
        for text in [x + c * n for x in ("", "x", "xy", "xyz") for c in ("\u00e9", "\u20ac", "\U0001f600")
                     for n in (12, 40, 90, 300)]:
            bad = {"uuid": Variant("s", text), "flags": Variant("u", 2)}
            for call in (("GattServer1", "AddService", "saa{sv}a{sv}", text, [], {}),
                         ("GattServer1", "AddService", "saa{sv}a{sv}", "180d", [bad], {}),
                         ("GattServer1", "RegisterServices", "a(sa(sua(su)))a{sv}", [[text, []]], {}),
                         ("GattServer1", "RegisterServices", "a(sa(sua(su)))a{sv}",
                          [["180d", [["2a37", 2, [[text, 2]]]]]], {}),
                         ("Observer1", "Scan", "ua{sv}", 1, {text: Variant("b", True)}),
                         ("Observer1", "Scan", "ua{sv}", 1, {"services": Variant("as", [text])}),
                         ("Central1", "Connect", "ysa{sv}", 0, text, {})):
                await refused(a, INVALID, *call)


async def test_unknown_connections():
    async with World(controllers=1) as world:
        a = await world.bled("a", ["unix:" + world.hci(0)])
        await a.activate()
        for conn in (0, 1, 7, 0xffff):
            for call in (("UpdateParameters", "qa{sv}", conn, {}), ("ReadRssi", "q", conn),
                         ("SetPhy", "qa{sv}", conn, {}), ("SetDataLength", "qq", conn, 27),
                         ("Stats", "q", conn)):
                text = await refused(a, "org.bled.Error.NotConnected", "Link1", *call)
                assert str(conn) in text, text
            for method in ("Notify", "Indicate"):
                text = await refused(a, "org.bled.Error.NotConnected", "GattServer1", method,
                                     "qqa{sv}", conn, 1, {})
                assert str(conn) in text, text
            assert await a.call("Link1", "Disconnect", "qa{sv}", conn, {}) == [False]


main(*[f for name, f in sorted(globals().items()) if name.startswith("test_")])
