/* SPDX-License-Identifier: MIT */

#include "gatt/client_internal.h"
#include "gatt/gatt.h"

int bl_gattc_do_read(struct bl_gatt_conn *c, uint64_t now, uint16_t handle, uint16_t offset,
                     bool is_long, bl_op *op)
{
    (void)c;
    (void)now;
    (void)handle;
    (void)offset;
    (void)is_long;
    (void)op;
    return -EOPNOTSUPP;
}

int bl_gattc_do_read_by_uuid(struct bl_gatt_conn *c, uint64_t now, uint16_t start, uint16_t end,
                             const struct bl_uuid *uuid, bl_op *op)
{
    (void)c;
    (void)now;
    (void)start;
    (void)end;
    (void)uuid;
    (void)op;
    return -EOPNOTSUPP;
}

int bl_gattc_do_read_multiple(struct bl_gatt_conn *c, uint64_t now, const uint16_t *handles,
                              size_t n, bl_op *op)
{
    (void)c;
    (void)now;
    (void)handles;
    (void)n;
    (void)op;
    return -EOPNOTSUPP;
}

int bl_gattc_do_write(struct bl_gatt_conn *c, uint64_t now, uint16_t handle, const uint8_t *value,
                      size_t n, enum bl_gatt_write_mode mode, uint16_t offset, bl_op *op)
{
    (void)c;
    (void)now;
    (void)handle;
    (void)value;
    (void)n;
    (void)mode;
    (void)offset;
    (void)op;
    return -EOPNOTSUPP;
}
