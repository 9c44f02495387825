"""Taking a controller of the kernel, being refused it, losing it and getting it back."""

import signal

from bled import ADAPTER, Bled, Failure, ROOT
from bluez import Bluez
from kernel import Btvirt, controllers, hciconfig
from world import scenario, until

MANUFACTURER = {0x0059: b'\x10\x20'}


async def refused(bled):
    """SetActive(true) on a controller that cannot be had: the error, which must be one of the documented ones."""
    try:
        await bled.call(ADAPTER, 'SetActive', 'ba{sv}', True, {})
    except Failure as failure:
        assert failure.name.startswith('org.bled.Error.'), f'{failure}'
        return failure
    raise AssertionError('SetActive succeeded')


@scenario('legacy', 'extended')
async def nobody_with_net_admin_takes_a_controller(scene, kind):
    management, _ = await controllers(scene, kind)
    bled = await Bled(scene, 'hci0').start()
    kind_of_address, address = await bled.activate()
    assert kind_of_address == 0 and len(address) == 17, (kind_of_address, address)
    # The user channel takes the controller away from the kernel's own stack, that one alone.
    await management.free(1)
    features = await bled.get(ADAPTER, 'Features')
    assert ('extended-advertising' in features) == (kind == 'extended'), features
    await bled.call(ADAPTER, 'SetActive', 'ba{sv}', False, {})
    await management.free(0, 1)


@scenario()
async def sigterm_gives_the_controller_back_and_exits_0(scene):
    management, _ = await controllers(scene, 'legacy')
    bled = await Bled(scene, 'hci0').start()
    await bled.activate()
    await bled.advertise(name=('s', 'leaving'))
    await management.free(1)
    assert await bled.end() == 0
    await management.free(0, 1)


@scenario()
async def an_adapter_that_is_up_is_refused_with_what_to_do(scene):
    await controllers(scene, 'legacy')
    await hciconfig('hci0', 'up')
    bled = await Bled(scene, 'hci0').start()
    assert await bled.get(ADAPTER, 'Active') is False
    assert (await refused(bled)).name == 'org.bled.Error.Busy'
    await bled.process.line('hci0:', 'is up or used', 'hciconfig hci0 down')
    assert bled.process.running
    await hciconfig('hci0', 'down')
    await bled.activate()


@scenario()
async def an_adapter_held_by_another_bled_is_refused(scene):
    await controllers(scene, 'legacy')
    first = await Bled(scene, 'hci0').start()
    await first.activate()
    second = await Bled(scene, 'hci0').start()
    assert (await refused(second)).name == 'org.bled.Error.Busy'
    await second.process.line('hci0:', 'used by another program')
    assert await first.get(ADAPTER, 'Active') is True


@scenario()
async def without_the_capability_the_log_names_it(scene):
    await controllers(scene, 'legacy')
    bled = await Bled(scene, 'hci0', capabilities=()).start()
    assert await bled.get(ADAPTER, 'Active') is False
    assert (await refused(bled)).name == 'org.bled.Error.NotReady'
    await bled.process.line('hci0', 'CAP_NET_ADMIN')
    assert bled.process.running


@scenario()
async def net_raw_does_not_stand_in_for_net_admin(scene):
    await controllers(scene, 'legacy')
    bled = await Bled(scene, 'hci0', capabilities=('net_raw',)).start()
    await refused(bled)
    await bled.process.line('hci0', 'CAP_NET_ADMIN')


@scenario()
async def an_absent_adapter_is_an_object_and_serves_once_it_is_there(scene):
    bled = await Bled(scene, 'hci0').start()
    assert f'{ROOT}/hci0' in await bled.bus.objects('org.bled', ROOT)
    assert await bled.get(ADAPTER, 'Active') is False
    failure = await refused(bled)
    assert 'hci0' in failure.text, failure
    await bled.process.line('no controller hci0')
    await controllers(scene, 'legacy')
    await bled.activate()


@scenario()
async def an_absent_adapter_that_shall_be_active_is_taken_when_it_appears(scene):
    bled = await Bled(scene, 'hci0', config='[adapter]\nactive = yes\n').start()
    assert await bled.get(ADAPTER, 'Active') is False
    await bled.process.line('no controller hci0')
    await scene.enter(Btvirt('legacy'))
    await bled.active(True)


@scenario()
async def a_busy_adapter_that_shall_be_active_is_taken_when_it_is_free(scene):
    await controllers(scene, 'legacy')
    await hciconfig('hci0', 'up')
    bled = await Bled(scene, 'hci0', config='[adapter]\nactive = yes\n').start()
    await bled.process.line('hci0 down')
    assert await bled.get(ADAPTER, 'Active') is False
    await hciconfig('hci0', 'down')
    await bled.active(True)


@scenario('legacy', 'extended')
async def a_dead_controller_is_noticed_and_what_was_owned_is_restored(scene, kind):
    management, btvirt = await controllers(scene, kind)
    bluez = await Bluez(scene).start()
    bled = await Bled(scene, 'hci0').start()
    _, address = await bled.activate()
    await bled.advertise(name=('s', 'phoenix'), manufacturer_data=('a{qay}', MANUFACTURER))
    await bluez.discover()
    await bluez.device(address, Name='phoenix')

    mark = bled.bus.mark()
    await btvirt.stop(signal.SIGKILL)
    await bled.bus.signal('Failed', since=mark, path=f'{ROOT}/hci0')
    await bled.active(False)
    assert (await bled.get(ADAPTER, 'Mac')) == [0, '']
    # A daemon that kept its socket would keep the number 0 from the next controller.
    await management.free()
    await bluez.unplugged()

    await scene.enter(Btvirt(kind))
    await bled.active(True)
    await management.free(1)
    await bluez.power()
    await bluez.discover()
    await bluez.device(address, Name='phoenix', ManufacturerData=MANUFACTURER)
    assert bled.process.running


@scenario()
async def a_controller_that_dies_ends_its_connections_first(scene):
    _, btvirt = await controllers(scene, 'legacy')
    bluez = await Bluez(scene).start()
    target = await bluez.address()
    await bluez.advertise('target')
    bled = await Bled(scene, 'hci0').start()
    await bled.activate()
    conn = await bled.connect(0, target)
    mark = bled.bus.mark()
    await btvirt.stop(signal.SIGKILL)
    await bled.bus.signal('Failed', since=mark)
    await until(lambda: bled.bus.seen('InterfacesRemoved', mark), 'end of the connection object')
    ours = ('Disconnected', 'PeripheralDisconnected', 'InterfacesRemoved')
    order = [item.member for item in bled.bus.signals[mark:] if item.member in ours]
    assert order == list(ours), order
    assert bled.bus.seen('PeripheralDisconnected', mark, arg0=conn, arg1=0, arg2=target)
    assert await bled.connections() == []
