# SPDX-License-Identifier: MIT
"""Connections that we make: one, or one again and again."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Awaitable, Callable, Dict, Optional

from .core import Signal, quietly, settle
from .link import Link
from .stream import Stream

if TYPE_CHECKING:
    from .adapter import Adapter


class Connecting:
    """`async with ble.connect(...) as link`, or `link = await ble.connect(...)`."""

    def __init__(self, start: Callable[[], Awaitable[Link]]) -> None:
        self._start = start
        self._link: Optional[Link] = None

    def __await__(self) -> Any:
        return self._start().__await__()

    async def __aenter__(self) -> Link:
        self._link = await self._start()
        return self._link

    async def __aexit__(self, *_: Any) -> None:
        if self._link:
            await self._link.__aexit__()


class Always:
    """Connections to one peer, again and again."""

    def __init__(self, adapter: "Adapter", kind: int, address: str, options: Dict[str, Any]) -> None:
        self._adapter, self._kind, self._address, self._options = adapter, kind, address, options
        self._links: Stream[Link] = Stream()

    async def __aenter__(self) -> Stream[Link]:
        adapter = self._adapter
        self._links.hear(adapter.client, {"Central1.PeripheralConnected": self._up})

        def there_is_one(body: Any) -> None:
            if body[0]:
                self._links.put(adapter._use(body[0], self._kind, self._address))

        async def undo(_: Any) -> None:
            await self._stop()
        try:
            await adapter.client.claim("Central1.Connect", self._kind, self._address, undo=undo,
                                       then=there_is_one, auto=True, **self._options)
        except BaseException:
            self._links.close()
            raise
        return self._links

    def _up(self, signal: Signal) -> Optional[Link]:
        conn, kind, address = signal.args
        link = self._adapter.link(conn)
        if (kind, address) == (self._kind, self._address) or \
                (link.address_type, link.address) == (self._kind, self._address):
            link.uses += 1
            return link
        return None

    async def _stop(self) -> None:
        await self._adapter.cancel_connect((self._kind, self._address))

    async def __aexit__(self, *_: Any) -> None:
        self._links.close()
        if self._adapter.client.gone is None:
            await settle(quietly(self._stop()))
