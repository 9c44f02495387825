/* SPDX-License-Identifier: MIT */

/* gatts_pipe: GattServer1's AcquireWrites and AcquireNotify. */

#include "gatts.h"
#include "pipe.h"

bool bus_gatts_pipe_written(struct bus_adapter *a, struct bus_attr *t, uint16_t conn,
                            const uint8_t *value, size_t n)
{
    (void)a, (void)t, (void)conn, (void)value, (void)n;
    return false;
}

void bus_gatts_pipe_attr_gone(struct bus_adapter *a, struct bus_attr *t)
{
    (void)a, (void)t;
}

void bus_gatts_pipe_conn_gone(struct bus_adapter *a, uint16_t conn)
{
    (void)a, (void)conn;
}

int bus_gatts_method_acquire_writes(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    (void)m, (void)userdata;
    return bus_error_set(error, BUS_NOT_SUPPORTED, "Not yet.");
}

int bus_gatts_method_acquire_notify(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    (void)m, (void)userdata;
    return bus_error_set(error, BUS_NOT_SUPPORTED, "Not yet.");
}
