#!/usr/bin/env python3
"""Programs under bled-micropython, and programs of CPython that import bled.micropython. MicroPython's
own library aioble is not here, as it comes from no package of the distribution: ASYNC uses what it
uses."""
import asyncio
import os
import pathlib
import signal
import tempfile

from board import RUNNER, Program
from bledtest import DEADLINE
from pybled import FAST, adapter, daemons, main

PYTHON = "/usr/bin/python3"
EXAMPLES = pathlib.Path(__file__).parents[1] / "support/seed_micropython.py"


async def run(code, *args, world=None, says=b""):
    """(status, output, errors) of a program."""
    if world is None:
        process = await asyncio.create_subprocess_exec(
            RUNNER, "-c", code, *args, stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
        out, err = await asyncio.wait_for(process.communicate(says), DEADLINE)
        return process.returncode, out.decode(), err.decode()
    program = await Program.start(world, 0, RUNNER, "-c", code, *args)
    program.process.stdin.write(says)
    status = await program.end()
    await program.task
    return status, "\n".join(program.lines) + "\n", program.process.log.text


async def test_the_examples_of_the_documentation_run():
    async with daemons() as world, adapter(world, "b") as b:
        program = await Program.start(world, 0, RUNNER, str(EXAMPLES))
        hr, tx, rx = map(int, (await program.said(" ")).split())
        assert hr < tx < rx
        kind, address = await world.bleds[0].address()
        async with b.connect(address, kind, **FAST) as link:
            rate = await (await link.service("180d")).characteristic("2a37")
            assert rate.handle == hr and await rate.read() == b"\0\x48"
            uart = await link.service("6e400001-b5a3-f393-e0a9-e50e24dcca9e")
            at = {c.uuid[:8]: c for c in await uart.characteristics()}
            assert at["6e400003"].handle == tx and at["6e400002"].handle == rx
            await link.exchange_mtu()
            async with at["6e400003"].notifications():
                await link.pair()
                await at["6e400002"].write(b"end")
            assert await link.disconnected is not None
        assert await program.end() == 0 and not program.process.log.text


LENIENT = r"""
import struct, ujson, json, ubinascii, uos, os, sys, gc
from micropython import const
import micropython, machine, bluetooth
_X = const(5)
print(struct.pack("BB", 3, 9) + "ab", struct.pack("<Bh", 300, 40000), struct.pack("2s", "hi"))
b = bytearray(3)
b[0] = 257; b[1] = -1; b[2] = 65
b += "text"; b += struct.pack("B", 1); b.extend("y"); b.append(256)
print(bytes(b), isinstance(b, bytearray), isinstance(bytearray(2), bytearray), b == bytearray(b))
print(bytes(bytearray([300, 2])), bytes(bytearray("abc")), bytearray(b"q") + "r", memoryview(b)[0])
print(json.dumps([1, b"ab"]), ujson.loads("[1]"), ubinascii.hexlify(b"\1\2", ":"))
@micropython.native
def f(x: Nowhere = None): return x
print(f(_X), len(machine.unique_id()), hasattr(bluetooth, "FLAG_WRITE_NO_RESPONSE"))
class Big(bytearray): pass
print(isinstance(Big(b"1"), bytearray), Big(b"12")[1])
try: 1 // 0
except Exception as e: sys.print_exception(e)
gc.collect(); gc.mem_free()
assert bytes(memoryview("abc")[1:]) == b"bc" and isinstance(memoryview(b""), memoryview)
assert uos is os and [len(e) for e in os.ilistdir("/")][0] == 4
sys.exit(len(sys.argv))
"""


async def test_what_micropython_lets_pass():
    status, out, err = await run(LENIENT, "one", "--two")
    assert status == 3, (status, out, err)
    assert out.splitlines() == [
        r"b'\x03\tab' b',@\x9c' b'hi'",
        r"b'\x01\xffAtext\x01y\x00' True True True",
        r"b',\x02' b'abc' bytearray(b'qr') 1",
        "[1, \"ab\"] [1] b'01:02'", "5 8 True", "True 50"], out
    assert err.splitlines()[-1] == "ZeroDivisionError: integer division or modulo by zero"


async def test_ticks():
    status, out, err = await run(
        "import time, utime\nassert utime is time\nT = 1 << 30\n"
        "print(time.ticks_add(T - 1, 2), time.ticks_diff(1, T - 1), time.ticks_diff(T - 1, 1))\n"
        "a = time.ticks_ms(); time.sleep_ms(30); print(30 <= time.ticks_diff(time.ticks_ms(), a))\n"
        "a = time.ticks_us(); time.sleep_us(300); print(300 <= time.ticks_diff(time.ticks_us(), a))")
    assert (status, out) == (0, "1 2 -2\nTrue\nTrue\n"), (out, err)


async def test_timers_and_pins():
    status, out, err = await run(r"""
import machine, time, micropython
seen = []
t = machine.Timer(-1)
t.init(period=5, mode=machine.Timer.PERIODIC, callback=lambda timer: seen.append(timer is t))
while len(seen) < 3: machine.idle()
t.deinit()
machine.Timer(0, freq=100, mode=machine.Timer.ONE_SHOT, callback=lambda _: seen.append("once"))
while "once" not in seen: pass
pin = machine.Pin("LED", machine.Pin.OUT)
pin.on(); pin.toggle(); pin(1)
micropython.schedule(lambda _: 1 // 0, None)
time.sleep_ms(0)
print(seen[:3], seen.count("once"), pin.value())
machine.reset()
""")
    assert (status, out) == (0, "[True, True, True] 1 1\n") and err.endswith("by zero\n"), (out, err)


async def test_libraries_of_micropython_are_found():
    with tempfile.TemporaryDirectory() as directory:
        package = pathlib.Path(directory) / "aiolike"
        package.mkdir()
        (package / "__init__.py").write_text("from .core import data\n")
        (package / "core.py").write_text("import struct\ndef data(x: Any = 1):\n"
                                         "    return struct.pack('B', x) + 'y'\n")
        process = await asyncio.create_subprocess_exec(
            RUNNER, "-c", "import aiolike; print(aiolike.data(258))", stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "MICROPYPATH": f"/nonexistent:{directory}"})
        out, _ = await asyncio.wait_for(process.communicate(), DEADLINE)
        assert out == b"b'\\x02y'\n", out


async def test_uuids():
    code = r"""
from bluetooth import UUID
a, b = UUID(0x2908), UUID('6E400001-B5A3-F393-E0A9-E50E24DCCA9E')
print(a, repr(b), bytes(a), bytes(b)[:2], UUID(bytes(b)) == b == UUID(memoryview(bytes(b))) == UUID(b))
print(a < b, b > a, a <= UUID(0x2908) >= a, UUID(0x0100) < UUID(0x0002), UUID(b'\1\2\3\4'), UUID(-1))
print({UUID(1): 1}[UUID(1)], UUID(1) != UUID(2), UUID(1) == 1, UUID(b'6e400001b5a3f393e0a9e50e24dcca9e') == b)
for bad in 0x10000, 'abcde', '', b'123', '6E400001-B5A3-F393-E0A9-E50E24DCCA9':
    try: print("no error", UUID(bad))
    except ValueError as e: print(e, end=" ")
"""
    status, out, err = await run(code)
    assert out.splitlines() == [
        r"UUID(0x2908) UUID('6e400001-b5a3-f393-e0a9-e50e24dcca9e') b'\x08)' b'\x9e\xca' True",
        "True True True True UUID(0x04030201) UUID(0xffff)", "1 True False True",
        "invalid UUID " * 5], (out, err)


async def test_a_program_that_fails_says_where_and_exits_with_1():
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory)
        (path / "beside.py").write_text("import struct\ndef f(x):\n    return struct.pack('B', x) + 'x'\n")
        (path / "main.py").write_text("import sys\nfrom beside import f\nprint(__name__, __file__ == sys.argv[0],"
                                      " sys.argv[1:], f(300))\n\n1 // 0\n")
        process = await asyncio.create_subprocess_exec(
            RUNNER, str(path / "main.py"), "-x", stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
        out, err = await asyncio.wait_for(process.communicate(), DEADLINE)
    assert process.returncode == 1 and out == b"__main__ True ['-x'] b',x'\n", out
    assert err.decode().splitlines()[1].endswith('main.py", line 5, in <module>') and \
        b"bled" not in err.replace(directory.encode(), b""), err
    status, out, err = await run("import bluetooth\nbluetooth.BLE().gap_scan(10)\n")
    assert status == 1 and err.splitlines() == [
        "Traceback (most recent call last):", '  File "<string>", line 2, in <module>',
        "OSError: [Errno 19] BLE is not active"], err
    for wrong in [], ["--nonsense"], ["/nonexistent.py"]:
        process = await asyncio.create_subprocess_exec(
            RUNNER, *wrong, stderr=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL)
        assert await asyncio.wait_for(process.wait(), DEADLINE) in (1, 2), wrong


# What aioble leans on: flags that handlers set, tasks made before the loop runs, short deques,
# a timeout made of cancelling, results by async iterators.
ASYNC = r"""
import uasyncio as asyncio, bluetooth, sys
from collections import deque
from micropython import const, schedule
ble = bluetooth.BLE()
found, news, done = deque((), 1), asyncio.ThreadSafeFlag(), asyncio.ThreadSafeFlag()
log = []
def irq(event, data):
    if event == 5 and len(found) == 0:
        found.append((data[0], bytes(data[1])))
        news.set()
    elif event == 6:
        done.set()
    elif event == 7:
        found.append(data[0])
        news.set()
    elif event == 8:
        schedule(lambda what: log.append(what), "scheduled")
        done.set()
ble.irq(irq)
async def early():
    log.append("early")
    try:
        await asyncio.sleep_ms(100000)
    except asyncio.CancelledError:
        log.append("cancelled")
        raise
task = asyncio.create_task(early())
class Timeout:
    def __init__(self, ms): self.ms, self.task = ms, asyncio.current_task()
    async def run(self):
        await asyncio.sleep_ms(self.ms)
        self.timer = None
        self.task.cancel()
    def __enter__(self): self.timer = asyncio.create_task(self.run())
    def __exit__(self, kind, value, trace):
        if self.timer: self.timer.cancel()
        elif kind is asyncio.CancelledError: raise asyncio.TimeoutError
async def main():
    ble.active(True)
    ble.gap_scan(0, 30000, 30000)
    with Timeout(5000): await news.wait()
    ble.gap_scan(None)
    await done.wait()
    ble.gap_connect(*found.popleft())
    await asyncio.wait_for_ms(news.wait(), 5000)
    try:
        with Timeout(20): await news.wait()
    except asyncio.TimeoutError: log.append("timeout")
    try: await asyncio.wait_for_ms(news.wait(), 20)
    except asyncio.TimeoutError: log.append("timeout")
    ble.gap_disconnect(found.popleft())
    await done.wait()
    await asyncio.sleep_ms(0)
    task.cancel()
    try: await task
    except asyncio.CancelledError: pass
    asyncio.create_task(late())
async def late():
    log.append("late")
asyncio.run(main())
async def more(): await asyncio.sleep_ms(1)
asyncio.get_event_loop().run_until_complete(more())
print(log)
ble.active(False)
"""


async def test_asyncio_as_a_board_has_it():
    async with daemons() as world, adapter(world, "b") as b:
        async with b.advertise(name="here", interval_ms=20):
            status, out, err = await run(ASYNC, world=world)
    assert (status, out) == (0, "['early', 'timeout', 'timeout', 'scheduled', 'cancelled', 'late']\n"), \
        (status, out, err)


STDIN = r"""
import sys, uselect, select, bluetooth, time
ble = bluetooth.BLE()
ble.irq(lambda event, data: print("event", event) or None if event != 29 else None)
ble.active(True)
ble.gap_scan(10)
print(input("name? "))
ble.gap_scan(10)
poll = select.poll()
poll.register(sys.stdin, select.POLLIN)
print(poll.poll(100))
print("go")
got = poll.poll()
print(got[0][0] is sys.stdin, sys.stdin.read(1), len(poll.poll(0)), sys.stdin.readline(), poll.poll(0))
print(uselect.select([sys.stdin], [], [], 0.01), repr(sys.stdin.readline()))
"""


async def test_handlers_run_while_standard_input_is_waited_for():
    async with daemons(controllers=1) as world:
        program = await Program.start(world, 0, RUNNER, "-c", STDIN)
        assert await program.said("event 6") == "name? event 6"
        program.say("Größe")
        await program.said("Größe")
        await program.said("event 6")
        await program.said("[]")
        await program.said("go")
        program.say("xyz")
        await program.said("True x 1 yz")
        assert await program.end() == 0, program.process.log.text


CPYTHON = r"""
import asyncio, time, struct, sys
import bled.micropython
import bluetooth, micropython, machine
assert isinstance(sys.stdin, type(sys.stdout)) and type(struct.pack("B", 1)) is bytes
ble, seen = bluetooth.BLE(), []
ble.irq(lambda event, data: seen.append(event))
ble.active(True)
ble.gap_scan(10)
async def main():
    await asyncio.sleep_ms(1)
    while 6 not in seen: await asyncio.sleep(0.005)
    flag = asyncio.ThreadSafeFlag()
    ble.irq(lambda event, data: event == 6 and flag.set())
    ble.gap_scan(10)
    await flag.wait()
asyncio.run(main())
print("ran", time.ticks_diff(time.ticks_ms(), time.ticks_ms()) <= 0)
"""


async def test_a_cpython_program_that_wants_it():
    async with daemons(controllers=1) as world:
        program = await Program.start(world, 0, PYTHON, "-c", CPYTHON)
        await program.said("ran True")
        assert await program.end() == 0, program.process.log.text
        # Who does not ask for it has nothing of it.
        other = await Program.start(
            world, 0, PYTHON, "-c", "import bled, bled.pycom, time, asyncio, sys\nprint('has', "
            "hasattr(time, 'ticks_ms'), hasattr(asyncio, 'sleep_ms'), 'bluetooth' in sys.modules)")
        await other.said("has False False False")


async def test_the_bus_and_the_adapter_are_chosen():
    async with daemons() as world:
        code = "import bluetooth; b = bluetooth.BLE(); b.active(True); print('mac', b.config('mac')[1].hex(':').upper())"
        process = await world.spawn(RUNNER, f"--bus={world.address}", "--bus-name", "org.bled.b", "--adapter",
                                    "hci0", "-c", code, tag="program", stdout=asyncio.subprocess.PIPE)
        program = Program(process)
        line = await program.said("mac")
        await world.bleds[1].activate()
        assert line.split()[1] == (await world.bleds[1].address())[1]
        assert await asyncio.wait_for(process.wait(), DEADLINE) == 0
        status, _, err = await run("import bluetooth; b = bluetooth.BLE()\ntry: b.active(True)\n"
                                   "except OSError as e: raise SystemExit(e.errno)")
        assert status in (0, 19), err


async def test_the_daemons_end_is_the_radios():
    async with daemons(controllers=1) as world:
        program = await Program.start(
            world, 0, RUNNER, "-c", "import bluetooth, time\nb = bluetooth.BLE(); b.active(True); print('on')\n"
            "while b.active(): time.sleep_ms(5)\ntry: b.gap_scan(10)\nexcept OSError as e: print('errno', e.errno)")
        await program.said("on")
        await world.bleds[0].stop()
        await program.said("errno 19")
        assert await program.end() == 0


async def test_after_the_end_with_i_handlers_go_on():
    async with daemons() as world, adapter(world, "b") as b:
        program = await Program.start(
            world, 0, RUNNER, "-i", "-c", "import bluetooth\nble = bluetooth.BLE()\n"
            "ble.irq(lambda event, data: print('event', event) if event < 3 else None)\nble.active(True)\n"
            "ble.gap_advertise(20000, b'\\2\\1\\6'); print('end')")
        await program.said("end")
        kind, address = await world.bleds[0].address()
        async with b.connect(address, kind, **FAST):
            await program.said("event 1")
        await program.said("event 2")
        program.process.send_signal(signal.SIGINT)
        assert await program.end() == 130


main(*[f for name, f in list(globals().items()) if name.startswith("test_")])
