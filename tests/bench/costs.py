#!/usr/bin/env python3
"""What bled costs beside instructions a report (reports.py): the start, memory, system calls and
allocations. Everything is counted, nothing timed, and each figure has a bound: a little more than
it was, or the target.

    costs.py start|memory|calls|allocations BLED STUB
"""
import asyncio
import pathlib
import sys
import tempfile

from bledtest import Variant
from flood import flood, number, verdict

SHORT, LONG = 600, 2600


class Bounds:
    def __init__(self):
        self.bad = []

    def check(self, name, value, most):
        print(f"{name:52} {value:10.6g}   at most {most:g}", flush=True)
        if value > most:
            self.bad.append(f"{name}: {value:g} is more than {most:g}")


def calls_until_named(trace):
    """Names of the system calls from exec to the line that says that the name is bled's."""
    calls = []
    for line in trace.splitlines():
        if "serving as org.bled" in line:
            return calls
        calls.append(line.split("(")[0].split()[-1])
    raise AssertionError("bled never said that it has its name")


async def start(b, bled, stub):
    async with flood(bled, stub, 1, 1, "valgrind", "--tool=callgrind",
                     "--callgrind-out-file=/dev/null") as f:
        b.check("instructions in user space, exec to exit", number(r"Collected : (\d+)", await f.end()),
                2300000)
    with tempfile.NamedTemporaryFile() as out:
        async with flood(bled, stub, 1, 1, "strace", "-o", out.name) as f:
            await f.end()
        calls = calls_until_named(pathlib.Path(out.name).read_text())
    b.check("system calls, exec to the name", len(calls), 270)
    # Each is a wait for the bus or the controller. The bus: Hello's answer, then the name's.
    b.check("waits, exec to the name", calls.count("epoll_wait") + calls.count("ppoll"), 15)


def memory_of(pid):
    fields = {}
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        fields[line.split(":")[0]] = int(line.split()[1])
    return fields


async def memory(b, bled, stub):
    async with flood(bled, stub, 10000, 10000) as f:
        idle = memory_of(f.pid())
        assert "/libcrypto.so" not in pathlib.Path(f"/proc/{f.pid()}/maps").read_text()
        # Anonymous: private and dirty, without the pages of a program that was just built.
        b.check("idle: private dirty kB", idle["Anonymous"], 410)
        b.check("idle: PSS kB", idle["Pss"], 2048)
        await f.take("stream", 10000, filter_duplicates=Variant("b", True))
        await f.call("Adapter1 Stats")  # two turns, after which the scan has ended
        await f.call("Adapter1 Stats")
        after = memory_of(f.pid())
        b.check("after 10,000 advertisers: more private dirty kB",
                after["Anonymous"] - idle["Anonymous"], 48)
        await f.end()


async def system_calls(bled, stub, mode, count):
    with tempfile.NamedTemporaryFile() as out:
        async with flood(bled, stub, 100, count, "strace", "-c", "-o", out.name) as f:
            await f.take(mode, count)
            await f.end()
        return number(r"(\d+)\s+(?:\d+\s+)?total", pathlib.Path(out.name).read_text())


async def calls(b, bled, stub):
    """A wait, a read and what sends; fewer when reports come while bled is busy."""
    for mode, most in (("stream", 3.1), ("batch", 2.3), ("signal", 3.1)):
        short = await system_calls(bled, stub, mode, SHORT)
        long = await system_calls(bled, stub, mode, LONG)
        b.check(f"system calls a report by {mode}", (long - short) / (LONG - SHORT), most)


async def allocated(bled, stub, mode, count):
    async with flood(bled, stub, 100, count, "valgrind", "--leak-check=no") as f:
        await f.take(mode, count)
        return number(r"total heap usage: ([\d,]+) allocs", await f.end())


async def allocations(b, bled, stub):
    """bled itself allocates nothing for a report; sd-bus does for a message and its parts."""
    for mode, most in (("stream", 0.02), ("batch", 2.5), ("signal", 18)):
        short = await allocated(bled, stub, mode, SHORT)
        long = await allocated(bled, stub, mode, LONG)
        b.check(f"allocations a report by {mode}", (long - short) / (LONG - SHORT), most)


async def main():
    part, bled, stub = sys.argv[1:4]
    b = Bounds()
    await {"start": start, "memory": memory, "calls": calls, "allocations": allocations}[part](
        b, bled, stub)
    return verdict(b.bad)


sys.exit(asyncio.run(main()))
