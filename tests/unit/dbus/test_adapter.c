/* SPDX-License-Identifier: MIT */

/* The life of an adapter: who makes it active, what waits, what fails, in which order. */

#include "rig.h"

#include <check.h>
#include <errno.h>

#define A "org.bled.Adapter1"

static struct rig rig;

static void setup(void)
{
    rig_start(&rig, false);
}

static void teardown(void)
{
    rig_stop(&rig);
}

static unsigned set_active(const char *sender, int active)
{
    return rig_call(&rig, sender, A, "SetActive", "ba{sv}", active, 0);
}

static void ready(void)
{
    bus_adapter_event(rig.a, &(struct bl_event){.kind = BL_EV_READY});
    rig_run(&rig);
}

START_TEST(set_active_replies_when_the_controller_is_ready)
{
    unsigned c = set_active(":1.1", 1);
    ck_assert_str_eq(rig_answer(&rig, c), "");
    ck_assert_int_eq(rig.opens, 1);
    ck_assert(!rig.keep);
    ready();
    ck_assert_str_eq(rig_answer(&rig, c), "reply");
    ck_assert_uint_lt(rig_index(&rig, "signal PropertiesChanged -> *"), rig_index(&rig, "reply"));
    ck_assert_int_eq(rig.a->state, BUS_ACTIVE);
}
END_TEST

START_TEST(set_active_without_wait_replies_at_once)
{
    unsigned c = rig_call(&rig, ":1.1", A, "SetActive", "ba{sv}", 1, 1, "wait", "b", 0);
    ck_assert_str_eq(rig_answer(&rig, c), "reply");
    ck_assert_int_eq(rig.a->state, BUS_ACTIVATING);
    ready();
    ck_assert_int_eq(rig.a->state, BUS_ACTIVE);
}
END_TEST

START_TEST(a_controller_that_cannot_be_opened_is_not_ready_and_leaves_no_hold)
{
    rig.open_result = -ENODEV;
    unsigned c = set_active(":1.1", 1);
    ck_assert_str_eq(rig_answer(&rig, c), "org.bled.Error.NotReady");
    ck_assert(!bus_adapter_wanted(rig.a));
    ck_assert_int_eq(rig.a->state, BUS_INACTIVE);
}
END_TEST

START_TEST(a_controller_held_by_another_is_busy)
{
    rig.open_result = -EBUSY;
    unsigned c = set_active(":1.1", 1);
    ck_assert_str_eq(rig_answer(&rig, c), "org.bled.Error.Busy");
}
END_TEST

START_TEST(bring_up_that_fails_answers_everybody_and_lets_go)
{
    unsigned c = set_active(":1.1", 1), d = set_active(":1.2", 1);
    bus_adapter_failed(rig.a, "it does not answer.");
    rig_run(&rig);
    ck_assert_str_eq(rig_answer(&rig, c), "org.bled.Error.NotReady");
    ck_assert_str_eq(rig_answer(&rig, d), "org.bled.Error.NotReady");
    ck_assert(!bus_adapter_wanted(rig.a));
    ck_assert_int_eq(rig.closes, 1);
    ck_assert_uint_eq(rig_count(&rig, "signal Failed"), 0);
}
END_TEST

START_TEST(calls_during_bring_up_wait_for_it)
{
    set_active(":1.1", 1);
    unsigned c = rig_call(&rig, ":1.2", A, "Reset", "a{sv}", 0);
    unsigned s = rig_call(&rig, ":1.2", A, "Stats", "");
    ck_assert_str_eq(rig_answer(&rig, c), "");
    ck_assert_str_eq(rig_answer(&rig, s), "reply");
    ready();
    ck_assert_int_eq(rig.a->state, BUS_ENDING); /* the Reset */
    rig_done(&rig, rig.host.shutdown_op, BL_OK);
    ready();
    ck_assert_str_eq(rig_answer(&rig, c), "reply");
}
END_TEST

START_TEST(calls_that_waited_for_a_failed_bring_up_are_not_active)
{
    set_active(":1.1", 1);
    unsigned c = rig_call(&rig, ":1.2", A, "Reset", "a{sv}", 0);
    bus_adapter_failed(rig.a, "it does not answer.");
    rig_run(&rig);
    ck_assert_str_eq(rig_answer(&rig, c), "org.bled.Error.NotActive");
}
END_TEST

START_TEST(set_active_false_replies_after_the_end_and_the_property)
{
    rig_ready(&rig);
    unsigned c = set_active(":1.1", 0);
    ck_assert_str_eq(rig_answer(&rig, c), "");
    ck_assert_int_eq(rig.closes, 0);
    rig_done(&rig, rig.host.shutdown_op, BL_OK);
    ck_assert_int_eq(rig.closes, 1);
    ck_assert_str_eq(rig_answer(&rig, c), "reply");
    ck_assert_uint_lt(rig_index(&rig, "signal PropertiesChanged -> *"), rig_index(&rig, "reply"));
}
END_TEST

START_TEST(set_active_true_during_the_end_comes_up_again)
{
    rig_ready(&rig);
    set_active(":1.1", 0);
    unsigned c = set_active(":1.2", 1);
    rig_done(&rig, rig.host.shutdown_op, BL_OK);
    ck_assert_int_eq(rig.a->state, BUS_ACTIVATING);
    ready();
    ck_assert_str_eq(rig_answer(&rig, c), "reply");
}
END_TEST

START_TEST(set_active_false_during_bring_up_cancels_it)
{
    unsigned c = set_active(":1.1", 1), d = set_active(":1.2", 0);
    ck_assert_str_eq(rig_answer(&rig, c), "org.bled.Error.Canceled");
    ck_assert_str_eq(rig_answer(&rig, d), "reply");
    ck_assert_int_eq(rig.closes, 1);
}
END_TEST

START_TEST(an_attached_holder_makes_set_active_false_busy_and_is_named)
{
    rig_ready(&rig);
    rig_call(&rig, ":1.5", A, "Attach", "a{sv}", 1, "active", "b", 1);
    unsigned c = set_active(":1.1", 0);
    ck_assert_str_eq(rig_answer(&rig, c), "org.bled.Error.Busy");
    ck_assert_ptr_nonnull(strstr(rig_find(&rig, "error"), ":1.5"));
    ck_assert(rig.a->hold);
}
END_TEST

START_TEST(detach_of_the_last_holder_replies_when_inactive)
{
    unsigned c = rig_call(&rig, ":1.5", A, "Attach", "a{sv}", 1, "active", "b", 1);
    ck_assert_str_eq(rig_answer(&rig, c), "");
    ready();
    ck_assert_str_eq(rig_answer(&rig, c), "reply");
    unsigned d = rig_call(&rig, ":1.5", A, "Detach", "");
    ck_assert_int_eq(rig.a->state, BUS_ENDING);
    ck_assert_str_eq(rig_answer(&rig, d), "");
    rig_done(&rig, rig.host.shutdown_op, BL_OK);
    ck_assert_str_eq(rig_answer(&rig, d), "reply");
    ck_assert_uint_eq(rig.a->attached, 0);
}
END_TEST

START_TEST(attach_that_cannot_activate_attaches_nobody)
{
    rig.open_result = -ENODEV;
    unsigned c = rig_call(&rig, ":1.5", A, "Attach", "a{sv}", 1, "active", "b", 1);
    ck_assert_str_eq(rig_answer(&rig, c), "org.bled.Error.NotReady");
    ck_assert_uint_eq(rig.a->attached, 0);
}
END_TEST

START_TEST(a_holder_that_vanishes_takes_the_adapter_down)
{
    rig_call(&rig, ":1.5", A, "Attach", "a{sv}", 1, "active", "b", 1);
    ready();
    rig_vanish(&rig, ":1.5");
    ck_assert_int_eq(rig.a->state, BUS_ENDING);
    rig_done(&rig, rig.host.shutdown_op, BL_OK);
    ck_assert_int_eq(rig.a->state, BUS_INACTIVE);
    ck_assert_uint_eq(rig.a->attached, 0);
}
END_TEST

START_TEST(a_client_that_vanishes_during_its_bring_up_takes_it_back)
{
    rig_call(&rig, ":1.5", A, "Attach", "a{sv}", 1, "active", "b", 1);
    rig_vanish(&rig, ":1.5");
    ck_assert_int_eq(rig.a->state, BUS_INACTIVE);
    ck_assert_int_eq(rig.closes, 1);
    ck_assert_uint_eq(rig.a->attached, 0);
}
END_TEST

START_TEST(attach_again_replaces_the_options)
{
    rig_ready(&rig);
    rig_call(&rig, ":1.5", A, "Attach", "a{sv}", 2, "active", "b", 1, "read_events", "b", 1);
    ck_assert(rig.a->owners[1]->hold);
    ck_assert(rig.a->owners[1]->read_events);
    rig_call(&rig, ":1.5", A, "Attach", "a{sv}", 0);
    ck_assert(!rig.a->owners[1]->hold);
    ck_assert(!rig.a->owners[1]->read_events);
    ck_assert_uint_eq(rig.a->attached, 1);
}
END_TEST

START_TEST(a_lost_controller_is_failed_after_the_property_and_comes_back)
{
    rig_ready(&rig);
    bus_adapter_failed(rig.a, "it was unplugged.");
    rig_run(&rig);
    ck_assert_uint_lt(rig_index(&rig, "signal PropertiesChanged"),
                      rig_index(&rig, "signal Failed"));
    ck_assert_str_eq(rig_find(&rig, "signal Failed"), "signal Failed -> * it was unplugged.");
    ck_assert(bus_adapter_wanted(rig.a));
    ck_assert(rig.a->restore);
    unsigned c = rig_call(&rig, ":1.1", A, "Reset", "a{sv}", 0);
    ck_assert_str_eq(rig_answer(&rig, c), "org.bled.Error.NotActive");
    ck_assert_ptr_nonnull(strstr(rig_find(&rig, "error"), "unplugged"));
    ready();
    ck_assert_int_eq(rig.a->state, BUS_ACTIVE);
    ck_assert(!rig.a->restore);
}
END_TEST

START_TEST(calls_wait_for_an_attempt_of_the_daemons_own)
{
    rig_ready(&rig);
    bus_adapter_failed(rig.a, "it was unplugged.");
    bus_adapter_opening(rig.a);
    unsigned c = rig_call(&rig, ":1.1", A, "Reset", "a{sv}", 0);
    ck_assert_str_eq(rig_answer(&rig, c), "");
    bus_adapter_failed(rig.a, "it does not answer.");
    rig_run(&rig);
    ck_assert_str_eq(rig_answer(&rig, c), "org.bled.Error.NotActive");
    ck_assert_uint_eq(rig_count(&rig, "signal Failed"), 1);
    bus_adapter_opening(rig.a);
    unsigned d = rig_call(&rig, ":1.1", A, "HciCommand", "qqay", 3, 3, 0);
    unsigned s = set_active(":1.2", 1);
    ck_assert_str_eq(rig_answer(&rig, s), "");
    ready();
    ck_assert_str_eq(rig_answer(&rig, s), "reply");
    ck_assert_str_eq(rig_answer(&rig, d), "org.freedesktop.DBus.Error.AccessDenied");
    ck_assert(!rig.a->restore);
}
END_TEST

START_TEST(an_attempt_that_nobody_wants_is_a_probe)
{
    bus_adapter_opening(rig.a);
    ck_assert_int_eq(rig.a->state, BUS_INACTIVE);
    unsigned c = rig_call(&rig, ":1.1", A, "Reset", "a{sv}", 0);
    ck_assert_str_eq(rig_answer(&rig, c), "org.bled.Error.NotActive");
    ready();
    ck_assert_int_eq(rig.a->state, BUS_INACTIVE);
    ck_assert(rig.a->known);
}
END_TEST

START_TEST(set_active_false_while_lost_gives_the_controller_up)
{
    rig_ready(&rig);
    bus_adapter_failed(rig.a, "it was unplugged.");
    unsigned c = set_active(":1.1", 0);
    ck_assert_str_eq(rig_answer(&rig, c), "reply");
    ck_assert_int_eq(rig.closes, 1);
    ck_assert(!rig.a->restore);
    ready(); /* a probe */
    ck_assert_int_eq(rig.a->state, BUS_INACTIVE);
}
END_TEST

START_TEST(reset_of_an_adapter_that_others_hold_is_busy)
{
    rig_ready(&rig);
    rig_call(&rig, ":1.5", A, "Attach", "a{sv}", 1, "active", "b", 1);
    unsigned c = rig_call(&rig, ":1.1", A, "Reset", "a{sv}", 0);
    ck_assert_str_eq(rig_answer(&rig, c), "org.bled.Error.Busy");
}
END_TEST

START_TEST(reset_that_does_not_come_back_is_failed)
{
    rig_ready(&rig);
    unsigned c = rig_call(&rig, ":1.1", A, "Reset", "a{sv}", 0);
    rig_done(&rig, rig.host.shutdown_op, BL_OK);
    bus_adapter_failed(rig.a, "it is dead.");
    rig_run(&rig);
    ck_assert_str_eq(rig_answer(&rig, c), "org.bled.Error.NotReady");
    ck_assert_uint_eq(rig_count(&rig, "signal Failed"), 1);
}
END_TEST

START_TEST(the_end_refuses_calls_and_is_complete_when_the_host_is)
{
    rig_ready(&rig);
    ck_assert(!bus_adapter_end(rig.a));
    unsigned c = set_active(":1.1", 1);
    ck_assert_str_eq(rig_answer(&rig, c), "org.bled.Error.NotActive");
    rig_done(&rig, rig.host.shutdown_op, BL_OK);
    ck_assert(bus_adapter_end(rig.a));
    ck_assert_int_eq(rig.closes, 1);
}
END_TEST

START_TEST(the_end_during_bring_up_is_complete_at_once)
{
    unsigned c = set_active(":1.1", 1);
    ck_assert(bus_adapter_end(rig.a));
    rig_run(&rig);
    ck_assert_str_eq(rig_answer(&rig, c), "org.bled.Error.Canceled");
}
END_TEST

START_TEST(root_alone_may_force_and_see_raw_hci)
{
    rig_ready(&rig);
    unsigned c = rig_call(&rig, ":1.1", A, "SetActive", "ba{sv}", 0, 1, "force", "b", 1);
    unsigned h = rig_call(&rig, ":1.1", A, "HciCommand", "qqay", 3, 3, 0);
    ck_assert_str_eq(rig_answer(&rig, c), "org.freedesktop.DBus.Error.AccessDenied");
    ck_assert_str_eq(rig_answer(&rig, h), "org.freedesktop.DBus.Error.AccessDenied");
    ck_assert_int_eq(rig.a->state, BUS_ACTIVE);
}
END_TEST

START_TEST(mode_of_a_controller_without_public_address_is_static)
{
    rig.host.info.public_addr = (struct bl_addr){0};
    set_active(":1.1", 1);
    ready();
    ck_assert_uint_eq(rig.a->config.addr_mode, BL_ADDR_MODE_STATIC);
    ck_assert_int_eq(rig.host.config.addr_mode, BL_ADDR_MODE_STATIC);
}
END_TEST

START_TEST(mode_that_was_set_stays)
{
    rig.host.info.public_addr = (struct bl_addr){0};
    rig_call(&rig, ":1.1", "org.freedesktop.DBus.Properties", "Set", "ssv", A, "AddrMode", "y", 2);
    set_active(":1.1", 1);
    ready();
    ck_assert_int_eq(rig.host.config.addr_mode, BL_ADDR_MODE_RPA);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("adapter");
    TCase *t = tcase_create("adapter");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, set_active_replies_when_the_controller_is_ready);
    tcase_add_test(t, set_active_without_wait_replies_at_once);
    tcase_add_test(t, a_controller_that_cannot_be_opened_is_not_ready_and_leaves_no_hold);
    tcase_add_test(t, a_controller_held_by_another_is_busy);
    tcase_add_test(t, bring_up_that_fails_answers_everybody_and_lets_go);
    tcase_add_test(t, calls_during_bring_up_wait_for_it);
    tcase_add_test(t, calls_that_waited_for_a_failed_bring_up_are_not_active);
    tcase_add_test(t, set_active_false_replies_after_the_end_and_the_property);
    tcase_add_test(t, set_active_true_during_the_end_comes_up_again);
    tcase_add_test(t, set_active_false_during_bring_up_cancels_it);
    tcase_add_test(t, an_attached_holder_makes_set_active_false_busy_and_is_named);
    tcase_add_test(t, detach_of_the_last_holder_replies_when_inactive);
    tcase_add_test(t, attach_that_cannot_activate_attaches_nobody);
    tcase_add_test(t, a_holder_that_vanishes_takes_the_adapter_down);
    tcase_add_test(t, a_client_that_vanishes_during_its_bring_up_takes_it_back);
    tcase_add_test(t, attach_again_replaces_the_options);
    tcase_add_test(t, a_lost_controller_is_failed_after_the_property_and_comes_back);
    tcase_add_test(t, calls_wait_for_an_attempt_of_the_daemons_own);
    tcase_add_test(t, an_attempt_that_nobody_wants_is_a_probe);
    tcase_add_test(t, set_active_false_while_lost_gives_the_controller_up);
    tcase_add_test(t, reset_of_an_adapter_that_others_hold_is_busy);
    tcase_add_test(t, reset_that_does_not_come_back_is_failed);
    tcase_add_test(t, the_end_refuses_calls_and_is_complete_when_the_host_is);
    tcase_add_test(t, the_end_during_bring_up_is_complete_at_once);
    tcase_add_test(t, root_alone_may_force_and_see_raw_hci);
    tcase_add_test(t, mode_of_a_controller_without_public_address_is_static);
    tcase_add_test(t, mode_that_was_set_stays);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
