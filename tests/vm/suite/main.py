"""Runs the tests of the real-kernel machine, inside it: python3 main.py [--share=K/N] [WORD...], BLED=PATH in the
environment. With --share, every N-th test of those, from the K-th on: N machines run all of them."""

import asyncio
import importlib
import logging
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# Importing a file of tests registers them, in this order.
for _file in ('test_peer', 'test_adapter', 'test_gap', 'test_gatt', 'test_pairing', 'test_privacy', 'test_l2cap', 'test_sockets'):
    importlib.import_module(_file)
run_tests = importlib.import_module('world').run_tests


if __name__ == '__main__':
    # What dbus-next says of peers that went away is no news.
    logging.disable(logging.ERROR)
    words, share = sys.argv[1:], (1, 1)
    if words and words[0].startswith('--share='):
        first, of = words.pop(0).removeprefix('--share=').split('/')
        share = int(first), int(of)
    sys.exit(1 if asyncio.run(run_tests(words, share)) else 0)
