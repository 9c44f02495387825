#!/usr/bin/env python3
"""--btsnoop and StartCapture: what Wireshark's dissector makes of them."""
import os
import subprocess

from bledtest import World, main, Variant


def dissected(path, *fields):
    """tshark's view of a capture: a list of values for each packet."""
    argv = ["tshark", "-r", str(path), "-T", "fields", "-E", "separator=|"]
    for field in fields:
        argv += ["-e", field]
    out = subprocess.run(argv, capture_output=True, text=True, check=True,
                         env={**os.environ, "HOME": str(path.parent)}).stdout
    return [line.split("|") for line in out.splitlines()]


async def test_btsnoop_option_opens_in_wireshark():
    async with World() as world:
        path = world.dir / "a.btsnoop"
        a = await world.bled("a", ["unix:" + world.hci(0)], args=[f"--btsnoop={path}"])
        b = await world.bled("b", ["unix:" + world.hci(1)])
        for x in (a, b):
            await x.activate()
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 30000, {"name": Variant("s", "seen")})
        conn = (await b.call("Central1", "Connect", "ysa{sv}", *await a.address(), {}))[0]
        await b.call("Link1", "Disconnect", "qa{sv}", conn, {})
        await a.client.expect("CentralDisconnected")
        assert await a.stop() == 0
        packets = dissected(path, "frame.protocols", "hci_h4.direction", "_ws.malformed")
        protocols = {p[0] for p in packets}
        assert any("bthci_cmd" in p for p in protocols) and any("bthci_evt" in p for p in protocols)
        assert {p[1] for p in packets} == {"0x00", "0x01"}, "both directions"
        assert not [p for p in packets if p[2]], "malformed packets"
        commands = [p[0] for p in dissected(path, "bthci_cmd.opcode") if p[0]]
        assert commands[0] == "0x0c03", commands[:5]  # Reset is the first


async def test_captures_by_method_stop_and_start_again():
    async with World() as world:
        a = await world.bled("a", ["unix:" + world.hci(0)])
        await a.activate()
        for n in range(2):
            path = world.dir / f"{n}.btsnoop"
            with open(path, "wb") as f:
                await a.call("Adapter1", "StartCapture", "ha{sv}", 0, {}, fds=[f.fileno()])
            await a.call("Observer1", "Scan", "ua{sv}", 50, {})
            await a.call("Adapter1", "StopCapture")
            await a.call("Observer1", "Scan", "ua{sv}", 50, {})
            commands = [p[0] for p in dissected(path, "bthci_cmd.opcode") if p[0]]
            enables = [c for c in commands if c in ("0x2042", "0x200c")]
            assert len(enables) == 2, commands  # on and off, once


main(*[f for name, f in sorted(globals().items()) if name.startswith("test_")])
