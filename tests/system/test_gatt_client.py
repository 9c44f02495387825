#!/usr/bin/env python3
"""GattClient1: every method, option, signal and error, between two daemons on the simulated radio."""
import asyncio

from bledtest import Error, MessageFlag, Variant, World, main

G, S = "GattClient1", "GattServer1"
READ, NO_RESPONSE, WRITE, NOTIFY, INDICATE, SIGNED = 0x02, 0x04, 0x08, 0x10, 0x20, 0x40
LATER = {"wait": Variant("b", False)}


class Pair:
    """a serves, b asks: connected, with a service 180d of some characteristics."""

    def __init__(self, world):
        self.world = world

    async def start(self, characteristics=None, central="b"):
        w = self.world
        self.a = await w.bled("a", ["unix:" + w.hci(0)])
        self.b = await w.bled("b", ["unix:" + w.hci(1)])
        for x in (self.a, self.b):
            await x.activate()
        if characteristics is None:
            characteristics = [
                characteristic("2a37", READ | WRITE | NO_RESPONSE | NOTIFY | INDICATE, b"\x01\x02"),
                characteristic("2a38", READ | WRITE, bytes(range(200))),
                characteristic("2a39", WRITE),
                characteristic("0000feed-0000-1000-8000-123456789abc", READ, b"long uuid")]
        self.service, self.handles = await self.add("180d", characteristics)
        peripheral, other = (self.a, self.b) if central == "b" else (self.b, self.a)
        await peripheral.call("Broadcaster1", "Advertise", "ua{sv}", 20000, {})
        await self.connect(peripheral, other)
        return self

    async def connect(self, peripheral, central):
        fast = {k: Variant("u", 7500) for k in ("min_conn_interval_us", "max_conn_interval_us")}
        got = await central.call("Central1", "Connect", "ysa{sv}", *await peripheral.address(), fast)
        up = await peripheral.client.expect("CentralConnected")
        numbers = {central: got[0], peripheral: up.args[0]}
        self.mine, self.conn = numbers[self.a], numbers[self.b]

    async def add(self, uuid, characteristics, **options):
        return await self.a.call(S, "AddService", "saa{sv}a{sv}", uuid, characteristics,
                                 {k: v for k, v in options.items()})

    async def ask(self, member, signature, *args, client=None, flags=MessageFlag.NONE):
        """A method of GattClient1 on the connection; its one out argument, or nothing."""
        body = await self.b.call(G, member, "q" + signature, self.conn, *args, client=client,
                                 flags=flags)
        return body[0] if body else None

    async def refused(self, name, *words, call):
        """The call fails so, with these words in its sentence."""
        try:
            got = await call
        except Error as e:
            assert e.name.endswith(name), (name, e)
            assert all(w in e.text for w in words), (words, e.text)
            return e
        raise AssertionError(f"no {name} but {got}")

    def results(self, *members):
        """The result signals so named, in order, and forgets them."""
        found = [s for s in self.b.client.signals if s.member in members]
        for s in found:
            self.b.client.signals.remove(s)
        return [(s.member, *s.args) for s in found]


def characteristic(uuid, flags, value=b"", **more):
    return {"uuid": Variant("s", uuid), "flags": Variant("u", flags), "value": Variant("ay", value),
            **more}


async def test_discover_services_all_and_by_uuid():
    async with World() as world:
        p = await Pair(world).start()
        other, _ = await p.add("0000cafe-1111-2222-3333-444455556666", [characteristic("2a00", READ)])
        found = await p.ask("DiscoverServices", "sa{sv}", "", {})
        assert [s[2] for s in found[:2]] == ["1800", "1801"], found
        assert [p.service, p.handles[-1], "180d"] in found, (found, p.handles)
        assert found[-1][2] == "0000cafe-1111-2222-3333-444455556666" and found[-1][0] == other, found
        assert all(x[0] <= x[1] < y[0] for x, y in zip(found, found[1:])), found
        for uuid in ("180d", "0x180D", "0000180d-0000-1000-8000-00805f9b34fb", "0000180D"):
            assert await p.ask("DiscoverServices", "sa{sv}", uuid, {}) == \
                [[p.service, p.handles[-1], "180d"]]
        assert await p.ask("DiscoverServices", "sa{sv}", "180f", {}) == []
        assert not p.results("ServiceResult", "ServiceDone"), "the caller waited"


async def test_discover_services_without_waiting():
    async with World() as world:
        p = await Pair(world).start()
        assert await p.ask("DiscoverServices", "sa{sv}", "", LATER) == []
        await p.b.client.expect("ServiceDone", p.conn, 0)
        got = p.results("ServiceResult")
        assert [g[4] for g in got] == ["1800", "1801", "180d"], got
        assert got[-1] == ("ServiceResult", p.conn, p.service, p.handles[-1], "180d"), got
        assert await p.ask("DiscoverServices", "sa{sv}", "180f", LATER) == []
        await p.b.client.expect("ServiceDone", p.conn, 0)
        assert not p.results("ServiceResult")
        await p.ask("DiscoverServices", "sa{sv}", "180d", {}, flags=MessageFlag.NO_REPLY_EXPECTED)
        await p.b.client.expect("ServiceDone", p.conn, 0)
        assert len(p.results("ServiceResult")) == 1


async def test_discover_characteristics():
    async with World() as world:
        p = await Pair(world).start()
        found = await p.ask("DiscoverCharacteristics", "qqsa{sv}", p.service, 0xffff, "", {})
        assert [(c[1], c[2], c[3]) for c in found] == [
            (p.handles[0], 0x3e, "2a37"), (p.handles[1], 0x0a, "2a38"), (p.handles[2], 0x08, "2a39"),
            (p.handles[3], 0x02, "0000feed-0000-1000-8000-123456789abc")], found
        assert found[0][0] == p.handles[0] + 1, "its CCCD is its last handle"
        assert await p.ask("DiscoverCharacteristics", "qqsa{sv}", p.service, 0xffff, "2a38", {}) == \
            [found[1]]
        assert await p.ask("DiscoverCharacteristics", "qqsa{sv}", p.service, 0xffff, "2a99", {}) == []
        await p.ask("DiscoverCharacteristics", "qqsa{sv}", p.service, 0xffff, "", LATER)
        await p.b.client.expect("CharacteristicDone", p.conn, 0)
        assert p.results("CharacteristicResult") == \
            [("CharacteristicResult", p.conn, *c) for c in found]
        for start, end in ((0, 5), (9, 8)):
            await p.refused("InvalidArgs", str(start), str(end), call=p.ask(
                "DiscoverCharacteristics", "qqsa{sv}", start, end, "", {}))
        await p.refused("InvalidArgs", "zz", call=p.ask(
            "DiscoverCharacteristics", "qqsa{sv}", 1, 2, "zz", {}))


async def test_discover_descriptors():
    async with World() as world:
        p = await Pair(world).start([characteristic(
            "2a37", READ | NOTIFY, descriptors=Variant("aa{sv}", [
                {"uuid": Variant("s", "2901"), "flags": Variant("u", READ),
                 "value": Variant("ay", b"heart")}]))])
        value, descriptor = p.handles
        want = [[p.service, "2800"], [value - 1, "2803"], [value, "2a37"], [value + 1, "2902"],
                [descriptor, "2901"]]
        assert await p.ask("DiscoverDescriptors", "qqa{sv}", p.service, 0xffff, {}) == want
        assert await p.ask("DiscoverDescriptors", "qqa{sv}", value + 1, descriptor, {}) == want[3:]
        assert await p.ask("DiscoverDescriptors", "qqa{sv}", descriptor + 1, 0xffff, {}) == []
        await p.ask("DiscoverDescriptors", "qqa{sv}", p.service, 0xffff, LATER)
        await p.b.client.expect("DescriptorDone", p.conn, 0)
        assert p.results("DescriptorResult") == [("DescriptorResult", p.conn, *d) for d in want]


async def test_discover_includes():
    async with World() as world:
        p = await Pair(world).start()
        long, long_handles = await p.add("0000cafe-1111-2222-3333-444455556666",
                                         [characteristic("2a00", READ)])
        service, _ = await p.add("1812", [characteristic("2a4d", READ)],
                                 includes=Variant("aq", [p.service, long]))
        want = [[service + 1, p.service, p.handles[-1], "180d"],
                [service + 2, long, long_handles[-1], "0000cafe-1111-2222-3333-444455556666"]]
        assert await p.ask("DiscoverIncludes", "qqa{sv}", 1, 0xffff, {}) == want
        assert await p.ask("DiscoverIncludes", "qqa{sv}", 1, service, {}) == []
        await p.ask("DiscoverIncludes", "qqa{sv}", 1, 0xffff, LATER)
        await p.b.client.expect("IncludeDone", p.conn, 0)
        assert p.results("IncludeResult") == [("IncludeResult", p.conn, *i) for i in want]


async def test_read_whole_in_part_and_once():
    async with World() as world:
        p = await Pair(world).start()
        whole = bytes(range(200))
        h = p.handles[1]
        assert await p.ask("Read", "qa{sv}", p.handles[0], {}) == b"\x01\x02"
        assert await p.ask("Read", "qa{sv}", h, {}) == whole
        assert await p.ask("Read", "qa{sv}", h, {"long": Variant("b", False)}) == whole[:22]
        assert await p.ask("Read", "qa{sv}", h, {"offset": Variant("q", 150)}) == whole[150:]
        assert await p.ask("Read", "qa{sv}", h, {"offset": Variant("q", 150),
                                                 "long": Variant("b", False)}) == whole[150:172]
        assert await p.ask("Read", "qa{sv}", h, {"offset": Variant("q", 200)}) == b""
        await p.refused("Att.InvalidOffset", str(h), "0x07", call=p.ask(
            "Read", "qa{sv}", h, {"offset": Variant("q", 201)}))
        await p.refused("Att.ReadNotPermitted", str(p.handles[2]), f"0x{p.handles[2]:04x}", "0x02",
                        call=p.ask("Read", "qa{sv}", p.handles[2], {}))
        await p.refused("Att.InvalidHandle", "0x01", call=p.ask("Read", "qa{sv}", 0xffff, {}))
        await p.refused("InvalidArgs", "0", call=p.ask("Read", "qa{sv}", 0, {}))
        await p.refused("InvalidArgs", "blob", call=p.ask(
            "Read", "qa{sv}", h, {"blob": Variant("b", True)}))
        await p.refused("InvalidArgs", "offset", call=p.ask(
            "Read", "qa{sv}", h, {"offset": Variant("u", 1)}))


async def test_read_without_waiting():
    async with World() as world:
        p = await Pair(world).start()
        assert await p.ask("Read", "qa{sv}", p.handles[0], LATER) == b""
        await p.b.client.expect("ReadDone", p.conn, p.handles[0], 0)
        assert p.results("ReadResult") == [("ReadResult", p.conn, p.handles[0], b"\x01\x02")]
        assert await p.ask("Read", "qa{sv}", p.handles[2], LATER) == b""
        await p.b.client.expect("ReadDone", p.conn, p.handles[2], 0x02)
        assert not p.results("ReadResult"), "success only"
        await p.ask("Read", "qa{sv}", p.handles[0], {}, flags=MessageFlag.NO_REPLY_EXPECTED)
        await p.b.client.expect("ReadDone", p.conn, p.handles[0], 0)


async def test_read_by_uuid_and_multiple():
    async with World() as world:
        p = await Pair(world).start([characteristic("2a19", READ, b"one"),
                                     characteristic("2a19", READ, b""),
                                     characteristic("2a1a", READ, b"three" * 20),
                                     characteristic("2a1b", WRITE)])
        h = p.handles
        assert await p.ask("ReadByUuid", "qqsa{sv}", 1, 0xffff, "2a19", {}) == \
            [[h[0], b"one"], [h[1], b""]]
        assert await p.ask("ReadByUuid", "qqsa{sv}", h[0] + 1, 0xffff, "2a19", {}) == [[h[1], b""]]
        assert await p.ask("ReadByUuid", "qqsa{sv}", 1, 0xffff, "2a77", {}) == []
        await p.refused("Att.ReadNotPermitted", "2a1b", call=p.ask(
            "ReadByUuid", "qqsa{sv}", 1, 0xffff, "2a1b", {}))
        await p.refused("InvalidArgs", call=p.ask("ReadByUuid", "qqsa{sv}", 1, 0xffff, "", {}))
        await p.ask("ReadByUuid", "qqsa{sv}", 1, 0xffff, "2a19", LATER)
        await p.b.client.expect("ReadDone", p.conn, 0, 0)
        assert p.results("ReadResult") == [("ReadResult", p.conn, h[0], b"one"),
                                           ("ReadResult", p.conn, h[1], b"")]

        want = [b"three" * 20, b"", b"one", b"one"]
        assert await p.ask("ReadMultiple", "aqa{sv}", [h[2], h[1], h[0], h[0]], {}) == want
        assert await p.ask("ReadMultiple", "aqa{sv}", [h[0]], {}) == [b"one"]
        assert await p.ask("ReadMultiple", "aqa{sv}", [h[0]] * 64, {}) == [b"one"] * 64
        await p.refused("Att.ReadNotPermitted", call=p.ask("ReadMultiple", "aqa{sv}", [h[0], h[3]], {}))
        for handles in ([], [h[0]] * 65, [h[0], 0]):
            await p.refused("InvalidArgs", call=p.ask("ReadMultiple", "aqa{sv}", handles, {}))
        await p.ask("ReadMultiple", "aqa{sv}", [h[1], h[0]], LATER)
        await p.b.client.expect("ReadDone", p.conn, 0, 0)
        assert p.results("ReadResult") == [("ReadResult", p.conn, h[1], b""),
                                           ("ReadResult", p.conn, h[0], b"one")]


async def test_write_modes():
    async with World() as world:
        p = await Pair(world).start()
        h = p.handles[0]
        for mode, value in ((1, b"request"), (1, b""), (1, bytes(300)), (2, b"reliable"), (2, bytes(512)),
                            (0, b"command"), (0, bytes(20)), (0, b"")):
            assert await p.ask("Write", "qayya{sv}", h, value, mode, {}) is None
            got = await p.a.client.expect("Written", p.mine, h)
            assert got.args[2] == value, (mode, got)
        await p.ask("Write", "qayya{sv}", h, b"0123456789", 1, {})
        for mode in (1, 2):
            await p.ask("Write", "qayya{sv}", h, b"ab", mode, {"offset": Variant("q", 3)})
            assert await p.ask("Read", "qa{sv}", h, {}) == b"012ab56789"
        assert not p.results("WriteDone"), "the caller waited, or it was a command"


async def test_write_errors():
    async with World() as world:
        p = await Pair(world).start()
        h = p.handles[0]
        await p.refused("InvalidArgs", "21 octets", "20 fit", call=p.ask(
            "Write", "qayya{sv}", h, bytes(21), 0, {}))
        await p.refused("InvalidArgs", "513", "512", call=p.ask(
            "Write", "qayya{sv}", h, bytes(513), 1, {}))
        await p.refused("InvalidArgs", "mode 4", call=p.ask("Write", "qayya{sv}", h, b"", 4, {}))
        for mode in (0, 3):
            await p.refused("InvalidArgs", "offset", call=p.ask(
                "Write", "qayya{sv}", h, b"x", mode, {"offset": Variant("q", 1)}))
        for value, offset in ((b"", 513), (b"x", 512), (bytes(512), 1)):
            await p.refused("InvalidArgs", "offset", str(offset), "512", call=p.ask(
                "Write", "qayya{sv}", h, value, 1, {"offset": Variant("q", offset)}))
        await p.refused("NotSupported", "sign", call=p.ask("Write", "qayya{sv}", h, b"x", 3, {}))
        await p.refused("InvalidArgs", "long", call=p.ask(
            "Write", "qayya{sv}", h, b"x", 1, {"long": Variant("b", True)}))
        await p.refused("Att.WriteNotPermitted", str(p.handles[3]), "0x03", call=p.ask(
            "Write", "qayya{sv}", p.handles[3], b"x", 1, {}))
        await p.refused("Att.InvalidOffset", call=p.ask(
            "Write", "qayya{sv}", h, b"x", 1, {"offset": Variant("q", 100)}))
        await p.refused("InvalidArgs", call=p.ask("Write", "qayya{sv}", 0, b"x", 1, {}))
        assert await p.ask("Read", "qa{sv}", h, {}) == b"\x01\x02", "none of these was written"


async def test_write_without_waiting():
    async with World() as world:
        p = await Pair(world).start()
        h = p.handles[0]
        for options, flags in ((LATER, MessageFlag.NONE), ({}, MessageFlag.NO_REPLY_EXPECTED)):
            for mode in (1, 2):
                await p.ask("Write", "qayya{sv}", h, b"x", mode, options, flags=flags)
                await p.b.client.expect("WriteDone", p.conn, h, 0)
            await p.ask("Write", "qayya{sv}", p.handles[3], b"x", 1, options, flags=flags)
            await p.b.client.expect("WriteDone", p.conn, p.handles[3], 0x03)
            p.a.client.signals.clear()
            await p.ask("Write", "qayya{sv}", h, b"cmd", 0, options, flags=flags)
            await p.a.client.expect("Written", p.mine, h, b"cmd")
            await p.ask("Read", "qa{sv}", h, {})
            assert not p.results("WriteDone"), "never for commands"
        await p.refused("InvalidArgs", call=p.ask("Write", "qayya{sv}", h, bytes(21), 0, LATER))


async def test_many_write_commands_arrive_in_order():
    async with World() as world:
        p = await Pair(world).start()
        h = p.handles[0]

        async def one_after_the_other(first, client):
            for n in range(first, first + 250):
                await p.ask("Write", "qayya{sv}", h, n.to_bytes(2, "big"), 0, {}, client=client)
        clients = [await p.b.new_client() for _ in range(4)]
        await asyncio.gather(*[one_after_the_other(i * 1000, c) for i, c in enumerate(clients)])
        await p.ask("Read", "qa{sv}", h, {})
        while len(p.a.client.seen("Written")) < 1000:
            p.a.client.news.clear()
            await asyncio.wait_for(p.a.client.news.wait(), 20)
        got = [int.from_bytes(s.args[2], "big") for s in p.a.client.seen("Written")]
        for i in range(4):
            mine = [n for n in got if n // 1000 == i]
            assert mine == list(range(i * 1000, i * 1000 + 250)), mine


async def test_exchange_mtu():
    async with World() as world:
        p = await Pair(world).start()
        path = f"/org/bled/hci0/conn{p.conn:04x}"
        assert await p.b.get("Connection1", "Mtu", path) == 23
        await p.a.set("Adapter1", "Mtu", "q", 100)
        for mtu in (22, 518, 0):
            await p.refused("InvalidArgs", "mtu", call=p.ask(
                "ExchangeMtu", "a{sv}", {"mtu": Variant("q", mtu)}))
        p.b.client.signals.clear()
        assert await p.ask("ExchangeMtu", "a{sv}", {"mtu": Variant("q", 517)}) == 100
        order = [(s.member, s.args) for s in p.b.client.signals
                 if s.member in ("MtuExchanged", "PropertiesChanged")]
        assert ("MtuExchanged", [p.conn, 100]) in order, "the signal comes before the reply"
        changed = [a[1]["Mtu"].value for m, a in order if m == "PropertiesChanged" and "Mtu" in a[1]]
        assert changed == [100], order
        got = await p.a.client.expect("MtuExchanged", p.mine, 100)
        assert await p.b.get("Connection1", "Mtu", path) == 100
        assert await p.a.get("Connection1", "Mtu", f"/org/bled/hci0/conn{p.mine:04x}") == 100

        p.b.client.signals.clear()
        assert await p.ask("ExchangeMtu", "a{sv}", {"mtu": Variant("q", 200)}) == 100
        assert await p.ask("ExchangeMtu", "a{sv}", LATER) == 0
        assert await p.ask("Read", "qa{sv}", p.handles[1], {"long": Variant("b", False)}) == \
            bytes(range(99))
        assert not p.b.client.seen("MtuExchanged") and not p.a.client.seen("MtuExchanged"), got
        await p.ask("Write", "qayya{sv}", p.handles[0], bytes(97), 0, {})
        await p.refused("InvalidArgs", "98 octets", "97 fit", call=p.ask(
            "Write", "qayya{sv}", p.handles[0], bytes(98), 0, {}))


async def test_mtu_property_is_what_is_offered():
    async with World() as world:
        p = await Pair(world).start()
        await p.b.set("Adapter1", "Mtu", "q", 77)
        assert await p.ask("ExchangeMtu", "a{sv}", LATER) == 0
        await p.b.client.expect("MtuExchanged", p.conn, 77)


async def test_requests_queue_in_order():
    async with World() as world:
        p = await Pair(world).start()
        got = await asyncio.gather(
            p.ask("ExchangeMtu", "a{sv}", {}), p.ask("DiscoverServices", "sa{sv}", "", {}),
            p.ask("Write", "qayya{sv}", p.handles[0], b"new", 1, {}),
            p.ask("Read", "qa{sv}", p.handles[0], {}), p.ask("ExchangeMtu", "a{sv}", {}))
        assert got[0] == 256 and len(got[1]) == 3 and got[3] == b"new" and got[4] == 256, got


async def test_both_sides_ask_at_once():
    async with World() as world:
        p = await Pair(world).start()
        await p.b.call(S, "AddService", "saa{sv}a{sv}", "180f", [characteristic("2a19", READ, b"\x64")], {})

        async def other_way():
            for _ in range(20):
                got = await p.a.call(G, "DiscoverServices", "qsa{sv}", p.mine, "", {})
                assert got[0][-1][2] == "180f", got

        async def this_way():
            for _ in range(20):
                assert await p.ask("Read", "qa{sv}", p.handles[1], {}) == bytes(range(200))
        await asyncio.gather(other_way(), this_way())


async def notify(p, value, member="Notify", handle=None):
    await p.a.call(S, member, "qqa{sv}", p.mine, handle or p.handles[0], {"value": Variant("ay", value)})


async def cccd(p):
    return await p.ask("Read", "qa{sv}", p.handles[0] + 1, {})


async def test_subscribe_to_notifications_and_indications():
    async with World() as world:
        p = await Pair(world).start()
        h = p.handles[0]
        for bits in (1, 2, 3):
            await p.ask("Subscribe", "qya{sv}", h, bits, {})
            await p.a.client.expect("Subscribed", p.mine, h, bits)
            assert await cccd(p) == bytes([bits, 0])
        await notify(p, b"n")
        await p.b.client.expect("Notified", p.conn, h, b"n")
        await notify(p, b"i", "Indicate")
        await p.b.client.expect("Indicated", p.conn, h, b"i")
        await p.a.client.expect("IndicateDone", p.mine, h, 0)
        await p.ask("Subscribe", "qya{sv}", h, 0, {})
        await p.a.client.expect("Subscribed", p.mine, h, 0)
        assert not p.results("WriteDone")


async def test_subscribe_without_waiting():
    async with World() as world:
        p = await Pair(world).start()
        h = p.handles[0]
        for bits in (1, 1, 0):
            await p.ask("Subscribe", "qya{sv}", h, bits, LATER)
            await p.b.client.expect("WriteDone", p.conn, h, 0)
        await p.ask("Subscribe", "qya{sv}", p.handles[1], 1, LATER)
        await p.b.client.expect("WriteDone", p.conn, p.handles[1], 0x0a)


async def test_subscribe_errors():
    async with World() as world:
        p = await Pair(world).start()
        await p.refused("InvalidArgs", "0x04", call=p.ask("Subscribe", "qya{sv}", p.handles[0], 4, {}))
        await p.refused("InvalidArgs", call=p.ask("Subscribe", "qya{sv}", 0, 1, {}))
        await p.refused("Att.AttributeNotFound", str(p.handles[1]), call=p.ask(
            "Subscribe", "qya{sv}", p.handles[1], 1, {}))
        stats = await p.b.stats()
        assert stats["gattc-subscriptions-open"] == 0, stats


async def test_what_nobody_subscribed_to_goes_to_users():
    async with World() as world:
        p = await Pair(world).start()
        h = p.handles[0]
        await notify(p, b"unsolicited")
        await p.b.client.expect("Notified", p.conn, h, b"unsolicited")
        await p.ask("Write", "qayya{sv}", h + 1, b"\x02\x00", 1, {})
        await notify(p, b"by hand", "Indicate")
        await p.b.client.expect("Indicated", p.conn, h, b"by hand")


async def test_each_subscriber_gets_one_copy_and_nobody_else_any():
    async with World() as world:
        p = await Pair(world).start()
        h = p.handles[0]
        one, two, idle = [await p.b.new_client() for _ in range(3)]
        for c in (one, two, idle):
            await p.b.call("Adapter1", "Attach", "a{sv}", {}, client=c)
        for c, bits in ((one, 1), (two, 2)):
            await p.ask("Subscribe", "qya{sv}", h, bits, {}, client=c)
        assert await cccd(p) == b"\x03\x00", "the union"
        await notify(p, b"first")
        await notify(p, b"second", "Indicate")
        for c in (one, two):
            await c.expect("Notified", p.conn, h, b"first")
            await c.expect("Indicated", p.conn, h, b"second")
        await p.ask("Read", "qa{sv}", h, {}, client=idle)
        for c in (one, two, idle, p.b.client):
            assert not c.seen("Notified") and not c.seen("Indicated"), c.signals

        clients = (await p.b.client.raw(p.b.name, "/org/bled", "org.bled.Manager1", "Clients"))[0]
        holds = {c[0]: c[2] for c in clients}
        assert holds[one.name]["subscriptions"].value == 1, holds
        assert "subscriptions" not in holds[idle.name], holds
        assert (await p.b.stats())["gattc-subscriptions-open"] == 2

        # The unattached are one more subscriber: then it is broadcast, once.
        await p.ask("Subscribe", "qya{sv}", h, 1, {})
        await notify(p, b"third")
        for c in (one, two, idle, p.b.client):
            await c.expect("Notified", p.conn, h, b"third")
        await p.ask("Read", "qa{sv}", h, {}, client=one)
        assert not one.seen("Notified"), one.signals


async def test_the_end_of_a_subscriber_leaves_the_others_cccd():
    async with World() as world:
        p = await Pair(world).start()
        h = p.handles[0]
        one, two = [await p.b.new_client() for _ in range(2)]
        for c, bits in ((one, 1), (two, 2)):
            await p.b.call("Adapter1", "Attach", "a{sv}", {}, client=c)
            await p.ask("Subscribe", "qya{sv}", h, bits, {}, client=c)
        await p.b.call("Adapter1", "Detach", client=two)
        assert p.a.client.seen("Subscribed")[-1].args == [p.mine, h, 1], "Detach waits for the CCCD"
        p.a.client.signals.clear()
        await p.ask("Subscribe", "qya{sv}", h, 0, {}, client=one)
        await p.a.client.expect("Subscribed", p.mine, h, 0)
        await p.ask("Subscribe", "qya{sv}", h, 3, {}, client=one)
        p.a.client.signals.clear()
        one.close()
        await p.a.client.expect("Subscribed", p.mine, h, 0)


async def test_subscribing_makes_a_user():
    async with World() as world:
        p = await Pair(world).start()
        c = await p.b.new_client()
        await p.b.call("Adapter1", "Attach", "a{sv}", {}, client=c)
        await p.refused("AccessDenied", call=p.b.call("Link1", "Disconnect", "qa{sv}", p.conn, {},
                                                      client=c))
        await p.refused("Att.AttributeNotFound", call=p.ask("Subscribe", "qya{sv}", p.handles[1], 1, {},
                                                            client=c))
        await p.refused("AccessDenied", call=p.b.call("Link1", "Disconnect", "qa{sv}", p.conn, {},
                                                      client=c))
        await p.ask("Subscribe", "qya{sv}", p.handles[0], 1, {}, client=c)
        assert await p.b.call("Link1", "Disconnect", "qa{sv}", p.conn, {}) == [True]
        assert await p.b.get("Connection1", "Owner", f"/org/bled/hci0/conn{p.conn:04x}") == c.name
        await notify(p, b"still there")
        await c.expect("Notified", p.conn, p.handles[0], b"still there")


async def test_who_ends_its_use_ends_its_subscriptions():
    async with World() as world:
        p = await Pair(world).start()
        h = p.handles[0]
        c = await p.b.new_client()
        await p.b.call("Adapter1", "Attach", "a{sv}", {}, client=c)
        await p.ask("Subscribe", "qya{sv}", h, 1, {}, client=c)
        await p.b.call(G, "AcquireWrite", "qqa{sv}", p.conn, h, {}, client=c)
        assert (await p.b.stats())["sockets-open"] == 1
        await p.ask("Subscribe", "qya{sv}", h, 2, {})
        await p.a.client.expect("Subscribed", p.mine, h, 3)
        assert await p.b.call("Link1", "Disconnect", "qa{sv}", p.conn, {}, client=c) == [True]
        await p.a.client.expect("Subscribed", p.mine, h, 2)
        stats = await p.b.stats()
        assert stats["gattc-subscriptions-open"] == 1 and stats["sockets-open"] == 0, stats


async def test_subscribes_at_once_share_the_write():
    async with World() as world:
        p = await Pair(world).start()
        h = p.handles[0]
        clients = [await p.b.new_client() for _ in range(8)]
        for c in clients:
            await p.b.call("Adapter1", "Attach", "a{sv}", {}, client=c)
        await asyncio.gather(*[p.ask("Subscribe", "qya{sv}", h, 1 + i % 2, {}, client=c)
                               for i, c in enumerate(clients)])
        assert await cccd(p) == b"\x03\x00"
        seen = [s.args[2] for s in p.a.client.seen("Subscribed")]
        assert seen in ([1, 3], [2, 3], [3]), seen
        refused = await asyncio.gather(*[p.ask("Subscribe", "qya{sv}", p.handles[1], 1, {}, client=c)
                                         for c in clients], return_exceptions=True)
        assert all(isinstance(r, Error) and r.name.endswith("AttributeNotFound") for r in refused), refused
        assert (await p.b.stats())["gattc-subscriptions-open"] == 8


async def test_listen_for_values():
    async with World() as world:
        p = await Pair(world).start()
        h = p.handles[0]
        await p.ask("Subscribe", "qya{sv}", h, 3, {})
        first = asyncio.ensure_future(p.ask("ListenFor", "qua{sv}", h, 3, {}))
        second = asyncio.ensure_future(p.ask("ListenFor", "qua{sv}", h, 1, {}))
        other = asyncio.ensure_future(p.ask("ListenFor", "qua{sv}", p.handles[1], 1,
                                            {"timeout_ms": Variant("u", 0)}))
        await listening(p, 3)
        for value, member in ((b"1", "Notify"), (b"", "Indicate"), (b"three", "Notify")):
            await notify(p, value, member)
        assert await first == [b"1", b"", b"three"]
        assert await second == [b"1"]
        await p.b.client.expect("Notified", p.conn, h, b"1")
        assert not other.done()
        await p.b.call("Link1", "Disconnect", "qa{sv}", p.conn, {})
        await p.refused("Disconnected", "0x16", call=other)


async def listening(p, n):
    while (await p.b.stats())["gattc-listeners-open"] != n:
        await asyncio.sleep(0)


async def test_listen_for_gives_what_came_by_the_end():
    async with World() as world:
        p = await Pair(world).start()
        h = p.handles[0]
        short = {"timeout_ms": Variant("u", 300)}
        await p.refused("Timeout", str(h), call=p.ask("ListenFor", "qua{sv}", h, 1, short))
        call = asyncio.ensure_future(p.ask("ListenFor", "qua{sv}", h, 2, short))
        await listening(p, 1)
        await notify(p, b"only one")
        assert await call == [b"only one"]
        call = asyncio.ensure_future(p.ask("ListenFor", "qua{sv}", h, 2, {}))
        await listening(p, 1)
        await notify(p, b"then gone")
        await p.b.client.expect("Notified", p.conn, h, b"then gone")
        await p.a.call("Link1", "Disconnect", "qa{sv}", p.mine, {})
        assert await call == [b"then gone"]
        for count in (0, 1025):
            await p.refused("NotConnected", call=p.ask("ListenFor", "qua{sv}", h, count, {}))


async def test_listen_for_limits():
    async with World() as world:
        p = await Pair(world).start()
        h = p.handles[0]
        for count in (0, 1025):
            await p.refused("InvalidArgs", str(count), call=p.ask("ListenFor", "qua{sv}", h, count, {}))
        await p.refused("InvalidArgs", call=p.ask("ListenFor", "qua{sv}", 0, 1, {}))
        assert await p.ask("ListenFor", "qua{sv}", h, 1, LATER) == []
        await p.b.set("Adapter1", "RxBuf", "u", 512)
        await p.ask("ExchangeMtu", "a{sv}", {})
        call = asyncio.ensure_future(p.ask("ListenFor", "qua{sv}", h, 100, {}))
        await listening(p, 1)
        for _ in range(3):
            await notify(p, bytes(200))
        assert await call == [bytes(200)] * 3, "answered where RxBuf is exceeded"
        # One that vanishes leaves nothing behind.
        gone = await p.b.new_client()
        call = asyncio.ensure_future(p.ask("ListenFor", "qua{sv}", h, 1, {}, client=gone))
        await listening(p, 1)
        call.cancel()
        gone.close()
        await listening(p, 0)
        assert (await p.b.stats())["calls-open"] == 0


async def test_services_changed():
    async with World() as world:
        p = await Pair(world).start()
        found = await p.ask("DiscoverCharacteristics", "qqsa{sv}", 1, 0xffff, "2a05", {})
        await p.ask("Subscribe", "qya{sv}", found[0][1], 2, {})
        service, handles = await p.add("180f", [characteristic("2a19", READ, b"\x64")])
        changed = await p.b.client.expect("ServicesChanged", p.conn)
        assert changed.args[1] <= service and changed.args[2] >= handles[-1], changed


async def test_a_disconnection_ends_what_is_under_way():
    async with World() as world:
        p = await Pair(world).start()
        waiting = [asyncio.ensure_future(c) for c in (
            p.ask("DiscoverServices", "sa{sv}", "", {}), p.ask("Read", "qa{sv}", p.handles[1], {}),
            p.ask("Subscribe", "qya{sv}", p.handles[0], 1, {}),
            p.ask("Subscribe", "qya{sv}", p.handles[0], 2, {}),
            p.ask("Write", "qayya{sv}", p.handles[0], b"x", 2, {}))]
        await p.ask("Read", "qa{sv}", p.handles[0], LATER)
        await p.ask("DiscoverServices", "sa{sv}", "", LATER)
        await p.ask("Subscribe", "qya{sv}", p.handles[0], 3, LATER)
        await p.b.call("Link1", "Disconnect", "qa{sv}", p.conn, {})
        got = await asyncio.gather(*waiting, return_exceptions=True)
        cut = [e for e in got if isinstance(e, Error)]
        assert cut and all(e.name == "org.bled.Error.Disconnected" and "0x16" in e.text for e in cut), got
        order = p.results("ReadDone", "ServiceDone", "WriteDone", "Disconnected")
        assert order[-1] == ("Disconnected", p.conn, 0x116), order
        assert {o[0] for o in order} == {"ReadDone", "ServiceDone", "WriteDone", "Disconnected"}, order
        assert all(o[-1] in (0, 0x116) for o in order), order
        await p.refused("NotConnected", str(p.conn), call=p.ask("Read", "qa{sv}", p.handles[0], {}))
        stats = await p.b.stats()
        assert stats["calls-open"] == stats["gattc-calls-open"] == 0, stats
        assert stats["gattc-subscriptions-open"] == 0, stats


async def test_the_end_of_the_adapter_ends_what_is_under_way():
    """As a disconnection: the controller is unplugged, or let go of."""
    for control in (True, False):
        async with World(control=control) as world:
            p = await Pair(world).start()
            await p.ask("Subscribe", "qya{sv}", p.handles[0], 1, {})
            read = asyncio.ensure_future(p.ask("Read", "qa{sv}", p.handles[1], {}))
            listen = asyncio.ensure_future(p.ask("ListenFor", "qua{sv}", p.handles[0], 1, {}))
            await p.ask("Read", "qa{sv}", p.handles[1], LATER)
            await listening(p, 1)
            if control:
                await world.air_does("unplug 1")
            else:
                await p.b.call("Adapter1", "SetActive", "ba{sv}", False, {})
            await p.refused("Error.Disconnected", "0x16", call=read)
            await p.refused("Error.Disconnected", "0x16", call=listen)
            await p.b.client.expect("PeripheralDisconnected")
            assert p.results("ReadDone", "Disconnected") == [
                ("ReadDone", p.conn, p.handles[1], 0x116), ("Disconnected", p.conn, 0x116)]
            if control:
                await p.b.client.expect("Failed")
            stats = await p.b.stats()
            assert stats["gattc-subscriptions-open"] == stats["calls-open"] == 0, stats


async def test_too_many_procedures_are_busy():
    async with World() as world:
        p = await Pair(world).start()
        other = await p.b.new_client()
        calls = [p.ask("Read", "qa{sv}", p.handles[0], {}, client=c)
                 for c in (p.b.client, other) for _ in range(60)]
        got = await asyncio.gather(*calls, return_exceptions=True)
        good = [g for g in got if g == b"\x01\x02"]
        busy = [g for g in got if isinstance(g, Error) and g.name == "org.bled.Error.Busy"]
        assert len(good) + len(busy) == 120 and len(good) >= 64, (len(good), len(busy))
        assert all("64 procedures" in g.text and str(p.conn) in g.text for g in busy), busy[:1]


async def test_one_client_has_64_calls():
    async with World() as world:
        p = await Pair(world).start()
        got = await asyncio.gather(*[p.ask("Read", "qa{sv}", p.handles[0], {}) for _ in range(80)],
                                   return_exceptions=True)
        busy = [g for g in got if isinstance(g, Error)]
        assert busy and all(g.name == "org.bled.Error.Busy" for g in busy), busy[:1]
        assert len(got) - len(busy) >= 64, len(busy)


async def test_a_client_that_vanishes_takes_back_what_has_not_begun():
    async with World() as world:
        p = await Pair(world).start()
        gone = await p.b.new_client()
        calls = [asyncio.ensure_future(p.ask("Read", "qa{sv}", p.handles[1], {}, client=gone))
                 for _ in range(60)]
        while (await p.b.stats())["gattc-calls-open"] < 50:
            await asyncio.sleep(0)
        for call in calls:
            call.cancel()
        gone.close()
        assert await p.ask("Read", "qa{sv}", p.handles[0], {}) == b"\x01\x02"
        await p.b.client.expect("NameOwnerChanged", gone.name, gone.name, "")
        while (await p.b.stats())["gattc-calls-open"] != 0:
            await asyncio.sleep(0)


async def test_result_signals_are_the_callers_alone():
    async with World() as world:
        p = await Pair(world).start()
        c = await p.b.new_client()
        await p.b.call("Adapter1", "Attach", "a{sv}", {}, client=c)
        await p.ask("Read", "qa{sv}", p.handles[0], LATER, client=c)
        await c.expect("ReadResult", p.conn, p.handles[0], b"\x01\x02")
        await c.expect("ReadDone", p.conn, p.handles[0], 0)
        await p.ask("Read", "qa{sv}", p.handles[0], {})
        assert not p.results("ReadResult", "ReadDone")
        await p.ask("Read", "qa{sv}", p.handles[0], LATER)
        for x in (c, p.b.client):
            await x.expect("ReadDone", p.conn, p.handles[0], 0)


async def test_a_peripheral_asks_too():
    async with World() as world:
        p = await Pair(world).start(central="a")
        assert await p.b.get("Connection1", "Role", f"/org/bled/hci0/conn{p.conn:04x}") == "peripheral"
        assert await p.ask("Read", "qa{sv}", p.handles[1], {}) == bytes(range(200))
        await p.ask("Subscribe", "qya{sv}", p.handles[0], 1, {})
        await notify(p, b"up")
        await p.b.client.expect("Notified", p.conn, p.handles[0], b"up")


async def test_inactive_is_not_active():
    async with World() as world:
        b = await world.bled("b", ["unix:" + world.hci(0)])
        for member, signature, args in (
                ("DiscoverServices", "qsa{sv}", (1, "", {})), ("Read", "qqa{sv}", (1, 1, {})),
                ("Write", "qqayya{sv}", (1, 1, b"", 1, {})), ("ExchangeMtu", "qa{sv}", (1, {})),
                ("Subscribe", "qqya{sv}", (1, 1, 1, {})), ("ListenFor", "qqua{sv}", (1, 1, 1, {}))):
            try:
                await b.call(G, member, signature, *args)
                raise AssertionError(member)
            except Error as e:
                assert e.name == "org.bled.Error.NotActive", (member, e)


async def test_gap_name_and_appearance_are_what_peers_read():
    async with World() as world:
        p = await Pair(world).start()
        await p.a.set("Adapter1", "GapName", "s", "Gerät 7")
        await p.a.set("Adapter1", "Appearance", "q", 0x0340)
        names = await p.ask("ReadByUuid", "qqsa{sv}", 1, 0xffff, "2a00", {})
        assert [n[1] for n in names] == ["Gerät 7".encode()], names
        looks = await p.ask("ReadByUuid", "qqsa{sv}", 1, 0xffff, "2a01", {})
        assert [n[1] for n in looks] == [b"\x40\x03"], looks
        await p.refused("Att.WriteNotPermitted", call=p.ask("Write", "qayya{sv}", names[0][0], b"x", 1, {}))


async def test_a_peer_may_write_the_name_where_that_is_configured():
    async with World() as world:
        (world.dir / "conf").write_text("[adapter]\ngap-name = first\ngap-name-writable = yes\n"
                                        "appearance = 5\npreferred-min-interval-us = 15000\n"
                                        "preferred-max-interval-us = 30000\n")
        a = await world.bled("a", ["unix:" + world.hci(0)], args=[f"--config={world.dir / 'conf'}"])
        p = Pair(world)
        p.a, p.b = a, await world.bled("b", ["unix:" + world.hci(1)])
        for x in (p.a, p.b):
            await x.activate()
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 20000, {})
        await p.connect(a, p.b)
        assert await p.ask("ReadByUuid", "qqsa{sv}", 1, 0xffff, "2a01", {}) != []
        name = (await p.ask("ReadByUuid", "qqsa{sv}", 1, 0xffff, "2a00", {}))[0]
        assert name[1] == b"first", name
        preferred = (await p.ask("ReadByUuid", "qqsa{sv}", 1, 0xffff, "2a04", {}))[0]
        assert preferred[1] == b"\x0c\x00\x18\x00\x00\x00\xff\xff", preferred
        for wrote, text in ((b"second", "second"), (b"a\xffb", "a\ufffdb"), (b"cut\0off", "cut"),
                            (b"\xe4" * 200, "\ufffd" * 82), (b"", "")):
            await p.ask("Write", "qayya{sv}", name[0], wrote, 1, {})
            await a.client.expect("PropertiesChanged", where=lambda s: "GapName" in s.args[1] and
                                  s.args[1]["GapName"].value == text)
            assert await a.get("Adapter1", "GapName") == text
            assert await p.ask("Read", "qa{sv}", name[0], {}) == text.encode()


main(*[f for name, f in sorted(globals().items()) if name.startswith("test_")])
