#!/usr/bin/env python3
"""Pycom's Bluetooth class: its example, and each of its calls."""
import asyncio
import contextlib
import pathlib
import signal

from board import Program
from bledtest import DEADLINE
from pybled import FAST, adapter, daemons, main

PYTHON = "/usr/bin/python3"
EXAMPLE = pathlib.Path(__file__).parents[1] / "support/seed_pycom.py"
FIRST = "36353433-3231-3039-3837-363534333231"  # b'1234567890123456', as the air has it
CHAR1 = "36353433-3231-3039-3837-363534336261"


@contextlib.asynccontextmanager
async def running(*argv):
    """(the program on the first daemon, an Adapter of the second, the first's address)"""
    async with daemons() as world, adapter(world, "b") as b:
        program = await Program.start(world, 0, PYTHON, *argv)
        yield program, b, world


async def found(b, **options):
    """The first that advertises so."""
    async with b.scan(DEADLINE, active=True, interval_us=20000, window_us=20000, **options) as scan:
        async for report in scan:
            return report


async def interrupted(program):
    program.process.send_signal(signal.SIGINT)
    await asyncio.wait_for(program.process.wait(), DEADLINE)


async def test_the_example_runs():
    async with running(str(EXAMPLE)) as (program, b, _):
        report = await found(b, services=[FIRST])
        assert report.name == "LoPy"
        async with b.connect(report, **FAST) as link:
            await program.said("Client connected")
            one = await (await link.service(FIRST)).characteristic(CHAR1)
            two = await (await link.service(1234)).characteristic(4567)
            assert await one.read() == b"\x05"
            await program.said("Read request on char 1")
            await one.write(b"hello")
            await program.said("Write request with value = b'hello'")
            assert await two.read() == b"\x34\x12"
            await program.said("Read request on char 2")
            await two.write(b"x")
            for i in range(20):
                await one.write(bytes([i]))
            for i in range(20):  # none is lost, each has its own value
                await program.said(f"Write request with value = {bytes([i])}")
        await program.said("Client disconnected")
        assert not program.lines, program.lines
        assert (await found(b, services=[FIRST])).name == "LoPy", "advertises again"
        await interrupted(program)


CALLS = r"""
import sys
from bled.pycom import Bluetooth
bt = Bluetooth(id=0)
assert Bluetooth() is bt
bt.set_advertisement(name="calls", manufacturer_data=b"\xff\xff\x01", service_data=b"\x0f\x18\x64")
bt.advertise(True)
service = bt.service(uuid=b"\x0d\x18")
one = service.characteristic(uuid=0x2a37, value="text")
for value, octets in ((123, b"\x7b"), (0x1234, b"\x34\x12"), (0x12345678, b"\x78\x56\x34\x12"),
                      ("abc", b"abc"), (b"\0\1", b"\0\1"), (bytearray(b"z"), b"z")):
    one.value(value)
    assert one.value() == octets, (value, one.value())
two = service.characteristic(uuid=0x2a38, properties=Bluetooth.PROP_READ | Bluetooth.PROP_WRITE)
assert one.events() == 0 and bt.events() == 0
one.callback(Bluetooth.CHAR_WRITE_EVENT, lambda *args: print("one", args), "argument")
two.callback(Bluetooth.CHAR_READ_EVENT, lambda chr, data: 1 // 0)
print("ready", flush=True)
for line in sys.stdin:
    print("events", one.events(), two.event(), bt.events() == int(line), flush=True)
    one.value(b"told")
one.callback(handler=None)
service.stop()
bt.advertise(False)
bt.deinit()
try:
    bt.advertise(True)
except OSError as e:
    print("off", e.errno)
"""


async def test_each_call():
    async with running("-c", CALLS) as (program, b, _):
        await program.said("ready")
        report = await found(b, name_prefix="calls")
        data = report.advertising_data
        assert data.manufacturer_data == {0xffff: b"\1"} and data.service_data == {"180f": b"d"}
        async with b.connect(report, **FAST) as link:
            service = await link.service("180d")
            one, two = await service.characteristic("2a37"), await service.characteristic("2a38")
            async with one.notifications() as values:
                await one.write(b"new")
                assert "('argument', (2, b'new'))" in await program.said("one")
                await two.read()
                program.say(str(0x20))
                await program.said(f"events {1 << 1 | 1 << 2} 1 True")
                assert await anext(values) == b"told"
            program.say("0")
            await program.said("events")
            assert await program.end() == 0
            assert await link.disconnected is not None
        await program.said("off 19")
        assert "ZeroDivisionError" in program.process.log.text


main(*[f for name, f in sorted(globals().items()) if name.startswith("test_")])
