# SPDX-License-Identifier: MIT
"""A peer's GATT server: its services, characteristics and descriptors."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, List, Optional, Tuple, Union

from .core import Signal, quietly, settle
from .errors import (Busy, Disconnected, Error, InvalidArgs, NoResources, NotFound,
                     Overflow)
from .pipe import Pipe
from .stream import Stream
from .types import Flag, Uuid, uuid as spelled

if TYPE_CHECKING:
    from .link import Link

COMMAND, REQUEST, RELIABLE, SIGNED = 0, 1, 2, 3
_MODES = {False: COMMAND, True: REQUEST, "reliable": RELIABLE, "signed": SIGNED}


class RemoteDescriptor:
    """An attribute of a peer, by its handle."""

    def __init__(self, link: "Link", handle: int, uuid: str) -> None:
        self.link, self.handle, self.uuid = link, handle, uuid

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.uuid} at {self.handle:#06x}>"

    async def read(self, offset: Optional[int] = None, long: Optional[bool] = None) -> bytes:
        """The value, whole; with long=False what one answer holds."""
        return await self.link.read(self.handle, offset, long)

    async def write(self, value: bytes, response: Union[bool, str] = True,
                    offset: Optional[int] = None) -> None:
        """response: True, a request; False, a command; "reliable", prepared and compared;
        "signed"."""
        await self.link.write(self.handle, value, response, offset)


class RemoteCharacteristic(RemoteDescriptor):
    """A characteristic of a peer. `handle` is its value's, `end` its last."""

    def __init__(self, link: "Link", handle: int, end: int, properties: int, uuid: str) -> None:
        super().__init__(link, handle, uuid)
        self.end, self.properties = end, Flag(properties)

    async def descriptors(self) -> List[RemoteDescriptor]:
        if self.handle >= self.end:
            return []
        return await self.link.attributes(self.handle + 1, self.end)

    async def descriptor(self, uuid: Uuid) -> RemoteDescriptor:
        for descriptor in await self.descriptors():
            if descriptor.uuid == spelled(uuid):
                return descriptor
        raise NotFound(f"characteristic {self.uuid} has no descriptor {spelled(uuid)}")

    def notifications(self, *, indications: Optional[bool] = None,
                      socket: bool = True) -> "Notifications":
        """`async with ch.notifications() as values: async for value in values`.

        Values come over a socket of the daemon's, or, with socket=False and where it has a reader
        already, by signals. None is lost: a reader that leaves too much unread gets Overflow.
        indications: True, these; False, notifications; else what the characteristic has.
        """
        if indications is None:
            indications = not self.properties & Flag.NOTIFY and bool(
                self.properties & Flag.INDICATE)
        return Notifications(self, 2 if indications else 1, socket)

    async def subscribe(self, bits: int = 1, wait: Optional[bool] = None) -> None:
        """Subscribe by hand (1 notifications, 2 indications, 0 ends it): values come as the signals
        Notified and Indicated of Adapter.signals, and to every notifications(socket=False)."""
        await self.link.client.call("GattClient1.Subscribe", self.link.conn, self.handle, bits,
                                    wait=wait)

    async def listen_for(self, count: int, timeout: float = 30) -> List[bytes]:
        """The next values, whoever subscribed; sooner, what came, when the time is over."""
        values: List[bytes] = await self.link.client.call(
            "GattClient1.ListenFor", self.link.conn, self.handle, count,
            timeout_ms=round(timeout * 1000))
        return values

    def writer(self) -> "Writer":
        """`async with ch.writer() as w: await w.write(value)`: many writes without response, fast."""
        return Writer(self.link, "GattClient1.AcquireWrite", self.handle)


class Notifications:
    """The values that a peer notifies or indicates, from when the block is entered."""

    def __init__(self, characteristic: RemoteCharacteristic, bits: int, socket: bool) -> None:
        self._of, self._link, self._bits, self._socket = (
            characteristic, characteristic.link, bits, socket)
        self._pipe: Optional[Pipe] = None
        self._stream: Optional[Stream[bytes]] = None

    async def __aenter__(self) -> "Notifications":
        if self._socket:
            try:
                await self._acquire()
                return self
            except (Busy, NoResources):
                pass  # somebody else reads it from a socket: signals go to any number
        await self._subscribe()
        return self

    async def _acquire(self) -> None:
        async def undo(result: Tuple[Any, int]) -> None:
            result[0].close()
        fd, _ = await self._link.client.claim(
            "GattClient1.AcquireNotify", self._link.conn, self._of.handle, undo=undo,
            bits=self._bits)
        self._pipe = Pipe(fd)

    async def _subscribe(self) -> None:
        link, handle = self._link, self._of.handle
        stream: Stream[bytes] = Stream()

        def value(signal: Signal) -> Optional[bytes]:
            conn, at, octets = signal.args
            return octets if conn == link.conn and at == handle else None
        stream.hear(link.client, {"GattClient1.Notified": value, "GattClient1.Indicated": value})
        link.on_end(stream)
        wants = link.subscriptions.setdefault(handle, [])
        wants.append(self._bits)
        counted = True

        def forget() -> None:
            nonlocal counted
            if counted:
                counted = False
                wants.remove(self._bits)

        async def undo(_: Any) -> None:
            forget()
            await link.client.call("GattClient1.Subscribe", link.conn, handle, self._wanted(),
                                   urgent=True)
        try:
            await link.client.claim("GattClient1.Subscribe", link.conn, handle, self._wanted(),
                                    undo=undo)
        except BaseException:
            forget()
            stream.close()
            raise
        self._stream = stream

    def _wanted(self) -> int:
        """What all iterators of this program on this characteristic want together."""
        bits = 0
        for one in self._link.subscriptions.get(self._of.handle, []):
            bits |= one
        return bits

    async def _unsubscribe(self) -> None:
        left = self._link.subscriptions[self._of.handle]
        before = self._wanted()
        left.remove(self._bits)
        if self._wanted() != before and self._link.connected:
            await self._link.client.call("GattClient1.Subscribe", self._link.conn,
                                         self._of.handle, self._wanted(), urgent=True)

    async def __aexit__(self, *_: Any) -> None:
        if self._pipe:
            self._pipe.close()
        if self._stream:
            stream, self._stream = self._stream, None
            stream.close()
            await settle(quietly(self._unsubscribe()))

    def __aiter__(self) -> "Notifications":
        return self

    async def __anext__(self) -> bytes:
        if self._stream:
            value = await self._stream.get()
        elif self._pipe:
            value = await self._pipe.recv()
        else:
            raise RuntimeError("values come inside of `async with ch.notifications() as values`")
        if value is None:
            raise await self._link.why_ended(Overflow(
                f"more was notified of {self._of.uuid} than is held for its reader (Adapter.rx_buf)"))
        return value


class Writer:
    """Many values to a handle over a socket: back-pressure by await, nothing is dropped."""

    def __init__(self, link: "Link", method: str, handle: int) -> None:
        self._link, self._method, self._handle = link, method, handle
        self._pipe: Optional[Pipe] = None

    async def __aenter__(self) -> "Writer":
        async def undo(result: Tuple[Any, int]) -> None:
            result[0].close()
        fd, _ = await self._link.client.claim(self._method, self._link.conn, self._handle, undo=undo)
        self._pipe = Pipe(fd)
        return self

    async def __aexit__(self, *_: Any) -> None:
        """What was written is sent all the same."""
        if self._pipe:
            self._pipe.close()

    @property
    def size(self) -> int:
        """The most octets of a value now; it grows with the MTU."""
        return min(self._link.mtu - 3, 512)

    async def write(self, value: bytes) -> None:
        if not self._pipe:
            raise RuntimeError("values are written inside of `async with`")
        if len(value) > self.size:
            raise InvalidArgs(f"{len(value)} octets are more than the {self.size} that fit")
        try:
            await self._pipe.send(value)
        except ConnectionError as e:
            if isinstance(e, Error):
                raise
            raise await self._link.why_ended(
                Disconnected("the daemon has ended the socket")) from None


class RemoteService:
    """A service of a peer."""

    def __init__(self, link: "Link", start: int, end: int, uuid: str) -> None:
        self.link, self.start, self.end, self.uuid = link, start, end, uuid

    def __repr__(self) -> str:
        return f"<RemoteService {self.uuid} at {self.start:#06x}-{self.end:#06x}>"

    async def characteristics(self, uuid: Optional[Uuid] = None) -> List[RemoteCharacteristic]:
        found = await self.link.client.call(
            "GattClient1.DiscoverCharacteristics", self.link.conn, self.start, self.end,
            "" if uuid is None else spelled(uuid))
        return [RemoteCharacteristic(self.link, value, end, properties, at)
                for end, value, properties, at in found]

    async def characteristic(self, uuid: Uuid) -> RemoteCharacteristic:
        for found in await self.characteristics(uuid):
            return found
        where = f"service {self.uuid}" if self.uuid else "the peer"
        raise NotFound(f"{where} has no characteristic {spelled(uuid)}")

    async def includes(self) -> List["RemoteService"]:
        found = await self.link.client.call("GattClient1.DiscoverIncludes", self.link.conn,
                                            self.start, self.end)
        return [RemoteService(self.link, start, end, at) for _, start, end, at in found]


def write_mode(response: Union[bool, str]) -> int:
    if response not in _MODES:
        raise ValueError(f"response is True, False, 'reliable' or 'signed', not {response!r}")
    return _MODES[response]


__all__ = ["Notifications", "RemoteCharacteristic", "RemoteDescriptor", "RemoteService",
           "Writer"]
