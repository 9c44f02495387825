/* SPDX-License-Identifier: MIT */

#include "watches.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

struct bus_watch {
    struct list link;
    int fd;
    uint32_t events;
    void (*ready)(void *userdata, uint32_t revents);
    void *userdata;
};

static struct list watches;
static int result;

static int fake_watch(void *ctx, int fd, uint32_t events,
                      void (*ready)(void *userdata, uint32_t revents), void *userdata,
                      struct bus_watch **ret)
{
    struct bus_watch *w = result < 0 ? NULL : calloc(1, sizeof(*w));

    (void)ctx;
    if (!w)
        return result < 0 ? result : -ENOMEM;
    w->fd = fd;
    w->events = events;
    w->ready = ready;
    w->userdata = userdata;
    list_append(&watches, &w->link);
    *ret = w;
    return 0;
}

static void fake_rewatch(struct bus_watch *w, uint32_t events)
{
    w->events = events;
}

static void fake_unwatch(struct bus_watch *w)
{
    list_remove(&w->link);
    free(w);
}

void watches_start(struct rig *rig)
{
    list_init(&watches);
    result = 0;
    rig->bus->options.watch_fd = fake_watch;
    rig->bus->options.rewatch_fd = fake_rewatch;
    rig->bus->options.unwatch_fd = fake_unwatch;
}

void watches_fail(int r)
{
    result = r;
}

unsigned watches_turn(void)
{
    unsigned fired = 0;

    list_each(l, next, &watches)
    {
        struct bus_watch *w = list_entry(l, struct bus_watch, link);
        struct pollfd p = {.fd = w->fd, .events = (short)w->events};
        if (w->events == 0 || poll(&p, 1, 0) <= 0)
            continue;
        uint32_t got = (uint32_t)(unsigned short)p.revents;
        if (got & (POLLHUP | POLLERR))
            got |= POLLIN | POLLOUT;
        fired++;
        w->ready(w->userdata, got & w->events);
    }
    return fired;
}

void watches_run(void)
{
    unsigned n = 0;

    while (watches_turn() > 0)
        must(n++ < 100000);
}

bool watches_none(void)
{
    return list_empty(&watches);
}
