/* SPDX-License-Identifier: MIT */

/*
 * server_send.c: what the server sends unasked: notifications, indications, Service Changed, and
 * local writes that are sent to whom they concern.
 *
 * Indications of a connection wait in a list, whose first is on the air while bearer.indicating:
 *
 *     queued --first, nothing on the air--> on the air --confirmed--> INDICATE_DONE, OP_DONE
 *        |                                       '--30 s--> BL_TIMEOUT, and with the link the rest
 *        '--its attribute goes--> BL_CANCELED
 *
 * What is on the air has ended with its attribute too, but the peer will confirm it all the same,
 * and may not be sent another before: it stays in its place, as nobody's.
 *
 * Service Changed is made when its turn comes, before all others, so that whatever has changed
 * until then is one range. A client that keeps a cache and does not know of a change yet gets
 * nothing else before it does: Core 5.4, Vol 3, Part G, 2.5.2.1.
 */

#include "gatt/server_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SEND_NOTIFY = 0x01, SEND_INDICATE = 0x02, SEND_HEADER = 3 };

struct send_indication {
    struct list link;
    bool service_changed;
    bool nobodys; /* on the air, and ended */
    uint16_t handle;
    bl_op op; /* 0: nobody waits for it */
    uint16_t n;
    uint8_t value[];
};

static struct send_indication *send_entry(struct list *pos)
{
    return list_entry(pos, struct send_indication, link);
}

/* At most ATT_MTU-3 octets, and never more than a value has: Core 5.4, Vol 3, Part F, 3.4.7.1,
 * 3.4.7.2 and 3.2.9. With an ATT_MTU over 515 there would be room for more. */
static size_t send_cut(const struct bl_gatt_conn *c, size_t n)
{
    size_t room = (size_t)c->bearer.mtu - SEND_HEADER;
    size_t most = room < BL_ATT_VALUE_MAX ? room : BL_ATT_VALUE_MAX;

    return n < most ? n : most;
}

static struct buf *send_pdu(const struct bl_gatt_conn *c, uint8_t opcode, uint16_t handle,
                            const uint8_t *value, size_t n, struct wr *w)
{
    struct buf *pdu = bl_att_new(&c->bearer, SEND_HEADER + n, w);

    wr_u8(w, opcode);
    wr_u16(w, handle);
    wr_bytes(w, value, n);
    return pdu;
}

/* A characteristic's value that is a client's. */
static struct bl_gatt_attr *send_attr(const struct bl_gatt *g, uint16_t handle)
{
    struct bl_gatt_attr *a = bl_gatt_db_get(&g->db, handle);

    return a && !a->builtin && a->kind == BL_GATT_ATTR_VALUE ? a : NULL;
}

/* ---- indications ---- */

static struct send_indication *send_indication_new(uint16_t handle, const uint8_t *value, size_t n)
{
    struct send_indication *i = malloc(sizeof(*i) + n);

    if (!i)
        return NULL;
    *i = (struct send_indication){.handle = handle, .n = (uint16_t)n};
    list_init(&i->link);
    if (n > 0)
        memcpy(i->value, value, n);
    return i;
}

/* On the air, or not: -ENOMEM, -ENOTCONN. */
static int send_indication(struct bl_gatt_conn *c, uint64_t now, const struct send_indication *i)
{
    struct wr w;
    /* ATT_MTU never falls, so that what was cut when it was queued still fits. */
    struct buf *pdu = send_pdu(c, BL_ATT_INDICATION, i->handle, i->value, i->n, &w);

    return bl_att_indicate(&c->bearer, now, pdu, &w);
}

static void send_free(struct send_indication *i)
{
    list_remove(&i->link);
    free(i);
}

static void send_ended(struct bl_gatt_conn *c, struct send_indication *i, bl_status status)
{
    if (!i->service_changed && !i->nobodys) {
        struct bl_event e = {.kind = BL_EV_GATTS_INDICATE_DONE,
                             .gatt = {.conn = c->conn, .handle = i->handle, .status = status}};
        bl_evq_push(c->gatt->events, &e);
        bl_evq_op_done(c->gatt->events, i->op, status);
        c->server.n_indications--;
    }
    send_free(i);
}

/* Its attribute goes, and whoever has it removed knows of this one. */
static void send_give_up(struct bl_gatt_conn *c, struct send_indication *i)
{
    bl_evq_op_done(c->gatt->events, i->op, BL_CANCELED);
    c->server.n_indications--;
    i->nobodys = true;
    if (!c->bearer.indicating || c->server.indications.next != &i->link)
        send_free(i);
}

/* The first from start to end; NULL. */
static struct send_indication *send_find(struct bl_gatt_conn *c, uint16_t start, uint16_t end)
{
    list_each(pos, tmp, &c->server.indications)
    {
        struct send_indication *i = send_entry(pos);
        if (!i->service_changed && !i->nobodys && i->handle >= start && i->handle <= end)
            return i;
    }
    return NULL;
}

/* Core 5.4, Vol 3, Part G, 7.1. True: that was it for this turn. */
static bool send_service_changed(struct bl_gatt_conn *c, uint64_t now)
{
    struct bl_gatts_conn *s = &c->server;
    uint16_t handle = c->gatt->server.service_changed;
    uint8_t range[4] = {(uint8_t)s->changed_start, (uint8_t)(s->changed_start >> 8),
                        (uint8_t)s->changed_end, (uint8_t)(s->changed_end >> 8)};

    if (s->changed_start == 0)
        return false;
    if (!(bl_gatts_bits(c, handle) & SEND_INDICATE)) { /* not wanted any more */
        s->changed_start = s->changed_end = 0;
        return false;
    }
    struct send_indication *i = send_indication_new(handle, range, sizeof(range));
    if (!i || send_indication(c, now, i) < 0) {
        free(i);
        bl_gatt_due(c); /* once more */
        return true;
    }
    i->service_changed = true;
    list_prepend(&s->indications, &i->link);
    s->changed_start = s->changed_end = 0;
    return true;
}

void bl_gatts_step(struct bl_gatt_conn *c, uint64_t now)
{
    if (c->bearer.dead || c->bearer.indicating || send_service_changed(c, now))
        return;
    if (list_empty(&c->server.indications) || !server_subs_may_tell(c))
        return;
    if (send_indication(c, now, send_entry(c->server.indications.next)) < 0)
        bl_gatt_due(c);
    else
        c->gatt->server.indications++;
}

void server_send_confirmed(struct bl_gatt_conn *c, uint64_t now)
{
    struct bl_gatts_conn *s = &c->server;

    if (list_empty(&s->indications))
        return;
    struct send_indication *i = send_entry(s->indications.next);
    /* Core 5.4, Vol 3, Part G, 2.5.2.1: what has changed since then is another matter. */
    if (i->service_changed && s->changed_start == 0) {
        s->aware = true;
        s->told = false;
        bl_gatt_changed(c);
    }
    send_ended(c, i, BL_OK);
    bl_gatts_step(c, now);
}

void bl_gatts_timeout(struct bl_gatt_conn *c, uint64_t now)
{
    (void)now;
    if (!list_empty(&c->server.indications))
        send_ended(c, send_entry(c->server.indications.next), BL_TIMEOUT);
}

void server_send_drop(struct bl_gatt_conn *c, bl_status status)
{
    list_each(pos, tmp, &c->server.indications) send_ended(c, send_entry(pos), status);
}

void server_send_removing(struct bl_gatt_conn *c, uint16_t start, uint16_t end)
{
    for (struct send_indication *i; (i = send_find(c, start, end));) {
        struct bl_event e = {.kind = BL_EV_GATTS_INDICATE_DONE,
                             .gatt = {.conn = c->conn, .handle = i->handle, .status = BL_CANCELED}};
        bl_evq_push(c->gatt->events, &e);
        send_give_up(c, i);
    }
}

bool bl_gatts_do_give_up(struct bl_gatt *g, uint16_t handle, uint16_t *ret_conn)
{
    for (unsigned k = 0; k < g->n_conns; k++) {
        struct send_indication *i = send_find(g->conns[k], handle, handle);
        if (!i)
            continue;
        *ret_conn = g->conns[k]->conn;
        send_give_up(g->conns[k], i);
        return true;
    }
    return false;
}

/* op: 0 where nobody waits. 0, -EAGAIN, -ENOMEM. */
static int send_queue(struct bl_gatt_conn *c, uint64_t now, uint16_t handle, const uint8_t *value,
                      size_t n, bl_op op)
{
    if (c->server.n_indications >= BL_MAX_INDICATIONS)
        return -EAGAIN;
    struct send_indication *i = send_indication_new(handle, value, n);
    if (!i)
        return -ENOMEM;
    i->op = op;
    list_append(&c->server.indications, &i->link);
    c->server.n_indications++;
    bl_gatts_step(c, now);
    return 0;
}

int bl_gatts_do_indicate(struct bl_gatt_conn *c, uint64_t now, uint16_t handle,
                         const uint8_t *value, size_t n, uint16_t *ret_sent, bl_op *op)
{
    const struct bl_gatt_attr *a = send_attr(c->gatt, handle);

    if (!a)
        return -ENOENT;
    if (c->bearer.dead)
        return -ENOTCONN;
    if (!value) {
        value = a->value;
        n = a->len;
    }
    n = send_cut(c, n);
    bl_op number = bl_evq_op(c->gatt->events);
    if (number == 0)
        return -EBUSY;
    int r = send_queue(c, now, handle, value, n, number);
    if (r < 0) {
        bl_evq_op_forget(c->gatt->events);
        return r;
    }
    *op = number;
    *ret_sent = (uint16_t)n;
    return 0;
}

/* ---- notifications ---- */

int bl_gatts_do_notify(struct bl_gatt_conn *c, uint64_t now, uint16_t handle, const uint8_t *value,
                       size_t n, uint16_t *ret_sent, bl_op *op)
{
    const struct bl_gatt_attr *a = send_attr(c->gatt, handle);
    bl_op number = 0;
    struct wr w;

    (void)now;
    if (!a)
        return -ENOENT;
    if (!value) {
        value = a->value;
        n = a->len;
    }
    n = send_cut(c, n);
    if (!server_subs_may_tell(c)) { /* it must not be sent, and is not kept */
        *op = 0;
        *ret_sent = 0;
        return 1;
    }
    if (!bl_att_has_room(&c->bearer) && (number = bl_evq_op(c->gatt->events)) == 0)
        return -EBUSY;
    struct buf *pdu = send_pdu(c, BL_ATT_NOTIFICATION, handle, value, n, &w);
    int r = bl_att_push(&c->bearer, pdu, &w, number);
    if (r != 0 && number)
        bl_evq_op_forget(c->gatt->events);
    if (r < 0)
        return r;
    c->gatt->server.notifications++;
    *op = r == 1 ? 0 : number;
    *ret_sent = (uint16_t)n;
    return r;
}

/* ---- a local write ---- */

/* How it is sent to this client: SEND_NOTIFY before SEND_INDICATE, 0 not at all. */
static unsigned send_way(const struct bl_gatt_conn *c, uint16_t handle)
{
    uint8_t bits = bl_gatts_bits(c, handle);

    if (c->bearer.dead)
        return 0;
    if (bits & SEND_NOTIFY)
        return server_subs_may_tell(c) ? SEND_NOTIFY : 0;
    return bits & SEND_INDICATE;
}

struct send_update {
    uint16_t handle;
    const uint8_t *value;
    size_t n;
    bool waits; /* some notification will have to */
    bl_op op;
    struct buf *pdus[BL_MAX_LINKS]; /* by g->conns, of those that are notified */
    struct wr cursors[BL_MAX_LINKS];
};

static void send_update_drop(struct send_update *u, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        buf_free(u->pdus[i]);
}

/* Everything that can be refused is asked for before anything is stored. */
static int send_update_prepare(struct bl_gatt *g, struct send_update *u)
{
    for (unsigned i = 0; i < g->n_conns; i++) {
        struct bl_gatt_conn *c = g->conns[i];
        unsigned way = send_way(c, u->handle);
        int r = 0;

        u->pdus[i] = NULL;
        if (way == SEND_NOTIFY) {
            bool room = bl_att_has_room(&c->bearer);

            u->waits = u->waits || !room;
            u->pdus[i] = send_pdu(c, BL_ATT_NOTIFICATION, u->handle, u->value, send_cut(c, u->n),
                                  &u->cursors[i]);
            r = !u->pdus[i]                                      ? -ENOMEM
                : !room && c->bearer.n_waiting >= BL_MAX_TX_WAIT ? -EAGAIN
                                                                 : 0;
        } else if (way == SEND_INDICATE) {
            r = c->server.n_indications >= BL_MAX_INDICATIONS ? -EAGAIN : 0;
        }
        if (r < 0) {
            send_update_drop(u, i + 1);
            return r;
        }
    }
    return 0;
}

/* Without memory a client misses this one: the value is stored, the others have it. The number of
 * those that wait for room. */
static unsigned send_update_send(struct bl_gatt *g, uint64_t now, struct send_update *u)
{
    unsigned waiting = 0;

    for (unsigned i = 0; i < g->n_conns; i++) {
        struct bl_gatt_conn *c = g->conns[i];

        if (u->pdus[i]) {
            waiting += bl_att_push(&c->bearer, u->pdus[i], &u->cursors[i], u->op) == 0;
            g->server.notifications++;
        } else if (send_way(c, u->handle) == SEND_INDICATE) {
            (void)send_queue(c, now, u->handle, u->value, send_cut(c, u->n), 0);
        }
    }
    return waiting;
}

static int send_update(struct bl_gatt *g, uint64_t now, struct bl_gatt_attr *a,
                       const uint8_t *value, size_t n, bl_op *op)
{
    struct send_update u = {.handle = a->handle, .value = value, .n = n};

    int r = send_update_prepare(g, &u);
    if (r == 0 && u.waits && (u.op = bl_evq_op(g->events)) == 0)
        r = -EBUSY;
    else if (r < 0)
        return r;
    if (r == 0)
        r = bl_gatt_db_store(a, 0, value, n, false);
    if (r < 0) {
        if (u.op)
            bl_evq_op_forget(g->events);
        send_update_drop(&u, g->n_conns);
        return r;
    }

    unsigned waiting = send_update_send(g, now, &u);
    if (waiting == 0 && u.op)
        bl_evq_op_forget(g->events);
    else if (waiting > 0)
        bl_evq_op_share(g->events, u.op, waiting);
    *op = waiting > 0 ? u.op : 0;
    return waiting == 0;
}

int bl_gatts_do_write(struct bl_gatt *g, uint64_t now, uint16_t handle, const uint8_t *value,
                      size_t n, bool update, bl_op *op)
{
    struct bl_gatt_attr *a = bl_gatt_db_get(&g->db, handle);

    if (!a || a->builtin || (a->kind != BL_GATT_ATTR_VALUE && a->kind != BL_GATT_ATTR_DESCRIPTOR))
        return -ENOENT;
    if (n > BL_ATT_VALUE_MAX)
        return -EMSGSIZE;
    if (update)
        return send_update(g, now, a, value, n, op);
    int r = bl_gatt_db_store(a, 0, value, n, false);
    if (r < 0)
        return r;
    *op = 0;
    return 1;
}
