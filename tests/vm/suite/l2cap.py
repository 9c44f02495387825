"""Connection-oriented channels: the kernel's sockets, bled's Acquire, and streams of SDUs through any two ends.

Python's own bind() and connect() know no LE addresses, so both are called by ctypes.
"""

import asyncio
import ctypes
import errno
import os
import random
import select
import socket
import struct

from bled import ROOT, Bled
from bus import options
from kernel import controllers

_LIBC = ctypes.CDLL(None, use_errno=True)
_LE_PUBLIC = 1
_SOL_BLUETOOTH = 274
_SECURITY, _SNDMTU, _RCVMTU, _MODE = 4, 12, 13, 15
_ATT_CID = 4
_SNDBUFFORCE, _RCVBUFFORCE, _ROOM, _LONG = 32, 33, 4 << 20, 10000

LE_FLOWCTL, EXT_FLOWCTL = 3, 4
LOW, MEDIUM, HIGH, FIPS = 1, 2, 3, 4
MTU_MAX = 65535

_SET_POWERED, _SET_LE, _SET_ADVERTISING, _READ_INFO = 0x0005, 0x000d, 0x0029, 0x0004
_CONNECTABLE = 2


def enable_ecred():
    """The enhanced mode, which this kernel has off unless it is told."""
    with open('/sys/module/bluetooth/parameters/enable_ecred', 'w', encoding='ascii') as file:
        file.write('Y')


def _sockaddr(address, psm, cid=0):
    octets = bytes(reversed(bytes.fromhex(address.replace(':', ''))))
    return struct.pack('<HH6sHBx', socket.AF_BLUETOOTH, psm, octets, cid, _LE_PUBLIC)


class End:
    """One end of a channel: a SOCK_SEQPACKET socket, the kernel's or what Acquire gave."""

    def __init__(self, fd_or_socket):
        self.socket = fd_or_socket if isinstance(fd_or_socket, socket.socket) else socket.socket(fileno=fd_or_socket)
        self.socket.setblocking(False)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc):
        self.close()

    def close(self):
        self.socket.close()

    async def _ready(self, events):
        """Until poll() says one of these."""
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        add, remove = ((loop.add_writer, loop.remove_writer) if events & select.POLLOUT else
                       (loop.add_reader, loop.remove_reader))
        add(self.socket, lambda: done.done() or done.set_result(None))
        try:
            await done  # not by wait_for(), which may swallow a cancellation
        finally:
            remove(self.socket)

    async def send(self, sdu):
        while True:
            try:
                sent = self.socket.send(sdu)
            except BlockingIOError:
                await self._ready(select.POLLOUT)
                continue
            assert sent == len(sdu), (sent, len(sdu))
            return

    async def receive(self):
        """The next SDU; None at the end."""
        told = False
        while True:
            try:
                sdu = self.socket.recv(MTU_MAX + 1)
            except BlockingIOError:
                if not self._ended():
                    await self._ready(select.POLLIN)
                    continue
                sdu = b''
            except (ConnectionError, TimeoutError):
                sdu = b''
            if sdu or not self._ended():
                return sdu
            # The kernel tells of the end once (as an end of file, here) before it gives what is left to be read.
            if told:
                return None
            told = True

    def _ended(self):
        # Told apart from an empty SDU: nothing comes after it.
        poll = select.poll()
        poll.register(self.socket, select.POLLIN | select.POLLRDHUP)
        return any(events & (select.POLLRDHUP | select.POLLHUP) for _, events in poll.poll(0))

    async def rest(self):
        """All SDUs until the end."""
        sdus = []
        while (sdu := await self.receive()) is not None:
            sdus.append(sdu)
        return sdus

    async def ended(self):
        assert await self.receive() is None


class KernelEnd(End):
    """A socket of the kernel's on a controller's address: bind, then connect() or listen() and accept()."""

    def __init__(self, own, psm=0, mtu=None, mode=None, security=None, cid=0):
        super().__init__(socket.socket(socket.AF_BLUETOOTH, socket.SOCK_SEQPACKET, socket.BTPROTO_L2CAP))
        self.mtu = mtu
        self._room()
        where = _sockaddr(own, psm, cid)
        if _LIBC.bind(self.socket.fileno(), where, len(where)) < 0:
            raise OSError(ctypes.get_errno(), f'bind to {own}')
        if mode:
            self.option(_MODE, 'B', mode)
        if mtu:
            self.option(_RCVMTU, 'H', mtu)
        if security:
            self.option(_SECURITY, 'BB', security, 0)

    def _room(self):
        # The kernel wants all frames of an SDU in the buffer at once, and waits for ever where they do not fit.
        if self.mtu and self.mtu > _LONG:
            for name in (_SNDBUFFORCE, _RCVBUFFORCE):
                self.socket.setsockopt(socket.SOL_SOCKET, name, _ROOM)

    def option(self, name, types, *values):
        self.socket.setsockopt(_SOL_BLUETOOTH, name, struct.pack(types, *values))

    def mtus(self):
        """[ours, the peer's]"""
        return [struct.unpack('H', self.socket.getsockopt(_SOL_BLUETOOTH, name, 2))[0] for name in (_RCVMTU, _SNDMTU)]

    def reconfigure(self, mtu):
        self.option(_RCVMTU, 'H', mtu)

    async def connect(self, peer, psm, cid=0):
        """Raises OSError with the kernel's word for a refusal."""
        where = _sockaddr(peer, psm, cid)
        if _LIBC.connect(self.socket.fileno(), where, len(where)) < 0 and ctypes.get_errno() != errno.EINPROGRESS:
            raise OSError(ctypes.get_errno(), 'connect')
        await self._ready(select.POLLOUT)
        error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
        return self

    def listen(self):
        self.socket.listen(8)
        return self

    async def accept(self):
        await self._ready(select.POLLIN)
        end = KernelEnd.__new__(KernelEnd)
        End.__init__(end, self.socket.accept()[0])
        end.mtu = self.mtu
        end._room()
        return end


class Host:
    """The kernel's own stack on a controller, with nobody's daemon: an address, LE, advertising."""

    def __init__(self, management, index):
        self.management = management
        self.index = index
        self.address = None

    async def start(self):
        await self.management.command(_SET_POWERED, self.index, b'\x01')
        await self.management.command(_SET_LE, self.index, b'\x01')
        info = await self.management.command(_READ_INFO, self.index)
        self.address = ':'.join(f'{octet:02X}' for octet in reversed(info[:6]))
        return self

    async def advertise(self, on=True):
        """Connectable. The kernel's connect() is EBUSY as long as it advertises, on an open link too."""
        await self.management.command(_SET_ADVERTISING, self.index, bytes([_CONNECTABLE if on else 0]))

    async def link(self, scene, peer):
        """Connects to a peer that advertises: the ATT socket keeps the link for as long as it is open."""
        end = await scene.enter(KernelEnd(self.address, cid=_ATT_CID))
        return await end.connect(peer, 0, _ATT_CID)


# ---- bled's side ----

L2CAP = 'org.bled.L2cap1'


class Pair:
    """A connection of bled's with the kernel's own stack."""

    def __init__(self, scene, bled, host, conn):
        self.scene = scene
        self.bled = bled
        self.host = host       # whatever has .address: the kernel's
        self.mine = None       # bled's address
        self.conn = conn

    async def call(self, member, signature='', *body):
        return await self.bled.call(L2CAP, member, signature, *body)

    def kernel(self, **given):
        return KernelEnd(self.host.address, **given)

    async def incoming(self, psm, mtu, peer_mtu=None, mode=None):
        """A channel that the kernel opens to bled, which listens already: (cid, the kernel's end)."""
        mark = self.bled.bus.mark()
        end = await self.scene.enter(self.kernel(mtu=peer_mtu or mtu, mode=mode))
        await end.connect(self.mine, psm)
        told = await self.bled.bus.signal('Connected', mark, interface=L2CAP)
        asked = self.bled.bus.seen('Accept', mark)
        assert [item.body for item in asked] == [[0, *told.body]], (asked, told)
        assert told.body[0] == self.conn and told.body[2:] == [psm, mtu, peer_mtu or mtu], told
        return told.body[1], end

    async def outgoing(self, psm, mtu, peer_mtu=None, mode=None, **given):
        """A channel that bled opens to the kernel: (cid, the kernel's end)."""
        mark = self.bled.bus.mark()
        listener = self.kernel(psm=psm, mtu=peer_mtu or mtu, mode=mode).listen()
        try:
            cid, *mtus = await self.call('Connect', 'qqqa{sv}', self.conn, psm, mtu, options(**given))
            end = await self.scene.enter(await listener.accept())
        finally:
            listener.close()
        assert mtus == [mtu, peer_mtu or mtu], mtus
        told = await self.bled.bus.signal('Connected', mark, interface=L2CAP)
        assert told.body == [self.conn, cid, psm, *mtus], told
        return cid, end

    async def acquire(self, cid):
        _, fds = await self.bled.bus.call_fds(self.bled.name, f'{ROOT}/hci0', L2CAP, 'Acquire', 'qqa{sv}',
                                              [self.conn, cid, {}])
        return await self.scene.enter(End(fds[0]))

    async def ended(self, cid, mark, status=0):
        told = await self.bled.bus.signal('Disconnected', mark, interface=L2CAP, arg1=cid)
        assert told.body[0] == self.conn and told.body[3] == status, told
        assert len(self.bled.bus.seen('Disconnected', mark, interface=L2CAP, arg1=cid)) == 1


async def linked(scene, kind, role='central'):
    """bled on hci0 in that role, connected with the kernel's own stack on hci1."""
    management, _ = await controllers(scene, kind)
    host = await Host(management, 1).start()
    bled = await Bled(scene, 'hci0').start()
    _, mine = await bled.activate()
    if role == 'central':
        await host.advertise()
        conn = await bled.connect(0, host.address)
        await host.advertise(False)
    else:
        await bled.advertise(name=('s', 'target'))
        mark = bled.bus.mark()
        await host.link(scene, mine)
        conn = (await bled.bus.signal('CentralConnected', mark)).body[0]
    pair = Pair(scene, bled, host, conn)
    pair.mine = mine
    return pair


# ---- streams ----

_STUFF = random.Random(1).randbytes(3 * MTU_MAX)


def sdu_of(number, length):
    """What SDU number so and so looks like."""
    at = number * 251 % (2 * MTU_MAX)
    return _STUFF[at:at + length]


def lengths_of(octets, mtu, least=0):
    """SDU lengths up to an MTU that make so many octets: the longest mostly, and some of all others. least: 1 where the
    kernel is to send them, which sends no empty one."""
    some = random.Random(mtu)
    lengths = [mtu, least, 1, 2, mtu - 1, mtu - 2, mtu - 3]
    left = octets - sum(lengths)
    while left > 0:
        length = min(left, mtu if some.random() < 0.8 else some.randint(least, mtu))
        lengths.append(length)
        left -= length
    return lengths


async def stream(sender, receiver, lengths, pause=None):
    """SDUs of these lengths from one end to the other one, each compared. pause: (number, coroutine function) where the
    receiver stops reading until that has returned."""
    async def send():
        for number, length in enumerate(lengths):
            await sender.send(sdu_of(number, length))

    async def receive():
        for number, length in enumerate(lengths):
            if pause and number == pause[0]:
                await pause[1]()
            sdu = await receiver.receive()
            assert sdu == sdu_of(number, length), (
                f'SDU {number} of {len(lengths)}, {length} octets: ' +
                ('the end came' if sdu is None else f'{len(sdu)} octets came'))

    both = [asyncio.ensure_future(send()), asyncio.ensure_future(receive())]
    try:
        await asyncio.gather(*both)
    finally:
        # One that is left waiting for its socket would wait for whatever has that descriptor next.
        for task in both:
            task.cancel()
        await asyncio.gather(*both, return_exceptions=True)
