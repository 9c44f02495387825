"""One daemon on the stub controller (tests/vm/bench/stub.c), and a client that scans."""
import asyncio
import contextlib
import os
import re
import socket

from bledtest import World, Variant

RATE = 1500  # reports a second


class Flood:
    """bled, run by a wrapper such as valgrind, with hci0 active on a controller that will report
    so many advertisements of so many advertisers once it scans."""

    def __init__(self, world, process, client):
        self.world, self.process, self.client = world, process, client

    async def call(self, member, signature="", *args):
        interface, member = member.split()
        return await self.client.raw("org.bled", "/org/bled/hci0", "org.bled." + interface, member,
                                     signature, args, deadline=60)

    async def take(self, mode, count, **options):
        """Scans until so many reports have come; none may have been dropped before them."""
        got = 0
        if mode == "stream":
            await self.call("Observer1 AcquireScan", "ua{sv}", 0, options)
            with socket.socket(fileno=self.client.fds[0]) as s:
                s.setblocking(False)
                loop = asyncio.get_running_loop()
                for _ in range(count):
                    record = await asyncio.wait_for(loop.sock_recv(s, 2048), 60)
                    assert record[8:12] == bytes(4), "records were dropped"
            return
        if mode == "batch":
            options["batch_ms"] = Variant("u", 100)
        await self.call("Observer1 Scan", "ua{sv}", 0, options)
        while got < count:
            signal = await self.client.expect("ScanResults" if mode == "batch" else "ScanResult",
                                              deadline=60)
            got += len(signal.args[0]) if mode == "batch" else 1
        await self.call("Observer1 StopScan")

    async def end(self):
        """What bled and its wrapper have said in all."""
        os.kill(self.pid(), 15)
        await self.process.wait()
        await self.process.log.task
        return self.process.log.text

    def pid(self):
        """Of bled: the wrapper's child where it has one."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as f:
            children = f.read().split()
        return int(children[0]) if children else self.process.pid


@contextlib.asynccontextmanager
async def flood(bled, stub, advertisers, count, *wrapper):
    async with World(air=False) as world:
        path = str(world.dir / "hci")
        controller = await world.spawn(stub, path, str(advertisers), str(RATE), str(count),
                                       tag="stub", stdout=asyncio.subprocess.PIPE)
        await controller.stdout.readline()
        config = world.dir / "bled.conf"
        config.write_text("[adapter]\nactive = yes\n")
        client = await world.client()
        state = world.dir / "state"
        state.mkdir()
        process = await world.spawn(
            *wrapper, bled, f"--bus={world.address}", f"--state-dir={state}",
            f"--adapter=unix:{path}", f"--config={config}", tag="bled")
        await world.name_owned(client, "org.bled", process, "bled")
        f = Flood(world, process, client)
        await f.call("Adapter1 SetActive", "ba{sv}", True, {})
        yield f


def number(pattern, text):
    return int(re.search(pattern, text)[1].replace(",", ""))


def verdict(bad):
    for line in bad:
        print(line)
    return 1 if bad else 0
