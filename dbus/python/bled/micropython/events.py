# SPDX-License-Identifier: MIT
"""From the daemon's signals to MicroPython's events: codes, tuples, the handler and its answer.

Signals arrive in the daemon's thread, which only writes down what they say; the handler is called
for them in the program's thread, one by one, when the pump runs. What asks for an answer (a read, a
channel, a secret) is answered with what the handler returns, or at once where there is none.
"""
from __future__ import annotations

import os
import sys
import traceback
from typing import Any, Callable, Dict, List, Optional, Set, Tuple

from ..blocking import Daemon
from ..core import Client, Signal
from .pump import pump
from .uuid import UUID

IRQ_CENTRAL_CONNECT = 1
IRQ_CENTRAL_DISCONNECT = 2
IRQ_GATTS_WRITE = 3
IRQ_GATTS_READ_REQUEST = 4
IRQ_SCAN_RESULT = 5
IRQ_SCAN_DONE = 6
IRQ_PERIPHERAL_CONNECT = 7
IRQ_PERIPHERAL_DISCONNECT = 8
IRQ_GATTC_SERVICE_RESULT = 9
IRQ_GATTC_SERVICE_DONE = 10
IRQ_GATTC_CHARACTERISTIC_RESULT = 11
IRQ_GATTC_CHARACTERISTIC_DONE = 12
IRQ_GATTC_DESCRIPTOR_RESULT = 13
IRQ_GATTC_DESCRIPTOR_DONE = 14
IRQ_GATTC_READ_RESULT = 15
IRQ_GATTC_READ_DONE = 16
IRQ_GATTC_WRITE_DONE = 17
IRQ_GATTC_NOTIFY = 18
IRQ_GATTC_INDICATE = 19
IRQ_GATTS_INDICATE_DONE = 20
IRQ_MTU_EXCHANGED = 21
IRQ_L2CAP_ACCEPT = 22
IRQ_L2CAP_CONNECT = 23
IRQ_L2CAP_DISCONNECT = 24
IRQ_L2CAP_RECV = 25
IRQ_L2CAP_SEND_READY = 26
IRQ_CONNECTION_UPDATE = 27
IRQ_ENCRYPTION_UPDATE = 28
IRQ_GET_SECRET = 29
IRQ_SET_SECRET = 30
IRQ_PASSKEY_ACTION = 31

UNAUTHORIZED = 0x08  # ATT: what nobody is there to authorize
UNLIKELY = 0x0e  # ATT: what a handler returns that is no ATT error
NO_RESOURCES = 4  # L2CAP: a channel that the handler rejects
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ANSWER_S = 4.0  # before the daemon loses patience, which would refuse the read


def octets_of(addr: str) -> bytes:
    return bytes.fromhex(addr.replace(":", ""))


def _peer(conn: int, kind: int, addr: str) -> Tuple[Any, ...]:
    return conn, kind, octets_of(addr)


def _with_uuid(*args: Any) -> Tuple[Any, ...]:
    return *args[:-1], UUID.of(args[-1])


def _same(*args: Any) -> Tuple[Any, ...]:
    return args


#: signal: (event, its tuple made of the signal's arguments)
PLAIN: Dict[str, Tuple[int, Callable[..., Tuple[Any, ...]]]] = {
    "Peripheral1.CentralConnected": (IRQ_CENTRAL_CONNECT, _peer),
    "Peripheral1.CentralDisconnected": (IRQ_CENTRAL_DISCONNECT, _peer),
    "Observer1.ScanDone": (IRQ_SCAN_DONE, _same),
    "Central1.PeripheralConnected": (IRQ_PERIPHERAL_CONNECT, _peer),
    "Central1.PeripheralDisconnected": (IRQ_PERIPHERAL_DISCONNECT, _peer),
    "GattClient1.ServiceResult": (IRQ_GATTC_SERVICE_RESULT, _with_uuid),
    "GattClient1.ServiceDone": (IRQ_GATTC_SERVICE_DONE, _same),
    "GattClient1.CharacteristicResult": (IRQ_GATTC_CHARACTERISTIC_RESULT, _with_uuid),
    "GattClient1.CharacteristicDone": (IRQ_GATTC_CHARACTERISTIC_DONE, _same),
    "GattClient1.DescriptorResult": (IRQ_GATTC_DESCRIPTOR_RESULT, _with_uuid),
    "GattClient1.DescriptorDone": (IRQ_GATTC_DESCRIPTOR_DONE, _same),
    "GattClient1.ReadResult": (IRQ_GATTC_READ_RESULT, _same),
    "GattClient1.ReadDone": (IRQ_GATTC_READ_DONE, _same),
    "GattClient1.WriteDone": (IRQ_GATTC_WRITE_DONE, _same),
    "GattClient1.Notified": (IRQ_GATTC_NOTIFY, _same),
    "GattClient1.Indicated": (IRQ_GATTC_INDICATE, _same),
    "GattServer1.IndicateDone": (IRQ_GATTS_INDICATE_DONE, _same),
    "L2cap1.Connected": (IRQ_L2CAP_CONNECT, _same),
    "L2cap1.Disconnected": (IRQ_L2CAP_DISCONNECT, _same),
    "L2cap1.Received": (IRQ_L2CAP_RECV, _same),
    "L2cap1.SendReady": (IRQ_L2CAP_SEND_READY, _same),
    "Link1.ConnectionUpdated": (IRQ_CONNECTION_UPDATE, _same),
    "Pairing1.EncryptionUpdated": (IRQ_ENCRYPTION_UPDATE, _same),
    "Pairing1.PasskeyAction": (IRQ_PASSKEY_ACTION, _same),
}

Handler = Callable[[int, Tuple[Any, ...]], Any]


def print_exception(error: BaseException) -> None:
    """As MicroPython has it: with the program's own code, and the exception alone."""
    said = traceback.TracebackException.from_exception(error)
    own = [frame for frame in said.stack if not frame.filename.startswith(_PACKAGE)]
    said.stack = traceback.StackSummary.from_list(own)
    for line in said.format(chain=False):
        print(line, end="", file=sys.stderr)


class Buffer:
    """A value to which writes are appended: it is kept here, so that what the handler reads is what
    had been written by then; the daemon's copy is cleared with each write."""

    def __init__(self, room: int) -> None:
        self.room, self.octets = room, b""

    def add(self, value: bytes) -> None:
        self.octets = (self.octets + value)[:self.room]

    def take(self) -> bytes:
        octets, self.octets = self.octets, b""
        return octets


class Events:
    """The handler of a BLE object, and what is told to it."""

    def __init__(self) -> None:
        self.handler: Optional[Handler] = None
        self.buffers: Dict[int, Buffer] = {}
        self.written: Optional[Tuple[int, bytes]] = None  # the write that is being told of
        self.authorized: Set[int] = set()  # handles that nobody may read unasked
        self.mtu: Dict[int, int] = {}
        self.exchanged: Dict[int, bool] = {}
        self.provides = False  # the daemon has been told that the program keeps the bonds
        self.loaded = True  # no secrets are being asked for
        self.rxbuf = 65536
        self._reports = 0  # octets of scan results that wait
        self._offs: List[Callable[[], None]] = []

    def hear(self, daemon: Daemon) -> None:
        """In the daemon's thread."""
        client = daemon.client

        def on(name: str, heard: Callable[..., None]) -> None:
            def ours(signal: Signal) -> None:
                if not signal.broadcast and signal.path == client.path:
                    heard(*signal.args)
            self._offs.append(client.on(name, ours))
        for name, (code, tuple_of) in PLAIN.items():
            on(name, self._plain(code, tuple_of))
        on("Observer1.ScanResult", self._report)
        on("GattClient1.MtuExchanged", self._mtu)
        on("Link1.Disconnected", self._ended)
        on("GattServer1.Written", lambda *args: self._written(daemon, *args))
        on("GattServer1.ReadRequested", lambda *args: self._read(daemon, *args))
        on("GattServer1.WriteRequested", lambda request, *_: daemon.tell(
            "GattServer1.Reply", (request, UNAUTHORIZED), {}))  # MicroPython has no event for it
        on("L2cap1.Accept", lambda *args: self._accept(daemon, *args))
        on("Pairing1.PairingFailed", lambda conn, _: self._unpaired(client, conn))
        on("Pairing1.SecretRequested", lambda *args: self._get_secret(daemon, *args))
        on("Pairing1.SecretStored", lambda *args: self._set_secret(daemon, *args))

    def silence(self) -> None:
        """Nothing more is told, of what waits neither."""
        for off in self._offs:
            off()
        self._offs.clear()
        pump.drop()
        self.mtu.clear()
        self.exchanged.clear()
        self.buffers.clear()
        self.authorized.clear()
        self.provides, self.loaded, self._reports = False, True, 0

    # In the daemon's thread

    def post(self, code: int, *args: Any, then: Optional[Callable[[Any], None]] = None,
             first: Optional[Callable[[], None]] = None) -> None:
        pump.post(lambda: self._tell(code, args, then, first))

    def _plain(self, code: int, tuple_of: Callable[..., Tuple[Any, ...]]) -> Callable[..., None]:
        return lambda *args: self.post(code, *tuple_of(*args))

    def _report(self, kind: int, addr: str, adv_type: int, rssi: int, data: bytes) -> None:
        """Where the program is too slow, the reports that do not fit into rxbuf are lost."""
        size = 32 + len(data)
        if self._reports + size > max(self.rxbuf, 512):
            return
        self._reports += size

        def first() -> None:
            self._reports -= size
        self.post(IRQ_SCAN_RESULT, kind, octets_of(addr), adv_type, rssi, data, first=first)

    def _mtu(self, conn: int, mtu: int) -> None:
        self.mtu[conn] = mtu
        self.post(IRQ_MTU_EXCHANGED, conn, mtu)

    def _ended(self, conn: int, status: int) -> None:
        self.mtu.pop(conn, None)
        self.exchanged.pop(conn, None)

    def _written(self, daemon: Daemon, conn: int, handle: int, value: bytes) -> None:
        if handle in self.buffers:
            daemon.tell("GattServer1.Read", (handle,), {})
            if not self.handler:
                self.buffers[handle].add(value)

        def first() -> None:
            if handle in self.buffers:
                self.buffers[handle].add(value)
            else:
                self.written = handle, value
        if self.handler:
            self.post(IRQ_GATTS_WRITE, conn, handle, first=first)

    def _read(self, daemon: Daemon, request: int, conn: int, handle: int) -> None:
        def answer(result: Any) -> None:
            if timer:
                timer.cancel()
            buffer = self.buffers.get(handle)
            status = int(result or 0)
            daemon.tell("GattServer1.Reply",
                        (request, status if 0 <= status <= 0xff else UNLIKELY),
                        {} if status or not buffer else {"value": buffer.octets})
        if not request:
            return self.post(IRQ_GATTS_READ_REQUEST, conn, handle)
        default = UNAUTHORIZED if handle in self.authorized else 0
        timer = daemon.loop.call_later(ANSWER_S, answer, default) if self.handler else None
        if not self.handler:
            return answer(default)
        self.post(IRQ_GATTS_READ_REQUEST, conn, handle,
                  then=lambda result: daemon.soon(answer, result))

    def _accept(self, daemon: Daemon, request: int, *args: int) -> None:
        def answer(result: Any) -> None:
            if request:
                daemon.send("L2cap1.Reply", request, NO_RESOURCES if result else 0)
        if not self.handler:
            return answer(0)
        self.post(IRQ_L2CAP_ACCEPT, *args, then=answer)

    def _unpaired(self, client: Client, conn: int) -> None:
        now = client.known(f"{client.path}/conn{conn:04x}", "Connection1")
        self.post(IRQ_ENCRYPTION_UPDATE, conn, now.get("Encrypted", False),
                  now.get("Authenticated", False), now.get("Bonded", False), now.get("KeySize", 0))

    def _get_secret(self, daemon: Daemon, request: int, kind: int, index: int, has_key: bool,
                    key: bytes) -> None:
        def answer(value: Any) -> None:
            octets = None if value is None else bytes(value)
            daemon.send("Pairing1.Reply", request, octets is not None, octets or b"")
            if octets is None and not has_key:
                self.loaded = True
        self.post(IRQ_GET_SECRET, kind, index, key if has_key else None, then=answer)

    def _set_secret(self, daemon: Daemon, request: int, kind: int, key: bytes, has_value: bool,
                    value: bytes) -> None:
        self.post(IRQ_SET_SECRET, kind, key, value if has_value else None, then=lambda result:
                  daemon.send("Pairing1.Reply", request, bool(result), b""))

    # In the program's thread

    def _tell(self, code: int, args: Tuple[Any, ...], then: Optional[Callable[[Any], None]],
              first: Optional[Callable[[], None]]) -> None:
        result = None
        try:
            if first:
                first()
            result = self._handle(code, args)
        finally:
            self.written = None
            if then:
                then(result)

    def _handle(self, code: int, args: Tuple[Any, ...]) -> Any:
        if not self.handler:
            return None
        data = tuple(memoryview(a) if isinstance(a, bytes) else a for a in args)
        try:
            result = self.handler(code, data)
            # What is returned may be one of the views.
            return bytes(result) if isinstance(result, memoryview) else result
        except Exception as e:  # noqa: B902
            print("Unhandled exception in IRQ callback handler", file=sys.stderr)
            print_exception(e)
            self.handler = None
            return None
        finally:
            for view in data:
                if isinstance(view, memoryview):
                    view.release()
