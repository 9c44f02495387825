#!/usr/bin/env python3
"""Controllers that are missing, vanish, come back; ends and restarts of the daemon."""
import asyncio
import signal

from bledtest import Error, World, main, Variant


async def refused(name, coroutine):
    try:
        await coroutine
    except Error as e:
        assert e.name == name, e
        return e.text
    raise AssertionError(f"not refused with {name}")


async def test_absent_controller_is_an_object_and_is_taken_when_it_appears():
    async with World(air=False) as world:
        a = await world.bled("a", [f"unix:{world.dir}/air/hci0"], args=[])
        assert await a.get("Adapter1", "Active") is False
        assert await a.get("Adapter1", "Mac") == [0, ""]
        text = await refused("org.bled.Error.NotReady",
                             a.call("Adapter1", "SetActive", "ba{sv}", True, {}))
        assert "hci0" in text, text
        await world.start_air()
        await a.activate()
        assert await a.get("Adapter1", "Active")


async def test_lost_controller_is_noticed_and_restored():
    async with World() as world:
        a = await world.bled("a", ["unix:" + world.hci(0)])
        await a.activate()
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 50000, {"name": Variant("s", "back")})
        await a.call("Observer1", "Scan", "ua{sv}", 0, {})
        c = await a.new_client()
        await a.call("Adapter1", "Attach", "a{sv}", {}, client=c)
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 50000, {}, client=c)
        a.client.signals.clear()
        world.air.kill()
        await world.air.wait()
        failed = await a.client.expect("Failed")
        assert failed.args[0], failed
        stop = await a.client.expect("AdvertisingStopped")
        assert stop.args == [0, 0x405], stop
        await a.client.expect("ScanDone")
        stop = await c.expect("AdvertisingStopped")
        await a.client.expect("PropertiesChanged", where=lambda s: "Active" in s.args[1])
        assert await a.get("Adapter1", "Active") is False
        await refused("org.bled.Error.NotActive", a.call("Observer1", "Scan", "ua{sv}", 0, {}))
        await world.start_air()
        back = await a.client.expect(
            "PropertiesChanged", where=lambda s: s.args[1].get("Active") == Variant("b", True))
        b = await world.bled("b", ["unix:" + world.hci(1)])
        await b.activate()
        found = (await b.call("Observer1", "Discover", "ua{sv}", 1000, {
            "interval_us": Variant("u", 100000), "window_us": Variant("u", 100000),
            "active": Variant("b", True)}))[0]
        names = [e[4]["name"].value for e in found if "name" in e[4]]
        assert names == ["back"], found
        assert len(found) == 1, "what a client owned is not restored"


async def test_controller_dies_in_the_middle_of_everything():
    async with World() as world:
        a = await world.bled("a", ["unix:" + world.hci(0)])
        b = await world.bled("b", ["unix:" + world.hci(1)])
        for x in (a, b):
            await x.activate()
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {})
        conn = (await b.call("Central1", "Connect", "ysa{sv}", *await a.address(), {}))[0]
        calls = [asyncio.ensure_future(c) for c in (
            b.call("Observer1", "Scan", "ua{sv}", 60000, {}),
            b.call("Observer1", "Discover", "ua{sv}", 60000, {}),
            b.call("Central1", "Connect", "ysa{sv}", 1, "C6:05:04:03:02:01",
                   {"scan_duration_ms": Variant("u", 60000)}))]
        await b.stats()
        for x in (a, b):
            x.client.signals.clear()
        world.air.kill()
        for c in calls:
            await refused("org.bled.Error.NotActive", c)
        down = await b.client.expect("PeripheralDisconnected", conn)
        await b.client.expect("Failed")
        await world.start_air()
        for x in (a, b):
            await x.client.expect(
                "PropertiesChanged", where=lambda s: s.args[1].get("Active") == Variant("b", True))
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {})
        assert await b.call("Central1", "Connect", "ysa{sv}", *await a.address(), {}) == [2]


async def test_sigterm_ends_in_order_and_exits_zero():
    async with World() as world:
        a = await world.bled("a", ["unix:" + world.hci(0)])
        b = await world.bled("b", ["unix:" + world.hci(1)])
        for x in (a, b):
            await x.activate()
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {})
        conn = (await b.call("Central1", "Connect", "ysa{sv}", *await a.address(), {}))[0]
        await b.call("Observer1", "Scan", "ua{sv}", 0, {})
        b.client.signals.clear()
        assert await b.stop() == 0
        await b.client.expect("NameOwnerChanged", b.name)
        members = [s.member for s in b.client.signals]
        for member in ("ScanDone", "Disconnected", "PeripheralDisconnected", "InterfacesRemoved"):
            assert member in members, members
        down = await a.client.expect("Disconnected")
        assert down.args[1] == 0x113, down


async def test_static_address_survives_restart():
    async with World() as world:
        a = await world.bled("a", ["unix:" + world.hci(0)])
        await a.set("Adapter1", "AddrMode", "y", 1)
        await a.activate()
        kind, addr = await a.address()
        assert kind == 1 and int(addr[:2], 16) & 0xc0 == 0xc0
        assert await a.stop() == 0
        a = await world.bled("a", ["unix:" + world.hci(0)], name="org.bled")
        await a.set("Adapter1", "AddrMode", "y", 1)
        await a.activate()
        assert await a.address() == (kind, addr)


async def test_kill_leaves_nothing_in_the_way_of_the_next():
    async with World() as world:
        a = await world.bled("a", ["unix:" + world.hci(0)])
        await a.activate()
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {})
        assert await a.stop(signal.SIGKILL) == -signal.SIGKILL
        a = await world.bled("a", ["unix:" + world.hci(0)], name="org.bled")
        await a.activate()


main(*[f for name, f in sorted(globals().items()) if name.startswith("test_")])
