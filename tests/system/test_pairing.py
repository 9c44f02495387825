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


async def bonded(a, b, mine, theirs):
    """Just Works, and both have stored it: who sends the last key is done first."""
    await pair(b, theirs)
    for x, conn in ((a, mine), (b, theirs)):
        await x.client.expect("EncryptionUpdated", conn)


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


async def test_pair_again_changes_nothing_and_reconnecting_uses_the_key():
    async with World() as world:
        a, b = await two(world)
        mine, theirs = await connected(a, b)
        await pair(b, theirs)
        b.client.signals.clear()
        assert await pair(b, theirs) == [True, False, True, 16]
        assert not b.client.seen("EncryptionUpdated") and not b.client.seen("BondAdded")
        await b.call("Link1", "Disconnect", "qa{sv}", theirs, {})
        mine, theirs = await connected(a, b)
        up = await b.client.expect("EncryptionUpdated", theirs)
        assert up.args == [theirs, True, False, True, 16], up
        assert not b.client.seen("BondAdded")


async def test_peripheral_asks_and_hears_the_outcome():
    async with World() as world:
        a, b = await two(world)
        mine, theirs = await connected(a, b)
        assert await pair(a, mine) == [True, False, True, 16]
        await b.client.expect("EncryptionUpdated", theirs, True)


async def test_numeric_comparison_is_asked_of_both_and_either_may_refuse():
    async with World() as world:
        a, b = await two(world, DISPLAY_YES_NO, DISPLAY_YES_NO)
        at = await attached(a)
        await a.call("Pairing1", "Attend", "a{sv}", {}, client=at)
        mine, theirs = await connected(a, b)
        for n, (left, right) in enumerate(((1, 1), (0, 1), (1, 0))):
            call = asyncio.ensure_future(pair(b, theirs))
            here = await b.client.expect("PasskeyAction", theirs, COMPARE)
            there = await at.expect("PasskeyAction", mine, COMPARE)
            assert here.args[2] == there.args[2] < 1000000, (here, there)
            assert here.destination == b.client.name and there.destination == at.name
            assert not a.client.seen("PasskeyAction"), "passkeys are never broadcast"
            await answer(a, mine, COMPARE, right, client=at)
            await answer(b, theirs, COMPARE, left)
            if left and right:
                assert await call == [True, True, True, 16]
                await a.client.expect("EncryptionUpdated", mine)
                assert (await bonds(b))[(await a.address())[1]]["authenticated"] is True
                await b.call("Pairing1", "DeleteBond", "ys", *await a.address())
                await a.call("Pairing1", "DeleteBond", "ys", *await b.address())
                await b.client.expect("PeripheralDisconnected")
                mine, theirs = await connected(a, b)
            else:
                await refused("Smp.NumericComparisonFailed", call)
                await b.client.expect("PairingFailed", theirs, 0x20c)
                await a.client.expect("PairingFailed", mine, 0x20c)


async def test_passkey_shown_by_the_peripheral_and_entered_by_the_central():
    async with World() as world:
        a, b = await two(world, DISPLAY_ONLY, KEYBOARD_ONLY)
        at = await attached(a)
        mine, theirs = await connected(a, b, advertiser=at)  # the owner is asked
        call = asyncio.ensure_future(pair(b, theirs))
        shown = await at.expect("PasskeyAction", mine, DISPLAY)
        assert shown.args[2] == 0, shown  # the application draws
        await answer(a, mine, DISPLAY, 123456, client=at)
        await b.client.expect("PasskeyAction", theirs, INPUT, 0)
        await answer(b, theirs, INPUT, 123456)
        assert await call == [True, True, True, 16]


async def test_keys_pressed_are_told_to_who_shows_the_number():
    async with World() as world:
        a, b = await two(world, DISPLAY_ONLY, KEYBOARD_ONLY)
        at, other = await attached(a), await attached(b)
        mine, theirs = await connected(a, b, advertiser=at)
        call = asyncio.ensure_future(pair(b, theirs))
        await at.expect("PasskeyAction", mine, DISPLAY)
        await answer(a, mine, DISPLAY, 7, client=at)
        await b.client.expect("PasskeyAction", theirs, INPUT)
        press = lambda n, **kw: b.call("Pairing1", "Keypress", "qy", theirs, n, **kw)  # noqa: E731
        await refused("org.freedesktop.DBus.Error.InvalidArgs", press(5))
        await press(1)
        await press(2)
        await answer(b, theirs, INPUT, 7)
        assert await call == [True, True, True, 16]
        await at.expect("EncryptionUpdated", mine)
        told = [s.args for s in at.seen("KeypressReceived")]
        assert [n for _, n in told] == [0, 1, 2, 4], told
        assert not a.client.seen("KeypressReceived")
        await refused("NotFound", press(1))


async def test_pairings_on_several_connections_at_once():
    async with World(controllers=4) as world:
        b = await world.bled("b", ["unix:" + world.hci(0)])
        await b.activate()
        others, conns = [], []
        for n in range(1, 4):
            x = await world.bled(f"x{n}", ["unix:" + world.hci(n)])
            await x.activate()
            await x.set("Adapter1", "Io", "y", DISPLAY_ONLY)
            conns.append(await connected(x, b))
            await x.call("Pairing1", "Attend", "a{sv}", {})
            others.append(x)
        calls = [asyncio.ensure_future(pair(b, theirs, io=KEYBOARD_ONLY, mitm=True))
                 for _, theirs in conns]
        for n, (x, (mine, _)) in enumerate(zip(others, conns)):
            await x.client.expect("PasskeyAction", mine, DISPLAY)
            await answer(x, mine, DISPLAY, 1000 + n)
        for n in (2, 0, 1):
            await b.client.expect("PasskeyAction", conns[n][1], INPUT)
            await answer(b, conns[n][1], INPUT, 1000 + n)
        assert [await c for c in calls] == [[True, True, True, 16]] * 3
        assert len(await bonds(b)) == 3


async def test_identity_is_told_and_used_from_then_on():
    async with World() as world:
        a, b = await two(world)
        identity = await a.get("Adapter1", "Identity")
        await a.set("Adapter1", "AddrMode", "y", 2)
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {})
        found = (await b.call("Observer1", "Discover", "ua{sv}", 3000, {"limit": Variant("u", 1)}))[0]
        kind, private = found[0][:2]
        assert kind == 1 and [kind, private] != identity, found
        theirs = (await b.call("Central1", "Connect", "ysa{sv}", kind, private, {}))[0]
        assert await b.get("Connection1", "IdentityAddress", PATH) == ""
        assert await pair(b, theirs) == [True, False, True, 16]
        added = await b.client.expect("BondAdded")
        assert added.args == identity, (added, identity)
        changed = await b.client.expect("PropertiesChanged", "org.bled.Connection1",
                                        where=lambda s: "IdentityAddress" in s.args[1])
        assert changed.args[1]["IdentityAddress"].value == identity[1], changed
        assert await b.get("Connection1", "PeerAddress", PATH) == private
        assert await b.get("Connection1", "IdentityAddressType", PATH) == identity[0]
        entry = (await bonds(b))[identity[1]]
        assert entry["resolvable"] is True and entry["conn"] == theirs, entry
        await b.call("Link1", "Disconnect", "qa{sv}", theirs, {})
        down = await b.client.expect("PeripheralDisconnected", theirs)
        assert down.args[1:] == identity, down
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {})
        again = (await b.call("Central1", "Connect", "ysa{sv}", *identity, {}))[0]
        up = await b.client.expect("EncryptionUpdated", again)
        assert up.args[3] is True, up


async def test_wrong_passkey_fails_by_its_name_and_leaves_no_bond():
    async with World() as world:
        a, b = await two(world, DISPLAY_ONLY, KEYBOARD_ONLY)
        at = await attached(a)
        mine, theirs = await connected(a, b, advertiser=at)
        call = asyncio.ensure_future(pair(b, theirs))
        await at.expect("PasskeyAction", mine, DISPLAY)
        await answer(a, mine, DISPLAY, 0, client=at)
        await b.client.expect("PasskeyAction", theirs, INPUT)
        await answer(b, theirs, INPUT, 999999)
        await refused("Smp.ConfirmValueFailed", call)
        await b.client.expect("PairingFailed", theirs, 0x204)
        await at.expect("PairingFailed", mine, 0x204)
        assert not b.client.seen("EncryptionUpdated")
        assert await bonds(a) == await bonds(b) == {}


async def test_both_enter_what_a_third_has_drawn():
    async with World() as world:
        a, b = await two(world, KEYBOARD_ONLY, KEYBOARD_ONLY)
        at = await attached(a)
        mine, theirs = await connected(a, b, advertiser=at)
        call = asyncio.ensure_future(pair(b, theirs, passkey=42))
        await at.expect("PasskeyAction", mine, INPUT, 0)
        await answer(a, mine, INPUT, 42, client=at)
        assert await call == [True, True, True, 16]
        assert not b.client.seen("PasskeyAction"), "the option answers"


async def test_attendant_has_numbers_drawn():
    async with World() as world:
        a, b = await two(world, DISPLAY_ONLY, KEYBOARD_ONLY)
        at = await a.new_client()
        await a.call("Pairing1", "Attend", "a{sv}", options(draw=True), client=at)
        mine, theirs = await connected(a, b)
        call = asyncio.ensure_future(pair(b, theirs))
        number = (await at.expect("PasskeyAction", mine, DISPLAY)).args[2]
        await refused("NotFound", answer(a, mine, DISPLAY, number, client=at))
        await b.client.expect("PasskeyAction", theirs, INPUT)
        await answer(b, theirs, INPUT, number)
        assert await call == [True, True, True, 16]


async def test_nobody_to_ask_fails_at_once():
    async with World() as world:
        a, b = await two(world, DISPLAY_ONLY, KEYBOARD_ONLY)
        mine, theirs = await connected(a, b)
        started = asyncio.get_running_loop().time()
        e = await refused("Smp.PasskeyEntryFailed", pair(b, theirs, passkey=1))
        assert asyncio.get_running_loop().time() - started < 5, e
        await a.client.expect("PairingFailed", mine, 0x201)
        assert not a.client.seen("PasskeyAction")


async def test_who_was_not_asked_may_not_answer():
    async with World() as world:
        a, b = await two(world, DISPLAY_ONLY, KEYBOARD_ONLY)
        at, other = await attached(a), await attached(a)
        mine, theirs = await connected(a, b, advertiser=at)
        await refused("NotFound", answer(a, mine, DISPLAY, 1, client=at))
        await refused("NotConnected", answer(a, 99, DISPLAY, 1, client=at))
        call = asyncio.ensure_future(pair(b, theirs, passkey=7))
        await at.expect("PasskeyAction", mine, DISPLAY)
        for client in (other, a.client):
            await refused("org.freedesktop.DBus.Error.AccessDenied",
                          answer(a, mine, DISPLAY, 7, client=client))
        assert not other.seen("PasskeyAction") and not a.client.seen("PasskeyAction")
        await refused("NotFound", answer(a, mine, INPUT, 7, client=at))
        for action, number in ((1, 0), (9, 0), (DISPLAY, 1000000), (COMPARE, 2)):
            await refused("org.freedesktop.DBus.Error.InvalidArgs",
                          answer(a, mine, action, number, client=at))
        await answer(a, mine, DISPLAY, 7, client=at)
        assert await call == [True, True, True, 16]


async def test_a_second_pair_is_busy():
    async with World() as world:
        a, b = await two(world, DISPLAY_ONLY, KEYBOARD_ONLY)
        at = await attached(a)
        mine, theirs = await connected(a, b, advertiser=at)
        call = asyncio.ensure_future(pair(b, theirs, passkey=7))
        await at.expect("PasskeyAction", mine, DISPLAY)
        await refused("Busy", pair(b, theirs))
        await refused("NotConnected", pair(b, 77))
        await answer(a, mine, DISPLAY, 7, client=at)
        await call


async def test_client_killed_in_the_middle_of_a_prompt():
    async with World() as world:
        a, b = await two(world, DISPLAY_ONLY, KEYBOARD_ONLY)
        at = await attached(a)
        mine, theirs = await connected(a, b, advertiser=at)
        victim = await world.victim(
            b, ["Pairing1", "Pair", "qa{sv}", [theirs, {}], False])
        await at.expect("PasskeyAction", mine, DISPLAY)
        await answer(a, mine, DISPLAY, 7, client=at)
        await b.logged(f"pairing asks {victim['name']} for input")
        await world.kill(victim, b.client)
        failed = await at.expect("PairingFailed", mine)
        assert failed.args[1] == 0x201, failed
        await b.client.expect("PairingFailed", theirs, 0x201)
        await refused("NotFound", answer(b, theirs, INPUT, 7))
        # and both go on as if it had never been
        call = asyncio.ensure_future(pair(b, theirs, passkey=8))
        await at.expect("PasskeyAction", mine, DISPLAY)
        await answer(a, mine, DISPLAY, 8, client=at)
        assert await call == [True, True, True, 16]


async def test_attached_owner_killed_in_the_middle_of_a_prompt():
    async with World() as world:
        a, b = await two(world, DISPLAY_ONLY, KEYBOARD_ONLY)
        target = await a.address()
        victim = await world.victim(
            a, ["Adapter1", "Attach", "a{sv}", [{}], True],
            ["Broadcaster1", "Advertise", "ua{sv}", [30000, {}], True])
        theirs = (await b.call("Central1", "Connect", "ysa{sv}", *target, {}))[0]
        call = asyncio.ensure_future(pair(b, theirs, passkey=7))
        await a.logged(f"pairing asks {victim['name']} ")
        await world.kill(victim, a.client)
        e = await refused("Smp.PasskeyEntryFailed", call)
        assert "onnection" in e.text, e


async def test_wait_false_has_the_outcome_in_signals():
    async with World() as world:
        a, b = await two(world)
        mine, theirs = await connected(a, b)
        assert await pair(b, theirs, wait=False) == [False, False, False, 0]
        up = await b.client.expect("EncryptionUpdated", theirs)
        assert up.args[1:] == [True, False, True, 16], up


async def test_options_of_pair_override_the_properties():
    async with World() as world:
        a, b = await two(world)
        mine, theirs = await connected(a, b)
        for key, value in (("io", 5), ("security", 1), ("security", 5), ("passkey", 1000000)):
            await refused("org.freedesktop.DBus.Error.InvalidArgs", pair(b, theirs, **{key: value}))
        await refused("org.freedesktop.DBus.Error.InvalidArgs",
                      b.call("Pairing1", "Pair", "qa{sv}", theirs, {"x": Variant("b", True)}))
        await refused("Smp.AuthenticationRequirements", pair(b, theirs, security=3))
        assert await pair(b, theirs, bond=False, security=2) == [True, False, False, 16]
        assert await bonds(b) == {} and not b.client.seen("BondAdded")
        assert await b.get("Connection1", "Bonded", PATH) is False


async def test_bond_false_and_not_pairable_are_properties():
    async with World() as world:
        a, b = await two(world)
        await b.set("Adapter1", "Bond", "b", False)
        mine, theirs = await connected(a, b)
        await a.set("Adapter1", "Pairable", "b", False)
        await refused("Smp.PairingNotSupported", pair(b, theirs))
        a.client.signals.clear()
        await a.set("Adapter1", "PairableTimeout", "u", 1)
        await a.set("Adapter1", "Pairable", "b", True)
        assert await pair(b, theirs) == [True, False, False, 16]
        await a.client.expect("PropertiesChanged", "org.bled.Adapter1",
                              where=lambda s: s.args[1].get("Pairable") == Variant("b", False))
        assert await a.get("Adapter1", "Pairable") is False
        await b.call("Link1", "Disconnect", "qa{sv}", theirs, {})
        mine, theirs = await connected(a, b)
        await refused("Smp.PairingNotSupported", pair(b, theirs))


async def test_bonds_are_listed_deleted_and_told():
    async with World() as world:
        a, b = await two(world)
        mine, theirs = await connected(a, b)
        await pair(b, theirs)
        kind, addr = await a.address()
        added = await b.client.expect("BondAdded")
        assert added.args == [kind, addr], added
        assert added.destination is None, "broadcast"
        entry = (await bonds(b))[addr]
        assert entry["type"] == kind and entry["key_size"] == 16, entry
        assert entry["secure_connections"] is True and entry["authenticated"] is False, entry
        assert entry["last_seen"] > 1700000000 and entry["conn"] == theirs, entry
        await refused("NotFound", b.call("Pairing1", "DeleteBond", "ys", 1, "C0:00:00:00:00:01"))
        await refused("org.freedesktop.DBus.Error.InvalidArgs",
                      b.call("Pairing1", "DeleteBond", "ys", 1, "C0"))
        await b.call("Pairing1", "DeleteBond", "ys", kind, addr)
        assert b.client.seen("BondRemoved"), "told before the reply"
        await b.client.expect("PeripheralDisconnected", theirs)
        assert await bonds(b) == {}
        # a has its key still, and does not silently pair anew with who says to have lost it
        await a.client.expect("CentralDisconnected")
        mine, theirs = await connected(a, b)
        await refused("Smp.PairingNotSupported", pair(b, theirs))
        await a.call("Pairing1", "DeleteBond", "ys", *await b.address())
        await b.client.expect("PeripheralDisconnected", theirs)
        mine, theirs = await connected(a, b)
        assert await pair(b, theirs) == [True, False, True, 16]


async def test_bonds_while_inactive():
    async with World() as world:
        a, b = await two(world)
        mine, theirs = await connected(a, b)
        await pair(b, theirs)
        kind, addr = await a.address()
        await b.call("Adapter1", "SetActive", "ba{sv}", False, {})
        assert list(await bonds(b)) == [addr]
        await refused("NotActive", pair(b, theirs))
        await refused("NotActive", b.call("Pairing1", "SetOob", "ysa{sv}", kind, addr, {}))
        await refused("NotActive", b.call("Pairing1", "GetOob", "a{sv}", {}))
        await b.call("Pairing1", "DeleteBond", "ys", kind, addr)
        assert await bonds(b) == {}


async def test_peer_that_lost_its_key_is_reported_and_its_bond_kept():
    async with World() as world:
        a, b = await two(world)
        mine, theirs = await connected(a, b)
        await bonded(a, b, mine, theirs)
        await a.call("Pairing1", "DeleteBond", "ys", *await b.address())
        await b.client.expect("PeripheralDisconnected", theirs)
        b.client.signals.clear()
        mine, theirs = await connected(a, b)
        await b.client.expect("PairingFailed", theirs, 0x106)
        assert list(await bonds(b)) == [(await a.address())[1]]
        assert not b.client.seen("EncryptionUpdated") and not b.client.seen("BondRemoved")
        await refused("Hci.PinOrKeyMissing", pair(b, theirs))


async def test_disconnection_in_the_middle():
    async with World() as world:
        a, b = await two(world, DISPLAY_ONLY, KEYBOARD_ONLY)
        at = await attached(a)
        mine, theirs = await connected(a, b, advertiser=at)
        call = asyncio.ensure_future(pair(b, theirs, passkey=7))
        await at.expect("PasskeyAction", mine, DISPLAY)
        at.signals.clear()
        await a.call("Link1", "Disconnect", "qa{sv}", mine, {}, client=at)
        e = await refused("Disconnected", call)
        order = [s.member for s in at.signals if s.member in
                 ("PairingFailed", "Disconnected", "CentralDisconnected")]
        assert order == ["PairingFailed", "Disconnected", "CentralDisconnected"], order
        failed = await b.client.expect("PairingFailed", theirs)
        assert failed.args[1] == 0x113, (failed, e)


async def test_adapter_made_inactive_in_the_middle():
    async with World() as world:
        a, b = await two(world, DISPLAY_ONLY, KEYBOARD_ONLY)
        at = await attached(a)
        mine, theirs = await connected(a, b, advertiser=at)
        call = asyncio.ensure_future(pair(b, theirs))
        await at.expect("PasskeyAction", mine, DISPLAY)
        await answer(a, mine, DISPLAY, 7, client=at)
        await b.client.expect("PasskeyAction", theirs, INPUT)
        b.client.signals.clear()
        await b.call("Adapter1", "SetActive", "ba{sv}", False, {})
        await refused("Disconnected", call)
        order = [s.member for s in b.client.signals if s.member in
                 ("PairingFailed", "Disconnected", "PeripheralDisconnected")]
        assert order == ["PairingFailed", "Disconnected", "PeripheralDisconnected"], order
        await refused("NotActive", answer(b, theirs, INPUT, 7))
        await at.expect("PairingFailed", mine)
        await b.call("Adapter1", "SetActive", "ba{sv}", True, {})
        mine, theirs = await connected(a, b, advertiser=at)
        call = asyncio.ensure_future(pair(b, theirs, passkey=7))
        await at.expect("PasskeyAction", mine, DISPLAY)
        await answer(a, mine, DISPLAY, 7, client=at)
        assert await call == [True, True, True, 16]


async def test_controller_that_dies_in_the_middle():
    async with World(control=True) as world:
        a, b = await two(world, DISPLAY_ONLY, KEYBOARD_ONLY)
        at = await attached(a)
        mine, theirs = await connected(a, b, advertiser=at)
        call = asyncio.ensure_future(pair(b, theirs))
        await at.expect("PasskeyAction", mine, DISPLAY)
        await world.air_does("unplug 1")
        try:
            await call
            raise AssertionError("paired by a dead controller")
        except Error as e:
            assert e.name in ("org.bled.Error.Disconnected", "org.bled.Error.NotActive"), e
        await b.client.expect("PairingFailed", theirs)
        await b.client.expect("Failed")
        assert await bonds(b) == {}
        await at.expect("PairingFailed", mine)
        await at.expect("CentralDisconnected", mine)
        await refused("NotConnected", answer(a, mine, DISPLAY, 7, client=at))


async def test_out_of_band_both_ways():
    async with World() as world:
        a, b = await two(world)
        mine, theirs = await connected(a, b)
        told = {x: (await x.call("Pairing1", "GetOob", "a{sv}", {}))[0] for x in (a, b)}
        for x, of in ((a, b), (b, a)):
            d = told[of]
            assert (d["addr_type"].value, d["addr"].value) == await of.address()
            assert len(d["r"].value) == len(d["c"].value) == 16 and d["r"] != d["c"]
            await x.call("Pairing1", "SetOob", "ysa{sv}", *await of.address(),
                         {"r": d["r"], "c": d["c"]})
        assert await pair(b, theirs, security=4) == [True, True, True, 16]


async def test_out_of_band_arguments():
    async with World() as world:
        a, b = await two(world)
        peer = await a.address()
        good = bytes(range(16))
        for values in ({"tk": good[1:]}, {"r": good}, {"c": good}, {"r": good, "c": good + good}):
            await refused("org.freedesktop.DBus.Error.InvalidArgs",
                          b.call("Pairing1", "SetOob", "ysa{sv}", *peer, options(**values)))
        await b.call("Pairing1", "SetOob", "ysa{sv}", *peer, options(tk=good))
        await b.call("Pairing1", "SetOob", "ysa{sv}", *peer, {})
        for n in range(16):
            await b.call("Pairing1", "SetOob", "ysa{sv}", 1, f"C0:00:00:00:00:{n:02X}",
                         options(tk=good))
        await refused("NoResources", b.call("Pairing1", "SetOob", "ysa{sv}", *peer, options(tk=good)))


def on_disk(world, bled):
    """Files that hold a bond: those that were not there before there was one."""
    return sorted(p.name for p in (world.dir / f"{bled.tag}.state").rglob("*")
                  if p.is_file() and "bond" in str(p.parent.name) and p.name != "controller")


class Provider:
    """A store of secrets in a dictionary, as an application would have it."""

    def __init__(self, bled, client, store=None):
        self.bled, self.client, self.store = bled, client, store if store is not None else {}
        self.task, self.stored = None, asyncio.Event()

    async def start(self):
        await self.bled.call("Pairing1", "ProvideSecrets", "a{sv}", {}, client=self.client)
        self.task = asyncio.ensure_future(self.serve())
        return self

    async def until(self, count):
        while len(self.store) != count:
            self.stored.clear()
            await asyncio.wait_for(self.stored.wait(), DEADLINE)

    async def serve(self):
        while True:
            for s in [s for s in self.client.signals if s.member.startswith("Secret")]:
                self.client.signals.remove(s)
                await self.one(s)
            self.client.news.clear()
            await self.client.news.wait()

    async def one(self, s):
        assert s.destination == self.client.name, s
        if s.member == "SecretRequested":
            number, kind, index, has_key, key = s.args
            found = [v for (k, _), v in sorted(self.store.items()) if k == kind]
            ok, value = index < len(found), found[index] if index < len(found) else b""
        else:
            number, kind, key, has_value, value = s.args
            if has_value:
                self.store[kind, bytes(key)] = bytes(value)
            else:
                self.store.pop((kind, bytes(key)), None)
            ok, value = True, b""
        await self.bled.call("Pairing1", "Reply", "ubay", number, ok, value, client=self.client)
        self.stored.set()


async def test_provider_of_secrets_keeps_bonds_across_a_restart():
    async with World() as world:
        a, b = await two(world)
        kind, addr = await a.address()
        keeper = await Provider(b, await b.new_client()).start()
        await refused("Busy", b.call("Pairing1", "ProvideSecrets", "a{sv}", {}))
        mine, theirs = await connected(a, b)
        await bonded(a, b, mine, theirs)
        await keeper.until(1)
        store = keeper.store
        assert on_disk(world, b) == [], "nothing is written to disk"
        assert on_disk(world, a) != [], "where it would be"
        assert not b.client.seen("SecretStored") and not b.client.seen("SecretRequested")
        keeper.task.cancel()
        await b.stop()
        await a.client.expect("CentralDisconnected")
        b = await world.bled("b2", ["unix:" + world.hci(1)], name="org.bled.b2")
        await b.activate()
        assert await bonds(b) == {}
        again = await Provider(b, await b.new_client(), store).start()
        while True:
            again.stored.clear()
            if await bonds(b):
                break
            await asyncio.wait_for(again.stored.wait(), DEADLINE)
        assert list(await bonds(b)) == [addr]
        mine, theirs = await connected(a, b)
        up = await b.client.expect("EncryptionUpdated", theirs)
        assert up.args == [theirs, True, False, True, 16], up
        again.task.cancel()


async def test_provider_deletes_and_leaves():
    async with World() as world:
        a, b = await two(world)
        peer = await a.address()
        client = await b.new_client()
        keeper = await Provider(b, client).start()
        mine, theirs = await connected(a, b)
        await bonded(a, b, mine, theirs)
        await keeper.until(1)
        await b.call("Pairing1", "DeleteBond", "ys", *peer)
        await keeper.until(0)
        await b.client.expect("PeripheralDisconnected", theirs)
        await a.call("Pairing1", "DeleteBond", "ys", *await b.address())
        mine, theirs = await connected(a, b)
        await pair(b, theirs)
        assert len(await bonds(b)) == 1
        keeper.task.cancel()
        await b.call("Adapter1", "Detach", client=client)
        assert await bonds(b) == {}
        await refused("NotFound", b.call("Pairing1", "Reply", "ubay", 1, True, b""))
        await b.call("Pairing1", "ProvideSecrets", "a{sv}", {})


async def test_own_store_serves_again_when_the_provider_is_killed():
    async with World() as world:
        a, b = await two(world)
        kind, addr = await a.address()
        mine, theirs = await connected(a, b)
        await bonded(a, b, mine, theirs)
        kept = on_disk(world, b)
        assert len(kept) == 1, kept
        victim = await world.victim(b, ["Pairing1", "ProvideSecrets", "a{sv}", [{}], True])
        assert await bonds(b) == {}
        await world.kill(victim, b.client)
        await b.logged("has left; its bonds are forgotten")
        assert list(await bonds(b)) == [addr]
        assert on_disk(world, b) == kept
        await b.call("Link1", "Disconnect", "qa{sv}", theirs, {})
        await a.client.expect("CentralDisconnected")
        mine, theirs = await connected(a, b)
        await b.client.expect("EncryptionUpdated", theirs, True, False, True, 16)


async def test_replies_that_are_none():
    async with World() as world:
        a, b = await two(world)
        await b.call("Pairing1", "ProvideSecrets", "a{sv}", {})
        asked = await b.client.expect("SecretRequested")
        assert asked.args[1:] == [1, 0, False, b""], asked
        number = asked.args[0]
        other = await b.new_client()
        await refused("org.freedesktop.DBus.Error.AccessDenied",
                      b.call("Pairing1", "Reply", "ubay", number, True, b"", client=other))
        await refused("org.freedesktop.DBus.Error.InvalidArgs",
                      b.call("Pairing1", "Reply", "ubay", number, True, b"\1nonsense"))
        asked = await b.client.expect("SecretRequested")
        assert asked.args[2] == 1, asked
        await refused("NotFound", b.call("Pairing1", "Reply", "ubay", number, True, b""))
        await b.call("Pairing1", "Reply", "ubay", asked.args[0], False, b"")
        assert not b.client.seen("SecretRequested")


async def test_one_attendant_and_clients_say_what_they_hold():
    async with World() as world:
        a, b = await two(world)
        at = await attached(b)
        await b.call("Pairing1", "Attend", "a{sv}", {}, client=at)
        e = await refused("Busy", b.call("Pairing1", "Attend", "a{sv}", {}))
        assert at.name in e.text, e
        held = [c for c in (await b.call("Manager1", "Clients", path="/org/bled"))[0]
                if c[0] == at.name]
        assert held[0][2]["attendant"].value == 1, held
        await b.call("Adapter1", "Detach", client=at)
        await b.call("Pairing1", "Attend", "a{sv}", {})
        await b.call("Adapter1", "Detach")
        victim = await world.victim(b, ["Pairing1", "Attend", "a{sv}", [{}], True])
        await refused("Busy", b.call("Pairing1", "Attend", "a{sv}", {}))
        await world.kill(victim, b.client)
        await b.call("Adapter1", "Stats")
        await b.call("Pairing1", "Attend", "a{sv}", {})


async def busctl(world, bled, *words):
    """A line of busctl; what it printed."""
    process = await asyncio.create_subprocess_exec(
        "busctl", "--timeout=60", "call", bled.name, "/org/bled/hci0", *words,
        env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": world.address}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = await asyncio.wait_for(process.communicate(), DEADLINE)
    assert process.returncode == 0, (words, out, err)
    return out.decode().strip()


async def test_busctl_alone_pairs_two_daemons():
    """No other program on either side, from nothing to a bond and back."""
    async with World() as world:
        a = await world.bled("a", ["unix:" + world.hci(0)])
        b = await world.bled("b", ["unix:" + world.hci(1)])
        for x in (a, b):
            await busctl(world, x, "org.bled.Adapter1", "SetActive", "ba{sv}", "true", "0")
        await busctl(world, a, "org.bled.Broadcaster1", "Advertise", "ua{sv}", "30000", "0")
        kind, addr = await a.address()
        assert await busctl(world, b, "org.bled.Central1", "Connect", "ysa{sv}", str(kind), addr,
                            "0") == "q 1"
        for x in (b, a):
            assert await busctl(world, x, "org.bled.Pairing1", "Pair", "qa{sv}", "1",
                                "0") == "bbby true false true 16"
            assert (await busctl(world, x, "org.bled.Pairing1", "ListBonds")).startswith(
                "a(ysa{sv}) 1 ")
        await busctl(world, b, "org.bled.Pairing1", "DeleteBond", "ys", str(kind), addr)
        assert await busctl(world, b, "org.bled.Link1", "Disconnect", "qa{sv}", "1",
                            "0") in ("b true", "b false")


async def test_busctl_shows_a_number_agreed_on():
    """The side that displays, without a program that listens."""
    async with World() as world:
        a, b = await two(world, DISPLAY_ONLY, KEYBOARD_ONLY)
        mine, theirs = await connected(a, b)
        shows = asyncio.ensure_future(busctl(world, a, "org.bled.Pairing1", "Pair", "qa{sv}",
                                             str(mine), "1", "passkey", "u", "123456"))
        at = await b.new_client()
        await b.call("Pairing1", "Attend", "a{sv}", {}, client=at)
        await at.expect("PasskeyAction", theirs, INPUT)
        # at is not attached: what it is asked any other may answer, such as busctl
        assert await busctl(world, b, "org.bled.Pairing1", "Passkey", "qyu", str(theirs), "2",
                            "123456") == ""
        assert await shows == "bbby true true true 16"


async def test_busctl_enters_a_number_and_manages_bonds():
    """The contract's worked line, and what a script does afterwards."""
    async with World() as world:
        a, b = await two(world, DISPLAY_ONLY, KEYBOARD_ONLY)
        at = await attached(a)
        mine, theirs = await connected(a, b, advertiser=at)
        enters = asyncio.ensure_future(busctl(world, b, "org.bled.Pairing1", "Pair", "qa{sv}", "1",
                                              "1", "passkey", "u", "123456"))
        await at.expect("PasskeyAction", mine, DISPLAY)
        await answer(a, mine, DISPLAY, 123456, client=at)
        assert await enters == "bbby true true true 16"
        listed = await busctl(world, b, "org.bled.Pairing1", "ListBonds")
        kind, addr = await a.address()
        assert listed.startswith(f'a(ysa{{sv}}) 1 {kind} "{addr}"'), listed
        assert '"authenticated" b true' in listed, listed
        assert await busctl(world, b, "org.bled.Pairing1", "DeleteBond", "ys", str(kind), addr) == ""
        assert await busctl(world, b, "org.bled.Pairing1", "ListBonds") == "a(ysa{sv}) 0"


if __name__ == "__main__":
    main(*[f for n, f in list(globals().items()) if n.startswith("test_")])
