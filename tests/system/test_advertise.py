#!/usr/bin/env python3
"""Broadcaster1: payloads, sets, ends."""
import asyncio

from bledtest import Error, World, main, plain, Variant

WINDOW = {"interval_us": Variant("u", 100000), "window_us": Variant("u", 100000),
          "active": Variant("b", True)}


async def pair(world):
    a = await world.bled("a", ["unix:" + world.hci(0)])
    b = await world.bled("b", ["unix:" + world.hci(1)])
    await a.activate()
    await b.activate()
    return a, b


async def heard(b, ms=400, **options):
    """{address: (connectable, fields)} as the other one hears it."""
    found = (await b.call("Observer1", "Discover", "ua{sv}", ms, {**WINDOW, **options}))[0]
    return {entry[1]: (entry[2], plain(entry[4])) for entry in found}


async def refused(name, coroutine):
    try:
        await coroutine
    except Error as e:
        assert e.name == name, e
        return e.text
    raise AssertionError(f"not refused with {name}")


INVALID = "org.freedesktop.DBus.Error.InvalidArgs"


async def test_payload_is_used_again_until_cleared():
    async with World() as world:
        a, b = await pair(world)
        raw = b"\x02\x01\x06\x03\x09Pi"
        assert await a.call("Broadcaster1", "Advertise", "ua{sv}", 50000,
                            {"adv_data": Variant("ay", raw), "resp_data": Variant("ay", b"\x03\xff\x01\x02")}) == [0]
        _, addr = await a.address()
        fields = (await heard(b))[addr][1]
        assert fields["adv_data"] == raw and fields["resp_data"] == b"\x03\xff\x01\x02"
        await a.call("Broadcaster1", "StopAdvertising", "y", 0)
        assert addr not in await heard(b)
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 50000, {})
        assert (await heard(b))[addr][1]["adv_data"] == raw
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 50000, {"adv_data": Variant("ay", b"")})
        fields = (await heard(b))[addr][1]
        assert fields["adv_data"] == b"" and fields["resp_data"] == b"\x03\xff\x01\x02", fields


async def test_what_does_not_fit_moves_to_the_scan_response_or_is_refused():
    async with World() as world:
        a, b = await pair(world)
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 50000, {
            "name": Variant("s", "A rather long name"),
            "services": Variant("as", ["6e400001-b5a3-f393-e0a9-e50e24dcca9e"])})
        fields = (await heard(b))[(await a.address())[1]][1]
        assert fields["name"] == "A rather long name" and fields["resp_data"], fields
        text = await refused(INVALID, a.call("Broadcaster1", "Advertise", "ua{sv}", 50000,
                                             {"name": Variant("s", "x" * 40)}))
        assert "4" in text, text
        text = await refused(INVALID, a.call("Broadcaster1", "Advertise", "ua{sv}", 50000,
                                             {"adv_data": Variant("ay", bytes(32))}))
        assert "32" in text and "31" in text, text
        await refused(INVALID, a.call("Broadcaster1", "Advertise", "ua{sv}", 50000, {
            "adv_data": Variant("ay", b""), "name": Variant("s", "Pi")}))
        assert (await heard(b))[(await a.address())[1]][1]["name"] == "A rather long name", \
            "a refused call changes nothing"


async def test_intervals():
    async with World() as world:
        a, b = await pair(world)
        for bad in (0, 19999, 10240001):
            await refused(INVALID, a.call("Broadcaster1", "Advertise", "ua{sv}", bad, {}))
        for good in (20000, 20001, 10240000):
            await a.call("Broadcaster1", "Advertise", "ua{sv}", good, {})


async def test_several_sets_are_on_the_air_at_once():
    async with World() as world:
        a, b = await pair(world)
        for n in range(3):
            got = await a.call("Broadcaster1", "Advertise", "ua{sv}", 50000, {
                "set": Variant("y", n), "name": Variant("s", f"set {n}"),
                "addr_mode": Variant("y", 3)})
            assert got == [n]
        names = {f.get("name") for _, f in (await heard(b)).values()}
        assert names == {"set 0", "set 1", "set 2"}, names
        await a.call("Broadcaster1", "StopAdvertising", "y", 1)
        stop = await a.client.expect("AdvertisingStopped")
        assert stop.args == [1, 0], stop
        names = {f.get("name") for _, f in (await heard(b)).values()}
        assert names == {"set 0", "set 2"}, names
        await a.call("Broadcaster1", "StopAdvertising", "y", 255)
        assert {s.args[0] for s in a.client.seen("AdvertisingStopped")} == {0, 2}
        assert not await heard(b)


async def test_sets_take_turns_where_the_controller_has_one():
    async with World(air_args=["--le=4.0"]) as world:
        a, b = await pair(world)
        for n in range(2):
            await a.call("Broadcaster1", "Advertise", "ua{sv}", 100000, {
                "set": Variant("y", n), "adv_data": Variant("ay", bytes([3, 9, 0x41, 0x30 + n])),
                "connectable": Variant("b", False)})
        await b.call("Observer1", "Scan", "ua{sv}", 3000, {
            "interval_us": Variant("u", 100000), "window_us": Variant("u", 100000)})
        seen = {s.args[4] for s in b.client.seen("ScanResult")}
        assert {bytes([3, 9, 0x41, 0x30]), bytes([3, 9, 0x41, 0x31])} <= seen, seen


async def test_types_of_advertising():
    async with World() as world:
        a, b = await pair(world)
        kinds = {0: {}, 2: {"connectable": Variant("b", False)},
                 3: {"connectable": Variant("b", False), "scannable": Variant("b", False)}}
        for kind, options in kinds.items():
            await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, options)
            b.client.signals.clear()
            await b.call("Observer1", "Scan", "ua{sv}", 300, {
                "interval_us": Variant("u", 100000), "window_us": Variant("u", 100000)})
            seen = {s.args[2] for s in b.client.seen("ScanResult")}
            assert seen == {kind}, (kind, seen)


async def test_directed_advertising_connects_only_its_peer():
    async with World(controllers=3) as world:
        a, b = await pair(world)
        c = await world.bled("c", ["unix:" + world.hci(2)])
        await c.activate()
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {
            "directed": Variant("(ys)", list(await b.address()))})
        await b.call("Observer1", "Scan", "ua{sv}", 300, {
            "interval_us": Variant("u", 100000), "window_us": Variant("u", 100000)})
        directed = b.client.seen("ScanResult")
        assert directed and {(s.args[2], s.args[4]) for s in directed} == {(1, b"")}, directed
        await refused("org.bled.Error.Timeout", c.call(
            "Central1", "Connect", "ysa{sv}", *await a.address(),
            {"scan_duration_ms": Variant("u", 500)}))
        await b.call("Central1", "Connect", "ysa{sv}", *await a.address(), {})


async def test_duration_and_connection_end_a_set():
    async with World() as world:
        a, b = await pair(world)
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {"duration_ms": Variant("u", 200)})
        stop = await a.client.expect("AdvertisingStopped")
        assert stop.args == [0, 0x401], stop
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {})
        await b.call("Central1", "Connect", "ysa{sv}", *await a.address(), {})
        stop = await a.client.expect("AdvertisingStopped")
        assert stop.args == [0, 0], stop


async def test_extended_sets():
    async with World() as world:
        a, b = await pair(world)
        await refused(INVALID, a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {
            "extended": Variant("b", True), "connectable": Variant("b", False),
            "scannable": Variant("b", False), "adv_data": Variant("ay", bytes(1651))}))
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {
            "extended": Variant("b", True), "secondary_phy": Variant("s", "2m"),
            "adv_data": Variant("ay", b"\x03\x09Pi")})
        await b.call("Central1", "Connect", "ysa{sv}", *await a.address(), {})


async def test_extended_sets_are_scannable_only_on_demand():
    async with World() as world:
        a, b = await pair(world)
        beacon = {"extended": Variant("b", True), "connectable": Variant("b", False)}
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000,
                     {**beacon, "adv_data": Variant("ay", b"\x03\x09Pi")})
        assert (await heard(b))[(await a.address())[1]][1]["name"] == "Pi"
        await a.call("Broadcaster1", "StopAdvertising", "y", 0)
        text = await refused(INVALID, a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {
            **beacon, "scannable": Variant("b", True), "adv_data": Variant("ay", b"\x03\x09Pi")}))
        assert "4 octets" in text and "0 fit" in text, text
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {
            **beacon, "scannable": Variant("b", True), "resp_data": Variant("ay", b"\x03\x09Po")})
        assert (await heard(b))[(await a.address())[1]][1]["name"] == "Po"
        for contradiction in ({"extended": Variant("b", True), "scannable": Variant("b", True)},
                              {"scannable": Variant("b", False)}):
            text = await refused(INVALID, a.call("Broadcaster1", "Advertise", "ua{sv}", 30000,
                                                 contradiction))
            assert "scannable" in text, text


async def test_directed_set_drops_the_payload_it_cannot_have():
    async with World() as world:
        a, b = await pair(world)
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {"name": Variant("s", "Pi")})
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000,
                     {"directed": Variant("(ys)", list(await b.address()))})
        await b.call("Central1", "Connect", "ysa{sv}", *await a.address(), {})


async def test_ended_set_is_held_no_more():
    async with World() as world:
        a, b = await pair(world)
        c = await a.new_client()
        await a.call("Adapter1", "Attach", "a{sv}", {}, client=c)

        async def holds():
            clients = (await a.client.raw(a.name, "/org/bled", "org.bled.Manager1", "Clients"))[0]
            return [str(plain(x[2])) for x in clients if x[0] == c.name]
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {}, client=c)
        assert "advertisements" in (await holds())[0]
        await a.call("Broadcaster1", "StopAdvertising", "y", 0, client=c)
        assert "advertisements" not in (await holds())[0]


async def test_stop_and_start_cross():
    """A set that is stopped while it starts, and started while it stops."""
    async with World() as world:
        a, b = await pair(world)
        first = asyncio.ensure_future(a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {}))
        stop = asyncio.ensure_future(a.call("Broadcaster1", "StopAdvertising", "y", 0))
        again = asyncio.ensure_future(a.call("Broadcaster1", "Advertise", "ua{sv}", 30000,
                                             {"name": Variant("s", "two")}))
        try:  # the controller may have been faster than the call to stop
            assert await first == [0]
        except Error as e:
            assert e.name == "org.bled.Error.Canceled", e
        assert await stop == [] and await again == [0]
        stop = asyncio.ensure_future(a.call("Broadcaster1", "StopAdvertising", "y", 255))
        again = asyncio.ensure_future(a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {}))
        assert await stop == [] and await again == [0]
        await a.client.expect("AdvertisingStopped", 0, 0)
        assert (await heard(b))[(await a.address())[1]][1]["name"] == "two", "the last payload"
        assert (await a.stats())["advertisements-open"] == 1


async def test_tx_power_is_the_controllers_figure():
    async with World() as world:
        a, b = await pair(world)
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {"tx_power": Variant("b", True)})
        fields = (await heard(b))[(await a.address())[1]][1]
        assert -127 <= fields["tx_power"] <= 20, fields


async def test_address_modes_are_on_the_air():
    async with World() as world:
        a, b = await pair(world)
        first = {1: 0xc0, 2: 0x40, 3: 0x00}
        for mode in (0, 1, 2, 3):
            await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {
                "addr_mode": Variant("y", mode), "name": Variant("s", f"mode {mode}")})
            found = (await b.call("Observer1", "Discover", "ua{sv}", 300, {
                **WINDOW, "name_prefix": Variant("s", f"mode {mode}")}))[0]
            assert len(found) == 1, found
            kind, addr = found[0][0], found[0][1]
            assert kind == (mode != 0), found
            if mode:
                assert int(addr[:2], 16) & 0xc0 == first[mode], (mode, addr)


main(*[f for name, f in sorted(globals().items()) if name.startswith("test_")])
