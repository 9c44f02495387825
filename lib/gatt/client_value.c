/* SPDX-License-Identifier: MIT */

/*
 * Reading values. Core 5.4, Vol 3, Part G, 4.8 and 4.12.
 *
 * Reading one value goes on by blobs while the answers are full. Read By Type cuts what does not
 * fit: where a value may have been cut it is read again by itself (CLIENT_EACH), so that only whole
 * values are told, none of them put together from two.
 *
 * Several are read one after the other. Read Multiple Variable (3.4.4.11 of Part F) would ask for
 * them at once, but no feature of the peer tells whether it may be sent: BlueZ up to 5.66 at least
 * does not answer it at all, which is the end of the link after 30 s.
 */

#include "gatt/client_internal.h"

#include <string.h>

/* ---- one value ---- */

int client_read_next(struct bl_gatt_conn *c, uint64_t now, struct bl_gattc_procedure *p)
{
    size_t offset = p->offset + p->len;
    bool blob = p->has_part || offset > 0;
    struct wr w;
    struct buf *pdu = bl_att_new(&c->bearer, BL_ATT_MTU_MIN, &w);

    if (!pdu)
        return -ENOMEM;
    wr_u8(&w, blob ? BL_ATT_READ_BLOB_REQ : BL_ATT_READ_REQ);
    wr_u16(&w, p->handle);
    if (blob)
        wr_u16(&w, (uint16_t)offset);
    return bl_att_request(&c->bearer, now, pdu, &w);
}

/* Core 5.4, Vol 3, Part G, 4.8.3: an answer that is not full is the last one. */
int client_read_answer(struct bl_gatt_conn *c, struct bl_gattc_procedure *p, struct rd body)
{
    size_t n = body.left, all = p->offset + p->len + n;

    if (n > 0 && all > BL_ATT_VALUE_MAX)
        return client_wrong(c);
    rd_copy(&body, p->value + p->len, n);
    p->len += n;
    p->has_part = true;
    if (!p->is_long || n < client_answer_mtu(c, p) - 1 || all >= BL_ATT_VALUE_MAX)
        return BL_OK;
    return CLIENT_NEXT;
}

/* Core 5.4, Vol 3, Part F, 3.4.4.5: of a value as long as what came before. */
int client_read_failed(const struct bl_gattc_procedure *p, bl_status status)
{
    if (p->has_part && (status == BL_ATT_ATTRIBUTE_NOT_LONG || status == BL_ATT_INVALID_OFFSET))
        return BL_OK;
    return status;
}

static int read_ends(struct bl_gatt_conn *c, struct bl_gattc_procedure *p, int r)
{
    if (r == BL_OK)
        client_value(c, p, p->handle, p->value, p->len);
    return r;
}

static int read_answer(struct bl_gatt_conn *c, struct bl_gattc_procedure *p, struct rd body)
{
    return read_ends(c, p, client_read_answer(c, p, body));
}

static int read_failed(struct bl_gatt_conn *c, struct bl_gattc_procedure *p, bl_status status)
{
    return read_ends(c, p, client_read_failed(p, status));
}

int bl_gattc_do_read(struct bl_gatt_conn *c, uint64_t now, uint16_t handle, uint16_t offset,
                     bool is_long, bl_op *op)
{
    static const struct client_kind kind = {client_read_next, read_answer, read_failed};
    struct bl_gattc_procedure *p;

    if (handle == 0)
        return -EINVAL;
    p = client_new(&kind);
    if (p) {
        p->handle = handle;
        p->offset = offset;
        p->is_long = is_long;
    }
    return client_queue(c, now, p, op);
}

/* ---- by UUID ---- */

static int by_uuid_next(struct bl_gatt_conn *c, uint64_t now, struct bl_gattc_procedure *p)
{
    if (p->phase == CLIENT_EACH)
        return client_read_next(c, now, p);
    return client_ask_range(c, now, p, BL_ATT_READ_BY_TYPE_REQ, &p->uuid);
}

/* Tells the values in p->list from p->pos on, up to one that may have been cut: that is read anew
 * and whole, since what stands behind the part may have changed. Core 5.4, Vol 3, Part F, 3.4.4.2.
 */
static int by_uuid_each(struct bl_gatt_conn *c, struct bl_gattc_procedure *p)
{
    size_t n = p->entry - 2, most = client_answer_mtu(c, p) - 4;

    for (; p->pos < p->n_list; p->pos += p->entry) {
        struct rd r = rd_make(p->list + p->pos, p->entry);

        p->handle = rd_u16(&r);
        if (p->phase == CLIENT_FIRST && n >= (most < 253 ? most : 253)) {
            p->phase = CLIENT_EACH;
            p->has_part = false;
            p->len = 0;
            return CLIENT_NEXT;
        }
        if (p->phase == CLIENT_EACH)
            client_value(c, p, p->handle, p->value, p->len);
        else
            client_value(c, p, p->handle, r.p, n);
        p->phase = CLIENT_FIRST;
    }
    return client_more(p);
}

static int by_uuid_answer(struct bl_gatt_conn *c, struct bl_gattc_procedure *p, struct rd body)
{
    if (p->phase == CLIENT_EACH) {
        int r = client_read_answer(c, p, body);
        return r == BL_OK ? by_uuid_each(c, p) : r;
    }

    p->entry = rd_u8(&body);
    if (p->entry < 2 || body.left == 0 || body.left % p->entry != 0 || body.left > sizeof(p->list))
        return client_wrong(c);
    p->n_list = body.left;
    p->pos = 0;
    memcpy(p->list, body.p, body.left);
    while (body.left > 0) {
        struct rd entry = rd_sub(&body, p->entry);
        uint16_t handle = rd_u16(&entry);

        if (!client_rises(p, handle))
            return client_wrong(c);
        p->from = handle + 1u;
    }
    return by_uuid_each(c, p);
}

static int by_uuid_failed(struct bl_gatt_conn *c, struct bl_gattc_procedure *p, bl_status status)
{
    if (p->phase == CLIENT_EACH) {
        int r = client_read_failed(p, status);
        return r == BL_OK ? by_uuid_each(c, p) : r;
    }
    return status == BL_ATT_ATTRIBUTE_NOT_FOUND ? (int)BL_OK : (int)status;
}

int bl_gattc_do_read_by_uuid(struct bl_gatt_conn *c, uint64_t now, uint16_t start, uint16_t end,
                             const struct bl_uuid *uuid, bl_op *op)
{
    static const struct client_kind kind = {by_uuid_next, by_uuid_answer, by_uuid_failed};
    struct bl_gattc_procedure *p;

    if (start == 0 || start > end || !uuid)
        return -EINVAL;
    p = client_new(&kind);
    if (p) {
        p->from = start;
        p->end = end;
        p->uuid = *uuid;
        p->is_long = true;
    }
    return client_queue(c, now, p, op);
}

/* ---- several ---- */

/* The handle at p->pos of p->list, from its beginning. */
static int multiple_next(struct bl_gatt_conn *c, uint64_t now, struct bl_gattc_procedure *p)
{
    if (!p->has_part) {
        struct rd r = rd_make(p->list + p->pos, 2);

        p->handle = rd_u16(&r);
        p->len = 0;
    }
    return client_read_next(c, now, p);
}

static int multiple_ends(struct bl_gatt_conn *c, struct bl_gattc_procedure *p, int r)
{
    if (r != BL_OK)
        return r;
    client_value(c, p, p->handle, p->value, p->len);
    p->has_part = false;
    p->pos += 2;
    return p->pos < p->n_list ? (int)CLIENT_NEXT : (int)BL_OK;
}

static int multiple_answer(struct bl_gatt_conn *c, struct bl_gattc_procedure *p, struct rd body)
{
    return multiple_ends(c, p, client_read_answer(c, p, body));
}

static int multiple_failed(struct bl_gatt_conn *c, struct bl_gattc_procedure *p, bl_status status)
{
    return multiple_ends(c, p, client_read_failed(p, status));
}

int bl_gattc_do_read_multiple(struct bl_gatt_conn *c, uint64_t now, const uint16_t *handles,
                              size_t n, bl_op *op)
{
    static const struct client_kind kind = {multiple_next, multiple_answer, multiple_failed};
    struct bl_gattc_procedure *p;

    if (n == 0 || n > BL_MAX_READ_MULTIPLE)
        return -EINVAL;
    for (size_t i = 0; i < n; i++)
        if (handles[i] == 0)
            return -EINVAL;
    p = client_new(&kind);
    if (p) {
        struct wr w = wr_make(p->list, sizeof(p->list));
        for (size_t i = 0; i < n; i++)
            wr_u16(&w, handles[i]);
        p->n_list = w.len;
        p->is_long = true;
    }
    return client_queue(c, now, p, op);
}
