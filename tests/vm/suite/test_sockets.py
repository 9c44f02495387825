"""Two bleds on btvirt's own controllers, without the kernel between: H4 over its unix sockets."""

from bled import Bled, ROOT
from bus import private_bus
from kernel import BtvirtSockets
from world import scenario

SOCKETS = {'legacy': BtvirtSockets.LEGACY, 'extended': BtvirtSockets.EXTENDED}


@scenario('legacy', 'extended')
async def two_daemons_on_one_bus_connect_to_each_other(scene, kind):
    await scene.enter(BtvirtSockets())
    address = await private_bus(scene)
    spec = f'unix:{SOCKETS[kind]}'
    first = await Bled(scene, spec, capabilities=()).start(address)
    second = await Bled(scene, spec, capabilities=(), bus_name='org.bled.second').start(address)
    await first.activate()
    kind_of_address, target = await second.activate()
    await second.advertise(name=('s', 'second'), services=('as', ['180d']))
    await first.find(target, name='second', services=['180d'])

    mark = second.bus.mark()
    conn = await first.connect(kind_of_address, target)
    connected = await second.bus.signal('CentralConnected', since=mark)
    mark = second.bus.mark()
    assert await first.disconnect(conn) is True
    ended = await second.bus.signal('CentralDisconnected', since=mark)
    assert ended.body == connected.body, (connected, ended)
    assert await first.connections() == [] and await second.connections() == []


@scenario()
async def one_daemon_connects_its_two_controllers(scene):
    await scene.enter(BtvirtSockets())
    bled = await Bled(scene, f'unix:{BtvirtSockets.LEGACY}', f'unix:{BtvirtSockets.EXTENDED}',
                      capabilities=()).start()
    await bled.activate('hci0')
    kind_of_address, target = await bled.activate('hci1')
    await bled.advertise('hci1', name=('s', 'twin'))
    conn = await bled.connect(kind_of_address, target, 'hci0')
    connected = await bled.bus.signal('CentralConnected', path=f'{ROOT}/hci1')
    assert await bled.connections() == [f'{ROOT}/hci0/conn{conn:04x}',
                                        f'{ROOT}/hci1/conn{connected.body[0]:04x}']
    assert await bled.disconnect(conn, 'hci0') is True
    await bled.bus.signal('CentralDisconnected', path=f'{ROOT}/hci1')
    assert await bled.connections() == []
