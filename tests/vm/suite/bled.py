"""bled as the tests run it: an unprivileged user, one capability, a bus of its own."""

import asyncio
import os
import shutil
import signal
import socket
import tempfile

from bus import NOBODY, Connection, Failure, PROPERTIES, options, private_bus
from world import Process, pulse, until

NAME = 'org.bled'
ROOT = '/org/bled'
ADAPTER = 'org.bled.Adapter1'
BROADCASTER = 'org.bled.Broadcaster1'
OBSERVER = 'org.bled.Observer1'
CENTRAL = 'org.bled.Central1'
PERIPHERAL = 'org.bled.Peripheral1'
LINK = 'org.bled.Link1'
CONNECTION = 'org.bled.Connection1'
GATT_SERVER = 'org.bled.GattServer1'
GATT_CLIENT = 'org.bled.GattClient1'
PAIRING = 'org.bled.Pairing1'

# The build may be below a directory that only its owner can enter; the guest has a place for everyone.
_PLACE = '/run/bled-under-test'


def _binary():
    if not os.path.exists(_PLACE):
        shutil.copy(os.environ['BLED'], _PLACE)
        os.chmod(_PLACE, 0o755)
    return _PLACE


def capable(*capabilities):
    """The command in front of one that shall run as nobody with these capabilities and no others."""
    wanted = ','.join(['-all', *(f'+{name}' for name in capabilities)])
    return ['setpriv', f'--reuid={NOBODY}', f'--regid={NOBODY}', '--clear-groups', f'--inh-caps={wanted}',
            f'--ambient-caps={wanted}', f'--bounding-set={wanted}', '--no-new-privs']


class Stream:
    """A SOCK_SEQPACKET socket: what was received is in .packets, .ended is true after a hang-up."""

    def __init__(self, fd):
        self.socket = socket.socket(fileno=fd)
        self.socket.setblocking(False)
        self.packets = []
        self.ended = False

    async def __aenter__(self):
        asyncio.get_running_loop().add_reader(self.socket, self._read)
        return self

    async def __aexit__(self, *exc):
        self.close()

    def close(self):
        if self.socket.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self.socket)
            self.socket.close()

    def _read(self):
        try:
            # recvmsg tells an empty packet from the end: a packet has MSG_EOR.
            data, _, flags, _ = self.socket.recvmsg(4096)
        except BlockingIOError:
            return
        except OSError:
            data, flags = b'', 0
        if data or flags & socket.MSG_EOR:
            self.packets.append(data)
        else:
            self.ended = True
            asyncio.get_running_loop().remove_reader(self.socket)
        pulse()

    async def send(self, packet):
        await asyncio.get_running_loop().sock_sendall(self.socket, packet)

    async def received(self, count):
        await until(lambda: len(self.packets) >= count, f'{count} packets, only {len(self.packets)}')
        return self.packets


class Bled:
    """One bled process and a client of it. Signals of the daemon are in .bus (see Connection)."""

    def __init__(self, scene, *adapters, capabilities=('net_admin',), bus_name=NAME, config=''):
        self.scene = scene
        self.adapters = adapters
        self.capabilities = capabilities
        self.name = bus_name
        self.config = config
        self.bus = None
        self.process = None
        self.argv = None
        self.state = None

    async def start(self, address=None):
        """Starts it on the bus with that address, else on a new one; returns when it owns its name."""
        address = address or await private_bus(self.scene)
        self.bus = await self.scene.enter(Connection(address, uid=NOBODY))
        self.state = tempfile.mkdtemp(prefix='bled-state.', dir='/run')
        os.chown(self.state, NOBODY, NOBODY)
        os.chmod(self.state, 0o700)
        # Given always, so that a configuration of the host's own plays no part.
        config = f'{self.state}.conf'
        with open(config, 'w', encoding='utf-8') as file:
            file.write(self.config)
        argv = [*capable(*self.capabilities), _binary(), *(f'--adapter={spec}' for spec in self.adapters),
                f'--bus={address}', f'--bus-name={self.name}', f'--state-dir={self.state}', f'--config={config}', '--log-level=debug']
        self.argv = argv
        self.process = await self.scene.enter(Process(self.name, argv))
        await until(self._named, f'name {self.name} on the bus')
        return self

    async def restart(self):
        """Ends it and starts it again, with what it has stored."""
        assert await self.end() == 0
        self.process = await self.scene.enter(Process(self.name, self.argv))
        await until(self._named, f'name {self.name} on the bus')

    async def _named(self):
        assert self.process.running, f'bled ended with status {self.process.child.returncode}'
        return await self.bus.owned(self.name)

    async def end(self):
        """SIGTERM, as a service manager does it; returns the exit status."""
        return await self.process.stop(signal.SIGTERM)

    async def call(self, interface, member, signature='', *body, path=None):
        return await self.bus.call(self.name, path or f'{ROOT}/hci0', interface, member, signature, body)

    async def server(self, member, signature='', *body):
        return await self.call(GATT_SERVER, member, signature, *body)

    async def client(self, member, signature='', *body):
        return await self.call(GATT_CLIENT, member, signature, *body)

    async def acquire(self, interface, member, conn, handle):
        """One of the methods that give a socket: the socket, which the scene closes, and the MTU."""
        (_, mtu), fds = await self.bus.call_fds(self.name, f'{ROOT}/hci0', interface, member, 'qqa{sv}',
                                                [conn, handle, {}])
        return await self.scene.enter(Stream(fds[0])), mtu

    async def get(self, interface, member, path=None):
        return await self.bus.get(self.name, path or f'{ROOT}/hci0', interface, member)

    async def all(self, interface, path=None):
        return (await self.bus.call(self.name, path or f'{ROOT}/hci0', PROPERTIES, 'GetAll', 's', [interface]))[0]

    async def put(self, signature, **given):
        """Properties of the adapter, all of one type."""
        for member, value in given.items():
            await self.bus.put(self.name, f'{ROOT}/hci0', ADAPTER, member, signature, value)

    async def activate(self, adapter='hci0'):
        """SetActive(true); returns the address on the air as (type, address)."""
        await self.call(ADAPTER, 'SetActive', 'ba{sv}', True, {}, path=f'{ROOT}/{adapter}')
        assert await self.get(ADAPTER, 'Active', f'{ROOT}/{adapter}') is True
        return tuple(await self.get(ADAPTER, 'Mac', f'{ROOT}/{adapter}'))

    async def active(self, wanted, adapter='hci0'):
        """Waits until the property Active is as wanted."""
        async def look():
            return await self.get(ADAPTER, 'Active', f'{ROOT}/{adapter}') is wanted
        await until(look, f'Active {wanted} on {adapter}')

    async def advertise(self, adapter='hci0', interval_us=100000, **given):
        return (await self.call(BROADCASTER, 'Advertise', 'ua{sv}', interval_us, options(**given),
                                path=f'{ROOT}/{adapter}'))[0]

    async def find(self, address, adapter='hci0', **wanted):
        """Discover()s until the advertiser is there with all that is wanted; returns its entry's dictionary."""
        last = {}

        async def look():
            found = (await self.call(OBSERVER, 'Discover', 'ua{sv}', 1500, options(active=('b', True)),
                                     path=f'{ROOT}/{adapter}'))[0]
            for kind, seen, connectable, rssi, fields in found:
                if seen == address:
                    last.clear()
                    last.update(fields, type=kind, connectable=connectable, rssi=rssi)
            return last and all(last.get(key) == value for key, value in wanted.items()) and dict(last)

        try:
            return await until(look, f'advertiser {address}')
        except AssertionError as late:
            raise AssertionError(f'{late} with {wanted}: {last or "it was not seen at all"}') from None

    async def connect(self, kind, address, adapter='hci0', **given):
        return (await self.call(CENTRAL, 'Connect', 'ysa{sv}', kind, address, options(**given),
                                path=f'{ROOT}/{adapter}'))[0]

    async def disconnect(self, conn, adapter='hci0', **given):
        return (await self.call(LINK, 'Disconnect', 'qa{sv}', conn, options(**given), path=f'{ROOT}/{adapter}'))[0]

    async def update(self, conn, adapter='hci0', **given):
        return await self.call(LINK, 'UpdateParameters', 'qa{sv}', conn, options(**given),
                               path=f'{ROOT}/{adapter}')

    async def connections(self):
        """The paths of the connection objects that there are."""
        objects = await self.bus.objects(self.name, ROOT)
        return sorted(path for path, interfaces in objects.items() if CONNECTION in interfaces)


def connection_path(conn, adapter='hci0'):
    return f'{ROOT}/{adapter}/conn{conn:04x}'


__all__ = ['Bled', 'Failure', 'connection_path', 'capable', 'NAME', 'ROOT', 'ADAPTER', 'BROADCASTER', 'OBSERVER',
           'CENTRAL', 'PERIPHERAL', 'LINK', 'CONNECTION', 'GATT_SERVER', 'GATT_CLIENT', 'PAIRING']
