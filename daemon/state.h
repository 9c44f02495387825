/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * state: what a controller keeps across restarts: <state-dir>/<adapter>/identity holds its static
 * random address and our identity resolving key; bonds.h has the rest.
 */

#include "base/addr.h"

#include <stdint.h>

enum { STATE_PATH = 4096 };

struct state_identity {
    struct bl_addr static_addr;
    uint8_t irk[16];
};

/*
 * Reads the identity of adapter `name`, and makes and stores one where there is none. What is no
 * identity (torn, or another program's) is set aside under another name, never overwritten.
 * 0, or -errno after logging what happened: then *ret is an identity for this run alone, or all
 * zero where not even random bytes were to be had.
 */
int state_identity(const char *state_dir, const char *name, struct state_identity *ret);

/* <state-dir>/<name>, made where it does not exist, as an open directory; or -errno. ret_where: its
 * path, for the log, cut off with -ENAMETOOLONG. */
int state_place(const char *state_dir, const char *name, char ret_where[static STATE_PATH]);
