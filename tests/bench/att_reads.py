#!/usr/bin/env python3
"""Instructions of the stack per ATT read that it answers by itself, by callgrind: from the HCI
packet in to the HCI packet out. A database of 5000 attributes may cost 5 % more or less than one
of 10, not more.

    att_reads.py ATT_READS
"""
import re
import subprocess
import sys

READS = 2000
WITHIN = 1.05
MOST = 2000  # instructions; what it was, and some


def cost(program, attributes):
    out = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=att_read*",
         program, str(attributes), str(READS)], capture_output=True, text=True, check=True).stderr
    return int(re.search(r"Collected : (\d+)", out)[1]) / READS


def main():
    program = sys.argv[1]
    few, many = cost(program, 10), cost(program, 5000)
    print(f"instructions an ATT read: {few:.0f} of 10 attributes, {many:.0f} of 5000, at most {MOST}")
    assert min(few, many) > 100, "nothing was counted"
    if max(few, many) > WITHIN * min(few, many):
        print("the cost depends on the size of the database")
        return 1
    if max(few, many) > MOST:
        print("too many")
        return 1
    return 0


sys.exit(main())
