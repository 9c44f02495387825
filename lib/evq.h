/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * evq: the queue between the stack and its owner, and the book of commands that have not ended.
 *
 * Pushing never fails: input is held back (bl_evq_full) from BL_EVENTS_FULL events or half of
 * the bytes on, and what can follow from one input or from the end of everything is bounded by
 * BL_MAX_*. Reports are the one kind that may be dropped, and are counted then.
 */

#include "bounds.h"
#include "event.h"

struct bl_evq {
    struct bl_event *ring; /* BL_MAX_EVENTS; memory that was never used is not touched */
    uint8_t *bytes;        /* BL_MAX_REPORT_BYTES, taken from the front, given back when drained */
    size_t head, count, used;
    bl_op last_op;
    unsigned open_ops;
    struct {
        bl_op op;
        unsigned left;
    } shared[BL_MAX_OPS]; /* the first n_shared */
    unsigned n_shared;
    uint64_t reports, reports_dropped, high_water;
};

int bl_evq_init(struct bl_evq *q); /* 0 or -ENOMEM */
void bl_evq_deinit(struct bl_evq *q);

/* A new command's number, or 0 when BL_MAX_OPS have not ended or the queue is full (-EBUSY). */
bl_op bl_evq_op(struct bl_evq *q);
/* The command could not be begun after all: its number is as if never given. */
void bl_evq_op_forget(struct bl_evq *q);
/* It consists of n things (not 0), each of which ends it: the last one does, with BL_OK whatever
 * became of them. */
void bl_evq_op_share(struct bl_evq *q, bl_op op, unsigned n);
/* Ends it. For op 0, nothing: an internal procedure that nobody waits for. */
void bl_evq_op_done(struct bl_evq *q, bl_op op, bl_status status);
/* Ends it with a result: e->done.* set by the caller but for nothing. */
void bl_evq_op_result(struct bl_evq *q, const struct bl_event *e);

/* The same for a reply to an HCI command: copies e->done.reply.params. */
void bl_evq_op_reply(struct bl_evq *q, const struct bl_event *e);

void bl_evq_push(struct bl_evq *q, const struct bl_event *e);
/* Before all that wait: what the order says nothing of, and is to be done before them. */
void bl_evq_push_first(struct bl_evq *q, const struct bl_event *e);
/* Whether it waits to be told already that there is this bond, as it will be then. */
bool bl_evq_has_bond(const struct bl_evq *q, const struct bl_addr *identity);
/* The same with octets that lib/gatt has got from a peer: copies e->gatt.value. There is room for
 * what one input can bring: BL_MAX_PREPARED_BYTES and some. */
void bl_evq_push_value(struct bl_evq *q, const struct bl_event *e);
/* Copies r->data. */
void bl_evq_report(struct bl_evq *q, const struct bl_report *r);
bool bl_evq_pop(struct bl_evq *q, struct bl_event *ret);
bool bl_evq_full(const struct bl_evq *q);
