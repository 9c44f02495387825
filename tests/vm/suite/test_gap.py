"""bled on hci0 and BlueZ on hci1 find each other and connect, both ways round, on both kinds of controllers.

Connect with `auto` is tested on the simulated radio: btvirt's Create Connection does not know the accept list.
"""

import asyncio

from bled import ADAPTER, CENTRAL, CONNECTION, Bled, Failure, connection_path
from bluez import Bluez, uuid16
from kernel import BY_THE_PEER, controllers
from world import scenario

MANUFACTURER = {0x0059: b'\x01\x02\x03\x04'}
HEART_RATE = uuid16(0x180d)

# HCI errors as a status, 0x100 + the reason. btvirt tells the initiator of a disconnection the same as its peer;
# "terminated by the local host" is what another controller says there.
TERMINATED_BY_PEER = 0x113
TERMINATED_HERE = (0x113, 0x116)


async def both(scene, kind, **given):
    """bled active on hci0, BlueZ powered on hci1; returns what watches the kernel, bled, BlueZ, both addresses."""
    management, _ = await controllers(scene, kind)
    bluez = await Bluez(scene, **given).start()
    bled = await Bled(scene, 'hci0').start()
    _, mine = await bled.activate()
    return management, bled, bluez, mine, await bluez.address()


async def bled_to_bluez(scene, kind):
    """As both(), with a connection that bled made; returns also its number and the mark before it."""
    management, bled, bluez, mine, theirs = await both(scene, kind)
    await bluez.advertise('target')
    mark = bled.bus.mark()
    conn = await bled.connect(0, theirs)
    await bluez.device(mine, Connected=True)
    return management, bled, bluez, mine, theirs, conn, mark


async def bluez_to_bled(scene, kind):
    """As both(), with a connection that BlueZ made; returns also its number and the mark before it."""
    management, bled, bluez, mine, theirs = await both(scene, kind)
    await bluez.discover()
    await bled.advertise(name=('s', 'target'))
    await bluez.device(mine, Name='target')
    # The kernel connects on what it hears; while a discovery scans, that is late.
    await bluez.stop_discovery()
    mark = bled.bus.mark()
    await bluez.connect(mine)
    connected = await bled.bus.signal('CentralConnected', since=mark)
    return management, bled, bluez, mine, theirs, connected.body[0], mark


async def check_end(bled, conn, peer, role, status, mark):
    """The end of a link as clients see it: the signals in order, the object gone."""
    ended = {'central': 'PeripheralDisconnected', 'peripheral': 'CentralDisconnected'}[role]
    last = await bled.bus.signal('InterfacesRemoved', since=mark)
    assert last.body[0] == connection_path(conn), last
    order = ('Disconnected', ended, 'InterfacesRemoved')
    seen = [item for item in bled.bus.signals[mark:] if item.member in order]
    assert [item.member for item in seen] == list(order), seen
    assert seen[0].body[0] == conn and seen[0].body[1] in status, seen[0]
    assert seen[1].body == [conn, 0, peer], seen[1]
    assert await bled.connections() == []


@scenario('legacy', 'extended')
async def bluez_discovers_what_bled_advertises(scene, kind):
    _, bled, bluez, mine, _ = await both(scene, kind)
    await bluez.discover()
    await bled.advertise(name=('s', 'bled here'), services=('as', ['180d', '180f']),
                         manufacturer_data=('a{qay}', MANUFACTURER))
    device = await bluez.device(mine, Name='bled here', UUIDs=[HEART_RATE, uuid16(0x180f)],
                                ManufacturerData=MANUFACTURER)
    assert device['AddressType'] == 'public', device


@scenario('legacy', 'extended')
async def bluez_discovers_bled_under_a_random_static_address(scene, kind):
    management, _ = await controllers(scene, kind)
    bluez = await Bluez(scene).start()
    bled = await Bled(scene, 'hci0').start()
    await bled.bus.put('org.bled', '/org/bled/hci0', ADAPTER, 'AddrMode', 'y', 1)
    kind_of_address, mine = await bled.activate()
    assert kind_of_address == 1 and int(mine[:2], 16) >= 0xc0, (kind_of_address, mine)
    await bluez.discover()
    await bled.advertise(name=('s', 'random'))
    device = await bluez.device(mine, Name='random')
    assert device['AddressType'] == 'random', device


@scenario('legacy', 'extended')
async def bluez_connects_to_a_resolvable_private_address(scene, kind):
    await controllers(scene, kind)
    bluez = await Bluez(scene).start()
    bled = await Bled(scene, 'hci0').start()
    await bled.bus.put('org.bled', '/org/bled/hci0', ADAPTER, 'AddrMode', 'y', 2)
    kind_of_address, mine = await bled.activate()
    assert kind_of_address == 1 and 0x40 <= int(mine[:2], 16) <= 0x7f, (kind_of_address, mine)
    await bluez.discover()
    await bled.advertise(name=('s', 'private'))
    await bluez.device(mine, Name='private', AddressType='random')
    await bluez.stop_discovery()
    await bluez.connect(mine)
    await bled.bus.signal('CentralConnected')


@scenario('extended')
async def bluez_discovers_what_bled_advertises_by_extended_packets(scene, kind):
    # btvirt announces and then does not know how much it takes, so bled takes it for the least there is, 31 bytes.
    _, bled, bluez, mine, _ = await both(scene, kind)
    await bluez.discover()
    await bled.advertise(extended=('b', True), connectable=('b', False), scannable=('b', False),
                         name=('s', 'far'), manufacturer_data=('a{qay}', MANUFACTURER))
    await bluez.device(mine, Name='far', ManufacturerData=MANUFACTURER)


@scenario('legacy', 'extended')
async def bled_discovers_what_bluez_advertises(scene, kind):
    _, bled, bluez, _, theirs = await both(scene, kind)
    await bluez.advertise('bluez here', [HEART_RATE], MANUFACTURER)
    found = await bled.find(theirs, name='bluez here', services=['180d'], manufacturer_data=MANUFACTURER)
    assert found['type'] == 0 and found['connectable'] is True, found
    # btvirt gives none: "not available".
    assert found['rssi'] == 127, found


@scenario('legacy', 'extended')
async def bled_connects_to_bluez_and_disconnects(scene, kind):
    management, bled, bluez, mine, theirs, conn, mark = await bled_to_bluez(scene, kind)
    connected = await bled.bus.signal('PeripheralConnected', since=mark)
    assert connected.body == [conn, 0, theirs], connected
    added = await bled.bus.signal('InterfacesAdded', since=mark)
    assert added.body[0] == connection_path(conn), added
    assert bled.bus.signals.index(added) < bled.bus.signals.index(connected)
    about = await bled.all(CONNECTION, connection_path(conn))
    assert (about['Role'], about['PeerAddress'], about['PeerAddressType']) == ('central', theirs, 0), about
    assert about['Conn'] == conn and 24 <= about['Interval'] <= 40, about

    mark = bled.bus.mark()
    assert await bled.disconnect(conn) is True
    await check_end(bled, conn, theirs, 'central', TERMINATED_HERE, mark)
    assert await management.end_of(1, mine) == BY_THE_PEER
    await bluez.device(mine, Connected=False)
    assert await bled.disconnect(conn) is False


@scenario('legacy', 'extended')
async def bluez_ends_a_link_that_bled_made(scene, kind):
    _, bled, bluez, mine, theirs, conn, _ = await bled_to_bluez(scene, kind)
    mark = bled.bus.mark()
    await bluez.disconnect(mine)
    await check_end(bled, conn, theirs, 'central', (TERMINATED_BY_PEER,), mark)


@scenario('legacy', 'extended')
async def bluez_connects_to_bled_and_disconnects(scene, kind):
    _, bled, bluez, mine, theirs, conn, mark = await bluez_to_bled(scene, kind)
    connected = await bled.bus.signal('CentralConnected', since=mark)
    assert connected.body == [conn, 0, theirs], connected
    added = await bled.bus.signal('InterfacesAdded', since=mark)
    assert added.body[0] == connection_path(conn), added
    stopped = await bled.bus.signal('AdvertisingStopped', since=mark)
    assert stopped.body == [0, 0], stopped
    about = await bled.all(CONNECTION, connection_path(conn))
    assert (about['Role'], about['PeerAddress'], about['PeerAddressType']) == ('peripheral', theirs, 0), about

    mark = bled.bus.mark()
    await bluez.disconnect(mine)
    await check_end(bled, conn, theirs, 'peripheral', (TERMINATED_BY_PEER,), mark)


@scenario('legacy', 'extended')
async def bled_ends_a_link_that_bluez_made(scene, kind):
    management, bled, bluez, mine, theirs, conn, _ = await bluez_to_bled(scene, kind)
    mark = bled.bus.mark()
    assert await bled.disconnect(conn, force=('b', True)) is True
    await check_end(bled, conn, theirs, 'peripheral', TERMINATED_HERE, mark)
    assert await management.end_of(1, mine) == BY_THE_PEER
    await bluez.device(mine, Connected=False)


@scenario('legacy', 'extended')
async def a_resumed_advertisement_is_back_after_the_connection(scene, kind):
    _, bled, bluez, mine, _ = await both(scene, kind)
    await bluez.discover()
    await bled.advertise(name=('s', 'again'), resume=('b', True))
    await bluez.device(mine, Name='again')
    for _ in range(2):
        await bluez.stop_discovery()
        mark = bled.bus.mark()
        await bluez.connect(mine)
        await bled.bus.signal('CentralConnected', since=mark)
        await bluez.disconnect(mine)
        await bled.bus.signal('CentralDisconnected', since=mark)
        await bluez.device(mine, Connected=False)
        await bluez.forget(mine)
        await bluez.discover()
        await bluez.device(mine, Name='again')


async def update(bled, conn):
    """Asks for another interval and returns when the reply, the signal and the object agree on it."""
    mark = bled.bus.mark()
    # Linux refuses as a peer what is above its own limit for this link, 70 ms.
    interval, latency, timeout = await bled.update(
        conn, min_conn_interval_us=('u', 20000), max_conn_interval_us=('u', 20000), latency=('q', 2),
        supervision_timeout_ms=('u', 3000))
    assert (interval, latency, timeout) == (16, 2, 300), (interval, latency, timeout)
    changed = await bled.bus.signal('ConnectionUpdated', since=mark)
    assert changed.body == [conn, 16, 2, 300, 0], changed
    about = await bled.all(CONNECTION, connection_path(conn))
    assert (about['Interval'], about['Latency'], about['SupervisionTimeout']) == (16, 2, 300), about


@scenario('legacy', 'extended')
async def bled_as_central_updates_the_parameters(scene, kind):
    _, bled, _, _, _, conn, _ = await bled_to_bluez(scene, kind)
    await update(bled, conn)


@scenario('legacy', 'extended')
async def bled_as_peripheral_asks_bluez_for_parameters(scene, kind):
    # On these legacy controllers by the link layer's request, on the extended ones by L2CAP signalling.
    _, bled, _, _, _, conn, _ = await bluez_to_bled(scene, kind)
    await update(bled, conn)


async def check_attempt_is_gone(bled, bluez, theirs, mark):
    """An attempt that came to nothing was told of, and is not in the way of the next one."""
    gone = await bled.bus.signal('PeripheralDisconnected', since=mark)
    assert gone.body == [0xffff, 0, theirs], gone
    await bluez.advertise('target')
    conn = await bled.connect(0, theirs)
    assert await bled.disconnect(conn) is True


@scenario('legacy', 'extended')
async def connecting_to_nobody_runs_out(scene, kind):
    # btvirt ends such an attempt at once with 0x3E; bled goes on trying until its time is over.
    _, bled, bluez, _, theirs = await both(scene, kind)
    mark = bled.bus.mark()
    try:
        await bled.connect(0, theirs, scan_duration_ms=('u', 500))
    except Failure as failure:
        assert failure.name == 'org.bled.Error.Timeout', failure
    else:
        raise AssertionError('connected to nobody')
    await check_attempt_is_gone(bled, bluez, theirs, mark)


@scenario('legacy', 'extended')
async def an_attempt_under_way_can_be_cancelled(scene, kind):
    _, bled, bluez, _, theirs = await both(scene, kind)
    mark = bled.bus.mark()
    attempt = asyncio.ensure_future(bled.connect(0, theirs, scan_duration_ms=('u', 60000)))
    # A round trip later the attempt's call is on its way, and CancelConnect comes after it.
    await bled.get(ADAPTER, 'Active')
    await bled.call(CENTRAL, 'CancelConnect', 'ys', 0, theirs)
    try:
        await attempt
    except Failure as failure:
        assert failure.name == 'org.bled.Error.Canceled', failure
    else:
        raise AssertionError('connected to nobody')
    await check_attempt_is_gone(bled, bluez, theirs, mark)
