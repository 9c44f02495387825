/* SPDX-License-Identifier: MIT */

/*
 * l2cap_listen: L2cap1's listeners, and the peers' requests for channels.
 *
 * A request is a channel that is not there yet (ASKED): its owner is the listener's, its number the
 * adapter's, beside the stack's own. Whoever listens is asked; without an answer the channel is
 * accepted after 5 s. With the listener go its requests: the stack refuses them by itself.
 */

#include "l2cap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { REPLY_US = 5000000 };

/* ---- listeners ---- */

static struct bus_listener *listener_find(struct bus_adapter *a, uint16_t psm)
{
    list_each(l, next, &bus_l2cap_of(a)->listeners)
    {
        struct bus_listener *n = list_entry(l, struct bus_listener, link);
        if (n->params.psm == psm)
            return n;
    }
    return NULL;
}

static void listener_free(struct bus_listener *n)
{
    bus_l2cap_of(n->adapter)->n_listeners--;
    list_remove(&n->link);
    bus_thing_remove(&n->thing);
    free(n);
}

/* What waits for an answer the stack refuses. */
static void listener_stop(struct bus_listener *n)
{
    struct bus_adapter *a = n->adapter;
    uint16_t psm = n->params.psm;

    if (!n->away) {
        (void)bl_l2cap_unlisten(a->host, bus_now(a), psm);
        bus_kick(a);
    }
    listener_free(n);
    for (size_t i = 0; i < BUS_L2CAP_BUCKETS; i++)
        list_each(l, next, &bus_l2cap_of(a)->channels[i])
        {
            struct bus_channel *ch = list_entry(l, struct bus_channel, link);
            if (ch->state == BUS_CHANNEL_ASKED && ch->psm == psm)
                bus_l2cap_channel_free(ch);
        }
}

static void listener_release(struct bus_thing *thing)
{
    listener_stop(list_entry(thing, struct bus_listener, thing));
}

static const struct bus_thing_kind LISTENER = {
    .holds = "listeners",
    .rank = BUS_RANK_LISTENER,
    .release = listener_release,
};

static int listener_new(struct bus_adapter *a, struct bus_owner *owner,
                        const struct bl_l2cap_listen *params)
{
    struct bus_listener *n = calloc(1, sizeof(*n));

    if (!n)
        return -ENOMEM;
    int r = bl_l2cap_listen(a->host, params);
    if (r < 0) {
        free(n);
        return r;
    }
    n->adapter = a;
    n->params = *params;
    list_append(&bus_l2cap_of(a)->listeners, &n->link);
    bus_l2cap_of(a)->n_listeners++;
    bus_thing_add(&n->thing, owner, &LISTENER);
    return 0;
}

void bus_l2cap_listeners_inactive(struct bus_adapter *a, bool keep)
{
    list_each(l, next, &bus_l2cap_of(a)->listeners)
    {
        struct bus_listener *n = list_entry(l, struct bus_listener, link);
        if (keep && bus_owner_is_daemon(n->thing.owner))
            n->away = true;
        else
            listener_free(n);
    }
}

void bus_l2cap_listeners_restore(struct bus_adapter *a)
{
    list_each(l, next, &bus_l2cap_of(a)->listeners)
    {
        struct bus_listener *n = list_entry(l, struct bus_listener, link);
        if (!n->away)
            continue;
        n->away = false;
        int r = bl_l2cap_listen(a->host, &n->params);
        if (r >= 0)
            continue;
        bus_log(a->bus, BL_LOG_WARNING, "%s: cannot listen on PSM 0x%02x again: %s", a->name,
                n->params.psm, strerror(-r));
        listener_free(n);
    }
}

void bus_l2cap_listeners_free(struct bus_adapter *a)
{
    list_each(l, next, &bus_l2cap_of(a)->listeners)
        listener_free(list_entry(l, struct bus_listener, link));
}

/* ---- Listen, StopListening ---- */

struct listen_opts {
    struct bus_opts head;
    uint8_t security;
    bool authorize;
};

static const struct bus_opt LISTEN_OPTS[] = {
    {"security", "y", offsetof(struct listen_opts, security), BL_SECURITY_NONE, BL_SECURITY_SC,
     NULL},
    {"authorize", "b", offsetof(struct listen_opts, authorize), 0, 0, NULL},
};

int bus_l2cap_method_listen(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct listen_opts o = {.security = BL_SECURITY_NONE};
    struct bl_l2cap_listen params = {0};
    struct bus_owner *owner;

    int r = bus_enter(a, m, bus_l2cap_method_listen, 0, &owner, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read(m, "qq", &params.psm, &params.mtu);
    if (r >= 0)
        r = bus_opts_read(m, LISTEN_OPTS, ARRAY_LEN(LISTEN_OPTS), &o, error);
    if (r < 0)
        return r;
    r = bus_l2cap_check(params.psm, params.mtu, BL_L2CAP_MTU_MIN, error);
    if (r < 0)
        return r;
    const struct bus_listener *other = listener_find(a, params.psm);
    if (other)
        return bus_error_set(error, BUS_BUSY, "%s listens on PSM 0x%02x already.",
                             other->thing.owner->who, params.psm);
    params.security = o.security;
    params.authorize = o.authorize;
    r = listener_new(a, owner, &params);
    if (r == -EEXIST)
        return bus_error_set(error, BUS_BUSY, "bled itself listens on PSM 0x%02x.", params.psm);
    if (r < 0)
        return bus_error_errno(error, r, "listening on PSM 0x%02x", params.psm);
    bus_kick(a);
    return sd_bus_reply_method_return(m, NULL);
}

int bus_l2cap_method_stop_listening(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct bus_owner *owner;
    uint16_t psm;
    char what[32];

    int r = bus_enter(a, m, bus_l2cap_method_stop_listening, BUS_WHILE_INACTIVE, &owner, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read(m, "q", &psm);
    if (r < 0)
        return r;
    struct bus_listener *n = listener_find(a, psm);
    if (!n)
        return bus_error_set(error, BUS_NOT_FOUND, "Nobody listens on PSM 0x%02x.", psm);
    snprintf(what, sizeof(what), "PSM 0x%02x", psm);
    r = bus_owner_may(owner, n->thing.owner, what, error);
    if (r < 0)
        return r;
    listener_stop(n);
    return sd_bus_reply_method_return(m, NULL);
}

/* ---- requests ---- */

void bus_l2cap_answered(struct bus_channel *ch)
{
    ch->state = BUS_CHANNEL_COMING;
    bus_timer_cancel(ch->adapter, &ch->timer);
    bus_l2cap_of(ch->adapter)->n_asked--;
}

void bus_l2cap_refuse(struct bus_channel *ch, enum bl_l2cap_result result)
{
    struct bus_adapter *a = ch->adapter;

    (void)bl_l2cap_reply(a->host, bus_now(a), ch->host_request, (uint16_t)result);
    bus_l2cap_channel_free(ch);
    bus_kick(a);
}

static void request_late(struct bus_timer *timer, uint64_t now)
{
    struct bus_channel *ch = list_entry(timer, struct bus_channel, timer);
    struct bus_adapter *a = ch->adapter;

    (void)now;
    bus_log(a->bus, BL_LOG_DEBUG, "%s: request %u, PSM 0x%02x, is accepted: nobody has answered",
            a->name, ch->request, ch->psm);
    bus_l2cap_answered(ch);
    if (bl_l2cap_reply(a->host, bus_now(a), ch->host_request, BL_L2CAP_SUCCESS) < 0)
        bus_l2cap_channel_free(ch); /* it has gone, or could not be opened */
    bus_kick(a);
}

/* Nobody is there (any more) whom it could be for. What has been accepted is closed when it opens.
 */
static void request_refuse(struct bus_adapter *a, const struct bl_event *e,
                           enum bl_l2cap_result result)
{
    if (e->l2cap.request == 0)
        return;
    (void)bl_l2cap_reply(a->host, bus_now(a), e->l2cap.request, (uint16_t)result);
    bus_kick(a);
}

void bus_l2cap_on_accept(struct bus_adapter *a, const struct bl_event *e)
{
    struct bus_listener *n = listener_find(a, e->l2cap.psm);
    bool asked = e->l2cap.request != 0;

    if (!n || n->away) {
        request_refuse(a, e, BL_L2CAP_SPSM_NOT_SUPPORTED);
        return;
    }
    struct bus_channel *ch =
        bus_l2cap_channel_new(a, n->thing.owner, e, asked ? BUS_CHANNEL_ASKED : BUS_CHANNEL_COMING);
    if (!ch) {
        request_refuse(a, e, BL_L2CAP_NO_RESOURCES);
        return;
    }
    if (asked) {
        ch->host_request = e->l2cap.request;
        ch->request = bus_request(a);
        ch->timer.fire = request_late;
        bus_l2cap_of(a)->n_asked++;
        bus_timer_set(a, &ch->timer, bus_now(a) + REPLY_US);
    }
    bus_emit(a, bus_l2cap_audience(ch), L2CAP_INTERFACE, "Accept", "uqqqqq", ch->request, ch->conn,
             ch->cid, ch->psm, ch->our_mtu, ch->peer_mtu);
}

static struct bus_channel *request_find(struct bus_adapter *a, uint32_t request)
{
    for (size_t i = 0; i < BUS_L2CAP_BUCKETS; i++)
        list_each(l, next, &bus_l2cap_of(a)->channels[i])
        {
            struct bus_channel *ch = list_entry(l, struct bus_channel, link);
            if (ch->state == BUS_CHANNEL_ASKED && ch->request == request)
                return ch;
        }
    return NULL;
}

int bus_l2cap_method_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct bus_owner *owner;
    uint32_t request;
    uint16_t result;
    char what[32];

    int r = bus_enter(a, m, bus_l2cap_method_reply, 0, &owner, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read(m, "uq", &request, &result);
    if (r < 0)
        return r;
    struct bus_channel *ch = request_find(a, request);
    if (!ch)
        return bus_error_set(error, BUS_NOT_FOUND,
                             "No request %u is open: it has been answered, 5 s have passed, or the "
                             "connection or the listener has gone.",
                             request);
    snprintf(what, sizeof(what), "Request %u", request);
    r = bus_owner_may(owner, ch->thing.owner, what, error);
    if (r < 0)
        return r;
    r = bl_l2cap_reply(a->host, bus_now(a), ch->host_request, result);
    if (r == -EINVAL)
        return bus_error_invalid(error,
                                 "A result of 0x%x is no refusal of a channel (0x0002, 0x0004 to "
                                 "0x000b; of an enhanced one also 0x000c), nor 0.",
                                 result);
    bus_l2cap_answered(ch);
    if (r < 0 || result != BL_L2CAP_SUCCESS)
        bus_l2cap_channel_free(ch);
    bus_kick(a);
    if (r < 0)
        return bus_error_errno(error, r, "request %u", request);
    return sd_bus_reply_method_return(m, NULL);
}
