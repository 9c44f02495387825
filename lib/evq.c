/* SPDX-License-Identifier: MIT */

#include "evq.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define EVQ_REPLY_ROOM 2048 /* eight replies of 255 octets: what bl_hci_command() lets wait */

int bl_evq_init(struct bl_evq *q)
{
    *q = (struct bl_evq){0};
    q->ring = calloc(BL_MAX_EVENTS, sizeof(*q->ring));
    q->bytes = malloc(BL_MAX_REPORT_BYTES);
    if (!q->ring || !q->bytes) {
        bl_evq_deinit(q);
        return -ENOMEM;
    }
    return 0;
}

void bl_evq_deinit(struct bl_evq *q)
{
    free(q->ring);
    free(q->bytes);
    *q = (struct bl_evq){0};
}

bool bl_evq_full(const struct bl_evq *q)
{
    return q->count >= BL_EVENTS_FULL || q->used >= BL_MAX_REPORT_BYTES / 2;
}

bl_op bl_evq_op(struct bl_evq *q)
{
    if (q->open_ops >= BL_MAX_OPS || bl_evq_full(q))
        return 0;
    q->open_ops++;
    if (++q->last_op == 0)
        q->last_op = 1;
    return q->last_op;
}

void bl_evq_op_forget(struct bl_evq *q)
{
    q->open_ops--;
}

void bl_evq_op_result(struct bl_evq *q, const struct bl_event *e)
{
    if (e->done.op == 0)
        return;
    q->open_ops--;
    bl_evq_push(q, e);
}

/* Room for a reply is kept free by bl_evq_report(). */
void bl_evq_op_reply(struct bl_evq *q, const struct bl_event *e)
{
    struct bl_event copy = *e;

    if (copy.done.reply.len > BL_MAX_REPORT_BYTES - q->used)
        copy.done.reply.len = 0;
    if (copy.done.reply.len > 0)
        memcpy(q->bytes + q->used, e->done.reply.params, copy.done.reply.len);
    copy.done.reply.params = q->bytes + q->used;
    q->used += copy.done.reply.len;
    bl_evq_op_result(q, &copy);
}

void bl_evq_op_share(struct bl_evq *q, bl_op op, unsigned n)
{
    if (q->n_shared == BL_MAX_OPS)
        abort(); /* more shared operations than operations: a bug, not an input */
    q->shared[q->n_shared].op = op;
    q->shared[q->n_shared].left = n;
    q->n_shared++;
}

/* Whether this was a part of an operation that others still hold open. */
static bool evq_still_shared(struct bl_evq *q, bl_op op, bl_status *status)
{
    for (unsigned i = 0; i < q->n_shared; i++) {
        if (q->shared[i].op != op)
            continue;
        if (--q->shared[i].left > 0)
            return true;
        q->shared[i] = q->shared[--q->n_shared];
        *status = BL_OK;
        return false;
    }
    return false;
}

void bl_evq_op_done(struct bl_evq *q, bl_op op, bl_status status)
{
    if (q->n_shared > 0 && evq_still_shared(q, op, &status))
        return;
    bl_evq_op_result(q, &(struct bl_event){.kind = BL_EV_OP_DONE, .done = {op, status, {0}}});
}

bool bl_evq_has_bond(const struct bl_evq *q, const struct bl_addr *identity)
{
    for (size_t i = 0; i < q->count; i++) {
        const struct bl_event *e = &q->ring[(q->head + i) % BL_MAX_EVENTS];
        if (e->kind == BL_EV_BOND && !e->bond.removed && bl_addr_eq(&e->bond.identity, identity))
            return true;
    }
    return false;
}

static void evq_more(struct bl_evq *q)
{
    if (q->count == BL_MAX_EVENTS)
        abort(); /* the bounds in bounds.h do not add up: a bug, not an input */
    q->count++;
    if (q->count > q->high_water)
        q->high_water = q->count;
}

void bl_evq_push(struct bl_evq *q, const struct bl_event *e)
{
    evq_more(q);
    q->ring[(q->head + q->count - 1) % BL_MAX_EVENTS] = *e;
}

void bl_evq_push_first(struct bl_evq *q, const struct bl_event *e)
{
    evq_more(q);
    q->head = (q->head + BL_MAX_EVENTS - 1) % BL_MAX_EVENTS;
    q->ring[q->head] = *e;
}

void bl_evq_report(struct bl_evq *q, const struct bl_report *r)
{
    q->reports++;
    if (bl_evq_full(q) || r->len > BL_MAX_REPORT_BYTES - EVQ_REPLY_ROOM - q->used) {
        q->reports_dropped++;
        return;
    }

    struct bl_event e = {.kind = BL_EV_REPORT, .report = *r};
    uint8_t *copy = q->bytes + q->used;
    if (r->len > 0)
        memcpy(copy, r->data, r->len);
    e.report.data = copy;
    q->used += r->len;
    bl_evq_push(q, &e);
}

/* bl_evq_full() keeps half of the bytes free for what one input brings. */
void bl_evq_push_value(struct bl_evq *q, const struct bl_event *e)
{
    struct bl_event copy = *e;
    size_t n = e->gatt.value.len;

    if (n > BL_MAX_REPORT_BYTES - q->used)
        abort(); /* the bounds in bounds.h do not add up: a bug, not an input */
    if (n > 0)
        memcpy(q->bytes + q->used, e->gatt.value.data, n);
    copy.gatt.value.data = q->bytes + q->used;
    q->used += n;
    bl_evq_push(q, &copy);
}

/* The ring and the bytes start again from the front whenever they are drained, so that a quiet
 * daemon touches one page of each. The popped report's bytes stay until the next push. */
bool bl_evq_pop(struct bl_evq *q, struct bl_event *ret)
{
    if (q->count == 0)
        return false;
    *ret = q->ring[q->head];
    q->head = (q->head + 1) % BL_MAX_EVENTS;
    if (--q->count == 0) {
        q->head = 0;
        q->used = 0;
    }
    return true;
}
