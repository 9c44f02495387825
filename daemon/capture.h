/* SPDX-License-Identifier: MIT */
#pragma once

/* capture: one adapter's btsnoop capture in the loop, written within FLUSH_S of each packet. */

#include "btsnoop.h"

#include <ev.h>

struct capture {
    struct ev_loop *ev;
    const char *name; /* the adapter's, borrowed */
    struct btsnoop *file;
    ev_timer timer;
};

void capture_init(struct capture *c, struct ev_loop *ev, const char *name);
/* fd is ours from here on, also on failure. -EBUSY: one runs already; else as btsnoop_new(). */
int capture_start(struct capture *c, int fd, bool keys, uint32_t snaplen);
int capture_start_file(struct capture *c, const char *path);
void capture_stop(struct capture *c);
void capture_write(struct capture *c, bool received, const uint8_t *packet, size_t n);
