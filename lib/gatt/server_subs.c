/* SPDX-License-Identifier: MIT */

/*
 * server_subs.c: what the server remembers of a client: its CCCDs, the features it has written, and
 * whether it knows the database as it is.
 *
 * CCCDs that are not 0 stand in an array by their characteristic's value handle; it is searched by
 * halves. Room is made before anything is stored, and what was made is kept.
 *
 * Change awareness, Core 5.4, Vol 3, Part G, 2.5.2.1, is followed for every client and concerns
 * those that have written the Robust Caching bit:
 *
 *     aware --the database changes--> unaware
 *     unaware --a request by handle--> refused with Database Out Of Sync: told
 *     unaware --Database Hash is read--> told
 *     told --any request--> aware, and the request is served
 *     unaware, told --Service Changed is confirmed, no further change--> aware
 */

#include "gatt/db_internal.h"
#include "gatt/server_internal.h"

#include <stdlib.h>
#include <string.h>

enum { SUBS_NOTIFY = 0x01, SUBS_INDICATE = 0x02 }; /* Core 5.4, Vol 3, Part G, 3.3.3.3 */

/* Client Supported Features, octet 0: Core 5.4, Vol 3, Part G, 7.2. */
enum { SUBS_ROBUST_CACHING = 0x01, SUBS_FEATURES = 0x07 };

/* ---- CCCDs ---- */

/* Where that handle stands, or would. */
static unsigned subs_index(const struct bl_gatts_conn *s, uint16_t value_handle)
{
    unsigned low = 0, high = s->n_cccds;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;

        if (s->cccds[middle].value_handle < value_handle)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint8_t bl_gatts_bits(const struct bl_gatt_conn *c, uint16_t value_handle)
{
    const struct bl_gatts_conn *s = &c->server;
    unsigned i = subs_index(s, value_handle);

    return i < s->n_cccds && s->cccds[i].value_handle == value_handle ? s->cccds[i].bits : 0;
}

uint8_t server_subs_check(const struct bl_gatt_attr *a, const uint8_t *value, size_t n)
{
    uint8_t allowed = 0;

    if (n != 2)
        return BL_ATT_INVALID_VALUE_LENGTH;
    if (a->flags & BL_GATT_NOTIFY)
        allowed |= SUBS_NOTIFY;
    if (a->flags & BL_GATT_INDICATE)
        allowed |= SUBS_INDICATE;
    return (value[0] & ~allowed) || value[1] ? BL_ATT_VALUE_NOT_ALLOWED : 0;
}

bool server_subs_is_new(const struct bl_gatt_conn *c, const struct bl_gatt_attr *a, uint8_t bits)
{
    return bits && !bl_gatts_bits(c, a->value_handle);
}

uint8_t server_subs_reserve(struct bl_gatt_conn *c, unsigned more)
{
    struct bl_gatts_conn *s = &c->server;
    unsigned need = s->n_cccds + more, cap = s->cap_cccds ? s->cap_cccds : 4;

    if (need <= s->cap_cccds)
        return 0;
    if (need > BL_MAX_CCCDS)
        return BL_ATT_INSUFFICIENT_RESOURCES;
    while (cap < need)
        cap *= 2;
    struct bl_gatts_cccd *cccds = realloc(s->cccds, cap * sizeof(*cccds));
    if (!cccds)
        return BL_ATT_INSUFFICIENT_RESOURCES;
    s->cccds = cccds;
    s->cap_cccds = cap;
    return 0;
}

static void subs_tell(struct bl_gatt_conn *c, uint16_t value_handle, uint8_t bits)
{
    const struct bl_gatt_attr *a = bl_gatt_db_get(&c->gatt->db, value_handle);

    if (!a || a->builtin)
        return;
    struct bl_event e = {.kind = BL_EV_GATTS_SUBSCRIBED,
                         .gatt = {.conn = c->conn, .handle = value_handle, .bits = bits}};
    bl_evq_push(c->gatt->events, &e);
}

void server_subs_store(struct bl_gatt_conn *c, const struct bl_gatt_attr *a, uint8_t bits)
{
    struct bl_gatts_conn *s = &c->server;
    unsigned i = subs_index(s, a->value_handle);

    if (bl_gatts_bits(c, a->value_handle) == bits)
        return;
    if (i < s->n_cccds && s->cccds[i].value_handle == a->value_handle) {
        s->cccds[i].bits = bits;
        if (bits == 0)
            memmove(&s->cccds[i], &s->cccds[i + 1], (--s->n_cccds - i) * sizeof(*s->cccds));
    } else {
        memmove(&s->cccds[i + 1], &s->cccds[i], (s->n_cccds++ - i) * sizeof(*s->cccds));
        s->cccds[i] = (struct bl_gatts_cccd){a->value_handle, bits};
    }
    bl_gatt_changed(c);
    subs_tell(c, a->value_handle, bits);
}

/* The link has ended, and its subscriptions with it. */
void server_subs_drop(struct bl_gatt_conn *c)
{
    struct bl_gatts_conn *s = &c->server;

    for (unsigned i = 0; i < s->n_cccds; i++)
        subs_tell(c, s->cccds[i].value_handle, 0);
    free(s->cccds);
    s->cccds = NULL;
    s->n_cccds = s->cap_cccds = 0;
}

void server_subs_removing(struct bl_gatt_conn *c, uint16_t start, uint16_t end)
{
    struct bl_gatts_conn *s = &c->server;
    unsigned left = 0;

    for (unsigned i = 0; i < s->n_cccds; i++)
        if (s->cccds[i].value_handle < start || s->cccds[i].value_handle > end)
            s->cccds[left++] = s->cccds[i];
    if (left != s->n_cccds)
        bl_gatt_changed(c);
    s->n_cccds = left;
}

/* ---- Client Supported Features: Core 5.4, Vol 3, Part G, 7.2 ---- */

/* Bits that the client has set stay; those that have no meaning yet are ignored, and so are
 * octets. */
uint8_t server_subs_check_features(const struct bl_gatt_conn *c, const uint8_t *value, size_t n)
{
    if (n == 0)
        return BL_ATT_INVALID_VALUE_LENGTH;
    return c->server.features & ~value[0] ? BL_ATT_VALUE_NOT_ALLOWED : 0;
}

void server_subs_store_features(struct bl_gatt_conn *c, uint8_t octet)
{
    c->server.features = octet & SUBS_FEATURES;
    bl_gatt_changed(c);
}

/* ---- robust caching ---- */

static bool subs_is_robust(const struct bl_gatt_conn *c)
{
    return c->server.features & SUBS_ROBUST_CACHING;
}

bool server_subs_may_tell(const struct bl_gatt_conn *c)
{
    return c->server.aware || !subs_is_robust(c);
}

/* Discovery goes on as it is; what names handles that the client may remember is refused: all that
 * is by handle, and Read By Type in a part of the handles but for includes and characteristics. */
static bool subs_is_stale(const struct server_request *q, bool by_handle, uint16_t *ret_handle)
{
    struct rd r = rd_make(q->params, q->n);
    uint16_t start = rd_u16(&r), end = rd_u16(&r), type = r.left == 2 ? rd_u16(&r) : 0;

    *ret_handle = start;
    if (q->opcode != BL_ATT_READ_BY_TYPE_REQ)
        return by_handle;
    return type != BL_GATT_TYPE_INCLUDE && type != BL_GATT_TYPE_CHARACTERISTIC &&
           (start != 0x0001 || end != 0xffff);
}

uint8_t server_subs_sync(struct bl_gatt_conn *c, struct server_request *q, bool by_handle)
{
    struct bl_gatts_conn *s = &c->server;

    if (s->aware)
        return 0;
    if (server_is_command(q->opcode))
        return subs_is_robust(c) ? BL_ATT_DATABASE_OUT_OF_SYNC : 0;
    if (s->told) {
        s->aware = true;
        s->told = false;
        bl_gatt_changed(c);
        return 0;
    }
    if (!subs_is_robust(c) || !subs_is_stale(q, by_handle, &q->handle))
        return 0;
    s->told = true;
    return BL_ATT_DATABASE_OUT_OF_SYNC;
}

/* ---- Service Changed: Core 5.4, Vol 3, Part G, 7.1 ---- */

/* What it was not told of yet becomes one range. */
static void subs_changed(struct bl_gatt_conn *c, uint16_t start, uint16_t end)
{
    struct bl_gatts_conn *s = &c->server;

    s->aware = s->told = false;
    bl_gatt_changed(c);
    if (!(bl_gatts_bits(c, c->gatt->server.service_changed) & SUBS_INDICATE))
        return;
    if (s->changed_start == 0 || start < s->changed_start)
        s->changed_start = start;
    if (end > s->changed_end)
        s->changed_end = end;
}

void bl_gatts_changed(struct bl_gatt *g, uint64_t now, uint16_t start, uint16_t end)
{
    (void)now;
    for (unsigned i = 0; i < g->n_conns; i++)
        subs_changed(g->conns[i], start, end);
}
