/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * conn_params: connection parameters between the units of people and those of the air, what is
 * legal, and what this host accepts from a peer. Pure functions.
 */

#include "host.h"

/* As HCI, LL and L2CAP carry them. */
struct bl_conn_units {
    uint16_t interval_min, interval_max; /* 1.25 ms, 6..3200 */
    uint16_t latency;                    /* events, 0..499 */
    uint16_t timeout;                    /* 10 ms, 10..3200 */
};

/* In range, in order, and the timeout longer than (1 + latency) * interval_max * 2: Core 5.4, Vol
 * 4, Part E, 7.8.12 and 7.8.18. */
bool bl_conn_units_legal(const struct bl_conn_units *u);

/*
 * Converts p. Intervals are rounded down to 1.25 ms, the timeout is rounded up to 10 ms.
 *
 * What p leaves out (zero; latency: zero without has_latency) comes from `base`: the connection's
 * present parameters for an update, NULL for a new connection (30..50 ms, 0, 5 s). Of an interval
 * with one end given, the other is that of `base` moved as far as needed; a timeout left out is
 * that of `base`, or the least legal one where that is longer.
 *
 * 0, or -EINVAL where what is given (or what then results) is not legal.
 */
int bl_conn_params_units(const struct bl_conn_params *p, const struct bl_conn_units *base,
                         struct bl_conn_units *ret);

/* Whether config lets a peer have what it asks for: legal, and the asked and the accepted interval
 * ranges have something in common, which is what *ret_granted then holds. */
bool bl_conn_params_accept(const struct bl_config *config, const struct bl_conn_units *asked,
                           struct bl_conn_units *ret_granted);
