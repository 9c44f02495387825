/* SPDX-License-Identifier: MIT */

/* gattc_pipe: GattClient1's AcquireWrite and AcquireNotify. */

#include "gattc.h"
#include "pipe.h"

int bus_gattc_method_acquire_write(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    (void)m, (void)userdata;
    return bus_error_set(error, BUS_NOT_SUPPORTED, "Not yet.");
}

int bus_gattc_method_acquire_notify(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    (void)m, (void)userdata;
    return bus_error_set(error, BUS_NOT_SUPPORTED, "Not yet.");
}

void bus_gattc_pipe_value(struct bus_sub *s, const uint8_t *value, size_t n)
{
    (void)s, (void)value, (void)n;
}

void bus_gattc_pipe_conn_gone(struct bus_adapter *a, uint16_t conn)
{
    (void)a, (void)conn;
}
