/* SPDX-License-Identifier: MIT */

/*
 * call: calls that outlive their handler.
 *
 * Every one is in its adapter's list and counted for its client; those with an operation are found
 * by its number through 64 buckets. A call that has to wait for the adapter is one too (HELD): it
 * keeps the message and the handler, and is dispatched from the start when the reason has gone, so
 * that a handler needs no second half.
 */

#include "call.h"

#include "adapter.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

struct held_call {
    struct bus_call call;
    sd_bus_message *message;
    sd_bus_message_handler_t handler;
};

static void held_cancel(struct bus_call *c)
{
    struct held_call *h = (struct held_call *)c;
    h->message = sd_bus_message_unref(h->message);
}

static const struct bus_call_kind HELD = {
    .method = "a call that waits for the adapter",
    .out = "",
    .size = sizeof(struct held_call),
    .cancel = held_cancel,
    .drop = held_cancel,
};

int bus_call_new(struct bus_adapter *a, sd_bus_message *m, const struct bus_call_kind *kind,
                 bool wait, struct bus_call **ret, sd_bus_error *error)
{
    struct bus_client *client = NULL;
    const char *sender = m ? sd_bus_message_get_sender(m) : NULL;
    if (sender) {
        client = bus_client_get(a->bus, sender);
        if (!client)
            return -ENOMEM;
        if (client->calls >= BUS_MAX_CALLS) {
            a->bus->calls_refused++;
            return bus_error_set(error, BUS_BUSY,
                                 "%u calls of %s are under way; wait for one of them to end.",
                                 client->calls, sender);
        }
    }

    struct bus_call *c = calloc(1, kind->size);
    if (!c) {
        if (client)
            bus_client_put(client);
        return -ENOMEM;
    }
    c->adapter = a;
    c->client = client;
    c->owner = bus_owner_of(a, m);
    c->kind = kind;
    bool expected = m && sd_bus_message_get_expect_reply(m) > 0;
    if (expected)
        c->m = sd_bus_message_ref(m);
    c->wait = wait && expected;
    c->quiet = !c->wait;
    if (client)
        client->calls++;
    list_init(&c->by_op);
    list_init(&c->waiting);
    list_append(&a->calls, &c->link);
    *ret = c;
    return 0;
}

void bus_call_free(struct bus_call *c)
{
    if (c->kind->drop)
        c->kind->drop(c);
    list_remove(&c->link);
    list_remove(&c->by_op);
    list_remove(&c->waiting);
    sd_bus_message_unref(c->m);
    if (c->client) {
        c->client->calls--;
        bus_client_put(c->client);
    }
    free(c);
}

static struct list *bucket(struct bus_adapter *a, bl_op op)
{
    return &a->by_op[op % BUS_CALL_BUCKETS];
}

struct bus_call *bus_call_find(struct bus_adapter *a, bl_op op)
{
    list_each(l, next, bucket(a, op))
    {
        struct bus_call *c = list_entry(l, struct bus_call, by_op);
        if (c->op == op)
            return c;
    }
    return NULL;
}

/* Zeros, empty strings and empty arrays of the types. The signatures are our own. */
static int append_empty(sd_bus_message *m, const char *types)
{
    static const uint64_t zero;
    int r = 0;
    for (const char *t = types; *t && r >= 0; t++) {
        if (*t == 's') {
            r = sd_bus_message_append_basic(m, 's', "");
        } else if (*t == 'a') { /* the last type of its reply, but for dictionaries' own brackets */
            r = sd_bus_message_open_container(m, 'a', t + 1);
            if (r >= 0)
                r = sd_bus_message_close_container(m);
            break;
        } else {
            r = sd_bus_message_append_basic(m, *t, &zero);
        }
    }
    return r;
}

static void reply_empty(struct bus_call *c)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    int r = bus_call_reply_new(c, &reply);
    if (!reply)
        return;
    if (r >= 0)
        r = append_empty(reply, c->kind->out);
    if (r < 0)
        bus_call_fail_error(c, &SD_BUS_ERROR_MAKE_CONST(SD_BUS_ERROR_NO_MEMORY, "No memory."));
    else
        bus_call_send(c, steal_ptr(reply));
}

int bus_call_go(struct bus_call *c, bl_op op)
{
    struct bus_adapter *a = c->adapter;
    list_remove(&c->by_op);
    c->op = op;
    if (op != 0)
        list_append(bucket(a, op), &c->by_op);
    if (!c->wait)
        reply_empty(c);
    bus_kick(a);
    return 1;
}

void bus_call_event(struct bus_adapter *a, const struct bl_event *e)
{
    struct bus_call *c = bus_call_find(a, e->done.op);
    if (!c)
        return;
    list_remove(&c->by_op);
    c->op = 0;
    c->kind->done(c, e);
    if (c->op == 0 && !c->parked)
        bus_call_free(c);
}

void bus_call_reply(struct bus_call *c, const char *types, ...)
{
    if (!c->m)
        return;
    va_list ap;
    va_start(ap, types);
    int r = sd_bus_reply_method_returnv(c->m, *types ? types : NULL, ap);
    va_end(ap);
    if (r < 0)
        c->adapter->bus->signals_failed++;
    c->m = sd_bus_message_unref(c->m);
}

int bus_call_reply_new(struct bus_call *c, sd_bus_message **ret)
{
    *ret = NULL;
    return c->m ? sd_bus_message_new_method_return(c->m, ret) : 0;
}

void bus_call_send(struct bus_call *c, sd_bus_message *reply)
{
    if (c->m && reply && sd_bus_send(c->adapter->bus->sd, reply, NULL) < 0)
        c->adapter->bus->signals_failed++;
    sd_bus_message_unref(reply);
    c->m = sd_bus_message_unref(c->m);
}

void bus_call_fail_error(struct bus_call *c, const sd_bus_error *error)
{
    if (!c->m)
        return;
    if (sd_bus_reply_method_error(c->m, error) < 0)
        c->adapter->bus->signals_failed++;
    c->m = sd_bus_message_unref(c->m);
}

void bus_call_fail(struct bus_call *c, bl_status status, const char *format, ...)
{
    if (!c->m)
        return;
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    va_list ap;
    va_start(ap, format);
    bus_error_statusv(&error, status, format, ap);
    va_end(ap);
    bus_call_fail_error(c, &error);
}

void bus_call_fail_disconnected(struct bus_call *c, bl_status status, const char *format, ...)
{
    if (!c->m)
        return;
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    va_list ap;
    va_start(ap, format);
    bus_error_disconnectedv(&error, status, format, ap);
    va_end(ap);
    bus_call_fail_error(c, &error);
}

/* Calls without a reply to wait for go on, for they are what scripts leave behind; but not those of
 * an attached client, with which everything of its own ends. */
void bus_call_cancel_client(struct bus_adapter *a, struct bus_client *client)
{
    list_each(l, next, &a->calls)
    {
        struct bus_call *c = list_entry(l, struct bus_call, link);
        if (c->client != client)
            continue;
        bool waited = c->m != NULL;
        c->m = sd_bus_message_unref(c->m);
        bool own = c->owner && !bus_owner_is_daemon(c->owner) && c->kind == &HELD;
        if ((waited || own || c->kind->watch) && c->kind->cancel)
            c->kind->cancel(c);
        if (c->kind->watch && c->op == 0)
            bus_call_free(c);
    }
}

void bus_call_forget_owner(struct bus_adapter *a, const struct bus_owner *o)
{
    list_each(l, next, &a->calls)
    {
        struct bus_call *c = list_entry(l, struct bus_call, link);
        if (c->owner == o)
            c->owner = NULL;
    }
}

int bus_call_hold(struct bus_adapter *a, sd_bus_message *m, sd_bus_message_handler_t handler,
                  sd_bus_error *error)
{
    struct bus_call *c;
    int r = bus_call_new(a, m, &HELD, true, &c, error);
    if (r < 0)
        return r;
    struct held_call *h = (struct held_call *)c;
    h->message = sd_bus_message_ref(m);
    h->handler = handler;
    list_append(&a->held, &c->waiting);
    return 1;
}

/* As sd-bus dispatches a method: a negative return is the answer. */
static void dispatch(struct bus_adapter *a, sd_bus_message *m, sd_bus_message_handler_t handler)
{
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    int r = sd_bus_message_rewind(m, true);
    if (r >= 0)
        r = handler(m, a, &error);
    if (r < 0 && sd_bus_reply_method_errno(m, r, &error) < 0)
        a->bus->signals_failed++;
}

void bus_call_run_held(struct bus_adapter *a)
{
    struct list run;
    list_init(&run);
    for (struct list *l; (l = list_pop(&a->held));)
        list_append(&run, l);
    for (struct list *l; (l = list_pop(&run));) {
        struct bus_call *c = list_entry(l, struct bus_call, waiting);
        struct held_call *h = (struct held_call *)c;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = steal_ptr(h->message);
        sd_bus_message_handler_t handler = h->handler;
        bus_call_free(c);
        if (m)
            dispatch(a, m, handler);
    }
}

static int not_active(const struct bus_adapter *a, sd_bus_error *error)
{
    if (a->closing)
        return bus_error_set(error, BUS_NOT_ACTIVE, "bled is ending.");
    if (a->why[0] != '\0')
        return bus_error_set(error, BUS_NOT_ACTIVE, "%s is not active: %s", a->name, a->why);
    return bus_error_set(error, BUS_NOT_ACTIVE, "%s is not active: call SetActive(true) first.",
                         a->name);
}

int bus_enter(struct bus_adapter *a, sd_bus_message *m, sd_bus_message_handler_t handler,
              unsigned flags, struct bus_owner **ret_owner, sd_bus_error *error)
{
    if (a->closing)
        return not_active(a, error);
    if (flags & BUS_ROOT) {
        int r = bus_check_root(a->bus, m, sd_bus_message_get_member(m), error);
        if (r < 0)
            return r;
    }

    struct bus_owner *owner = bus_owner_of(a, m);
    if (owner->ending)
        return bus_call_hold(a, m, handler, error);
    if (!(flags & BUS_WHILE_INACTIVE) && a->state != BUS_ACTIVE) {
        if (a->state == BUS_ACTIVATING || a->reset)
            return bus_call_hold(a, m, handler, error);
        return not_active(a, error);
    }
    if (ret_owner)
        *ret_owner = owner;
    return 0;
}
