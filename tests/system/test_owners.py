#!/usr/bin/env python3
"""Who owns what: attached clients, their death, holds, unicast."""
import asyncio

from bledtest import Error, World, main, plain, Variant


async def one(world):
    a = await world.bled("a", ["unix:" + world.hci(0)])
    return a


async def refused(name, coroutine):
    try:
        await coroutine
    except Error as e:
        assert e.name == name, e
        return e.text
    raise AssertionError(f"not refused with {name}")


async def test_attach_holds_the_adapter_active():
    async with World() as world:
        a = await one(world)
        c = await a.new_client()
        await a.call("Adapter1", "Attach", "a{sv}", {"active": Variant("b", True)}, client=c)
        assert await a.get("Adapter1", "Active")
        text = await refused("org.bled.Error.Busy",
                             a.call("Adapter1", "SetActive", "ba{sv}", False, {}))
        assert c.name in text, text
        await a.call("Adapter1", "Detach", client=c)
        assert not await a.get("Adapter1", "Active")
        await a.call("Adapter1", "Attach", "a{sv}", {"active": Variant("b", True)}, client=c)
        await a.call("Adapter1", "SetActive", "ba{sv}", False, {"force": Variant("b", True)})
        assert not await a.get("Adapter1", "Active")


async def test_what_a_client_owns_ends_with_it():
    async with World() as world:
        a = await one(world)
        b = await world.bled("b", ["unix:" + world.hci(1)])
        await a.activate()
        await b.activate()
        c = await a.new_client()
        await a.call("Adapter1", "Attach", "a{sv}", {}, client=c)
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {}, client=c)
        await a.call("Observer1", "Scan", "ua{sv}", 0, {}, client=c)
        conn = (await b.call("Central1", "Connect", "ysa{sv}", *await a.address(), {}))[0]
        await c.expect("CentralConnected")
        assert not a.client.seen("CentralConnected")
        c.close()
        down = await b.client.expect("Disconnected", conn)
        assert down.args[1] == 0x113, down
        stats = await a.stats()
        clients = plain((await a.client.raw(a.name, "/org/bled", "org.bled.Manager1", "Clients"))[0])
        assert not [x for x in clients if x[0] == c.name], clients
        # The daemon's own things are as free as before.
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {})


async def test_detach_replies_when_all_is_gone():
    async with World() as world:
        a = await one(world)
        await a.activate()
        c = await a.new_client()
        await a.call("Adapter1", "Attach", "a{sv}", {}, client=c)
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {}, client=c)
        await a.call("Observer1", "Scan", "ua{sv}", 0, {}, client=c)
        await a.call("Adapter1", "Detach", client=c)
        assert c.seen("AdvertisingStopped") and c.seen("ScanDone")
        assert await a.get("Adapter1", "Active"), "SetActive(true) still holds"


async def test_each_owner_numbers_its_own_sets():
    async with World() as world:
        a = await one(world)
        await a.activate()
        clients = [await a.new_client() for _ in range(3)]
        for c in clients:
            await a.call("Adapter1", "Attach", "a{sv}", {}, client=c)
            assert await a.call("Broadcaster1", "Advertise", "ua{sv}", 50000, {}, client=c) == [0]
        await a.call("Broadcaster1", "StopAdvertising", "y", 0, client=clients[0])
        stop = await clients[0].expect("AdvertisingStopped")
        assert stop.args == [0, 0]
        assert not clients[1].seen("AdvertisingStopped")
        held = plain((await a.client.raw(a.name, "/org/bled", "org.bled.Manager1", "Clients"))[0])
        names = {x[0] for x in held}
        assert {c.name for c in clients} <= names, held


async def test_calls_beyond_64_are_busy():
    async with World() as world:
        a = await one(world)
        await a.activate()
        calls = [asyncio.ensure_future(a.call("Observer1", "Discover", "ua{sv}", 60000, {}))
                 for _ in range(64)]
        await a.client.raw(a.name, "/org/bled", "org.freedesktop.DBus.Peer", "Ping")
        text = await refused("org.bled.Error.Busy",
                             a.call("Observer1", "Discover", "ua{sv}", 60000, {}))
        assert "64" in text, text
        other = await a.new_client()
        await a.call("Adapter1", "Stats", client=other)
        await a.call("Adapter1", "SetActive", "ba{sv}", False, {}, client=other)
        for c in calls:
            await refused("org.bled.Error.NotActive", c)


async def test_a_client_that_does_not_read_is_detached_and_counted():
    async with World() as world:
        a = await one(world)
        b = await world.bled("b", ["unix:" + world.hci(1)])
        await a.activate()
        await b.activate()
        lazy = await a.new_client()
        await a.call("Adapter1", "Attach", "a{sv}", {}, client=lazy)
        await b.call("Broadcaster1", "Advertise", "ua{sv}", 20000, {})
        before = (await a.stats()).get("clients-detached", 0)
        await a.call("Observer1", "Scan", "ua{sv}", 0, {
            "interval_us": Variant("u", 20000), "window_us": Variant("u", 20000)}, client=lazy)
        loop = asyncio.get_running_loop()
        loop.remove_reader(lazy.bus._fd)  # it lives, and reads nothing any more
        # 4096 signals at 40 a second would take too long: many sets make many results.
        for n in range(8):
            await b.call("Broadcaster1", "Advertise", "ua{sv}", 20000, {
                "set": Variant("y", n), "addr_mode": Variant("y", 3),
                "connectable": Variant("b", False)})
        await a.logged("does not read its signals", deadline=60)
        assert (await a.stats())["clients-detached"] == before + 1
        loop.add_reader(lazy.bus._fd, lazy.bus._message_reader)  # it reads again, and is told
        await lazy.expect("Detached", where=lambda s: len(lazy.seen("ScanResult")) >= 4096)


main(*[f for name, f in sorted(globals().items()) if name.startswith("test_")])
