#!/usr/bin/env python3
"""What a daemon with nothing to do has not even loaded."""
import pathlib

from bledtest import Variant, World, main

PUBLIC, STATIC, RESOLVABLE = range(3)


def has_libcrypto(bled):
    return "/libcrypto.so" in pathlib.Path(f"/proc/{bled.process.pid}/maps").read_text()


async def mode_of_address(bled, mode):
    await bled.call("Adapter1", "SetActive", "ba{sv}", False, {})
    await bled.set("Adapter1", "AddrMode", "y", mode)
    await bled.activate()


async def test_libcrypto_is_loaded_for_the_first_private_address():
    async with World(controllers=2) as world:
        a = await world.bled("a", ["unix:" + world.hci(0)])
        b = await world.bled("b", ["unix:" + world.hci(1)])
        await b.activate()
        for mode in (PUBLIC, STATIC):
            await mode_of_address(a, mode)
            await a.call("Broadcaster1", "Advertise", "ua{sv}", 50000, {})
            await a.call("Broadcaster1", "StopAdvertising", "y", 255)
            assert not has_libcrypto(a)
        await mode_of_address(a, RESOLVABLE)
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 50000, {})
        assert has_libcrypto(a)
        await b.call("Observer1", "Scan", "ua{sv}", 0,
                     {"interval_us": Variant("u", 100000), "window_us": Variant("u", 100000)})
        found = await b.client.expect("ScanResult")
        kind, addr = found.args[:2]
        # Core 5.4, Vol 6, Part B, 1.3.2.2: the two most significant bits of a resolvable one.
        assert kind == 1 and int(addr[:2], 16) >> 6 == 1, found
        assert not has_libcrypto(b)


main(test_libcrypto_is_loaded_for_the_first_private_address)
