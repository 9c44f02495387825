/* SPDX-License-Identifier: MIT */

/*
 * central: org.bled.Central1: connection attempts and whose they are.
 *
 * An attempt is a thing of its owner from Connect to its end. The stack tries one attempt for a
 * peer: that of a second owner waits beside it (attempt 0), for the first one's connection, which
 * is then its own too, or for its own scan duration, whichever comes first; when the first one ends
 * without a connection, the waiting one takes its place. The same is done for a peer whose
 * connection is just ending.
 *
 * An automatic attempt stays when it has connected, and is the daemon's to restore when a lost
 * controller is back.
 */

#include "central.h"

#include "conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CENTRAL_INTERFACE "org.bled.Central1"
#define NO_CONN           0xffff /* the contract's number for "there was none" */

enum { AUTO_RETRY_US = 200000 }; /* for one that the stack has no room for */

struct central {
    struct list attempts;
    struct bus_adapter *adapter;
};

struct attempt {
    struct bus_thing thing;
    struct list link;
    struct bus_adapter *adapter;
    struct bl_connect_params params;
    uint16_t id;           /* the stack's number; 0: waits for another one or for a link's end */
    struct bus_timer wait; /* while it waits: its scan duration */
    struct bus_call *call; /* Connect, while it is to be answered by us (waiting attempts) */
    struct list cancels;   /* CancelConnect calls to be answered at its end */
    bool remembered;       /* to be begun again by restore() */
};

struct connect_call {
    struct bus_call call;
    struct bl_addr peer;
    struct attempt *attempt; /* NULL when it has ended */
};

static struct central *central_of(const struct bus_adapter *a)
{
    return a->module[BUS_MODULE_central];
}

static struct attempt *attempt_by_id(struct bus_adapter *a, uint16_t id)
{
    list_each(l, next, &central_of(a)->attempts)
    {
        struct attempt *t = list_entry(l, struct attempt, link);
        if (t->id == id && id != 0)
            return t;
    }
    return NULL;
}

static struct attempt *attempt_by_peer(struct bus_adapter *a, const struct bus_owner *owner,
                                       const struct bl_addr *peer)
{
    list_each(l, next, &central_of(a)->attempts)
    {
        struct attempt *t = list_entry(l, struct attempt, link);
        if ((!owner || t->thing.owner == owner) && bl_addr_eq(&t->params.peer, peer))
            return t;
    }
    return NULL;
}

struct bus_owner *bus_central_owner(struct bus_adapter *a, uint16_t attempt)
{
    struct attempt *t = attempt_by_id(a, attempt);

    return t ? t->thing.owner : NULL;
}

static void central_disconnected(struct bus_adapter *a, bus_mask to, uint16_t conn,
                                 const struct bl_addr *peer)
{
    char text[ADDR_TEXT_LEN];

    bus_emit(a, to, CENTRAL_INTERFACE, "PeripheralDisconnected", "qys", conn, peer->type,
             bl_addr_format(peer, text));
}

/* ---- an attempt's life ---- */

static void attempt_answer_cancels(struct attempt *t)
{
    struct list *l;

    while ((l = list_pop(&t->cancels))) {
        struct bus_call *c = list_entry(l, struct bus_call, waiting);
        bus_call_reply(c, "");
        bus_call_free(c);
    }
}

static void attempt_free(struct attempt *t)
{
    bus_timer_cancel(t->adapter, &t->wait);
    if (t->call)
        ((struct connect_call *)t->call)->attempt = NULL;
    list_remove(&t->link);
    attempt_answer_cancels(t);
    bus_thing_remove(&t->thing);
    free(t);
}

/* It is over for now; where it is the daemon's, the controller was lost and `keep`, it is begun
 * again by restore(). */
static bool attempt_remember(struct attempt *t, bl_status status, bool keep)
{
    t->remembered = keep && t->params.automatic && status == BL_NOT_ACTIVE &&
                    bus_adapter_keeps(t->adapter, t->thing.owner);
    if (!t->remembered)
        return false;
    t->id = 0;
    bus_timer_cancel(t->adapter, &t->wait);
    attempt_answer_cancels(t);
    return true;
}

/* A wrong type looks like a peer that is away: it is said what was listened for. */
static void connect_fail(struct bus_call *call, bl_status status, const struct bl_addr *peer)
{
    char text[ADDR_TEXT_LEN];

    bl_addr_format(peer, text);
    if (status == BL_TIMEOUT)
        bus_call_fail(call, status,
                      "hearing a connectable advertisement of %s (address type %u, %s)", text,
                      peer->type, peer->type == ADDR_PUBLIC ? "public" : "random");
    else
        bus_call_fail(call, status, "connecting to %s", text);
}

/* A waiting attempt ends otherwise than by its operation. */
static void attempt_end_waiting(struct attempt *t, bl_status status)
{
    struct bus_call *call = t->call;

    central_disconnected(t->adapter, bus_owner_bit(t->thing.owner), NO_CONN, &t->params.peer);
    if (call && call->op == 0) {
        connect_fail(call, status, &t->params.peer);
        t->call = NULL;
        attempt_free(t);
        bus_call_free(call);
        return;
    }
    attempt_free(t);
}

static void attempt_try(struct attempt *t);

/* Its scan duration is over; or, automatic, it could not begin for the moment. */
static void attempt_timeout(struct bus_timer *timer, uint64_t now)
{
    struct attempt *t = list_entry(timer, struct attempt, wait);

    (void)now;
    if (t->params.automatic)
        attempt_try(t);
    else
        attempt_end_waiting(t, BL_TIMEOUT);
}

static void attempt_release(struct bus_thing *thing)
{
    struct attempt *t = list_entry(thing, struct attempt, thing);

    if (t->id == 0) {
        attempt_end_waiting(t, BL_CANCELED);
        return;
    }
    /* Refused: it has ended, with a connection or without, and the event is on its way. */
    (void)bl_connect_cancel(t->adapter->host, bus_now(t->adapter), t->id);
    bus_kick(t->adapter);
}

static const struct bus_thing_kind CENTRAL_ATTEMPT = {
    .holds = "connection attempts",
    .rank = BUS_RANK_ATTEMPT,
    .release = attempt_release,
};

static struct attempt *attempt_new(struct bus_adapter *a, struct bus_owner *owner,
                                   const struct bl_connect_params *params)
{
    struct attempt *t = calloc(1, sizeof(*t));

    if (!t)
        return NULL;
    t->adapter = a;
    t->params = *params;
    t->wait.fire = attempt_timeout;
    list_init(&t->cancels);
    list_append(&central_of(a)->attempts, &t->link);
    bus_thing_add(&t->thing, owner, &CENTRAL_ATTEMPT);
    return t;
}

/* Gives it to the stack, or lets it wait: 0 with *ret_op (0: it waits), or what bl_connect said. */
static int attempt_begin(struct attempt *t, bl_op *ret_op)
{
    struct bus_adapter *a = t->adapter;
    int r = bl_connect(a->host, bus_now(a), &t->params, &t->id, ret_op);

    if (r == -EALREADY) {
        *ret_op = 0;
        if (!t->params.automatic && !t->wait.timer.set)
            bus_timer_set(a, &t->wait, bus_now(a) + (uint64_t)t->params.scan_duration_ms * 1000);
        return 0;
    }
    if (r == 0)
        bus_timer_cancel(a, &t->wait);
    return r;
}

static bl_status attempt_refusal(int r)
{
    return r == -ENETDOWN ? BL_NOT_ACTIVE : r == -EOPNOTSUPP ? BL_NOT_SUPPORTED : BL_NO_RESOURCES;
}

/* Begins one that waits, if what was in its way has gone. */
static void attempt_try(struct attempt *t)
{
    struct bus_adapter *a = t->adapter;
    bl_op op = 0;

    int r = attempt_begin(t, &op);
    if (r == -EBUSY && t->params.automatic) {
        bus_timer_set(a, &t->wait, bus_now(a) + AUTO_RETRY_US);
    } else if (r < 0) {
        bl_status status = attempt_refusal(r);
        if (attempt_remember(t, status, true))
            central_disconnected(a, bus_owner_bit(t->thing.owner), NO_CONN, &t->params.peer);
        else
            attempt_end_waiting(t, status);
    } else {
        if (op != 0 && t->call)
            bus_call_go(t->call, op);
        bus_kick(a);
    }
}

/* An attempt or a link has ended. All are tried, since which peer they name is the stack's to say:
 * those that still have to wait are told so. */
static void central_try_waiting(struct bus_adapter *a)
{
    list_each(l, next, &central_of(a)->attempts)
    {
        struct attempt *t = list_entry(l, struct attempt, link);
        if (t->id == 0 && !t->remembered)
            attempt_try(t);
    }
}

/* ---- Connect ---- */

static void connect_done(struct bus_call *call, const struct bl_event *e)
{
    struct connect_call *c = (struct connect_call *)call;

    if (c->attempt) { /* only an automatic attempt is still there */
        c->attempt->call = NULL;
        c->attempt = NULL;
    }
    if (e->done.status == BL_OK && e->done.conn != 0 &&
        !bus_conn_find(call->adapter, e->done.conn, NULL)) /* no memory for it: it ends */
        connect_fail(call, BL_NO_RESOURCES, &c->peer);
    else if (e->done.status != BL_OK)
        connect_fail(call, e->done.status, &c->peer);
    else
        bus_call_reply(call, "q", e->done.conn);
}

static void connect_cancel(struct bus_call *call)
{
    struct connect_call *c = (struct connect_call *)call;

    /* An unattached caller's attempt is the daemon's and goes on only as long as its call does: its
     * outcome would be nobody's. Automatic ones are meant to outlive the call. */
    if (c->attempt && !c->attempt->params.automatic)
        attempt_release(&c->attempt->thing);
}

static void connect_drop(struct bus_call *call)
{
    struct connect_call *c = (struct connect_call *)call;

    if (c->attempt)
        c->attempt->call = NULL;
}

static const struct bus_call_kind CONNECT = {
    .method = "Connect",
    .out = "q",
    .size = sizeof(struct connect_call),
    .done = connect_done,
    .cancel = connect_cancel,
    .drop = connect_drop,
};

struct connect_opts {
    struct bus_opts head;
    uint32_t scan_duration_ms, min_interval_us, max_interval_us, timeout_ms;
    uint16_t latency;
    uint8_t phys, addr_mode;
    bool automatic;
};

enum { CONNECT_LATENCY = 3 };

static const struct bus_opt CONNECT_OPTS[] = {
    {"scan_duration_ms", "u", offsetof(struct connect_opts, scan_duration_ms), 1, UINT32_MAX, NULL},
    {"min_conn_interval_us", "u", offsetof(struct connect_opts, min_interval_us), 7500, 4000000,
     NULL},
    {"max_conn_interval_us", "u", offsetof(struct connect_opts, max_interval_us), 7500, 4000000,
     NULL},
    {"latency", "q", offsetof(struct connect_opts, latency), 0, 499, NULL},
    {"supervision_timeout_ms", "u", offsetof(struct connect_opts, timeout_ms), 100, 32000, NULL},
    {"phys", "as", offsetof(struct connect_opts, phys), 0, 0, bus_opt_phys},
    {"addr_mode", "y", offsetof(struct connect_opts, addr_mode), 0, 3, NULL},
    {"auto", "b", offsetof(struct connect_opts, automatic), 0, 0, NULL},
};

/* Connected already: the caller becomes a user. 0: there is no such connection. */
static int connect_linked(struct bus_adapter *a, sd_bus_message *m, struct bus_owner *owner,
                          const struct bl_addr *peer, bool wait, sd_bus_error *error)
{
    uint16_t conn = bl_conn_find(a->host, peer);
    struct bus_conn *c = conn ? bus_conn_find(a, conn, NULL) : NULL;
    int r;

    if (!c || c->ending)
        return 0;
    r = bus_conn_use(c, owner);
    if (r < 0)
        return bus_error_errno(error, r, "using connection %u", conn);
    r = sd_bus_reply_method_return(m, "q", wait ? conn : 0);
    return r < 0 ? r : 1;
}

static int connect_begin(struct bus_adapter *a, sd_bus_message *m, struct bus_owner *owner,
                         const struct bl_connect_params *params, bool wait, sd_bus_error *error)
{
    struct bus_call *call = NULL;
    char text[ADDR_TEXT_LEN];
    bl_op op = 0;

    int r = bus_call_new(a, m, &CONNECT, wait, &call, error);
    if (r < 0)
        return r;
    struct attempt *t = attempt_new(a, owner, params);
    r = t ? attempt_begin(t, &op) : -ENOMEM;
    if (r < 0) {
        if (t)
            attempt_free(t);
        bus_call_free(call);
        return bus_error_errno(error, r, "connecting to %s", bl_addr_format(&params->peer, text));
    }
    struct connect_call *c = (struct connect_call *)call;
    c->peer = params->peer;
    c->attempt = t;
    t->call = call;
    if (op == 0 && params->automatic) {
        /* It has started as far as it can: it waits beside another one's attempt, or for the end
         * of the link that there is. */
        uint16_t conn = bl_conn_find(a->host, &params->peer);
        struct bus_conn *linked = conn ? bus_conn_find(a, conn, NULL) : NULL;
        bool uses = linked && !linked->ending && bus_conn_use(linked, owner) == 0;
        bus_call_reply(call, "q", uses ? conn : 0);
        bus_call_free(call);
        return 1;
    }
    return bus_call_go(call, op);
}

static int method_connect(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct connect_opts o = {.scan_duration_ms = 2000, .addr_mode = BL_ADDR_MODE_DEFAULT};
    struct bus_owner *owner;
    const char *text;
    struct bl_addr peer;
    uint8_t type;
    int r;

    r = bus_enter(a, m, method_connect, 0, &owner, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read(m, "ys", &type, &text);
    if (r < 0)
        return r;
    r = bus_read_addr(text, type, &peer, error);
    if (r < 0)
        return r;
    r = bus_opts_read(m, CONNECT_OPTS, ARRAY_LEN(CONNECT_OPTS), &o, error);
    if (r < 0)
        return r;
    if (!o.automatic) {
        r = connect_linked(a, m, owner, &peer, !o.head.no_wait, error);
        if (r != 0)
            return r;
    }
    if (attempt_by_peer(a, owner, &peer))
        return bus_error_set(error, BUS_BUSY, "%s is connecting to %s already.", owner->who, text);

    struct bl_connect_params params = {
        .peer = peer,
        .scan_duration_ms = o.scan_duration_ms,
        .params = {.min_interval_us = o.min_interval_us,
                   .max_interval_us = o.max_interval_us,
                   .latency = o.latency,
                   .has_latency = bus_opts_given(&o.head, CONNECT_LATENCY),
                   .timeout_ms = o.timeout_ms},
        .phys = o.phys,
        .addr_mode = o.addr_mode,
        .automatic = o.automatic,
    };
    r = bus_conn_params_check(&params.params, true, error);
    if (r >= 0)
        r = bus_phys_check(params.phys, error);
    if (r < 0)
        return r;
    return connect_begin(a, m, owner, &params, !o.head.no_wait, error);
}

/* ---- CancelConnect ---- */

static const struct bus_call_kind CANCEL_CONNECT = {
    .method = "CancelConnect",
    .out = "",
    .size = sizeof(struct bus_call),
};

/* Ends the attempts of the owner for this peer, or all (peer NULL); *ret_under_way is one of those
 * that end when the stack says so. How many. */
static unsigned central_cancel(struct bus_adapter *a, const struct bus_owner *owner,
                               const struct bl_addr *peer, struct attempt **ret_under_way)
{
    unsigned n = 0;

    *ret_under_way = NULL;
    list_each(l, next, &central_of(a)->attempts)
    {
        struct attempt *t = list_entry(l, struct attempt, link);
        if (t->thing.owner != owner || (peer && !bl_addr_eq(&t->params.peer, peer)))
            continue;
        n++;
        if (t->remembered) {
            attempt_free(t);
        } else if (t->id == 0) {
            attempt_end_waiting(t, BL_CANCELED);
        } else {
            /* Refused: at its end already. */
            (void)bl_connect_cancel(a->host, bus_now(a), t->id);
            *ret_under_way = t; /* events come in order: the last one's end is the end of all */
        }
    }
    return n;
}

static int method_cancel_connect(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct bus_owner *owner;
    struct attempt *last;
    struct bus_call *call;
    struct bl_addr peer;
    const char *text;
    uint8_t type;
    int r;

    r = bus_enter(a, m, method_cancel_connect, BUS_WHILE_INACTIVE, &owner, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read(m, "ys", &type, &text);
    if (r < 0)
        return r;
    if (*text) {
        r = bus_read_addr(text, type, &peer, error);
        if (r < 0)
            return r;
    }
    r = bus_call_new(a, m, &CANCEL_CONNECT, true, &call, error);
    if (r < 0)
        return r;
    if (central_cancel(a, owner, *text ? &peer : NULL, &last) == 0 && *text) {
        bus_call_free(call);
        return bus_error_set(error, BUS_NOT_FOUND, "%s is not connecting to %s.", owner->who, text);
    }
    if (last) {
        list_append(&last->cancels, &call->waiting);
        bus_kick(a);
        return 1;
    }
    bus_call_reply(call, "");
    bus_call_free(call);
    return 1;
}

/* ---- events ---- */

static bool attempt_waits_for(const struct attempt *t, const struct bl_addr *peer)
{
    return t->id == 0 && !t->remembered && bl_addr_eq(&t->params.peer, peer);
}

void bus_central_on_connected(struct bus_adapter *a, const struct bl_event *e)
{
    struct bus_conn *c = bus_conn_find(a, e->connected.conn, NULL);
    bool central = e->connected.role == BL_ROLE_CENTRAL;
    struct attempt *t = central ? attempt_by_id(a, e->connected.attempt) : NULL;
    struct bl_addr wanted = t ? t->params.peer : e->connected.peer;
    char text[ADDR_TEXT_LEN];

    if (c) {
        list_each(l, next, &central_of(a)->attempts)
        { /* users first, so that all hear of it */
            struct attempt *other = list_entry(l, struct attempt, link);
            if (attempt_waits_for(other, &wanted) && !c->ending)
                (void)bus_conn_use(c, other->thing.owner);
        }
        if (central)
            bus_emit(a, bus_conn_audience(c), CENTRAL_INTERFACE, "PeripheralConnected", "qys",
                     c->info.conn, c->peer.type, bl_addr_format(&c->peer, text));
    }
    if (t && t->params.automatic)
        return;
    if (t)
        attempt_free(t); /* its call is answered when its operation ends, next */
}

/* Everybody who waited for this peer has it now, whoever of the two connected. */
void bus_central_on_shared(struct bus_adapter *a, const struct bl_event *e)
{
    struct bus_conn *c = bus_conn_find(a, e->connected.conn, NULL);

    if (!c || c->ending)
        return;
    list_each(l, next, &central_of(a)->attempts)
    {
        struct attempt *t = list_entry(l, struct attempt, link);
        struct bus_call *call = t->call;
        if (t->id != 0 || t->remembered || t->params.automatic ||
            bl_conn_find(a->host, &t->params.peer) != c->info.conn)
            continue;
        (void)bus_conn_use(c, t->thing.owner);
        t->call = NULL;
        if (call)
            ((struct connect_call *)call)->attempt = NULL;
        attempt_free(t);
        if (call) {
            bus_call_reply(call, "q", c->info.conn);
            bus_call_free(call);
        }
    }
}

void bus_central_on_attempt_ended(struct bus_adapter *a, const struct bl_event *e)
{
    struct attempt *t = attempt_by_id(a, e->attempt_ended.attempt);

    if (!t)
        return;

    /* An automatic attempt may end while its connection goes on: nothing was disconnected then. */
    if (!t->params.automatic || bl_conn_find(a->host, &t->params.peer) == 0)
        central_disconnected(a, bus_owner_bit(t->thing.owner), NO_CONN, &t->params.peer);
    if (attempt_remember(t, e->attempt_ended.status, true))
        return;
    attempt_free(t);
    central_try_waiting(a);
}

void bus_central_on_disconnected(struct bus_adapter *a, const struct bl_event *e)
{
    struct bus_conn *c = bus_conn_find(a, e->disconnected.conn, NULL);

    if (c && e->disconnected.role == BL_ROLE_CENTRAL)
        central_disconnected(a, bus_conn_audience(c), c->info.conn, &c->peer);
}

void bus_central_on_gone(struct bus_adapter *a, const struct bl_event *e)
{
    (void)e;
    central_try_waiting(a);
}

/* ---- the module ---- */

static int central_init(struct bus_adapter *a)
{
    struct central *c = calloc(1, sizeof(*c));

    if (!c)
        return -ENOMEM;
    list_init(&c->attempts);
    c->adapter = a;
    a->module[BUS_MODULE_central] = c;
    return 0;
}

static void central_deinit(struct bus_adapter *a)
{
    struct central *c = central_of(a);

    if (!c)
        return;
    list_each(l, next, &c->attempts) attempt_free(list_entry(l, struct attempt, link));
    free(c);
    a->module[BUS_MODULE_central] = NULL;
}

static void central_inactive(struct bus_adapter *a, bool keep)
{
    list_each(l, next, &central_of(a)->attempts)
    {
        struct attempt *t = list_entry(l, struct attempt, link);
        if (t->remembered && keep)
            continue;
        if (t->remembered)
            attempt_free(t);
        else if (attempt_remember(t, BL_NOT_ACTIVE, keep))
            central_disconnected(a, bus_owner_bit(t->thing.owner), NO_CONN, &t->params.peer);
        else
            attempt_end_waiting(t, BL_NOT_ACTIVE);
    }
}

static void central_restore(struct bus_adapter *a)
{
    list_each(l, next, &central_of(a)->attempts)
    {
        struct attempt *t = list_entry(l, struct attempt, link);
        bl_op op;
        if (!t->remembered)
            continue;
        t->remembered = false;
        int r = attempt_begin(t, &op);
        if (r < 0) {
            bus_log(a->bus, BL_LOG_WARNING, "%s: an automatic connection could not be restored: %s",
                    a->name, strerror(-r));
            attempt_free(t);
        }
    }
    bus_kick(a);
}

static const sd_bus_vtable central_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_ARGS("Connect", SD_BUS_ARGS("y", addr_type, "s", addr, "a{sv}", options),
                            SD_BUS_RESULT("q", conn), method_connect, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("CancelConnect", SD_BUS_ARGS("y", addr_type, "s", addr),
                            SD_BUS_NO_RESULT, method_cancel_connect, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_SIGNAL_WITH_ARGS("PeripheralConnected",
                            SD_BUS_ARGS("q", conn, "y", addr_type, "s", addr), 0),
    SD_BUS_SIGNAL_WITH_ARGS("PeripheralDisconnected",
                            SD_BUS_ARGS("q", conn, "y", addr_type, "s", addr), 0),
    SD_BUS_VTABLE_END,
};

const struct bus_module bus_module_central = {
    .interface = CENTRAL_INTERFACE,
    .vtable = central_vtable,
    .init = central_init,
    .deinit = central_deinit,
    .inactive = central_inactive,
    .restore = central_restore,
};
