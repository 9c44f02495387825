/* SPDX-License-Identifier: MIT */

/* Owners: what ends with a client, in which order, and who may touch what. */

#include "things.h"

#include <check.h>

#define A "org.bled.Adapter1"

static struct rig rig;

static void setup(void)
{
    things_released = 0;
    rig_start(&rig, false);
    rig_ready(&rig);
}

static void teardown(void)
{
    rig_stop(&rig);
}

static struct bus_owner *attach(const char *name)
{
    ck_assert_str_eq(rig_answer(&rig, rig_call(&rig, name, A, "Attach", "a{sv}", 0)), "reply");
    rig_forget(&rig);
    for (unsigned i = 1; i < BUS_MAX_OWNERS; i++)
        if (rig.a->owners[i] && strcmp(rig.a->owners[i]->client->name, name) == 0)
            return rig.a->owners[i];
    ck_abort_msg("not attached");
    return NULL;
}

START_TEST(detach_releases_by_rank_and_then_by_age)
{
    struct bus_owner *o = attach(":1.1");
    struct thing use = {0}, scan1 = {0}, scan2 = {0}, advert = {0};
    bus_thing_add(&use.thing, o, &THING_USE);
    bus_thing_add(&scan1.thing, o, &THING_SCAN);
    bus_thing_add(&advert.thing, o, &THING_ADVERT);
    bus_thing_add(&scan2.thing, o, &THING_SCAN);
    unsigned c = rig_call(&rig, ":1.1", A, "Detach", "");
    ck_assert_int_eq(advert.order, 1);
    ck_assert_int_eq(scan1.order, 2);
    ck_assert_int_eq(scan2.order, 3);
    ck_assert_int_eq(use.order, 4);
    ck_assert_str_eq(rig_answer(&rig, c), "reply");
    ck_assert_uint_eq(rig.a->attached, 0);
}
END_TEST

START_TEST(detach_waits_for_each_rank_to_end)
{
    struct bus_owner *o = attach(":1.1");
    struct thing use = {0}, scan = {.slow = true};
    bus_thing_add(&use.thing, o, &THING_USE);
    bus_thing_add(&scan.thing, o, &THING_SCAN);
    unsigned c = rig_call(&rig, ":1.1", A, "Detach", "");
    ck_assert_int_eq(scan.order, 1);
    ck_assert_int_eq(use.order, 0);
    ck_assert_str_eq(rig_answer(&rig, c), "");
    bus_thing_remove(&scan.thing);
    rig_run(&rig);
    ck_assert_int_eq(use.order, 2);
    ck_assert_str_eq(rig_answer(&rig, c), "reply");
}
END_TEST

START_TEST(calls_of_a_client_that_is_detaching_wait_and_are_the_daemons)
{
    struct bus_owner *o = attach(":1.1");
    struct thing scan = {.slow = true};
    bus_thing_add(&scan.thing, o, &THING_SCAN);
    rig_call(&rig, ":1.1", A, "Detach", "");
    unsigned c = rig_call(&rig, ":1.1", A, "Stats", "");
    ck_assert_str_eq(rig_answer(&rig, c), "");
    bus_thing_remove(&scan.thing);
    rig_run(&rig);
    ck_assert_str_eq(rig_answer(&rig, c), "reply");
}
END_TEST

START_TEST(vanished_client_is_released_like_a_detached_one)
{
    struct bus_owner *o = attach(":1.1");
    struct thing use = {0}, advert = {0};
    bus_thing_add(&use.thing, o, &THING_USE);
    bus_thing_add(&advert.thing, o, &THING_ADVERT);
    rig_vanish(&rig, ":1.1");
    ck_assert_int_eq(advert.order, 1);
    ck_assert_int_eq(use.order, 2);
    ck_assert_uint_eq(rig.a->attached, 0);
    ck_assert_ptr_null(bus_client_find(rig.bus, ":1.1"));
}
END_TEST

START_TEST(client_that_vanishes_while_detaching_is_released_once)
{
    struct bus_owner *o = attach(":1.1");
    struct thing scan = {.slow = true};
    bus_thing_add(&scan.thing, o, &THING_SCAN);
    rig_call(&rig, ":1.1", A, "Detach", "");
    rig_vanish(&rig, ":1.1");
    ck_assert_int_eq(things_released, 1);
    bus_thing_remove(&scan.thing);
    rig_run(&rig);
    ck_assert_uint_eq(rig.a->attached, 0);
}
END_TEST

START_TEST(detach_of_an_unattached_client_is_no_error)
{
    ck_assert_str_eq(rig_answer(&rig, rig_call(&rig, ":1.1", A, "Detach", "")), "reply");
}
END_TEST

START_TEST(things_of_others_are_denied_and_those_of_the_daemon_not)
{
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    struct bus_owner *mine = attach(":1.1"), *yours = attach(":1.2"), *daemon = rig.a->owners[0];
    ck_assert_int_eq(bus_owner_may(mine, mine, "Set 3", &error), 0);
    ck_assert_int_eq(bus_owner_may(mine, daemon, "Set 3", &error), 0);
    ck_assert_int_lt(bus_owner_may(daemon, yours, "Set 3", &error), 0);
    sd_bus_error_free(&error);
    ck_assert_int_lt(bus_owner_may(mine, yours, "Set 3", &error), 0);
    ck_assert_str_eq(error.name, "org.freedesktop.DBus.Error.AccessDenied");
    ck_assert_str_eq(error.message, "Set 3 belongs to :1.2.");
}
END_TEST

START_TEST(sixty_fourth_attachment_finds_no_room)
{
    char name[16];
    for (int i = 1; i < BUS_MAX_OWNERS; i++) {
        snprintf(name, sizeof(name), ":1.%d", i);
        attach(name);
    }
    unsigned c = rig_call(&rig, ":2.1", A, "Attach", "a{sv}", 0);
    ck_assert_str_eq(rig_answer(&rig, c), "org.bled.Error.NoResources");
    rig_vanish(&rig, ":1.7");
    attach(":2.1");
}
END_TEST

START_TEST(things_are_counted_by_kind)
{
    struct bus_owner *o = attach(":1.1");
    struct thing scan = {0}, other = {0};
    bus_thing_add(&scan.thing, o, &THING_SCAN);
    bus_thing_add(&other.thing, o, &THING_SCAN);
    ck_assert_uint_eq(bus_thing_count(o, &THING_SCAN), 2);
    ck_assert_uint_eq(bus_thing_count(o, &THING_USE), 0);
    bus_thing_remove(&other.thing);
    bus_thing_remove(&other.thing);
    ck_assert_uint_eq(bus_thing_count(o, &THING_SCAN), 1);
    bus_thing_remove(&scan.thing);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("owner");
    TCase *t = tcase_create("owner");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, detach_releases_by_rank_and_then_by_age);
    tcase_add_test(t, detach_waits_for_each_rank_to_end);
    tcase_add_test(t, calls_of_a_client_that_is_detaching_wait_and_are_the_daemons);
    tcase_add_test(t, vanished_client_is_released_like_a_detached_one);
    tcase_add_test(t, client_that_vanishes_while_detaching_is_released_once);
    tcase_add_test(t, detach_of_an_unattached_client_is_no_error);
    tcase_add_test(t, things_of_others_are_denied_and_those_of_the_daemon_not);
    tcase_add_test(t, sixty_fourth_attachment_finds_no_room);
    tcase_add_test(t, things_are_counted_by_kind);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
