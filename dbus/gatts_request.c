/* SPDX-License-Identifier: MIT */

/*
 * gatts_request: what peers do with local values, as it is told to their owners, and what they must
 * wait for.
 *
 *     BL_EV_GATTS_READ, _WRITE --> ReadRequested, WriteRequested --> waiting
 *     waiting --> Reply | 5 s | the service goes: default status | the connection ends: void
 *
 * The number that a client sees is the adapter's (unique among all interfaces' requests), beside
 * the stack's own, of which a bearer has one at a time; so there are never more requests than
 * connections.
 */

#include "gatts_table.h"

#include <errno.h>
#include <stdlib.h>

enum {
    REPLY_US = 5000000, /* until the default answer is given */
    AGAIN_US = 100000,  /* and given once more, where the stack could not take it */
    NO_ROOM = 0x11,     /* Insufficient Resources */
};

struct gatts_request {
    struct list link;
    struct bus_timer timer;
    struct bus_adapter *adapter;
    struct bus_attr *attr;
    uint32_t number; /* ours */
    uint32_t host;   /* the stack's */
    uint16_t conn;
};

static void request_free(struct gatts_request *q)
{
    bus_timer_cancel(q->adapter, &q->timer);
    gatts_of(q->adapter)->n_requests--;
    list_remove(&q->link);
    free(q);
}

/* Whether an answer could not be taken, and is to be given again: else the peer would wait, and its
 * bearer serve nothing more. */
static bool request_again(int r)
{
    return r == -EAGAIN || r == -ENOMEM;
}

static void request_default(struct gatts_request *q)
{
    struct bus_adapter *a = q->adapter;

    bus_log(a->bus, BL_LOG_DEBUG, "%s: request %u on 0x%04x gets its default answer, 0x%02x",
            a->name, q->number, q->attr->handle, q->attr->default_status);
    int r = bl_gatts_reply(a->host, bus_now(a), q->host, q->attr->default_status, NULL, 0);
    if (request_again(r))
        bus_timer_set(a, &q->timer, bus_now(a) + AGAIN_US);
    else
        request_free(q);
    bus_kick(a);
}

/* With an error in any case: that is always taken. */
static void request_refuse(struct gatts_request *q)
{
    struct bus_adapter *a = q->adapter;
    uint8_t status = q->attr->default_status ? q->attr->default_status : NO_ROOM;

    (void)bl_gatts_reply(a->host, bus_now(a), q->host, status, NULL, 0);
    request_free(q);
    bus_kick(a);
}

static void request_late(struct bus_timer *t, uint64_t now)
{
    (void)now;
    request_default(list_entry(t, struct gatts_request, timer));
}

/* False without memory, when the default answer has been given. */
static bool request_new(struct bus_adapter *a, struct bus_attr *t, const struct bl_event *e,
                        uint32_t number)
{
    struct gatts_request *q = calloc(1, sizeof(*q));

    if (!q) {
        (void)bl_gatts_reply(a->host, bus_now(a), e->gatt.request,
                             t->default_status ? t->default_status : NO_ROOM, NULL, 0);
        return false;
    }
    q->adapter = a;
    q->attr = t;
    q->number = number;
    q->host = e->gatt.request;
    q->conn = e->gatt.conn;
    q->timer.fire = request_late;
    list_append(&gatts_of(a)->requests, &q->link);
    gatts_of(a)->n_requests++;
    bus_timer_set(a, &q->timer, bus_now(a) + REPLY_US);
    return true;
}

static struct gatts_request *request_find(struct bus_adapter *a, uint32_t number)
{
    list_each(l, next, &gatts_of(a)->requests)
    {
        struct gatts_request *q = list_entry(l, struct gatts_request, link);
        if (q->number == number)
            return q;
    }
    return NULL;
}

void gatts_request_attr_gone(struct bus_adapter *a, const struct bus_attr *t)
{
    list_each(l, next, &gatts_of(a)->requests)
    {
        struct gatts_request *q = list_entry(l, struct gatts_request, link);
        if (q->attr == t)
            request_refuse(q);
    }
}

void gatts_requests_void(struct bus_adapter *a, uint16_t conn)
{
    list_each(l, next, &gatts_of(a)->requests)
    {
        struct gatts_request *q = list_entry(l, struct gatts_request, link);
        if (conn == 0 || q->conn == conn)
            request_free(q);
    }
}

/* ---- events ---- */

/* "uqq" or, without a number, "qq". */
static int signal_new(struct bus_adapter *a, const char *member, const uint32_t *number,
                      const struct bl_event *e, sd_bus_message **ret)
{
    int r = bus_signal_new(a, NULL, GATTS_INTERFACE, member, ret);

    if (r >= 0 && number)
        r = sd_bus_message_append(*ret, "u", *number);
    return r < 0 ? r : sd_bus_message_append(*ret, "qq", e->gatt.conn, e->gatt.handle);
}

static void signal_send(struct bus_adapter *a, const struct bus_attr *t, int r, sd_bus_message **m)
{
    if (r < 0)
        a->bus->signals_failed++;
    else
        bus_signal_send(a, bus_attr_audience(t), m);
}

void bus_gatts_on_written(struct bus_adapter *a, const struct bl_event *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    struct bus_attr *t = bus_gatts_find(a, e->gatt.handle);
    const struct bl_value *v = &e->gatt.value;

    if (!t)
        return;
    bool taken = !t->of && bus_characteristic_event(a, t, BUS_CHAR_WRITE_EVENT, e->gatt.conn,
                                                    v->data, v->len);
    if (bus_gatts_pipe_written(a, t, e->gatt.conn, v->data, v->len) || taken)
        return;
    int r = signal_new(a, "Written", NULL, e, &m);
    if (r >= 0)
        r = sd_bus_message_append_array(m, 'y', v->data, v->len);
    signal_send(a, t, r, &m);
}

/* What was asked of an attribute that has gone meanwhile. */
static void request_void(struct bus_adapter *a, const struct bl_event *e)
{
    if (e->gatt.request != 0)
        (void)bl_gatts_reply(a->host, bus_now(a), e->gatt.request, GATTS_DEFAULT_STATUS, NULL, 0);
}

/* What is read goes with the event of a trigger. */
static bool read_event(struct bus_adapter *a, struct bus_attr *t, const struct bl_event *e)
{
    return !t->of && bus_characteristic_event(a, t, BUS_CHAR_READ_EVENT, e->gatt.conn,
                                              e->gatt.value.data, e->gatt.value.len);
}

void bus_gatts_on_read(struct bus_adapter *a, const struct bl_event *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    struct bus_attr *t = bus_gatts_find(a, e->gatt.handle);
    uint32_t number = 0;

    if (!t) {
        request_void(a, e);
        return;
    }
    if (e->gatt.request != 0) { /* a trigger hears of it when it is answered */
        number = bus_request(a);
        if (!request_new(a, t, e, number))
            return;
    } else if (read_event(a, t, e) || !(t->of ? t->of : t)->read_events) {
        return; /* taken, or told of for a trigger alone */
    }
    signal_send(a, t, signal_new(a, "ReadRequested", &number, e, &m), &m);
}

void bus_gatts_on_served(struct bus_adapter *a, const struct bl_event *e)
{
    struct bus_attr *t = bus_gatts_find(a, e->gatt.handle);

    if (t)
        (void)read_event(a, t, e); /* ReadRequested has come */
}

void bus_gatts_on_write(struct bus_adapter *a, const struct bl_event *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    struct bus_attr *t = bus_gatts_find(a, e->gatt.handle);

    if (!t) {
        request_void(a, e);
        return;
    }
    /* The value is borrowed until the host is called again: first the signal, then the rest. */
    uint32_t number = bus_request(a);
    int r = signal_new(a, "WriteRequested", &number, e, &m);
    if (r >= 0)
        r = sd_bus_message_append_array(m, 'y', e->gatt.value.data, e->gatt.value.len);
    if (request_new(a, t, e, number))
        signal_send(a, t, r, &m);
}

void bus_gatts_on_indicate_done(struct bus_adapter *a, const struct bl_event *e)
{
    struct bus_attr *t = bus_gatts_find(a, e->gatt.handle);

    if (t)
        bus_emit(a, bus_attr_audience(t), GATTS_INTERFACE, "IndicateDone", "qqq", e->gatt.conn,
                 e->gatt.handle, e->gatt.status);
    gatts_value_run_held(a); /* there may be room for another */
}

void bus_gatts_on_subscribed(struct bus_adapter *a, const struct bl_event *e)
{
    struct bus_attr *t = bus_gatts_find(a, e->gatt.handle);

    if (!t)
        return;
    (void)bus_characteristic_event(a, t, BUS_CHAR_SUBSCRIBE_EVENT, e->gatt.conn, &e->gatt.bits, 1);
    bus_emit(a, bus_attr_audience(t), GATTS_INTERFACE, "Subscribed", "qqy", e->gatt.conn,
             e->gatt.handle, e->gatt.bits);
}

void bus_gatts_on_op_done(struct bus_adapter *a, const struct bl_event *e)
{
    (void)e;
    gatts_value_run_held(a);
}

void bus_gatts_on_disconnected(struct bus_adapter *a, const struct bl_event *e)
{
    uint16_t conn = e->disconnected.conn;

    gatts_requests_void(a, conn);
    bus_gatts_pipe_conn_gone(a, conn);
    gatts_value_conn_gone(a, conn, bl_status_hci(e->disconnected.reason));
}

/* ---- methods ---- */

int gatts_method_set_authorization(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct bus_owner *owner;
    uint16_t handle, status;
    int reads, writes;

    int r = bus_enter(a, m, gatts_method_set_authorization, 0, &owner, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read(m, "qbbq", &handle, &reads, &writes, &status);
    if (r < 0)
        return r;
    if (status > 0xff)
        return bus_error_invalid(error,
                                 "A default_status of 0x%x is not an ATT error (0x01 to 0xff), nor "
                                 "0, with which the access goes on.",
                                 status);
    struct bus_attr *t = bus_gatts_get(a, owner, handle, false, error);
    if (!t)
        return -ENOENT;
    r = bl_gatts_set_authorization(a->host, handle, reads != 0, writes != 0);
    if (r < 0)
        return bus_error_errno(error, r, "authorization of attribute 0x%04x", handle);
    t->default_status = (uint8_t)status;
    return sd_bus_reply_method_return(m, NULL);
}

struct reply_opts {
    struct bus_opts head;
    struct bus_bytes value;
};

static const struct bus_opt REPLY_OPTS[] = {
    {"value", "ay", offsetof(struct reply_opts, value), 0, 0, NULL},
};

static int reply_check(uint16_t status, const struct reply_opts *o, sd_bus_error *error)
{
    bool given = bus_opts_given(&o->head, 0);

    if (status > 0xff)
        return bus_error_invalid(
            error, "An att_status of 0x%x is not an ATT error (0x01 to 0xff), nor 0.", status);
    if (given && status != 0)
        return bus_error_invalid(error, "value: only a request that goes on (att_status 0) has "
                                        "one.");
    if (o->value.n > GATTS_VALUE_MAX)
        return bus_error_invalid(error, "value: %zu octets are over the %d that ATT allows.",
                                 o->value.n, (int)GATTS_VALUE_MAX);
    return 0;
}

int gatts_method_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    static const uint8_t empty;
    struct bus_adapter *a = userdata;
    struct reply_opts o = {0};
    struct bus_owner *owner;
    uint32_t number;
    uint16_t status;
    char what[40];

    int r = bus_enter(a, m, gatts_method_reply, 0, &owner, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read(m, "uq", &number, &status);
    if (r >= 0)
        r = bus_opts_read(m, REPLY_OPTS, ARRAY_LEN(REPLY_OPTS), &o, error);
    if (r >= 0)
        r = reply_check(status, &o, error);
    if (r < 0)
        return r;
    struct gatts_request *q = request_find(a, number);
    if (!q)
        return bus_error_set(error, BUS_NOT_FOUND,
                             "No request %u is open: it has been answered, 5 s have passed, or the "
                             "connection or the service has gone.",
                             number);
    snprintf(what, sizeof(what), "Request %u", number);
    r = bus_owner_may(owner, q->attr->service->thing.owner, what, error);
    if (r < 0)
        return r;

    const uint8_t *value = bus_opts_given(&o.head, 0) ? (o.value.n ? o.value.p : &empty) : NULL;
    r = bl_gatts_reply(a->host, bus_now(a), q->host, (uint8_t)status, value, o.value.n);
    bus_kick(a);
    if (request_again(r)) /* it stays open, for another Reply or its default */
        return bus_error_set(error, BUS_BUSY, "Request %u: no room for the answer now; try again.",
                             number);
    request_free(q);
    if (r < 0)
        return bus_error_errno(error, r, "request %u", number);
    return sd_bus_reply_method_return(m, NULL);
}
