#!/usr/bin/env python3
"""The sockets of GattServer1 and GattClient1: AcquireWrites, AcquireNotify, AcquireWrite."""
import asyncio
import os
import select
import socket

from bledtest import DEADLINE, Error, Variant, World, main

WRITE_COMMAND, WRITE, NOTIFY, INDICATE = 4, 8, 0x10, 0x20


class Link:
    """a serves, b is its client: connections, handles and sockets."""

    def __init__(self, a, b, mine, theirs, handle):
        self.a, self.b, self.mine, self.theirs, self.handle = a, b, mine, theirs, handle

    async def acquire(self, side, member, client=None, handle=None, **options):
        """(socket, mtu) of `member`, on the server (a) or the client (b)."""
        bled, interface, conn = (self.a, "GattServer1", self.mine) if side == "a" else \
            (self.b, "GattClient1", self.theirs)
        client = client or bled.client
        body = await bled.call(interface, member, "qqa{sv}", conn, handle or self.handle,
                               {k: Variant(*v) for k, v in options.items()}, client=client)
        assert body[0] == 0 and len(client.fds) == 1, (body, client.fds)
        s = socket.socket(fileno=client.fds[0])
        s.setblocking(False)
        return s, body[1]

    async def mtu(self, mtu):
        return (await self.b.call("GattClient1", "ExchangeMtu", "qa{sv}", self.theirs,
                                  {"mtu": Variant("q", mtu)}))[0]


async def linked(world, flags=WRITE_COMMAND | WRITE | NOTIFY, server=None, **characteristic):
    """Two daemons and a connection; server: the client that owns the service (attached)."""
    a = await world.bled("a", ["unix:" + world.hci(0)])
    b = await world.bled("b", ["unix:" + world.hci(1)])
    await a.activate()
    await b.activate()
    server = await a.new_client() if server == "attached" else None
    if server:
        await a.call("Adapter1", "Attach", "a{sv}", {}, client=server)
    definition = {"uuid": Variant("s", "2a37"), "flags": Variant("u", flags), **characteristic}
    body = await a.call("GattServer1", "AddService", "saa{sv}a{sv}", "180d", [definition], {},
                        client=server)
    handle = body[1][0]
    await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {})
    conn = (await b.call("Central1", "Connect", "ysa{sv}", *await a.address(), {}))[0]
    up = await a.client.expect("CentralConnected")
    link = Link(a, b, up.args[0], conn, handle)
    link.server = server
    return link


async def readable(s):
    """Waits for a packet or the end."""
    loop, future = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()
    loop.add_reader(s, lambda: future.done() or future.set_result(None))
    try:
        await asyncio.wait_for(future, DEADLINE)
    finally:
        loop.remove_reader(s)


def hung_up(s):
    poll = select.poll()
    poll.register(s, select.POLLIN)
    return any(events & select.POLLHUP for _, events in poll.poll(0))


async def packet(s):
    """The next packet; None at the end. An empty packet and the end are told apart by POLLHUP, as
    the documentation says."""
    await readable(s)
    try:
        data = s.recv(2048)
    except ConnectionResetError:  # hung up with packets of ours unread
        data = s.recv(2048)
    return data if data or not hung_up(s) else None


async def packets(s, n):
    return [await packet(s) for _ in range(n)]


async def send(s, data):
    """Sends with back-pressure."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            return s.send(data)
        except BlockingIOError:
            future = loop.create_future()
            loop.add_writer(s, lambda: future.done() or future.set_result(None))
            try:
                await asyncio.wait_for(future, DEADLINE)
            finally:
                loop.remove_writer(s)


async def ended(s):
    """Waits for the hang-up, reading what comes before: the packets."""
    got = []
    while (data := await packet(s)) is not None:
        got.append(data)
    assert hung_up(s)
    return got


async def error_of(call, name):
    try:
        await call
    except Error as e:
        assert e.name == name or e.name == "org.bled.Error." + name, e
        return e.text
    raise AssertionError(f"no {name}")


async def counted(bled, name, n):
    """Waits until a counter is n."""
    async def wait():
        while (await bled.stats())[name] != n:
            pass
    await asyncio.wait_for(wait(), DEADLINE)


async def test_writes_from_socket_to_socket():
    async with World() as world:
        link = await linked(world)
        out, mtu = await link.acquire("b", "AcquireWrite")
        into, theirs = await link.acquire("a", "AcquireWrites")
        assert mtu == theirs == 23, (mtu, theirs)
        values = [b"", b"x", bytes(20), b"", b"last"]
        for v in values:
            await send(out, v)
        assert await packets(into, len(values)) == values
        assert not link.a.client.seen("Written")
        # What another method writes goes the same way.
        await link.b.call("GattClient1", "Write", "qqayya{sv}", link.theirs, link.handle, b"request", 1,
                          {})
        assert await packet(into) == b"request"
        assert not link.a.client.seen("Written")
        # And without the reader, it is a signal again; the value is stored in either case.
        into.close()
        await send(out, b"signal")
        await link.a.client.expect("Written", link.mine, link.handle, b"signal")
        assert await link.a.call("GattServer1", "Read", "q", link.handle) == [b"signal"]


async def test_notifications_from_socket_to_socket():
    async with World() as world:
        link = await linked(world)
        into, _ = await link.acquire("b", "AcquireNotify")
        await link.a.client.expect("Subscribed", link.mine, link.handle, 1)
        out, mtu = await link.acquire("a", "AcquireNotify")
        assert mtu == 23
        values = [b"", b"one", bytes(range(20)), b"", b"end"]
        for v in values:
            await send(out, v)
        assert await packets(into, len(values)) == values
        assert not link.b.client.seen("Notified")
        # The stored value stays; what other methods notify arrives too.
        assert await link.a.call("GattServer1", "Read", "q", link.handle) == [b""]
        await link.a.call("GattServer1", "Notify", "qqa{sv}", link.mine, link.handle,
                          {"value": Variant("ay", b"called")})
        assert await packet(into) == b"called"
        # Closing ends the subscription.
        into.close()
        await link.a.client.expect("Subscribed", link.mine, link.handle, 0)


async def test_indications_one_after_the_other():
    async with World() as world:
        link = await linked(world, INDICATE)
        into, _ = await link.acquire("b", "AcquireNotify")  # it finds out what the peer offers
        await link.a.client.expect("Subscribed", link.mine, link.handle, 2)
        out, _ = await link.acquire("a", "AcquireNotify")
        for i in range(30):
            await send(out, bytes([i]))
        assert await packets(into, 30) == [bytes([i]) for i in range(30)]
        for i in range(30):
            await link.a.client.expect("IndicateDone", link.mine, link.handle, 0)


async def test_nothing_is_lost_in_floods():
    """2,000 values each way at once, with a reader that sleeps first."""
    async with World() as world:
        link = await linked(world)
        assert await link.mtu(247) == 247
        notified, _ = await link.acquire("b", "AcquireNotify")
        notify, _ = await link.acquire("a", "AcquireNotify")
        written, _ = await link.acquire("a", "AcquireWrites")
        write, mtu = await link.acquire("b", "AcquireWrite")
        assert mtu == 247

        def value(i):
            return i.to_bytes(4, "big") + bytes(i % 17)

        async def flood(s):
            for i in range(2000):
                await send(s, value(i))

        async def drink(s):
            for i in range(2000):
                got = await packet(s)
                assert got == value(i), (i, got)

        await asyncio.gather(flood(notify), flood(write), drink(notified), drink(written))
        stats = await link.b.stats()
        assert stats["sockets-overflowed"] == 0, stats


async def test_limits_are_exact():
    async with World() as world:
        link = await linked(world)
        into, _ = await link.acquire("a", "AcquireWrites")
        for mtu in (23, 65):
            if mtu != 23:
                await link.mtu(mtu)
            out, now = await link.acquire("b", "AcquireWrite")
            assert now == mtu
            await send(out, b"\1" * (mtu - 3))
            await send(out, b"\2" * (mtu - 2))
            assert await packet(into) == b"\1" * (mtu - 3)
            assert await ended(out) == []
            try:
                out.send(b"x")
                raise AssertionError("sent to a socket that is hung up")
            except BrokenPipeError:
                pass
            out.close()
            await link.b.logged(f"wrote {mtu - 2} octets, where {mtu - 3} are the most")
        stats = await link.b.stats()
        assert stats["sockets-too-long"] == 2 and stats["sockets-open"] == 0, stats
        # What even the kernel does not take is EMSGSIZE, and harms nothing.
        out, _ = await link.acquire("b", "AcquireWrite")
        try:
            out.send(bytes(4 << 20))
            raise AssertionError("sent 4 MB")
        except OSError as e:
            assert e.errno == 90, e  # EMSGSIZE
        await send(out, b"goes on")
        assert await packet(into) == b"goes on"


async def test_limit_grows_with_the_mtu():
    async with World() as world:
        link = await linked(world)
        into, _ = await link.acquire("a", "AcquireWrites")
        out, mtu = await link.acquire("b", "AcquireWrite")
        assert mtu == 23
        await link.a.set("Adapter1", "Mtu", "q", 517)
        assert await link.mtu(517) == 517
        await send(out, bytes(512))
        assert await packet(into) == bytes(512)
        await send(out, bytes(513))  # no value is longer than 512
        assert await ended(out) == []


async def test_one_reader_each():
    async with World() as world:
        link = await linked(world)
        for side, member in (("b", "AcquireWrite"), ("b", "AcquireNotify"), ("a", "AcquireWrites"),
                             ("a", "AcquireNotify")):
            s, _ = await link.acquire(side, member)
            text = await error_of(link.acquire(side, member), "Busy")
            assert "the daemon" in text and f"0x{link.handle:04x}" in text, text
            s.close()
            s, _ = await link.acquire(side, member)
            s.close()


async def test_closed_and_acquired_at_once():
    """The daemon may not have seen the end yet, nor sent what is in it: neither is in the way, and
    all comes in order. By several clients in turn; on both sides."""
    async with World() as world:
        link = await linked(world)
        clients = [link.b.client, await link.b.new_client(), await link.b.new_client()]
        written, _ = await link.acquire("a", "AcquireWrites")
        notified, _ = await link.acquire("b", "AcquireNotify")
        for i in range(50):
            write, _ = await link.acquire("b", "AcquireWrite", client=clients[i % 3])
            notify, _ = await link.acquire("a", "AcquireNotify")
            for k in range(i % 6):
                await send(write, bytes([i, k]))
                await send(notify, bytes([k, i]))
            write.close()
            notify.close()
        order = [(i, k) for i in range(50) for k in range(i % 6)]
        assert await packets(written, len(order)) == [bytes([i, k]) for i, k in order]
        assert await packets(notified, len(order)) == [bytes([k, i]) for i, k in order]
        # Those that are only read end at once: the values go where they belong.
        for i in range(50):
            written.close()
            notified.close()
            written, _ = await link.acquire("a", "AcquireWrites")
            notified, _ = await link.acquire("b", "AcquireNotify")
        assert not link.a.client.seen("Written") and not link.b.client.seen("Notified")
        write, _ = await link.acquire("b", "AcquireWrite")
        notify, _ = await link.acquire("a", "AcquireNotify")
        await send(write, b"up")
        await send(notify, b"down")
        assert await packet(written) == b"up"
        assert await packet(notified) == b"down"
        for bled in link.a, link.b:
            await counted(bled, "sockets-open", 2)


async def test_what_cannot_be_acquired():
    async with World() as world:
        link = await linked(world, 2)
        a, b = link.a, link.b
        good = (await a.call("GattServer1", "AddService", "saa{sv}a{sv}", "1810",
                             [{"uuid": Variant("s", "2a35"), "flags": Variant("u", WRITE | NOTIFY)}],
                             {}))[1][0]
        for member in ("AcquireWrites", "AcquireNotify"):
            for conn, handle, name in ((link.mine, link.handle, "NotSupported"),
                                       (link.mine, 0xfff0, "NotFound"),
                                       (link.mine, 1, "NotFound"), (link.mine, 0, "NotFound"),
                                       (99, good, "NotConnected")):
                await error_of(a.call("GattServer1", member, "qqa{sv}", conn, handle, {}), name)
        for member in ("AcquireWrite", "AcquireNotify"):
            await error_of(b.call("GattClient1", member, "qqa{sv}", 99, link.handle, {}),
                           "NotConnected")
            await error_of(b.call("GattClient1", member, "qqa{sv}", link.theirs, 0, {}),
                           "org.freedesktop.DBus.Error.InvalidArgs")
            await error_of(b.call("GattClient1", member, "qqa{sv}", link.theirs, link.handle,
                                  {"no": Variant("b", True)}),
                           "org.freedesktop.DBus.Error.InvalidArgs")
        # No CCCD there: the call fails and nothing is left of it.
        await error_of(b.call("GattClient1", "AcquireNotify", "qqa{sv}", link.theirs, link.handle, {}),
                       "Att.AttributeNotFound")
        stats = await b.stats()
        assert stats["sockets-open"] == 0, stats


async def test_disconnection_hangs_up_and_leaves_what_has_arrived():
    async with World() as world:
        link = await linked(world)
        written, _ = await link.acquire("a", "AcquireWrites")
        notify, _ = await link.acquire("a", "AcquireNotify")
        notified, _ = await link.acquire("b", "AcquireNotify")
        write, _ = await link.acquire("b", "AcquireWrite")
        await send(write, b"unread")
        await send(notify, b"as well")
        await readable(written)
        await readable(notified)
        await link.b.call("Link1", "Disconnect", "qa{sv}", link.theirs, {})
        await link.a.client.expect("CentralDisconnected")
        assert await ended(written) == [b"unread"]
        assert await ended(notified) == [b"as well"]
        assert await ended(notify) == []
        assert await ended(write) == []
        for bled in (link.a, link.b):
            assert (await bled.stats())["sockets-open"] == 0


async def test_what_was_written_before_closing_is_sent():
    async with World() as world:
        link = await linked(world)
        written, _ = await link.acquire("a", "AcquireWrites")
        write, _ = await link.acquire("b", "AcquireWrite")
        for i in range(150):
            await send(write, bytes([i]))
        write.close()
        assert await packets(written, 150) == [bytes([i]) for i in range(150)]


async def test_what_an_attached_client_wrote_before_it_left_is_sent():
    async with World() as world:
        link = await linked(world)
        written, _ = await link.acquire("a", "AcquireWrites")
        for leave in ("close", "detach"):
            client = await link.b.new_client()
            await link.b.call("Adapter1", "Attach", "a{sv}", {}, client=client)
            write, _ = await link.acquire("b", "AcquireWrite", client=client)
            for i in range(150):
                await send(write, bytes([i]))
            if leave == "close":
                write.close()
                client.close()
            else:
                await link.b.call("Adapter1", "Detach", client=client)
                assert await ended(write) == []
            assert await packets(written, 150) == [bytes([i]) for i in range(150)]
            await counted(link.b, "clients-attached", 0)


async def test_owner_and_service_take_their_sockets_with_them():
    async with World() as world:
        link = await linked(world, server="attached")
        written, _ = await link.acquire("a", "AcquireWrites", client=link.server)
        notify, _ = await link.acquire("a", "AcquireNotify", client=link.server)
        # Not another's.
        for member in ("AcquireWrites", "AcquireNotify"):
            text = await error_of(link.acquire("a", member), "org.freedesktop.DBus.Error.AccessDenied")
            assert link.server.name in text, text
        await link.a.call("Adapter1", "Detach", client=link.server)
        assert await ended(written) == [] and await ended(notify) == []
        # A service that is removed does, too.
        link.handle = (await link.a.call("GattServer1", "AddService", "saa{sv}a{sv}", "180d",
                                         [{"uuid": Variant("s", "2a37"), "flags": Variant("u", 8)}],
                                         {}))[1][0]
        written, _ = await link.acquire("a", "AcquireWrites")
        await link.a.call("GattServer1", "RemoveService", "q", link.handle - 2)
        assert await ended(written) == []


async def test_killed_client_ends_its_sockets():
    async with World() as world:
        link = await linked(world)
        attach = ["Adapter1", "Attach", "a{sv}", [{}], True]
        acquire = [["GattClient1", member, "qqa{sv}", [link.theirs, link.handle, {}], True]
                   for member in ("AcquireWrite", "AcquireNotify")]
        victim = await world.victim(link.b, attach, *acquire)
        await link.a.client.expect("Subscribed", link.mine, link.handle, 1)
        assert (await link.b.stats())["sockets-open"] == 2
        await world.kill(victim, link.b.client)
        await link.a.client.expect("Subscribed", link.mine, link.handle, 0)
        await counted(link.b, "sockets-open", 0)
        # Others may have them now, and the connection stays, because another uses it.
        for member in ("AcquireWrite", "AcquireNotify"):
            s, _ = await link.acquire("b", member)
            s.close()


async def test_slow_reader_is_hung_up_on_and_loses_nothing_before():
    async with World() as world:
        link = await linked(world)
        await link.a.set("Adapter1", "RxBuf", "u", 2000)
        written, _ = await link.acquire("a", "AcquireWrites")
        write, _ = await link.acquire("b", "AcquireWrite")
        link.a.client.signals.clear()
        n = 0
        while not link.a.client.seen("Written"):  # the socket is over: values are signals again
            await send(write, n.to_bytes(4, "big") + bytes(16))
            n += 1
        await link.a.logged("leaves too much unread")
        got = await ended(written)
        assert got == [i.to_bytes(4, "big") + bytes(16) for i in range(len(got))]
        first = link.a.client.seen("Written")[0].args[2]
        assert int.from_bytes(first[:4], "big") == len(got), (first, len(got))
        stats = await link.a.stats()
        assert stats["sockets-overflowed"] == 1 and stats["sockets-undelivered"] == 0, stats


async def test_notify_socket_gets_what_comes_before_the_response():
    """A server that notifies in the moment of the subscription."""
    async with World() as world:
        link = await linked(world)

        async def notify_at_once():
            await link.a.client.expect("Subscribed", link.mine, link.handle, 1)
            await link.a.call("GattServer1", "Notify", "qqa{sv}", link.mine, link.handle,
                              {"value": Variant("ay", b"early")})

        task = asyncio.ensure_future(notify_at_once())
        into, _ = await link.acquire("b", "AcquireNotify")
        await task
        assert await packet(into) == b"early"


async def test_without_waiting_the_socket_comes_at_once():
    async with World() as world:
        link = await linked(world)
        into, _ = await link.acquire("b", "AcquireNotify", wait=("b", False))
        await link.a.client.expect("Subscribed", link.mine, link.handle, 1)
        await link.a.call("GattServer1", "Notify", "qqa{sv}", link.mine, link.handle,
                          {"value": Variant("ay", b"soon")})
        assert await packet(into) == b"soon"
        into.close()
        # And is hung up where the subscription fails.
        bad, _ = await link.acquire("b", "AcquireNotify", handle=1, wait=("b", False))
        assert await ended(bad) == []


async def test_reader_that_writes_is_hung_up_on():
    async with World() as world:
        link = await linked(world)
        for side, member in (("b", "AcquireNotify"), ("a", "AcquireWrites")):
            s, _ = await link.acquire(side, member)
            s.send(b"?")
            assert await ended(s) == []
        await link.a.client.expect("Subscribed", link.mine, link.handle, 0)


async def test_subscriber_and_socket_each_get_theirs():
    async with World() as world:
        link = await linked(world)
        await link.b.call("GattClient1", "Subscribe", "qqya{sv}", link.theirs, link.handle, 1, {})
        other = await link.b.new_client()
        into, _ = await link.acquire("b", "AcquireNotify", client=other)
        await link.a.call("GattServer1", "Notify", "qqa{sv}", link.mine, link.handle,
                          {"value": Variant("ay", b"both")})
        assert await packet(into) == b"both"
        await link.b.client.expect("Notified", link.theirs, link.handle, b"both")
        into.close()  # the other subscription stays
        await counted(link.b, "sockets-open", 0)
        await link.a.call("GattServer1", "Notify", "qqa{sv}", link.mine, link.handle,
                          {"value": Variant("ay", b"one")})
        await link.b.client.expect("Notified", link.theirs, link.handle, b"one")


async def test_many_sockets():
    """A hundred characteristics, a socket each at either end."""
    async with World() as world:
        link = await linked(world)
        definition = {"uuid": Variant("s", "2a37"), "flags": Variant("u", NOTIFY | WRITE_COMMAND)}
        handles = (await link.a.call("GattServer1", "AddService", "saa{sv}a{sv}", "1810",
                                     [definition] * 100, {}))[1]
        pairs = [(await link.acquire("b", "AcquireWrite", handle=h),
                  await link.acquire("a", "AcquireWrites", handle=h)) for h in handles]
        for i, ((out, _), _) in enumerate(pairs):
            await send(out, bytes([i]))
        for i, (_, (into, _)) in enumerate(pairs):
            assert await packet(into) == bytes([i])
        await link.b.call("Link1", "Disconnect", "qa{sv}", link.theirs, {})
        for (out, _), (into, _) in pairs:
            await ended(out)
            await ended(into)
            out.close()
            into.close()
        assert (await link.a.stats())["sockets-open"] == 0
        fds = len(os.listdir(f"/proc/{link.a.process.pid}/fd"))
        assert fds < 40, fds


main(*[f for name, f in sorted(globals().items()) if name.startswith("test_")])
