/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * dup_filter: one scan's memory of what it has reported.
 *
 * What makes a report a duplicate: same advertiser, same kind of PDU (so the advertisement and the
 * scan response are each reported once, and a device that turns connectable is reported again),
 * same advertising set, and both whole or both truncated. Changed data does not make it new:
 * beacons that count would never be filtered. Anonymous advertisements, which name no advertiser,
 * are told apart by their data. BL_MAX_ADVERTISERS are remembered, the oldest is forgotten first
 * and so reported again.
 */

#include "gap/key_set.h"
#include "report.h"

struct dup_filter {
    struct key_set seen;
};

void bl_dup_filter_init(struct dup_filter *f, uint64_t seed);
void bl_dup_filter_deinit(struct dup_filter *f);
/* True the first time. Where there is no memory: true, for a report too many is the lesser harm. */
bool bl_dup_filter_is_new(struct dup_filter *f, const struct bl_report *r);
/* The address as a key of 49 bits. */
static inline uint64_t bl_dup_filter_addr(const struct bl_addr *a)
{
    uint64_t key = a->type & 1u;

    for (unsigned i = 0; i < 6; i++)
        key = key << 8 | a->b[5 - i];
    return key;
}
