/* SPDX-License-Identifier: MIT */

/*
 * host_gatt: the GATT commands. Each finds the connection, hands its arguments to lib/gatt, and
 * gives what follows its turn. The database is there in every state; what needs a connection needs
 * a controller that is ready.
 */

#include "host_internal.h"

#include "base/cleanup.h"

#include <errno.h>

/* The connection that a command is about. */
static int gatt_conn(struct bl_host *host, uint16_t conn, struct bl_gatt_conn **ret)
{
    if (!bl_host_ready(host))
        return -ENETDOWN;
    *ret = bl_gatt_find(&host->gatt, conn);
    return *ret ? 0 : -ENOTCONN;
}

static int gatt_done(struct bl_host *host, uint64_t now, struct bl_gatt_conn *c, int r)
{
    if (r < 0)
        return r;
    bl_gatt_due(c);
    bl_host_pump_gatt(host, now);
    return r;
}

/* ---- the database ---- */

/* No turn: what is added and removed until the next tick is one change to clients. */
int bl_gatts_add(struct bl_host *host, uint64_t now, const struct bl_gatts_service *def,
                 uint16_t *ret_service, uint16_t *ret_handles)
{
    (void)now;
    return bl_gatt_db_add(&host->gatt.db, def, false, ret_service, ret_handles);
}

int bl_gatts_add_characteristic(struct bl_host *host, uint64_t now, uint16_t service,
                                const struct bl_gatts_characteristic *def, uint16_t *ret_handles)
{
    (void)now;
    return bl_gatt_db_add_characteristic(&host->gatt.db, service, def, ret_handles);
}

int bl_gatts_remove(struct bl_host *host, uint64_t now, uint16_t service)
{
    const struct bl_gatt_service_rec *rec = bl_gatt_db_service(&host->gatt.db, service);

    if (rec && !rec->builtin)
        bl_gatts_removing(&host->gatt, now, rec->start, rec->end);
    return bl_gatt_db_remove(&host->gatt.db, service);
}

/* ---- values ---- */

/* A characteristic's value or a descriptor that is not the host's own; NULL: none. Extended
 * Properties are a client's too where it declared them, and never change. */
static struct bl_gatt_attr *gatt_attr(struct bl_host *host, uint16_t handle)
{
    struct bl_gatt_attr *a = bl_gatt_db_get(&host->gatt.db, handle);
    bool has = a && !a->builtin &&
               (a->kind == BL_GATT_ATTR_VALUE || a->kind == BL_GATT_ATTR_DESCRIPTOR ||
                a->kind == BL_GATT_ATTR_EXTENDED);

    return has ? a : NULL;
}

int bl_gatts_read(struct bl_host *host, uint16_t handle, bool clear, const uint8_t **ret_value,
                  size_t *ret_len)
{
    struct bl_gatt_attr *a = gatt_attr(host, handle);

    if (!a)
        return -ENOENT;
    *ret_value = a->value;
    *ret_len = a->len;
    if (clear && a->append)
        a->len = 0; /* the octets stay where they are */
    return 0;
}

int bl_gatts_write(struct bl_host *host, uint64_t now, uint16_t handle, const uint8_t *value,
                   size_t n, bool update, bl_op *op)
{
    int r = bl_gatts_do_write(&host->gatt, now, handle, value, n, update, op);

    if (r >= 0 && update) {
        bl_gatt_due_all(&host->gatt);
        bl_host_pump_gatt(host, now);
    }
    return r;
}

int bl_gatts_set_buffer(struct bl_host *host, uint16_t handle, uint16_t len, bool append)
{
    struct bl_gatt_attr *a = gatt_attr(host, handle);

    if (!a)
        return -ENOENT;
    if (a->kind == BL_GATT_ATTR_EXTENDED)
        return -EPERM;
    if (len > BL_ATT_VALUE_MAX)
        return -EMSGSIZE;
    a->max = len;
    a->append = append;
    if (a->len > len)
        a->len = len;
    return 0;
}

int bl_gatts_set_authorization(struct bl_host *host, uint16_t handle, bool reads, bool writes)
{
    struct bl_gatt_attr *a = gatt_attr(host, handle);

    if (!a)
        return -ENOENT;
    a->authorize_reads = reads;
    a->authorize_writes = writes;
    return 0;
}

int bl_gatts_set_read_events(struct bl_host *host, uint16_t handle, bool on)
{
    struct bl_gatt_attr *a = gatt_attr(host, handle);

    if (!a)
        return -ENOENT;
    a->read_events = on;
    return 0;
}

bool bl_gatts_was_read(struct bl_host *host, uint16_t handle)
{
    struct bl_gatt_attr *a = gatt_attr(host, handle);
    bool was = a && a->was_read;

    if (was)
        a->was_read = false;
    return was;
}

int bl_gatts_notify(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t handle,
                    const uint8_t *value, size_t n, uint16_t *ret_sent, bl_op *op)
{
    struct bl_gatt_conn *c;
    int r = gatt_conn(host, conn, &c);

    if (r < 0)
        return r;
    return gatt_done(host, now, c, bl_gatts_do_notify(c, now, handle, value, n, ret_sent, op));
}

int bl_gatts_indicate(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t handle,
                      const uint8_t *value, size_t n, uint16_t *ret_sent, bl_op *op)
{
    struct bl_gatt_conn *c;
    int r = gatt_conn(host, conn, &c);

    if (r < 0)
        return r;
    return gatt_done(host, now, c, bl_gatts_do_indicate(c, now, handle, value, n, ret_sent, op));
}

bool bl_gatts_give_up(struct bl_host *host, uint16_t handle, uint16_t *ret_conn)
{
    return bl_gatts_do_give_up(&host->gatt, handle, ret_conn);
}

int bl_gatts_reply(struct bl_host *host, uint64_t now, uint32_t request, uint8_t error,
                   const uint8_t *value, size_t n)
{
    if (!bl_host_ready(host))
        return -ENETDOWN;

    int r = bl_gatts_do_reply(&host->gatt, now, request, error, value, n);
    if (r >= 0) {
        bl_gatt_due_all(&host->gatt);
        bl_host_pump_gatt(host, now);
    }
    return r;
}

uint8_t bl_gatts_subscription(const struct bl_host *host, uint16_t conn, uint16_t handle)
{
    const struct bl_gatt_conn *c = bl_gatt_find(&host->gatt, conn);

    return c ? bl_gatts_bits(c, handle) : 0;
}

/* ---- the client ---- */

int bl_gattc_services(struct bl_host *host, uint64_t now, uint16_t conn, const struct bl_uuid *uuid,
                      bl_op *op)
{
    struct bl_gatt_conn *c;
    int r = gatt_conn(host, conn, &c);

    return r < 0 ? r : gatt_done(host, now, c, bl_gattc_do_services(c, now, uuid, op));
}

int bl_gattc_characteristics(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t start,
                             uint16_t end, const struct bl_uuid *uuid, bl_op *op)
{
    struct bl_gatt_conn *c;
    int r = gatt_conn(host, conn, &c);

    if (r < 0)
        return r;
    return gatt_done(host, now, c, bl_gattc_do_characteristics(c, now, start, end, uuid, op));
}

int bl_gattc_descriptors(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t start,
                         uint16_t end, bl_op *op)
{
    struct bl_gatt_conn *c;
    int r = gatt_conn(host, conn, &c);

    return r < 0 ? r : gatt_done(host, now, c, bl_gattc_do_descriptors(c, now, start, end, op));
}

int bl_gattc_includes(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t start,
                      uint16_t end, bl_op *op)
{
    struct bl_gatt_conn *c;
    int r = gatt_conn(host, conn, &c);

    return r < 0 ? r : gatt_done(host, now, c, bl_gattc_do_includes(c, now, start, end, op));
}

int bl_gattc_read(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t handle,
                  uint16_t offset, bool is_long, bl_op *op)
{
    struct bl_gatt_conn *c;
    int r = gatt_conn(host, conn, &c);

    if (r < 0)
        return r;
    return gatt_done(host, now, c, bl_gattc_do_read(c, now, handle, offset, is_long, op));
}

int bl_gattc_read_by_uuid(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t start,
                          uint16_t end, const struct bl_uuid *uuid, bl_op *op)
{
    struct bl_gatt_conn *c;
    int r = gatt_conn(host, conn, &c);

    if (r < 0)
        return r;
    return gatt_done(host, now, c, bl_gattc_do_read_by_uuid(c, now, start, end, uuid, op));
}

int bl_gattc_read_multiple(struct bl_host *host, uint64_t now, uint16_t conn,
                           const uint16_t *handles, size_t n, bl_op *op)
{
    struct bl_gatt_conn *c;
    int r = gatt_conn(host, conn, &c);

    return r < 0 ? r : gatt_done(host, now, c, bl_gattc_do_read_multiple(c, now, handles, n, op));
}

int bl_gattc_write(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t handle,
                   const uint8_t *value, size_t n, enum bl_gatt_write_mode mode, uint16_t offset,
                   bl_op *op)
{
    struct bl_gatt_conn *c;
    int r = gatt_conn(host, conn, &c);

    if (r < 0)
        return r;
    return gatt_done(host, now, c, bl_gattc_do_write(c, now, handle, value, n, mode, offset, op));
}

int bl_gattc_exchange_mtu(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t mtu,
                          bl_op *op)
{
    struct bl_gatt_conn *c;
    int r = gatt_conn(host, conn, &c);

    return r < 0 ? r : gatt_done(host, now, c, bl_gattc_do_exchange_mtu(c, now, mtu, op));
}

int bl_gattc_subscribe(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t handle,
                       uint8_t bits, bl_op *op)
{
    struct bl_gatt_conn *c;
    int r = gatt_conn(host, conn, &c);

    return r < 0 ? r : gatt_done(host, now, c, bl_gattc_do_subscribe(c, now, handle, bits, op));
}

int bl_gattc_cancel(struct bl_host *host, uint64_t now, bl_op op)
{
    return bl_host_ready(host) ? bl_gattc_do_cancel(&host->gatt, now, op) : -ENETDOWN;
}

uint16_t bl_gatt_mtu(const struct bl_host *host, uint16_t conn)
{
    const struct bl_gatt_conn *c = bl_gatt_find(&host->gatt, conn);

    return c ? c->bearer.mtu : 0;
}
