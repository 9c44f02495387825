/* SPDX-License-Identifier: MIT */

/*
 * Random lives of a server: requests right and wrong from three clients, replies of the
 * application or none, services that come and go, links that end, memory that fails. Whatever
 * happens, each request has one answer of its own, of a legal length, and nothing exceeds a bound.
 */

#include "server_fixture.h"

#include "oom.h"

#include <check.h>
#include <string.h>

static uint32_t state;

static uint32_t random_below(uint32_t n)
{
    state = state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(state >> 4) * n >> 28);
}

static uint32_t asked[8]; /* requests that wait for the application; 0: none */

/* ---- what may be said ---- */

static const uint8_t opcodes[] = {0x04, 0x06, 0x08, 0x0a, 0x0a, 0x0c, 0x0e, 0x10, 0x12, 0x12,
                                  0x16, 0x16, 0x18, 0x20, 0x52, 0x52, 0xd2, 0x1e, 0x02};

static uint16_t some_handle(void)
{
    static const uint16_t edges[] = {0, 1, 0x0b, 0x0d, 0x0f, 0x12, 0x1f, 0x60, 0xffff};

    return random_below(8) == 0 ? edges[random_below(ARRAY_LEN(edges))]
                                : (uint16_t)(0x20 + random_below(0x44));
}

static void put16(uint8_t *p, size_t *n, uint16_t v)
{
    p[(*n)++] = (uint8_t)v;
    p[(*n)++] = (uint8_t)(v >> 8);
}

/* Its parameters begin as they should, and end anywhere. */
static size_t some_pdu(uint8_t *p, uint16_t most)
{
    static const uint16_t types[] = {0x2800, 0x2801, 0x2802, 0x2803, 0x2901, 0x2902,
                                     0x2a37, 0x2a19, 0x2b2a, 0x2a00, 0x1234};
    size_t n = 0;

    p[n++] = opcodes[random_below(sizeof(opcodes))];
    if (p[0] == 0x18)
        p[n++] = (uint8_t)(random_below(8) ? 1 : random_below(3));
    else if (p[0] != 0x1e)
        put16(p, &n, random_below(4) ? some_handle() : 1);
    switch (p[0]) {
    case 0x04:
        put16(p, &n, random_below(2) ? some_handle() : 0xffff);
        break;
    case 0x06:
    case 0x08:
    case 0x10:
        put16(p, &n, random_below(2) ? some_handle() : 0xffff);
        put16(p, &n, types[random_below(ARRAY_LEN(types))]);
        break;
    case 0x0c:
    case 0x16:
        put16(p, &n, (uint16_t)(random_below(4) ? 22 * random_below(3) : random_below(600)));
        break;
    case 0x0e:
    case 0x20:
        for (uint32_t more = random_below(4); more > 0; more--)
            put16(p, &n, some_handle());
        break;
    default:
        break;
    }
    if (p[0] == 0x06 || p[0] == 0x12 || p[0] == 0x16 || p[0] == 0x52 || p[0] == 0xd2 ||
        random_below(40) == 0)
        for (uint32_t more = random_below(random_below(8) ? 4 : most); more > 0 && n < most; more--)
            p[n++] = (uint8_t)random_below(4);
    if (random_below(30) == 0)
        n = 1 + random_below((uint32_t)n);
    return n;
}

/* ---- what must hold ---- */

static void check_answer(uint16_t conn, const uint8_t *request, const uint8_t *pdu, size_t n)
{
    const struct bl_att_row *row = bl_att_row(request[0]);

    ck_assert_uint_ge(n, 1);
    ck_assert_uint_le(n, client(conn)->bearer.mtu);
    if (pdu[0] == BL_ATT_ERROR_RSP) {
        ck_assert_uint_eq(n, 5);
        ck_assert_uint_eq(pdu[1], request[0]);
        ck_assert_uint_ne(pdu[4], 0);
    } else {
        ck_assert_ptr_nonnull(row);
        ck_assert_uint_eq(pdu[0], row->answer);
        ck_assert_uint_ge(n, bl_att_row(pdu[0])->min);
    }
}

static void check_bounds(void)
{
    for (unsigned i = 0; i < gatt.n_conns; i++) {
        const struct bl_gatts_conn *s = &gatt.conns[i]->server;
        unsigned entries = 0;
        list_each(pos, tmp, &s->prepared) entries++;
        ck_assert_uint_eq(entries, s->n_prepared);
        ck_assert_uint_le(s->n_prepared, BL_MAX_PREPARED);
        ck_assert_uint_le(s->prepared_bytes, BL_MAX_PREPARED_BYTES);
        ck_assert_uint_le(s->n_commands, BL_MAX_HELD_COMMANDS);
        ck_assert_uint_le(s->n_indications, BL_MAX_INDICATIONS);
        ck_assert_uint_le(s->n_cccds, s->cap_cccds);
        for (unsigned k = 0; k < s->n_cccds; k++) {
            ck_assert(s->cccds[k].bits >= 1 && s->cccds[k].bits <= 3);
            ck_assert(k == 0 || s->cccds[k - 1].value_handle < s->cccds[k].value_handle);
            ck_assert_uint_eq(attr(s->cccds[k].value_handle)->kind, BL_GATT_ATTR_VALUE);
        }
        ck_assert_int_eq(gatt.conns[i]->bearer.answering != 0, s->held != NULL);
    }
    for (struct bl_gatt_attr *a = bl_gatt_db_next(&gatt.db, 1, 0xffff); a;
         a = a->handle < 0xffff ? bl_gatt_db_next(&gatt.db, (uint16_t)(a->handle + 1), 0xffff)
                                : NULL) {
        ck_assert_uint_le(a->len, a->cap);
        ck_assert_uint_le(a->len, 512);
    }
}

static void take_events(void)
{
    struct bl_event e;

    while (bl_evq_pop(&events, &e)) {
        ck_assert_uint_le(e.kind == BL_EV_GATTS_WRITTEN ? e.gatt.value.len : 0, 512);
        if ((e.kind == BL_EV_GATTS_READ || e.kind == BL_EV_GATTS_WRITE) && e.gatt.request)
            asked[random_below(ARRAY_LEN(asked))] = e.gatt.request;
    }
}

/* Everything that was sent: the answers to this client, one for each of its requests. */
static unsigned take_answers(uint16_t conn, const uint8_t *request)
{
    uint8_t pdu[600];
    unsigned answers = 0;
    uint16_t who;
    size_t n;

    while (take(&who, pdu, sizeof(pdu), &n)) {
        if (pdu[0] == BL_ATT_NOTIFICATION || pdu[0] == BL_ATT_INDICATION)
            continue;
        ck_assert_uint_eq(who, conn);
        if (request)
            check_answer(conn, request, pdu, n);
        answers++;
    }
    return answers;
}

/* ---- steps ---- */

static void settle(void)
{
    oom_off();
    bl_gatt_due_all(&gatt);
    turn();
    turn(); /* what memory kept back */
}

static void step_pdu(unsigned memory)
{
    uint16_t conn = (uint16_t)(1 + random_below(CLIENTS));
    struct bl_gatt_conn *c = client(conn);
    uint8_t pdu[600];
    size_t n = some_pdu(pdu, c->bearer.mtu);
    bool busy = c->bearer.answering != 0;
    const struct bl_att_row *row = bl_att_row(pdu[0]);

    if (busy && random_below(4))
        return; /* as they are to wait */
    if (memory)
        oom_fail_at(memory);
    bl_gatt_pdu(&gatt, now, conn, pdu, n);
    turn();
    settle();
    unsigned answers = take_answers(conn, pdu);
    if (row->kind == BL_ATT_REQUEST && !busy)
        ck_assert_uint_eq(answers, c->bearer.answering ? 0 : 1);
    else if (row->kind != BL_ATT_REQUEST)
        ck_assert_uint_eq(answers, 0);
}

static void step_reply(unsigned memory)
{
    static const uint8_t value[512] = {1, 2, 3};
    uint32_t *request = &asked[random_below(ARRAY_LEN(asked))];
    uint8_t error = random_below(3) ? 0 : 0x80;
    const uint8_t *v = random_below(2) ? value : NULL;
    size_t n = random_below(513);

    if (memory)
        oom_fail_at(memory);
    int r = bl_gatts_do_reply(&gatt, now, *request, error, v, n);
    settle();
    if (r == 0)
        *request = 0;
    uint8_t pdu[600];
    uint16_t who;
    unsigned answers = 0;
    for (size_t k; take(&who, pdu, sizeof(pdu), &k);)
        answers += pdu[0] != BL_ATT_NOTIFICATION && pdu[0] != BL_ATT_INDICATION;
    ck_assert_uint_le(answers, r == 0 ? 1 : 0);
}

static void step_local(unsigned memory)
{
    static const uint8_t value[512] = {7, 8, 9};
    struct bl_gatt_conn *c = client((uint16_t)(1 + random_below(CLIENTS)));
    uint16_t handle = random_below(2) ? 0x22 : some_handle(), sent;
    size_t n = random_below(100);
    bl_op number;

    if (memory)
        oom_fail_at(memory);
    switch (random_below(3)) {
    case 0:
        (void)bl_gatts_do_write(&gatt, now, handle, value, n, true, &number);
        break;
    case 1:
        (void)bl_gatts_do_notify(c, now, handle, value, n, &sent, &number);
        break;
    default:
        (void)bl_gatts_do_indicate(c, now, handle, NULL, 0, &sent, &number);
        break;
    }
    settle();
    ck_assert_uint_eq(take_answers(0, NULL), 0);
}

static void step_change(void)
{
    uint16_t conn = (uint16_t)(1 + random_below(CLIENTS));
    struct bl_gatt_attr *a;
    uint8_t pdu[600];
    uint16_t who;
    size_t n;

    switch (random_below(6)) {
    case 0:
        bl_gatt_close(&gatt, now, conn, 0x113);
        ck_assert_int_eq(bl_gatt_open(&gatt, now, conn, 0x40 + conn, BL_ROLE_PERIPHERAL), 0);
        break;
    case 1:
        mtu(conn, (uint16_t)(23 + random_below(495)));
        break;
    case 2:
        client(conn)->security =
            (struct bl_gatt_security){.encrypted = random_below(2),
                                      .authenticated = random_below(2),
                                      .has_ltk = random_below(2),
                                      .key_size = (uint8_t)(7 + random_below(10))};
        break;
    case 3:
        a = bl_gatt_db_get(&gatt.db, some_handle());
        if (a && !a->builtin) {
            a->authorize_reads = random_below(2);
            a->authorize_writes = random_below(2);
            a->read_events = random_below(2);
        }
        break;
    default:
        if (bl_gatt_db_service(&gatt.db, 0x60))
            remove_service(0x60);
        else
            add_service(0x60, 0xfeed);
        break;
    }
    settle();
    while (take(&who, pdu, sizeof(pdu), &n)) /* requests of what has gone are refused */
        ck_assert(pdu[0] == BL_ATT_ERROR_RSP || pdu[0] == BL_ATT_INDICATION ||
                  pdu[0] == BL_ATT_NOTIFICATION);
}

static void live(uint32_t seed, bool memory_fails)
{
    state = seed;
    memset(asked, 0, sizeof(asked));
    for (unsigned i = 0; i < 2500; i++) {
        unsigned memory = memory_fails && random_below(2) ? 1 + random_below(5) : 0;
        uint32_t what = random_below(16);

        if (what < 11)
            step_pdu(memory);
        else if (what < 13)
            step_reply(memory);
        else if (what < 14)
            step_local(memory);
        else if (random_below(4) == 0)
            step_change();
        take_events();
        if (i % 4 == 0)
            check_bounds();
    }
    /* whoever waits is answered, and all works as it did */
    for (uint16_t conn = 1; conn <= CLIENTS; conn++) {
        bl_gatt_close(&gatt, now, conn, 0x113);
        ck_assert_int_eq(bl_gatt_open(&gatt, now, conn, 0x40 + conn, BL_ROLE_PERIPHERAL), 0);
    }
    take_events();
    (void)take_answers(0, NULL);
    check(A, "0a 2000", "0b 0d18");
}

START_TEST(random_requests_are_answered_one_by_one)
{
    live(1000u + (uint32_t)_i, false);
}
END_TEST

START_TEST(random_requests_are_answered_without_memory_too)
{
    live(2000u + (uint32_t)_i, true);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("server_random");
    TCase *t = tcase_create("server_random");

    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, random_requests_are_answered_one_by_one, 0, 8);
    tcase_add_loop_test(t, random_requests_are_answered_without_memory_too, 0, 8);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
