/* SPDX-License-Identifier: MIT */

#include "gatt/client_internal.h"
#include "gatt/gatt.h"

void bl_gattc_open(struct bl_gatt_conn *c)
{
    c->client = (struct bl_gattc_conn){0};
    list_init(&c->client.procedures);
}

void bl_gattc_close(struct bl_gatt_conn *c, uint64_t now, bl_status status)
{
    (void)c;
    (void)now;
    (void)status;
}

void bl_gattc_pdu(struct bl_gatt_conn *c, uint64_t now, enum bl_att_in in,
                  const struct bl_att_pdu *pdu)
{
    (void)c;
    (void)now;
    (void)in;
    (void)pdu;
}

void bl_gattc_timeout(struct bl_gatt_conn *c, uint64_t now)
{
    (void)c;
    (void)now;
}

void bl_gattc_step(struct bl_gatt_conn *c, uint64_t now)
{
    (void)c;
    (void)now;
}

int bl_gattc_do_cancel(struct bl_gatt *g, uint64_t now, bl_op op)
{
    (void)g;
    (void)now;
    (void)op;
    return -ENOENT;
}
