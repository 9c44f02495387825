/* SPDX-License-Identifier: MIT */
#pragma once

/* scanner_internal: the scanner's parts, for scanner.c (scans, reports) and scanner_run.c (the
 * controller). */

#include "gap/dup_filter.h"
#include "gap/scan_filter.h"
#include "gap/scanner.h"

struct bl_scan_slot {
    bl_op op; /* while waiting */
    bool active, filter_duplicates, extended;
    bool quiet; /* bl_scanner_seek()'s: nobody's, and nobody hears of it */
    uint8_t phys;
    enum bl_addr_mode mode; /* not DEFAULT */
    uint16_t interval, window;
    uint64_t duration; /* us; 0: until stopped */
    uint64_t deadline; /* TIMERQ_NEVER until it is on the air, or without a duration */
    struct scan_filter filter;
    struct dup_filter reported;
};

/* Walks the set bits of a mask of slots, the lowest first. */
#define scanner_each(n, mask)                                                                      \
    for (uint64_t _left = (mask); _left != 0; _left &= _left - 1)                                  \
        for (unsigned n = (unsigned)__builtin_ctzll(_left), _once = 1; _once; _once = 0)

/* The scans of `mask` are on the air: their commands are done, their durations begin. */
bool bl_scanner_setup_eq(const struct bl_scanner_setup *a, const struct bl_scanner_setup *b);
/* The controller has stopped by itself. */
void bl_scanner_stopped(struct bl_scanner *s);
void bl_scanner_begun(struct bl_scanner *s, uint64_t now, uint64_t mask);
/* They end: `op_status` for the command where it is open, `status` for the scan. */
void bl_scanner_end(struct bl_scanner *s, uint64_t mask, bl_status op_status, bl_status status);
