/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * call: a method call that has begun something, from its arrival to the end of what it began.
 *
 * The life of a method handler:
 *
 *     struct connect_call {
 *         struct bus_call call;          first member
 *         uint16_t attempt;
 *     };
 *
 *     static int method_connect(sd_bus_message *m, void *userdata, sd_bus_error *error)
 *     {
 *         struct bus_adapter *a = userdata;
 *         ...
 *         r = bus_enter(a, m, method_connect, 0, &owner, error);
 *         if (r != 0)
 *             return r;                          refused, or put off: this will be called again
 *         r = sd_bus_message_read(m, "ys", &type, &addr);
 *         if (r < 0)
 *             return r;
 *         r = bus_opts_read(m, OPTS, ARRAY_LEN(OPTS), &opts, error);
 *         if (r < 0)
 *             return r;
 *         r = bus_call_new(a, m, &CONNECT, !opts.head.no_wait, &call, error);
 *         if (r < 0)
 *             return r;                          Busy: 64 calls of this client have not ended
 *         r = bl_connect(a->host, bus_now(a), &params, &c->attempt, &op);
 *         if (r < 0) {
 *             bus_call_free(call);
 *             return bus_error_errno(error, r, "connecting to %s", addr);
 *         }
 *         return bus_call_go(call, op);          with wait false: answered in zeros
 *     }
 *
 *     static void connect_done(struct bus_call *call, const struct bl_event *e)
 *     {
 *         if (e->done.status != BL_OK)
 *             bus_call_fail(call, e->done.status, "connecting to %s", ...);
 *         else
 *             bus_call_reply(call, "q", e->done.conn);
 *     }
 *
 * A call whose client vanishes is cancelled: kind->cancel() if the kind has one, and nobody waits
 * for its answer any more; done() still comes when the operation ends. A call without an operation
 * (op 0) is the module's to end with bus_call_free().
 */

#include "base/list.h"
#include "bus.h"

struct bus_call;
struct bus_client;
struct bus_owner;

struct bus_call_kind {
    const char *method; /* for messages and Stats */
    const char *out;    /* signature of the reply, "" for none */
    size_t size;        /* of the structure that begins with struct bus_call */
    /* Its operation has ended (e is BL_EV_OP_DONE): answer it. It is freed afterwards unless done()
     * gave it another operation by bus_call_go(), or set `parked`. */
    void (*done)(struct bus_call *call, const struct bl_event *e);
    /* May be NULL. Whoever waited for the answer has gone: end what was begun for it alone. Must
     * not free the call; not called for calls that nobody waits for. */
    void (*cancel)(struct bus_call *call);
    /* May be NULL. Frees what the call holds, when it is freed. */
    void (*drop)(struct bus_call *call);
    /* cancel() also when nobody waits any more: the call is there to notice that its client goes.
     * Without an operation it is freed afterwards. */
    bool watch;
};

struct bus_call {
    struct list link;    /* adapter.calls */
    struct list by_op;   /* adapter.by_op[] */
    struct list waiting; /* for a list of the module's; taken out when the call is freed */
    struct bus_adapter *adapter;
    struct bus_client *client; /* NULL: the daemon's own procedure */
    struct bus_owner *owner;   /* on whose behalf; NULL when that owner has gone meanwhile */
    const struct bus_call_kind *kind;
    sd_bus_message *m; /* to be answered; NULL when it has been, or nobody waits */
    bl_op op;
    bool wait;   /* the caller waits for the outcome */
    bool quiet;  /* wait false or no reply expected: result signals are due */
    bool parked; /* stays after done(): the module ends it */
};

enum bus_enter_flags {
    BUS_WHILE_INACTIVE = 1, /* works while the adapter is inactive, and never waits for bring-up */
    BUS_ROOT = 2,           /* root alone on the system bus */
};

/*
 * What every method begins with: who calls (*ret_owner, may be NULL), and whether it may now.
 * 0: go on. 1: put off until the adapter's or the owner's change of state is complete, when handler
 * is called again with a->...; return 1. Negative: refused, error is set; return it.
 */
int bus_enter(struct bus_adapter *a, sd_bus_message *m, sd_bus_message_handler_t handler,
              unsigned flags, struct bus_owner **ret_owner, sd_bus_error *error);
/* The last part of bus_enter(): puts the call off. Returns 1, or negative with error set. */
int bus_call_hold(struct bus_adapter *a, sd_bus_message *m, sd_bus_message_handler_t handler,
                  sd_bus_error *error);
/* Dispatches again what was put off. */
void bus_call_run_held(struct bus_adapter *a);
/* Only the check for root, for properties and the like: 0 or -EACCES with error set. */
int bus_check_root(struct bus *b, sd_bus_message *m, const char *what, sd_bus_error *error);

/* Zeroed but for the head; m NULL: a procedure of the daemon's own, with no client and no answer.
 * Negative with error set: Busy (limit) or no memory. */
int bus_call_new(struct bus_adapter *a, sd_bus_message *m, const struct bus_call_kind *kind,
                 bool wait, struct bus_call **ret, sd_bus_error *error);
void bus_call_free(struct bus_call *c);
static inline void bus_call_free_p(struct bus_call **c)
{
    if (*c)
        bus_call_free(*c);
}
#define _cleanup_call_ __attribute__((cleanup(bus_call_free_p)))

/* Under way (op 0: without a number); kicks the loop, and answers in zeros unless the caller waits.
 * Returns 1, for the handler to return. Also from within done(), for the next step. */
int bus_call_go(struct bus_call *c, bl_op op);

/* Whether anybody waits for the answer. */
static inline bool bus_call_waited(const struct bus_call *c)
{
    return c->m != NULL;
}

/* Answers. The first one counts; nothing happens when nobody waits. The call stays. */
void bus_call_reply(struct bus_call *c, const char *types, ...);
/* For long answers: a reply to fill, NULL in *ret when nobody waits; then bus_call_send(). */
int bus_call_reply_new(struct bus_call *c, sd_bus_message **ret);
void bus_call_send(struct bus_call *c, sd_bus_message *reply);
/* The error of a status (error.h); `format`: what failed, with its handle, UUID or address. */
void bus_call_fail(struct bus_call *c, bl_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The procedure was cut by a disconnection: Error.Disconnected, naming the reason. */
void bus_call_fail_disconnected(struct bus_call *c, bl_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void bus_call_fail_error(struct bus_call *c, const sd_bus_error *error);

/* The call of this operation, NULL when there is none. */
struct bus_call *bus_call_find(struct bus_adapter *a, bl_op op);
/* BL_EV_OP_DONE. */
void bus_call_event(struct bus_adapter *a, const struct bl_event *e);
/* Cancels the calls of a client that has vanished. */
void bus_call_cancel_client(struct bus_adapter *a, struct bus_client *c);
/* The owner is being freed. */
void bus_call_forget_owner(struct bus_adapter *a, const struct bus_owner *o);
