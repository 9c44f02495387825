/* SPDX-License-Identifier: MIT */

/*
 * libev knows readable and writable alone; a peer that has hung up is readable. What it is in truth
 * is asked of poll(2) then. A watch that waits for nothing waits for that.
 */

#include "watch.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

struct bus_watch {
    ev_io io;
    struct ev_loop *ev;
    uint32_t events;
    void (*ready)(void *userdata, uint32_t revents);
    void *userdata;
};

static void watch_fired(EV_P_ ev_io *io, int revents)
{
    struct bus_watch *w = io->data;
    struct pollfd p = {.fd = io->fd, .events = (short)w->events};

    (void)loop, (void)revents;
    if (poll(&p, 1, 0) > 0)
        w->ready(w->userdata, (uint32_t)(unsigned short)p.revents); /* may free w */
}

static void watch_start(struct bus_watch *w, uint32_t events)
{
    int fd = w->io.fd;

    w->events = events;
    ev_io_stop(w->ev, &w->io);
    ev_io_set(&w->io, fd, EV_READ | (events & POLLOUT ? EV_WRITE : 0));
    ev_io_start(w->ev, &w->io);
}

int watch_new(struct ev_loop *ev, int fd, uint32_t events,
              void (*ready)(void *userdata, uint32_t revents), void *userdata,
              struct bus_watch **ret)
{
    struct bus_watch *w = calloc(1, sizeof(*w));

    if (!w)
        return -ENOMEM;
    w->ev = ev;
    w->ready = ready;
    w->userdata = userdata;
    ev_io_init(&w->io, watch_fired, fd, EV_READ);
    w->io.data = w;
    watch_start(w, events);
    *ret = w;
    return 0;
}

void watch_set(struct bus_watch *w, uint32_t events)
{
    watch_start(w, events);
}

void watch_free(struct bus_watch *w)
{
    ev_io_stop(w->ev, &w->io);
    free(w);
}
