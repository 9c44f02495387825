# SPDX-License-Identifier: MIT
"""A connection to the message bus in asyncio.

It never blocks the loop, never drops a message, dispatches in the order of arrival, and passes file
descriptors both ways. What is sent is written at once and queued where the socket is full; what
arrives is read 64 KiB at a time, so that a burst of signals leaves room for others.
"""
from __future__ import annotations

import array
import asyncio
import collections
import os
import re
import socket
import struct
from typing import Any, Callable, Deque, Dict, List, Optional, Sequence, Tuple

from jeepney.auth import BEGIN, AuthenticationError, Authenticator
from jeepney.bus import get_connectable_addresses

from .errors import BusGone, Closed, Error, InvalidArgs, from_dbus
from .wire import CALL, ERROR, NO_REPLY, RETURN, SIGNAL, Fd, Message, encode

DBUS = "org.freedesktop.DBus"
SYSTEM_BUS = "unix:path=/var/run/dbus/system_bus_socket"
MAX_MESSAGE = 128 * 1024 * 1024  # the specification's
READ_SIZE = 65536
PATH = re.compile(r"^/([A-Za-z0-9_]+(/[A-Za-z0-9_]+)*)?\Z")
NAME = re.compile(r"^:?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+\Z")


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
            raise BusGone(f"{address!r} is no address of a bus: {e}") from None
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
        if not PATH.match(path) or not NAME.match(destination):
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
                self.safely(then, message.body)
            future.set_result(message.body)
        elif message.type == SIGNAL:
            self.safely(self.on_signal, message)
        elif message.type == CALL and not message.flags & NO_REPLY:
            self.safely(self._answer, message)

    def _answer(self, message: Message) -> None:
        """The daemon asks by Ping whether a client still reads."""
        self._serial = self._serial % 0xffffffff + 1
        fields: Dict[int, Any] = {5: message.serial, 6: message.sender}
        if message.interface in ("", DBUS + ".Peer") and message.member == "Ping":
            self._send(*encode(RETURN, self._serial, fields, "", ()))
        else:
            fields[4] = DBUS + ".Error.UnknownMethod"
            self._send(*encode(ERROR, self._serial, fields, "s", ["There is nothing to call here"]))

    def safely(self, callback: Callable[[Any], None], argument: Any) -> None:
        """A handler that fails must not take the connection with it."""
        try:
            callback(argument)
        except Exception as e:  # noqa: B902
            self._loop.call_exception_handler(
                {"message": "bled: a handler of a message failed", "exception": e})
