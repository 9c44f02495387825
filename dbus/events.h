/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * events: the one consumer of the stack's events. Handlers are listed in events.c, per kind, in the
 * order of the contract: for a new connection the object before the signal of the role; at the end
 * of one channels and procedures, Link1, the role, the object.
 */

#include "adapter.h"

typedef void bus_event_fn(struct bus_adapter *a, const struct bl_event *e);
