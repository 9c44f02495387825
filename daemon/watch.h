/* SPDX-License-Identifier: MIT */
#pragma once

/* watch: the ends of sockets that clients were handed, in the loop: see bus.h, watch_fd. */

#include "bus.h"

#include <ev.h>

/* 0 or -ENOMEM. Borrows fd. */
int watch_new(struct ev_loop *ev, int fd, uint32_t events,
              void (*ready)(void *userdata, uint32_t revents), void *userdata,
              struct bus_watch **ret);
void watch_set(struct bus_watch *w, uint32_t events);
void watch_free(struct bus_watch *w);
