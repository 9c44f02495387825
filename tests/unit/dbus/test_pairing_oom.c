/* SPDX-License-Identifier: MIT */

/* Pairing1 without memory, at every allocation in turn: each call is answered, no prompt is left to
 * nobody, nothing stays. */

#include "../../support/oom.h"
#include "pairing.h"
#include "rig.h"

#include <check.h>
#include <stdlib.h>

#define P PAIRING_INTERFACE

static struct rig rig;

static void event(const struct bl_event *e)
{
    bus_adapter_event(rig.a, e);
    rig_run(&rig);
}

static void asked(enum bl_passkey_action action)
{
    event(&(struct bl_event){.kind = BL_EV_PASSKEY, .passkey = {1, (uint8_t)action, 0}});
}

static bool day(void)
{
    const struct bl_addr who = {ADDR_RANDOM, {1, 2, 3, 4, 5, 0xc6}};
    const struct bl_bond bond = {.identity = who};
    unsigned calls[10];
    size_t n = 0;
    bl_op from = rig.host.last_op;

    calls[n++] = rig_call(&rig, ":1.1", "org.bled.Adapter1", "Attach", "a{sv}", 0);
    calls[n++] = rig_call(&rig, ":1.2", P, "Attend", "a{sv}", 1, "draw", "b", 1);
    asked(BL_PASSKEY_DISPLAY);
    calls[n++] = rig_call(&rig, ":1.3", P, "ProvideSecrets", "a{sv}", 0);
    calls[n++] = rig_call(&rig, ":1.1", P, "Pair", "qa{sv}", 1, 0);
    asked(BL_PASSKEY_INPUT);
    bl_bond_add(&rig.host, 0, &bond);
    event(&(struct bl_event){.kind = BL_EV_BOND, .bond = {who, true, false}});
    event(
        &(struct bl_event){.kind = BL_EV_ENCRYPTED, .encrypted = {1, true, true, true, true, 16}});
    while (from < rig.host.last_op)
        rig_done(&rig, ++from, BL_OK);
    calls[n++] = rig_call(&rig, ":1.1", P, "ListBonds", "");
    calls[n++] = rig_call(&rig, ":1.1", P, "GetOob", "a{sv}", 0);
    calls[n++] = rig_call(&rig, ":1.1", P, "DeleteBond", "ys", 1, "C6:05:04:03:02:01");
    event(&(struct bl_event){.kind = BL_EV_BOND, .bond = {who, false, true}});
    asked(BL_PASSKEY_INPUT);
    event(&(struct bl_event){.kind = BL_EV_PAIRING_FAILED, .pairing_failed = {1, 0x201}});
    rig.now += 30000000;
    rig_run(&rig);
    calls[n++] = rig_call(&rig, ":1.1", "org.bled.Adapter1", "Detach", "");
    for (unsigned i = 2; i < 4; i++) {
        char name[8];
        snprintf(name, sizeof(name), ":1.%u", i);
        if (bus_client_find(rig.bus, name))
            rig_vanish(&rig, name);
    }
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
        ck_assert_msg(list_empty(&pairing_of(rig.a)->prompts), "allocation %lu", n);
        ck_assert_msg(list_empty(&pairing_of(rig.a)->secrets.requests), "allocation %lu", n);
        ck_assert_msg(rig.a->attached == 0, "allocation %lu", n);
        rig_stop(&rig);
    } while (count >= n);
    ck_assert_uint_gt(n, 10);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pairing oom");
    TCase *t = tcase_create("pairing oom");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, each_call_is_answered_without_memory);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures ? 1 : 0;
}
