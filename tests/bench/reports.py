#!/usr/bin/env python3
"""Instructions of bled per advertising report, from H4 to the client, by callgrind: user space, so
no machine's clock is in it. Each figure is the difference of two runs, divided by the reports that
the longer one had more. The cost may not grow with the number of known advertisers (10 %), and no
report may be lost.

    reports.py BLED STUB
"""
import asyncio
import re
import socket
import sys

from bledtest import World, Variant

SHORT, LONG = 600, 2600
RATE = 1500
MOST = {"stream": 3500, "batch": 9000, "signal": 25000}  # instructions; what it was, and some


async def run(bled, stub, mode, advertisers, count):
    """Instructions of one daemon's life in which so many reports were delivered."""
    async with World(air=False) as world:
        path = str(world.dir / "hci")
        flood = await world.spawn(stub, path, str(advertisers), str(RATE), str(count), tag="stub",
                                  stdout=asyncio.subprocess.PIPE)
        await flood.stdout.readline()
        config = world.dir / "bled.conf"
        config.write_text("[adapter]\nactive = yes\n")
        client = await world.client()
        state = world.dir / "state"
        state.mkdir()
        process = await world.spawn(
            "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", bled,
            f"--bus={world.address}", f"--state-dir={state}", f"--adapter=unix:{path}",
            f"--config={config}", tag="bled")
        await world.name_owned(client, "org.bled", process, "bled")

        async def call(member, signature, *args):
            return await client.raw("org.bled", "/org/bled/hci0", "org.bled." + member.split()[0],
                                    member.split()[1], signature, args, deadline=60)
        await call("Adapter1 SetActive", "ba{sv}", True, {})
        got = 0
        if mode == "stream":
            await call("Observer1 AcquireScan", "ua{sv}", 0, {})
            s = socket.socket(fileno=client.fds[0])
            s.setblocking(False)
            loop = asyncio.get_running_loop()
            while got < count:
                record = await asyncio.wait_for(loop.sock_recv(s, 2048), 60)
                assert record[8:12] == bytes(4), "records were dropped"
                got += 1
            s.close()
        else:
            options = {"batch_ms": Variant("u", 100)} if mode == "batch" else {}
            await call("Observer1 Scan", "ua{sv}", 0, options)
            while got < count:
                signal = await client.expect(
                    "ScanResults" if mode == "batch" else "ScanResult", deadline=60)
                got += len(signal.args[0]) if mode == "batch" else 1
        process.terminate()
        await process.wait()
        await process.log.task
        return int(re.search(r"Collected : (\d+)", process.log.text)[1])


async def main():
    bled, stub = sys.argv[1:3]
    bad = []
    print(f"{'':8} {'10':>8} {'100':>8} {'1000':>8}  instructions a report, by known advertisers")
    for mode in ("stream", "batch", "signal"):
        costs = []
        for advertisers in (10, 100, 1000):
            # The table of advertisers is full in both runs, so that only reports differ.
            extra = max(0, advertisers - 100)
            short = await run(bled, stub, mode, advertisers, SHORT + extra)
            long = await run(bled, stub, mode, advertisers, LONG + extra)
            costs.append((long - short) / (LONG - SHORT))
        print(f"{mode:8} {costs[0]:8.0f} {costs[1]:8.0f} {costs[2]:8.0f}", flush=True)
        if costs[2] > 1.1 * costs[0]:
            bad.append(f"{mode}: the cost grows with the number of advertisers")
        if max(costs) > MOST[mode]:
            bad.append(f"{mode}: more than {MOST[mode]} instructions")
    for line in bad:
        print(line)
    return 1 if bad else 0


sys.exit(asyncio.run(main()))
