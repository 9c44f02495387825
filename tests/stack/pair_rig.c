/* SPDX-License-Identifier: MIT */

#include "pair_rig.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RIG_STEP_US 10000u

struct pair_rig *pair_new(uint64_t seed, size_t n, const struct bl_air_config *config)
{
    struct pair_rig *r = calloc(1, sizeof(*r));

    ck_assert_ptr_nonnull(r);
    r->s = stack_new(seed, n, config);
    for (size_t i = 0; i < n; i++) {
        struct bl_config mine = pair_config_of(r, i);
        mine.io = 3; /* nothing */
        mine.bond = mine.pairable = true;
        pair_config(r, i, &mine);
        r->person[i].passkey = RIG_PASSKEY;
    }
    return r;
}

void pair_free(struct pair_rig *r)
{
    stack_free(r->s);
    free(r);
}

struct bl_config pair_config_of(const struct pair_rig *r, size_t end)
{
    struct bl_config config;

    bl_host_get_config(r->s->end[end].host, &config);
    return config;
}

void pair_config(struct pair_rig *r, size_t end, const struct bl_config *config)
{
    ck_assert_int_eq(bl_host_set_config(r->s->end[end].host, r->s->now, config), 0);
}

void pair_io(struct pair_rig *r, size_t end, uint8_t io, bool mitm)
{
    struct bl_config config = pair_config_of(r, end);

    config.io = io;
    config.mitm = mitm;
    pair_config(r, end, &config);
}

void pair_connect(struct pair_rig *r)
{
    stack_connect(r->s, RIG_A, RIG_B, &r->conn[RIG_A], &r->conn[RIG_B]);
}

void pair_disconnect(struct pair_rig *r, size_t end)
{
    bl_op op;

    ck_assert_int_eq(bl_disconnect(r->s->end[end].host, r->s->now, r->conn[end], 0, &op), 0);
    ck_assert_uint_eq(stack_done(r->s, end, op, 10000000).done.status, BL_OK);
    pair_run(r, 200000);
}

/* ---- people ---- */

static void pair_answer(struct pair_rig *r, size_t end, const struct bl_event *e)
{
    struct pair_person *p = &r->person[end];
    struct bl_host *host = r->s->end[end].host;
    uint16_t conn = e->passkey.conn;
    int result = 0;

    p->asked[e->passkey.action]++;
    if (e->passkey.action == BL_PASSKEY_COMPARE)
        p->compared = e->passkey.passkey;
    if (p->silent)
        return;
    if (p->refuses)
        result = bl_passkey_refuse(host, r->s->now, conn);
    else if (e->passkey.action == BL_PASSKEY_COMPARE)
        result = bl_passkey(host, r->s->now, conn, BL_PASSKEY_COMPARE, p->says_no ? 0 : 1);
    else
        result = bl_passkey(host, r->s->now, conn, (enum bl_passkey_action)e->passkey.action,
                            p->passkey);
    ck_assert(result == 0 || result == -ENOENT); /* the other one has ended it meanwhile */
}

static void pair_look(struct pair_rig *r, size_t end)
{
    struct stack_end *e = &r->s->end[end];
    struct pair_person *p = &r->person[end];

    while (p->looked < e->n_events) {
        struct bl_event event = e->events[p->looked++];
        if (event.kind == BL_EV_PASSKEY)
            pair_answer(r, end, &event);
        p->keypresses += event.kind == BL_EV_KEYPRESS;
    }
}

void pair_run(struct pair_rig *r, uint64_t us)
{
    for (uint64_t until = r->s->now + us; r->s->now < until;) {
        uint64_t left = until - r->s->now;
        stack_run(r->s, left < RIG_STEP_US ? left : RIG_STEP_US);
        for (size_t i = 0; i < r->s->n; i++)
            pair_look(r, i);
    }
}

void pair_forget(struct pair_rig *r)
{
    pair_run(r, RIG_STEP_US);
    stack_forget(r->s);
    for (size_t i = 0; i < STACK_HOSTS; i++)
        r->person[i].looked = 0;
}

/* ---- pairing ---- */

static bool pair_ended(const struct pair_rig *r, size_t end, bl_op op, struct bl_event *ret)
{
    const struct stack_end *e = &r->s->end[end];

    for (size_t i = 0; i < e->n_events; i++)
        if (e->events[i].kind == BL_EV_OP_DONE && e->events[i].done.op == op) {
            *ret = e->events[i];
            return true;
        }
    return false;
}

struct bl_event pair_up(struct pair_rig *r, size_t end, const struct bl_pair_params *params)
{
    const struct bl_pair_params none = {0};
    struct bl_event e = {0};
    bl_op op;

    ck_assert_int_eq(
        bl_pair(r->s->end[end].host, r->s->now, r->conn[end], params ? params : &none, &op), 0);
    for (int i = 0; !pair_ended(r, end, op, &e); i++) {
        ck_assert_msg(i < 8000, "a pairing without end");
        pair_run(r, RIG_STEP_US);
    }
    pair_run(r, 500000); /* the last keys, and what the other one says of it */
    return e;
}

struct bl_security pair_ok(struct pair_rig *r, size_t end, const struct bl_pair_params *params)
{
    struct bl_event e = pair_up(r, end, params);

    ck_assert_msg(e.done.status == BL_OK, "0x%03x", e.done.status);
    struct bl_security a = pair_security(r, RIG_A), b = pair_security(r, RIG_B);
    ck_assert(a.encrypted && b.encrypted);
    ck_assert_int_eq(a.authenticated, b.authenticated);
    ck_assert_int_eq(a.bonded, b.bonded);
    ck_assert_int_eq(a.secure_connections, b.secure_connections);
    ck_assert_uint_eq(a.key_size, b.key_size);
    ck_assert_int_eq(e.done.security.authenticated, a.authenticated);
    ck_assert_int_eq(e.done.security.bonded, a.bonded);
    ck_assert_uint_eq(e.done.security.key_size, a.key_size);
    ck_assert_uint_eq(r->person[RIG_A].compared, r->person[RIG_B].compared);
    return a;
}

struct bl_security pair_security(const struct pair_rig *r, size_t end)
{
    struct bl_security security;

    bl_security(r->s->end[end].host, r->conn[end], &security);
    return security;
}

const struct bl_bond *pair_bond(const struct pair_rig *r, size_t end)
{
    struct bl_controller_info other;

    bl_host_info(r->s->end[end == RIG_A ? RIG_B : RIG_A].host, &other);
    return bl_bond_get(r->s->end[end].host, &other.identity);
}

unsigned pair_count(const struct pair_rig *r, size_t end, enum bl_event_kind kind)
{
    const struct stack_end *e = &r->s->end[end];
    unsigned n = 0;

    for (size_t i = 0; i < e->n_events; i++)
        n += e->events[i].kind == kind;
    return n;
}

struct bl_event pair_last(const struct pair_rig *r, size_t end, enum bl_event_kind kind)
{
    const struct stack_end *e = &r->s->end[end];

    for (size_t i = e->n_events; i-- > 0;)
        if (e->events[i].kind == kind)
            return e->events[i];
    ck_abort_msg("no event %d at end %zu", (int)kind, end);
    return (struct bl_event){0};
}
