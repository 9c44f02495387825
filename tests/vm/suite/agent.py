"""A person at BlueZ's side of a pairing: an agent that bluetoothd asks."""

from dbus_next import Message, MessageType

from bluez import NAME
from world import pulse, until

MANAGER = 'org.bluez.AgentManager1'
AGENT = 'org.bluez.Agent1'


class Agent:
    """Answers as it is told: .passkey is entered, .yes is said to numbers. What it was asked is in .asked, as
    (member, number or None)."""

    count = 0

    def __init__(self, bluez, capability, passkey=None, yes=True):
        Agent.count += 1
        self.bluez = bluez
        self.bus = bluez.bus
        self.capability = capability
        self.passkey = passkey
        self.yes = yes
        self.path = f'/test/agent{Agent.count}'
        self.asked = []

    async def register(self):
        """With bluetoothd, also with another one than before."""
        self.bus.bus.remove_message_handler(self._answer)
        self.bus.bus.add_message_handler(self._answer)
        await self.bus.call(NAME, '/org/bluez', MANAGER, 'RegisterAgent', 'os', [self.path, self.capability])
        await self.bus.call(NAME, '/org/bluez', MANAGER, 'RequestDefaultAgent', 'o', [self.path])
        return self

    def seen(self, member):
        """The numbers of what was asked by that name."""
        return [number for name, number in self.asked if name == member]

    async def displayed(self):
        """The passkey that it was given to show."""
        return (await until(lambda: self.seen('DisplayPasskey'), 'passkey to display'))[0]

    def _answer(self, message):
        if message.message_type != MessageType.METHOD_CALL or message.path != self.path or message.interface != AGENT:
            return None
        number = message.body[1] if message.member in ('DisplayPasskey', 'RequestConfirmation') else None
        self.asked.append((message.member, number))
        pulse()
        if message.member == 'RequestPasskey' and self.passkey is not None:
            return Message.new_method_return(message, 'u', [self.passkey])
        if message.member in ('DisplayPasskey', 'Cancel', 'Release'):
            return Message.new_method_return(message)
        if message.member in ('RequestConfirmation', 'RequestAuthorization') and self.yes:
            return Message.new_method_return(message)
        return Message.new_error(message, 'org.bluez.Error.Rejected', 'no')
