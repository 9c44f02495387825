"""BlueZ's two sides of GATT: an application that bluetoothd serves, and a peer's attributes as it shows them."""

from dbus_next import Message, MessageFlag, MessageType, Variant

from bluez import DEVICE, NAME
from bus import OBJECTS, PROPERTIES, options
from world import pulse, until

MANAGER = 'org.bluez.GattManager1'
SERVICE = 'org.bluez.GattService1'
CHARACTERISTIC = 'org.bluez.GattCharacteristic1'
DESCRIPTOR = 'org.bluez.GattDescriptor1'


class Attribute:
    """A characteristic or descriptor of an application: its value, and what was done to it."""

    def __init__(self, application, path, uuid, flags, value):
        self.application = application
        self.path = path
        self.uuid = uuid
        self.flags = flags
        self.value = bytes(value)
        self.writes = []       # as bluetoothd handed them on, in order
        self.reads = 0
        self.notifying = False
        self.confirmed = 0

    def notify(self, value):
        """Tells bluetoothd of a new value, which it notifies or indicates to who subscribed."""
        self.value = bytes(value)
        bus = self.application.bus.bus
        bus.send(Message.new_signal(self.path, PROPERTIES, 'PropertiesChanged', 'sa{sv}as',
                                    [CHARACTERISTIC, {'Value': Variant('ay', self.value)}, []]))


class Application:
    """Objects that bluetoothd serves as GATT services, until the bus connection ends."""

    count = 0

    def __init__(self, bluez):
        Application.count += 1
        self.bluez = bluez
        self.bus = bluez.bus
        self.path = f'/test/application{Application.count}'
        self.objects = {}      # path: {interface: properties}
        self.attributes = {}   # path: Attribute

    def service(self, uuid):
        path = f'{self.path}/service{len(self.objects)}'
        self.objects[path] = {SERVICE: options(UUID=('s', uuid), Primary=('b', True))}
        return path

    def characteristic(self, service, uuid, flags, value=b''):
        return self._attribute(CHARACTERISTIC, f'{service}/char{len(self.objects)}', 'Service', service, uuid, flags,
                               value)

    def descriptor(self, characteristic, uuid, flags, value=b''):
        return self._attribute(DESCRIPTOR, f'{characteristic.path}/desc{len(self.objects)}', 'Characteristic',
                               characteristic.path, uuid, flags, value)

    def _attribute(self, interface, path, parent_name, parent, uuid, flags, value):
        self.objects[path] = {interface: {'UUID': Variant('s', uuid), 'Flags': Variant('as', list(flags)),
                                          parent_name: Variant('o', parent)}}
        self.attributes[path] = Attribute(self, path, uuid, flags, value)
        return self.attributes[path]

    async def register(self):
        self.bus.bus.add_message_handler(self._answer)
        await self.bus.call(NAME, self.bluez.path, MANAGER, 'RegisterApplication', 'oa{sv}', [self.path, {}])
        return self

    async def unregister(self):
        await self.bus.call(NAME, self.bluez.path, MANAGER, 'UnregisterApplication', 'o', [self.path])
        self.bus.bus.remove_message_handler(self._answer)

    def _answer(self, message):
        if message.message_type != MessageType.METHOD_CALL or not message.path.startswith(self.path):
            return None
        if message.interface == OBJECTS:
            return Message.new_method_return(message, 'a{oa{sa{sv}}}', [self.objects])
        if message.interface == PROPERTIES and message.member == 'GetAll':
            return Message.new_method_return(message, 'a{sv}', [self.objects[message.path].get(message.body[0], {})])
        attribute = self.attributes.get(message.path)
        if attribute is None:
            return None
        reply = self._access(attribute, message)
        pulse()
        # True: seen to, and nobody waits for an answer.
        return True if message.flags & MessageFlag.NO_REPLY_EXPECTED else reply

    @staticmethod
    def _access(attribute, message):
        # bluetoothd asks the application also where the flags do not allow it.
        wanted = {'ReadValue': 'read', 'WriteValue': 'write'}.get(message.member)
        if wanted and not any(flag.startswith(wanted) for flag in attribute.flags):
            return Message.new_error(message, 'org.bluez.Error.NotPermitted', f'no {wanted}')
        if message.member == 'ReadValue':
            attribute.reads += 1
            offset = message.body[0]['offset'].value if 'offset' in message.body[0] else 0
            if offset > len(attribute.value):
                return Message.new_error(message, 'org.bluez.Error.InvalidOffset', 'past the end')
            return Message.new_method_return(message, 'ay', [attribute.value[offset:]])
        if message.member == 'WriteValue':
            value, about = bytes(message.body[0]), message.body[1]
            offset = about['offset'].value if 'offset' in about else 0
            attribute.value = attribute.value[:offset] + value
            attribute.writes.append(value)
            return Message.new_method_return(message)
        if message.member in ('StartNotify', 'StopNotify'):
            attribute.notifying = message.member == 'StartNotify'
            return Message.new_method_return(message)
        if message.member == 'Confirm':
            attribute.confirmed += 1
            return Message.new_method_return(message)
        return None


class Remote:
    """A peer's attributes as bluetoothd shows them: read() and the like by UUID."""

    def __init__(self, bluez, address):
        self.bluez = bluez
        self.bus = bluez.bus
        self.address = address
        self.device = bluez.device_path(address)

    async def resolved(self):
        await self.bluez.device(self.address, ServicesResolved=True)
        return self

    async def list(self, interface):
        """(path, properties) of everything of that kind, in order of handles."""
        objects = await self.bus.objects(NAME)
        return sorted((path, interfaces[interface]) for path, interfaces in objects.items()
                      if path.startswith(f'{self.device}/') and interface in interfaces)

    async def uuids(self, interface):
        return [properties['UUID'] for _, properties in await self.list(interface)]

    async def find(self, interface, uuid):
        found = []

        async def look():
            found[:] = [item for item in await self.list(interface) if item[1]['UUID'] == uuid]
            return found

        await until(look, f'{interface} {uuid} of {self.address}')
        return found[0][0]

    async def gone(self, interface, uuid):
        async def look():
            return uuid not in await self.uuids(interface)
        await until(look, f'end of {interface} {uuid} of {self.address}')

    async def read(self, uuid, interface=CHARACTERISTIC, **given):
        path = await self.find(interface, uuid)
        return bytes((await self.bus.call(NAME, path, interface, 'ReadValue', 'a{sv}', [options(**given)]))[0])

    async def write(self, uuid, value, interface=CHARACTERISTIC, **given):
        path = await self.find(interface, uuid)
        await self.bus.call(NAME, path, interface, 'WriteValue', 'aya{sv}', [bytes(value), options(**given)])

    async def subscribe(self, uuid, member='StartNotify'):
        await self.bus.call(NAME, await self.find(CHARACTERISTIC, uuid), CHARACTERISTIC, member)

    async def values(self, uuid, count, since=0):
        """Waits until so many values of a characteristic have come as signals, and returns all of them."""
        path = await self.find(CHARACTERISTIC, uuid)

        def come():
            return [bytes(s.body[1]['Value']) for s in self.bus.seen('PropertiesChanged', since, path=path)
                    if 'Value' in s.body[1]]

        await until(lambda: len(come()) >= count, f'{count} values of {uuid}')
        return come()


__all__ = ['Application', 'Attribute', 'Remote', 'SERVICE', 'CHARACTERISTIC', 'DESCRIPTOR', 'DEVICE']
