/* SPDX-License-Identifier: MIT */

/* Calls that outlive their handler: answers, limits, clients that go. */

#include "things.h"

#include <check.h>
#include <errno.h>

static struct rig rig;

static void setup(void)
{
    things_done = things_canceled = things_dropped = 0;
    rig_start(&rig, false);
    rig_ready(&rig);
}

static void teardown(void)
{
    rig_stop(&rig);
}

START_TEST(call_is_answered_when_its_operation_ends)
{
    ck_assert_int_eq(things_call(&rig, ":1.1", true, true, 5, NULL, NULL), 0);
    ck_assert_uint_eq(rig.n_lines, 0);
    rig_done(&rig, 4, BL_OK);
    ck_assert_uint_eq(rig.n_lines, 0);
    rig_done(&rig, 5, BL_OK);
    ck_assert_ptr_nonnull(strstr(rig_find(&rig, "reply"), " 7 seven 1"));
    ck_assert_int_eq(things_dropped, 1);
    ck_assert(list_empty(&rig.a->calls));
}
END_TEST

START_TEST(call_that_fails_gets_the_name_of_the_status)
{
    things_call(&rig, ":1.1", true, true, 5, NULL, NULL);
    rig_done(&rig, 5, 0x13e);
    ck_assert_ptr_nonnull(strstr(rig_find(&rig, "error"),
                                 "org.bled.Error.Hci.ConnectionFailedToBeEstablished doing"));
}
END_TEST

START_TEST(call_without_wait_is_answered_in_zeros_at_once)
{
    struct bus_call *c;
    things_call(&rig, ":1.1", false, true, 5, &c, NULL);
    ck_assert_ptr_nonnull(strstr(rig_find(&rig, "reply"), " 0  0"));
    ck_assert(c->quiet);
    rig_done(&rig, 5, 0x13e);
    ck_assert_uint_eq(rig.n_lines, 1);
}
END_TEST

START_TEST(call_that_expects_no_reply_gets_none_and_wants_result_signals)
{
    struct bus_call *c;
    things_call(&rig, ":1.1", true, false, 5, &c, NULL);
    ck_assert(c->quiet);
    rig_done(&rig, 5, BL_OK);
    ck_assert_int_eq(things_done, 1);
    ck_assert_uint_eq(rig.n_lines, 0);
}
END_TEST

START_TEST(sixty_fifth_call_of_a_client_is_busy_and_others_are_not)
{
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    for (bl_op op = 1; op <= BUS_MAX_CALLS; op++)
        ck_assert_int_eq(things_call(&rig, ":1.1", true, op % 2, op, NULL, &error), 0);
    ck_assert_int_lt(things_call(&rig, ":1.1", true, true, 65, NULL, &error), 0);
    ck_assert_str_eq(error.name, "org.bled.Error.Busy");
    ck_assert_ptr_nonnull(strstr(error.message, ":1.1"));
    ck_assert_int_eq(things_call(&rig, ":1.2", true, true, 66, NULL, NULL), 0);
    ck_assert_uint_eq(rig.bus->calls_refused, 1);
    rig_done(&rig, 3, BL_OK);
    ck_assert_int_eq(things_call(&rig, ":1.1", true, true, 67, NULL, NULL), 0);
}
END_TEST

START_TEST(calls_held_for_bring_up_count_for_the_limit)
{
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    rig.a->state = BUS_ACTIVATING;
    for (int i = 0; i < BUS_MAX_CALLS; i++)
        ck_assert_int_eq(things_call(&rig, ":1.1", true, true, 1, NULL, &error), 1);
    ck_assert_int_lt(things_call(&rig, ":1.1", true, true, 1, NULL, &error), 0);
    ck_assert_str_eq(error.name, "org.bled.Error.Busy");
    rig.a->state = BUS_ACTIVE;
}
END_TEST

START_TEST(client_that_vanishes_cancels_what_it_waited_for)
{
    things_call(&rig, ":1.1", true, true, 5, NULL, NULL);
    things_call(&rig, ":1.2", true, true, 6, NULL, NULL);
    rig_vanish(&rig, ":1.1");
    ck_assert_int_eq(things_canceled, 1);
    ck_assert_ptr_nonnull(bus_call_find(rig.a, 5));
    rig_done(&rig, 5, BL_CANCELED);
    ck_assert_int_eq(things_done, 1);
    ck_assert_uint_eq(rig.n_lines, 0);
    ck_assert_ptr_null(bus_client_find(rig.bus, ":1.1"));
}
END_TEST

START_TEST(calls_that_nobody_waits_for_outlive_their_client)
{
    things_call(&rig, ":1.1", true, false, 5, NULL, NULL);
    things_call(&rig, ":1.1", false, true, 6, NULL, NULL);
    rig_vanish(&rig, ":1.1");
    ck_assert_int_eq(things_canceled, 0);
    rig_done(&rig, 5, BL_OK);
    rig_done(&rig, 6, BL_OK);
    ck_assert_int_eq(things_done, 2);
}
END_TEST

START_TEST(held_call_of_a_vanished_client_is_dropped)
{
    rig.a->state = BUS_ACTIVATING;
    things_call(&rig, ":1.1", true, true, 5, NULL, NULL);
    rig_vanish(&rig, ":1.1");
    bus_adapter_event(rig.a, &(struct bl_event){.kind = BL_EV_READY});
    rig_run(&rig);
    ck_assert(list_empty(&rig.a->calls));
    ck_assert_uint_eq(rig_count(&rig, "reply"), 0);
}
END_TEST

START_TEST(inactive_adapter_refuses)
{
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    rig.a->state = BUS_INACTIVE;
    ck_assert_int_lt(things_call(&rig, ":1.1", true, true, 5, NULL, &error), 0);
    ck_assert_str_eq(error.name, "org.bled.Error.NotActive");
}
END_TEST

START_TEST(disconnection_is_its_own_error)
{
    struct bus_call *c;
    things_call(&rig, ":1.1", true, true, 5, &c, NULL);
    bus_call_fail_disconnected(c, 0x108, "reading handle 0x0015 of connection 1");
    rig_run(&rig);
    const char *line = rig_find(&rig, "error");
    ck_assert_ptr_nonnull(strstr(line, "org.bled.Error.Disconnected reading handle 0x0015"));
    ck_assert_ptr_nonnull(strstr(line, "0x08"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("call");
    TCase *t = tcase_create("call");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, call_is_answered_when_its_operation_ends);
    tcase_add_test(t, call_that_fails_gets_the_name_of_the_status);
    tcase_add_test(t, call_without_wait_is_answered_in_zeros_at_once);
    tcase_add_test(t, call_that_expects_no_reply_gets_none_and_wants_result_signals);
    tcase_add_test(t, sixty_fifth_call_of_a_client_is_busy_and_others_are_not);
    tcase_add_test(t, calls_held_for_bring_up_count_for_the_limit);
    tcase_add_test(t, client_that_vanishes_cancels_what_it_waited_for);
    tcase_add_test(t, calls_that_nobody_waits_for_outlive_their_client);
    tcase_add_test(t, held_call_of_a_vanished_client_is_dropped);
    tcase_add_test(t, inactive_adapter_refuses);
    tcase_add_test(t, disconnection_is_its_own_error);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
