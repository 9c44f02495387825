#!/usr/bin/env python3
"""MicroPython's bluetooth: configuration, the handler and where it runs, security, channels."""
from board import (ENCRYPTION_UPDATE, GATTC_CHARACTERISTIC_RESULT, GATTC_READ_DONE,
                   GATTC_READ_RESULT, GET_SECRET, L2CAP_ACCEPT, L2CAP_CONNECT, L2CAP_DISCONNECT,
                   L2CAP_RECV, L2CAP_SEND_READY, PASSKEY_ACTION, PERIPHERAL_CONNECT,
                   PERIPHERAL_DISCONNECT, SCAN_DONE, SCAN_RESULT, SET_SECRET, Failed, View, active, connect, mac, main, serve)
from pybled import raises

READ, READ_ENCRYPTED = 2, 0x200
OFF = "OSError', 19)"


# Configuration

async def test_active_and_what_needs_it(a, b):
    assert await a.do("ble is bluetooth.BLE() and ble.active()") is False
    for call in ("gap_advertise(100000)", "gap_scan(10)", "gap_connect(0, bytes(6))", "config('mac')",
                 "gap_disconnect(1)", "gatts_register_services([])", "gatts_read(20)", "gattc_read(1, 2)",
                 "l2cap_listen(128, 100)", "gap_pair(1)"):
        with raises(Failed, OFF):
            await a.do("ble." + call)
    assert await a.do("ble.active(1)") is True and await a.do("ble.active()") is True
    assert await a.do("ble.active(True)") is True
    kind, addr = await a.do("ble.config('mac')")
    assert kind == 0 and type(addr) is bytes and len(addr) == 6
    assert await a.do("ble.active(0)") is False and await a.do("ble.active()") is False


async def test_active_false_ends_everything(a, b):
    await active(a, b)
    handle = await serve(a, READ)
    _, cb = await connect(a, b)
    await a.do("ble.gap_scan(0, 30000, 30000)")
    await a.do("ble.l2cap_listen(0x80, 100)")
    before = list(a.order)
    assert await a.do("ble.active(False)") is False
    assert (await b.irq(PERIPHERAL_DISCONNECT))[0] == cb
    await a.do("time.sleep_ms(1)")
    assert a.order == before, "nothing is told of what has been ended"
    await a.do("ble.active(True)")
    with raises(Failed, "OSError', 2)"):
        await a.do(f"ble.gatts_read({handle})")
    await a.do("ble.l2cap_listen(0x80, 100)")


async def test_active_false_in_a_handler_and_many_times(a, b):
    await active(a)
    await a.do("import os\nhooks[6] = lambda: kept.append(ble.active(False))")
    await a.do("ble.gap_scan(10)")
    await a.irq(SCAN_DONE)
    assert await a.do("kept, ble.active()") == ([False], False)
    await a.do("ble.active(True); ble.active(False); n = len(os.listdir('/proc/self/fd'))")
    await a.do("for i in range(10): ble.active(True); ble.active(False)")
    assert await a.do("len(os.listdir('/proc/self/fd')) - n") == 0


async def test_config_before_active(a, b):
    await a.do("ble.config(gap_name='Größe', mtu=150, rxbuf=100, bond=False, mitm=True, io=4, "
               "le_secure=True, addr_mode=1)")
    name = "Größe".encode()
    wanted = {"gap_name": name, "mtu": 150, "rxbuf": 100, "bond": False, "mitm": True, "io": 4,
              "le_secure": True, "addr_mode": 1}
    for param, value in wanted.items():
        assert await a.do(f"ble.config({param!r})") == value, param
    await active(a, b)
    kind, addr = await a.do("ble.config('mac')")
    assert kind == 1 and addr[0] >> 6 == 3
    _, cb = await connect(a, b)
    await b.do(f"ble.gattc_discover_characteristics({cb}, 1, 0xffff, UUID(0x2a00))")
    handle = (await b.irq(GATTC_CHARACTERISTIC_RESULT))[2]
    await b.do(f"ble.gattc_read({cb}, {handle})")
    assert (await b.irq(GATTC_READ_RESULT))[2] == name
    with raises(Failed, "ValueError"):
        await a.do("ble.config('nonsense')")
    with raises(Failed, "ValueError"):
        await a.do("ble.config(nonsense=1)")
    with raises(Failed, "TypeError"):
        await a.do("ble.config('mtu', mtu=100)")
    with raises(Failed, "OSError', 22)"):
        await a.do("ble.config(mtu=5)")


async def test_private_addresses(a, b):
    await active(a)
    for mode, top in (2, 1), (3, 0):
        await a.do(f"ble.config(addr_mode={mode})")
        await a.do("ble.gap_advertise(20000)")
        kind, addr = await a.do("ble.config('mac')")
        assert kind == 1 and addr[0] >> 6 == top
        await a.do("ble.gap_advertise(None)")


# The handler

async def test_a_handler_that_fails_is_printed_and_removed(a, b):
    await active(a)
    await a.do("import sys, io; sys.stderr = io.StringIO()")
    await a.do("hooks[6] = lambda: 1 // 0")
    await a.do("ble.gap_scan(10)")
    await a.irq(SCAN_DONE)
    printed = await a.do("sys.stderr.getvalue()")
    await a.do("sys.stderr = sys.__stderr__")
    lines = printed.splitlines()
    assert lines[:2] == ["Unhandled exception in IRQ callback handler",
                         "Traceback (most recent call last):"], printed
    assert lines[-1] == "ZeroDivisionError: integer division or modulo by zero"
    assert "bled" not in printed
    await a.do("hooks.clear()")
    await a.do("ble.gap_scan(10)")
    await a.do("time.sleep_ms(50)")
    assert a.order.count(SCAN_DONE) == 1
    await a.do("ble.irq(irq)")
    await a.do("ble.gap_scan(10)")
    await a.irq(SCAN_DONE)
    with raises(Failed, "ValueError"):
        await a.do("ble.irq(5)")


async def test_handlers_are_not_nested_and_calls_in_them_work(a, b):
    await active(a, b)
    await a.do("deep = 0\ndef scanned(*data):\n    global deep\n    deep += 1\n"
               "    ble.gap_scan(10); time.sleep_ms(60); machine.idle()\n"
               "    kept.append((deep, ble.config('mac')[0])); deep -= 1\n"
               "hooks[6] = scanned")
    await a.do("ble.gap_scan(10)")
    for _ in range(3):
        await a.irq(SCAN_DONE)
    await a.do("hooks.clear()")
    found = await a.do("kept")
    assert found and all(one == (1, 0) for one in found)


async def test_handlers_run_where_the_program_waits(a, b):
    await active(a)
    for wait in ("while not kept: time.sleep_ms(20)", "while not kept: time.sleep(0.02)",
                 "while not kept: machine.idle()", "while not kept: pass"):
        await a.do("kept.clear(); hooks[6] = lambda: kept.append(1)")
        assert await a.do("ble.gap_scan(10)") is None
        if wait.endswith("pass"):
            # The agent's own code is compiled by CPython alone: the program's is not.
            wait = f"exec(lenient.compiled({wait!r}, 'x'), dict(globals(), **lenient.BUILTINS))"
            await a.do("from bled.micropython import lenient")
        await a.do(wait)
        assert await a.do("kept") == [1], wait
    await a.do("ble.gap_scan(10)")
    await a.do("hooks[6] = lambda: kept.append(2)")
    await a.irq(SCAN_DONE)  # while it waits for standard input


async def test_memoryviews_are_valid_in_the_handler(a, b):
    await active(a, b)
    await a.do("ble.gap_advertise(20000, b'\\x02\\x01\\x06')")
    await b.do("hooks[5] = lambda *data: kept.append((data[1], bytes(data[1]), data[4].readonly, "
               "data[1] == bytes(data[1])))")
    await b.do("ble.gap_scan(0, 30000, 30000)")
    await b.irq(SCAN_RESULT)
    await b.do("ble.gap_scan(None)")
    assert await b.do("kept[0][1:]") == (bytes((await mac(a))[1]), True, True)
    with raises(Failed, "ValueError"):
        await b.do("bytes(kept[0][0])")


async def test_a_small_rxbuf_loses_reports_and_nothing_else(a, b):
    await active(a, b)
    await b.do("ble.config(rxbuf=512)")
    await a.do("ble.gap_advertise(20000, bytes(31))")
    b.say("ble.gap_scan(600, 20000, 20000)\\nt = time.ticks_ms()\\n"
          "while time.ticks_diff(time.ticks_ms(), t) < 800: x = 1")
    await b.irq(SCAN_DONE)
    await b.until(lambda: b.answers.pop(0) if b.answers else None, "end of computing")
    assert 1 <= b.order.count(SCAN_RESULT) <= 512 // 63


async def test_schedule_runs_among_handlers(a, b):
    await a.do("micropython.schedule(kept.append, 1); kept.append(0)")
    await a.do("time.sleep_ms(0)")
    assert await a.do("kept") == [0, 1]


# Security

async def secure(a, b, **config):
    for board in a, b:
        for name, value in config.items():
            await board.do(f"ble.config({name}={value})")
    await active(a, b)


async def test_encryption_update_and_secrets(a, b):
    await secure(a, b, le_secure=True)
    assert await a.irq(GET_SECRET) == (1, 0, None)
    handle = await serve(a, READ | READ_ENCRYPTED)
    ca, cb = await connect(a, b)
    await b.do(f"ble.gattc_read({cb}, {handle})")
    assert (await b.irq(GATTC_READ_DONE))[2] in (0x05, 0x0f)
    await b.do(f"ble.gap_pair({cb})")
    assert await b.irq(ENCRYPTION_UPDATE) == (cb, True, False, True, 16)
    assert await a.irq(ENCRYPTION_UPDATE) == (ca, True, False, True, 16)
    kind, key, value = await b.irq(SET_SECRET)
    assert kind == 1 and type(key) is View and type(value) is View
    await b.do(f"ble.gattc_read({cb}, {handle})")
    assert await b.irq(GATTC_READ_DONE) == (cb, handle, 0)
    # What was kept is asked for when the radio is on again, and serves.
    for board in a, b:
        await board.do("ble.active(False)")
    for kept in a.events, b.events, a.order, b.order:
        kept.clear()
    await active(a, b)
    assert await b.irq(GET_SECRET) == (1, 0, None) and await b.irq(GET_SECRET) == (1, 1, None)
    ca, cb = await connect(a, b)
    await b.do(f"ble.gap_pair({cb})")
    assert await b.irq(ENCRYPTION_UPDATE) == (cb, True, False, True, 16)
    await a.irq(ENCRYPTION_UPDATE)
    # Without them it does not.
    for board in a, b:
        await board.do("ble.active(False); secrets.clear()")
    await b.do("ble.config(bond=False)")
    for kept in a.events, b.events:
        kept.clear()
    await active(a, b)
    ca, cb = await connect(a, b)
    await b.do(f"ble.gap_pair({cb})")
    assert await b.irq(ENCRYPTION_UPDATE) == (cb, True, False, False, 16)


async def test_who_has_no_handler_at_first_is_asked_for_secrets_when_they_matter(a, b):
    for board in a, b:
        await board.do("ble.irq(None); ble.active(True); ble.irq(handler=irq)")
    kind, addr = await mac(a)
    await a.do("ble.gap_advertise(20000)")
    assert await a.irq(GET_SECRET) == (1, 0, None)
    await b.do(f"ble.gap_connect({kind}, {bytes(addr)})")
    cb, *_ = await b.irq(PERIPHERAL_CONNECT)
    assert GET_SECRET not in b.order
    await b.do(f"ble.gap_pair({cb})")
    assert await b.irq(GET_SECRET) == (1, 0, None)
    assert await b.irq(ENCRYPTION_UPDATE) == (cb, True, False, True, 16)
    assert (await a.irq(SET_SECRET))[0] == (await b.irq(SET_SECRET))[0] == 1


async def test_passkey_action_display_and_input(a, b):
    await a.do("ble.config(io=0)")
    await b.do("ble.config(io=2)")
    await secure(a, b, mitm=True, le_secure=True)
    ca, cb = await connect(a, b)
    await a.do("hooks[31] = lambda conn, action, _: ble.gap_passkey(conn, action, 123456)")
    await b.do(f"ble.gap_pair({cb})")
    assert await a.irq(PASSKEY_ACTION) == (ca, 3, 0)
    assert await b.irq(PASSKEY_ACTION) == (cb, 2, 0)
    await b.do(f"ble.gap_passkey({cb}, 2, 123456)")
    assert await b.irq(ENCRYPTION_UPDATE) == (cb, True, True, True, 16)


async def test_passkey_action_none(a, b):
    """Where there is nothing to ask, nothing is."""
    await secure(a, b)
    ca, cb = await connect(a, b)
    await b.do(f"ble.gap_pair({cb})")
    await b.irq(ENCRYPTION_UPDATE)
    assert PASSKEY_ACTION not in a.order + b.order
    with raises(Failed, "OSError"):
        await b.do(f"ble.gap_passkey({cb}, 0, 0)")


async def test_passkey_action_numeric_comparison(a, b):
    await secure(a, b, mitm=True, le_secure=True, io=1)
    ca, cb = await connect(a, b)
    await b.do(f"ble.gap_pair({cb})")
    here, there = await a.irq(PASSKEY_ACTION), await b.irq(PASSKEY_ACTION)
    assert here[:2] == (ca, 4) and there[:2] == (cb, 4) and here[2] == there[2] <= 999999
    await a.do(f"ble.gap_passkey({ca}, 4, 1)")
    await b.do(f"ble.gap_passkey({cb}, 4, 0)")
    assert await b.irq(ENCRYPTION_UPDATE) == (cb, False, False, False, 0)
    with raises(Failed, "OSError', 2)"):
        await b.do(f"ble.gap_passkey({cb}, 4, 1)")


# Channels

async def channel(a, b, mtu=128):
    await active(a, b)
    await a.do(f"ble.l2cap_listen(0x80, {mtu})")
    ca, cb = await connect(a, b)
    await b.do(f"ble.l2cap_connect({cb}, 0x80, 64)")
    here, there = await a.irq(L2CAP_CONNECT), await b.irq(L2CAP_CONNECT)
    return ca, here, cb, there


async def test_l2cap_accept_and_connect(a, b):
    ca, here, cb, there = await channel(a, b)
    assert await a.irq(L2CAP_ACCEPT) == here
    assert here[0] == ca and here[2:] == (0x80, 128, 64)
    assert there[0] == cb and there[2:] == (0x80, 64, 128)
    assert a.order[-2:] == [L2CAP_ACCEPT, L2CAP_CONNECT]


async def test_l2cap_accept_that_rejects(a, b):
    await active(a, b)
    await a.do("hooks[22] = lambda *data: 5")
    await a.do("ble.l2cap_listen(0x80, 128)")
    ca, cb = await connect(a, b)
    await b.do(f"ble.l2cap_connect({cb}, 0x80, 64)")
    assert (await a.irq(L2CAP_ACCEPT))[2] == 0x80
    assert await b.irq(L2CAP_DISCONNECT) == (cb, 0, 0x80, 0x304)
    await b.do(f"ble.l2cap_connect({cb}, 0x81, 64)")
    assert await b.irq(L2CAP_DISCONNECT) == (cb, 0, 0x81, 0x302)


async def test_l2cap_disconnect(a, b):
    ca, here, cb, there = await channel(a, b)
    await b.do(f"ble.l2cap_disconnect({cb}, {there[1]})")
    assert await b.irq(L2CAP_DISCONNECT) == (cb, there[1], 0x80, 0)
    assert await a.irq(L2CAP_DISCONNECT) == (ca, here[1], 0x80, 0)
    with raises(Failed, "OSError"):
        await b.do(f"ble.l2cap_disconnect({cb}, {there[1]})")


async def test_l2cap_recv_and_recvinto(a, b):
    ca, here, cb, there = await channel(a, b)
    assert await b.do(f"ble.l2cap_send({cb}, {there[1]}, b'1234567890')") is True
    assert await a.irq(L2CAP_RECV) == (ca, here[1])
    at = f"{ca}, {here[1]}"
    assert await a.do(f"ble.l2cap_recvinto({at}, None)") == 10
    await a.do("buf = bytearray(4)")
    assert await a.do(f"(ble.l2cap_recvinto({at}, buf), bytes(buf))") == (4, b"1234")
    assert await a.do(f"ble.l2cap_recvinto({at}, None)") == 6
    assert await a.do(f"(ble.l2cap_recvinto({at}, memoryview(buf)[1:3]), bytes(buf))") == (2, b"1564")
    await a.do("buf = bytearray(100)")
    assert await a.do(f"(ble.l2cap_recvinto({at}, buf), bytes(buf[:5]))") == (4, b"7890\0")
    assert await a.do(f"ble.l2cap_recvinto({at}, buf)") == 0
    with raises(Failed, "OSError', 22)"):
        await b.do(f"ble.l2cap_send({cb}, {there[1]}, bytes(129))")


async def test_l2cap_send_ready(a, b):
    ca, here, cb, there = await channel(a, b)
    at = f"{cb}, {there[1]}"
    sent = 0
    while await b.do(f"ble.l2cap_send({at}, bytes(128))"):
        sent += 1
    with raises(Failed, "OSError', 16)"):
        await b.do(f"ble.l2cap_send({at}, bytes(128))")
    for _ in range(sent + 1):
        await a.irq(L2CAP_RECV)
        assert await a.do(f"ble.l2cap_recvinto({ca}, {here[1]}, bytearray(128))") == 128
    assert await b.irq(L2CAP_SEND_READY) == (cb, there[1], 0)
    await b.do(f"ble.l2cap_send({at}, b'on')")
    await a.irq(L2CAP_RECV)


main(*[f for name, f in list(globals().items()) if name.startswith("test_")])
