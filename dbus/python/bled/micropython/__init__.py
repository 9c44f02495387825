# SPDX-License-Identifier: MIT
"""MicroPython's `bluetooth` in CPython, through the daemon bled.

A MicroPython program runs unchanged by `bled-micropython PROGRAM.py`. A program for CPython that
wants the same says

    import bled.micropython      # `bluetooth`, `micropython`, `machine`, ... can be imported from here
    import bluetooth, time

    ble = bluetooth.BLE()
    ble.irq(handler)
    ble.active(True)
    time.sleep_ms(1000)          # handlers run here, and in time.sleep, machine.idle, asyncio

which concerns its own process alone: `time` gets ticks_ms, sleep_ms and the others, and a sleep() in
which handlers run; `asyncio` gets sleep_ms, wait_for_ms and ThreadSafeFlag, and loops that run the
handlers when idle; uasyncio, utime, ustruct, ... are there. What MicroPython lets pass and CPython does
not (bled.micropython.lenient) is for programs under bled-micropython only.

Handlers run in the thread that called BLE.irq, one at a time, where that waits. The daemon is that of
the system bus, unless BLED_BUS, BLED_BUS_NAME, BLED_ADAPTER or configure() say otherwise.
"""
from __future__ import annotations

import asyncio
import importlib
import importlib.abc
import importlib.util
import sys
import time
import types
from typing import Any, Optional

from ..blocking import settings
from ..types import Flag
from . import aio, ports
from .ble import BLE
from .pump import pump
from .uuid import UUID

#: Modules that have another name in MicroPython.
ALIASES = ("array", "asyncio", "binascii", "collections", "errno", "hashlib", "io", "json", "os",
           "platform", "random", "re", "select", "socket", "ssl", "struct", "sys", "time", "zlib")


def configure(*, bus: Optional[str] = None, bus_name: Optional[str] = None,
              adapter: Optional[str] = None) -> None:
    """Where the daemon is: for what is activated from now on."""
    settings.bus = settings.bus if bus is None else bus
    settings.bus_name = settings.bus_name if bus_name is None else bus_name
    settings.adapter = settings.adapter if adapter is None else adapter


class _Aliases(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """ustruct is struct."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name[:1] == "u" and name[1:] in ALIASES:
            return importlib.util.spec_from_loader(name, self)
        return None

    def create_module(self, spec: Any) -> types.ModuleType:
        return importlib.import_module(spec.name[1:])

    def exec_module(self, module: types.ModuleType) -> None:
        pass

    def module_repr(self, module: types.ModuleType) -> str:
        return repr(module)


def _bluetooth() -> types.ModuleType:
    module = types.ModuleType("bluetooth", "MicroPython's bluetooth, through the daemon bled")
    module.__dict__.update(BLE=BLE, UUID=UUID)
    module.__dict__.update({f"FLAG_{flag.name}": int(flag) for flag in Flag})
    return module


bluetooth = _bluetooth()
micropython = ports.micropython_module()
machine = ports.machine_module()
uasyncio = aio.make_module()


def _install() -> None:
    for name, module in (("bluetooth", bluetooth), ("ubluetooth", bluetooth), ("machine", machine),
                         ("umachine", machine), ("micropython", micropython),
                         ("uasyncio", uasyncio)):
        sys.modules[name] = module
    for name, thing in ports.TIME.items():
        setattr(time, name, thing)
    for name in "sleep_ms", "wait_for_ms", "ThreadSafeFlag":
        setattr(asyncio, name, getattr(aio, name))
    asyncio.set_event_loop_policy(aio.Policy())
    try:
        pump.attach(asyncio.get_running_loop())
    except RuntimeError:
        pass
    sys.meta_path.append(_Aliases())


_install()

__all__ = ["BLE", "UUID", "bluetooth", "configure", "machine", "micropython", "uasyncio"]
