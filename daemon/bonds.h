/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * bonds: the daemon's own store of bonds, one file each in <state-dir>/<adapter>/bonds
 * (bonds_place.h, bonds_file.h), each of them whole at any instant (whole.h). The directory is made
 * with the first bond.
 *
 * What is written when:
 *   at once       a bond that is new or has other keys, a deletion, a higher counter of the peer's
 *                 signatures, and our own where what is stored does not reach; but where bonds and
 *                 deletions have had a second of the disk's time and go on, as where a peer pairs
 *                 again and again, they take a tenth of it from then on (BONDS_URGENT_US)
 *   soon          subscriptions: at once, unless the disk is to have a rest; then when it is over
 *   later         all else (what GATT remembers, last_seen): BONDS_COALESCE_US after the first
 *                 change, with all that has come until then
 * and everything with bonds_flush(). What is soon or later is written one bond a call, and takes at
 * most a tenth of the time, so that a slow disk does not stop the radio; how often a peer can cause
 * a write at all is bounded where the changes come from (lib/smp/bonds.h).
 *
 * After a crash no signature counts twice: the counter of our own is stored BONDS_AHEAD
 * (bonds_disk.h) higher than it is, and the peer's is stored before what it signed is told to
 * anybody. A subscription that the peer has had confirmed is lost in a crash only if many others
 * came just before it.
 *
 * What cannot be written stays in memory and is tried again every BONDS_RETRY_US; that is logged
 * when the reason changes, with what to do about it. Nothing here is fatal. Of deletions that
 * cannot be made BL_MAX_BONDS wait, the last ones; each is told in the log.
 */

#include "base/list.h"
#include "bonds_place.h"

#define BONDS_COALESCE_US UINT64_C(2000000)
#define BONDS_RETRY_US    UINT64_C(30000000)
#define BONDS_URGENT_US   UINT64_C(10000000) /* a second of the disk's, and nine of rest */

struct bonds {
    struct bonds_place place;
    bool has_controller;
    struct bonds_controller controller;
    int dir;             /* open, or negative */
    struct list entries; /* what is to be written, or was in the last BONDS_COALESCE_US */
    uint64_t rest_until;
    uint64_t urgent_until; /* the end of the rest for what is written at once */
    int told;              /* why the directory cannot be used, as the log knows */
};

/* *s stays where it is until bonds_done(), which does not write: see bonds_flush(). The strings of
 * *place are borrowed. */
void bonds_init(struct bonds *s, const struct bonds_place *place);
void bonds_done(struct bonds *s);

/* Who is served now; before that nothing is stored or loaded. True: what has been given or stored
 * before is of another controller, and not for this one. */
bool bonds_serve(struct bonds *s, uint64_t now, const struct bonds_controller *c);

/* 0, or -errno: then the bond is passed over. */
typedef int (*bonds_give_fn)(void *ctx, const struct bl_bond *bond);

/* Gives every bond there is, the one seen longest ago first, BL_MAX_BONDS at most; with what has
 * not been written yet. Files that are torn or no bonds are set aside, what a crash has left half
 * written is removed. How many were given. */
size_t bonds_load(struct bonds *s, bonds_give_fn give, void *ctx);

void bonds_write(struct bonds *s, uint64_t now, const struct bl_bond *bond);
void bonds_delete(struct bonds *s, uint64_t now, const struct bl_addr *identity);

/* When bonds_tick() is to be called; UINT64_MAX: not before something is written. */
uint64_t bonds_deadline(const struct bonds *s);
void bonds_tick(struct bonds *s, uint64_t now);
/* A link has ended: what waits for more to come is written now, by bonds_tick(). */
void bonds_hurry(struct bonds *s, uint64_t now);
/* Writes all that waits. */
void bonds_flush(struct bonds *s, uint64_t now);
