/* SPDX-License-Identifier: MIT */

/* Notifications and write commands without end, both ways at once: none is lost, none overtakes
 * another, and the link still serves requests in between. */

#include "gatt_rig.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#define SECOND 1000000u

enum { FLOOD = 2000 };

struct flood {
    struct rig_db db[2];
    uint16_t conn[2];
    size_t len;
    unsigned notified[2], written[2]; /* sent by that end */
    unsigned held;                    /* commands that were not taken at once */
};

static size_t numbered(uint8_t *value, size_t len, unsigned number)
{
    for (size_t i = 0; i < len; i++)
        value[i] = (uint8_t)(number * 5 + i);
    value[0] = (uint8_t)number;
    value[1] = (uint8_t)(number >> 8);
    return len;
}

/* Sends what the host takes now. */
static void push(struct stack *s, struct flood *f, size_t end, unsigned notifications,
                 unsigned commands)
{
    struct bl_host *h = s->end[end].host;
    uint8_t value[512];
    uint16_t sent;
    bl_op op;
    int r = 0;

    while (r >= 0 && f->notified[end] < notifications) {
        size_t n = numbered(value, f->len, f->notified[end]);
        r = bl_gatts_notify(h, s->now, f->conn[end], f->db[end].streaming[0], value, n, &sent, &op);
        if (r >= 0)
            ck_assert_uint_eq(sent, n);
        else
            ck_assert(r == -EAGAIN || r == -EBUSY);
        f->notified[end] += r >= 0;
        f->held += r == 0;
    }
    for (r = 0; r >= 0 && f->written[end] < commands;) {
        size_t n = numbered(value, f->len, f->written[end]);
        r = bl_gattc_write(h, s->now, f->conn[end], f->db[1 - end].value[0], value, n,
                           BL_GATT_WRITE_COMMAND, 0, &op);
        if (r < 0)
            ck_assert(r == -EAGAIN || r == -EBUSY);
        f->written[end] += r >= 0;
        f->held += r == 0;
    }
}

static void check_numbers(struct stack *s, const struct flood *f, size_t end,
                          enum bl_event_kind kind, uint16_t handle, unsigned count)
{
    uint8_t value[512];
    unsigned next = 0;

    for (size_t i = 0; i < s->end[end].n_events; i++) {
        const struct bl_event *e = &s->end[end].events[i];
        if (e->kind != kind)
            continue;
        size_t n = numbered(value, f->len, next++);
        ck_assert_uint_eq(e->gatt.conn, f->conn[end]);
        ck_assert_uint_eq(e->gatt.handle, handle);
        ck_assert_uint_eq(e->gatt.value.len, n);
        ck_assert_mem_eq(e->gatt.value.data, value, n);
    }
    ck_assert_uint_eq(next, count);
}

static struct flood flood;

static void run_flood(const struct bl_air_config *config, uint64_t seed, uint16_t mtu,
                      unsigned loss, unsigned notifications, unsigned commands)
{
    struct flood *f = &flood;
    bl_op op, read[2] = {0};

    memset(f, 0, sizeof(*f));
    struct stack *s = stack_new(seed, 2, config);
    for (size_t i = 0; i < 2; i++)
        rig_fill(s, i, 50, &f->db[i]);
    rig_mtu(s, mtu);
    f->len = mtu - 3u < 512 ? mtu - 3u : 512;
    stack_connect(s, 0, 1, &f->conn[0], &f->conn[1]);
    int r = bl_gattc_exchange_mtu(s->end[1].host, s->now, f->conn[1], 0, &op);
    rig_ok(s, 1, r, op);
    ck_assert_int_eq(
        bl_air_set_loss(s->air, s->now, s->end[0].controller, s->end[1].controller, loss), 0);
    stack_forget(s);
    for (unsigned round = 0; f->notified[0] < notifications || f->notified[1] < notifications ||
                             f->written[0] < commands || f->written[1] < commands;
         round++) {
        ck_assert_uint_lt(round, 100000);
        for (size_t i = 0; i < 2; i++)
            push(s, f, i, notifications, commands);
        if (round == 3) /* requests find room beside a flood */
            for (size_t i = 0; i < 2; i++)
                ck_assert_int_eq(bl_gattc_read(s->end[i].host, s->now, f->conn[i],
                                               f->db[1 - i].value[5], 0, true, &read[i]),
                                 0);
        stack_run(s, 20000);
    }
    stack_run(s, 30 * SECOND);
    ck_assert_uint_gt(f->held, 0);
    for (size_t i = 0; i < 2; i++) {
        size_t other = 1 - i;
        check_numbers(s, f, i, BL_EV_GATTC_NOTIFIED, f->db[other].streaming[0], notifications);
        check_numbers(s, f, i, BL_EV_GATTS_WRITTEN, f->db[i].value[0], commands);
        if (read[i])
            ck_assert_uint_eq(stack_done(s, i, read[i], SECOND).done.status, BL_OK);
        ck_assert_uint_eq(stack_counter(s, i, "procedures-open"), 0);
        ck_assert_uint_eq(rig_count(s, i, BL_EV_DISCONNECTED, 0), 0);
    }
    stack_free(s);
}

START_TEST(floods_of_notifications_both_ways_lose_none)
{
    struct bl_air_config config = _i % 2 == 0 ? bl_air_config_v40() : bl_air_config_default();

    run_flood(&config, 1, _i < 2 ? 23 : 517, 0, FLOOD, 0);
}
END_TEST

START_TEST(floods_of_write_commands_both_ways_lose_none)
{
    struct bl_air_config config = _i % 2 == 0 ? bl_air_config_v40() : bl_air_config_default();

    run_flood(&config, 2, _i < 2 ? 23 : 517, 0, 0, FLOOD);
}
END_TEST

START_TEST(floods_of_both_over_a_lossy_medium_lose_none)
{
    struct bl_air_config config = _i % 2 == 0 ? bl_air_config_v40() : bl_air_config_default();

    run_flood(&config, 3, 64, 250, FLOOD / 2, FLOOD / 2);
}
END_TEST

/* What waits is told of when the link goes: every op ends, once. */
START_TEST(a_flood_that_loses_its_link_ends_every_operation)
{
    struct bl_air_config config = _i % 2 == 0 ? bl_air_config_v40() : bl_air_config_default();
    struct flood *f = &flood;
    bl_op op;

    memset(f, 0, sizeof(*f));
    struct stack *s = stack_new(4, 2, &config);
    for (size_t i = 0; i < 2; i++)
        rig_fill(s, i, 50, &f->db[i]);
    f->len = 20;
    stack_connect(s, 0, 1, &f->conn[0], &f->conn[1]);
    stack_forget(s);
    for (size_t i = 0; i < 2; i++)
        push(s, f, i, FLOOD, 0);
    ck_assert_uint_gt(f->held, 0);
    ck_assert_uint_lt(f->notified[0], FLOOD);
    ck_assert_int_eq(bl_disconnect(s->end[_i / 2].host, s->now, f->conn[_i / 2], 0x13, &op), 0);
    for (size_t i = 0; i < 2; i++)
        stack_wait(s, i, BL_EV_DISCONNECTED, 60 * SECOND);
    stack_run(s, SECOND);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_uint_eq(stack_counter(s, i, "procedures-open"), 0);
        unsigned cut = 0;
        for (size_t k = 0; k < s->end[i].n_events; k++) {
            const struct bl_event *e = &s->end[i].events[k];
            cut += e->kind == BL_EV_OP_DONE && (e->done.status & 0xf00) == BL_STATUS_HCI;
        }
        ck_assert_uint_gt(cut, 0);
    }
    stack_connect(s, 0, 1, &f->conn[0], &f->conn[1]);
    rig_read(s, 1, f->conn[1], &f->db[0], 5, false);
    stack_free(s);
}
END_TEST

/* Fragments of 27 octets, two a second: what is before the read takes minutes to leave. */
START_TEST(a_read_behind_a_flood_on_a_slow_link_does_not_cost_the_link)
{
    struct bl_air_config config = bl_air_config_v40();
    const struct bl_conn_params slow = {
        .min_interval_us = 4000000, .max_interval_us = 4000000, .timeout_ms = 32000};
    struct flood *f = &flood;
    bl_op op;

    memset(f, 0, sizeof(*f));
    struct stack *s = stack_new(5, 2, &config);
    for (size_t i = 0; i < 2; i++)
        rig_fill(s, i, 50, &f->db[i]);
    rig_mtu(s, 517);
    f->len = 512;
    stack_connect(s, 0, 1, &f->conn[0], &f->conn[1]);
    int r = bl_gattc_exchange_mtu(s->end[1].host, s->now, f->conn[1], 0, &op);
    rig_ok(s, 1, r, op);
    r = bl_update_parameters(s->end[1].host, s->now, f->conn[1], &slow, &op);
    rig_ok(s, 1, r, op);
    stack_run(s, 60 * SECOND);
    stack_forget(s);
    push(s, f, 1, 0, 100);
    ck_assert_uint_eq(f->written[1], 100);
    uint64_t since = s->now;
    ck_assert_int_eq(
        bl_gattc_read(s->end[1].host, s->now, f->conn[1], f->db[0].value[5], 0, false, &op), 0);
    ck_assert_uint_eq(stack_done(s, 1, op, 3600 * UINT64_C(1000000)).done.status, BL_OK);
    ck_assert_uint_gt(s->now - since, 30 * SECOND);
    ck_assert_uint_eq(rig_count(s, 1, BL_EV_DISCONNECTED, 0), 0);
    check_numbers(s, f, 0, BL_EV_GATTS_WRITTEN, f->db[0].value[0], 100);
    stack_free(s);
}
END_TEST

static Suite *flood_suite(void)
{
    Suite *suite = suite_create("stack/gatt_flood");
    TCase *t = tcase_create("both kinds of controller");

    tcase_set_timeout(t, 280);
    tcase_add_loop_test(t, floods_of_notifications_both_ways_lose_none, 0, 4);
    tcase_add_loop_test(t, floods_of_write_commands_both_ways_lose_none, 0, 4);
    tcase_add_loop_test(t, floods_of_both_over_a_lossy_medium_lose_none, 0, 2);
    tcase_add_loop_test(t, a_flood_that_loses_its_link_ends_every_operation, 0, 4);
    tcase_add_test(t, a_read_behind_a_flood_on_a_slow_link_does_not_cost_the_link);
    suite_add_tcase(suite, t);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(flood_suite());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
