"""Boards: processes of bled-micropython that do what a test tells them, line by line, on standard
input, and say what their IRQ handler gets.

    async def test_x(a, b):
        await a.do("ble.gap_scan(0, 30000, 30000)")
        kind, addr, *_ = await a.irq(SCAN_RESULT)

main() runs all tests of a file in one world of two daemons with a board each; between tests the radio
is off and everything as it was.
"""
import asyncio
import subprocess
import sys
import time
import traceback

from pybled import PACKAGE, daemons
from bledtest import DEADLINE

RUNNER = str(PACKAGE / "bled-micropython")

PROGRAM = r'''
import sys, time, machine, micropython, bluetooth
from bluetooth import UUID

class View:
    def __init__(self, octets):
        self.octets = octets
    def __repr__(self):
        return "View(%r)" % self.octets

ble = bluetooth.BLE()
hooks = {}
secrets = {}
kept = []

def irq(event, data):
    said = tuple(View(bytes(x)) if isinstance(x, memoryview) else x for x in data)
    print("irq", (event, said))
    if event in hooks:
        return hooks[event](*data)
    if event == 29:
        kind, index, key = data
        if key is not None:
            return secrets.get((kind, bytes(key)))
        of = [v for (k, _), v in secrets.items() if k == kind]
        return of[index] if index < len(of) else None
    if event == 30:
        kind, key, value = data
        if value is None:
            return secrets.pop((kind, bytes(key)), None) is not None
        secrets[kind, bytes(key)] = bytes(value)
        return True

ble.irq(irq)
while True:
    line = sys.stdin.readline()
    if not line:
        break
    code = line.strip().replace("\\n", "\n")
    try:
        try:
            compiled = compile(code, "order", "eval")
        except SyntaxError:
            exec(code)
            print("done", None)
        else:
            print("done", repr(eval(compiled)))
    except Exception as e:
        print("fail", (type(e).__name__, e.args[0] if e.args else None))
'''

(CENTRAL_CONNECT, CENTRAL_DISCONNECT, GATTS_WRITE, GATTS_READ_REQUEST, SCAN_RESULT, SCAN_DONE,
 PERIPHERAL_CONNECT, PERIPHERAL_DISCONNECT, GATTC_SERVICE_RESULT, GATTC_SERVICE_DONE,
 GATTC_CHARACTERISTIC_RESULT, GATTC_CHARACTERISTIC_DONE, GATTC_DESCRIPTOR_RESULT,
 GATTC_DESCRIPTOR_DONE, GATTC_READ_RESULT, GATTC_READ_DONE, GATTC_WRITE_DONE, GATTC_NOTIFY,
 GATTC_INDICATE, GATTS_INDICATE_DONE, MTU_EXCHANGED, L2CAP_ACCEPT, L2CAP_CONNECT, L2CAP_DISCONNECT,
 L2CAP_RECV, L2CAP_SEND_READY, CONNECTION_UPDATE, ENCRYPTION_UPDATE, GET_SECRET, SET_SECRET,
 PASSKEY_ACTION) = range(1, 32)


class View(bytes):
    """What was a memoryview."""


class UUID(tuple):
    def __new__(cls, value):
        return super().__new__(cls, (value,))


class Failed(Exception):
    def __init__(self, kind, code):
        super().__init__(kind, code)
        self.kind, self.code = kind, code


NAMES = {"View": View, "UUID": UUID, "bytearray": bytearray}


def environment(world, index):
    return {"BLED_BUS": world.address, "BLED_BUS_NAME": world.bleds[index].name,
            "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(PACKAGE)}


class Program:
    """A process, and the lines that it says."""

    def __init__(self, process):
        self.process, self.lines, self.news = process, [], asyncio.Event()
        self.ended = False
        self.task = asyncio.ensure_future(self._read())

    @classmethod
    async def start(cls, world, index, *argv):
        process = await world.spawn(*argv, tag="program", stdout=subprocess.PIPE,
                                    stdin=subprocess.PIPE, env=environment(world, index))
        return cls(process)

    async def _read(self):
        while line := await self.process.stdout.readline():
            self.heard(line.decode().rstrip("\n"))
            self.news.set()
        self.ended = True
        self.news.set()

    def heard(self, line):
        self.lines.append(line)

    async def until(self, what, why):
        """what(), as soon as it is something."""
        async def wait():
            while (found := what()) is None:
                if self.ended:
                    raise AssertionError(f"the program ended, no {why}: {self.lines}\n"
                                         + self.process.log.text)
                self.news.clear()
                await self.news.wait()
            return found
        try:
            return await asyncio.wait_for(wait(), DEADLINE)
        except asyncio.TimeoutError:
            raise AssertionError(f"no {why}: {self.lines[-20:]}\n" + self.process.log.text) from None

    async def said(self, text):
        """The first line with this in it that nobody took yet."""
        def find():
            for line in self.lines:
                if text in line:
                    self.lines.remove(line)
                    return line
            return None
        return await self.until(find, repr(text))

    def say(self, line):
        self.process.stdin.write(line.encode() + b"\n")

    async def end(self):
        """Its input ends; its status."""
        self.process.stdin.close()
        return await asyncio.wait_for(self.process.wait(), DEADLINE)


class Board(Program):
    def __init__(self, process):
        self.events, self.answers, self.order = [], [], []
        super().__init__(process)

    @classmethod
    async def on(cls, world, index):
        return await cls.start(world, index, RUNNER, "-c", PROGRAM)

    def heard(self, line):
        kind, _, rest = line.partition(" ")
        if kind == "irq":
            event = eval(rest, NAMES)
            self.events.append(event)
            self.order.append(event[0])
        elif kind in ("done", "fail"):
            self.answers.append((kind, rest))
        else:
            self.lines.append(line)

    async def do(self, code):
        """Its value, or Failed."""
        self.say(code.replace("\n", "\\n"))
        kind, rest = await self.until(lambda: self.answers.pop(0) if self.answers else None,
                                      f"answer to {code}")
        if kind == "fail":
            raise Failed(*eval(rest))
        return eval(rest, NAMES)

    async def irq(self, code, where=None):
        """The data of the next event so coded (for which where(*data))."""
        def find():
            for event in self.events:
                if event[0] == code and (where is None or where(*event[1])):
                    self.events.remove(event)
                    return event[1]
            return None
        try:
            return await self.until(find, f"event {code}")
        except AssertionError as e:
            raise AssertionError(f"{e}; events {self.events[-20:]}") from None

    async def clean(self):
        await self.do("ble.active(False)")
        await self.do("hooks.clear(); secrets.clear(); kept.clear(); ble.irq(irq); "
                      "ble.config(addr_mode=0, gap_name='bled', rxbuf=65536, mtu=256, bond=True, "
                      "mitm=False, io=3, le_secure=False)")
        for kept in self.events, self.order, self.lines:
            kept.clear()


async def active(*boards):
    for board in boards:
        await board.do("ble.active(True)")


async def mac(board):
    kind, addr = await board.do("ble.config('mac')")
    return kind, View(addr)


async def connect(a, b, advertising="20000, b'\\x02\\x01\\x06'"):
    """b connects to a, both active: the numbers of the connection, a's and b's."""
    await a.do(f"ble.gap_advertise({advertising})")
    kind, addr = await mac(a)
    await b.do(f"ble.gap_connect({kind}, {bytes(addr)}, 5000, 7500, 7500)")
    there = await b.irq(PERIPHERAL_CONNECT)
    return (await a.irq(CENTRAL_CONNECT))[0], there[0]


async def serve(a, flags, descriptors="()", uuid="0x2a37"):
    """a has a service 180d with one characteristic: its handle."""
    handles = await a.do(f"ble.gatts_register_services([(UUID(0x180d), "
                         f"[(UUID({uuid}), {flags}, {descriptors})])])")
    return handles[0][0]


async def _run(tests):
    failed = 0
    async with daemons() as world:
        boards = [await Board.on(world, i) for i in range(2)]
        for board, daemon in zip(boards, world.bleds):
            board.daemon = daemon
        for test in tests:
            start = time.monotonic()
            try:
                await asyncio.wait_for(test(*boards), 2 * DEADLINE)
                print(f"ok   {test.__name__} ({time.monotonic() - start:.1f} s)", flush=True)
            except Exception:
                failed += 1
                print(f"FAIL {test.__name__}\n{traceback.format_exc()}", flush=True)
                for board in boards:
                    print(board.process.log.text, board.lines)
            for board in boards:
                await board.clean()
        for board in boards:
            status = await board.end()
            assert status == 0 and not board.process.log.text, (status, board.process.log.text)
    return failed


def main(*tests):
    chosen = [t for t in tests if not sys.argv[1:] or t.__name__ in sys.argv[1:]]
    failed = asyncio.run(_run(chosen))
    print(f"{len(chosen) - failed} passed, {failed} failed")
    sys.exit(1 if failed or not chosen else 0)
