"""Clients to be killed: one process a client, forked from this one, which has loaded what they need.

A line of JSON on standard input makes one: {"bus": address, "name": daemon, "path": object, "calls":
[[interface, member, signature, arguments, wait], ...], "sync": true}. It makes the calls in order,
waits for the replies of those that say so, and, with sync, for one more call's, so that the daemon
has taken all of them. Then it says {"pid": ..., "name": ...} in a line and lives until killed.
"""
import asyncio
import ctypes
import json
import os
import signal
import sys

from dbus_next import Message, MessageType, Variant
from dbus_next.aio import MessageBus


def value(v):
    """{"v": [signature, value]} is a variant."""
    if isinstance(v, dict) and set(v) == {"v"}:
        return Variant(v["v"][0], value(v["v"][1]))
    if isinstance(v, dict):
        return {k: value(e) for k, e in v.items()}
    return [value(e) for e in v] if isinstance(v, list) else v


async def live(order):
    bus = await MessageBus(bus_address=order["bus"], negotiate_unix_fd=True).connect()
    replies = []

    async def call(interface, member, signature, args):
        reply = await bus.call(Message(destination=order["name"], path=order["path"],
                                       interface="org.bled." + interface, member=member,
                                       signature=signature, body=value(args)))
        return [reply.error_name] if reply.message_type == MessageType.ERROR else reply.body

    tasks = []
    for interface, member, signature, args, wait in order["calls"]:
        task = asyncio.ensure_future(call(interface, member, signature, args))
        if wait:
            replies.append(repr(await task))
        else:
            tasks.append(task)
            await asyncio.sleep(0)  # let it be sent, in order
    if order["sync"]:
        await call("Adapter1", "Stats", "", [])
    print(json.dumps({"pid": os.getpid(), "name": bus.unique_name, "replies": replies}), flush=True)
    await asyncio.Event().wait()


signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    if os.fork() == 0:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: does not outlive the test
        asyncio.run(live(json.loads(line)))
