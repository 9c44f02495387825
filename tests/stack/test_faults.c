/* SPDX-License-Identifier: MIT */

/*
 * What goes wrong, at every step: one scenario goes through every GAP procedure, and for each
 * packet of it there is a run in which the controller (ours or the peer's) vanishes just then, or a
 * command is never answered, or answered as unknown. After each, no procedure is open and the next
 * connection works.
 */

#include "stack.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#define SECOND 1000000u

enum { MOST_STEPS = 2000 };

/* Waits for the end of a command, if there is to be one. False: it cannot be any more. */
static bool ended(struct stack *s, size_t end, const bl_op *op, int r, struct bl_event *ret)
{
    uint64_t until = s->now + 60 * SECOND;

    if (r < 0)
        return false;
    while (s->now <= until) {
        struct stack_end *e = &s->end[end];
        for (size_t i = 0; i < e->n_events; i++)
            if (e->events[i].kind == BL_EV_OP_DONE && e->events[i].done.op == *op) {
                *ret = e->events[i];
                return ret->done.status == BL_OK;
            }
        stack_run(s, 50000);
    }
    ck_abort_msg("command %u at end %zu never ended", *op, end);
    return false;
}

static void advertise_and_wait(struct stack *s)
{
    struct bl_adv_params p = {.interval_us = 30000,
                              .connectable = true,
                              .scannable = true,
                              .resume = true,
                              .addr_mode = BL_ADDR_MODE_DEFAULT};
    struct bl_event e;
    uint16_t adv;
    bl_op op;

    ended(s, 0, &op, bl_advertise(s->end[0].host, s->now, 0, &p, &adv, &op), &e);
}

/* Every procedure once, from end 1 to end 0, whatever comes of each. */
static void scenario(struct stack *s, const struct bl_addr *peer)
{
    struct bl_scan_params scan = {.duration_ms = 200,
                                  .interval_us = 50000,
                                  .window_us = 50000,
                                  .active = true,
                                  .addr_mode = BL_ADDR_MODE_DEFAULT};
    struct bl_connect_params to = {
        .peer = *peer, .scan_duration_ms = 1000, .addr_mode = BL_ADDR_MODE_DEFAULT};
    struct bl_conn_params params = {
        .min_interval_us = 50000, .max_interval_us = 50000, .timeout_ms = 1000};
    struct bl_adv_params adv = {
        .interval_us = 100000, .scannable = true, .addr_mode = BL_ADDR_MODE_DEFAULT};
    struct bl_host *h = s->end[1].host;
    struct bl_event e;
    uint16_t id, set = 0;
    bl_op op = 0;

    advertise_and_wait(s);
    ended(s, 1, &op, bl_advertise(h, s->now, 0, &adv, &set, &op), &e);
    ended(s, 1, &op, bl_scan(h, s->now, &scan, &id, &op), &e);
    stack_run(s, 300000);
    if (ended(s, 1, &op, bl_connect(h, s->now, &to, &id, &op), &e)) {
        uint16_t conn = e.done.conn;
        ended(s, 1, &op, bl_read_rssi(h, s->now, conn, &op), &e);
        ended(s, 1, &op, bl_update_parameters(h, s->now, conn, &params, &op), &e);
        ended(s, 1, &op, bl_set_phy(h, s->now, conn, BL_PHYS_2M, BL_PHYS_2M, &op), &e);
        ended(s, 1, &op, bl_set_data_length(h, s->now, conn, 100, &op), &e);
        ended(s, 1, &op, bl_disconnect(h, s->now, conn, 0x13, &op), &e);
    }
    ended(s, 1, &op, bl_advertise_stop(h, s->now, set, &op), &e);
}

static void restart(struct stack *s, size_t end)
{
    struct stack_end *e = &s->end[end];
    struct bl_event done;
    bl_op op;

    if (bl_host_ready(e->host) && !e->dead)
        return;
    bl_host_stop(e->host, s->now);
    bl_air_power_off(s->air, s->now, e->controller);
    bl_air_power_on(s->air, s->now, e->controller);
    e->dead = false;
    e->die_after = 0;
    ck_assert_int_eq(bl_host_start(e->host, s->now, &op), 0);
    ck_assert_msg(ended(s, end, &op, 0, &done), "the controller did not come back");
}

/* Both ends work again, and nothing is left over. */
static void all_is_well(struct stack *s, unsigned step)
{
    struct bl_event e;
    uint16_t a, b;
    bl_op op;

    for (size_t end = 0; end < 2; end++) {
        bl_air_fault_clear(s->air, s->end[end].controller);
        s->end[end].die_after = 0;
        restart(s, end);
    }
    stack_run(s, 45 * SECOND); /* the longest timeout of a link left over */
    for (size_t end = 0; end < 2; end++) {
        ck_assert_msg(stack_counter(s, end, "procedures-open") == 0, "step %u: open at end %zu",
                      step, end);
        restart(s, end);
        bl_op done;
        if (bl_host_shutdown(s->end[end].host, s->now, &done) == 0)
            ended(s, end, &done, 0, &e);
        s->end[end].dead = true;
        restart(s, end);
    }
    stack_forget(s);
    stack_connect(s, 0, 1, &a, &b);
    ck_assert_int_eq(bl_disconnect(s->end[1].host, s->now, b, 0x13, &op), 0);
    stack_wait(s, 0, BL_EV_DISCONNECTED, 5 * SECOND);
}

/* Whether the fault was reached: the scenario is over when it was not. */
typedef bool fault_fn(struct stack *s, unsigned step, const struct bl_addr *peer);

static bool own_controller_dies(struct stack *s, unsigned step, const struct bl_addr *peer)
{
    s->end[1].die_after = s->end[1].packets_in + step;
    scenario(s, peer);
    return s->end[1].dead;
}

static bool peers_controller_dies(struct stack *s, unsigned step, const struct bl_addr *peer)
{
    s->end[0].die_after = s->end[0].packets_in + step;
    scenario(s, peer);
    return s->end[0].dead;
}

static void run_steps(int kind, fault_fn *fault)
{
    struct bl_air_config config = kind == 0 ? bl_air_config_v40() : bl_air_config_default();
    bool reached = true;
    unsigned step = 1;

    for (; reached && step < MOST_STEPS; step++) {
        struct stack *s = stack_new(step, 2, &config);
        struct bl_addr peer = stack_addr(s, 0);
        reached = fault(s, step, &peer);
        all_is_well(s, step);
        stack_free(s);
    }
    ck_assert_msg(!reached, "the scenario has no end");
    ck_assert_uint_gt(step, 5);
}

START_TEST(own_controller_vanishes_at_every_step)
{
    run_steps(_i, own_controller_dies);
}
END_TEST

START_TEST(peers_controller_vanishes_at_every_step)
{
    run_steps(_i, peers_controller_dies);
}
END_TEST

/* The commands that the scenario makes end 1 send. */
static const uint16_t commands[] = {0x0406, 0x1405, 0x2005, 0x2006, 0x2008, 0x2009, 0x200a, 0x200b,
                                    0x200c, 0x200d, 0x200e, 0x2013, 0x2016, 0x2022, 0x2032, 0x2035,
                                    0x2036, 0x2037, 0x2038, 0x2039, 0x203c, 0x2041, 0x2042, 0x2043};

START_TEST(a_command_is_never_answered)
{
    struct bl_air_config config = _i == 0 ? bl_air_config_v40() : bl_air_config_default();

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        struct stack *s = stack_new(i, 2, &config);
        struct bl_addr peer = stack_addr(s, 0);
        bl_air_fault_command(s->air, s->end[1].controller, commands[i], BL_AIR_NEVER_ANSWER, 0, 1);
        scenario(s, &peer);
        all_is_well(s, commands[i]);
        stack_free(s);
    }
}
END_TEST

START_TEST(a_command_is_unknown_although_announced)
{
    struct bl_air_config config = _i == 0 ? bl_air_config_v40() : bl_air_config_default();

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        struct stack *s = stack_new(i, 2, &config);
        struct bl_addr peer = stack_addr(s, 0);
        bl_air_fault_command(s->air, s->end[1].controller, commands[i], BL_AIR_ANSWER_STATUS, 0x01,
                             1);
        scenario(s, &peer);
        all_is_well(s, commands[i]);
        stack_free(s);
    }
}
END_TEST

START_TEST(a_command_is_answered_short)
{
    struct bl_air_config config = _i == 0 ? bl_air_config_v40() : bl_air_config_default();

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        struct stack *s = stack_new(i, 2, &config);
        struct bl_addr peer = stack_addr(s, 0);
        bl_air_fault_command(s->air, s->end[1].controller, commands[i], BL_AIR_ANSWER_SHORT, 1, 1);
        scenario(s, &peer);
        all_is_well(s, commands[i]);
        stack_free(s);
    }
}
END_TEST

START_TEST(links_that_fail_to_be_established_are_tried_again)
{
    struct bl_air_config config = bl_air_config_default();

    for (int at_once = 0; at_once < 2; at_once++) {
        struct stack *s = stack_new(3, 2, &config);
        uint16_t a, b;
        bl_air_fault_establish(s->air, s->end[1].controller, 2, at_once);
        stack_connect(s, 0, 1, &a, &b);
        ck_assert_uint_eq(b, 1);
        ck_assert_uint_eq(stack_count(s, 1, BL_EV_DISCONNECTED), 0);
        stack_free(s);
    }
}
END_TEST

START_TEST(a_lossy_medium_only_costs_time)
{
    struct bl_air_config config = _i == 0 ? bl_air_config_v40() : bl_air_config_default();
    struct stack *s = stack_new(77, 2, &config);

    bl_air_set_loss(s->air, s->now, s->end[0].controller, s->end[1].controller, 200);
    for (int i = 0; i < 5; i++) {
        uint16_t a, b;
        bl_op op;
        stack_connect(s, 0, 1, &a, &b);
        ck_assert_int_eq(bl_disconnect(s->end[1].host, s->now, b, 0x13, &op), 0);
        stack_wait(s, 0, BL_EV_DISCONNECTED, 40 * SECOND);
        stack_run(s, SECOND);
    }
    stack_free(s);
}
END_TEST

START_TEST(a_lost_disconnect_is_asked_for_once_more)
{
    struct bl_air_config config = bl_air_config_default();
    struct stack *s = stack_new(5, 2, &config);
    uint16_t a, b;
    bl_op op;

    stack_connect(s, 0, 1, &a, &b);
    bl_air_fault_command(s->air, s->end[1].controller, 0x0406, BL_AIR_NEVER_ANSWER, 0, 1);
    ck_assert_int_eq(bl_disconnect(s->end[1].host, s->now, b, 0x13, &op), 0);
    stack_wait(s, 1, BL_EV_DISCONNECTED, 20 * SECOND);
    stack_wait(s, 0, BL_EV_DISCONNECTED, 5 * SECOND);
    stack_free(s);
}
END_TEST

static Suite *faults_suite(void)
{
    Suite *suite = suite_create("stack/faults");
    TCase *t = tcase_create("both kinds of controller");

    tcase_set_timeout(t, 280);
    tcase_add_loop_test(t, own_controller_vanishes_at_every_step, 0, 2);
    tcase_add_loop_test(t, peers_controller_vanishes_at_every_step, 0, 2);
    tcase_add_loop_test(t, a_command_is_never_answered, 0, 2);
    tcase_add_loop_test(t, a_command_is_unknown_although_announced, 0, 2);
    tcase_add_loop_test(t, a_command_is_answered_short, 0, 2);
    tcase_add_test(t, a_lost_disconnect_is_asked_for_once_more);
    tcase_add_test(t, links_that_fail_to_be_established_are_tried_again);
    tcase_add_loop_test(t, a_lossy_medium_only_costs_time, 0, 2);
    suite_add_tcase(suite, t);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(faults_suite());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
