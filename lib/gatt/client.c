/* SPDX-License-Identifier: MIT */

/*
 * The procedures' queue, and everything a peer's server says on its own.
 *
 * One procedure at a time owns the bearer's requests: it is begun when it is the first and the
 * bearer is free, and it ends before the next begins. What the bearer gives us goes to the kind's
 * row of functions; they say whether there is another request to make. All bounds come from that:
 * every answer must move p->from (handles), p->len (octets) or p->pos (entries) forward, or ends
 * the procedure.
 *
 * An answer of the wrong kind ends the procedure and not the bearer: the peer has answered, and
 * time is not running any more. What it may still send for that request is, for the bearer, the
 * answer to the next one, of the wrong kind again, or asked for by nobody.
 */

#include "gatt/client_internal.h"

#include "base/cleanup.h"

#include <stdlib.h>

/* ---- the queue ---- */

struct bl_gattc_procedure *client_new(const struct client_kind *kind)
{
    struct bl_gattc_procedure *p = calloc(1, sizeof(*p));

    if (p)
        p->kind = kind;
    return p;
}

int client_queue(struct bl_gatt_conn *c, uint64_t now, struct bl_gattc_procedure *procedure,
                 bl_op *op)
{
    _cleanup_free_ struct bl_gattc_procedure *p = procedure;

    if (!p)
        return -ENOMEM;
    if (c->bearer.dead)
        return -ENOTCONN;
    if (c->client.n_procedures >= BL_MAX_PROCEDURES)
        return -EBUSY;
    if ((p->op = bl_evq_op(c->gatt->events)) == 0)
        return -EBUSY;
    *op = p->op;
    list_append(&c->client.procedures, &p->link);
    c->client.n_procedures++;
    p = NULL;
    bl_gattc_step(c, now);
    return 0;
}

static struct bl_gattc_procedure *client_first(const struct bl_gatt_conn *c)
{
    const struct list *head = &c->client.procedures;

    return list_empty(head) ? NULL : list_entry(head->next, struct bl_gattc_procedure, link);
}

/* done.mtu is a result of the exchange alone, and does no harm elsewhere. */
static void client_end(struct bl_gatt_conn *c, struct bl_gattc_procedure *p, bl_status status)
{
    struct bl_event e = {
        .kind = BL_EV_OP_DONE,
        .done = {.op = p->op, .status = status, .mtu = c->bearer.mtu},
    };

    list_remove(&p->link);
    c->client.n_procedures--;
    free(p);
    bl_evq_op_result(c->gatt->events, &e);
}

/* The next request. 0: it is out; CLIENT_NEXT: once more; else the end. */
static int client_ask(struct bl_gatt_conn *c, uint64_t now, struct bl_gattc_procedure *p,
                      bl_status *ret_end)
{
    p->begun = true;
    p->mtu = c->bearer.mtu;

    int r = p->kind->next(c, now, p);
    if (r == 0)
        return 0;
    if (r == CLIENT_NOTHING_TO_ASK) {
        *ret_end = BL_OK;
        return 1;
    }
    r = p->kind->failed ? p->kind->failed(c, p, BL_NO_RESOURCES) : (int)BL_NO_RESOURCES;
    if (r != CLIENT_NEXT)
        *ret_end = (bl_status)r;
    return r == CLIENT_NEXT ? CLIENT_NEXT : 1;
}

/* Asks on, or ends it: `r` is what answer() or failed() gave. */
static void client_go_on(struct bl_gatt_conn *c, uint64_t now, struct bl_gattc_procedure *p, int r)
{
    bl_status end = BL_OK;

    if (r != CLIENT_NEXT) {
        client_end(c, p, (bl_status)r);
        return;
    }
    while ((r = client_ask(c, now, p, &end)) == CLIENT_NEXT)
        continue;
    if (r != 0)
        client_end(c, p, end);
}

void bl_gattc_step(struct bl_gatt_conn *c, uint64_t now)
{
    struct bl_gattc_procedure *p;

    while ((p = client_first(c)) && !p->begun && !c->bearer.request && !c->bearer.dead)
        client_go_on(c, now, p, CLIENT_NEXT);
}

int bl_gattc_do_cancel(struct bl_gatt *g, uint64_t now, bl_op op)
{
    (void)now;
    for (unsigned i = 0; i < g->n_conns; i++) {
        struct bl_gatt_conn *c = g->conns[i];

        list_each(node, tmp, &c->client.procedures)
        {
            struct bl_gattc_procedure *p = list_entry(node, struct bl_gattc_procedure, link);
            if (p->op != op)
                continue;
            if (p->begun)
                return -ENOENT;
            client_end(c, p, BL_CANCELED);
            return 0;
        }
    }
    return -ENOENT;
}

/* ---- life ---- */

void bl_gattc_open(struct bl_gatt_conn *c)
{
    c->client = (struct bl_gattc_conn){0};
    list_init(&c->client.procedures);
}

static void client_forget(struct bl_gatt_conn *c)
{
    free(c->client.known);
    c->client.known = NULL;
    c->client.n_known = 0;
}

void bl_gattc_close(struct bl_gatt_conn *c, uint64_t now, bl_status status)
{
    struct bl_gattc_procedure *p;

    (void)now;
    while ((p = client_first(c)))
        client_end(c, p, status);
    client_forget(c);
}

void bl_gattc_timeout(struct bl_gatt_conn *c, uint64_t now)
{
    struct bl_gattc_procedure *p = client_first(c);

    (void)now;
    if (p && p->begun)
        client_end(c, p, BL_TIMEOUT);
}

/* ---- what is asked for, in general ---- */

int client_wrong(struct bl_gatt_conn *c)
{
    c->client.nonsense++;
    return BL_PROTOCOL;
}

void client_put_uuid(struct wr *w, const struct bl_uuid *uuid)
{
    if (bl_uuid_is16(uuid))
        wr_u16(w, bl_uuid_get16(uuid));
    else
        wr_bytes(w, uuid->b, sizeof(uuid->b));
}

int client_ask_range(struct bl_gatt_conn *c, uint64_t now, const struct bl_gattc_procedure *p,
                     uint8_t opcode, const struct bl_uuid *type)
{
    struct wr w;
    struct buf *pdu = bl_att_new(&c->bearer, BL_ATT_MTU_MIN, &w);

    if (!pdu)
        return -ENOMEM;
    wr_u8(&w, opcode);
    wr_u16(&w, (uint16_t)p->from);
    wr_u16(&w, p->end);
    if (type)
        client_put_uuid(&w, type);
    return bl_att_request(&c->bearer, now, pdu, &w);
}

int client_ask_range16(struct bl_gatt_conn *c, uint64_t now, const struct bl_gattc_procedure *p,
                       uint8_t opcode, uint16_t type)
{
    struct bl_uuid uuid = bl_uuid_from16(type);

    return client_ask_range(c, now, p, opcode, &uuid);
}

void client_seen(struct bl_gatt_conn *c, uint16_t handle, const struct bl_uuid *uuid)
{
    if (bl_uuid_is16(uuid) && bl_uuid_get16(uuid) == CLIENT_SERVICE_CHANGED)
        c->client.service_changed = handle;
}

void client_result(struct bl_gatt_conn *c, const struct bl_gattc_procedure *p, struct bl_event *e)
{
    e->gatt.conn = c->conn;
    e->gatt.op = p->op;
    bl_evq_push(c->gatt->events, e);
}

void client_value(struct bl_gatt_conn *c, const struct bl_gattc_procedure *p, uint16_t handle,
                  const uint8_t *value, size_t n)
{
    struct bl_event e = {
        .kind = BL_EV_GATTC_VALUE,
        .gatt = {.conn = c->conn, .op = p->op, .handle = handle, .value = {value, n}},
    };

    bl_evq_push_value(c->gatt->events, &e);
}

/* ---- what the peer says on its own ---- */

static void client_told(struct bl_gatt_conn *c, enum bl_event_kind kind, uint16_t handle,
                        const uint8_t *value, size_t n)
{
    struct bl_event e = {
        .kind = kind,
        .gatt = {.conn = c->conn, .handle = handle, .value = {value, n}},
    };

    bl_evq_push_value(c->gatt->events, &e);
}

/* Core 5.4, Vol 3, Part F, 3.4.7.4: handle, length, value, again and again. All of it is right, or
 * nothing is told. */
static void client_notified_several(struct bl_gatt_conn *c, struct rd body)
{
    struct rd check = body;

    while (check.left > 0) {
        uint16_t handle = rd_u16(&check), n = rd_u16(&check);
        if (handle == 0 || n > BL_ATT_VALUE_MAX || !rd_bytes(&check, n)) {
            client_wrong(c);
            return;
        }
    }
    while (body.left > 0) {
        uint16_t handle = rd_u16(&body), n = rd_u16(&body);
        client_told(c, BL_EV_GATTC_NOTIFIED, handle, rd_bytes(&body, n), n);
    }
}

/* Core 5.4, Vol 3, Part G, 7.1: what was affected; what we remember of it may be gone. */
static void client_services_changed(struct bl_gatt_conn *c, struct rd value)
{
    struct bl_event e = {.kind = BL_EV_GATTC_SERVICES_CHANGED, .gatt = {.conn = c->conn}};

    e.gatt.start = rd_u16(&value);
    e.gatt.end = rd_u16(&value);
    if (!rd_done(&value) || e.gatt.start == 0 || e.gatt.start > e.gatt.end) {
        client_wrong(c);
        return;
    }
    client_forget(c);
    bl_evq_push(c->gatt->events, &e);
}

/* Core 5.4, Vol 3, Part F, 3.4.7.1 and 3.4.7.2 */
static void client_told_one(struct bl_gatt_conn *c, enum bl_event_kind kind, struct rd body)
{
    uint16_t handle = rd_u16(&body);

    if (!rd_ok(&body) || handle == 0 || body.left > BL_ATT_VALUE_MAX) {
        client_wrong(c);
        return;
    }
    client_told(c, kind, handle, body.p, body.left);
    if (kind == BL_EV_GATTC_INDICATED && handle == c->client.service_changed)
        client_services_changed(c, body);
}

/* ---- answers ---- */

static void client_answered(struct bl_gatt_conn *c, uint64_t now, enum bl_att_in in,
                            const struct bl_att_pdu *pdu)
{
    struct bl_gattc_procedure *p = client_first(c);
    int r;

    if (!p || !p->begun) {
        client_wrong(c); /* the bearer asks for nobody else */
        return;
    }
    if (in == BL_ATT_IN_RESPONSE) {
        r = p->kind->answer(c, p, pdu->body);
    } else {
        r = in == BL_ATT_IN_ERROR ? pdu->error : client_wrong(c);
        if (p->kind->failed)
            r = p->kind->failed(c, p, (bl_status)r);
    }
    client_go_on(c, now, p, r);
}

void bl_gattc_pdu(struct bl_gatt_conn *c, uint64_t now, enum bl_att_in in,
                  const struct bl_att_pdu *pdu)
{
    if (in == BL_ATT_IN_INDICATE)
        client_told_one(c, BL_EV_GATTC_INDICATED, pdu->body);
    else if (in == BL_ATT_IN_NOTIFY && pdu->opcode == BL_ATT_MULTIPLE_NOTIFICATION)
        client_notified_several(c, pdu->body);
    else if (in == BL_ATT_IN_NOTIFY)
        client_told_one(c, BL_EV_GATTC_NOTIFIED, pdu->body);
    else
        client_answered(c, now, in, pdu);
    bl_gattc_step(c, now);
}
