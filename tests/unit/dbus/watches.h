/* SPDX-License-Identifier: MIT */
#pragma once

/* watches: the loop's watches of clients' sockets (bus.h, watch_fd), turned by hand. */

#include "rig.h"

/* The rig's bus is served by them from now on. */
void watches_start(struct rig *rig);
/* What watch_fd returns: 0, or -errno. */
void watches_fail(int r);
/* A turn of the loop, as libev sees it: a hang-up is both. How many fired. */
unsigned watches_turn(void);
/* Until nothing moves; what fires for ever is a failure. */
void watches_run(void);
bool watches_none(void);
