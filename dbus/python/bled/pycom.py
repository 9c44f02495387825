# SPDX-License-Identifier: MIT
"""Pycom's class Bluetooth, its services and characteristics, through the daemon bled.

A program for a Pycom board runs with its import line changed:

    from bled.pycom import Bluetooth      # was: from network import Bluetooth

Handlers run in a thread of their own, one at a time, in the order of the events. While there are
any the process goes on behind the end of its program, as a board does, until it is interrupted or
calls `Bluetooth().deinit()`. UUIDs are numbers of 16 bits, or 16 octets as they are on the air (least
significant first). Where the daemon is: BLED_BUS, BLED_BUS_NAME, BLED_ADAPTER in the environment.
"""
from __future__ import annotations

import errno
import queue
import sys
import threading
import traceback
from typing import Any, Callable, Dict, List, Optional, Tuple, Union

from . import errors
from .blocking import Daemon, os_error
from .core import Signal
from .types import Flag, uuid

Value = Union[int, str, bytes, bytearray]
Uuid = Union[int, str, bytes, bytearray]
Handler = Callable[..., Any]

_INTERVAL_US = 100000


def _spelled(value: Uuid) -> str:
    if isinstance(value, (bytes, bytearray)):
        if len(value) not in (2, 4, 16):
            raise ValueError(f"{value!r} is no UUID: 2, 4 or 16 octets are")
        digits = bytes(value)[::-1].hex()
        if len(value) == 16:
            digits = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
        return uuid(digits)
    return uuid(value)


def _octets(value: Any) -> bytes:
    """A number in as few octets as hold it, of 1, 2 and 4, least significant first."""
    if isinstance(value, int):
        value &= 0xffffffff
        return value.to_bytes(1 if value <= 0xff else 2 if value <= 0xffff else 4, "little")
    return value.encode() if isinstance(value, str) else bytes(value)


class _Handlers(threading.Thread):
    """Calls handlers, one after another. Not a daemon: the process stays for it."""

    def __init__(self) -> None:
        super().__init__(name="bled-handlers")
        self._jobs: "queue.SimpleQueue[Optional[Callable[[], Any]]]" = queue.SimpleQueue()

    def post(self, job: Optional[Callable[[], Any]]) -> None:
        self._jobs.put(job)

    def run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
                sys.stdout.flush()  # what a handler prints is seen at once, as from a board
            except Exception:  # noqa: B902
                traceback.print_exc()


class Bluetooth:
    """The radio. Bluetooth() is always the same one; it is on from the first time."""

    BLE = 0
    NEW_ADV_EVENT, CLIENT_CONNECTED, CLIENT_DISCONNECTED = 0x10, 0x20, 0x40
    CHAR_READ_EVENT, CHAR_WRITE_EVENT, CHAR_SUBSCRIBE_EVENT = 1, 2, 4  # those of Characteristic1
    PROP_BROADCAST, PROP_READ, PROP_WRITE_NR, PROP_WRITE = 0x01, 0x02, 0x04, 0x08
    PROP_NOTIFY, PROP_INDICATE, PROP_AUTH, PROP_EXT_PROP = 0x10, 0x20, 0x40, 0x80
    PERM_READ, PERM_READ_ENCRYPTED, PERM_READ_ENCRYPTED_MITM = 0x01, 0x02, 0x04
    PERM_WRITE, PERM_WRITE_ENCRYPTED, PERM_WRITE_ENCRYPTED_MITM = 0x10, 0x20, 0x40

    _the: Optional["Bluetooth"] = None
    _daemon: Optional[Daemon] = None

    def __new__(cls, id: int = 0, **settings: Any) -> "Bluetooth":
        if cls._the is None:
            cls._the = super().__new__(cls)
        return cls._the

    def __init__(self, id: int = 0, **settings: Any) -> None:
        if self._daemon is None:
            self.init(id, **settings)

    def init(self, id: int = 0, mode: int = BLE, **_: Any) -> None:
        """On. What else Pycom's takes (antenna, modem_sleep, ...) is about its boards."""
        if self._daemon is not None:
            return
        try:
            self._daemon = daemon = Daemon()
        except errors.Error as e:
            raise os_error(e) from None
        self._happened, self._trigger = 0, 0
        self._handler: Optional[Handler] = None
        self._arg: Any = None
        self._thread: Optional[_Handlers] = None
        self._payload: Dict[str, Any] = {}
        self._advertises = False
        self._characteristics: Dict[str, "Characteristic"] = {}
        try:
            daemon.sync(self._open(daemon))
        except BaseException:
            self._daemon = None
            daemon.close()
            raise

    def deinit(self) -> None:
        """Off: services, advertising and connections end, handlers are not called any more."""
        daemon, self._daemon = self._daemon, None
        if daemon is None:
            return
        try:
            daemon.call("Adapter1.Detach", urgent=True)
        except OSError:
            pass  # it has gone: all has ended
        daemon.close()
        self._end()

    def set_advertisement(self, *, name: Optional[str] = None,
                          manufacturer_data: Optional[bytes] = None,
                          service_data: Optional[bytes] = None,
                          service_uuid: Optional[Uuid] = None) -> None:
        """What advertise() sends. manufacturer_data begins with the company's number, service_data
        with the UUID of 16 bits, least significant octet first."""
        self._payload = {"name": name,
                         "services": None if service_uuid is None else [_spelled(service_uuid)]}
        if manufacturer_data is not None:
            self._payload["manufacturer_data"] = {
                int.from_bytes(manufacturer_data[:2], "little"): bytes(manufacturer_data[2:])}
        if service_data is not None:
            self._payload["service_data"] = {_spelled(service_data[:2]): bytes(service_data[2:])}
        if self._advertises:
            self.advertise(True)

    def advertise(self, enable: bool, /) -> None:
        """Begins or ends it. It pauses while a client is connected."""
        daemon = self._on()
        if enable:
            daemon.call("Broadcaster1.Advertise", _INTERVAL_US, resume=True, **self._payload)
        else:
            daemon.call("Broadcaster1.StopAdvertising", 0)
        self._advertises = bool(enable)

    def callback(self, trigger: Optional[int] = None, handler: Optional[Handler] = None,
                 arg: Any = None) -> None:
        """Calls handler(arg), or handler(this object), when any of the events happens."""
        if trigger and handler:
            self._need_thread()
        self._trigger, self._handler, self._arg = trigger or 0, handler, arg

    def events(self) -> int:
        """The events since the last call, which clears them. In a handler: up to the event that it
        is called for."""
        happened, self._happened = self._happened, 0
        return happened

    def service(self, uuid: Uuid, *, isprimary: bool = True, nbr_chars: int = 1,
                start: bool = True) -> "Service":
        daemon = self._on()
        handle, _ = daemon.call("GattServer1.AddService", _spelled(uuid), [],
                                primary=bool(isprimary))
        return Service(self, handle, _spelled(uuid))

    # How it is done

    async def _open(self, daemon: Daemon) -> None:
        client = daemon.client

        def on(name: str, event: int) -> None:
            def heard(signal: Signal) -> None:
                if not signal.broadcast and signal.path == client.path:
                    self._event(event)
            client.on(name, heard)
        on("Peripheral1.CentralConnected", self.CLIENT_CONNECTED)
        on("Peripheral1.CentralDisconnected", self.CLIENT_DISCONNECTED)
        client.on("Characteristic1.Event", self._value_event)
        client.on_end(lambda _: self._end())
        await client.call("Adapter1.Attach", active=True)

    def _event(self, event: int) -> None:
        handler, arg, thread = self._handler, self._arg, self._thread
        if not (handler and thread and self._trigger & event):
            self._happened |= event
            return

        def job() -> None:
            self._happened |= event
            assert handler
            handler(self if arg is None else arg)
        thread.post(job)

    def _value_event(self, signal: Signal) -> None:
        of = self._characteristics.get(signal.path)
        if of and not signal.broadcast:
            event, _, value = signal.args
            of._event(event, value)

    def _need_thread(self) -> _Handlers:
        if self._thread is None:
            self._thread = _Handlers()
            self._thread.start()
        return self._thread

    def _end(self) -> None:
        thread, self._thread = self._thread, None
        if thread:
            thread.post(None)

    def _on(self) -> Daemon:
        if self._daemon is None:
            raise OSError(errno.ENODEV, "Bluetooth is off: init() turns it on")
        return self._daemon


class Service:
    """A service of this device."""

    def __init__(self, bluetooth: Bluetooth, handle: int, uuid: str) -> None:
        self._bluetooth, self._handle, self._uuid = bluetooth, handle, uuid

    def characteristic(self, uuid: Uuid, *, permissions: Optional[int] = None,
                       properties: Optional[int] = None,
                       value: Optional[Value] = None) -> "Characteristic":
        of = Bluetooth
        if properties is None:
            properties = of.PROP_READ | of.PROP_WRITE | of.PROP_NOTIFY
        flags = properties & 0x7f
        for bit, flag in ((of.PERM_READ_ENCRYPTED, Flag.READ_ENCRYPTED),
                          (of.PERM_READ_ENCRYPTED_MITM, Flag.READ_AUTHENTICATED),
                          (of.PERM_WRITE_ENCRYPTED, Flag.WRITE_ENCRYPTED),
                          (of.PERM_WRITE_ENCRYPTED_MITM, Flag.WRITE_AUTHENTICATED)):
            flags |= int(flag) if (permissions or 0) & bit else 0
        definition: Dict[str, Tuple[str, Any]] = {"uuid": ("s", _spelled(uuid)),
                                                  "flags": ("u", flags)}
        if value is not None:
            definition["value"] = "ay", _octets(value)
        handles: List[int] = self._bluetooth._on().call("GattServer1.AddCharacteristic",
                                                        self._handle, definition)
        return Characteristic(self._bluetooth, handles[0], _spelled(uuid))

    def start(self) -> None:
        """It has been there since it was made."""

    def stop(self) -> None:
        """The service goes, with its characteristics."""
        self._bluetooth._on().call("GattServer1.RemoveService", self._handle)


class Characteristic:
    """A characteristic of this device: its value, and what clients do with it."""

    def __init__(self, bluetooth: Bluetooth, handle: int, uuid: str) -> None:
        self._bluetooth, self._handle, self._uuid = bluetooth, handle, uuid
        self._path = f"{bluetooth._on().client.path}/char{handle:04x}"
        self._handler: Optional[Handler] = None
        self._arg: Any = None
        bluetooth._characteristics[self._path] = self

    def value(self, value: Optional[Value] = None, /) -> Optional[bytes]:
        """The value, as octets; or sets it to a number, text or octets, and tells who has
        subscribed."""
        daemon = self._bluetooth._on()
        if value is None:
            octets: bytes = daemon.sync(daemon.client.get("Characteristic1.Value", self._path))
            return octets
        daemon.call("GattServer1.Write", self._handle, _octets(value), True)
        return None

    def events(self) -> int:
        """CHAR_READ_EVENT and CHAR_WRITE_EVENT as they have happened since the last call, which
        clears them."""
        happened: int = self._bluetooth._on().call("Characteristic1.Events", path=self._path)
        return happened

    event = events

    def callback(self, trigger: Optional[int] = None, handler: Optional[Handler] = None,
                 arg: Any = None) -> None:
        """Calls handler(arg, (event, value)), with this object where arg is None, once for each
        event. value is what was written, whatever has been written since."""
        if handler and trigger:
            self._bluetooth._need_thread()
        self._handler, self._arg = handler, arg
        self._bluetooth._on().call("Characteristic1.SetTrigger",
                                   (trigger or 0) if handler else 0, path=self._path)

    def _event(self, event: int, value: bytes) -> None:
        handler, arg, thread = self._handler, self._arg, self._bluetooth._thread
        if handler and thread:
            call = handler
            thread.post(lambda: call(self if arg is None else arg, (event, value)))


__all__ = ["Bluetooth", "Characteristic", "Service"]
