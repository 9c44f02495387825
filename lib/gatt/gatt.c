/* SPDX-License-Identifier: MIT */

/*
 * The composite: PDUs from the bearer to the half that they concern, turns, time, and the end.
 *
 *     opened --> running --bl_gatt_close--> gone
 *                   '--30 s without an answer--> dead: told once, nothing sent, until closed
 *
 * A timer a connection, set to its bearer's deadline.
 */

#include "gatt/gatt.h"

#include "base/cleanup.h"
#include "crypto/crypto.h"

#include <errno.h>
#include <stdlib.h>

#define GATT_MTU_DEFAULT 256 /* as bl_config.mtu says of 0 */

static uint16_t gatt_offered(const struct bl_gatt *g)
{
    uint16_t mtu = g->config->mtu ? g->config->mtu : GATT_MTU_DEFAULT;

    return mtu < BL_ATT_MTU_MIN ? BL_ATT_MTU_MIN : mtu > BL_ATT_MTU_MAX ? BL_ATT_MTU_MAX : mtu;
}

int bl_gatt_init(struct bl_gatt *g, struct bl_hci *hci, const struct bl_env *env,
                 struct bl_evq *events, const struct bl_config *config)
{
    *g = (struct bl_gatt){.hci = hci, .env = env, .events = events, .config = config};
    list_init(&g->due);
    int r = bl_gatt_db_init(&g->db);
    if (r < 0)
        return r;
    return bl_gatts_builtin_init(g);
}

static void gatt_free(struct bl_gatt *g, struct bl_gatt_conn *c)
{
    timerq_cancel(&g->timers, &c->timer);
    list_remove(&c->due);
    bl_crypto_wipe(&c->signing, sizeof(c->signing));
    free(c);
}

void bl_gatt_deinit(struct bl_gatt *g)
{
    while (g->n_conns > 0)
        bl_gatt_close(g, 0, g->conns[0]->conn, BL_NOT_ACTIVE);
    bl_gatt_db_deinit(&g->db);
}

void bl_gatt_configured(struct bl_gatt *g, uint64_t now)
{
    uint16_t offered = gatt_offered(g);

    for (unsigned i = 0; i < g->n_conns; i++) {
        struct bl_att_bearer *b = &g->conns[i]->bearer;
        if (!b->answered && !b->asked && b->request != BL_ATT_MTU_REQ)
            b->offered = offered;
    }
    bl_gatts_builtin_configured(g, now);
}

struct bl_gatt_conn *bl_gatt_find(const struct bl_gatt *g, uint16_t conn)
{
    for (unsigned i = 0; i < g->n_conns; i++)
        if (g->conns[i]->conn == conn)
            return g->conns[i];
    return NULL;
}

void bl_gatt_due(struct bl_gatt_conn *c)
{
    if (list_empty(&c->due))
        list_append(&c->gatt->due, &c->due);
}

void bl_gatt_due_all(struct bl_gatt *g)
{
    for (unsigned i = 0; i < g->n_conns; i++)
        bl_gatt_due(g->conns[i]);
}

/* ---- life ---- */

int bl_gatt_open(struct bl_gatt *g, uint64_t now, uint16_t conn, uint16_t handle, enum bl_role role)
{
    struct bl_gatt_conn *c = g->n_conns < BL_MAX_LINKS ? calloc(1, sizeof(*c)) : NULL;

    if (!c)
        return -ENOMEM;
    c->gatt = g;
    c->conn = conn;
    c->role = role;
    list_init(&c->due);
    bl_att_open(&c->bearer, g->hci, g->events, handle, gatt_offered(g));
    bl_gattc_open(c);
    int r = bl_gatts_open(c, now);
    if (r < 0) {
        gatt_free(g, c);
        return r;
    }
    g->conns[g->n_conns++] = c;
    bl_gatt_due(c);
    return 0;
}

static void gatt_forget(struct bl_gatt *g, uint16_t conn)
{
    unsigned n = 0;

    for (unsigned i = 0; i < g->n_dead; i++)
        if (g->dead[i] != conn)
            g->dead[n++] = g->dead[i];
    g->n_dead = n;
}

/* The controller may have given the handle to another link by now: nothing may be sent. */
void bl_gatt_close(struct bl_gatt *g, uint64_t now, uint16_t conn, bl_status status)
{
    unsigned i = 0;

    while (i < g->n_conns && g->conns[i]->conn != conn)
        i++;
    if (i == g->n_conns)
        return;
    struct bl_gatt_conn *c = g->conns[i];
    g->conns[i] = g->conns[--g->n_conns];
    c->bearer.dead = true;
    bl_gattc_close(c, now, status);
    bl_gatts_close(c, now, status);
    bl_att_close(&c->bearer, status);
    g->unexpected += c->bearer.unexpected;
    g->invalid += c->bearer.invalid;
    g->nonsense += c->client.nonsense;
    gatt_forget(g, conn);
    gatt_free(g, c);
}

void bl_gatt_set_security(struct bl_gatt *g, uint64_t now, uint16_t conn,
                          const struct bl_gatt_security *security)
{
    struct bl_gatt_conn *c = bl_gatt_find(g, conn);

    (void)now;
    if (c) {
        c->security = *security;
        bl_gatt_due(c);
    }
}

void bl_gatt_set_signing(struct bl_gatt *g, uint16_t conn, const struct bl_gatt_signing *signing)
{
    struct bl_gatt_conn *c = bl_gatt_find(g, conn);

    if (c)
        c->signing = *signing;
}

/* ---- input ---- */

static void gatt_mtu_event(struct bl_gatt_conn *c)
{
    bl_evq_push(
        c->gatt->events,
        &(struct bl_event){.kind = BL_EV_MTU, .mtu = {.conn = c->conn, .mtu = c->bearer.mtu}});
}

/* What has changed concerns every client from then on, before its next request is served: one that
 * keeps a cache must not be given what stands at a handle now for what stood there. Core 5.4, Vol
 * 3, Part G, 2.5.2.1. */
static void gatt_changes(struct bl_gatt *g, uint64_t now)
{
    uint16_t start, end;

    if (bl_gatt_db_changes(&g->db, &start, &end)) {
        bl_gatts_changed(g, now, start, end);
        bl_gatt_due_all(g);
    }
}

void bl_gatt_pdu(struct bl_gatt *g, uint64_t now, uint16_t conn, const uint8_t *data, size_t n)
{
    struct bl_gatt_conn *c = bl_gatt_find(g, conn);
    struct bl_att_pdu pdu;

    if (!c)
        return;
    gatt_changes(g, now);
    bl_gatt_due(c);
    enum bl_att_in in = bl_att_receive(&c->bearer, now, data, n, &pdu);
    switch (in) {
    case BL_ATT_IN_NONE:
        break;
    case BL_ATT_IN_MTU:
        gatt_mtu_event(c);
        break;
    case BL_ATT_IN_REQUEST:
    case BL_ATT_IN_COMMAND:
    case BL_ATT_IN_CONFIRM:
        bl_gatts_pdu(c, now, &pdu);
        break;
    case BL_ATT_IN_RESPONSE:
        if (pdu.opcode == BL_ATT_MTU_RSP)
            gatt_mtu_event(c);
        bl_gattc_pdu(c, now, in, &pdu);
        break;
    case BL_ATT_IN_ERROR:
    case BL_ATT_IN_NONSENSE:
    case BL_ATT_IN_NOTIFY:
    case BL_ATT_IN_INDICATE:
        bl_gattc_pdu(c, now, in, &pdu);
        break;
    }
}

/* ---- turns and time ---- */

static void gatt_turn(struct bl_gatt *g, uint64_t now, struct bl_gatt_conn *c)
{
    (void)bl_att_flush(&c->bearer, now);
    bl_gatts_step(c, now);
    bl_gattc_step(c, now);
    if (bl_att_waits(&c->bearer))
        bl_gatt_due(c);

    uint64_t at = bl_att_deadline(&c->bearer);
    if (at == TIMERQ_NEVER)
        timerq_cancel(&g->timers, &c->timer);
    else if (!c->timer.set || c->timer.at != at)
        timerq_set(&g->timers, &c->timer, at);
}

/* Each once: what waits for room stands in line for the next call. */
void bl_gatt_step(struct bl_gatt *g, uint64_t now)
{
    struct list turns;

    gatt_changes(g, now);
    if (list_empty(&g->due))
        return;
    turns = g->due;
    turns.next->prev = turns.prev->next = &turns;
    list_init(&g->due);
    while (!list_empty(&turns))
        gatt_turn(g, now, list_entry(list_pop(&turns), struct bl_gatt_conn, due));
}

uint64_t bl_gatt_deadline(const struct bl_gatt *g)
{
    return g->db.changed_start ? 0 : timerq_next(&g->timers);
}

static void gatt_expired(struct bl_gatt *g, uint64_t now, struct bl_gatt_conn *c)
{
    bl_gatt_due(c);
    if (!bl_att_tick(&c->bearer, now))
        return;
    g->timeouts++;
    g->dead[g->n_dead++] = c->conn;
    if (c->bearer.request_until <= now)
        bl_gattc_timeout(c, now);
    if (c->bearer.indicate_until <= now)
        bl_gatts_timeout(c, now);
}

void bl_gatt_tick(struct bl_gatt *g, uint64_t now)
{
    struct timer *t;

    while ((t = timerq_pop(&g->timers, now)))
        gatt_expired(g, now, (struct bl_gatt_conn *)(void *)t); /* its first member */
}

uint16_t bl_gatt_pop_dead(struct bl_gatt *g)
{
    return g->n_dead > 0 ? g->dead[--g->n_dead] : 0;
}

bool bl_gatt_counter(const struct bl_gatt *g, size_t index, const char **ret_name,
                     uint64_t *ret_value)
{
    uint64_t unexpected = g->unexpected, invalid = g->invalid, nonsense = g->nonsense;

    for (unsigned i = 0; i < g->n_conns; i++) {
        unexpected += g->conns[i]->bearer.unexpected;
        invalid += g->conns[i]->bearer.invalid;
        nonsense += g->conns[i]->client.nonsense;
    }
    const struct {
        const char *name;
        uint64_t value;
    } table[] = {
        {"attributes", g->db.n_attrs},
        {"att-unexpected", unexpected},
        {"att-invalid", invalid},
        {"att-timeouts", g->timeouts},
        {"gatts-reads", g->server.reads},
        {"gatts-writes", g->server.writes},
        {"gatts-notifications", g->server.notifications},
        {"gatts-indications", g->server.indications},
        {"gatts-refused", g->server.refused},
        {"gatts-commands-dropped", g->server.commands_dropped},
        {"gattc-nonsense", nonsense},
    };

    if (index >= ARRAY_LEN(table))
        return false;
    *ret_name = table[index].name;
    *ret_value = table[index].value;
    return true;
}
