/* SPDX-License-Identifier: MIT */

/* characteristic: org.bled.Characteristic1, an object for each local characteristic. */

#include "gatts.h"

void bus_characteristic_added(struct bus_adapter *a, struct bus_attr *t)
{
    (void)a, (void)t;
}

void bus_characteristic_removed(struct bus_adapter *a, struct bus_attr *t)
{
    (void)a, (void)t;
}

bool bus_characteristic_event(struct bus_adapter *a, struct bus_attr *t, uint32_t event,
                              uint16_t conn, const uint8_t *value, size_t n)
{
    (void)a, (void)t, (void)event, (void)conn, (void)value, (void)n;
    return false;
}

const struct bus_module bus_module_characteristic = {0};
