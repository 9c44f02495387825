# SPDX-License-Identifier: MIT
"""The daemon as the synchronous programs of bled.micropython and bled.pycom see it: a thread of its
own moves the messages, calls wait for their replies, errors are OSErrors with the numbers that
MicroPython gives."""
from __future__ import annotations

import asyncio
import concurrent.futures
import errno
import os
import threading
from typing import Any, Callable, Coroutine, Dict, Optional, Type

from . import errors
from .core import Client, adapter_path

_ERRNO: Dict[Type[errors.Error], int] = {
    errors.NotActive: errno.ENODEV, errors.NotReady: errno.ENODEV, errors.DaemonGone: errno.ENODEV,
    errors.Closed: errno.ENODEV, errors.Overflow: errno.ENODEV,
    errors.NotConnected: errno.ENOTCONN, errors.Disconnected: errno.ENOTCONN,
    errors.AlreadyConnected: errno.EALREADY, errors.NotFound: errno.ENOENT,
    errors.NotSupported: errno.EOPNOTSUPP, errors.Busy: errno.EBUSY,
    errors.Timeout: errno.ETIMEDOUT, errors.Canceled: errno.ECANCELED,
    errors.NoResources: errno.ENOMEM, errors.NoMemory: errno.ENOMEM,
    errors.InvalidArgs: errno.EINVAL, errors.AccessDenied: errno.EACCES,
}


def os_error(error: errors.Error) -> OSError:
    number = next((_ERRNO[kind] for kind in type(error).__mro__ if kind in _ERRNO), errno.EIO)
    # Made of its parts it is an OSError and no subclass: no TimeoutError that asyncio knows as its own.
    made = OSError()
    made.args = made.errno, made.strerror = number, str(error)
    return made


class Settings:
    """Where the daemon is. Environment: BLED_BUS, BLED_BUS_NAME, BLED_ADAPTER."""

    def __init__(self) -> None:
        self.bus: Optional[str] = os.environ.get("BLED_BUS")
        self.bus_name = os.environ.get("BLED_BUS_NAME", "org.bled")
        self.adapter: Optional[str] = os.environ.get("BLED_ADAPTER")


settings = Settings()


class Daemon:
    """A client of the daemon, in a thread."""

    def __init__(self) -> None:
        # Not by a policy: this loop is not one of the program's.
        self.loop: asyncio.AbstractEventLoop = asyncio.SelectorEventLoop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="bled", daemon=True)
        self._thread.start()
        try:
            self.client: Client = self.sync(self._open())
        except BaseException:
            self.soon(self.loop.stop)
            self._thread.join()
            self.loop.close()
            raise

    async def _open(self) -> Client:
        client = await Client.open(settings.bus, settings.bus_name)
        try:
            manager = client.known("/org/bled", "Manager1")
            client.path = manager["DefaultAdapter"] if settings.adapter is None else \
                adapter_path(settings.adapter, manager["Adapters"])
            if client.path == "/":
                raise errors.NotReady("the daemon has no controller")
        except BaseException:
            client.close()
            raise
        return client

    @property
    def gone(self) -> bool:
        return self.client.gone is not None

    def sync(self, work: Coroutine[Any, Any, Any],
             serve: Optional[Callable[["concurrent.futures.Future[Any]"], None]] = None) -> Any:
        """Does it in the daemon's thread, and waits; by serve, which may do something meanwhile."""
        future: "concurrent.futures.Future[Any]" = asyncio.run_coroutine_threadsafe(work, self.loop)
        if serve:
            serve(future)
        try:
            return future.result()
        except errors.Error as e:
            raise os_error(e) from None

    def call(self, method: str, *args: Any, **options: Any) -> Any:
        return self.sync(self.client.call(method, *args, **options))

    def send(self, method: str, *args: Any, **options: Any) -> None:
        """A call whose reply nobody waits for. From any thread, in order with the others."""
        self.soon(self.tell, method, args, options)

    def soon(self, callback: Callable[..., Any], *args: Any) -> None:
        """Calls back in the daemon's thread; not at all when this has been closed."""
        try:
            self.loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            pass

    def tell(self, method: str, args: Any, options: Dict[str, Any]) -> None:
        """The same, from the daemon's thread."""
        try:
            future = self.client.request(method, *args, options=options)
        except errors.Error:
            return
        future.add_done_callback(lambda f: f.cancelled() or f.exception())

    def close(self) -> None:
        self.soon(self.client.close)
        self.soon(self.loop.stop)
        self._thread.join()
        self.loop.close()
