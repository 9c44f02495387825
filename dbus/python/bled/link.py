# SPDX-License-Identifier: MIT
"""A connection, in either role."""
from __future__ import annotations

import asyncio
import dataclasses
import inspect
import secrets
import weakref
from typing import (TYPE_CHECKING, Any, Callable, Dict, List, Optional, Sequence, Tuple,
                    Union)

from .core import settle
from .errors import Disconnected, Error, NotActive, NotConnected, NotFound, from_status
from .l2cap import Channel, open_channels
from .remote import RemoteCharacteristic, RemoteDescriptor, RemoteService, write_mode
from .stream import Stream
from .types import Security, Uuid, uuid as spelled

if TYPE_CHECKING:
    from .adapter import Adapter

INPUT, DISPLAY, COMPARE = 2, 3, 4


@dataclasses.dataclass
class Person:
    """Who is asked when a pairing needs somebody: functions, async or not.

    enter() -> the number that the peer shows (None: no answer; the pairing fails after 30 s)
    show(number): show it, until the pairing is over (then an async function is cancelled)
    compare(number) -> whether the peer shows the same
    keypress(type): how far the peer's entry of a number is that is shown here
    """

    enter: Optional[Callable[[], Any]] = None
    show: Optional[Callable[[int], Any]] = None
    compare: Optional[Callable[[int], Any]] = None
    keypress: Optional[Callable[[int], Any]] = None

    def __bool__(self) -> bool:
        return any((self.enter, self.show, self.compare, self.keypress))


async def _result(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


class Link:
    """A connection. As a context manager it disconnects at the end of the block."""

    conn: int
    address: str
    address_type: int

    def __init__(self, adapter: "Adapter", conn: int, address_type: int, address: str) -> None:
        self.adapter, self.client = adapter, adapter.client
        #: The daemon's number of the connection.
        self.conn = conn
        #: The peer's address, as connected; `identity` is that of a bonded peer.
        self.address_type, self.address = address_type, address
        self.uses = 0
        self.subscriptions: Dict[int, List[int]] = {}
        self.error: Optional[Disconnected] = None
        self._properties = self.client.known(self.path, "Connection1")
        self._ended: "asyncio.Future[Disconnected]" = asyncio.get_running_loop().create_future()
        self._ends: List[Callable[[Error], None]] = []
        self._asked: List["asyncio.Task[None]"] = []
        self.person = Person()

    def __repr__(self) -> str:
        return f"<Link {self.conn} {self.role} {self.address}{'' if self.connected else ' ended'}>"

    @property
    def path(self) -> str:
        return f"{self.client.path}/conn{self.conn:04x}"

    # What it is like now

    def _known(self, name: str) -> Any:
        # The dictionary is the client's, which keeps it up to date; it outlives the object.
        self._properties = self.client.known(self.path, "Connection1") or self._properties \
            if self.connected else self._properties
        return self._properties.get(name)

    @property
    def connected(self) -> bool:
        return self.error is None

    @property
    def disconnected(self) -> "asyncio.Future[Disconnected]":
        """`reason = await link.disconnected`: the end; `reason.status` is 0x100 + the HCI reason."""
        return asyncio.shield(self._ended)

    @property
    def role(self) -> str:
        """Ours: central or peripheral."""
        return str(self._known("Role") or "central")

    @property
    def identity(self) -> Optional[Tuple[int, str]]:
        """(type, address) of a peer whose identity is known."""
        address = self._known("IdentityAddress")
        return (int(self._known("IdentityAddressType")), str(address)) if address else None

    @property
    def mtu(self) -> int:
        return int(self._known("Mtu") or 23)

    @property
    def interval(self) -> float:
        """Connection interval, ms."""
        return float(self._known("Interval") or 0) * 1.25

    @property
    def latency(self) -> int:
        return int(self._known("Latency") or 0)

    @property
    def supervision_timeout(self) -> int:
        """ms."""
        return int(self._known("SupervisionTimeout") or 0) * 10

    @property
    def tx_phy(self) -> str:
        return str(self._known("TxPhy") or "1m")

    @property
    def rx_phy(self) -> str:
        return str(self._known("RxPhy") or "1m")

    @property
    def encrypted(self) -> bool:
        return bool(self._known("Encrypted"))

    @property
    def authenticated(self) -> bool:
        return bool(self._known("Authenticated"))

    @property
    def bonded(self) -> bool:
        return bool(self._known("Bonded"))

    @property
    def key_size(self) -> int:
        return int(self._known("KeySize") or 0)

    @property
    def owner(self) -> str:
        """Unique bus name of the owner; empty for the daemon."""
        return str(self._known("Owner") or "")

    @property
    def hci_handle(self) -> int:
        return int(self._known("HciHandle") or 0)

    @property
    def connected_since(self) -> float:
        """Seconds since 1970."""
        return float(self._known("ConnectedSince") or 0) / 1e6

    def note(self, **properties: Any) -> None:
        """A result that says the same as a property will."""
        self._known("Mtu")
        self._properties.update(properties)

    # Its end

    async def disconnect(self, *, force: Optional[bool] = None,
                         reason: Optional[int] = None) -> bool:
        """Ends our use of it, and with the last use, or with force, the connection. False: it had
        ended already."""
        self.uses -= 1
        if not self.connected or (self.uses > 0 and not force):
            return self.connected
        return await settle(self._disconnect(force, reason))

    async def _disconnect(self, force: Optional[bool], reason: Optional[int]) -> bool:
        try:
            was: bool = await self.client.call("Link1.Disconnect", self.conn, urgent=True,
                                               force=force, reason=reason)
        except (NotConnected, NotActive):
            was = False
        # Where others still use it there are no signals for us from now on.
        self.end(0x116, "it was disconnected from here")
        return was

    def end(self, status: int, message: str = "") -> None:
        """The link has ended, or our use of it."""
        if self.error is not None:
            return
        self._known("Mtu")
        because = message or str(from_status(status))
        self.error = Disconnected(f"connection {self.conn} to {self.address} has ended: {because}",
                                  status)
        self._finish(self.error)
        self._ended.set_result(self.error)
        self.adapter.forget(self)

    def gone(self, error: Error) -> None:
        """The daemon has gone, and the link with it."""
        if self.error is None:
            self.error = Disconnected(f"connection {self.conn} is void: {error.message}")
            self._finish(error)
            self._ended.set_result(self.error)

    def _finish(self, error: Error) -> None:
        self.unask()
        ends, self._ends = self._ends, []
        for end in ends:
            end(error)

    def on_end(self, stream: Stream[Any]) -> None:
        """Ends a stream with this link."""
        if self.error is not None:
            stream.end(self.error)
            return
        stream_of = weakref.ref(stream)  # one that is forgotten goes

        def end(error: Error) -> None:
            ended = stream_of()
            if ended is not None:
                ended.end(error)

        def off() -> None:
            if end in self._ends:
                self._ends.remove(end)
        self._ends.append(end)
        stream.on_forget(off)

    async def why_ended(self, otherwise: Error) -> Error:
        """Why a socket of this link has ended; `otherwise` where the link is up."""
        try:
            await self.client.ping()  # the signals of an end have been dispatched then
        except Error as e:
            return e
        if self.error is not None:
            return Disconnected(self.error.message, self.error.status)
        return otherwise

    async def __aenter__(self) -> "Link":
        return self

    async def __aexit__(self, *_: Any) -> None:
        if self.client.gone is None:
            try:
                await self.disconnect()
            except Error:
                pass  # gone meanwhile

    # The peer's GATT server

    async def services(self, uuid: Optional[Uuid] = None) -> List[RemoteService]:
        found = await self.client.call("GattClient1.DiscoverServices", self.conn,
                                       "" if uuid is None else spelled(uuid))
        return [RemoteService(self, start, end, at) for start, end, at in found]

    async def service(self, uuid: Uuid) -> RemoteService:
        for found in await self.services(uuid):
            return found
        raise NotFound(f"{self.address} has no service {spelled(uuid)}")

    async def characteristic(self, uuid: Uuid) -> RemoteCharacteristic:
        """The first characteristic of this type, in whichever service."""
        return await RemoteService(self, 1, 0xffff, "").characteristic(uuid)

    async def attributes(self, start: int = 1, end: int = 0xffff) -> List[RemoteDescriptor]:
        """All attributes from start to end."""
        found = await self.client.call("GattClient1.DiscoverDescriptors", self.conn, start, end)
        return [RemoteDescriptor(self, handle, at) for handle, at in found]

    async def read(self, handle: int, offset: Optional[int] = None,
                   long: Optional[bool] = None) -> bytes:
        value: bytes = await self.client.call("GattClient1.Read", self.conn, handle, offset=offset,
                                              long=long)
        return value

    async def read_by_uuid(self, uuid: Uuid, start: int = 1,
                           end: int = 0xffff) -> List[Tuple[int, bytes]]:
        values: List[Tuple[int, bytes]] = await self.client.call(
            "GattClient1.ReadByUuid", self.conn, start, end, spelled(uuid))
        return values

    async def read_multiple(self, handles: Sequence[int]) -> List[bytes]:
        values: List[bytes] = await self.client.call("GattClient1.ReadMultiple", self.conn, handles)
        return values

    async def write(self, handle: int, value: bytes, response: Union[bool, str] = True,
                    offset: Optional[int] = None) -> None:
        await self.client.call("GattClient1.Write", self.conn, handle, value, write_mode(response),
                               offset=offset)

    async def exchange_mtu(self, mtu: Optional[int] = None) -> int:
        """Offers an MTU (Adapter.mtu), and returns the one in force."""
        now: int = await self.client.call("GattClient1.ExchangeMtu", self.conn, mtu=mtu)
        self.note(Mtu=now)
        return now

    def services_changed(self) -> Stream[Tuple[int, int]]:
        """Handles (start, end) of what the peer has changed, each time."""
        stream: Stream[Tuple[int, int]] = Stream()
        stream.hear(self.client, {"GattClient1.ServicesChanged": lambda s: (
            s.args[1], s.args[2]) if s.args[0] == self.conn else None})
        self.on_end(stream)
        return stream

    # The link itself

    async def update_parameters(
            self, *, min_conn_interval_us: Optional[int] = None,
            max_conn_interval_us: Optional[int] = None, latency: Optional[int] = None,
            supervision_timeout_ms: Optional[int] = None) -> Tuple[float, int, int]:
        """(interval in ms, latency, supervision timeout in ms), as they are in force then."""
        interval, late, timeout = await self.client.call(
            "Link1.UpdateParameters", self.conn, min_conn_interval_us=min_conn_interval_us,
            max_conn_interval_us=max_conn_interval_us, latency=latency,
            supervision_timeout_ms=supervision_timeout_ms)
        self.note(Interval=interval, Latency=late, SupervisionTimeout=timeout)
        return interval * 1.25, late, timeout * 10

    async def rssi(self) -> Optional[int]:
        """dBm, now."""
        power: int = await self.client.call("Link1.ReadRssi", self.conn)
        return None if power == 127 else power

    async def set_phy(self, tx: Optional[Sequence[str]] = None,
                      rx: Optional[Sequence[str]] = None) -> Tuple[str, str]:
        """Prefers PHYs (1m, 2m, coded); returns those in use then."""
        now_tx, now_rx = await self.client.call("Link1.SetPhy", self.conn, tx=tx, rx=rx)
        self.note(TxPhy=now_tx, RxPhy=now_rx)
        return now_tx, now_rx

    async def set_data_length(self, octets: int) -> None:
        await self.client.call("Link1.SetDataLength", self.conn, octets)

    async def stats(self) -> Dict[str, int]:
        counters: Dict[str, int] = await self.client.call("Link1.Stats", self.conn)
        return counters

    # Channels

    async def open_channel(self, psm: int, mtu: int = 512, *, security: Optional[int] = None,
                           enhanced: Optional[bool] = None, socket: bool = True) -> Channel:
        """Opens a channel: `async with await link.open_channel(0x80) as channel`. socket=False:
        one of calls and signals."""
        channels = await open_channels(self, psm, mtu, socket,
                                       {"security": security, "enhanced": enhanced})
        return channels[0]

    async def open_channels(self, psm: int, mtu: int = 512, *, count: int,
                            security: Optional[int] = None, socket: bool = True) -> List[Channel]:
        """Opens up to five at once, in the enhanced mode; those that the peer has taken."""
        return await open_channels(self, psm, mtu, socket, {
            "security": security, "enhanced": True, "channels": count})

    # Pairing

    async def pair(self, *, bond: Optional[bool] = None, mitm: Optional[bool] = None,
                   le_secure: Optional[bool] = None, io: Optional[int] = None,
                   passkey: Optional[int] = None, security: Optional[int] = None,
                   enter: Optional[Callable[[], Any]] = None,
                   show: Optional[Callable[[int], Any]] = None,
                   compare: Optional[Callable[[int], Any]] = None,
                   keypress: Optional[Callable[[int], Any]] = None) -> Security:
        """Encrypts the link, with the stored key or by pairing. Functions as in Person; without
        them those of Adapter.attend or Adapter.person."""
        before, self.person = self.person, Person(enter, show, compare, keypress)
        self._drawn = passkey is not None
        try:
            result = Security(*await self.client.call(
                "Pairing1.Pair", self.conn, bond=bond, mitm=mitm, le_secure=le_secure, io=io,
                passkey=passkey, security=security))
        finally:
            self.person, self._drawn = before, False
            self.unask()
        self.note(Encrypted=result.encrypted, Authenticated=result.authenticated,
                  Bonded=result.bonded, KeySize=result.key_size)
        return result

    _drawn = False

    async def keypress(self, kind: int) -> None:
        """How far the entry of a number is here: 0 started, 1 digit, 2 erased, 3 cleared, 4 done."""
        await self.client.call("Pairing1.Keypress", self.conn, kind)

    def ask(self, action: int, number: int, person: Person) -> None:
        """Somebody is to act."""
        self._asked = [task for task in self._asked if not task.done()]
        self._asked.append(self.adapter.spawn(self._ask(action, number, person)))

    def unask(self) -> None:
        asked, self._asked = self._asked, []
        for task in asked:
            task.cancel()

    async def _ask(self, action: int, number: int, person: Person) -> None:
        if action == DISPLAY:
            drawn = number != 0 or self._drawn or self.adapter.draws
            if not drawn and not person.show:
                return  # a number that nobody sees is no use
            if not drawn:
                number = secrets.randbelow(1000000)
                await self._answer(action, number)
            if person.show:
                await _result(person.show(number))
        elif action == INPUT and person.enter:
            entered = await _result(person.enter())
            if entered is not None:
                await self._answer(action, int(entered))
        elif action == COMPARE:
            # Nobody to ask is no.
            same = person.compare is not None and await _result(person.compare(number))
            await self._answer(action, 1 if same else 0)

    async def _answer(self, action: int, number: int) -> None:
        try:
            await self.client.call("Pairing1.Passkey", self.conn, action, number, urgent=True)
        except (NotFound, NotConnected):
            pass  # too late: who waits for the pairing is told


__all__ = ["Link", "Person"]
