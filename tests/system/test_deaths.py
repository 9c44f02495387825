#!/usr/bin/env python3
"""Clients that are killed (SIGKILL, in a process of their own) in the middle of every procedure."""
import asyncio

from bledtest import DEADLINE, World, main, plain, Variant

NOBODY = [1, "C6:05:04:03:02:01"]
ATTACH = ["Adapter1", "Attach", "a{sv}", [{}], True]


def v(signature, value):
    return {"v": [signature, value]}


def call(interface, member, signature, *args, wait=False):
    return [interface, member, signature, list(args), wait]


def steps(peer):
    """Name, and the calls; the last one is where the client is killed."""
    advertise = call("Broadcaster1", "Advertise", "ua{sv}", 30000, {})
    connect = call("Central1", "Connect", "ysa{sv}", *peer, {})
    nobody = call("Central1", "Connect", "ysa{sv}", *NOBODY, {"scan_duration_ms": v("u", 60000)})
    done = lambda c: c[:4] + [True]
    return {
        "nothing": [],
        "advertise": [advertise],
        "advertising": [done(advertise)],
        "advertising again": [done(advertise), call("Broadcaster1", "Advertise", "ua{sv}", 50000,
                                                    {"connectable": v("b", False)})],
        "advertising stopped": [done(advertise), call("Broadcaster1", "StopAdvertising", "y", 255)],
        "advertise stopped at once": [advertise, call("Broadcaster1", "StopAdvertising", "y", 0)],
        "scan": [call("Observer1", "Scan", "ua{sv}", 0, {})],
        "scanning": [call("Observer1", "Scan", "ua{sv}", 0, {}, wait=True)],
        "scanning for a while": [call("Observer1", "Scan", "ua{sv}", 60000, {})],
        "scanning in batches": [call("Observer1", "Scan", "ua{sv}", 0, {"batch_ms": v("u", 60000)},
                                     wait=True)],
        "scanning anew": [call("Observer1", "Scan", "ua{sv}", 60000, {}),
                          call("Observer1", "Scan", "ua{sv}", 60000, {"active": v("b", True)})],
        "scan stopped": [call("Observer1", "Scan", "ua{sv}", 60000, {}),
                         call("Observer1", "StopScan", "")],
        "discover": [call("Observer1", "Discover", "ua{sv}", 60000, {})],
        "stream": [call("Observer1", "AcquireScan", "ua{sv}", 0, {}, wait=True)],
        "connect": [connect],
        "connect to nobody": [nobody],
        "connect twice": [nobody, call("Central1", "Connect", "ysa{sv}", 1, "C6:05:04:03:02:02",
                                       {"scan_duration_ms": v("u", 60000)})],
        "connect cancelled": [nobody, call("Central1", "CancelConnect", "ys", 0, "")],
        "connect auto": [call("Central1", "Connect", "ysa{sv}", *NOBODY, {"auto": v("b", True)},
                              wait=True)],
        "connected": [done(connect)],
        "connected and auto": [done(connect), call("Central1", "Connect", "ysa{sv}", *peer,
                                                   {"auto": v("b", True)}, wait=True)],
        "detach": [done(connect), call("Adapter1", "Detach", "")],
    }


async def idle(b, victim=None):
    """Waits until nothing is left: what ends tells nobody when its owner is dead, so this asks."""
    keys = ("procedures-open", "advertisements-open", "scans-open", "connect-open", "links-open",
            "clients-attached")

    async def wait():
        while True:
            stats = await b.stats()
            open_now = {k: stats[k] for k in keys if stats[k]}
            clients = (await b.client.raw(b.name, "/org/bled", "org.bled.Manager1", "Clients"))[0]
            if not open_now and stats["calls-open"] <= 1 and \
                    not (victim and any(c[0] == victim["name"] for c in clients)):
                return
            wait.seen = open_now, stats["calls-open"], clients
    try:
        await asyncio.wait_for(wait(), DEADLINE)
    except asyncio.TimeoutError:
        raise AssertionError(f"left over: {wait.seen}") from None


async def tidy(b):
    """What unattached clients leave is the daemon's: any other unattached client ends it."""
    await b.call("Broadcaster1", "StopAdvertising", "y", 255)
    await b.call("Observer1", "StopScan")
    await b.call("Central1", "CancelConnect", "ys", 0, "")
    objects = (await b.client.raw(b.name, "/org/bled", "org.freedesktop.DBus.ObjectManager",
                                  "GetManagedObjects"))[0]
    for path in objects:
        if "/conn" in path:
            await b.call("Link1", "Disconnect", "qa{sv}", int(path[-4:], 16),
                         {"force": Variant("b", True)})


async def works(b, peer):
    """The next operations."""
    await b.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {})
    await b.call("Observer1", "Scan", "ua{sv}", 0, {})
    conn = (await b.call("Central1", "Connect", "ysa{sv}", *peer, {}))[0]
    assert await b.call("Link1", "Disconnect", "qa{sv}", conn, {}) == [True]
    await tidy(b)
    await idle(b)


async def world_of_two(world):
    a = await world.bled("a", ["unix:" + world.hci(0)])
    b = await world.bled("b", ["unix:" + world.hci(1)])
    await a.activate()
    await b.activate()
    await a.call("Broadcaster1", "Advertise", "ua{sv}", 20000, {"resume": Variant("b", True)})
    return a, b, await a.address()


async def die_at_every_step(first, sync):
    async with World(air_args=["--pace=none"]) as world:
        a, b, peer = await world_of_two(world)
        for name, calls in steps(peer).items():
            try:
                victim = await world.victim(b, *first, *calls, sync=sync)
                await world.kill(victim, b.client)
                if not first:
                    await tidy(b)
                await idle(b, victim)
                await works(b, peer)
            except Exception as e:
                raise AssertionError(f"after death at: {name}") from e


async def test_attached_client_dies_at_every_step():
    await die_at_every_step([ATTACH], True)


async def test_attached_client_dies_before_its_calls_are_taken():
    await die_at_every_step([ATTACH], False)


async def test_unattached_client_dies_at_every_step():
    await die_at_every_step([], True)


async def test_client_dies_in_every_procedure_of_a_connection():
    procedures = [
        ("Disconnect", "qa{sv}", {}), ("ReadRssi", "q"), ("SetDataLength", "qq", 100),
        ("UpdateParameters", "qa{sv}", {"min_conn_interval_us": v("u", 60000),
                                        "max_conn_interval_us": v("u", 60000)}),
        ("SetPhy", "qa{sv}", {"tx": v("as", ["2m"]), "rx": v("as", ["2m"])}), ("Stats", "q")]
    async with World() as world:
        a, b, peer = await world_of_two(world)
        number = 0
        for first in ([ATTACH], []):
            for member, signature, *more in procedures:
                number += 1
                victim = await world.victim(
                    b, *first, call("Central1", "Connect", "ysa{sv}", *peer, {}, wait=True),
                    call("Link1", member, signature, number, *more))
                assert victim["replies"][-1] == f"[{number}]", victim
                await world.kill(victim, b.client)
                if not first:
                    await tidy(b)
                await idle(b, victim)
        await works(b, peer)


async def test_a_peer_that_connects_to_a_dying_client_does_not_stay():
    """The connection belongs to the advertisement's owner; with nobody there, to nobody."""
    async with World() as world:
        a, b, peer = await world_of_two(world)
        await a.call("Broadcaster1", "StopAdvertising", "y", 0)
        other = await b.address()
        for resume in (False, True):
            victim = await world.victim(
                b, ATTACH, call("Broadcaster1", "Advertise", "ua{sv}", 20000,
                                {"resume": v("b", resume)}, wait=True))
            connect = asyncio.ensure_future(a.call("Central1", "Connect", "ysa{sv}", *other, {}))
            if resume:
                await asyncio.wait({connect})
            else:
                await b.logged("has ended (0x000)")
            await world.kill(victim, b.client)
            await asyncio.wait({connect})
            connect.exception()
            await idle(b, victim)
            await idle(a)


async def test_incoming_connection_ends_with_the_advertisements_owner():
    async with World() as world:
        a, b, peer = await world_of_two(world)
        await a.call("Broadcaster1", "StopAdvertising", "y", 0)
        victim = await world.victim(b, ATTACH, call("Broadcaster1", "Advertise", "ua{sv}", 20000, {},
                                                    wait=True))
        conn = (await a.call("Central1", "Connect", "ysa{sv}", *await b.address(), {}))[0]
        await b.logged("connected by")
        assert f"for {victim['name']}" in b.log(), b.log()[-500:]
        await world.kill(victim, b.client)
        down = await a.client.expect("Disconnected", conn)
        assert down.args[1] == 0x113, down
        await idle(b, victim)
        assert "has left without Detach" in b.log()


async def test_the_last_hold_dies():
    async with World() as world:
        b = await world.bled("b", ["unix:" + world.hci(1)])
        for wait in (False, True):
            b.client.signals.clear()
            victim = await world.victim(b, ["Adapter1", "Attach", "a{sv}",
                                            [{"active": v("b", True)}], wait], sync=wait)
            await world.kill(victim, b.client)
            await idle(b, victim)
            assert await b.get("Adapter1", "Active") is False
        await b.activate()


if __name__ == "__main__":
    main(*[f for name, f in sorted(globals().items()) if name.startswith("test_")])
