/* SPDX-License-Identifier: MIT */
/* The watchdog is fed by a timer of the loop, at half its period: a loop that hangs feeds nobody.
 */
#include "notify.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

static void on_watchdog(EV_P_ ev_timer *w, int revents)
{
    (void)loop;
    (void)w;
    (void)revents;
    (void)sd_notify(0, "WATCHDOG=1");
}

void notify_open(struct notify *n, struct ev_loop *ev)
{
    uint64_t us = 0;
    *n = (struct notify){.ev = ev, .on = getenv("NOTIFY_SOCKET") != NULL};
    ev_init(&n->watchdog, on_watchdog);
    if (n->on && sd_watchdog_enabled(0, &us) > 0 && us > 0) {
        ev_timer_set(&n->watchdog, (double)us / 2e6, (double)us / 2e6);
        ev_timer_start(ev, &n->watchdog);
    }
}

void notify_close(struct notify *n)
{
    if (n->ev)
        ev_timer_stop(n->ev, &n->watchdog);
}

void notify_ready(struct notify *n)
{
    if (n->ready)
        return;
    n->ready = true;
    if (n->on)
        (void)sd_notify(0, "READY=1");
}

void notify_status(struct notify *n, const char *text)
{
    if (!n->on || strcmp(n->status, text) == 0)
        return;
    snprintf(n->status, sizeof(n->status), "%s", text);
    (void)sd_notifyf(0, "STATUS=%s", text);
}

void notify_stopping(const struct notify *n)
{
    if (n->on)
        (void)sd_notify(0, "STOPPING=1");
}
