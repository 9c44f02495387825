/* SPDX-License-Identifier: MIT */

/* gatts_pipe: GattServer1's AcquireWrites and AcquireNotify. */

#include "gatts.h"
#include "socket.h"

#include <errno.h>

/* ---- AcquireWrites ---- */

static const struct bus_socket_kind WRITES = {.method = "AcquireWrites", .server = true};

/* A socket that had to be hung up did not take it: it goes the usual way. */
bool bus_gatts_pipe_written(struct bus_adapter *a, struct bus_attr *t, uint16_t conn,
                            const uint8_t *value, size_t n)
{
    (void)a;
    list_each(l, next, &t->pipes)
    {
        struct bus_socket *s = list_entry(l, struct bus_socket, of_attr);
        if (s->conn == conn && s->kind == &WRITES)
            return bus_pipe_send(s->pipe, value, n) == 0;
    }
    return false;
}

/* ---- AcquireNotify ---- */

static int notify_send(struct bus_socket *s, const uint8_t *data, size_t n, bl_op *op)
{
    struct bus_adapter *a = s->adapter;
    uint16_t sent;

    if (s->attr->flags & BL_GATT_NOTIFY)
        return bl_gatts_notify(a->host, bus_now(a), s->conn, s->handle, data, n, &sent, op);
    return bl_gatts_indicate(a->host, bus_now(a), s->conn, s->handle, data, n, &sent, op);
}

static const struct bus_socket_kind NOTIFY = {
    .method = "AcquireNotify", .server = true, .send = notify_send};

/* ---- both ---- */

void bus_gatts_pipe_attr_gone(struct bus_adapter *a, struct bus_attr *t)
{
    (void)a;
    list_each(l, next, &t->pipes) bus_socket_end(list_entry(l, struct bus_socket, of_attr));
}

void bus_gatts_pipe_conn_gone(struct bus_adapter *a, uint16_t conn)
{
    bus_sockets_conn_gone(a, conn, true);
}

static int acquire(sd_bus_message *m, struct bus_adapter *a, sd_bus_message_handler_t handler,
                   const struct bus_socket_kind *kind, uint32_t flags, const char *cannot,
                   sd_bus_error *error)
{
    struct bus_owner *owner;
    struct bus_socket *s;
    uint16_t conn, handle;
    bool wait;
    int fd;

    int r = bus_enter(a, m, handler, 0, &owner, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read(m, "qq", &conn, &handle);
    if (r >= 0)
        r = bus_opts_read_wait(m, &wait, error);
    if (r < 0)
        return r;
    struct bus_attr *t = bus_gatts_get(a, owner, handle, true, error);
    if (!t)
        return -ENOENT; /* error says what */
    if (!(t->flags & flags))
        return bus_error_set(error, BUS_NOT_SUPPORTED, "Characteristic 0x%04x cannot be %s.",
                             handle, cannot);
    struct bus_conn *c = bus_conn_find(a, conn, error);
    if (!c)
        return -ENOTCONN;
    r = bus_socket_new(&s, kind, owner, c, handle, &fd, error);
    if (r < 0)
        return r;
    s->attr = t;
    list_append(&t->pipes, &s->of_attr);
    return bus_socket_give(s, m, fd);
}

int bus_gatts_method_acquire_writes(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    return acquire(m, userdata, bus_gatts_method_acquire_writes, &WRITES,
                   BL_GATT_WRITE | BL_GATT_WRITE_NO_RESPONSE | BL_GATT_SIGNED_WRITE, "written",
                   error);
}

int bus_gatts_method_acquire_notify(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    return acquire(m, userdata, bus_gatts_method_acquire_notify, &NOTIFY,
                   BL_GATT_NOTIFY | BL_GATT_INDICATE, "notified or indicated", error);
}
