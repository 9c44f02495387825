#!/usr/bin/env python3
"""GattServer1: every method, option, signal and error, with another daemon's client as the peer."""
import asyncio
import signal

from bledtest import Error, MessageFlag, Variant, World, main

S, C = "GattServer1", "GattClient1"
READ, COMMAND, WRITE, NOTIFY, INDICATE = 0x02, 0x04, 0x08, 0x10, 0x20
ALL = READ | COMMAND | WRITE | NOTIFY | INDICATE
LATER = {"wait": Variant("b", False)}
FAST = {k: Variant("u", 7500) for k in ("min_conn_interval_us", "max_conn_interval_us")}
DENIED = "org.freedesktop.DBus.Error.AccessDenied"
INVALID = "org.freedesktop.DBus.Error.InvalidArgs"


def characteristic(uuid, flags, value=None, **more):
    types = {"max_len": "q", "descriptors": "aa{sv}"}
    c = {"uuid": Variant("s", uuid), "flags": Variant("u", flags)}
    if value is not None:
        c["value"] = Variant("ay", value)
    return {**c, **{k: Variant(types.get(k, "b"), v) for k, v in more.items()}}


async def refused(name, call, *words):
    """The call fails so, with these words in its sentence."""
    name = name if "." in name and name.startswith("org.") else "org.bled.Error." + name
    try:
        got = await call
    except Error as e:
        assert e.name == name, (name, e)
        assert all(w in e.text for w in words), (words, e.text)
        return e.text
    raise AssertionError(f"not refused with {name}: {got}")


class Peers:
    """a serves; b, a second daemon, is its client over the air."""

    def __init__(self, world, a, b):
        self.world, self.a, self.b = world, a, b

    @classmethod
    async def start(cls, world, connect=True, **kw):
        a = await world.bled("a", ["unix:" + world.hci(0)])
        b = await world.bled("b", ["unix:" + world.hci(1)])
        for x in (a, b):
            await x.activate()
        self = cls(world, a, b)
        if connect:
            await self.connect()
        return self

    async def connect(self, interval_us=7500):
        await self.a.call("Broadcaster1", "Advertise", "ua{sv}", 20000, {})
        at = {k: Variant("u", interval_us) for k in FAST}
        self.theirs = (await self.b.call("Central1", "Connect", "ysa{sv}", *await self.a.address(),
                                         at))[0]
        self.mine = (await self.a.client.expect("CentralConnected")).args[0]

    async def serve(self, member, signature, *args, client=None, **kw):
        """A method of GattServer1; its out arguments."""
        return await self.a.call(S, member, signature, *args, client=client, **kw)

    async def add(self, *characteristics, uuid="180d", client=None, **options):
        """The handle of the service, and of its values."""
        return await self.serve("AddService", "saa{sv}a{sv}", uuid, list(characteristics), options,
                                client=client)

    async def one(self, flags=ALL, value=b"", client=None, **more):
        """The value's handle of a new service of one characteristic."""
        return (await self.add(characteristic("2a37", flags, value, **more), client=client))[1][0]

    async def ask(self, member, signature, *args, **kw):
        """A method of the peer's GattClient1."""
        return await self.b.call(C, member, "q" + signature, self.theirs, *args, **kw)

    async def peer_reads(self, handle, **options):
        return (await self.ask("Read", "qa{sv}", handle, options))[0]

    async def peer_writes(self, handle, value, mode=1):
        await self.ask("Write", "qayya{sv}", handle, value, mode, {})

    async def subscribe(self, handle, bits):
        await self.ask("Subscribe", "qya{sv}", handle, bits, {})
        await self.a.client.expect("Subscribed", self.mine, handle, bits)


HEART_RATE = ["180d", [["2a37", READ | NOTIFY, []], ["2a38", READ, [["2901", READ]]]]]
BATTERY = ["180f", [["2a19", READ | INDICATE, []]]]


async def register(p, services, client=None, **options):
    return (await p.serve("RegisterServices", "a(sa(sua(su)))a{sv}", services, options,
                          client=client))[0]


async def test_registered_services_have_the_handles_of_the_contract():
    async with World() as world:
        p = await Peers.start(world, connect=False)
        handles = await register(p, [HEART_RATE, BATTERY])
        # service, declaration, value, CCCD, declaration, value, descriptor; service, ...
        first = handles[0][0] - 2
        assert handles == [[first + 2, first + 5, first + 6], [first + 9]], handles
        assert await register(p, [HEART_RATE, BATTERY]) == handles, "replaced: the same places"
        assert await register(p, [BATTERY]) == [[first + 2]]
        await refused("NotFound", p.serve("Read", "q", first + 5), f"0x{first + 5:04x}")
        assert await register(p, []) == []
        await refused("NotFound", p.serve("Read", "q", first + 2))
        await p.a.logged("the daemon has registered 2 services of 11 handles in place of 0 of 0")
        # On a fresh adapter too.
        other = await p.b.call(S, "RegisterServices", "a(sa(sua(su)))a{sv}", [HEART_RATE, BATTERY], {})
        assert other == [handles], other
        await p.a.call("Broadcaster1", "Advertise", "ua{sv}", 100000, {})
        await refused("Busy", register(p, [BATTERY]), "StopAdvertising")
        await p.a.call("Broadcaster1", "StopAdvertising", "y", 255)
        assert await register(p, [BATTERY]) == [[first + 2]]


async def test_registered_services_follow_in_order_whatever_is_free_before_them():
    async with World() as world:
        p = await Peers.start(world, connect=False)
        hole, _ = await p.add(characteristic("2a37", READ), uuid="1809")
        fence, _ = await p.add(uuid="180a")
        await p.serve("RemoveService", "q", hole)  # room for 3 handles
        small = ["180f", [["2a19", READ, []]]]
        handles = await register(p, [HEART_RATE, small, small])
        assert handles == [[fence + 3, fence + 6, fence + 7], [fence + 10], [fence + 13]], handles
        handles = await register(p, [small, HEART_RATE])
        assert handles == [[hole + 2], [fence + 3, fence + 6, fence + 7]], handles
        assert (await p.add(characteristic("2a37", READ)))[0] == fence + 8


async def test_services_change_under_a_peer():
    async with World() as world:
        p = await Peers.start(world)
        await p.add(characteristic("2a37", READ), uuid="1809")
        found = (await p.ask("DiscoverServices", "sa{sv}", "", {}))[0]
        assert found[-1][2] == "1809", found
        # Service Changed goes to who has subscribed to it.
        changed = (await p.ask("ReadByUuid", "qqsa{sv}", 1, 0xffff, "2803", {}))[0]
        changed = next(h + 1 for h, v in changed if v[3:5] == b"\x05\x2a")
        await p.ask("Subscribe", "qya{sv}", changed, 2, {})
        handles = (await register(p, [HEART_RATE]))[0]
        news = await p.b.client.expect("ServicesChanged", p.theirs)
        assert news.args[1] <= handles[0] - 2 and news.args[2] >= handles[-1], (news, handles)
        found = (await p.ask("DiscoverServices", "sa{sv}", "", {}))[0]
        assert [u for _, _, u in found[-2:]] == ["1809", "180d"], found
        service = found[-2][0]
        await p.serve("RemoveService", "q", service)
        await p.a.logged("the daemon has removed service 1809, handles 0x00")
        await p.b.client.expect("ServicesChanged", p.theirs)
        found = (await p.ask("DiscoverServices", "sa{sv}", "", {}))[0]
        assert "1809" not in [u for _, _, u in found]
        assert await p.peer_reads(handles[1]) == b"", "handles of others stay"
        await refused("NotFound", p.serve("RemoveService", "q", service), f"0x{service:04x}")


async def test_services_are_laid_out_as_asked():
    async with World() as world:
        p = await Peers.start(world)
        inner, _ = await p.add(characteristic("2a19", READ, b"\x64"), uuid="180f",
                               primary=Variant("b", False))
        outer, handles = await p.add(
            characteristic("2a37", READ | NOTIFY, b"\x01", descriptors=[
                characteristic("2901", READ, b"rate"), characteristic("2904", READ, bytes(7))]),
            characteristic("12345678-1234-5678-1234-56789abcdef0", READ | 0x0100, b"x" * 30),
            includes=Variant("aq", [inner]), handle=Variant("q", 0x100))
        assert outer == 0x100, outer
        # 100: service, 101: include, 102: declaration, 103: value, 104: CCCD, 105, 106; 107, 108, 109.
        assert handles == [0x103, 0x105, 0x106, 0x108], handles
        assert [s for s in (await p.ask("DiscoverServices", "sa{sv}", "", {}))[0] if s[2] == "180f"] \
            == [], "secondary"
        found = (await p.ask("DiscoverIncludes", "qqa{sv}", 0x100, 0x1ff, {}))[0]
        assert [(s, u) for _, s, _, u in found] == [(inner, "180f")], found
        found = (await p.ask("DiscoverCharacteristics", "qqsa{sv}", 0x100, 0x109, "", {}))[0]
        assert [c[1:] for c in found] == [[0x103, 0x12, "2a37"],
                                          [0x108, 0x82, "12345678-1234-5678-1234-56789abcdef0"]]
        found = (await p.ask("DiscoverDescriptors", "qqa{sv}", 0x104, 0x109, {}))[0]
        assert [u for _, u in found] == ["2902", "2901", "2904", "2803",
                                         "12345678-1234-5678-1234-56789abcdef0", "2900"], found
        assert await p.peer_reads(0x105) == b"rate"
        assert await p.peer_reads(0x108) == b"x" * 30
        assert await p.peer_reads(0x109) == b"\x02\x00", "Writable Auxiliaries"
        await refused("Busy", p.add(characteristic("2a00", READ), handle=Variant("q", 0xfe)), "0x0100")
        await refused("Busy", p.add(handle=Variant("q", 2)), "own")
        await refused("NotFound", p.add(includes=Variant("aq", [0x200])), "0x0200")
        await refused("NoResources", p.add(characteristic("2a00", READ), handle=Variant("q", 0xffff)))
        # At the end there is room up to a neighbour.
        end, _ = await p.add(uuid="1810", handle=Variant("q", 0x10c))
        assert end == 0x10c
        more = (await p.serve("AddCharacteristic", "qa{sv}", 0x100, characteristic("2a39", WRITE)))[0]
        assert more == [0x10b], more
        await refused("NoResources",
                      p.serve("AddCharacteristic", "qa{sv}", 0x100, characteristic("2a39", WRITE)),
                      "0x0100")
        await p.peer_writes(0x10b, b"\x01")
        await p.a.client.expect("Written", p.mine, 0x10b)


async def test_definitions_that_make_no_sense_are_named():
    async with World() as world:
        p = await Peers.start(world, connect=False)
        good = characteristic("2a37", READ)
        long = characteristic("2a37", READ, b"abc", max_len=2)
        for bad, word in [
                ({"uuid": Variant("s", "2a37")}, "flags"), ({"flags": Variant("u", 2)}, "uuid"),
                (characteristic("2a3", READ), "2a3"), (characteristic("2a37", 0x10002), "0x10000"),
                (characteristic("2a37", 0x80), "0x80"), (characteristic("2803", READ), "2803"),
                (characteristic("2902", READ), "CCCD"), (long, "max_len"),
                (characteristic("2a37", READ, bytes(513)), "513"),
                ({**good, "max_len": Variant("q", 513)}, "max_len"),
                ({**good, "max_len": Variant("u", 5)}, "max_len"),
                ({**good, "wait": Variant("b", False)}, "wait"), ({**good, "x": Variant("b", True)}, "x"),
                ({**good, "value": Variant("s", "abc")}, "value"),
                (characteristic("2a37", READ, descriptors=[characteristic("2902", READ)]), "CCCD"),
                (characteristic("2a37", READ, descriptors=[{"uuid": Variant("s", "2901")}]), "flags"),
                (characteristic("2a37", READ, descriptors=[
                    characteristic("2901", READ), characteristic("2901", READ)]), "once")]:
            await refused(INVALID, p.add(good, bad), word)
            await refused(INVALID, p.serve("AddCharacteristic", "qa{sv}", 1, bad), word)
        await refused(INVALID, p.add(uuid="heart"), "heart")
        await refused(INVALID, p.add(handle=Variant("q", 0)), "handle")
        twice, _ = await p.add()
        await refused(INVALID, p.add(includes=Variant("aq", [twice, twice])), "includes",
                      f"0x{twice:04x}")
        await p.serve("RemoveService", "q", twice)
        await refused(INVALID, p.add(secondary=Variant("b", True)), "secondary")
        await refused(INVALID, register(p, [["180d", []]], append=Variant("b", True)), "append")
        for services, word in [([["18", []]], "18"), ([["180d", [["2a37", 0x80, []]]]], "0x80"),
                               ([["180d", [["2a37", 2, [["2902", 2]]]]]], "CCCD")]:
            handles = await register(p, [HEART_RATE])
            await refused(INVALID, register(p, [BATTERY, *services]), word)
            assert await p.serve("Read", "q", handles[0][0]) == [b""], "as it was"
        stats = await p.a.stats()
        assert stats["gatts-services-open"] == 1, stats


async def test_values_are_cut_refused_appended_and_enlarged():
    async with World() as world:
        p = await Peers.start(world)
        (cut, said), = await register(p, [["180d", [["2a37", ALL, [["2901", READ | WRITE]]]]]])
        whole = await p.one(max_len=10, value=b"12")
        # Registered: 20 octets, the rest is cut, in requests, commands and long writes alike.
        await p.peer_writes(cut, b"a" * 20, 1)
        assert (await p.a.client.expect("Written", p.mine, cut)).args[2] == b"a" * 20
        await p.ask("ExchangeMtu", "a{sv}", {})
        for mode in (1, 0, 2):
            await p.peer_writes(cut, b"b" * 30, mode)
            assert (await p.a.client.expect("Written", p.mine, cut)).args[2] == b"b" * 20
            assert await p.serve("Read", "q", cut) == [b"b" * 20]
        await p.peer_writes(said, b"c" * 30)
        assert (await p.a.client.expect("Written", p.mine, said)).args[2] == b"c" * 20
        # Added: longer is refused.
        await refused("Att.InvalidAttributeValueLength", p.peer_writes(whole, b"x" * 11))
        await refused("Att.InvalidAttributeValueLength", p.peer_writes(whole, b"x" * 11, 2))
        assert await p.serve("Read", "q", whole) == [b"12"]
        # A longer local write enlarges.
        await p.serve("Write", "qayb", cut, bytes(100), False)
        await p.peer_writes(cut, b"d" * 100)
        assert (await p.a.client.expect("Written", p.mine, cut)).args[2] == b"d" * 100
        assert await p.peer_reads(cut) == b"d" * 100
        await p.serve("SetBuffer", "qub", cut, 5, False)
        assert await p.serve("Read", "q", cut) == [b"ddddd"]
        # Append: what fits; Read clears.
        await p.serve("SetBuffer", "qub", cut, 8, True)
        await p.serve("Read", "q", cut)
        for value, added in ((b"12345", b"12345"), (b"6789", b"678")):
            await p.peer_writes(cut, value)
            assert (await p.a.client.expect("Written", p.mine, cut)).args[2] == added
        assert await p.peer_reads(cut) == b"12345678", "a peer's read clears nothing"
        assert await p.serve("Read", "q", cut) == [b"12345678"]
        assert await p.serve("Read", "q", cut) == [b""]
        for n in (513, 1 << 16):
            await refused(INVALID, p.serve("SetBuffer", "qub", cut, n, False), "len", str(n))
            await refused(INVALID, p.serve("Write", "qayb", cut, bytes(n), False), str(n))


async def test_long_writes_are_told_once():
    async with World() as world:
        p = await Peers.start(world)
        handle = await p.one()
        value = bytes(i % 251 for i in range(512))
        await p.peer_writes(handle, value)
        assert (await p.a.client.expect("Written", p.mine, handle)).args[2] == value
        assert await p.serve("Read", "q", handle) == [value]
        assert await p.peer_reads(handle) == value
        await p.a.stats()
        assert not p.a.client.seen("Written")
        at = {"offset": Variant("q", 500)}
        await p.ask("Write", "qayya{sv}", handle, b"end", 1, at)
        told = (await p.a.client.expect("Written", p.mine, handle)).args[2]
        assert told == value[:500] + b"end" + value[503:], told


async def test_flags_say_what_a_peer_may():
    async with World() as world:
        p = await Peers.start(world)
        uuids = iter(range(0x2b00, 0x2c00))
        flags = [READ, WRITE, COMMAND, READ | 0x0200, READ | 0x0400, WRITE | 0x1000, WRITE | 0x2000]
        _, h = await p.add(*[characteristic(f"{next(uuids):04x}", f, b"v") for f in flags])
        read, write, command, read_enc, read_auth, write_enc, write_auth = h
        assert await p.peer_reads(read) == b"v"
        await refused("Att.WriteNotPermitted", p.peer_writes(read, b"x"))
        await refused("Att.ReadNotPermitted", p.peer_reads(write))
        await refused("Att.WriteNotPermitted", p.peer_writes(command, b"x"))
        for handle in (read_enc, read_auth):
            text = "InsufficientAuthentication"
            await refused("Att." + text, p.peer_reads(handle))
        for handle in (write_enc, write_auth):
            await refused("Att.InsufficientAuthentication", p.peer_writes(handle, b"x"))
        await p.peer_writes(write, b"cmd", 0)  # not allowed: dropped, as the specification says
        await p.peer_writes(command, b"yes", 0)
        got = await p.a.client.expect("Written", p.mine)
        assert got.args[1:] == [command, b"yes"], got


async def test_notify_and_indicate_go_out_regardless():
    async with World() as world:
        p = await Peers.start(world)
        handle = await p.one(value=bytes(range(40)))
        assert await p.serve("Notify", "qqa{sv}", p.mine, handle, {}) == [20], "ATT_MTU-3"
        assert (await p.b.client.expect("Notified", p.theirs, handle)).args[2] == bytes(range(20))
        value = {"value": Variant("ay", b"hello")}
        assert await p.serve("Notify", "qqa{sv}", p.mine, handle, value) == [5]
        assert (await p.b.client.expect("Notified", p.theirs, handle)).args[2] == b"hello"
        assert await p.serve("Read", "q", handle) == [bytes(range(40))], "the stored one stays"
        assert await p.serve("Indicate", "qqa{sv}", p.mine, handle, value) == [5]
        done = [s.args for s in p.a.client.signals if s.member == "IndicateDone"]
        assert done == [[p.mine, handle, 0]], done
        assert (await p.b.client.expect("Indicated", p.theirs, handle)).args[2] == b"hello"
        p.a.client.signals.clear()
        empty = {"value": Variant("ay", b""), **LATER}
        assert await p.serve("Indicate", "qqa{sv}", p.mine, handle, empty) == [0]
        assert await p.serve("Notify", "qqa{sv}", p.mine, handle, {**value, **LATER}) == [0]
        await p.a.client.expect("IndicateDone", p.mine, handle, 0)
        assert (await p.b.client.expect("Indicated", p.theirs, handle)).args[2] == b""
        await p.b.client.expect("Notified", p.theirs, handle)
        await p.ask("ExchangeMtu", "a{sv}", {})
        assert await p.serve("Indicate", "qqa{sv}", p.mine, handle, {}) == [40]
        await refused("NotConnected", p.serve("Notify", "qqa{sv}", 9, handle, {}), "9")
        await refused(INVALID, p.serve("Notify", "qqa{sv}", p.mine, handle,
                                       {"value": Variant("ay", bytes(513))}), "513")
        await refused(INVALID, p.serve("Indicate", "qqa{sv}", p.mine, handle,
                                       {"data": Variant("ay", b"")}), "data")
        await refused("NotFound", p.serve("Notify", "qqa{sv}", p.mine, handle + 1, {}))
        await refused("NotFound", p.serve("Indicate", "qqa{sv}", p.mine, 3, {}), "0x0003")


async def test_updates_go_to_subscribers():
    async with World(controllers=3) as world:
        p = await Peers.start(world)
        c = await world.bled("c", ["unix:" + world.hci(2)])
        await c.activate()
        await p.a.call("Broadcaster1", "Advertise", "ua{sv}", 20000, {})
        theirs = (await c.call("Central1", "Connect", "ysa{sv}", *await p.a.address(), FAST))[0]
        other = (await p.a.client.expect("CentralConnected")).args[0]
        handle = await p.one()
        await p.serve("Write", "qayb", handle, b"nobody", True)
        await p.subscribe(handle, 1)
        await p.serve("Write", "qayb", handle, b"one", True)
        assert (await p.b.client.expect("Notified", p.theirs, handle)).args[2] == b"one"
        await c.call(C, "Subscribe", "qqya{sv}", theirs, handle, 2, {})
        await p.a.client.expect("Subscribed", other, handle, 2)
        await p.serve("Write", "qayb", handle, b"both", True)
        assert (await p.b.client.expect("Notified", p.theirs, handle)).args[2] == b"both"
        assert (await c.client.expect("Indicated", theirs, handle)).args[2] == b"both"
        await p.a.client.expect("IndicateDone", other, handle, 0)
        await p.serve("Write", "qayb", handle, b"quiet", False)
        await p.subscribe(handle, 0)
        await p.serve("Write", "qayb", handle, b"c alone", True)
        assert (await c.client.expect("Indicated", theirs, handle)).args[2] == b"c alone"
        assert await p.peer_reads(handle) == b"c alone"
        assert not p.b.client.seen("Notified") and not c.client.seen("Notified")
        assert not c.client.seen("Indicated")


async def test_no_update_is_lost_in_a_flood():
    async with World(air_args=["--pace=none"]) as world:
        p = await Peers.start(world)
        handle = await p.one()
        await p.subscribe(handle, 1)
        room = asyncio.Semaphore(50)

        async def update(i):
            async with room:
                if i % 2:
                    await p.serve("Write", "qayb", handle, i.to_bytes(4, "little"), True)
                else:
                    await p.serve("Notify", "qqa{sv}", p.mine, handle,
                                  {"value": Variant("ay", i.to_bytes(4, "little"))})
        await asyncio.gather(*[update(i) for i in range(1000)])
        got = [int.from_bytes((await p.b.client.expect("Notified", p.theirs, handle)).args[2],
                              "little") for _ in range(1000)]
        assert got == list(range(1000)), got
        # And the other way.
        for i in range(1000):
            await p.ask("Write", "qayya{sv}", handle, i.to_bytes(4, "little"), 0, {},
                        flags=MessageFlag.NO_REPLY_EXPECTED if i % 40 else MessageFlag.NONE)
        got = [int.from_bytes((await p.a.client.expect("Written", p.mine, handle)).args[2], "little")
               for _ in range(1000)]
        assert got == list(range(1000)), got


async def test_calls_over_64_are_busy():
    async with World(air_args=["--pace=none"]) as world:
        p = await Peers.start(world)
        handle = await p.one()
        await p.ask("ExchangeMtu", "a{sv}", {})
        # The peer's daemon does not confirm while it is stopped.
        p.b.process.send_signal(signal.SIGSTOP)
        calls = [asyncio.ensure_future(p.serve("Indicate", "qqa{sv}", p.mine, handle, {}))
                 for _ in range(64)]
        await asyncio.sleep(0)
        await refused("Busy", p.serve("Notify", "qqa{sv}", p.mine, handle, {}), "64")
        other = await p.a.new_client()
        assert await p.serve("Read", "q", handle, client=other) == [b""]
        p.b.process.send_signal(signal.SIGCONT)
        assert await asyncio.gather(*calls) == [[0]] * 64
        for _ in range(64):
            await p.a.client.expect("IndicateDone", p.mine, handle, 0)


async def test_what_finds_no_room_is_held_and_nothing_is_lost():
    async with World() as world:
        p = await Peers.start(world, connect=False)
        await p.connect(30000)  # calls are faster than the radio
        handle = await p.one(value=b"v" * 20)
        clients = [await p.a.new_client(match=False) for _ in range(12)]
        # 64 PDUs and 256 waiting are what a connection takes; more than one connection event sends.
        calls = [asyncio.ensure_future(p.serve(
            "Notify", "qqa{sv}", p.mine, handle,
            {"value": Variant("ay", bytes([i]) + k.to_bytes(2, "little"))}, client=c))
            for k in range(60) for i, c in enumerate(clients)]
        held = 0
        while not all(c.done() for c in calls):
            held = max(held, (await p.a.stats())["gatts-held-open"])
        assert await asyncio.gather(*calls) == [[3]] * len(calls)
        got = [(await p.b.client.expect("Notified", p.theirs, handle)).args[2] for _ in calls]
        for i in range(len(clients)):
            order = [int.from_bytes(v[1:], "little") for v in got if v[0] == i]
            assert order == list(range(60)), (i, order)
        assert held > 0, "nothing was held: this shows nothing"
        assert (await p.a.stats())["gatts-held-open"] == 0


async def test_indications_end_with_the_link():
    async with World() as world:
        p = await Peers.start(world)
        handle = await p.one()
        p.b.process.send_signal(signal.SIGSTOP)
        calls = [asyncio.ensure_future(p.serve("Indicate", "qqa{sv}", p.mine, handle, {}))
                 for _ in range(3)]
        await asyncio.sleep(0)
        await p.a.stats()
        await p.a.call("Link1", "Disconnect", "qa{sv}", p.mine, {})
        for call in calls:
            await refused("Disconnected", call, "0x16")
        order = [s.member for s in p.a.client.signals if s.member in ("IndicateDone", "Disconnected")]
        assert order == ["IndicateDone"] * 3 + ["Disconnected"], order
        assert (await p.a.client.expect("IndicateDone")).args == [p.mine, handle, 0x116]
        p.b.process.send_signal(signal.SIGCONT)


async def test_what_is_on_the_air_ends_with_its_service():
    """The handle is the next client's, or the next characteristic's, when the peer confirms."""
    async with World() as world:
        p = await Peers.start(world)
        old, new = await p.a.new_client(), await p.a.new_client()
        for client in (old, new):
            await p.a.call("Adapter1", "Attach", "a{sv}", {}, client=client)
        for ending in ("RemoveService", "Detach"):
            service, (handle,) = await p.add(characteristic("2a37", ALL, b"old"), client=old)
            await p.ask("Subscribe", "qya{sv}", handle, 2, {})
            await old.expect("Subscribed", p.mine, handle, 2)
            p.b.process.send_signal(signal.SIGSTOP)
            calls = [asyncio.ensure_future(p.serve("Indicate", "qqa{sv}", p.mine, handle, {}, client=old))
                     for _ in range(2)]
            await asyncio.sleep(0)
            await p.serve("Write", "qayb", handle, b"update", True, client=old)
            if ending == "Detach":
                await p.a.call("Adapter1", "Detach", client=old)
            else:
                await p.serve("RemoveService", "q", service, client=old)
            for call in calls:
                await refused("Canceled", call, f"0x{handle:04x}")
            order = [s for s in old.signals if s.member in ("IndicateDone", "InterfacesRemoved")]
            assert [s.member for s in order] == ["IndicateDone"] * 3 + ["InterfacesRemoved"], order
            assert all(s.args == [p.mine, handle, 0x402] for s in order[:3]), order
            old.signals.clear()
            assert (await p.add(characteristic("2a19", ALL, b"new"), client=new))[1] == [handle]
            p.b.process.send_signal(signal.SIGCONT)
            assert await p.serve("Indicate", "qqa{sv}", p.mine, handle, {}, client=new) == [3]
            done = [s.args for c in (old, new, p.a.client) for s in c.signals
                    if s.member == "IndicateDone"]
            assert done == [[p.mine, handle, 0]], done
            old.signals.clear()
            await p.serve("RemoveService", "q", service, client=new)
            await old.expect("InterfacesRemoved")
            new.signals.clear()
        (handle,), = await register(p, [["180d", [["2a37", ALL, []]]]])
        p.b.process.send_signal(signal.SIGSTOP)
        call = asyncio.ensure_future(p.serve("Indicate", "qqa{sv}", p.mine, handle, {}))
        await asyncio.sleep(0)
        assert await register(p, [["180f", [["2a19", ALL, []]]]]) == [[handle]]
        await refused("Canceled", call)
        await p.a.client.expect("IndicateDone", p.mine, handle, 0x402)
        p.b.process.send_signal(signal.SIGCONT)
        assert await p.serve("Indicate", "qqa{sv}", p.mine, handle, {}) == [0]
        done = [s.args for s in p.a.client.signals if s.member == "IndicateDone"]
        assert done == [[p.mine, handle, 0]], done


async def test_reads_and_writes_wait_for_leave():
    async with World() as world:
        p = await Peers.start(world)
        handle = await p.one(value=b"stored")
        other = await p.one(value=b"free")
        await p.serve("SetAuthorization", "qbbq", handle, True, True, 0x08)
        read = asyncio.ensure_future(p.peer_reads(handle))
        asked = await p.a.client.expect("ReadRequested")
        assert asked.args[0] != 0 and asked.args[1:] == [p.mine, handle], asked
        assert (await p.a.stats())["gatts-requests-open"] == 1
        await p.serve("Reply", "uqa{sv}", asked.args[0], 0, {"value": Variant("ay", b"fresh")})
        assert await read == b"fresh"
        await refused("NotFound", p.serve("Reply", "uqa{sv}", asked.args[0], 0, {}))
        # Without a value: as it then is.
        read = asyncio.ensure_future(p.peer_reads(handle))
        asked = await p.a.client.expect("ReadRequested")
        await p.serve("Write", "qayb", handle, b"x" * 60, False)
        await p.serve("Reply", "uqa{sv}", asked.args[0], 0, {})
        assert await read == b"x" * 60, "a long read asks once"
        assert not p.a.client.seen("ReadRequested")
        # No.
        read = asyncio.ensure_future(p.peer_reads(handle))
        asked = await p.a.client.expect("ReadRequested")
        await p.serve("Reply", "uqa{sv}", asked.args[0], 0x80, {})
        await refused("Att.Application80", read)
        # Writes: what is asked, what is stored, what is told.
        write = asyncio.ensure_future(p.peer_writes(handle, b"mine"))
        asked = await p.a.client.expect("WriteRequested")
        assert asked.args[1:] == [p.mine, handle, b"mine"], asked
        assert not p.a.client.seen("Written")
        await p.serve("Reply", "uqa{sv}", asked.args[0], 0, {})
        await write
        assert (await p.a.client.expect("Written", p.mine, handle)).args[2] == b"mine"
        write = asyncio.ensure_future(p.peer_writes(handle, b"z" * 100))
        asked = await p.a.client.expect("WriteRequested")
        assert asked.args[3] == b"z" * 100, "once for an executed write"
        await p.serve("Reply", "uqa{sv}", asked.args[0], 0, {"value": Variant("ay", b"ours")})
        await write
        assert (await p.a.client.expect("Written", p.mine, handle)).args[2] == b"ours"
        write = asyncio.ensure_future(p.peer_writes(handle, b"no"))
        asked = await p.a.client.expect("WriteRequested")
        await p.serve("Reply", "uqa{sv}", asked.args[0], 0x13, {})
        await refused("Att.ValueNotAllowed", write)
        assert await p.serve("Read", "q", handle) == [b"ours"]
        # A reply that makes no sense changes nothing.
        read = asyncio.ensure_future(p.peer_reads(handle))
        number = (await p.a.client.expect("ReadRequested")).args[0]
        for status, options in ((0x100, {}), (8, {"value": Variant("ay", b"x")}),
                                (0, {"value": Variant("ay", bytes(513))}), (0, {"x": Variant("b", True)})):
            await refused(INVALID, p.serve("Reply", "uqa{sv}", number, status, options))
        await p.serve("Reply", "uqa{sv}", number, 0, {})
        assert await read == b"ours"
        assert await p.peer_reads(other) == b"free"
        await p.serve("SetAuthorization", "qbbq", handle, False, False, 0x08)
        assert await p.peer_reads(handle) == b"ours"
        await refused(INVALID, p.serve("SetAuthorization", "qbbq", handle, True, True, 0x100))
        await refused("NotFound", p.serve("SetAuthorization", "qbbq", 3, True, True, 8))


async def test_leave_is_asked_for_what_was_named():
    """SetAuthorization is for one handle; what a characteristic is added with, for its descriptors too."""
    async with World() as world:
        p = await Peers.start(world)
        said = [characteristic("2901", READ | WRITE, b"said")]
        _, (value, descriptor) = await p.add(
            characteristic("2a37", READ | NOTIFY, b"value", descriptors=said))
        await p.serve("SetAuthorization", "qbbq", value, True, True, 0x08)
        assert await p.peer_reads(descriptor) == b"said"
        await p.subscribe(value, 1)
        assert not p.a.client.seen("ReadRequested")
        await p.serve("SetAuthorization", "qbbq", value, False, False, 0x08)
        await p.serve("SetAuthorization", "qbbq", descriptor, True, False, 0x08)
        assert await p.peer_reads(value) == b"value"
        _, (_, other) = await p.add(characteristic("2a38", READ, b"", descriptors=said,
                                                   authorize_reads=True))
        for handle in descriptor, other:
            read = asyncio.ensure_future(p.peer_reads(handle))
            asked = await p.a.client.expect("ReadRequested")
            assert asked.args[1:] == [p.mine, handle], asked
            await p.serve("Reply", "uqa{sv}", asked.args[0], 0, {})
            assert await read == b"said"


async def test_silence_refuses():
    async with World(controllers=3) as world:
        p = await Peers.start(world)
        c = await world.bled("c", ["unix:" + world.hci(2)])
        await c.activate()
        await p.a.call("Broadcaster1", "Advertise", "ua{sv}", 20000, {})
        theirs = (await c.call("Central1", "Connect", "ysa{sv}", *await p.a.address(), FAST))[0]
        handle = await p.one(READ | WRITE | 0x0800)  # READ_AUTHORIZED alone
        second = await p.one(READ, authorize_reads=True)
        await p.serve("SetAuthorization", "qbbq", second, True, False, 0x0e)
        slow = asyncio.ensure_future(p.peer_reads(handle))
        await p.a.client.expect("ReadRequested")
        # Another connection is not held up, nor is this one's other way.
        await c.call(C, "Write", "qqayya{sv}", theirs, handle, b"c", 1, {})
        await p.a.client.expect("Written")
        assert not slow.done()
        await refused("Att.InsufficientAuthorization", slow)
        await refused("Att.UnlikelyError", p.peer_reads(second))


async def test_a_request_ends_with_its_link():
    async with World() as world:
        p = await Peers.start(world)
        handle = await p.one(authorize_writes=True)
        write = asyncio.ensure_future(p.peer_writes(handle, b"x"))
        number = (await p.a.client.expect("WriteRequested")).args[0]
        await p.b.call("Link1", "Disconnect", "qa{sv}", p.theirs, {})
        await refused("Disconnected", write)
        await p.a.client.expect("CentralDisconnected")
        await refused("NotFound", p.serve("Reply", "uqa{sv}", number, 0, {}))
        assert await p.serve("Read", "q", handle) == [b""]
        assert (await p.a.stats())["gatts-requests-open"] == 0
        await p.connect()
        write = asyncio.ensure_future(p.peer_writes(handle, b"y"))
        again = (await p.a.client.expect("WriteRequested")).args[0]
        assert again != number
        await p.serve("Reply", "uqa{sv}", again, 0, {})
        await write


async def test_reads_are_told_of():
    async with World() as world:
        p = await Peers.start(world)
        handle = await p.one(READ, b"v" * 60, read_events=True)
        quiet = await p.one(READ, b"v")
        assert await p.peer_reads(quiet) == b"v"
        assert await p.peer_reads(handle) == b"v" * 60
        told = await p.a.client.expect("ReadRequested")
        assert told.args == [0, p.mine, handle], told
        await p.a.stats()
        assert not p.a.client.seen("ReadRequested")


async def test_descriptors_are_values_too():
    async with World() as world:
        p = await Peers.start(world)
        _, (value, said) = await p.add(characteristic("2a37", READ | NOTIFY, b"v", descriptors=[
            characteristic("2901", READ | WRITE, b"said", max_len=20)]))
        assert await p.peer_reads(said) == b"said"
        await p.peer_writes(said, b"anew")
        assert (await p.a.client.expect("Written")).args == [p.mine, said, b"anew"]
        assert await p.serve("Read", "q", said) == [b"anew"]
        await p.serve("Write", "qayb", said, b"here", False)
        assert await p.peer_reads(said) == b"here"
        await refused(INVALID, p.serve("Write", "qayb", said, b"x", True), "descriptor")
        await refused("NotFound", p.serve("Notify", "qqa{sv}", p.mine, said, {}), "descriptor")
        for handle in (value + 1, value - 1, 1, 3, 0, 0xffff):  # CCCD, declaration, bled's, none
            for call in (p.serve("Read", "q", handle), p.serve("Write", "qayb", handle, b"", False),
                         p.serve("SetBuffer", "qub", handle, 5, False)):
                await refused("NotFound", call, f"0x{handle:04x}")
        # A CCCD written by hand is news of its characteristic.
        await p.peer_writes(value + 1, b"\x01\x00")
        assert (await p.a.client.expect("Subscribed")).args == [p.mine, value, 1]
        assert not p.a.client.seen("Written")


async def test_services_belong_to_who_made_them():
    async with World() as world:
        p = await Peers.start(world)
        one, two = await p.a.new_client(), await p.a.new_client()
        await p.a.call("Adapter1", "Attach", "a{sv}", {"authorize_writes": Variant("b", True)},
                       client=one)
        await p.a.call("Adapter1", "Attach", "a{sv}", {}, client=two)
        handle = await p.one(client=one)
        open_to_all = await p.one()
        for client in (two, p.a.client):
            for call in (p.serve("Read", "q", handle, client=client),
                         p.serve("Write", "qayb", handle, b"", False, client=client),
                         p.serve("SetBuffer", "qub", handle, 1, False, client=client),
                         p.serve("Notify", "qqa{sv}", p.mine, handle, {}, client=client),
                         p.serve("SetAuthorization", "qbbq", handle, False, False, 8, client=client),
                         p.serve("AddCharacteristic", "qa{sv}", handle - 2,
                                 characteristic("2a38", READ), client=client),
                         p.serve("RemoveService", "q", handle - 2, client=client)):
                await refused(DENIED, call, one.name)
        assert await p.serve("Read", "q", open_to_all, client=two) == [b""]
        # Its options of Attach hold; who else answers is refused; its events are its own.
        write = asyncio.ensure_future(p.peer_writes(handle, b"mine"))
        asked = await one.expect("WriteRequested")
        for client in (two, p.a.client):
            await refused(DENIED, p.serve("Reply", "uqa{sv}", asked.args[0], 0, {}, client=client),
                          one.name)
        await p.serve("Reply", "uqa{sv}", asked.args[0], 0, {}, client=one)
        await write
        await one.expect("Written", p.mine, handle, b"mine")
        await p.peer_writes(open_to_all, b"all")
        for client in (one, two, p.a.client):
            await client.expect("Written", p.mine, open_to_all, b"all")
        for client in (two, p.a.client):
            assert not client.seen("Written") and not client.seen("WriteRequested")
        clients = (await p.a.call("Manager1", "Clients", path="/org/bled"))[0]
        assert next(c[2] for c in clients if c[0] == one.name)["services"].value == 1, clients
        # Registered ones are replaced per owner.
        theirs = await register(p, [BATTERY], client=one)
        await register(p, [HEART_RATE], client=two)
        await register(p, [], client=two)
        assert await p.serve("Read", "q", theirs[0][0], client=one) == [b""]
        await p.a.call("Adapter1", "Detach", client=one)
        await refused("Att.InvalidHandle", p.peer_reads(handle))
        await refused("NotFound", p.serve("Read", "q", handle))
        assert await p.peer_reads(open_to_all) == b"all"


async def test_a_killed_client_takes_its_services_with_it():
    async with World() as world:
        p = await Peers.start(world)
        added = [{"uuid": {"v": ["s", "2a37"]}, "flags": {"v": ["u", READ]},
                  "authorize_reads": {"v": ["b", True]}}]
        victim = await world.victim(
            p.a, ["Adapter1", "Attach", "a{sv}", [{}], True],
            ["GattServer1", "AddService", "saa{sv}a{sv}", ["180d", added, {}], True],
            ["GattServer1", "AddService", "saa{sv}a{sv}", ["180f", added, {}], True])
        handle = int(victim["replies"][1].split("[")[2].split("]")[0])
        daemons = await p.one(value=b"stays")
        news = [s for s in p.a.client.signals if s.member == "InterfacesAdded"]
        assert any(s.args[0].endswith(f"char{handle:04x}") for s in news), news
        read = asyncio.ensure_future(p.peer_reads(handle))
        while (await p.a.stats())["gatts-requests-open"] == 0:
            pass  # a signal to another client is not heard here
        await world.kill(victim, p.a.client)
        await refused("Att.InsufficientAuthorization", read)  # at once: nobody else may answer
        gone = await p.a.client.expect("InterfacesRemoved", f"/org/bled/hci0/char{handle:04x}")
        assert gone
        await refused("Att.InvalidHandle", p.peer_reads(handle))
        assert await p.peer_reads(daemons) == b"stays"
        stats = await p.a.stats()
        assert stats["gatts-services-open"] == 1 and stats["gatts-requests-open"] == 0, stats


async def test_a_killed_client_leaves_no_call_behind():
    async with World() as world:
        p = await Peers.start(world)
        added = [{"uuid": {"v": ["s", "2a37"]}, "flags": {"v": ["u", READ | INDICATE]}}]
        daemons = await p.one()
        p.b.process.send_signal(signal.SIGSTOP)  # confirms nothing
        for first in ([["Adapter1", "Attach", "a{sv}", [{}], True]], []):
            handle = daemons + 4  # the service behind it
            victim = await world.victim(
                p.a, *first, ["GattServer1", "AddService", "saa{sv}a{sv}", ["180d", added, {}], True],
                ["GattServer1", "Indicate", "qqa{sv}", [p.mine, handle, {}], False],
                ["GattServer1", "Indicate", "qqa{sv}", [p.mine, daemons, {}], False])
            assert f"[{handle}]" in victim["replies"][-1], victim
            await world.kill(victim, p.a.client)
            if first:
                await p.a.client.expect("InterfacesRemoved", f"/org/bled/hci0/char{handle:04x}")
            else:  # the daemon's stay, and so do their indications
                await p.serve("RemoveService", "q", handle - 2)
        p.b.process.send_signal(signal.SIGCONT)
        for _ in range(2):
            await p.a.client.expect("IndicateDone", p.mine, daemons, 0)
        await p.serve("Indicate", "qqa{sv}", p.mine, daemons, {})
        stats = await p.a.stats()
        assert stats["calls-open"] <= 1 and stats["gatts-services-open"] == 1, stats


async def test_detach_is_answered_when_the_services_have_gone():
    async with World() as world:
        p = await Peers.start(world)
        one = await p.a.new_client()
        await p.a.call("Adapter1", "Attach", "a{sv}", {}, client=one)
        handle = await p.one(READ, b"v", client=one, authorize_reads=True)
        read = asyncio.ensure_future(p.peer_reads(handle))
        number = (await one.expect("ReadRequested", where=lambda s: s.args[0] != 0)).args[0]
        await p.a.call("Adapter1", "Detach", client=one)
        assert [s for s in one.seen("InterfacesRemoved") if "/char" in s.args[0]]
        await refused("Att.InsufficientAuthorization", read)
        await refused("NotFound", p.serve("Reply", "uqa{sv}", number, 0, {}, client=one))


async def test_a_large_database():
    async with World(air_args=["--pace=none"]) as world:
        p = await Peers.start(world)
        many = [[f"{0x2b00 + i % 256:04x}", READ | WRITE, []] for i in range(2500)]
        handles = (await register(p, [["180d", many]]))[0]
        assert len(handles) == 2500 and handles[-1] - handles[0] == 4998, handles[-1]
        await p.serve("Write", "qayb", handles[-1], b"last", False)
        assert await p.peer_reads(handles[-1]) == b"last"
        found = (await p.ask("DiscoverCharacteristics", "qqsa{sv}", 1, 0xffff, "", {}))[0]
        assert [c[1] for c in found][-2500:] == handles
        stats = await p.a.stats()
        assert stats["gatts-handles-open"] == 5001, stats
        await refused("NoResources", register(p, [["180d", many * 4]]), "16384")
        assert await p.peer_reads(handles[-1]) == b"last", "as it was"


async def test_inactive_means_no_services():
    async with World() as world:
        p = await Peers.start(world)
        handle = await p.one()
        await register(p, [HEART_RATE])
        p.a.client.signals.clear()
        await p.a.call("Adapter1", "SetActive", "ba{sv}", False, {})
        order = [s for s in p.a.client.signals if s.member in ("InterfacesRemoved", "PropertiesChanged")
                 and ("char" in s.args[0] or s.args[0] == "org.bled.Adapter1")]
        assert [s.member for s in order][:3] == ["InterfacesRemoved"] * 3, order
        assert "Active" in order[-1].args[1] or any("Active" in s.args[1] for s in order[3:]), order
        for call in (p.serve("Read", "q", handle), register(p, []), p.add(),
                     p.serve("Reply", "uqa{sv}", 1, 0, {})):
            await refused("NotActive", call)
        await p.a.activate()
        await refused("NotFound", p.serve("Read", "q", handle))
        assert (await p.a.stats())["gatts-services-open"] == 0
        assert await p.one() == handle, "a fresh start"


async def test_a_lost_controller_gives_the_daemons_services_back():
    async with World(control=True) as world:
        p = await Peers.start(world)
        one = await p.a.new_client()
        await p.a.call("Adapter1", "Attach", "a{sv}", {}, client=one)
        theirs = await p.one(client=one)
        handle = await p.one(value=b"kept")
        await p.peer_writes(handle, b"as written")
        await p.a.client.expect("Written")
        p.a.client.signals.clear()
        await world.air_does("unplug 0")
        await p.a.client.expect("Failed")
        gone = [s.args[0] for s in p.a.client.seen("InterfacesRemoved")]
        for h in (handle, theirs):
            assert f"/org/bled/hci0/char{h:04x}" in gone, gone
        back = await p.a.client.expect("InterfacesAdded", f"/org/bled/hci0/char{handle:04x}")
        assert back
        assert await p.serve("Read", "q", handle) == [b"as written"]
        await refused("NotFound", p.serve("Read", "q", theirs))
        await p.b.client.expect("PeripheralDisconnected", p.theirs)
        await p.connect()
        assert await p.peer_reads(handle) == b"as written"
        # Reset is the same on purpose.
        await p.a.call("Adapter1", "Reset", "a{sv}", {})
        assert await p.serve("Read", "q", handle) == [b"as written"]
        await p.b.client.expect("PeripheralDisconnected", p.theirs)
        await p.connect()
        assert await p.peer_reads(handle) == b"as written"


async def test_nothing_works_before_the_adapter_is_active():
    async with World() as world:
        a = await world.bled("a", ["unix:" + world.hci(0)])
        for member, signature, *args in [
                ("RegisterServices", "a(sa(sua(su)))a{sv}", [], {}),
                ("AddService", "saa{sv}a{sv}", "180d", [], {}), ("RemoveService", "q", 1),
                ("AddCharacteristic", "qa{sv}", 1, {}), ("Read", "q", 1),
                ("Write", "qayb", 1, b"", False), ("SetBuffer", "qub", 1, 1, False),
                ("Notify", "qqa{sv}", 1, 1, {}), ("Indicate", "qqa{sv}", 1, 1, {}),
                ("SetAuthorization", "qbbq", 1, False, False, 8), ("Reply", "uqa{sv}", 1, 0, {}),
                ("AcquireWrites", "qqa{sv}", 1, 1, {}), ("AcquireNotify", "qqa{sv}", 1, 1, {})]:
            await refused("NotActive", a.call(S, member, signature, *args))


if __name__ == "__main__":
    main(*[f for name, f in sorted(globals().items()) if name.startswith("test_")])
