#!/usr/bin/env python3
"""Central1, Peripheral1, Link1, Connection1: connections in both roles, by several clients."""
import asyncio

from bledtest import Error, World, main, Variant


async def pair(world, **kw):
    a = await world.bled("a", ["unix:" + world.hci(0)], **kw)
    b = await world.bled("b", ["unix:" + world.hci(1)], **kw)
    await a.activate()
    await b.activate()
    return a, b


async def connected(a, b, client=None, **options):
    """b connects to a: both numbers."""
    await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, options)
    conn = (await b.call("Central1", "Connect", "ysa{sv}", *await a.address(), {}, client=client))[0]
    up = await a.client.expect("CentralConnected")
    return up.args[0], conn


async def test_connect_signals_objects_and_properties():
    async with World() as world:
        a, b = await pair(world)
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {})
        kind, addr = await a.address()
        conn = (await b.call("Central1", "Connect", "ysa{sv}", kind, addr, {}))[0]
        assert conn == 1, conn
        names = [s.member for s in b.client.signals if s.member in
                 ("InterfacesAdded", "PeripheralConnected")]
        assert names == ["InterfacesAdded", "PeripheralConnected"], names
        up = await b.client.expect("PeripheralConnected")
        assert up.args == [1, kind, addr], up
        up = await a.client.expect("CentralConnected")
        assert up.args == [1, *await b.address()], up
        path = "/org/bled/hci0/conn0001"
        assert await b.get("Connection1", "Role", path) == "central"
        assert await a.get("Connection1", "Role", path) == "peripheral"
        assert await b.get("Connection1", "PeerAddress", path) == addr
        assert 24 <= await b.get("Connection1", "Interval", path) <= 40
        assert await b.get("Connection1", "Owner", path) == ""
        assert await b.get("Connection1", "TxPhy", path) == "1m"
        objects = (await b.client.raw(b.name, "/org/bled", "org.freedesktop.DBus.ObjectManager",
                                      "GetManagedObjects"))[0]
        assert path in objects and "/org/bled/hci0" in objects, list(objects)


async def test_disconnect_order_and_reasons():
    async with World() as world:
        a, b = await pair(world)
        mine, theirs = await connected(a, b)
        b.client.signals.clear()
        assert await b.call("Link1", "Disconnect", "qa{sv}", theirs, {}) == [True]
        order = [s.member for s in b.client.signals if s.member in
                 ("Disconnected", "PeripheralDisconnected", "InterfacesRemoved")]
        assert order == ["Disconnected", "PeripheralDisconnected", "InterfacesRemoved"], order
        down = await b.client.expect("Disconnected", theirs)
        assert down.args == [theirs, 0x116], down
        down = await a.client.expect("Disconnected", mine)
        assert down.args == [mine, 0x113], down
        await a.client.expect("CentralDisconnected", mine)
        assert await b.call("Link1", "Disconnect", "qa{sv}", theirs, {}) == [False]


async def test_connection_numbers_go_on():
    async with World() as world:
        a, b = await pair(world)
        for n in range(1, 4):
            mine, theirs = await connected(a, b)
            assert (mine, theirs) == (n, n)
            await b.call("Link1", "Disconnect", "qa{sv}", theirs, {"reason": Variant("y", 0x15)})
            down = await a.client.expect("Disconnected", mine)
            assert down.args[1] == 0x115, down
        await b.call("Adapter1", "SetActive", "ba{sv}", False, {})
        await b.call("Adapter1", "SetActive", "ba{sv}", True, {})
        assert (await connected(a, b))[1] == 4


async def test_timeout_and_cancel_signal_and_error():
    async with World() as world:
        a, b = await pair(world)
        nobody = (1, "C6:05:04:03:02:01")
        try:
            await b.call("Central1", "Connect", "ysa{sv}", *nobody,
                         {"scan_duration_ms": Variant("u", 200)})
            raise AssertionError("connected to nobody")
        except Error as e:
            assert e.name == "org.bled.Error.Timeout" and nobody[1] in e.text, e
        down = await b.client.expect("PeripheralDisconnected", 0xffff)
        assert down.args == [0xffff, *nobody], down
        slow = asyncio.ensure_future(b.call("Central1", "Connect", "ysa{sv}", *nobody,
                                            {"scan_duration_ms": Variant("u", 60000)}))
        other = await b.new_client()
        await b.stats()
        await b.call("Central1", "CancelConnect", "ys", 0, "", client=other)
        assert b.client.seen("PeripheralDisconnected")
        try:
            await slow
            raise AssertionError("connected to nobody")
        except Error as e:
            assert e.name == "org.bled.Error.Canceled", e


async def test_second_attempt_of_the_same_owner_is_busy():
    async with World() as world:
        a, b = await pair(world)
        nobody = (1, "C6:05:04:03:02:01")
        await b.call("Central1", "Connect", "ysa{sv}", *nobody,
                     {"wait": Variant("b", False), "scan_duration_ms": Variant("u", 60000)})
        try:
            await b.call("Central1", "Connect", "ysa{sv}", *nobody, {})
            raise AssertionError("not busy")
        except Error as e:
            assert e.name == "org.bled.Error.Busy", e
        await b.call("Central1", "CancelConnect", "ys", *nobody)
        await b.client.expect("PeripheralDisconnected", 0xffff)


async def test_wait_false_replies_zero_and_signals():
    async with World() as world:
        a, b = await pair(world)
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {})
        assert await b.call("Central1", "Connect", "ysa{sv}", *await a.address(),
                            {"wait": Variant("b", False)}) == [0]
        assert (await b.client.expect("PeripheralConnected")).args[0] == 1


async def test_connect_to_a_linked_peer_makes_a_user():
    async with World() as world:
        a, b = await pair(world)
        one, two = await b.new_client(), await b.new_client()
        for c in (one, two):
            await b.call("Adapter1", "Attach", "a{sv}", {}, client=c)
        mine, conn = await connected(a, b, client=one)
        kind, addr = await a.address()
        again = (await b.call("Central1", "Connect", "ysa{sv}", kind, addr, {}, client=two))[0]
        assert again == conn
        path = f"/org/bled/hci0/conn{conn:04x}"
        assert await b.get("Connection1", "Owner", path) == one.name
        assert not b.client.seen("PeripheralConnected"), "an owned connection is not broadcast"
        assert await b.call("Link1", "Disconnect", "qa{sv}", conn, {}, client=one) == [True]
        assert await b.get("Connection1", "Owner", path) == two.name
        try:
            await b.call("Link1", "Disconnect", "qa{sv}", conn, {}, client=one)
            raise AssertionError("ended another's use")
        except Error as e:
            assert e.name == "org.freedesktop.DBus.Error.AccessDenied", e
        await b.call("Link1", "Disconnect", "qa{sv}", conn, {}, client=two)
        await two.expect("PeripheralDisconnected", conn)
        assert not one.seen("PeripheralDisconnected")


async def test_two_clients_wait_for_one_peer_and_share_it():
    async with World() as world:
        a, b = await pair(world)
        one, two = await b.new_client(), await b.new_client()
        for c in (one, two):
            await b.call("Adapter1", "Attach", "a{sv}", {}, client=c)
        target = await a.address()
        options = {"scan_duration_ms": Variant("u", 15000)}
        first = asyncio.ensure_future(b.call("Central1", "Connect", "ysa{sv}", *target, options,
                                             client=one))
        await b.call("Adapter1", "Stats", client=one)
        second = asyncio.ensure_future(b.call("Central1", "Connect", "ysa{sv}", *target, options,
                                              client=two))
        await b.call("Adapter1", "Stats", client=two)
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {})
        assert (await first) == (await second)
        await one.expect("PeripheralConnected")
        await two.expect("PeripheralConnected")


async def test_auto_connects_again_until_cancelled():
    async with World() as world:
        a, b = await pair(world)
        target = await a.address()
        assert await b.call("Central1", "Connect", "ysa{sv}", *target,
                            {"auto": Variant("b", True)}) == [0]
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {"resume": Variant("b", True)})
        for n in (1, 2):
            up = await b.client.expect("PeripheralConnected", n)
            await a.client.expect("CentralConnected", n)
            await a.call("Link1", "Disconnect", "qa{sv}", n, {})
            await b.client.expect("PeripheralDisconnected", n)
        await b.client.expect("PeripheralConnected", 3)
        await b.call("Central1", "CancelConnect", "ys", *target)
        await b.call("Link1", "Disconnect", "qa{sv}", 3, {})
        await b.client.expect("PeripheralDisconnected", 3)
        assert not a.client.seen("AdvertisingStopped")


async def test_update_parameters_from_both_roles():
    async with World() as world:
        a, b = await pair(world)
        mine, theirs = await connected(a, b)
        for who, conn, us in ((b, theirs, 100000), (a, mine, 200000)):
            options = {"min_conn_interval_us": Variant("u", us),
                       "max_conn_interval_us": Variant("u", us),
                       "supervision_timeout_ms": Variant("u", 3000)}
            got = await who.call("Link1", "UpdateParameters", "qa{sv}", conn, options)
            assert got == [us // 1250, 0, 300], got
            assert who.client.seen("ConnectionUpdated"), "the signal comes before the reply"
            for other, n in ((a, mine), (b, theirs)):
                update = await other.client.expect("ConnectionUpdated", n)
                assert update.args == [n, us // 1250, 0, 300, 0], update
                assert await other.get("Connection1", "Interval",
                                       f"/org/bled/hci0/conn{n:04x}") == us // 1250


async def test_rssi_phy_data_length_and_stats():
    async with World() as world:
        a, b = await pair(world)
        mine, conn = await connected(a, b)
        rssi = (await b.call("Link1", "ReadRssi", "q", conn))[0]
        assert -127 <= rssi <= 20, rssi
        got = await b.call("Link1", "SetPhy", "qa{sv}", conn,
                           {"tx": Variant("as", ["2m"]), "rx": Variant("as", ["2m"])})
        assert got == ["2m", "2m"], got
        assert await b.get("Connection1", "TxPhy", f"/org/bled/hci0/conn{conn:04x}") == "2m"
        await b.call("Link1", "SetDataLength", "qq", conn, 251)
        stats = (await b.call("Link1", "Stats", "q", conn))[0]
        assert "rx-packets" in stats and "tx-bytes" in stats, stats


async def test_a_peer_that_vanishes_is_a_supervision_timeout():
    import signal
    async with World() as world:
        a, b = await pair(world)
        mine, conn = await connected(a, b)
        a.process.send_signal(signal.SIGKILL)
        down = await b.client.expect("Disconnected", conn)
        assert down.args[1] == 0x108, down

async def test_disconnects_at_once_wait_for_the_one_end():
    async with World() as world:
        a, b = await pair(world)
        mine, theirs = await connected(a, b)
        other = await b.new_client()
        replies = await asyncio.gather(*[
            b.call("Link1", "Disconnect", "qa{sv}", theirs, {"force": Variant("b", True)}, client=c)
            for c in (b.client, other, b.client)])
        assert replies == [[True]] * 3, replies
        assert len(b.client.seen("Disconnected")) == 1
        try:
            await b.call("Link1", "Disconnect", "qa{sv}", theirs, {"reason": Variant("y", 0x08)})
            raise AssertionError("0x08 is no reason to give")
        except Error as e:
            assert e.name.endswith("InvalidArgs") and "reason" in e.text, e


async def test_automatic_attempt_beside_a_link_survives_its_controller():
    async with World(control=True) as world:
        a, b = await pair(world)
        peer = await a.address()
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 20000, {"resume": Variant("b", True)})
        fast = {"supervision_timeout_ms": Variant("u", 200)}
        assert await b.call("Central1", "Connect", "ysa{sv}", *peer, fast) == [1]
        assert await b.call("Central1", "Connect", "ysa{sv}", *peer,
                            {**fast, "auto": Variant("b", True)}) == [1]
        b.client.signals.clear()
        await world.air_does("unplug 1")
        await b.client.expect("Failed")
        up = await b.client.expect("PeripheralConnected", 2)
        assert tuple(up.args[1:]) == peer, up
        await b.call("Central1", "CancelConnect", "ys", *peer)


async def test_a_peer_that_connects_first_is_who_was_waited_for():
    """Our second attempt waits for a link's end; the peer comes by itself as central."""
    async with World() as world:
        a, b = await pair(world)
        for x in (a, b):
            await x.call("Broadcaster1", "Advertise", "ua{sv}", 20000, {"resume": Variant("b", True)})
        conn = (await a.call("Central1", "Connect", "ysa{sv}", *await b.address(), {}))[0]
        up = await b.client.expect("CentralConnected")
        assert await b.call("Central1", "Connect", "ysa{sv}", *await a.address(), {}) == [up.args[0]]
        assert await a.call("Link1", "Disconnect", "qa{sv}", conn, {}) == [True]


async def test_connections_are_lines_in_the_log():
    async with World() as world:
        a, b = await pair(world)
        mine, theirs = await connected(a, b)
        await b.call("Link1", "Disconnect", "qa{sv}", theirs, {})
        await a.client.expect("CentralDisconnected")
        peer = (await b.address())[1]
        assert f"connection {mine}: connected by {peer}" in a.log(), a.log()
        assert f"connection {mine}: by {peer} has ended" in a.log() and "(0x13)" in a.log(), a.log()


main(*[f for name, f in sorted(globals().items()) if name.startswith("test_")])
