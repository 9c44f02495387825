#!/usr/bin/env python3
"""The Python package as a central: scanning, connecting, a peer's GATT server, the adapter."""
import asyncio
import tempfile

from pybled import FAST, adapter, bled, daemons, held, linked, main, raises, two

ALL = bled.Flag.READ | bled.Flag.WRITE | bled.Flag.WRITE_NO_RESPONSE


@bled.service("180d")
class Peer:
    rate = bled.characteristic("2a37", read=True, notify=True, value=b"\0\x42")
    place = bled.characteristic("2a38", flags=ALL, value=b"x" * 100, descriptors=[
        bled.descriptor("2901", value="Größe".encode())])
    sure = bled.characteristic("2a39", indicate=True)
    secret = bled.characteristic("2a3a", read=True, encrypted=True, value=b"secret")


async def test_properties_are_shown_set_and_told():
    async with two() as (world, a, b):
        assert a.active and a.mac[1] and a.identity == a.mac and a.hci_version >= 6
        assert a.transport.startswith("unix:") and a.version and a.name == "hci0"
        assert a.adapters == ["/org/bled/hci0"] and a.default_adapter == "/org/bled/hci0"
        assert a.manufacturer_id >= 0 and isinstance(a.manufacturer, str) and "data-length" in a.features
        changes = a.signals("Adapter1.Failed")
        await a.set(gap_name="Küche ☕ 語", mtu=185, appearance=833, bond=True, mitm=False, io=3,
                    rx_buf=4096, le_secure=False, pairable=True, pairable_timeout=0, addr_mode=0)
        assert a.gap_name == "Küche ☕ 語" == await a.get("gap_name") and a.mtu == 185
        assert (a.appearance, a.rx_buf, a.io, a.addr_mode, a.pairable_timeout) == (833, 4096, 3, 0, 0)
        with raises(bled.InvalidArgs):
            await a.set(mtu=7)
        with raises(bled.InvalidArgs, "cannot be set"):
            await a.set(active=True)
        with raises(bled.InvalidArgs, "NUL"):
            await a.set(gap_name="a\0b")
        with raises(bled.InvalidArgs):
            await a.set(mtu=1 << 20)
        with raises(AttributeError):
            await a.set(nonsense=1)
        # Another client's change is told.
        async with adapter(world, "a") as other:
            await other.set(mtu=100)
        await a.client.ping()
        assert a.mtu == 100
        changes.close()
        async with linked(a, b) as (_, link):
            name = await (await link.characteristic("2a00")).read()
            assert name.decode() == "Küche ☕ 語"


async def test_the_daemon_is_within_reach():
    async with two() as (world, a, b):
        assert (await a.stats())["clients-attached"] == 1
        level = await a.log_level()
        assert await a.log_level("info") == "info" and level == "debug"
        assert await a.log_target() and await a.syslog_identifier() == "bled"
        with raises(bled.AccessDenied):
            await a.hci_command(4, 1)
        with tempfile.NamedTemporaryFile() as file:
            async with a.capture(file.name, snaplen=64):
                with raises(bled.Busy):
                    async with a.capture(file):
                        pass
                await b.discover(0.05)
                await a.discover(0.05)
            file.seek(0)
            assert file.read(8) == b"btsnoop\0"
        await a.reset()
        assert a.active
        with raises(bled.NotFound, "hci7", "hci0"):
            async with bled.Adapter("hci7", bus=world.address):
                pass
        with raises(bled.DaemonGone, "org.example.none"):
            async with bled.Adapter(bus=world.address, bus_name="org.example.none"):
                pass
        with raises(bled.BusGone):
            async with bled.Adapter(bus="unix:path=/nonexistent/bus"):
                pass
        with raises(bled.InvalidArgs):
            await a.client.call("Link1.ReadRssi", 1, path="/no such//path")
        async with adapter(world, "a", active=False) as idle:
            await a.close()
            await idle.client.ping()
            assert not idle.active
            with raises(bled.NotActive):
                await idle.discover(0.1)
            await idle.set_active(True)
            assert idle.active
            await idle.set_active(False)
        with raises(bled.Closed):
            await a.stats()


async def test_scan_by_stream_and_by_signals():
    async with two() as (world, a, b):
        async with a.advertise(name="Größe", services=["180d"], interval_ms=20, tx_power=True,
                               manufacturer_data={0x1234: b"\1"}, service_data={"180f": b"\x64"},
                               appearance=833):
            for how in {}, {"stream": False}, {"batch_ms": 20}:
                async for report in b.scan(active=True, services=["180d"], **how):
                    if not report.scan_response:
                        break
                assert (report.address_type, report.address) == a.mac and report.connectable
                assert report.adv_type == 0 and report.services == ["180d"] and report.rssi < 20
                async with b.scan(5, active=True, addresses=[report], **how) as scan:
                    with raises(bled.Busy, "this Adapter is scanning"):
                        async for _ in b.scan(1):
                            pass
                    fields = {}
                    async for report in scan:
                        fields.update(report.advertising_data.fields)
                        if scan.dropped == 0 and {0x09, 0xff} <= set(fields):
                            break
                assert await held(a, b) is None
                assert await held(b, b) == {}, (how, await held(b, b))
                data = bled.AdvertisingData(fields)
                assert data.name == "Größe" and data.manufacturer_data == {0x1234: b"\1"}
                assert data.appearance == 833 and data.service_data == {"180f": b"\x64"}
                assert data.tx_power is not None
            # To its end, and what nobody matches.
            assert [r async for r in b.scan(0.1, name_prefix="nobody")] == []
            assert [r async for r in b.scan(0.1, name_prefix="nobody", stream=False)] == []
            found = []
            while not found or not found[0].name:
                found = await b.discover(0.2, services=[0x180d], limit=5)
            assert [(f.name, f.services, f.address) for f in found] == [("Größe", ["180d"], a.mac[1])]
            # A discover beside a scan; the scan ends with the loop, without a block as well.
            async for report in b.scan():
                while not await b.discover(0.1):
                    pass
                break
            await b.client.ping()
            assert [r async for r in b.scan(0.05, rssi_min=20)] == []
        # An adapter that goes ends a scan with an error, not as if nobody were there.
        async with b.scan() as scan:
            waiting = asyncio.ensure_future(anext(scan))
            async with adapter(world, "b", active=False) as third:
                await third.set_active(False, force=True)
            with raises((bled.NotActive, bled.Canceled), "inactive"):
                await waiting


async def test_extended_reports():
    async with two() as (world, a, b):
        data = bytes([201, 0xff, 0x34, 0x12]) + bytes(198)
        async with a.advertise(adv_data=data, extended=True, connectable=False, scannable=False,
                               sid=5, interval_ms=20):
            for stream in True, False:
                async for report in b.scan(stream=stream):
                    break
                assert report.adv_type is None and report.data == data and report.sid == 5, report
                assert not report.connectable and report.primary_phy == "1m"


async def test_services_characteristics_and_values():
    async with two() as (world, a, b):
        peer = Peer()
        async with a.serve(peer), linked(a, b) as (here, link):
            assert (link.role, here.role) == ("central", "peripheral") and link.interval == 7.5
            assert (link.address_type, link.address) == a.mac and link.mtu == 23 and link.connected
            assert link.owner == b.client.bus.unique_name and link.hci_handle >= 0
            assert link.connected_since > 1e9 and link.latency == 0 and not link.encrypted
            assert b.links == [link] and a.links == [here]
            service, = await link.services("180d")
            assert [s.uuid for s in await link.services()] == ["1800", "1801", "180d"]
            assert [c.uuid for c in await service.characteristics()] == ["2a37", "2a38", "2a39", "2a3a"]
            place = await service.characteristic("2a38")
            assert await place.read() == b"x" * 100  # longer than the MTU: by blobs
            assert await place.read(offset=95) == b"x" * 5 and len(await place.read(long=False)) == 22
            assert place.properties & bled.Flag.WRITE_NO_RESPONSE
            label = await place.descriptor(0x2901)
            assert (await label.read()).decode() == "Größe"
            await place.write(b"short")
            await place.write(b"y" * 200)
            assert await peer.place.read() == b"y" * 200 == await peer.place.value()
            await place.write(b"z", response="reliable", offset=1)
            await place.write(b"command", response=False)
            assert await place.read() == b"command"
            with raises(bled.InvalidArgs, "23"):
                await place.write(bytes(100), response=False)
            with raises(bled.NotSupported):
                await place.write(b"1", response="signed")
            with raises(ValueError):
                await place.write(b"1", response="perhaps")
            with raises(TypeError):
                await place.write("text")
            assert await link.read_multiple([place.handle, label.handle]) == [b"command",
                                                                            "Größe".encode()]
            assert await link.read_by_uuid("2a38") == [(place.handle, b"command")]
            assert await link.read(place.handle) == b"command"
            assert await service.includes() == []
            with raises(bled.NotFound, "180f"):
                await link.service("180f")
            with raises(bled.NotFound):
                await place.descriptor("2902")
            with raises(bled.AttError.InvalidHandle):
                await link.read(0xfff0)
            with raises(bled.AttError.ReadNotPermitted):
                await (await link.characteristic("2a39")).read()
            with raises(bled.AttError.InsufficientAuthentication):
                await (await link.characteristic("2a3a")).read()
            async with peer.place.writes(here) as written:
                async with place.writer() as writer:
                    with raises(bled.InvalidArgs, "20 that fit"):
                        await writer.write(bytes(21))
                    for i in range(100):
                        await writer.write(bytes([i]))
                    with raises(bled.Busy):
                        async with place.writer():
                            pass
                assert [await anext(written) for _ in range(100)] == [bytes([i]) for i in range(100)]
            assert await link.exchange_mtu() == 256 == link.mtu == here.mtu


async def test_notifications_by_socket_and_by_signals():
    async with two() as (world, a, b):
        peer = Peer()
        async with a.serve(peer), linked(a, b) as (here, link):
            rate, sure = await link.characteristic("2a37"), await link.characteristic("2a39")
            async with rate.notifications() as one, rate.notifications() as two_, \
                    rate.notifications(socket=False) as three, sure.notifications() as sures:
                assert peer.rate.subscribers == [here]
                for value in b"a", b"", b"c":
                    await peer.rate.notify(value)
                for values in one, two_, three:
                    assert [await anext(values) for _ in range(3)] == [b"a", b"", b"c"]
                assert await peer.sure.indicate(here, b"sure") == 4 and await anext(sures) == b"sure"
                await peer.rate.notify(link=here, value=b"only")
                assert await anext(one) == b"only"
            await a.client.ping()
            await link.rssi()
            # Nobody wants them any more: the CCCD says so when the peer has answered.
            while peer.rate.subscribers:
                await b.client.ping()
                await a.client.ping()
            assert await held(b, b) == {"connections": 1}
            async with rate.notifications() as values:
                next_ = asyncio.ensure_future(anext(values))
                await peer.rate.write(b"stored")
                await peer.rate.notify(link=here)
                assert await next_ == b"stored"
                listened = asyncio.ensure_future(rate.listen_for(2, timeout=10))
                await b.client.ping()
                for value in b"1", b"2":
                    await peer.rate.notify(value)
                assert await listened == [b"1", b"2"]
            await rate.subscribe(1)
            hand = b.signals("GattClient1.Notified")
            await peer.rate.notify(b"by hand")
            assert (await anext(hand)).args == (link.conn, rate.handle, b"by hand")
            await rate.subscribe(0)
            with raises(bled.AttError.AttributeNotFound):
                async with (await link.characteristic("2a38")).notifications():
                    pass


async def test_results_without_waiting_are_signals():
    async with two() as (world, a, b):
        async with linked(a, b) as (here, link):
            names = ["ServiceResult", "ServiceDone", "CharacteristicResult", "CharacteristicDone",
                     "DescriptorResult", "DescriptorDone", "IncludeDone", "ReadResult", "ReadDone"]
            heard = b.signals(*["GattClient1." + n for n in names])
            call = b.client.call
            await call("GattClient1.DiscoverServices", link.conn, "1800", wait=False)
            await call("GattClient1.DiscoverCharacteristics", link.conn, 1, 3, "", wait=False)
            await call("GattClient1.DiscoverDescriptors", link.conn, 1, 1, wait=False)
            await call("GattClient1.DiscoverIncludes", link.conn, 1, 7, wait=False)
            await call("GattClient1.Read", link.conn, 3, wait=False)
            assert [(await anext(heard)).member for _ in names] == names
            with raises(TypeError, "has no option"):
                await call("GattClient1.Read", link.conn, 3, nonsense=1)


async def test_the_link_itself():
    async with two() as (world, a, b):
        async with linked(a, b) as (here, link):
            assert await link.rssi() < 20
            assert await link.update_parameters(min_conn_interval_us=15000,
                                                max_conn_interval_us=15000) == (15.0, 0, 1000)
            assert link.interval == 15 and link.supervision_timeout == 1000
            assert await link.set_phy(tx=["2m"], rx=["2m"]) == ("2m", "2m") == (link.tx_phy, link.rx_phy)
            await link.set_data_length(251)
            assert (await link.stats())
            changed = link.services_changed()
            async with a.serve(Peer()):
                await link.pair()  # Service Changed goes to who has subscribed, or is bonded
                assert link.encrypted and link.bonded and link.key_size == 16 and not link.authenticated
                assert (await (await link.characteristic("2a3a")).read()) == b"secret"
                assert link.identity == (a.mac[0], a.mac[1])
            changed.close()
            gone = link.disconnected
            assert await here.disconnect()
            reason = await gone
            assert reason.status == 0x113 and not link.connected and not here.connected
            with raises(ConnectionError):
                await link.read(3)
            assert not await link.disconnect()
            assert (await here.disconnected).status == 0x116


async def test_connecting():
    async with two() as (world, a, b):
        with raises(TimeoutError):
            async with b.connect("C0:11:22:33:44:55", bled.RANDOM, timeout=0.1):
                pass
        with raises(ValueError):
            b.connect("nowhere")
        attempt = asyncio.ensure_future(b.connect(a.mac[1], a.mac[0], timeout=30)._start())
        with raises(bled.NotFound):
            await b.cancel_connect("C0:11:22:33:44:55")
        await b.cancel_connect()
        with raises(bled.Canceled):
            await attempt
        async with a.advertise(interval_ms=20, resume=True) as advertising:
            link = await b.connect(a.mac, timeout=10, **FAST)
            # Again, to the same: the same link, which ends with its last use.
            async with b.connect(link) as same:
                assert same is link and b.links == [link]
            assert link.connected
            await link.disconnect()
            assert not link.connected and await held(b, b) == {}
            seen = 0
            async with b.connect_always(a.mac, **FAST) as links:
                async for link in links:
                    seen += 1
                    if seen == 3:
                        break
                    here = await anext(aiter(advertising))
                    while here.conn < seen + 1 or not here.connected:
                        here = await anext(aiter(advertising))
                    await here.disconnect()
                await link.disconnect()
            assert await held(b, b) == {}


async def test_the_name_of_an_adapter_object_is_not_a_command():
    async with daemons(1) as world:
        for name in "hci0/../hci1", "hci0'", "", "/org/bled/hci0\n":
            try:
                async with adapter(world, "a", ) as a:
                    assert a.name == "hci0"
                async with bled.Adapter(name or "/", bus=world.address):
                    raise AssertionError(name)
            except bled.NotFound:
                pass


main(*[f for name, f in sorted(globals().items()) if name.startswith("test_")])
