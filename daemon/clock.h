/* SPDX-License-Identifier: MIT */
#pragma once

/* clock: microseconds of one of the system's clocks. */

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_us(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}
