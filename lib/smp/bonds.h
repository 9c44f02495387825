/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * bonds: the table of bonded peers of one controller, by identity.
 *
 * What is in it changes by pairing and by use (counters, CCCDs); each change is told to the owner
 * of the host by BL_EV_BOND, who stores it. BL_MAX_BONDS at most: the one that was used the longest
 * ago and is not authenticated makes room for a new one, an authenticated one never (-ENOBUFS); one
 * that a link has goes only when there is no other. What is loaded takes nobody's place.
 *
 * Use changes bonds at a rate that others choose: one bond is told BL_BONDS_BURST times at once,
 * and from then on once in BL_BONDS_PAUSE_US. What has been told was told before the event that the
 * change belongs to, so that it is stored before anybody acts on it. Where the peer's counter of
 * signatures cannot be told each time, it is told BL_BONDS_AHEAD higher than it is (peer_ahead), so
 * that nothing that was accepted is accepted again after a crash; the exact one follows.
 */

#include "base/timerq.h"
#include "bond.h"
#include "evq.h"

#define BL_BONDS_PAUSE_US 1000000u
#define BL_BONDS_BURST    16u
#define BL_BONDS_AHEAD    256u

struct bl_bonds {
    struct bl_evq *events;
    struct bl_bond **table; /* the most recently used last */
    size_t n, cap;
    uint64_t due; /* what has changed and has not been told yet; TIMERQ_NEVER: nothing */
    uint64_t evicted, refused;
    /* Whether a link has this bond; NULL: none has. */
    bool (*in_use)(const void *ctx, const struct bl_bond *bond);
    const void *ctx;
};

void bl_bonds_init(struct bl_bonds *b, struct bl_evq *events);
void bl_bonds_deinit(struct bl_bonds *b); /* wiped */
/* NULL when there is none. */
struct bl_bond *bl_bonds_find(const struct bl_bonds *b, const struct bl_addr *identity);
/*
 * 0; -ENOBUFS; -ENOMEM. Takes the place of the one of the same identity. quiet: loaded, not news,
 * and nobody makes room for it. *ret_evicted (may be NULL) is who had to make room, zero for
 * nobody: it has gone with its event.
 */
int bl_bonds_put(struct bl_bonds *b, uint64_t now, const struct bl_bond *bond, bool quiet,
                 struct bl_addr *ret_evicted);
/* Whether a new bond may take an old one's place: at no lower a level. */
bool bl_bonds_may_replace(const struct bl_bond *old, const struct bl_bond *bond);
/* With its event. */
void bl_bonds_remove(struct bl_bonds *b, struct bl_bond *bond);
void bl_bonds_clear(struct bl_bonds *b); /* without */
/* It was changed in place: the event, now or (not at_once) when there have not been too many. */
void bl_bonds_changed(struct bl_bonds *b, uint64_t now, const struct bl_bond *bond, bool at_once);
/* Tells what is due; flush: all that has not been told. */
void bl_bonds_tick(struct bl_bonds *b, uint64_t now);
void bl_bonds_flush(struct bl_bonds *b, uint64_t now);
/* The last to make room. */
void bl_bonds_used(struct bl_bonds *b, const struct bl_bond *bond);
