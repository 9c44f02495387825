# SPDX-License-Identifier: MIT
"""MicroPython's modules `micropython`, `machine` and what it has in `time`, for a Linux process."""
from __future__ import annotations

import sys
import threading
import time
import types
from typing import Any, Callable, Dict, Optional, TypeVar

from .events import print_exception
from .pump import pump

T = TypeVar("T")
PERIOD = 1 << 30  # of ticks
IDLE_S = 0.005


# time

def ticks_ms() -> int:
    return time.monotonic_ns() // 1000000 % PERIOD


def ticks_us() -> int:
    return time.monotonic_ns() // 1000 % PERIOD


def ticks_add(ticks: int, delta: int) -> int:
    if not -PERIOD // 2 < delta < PERIOD // 2:
        raise OverflowError("ticks interval overflow")
    return (ticks + delta) % PERIOD


def ticks_diff(end: int, start: int) -> int:
    return (end - start + PERIOD // 2) % PERIOD - PERIOD // 2


def sleep(seconds: float) -> None:
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    pump.wait(seconds)


def sleep_ms(ms: int) -> None:
    pump.wait(max(ms, 0) / 1000)


def sleep_us(us: int) -> None:
    pump.wait(max(us, 0) / 1000000)


TIME: Dict[str, Any] = {"ticks_ms": ticks_ms, "ticks_us": ticks_us, "ticks_cpu": ticks_us,
                        "ticks_add": ticks_add, "ticks_diff": ticks_diff, "sleep": sleep,
                        "sleep_ms": sleep_ms, "sleep_us": sleep_us}


# micropython

def const(value: T) -> T:
    return value


def schedule(function: Callable[[Any], Any], argument: Any) -> None:
    """Calls it soon, where handlers of events are called."""
    def job() -> None:
        try:
            function(argument)
        except Exception as e:  # noqa: B902
            print_exception(e)
    pump.post(job, radio=False)


def _same(function: T) -> T:
    return function


def _nothing(*_: Any) -> int:
    return 0


def micropython_module() -> types.ModuleType:
    module = types.ModuleType("micropython", "MicroPython's internals, as far as they mean something")
    module.__dict__.update(
        const=const, schedule=schedule, native=_same, viper=_same, opt_level=_nothing,
        alloc_emergency_exception_buf=_nothing, mem_info=_nothing, qstr_info=_nothing,
        stack_use=_nothing, heap_lock=_nothing, heap_unlock=_nothing, kbd_intr=_nothing)
    return module


# machine

def idle() -> None:
    """Until something happens, and not for long."""
    if not pump.run():
        pump.wait(IDLE_S)


def lightsleep(ms: Optional[int] = None) -> None:
    pump.wait(None if ms is None else ms / 1000)


def reset() -> None:
    """As a reset ends the program: by SystemExit."""
    sys.exit(0)


def unique_id() -> bytes:
    """Of this machine; octets that say nothing where it has no id."""
    try:
        with open("/etc/machine-id", encoding="ascii") as f:
            return bytes.fromhex(f.read().strip())[:8]
    except (OSError, ValueError):
        return bytes(8)


class Pin:
    """There are no pins: what is written can be read back."""

    IN, OUT, OPEN_DRAIN, PULL_UP, PULL_DOWN = 0, 1, 2, 1, 2
    IRQ_RISING, IRQ_FALLING = 1, 2

    def __init__(self, id: Any, mode: int = -1, pull: int = -1, *, value: int = 0,
                 **_: Any) -> None:
        self._value = int(bool(value))

    def init(self, mode: int = -1, pull: int = -1, *, value: Optional[int] = None,
             **_: Any) -> None:
        if value is not None:
            self._value = int(bool(value))

    def value(self, value: Optional[int] = None) -> Optional[int]:
        if value is None:
            return self._value
        self._value = int(bool(value))
        return None

    __call__ = value

    def on(self) -> None:
        self._value = 1

    def off(self) -> None:
        self._value = 0

    def toggle(self) -> None:
        self._value ^= 1

    def irq(self, handler: Any = None, trigger: int = 0, **_: Any) -> None:
        """Nothing ever happens to a pin here."""


class Timer:
    """Calls back in the program's thread, where handlers of events are called."""

    ONE_SHOT, PERIODIC = 0, 1

    def __init__(self, id: int = -1, **settings: Any) -> None:
        self._timer: Optional[threading.Timer] = None
        if settings:
            self.init(**settings)

    def init(self, *, mode: int = PERIODIC, freq: float = 0, period: int = -1,
             callback: Optional[Callable[["Timer"], Any]] = None, **_: Any) -> None:
        self.deinit()
        self._again, self._callback = mode == self.PERIODIC, callback
        self._seconds = 1 / freq if freq else max(period, 0) / 1000
        self._start()

    def _start(self) -> None:
        self._timer = timer = threading.Timer(self._seconds, lambda: self._fire(timer))
        timer.daemon = True
        timer.start()

    def _fire(self, timer: threading.Timer) -> None:
        if self._timer is not timer:
            return
        if self._again:
            self._start()
        if self._callback:
            schedule(self._callback, self)

    def deinit(self) -> None:
        timer, self._timer = self._timer, None
        if timer:
            timer.cancel()


def machine_module() -> types.ModuleType:
    module = types.ModuleType("machine", "What a program wants of its board, of this machine")
    module.__dict__.update(
        idle=idle, lightsleep=lightsleep, deepsleep=lightsleep, reset=reset, soft_reset=reset,
        unique_id=unique_id, Pin=Pin, Timer=Timer, freq=_nothing, reset_cause=_nothing,
        disable_irq=_nothing, enable_irq=_nothing)
    return module
