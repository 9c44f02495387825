/* SPDX-License-Identifier: MIT */

#include "fake_host.h"

#include <errno.h>
#include <string.h>

static void note(struct bl_host *host, const char *what, uint16_t conn, uint16_t handle,
                 const uint8_t *value, size_t n)
{
    struct fake_gatt *g = &host->gatt;

    g->commands++;
    g->last = what;
    g->conn = conn;
    g->handle = handle;
    g->n = n < FAKE_VALUE ? n : FAKE_VALUE;
    if (value && g->n > 0)
        memcpy(g->value, value, g->n);
    if (g->n_log < FAKE_LOG)
        g->log[g->n_log++] = (struct fake_command){
            what, conn, handle, (uint16_t)n, value && n > 0 ? value[0] : 0, 0};
}

/* What a command returns; taken where it is not negative. */
static int command(struct bl_host *host, const char *what, uint16_t conn, uint16_t handle,
                   const uint8_t *value, size_t n, bl_op *op)
{
    if (host->gatt.result < 0)
        return host->gatt.result;
    note(host, what, conn, handle, value, n);
    if (op)
        *op = host->gatt.result == 0 ? ++host->last_op : 0;
    if (op && host->gatt.n_log > 0)
        host->gatt.log[host->gatt.n_log - 1].op = *op;
    return host->gatt.result;
}

/* ---- the database: declaration, value, CCCD, descriptors, as host_gatt.h says ---- */

static void put(struct bl_host *host, uint16_t handle, const uint8_t *value, size_t n)
{
    if (handle >= FAKE_HANDLES)
        return;
    host->gatt.values[handle].exists = true;
    host->gatt.values[handle].len = (uint16_t)n;
    if (n > 0)
        memcpy(host->gatt.values[handle].data, value, n);
}

static uint16_t *add(struct bl_host *host, const struct bl_gatts_characteristic *c,
                     uint16_t *ret_handles)
{
    uint16_t *next = &host->gatt.next_handle;

    host->gatt.characteristic = *c;
    *next += 1;
    *ret_handles++ = *next;
    put(host, *next, c->value, c->len);
    *next = (uint16_t)(*next + (c->flags & (BL_GATT_NOTIFY | BL_GATT_INDICATE) ? 2 : 1));
    for (size_t i = 0; i < c->n_descriptors; i++) {
        *ret_handles++ = *next;
        put(host, *next, c->descriptors[i].value, c->descriptors[i].len);
        *next += 1;
    }
    return ret_handles;
}

/* Behind the last one that there is. */
static void find_place(struct fake_gatt *g)
{
    g->next_handle = 16;
    for (size_t i = 0; i < FAKE_SERVICES; i++)
        if (g->services[i].end >= g->next_handle)
            g->next_handle = (uint16_t)(g->services[i].end + 1);
}

static size_t slot_of(const struct fake_gatt *g, uint16_t start)
{
    size_t i = 0;

    while (i < FAKE_SERVICES && g->services[i].start != start)
        i++;
    return i;
}

int bl_gatts_add(struct bl_host *host, uint64_t now, const struct bl_gatts_service *def,
                 uint16_t *ret_service, uint16_t *ret_handles)
{
    struct fake_gatt *g = &host->gatt;
    size_t slot = slot_of(g, 0);

    (void)now;
    if (g->result < 0)
        return g->result;
    if (++g->adds == g->refuse_add)
        return g->refusal;
    if (slot == FAKE_SERVICES)
        return -ENOSPC;
    find_place(g);
    *ret_service = g->next_handle++;
    note(host, "add", 0, *ret_service, NULL, 0);
    for (size_t i = 0; i < def->n_characteristics; i++)
        ret_handles = add(host, &def->characteristics[i], ret_handles);
    g->services[slot].start = *ret_service;
    g->services[slot].end = (uint16_t)(g->next_handle - 1);
    return 0;
}

int bl_gatts_add_characteristic(struct bl_host *host, uint64_t now, uint16_t service,
                                const struct bl_gatts_characteristic *def, uint16_t *ret_handles)
{
    struct fake_gatt *g = &host->gatt;
    size_t slot = slot_of(g, service);

    (void)now;
    if (g->result < 0)
        return g->result;
    find_place(g);
    if (slot == FAKE_SERVICES || g->services[slot].end != g->next_handle - 1)
        return slot == FAKE_SERVICES ? -ENOENT : -ENOSPC;
    note(host, "add_characteristic", 0, service, NULL, 0);
    add(host, def, ret_handles);
    g->services[slot].end = (uint16_t)(g->next_handle - 1);
    return 0;
}

int bl_gatts_remove(struct bl_host *host, uint64_t now, uint16_t service)
{
    size_t slot = slot_of(&host->gatt, service);

    (void)now;
    if (slot == FAKE_SERVICES)
        return -ENOENT;
    note(host, "remove", 0, service, NULL, 0);
    host->gatt.services[slot].start = host->gatt.services[slot].end = 0;
    return 0;
}

int bl_gatts_read(struct bl_host *host, uint16_t handle, bool clear, const uint8_t **ret_value,
                  size_t *ret_len)
{
    (void)clear;
    if (handle >= FAKE_HANDLES || !host->gatt.values[handle].exists)
        return -ENOENT;
    *ret_value = host->gatt.values[handle].data;
    *ret_len = host->gatt.values[handle].len;
    return 0;
}

int bl_gatts_write(struct bl_host *host, uint64_t now, uint16_t handle, const uint8_t *value,
                   size_t n, bool update, bl_op *op)
{
    (void)now;
    if (handle >= FAKE_HANDLES || !host->gatt.values[handle].exists)
        return -ENOENT;
    if (n > FAKE_VALUE)
        return -EMSGSIZE;
    put(host, handle, value, n);
    if (update)
        return command(host, "write_update", 0, handle, value, n, op);
    note(host, "write", 0, handle, value, n);
    return 1;
}

int bl_gatts_set_buffer(struct bl_host *host, uint16_t handle, uint16_t len, bool append)
{
    host->gatt.append = append;
    note(host, "set_buffer", 0, handle, NULL, len);
    return host->gatt.result < 0 ? host->gatt.result : 0;
}

int bl_gatts_set_authorization(struct bl_host *host, uint16_t handle, bool reads, bool writes)
{
    note(host, "set_authorization", 0, handle, NULL, 0);
    host->gatt.reads = reads;
    host->gatt.writes = writes;
    return host->gatt.result < 0 ? host->gatt.result : 0;
}

int bl_gatts_set_read_events(struct bl_host *host, uint16_t handle, bool on)
{
    note(host, "set_read_events", 0, handle, NULL, 0);
    host->gatt.reads = on;
    return host->gatt.result < 0 ? host->gatt.result : 0;
}

bool bl_gatts_was_read(struct bl_host *host, uint16_t handle)
{
    (void)handle;
    bool was = host->gatt.was_read;
    host->gatt.was_read = false;
    return was;
}

int bl_gatts_notify(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t handle,
                    const uint8_t *value, size_t n, uint16_t *ret_sent, bl_op *op)
{
    (void)now;
    *ret_sent = (uint16_t)n;
    return command(host, "notify", conn, handle, value, n, op);
}

int bl_gatts_indicate(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t handle,
                      const uint8_t *value, size_t n, uint16_t *ret_sent, bl_op *op)
{
    (void)now;
    *ret_sent = (uint16_t)n;
    return command(host, "indicate", conn, handle, value, n, op);
}

bool bl_gatts_give_up(struct bl_host *host, uint16_t handle, uint16_t *ret_conn)
{
    struct fake_gatt *g = &host->gatt;

    if (g->on_the_air == 0 || g->on_the_air != handle)
        return false;
    *ret_conn = 1;
    g->on_the_air = 0;
    return true;
}

int bl_gatts_reply(struct bl_host *host, uint64_t now, uint32_t request, uint8_t error,
                   const uint8_t *value, size_t n)
{
    (void)now;
    note(host, "reply", 0, 0, value, n);
    host->gatt.request = request;
    host->gatt.has_value = value != NULL;
    host->gatt.error = error;
    return host->gatt.result < 0 ? host->gatt.result : 0;
}

uint8_t bl_gatts_subscription(const struct bl_host *host, uint16_t conn, uint16_t handle)
{
    (void)handle;
    return conn < 32 && host->gatt.subscribed >> conn & 1;
}

/* ---- the client ---- */

int bl_gattc_services(struct bl_host *host, uint64_t now, uint16_t conn, const struct bl_uuid *uuid,
                      bl_op *op)
{
    (void)now, (void)uuid;
    return command(host, "services", conn, 0, NULL, 0, op);
}

int bl_gattc_characteristics(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t start,
                             uint16_t end, const struct bl_uuid *uuid, bl_op *op)
{
    (void)now, (void)end, (void)uuid;
    return command(host, "characteristics", conn, start, NULL, 0, op);
}

int bl_gattc_descriptors(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t start,
                         uint16_t end, bl_op *op)
{
    (void)now, (void)end;
    return command(host, "descriptors", conn, start, NULL, 0, op);
}

int bl_gattc_includes(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t start,
                      uint16_t end, bl_op *op)
{
    (void)now, (void)end;
    return command(host, "includes", conn, start, NULL, 0, op);
}

int bl_gattc_read(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t handle,
                  uint16_t offset, bool is_long, bl_op *op)
{
    (void)now, (void)offset, (void)is_long;
    return command(host, "read", conn, handle, NULL, 0, op);
}

int bl_gattc_read_by_uuid(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t start,
                          uint16_t end, const struct bl_uuid *uuid, bl_op *op)
{
    (void)now, (void)end, (void)uuid;
    return command(host, "read_by_uuid", conn, start, NULL, 0, op);
}

int bl_gattc_read_multiple(struct bl_host *host, uint64_t now, uint16_t conn,
                           const uint16_t *handles, size_t n, bl_op *op)
{
    (void)now;
    return command(host, "read_multiple", conn, n > 0 ? handles[0] : 0, NULL, 0, op);
}

int bl_gattc_write(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t handle,
                   const uint8_t *value, size_t n, enum bl_gatt_write_mode mode, uint16_t offset,
                   bl_op *op)
{
    (void)now, (void)mode, (void)offset;
    return command(host, "write", conn, handle, value, n, op);
}

int bl_gattc_exchange_mtu(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t mtu,
                          bl_op *op)
{
    (void)now, (void)mtu;
    return command(host, "exchange_mtu", conn, 0, NULL, 0, op);
}

int bl_gattc_subscribe(struct bl_host *host, uint64_t now, uint16_t conn, uint16_t handle,
                       uint8_t bits, bl_op *op)
{
    (void)now;
    int r = command(host, "subscribe", conn, handle, &bits, 1, op);
    if (r >= 0)
        host->gatt.bits = bits;
    return r;
}

int bl_gattc_cancel(struct bl_host *host, uint64_t now, bl_op op)
{
    (void)now;
    host->gatt.canceled = op;
    return -ENOENT;
}

uint16_t bl_gatt_mtu(const struct bl_host *host, uint16_t conn)
{
    (void)conn;
    return host->gatt.mtu ? host->gatt.mtu : 23;
}
