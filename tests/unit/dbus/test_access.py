#!/usr/bin/env python3
"""Who may call and who may hear: the policy of the system bus, and the check elsewhere. Needs root,
for there have to be several users; skipped without.

Usage: test_access.py BLED POLICY. The policy is taken with its group and users replaced by ones that
every machine has: group bluetooth by `audio`, user bled by `daemon`."""
import asyncio
import grp
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import tempfile

from bledtest import Client

HEAD = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>%s</type><listen>unix:path=%s</listen><auth>EXTERNAL</auth>%s</busconfig>"""
# What the system bus of a distribution begins with.
SYSTEM = """<policy context="default"><allow user="*"/><deny own="*"/><deny send_type="method_call"/>
<allow send_type="signal"/>
<allow send_requested_reply="true" send_type="method_return"/>
<allow send_requested_reply="true" send_type="error"/>
<allow receive_type="method_call"/><allow receive_type="method_return"/>
<allow receive_type="error"/><allow receive_type="signal"/>
<allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/></policy>
<include>%s</include>"""
OPEN = """<policy context="default"><allow user="*"/><allow own="*"/>
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/></policy>"""

# Run as another user: makes the calls of argv[2], then tells what it heard until its stdin ends.
CHILD = """
import asyncio, json, sys
from dbus_next import Message, MessageType, Variant
from dbus_next.aio import MessageBus

async def main():
    bus = await MessageBus(bus_address=sys.argv[1]).connect()
    heard = []
    bus.add_message_handler(lambda m: heard.append(m.member) if m.message_type == MessageType.SIGNAL
                            and (m.path or "").startswith("/org/bled") else None)
    async def call(destination, path, interface, member, signature="", body=()):
        body = [Variant(*b["variant"]) if isinstance(b, dict) and "variant" in b else b for b in body]
        body = [{k: Variant(*v["variant"]) for k, v in b.items()} if isinstance(b, dict) else b
                for b in body]
        body = [b"" if b == [] else b for b in body]
        r = await bus.call(Message(destination=destination, path=path, interface=interface,
                                   member=member, signature=signature, body=body))
        return r.error_name or "ok"
    await call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch", "s",
               ["type='signal'"])
    print(json.dumps([bus.unique_name] + [await call(*c) for c in json.loads(sys.argv[2])]), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId")
    print(json.dumps(heard), flush=True)

asyncio.run(main())
"""

DENIED = "org.freedesktop.DBus.Error.AccessDenied"
A, PROPERTIES, HCI0 = "org.bled.Adapter1", "org.freedesktop.DBus.Properties", "/org/bled/hci0"
GET = ("org.bled", HCI0, PROPERTIES, "Get", "ss", [A, "Active"])
SET = ("org.bled", HCI0, PROPERTIES, "Set", "ssv", [A, "GapName", {"variant": ["s", "new"]}])
INTROSPECT = ("org.bled", "/org/bled", "org.freedesktop.DBus.Introspectable", "Introspect")
ATTACH = ("org.bled", HCI0, A, "Attach", "a{sv}", [{}])
FORCE = ("org.bled", HCI0, A, "SetActive", "ba{sv}", [False, {"force": {"variant": ["b", True]}}])
HCI = ("org.bled", HCI0, A, "HciCommand", "qqay", [4, 9, []])
PROVIDE = ("org.bled", HCI0, "org.bled.Pairing1", "ProvideSecrets", "a{sv}", [{}])
OOB = ("org.bled", HCI0, "org.bled.Pairing1", "GetOob", "a{sv}", [{}])
LOG = ("org.bled", "/org/freedesktop/LogControl1", PROPERTIES, "Set", "ssv",
       ["org.freedesktop.LogControl1", "LogLevel", {"variant": ["s", "info"]}])


class Bus:
    def __init__(self, kind, policy, bled_user):
        self.kind, self.policy, self.bled_user = kind, policy, bled_user
        self.processes = []

    async def __aenter__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="bled-access-"))
        os.chmod(self.dir, 0o755)
        shutil.copy(sys.argv[1], self.dir / "bled")
        (self.dir / "state").mkdir()
        shutil.chown(self.dir / "state", self.bled_user)
        policy = pathlib.Path(sys.argv[2]).read_text()
        policy = policy.replace('group="bluetooth"', 'group="audio"').replace('user="bled"', 'user="daemon"')
        (self.dir / "org.bled.conf").write_text(policy)
        text = self.policy % (self.dir / "org.bled.conf") if "%s" in self.policy else self.policy
        (self.dir / "bus.conf").write_text(HEAD % (self.kind, self.dir / "bus", text))
        daemon = await self.spawn("dbus-daemon", f"--config-file={self.dir}/bus.conf", "--nofork",
                                  "--nopidfile", "--print-address", stderr=subprocess.DEVNULL)
        await daemon.stdout.readline()
        os.chmod(self.dir / "bus", 0o777)
        self.address = f"unix:path={self.dir}/bus"
        self.root = await Client(self.address).open()
        where = "system" if self.kind == "system" else self.address
        await self.spawn(self.dir / "bled", f"--bus={where}", f"--adapter=unix:{self.dir}/none",
                         f"--state-dir={self.dir}/state", user=self.bled_user,
                         env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": self.address})
        await self.root.expect("NameOwnerChanged", "org.bled", where=lambda s: s.args[2] != "")
        return self

    async def spawn(self, *argv, **options):
        process = await asyncio.create_subprocess_exec(
            *map(str, argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/", **options)
        self.processes.append(process)
        return process

    async def child(self, user, groups, calls):
        """Makes the calls as this user; their outcomes, and a function for what was heard."""
        ids = pwd.getpwnam(user)
        process = await self.spawn(
            "/usr/bin/python3", "-c", CHILD, self.address, json.dumps(calls), user=ids.pw_uid,
            group=ids.pw_gid, extra_groups=[grp.getgrnam(g).gr_gid for g in groups])
        outcomes = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))

        async def heard():
            process.stdin.close()
            return json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
        return outcomes[0], outcomes[1:], heard

    async def set_name(self, name):
        from dbus_next import Variant
        await self.root.raw("org.bled", HCI0, PROPERTIES, "Set", "ssv", [A, "GapName", Variant("s", name)])

    async def __aexit__(self, *_):
        self.root.close()
        for process in reversed(self.processes):
            if process.returncode is None:
                process.terminate()
            await process.wait()
        shutil.rmtree(self.dir)


def same(what, have, want):
    assert have == want, f"{what}: {have}, not {want}"
    print("ok  ", what)


async def system_bus():
    calls = [GET, SET, INTROSPECT, ATTACH, FORCE, HCI, PROVIDE, OOB, LOG]
    async with Bus("system", SYSTEM, "daemon") as bus:
        _, got, nobody_heard = await bus.child("nobody", [], calls)
        same("system bus: others cannot call", got, [DENIED] * len(calls))
        name, got, group_heard = await bus.child("nobody", ["audio"], calls)
        same("system bus: the group can, but for what is root's", got,
             ["ok"] * 4 + [DENIED] * 5)
        got = (await bus.child("root", [], [GET, FORCE, PROVIDE, LOG]))[1]
        same("system bus: root can", got, ["ok"] * 4)
        ping = [(name, "/", "org.freedesktop.DBus.Peer", "Ping")]
        same("system bus: the daemon may ask who reads", (await bus.child("daemon", [], ping))[1], ["ok"])
        same("system bus: others may not", (await bus.child("nobody", [], ping))[1], [DENIED])
        await bus.set_name("heard?")
        heard = await group_heard()
        same("system bus: the group hears", heard.count("PropertiesChanged"), 2)
        same("system bus: others do not", await nobody_heard(), [])


async def other_bus():
    calls = [GET, SET, INTROSPECT, ATTACH, FORCE, LOG]
    async with Bus("custom", OPEN, "root") as bus:
        same("other bus: other users cannot call", (await bus.child("nobody", ["audio"], calls))[1],
             [DENIED] * 6)
        same("other bus: the daemon's own can", (await bus.child("root", [], calls))[1], ["ok"] * 6)
    async with Bus("custom", OPEN, "daemon") as bus:
        same("other bus: root is another user", (await bus.child("root", [], [GET]))[1], [DENIED])


async def main():
    await system_bus()
    await other_bus()


if os.getuid() != 0:
    print("needs root")
    sys.exit(77)
asyncio.run(main())
