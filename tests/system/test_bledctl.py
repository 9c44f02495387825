"""bledctl as people and scripts use it: in pipes, in a real terminal, with mistakes."""
import asyncio
import hashlib
import json
import os
import pathlib
import re
import signal
import subprocess

from bledtest import DEADLINE, Log, Variant, World, build, main

CTL = str(build() / "dbus/ctl/bledctl")
HEART = {"advertise": {"name": "Pi", "services": ["180d"]},
         "services": [{"uuid": "heart-rate", "characteristics": [
             {"uuid": "2a37", "flags": ["read", "notify", "write"], "value": "003c",
              "descriptors": [{"uuid": "2901", "flags": ["read"], "text": "bpm"}]}]}]}


class Ctl:
    """bledctl against one of the daemons."""

    def __init__(self, world, bled):
        self.world, self.options = world, [f"--bus={world.address}", f"--bus-name={bled.name}"]

    async def run(self, *args, status=0, stdin=b"", text=True):
        process = await asyncio.create_subprocess_exec(
            CTL, *self.options, *args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = await asyncio.wait_for(process.communicate(stdin), DEADLINE)
        assert process.returncode == status, (args, process.returncode, out, err)
        self.err = err.decode()
        return out.decode() if text else out

    async def json(self, *args, **more):
        return json.loads(await self.run("--json", *args, **more))

    async def start(self, *args, stdout=subprocess.PIPE):
        """Runs on: a process with a pipe at either end."""
        process = await asyncio.create_subprocess_exec(
            CTL, *self.options, "--verbose", *args, stdin=subprocess.PIPE, stdout=stdout,
            stderr=subprocess.PIPE)
        self.world.processes.append((f"bledctl {args[0]}", process))
        process.log = Log(args[0], process.stderr)
        await process.log.contains("Ctrl-C")
        return process


async def line(process):
    return (await asyncio.wait_for(process.stdout.readline(), DEADLINE)).decode().rstrip("\n")


async def lines_until(process, text):
    seen = []
    while not seen or text not in seen[-1]:
        seen.append(await line(process))
        assert seen[-1] != "", seen
    return seen


async def end(process, status=0, how=signal.SIGINT):
    process.send_signal(how)
    await asyncio.wait_for(process.wait(), DEADLINE)
    assert process.returncode == status, process.returncode


async def pair_of(world):
    a = await world.bled("a", adapters=["unix:" + world.hci(0)])
    b = await world.bled("b", adapters=["unix:" + world.hci(1)])
    return a, b, Ctl(world, a), Ctl(world, b)


async def served(world, ctl, what=HEART):
    path = world.dir / "served.json"
    path.write_text(json.dumps(what))
    process = await ctl.start("serve", str(path))
    await lines_until(process, "2901")
    return process


async def test_every_command_has_help_with_an_example_and_stands_in_the_man_page():
    top = subprocess.run([CTL, "--help"], capture_output=True, text=True, check=True).stdout
    commands = re.findall(r"^  ([a-z0-9]+) +[A-Z]", top, re.M)
    assert len(commands) >= 19, commands
    page = (pathlib.Path(__file__).parents[2] / "dbus/man/bledctl.1").read_text().replace("\\-", "-")
    for command in commands:
        text = subprocess.run([CTL, command, "--help"], capture_output=True, text=True, check=True).stdout
        assert f"bledctl {command}" in text and "Example: bledctl" in text, text
        for option in re.findall(r"--[a-z-]+", text):
            assert option in page, (command, option)


async def test_mistakes_are_told_and_have_a_status():
    async with World() as world:
        a, b, ctl, _ = await pair_of(world)
        for args, status, word in (
                ((), 2, ""), (("nonsense",), 2, "nonsense"), (("scan", "--nonsense"), 2, "scan --help"),
                (("--adapter=hci7", "list"), 4, "no such adapter"), (("pair", "--wait", "--mitm"), 2, "config"),
                (("pair", "--passkey=1234567", "1"), 2, "six"), (("scan", "--rssi=70"), 2, "--rssi=70"),
                (("read", "1"), 2, "arguments"), (("config", "Nope"), 2, "Nope"), (("config", "Mtu", "5"), 2, "517"),
                (("config", "Bond", "perhaps"), 2, "yes or no"), (("disconnect", "7"), 4, "no connection 7"),
                (("forget", "C0:11:22:33:44:55,random"), 4, "not bonded"), (("write", "1", "2a37", "xyz"), 2, "hex"),
                (("l2cap", "listen", "0"), 2, "255"), (("serve", "/nonexistent.json"), 2, "nonexistent"),
                (("connect", "--timeout=1", "C0:11:22:33:44:55,random"), 5, "C0:11:22:33:44:55")):
            await ctl.run(*args, status=status)
            assert word in ctl.err, (args, ctl.err)
        nobody = Ctl(world, a)
        nobody.options[1] = "--bus-name=org.nobody"
        await nobody.run("status", status=3)
        assert "not running" in nobody.err
        nowhere = Ctl(world, a)
        nowhere.options[0] = "--bus=unix:path=/nonexistent"
        await nowhere.run("status", status=3)


async def test_a_file_to_serve_with_a_mistake_is_told_where():
    async with World() as world:
        _, b, _, ctl = await pair_of(world)
        for text, word in (("{", ":1:"), ("[]", "services"), ('{"services": [{"uuid": "zz"}]}', "UUID"),
                           ('{"services": [{"uuid": "180d", "characteristics": [{"uuid": "2a37"}]}]}', "flags"),
                           ('{"services": [{"uuid": "180d", "characteristics": [{"uuid": "2a37", "flags": ["raed"]}]}]}',
                            "write-command"),
                           ('{"services": [{"uuid": "180d", "characteristics": '
                            '[{"uuid": "2a37", "flags": ["read"], "colour": 1}]}]}', "colour"),
                           ('{"services": {"uuid": "180d"}}', "a list"),
                           ('{"services": [{"uuid": "180d", "characteristics": "2a37"}]}', "a list"),
                           ('{"services": [{"uuid": "180d", "characteristics": '
                            '[{"uuid": "2a37", "flags": ["read"], "value": 12}]}]}', "a string"),
                           ('{"services": [{"uuid": "180d", "characteristics": '
                            '[{"uuid": "2a37", "flags": ["read"], "max-length": "1"}]}]}', "0 to 512"),
                           ('{"services": [{"uuid": "180d", "characteristics": '
                            '[{"uuid": "2a37", "flags": ["read"], "value": "0102", "max-length": 1}]}]}', "longer"),
                           ('{"services": [], "advertise": true}', "advertise"),
                           ('{"services": [], "advertise": {"services": "180d"}}', "a list"),
                           ('{"services": [], "advertise": {"interval": "fast"}}', "interval")):
            path = world.dir / "wrong.json"
            path.write_text(text)
            await ctl.run("serve", str(path), status=2)
            assert word in ctl.err, ctl.err
        assert (await ctl.json("status"))["clients"] == []


async def test_status_list_config_and_stats():
    async with World() as world:
        a, b, ctl, other = await pair_of(world)
        status = await ctl.json("status")
        assert list(status["adapters"]) == ["hci0"] and status["adapters"]["hci0"]["Active"] is False
        assert "hci0: not active" in await ctl.run("status")
        await ctl.run("config", "gapname", "Köln")
        assert await ctl.run("config", "GapName") == "Köln\n" and await a.get("Adapter1", "GapName") == "Köln"
        await ctl.run("config", "LeSecure", "yes")
        assert await a.get("Adapter1", "LeSecure") is True
        assert (await ctl.json("config"))["Mtu"] == 256
        assert "commands" in await ctl.run("stats") and (await ctl.json("stats"))["reports"] == 0
        assert await ctl.run("list") == ""
        server = await served(world, other)
        conn = (await ctl.json("connect", "Pi"))["conn"]
        assert f"connection {conn}: " in await ctl.run("list")
        assert "characteristic 20: 2a37 (Heart Rate Measurement)" in await other.run("list")
        assert "tx-packets" in await ctl.run("stats", str(conn)) or await ctl.json("stats", str(conn))
        await end(server)


async def test_scan_piped_gives_lines_filters_and_json():
    async with World() as world:
        a, b, ctl, other = await pair_of(world)
        advertiser = await other.start("--json", "advertise", "--name=Sensor", "--service=battery",
                                       "--manufacturer=0xffff:0102", "--interval=20")
        scan = await ctl.start("scan")
        text = await lines_until(scan, "Sensor")
        assert "180f" in text[-1] and "ADV_IND" in text[-1] and "ffff0102" in text[-1], text
        await end(scan)
        scan = await ctl.start("--json", "scan", "--service=battery", "--manufacturer=0xffff", "--name=Sen",
                               "--rssi=-100", "--address=" + (await b.address())[1])
        report = json.loads(await line(scan))
        assert report["name"] == "Sensor" and report["services"] == ["180f"] and report["manufacturer"] == 0xffff
        await end(scan)
        assert await ctl.run("scan", "--time=1", "--name=Nobody") == ""
        await end(advertiser)
        assert (await ctl.json("status"))["clients"] == [] and (await other.json("status"))["clients"] == []


async def test_a_name_with_escape_sequences_does_not_reach_the_terminal():
    async with World() as world:
        a, b, ctl, _ = await pair_of(world)
        await b.activate()
        await b.call("Broadcaster1", "Advertise", "ua{sv}", 20000,
                     {"adv_data": Variant("ay", bytes([2, 1, 6, 8, 9]) + b"\x1b]0;ab\x07")})
        scan = await ctl.start("scan")
        first = await line(scan)
        assert "\x1b" not in first and "\x07" not in first and "?]0;ab?" in first, first
        await end(scan)


async def test_a_peers_attributes_are_shown_read_written_and_watched():
    async with World() as world:
        a, b, ctl, other = await pair_of(world)
        server = await served(world, other)
        address = (await b.address())[1]
        text = await ctl.run("services", address)
        assert "service 18 to 22: 180d (Heart Rate)" in text and "characteristic 20: 2a37" in text, text
        assert "descriptor 22: 2901 (Characteristic User Description)" in text
        assert (await ctl.json("status"))["clients"] == []  # and its connection has ended with it
        assert "connected" not in await ctl.run("list")
        conn = (await ctl.run("connect", "Pi")).split()[1]
        assert await ctl.run("read", conn, "heart-rate-measurement") == "00 3c\n"
        assert await ctl.run("read", address, "0x0014", "--number") == "15360\n"
        assert await ctl.run("read", address.lower(), "22") == '62 70 6d  "bpm"\n'
        assert await ctl.run("read", conn, "22", "--raw", text=False) == b"bpm"
        assert await ctl.json("read", conn, "2a37") == {"handle": 20, "value": "003c"}
        await ctl.run("write", conn, "2a37", "00:40")
        assert "connection 2 wrote 2a37 (20): 0040" == (await lines_until(server, "wrote"))[-1]
        await ctl.run("write", "--number", "--size=4", conn, "20", "513")
        assert await ctl.run("read", conn, "20") == "01 02 00 00\n"
        await ctl.run("write", conn, "20", "-", stdin=b"by pipe")
        assert await ctl.run("read", conn, "20", "--text") == "by pipe\n"
        await ctl.run("read", conn, "2a38", status=4)
        await ctl.run("read", conn, "99", status=1)
        assert "99" in ctl.err
        watch = await ctl.start("subscribe", conn, "2a37", "--count=2")
        await lines_until(server, "subscribed to 2a37 (20): 1")
        server.stdin.write(b"2a37 00 3d\n20 00 3e\nnonsense\n")
        assert [await line(watch), await line(watch)] == ["00 3d", "00 3e"]
        assert await asyncio.wait_for(watch.wait(), DEADLINE) == 0
        await lines_until(server, "subscribed to 2a37 (20): 0")
        await ctl.run("disconnect", "--force", conn)  # the bus may not have told of the last subscriber's end yet
        assert await ctl.run("list") == ""
        await end(server)


async def test_interrupted_it_leaves_nothing_behind():
    async with World() as world:
        a, b, ctl, other = await pair_of(world)
        server = await served(world, other)
        watch = await ctl.start("subscribe", (await b.address())[1], "2a37")
        await lines_until(server, "subscribed to 2a37 (20): 1")
        await end(watch)
        await lines_until(server, "subscribed to 2a37 (20): 0")
        watch = await ctl.start("subscribe", (await b.address())[1], "2a37")
        await lines_until(server, "subscribed to 2a37 (20): 1")
        await end(watch, -signal.SIGKILL, signal.SIGKILL)
        await lines_until(server, "subscribed to 2a37 (20): 0")
        await end(server, 0, signal.SIGTERM)


async def test_what_is_to_stay_stays():
    async with World() as world:
        a, b, ctl, other = await pair_of(world)
        await other.run("advertise", "--keep", "--name=Stays", "--resume", "--interval=20")
        assert (await other.json("status"))["adapters"]["hci0"]["Active"] is True
        conn = (await ctl.json("connect", "Stays"))["conn"]
        assert (await ctl.json("list"))[0]["connection"]["Conn"] == conn
        await ctl.run("disconnect", "--force", str(conn))


async def test_the_daemon_goes_and_bledctl_says_so():
    async with World() as world:
        a, b, ctl, _ = await pair_of(world)
        monitor = await ctl.start("monitor")
        await a.activate()
        await lines_until(monitor, "PropertiesChanged")
        await a.stop()
        assert await asyncio.wait_for(monitor.wait(), DEADLINE) == 3


async def test_monitor_names_what_events_carry():
    async with World() as world:
        a, b, ctl, other = await pair_of(world)
        monitor = await ctl.start("--json", "monitor")
        await a.activate()
        await lines_until(monitor, "PropertiesChanged")
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 20000, {})
        await a.call("Broadcaster1", "StopAdvertising", "y", 255)
        event = json.loads((await lines_until(monitor, "AdvertisingStopped"))[-1])
        assert (event["set"], event["status"], event["object"]) == (0, 0, "/org/bled/hci0")
        await end(monitor)


async def test_capture_is_a_btsnoop_file_with_what_happened():
    async with World() as world:
        a, b, ctl, _ = await pair_of(world)
        process = await ctl.start("capture", "-")
        head = await asyncio.wait_for(process.stdout.readexactly(16), DEADLINE)
        assert head[:8] == b"btsnoop\0"
        await end(process)
        await ctl.run("capture", str(world.dir / "no" / "such"), status=2)


async def test_output_that_cannot_be_written_is_a_failure_and_a_reader_that_goes_is_none():
    async with World() as world:
        a, b, ctl, _ = await pair_of(world)
        with open("/dev/full", "wb") as full:
            process = await asyncio.create_subprocess_exec(CTL, *ctl.options, "stats", stdout=full,
                                                           stderr=subprocess.PIPE)
            _, err = await asyncio.wait_for(process.communicate(), DEADLINE)
        assert process.returncode == 1 and b"standard output" in err, err
        capture = await ctl.start("capture", "-")
        capture.stdout._transport.close()
        assert await asyncio.wait_for(capture.wait(), DEADLINE) == 0
        monitor = await ctl.start("monitor")
        monitor.stdout._transport.close()
        await a.activate()
        assert await asyncio.wait_for(monitor.wait(), DEADLINE) == -signal.SIGPIPE
        closed = await asyncio.create_subprocess_exec("bash", "-c", '"$@" <&- >&- 2>&-', "bash", CTL, *ctl.options,
                                                      "status")
        assert await asyncio.wait_for(closed.wait(), DEADLINE) == 0


async def test_ctrl_c_ends_an_attempt_to_connect_that_the_daemon_would_go_on_with():
    async with World() as world:
        a, b, ctl, _ = await pair_of(world)
        await a.activate()
        process = await asyncio.create_subprocess_exec(
            CTL, *ctl.options, "--verbose", "connect", "--timeout=300", "C0:11:22:33:44:55,random",
            stderr=subprocess.PIPE)
        while (await a.stats())["procedures-open"] == 0:
            pass
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), DEADLINE) == 130
        assert (await a.stats())["procedures-open"] == 0


async def test_a_long_name_and_a_long_value_are_shown_whole():
    async with World() as world:
        a, b, ctl, _ = await pair_of(world)
        await b.activate()
        await b.call("Broadcaster1", "Advertise", "ua{sv}", 20000,
                     {"adv_data": Variant("ay", bytes([27, 9]) + b"x" + b"\xff" * 25), "resume": Variant("b", True)})
        await b.call("GattServer1", "AddService", "saa{sv}a{sv}", "180d", [
            {"uuid": Variant("s", "2a37"), "flags": Variant("u", 2),
             "value": Variant("ay", b"v" * 500 + b"\xc2\x9b")}], {})
        scan = await ctl.start("--json", "scan")
        assert json.loads(await line(scan))["name"] == "x" + "?" * 25
        await end(scan)
        address = (await b.address())[1]
        assert await ctl.run("read", address, "2a37", "--text") == "v" * 500 + "?\n"
        await ctl.run("read", address, "2a37", "--number", status=1)


async def channel(world, ctl, other, sender_in, *options, listen_out=subprocess.PIPE):
    """l2cap at both sides: (listener, sender)."""
    listener = await asyncio.create_subprocess_exec(
        CTL, *other.options, "--verbose", "l2cap", "listen", "128", stdin=subprocess.DEVNULL, stdout=listen_out,
        stderr=subprocess.PIPE)
    listener.log = Log("listen", listener.stderr)
    world.processes.append(("listen", listener))
    await listener.log.contains("Ctrl-C")
    sender = await asyncio.create_subprocess_exec(
        CTL, *ctl.options, "--verbose", "l2cap", "connect", *options, world.peer, "128", stdin=sender_in,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    sender.log = Log("connect", sender.stderr)
    world.processes.append(("connect", sender))
    return listener, sender


async def test_channels_end_well_or_say_that_they_did_not():
    async with World() as world:
        a, b, ctl, other = await pair_of(world)
        await b.activate()
        await b.call("Broadcaster1", "Advertise", "ua{sv}", 20000, {"resume": Variant("b", True)})
        world.peer = (await b.address())[1]
        # with /dev/null it only listens: nothing is lost; an empty file closes it at once
        for data in (b"", b"\0\xff" * 4000):
            (world.dir / "source").write_bytes(data)
            with open(world.dir / "source", "rb") as source:
                listener, sender = await channel(world, ctl, other, source)
                out = await asyncio.wait_for(listener.stdout.read(), DEADLINE)
            assert out == data and await listener.wait() == 0 and await sender.wait() == 0, listener.log.text
        # empty SDUs are not the end, nor is one at the end
        listener = await other.start("l2cap", "listen", "128")
        await a.activate()
        conn = (await a.call("Central1", "Connect", "ysa{sv}", 0, world.peer, {}))[0]
        cid = (await a.call("L2cap1", "Connect", "qqqa{sv}", conn, 128, 100, {}))[0]
        for sdu in (b"", b"one", b"", b"two", b""):
            await a.call("L2cap1", "Send", "qqay", conn, cid, sdu)
        await a.call("L2cap1", "Disconnect", "qq", conn, cid)
        assert await asyncio.wait_for(listener.stdout.read(), DEADLINE) == b"onetwo"
        assert await asyncio.wait_for(listener.wait(), DEADLINE) == 0
        # a reader that does not read stops nobody but itself, and a signal is heard
        with open("/dev/zero", "rb") as zeros:
            listener, sender = await channel(world, ctl, other, zeros)
        await listener.log.contains("is open")
        await sender.log.contains("is open")
        listener.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(listener.wait(), DEADLINE) == 130
        assert await asyncio.wait_for(sender.wait(), DEADLINE) == 1
        assert "before all was sent" in sender.log.text, sender.log.text


async def test_channels_pipe_a_file_both_ways():
    data = os.urandom(120_000)
    async with World() as world:
        a, b, ctl, other = await pair_of(world)
        source, sink = world.dir / "source", world.dir / "sink"
        source.write_bytes(data)
        advertiser = await other.start("advertise", "--name=Pi", "--interval=20", "--resume")
        with open(sink, "wb") as out:
            listener = await other.start("l2cap", "listen", "128", "--mtu=1000", stdout=out)
            with open(source, "rb") as file:
                sender = await asyncio.create_subprocess_exec(
                    CTL, *ctl.options, "l2cap", "connect", "Pi", "128", stdin=file, stdout=subprocess.PIPE)
                assert await asyncio.wait_for(sender.wait(), DEADLINE) == 0
            assert await asyncio.wait_for(listener.wait(), DEADLINE) == 0
        assert hashlib.sha256(sink.read_bytes()).digest() == hashlib.sha256(data).digest()
        await ctl.run("l2cap", "connect", (await b.address())[1], "129", status=1)
        assert "nobody listens" in ctl.err, ctl.err
        await end(advertiser)


class Terminal:
    """bledctl in a terminal of tmux's, of its own server."""

    def __init__(self, world, tag):
        self.socket, self.text = world.dir / f"{tag}.tmux", ""

    async def tmux(self, *args):
        process = await asyncio.create_subprocess_exec("tmux", "-f", "/dev/null", "-S", str(self.socket), *args,
                                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, _ = await asyncio.wait_for(process.communicate(), DEADLINE)
        return out.decode()

    async def start(self, *argv):
        await self.tmux("new-session", "-d", "-x", "100", "-y", "20", *argv, ";", "set", "remain-on-exit", "on")

    async def screen(self, *words):
        """What the screen shows as soon as it shows all of these words."""
        async def look():
            while not all(w in self.text for w in words):
                self.text = await self.tmux("capture-pane", "-p")
            return self.text
        self.text = ""
        try:
            return await asyncio.wait_for(look(), DEADLINE)
        except asyncio.TimeoutError:
            raise AssertionError(f"no {words} on the screen:\n{self.text}") from None

    async def keys(self, *keys):
        await self.tmux("send-keys", *keys)

    async def close(self):
        await self.tmux("kill-server")


async def test_scan_in_a_terminal_is_a_table_drawn_in_place():
    async with World() as world:
        a, b, ctl, other = await pair_of(world)
        advertiser = await other.start("--json", "advertise", "--name=Sensor", "--service=battery", "--interval=20")
        terminal = Terminal(world, "scan")
        try:
            await terminal.start(CTL, *ctl.options, "scan")
            first = await terminal.screen("ADDRESS", "Sensor", "Battery")
            assert first.count("Sensor") == 1 and first.count("ADDRESS") == 1, first
            seen = int(re.search(r"-60 +(\d+)", first)[1])

            async def more():
                while int(re.search(r"-60 +(\d+)", await terminal.screen("Sensor"))[1]) <= seen:
                    pass
            await asyncio.wait_for(more(), DEADLINE)
            later = await terminal.screen("Sensor")
            assert later.count("Sensor") == 1 and later.count("ADDRESS") == 1, later
            await terminal.keys("C-c")
            await terminal.screen("1 devices")
        finally:
            await terminal.close()
        await end(advertiser)


async def test_a_table_fits_a_small_terminal_also_when_it_changes():
    async with World(controllers=3) as world:
        a, b, ctl, _ = await pair_of(world)
        c = await world.bled("c", adapters=["unix:" + world.hci(2)])
        for bled, name in ((b, "幅の広い名前の装置"), (c, "Sensor")):
            await bled.activate()
            await bled.call("Broadcaster1", "Advertise", "ua{sv}", 20000, {"name": Variant("s", name)})
        terminal = Terminal(world, "small")
        try:
            await terminal.start(CTL, *ctl.options, "scan")
            wide = await terminal.screen("幅の広い名前の装置", "Sensor")
            rows = [r for r in wide.split("\n") if r]
            assert len(rows) == 3 and wide.count("ADDRESS") == 1, wide
            for x, y in (("55", "20"), ("40", "3"), ("90", "10")):
                await terminal.tmux("resize-window", "-x", x, "-y", y)
                seen = await terminal.screen(*["Sensor", "ADDRESS"] if x == "90" else [":53:01", ":53:02"])
            assert seen.count("ADDRESS") == 1 and seen.count("Sensor") == 1, seen
        finally:
            await terminal.close()


async def test_numbers_are_read_from_a_pipe_and_an_end_of_input_is_an_answer():
    async with World() as world:
        a, b, ctl, other = await pair_of(world)
        await other.run("config", "Io", "1")
        await other.run("advertise", "--keep", "--resume", "--interval=20")
        peer = (await b.address())[1]
        wait = await other.start("pair", "--wait")
        wait.stdin.write(b"yes\nYES \n")
        await ctl.run("pair", "--io=yesno", "--mitm", peer, stdin=b"perhaps\nno\n", status=1)
        assert "yes or no, please" in ctl.err and "said to differ" in ctl.err, ctl.err
        await wait.log.contains("pairing failed")
        await ctl.run("pair", "--io=yesno", "--mitm", peer, stdin=b"", status=1)
        await end(wait)


async def test_pair_asks_at_the_terminal_and_both_sides_agree():
    async with World() as world:
        a, b, ctl, other = await pair_of(world)
        await other.run("config", "Io", "1")
        await ctl.run("config", "Io", "4")
        await other.run("advertise", "--keep", "--name=Lock", "--interval=20")
        here, there = Terminal(world, "here"), Terminal(world, "there")
        try:
            await there.start(CTL, *other.options, "pair", "--wait")
            await there.screen("Waiting for others")
            await here.start(CTL, *ctl.options, "pair", "Lock")
            asked = await here.screen("(yes or no)")
            number = re.search(r"show (\d{6}) too", asked)[1]
            assert number in await there.screen("(yes or no)")
            await here.keys("yes", "Enter")
            await there.keys("yes", "Enter")
            await here.screen("encrypted, authenticated, bonded, key of 16")
            await there.screen("encrypted, authenticated, bonded, key of 16")
        finally:
            await here.close()
            await there.close()
        assert "authenticated yes" in await ctl.run("bonds")
        bond = (await other.json("bonds"))[0]
        await other.run("forget", bond["address"])
        assert await other.run("bonds") == ""


async def test_who_insists_on_protection_gets_it_or_an_error():
    async with World() as world:
        a, b, ctl, other = await pair_of(world)
        await other.run("advertise", "--keep", "--name=Lock", "--interval=20", "--resume")
        conn = str((await ctl.json("connect", "Lock"))["conn"])
        assert "not authenticated" in await ctl.run("pair", "--no-mitm", conn)
        await ctl.run("pair", "--mitm", "--io=none", conn, status=1)
        assert "not authenticated" in await ctl.run("pair", conn)  # the bond is as it was
        assert "without Detach" not in a.log() and "without Detach" not in b.log()


async def test_the_environment_stands_for_options():
    async with World() as world:
        a, b, ctl, _ = await pair_of(world)
        env = {**os.environ, "BLED_BUS": world.address, "BLED_BUS_NAME": b.name, "BLED_ADAPTER": "hci0"}
        done = subprocess.run([CTL, "config", "GapName", "Hut"], env=env, check=True)
        assert done.returncode == 0 and await b.get("Adapter1", "GapName") == "Hut"
        assert subprocess.run([CTL, "--adapter=hci7", "config"], env=env, stderr=subprocess.DEVNULL).returncode == 4


async def test_completion_offers_commands_devices_options_and_names():
    script = pathlib.Path(__file__).parents[2] / "dbus/ctl/bledctl.bash"

    async def in_a_shell(world, ctl, typed, *words):
        """What real bash makes of the line and TAB."""
        terminal = Terminal(world, "shell")
        (world.dir / "rc").write_text(f'PS1="$ "; PATH={pathlib.Path(CTL).parent}:$PATH; source "{script}"\n')
        try:
            await terminal.start("bash", "--rcfile", str(world.dir / "rc"), "-i")
            await terminal.screen("$")
            await terminal.keys("-l", " ".join(["bledctl", *ctl.options, typed]))
            await terminal.keys("Tab")
            return "".join((await terminal.screen(*words)).split("\n"))
        finally:
            await terminal.close()

    def complete(*words, options=()):
        code = (f'source "{script}"; bledctl() {{ "{CTL}" {" ".join(options)} "$@"; }}; '
                'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; '
                '_bledctl; printf "%s\\n" "${COMPREPLY[@]}"')
        return subprocess.run(["bash", "-c", code, "bash", "bledctl", *words], capture_output=True, text=True,
                              check=True).stdout.split()

    async with World() as world:
        a, b, ctl, other = await pair_of(world)
        await other.run("advertise", "--keep", "--name=Pi", "--interval=20")
        await ctl.run("connect", "Pi")
        assert complete("sc") == ["scan"]
        assert "--service=" in complete("scan", "--s") and "--json" in complete("--j")
        assert "heart-rate-measurement" in complete("read", "1", "heart-rate-m")
        assert "1" in complete("disconnect", "", options=ctl.options)
        assert complete("l2cap", "l") == ["listen"]
        assert "GapName" in complete("config", "Gap", options=ctl.options)
        assert "heart-rate" in complete("scan", "--service=heart-r") and "yesno" in complete("pair", "--io=y")
        peer = (await b.address())[1]
        text = await in_a_shell(world, ctl, "read " + peer[:8].lower(), peer[8:])
        assert text.rstrip().upper().endswith(peer.upper()), text


if __name__ == "__main__":
    os.environ.pop("TMUX", None)
    main(*[f for n, f in sorted(globals().items(), key=lambda kv: getattr(kv[1], "__code__", None) and
                                kv[1].__code__.co_firstlineno or 0) if n.startswith("test_")])
