"""Runs the tests of the real-kernel machine, inside it: python3 main.py [WORD...], BLED=PATH in the environment."""

import asyncio
import importlib
import logging
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# Importing a file of tests registers them, in this order.
for _file in ('test_peer', 'test_adapter', 'test_gap', 'test_gatt', 'test_pairing', 'test_sockets'):
    importlib.import_module(_file)
run_tests = importlib.import_module('world').run_tests


if __name__ == '__main__':
    # What dbus-next says of peers that went away is no news.
    logging.disable(logging.ERROR)
    sys.exit(1 if asyncio.run(run_tests(sys.argv[1:])) else 0)
