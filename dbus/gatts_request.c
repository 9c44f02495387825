/* SPDX-License-Identifier: MIT */

/* gatts_request: what peers ask of local values. */

#include "gatts.h"

void bus_gatts_on_written(struct bus_adapter *a, const struct bl_event *e)
{
    (void)a;
    (void)e;
}

void bus_gatts_on_read(struct bus_adapter *a, const struct bl_event *e)
{
    (void)a;
    (void)e;
}

void bus_gatts_on_write(struct bus_adapter *a, const struct bl_event *e)
{
    (void)a;
    (void)e;
}

void bus_gatts_on_indicate_done(struct bus_adapter *a, const struct bl_event *e)
{
    (void)a;
    (void)e;
}

void bus_gatts_on_subscribed(struct bus_adapter *a, const struct bl_event *e)
{
    (void)a;
    (void)e;
}

void bus_gatts_on_disconnected(struct bus_adapter *a, const struct bl_event *e)
{
    (void)a;
    (void)e;
}
