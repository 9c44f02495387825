# SPDX-License-Identifier: MIT
"""The low-level core: a client of the daemon, on a connection to the bus of its own.

Calls by the tables of contract.py, errors as classes, signals by name, objects and their properties
as they are now, and the daemon's end (`DaemonGone`). bus.py moves the messages, wire.py encodes
them by jeepney's types. jeepney's own asyncio I/O is not used: it passes no file descriptors, drops
signals where a queue is full, and answers no Ping.
"""
from __future__ import annotations

import asyncio
from typing import (Any, Awaitable, Callable, Coroutine, Dict, Iterable, List, NamedTuple,
                    Optional, Set, Tuple, TypeVar)

from . import contract
from .bus import DBUS, NAME, Bus
from .errors import Closed, DaemonGone, Error, InvalidArgs, NotFound, Overflow
from .wire import Fd, Message

T = TypeVar("T")
PROPERTIES = DBUS + ".Properties"
OBJECT_MANAGER = DBUS + ".ObjectManager"
CALLS = 56  # of the 64 that the daemon lets a client have under way; the rest is for answers
TAKE_BACK_S = 0.5  # for what the peer has to answer first


async def settle(work: Awaitable[T]) -> T:
    """Awaits to the end, whatever cancels the caller meanwhile; the cancellation goes on then."""
    task = asyncio.ensure_future(work)
    canceled: Optional[asyncio.CancelledError] = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as e:
            canceled = e
    if canceled is not None:
        if not task.cancelled():
            task.exception()
        raise canceled
    return task.result()


class Signal(NamedTuple):
    """A signal of the daemon. `broadcast`: it went to everybody, not to us alone."""

    path: str
    interface: str
    member: str
    args: Tuple[Any, ...]
    broadcast: bool


Handler = Callable[[Signal], None]


class Client:
    """A client of one daemon, on a connection of its own, for one of the daemon's adapters.

    What is called goes to the very process that owned the name when the client was opened: after
    its end everything fails with DaemonGone, and nothing reaches a successor by mistake.
    """

    def __init__(self, bus: Bus, bus_name: str) -> None:
        self.bus, self.bus_name, self.owner, self.path = bus, bus_name, "", "/"
        self.objects: Dict[str, Dict[str, Dict[str, Any]]] = {}
        self._handlers: Dict[Tuple[str, str], List[Handler]] = {}
        self._ends: List[Callable[[Error], None]] = []
        self._room = asyncio.Semaphore(CALLS)
        self._backs: Set["asyncio.Task[None]"] = set()
        self.attached, self.gone = False, None  # type: bool, Optional[Error]
        bus.on_signal, bus.on_lost = self._signal, self._lost

    @classmethod
    async def open(cls, address: Optional[str], bus_name: str) -> "Client":
        if not NAME.match(bus_name):
            raise InvalidArgs(f"{bus_name!r} is no bus name")
        self = cls(await Bus.open(address), bus_name)
        try:
            await self._find_daemon()
        except BaseException:
            self.bus.close()
            raise
        return self

    async def _find_daemon(self) -> None:
        await self._bus_call("AddMatch", f"type='signal',sender='{DBUS}',member='NameOwnerChanged',"
                                         f"arg0='{self.bus_name}'")
        try:
            await self._own(await self._bus_call("GetNameOwner", self.bus_name))
        except DaemonGone:
            try:
                await self.bus.request(DBUS, "/org/freedesktop/DBus", DBUS, "StartServiceByName",
                                       "su", [self.bus_name, 0])
                await self._own(await self._bus_call("GetNameOwner", self.bus_name))
            except Error as e:
                raise DaemonGone(f"nobody owns {self.bus_name} on this bus: is bled running? ({e})"
                                 ) from None
        await self.bus.request(self.owner, "/org/bled", OBJECT_MANAGER, "GetManagedObjects",
                               then=self._managed)
        await self.bus.request(self.owner, "/org/bled", PROPERTIES, "GetAll", "s",
                               [contract.PREFIX + "Manager1"], then=self._manager)

    async def _own(self, owner: str) -> None:
        self.owner = owner
        await self._bus_call("AddMatch", f"type='signal',sender='{owner}',"
                                         "path_namespace='/org/bled'")

    async def _bus_call(self, member: str, argument: str) -> Any:
        reply = await self.bus.request(DBUS, "/org/freedesktop/DBus", DBUS, member, "s", [argument])
        return reply[0] if reply else None

    def _managed(self, body: Any) -> None:
        self.objects = body[0]

    def _manager(self, body: Any) -> None:
        self.objects["/org/bled"] = {contract.PREFIX + "Manager1": body[0]}

    # Calls

    def request(self, method: str, *args: Any, path: Optional[str] = None,
                then: Optional[Callable[[Any], None]] = None,
                options: Optional[Dict[str, Any]] = None) -> "asyncio.Future[Any]":
        """Sends a method of the contract: request("Link1.ReadRssi", conn). The future has the
        results as a tuple. options: those of the trailing a{sv}, by their Python values."""
        if self.gone:
            raise type(self.gone)(self.gone.message)
        signature, _, _ = contract.METHODS[method]
        if method in contract.OPTIONS:
            args = *args, self.options(method, contract.OPTIONS[method], options or {})
        interface, member = method.rsplit(".", 1)
        return self.bus.request(self.owner, path or self.path, contract.PREFIX + interface, member,
                                signature, args, then)

    @staticmethod
    def options(where: str, types: Dict[str, str], values: Dict[str, Any]) -> Dict[str, Any]:
        """A dictionary of variants; those that are None are left out."""
        unknown = [k for k in values if k not in types]
        if unknown:
            raise TypeError(f"{where} has no option {', '.join(unknown)}: it has {', '.join(types)}")
        return {k: (types[k], v) for k, v in values.items() if v is not None}

    async def call(self, method: str, *args: Any, path: Optional[str] = None, urgent: bool = False,
                   then: Optional[Callable[[Any], None]] = None, **options: Any) -> Any:
        """Calls, and returns the result: None, a value, or a tuple of several. Waits where so many
        calls are under way that the daemon would be Busy, but for urgent ones."""
        if urgent:
            return self._result(await self.request(method, *args, path=path, then=then,
                                                   options=options))
        async with self._room:
            return self._result(await self.request(method, *args, path=path, then=then,
                                                   options=options))

    async def claim(self, method: str, *args: Any, undo: Callable[[Any], Awaitable[Any]],
                    cancel: Optional[Callable[[], Awaitable[Any]]] = None,
                    then: Optional[Callable[[Any], None]] = None,
                    failed: Optional[Callable[[], None]] = None, **options: Any) -> Any:
        """A call that makes something. When it is cancelled, `cancel` ends it in the daemon, and
        `undo` gives back what it made all the same, before the cancellation goes on; `failed` is
        called where it comes to nothing then."""
        async with self._room:
            future = self.request(method, *args, then=then, options=options)
            try:
                return self._result(await asyncio.shield(future))
            except asyncio.CancelledError:
                # What the peer has to answer first is taken back when it does: not waited for here.
                back = self._keep(self._take_back(future, undo, cancel, failed))
                await settle(asyncio.wait({back}, timeout=None if cancel else TAKE_BACK_S))
                raise

    async def _take_back(self, future: "asyncio.Future[Any]",
                         undo: Callable[[Any], Awaitable[Any]],
                         cancel: Optional[Callable[[], Awaitable[Any]]],
                         failed: Optional[Callable[[], None]]) -> None:
        if cancel and not future.done():
            await quietly(cancel())
        try:
            result = self._result(await future)
        except (Error, asyncio.CancelledError):
            if failed:
                failed()
            return
        await quietly(undo(result))

    @staticmethod
    def _result(body: Tuple[Any, ...]) -> Any:
        return None if not body else body[0] if len(body) == 1 else body

    async def ping(self) -> None:
        """When this returns, all that the daemon had said before has been dispatched."""
        if self.gone:
            raise type(self.gone)(self.gone.message)
        await self.bus.request(self.owner, self.path, DBUS + ".Peer", "Ping")

    # Properties

    async def get(self, name: str, path: Optional[str] = None) -> Any:
        """A property now: get("Adapter1.Mtu")."""
        interface, member = self._interface(name)
        body = await self._property("Get", "ss", [interface, member], path, name)
        return body[0]

    async def set(self, name: str, value: Any, path: Optional[str] = None) -> None:
        interface, member = self._interface(name)
        kind, writable, _ = contract.PROPERTIES[name]
        if not writable:
            raise InvalidArgs(f"{name} cannot be set")
        await self._property("Set", "ssv", [interface, member, (kind, value)], path, name)

    async def _property(self, member: str, signature: str, args: List[Any], path: Optional[str],
                        name: str) -> Any:
        if self.gone:
            raise type(self.gone)(self.gone.message)
        where = path or ("/org/freedesktop/LogControl1" if name.startswith(contract.LOG) else
                         "/org/bled" if name.startswith("Manager1") else self.path)
        return await self.bus.request(self.owner, where, PROPERTIES, member, signature, args)

    @staticmethod
    def _interface(name: str) -> Tuple[str, str]:
        interface, member = name.rsplit(".", 1)
        return (interface if interface == contract.LOG else contract.PREFIX + interface), member

    def known(self, path: str, interface: str) -> Dict[str, Any]:
        """The properties of an object as they were last told of; empty when it is not there."""
        return self.objects.get(path, {}).get(contract.PREFIX + interface, {})

    # Signals

    def on(self, signal: str, handler: Handler) -> Callable[[], None]:
        """Calls the handler for each: on("Link1.Disconnected", f). Returns what ends it."""
        interface, member = signal.rsplit(".", 1)
        prefix = "" if interface.startswith(DBUS) else contract.PREFIX
        handlers = self._handlers.setdefault((prefix + interface, member), [])
        handlers.append(handler)

        def off() -> None:
            if handler in handlers:
                handlers.remove(handler)
        return off

    def on_end(self, callback: Callable[[Error], None]) -> Callable[[], None]:
        """Calls back when the daemon, the bus or this client has gone."""
        self._ends.append(callback)

        def off() -> None:
            if callback in self._ends:
                self._ends.remove(callback)
        return off

    def _signal(self, message: Message) -> None:
        if message.sender == DBUS:
            if message.member == "NameOwnerChanged" and message.interface == DBUS:
                name, old, _ = message.body
                if name == self.bus_name and old == self.owner and old:
                    self._end(DaemonGone(f"{self.bus_name} left the bus: its connections, services "
                                         "and handles are void"))
            return
        if message.sender != self.owner or self.gone:
            return
        if message.member == "Detached" and message.destination:  # behind this there may be gaps
            self._end(Overflow("the event loop was held up so long that the daemon has detached this "
                               f"Adapter: {message.body[0]}; all that it had has ended"))
            return
        self._deliver(message)

    def _deliver(self, message: Message) -> None:
        interface, member = message.interface, message.member
        if interface == OBJECT_MANAGER or interface == PROPERTIES:
            self._objects_change(message)
        handlers = self._handlers.get((interface, member))
        if not handlers:
            return
        signal = Signal(message.path, interface, member, message.body, not message.destination)
        for handler in list(handlers):
            self.bus.safely(handler, signal)

    def _keep(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """A task that ends by itself."""
        task = asyncio.get_running_loop().create_task(work)
        self._backs.add(task)
        task.add_done_callback(self._backs.discard)
        return task

    def _objects_change(self, message: Message) -> None:
        if message.member == "InterfacesAdded":
            path, interfaces = message.body
            self.objects.setdefault(path, {}).update(interfaces)
        elif message.member == "InterfacesRemoved":
            path, names = message.body
            left = self.objects.get(path, {})
            for name in names:
                left.pop(name, None)
            if not left:
                self.objects.pop(path, None)
        elif message.member == "PropertiesChanged":
            interface, values, _ = message.body
            if message.path in self.objects:
                self.objects[message.path].setdefault(interface, {}).update(values)

    def _lost(self, error: Error) -> None:
        self._end(error)

    def _end(self, error: Error) -> None:
        if self.gone:
            return
        self.gone = error
        self.bus.fail_calls(self.owner, error)
        ends, self._ends = self._ends, []
        for end in ends:
            self.bus.safely(end, error)

    def close(self) -> None:
        self.bus.close(Closed("the Adapter has been closed"))


async def quietly(work: Awaitable[Any], deadline: float = 10) -> None:
    """For cleaning up: what it finds gone already is no error, and a daemon that hangs none either."""
    try:
        await asyncio.wait_for(asyncio.ensure_future(work), deadline)
    except (Error, asyncio.TimeoutError):
        pass


def adapter_path(name: str, adapters: Iterable[str]) -> str:
    """hci0 or a path to a path."""
    path = name if name.startswith("/") else f"/org/bled/{name}"
    if path not in adapters:
        known = ", ".join(a.rsplit("/", 1)[1] for a in adapters) or "none"
        raise NotFound(f"there is no adapter {name}: there is {known}")
    return path


__all__ = ["Bus", "Client", "Fd", "Message", "Signal", "adapter_path", "quietly", "settle"]
