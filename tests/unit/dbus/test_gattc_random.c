/* SPDX-License-Identifier: MIT */

/*
 * Random lives on one peer: clients subscribe, read, write and listen, attach, detach and vanish,
 * while the peer answers, refuses, is slow or goes. Whatever happened: when all is answered each
 * CCCD that the peer let be written is what its subscribers want, every call has been answered, and
 * with the link everything has ended.
 */

#include "gattc.h"
#include "rig.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>

#define GATTC "org.bled.GattClient1"

enum { STEPS = 80, CLIENTS = 4, HANDLES = 3, OPS = 1024, LIVES = 200 };

static struct rig rig;
static uint32_t seed;
static unsigned generation[CLIENTS];
static struct {
    unsigned number, client, generation;
} calls[STEPS];
static size_t n_calls;
static struct fake_command pending[OPS]; /* in the order in which they were given */
static size_t n_pending;
static uint8_t cccd[HANDLES];
static bool refused[HANDLES]; /* the last write of it was */

static uint32_t pick(uint32_t n)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % n;
}

static const char *name_of(unsigned client)
{
    static char name[32];
    snprintf(name, sizeof(name), ":%u.%u", client + 1, generation[client]);
    return name;
}

static void event(const struct bl_event *e)
{
    bus_adapter_event(rig.a, e);
    rig_run(&rig);
}

/* What was given to the host meanwhile. */
static void look(void)
{
    for (size_t i = 0; i < rig.host.gatt.n_log; i++)
        if (rig.host.gatt.log[i].op != 0) {
            ck_assert_uint_lt(n_pending, OPS);
            pending[n_pending++] = rig.host.gatt.log[i];
        }
    rig.host.gatt.n_log = 0;
}

static void answer_first(bl_status status)
{
    struct fake_command c = pending[0];

    memmove(pending, pending + 1, --n_pending * sizeof(pending[0]));
    if (strcmp(c.what, "subscribe") == 0) {
        refused[c.handle - 21] = status != BL_OK;
        if (status == BL_OK)
            cccd[c.handle - 21] = c.first;
    }
    if (strcmp(c.what, "read") == 0 && status == BL_OK)
        event(&(struct bl_event){
            .kind = BL_EV_GATTC_VALUE,
            .gatt = {.conn = 1, .handle = c.handle, .op = c.op, .value = {(const void *)"x", 1}}});
    rig_done(&rig, c.op, status);
    look();
}

static void call(unsigned client)
{
    const char *name = name_of(client);
    unsigned handle = 21 + pick(HANDLES), wait = pick(4) != 0, number;

    switch (pick(6)) {
    case 0:
        number = rig_call(&rig, name, GATTC, "Read", "qqa{sv}", 1, handle, 1, "wait", "b", wait);
        break;
    case 1:
        number = rig_call(&rig, name, GATTC, "Write", "qqayya{sv}", 1, handle, 1, 7, 0, 1, "wait",
                          "b", wait);
        break;
    case 2:
        number = rig_call(&rig, name, GATTC, "ListenFor", "qqua{sv}", 1, handle, 1 + pick(2), 1,
                          "timeout_ms", "u", 1000);
        break;
    default:
        number = rig_call(&rig, name, GATTC, "Subscribe", "qqya{sv}", 1, handle, pick(4), 1, "wait",
                          "b", wait);
        break;
    }
    calls[n_calls].number = number;
    calls[n_calls].client = client;
    calls[n_calls++].generation = generation[client];
}

static void vanish(unsigned client)
{
    if (bus_client_find(rig.bus, name_of(client)))
        rig_vanish(&rig, name_of(client));
    generation[client]++;
}

static void tell(void)
{
    uint16_t handle = (uint16_t)(21 + pick(HANDLES));

    if (pick(8) == 0)
        event(&(struct bl_event){.kind = BL_EV_GATTC_SERVICES_CHANGED,
                                 .gatt = {.conn = 1, .start = handle, .end = 0xffff}});
    else
        event(&(struct bl_event){
            .kind = pick(2) ? BL_EV_GATTC_NOTIFIED : BL_EV_GATTC_INDICATED,
            .gatt = {.conn = 1, .handle = handle, .value = {(const void *)"abc", 3}}});
}

static void step(void)
{
    static const int results[] = {0, 0, 0, -EAGAIN, -EBUSY};
    static const bl_status answers[] = {BL_OK, BL_OK, BL_OK, 0x03, 0x80, BL_PROTOCOL};
    unsigned client = pick(CLIENTS), what = pick(10);

    rig.host.gatt.result = 0;
    if (what < 4) {
        rig.host.gatt.result = results[pick(ARRAY_LEN(results))];
        call(client);
    } else if (what == 4) {
        rig_call(&rig, name_of(client), "org.bled.Adapter1", "Attach", "a{sv}", 0);
    } else if (what == 5) {
        rig_call(&rig, name_of(client), "org.bled.Adapter1", "Detach", "");
    } else if (what == 6 && pick(2)) {
        vanish(client);
    } else if (what == 7) {
        tell();
    } else if (n_pending > 0) {
        rig.host.gatt.result = pick(6) ? 0 : -EBUSY; /* for what the answer brings about */
        answer_first(answers[pick(ARRAY_LEN(answers))]);
    }
    look();
}

/* Everything is answered, and well, until nothing is asked any more. */
static void settle(void)
{
    rig.host.gatt.result = 0;
    rig_call(&rig, ":9.9", GATTC, "Read", "qqa{sv}", 1, 30, 0); /* its end is room for the others */
    look();
    while (n_pending > 0)
        answer_first(BL_OK);
    rig.now += 2000000;
    rig_run(&rig);
}

static bool is_answered(size_t i)
{
    return *rig_answer(&rig, calls[i].number) != '\0';
}

START_TEST(every_life_ends_settled)
{
    seed = (uint32_t)_i * 2654435761u + 1;
    n_calls = n_pending = 0;
    memset(cccd, 0, sizeof(cccd));
    memset(refused, 0, sizeof(refused));
    rig_start(&rig, true);
    rig_ready(&rig);
    event(&(struct bl_event){.kind = BL_EV_CONNECTED,
                             .connected = {.conn = 1, .role = BL_ROLE_PERIPHERAL}});
    for (unsigned i = 0; i < STEPS; i++)
        step();
    bool lost = pick(3) == 0; /* in the middle of it */
    if (!lost)
        settle();
    for (uint16_t h = 0; h < HANDLES && !lost; h++)
        if (!refused[h])
            ck_assert_msg(cccd[h] == bus_sub_union(rig.a, 1, (uint16_t)(21 + h), NULL),
                          "life %d, handle %u: %u, not %u", _i, 21 + h, cccd[h],
                          bus_sub_union(rig.a, 1, (uint16_t)(21 + h), NULL));
    rig.host.gatt.result = -ENOTCONN;
    while (n_pending > 0)
        answer_first(BL_STATUS_HCI + 0x13);
    event(&(struct bl_event){.kind = BL_EV_DISCONNECTED,
                             .disconnected = {.conn = 1, .reason = 0x13}});
    ck_assert(list_empty(&rig.a->calls));
    for (size_t i = 0; i < n_calls; i++)
        if (calls[i].generation == generation[calls[i].client])
            ck_assert_msg(is_answered(i), "life %d, call %zu", _i, i);
    for (unsigned c = 0; c < CLIENTS; c++)
        vanish(c);
    ck_assert_uint_eq(rig.a->attached, 0);
    ck_assert(list_empty(&rig.a->owners[0]->things));
    rig_stop(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gattc random");
    TCase *t = tcase_create("gattc random");
    suite_add_tcase(suite, t);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, every_life_ends_settled, 0, LIVES);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
