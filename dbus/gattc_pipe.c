/* SPDX-License-Identifier: MIT */

/*
 * gattc_pipe: GattClient1's AcquireWrite and AcquireNotify.
 *
 * AcquireNotify is a subscription with a socket: made before the CCCD is written, so that what the
 * peer sends before its response is in the socket when the caller gets it. Each of the two takes
 * the other with it: the subscription by bus_gattc_pipe_sub_gone(), the socket by notify_gone().
 */

#include "gattc_call.h"
#include "socket.h"

#include <errno.h>
#include <unistd.h>

/* ---- AcquireWrite ---- */

static int write_send(struct bus_socket *s, const uint8_t *data, size_t n, bl_op *op)
{
    struct bus_adapter *a = s->adapter;

    return bl_gattc_write(a->host, bus_now(a), s->conn, s->handle, data, n, BL_GATT_WRITE_COMMAND,
                          0, op);
}

static const struct bus_socket_kind WRITE = {.method = "AcquireWrite", .send = write_send};

int bus_gattc_method_acquire_write(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct bus_owner *owner;
    struct bus_conn *c;
    struct bus_socket *s;
    uint16_t handle;
    bool wait;
    int fd;

    int r = bus_gattc_enter(a, m, bus_gattc_method_acquire_write, &owner, &c, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read(m, "q", &handle);
    if (r >= 0)
        r = bus_gattc_check_handle(handle, error);
    if (r >= 0)
        r = bus_opts_read_wait(m, &wait, error);
    if (r >= 0)
        r = bus_socket_new(&s, &WRITE, owner, c, handle, &fd, error);
    return r < 0 ? r : bus_socket_give(s, m, fd);
}

/* ---- AcquireNotify ---- */

struct acquire_call {
    struct bus_call call;
    struct bus_socket *socket; /* NULL: it has gone meanwhile */
    uint16_t conn, handle;
    int fd;    /* the client's end */
    bool open; /* bits were not given: what the peer does not notify it may indicate */
};

static void notify_gone(struct bus_socket *s)
{
    struct bus_sub *sub = steal_ptr(s->sub);

    if (s->subscribing)
        ((struct acquire_call *)s->subscribing)->socket = NULL;
    if (!sub)
        return;
    sub->pipe = NULL;
    bus_sub_end(sub);
}

static const struct bus_socket_kind NOTIFY = {.method = "AcquireNotify", .gone = notify_gone};

void bus_gattc_pipe_value(struct bus_sub *s, const uint8_t *value, size_t n)
{
    (void)bus_pipe_send(s->pipe, value, n); /* a reader that is too slow has been hung up on */
}

void bus_gattc_pipe_sub_gone(struct bus_sub *sub)
{
    struct bus_socket *s = bus_socket_find(sub->adapter, &NOTIFY, sub->conn, sub->handle);

    sub->pipe = NULL;
    if (!s || s->sub != sub)
        return;
    s->sub = NULL;
    bus_socket_end(s);
}

void bus_gattc_pipe_conn_gone(struct bus_adapter *a, uint16_t conn)
{
    bus_sockets_conn_gone(a, conn, false);
}

/* Whether the peer said no to what was asked for, and not to whoever asked. */
static bool acquire_may_indicate(bl_status status)
{
    static const uint8_t to_asker[] = {0x05, 0x08, 0x0a, 0x0c, 0x0f};

    return status > 0 && status < 0x100 && !memchr(to_asker, status, sizeof(to_asker));
}

/* Once more, for indications. */
static bool acquire_again(struct acquire_call *g, bl_status status)
{
    if (!g->open || !g->socket || !g->socket->sub || !acquire_may_indicate(status))
        return false;
    g->open = false;
    g->socket->sub->bits = 2;
    return bus_sub_write(g->socket->sub, &g->call) == 0;
}

static void acquire_done(struct bus_call *call, const struct bl_event *e)
{
    struct acquire_call *g = (struct acquire_call *)call;

    call->parked = acquire_again(g, e->done.status);
    if (call->parked)
        return;
    struct bus_socket *s = steal_ptr(g->socket);
    if (s)
        s->subscribing = NULL;
    if (e->done.status != BL_OK) {
        bus_gattc_fail(call, e->done.status, "subscribing to", g->handle, g->conn);
        if (s)
            bus_socket_undo(s);
    } else if (s) {
        bus_call_reply(call, "hq", g->fd, bl_gatt_mtu(call->adapter->host, g->conn));
    } else {
        bus_gattc_fail(call, BL_CANCELED, "subscribing to", g->handle, g->conn);
    }
}

static void acquire_cancel(struct bus_call *call)
{
    struct acquire_call *g = (struct acquire_call *)call;

    if (g->socket)
        bus_socket_undo(g->socket);
}

static void acquire_drop(struct bus_call *call)
{
    struct acquire_call *g = (struct acquire_call *)call;

    if (g->socket)
        g->socket->subscribing = NULL;
    if (g->fd >= 0)
        close(g->fd);
}

static const struct bus_call_kind ACQUIRE_NOTIFY = {
    .method = "AcquireNotify",
    .out = "hq",
    .size = sizeof(struct acquire_call),
    .done = acquire_done,
    .cancel = acquire_cancel,
    .drop = acquire_drop,
};

struct acquire_opts {
    struct bus_opts head;
    uint8_t bits;
};

enum { ACQUIRE_BITS = 0 }; /* its row */

static const struct bus_opt ACQUIRE_OPTS[] = {
    {"bits", "y", offsetof(struct acquire_opts, bits), .min = 1, .max = 3},
};

/* Subscribes; the call is the socket's and answered when the peer has. 1 or negative. */
static int notify_begin(struct bus_socket *s, struct bus_call *call, sd_bus_error *error)
{
    struct acquire_call *g = (struct acquire_call *)call;
    uint16_t mtu = bl_gatt_mtu(s->adapter->host, s->conn);

    int r = bus_sub_write(s->sub, call);
    if (r < 0) {
        r = bus_gattc_refused(error, r, "subscribing to", g->handle, g->conn);
        bus_call_free(call);
        bus_socket_undo(s);
        return r;
    }
    if (!call->wait)
        bus_call_reply(call, "hq", g->fd, mtu);
    return bus_call_go(call, 0);
}

int bus_gattc_method_acquire_notify(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct acquire_opts o = {.bits = 1};
    struct bus_owner *owner;
    struct bus_conn *c;
    struct bus_call *call;
    uint16_t handle;
    int fd;

    int r = bus_gattc_enter(a, m, bus_gattc_method_acquire_notify, &owner, &c, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read(m, "q", &handle);
    if (r >= 0)
        r = bus_gattc_check_handle(handle, error);
    if (r >= 0)
        r = bus_opts_read(m, ACQUIRE_OPTS, ARRAY_LEN(ACQUIRE_OPTS), &o, error);
    if (r >= 0)
        r = bus_call_new(a, m, &ACQUIRE_NOTIFY, !o.head.no_wait, &call, error);
    if (r < 0)
        return r;

    struct acquire_call *g = (struct acquire_call *)call;
    g->fd = -1;
    g->open = !bus_opts_given(&o.head, ACQUIRE_BITS);
    g->conn = c->info.conn;
    g->handle = handle;
    r = bus_socket_new(&g->socket, &NOTIFY, owner, c, handle, &fd, error);
    if (r < 0) {
        bus_call_free(call);
        return r;
    }
    g->fd = fd;
    g->socket->subscribing = call;
    g->socket->sub = bus_sub_new(a, owner, c, handle, o.bits);
    if (!g->socket->sub) {
        struct bus_socket *s = g->socket;
        bus_call_free(call);
        bus_socket_undo(s);
        return -ENOMEM;
    }
    g->socket->sub->pipe = g->socket->pipe;
    return notify_begin(g->socket, call, error);
}
