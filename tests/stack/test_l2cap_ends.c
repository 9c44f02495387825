/* SPDX-License-Identifier: MIT */

/* How channels of the real stack end, what happens to both ends at once, and how many there can be.
 */

#include "l2cap_rig.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#define SECOND 1000000u

enum { PSM = 0x80, A = 0, B = 1 }; /* A is peripheral, B central */

#define HOST(i) (s->end[i].host)

static struct stack *s;
static uint16_t conn[2];
static struct coc channels[64];

static const size_t from_b[2] = {B, A}, from_a[2] = {A, B};

static void setup_with(const struct bl_air_config *config)
{
    s = stack_new(2, 2, config);
    stack_connect(s, A, B, &conn[A], &conn[B]);
    stack_forget(s);
    memset(channels, 0, sizeof(channels));
}

static void setup(void)
{
    const struct bl_air_config config = bl_air_config_default();

    setup_with(&config);
}

static void teardown(void)
{
    coc_free(channels, 64);
    stack_free(s);
}

static void open_from(size_t opener, struct coc *ret, unsigned count, uint16_t psm, uint16_t mtu,
                      bool enhanced)
{
    const uint16_t conns[2] = {conn[opener], conn[1 - opener]};

    coc_open(s, ret, count, opener == A ? from_a : from_b, conns, psm, mtu, enhanced);
}

static size_t waiting(const struct coc_half *h)
{
    size_t bytes, sdus;

    ck_assert_int_eq(bl_l2cap_available(HOST(h->end), h->conn, h->cid, &bytes, &sdus), 0);
    return sdus;
}

static void fill(struct coc_half *w, unsigned rounds)
{
    while (rounds-- > 0) {
        coc_write(s, w, UINT64_MAX, 1000000);
        stack_run(s, 20000);
        coc_look(s, channels, 1);
    }
    coc_write(s, w, UINT64_MAX, 1000000);
    ck_assert(w->blocked);
}

/* ---- closing ---- */

/* L2CAP/LE/CFC/BV-08, BV-09, L2CAP/ECFC/BV-08, BV-09 */
START_TEST(a_channel_is_closed_from_either_end)
{
    struct bl_l2cap_info info;

    coc_listen(s, A, PSM, 100);
    open_from(B, channels, 1, PSM, 100, _i % 2 == 1);
    coc_close(s, &channels[0], (size_t)_i / 2);
    for (size_t k = 0; k < 2; k++) {
        const struct coc_half *h = &channels[0].half[k];
        ck_assert_int_eq(bl_l2cap_info(HOST(h->end), h->conn, h->cid, &info), -ENOENT);
        ck_assert_int_eq(bl_l2cap_send(HOST(h->end), s->now, h->conn, h->cid, "x", 1), -ENOENT);
        ck_assert_int_eq(bl_l2cap_disconnect(HOST(h->end), s->now, h->conn, h->cid, NULL), -ENOENT);
    }
    coc_quiet(s, A, SECOND);
    coc_quiet(s, B, SECOND);
}
END_TEST

/* What was taken for sending arrives before the end, however much it is. */
START_TEST(nothing_that_was_taken_is_lost_by_closing)
{
    struct bl_l2cap_info info;
    bl_op op;

    coc_listen(s, A, PSM, 2000);
    open_from(B, channels, 1, PSM, 2000, _i % 2 == 1);
    struct coc_half *w = &channels[0].half[_i / 2], *h = &channels[0].half[1 - _i / 2];
    fill(w, 0);
    ck_assert_int_eq(bl_l2cap_disconnect(HOST(w->end), s->now, w->conn, w->cid, &op), 0);
    ck_assert_int_eq(bl_l2cap_disconnect(HOST(w->end), s->now, w->conn, w->cid, NULL), -ENOENT);
    ck_assert_int_eq(bl_l2cap_info(HOST(w->end), w->conn, w->cid, &info), 0);
    ck_assert(!info.open);
    ck_assert_int_lt(bl_l2cap_send(HOST(w->end), s->now, w->conn, w->cid, "x", 1), 0);
    w->blocked = true; /* SEND_READY may come or not: it was promised */
    for (unsigned round = 0; !h->ended; round++) {
        ck_assert_uint_lt(round, 3000);
        stack_run(s, 20000);
        struct stack_end *e = &s->end[w->end];
        for (size_t i = 0; i < e->n_events; i++)
            if (e->events[i].kind == BL_EV_L2CAP_SEND_READY)
                ck_assert_uint_eq(e->events[i].l2cap.status, 0);
        coc_look(s, channels, 1);
        coc_read(s, h, SIZE_MAX, 0);
    }
    ck_assert_uint_eq(h->read, w->written);
    ck_assert_uint_eq(h->status, 0);
    stack_run(s, SECOND);
    coc_look(s, channels, 1);
    ck_assert_uint_eq(w->ended, 1);
    ck_assert_uint_eq(w->status, 0);
    ck_assert_int_eq(bl_l2cap_info(HOST(h->end), h->conn, h->cid, &info), -ENOENT);
}
END_TEST

/* Nobody reads: after five seconds the rest is given up, and the writer is told. What has come
 * whole can be read afterwards, and its number is nobody else's until then. */
START_TEST(a_reader_that_stands_still_is_waited_for_5_s)
{
    uint64_t ready_status = 0;
    struct bl_l2cap_info info;
    bl_op op;

    coc_listen(s, A, PSM, 3000);
    open_from(B, channels, 1, PSM, 3000, _i == 1);
    struct coc_half *w = &channels[0].half[0], *h = &channels[0].half[1];
    fill(w, 200);
    ck_assert_uint_eq(coc_info(s, w).credits, 0);
    stack_forget(s);
    uint64_t since = s->now;
    ck_assert_int_eq(bl_l2cap_disconnect(HOST(B), s->now, w->conn, w->cid, &op), 0);
    coc_quiet(s, A, 4 * SECOND);
    struct bl_event e = coc_next(s, B, 5 * SECOND);
    ck_assert_uint_ge(s->now - since, 5 * SECOND - 100000);
    ck_assert_uint_le(s->now - since, 6 * SECOND);
    ck_assert_int_eq(e.kind, BL_EV_L2CAP_SEND_READY);
    ready_status = e.l2cap.status;
    ck_assert_uint_ne(ready_status, 0);
    ck_assert_uint_eq(coc_expect(s, B, BL_EV_L2CAP_DISCONNECTED).l2cap.status, 0);
    ck_assert_uint_eq(coc_expect(s, B, BL_EV_OP_DONE).done.op, op);
    ck_assert_uint_eq(coc_expect(s, A, BL_EV_L2CAP_DISCONNECTED).l2cap.status, 0);
    coc_look(s, channels, 1);
    h->ended = 1;

    size_t sdus = waiting(h);
    ck_assert_uint_ge(sdus, 5);
    ck_assert_uint_lt(sdus, w->written);
    ck_assert_int_eq(bl_l2cap_info(HOST(A), h->conn, h->cid, &info), 0);
    ck_assert(!info.open);
    ck_assert_int_lt(bl_l2cap_send(HOST(A), s->now, h->conn, h->cid, "x", 1), 0);
    for (unsigned i = 0; i < 70; i++) { /* all numbers but that one go round */
        open_from(B, &channels[1], 1, PSM, 100, false);
        ck_assert_uint_ne(channels[1].half[1].cid, h->cid);
        coc_close(s, &channels[1], 0);
        coc_free(&channels[1], 1);
    }
    coc_read(s, h, SIZE_MAX, _i == 1 ? 0 : 1000);
    ck_assert_uint_eq(h->read, sdus);
    ck_assert_int_eq(bl_l2cap_info(HOST(A), h->conn, h->cid, &info), -ENOENT);
}
END_TEST

/* The one who closes reads what has come before the end, too. */
START_TEST(what_came_before_the_end_can_be_read_by_who_closed)
{
    coc_listen(s, A, PSM, 500);
    open_from(B, channels, 1, PSM, 500, false);
    struct coc_half *w = &channels[0].half[0], *h = &channels[0].half[1];
    for (unsigned round = 0; h->told < 20; round++) {
        ck_assert_uint_lt(round, 100);
        coc_write(s, w, UINT64_MAX, 20);
        stack_run(s, 50000);
        coc_look(s, channels, 1);
    }
    coc_close(s, &channels[0], COC_LISTENER);
    ck_assert_uint_eq(waiting(h), 20);
    coc_read(s, h, SIZE_MAX, 33);
    ck_assert_uint_eq(h->read, 20);
}
END_TEST

START_TEST(both_ends_close_at_once)
{
    bl_op op[2];

    coc_listen(s, A, PSM, 500);
    open_from(B, channels, 5, PSM, 500, true);
    for (unsigned i = 0; i < 5; i++)
        for (unsigned k = 0; k < 2; k++)
            if (_i == 1)
                coc_write(s, &channels[i].half[k], UINT64_MAX, 5 * i);
    stack_forget(s);
    for (unsigned i = 0; i < 5; i++)
        for (size_t k = 0; k < 2; k++) {
            const struct coc_half *h = &channels[i].half[k];
            ck_assert_int_eq(bl_l2cap_disconnect(HOST(h->end), s->now, h->conn, h->cid, &op[k]), 0);
        }
    stack_run(s, 20 * SECOND);
    unsigned done[2] = {0};
    for (size_t end = 0; end < 2; end++)
        for (size_t i = 0; i < s->end[end].n_events; i++) {
            const struct bl_event *e = &s->end[end].events[i];
            if (e->kind != BL_EV_OP_DONE)
                continue;
            ck_assert_uint_eq(e->done.status, BL_OK);
            done[end]++;
        }
    ck_assert(done[A] == 5 && done[B] == 5);
    coc_look(s, channels, 5);
    for (unsigned i = 0; i < 5; i++)
        for (size_t k = 0; k < 2; k++) {
            ck_assert_uint_eq(channels[i].half[k].ended, 1);
            ck_assert_uint_eq(channels[i].half[k].status, 0);
        }
}
END_TEST

/* The channel's end comes before the connection's, the command's after the channel's. */
START_TEST(the_connection_takes_its_channels_along)
{
    bl_op op, waits, closing;

    coc_listen(s, A, PSM, 500);
    ck_assert_int_eq(
        bl_l2cap_listen(HOST(A),
                        &(struct bl_l2cap_listen){.psm = PSM + 1, .mtu = 500, .authorize = true}),
        0);
    open_from(B, channels, 3, PSM, 500, true);
    struct coc_half *w = &channels[0].half[0], *h = &channels[0].half[1];
    fill(w, 100);
    waits = coc_connect(s, B, conn[B], PSM + 1, 100, 2);
    stack_run(s, SECOND);
    uint32_t request = stack_wait(s, A, BL_EV_L2CAP_ACCEPT, SECOND).l2cap.request;
    stack_forget(s);
    ck_assert_int_eq(bl_l2cap_disconnect(HOST(B), s->now, w->conn, w->cid, &closing), 0);
    ck_assert_int_eq(bl_disconnect(HOST(_i), s->now, conn[_i], 0x13, &op), 0);
    stack_run(s, 5 * SECOND);
    for (size_t end = 0; end < 2; end++) {
        unsigned ended = 0, ops = 0;
        bool gone = false;
        for (size_t i = 0; i < s->end[end].n_events; i++) {
            const struct bl_event *e = &s->end[end].events[i];
            gone |= e->kind == BL_EV_DISCONNECTED;
            if (e->kind >= BL_EV_L2CAP_ACCEPT)
                ck_assert(!gone);
            if (e->kind == BL_EV_L2CAP_DISCONNECTED && e->l2cap.cid) {
                ended++;
                ck_assert_uint_eq(e->l2cap.status & 0xf00, BL_STATUS_HCI);
            }
            if (e->kind == BL_EV_OP_DONE && (e->done.op == waits || e->done.op == closing) &&
                end == B) {
                ops++;
                ck_assert_uint_eq(e->done.status & 0xf00, BL_STATUS_HCI);
            }
        }
        ck_assert(gone);
        ck_assert_uint_eq(ended, 3);
        ck_assert_uint_eq(ops, end == B ? 2 : 0);
        ck_assert_uint_eq(stack_counter(s, end, "procedures-open"), 0);
    }
    size_t bytes, sdus;
    ck_assert_int_eq(bl_l2cap_available(HOST(A), h->conn, h->cid, &bytes, &sdus), -ENOTCONN);
    ck_assert_int_eq(bl_l2cap_reply(HOST(A), s->now, request, 0), -ENOENT);
    /* Listening outlives connections. */
    coc_free(channels, 3);
    stack_connect(s, A, B, &conn[A], &conn[B]);
    open_from(B, channels, 3, PSM, 500, true);
    coc_exchange(s, channels, 3, 10);
}
END_TEST

START_TEST(a_controller_that_goes_takes_listeners_along)
{
    bl_op op;

    coc_listen(s, A, PSM, 500);
    open_from(B, channels, 1, PSM, 500, false);
    stack_forget(s);
    bl_host_stop(HOST(A), s->now);
    struct bl_event e = coc_expect(s, A, BL_EV_L2CAP_DISCONNECTED);
    ck_assert_uint_ne(e.l2cap.status, 0);
    stack_wait(s, A, BL_EV_DISCONNECTED, SECOND);
    bl_air_power_off(s->air, s->now, s->end[A].controller);
    bl_air_power_on(s->air, s->now, s->end[A].controller);
    ck_assert_int_eq(bl_host_start(HOST(A), s->now, &op), 0);
    ck_assert_uint_eq(stack_done(s, A, op, SECOND).done.status, BL_OK);
    stack_run(s, 30 * SECOND);
    stack_forget(s);
    stack_connect(s, A, B, &conn[A], &conn[B]);
    stack_forget(s);
    op = coc_connect(s, B, conn[B], PSM, 100, 0);
    ck_assert_uint_eq(stack_done(s, B, op, SECOND).done.status,
                      BL_STATUS_L2CAP + BL_L2CAP_SPSM_NOT_SUPPORTED);
    coc_listen(s, A, PSM, 500);
}
END_TEST

/* In order, with what waits; what cannot be any more is refused at once. */
START_TEST(shutting_down_ends_channels_and_commands)
{
    const struct bl_l2cap_connect more = {.psm = PSM, .mtu = 100};
    bl_op op, waits, closing, other;

    coc_listen(s, 1 - (size_t)_i, PSM, 500);
    ck_assert_int_eq(
        bl_l2cap_listen(HOST(1 - _i),
                        &(struct bl_l2cap_listen){.psm = PSM + 1, .mtu = 500, .authorize = true}),
        0);
    open_from((size_t)_i, channels, 1, PSM, 500, false);
    struct coc_half *w = &channels[0].half[0];
    fill(w, 100);
    waits = coc_connect(s, (size_t)_i, conn[_i], PSM + 1, 100, 3);
    stack_run(s, SECOND);
    stack_forget(s);
    ck_assert_int_eq(bl_l2cap_disconnect(HOST(_i), s->now, w->conn, w->cid, &closing), 0);
    ck_assert_int_eq(bl_host_shutdown(HOST(_i), s->now, &op), 0);
    int r = bl_l2cap_connect(HOST(_i), s->now, conn[_i], &more, &other);
    stack_run(s, 20 * SECOND);
    unsigned waited = 0, closed = 0, others = 0, ended = 0, down = 0;
    for (size_t i = 0; i < s->end[_i].n_events; i++) {
        const struct bl_event *e = &s->end[_i].events[i];
        ck_assert(down == 0); /* the last thing of all */
        ended += e->kind == BL_EV_L2CAP_DISCONNECTED && e->l2cap.cid == w->cid;
        if (e->kind != BL_EV_OP_DONE)
            continue;
        waited += e->done.op == waits;
        closed += e->done.op == closing;
        others += r == 0 && e->done.op == other;
        down += e->done.op == op;
    }
    ck_assert(waited == 1 && closed == 1 && ended == 1 && down == 1);
    ck_assert_uint_eq(others, r == 0);
    ck_assert_uint_eq(stack_count(s, 1 - (size_t)_i, BL_EV_L2CAP_DISCONNECTED), 1);
}
END_TEST

/* ---- numbers ---- */

START_TEST(numbers_are_given_in_turn)
{
    uint16_t last[2][32] = {{0}};

    coc_listen(s, A, PSM, 100);
    coc_listen(s, B, PSM, 100);
    for (unsigned n = 0; n < 200; n++) {
        open_from(n % 3 == 0 ? A : B, channels, 1, PSM, 100, false);
        for (size_t k = 0; k < 2; k++) {
            const struct coc_half *h = &channels[0].half[k];
            for (unsigned i = 0; i < 32; i++)
                ck_assert_uint_ne(last[h->end][i], h->cid);
            last[h->end][n % 32] = h->cid;
        }
        coc_close(s, &channels[0], n % 2);
        coc_free(channels, 1);
    }
}
END_TEST

/* 0x0040..0x007f, and no more. */
START_TEST(a_connection_has_64_channels)
{
    const struct bl_l2cap_connect more = {.psm = PSM, .mtu = 100};
    const struct bl_l2cap_connect five = {.psm = PSM, .mtu = 100, .enhanced = true, .count = 5};
    bl_op op;

    coc_listen(s, A, PSM, 100);
    coc_listen(s, B, PSM, 100);
    for (unsigned n = 0; n < 60; n += 5)
        open_from(n % 2, &channels[n], 5, PSM, 100, true);
    for (unsigned n = 60; n < 64; n++) {
        ck_assert_int_eq(bl_l2cap_connect(HOST(n % 2), s->now, conn[n % 2], &five, &op), -ENOBUFS);
        open_from(n % 2, &channels[n], 1, PSM, 100, false);
    }
    for (size_t end = 0; end < 2; end++)
        ck_assert_int_eq(bl_l2cap_connect(HOST(end), s->now, conn[end], &more, &op), -ENOBUFS);
    for (size_t i = 0; i < 64; i++)
        for (size_t j = 0; j < i; j++)
            ck_assert_uint_ne(
                channels[i].half[0].end == channels[j].half[0].end ? channels[i].half[0].cid : 0,
                channels[j].half[0].cid);
    coc_exchange(s, channels, 64, 3);
    coc_close(s, &channels[17], 0);
    coc_free(&channels[17], 1);
    open_from(A, &channels[17], 1, PSM, 100, false);
    coc_exchange(s, channels, 64, 1);
    for (unsigned n = 0; n < 64; n++)
        coc_close(s, &channels[n], n % 2);
}
END_TEST

/* A's numbers are in use up by what has not been read: B has room, A has not. L2CAP/LE/CFC/BV-20 is
 * of the peer's numbers, this of ours: BV-16 and BV-17 as responder. */
START_TEST(a_peer_without_a_number_left_says_no_resources)
{
    bool enhanced = _i == 1;

    coc_listen(s, A, PSM, 100);
    for (unsigned n = 0; n < 60; n += 5)
        open_from(B, &channels[n], 5, PSM, 100, true);
    for (unsigned n = 60; n < 64; n++)
        open_from(B, &channels[n], 1, PSM, 100, false);
    for (unsigned n = 0; n < 4; n++) {
        struct coc_half *w = &channels[n].half[0];
        ck_assert_int_eq(bl_l2cap_send(HOST(B), s->now, w->conn, w->cid, "x", 1), 1);
        stack_run(s, SECOND);
        coc_close(s, &channels[n], 0);
    }
    stack_forget(s);
    bl_op op = coc_connect(s, B, conn[B], PSM, 100, enhanced ? 4 : 0);
    for (unsigned i = 0; i < (enhanced ? 4 : 1); i++) {
        struct bl_event e = coc_expect(s, B, BL_EV_L2CAP_DISCONNECTED);
        ck_assert_uint_eq(e.l2cap.cid, 0);
        ck_assert_uint_eq(e.l2cap.status, BL_STATUS_L2CAP + BL_L2CAP_NO_RESOURCES);
    }
    struct bl_event e = coc_expect(s, B, BL_EV_OP_DONE);
    ck_assert_uint_eq(e.done.op, op);
    ck_assert_uint_eq(e.done.status, BL_STATUS_L2CAP + BL_L2CAP_NO_RESOURCES);
    coc_quiet(s, A, SECOND);
    /* One is read, and there is room for one. */
    const struct coc_half *h = &channels[2].half[1];
    ck_assert_int_eq(bl_l2cap_consume(HOST(A), s->now, h->conn, h->cid, 1), 0);
    op = coc_connect(s, B, conn[B], PSM, 100, enhanced ? 3 : 0);
    ck_assert_int_eq(coc_next(s, B, SECOND).kind, BL_EV_L2CAP_CONNECTED);
    for (unsigned i = 1; i < (enhanced ? 3 : 1); i++)
        ck_assert_uint_eq(coc_expect(s, B, BL_EV_L2CAP_DISCONNECTED).l2cap.status,
                          BL_STATUS_L2CAP + BL_L2CAP_NO_RESOURCES);
    e = coc_expect(s, B, BL_EV_OP_DONE);
    ck_assert_uint_eq(e.done.op, op);
    ck_assert_uint_eq(e.done.status, BL_OK);
}
END_TEST

/* Each channel is promised room for an SDU of its MTU: what a peer can have held is bounded. */
START_TEST(what_a_peer_can_have_held_is_bounded)
{
    const struct bl_l2cap_connect large = {.psm = PSM, .mtu = 65535};
    unsigned opened = 0;
    bl_op op;

    coc_listen(s, A, PSM, 65535);
    coc_listen(s, B, PSM, 23);
    struct bl_event e = {0};
    while (opened < 64) {
        op = coc_connect(s, B, conn[B], PSM, 23, 0);
        e = stack_done(s, B, op, SECOND);
        if (e.done.status != BL_OK)
            break;
        stack_forget(s);
        opened++;
    }
    ck_assert_uint_eq(e.done.status, BL_STATUS_L2CAP + BL_L2CAP_NO_RESOURCES);
    ck_assert_uint_ge(opened, 8);
    ck_assert_uint_le(opened, BL_MAX_CHANNEL_RX / 65535 + 1);
    ck_assert_int_eq(bl_l2cap_connect(HOST(A), s->now, conn[A], &large, &op), -ENOBUFS);
    coc_quiet(s, A, 0);
}
END_TEST

/* ---- at once ---- */

START_TEST(both_ends_connect_at_once)
{
    bl_op op[2][4];
    struct bl_event told[2][64];
    unsigned opened[2] = {0};

    for (size_t end = 0; end < 2; end++)
        coc_listen(s, end, PSM, 100);
    stack_forget(s);
    for (unsigned i = 0; i < 4; i++)
        for (size_t end = 0; end < 2; end++)
            op[end][i] = coc_connect(s, end, conn[end], PSM, 100, (i + 3) % 6);
    for (unsigned i = 0; i < 4; i++)
        for (size_t end = 0; end < 2; end++)
            ck_assert_uint_eq(stack_done(s, end, op[end][i], SECOND).done.status, BL_OK);
    stack_run(s, SECOND);
    for (size_t end = 0; end < 2; end++)
        for (size_t i = 0; i < s->end[end].n_events; i++)
            if (s->end[end].events[i].kind == BL_EV_L2CAP_CONNECTED)
                told[end][opened[end]++] = s->end[end].events[i];
    ck_assert_uint_eq(opened[A], opened[B]);
    ck_assert_uint_eq(opened[A], 2 * (3 + 4 + 5 + 1));
    /* Each one's other end is the one it is told of. */
    for (unsigned i = 0; i < opened[A]; i++) {
        struct bl_l2cap_info a, b;
        uint16_t cid = told[A][i].l2cap.cid;
        ck_assert_int_eq(bl_l2cap_info(HOST(A), conn[A], cid, &a), 0);
        ck_assert_int_eq(bl_l2cap_info(HOST(B), conn[B], a.peer_cid, &b), 0);
        ck_assert_uint_eq(b.peer_cid, cid);
        ck_assert(a.incoming != b.incoming && a.enhanced == b.enhanced);
        ck_assert_int_eq(bl_l2cap_send(HOST(A), s->now, conn[A], cid, &cid, 2), 1);
    }
    stack_run(s, SECOND);
    for (unsigned i = 0; i < opened[B]; i++) {
        struct bl_l2cap_info b;
        uint16_t cid = told[B][i].l2cap.cid, said;
        const uint8_t *sdu;
        size_t n;
        ck_assert_int_eq(bl_l2cap_info(HOST(B), conn[B], cid, &b), 0);
        ck_assert(bl_l2cap_peek(HOST(B), conn[B], cid, 0, &sdu, &n));
        ck_assert_uint_eq(n, 2);
        memcpy(&said, sdu, 2);
        ck_assert_uint_eq(said, b.peer_cid);
    }
}
END_TEST

/* Opening, reconfiguring and closing are asked for before any answer has come. */
START_TEST(many_commands_are_under_way_at_once)
{
    bl_op op[40];
    unsigned n = 0;

    coc_listen(s, A, PSM, 100);
    coc_listen(s, B, PSM, 100);
    for (unsigned i = 0; i < 4; i++)
        open_from(B, &channels[5 * i], 5, PSM, 100, true);
    stack_forget(s);
    for (unsigned i = 0; i < 10; i++) {
        const struct coc_half *h = &channels[i].half[0];
        op[n++] = coc_connect(s, B, conn[B], PSM, 100, i % 3);
        ck_assert_int_eq(
            bl_l2cap_reconfigure(HOST(B), s->now, h->conn, &h->cid, 1, 300, 0, &op[n++]), 0);
        h = &channels[10 + i].half[0];
        ck_assert_int_eq(bl_l2cap_disconnect(HOST(B), s->now, h->conn, h->cid, &op[n++]), 0);
    }
    for (unsigned i = 0; i < n; i++) {
        bl_status status = stack_done(s, B, op[i], 5 * SECOND).done.status;
        ck_assert_msg(status == BL_OK, "command %u: 0x%03x", i, status);
    }
    stack_run(s, SECOND);
    coc_look(s, channels, 20);
    for (unsigned i = 0; i < 20; i++)
        for (size_t k = 0; k < 2; k++) {
            ck_assert_uint_eq(channels[i].half[k].ended, i >= 10);
            ck_assert_uint_eq(channels[i].half[k].reconfigured, i < 10);
        }
    coc_exchange(s, channels, 10, 4);
}
END_TEST

/* A channel that is closed while it is being opened or changed has one end. */
START_TEST(closing_overtakes_what_is_under_way)
{
    bl_op change, close;

    coc_listen(s, A, PSM, 100);
    open_from(B, channels, 2, PSM, 100, true);
    stack_forget(s);
    uint16_t cids[2] = {channels[0].half[0].cid, channels[1].half[0].cid};
    ck_assert_int_eq(bl_l2cap_reconfigure(HOST(B), s->now, conn[B], cids, 2, 300, 0, &change), 0);
    size_t k = (size_t)_i;
    const struct coc_half *h = &channels[0].half[k];
    ck_assert_int_eq(bl_l2cap_disconnect(HOST(h->end), s->now, h->conn, h->cid, &close), 0);
    ck_assert_uint_eq(stack_done(s, h->end, close, 5 * SECOND).done.status, BL_OK);
    (void)stack_done(s, B, change, 5 * SECOND);
    stack_run(s, SECOND);
    coc_look(s, channels, 2);
    for (size_t end = 0; end < 2; end++)
        ck_assert_uint_eq(channels[0].half[end].ended, 1);
    coc_exchange(s, &channels[1], 1, 5);
}
END_TEST

/* The connection's parameters change by L2CAP (neither controller can do it), while channels do. */
START_TEST(connection_parameters_change_beside_channels)
{
    const struct bl_air_config config = bl_air_config_v40();
    const struct bl_conn_params slow = {
        .min_interval_us = 100000, .max_interval_us = 100000, .timeout_ms = 6000};
    bl_op update, op[6];

    stack_free(s);
    setup_with(&config);
    coc_listen(s, A, PSM, 100);
    coc_listen(s, B, PSM, 100);
    stack_forget(s);
    for (unsigned i = 0; i < 3; i++)
        op[i] = coc_connect(s, A, conn[A], PSM, 100, i % 2);
    ck_assert_int_eq(bl_update_parameters(HOST(A), s->now, conn[A], &slow, &update), 0);
    for (unsigned i = 3; i < 6; i++)
        op[i] = coc_connect(s, i % 2, conn[i % 2], PSM, 100, i % 3);
    struct bl_event e = stack_done(s, A, update, 10 * SECOND);
    ck_assert_uint_eq(e.done.status, BL_OK);
    ck_assert_uint_eq(e.done.params.interval, 80);
    for (unsigned i = 0; i < 6; i++)
        ck_assert_uint_eq(stack_done(s, i < 3 ? A : i % 2, op[i], 5 * SECOND).done.status, BL_OK);
}
END_TEST

/* ---- silence ---- */

START_TEST(a_request_without_an_answer_ends_after_30_s)
{
    bl_op op, change;

    coc_listen(s, A, PSM, 100);
    open_from(B, channels, 1, PSM, 100, true);
    stack_forget(s);
    s->end[A].deaf = true;
    uint64_t since = s->now;
    op = coc_connect(s, B, conn[B], PSM, 100, (unsigned)_i % 3);
    const struct coc_half *h = &channels[0].half[0];
    ck_assert_int_eq(bl_l2cap_reconfigure(HOST(B), s->now, h->conn, &h->cid, 1, 300, 0, &change),
                     0);
    coc_quiet(s, B, 29 * SECOND);
    ck_assert_uint_eq(stack_done(s, B, op, 2 * SECOND).done.status, BL_TIMEOUT);
    ck_assert_uint_eq(stack_done(s, B, change, 2 * SECOND).done.status, BL_TIMEOUT);
    ck_assert_uint_ge(s->now - since, 30 * SECOND);
    ck_assert_uint_le(s->now - since, 31 * SECOND);
    ck_assert_uint_eq(stack_count(s, B, BL_EV_L2CAP_CONNECTED), 0);
    s->end[A].deaf = false;
    stack_run(s, SECOND);
    ck_assert_uint_eq(stack_count(s, B, BL_EV_DISCONNECTED), 0);
    open_from(B, &channels[1], 1, PSM, 100, false);
    coc_exchange(s, &channels[1], 1, 3);
}
END_TEST

START_TEST(a_channel_ends_also_when_nobody_answers)
{
    struct bl_l2cap_info info;
    bl_op op;

    coc_listen(s, A, PSM, 100);
    open_from(B, channels, 1, PSM, 100, false);
    const struct coc_half *h = &channels[0].half[0];
    stack_forget(s);
    s->end[A].deaf = true;
    ck_assert_int_eq(bl_l2cap_disconnect(HOST(B), s->now, h->conn, h->cid, &op), 0);
    coc_expect(s, B, BL_EV_L2CAP_DISCONNECTED);
    struct bl_event e = coc_expect(s, B, BL_EV_OP_DONE);
    ck_assert_uint_eq(e.done.op, op);
    ck_assert_int_eq(bl_l2cap_info(HOST(B), h->conn, h->cid, &info), -ENOENT);
    ck_assert_uint_eq(stack_counter(s, B, "procedures-open"), 0);
}
END_TEST

static Suite *l2cap_suite(void)
{
    Suite *suite = suite_create("stack/l2cap_ends");
    TCase *t = tcase_create("channels");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, a_channel_is_closed_from_either_end, 0, 4);
    tcase_add_loop_test(t, nothing_that_was_taken_is_lost_by_closing, 0, 4);
    tcase_add_loop_test(t, a_reader_that_stands_still_is_waited_for_5_s, 0, 2);
    tcase_add_test(t, what_came_before_the_end_can_be_read_by_who_closed);
    tcase_add_loop_test(t, both_ends_close_at_once, 0, 2);
    tcase_add_loop_test(t, the_connection_takes_its_channels_along, 0, 2);
    tcase_add_test(t, a_controller_that_goes_takes_listeners_along);
    tcase_add_loop_test(t, shutting_down_ends_channels_and_commands, 0, 2);
    tcase_add_test(t, numbers_are_given_in_turn);
    tcase_add_test(t, a_connection_has_64_channels);
    tcase_add_loop_test(t, a_peer_without_a_number_left_says_no_resources, 0, 2);
    tcase_add_test(t, what_a_peer_can_have_held_is_bounded);
    tcase_add_test(t, both_ends_connect_at_once);
    tcase_add_test(t, many_commands_are_under_way_at_once);
    tcase_add_loop_test(t, closing_overtakes_what_is_under_way, 0, 2);
    tcase_add_test(t, connection_parameters_change_beside_channels);
    tcase_add_loop_test(t, a_request_without_an_answer_ends_after_30_s, 0, 3);
    tcase_add_test(t, a_channel_ends_also_when_nobody_answers);
    suite_add_tcase(suite, t);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(l2cap_suite());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
