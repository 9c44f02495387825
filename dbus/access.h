/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * access: who may call. On the system bus the policy (org.bled.conf) has decided before a message
 * arrives; on any other bus it is the daemon's own uid, asked of the bus once a client.
 */

#include "bus.h"

struct bus_access;

int bus_access_new(struct bus_access **ret, struct bus *b);
struct bus_access *bus_access_free(struct bus_access *x);
