/* SPDX-License-Identifier: MIT */

/*
 * Random lives on one link: clients listen, connect, send, receive, acquire, write, read and close,
 * attach, detach and vanish, while the peer opens and closes channels, is slow, or goes. Whatever
 * happened: each channel is told of in the right order, every call has been answered, and with the
 * link everything has ended.
 */

#include "l2cap.h"

#include "watches.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define L L2CAP_INTERFACE

enum { STEPS = 500, CLIENTS = 3, PSMS = 2, FIRST_PSM = 0x80, OPS = 256, LIVES = 40, MTU = 64 };

static struct rig rig;
static struct fake_l2cap *host;
static uint32_t seed;
static unsigned generation[CLIENTS];
static struct {
    unsigned number, client, generation;
} calls[STEPS];
static size_t n_calls;
static bl_op pending[OPS];
static size_t n_pending;
static unsigned seen_connects, seen_pairs;
static uint16_t next_cid, psm_of[FAKE_CHANNELS];
static uint32_t asked[FAKE_CHANNELS], next_request; /* 0: nothing is asked */
static bool open[FAKE_CHANNELS], over[FAKE_CHANNELS];
static int fds[FAKE_CHANNELS];

static uint32_t pick(uint32_t n)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % n;
}

static const char *name_of(unsigned client)
{
    static char name[32];
    snprintf(name, sizeof(name), ":%u.%u", client + 1, generation[client]);
    return name;
}

static size_t index_of(const struct fake_channel *ch)
{
    return (size_t)(ch - host->channels);
}

static void tell(enum bl_event_kind kind, const struct fake_channel *ch, bl_status status, bl_op op)
{
    size_t i = index_of(ch);

    bus_adapter_event(rig.a, &(struct bl_event){.kind = kind,
                                                .l2cap = {.conn = 1,
                                                          .cid = ch->cid,
                                                          .psm = psm_of[i],
                                                          .our_mtu = MTU,
                                                          .peer_mtu = MTU,
                                                          .status = status,
                                                          .incoming = op == 0,
                                                          .op = op,
                                                          .request = asked[i]}});
}

static struct fake_channel *make(uint16_t psm)
{
    size_t i = 0;

    while (i < FAKE_CHANNELS && host->channels[i].there)
        i++;
    if (i == FAKE_CHANNELS)
        return NULL;
    struct fake_channel *ch =
        fake_l2cap_open(&rig.host, 1, (uint16_t)(0x40 + next_cid++ % 64), MTU);
    ck_assert_uint_eq(index_of(ch), i);
    ch->room = 1 + pick(20);
    psm_of[i] = psm;
    asked[i] = 0;
    open[i] = over[i] = false;
    return ch;
}

static void now_open(struct fake_channel *ch, bl_op op)
{
    asked[index_of(ch)] = 0;
    open[index_of(ch)] = true;
    tell(BL_EV_L2CAP_CONNECTED, ch, 0, op);
}

static void ended(struct fake_channel *ch, bl_status status)
{
    size_t i = index_of(ch);

    over[i] = true;
    ch->disconnecting = true;
    if (open[i])
        tell(BL_EV_L2CAP_DISCONNECTED, ch, status, 0);
    else
        ch->there = false;
    open[i] = false;
}

static struct fake_channel *any(bool (*of)(const struct fake_channel *))
{
    size_t first = pick(FAKE_CHANNELS);

    for (size_t k = 0; k < FAKE_CHANNELS; k++) {
        struct fake_channel *ch = &host->channels[(first + k) % FAKE_CHANNELS];
        if (ch->there && (!of || of(ch)))
            return ch;
    }
    return NULL;
}

static bool is_open(const struct fake_channel *ch)
{
    return open[index_of(ch)];
}

/* What the stack was told to do meanwhile, done. */
static void look(void)
{
    for (size_t k = 0; k < host->n_answers; k++)
        for (size_t i = 0; i < FAKE_CHANNELS; i++) {
            struct fake_channel *ch = &host->channels[i];
            if (!ch->there || asked[i] == 0 || asked[i] != host->answers[k].request)
                continue;
            if (host->answers[k].result == 0)
                now_open(ch, 0);
            else
                ch->there = false;
        }
    host->n_answers = 0;
    for (size_t i = 0; i < FAKE_CHANNELS; i++) {
        struct fake_channel *ch = &host->channels[i];
        if (ch->there && asked[i] != 0 && !host->listening[psm_of[i]])
            ch->there = false; /* the listener went */
        if (ch->there && over[i] && ch->n_rx == 0)
            ch->there = false;
    }
    if (seen_connects != host->connects || seen_pairs != rig.host.smp.pairs) {
        ck_assert_uint_lt(n_pending, OPS);
        pending[n_pending++] = rig.host.last_op;
        seen_connects = host->connects;
        seen_pairs = rig.host.smp.pairs;
    }
}

static void finish_op(bool well)
{
    if (n_pending == 0)
        return;
    bl_op op = pending[0];
    struct bl_event e = {.kind = BL_EV_OP_DONE, .done = {.op = op, .status = well ? BL_OK : 0x302}};
    struct bus_call *call = bus_call_find(rig.a, op);

    memmove(pending, pending + 1, --n_pending * sizeof(pending[0]));
    /* A pairing says nothing else; a connection makes a channel. */
    bool pairing = call && !list_empty(&call->waiting);
    struct fake_channel *ch = well && !pairing ? make(FIRST_PSM) : NULL;
    if (ch) {
        now_open(ch, op);
        e.done.l2cap.cid = ch->cid;
    } else if (!pairing) {
        e.done.status = 0x304;
    }
    bus_adapter_event(rig.a, &e);
}

static void note(unsigned client, unsigned number)
{
    calls[n_calls].number = number;
    calls[n_calls].client = client;
    calls[n_calls++].generation = generation[client];
}

static void take_fd(const struct fake_channel *ch)
{
    if (rig.fd < 0)
        return;
    if (fds[index_of(ch)] >= 0)
        close(fds[index_of(ch)]);
    fds[index_of(ch)] = rig.fd;
    rig.fd = -1;
}

static void call_about(unsigned client, struct fake_channel *ch)
{
    const char *name = name_of(client);

    switch (pick(6)) {
    case 0:
        note(client, rig_call(&rig, name, L, "Send", "qqay", 1, ch->cid, 2, 1, 2));
        break;
    case 1:
        note(client, rig_call(&rig, name, L, "Receive", "qqu", 1, ch->cid, pick(20)));
        break;
    case 2:
        note(client, rig_call(&rig, name, L, "Available", "qq", 1, ch->cid));
        break;
    case 3:
        note(client, rig_call(&rig, name, L, "Disconnect", "qq", 1, ch->cid));
        break;
    default:
        note(client, rig_call(&rig, name, L, "Acquire", "qqa{sv}", 1, ch->cid, 0));
        take_fd(ch);
        break;
    }
}

static void call(unsigned client)
{
    const char *name = name_of(client);
    unsigned psm = FIRST_PSM + pick(PSMS);

    switch (pick(8)) {
    case 0:
        note(client, rig_call(&rig, name, "org.bled.Adapter1", "Attach", "a{sv}", 0));
        break;
    case 1:
        note(client, rig_call(&rig, name, "org.bled.Adapter1", "Detach", ""));
        break;
    case 2:
    case 3:
        note(client, rig_call(&rig, name, L, "Listen", "qqa{sv}", psm, MTU, 0));
        break;
    case 4:
        note(client, rig_call(&rig, name, L, "StopListening", "q", psm));
        break;
    case 5:
        note(client, rig_call(&rig, name, L, "Reply", "uq", rig.a->last_request, pick(2) * 4));
        break;
    default:
        note(client, rig_call(&rig, name, L, "Connect", "qqqa{sv}", 1, psm, MTU, 1, "security", "y",
                              1 + pick(2)));
        break;
    }
}

static void client_io(void)
{
    size_t i = pick(FAKE_CHANNELS), n = 0;
    uint8_t data[MTU + 1] = {0};

    while (fds[i] < 0 && n++ < FAKE_CHANNELS)
        i = (i + 1) % FAKE_CHANNELS;
    if (fds[i] < 0)
        return;
    switch (pick(12)) {
    case 0:
        close(fds[i]);
        fds[i] = -1;
        break;
    case 1:
    case 2:
        (void)!recv(fds[i], data, sizeof(data), MSG_DONTWAIT);
        break;
    default:
        for (n = 1 + pick(12); n > 0; n--)
            (void)!send(fds[i], data, pick(60) == 0 ? MTU + 1 : pick(MTU),
                        MSG_DONTWAIT | MSG_NOSIGNAL);
        break;
    }
}

static void peer(void)
{
    static const uint8_t data[MTU];
    struct fake_channel *ch = any(is_open);
    uint16_t psm = (uint16_t)(FIRST_PSM + pick(PSMS));

    switch (pick(7)) {
    case 0:
        if (!host->listening[psm] || !(ch = make(psm)))
            return;
        asked[index_of(ch)] = pick(2) ? ++next_request : 0;
        tell(BL_EV_L2CAP_ACCEPT, ch, 0, 0);
        if (asked[index_of(ch)] == 0)
            now_open(ch, 0);
        return;
    case 1:
        if (ch && pick(3) == 0)
            ended(ch, 0);
        return;
    case 2:
    case 3:
        if (!ch || !ch->busy)
            return;
        ch->busy = false;
        ch->room = 1 + pick(20);
        tell(BL_EV_L2CAP_SEND_READY, ch, 0, 0);
        return;
    default:
        if (!ch || ch->n_rx == FAKE_SDUS)
            return;
        fake_l2cap_put(ch, data, pick(MTU));
        tell(BL_EV_L2CAP_RECEIVED, ch, 0, 0);
        return;
    }
}

static bool is_disconnecting(const struct fake_channel *ch)
{
    return ch->disconnecting && is_open(ch);
}

static void step(void)
{
    struct fake_channel *ch;
    unsigned client = pick(CLIENTS);

    switch (pick(12)) {
    case 0:
        if (bus_client_find(rig.bus, name_of(client)))
            rig_vanish(&rig, name_of(client));
        generation[client]++;
        break;
    case 1:
    case 2:
        call(client);
        break;
    case 3:
    case 4:
        ch = any(NULL);
        if (ch)
            call_about(client, ch);
        break;
    case 5:
        finish_op(pick(4) != 0);
        break;
    case 6:
        ch = any(is_disconnecting);
        if (ch)
            ended(ch, 0);
        break;
    case 7:
        rig.now += pick(3000000);
        break;
    case 8:
    case 9:
        client_io();
        break;
    default:
        peer();
        break;
    }
    rig_run(&rig);
    look();
    watches_turn();
    rig_run(&rig);
    look();
}

static void link_up(void)
{
    bus_adapter_event(rig.a,
                      &(struct bl_event){.kind = BL_EV_CONNECTED,
                                         .connected = {.conn = 1, .role = BL_ROLE_PERIPHERAL}});
}

static void link_down(void)
{
    while (n_pending > 0) {
        finish_op(false);
        rig_run(&rig);
        look();
    }
    for (size_t i = 0; i < FAKE_CHANNELS; i++) {
        if (host->channels[i].there && open[i])
            ended(&host->channels[i], 0x113);
        host->channels[i].there = false;
        asked[i] = 0;
    }
    bus_adapter_event(rig.a,
                      &(struct bl_event){
                          .kind = BL_EV_DISCONNECTED,
                          .disconnected = {.conn = 1, .role = BL_ROLE_PERIPHERAL, .reason = 0x13}});
    rig_run(&rig);
}

static void start(uint32_t n)
{
    seed = n * 2654435761u;
    rig_start(&rig, false);
    watches_start(&rig);
    rig_ready(&rig);
    host = &rig.host.l2cap;
    n_calls = n_pending = 0;
    seen_connects = seen_pairs = 0;
    next_request = 0;
    for (size_t i = 0; i < FAKE_CHANNELS; i++) {
        fds[i] = -1;
        open[i] = over[i] = false;
        asked[i] = 0;
    }
    link_up();
}

/* Of each channel: Connected, then anything, then Disconnected and nothing more. */
static void check_signals(void)
{
    bool told[128] = {false};
    char member[32];
    unsigned cid;

    for (size_t i = 0; i < rig.n_lines; i++) {
        if (sscanf(rig.lines[i], "signal %31s -> %*s 1 %u", member, &cid) != 2 || cid < 0x40 ||
            cid > 0x7f)
            continue;
        if (strcmp(member, "Connected") == 0)
            told[cid] = true;
        else
            ck_assert_msg(told[cid], "%s", rig.lines[i]);
        if (strcmp(member, "Disconnected") == 0)
            told[cid] = false;
    }
}

START_TEST(everything_ends)
{
    start((uint32_t)_i + 1);
    for (int i = 0; i < STEPS; i++)
        step();
    link_down();
    ck_assert_uint_eq(bus_l2cap_of(rig.a)->n_channels, 0);
    ck_assert_uint_eq(bus_l2cap_of(rig.a)->n_sockets, 0);
    ck_assert_uint_eq(bus_l2cap_of(rig.a)->n_asked, 0);
    ck_assert(watches_none());
    for (size_t i = 0; i < n_calls; i++)
        if (calls[i].generation == generation[calls[i].client])
            ck_assert_msg(*rig_answer(&rig, calls[i].number), "call %u", calls[i].number);
    check_signals();
    for (size_t i = 0; i < FAKE_CHANNELS; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    rig_stop(&rig);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("l2cap_random");
    TCase *t = tcase_create("l2cap_random");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, everything_ends, 0, LIVES);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
