/* SPDX-License-Identifier: MIT */

#include "gap/conn_params.h"

#include <errno.h>

#define INTERVAL_MIN 6u /* 7.5 ms, 4 s; Core 5.4, Vol 4, Part E, 7.8.12 */
#define INTERVAL_MAX 3200u
#define TIMEOUT_MIN  10u /* 100 ms, 32 s */
#define TIMEOUT_MAX  3200u
#define LATENCY_MAX  499u

/* TGAP(initial_conn_interval) of central is 30..50 ms: Core 5.4, Vol 3, Part C, Appendix A. */
static const struct bl_conn_units params_initial = {24, 40, 0, 500};

/* (1 + latency) * interval * 1.25 ms * 2, in units of 2.5 ms; a timeout of 10 ms is four. */
static uint32_t params_silence(const struct bl_conn_units *u)
{
    return (1u + u->latency) * u->interval_max;
}

bool bl_conn_units_legal(const struct bl_conn_units *u)
{
    return u->interval_min >= INTERVAL_MIN && u->interval_min <= u->interval_max &&
           u->interval_max <= INTERVAL_MAX && u->latency <= LATENCY_MAX &&
           u->timeout >= TIMEOUT_MIN && u->timeout <= TIMEOUT_MAX &&
           u->timeout * 4u > params_silence(u);
}

static bool params_interval_in_range(uint32_t us)
{
    return us >= INTERVAL_MIN * 1250u && us <= INTERVAL_MAX * 1250u;
}

int bl_conn_params_units(const struct bl_conn_params *p, const struct bl_conn_units *base,
                         struct bl_conn_units *ret)
{
    struct bl_conn_units u = base ? *base : params_initial;

    if ((p->min_interval_us && !params_interval_in_range(p->min_interval_us)) ||
        (p->max_interval_us && !params_interval_in_range(p->max_interval_us)) ||
        p->latency > LATENCY_MAX || (p->timeout_ms && p->timeout_ms < TIMEOUT_MIN * 10u) ||
        p->timeout_ms > TIMEOUT_MAX * 10u)
        return -EINVAL;

    if (p->min_interval_us)
        u.interval_min = (uint16_t)(p->min_interval_us / 1250u);
    if (p->max_interval_us)
        u.interval_max = (uint16_t)(p->max_interval_us / 1250u);
    if (!p->min_interval_us && u.interval_min > u.interval_max)
        u.interval_min = u.interval_max;
    if (!p->max_interval_us && u.interval_max < u.interval_min)
        u.interval_max = u.interval_min;
    if (p->latency || p->has_latency)
        u.latency = p->latency;
    if (p->timeout_ms) {
        u.timeout = (uint16_t)((p->timeout_ms + 9u) / 10u);
    } else if (u.timeout * 4u <= params_silence(&u)) {
        uint32_t least = params_silence(&u) / 4u + 1u;
        if (least > TIMEOUT_MAX)
            return -EINVAL;
        u.timeout = (uint16_t)(least > TIMEOUT_MIN ? least : TIMEOUT_MIN);
    }
    if (!bl_conn_units_legal(&u) ||
        (p->min_interval_us && p->max_interval_us && p->min_interval_us > p->max_interval_us))
        return -EINVAL;
    *ret = u;
    return 0;
}

bool bl_conn_params_accept(const struct bl_config *config, const struct bl_conn_units *asked,
                           struct bl_conn_units *ret_granted)
{
    uint16_t low = config->accept_min_interval;
    uint16_t high = config->accept_max_interval ? config->accept_max_interval : INTERVAL_MAX;
    struct bl_conn_units u = *asked;

    if (!bl_conn_units_legal(asked))
        return false;
    if (u.interval_min < low)
        u.interval_min = low;
    if (u.interval_max > high)
        u.interval_max = high;
    if (u.interval_min > u.interval_max ||
        (config->accept_max_latency && u.latency > config->accept_max_latency) ||
        (config->accept_max_timeout && u.timeout > config->accept_max_timeout))
        return false;
    *ret_granted = u;
    return true;
}
