/* SPDX-License-Identifier: MIT */
#pragma once

/* observer: org.bled.Observer1. See observer.c. */

#include "adapter.h"

void bus_observer_on_report(struct bus_adapter *a, const struct bl_event *e);
void bus_observer_on_scan_done(struct bus_adapter *a, const struct bl_event *e);
