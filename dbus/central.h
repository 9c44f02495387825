/* SPDX-License-Identifier: MIT */
#pragma once

/* central: org.bled.Central1. See central.c. */

#include "adapter.h"

/* Whose attempt this is; NULL when unknown. */
struct bus_owner *bus_central_owner(struct bus_adapter *a, uint16_t attempt);

void bus_central_on_connected(struct bus_adapter *a, const struct bl_event *e);
/* After the signal of either role. */
void bus_central_on_shared(struct bus_adapter *a, const struct bl_event *e);
void bus_central_on_attempt_ended(struct bus_adapter *a, const struct bl_event *e);
void bus_central_on_disconnected(struct bus_adapter *a, const struct bl_event *e);
/* After the connection's object has gone: attempts that waited for its end begin. */
void bus_central_on_gone(struct bus_adapter *a, const struct bl_event *e);
