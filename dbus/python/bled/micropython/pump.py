# SPDX-License-Identifier: MIT
"""What waits to be run in the program's thread: events of the radio, scheduled functions.

MicroPython runs them where it yields. Here that is wherever the program waits through this module
(sleeping, machine.idle, standard input, polling) and whenever its asyncio loop is idle. They run
one at a time, never nested, never in another thread.
"""
from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import os
import select
import sys
import threading
import time
import weakref
from typing import Any, Callable, Deque, Iterable, List, Optional, Tuple

Job = Callable[[], None]
_os: Any = os  # eventfd is too new for some type checkers


def flush() -> None:
    """What has been printed is seen at once, as from a board."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        pass  # nobody reads it


class Pump:
    def __init__(self) -> None:
        self._jobs: Deque[Tuple[bool, Job]] = collections.deque()  # whether of the radio
        self._event: int = _os.eventfd(0, _os.EFD_CLOEXEC | _os.EFD_NONBLOCK)
        self._running = False
        self._loops: "weakref.WeakSet[asyncio.AbstractEventLoop]" = weakref.WeakSet()
        self.thread = threading.get_ident()

    def adopt(self) -> None:
        """From now on the calling thread is the program's."""
        self.thread = threading.get_ident()

    @property
    def free(self) -> bool:
        """This is the program's thread, and nothing runs that must not be interrupted."""
        return not self._running and threading.get_ident() == self.thread

    def post(self, job: Job, radio: bool = True) -> None:
        """From any thread."""
        self._jobs.append((radio, job))
        self.poke()

    def poke(self) -> None:
        _os.eventfd_write(self._event, 1)

    def drop(self) -> None:
        """Forgets what waits of the radio."""
        for _ in range(len(self._jobs)):
            radio, job = self._jobs.popleft()
            if not radio:
                self._jobs.append((radio, job))

    def run(self) -> bool:
        """Runs what waits now, where that may be; True: there was something."""
        if not self.free:
            return False
        try:
            _os.eventfd_read(self._event)
        except BlockingIOError:
            pass
        count = len(self._jobs)
        for _ in range(count):
            if not self._jobs:
                break  # dropped meanwhile
            _, job = self._jobs.popleft()
            self._running = True
            try:
                job()
            except BaseException:
                self.poke()
                raise
            finally:
                self._running = False
        if self._jobs:
            self.poke()
        if count:
            flush()
        return count > 0

    def wait(self, seconds: Optional[float] = None, fds: Iterable[Tuple[int, int]] = (),
             until: Optional[Callable[[], bool]] = None) -> List[Tuple[int, int]]:
        """Waits that long (None: for ever), for events of file descriptors, or until something is
        so that somebody pokes for; runs what comes meanwhile. Returns the events."""
        poller = select.poll()
        for fd, events in fds:
            poller.register(fd, events)
        if self.free:
            poller.register(self._event, select.POLLIN)
        flush()
        end = None if seconds is None else time.monotonic() + seconds
        while True:
            self.run()
            if until and until():
                return []
            left = None if end is None else max(0.0, end - time.monotonic())
            ready = poller.poll(None if left is None else left * 1000)
            found = [(fd, events) for fd, events in ready if fd != self._event]
            if found:
                self.run()
                return found
            if end is not None and time.monotonic() >= end:
                self.run()
                return []

    def serve(self, future: "concurrent.futures.Future[Any]") -> None:
        """Waits for it, and runs what comes meanwhile, where that may be."""
        if self.free:
            future.add_done_callback(lambda _: self.poke())
            self.wait(until=future.done)

    def attach(self, loop: Any) -> None:
        """A loop of the program's thread runs what comes when it is idle."""
        if threading.get_ident() == self.thread and loop not in self._loops:
            self._loops.add(loop)
            loop.add_reader(self._event, self.run)


pump = Pump()
