# SPDX-License-Identifier: MIT
"""Sockets that the daemon hands out (SOCK_SEQPACKET, a packet a value), in asyncio.

Nothing is read ahead: what a slow reader leaves waits in the kernel and in the daemon, which bound
it. A reader or writer that never has to wait lets others run every few packets all the same.
"""
from __future__ import annotations

import asyncio
import socket
from typing import Callable, Optional

from .core import Fd
from .errors import Closed, Error

TURNS = 32  # packets before others have their turn
SO_PASSCRED = 16


class Pipe:
    """One socket, for one reader and one writer at a time."""

    def __init__(self, fd: Fd, size: int = 65536) -> None:
        self._loop = asyncio.get_running_loop()
        self._sock: Optional[socket.socket] = socket.socket(fileno=fd.take())
        self._sock.setblocking(False)
        # Tells an empty packet from the end: see recv.
        self._sock.setsockopt(socket.SOL_SOCKET, SO_PASSCRED, 1)
        self._size, self._turn = size, 0
        self._reading: Optional["asyncio.Future[None]"] = None
        self._writing: Optional["asyncio.Future[None]"] = None
        self.closed: Optional[Error] = None

    def fileno(self) -> int:
        return self._sock.fileno() if self._sock else -1

    async def recv(self) -> Optional[bytes]:
        """The next packet, which may be empty; None at the end."""
        await self._give_way()
        while True:
            sock = self._open()
            try:
                data, _, flags, _ = sock.recvmsg(self._size, 0)
            except (BlockingIOError, InterruptedError):
                await self._wait(reading=True)
                continue
            except ConnectionError:
                return None
            # Credentials did not fit: it was a packet. The end has none.
            return data if data or flags & socket.MSG_CTRUNC else None

    def recv_now(self) -> Optional[bytes]:
        """A packet that is there already, or None. An end is found by recv."""
        try:
            data, _, flags, _ = self._open().recvmsg(self._size, 0)
        except (BlockingIOError, InterruptedError, ConnectionError):
            return None
        return data if data or flags & socket.MSG_CTRUNC else None

    async def send(self, packet: bytes) -> None:
        """Sends a packet, when there is room. ConnectionError where the other end has gone."""
        await self._give_way()
        while True:
            sock = self._open()
            try:
                sock.send(packet, socket.MSG_NOSIGNAL)
                return
            except (BlockingIOError, InterruptedError):
                await self._wait(reading=False)

    async def ended(self) -> None:
        """Waits for the end of a socket that is only written to."""
        while await self.recv() is not None:
            pass

    def close(self, error: Optional[Error] = None) -> None:
        if not self._sock:
            return
        self.closed = error or Closed("this socket has been closed here")
        if not self._loop.is_closed():
            self._loop.remove_reader(self._sock)
            self._loop.remove_writer(self._sock)
        self._sock.close()
        self._sock = None
        for waiter in (self._reading, self._writing):
            if waiter and not waiter.done():
                waiter.set_result(None)

    def _open(self) -> socket.socket:
        if self._sock is None:
            assert self.closed
            raise type(self.closed)(self.closed.message)
        return self._sock

    async def _give_way(self) -> None:
        self._turn += 1
        if self._turn >= TURNS:
            self._turn = 0
            await asyncio.sleep(0)

    async def _wait(self, reading: bool) -> None:
        sock = self._open()
        if (self._reading if reading else self._writing) is not None:
            raise RuntimeError("another task waits for this socket already")
        waiter: "asyncio.Future[None]" = self._loop.create_future()
        done: Callable[[], None] = lambda: waiter.done() or waiter.set_result(None)  # type: ignore
        if reading:
            self._reading = waiter
            self._loop.add_reader(sock, done)
        else:
            self._writing = waiter
            self._loop.add_writer(sock, done)
        self._turn = 0
        try:
            await waiter
        finally:
            if reading:
                self._reading = None
                if self._sock:
                    self._loop.remove_reader(sock)
            else:
                self._writing = None
                if self._sock:
                    self._loop.remove_writer(sock)
