/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * report_join: extended advertising reports that a controller gives in fragments, made whole.
 * Core 5.4, Vol 4, Part E, 7.7.65.13.
 *
 * A chain is known by address, set, PHYs and whether it is a scan response; chains of different
 * advertisers may be interleaved. BL_MAX_CHAINS are open at once, each of at most
 * BL_MAX_ADV_EXTENDED octets. One that ends as truncated, grows too long, waits too long or has
 * to make room comes out as it is, marked truncated.
 */

#include "bounds.h"
#include "hci/event.h"
#include "report.h"

/* The next packet of a chain is at most this far from the one before (AUX Offset: 13 bits of 300
 * us; Core 5.4, Vol 6, Part B, 2.3.4.5); the controller may dawdle about as long again. */
#define BL_REPORT_JOIN_TIMEOUT_US 5000000u

struct report_chain {
    struct bl_report report; /* of its latest fragment */
    uint8_t bytes[BL_MAX_ADV_EXTENDED];
};

struct report_join {
    /* The first `count`, in the order of opening. A chain that there was no memory for is NULL. */
    uint64_t keys[BL_MAX_CHAINS], until[BL_MAX_CHAINS];
    struct report_chain *chains[BL_MAX_CHAINS];
    unsigned count;
    struct report_chain *spare[4]; /* kept, so that a steady flow allocates nothing */
    struct report_chain *given;    /* behind the report that was given out last */
    uint64_t lost;                 /* chains that did not come to their own end */
};

void bl_report_join_init(struct report_join *join);
void bl_report_join_deinit(struct report_join *join);
/* Forgets all open chains. */
void bl_report_join_clear(struct report_join *join);

/* Takes a report as the controller gave it (its data borrowed for the call). True: *ret is a report
 * to hand on, its data borrowed until the next call. After each call, bl_report_join_expired() has
 * to be asked until it is false: for chains that waited too long or have to make room. */
bool bl_report_join_take(struct report_join *join, uint64_t now, const struct bl_report *r,
                         enum bl_hci_data_status status, struct bl_report *ret);
bool bl_report_join_expired(struct report_join *join, uint64_t now, struct bl_report *ret);
/* TIMERQ_NEVER when no chain is open. */
uint64_t bl_report_join_deadline(const struct report_join *join);
