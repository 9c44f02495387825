/* SPDX-License-Identifier: MIT */

/* peripheral: org.bled.Peripheral1: two signals. */

#include "peripheral.h"

#include "conn.h"

#define PERIPHERAL_INTERFACE "org.bled.Peripheral1"

static void peripheral_emit(struct bus_adapter *a, const struct bus_conn *c, const char *member)
{
    char text[ADDR_TEXT_LEN];

    bus_emit(a, bus_conn_audience(c), PERIPHERAL_INTERFACE, member, "qys", c->info.conn,
             c->peer.type, bl_addr_format(&c->peer, text));
}

void bus_peripheral_on_connected(struct bus_adapter *a, const struct bl_event *e)
{
    struct bus_conn *c = bus_conn_find(a, e->connected.conn, NULL);

    if (c && e->connected.role == BL_ROLE_PERIPHERAL)
        peripheral_emit(a, c, "CentralConnected");
}

void bus_peripheral_on_disconnected(struct bus_adapter *a, const struct bl_event *e)
{
    struct bus_conn *c = bus_conn_find(a, e->disconnected.conn, NULL);

    if (c && e->disconnected.role == BL_ROLE_PERIPHERAL)
        peripheral_emit(a, c, "CentralDisconnected");
}

static const sd_bus_vtable peripheral_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_SIGNAL_WITH_ARGS("CentralConnected", SD_BUS_ARGS("q", conn, "y", addr_type, "s", addr),
                            0),
    SD_BUS_SIGNAL_WITH_ARGS("CentralDisconnected",
                            SD_BUS_ARGS("q", conn, "y", addr_type, "s", addr), 0),
    SD_BUS_VTABLE_END,
};

const struct bus_module bus_module_peripheral = {
    .interface = PERIPHERAL_INTERFACE,
    .vtable = peripheral_vtable,
};
