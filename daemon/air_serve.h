/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * air_serve: the controllers of a simulated radio as H4 unix sockets, DIR/hci0 and on. Who connects
 * drives the controller, which is powered on by that; hanging up powers it off. It has one host at
 * a time: a second connection is closed at once.
 */

#include "air/air.h"
#include "h4.h"

#include <ev.h>
#include <sys/un.h>

enum { AIR_SERVE_MAX = 64 };

struct air_serve;

struct air_controller {
    struct air_serve *serve;
    int index;
    bool bound; /* the socket's name is ours to remove */
    struct sockaddr_un address;
    ev_io listener, host; /* host.fd: -1 without one */
    struct h4 rx;
    uint8_t *tx;
    size_t tx_cap, tx_len, tx_at;
};

struct air_serve {
    struct ev_loop *ev;
    struct bl_air *air;
    struct air_controller *controllers;
    int n;
    ev_prepare prepare;
    ev_timer timer;
    uint64_t violations; /* told so far */
};

/* Adds n controllers like config to air (borrowed), with public addresses 00:00:5E:00:53:00 and on,
 * which are nobody's, and serves them in dir, which is made where it does not exist. -errno after
 * telling why. */
int air_serve_open(struct air_serve *s, struct ev_loop *ev, struct bl_air *air, const char *dir,
                   int n, const struct bl_air_config *config);
/* Powers off, closes and removes all. */
void air_serve_close(struct air_serve *s);
/* Hangs up on the controller's host, as if it were pulled out. */
void air_serve_unplug(struct air_serve *s, int index);
