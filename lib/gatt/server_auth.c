/* SPDX-License-Identifier: MIT */

/*
 * server_auth.c: requests that wait for the application's word.
 *
 *     handler --server_auth_ask--> held, BL_EV_GATTS_READ or _WRITE
 *     held --bl_gatts_do_reply, error--> refused
 *     held --bl_gatts_do_reply, 0--> served from its beginning, the reply being a grant now
 *     held --its attribute goes--> refused with Invalid Handle
 *     held --the link ends--> forgotten
 *
 * Only the bearer that asked waits. Write commands wait in a list of their own, because they do not
 * keep their bearer from anything; beyond BL_MAX_HELD_COMMANDS they are dropped, as a command may
 * be. How long a request waits is the application's affair: the client's 30 s run all the while.
 */

#include "gatt/server_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool auth_concerns(const struct bl_gatt_attr *a)
{
    return !a->builtin && (a->kind == BL_GATT_ATTR_VALUE || a->kind == BL_GATT_ATTR_DESCRIPTOR);
}

bool server_auth_reads(const struct bl_gatt_attr *a)
{
    return auth_concerns(a) && (a->authorize_reads || (a->flags & BL_GATT_READ_AUTHORIZED));
}

bool server_auth_writes(const struct bl_gatt_attr *a)
{
    return auth_concerns(a) && (a->authorize_writes || (a->flags & BL_GATT_WRITE_AUTHORIZED));
}

const struct server_grant *server_auth_granted(const struct server_request *q, uint16_t handle)
{
    for (unsigned i = 0; q->held && i < q->held->n_grants; i++)
        if (q->held->grants[i].handle == handle)
            return &q->held->grants[i];
    return NULL;
}

/* ---- keeping and forgetting ---- */

static bool auth_is_command(const struct bl_gatts_held *held)
{
    return server_is_command(held->opcode);
}

static struct bl_gatts_held *auth_free(struct bl_gatts_held *held)
{
    for (unsigned i = 0; i < held->n_grants; i++)
        free(held->grants[i].value);
    free(held->grants);
    free(held);
    return NULL;
}

void server_auth_forget(struct bl_gatt_conn *c, struct bl_gatts_held *held)
{
    if (!held)
        return;
    if (auth_is_command(held)) {
        list_remove(&held->link);
        c->server.n_commands--;
    } else {
        c->server.held = NULL;
    }
    auth_free(held);
}

void server_auth_drop(struct bl_gatt_conn *c)
{
    server_auth_forget(c, c->server.held);
    list_each(pos, tmp, &c->server.commands)
        server_auth_forget(c, list_entry(pos, struct bl_gatts_held, link));
}

/* The request's parameters, whatever the handler has read of them. */
static struct bl_gatts_held *auth_keep(struct bl_gatt_conn *c, const struct server_request *q)
{
    bool command = server_is_command(q->opcode);

    if (command && c->server.n_commands == BL_MAX_HELD_COMMANDS) {
        c->gatt->server.commands_dropped++;
        return NULL;
    }
    struct bl_gatts_held *held = malloc(sizeof(*held) + q->n);
    if (!held)
        return NULL;
    *held = (struct bl_gatts_held){.opcode = q->opcode, .n = (uint16_t)q->n};
    list_init(&held->link);
    memcpy(held->body, q->params, q->n);
    if (command) {
        list_append(&c->server.commands, &held->link);
        c->server.n_commands++;
    } else {
        c->server.held = held;
    }
    return held;
}

uint8_t server_auth_ask(struct bl_gatt_conn *c, struct server_request *q,
                        const struct bl_gatt_attr *a, enum bl_event_kind kind, const uint8_t *value,
                        size_t n)
{
    struct bl_gatts *g = &c->gatt->server;

    q->handle = a->handle;
    if (!q->held)
        q->held = auth_keep(c, q);
    if (!q->held)
        return BL_ATT_INSUFFICIENT_RESOURCES;
    if (++g->last_request == 0)
        g->last_request = 1;
    q->held->request = g->last_request;
    q->held->asked = a->handle;
    q->waits = true;

    struct bl_event e = {
        .kind = kind,
        .gatt = {
            .conn = c->conn, .handle = a->handle, .request = g->last_request, .value = {value, n}}};
    bl_evq_push_value(c->gatt->events, &e);
    return 0;
}

/* ---- the reply ---- */

static struct bl_gatts_held *auth_find(struct bl_gatt *g, uint32_t request,
                                       struct bl_gatt_conn **ret)
{
    for (unsigned i = 0; i < g->n_conns; i++) {
        struct bl_gatts_conn *s = &g->conns[i]->server;

        *ret = g->conns[i];
        if (s->held && s->held->request == request)
            return s->held;
        list_each(pos, tmp, &s->commands)
        {
            struct bl_gatts_held *held = list_entry(pos, struct bl_gatts_held, link);
            if (held->request == request)
                return held;
        }
    }
    return NULL;
}

static int auth_grant(struct bl_gatts_held *held, const uint8_t *value, size_t n)
{
    struct server_grant grant = {.handle = held->asked, .has_value = value != NULL};

    if (held->n_grants == held->cap_grants) {
        unsigned cap = held->cap_grants ? held->cap_grants * 2 : 1;
        struct server_grant *grants = realloc(held->grants, cap * sizeof(*grants));
        if (!grants)
            return -ENOMEM;
        held->grants = grants;
        held->cap_grants = cap;
    }
    if (value && n > 0) {
        grant.len = (uint16_t)(n < BL_ATT_VALUE_MAX ? n : BL_ATT_VALUE_MAX);
        grant.value = malloc(grant.len);
        if (!grant.value)
            return -ENOMEM;
        memcpy(grant.value, value, grant.len);
    }
    held->grants[held->n_grants++] = grant;
    return 0;
}

/* Nothing of an Execute Write that was refused stays: Core 5.4, Vol 3, Part F, 3.4.6.3. */
static void auth_refuse(struct bl_gatt_conn *c, struct bl_gatts_held *held, uint8_t error)
{
    c->gatt->server.refused++;
    if (held->opcode == BL_ATT_EXECUTE_WRITE_REQ)
        server_write_drop(c);
    if (!auth_is_command(held))
        bl_att_refuse(&c->bearer, held->asked, error);
    server_auth_forget(c, held);
}

int bl_gatts_do_reply(struct bl_gatt *g, uint64_t now, uint32_t request, uint8_t error,
                      const uint8_t *value, size_t n)
{
    struct bl_gatt_conn *c = NULL;
    struct bl_gatts_held *held = request ? auth_find(g, request, &c) : NULL;

    if (!held)
        return -ENOENT;
    if (error) { /* tells nobody, so it is never put off */
        auth_refuse(c, held, error);
        return 0;
    }
    if (bl_evq_full(g->events))
        return -EAGAIN;
    int r = auth_grant(held, value, n);
    if (r < 0)
        return r;

    struct server_request q = {
        .opcode = held->opcode, .params = held->body, .n = held->n, .held = held};
    server_serve(c, now, &q);
    return 0;
}

/* ---- attributes that go ---- */

static void auth_removing_held(struct bl_gatt_conn *c, struct bl_gatts_held *held, uint16_t start,
                               uint16_t end)
{
    unsigned left = 0;

    if (held->asked >= start && held->asked <= end) {
        auth_refuse(c, held, BL_ATT_INVALID_HANDLE);
        return;
    }
    for (unsigned i = 0; i < held->n_grants; i++) {
        if (held->grants[i].handle >= start && held->grants[i].handle <= end)
            free(held->grants[i].value);
        else
            held->grants[left++] = held->grants[i];
    }
    held->n_grants = left;
}

void server_auth_removing(struct bl_gatt_conn *c, uint16_t start, uint16_t end)
{
    if (c->server.held)
        auth_removing_held(c, c->server.held, start, end);
    list_each(pos, tmp, &c->server.commands)
        auth_removing_held(c, list_entry(pos, struct bl_gatts_held, link), start, end);
}
