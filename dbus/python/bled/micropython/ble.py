# SPDX-License-Identifier: MIT
"""MicroPython's bluetooth.BLE on the daemon. What each method does is MicroPython's documentation's;
how the daemon is told is in the one line of each."""
from __future__ import annotations

import errno
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple, Union

from .. import errors
from ..blocking import Daemon, os_error
from ..core import Signal
from ..types import Flag
from .events import IRQ_MTU_EXCHANGED, Buffer, Events, octets_of
from .pump import pump
from .uuid import UUID

_CCCD = UUID(0x2902)
_FLAGS = int(sum(Flag))
_ROOM = 512  # the most octets of a value in the daemon
_PAYLOAD = 31
_LOAD_S = 2.0
_CONFIG = {"addr_mode": "AddrMode", "gap_name": "GapName", "rxbuf": "RxBuf", "mtu": "Mtu",
           "bond": "Bond", "mitm": "Mitm", "io": "Io", "le_secure": "LeSecure"}

Octets = Union[bytes, bytearray, memoryview, str]


def _octets(data: Any) -> bytes:
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, UUID):
        return bytes(data)
    return bytes(memoryview(data))


def _payload(data: Any) -> bytes:
    """What fits into an advertisement. Boards send the beginning of a longer one, and well-known
    programs make some; here it ends with its last whole structure."""
    octets = _octets(data)
    end = 0
    while len(octets) > _PAYLOAD and end + octets[end] + 1 <= _PAYLOAD:
        end += octets[end] + 1
    return octets[:end or _PAYLOAD] if len(octets) > _PAYLOAD else octets


def _address(addr: Any) -> str:
    octets = _octets(addr)
    if len(octets) != 6:
        raise ValueError("invalid addr")
    return ":".join(f"{o:02X}" for o in octets)


def _spelled(uuid: Any) -> str:
    if uuid is None:
        return ""
    if not isinstance(uuid, UUID):
        raise TypeError("UUID")
    return uuid.spelled


class BLE:
    """The singleton: BLE() is BLE()."""

    _the: Optional["BLE"] = None
    _events: Events
    _daemon: Optional[Daemon]
    _active: bool

    def __new__(cls) -> "BLE":
        if cls._the is None:
            cls._the = self = super().__new__(cls)
            self._events, self._daemon, self._active = Events(), None, False
        return cls._the

    # Configuration

    def active(self, active: Any = None, /) -> bool:
        if active is not None and bool(active) != self._is_active():
            if active:
                self._start()
            else:
                self._stop()
        return self._is_active()

    def config(self, param: Optional[str] = None, /, **values: Any) -> Any:
        if values:
            if param is not None:
                raise TypeError("either pos or kw args are allowed")
            return self._configure(values)
        if param == "mac":
            kind, addr = self._on().sync(self._on().client.get("Adapter1.Mac"))
            return kind, octets_of(addr)
        if param == "rxbuf":
            return self._events.rxbuf
        if param not in _CONFIG:
            raise ValueError("unknown config param")
        daemon = self._any()
        value = daemon.sync(daemon.client.get(f"Adapter1.{_CONFIG[param]}"))
        return value.encode() if param == "gap_name" else value

    def irq(self, handler: Optional[Callable[[int, Tuple[Any, ...]], Any]]) -> None:
        if handler is not None and not callable(handler):
            raise ValueError("invalid handler")
        pump.adopt()
        self._events.handler = handler

    # Broadcaster, observer

    def gap_advertise(self, interval_us: Optional[int], adv_data: Optional[Octets] = None, *,
                      resp_data: Optional[Octets] = None, connectable: bool = True) -> None:
        daemon = self._on()
        if interval_us is None:
            daemon.call("Broadcaster1.StopAdvertising", 255)
            return
        self._provide()
        daemon.call("Broadcaster1.Advertise", interval_us, connectable=bool(connectable),
                    adv_data=None if adv_data is None else _payload(adv_data),
                    resp_data=None if resp_data is None else _payload(resp_data))

    def gap_scan(self, duration_ms: Optional[int], interval_us: int = 1280000,
                 window_us: int = 11250, active: bool = False, /) -> None:
        daemon = self._on()
        if duration_ms is None:
            daemon.call("Observer1.StopScan")
            return
        daemon.call("Observer1.Scan", duration_ms, wait=False, interval_us=interval_us,
                    window_us=window_us, active=bool(active))

    # Connections

    def gap_connect(self, addr_type: Optional[int], addr: Optional[Octets] = None,
                    scan_duration_ms: int = 2000, min_conn_interval_us: Optional[int] = None,
                    max_conn_interval_us: Optional[int] = None, /) -> None:
        daemon = self._on()
        if addr_type is None:
            daemon.call("Central1.CancelConnect", 0, "")
            return
        daemon.call("Central1.Connect", addr_type, _address(addr), wait=False,
                    scan_duration_ms=scan_duration_ms,
                    min_conn_interval_us=min_conn_interval_us or None,
                    max_conn_interval_us=max_conn_interval_us or None)

    def gap_disconnect(self, conn_handle: int, /) -> bool:
        daemon = self._on()
        if not daemon.client.known(self._path(daemon, conn_handle), "Connection1"):
            return False
        try:
            daemon.call("Link1.Disconnect", conn_handle, wait=False)
        except OSError as e:
            if e.errno == errno.ENOTCONN:
                return False
            raise
        return True

    # GATT server

    def gatts_register_services(self, services_definition: Iterable[Any], /
                                ) -> List[Tuple[int, ...]]:
        daemon, services, places = self._on(), [], []
        for uuid, characteristics in services_definition:
            made: List[Any] = []
            place: List[Tuple[int, int]] = []  # which of the daemon's handles, and how much behind it
            count = 0
            for characteristic in characteristics:
                own: List[Any] = []
                place.append((count, 0))
                for descriptor in characteristic[2] if len(characteristic) > 2 else ():
                    if descriptor[0] == _CCCD:  # it is there by itself, behind the value
                        place.append((count, 1))
                        continue
                    own.append((_spelled(descriptor[0]), descriptor[1] & _FLAGS))
                    place.append((count + len(own), 0))
                made.append((_spelled(characteristic[0]), characteristic[1] & _FLAGS, own))
                count += 1 + len(own)
            services.append((_spelled(uuid), made))
            places.append(place)
        handles = daemon.call("GattServer1.RegisterServices", services)
        self._events.buffers.clear()
        self._events.authorized = {
            handle for (_, made), given in zip(services, handles) for handle, flags in zip(
                given, [f for _, f, own in made for f in (f, *(flags for _, flags in own))])
            if flags & Flag.READ_AUTHORIZED}
        return [tuple(given[at] + behind for at, behind in place)
                for given, place in zip(handles, places)]

    def gatts_read(self, value_handle: int, /) -> bytes:
        written = self._events.written
        if written and written[0] == value_handle:
            return written[1]
        if value_handle in self._events.buffers:
            self._on()
            return self._events.buffers[value_handle].take()
        octets: bytes = self._on().call("GattServer1.Read", value_handle)
        return octets

    def gatts_write(self, value_handle: int, data: Octets, send_update: bool = False, /) -> None:
        daemon, octets = self._on(), _octets(data)
        daemon.call("GattServer1.Write", value_handle, octets, bool(send_update))
        written, buffer = self._events.written, self._events.buffers.get(value_handle)
        if written and written[0] == value_handle:
            self._events.written = None
        if buffer:
            daemon.call("GattServer1.Read", value_handle)
            buffer.octets, buffer.room = octets, max(buffer.room, len(octets))

    def gatts_notify(self, conn_handle: int, value_handle: int, data: Optional[Octets] = None, /
                     ) -> None:
        self._on().call("GattServer1.Notify", conn_handle, value_handle,
                        value=self._value(value_handle, data))

    def gatts_indicate(self, conn_handle: int, value_handle: int, data: Optional[Octets] = None, /
                       ) -> None:
        self._on().call("GattServer1.Indicate", conn_handle, value_handle, wait=False,
                        value=self._value(value_handle, data))

    def gatts_set_buffer(self, value_handle: int, len: int, append: bool = False, /) -> None:
        daemon, events = self._on(), self._events
        if len < 0:
            raise OSError(errno.EINVAL, "a buffer has a size")
        before = self.gatts_read(value_handle)
        buffer = Buffer(len) if append else None
        if append:
            # Writes are appended here: in the daemon there is room for the longest of them.
            daemon.call("GattServer1.SetBuffer", value_handle, _ROOM, True)
            assert buffer
            buffer.add(before)
            events.buffers[value_handle] = buffer
            daemon.call("GattServer1.Read", value_handle)
        else:
            daemon.call("GattServer1.SetBuffer", value_handle, min(len, _ROOM), False)
            if events.buffers.pop(value_handle, None):
                daemon.call("GattServer1.Write", value_handle, before[:len], False)

    # GATT client

    def gattc_discover_services(self, conn_handle: int, uuid: Optional[UUID] = None, /) -> None:
        self._on().call("GattClient1.DiscoverServices", conn_handle, _spelled(uuid), wait=False)

    def gattc_discover_characteristics(self, conn_handle: int, start_handle: int, end_handle: int,
                                       uuid: Optional[UUID] = None, /) -> None:
        self._on().call("GattClient1.DiscoverCharacteristics", conn_handle, start_handle,
                        end_handle, _spelled(uuid), wait=False)

    def gattc_discover_descriptors(self, conn_handle: int, start_handle: int, end_handle: int, /
                                   ) -> None:
        self._on().call("GattClient1.DiscoverDescriptors", conn_handle, start_handle, end_handle,
                        wait=False)

    def gattc_read(self, conn_handle: int, value_handle: int, /) -> None:
        self._on().call("GattClient1.Read", conn_handle, value_handle, wait=False)

    def gattc_write(self, conn_handle: int, value_handle: int, data: Octets, mode: int = 0, /
                    ) -> None:
        """At most MTU-3 octets go out, in either mode."""
        daemon, mode = self._on(), int(mode)
        if mode not in (0, 1):
            raise OSError(errno.EINVAL, "mode is 0 or 1")
        octets = _octets(data)[:self._mtu(daemon, conn_handle) - 3]
        daemon.call("GattClient1.Write", conn_handle, value_handle, octets, mode, wait=False)

    def gattc_exchange_mtu(self, conn_handle: int, /) -> None:
        daemon = self._on()
        if self._events.exchanged.get(conn_handle):
            # Each side may ask once a connection: what came of it is told again.
            self._events.post(IRQ_MTU_EXCHANGED, conn_handle, self._mtu(daemon, conn_handle))
            return
        daemon.call("GattClient1.ExchangeMtu", conn_handle, wait=False)
        self._events.exchanged[conn_handle] = True

    # Channels

    def l2cap_listen(self, psm: int, mtu: int, /) -> None:
        self._on().call("L2cap1.Listen", psm, mtu, authorize=True)

    def l2cap_connect(self, conn_handle: int, psm: int, mtu: int, /) -> None:
        self._on().call("L2cap1.Connect", conn_handle, psm, mtu, wait=False)

    def l2cap_disconnect(self, conn_handle: int, cid: int, /) -> None:
        daemon = self._on()
        # It replies when the peer has: the event tells of it.
        daemon.sync(self._hang_up(daemon, conn_handle, cid))

    def l2cap_send(self, conn_handle: int, cid: int, buf: Octets, /) -> bool:
        sent: bool = self._on().call("L2cap1.Send", conn_handle, cid, _octets(buf))
        return sent

    def l2cap_recvinto(self, conn_handle: int, cid: int, buf: Any, /) -> int:
        daemon = self._on()
        if buf is None:
            count: int = daemon.call("L2cap1.Available", conn_handle, cid)
            return count
        view = memoryview(buf).cast("B")
        octets: bytes = daemon.call("L2cap1.Receive", conn_handle, cid, len(view))
        view[:len(octets)] = octets
        return len(octets)

    # Security

    def gap_pair(self, conn_handle: int, /) -> None:
        daemon = self._on()
        self._provide()
        daemon.call("Pairing1.Pair", conn_handle, wait=False)

    def gap_passkey(self, conn_handle: int, action: int, passkey: int, /) -> None:
        self._on().call("Pairing1.Passkey", conn_handle, action, passkey)

    # How it is done

    def _any(self) -> Daemon:
        """The daemon, active or not."""
        if self._daemon and self._daemon.gone:
            self._events.silence()
            self._daemon.close()
            self._daemon, self._active = None, False
        if self._daemon is None:
            try:
                self._daemon = Daemon()
            except errors.Error as e:
                raise os_error(e) from None
        return self._daemon

    def _on(self) -> Daemon:
        if not self._is_active():
            raise OSError(errno.ENODEV, "BLE is not active")
        assert self._daemon
        return self._daemon

    def _is_active(self) -> bool:
        return self._active and self._daemon is not None and not self._daemon.gone

    def _start(self) -> None:
        daemon = self._any()
        daemon.sync(self._attach(daemon))
        try:
            self._provide()
            daemon.sync(daemon.client.call("Adapter1.Attach", active=True, authorize_reads=True),
                        pump.serve)
        except BaseException:
            self._stop()
            raise
        self._active = True

    async def _attach(self, daemon: Daemon) -> None:
        await daemon.client.call("Adapter1.Attach", authorize_reads=True)
        self._events.hear(daemon)
        self._events._offs.append(daemon.client.on(
            "org.freedesktop.DBus.Properties.PropertiesChanged", self._changed))

    def _changed(self, signal: Signal) -> None:
        """The controller may go, and come back."""
        interface, values, _ = signal.args
        if interface.endswith(".Adapter1") and self._daemon and \
                signal.path == self._daemon.client.path and "Active" in values and self._active:
            self._active = bool(values["Active"])

    def _provide(self) -> None:
        """The program keeps the bonds, where nobody else does and it may: it is asked for them when
        it becomes active, or, where it has its handler only then, before they can be of use."""
        daemon, events = self._any(), self._events
        if events.provides or not events.handler:
            return
        events.provides, events.loaded = True, False
        try:
            daemon.sync(daemon.client.call("Pairing1.ProvideSecrets"), pump.serve)
        except OSError as e:
            events.loaded = True
            if e.errno not in (errno.EACCES, errno.EBUSY):
                raise
            return
        if pump.free:
            pump.wait(_LOAD_S, until=lambda: events.loaded)

    def _stop(self) -> None:
        daemon, self._daemon, self._active = self._daemon, None, False
        if daemon is None:
            return
        try:
            daemon.sync(self._detach(daemon))
        except OSError:
            pass  # it has gone: all has ended
        daemon.close()

    async def _detach(self, daemon: Daemon) -> None:
        try:
            await daemon.client.call("Adapter1.Detach", urgent=True)
        finally:
            self._events.silence()

    def _configure(self, values: Dict[str, Any]) -> None:
        for name in values:
            if name not in _CONFIG:
                raise ValueError("unknown config param")
        daemon = self._any()
        for name, value in values.items():
            if name == "gap_name":
                value = value if isinstance(value, str) else _octets(value).decode()
            elif name in ("bond", "mitm", "le_secure"):
                value = bool(value)
            elif name == "rxbuf":
                self._events.rxbuf, value = value, max(value, 512)
            daemon.sync(daemon.client.set(f"Adapter1.{_CONFIG[name]}", value))

    @staticmethod
    def _path(daemon: Daemon, conn: int) -> str:
        return f"{daemon.client.path}/conn{conn:04x}"

    def _mtu(self, daemon: Daemon, conn: int) -> int:
        known: int = daemon.client.known(self._path(daemon, conn), "Connection1").get("Mtu", 23)
        return max(known, self._events.mtu.get(conn, 23))

    def _value(self, handle: int, data: Optional[Octets]) -> Optional[bytes]:
        """What to send: data, or the local value as the program sees it now."""
        if data is not None:
            return _octets(data)
        written, buffer = self._events.written, self._events.buffers.get(handle)
        if buffer:
            return buffer.octets
        return written[1] if written and written[0] == handle else None

    @staticmethod
    async def _hang_up(daemon: Daemon, conn: int, cid: int) -> None:
        future = daemon.client.request("L2cap1.Disconnect", conn, cid)
        # What is refused is refused at once, before the daemon answers anything that comes later.
        await daemon.client.ping()
        if future.done():
            await future
        else:
            future.add_done_callback(lambda f: f.cancelled() or f.exception())
