/* SPDX-License-Identifier: MIT */

/*
 * Random lives of GattServer1: clients attach, make and remove services, send, wait for room and
 * vanish; peers connect, read, write and leave; the controller is lost and comes back; in every
 * order. At every step the table agrees with the services, and in the end nothing is left waiting.
 */

#include "gatts_rig.h"

#include <errno.h>
#include <stdio.h>

enum { STEPS = 250, LIVES = 60, CLIENTS = 4, CONNS = 3, CALLS = STEPS };

static uint32_t seed;
static unsigned generation[CLIENTS]; /* a client that vanished comes back under another name */
static bool linked[CONNS + 1];
static uint32_t next_request;
static struct {
    unsigned number, client, generation;
} calls[CALLS];
static size_t n_calls;

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

/* One of the values that there are, or none's. */
static uint16_t some_value(void)
{
    struct bus_attr *t = bus_gatts_next_characteristic(rig.a, (uint16_t)(10 + pick(60)));

    return t ? t->handle : (uint16_t)pick(100);
}

static uint16_t some_service(void)
{
    struct bus_attr *t = bus_gatts_find(rig.a, some_value());

    return t ? t->service->handle : (uint16_t)pick(100);
}

static unsigned make(const char *who)
{
    switch (pick(4)) {
    case 0:
        return rig_call(&rig, who, GATTS, "RegisterServices", "a(sa(sua(su)))a{sv}", 2, "180d", 1,
                        "2a37", 0x12, 1, "2901", 0x02, "180f", 1, "2a19", 0x02, 0, 0);
    case 1:
        return rig_call(&rig, who, GATTS, "RegisterServices", "a(sa(sua(su)))a{sv}", 0, 0);
    case 2:
        return rig_call(&rig, who, GATTS, "AddService", "saa{sv}a{sv}", "180d", 1, 2, "uuid", "s",
                        "2a37", "flags", "u", 0x12, 0);
    default:
        return rig_call(&rig, who, GATTS, "AddCharacteristic", "qa{sv}", some_service(), 2, "uuid",
                        "s", "2a38", "flags", "u", 0x02);
    }
}

static unsigned use(const char *who)
{
    uint16_t handle = some_value(), conn = (uint16_t)(1 + pick(CONNS));
    uint32_t last = rig.a->last_request;

    switch (pick(7)) {
    case 0:
        return rig_call(&rig, who, GATTS, "Write", "qayb", handle, 1, 1, pick(2));
    case 1:
        return rig_call(&rig, who, GATTS, "Read", "q", handle);
    case 2:
        return rig_call(&rig, who, GATTS, "Notify", "qqa{sv}", conn, handle, 0);
    case 3:
        return rig_call(&rig, who, GATTS, "Indicate", "qqa{sv}", conn, handle, 0);
    case 4:
        return rig_call(&rig, who, GATTS, "SetAuthorization", "qbbq", handle, 1, 1, pick(0x120));
    case 5:
        return rig_call(&rig, who, GATTS, "Reply", "uqa{sv}", last - pick(3), pick(2), 0);
    default:
        return rig_call(&rig, who, GATTS, "RemoveService", "q", some_service());
    }
}

static void client_step(unsigned client)
{
    const char *who = name_of(client);

    if (pick(8) == 0)
        remember(rig_call(&rig, who, "org.bled.Adapter1", "Attach", "a{sv}", 0), client);
    else if (pick(10) == 0)
        remember(rig_call(&rig, who, "org.bled.Adapter1", "Detach", ""), client);
    else if (pick(12) == 0 && bus_client_find(rig.bus, who))
        rig_vanish(&rig, who), generation[client]++;
    else
        remember(pick(3) == 0 ? make(who) : use(who), client);
}

static void peer_step(void)
{
    static const enum bl_event_kind kinds[] = {BL_EV_GATTS_WRITTEN, BL_EV_GATTS_READ,
                                               BL_EV_GATTS_WRITE, BL_EV_GATTS_SUBSCRIBED,
                                               BL_EV_GATTS_INDICATE_DONE};
    static const uint8_t bytes[] = {1, 2, 3};
    uint16_t conn = (uint16_t)(1 + pick(CONNS));
    enum bl_event_kind kind = kinds[pick(ARRAY_LEN(kinds))];

    if (!linked[conn]) {
        linked[conn] = true;
        connected(conn);
        return;
    }
    if (pick(6) == 0) {
        linked[conn] = false;
        disconnected(conn);
        return;
    }
    event(&(struct bl_event){
        .kind = kind,
        .gatt = {.conn = conn,
                 .handle = some_value(),
                 .bits = 1,
                 .request = kind == BL_EV_GATTS_WRITE || pick(2) ? ++next_request : 0,
                 .value = {bytes, 3}}});
}

static void end_links(void)
{
    for (uint16_t conn = 1; conn <= CONNS; conn++)
        if (linked[conn])
            disconnected(conn);
    memset(linked, 0, sizeof(linked));
}

static void end_operations(void)
{
    list_each(l, next, &rig.a->calls)
    {
        bl_op op = list_entry(l, struct bus_call, link)->op;
        if (op != 0)
            rig_done(&rig, op, pick(3) ? BL_OK : bl_status_hci(0x13));
    }
}

static void controller_step(void)
{
    end_operations();
    end_links();
    event(&(struct bl_event){.kind = BL_EV_FAILED, .failed = {"it is gone"}});
    event(&(struct bl_event){.kind = BL_EV_READY});
}

static void step(void)
{
    static const int results[] = {1, 1, 0, -EAGAIN, -EAGAIN, -ENOTCONN};

    switch (pick(12)) {
    case 0:
        rig.host.gatt.result = results[pick(ARRAY_LEN(results))];
        return;
    case 1:
        end_operations();
        return;
    case 2:
        rig.now += 1000000 * pick(4);
        rig_run(&rig);
        return;
    case 3:
        if (pick(6) == 0)
            controller_step();
        return;
    case 4:
    case 5:
    case 6:
        peer_step();
        return;
    default:
        client_step(pick(CLIENTS));
        return;
    }
}

static void ck_table(void)
{
    const struct gatts *g = gatts_of(rig.a);
    size_t services = 0, handles = 0, attrs = 0, used = 0, requests = 0;

    list_each(l, next, &g->services)
    {
        struct bus_service *s = list_entry(l, struct bus_service, link);
        services++;
        handles += s->n_handles;
        ck_assert_ptr_nonnull(s->thing.owner);
        list_each(k, after, &s->attrs)
        {
            const struct bus_attr *t = list_entry(k, struct bus_attr, link);
            attrs++;
            ck_assert_ptr_eq(bus_gatts_find(rig.a, t->handle), t);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(g->page_used); i++)
        used += g->page_used[i];
    list_each(l, next, &g->requests) requests++;
    ck_assert_uint_eq(services, g->n_services);
    ck_assert_uint_eq(handles, g->n_handles);
    ck_assert_uint_eq(attrs, used);
    ck_assert_uint_eq(requests, g->n_requests);
}

static void ck_answered(void)
{
    for (size_t i = 0; i < n_calls; i++)
        if (calls[i].generation == generation[calls[i].client])
            ck_assert_msg(*rig_answer(&rig, calls[i].number), "call %u has no answer, seed %u",
                          calls[i].number, seed);
}

START_TEST(whatever_happens_the_table_agrees_and_nothing_waits_for_ever)
{
    seed = (uint32_t)_i + 1;
    n_calls = 0;
    next_request = 0;
    memset(generation, 0, sizeof(generation));
    memset(linked, 0, sizeof(linked));
    for (int i = 0; i < STEPS; i++) {
        step();
        ck_table();
    }
    rig.host.gatt.result = 1;
    rig_done(&rig, 99999, BL_OK); /* there is room */
    end_operations();
    rig.now += 6000000;
    rig_run(&rig);
    end_links();
    ck_answered();
    ck_assert(list_empty(&gatts_of(rig.a)->held));
    ck_assert(list_empty(&gatts_of(rig.a)->requests));
    ck_assert(list_empty(&rig.a->calls));
    for (unsigned client = 0; client < CLIENTS; client++)
        if (bus_client_find(rig.bus, name_of(client)))
            rig_vanish(&rig, name_of(client));
    ck_table();
    ck_assert_uint_eq(rig.a->attached, 0);
}
END_TEST

static void add(TCase *t)
{
    tcase_add_loop_test(t, whatever_happens_the_table_agrees_and_nothing_waits_for_ever, 0, LIVES);
}

int main(void)
{
    return gatts_main("gatts_random", add);
}
