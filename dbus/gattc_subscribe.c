/* SPDX-License-Identifier: MIT */

/* gattc_subscribe: subscriptions, ListenFor, and who is told of what a peer notifies. */

#include "gattc.h"

struct bus_sub *bus_sub_find(struct bus_adapter *a, const struct bus_owner *owner, uint16_t conn,
                             uint16_t handle)
{
    (void)a, (void)owner, (void)conn, (void)handle;
    return NULL;
}

uint8_t bus_sub_union(struct bus_adapter *a, uint16_t conn, uint16_t handle,
                      const struct bus_sub *except)
{
    (void)a, (void)conn, (void)handle, (void)except;
    return 0;
}

struct bus_sub *bus_sub_new(struct bus_adapter *a, struct bus_owner *owner, struct bus_conn *c,
                            uint16_t handle, uint8_t bits)
{
    (void)a, (void)owner, (void)c, (void)handle, (void)bits;
    return NULL;
}

void bus_sub_end(struct bus_sub *s)
{
    (void)s;
}

void bus_gattc_on_value(struct bus_adapter *a, const struct bl_event *e)
{
    (void)a, (void)e;
}

void bus_gattc_on_services_changed(struct bus_adapter *a, const struct bl_event *e)
{
    (void)a, (void)e;
}

void bus_gattc_on_disconnected(struct bus_adapter *a, const struct bl_event *e)
{
    (void)a, (void)e;
}
