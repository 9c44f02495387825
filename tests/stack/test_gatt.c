/* SPDX-License-Identifier: MIT */

/*
 * Hosts that are each other's GATT server and client, on the simulated radio: databases of every
 * size at every MTU, several clients at once, both roles on one bearer, and floods.
 */

#include "gatt_rig.h"

#include "att/att.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#define SECOND 1000000u

static const uint16_t mtus[] = {23, 24, 64, 185, 247, 256, 512, 517};
static const unsigned sizes[] = {1, 100, 5000};

enum { MTUS = sizeof(mtus) / sizeof(mtus[0]), SIZES = sizeof(sizes) / sizeof(sizes[0]) };

static struct bl_air_config config_of(int i)
{
    return i == 0 ? bl_air_config_v40() : bl_air_config_default();
}

/* Asks for the other's MTU; both are told, once. */
static void exchange(struct stack *s, size_t end, const uint16_t *conn, uint16_t expected)
{
    struct bl_event e;
    bl_op op;

    stack_forget(s);
    int r = bl_gattc_exchange_mtu(s->end[end].host, s->now, conn[end], 0, &op);
    ck_assert_int_eq(r, 0);
    e = rig_done(s, end, r, op);
    ck_assert_uint_eq(e.done.status, BL_OK);
    ck_assert_uint_eq(e.done.mtu, expected);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_uint_eq(bl_gatt_mtu(s->end[i].host, conn[i]), expected);
        ck_assert_uint_eq(rig_count(s, i, BL_EV_MTU, 0), 1);
        ck_assert_uint_eq(rig_event(s, i, BL_EV_MTU, 0, 0)->mtu.mtu, expected);
        ck_assert_uint_eq(rig_event(s, i, BL_EV_MTU, 0, 0)->mtu.conn, conn[i]);
    }
    stack_forget(s);
}

START_TEST(every_database_is_discovered_read_and_written_at_every_mtu)
{
    struct bl_air_config config = config_of(_i % 2);
    uint16_t mtu = mtus[_i / 2 % MTUS];
    unsigned size = sizes[_i / 2 / MTUS];
    /* All of a large one takes long: some thirds of it are read and written. */
    unsigned step = size > 1000 && mtu != 517 ? 7 : 1;
    static struct rig_db db;
    uint16_t conn[2];

    struct stack *s = stack_new((uint64_t)_i, 2, &config);
    rig_fill(s, 0, size, &db);
    rig_mtu(s, mtu);
    stack_connect(s, 0, 1, &conn[0], &conn[1]);
    ck_assert_uint_eq(bl_gatt_mtu(s->end[0].host, conn[0]), 23);
    ck_assert_uint_eq(bl_gatt_mtu(s->end[1].host, conn[1]), 23);
    if (_i % 4 < 2)
        exchange(s, 1, conn, mtu);
    else
        exchange(s, 0, conn, mtu);
    rig_discover(s, 1, conn[1], &db);
    rig_read(s, 1, conn[1], &db, step, false);
    rig_write(s, 1, conn[1], 0, &db, step);
    rig_read(s, 1, conn[1], &db, step, true);
    stack_free(s);
}
END_TEST

START_TEST(loss_and_delay_only_cost_time)
{
    struct bl_air_config config = config_of(_i % 2);
    static struct rig_db db;
    uint16_t conn[2];

    struct stack *s = stack_new(100 + (uint64_t)_i, 2, &config);
    int a = s->end[0].controller, b = s->end[1].controller;
    rig_fill(s, 0, 100, &db);
    rig_mtu(s, _i % 4 < 2 ? 23 : 247);
    stack_connect(s, 0, 1, &conn[0], &conn[1]);
    ck_assert_int_eq(bl_air_set_loss(s->air, s->now, a, b, (unsigned)(_i % 5) * 100), 0);
    ck_assert_int_eq(bl_air_set_delay(s->air, s->now, a, b, (uint64_t)(_i % 7) * 30000), 0);
    exchange(s, 1, conn, _i % 4 < 2 ? 23 : 247);
    rig_discover(s, 1, conn[1], &db);
    rig_read(s, 1, conn[1], &db, 1, false);
    rig_write(s, 1, conn[1], 0, &db, 1);
    rig_read(s, 1, conn[1], &db, 1, true);
    stack_free(s);
}
END_TEST

START_TEST(three_centrals_at_once_each_find_and_change_everything)
{
    struct bl_air_config config = config_of(_i);
    static struct rig_db db;
    uint16_t mine[4], theirs[4];
    bl_op ops[4][12];

    struct stack *s = stack_new(7, 4, &config);
    rig_fill(s, 0, 100, &db);
    rig_mtu(s, 100);
    for (size_t i = 1; i < 4; i++)
        stack_connect(s, 0, i, &mine[i], &theirs[i]);
    /* All is asked for before anything moves, so that the procedures of the three interleave. */
    for (size_t i = 1; i < 4; i++) {
        struct bl_host *h = s->end[i].host;
        uint16_t c = theirs[i];
        uint8_t mark[30];
        memset(mark, (int)i, sizeof(mark));
        bl_op *op = ops[i];
        ck_assert_int_eq(bl_gattc_services(h, s->now, c, NULL, &op[0]), 0);
        if (i != 2) /* so one of them works with another MTU */
            ck_assert_int_eq(bl_gattc_exchange_mtu(h, s->now, c, 0, &op[1]), 0);
        else
            ck_assert_int_eq(bl_gattc_read(h, s->now, c, db.value[0], 0, false, &op[1]), 0);
        ck_assert_int_eq(bl_gattc_characteristics(h, s->now, c, 1, 0xffff, NULL, &op[2]), 0);
        ck_assert_int_eq(bl_gattc_descriptors(h, s->now, c, 1, 0xffff, &op[3]), 0);
        ck_assert_int_eq(bl_gattc_read(h, s->now, c, db.value[5], 0, true, &op[4]), 0);
        ck_assert_int_eq(bl_gattc_write(h, s->now, c, db.value[6 + i], mark, sizeof(mark),
                                        BL_GATT_WRITE_REQUEST, 0, &op[5]),
                         0);
        /* One value which all three write: prepared writes of one do not mix with another's. */
        ck_assert_int_eq(bl_gattc_write(h, s->now, c, db.value[5], mark, sizeof(mark),
                                        BL_GATT_WRITE_RELIABLE, 0, &op[6]),
                         0);
        ck_assert_int_eq(bl_gattc_subscribe(h, s->now, c, db.streaming[0], (uint8_t)i, &op[7]), 0);
        ck_assert_int_eq(bl_gattc_read(h, s->now, c, db.value[6 + i], 0, true, &op[8]), 0);
        ck_assert_int_eq(bl_gattc_read(h, s->now, c, 0xfff0, 0, false, &op[9]), 0);
    }
    for (size_t i = 1; i < 4; i++) {
        for (unsigned k = 0; k < 10; k++)
            ck_assert_uint_eq(stack_done(s, i, ops[i][k], 600 * SECOND).done.status,
                              k == 9 ? BL_ATT_INVALID_HANDLE : BL_OK);
        ck_assert_uint_ge(rig_count(s, i, BL_EV_GATTC_SERVICE, ops[i][0]), db.n_services + 1);
        ck_assert_uint_ge(rig_count(s, i, BL_EV_GATTC_CHARACTERISTIC, ops[i][2]), db.n_values);
        ck_assert_uint_ge(rig_count(s, i, BL_EV_GATTC_DESCRIPTOR, ops[i][3]), db.n_attrs);
        const struct bl_event *e = rig_event(s, i, BL_EV_GATTC_VALUE, ops[i][8], 0);
        ck_assert_uint_eq(e->gatt.value.len, 30);
        ck_assert_uint_eq(e->gatt.value.data[29], i);
        ck_assert_uint_eq(bl_gatt_mtu(s->end[i].host, theirs[i]), i == 2 ? 23 : 100);
        ck_assert_uint_eq(bl_gatts_subscription(s->end[0].host, mine[i], db.streaming[0]), i);
    }
    const uint8_t *stored;
    size_t len;
    ck_assert_int_eq(bl_gatts_read(s->end[0].host, db.value[5], false, &stored, &len), 0);
    ck_assert_uint_ge(len, 30);
    for (size_t k = 1; k < 30; k++)
        ck_assert_uint_eq(stored[k], stored[0]);

    /* An update goes to each by what it subscribed to; 3 asked for both. */
    stack_forget(s);
    bl_op op;
    int r = bl_gatts_write(s->end[0].host, s->now, db.streaming[0], (const uint8_t *)"now", 3, true,
                           &op);
    rig_ok(s, 0, r, op);
    stack_run(s, 5 * SECOND);
    for (size_t i = 1; i < 4; i++) {
        unsigned notified = rig_count(s, i, BL_EV_GATTC_NOTIFIED, 0);
        unsigned indicated = rig_count(s, i, BL_EV_GATTC_INDICATED, 0);
        ck_assert_uint_eq(notified + indicated, 1);
        if (i == 1)
            ck_assert_uint_eq(notified, 1);
        if (i == 2)
            ck_assert_uint_eq(indicated, 1);
    }
    stack_free(s);
}
END_TEST

START_TEST(clients_on_both_sides_of_one_bearer_do_not_wait_for_each_other)
{
    struct bl_air_config config = config_of(_i);
    static struct rig_db db[2];
    uint16_t conn[2];
    bl_op op[2][8], held, other;

    struct stack *s = stack_new(8, 2, &config);
    for (size_t i = 0; i < 2; i++)
        rig_fill(s, i, 100, &db[i]);
    stack_connect(s, 0, 1, &conn[0], &conn[1]);
    for (size_t i = 0; i < 2; i++) {
        struct bl_host *h = s->end[i].host;
        ck_assert_int_eq(bl_gattc_services(h, s->now, conn[i], NULL, &op[i][0]), 0);
        ck_assert_int_eq(bl_gattc_characteristics(h, s->now, conn[i], 1, 0xffff, NULL, &op[i][1]),
                         0);
        ck_assert_int_eq(bl_gattc_exchange_mtu(h, s->now, conn[i], 0, &op[i][2]), 0);
        ck_assert_int_eq(bl_gattc_read(h, s->now, conn[i], db[1 - i].value[5], 0, true, &op[i][3]),
                         0);
    }
    for (size_t i = 0; i < 2; i++) {
        for (unsigned k = 0; k < 4; k++)
            ck_assert_uint_eq(stack_done(s, i, op[i][k], 600 * SECOND).done.status, BL_OK);
        ck_assert_uint_eq(rig_count(s, i, BL_EV_GATTC_SERVICE, op[i][0]), db[0].n_services + 2);
        ck_assert_uint_eq(rig_event(s, i, BL_EV_GATTC_VALUE, op[i][3], 0)->gatt.value.len, 512);
    }

    /* End 1's read waits for end 0's application; end 0 goes on as client, and both are told. */
    ck_assert_int_eq(bl_gatts_set_authorization(s->end[0].host, db[0].value[1], true, false), 0);
    stack_forget(s);
    ck_assert_int_eq(
        bl_gattc_read(s->end[1].host, s->now, conn[1], db[0].value[1], 0, false, &held), 0);
    uint32_t request = stack_wait(s, 0, BL_EV_GATTS_READ, 5 * SECOND).gatt.request;
    ck_assert_uint_ne(request, 0);
    for (unsigned i = 0; i < 5; i++) {
        ck_assert_int_eq(
            bl_gattc_read(s->end[0].host, s->now, conn[0], db[1].value[i], 0, false, &other), 0);
        ck_assert_uint_eq(stack_done(s, 0, other, 5 * SECOND).done.status, BL_OK);
        uint16_t sent;
        int r = bl_gatts_indicate(s->end[0].host, s->now, conn[0], db[0].streaming[0],
                                  (const uint8_t *)"i", 1, &sent, &other);
        rig_ok(s, 0, r, other);
        r = bl_gatts_notify(s->end[1].host, s->now, conn[1], db[1].streaming[0],
                            (const uint8_t *)"n", 1, &sent, &other);
        rig_ok(s, 1, r, other);
    }
    stack_run(s, SECOND);
    ck_assert_uint_eq(rig_count(s, 1, BL_EV_GATTC_INDICATED, 0), 5);
    ck_assert_uint_eq(rig_count(s, 0, BL_EV_GATTC_NOTIFIED, 0), 5);
    ck_assert_uint_eq(rig_count(s, 1, BL_EV_OP_DONE, 0), 0);
    ck_assert_int_eq(bl_gatts_reply(s->end[0].host, s->now, request, 0, (const uint8_t *)"yes", 3),
                     0);
    ck_assert_uint_eq(stack_done(s, 1, held, 5 * SECOND).done.status, BL_OK);
    ck_assert_mem_eq(rig_event(s, 1, BL_EV_GATTC_VALUE, held, 0)->gatt.value.data, "yes", 3);
    stack_free(s);
}
END_TEST

START_TEST(a_held_request_of_one_client_does_not_hold_up_another)
{
    struct bl_air_config config = config_of(_i);
    static struct rig_db db;
    uint16_t mine[3], theirs[3];
    bl_op held, op;

    struct stack *s = stack_new(9, 3, &config);
    rig_fill(s, 0, 100, &db);
    for (size_t i = 1; i < 3; i++)
        stack_connect(s, 0, i, &mine[i], &theirs[i]);
    ck_assert_int_eq(bl_gatts_set_authorization(s->end[0].host, db.value[1], true, true), 0);
    ck_assert_int_eq(bl_gattc_write(s->end[1].host, s->now, theirs[1], db.value[1],
                                    (const uint8_t *)"held", 4, BL_GATT_WRITE_REQUEST, 0, &held),
                     0);
    struct bl_event e = stack_wait(s, 0, BL_EV_GATTS_WRITE, 5 * SECOND);
    ck_assert_uint_eq(e.gatt.conn, mine[1]);
    ck_assert_uint_eq(e.gatt.value.len, 4);
    rig_discover(s, 2, theirs[2], &db);
    rig_write(s, 2, theirs[2], 0, &db, 2); /* not number 1 */
    ck_assert_int_eq(bl_gattc_read(s->end[2].host, s->now, theirs[2], db.value[1], 0, false, &op),
                     0);
    struct bl_event second = stack_wait(s, 0, BL_EV_GATTS_READ, 5 * SECOND);
    ck_assert_uint_eq(second.gatt.conn, mine[2]);
    ck_assert_uint_ne(second.gatt.request, e.gatt.request);
    ck_assert_int_eq(bl_gatts_reply(s->end[0].host, s->now, e.gatt.request, 0, NULL, 0), 0);
    ck_assert_uint_eq(stack_done(s, 1, held, 5 * SECOND).done.status, BL_OK);
    ck_assert_int_eq(bl_gatts_reply(s->end[0].host, s->now, second.gatt.request, 0, NULL, 0), 0);
    ck_assert_uint_eq(stack_done(s, 2, op, 5 * SECOND).done.status, BL_OK);
    ck_assert_mem_eq(rig_event(s, 2, BL_EV_GATTC_VALUE, op, 0)->gatt.value.data, "held", 4);
    ck_assert_int_eq(bl_gatts_reply(s->end[0].host, s->now, second.gatt.request, 0, NULL, 0),
                     -ENOENT);
    stack_free(s);
}
END_TEST

START_TEST(the_mtu_is_exchanged_from_both_sides_and_never_by_itself)
{
    struct bl_air_config config = config_of(_i);
    static struct rig_db db;
    uint16_t conn[2];
    bl_op op[2], read;
    struct bl_config mine;

    struct stack *s = stack_new(10, 2, &config);
    rig_fill(s, 0, 100, &db);
    bl_host_get_config(s->end[0].host, &mine);
    mine.mtu = 90;
    ck_assert_int_eq(bl_host_set_config(s->end[0].host, s->now, &mine), 0);
    stack_connect(s, 0, 1, &conn[0], &conn[1]);
    rig_discover(s, 1, conn[1], &db);
    ck_assert_uint_eq(bl_gatt_mtu(s->end[0].host, conn[0]), 23);
    stack_forget(s);
    /* Both begin at once, and a procedure asked for meanwhile waits for its turn. */
    for (size_t i = 0; i < 2; i++)
        ck_assert_int_eq(
            bl_gattc_exchange_mtu(s->end[i].host, s->now, conn[i], i ? 200 : 0, &op[i]), 0);
    ck_assert_int_eq(bl_gattc_read(s->end[1].host, s->now, conn[1], db.value[5], 0, false, &read),
                     0);
    for (size_t i = 0; i < 2; i++) {
        struct bl_event e = stack_done(s, i, op[i], 5 * SECOND);
        ck_assert_uint_eq(e.done.status, BL_OK);
        ck_assert_uint_eq(e.done.mtu, 90);
        ck_assert_uint_eq(bl_gatt_mtu(s->end[i].host, conn[i]), 90);
    }
    ck_assert_uint_eq(stack_done(s, 1, read, 5 * SECOND).done.status, BL_OK);
    ck_assert_uint_eq(rig_event(s, 1, BL_EV_GATTC_VALUE, read, 0)->gatt.value.len, 89);
    stack_run(s, SECOND);
    uint64_t packets = s->end[1].packets_out;
    ck_assert_int_eq(bl_gattc_exchange_mtu(s->end[1].host, s->now, conn[1], 517, &op[1]), 1);
    stack_run(s, SECOND);
    ck_assert_uint_eq(s->end[1].packets_out, packets);
    stack_free(s);
}
END_TEST

START_TEST(services_that_come_and_go_are_told_to_who_asked)
{
    struct bl_air_config config = config_of(_i);
    static struct rig_db db;
    uint16_t mine[3], theirs[3], service, value;
    struct bl_uuid changed = bl_uuid_from16(0x2a05);
    bl_op op;

    struct stack *s = stack_new(11, 3, &config);
    rig_fill(s, 0, 100, &db);
    for (size_t i = 1; i < 3; i++)
        stack_connect(s, 0, i, &mine[i], &theirs[i]);
    int r = bl_gattc_characteristics(s->end[1].host, s->now, theirs[1], 1, db.service[0], &changed,
                                     &op);
    rig_ok(s, 1, r, op);
    ck_assert_uint_eq(rig_count(s, 1, BL_EV_GATTC_CHARACTERISTIC, op), 1);
    value = rig_event(s, 1, BL_EV_GATTC_CHARACTERISTIC, op, 0)->gatt.value_handle;
    r = bl_gattc_subscribe(s->end[1].host, s->now, theirs[1], value, 2, &op);
    rig_ok(s, 1, r, op);
    stack_forget(s);

    struct bl_gatts_characteristic c = {
        .uuid = bl_uuid_from16(0x2a37), .flags = BL_GATT_READ, .max_len = 20};
    struct bl_gatts_service def = {
        .uuid = bl_uuid_from16(0x180d), .characteristics = &c, .n_characteristics = 1};
    ck_assert_int_eq(bl_gatts_add(s->end[0].host, s->now, &def, &service, &value), 0);
    ck_assert_uint_gt(service, db.value[db.n_values - 1]);
    struct bl_event e = stack_wait(s, 1, BL_EV_GATTC_SERVICES_CHANGED, 5 * SECOND);
    ck_assert_uint_le(e.gatt.start, service);
    ck_assert_uint_ge(e.gatt.end, value);
    /* The others keep their handles; what the client knew still holds. */
    rig_read(s, 1, theirs[1], &db, 9, false);
    ck_assert_int_eq(bl_gatts_remove(s->end[0].host, s->now, service), 0);
    e = stack_wait(s, 1, BL_EV_GATTC_SERVICES_CHANGED, 5 * SECOND);
    ck_assert_uint_le(e.gatt.start, service);
    ck_assert_uint_ge(e.gatt.end, value);
    ck_assert_uint_eq(stack_count(s, 2, BL_EV_GATTC_SERVICES_CHANGED), 0);
    r = bl_gattc_read(s->end[1].host, s->now, theirs[1], value, 0, false, &op);
    ck_assert_uint_eq(rig_done(s, 1, r, op).done.status, BL_ATT_INVALID_HANDLE);
    stack_free(s);
}
END_TEST

START_TEST(procedures_run_in_the_order_in_which_they_were_asked_for)
{
    struct bl_air_config config = config_of(_i);
    static struct rig_db db;
    uint16_t conn[2];
    bl_op op[BL_MAX_PROCEDURES], none;

    struct stack *s = stack_new(12, 2, &config);
    rig_fill(s, 0, 100, &db);
    stack_connect(s, 0, 1, &conn[0], &conn[1]);
    stack_forget(s);
    struct bl_host *h = s->end[1].host;
    for (unsigned i = 0; i < BL_MAX_PROCEDURES; i++)
        ck_assert_int_eq(bl_gattc_read(h, s->now, conn[1], db.value[i % 40], 0, false, &op[i]), 0);
    ck_assert_int_eq(bl_gattc_read(h, s->now, conn[1], db.value[0], 0, false, &none), -EBUSY);
    ck_assert_int_eq(bl_gattc_cancel(h, s->now, op[40]), 0);
    stack_done(s, 1, op[BL_MAX_PROCEDURES - 1], 60 * SECOND);
    unsigned next = 0, cancelled = 0;
    for (size_t i = 0; i < s->end[1].n_events; i++) {
        const struct bl_event *e = &s->end[1].events[i];
        if (e->kind != BL_EV_OP_DONE)
            continue;
        if (e->done.op == op[40]) {
            ck_assert_uint_eq(e->done.status, BL_CANCELED);
            cancelled++;
            continue;
        }
        next += next == 40;
        ck_assert_uint_eq(e->done.op, op[next++]);
        ck_assert_uint_eq(e->done.status, BL_OK);
    }
    ck_assert_uint_eq(next, BL_MAX_PROCEDURES);
    ck_assert_uint_eq(cancelled, 1);
    ck_assert_int_eq(bl_gattc_read(h, s->now, conn[1], db.value[0], 0, false, &none), 0);
    stack_free(s);
}
END_TEST

static Suite *gatt_suite(void)
{
    Suite *suite = suite_create("stack/gatt");
    TCase *t = tcase_create("both kinds of controller");

    tcase_set_timeout(t, 280);
    tcase_add_loop_test(t, every_database_is_discovered_read_and_written_at_every_mtu, 0,
                        2 * MTUS * SIZES);
    tcase_add_loop_test(t, loss_and_delay_only_cost_time, 0, 20);
    tcase_add_loop_test(t, three_centrals_at_once_each_find_and_change_everything, 0, 2);
    tcase_add_loop_test(t, clients_on_both_sides_of_one_bearer_do_not_wait_for_each_other, 0, 2);
    tcase_add_loop_test(t, a_held_request_of_one_client_does_not_hold_up_another, 0, 2);
    tcase_add_loop_test(t, the_mtu_is_exchanged_from_both_sides_and_never_by_itself, 0, 2);
    tcase_add_loop_test(t, services_that_come_and_go_are_told_to_who_asked, 0, 2);
    tcase_add_loop_test(t, procedures_run_in_the_order_in_which_they_were_asked_for, 0, 2);
    suite_add_tcase(suite, t);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(gatt_suite());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
