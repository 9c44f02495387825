/* SPDX-License-Identifier: MIT */

#include "gatt/client_internal.h"
#include "gatt/gatt.h"

int bl_gattc_do_services(struct bl_gatt_conn *c, uint64_t now, const struct bl_uuid *uuid,
                         bl_op *op)
{
    (void)c;
    (void)now;
    (void)uuid;
    (void)op;
    return -EOPNOTSUPP;
}

int bl_gattc_do_characteristics(struct bl_gatt_conn *c, uint64_t now, uint16_t start, uint16_t end,
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

int bl_gattc_do_descriptors(struct bl_gatt_conn *c, uint64_t now, uint16_t start, uint16_t end,
                            bl_op *op)
{
    (void)c;
    (void)now;
    (void)start;
    (void)end;
    (void)op;
    return -EOPNOTSUPP;
}

int bl_gattc_do_includes(struct bl_gatt_conn *c, uint64_t now, uint16_t start, uint16_t end,
                         bl_op *op)
{
    (void)c;
    (void)now;
    (void)start;
    (void)end;
    (void)op;
    return -EOPNOTSUPP;
}
