/* SPDX-License-Identifier: MIT */
#pragma once

/* manager: org.bled.Manager1 at /org/bled. log_control: /org/freedesktop/LogControl1. */

#include "bus.h"

extern const sd_bus_vtable bus_manager_vtable[];
extern const sd_bus_vtable bus_log_control_vtable[];
