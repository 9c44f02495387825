"""The machine itself: that the peer which the other tests rely on does what they expect of it, without bled."""

from bluez import Bluez, uuid16
from gatt import DESCRIPTOR, Application, Remote
from kernel import BY_THE_PEER, controllers
from world import scenario


@scenario('legacy', 'extended')
async def bluez_finds_and_connects_bluez(scene, kind):
    management, _ = await controllers(scene, kind)
    first = await Bluez(scene, 1).start()
    second = first.other(0)
    target = await second.power()
    await second.advertise('peer', [uuid16(0x180d)], {0xffff: b'\x01\x02\x03'})
    await first.discover()
    await first.device(target, Name='peer', UUIDs=[uuid16(0x180d)], ManufacturerData={0xffff: b'\x01\x02\x03'})
    # The kernel connects on what it hears; while a discovery scans, that is late.
    await first.stop_discovery()
    await first.connect(target)
    await second.device(await first.address(), Connected=True)
    await first.disconnect(target)
    assert await management.end_of(0, await first.address()) == BY_THE_PEER


@scenario('legacy', 'extended')
async def bluez_reads_writes_and_hears_a_bluez_application(scene, kind):
    await controllers(scene, kind)
    first = await Bluez(scene, 1).start()
    second = first.other(0)
    target = await second.power()
    application = Application(second)
    service = application.service(uuid16(0xa000))
    value = application.characteristic(service, uuid16(0xb000), ['read', 'write'], bytes(range(200)))
    news = application.characteristic(service, uuid16(0xb001), ['notify'])
    application.descriptor(news, uuid16(0xc000), ['read'], b'about')
    await application.register()
    await second.advertise('peer')
    await first.discover()
    await first.device(target, Name='peer')
    await first.stop_discovery()
    await first.connect(target)
    remote = await Remote(first, target).resolved()
    assert await remote.read(uuid16(0xb000)) == bytes(range(200))
    await remote.write(uuid16(0xb000), b'new')
    assert value.writes == [b'new'], value.writes
    assert await remote.read(uuid16(0xc000), DESCRIPTOR) == b'about'
    await remote.subscribe(uuid16(0xb001))
    assert news.notifying
    mark = first.bus.mark()
    news.notify(b'first')
    assert await remote.values(uuid16(0xb001), 1, mark) == [b'first']
