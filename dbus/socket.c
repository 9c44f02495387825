/* SPDX-License-Identifier: MIT */

/*
 * socket: a packet's way from a client's socket to the peer, and whose sockets are whose.
 *
 *                          1: taken
 *            .------------------------------------.
 *            v                                    |
 *     pipe reads ---> kind->send() ---0---> turn: OP_DONE
 *                          |  ^
 *                   -EAGAIN v  | a moment later
 *                         held
 *
 * Nothing is read while a turn or a held packet waits, so that what a client can make the daemon
 * hold is one packet, and the rest waits in its own socket.
 *
 * A socket that its client has closed is not in the way of the next for the same handle, though
 * what was written into it may still wait: the next is not read before that has gone. So there may
 * be several, in order, of which the first alone is read and the last alone may be open.
 */

#include "socket.h"

#include "gattc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SOCKET_RETRY_US = 5000,
    SOCKET_LATE_US = 5000000, /* for what was written before its owner went */
};

struct socket_turn {
    struct bus_call call;
    struct bus_socket *socket;
};

static struct list *sockets_of(const struct bus_adapter *a)
{
    return a->module[BUS_MODULE_socket];
}

struct bus_socket *bus_socket_find(struct bus_adapter *a, const struct bus_socket_kind *kind,
                                   uint16_t conn, uint16_t handle)
{
    list_each(l, next, sockets_of(a))
    {
        struct bus_socket *s = list_entry(l, struct bus_socket, link);
        if (s->kind == kind && s->conn == conn && s->handle == handle)
            return s;
    }
    return NULL;
}

/* ---- from the client to the peer ---- */

static void socket_over(void *userdata, const char *why)
{
    struct bus_socket *s = userdata;

    if (why)
        bus_news(s->adapter, "connection %u: the %s socket for 0x%04x is hung up: %s", s->conn,
                 s->kind->method, s->handle, why);
    bus_socket_end(s);
}

static void socket_turn_done(struct bus_call *call, const struct bl_event *e)
{
    struct bus_socket *s = ((struct socket_turn *)call)->socket;

    (void)e; /* a connection that ends says so itself */
    s->turn = NULL;
    bus_pipe_resume(s->pipe);
}

static const struct bus_call_kind SOCKET_TURN = {
    .method = "a packet of a socket",
    .out = "",
    .size = sizeof(struct socket_turn),
    .done = socket_turn_done,
};

static void socket_retry(struct bus_timer *t, uint64_t now);

static bool socket_hold(struct bus_socket *s, const uint8_t *data, size_t n)
{
    if (!s->held) {
        s->held = malloc(n > 0 ? n : 1);
        if (!s->held)
            return false;
        if (n > 0)
            memcpy(s->held, data, n);
        s->held_len = n;
    }
    s->retry.fire = socket_retry;
    bus_timer_set(s->adapter, &s->retry, bus_now(s->adapter) + SOCKET_RETRY_US);
    return true;
}

/* True where the next packet may follow at once. s may be gone when false. */
static bool socket_send(struct bus_socket *s, const uint8_t *data, size_t n)
{
    struct bus_adapter *a = s->adapter;
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    struct bus_call *call = NULL;
    bl_op op = 0;
    int r = s->kind->send(s, data, n, &op);

    if (r == -EAGAIN && socket_hold(s, data, n))
        return false;
    if (r == 0) {
        r = bus_call_new(a, NULL, &SOCKET_TURN, false, &call, &error);
        if (r >= 0) {
            s->turn = (struct socket_turn *)call;
            s->turn->socket = s;
            bus_call_go(call, op);
            return false;
        }
    }
    if (r < 0) {
        socket_over(s, strerror(-r));
        return false;
    }
    bus_kick(a);
    return true;
}

static bool socket_packet(void *userdata, const uint8_t *data, size_t n)
{
    return socket_send(userdata, data, n);
}

static void socket_retry(struct bus_timer *t, uint64_t now)
{
    struct bus_socket *s = list_entry(t, struct bus_socket, retry);
    _cleanup_free_ uint8_t *held = steal_ptr(s->held);

    (void)now;
    if (socket_send(s, held, s->held_len))
        bus_pipe_resume(s->pipe);
}

static const struct bus_pipe_ops SOCKET_IN = {.packet = socket_packet, .over = socket_over};
static const struct bus_pipe_ops SOCKET_OUT = {.over = socket_over};

/* ---- beginning and end ---- */

static void socket_late(struct bus_timer *t, uint64_t now)
{
    struct bus_socket *s = list_entry(t, struct bus_socket, late);

    (void)now;
    socket_over(s, "its owner has gone, and what it wrote has not left in time");
}

/* A client that writes and exits has written all the same. */
static void socket_release(struct bus_thing *t)
{
    struct bus_socket *s = list_entry(t, struct bus_socket, thing);

    if (!s->kind->send) {
        bus_socket_end(s);
        return;
    }
    s->late.fire = socket_late;
    bus_timer_set(s->adapter, &s->late, bus_now(s->adapter) + SOCKET_LATE_US);
    bus_pipe_close_in(s->pipe);
}

static const struct bus_thing_kind SOCKET = {
    .holds = "sockets",
    .rank = BUS_RANK_CHANNEL,
    .release = socket_release,
};

/* Core 5.4, Vol 3, Part F, 3.4.5.3 and 3.4.7.1: an opcode and a handle come before the value. */
static size_t socket_max(const struct bus_adapter *a, uint16_t conn)
{
    uint16_t mtu = bl_gatt_mtu(a->host, conn);

    return mtu > 3 ? (size_t)mtu - 3 : 0;
}

/* The one that its client has not closed; what a closed one has is taken first. */
static struct bus_socket *socket_open(struct bus_adapter *a, const struct bus_socket_kind *kind,
                                      uint16_t conn, uint16_t handle)
{
    list_each(l, next, sockets_of(a))
    {
        struct bus_socket *s = list_entry(l, struct bus_socket, link);
        if (s->kind == kind && s->conn == conn && s->handle == handle && bus_pipe_look(s->pipe))
            return s;
    }
    return NULL;
}

int bus_socket_new(struct bus_socket **ret, const struct bus_socket_kind *kind,
                   struct bus_owner *owner, struct bus_conn *c, uint16_t handle, int *ret_fd,
                   sd_bus_error *error)
{
    struct bus_adapter *a = c->adapter;
    uint16_t conn = c->info.conn;
    struct bus_socket *s = socket_open(a, kind, conn, handle);

    if (s)
        return bus_error_set(error, BUS_BUSY,
                             "%s of handle 0x%04x on connection %u is %s's already.", kind->method,
                             handle, conn, s->thing.owner->who);
    s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->adapter = a;
    s->kind = kind;
    s->conn = conn;
    s->handle = handle;
    int r = bus_pipe_new(&s->pipe, a, conn, socket_max(a, conn), a->config.rx_buf,
                         kind->send ? &SOCKET_IN : &SOCKET_OUT, s, ret_fd);
    if (r < 0) {
        free(s);
        return bus_error_errno(error, r, "a socket for handle 0x%04x", handle);
    }
    s->made_use = bus_conn_use_of(c, owner) == NULL;
    r = bus_conn_use(c, owner);
    if (r < 0) {
        s->pipe = bus_pipe_free(s->pipe);
        free(s);
        close(*ret_fd);
        return r;
    }
    if (bus_socket_find(a, kind, conn, handle))
        bus_pipe_pause(s->pipe); /* until socket_turn_comes() */
    bus_thing_add(&s->thing, owner, &SOCKET);
    list_init(&s->of_attr);
    list_append(sockets_of(a), &s->link);
    *ret = s;
    return 0;
}

static void socket_turn_comes(struct bus_timer *t, uint64_t now)
{
    struct bus_socket *s = list_entry(t, struct bus_socket, retry);

    (void)now;
    bus_pipe_resume(s->pipe);
}

/* Not from here: who ends one may be about to end the next. */
static void socket_next(struct bus_adapter *a, struct bus_socket *s)
{
    if (!s)
        return;
    s->retry.fire = socket_turn_comes;
    bus_timer_set(a, &s->retry, bus_now(a));
}

void bus_socket_end(struct bus_socket *s)
{
    bool first = bus_socket_find(s->adapter, s->kind, s->conn, s->handle) == s;

    list_remove(&s->link);
    if (first)
        socket_next(s->adapter, bus_socket_find(s->adapter, s->kind, s->conn, s->handle));
    list_remove(&s->of_attr);
    bus_timer_cancel(s->adapter, &s->retry);
    bus_timer_cancel(s->adapter, &s->late);
    if (s->turn)
        bus_call_free(&s->turn->call);
    s->pipe = bus_pipe_free(s->pipe);
    bus_thing_remove(&s->thing);
    if (s->kind->gone)
        s->kind->gone(s);
    free(s->held);
    free(s);
}

void bus_socket_undo(struct bus_socket *s)
{
    struct bus_conn *c = bus_conn_find(s->adapter, s->conn, NULL);
    struct bus_use *use = c && s->made_use ? bus_conn_use_of(c, s->thing.owner) : NULL;

    bus_socket_end(s);
    if (use && !bus_conn_is_last(use))
        bus_conn_leave(use);
}

int bus_socket_give(struct bus_socket *s, sd_bus_message *m, int fd)
{
    int r = sd_bus_reply_method_return(m, "hq", fd, bl_gatt_mtu(s->adapter->host, s->conn));

    close(fd); /* sent as a duplicate */
    if (r < 0)
        bus_socket_undo(s);
    return r < 0 ? r : 1;
}

void bus_sockets_conn_gone(struct bus_adapter *a, uint16_t conn, bool server)
{
    list_each(l, next, sockets_of(a))
    {
        struct bus_socket *s = list_entry(l, struct bus_socket, link);
        if (s->conn == conn && s->kind->server == server)
            bus_socket_end(s);
    }
}

void bus_sockets_end_all(struct bus_adapter *a, const struct bus_owner *owner, uint16_t conn)
{
    list_each(l, next, sockets_of(a))
    {
        struct bus_socket *s = list_entry(l, struct bus_socket, link);
        if (s->conn == conn && s->thing.owner == owner)
            bus_socket_end(s);
    }
}

void bus_sockets_on_mtu(struct bus_adapter *a, const struct bl_event *e)
{
    list_each(l, next, sockets_of(a))
    {
        struct bus_socket *s = list_entry(l, struct bus_socket, link);
        if (s->conn == e->mtu.conn)
            bus_pipe_set_max(s->pipe, socket_max(a, s->conn));
    }
}

/* ---- the module ---- */

static int sockets_init(struct bus_adapter *a)
{
    struct list *all = malloc(sizeof(*all));

    if (!all)
        return -ENOMEM;
    list_init(all);
    a->module[BUS_MODULE_socket] = all;
    return 0;
}

/* Without their kinds' last words: what they would end is about to go as well. */
static void sockets_deinit(struct bus_adapter *a)
{
    struct list *all = sockets_of(a);

    if (!all)
        return;
    list_each(l, next, all)
    {
        struct bus_socket *s = list_entry(l, struct bus_socket, link);
        if (s->sub)
            s->sub->pipe = NULL;
        s->sub = NULL;
        bus_socket_end(s);
    }
    free(all);
    a->module[BUS_MODULE_socket] = NULL;
}

const struct bus_module bus_module_socket = {
    .init = sockets_init,
    .deinit = sockets_deinit,
};
