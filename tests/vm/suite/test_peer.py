"""The machine itself: that the peer which the other tests rely on does what they expect of it, without bled."""

from bluez import Bluez, uuid16
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
