/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * timerq: timers ordered by deadline, intrusive, without allocation (a pairing heap).
 *
 * Time is microseconds on any monotonic scale that the caller keeps to. A timer belongs to at most
 * one queue; setting it again moves it, cancelling one that is not set does nothing. Timers with
 * equal deadlines pop in the order they were set.
 */

#include <stdbool.h>
#include <stdint.h>

#define TIMERQ_NEVER UINT64_MAX

struct timer {
    uint64_t at;
    uint64_t order;
    struct timer *child, *next, *prev; /* prev: left sibling, or the parent for a first child */
    bool set;
};

struct timerq {
    struct timer *root;
    uint64_t order;
};

void timerq_set(struct timerq *q, struct timer *t, uint64_t at);
void timerq_cancel(struct timerq *q, struct timer *t);

/* The earliest deadline, TIMERQ_NEVER when no timer is set. */
static inline uint64_t timerq_next(const struct timerq *q)
{
    return q->root ? q->root->at : TIMERQ_NEVER;
}

/* Takes out the earliest timer whose deadline is not after now; NULL when there is none. */
struct timer *timerq_pop(struct timerq *q, uint64_t now);
