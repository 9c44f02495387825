/* SPDX-License-Identifier: MIT */

/* gatt_server: org.bled.GattServer1: services, and the table of their value handles. */

#include "gatts.h"

struct bus_attr *bus_gatts_find(struct bus_adapter *a, uint16_t handle)
{
    (void)a;
    (void)handle;
    return NULL;
}

struct bus_attr *bus_gatts_get(struct bus_adapter *a, const struct bus_owner *caller,
                               uint16_t handle, bool characteristic, sd_bus_error *error)
{
    (void)a;
    (void)caller;
    (void)characteristic;
    (void)bus_error_set(error, BUS_NOT_FOUND, "There is no local attribute 0x%04x.", handle);
    return NULL;
}

struct bus_attr *bus_gatts_next_characteristic(struct bus_adapter *a, uint16_t handle)
{
    (void)a;
    (void)handle;
    return NULL;
}

const struct bus_module bus_module_gatts = {
    .interface = GATTS_INTERFACE,
};
