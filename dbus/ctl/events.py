#!/usr/bin/env python3
"""The names of signals' arguments, and of statuses, out of the interface files, for `bledctl monitor`."""
import sys
import xml.etree.ElementTree as ET

events, statuses = [], []
for path in sorted(sys.argv[1:]):
    root = ET.parse(path).getroot()
    for interface in root.iter("interface"):
        for signal in interface.iter("signal"):
            names = " ".join(arg.get("name") for arg in signal.iter("arg"))
            events.append(f'{{"{interface.get("name").rsplit(".", 1)[1]}.{signal.get("name")}", "{names}"}},')
    for error in root.iter("error"):
        if error.get("status"):
            statuses.append(f'{{{error.get("status")}, "{error.get("name").removeprefix("org.bled.Error.")}"}},')
print('#include "ctl.h"\n\nconst struct ctl_event ctl_events[] = {', *events, "{NULL, NULL}};", sep="\n")
print("const struct ctl_status ctl_statuses[] = {", *statuses, "{0, NULL}};", sep="\n")
