"""BlueZ as the peer: bluetoothd with one powered controller, driven over the guest's system bus."""

import glob
import shutil
import tempfile

from dbus_next import Message, MessageType, Variant

from bus import Connection, Failure, OBJECTS, PROPERTIES, options, system_bus
from world import Process, until

NAME = 'org.bluez'
DAEMON = '/usr/libexec/bluetooth/bluetoothd'
ADAPTER = 'org.bluez.Adapter1'
DEVICE = 'org.bluez.Device1'

# AutoEnable: the other controller is not BlueZ's. Channels: one bearer, so that requests stay in order.
_CONFIG = '''[General]
Name = bluez
ControllerMode = le
Privacy = {privacy}
[GATT]
Cache = {cache}
Channels = 1
[Policy]
AutoEnable = false
ReconnectAttempts = 0
'''

# Audio, networks and the machine's own name are no part of this, and each has something to complain of here.
_NO_PLUGINS = 'a2dp,avrcp,sap,vcp,mcp,bap,bass,csip,micp,network,input,hog,hostname,sixaxis,health,midi,battery'


class Bluez:
    """bluetoothd on hci1 (or another index); cache and privacy as in its main.conf."""

    def __init__(self, scene, index=1, cache='no', privacy='off'):
        self.scene = scene
        self.config = _CONFIG.format(cache=cache, privacy=privacy)
        self.argv = None
        self.index = index
        self.path = f'/org/bluez/hci{index}'
        self.bus = None
        self.process = None

    async def start(self):
        address = await system_bus(self.scene)
        directory = tempfile.mkdtemp(prefix='bluez.', dir='/run')
        config = f'{directory}/main.conf'
        with open(config, 'w', encoding='utf-8') as file:
            file.write(self.config)
        # A test starts without what bluetoothd remembers of an earlier one. The guest forgets all it is told.
        for remembered in glob.glob('/var/lib/bluetooth/*'):
            shutil.rmtree(remembered)
        self.argv = [DAEMON, '-n', '-P', _NO_PLUGINS, '-f', config]
        self.process = await self.scene.enter(Process('bluetoothd', self.argv))
        self.bus = await self.scene.enter(Connection(address))
        await self.power()
        return self

    async def restart(self):
        """Ends bluetoothd and starts it again, with what it remembers."""
        await self.process.stop()
        self.process = await self.scene.enter(Process('bluetoothd', self.argv))
        await self.power()

    def other(self, index):
        """The same bluetoothd on another controller."""
        twin = Bluez(self.scene, index)
        twin.bus, twin.process = self.bus, self.process
        return twin

    async def power(self):
        """Powers the controller as soon as bluetoothd has it."""
        await until(self._has_adapter, f'{self.path} in bluetoothd')
        await self.bus.put(NAME, self.path, ADAPTER, 'Powered', 'b', True)
        await until(self._powered, f'power on {self.path}')
        return await self.address()

    async def unplugged(self):
        """Waits until bluetoothd has noticed that its controller is gone."""
        async def gone():
            return not await self._has_adapter()
        await until(gone, f'end of {self.path} in bluetoothd')

    async def _has_adapter(self):
        if not await self.bus.owned(NAME):
            return False
        return ADAPTER in (await self.bus.objects(NAME)).get(self.path, {})

    async def _powered(self):
        return await self.bus.get(NAME, self.path, ADAPTER, 'Powered')

    async def address(self):
        return await self.bus.get(NAME, self.path, ADAPTER, 'Address')

    async def discover(self):
        """Starts to scan, and goes on for as long as this connection lives."""
        await self.bus.call(NAME, self.path, ADAPTER, 'SetDiscoveryFilter', 'a{sv}',
                            [options(Transport=('s', 'le'))])
        await self.bus.call(NAME, self.path, ADAPTER, 'StartDiscovery')

    async def stop_discovery(self):
        await self.bus.call(NAME, self.path, ADAPTER, 'StopDiscovery')

    def device_path(self, address):
        return f'{self.path}/dev_{address.replace(":", "_")}'

    async def device(self, address, **wanted):
        """Waits until a device is known whose properties include the wanted ones, and returns all of them."""
        last = {}

        async def look():
            objects = await self.bus.objects(NAME)
            last.clear()
            last.update(objects.get(self.device_path(address), {}).get(DEVICE, {}))
            return last and all(_matches(last.get(key), value) for key, value in wanted.items()) and dict(last)

        try:
            return await until(look, f'device {address}')
        except AssertionError as late:
            known = {key: last.get(key) for key in wanted} if last else 'it is not known at all'
            raise AssertionError(f'{late} with {wanted}: {known}') from None

    async def connect(self, address):
        await self.bus.call(NAME, self.device_path(address), DEVICE, 'Connect')

    async def disconnect(self, address):
        await self.bus.call(NAME, self.device_path(address), DEVICE, 'Disconnect')

    async def forget(self, address):
        try:
            await self.bus.call(NAME, self.path, ADAPTER, 'RemoveDevice', 'o', [self.device_path(address)])
        except Failure as failure:
            if 'DoesNotExist' not in failure.name:
                raise

    async def advertise(self, name, services=(), manufacturer_data=None, kind='peripheral'):
        """Registers an advertisement, which ends with withdraw() or this connection; returns its handle."""
        advertisement = _Advertisement(self.bus, name, services, manufacturer_data or {}, kind)
        self.bus.bus.add_message_handler(advertisement.answer)
        await self.bus.call(NAME, self.path, 'org.bluez.LEAdvertisingManager1', 'RegisterAdvertisement', 'oa{sv}',
                            [advertisement.path, {}])
        return advertisement

    async def withdraw(self, advertisement):
        await self.bus.call(NAME, self.path, 'org.bluez.LEAdvertisingManager1', 'UnregisterAdvertisement', 'o',
                            [advertisement.path])
        self.bus.bus.remove_message_handler(advertisement.answer)


def _matches(have, want):
    # Dictionaries and lists: at least that. BlueZ adds services of its own to what it was told.
    if isinstance(want, dict) and isinstance(have, dict):
        return all(have.get(key) == value for key, value in want.items())
    if isinstance(want, (list, tuple)) and isinstance(have, list):
        return all(item in have for item in want)
    return have == want


class _Advertisement:
    """The object that bluetoothd asks for an advertisement's properties."""

    count = 0

    def __init__(self, bus, name, services, manufacturer_data, kind):
        _Advertisement.count += 1
        self.path = f'/test/advertisement{_Advertisement.count}'
        self.properties = options(
            Type=('s', kind), LocalName=('s', name), ServiceUUIDs=('as', list(services)),
            ManufacturerData=('a{qv}', {key: Variant('ay', value) for key, value in manufacturer_data.items()}))

    def answer(self, message):
        if message.message_type != MessageType.METHOD_CALL or message.path != self.path:
            return None
        if message.interface == PROPERTIES and message.member == 'GetAll':
            return Message.new_method_return(message, 'a{sv}', [self.properties])
        if message.interface == OBJECTS:
            return None
        return Message.new_method_return(message)


def uuid16(number):
    """A 16 bit UUID the way BlueZ spells it."""
    return f'0000{number:04x}-0000-1000-8000-00805f9b34fb'
