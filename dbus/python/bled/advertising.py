# SPDX-License-Identifier: MIT
"""Advertising, and the connections that come of it."""
from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Callable, Dict, Optional

from .core import Signal, quietly, settle
from .errors import Error, from_status
from .link import Link
from .stream import Stream

if TYPE_CHECKING:
    from .adapter import Adapter


class Advertising:
    """An advertisement while it is on the air. As an iterator: the connections that come."""

    def __init__(self, adapter: "Adapter", interval_us: int, options: Dict[str, Any],
                 number: Optional[int]) -> None:
        self._adapter, self._interval, self._options = adapter, interval_us, options
        self._wanted, self._links = number, adapter.incoming()
        self._end: Optional["asyncio.Future[Optional[Error]]"] = None
        self._off: Callable[[], None] = lambda: None
        self._off_end = self._off
        self.set = 0

    async def __aenter__(self) -> "Advertising":
        sets = self._adapter._sets
        self.set = self._wanted if self._wanted is not None else next(
            n for n in range(255) if n not in sets)
        sets.add(self.set)
        self._end = asyncio.get_running_loop().create_future()
        self._off = self._adapter.client.on("Broadcaster1.AdvertisingStopped", self._stopped)
        self._off_end = self._adapter.client.on_end(self._void)
        try:
            await self._advertise()
        except BaseException:
            self._forget()
            raise
        return self

    async def _advertise(self) -> None:
        await self._adapter.client.claim("Broadcaster1.Advertise", self._interval, undo=self._undo,
                                         set=self.set, **self._options)

    async def _undo(self, _: Any) -> None:
        await self._adapter.client.call("Broadcaster1.StopAdvertising", self.set, urgent=True)

    def _stopped(self, signal: Signal) -> None:
        number, status = signal.args
        if number == self.set and not signal.broadcast and self._end and not self._end.done():
            self._end.set_result(from_status(status))

    def _void(self, error: Error) -> None:
        if self._end and not self._end.done():
            self._end.set_result(error)

    def _forget(self) -> None:
        self._off()
        self._off_end()
        self._adapter._sets.discard(self.set)
        self._links.close()

    @property
    def stopped(self) -> "asyncio.Future[Optional[Error]]":
        """`why = await adv.stopped`: None, by a connection or by stop(); else the error."""
        if self._end is None:
            raise RuntimeError("it has not begun: async with ble.advertise(...) as adv")
        return asyncio.shield(self._end)

    async def update(self, *, interval_ms: Optional[float] = None, **options: Any) -> None:
        """Other data or another interval, without a gap; or again, after a connection."""
        if interval_ms is not None:
            self._interval = round(interval_ms * 1000)
        self._options.update(options)
        if self._end is None or self._end.done():
            self._end = asyncio.get_running_loop().create_future()
        await self._advertise()

    async def stop(self) -> None:
        if self._adapter.client.gone is None:
            await settle(quietly(self._undo(None)))

    async def __aexit__(self, *_: Any) -> None:
        try:
            await self.stop()
        finally:
            self._forget()

    def __aiter__(self) -> Stream[Link]:
        return self._links
