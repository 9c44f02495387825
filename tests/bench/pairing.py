#!/usr/bin/env python3
"""Instructions and time of a pairing by Secure Connections, both sides of it, by callgrind: all of it, and apart what
is the curve's and AES-CMAC's, which are libcrypto's to make faster.

    pairing.py PAIRING
"""
import re
import subprocess
import sys

TIMES = 40
MOST = 45000  # instructions of ours for both sides; what it was, and some


def cost(program, times, *functions):
    """Instructions in these functions, those they call included; a first pairing, which loads, is not counted."""
    toggles = [f"--toggle-collect={name}" for name in functions]
    out = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *toggles, program, str(times)],
        capture_output=True, text=True, check=True).stderr
    return int(re.search(r"Collected : (\d+)", out)[1])


def each(program, *functions):
    return (cost(program, TIMES + 1, *functions) - cost(program, 1, *functions)) / TIMES


def main():
    program = sys.argv[1]
    whole = each(program, "pairing_run")
    curve = each(program, "bl_p256_public", "bl_p256_dhkey")
    cmac = each(program, "bl_crypto_cmac")
    wall = int(subprocess.run([program, "500"], capture_output=True, text=True, check=True).stdout)
    ours = whole - curve - cmac
    print(f"a pairing, both sides: {wall} us, {whole:.0f} instructions; {curve:.0f} of them the curve's four "
          f"multiplications, {cmac:.0f} AES-CMAC's; {ours:.0f} ours, at most {MOST}")
    assert curve > 100000 and cmac > 10000 and ours > 1000, "nothing was counted"
    if ours > MOST:
        print("too many")
        return 1
    return 0


sys.exit(main())
