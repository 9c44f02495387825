# SPDX-License-Identifier: MIT
"""What arrives by signals, as async iterators."""
from __future__ import annotations

import asyncio
import collections
import weakref
from typing import Any, Callable, Deque, Dict, Generic, List, Optional, TypeVar

from .core import Client, Signal
from .errors import Closed, Error, Overflow

T = TypeVar("T")
HELD = 65536  # items that wait for a reader; with more it fails, rather than lose one in silence


class Stream(Generic[T]):
    """An async iterator of what was put into it; it hears from when it is made until it is closed,
    by `async with`, close(), or when nobody refers to it any more."""

    def __init__(self) -> None:
        self._items: Deque[T] = collections.deque()
        self._news = asyncio.Event()
        self._over, self._error = False, None  # type: bool, Optional[Error]
        self._offs: List[Callable[[], None]] = []

    def hear(self, client: Client, signals: Dict[str, Callable[[Signal], Optional[T]]]) -> None:
        """Takes what these make of signals; None is passed over."""
        me = weakref.ref(self)  # a handler must not keep a forgotten stream alive

        def handler(make: Callable[[Signal], Optional[T]]) -> Callable[[Signal], None]:
            def put(signal: Signal) -> None:
                stream, item = me(), make(signal)
                if stream is not None and item is not None:
                    stream.put(item)
            return put

        def gone(error: Error) -> None:
            stream = me()
            if stream is not None:
                stream.end(error)
        self._offs += [client.on(name, handler(make)) for name, make in signals.items()]
        self._offs.append(client.on_end(gone))

    def on_forget(self, off: Callable[[], None]) -> None:
        """Called when it hears no more."""
        self._offs.append(off)

    def put(self, item: T) -> None:
        if self._over:
            return
        if len(self._items) >= HELD:
            self.end(Overflow(f"{HELD} items have waited for their reader"))
            return
        self._items.append(item)
        self._news.set()

    def end(self, error: Optional[Error] = None) -> None:
        """No more comes. What has come can be read; then the error, or the end."""
        if self._over:
            return
        self._over, self._error = True, error
        self._forget()
        self._news.set()

    def waiting(self) -> List[T]:
        """What has come and was not read, taken out."""
        items = list(self._items)
        self._items.clear()
        return items

    def put_back(self, item: T) -> None:
        """As if it had not been read."""
        self._items.appendleft(item)

    def close(self) -> None:
        self.end(Closed("this iterator has been closed"))
        self._items.clear()

    def _forget(self) -> None:
        offs, self._offs = self._offs, []
        for off in offs:
            off()

    async def get(self) -> Optional[T]:
        """The next one; None at the end."""
        while not self._items:
            if self._error:
                raise type(self._error)(self._error.message, self._error.status)
            if self._over:
                return None
            self._news.clear()
            await self._news.wait()
        return self._items.popleft()

    def __aiter__(self) -> "Stream[T]":
        return self

    async def __anext__(self) -> T:
        item = await self.get()
        if item is None:
            raise StopAsyncIteration
        return item

    async def __aenter__(self) -> "Stream[T]":
        return self

    async def __aexit__(self, *_: Any) -> None:
        self.close()

    def __del__(self) -> None:
        self._forget()
