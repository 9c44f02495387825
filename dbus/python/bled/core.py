# SPDX-License-Identifier: MIT
"""The low-level core: a connection to the bus in asyncio, and on it a client of the daemon.

`Bus` moves messages: never blocks the loop, never drops one, dispatches in the order of arrival,
passes file descriptors both ways. What is sent is written at once and queued where the socket is
full; what arrives is read 64 KiB at a time, so that a burst of signals leaves room for others.
`Client` adds the daemon: typed calls by the tables of contract.py, errors as classes, signals by
name, objects and their properties as they are now, and the daemon's end (`DaemonGone`).

Messages are encoded and decoded by jeepney's types. Its asyncio I/O is not used: it passes no file
descriptors, drops signals where a queue is full, and answers no Ping.
"""
from __future__ import annotations

import array
import asyncio
import collections
import functools
import os
import re
import socket
import struct
from typing import (Any, Awaitable, Callable, Coroutine, Deque, Dict, Iterable, List, NamedTuple, Optional,
                    Sequence, Set, Tuple, TypeVar)

from jeepney.auth import BEGIN, AuthenticationError, Authenticator
from jeepney.bus import get_connectable_addresses
from jeepney.low_level import (Array, DictEntry, Endianness, FixedType, SizeLimitError, StringType,
                               Struct, Variant, parse_signature)

from . import contract
from .errors import (BusGone, Closed, DaemonGone, Error, InvalidArgs, NotFound, Overflow,
                     from_dbus)

T = TypeVar("T")

CALL, RETURN, ERROR, SIGNAL = 1, 2, 3, 4
NO_REPLY = 1
DBUS = "org.freedesktop.DBus"
PROPERTIES = DBUS + ".Properties"
OBJECT_MANAGER = DBUS + ".ObjectManager"
SYSTEM_BUS = "unix:path=/var/run/dbus/system_bus_socket"
MAX_MESSAGE = 128 * 1024 * 1024  # the specification's
READ_SIZE = 65536
SUSPECT = 4000  # signals
TAKE_BACK_S = 0.5  # for what the peer has to answer first
CALLS = 56  # of the 64 that the daemon lets a client have under way; the rest is for answers
_PATH = re.compile(r"^/([A-Za-z0-9_]+(/[A-Za-z0-9_]+)*)?$")
_NAME = re.compile(r"^:?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+$")
_LITTLE = Endianness.little
_OUT_FIELDS = (1, "o"), (2, "s"), (3, "s"), (4, "s"), (5, "u"), (6, "s"), (8, "g"), (9, "u")


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


class Fd:
    """A file descriptor that came in a message: closed with its last reference, unless taken."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def take(self) -> int:
        fd, self._fd = self._fd, -1
        return fd

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self.take())

    def __del__(self) -> None:
        self.close()


@functools.lru_cache(maxsize=512)
def _type(signature: str) -> Any:
    """jeepney's type of a signature, as a struct of its complete types."""
    return parse_signature(list(f"({signature})"))


@functools.lru_cache(maxsize=512)
def _single(signature: str) -> Any:
    return _type(signature).fields[0]


_HEADER = _single("a(yv)")
_headers: Dict[Tuple[int, bytes], Dict[int, Any]] = {}


def fit(kind: Any, value: Any) -> Any:
    """A value as jeepney wants it for a type; InvalidArgs where the bus would not take it."""
    if isinstance(kind, Array):
        element = kind.elt_type
        if isinstance(element, FixedType) and element.struct_code == "B":
            if isinstance(value, (str, int)):
                raise TypeError(f"bytes are wanted, not {value!r}")
            return bytes(value)
        if isinstance(element, DictEntry):
            return {fit(element.fields[0], k): fit(element.fields[1], v) for k, v in value.items()}
        if isinstance(value, (str, bytes)):
            raise TypeError(f"a list is wanted, not {value!r}")
        return [fit(element, v) for v in value]
    if isinstance(kind, Struct):
        if len(value) != len(kind.fields):
            raise TypeError(f"{len(kind.fields)} values are wanted, not {value!r}")
        return tuple(fit(k, v) for k, v in zip(kind.fields, value))
    if isinstance(kind, Variant):
        return value[0], fit(_single(value[0]), value[1])
    if isinstance(kind, StringType):
        if not isinstance(value, str):
            raise TypeError(f"a string is wanted, not {value!r}")
        if "\0" in value:
            raise InvalidArgs(f"{value!r} has a NUL in it")
    return value


def plain(kind: Any, value: Any) -> Any:
    """A decoded value without its variants' signatures."""
    if isinstance(kind, Variant):
        return plain(_single(value[0]), value[1])
    if isinstance(kind, Array):
        if isinstance(kind.elt_type, DictEntry):
            inner = kind.elt_type.fields[1]
            return {k: plain(inner, v) for k, v in value.items()}
        if isinstance(kind.elt_type, (Struct, Array, Variant)):
            return [plain(kind.elt_type, v) for v in value]
        return value
    if isinstance(kind, Struct):
        return tuple(plain(k, v) for k, v in zip(kind.fields, value))
    return value


class Message:
    """A message that arrived. Its body is decoded when it is asked for."""

    __slots__ = ("type", "flags", "serial", "fields", "_raw", "_pos", "_endian", "_fds", "_body")

    def __init__(self, raw: bytes, fds: Deque[Fd]) -> None:
        self._raw = raw
        self._endian = Endianness.little if raw[0] == 0x6c else Endianness.big
        self.type, self.flags = raw[1], raw[2]
        order = "<" if raw[0] == 0x6c else ">"
        self.serial, length = struct.unpack_from(order + "II", raw, 8)
        self._pos = (16 + length + 7) // 8 * 8
        # Signals of one kind differ in serial and body alone.
        key = raw[0], raw[12:16 + length]
        fields = _headers.get(key) if self.type == SIGNAL else None
        if fields is None:
            fields = {k: v[1] for k, v in _HEADER.parse_data(raw, 12, self._endian)[0]}
            if self.type == SIGNAL and 9 not in fields:
                if len(_headers) >= 256:
                    _headers.clear()
                _headers[key] = fields
        self.fields: Dict[int, Any] = fields
        count = self.fields.get(9, 0)
        if count > len(fds):
            raise ValueError("a message came without its file descriptors")
        self._fds: List[Fd] = [fds.popleft() for _ in range(count)]
        self._body: Optional[Tuple[Any, ...]] = None

    @property
    def path(self) -> str:
        return self.fields.get(1, "")

    @property
    def interface(self) -> str:
        return self.fields.get(2, "")

    @property
    def member(self) -> str:
        return self.fields.get(3, "")

    @property
    def sender(self) -> str:
        return self.fields.get(7, "")

    @property
    def destination(self) -> str:
        return self.fields.get(6, "")

    @property
    def signature(self) -> str:
        return self.fields.get(8, "")

    @property
    def body(self) -> Tuple[Any, ...]:
        if self._body is None:
            kind, values = _type(self.signature), ()
            if kind.fields:
                values = kind.parse_data(self._raw, self._pos, self._endian, fds=self._fds)[0]
            body: Tuple[Any, ...] = plain(kind, values) if "v" in self.signature else values
            self._body, self._fds = body, []
            return body
        return self._body


def encode(kind: int, serial: int, fields: Dict[int, Any], signature: str, body: Sequence[Any],
           flags: int = 0) -> Tuple[bytes, "array.array[int]"]:
    """A message as octets, with its file descriptors."""
    fds: "array.array[int]" = array.array("i")
    data = b""
    if signature:
        struct_type = _type(signature)
        try:
            data = struct_type.serialise(fit(struct_type, body), 0, _LITTLE, fds=fds)
        except (struct.error, SizeLimitError, UnicodeError, OverflowError) as e:
            raise InvalidArgs(f"{fields.get(3, 'a reply')}: {e}") from None
        fields[8] = signature
    if fds:
        fields[9] = len(fds)
    header = struct.pack("<cBBBII", b"l", kind, flags, 1, len(data), serial) + _HEADER.serialise(
        [(code, (sig, fields[code])) for code, sig in _OUT_FIELDS if code in fields], 12, _LITTLE)
    return header + bytes(-len(header) % 8) + data, fds


class Bus:
    """A connection to a message bus."""

    def __init__(self, sock: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._sock, self._serial = sock, 0
        self._in, self._fds = bytearray(), collections.deque[Fd]()
        self._out: Deque[Tuple[memoryview, List[int]]] = collections.deque()
        self._pending: Dict[int, Tuple["asyncio.Future[Any]", str,
                                       Optional[Callable[[Any], None]]]] = {}
        self.unique_name = ""
        self.on_signal: Callable[[Message], None] = lambda message: None
        self.on_lost: Callable[[Error], None] = lambda error: None
        self.on_ping: Callable[[], None] = lambda: None
        self.lost: Optional[Error] = None
        self._loop.add_reader(sock, self._readable)

    @classmethod
    async def open(cls, address: Optional[str] = None) -> "Bus":
        """address: "system" (None too), "session", or one as D-Bus has them."""
        if address in (None, "system"):
            address = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS") or SYSTEM_BUS
        elif address == "session":
            address = os.environ.get("DBUS_SESSION_BUS_ADDRESS") or \
                f"unix:path=/run/user/{os.getuid()}/bus"
        assert address is not None
        problem: Exception = BusGone(f"{address} names no bus")
        try:
            for target in get_connectable_addresses(address):
                try:
                    return await cls._connect(target)
                except (OSError, AuthenticationError) as e:
                    problem = e
        except (RuntimeError, ValueError) as e:
            raise BusGone(f"{address}: {e}") from None
        if isinstance(problem, Error):
            raise problem
        raise BusGone(f"the bus at {address} cannot be reached: {problem}") from problem

    @classmethod
    async def _connect(cls, target: str) -> "Bus":
        loop = asyncio.get_running_loop()
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            await loop.sock_connect(sock, target)
            auth = Authenticator(enable_fds=True)
            for line in auth:
                await loop.sock_sendall(sock, line)
                answer = await loop.sock_recv(sock, 4096)
                if not answer:
                    raise OSError("it hung up while we said who we are")
                auth.feed(answer)
            await loop.sock_sendall(sock, BEGIN)
            bus = cls(sock)
        except BaseException:
            sock.close()
            raise
        try:
            bus.unique_name = (await bus.request(DBUS, "/org/freedesktop/DBus", DBUS, "Hello"))[0]
        except BaseException:
            bus.close()
            raise
        return bus

    def request(self, destination: str, path: str, interface: str, member: str,
                signature: str = "", body: Sequence[Any] = (),
                then: Optional[Callable[[Any], None]] = None) -> "asyncio.Future[Any]":
        """Sends a call. The future has the results as a tuple, or the error; `then` gets the
        results in the moment of their arrival, before any later message is looked at."""
        if self.lost:
            raise self.lost
        if not _PATH.match(path) or not _NAME.match(destination):
            raise InvalidArgs(f"{destination} {path} is no object")
        self._serial = self._serial % 0xffffffff + 1
        data, fds = encode(CALL, self._serial, {1: path, 2: interface, 3: member, 6: destination},
                           signature, body)
        future: "asyncio.Future[Any]" = self._loop.create_future()
        self._pending[self._serial] = future, destination, then
        self._send(data, fds)
        return future

    def send(self, destination: str, path: str, interface: str, member: str, signature: str = "",
             body: Sequence[Any] = ()) -> None:
        """Sends a call that expects no reply."""
        if self.lost:
            raise self.lost
        self._serial = self._serial % 0xffffffff + 1
        self._send(*encode(CALL, self._serial,
                           {1: path, 2: interface, 3: member, 6: destination}, signature, body,
                           NO_REPLY))

    def fail_calls(self, destination: str, error: Error) -> None:
        """Ends the calls of a peer that has left the bus."""
        for serial, (future, to, _) in list(self._pending.items()):
            if to == destination:
                del self._pending[serial]
                if not future.done():
                    future.set_exception(type(error)(error.message))

    def close(self, error: Optional[Error] = None) -> None:
        if self.lost:
            return
        self.lost = error or Closed("the connection to the bus has been closed")
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        self._sock.close()
        for _, fds in self._out:
            for fd in fds:
                os.close(fd)
        self._out.clear()
        self._fds.clear()
        pending, self._pending = self._pending, {}
        for future, _, _ in pending.values():
            if not future.done():
                future.set_exception(type(self.lost)(self.lost.message))
                future.exception()  # who awaits it sees it; nobody else need be told
        self.on_lost(self.lost)

    def _send(self, data: bytes, fds: "array.array[int]") -> None:
        view, keep = memoryview(data), list(fds)
        if not self._out:
            sent = self._try_send(view, keep)
            if self.lost:
                raise self.lost
            if sent == len(view):
                return
            view, keep = view[sent:], [] if sent else keep
            self._loop.add_writer(self._sock, self._writable)
        self._out.append((view, [os.dup(fd) for fd in keep]))

    def _try_send(self, view: memoryview, fds: List[int]) -> int:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            return self._sock.sendmsg([view], rights, socket.MSG_NOSIGNAL)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as e:
            self.close(BusGone(f"the bus has hung up: {e}"))
            return 0

    def _writable(self) -> None:
        while self._out:
            view, fds = self._out[0]
            sent = self._try_send(view, fds)
            if self.lost or not sent:
                return
            for fd in fds:
                os.close(fd)
            if sent < len(view):
                self._out[0] = view[sent:], []
                return
            self._out.popleft()
        self._loop.remove_writer(self._sock)

    def _readable(self) -> None:
        try:
            data, control, flags, _ = self._sock.recvmsg(
                READ_SIZE, socket.CMSG_SPACE(256 * 4), socket.MSG_CMSG_CLOEXEC)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as e:
            return self.close(BusGone(f"the bus has hung up: {e}"))
        for level, kind, octets in control:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds = array.array("i")
                fds.frombytes(octets[:len(octets) - len(octets) % fds.itemsize])
                self._fds.extend(Fd(fd) for fd in fds)
        if not data or flags & socket.MSG_CTRUNC:
            return self.close(BusGone("the bus has hung up" if not data else
                                      "file descriptors were lost: too many files are open"))
        self._in += data
        pos = 0
        try:
            while len(self._in) - pos >= 16 and not self.lost:
                size = self._size(pos)
                if len(self._in) - pos < size:
                    break
                message = Message(bytes(self._in[pos:pos + size]), self._fds)
                pos += size
                self._dispatch(message)
        except (ValueError, KeyError, IndexError, AssertionError, struct.error) as e:
            return self.close(BusGone(f"the bus sent what is no message: {e}"))
        del self._in[:pos]

    def _size(self, pos: int) -> int:
        order = {0x6c: "<", 0x42: ">"}[self._in[pos]]
        body, = struct.unpack_from(order + "I", self._in, pos + 4)
        fields, = struct.unpack_from(order + "I", self._in, pos + 12)
        size: int = 16 + (fields + 7) // 8 * 8 + body
        if size > MAX_MESSAGE:
            raise ValueError(f"{size} octets")
        return size

    def _dispatch(self, message: Message) -> None:
        if message.type in (RETURN, ERROR):
            future, _, then = self._pending.pop(message.fields.get(5, 0), (None, "", None))
            if future is None or future.done():
                return
            if message.type == ERROR:
                body = message.body
                text = body[0] if body and isinstance(body[0], str) else ""
                future.set_exception(from_dbus(message.fields.get(4, ""), text))
                return
            if then:
                self._safely(then, message.body)
            future.set_result(message.body)
        elif message.type == SIGNAL:
            self._safely(self.on_signal, message)
        elif message.type == CALL and not message.flags & NO_REPLY:
            self._answer(message)

    def _answer(self, message: Message) -> None:
        """The daemon asks by Ping whether a client still reads."""
        self._serial = self._serial % 0xffffffff + 1
        fields: Dict[int, Any] = {5: message.serial, 6: message.sender}
        if message.interface in ("", DBUS + ".Peer") and message.member == "Ping":
            self._send(*encode(RETURN, self._serial, fields, "", ()))
            if message.sender != DBUS:
                self.on_ping()
        else:
            fields[4] = DBUS + ".Error.UnknownMethod"
            self._send(*encode(ERROR, self._serial, fields, "s", ["There is nothing to call here"]))

    def _safely(self, callback: Callable[[Any], None], argument: Any) -> None:
        """A handler that fails must not take the connection with it."""
        try:
            callback(argument)
        except Exception as e:  # noqa: B902
            self._loop.call_exception_handler(
                {"message": "bled: a handler of a message failed", "exception": e})


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
        self._read, self._pings = 0, (0, 0)  # signals to us; how many before the last two Pings
        self._held: Optional[Deque[Message]] = None  # while it is not known whether some are missing
        self.attached, self.gone = False, None  # type: bool, Optional[Error]
        bus.on_signal, bus.on_lost, bus.on_ping = self._signal, self._lost, self._pinged

    @classmethod
    async def open(cls, address: Optional[str], bus_name: str) -> "Client":
        if not _NAME.match(bus_name):
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
                    then: Optional[Callable[[Any], None]] = None, **options: Any) -> Any:
        """A call that makes something. When it is cancelled, `cancel` ends it in the daemon, and
        `undo` gives back what it made all the same, before the cancellation goes on."""
        async with self._room:
            future = self.request(method, *args, then=then, options=options)
            try:
                return self._result(await asyncio.shield(future))
            except asyncio.CancelledError:
                # What the peer has to answer first is taken back when it does: not waited for here.
                back = self._keep(self._take_back(future, undo, cancel))
                await settle(asyncio.wait({back}, timeout=None if cancel else TAKE_BACK_S))
                raise

    async def _take_back(self, future: "asyncio.Future[Any]",
                         undo: Callable[[Any], Awaitable[Any]],
                         cancel: Optional[Callable[[], Awaitable[Any]]]) -> None:
        if cancel and not future.done():
            await quietly(cancel())
        try:
            result = self._result(await future)
        except (Error, asyncio.CancelledError):
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
        if self._held is not None:
            self._held.append(message)
            return
        if message.destination:
            self._read += 1
            if self.attached and self._read - self._pings[0] >= SUSPECT:
                self._held = collections.deque((message,))
                self._keep(self._check_attached())
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
            self.bus._safely(handler, signal)

    def _pinged(self) -> None:
        self._pings = self._pings[1], self._read

    def _keep(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """A task that ends by itself."""
        task = asyncio.get_running_loop().create_task(work)
        self._backs.add(task)
        task.add_done_callback(self._backs.discard)
        return task

    async def _check_attached(self) -> None:
        """The daemon asks by Ping every 256 signals whether they are read, and detaches who has not
        answered for 4096 of them. Nothing tells its client, who would be sent what concerns everybody
        from then on, with a gap. So what comes near that is held until the daemon has said that we
        are its client still."""
        try:
            (clients,) = await self.request("Manager1.Clients", path="/org/bled")
        except Error:
            clients = []
        held, self._held = self._held or (), None
        if not any(name == self.bus.unique_name for name, _, _ in clients):
            self._end(Overflow("the event loop was held up so long that the daemon has detached this "
                               "Adapter, with 4096 signals unread: all that it had has ended"))
            return
        self._pings = self._read, self._read
        for message in held:
            if not self.gone:
                self._deliver(message)

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
            self.bus._safely(end, error)

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
