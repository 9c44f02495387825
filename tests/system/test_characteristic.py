#!/usr/bin/env python3
"""Characteristic1: an object for each local characteristic."""
import asyncio
import re

from bledtest import DEADLINE, Error, Variant, World, main, plain

READ, WRITE, NOTIFY = 2, 8, 0x10
CHARACTERISTIC = "org.bled.Characteristic1"
PROPERTIES = "org.freedesktop.DBus.Properties"


async def error_of(call, name):
    try:
        await call
    except Error as e:
        assert e.name in (name, "org.bled.Error." + name, "org.freedesktop.DBus.Error." + name), e
        return e.text
    raise AssertionError(f"no {name}")


async def active(world, tag="a", index=0):
    a = await world.bled(tag, ["unix:" + world.hci(index)])
    await a.activate()
    return a


async def add(a, client=None, uuid="180d", flags=READ | WRITE | NOTIFY, **more):
    """A service with one characteristic: (service, handle, path)."""
    definition = {"uuid": Variant("s", "2a37"), "flags": Variant("u", flags),
                  **{k: Variant(*v) for k, v in more.items()}}
    service, handles = await a.call("GattServer1", "AddService", "saa{sv}a{sv}", uuid, [definition], {},
                                    client=client)
    return service, handles[0], f"/org/bled/hci0/char{handles[0]:04x}"


async def objects(a):
    return plain((await a.client.raw(a.name, "/org/bled", "org.freedesktop.DBus.ObjectManager",
                                     "GetManagedObjects"))[0])


async def all_of(a, path):
    return plain((await a.client.raw(a.name, path, PROPERTIES, "GetAll", "s", [CHARACTERISTIC]))[0])


async def linked(world, **more):
    """A server with a characteristic, and a client of it: (a, b, mine, theirs, handle, path)."""
    a, b = await active(world), await active(world, "b", 1)
    service, handle, path = await add(a, **more)
    await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {})
    conn = (await b.call("Central1", "Connect", "ysa{sv}", *await a.address(), {}))[0]
    up = await a.client.expect("CentralConnected")
    return a, b, up.args[0], conn, handle, path


async def test_object_comes_and_goes_with_its_service():
    async with World(controllers=1) as world:
        a = await active(world)
        service, handle, path = await add(a, value=("ay", b"hi"))
        came = await a.client.expect("InterfacesAdded", path)
        expected = {"Uuid": "2a37", "Service": "180d", "Handle": handle,
                    "Flags": READ | WRITE | NOTIFY, "Subscribers": [], "Owner": ""}
        assert plain(came.args[1][CHARACTERISTIC]) == expected, came
        assert (await objects(a))[path][CHARACTERISTIC] == expected
        assert await all_of(a, path) == expected  # without Value
        assert await a.get(CHARACTERISTIC, "Value", path) == b"hi"
        assert re.search(rf'node name="char{handle:04x}"', await a.introspect("/org/bled/hci0"))
        assert 'method name="SetTrigger"' in await a.introspect(path)
        await a.call("GattServer1", "RemoveService", "q", service)
        gone = await a.client.expect("InterfacesRemoved", path)
        assert CHARACTERISTIC in gone.args[1], gone
        assert path not in await objects(a)
        await error_of(a.get(CHARACTERISTIC, "Value", path), "UnknownObject")


async def test_only_exact_paths_of_clients_characteristics():
    async with World(controllers=1) as world:
        a = await active(world)
        _, handle, path = await add(a, descriptors=("aa{sv}", [
            {"uuid": Variant("s", "2901"), "flags": Variant("u", READ), "value": Variant("ay", b"d")}]))
        assert len([p for p in await objects(a) if "/char" in p]) == 1  # none of bled's own
        for wrong in (f"char{handle - 1:04x}", f"char{handle + 1:04x}", f"char{handle + 2:04x}",
                      f"char{handle:x}", f"char0{handle:04x}", "char0000", "char0003", "char", "charx",
                      f"char{handle:04x}x", f"char{handle:04x}/y", f"Char{handle:04x}"):
            await error_of(a.get(CHARACTERISTIC, "Handle", "/org/bled/hci0/" + wrong), "UnknownObject")
        for other in ("/org/bled/hci1", "/org/bled", "/org", ""):
            await error_of(a.get(CHARACTERISTIC, "Handle", f"{other}/char{handle:04x}"),
                           "UnknownObject")
        # Nor does the interface appear on other objects.
        assert CHARACTERISTIC not in await a.introspect("/org/bled/hci0")
        assert CHARACTERISTIC not in (await objects(a))["/org/bled/hci0"]
        await error_of(a.call(CHARACTERISTIC, "Events", path="/org/bled/hci0"), "UnknownMethod")
        assert await a.get(CHARACTERISTIC, "Handle", path) == handle


async def test_value_is_read_and_written():
    async with World(controllers=1) as world:
        a = await active(world)
        _, handle, path = await add(a, value=("ay", b"begin"))
        a.client.signals.clear()
        for value in (b"", b"x", bytes(512)):
            await a.set(CHARACTERISTIC, "Value", "ay", value, path)
            assert await a.get(CHARACTERISTIC, "Value", path) == value
            assert await a.call("GattServer1", "Read", "q", handle) == [value]
        await error_of(a.set(CHARACTERISTIC, "Value", "ay", bytes(513), path), "InvalidArgs")
        await error_of(a.set(CHARACTERISTIC, "Value", "s", "text", path), "InvalidArgs")
        await a.call("GattServer1", "Write", "qayb", handle, b"written", False)
        assert await a.get(CHARACTERISTIC, "Value", path) == b"written"
        assert not a.client.seen("PropertiesChanged")
        for name in ("Uuid", "Service", "Handle", "Flags", "Subscribers", "Owner"):
            await error_of(a.set(CHARACTERISTIC, name, "q", 1, path), "PropertyReadOnly")


async def test_reading_does_not_clear_what_is_appended():
    async with World() as world:
        a, b, mine, theirs, handle, path = await linked(world, append=("b", True))
        for part in (b"one", b"two"):
            await b.call("GattClient1", "Write", "qqayya{sv}", theirs, handle, part, 1, {})
        assert await a.get(CHARACTERISTIC, "Value", path) == b"onetwo"
        assert await a.get(CHARACTERISTIC, "Value", path) == b"onetwo"
        assert await a.call("GattServer1", "Read", "q", handle) == [b"onetwo"]
        assert await a.get(CHARACTERISTIC, "Value", path) == b""


async def test_set_value_takes_numbers_text_and_octets():
    async with World(controllers=1) as world:
        a = await active(world)
        _, handle, path = await add(a)
        for signature, value, octets in (
                ("y", 0xfe, b"\xfe"), ("n", -2, b"\xfe\xff"), ("q", 0x1234, b"\x34\x12"),
                ("i", -2, b"\xfe\xff\xff\xff"), ("u", 123, b"\x7b\0\0\0"),
                ("x", -2, b"\xfe" + b"\xff" * 7), ("t", 1 << 56, bytes(7) + b"\1"),
                ("s", "h\u00e9llo", "h\u00e9llo".encode()), ("s", "", b""), ("ay", b"as is", b"as is"),
                ("ay", b"", b""), ("ay", bytes(512), bytes(512))):
            await a.call(CHARACTERISTIC, "SetValue", "v", Variant(signature, value), path=path)
            assert await a.get(CHARACTERISTIC, "Value", path) == octets, (signature, value)
        for signature, value in (("b", True), ("d", 1.0), ("o", "/x"), ("g", "u"), ("as", ["x"]),
                                 ("v", Variant("y", 1)), ("(y)", [1]), ("a{sv}", {}), ("aq", [1]),
                                 ("ay", bytes(513)), ("s", "x" * 513)):
            await error_of(a.call(CHARACTERISTIC, "SetValue", "v", Variant(signature, value), path=path),
                           "InvalidArgs")
        assert await a.get(CHARACTERISTIC, "Value", path) == bytes(512)


async def test_trigger_of_writes():
    async with World() as world:
        a, b, mine, theirs, handle, path = await linked(world)

        async def write(value):
            await b.call("GattClient1", "Write", "qqayya{sv}", theirs, handle, value, 1, {})

        await write(b"before")
        await a.client.expect("Written", mine, handle, b"before")
        await a.call(CHARACTERISTIC, "SetTrigger", "u", 2, path=path)
        await write(b"1st")
        await write(b"2nd")  # each value belongs to its event
        e = await a.client.expect("Event", 2, mine, b"1st")
        assert e.path == path and e.interface == CHARACTERISTIC, e
        await a.client.expect("Event", 2, mine, b"2nd")
        assert not a.client.seen("Written")
        await a.call(CHARACTERISTIC, "SetTrigger", "u", 0, path=path)
        await write(b"after")
        await a.client.expect("Written", mine, handle, b"after")
        assert not a.client.seen("Event")
        for mask in (8, 0x80000000, 0xffffffff):
            await error_of(a.call(CHARACTERISTIC, "SetTrigger", "u", mask, path=path), "InvalidArgs")


async def test_trigger_of_reads_and_subscriptions():
    async with World() as world:
        a, b, mine, theirs, handle, path = await linked(world, value=("ay", b"value"))
        await a.call(CHARACTERISTIC, "SetTrigger", "u", 5, path=path)
        assert await b.call("GattClient1", "Read", "qqa{sv}", theirs, handle, {}) == [b"value"]
        await a.client.expect("Event", 1, mine, b"value")
        assert not a.client.seen("ReadRequested")
        await b.call("GattClient1", "Subscribe", "qqya{sv}", theirs, handle, 1, {})
        await a.client.expect("Event", 4, mine, b"\1")
        await a.client.expect("Subscribed", mine, handle, 1)
        assert await a.call(CHARACTERISTIC, "Events", path=path) == [5]
        await a.call(CHARACTERISTIC, "SetTrigger", "u", 0, path=path)
        await b.call("GattClient1", "Read", "qqa{sv}", theirs, handle, {})
        await a.call("Adapter1", "Stats")
        assert not a.client.seen("Event") and not a.client.seen("ReadRequested")
        assert await a.call(CHARACTERISTIC, "Events", path=path) == [1]


async def test_reads_that_are_asked_for_are_still_told():
    async with World() as world:
        a, b, mine, theirs, handle, path = await linked(world, read_events=("b", True))
        await b.call("GattClient1", "Read", "qqa{sv}", theirs, handle, {})
        await a.client.expect("ReadRequested", 0, mine, handle)
        assert await a.call(CHARACTERISTIC, "Events", path=path) == [1]
        await a.call(CHARACTERISTIC, "SetTrigger", "u", 1, path=path)
        await b.call("GattClient1", "Read", "qqa{sv}", theirs, handle, {})
        await a.client.expect("Event", 1, mine)
        await a.call(CHARACTERISTIC, "SetTrigger", "u", 0, path=path)
        await b.call("GattClient1", "Read", "qqa{sv}", theirs, handle, {})
        await a.client.expect("ReadRequested", 0, mine, handle)
        assert not a.client.seen("Event")


async def test_reads_that_wait_for_a_reply_are_asked_all_the_same():
    async with World() as world:
        a, b, mine, theirs, handle, path = await linked(world, authorize_reads=("b", True),
                                                        value=("ay", b"old"))
        await a.call(CHARACTERISTIC, "SetTrigger", "u", 1, path=path)
        read = asyncio.ensure_future(b.call("GattClient1", "Read", "qqa{sv}", theirs, handle, {}))
        request = (await a.client.expect("ReadRequested", where=lambda s: s.args[0] != 0)).args[0]
        assert not a.client.seen("Event")
        await a.call("GattServer1", "Reply", "uqa{sv}", request, 0, {"value": Variant("ay", b"new")})
        assert await asyncio.wait_for(read, DEADLINE) == [b"new"]
        await a.client.expect("Event", 1, mine, b"new")
        # What is denied is not read.
        a.client.signals.clear()
        read = asyncio.ensure_future(b.call("GattClient1", "Read", "qqa{sv}", theirs, handle, {}))
        request = (await a.client.expect("ReadRequested")).args[0]
        await a.call("GattServer1", "Reply", "uqa{sv}", request, 2, {})
        await error_of(asyncio.wait_for(read, DEADLINE), "Att.ReadNotPermitted")
        await a.call("Adapter1", "Stats")
        assert not a.client.seen("Event"), a.client.signals
        assert await a.call(CHARACTERISTIC, "Events", path=path) == [1]
        assert await a.call(CHARACTERISTIC, "Events", path=path) == [0]


async def test_events_since_the_last_call():
    async with World() as world:
        a, b, mine, theirs, handle, path = await linked(world)
        # Also before the first call.
        await b.call("GattClient1", "Read", "qqa{sv}", theirs, handle, {})
        await b.call("GattClient1", "Write", "qqayya{sv}", theirs, handle, b"x", 1, {})
        assert await a.call(CHARACTERISTIC, "Events", path=path) == [3]
        assert await a.call(CHARACTERISTIC, "Events", path=path) == [0]
        await b.call("GattClient1", "Write", "qqayya{sv}", theirs, handle, b"x", 1, {})
        await b.call("GattClient1", "Write", "qqayya{sv}", theirs, handle, b"y", 1, {})
        assert await a.call(CHARACTERISTIC, "Events", path=path) == [2]
        assert await a.call(CHARACTERISTIC, "Events", path=path) == [0]
        await b.call("GattClient1", "Read", "qqa{sv}", theirs, handle, {})
        await b.call("GattClient1", "Subscribe", "qqya{sv}", theirs, handle, 1, {})
        assert await a.call(CHARACTERISTIC, "Events", path=path) == [5]
        assert await a.call(CHARACTERISTIC, "Events", path=path) == [0]
        assert not a.client.seen("ReadRequested")


async def test_event_goes_to_the_caller_of_set_trigger_alone():
    async with World() as world:
        a, b, mine, theirs, handle, path = await linked(world)
        mine_only, other = await a.new_client(), await a.new_client()
        for client in (mine_only, other):
            await a.call("Adapter1", "Attach", "a{sv}", {}, client=client)
        await a.call(CHARACTERISTIC, "SetTrigger", "u", 2, path=path, client=mine_only)
        text = await error_of(a.call(CHARACTERISTIC, "SetTrigger", "u", 2, path=path, client=other),
                              "Busy")
        assert mine_only.name in text, text
        await b.call("GattClient1", "Write", "qqayya{sv}", theirs, handle, b"secret", 1, {})
        await mine_only.expect("Event", 2, mine, b"secret")
        # The characteristic is everybody's, and nobody else has said that Written is not wanted.
        for client in (other, a.client):
            await client.expect("Written", mine, handle, b"secret")
            assert not client.seen("Event"), client.signals
        # When it leaves, its trigger does.
        await a.call("Adapter1", "Detach", client=mine_only)
        await b.call("GattClient1", "Write", "qqayya{sv}", theirs, handle, b"public", 1, {})
        await a.client.expect("Written", mine, handle, b"public")
        await a.call(CHARACTERISTIC, "SetTrigger", "u", 2, path=path, client=other)
        # Its own is another matter.
        _, handle, path = await add(a, client=other)
        await a.call(CHARACTERISTIC, "SetTrigger", "u", 2, path=path, client=other)
        await b.call("GattClient1", "Write", "qqayya{sv}", theirs, handle, b"own", 1, {})
        await other.expect("Event", 2, mine, b"own")
        await a.call("Adapter1", "Stats", client=other)
        assert not [s for s in other.seen("Written") if s.args[1] == handle], other.signals


async def test_other_clients_services_are_not_to_be_touched():
    async with World() as world:
        a = await active(world)
        owner, other = await a.new_client(), await a.new_client()
        for client in (owner, other):
            await a.call("Adapter1", "Attach", "a{sv}", {}, client=client)
        _, handle, path = await add(a, client=owner, value=("ay", b"mine"))
        assert await a.get(CHARACTERISTIC, "Owner", path) == owner.name
        for client in (other, a.client):
            for call in (a.get(CHARACTERISTIC, "Value", path, client=client),
                         a.set(CHARACTERISTIC, "Value", "ay", b"theirs", path, client=client),
                         a.call(CHARACTERISTIC, "SetValue", "v", Variant("y", 1), path=path,
                                client=client),
                         a.call(CHARACTERISTIC, "SetTrigger", "u", 2, path=path, client=client),
                         a.call(CHARACTERISTIC, "Events", path=path, client=client)):
                text = await error_of(call, "AccessDenied")
                assert owner.name in text, text
        assert await a.get(CHARACTERISTIC, "Value", path, client=owner) == b"mine"
        assert await a.call(CHARACTERISTIC, "Events", path=path, client=owner) == [0]
        await a.call("Adapter1", "Detach", client=owner)
        await a.client.expect("InterfacesRemoved", path)


async def test_subscribers_come_and_go():
    async with World(controllers=3) as world:
        a, b, mine, theirs, handle, path = await linked(world)
        c = await active(world, "c", 2)
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {})
        conn = (await c.call("Central1", "Connect", "ysa{sv}", *await a.address(), {}))[0]
        second = (await a.client.expect("CentralConnected")).args[0]

        async def changed(now):
            s = await a.client.expect("PropertiesChanged", CHARACTERISTIC)
            assert s.path == path and plain(s.args[1]) == {"Subscribers": now}, s
            assert await a.get(CHARACTERISTIC, "Subscribers", path) == now

        await b.call("GattClient1", "Subscribe", "qqya{sv}", theirs, handle, 1, {})
        await changed([mine])
        await c.call("GattClient1", "Subscribe", "qqya{sv}", conn, handle, 1, {})
        await changed([mine, second])
        await b.call("GattClient1", "Subscribe", "qqya{sv}", theirs, handle, 0, {})
        await changed([second])
        await b.call("GattClient1", "Subscribe", "qqya{sv}", theirs, handle, 1, {})
        await changed([mine, second])
        await b.call("Link1", "Disconnect", "qa{sv}", theirs, {})
        await changed([second])


async def test_inactive_adapter_has_none():
    async with World(controllers=1) as world:
        a = await active(world)
        _, handle, path = await add(a)
        await a.call("Adapter1", "SetActive", "ba{sv}", False, {})
        await a.client.expect("InterfacesRemoved", path)
        assert path not in await objects(a)
        await error_of(a.call(CHARACTERISTIC, "Events", path=path), "UnknownObject")


async def test_object_comes_back_with_the_controller():
    """Also that reads are noted: what Events() asked of the stack is asked again."""
    async with World(control=True) as world:
        a, b, mine, theirs, handle, path = await linked(world)
        assert await a.call(CHARACTERISTIC, "Events", path=path) == [0]
        a.client.signals.clear()
        await world.air_does("unplug 0")
        await a.client.expect("InterfacesRemoved", path)
        await a.client.expect("InterfacesAdded", path)  # it is taken again at once
        await b.client.expect("PeripheralDisconnected", theirs)
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {})
        conn = (await b.call("Central1", "Connect", "ysa{sv}", *await a.address(), {}))[0]
        await b.call("GattClient1", "Read", "qqa{sv}", conn, handle, {})
        assert await a.call(CHARACTERISTIC, "Events", path=path) == [1]
        assert not a.client.seen("ReadRequested")


async def test_thousands():
    async with World(controllers=1) as world:
        a = await active(world)
        definition = {"uuid": Variant("s", "2a37"), "flags": Variant("u", READ)}
        handles = (await a.call("GattServer1", "AddService", "saa{sv}a{sv}", "180d",
                                [definition] * 3000, {}))[1]
        path = f"/org/bled/hci0/char{handles[-1]:04x}"
        await a.client.expect("InterfacesAdded", path)
        assert len([p for p in await objects(a) if "/char" in p]) == 3000
        await a.call(CHARACTERISTIC, "SetValue", "v", Variant("q", 7), path=path)
        assert await a.get(CHARACTERISTIC, "Value", path) == b"\7\0"


main(*[f for name, f in sorted(globals().items()) if name.startswith("test_")])
