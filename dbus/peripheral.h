/* SPDX-License-Identifier: MIT */
#pragma once

/* peripheral: org.bled.Peripheral1. */

#include "adapter.h"

void bus_peripheral_on_connected(struct bus_adapter *a, const struct bl_event *e);
void bus_peripheral_on_disconnected(struct bus_adapter *a, const struct bl_event *e);
