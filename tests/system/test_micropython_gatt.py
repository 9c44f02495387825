#!/usr/bin/env python3
"""MicroPython's bluetooth: connections and GATT, an event a test, with its tuple and its order."""
from board import (CENTRAL_CONNECT, CENTRAL_DISCONNECT, CONNECTION_UPDATE, GATTC_CHARACTERISTIC_DONE,
                   GATTC_CHARACTERISTIC_RESULT, GATTC_DESCRIPTOR_DONE, GATTC_DESCRIPTOR_RESULT,
                   GATTC_INDICATE, GATTC_NOTIFY, GATTC_READ_DONE, GATTC_READ_RESULT,
                   GATTC_SERVICE_DONE, GATTC_SERVICE_RESULT, GATTC_WRITE_DONE, GATTS_INDICATE_DONE,
                   GATTS_READ_REQUEST, GATTS_WRITE, MTU_EXCHANGED,
                   PERIPHERAL_DISCONNECT, SCAN_DONE, SCAN_RESULT, UUID, Failed, View, active,
                   connect, mac, main, serve)
from bledtest import Variant
from pybled import raises

READ, WRITE_NR, WRITE, NOTIFY, INDICATE = 2, 4, 8, 16, 32


async def test_central_connect_and_disconnect(a, b):
    await active(a, b)
    there = await mac(b)
    await a.do("ble.gap_advertise(20000)")
    kind, addr = await mac(a)
    await b.do(f"ble.gap_connect({kind}, {bytes(addr)})")
    conn, *who = await a.irq(CENTRAL_CONNECT)
    assert tuple(who) == there and type(who[1]) is View
    assert await a.do(f"ble.gap_disconnect({conn})") is True
    assert await a.irq(CENTRAL_DISCONNECT) == (conn, *there)
    assert await a.do(f"ble.gap_disconnect({conn})") is False
    assert a.order[-2:] == [CENTRAL_CONNECT, CENTRAL_DISCONNECT]


async def test_peripheral_connect_and_disconnect(a, b):
    await active(a, b)
    _, conn = await connect(a, b)
    assert await b.do(f"ble.gap_disconnect({conn})") is True
    left = await b.irq(PERIPHERAL_DISCONNECT)
    assert left == (conn, *await mac(a)) and type(left[2]) is View
    assert await b.do(f"ble.gap_disconnect({conn})") is False
    assert await b.do("ble.gap_disconnect(12345)") is False


async def test_advertising_ends_with_a_connection_and_stays_ended(a, b):
    await active(a, b)
    ca, cb = await connect(a, b)
    await b.do(f"ble.gap_disconnect({cb})")
    await a.irq(CENTRAL_DISCONNECT)
    await b.do("ble.gap_scan(150, 30000, 30000)")
    await b.irq(SCAN_DONE)
    assert SCAN_RESULT not in b.order


async def test_gap_connect_none_cancels(a, b):
    await active(b)
    await b.do("ble.gap_connect(0, b'\\xc0\\1\\2\\3\\4\\5', 10000)")
    await b.do("ble.gap_connect(None)")
    assert await b.irq(PERIPHERAL_DISCONNECT) == (65535, 0, b"\xc0\1\2\3\4\5")


async def test_a_connection_attempt_runs_out(a, b):
    await active(b)
    await b.do("ble.gap_connect(1, b'\\xc0\\1\\2\\3\\4\\5', 100)")
    assert await b.irq(PERIPHERAL_DISCONNECT) == (65535, 1, b"\xc0\1\2\3\4\5")


async def test_scan_result_and_done(a, b):
    await active(a, b)
    who = await mac(a)
    await a.do("ble.gap_advertise(20000, b'\\x02\\x01\\x06', resp_data='\\x03\\x09hi')")
    await b.do("ble.gap_scan(0, 30000, 30000, True)")
    kind, addr, adv_type, rssi, data = await b.irq(SCAN_RESULT, lambda *d: d[2] == 0)
    assert (kind, addr) == who and data == b"\x02\x01\x06" and -128 <= rssi <= 20
    assert type(addr) is View and type(data) is View
    answer = await b.irq(SCAN_RESULT, lambda *d: d[2] == 4)
    assert answer[:2] == who and answer[4] == b"\x03\x09hi"
    await b.do("ble.gap_scan(None)")
    assert await b.irq(SCAN_DONE) == ()
    assert b.order[-1] == SCAN_DONE
    await b.do("ble.gap_scan(None)")
    await b.do("ble.gap_scan(50)")
    assert await b.irq(SCAN_DONE) == ()
    assert b.order.count(SCAN_DONE) == 2


async def test_gap_advertise_reuses_clears_and_is_not_connectable(a, b):
    await active(a, b)

    async def heard(adv_type, data):
        await b.do("ble.gap_scan(0, 30000, 30000)")
        await b.irq(SCAN_RESULT, lambda *d: d[2] == adv_type and d[4] == data)
        await b.do("ble.gap_scan(None)")
        await b.irq(SCAN_DONE)
    await a.do("ble.gap_advertise(20000, bytearray(b'\\x02\\x01\\x06'))")
    await heard(0, b"\x02\x01\x06")
    await a.do("ble.gap_advertise(None)")
    await a.do("ble.gap_advertise(30000)")
    await heard(0, b"\x02\x01\x06")
    await a.do("ble.gap_advertise(30000, connectable=False)")
    await heard(2, b"\x02\x01\x06")
    await a.do("ble.gap_advertise(20000, b'', connectable=False)")
    await heard(2, b"")
    # What is too long ends with its last whole structure.
    await a.do("ble.gap_advertise(20000, b'\\x02\\x01\\x06\\x1a\\x09' + b'x' * 25 + b'\\x02\\x0a\\x00')")
    await heard(0, b"\x02\x01\x06\x1a\x09" + b"x" * 25)


async def test_gatts_write(a, b):
    await active(a, b)
    handle = await serve(a, READ | WRITE | NOTIFY)
    ca, cb = await connect(a, b)
    await a.do("hooks[3] = lambda conn, handle: kept.append(ble.gatts_read(handle))")
    await b.do(f"ble.gattc_write({cb}, {handle + 1}, b'\\1\\0', 1)")
    await b.irq(GATTC_WRITE_DONE)
    await b.do(f"ble.gattc_write({cb}, {handle}, 'text', 1)")
    await b.irq(GATTC_WRITE_DONE)
    assert await a.irq(GATTS_WRITE) == (ca, handle)
    assert await a.do("kept") == [b"text"]
    assert a.order.count(GATTS_WRITE) == 1, "a write of the CCCD is none"


async def test_gatts_read_in_a_burst_sees_each_write(a, b):
    await active(a, b)
    handle = await serve(a, READ | WRITE_NR)
    _, cb = await connect(a, b)
    await a.do("hooks[3] = lambda conn, handle: kept.append(ble.gatts_read(handle))")
    # While the board computes, writes queue up.
    a.say("t = time.ticks_ms()\\nwhile time.ticks_diff(time.ticks_ms(), t) < 300: x = 1")
    for i in range(30):
        await b.do(f"ble.gattc_write({cb}, {handle}, bytes([{i}]))")
    await a.until(lambda: a.answers.pop(0) if a.answers else None, "end of computing")
    for i in range(30):
        await a.irq(GATTS_WRITE)
    assert await a.do("kept") == [bytes([i]) for i in range(30)]
    assert await a.do(f"ble.gatts_read({handle})") == bytes([29])


async def test_gatts_set_buffer(a, b):
    await active(a, b)
    handle = await serve(a, READ | WRITE)
    _, cb = await connect(a, b)

    async def write(value):
        await b.do(f"ble.gattc_write({cb}, {handle}, {value!r}, 1)")
        await b.irq(GATTC_WRITE_DONE)
        await a.irq(GATTS_WRITE)
    await b.do(f"ble.gattc_exchange_mtu({cb})")
    await b.irq(MTU_EXCHANGED)
    await write(bytes(30))
    assert await a.do(f"ble.gatts_read({handle})") == bytes(20)
    await a.do(f"ble.gatts_write({handle}, bytes(50))")
    await write(b"x" * 60)
    assert await a.do(f"ble.gatts_read({handle})") == b"x" * 50
    await a.do(f"ble.gatts_write({handle}, b'')")
    await a.do(f"ble.gatts_set_buffer({handle}, 6, True)")
    await write(b"12")
    await write(b"34")
    await b.do(f"ble.gattc_read({cb}, {handle})")
    assert (await b.irq(GATTC_READ_RESULT))[2] == b"1234"
    assert await a.do(f"ble.gatts_read({handle})") == b"1234"
    assert await a.do(f"ble.gatts_read({handle})") == b""
    await write(b"123456789")
    assert await a.do(f"ble.gatts_read({handle})") == b"123456"
    await a.do(f"ble.gatts_set_buffer({handle}, 3)")
    await write(b"123456")
    assert await a.do(f"ble.gatts_read({handle})") == b"123"


async def test_appended_writes_are_told_one_by_one(a, b):
    await active(a, b)
    handle = await serve(a, WRITE_NR)
    await a.do(f"ble.gatts_set_buffer({handle}, 100, True)")
    _, cb = await connect(a, b)
    await a.do("hooks[3] = lambda conn, handle: kept.append(ble.gatts_read(handle))")
    for i in range(20):
        await b.do(f"ble.gattc_write({cb}, {handle}, bytes([{i}] * 20))")
    for i in range(20):
        await a.irq(GATTS_WRITE)
    assert await a.do("kept") == [bytes([i]) * 20 for i in range(20)]


async def test_gatts_read_request_is_answered(a, b):
    await active(a, b)
    handle = await serve(a, READ)
    ca, cb = await connect(a, b)
    await a.do("answers = iter([None, 0, 0x05, 0x08, 0x0f, True, 'x'])\n"
               "def asked(conn, handle):\n    ble.gatts_write(handle, b'fresh')\n"
               "    return next(answers)\nhooks[4] = asked")
    for status in 0, 0, 5, 8, 15, 1:
        await b.do(f"ble.gattc_read({cb}, {handle})")
        if not status:
            assert await b.irq(GATTC_READ_RESULT) == (cb, handle, b"fresh")
        assert await b.irq(GATTC_READ_DONE) == (cb, handle, status)
        assert await a.irq(GATTS_READ_REQUEST) == (ca, handle)


async def test_gattc_service_result_and_done(a, b):
    await active(a, b)
    await a.do("ble.gatts_register_services([(UUID(0x180d), []), "
               "(UUID('6e400001-b5a3-f393-e0a9-e50e24dcca9e'), [(UUID(0x2a37), 2)])])")
    _, cb = await connect(a, b)
    await b.do(f"ble.gattc_discover_services({cb})")
    found = [await b.irq(GATTC_SERVICE_RESULT) for _ in range(4)]
    assert await b.irq(GATTC_SERVICE_DONE) == (cb, 0)
    assert b.order[-5:] == [GATTC_SERVICE_RESULT] * 4 + [GATTC_SERVICE_DONE]
    assert [f[3] for f in found[2:]] == [UUID(0x180d), UUID("6e400001-b5a3-f393-e0a9-e50e24dcca9e")]
    assert all(f[0] == cb and f[1] <= f[2] for f in found)
    await b.do(f"ble.gattc_discover_services({cb}, UUID(0x180d))")
    assert await b.irq(GATTC_SERVICE_RESULT) == found[2]
    await b.irq(GATTC_SERVICE_DONE)
    await b.do(f"ble.gattc_discover_services({cb}, UUID(0x1234))")
    assert await b.irq(GATTC_SERVICE_DONE) == (cb, 0)
    assert b.order[-1] == GATTC_SERVICE_DONE
    with raises(Failed, "TypeError"):
        await b.do(f"ble.gattc_discover_services({cb}, 0x180d)")


async def test_gattc_characteristic_result_and_done(a, b):
    await active(a, b)
    handle = await serve(a, READ | NOTIFY, "((UUID(0x2901), 2),)")
    _, cb = await connect(a, b)
    await b.do(f"ble.gattc_discover_characteristics({cb}, 1, 0xffff, UUID(0x2a37))")
    conn, end, value, properties, uuid = await b.irq(GATTC_CHARACTERISTIC_RESULT)
    assert (conn, value, properties, uuid) == (cb, handle, READ | NOTIFY, UUID(0x2a37)) and \
        end >= handle + 2
    assert await b.irq(GATTC_CHARACTERISTIC_DONE) == (cb, 0)
    await b.do(f"ble.gattc_discover_characteristics({cb}, {handle - 1}, {end})")
    assert await b.irq(GATTC_CHARACTERISTIC_RESULT) == (conn, end, value, properties, uuid)
    await b.irq(GATTC_CHARACTERISTIC_DONE)


async def test_gattc_descriptor_result_and_done(a, b):
    await active(a, b)
    handle = await serve(a, READ | NOTIFY, "((UUID(0x2901), 2), (UUID(0x2902), 10))")
    _, cb = await connect(a, b)
    await b.do(f"ble.gattc_discover_descriptors({cb}, {handle + 1}, {handle + 2})")
    found = [await b.irq(GATTC_DESCRIPTOR_RESULT) for _ in range(2)]
    assert found == [(cb, handle + 1, UUID(0x2902)), (cb, handle + 2, UUID(0x2901))]
    assert await b.irq(GATTC_DESCRIPTOR_DONE) == (cb, 0)
    assert b.order[-1] == GATTC_DESCRIPTOR_DONE


async def test_gattc_read_result_and_done(a, b):
    await active(a, b)
    handle = await serve(a, READ)
    await a.do(f"ble.gatts_write({handle}, b'value')")
    _, cb = await connect(a, b)
    await b.do(f"ble.gattc_read({cb}, {handle})")
    result = await b.irq(GATTC_READ_RESULT)
    assert result == (cb, handle, b"value") and type(result[2]) is View
    assert await b.irq(GATTC_READ_DONE) == (cb, handle, 0)
    assert b.order[-2:] == [GATTC_READ_RESULT, GATTC_READ_DONE]
    await b.do(f"ble.gattc_read({cb}, 0xfff0)")
    assert await b.irq(GATTC_READ_DONE) == (cb, 0xfff0, 1)
    assert b.order.count(GATTC_READ_RESULT) == 1


async def test_gattc_write_done(a, b):
    await active(a, b)
    handle = await serve(a, READ | WRITE | WRITE_NR)
    _, cb = await connect(a, b)
    await b.do(f"ble.gattc_write({cb}, {handle}, b'command')")
    await b.do(f"ble.gattc_write({cb}, {handle}, bytearray(100), 1)")
    assert await b.irq(GATTC_WRITE_DONE) == (cb, handle, 0)
    await b.do(f"ble.gattc_write({cb}, 0xfff0, b'', True)")
    assert await b.irq(GATTC_WRITE_DONE) == (cb, 0xfff0, 1)
    assert b.order.count(GATTC_WRITE_DONE) == 2
    await a.irq(GATTS_WRITE)
    await a.irq(GATTS_WRITE)
    assert await a.do(f"ble.gatts_read({handle})") == bytes(20)
    # At most MTU - 3 octets go out.
    await a.do(f"ble.gatts_set_buffer({handle}, 200)")
    for mode in 0, 1:
        await b.do(f"ble.gattc_write({cb}, {handle}, bytes(100), {mode})")
        await a.irq(GATTS_WRITE)
        assert await a.do(f"len(ble.gatts_read({handle}))") == 20
    await b.do(f"hooks[21] = lambda conn, mtu: ble.gattc_write({cb}, {handle}, bytes(100))")
    await b.do(f"ble.gattc_exchange_mtu({cb})")
    await a.irq(GATTS_WRITE)
    assert await a.do(f"len(ble.gatts_read({handle}))") == 100
    with raises(Failed, "OSError', 107)"):
        await b.do(f"ble.gattc_write(999, {handle}, b'')")


async def test_gattc_notify(a, b):
    await active(a, b)
    handle = await serve(a, READ | NOTIFY)
    ca, cb = await connect(a, b)
    await a.do(f"ble.gatts_write({handle}, b'local')")
    await a.do(f"ble.gatts_notify({ca}, {handle})")
    value = await b.irq(GATTC_NOTIFY)
    assert value == (cb, handle, b"local") and type(value[2]) is View
    await a.do(f"ble.gatts_notify({ca}, {handle}, 'other')")
    assert await b.irq(GATTC_NOTIFY) == (cb, handle, b"other")
    assert await a.do(f"ble.gatts_read({handle})") == b"local"
    await a.do(f"ble.gatts_notify({ca}, {handle}, bytes(50))")
    assert (await b.irq(GATTC_NOTIFY))[2] == bytes(20)
    with raises(Failed, "OSError', 107)"):
        await a.do(f"ble.gatts_notify(77, {handle})")


async def test_gatts_write_sends_updates_to_subscribers(a, b):
    await active(a, b)
    handle = await serve(a, READ | NOTIFY)
    ca, cb = await connect(a, b)
    await a.do(f"ble.gatts_write({handle}, b'unheard', True)")
    await b.do(f"ble.gattc_write({cb}, {handle + 1}, b'\\1\\0', 1)")
    await b.irq(GATTC_WRITE_DONE)
    await a.do(f"ble.gatts_write({handle}, b'quiet')")
    await a.do(f"ble.gatts_write({handle}, b'heard', True)")
    assert await b.irq(GATTC_NOTIFY) == (cb, handle, b"heard")


async def test_gattc_indicate_and_gatts_indicate_done(a, b):
    await active(a, b)
    handle = await serve(a, READ | INDICATE)
    ca, cb = await connect(a, b)
    await a.do(f"ble.gatts_indicate({ca}, {handle}, b'sure')")
    value = await b.irq(GATTC_INDICATE)
    assert value == (cb, handle, b"sure") and type(value[2]) is View
    assert await a.irq(GATTS_INDICATE_DONE) == (ca, handle, 0)


async def test_mtu_exchanged(a, b):
    await active(a, b)
    await a.do("ble.config(mtu=100)")
    assert await a.do("ble.config('mtu')") == 100
    ca, cb = await connect(a, b)
    await b.do(f"ble.gattc_exchange_mtu({cb})")
    assert await b.irq(MTU_EXCHANGED) == (cb, 100)
    assert await a.irq(MTU_EXCHANGED) == (ca, 100)
    await b.do(f"ble.gattc_exchange_mtu({cb})")
    assert await b.irq(MTU_EXCHANGED) == (cb, 100), "told again, for who waits for it"


async def test_connection_update(a, b):
    await active(a, b)
    ca, cb = await connect(a, b)
    # What MicroPython has no call for, another client of the daemon does.
    interval = Variant("u", 50000)
    await b.daemon.call("Link1", "UpdateParameters", "qa{sv}", cb,
                        {"min_conn_interval_us": interval, "max_conn_interval_us": interval})
    conn, interval, latency, timeout, status = await a.irq(CONNECTION_UPDATE)
    assert (conn, interval, latency, status) == (ca, 40, 0, 0) and timeout >= 10
    assert await b.irq(CONNECTION_UPDATE) == (cb, 40, 0, timeout, 0)


async def test_the_handles_of_services_and_their_descriptors(a, b):
    await active(a)
    handles = await a.do(
        "ble.gatts_register_services(((UUID(0x180d), ((UUID(1), bluetooth.FLAG_READ), (UUID(2), "
        "0x10010 | bluetooth.FLAG_NOTIFY, ((UUID(0x2901), 2), (UUID(0x2902), 10), (UUID(0x2904), 2))))), "
        "(UUID(0x1810), ())))")
    first = handles[0][0]
    assert handles == [(first, first + 2, first + 4, first + 3, first + 5), ()]
    await a.do("ble.gap_advertise(20000)")
    with raises(Failed, "OSError', 16)"):
        await a.do("ble.gatts_register_services([])")
    await a.do("ble.gap_advertise(None)")
    assert await a.do("ble.gatts_register_services([])") == []
    with raises(Failed, "OSError', 2)"):
        await a.do(f"ble.gatts_read({first})")


async def test_each_flag_says_what_a_client_may(a, b):
    await active(a, b)
    names = ("BROADCAST READ WRITE_NO_RESPONSE WRITE NOTIFY INDICATE AUTHENTICATED_SIGNED_WRITE AUX_WRITE "
             "READ_ENCRYPTED READ_AUTHENTICATED READ_AUTHORIZED WRITE_ENCRYPTED WRITE_AUTHENTICATED "
             "WRITE_AUTHORIZED").split()
    handles = (await a.do("ble.gatts_register_services([(UUID(0x180d), [(UUID(0x2a37), bluetooth.FLAG_READ | "
                          f"bluetooth.FLAG_WRITE | getattr(bluetooth, 'FLAG_' + n)) for n in {names}])])"))[0]
    at = dict(zip(names, handles))
    _, cb = await connect(a, b)
    await b.do(f"ble.gattc_discover_characteristics({cb}, 1, 0xffff, UUID(0x2a37))")
    for bit, name in enumerate(names):
        properties = (await b.irq(GATTC_CHARACTERISTIC_RESULT))[3]
        assert properties == READ | WRITE | (1 << bit if bit < 7 else 0x80 if bit == 7 else 0), name
    refused = {"READ_ENCRYPTED": 0x05, "READ_AUTHENTICATED": 0x05}
    for name in names:
        await b.do(f"ble.gattc_read({cb}, {at[name]})")
        status = (await b.irq(GATTC_READ_DONE))[2]
        assert (status in (0x05, 0x0f)) == (name in refused) and (status == 0) != (name in refused), name
        await b.do(f"ble.gattc_write({cb}, {at[name]}, b'', 1)")
        status = (await b.irq(GATTC_WRITE_DONE))[2]
        wanted = {"WRITE_ENCRYPTED": (0x05, 0x0f), "WRITE_AUTHENTICATED": (0x05, 0x0f),
                  "WRITE_AUTHORIZED": (0x08,)}.get(name, (0,))
        assert status in wanted, (name, status)
    # Without a handler nobody authorizes.
    await a.do("ble.irq(None)")
    for name, status in ("READ", 0), ("READ_AUTHORIZED", 8):
        await b.do(f"ble.gattc_read({cb}, {at[name]})")
        assert await b.irq(GATTC_READ_DONE) == (cb, at[name], status)


async def test_each_adv_type(a, b):
    await a.do("ble.config(addr_mode=1)")
    await active(a, b)
    kind, addr = await mac(b)
    me = ":".join(f"{o:02X}" for o in addr)
    ours = []
    for adv_type, options in ((0, {}), (2, {"connectable": Variant("b", False)}),
                              (3, {"connectable": Variant("b", False), "scannable": Variant("b", False)}),
                              (1, {"directed": Variant("(ys)", [kind, me])}),
                              (4, {"resp_data": Variant("ay", b"\x02\x0a\x00")})):
        await a.daemon.call("Broadcaster1", "Advertise", "ua{sv}", 20000, options)
        await b.do("ble.gap_scan(0, 30000, 30000, True)")
        found = await b.irq(SCAN_RESULT, lambda *d: d[2] == adv_type)
        await b.do("ble.gap_scan(None)")
        await b.irq(SCAN_DONE)
        await a.daemon.call("Broadcaster1", "StopAdvertising", "y", 255)
        ours.append(found[:2])
    assert ours == [await mac(a)] * 5 and ours[0][0] == 1


if __name__ == "__main__":
    main(*[f for name, f in list(globals().items()) if name.startswith("test_")])
