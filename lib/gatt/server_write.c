/* SPDX-License-Identifier: MIT */

/*
 * server_write.c: Write Request, Write Command, Signed Write Command, Prepare and Execute Write.
 *
 * Whatever way a value comes, it goes through the same three steps: check (may this be stored here,
 * and how much of it), ask (the application, where it wants to be), store (and tell).
 *
 * Prepared writes wait in the order in which they came. At the execution those of an attribute make
 * up one value: what the attribute has, or nothing where the first of them begins at offset 0, with
 * the parts laid over it. All attributes are checked, and room is made for all, before the first is
 * stored, so that an execution that fails has changed nothing.
 */

#include "crypto/crypto.h"
#include "gatt/server_internal.h"

#include <stdlib.h>
#include <string.h>

enum { WRITE_NAME_MAX = 248 /* Core 5.4, Vol 3, Part C, 12.1 */ };

/* ---- check ---- */

static bool write_is_features(const struct bl_gatt_conn *c, const struct bl_gatt_attr *a)
{
    return a->builtin && a->handle == c->gatt->server.client_features;
}

static bool write_is_name(const struct bl_gatt_conn *c, const struct bl_gatt_attr *a)
{
    return a->builtin && a->handle == c->gatt->server.device_name;
}

/* Whether the value may be stored, by its length and contents: 0 with *n cut to what is stored. */
static uint8_t write_check(struct bl_gatt_conn *c, const struct bl_gatt_attr *a,
                           const uint8_t *value, size_t *n)
{
    size_t room = a->max;

    if (a->kind == BL_GATT_ATTR_CCCD)
        return server_subs_check(a, value, *n);
    if (write_is_features(c, a))
        return server_subs_check_features(c, value, *n);
    if (write_is_name(c, a))
        room = WRITE_NAME_MAX;
    if (a->append)
        room = a->max > a->len ? (size_t)(a->max - a->len) : 0;
    if (*n <= room)
        return 0;
    if (!a->truncate && !a->append)
        return BL_ATT_INVALID_VALUE_LENGTH;
    *n = room;
    return 0;
}

/* ---- ask ---- */

/* 0 with the value that the application wants stored, or q->waits, or an ATT error. */
static uint8_t write_ask(struct bl_gatt_conn *c, struct server_request *q,
                         const struct bl_gatt_attr *a, const uint8_t **value, size_t *n)
{
    if (!server_auth_writes(a))
        return 0;
    const struct server_grant *grant = server_auth_granted(q, a->handle);
    if (!grant)
        return server_auth_ask(c, q, a, BL_EV_GATTS_WRITE, *value, *n);
    if (grant->has_value) {
        size_t room = (size_t)BL_ATT_VALUE_MAX - (a->append ? a->len : 0);
        *value = grant->value;
        *n = grant->len < room ? grant->len : room;
    }
    return 0;
}

/* ---- store ---- */

/* Makes room, so that write_store() cannot fail. cccds: new subscriptions of this execution. */
static uint8_t write_reserve(struct bl_gatt_conn *c, struct bl_gatt_attr *a, const uint8_t *value,
                             size_t n, unsigned *cccds)
{
    size_t cap = a->append ? a->len + n : n;

    if (a->kind == BL_GATT_ATTR_CCCD) {
        *cccds += server_subs_is_new(c, a, value[0]);
        return server_subs_reserve(c, *cccds);
    }
    if (write_is_features(c, a) || cap <= a->cap)
        return 0;
    uint8_t *grown = realloc(a->value, cap);
    if (!grown)
        return BL_ATT_INSUFFICIENT_RESOURCES;
    a->value = grown;
    a->cap = (uint16_t)cap;
    return 0;
}

static void write_store(struct bl_gatt_conn *c, struct bl_gatt_attr *a, const uint8_t *value,
                        size_t n)
{
    c->gatt->server.writes++;
    if (a->kind == BL_GATT_ATTR_CCCD) {
        server_subs_store(c, a, value[0]);
        return;
    }
    if (write_is_features(c, a)) {
        server_subs_store_features(c, value[0]);
        return;
    }
    (void)bl_gatt_db_store(a, a->append ? a->len : 0, value, n, false); /* room was made */
    if (a->builtin && !write_is_name(c, a))
        return;
    struct bl_event e = {.kind = a->builtin ? BL_EV_NAME_WRITTEN : BL_EV_GATTS_WRITTEN,
                         .gatt = {.conn = c->conn, .handle = a->handle, .value = {value, n}}};
    bl_evq_push_value(c->gatt->events, &e);
}

/* ---- Write Request and Write Command: Core 5.4, Vol 3, Part F, 3.4.5.1 and 3.4.5.3 ---- */

static uint8_t write_value(struct bl_gatt_conn *c, struct server_request *q, uint16_t handle,
                           enum bl_gatt_access access, const uint8_t *value, size_t n)
{
    struct bl_gatt_attr *a;
    unsigned cccds = 0;

    uint8_t error = server_find(c, q, handle, access, &a);
    if (!error)
        error = write_check(c, a, value, &n);
    if (!error)
        error = write_ask(c, q, a, &value, &n);
    if (error || q->waits)
        return error;
    error = write_reserve(c, a, value, n, &cccds);
    if (!error)
        write_store(c, a, value, n);
    return error;
}

/* An answer of the opcode alone. */
static void write_respond(struct bl_gatt_conn *c, uint8_t answer)
{
    struct wr w = {0};
    struct buf *pdu = bl_att_new(&c->bearer, 1, &w);

    if (pdu)
        wr_u8(&w, answer);
    bl_att_respond(&c->bearer, pdu, &w);
}

uint8_t server_write(struct bl_gatt_conn *c, uint64_t now, struct server_request *q)
{
    (void)now;
    bool command = q->opcode == BL_ATT_WRITE_CMD;
    uint16_t handle = rd_u16(&q->body);
    size_t n = q->body.left;
    const uint8_t *value = rd_bytes(&q->body, n);

    uint8_t error = write_value(c, q, handle,
                                command ? BL_GATT_ACCESS_COMMAND : BL_GATT_ACCESS_WRITE, value, n);
    if (!error && !q->waits && !command)
        write_respond(c, BL_ATT_WRITE_RSP);
    return error;
}

/* ---- Signed Write Command: Core 5.4, Vol 3, Part F, 3.4.5.4 ---- */

enum { WRITE_COUNTER_LEN = 4, WRITE_MAC_LEN = 8, WRITE_SIGNATURE_LEN = 12 };

static void write_reverse(uint8_t *to, const uint8_t *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = from[n - 1 - i];
}

/* The signature is made over the opcode, the parameters and SignCounter, and is the most
 * significant half of the CMAC. Core 5.4, Vol 3, Part H, 2.4.5. */
static bool write_mac_is_right(const struct bl_gatt_conn *c, const struct server_request *q)
{
    uint8_t message[BL_ATT_MTU_MAX], key[16], mac[16], sent[WRITE_MAC_LEN];
    size_t n = q->n - WRITE_MAC_LEN;

    if (n + 1 > sizeof(message))
        return false;
    write_reverse(message, q->params, n);
    message[n] = q->opcode;
    write_reverse(key, c->signing.remote, sizeof(key));
    write_reverse(sent, q->params + n, sizeof(sent));

    int r = bl_crypto_cmac(key, message, n + 1, mac);
    bl_crypto_wipe(key, sizeof(key));
    return r == 0 && bl_crypto_equal(mac, sent, sizeof(sent));
}

static bool write_is_authentic(struct bl_gatt_conn *c, const struct server_request *q)
{
    if (!c->signing.has_remote || q->n < WRITE_SIGNATURE_LEN)
        return false;

    struct rd r = rd_make(q->params + q->n - WRITE_SIGNATURE_LEN, WRITE_COUNTER_LEN);
    uint32_t counter = rd_u32(&r);
    if (counter < c->signing.remote_counter || counter == UINT32_MAX)
        return false; /* seen already, or the last one there is */
    if (!write_mac_is_right(c, q))
        return false;
    c->signing.remote_counter = counter + 1;
    bl_gatt_changed(c);
    return true;
}

uint8_t server_write_signed(struct bl_gatt_conn *c, uint64_t now, struct server_request *q)
{
    (void)now;
    uint16_t handle = rd_u16(&q->body);

    /* Once only: what has waited for the application has been found right before. */
    if (!q->held && !write_is_authentic(c, q))
        return BL_ATT_INSUFFICIENT_AUTHENTICATION;
    size_t n = q->body.left - WRITE_SIGNATURE_LEN;
    return write_value(c, q, handle, BL_GATT_ACCESS_SIGNED, rd_bytes(&q->body, n), n);
}

/* ---- Prepare Write: Core 5.4, Vol 3, Part F, 3.4.6.1 ---- */

struct bl_gatts_prepared {
    struct list link;
    uint16_t handle, offset;
    uint16_t n;
    bool gone; /* its attribute */
    uint8_t value[];
};

static struct bl_gatts_prepared *write_entry(struct list *pos)
{
    return list_entry(pos, struct bl_gatts_prepared, link);
}

void server_write_drop(struct bl_gatt_conn *c)
{
    for (struct list *pos; (pos = list_pop(&c->server.prepared));)
        free(write_entry(pos));
    c->server.n_prepared = 0;
    c->server.prepared_bytes = 0;
}

void server_write_removing(struct bl_gatt_conn *c, uint16_t start, uint16_t end)
{
    list_each(pos, tmp, &c->server.prepared)
    {
        struct bl_gatts_prepared *p = write_entry(pos);
        if (p->handle >= start && p->handle <= end)
            p->gone = true;
    }
}

uint8_t server_write_prepare(struct bl_gatt_conn *c, uint64_t now, struct server_request *q)
{
    (void)now;
    struct bl_gatts_conn *s = &c->server;
    uint16_t handle = rd_u16(&q->body), offset = rd_u16(&q->body);
    size_t n = q->body.left;
    struct bl_gatt_attr *a;
    struct wr w;

    uint8_t error = server_find(c, q, handle, BL_GATT_ACCESS_WRITE, &a);
    if (error)
        return error;
    if (s->n_prepared == BL_MAX_PREPARED || n > BL_MAX_PREPARED_BYTES - s->prepared_bytes)
        return BL_ATT_PREPARE_QUEUE_FULL;
    struct buf *pdu = bl_att_new(&c->bearer, 1 + q->n, &w);
    struct bl_gatts_prepared *p = malloc(sizeof(*p) + n);
    if (!pdu || !p) {
        buf_free(pdu);
        free(p);
        return BL_ATT_INSUFFICIENT_RESOURCES;
    }

    *p = (struct bl_gatts_prepared){.handle = handle, .offset = offset, .n = (uint16_t)n};
    rd_copy(&q->body, p->value, n);
    list_append(&s->prepared, &p->link);
    s->n_prepared++;
    s->prepared_bytes += n;
    wr_u8(&w, BL_ATT_PREPARE_WRITE_RSP);
    wr_bytes(&w, q->params, q->n); /* the echo: 3.4.6.2 */
    bl_att_respond(&c->bearer, pdu, &w);
    return 0;
}

/* ---- Execute Write: Core 5.4, Vol 3, Part F, 3.4.6.3 ---- */

enum { WRITE_CANCEL = 0, WRITE_EXECUTE = 1 };

struct write_whole { /* what an attribute is to be */
    struct bl_gatt_attr *a;
    const uint8_t *value;
    size_t n;
    uint8_t parts[BL_ATT_VALUE_MAX];
};

/* The first of its attribute in the queue. */
static bool write_is_first(struct bl_gatt_conn *c, const struct bl_gatts_prepared *p)
{
    list_each(pos, tmp, &c->server.prepared)
    {
        const struct bl_gatts_prepared *other = write_entry(pos);
        if (other->handle == p->handle)
            return other == p;
    }
    return true;
}

/* What the first part is laid over. */
static uint8_t write_base(struct bl_gatt_conn *c, const struct bl_gatts_prepared *first,
                          struct write_whole *whole)
{
    struct server_value v;

    whole->n = 0;
    if (first->offset == 0 || whole->a->append)
        return 0;
    uint8_t error = server_read_view(c, whole->a, &v);
    if (error)
        return error;
    whole->n = v.len;
    if (v.len > 0)
        memcpy(whole->parts, v.data, v.len);
    return 0;
}

/* All parts of the first one's attribute, in the order in which they came. */
static uint8_t write_join(struct bl_gatt_conn *c, const struct bl_gatts_prepared *first,
                          struct write_whole *whole)
{
    uint8_t error = write_base(c, first, whole);

    list_each(pos, tmp, &c->server.prepared)
    {
        const struct bl_gatts_prepared *p = write_entry(pos);

        if (error)
            return error;
        if (p->handle != first->handle)
            continue;
        if (p->offset > whole->n)
            error = BL_ATT_INVALID_OFFSET;
        else if (p->n > BL_ATT_VALUE_MAX - p->offset)
            error = BL_ATT_INVALID_VALUE_LENGTH;
        else if (p->n > 0)
            memcpy(whole->parts + p->offset, p->value, p->n);
        if (!error && whole->n < (size_t)p->offset + p->n)
            whole->n = (size_t)p->offset + p->n;
    }
    whole->value = whole->parts;
    return error;
}

/* One attribute's value, checked and, where the application is asked, granted. */
static uint8_t write_whole(struct bl_gatt_conn *c, struct server_request *q,
                           const struct bl_gatts_prepared *first, struct write_whole *whole)
{
    uint8_t error = server_find(c, q, first->handle, BL_GATT_ACCESS_WRITE, &whole->a);

    if (first->gone)
        return BL_ATT_INVALID_HANDLE;
    if (!error)
        error = write_join(c, first, whole);
    if (!error)
        error = write_check(c, whole->a, whole->parts, &whole->n);
    if (!error)
        error = write_ask(c, q, whole->a, &whole->value, &whole->n);
    return error;
}

static uint8_t write_check_all(struct bl_gatt_conn *c, struct server_request *q)
{
    struct write_whole whole;
    unsigned cccds = 0;
    size_t bytes = 0;

    list_each(pos, tmp, &c->server.prepared)
    {
        const struct bl_gatts_prepared *p = write_entry(pos);

        if (!write_is_first(c, p))
            continue;
        uint8_t error = write_whole(c, q, p, &whole);
        if (error || q->waits)
            return error;
        bytes += whole.n;
        if (bytes > BL_MAX_EXECUTED_BYTES)
            return BL_ATT_INSUFFICIENT_RESOURCES;
        error = write_reserve(c, whole.a, whole.value, whole.n, &cccds);
        if (error)
            return error;
    }
    return 0;
}

static void write_store_all(struct bl_gatt_conn *c, struct server_request *q)
{
    struct write_whole whole;

    list_each(pos, tmp, &c->server.prepared)
    {
        const struct bl_gatts_prepared *p = write_entry(pos);

        if (write_is_first(c, p) && write_whole(c, q, p, &whole) == 0)
            write_store(c, whole.a, whole.value, whole.n);
    }
}

uint8_t server_write_execute(struct bl_gatt_conn *c, uint64_t now, struct server_request *q)
{
    (void)now;
    uint8_t flags = rd_u8(&q->body), error = 0;

    if (flags > WRITE_EXECUTE)
        return BL_ATT_INVALID_PDU;
    if (flags == WRITE_EXECUTE) {
        error = write_check_all(c, q);
        if (q->waits)
            return error;
        if (!error)
            write_store_all(c, q);
    }
    server_write_drop(c);
    if (!error)
        write_respond(c, BL_ATT_EXECUTE_WRITE_RSP);
    return error;
}
