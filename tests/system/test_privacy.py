#!/usr/bin/env python3
"""Private addresses between daemons: a has them, b is bonded with a and knows it throughout, c is
anybody and must never hear of a's identity address. With a controller that makes the addresses, and
with one whose host has to.
"""
import asyncio

from bledtest import Error, Variant, World, main, plain

PATH = "/org/bled/hci0/conn%04x"
ALWAYS = {"interval_us": Variant("u", 30000), "window_us": Variant("u", 30000)}
KINDS = {"list": [], "host": ["--le=4.0"]}
STATIC, RPA, NRPA = 0xc0, 0x40, 0x00


def private(mac, kind=RPA):
    return mac[0] == 1 and int(mac[1][:2], 16) & 0xc0 == kind


async def daemon(world, tag, index, **settings):
    """One whose configuration file says so, active."""
    config = world.dir / f"{tag}.conf"
    config.write_text("[adapter]\n" + "".join(f"{k.replace('_', '-')} = {v}\n"
                                              for k, v in settings.items()))
    bled = await world.bled(tag, ["unix:" + world.hci(index)], args=[f"--config={config}"])
    await bled.activate()
    return bled


async def on_air(bled, kind=RPA):
    """The address on the air, once it is a private one."""
    mac = await bled.address()
    while not private(mac, kind):
        change = await bled.client.expect("PropertiesChanged", "org.bled.Adapter1",
                                          where=lambda s: "Mac" in s.args[1])
        mac = tuple(plain(change.args[1]["Mac"]))
    return mac


async def advertise(bled, **options):
    await bled.call("Broadcaster1", "Advertise", "ua{sv}", 30000, options)


async def scan(bled, **options):
    """Scans on; the client that hears of it."""
    client = await bled.new_client()
    await bled.call("Observer1", "Scan", "ua{sv}", 0, {**ALWAYS, **options}, client=client)
    return client


def heard(client):
    """Whom of, in the order of the first time. Another daemon's results may have come before the
    client knew whose it wants."""
    return list(dict.fromkeys(tuple(s.args[:2]) for s in client.seen("ScanResult")
                              if s.sender == client.only))


async def hears(client, check):
    """Waits until this is true of all that was heard."""
    async def wait():
        while not check(heard(client)):
            client.news.clear()
            await client.news.wait()
    try:
        await asyncio.wait_for(wait(), 20)
    except asyncio.TimeoutError:
        raise AssertionError(f"heard of {heard(client)}") from None


async def disconnect(bled, conn):
    await bled.call("Link1", "Disconnect", "qa{sv}", conn, {})
    return await bled.client.expect("PeripheralDisconnected", conn)


async def bond(a, b):
    """b pairs with a, which has a private address: a's identity."""
    identity = tuple(await a.get("Adapter1", "Identity"))
    await advertise(a)
    mac = await on_air(a)
    conn = (await b.call("Central1", "Connect", "ysa{sv}", *mac, {}))[0]
    await b.client.expect("PeripheralConnected", conn)
    await b.call("Pairing1", "Pair", "qa{sv}", conn, {})
    await b.client.expect("EncryptionUpdated", conn)
    for x in (a, b):
        await x.client.expect("BondAdded")
    path = PATH % conn
    assert await b.get("Connection1", "PeerAddress", path) == mac[1]
    assert await b.get("Connection1", "IdentityAddress", path) == identity[1]
    await disconnect(b, conn)
    return identity


async def a_peer_with_private_addresses_is_known_by_its_identity(air):
    async with World(controllers=3, air_args=air) as world:
        a = await daemon(world, "a", 0, addr_mode="rpa")
        b, c = await daemon(world, "b", 1), await daemon(world, "c", 2)
        anybody = await scan(c)
        identity = await bond(a, b)
        assert identity[0] == 0 and private(await a.address()), identity
        await advertise(a)
        mac = await on_air(a)

        for named in (identity, mac):
            client = await scan(b, addresses=Variant("a(ys)", [list(named)]))
            await hears(client, lambda them: them)
            assert heard(client) == [identity], (named, heard(client))
            await b.call("Observer1", "StopScan", client=client)
        found = (await b.call("Observer1", "Discover", "ua{sv}", 1000,
                              {**ALWAYS, "limit": Variant("u", 1)}))[0]
        assert tuple(found[0][:2]) == identity, found
        await hears(anybody, lambda them: mac in them)

        conn = (await b.call("Central1", "Connect", "ysa{sv}", *identity, {}))[0]
        up = await b.client.expect("PeripheralConnected", conn)
        assert tuple(up.args[1:]) == identity, up
        path = PATH % conn
        assert await b.get("Connection1", "PeerAddress", path) == mac[1]
        assert await b.get("Connection1", "PeerAddressType", path) == 1
        assert await b.get("Connection1", "IdentityAddress", path) == identity[1]
        assert await b.get("Connection1", "IdentityAddressType", path) == identity[0]
        await b.client.expect("EncryptionUpdated", conn, True)
        down = await disconnect(b, conn)
        assert tuple(down.args[1:]) == identity, down

        await b.call("Central1", "Connect", "ysa{sv}", *identity, {"auto": Variant("b", True)})
        await advertise(a)
        up = await b.client.expect("PeripheralConnected")
        assert tuple(up.args[1:]) == identity, up
        assert identity not in heard(anybody), heard(anybody)
        assert all(private(mac) for mac in heard(anybody)), heard(anybody)


async def test_a_peer_with_private_addresses_is_known_by_its_identity():
    await asyncio.gather(*map(a_peer_with_private_addresses_is_known_by_its_identity,
                              KINDS.values()))


async def addresses_change_while_advertising_and_scanning(air):
    async with World(controllers=3, air_args=air) as world:
        a = await daemon(world, "a", 0, addr_mode="rpa", rpa_timeout=1)
        b, c = await daemon(world, "b", 1), await daemon(world, "c", 2)
        identity = await bond(a, b)
        known = await scan(b, addresses=Variant("a(ys)", [list(identity)]))
        anybody = await scan(c, filter_duplicates=Variant("b", True))
        await scan(a, active=Variant("b", True))
        await advertise(a)
        await hears(anybody, lambda them: len(them) >= 4)
        await hears(known, lambda them: them)
        assert heard(known) == [identity], heard(known)
        assert all(private(mac) for mac in heard(anybody)), heard(anybody)
        # What is told is what others hear, and each one after another.
        told = [tuple(plain(s.args[1]["Mac"])) for s in a.client.signals
                if s.member == "PropertiesChanged" and "Mac" in s.args[1]]
        assert len(told) >= 2 and len(set(told)) == len(told), told
        assert len(set(told) & set(heard(anybody))) >= 2, (told, heard(anybody))


async def test_addresses_change_while_advertising_and_scanning():
    await asyncio.gather(*map(addresses_change_while_advertising_and_scanning, KINDS.values()))


async def test_a_controller_whose_list_makes_no_addresses_is_not_relied_on():
    """It takes the entries, and does not say what it has made of them."""
    async with World(control=True) as world:
        await world.air_does(f"answer-status 0 {0x202c} 2 1000000")
        a = await daemon(world, "a", 0, addr_mode="rpa", rpa_timeout=1)
        b = await daemon(world, "b", 1)
        identity = tuple(await a.get("Adapter1", "Identity"))
        anybody = await scan(b, filter_duplicates=Variant("b", True))
        await advertise(a)
        await hears(anybody, lambda them: len(them) >= 3)
        assert all(private(mac) and mac != identity for mac in heard(anybody)), heard(anybody)
        assert a.log().count("resolving list cannot be used") == 1, a.log()


async def test_addresses_that_nobody_can_resolve():
    async with World() as world:
        a = await daemon(world, "a", 0, addr_mode="nrpa")
        b = await daemon(world, "b", 1)
        identity = tuple(await a.get("Adapter1", "Identity"))
        anybody = await scan(b, filter_duplicates=Variant("b", True))
        for n in (1, 2):
            await advertise(a, connectable=Variant("b", False))
            await hears(anybody, lambda them, n=n: len(them) == n)
            assert heard(anybody)[-1] == await on_air(a, NRPA)
            await a.call("Broadcaster1", "StopAdvertising", "y", 0)
        assert all(private(mac, NRPA) and mac != identity for mac in heard(anybody)), heard(anybody)


async def network_privacy_takes_private_addresses_alone(air):
    async with World(air_args=air) as world:
        a = await daemon(world, "a", 0, addr_mode="rpa")
        b = await daemon(world, "b", 1, privacy_mode="network")
        identity = await bond(a, b)
        await a.set("Adapter1", "AddrMode", "y", 0)
        await advertise(a)
        anybody = await scan(b)
        try:
            await b.call("Central1", "Connect", "ysa{sv}", *identity,
                         {"scan_duration_ms": Variant("u", 800)})
            raise AssertionError("connected")
        except Error as e:
            assert e.name == "org.bled.Error.Timeout", e
        assert not heard(anybody), heard(anybody)
        await a.set("Adapter1", "AddrMode", "y", 2)
        await advertise(a)
        conn = (await b.call("Central1", "Connect", "ysa{sv}", *identity, {}))[0]
        assert await b.get("Connection1", "IdentityAddress", PATH % conn) == identity[1]
        assert heard(anybody) in ([], [identity])


async def test_network_privacy_takes_private_addresses_alone():
    await asyncio.gather(*map(network_privacy_takes_private_addresses_alone, KINDS.values()))


main(*[f for name, f in list(globals().items()) if name.startswith("test_")])
