#!/usr/bin/env python3
"""The Python package as a peripheral: services with handlers, advertising, pairing with people,
bonds, out-of-band data, a store of secrets."""
import asyncio

from pybled import FAST, adapter, bled, held, linked, main, raises, two
from bled import AttError, Event, Io


@bled.service("180d")
class Server:
    read_ = bled.characteristic("2a00", read=True, write=True, notify=True)
    info = bled.characteristic("2a01", read=True, write=True, write_without_response=True,
                               descriptors=[bled.descriptor("2901", write=True)])
    plain = bled.characteristic("2a02", read=True, write=True, notify=True, value=b"as it is")
    guarded = bled.characteristic("2a03", flags=bled.Flag.READ | bled.Flag.READ_AUTHORIZED,
                                  value=b"never")
    label = info.descriptors[0]

    def __init__(self):
        self.seen, self.news = [], asyncio.Event()

    def note(self, *what):
        self.seen.append(what)
        self.news.set()

    async def saw(self, *what):
        while what not in self.seen:
            self.news.clear()
            await self.news.wait()

    @read_.on_read
    async def reading(self, link):
        await asyncio.sleep(0)
        if not self.seen:
            raise AttError.InsufficientAuthorization
        return self.seen[-1][1]

    @read_.on_write
    def writing(self, link, value):
        if value == b"app":
            raise AttError.Application80
        if value == b"bug":
            raise RuntimeError("a handler's bug")
        if value == b"type":
            return "text"
        self.note("write", value)
        return value.upper()

    @read_.on_subscribe
    def subscribed(self, link, bits):
        self.note("bits", bits)

    @info.on_reading
    def reads(self, link):
        self.note("reading", link.conn)

    @info.on_written
    async def written(self, link, value):
        self.note("written", value)

    @label.on_written
    def labelled(self, link, value):
        self.note("label", value)


async def test_handlers_answer_refuse_and_hear():
    async with two() as (world, a, b):
        server, problems = Server(), []
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: problems.append(repr(context["exception"])))
        async with a.serve(server) as serving, linked(a, b) as (here, link):
            at = {c.uuid: c for c in await (await link.service("180d")).characteristics()}
            asked = at["2a00"]
            with raises(AttError.InsufficientAuthorization):
                await asked.read()
            await asked.write(b"hello")
            assert await server.read_.value() == b"HELLO" and await asked.read() == b"hello"
            with raises(AttError.Application80):
                await asked.write(b"app")
            for bad in b"bug", b"type":
                with raises(AttError.UnlikelyError):
                    await asked.write(bad)
            assert len(problems) == 2 and "a handler's bug" in problems[0] and "text" in problems[1]
            with raises(AttError.InsufficientAuthorization):
                await at["2a03"].read()
            await at["2a01"].read()
            await server.saw("reading", here.conn)
            for i in range(20):
                await at["2a01"].write(bytes([i]), response=False)
            await server.saw("written", bytes([19]))
            assert [w[1][0] for w in server.seen if w[0] == "written"] == list(range(20))
            label = await at["2a01"].descriptor("2901")
            await label.write("Küche".encode())
            await server.saw("label", "Küche".encode())
            assert await server.info.descriptors[0].read() == "Küche".encode()
            async with asked.notifications() as values:
                await server.saw("bits", 1)
                await server.read_.notify(b"1")
                assert await anext(values) == b"1"
                async with server.read_.notifier(here) as fast:
                    for i in range(50):
                        await fast.write(bytes([i]))
                    assert [await anext(values) for _ in range(50)] == [bytes([i]) for i in range(50)]
            await server.saw("bits", 0)
            # By hand.
            plain = server.plain
            assert await at["2a02"].read() == b"as it is"
            await plain.set_value(0x1234, "q")
            assert await plain.value() == b"\x34\x12"
            await plain.set_value("Größe")
            assert (await plain.read()).decode() == "Größe"
            await plain.set_buffer(4, append=True)
            await plain.write(b"")
            for value in b"12", b"34":
                await at["2a02"].write(value)
            assert await plain.read() == b"1234" and await plain.value() == b""
            await plain.set_authorization(True, False, 0x09)
            assert await at["2a02"].read() == b""  # nobody to ask, no flag: it goes on
            await plain.set_authorization(False, False)
            with raises(ValueError):
                await plain.set_value(1)
            assert plain.service == "180d" and plain.flags & bled.Flag.NOTIFY
            assert plain.owner == a.client.bus.unique_name and plain.handle == at["2a02"].handle
            async with plain.trigger() as events:
                async with at["2a02"].notifications():
                    assert await anext(events) == (Event.SUBSCRIBE, here, b"\1")
                await at["2a02"].write(b"x")
                await at["2a02"].read()
                kinds = [await anext(events) for _ in range(3)]
                assert {k for k, _, _ in kinds} == set(Event), kinds
            assert Event.WRITE in await plain.events() and not await plain.events()
            more = await serving.add(bled.characteristic("2a04", read=True, value=b"more"), server)
            assert await link.read(more.handle) == b"more"
            with raises(TypeError, "already"):
                async with a.serve(server):
                    pass
        with raises(bled.NotFound, "not being served"):
            await server.plain.read()
        assert await held(a, a) == {"payloads": 1} or await held(a, a) == {}, await held(a, a)
        # The same object again; several at once, one including another.
        battery = bled.simple_service("180f", level=bled.characteristic("2a19", read=True, value=b"d"))
        async with a.serve(battery, handle=0x40) as serving, a.serve(server, includes=[0x40]):
            assert serving.handle(battery) == 0x40 and battery.level.handle == 0x42
            async with linked(a, b) as (_, link):
                service = await link.service("180d")
                assert [s.uuid for s in await service.includes()] == ["180f"]
        with raises(TypeError, "no class with"):
            async with a.serve(object()):
                pass
        with raises(bled.InvalidArgs):
            async with a.serve(battery, bled.simple_service(
                    "180f", bad=bled.characteristic("2902", read=True))):
                pass
        assert not await held(a, a) or "services" not in await held(a, a)


async def test_registered_services_are_reached_by_signals():
    async with two() as (world, a, b):
        handles = await a.register_services(
            [("180d", [("2a37", bled.Flag.READ | bled.Flag.WRITE, [("2901", 2)])]), (0x180f, [])],
            authorize_writes=True)
        assert [len(h) for h in handles] == [2, 0]
        heard = a.signals("GattServer1.Written", "GattServer1.WriteRequested")
        async with linked(a, b) as (_, link):
            write = asyncio.ensure_future(link.write(handles[0][0], b"1"))
            asked = await anext(heard)
            assert asked.member == "WriteRequested" and not asked.broadcast
            await a.client.call("GattServer1.Reply", asked.args[0], 0)
            await write
            assert (await anext(heard)).args[1:] == (handles[0][0], b"1")


async def test_advertising():
    async with two() as (world, a, b):
        async with a.advertise(name="one", interval_ms=20, connectable=False) as one, \
                a.advertise(name="two", interval_ms=20) as two_:
            assert (one.set, two_.set) == (0, 1)
            names = set()
            while not {"one", "two"} <= names:
                async for report in b.scan(active=True):
                    names.add(report.name)
                    break
            await two_.update(name="zwölf")
            async for report in b.scan(active=True):
                if report.name == "zwölf":
                    break
            with raises(bled.InvalidArgs):
                await two_.update(name="x" * 300)
        assert await one.stopped is None and await two_.stopped is None
        async with a.advertise(name="short", duration=0.05) as short:
            assert isinstance(await short.stopped, bled.Timeout)
        async with a.advertise(interval_ms=20) as once:
            async with b.connect(a.mac, timeout=10):
                assert await once.stopped is None  # by the connection
        incoming = a.incoming()
        async with a.advertise(interval_ms=20, resume=True):
            for _ in range(2):
                async with b.connect(a.mac, timeout=10, **FAST):
                    link = await anext(incoming)
                    assert link.role == "peripheral" and link.address == b.mac[1]
                await link.disconnected
        for bad in {"directed": a.mac, "name": "x"}, {"adv_data": bytes(32)}, {"interval_ms": 1}:
            with raises(bled.InvalidArgs):
                async with a.advertise(**bad):
                    pass
        assert "advertisements" not in await held(a, a)


async def test_pairing_asks_people():
    async with two() as (world, a, b):
        for x, io in (a, Io.DISPLAY_YES_NO), (b, Io.KEYBOARD_DISPLAY):
            await x.set(io=io, mitm=True)
        asked = []

        async def compare(number):
            asked.append(number)
            await asyncio.sleep(0)
            return answer
        answer = True
        a.person = bled.Person(compare=compare)  # it is the owner of the connection
        async with linked(a, b) as (here, link):
            encrypted = a.signals("Pairing1.EncryptionUpdated")
            result = await link.pair(compare=lambda number: asked.append(number) or True)
            assert result == bled.Security(True, True, True, 16), result
            assert len(asked) == 2 and asked[0] == asked[1] and link.authenticated
            await anext(encrypted)
            assert [bond.address for bond in await b.bonds()] == [a.mac[1]]
            bond, = await a.bonds()
            assert bond.authenticated and bond.conn == here.conn
            removed = a.signals("Pairing1.BondRemoved")
            await a.delete_bond(bond)
            await b.delete_bond(a.mac)
            assert (await anext(removed)).args == (0, b.mac[1])
        answer = False
        async with linked(a, b) as (here, link):
            failed = a.signals("Pairing1.PairingFailed")
            with raises(bled.SmpError.NumericComparisonFailed):
                await link.pair(compare=lambda number: True)
            assert bled.from_status((await anext(failed)).args[1])
            with raises(bled.NotFound):
                await link.keypress(0)


async def test_a_number_is_shown_and_entered():
    async with two() as (world, a, b):
        await a.set(io=Io.DISPLAY_ONLY, mitm=True)
        await b.set(io=Io.KEYBOARD_ONLY, mitm=True)
        shown, keys, gone = asyncio.get_running_loop().create_future(), [], asyncio.Event()

        async def show(number):
            shown.set_result(number)
            try:
                await asyncio.Event().wait()  # on the display until it is over
            finally:
                keys.append("taken away")
                gone.set()
        await a.attend(show=show, keypress=keys.append)
        async with linked(a, b) as (here, link):
            async def enter():
                number = await shown
                await link.keypress(1)
                return number
            over = a.signals("Pairing1.EncryptionUpdated")
            result = await link.pair(enter=enter)
            assert result.authenticated and 0 <= shown.result() < 1000000
            await anext(over)
            await asyncio.wait_for(gone.wait(), 20)
            assert keys[-1] == "taken away" and 1 in keys, keys
            await a.delete_bond(b.mac)
            await b.delete_bond(a.mac)
        # The daemon draws, for an attendant.
        shown = asyncio.get_running_loop().create_future()
        await a.attend(show=show, draw=True)
        async with adapter(world, "a") as other:
            with raises(bled.Busy):
                await other.attend()
        async with linked(a, b) as (here, link):
            over = a.signals("Pairing1.EncryptionUpdated")
            assert (await link.pair(enter=enter, security=4)).authenticated
            await anext(over)
            await a.delete_bond(b.mac)
            await b.delete_bond(a.mac)
        async with linked(a, b) as (here, link):
            # The number is known beforehand.
            a.person = bled.Person()
            pairing = asyncio.ensure_future(link.pair(passkey=123456))
            assert (await here.pair(passkey=123456)).authenticated
            await pairing


async def test_out_of_band_data():
    async with two() as (world, a, b):
        await a.set(le_secure=True)
        await b.set(le_secure=True)
        for mine, theirs in ((a, b), (b, a)):
            data = await mine.oob()
            assert len(data.r) == len(data.c) == 16 and (data.address_type, data.address) == mine.mac
            await theirs.set_oob(data, data)
        async with linked(a, b) as (_, link):
            assert (await link.pair(security=4)).authenticated
        await a.set_oob(b.mac, bled.Oob(tk=bytes(16)))
        await a.set_oob(b.mac)
        with raises(bled.InvalidArgs):
            await a.set_oob(b.mac, bled.Oob(r=bytes(3)))


async def test_a_program_keeps_the_secrets():
    secrets = {}
    async with two() as (world, a, b):
        stored = asyncio.Event()

        class Store(bled.SecretStore):
            async def store(self, kind, key, value):
                await asyncio.sleep(0)
                super().store(kind, key, value)
                stored.set()
        assert isinstance(await b.provide_secrets(Store(secrets)), Store)
        async with adapter(world, "b") as other:
            with raises(bled.Busy):
                await other.provide_secrets({})
        async with linked(a, b) as (_, link):
            await link.pair()
            await stored.wait()
            assert len(await b.bonds()) == 1
    assert secrets and all(isinstance(v, bytes) for v in secrets.values())
    async with two() as (world, a, b):
        bonds = b.signals("Pairing1.SecretRequested")
        await b.provide_secrets(secrets)
        await anext(bonds)
        while not await b.bonds():  # it asks for them after its reply
            await b.client.ping()
        await b.delete_bond((await b.bonds())[0])
        while secrets:
            await b.client.ping()


main(*[f for name, f in sorted(globals().items()) if name.startswith("test_")])
