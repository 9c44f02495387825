/* SPDX-License-Identifier: MIT */

/*
 * Writing. Core 5.4, Vol 3, Part G, 4.9 and 4.12. Commands go out at once, or wait for room in the
 * bearer; requests are procedures:
 *
 *     WRITE --> end
 *     [CLEAN] --> PREPARE ... PREPARE --> EXECUTE --> end
 *                    `--error, or another echo--> CANCEL --> end with that
 *
 * The peer keeps prepared parts until they are executed or cancelled: what goes wrong on the way is
 * followed by Execute Write 0, and where even that could not be sent, the next prepared write
 * begins with it; else it would write them too.
 */

#include "gatt/client_internal.h"

#include "crypto/crypto.h"

#include <string.h>

/* ---- requests ---- */

int client_send_write(struct bl_gatt_conn *c, uint64_t now, uint16_t handle, const uint8_t *value,
                      size_t n)
{
    struct wr w;
    struct buf *pdu = bl_att_new(&c->bearer, n + 3, &w);

    if (!pdu)
        return -ENOMEM;
    wr_u8(&w, BL_ATT_WRITE_REQ);
    wr_u16(&w, handle);
    wr_bytes(&w, value, n);
    return bl_att_request(&c->bearer, now, pdu, &w);
}

/* Core 5.4, Vol 3, Part F, 3.4.6.1. From then on the peer may hold it. */
static int write_prepare(struct bl_gatt_conn *c, uint64_t now, struct bl_gattc_procedure *p)
{
    size_t most = c->bearer.mtu - 5u, left = p->len - p->sent;
    struct wr w;
    struct buf *pdu;
    int r;

    p->part = left < most ? left : most;
    if (!(pdu = bl_att_new(&c->bearer, p->part + 5, &w)))
        return -ENOMEM;
    wr_u8(&w, BL_ATT_PREPARE_WRITE_REQ);
    wr_u16(&w, p->handle);
    wr_u16(&w, (uint16_t)(p->offset + p->sent));
    wr_bytes(&w, p->value + p->sent, p->part);
    r = bl_att_request(&c->bearer, now, pdu, &w);
    if (r == 0)
        c->client.unclean = true;
    return r;
}

/* Core 5.4, Vol 3, Part F, 3.4.6.3 */
static int write_execute(struct bl_gatt_conn *c, uint64_t now, bool write)
{
    struct wr w;
    struct buf *pdu = bl_att_new(&c->bearer, 2, &w);

    if (!pdu)
        return -ENOMEM;
    wr_u8(&w, BL_ATT_EXECUTE_WRITE_REQ);
    wr_u8(&w, write);
    return bl_att_request(&c->bearer, now, pdu, &w);
}

static int write_next(struct bl_gatt_conn *c, uint64_t now, struct bl_gattc_procedure *p)
{
    if (p->phase == CLIENT_FIRST && !p->reliable && p->offset == 0 && p->len <= c->bearer.mtu - 3u)
        p->phase = CLIENT_WRITE;
    else if (p->phase == CLIENT_FIRST)
        p->phase = c->client.unclean ? CLIENT_CLEAN : CLIENT_PREPARE;
    if (p->phase == CLIENT_WRITE)
        return client_send_write(c, now, p->handle, p->value, p->len);
    if (p->phase == CLIENT_PREPARE)
        return write_prepare(c, now, p);
    return write_execute(c, now, p->phase == CLIENT_EXECUTE);
}

static int write_cancel(struct bl_gattc_procedure *p, bl_status outcome)
{
    p->outcome = outcome;
    p->phase = CLIENT_CANCEL;
    return CLIENT_NEXT;
}

/* Core 5.4, Vol 3, Part G, 4.9.5: what was prepared must come back as it was. */
static int write_prepared(struct bl_gatt_conn *c, struct bl_gattc_procedure *p, struct rd body)
{
    uint16_t handle = rd_u16(&body), offset = rd_u16(&body);

    if (!rd_ok(&body) || handle != p->handle || offset != p->offset + p->sent ||
        body.left != p->part || (p->part > 0 && memcmp(body.p, p->value + p->sent, p->part) != 0)) {
        client_wrong(c);
        return write_cancel(p, BL_PROTOCOL);
    }
    p->sent += p->part;
    p->phase = p->sent < p->len ? CLIENT_PREPARE : CLIENT_EXECUTE;
    return CLIENT_NEXT;
}

static int write_answer(struct bl_gatt_conn *c, struct bl_gattc_procedure *p, struct rd body)
{
    if (p->phase == CLIENT_WRITE)
        return BL_OK;
    if (p->phase == CLIENT_PREPARE)
        return write_prepared(c, p, body);
    c->client.unclean = false;
    if (p->phase == CLIENT_CLEAN) {
        p->phase = CLIENT_PREPARE;
        return CLIENT_NEXT;
    }
    return p->outcome; /* BL_OK when it was executed */
}

static int write_failed(struct bl_gatt_conn *c, struct bl_gattc_procedure *p, bl_status status)
{
    bool refused = status < BL_STATUS_HCI; /* by the peer, in good order */

    if (p->phase == CLIENT_WRITE)
        return status;
    if (p->phase == CLIENT_PREPARE) {
        if (refused && p->sent == 0) /* it was the first: the peer holds nothing */
            c->client.unclean = false;
        return c->client.unclean ? write_cancel(p, status) : (int)status;
    }
    if (p->phase == CLIENT_EXECUTE && status == BL_NO_RESOURCES)
        return write_cancel(p, status);
    if (refused)
        c->client.unclean = false;
    if (p->phase == CLIENT_CLEAN && status != BL_NO_RESOURCES) {
        p->phase = CLIENT_PREPARE;
        return CLIENT_NEXT;
    }
    return p->phase == CLIENT_CANCEL ? p->outcome : status;
}

static int write_request(struct bl_gatt_conn *c, uint64_t now, uint16_t handle,
                         const uint8_t *value, size_t n, bool reliable, uint16_t offset, bl_op *op)
{
    static const struct client_kind kind = {write_next, write_answer, write_failed};
    struct bl_gattc_procedure *p;

    if (n > BL_ATT_VALUE_MAX || offset > BL_ATT_VALUE_MAX - n)
        return -EMSGSIZE;
    p = client_new(&kind);
    if (p) {
        p->handle = handle;
        p->offset = offset;
        p->reliable = reliable;
        p->len = n;
        if (n > 0)
            memcpy(p->value, value, n);
    }
    return client_queue(c, now, p, op);
}

/* ---- commands ---- */

static void write_turn(const uint8_t *from, size_t n, uint8_t *to)
{
    for (size_t i = 0; i < n; i++)
        to[i] = from[n - 1 - i];
}

/* Core 5.4, Vol 3, Part H, 2.4.5 and Part F, 3.4.5.4: the counter, then the most significant half
 * of the MAC of everything before it, the last octet on the wire being the most significant. */
static int write_sign(const struct bl_gatt_conn *c, struct wr *w)
{
    uint8_t key[16], mac[16], turned[BL_ATT_MTU_MAX], *end;
    int r;

    wr_u32(w, c->signing.local_counter);
    write_turn(c->signing.local, sizeof(key), key);
    write_turn(w->buf, w->len, turned);
    r = bl_crypto_cmac(key, turned, w->len, mac);
    bl_crypto_wipe(key, sizeof(key));
    end = wr_room(w, 8);
    if (r == 0 && end)
        write_turn(mac, 8, end);
    return r;
}

static int write_push(struct bl_gatt_conn *c, struct buf *pdu, const struct wr *w, bl_op *op)
{
    bl_op waits = 0;
    int r;

    if (!bl_att_has_room(&c->bearer) && (waits = bl_evq_op(c->gatt->events)) == 0) {
        buf_free(pdu);
        return -EBUSY;
    }
    r = bl_att_push(&c->bearer, pdu, w, waits);
    if (r != 0 && waits != 0) {
        bl_evq_op_forget(c->gatt->events);
        waits = 0;
    }
    *op = waits;
    return r;
}

/* Core 5.4, Vol 3, Part G, 4.9.2: an encrypted link needs no signature, and takes none. */
static int write_command(struct bl_gatt_conn *c, uint16_t handle, const uint8_t *value, size_t n,
                         bool is_signed, bl_op *op)
{
    bool sign = is_signed && !c->security.encrypted;
    struct buf *pdu;
    struct wr w;
    int r;

    if (n > c->bearer.mtu - (is_signed ? 15u : 3u))
        return -EMSGSIZE;
    if (sign && (!c->signing.has_local || c->signing.local_counter == UINT32_MAX))
        return -EOPNOTSUPP;
    if (!(pdu = bl_att_new(&c->bearer, n + (sign ? 15u : 3u), &w)))
        return -ENOMEM;
    wr_u8(&w, sign ? BL_ATT_SIGNED_WRITE_CMD : BL_ATT_WRITE_CMD);
    wr_u16(&w, handle);
    wr_bytes(&w, value, n);
    if (sign && (r = write_sign(c, &w)) < 0) {
        buf_free(pdu);
        return r;
    }
    r = write_push(c, pdu, &w, op);
    if (sign && r >= 0) {
        c->signing.local_counter++;
        bl_gatt_changed(c);
    }
    return r;
}

int bl_gattc_do_write(struct bl_gatt_conn *c, uint64_t now, uint16_t handle, const uint8_t *value,
                      size_t n, enum bl_gatt_write_mode mode, uint16_t offset, bl_op *op)
{
    bool command = mode == BL_GATT_WRITE_COMMAND || mode == BL_GATT_WRITE_SIGNED;

    if (handle == 0 || (unsigned)mode > BL_GATT_WRITE_SIGNED || (command && offset != 0))
        return -EINVAL;
    if (command)
        return write_command(c, handle, value, n, mode == BL_GATT_WRITE_SIGNED, op);
    return write_request(c, now, handle, value, n, mode == BL_GATT_WRITE_RELIABLE, offset, op);
}
