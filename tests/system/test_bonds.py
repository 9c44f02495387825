#!/usr/bin/env python3
"""Bonds on the disk: they outlive ends, kills and failures of it, and belong to one controller.

Of two daemons a advertises (peripheral) and b connects (central).
"""
import asyncio
import os
import random
import re
import signal

from bledtest import World, main, plain

PAIRING = "Pairing1"


async def begin(world, tag, index, times=[0], **kw):
    """Daemon `tag`, with its state directory; again, if it has been there before."""
    times[0] += 1
    x = await world.bled(tag, ["unix:" + world.hci(index)], name=f"org.bled.{tag}{times[0]}", **kw)
    await x.activate()
    return x


async def connected(a, b):
    """b connects to a: both numbers."""
    await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {})
    conn = (await b.call("Central1", "Connect", "ysa{sv}", *await a.address(), {}))[0]
    return (await a.client.expect("CentralConnected")).args[0], conn


async def pair(a, b):
    mine, theirs = await connected(a, b)
    assert await b.call(PAIRING, "Pair", "qa{sv}", theirs, {}) == [True, False, True, 16]
    await a.client.expect("EncryptionUpdated", mine)
    return mine, theirs


async def bonds(bled):
    return {addr: {k: v.value for k, v in d.items()} | {"type": kind}
            for kind, addr, d in (await bled.call(PAIRING, "ListBonds"))[0]}


def files(world, tag):
    place = world.dir / f"{tag}.state" / "hci0" / "bonds"
    return sorted(p for p in place.glob("*-*")) if place.is_dir() else []


async def encrypts(a, b):
    """They connect, and it is encrypted with a stored key."""
    for x in (a, b):
        x.client.signals = [s for s in x.client.signals if s.member != "BondAdded"]
    mine, theirs = await connected(a, b)
    for x, conn in ((b, theirs), (a, mine)):
        up = await x.client.expect("EncryptionUpdated", conn)
        assert up.args[1:] == [True, False, True, 16], up
        assert not x.client.seen("BondAdded") and not x.client.seen("PairingFailed")
    return mine, theirs


async def test_bonds_outlive_an_end_and_a_kill_of_either():
    async with World() as world:
        a, b = await begin(world, "a", 0), await begin(world, "b", 1)
        peers = {"a": (await b.address())[1], "b": (await a.address())[1]}
        await pair(a, b)
        for how in (signal.SIGTERM, signal.SIGKILL):
            await a.stop(how)
            await b.stop(how)
            a, b = await begin(world, "a", 0), await begin(world, "b", 1)
            for x in (a, b):
                assert list(await bonds(x)) == [peers[x.tag]], (how, x.tag)
            await encrypts(a, b)
        await b.stop(signal.SIGKILL)
        await a.client.expect("CentralDisconnected")
        b = await begin(world, "b", 1)
        await encrypts(a, b)


async def test_files_are_as_documented_and_their_keys_are_in_no_log():
    async with World() as world:
        a, b = await begin(world, "a", 0), await begin(world, "b", 1)
        await pair(a, b)
        for x, peer in ((a, b), (b, a)):
            place = world.dir / f"{x.tag}.state" / "hci0" / "bonds"
            assert place.stat().st_mode & 0o7777 == 0o700
            assert sorted(p.name for p in place.iterdir()) == [
                "controller", "public-" + (await peer.address())[1]]
            for p in place.iterdir():
                assert p.stat().st_mode & 0o7777 == 0o600, p
            text = files(world, x.tag)[0].read_text()
            assert text.startswith("bled bond 1\nidentity public "), text
            assert re.search(r"\nsecure-connections yes\n", text)
            keys = re.findall(r"\b[0-9a-f]{32}\b", text)
            keys = [k for k in keys if k != "0" * 32]
            assert keys, text
            for y in (a, b):
                for key in keys:
                    turned = bytes.fromhex(key)[::-1].hex()
                    assert key not in y.log().lower() and turned not in y.log().lower()


async def test_a_deleted_bond_does_not_come_back():
    async with World() as world:
        a, b = await begin(world, "a", 0), await begin(world, "b", 1)
        await pair(a, b)
        await b.call(PAIRING, "DeleteBond", "ys", *await a.address())
        assert files(world, "b") == [] and len(files(world, "a")) == 1
        await b.stop(signal.SIGKILL)
        b = await begin(world, "b", 1)
        assert await bonds(b) == {}
        await b.call("Adapter1", "SetActive", "ba{sv}", False, {})
        assert await bonds(b) == {}


async def test_bonds_can_be_deleted_while_inactive():
    async with World() as world:
        a, b = await begin(world, "a", 0), await begin(world, "b", 1)
        await pair(a, b)
        peer = await a.address()
        await b.call("Adapter1", "SetActive", "ba{sv}", False, {})
        assert list(await bonds(b)) == [peer[1]]
        await b.call(PAIRING, "DeleteBond", "ys", *peer)
        assert await bonds(b) == {} and files(world, "b") == []
        await b.activate()
        assert await bonds(b) == {}


async def test_subscriptions_of_a_bonded_client_outlive_an_end_and_a_kill():
    async def serve(a):
        body = await a.call("GattServer1", "RegisterServices", "a(sa(sua(su)))a{sv}",
                            [["180f", [["2a19", 0x12, []]]]], {})
        return body[0][0][0]

    async with World() as world:
        a, b = await begin(world, "a", 0), await begin(world, "b", 1)
        handle = await serve(a)
        mine, theirs = await pair(a, b)
        await b.call("GattClient1", "Subscribe", "qqya{sv}", theirs, handle, 1, {})
        await a.client.expect("Subscribed", mine, handle, 1)
        for how in (signal.SIGTERM, signal.SIGKILL):
            await a.stop(how)
            assert "\ncccds 1\n" in files(world, "a")[0].read_text()
            await b.client.expect("PeripheralDisconnected")
            a = await begin(world, "a", 0)
            assert await serve(a) == handle
            mine, theirs = await encrypts(a, b)
            await a.client.expect("Subscribed", mine, handle, 1)


async def test_a_subscription_that_was_confirmed_outlives_a_kill_right_then():
    async with World() as world:
        a, b = await begin(world, "a", 0), await begin(world, "b", 1)
        body = await a.call("GattServer1", "RegisterServices", "a(sa(sua(su)))a{sv}",
                            [["180f", [["2a19", 0x12, []]]]], {})
        handle = body[0][0][0]
        mine, theirs = await pair(a, b)
        subscribed = asyncio.ensure_future(
            b.call("GattClient1", "Subscribe", "qqya{sv}", theirs, handle, 1, {}))
        await a.client.expect("Subscribed", mine, handle, 1)
        await a.stop(signal.SIGKILL)
        assert "\ncccds 1\n" in files(world, "a")[0].read_text()
        subscribed.cancel()


async def test_bonded_peers_are_known_while_they_are_connected():
    """Connection1 says who it is from the beginning, and that it is not bonded any more when its bond goes."""
    async with World() as world:
        a, b = await begin(world, "a", 0), await begin(world, "b", 1)
        peer = await b.address()

        async def shown(conn):
            path = f"/org/bled/hci0/conn{conn:04x}"
            return [await a.get("Connection1", name, path)
                    for name in ("IdentityAddress", "IdentityAddressType", "Bonded")]

        mine, theirs = await connected(a, b)
        assert await shown(mine) == ["", 0, False]
        await b.call("Link1", "Disconnect", "qa{sv}", theirs, {})
        await a.client.expect("CentralDisconnected")
        _, theirs = await pair(a, b)
        await b.call("Link1", "Disconnect", "qa{sv}", theirs, {})
        await a.client.expect("CentralDisconnected")
        mine, _ = await encrypts(a, b)
        assert await shown(mine) == [peer[1], peer[0], True]
        await a.call(PAIRING, "ProvideSecrets", "a{sv}", {})  # its own store serves no more
        await a.client.expect("PropertiesChanged", where=lambda s: plain(s.args[1]) == {"Bonded": False})
        assert await shown(mine) == [peer[1], peer[0], False]


async def test_another_controller_with_the_same_state_gets_no_keys():
    async with World(controllers=3) as world:
        a, b = await begin(world, "a", 0), await begin(world, "b", 1)
        peer = (await a.address())[1]
        await pair(a, b)
        await b.stop()
        other = await begin(world, "b", 2)
        assert await bonds(other) == {}
        await pair(a, other)
        assert len(await bonds(a)) == 2
        await other.logged("bonds-any-controller")
        await other.stop()
        b = await begin(world, "b", 1)
        assert list(await bonds(b)) == [peer]
        await encrypts(a, b)
        await b.stop()
        config = world.dir / "any.conf"
        config.write_text("[adapter]\nbonds-any-controller = yes\n")
        other = await begin(world, "b", 2, args=[f"--config={config}"])
        assert list(await bonds(other)) == [peer]
        await other.logged("bonds-any-controller = yes")


async def test_a_disk_that_cannot_be_written_is_told_and_nothing_else_breaks():
    async with World() as world:
        a, b = await begin(world, "a", 0), await begin(world, "b", 1)
        place = world.dir / "b.state" / "hci0" / "bonds"
        place.write_text("somebody else's")
        await pair(a, b)
        assert list(await bonds(b)) == [(await a.address())[1]]
        await b.logged("cannot be stored")
        assert place.read_text() == "somebody else's"
        place.unlink()
        await b.stop()
        b = await begin(world, "b", 1)
        assert list(await bonds(b)) == [(await a.address())[1]], "written at the end"


async def test_torn_and_foreign_files_are_set_aside_and_told():
    async with World() as world:
        a, b = await begin(world, "a", 0), await begin(world, "b", 1)
        await pair(a, b)
        await b.stop()
        good = files(world, "b")[0]
        text = good.read_text()
        copy = good.with_name("random-C0:00:00:00:00:01")
        copy.write_text(text)
        torn = good.with_name("public-00:00:00:00:00:02")
        torn.write_text(text[:200])
        os.symlink("/dev/zero", good.with_name("public-00:00:00:00:00:03"))
        os.mkfifo(good.with_name("public-00:00:00:00:00:04"))
        b = await begin(world, "b", 1)
        assert list(await bonds(b)) == [(await a.address())[1]]
        assert files(world, "b")[0].parent.joinpath(copy.name + ".aside1").read_text() == text
        for name in (copy.name, torn.name, "public-00:00:00:00:00:03", "public-00:00:00:00:00:04"):
            await b.logged(name)
        await encrypts(a, b)


async def test_kills_at_any_moment_of_pairing_leave_bonds_that_load():
    """Both are killed somewhere between the request and what follows the reply.

    The pause before the kill is the one place where time decides, on purpose: no event marks the instants between
    events, and whatever instant it hits has to pass. The dice are loaded alike in each run; a slow machine moves the
    kills, and changes nothing of what is asserted. Kills at each system call of the store are in the unit test.
    """
    dice = random.Random(4)
    async with World(air_args=["--pace=none"]) as world:
        whole = 0
        for turn in range(12):
            a, b = await begin(world, "a", 0), await begin(world, "b", 1)
            for x in (a, b):
                assert "aside" not in x.log() and "cannot" not in x.log()
                for name in await bonds(x):
                    await x.call(PAIRING, "DeleteBond", "ys", 0, name)
            mine, theirs = await connected(a, b)
            call = asyncio.ensure_future(b.call(PAIRING, "Pair", "qa{sv}", theirs, {}))
            await asyncio.sleep(dice.uniform(0, 0.03) if turn % 3 else 0.1)
            await asyncio.gather(a.stop(signal.SIGKILL), b.stop(signal.SIGKILL))
            call.cancel()
            stored = {x.tag: [p for p in files(world, x.tag) if ".tmp" not in p.name]
                      for x in (a, b)}
            whole += sum(len(v) for v in stored.values())
            a, b = await begin(world, "a", 0), await begin(world, "b", 1)
            for x in (a, b):
                assert len(await bonds(x)) == len(stored[x.tag]), (turn, x.tag, stored)
                await x.stop()
        assert whole > 0, "no kill came after a bond"


main(test_bonds_outlive_an_end_and_a_kill_of_either,
     test_files_are_as_documented_and_their_keys_are_in_no_log,
     test_a_deleted_bond_does_not_come_back,
     test_bonds_can_be_deleted_while_inactive,
     test_subscriptions_of_a_bonded_client_outlive_an_end_and_a_kill,
     test_a_subscription_that_was_confirmed_outlives_a_kill_right_then,
     test_bonded_peers_are_known_while_they_are_connected,
     test_another_controller_with_the_same_state_gets_no_keys,
     test_a_disk_that_cannot_be_written_is_told_and_nothing_else_breaks,
     test_torn_and_foreign_files_are_set_aside_and_told,
     test_kills_at_any_moment_of_pairing_leave_bonds_that_load)
