/* SPDX-License-Identifier: MIT */

/* Ends of advertisements, scans and connections that cross with other things on their way. */

#include "rig.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

#define BROADCASTER "org.bled.Broadcaster1"
#define OBSERVER    "org.bled.Observer1"

static struct rig rig;

static void setup(void)
{
    rig_start(&rig, true);
    rig_ready(&rig);
}

static void teardown(void)
{
    rig_stop(&rig);
}

static void attach(const char *name)
{
    ck_assert_str_eq(
        rig_answer(&rig, rig_call(&rig, name, "org.bled.Adapter1", "Attach", "a{sv}", 0)), "reply");
}

static unsigned advertise(const char *name)
{
    return rig_call(&rig, name, BROADCASTER, "Advertise", "ua{sv}", 100000, 0);
}

static void on_the_air(const char *name)
{
    unsigned c = advertise(name);
    rig_done(&rig, rig.host.last_op, BL_OK);
    ck_assert_str_eq(rig_answer(&rig, c), "reply");
    rig_forget(&rig);
}

static void event(const struct bl_event *e)
{
    bus_adapter_event(rig.a, e);
    rig_run(&rig);
}

static void stopped(uint16_t adv, bl_status status)
{
    event(&(struct bl_event){.kind = BL_EV_ADV_STOPPED, .adv_stopped = {adv, status}});
}

static void connected_by_peer(uint16_t adv)
{
    event(&(struct bl_event){
        .kind = BL_EV_CONNECTED,
        .connected = {.conn = 1,
                      .adv = adv,
                      .role = BL_ROLE_PERIPHERAL,
                      .peer = {.type = ADDR_RANDOM, .b = {1, 2, 3, 4, 5, 0xc6}}}});
}

START_TEST(a_connection_through_a_gone_clients_set_is_ended)
{
    attach(":1.1");
    on_the_air(":1.1");
    rig_vanish(&rig, ":1.1");
    stopped(1, BL_OK);
    ck_assert_uint_eq(rig.a->attached, 0);
    connected_by_peer(1);
    ck_assert_uint_eq(rig.host.disconnects, 1);
}
END_TEST

START_TEST(a_connection_through_a_set_just_called_off_is_its_owners)
{
    attach(":1.1");
    on_the_air(":1.1");
    rig_call(&rig, ":1.1", BROADCASTER, "StopAdvertising", "y", 0);
    stopped(1, BL_OK);
    connected_by_peer(1);
    ck_assert_ptr_nonnull(rig_find(&rig, "signal CentralConnected -> :1.1"));
    ck_assert_uint_eq(rig.host.disconnects, 0);
}
END_TEST

START_TEST(stopping_a_set_that_was_never_on_the_air_is_answered)
{
    unsigned start = advertise(":1.7");
    bl_op op = rig.host.last_op;
    unsigned stop = rig_call(&rig, ":1.7", BROADCASTER, "StopAdvertising", "y", 255);
    ck_assert_str_eq(rig_answer(&rig, stop), "");
    rig_done(&rig, op, BL_CANCELED);
    ck_assert_str_eq(rig_answer(&rig, start), "org.bled.Error.Canceled");
    ck_assert_str_eq(rig_answer(&rig, stop), "reply");
    ck_assert_ptr_null(rig_find(&rig, "signal AdvertisingStopped"));
}
END_TEST

START_TEST(a_refused_replacement_ends_the_set_with_a_signal)
{
    on_the_air(":1.7");
    unsigned again = advertise(":1.7");
    rig_done(&rig, rig.host.last_op, bl_status_hci(0x0c));
    ck_assert_str_eq(rig_answer(&rig, again), "org.bled.Error.Hci.CommandDisallowed");
    stopped(1, bl_status_hci(0x0c));
    ck_assert_uint_eq(rig_count(&rig, "signal AdvertisingStopped"), 1);
}
END_TEST

START_TEST(a_restored_set_that_is_refused_can_be_advertised_again)
{
    on_the_air(":1.7");
    stopped(1, BL_NOT_ACTIVE);
    event(&(struct bl_event){.kind = BL_EV_FAILED, .failed = {"it is gone"}});
    event(&(struct bl_event){.kind = BL_EV_READY});
    ck_assert_uint_eq(rig.host.last_adv, 2);
    rig_done(&rig, rig.host.last_op, bl_status_hci(0x0c));
    on_the_air(":1.7");
    ck_assert_uint_eq(rig.host.last_adv, 3);
}
END_TEST

START_TEST(a_scan_whose_end_is_refused_is_waited_for)
{
    attach(":1.1");
    rig_call(&rig, ":1.1", OBSERVER, "Scan", "ua{sv}", 0, 0);
    rig_done(&rig, rig.host.last_op, BL_OK);
    rig.host.result = -ENOENT; /* it has ended: SCAN_DONE waits in the queue */
    unsigned stop = rig_call(&rig, ":1.1", OBSERVER, "StopScan", "");
    ck_assert_str_eq(rig_answer(&rig, stop), "");
    ck_assert_ptr_null(rig_find(&rig, "signal ScanDone"));
    event(&(struct bl_event){.kind = BL_EV_SCAN_DONE, .scan_done = {0, BL_OK}});
    ck_assert_uint_eq(rig_count(&rig, "signal ScanDone -> :1.1"), 1);
    ck_assert_str_eq(rig_answer(&rig, stop), "reply");
    rig.host.result = 0;
}
END_TEST

START_TEST(a_flood_of_connections_fills_no_log)
{
    for (unsigned i = 0; i < 3 * NEWS_LINES; i++) {
        connected_by_peer(0);
        event(&(struct bl_event){.kind = BL_EV_DISCONNECTED,
                                 .disconnected = {.conn = 1, .role = BL_ROLE_PERIPHERAL}});
    }
    ck_assert_uint_eq(rig.a->news.lines, NEWS_LINES);
    ck_assert_uint_eq(rig.a->news.left_out, 5 * NEWS_LINES);
    rig.now += NEWS_SECONDS * UINT64_C(1000000);
    connected_by_peer(0);
    ck_assert_uint_eq(rig.a->news.lines, 1);
    ck_assert_uint_eq(rig.a->news.left_out, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ends");
    TCase *t = tcase_create("ends");
    suite_add_tcase(suite, t);
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_connection_through_a_gone_clients_set_is_ended);
    tcase_add_test(t, a_connection_through_a_set_just_called_off_is_its_owners);
    tcase_add_test(t, stopping_a_set_that_was_never_on_the_air_is_answered);
    tcase_add_test(t, a_refused_replacement_ends_the_set_with_a_signal);
    tcase_add_test(t, a_restored_set_that_is_refused_can_be_advertised_again);
    tcase_add_test(t, a_scan_whose_end_is_refused_is_waited_for);
    tcase_add_test(t, a_flood_of_connections_fills_no_log);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
