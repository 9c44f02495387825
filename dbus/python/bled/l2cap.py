# SPDX-License-Identifier: MIT
"""L2CAP channels: SDUs whole and in order, both ways, or as asyncio streams."""
from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Awaitable, Callable, Dict, List, Optional, Tuple

from .core import Signal, quietly, settle
from .errors import (Closed, Disconnected, Error, InvalidArgs, L2capError, NotConnected, NotFound,
                     from_status)
from .pipe import Pipe
from .stream import Stream

if TYPE_CHECKING:
    from .adapter import Adapter
    from .link import Link

REFUSED = 0x06  # authorization


class Channel:
    """A channel: `await send(sdu)`, `await recv()`, `async for sdu in channel`, or streams().

    As a context manager it is closed at the end of the block, after all that was sent has left.
    """

    def __init__(self, link: "Link", cid: int, psm: int, our_mtu: int, peer_mtu: int) -> None:
        self.link, self.cid, self.psm = link, cid, psm
        #: The most octets of an SDU that we take, and that the peer takes.
        self.our_mtu, self.peer_mtu = our_mtu, peer_mtu
        self._adapter, self._client = link.adapter, link.client
        self._pipe: Optional[Pipe] = None
        self._acquiring: Optional["asyncio.Future[Any]"] = None
        self._waiting: List[bytes] = []  # read from a channel that was no socket any more
        self._received, self._news = 0, asyncio.Event()
        self._ready = asyncio.Event()
        self._ready.set()
        self._sending = asyncio.Lock()
        self._ended: "asyncio.Future[int]" = asyncio.get_running_loop().create_future()
        self._closed = False
        self._adapter.channels.setdefault((link.conn, cid), self)

    def __repr__(self) -> str:
        return f"<Channel {self.cid:#06x} of PSM {self.psm:#x} to {self.link.address}>"

    # How it comes about

    def acquire(self) -> None:
        """Asks for its socket, in the moment that it is known."""
        self._acquiring = self._client.request("L2cap1.Acquire", self.link.conn, self.cid)

    async def opened(self) -> "Channel":
        """Waits for the socket. A channel that has ended by then is read by calls."""
        if self._acquiring is not None:
            acquiring = self._acquiring
            try:
                (fd,) = await asyncio.shield(acquiring)
                self._pipe, self._acquiring = Pipe(fd), None
            except NotFound:
                self._acquiring = None
                await self._read_rest()
        return self

    async def _read_rest(self) -> None:
        try:
            while await self.available():
                self._waiting.append(await self._receive())
        except (NotFound, NotConnected):
            pass

    # Signals

    def ended(self, status: int) -> None:
        if not self._ended.done():
            self._ended.set_result(status)
        self._adapter.channels.pop((self.link.conn, self.cid), None)
        self._news.set()
        self._ready.set()

    def got(self) -> None:
        self._received += 1
        self._news.set()

    def ready(self) -> None:
        self._ready.set()

    @property
    def is_open(self) -> bool:
        return not self._ended.done() and not self._closed

    # What it is for

    async def send(self, sdu: bytes) -> None:
        """Sends an SDU of 0 to peer_mtu octets; waits where the peer is slow. Disconnected where
        the channel has ended."""
        if len(sdu) > self.peer_mtu:
            raise InvalidArgs(f"{len(sdu)} octets are more than the {self.peer_mtu} that the peer "
                              "takes in an SDU")
        if self._pipe is None:
            await self._send_by_call(sdu)
            return
        try:
            await self._pipe.send(sdu)
        except ConnectionError as e:
            if isinstance(e, Error):
                raise
            raise await self._why() from None

    async def _send_by_call(self, sdu: bytes) -> None:
        async with self._sending:
            await self._ready.wait()
            if not self.is_open:
                raise await self._why()
            self._ready.clear()

            def done(future: "asyncio.Future[Any]") -> None:
                # Taken, and another may follow at once; or not taken. Else SendReady comes.
                if future.cancelled() or future.exception() or future.result()[0]:
                    self._ready.set()
            future = self._client.request("L2cap1.Send", self.link.conn, self.cid, sdu)
            future.add_done_callback(done)
            try:
                await asyncio.shield(future)
            except NotFound:
                raise await self._why() from None

    async def recv(self) -> Optional[bytes]:
        """The next SDU; None when either side has closed the channel and all has been read. Where
        the connection was lost: Disconnected."""
        if self._waiting:
            return self._waiting.pop(0)
        if self._pipe is not None:
            sdu = await self._pipe.recv()
        else:
            sdu = await self._recv_by_call()
        if sdu is None:
            error = await self._why()
            if error.status:
                raise error
        return sdu

    async def _recv_by_call(self) -> Optional[bytes]:
        while self._received == 0:
            if not self.is_open:
                return None
            self._news.clear()
            await self._news.wait()
        self._received -= 1
        try:
            return await self._receive()
        except (NotFound, NotConnected):
            return None

    async def _receive(self) -> bytes:
        data: bytes = await self._client.call("L2cap1.Receive", self.link.conn, self.cid, 65535)
        return data

    async def available(self) -> int:
        """Octets that wait (of a channel that was opened with socket=False)."""
        octets: int = await self._client.call("L2cap1.Available", self.link.conn, self.cid)
        return octets

    async def _why(self) -> Error:
        """Its end as an error; status 0: either side closed it."""
        if self._closed:
            return Closed("this channel has been closed here", 0)
        if not self._ended.done():
            await self._client.ping()  # Disconnected has been dispatched then
        if self._client.gone:
            return self._client.gone
        status = self._ended.result() if self._ended.done() else 0
        because = str(from_status(status)) if status else "the peer has closed it"
        return Disconnected(f"channel {self.cid:#06x} has ended: {because}", status)

    async def reconfigure(self, mtu: int, mps: Optional[int] = None) -> None:
        """Another MTU of ours, not below the present one; of an enhanced channel."""
        await self._client.call("L2cap1.Reconfigure", self.link.conn, self.cid, mtu, mps=mps)

    async def close(self) -> None:
        """Closes it, when all that was sent has left."""
        if not self._closed:
            await settle(self._close())

    async def _close(self) -> None:
        self._closed = True
        if self._acquiring is not None:
            await quietly(self.opened())
        if self._pipe:
            self._pipe.close()
        if not self._ended.done() and self._client.gone is None:
            # What a peer that is slow has not taken goes for 30 s more.
            await quietly(self._client.call("L2cap1.Disconnect", self.link.conn, self.cid,
                                            urgent=True), 40)
        self.ended(0)

    async def __aenter__(self) -> "Channel":
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.close()

    def __aiter__(self) -> "Channel":
        return self

    async def __anext__(self) -> bytes:
        sdu = await self.recv()
        if sdu is None:
            raise StopAsyncIteration
        return sdu

    def streams(self) -> Tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The channel as a stream of octets each way; what is written is cut into SDUs. From then
        on only they may be used; writer.close() closes the channel."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=max(65536, 2 * self.our_mtu), loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        transport = _Transport(self, protocol)
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


class _Transport(asyncio.Transport):
    """A channel for asyncio's streams."""

    HIGH, LOW = 65536, 16384

    def __init__(self, channel: Channel, protocol: asyncio.StreamReaderProtocol) -> None:
        super().__init__({"peername": channel.link.address, "channel": channel})
        self._channel, self._protocol = channel, protocol
        self._out, self._closing, self._paused = bytearray(), False, False
        self._resume, self._more = asyncio.Event(), asyncio.Event()
        self._resume.set()
        protocol.connection_made(self)
        self._reader = channel._adapter.spawn(self._read())
        self._writer = channel._adapter.spawn(self._write())

    async def _read(self) -> None:
        error: Optional[BaseException] = None
        try:
            async for sdu in self._channel:
                self._protocol.data_received(sdu)
                await self._resume.wait()
            self._protocol.eof_received()
        except Error as e:
            error = e
        if error and not isinstance(error, Closed):
            self._lost(error)

    async def _write(self) -> None:
        error: Optional[BaseException] = None
        try:
            while True:
                while self._out:
                    size = min(len(self._out), self._channel.peer_mtu)
                    await self._channel.send(bytes(self._out[:size]))
                    del self._out[:size]
                    if self._paused and len(self._out) <= self.LOW:
                        self._paused = False
                        self._protocol.resume_writing()
                if self._closing:
                    break
                self._more.clear()
                await self._more.wait()
        except Error as e:
            error = e
        await self._channel.close()
        self._reader.cancel()
        self._lost(error)

    _is_lost = False

    def _lost(self, error: Optional[BaseException]) -> None:
        if not self._is_lost:
            self._is_lost = self._closing = True
            self._more.set()
            self._protocol.connection_lost(error if isinstance(error, Exception) else None)

    def write(self, data: Any) -> None:
        if self._closing:
            return
        self._out += data
        self._more.set()
        if len(self._out) > self.HIGH and not self._paused:
            self._paused = True
            self._protocol.pause_writing()

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True
        self._more.set()

    def abort(self) -> None:
        self._out.clear()
        self.close()

    def can_write_eof(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return len(self._out)

    def pause_reading(self) -> None:
        self._resume.clear()

    def resume_reading(self) -> None:
        self._resume.set()


class Listener:
    """`async with ble.listen(0x80, 512) as listener: async for channel in listener`."""

    def __init__(self, adapter: "Adapter", psm: int, mtu: int, security: Optional[int],
                 authorize: Optional[Callable[["Link", int, int], Any]], socket: bool) -> None:
        self._adapter, self.psm, self._mtu, self._security = adapter, psm, mtu, security
        self._authorize, self._socket = authorize, socket
        self._stream: Stream[Channel] = Stream()

    async def __aenter__(self) -> "Listener":
        client = self._adapter.client
        self._stream.hear(client, {"L2cap1.Accept": self._accept, "L2cap1.Connected": self._up})

        async def undo(_: Any) -> None:
            await self._stop()
        try:
            await client.claim("L2cap1.Listen", self.psm, self._mtu, undo=undo,
                               security=self._security,
                               authorize=True if self._authorize else None)
        except BaseException:
            self._stream.close()
            raise
        return self

    def _accept(self, signal: Signal) -> None:
        request, conn, cid, psm, _, peer_mtu = signal.args
        if psm != self.psm or signal.broadcast:
            return
        self._adapter.accepted.add((conn, cid))
        if request:
            self._adapter.spawn(self._decide(request, conn, peer_mtu))

    async def _decide(self, request: int, conn: int, peer_mtu: int) -> None:
        result = 0
        try:
            assert self._authorize
            answer = self._authorize(self._adapter.link(conn), self.psm, peer_mtu)
            if asyncio.iscoroutine(answer) or isinstance(answer, Awaitable):
                answer = await answer
            result = REFUSED if answer is False else 0
        except L2capError as e:
            result = e.status & 0xff
        except Exception as e:  # noqa: B902
            result = REFUSED
            self._adapter.report(e)
        try:
            await self._adapter.client.call("L2cap1.Reply", request, result, urgent=True)
        except (NotFound, NotConnected):
            pass  # too late

    def _up(self, signal: Signal) -> Optional[Channel]:
        conn, cid, psm, our_mtu, peer_mtu = signal.args
        if psm != self.psm or (conn, cid) not in self._adapter.accepted:
            return None
        self._adapter.accepted.discard((conn, cid))
        channel = Channel(self._adapter.link(conn), cid, psm, our_mtu, peer_mtu)
        if self._socket:
            channel.acquire()
        return channel

    async def _stop(self) -> None:
        await self._adapter.client.call("L2cap1.StopListening", self.psm, urgent=True)

    async def __aexit__(self, *_: Any) -> None:
        """Channels that nobody has taken are closed; the others stay."""
        if self._adapter.client.gone is None:
            await settle(quietly(self._stop()))
            for channel in self._stream.waiting():
                await channel.close()
        self._stream.close()

    def __aiter__(self) -> "Listener":
        return self

    async def __anext__(self) -> Channel:
        channel = await self._stream.__anext__()
        try:
            return await channel.opened()
        except asyncio.CancelledError:
            self._stream.put_back(channel)
            raise


def route(adapter: "Adapter") -> None:
    """Has the signals of channels reach them."""
    def of(signal: Signal) -> Optional[Channel]:
        return adapter.channels.get((signal.args[0], signal.args[1]))

    def disconnected(signal: Signal) -> None:
        channel = of(signal)
        adapter.accepted.discard((signal.args[0], signal.args[1]))
        if channel:
            channel.ended(signal.args[3])

    def received(signal: Signal) -> None:
        channel = of(signal)
        if channel:
            channel.got()

    def ready(signal: Signal) -> None:
        channel = of(signal)
        if channel:
            channel.ready()

    def reconfigured(signal: Signal) -> None:
        channel = of(signal)
        if channel:
            channel.our_mtu, channel.peer_mtu = signal.args[2:]

    def gone(error: Error) -> None:
        for channel in list(adapter.channels.values()):
            channel.ended(0x403)
    on = adapter.client.on
    on("L2cap1.Disconnected", disconnected)
    on("L2cap1.Received", received)
    on("L2cap1.SendReady", ready)
    on("L2cap1.Reconfigured", reconfigured)
    adapter.client.on_end(gone)


async def open_channels(link: "Link", psm: int, mtu: int, socket: bool,
                        options: Dict[str, Any]) -> List[Channel]:
    """Connects; all channels that have come about. Their Connected come right before the reply, which
    names the first: those that are nobody's by then are of this call."""
    seen: List[Tuple[int, int, int]] = []
    made: List[Channel] = []
    adapter = link.adapter

    def up(signal: Signal) -> None:
        conn, cid, at, our_mtu, peer_mtu = signal.args
        # One that the peer opened has had its Accept.
        if (conn, at) == (link.conn, psm) and (conn, cid) not in adapter.accepted:
            seen.append((cid, our_mtu, peer_mtu))

    off = link.client.on("L2cap1.Connected", up)

    def opened(body: Any) -> None:
        off()
        first = tuple(body)
        for cid, our_mtu, peer_mtu in [first, *(s for s in seen if s != first)]:
            if (link.conn, cid) not in adapter.channels:
                made.append(Channel(link, cid, psm, our_mtu, peer_mtu))
                if socket:
                    made[-1].acquire()

    async def undo(_: Any) -> None:
        for channel in made:
            await channel.close()
    try:
        await link.client.claim("L2cap1.Connect", link.conn, psm, mtu, undo=undo, then=opened,
                                failed=off, **options)
    except Error:
        off()
        raise
    try:
        for channel in made:
            await channel.opened()
    except BaseException:
        for channel in made:
            await channel.close()
        raise
    return made


__all__ = ["Channel", "Listener", "open_channels", "route"]
