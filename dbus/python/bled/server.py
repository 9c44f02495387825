# SPDX-License-Identifier: MIT
"""Local services: classes of characteristics with handlers, served as long as a block runs.

    @bled.service("180d")
    class HeartRate:
        measurement = bled.characteristic("2a37", notify=True)
        location = bled.characteristic("2a38", read=True, value=b"\\x01")

        @location.on_read
        async def where(self, link):
            return b"\\x02"                       # or raise bled.AttError.InsufficientAuthorization

    async with ble.serve(HeartRate()) as serving: ...

Handlers are methods, async or not, called one after the other for each connection, in the order of
what the peer did. One that raises an AttError answers with it; any other exception is UnlikelyError
for the peer and goes to the event loop's exception handler.
"""
from __future__ import annotations

import inspect
from typing import (TYPE_CHECKING, Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple,
                    Type, TypeVar, Union, overload)

from .core import Signal, quietly, settle
from .errors import AttError, Closed, Error, NotConnected, NotFound, Overflow
from .pipe import Pipe
from .remote import Writer
from .stream import Stream
from .types import Event, Flag, Uuid, uuid as spelled
from . import contract

if TYPE_CHECKING:
    from .adapter import Adapter
    from .link import Link

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=Type[Any])
UNLIKELY, DENIED = 0x0e, 0x08


class _Attribute:
    """What characteristics and descriptors have in common: a value and handlers."""

    def __init__(self, uuid: Uuid, flags: int, value: bytes, max_len: Optional[int]) -> None:
        self.uuid, self.flags, self.value, self.max_len = spelled(uuid), Flag(flags), value, max_len
        self.handlers: Dict[str, Callable[..., Any]] = {}

    def _handler(self, kind: str, function: F) -> F:
        if kind in self.handlers:
            raise TypeError(f"{self.uuid} has a handler for {kind} already")
        self.handlers[kind] = function
        return function

    def on_read(self, function: F) -> F:
        """f(self, link) -> the value that the peer gets, or None: the stored one. It may raise an
        AttError. It has 5 s."""
        return self._handler("read", function)

    def on_write(self, function: F) -> F:
        """f(self, link, value): before it is stored. It may raise an AttError, or return what is to
        be stored in place of the value. It has 5 s."""
        return self._handler("write", function)

    def on_written(self, function: F) -> F:
        """f(self, link, value): when it has been stored; the peer does not wait for this."""
        return self._handler("written", function)

    def on_reading(self, function: F) -> F:
        """f(self, link): it is being read; the peer does not wait for this."""
        return self._handler("reading", function)

    def as_options(self) -> Dict[str, Any]:
        return {"uuid": self.uuid, "flags": int(self.flags), "value": self.value,
                "max_len": self.max_len}


class Descriptor(_Attribute):
    """A descriptor of a local characteristic."""


class Characteristic(_Attribute):
    """A local characteristic in the class of its service."""

    def __init__(self, uuid: Uuid, flags: int, value: bytes = b"", max_len: Optional[int] = None,
                 append: Optional[bool] = None, descriptors: Sequence[Descriptor] = ()) -> None:
        super().__init__(uuid, flags, value, max_len)
        self.append, self.descriptors, self.name = append, list(descriptors), ""

    def on_subscribe(self, function: F) -> F:
        """f(self, link, bits): a peer has changed its CCCD: 1 notifications, 2 indications."""
        return self._handler("subscribe", function)

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> "Characteristic": ...

    @overload
    def __get__(self, instance: object, owner: type) -> "LocalCharacteristic": ...

    def __get__(self, instance: Optional[object],
                owner: type) -> Union["Characteristic", "LocalCharacteristic"]:
        if instance is None:
            return self
        key = f"_bled_{self.name}"
        if key not in instance.__dict__:
            instance.__dict__[key] = LocalCharacteristic(self, instance)
        bound: LocalCharacteristic = instance.__dict__[key]
        return bound

    def as_options(self) -> Dict[str, Any]:
        every: List[_Attribute] = [self, *self.descriptors]

        def any_has(kind: str) -> Optional[bool]:
            return True if any(kind in a.handlers for a in every) else None
        types = contract.CHARACTERISTIC
        made: Dict[str, Any] = {k: (types[k], v) for k, v in {
            **super().as_options(), "append": self.append, "authorize_reads": any_has("read"),
            "authorize_writes": any_has("write"), "read_events": any_has("reading")}.items()
            if v is not None}
        if self.descriptors:
            made["descriptors"] = types["descriptors"], [
                {k: (types[k], v) for k, v in d.as_options().items() if v is not None}
                for d in self.descriptors]
        return made


def _flags(read: bool, write: bool, encrypted: bool, authenticated: bool, more: int) -> int:
    flags = more
    for wanted, plain, enc, auth in ((read, Flag.READ, Flag.READ_ENCRYPTED, Flag.READ_AUTHENTICATED),
                                     (write, Flag.WRITE, Flag.WRITE_ENCRYPTED,
                                      Flag.WRITE_AUTHENTICATED)):
        if wanted:
            flags |= plain | (enc if encrypted else 0) | (auth if authenticated else 0)
    return flags


def characteristic(uuid: Uuid, *, read: bool = False, write: bool = False,
                   write_without_response: bool = False, notify: bool = False,
                   indicate: bool = False, encrypted: bool = False, authenticated: bool = False,
                   flags: int = 0, value: bytes = b"", max_len: Optional[int] = None,
                   append: Optional[bool] = None,
                   descriptors: Sequence[Descriptor] = ()) -> Characteristic:
    """A characteristic for a class with @service. encrypted, authenticated: what reading and
    writing ask of the link. flags: more of Flag."""
    more = flags | (Flag.WRITE_NO_RESPONSE if write_without_response else 0) | (
        Flag.NOTIFY if notify else 0) | (Flag.INDICATE if indicate else 0)
    all_flags = _flags(read, write, encrypted, authenticated, more)
    if encrypted or authenticated:
        # Subscribing asks for what reading and writing ask for; a command is written as well.
        if write_without_response or not (read or write):
            all_flags |= Flag.WRITE_AUTHENTICATED if authenticated else Flag.WRITE_ENCRYPTED
    return Characteristic(uuid, all_flags, value, max_len, append, descriptors)


def descriptor(uuid: Uuid, *, read: bool = True, write: bool = False, encrypted: bool = False,
               authenticated: bool = False, flags: int = 0, value: bytes = b"",
               max_len: Optional[int] = None) -> Descriptor:
    return Descriptor(uuid, _flags(read, write, encrypted, authenticated, flags), value, max_len)


def service(uuid: Uuid, *, primary: bool = True) -> Callable[[C], C]:
    """Makes a class a service: its attributes made by characteristic(), in their order."""
    def decorate(cls: C) -> C:
        cls.__bled_service__ = (spelled(uuid), primary)
        return cls
    return decorate


def simple_service(uuid: Uuid, **characteristics: Characteristic) -> Any:
    """A service without handlers: simple_service("180f", level=characteristic("2a19", read=True))."""
    return service(uuid)(type("Service", (), dict(characteristics)))()


class LocalAttribute:
    """A value of a service that is being served."""

    def __init__(self, definition: _Attribute, owner: object) -> None:
        self._definition, self._owner = definition, owner
        self._serving: Optional["Serving"] = None
        self._handle = 0

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._definition.uuid} at {self._handle:#06x}>"

    @property
    def uuid(self) -> str:
        return self._definition.uuid

    @property
    def flags(self) -> Flag:
        return self._definition.flags

    @property
    def handle(self) -> int:
        """Its value's."""
        self._adapter  # not served: an error
        return self._handle

    @property
    def _adapter(self) -> "Adapter":
        if self._serving is None:
            raise NotFound(f"{self.uuid} is not being served")
        return self._serving.adapter

    async def read(self) -> bytes:
        """The stored value; where writes are appended it is cleared in the same step."""
        value: bytes = await self._adapter.client.call("GattServer1.Read", self.handle)
        return value

    async def write(self, value: bytes) -> None:
        """Stores a value; nobody is notified."""
        await self._adapter.client.call("GattServer1.Write", self.handle, value, False)

    async def set_buffer(self, length: int, append: bool = False) -> None:
        await self._adapter.client.call("GattServer1.SetBuffer", self.handle, length, append)

    async def set_authorization(self, reads: bool, writes: bool,
                                default_status: int = DENIED) -> None:
        """Whether on_read and on_write are asked, and what the peer gets where they are too late."""
        await self._adapter.client.call("GattServer1.SetAuthorization", self.handle, reads, writes,
                                        default_status)

    async def run(self, kind: str, *args: Any) -> Any:
        """A handler of the program's; None where there is none."""
        handler = self._definition.handlers.get(kind)
        if handler is None:
            return None
        result = handler(self._owner, *args)
        return await result if inspect.isawaitable(result) else result

    def has(self, kind: str) -> bool:
        return kind in self._definition.handlers


class LocalCharacteristic(LocalAttribute):
    """A characteristic of a service instance."""

    _definition: Characteristic

    def __init__(self, definition: Characteristic, owner: object) -> None:
        super().__init__(definition, owner)
        self.descriptors = [LocalAttribute(d, owner) for d in definition.descriptors]

    @property
    def path(self) -> str:
        return f"{self._adapter.client.path}/char{self.handle:04x}"

    def _known(self, name: str) -> Any:
        return self._adapter.client.known(self.path, "Characteristic1").get(name)

    @property
    def service(self) -> str:
        """UUID of its service."""
        return str(self._known("Service"))

    @property
    def owner(self) -> str:
        return str(self._known("Owner"))

    @property
    def subscribers(self) -> List["Link"]:
        """The links whose peers have subscribed."""
        return [self._adapter.link(conn) for conn in self._known("Subscribers") or []]

    async def value(self) -> bytes:
        """The stored value; reading it so never clears what is appended."""
        octets: bytes = await self._adapter.client.get("Characteristic1.Value", self.path)
        return octets

    async def set_value(self, value: Union[int, str, bytes], kind: Optional[str] = None) -> None:
        """Stores a number (kind: its D-Bus type, y n q i u x t), text as UTF-8, or octets."""
        kind = kind or ("s" if isinstance(value, str) else
                        "ay" if not isinstance(value, int) else None)
        if kind is None:
            raise ValueError("a number needs its D-Bus type: kind='q'")
        await self._adapter.client.call("Characteristic1.SetValue", (kind, value), path=self.path)

    async def notify(self, value: Optional[bytes] = None, link: Optional["Link"] = None) -> None:
        """Stores the value and sends it to all who have subscribed, as a notification or an
        indication; or with link sends it (without value: the stored one) to this peer alone,
        whether it has subscribed or not. Returns when it is queued: awaited in a loop, none is lost."""
        client = self._adapter.client
        if link is not None:
            await client.call("GattServer1.Notify", link.conn, self.handle, value=value)
        else:
            await client.call("GattServer1.Write", self.handle,
                              await self.value() if value is None else value, True)

    async def indicate(self, link: "Link", value: Optional[bytes] = None) -> int:
        """Returns when the peer has confirmed: how many octets it was sent."""
        sent: int = await self._adapter.client.call("GattServer1.Indicate", link.conn, self.handle,
                                                    value=value)
        return sent

    def notifier(self, link: "Link") -> Writer:
        """`async with ch.notifier(link) as w: await w.write(value)`: many notifications, fast."""
        self._adapter
        return Writer(link, "GattServer1.AcquireNotify", self.handle)

    def writes(self, link: "Link") -> "Writes":
        """`async with ch.writes(link) as values: async for value in values`: what this peer writes,
        in place of on_written."""
        return Writes(self, link)

    def trigger(self, mask: int = Event.READ | Event.WRITE | Event.SUBSCRIBE) -> "Trigger":
        """`async with ch.trigger() as events: async for event, link, value in events`: each event
        with its value, in place of on_written and on_reading."""
        return Trigger(self, mask)

    async def events(self) -> Event:
        """What has happened since the last call."""
        return Event(await self._adapter.client.call("Characteristic1.Events", path=self.path))


class Writes:
    """What one peer writes to one characteristic, over a socket."""

    def __init__(self, of: LocalCharacteristic, link: "Link") -> None:
        self._of, self._link = of, link
        self._pipe: Optional[Pipe] = None

    async def __aenter__(self) -> "Writes":
        async def undo(result: Tuple[Any, int]) -> None:
            result[0].close()
        fd, _ = await self._link.client.claim("GattServer1.AcquireWrites", self._link.conn,
                                              self._of.handle, undo=undo)
        self._pipe = Pipe(fd)
        return self

    async def __aexit__(self, *_: Any) -> None:
        if self._pipe:
            self._pipe.close()

    def __aiter__(self) -> "Writes":
        return self

    async def __anext__(self) -> bytes:
        if not self._pipe:
            raise RuntimeError("values come inside of `async with`")
        value = await self._pipe.recv()
        if value is None:
            raise await self._link.why_ended(
                Overflow(f"more was written to {self._of.uuid} than is held for its reader")
                if self._of._serving else Closed("the service is not being served any more"))
        return value


class Trigger:
    """The events of one characteristic."""

    def __init__(self, of: LocalCharacteristic, mask: int) -> None:
        self._of, self._mask = of, mask
        self._stream: Stream[Tuple[Event, "Link", bytes]] = Stream()

    async def _set(self, mask: int) -> None:
        await self._of._adapter.client.call("Characteristic1.SetTrigger", mask, path=self._of.path)

    async def __aenter__(self) -> "Trigger":
        adapter, path = self._of._adapter, self._of.path
        self._stream.hear(adapter.client, {"Characteristic1.Event": lambda s: (
            Event(s.args[0]), adapter.link(s.args[1]), s.args[2]) if s.path == path else None})

        async def undo(_: Any) -> None:
            await self._set(0)
        try:
            future = self._set(self._mask)
            await future
        except BaseException:
            self._stream.close()
            await settle(quietly(self._set(0)))
            raise
        return self

    async def __aexit__(self, *_: Any) -> None:
        self._stream.close()
        if self._of._serving and self._of._adapter.client.gone is None:
            await settle(quietly(self._set(0)))

    def __aiter__(self) -> "Trigger":
        return self

    async def __anext__(self) -> Tuple[Event, "Link", bytes]:
        return await self._stream.__anext__()


class Serving:
    """Services while they are served: `async with ble.serve(a, b) as serving`."""

    def __init__(self, adapter: "Adapter", services: Sequence[Any], handle: Optional[int],
                 includes: Iterable[Any]) -> None:
        self.adapter, self.services = adapter, list(services)
        self._first, self._includes = handle, list(includes)
        self._handles: Dict[int, int] = {}  # id of a service: its first handle
        self._attributes: Dict[int, List[LocalAttribute]] = {}

    def handle(self, service_object: Any) -> int:
        """The first handle of a service that is served."""
        return self._handles[id(service_object)]

    async def __aenter__(self) -> "Serving":
        try:
            for one in self.services:
                await self._add_service(one)
        except BaseException:
            await settle(self._remove())
            raise
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Removes the services."""
        await settle(self._remove())

    async def _add_service(self, one: Any) -> None:
        cls = type(one)
        if not hasattr(cls, "__bled_service__"):
            raise TypeError(f"{cls.__name__} is no class with @bled.service(uuid)")
        uuid, primary = cls.__bled_service__
        locals_ = [getattr(one, name) for name in _names(cls)]
        if any(c._serving for c in locals_):
            raise TypeError(f"this {cls.__name__} is being served already")
        includes = [self.handle(i) if not isinstance(i, int) else i for i in self._includes]

        def registered(body: Any) -> None:
            first, handles = body
            self._handles[id(one)] = first
            self._bind(first, locals_, handles)

        async def undo(result: Tuple[int, List[int]]) -> None:
            await self._remove()
        await self.adapter.client.claim(
            "GattServer1.AddService", uuid, [c._definition.as_options() for c in locals_],
            undo=undo, then=registered, primary=primary, includes=includes or None,
            handle=self._first)

    def _bind(self, first: int, locals_: List[LocalCharacteristic], handles: List[int]) -> None:
        places = iter(handles)
        for one in locals_:
            for attribute in (one, *one.descriptors):
                attribute._serving, attribute._handle = self, next(places)
                self.adapter.attributes[attribute._handle] = attribute
                self._attributes.setdefault(first, []).append(attribute)

    async def add(self, definition: Characteristic, to: Any) -> LocalCharacteristic:
        """Adds a characteristic to a service object that is served."""
        first, made = self.handle(to), LocalCharacteristic(definition, to)
        await self.adapter.client.call("GattServer1.AddCharacteristic", first,
                                       definition.as_options(),
                                       then=lambda body: self._bind(first, [made], body[0]))
        return made

    async def _remove(self) -> None:
        client = self.adapter.client
        handles, self._handles = self._handles, {}
        for first in reversed(list(handles.values())):
            if client.gone is None:
                await quietly(client.call("GattServer1.RemoveService", first, urgent=True))
            for attribute in self._attributes.pop(first, []):
                self.adapter.attributes.pop(attribute._handle, None)
                attribute._serving = None


def _names(cls: type) -> List[str]:
    """The characteristics of a class, those of its bases first, in the order of definition."""
    found: Dict[str, None] = {}
    for base in reversed(cls.__mro__):
        found.update({n: None for n, v in vars(base).items() if isinstance(v, Characteristic)})
    return list(found)


class Worker:
    """Runs the handlers of one connection, one after the other."""

    LIMIT = 16384

    def __init__(self, adapter: "Adapter", conn: int) -> None:
        self._adapter, self._conn = adapter, conn
        self._work: Stream[Tuple[str, LocalAttribute, int, Tuple[Any, ...]]] = Stream()
        self._waiting = 0
        self.task = adapter.spawn(self._run())

    def put(self, kind: str, attribute: LocalAttribute, request: int, *args: Any) -> None:
        self._waiting += 1
        if self._waiting == self.LIMIT:
            # A peer that does more than the program can follow: losing some in silence is worse.
            self._adapter.report(Overflow(f"the handlers of {attribute.uuid} cannot keep up with "
                                          f"connection {self._conn}: it is disconnected"))
            self._adapter.spawn(quietly(self._adapter.client.call(
                "Link1.Disconnect", self._conn, urgent=True, force=True)))
        self._work.put((kind, attribute, request, args))

    def end(self) -> None:
        """When what is there has been handled."""
        self._work.end()

    async def _run(self) -> None:
        async for kind, attribute, request, args in self._work:
            self._waiting -= 1
            link = self._adapter.link(self._conn)
            status, value = 0, None
            try:
                if request and not attribute.has(kind):
                    # A flag or SetAuthorization asks, and there is nobody who would say yes; a
                    # request for the sake of another attribute of the characteristic goes on.
                    asked = Flag.READ_AUTHORIZED if kind == "read" else Flag.WRITE_AUTHORIZED
                    status = DENIED if attribute.flags & asked else 0
                else:
                    value = await attribute.run(kind, link, *args)
            except AttError as e:
                status = e.status
            except Exception as e:  # noqa: B902
                status = UNLIKELY
                self._adapter.report(e)
            if request:
                await self._reply(request, status, value)

    async def _reply(self, request: int, status: int, value: Any) -> None:
        if value is not None and not isinstance(value, (bytes, bytearray, memoryview)):
            self._adapter.report(TypeError(f"a handler returned {value!r}: bytes or None"))
            status, value = UNLIKELY, None
        try:
            await self._adapter.client.call("GattServer1.Reply", request, status, urgent=True,
                                            value=None if status else value)
        except (NotFound, NotConnected):
            pass  # too late: the peer has been answered, or has gone
        except Error as e:
            self._adapter.report(e)


def route(adapter: "Adapter") -> None:
    """Has the signals of the GATT server reach the handlers."""
    def handler(kind: str, of: Callable[[Signal], Tuple[int, int, int, Tuple[Any, ...]]]
                ) -> Callable[[Signal], None]:
        def heard(signal: Signal) -> None:
            request, conn, handle, args = of(signal)
            attribute = adapter.attributes.get(handle)
            if attribute is None or signal.broadcast:
                return
            actual = "reading" if kind == "read" and not request else kind
            if request or attribute.has(actual):
                adapter.worker(conn).put(actual, attribute, request, *args)
        return heard
    on = adapter.client.on
    on("GattServer1.ReadRequested", handler("read", lambda s: (s.args[0], s.args[1], s.args[2], ())))
    on("GattServer1.WriteRequested", handler(
        "write", lambda s: (s.args[0], s.args[1], s.args[2], (s.args[3],))))
    on("GattServer1.Written", handler("written", lambda s: (0, s.args[0], s.args[1], (s.args[2],))))
    on("GattServer1.Subscribed", handler(
        "subscribe", lambda s: (0, s.args[0], s.args[1], (s.args[2],))))


__all__ = ["Characteristic", "Descriptor", "LocalAttribute", "LocalCharacteristic", "Serving",
           "Trigger", "Worker", "Writes", "characteristic", "descriptor", "service",
           "simple_service"]
