#!/usr/bin/env python3
"""Pairing1 between two daemons: every method, option, signal and error; people who are asked, who
answer, and who are killed in the middle; bonds, out-of-band data, and a client that keeps secrets.

Of two daemons a advertises (peripheral) and b connects (central).
"""
import asyncio
import os
import subprocess

from bledtest import DEADLINE, Error, Variant, World, main

PATH = "/org/bled/hci0/conn0001"
INPUT, DISPLAY, COMPARE = 2, 3, 4
DISPLAY_ONLY, DISPLAY_YES_NO, KEYBOARD_ONLY, NONE, KEYBOARD_DISPLAY = range(5)


def options(**values):
    types = {"passkey": "u", "io": "y", "security": "y", "tk": "ay", "r": "ay", "c": "ay"}
    return {k: Variant(types.get(k, "b"), v) for k, v in values.items()}


async def two(world, a_io=NONE, b_io=NONE, **kw):
    a = await world.bled("a", ["unix:" + world.hci(0)], **kw)
    b = await world.bled("b", ["unix:" + world.hci(1)], **kw)
    for x, io in ((a, a_io), (b, b_io)):
        await x.activate()
        await x.set("Adapter1", "Io", "y", io)
        await x.set("Adapter1", "Mitm", "b", io != NONE)
    return a, b


async def connected(a, b, client=None, advertiser=None):
    """b connects to a: both numbers."""
    await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {}, client=advertiser)
    conn = (await b.call("Central1", "Connect", "ysa{sv}", *await a.address(), {}, client=client))[0]
    up = await (advertiser or a.client).expect("CentralConnected")
    return up.args[0], conn


async def pair(bled, conn, client=None, **values):
    return await bled.call("Pairing1", "Pair", "qa{sv}", conn, options(**values), client=client)


async def answer(bled, conn, action, number, client=None):
    await bled.call("Pairing1", "Passkey", "qyu", conn, action, number, client=client)


async def refused(name, call):
    try:
        result = await call
    except Error as e:
        assert e.name.removeprefix("org.bled.Error.") == name, (name, e)
        return e
    raise AssertionError(f"no {name}, but {result}")


async def bonds(bled):
    return {addr: {k: v.value for k, v in d.items()} | {"type": kind}
            for kind, addr, d in (await bled.call("Pairing1", "ListBonds"))[0]}


async def attached(bled):
    client = await bled.new_client()
    await bled.call("Adapter1", "Attach", "a{sv}", {}, client=client)
    return client


async def test_just_works_is_told_shown_and_kept():
    async with World() as world:
        a, b = await two(world)
        mine, theirs = await connected(a, b)
        assert await b.get("Connection1", "Encrypted", PATH) is False
        assert await pair(b, theirs) == [True, False, True, 16]
        seen = [s.member for s in b.client.signals if s.interface == "org.bled.Pairing1"]
        assert seen == ["BondAdded", "EncryptionUpdated"], seen
        up = await b.client.expect("EncryptionUpdated")
        assert up.args == [theirs, True, False, True, 16], up
        up = await a.client.expect("EncryptionUpdated")
        assert up.args == [mine, True, False, True, 16], up
        for x in (a, b):
            shown = [await x.get("Connection1", p, PATH)
                     for p in ("Encrypted", "Authenticated", "Bonded", "KeySize")]
            assert shown == [True, False, True, 16], shown
        changed = await b.client.expect("PropertiesChanged", "org.bled.Connection1",
                                        where=lambda s: "Encrypted" in s.args[1])
        assert changed.args[1]["KeySize"].value == 16, changed


if __name__ == "__main__":
    main(*[f for n, f in list(globals().items()) if n.startswith("test_")])
