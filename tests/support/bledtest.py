"""A world to test bled in: a private bus, a simulated radio, any number of daemons and clients.

    async with World(controllers=2) as world:
        a = await world.bled("a", adapters=["unix:" + world.hci(0)])
        await a.activate()
        await a.call("Broadcaster1", "Advertise", "ua{sv}", 100000, {})

Nothing here sleeps: every wait is for an event, with a deadline that only a failure meets. BUILD
(from the environment) is the build directory.
"""
import asyncio
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

from dbus_next import Message, MessageType, Variant  # noqa: F401 (re-exported)
from dbus_next.aio import MessageBus
from dbus_next.constants import MessageFlag

DEADLINE = float(os.environ.get("BLED_TEST_DEADLINE", "20"))
BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path=%s</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
<allow own="*"/></policy></busconfig>"""


def build():
    return pathlib.Path(os.environ.get("BUILD", pathlib.Path(__file__).parents[2] / "build"))


class Error(Exception):
    """A D-Bus error reply."""

    def __init__(self, name, text):
        super().__init__(f"{name}: {text}")
        self.name, self.text = name, text


class Signal:
    def __init__(self, message):
        self.path, self.interface, self.member = message.path, message.interface, message.member
        self.args, self.sender, self.destination = message.body, message.sender, message.destination

    def __repr__(self):
        return f"{self.path} {self.interface}.{self.member}{tuple(self.args)}"


def plain(value):
    """Variants unpacked, bytes as bytes."""
    if isinstance(value, Variant):
        return plain(value.value)
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value


class Client:
    """A bus connection with every signal that reaches it kept, in order."""

    def __init__(self, address):
        self.address, self.bus, self.signals = address, None, []
        self.only = None  # the unique name of the daemon whose signals count
        self.news = asyncio.Event()

    async def open(self, match=True):
        self.bus = await MessageBus(bus_address=self.address, negotiate_unix_fd=True).connect()
        self.name = self.bus.unique_name
        self.bus.add_message_handler(self._message)
        if match:
            # Matches are on paths, as broadcasts are; unicast signals come without one.
            await self.raw("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                           "AddMatch", "s", ["type='signal',path_namespace='/org/bled'"])
            await self.raw("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                           "AddMatch", "s", ["type='signal',member='NameOwnerChanged'"])
        return self

    def _message(self, message):
        if message.message_type == MessageType.SIGNAL and \
                (self.only in (None, message.sender) or message.sender == "org.freedesktop.DBus"):
            self.signals.append(Signal(message))
            self.news.set()
        return False

    async def raw(self, destination, path, interface, member, signature="", body=(), fds=(),
                  flags=MessageFlag.NONE, deadline=None):
        message = Message(destination=destination, path=path, interface=interface, member=member,
                          signature=signature, body=list(body), unix_fds=list(fds), flags=flags)
        if flags & MessageFlag.NO_REPLY_EXPECTED:
            await self.bus.send(message)
            return None
        reply = await asyncio.wait_for(self.bus.call(message), deadline or DEADLINE)
        if reply.message_type == MessageType.ERROR:
            raise Error(reply.error_name, reply.body[0] if reply.body else "")
        self.fds = reply.unix_fds
        return reply.body

    async def expect(self, member, *args, where=None, deadline=None):
        """The first signal so named (and with these leading arguments) that nobody took yet."""
        async def wait():
            while True:
                for s in self.signals:
                    if s.member == member and list(s.args[:len(args)]) == list(args) and \
                            (where is None or where(s)):
                        self.signals.remove(s)
                        return s
                self.news.clear()
                await self.news.wait()
        try:
            return await asyncio.wait_for(wait(), deadline or DEADLINE)
        except asyncio.TimeoutError:
            raise AssertionError(f"no {member}{args}; seen: {self.signals[-20:]}") from None

    def seen(self, member):
        return [s for s in self.signals if s.member == member]

    def close(self):
        if self.bus:
            self.bus.disconnect()
            self.bus = None


class Bled:
    """One daemon, and its default client (unattached, as busctl is)."""

    def __init__(self, world, tag, process, name, client):
        self.world, self.tag, self.process, self.name, self.client = world, tag, process, name, client

    async def call(self, interface, member, signature="", *args, client=None, path="/org/bled/hci0",
                   fds=(), flags=MessageFlag.NONE, deadline=None):
        if "." not in interface:
            interface = "org.bled." + interface
        return await (client or self.client).raw(self.name, path, interface, member, signature, args,
                                                 fds, flags, deadline)

    async def get(self, interface, name, path="/org/bled/hci0", client=None):
        if "." not in interface:
            interface = "org.bled." + interface
        body = await (client or self.client).raw(self.name, path, "org.freedesktop.DBus.Properties",
                                                 "Get", "ss", [interface, name])
        return plain(body[0])

    async def set(self, interface, name, signature, value, path="/org/bled/hci0", client=None):
        if "." not in interface:
            interface = "org.bled." + interface
        await (client or self.client).raw(self.name, path, "org.freedesktop.DBus.Properties", "Set",
                                          "ssv", [interface, name, Variant(signature, value)])

    async def introspect(self, path):
        body = await self.client.raw(self.name, path, "org.freedesktop.DBus.Introspectable",
                                     "Introspect")
        return body[0]

    async def activate(self, path="/org/bled/hci0"):
        await self.call("Adapter1", "SetActive", "ba{sv}", True, {}, path=path)

    async def address(self, path="/org/bled/hci0"):
        """(type, address) on the air."""
        return tuple(await self.get("Adapter1", "Mac", path=path))

    async def stats(self, path="/org/bled/hci0"):
        return (await self.call("Adapter1", "Stats", path=path))[0]

    async def new_client(self, **options):
        client = await self.world.client(**options)
        client.only = self.client.only
        return client

    async def stop(self, how=signal.SIGTERM):
        """Ends the daemon; its exit status."""
        if self.process.returncode is None:
            self.process.send_signal(how)
        return await asyncio.wait_for(self.process.wait(), DEADLINE)

    def log(self):
        return self.process.log.text

    async def logged(self, text, deadline=None):
        """Waits until the daemon has logged this."""
        await self.process.log.contains(text, deadline)


class Log:
    """What a process says on stderr, as it says it."""

    def __init__(self, tag, stream):
        self.tag, self.text, self.news = tag, "", asyncio.Event()
        self.task = asyncio.ensure_future(self._read(stream))

    async def _read(self, stream):
        while line := await stream.readline():
            self.text += line.decode(errors="replace")
            self.news.set()

    async def contains(self, text, deadline=None):
        async def wait():
            while text not in self.text:
                self.news.clear()
                await self.news.wait()
        try:
            await asyncio.wait_for(wait(), deadline or DEADLINE)
        except asyncio.TimeoutError:
            raise AssertionError(f"{self.tag} did not log {text!r}:\n{self.text[-4000:]}") from None


class World:
    def __init__(self, controllers=2, air_args=(), air=True, control=False):
        """control: controllers can be told to fail, by air_does()."""
        self.controllers, self.air_args, self.with_air = controllers, list(air_args), air
        self.control, self.victims = control, None
        self.processes, self.clients, self.bleds, self.air = [], [], [], None

    def hci(self, index):
        return str(self.dir / "air" / f"hci{index}")

    async def __aenter__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="bled-test-"))
        try:
            await self._bus()
            if self.with_air:
                await self.start_air()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def _bus(self):
        path = self.dir / "bus"
        (self.dir / "bus.conf").write_text(BUS_CONFIG % path)
        self.daemon = await self.spawn("dbus-daemon", "--nofork", "--print-address=1",
                                       f"--config-file={self.dir / 'bus.conf'}", tag="dbus-daemon",
                                       stdout=subprocess.PIPE)
        await asyncio.wait_for(self.daemon.stdout.readline(), DEADLINE)
        self.address = f"unix:path={path}"

    async def spawn(self, *argv, tag, stdout=None, env=None, stdin=None):
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=stdin or subprocess.DEVNULL, stdout=stdout or subprocess.DEVNULL,
            stderr=subprocess.PIPE, env={**os.environ, **(env or {})})
        process.log = Log(tag, process.stderr)
        self.processes.append((tag, process))
        return process

    async def start_air(self, *args):
        (self.dir / "air").mkdir(exist_ok=True)
        self.air = await self.spawn(build() / "daemon/bled-air", str(self.dir / "air"), "-n",
                                    str(self.controllers), *self.air_args, *args,
                                    *(["--control"] if self.control else []), tag="air",
                                    stdout=subprocess.PIPE,
                                    stdin=subprocess.PIPE if self.control else None)
        while (line := await asyncio.wait_for(self.air.stdout.readline(), DEADLINE)) != b"ready\n":
            if not line:
                raise AssertionError("bled-air did not start: " + self.air.log.text)

    async def air_does(self, *commands):
        """Commands to the simulated radio (see bled-air --control), done when this returns."""
        self.air.stdin.write("".join(c + "\n" for c in commands).encode())
        await self.air.stdin.drain()
        for command in commands:
            answer = await asyncio.wait_for(self.air.stdout.readline(), DEADLINE)
            assert answer == b"ok\n", (command, answer)

    async def victim(self, bled, *calls, path="/org/bled/hci0", sync=True):
        """A client in a process of its own (see victim.py), to be ended with kill()."""
        if not self.victims:
            script = pathlib.Path(__file__).with_name("victim.py")
            self.victims = await self.spawn(sys.executable, str(script), tag="victims",
                                            stdout=subprocess.PIPE, stdin=subprocess.PIPE)
        order = {"bus": self.address, "name": bled.name, "path": path, "calls": calls, "sync": sync}
        self.victims.stdin.write(json.dumps(order).encode() + b"\n")
        await self.victims.stdin.drain()
        line = await asyncio.wait_for(self.victims.stdout.readline(), DEADLINE)
        if not line:
            raise AssertionError("no victim: " + self.victims.log.text)
        return json.loads(line)

    async def kill(self, victim, watcher):
        """SIGKILL; returns when the bus has noticed."""
        os.kill(victim["pid"], signal.SIGKILL)
        await watcher.expect("NameOwnerChanged", victim["name"], victim["name"], "")

    async def client(self, match=True):
        c = await Client(self.address).open(match)
        self.clients.append(c)
        return c

    async def bled(self, tag, adapters, args=(), name=None, wait=True, env=None):
        """A running daemon that owns its name. Several get different names unless told."""
        name = name or ("org.bled" if not self.bleds else f"org.bled.{tag}")
        client = await self.client()
        state = self.dir / f"{tag}.state"
        state.mkdir(exist_ok=True)
        process = await self.spawn(
            build() / "daemon/bled", f"--bus={self.address}", f"--bus-name={name}",
            f"--state-dir={state}", "--log-level=debug", *[f"--adapter={a}" for a in adapters],
            *args, tag=tag, env=env)
        b = Bled(self, tag, process, name, client)
        self.bleds.append(b)
        if wait:
            await self.name_owned(client, name, process, tag)
            client.only = (await client.raw("org.freedesktop.DBus", "/org/freedesktop/DBus",
                                            "org.freedesktop.DBus", "GetNameOwner", "s", [name]))[0]
        return b

    async def name_owned(self, client, name, process, tag):
        died = asyncio.ensure_future(process.wait())
        try:
            owned = await client.raw("org.freedesktop.DBus", "/org/freedesktop/DBus",
                                     "org.freedesktop.DBus", "NameHasOwner", "s", [name])
            if owned[0]:
                return
            appears = asyncio.ensure_future(
                client.expect("NameOwnerChanged", name, where=lambda s: s.args[2] != ""))
            await asyncio.wait({died, appears}, return_when=asyncio.FIRST_COMPLETED)
            if not appears.done():
                appears.cancel()
                raise AssertionError(f"{tag} ended:\n" + process.log.text)
            appears.result()
        finally:
            died.cancel()

    async def __aexit__(self, kind, value, trace):
        problems = []
        for c in self.clients:
            c.close()
        for b in self.bleds:
            if b.process.returncode is None:
                try:
                    status = await b.stop()
                    if status != 0:
                        problems.append(f"{b.tag} exited with {status}:\n{b.log()[-6000:]}")
                except asyncio.TimeoutError:
                    problems.append(f"{b.tag} did not end on SIGTERM:\n{b.log()[-6000:]}")
            elif b.process.returncode not in (0, -signal.SIGKILL):
                problems.append(f"{b.tag} had exited with {b.process.returncode}:\n{b.log()[-6000:]}")
        for tag, process in reversed(self.processes):
            if process.returncode is None:
                process.terminate()
                try:
                    await asyncio.wait_for(process.wait(), DEADLINE)
                except asyncio.TimeoutError:
                    process.kill()
                    await process.wait()
        for tag, process in self.processes:
            await process.log.task
            if tag == "air" and "violation" in process.log.text:
                problems.append("the controller complained of its host:\n" + process.log.text[-4000:])
            if kind is not None and os.environ.get("BLED_TEST_LOGS"):
                print(f"---- {tag}\n{process.log.text[-8000:]}")
        if os.environ.get("BLED_TEST_KEEP"):
            print(f"kept {self.dir}")
        else:
            shutil.rmtree(self.dir, ignore_errors=True)
        if problems and kind is None:
            raise AssertionError("\n".join(problems))


def main(*tests):
    """Runs coroutines named test_*, a line each; exits with their count of failures as the status."""
    import time
    import traceback
    chosen = [t for t in tests if not sys.argv[1:] or t.__name__ in sys.argv[1:]]
    failed = 0
    for test in chosen:
        start = time.monotonic()
        try:
            asyncio.run(test())
            print(f"ok   {test.__name__} ({time.monotonic() - start:.1f} s)", flush=True)
        except Exception:
            failed += 1
            print(f"FAIL {test.__name__}\n{traceback.format_exc()}", flush=True)
    print(f"{len(chosen) - failed} passed, {failed} failed")
    sys.exit(1 if failed or not chosen else 0)
