/* SPDX-License-Identifier: MIT */

/*
 * gattc_subscribe: subscriptions, and who is told of what a peer notifies and indicates.
 *
 * A target is a value handle of a peer that somebody subscribed to. Its CCCD is to be what all
 * subscriptions want together, and one write of it is under way at a time:
 *
 *     settled ---(want != have)---> writing ---(outcome)---> settled, or writing the next
 *
 * Calls wait in `now` for the write under way and in `next` for the one behind it. Whoever asks is
 * answered by a write of its own or one that it shares, never from what the CCCD was last: the peer
 * may have put other services there, and somebody may have written it by hand. A value that the
 * peer refused is not written again by itself.
 *
 * What is notified goes to the subscribers of that handle, a copy each; where there is none, to all
 * users of the connection.
 */

#include "gattc_call.h"

#include <errno.h>

enum {
    GATTC_REFUSED_NONE = 0xff,
    GATTC_MAX_SUBS = 1024, /* of one owner */
    GATTC_RELEASE_US = 2000000,
};

struct gattc_target {
    struct list link; /* gattc.targets[] */
    struct bus_adapter *adapter;
    uint16_t conn, handle;
    struct list subs; /* struct bus_sub.link */
    bool known;
    uint8_t have;    /* what the CCCD is, if known */
    uint8_t asked;   /* what is being written */
    uint8_t refused; /* what the peer would not have last */
    struct bus_call *writing;
    struct list now, next; /* struct bus_call.waiting */
    bool settling;
};

/* The write: a procedure of the daemon's own, so that no caller's end is its end. */
struct cccd_call {
    struct bus_call call;
    struct gattc_target *target;
};

/* ---- targets ---- */

static struct list *bucket(const struct bus_adapter *a, uint16_t conn, uint16_t handle)
{
    return &bus_gattc_of(a)->targets[(conn * 31u + handle) % GATTC_BUCKETS];
}

static struct gattc_target *target_find(const struct bus_adapter *a, uint16_t conn, uint16_t handle)
{
    struct list *head = bucket(a, conn, handle);

    list_each(l, next, head)
    {
        struct gattc_target *t = list_entry(l, struct gattc_target, link);
        if (t->handle == handle && t->conn == conn)
            return t;
    }
    return NULL;
}

static struct gattc_target *target_get(struct bus_adapter *a, uint16_t conn, uint16_t handle)
{
    struct gattc_target *t = target_find(a, conn, handle);

    if (t)
        return t;
    t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    t->adapter = a;
    t->conn = conn;
    t->handle = handle;
    t->refused = GATTC_REFUSED_NONE;
    list_init(&t->subs);
    list_init(&t->now);
    list_init(&t->next);
    list_append(bucket(a, conn, handle), &t->link);
    return t;
}

static uint8_t target_union(const struct gattc_target *t, const struct bus_sub *except)
{
    uint8_t bits = 0;

    list_each(l, next, &t->subs)
    {
        const struct bus_sub *s = list_entry(l, struct bus_sub, link);
        if (s != except)
            bits |= s->bits;
    }
    return bits;
}

static void sub_free(struct bus_sub *s)
{
    list_remove(&s->link);
    bus_timer_cancel(s->adapter, &s->late);
    if (s->pipe)
        bus_gattc_pipe_sub_gone(s);
    bus_thing_remove(&s->thing);
    free(s);
}

/* Calls that waited for a write learn its outcome as that of an operation of their own. */
static void calls_end(struct list *calls, bl_status status)
{
    struct bl_event e = {.kind = BL_EV_OP_DONE, .done = {.status = status}};
    struct list ended; /* those of now: one may ask again */

    list_init(&ended);
    for (struct list *l; (l = list_pop(calls));)
        list_append(&ended, l);
    for (struct list *l; (l = list_pop(&ended));) {
        struct bus_call *call = list_entry(l, struct bus_call, waiting);
        call->kind->done(call, &e);
        if (call->op == 0 && !call->parked)
            bus_call_free(call);
    }
}

static const struct bus_call_kind CCCD;

static int target_write(struct gattc_target *t)
{
    struct bus_adapter *a = t->adapter;
    struct bus_call *call;
    uint8_t bits = target_union(t, NULL);
    bl_op op = 0;
    int r;

    r = bus_call_new(a, NULL, &CCCD, false, &call, NULL);
    if (r < 0)
        return r;
    r = bl_gattc_subscribe(a->host, bus_now(a), t->conn, t->handle, bits, &op);
    if (r < 0) {
        bus_call_free(call);
        return r;
    }
    ((struct cccd_call *)call)->target = t;
    t->writing = call;
    t->asked = bits;
    for (struct list *l; (l = list_pop(&t->next));)
        list_append(&t->now, l);
    bus_call_go(call, op);
    return 0;
}

static bool target_wants_write(const struct gattc_target *t)
{
    uint8_t want = target_union(t, NULL);

    return !list_empty(&t->next) || (t->known && want != t->have && want != t->refused);
}

/* Nothing is under way any more: what has been waiting for that ends. */
static void target_rest(struct gattc_target *t)
{
    list_each(l, next, &t->subs)
    {
        struct bus_sub *s = list_entry(l, struct bus_sub, link);
        if (s->ending)
            sub_free(s);
    }
    if (!list_empty(&t->subs))
        return;
    list_remove(&t->link);
    free(t);
}

/* Goes on until a write is under way or none is needed. t may be gone afterwards. gone: how the
 * link has ended, if it has. */
static void target_settle(struct gattc_target *t, bl_status gone)
{
    struct gattc *g = bus_gattc_of(t->adapter);

    if (t->writing || t->settling)
        return;
    if (g->dispatching) {
        g->unsettled = true;
        return;
    }
    while (target_wants_write(t)) {
        int r = target_write(t);
        if (r >= 0)
            return;
        if (list_empty(&t->next)) {
            if (r == -ENOTCONN || r == -ENETDOWN)
                break;
            g->unsettled = true; /* later, when something has ended */
            return;
        }
        bool link_gone = r == -ENOTCONN || r == -ENETDOWN;
        t->settling = true;
        calls_end(&t->next, link_gone ? gone : BL_NO_RESOURCES);
        t->settling = false;
    }
    target_rest(t);
}

static void cccd_done(struct bus_call *call, const struct bl_event *e)
{
    struct gattc_target *t = ((struct cccd_call *)call)->target;
    bl_status status = e->done.status;

    if (!t)
        return;
    t->writing = NULL;
    if (status == BL_OK) {
        t->known = true;
        t->have = t->asked;
        t->refused = GATTC_REFUSED_NONE;
        list_each(l, next, &t->subs)
        {
            struct bus_sub *s = list_entry(l, struct bus_sub, link);
            if (!(s->bits & ~t->asked))
                s->confirmed = s->bits;
        }
    } else {
        t->refused = t->asked;
    }
    t->settling = true;
    calls_end(&t->now, status);
    t->settling = false;
    target_settle(t, (status & 0xff00) == BL_STATUS_HCI ? status : (bl_status)BL_DISCONNECTED);
}

static const struct bus_call_kind CCCD = {
    .method = "a subscription",
    .out = "",
    .size = sizeof(struct cccd_call),
    .done = cccd_done,
};

/* ---- subscriptions ---- */

struct bus_sub *bus_sub_find(struct bus_adapter *a, const struct bus_owner *owner, uint16_t conn,
                             uint16_t handle)
{
    struct gattc_target *t = target_find(a, conn, handle);

    if (!t)
        return NULL;
    list_each(l, next, &t->subs)
    {
        struct bus_sub *s = list_entry(l, struct bus_sub, link);
        if (s->thing.owner == owner && !s->pipe)
            return s;
    }
    return NULL;
}

uint8_t bus_sub_union(struct bus_adapter *a, uint16_t conn, uint16_t handle,
                      const struct bus_sub *except)
{
    const struct gattc_target *t = target_find(a, conn, handle);

    return t ? target_union(t, except) : 0;
}

/* The peer took too long: what its owner still has is not to wait for it. The write goes on. */
static void sub_late(struct bus_timer *timer, uint64_t now)
{
    struct bus_sub *s = list_entry(timer, struct bus_sub, late);
    struct gattc_target *t = s->target;

    (void)now;
    sub_free(s);
    target_settle(t, BL_DISCONNECTED);
}

/* The owner goes: what else it has waits for the peer to know, but not for long. */
static void sub_release(struct bus_thing *thing)
{
    struct bus_sub *s = list_entry(thing, struct bus_sub, thing);

    s->ending = true;
    s->bits = 0;
    s->late.fire = sub_late;
    bus_timer_set(s->adapter, &s->late, bus_now(s->adapter) + GATTC_RELEASE_US);
    if (s->pipe)
        bus_gattc_pipe_sub_gone(s);
    target_settle(s->target, BL_DISCONNECTED);
}

static const struct bus_thing_kind SUBSCRIPTION = {
    .holds = "subscriptions",
    .rank = BUS_RANK_SUBSCRIPTION,
    .release = sub_release,
};

struct bus_sub *bus_sub_new(struct bus_adapter *a, struct bus_owner *owner, struct bus_conn *c,
                            uint16_t handle, uint8_t bits)
{
    bool user = bus_conn_use_of(c, owner) != NULL;
    struct bus_sub *s = calloc(1, sizeof(*s));
    struct gattc_target *t = s ? target_get(a, c->info.conn, handle) : NULL;

    if (!t || bus_conn_use(c, owner) < 0) {
        if (t)
            target_settle(t, BL_DISCONNECTED);
        free(s);
        return NULL;
    }
    s->adapter = a;
    s->target = t;
    s->conn = c->info.conn;
    s->handle = handle;
    s->bits = bits;
    s->made_use = !user;
    list_append(&t->subs, &s->link);
    bus_thing_add(&s->thing, owner, &SUBSCRIPTION);
    return s;
}

static bool sub_is_served(const struct gattc_target *t, const struct bus_sub *s)
{
    return s->bits != 0 && !(s->bits & ~t->asked) && !(s->confirmed & ~s->bits);
}

int bus_sub_write(struct bus_sub *s, struct bus_call *call)
{
    struct gattc_target *t = s->target;

    if (t->writing) {
        bool same = target_union(t, NULL) == t->asked || sub_is_served(t, s);
        list_append(same ? &t->now : &t->next, &call->waiting);
        return 0;
    }
    list_append(&t->next, &call->waiting);
    int r = target_write(t);
    if (r < 0)
        list_remove(&call->waiting);
    return r;
}

void bus_sub_end(struct bus_sub *s)
{
    struct gattc_target *t = s->target;
    struct bus_conn *c = bus_conn_find(s->adapter, s->conn, NULL);
    struct bus_use *use =
        c && s->made_use && !s->confirmed ? bus_conn_use_of(c, s->thing.owner) : NULL;

    /* It never was one: nor does its owner use the connection for it. */
    if (use && !bus_conn_is_last(use))
        bus_conn_leave(use);
    sub_free(s);
    target_settle(t, BL_DISCONNECTED);
}

static struct bus_sub *sub_of(const struct bus_owner *owner, uint16_t conn)
{
    list_each(l, next, &owner->things)
    {
        struct bus_thing *thing = list_entry(l, struct bus_thing, link);
        struct bus_sub *s = list_entry(thing, struct bus_sub, thing);
        if (thing->kind == &SUBSCRIPTION && s->conn == conn)
            return s;
    }
    return NULL;
}

/* From the start each time: a socket's goes with its socket, which may be the next thing. */
void bus_sub_end_all(const struct bus_owner *owner, uint16_t conn)
{
    struct bus_sub *s;

    while ((s = sub_of(owner, conn)))
        bus_sub_end(s);
}

void bus_sub_failed(struct bus_sub *s, uint8_t bits)
{
    if (s->bits != bits || s->ending)
        return;
    s->bits = s->confirmed;
    if (s->bits == 0)
        bus_sub_end(s);
}

/* ---- Subscribe ---- */

static void subscribe_done(struct bus_call *call, const struct bl_event *e)
{
    struct gattc_call *g = (struct gattc_call *)call;
    struct bus_sub *s =
        call->owner ? bus_sub_find(call->adapter, call->owner, g->conn, g->handle) : NULL;

    if (s && e->done.status != BL_OK)
        bus_sub_failed(s, g->mode);
    else if (s && s->bits == 0 && !s->ending)
        bus_sub_end(s);
    bus_gattc_call_end(g, e->done.status);
}

static const struct gattc_kind SUBSCRIBE = {
    .call =
        {
            .method = "Subscribe",
            .out = "",
            .size = sizeof(struct gattc_call),
            .done = subscribe_done,
            .drop = bus_gattc_call_drop,
        },
    .what = "subscribing to",
    .done = "WriteDone",
    .done_handle = true,
};

/* The caller has no subscription: what the others want is written all the same, over whatever was
 * written by hand. */
static int unsubscribe_nothing(struct bus_adapter *a, struct gattc_call *g, sd_bus_error *error)
{
    struct gattc_target *t = target_get(a, g->conn, g->handle);

    if (!t)
        return bus_gattc_call_go(g, -ENOMEM, 0, error);
    list_append(t->writing ? &t->now : &t->next, &g->call.waiting);
    if (t->writing)
        return bus_call_go(&g->call, 0);
    int r = target_write(t);
    if (r < 0) {
        list_remove(&g->call.waiting);
        target_settle(t, BL_DISCONNECTED);
    }
    return bus_gattc_call_go(g, r, 0, error);
}

static int subscribe(struct bus_adapter *a, struct bus_owner *owner, struct bus_conn *c,
                     struct gattc_call *g, sd_bus_error *error)
{
    struct bus_sub *s = bus_sub_find(a, owner, g->conn, g->handle);
    uint8_t bits = g->mode;

    if (!s && bits == 0)
        return unsubscribe_nothing(a, g, error);
    if (!s && bus_thing_count(owner, &SUBSCRIPTION) >= GATTC_MAX_SUBS) {
        bus_call_free(&g->call);
        return bus_error_set(error, BUS_NO_RESOURCES, "%s has %d subscriptions already.",
                             owner->who, GATTC_MAX_SUBS);
    }
    if (!s) {
        s = bus_sub_new(a, owner, c, g->handle, bits);
        if (!s)
            return bus_gattc_call_go(g, -ENOMEM, 0, error);
    }
    s->bits = bits;
    int r = bus_sub_write(s, &g->call);
    if (r < 0) {
        bus_sub_failed(s, bits);
        return bus_gattc_call_go(g, r, 0, error);
    }
    return bus_call_go(&g->call, 0);
}

int bus_gattc_method_subscribe(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct bus_owner *owner;
    struct gattc_call *g;
    struct bus_conn *c;
    uint16_t handle;
    uint8_t bits;
    bool wait;
    int r;

    r = bus_gattc_enter(a, m, bus_gattc_method_subscribe, &owner, &c, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read(m, "qy", &handle, &bits);
    if (r >= 0)
        r = bus_gattc_check_handle(handle, error);
    if (r >= 0 && bits > 3)
        r = bus_error_invalid(error,
                              "Bits 0x%02x are unknown: 1 notifications, 2 indications, 3 both, 0 "
                              "none.",
                              bits);
    if (r >= 0)
        r = bus_opts_read_wait(m, &wait, error);
    if (r < 0)
        return r;
    r = bus_gattc_call_new(a, m, &SUBSCRIBE, wait, c->info.conn, handle, &g, error);
    if (r < 0)
        return r;
    g->mode = bits;
    return subscribe(a, owner, c, g, error);
}

/* ---- all targets ---- */

/* settle and conn_gone: what they do may end the target, but no other one. */
static void each_target(struct bus_adapter *a, void (*act)(struct gattc_target *t, const void *arg),
                        const void *arg)
{
    for (size_t i = 0; i < GATTC_BUCKETS; i++)
        list_each(l, next, &bus_gattc_of(a)->targets[i])
            act(list_entry(l, struct gattc_target, link), arg);
}

static void target_retry(struct gattc_target *t, const void *arg)
{
    (void)arg;
    target_settle(t, BL_DISCONNECTED);
}

void bus_gattc_subscribe_retry(struct bus_adapter *a)
{
    bus_gattc_of(a)->unsettled = false;
    each_target(a, target_retry, NULL);
}

struct gattc_range {
    uint16_t conn, start, end;
    bl_status status;
};

static void target_free(struct gattc_target *t)
{
    if (t->writing)
        ((struct cccd_call *)t->writing)->target = NULL;
    list_each(l, next, &t->subs) sub_free(list_entry(l, struct bus_sub, link));
    list_remove(&t->link);
    free(t);
}

static void target_conn_gone(struct gattc_target *t, const void *arg)
{
    const struct gattc_range *range = arg;

    if (t->conn != range->conn)
        return;
    t->settling = true;
    calls_end(&t->now, range->status);
    calls_end(&t->next, range->status);
    target_free(t);
}

void bus_gattc_subscribe_conn_gone(struct bus_adapter *a, uint16_t conn, bl_status status)
{
    struct gattc_range range = {.conn = conn, .status = status};

    bus_gattc_pipe_conn_gone(a, conn);
    each_target(a, target_conn_gone, &range);
}

static void target_deinit(struct gattc_target *t, const void *arg)
{
    (void)arg;
    while (list_pop(&t->now) || list_pop(&t->next)) { /* the adapter frees the calls */
    }
    target_free(t);
}

void bus_gattc_subscribe_deinit(struct bus_adapter *a)
{
    each_target(a, target_deinit, NULL);
}

uint64_t bus_gattc_subscription_count(const struct bus_adapter *a)
{
    uint64_t n = 0;

    for (size_t i = 0; i < GATTC_BUCKETS; i++)
        list_each(l, next, &bus_gattc_of(a)->targets[i])
            list_each(k, after, &list_entry(l, struct gattc_target, link)->subs) n++;
    return n;
}

/* ---- what is notified ---- */

/* To pipes, and to whom the signal goes. */
static bus_mask hand_out(struct gattc_target *t, const uint8_t *value, size_t n)
{
    struct gattc *g = bus_gattc_of(t->adapter);
    bus_mask to = 0;

    /* What a full pipe brings about may not go into the host before the value is out. */
    g->dispatching = true;
    list_each(l, next, &t->subs)
    {
        struct bus_sub *s = list_entry(l, struct bus_sub, link);
        if (s->pipe)
            bus_gattc_pipe_value(s, value, n);
        else if (!s->ending)
            to |= bus_owner_bit(s->thing.owner);
    }
    g->dispatching = false;
    return to;
}

static void emit_value(struct bus_adapter *a, const struct bl_event *e, bus_mask to)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

    if (to == 0 ||
        bus_signal_new(a, NULL, GATTC_INTERFACE,
                       e->kind == BL_EV_GATTC_INDICATED ? "Indicated" : "Notified", &m) < 0)
        return;
    int r = sd_bus_message_append_basic(m, 'q', &e->gatt.conn);
    if (r >= 0)
        r = sd_bus_message_append_basic(m, 'q', &e->gatt.handle);
    if (r >= 0)
        r = sd_bus_message_append_array(m, 'y', e->gatt.value.data, e->gatt.value.len);
    if (r < 0)
        a->bus->signals_failed++;
    else
        bus_signal_send(a, to, &m);
}

void bus_gattc_on_value(struct bus_adapter *a, const struct bl_event *e)
{
    struct gattc *g = bus_gattc_of(a);
    struct gattc_target *t = target_find(a, e->gatt.conn, e->gatt.handle);
    bus_mask to = 0;

    if (t && !list_empty(&t->subs)) {
        to = hand_out(t, e->gatt.value.data, e->gatt.value.len);
    } else {
        const struct bus_conn *c = bus_conn_find(a, e->gatt.conn, NULL);
        to = c ? bus_conn_audience(c) : 0;
    }
    emit_value(a, e, to);
    if (!list_empty(&g->listeners))
        bus_gattc_listen_value(a, e->gatt.conn, e->gatt.handle, e->gatt.value.data,
                               e->gatt.value.len);
    if (g->unsettled)
        bus_gattc_subscribe_retry(a);
}
