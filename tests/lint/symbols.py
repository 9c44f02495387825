#!/usr/bin/env python3
"""Extern symbols begin with bl_, bus_ or their file's name (in lib/l2cap: l2cap_): libbluetooth exports
bare hci_* ones."""
import re
import subprocess
import sys


def main():
    bad, seen = [], 0
    for archive in sys.argv[1:]:
        out = subprocess.run(["nm", "-g", "--defined-only", archive], capture_output=True, text=True,
                             check=True).stdout
        whole = ""
        for line in out.splitlines():
            m = re.match(r"^(\S+)\.o:$", line.strip())
            if m:
                whole = m[1].split("/")[-1].replace(".c", "")
                continue
            parts = line.split()
            if len(parts) != 3 or re.match(r"^(__|_GLOBAL|asan|ubsan|DW\.)", parts[2]):
                continue
            seen += 1
            name = parts[2]
            if name == "main" or name.startswith(("bl_", "bus_")):
                continue
            if archive.endswith("libbl_l2cap.a") and name.startswith("l2cap_"):
                continue
            # link_cmd.c and links.c may have link_*: the first word is the file's
            if whole.startswith(name.split("_")[0]):
                continue
            bad.append(f"{archive}: {whole}: {name}")
    for line in bad:
        print(line)
    print(f"{seen} symbols, {len(bad)} without their prefix")
    return 1 if bad or not seen else 0


sys.exit(main())
