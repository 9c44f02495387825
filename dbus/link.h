/* SPDX-License-Identifier: MIT */
#pragma once

/* link: org.bled.Link1. */

#include "adapter.h"

void bus_link_on_updated(struct bus_adapter *a, const struct bl_event *e);
void bus_link_on_disconnected(struct bus_adapter *a, const struct bl_event *e);
