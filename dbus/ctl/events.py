#!/usr/bin/env python3
"""The names of signals' arguments, out of the interface files, for `bledctl monitor`."""
import sys
import xml.etree.ElementTree as ET

print('#include "ctl.h"\nconst struct ctl_event ctl_events[] = {')
for path in sorted(sys.argv[1:]):
    for interface in ET.parse(path).getroot().iter("interface"):
        for signal in interface.iter("signal"):
            names = " ".join(arg.get("name") for arg in signal.iter("arg"))
            print(f'{{"{interface.get("name").rsplit(".", 1)[1]}.{signal.get("name")}", "{names}"}},')
print('{NULL, NULL}};')
