#!/usr/bin/env python3
"""Instructions of bled per advertising report, from H4 to the client, by callgrind: user space, so
no machine's clock is in it. Each figure is the difference of two runs, divided by the reports that
the longer one had more. The cost may not grow with the number of known advertisers (10 %), and no
report may be lost.

    reports.py BLED STUB
"""
import asyncio
import sys

from flood import flood, number, verdict

SHORT, LONG = 600, 2600
MOST = {"stream": 3000, "batch": 9000, "signal": 15000}  # instructions; what it was, and some


async def run(bled, stub, mode, advertisers, count):
    """Instructions of one daemon's life in which so many reports were delivered."""
    async with flood(bled, stub, advertisers, count, "valgrind", "--tool=callgrind",
                     "--callgrind-out-file=/dev/null") as f:
        await f.take(mode, count)
        return number(r"Collected : (\d+)", await f.end())


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
    return verdict(bad)


sys.exit(asyncio.run(main()))
