/* SPDX-License-Identifier: MIT */

/* Connection-oriented channels between hosts of the real stack, in virtual time: what the facade
 * does, and in which order it tells of it. */

#include "gatt_rig.h"
#include "l2cap_rig.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#define SECOND 1000000u

enum { PSM = 0x80, OTHER_PSM = 0x25, A = 0, B = 1 }; /* A is peripheral, B central */

#define HOST(i) (s->end[i].host)

static struct stack *s;
static uint16_t conn[2];
static struct coc channels[64];

static const size_t from_b[2] = {B, A}, from_a[2] = {A, B};

static void setup(void)
{
    const struct bl_air_config config = bl_air_config_default();

    s = stack_new(1, 2, &config);
    stack_connect(s, A, B, &conn[A], &conn[B]);
    stack_forget(s);
    memset(channels, 0, sizeof(channels));
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

static void listen_with(size_t end, uint16_t psm, uint16_t mtu, bool authorize)
{
    const struct bl_l2cap_listen listen = {.psm = psm, .mtu = mtu, .authorize = authorize};

    ck_assert_int_eq(bl_l2cap_listen(HOST(end), &listen), 0);
}

/* What the end of a refused attempt is: an event for each channel, then the command. */
static void expect_refused(size_t end, bl_op op, unsigned channels_refused, bl_status status)
{
    for (unsigned i = 0; i < channels_refused; i++) {
        struct bl_event e = coc_expect(s, end, BL_EV_L2CAP_DISCONNECTED);
        ck_assert_uint_eq(e.l2cap.cid, 0);
        ck_assert_uint_eq(e.l2cap.conn, conn[end]);
        ck_assert_uint_eq(e.l2cap.op, op);
        ck_assert_msg(e.l2cap.status == status, "0x%03x", e.l2cap.status);
    }
    struct bl_event e = coc_expect(s, end, BL_EV_OP_DONE);
    ck_assert_uint_eq(e.done.op, op);
    ck_assert_msg(e.done.status == status, "0x%03x", e.done.status);
}

/* ---- data ---- */

static const uint16_t acl_lens[] = {27, 192, 251, 1021};
static const uint16_t mtus[] = {23, 64, 100, 512, 65535};

enum { ACL_LENS = 4, MTUS = 5 };

/* L2CAP/COS/CFC/BV-01..05, L2CAP/COS/ECFC/BV-01..04 and the credits of L2CAP/LE/CFC/BV-06, BV-07:
 * _i is the controllers' buffers, the MTUs and the mode. */
START_TEST(sdus_of_every_length_cross_both_ways)
{
    struct bl_air_config configs[2] = {bl_air_config_default(), bl_air_config_default()};
    unsigned acl = (unsigned)_i % ACL_LENS, mtu = (unsigned)_i / ACL_LENS % MTUS;
    bool enhanced = _i >= ACL_LENS * MTUS;
    size_t opener = (size_t)_i % 2;
    uint16_t ours = mtus[mtu], theirs = mtus[(mtu + acl) % MTUS];

    if (enhanced && ours == 23)
        ours = 64;
    if (enhanced && theirs == 23)
        theirs = 65;
    stack_free(s);
    configs[A].acl_len = acl_lens[acl];
    configs[B].acl_len = acl_lens[(acl + mtu) % ACL_LENS];
    s = stack_new_each((uint64_t)_i + 1, 2, configs);
    stack_connect(s, A, B, &conn[A], &conn[B]);
    coc_listen(s, 1 - opener, PSM, theirs);
    unsigned n = enhanced ? 3 : 1;
    open_from(opener, channels, n, PSM, ours, enhanced);
    for (unsigned i = 0; i < n; i++) {
        struct bl_l2cap_info info[2];
        for (size_t k = 0; k < 2; k++)
            info[k] = coc_info(s, &channels[i].half[k]);
        for (size_t k = 0; k < 2; k++) {
            ck_assert_uint_eq(info[k].psm, PSM);
            ck_assert_uint_eq(info[k].our_mtu, k == COC_OPENER ? ours : theirs);
            ck_assert_uint_eq(info[k].our_mtu, info[1 - k].peer_mtu);
            ck_assert_uint_eq(info[k].our_mps, info[1 - k].peer_mps);
            ck_assert_uint_ge(info[k].our_mps, enhanced ? 64 : 23);
            ck_assert_uint_eq(info[k].credits, info[1 - k].peer_credits);
            ck_assert_uint_gt(info[k].credits, 0);
            ck_assert_int_eq(info[k].enhanced, enhanced);
            ck_assert_int_eq(info[k].incoming, k == COC_LISTENER);
            ck_assert(info[k].open);
        }
    }
    coc_exchange(s, channels, n, 1);
    coc_exchange(s, channels, n, ours > 1000 || theirs > 1000 ? 8 : 60);
    for (unsigned i = 0; i < n; i++) {
        coc_check_window(s, &channels[i].half[0], 65536);
        coc_check_window(s, &channels[i].half[1], 65536);
        coc_close(s, &channels[i], i % 2);
    }
}
END_TEST

START_TEST(an_empty_sdu_is_one)
{
    size_t bytes, sdus, n = 9;
    const uint8_t *sdu;

    coc_listen(s, A, PSM, 100);
    open_from(B, channels, 1, PSM, 100, _i == 1);
    struct coc_half *w = &channels[0].half[0], *h = &channels[0].half[1];
    ck_assert_int_eq(bl_l2cap_send(HOST(B), s->now, w->conn, w->cid, NULL, 0), 1);
    ck_assert_int_eq(bl_l2cap_send(HOST(B), s->now, w->conn, w->cid, "xy", 2), 1);
    ck_assert_int_eq(bl_l2cap_send(HOST(B), s->now, w->conn, w->cid, "", 0), 1);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_uint_eq(coc_expect(s, A, BL_EV_L2CAP_RECEIVED).l2cap.cid, h->cid);
    coc_quiet(s, A, SECOND);
    ck_assert_int_eq(bl_l2cap_available(HOST(A), h->conn, h->cid, &bytes, &sdus), 0);
    ck_assert_uint_eq(bytes, 2);
    ck_assert_uint_eq(sdus, 3);
    ck_assert(bl_l2cap_peek(HOST(A), h->conn, h->cid, 0, &sdu, &n));
    ck_assert_uint_eq(n, 0);
    ck_assert(bl_l2cap_peek(HOST(A), h->conn, h->cid, 1, &sdu, &n));
    ck_assert_uint_eq(n, 2);
    ck_assert(bl_l2cap_peek(HOST(A), h->conn, h->cid, 2, &sdu, &n));
    ck_assert_uint_eq(n, 0);
    ck_assert(!bl_l2cap_peek(HOST(A), h->conn, h->cid, 3, &sdu, &n));
    ck_assert_int_eq(bl_l2cap_consume(HOST(A), s->now, h->conn, h->cid, 1), -EINVAL);
    ck_assert_int_eq(bl_l2cap_consume(HOST(A), s->now, h->conn, h->cid, 0), 0);
    ck_assert_int_eq(bl_l2cap_consume(HOST(A), s->now, h->conn, h->cid, 3), -EINVAL);
    ck_assert_int_eq(bl_l2cap_consume(HOST(A), s->now, h->conn, h->cid, 1), 0);
    ck_assert_int_eq(bl_l2cap_available(HOST(A), h->conn, h->cid, &bytes, &sdus), 0);
    ck_assert_uint_eq(bytes, 1);
    ck_assert_uint_eq(sdus, 2);
    ck_assert(bl_l2cap_peek(HOST(A), h->conn, h->cid, 0, &sdu, &n));
    ck_assert(n == 1 && sdu[0] == 'y');
    ck_assert_int_eq(bl_l2cap_consume_sdus(HOST(A), s->now, h->conn, h->cid, 3), -EINVAL);
    ck_assert_int_eq(bl_l2cap_consume_sdus(HOST(A), s->now, h->conn, h->cid, 2), 0);
    ck_assert_int_eq(bl_l2cap_available(HOST(A), h->conn, h->cid, &bytes, &sdus), 0);
    ck_assert_uint_eq(sdus, 0);
    ck_assert_int_eq(bl_l2cap_consume(HOST(A), s->now, h->conn, h->cid, 0), -ENOENT);
    ck_assert_int_eq(bl_l2cap_consume_sdus(HOST(A), s->now, h->conn, h->cid, 1), -EINVAL);
}
END_TEST

/* Short SDUs: many slots, together within 64 KiB; long ones: one at the least. */
START_TEST(slots_are_as_many_as_fit)
{
    static const uint16_t peer[] = {23, 512, 8192, 9000, 40000, 65535};
    struct bl_l2cap_slot slot[BL_L2CAP_SLOTS];
    size_t len[BL_L2CAP_SLOTS + 1];

    coc_listen(s, A, PSM, peer[_i]);
    open_from(B, channels, 1, PSM, 100, false);
    struct coc_half *h = &channels[0].half[0];
    size_t n = bl_l2cap_slots(HOST(B), h->conn, h->cid, slot, BL_L2CAP_SLOTS);
    ck_assert_uint_ge(n, 1);
    ck_assert_uint_le(n, BL_L2CAP_SLOTS);
    if (peer[_i] <= 8192)
        ck_assert_uint_eq(n, BL_L2CAP_SLOTS);
    for (size_t i = 0; i < n; i++) {
        ck_assert_uint_eq(slot[i].size, peer[_i]);
        memset(slot[i].data, (int)i, slot[i].size);
        len[i] = i + 1;
    }
    len[n] = 0;
    ck_assert_int_eq(bl_l2cap_commit(HOST(B), s->now, h->conn, h->cid, len, n + 1), -EINVAL);
    len[0] = peer[_i] + 1u;
    ck_assert_int_eq(bl_l2cap_commit(HOST(B), s->now, h->conn, h->cid, len, n), -EINVAL);
    len[0] = 1;
    /* Whatever -EINVAL did to what was written, the places are still ours to fill. */
    n = bl_l2cap_slots(HOST(B), h->conn, h->cid, slot, BL_L2CAP_SLOTS);
    ck_assert_uint_ge(n, 1);
    for (size_t i = 0; i < n; i++)
        memset(slot[i].data, (int)i + 7, len[i]);
    int r = bl_l2cap_commit(HOST(B), s->now, h->conn, h->cid, len, n);
    ck_assert(r == 0 || r == 1);
    stack_run(s, 5 * SECOND);
    struct coc_half *reader = &channels[0].half[1];
    for (size_t i = 0; i < n; i++) {
        const uint8_t *sdu;
        size_t got;
        ck_assert(bl_l2cap_peek(HOST(A), reader->conn, reader->cid, i, &sdu, &got));
        ck_assert_uint_eq(got, len[i]);
        for (size_t k = 0; k < got; k++)
            ck_assert_uint_eq(sdu[k], i + 7);
    }
    ck_assert_uint_eq(coc_info(s, reader).rx_sdus, n);
}
END_TEST

/* A writer without a reader is stopped, goes on when there is one, and is told once each time. */
START_TEST(a_writer_waits_for_its_reader)
{
    coc_listen(s, A, PSM, 1000);
    open_from(B, channels, 1, PSM, 1000, _i == 1);
    struct coc_half *w = &channels[0].half[0], *h = &channels[0].half[1];
    for (unsigned round = 0; round < 400; round++) {
        coc_write(s, w, UINT64_MAX, 100000);
        stack_run(s, 20000);
        coc_look(s, channels, 1);
    }
    ck_assert(w->blocked);
    ck_assert_uint_gt(w->written_bytes, 8000);
    ck_assert_uint_lt(w->written_bytes, 65536 + 65536 + 2000);
    ck_assert_uint_eq(coc_info(s, w).credits, 0);
    ck_assert_uint_eq(coc_info(s, h).peer_credits, 0);
    coc_check_window(s, h, 65536);
    unsigned readies = w->readies;
    stack_run(s, 60 * SECOND);
    coc_look(s, channels, 1);
    ck_assert_uint_eq(w->readies, readies);
    unsigned stopped_at = w->written;
    for (unsigned round = 0; h->read < stopped_at || w->blocked; round++) {
        ck_assert_uint_lt(round, 2000);
        coc_read(s, h, 3000, 100);
        stack_run(s, 20000);
        coc_look(s, channels, 1);
    }
    ck_assert_uint_eq(h->read, stopped_at);
    ck_assert_uint_eq(w->readies, readies + 1);
    coc_exchange(s, channels, 1, 20);
}
END_TEST

/* A reader that takes an octet at a time gets them all, and credits come in lots, not one for each.
 */
START_TEST(a_slow_reader_costs_few_credit_commands)
{
    struct bl_conn_info before, after;

    coc_listen(s, A, PSM, 200);
    open_from(B, channels, 1, PSM, 200, false);
    struct coc_half *w = &channels[0].half[0], *h = &channels[0].half[1];
    ck_assert_int_eq(bl_conn_info(HOST(A), conn[A], &before), 0);
    while (h->read < 600) {
        coc_write(s, w, UINT64_MAX, 600);
        coc_read(s, h, 500, 1);
        stack_run(s, 5000);
        coc_look(s, channels, 1);
    }
    stack_run(s, SECOND);
    ck_assert_int_eq(bl_conn_info(HOST(A), conn[A], &after), 0);
    ck_assert_uint_gt(after.tx_packets, before.tx_packets);
    ck_assert_uint_lt(after.tx_packets - before.tx_packets, 200);
}
END_TEST

/* ---- listening ---- */

START_TEST(an_spsm_has_one_listener)
{
    for (uint16_t psm = 1; psm <= BL_L2CAP_SPSM_MAX; psm++)
        coc_listen(s, A, psm, (uint16_t)(psm + 100));
    for (uint16_t psm = 1; psm <= BL_L2CAP_SPSM_MAX; psm++)
        ck_assert_int_eq(bl_l2cap_listen(HOST(A), &(struct bl_l2cap_listen){.psm = psm, .mtu = 23}),
                         -EEXIST);
    ck_assert_int_eq(bl_l2cap_listen(HOST(A), &(struct bl_l2cap_listen){.psm = 0, .mtu = 23}),
                     -EINVAL);
    ck_assert_int_eq(bl_l2cap_listen(HOST(A), &(struct bl_l2cap_listen){.psm = 0x100, .mtu = 23}),
                     -EINVAL);
    ck_assert_int_eq(bl_l2cap_listen(HOST(B), &(struct bl_l2cap_listen){.psm = 1, .mtu = 22}),
                     -EINVAL);
    ck_assert_int_eq(
        bl_l2cap_listen(HOST(B), &(struct bl_l2cap_listen){.psm = 1, .mtu = 23, .security = 5}),
        -EINVAL);
    ck_assert_int_eq(bl_l2cap_unlisten(HOST(A), s->now, 0), -ENOENT);
    ck_assert_int_eq(bl_l2cap_unlisten(HOST(A), s->now, 0x100), -ENOENT);
    for (uint16_t psm = 1; psm <= BL_L2CAP_SPSM_MAX; psm += 60) {
        open_from(B, &channels[psm / 60], 1, psm, 50, psm % 2 == 0 ? true : false);
        ck_assert_uint_eq(coc_info(s, &channels[psm / 60].half[0]).peer_mtu, psm + 100);
    }
    for (uint16_t psm = 1; psm <= BL_L2CAP_SPSM_MAX; psm++)
        ck_assert_int_eq(bl_l2cap_unlisten(HOST(A), s->now, psm), 0);
    ck_assert_int_eq(bl_l2cap_unlisten(HOST(A), s->now, 1), -ENOENT);
    coc_exchange(s, channels, 1 + 255 / 60, 5); /* what was open is */
    bl_op op = coc_connect(s, B, conn[B], 1, 50, 0);
    expect_refused(B, op, 1, BL_STATUS_L2CAP + BL_L2CAP_SPSM_NOT_SUPPORTED);
    coc_quiet(s, A, SECOND);
}
END_TEST

/* L2CAP/LE/CFC/BV-04, BV-22, L2CAP/ECFC/BV-04, BV-28 */
START_TEST(an_spsm_without_a_listener_is_refused)
{
    unsigned n = (unsigned)_i; /* 0: LE, else the enhanced mode's channels */
    size_t opener = (size_t)_i % 2;

    coc_listen(s, 1 - opener, PSM, 100);
    stack_forget(s);
    bl_op op = coc_connect(s, opener, conn[opener], PSM + 1, 100, n);
    expect_refused(opener, op, n ? n : 1, BL_STATUS_L2CAP + BL_L2CAP_SPSM_NOT_SUPPORTED);
    coc_quiet(s, 1 - opener, SECOND);
    open_from(opener, channels, n ? n : 1, PSM, 100, n > 0);
}
END_TEST

static const uint16_t refusals[] = {
    BL_L2CAP_SPSM_NOT_SUPPORTED,          BL_L2CAP_NO_RESOURCES,
    BL_L2CAP_INSUFFICIENT_AUTHENTICATION, BL_L2CAP_INSUFFICIENT_AUTHORIZATION,
    BL_L2CAP_KEY_SIZE_TOO_SHORT,          BL_L2CAP_INSUFFICIENT_ENCRYPTION,
    BL_L2CAP_UNACCEPTABLE_PARAMETERS,
};

enum { REFUSALS = 7 };

/* L2CAP/LE/CFC/BV-10, 12, 14, 16, 21, 24, L2CAP/ECFC/BV-10, 12, 14, 16, 21, 31: as initiator; the
 * responder's BV-13. */
START_TEST(what_the_application_refuses_is_told_by_name)
{
    unsigned n = (unsigned)_i / REFUSALS; /* 0: LE */
    uint16_t result = refusals[_i % REFUSALS];
    size_t opener = (size_t)_i % 2, other = 1 - opener;

    listen_with(other, PSM, 100, true);
    stack_forget(s);
    bl_op op = coc_connect(s, opener, conn[opener], PSM, 100, n);
    uint32_t request[5];
    for (unsigned i = 0; i < (n ? n : 1); i++) {
        struct bl_event e = coc_expect(s, other, BL_EV_L2CAP_ACCEPT);
        ck_assert_uint_ne(e.l2cap.request, 0);
        ck_assert_uint_eq(e.l2cap.psm, PSM);
        ck_assert_uint_eq(e.l2cap.conn, conn[other]);
        ck_assert_uint_eq(e.l2cap.our_mtu, 100);
        ck_assert_uint_eq(e.l2cap.peer_mtu, 100);
        request[i] = e.l2cap.request;
    }
    coc_quiet(s, opener, 20 * SECOND);
    coc_quiet(s, other, SECOND);
    ck_assert_int_eq(bl_l2cap_reply(HOST(other), s->now, request[0] + 100, 0), -ENOENT);
    ck_assert_int_eq(bl_l2cap_reply(HOST(other), s->now, request[0], 0x1234), -EINVAL);
    ck_assert_int_eq(bl_l2cap_reply(HOST(other), s->now, request[0], 1), -EINVAL);
    for (unsigned i = 0; i < (n ? n : 1); i++) {
        ck_assert_int_eq(bl_l2cap_reply(HOST(other), s->now, request[i], result), 0);
        ck_assert_int_eq(bl_l2cap_reply(HOST(other), s->now, request[i], 0), -ENOENT);
    }
    expect_refused(opener, op, n ? n : 1, BL_STATUS_L2CAP + result);
    coc_quiet(s, other, SECOND);
    ck_assert_uint_eq(stack_counter(s, other, "procedures-open"), 0);
}
END_TEST

START_TEST(what_the_application_accepts_is_open)
{
    bool enhanced = _i % 2 == 1;
    size_t opener = (size_t)_i / 2, other = 1 - opener;

    listen_with(other, PSM, 300, true);
    stack_forget(s);
    bl_op op = coc_connect(s, opener, conn[opener], PSM, 100, enhanced ? 1 : 0);
    struct bl_event asked = coc_expect(s, other, BL_EV_L2CAP_ACCEPT);
    stack_run(s, 25 * SECOND);
    coc_quiet(s, opener, SECOND);
    ck_assert_int_eq(bl_l2cap_reply(HOST(other), s->now, asked.l2cap.request, 0), 0);
    struct bl_event theirs = coc_expect(s, other, BL_EV_L2CAP_CONNECTED);
    struct bl_event ours = coc_expect(s, opener, BL_EV_L2CAP_CONNECTED);
    ck_assert_uint_eq(ours.l2cap.op, op);
    ck_assert_uint_eq(ours.l2cap.peer_mtu, 300);
    ck_assert_uint_eq(theirs.l2cap.peer_mtu, 100);
    ck_assert_uint_eq(theirs.l2cap.our_mtu, 300);
    ck_assert_uint_eq(coc_expect(s, opener, BL_EV_OP_DONE).done.op, op);
    ck_assert_int_eq(bl_l2cap_send(HOST(opener), s->now, conn[opener], ours.l2cap.cid, "hello", 5),
                     1);
    coc_expect(s, other, BL_EV_L2CAP_RECEIVED);
}
END_TEST

/* Core 5.4, Vol 3, Part A, 4.26: some are refused, one result for all of those. */
START_TEST(some_of_five_channels_are_refused)
{
    unsigned taken_mask = (unsigned)_i, taken = 0, opened = 0, refused = 0;

    listen_with(A, PSM, 100, true);
    stack_forget(s);
    bl_op op = coc_connect(s, B, conn[B], PSM, 100, 5);
    uint32_t request[5];
    for (unsigned i = 0; i < 5; i++)
        request[i] = coc_expect(s, A, BL_EV_L2CAP_ACCEPT).l2cap.request;
    for (unsigned i = 5; i-- > 0;) { /* in another order */
        bool yes = taken_mask >> i & 1;
        taken += yes;
        ck_assert_int_eq(
            bl_l2cap_reply(HOST(A), s->now, request[i], yes ? 0 : BL_L2CAP_NO_RESOURCES), 0);
        if (i > 0)
            coc_quiet(s, B, SECOND / 10); /* one response for all */
    }
    uint16_t first = 0;
    struct bl_event e = coc_next(s, B, SECOND);
    for (; e.kind != BL_EV_OP_DONE; e = coc_next(s, B, SECOND)) {
        ck_assert_uint_eq(e.l2cap.op, op);
        if (e.kind == BL_EV_L2CAP_CONNECTED) {
            first = first ? first : e.l2cap.cid;
            opened++;
        } else {
            ck_assert_int_eq(e.kind, BL_EV_L2CAP_DISCONNECTED);
            ck_assert_uint_eq(e.l2cap.cid, 0);
            ck_assert_uint_eq(e.l2cap.status, BL_STATUS_L2CAP + BL_L2CAP_NO_RESOURCES);
            refused++;
        }
    }
    ck_assert_uint_eq(opened, taken);
    ck_assert_uint_eq(refused, 5 - taken);
    ck_assert_uint_eq(e.done.op, op);
    if (taken > 0) {
        ck_assert_uint_eq(e.done.status, BL_OK);
        ck_assert_uint_eq(e.done.l2cap.cid, first);
    } else {
        ck_assert_uint_eq(e.done.status, BL_STATUS_L2CAP + BL_L2CAP_NO_RESOURCES);
    }
    for (unsigned i = 0; i < taken; i++) {
        e = coc_expect(s, A, BL_EV_L2CAP_CONNECTED);
        ck_assert_int_eq(bl_l2cap_send(HOST(A), s->now, conn[A], e.l2cap.cid, "a", 1), 1);
        coc_expect(s, B, BL_EV_L2CAP_RECEIVED);
    }
    coc_quiet(s, A, SECOND);
}
END_TEST

/* Requests that wait are refused as if nobody had listened; nobody is told. */
START_TEST(who_stops_listening_refuses_what_waits)
{
    listen_with(A, PSM, 100, true);
    listen_with(A, OTHER_PSM, 100, true);
    stack_forget(s);
    bl_op op[3] = {coc_connect(s, B, conn[B], PSM, 100, 0), coc_connect(s, B, conn[B], PSM, 100, 3),
                   coc_connect(s, B, conn[B], OTHER_PSM, 100, 0)};
    uint32_t request[5];
    for (unsigned i = 0; i < 5; i++)
        request[i] = coc_expect(s, A, BL_EV_L2CAP_ACCEPT).l2cap.request;
    ck_assert_int_eq(bl_l2cap_unlisten(HOST(A), s->now, PSM), 0);
    expect_refused(B, op[0], 1, BL_STATUS_L2CAP + BL_L2CAP_SPSM_NOT_SUPPORTED);
    expect_refused(B, op[1], 3, BL_STATUS_L2CAP + BL_L2CAP_SPSM_NOT_SUPPORTED);
    coc_quiet(s, A, SECOND);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_int_eq(bl_l2cap_reply(HOST(A), s->now, request[i], 0), -ENOENT);
    ck_assert_int_eq(bl_l2cap_reply(HOST(A), s->now, request[4], 0), 0);
    ck_assert_uint_eq(stack_done(s, B, op[2], SECOND).done.status, BL_OK);
    listen_with(A, PSM, 100, false);
    open_from(B, channels, 2, PSM, 100, true);
}
END_TEST

START_TEST(an_enhanced_channel_is_refused_where_the_mtu_is_below_64)
{
    coc_listen(s, A, PSM, 63);
    stack_forget(s);
    bl_op op = coc_connect(s, B, conn[B], PSM, 100, 1);
    expect_refused(B, op, 1, BL_STATUS_L2CAP + BL_L2CAP_UNACCEPTABLE_PARAMETERS);
    coc_quiet(s, A, SECOND);
    open_from(B, channels, 1, PSM, 100, false);
}
END_TEST

/* ---- what cannot be asked for ---- */

START_TEST(arguments_are_checked)
{
    const struct bl_l2cap_connect bad[] = {
        {.psm = 0, .mtu = 100},
        {.psm = 0x100, .mtu = 100},
        {.psm = PSM, .mtu = 22},
        {.psm = PSM, .mtu = 63, .enhanced = true},
        {.psm = PSM, .mtu = 100, .enhanced = true, .count = 6},
        {.psm = PSM, .mtu = 100, .count = 2},
    };
    const struct bl_l2cap_connect good = {.psm = PSM, .mtu = 100};
    bl_op op = 77;
    uint16_t cid = 0x60, gone = 999;
    size_t bytes = 5, sdus = 5, len = 1;
    struct bl_l2cap_slot slot;
    struct bl_l2cap_info info;
    const uint8_t *sdu;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_int_eq(bl_l2cap_connect(HOST(B), s->now, conn[B], &bad[i], &op), -EINVAL);
    ck_assert_int_eq(bl_l2cap_connect(HOST(B), s->now, gone, &good, &op), -ENOTCONN);
    for (unsigned i = 0; i < 2; i++) {
        uint16_t c = i == 0 ? gone : conn[B];
        int r = i == 0 ? -ENOTCONN : -ENOENT;
        ck_assert_int_eq(bl_l2cap_reconfigure(HOST(B), s->now, c, &cid, 1, 200, 0, &op), r);
        ck_assert_int_eq(bl_l2cap_disconnect(HOST(B), s->now, c, cid, &op), r);
        ck_assert_int_eq(bl_l2cap_send(HOST(B), s->now, c, cid, "x", 1), r);
        ck_assert_uint_eq(bl_l2cap_slots(HOST(B), c, cid, &slot, 1), 0);
        ck_assert_int_eq(bl_l2cap_commit(HOST(B), s->now, c, cid, &len, 1), r);
        ck_assert_int_eq(bl_l2cap_available(HOST(B), c, cid, &bytes, &sdus), r);
        ck_assert(!bl_l2cap_peek(HOST(B), c, cid, 0, &sdu, &len));
        ck_assert_int_eq(bl_l2cap_consume(HOST(B), s->now, c, cid, 0), r);
        ck_assert_int_eq(bl_l2cap_consume_sdus(HOST(B), s->now, c, cid, 0), r);
        ck_assert_int_eq(bl_l2cap_info(HOST(B), c, cid, &info), r);
    }
    ck_assert_uint_eq(op, 77);
    ck_assert(bytes == 5 && sdus == 5);
    for (unsigned other = 0; other < 0x10000; other += 0x1f)
        ck_assert_int_eq(bl_l2cap_info(HOST(B), conn[B], (uint16_t)other, &info), -ENOENT);
    coc_quiet(s, B, SECOND);

    coc_listen(s, A, PSM, 100);
    open_from(B, channels, 1, PSM, 100, false);
    cid = channels[0].half[0].cid;
    uint8_t large[101] = {0};
    ck_assert_int_eq(bl_l2cap_send(HOST(B), s->now, conn[B], cid, large, 101), -EMSGSIZE);
    ck_assert_int_eq(bl_l2cap_send(HOST(B), s->now, conn[B], cid, large, 100), 1);
    ck_assert_int_eq(bl_l2cap_reconfigure(HOST(B), s->now, conn[B], &cid, 1, 200, 0, &op), -EINVAL);
}
END_TEST

START_TEST(nothing_can_be_asked_of_a_host_that_is_off)
{
    const struct bl_air_config config = bl_air_config_default();
    const struct bl_l2cap_connect to = {.psm = PSM, .mtu = 100};
    bl_op op;

    struct stack *off = stack_new_off(9, 1, &config);
    struct bl_host *h = off->end[0].host;
    ck_assert_int_eq(bl_l2cap_listen(h, &(struct bl_l2cap_listen){.psm = PSM, .mtu = 100}),
                     -ENETDOWN);
    ck_assert_int_eq(bl_l2cap_connect(h, off->now, 1, &to, &op), -ENETDOWN);
    stack_free(off);
}
END_TEST

/* ---- reconfiguration ---- */

static void reconfigured(size_t end, const struct coc_half *h, bl_op op, uint16_t our_mtu,
                         uint16_t peer_mtu)
{
    struct bl_event e = coc_expect(s, end, BL_EV_L2CAP_RECONFIGURED);

    ck_assert_uint_eq(e.l2cap.conn, h->conn);
    ck_assert_uint_eq(e.l2cap.cid, h->cid);
    ck_assert_uint_eq(e.l2cap.op, op);
    ck_assert_uint_eq(e.l2cap.our_mtu, our_mtu);
    ck_assert_uint_eq(e.l2cap.peer_mtu, peer_mtu);
    ck_assert_uint_eq(coc_info(s, h).our_mtu, our_mtu);
    ck_assert_uint_eq(coc_info(s, h).peer_mtu, peer_mtu);
}

/* L2CAP/ECFC/BV-22, BV-23: either end has its own MTU raised, data before and after. */
START_TEST(mtus_grow_both_ways)
{
    static uint8_t large[5000];
    uint16_t cids[3];
    bl_op op;

    coc_listen(s, A, PSM, 64);
    open_from(B, channels, 3, PSM, 70, true);
    coc_exchange(s, channels, 3, 10);
    for (size_t k = 0; k < 2; k++) {
        size_t end = channels[0].half[k].end;
        for (unsigned i = 0; i < 3; i++)
            cids[i] = channels[i].half[k].cid;
        unsigned n = k == 0 ? 3 : 1;
        ck_assert_int_eq(bl_l2cap_reconfigure(HOST(end), s->now, conn[end], cids, n, 5000, 0, &op),
                         0);
        stack_run(s, SECOND);
        for (unsigned i = 0; i < n; i++) {
            reconfigured(1 - end, &channels[i].half[1 - k], 0, k == 0 ? 64 : 5000, 5000);
            reconfigured(end, &channels[i].half[k], op, 5000, k == 0 ? 64 : 5000);
        }
        struct bl_event e = coc_expect(s, end, BL_EV_OP_DONE);
        ck_assert_uint_eq(e.done.op, op);
        ck_assert_uint_eq(e.done.status, BL_OK);
        struct coc_half *w = &channels[0].half[1 - k], *h = &channels[0].half[k];
        for (size_t i = 0; i < sizeof(large); i++)
            large[i] = (uint8_t)(i * 7 + k);
        ck_assert_int_ge(bl_l2cap_send(HOST(w->end), s->now, w->conn, w->cid, large, 5000), 0);
        ck_assert_int_lt(bl_l2cap_send(HOST(w->end), s->now, w->conn, w->cid, large, 5001), 0);
        stack_run(s, 5 * SECOND);
        const uint8_t *sdu;
        size_t len;
        ck_assert(bl_l2cap_peek(HOST(h->end), h->conn, h->cid, 0, &sdu, &len));
        ck_assert_uint_eq(len, 5000);
        ck_assert_mem_eq(sdu, large, 5000);
        ck_assert_int_eq(bl_l2cap_consume(HOST(h->end), s->now, h->conn, h->cid, 5000), 0);
        stack_run(s, SECOND);
        stack_forget(s);
    }
}
END_TEST

/* In the middle of a stream; and both ends at once. */
START_TEST(a_stream_goes_on_through_reconfigurations)
{
    bl_op op[2];

    coc_listen(s, A, PSM, 200);
    open_from(B, channels, 2, PSM, 200, true);
    for (uint16_t round = 1; round < 20; round++) {
        for (unsigned i = 0; i < 2; i++)
            for (unsigned k = 0; k < 2; k++)
                coc_write(s, &channels[i].half[k], UINT64_MAX, round * 20u);
        for (unsigned k = 0; k < 2; k++) {
            const struct coc_half *h = &channels[0].half[k];
            uint16_t mtu = (uint16_t)(200 + 300 * round), mps = (uint16_t)(64 + 9 * (round % 7));
            ck_assert_int_eq(bl_l2cap_reconfigure(HOST(h->end), s->now, h->conn, &h->cid, 1, mtu,
                                                  round % 3 ? mps : 0, &op[k]),
                             0);
        }
        for (unsigned k = 0; k < 2; k++)
            ck_assert_uint_eq(stack_done(s, channels[0].half[k].end, op[k], SECOND).done.status,
                              BL_OK);
        for (unsigned i = 0; i < 2; i++)
            for (unsigned k = 0; k < 2; k++)
                coc_read(s, &channels[i].half[k], SIZE_MAX, 0);
        coc_look(s, channels, 2);
    }
    coc_exchange(s, channels, 2, 1);
    for (unsigned k = 0; k < 2; k++) {
        ck_assert_uint_eq(channels[0].half[k].reconfigured, 38);
        ck_assert_uint_eq(coc_info(s, &channels[0].half[k]).our_mtu, 200 + 300 * 19);
        coc_check_window(s, &channels[0].half[k], 65536);
    }
}
END_TEST

/* L2CAP/ECFC/BV-24, BV-25: frames of another length, longer and shorter. */
START_TEST(the_mps_of_one_channel_goes_up_and_down)
{
    static const uint16_t mps[] = {100, 101, 99, 64, 247};
    bl_op op;

    coc_listen(s, A, PSM, 1000);
    open_from(B, channels, 1, PSM, 1000, true);
    struct coc_half *h = &channels[0].half[_i], *w = &channels[0].half[1 - _i];
    for (size_t i = 0; i < sizeof(mps) / sizeof(mps[0]); i++) {
        ck_assert_int_eq(
            bl_l2cap_reconfigure(HOST(h->end), s->now, h->conn, &h->cid, 1, 1000, mps[i], &op), 0);
        ck_assert_uint_eq(stack_done(s, h->end, op, SECOND).done.status, BL_OK);
        ck_assert_uint_eq(coc_info(s, h).our_mps, mps[i]);
        stack_run(s, SECOND);
        ck_assert_uint_eq(coc_info(s, w).peer_mps, mps[i]);
        coc_look(s, channels, 1);
        coc_exchange(s, channels, 1, 12);
    }
}
END_TEST

START_TEST(reconfigurations_that_are_none_are_refused_here)
{
    uint16_t cids[6];
    bl_op op = 5;

    coc_listen(s, A, PSM, 100);
    open_from(B, channels, 5, PSM, 100, true);
    for (unsigned i = 0; i < 5; i++)
        cids[i] = channels[i].half[0].cid;
    cids[5] = cids[0];
    ck_assert_int_eq(bl_l2cap_reconfigure(HOST(B), s->now, conn[B], cids, 0, 200, 0, &op), -EINVAL);
    ck_assert_int_eq(bl_l2cap_reconfigure(HOST(B), s->now, conn[B], cids, 6, 200, 0, &op), -EINVAL);
    ck_assert_int_eq(bl_l2cap_reconfigure(HOST(B), s->now, conn[B], cids, 1, 99, 0, &op), -EINVAL);
    ck_assert_int_eq(bl_l2cap_reconfigure(HOST(B), s->now, conn[B], cids, 1, 200, 63, &op),
                     -EINVAL);
    cids[1] = cids[0];
    ck_assert_int_eq(bl_l2cap_reconfigure(HOST(B), s->now, conn[B], cids, 2, 200, 0, &op), -EINVAL);
    ck_assert_uint_eq(op, 5);
    coc_quiet(s, B, SECOND);
    coc_exchange(s, channels, 5, 3);
}
END_TEST

static Suite *l2cap_suite(void)
{
    Suite *suite = suite_create("stack/l2cap");
    TCase *t = tcase_create("channels");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, sdus_of_every_length_cross_both_ways, 0, 2 * ACL_LENS * MTUS);
    tcase_add_loop_test(t, an_empty_sdu_is_one, 0, 2);
    tcase_add_loop_test(t, slots_are_as_many_as_fit, 0, 6);
    tcase_add_loop_test(t, a_writer_waits_for_its_reader, 0, 2);
    tcase_add_test(t, a_slow_reader_costs_few_credit_commands);
    tcase_add_test(t, an_spsm_has_one_listener);
    tcase_add_loop_test(t, an_spsm_without_a_listener_is_refused, 0, 6);
    tcase_add_loop_test(t, what_the_application_refuses_is_told_by_name, 0, 6 * REFUSALS);
    tcase_add_loop_test(t, what_the_application_accepts_is_open, 0, 4);
    tcase_add_loop_test(t, some_of_five_channels_are_refused, 0, 32);
    tcase_add_test(t, who_stops_listening_refuses_what_waits);
    tcase_add_test(t, an_enhanced_channel_is_refused_where_the_mtu_is_below_64);
    tcase_add_test(t, arguments_are_checked);
    tcase_add_test(t, nothing_can_be_asked_of_a_host_that_is_off);
    tcase_add_test(t, mtus_grow_both_ways);
    tcase_add_test(t, a_stream_goes_on_through_reconfigurations);
    tcase_add_loop_test(t, the_mps_of_one_channel_goes_up_and_down, 0, 2);
    tcase_add_test(t, reconfigurations_that_are_none_are_refused_here);
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
