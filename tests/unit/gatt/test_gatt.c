/* SPDX-License-Identifier: MIT */

#include "gatt/gatt.h"

#include "fake_hci.h"
#include "oom.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

static const struct bl_env env;
static struct bl_config config;
static struct bl_hci *hci;
static struct bl_evq events;
static struct bl_gatt g;
static uint64_t now;

static void setup(void)
{
    oom_off();
    config = (struct bl_config){.gap_name = "composite"};
    hci = fake_hci_new(false);
    ck_assert_int_eq(bl_evq_init(&events), 0);
    ck_assert_int_eq(bl_gatt_init(&g, hci, &env, &events, &config), 0);
    bl_gatt_step(&g, now); /* the built-in services are news to nobody */
    now = 1000;
}

static void teardown(void)
{
    bl_gatt_deinit(&g);
    bl_evq_deinit(&events);
    fake_hci_free(hci);
}

/* Handles of the controller are the connection's number and 0x100. */
static void begin(uint16_t conn)
{
    ck_assert_int_eq(bl_gatt_open(&g, now, conn, conn + 0x100, BL_ROLE_PERIPHERAL), 0);
    bl_gatt_step(&g, now);
}

static void pdu(uint16_t conn, const char *bytes, size_t n)
{
    bl_gatt_pdu(&g, now, conn, (const uint8_t *)bytes, n);
    bl_gatt_step(&g, now);
}

static void sent(uint16_t conn, const char *bytes, size_t n)
{
    const struct fake_sent *s = fake_hci_take_sent(hci);

    ck_assert_ptr_nonnull(s);
    ck_assert_uint_eq(s->handle, conn + 0x100);
    ck_assert_uint_eq(s->n, 4 + n);
    ck_assert_mem_eq(s->data + 4, bytes, n);
}

static void nothing_sent(void)
{
    ck_assert_ptr_null(fake_hci_take_sent(hci));
}

static struct bl_event event(enum bl_event_kind kind)
{
    struct bl_event e = {.kind = BL_EV_KINDS};

    ck_assert(bl_evq_pop(&events, &e));
    ck_assert_int_eq(e.kind, kind);
    return e;
}

static void no_event(void)
{
    struct bl_event e;

    ck_assert(!bl_evq_pop(&events, &e));
}

/* A characteristic's value handle that may be read and sends what it is told to. */
static uint16_t streaming(void)
{
    const struct bl_gatts_characteristic characteristic = {.uuid = bl_uuid_from16(0x2a37),
                                                           .flags = BL_GATT_READ | BL_GATT_NOTIFY |
                                                                    BL_GATT_INDICATE,
                                                           .max_len = 20};
    const struct bl_gatts_service service = {
        .uuid = bl_uuid_from16(0x180d), .characteristics = &characteristic, .n_characteristics = 1};
    uint16_t start, handle;

    ck_assert_int_eq(bl_gatt_db_add(&g.db, &service, false, &start, &handle), 0);
    bl_gatt_step(&g, now);
    return handle;
}

static uint64_t counter(const char *want)
{
    const char *name;
    uint64_t value;

    for (size_t i = 0; bl_gatt_counter(&g, i, &name, &value); i++)
        if (strcmp(name, want) == 0)
            return value;
    ck_abort_msg("no counter %s", want);
}

START_TEST(a_peers_exchange_is_told_once)
{
    begin(7);
    pdu(7, "\x02\x05\x02", 3);
    sent(7, "\x03\x00\x01", 3);
    struct bl_event e = event(BL_EV_MTU);
    ck_assert_uint_eq(e.mtu.conn, 7);
    ck_assert_uint_eq(e.mtu.mtu, 256);
    pdu(7, "\x02\x05\x02", 3);
    sent(7, "\x03\x00\x01", 3);
    no_event();
}
END_TEST

START_TEST(our_exchange_is_told_before_it_ends)
{
    bl_op op;

    begin(7);
    ck_assert_int_eq(bl_gattc_do_exchange_mtu(bl_gatt_find(&g, 7), now, 100, &op), 0);
    sent(7, "\x02\x64\x00", 3);
    pdu(7, "\x03\x05\x02", 3);
    ck_assert_uint_eq(event(BL_EV_MTU).mtu.mtu, 100);
    struct bl_event e = event(BL_EV_OP_DONE);
    ck_assert_uint_eq(e.done.op, op);
    ck_assert_uint_eq(e.done.status, BL_OK);
    ck_assert_uint_eq(e.done.mtu, 100);
    no_event();
}
END_TEST

START_TEST(an_exchange_that_ends_in_nonsense_is_not_told)
{
    bl_op op;

    begin(7);
    ck_assert_int_eq(bl_gattc_do_exchange_mtu(bl_gatt_find(&g, 7), now, 100, &op), 0);
    pdu(7, "\x03\x16\x00", 3);
    struct bl_event e = event(BL_EV_OP_DONE);
    ck_assert_uint_eq(e.done.status, BL_PROTOCOL);
    ck_assert_uint_eq(e.done.mtu, 23);
    no_event();
    ck_assert_uint_eq(counter("gattc-nonsense"), 1);
}
END_TEST

START_TEST(the_configured_mtu_is_offered)
{
    static const struct {
        uint16_t configured;
        const char *answer;
    } rows[] = {
        {0, "\x03\x00\x01"}, {23, "\x03\x17\x00"}, {517, "\x03\x05\x02"}, {100, "\x03\x64\x00"}};

    config.mtu = rows[_i].configured;
    begin(7);
    pdu(7, "\x02\x05\x02", 3);
    sent(7, rows[_i].answer, 3);
}
END_TEST

START_TEST(a_changed_mtu_is_offered_where_none_was)
{
    begin(7);
    begin(8);
    pdu(7, "\x02\x05\x02", 3);
    sent(7, "\x03\x00\x01", 3);
    config.mtu = 100;
    bl_gatt_configured(&g, now);
    pdu(7, "\x02\x05\x02", 3);
    pdu(8, "\x02\x05\x02", 3);
    sent(7, "\x03\x00\x01", 3);
    sent(8, "\x03\x64\x00", 3);
}
END_TEST

START_TEST(the_server_answers_and_the_client_is_told)
{
    begin(7);
    pdu(7, "\x08\x01\x00\xff\xff\x00\x2a", 7); /* the Device Name, by its type */
    const struct fake_sent *s = fake_hci_take_sent(hci);
    ck_assert_ptr_nonnull(s);
    ck_assert_uint_eq(s->data[4], 0x09);
    ck_assert_mem_eq(s->data + 8, "composite", 9);
    pdu(7, "\x1b\x34\x12\x55", 4);
    struct bl_event e = event(BL_EV_GATTC_NOTIFIED);
    ck_assert_uint_eq(e.gatt.conn, 7);
    ck_assert_uint_eq(e.gatt.handle, 0x1234);
    ck_assert_uint_eq(e.gatt.value.len, 1);
    nothing_sent();
    pdu(7, "\x1d\x34\x12\x56", 4);
    event(BL_EV_GATTC_INDICATED);
    sent(7, "\x1e", 1);
    nothing_sent();
}
END_TEST

START_TEST(a_pdu_of_no_connection_is_nothing)
{
    begin(7);
    pdu(8, "\x0a\x03\x00", 3);
    nothing_sent();
    bl_gatt_close(&g, now, 7, 0x113);
    pdu(7, "\x0a\x03\x00", 3);
    bl_gatt_close(&g, now, 7, 0x113);
    nothing_sent();
    no_event();
}
END_TEST

START_TEST(a_request_that_nobody_answers_kills_the_bearer_and_is_told_once)
{
    bl_op first, second;

    begin(7);
    begin(8);
    struct bl_gatt_conn *c = bl_gatt_find(&g, 7);
    ck_assert_int_eq(bl_gattc_do_read(c, now, 3, 0, false, &first), 0);
    ck_assert_int_eq(bl_gattc_do_read(c, now, 3, 0, false, &second), 0);
    bl_gatt_due(c);
    bl_gatt_step(&g, now);
    ck_assert_uint_eq(bl_gatt_deadline(&g), now + 30000000u);
    now += 30000000u - 1;
    bl_gatt_tick(&g, now);
    bl_gatt_step(&g, now);
    ck_assert_uint_eq(bl_gatt_pop_dead(&g), 0);
    no_event();
    now++;
    bl_gatt_tick(&g, now);
    bl_gatt_step(&g, now);
    ck_assert_uint_eq(bl_gatt_pop_dead(&g), 7);
    ck_assert_uint_eq(bl_gatt_pop_dead(&g), 0);
    ck_assert_uint_eq(bl_gatt_deadline(&g), TIMERQ_NEVER);
    ck_assert_uint_eq(counter("att-timeouts"), 1);
    struct bl_event e = event(BL_EV_OP_DONE);
    ck_assert_uint_eq(e.done.op, first);
    ck_assert_uint_eq(e.done.status, BL_TIMEOUT);
    sent(7, "\x0a\x03\x00", 3);
    pdu(7, "\x0b", 1);
    pdu(7, "\x0a\x03\x00", 3);
    nothing_sent();
    bl_gatt_close(&g, now, 7, 0x116);
    e = event(BL_EV_OP_DONE);
    ck_assert_uint_eq(e.done.op, second);
    ck_assert_uint_ne(e.done.status, BL_OK);
    no_event();
    pdu(8, "\x0a\x00\x00", 3); /* the other one lives */
    sent(8, "\x01\x0a\x00\x00\x01", 5);
}
END_TEST

START_TEST(an_indication_that_nobody_confirms_kills_the_bearer)
{
    uint16_t handle = streaming(), length;
    bl_op op;

    begin(7);
    struct bl_gatt_conn *c = bl_gatt_find(&g, 7);
    ck_assert_int_eq(bl_gatts_do_indicate(c, now, handle, (const uint8_t *)"\x01", 1, &length, &op),
                     0);
    bl_gatt_due(c);
    bl_gatt_step(&g, now);
    ck_assert_uint_eq(bl_gatt_deadline(&g), now + 30000000u);
    now += 30000000u;
    bl_gatt_tick(&g, now);
    ck_assert_uint_eq(bl_gatt_pop_dead(&g), 7);
    struct bl_event e = event(BL_EV_GATTS_INDICATE_DONE);
    ck_assert_uint_eq(e.gatt.handle, handle);
    ck_assert_uint_eq(e.gatt.status, BL_TIMEOUT);
    e = event(BL_EV_OP_DONE);
    ck_assert_uint_eq(e.done.op, op);
    ck_assert_uint_eq(e.done.status, BL_TIMEOUT);
    no_event();
}
END_TEST

START_TEST(a_dead_bearer_that_was_closed_is_not_told)
{
    bl_op op;

    begin(7);
    ck_assert_int_eq(bl_gattc_do_read(bl_gatt_find(&g, 7), now, 3, 0, false, &op), 0);
    bl_gatt_due_all(&g);
    bl_gatt_step(&g, now);
    now += 30000000u;
    bl_gatt_tick(&g, now);
    bl_gatt_close(&g, now, 7, 0x108);
    ck_assert_uint_eq(bl_gatt_pop_dead(&g), 0);
}
END_TEST

START_TEST(the_next_deadline_is_the_earliest_of_all)
{
    bl_op op;

    ck_assert_uint_eq(bl_gatt_deadline(&g), TIMERQ_NEVER);
    begin(7);
    begin(8);
    ck_assert_uint_eq(bl_gatt_deadline(&g), TIMERQ_NEVER);
    ck_assert_int_eq(bl_gattc_do_read(bl_gatt_find(&g, 8), now, 3, 0, false, &op), 0);
    now += 1000;
    ck_assert_int_eq(bl_gattc_do_read(bl_gatt_find(&g, 7), now, 3, 0, false, &op), 0);
    bl_gatt_due_all(&g);
    bl_gatt_step(&g, now);
    ck_assert_uint_eq(bl_gatt_deadline(&g), now - 1000 + 30000000u);
    pdu(8, "\x0b", 1);
    ck_assert_uint_eq(bl_gatt_deadline(&g), now + 30000000u);
    bl_gatt_close(&g, now, 7, 0x108);
    ck_assert_uint_eq(bl_gatt_deadline(&g), TIMERQ_NEVER);
}
END_TEST

START_TEST(a_changed_database_wants_a_tick_at_once)
{
    const struct bl_gatts_service service = {.uuid = bl_uuid_from16(0x180d)};
    uint16_t start;

    ck_assert_int_eq(bl_gatt_db_add(&g.db, &service, false, &start, NULL), 0);
    ck_assert_uint_eq(bl_gatt_deadline(&g), 0);
    bl_gatt_tick(&g, now);
    bl_gatt_step(&g, now);
    ck_assert_uint_eq(bl_gatt_deadline(&g), TIMERQ_NEVER);
}
END_TEST

/* Vol 3, Part G, 2.5.2.1: a client with robust caching, between a change and the tick after it. */
START_TEST(a_request_behind_a_change_is_out_of_sync)
{
    const struct bl_gatts_service def = {.uuid = bl_uuid_from16(0x180d)};

    begin(1);
    pdu(1, "\x12\x0d\x00\x01", 4); /* Client Supported Features */
    sent(1, "\x13", 1);
    pdu(1, "\x0a\x05\x00", 3);
    sent(1, "\x0b\x00\x00", 3);
    ck_assert_int_eq(bl_gatt_db_add(&g.db, &def, false, NULL, NULL), 0);
    pdu(1, "\x0a\x05\x00", 3);
    sent(1, "\x01\x0a\x05\x00\x12", 5);
    pdu(1, "\x0a\x05\x00", 3);
    sent(1, "\x0b\x00\x00", 3);
    nothing_sent();
}
END_TEST

START_TEST(what_waits_for_room_leaves_when_there_is_some)
{
    uint16_t handle = streaming(), length;
    bl_op op;

    begin(7);
    struct bl_gatt_conn *c = bl_gatt_find(&g, 7);
    hci->queued = BL_MAX_TX_PDUS;
    ck_assert_int_eq(bl_gatts_do_notify(c, now, handle, (const uint8_t *)"\x01", 1, &length, &op),
                     0);
    bl_gatt_due(c);
    bl_gatt_step(&g, now);
    bl_gatt_step(&g, now);
    nothing_sent();
    hci->queued = 0;
    bl_gatt_step(&g, now);
    char expected[4] = {0x1b, (char)handle, (char)(handle >> 8), 1};
    sent(7, expected, 4);
    ck_assert_uint_eq(event(BL_EV_OP_DONE).done.op, op);
    ck_assert(list_empty(&g.due));
}
END_TEST

START_TEST(the_end_of_a_connection_ends_everything_on_it)
{
    uint16_t handle = streaming(), length;
    bl_op ops[6];
    unsigned ended = 0, given_up = 0;
    struct bl_event e;

    begin(7);
    struct bl_gatt_conn *c = bl_gatt_find(&g, 7);
    hci->queued = BL_MAX_TX_PDUS;
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(bl_gattc_do_read(c, now, 3, 0, false, &ops[i]), 0);
        ck_assert_int_eq(
            bl_gatts_do_notify(c, now, handle, (const uint8_t *)"", 0, &length, &ops[2 + i]), 0);
        ck_assert_int_eq(
            bl_gatts_do_indicate(c, now, handle, (const uint8_t *)"", 0, &length, &ops[4 + i]), 0);
    }
    hci->queued = 0; /* the handle may be another link's by now */
    bl_gatt_close(&g, now, 7, 0x108);
    nothing_sent();
    while (bl_evq_pop(&events, &e)) {
        if (e.kind == BL_EV_GATTS_INDICATE_DONE) {
            ck_assert_uint_eq(e.gatt.status, 0x108);
            given_up++;
            continue;
        }
        ck_assert_int_eq(e.kind, BL_EV_OP_DONE);
        ck_assert_uint_eq(e.done.status, 0x108);
        for (unsigned i = 0; i < 6; i++)
            ended += e.done.op == ops[i];
    }
    ck_assert_uint_eq(ended, 6);
    ck_assert_uint_eq(given_up, 2);
    ck_assert_uint_eq(events.open_ops, 0);
    ck_assert_uint_eq(bl_gatt_deadline(&g), TIMERQ_NEVER);
    bl_gatt_step(&g, now);
}
END_TEST

START_TEST(there_is_room_for_every_link_and_no_more)
{
    for (uint16_t conn = 1; conn <= BL_MAX_LINKS; conn++)
        begin(conn);
    ck_assert_int_eq(bl_gatt_open(&g, now, 1000, 1, BL_ROLE_CENTRAL), -ENOMEM);
    bl_gatt_close(&g, now, 30, 0x113);
    ck_assert_ptr_null(bl_gatt_find(&g, 30));
    for (uint16_t conn = 1; conn <= BL_MAX_LINKS; conn++)
        if (conn != 30)
            ck_assert_uint_eq(bl_gatt_find(&g, conn)->conn, conn);
    begin(1000);
    pdu(64, "\x0a\x00\x00", 3);
    pdu(1000, "\x0a\x00\x00", 3);
    sent(64, "\x01\x0a\x00\x00\x01", 5);
    sent(1000, "\x01\x0a\x00\x00\x01", 5);
    nothing_sent();
}
END_TEST

START_TEST(counters_outlive_their_connections)
{
    begin(7);
    pdu(7, "\x0b", 1);
    pdu(7, "\x0a", 1);
    ck_assert_uint_eq(counter("att-unexpected"), 1);
    ck_assert_uint_eq(counter("att-invalid"), 1);
    bl_gatt_close(&g, now, 7, 0x113);
    ck_assert_uint_eq(counter("att-unexpected"), 1);
    ck_assert_uint_eq(counter("att-invalid"), 1);
    ck_assert_uint_gt(counter("attributes"), 0);
}
END_TEST

START_TEST(without_memory_a_connection_is_not_opened)
{
    int r = -ENOMEM;
    unsigned long n;

    for (n = 1; r == -ENOMEM && n < 20; n++) {
        oom_fail_at(n);
        r = bl_gatt_open(&g, now, 7, 1, BL_ROLE_CENTRAL);
        oom_off();
        ck_assert(r == 0 || r == -ENOMEM);
        ck_assert_int_eq(bl_gatt_find(&g, 7) != NULL, r == 0);
    }
    ck_assert_int_eq(r, 0);
    ck_assert_uint_gt(n, 2);
}
END_TEST

START_TEST(without_memory_there_is_no_composite)
{
    static struct bl_gatt other;
    int r = -ENOMEM;
    unsigned long n;

    for (n = 1; r == -ENOMEM && n < 1000; n++) {
        oom_fail_at(n);
        r = bl_gatt_init(&other, hci, &env, &events, &config);
        oom_off();
        ck_assert(r == 0 || r == -ENOMEM);
        bl_gatt_deinit(&other);
    }
    ck_assert_int_eq(r, 0);
    ck_assert_uint_gt(n, 2);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gatt");
    TCase *t = tcase_create("gatt");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_peers_exchange_is_told_once);
    tcase_add_test(t, our_exchange_is_told_before_it_ends);
    tcase_add_test(t, an_exchange_that_ends_in_nonsense_is_not_told);
    tcase_add_loop_test(t, the_configured_mtu_is_offered, 0, 4);
    tcase_add_test(t, a_changed_mtu_is_offered_where_none_was);
    tcase_add_test(t, the_server_answers_and_the_client_is_told);
    tcase_add_test(t, a_pdu_of_no_connection_is_nothing);
    tcase_add_test(t, a_request_that_nobody_answers_kills_the_bearer_and_is_told_once);
    tcase_add_test(t, an_indication_that_nobody_confirms_kills_the_bearer);
    tcase_add_test(t, a_dead_bearer_that_was_closed_is_not_told);
    tcase_add_test(t, the_next_deadline_is_the_earliest_of_all);
    tcase_add_test(t, a_changed_database_wants_a_tick_at_once);
    tcase_add_test(t, a_request_behind_a_change_is_out_of_sync);
    tcase_add_test(t, what_waits_for_room_leaves_when_there_is_some);
    tcase_add_test(t, the_end_of_a_connection_ends_everything_on_it);
    tcase_add_test(t, there_is_room_for_every_link_and_no_more);
    tcase_add_test(t, counters_outlive_their_connections);
    tcase_add_test(t, without_memory_a_connection_is_not_opened);
    tcase_add_test(t, without_memory_there_is_no_composite);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
