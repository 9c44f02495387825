"""Private addresses on a real kernel: what btvirt's controllers and BlueZ make of bled's, and bled of BlueZ's."""

from agent import Agent
from bled import ADAPTER, CONNECTION, Bled, connection_path
from bluez import DEVICE, NAME, Bluez
from kernel import controllers
from test_pairing import Pair, begin
from world import scenario, until

RPA, NRPA = 0x40, 0x00


def is_private(address, kind=RPA):
    return int(address[:2], 16) & 0xc0 == kind


async def addresses(bluez, name):
    """Under which addresses bluetoothd has seen an advertiser of that name."""
    devices = [item[DEVICE] for item in (await bluez.bus.objects(NAME)).values() if DEVICE in item]
    return {item['Address'] for item in devices if item.get('Name') == name}


@scenario('legacy', 'extended')
async def private_addresses_follow_each_other_and_the_identity_is_not_seen(scene, kind):
    await controllers(scene, kind)
    bluez = await Bluez(scene).start()
    bled = await Bled(scene, 'hci0', config='[adapter]\naddr-mode = rpa\nrpa-timeout = 1\n').start()
    await bled.activate()
    identity = (await bled.get(ADAPTER, 'Identity'))[1]
    await bluez.discover()
    await bled.advertise(name=('s', 'private'))

    async def several():
        found = await addresses(bluez, 'private')
        return len(found) >= 3 and found

    found = await until(several, 'three addresses')
    assert all(is_private(address) for address in found), found
    known = [item[DEVICE]['Address'] for item in (await bluez.bus.objects(NAME)).values() if DEVICE in item]
    assert identity not in known, known
    # btvirt's extended controllers take entries of a resolving list, and do nothing with them.
    complaints = [line for line in bled.process.lines if 'resolving list cannot be used' in line]
    assert len(complaints) == (kind == 'extended'), complaints


@scenario('legacy', 'extended')
async def addresses_that_nobody_can_resolve(scene, kind):
    await controllers(scene, kind)
    bluez = await Bluez(scene).start()
    bled = await Bled(scene, 'hci0', config='[adapter]\naddr-mode = nrpa\n').start()
    await bled.activate()
    await bluez.discover()
    await bled.advertise(name=('s', 'nobody'), connectable=('b', False))
    found = await until(lambda: addresses(bluez, 'nobody'), 'an advertiser')
    assert all(is_private(address, NRPA) for address in found), found


@scenario('legacy', 'extended')
async def bluez_with_privacy_connects_again_and_is_known(scene, kind):
    await controllers(scene, kind)
    bluez = await Bluez(scene, privacy='device').start()
    bled = await Bled(scene, 'hci0').start()
    _, mine = await bled.activate()
    theirs = await bluez.address()
    agent = await Agent(bluez, 'NoInputNoOutput').register()
    await bluez.bus.put(NAME, bluez.path, 'org.bluez.Adapter1', 'Pairable', 'b', True)
    pair = Pair(bled, bluez, agent, mine, theirs, None)
    await pair.connect('peripheral')
    first = await bled.get(CONNECTION, 'PeerAddress', connection_path(pair.conn))
    assert is_private(first), first
    mark, pairing = await begin(pair, 'peripheral')
    await pairing
    await pair.outcome(mark, authenticated=False)
    await pair.disconnect()

    mark = await pair.reconnected('peripheral')
    path = connection_path(pair.conn)
    assert is_private(await bled.get(CONNECTION, 'PeerAddress', path))
    assert await bled.get(CONNECTION, 'IdentityAddress', path) == theirs
    told = await bled.bus.signal('EncryptionUpdated', mark)
    assert told.body == [pair.conn, True, False, True, 16], told
    assert not bled.bus.seen('BondAdded', mark)
