/* SPDX-License-Identifier: MIT */
/*
 * sd-bus says which events of its descriptor it waits for and until when; that may change with
 * every call of it, so it is asked before each wait, and libev is told of differences alone. A
 * deadline that moves away leaves its timer where it is, to find out when it fires. When a
 * turn ends with messages read but not dispatched, sd-bus's timeout is 0 and the next turn follows
 * at once: a client that floods the bus does not keep the controllers waiting.
 */
#include "bus_ev.h"
#include "clock.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>

enum { MESSAGES_A_TURN = 64 };

int bus_ev_connect(sd_bus **ret, const char *where)
{
    if (strcmp(where, "system") == 0)
        return sd_bus_open_system(ret);
    if (strcmp(where, "session") == 0)
        return sd_bus_open_user(ret);
    sd_bus *bus = NULL;
    int r = sd_bus_new(&bus);
    if (r >= 0)
        r = sd_bus_set_address(bus, where);
    if (r >= 0)
        r = sd_bus_set_bus_client(bus, true);
    if (r >= 0)
        r = sd_bus_start(bus);
    if (r < 0) {
        sd_bus_unref(bus);
        return r;
    }
    *ret = bus;
    return 0;
}

static void process(struct bus_ev *b)
{
    int r = 1;
    for (int i = 0; i < MESSAGES_A_TURN && r > 0; i++)
        r = sd_bus_process(b->sd, NULL);
    if (r < 0) {
        bus_ev_stop(b);
        b->gone(b->ctx, r);
    }
}

static void on_io(EV_P_ ev_io *w, int revents)
{
    (void)loop;
    (void)revents;
    process(w->data);
}

static void on_timer(EV_P_ ev_timer *w, int revents)
{
    struct bus_ev *b = w->data;
    (void)loop;
    (void)revents;
    b->armed = UINT64_MAX;
    process(b);
}

static void on_bus_timer(EV_P_ ev_timer *w, int revents)
{
    struct bus_ev *b = w->data;
    (void)loop;
    (void)revents;
    b->bus_armed = UINT64_MAX;
    bus_tick(b->bus, clock_us(CLOCK_MONOTONIC));
}

static void set_timer(struct bus_ev *b, ev_timer *timer, uint64_t at)
{
    uint64_t now = clock_us(CLOCK_MONOTONIC);
    ev_timer_stop(b->ev, timer);
    ev_timer_set(timer, at > now ? (double)(at - now) / 1e6 : 0., 0.);
    ev_timer_start(b->ev, timer);
}

static void arm(struct bus_ev *b)
{
    uint64_t at;
    if (sd_bus_get_timeout(b->sd, &at) < 0)
        at = UINT64_MAX;
    if (at < b->armed) {
        b->armed = at;
        set_timer(b, &b->timer, at);
    }
    at = bus_deadline(b->bus);
    if (at < b->bus_armed) {
        b->bus_armed = at;
        set_timer(b, &b->bus_timer, at);
    }
}

void bus_ev_prepare(struct bus_ev *b)
{
    if (!b->ev)
        return;
    int fd = sd_bus_get_fd(b->sd), wanted = sd_bus_get_events(b->sd);
    if (fd < 0 || wanted < 0) {
        /* Closed by a call that failed in between: sd_bus_process() says how. */
        ev_io_stop(b->ev, &b->io);
        process(b);
        return;
    }
    int events = (wanted & POLLIN ? EV_READ : 0) | (wanted & POLLOUT ? EV_WRITE : 0);
    if (b->io.fd != fd || (b->io.events & (EV_READ | EV_WRITE)) != events) {
        ev_io_stop(b->ev, &b->io);
        ev_io_set(&b->io, fd, events);
        ev_io_start(b->ev, &b->io);
    }
    arm(b);
}

void bus_ev_start(struct bus_ev *b)
{
    b->armed = b->bus_armed = UINT64_MAX;
    ev_init(&b->io, on_io);
    ev_init(&b->timer, on_timer);
    ev_init(&b->bus_timer, on_bus_timer);
    ev_io_set(&b->io, -1, 0);
    b->io.data = b->timer.data = b->bus_timer.data = b;
}

void bus_ev_stop(struct bus_ev *b)
{
    if (!b->ev)
        return;
    ev_io_stop(b->ev, &b->io);
    ev_timer_stop(b->ev, &b->timer);
    ev_timer_stop(b->ev, &b->bus_timer);
    b->ev = NULL;
}

void bus_ev_flush(struct bus_ev *b, int timeout_ms)
{
    uint64_t queued = 0;
    while (sd_bus_get_n_queued_write(b->sd, &queued) >= 0 && queued > 0) {
        struct pollfd p = {.fd = sd_bus_get_fd(b->sd), .events = POLLOUT};
        if (p.fd < 0 || timeout_ms <= 0)
            return;
        timeout_ms -= poll(&p, 1, 10) == 0 ? 10 : 1;
        if (sd_bus_process(b->sd, NULL) < 0)
            return;
    }
}
