/* SPDX-License-Identifier: MIT */

/*
 * server_read.c: Read, Read Blob, Read Multiple, Read Multiple Variable Length, Read By Type.
 *
 * A value is what this client sees: the database's, or for CCCDs and Client Supported Features the
 * client's own, or what the application put in its place when it was asked.
 *
 * A long read is a read and the blobs that go on where it ended. What it began with is kept until
 * its end, so that a client never gets halves of two values, and the application is asked, or told,
 * once for all of it.
 */

#include "gatt/db_internal.h"
#include "gatt/server_internal.h"

#include <stdlib.h>
#include <string.h>

static size_t read_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- what there is to read ---- */

uint8_t server_read_view(struct bl_gatt_conn *c, const struct bl_gatt_attr *a,
                         struct server_value *ret)
{
    const struct bl_gatts *g = &c->gatt->server;

    if (a->kind == BL_GATT_ATTR_CCCD) {
        ret->own[0] = bl_gatts_bits(c, a->value_handle);
        ret->own[1] = 0;
        ret->data = ret->own;
        ret->len = 2;
    } else if (a->builtin && a->handle == g->client_features) {
        ret->own[0] = c->server.features;
        ret->data = ret->own;
        ret->len = 1;
    } else if (a->builtin && a->handle == g->database_hash) {
        ret->len = 16;
        if (bl_gatt_db_hash(&c->gatt->db, &ret->data) < 0)
            return BL_ATT_UNLIKELY_ERROR;
    } else {
        ret->data = a->value;
        ret->len = a->len;
    }
    return 0;
}

/* The same with the application asked where it wants to be. */
static uint8_t read_value(struct bl_gatt_conn *c, struct server_request *q,
                          const struct bl_gatt_attr *a, struct server_value *ret)
{
    const struct server_grant *grant;

    /* The next request makes it aware of what it now reads: Part G, 2.5.2.1. */
    if (a->builtin && a->handle == c->gatt->server.database_hash)
        c->server.told = !c->server.aware;
    if (!server_auth_reads(a))
        return server_read_view(c, a, ret);
    grant = server_auth_granted(q, a->handle);
    if (!grant)
        return server_auth_ask(c, q, a, BL_EV_GATTS_READ, NULL, 0);
    if (!grant->has_value)
        return server_read_view(c, a, ret);
    ret->data = grant->value;
    ret->len = grant->len;
    return 0;
}

/* Notes a read that is about to be answered with the first n octets of v, and tells of it where
 * that is wanted. */
static void read_tell(struct bl_gatt_conn *c, struct bl_gatt_attr *a, const struct server_value *v,
                      size_t n)
{
    c->gatt->server.reads++;
    a->was_read = true;
    if (!a->read_events || a->builtin)
        return;
    struct bl_event e = {
        .kind = server_auth_reads(a) ? BL_EV_GATTS_SERVED : BL_EV_GATTS_READ,
        .gatt = {.conn = c->conn, .handle = a->handle, .value = {v->data, read_min(v->len, n)}}};
    bl_evq_push_value(c->gatt->events, &e);
}

/* ---- long reads ---- */

void server_read_drop(struct bl_gatt_conn *c)
{
    free(c->server.long_value);
    c->server.long_value = NULL;
    c->server.long_handle = 0;
}

/* Keeps what may be asked for next. Without memory the next blob is a new read. */
static void read_keep(struct bl_gatt_conn *c, uint16_t handle, const struct server_value *v,
                      size_t next)
{
    struct bl_gatts_conn *s = &c->server;

    if (!s->long_value) {
        s->long_value = malloc(v->len);
        if (!s->long_value)
            return;
        memcpy(s->long_value, v->data, v->len);
        s->long_handle = handle;
        s->long_len = (uint16_t)v->len;
    }
    s->long_next = (uint16_t)next;
}

static bool read_goes_on(const struct bl_gatt_conn *c, uint16_t handle, uint16_t offset)
{
    const struct bl_gatts_conn *s = &c->server;

    return offset > 0 && s->long_value && s->long_handle == handle && s->long_next == offset;
}

/* Core 5.4, Vol 3, Part F, 3.4.4.3 and 3.4.4.5. A blob of a value that is short is answered by what
 * there is behind the offset, nothing at its end: Attribute Not Long is for servers that cannot. */
static uint8_t read_at(struct bl_gatt_conn *c, struct server_request *q, uint16_t handle,
                       uint16_t offset, uint8_t answer)
{
    struct bl_gatt_attr *a;
    struct server_value v = {0};
    struct wr w;

    uint8_t error = server_find(c, q, handle, BL_GATT_ACCESS_READ, &a);
    if (error)
        return error;

    bool goes_on = read_goes_on(c, handle, offset);
    if (goes_on) {
        v.data = c->server.long_value;
        v.len = c->server.long_len;
    } else {
        server_read_drop(c);
        error = read_value(c, q, a, &v);
        if (error || q->waits)
            return error;
    }
    if (offset > v.len)
        return BL_ATT_INVALID_OFFSET;

    size_t room = (size_t)c->bearer.mtu - 1, n = read_min(v.len - offset, room);
    struct buf *pdu = bl_att_new(&c->bearer, 1 + n, &w);
    if (!pdu)
        return BL_ATT_INSUFFICIENT_RESOURCES;
    wr_u8(&w, answer);
    if (n > 0) /* an empty value may have no octets to point at */
        wr_bytes(&w, v.data + offset, n);
    if (!goes_on)
        read_tell(c, a, &v, v.len); /* all that a long read will get */
    /* A full answer makes the client ask for more, though there be none. */
    if (v.len > offset + n || (n == room && (server_auth_reads(a) || a->read_events)))
        read_keep(c, handle, &v, offset + n);
    else
        server_read_drop(c);
    bl_att_respond(&c->bearer, pdu, &w);
    return 0;
}

uint8_t server_read(struct bl_gatt_conn *c, uint64_t now, struct server_request *q)
{
    (void)now;
    return read_at(c, q, rd_u16(&q->body), 0, BL_ATT_READ_RSP);
}

uint8_t server_read_blob(struct bl_gatt_conn *c, uint64_t now, struct server_request *q)
{
    (void)now;
    uint16_t handle = rd_u16(&q->body), offset = rd_u16(&q->body);

    return read_at(c, q, handle, offset, BL_ATT_READ_BLOB_RSP);
}

/* ---- several at once ---- */

/* All of them, before any is served: the first that cannot be read refuses them all.
 * Core 5.4, Vol 3, Part F, 3.4.4.7 and 3.4.4.11. */
static uint8_t read_check_all(struct bl_gatt_conn *c, struct server_request *q)
{
    struct rd handles = q->body;
    struct server_value v;
    struct bl_gatt_attr *a;

    while (handles.left > 0) {
        uint8_t error = server_find(c, q, rd_u16(&handles), BL_GATT_ACCESS_READ, &a);
        if (!error)
            error = read_value(c, q, a, &v);
        if (error || q->waits)
            return error;
    }
    return 0;
}

/* The lengths of Read Multiple Variable are the whole ones, also where the value is cut: to so many
 * octets. */
static size_t read_put(struct wr *w, const struct server_value *v, bool lengths)
{
    const uint8_t len[2] = {(uint8_t)v->len, (uint8_t)(v->len >> 8)};

    if (lengths)
        wr_bytes(w, len, read_min(2, w->cap - w->len));
    size_t n = read_min(v->len, w->cap - w->len);
    wr_bytes(w, v->data, n);
    return n;
}

uint8_t server_read_multiple(struct bl_gatt_conn *c, uint64_t now, struct server_request *q)
{
    (void)now;
    bool lengths = q->opcode == BL_ATT_READ_MULTIPLE_VAR_REQ;
    struct wr w;

    if (q->body.left < 4 || q->body.left % 2 != 0) /* two handles at least */
        return BL_ATT_INVALID_PDU;
    uint8_t error = read_check_all(c, q);
    if (error || q->waits)
        return error;
    struct buf *pdu = bl_att_new(&c->bearer, c->bearer.mtu, &w);
    if (!pdu) {
        q->handle = 0;
        return BL_ATT_INSUFFICIENT_RESOURCES;
    }

    wr_u8(&w, lengths ? BL_ATT_READ_MULTIPLE_VAR_RSP : BL_ATT_READ_MULTIPLE_RSP);
    while (q->body.left > 0) {
        struct server_value v = {0};
        struct bl_gatt_attr *a = bl_gatt_db_get(&c->gatt->db, rd_u16(&q->body));

        (void)read_value(c, q, a, &v); /* it was there a moment ago */
        size_t n = read_put(&w, &v, lengths);
        read_tell(c, a, &v, n);
    }
    bl_att_respond(&c->bearer, pdu, &w);
    return 0;
}

/* ---- Read By Type: Core 5.4, Vol 3, Part F, 3.4.4.1 ---- */

static struct bl_gatt_attr *read_next(const struct bl_gatt_db *db, uint32_t from, uint16_t end,
                                      const struct bl_uuid *type)
{
    while (from <= end) {
        struct bl_gatt_attr *a = bl_gatt_db_next(db, (uint16_t)from, end);

        if (!a || bl_uuid_eq(&a->type, type))
            return a;
        from = (uint32_t)a->handle + 1;
    }
    return NULL;
}

/* The value of one of the list behind its first: what cannot be served at once ends the list. */
static bool read_more(struct bl_gatt_conn *c, struct server_request *q,
                      const struct bl_gatt_attr *a, struct server_value *ret)
{
    if (bl_gatt_access(a, BL_GATT_ACCESS_READ, &c->security, c->gatt->config->min_key_size))
        return false;
    if (server_auth_reads(a) && !server_auth_granted(q, a->handle))
        return false;
    return read_value(c, q, a, ret) == 0;
}

uint8_t server_read_by_type(struct bl_gatt_conn *c, uint64_t now, struct server_request *q)
{
    (void)now;
    uint16_t start = rd_u16(&q->body), end = rd_u16(&q->body);
    struct server_value v = {0};
    struct bl_uuid type;
    struct wr w;
    size_t n = q->body.left;

    if ((n != 2 && n != 16) || !bl_uuid_from_wire(rd_bytes(&q->body, n), n, &type))
        return BL_ATT_INVALID_PDU;
    uint8_t error = server_range(q, start, end);
    if (error)
        return error;
    struct bl_gatt_attr *a = read_next(&c->gatt->db, start, end, &type);
    if (!a)
        return BL_ATT_ATTRIBUTE_NOT_FOUND;
    error = server_find(c, q, a->handle, BL_GATT_ACCESS_READ, &a);
    if (!error)
        error = read_value(c, q, a, &v);
    if (error || q->waits)
        return error;
    struct buf *pdu = bl_att_new(&c->bearer, c->bearer.mtu, &w);
    if (!pdu)
        return BL_ATT_INSUFFICIENT_RESOURCES;

    size_t most = read_min((size_t)c->bearer.mtu - 4, 253), len = read_min(v.len, most);
    wr_u8(&w, BL_ATT_READ_BY_TYPE_RSP);
    wr_u8(&w, (uint8_t)(2 + len));
    do {
        wr_u16(&w, a->handle);
        wr_bytes(&w, v.data, len);
        read_tell(c, a, &v, len);
        a = read_next(&c->gatt->db, (uint32_t)a->handle + 1, end, &type);
    } while (a && w.cap - w.len >= 2 + len && read_more(c, q, a, &v) &&
             read_min(v.len, most) == len);
    bl_att_respond(&c->bearer, pdu, &w);
    return 0;
}
