/* SPDX-License-Identifier: MIT */

/*
 * libev knows readable and writable alone, and says both of a socket that has hung up: whoever then
 * reads or writes finds out, without being asked for it by a system call of its own each time.
 */

#include "watch.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

struct bus_watch {
    ev_io io;
    struct ev_loop *ev;
    void (*ready)(void *userdata, uint32_t revents);
    void *userdata;
};

static void watch_fired(EV_P_ ev_io *io, int revents)
{
    struct bus_watch *w = io->data;

    (void)loop;
    w->ready(w->userdata, (revents & EV_READ ? (uint32_t)POLLIN : 0) |
                              (revents & EV_WRITE ? (uint32_t)POLLOUT : 0)); /* may free w */
}

static void watch_start(struct bus_watch *w, uint32_t events)
{
    int wanted = (events & POLLIN ? EV_READ : 0) | (events & POLLOUT ? EV_WRITE : 0);

    ev_io_stop(w->ev, &w->io);
    ev_io_set(&w->io, w->io.fd, wanted);
    if (wanted != 0)
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
