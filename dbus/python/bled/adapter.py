# SPDX-License-Identifier: MIT
"""The adapter: what everything begins with."""
from __future__ import annotations

import asyncio
import inspect
import os
import weakref
from typing import (IO, Any, Callable, Coroutine, Dict, Generic, List, Optional, Sequence, Set,
                    Tuple, TypeVar, Union, overload)

from . import l2cap, server
from .contract import PROPERTIES
from .core import Client, Signal, adapter_path, quietly, settle
from .errors import Closed, Error, NotFound
from .advertising import Advertising
from .capture import Capture
from .connecting import Always, Connecting
from .link import Link, Person
from .l2cap import Channel, Listener
from .scan import Scan
from .secretstore import SecretStore
from .server import LocalAttribute, Serving, Worker
from .stream import Stream
from .types import Advertiser, Bond, Oob, Peer, Uuid, peer, uuid as spelled

T = TypeVar("T")
DETACH_S = 15  # the daemon sends what was written to sockets before, which may take it 5 s
ATTEMPT_ENDED = 0xffff


class _Property(Generic[T]):
    """A property of Adapter1 or Manager1, as it was last told of."""

    def __init__(self, name: str, where: str = "Adapter1") -> None:
        self.name, self._where = name, where

    @overload
    def __get__(self, instance: None, owner: type) -> "_Property[T]": ...

    @overload
    def __get__(self, instance: "Adapter", owner: type) -> T: ...

    def __get__(self, instance: Optional["Adapter"], owner: type) -> Union["_Property[T]", T]:
        if instance is None:
            return self
        path = instance.client.path if self._where == "Adapter1" else "/org/bled"
        value: T = instance.client.known(path, self._where)[self.name]
        return value


class Adapter:
    """One controller, attached to as long as the block runs: `async with bled.Adapter() as ble`.

    name: hci0, ...; None is the daemon's first. bus: "system", "session", or an address. With
    active=False it is not held active. What is made here is this object's own, ends with the block
    (by exception and cancellation too), and is out of reach for others. Each Adapter is a client of
    its own, on its own connection to the bus.
    """

    active = _Property[bool]("Active")
    mac = _Property[Tuple[int, str]]("Mac")
    identity = _Property[Tuple[int, str]]("Identity")
    transport = _Property[str]("Transport")
    manufacturer = _Property[str]("Manufacturer")
    manufacturer_id = _Property[int]("ManufacturerId")
    hci_version = _Property[int]("HciVersion")
    features = _Property[List[str]]("Features")
    addr_mode = _Property[int]("AddrMode")
    gap_name = _Property[str]("GapName")
    appearance = _Property[int]("Appearance")
    rx_buf = _Property[int]("RxBuf")
    mtu = _Property[int]("Mtu")
    bond = _Property[bool]("Bond")
    mitm = _Property[bool]("Mitm")
    io = _Property[int]("Io")
    le_secure = _Property[bool]("LeSecure")
    pairable = _Property[bool]("Pairable")
    pairable_timeout = _Property[int]("PairableTimeout")
    version = _Property[str]("Version", "Manager1")
    adapters = _Property[List[str]]("Adapters", "Manager1")
    default_adapter = _Property[str]("DefaultAdapter", "Manager1")

    def __init__(self, name: Optional[str] = None, bus: Optional[str] = None,
                 bus_name: str = "org.bled", *, active: bool = True) -> None:
        self._name, self._bus, self._bus_name, self._hold = name, bus, bus_name, active
        self._client: Optional[Client] = None
        self._links: Dict[int, Link] = {}
        self._scan: Optional["weakref.ref[Scan]"] = None
        #: From a scan's start until its ScanDone, whoever waits for it.
        self.scan_running, self.scan_over = False, asyncio.Event()
        self._sets: Set[int] = set()
        self._incoming: List["weakref.ref[Stream[Link]]"] = []
        self._workers: Dict[int, Worker] = {}
        self._tasks: Set["asyncio.Task[Any]"] = set()
        self._secrets: Optional[Stream[Signal]] = None
        #: Values of services that are being served, by handle.
        self.attributes: Dict[int, LocalAttribute] = {}
        #: Channels by connection and CID, and those that a peer opens and that are not open yet.
        self.channels: Dict[Tuple[int, int], Channel] = {}
        self.accepted: Set[Tuple[int, int]] = set()
        #: Who is asked on links that have nobody of their own (Link.pair).
        self.person = Person()
        self.draws = False

    @property
    def client(self) -> Client:
        """The low-level client: calls and signals of the contract by name (bled.core)."""
        if self._client is None:
            raise Closed("this Adapter is not open: async with bled.Adapter() as ble")
        return self._client

    @property
    def name(self) -> str:
        return self.client.path.rsplit("/", 1)[1]

    def __repr__(self) -> str:
        return f"<Adapter {self.name if self._client else self._name} of {self._bus_name}>"

    async def __aenter__(self) -> "Adapter":
        await self.open()
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.close()

    async def open(self) -> None:
        """Attaches; in place of `async with`."""
        if self._client is not None:
            raise RuntimeError("an Adapter is opened once: make another")
        client = await Client.open(self._bus, self._bus_name)
        try:
            manager = client.known("/org/bled", "Manager1")
            client.path = adapter_path(self._name, manager["Adapters"]) if self._name else \
                manager["DefaultAdapter"]
            if client.path == "/":
                raise NotFound("the daemon has no adapter")
            self._client = client
            self._listen()
            await client.call("Adapter1.Attach", active=self._hold)
            client.attached = True
        except BaseException:
            self._cancel_tasks()
            client.close()  # the daemon ends what there was
            raise

    async def close(self) -> None:
        """Ends all that was made here, and detaches."""
        if self._client is not None and not self._client.bus.lost:
            await settle(self._close(self._client))

    async def _close(self, client: Client) -> None:
        if client.gone is None:
            await quietly(client.call("Adapter1.Detach", urgent=True), DETACH_S)
        current = asyncio.current_task()
        tasks = [t for t in self._cancel_tasks() if t is not current]
        client.close()
        if tasks:
            await asyncio.wait(tasks, timeout=1)

    def _cancel_tasks(self) -> List["asyncio.Task[Any]"]:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        return tasks

    def spawn(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """A task of this Adapter, which ends with it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)

        def done(task: "asyncio.Task[Any]") -> None:
            self._tasks.discard(task)
            if not task.cancelled() and task.exception():
                self.report(task.exception())
        task.add_done_callback(done)
        return task

    def report(self, error: Optional[BaseException]) -> None:
        """Something failed that nobody awaits."""
        if error is not None and not (isinstance(error, Error) and self.client.gone):
            asyncio.get_running_loop().call_exception_handler(
                {"message": "bled: a handler failed", "exception": error})

    # Properties and the daemon

    @staticmethod
    def _property_name(name: str) -> str:
        found = getattr(Adapter, name, None)
        if not isinstance(found, _Property) or f"Adapter1.{found.name}" not in PROPERTIES:
            raise AttributeError(f"the adapter has no property {name}")
        return found.name

    async def get(self, name: str) -> Any:
        """A property as the daemon has it: await ble.get("mtu"). As it was last told: ble.mtu."""
        member = self._property_name(name)
        value = await self.client.get(f"Adapter1.{member}")
        self.client.known(self.client.path, "Adapter1")[member] = value
        return value

    async def set(self, **properties: Any) -> None:
        """await ble.set(gap_name="Küche", mtu=185)"""
        for name, value in properties.items():
            await self.client.set(f"Adapter1.{self._property_name(name)}", value)
            await self.get(name)

    async def set_active(self, active: bool, *, force: Optional[bool] = None) -> None:
        await self.client.call("Adapter1.SetActive", active, force=force)

    async def reset(self, *, force: Optional[bool] = None) -> None:
        await self.client.call("Adapter1.Reset", force=force)

    async def stats(self) -> Dict[str, int]:
        counters: Dict[str, int] = await self.client.call("Adapter1.Stats")
        return counters

    async def clients(self) -> List[Tuple[str, int, Dict[str, Any]]]:
        """Who is attached: bus name, process, what it holds."""
        found: List[Tuple[str, int, Dict[str, Any]]] = await self.client.call("Manager1.Clients",
                                                                              path="/org/bled")
        return found

    async def hci_command(self, ogf: int, ocf: int, parameters: bytes = b"") -> Tuple[int, bytes]:
        """(status, return parameters). For root, where the daemon's configuration allows it."""
        status, returned = await self.client.call("Adapter1.HciCommand", ogf, ocf, parameters)
        return status, returned

    def capture(self, file: Union[str, "os.PathLike[str]", IO[bytes], int], *,
                keys: Optional[bool] = None, snaplen: Optional[int] = None) -> "Capture":
        """`async with ble.capture("trace.btsnoop")`: all packets of the controller into a file."""
        return Capture(self, file, keys, snaplen)

    async def log_level(self, level: Optional[str] = None) -> str:
        """The daemon's log level, set before that where one is given."""
        return await self._log("LogLevel", level)

    async def log_target(self, target: Optional[str] = None) -> str:
        return await self._log("LogTarget", target)

    async def syslog_identifier(self) -> str:
        return await self._log("SyslogIdentifier", None)

    async def _log(self, name: str, value: Optional[str]) -> str:
        full = f"org.freedesktop.LogControl1.{name}"
        if value is not None:
            await self.client.set(full, value)
        return str(await self.client.get(full))

    def signals(self, *names: str) -> Stream[Signal]:
        """Signals of the contract as they come: ble.signals("Pairing1.BondAdded")."""
        stream: Stream[Signal] = Stream()
        mine = self.client.path
        stream.hear(self.client, {name: lambda s: s if (s.path + "/").startswith(mine + "/")
                                  else None for name in names})
        return stream

    # Observer and broadcaster

    def scan(self, duration: Optional[float] = None, *, stream: bool = True,
             interval_us: Optional[int] = None, window_us: Optional[int] = None,
             active: Optional[bool] = None, filter_duplicates: Optional[bool] = None,
             phys: Optional[Sequence[str]] = None, addr_mode: Optional[int] = None,
             services: Optional[Sequence[Uuid]] = None, name_prefix: Optional[str] = None,
             addresses: Optional[Sequence[Peer]] = None,
             manufacturers: Optional[Sequence[int]] = None, rssi_min: Optional[int] = None,
             batch_ms: Optional[int] = None) -> Scan:
        """`async for report in ble.scan(5.0, services=["180d"])`; duration in s, None: until the
        loop ends. One scan of an Adapter at a time. It listens half of the time unless told
        otherwise. stream=False takes the daemon's signals (batch_ms: so often) in place of its
        stream."""
        options = self._scan_options(
            interval_us, window_us, active=active, filter_duplicates=filter_duplicates, phys=phys,
            addr_mode=addr_mode, services=services, name_prefix=name_prefix, addresses=addresses,
            manufacturers=manufacturers, rssi_min=rssi_min)
        if batch_ms is not None:
            stream, options["batch_ms"] = False, batch_ms
        self.client
        return Scan(self, _ms(duration), stream, options)

    @staticmethod
    def _scan_options(interval_us: Optional[int], window_us: Optional[int],
                      **options: Any) -> Dict[str, Any]:
        if interval_us is None and window_us is None:
            interval_us, window_us = 60000, 30000
        if options["services"] is not None:
            options["services"] = [spelled(u) for u in options["services"]]
        if options["addresses"] is not None:
            options["addresses"] = [peer(a) for a in options["addresses"]]
        return {"interval_us": interval_us, "window_us": window_us, **options}

    async def discover(self, duration: float = 5.0, *, interval_us: Optional[int] = None,
                       window_us: Optional[int] = None, active: bool = True,
                       phys: Optional[Sequence[str]] = None, addr_mode: Optional[int] = None,
                       services: Optional[Sequence[Uuid]] = None,
                       name_prefix: Optional[str] = None,
                       addresses: Optional[Sequence[Peer]] = None,
                       manufacturers: Optional[Sequence[int]] = None,
                       rssi_min: Optional[int] = None,
                       limit: Optional[int] = None) -> List[Advertiser]:
        """Who is there: one entry an advertiser. Any number at a time, beside a scan too."""
        options = self._scan_options(
            interval_us, window_us, active=active, phys=phys, addr_mode=addr_mode,
            services=services, name_prefix=name_prefix, addresses=addresses,
            manufacturers=manufacturers, rssi_min=rssi_min)
        found = await self.client.call("Observer1.Discover", _ms(duration), limit=limit, **options)
        known = Advertiser.__dataclass_fields__
        return [Advertiser(addr, kind, connectable, None if rssi == 127 else rssi,
                           **{k: v for k, v in fields.items() if k in known})
                for kind, addr, connectable, rssi, fields in found]

    def advertise(self, *, interval_ms: float = 100, name: Optional[str] = None,
                  services: Optional[Sequence[Uuid]] = None, appearance: Optional[int] = None,
                  manufacturer_data: Optional[Dict[int, bytes]] = None,
                  service_data: Optional[Dict[str, bytes]] = None,
                  tx_power: Optional[bool] = None, adv_data: Optional[bytes] = None,
                  resp_data: Optional[bytes] = None, connectable: Optional[bool] = None,
                  scannable: Optional[bool] = None, extended: Optional[bool] = None,
                  primary_phy: Optional[str] = None, secondary_phy: Optional[str] = None,
                  sid: Optional[int] = None, directed: Optional[Peer] = None,
                  duration: Optional[float] = None, resume: Optional[bool] = None,
                  addr_mode: Optional[int] = None, set: Optional[int] = None) -> "Advertising":
        """`async with ble.advertise(name="x", services=["180d"]) as adv: async for link in adv`.

        A connection ends it, unless resume is true: then it starts again after the connection."""
        fields = {"name": name, "appearance": appearance, "manufacturer_data": manufacturer_data,
                  "services": None if services is None else [spelled(u) for u in services],
                  "service_data": None if service_data is None else
                  {spelled(u): v for u, v in service_data.items()}, "tx_power": tx_power}
        if directed is None and adv_data is None and resp_data is None and \
                all(v is None for v in fields.values()):
            adv_data = resp_data = b""  # not what an earlier one has left
        return Advertising(self, round(interval_ms * 1000), {
            **fields, "adv_data": adv_data, "resp_data": resp_data, "connectable": connectable,
            "scannable": scannable, "extended": extended, "primary_phy": primary_phy,
            "secondary_phy": secondary_phy, "sid": sid, "resume": resume, "addr_mode": addr_mode,
            "directed": None if directed is None else peer(directed),
            "duration_ms": None if duration is None else _ms(duration)}, set)

    # Connections

    def connect(self, who: Peer, address_type: Optional[int] = None, *, timeout: float = 2.0,
                min_conn_interval_us: Optional[int] = None,
                max_conn_interval_us: Optional[int] = None, latency: Optional[int] = None,
                supervision_timeout_ms: Optional[int] = None,
                phys: Optional[Sequence[str]] = None,
                addr_mode: Optional[int] = None) -> Connecting:
        """`async with ble.connect(report) as link`, or with an address and its type (0 public, 1
        random). timeout: how long the peer is looked for, s. Without `async with` the link stays
        until its disconnect() or the end of the Adapter."""
        kind, address = peer(who, address_type)
        options = {"scan_duration_ms": _ms(timeout), "min_conn_interval_us": min_conn_interval_us,
                   "max_conn_interval_us": max_conn_interval_us, "latency": latency,
                   "supervision_timeout_ms": supervision_timeout_ms, "phys": phys,
                   "addr_mode": addr_mode}
        return Connecting(lambda: self._connect(kind, address, options))

    async def _connect(self, kind: int, address: str, options: Dict[str, Any]) -> Link:
        made: List[Link] = []

        def connected(body: Any) -> None:
            made.append(self._use(body[0], kind, address))

        async def undo(_: Any) -> None:
            for link in made:
                await link.disconnect()
        await self.client.claim("Central1.Connect", kind, address, undo=undo, then=connected,
                                cancel=lambda: self.cancel_connect((kind, address)), **options)
        return made[0]

    def connect_always(self, who: Peer, address_type: Optional[int] = None,
                       **options: Any) -> "Always":
        """`async with ble.connect_always(address) as links: async for link in links`: connects
        whenever the peer is there, again after each disconnection."""
        kind, address = peer(who, address_type)
        return Always(self, kind, address, options)

    async def cancel_connect(self, who: Optional[Peer] = None) -> None:
        """Ends our attempt for this peer, or all of ours."""
        kind, address = peer(who) if who is not None else (0, "")
        await self.client.call("Central1.CancelConnect", kind, address, urgent=True)

    def incoming(self) -> Stream[Link]:
        """`async for link in ble.incoming()`: connections of others to us, from this call on."""
        stream: Stream[Link] = Stream()
        self._incoming = [ref for ref in self._incoming if ref() is not None]
        self._incoming.append(weakref.ref(stream))
        stream.hear(self.client, {})  # its end
        return stream

    @property
    def links(self) -> List[Link]:
        """The connections that we use."""
        return [link for link in self._links.values() if link.uses > 0]

    def link(self, conn: int) -> Link:
        """The link of a number; one that has gone, or is another's, is an object all the same."""
        link = self._links.get(conn)
        if link is not None:
            return link
        at = self.client.known(f"{self.client.path}/conn{conn:04x}", "Connection1")
        link = Link(self, conn, at.get("PeerAddressType", 0), at.get("PeerAddress", ""))
        if at:
            self._links[conn] = link
        else:
            link.end(0x403)
        return link

    def _use(self, conn: int, kind: int, address: str) -> Link:
        link = self._links.get(conn)
        if link is None:
            link = self.link(conn)
        link.address = link.address or address
        link.uses += 1
        return link

    def forget(self, link: Link) -> None:
        if self._links.get(link.conn) is link:
            del self._links[link.conn]
        worker = self._workers.pop(link.conn, None)
        if worker:
            worker.end()

    def worker(self, conn: int) -> Worker:
        if conn not in self._workers:
            self._workers[conn] = Worker(self, conn)
        return self._workers[conn]

    def _listen(self) -> None:
        client = self.client

        def on(name: str, handler: Callable[..., None]) -> None:
            # Another adapter's signals carry another path.
            client.on(name, lambda s: handler(s, *s.args)
                      if s.path == client.path else None)
        on("Peripheral1.CentralConnected", self._came)
        on("Central1.PeripheralConnected", lambda s, conn, kind, addr: self._known_link(conn))
        on("Link1.Disconnected", self._ended)
        on("Peripheral1.CentralDisconnected", lambda s, conn, *_: self._ended(s, conn, 0x403))
        on("Central1.PeripheralDisconnected", lambda s, conn, *_: self._ended(s, conn, 0x403))
        client.on("Observer1.ScanDone", self._scan_done)
        on("Pairing1.PasskeyAction", self._passkey)
        on("Pairing1.KeypressReceived", self._keypress)
        on("Pairing1.EncryptionUpdated", self._encrypted)
        on("Pairing1.PairingFailed", lambda s, conn, status: self._unask(conn))
        on("GattClient1.MtuExchanged", lambda s, conn, mtu: self._note(conn, Mtu=mtu))
        on("Link1.ConnectionUpdated", lambda s, conn, interval, latency, timeout, status: self._note(
            conn, Interval=interval, Latency=latency, SupervisionTimeout=timeout))
        client.on("org.freedesktop.DBus.ObjectManager.InterfacesRemoved", self._removed)
        server.route(self)
        l2cap.route(self)
        client.on_end(self._gone)

    def _known_link(self, conn: int) -> None:
        self.link(conn)

    def _came(self, signal: Signal, conn: int, kind: int, address: str) -> None:
        link = self.link(conn)
        if signal.broadcast:
            return  # the daemon's own
        link.uses += 1
        self._incoming = [ref for ref in self._incoming if ref() is not None]
        for ref in self._incoming:
            stream = ref()
            if stream is not None:
                stream.put(link)

    def _ended(self, signal: Signal, conn: int, status: int) -> None:
        link = self._links.get(conn)
        if link is not None:
            link.end(status)

    def _removed(self, signal: Signal) -> None:
        """The end of a connection that we do not use, but that our services have seen."""
        prefix, _, number = signal.args[0].rpartition("/conn")
        if prefix == self.client.path:
            self._ended(signal, int(number, 16), 0x403)

    def _note(self, conn: int, **properties: Any) -> None:
        if conn in self._links:
            self._links[conn].note(**properties)

    def _encrypted(self, signal: Signal, conn: int, encrypted: bool, authenticated: bool,
                   bonded: bool, key_size: int) -> None:
        self._note(conn, Encrypted=encrypted, Authenticated=authenticated, Bonded=bonded,
                   KeySize=key_size)
        self._unask(conn)

    def _unask(self, conn: int) -> None:
        if conn in self._links:
            self._links[conn].unask()

    def _scan_done(self, signal: Signal) -> None:
        if not signal.broadcast:  # not one of the daemon's own
            self.scan_running = False
            self.scan_over.set()

    def _gone(self, error: Error) -> None:
        self.scan_over.set()
        for link in list(self._links.values()):
            link.gone(error)
        self._links.clear()

    # Servers

    def serve(self, *services: Any, handle: Optional[int] = None,
              includes: Sequence[Any] = ()) -> Serving:
        """`async with ble.serve(HeartRate(), ...) as serving`: instances of classes with
        @bled.service. includes: services that are served already. handle: where to begin."""
        return Serving(self, services, handle, includes)

    async def register_services(self, services: Sequence[Any], **options: Any) -> List[List[int]]:
        """GattServer1.RegisterServices as it is: [(uuid, [(uuid, flags, [(uuid, flags)])])]; the
        handles of the values, for signals() and client.call()."""
        fitted = [(spelled(u), [(spelled(c[0]), c[1], [(spelled(d[0]), d[1]) for d in
                                                       (c[2] if len(c) > 2 else [])])
                                for c in chars]) for u, chars in services]
        handles: List[List[int]] = await self.client.call("GattServer1.RegisterServices", fitted,
                                                          **options)
        return handles

    # Channels

    def listen(self, psm: int, mtu: int = 512, *, security: Optional[int] = None,
               authorize: Optional[Callable[[Link, int, int], Any]] = None,
               socket: bool = True) -> Listener:
        """`async with ble.listen(0x80) as listener: async for channel in listener`. mtu: the most
        octets of an SDU that we take. authorize(link, psm, peer_mtu), async or not: False or an
        L2capError refuses. socket=False: channels of calls and signals."""
        self.client
        return Listener(self, psm, mtu, security, authorize, socket)

    # Pairing and bonds

    async def attend(self, enter: Optional[Callable[[], Any]] = None,
                     show: Optional[Callable[[int], Any]] = None,
                     compare: Optional[Callable[[int], Any]] = None,
                     keypress: Optional[Callable[[int], Any]] = None, *,
                     draw: Optional[bool] = None) -> None:
        """Is the person for all connections that have nobody else, until the Adapter is closed.
        Functions as in Person; `ble.person = Person(...)` is for our own connections alone."""
        before, self.person = self.person, Person(enter, show, compare, keypress)
        try:
            await self.client.call("Pairing1.Attend", draw=draw)
        except BaseException:
            self.person = before
            raise
        self.draws = bool(draw)

    def _passkey(self, signal: Signal, conn: int, action: int, number: int) -> None:
        link = self.link(conn)
        link.ask(action, number, link.person or self.person)

    def _keypress(self, signal: Signal, conn: int, kind: int) -> None:
        link = self.link(conn)
        person = link.person or self.person
        if person.keypress:
            self.spawn(_finished(person.keypress(kind)))

    async def bonds(self) -> List[Bond]:
        return [Bond(address, kind, info)
                for kind, address, info in await self.client.call("Pairing1.ListBonds")]

    async def delete_bond(self, who: Peer, address_type: Optional[int] = None) -> None:
        await self.client.call("Pairing1.DeleteBond", *peer(who, address_type))

    async def oob(self) -> Oob:
        """Our out-of-band data for the next pairing, to be told to one peer by other means."""
        data = await self.client.call("Pairing1.GetOob")
        return Oob(data["r"], data["c"], data["addr"], data["addr_type"])

    async def set_oob(self, who: Peer, data: Optional[Oob] = None) -> None:
        """What a peer has told by other means, for the next pairing with it; None: forgotten."""
        data = data or Oob()
        await self.client.call("Pairing1.SetOob", *peer(who), tk=data.tk or None, r=data.r or None,
                               c=data.c or None)

    async def provide_secrets(self, store: Any = None) -> SecretStore:
        """Is the store of bonds in place of the daemon's own, until the Adapter is closed. store: a
        mapping of (type, key) to value, or an object with the methods of SecretStore."""
        if not hasattr(store, "load"):
            store = SecretStore(store)
        requests: Stream[Signal] = self.signals("Pairing1.SecretRequested", "Pairing1.SecretStored")
        try:
            await self.client.call("Pairing1.ProvideSecrets")
        except BaseException:
            requests.close()
            raise
        if self._secrets is not None:
            self._secrets.close()  # this store takes the place of the one before
        self._secrets = requests
        self.spawn(self._keep_secrets(store, requests))
        kept: SecretStore = store
        return kept

    async def _keep_secrets(self, store: Any, requests: Stream[Signal]) -> None:
        try:
            async for signal in requests:
                await self._secret(store, signal)
        except Error:
            pass  # the daemon has gone

    async def _secret(self, store: Any, signal: Signal) -> None:
        request, value, ok = signal.args[0], None, False
        try:
            if signal.member == "SecretRequested":
                _, kind, index, has_key, key = signal.args
                value = await _finished(store.load(kind, index, key if has_key else None))
                ok = value is not None
            else:
                _, kind, key, has_value, octets = signal.args
                ok = await _finished(store.store(kind, key, octets if has_value else None)) is not False
            await self.client.call("Pairing1.Reply", request, ok, value or b"", urgent=True)
        except Error:
            pass  # too late, or no value of bled's: the daemon goes on without it
        except Exception as e:  # noqa: B902
            self.report(e)
            await quietly(self.client.call("Pairing1.Reply", request, False, b"", urgent=True))


def _ms(seconds: Optional[float]) -> int:
    return 0 if seconds is None else max(1, round(seconds * 1000))


async def _finished(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result


__all__ = ["Adapter"]
