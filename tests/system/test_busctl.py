#!/usr/bin/env python3
"""The worked lines of the D-Bus contract, run by a shell and busctl as they are printed there.

Only what cannot be the same here differs: which bus (B's first words) and which number the
simulated peer has for an address; a line that is to find somebody finds another daemon.
"""
import asyncio
import os
import re
import subprocess

from bledtest import DEADLINE, Variant, World, main

LINES = {
    "activate": """$B org.bled.Adapter1 SetActive 'ba{sv}' true 0""",
    "discover": """$B org.bled.Observer1 Discover 'ua{sv}' 5000 2 active b true services as 1 180d""",
    "add": """$B org.bled.GattServer1 AddService 'saa{sv}a{sv}' 180d 1 3 uuid s 2a37 flags u 18 value ay 2 0 60 0""",
    "advertise": """$B org.bled.Broadcaster1 Advertise 'ua{sv}' 100000 2 name s Pi services as 1 180d""",
    "connect": """$B org.bled.Central1 Connect 'ysa{sv}' 1 C0:11:22:33:44:55 0""",
    "read": """$B org.bled.GattClient1 Read 'qqa{sv}' 1 21 0""",
    "write": """$B org.bled.GattClient1 Write 'qqayya{sv}' 1 21 2 1 0 1 0""",
    "listen": """$B org.bled.GattClient1 Subscribe 'qqya{sv}' 1 21 1 0 ; """
              """$B org.bled.GattClient1 ListenFor 'qqua{sv}' 1 21 3 0""",
}


async def shell(world, name, line):
    """(exit status, standard output, standard error) of a line with B as the contract has it."""
    b = f"B=\"busctl --timeout=60 call {name} /org/bled/hci0\"\n"
    env = {"DBUS_SYSTEM_BUS_ADDRESS": world.address}
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", b + line, env={**os.environ, **env}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = await asyncio.wait_for(process.communicate(), DEADLINE)
    return process.returncode, out.decode().strip(), err.decode().strip()


async def succeeds(world, name, line):
    status, out, err = await shell(world, name, line)
    assert status == 0, (line, status, out, err)
    return out


async def test_worked_lines():
    async with World() as world:
        # The peer of the lines has a static random address: the daemon's own, mode 1.
        b = await world.bled("b", ["unix:" + world.hci(0)])
        a = await world.bled("a", ["unix:" + world.hci(1)])
        await a.set("Adapter1", "AddrMode", "y", 1)
        for x in (a, b):
            assert await succeeds(world, x.name if x is a else "org.bled", LINES["activate"]) == ""
        assert await b.get("Adapter1", "Active") is True
        kind, addr = await a.address()
        assert kind == 1, kind

        # service, declaration, value: two below it, and the CCCD behind it
        added = await succeeds(world, a.name, LINES["add"])
        service, value = re.fullmatch(r"qaq (\d+) 1 (\d+)", added).groups()
        assert int(value) == int(service) + 2, added
        assert await succeeds(world, a.name, LINES["advertise"]) == "y 0"
        found = await succeeds(world, "org.bled", LINES["discover"])
        assert re.match(r'a\(ysbna\{sv\}\) 1 1 "' + addr + '" true -?[0-9]+ ', found), found
        assert '"name" s "Pi"' in found and '"services" as 1 "180d"' in found, found

        line = LINES["connect"].replace("C0:11:22:33:44:55", addr)
        assert await succeeds(world, "org.bled", line) == "q 1"
        up = await a.client.expect("CentralConnected")
        assert up.args[0] == 1, up
        # What unattached callers make outlives them, and any of them may end it.
        out = await succeeds(world, "org.bled", "$B org.bled.Link1 Disconnect 'qa{sv}' 1 0")
        assert out == "b true", out


async def test_worked_lines_of_a_gatt_client():
    """On a peer whose value handle 21 is a characteristic, and connection 1."""
    async with World() as world:
        b = await world.bled("b", ["unix:" + world.hci(0)])
        a = await world.bled("a", ["unix:" + world.hci(1)])
        for x in (a, b):
            await x.activate()
        value = {"uuid": Variant("s", "2a37"), "flags": Variant("u", 0x1a),
                 "value": Variant("ay", b"\x00\x3c")}
        made = await a.call("GattServer1", "AddService", "saa{sv}a{sv}", "180d", [value],
                            {"handle": Variant("q", 19)})
        assert made == [19, [21]], made
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 20000, {})
        assert await b.call("Central1", "Connect", "ysa{sv}", *await a.address(), {}) == [1]
        up = await a.client.expect("CentralConnected")

        assert await succeeds(world, "org.bled", LINES["read"]) == "ay 2 0 60"
        assert await succeeds(world, "org.bled", LINES["write"]) == ""
        assert await succeeds(world, "org.bled", LINES["read"]) == "ay 2 1 0"
        listening = asyncio.ensure_future(succeeds(world, "org.bled", LINES["listen"]))
        await a.client.expect("Subscribed", up.args[0], 21, 1)
        while (await b.stats())["gattc-listeners-open"] == 0:
            await asyncio.sleep(0)
        for n in range(3):
            await a.call("GattServer1", "Notify", "qqa{sv}", up.args[0], 21,
                         {"value": Variant("ay", bytes([n] * n))})
        assert await listening == "aay 3 0 1 1 2 2 2"

        status, out, err = await shell(world, "org.bled", LINES["read"].replace(" 21 ", " 20 "))
        assert status == 0 and out, "a declaration can be read"
        status, out, err = await shell(world, "org.bled", LINES["read"].replace(" 21 ", " 99 "))
        assert status != 0 and "99 (0x0063)" in err and "0x01" in err, err


HEART_RATE = """
set -e
S=org.bled.GattServer1
# Each line is a client of its own that is gone when the next one begins.
set -- $($B $S RegisterServices 'a(sa(sua(su)))a{sv}' 2 180d 2 2a37 18 0 2a38 2 0 180f 1 2a19 2 0 0)
[ "$1 $2 $3" = "aaq 2 2" ]
rate=$4 place=$5 level=$7
$B $S Write qayb $rate 2 0 60 false
$B $S Write qayb $place 1 1 false
$B $S Write qayb $level 1 100 false
$B org.bled.Broadcaster1 Advertise 'ua{sv}' 30000 2 name s Pulse services as 2 180d 180f
echo $rate $place $level
"""
BEATS = """
set -e
for beat in 61 62 63; do
    $B org.bled.GattServer1 Write qayb %s 2 0 $beat true
done
$B org.bled.GattServer1 Read q %s
"""


async def test_a_heart_rate_sensor_is_a_script_of_short_lived_calls():
    async with World() as world:
        a = await world.bled("a", ["unix:" + world.hci(0)])
        b = await world.bled("b", ["unix:" + world.hci(1)])
        assert await succeeds(world, "org.bled", LINES["activate"]) == ""
        await b.activate()
        out = await succeeds(world, "org.bled", HEART_RATE)
        rate, place, level = (int(h) for h in out.splitlines()[-1].split())

        conn = (await b.call("Central1", "Connect", "ysa{sv}", *await a.address(), {}))[0]
        found = (await b.call("GattClient1", "DiscoverServices", "qsa{sv}", conn, "", {}))[0]
        assert [u for _, _, u in found][-2:] == ["180d", "180f"], found
        for handle, value in ((rate, b"\0\x3c"), (place, b"\1"), (level, b"\x64")):
            assert await b.call("GattClient1", "Read", "qqa{sv}", conn, handle, {}) == [value]
        await b.call("GattClient1", "Subscribe", "qqya{sv}", conn, rate, 1, {})
        assert await succeeds(world, "org.bled", BEATS % (rate, rate)) == "ay 2 0 63"
        for beat in (61, 62, 63):
            assert (await b.client.expect("Notified", conn, rate)).args[2] == bytes([0, beat])
        await b.call("GattClient1", "Write", "qqayya{sv}", conn, rate + 1, b"\0\0", 1, {})
        await succeeds(world, "org.bled", BEATS % (rate, rate))
        assert await b.call("GattClient1", "Read", "qqa{sv}", conn, rate, {}) == [b"\0\x3f"]
        assert not b.client.seen("Notified")


async def test_errors_are_sentences():
    async with World() as world:
        b = await world.bled("b", ["unix:" + world.hci(0)])
        status, out, err = await shell(world, "org.bled", LINES["connect"])
        assert status != 0 and "not active" in err and "SetActive(true)" in err, err
        await b.activate()
        status, out, err = await shell(world, "org.bled", LINES["connect"])
        assert status != 0 and "C0:11:22:33:44:55" in err and "Connect" not in out, err
        down = await b.client.expect("PeripheralDisconnected", 0xffff)
        assert down.args == [0xffff, 1, "C0:11:22:33:44:55"], down


async def test_stats_are_lower_case_and_hyphens():
    async with World() as world:
        b = await world.bled("b", ["unix:" + world.hci(0)])
        a = await world.bled("a", ["unix:" + world.hci(1)])
        await a.activate()
        await b.activate()
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 20000, {})
        conn = (await b.call("Central1", "Connect", "ysa{sv}", *await a.address(), {}))[0]
        link = (await b.call("Link1", "Stats", "q", conn))[0]
        for keys in (await b.stats(), link):
            wrong = [k for k in keys if not re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", k)]
            assert keys and not wrong, wrong


if __name__ == "__main__":
    main(*[f for name, f in sorted(globals().items()) if name.startswith("test_")])
