# SPDX-License-Identifier: MIT
"""Scanning: an async iterator of reports, over the daemon's stream or its signals."""
from __future__ import annotations

import asyncio
import struct
import weakref
from typing import TYPE_CHECKING, Any, Dict, Optional

from .core import Fd, Signal, quietly, settle
from .errors import Busy, Canceled, NotActive
from .pipe import Pipe
from .stream import Stream
from .types import Report

if TYPE_CHECKING:
    from .adapter import Adapter

_PHYS = {1: "1m", 2: "2m", 3: "coded"}
_RECORD = struct.Struct("<QI6sBBBBBbbBHHH")


def _known(power: int) -> Optional[int]:
    return None if power == 127 else power


def from_record(record: bytes) -> Report:
    """A record of AcquireScan's socket."""
    (time, dropped, addr, kind, adv_type, phy, phy2, sid, rssi, tx, bits, size, periodic,
     _) = _RECORD.unpack_from(record)
    return Report(
        addr.hex(":").upper(), kind, None if adv_type == 0xff else adv_type, _known(rssi),
        record[_RECORD.size:_RECORD.size + size], bool(bits & 1), bool(bits & 2), bool(bits & 4),
        bool(bits & 8), bool(bits & 32), bool(bits & 64), _PHYS.get(phy, "1m"), _PHYS.get(phy2),
        None if sid == 0xff else sid, _known(tx), periodic or None, time / 1e6, dropped)


def from_signal(addr_type: int, addr: str, adv_type: int, rssi: int, data: bytes) -> Report:
    """A ScanResult."""
    return Report(addr, addr_type, adv_type, _known(rssi), data, adv_type in (0, 1),
                  adv_type in (0, 2), adv_type == 1, adv_type == 4)


def from_extended(addr_type: int, addr: str, report: Dict[str, Any]) -> Report:
    """An ExtendedScanResult."""
    fields = {k: v for k, v in report.items() if k in Report.__dataclass_fields__}
    data, rssi = fields.pop("data", b""), fields.pop("rssi", 127)
    return Report(addr, addr_type, None, _known(rssi), data, **fields)


class Scan:
    """`async for report in ble.scan(...)`, or `async with ble.scan(...) as scan` around it.

    It starts with the first report that is asked for, or with `async with`. It ends with its
    duration, with the loop over it, or with the block. `dropped` counts reports that the daemon could
    not hold for a slow reader.
    """

    def __init__(self, adapter: "Adapter", duration_ms: int, stream: bool,
                 options: Dict[str, Any]) -> None:
        self._adapter, self._duration, self._options = adapter, duration_ms, options
        self._stream, self._block, self._done = stream, False, False
        self._pipe: Optional[Pipe] = None
        self._signals: Stream[Report] = Stream()
        self._started, self._loop, self._began = False, asyncio.get_running_loop(), 0.0
        self.dropped = 0

    async def _start(self) -> None:
        other = self._adapter._scan() if self._adapter._scan else None
        if other is not None and other is not self and not other._done:
            raise Busy("this Adapter is scanning: end that scan, use discover, or open another "
                       "Adapter")
        self._adapter._scan = weakref.ref(self)
        self._started, self._began = True, self._loop.time()
        client = self._adapter.client
        # One that was forgotten has ended, or ends, without anybody having waited for it. Its
        # ScanDone is not ours.
        while self._adapter.scan_running and not client.gone:
            self._adapter.scan_over.clear()
            await client.call("Observer1.StopScan")
            if self._adapter.scan_running:
                await self._adapter.scan_over.wait()
        if self._stream:
            fd: Fd = await client.claim("Observer1.AcquireScan", self._duration, undo=self._undo,
                                        then=self._runs, **self._options)
            self._pipe = Pipe(fd)
            return
        me = weakref.ref(self)

        def each(signal: Signal) -> None:
            scan = me()
            if scan is not None and not signal.broadcast:
                for arguments in signal.args[0]:
                    scan._signals.put(from_signal(*arguments))

        def done(signal: Signal) -> None:
            scan = me()
            if scan is not None and not signal.broadcast:
                scan._signals.end()
        # What is broadcast is of a scan of the daemon's own.
        self._signals.hear(client, {
            "Observer1.ScanResult": lambda s: None if s.broadcast else from_signal(*s.args),
            "Observer1.ExtendedScanResult":
                lambda s: None if s.broadcast else from_extended(*s.args),
            "Observer1.ScanResults": each, "Observer1.ScanDone": done})
        await client.claim("Observer1.Scan", self._duration, undo=self._undo, then=self._runs,
                           wait=False if self._duration else None, **self._options)

    def _runs(self, _: Any) -> None:
        self._adapter.scan_running = True

    async def _undo(self, _: Any) -> None:
        if self._adapter._scan is None or self._adapter._scan() is self:  # not that of another
            await self._adapter.client.call("Observer1.StopScan", urgent=True)

    def _finish(self) -> None:
        self._done = True
        self._signals.end()

    async def stop(self) -> None:
        """Ends the scan; returns when the daemon has ended it."""
        self._finish()
        # The socket is closed after that: the daemon would see its end first, and not say when it
        # has ended the scan.
        if self._started and self._adapter.scan_running and not self._adapter.client.gone:
            await settle(quietly(self._undo(None)))
        if self._pipe:
            self._pipe.close()

    async def __aenter__(self) -> "Scan":
        self._block = True
        try:
            await self._start()
        except BaseException:
            self._finish()
            raise
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.stop()

    def __aiter__(self) -> "Scan":
        return self

    async def __anext__(self) -> Report:
        try:
            if not self._started:
                await self._start()
            report = await (self._from_pipe() if self._stream else self._from_signals())
        except BaseException:
            if not self._block:  # nobody else could
                await self.stop()
            raise
        if report is None:
            if not self._block:
                self._finish()
            raise StopAsyncIteration
        self.dropped += report.dropped
        return report

    async def _from_pipe(self) -> Optional[Report]:
        if self._done and (not self._pipe or self._pipe.closed):
            return None
        assert self._pipe
        record = await self._pipe.recv()
        if record is not None:
            return from_record(record)
        self._done = True
        self._pipe.close()
        await self._why()
        return None

    async def _from_signals(self) -> Optional[Report]:
        report = await self._signals.get()
        if report is None and not self._done:
            self._done = True
            await self._why()
        return report

    async def _why(self) -> None:
        """The end is an error where it is not that of the duration."""
        early = self._loop.time() - self._began < self._duration / 1000 - 0.05
        await self._adapter.client.ping()
        if not self._adapter.active:
            raise NotActive("the adapter went inactive, and the scan with it")
        if early or not self._duration:
            raise Canceled("the scan was ended: the adapter goes inactive, or another scan of this "
                           "client took its place")

    def __del__(self) -> None:
        if self._pipe:
            self._pipe.close()  # which ends it in the daemon
        elif self._started and not self._done and not self._stream:
            self._finish()
            client = self._adapter.client
            if not client.gone:
                client.bus.send(client.owner, client.path, "org.bled.Observer1", "StopScan")
