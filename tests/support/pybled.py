"""Worlds for the Python package: two daemons on the simulated radio, and an Adapter of each."""
import asyncio
import contextlib
import os
import pathlib
import sys
import types

os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # the source tree stays as it is
sys.dont_write_bytecode = True
PACKAGE = pathlib.Path(__file__).parents[2] / "dbus/python"
sys.path.insert(0, str(PACKAGE))

import bled  # noqa: E402
from bledtest import World, main  # noqa: E402,F401


@contextlib.asynccontextmanager
async def daemons(controllers=2, air=()):
    """A world with a daemon for each controller: org.bled, org.bled.b, ..."""
    async with World(controllers=controllers, air_args=air) as world:
        for i, tag in enumerate("abcd"[:controllers]):
            await world.bled(tag, ["unix:" + world.hci(i)])
        yield world


def adapter(world, tag="a", **options):
    return bled.Adapter(bus=world.address, bus_name=world.bleds["abcd".index(tag)].name, **options)


@contextlib.asynccontextmanager
async def two(air=(), **options):
    """(world, a, b): b's daemon can hear a's."""
    async with daemons(air=air) as world, adapter(world, "a", **options) as a, \
            adapter(world, "b", **options) as b:
        yield world, a, b


FAST = {"min_conn_interval_us": 7500, "max_conn_interval_us": 7500, "supervision_timeout_ms": 1000}


@contextlib.asynccontextmanager
async def linked(a, b, **options):
    """b connects to a: (a's link, b's link). Both have ended afterwards."""
    async with a.advertise(interval_ms=20, **options) as advertising, \
            b.connect(a.mac[1], a.mac[0], timeout=10, **FAST) as there:
        yield await anext(aiter(advertising)), there


async def held(watcher, adapter):
    """What a client holds, but that it holds the adapter active; None: it is not attached."""
    for name, _, holds in await watcher.clients():
        if name == adapter.client.bus.unique_name:
            return {k: v for k, v in holds.items() if k not in ("adapter", "active") and v}
    return None


def raises(kind, *words):
    """`with raises(bled.Busy, "word"):`"""
    @contextlib.contextmanager
    def check():
        try:
            yield
        except kind as e:
            assert all(w in str(e) for w in words), (words, str(e))
            return
        raise AssertionError(f"no {kind}")
    return check()


@types.coroutine
def _cancelled_at(n, work, again):
    """Awaits work; its task is cancelled at the n-th suspension (and, with again, at the two that
    follow). False: it ended before."""
    inner, count, error = work.__await__(), 0, None
    while True:
        try:
            waits = inner.throw(error) if error else inner.send(None)
        except StopIteration:
            return False
        except asyncio.CancelledError:
            return True
        count += 1
        if count == n or (again and n < count <= n + 2):
            asyncio.current_task().cancel()
        error = None
        try:
            yield waits
        except BaseException as e:
            error = e


async def cancelled_everywhere(work, after, again=False):
    """Cancels work() at each of its awaits in turn; after() each time. How many there were."""
    n = 1
    while True:
        async def run():
            return await _cancelled_at(n, work(), again)
        task = asyncio.ensure_future(run())
        await asyncio.wait({task})
        reached = not task.cancelled() and task.result()
        await after(n)
        if not reached:
            assert not task.cancelled()
            return n - 1
        n += 1
