/* SPDX-License-Identifier: MIT */

/* No memory, at every allocation in turn: each call is answered, and afterwards all works. */

#include "../../support/oom.h"
#include "rig.h"

#include <check.h>

#define A  "org.bled.Adapter1"
#define W1 1, "wait", "b", 1

static struct rig rig;

static unsigned attach(const char *sender)
{
    return rig_call(&rig, sender, A, "Attach", "a{sv}", 1, "active", "b", 1);
}

static unsigned detach(const char *sender)
{
    return rig_call(&rig, sender, A, "Detach", "");
}

static void come_up(void)
{
    if (rig.a->state != BUS_ACTIVATING)
        return;
    bus_adapter_event(rig.a, &(struct bl_event){.kind = BL_EV_READY});
    rig_run(&rig);
}

static void go_down(void)
{
    if (rig.a->state == BUS_ENDING)
        rig_done(&rig, rig.host.shutdown_op, BL_OK);
}

static bool answered(unsigned call)
{
    return *rig_answer(&rig, call) != '\0';
}

/* A client's day. False when a call has gone without an answer. */
static bool day(void)
{
    unsigned on = rig_call(&rig, ":1.1", A, "SetActive", "ba{sv}", 1, W1);
    unsigned held = rig_call(&rig, ":1.3", A, "Reset", "a{sv}", 0);
    come_up();
    go_down();
    come_up();
    unsigned a = attach(":1.1"), b = attach(":1.2");
    come_up();
    unsigned stats = rig_call(&rig, ":1.2", A, "Stats", "");
    unsigned clients = rig_call(&rig, ":1.2", "org.freedesktop.DBus.Properties", "GetAll", "s", A);
    bus_emit(rig.a, bus_owner_bit(rig.a->owners[0]) | 6, A, "Failed", "s", "x");
    bus_emit(rig.a, 6, A, "Failed", "s", "x");
    unsigned d = detach(":1.1");
    if (bus_client_find(rig.bus, ":1.2"))
        rig_vanish(&rig, ":1.2");
    unsigned off = rig_call(&rig, ":1.1", A, "SetActive", "ba{sv}", 0, W1);
    go_down();
    come_up();
    go_down();
    return answered(on) && answered(held) && answered(a) && answered(b) && answered(stats) &&
           answered(clients) && answered(d) && answered(off);
}

START_TEST(each_call_is_answered_without_memory)
{
    bool fine = true;
    unsigned long n = 0, count;
    do {
        rig_start(&rig, false);
        oom_fail_at(++n);
        fine = day() && fine;
        count = oom_count();
        oom_off();
        rig_forget(&rig);
        /* Whatever had failed: it works now. */
        rig.a->hold = false;
        (void)bus_adapter_settle(rig.a);
        go_down();
        fine = fine && day();
        ck_assert_msg(fine, "allocation %lu", n);
        ck_assert_msg(strcmp(rig_answer(&rig, attach(":1.9")), "") == 0, "allocation %lu", n);
        come_up();
        rig_vanish(&rig, ":1.9");
        go_down();
        ck_assert_uint_eq(rig.a->attached, 0);
        rig_stop(&rig);
    } while (count >= n);
    ck_assert_uint_gt(n, 10);
}
END_TEST

START_TEST(objects_without_memory_are_not_there)
{
    struct bus_options options = {.name = "org.bled", .system = true};
    unsigned long n = 0;
    struct bus *b = NULL;
    rig_start(&rig, false);
    int r;
    do {
        oom_fail_at(++n);
        r = bus_new(&b, rig.peer, &options); /* any connection will do */
        oom_off();
    } while (r < 0);
    ck_assert_uint_gt(n, 1);
    bus_free(b);
    rig_stop(&rig);
}
END_TEST

START_TEST(adapters_without_memory_are_not_there)
{
    struct bus_adapter_config config = {.mtu = 256};
    struct bus_adapter *a = NULL;
    unsigned long n = 0;
    rig_start(&rig, false);
    int r;
    do {
        oom_fail_at(++n);
        r = bus_adapter_new(&a, rig.bus, "hci1", "x", &rig.host, &config, rig.a->ops, &rig);
        oom_off();
    } while (r < 0);
    ck_assert_uint_gt(n, 3);
    bus_adapter_free(a);
    rig_stop(&rig);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("oom");
    TCase *t = tcase_create("oom");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, each_call_is_answered_without_memory);
    tcase_add_test(t, objects_without_memory_are_not_there);
    tcase_add_test(t, adapters_without_memory_are_not_there);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
