#!/usr/bin/env python3
"""The Python package when things end or get crowded: cancellation at every await, exceptions, the
daemon's and the bus's death, slow readers, full sockets, several Adapters, forged signals."""
import asyncio
import contextlib
import gc
import os
import select
import signal
import types
import unittest.mock

from pybled import (FAST, adapter, bled, cancelled_everywhere, daemons, held, linked, main, raises,
                    two)
from bled.core import Bus, Client
from bled.wire import SIGNAL, encode

NOTHING = ({}, {"payloads": 1})  # what an advertisement had said may be kept for the next one


@bled.service("180d")
class Peer:
    rate = bled.characteristic("2a37", read=True, write=True, notify=True, value=b"1",
                               write_without_response=True)


def fds():
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


async def test_cancelled_scans_leave_nothing():
    async with two(air=["--pace=none"]) as (world, a, b):
        async with a.advertise(interval_ms=20):
            async def plain():
                async for _ in b.scan(30):
                    break

            async def block():
                async with b.scan(30) as scan:
                    await anext(scan)

            async def signals():
                async with b.scan(30, stream=False) as scan:
                    await anext(scan)

            async def after(n):
                assert await held(b, b) == {}, n
            before = fds()
            for work in plain, block, signals:
                for again in False, True:
                    assert await cancelled_everywhere(work, after, again) >= 2
            assert fds() == before

            async def discover():
                await b.discover(0.02)

            async def told(n):
                pass
            await cancelled_everywhere(discover, told)


async def test_cancelled_connections_leave_nothing():
    async with two(air=["--pace=none"]) as (world, a, b):
        async with a.serve(Peer()), a.advertise(interval_ms=20, resume=True):
            async def read():
                async with b.connect(a.mac, timeout=10, **FAST) as link:
                    await link.exchange_mtu()
                    rate = await link.characteristic("2a37")
                    assert await rate.read() == b"1"
                    async with rate.notifications(), rate.notifications(socket=False):
                        await rate.write(b"1")
                    async with rate.writer() as writer:
                        await writer.write(b"1")

            async def bare():
                link = await b.connect(a.mac, timeout=10)
                await link.disconnect()

            async def after(n):
                assert await held(b, b) == {}, (n, await held(b, b))
                assert not b.links and not b._links
            before = fds()
            assert await cancelled_everywhere(read, after) >= 10
            assert await cancelled_everywhere(read, after, again=True) >= 10
            # A bare connection is the caller's own once it has it, not before.
            link = None
            assert await cancelled_everywhere(lambda: bare(), after) >= 2 and link is None
            assert fds() == before


async def test_cancelled_servers_and_adapters_leave_nothing():
    async with two(air=["--pace=none"]) as (world, a, b):
        async def serve():
            async with a.serve(Peer(), bled.simple_service("180f")), a.advertise(name="x") as adv:
                await adv.update(name="y")

        async def after(n):
            assert await held(a, a) in NOTHING, (n, await held(a, a))
            assert not a.attributes and not a._sets

        async def whole():
            async with adapter(world, "b") as ble, ble.advertise(name="z"):
                await ble.stats()

        async def alone(n):
            while len(await b.clients()) > 1:  # the bus tells the daemon of a closed connection
                await b.client.ping()
        for again in False, True:
            assert await cancelled_everywhere(serve, after, again) >= 5
            assert await cancelled_everywhere(whole, alone, again) >= 5


async def test_what_a_peer_answers_too_late_is_taken_back():
    """Cancelled, and the caller goes on before the peer has answered: nothing stays of it."""
    async with two(air=["--pace=none"]) as (world, a, b):
        peer = Peer()
        async with a.serve(peer), linked(a, b) as (here, link):
            rate = await link.characteristic("2a37")
            before = fds()
            for how in True, False:
                os.kill(world.bleds[0].process.pid, signal.SIGSTOP)
                try:
                    with unittest.mock.patch("bled.core.TAKE_BACK_S", 0.01), raises(TimeoutError):
                        async with asyncio.timeout(0.01), rate.notifications(socket=how):
                            pass
                    assert b.client._backs
                finally:
                    os.kill(world.bleds[0].process.pid, signal.SIGCONT)
                while b.client._backs or await held(b, b) != {"connections": 1}:
                    await asyncio.gather(b.client.ping(), *b.client._backs)
            assert not link.subscriptions[rate.handle] and fds() == before


async def test_exceptions_end_everything():
    async with daemons() as world:
        async with adapter(world, "b") as watch:
            before = fds()
            with raises(ZeroDivisionError):
                async with adapter(world) as a, adapter(world, "b") as b, a.serve(Peer()), \
                        a.advertise(interval_ms=20), b.connect(a.mac, timeout=10) as link:
                    async with (await link.characteristic("2a37")).notifications(), b.scan():
                        raise ZeroDivisionError
            assert len(await watch.clients()) == 1
            with raises(bled.Closed):
                await link.read(1)
            del link, a, b
            assert fds() == before
            # asyncio's own timeouts.
            with raises(TimeoutError):
                async with asyncio.timeout(0.1), watch.connect("00:11:22:33:44:55", timeout=30):
                    pass
            assert await held(watch, watch) == {}


async def test_the_daemon_dies_and_comes_again():
    async with daemons() as world:
        async with adapter(world) as a, adapter(world, "b") as b:
            peer = Peer()
            async with contextlib.AsyncExitStack() as stack:
                enter = stack.enter_async_context
                await enter(a.serve(peer))
                here, link = await enter(linked(a, b))
                advertising = await enter(b.advertise(name="b"))
                rate = await link.characteristic("2a37")
                values = await enter(rate.notifications())
                signals = await enter(rate.notifications(socket=False))
                bonds = b.signals("Pairing1.BondAdded")
                waiting = [asyncio.ensure_future(w) for w in (
                    anext(values), anext(signals), anext(bonds), b.discover(30),
                    anext(b.scan()), anext(b.incoming()))]
                await b.client.ping()
                gone = link.disconnected
                await world.bleds[1].stop(signal.SIGKILL)
                for task in waiting:
                    with raises(bled.DaemonGone):
                        await task
                assert isinstance(await gone, bled.Disconnected) and not link.connected
                assert isinstance(await advertising.stopped, bled.DaemonGone)
                for call in rate.read(), b.stats(), b.set(mtu=100), b.scan().__anext__():
                    with raises(ConnectionError, "org.bled.b"):
                        await call
                # Its successor gives out the same numbers: nothing old reaches it.
                await world.bled("b", ["unix:" + world.hci(1)], name="org.bled.b")
                with raises(bled.DaemonGone):
                    await b.discover(0.1)
                with raises(bled.DaemonGone):
                    await rate.write(b"2")
        async with adapter(world, "b") as b:
            assert b.active and len(await b.clients()) == 1


async def test_the_bus_dies():
    async with daemons(1) as world:
        a = await adapter(world).__aenter__()
        waiting = asyncio.ensure_future(a.discover(30))
        await a.client.ping()
        for client in world.clients:
            client.close()
        world.daemon.kill()
        with raises(bled.BusGone):
            await waiting
        with raises(bled.BusGone):
            await a.stats()
        await a.close()
        # The daemon ends without its bus; that is not what is tested here.
        await world.bleds[0].process.wait()
        world.bleds.clear()


async def test_ten_thousand_notifications_none_lost():
    count = 10000
    async with two(air=["--pace=none"]) as (world, a, b):
        peer = Peer()
        async with a.serve(peer), linked(a, b) as (here, link):
            rate = await link.characteristic("2a37")
            for socket in True, False:
                got = 0

                async def fast():
                    async with peer.rate.notifier(here) as notifier:
                        for i in range(count):
                            # Signals have no back-pressure but that the daemon detaches who leaves
                            # 4096 unread; what it counts as read lags behind by some hundreds.
                            while not socket and i - got > 1500:
                                await asyncio.sleep(0)
                            await notifier.write(i.to_bytes(4, "big"))
                async with rate.notifications(socket=socket) as values:
                    sending = asyncio.ensure_future(fast())
                    for i in range(count):
                        assert int.from_bytes(await anext(values), "big") == i
                        got = i
                    await sending
            # Hundreds at once: what the daemon would be Busy for waits here.
            async with rate.notifications() as values:
                sending = asyncio.gather(*[peer.rate.notify(bytes([i % 256])) for i in range(400)])
                assert [(await anext(values))[0] for _ in range(400)] == [i % 256 for i in range(400)]
                await sending
            assert (await b.stats())["clients-detached"] == 0


async def test_a_slow_reader_is_told_and_others_are_not_held_up():
    async with two(air=["--pace=none"]) as (world, a, b):
        peer = Peer()
        async with a.serve(peer), linked(a, b) as (here, link):
            rate = await link.characteristic("2a37")
            await b.set(rx_buf=2000)
            async with rate.notifications() as slow, peer.rate.notifier(here) as notifier:
                n = 0
                while (await b.stats())["sockets-overflowed"] == 0:
                    await notifier.write(n.to_bytes(4, "big") + bytes(16))
                    n += 1
                got = []
                with raises(bled.Overflow, "2a37"):
                    async for value in slow:
                        got.append(int.from_bytes(value[:4], "big"))
                assert got == list(range(len(got))) and len(got) > 50
            assert link.connected


async def test_signals_have_a_bound_that_is_no_silence():
    async with two() as (world, a, b):
        stream = b.signals("Adapter1.Failed")
        for i in range(65536):
            stream.put(i)
        stream.put("one more")
        for i in range(65536):
            assert await anext(stream) == i
        with raises(bled.Overflow):
            await anext(stream)


async def test_a_program_that_does_not_run_is_told_that_it_was_detached():
    """The daemon detaches who leaves 4096 signals unread; all up to that are there."""
    async with two(air=["--pace=none"]) as (world, a, b):
        peer = Peer()
        async with a.serve(peer), linked(a, b) as (here, link):
            rate = await link.characteristic("2a37")
            # Well before that it is no matter: all are there, in order.
            for count in 3000, 6000:
                async with rate.notifications(socket=False) as values, \
                        peer.rate.notifier(here) as notifier:
                    sock, got = notifier._pipe._sock, 0
                    for i in range(count):  # without the event loop
                        while not select.select([], [sock], [], 20)[1]:
                            pass
                        try:
                            sock.send(i.to_bytes(4, "big"))
                        except ConnectionError:
                            break  # its connection has ended with it
                    try:
                        async for value in values:
                            assert int.from_bytes(value, "big") == got, (count, value, got)
                            got += 1
                            if got == count:
                                break
                    except bled.Overflow as e:
                        assert count == 6000 and "detached" in str(e) and 4096 <= got < 4400, got
                    else:
                        assert count == 3000
            with raises(bled.Overflow, "4096"):
                await b.stats()
        assert await held(a, b) is None


async def test_what_is_forgotten_is_not_kept():
    async with two(air=["--pace=none"]) as (world, a, b):
        async with a.serve(Peer()), linked(a, b) as (here, link), \
                a.advertise(connectable=False, interval_ms=20):
            rate = await link.characteristic("2a37")

            async def use():
                b.incoming(), b.signals("Pairing1.BondAdded"), link.services_changed()
                async with rate.notifications(socket=False), rate.notifications(), b.scan(), \
                        b.advertise(name="x"):
                    pass
                async for _ in b.scan():
                    break

            def size():
                gc.collect()
                return (len(b.client._ends), len(link._ends),
                        sum(r() is not None for r in b._incoming), len(b._tasks), fds(),
                        sum(len(h) for h in b.client._handlers.values()))
            await use()
            before = size()
            for _ in range(5):
                await use()
            assert size() <= before, (before, size())
            # A connection of another program that our service has seen.
            async with adapter(world, "a") as other:
                a._links[99] = ghost = bled.Link(a, 99, 0, "00:00:00:00:00:00")
                a._removed(types.SimpleNamespace(args=(a.client.path + "/conn0063",)))
                assert not ghost.connected and 99 not in a._links and other.active


async def test_a_full_bus_blocks_nobody_and_loses_nothing():
    async with daemons(1) as world, adapter(world) as a:
        client, ticks, heard, every = a.client, 0, [], a.client.bus.on_signal

        def hear(message):
            if message.member == "Echo":
                heard.append(message.body[0])
            every(message)
        client.bus.on_signal = hear
        os.kill(world.daemon.pid, signal.SIGSTOP)
        try:
            for i in range(5000):
                client.bus._send(*encode(SIGNAL, i + 1, {
                    1: "/", 2: "org.example", 3: "Echo", 6: client.bus.unique_name}, "us",
                    [i, "ü" * 200]))
            reader, writer = os.pipe()
            late = client.bus.request(client.owner, client.path, "org.bled.Adapter1", "StartCapture",
                                      "ha{sv}", [writer, {}])
            os.close(writer)  # it was duplicated
            for _ in range(100):
                await asyncio.sleep(0)
                ticks += 1
            assert client.bus._out and not heard
        finally:
            os.kill(world.daemon.pid, signal.SIGCONT)
        await late
        while len(heard) < 5000:
            await client.ping()
        assert heard == list(range(5000))
        assert os.read(reader, 8) == b"btsnoop\0"
        os.close(reader)
        assert ticks == 100 and not client.bus._out


async def test_several_adapters_in_one_program():
    async with daemons() as world:
        async with adapter(world) as one, adapter(world) as other, adapter(world, "b") as b:
            peer = Peer()
            async with one.serve(peer), one.advertise(interval_ms=20):
                with raises(PermissionError):
                    await other.client.call("GattServer1.Write", peer.rate.handle, b"2", False)
                with raises(TypeError, "already"):
                    async with other.serve(peer):
                        pass
                heard = other.incoming()
                async with b.connect(one.mac, timeout=10) as link:
                    assert await (await link.characteristic("2a37")).read() == b"1"
                    while not one.links:
                        await one.client.ping()
                    assert not other.links and len(await one.clients()) == 2
                    await other.client.ping()
                    assert not heard.waiting()
                async with other.scan(), one.scan():
                    pass
            await one.close()
            assert other.active and (await other.stats())["clients-attached"] == 1


async def test_nobody_else_speaks_for_the_daemon():
    async with two() as (world, a, b):
        async with linked(a, b) as (_, link):
            stranger = await Bus.open(world.address)
            # Messages of all kinds, to us alone: signals count from the daemon only.
            stranger._send(*encode(SIGNAL, 100, {
                1: b.client.path, 2: "org.bled.Link1", 3: "Disconnected",
                6: b.client.bus.unique_name}, "qq", [link.conn, 0x113]))
            stranger._send(*encode(SIGNAL, 101, {
                1: "/org/freedesktop/DBus", 2: "org.freedesktop.DBus", 3: "NameOwnerChanged",
                6: b.client.bus.unique_name}, "sss", ["org.bled.b", b.client.owner, ""]))
            # And it is answered, as every client of a bus is.
            name = b.client.bus.unique_name
            await stranger.request(name, "/", "org.freedesktop.DBus.Peer", "Ping")
            with raises(bled.UnknownMember):
                await stranger.request(name, "/", "org.example", "Anything")
            assert link.connected and b.client.gone is None
            stranger.close()
        with raises(bled.InvalidArgs):
            await Client.open(world.address, "not a name")


async def test_a_handler_that_fails_harms_nobody():
    problems = []
    asyncio.get_running_loop().set_exception_handler(
        lambda loop, context: problems.append(context["exception"]))
    async with two() as (world, a, b):
        a.client.on("Peripheral1.CentralConnected", lambda s: 1 / 0)
        async with linked(a, b) as (here, link):
            assert here.connected and isinstance(problems[0], ZeroDivisionError)


main(*[f for name, f in sorted(globals().items()) if name.startswith("test_")])
