"""The demo: see tests/demo. Speaks to both daemons over D-Bus only, as any program would."""
import asyncio
import sys

from dbus_next import Variant

from bledtest import Error, World, plain

SERVICE = "180d"
READ, WRITE, NOTIFY, WRITE_ENCRYPTED = 0x02, 0x08, 0x10, 0x1000  # MicroPython's FLAG_*


def say(who, text):
    print(f"  {who:<8} {text}", flush=True)


async def demo():
    print("\nA simulated radio with two controllers, a private bus, two daemons:")
    async with World(controllers=2) as world:
        sensor = await world.bled("sensor", ["unix:" + world.hci(0)])
        phone = await world.bled("phone", ["unix:" + world.hci(1)])
        for who, bled in (("sensor", sensor), ("phone", phone)):
            await bled.activate()
            kind, address = await bled.address()
            say(who, f"{bled.name} is active as {address} ({'random' if kind else 'public'})")

        print("\nOne offers a service:")
        service, (rate, where) = await sensor.call(
            "GattServer1", "AddService", "saa{sv}a{sv}", SERVICE, [
                {"uuid": Variant("s", "2a37"), "flags": Variant("u", READ | NOTIFY),
                 "value": Variant("ay", bytes([0, 60]))},
                {"uuid": Variant("s", "2a38"), "flags": Variant("u", READ | WRITE | WRITE_ENCRYPTED),
                 "value": Variant("ay", b"\x01")}], {})
        say("sensor", f"heart rate service at handle {service}, its values at {rate} and {where}")

        print("\nand advertises:")
        await sensor.call("Broadcaster1", "Advertise", "ua{sv}", 100000, {
            "name": Variant("s", "Demo sensor"), "services": Variant("as", [SERVICE]),
            "manufacturer_data": Variant("a{qay}", {0xffff: b"\x01\x02"})})
        say("sensor", "advertises every 100 ms: name 'Demo sensor', service 180d (heart rate)")

        print("\nThe other scans:")
        kind, address = await sensor.address()
        found = (await phone.call("Observer1", "Discover", "ua{sv}", 1000, {
            "active": Variant("b", True), "window_us": Variant("u", 100000),
            "interval_us": Variant("u", 100000)}))[0]
        for entry in found:
            data = plain(entry[4])
            say("phone", f"found {entry[1]}, {entry[3]} dBm: {data.get('name', '(no name)')!r}, "
                         f"services {', '.join(data.get('services', [])) or 'none'}")
        if address not in [entry[1] for entry in found]:
            raise SystemExit("The advertiser was not found.")

        print("\nand connects:")
        conn = (await phone.call("Central1", "Connect", "ysa{sv}", kind, address, {}))[0]
        up = await phone.client.expect("PeripheralConnected", conn)
        say("phone", f"PeripheralConnected: connection {up.args[0]} to {up.args[2]}")
        up = await sensor.client.expect("CentralConnected")
        say("sensor", f"CentralConnected: connection {up.args[0]} from {up.args[2]}")
        path = f"/org/bled/hci0/conn{conn:04x}"
        interval = await phone.get("Connection1", "Interval", path=path)
        say("phone", f"talks to it every {interval * 1.25:g} ms")

        print("\nlooks at what there is, reads, writes and listens:")
        start, end, _ = (await phone.call("GattClient1", "DiscoverServices", "qsa{sv}", conn,
                                          SERVICE, {}))[0][0]
        for _, value, flags, uuid in (await phone.call(
                "GattClient1", "DiscoverCharacteristics", "qqqsa{sv}", conn, start, end, "", {}))[0]:
            say("phone", f"characteristic {uuid} at handle {value}, properties 0x{flags:02x}")
        value = (await phone.call("GattClient1", "Read", "qqa{sv}", conn, rate, {}))[0]
        say("phone", f"reads {value[1]} beats a minute")
        try:
            await phone.call("GattClient1", "Write", "qqayya{sv}", conn, where, b"\x02", 1, {})
        except Error as refused:
            say("phone", f"may not write yet: {refused.name.rpartition('.')[2]}")
        _, _, bonded, size = await phone.call("Pairing1", "Pair", "qa{sv}", conn, {})
        say("phone", f"has paired: key of {size * 8} bits, {'bonded' if bonded else 'not bonded'}")
        await phone.call("GattClient1", "Write", "qqayya{sv}", conn, where, b"\x02", 1, {})
        written = await sensor.client.expect("Written")
        say("sensor", f"Written: handle {written.args[1]} is {written.args[2].hex()} now")
        await phone.call("GattClient1", "Subscribe", "qqya{sv}", conn, rate, 1, {})
        for beats in (61, 62, 63):
            await sensor.call("GattServer1", "Write", "qayb", rate, bytes([0, beats]), True)
            news = await phone.client.expect("Notified", conn, rate, bytes([0, beats]))
            say("phone", f"Notified: {news.args[2][1]} beats a minute")

        print("\nand disconnects:")
        await phone.call("Link1", "Disconnect", "qa{sv}", conn, {})
        down = await phone.client.expect("PeripheralDisconnected", conn)
        say("phone", f"PeripheralDisconnected: {down.args[2]}")
        down = await sensor.client.expect("CentralDisconnected")
        say("sensor", f"CentralDisconnected: {down.args[2]}")
    print("\nAll stopped, nothing is left running.")


try:
    asyncio.run(demo())
except AssertionError as e:
    sys.exit(f"The demo failed: {e}")
