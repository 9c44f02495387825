"""Connection-oriented channels between bled and the kernel's own L2CAP sockets: who listens, who connects, both
modes, every length, levels of security, and how channels end."""

import asyncio
import errno
import os
import signal
import struct
from types import SimpleNamespace

from bled import Failure
from bus import options
from l2cap import EXT_FLOWCTL, FIPS, HIGH, L2CAP, LOW, MEDIUM, Pair, enable_ecred, lengths_of, linked, sdu_of, stream
from test_pairing import DISPLAY, DISPLAY_ONLY, NO_IO, people
from world import Process, scenario, until

# Around the lengths where frames and fragments change: SDUs of one frame, of the controllers' 192 octets, of many.
MTUS = (23, 24, 64, 65, 185, 186, 187, 188, 189, 190, 247, 512, 1000, 10000, 65535)
# BLED_VM_LONG=1: what the requirements ask for, 10 MB each way; else as much as there is time for.
LONG = os.environ.get('BLED_VM_LONG') == '1'

PSM = 0x80


def octets_for(mtu):
    if LONG:
        return 10_000_000 if mtu >= 185 else 1_000_000
    return max(2 * mtu, min(60 * mtu, 12_000))


async def refused(what, name):
    try:
        await what
    except Failure as failure:
        assert failure.name in (name, f'org.bled.Error.{name}'), failure
    else:
        raise AssertionError(f'not refused: {name}')


async def no_connect(end, peer, psm, *errors):
    """The kernel's connect() fails with one of these."""
    try:
        await end.connect(peer, psm)
    except OSError as error:
        assert error.errno in errors, error
    else:
        raise AssertionError('not refused')
    finally:
        end.close()


class Counting:
    """A writer that knows how far it is."""

    def __init__(self, end):
        self.end = end
        self.sent = 0
        self.when_stuck = None

    async def send(self, sdu):
        await self.end.send(sdu)
        self.sent += 1

    async def stuck(self):
        """Until no more has gone in for a while: that the peer gives no credits is an absence, which has no event.
        On purpose, and harmless: taken for stuck too early, a sender is only asked to do less."""
        while self.when_stuck != self.sent:
            self.when_stuck = self.sent
            await asyncio.sleep(0.3)


@scenario('legacy', 'extended')
async def channels_are_opened_used_and_closed_from_either_side(scene, kind):
    pair = await linked(scene, kind, 'central' if kind == 'legacy' else 'peripheral')
    await pair.call('Listen', 'qqa{sv}', PSM, 500, {})
    for number, (opened_by, closed_by) in enumerate([('kernel', 'kernel'), ('kernel', 'bled'), ('bled', 'kernel'),
                                                     ('bled', 'bled')]):
        if opened_by == 'kernel':
            cid, end = await pair.incoming(PSM, 500, 300)
        else:
            cid, end = await pair.outgoing(PSM + 1 + number, 500, 300)
        assert end.mtus() == [300, 500], end.mtus()
        mine = await pair.acquire(cid)
        await stream(mine, end, lengths_of(5000, 300))
        await stream(end, mine, lengths_of(5000, 500, least=1))
        mark = pair.bled.bus.mark()
        if closed_by == 'kernel':
            end.close()
        else:
            await pair.call('Disconnect', 'qq', pair.conn, cid)
        await pair.ended(cid, mark)
        await mine.ended()
        if closed_by == 'bled':
            await end.ended()
    await pair.call('StopListening', 'q', PSM)
    await no_connect(pair.kernel(), pair.mine, PSM, errno.ECONNREFUSED)


@scenario('legacy')
async def nobody_listens(scene, kind):
    pair = await linked(scene, kind)
    for psm in (0x25, PSM, 0xff):
        await no_connect(pair.kernel(), pair.mine, psm, errno.ECONNREFUSED)
        mark = pair.bled.bus.mark()
        await refused(pair.call('Connect', 'qqqa{sv}', pair.conn, psm, 100, {}), 'L2cap.SpsmNotSupported')
        told = await pair.bled.bus.signal('Disconnected', mark, interface=L2CAP)
        assert told.body == [pair.conn, 0, psm, 0x302], told


@scenario('legacy')
async def sdus_of_every_length_arrive(scene, kind):
    pair = await linked(scene, kind)
    for number, mtu in enumerate(MTUS):
        cid, end = await pair.outgoing(PSM + number, mtu)
        mine = await pair.acquire(cid)
        await asyncio.gather(stream(mine, end, lengths_of(octets_for(mtu), mtu)),
                             stream(end, mine, lengths_of(octets_for(mtu), mtu, least=1)))
        end.close()
        await mine.ended()


@scenario('extended')
async def megabytes_arrive_both_ways_at_once(scene, kind):
    pair = await linked(scene, kind, 'peripheral')
    await pair.call('Listen', 'qqa{sv}', PSM, 2000, {})
    cid, end = await pair.incoming(PSM, 2000)
    mine = await pair.acquire(cid)
    octets = 10_000_000 if LONG else 2_000_000
    await asyncio.gather(stream(mine, end, lengths_of(octets, 2000)),
                         stream(end, mine, lengths_of(octets, 2000, least=1)))


@scenario('legacy')
async def sdus_go_by_send_and_receive(scene, kind):
    pair = await linked(scene, kind)
    cid, end = await pair.outgoing(PSM, 600)
    bus, conn = pair.bled.bus, pair.conn

    sdus = [sdu_of(number, length) for number, length in enumerate([600, 0, 1, *range(10, 600, 20)])]

    async def take():
        for sdu in sdus:
            assert await end.receive() == sdu

    taking = asyncio.ensure_future(take())
    for sdu in sdus:
        mark = bus.mark()
        (ready,) = await pair.call('Send', 'qqay', conn, cid, sdu)
        if not ready:
            assert (await bus.signal('SendReady', mark)).body == [conn, cid, 0]
    await taking
    await refused(pair.call('Send', 'qqay', conn, cid, bytes(601)), 'org.freedesktop.DBus.Error.InvalidArgs')

    mark = bus.mark()
    sdus = [sdu for sdu in sdus if sdu]  # the kernel sends no empty one
    for sdu in sdus[:4]:
        await end.send(sdu)
    await until(lambda: len(bus.seen('Received', mark)) == 4, 'four SDUs')
    assert await pair.call('Available', 'qq', conn, cid) == [sum(len(sdu) for sdu in sdus[:4])]
    for sdu in sdus[:4]:
        got = b''
        while len(got) < len(sdu):
            (part,) = await pair.call('Receive', 'qqu', conn, cid, 250)
            assert len(part) == min(250, len(sdu) - len(got)), (len(part), len(got), len(sdu))
            got += bytes(part)
        assert got == sdu
    assert await pair.call('Receive', 'qqu', conn, cid, 250) == [b'']


@scenario('legacy', 'extended')
async def enhanced_channels_with_the_kernel(scene, kind):
    enable_ecred()
    pair = await linked(scene, kind)
    bus = pair.bled.bus
    await pair.call('Listen', 'qqa{sv}', PSM, 500, {})
    for opened_by in 'kernel', 'bled':
        if opened_by == 'kernel':
            cid, end = await pair.incoming(PSM, 500, 300, mode=EXT_FLOWCTL)
        else:
            cid, end = await pair.outgoing(PSM + 1, 500, 300, mode=EXT_FLOWCTL, enhanced=('b', True))
        assert end.mtus() == [300, 500], end.mtus()
        mine = await pair.acquire(cid)
        await asyncio.gather(stream(mine, end, lengths_of(5000, 300)),
                             stream(end, mine, lengths_of(5000, 500, least=1)))
        # The kernel takes more from now on, then bled does.
        mark = bus.mark()
        end.reconfigure(1000)
        assert (await bus.signal('Reconfigured', mark)).body == [pair.conn, cid, 500, 1000]
        await stream(mine, end, lengths_of(5000, 1000))
        mark = bus.mark()
        await pair.call('Reconfigure', 'qqqa{sv}', pair.conn, cid, 2000, {})
        assert (await bus.signal('Reconfigured', mark)).body == [pair.conn, cid, 2000, 1000]
        assert end.mtus() == [1000, 2000], end.mtus()
        await asyncio.gather(stream(mine, end, lengths_of(5000, 1000)),
                             stream(end, mine, lengths_of(5000, 2000, least=1)))
        mark = bus.mark()
        end.close()
        await pair.ended(cid, mark)
    # Nobody there, in this mode.
    await no_connect(pair.kernel(mode=EXT_FLOWCTL), pair.mine, 0xf0, errno.ECONNREFUSED)
    await refused(pair.call('Connect', 'qqqa{sv}', pair.conn, 0xf0, 100, options(enhanced=('b', True))),
                  'L2cap.SpsmNotSupported')


@scenario('legacy')
async def a_reader_that_stops_holds_up_the_writer(scene, kind):
    pair = await linked(scene, kind)
    cid, end = await pair.outgoing(PSM, 1000)
    mine = await pair.acquire(cid)
    for writer, reader in (mine, end), (end, mine):
        counting = Counting(writer)
        # More than all buffers on the way hold.
        await stream(counting, reader, [1000] * 500, pause=(10, counting.stuck))
        assert 10 < counting.when_stuck < 500, counting.when_stuck


@scenario('legacy')
async def nothing_that_was_taken_is_lost_in_an_orderly_close(scene, kind):
    pair = await linked(scene, kind)
    # No more than the kernel's socket holds: what does not fit there when the channel is closed, the kernel loses.
    sdus = [sdu_of(number, 900) for number in range(30)]
    # bled's client writes and goes; then Disconnect with SDUs in the socket; then after Send.
    for number, how in enumerate(('close', 'Disconnect', 'Send')):
        cid, end = await pair.outgoing(PSM + number, 900)
        taken = list(sdus)
        if how == 'Send':
            taken = []
            for sdu in sdus:
                taken.append(sdu)
                if not (await pair.call('Send', 'qqay', pair.conn, cid, sdu))[0]:
                    break
        else:
            mine = await pair.acquire(cid)
            for sdu in sdus:
                await mine.send(sdu)
        mark = pair.bled.bus.mark()
        if how == 'close':
            mine.close()
        else:
            closing = asyncio.ensure_future(pair.call('Disconnect', 'qq', pair.conn, cid))
        got = await end.rest()
        assert got == taken, f'{how}: {len(got)} of {len(taken)} SDUs came'
        await pair.ended(cid, mark)
        if how != 'close':
            await closing
    # The kernel sends and goes: what has come is there to be read.
    cid, end = await pair.outgoing(PSM + 7, 900)
    mine = await pair.acquire(cid)
    mark = pair.bled.bus.mark()

    async def send():
        for sdu in sdus:
            await end.send(sdu)
        end.close()

    sending = asyncio.ensure_future(send())
    got = await mine.rest()
    await sending
    # The kernel throws away what it had no credits for.
    assert got == sdus[:len(got)], len(got)
    await pair.ended(cid, mark)


@scenario('legacy', 'extended')
async def either_end_goes_with_data_in_flight(scene, kind):
    pair = await linked(scene, kind)
    endless = [1000] * 100_000

    async def cut(task):
        """The stream breaks off."""
        try:
            await task
        except (AssertionError, ConnectionError, OSError):
            return
        raise AssertionError('it went on')

    for number in range(4):
        cid, end = await pair.outgoing(PSM + number, 1000)
        mine = await pair.acquire(cid)
        well_under_way = asyncio.Event()

        async def tell():
            well_under_way.set()

        both = [asyncio.ensure_future(stream(mine, end, endless, pause=(20 * number, tell))),
                asyncio.ensure_future(stream(end, mine, endless))]
        mark = pair.bled.bus.mark()
        await well_under_way.wait()
        if number % 2:
            end.socket.shutdown(2)
        else:
            mine.socket.shutdown(2)
        await asyncio.gather(*(cut(task) for task in both))
        await end.rest()  # what bled had taken before is sent
        await pair.ended(cid, mark)
        end.close()
    # The link is as good as before.
    cid, end = await pair.outgoing(PSM + 9, 1000)
    mine = await pair.acquire(cid)
    await stream(mine, end, lengths_of(10_000, 1000))


@scenario('SIGKILL', 'SIGTERM')
async def bled_goes_with_data_in_flight(scene, how):
    pair = await linked(scene, 'legacy')
    cid, end = await pair.outgoing(PSM, 1000)
    mine = await pair.acquire(cid)
    writing = asyncio.ensure_future(stream(mine, end, [1000] * 100_000))
    for number in range(20):
        await end.send(sdu_of(number, 1000))
    assert await pair.bled.process.stop(getattr(signal, how)) == (0 if how == 'SIGTERM' else -signal.SIGKILL)
    try:
        await asyncio.wait_for(writing, 30)
    except (AssertionError, OSError):
        pass
    # What had been delivered is there to be read.
    got = await mine.rest()
    assert got == [sdu_of(number, 1000) for number in range(len(got))]
    if how == 'SIGTERM':  # of a controller that just goes btvirt tells its peer nothing
        await end.rest()


def of_l2test(number, length):
    """An SDU as l2test makes and checks it."""
    return struct.pack('<IH', number, length) + b'\x7f' * (length - 6)


@scenario('legacy')
async def l2test_sends_and_receives(scene, kind):
    pair = await linked(scene, kind)
    count, length = 50, 300
    common = ['l2test', '-i', 'hci1', '-V', 'le_public', '-b', str(length), '-I', '500']
    await pair.call('Listen', 'qqa{sv}', PSM, 500, {})
    mark = pair.bled.bus.mark()
    sender = await scene.enter(Process('l2test -s', [*common, '-P', str(PSM), '-N', str(count), '-s', pair.mine]))
    cid = (await pair.bled.bus.signal('Connected', mark, interface=L2CAP)).body[1]
    mine = await pair.acquire(cid)
    assert await mine.rest() == [of_l2test(number, length) for number in range(count)]
    await pair.ended(cid, mark)
    await until(lambda: not sender.running, 'end of l2test')

    listener = await scene.enter(Process('l2test -r', [*common, '-P', str(PSM + 1), '-r']))
    await listener.line('Waiting for connection')
    cid, _, theirs = await pair.call('Connect', 'qqqa{sv}', pair.conn, PSM + 1, 500, {})
    assert theirs == 500
    mine = await pair.acquire(cid)
    for number in range(count):
        await mine.send(of_l2test(number, length))
    mark = pair.bled.bus.mark()
    mine.close()
    await pair.ended(cid, mark)
    await listener.line('Disconnect')
    assert not listener.said('missmatch') and not listener.said('size'), listener.lines


# How the link is paired: what its security is, as a level of bled's and of the kernel's.
PAIRED = {'just works': (MEDIUM, 'NoInputNoOutput', NO_IO, {}),
          'legacy passkey': (HIGH, 'KeyboardOnly', DISPLAY_ONLY, {'passkey': 271828, 'secure': False}),
          'passkey': (FIPS, 'KeyboardOnly', DISPLAY_ONLY, {'passkey': 271828})}


async def secured(scene, capability, io, given):
    """bled and BlueZ, connected and not yet paired; the channels' Pair, and the persons'."""
    people_of = await people(scene, 'legacy', 'central', capability, io, **given)
    # The kernel's connect() is EBUSY while it advertises.
    await people_of.bluez.withdraw(people_of.advertisement)
    host = SimpleNamespace(address=people_of.theirs)
    pair = Pair(scene, people_of.bled, host, people_of.conn)
    pair.mine = people_of.mine
    return people_of, pair


@scenario(*PAIRED)
async def a_channel_needs_the_security_that_the_listener_asks_for(scene, how):
    level, capability, io, given = PAIRED[how]
    people_of, pair = await secured(scene, capability, io, given)
    bus = pair.bled.bus

    # Nothing yet: what needs nothing opens, and with `security` bled pairs first. The first one stays open: the kernel
    # must not take the answer to a request of its own for that channel's, as it does where the identifiers are the same.
    await pair.outgoing(PSM, 100, security=('y', LOW))
    listener = (await scene.enter(pair.kernel(psm=PSM + level, mtu=100, security=level))).listen()
    await refused(pair.call('Connect', 'qqqa{sv}', pair.conn, PSM + level, 100, {}),
                  'L2cap.InsufficientEncryption' if level == MEDIUM else 'L2cap.InsufficientAuthentication')
    mark = bus.mark()
    connecting = asyncio.ensure_future(
        pair.call('Connect', 'qqqa{sv}', pair.conn, PSM + level, 100, options(security=('y', level))))
    if level > MEDIUM:
        await people_of.asked(DISPLAY, mark)
        await people_of.answer(DISPLAY, given['passkey'])
    cid, *_ = await connecting
    assert len(bus.seen('EncryptionUpdated', mark)) == 1
    await pair.call('Disconnect', 'qq', pair.conn, cid)
    listener.close()

    for asked in LOW, MEDIUM, HIGH, FIPS:
        await pair.call('Listen', 'qqa{sv}', PSM + asked, 100, options(security=('y', asked)))
        listener = (await scene.enter(pair.kernel(psm=0x90 + asked, mtu=100, security=asked))).listen()
        end = await scene.enter(pair.kernel(mtu=100))
        mark = bus.mark()
        if asked <= level:
            await end.connect(pair.mine, PSM + asked)
            cid, *_ = await pair.call('Connect', 'qqqa{sv}', pair.conn, 0x90 + asked, 100, {})
            await pair.call('Disconnect', 'qq', pair.conn, cid)
            assert not bus.seen('EncryptionUpdated', mark)
        else:
            await refused(pair.call('Connect', 'qqqa{sv}', pair.conn, 0x90 + asked, 100, {}),
                          'L2cap.InsufficientAuthentication')
            if level >= HIGH:
                await no_connect(end, pair.mine, PSM + asked, errno.ECONNREFUSED)
            elif asked == HIGH:
                # The kernel asks for better pairing, which there is no way to here, and waits on.
                attempt = asyncio.ensure_future(end.connect(pair.mine, PSM + asked))
                assert (await bus.signal('PairingFailed', mark)).body == [pair.conn, 0x203]
                attempt.cancel()
                await asyncio.gather(attempt, return_exceptions=True)
            assert not bus.seen('Accept', mark), bus.seen('Accept', mark)
        listener.close()
