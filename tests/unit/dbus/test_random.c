/* SPDX-License-Identifier: MIT */

/*
 * Random lives: clients call, attach, detach and vanish while the controller comes up, goes down
 * and is lost, in every order. Whatever happened, in the end each call has had exactly one answer
 * (none if its client had gone), nothing is held and nothing is left.
 */

#include "things.h"

#include <check.h>
#include <stdio.h>

#define A "org.bled.Adapter1"

enum { STEPS = 60, CLIENTS = 4, CALLS = STEPS + 8, LIVES = 150 };

static struct rig rig;
static uint32_t seed;
static unsigned generation[CLIENTS]; /* a client that vanished comes back under another name */
static struct {
    unsigned number;
    unsigned client, generation;
} calls[CALLS];
static size_t n_calls;
static struct thing things[STEPS];
static size_t n_things;
static bl_op next_op;

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

static void remember(unsigned number, unsigned client)
{
    calls[n_calls].number = number;
    calls[n_calls].client = client;
    calls[n_calls++].generation = generation[client];
}

static void call_something(unsigned client)
{
    const char *name = name_of(client);
    switch (pick(7)) {
    case 0:
    case 1:
        remember(rig_call(&rig, name, A, "SetActive", "ba{sv}", pick(3) != 0, 1, "wait", "b",
                          pick(4) != 0),
                 client);
        return;
    case 2:
    case 3:
        remember(rig_call(&rig, name, A, "Attach", "a{sv}", 1, "active", "b", pick(2)), client);
        return;
    case 4:
        remember(rig_call(&rig, name, A, "Detach", ""), client);
        return;
    case 5:
        remember(rig_call(&rig, name, A, "Reset", "a{sv}", 0), client);
        return;
    default:
        rig_call_noreply(&rig, name, A, "Attach", "a{sv}", 0);
        return;
    }
}

static void vanish(unsigned client)
{
    struct bus_client *c = bus_client_find(rig.bus, name_of(client));
    generation[client]++;
    if (!c)
        return;
    bus_client_vanished(c);
    rig_run(&rig);
}

static void own_something(void)
{
    struct bus_owner *o = rig.a->owners[1 + pick(CLIENTS)];
    if (!o || o->ending || rig.a->state != BUS_ACTIVE)
        return;
    struct thing *t = &things[n_things++];
    *t = (struct thing){.slow = pick(2)};
    static const struct bus_thing_kind *const kinds[] = {&THING_SCAN, &THING_ADVERT, &THING_USE};
    bus_thing_add(&t->thing, o, kinds[pick(3)]);
}

/* As modules do on the events of the end. */
static void end_things(bool all)
{
    for (size_t i = 0; i < n_things; i++)
        if (all || pick(2))
            bus_thing_remove(&things[i].thing);
    rig_run(&rig);
}

static void end_ops(void)
{
    for (bl_op op = 1000; op < next_op; op++)
        rig_done(&rig, op, BL_NOT_ACTIVE);
}

static void lose_controller(void)
{
    if (rig.a->state == BUS_INACTIVE)
        return;
    end_things(true);
    end_ops();
    bus_adapter_failed(rig.a, "lost.");
    rig_run(&rig);
}

static void end_shutdown(void)
{
    if (rig.a->state != BUS_ENDING)
        return;
    end_things(true);
    end_ops();
    rig_done(&rig, rig.host.shutdown_op, BL_OK);
}

static void ready(void)
{
    if (rig.a->state != BUS_ACTIVATING && rig.a->state != BUS_INACTIVE)
        return;
    bus_adapter_opening(rig.a);
    if (pick(3) == 0)
        return;
    bus_adapter_event(rig.a, &(struct bl_event){.kind = BL_EV_READY});
    rig_run(&rig);
}

static void step(void)
{
    unsigned client = pick(CLIENTS);
    switch (pick(10)) {
    case 0:
        vanish(client);
        return;
    case 1:
    case 2:
        ready();
        return;
    case 3:
        lose_controller();
        return;
    case 4:
        end_shutdown();
        return;
    case 5:
        own_something();
        return;
    case 6:
        end_things(false);
        return;
    case 7:
        (void)things_call(&rig, name_of(client), pick(2), false, next_op++, NULL, NULL);
        return;
    default:
        call_something(client);
        return;
    }
}

static void settle(void)
{
    for (int i = 0; i < 20; i++) {
        ready();
        end_things(true);
        end_shutdown();
    }
    end_ops();
}

START_TEST(every_life_ends_with_everybody_answered)
{
    seed = (uint32_t)_i + 1;
    n_calls = n_things = 0;
    next_op = 1000;
    memset(generation, 0, sizeof(generation));
    rig_start(&rig, false);
    for (int i = 0; i < STEPS; i++) {
        rig.open_result = pick(6) == 0 ? -19 : 0;
        step();
    }
    rig.open_result = 0;
    settle();
    for (size_t i = 0; i < n_calls; i++) {
        if (calls[i].generation != generation[calls[i].client])
            continue;
        ck_assert_msg(*rig_answer(&rig, calls[i].number), "call %u unanswered, seed %d",
                      calls[i].number, _i + 1);
    }
    for (size_t i = 0; i < n_calls; i++) {
        char reply[32], error[32];
        snprintf(reply, sizeof(reply), "reply %u", calls[i].number);
        snprintf(error, sizeof(error), "error %u ", calls[i].number);
        size_t n = rig_count(&rig, error);
        for (size_t k = 0; k < rig.n_lines; k++)
            n += strcmp(rig.lines[k], reply) == 0;
        ck_assert_uint_le(n, 1);
    }
    for (unsigned c = 0; c < CLIENTS; c++)
        vanish(c);
    settle();
    ck_assert_uint_eq(rig.a->attached, 0);
    ck_assert(list_empty(&rig.a->calls));
    while (!bus_adapter_end(rig.a))
        settle();
    ck_assert_int_eq(rig.a->state, BUS_INACTIVE);
    rig_stop(&rig);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("random");
    TCase *t = tcase_create("random");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, every_life_ends_with_everybody_answered, 0, LIVES);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
