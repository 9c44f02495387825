/* SPDX-License-Identifier: MIT */

/* Two to four hosts back to back on the simulated radio: what each GAP procedure does when all goes
 * well, on a 4.0 controller and on one with extended advertising. */

#include "stack.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#define SECOND 1000000u

/* Each test runs on both kinds of controller. */
static struct bl_air_config config_of(int i)
{
    return i == 0 ? bl_air_config_v40() : bl_air_config_default();
}

static const uint8_t flags_and_name[] = {2, 1, 6, 4, 9, 'P', 'i', '1'};
static const uint8_t response[] = {3, 0xff, 0x34, 0x12};

static struct bl_adv_params adv_params(void)
{
    return (struct bl_adv_params){.interval_us = 100000,
                                  .connectable = true,
                                  .scannable = true,
                                  .addr_mode = BL_ADDR_MODE_DEFAULT,
                                  .adv_data = flags_and_name,
                                  .adv_len = sizeof(flags_and_name),
                                  .resp_data = response,
                                  .resp_len = sizeof(response)};
}

static struct bl_scan_params scan_params(void)
{
    return (struct bl_scan_params){
        .interval_us = 100000, .window_us = 100000, .addr_mode = BL_ADDR_MODE_DEFAULT};
}

static uint16_t advertise(struct stack *s, size_t end, const struct bl_adv_params *p)
{
    uint16_t adv;
    bl_op op;

    ck_assert_int_eq(bl_advertise(s->end[end].host, s->now, 0, p, &adv, &op), 0);
    ck_assert_uint_eq(stack_done(s, end, op, SECOND).done.status, BL_OK);
    return adv;
}

static uint16_t scan(struct stack *s, size_t end, const struct bl_scan_params *p)
{
    uint16_t slot;
    bl_op op;

    ck_assert_int_eq(bl_scan(s->end[end].host, s->now, p, &slot, &op), 0);
    ck_assert_uint_eq(stack_done(s, end, op, SECOND).done.status, BL_OK);
    return slot;
}

START_TEST(passive_scan_hears_advertising_data_and_no_response)
{
    struct bl_air_config config = config_of(_i);
    struct stack *s = stack_new(1, 2, &config);
    struct bl_adv_params a = adv_params();
    struct bl_scan_params p = scan_params();

    advertise(s, 0, &a);
    uint16_t slot = scan(s, 1, &p);
    struct bl_event e = stack_wait(s, 1, BL_EV_REPORT, SECOND);
    ck_assert_uint_eq(e.report.adv_type, 0);
    ck_assert_uint_eq(e.report.scans, UINT64_C(1) << slot);
    ck_assert_uint_eq(e.report.len, sizeof(flags_and_name));
    ck_assert_mem_eq(e.report.data, flags_and_name, sizeof(flags_and_name));
    struct bl_addr advertiser = stack_addr(s, 0);
    ck_assert(bl_addr_eq(&e.report.addr, &advertiser));
    for (int i = 0; i < 10; i++)
        ck_assert_uint_ne(stack_wait(s, 1, BL_EV_REPORT, SECOND).report.adv_type, 4);
    stack_free(s);
}
END_TEST

START_TEST(active_scan_hears_the_scan_response)
{
    struct bl_air_config config = config_of(_i);
    struct stack *s = stack_new(2, 2, &config);
    struct bl_adv_params a = adv_params();
    struct bl_scan_params p = scan_params();
    struct bl_event e;

    p.active = true;
    advertise(s, 0, &a);
    scan(s, 1, &p);
    do
        e = stack_wait(s, 1, BL_EV_REPORT, SECOND);
    while (e.report.adv_type != 4);
    ck_assert_uint_eq(e.report.len, sizeof(response));
    ck_assert_mem_eq(e.report.data, response, sizeof(response));
    stack_free(s);
}
END_TEST

START_TEST(scan_ends_after_its_duration_with_one_scan_done)
{
    struct bl_air_config config = config_of(_i);
    struct stack *s = stack_new(3, 2, &config);
    struct bl_scan_params p = scan_params();

    p.duration_ms = 500;
    uint64_t start = s->now;
    uint16_t slot = scan(s, 1, &p);
    struct bl_event e = stack_wait(s, 1, BL_EV_SCAN_DONE, SECOND);
    ck_assert_uint_eq(e.scan_done.scan, slot);
    ck_assert_uint_eq(e.scan_done.status, BL_OK);
    ck_assert_uint_ge(s->now - start, 500000);
    ck_assert_uint_le(s->now - start, 520000);
    stack_run(s, 2 * SECOND);
    ck_assert_uint_eq(stack_count(s, 1, BL_EV_SCAN_DONE), 0);
    stack_free(s);
}
END_TEST

START_TEST(two_scans_have_their_own_duplicates_and_filters)
{
    struct bl_air_config config = config_of(_i);
    struct stack *s = stack_new(4, 2, &config);
    struct bl_adv_params a = adv_params();
    struct bl_scan_params once = scan_params(), all = scan_params(), other = scan_params();
    unsigned n_once = 0, n_all = 0, n_other = 0;
    struct bl_event e;

    once.filter_duplicates = true;
    other.filter.name_prefix = "nobody";
    advertise(s, 0, &a);
    uint16_t slot_once = scan(s, 1, &once), slot_all = scan(s, 1, &all),
             slot_other = scan(s, 1, &other);
    ck_assert_uint_ne(slot_once, slot_all);
    while (stack_poll(s, 1, BL_EV_REPORT, 2 * SECOND, &e) && n_all < 10) {
        n_once += (unsigned)(e.report.scans >> slot_once) & 1;
        n_all += (unsigned)(e.report.scans >> slot_all) & 1;
        n_other += (unsigned)(e.report.scans >> slot_other) & 1;
    }
    ck_assert_uint_ge(n_all, 10);
    ck_assert_uint_eq(n_once, 1);
    ck_assert_uint_eq(n_other, 0);
    stack_free(s);
}
END_TEST

START_TEST(connection_is_seen_by_both_and_ends_the_advertisement)
{
    struct bl_air_config config = config_of(_i);
    struct stack *s = stack_new(5, 2, &config);
    uint16_t a, b;

    stack_connect(s, 0, 1, &a, &b);
    struct bl_conn_info info;
    ck_assert_int_eq(bl_conn_info(s->end[1].host, b, &info), 0);
    ck_assert_int_eq(info.role, BL_ROLE_CENTRAL);
    struct bl_addr peer = stack_addr(s, 0);
    ck_assert(bl_addr_eq(&info.peer, &peer));
    ck_assert_uint_ge(info.interval, 24); /* 30 ms */
    ck_assert_uint_le(info.interval, 40); /* 50 ms */
    s->end[0].taken = 0;                  /* it came before the connection */
    ck_assert_uint_eq(stack_wait(s, 0, BL_EV_ADV_STOPPED, SECOND).adv_stopped.status, BL_OK);

    struct bl_scan_params p = scan_params();
    scan(s, 1, &p);
    stack_forget(s);
    stack_run(s, 2 * SECOND);
    ck_assert_uint_eq(stack_count(s, 1, BL_EV_REPORT), 0);
    stack_free(s);
}
END_TEST

START_TEST(disconnect_gives_each_side_its_reason)
{
    struct bl_air_config config = config_of(_i);
    struct stack *s = stack_new(6, 2, &config);
    uint16_t a, b;
    bl_op op;

    stack_connect(s, 0, 1, &a, &b);
    ck_assert_int_eq(bl_disconnect(s->end[1].host, s->now, b, 0x13, &op), 0);
    struct bl_event e = stack_wait(s, 1, BL_EV_DISCONNECTED, SECOND);
    ck_assert_uint_eq(e.disconnected.conn, b);
    ck_assert_uint_eq(e.disconnected.reason, 0x16);
    e = stack_done(s, 1, op, SECOND);
    ck_assert_uint_eq(e.done.status, BL_OK);
    ck_assert(e.done.was_connected);
    e = stack_wait(s, 0, BL_EV_DISCONNECTED, SECOND);
    ck_assert_uint_eq(e.disconnected.conn, a);
    ck_assert_uint_eq(e.disconnected.reason, 0x13);
    ck_assert_int_eq(bl_disconnect(s->end[1].host, s->now, b, 0x13, &op), -ENOTCONN);
    stack_free(s);
}
END_TEST

START_TEST(resumed_advertisement_starts_again_after_the_connection)
{
    struct bl_air_config config = config_of(_i);
    struct stack *s = stack_new(7, 2, &config);
    struct bl_adv_params p = adv_params();
    struct bl_connect_params to = {.scan_duration_ms = 5000, .addr_mode = BL_ADDR_MODE_DEFAULT};
    uint16_t attempt;
    bl_op op;

    p.resume = true;
    advertise(s, 0, &p);
    to.peer = stack_addr(s, 0);
    for (int round = 0; round < 3; round++) {
        ck_assert_int_eq(bl_connect(s->end[1].host, s->now, &to, &attempt, &op), 0);
        struct bl_event e = stack_done(s, 1, op, 6 * SECOND);
        ck_assert_uint_eq(e.done.status, BL_OK);
        uint16_t conn = e.done.conn;
        ck_assert_int_eq(bl_disconnect(s->end[1].host, s->now, conn, 0x13, &op), 0);
        stack_wait(s, 1, BL_EV_DISCONNECTED, SECOND);
        stack_wait(s, 0, BL_EV_DISCONNECTED, SECOND);
    }
    ck_assert_uint_eq(stack_count(s, 0, BL_EV_ADV_STOPPED), 0);
    stack_free(s);
}
END_TEST

START_TEST(connecting_to_nobody_times_out_after_the_scan_duration)
{
    struct bl_air_config config = config_of(_i);
    struct stack *s = stack_new(8, 2, &config);
    struct bl_connect_params to = {.peer = {ADDR_RANDOM, {1, 2, 3, 4, 5, 0xc6}},
                                   .scan_duration_ms = 700,
                                   .addr_mode = BL_ADDR_MODE_DEFAULT};
    uint16_t attempt;
    bl_op op;

    uint64_t start = s->now;
    ck_assert_int_eq(bl_connect(s->end[1].host, s->now, &to, &attempt, &op), 0);
    struct bl_event e = stack_wait(s, 1, BL_EV_ATTEMPT_ENDED, 2 * SECOND);
    ck_assert_uint_eq(e.attempt_ended.attempt, attempt);
    ck_assert_uint_eq(e.attempt_ended.status, BL_TIMEOUT);
    ck_assert_uint_eq(stack_done(s, 1, op, SECOND).done.status, BL_TIMEOUT);
    ck_assert_uint_ge(s->now - start, 700000);
    ck_assert_uint_le(s->now - start, 800000);
    /* and the next attempt works */
    uint16_t a, b;
    stack_connect(s, 0, 1, &a, &b);
    stack_free(s);
}
END_TEST

START_TEST(cancelled_attempt_ends_canceled)
{
    struct bl_air_config config = config_of(_i);
    struct stack *s = stack_new(9, 2, &config);
    struct bl_connect_params to = {.peer = {ADDR_RANDOM, {1, 2, 3, 4, 5, 0xc6}},
                                   .scan_duration_ms = 5000,
                                   .addr_mode = BL_ADDR_MODE_DEFAULT};
    uint16_t attempt;
    bl_op op;

    ck_assert_int_eq(bl_connect(s->end[1].host, s->now, &to, &attempt, &op), 0);
    stack_run(s, 100000);
    ck_assert_int_eq(bl_connect_cancel(s->end[1].host, s->now, attempt), 0);
    ck_assert_uint_eq(stack_wait(s, 1, BL_EV_ATTEMPT_ENDED, SECOND).attempt_ended.status,
                      BL_CANCELED);
    ck_assert_uint_eq(stack_done(s, 1, op, SECOND).done.status, BL_CANCELED);
    ck_assert_int_eq(bl_connect_cancel(s->end[1].host, s->now, attempt), -ENOENT);
    stack_free(s);
}
END_TEST

START_TEST(automatic_attempt_connects_again_after_each_disconnection)
{
    struct bl_air_config config = config_of(_i);
    struct stack *s = stack_new(10, 2, &config);
    struct bl_adv_params p = adv_params();
    struct bl_connect_params to = {.automatic = true, .addr_mode = BL_ADDR_MODE_DEFAULT};
    uint16_t attempt;
    bl_op op;

    to.peer = stack_addr(s, 0);
    ck_assert_int_eq(bl_connect(s->end[1].host, s->now, &to, &attempt, &op), 0);
    ck_assert_uint_eq(stack_done(s, 1, op, SECOND).done.status, BL_OK);
    stack_run(s, 3 * SECOND);
    p.resume = true;
    advertise(s, 0, &p);
    for (int round = 0; round < 3; round++) {
        stack_wait(s, 1, BL_EV_CONNECTED, 20 * SECOND);
        struct bl_event e = stack_wait(s, 0, BL_EV_CONNECTED, SECOND);
        ck_assert_int_eq(bl_disconnect(s->end[0].host, s->now, e.connected.conn, 0x13, &op), 0);
        stack_wait(s, 1, BL_EV_DISCONNECTED, SECOND);
    }
    ck_assert_int_eq(bl_connect_cancel(s->end[1].host, s->now, attempt), 0);
    stack_wait(s, 1, BL_EV_ATTEMPT_ENDED, SECOND);
    stack_free(s);
}
END_TEST

START_TEST(parameters_are_updated_from_both_roles)
{
    struct bl_air_config config = config_of(_i);
    struct stack *s = stack_new(11, 2, &config);
    struct bl_conn_params p = {
        .min_interval_us = 100000, .max_interval_us = 100000, .timeout_ms = 3000};
    uint16_t conn[2];
    bl_op op;

    stack_connect(s, 0, 1, &conn[0], &conn[1]);
    for (size_t role = 0; role < 2; role++) {
        p.min_interval_us = p.max_interval_us = role ? 200000 : 100000;
        ck_assert_int_eq(bl_update_parameters(s->end[role].host, s->now, conn[role], &p, &op), 0);
        struct bl_event e = stack_done(s, role, op, 10 * SECOND);
        ck_assert_uint_eq(e.done.status, BL_OK);
        ck_assert_uint_eq(e.done.params.interval, role ? 160 : 80);
        for (size_t end = 0; end < 2; end++) {
            e = stack_wait(s, end, BL_EV_CONN_UPDATED, 10 * SECOND);
            ck_assert_uint_eq(e.conn_updated.status, BL_OK);
            ck_assert_uint_eq(e.conn_updated.interval, role ? 160 : 80);
            ck_assert_uint_eq(e.conn_updated.timeout, 300);
        }
    }
    stack_free(s);
}
END_TEST

START_TEST(a_vanished_peer_is_a_supervision_timeout)
{
    struct bl_air_config config = config_of(_i);
    struct stack *s = stack_new(12, 2, &config);
    uint16_t a, b;

    stack_connect(s, 0, 1, &a, &b);
    s->end[0].dead = true;
    bl_air_power_off(s->air, s->now, s->end[0].controller);
    bl_host_stop(s->end[0].host, s->now);
    struct bl_event e = stack_wait(s, 1, BL_EV_DISCONNECTED, 10 * SECOND);
    ck_assert_uint_eq(e.disconnected.reason, 0x08);
    stack_free(s);
}
END_TEST

START_TEST(three_centrals_connect_to_one_peripheral_which_also_connects)
{
    struct bl_air_config config = config_of(_i);
    struct stack *s = stack_new(13, 4, &config);
    uint16_t to_me[4], theirs[4];

    for (size_t i = 1; i < 4; i++)
        stack_connect(s, 0, i, &to_me[i], &theirs[i]);
    ck_assert_uint_eq(to_me[1], 1);
    ck_assert_uint_eq(to_me[2], 2);
    ck_assert_uint_eq(to_me[3], 3);
    for (size_t i = 1; i < 4; i++) {
        struct bl_conn_info info;
        ck_assert_int_eq(bl_conn_info(s->end[0].host, to_me[i], &info), 0);
        ck_assert_int_eq(info.role, BL_ROLE_PERIPHERAL);
        bl_op op;
        ck_assert_int_eq(bl_read_rssi(s->end[i].host, s->now, theirs[i], &op), 0);
        struct bl_event e = stack_done(s, i, op, SECOND);
        ck_assert_uint_eq(e.done.status, BL_OK);
        ck_assert_int_lt(e.done.rssi, 20);
    }
    stack_free(s);
}
END_TEST

START_TEST(raw_commands_are_answered_but_for_what_belongs_to_the_host)
{
    static const uint16_t own[] = {0x0c03, 0x0c01, 0x0c63, 0x2001, 0x0c31, 0x0c33, 0x0c35};
    struct bl_air_config config = config_of(_i);
    struct stack *s = stack_new(1, 1, &config);
    struct bl_host *h = s->end[0].host;
    bl_op op = 77;

    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        ck_assert_int_eq(bl_hci_command(h, s->now, own[i], "\0\0\0\0\0\0\0", 8, &op), -EINVAL);
    ck_assert_uint_eq(op, 77);
    ck_assert_int_eq(bl_hci_command(h, s->now, 0x1001, NULL, 0, &op), 0); /* Read Local Version */
    struct bl_event e = stack_done(s, 0, op, SECOND);
    ck_assert_uint_eq(e.done.status, BL_OK);
    ck_assert_uint_eq(e.done.reply.status, 0);
    ck_assert_uint_eq(e.done.reply.len, 8);
    stack_free(s);
}
END_TEST

START_TEST(shutdown_tells_peers_and_ends_everything)
{
    struct bl_air_config config = config_of(_i);
    struct stack *s = stack_new(14, 2, &config);
    struct bl_adv_params p = adv_params();
    struct bl_scan_params sp = scan_params();
    uint16_t a, b;
    bl_op op;

    stack_connect(s, 0, 1, &a, &b);
    p.connectable = false;
    advertise(s, 1, &p);
    scan(s, 1, &sp);
    stack_forget(s);
    ck_assert_int_eq(bl_host_shutdown(s->end[1].host, s->now, &op), 0);
    ck_assert_uint_eq(stack_done(s, 1, op, 2 * SECOND).done.status, BL_OK);
    ck_assert_uint_eq(stack_count(s, 1, BL_EV_DISCONNECTED), 1);
    ck_assert_uint_eq(stack_count(s, 1, BL_EV_ADV_STOPPED), 1);
    ck_assert_uint_eq(stack_count(s, 1, BL_EV_SCAN_DONE), 1);
    ck_assert_uint_eq(stack_wait(s, 0, BL_EV_DISCONNECTED, SECOND).disconnected.reason, 0x13);
    uint16_t id;
    ck_assert_int_eq(bl_scan(s->end[1].host, s->now, &sp, &id, &op), -ENETDOWN);
    stack_free(s);
}
END_TEST

static Suite *gap_suite(void)
{
    Suite *suite = suite_create("stack/gap");
    TCase *t = tcase_create("both kinds of controller");

    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, passive_scan_hears_advertising_data_and_no_response, 0, 2);
    tcase_add_loop_test(t, active_scan_hears_the_scan_response, 0, 2);
    tcase_add_loop_test(t, scan_ends_after_its_duration_with_one_scan_done, 0, 2);
    tcase_add_loop_test(t, two_scans_have_their_own_duplicates_and_filters, 0, 2);
    tcase_add_loop_test(t, connection_is_seen_by_both_and_ends_the_advertisement, 0, 2);
    tcase_add_loop_test(t, disconnect_gives_each_side_its_reason, 0, 2);
    tcase_add_loop_test(t, resumed_advertisement_starts_again_after_the_connection, 0, 2);
    tcase_add_loop_test(t, connecting_to_nobody_times_out_after_the_scan_duration, 0, 2);
    tcase_add_loop_test(t, cancelled_attempt_ends_canceled, 0, 2);
    tcase_add_loop_test(t, automatic_attempt_connects_again_after_each_disconnection, 0, 2);
    tcase_add_loop_test(t, parameters_are_updated_from_both_roles, 0, 2);
    tcase_add_loop_test(t, a_vanished_peer_is_a_supervision_timeout, 0, 2);
    tcase_add_loop_test(t, three_centrals_connect_to_one_peripheral_which_also_connects, 0, 2);
    tcase_add_loop_test(t, shutdown_tells_peers_and_ends_everything, 0, 2);
    tcase_add_loop_test(t, raw_commands_are_answered_but_for_what_belongs_to_the_host, 0, 2);
    suite_add_tcase(suite, t);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(gap_suite());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
