"""What every test in the guest stands on: waiting for things to happen, processes, and the runner.

Nothing here sleeps for a time and hopes. Whatever can be news (a line of output, the end of a process, a D-Bus
signal, a management event of the kernel) calls pulse(), and until() looks again.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
import traceback

# How long one condition may take. An emulated processor on a busy host is slow; only a failing test waits so long.
PATIENCE = 30.0
TEST_LIMIT = 3600.0 if os.environ.get('BLED_VM_LONG') == '1' else 120.0

_waiters = set()


def pulse():
    """Something may have changed: everyone in until() looks again."""
    for waiter in _waiters:
        waiter.set()


async def until(predicate, what, timeout=PATIENCE):
    """Waits until predicate() (a function or a coroutine function) is true, and returns what it gave."""
    deadline = time.monotonic() + timeout
    news = asyncio.Event()
    _waiters.add(news)
    try:
        while True:
            news.clear()
            value = predicate()
            if asyncio.iscoroutine(value):
                value = await value
            if value:
                return value
            left = deadline - time.monotonic()
            assert left > 0, f'no {what} within {timeout:.0f} s'
            # The little that cannot call pulse(), files for one, is looked at every now and then.
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(news.wait(), min(left, 0.1))
    finally:
        _waiters.discard(news)


class Process:
    """A program of the test, its output collected line by line; it ends with the `async with` block."""

    def __init__(self, name, argv, **options):
        self.name = name
        self.argv = argv
        self.options = options
        self.lines = []
        self.child = None
        self.reader = None

    async def __aenter__(self):
        await self.start()
        return self

    async def start(self):
        self.child = await asyncio.create_subprocess_exec(
            *self.argv, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT, limit=1 << 20, **self.options)
        self.reader = asyncio.ensure_future(self._read())

    async def _read(self):
        async for line in self.child.stdout:
            self.lines.append(line.decode(errors='replace').rstrip('\n'))
            pulse()
        await self.child.wait()
        pulse()

    @property
    def pid(self):
        return self.child.pid

    @property
    def running(self):
        return self.child is not None and self.child.returncode is None

    def said(self, *words, since=0):
        """The first line from number `since` on that has all the words, whatever their case."""
        for line in self.lines[since:]:
            if all(word.lower() in line.lower() for word in words):
                return line
        return None

    async def line(self, *words, since=0, timeout=PATIENCE):
        return await until(lambda: self.said(*words, since=since), f'line of {self.name} with {words}', timeout)

    async def stop(self, how=signal.SIGTERM):
        """Ends it and returns its exit status."""
        if self.child is None:
            return None
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                self.child.send_signal(how)
            try:
                await asyncio.wait_for(self.child.wait(), PATIENCE)
            except asyncio.TimeoutError:
                self.lines.append(f'({self.name} did not end on signal {how}: killed)')
                self.child.kill()
                await self.child.wait()
        await self.reader
        return self.child.returncode

    async def __aexit__(self, *exc):
        # SIGKILL: what a test leaves running is not a test of how it ends.
        await self.stop(signal.SIGKILL)


class Scene:
    """What one test made, for taking down in reverse order, and for showing when the test fails."""

    def __init__(self):
        self.stack = contextlib.AsyncExitStack()
        self.processes = []

    async def enter(self, context):
        if isinstance(context, Process):
            self.processes.append(context)
        return await self.stack.enter_async_context(context)

    def show(self):
        for process in self.processes:
            print(f'  --- {process.name}: {" ".join(process.argv)}')
            for line in process.lines[-60:]:
                print(f'      {line}')


TESTS = []


def scenario(*variants):
    """Registers a test; with variants it is run once for each, which it gets as its second argument."""
    def register(function):
        for variant in variants or (None,):
            name = function.__name__ if variant is None else f'{function.__name__}[{variant}]'
            TESTS.append((name, function, () if variant is None else (variant,)))
        return function
    return register


async def _run_one(function, arguments):
    scene = Scene()
    reason = None
    try:
        async with scene.stack:
            try:
                await asyncio.wait_for(function(scene, *arguments), TEST_LIMIT)
            except asyncio.TimeoutError:
                reason = f'not done after {TEST_LIMIT:.0f} s'
            except AssertionError as failure:
                where = traceback.extract_tb(failure.__traceback__)[-1]
                mine = [f for f in traceback.extract_tb(failure.__traceback__) if f.name == function.__name__]
                place = (mine or [where])[-1]
                reason = f'{str(failure) or place.line} ({os.path.basename(place.filename)}:{place.lineno})'
            except Exception:
                reason = traceback.format_exc()
    except Exception:
        reason = (reason or '') + '\nwhile taking down: ' + traceback.format_exc()
    return reason, scene


async def run_tests(wanted, share=(1, 1)):
    """Runs the tests whose names contain one of the wanted words, or of these the share K of N; returns the number
    of failures."""
    passed = failed = 0
    tests = [test for test in TESTS if not wanted or any(word in test[0] for word in wanted)]
    for name, function, arguments in tests[share[0] - 1::share[1]]:
        begun = time.monotonic()
        reason, scene = await _run_one(function, arguments)
        took = time.monotonic() - begun
        if reason is None:
            passed += 1
            print(f'ok    {name} ({took:.1f} s)')
        else:
            failed += 1
            print(f'FAIL  {name} ({took:.1f} s): {reason}')
            scene.show()
        sys.stdout.flush()
    print(f'{passed} passed, {failed} failed')
    if passed + failed == 0:
        print('no test has such a name')
        return 1
    return failed
