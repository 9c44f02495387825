/* SPDX-License-Identifier: MIT */

/*
 * gattc_call: calls of org.bled.GattClient1 from their beginning to their end.
 *
 *     new -> go -> result ... -> done -> reply, or the signals, or an error
 *
 * A caller that waits has its reply filled as results come; for everybody else each result is a
 * signal at once, and the reply went before the first of them. A caller that vanishes takes back
 * what has not begun.
 */

#include "gattc_call.h"

#include <errno.h>

static const struct gattc_kind *kind_of(const struct bus_call *call)
{
    return (const struct gattc_kind *)(const void *)call->kind;
}

/* Result signals are the caller's, everybody's where it is unattached, nobody's when it has gone
 * meanwhile. */
static bus_mask caller_of(const struct bus_call *call)
{
    return call->owner ? bus_owner_bit(call->owner) : 0;
}

int bus_gattc_check_handle(uint16_t handle, sd_bus_error *error)
{
    if (handle == 0)
        return bus_error_invalid(error, "Handle 0 is none: they go from 1 to 65535.");
    return 0;
}

int bus_gattc_check_range(uint16_t start, uint16_t end, sd_bus_error *error)
{
    if (start == 0 || start > end)
        return bus_error_invalid(error,
                                 "Handles %u to %u are no range: start is at least 1 and not above "
                                 "end, which may be 65535.",
                                 start, end);
    return 0;
}

int bus_gattc_enter(struct bus_adapter *a, sd_bus_message *m, sd_bus_message_handler_t handler,
                    struct bus_owner **ret_owner, struct bus_conn **ret_conn, sd_bus_error *error)
{
    uint16_t conn;
    int r;

    r = bus_enter(a, m, handler, 0, ret_owner, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read_basic(m, 'q', &conn);
    if (r < 0)
        return r;
    *ret_conn = bus_conn_find(a, conn, error);
    return *ret_conn ? 0 : -ENOTCONN;
}

int bus_gattc_refused(sd_bus_error *error, int r, const char *what, uint16_t handle, uint16_t conn)
{
    if (r == -EBUSY)
        return bus_error_set(error, BUS_BUSY,
                             "%d procedures wait on connection %u; wait for one of them to end.",
                             BL_MAX_PROCEDURES, conn);
    if (handle != 0)
        return bus_error_errno(error, r, "%s handle %u (0x%04x) of connection %u", what, handle,
                               handle, conn);
    return bus_error_errno(error, r, "%s connection %u", what, conn);
}

int bus_gattc_call_new(struct bus_adapter *a, sd_bus_message *m, const struct gattc_kind *kind,
                       bool wait, uint16_t conn, uint16_t handle, struct gattc_call **ret,
                       sd_bus_error *error)
{
    struct bus_call *call;
    int r;

    r = bus_call_new(a, m, &kind->call, wait, &call, error);
    if (r < 0)
        return r;
    struct gattc_call *g = (struct gattc_call *)call;
    g->conn = conn;
    g->handle = handle;
    if (call->wait && kind->append)
        r = bus_call_reply_new(call, &g->reply);
    if (r >= 0 && g->reply && kind->element)
        r = sd_bus_message_open_container(g->reply, 'a', kind->element);
    if (r < 0) {
        bus_call_free(call);
        return r;
    }
    *ret = g;
    return 0;
}

int bus_gattc_call_go(struct gattc_call *g, int r, bl_op op, sd_bus_error *error)
{
    if (r >= 0)
        return bus_call_go(&g->call, op);
    r = bus_gattc_refused(error, r, kind_of(&g->call)->what, g->handle, g->conn);
    bus_call_free(&g->call);
    return r;
}

void bus_gattc_call_drop(struct bus_call *call)
{
    struct gattc_call *g = (struct gattc_call *)call;

    g->reply = sd_bus_message_unref(g->reply);
    g->source = sd_bus_message_unref(g->source);
}

void bus_gattc_call_cancel(struct bus_call *call)
{
    struct bus_adapter *a = call->adapter;

    if (call->op != 0 && bl_gattc_cancel(a->host, bus_now(a), call->op) >= 0)
        bus_kick(a);
}

void bus_gattc_fail(struct bus_call *call, bl_status status, const char *what, uint16_t handle,
                    uint16_t conn)
{
    char text[160];

    if (!bus_call_waited(call))
        return;
    if (handle != 0)
        snprintf(text, sizeof(text), "%s handle %u (0x%04x) of connection %u", what, handle, handle,
                 conn);
    else
        snprintf(text, sizeof(text), "%s connection %u", what, conn);
    /* No procedure of the client has an HCI error of its own. */
    if ((status & 0xff00) == BL_STATUS_HCI || status == BL_DISCONNECTED)
        bus_call_fail_disconnected(call, status, "%s", text);
    else
        bus_call_fail(call, status, "%s", text);
}

static void fail(struct gattc_call *g, bl_status status)
{
    const struct gattc_kind *kind = kind_of(&g->call);
    char uuid[UUID_TEXT_LEN], what[96];

    if (!g->has_uuid) {
        bus_gattc_fail(&g->call, status, kind->what, g->handle, g->conn);
        return;
    }
    snprintf(what, sizeof(what), "looking for %s: %s", bl_uuid_format(&g->uuid, uuid), kind->what);
    bus_gattc_fail(&g->call, status, what, g->handle, g->conn);
}

static void emit_done(struct gattc_call *g, bl_status status)
{
    const struct gattc_kind *kind = kind_of(&g->call);
    bus_mask to = caller_of(&g->call);

    if (!kind->done)
        return;
    if (kind->done_handle)
        bus_emit(g->call.adapter, to, GATTC_INTERFACE, kind->done, "qqq", g->conn, g->handle,
                 status);
    else
        bus_emit(g->call.adapter, to, GATTC_INTERFACE, kind->done, "qq", g->conn, status);
}

static void reply(struct gattc_call *g)
{
    int r = g->failed;

    if (r >= 0 && g->reply && kind_of(&g->call)->element)
        r = sd_bus_message_close_container(g->reply);
    if (r < 0)
        bus_call_fail_error(&g->call,
                            &SD_BUS_ERROR_MAKE_CONST(SD_BUS_ERROR_NO_MEMORY, "No memory."));
    else if (g->reply)
        bus_call_send(&g->call, steal_ptr(g->reply));
    else
        bus_call_reply(&g->call, "");
}

void bus_gattc_call_end(struct gattc_call *g, bl_status status)
{
    if (g->call.quiet)
        emit_done(g, status);
    else if (status != BL_OK)
        fail(g, status);
    else if (g->reply && !g->filled && !kind_of(&g->call)->element)
        fail(g, BL_NO_RESOURCES); /* the stack had no memory to tell of the value */
    else
        reply(g);
}

void bus_gattc_call_done(struct bus_call *call, const struct bl_event *e)
{
    bus_gattc_call_end((struct gattc_call *)call, e->done.status);
}

static void emit_result(struct gattc_call *g, const struct bl_event *e)
{
    const struct gattc_kind *kind = kind_of(&g->call);
    struct bus_adapter *a = g->call.adapter;
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    bus_mask to = caller_of(&g->call);

    if (!kind->result || to == 0 || bus_signal_new(a, NULL, GATTC_INTERFACE, kind->result, &m) < 0)
        return;
    int r = sd_bus_message_append_basic(m, 'q', &g->conn);
    if (r >= 0)
        r = kind->fields(m, e);
    if (r < 0)
        a->bus->signals_failed++;
    else
        bus_signal_send(a, to, &m);
}

/* The operation of a result is always one of ours: nobody else's bring any. */
void bus_gattc_on_result(struct bus_adapter *a, const struct bl_event *e)
{
    struct bus_call *call = bus_call_find(a, e->gatt.op);

    if (!call || call->kind->drop != bus_gattc_call_drop)
        return;
    struct gattc_call *g = (struct gattc_call *)call;
    if (call->quiet) {
        emit_result(g, e);
    } else if (g->reply && g->failed >= 0) {
        g->failed = kind_of(call)->append(g->reply, e);
        g->filled = true;
    }
}

void bus_gattc_on_op_done(struct bus_adapter *a, const struct bl_event *e)
{
    struct gattc *t = bus_gattc_of(a);

    (void)e;
    if (!list_empty(&t->held))
        bus_gattc_write_retry(a);
    if (t->unsettled)
        bus_gattc_subscribe_retry(a);
}

void bus_gattc_on_disconnected(struct bus_adapter *a, const struct bl_event *e)
{
    bl_status status = bl_status_hci(e->disconnected.reason);
    uint16_t conn = e->disconnected.conn;

    bus_gattc_write_conn_gone(a, conn, status);
    bus_gattc_subscribe_conn_gone(a, conn, status);
    bus_gattc_listen_conn_gone(a, conn, status);
}
