/* SPDX-License-Identifier: MIT */

/* server: see the header. */

#include "gatt/gatt.h"

#include <errno.h>

int bl_gatts_open(struct bl_gatt_conn *c, uint64_t now)
{
    (void)now;
    list_init(&c->server.prepared);
    list_init(&c->server.indications);
    return 0;
}

void bl_gatts_close(struct bl_gatt_conn *c, uint64_t now, bl_status status)
{
    (void)c;
    (void)now;
    (void)status;
}

void bl_gatts_pdu(struct bl_gatt_conn *c, uint64_t now, const struct bl_att_pdu *pdu)
{
    (void)c;
    (void)now;
    (void)pdu;
}

void bl_gatts_timeout(struct bl_gatt_conn *c, uint64_t now)
{
    (void)c;
    (void)now;
}

void bl_gatts_changed(struct bl_gatt *g, uint64_t now, uint16_t start, uint16_t end)
{
    (void)g;
    (void)now;
    (void)start;
    (void)end;
}

void bl_gatts_step(struct bl_gatt_conn *c, uint64_t now)
{
    (void)c;
    (void)now;
}

int bl_gatts_do_write(struct bl_gatt *g, uint64_t now, uint16_t handle, const uint8_t *value,
                      size_t n, bool update, bl_op *op)
{
    (void)g, (void)now, (void)handle, (void)value, (void)n, (void)update, (void)op;
    return -EOPNOTSUPP;
}

int bl_gatts_do_notify(struct bl_gatt_conn *c, uint64_t now, uint16_t handle, const uint8_t *value,
                       size_t n, uint16_t *ret_sent, bl_op *op)
{
    (void)c, (void)now, (void)handle, (void)value, (void)n, (void)ret_sent, (void)op;
    return -EOPNOTSUPP;
}

int bl_gatts_do_indicate(struct bl_gatt_conn *c, uint64_t now, uint16_t handle,
                         const uint8_t *value, size_t n, uint16_t *ret_sent, bl_op *op)
{
    (void)c, (void)now, (void)handle, (void)value, (void)n, (void)ret_sent, (void)op;
    return -EOPNOTSUPP;
}

int bl_gatts_do_reply(struct bl_gatt *g, uint64_t now, uint32_t request, uint8_t error,
                      const uint8_t *value, size_t n)
{
    (void)g, (void)now, (void)request, (void)error, (void)value, (void)n;
    return -EOPNOTSUPP;
}

uint8_t bl_gatts_bits(const struct bl_gatt_conn *c, uint16_t value_handle)
{
    (void)c;
    (void)value_handle;
    return 0;
}
