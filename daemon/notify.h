/* SPDX-License-Identifier: MIT */
#pragma once

/* notify: what the service manager is told. Without one every call does nothing. */

#include <ev.h>
#include <stdbool.h>

struct notify {
    struct ev_loop *ev;
    ev_timer watchdog;
    bool on, ready;
    char status[512]; /* told last */
};

/* Starts feeding the watchdog, if there is one, from turns of the loop. */
void notify_open(struct notify *n, struct ev_loop *ev);
void notify_close(struct notify *n);
/* READY=1, the first time. */
void notify_ready(struct notify *n);
void notify_status(struct notify *n, const char *text);
void notify_stopping(const struct notify *n);
