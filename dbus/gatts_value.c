/* SPDX-License-Identifier: MIT */

/*
 * gatts_value: local values: read, written, notified, indicated.
 *
 * A call that finds no room in the stack is kept here, in the order of arrival, with a copy of what
 * it is about, and tried again whenever an operation, an indication or a connection has ended. What
 * waits holds back what came after it from the same owner where one of the two goes to all
 * subscribers (Write with send_update), and what came after it for the same connection; others
 * pass. So order is kept per connection, and a slow peer holds up nobody else's.
 */

#include "conn.h"
#include "gatts_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct value_call {
    struct bus_call call;
    uint16_t conn; /* 0: Write */
    uint16_t handle;
    uint16_t sent;
    bool update;
    uint8_t *value; /* while it waits */
    uint16_t n;
};

/* ---- kinds ---- */

static void value_fail(struct bus_call *call, bl_status status)
{
    const struct value_call *v = (const struct value_call *)call;

    if (status >= BL_STATUS_HCI && status < BL_STATUS_SMP)
        bus_call_fail_disconnected(call, status, "%s of 0x%04x to connection %u",
                                   call->kind->method, v->handle, v->conn);
    else
        bus_call_fail(call, status, "%s of 0x%04x to connection %u", call->kind->method, v->handle,
                      v->conn);
}

static void value_done(struct bus_call *call, const struct bl_event *e)
{
    const struct value_call *v = (const struct value_call *)call;

    if (e->done.status != BL_OK)
        value_fail(call, e->done.status);
    else if (v->conn != 0)
        bus_call_reply(call, "q", v->sent);
    else
        bus_call_reply(call, "");
}

static void value_drop(struct bus_call *call)
{
    free(((struct value_call *)call)->value);
}

static const struct bus_call_kind WRITE = {
    .method = "Write",
    .out = "",
    .size = sizeof(struct value_call),
    .done = value_done,
    .drop = value_drop,
};

static const struct bus_call_kind NOTIFY = {
    .method = "Notify",
    .out = "q",
    .size = sizeof(struct value_call),
    .done = value_done,
    .drop = value_drop,
};

static const struct bus_call_kind INDICATE = {
    .method = "Indicate",
    .out = "q",
    .size = sizeof(struct value_call),
    .done = value_done,
    .drop = value_drop,
};

/* ---- trying ---- */

static int value_try(struct value_call *v, const uint8_t *value, size_t n, bl_op *op)
{
    struct bus_adapter *a = v->call.adapter;
    uint64_t now = bus_now(a);

    *op = 0;
    if (v->call.kind == &WRITE)
        return bl_gatts_write(a->host, now, v->handle, value, n, v->update, op);
    if (v->call.kind == &NOTIFY)
        return bl_gatts_notify(a->host, now, v->conn, v->handle, value, n, &v->sent, op);
    return bl_gatts_indicate(a->host, now, v->conn, v->handle, value, n, &v->sent, op);
}

/* It is done, at once. */
static void value_finish(struct value_call *v)
{
    const struct bl_event e = {.kind = BL_EV_OP_DONE, .done = {.status = BL_OK}};

    if (v->call.wait)
        value_done(&v->call, &e);
    else
        (void)bus_call_go(&v->call, 0); /* zeros */
    bus_kick(v->call.adapter);
    bus_call_free(&v->call);
}

/* Who or what is held back by what waits already. */
struct jam {
    bus_mask writers, notifiers; /* owners with a Write, with anything else */
    uint16_t conns[BL_MAX_LINKS];
    size_t n_conns;
};

static bus_mask jam_owner(const struct value_call *v)
{
    return v->call.owner ? bus_owner_bit(v->call.owner) : 0;
}

static bool jam_conn(const struct jam *j, uint16_t conn)
{
    for (size_t i = 0; i < j->n_conns; i++)
        if (j->conns[i] == conn)
            return true;
    return false;
}

static bool jam_holds(const struct jam *j, const struct value_call *v)
{
    if (j->writers & jam_owner(v))
        return true;
    return v->conn != 0 ? jam_conn(j, v->conn) : v->update && (j->notifiers & jam_owner(v)) != 0;
}

static void jam_add(struct jam *j, const struct value_call *v)
{
    if (v->conn == 0)
        j->writers |= jam_owner(v);
    else
        j->notifiers |= jam_owner(v);
    if (v->conn != 0 && !jam_conn(j, v->conn) && j->n_conns < BL_MAX_LINKS)
        j->conns[j->n_conns++] = v->conn;
}

static bool value_must_wait(const struct value_call *v)
{
    struct jam j = {0};

    list_each(l, next, &gatts_of(v->call.adapter)->held)
        jam_add(&j, (struct value_call *)list_entry(l, struct bus_call, waiting));
    return jam_holds(&j, v);
}

/* Keeps what it is about: the value given, or the stored one as it now is. */
static int value_hold(struct value_call *v, const uint8_t *value, size_t n, sd_bus_error *error)
{
    struct bus_adapter *a = v->call.adapter;
    int r = 0;

    if (!value)
        r = bl_gatts_read(a->host, v->handle, false, &value, &n);
    v->value = r < 0 ? NULL : malloc(n + 1); /* never of 0 octets: that is NULL, the stored one */
    if (!v->value) {
        r = bus_error_errno(error, r < 0 ? r : -ENOMEM, "attribute 0x%04x", v->handle);
        bus_call_free(&v->call);
        return r;
    }
    if (n > 0)
        memcpy(v->value, value, n);
    v->n = (uint16_t)n;
    list_append(&gatts_of(a)->held, &v->call.waiting);
    return bus_call_go(&v->call, 0);
}

/* The first try, from the handler. value NULL: the stored one. */
static int value_begin(struct value_call *v, const uint8_t *value, size_t n, sd_bus_error *error)
{
    bl_op op;
    int r = value_must_wait(v) ? -EAGAIN : value_try(v, value, n, &op);

    if (r == -EAGAIN)
        return value_hold(v, value, n, error);
    if (r == 0)
        return bus_call_go(&v->call, op);
    if (r > 0) {
        value_finish(v);
        return 1;
    }
    uint16_t handle = v->handle;
    const char *method = v->call.kind->method;
    bus_call_free(&v->call);
    return bus_error_errno(error, r, "%s of attribute 0x%04x", method, handle);
}

/* It ends before anything of it was sent. */
static void value_give_up(struct value_call *v, bl_status status, const sd_bus_error *error)
{
    struct bus_adapter *a = v->call.adapter;
    const struct bus_attr *t = bus_gatts_find(a, v->handle);

    list_remove(&v->call.waiting);
    if (t && v->call.kind == &INDICATE)
        bus_emit(a, bus_attr_audience(t), GATTS_INTERFACE, "IndicateDone", "qqq", v->conn,
                 v->handle, status);
    if (error)
        bus_call_fail_error(&v->call, error);
    else
        value_fail(&v->call, status);
    bus_call_free(&v->call);
}

static void value_refused(struct value_call *v, int r)
{
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

    (void)bus_error_errno(&error, r, "%s of attribute 0x%04x", v->call.kind->method, v->handle);
    value_give_up(v, r == -ENOTCONN ? BL_DISCONNECTED : BL_NO_RESOURCES, &error);
}

void gatts_value_run_held(struct bus_adapter *a)
{
    struct jam jam = {0};

    list_each(l, next, &gatts_of(a)->held)
    {
        struct value_call *v = (struct value_call *)list_entry(l, struct bus_call, waiting);
        bl_op op;
        int r = jam_holds(&jam, v) ? -EAGAIN : value_try(v, v->value, v->n, &op);
        if (r == -EAGAIN) {
            jam_add(&jam, v);
            continue;
        }
        if (r < 0) {
            value_refused(v, r);
            continue;
        }
        list_remove(&v->call.waiting);
        if (r == 0)
            (void)bus_call_go(&v->call, op);
        else
            value_finish(v);
    }
}

/* Calls that the stack has taken: answered now, they are freed when their operation ends. */
static void value_fail_begun(struct bus_adapter *a, uint16_t handle, const sd_bus_error *error)
{
    list_each(l, next, &a->calls)
    {
        struct bus_call *call = list_entry(l, struct bus_call, link);
        if (call->kind != &WRITE && call->kind != &NOTIFY && call->kind != &INDICATE)
            continue;
        if (call->op != 0 && ((struct value_call *)call)->handle == handle)
            bus_call_fail_error(call, error);
    }
}

/* Nothing of it may be left to the stack's events: when they come the handle can be another's. */
void gatts_value_attr_gone(struct bus_adapter *a, const struct bus_attr *t)
{
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    uint16_t conn;

    (void)bus_error_set(&error, BUS_CANCELED, "Attribute 0x%04x has been removed.", t->handle);
    while (bl_gatts_give_up(a->host, t->handle, &conn))
        bus_emit(a, bus_attr_audience(t), GATTS_INTERFACE, "IndicateDone", "qqq", conn, t->handle,
                 BL_CANCELED);
    value_fail_begun(a, t->handle, &error);
    list_each(l, next, &gatts_of(a)->held)
    {
        struct value_call *v = (struct value_call *)list_entry(l, struct bus_call, waiting);
        if (v->handle == t->handle)
            value_give_up(v, BL_CANCELED, &error);
    }
}

void gatts_value_conn_gone(struct bus_adapter *a, uint16_t conn, bl_status status)
{
    list_each(l, next, &gatts_of(a)->held)
    {
        struct value_call *v = (struct value_call *)list_entry(l, struct bus_call, waiting);
        if (v->conn == conn)
            value_give_up(v, status, NULL);
    }
    gatts_value_run_held(a);
}

/* ---- methods ---- */

static int value_check_len(size_t n, sd_bus_error *error)
{
    if (n > GATTS_VALUE_MAX)
        return bus_error_invalid(error, "A value of %zu octets is over the %d that ATT allows.", n,
                                 (int)GATTS_VALUE_MAX);
    return 0;
}

int gatts_method_read(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    struct bus_adapter *a = userdata;
    struct bus_owner *owner;
    const uint8_t *value;
    uint16_t handle;
    size_t n;

    int r = bus_enter(a, m, gatts_method_read, 0, &owner, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read(m, "q", &handle);
    if (r < 0)
        return r;
    if (!bus_gatts_get(a, owner, handle, false, error))
        return -ENOENT;
    /* The value is cleared once there is a reply to carry it. */
    r = sd_bus_message_new_method_return(m, &reply);
    if (r < 0)
        return r;
    r = bl_gatts_read(a->host, handle, true, &value, &n);
    if (r < 0)
        return bus_error_errno(error, r, "attribute 0x%04x", handle);
    r = sd_bus_message_append_array(reply, 'y', value, n);
    return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

int gatts_method_write(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    static const uint8_t empty;
    struct bus_adapter *a = userdata;
    struct bus_owner *owner;
    struct bus_call *call;
    const void *value;
    uint16_t handle;
    int update;
    size_t n;

    int r = bus_enter(a, m, gatts_method_write, 0, &owner, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read_basic(m, 'q', &handle);
    if (r >= 0)
        r = sd_bus_message_read_array(m, 'y', &value, &n);
    if (r >= 0)
        r = sd_bus_message_read_basic(m, 'b', &update);
    if (r >= 0)
        r = value_check_len(n, error);
    if (r < 0)
        return r;
    const struct bus_attr *t = bus_gatts_get(a, owner, handle, false, error);
    if (!t)
        return -ENOENT;
    if (t->of && update)
        return bus_error_invalid(
            error, "send_update: 0x%04x is a descriptor, to which nobody subscribes.", handle);
    r = bus_call_new(a, m, &WRITE, true, &call, error);
    if (r < 0)
        return r;
    struct value_call *v = (struct value_call *)call;
    v->handle = handle;
    v->update = update != 0;
    return value_begin(v, n ? value : &empty, n, error);
}

int gatts_method_set_buffer(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct bus_owner *owner;
    uint16_t handle;
    uint32_t len;
    int append;

    int r = bus_enter(a, m, gatts_method_set_buffer, 0, &owner, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read(m, "qub", &handle, &len, &append);
    if (r < 0)
        return r;
    if (len > GATTS_VALUE_MAX)
        return bus_error_invalid(error,
                                 "len: a buffer of %u octets is over the %d that ATT allows.", len,
                                 (int)GATTS_VALUE_MAX);
    if (!bus_gatts_get(a, owner, handle, false, error))
        return -ENOENT;
    r = bl_gatts_set_buffer(a->host, handle, (uint16_t)len, append != 0);
    if (r < 0)
        return bus_error_errno(error, r, "the buffer of attribute 0x%04x", handle);
    return sd_bus_reply_method_return(m, NULL);
}

struct value_opts {
    struct bus_opts head;
    struct bus_bytes value;
};

static const struct bus_opt VALUE_OPTS[] = {
    {"value", "ay", offsetof(struct value_opts, value), 0, 0, NULL},
};

/* Notify and Indicate. */
static int value_send(sd_bus_message *m, struct bus_adapter *a, const struct bus_call_kind *kind,
                      sd_bus_message_handler_t handler, sd_bus_error *error)
{
    static const uint8_t empty;
    struct value_opts o = {0};
    struct bus_owner *owner;
    struct bus_call *call;
    uint16_t conn, handle;

    int r = bus_enter(a, m, handler, 0, &owner, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read(m, "qq", &conn, &handle);
    if (r >= 0)
        r = bus_opts_read(m, VALUE_OPTS, ARRAY_LEN(VALUE_OPTS), &o, error);
    if (r >= 0)
        r = value_check_len(o.value.n, error);
    if (r < 0)
        return r;
    if (!bus_conn_find(a, conn, error))
        return -ENOTCONN;
    if (!bus_gatts_get(a, owner, handle, true, error))
        return -ENOENT;
    r = bus_call_new(a, m, kind, !o.head.no_wait, &call, error);
    if (r < 0)
        return r;
    struct value_call *v = (struct value_call *)call;
    v->conn = conn;
    v->handle = handle;
    const uint8_t *value = bus_opts_given(&o.head, 0) ? (o.value.n ? o.value.p : &empty) : NULL;
    return value_begin(v, value, o.value.n, error);
}

int gatts_method_notify(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    return value_send(m, userdata, &NOTIFY, gatts_method_notify, error);
}

int gatts_method_indicate(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    return value_send(m, userdata, &INDICATE, gatts_method_indicate, error);
}
