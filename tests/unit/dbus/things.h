/* SPDX-License-Identifier: MIT */
#pragma once

/* things: calls and things of no interface, whose life the test decides. */

#include "rig.h"

struct thing {
    struct bus_thing thing;
    bool slow; /* does not take itself out when released */
    int order; /* the how manieth to be released, 0: not yet */
};

extern int things_released;
extern const struct bus_thing_kind THING_SCAN, THING_ADVERT, THING_USE;

/* Injects a method call that the adapter's vtables do not have: through bus_enter() and
 * bus_call_new() as a handler would, begun as operation `op`. What bus_enter or bus_call_new gave
 * if not 0, else the call in *ret (may be NULL). */
int things_call(struct rig *rig, const char *sender, bool wait, bool reply, bl_op op,
                struct bus_call **ret, sd_bus_error *error);
extern int things_done, things_canceled, things_dropped;
