"""Pairing with BlueZ: the kernel's SMP and bluetoothd's agents, and bled as initiator and as responder; then the keys
that came of it, after a disconnection and after either daemon was started anew."""

import asyncio

from agent import Agent
from bled import ADAPTER, CONNECTION, LINK, OBSERVER, PAIRING, Bled, Failure, connection_path
from bluez import DEVICE, NAME, Bluez, uuid16
from bus import options
from gatt import Remote
from kernel import controllers
from test_gatt import READ, WRITE, characteristic
from world import scenario, until

DISPLAY_ONLY, DISPLAY_YES_NO, KEYBOARD_ONLY, NO_IO, KEYBOARD_DISPLAY = range(5)
INPUT, DISPLAY, COMPARE = 2, 3, 4  # actions
SMP = 0x200
SECURE_ONLY = 2  # of the kernel: nothing but authenticated Secure Connections
PASSKEY_ENTRY_FAILED, AUTHENTICATION_REQUIREMENTS, CONFIRM_VALUE_FAILED, NUMERIC_COMPARISON_FAILED = 1, 3, 4, 12
READ_ENCRYPTED, READ_AUTHENTICATED, WRITE_AUTHENTICATED = 0x0200, 0x0400, 0x2000

FLAGS = {'open': READ, 'secret': READ | READ_ENCRYPTED,
         'guarded': READ | WRITE | READ_AUTHENTICATED | WRITE_AUTHENTICATED}
VALUES = {'open': 'b000', 'secret': 'b001', 'guarded': 'b002'}


class Pair:
    """bled and BlueZ, each with a person."""

    def __init__(self, bled, bluez, agent, mine, theirs, again):
        self.bled = bled
        self.again = again     # what has to be done to a new bluetoothd
        self.bluez = bluez
        self.agent = agent
        self.mine = mine
        self.theirs = theirs
        self.conn = None
        self.advertisement = None

    async def pair(self, **given):
        return await self.bled.call(PAIRING, 'Pair', 'qa{sv}', self.conn, options(**given))

    async def answer(self, action, number):
        await self.bled.call(PAIRING, 'Passkey', 'qyu', self.conn, action, number)

    async def asked(self, action, since):
        """What bled asks of its person: the number."""
        return (await self.bled.bus.signal('PasskeyAction', since, arg0=self.conn, arg1=action)).body[2]

    async def pair_from_bluez(self):
        await self.bluez.bus.call(NAME, self.bluez.device_path(self.mine), DEVICE, 'Pair')

    async def outcome(self, since, authenticated, secure_connections=True):
        """Both sides say the same of it."""
        told = await self.bled.bus.signal('EncryptionUpdated', since)
        assert told.body == [self.conn, True, authenticated, True, 16], told
        assert not self.bled.bus.seen('PairingFailed', since)
        await self.bluez.device(self.mine, Paired=True)
        for name, wanted in (('Encrypted', True), ('Authenticated', authenticated), ('Bonded', True), ('KeySize', 16)):
            assert await self.bled.get(CONNECTION, name, connection_path(self.conn)) == wanted, name
        (bonds,) = await self.bled.call(PAIRING, 'ListBonds')
        assert [item[1] for item in bonds] == [self.theirs], bonds
        assert bonds[0][2]['authenticated'] is authenticated, bonds
        assert bonds[0][2]['secure_connections'] is secure_connections, bonds

    async def failed(self, since, *statuses):
        told = await self.bled.bus.signal('PairingFailed', since)
        assert told.body[0] == self.conn and told.body[1] - SMP in statuses, told
        assert not self.bled.bus.seen('EncryptionUpdated', since)
        assert (await self.bled.call(PAIRING, 'ListBonds'))[0] == []

    async def reconnected(self, role):
        """Connects anew: encrypted with the stored key, and nobody is asked or pairs."""
        self.agent.asked.clear()
        mark = self.bled.bus.mark()
        await self.connect(role)
        return mark

    async def connect(self, role):
        mark = self.bled.bus.mark()
        if role == 'central':
            if not self.advertisement:
                self.advertisement = await self.bluez.advertise('target')
            self.conn = await self.bled.connect(0, self.theirs)
            await self.bluez.device(self.mine, Connected=True)
            return
        await self.bluez.discover()
        await self.bled.advertise(name=('s', 'target'))
        await self.bluez.device(self.mine, Name='target')
        await self.bluez.stop_discovery()
        await self.bluez.connect(self.mine)
        self.conn = (await self.bled.bus.signal('CentralConnected', mark)).body[0]

    async def disconnect(self):
        mark = self.bled.bus.mark()
        await self.bled.call(LINK, 'Disconnect', 'qa{sv}', self.conn, {})
        await self.bled.bus.signal('InterfacesRemoved', mark)
        await self.bluez.device(self.mine, Connected=False)


async def people(scene, kind, role, capability, io=NO_IO, passkey=None, yes=True, secure=True):
    """Connected, bled in that role, with values that need security; io and capability are what each side can."""
    management, _ = await controllers(scene, kind)
    bluez = await Bluez(scene).start()
    bled = await Bled(scene, 'hci0').start()
    await bled.put('y', Io=io)
    await bled.put('b', Mitm=io != NO_IO)
    _, mine = await bled.activate()
    agent = Agent(bluez, capability, passkey, yes)

    async def again():
        await agent.register()
        await bluez.bus.put(NAME, bluez.path, 'org.bluez.Adapter1', 'Pairable', 'b', True)
        await management.secure_connections(1, secure)

    await again()
    await bled.server('AddService', 'saa{sv}a{sv}', 'a000', [
        characteristic(VALUES[name], flags, name.encode()) for name, flags in FLAGS.items()], {})
    await bled.call(PAIRING, 'Attend', 'a{sv}', {})
    pair = Pair(bled, bluez, agent, mine, await bluez.address(), again)
    await pair.connect(role)
    return pair


async def begin(pair, role):
    """Whoever is central begins; returns the mark before it and what is under way."""
    mark = pair.bled.bus.mark()
    under_way = asyncio.ensure_future(pair.pair() if role == 'central' else pair.pair_from_bluez())
    return mark, under_way


@scenario('legacy', 'extended')
async def just_works_as_initiator(scene, kind):
    pair = await people(scene, kind, 'central', 'NoInputNoOutput')
    mark = pair.bled.bus.mark()
    assert await pair.pair() == [True, False, True, 16]
    await pair.outcome(mark, authenticated=False)


@scenario('legacy', 'extended')
async def just_works_as_responder(scene, kind):
    pair = await people(scene, kind, 'peripheral', 'NoInputNoOutput')
    mark, pairing = await begin(pair, 'peripheral')
    await pairing
    await pair.outcome(mark, authenticated=False)


@scenario('central', 'peripheral')
async def numeric_comparison_with_bluez(scene, role):
    pair = await people(scene, 'legacy', role, 'DisplayYesNo', DISPLAY_YES_NO)
    mark, pairing = await begin(pair, role)
    number = await pair.asked(COMPARE, mark)
    await until(lambda: pair.agent.seen('RequestConfirmation'), 'number to confirm')
    assert pair.agent.seen('RequestConfirmation') == [number], (pair.agent.asked, number)
    await pair.answer(COMPARE, 1)
    await pairing
    await pair.outcome(mark, authenticated=True)


@scenario('central', 'peripheral')
async def numeric_comparison_refused_by_bled(scene, role):
    pair = await people(scene, 'legacy', role, 'DisplayYesNo', DISPLAY_YES_NO)
    mark, pairing = await begin(pair, role)
    await pair.asked(COMPARE, mark)
    await pair.answer(COMPARE, 0)
    await refused(pairing)
    await pair.failed(mark, NUMERIC_COMPARISON_FAILED)


@scenario('central', 'peripheral')
async def numeric_comparison_refused_by_bluez(scene, role):
    pair = await people(scene, 'legacy', role, 'DisplayYesNo', DISPLAY_YES_NO, yes=False)
    mark, pairing = await begin(pair, role)
    await refused(pairing)
    # The kernel's word for its agent's no.
    await pair.failed(mark, NUMERIC_COMPARISON_FAILED)


async def refused(pairing):
    try:
        await pairing
    except Failure:
        return
    raise AssertionError('it was not refused')


@scenario('central', 'peripheral')
async def passkey_that_bled_displays(scene, role):
    pair = await people(scene, 'legacy', role, 'KeyboardOnly', DISPLAY_ONLY, passkey=271828)
    mark, pairing = await begin(pair, role)
    await pair.asked(DISPLAY, mark)
    await pair.answer(DISPLAY, 271828)
    await pairing
    await pair.outcome(mark, authenticated=True)
    assert [name for name, _ in pair.agent.asked] == ['RequestPasskey'], pair.agent.asked


@scenario('central', 'peripheral')
async def passkey_that_is_entered_at_bled(scene, role):
    pair = await people(scene, 'legacy', role, 'DisplayOnly', KEYBOARD_ONLY)
    mark, pairing = await begin(pair, role)
    await pair.asked(INPUT, mark)
    await pair.answer(INPUT, await pair.agent.displayed())
    await pairing
    await pair.outcome(mark, authenticated=True)


@scenario('central', 'peripheral')
async def wrong_passkey_entered_at_bluez(scene, role):
    pair = await people(scene, 'legacy', role, 'KeyboardOnly', DISPLAY_ONLY, passkey=111111)
    mark, pairing = await begin(pair, role)
    await pair.asked(DISPLAY, mark)
    await pair.answer(DISPLAY, 271828)
    await refused(pairing)
    await pair.failed(mark, CONFIRM_VALUE_FAILED)


@scenario('central', 'peripheral')
async def wrong_passkey_entered_at_bled(scene, role):
    pair = await people(scene, 'legacy', role, 'DisplayOnly', KEYBOARD_ONLY)
    mark, pairing = await begin(pair, role)
    await pair.asked(INPUT, mark)
    await pair.answer(INPUT, (await pair.agent.displayed() + 1) % 1000000)
    await refused(pairing)
    await pair.failed(mark, CONFIRM_VALUE_FAILED)


@scenario('central', 'peripheral')
async def passkey_refused_by_bluez(scene, role):
    pair = await people(scene, 'legacy', role, 'KeyboardOnly', DISPLAY_ONLY)
    mark, pairing = await begin(pair, role)
    await pair.asked(DISPLAY, mark)
    await pair.answer(DISPLAY, 1)
    await refused(pairing)
    await pair.failed(mark, PASSKEY_ENTRY_FAILED)


@scenario('central', 'peripheral')
async def legacy_pairing_with_bluez(scene, role):
    pair = await people(scene, 'legacy', role, 'NoInputNoOutput', secure=False)
    mark, pairing = await begin(pair, role)
    await pairing
    await pair.outcome(mark, authenticated=False, secure_connections=False)


@scenario('central', 'peripheral')
async def legacy_passkey_with_bluez(scene, role):
    pair = await people(scene, 'legacy', role, 'KeyboardOnly', DISPLAY_ONLY, passkey=271828, secure=False)
    mark, pairing = await begin(pair, role)
    await pair.asked(DISPLAY, mark)
    await pair.answer(DISPLAY, 271828)
    await pairing
    await pair.outcome(mark, authenticated=True, secure_connections=False)


@scenario('central', 'peripheral')
async def le_secure_refuses_a_bluez_of_legacy(scene, role):
    pair = await people(scene, 'legacy', role, 'NoInputNoOutput', secure=False)
    await pair.bled.put('b', LeSecure=True)
    mark, pairing = await begin(pair, role)
    await refused(pairing)
    await pair.failed(mark, AUTHENTICATION_REQUIREMENTS)


@scenario('central', 'peripheral')
async def le_secure_pairs_with_a_bluez_of_secure_connections(scene, role):
    pair = await people(scene, 'legacy', role, 'KeyboardOnly', DISPLAY_ONLY, passkey=271828)
    await pair.bled.put('b', LeSecure=True)
    mark, pairing = await begin(pair, role)
    await pair.asked(DISPLAY, mark)
    await pair.answer(DISPLAY, 271828)
    await pairing
    await pair.outcome(mark, authenticated=True)


@scenario('central')
async def bluez_of_secure_connections_only_gives_up_a_link_that_it_has_encrypted(scene, role):
    """This kernel asks a link for a BR/EDR key then, which no LE link has: the whole pairing is good, and the link is
    ended (0x05) where it is encrypted. No reason of the Security Manager's may come, and no bond stay."""
    pair = await people(scene, 'legacy', role, 'KeyboardOnly', DISPLAY_ONLY, passkey=271828, secure=SECURE_ONLY)
    mark, pairing = await begin(pair, role)
    await pair.asked(DISPLAY, mark)
    await pair.answer(DISPLAY, 271828)
    await refused(pairing)
    await pair.failed(mark, 0x105 - SMP)


async def encrypted_again(pair, role, authenticated):
    """Encrypted with the stored key, as good as before, and nobody was asked."""
    pair.agent.asked.clear()
    mark = pair.bled.bus.mark()
    await pair.connect(role)
    told = await pair.bled.bus.signal('EncryptionUpdated', mark)
    assert told.body == [pair.conn, True, authenticated, True, 16], told
    assert not pair.bled.bus.seen('BondAdded', mark) and not pair.bled.bus.seen('PairingFailed', mark)
    assert not pair.bled.bus.seen('PasskeyAction', mark) and pair.agent.asked == []


async def come_back(pair, role, authenticated):
    """After a disconnection, a restart of bled, and one of bluetoothd."""
    await pair.disconnect()
    await encrypted_again(pair, role, authenticated)
    await pair.disconnect()
    await pair.bled.restart()
    assert (await pair.bled.activate())[1] == pair.mine
    await encrypted_again(pair, role, authenticated)
    await pair.disconnect()
    await pair.bluez.restart()
    await pair.again()
    pair.advertisement = None
    await encrypted_again(pair, role, authenticated)


@scenario('central', 'peripheral')
async def keys_serve_again_after_restarts(scene, role):
    pair = await people(scene, 'extended', role, 'NoInputNoOutput')
    _, pairing = await begin(pair, role)
    await pairing
    await come_back(pair, role, authenticated=False)


@scenario('central', 'peripheral')
async def legacy_keys_serve_again_after_restarts(scene, role):
    pair = await people(scene, 'legacy', role, 'KeyboardOnly', DISPLAY_ONLY, passkey=271828, secure=False)
    mark, pairing = await begin(pair, role)
    await pair.asked(DISPLAY, mark)
    await pair.answer(DISPLAY, 271828)
    await pairing
    await come_back(pair, role, authenticated=True)


@scenario('legacy')
async def bluez_reads_what_needs_security_after_it_has_paired(scene, kind):
    pair = await people(scene, kind, 'peripheral', 'KeyboardOnly', DISPLAY_ONLY, passkey=271828)
    remote = await Remote(pair.bluez, pair.mine).resolved()
    assert await remote.read(uuid16(0xb000)) == b'open'
    mark, pairing = await begin(pair, 'peripheral')
    await pair.asked(DISPLAY, mark)
    await pair.answer(DISPLAY, 271828)
    await pairing
    await pair.outcome(mark, authenticated=True)
    assert await remote.read(uuid16(0xb001)) == b'secret'
    assert await remote.read(uuid16(0xb002)) == b'guarded'
    await remote.write(uuid16(0xb002), b'changed', type=('s', 'request'))
    assert await remote.read(uuid16(0xb002)) == b'changed'


@scenario('legacy')
async def bluez_pairs_by_itself_for_what_needs_encryption(scene, kind):
    pair = await people(scene, kind, 'peripheral', 'NoInputNoOutput')
    remote = await Remote(pair.bluez, pair.mine).resolved()
    mark = pair.bled.bus.mark()
    reading = asyncio.ensure_future(remote.read(uuid16(0xb001)))
    await pair.outcome(mark, authenticated=False)
    # The kernel takes no data while it pairs, so this bluetoothd's second attempt is never sent, and fails late.
    await pair.disconnect()
    await asyncio.gather(reading, return_exceptions=True)
    await encrypted_again(pair, 'peripheral', authenticated=False)
    await remote.resolved()
    assert await remote.read(uuid16(0xb001)) == b'secret'


@scenario('central', 'peripheral')
async def a_bond_that_bluez_has_lost_is_told_and_kept(scene, role):
    pair = await people(scene, 'legacy', role, 'NoInputNoOutput')
    _, pairing = await begin(pair, role)
    await pairing
    await pair.disconnect()
    await pair.bluez.forget(pair.mine)
    mark = pair.bled.bus.mark()
    await pair.connect(role)
    if role == 'peripheral':  # BlueZ knows of no bond, and pairs
        await refused(pair.pair_from_bluez())
    told = await pair.bled.bus.signal('PairingFailed', mark)
    assert told.body == [pair.conn, 0x106], told
    (bonds,) = await pair.bled.call(PAIRING, 'ListBonds')
    assert [item[1] for item in bonds] == [pair.theirs], bonds


async def find_by_name(bled, name):
    """(type, address) of the advertiser of that name, whatever address it has now."""
    found = []

    async def look():
        (seen,) = await bled.call(OBSERVER, 'Discover', 'ua{sv}', 1500, options(active=('b', True)))
        found[:] = [(kind, address) for kind, address, _, _, fields in seen if fields.get('name') == name]
        return found

    await until(look, f'advertiser {name}')
    return found[0]


@scenario('legacy', 'extended')
async def bluez_with_privacy_is_found_again_by_its_identity(scene, kind):
    await controllers(scene, kind)
    bluez = await Bluez(scene, privacy='device').start()
    bled = await Bled(scene, 'hci0').start()
    _, mine = await bled.activate()
    theirs = await bluez.address()
    agent = await Agent(bluez, 'NoInputNoOutput').register()
    await bluez.bus.put(NAME, bluez.path, 'org.bluez.Adapter1', 'Pairable', 'b', True)
    await bluez.advertise('private')
    address_kind, address = await find_by_name(bled, 'private')
    assert address_kind == 1 and 0x40 <= int(address[:2], 16) <= 0x7f, address

    pair = Pair(bled, bluez, agent, mine, theirs, None)
    pair.conn = await bled.connect(address_kind, address)
    mark = bled.bus.mark()
    assert await pair.pair() == [True, False, True, 16]
    await pair.outcome(mark, authenticated=False)
    assert await bled.get(CONNECTION, 'IdentityAddress', connection_path(pair.conn)) == theirs
    await pair.disconnect()

    mark = bled.bus.mark()
    pair.conn = await bled.connect(0, theirs)
    told = await bled.bus.signal('EncryptionUpdated', mark)
    assert told.body == [pair.conn, True, False, True, 16], told
    assert not bled.bus.seen('BondAdded', mark)


@scenario('legacy', 'extended')
async def bluez_finds_bled_with_privacy_again(scene, kind):
    await controllers(scene, kind)
    bluez = await Bluez(scene).start()
    bled = await Bled(scene, 'hci0').start()
    await bled.put('y', AddrMode=2)
    _, mine = await bled.activate()
    agent = await Agent(bluez, 'NoInputNoOutput').register()
    await bluez.bus.put(NAME, bluez.path, 'org.bluez.Adapter1', 'Pairable', 'b', True)
    pair = Pair(bled, bluez, agent, mine, await bluez.address(), None)
    await pair.connect('peripheral')
    mark, pairing = await begin(pair, 'peripheral')
    await pairing
    await pair.outcome(mark, authenticated=False)
    # bluetoothd keeps the object and knows by now whose it is.
    identity = (await bled.get(ADAPTER, 'Identity'))[1]
    await bluez.device(mine, Address=identity)
    await pair.disconnect()
    await encrypted_again(pair, 'peripheral', authenticated=False)
