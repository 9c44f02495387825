/* SPDX-License-Identifier: MIT */

/* Who gets a signal, and what happens to who does not read. */

#include "things.h"

#include <check.h>

#define A "org.bled.Adapter1"

static struct rig rig;

static void setup(void)
{
    things_released = 0;
    rig_start(&rig, false);
    rig_ready(&rig);
    rig_call(&rig, ":1.1", A, "Attach", "a{sv}", 0);
    rig_call(&rig, ":1.2", A, "Attach", "a{sv}", 0);
    rig_call(&rig, ":1.3", A, "Attach", "a{sv}", 0);
    rig_forget(&rig);
}

static void teardown(void)
{
    rig_stop(&rig);
}

static bus_mask bit(unsigned slot)
{
    return bus_owner_bit(rig.a->owners[slot]);
}

static void emit(bus_mask to)
{
    bus_emit(rig.a, to, A, "Failed", "s", "x");
}

START_TEST(what_the_daemon_owns_is_broadcast_once)
{
    emit(BUS_EVERYONE | bit(1) | bit(2));
    rig_run(&rig);
    ck_assert_uint_eq(rig.n_lines, 1);
    ck_assert_str_eq(rig.lines[0], "signal Failed -> * x");
}
END_TEST

START_TEST(what_clients_own_goes_to_each_of_them_and_nobody_else)
{
    emit(bit(1) | bit(3));
    rig_run(&rig);
    ck_assert_uint_eq(rig.n_lines, 2);
    ck_assert_str_eq(rig.lines[0], "signal Failed -> :1.1 x");
    ck_assert_str_eq(rig.lines[1], "signal Failed -> :1.3 x");
}
END_TEST

START_TEST(nobody_is_nobody)
{
    emit(0);
    rig_run(&rig);
    ck_assert_uint_eq(rig.n_lines, 0);
}
END_TEST

START_TEST(nothing_is_broadcast_before_the_name_is_owned)
{
    rig.bus->named = false;
    emit(BUS_EVERYONE);
    bus_emit_changed(rig.a, A, "Active", NULL);
    emit(bit(2));
    rig_run(&rig);
    ck_assert_uint_eq(rig.n_lines, 1);
    ck_assert_str_eq(rig.lines[0], "signal Failed -> :1.2 x");
}
END_TEST

START_TEST(client_that_reads_is_never_detached)
{
    for (int i = 0; i < 3 * BUS_MAX_SIGNALS; i++) {
        emit(bit(1));
        if (i % 1000 == 0)
            rig_run(&rig);
        if (rig.n_lines > RIG_LINES / 2)
            rig_forget(&rig);
    }
    rig_run(&rig);
    ck_assert_uint_eq(rig.a->attached, 3);
    ck_assert_uint_eq(rig.bus->clients_detached, 0);
}
END_TEST

/* What it has read of a burst counts, though it has not read to the burst's end. */
START_TEST(client_that_lags_behind_a_burst_is_not_detached)
{
    for (int i = 0; i < BUS_MAX_SIGNALS - BUS_PROBE_EVERY; i++)
        emit(bit(1));
    for (int round = 0; round < 8; round++) {
        rig_run(&rig);
        rig_forget(&rig);
        for (int i = 0; i < BUS_MAX_SIGNALS - BUS_PROBE_EVERY; i++)
            emit(bit(1));
        rig_run_deaf(&rig);
        ck_assert_uint_eq(rig.a->attached, 3);
    }
}
END_TEST

/* The first 255 may have been read: nobody has asked. */
START_TEST(client_that_does_not_read_is_detached_at_4096_and_counted)
{
    struct thing scan = {0};
    bus_thing_add(&scan.thing, rig.a->owners[1], &THING_SCAN);
    for (int i = 0; i < BUS_PROBE_EVERY - 1 + BUS_MAX_SIGNALS - 1; i++)
        emit(bit(1));
    rig_run_deaf(&rig);
    ck_assert_uint_eq(rig.a->attached, 3);
    emit(bit(1));
    ck_assert_int_eq(scan.order, 0); /* not while somebody emits */
    rig_run_deaf(&rig);
    ck_assert_int_eq(scan.order, 1);
    ck_assert_uint_eq(rig.a->attached, 2);
    ck_assert_uint_eq(rig.bus->clients_detached, 1);
}
END_TEST

START_TEST(what_our_queue_holds_is_congestion)
{
    ck_assert(!bus_congested(rig.bus));
    for (int i = 0; i < 1000000 && !bus_congested(rig.bus); i++)
        emit(BUS_EVERYONE);
    ck_assert(bus_congested(rig.bus));
    while (bus_congested(rig.bus)) {
        rig_run(&rig);
        rig_forget(&rig);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("emit");
    TCase *t = tcase_create("emit");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, what_the_daemon_owns_is_broadcast_once);
    tcase_add_test(t, what_clients_own_goes_to_each_of_them_and_nobody_else);
    tcase_add_test(t, nobody_is_nobody);
    tcase_add_test(t, nothing_is_broadcast_before_the_name_is_owned);
    tcase_add_test(t, client_that_reads_is_never_detached);
    tcase_add_test(t, client_that_lags_behind_a_burst_is_not_detached);
    tcase_add_test(t, client_that_does_not_read_is_detached_at_4096_and_counted);
    tcase_add_test(t, what_our_queue_holds_is_congestion);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
