/* SPDX-License-Identifier: MIT */

/*
 * Random lives on Pairing1: clients attach, pair, attend, answer, provide secrets and vanish while
 * connections come and go. At each step every question that the host has asked is answered once,
 * refused once, void because its pairing has ended, or open with somebody who can answer it; and
 * what is secret has never been broadcast. In the end nothing is left.
 */

#include "as_root.h"
#include "bond_record.h"
#include "conn.h"
#include "pairing.h"
#include "rig.h"

#include <check.h>
#include <stdio.h>

#define P PAIRING_INTERFACE

enum { STEPS = 150, LIVES = 200, CLIENTS = 4, CONNS = 3, BONDS = 3 };

static struct rig rig;
static uint32_t seed;
static unsigned generation[CLIENTS];
static unsigned asks, ended;
static bool up[CONNS + 1];
static bool have[BONDS];
static bl_op done_to;

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

static size_t count_open(void)
{
    size_t n = 0;
    list_each(l, next, &pairing_of(rig.a)->prompts) n++;
    return n;
}

static void void_prompts(const struct bl_event *e)
{
    size_t before = count_open();
    event(e);
    ended += (unsigned)(before - count_open());
}

static struct bl_bond bond(unsigned n)
{
    return (struct bl_bond){.identity = {ADDR_RANDOM, {(uint8_t)n, 2, 3, 4, 5, 0xc6}},
                            .has_peer_ltk = true,
                            .peer_ltk = {.key = {1}, .size = 16}};
}

/* What the host tells of bonds that a step has removed. */
static void tell_bonds(void)
{
    for (unsigned i = 0; i < BONDS; i++) {
        const struct bl_bond b = bond(i);
        bool now = bl_bond_get(&rig.host, &b.identity) != NULL;
        if (have[i] && !now)
            event(&(struct bl_event){.kind = BL_EV_BOND, .bond = {b.identity, false, true}});
        have[i] = bl_bond_get(&rig.host, &b.identity) != NULL;
    }
}

static void add_bond(unsigned n)
{
    const struct bl_bond b = bond(n);
    bool had = have[n];
    ck_assert_int_eq(bl_bond_add(&rig.host, 0, &b), 0);
    have[n] = true;
    event(&(struct bl_event){.kind = BL_EV_BOND, .bond = {b.identity, !had, false}});
}

static void reply_secret(const char *name)
{
    uint8_t record[BOND_RECORD_MAX];
    const struct bl_bond b = bond(pick(BONDS));
    size_t n = bond_record_write(&b, record);
    sd_bus_message *m = NULL;

    must(sd_bus_message_new_method_call(rig.peer, &m, "org.bled", "/org/bled/hci0", P, "Reply") >=
         0);
    must(sd_bus_message_set_sender(m, name) >= 0);
    must(sd_bus_message_append(m, "ub", rig.a->last_request - pick(2), (int)pick(4) != 0) >= 0);
    must(sd_bus_message_append_array(m, 'y', record, pick(8) ? n : n - 1) >= 0);
    must(sd_bus_send(rig.peer, m, NULL) >= 0);
    sd_bus_message_unref(m);
    rig_run(&rig);
}

static void client_does(unsigned client)
{
    const char *name = name_of(client);
    uint16_t conn = (uint16_t)(1 + pick(CONNS));

    switch (pick(11)) {
    case 0:
        rig_call(&rig, name, "org.bled.Adapter1", "Attach", "a{sv}", 0);
        return;
    case 1:
        rig_call(&rig, name, "org.bled.Adapter1", "Detach", "");
        return;
    case 2:
        rig_call(&rig, name, P, "Pair", "qa{sv}", conn, 1, "wait", "b", (int)pick(2));
        return;
    case 3:
        rig_call(&rig, name, P, "Pair", "qa{sv}", conn, 1, "passkey", "u", pick(1000000));
        return;
    case 4:
    case 5:
        rig_call(&rig, name, P, "Passkey", "qyu", conn, 2 + pick(3), pick(2));
        return;
    case 6:
        rig_call(&rig, name, P, "Attend", "a{sv}", 1, "draw", "b", (int)pick(2));
        return;
    case 7:
        rig_call(&rig, name, P, "ProvideSecrets", "a{sv}", 0);
        return;
    case 8:
        reply_secret(name);
        return;
    case 9:
        rig_call(&rig, name, P, "DeleteBond", "ys", 1, "C6:05:04:03:02:01");
        return;
    default: {
        struct bus_client *c = bus_client_find(rig.bus, name);
        generation[client]++;
        if (c)
            rig_vanish(&rig, c->name);
        return;
    }
    }
}

static void connect_one(uint16_t conn)
{
    event(&(struct bl_event){
        .kind = BL_EV_CONNECTED,
        .connected = {.conn = conn,
                      .role = BL_ROLE_PERIPHERAL,
                      .peer = {.type = ADDR_RANDOM, .b = {(uint8_t)conn, 2, 3, 4, 5, 0xc6}}}});
    up[conn] = true;
    struct bus_owner *o = rig.a->owners[pick(CLIENTS)];
    if (o && !o->ending)
        ck_assert_int_eq(bus_conn_use(bus_conn_find(rig.a, conn, NULL), o), 0);
    struct bus_conn *c = bus_conn_find(rig.a, conn, NULL);
    struct bus_use *daemon = bus_conn_use_of(c, rig.a->owners[0]);
    if (daemon && !bus_conn_is_last(daemon))
        bus_conn_leave(daemon);
}

static void disconnect_one(uint16_t conn)
{
    void_prompts(&(struct bl_event){
        .kind = BL_EV_DISCONNECTED,
        .disconnected = {.conn = conn, .role = BL_ROLE_PERIPHERAL, .reason = 0x13}});
    up[conn] = false;
}

static void ask(uint16_t conn)
{
    static const uint8_t actions[] = {2, 3, 4};

    asks++;
    event(&(struct bl_event){.kind = BL_EV_PASSKEY, .passkey = {conn, actions[pick(3)], 0}});
}

static void host_does(void)
{
    uint16_t conn = (uint16_t)(1 + pick(CONNS));

    switch (pick(6)) {
    case 0:
        if (up[conn])
            disconnect_one(conn);
        else
            connect_one(conn);
        return;
    case 1:
        /* The pairing before is over first, and says so. */
        void_prompts(
            &(struct bl_event){.kind = BL_EV_PAIRING_FAILED, .pairing_failed = {conn, 0x208}});
        if (up[conn])
            ask(conn);
        return;
    case 2:
        void_prompts(&(struct bl_event){.kind = BL_EV_ENCRYPTED,
                                        .encrypted = {conn, true, false, pick(2), true, 16}});
        return;
    case 3:
        if (done_to < rig.host.last_op)
            rig_done(&rig, ++done_to, pick(2) ? BL_OK : 0x201);
        return;
    case 4:
        add_bond(pick(BONDS));
        return;
    default:
        rig.now += pick(4) * 1000000;
        rig_run(&rig);
        return;
    }
}

/* Whoever is asked is there. */
static bool answerable(const struct pairing_prompt *p)
{
    if (p->thing.owner)
        return p->thing.owner->client != NULL;
    if (p->call)
        return p->call->call.client && !p->call->call.client->gone;
    return p->attendant && pairing_of(rig.a)->attendant.presence;
}

static void check(unsigned life, unsigned step)
{
    static const char *const secrets[] = {"PasskeyAction", "KeypressReceived", "SecretRequested",
                                          "SecretStored"};
    const struct fake_smp *s = &rig.host.smp;

    ck_assert_msg(asks == s->answers + s->refusals + ended + count_open(),
                  "life %u step %u: %u asked, %u answered, %u refused, %u void, %zu open", life,
                  step, asks, s->answers, s->refusals, ended, count_open());
    list_each(l, next, &pairing_of(rig.a)->prompts)
        ck_assert_msg(answerable(list_entry(l, struct pairing_prompt, link)),
                      "life %u step %u: asked of nobody", life, step);
    for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
        char line[64];
        snprintf(line, sizeof(line), "signal %s -> *", secrets[i]);
        ck_assert_uint_eq(rig_count(&rig, line), 0);
    }
    rig_forget(&rig);
}

static void live(unsigned life)
{
    seed = life * 2654435761u + 1;
    asks = ended = 0;
    done_to = 0;
    for (unsigned i = 0; i < CLIENTS; i++)
        generation[i] = 0;
    for (unsigned i = 0; i <= CONNS; i++)
        up[i] = false;
    for (unsigned i = 0; i < BONDS; i++)
        have[i] = false;
    rig_start(&rig, true);
    rig_ready(&rig);
    for (unsigned step = 0; step < STEPS; step++) {
        if (pick(3))
            client_does(pick(CLIENTS));
        else
            host_does();
        tell_bonds();
        check(life, step);
    }
    for (uint16_t c = 1; c <= CONNS; c++)
        if (up[c])
            disconnect_one(c);
    while (done_to < rig.host.last_op)
        rig_done(&rig, ++done_to, BL_OK);
    for (unsigned i = 0; i < CLIENTS; i++)
        if (bus_client_find(rig.bus, name_of(i)))
            rig_vanish(&rig, name_of(i));
    while (done_to < rig.host.last_op)
        rig_done(&rig, ++done_to, BL_OK);
    tell_bonds();
    check(life, STEPS);
    struct pairing *p = pairing_of(rig.a);
    ck_assert(list_empty(&p->prompts) && list_empty(&p->pairs) && list_empty(&p->deletes));
    ck_assert(list_empty(&p->secrets.requests));
    ck_assert(!bus_pairing_part_taken(&p->attendant) && !bus_pairing_part_taken(&p->secrets.part));
    ck_assert(list_empty(&rig.a->calls));
    ck_assert(list_empty(&rig.bus->clients));
    ck_assert_uint_eq(rig.a->attached, 0);
    ck_assert_uint_eq(rig.a->bus->signals_failed, 0);
    rig_stop(&rig);
}

START_TEST(nothing_is_left_unanswered_or_behind)
{
    for (unsigned i = 0; i < LIVES; i++)
        live((unsigned)_i * LIVES + i);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pairing random");
    TCase *t = tcase_create("pairing random");
    tcase_set_timeout(t, 240);
    tcase_add_loop_test(t, nothing_is_left_unanswered_or_behind, 0, 2);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures ? 1 : 0;
}
