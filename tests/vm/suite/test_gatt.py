"""GATT with BlueZ as the peer, both ways round: bluetoothd and gatttool as clients of bled's server, and bled as the
client of an application that bluetoothd serves."""

import asyncio

from bled import CONNECTION, GATT_CLIENT, GATT_SERVER, Failure, Stream, connection_path
from bluez import uuid16
from bus import options
from gatt import CHARACTERISTIC, DESCRIPTOR, SERVICE, Application, Remote
from kernel import hciconfig
from test_gap import both
from world import Process, scenario, until

# Of characteristics and descriptors: what bled's API calls flags.
READ, WRITE_NO_RESPONSE, WRITE, NOTIFY, INDICATE = 0x02, 0x04, 0x08, 0x10, 0x20

LONG = bytes(n * 7 % 251 for n in range(400))


def characteristic(uuid, flags, value=b'', **more):
    return options(uuid=('s', uuid), flags=('u', flags), value=('ay', bytes(value)), **more)


async def add_services(bled):
    """What the tests of bled's server read and write: returns the handles by UUID."""
    first = ['b000', 'b001', 'b002', 'b003', 'c000', 'b004']
    _, handles = await bled.server(
        'AddService', 'saa{sv}a{sv}', 'a000',
        [characteristic('b000', READ | WRITE | WRITE_NO_RESPONSE, b'short'),
         characteristic('b001', READ | WRITE, LONG),
         characteristic('b002', NOTIFY | READ, b'n'),
         characteristic('b003', INDICATE | READ, b'i', descriptors=('aa{sv}', [
             options(uuid=('s', 'c000'), flags=('u', READ | WRITE), value=('ay', b'described'))])),
         characteristic('b004', READ | WRITE, b'ask', authorize_reads=('b', True), authorize_writes=('b', True))],
        {})
    assert len(handles) == len(first), handles
    return dict(zip(first, handles))


async def served(scene, kind, **given):
    """bled with services, BlueZ connected to it as client and done with discovering."""
    _, bled, bluez, mine, _ = await both(scene, kind, **given)
    handles = await add_services(bled)
    await bluez.discover()
    await bled.advertise(name=('s', 'served'), resume=('b', True))
    await bluez.device(mine, Name='served')
    await bluez.stop_discovery()
    mark = bled.bus.mark()
    await bluez.connect(mine)
    conn = (await bled.bus.signal('CentralConnected', since=mark)).body[0]
    return bled, bluez, await Remote(bluez, mine).resolved(), conn, handles


@scenario('legacy', 'extended')
async def bluez_resolves_the_services_of_bled(scene, kind):
    bled, _, remote, conn, handles = await served(scene, kind)
    assert uuid16(0xa000) in await remote.uuids(SERVICE)
    flags = {properties['UUID']: properties['Flags'] for _, properties in await remote.list(CHARACTERISTIC)}
    assert flags[uuid16(0xb000)] == ['read', 'write-without-response', 'write'], flags
    assert flags[uuid16(0xb002)] == ['read', 'notify'], flags
    assert flags[uuid16(0xb003)] == ['read', 'indicate'], flags
    assert uuid16(0xc000) in await remote.uuids(DESCRIPTOR)
    # Handles are part of the paths: they are those that AddService told.
    path = await remote.find(CHARACTERISTIC, uuid16(0xb000))
    assert path.endswith(f'char{handles["b000"] - 1:04x}'), (path, handles)
    # bluetoothd exchanges the MTU of its own accord; bled offers 256.
    assert await bled.get(CONNECTION, 'Mtu', connection_path(conn)) == 256
    exchanged = bled.bus.seen('MtuExchanged', arg0=conn)
    assert [item.body[1] for item in exchanged] == [256], exchanged


@scenario('legacy', 'extended')
async def bluez_reads_and_writes_values_of_bled(scene, kind):
    bled, _, remote, conn, handles = await served(scene, kind)
    assert await remote.read(uuid16(0xb000)) == b'short'
    assert await remote.read(uuid16(0xb001)) == LONG
    assert await remote.read(uuid16(0xb001), offset=('q', 390)) == LONG[390:]
    assert await remote.read(uuid16(0xc000), DESCRIPTOR) == b'described'

    mark = bled.bus.mark()
    for number, (uuid, value, how) in enumerate([
            ('b000', b'request', 'request'), ('b000', b'command', 'command'), ('b001', LONG[::-1], 'request'),
            ('b001', b'reliable', 'reliable')]):
        await remote.write(uuid16(int(uuid, 16)), value, type=('s', how))
        await until(lambda: len(bled.bus.seen('Written', mark)) == number + 1, f'{how} of {len(value)}')
        written = bled.bus.seen('Written', mark)[-1]
        assert [written.body[0], written.body[1], bytes(written.body[2])] == [conn, handles[uuid], value], written
        assert bytes((await bled.server('Read', 'q', handles[uuid]))[0]) == value
    await remote.write(uuid16(0xc000), b'told', DESCRIPTOR)
    written = await bled.bus.signal('Written', mark, arg1=handles['c000'])
    assert bytes(written.body[2]) == b'told', written


@scenario('legacy')
async def bluez_is_told_what_bled_refuses(scene, kind):
    bled, _, remote, conn, handles = await served(scene, kind)

    async def refused(what, *words):
        try:
            await what
        except Failure as failure:
            assert any(word.lower() in str(failure).lower() for word in words), failure
        else:
            raise AssertionError(f'not refused: {words}')

    # Each read and write of b004 is the application's to answer.
    mark = bled.bus.mark()
    reading = asyncio.ensure_future(remote.read(uuid16(0xb004)))
    asked = await bled.bus.signal('ReadRequested', mark)
    assert asked.body[1:] == [conn, handles['b004']], asked
    await bled.server('Reply', 'uqa{sv}', asked.body[0], 0, options(value=('ay', b'answer')))
    assert await reading == b'answer'
    reading = asyncio.ensure_future(remote.read(uuid16(0xb004)))
    await until(lambda: len(bled.bus.seen('ReadRequested', mark)) == 2, 'second request')
    await bled.server('Reply', 'uqa{sv}', bled.bus.seen('ReadRequested', mark)[1].body[0], 0x02, {})
    await refused(reading, 'NotPermitted')
    writing = asyncio.ensure_future(remote.write(uuid16(0xb004), b'please', type=('s', 'request')))
    asked = await bled.bus.signal('WriteRequested', mark)
    assert bytes(asked.body[3]) == b'please', asked
    await bled.server('Reply', 'uqa{sv}', asked.body[0], 0x80, {})
    await refused(writing, '0x80')
    # Nobody answers: after 5 s the default, Insufficient Authorization.
    await refused(remote.read(uuid16(0xb004)), 'NotAuthorized', 'NotPermitted')
    # What is too long for a value.
    await refused(remote.write(uuid16(0xc000), bytes(600), DESCRIPTOR), 'InvalidArguments', 'length', 'Failed')
    assert bytes((await bled.server('Read', 'q', handles['c000']))[0]) == b'described'


@scenario('legacy', 'extended')
async def bluez_hears_notifications_and_indications_of_bled(scene, kind):
    bled, bluez, remote, conn, handles = await served(scene, kind)
    for uuid, bits, member in ('b002', 1, 'Notify'), ('b003', 2, 'Indicate'):
        mark = bled.bus.mark()
        await remote.subscribe(uuid16(int(uuid, 16)))
        subscribed = await bled.bus.signal('Subscribed', mark)
        assert subscribed.body == [conn, handles[uuid], bits], subscribed
        heard = bluez.bus.mark()
        sent = [f'{uuid} {number}'.encode() for number in range(20)]
        for number, value in enumerate(sent):
            assert await bled.server(member, 'qqa{sv}', conn, handles[uuid],
                                     options(value=('ay', value))) == [len(value)]
            # bluetoothd joins values that come faster than it signals.
            await remote.values(uuid16(int(uuid, 16)), number + 1, heard)
        assert await remote.values(uuid16(int(uuid, 16)), len(sent), heard) == sent
        # Write with send_update does the same for who subscribed.
        await bled.server('Write', 'qayb', handles[uuid], b'update', True)
        assert (await remote.values(uuid16(int(uuid, 16)), len(sent) + 1, heard))[-1] == b'update'
        await remote.subscribe(uuid16(int(uuid, 16)), 'StopNotify')
        assert (await bled.bus.signal('Subscribed', mark, arg2=0)).body[1] == handles[uuid]
    done = bled.bus.seen('IndicateDone', arg1=handles['b003'])
    assert len(done) == 21 and all(item.body[2] == 0 for item in done), done


@scenario('legacy')
async def bluez_follows_services_that_come_and_go(scene, kind):
    bled, _, remote, _, handles = await served(scene, kind)
    await remote.find(CHARACTERISTIC, uuid16(0xb000))
    service, (value,) = await bled.server('AddService', 'saa{sv}a{sv}', 'a111',
                                          [characteristic('b111', READ, b'late')], {})
    assert service > max(handles.values()), (service, handles)
    await remote.find(SERVICE, uuid16(0xa111))
    assert await remote.read(uuid16(0xb111)) == b'late'
    (more,) = (await bled.server('AddCharacteristic', 'qa{sv}', service, characteristic('b112', READ, b'later')))[0]
    assert more > value
    assert await remote.read(uuid16(0xb112)) == b'later'
    await bled.server('RemoveService', 'q', service)
    await remote.gone(SERVICE, uuid16(0xa111))
    # What stayed has kept its handle and works.
    assert await remote.read(uuid16(0xb000)) == b'short'


@scenario('legacy')
async def bluez_with_a_cache_finds_what_has_changed_since(scene, kind):
    # By the hash, if at all: nobody is there to be told of the change.
    bled, bluez, remote, _, _ = await served(scene, kind, cache='always')
    assert await remote.read(uuid16(0xb000)) == b'short'
    for number in range(2):
        mark = bled.bus.mark()
        await bluez.disconnect(remote.address)
        await bled.bus.signal('CentralDisconnected', mark)
        await bluez.device(remote.address, Connected=False)
        await bled.server('AddService', 'saa{sv}a{sv}', f'a11{number}',
                          [characteristic(f'b11{number}', READ, b'since')], {})
        await bluez.connect(remote.address)
        await remote.resolved()
        await remote.find(SERVICE, uuid16(0xa110 + number))
        assert await remote.read(uuid16(0xb110 + number)) == b'since'
        assert await remote.read(uuid16(0xb000)) == b'short'


@scenario('legacy')
async def bluez_writes_into_and_hears_from_sockets_of_bled(scene, kind):
    bled, bluez, remote, conn, handles = await served(scene, kind)
    stream, mtu = await bled.acquire(GATT_SERVER, 'AcquireWrites', conn, handles['b000'])
    assert mtu == 256 - 3 or mtu == 256, mtu
    path = await remote.find(CHARACTERISTIC, uuid16(0xb000))
    (_, theirs), fds = await bluez.bus.call_fds('org.bluez', path, CHARACTERISTIC, 'AcquireWrite', 'a{sv}', [{}])
    assert theirs >= 250, theirs
    sent = [bytes([number % 256, number // 256]) + bytes(number % 60) for number in range(500)]
    writer = await scene.enter(Stream(fds[0]))
    for value in sent:
        await writer.send(value)
    assert await stream.received(len(sent)) == sent
    assert bled.bus.seen('Written', arg1=handles['b000']) == []

    await remote.subscribe(uuid16(0xb002))
    await bled.bus.signal('Subscribed', arg1=handles['b002'])
    notifier, mtu = await bled.acquire(GATT_SERVER, 'AcquireNotify', conn, handles['b002'])
    mark = bluez.bus.mark()
    for number, value in enumerate(sent[:20]):
        await notifier.send(value)
        await remote.values(uuid16(0xb002), number + 1, mark)
    assert await remote.values(uuid16(0xb002), 20, mark) == sent[:20]
    # Sockets end with the link.
    await bluez.disconnect(remote.address)
    await until(lambda: stream.ended and notifier.ended, 'end of both sockets')


async def gatttool(scene, *arguments):
    """Runs gatttool on hci1, which connects, does one thing, and leaves; returns the lines it printed."""
    process = await scene.enter(Process('gatttool', ['gatttool', '-i', 'hci1', *arguments]))
    await until(lambda: not process.running, f'end of gatttool {arguments}')
    await process.reader
    return process.lines


@scenario('legacy')
async def gatttool_discovers_reads_and_writes(scene, kind):
    _, bled, bluez, mine, _ = await both(scene, kind)
    # gatttool is all that uses hci1, which stays up.
    await bluez.process.stop()
    await hciconfig('hci1', 'up')
    handles = await add_services(bled)
    await bled.advertise(name=('s', 'served'), resume=('b', True))
    done = 0

    async def tool(*arguments):
        nonlocal done
        lines = await gatttool(scene, '-b', mine, *arguments)
        done += 1
        await until(lambda: len(bled.bus.seen('CentralDisconnected')) == done, 'end of the link')
        return lines

    lines = await tool('--primary')
    assert any('uuid: 0000a000' in line for line in lines), lines
    assert any('uuid: 00001801' in line for line in lines) and any('uuid: 00001800' in line for line in lines), lines
    lines = await tool('--characteristics')
    assert any(f'char value handle = 0x{handles["b001"]:04x}' in line and '0000b001' in line for line in lines), lines
    lines = await tool('--char-desc')
    assert any(f'handle = 0x{handles["c000"]:04x}' in line and 'c000' in line for line in lines), lines
    assert any('2902' in line for line in lines), lines

    def octets(value):
        return ' '.join(f'{octet:02x}' for octet in value)

    lines = await tool('--char-read', '-a', f'0x{handles["b001"]:04x}')
    assert any(octets(LONG) in line for line in lines), lines
    lines = await tool('--char-read', '-u', '0xb000')
    assert any(octets(b'short') in line for line in lines), lines
    lines = await tool('--char-read', '-u', '0x2b2a')
    value = [line.split('value:')[1].split() for line in lines if 'value:' in line]
    assert len(value) == 1 and len(value[0]) == 16, lines
    mark = bled.bus.mark()
    lines = await tool('--char-write-req', '-a', f'0x{handles["b000"]:04x}', '-n', '313233')
    assert any('written successfully' in line for line in lines), lines
    written = await bled.bus.signal('Written', mark)
    assert bytes(written.body[2]) == b'123', written
    lines = await tool('--char-write-req', '-a', f'0x{handles["b002"]:04x}', '-n', '01')
    assert any("can't be written" in line or 'not permitted' in line.lower() for line in lines), lines
    # The hash is another one when the database is.
    await bled.server('AddService', 'saa{sv}a{sv}', 'a111', [characteristic('b111', READ)], {})
    lines = await tool('--char-read', '-u', '0x2b2a')
    assert value != [line.split('value:')[1].split() for line in lines if 'value:' in line], lines


async def application(scene, kind):
    """An application of BlueZ's, bled connected to it as client, and where it found things, by UUID."""
    _, bled, bluez, mine, theirs = await both(scene, kind)
    served_by = Application(bluez)
    service = served_by.service(uuid16(0xa000))
    everything = ['read', 'write', 'write-without-response', 'reliable-write', 'notify', 'indicate']
    parts = {
        'b000': served_by.characteristic(service, uuid16(0xb000), ['read', 'write', 'write-without-response'], b'short'),
        'b001': served_by.characteristic(service, uuid16(0xb001), everything, LONG),
        'b002': served_by.characteristic(service, uuid16(0xb002), ['notify']),
        'b003': served_by.characteristic(service, uuid16(0xb003), ['indicate']),
    }
    parts['c000'] = served_by.descriptor(parts['b000'], uuid16(0xc000), ['read', 'write'], b'described')
    await served_by.register()
    await bluez.advertise('target')
    conn = await bled.connect(0, theirs)
    await bluez.device(mine, Connected=True)
    (services,) = await bled.client('DiscoverServices', 'qsa{sv}', conn, 'a000', {})
    assert len(services) == 1 and services[0][2] == 'a000', services
    start, end, _ = services[0]
    (found,) = await bled.client('DiscoverCharacteristics', 'qqqsa{sv}', conn, start, end, '', {})
    handles = {uuid: value for _, value, _, uuid in found}
    assert list(handles) == ['b000', 'b001', 'b002', 'b003'], found
    (descriptors,) = await bled.client('DiscoverDescriptors', 'qqqa{sv}', conn, start, end, {})
    handles['c000'] = [handle for handle, uuid in descriptors if uuid == 'c000'][0]
    return bled, bluez, conn, parts, handles, (start, end, found, descriptors)


@scenario('legacy', 'extended')
async def bled_discovers_an_application_of_bluez(scene, kind):
    bled, _, conn, _, handles, (start, end, found, descriptors) = await application(scene, kind)
    (services,) = await bled.client('DiscoverServices', 'qsa{sv}', conn, '', {})
    assert {'1800', '1801', 'a000'} <= {uuid for _, _, uuid in services}, services
    assert services == sorted(services) and all(first <= last for first, last, _ in services), services
    properties = {uuid: bits for _, _, bits, uuid in found}
    assert properties['b000'] == READ | WRITE | WRITE_NO_RESPONSE, found
    assert properties['b002'] == NOTIFY and properties['b003'] == INDICATE, found
    assert [handle for handle, _ in descriptors] == list(range(start, end + 1)), descriptors
    (one,) = await bled.client('DiscoverCharacteristics', 'qqqsa{sv}', conn, 1, 0xffff, 'b002', {})
    assert [value for _, value, _, _ in one] == [handles['b002']], one
    (none,) = await bled.client('DiscoverServices', 'qsa{sv}', conn, 'a999', {})
    assert none == [], none
    (includes,) = await bled.client('DiscoverIncludes', 'qqqa{sv}', conn, start, end, {})
    assert includes == [], includes
    # Without waiting: results as signals, the end last.
    mark = bled.bus.mark()
    await bled.client('DiscoverServices', 'qsa{sv}', conn, '', options(wait=('b', False)))
    done = await bled.bus.signal('ServiceDone', mark)
    assert done.body == [conn, 0], done
    told = [item.body[1:] for item in bled.bus.seen('ServiceResult', mark)]
    assert told == services, (told, services)


@scenario('legacy', 'extended')
async def bled_reads_and_writes_an_application_of_bluez(scene, kind):
    bled, _, conn, parts, handles, (start, end, _, _) = await application(scene, kind)

    async def read(handle, **given):
        return bytes((await bled.client('Read', 'qqa{sv}', conn, handle, options(**given)))[0])

    async def write(handle, value, mode, **given):
        await bled.client('Write', 'qqayya{sv}', conn, handle, bytes(value), mode, options(**given))

    for exchanged in False, True:
        if exchanged:
            assert await bled.client('ExchangeMtu', 'qa{sv}', conn, {}) == [256]
        assert await read(handles['b000']) == b'short'
        assert await read(handles['c000']) == b'described'
        parts['b001'].value = LONG
        assert await read(handles['b001']) == LONG
        # bluetoothd asks for an exchange of its own at some time: the MTU is one of two, until ours is over.
        piece = await read(handles['b001'], long=('b', False))
        assert LONG.startswith(piece) and len(piece) in ((255,) if exchanged else (22, 255)), len(piece)
        assert await read(handles['b001'], offset=('q', 100)) == LONG[100:]
        (values,) = await bled.client('ReadByUuid', 'qqqsa{sv}', conn, start, end, 'b000', {})
        assert [[handle, bytes(value)] for handle, value in values] == [[handles['b000'], b'short']], values
        # bluetoothd 5.66 does not answer Read Multiple Variable, which would cost the link.
        several = [handles['b001'], handles['c000'], handles['b000']]
        (values,) = await bled.client('ReadMultiple', 'qaqa{sv}', conn, several, {})
        assert [bytes(value) for value in values] == [LONG, b'described', b'short'], values

        part = parts['b000']
        del part.writes[:]
        # bluetoothd answers before the application does, where a characteristic takes commands too.
        await write(handles['b000'], b'request', 1)
        await until(lambda: part.writes == [b'request'], 'write request')
        await write(handles['b000'], b'command', 0)
        await until(lambda: part.writes == [b'request', b'command'], 'write command')
        for value, mode in (LONG[::-1], 1), (b'reliable', 2), (LONG, 2):
            parts['b001'].value = b''
            await write(handles['b001'], value, mode)
            await until(lambda: parts['b001'].value == value, f'long write of {len(value)}')
        await write(handles['c000'], b'new', 1)
        assert parts['c000'].value == b'new'
        parts['b000'].value, parts['c000'].value = b'short', b'described'

    for handle, what, name in ((handles['b002'], read(handles['b002']), 'ReadNotPermitted'),
                               (0xfff0, read(0xfff0), 'InvalidHandle'),
                               (handles['b002'], write(handles['b002'], b'x', 1), 'WriteNotPermitted'),
                               (handles['b001'], read(handles['b001'], offset=('q', 500)), 'InvalidOffset')):
        try:
            await what
        except Failure as failure:
            assert failure.name == f'org.bled.Error.Att.{name}', failure
            assert f'{handle:04x}' in failure.text or str(handle) in failure.text, failure
        else:
            raise AssertionError(f'no {name}')


@scenario('legacy')
async def bled_hears_an_application_of_bluez(scene, kind):
    bled, _, conn, parts, handles, _ = await application(scene, kind)
    for uuid, bits, member in ('b002', 1, 'Notified'), ('b003', 2, 'Indicated'):
        part = parts[uuid]
        await bled.client('Subscribe', 'qqya{sv}', conn, handles[uuid], bits, {})
        await until(lambda: part.notifying, f'StartNotify of {uuid}')
        mark = bled.bus.mark()
        listening = asyncio.ensure_future(bled.client('ListenFor', 'qqua{sv}', conn, handles[uuid], 3, {}))
        await bled.get(CONNECTION, 'Mtu', connection_path(conn))  # a round trip: it listens
        sent = [f'{uuid} {number}'.encode() for number in range(20)]
        for value in sent:
            part.notify(value)
        await until(lambda: len(bled.bus.seen(member, mark)) == 20, f'20 {member}')
        assert [[*item.body[:2], bytes(item.body[2])] for item in bled.bus.seen(member, mark)] == [
            [conn, handles[uuid], value] for value in sent]
        assert [bytes(value) for value in (await listening)[0]] == sent[:3]
        await bled.client('Subscribe', 'qqya{sv}', conn, handles[uuid], 0, {})
        await until(lambda: not part.notifying, f'StopNotify of {uuid}')


@scenario('legacy')
async def bled_streams_to_and_from_an_application_of_bluez(scene, kind):
    bled, bluez, conn, parts, handles, _ = await application(scene, kind)
    await bled.client('ExchangeMtu', 'qa{sv}', conn, {})
    writer, mtu = await bled.acquire(GATT_CLIENT, 'AcquireWrite', conn, handles['b000'])
    assert mtu in (253, 256), mtu
    sent = [bytes([number % 256, number // 256]) + bytes(number % 60) for number in range(300)]
    for value in sent:
        await writer.send(value)
    await until(lambda: len(parts['b000'].writes) >= len(sent), f'{len(sent)} writes')
    assert parts['b000'].writes == sent
    listener, _ = await bled.acquire(GATT_CLIENT, 'AcquireNotify', conn, handles['b002'])
    await until(lambda: parts['b002'].notifying, 'StartNotify')
    mark = bled.bus.mark()
    for value in sent[:50]:
        parts['b002'].notify(value)
    assert await listener.received(50) == sent[:50]
    assert bled.bus.seen('Notified', mark) == []
    listener.close()
    await until(lambda: not parts['b002'].notifying, 'StopNotify')
    await bluez.disconnect(await bluez_address_of(bled))
    await until(lambda: writer.ended, 'end of the socket')


async def bluez_address_of(bled):
    return (await bled.get('org.bled.Adapter1', 'Identity'))[1]


@scenario('legacy')
async def bled_is_told_when_services_of_bluez_come_and_go(scene, kind):
    bled, bluez, conn, _, _, _ = await application(scene, kind)
    (found,) = await bled.client('DiscoverCharacteristics', 'qqqsa{sv}', conn, 1, 0xffff, '2a05', {})
    await bled.client('Subscribe', 'qqya{sv}', conn, found[0][1], 2, {})
    mark = bled.bus.mark()
    more = Application(bluez)
    more.characteristic(more.service(uuid16(0xa111)), uuid16(0xb111), ['read'], b'late')
    await more.register()
    changed = await bled.bus.signal('ServicesChanged', mark)
    assert changed.body[0] == conn, changed
    (services,) = await bled.client('DiscoverServices', 'qsa{sv}', conn, 'a111', {})
    assert len(services) == 1 and changed.body[1] <= services[0][0] <= changed.body[2], (services, changed)
    mark = bled.bus.mark()
    await more.unregister()
    await bled.bus.signal('ServicesChanged', mark)
    (services,) = await bled.client('DiscoverServices', 'qsa{sv}', conn, 'a111', {})
    assert services == [], services


@scenario('legacy')
async def both_are_server_and_client_on_one_link(scene, kind):
    bled, bluez, conn, parts, handles, _ = await application(scene, kind)
    mine = await bluez_address_of(bled)
    served_handles = await add_services(bled)
    remote = await Remote(bluez, mine).resolved()
    await remote.find(CHARACTERISTIC, uuid16(0xb001))
    mark = bled.bus.mark()
    waiting = asyncio.ensure_future(remote.read(uuid16(0xb004)))  # until bled's application answers
    asked = await bled.bus.signal('ReadRequested', mark)
    for _ in range(3):
        assert bytes((await bled.client('Read', 'qqa{sv}', conn, handles['b001'], {}))[0]) == LONG
        await bled.client('Write', 'qqayya{sv}', conn, handles['c000'], b'meanwhile', 1, {})
    assert parts['c000'].value == b'meanwhile'
    assert not waiting.done()
    await bled.server('Reply', 'uqa{sv}', asked.body[0], 0, {})
    assert await waiting == b'ask'
    assert bytes((await bled.server('Read', 'q', served_handles['b004']))[0]) == b'ask'
