#!/usr/bin/env python3
"""Who may include whom: daemon -> dbus -> lib, and the order of the layers within lib."""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1])
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)

# What each layer of lib may use, besides itself. The root of lib ("surface") is host.h's public
# headers and the event queue: types, env, limits, report, event, evq, host.
ALLOWED = {
    "base": set(),
    "crypto": {"base"},
    "surface": {"base"},
    "hci": {"base", "crypto", "surface"},
    "l2cap": {"base", "crypto", "surface", "hci"},
    "att": {"base", "crypto", "surface", "hci", "l2cap"},
    "gatt": {"base", "crypto", "surface", "hci", "l2cap", "att"},
    "smp": {"base", "crypto", "surface", "hci", "l2cap", "att"},
    "gap": {"base", "crypto", "surface", "hci", "l2cap", "att", "gatt", "smp"},
    "host": {"base", "crypto", "surface", "hci", "l2cap", "att", "gatt", "smp", "gap"},
    "air": {"base", "crypto"},
}
# host.c is above gap; the headers beside it are the surface.
HOST_FILES = {"host.c", "host_api.c", "host_gatt.c", "host_l2cap.c", "host_security.c", "host_smp.c", "host_internal.h"}


def layer(path):
    if len(path.parts) == 1:
        return "host" if path.name in HOST_FILES else "surface"
    return path.parts[0]


def target(name, source):
    """The file in lib, dbus or daemon that an include names, relative to the root."""
    for base in (source.parent, ROOT / "lib", ROOT / "dbus", ROOT):
        if (base / name).is_file():
            return (base / name).resolve().relative_to(ROOT.resolve())
    return None


def main():
    bad, seen = [], 0
    for top in ("lib", "dbus", "daemon"):
        for source in sorted((ROOT / top).rglob("*.[ch]")):
            for name in INCLUDE.findall(source.read_text()):
                seen += 1
                to = target(name, source)
                rel = source.relative_to(ROOT)
                if to is None:
                    bad.append(f"{rel}: \"{name}\" is no file of lib, dbus or daemon")
                elif top == "lib" and to.parts[0] == "lib":
                    mine, theirs = layer(source.relative_to(ROOT / "lib")), layer(to.relative_to("lib"))
                    if theirs != mine and theirs not in ALLOWED[mine]:
                        bad.append(f"{rel}: {mine} may not include {theirs} ({name})")
                elif top == "lib" or (top == "dbus" and to.parts[0] == "daemon"):
                    bad.append(f"{rel}: {top} may not include {to.parts[0]} ({name})")
    for line in bad:
        print(line)
    print(f"{seen} includes, {len(bad)} against the layers")
    return 1 if bad or seen == 0 else 0


sys.exit(main())
