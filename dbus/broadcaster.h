/* SPDX-License-Identifier: MIT */
#pragma once

/* broadcaster: org.bled.Broadcaster1. See broadcaster.c. */

#include "adapter.h"

/* Whose advertisement this is, also just after it has ended; NULL when unknown, and with *ret_gone
 * true when it was that of a client that has gone meanwhile. */
struct bus_owner *bus_broadcaster_owner(struct bus_adapter *a, uint16_t adv, bool *ret_gone);

/* Whether it advertises now. */
bool bus_broadcaster_on_the_air(const struct bus_owner *owner);

void bus_broadcaster_on_stopped(struct bus_adapter *a, const struct bl_event *e);
