/* SPDX-License-Identifier: MIT */
#pragma once

/* bus_ev: sd-bus, and the timers of dbus/, in a libev loop. */

#include "bus.h"

#include <ev.h>
#include <systemd/sd-bus.h>

struct bus_ev {
    struct ev_loop *ev;
    sd_bus *sd;
    struct bus *bus;
    ev_io io;
    ev_timer timer;     /* sd-bus's timeout */
    ev_timer bus_timer; /* bus_deadline() */
    uint64_t armed, bus_armed;
    /* The connection broke: a negative errno. Once. */
    void (*gone)(void *ctx, int error);
    void *ctx;
};

/* where: system, session or an address. */
int bus_ev_connect(sd_bus **ret, const char *where);
/* After ev, sd, bus (borrowed), gone and ctx were set. */
void bus_ev_start(struct bus_ev *b);
void bus_ev_stop(struct bus_ev *b);
/* To be called before the loop waits: sd-bus may wait for something else by now. */
void bus_ev_prepare(struct bus_ev *b);
/* Writes what is queued, waiting for the bus at most so long. */
void bus_ev_flush(struct bus_ev *b, int timeout_ms);
