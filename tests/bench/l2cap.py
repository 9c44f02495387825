#!/usr/bin/env python3
"""What an SDU on a connection-oriented channel costs the stack, each way, over packets of 192
octets: instructions by callgrind, from the command to the HCI packets or from those to what is
read, with the controller's events and the credits; allocations, and octets that are copied.

    l2cap.py L2CAP_BENCH
"""
import re
import subprocess
import sys

SDUS, WARM = 500, 500
# Octets of the SDU: instructions, at most: what it was, and some.
MOST = {"out": {20: 1550, 100: 1550, 1000: 6700, 10000: 66000},
        "in": {20: 1200, 100: 1250, 1000: 4700, 10000: 37000}}


def run(*args):
    return subprocess.run(args, capture_output=True, text=True, check=True)


def main():
    program, bad = sys.argv[1], 0
    for way, sizes in MOST.items():
        for octets, most in sizes.items():
            plain = run(program, way, str(SDUS), str(octets)).stdout
            allocations, copied, packets = map(int, re.search(
                r"allocations (\d+) copied (\d+) packets (\d+)", plain).groups())
            assert packets >= SDUS, "nothing was carried"
            counted = run("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                          "--toggle-collect=sdu_*", program, way, str(SDUS), str(octets)).stderr
            cost = int(re.search(r"Collected : (\d+)", counted)[1]) / (SDUS + WARM)
            copies = copied / SDUS / octets
            print(f"{way:3} {octets:5} octets: {cost:7.0f} instructions, at most {most}; "
                  f"{copies:.2f} copies, {allocations} allocations in all")
            # Length and credits besides the SDU's own octets, which a small one has few of.
            bad += cost > most or cost < 100 or allocations > 0 or copied > SDUS * (octets + 8)
    return 1 if bad else 0


sys.exit(main())
