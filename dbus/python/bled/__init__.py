# SPDX-License-Identifier: MIT
"""Bluetooth Low Energy in asyncio, through the daemon bled.

    import asyncio, bled

    async def main():
        async with bled.Adapter() as ble:                       # the daemon's first controller
            async for report in ble.scan(5, services=["180d"]):
                break
            else:
                raise SystemExit("nobody is there")
            async with ble.connect(report) as link:
                rate = await link.characteristic("2a37")
                async with rate.notifications() as values:
                    async for value in values:
                        print(value.hex(" "))

    asyncio.run(main())

**Blocks own what they make.** A connection, a subscription, a service, an advertisement, a channel
ends with its `async with`, by exceptions and cancellation too; and all with the Adapter, which is
one client of the daemon (`Adapter1.Attach`). Timeouts are asyncio's (`asyncio.timeout`): a call that is
cancelled takes back what it had begun. Cancelling a read does not stop it on the air, but nobody
waits for it.

**Central.** `ble.scan(duration)` gives reports as they come, `await ble.discover(5)` one entry an
advertiser. `ble.connect(address, address_type)` takes an address and its type (0 public, 1 random) or
whatever has them: reports, links, bonds. On a link: `services()`, `service(uuid)`,
`characteristic(uuid)`; on a characteristic: `read()`, `write(value, response=True)`, `notifications()`,
`writer()` for many writes. `await link.disconnected` is why it ended. `ble.connect_always` connects
again and again.

**Peripheral.**

    @bled.service("180d")
    class HeartRate:
        measurement = bled.characteristic("2a37", notify=True)
        control = bled.characteristic("2a39", write=True)

        @control.on_write
        async def reset(self, link, value):
            if value != b"\\x01":
                raise bled.AttError.Application80

    heart = HeartRate()
    async with ble.serve(heart), ble.advertise(name="Größe", services=["180d"], resume=True) as adv:
        async for link in adv:
            await heart.measurement.notify(b"\\x00\\x48")    # to all who have subscribed

Handlers: on_read, on_write (before it is stored), on_written (after), on_subscribe; they may be
async. `heart.measurement.notifier(link)` is the fast way for many values to one peer.

**Pairing.** `await link.pair(enter=..., show=..., compare=...)`: functions, async or not, that stand
for a person (bled.Person); `ble.attend(...)` for pairings that nobody here asked for. `ble.bonds()`,
`ble.oob()`, `ble.provide_secrets(store)`.

**Channels.** `async with ble.listen(0x80) as listener: async for channel in listener`, `channel = await
link.open_channel(0x80)`; `send(sdu)`, `recv()`, `async for sdu in channel`, `reader, writer =
channel.streams()`.

**Errors.** One class for each name of the bus, all of them bled.Error, with `status`: bled.Busy,
bled.Timeout (a TimeoutError), bled.Disconnected (a ConnectionError), bled.AttError.ReadNotPermitted,
... When the daemon leaves the bus all fails with bled.DaemonGone: make another Adapter then.

**Never lost, never in the way.** A reader that is slow has its values held by the daemon
(`Adapter.rx_buf`), or, where they come as signals, here; what is too much for that ends the
iterator with bled.Overflow, after all that came before. Senders wait. The event loop never does.

**Everything else.** Properties are attributes, as they were last told of (`ble.mtu`, `link.mtu`),
`await ble.get("mtu")` asks, `await ble.set(mtu=185)` sets. `ble.signals(...)` has every signal of the
contract, `ble.client.call("Link1.ReadRssi", conn)` every method (bled.core), bled.contract the tables.

On jeepney 0.8, as it counts UTF-8 right, parses a message in 25 us (dbus-next: 39) and its codec needs
no I/O; its own I/O (no descriptors; drops signals where a queue is full) is replaced by bled.bus.
"""
from . import errors as _errors
from .adapter import Adapter
from .advertising import Advertising
from .capture import Capture
from .connecting import Always, Connecting
from .core import Signal
from .errors import (AccessDenied, AlreadyConnected, AttError, BusGone, Busy, Canceled, Closed,
                     DaemonGone, DBusError, Disconnected, Error, HciError, InvalidArgs, L2capError,
                     NoMemory, NoResources, NotActive, NotConnected, NotFound, NotReady,
                     NotSupported, Overflow, ProtocolViolation, SmpError, Timeout, UnknownMember)
from .l2cap import Channel, Listener
from .link import Link, Person
from .remote import (Notifications, RemoteCharacteristic, RemoteDescriptor, RemoteService, Writer)
from .scan import Scan
from .secretstore import SecretStore
from .server import (Characteristic, Descriptor, LocalAttribute, LocalCharacteristic, Serving,
                     Trigger, Writes, characteristic, descriptor, service, simple_service)
from .stream import Stream
from .types import (PUBLIC, RANDOM, AddrMode, Advertiser, AdvertisingData, Bond, Event, Flag, Io,
                    Oob, Report, Security, uuid)

from_status = _errors.from_status

__all__ = [
    "AccessDenied", "Adapter", "AddrMode", "Advertiser", "Advertising", "AdvertisingData",
    "AlreadyConnected", "Always", "AttError", "Bond", "BusGone", "Busy", "Canceled", "Capture",
    "Channel", "Characteristic", "Closed", "Connecting", "DBusError", "DaemonGone", "Descriptor",
    "Disconnected", "Error", "Event", "Flag", "HciError", "InvalidArgs", "Io", "L2capError", "Link",
    "Listener", "LocalAttribute", "LocalCharacteristic", "NoMemory", "NoResources", "NotActive",
    "NotConnected", "NotFound", "NotReady", "NotSupported", "Notifications", "Oob", "Overflow",
    "PUBLIC", "Person", "ProtocolViolation", "RANDOM", "RemoteCharacteristic", "RemoteDescriptor",
    "RemoteService", "Report", "Scan", "SecretStore", "Security", "Serving", "Signal", "SmpError",
    "Stream", "Timeout", "Trigger", "UnknownMember", "Writer", "Writes", "characteristic",
    "descriptor", "from_status", "service", "simple_service", "uuid"]
