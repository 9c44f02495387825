/* SPDX-License-Identifier: MIT */

/* No memory, at every allocation in turn, in the calls and events of GattServer1: each call is
 * answered, the table agrees with the stack, and afterwards all works. */

#include "../../support/oom.h"
#include "gatts_rig.h"

#include <errno.h>

static unsigned calls[16];
static size_t n_calls;

static void remember(unsigned call)
{
    calls[n_calls++] = call;
}

static void peer(enum bl_event_kind kind, uint16_t handle, uint32_t request)
{
    static const uint8_t bytes[] = {1, 2, 3};

    event(&(struct bl_event){
        .kind = kind,
        .gatt = {.conn = 1, .handle = handle, .request = request, .value = {bytes, 3}}});
}

static void make_services(void)
{
    remember(rig_call(&rig, ":1.5", GATTS, "RegisterServices", "a(sa(sua(su)))a{sv}", 2, "180d", 1,
                      "2a37", 0x12, 1, "2901", 0x02, "180f", 1, "2a19", 0x02, 0, 0));
    remember(rig_call(&rig, ":1.5", GATTS, "AddService", "saa{sv}a{sv}", "180d", 1, 3, "uuid", "s",
                      "2a37", "flags", "u", 0x12, "descriptors", "aa{sv}", 2, 2, "uuid", "s",
                      "2901", "flags", "u", 2, 2, "uuid", "s", "2904", "flags", "u", 2, 0));
}

/* What can be done with one that there is, if there is one. */
static void use_services(uint16_t handle)
{
    remember(rig_call(&rig, ":1.5", GATTS, "Write", "qayb", handle, 2, 1, 2, 1));
    rig.host.gatt.result = -EAGAIN;
    remember(rig_call(&rig, ":1.5", GATTS, "Notify", "qqa{sv}", 1, handle, 0));
    remember(
        rig_call(&rig, ":1.5", GATTS, "Indicate", "qqa{sv}", 1, handle, 1, "value", "ay", 1, 1));
    peer(BL_EV_GATTS_WRITTEN, handle, 0);
    peer(BL_EV_GATTS_WRITE, handle, 600);
    peer(BL_EV_GATTS_READ, handle, 601);
    rig.host.gatt.result = 1;
    rig_done(&rig, 99999, BL_OK);
    remember(rig_call(&rig, ":1.5", GATTS, "Read", "q", handle));
    rig.now += 5000000;
    rig_run(&rig);
}

static void day(void)
{
    n_calls = 0;
    make_services();
    struct bus_attr *t = bus_gatts_next_characteristic(rig.a, 0);
    if (!t)
        return;
    use_services(t->handle);
    /* The last one can grow. */
    uint16_t service = list_entry(gatts_of(rig.a)->services.prev, struct bus_service, link)->handle;
    remember(rig_call(&rig, ":1.5", GATTS, "AddCharacteristic", "qa{sv}", service, 2, "uuid", "s",
                      "2a38", "flags", "u", 2));
    remember(rig_call(&rig, ":1.5", GATTS, "RemoveService", "q", service));
}

static bool answered(void)
{
    for (size_t i = 0; i < n_calls; i++)
        if (*rig_answer(&rig, calls[i]) == '\0')
            return false;
    return true;
}

/* What the table has is what its services have. */
static bool agrees(void)
{
    const struct gatts *g = gatts_of(rig.a);
    size_t services = 0, handles = 0, attrs = 0, used = 0;

    list_each(l, next, &g->services)
    {
        struct bus_service *s = list_entry(l, struct bus_service, link);
        services++;
        handles += s->n_handles;
        list_each(k, after, &s->attrs)
        {
            const struct bus_attr *t = list_entry(k, struct bus_attr, link);
            attrs += bus_gatts_find(rig.a, t->handle) == t;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(g->page_used); i++)
        used += g->page_used[i];
    return services == g->n_services && handles == g->n_handles && attrs == used &&
           list_empty(&g->requests) && list_empty(&g->held);
}

START_TEST(each_call_is_answered_and_the_table_agrees)
{
    unsigned long n = 0, count;

    do {
        gatts_setup();
        connected(1);
        oom_fail_at(++n);
        day();
        count = oom_count();
        oom_off();
        ck_assert_msg(answered(), "allocation %lu", n);
        ck_assert_msg(agrees(), "allocation %lu", n);
        rig_forget(&rig);
        day(); /* whatever had failed: it works now */
        ck_assert_uint_eq(n_calls, 8);
        for (size_t i = 0; i < n_calls; i++)
            ck_answer(calls[i], "reply");
        ck_assert_msg(agrees(), "allocation %lu", n);
        gatts_teardown();
    } while (count >= n);
    ck_assert_uint_gt(n, 25);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gatts_oom");
    TCase *t = tcase_create("gatts_oom");
    suite_add_tcase(suite, t);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, each_call_is_answered_and_the_table_agrees);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
