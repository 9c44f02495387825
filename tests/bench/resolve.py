#!/usr/bin/env python3
"""Instructions of the stack per advertising report from a resolvable private address, by callgrind,
with 1, 100 and 1000 bonds: of a bonded peer or of nobody, heard before, and of nobody heard for the
first time. What was heard before may cost 15 % more or less with 1000 bonds than with one; what was
not costs an AES block for each, and a flood of these (2000 a second, for five) so much and no more.

    resolve.py RESOLVE
"""
import re
import subprocess
import sys

BONDS = (1, 100, 1000)
WITHIN = 1.15
MOST = 2500        # instructions, heard before; what it was, and some
MOST_A_KEY = 2500  # and for each key, heard for the first time
FLOOD = 10000      # reports in five seconds
FLOOD_KEYS = (64 + 5 * 16) * 1024  # that are tried for them: BL_PRIVACY_BURST and _RATE


def cost(program, bonds, reports, kind):
    out = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=resolve_report*",
         program, str(bonds), str(reports), kind], capture_output=True, text=True, check=True).stderr
    return int(re.search(r"Collected : (\d+)", out)[1]) / reports


def main():
    program = sys.argv[1]
    bad = False
    for kind, reports in (("known", 1000), ("unknown", 1000), ("new", 50)):
        costs = {n: cost(program, n, reports, kind) for n in BONDS}
        print(f"instructions a report, {kind}: " + ", ".join(f"{c:.0f} with {n}" for n, c in costs.items()))
        assert min(costs.values()) > 100, "nothing was counted"
        if kind == "new":
            bad |= (costs[1000] - costs[1]) / 999 > MOST_A_KEY
        else:
            bad |= max(costs.values()) > MOST or max(costs.values()) > WITHIN * min(costs.values())
    flood = {n: cost(program, n, FLOOD, "flood") for n in (BONDS[0], BONDS[-1])}
    print(f"instructions a report, {FLOOD} new ones at 2000 a second: " +
          ", ".join(f"{c:.0f} with {n}" for n, c in flood.items()))
    bad |= max(flood.values()) > MOST + FLOOD_KEYS * MOST_A_KEY / FLOOD
    if bad:
        print("too many")
    return bad


sys.exit(main())
