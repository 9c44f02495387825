/* SPDX-License-Identifier: MIT */

/* gatt_client: org.bled.GattClient1: discovery and ATT_MTU, and what all its methods share. */

#include "gattc.h"

#include <errno.h>

int bus_gattc_enter(struct bus_adapter *a, sd_bus_message *m, sd_bus_message_handler_t handler,
                    struct bus_owner **ret_owner, struct bus_conn **ret_conn, sd_bus_error *error)
{
    uint16_t conn;
    int r;

    r = bus_enter(a, m, handler, 0, ret_owner, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read(m, "q", &conn);
    if (r < 0)
        return r;
    *ret_conn = bus_conn_find(a, conn, error);
    return *ret_conn ? 0 : -ENOTCONN;
}

void bus_gattc_fail(struct bus_call *call, bl_status status, const char *what, uint16_t handle,
                    uint16_t conn)
{
    (void)call, (void)status, (void)what, (void)handle, (void)conn;
}

void bus_gattc_on_result(struct bus_adapter *a, const struct bl_event *e)
{
    (void)a, (void)e;
}

void bus_gattc_on_mtu(struct bus_adapter *a, const struct bl_event *e)
{
    (void)a, (void)e;
}

static const sd_bus_vtable gattc_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_VTABLE_END,
};

const struct bus_module bus_module_gattc = {
    .interface = GATTC_INTERFACE,
    .vtable = gattc_vtable,
};
