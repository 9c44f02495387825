/* SPDX-License-Identifier: MIT */

/* GattClient1 without memory, at every allocation in turn: each call is answered, nothing stays. */

#include "../../support/oom.h"
#include "gattc.h"
#include "rig.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

#define GATTC "org.bled.GattClient1"

static struct rig rig;

static void event(const struct bl_event *e)
{
    bus_adapter_event(rig.a, e);
    rig_run(&rig);
}

static void value(enum bl_event_kind kind, bl_op op)
{
    event(&(struct bl_event){
        .kind = kind,
        .gatt = {.conn = 1, .handle = 21, .op = op, .value = {(const void *)"abc", 3}}});
}

/* All operations end, those too that others bring about. */
static void all_done(bl_op *from)
{
    while (*from < rig.host.last_op)
        rig_done(&rig, ++*from, BL_OK);
}

static unsigned discover(unsigned wait)
{
    unsigned c =
        rig_call(&rig, ":1.1", GATTC, "DiscoverServices", "qsa{sv}", 1, "", 1, "wait", "b", wait);
    event(&(struct bl_event){
        .kind = BL_EV_GATTC_SERVICE,
        .gatt = {.op = rig.host.last_op, .start = 1, .end = 5, .uuid = bl_uuid_from16(0x1800)}});
    return c;
}

static bool day(void)
{
    unsigned calls[12];
    size_t n = 0;
    bl_op from = rig.host.last_op;

    calls[n++] = rig_call(&rig, ":1.1", "org.bled.Adapter1", "Attach", "a{sv}", 0);
    calls[n++] = discover(1);
    calls[n++] = discover(0);
    calls[n++] = rig_call(&rig, ":1.1", GATTC, "Read", "qqa{sv}", 1, 21, 0);
    value(BL_EV_GATTC_VALUE, rig.host.last_op);
    calls[n++] = rig_call(&rig, ":1.1", GATTC, "Subscribe", "qqya{sv}", 1, 21, 1, 0);
    calls[n++] = rig_call(&rig, ":1.2", GATTC, "Subscribe", "qqya{sv}", 1, 21, 2, 0);
    calls[n++] = rig_call(&rig, ":1.2", GATTC, "ListenFor", "qqua{sv}", 1, 21, 1, 0);
    value(BL_EV_GATTC_NOTIFIED, 0);
    value(BL_EV_GATTC_INDICATED, 0);
    event(&(struct bl_event){.kind = BL_EV_MTU, .mtu = {1, 100}});
    all_done(&from);
    rig.host.gatt.result = -EAGAIN;
    calls[n++] = rig_call(&rig, ":1.2", GATTC, "Write", "qqayya{sv}", 1, 21, 1, 7, 0, 0);
    rig.host.gatt.result = 0;
    calls[n++] = rig_call(&rig, ":1.2", GATTC, "Subscribe", "qqya{sv}", 1, 22, 1, 0);
    all_done(&from);
    calls[n++] = rig_call(&rig, ":1.1", "org.bled.Adapter1", "Detach", "");
    all_done(&from);
    rig.host.gatt.result = -ENOTCONN;
    event(&(struct bl_event){.kind = BL_EV_DISCONNECTED, .disconnected = {.conn = 1, .reason = 8}});
    rig.host.gatt.result = 0;
    rig.now += 60000000;
    rig_run(&rig);
    for (size_t i = 0; i < n; i++)
        if (*rig_answer(&rig, calls[i]) == '\0')
            return false;
    return true;
}

START_TEST(each_call_is_answered_without_memory)
{
    unsigned long n = 0, count;
    do {
        rig_start(&rig, true);
        rig_ready(&rig);
        event(&(struct bl_event){.kind = BL_EV_CONNECTED,
                                 .connected = {.conn = 1, .role = BL_ROLE_PERIPHERAL}});
        rig_forget(&rig);
        oom_fail_at(++n);
        bool fine = day();
        count = oom_count();
        oom_off();
        ck_assert_msg(fine, "allocation %lu", n);
        rig_call(&rig, ":1.1", "org.bled.Adapter1", "Detach", ""); /* the other one was refused */
        ck_assert_msg(list_empty(&rig.a->calls), "allocation %lu", n);
        ck_assert_msg(list_empty(&rig.a->owners[0]->things), "allocation %lu", n);
        ck_assert_msg(rig.a->attached == 0, "allocation %lu", n);
        rig_stop(&rig);
    } while (count >= n);
    ck_assert_uint_gt(n, 20);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gattc oom");
    TCase *t = tcase_create("gattc oom");
    suite_add_tcase(suite, t);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, each_call_is_answered_without_memory);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
