/* SPDX-License-Identifier: MIT */
/*
 * A turn of the loop:  wait -> io, timers, bus (input) -> prepare (pull events, send) -> wait
 *
 * Handling an event may give the host new commands, those new packets and events: a turn follows
 * that for ROUNDS and leaves the rest to the next one, with a running idle watcher so that the loop
 * does not wait. Whatever is handed an event may close or reopen the transport; the generation
 * tells.
 *
 * Deadlines move with every packet, mostly later. The timer is left where it is then: it finds out
 * when it fires, and moves on. So a timer costs nothing a packet.
 */
#include "loop.h"
#include "base/timerq.h"
#include "clock.h"
#include "log.h"

#include <errno.h>

enum {
    ROUNDS = 16,
    TX_BATCH = 4096, /* octets gathered for one write */
};

uint64_t loop_now(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

static bool host_events(struct loop_host *h)
{
    struct bl_event e;
    bool any = false;
    while (bl_host_next_event(h->host, &e)) {
        h->ops->event(h->ctx, &e);
        any = true;
    }
    return any;
}

void loop_host_events(struct loop_host *h)
{
    (void)host_events(h);
}

static void arm(struct loop_host *h)
{
    uint64_t at = bl_host_deadline(h->host);
    if (at >= h->armed)
        return;
    uint64_t now = loop_now();
    double delay = at > now ? (double)(at - now) / 1e6 : 0.;
    ev_timer_stop(h->loop->ev, &h->timer);
    ev_timer_set(&h->timer, delay, 0.);
    ev_timer_start(h->loop->ev, &h->timer);
    h->armed = at;
}

static void on_timer(EV_P_ ev_timer *w, int revents)
{
    struct loop_host *h = w->data;
    (void)loop;
    (void)revents;
    h->armed = TIMERQ_NEVER;
    uint64_t now = loop_now();
    if (bl_host_deadline(h->host) <= now)
        bl_host_tick(h->host, now);
    h->kicked = true;
}

/* events: EV_READ, EV_WRITE; what is held must be taken before more is read. */
static void want(struct loop_host *h, int events)
{
    events &= h->held ? EV_WRITE : EV_READ | EV_WRITE;
    if (ev_is_active(&h->io) && (h->io.events & (EV_READ | EV_WRITE)) == events)
        return;
    ev_io_stop(h->loop->ev, &h->io);
    ev_io_set(&h->io, h->transport->fd, events);
    if (events)
        ev_io_start(h->loop->ev, &h->io);
}

/* Disconnection Complete: Core 5.4, Vol 4, Part E, 7.7.5. The host forgets with a connection what
 * has come on it, so that whoever was told of that late has to read it before. */
static bool ends_connection(const uint8_t *packet, size_t n)
{
    return n > 1 && packet[0] == 0x04 && packet[1] == 0x05;
}

/* Packets to the host, until there are no more, one must be held, or the transport has ended. */
static void deliver(struct loop_host *h)
{
    const uint8_t *packet;
    unsigned generation = h->generation;
    ssize_t n;
    uint64_t now = loop_now();
    h->kicked = true;
    while ((n = transport_next(h->transport, &packet)) > 0) {
        bool wait = false;
        if (!h->held)
            h->ops->packet(h->ctx, true, packet, (size_t)n);
        if (ends_connection(packet, (size_t)n)) {
            wait = h->loop->congested(h->loop->ctx);
            if (!wait)
                loop_host_events(h);
            if (h->generation != generation)
                return;
        }
        h->held = wait || bl_host_receive(h->host, now, packet, (size_t)n) == -EAGAIN;
        if (!h->held)
            continue;
        transport_unread(h->transport);
        if (h->loop->congested(h->loop->ctx))
            return;
        loop_host_events(h);
        if (h->generation != generation)
            return;
    }
    if (n < 0)
        h->ops->dead(h->ctx, (int)n);
}

static void on_io(EV_P_ ev_io *w, int revents)
{
    struct loop_host *h = w->data;
    (void)loop;
    h->kicked = true;
    if (h->connecting) {
        int r = transport_connected(h->transport);
        h->connecting = false;
        h->ops->connected(h->ctx, r);
        return;
    }
    if (revents & EV_READ) {
        int r = transport_fill(h->transport);
        if (r < 0)
            h->ops->dead(h->ctx, r);
        else
            deliver(h);
    }
}

static int send_packets(struct loop_host *h, uint64_t now)
{
    int r = 0;
    for (;;) {
        const uint8_t *packet;
        size_t n;
        while (transport_queued(h->transport) < TX_BATCH &&
               (n = bl_host_next_tx(h->host, now, &packet)) > 0) {
            h->ops->packet(h->ctx, false, packet, n);
            r = transport_queue(h->transport, packet, n);
            if (r < 0)
                return r;
        }
        if (transport_queued(h->transport) == 0)
            break;
        r = transport_flush(h->transport);
        if (r < 0)
            break;
    }
    if (r < 0 && r != -EAGAIN)
        return r;
    want(h, r == -EAGAIN ? EV_READ | EV_WRITE : EV_READ);
    return 0;
}

static void drain(struct loop_host *h, bool congested)
{
    for (int i = 0; i < ROUNDS && h->kicked; i++) {
        h->kicked = congested; /* there may be events, then */
        if (!congested)
            loop_host_events(h);
        if (h->transport->fd >= 0 && h->held && !congested)
            deliver(h);
        if (h->transport->fd < 0 || h->connecting)
            continue;
        int r = send_packets(h, loop_now());
        if (r < 0)
            h->ops->dead(h->ctx, r);
        else if (!congested && host_events(h)) /* of what has left */
            h->kicked = true;
        if (congested)
            break;
    }
    arm(h);
}

static void on_prepare(EV_P_ ev_prepare *w, int revents)
{
    struct loop *l = w->data;
    (void)loop;
    (void)revents;
    bool more = false, congested = l->congested(l->ctx);
    for (struct loop_host *h = l->hosts; h; h = h->next)
        if (h->kicked)
            drain(h, congested);
    l->before_wait(l->ctx);
    congested = congested && l->congested(l->ctx);
    for (struct loop_host *h = l->hosts; h; h = h->next)
        more = more || (h->kicked && !congested);
    if (more)
        ev_idle_start(l->ev, &l->idle);
    else
        ev_idle_stop(l->ev, &l->idle);
}

static void on_idle(EV_P_ ev_idle *w, int revents)
{
    (void)loop;
    (void)w;
    (void)revents;
}

int loop_open(struct loop *l)
{
    l->ev = ev_default_loop(EVFLAG_NOENV);
    if (!l->ev)
        return -ENOSYS;
    ev_prepare_init(&l->prepare, on_prepare);
    l->prepare.data = l;
    ev_prepare_start(l->ev, &l->prepare);
    ev_idle_init(&l->idle, on_idle);
    return 0;
}

void loop_close(struct loop *l)
{
    if (!l->ev)
        return;
    ev_idle_stop(l->ev, &l->idle);
    ev_prepare_stop(l->ev, &l->prepare);
    ev_loop_destroy(l->ev);
    l->ev = NULL;
}

void loop_host_add(struct loop_host *h)
{
    h->armed = TIMERQ_NEVER;
    ev_init(&h->io, on_io);
    ev_init(&h->timer, on_timer);
    h->io.data = h->timer.data = h;
    h->next = h->loop->hosts;
    h->loop->hosts = h;
}

void loop_host_remove(struct loop_host *h)
{
    loop_host_unwatch(h);
    ev_timer_stop(h->loop->ev, &h->timer);
    for (struct loop_host **at = &h->loop->hosts; *at; at = &(*at)->next)
        if (*at == h) {
            *at = h->next;
            break;
        }
}

void loop_host_watch(struct loop_host *h, bool connecting)
{
    h->connecting = connecting;
    want(h, connecting ? EV_WRITE : EV_READ);
}

void loop_host_unwatch(struct loop_host *h)
{
    ev_io_stop(h->loop->ev, &h->io);
    h->connecting = h->held = false;
    h->generation++;
}
