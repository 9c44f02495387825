/* SPDX-License-Identifier: MIT */

#include "gatt/client_internal.h"
#include "gatt/gatt.h"

int bl_gattc_do_exchange_mtu(struct bl_gatt_conn *c, uint64_t now, uint16_t mtu, bl_op *op)
{
    (void)c;
    (void)now;
    (void)mtu;
    (void)op;
    return -EOPNOTSUPP;
}

int bl_gattc_do_subscribe(struct bl_gatt_conn *c, uint64_t now, uint16_t handle, uint8_t bits,
                          bl_op *op)
{
    (void)c;
    (void)now;
    (void)handle;
    (void)bits;
    (void)op;
    return -EOPNOTSUPP;
}
