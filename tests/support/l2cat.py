#!/usr/bin/env python3
"""Like cat, over an L2CAP channel: an example of a client of bled's sockets.

    l2cat.py listen PSM > file          takes one channel and writes what comes to standard output
    l2cat.py connect ADDR PSM < file    sends standard input through a channel to that peer

--bus=ADDRESS, --name=org.bled and --adapter=hci0 say which daemon; --mtu=N how long its SDUs may be;
--public that ADDR is a public address. Attached, so that all it has made ends with it.
"""
import argparse
import asyncio
import os
import socket
import sys

from dbus_next import BusType, Message, MessageType, Variant
from dbus_next.aio import MessageBus


class Adapter:
    """One adapter of bled, and the signals that come to us."""

    def __init__(self, bus, name, adapter):
        self.bus, self.name, self.path = bus, name, "/org/bled/" + adapter
        self.signals = asyncio.Queue()
        bus.add_message_handler(self.on_message)

    def on_message(self, message):
        if message.message_type == MessageType.SIGNAL:
            self.signals.put_nowait(message)

    async def call(self, interface, member, signature="", *args):
        """The reply's body, and its descriptors."""
        reply = await self.bus.call(Message(
            destination=self.name, path=self.path, interface="org.bled." + interface, member=member,
            signature=signature, body=list(args)))
        if reply.message_type == MessageType.ERROR:
            sys.exit(f"l2cat: {member}: {reply.error_name}: {reply.body[0] if reply.body else ''}")
        return reply.body, reply.unix_fds

    async def signal(self, member, *args):
        while True:
            s = await self.signals.get()
            if s.member == member and s.body[:len(args)] == list(args):
                return s.body

    async def acquire(self, conn, cid):
        _, fds = await self.call("L2cap1", "Acquire", "qqa{sv}", conn, cid, {})
        channel = socket.socket(fileno=fds[0])
        channel.setblocking(True)
        return channel


def send_all(channel, mtu):
    while data := sys.stdin.buffer.read(mtu):
        channel.send(data)  # one SDU; waits where the peer gives no credits
    channel.close()


def receive_all(channel, mtu):
    while data := channel.recv(mtu):  # no SDU of ours is empty: it is the end
        sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


async def listen(bled, args):
    await bled.call("L2cap1", "Listen", "qqa{sv}", args.psm, args.mtu, {})
    await bled.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {"name": Variant("s", "l2cat")})
    print("listening", file=sys.stderr, flush=True)
    conn, cid, _, our_mtu, _ = await bled.signal("Connected")
    channel = await bled.acquire(conn, cid)
    await asyncio.to_thread(receive_all, channel, our_mtu)


async def connect(bled, args):
    (conn,), _ = await bled.call("Central1", "Connect", "ysa{sv}", 0 if args.public else 1, args.addr,
                                 {"scan_duration_ms": Variant("u", 10000)})
    (cid, _, peer_mtu), _ = await bled.call("L2cap1", "Connect", "qqqa{sv}", conn, args.psm, args.mtu,
                                            {})
    channel = await bled.acquire(conn, cid)
    await asyncio.to_thread(send_all, channel, peer_mtu)
    await bled.signal("Disconnected", conn, cid)  # all has gone


async def run(args):
    kind = {} if args.bus else {"bus_type": BusType.SYSTEM}
    bus = await MessageBus(bus_address=args.bus, negotiate_unix_fd=True, **kind).connect()
    bled = Adapter(bus, args.name, args.adapter)
    await bled.call("Adapter1", "Attach", "a{sv}", {"active": Variant("b", True)})
    await args.what(bled, args)
    await bled.call("Adapter1", "Detach")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bus", default=os.environ.get("BLED_BUS"))
    parser.add_argument("--name", default="org.bled")
    parser.add_argument("--adapter", default="hci0")
    parser.add_argument("--mtu", type=int, default=8192)
    parser.add_argument("--public", action="store_true")
    ways = parser.add_subparsers(required=True)
    way = ways.add_parser("listen")
    way.set_defaults(what=listen)
    way.add_argument("psm", type=lambda s: int(s, 0))
    way = ways.add_parser("connect")
    way.set_defaults(what=connect)
    way.add_argument("addr")
    way.add_argument("psm", type=lambda s: int(s, 0))
    asyncio.run(run(parser.parse_args()))


main()
