#!/usr/bin/env python3
"""The Python package's channels: as sockets, by calls, as streams, refused, slow, cancelled; and the
examples, as they are."""
import asyncio
import contextlib
import hashlib
import re
import signal
import sys

from pybled import (PACKAGE, adapter, bled, cancelled_everywhere, daemons, held, linked, main,
                    raises, two)
from bled import L2capError

PSM = 0x81


@contextlib.asynccontextmanager
async def channels(a, b, link, psm=PSM, socket=True, mtu=512, **options):
    """a listens, b connects: (a's end, b's end, the listener)."""
    async with a.listen(psm, mtu, socket=socket) as listener:
        async with await link.open_channel(psm, mtu, socket=socket, **options) as there:
            async with await anext(listener) as here:
                yield here, there, listener


async def test_sdus_whole_and_in_order_both_ways():
    async with two(air=["--pace=none"]) as (world, a, b), linked(a, b) as (here_link, link):
        for options in {}, {"enhanced": True}, {"socket": False}:
            async with channels(a, b, link, **options) as (here, there, _):
                assert (there.our_mtu, there.peer_mtu, there.psm) == (512, 512, PSM)
                assert here.link is here_link and there.link is link and there.is_open
                sdus = [bytes([i]) * (i * 5) for i in range(100)]  # with an empty one

                async def send(channel):
                    for sdu in sdus:
                        await channel.send(sdu)
                for to, by in ((here, there), (there, here)):
                    sending = asyncio.ensure_future(send(by))
                    for sdu in sdus:
                        assert await to.recv() == sdu
                    await sending
                with raises(bled.InvalidArgs, "513", "512"):
                    await there.send(bytes(513))
                if options.get("enhanced"):
                    await there.reconfigure(1000)
                    while here.peer_mtu != 1000:
                        await a.client.ping()
                    await here.send(bytes(1000))
                    assert await there.recv() == bytes(1000)
                if options.get("socket") is False:
                    await here.send(b"four")
                    while await there.available() != 4:
                        await b.client.ping()
                    assert await there.recv() == b"four"
                # Closed: what was sent before arrives, then the end; sending fails.
                await there.send(b"last")
                await there.close()
                assert [sdu async for sdu in here] == [b"last"], options
                assert await here.recv() is None
                with raises(bled.Disconnected, "closed"):
                    for _ in range(3):
                        await here.send(b"no")
                with raises(bled.Closed):
                    await there.send(b"no")
            assert not a.channels and not b.channels and not a.accepted
        assert await held(b, b) == {"connections": 1}, await held(b, b)


async def test_refusals():
    async with two(air=["--pace=none"]) as (world, a, b), linked(a, b) as (here, link):
        with raises(L2capError.SpsmNotSupported):
            await link.open_channel(PSM)

        async def authorize(who, psm, mtu):
            assert who is here and psm == PSM
            if mtu == 100:
                raise L2capError.NoResourcesAvailable
            return mtu != 200
        async with a.listen(PSM, authorize=authorize) as listener:
            with raises(L2capError.NoResourcesAvailable):
                await link.open_channel(PSM, 100)
            with raises(L2capError.InsufficientAuthorization):
                await link.open_channel(PSM, 200)
            async with await link.open_channel(PSM, 300) as channel, await anext(listener) as other:
                await other.send(b"yes")
                assert await channel.recv() == b"yes"
            async with adapter(world) as stranger:
                with raises(bled.Busy):
                    async with stranger.listen(PSM):
                        pass
        async with a.listen(PSM, security=2) as listener:
            with raises(L2capError.InsufficientAuthentication):
                await link.open_channel(PSM)
            async with await link.open_channel(PSM, security=2):
                assert link.encrypted
        async with a.listen(PSM) as listener:
            # Several calls at once, each with its own.
            many = sum(await asyncio.gather(
                link.open_channels(PSM, count=3), link.open_channels(PSM, count=2),
                *[link.open_channels(PSM, count=1) for _ in range(3)]), [])
            assert len(many) == 8
            for c in many:
                await c.close()
            for _ in many:
                await (await anext(listener)).close()
            many = await link.open_channels(PSM, count=3)
            assert len(many) == 3 and len({c.cid for c in many}) == 3
            taken = [await anext(listener) for _ in many]
            for mine, theirs in zip(many, taken):
                await mine.send(bytes([mine.cid]))
            assert sorted([(await c.recv())[0] for c in taken]) == sorted(c.cid for c in many)
            await asyncio.gather(*[c.close() for c in many])
            for c in taken:
                assert await c.recv() is None


async def test_a_slow_reader_holds_the_sender_and_loses_nothing():
    async with two(air=["--pace=none"]) as (world, a, b), linked(a, b) as (_, link):
        await a.set(rx_buf=2048)
        for socket in True, False:
            async with channels(a, b, link, socket=socket) as (here, there, _):
                sent = 0

                async def send():
                    nonlocal sent
                    while sent < 1000:
                        await there.send(sent.to_bytes(4, "big") + bytes(200))
                        sent += 1
                sending = asyncio.ensure_future(send())
                before = -1
                while sent != before:  # until nothing moves any more
                    before = sent
                    for _ in range(20):
                        await a.client.ping()
                        await b.client.ping()
                assert not sending.done() and 0 < sent < 1000, sent
                for i in range(1000):
                    assert int.from_bytes((await here.recv())[:4], "big") == i
                await sending


async def test_streams():
    async with two(air=["--pace=none"]) as (world, a, b), linked(a, b) as (_, link):
        async with a.listen(PSM, 100) as listener:
            channel = await link.open_channel(PSM, 300)
            other = await anext(listener)
            reader, writer = channel.streams()
            far_reader, far_writer = other.streams()
            data = bytes(range(256)) * 2000  # half a megabyte, cut into SDUs of 100

            async def send():
                writer.write(data)
                await writer.drain()
                writer.write("Grüße\n".encode())
                writer.close()
                await writer.wait_closed()
            sending = asyncio.ensure_future(send())
            got = await far_reader.readexactly(len(data))
            assert hashlib.sha256(got).digest() == hashlib.sha256(data).digest()
            assert (await far_reader.readline()).decode() == "Grüße\n"
            assert await far_reader.read() == b"" and far_reader.at_eof()
            await sending
            far_writer.close()
            await far_writer.wait_closed()
            assert await reader.read() == b""
            assert far_writer.get_extra_info("peername") == b.mac[1]


async def test_the_end_of_a_link_and_of_cancelled_calls():
    async with two(air=["--pace=none"]) as (world, a, b):
        async with linked(a, b) as (here_link, link):
            async with channels(a, b, link) as (here, there, listener):
                waiting = asyncio.ensure_future(here.recv())
                accepting = asyncio.ensure_future(anext(listener))
                await asyncio.sleep(0)
                accepting.cancel()
                with raises(asyncio.CancelledError):
                    await accepting
                await link.disconnect()
                with raises(bled.Disconnected):
                    await waiting
                with raises(ConnectionError):
                    await there.send(b"no")
        assert await held(a, a) in ({}, {"payloads": 1}) and await held(b, b) == {}
        async with linked(a, b) as (_, link):
            # Nobody is asked for authorization in time: the call is cancelled before.
            never = asyncio.Event()

            async def authorize(*_):
                await never.wait()
            async with a.listen(PSM, authorize=authorize):
                with raises(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await link.open_channel(PSM)
                never.set()
            # And one whose reply comes after all: the channel is closed when it does.
            never.clear()
            async with a.listen(PSM, authorize=authorize) as listener:
                with raises(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await link.open_channel(PSM)
                never.set()
                async with await anext(listener) as late:
                    assert await late.recv() is None
            while b.client._backs or b.channels or (await held(b, b)) != {"connections": 1}:
                await b.client.ping()
            assert not a.channels


async def test_cancelled_channels_leave_nothing():
    async with two(air=["--pace=none"]) as (world, a, b), linked(a, b) as (_, link):
        async with a.listen(PSM) as listener:
            async def serve():
                async for channel in listener:
                    with contextlib.suppress(bled.Disconnected):  # the other end was cancelled
                        async with channel:
                            async for sdu in channel:
                                await channel.send(sdu)
            serving = asyncio.ensure_future(serve())

            async def use():
                async with b.listen(PSM + 1):
                    async with await link.open_channel(PSM) as channel:
                        await channel.send(b"1")
                        assert await channel.recv() == b"1"

            async def after(n):
                # A connect that was answered too late is closed when it is.
                while b.channels or await held(b, b) != {"connections": 1}:
                    await b.client.ping()
            for again in False, True:
                assert await cancelled_everywhere(use, after, again) >= 5
            serving.cancel()
            assert link.connected


async def example(world, name, *args):
    return await asyncio.create_subprocess_exec(
        sys.executable, str(PACKAGE / "examples" / name), "--bus", world.address, *args,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT, env={"PYTHONPATH": str(PACKAGE)})


async def said(process, pattern):
    """The first line that matches."""
    seen = []
    async with asyncio.timeout(20):
        while line := (await process.stdout.readline()).decode():
            seen.append(line)
            if found := re.search(pattern, line):
                return found
    raise AssertionError((pattern, seen))


async def test_examples():
    async with daemons() as world, adapter(world, "b") as b:
        heart = await example(world, "heart_rate.py", "--every", "0.02", "--name", "Hërz")
        address = (await said(heart, r"advertising as (\S+)"))[1]
        scanner = await example(world, "scanner.py", "--bus-name", "org.bled.b", "--service", "180d", "10")
        await said(scanner, f"{address} public .* Hërz 180d")
        scanner.send_signal(signal.SIGINT)
        await scanner.communicate()
        async with b.connect(address, timeout=10) as link:
            async with (await link.characteristic("2a37")).notifications() as beats:
                assert 60 <= (await anext(beats))[1] < 80
                await said(heart, "listens$")
            with raises(bled.AttError.Application80):
                await (await link.characteristic("2a39")).write(b"2")
            await (await link.characteristic("2a39")).write(b"\1")
        await said(heart, "listens no more")
        heart.send_signal(signal.SIGINT)
        await heart.communicate()
        assert heart.returncode == 0
        listener = await example(world, "chat.py")
        address = (await said(listener, r"waiting at (\S+)"))[1]
        caller = await example(world, "chat.py", address, "--bus-name", "org.bled.b")
        await said(listener, "has come")
        caller.stdin.write("Grüß Gott\n".encode())
        await said(listener, "> Grüß Gott")
        listener.stdin.write("Servus\n".encode())
        await said(caller, "> Servus")
        caller.stdin.close()
        await caller.communicate()
        await listener.communicate()
        assert (caller.returncode, listener.returncode) == (0, 0)


main(*[f for name, f in sorted(globals().items()) if name.startswith("test_")])
