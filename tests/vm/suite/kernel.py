"""The kernel's side: virtual controllers made by btvirt, and the management socket that tells of them."""

import asyncio
import ctypes
import os
import socket
import struct

from world import Process, until, pulse

_MGMT_CHANNEL = 3
_INDEX_NONE = 0xffff
_READ_INDEX_LIST = 0x0003
_SET_SECURE_CONNECTIONS = 0x002d
_EV_COMPLETE = 0x0001
_EV_STATUS = 0x0002
_EV_INDEX_ADDED = 0x0004
_EV_INDEX_REMOVED = 0x0005
_EV_DISCONNECTED = 0x000c

# A reason of the management interface's Device Disconnected event. btvirt tells the initiator of a disconnection
# the same as its peer, so nobody ever sees 2, by this host.
BY_THE_PEER = 3

# btvirt's options for two controllers of each kind, and the kind that its -s sockets have the same way.
KINDS = {'legacy': ['-L', '-l2'], 'extended': ['-l2']}


class Management:
    """Watches the kernel's controllers: .indexes are those that exist and that no user channel holds."""

    def __init__(self):
        self.indexes = set()
        self.listed = False
        self.ends = []
        self.answers = []      # (opcode, index, status, what was returned) of commands
        self.socket = None

    async def __aenter__(self):
        self.socket = socket.socket(socket.AF_BLUETOOTH, socket.SOCK_RAW | socket.SOCK_NONBLOCK,
                                    socket.BTPROTO_HCI)
        # Python's bind() knows the raw channel alone.
        libc = ctypes.CDLL(None, use_errno=True)
        address = struct.pack('=HHH', socket.AF_BLUETOOTH, _INDEX_NONE, _MGMT_CHANNEL)
        if libc.bind(self.socket.fileno(), address, len(address)) < 0:
            raise OSError(ctypes.get_errno(), 'bind to the management channel')
        asyncio.get_running_loop().add_reader(self.socket, self._read)
        self.socket.send(struct.pack('<HHH', _READ_INDEX_LIST, _INDEX_NONE, 0))
        await until(lambda: self.listed, 'answer of the management interface')
        return self

    async def __aexit__(self, *exc):
        asyncio.get_running_loop().remove_reader(self.socket)
        self.socket.close()

    def _read(self):
        packet = self.socket.recv(4096)
        event, index, _ = struct.unpack_from('<HHH', packet)
        body = packet[6:]
        if event == _EV_INDEX_ADDED:
            self.indexes.add(index)
        elif event == _EV_INDEX_REMOVED:
            self.indexes.discard(index)
        elif event == _EV_DISCONNECTED:
            address = ':'.join(f'{octet:02X}' for octet in reversed(body[:6]))
            self.ends.append((index, address, body[7]))
        elif event == _EV_COMPLETE and struct.unpack_from('<H', body)[0] == _READ_INDEX_LIST:
            count = struct.unpack_from('<H', body, 3)[0]
            self.indexes.update(struct.unpack_from(f'<{count}H', body, 5))
            self.listed = True
        if event in (_EV_COMPLETE, _EV_STATUS):
            opcode, status = struct.unpack_from('<HB', body)
            self.answers.append((opcode, index, status, body[3:]))
        pulse()

    async def command(self, opcode, index, parameters=b''):
        """A command, which has to succeed: returns what it returns."""
        before = len(self.answers)
        self.socket.send(struct.pack('<HHH', opcode, index, len(parameters)) + parameters)
        found = await until(lambda: [a for a in self.answers[before:] if a[:2] == (opcode, index)],
                            'answer of the management interface')
        assert found[0][2] == 0, found
        return found[0][3]

    async def secure_connections(self, index, on):
        """Whether the kernel on that controller can do more than legacy pairing; bluetoothd turns it on at its start."""
        await self.command(_SET_SECURE_CONNECTIONS, index, bytes([on]))

    async def free(self, *indexes):
        """Waits until these controllers, and no others, are there and nobody's."""
        await until(lambda: self.indexes == set(indexes), f'controllers {indexes}, only {self.indexes}')

    async def end_of(self, index, address):
        """Waits until the kernel on that controller reports the end of a link, and returns its reason."""
        found = await until(lambda: [e for e in self.ends if e[:2] == (index, address)],
                            f'end of the link to {address} on hci{index}')
        return found[-1][2]


class Btvirt(Process):
    """btvirt with two controllers of a kind on /dev/vhci."""

    def __init__(self, kind):
        super().__init__(f'btvirt ({kind})', ['btvirt', *KINDS[kind]])


class BtvirtSockets(Process):
    """btvirt -s: each connection to one of its sockets is one more controller, for whoever may write there."""

    LEGACY = '/tmp/bt-server-le'
    EXTENDED = '/tmp/bt-server-bredrle'

    def __init__(self):
        super().__init__('btvirt -s', ['btvirt', '-s'], umask=0)

    async def start(self):
        for path in (self.LEGACY, self.EXTENDED):
            if os.path.exists(path):
                os.unlink(path)
        await super().start()
        await until(lambda: os.path.exists(self.LEGACY) and os.path.exists(self.EXTENDED), 'sockets of btvirt')


async def controllers(scene, kind):
    """Two free controllers, hci0 and hci1. Returns what watches them, and the btvirt that makes them."""
    management = await scene.enter(Management())
    await management.free()
    btvirt = await scene.enter(Btvirt(kind))
    await management.free(0, 1)
    return management, btvirt


async def hciconfig(*arguments):
    """Runs hciconfig, as a person would to take an adapter up or down."""
    process = Process('hciconfig', ['hciconfig', *arguments])
    await process.start()
    await until(lambda: not process.running, 'end of hciconfig')
    assert process.child.returncode == 0, f'hciconfig {arguments}: {process.lines}'
