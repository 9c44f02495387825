#!/usr/bin/env python3
"""What the Python package costs: its import, opening, connecting, calls, and a notification, beside
bare jeepney, dbus-next and busctl (C), each in a process of its own."""
import asyncio
import os
import pathlib
import resource
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))
COUNT = 5000


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Receiver:
    """Ready, then COUNT values; prints what each has cost."""

    def __init__(self, bus, handle):
        self.bus, self.handle = bus, handle

    def ready(self):
        print("ready", flush=True)
        self.before = cpu()

    def done(self):
        print(f"{(cpu() - self.before) / COUNT * 1e6:.0f}", flush=True)

    async def socket(self, by_socket=True):
        import pybled
        async with pybled.bled.Adapter(bus=self.bus, bus_name="org.bled.b") as ble:
            link, = [ble.link(int(path[-4:], 16)) for path in ble.client.objects if "/conn" in path]
            at = pybled.bled.RemoteCharacteristic(link, self.handle, self.handle, 0x10, "2a37")
            async with at.notifications(socket=by_socket) as values:
                self.ready()
                for _ in range(COUNT):
                    await anext(values)
                self.done()

    async def signals(self):
        await self.socket(by_socket=False)

    async def jeepney(self):
        from jeepney import DBusAddress, MessageType, message_bus, new_method_call
        from jeepney.io.blocking import open_dbus_connection
        bus = open_dbus_connection(self.bus)
        client = DBusAddress("/org/bled/hci0", "org.bled.b", "org.bled.GattClient1")
        bus.send_and_get_reply(new_method_call(message_bus, "AddMatch", "s",
                                               ("type='signal',member='Notified'",)))
        bus.send_and_get_reply(new_method_call(client, "Subscribe", "qqya{sv}",
                                               (1, self.handle, 1, {})))
        self.ready()
        left = COUNT
        while left:
            message = bus.receive()
            left -= message.header.message_type is MessageType.signal and len(message.body) == 3
        self.done()

    async def dbus_next(self):
        from dbus_next import Message
        from dbus_next.aio import MessageBus
        bus = await MessageBus(bus_address=self.bus).connect()
        left, done = COUNT, asyncio.Event()

        def heard(message):
            nonlocal left
            left -= message.member == "Notified"
            if not left:
                done.set()
        bus.add_message_handler(heard)
        await bus.call(Message("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                               "AddMatch", signature="s", body=["type='signal',member='Notified'"]))
        await bus.call(Message("org.bled.b", "/org/bled/hci0", "org.bled.GattClient1", "Subscribe",
                               signature="qqya{sv}", body=[1, self.handle, 1, {}]))
        self.ready()
        await done.wait()
        self.done()


def median(times):
    return sorted(times)[len(times) // 2]


async def timed(make, rounds):
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        async with make():
            times.append(time.perf_counter() - start)
    return median(times) * 1e3


async def quick():
    """Without the pace of the radio."""
    from pybled import adapter, bled, linked, two
    async with two(air=["--pace=none"]) as (world, a, b):
        print(f"open an Adapter: {await timed(lambda: adapter(world, active=False), 20):.1f} ms")
        async with a.advertise(interval_ms=20, resume=True):
            print(f"connect: {await timed(lambda: b.connect(a.mac, timeout=10), 10):.1f} ms")
        level = bled.simple_service("180f", level=bled.characteristic("2a19", notify=True))
        async with a.serve(level), linked(a, b) as (here, link):
            start, before = time.perf_counter(), cpu()
            for _ in range(1000):
                await link.rssi()
            print(f"calls: {1000 / (time.perf_counter() - start):.0f}/s, "
                  f"{(cpu() - before) * 1e3:.0f} us of CPU each")
            at = await link.characteristic("2a19")
            async with at.notifications() as values, level.level.notifier(here) as notifier:
                async def send():
                    for i in range(2 * COUNT):
                        await notifier.write(i.to_bytes(4, "big"))
                start = time.perf_counter()
                sending = asyncio.ensure_future(send())
                for i in range(2 * COUNT):
                    assert int.from_bytes(await anext(values), "big") == i
                await sending
                print(f"notifications, both ends in one program, by sockets: "
                      f"{2 * COUNT / (time.perf_counter() - start):.0f}/s")


async def beside_others():
    """At the pace of the radio, about a thousand a second."""
    from pybled import bled, linked, two
    async with two() as (world, a, b):
        level = bled.simple_service("180f", level=bled.characteristic("2a19", notify=True))
        async with a.serve(level), linked(a, b) as (here, link):
            async def send():
                async with level.level.notifier(here) as notifier:
                    for i in range(COUNT):
                        await notifier.write(i.to_bytes(4, "big"))
            for kind in "socket", "signals", "jeepney", "dbus_next":
                process = await asyncio.create_subprocess_exec(
                    sys.executable, __file__, kind, world.address, str(level.level.handle),
                    stdout=subprocess.PIPE)
                assert await process.stdout.readline() == b"ready\n"
                await send()
                cost = (await process.stdout.readline()).decode().strip()
                await process.wait()
                print(f"a notification, {kind}: {cost} us of CPU")
            await (await link.characteristic("2a19")).subscribe(1)
            busctl = await asyncio.create_subprocess_exec(
                "busctl", f"--address={world.address}", "monitor", "--match=member='Notified'",
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            await busctl.stderr.readline()
            heard = b.signals("GattClient1.Notified")
            sending = asyncio.ensure_future(send())
            for _ in range(COUNT):
                await anext(heard)
            await sending
            ticks = [int(f) for f in pathlib.Path(f"/proc/{busctl.pid}/stat").read_text().split(
                ") ")[1].split()[11:13]]
            print(f"a notification, busctl monitor: "
                  f"{sum(ticks) / os.sysconf('SC_CLK_TCK') / COUNT * 1e6:.0f} us of CPU")
            busctl.terminate()
            await busctl.wait()


def imports():
    code = ("import time; t = time.perf_counter(); import asyncio; u = time.perf_counter(); "
            "import bled; print(time.perf_counter() - u, u - t)")
    times = [[float(f) for f in subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT / "dbus/python")}, check=True,
        capture_output=True, text=True).stdout.split()] for _ in range(5)]
    print(f"import bled: {median([t[0] for t in times]) * 1e3:.0f} ms, after "
          f"{median([t[1] for t in times]) * 1e3:.0f} ms for asyncio")


if len(sys.argv) > 1:
    asyncio.run(getattr(Receiver(sys.argv[2], int(sys.argv[3])), sys.argv[1])())
else:
    imports()
    asyncio.run(quick())
    asyncio.run(beside_others())
