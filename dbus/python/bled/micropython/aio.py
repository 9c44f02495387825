# SPDX-License-Identifier: MIT
"""MicroPython's asyncio: CPython's, with sleep_ms, ThreadSafeFlag and one loop for the program.

In it tasks can be made before the loop runs, and what run() leaves behind goes on when it is called
again. Loops of the program's thread call the handlers of events when they are idle.
"""
from __future__ import annotations

import asyncio
import types
from typing import Any, Awaitable, Coroutine, Optional

from .pump import pump


async def sleep_ms(ms: int) -> None:
    await asyncio.sleep(max(ms, 0) / 1000)


async def wait_for_ms(work: Awaitable[Any], timeout_ms: int) -> Any:
    return await asyncio.wait_for(work, timeout_ms / 1000)


class ThreadSafeFlag:
    """Set from anywhere; one task waits, and clears it by that."""

    def __init__(self) -> None:
        self._set = False
        self._waiter: Optional["asyncio.Future[None]"] = None

    def set(self) -> None:
        self._set = True
        if self._waiter:
            self._waiter.get_loop().call_soon_threadsafe(self._wake, self._waiter)

    @staticmethod
    def _wake(waiter: "asyncio.Future[None]") -> None:
        if not waiter.done():
            waiter.set_result(None)

    def clear(self) -> None:
        self._set = False

    async def wait(self) -> None:
        while not self._set:
            self._waiter = asyncio.get_running_loop().create_future()
            if self._set:
                break
            try:
                await self._waiter
            finally:
                self._waiter = None
        self._waiter = None
        self._set = False


class Policy(asyncio.DefaultEventLoopPolicy):
    """Every new loop of the program's thread serves the pump."""

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        loop: asyncio.AbstractEventLoop = super().new_event_loop()
        pump.attach(loop)
        return loop


class _Loop:
    """The program's one loop, as MicroPython has it."""

    def __init__(self) -> None:
        self.loop: Optional[asyncio.AbstractEventLoop] = None

    def get(self) -> asyncio.AbstractEventLoop:
        try:
            return asyncio.get_running_loop()
        except RuntimeError:
            if self.loop is None or self.loop.is_closed():
                self.loop = asyncio.new_event_loop()
                asyncio.set_event_loop(self.loop)
            return self.loop

    def new(self) -> asyncio.AbstractEventLoop:
        self.forget()
        return self.get()

    def create_task(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        return self.get().create_task(work)

    def run(self, main: Awaitable[Any]) -> Any:
        return self.get().run_until_complete(main)

    def forget(self) -> None:
        """What has not ended by then never does, as when a board is reset."""
        loop, self.loop = self.loop, None
        if loop and not loop.is_closed() and not loop.is_running():
            for task in asyncio.all_tasks(loop):
                task._log_destroy_pending = False  # type: ignore[attr-defined]


the_loop = _Loop()


def make_module() -> types.ModuleType:
    """asyncio as the program imports it."""
    module = types.ModuleType("asyncio", __doc__)
    module.__dict__.update({k: v for k, v in vars(asyncio).items() if k != "__name__"})
    module.__dict__.update(
        sleep_ms=sleep_ms, wait_for_ms=wait_for_ms, ThreadSafeFlag=ThreadSafeFlag,
        run=the_loop.run, create_task=the_loop.create_task, get_event_loop=the_loop.get,
        new_event_loop=the_loop.new)
    return module
