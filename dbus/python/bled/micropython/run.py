# SPDX-License-Identifier: MIT
"""bled-micropython: runs a program that was written for MicroPython."""
from __future__ import annotations

import argparse
import gc
import json  # noqa: F401 (before it is replaced for the program)
import os
import sys
import types
from typing import Any, List, Optional

import bled.micropython as package

from . import aio, lenient
from .events import print_exception
from .pump import pump


def _arguments(argv: Optional[List[str]]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bled-micropython", usage="%(prog)s [--bus ADDRESS] [--bus-name NAME] [--adapter NAME] "
        "[-i] (PROGRAM.py | -c CODE) [ARGS]",
        description="Runs a MicroPython program that uses `bluetooth`, through the daemon bled.")
    parser.add_argument("--bus", metavar="ADDRESS", help='"system" (default), "session", or an address')
    parser.add_argument("--bus-name", metavar="NAME", help="the daemon's name, default org.bled")
    parser.add_argument("--adapter", metavar="NAME", help="hci0, ...; default: the daemon's first")
    parser.add_argument("-i", action="store_true", dest="stay", help="goes on with handlers after the "
                        "program's end, as a board does, until it is interrupted")
    parser.add_argument("-c", metavar="CODE", dest="code", nargs=argparse.REMAINDER,
                        help="the program itself; what follows are its arguments")
    parser.add_argument("program", metavar="PROGRAM.py", nargs="?")
    parser.add_argument("args", metavar="ARGS", nargs=argparse.REMAINDER)
    found = parser.parse_args(argv)
    if not found.code and not found.program:
        parser.error("a program is wanted: PROGRAM.py or -c CODE")
    return found


class _Network(types.ModuleType):
    """Pycom's module, as far as it is about Bluetooth."""

    def __getattr__(self, name: str) -> Any:
        if name == "Bluetooth":
            from .. import pycom
            return pycom.Bluetooth
        raise AttributeError(f"module 'network' has no attribute {name!r}")


def _libraries() -> List[str]:
    """Where MicroPython's own libraries are looked for."""
    default = "~/.micropython/lib:/usr/lib/micropython"
    paths = (os.path.expanduser(p) for p in os.environ.get("MICROPYPATH", default).split(":"))
    return [p for p in paths if os.path.isdir(p)]


def _prepare() -> None:
    """This process is a MicroPython now, as far as the program sees."""
    lenient.MODULES.update(lenient.modules())
    lenient.MODULES["asyncio"] = package.uasyncio
    sys.modules.setdefault("network", _Network("network"))
    sys.meta_path.insert(0, lenient.Finder())
    sys.path[1:1] = _libraries()
    extra: Any = sys
    extra.stdout.reconfigure(line_buffering=True)
    extra.stdin = lenient.Stdin()
    if not hasattr(sys, "print_exception"):
        extra.print_exception = lambda error, file=None: print_exception(error)
    for name in "mem_free", "mem_alloc":
        if not hasattr(gc, name):
            setattr(gc, name, lambda: 0)


def main(argv: Optional[List[str]] = None) -> None:
    options = _arguments(argv)
    package.configure(bus=options.bus, bus_name=options.bus_name, adapter=options.adapter)
    if options.code:
        source: Any = options.code[0]
        name, sys.argv = "<string>", ["-c", *options.code[1:]]
        sys.path[0] = ""
    else:
        name, sys.argv = options.program, [options.program, *options.args]
        try:
            with open(name, "rb") as f:
                source = f.read()
        except OSError as e:
            sys.exit(f"bled-micropython: {name}: {e.strerror}")
        sys.path[0] = os.path.dirname(os.path.abspath(name))
    _prepare()
    module = types.ModuleType("__main__")
    module.__dict__.update(__builtins__=lenient.BUILTINS, __file__=name)
    sys.modules["__main__"] = module
    status = 0
    try:
        exec(lenient.compiled(source, name), module.__dict__)
        if options.stay:
            pump.wait(None)
    except SystemExit:
        raise
    except KeyboardInterrupt:
        status = 130
    except BaseException as e:
        print_exception(e)
        status = 1
    finally:
        aio.the_loop.forget()
    sys.exit(status)


if __name__ == "__main__":
    main()
