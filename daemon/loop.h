/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * loop: libev on one side, hosts that neither block nor call back on the other.
 *
 * Input comes by callbacks of libev; what follows from it (events for the bus, packets for the
 * controller, the next deadline) is pulled once before the loop waits again. So a burst of input
 * becomes few writes, and nothing is pulled from within a call into dbus/ or lib/.
 */

#include "host.h"
#include "transport.h"

#include <ev.h>

struct loop_host;

struct loop {
    struct ev_loop *ev;
    ev_prepare prepare;
    ev_idle idle; /* running while there is work that did not fit into one turn */
    struct loop_host *hosts;
    /* Called last before waiting. */
    void (*before_wait)(void *ctx);
    /* While true, events of hosts are left where they are, and input waits when they are many. */
    bool (*congested)(void *ctx);
    void *ctx;
};

struct loop_host_ops {
    void (*event)(void *ctx, const struct bl_event *e);
    /* The connection that transport_open() began is made (0) or failed. */
    void (*connected)(void *ctx, int error);
    /* The transport is of no use any more: a negative errno of transport.h. */
    void (*dead)(void *ctx, int error);
    /* Every packet, before it is handed over. */
    void (*packet)(void *ctx, bool received, const uint8_t *packet, size_t n);
};

/* A host and its transport, borrowed, in the loop. */
struct loop_host {
    struct loop *loop;
    struct bl_host *host;
    struct transport *transport;
    const struct loop_host_ops *ops;
    void *ctx;
    ev_io io;
    ev_timer timer;
    uint64_t armed;
    unsigned generation; /* of the transport: counts its ends */
    bool kicked, connecting;
    bool held; /* the transport has a packet that the host cannot take now */
    struct loop_host *next;
};

/* Microseconds of CLOCK_MONOTONIC. */
uint64_t loop_now(void);

int loop_open(struct loop *l);
void loop_close(struct loop *l);

void loop_host_add(struct loop_host *h);
void loop_host_remove(struct loop_host *h);
/* Watches the transport, which has just been opened. */
void loop_host_watch(struct loop_host *h, bool connecting);
/* The transport is about to be closed. */
void loop_host_unwatch(struct loop_host *h);
/* Hands on all events that wait. */
void loop_host_events(struct loop_host *h);
/* Something is to be pulled: do so before waiting. */
static inline void loop_host_kick(struct loop_host *h)
{
    h->kicked = true;
}
