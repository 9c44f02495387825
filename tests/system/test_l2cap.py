#!/usr/bin/env python3
"""L2cap1 between two daemons: every method, option, signal and error; channels as sockets; clients
that die, links that go, controllers that come back.

Of two daemons a advertises (peripheral) and b connects (central). Either may listen.
"""
import asyncio
import hashlib
import os
import random
import re
import select
import signal
import socket
import subprocess
import sys
import pathlib

from bledtest import DEADLINE, Error, Variant, World, main

PSM, MTU = 128, 512
FAST = ["--pace=none"]  # data crosses at once
SUPPORT = pathlib.Path(__file__).parents[1] / "support"


def options(**values):
    types = {"security": "y", "channels": "y", "mps": "q"}
    return {k: Variant(types.get(k, "b"), v) for k, v in values.items()}


class Side:
    """One daemon, its number of the connection, and the client that acts there."""

    def __init__(self, bled, conn, client):
        self.bled, self.conn, self.client = bled, conn, client

    async def call(self, member, signature="", *args, client=None, interface="L2cap1"):
        return await self.bled.call(interface, member, signature, *args, client=client or self.client)

    async def listen(self, psm=PSM, mtu=MTU, client=None, **values):
        await self.call("Listen", "qqa{sv}", psm, mtu, options(**values), client=client)

    async def connect(self, psm=PSM, mtu=MTU, client=None, **values):
        """(cid, our_mtu, peer_mtu)"""
        return await self.call("Connect", "qqqa{sv}", self.conn, psm, mtu, options(**values),
                               client=client)

    async def send(self, cid, data, client=None):
        return (await self.call("Send", "qqay", self.conn, cid, data, client=client))[0]

    async def receive(self, cid, n=1 << 20, client=None):
        return bytes((await self.call("Receive", "qqu", self.conn, cid, n, client=client))[0])

    async def available(self, cid, client=None):
        return (await self.call("Available", "qq", self.conn, cid, client=client))[0]

    async def disconnect(self, cid, client=None):
        await self.call("Disconnect", "qq", self.conn, cid, client=client)

    async def expect(self, member, *args, client=None, **kw):
        return (await (client or self.client).expect(member, *args, **kw)).args

    async def acquire(self, cid, client=None):
        client = client or self.client
        body = await self.call("Acquire", "qqa{sv}", self.conn, cid, {}, client=client)
        assert body == [0] and len(client.fds) == 1, (body, client.fds)
        s = socket.socket(fileno=client.fds[0])
        assert s.type == socket.SOCK_SEQPACKET
        s.setblocking(False)
        return s

    async def attach(self):
        client = await self.bled.new_client()
        await self.bled.call("Adapter1", "Attach", "a{sv}", {}, client=client)
        return client

    async def leaves(self, client):
        """The client goes, and the daemon has noticed."""
        name = client.name
        client.close()
        await self.bled.client.expect("NameOwnerChanged", name, name, "")


async def linked(world, *args):
    a = await world.bled("a", ["unix:" + world.hci(0)], args=args)
    b = await world.bled("b", ["unix:" + world.hci(1)], args=args)
    for x in (a, b):
        await x.activate()
    await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {"name": Variant("s", "a")})
    conn = (await b.call("Central1", "Connect", "ysa{sv}", *await a.address(), {}))[0]
    up = await a.client.expect("CentralConnected")
    return Side(a, up.args[0], a.client), Side(b, conn, b.client)


async def channel(a, b, listener=None, connector=None, mtu=MTU, peer_mtu=None, **values):
    """b connects to a, which listens: both CIDs."""
    try:
        await a.listen(mtu=mtu, client=listener)
    except Error as e:
        assert e.name.endswith("Busy"), e
    cid, ours, theirs = await b.connect(mtu=peer_mtu or mtu, client=connector, **values)
    assert (ours, theirs) == (peer_mtu or mtu, mtu), (ours, theirs)
    up = await a.expect("Connected", client=listener)
    await b.expect("Connected", b.conn, cid, PSM, ours, theirs, client=connector)
    return up[1], cid


async def refused(name, call):
    try:
        result = await call
    except Error as e:
        assert e.name.removeprefix("org.bled.Error.") == name or e.name == name, (name, e)
        return e.text
    raise AssertionError(f"{name} expected; got {result}")


INVALID = "org.freedesktop.DBus.Error.InvalidArgs"
DENIED = "org.freedesktop.DBus.Error.AccessDenied"


def hung_up(s):
    poll = select.poll()
    poll.register(s, select.POLLIN)
    return any(events & select.POLLHUP for _, events in poll.poll(0))


async def ready(s, write=False):
    loop, future = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()
    add, remove = (loop.add_writer, loop.remove_writer) if write else (loop.add_reader, loop.remove_reader)
    add(s, lambda: future.done() or future.set_result(None))
    try:
        await asyncio.wait_for(future, DEADLINE)
    finally:
        remove(s)


async def packet(s, size=65536):
    """The next packet; None at the end."""
    await ready(s)
    data = s.recv(size)
    return data if data or not hung_up(s) else None


async def put(s, data):
    while True:
        try:
            return s.send(data)
        except BlockingIOError:
            await ready(s, write=True)


async def to_end(s):
    got = []
    while (data := await packet(s)) is not None:
        got.append(data)
    return got


async def counted(bled, name, n):
    async def wait():
        while (await bled.stats())[name] != n:
            pass
    await asyncio.wait_for(wait(), DEADLINE)


def resident(bled):
    text = pathlib.Path(f"/proc/{bled.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1])


# ---- listening and connecting ----

async def test_listen_connect_send_receive_disconnect():
    async with World() as world:
        a, b = await linked(world)
        await a.listen(mtu=300)
        cid, ours, theirs = await b.connect(mtu=200)
        assert (ours, theirs) == (200, 300) and 0x40 <= cid <= 0x7f
        request, conn, mine, psm, our_mtu, peer_mtu = await a.expect("Accept")
        assert (request, conn, psm, our_mtu, peer_mtu) == (0, a.conn, PSM, 300, 200)
        await a.expect("Connected", a.conn, mine, PSM, 300, 200)
        await b.expect("Connected", b.conn, cid, PSM, 200, 300)
        # b to a
        assert await b.send(cid, b"one") is True
        await a.expect("Received", a.conn, mine)
        assert await a.available(mine) == 3
        assert await a.receive(mine, 2) == b"on"
        assert await a.receive(mine, 0) == b""
        assert await a.receive(mine, 2) == b"e"
        assert await a.receive(mine) == b""
        # and back, with an empty SDU between two
        for sdu in (bytes(200), b"", b"x"):
            await a.send(mine, sdu)
            await b.expect("Received", b.conn, cid)
        assert await b.available(cid) == 201
        assert [await b.receive(cid) for _ in range(4)] == [bytes(200), b"", b"x", b""]
        text = await refused(INVALID, a.send(mine, bytes(201)))
        assert "201" in text and "200" in text, text
        # closing
        await a.disconnect(mine)
        await a.expect("Disconnected", a.conn, mine, PSM, 0)
        await b.expect("Disconnected", b.conn, cid, PSM, 0)
        for call in (a.send(mine, b""), a.receive(mine), a.available(mine), a.disconnect(mine),
                     a.acquire(mine), b.send(cid, b""), b.available(cid)):
            await refused("NotFound", call)
        assert (await a.bled.stats())["l2cap-channels-open"] == 0


async def test_arguments_and_errors():
    async with World() as world:
        a, b = await linked(world)
        for psm, mtu, values in ((0, MTU, {}), (256, MTU, {}), (PSM, 22, {}), (PSM, MTU, {"security": 0}),
                                 (PSM, MTU, {"security": 5}), (PSM, MTU, {"unknown": True})):
            await refused(INVALID, a.listen(psm, mtu, **values))
        for psm, mtu, values in ((0, MTU, {}), (256, MTU, {}), (PSM, 22, {}),
                                 (PSM, 63, {"enhanced": True}), (PSM, MTU, {"channels": 2}),
                                 (PSM, MTU, {"channels": 6, "enhanced": True})):
            await refused(INVALID, b.connect(psm, mtu, **values))
        text = await refused("L2cap.SpsmNotSupported", b.connect())
        assert "0x80" in text and "0x02" in text, text
        await b.expect("Disconnected", b.conn, 0, PSM, 0x302)
        nowhere = Side(b.bled, 99, b.client)
        for call in (nowhere.connect(), nowhere.send(0x40, b""), nowhere.receive(0x40),
                     nowhere.disconnect(0x40), nowhere.acquire(0x40), nowhere.available(0x40)):
            await refused("NotConnected", call)
        await refused("NotFound", a.call("StopListening", "q", PSM))
        await refused("NotFound", a.call("Reply", "uq", 1, 0))
        await a.listen()
        await refused("Busy", a.listen())
        await a.call("StopListening", "q", PSM)
        await refused("L2cap.SpsmNotSupported", b.connect())
        idle = await world.bled("c", [], wait=True)
        assert "l2cap-ecred" in await a.bled.get("Adapter1", "Features")
        await idle.stop()


async def test_worked_lines():
    async with World() as world:
        a, b = await linked(world)
        await a.listen()
        line = "B='busctl --timeout=60 call org.bled.b /org/bled/hci0'\n" \
               "$B org.bled.L2cap1 Connect 'qqqa{sv}' 1 128 512 0 ; $B org.bled.L2cap1 Send qqay 1 64 3 1 2 3"
        process = await asyncio.create_subprocess_exec(
            "sh", "-c", line, env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": world.address},
            stdout=subprocess.PIPE)
        out, _ = await asyncio.wait_for(process.communicate(), DEADLINE)
        assert process.returncode == 0 and out.split(b"\n")[:2] == [b"qqq 64 512 512", b"b true"], out
        up = await a.expect("Connected")
        await a.expect("Received")
        assert await a.receive(up[1]) == b"\1\2\3"


async def test_owners_and_who_hears():
    async with World() as world:
        a, b = await linked(world)
        mine, other = await a.attach(), await a.attach()
        await a.listen(client=mine)
        text = await refused("Busy", a.listen(client=other))
        assert mine.name in text, text
        await refused(DENIED, a.call("StopListening", "q", PSM, client=other))
        cid, _, _ = await b.connect()
        up = await a.expect("Connected", client=mine)
        for call in (a.send(up[1], b"x"), a.receive(up[1], client=other), a.disconnect(up[1]),
                     a.acquire(up[1], client=other), a.available(up[1])):
            await refused(DENIED, call)
        await b.send(cid, b"private")
        await a.expect("Received", client=mine)
        clients = {c[0]: c[2] for c in (await a.bled.call("Manager1", "Clients", path="/org/bled"))[0]}
        holds = {k: v.value for k, v in clients[mine.name].items()}
        assert holds["listeners"] == 1 and holds["channels"] == 1 and holds["connections"] == 1, holds
        assert not [s for s in a.client.signals + other.signals if s.interface.endswith("L2cap1")]
        # What it owned ends with it: the listener, the channel.
        await a.bled.call("Adapter1", "Detach", client=mine)
        await a.expect("Disconnected", a.conn, up[1], PSM, 0, client=mine)
        await b.expect("Disconnected", b.conn, cid, PSM, 0)
        await refused("L2cap.SpsmNotSupported", b.connect())
        await a.listen(client=other)


async def test_authorize_asks_and_reply_decides():
    async with World() as world:
        a, b = await linked(world)
        owner = await a.attach()
        await a.listen(client=owner, authorize=True)
        # refused
        for result, name in ((6, "InsufficientAuthorization"), (4, "NoResourcesAvailable")):
            call = asyncio.ensure_future(b.connect())
            request = (await a.expect("Accept", client=owner))[0]
            assert request != 0
            await refused(DENIED, a.call("Reply", "uq", request, 0))
            await refused(INVALID, a.call("Reply", "uq", request, 3, client=owner))
            await refused(INVALID, a.call("Reply", "uq", request, 0x100, client=owner))
            assert not call.done()
            await a.call("Reply", "uq", request, result, client=owner)
            await refused("L2cap." + name, call)
            await b.expect("Disconnected", b.conn, 0, PSM, 0x300 + result)
            await refused("NotFound", a.call("Reply", "uq", request, 0, client=owner))
        # accepted
        call = asyncio.ensure_future(b.connect())
        accept = await a.expect("Accept", client=owner)
        await a.call("Reply", "uq", accept[0], 0, client=owner)
        await a.expect("Connected", a.conn, accept[2], client=owner)
        await call
        # the owner goes while it is asked
        call = asyncio.ensure_future(b.connect())
        await a.expect("Accept", client=owner)
        await a.leaves(owner)
        await refused("L2cap.SpsmNotSupported", call)


async def test_some_of_several_channels_are_refused():
    async with World() as world:
        a, b = await linked(world)
        await a.listen(authorize=True)
        call = asyncio.ensure_future(b.connect(enhanced=True, channels=3))
        asked = [await a.expect("Accept") for _ in range(3)]
        for request, result in zip((accept[0] for accept in asked), (4, 0, 4)):
            assert not call.done()
            await a.call("Reply", "uq", request, result)
        up = await a.expect("Connected")
        assert up[1] == asked[1][2], (up, asked)
        cid = (await call)[0]
        await b.expect("Connected", b.conn, cid)
        for _ in range(2):
            await b.expect("Disconnected", b.conn, 0, PSM, 0x304)
        await b.send(cid, b"second")
        await a.expect("Received", a.conn, up[1])
        # all of them: each is told, and the call fails
        call = asyncio.ensure_future(b.connect(enhanced=True, channels=2))
        for _ in range(2):
            await a.call("Reply", "uq", (await a.expect("Accept"))[0], 4)
        await refused("L2cap.NoResourcesAvailable", call)
        for _ in range(2):
            await b.expect("Disconnected", b.conn, 0, PSM, 0x304)
        assert not b.client.seen("Disconnected") and not b.client.seen("Connected")


async def test_wait_false_has_the_outcome_in_signals():
    async with World() as world:
        a, b = await linked(world)
        assert await b.connect(wait=False) == [0, 0, 0]
        await b.expect("Disconnected", b.conn, 0, PSM, 0x302)
        await a.listen()
        assert await b.connect(wait=False) == [0, 0, 0]
        await b.expect("Connected", b.conn)


async def test_many_channels_both_ways_connect_while_listening():
    async with World() as world:
        a, b = await linked(world)
        await a.listen()
        await b.listen(PSM + 1)
        pairs = []
        for i in range(6):
            cid = (await b.connect())[0]
            pairs.append(((await a.expect("Connected"))[1], cid))
            await b.expect("Connected", b.conn, cid)
            cid = (await a.connect(PSM + 1))[0]
            pairs.append((cid, (await b.expect("Connected"))[1]))
            await a.expect("Connected", a.conn, cid)
        assert len({p[0] for p in pairs}) == len({p[1] for p in pairs}) == 12
        await asyncio.gather(*[b.send(theirs, b"to a %d" % i) for i, (_, theirs) in enumerate(pairs)],
                             *[a.send(mine, b"to b %d" % i) for i, (mine, _) in enumerate(pairs)])
        for i, (mine, theirs) in enumerate(pairs):
            await a.expect("Received", a.conn, mine)
            await b.expect("Received", b.conn, theirs)
            assert await a.receive(mine) == b"to a %d" % i
            assert await b.receive(theirs) == b"to b %d" % i
        assert (await a.bled.stats())["l2cap-channels-open"] == 12


async def test_a_connection_has_64_channels_and_no_signal_for_one_more():
    async with World(air_args=FAST) as world:
        a, b = await linked(world)
        await a.listen(mtu=23)
        cids = [(await b.connect(mtu=23))[0] for _ in range(64)]
        assert sorted(cids) == list(range(0x40, 0x80))
        text = await refused("NoResources", b.connect(mtu=23))
        assert "connection %d" % b.conn in text, text
        await refused("NoResources", b.connect(mtu=23, wait=False))  # known at once: it comes at once
        await b.disconnect(cids[5])
        assert [s.args for s in b.client.seen("Disconnected")] == [[b.conn, cids[5], PSM, 0]]
        assert (await b.connect(mtu=23))[0] == cids[5]
        # large MTUs: as many as there is memory promised for, told by the peer whose memory it is
        await a.listen(PSM + 1, 65535)
        await refused("NoResources", b.connect(PSM + 1))
        await asyncio.gather(*[b.disconnect(cid) for cid in cids])
        for _ in range(15):
            await b.connect(PSM + 1)
        await refused("L2cap.NoResourcesAvailable", b.connect(PSM + 1))
        await b.expect("Disconnected", b.conn, 0, PSM + 1, 0x304)


async def test_credits_follow_the_reader():
    """A peer that does not read: Send says false, then Busy; SendReady when it has read."""
    async with World(air_args=FAST) as world:
        a, b = await linked(world)
        await a.bled.set("Adapter1", "RxBuf", "u", 2048)
        mine, cid = await channel(a, b, mtu=1000)
        sent = 1
        while await b.send(cid, bytes([sent]) * 1000):
            sent += 1
            assert sent < 1000
        await refused("Busy", b.send(cid, b"more"))
        assert not b.client.seen("SendReady")
        got = []

        async def read():
            while len(got) < sent:
                await a.expect("Received", a.conn, mine)
                got.append(await a.receive(mine))
        await asyncio.wait_for(read(), DEADLINE)
        await b.expect("SendReady", b.conn, cid, 0)
        assert [g[0] for g in got] == list(range(1, sent + 1)) and all(len(g) == 1000 for g in got)
        assert await b.send(cid, b"more") is True


async def test_what_came_before_the_end_is_read_after_it():
    async with World() as world:
        a, b = await linked(world)
        mine, cid = await channel(a, b)
        await b.send(cid, b"last")
        await b.disconnect(cid)
        await a.expect("Disconnected", a.conn, mine, PSM, 0)
        await refused("NotFound", a.send(mine, b"x"))
        assert await a.available(mine) == 4
        assert await a.receive(mine, 3) == b"las"
        assert await a.receive(mine) == b"t"
        await refused("NotFound", a.available(mine))


async def test_order_at_the_end_of_a_link():
    async with World() as world:
        a, b = await linked(world)
        mine, cid = await channel(a, b)
        await b.bled.call("Link1", "Disconnect", "qa{sv}", b.conn, {"force": Variant("b", True)})
        await a.client.expect("CentralDisconnected")
        await b.client.expect("PeripheralDisconnected")
        for side, own, status in ((a, mine, 0x113), (b, cid, 0x116)):
            names = [(s.interface.split(".")[-1], s.member) for s in side.client.signals]
            assert names.index(("L2cap1", "Disconnected")) < names.index(("Link1", "Disconnected")), names
            await side.client.expect("Disconnected", side.conn, own, PSM, status)


async def test_inactive_and_reset():
    async with World() as world:
        a, b = await linked(world)
        mine, cid = await channel(a, b)
        await a.bled.call("Adapter1", "Reset", "a{sv}", {})
        await a.expect("Disconnected", a.conn, mine, PSM)
        await a.bled.client.expect("CentralDisconnected")
        # The daemon's listener is there again: somebody who connects finds it.
        await b.bled.client.expect("PeripheralDisconnected")
        await refused("Busy", a.listen())
        await a.call("Advertise", "ua{sv}", 30000, {}, interface="Broadcaster1")
        conn = (await b.call("Connect", "ysa{sv}", *await a.bled.address(), {}, interface="Central1"))[0]
        again = Side(b.bled, conn, b.client)
        await again.connect()
        await a.bled.call("Adapter1", "SetActive", "ba{sv}", False, {})
        await refused("NotActive", a.listen())
        await refused("NotFound", a.call("StopListening", "q", PSM))
        await a.bled.activate()
        await a.listen()


async def test_controller_that_is_lost_and_comes_back():
    async with World(control=True) as world:
        a, b = await linked(world)
        mine, _ = await channel(a, b)
        owner = await a.attach()
        await a.listen(PSM + 1, client=owner)
        fd = await a.acquire(mine)
        a.client.signals.clear()
        await world.air_does("unplug 0")
        assert await to_end(fd) == []
        await a.expect("Disconnected", a.conn, mine, PSM)
        await a.expect("Failed")
        await a.expect("PropertiesChanged", where=lambda s: "Active" in s.args[1] and
                       s.args[1]["Active"].value is True)  # it is taken again at once
        await refused("Busy", a.listen())  # the daemon's is back
        await a.listen(PSM + 1)            # the client's is not


# ---- security, enhanced, reconfigure ----

async def test_security_is_had_by_pairing_first():
    async with World() as world:
        a, b = await linked(world)
        await a.listen(security=2)
        # without, the peer refuses
        await refused("L2cap.InsufficientAuthentication", b.connect())
        # with it, the link is paired first
        await b.connect(security=2)
        await b.bled.client.expect("EncryptionUpdated", b.conn, True)
        # level 3 cannot be had with Just Works: Pair's error
        await refused("Smp.AuthenticationRequirements", b.connect(security=3))
        status = await b.expect("Disconnected", b.conn, 0, PSM)
        assert status[3] != 0, status


async def test_security_asks_the_caller():
    async with World() as world:
        a, b = await linked(world)
        for side in (a, b):
            await side.bled.set("Adapter1", "Io", "y", 1)
            await side.bled.set("Adapter1", "Mitm", "b", True)
        await a.call("Attend", "a{sv}", {}, interface="Pairing1")
        await a.listen(security=4)
        caller = await b.bled.new_client()
        call = asyncio.ensure_future(b.connect(security=4, client=caller))
        theirs = await caller.expect("PasskeyAction", b.conn, 4)
        mine = await a.client.expect("PasskeyAction", a.conn, 4)
        assert theirs.args[2] == mine.args[2]
        assert not b.client.seen("PasskeyAction")
        await a.call("Passkey", "qyu", a.conn, 4, 1, interface="Pairing1")
        await b.call("Passkey", "qyu", b.conn, 4, 1, interface="Pairing1", client=caller)
        cid = (await call)[0]
        await b.expect("Connected", b.conn, cid)


async def test_caller_that_goes_while_it_is_asked():
    async with World() as world:
        a, b = await linked(world)
        for side in (a, b):
            await side.bled.set("Adapter1", "Io", "y", 1)
            await side.bled.set("Adapter1", "Mitm", "b", True)
        await a.call("Attend", "a{sv}", {}, interface="Pairing1")
        await a.listen()
        caller = await b.bled.new_client()
        call = asyncio.ensure_future(b.connect(security=3, client=caller))
        await caller.expect("PasskeyAction", b.conn, 4)
        call.cancel()
        await b.leaves(caller)
        await b.bled.client.expect("PairingFailed", b.conn)
        await b.connect()  # nothing is in the way
        assert (await b.bled.stats())["l2cap-channels-open"] == 1


async def test_enhanced_channels_and_reconfigure():
    async with World() as world:
        a, b = await linked(world)
        await a.listen(mtu=100)
        cid, ours, theirs = await b.connect(mtu=200, enhanced=True, channels=3)
        assert (ours, theirs) == (200, 100)
        cids = [(await b.expect("Connected"))[1] for _ in range(3)]
        mine = [(await a.expect("Connected"))[1] for _ in range(3)]
        assert cids[0] == cid and len(set(cids)) == 3
        await b.send(cids[2], b"third")
        await a.expect("Received", a.conn, mine[2])
        assert await a.receive(mine[2]) == b"third"
        await b.call("Reconfigure", "qqqa{sv}", b.conn, cid, 300, options(mps=128))
        await b.expect("Reconfigured", b.conn, cid, 300, 100)
        await a.expect("Reconfigured", a.conn, mine[0], 100, 300)
        await a.send(mine[0], bytes(300))
        await b.expect("Received", b.conn, cid)
        assert await b.receive(cid) == bytes(300)
        await refused(INVALID, b.call("Reconfigure", "qqqa{sv}", b.conn, cid, 299, {}))
        # not those of the other mode
        plain = (await b.connect())[0]
        await refused("NotSupported", b.call("Reconfigure", "qqqa{sv}", b.conn, plain, 600, {}))
        await a.listen(PSM + 1, 40)
        text = await refused("L2cap.UnacceptableParameters", b.connect(PSM + 1, enhanced=True))
        assert "0x81" in text, text


# ---- sockets ----

async def test_sockets_both_ways():
    async with World() as world:
        a, b = await linked(world)
        mine, cid = await channel(a, b, mtu=1000)
        await b.send(cid, b"before")
        await a.expect("Received", a.conn, mine)
        x, y = await a.acquire(mine), await b.acquire(cid)
        for call in (a.send(mine, b""), a.receive(mine), a.available(mine), a.acquire(mine)):
            await refused("Busy", call)
        assert await packet(x) == b"before"
        sdus = [b"", b"x", bytes(1000), b"", b"y"]
        for out, into in ((x, y), (y, x)):
            for sdu in sdus:
                await put(out, sdu)
            assert [await packet(into) for _ in sdus] == sdus
        assert not a.client.seen("Received") and not b.client.seen("Received")
        # Closing one end closes the channel.
        y.close()
        await b.expect("Disconnected", b.conn, cid, PSM, 0)
        await a.expect("Disconnected", a.conn, mine, PSM, 0)
        assert await to_end(x) == []
        try:
            x.send(b"x")
            raise AssertionError("written after the end")
        except BrokenPipeError:
            pass


async def test_an_empty_sdu_is_told_from_the_end_by_credentials():
    """The channel has ended before its client reads: POLLHUP is there from the first packet on."""
    async with World(air_args=FAST) as world:
        a, b = await linked(world)
        mine, cid = await channel(a, b)
        x = await a.acquire(mine)
        x.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        sdus = [b"one", b"", b"two", b""]
        for sdu in sdus:
            await b.send(cid, sdu)
        await b.disconnect(cid)
        await a.expect("Disconnected", a.conn, mine, PSM, 0)
        hang_up = select.poll()
        hang_up.register(x, 0)
        assert hang_up.poll(DEADLINE * 1000) == [(x.fileno(), select.POLLHUP)]
        for sdu in sdus:
            data, _, flags, _ = x.recvmsg(MTU)
            assert data == sdu and flags & socket.MSG_CTRUNC, (data, flags)
        data, _, flags, _ = x.recvmsg(MTU)
        assert data == b"" and not flags & socket.MSG_CTRUNC, (data, flags)


async def test_sdus_of_65535():
    async with World(air_args=FAST) as world:
        a, b = await linked(world)
        mine, cid = await channel(a, b, mtu=65535)
        x, y = await a.acquire(mine), await b.acquire(cid)
        sdu = random.Random(1).randbytes(65535)
        for out, into in ((x, y), (y, x)):
            await put(out, sdu)
            await put(out, sdu[::-1])
            assert await packet(into) == sdu
            assert await packet(into) == sdu[::-1]


async def test_a_packet_that_is_too_long():
    async with World() as world:
        a, b = await linked(world)
        mine, cid = await channel(a, b, mtu=100)
        x, y = await a.acquire(mine), await b.acquire(cid)
        for n in (100, 100, 101):
            y.send(bytes(n))
        assert await to_end(x) == [bytes(100), bytes(100)]
        await b.expect("Disconnected", b.conn, cid, PSM, 0)
        assert await to_end(y) == []
        await b.bled.logged("101 octets, where 100 are the most")


async def flood(out, n, size):
    digest = hashlib.sha256()
    for i in range(n):
        sdu = i.to_bytes(4, "big") + bytes(size - 4)
        digest.update(sdu)
        await put(out, sdu)
    return digest.hexdigest()


async def fill(sides, out):
    """Packets of 1000 octets until all on the way is full and nothing seems to move: how many."""
    sent, last, still = 0, None, 0
    while still < 10:
        try:
            out.send(sent.to_bytes(4, "big") + bytes(996))
            sent, still = sent + 1, 0
        except BlockingIOError:
            stats = [await side.bled.stats() for side in sides]
            still, last = still + 1 if stats == last else 0, stats
    return sent


async def test_a_reader_that_stops_and_goes_on():
    """The writer gets EAGAIN, nothing is lost, and the daemons hold no more than before."""
    async with World(air_args=FAST) as world:
        a, b = await linked(world)
        mine, cid = await channel(a, b, mtu=1000)
        x, y = await a.acquire(mine), await b.acquire(cid)
        await flood(y, 100, 1000)
        for _ in range(100):
            await packet(x)
        before = resident(a.bled), resident(b.bled)
        sent = await fill((a, b), y)
        assert sent > 90, sent
        assert (await a.bled.stats())["l2cap-channels-open"] == 1
        async def write_on(start, end):
            for i in range(start, end):
                await put(y, i.to_bytes(4, "big") + bytes(996))
        more = asyncio.ensure_future(write_on(sent, 1000))
        for i in range(1000):
            data = await packet(x)
            assert data == i.to_bytes(4, "big") + bytes(996), (i, data[:4])
        await more
        after = resident(a.bled), resident(b.bled)
        assert all(y - x < 1024 for x, y in zip(before, after)), (before, after)  # kB


async def test_what_was_written_before_closing_arrives():
    """As much as goes in while nobody reads; then it reads all, to the end."""
    async with World(air_args=FAST) as world:
        a, b = await linked(world)
        mine, cid = await channel(a, b, mtu=1000)
        x, y = await a.acquire(mine), await b.acquire(cid)
        sent = await fill((a, b), y)
        y.close()
        got = await to_end(x)
        assert [int.from_bytes(g[:4], "big") for g in got] == list(range(sent)), (len(got), sent)
        assert all(len(g) == 1000 for g in got)
        await b.expect("Disconnected", b.conn, cid, PSM, 0)
        await a.expect("Disconnected", a.conn, mine, PSM, 0)


async def test_a_slow_reader_has_it_even_after_the_link():
    """More than its socket takes, then the channel is closed and the link ended, then it reads."""
    async with World(air_args=FAST) as world:
        a, b = await linked(world)
        mine, cid = await channel(a, b, mtu=1000)
        x, y = await a.acquire(mine), await b.acquire(cid)
        for i in range(100):
            await put(y, bytes([i]) * 1000)
        y.close()
        await b.expect("Disconnected", b.conn, cid, PSM, 0)
        await b.call("Disconnect", "qa{sv}", b.conn, {}, interface="Link1")
        await a.client.expect("CentralDisconnected")
        assert [g[0] for g in await to_end(x)] == list(range(100))


async def test_what_had_come_when_the_link_ended_is_in_the_socket():
    """Also where the daemon finds data and the end of the link in one piece, because it was slow."""
    async with World(air_args=FAST) as world:
        a, b = await linked(world)
        mine, cid = await channel(a, b, mtu=100)
        x = await a.acquire(mine)
        a.bled.process.send_signal(signal.SIGSTOP)
        for i in range(8):
            assert await b.send(cid, bytes([i]) * 100)
        await b.call("Disconnect", "qa{sv}", b.conn, {}, interface="Link1")
        a.bled.process.send_signal(signal.SIGCONT)
        await a.expect("Disconnected", a.conn, mine, PSM, 0x113)
        assert [g[0] for g in await to_end(x)] == list(range(8))


async def test_an_attached_client_that_writes_and_dies_has_written():
    async with World(air_args=FAST) as world:
        a, b = await linked(world)
        owner = await b.attach()
        mine, cid = await channel(a, b, connector=owner, mtu=1000)
        x, y = await a.acquire(mine), await b.acquire(cid, client=owner)
        for i in range(80):  # fits into the socket alone
            y.send(bytes([i]) * 1000)
        y.close()
        await b.leaves(owner)
        got = await to_end(x)
        assert [g[0] for g in got] == list(range(80))
        await a.expect("Disconnected", a.conn, mine, PSM, 0)
        await counted(b.bled, "l2cap-channels-open", 0)


async def test_a_reader_that_dies_ends_the_channel_alone():
    async with World(air_args=FAST) as world:
        a, b = await linked(world)
        owner = await a.attach()
        mine, cid = await channel(a, b, listener=owner, mtu=1000)
        x, y = await a.acquire(mine, client=owner), await b.acquire(cid)
        task = asyncio.ensure_future(flood(y, 100000, 1000))
        for _ in range(50):
            await packet(x)
        x.close()
        await a.leaves(owner)
        await b.expect("Disconnected", b.conn, cid, PSM, 0)
        try:
            await task
            raise AssertionError("the writer was not told")
        except BrokenPipeError:
            pass
        await counted(a.bled, "l2cap-channels-open", 0)
        assert (await a.bled.stats())["l2cap-listeners-open"] == 0
        await a.listen()
        await b.connect()


async def test_clients_killed_with_calls_in_flight():
    """SIGKILL of a client amid Send and Connect, at each side."""
    async with World() as world:
        a, b = await linked(world)
        await a.listen()
        for side, calls in ((b, [["L2cap1", "Connect", "qqqa{sv}", [b.conn, PSM, MTU, {}], False]] * 8),):
            victim = await world.victim(side.bled, ["Adapter1", "Attach", "a{sv}", [{}], True], *calls,
                                        sync=False)
            await world.kill(victim, side.bled.client)
        await counted(b.bled, "l2cap-channels-open", 0)
        await counted(a.bled, "l2cap-channels-open", 0)
        await b.connect()
        await counted(a.bled, "l2cap-channels-open", 1)


async def test_bursts_of_short_sdus_both_ways():
    """20,000 packets each way at once, of 0 to 40 octets: all arrive, in order."""
    async with World(air_args=FAST) as world:
        a, b = await linked(world)
        mine, cid = await channel(a, b, mtu=40)
        x, y = await a.acquire(mine), await b.acquire(cid)

        def sdu(i):
            return i.to_bytes(4, "big")[4 - i % 5:] * (i % 10)

        async def write(out):
            for i in range(20000):
                await put(out, sdu(i))

        async def read(into):
            i = 0
            while i < 20000:
                await ready(into)
                try:
                    while i < 20000:
                        assert into.recv(64) == sdu(i), i
                        i += 1
                except BlockingIOError:
                    pass
        await asyncio.gather(write(x), write(y), read(x), read(y))
        assert not hung_up(x) and not hung_up(y)


async def test_disconnect_of_a_socket_sends_what_was_written():
    async with World(air_args=FAST) as world:
        a, b = await linked(world)
        mine, cid = await channel(a, b, mtu=1000)
        x, y = await a.acquire(mine), await b.acquire(cid)
        for i in range(80):  # fits into the socket alone
            y.send(bytes([i]) * 1000)
        got = asyncio.ensure_future(to_end(x))
        await b.disconnect(cid)
        await b.expect("Disconnected", b.conn, cid, PSM, 0)
        assert [g[0] for g in await got] == list(range(80))
        assert await to_end(y) == []


async def test_l2cat_moves_a_file():
    """The example: 3 MB from one daemon to the other, told by its SHA-256."""
    async with World(air_args=FAST) as world:
        a = await world.bled("a", ["unix:" + world.hci(0)])
        b = await world.bled("b", ["unix:" + world.hci(1)])
        source, target = world.dir / "source", world.dir / "target"
        source.write_bytes(random.Random(2).randbytes(3 << 20))
        script = [sys.executable, str(SUPPORT / "l2cat.py"), "--bus=" + world.address]
        with open(target, "wb") as out, open(source, "rb") as data:
            listener = await world.spawn(*script, "--name=" + a.name, "listen", "0x80", tag="listener",
                                         stdout=out)
            await listener.log.contains("listening")
            addr_type, addr = await a.address()
            connector = await world.spawn(*script, "--name=" + b.name,
                                          *([] if addr_type else ["--public"]), "connect", addr,
                                          "0x80", tag="connector", stdin=data)
            for process in (connector, listener):
                assert await asyncio.wait_for(process.wait(), 60) == 0, process.log.text
        assert hashlib.sha256(source.read_bytes()).digest() == hashlib.sha256(target.read_bytes()).digest()


main(*[f for name, f in list(globals().items()) if name.startswith("test_")])
