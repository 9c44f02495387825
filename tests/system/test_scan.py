#!/usr/bin/env python3
"""Observer1: scanning as signals, batches, a socket and an answer."""
import asyncio
import socket
import struct

from bledtest import Error, World, main, plain, Variant

WINDOW = {"interval_us": Variant("u", 100000), "window_us": Variant("u", 100000)}
PI = {"name": Variant("s", "Pi"), "services": Variant("as", ["180d"]),
      "manufacturer_data": Variant("a{qay}", {0x1234: b"\x01\x02\x03"}),
      "service_data": Variant("a{say}", {"180f": b"\x64"}), "appearance": Variant("q", 833)}


async def pair(world):
    a = await world.bled("a", ["unix:" + world.hci(0)])
    b = await world.bled("b", ["unix:" + world.hci(1)])
    await a.activate()
    await b.activate()
    return a, b


async def test_discover_puts_both_parts_together():
    async with World() as world:
        a, b = await pair(world)
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 50000, PI)
        found = (await b.call("Observer1", "Discover", "ua{sv}", 500,
                              {**WINDOW, "active": Variant("b", True)}))[0]
        assert len(found) == 1, found
        kind, addr, connectable, rssi, fields = found[0]
        fields = plain(fields)
        assert (kind, addr) == await a.address()
        assert connectable and -127 <= rssi <= 20
        assert fields["name"] == "Pi" and fields["services"] == ["180d"], fields
        assert fields["manufacturer_data"] == {0x1234: b"\x01\x02\x03"}, fields
        assert fields["service_data"] == {"180f": b"\x64"}, fields
        assert fields["appearance"] == 833 and fields["adv_data"][:3] == b"\x02\x01\x06", fields


async def test_filters_are_the_clients_own():
    async with World() as world:
        a, b = await pair(world)
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 50000, PI)

        async def discover(**filters):
            return len((await b.call("Observer1", "Discover", "ua{sv}", 400, {
                **WINDOW, "active": Variant("b", True),
                **{k: v for k, v in filters.items()}}))[0])
        kind, addr = await a.address()
        counts = await asyncio.gather(
            discover(services=Variant("as", ["180d"])),
            discover(services=Variant("as", ["180a"])),
            discover(name_prefix=Variant("s", "P")),
            discover(name_prefix=Variant("s", "X")),
            discover(manufacturers=Variant("aq", [0x1234])),
            discover(manufacturers=Variant("aq", [1])),
            discover(addresses=Variant("a(ys)", [[kind, addr]])),
            discover(addresses=Variant("a(ys)", [[1, addr]])),
            discover(rssi_min=Variant("n", 20)))
        assert counts == [1, 0, 1, 0, 1, 0, 1, 0, 0], counts


async def test_scan_signals_and_one_scan_done():
    async with World() as world:
        a, b = await pair(world)
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 50000, {"adv_data": Variant("ay", b"\x02\x01\x06")})
        await b.call("Observer1", "Scan", "ua{sv}", 400, WINDOW)
        results = b.client.seen("ScanResult")
        assert len(results) >= 4, results
        kind, addr = await a.address()
        assert results[0].args[:3] == [kind, addr, 0] and results[0].args[4] == b"\x02\x01\x06"
        assert len(b.client.seen("ScanDone")) == 1
        b.client.signals.clear()
        await b.call("Observer1", "Scan", "ua{sv}", 400,
                     {**WINDOW, "filter_duplicates": Variant("b", True)})
        assert len(b.client.seen("ScanResult")) == 1


async def test_new_scan_replaces_the_old_one_silently():
    async with World() as world:
        a, b = await pair(world)
        old = asyncio.ensure_future(b.call("Observer1", "Scan", "ua{sv}", 60000, WINDOW))
        await b.stats()
        await b.call("Observer1", "Scan", "ua{sv}", 0, WINDOW)
        try:
            await old
            raise AssertionError("the old one succeeded")
        except Error as e:
            assert e.name == "org.bled.Error.Canceled", e
        assert not b.client.seen("ScanDone")
        await b.call("Observer1", "StopScan")
        assert len(b.client.seen("ScanDone")) == 1
        waiting = asyncio.ensure_future(b.call("Observer1", "Scan", "ua{sv}", 60000, WINDOW))
        await b.stats()
        await b.call("Observer1", "StopScan")
        assert await waiting == []
        await b.call("Observer1", "StopScan")


async def test_batches_carry_the_same_results():
    async with World() as world:
        a, b = await pair(world)
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 20000, {"adv_data": Variant("ay", b"\x02\x01\x06")})
        await b.call("Observer1", "Scan", "ua{sv}", 1000, {**WINDOW, "batch_ms": Variant("u", 200)})
        batches = b.client.seen("ScanResults")
        assert not b.client.seen("ScanResult")
        assert 2 <= len(batches) <= 6, batches
        kind, addr = await a.address()
        assert all(r[:3] == [kind, addr, 0] for s in batches for r in s.args[0])
        order = [s.member for s in b.client.signals if s.member in ("ScanResults", "ScanDone")]
        assert order[-1] == "ScanDone", order


async def test_stream_records_and_end_by_closing():
    async with World() as world:
        a, b = await pair(world)
        data = b"\x02\x01\x06\x03\x09Pi"
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 20000, {"adv_data": Variant("ay", data)})
        await b.call("Observer1", "AcquireScan", "ua{sv}", 0, WINDOW)
        s = socket.socket(fileno=b.client.fds[0])
        assert s.type & socket.SOCK_SEQPACKET
        s.setblocking(False)
        loop = asyncio.get_running_loop()
        last = 0
        for _ in range(5):
            record = await asyncio.wait_for(loop.sock_recv(s, 4096), 10)
            time, dropped, addr, kind, adv_type, phy, phy2, sid, rssi, tx, flags, n, periodic, zero = \
                struct.unpack_from("<QI6sBBBBBbbBHHH", record)
            assert (kind, addr.hex(":").upper()) == await a.address()
            assert time > last and dropped == 0 and adv_type == 0 and phy == 1 and sid == 0xff
            assert flags & 1 and record[32:] == data and n == len(data), record
            last = time
        s.close()
        await b.client.expect("ScanDone")


async def test_stream_counts_what_a_slow_reader_loses():
    async with World(controllers=2) as world:
        a, b = await pair(world)
        await b.set("Adapter1", "RxBuf", "u", 4096)
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 20000, {"adv_data": Variant("ay", bytes(31))})
        await b.call("Observer1", "AcquireScan", "ua{sv}", 4000, WINDOW)
        s = socket.socket(fileno=b.client.fds[0])
        await b.client.expect("ScanDone")
        s.setblocking(False)
        got, lost = 0, 0
        while True:
            try:
                record = s.recv(4096)
            except BlockingIOError:
                break
            if not record:
                break
            got += 1
            lost += struct.unpack_from("<I", record, 8)[0]
        assert got > 10, got
        stats = await b.stats()
        assert stats["scan-stream-dropped"] >= lost
        s.close()


async def test_extended_reports_have_a_signal_of_their_own():
    async with World() as world:
        a, b = await pair(world)
        data = b"".join(bytes([201, 0xff, 0x34, 0x12]) + bytes([i]) * 198 for i in range(4))
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 50000, {
            "extended": Variant("b", True), "connectable": Variant("b", False),
            "scannable": Variant("b", False), "sid": Variant("y", 5),
            "adv_data": Variant("ay", data)})
        await b.call("Observer1", "Scan", "ua{sv}", 500, WINDOW)
        result = await b.client.expect("ExtendedScanResult")
        report = plain(result.args[2])
        assert report["data"] == data and report["sid"] == 5 and not report["connectable"], report
        assert not b.client.seen("ScanResult")


async def test_discoveries_at_once_and_their_limits():
    async with World() as world:
        a, b = await pair(world)
        for n in range(4):
            await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {
                "set": Variant("y", n), "addr_mode": Variant("y", 3), "name": Variant("s", f"n{n}"),
                "connectable": Variant("b", False)})
        other = await b.new_client()
        options = {**WINDOW, "active": Variant("b", True)}
        await b.call("Observer1", "Scan", "ua{sv}", 0, WINDOW)
        two, all_of_them, named = await asyncio.gather(
            b.call("Observer1", "Discover", "ua{sv}", 500, {**options, "limit": Variant("u", 2)}),
            b.call("Observer1", "Discover", "ua{sv}", 700, options, client=other),
            b.call("Observer1", "Discover", "ua{sv}", 600,
                   {**options, "name_prefix": Variant("s", "n3")}))
        assert len(two[0]) == 2, two
        names = sorted(plain(e[4])["name"] for e in all_of_them[0])
        assert names == ["n0", "n1", "n2", "n3"], names
        assert [plain(e[4])["name"] for e in named[0]] == ["n3"], named
        assert not b.client.seen("ScanDone"), "they end nobody's scan"
        await b.call("Observer1", "StopScan")
        await b.client.expect("ScanDone")
        for bad in (0, 4097):
            try:
                await b.call("Observer1", "Discover", "ua{sv}", 100, {"limit": Variant("u", bad)})
                raise AssertionError(f"a limit of {bad}")
            except Error as e:
                assert e.name.endswith("InvalidArgs") and "limit" in e.text, e


async def test_scan_that_waits_for_its_controller_gives_no_second_scan_done():
    async with World() as world:
        a, b = await pair(world)
        await b.call("Observer1", "Scan", "ua{sv}", 0, WINDOW)
        world.air.kill()
        await b.client.expect("ScanDone")
        await b.client.expect("Failed")
        await b.call("Observer1", "StopScan")
        assert not b.client.seen("ScanDone")


async def test_scans_of_several_clients_are_their_own():
    async with World() as world:
        a, b = await pair(world)
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {})
        one, two = await b.new_client(), await b.new_client()
        for c in (one, two):
            await b.call("Adapter1", "Attach", "a{sv}", {}, client=c)
        await asyncio.gather(
            b.call("Observer1", "Scan", "ua{sv}", 500,
                   {**WINDOW, "filter_duplicates": Variant("b", True)}, client=one),
            b.call("Observer1", "Scan", "ua{sv}", 1000, WINDOW, client=two))
        assert len(one.seen("ScanResult")) == 1 and len(one.seen("ScanDone")) == 1
        assert len(two.seen("ScanResult")) > 10 and len(two.seen("ScanDone")) == 1
        assert not b.client.seen("ScanResult"), "results of attached clients are not broadcast"


main(*[f for name, f in sorted(globals().items()) if name.startswith("test_")])
