"""D-Bus for the tests: a bus daemon of any user, and a connection that remembers every signal it saw."""

import contextlib
import os
import tempfile

from dbus_next import Message, MessageType, Variant
from dbus_next.aio import MessageBus

from world import Process, until, pulse

SYSTEM = 'unix:path=/run/dbus/system_bus_socket'
PROPERTIES = 'org.freedesktop.DBus.Properties'
OBJECTS = 'org.freedesktop.DBus.ObjectManager'
NOBODY = 65534

_PRIVATE_CONFIG = '''<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
'''


class Failure(Exception):
    """A D-Bus error reply."""

    def __init__(self, name, text):
        super().__init__(f'{name}: {text}')
        self.name = name
        self.text = text


def plain(value):
    """A value without the variants in it."""
    if isinstance(value, Variant):
        return plain(value.value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def options(**given):
    """An a{sv}: options(active=('b', True))."""
    return {key: Variant(*item) for key, item in given.items()}


@contextlib.contextmanager
def acting_as(uid):
    """The effective and real user of this process, for as long as it takes to connect."""
    os.setresgid(uid, uid, 0)
    os.setresuid(uid, uid, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
        os.setresgid(0, 0, 0)


class Signal:
    def __init__(self, message):
        self.sender = message.sender
        self.path = message.path
        self.interface = message.interface
        self.member = message.member
        self.body = plain(message.body)

    def __repr__(self):
        return f'{self.path} {self.member}{tuple(self.body)}'


class Connection:
    """A client of a bus. Signals pile up in .signals; mark() and signal(since=) say which ones are meant."""

    def __init__(self, address, uid=0):
        self.address = address
        self.uid = uid
        self.signals = []
        self.bus = None

    async def __aenter__(self):
        with acting_as(self.uid):
            self.bus = await MessageBus(bus_address=self.address, negotiate_unix_fd=True).connect()
        self.bus.add_message_handler(self._seen)
        await self.call('org.freedesktop.DBus', '/org/freedesktop/DBus', 'org.freedesktop.DBus', 'AddMatch', 's',
                        ["type='signal'"])
        return self

    async def __aexit__(self, *exc):
        self.bus.disconnect()

    def _seen(self, message):
        if message.message_type == MessageType.SIGNAL:
            self.signals.append(Signal(message))
            pulse()

    async def call(self, name, path, interface, member, signature='', body=()):
        return (await self.call_fds(name, path, interface, member, signature, body))[0]

    async def call_fds(self, name, path, interface, member, signature='', body=()):
        """As call(), with the file descriptors that came along, which are the caller's."""
        reply = await self.bus.call(Message(destination=name, path=path, interface=interface, member=member,
                                            signature=signature, body=list(body)))
        if reply.message_type == MessageType.ERROR:
            raise Failure(reply.error_name, reply.body[0] if reply.body else '')
        return plain(reply.body), reply.unix_fds

    async def get(self, name, path, interface, member):
        return (await self.call(name, path, PROPERTIES, 'Get', 'ss', [interface, member]))[0]

    async def put(self, name, path, interface, member, signature, value):
        await self.call(name, path, PROPERTIES, 'Set', 'ssv', [interface, member, Variant(signature, value)])

    async def objects(self, name, path='/'):
        return (await self.call(name, path, OBJECTS, 'GetManagedObjects'))[0]

    async def owned(self, name):
        return (await self.call('org.freedesktop.DBus', '/org/freedesktop/DBus', 'org.freedesktop.DBus',
                                'NameHasOwner', 's', [name]))[0]

    def mark(self):
        return len(self.signals)

    def seen(self, member, since=0, **wanted):
        """Signals of that name from the mark on; arg0=..., path=... narrow them down."""
        found = []
        for item in self.signals[since:]:
            if item.member == member and all(_fits(item, key, value) for key, value in wanted.items()):
                found.append(item)
        return found

    async def signal(self, member, since=0, **wanted):
        found = await until(lambda: self.seen(member, since, **wanted), f'signal {member} {wanted or ""}')
        return found[0]


def _fits(item, key, value):
    if key.startswith('arg'):
        number = int(key[3:])
        return number < len(item.body) and item.body[number] == value
    return getattr(item, key) == value


async def private_bus(scene, uid=NOBODY):
    """A bus daemon that runs as uid and admits uid; returns its address."""
    directory = tempfile.mkdtemp(prefix='bus.', dir='/run')
    path = f'{directory}/bus'
    with open(f'{directory}/conf', 'w', encoding='utf-8') as file:
        file.write(_PRIVATE_CONFIG.format(path=path))
    os.chown(directory, uid, uid)
    os.chmod(directory, 0o755)
    await scene.enter(Process('private bus', [
        'dbus-daemon', '--nofork', '--nopidfile', '--nosyslog', f'--config-file={directory}/conf'],
        user=uid, group=uid, extra_groups=[]))
    await until(lambda: os.path.exists(path), 'private bus')
    return f'unix:path={path}'


async def system_bus(scene):
    """The guest's system bus, as Debian sets it up; returns its address."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink('/run/dbus/system_bus_socket')
    await scene.enter(Process('system bus', ['dbus-daemon', '--system', '--nofork', '--nopidfile', '--nosyslog']))
    await until(lambda: os.path.exists('/run/dbus/system_bus_socket'), 'system bus')
    return SYSTEM
