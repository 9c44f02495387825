/* SPDX-License-Identifier: MIT */

/*
 * gattc_listen: org.bled.GattClient1.ListenFor: the next values of a handle, for scripts.
 *
 * A listener takes what arrives, whoever subscribed, until it has its count, its time is over or
 * the connection ends; then it has what came, and an error only where nothing did. What listeners
 * of one connection hold is bounded by the property RxBuf: one that would hold more is answered
 * sooner, with the values so far.
 */

#include "gattc_call.h"

#include <errno.h>

enum {
    LISTEN_COUNT_MAX = 1024,
    LISTEN_TIMEOUT_MS = 30000, /* unless said otherwise */
};

struct listen_call {
    struct gattc_call g;
    struct list link; /* gattc.listeners */
    struct bus_timer timer;
    uint32_t left, got;
    size_t octets;
};

struct listen_opts {
    struct bus_opts head;
    uint32_t timeout_ms;
};

static const struct bus_opt LISTEN_OPTS[] = {
    {"timeout_ms", "u", offsetof(struct listen_opts, timeout_ms), 0, 0, NULL},
};

static void listen_end(struct listen_call *l, bl_status status)
{
    bus_gattc_call_end(&l->g, l->got > 0 ? (bl_status)BL_OK : status);
    bus_call_free(&l->g.call);
}

/* The caller has gone: from the loop, because a call is not freed while it is cancelled. */
static void listen_cancel(struct bus_call *call)
{
    struct listen_call *l = (struct listen_call *)call;

    list_remove(&l->link);
    bus_timer_set(call->adapter, &l->timer, 0);
}

static void listen_drop(struct bus_call *call)
{
    struct listen_call *l = (struct listen_call *)call;

    list_remove(&l->link);
    bus_timer_cancel(call->adapter, &l->timer);
    bus_gattc_call_drop(call);
}

static int append_value(sd_bus_message *m, const struct bl_event *e)
{
    return sd_bus_message_append_array(m, 'y', e->gatt.value.data, e->gatt.value.len);
}

static const struct gattc_kind LISTEN_FOR = {
    .call =
        {
            .method = "ListenFor",
            .out = "aay",
            .size = sizeof(struct listen_call),
            .cancel = listen_cancel,
            .drop = listen_drop,
        },
    .what = "listening for values of",
    .element = "ay",
    .append = append_value,
};

static void listen_over(struct bus_timer *t, uint64_t now)
{
    (void)now;
    listen_end(list_entry(t, struct listen_call, timer), BL_TIMEOUT);
}

static size_t octets_of(const struct gattc *t, uint16_t conn)
{
    size_t n = 0;

    list_each(l, next, &t->listeners)
    {
        const struct listen_call *c = list_entry(l, struct listen_call, link);
        n += c->g.conn == conn ? c->octets : 0;
    }
    return n;
}

/* How many octets more, or less, are held now; last: it gets no more than this. */
static ptrdiff_t listen_take(struct listen_call *l, const uint8_t *value, size_t n, bool last)
{
    ptrdiff_t before = (ptrdiff_t)l->octets;

    l->g.failed = sd_bus_message_append_array(l->g.reply, 'y', value, n);
    l->octets += n;
    l->got++;
    if (--l->left > 0 && !last && l->g.failed >= 0)
        return (ptrdiff_t)n;
    listen_end(l, BL_OK);
    return -before;
}

void bus_gattc_listen_value(struct bus_adapter *a, uint16_t conn, uint16_t handle,
                            const uint8_t *value, size_t n)
{
    struct gattc *t = bus_gattc_of(a);
    ptrdiff_t held = (ptrdiff_t)octets_of(t, conn), most = (ptrdiff_t)a->config.rx_buf;

    list_each(p, next, &t->listeners)
    {
        struct listen_call *l = list_entry(p, struct listen_call, link);
        /* The value that is one too many is still given out: none is left out of the middle. */
        if (l->g.handle == handle && l->g.conn == conn)
            held += listen_take(l, value, n, held + (ptrdiff_t)n > most);
    }
}

void bus_gattc_listen_conn_gone(struct bus_adapter *a, uint16_t conn, bl_status status)
{
    list_each(p, next, &bus_gattc_of(a)->listeners)
    {
        struct listen_call *l = list_entry(p, struct listen_call, link);
        if (l->g.conn == conn)
            listen_end(l, status);
    }
}

void bus_gattc_listen_deinit(struct bus_adapter *a)
{
    while (list_pop(&bus_gattc_of(a)->listeners)) { /* the adapter frees the calls */
    }
}

int bus_gattc_method_listen_for(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_adapter *a = userdata;
    struct listen_opts o = {.timeout_ms = LISTEN_TIMEOUT_MS};
    struct gattc_call *g;
    struct bus_conn *c;
    uint16_t handle;
    uint32_t count;
    int r;

    r = bus_gattc_enter(a, m, bus_gattc_method_listen_for, NULL, &c, error);
    if (r != 0)
        return r;
    r = sd_bus_message_read(m, "qu", &handle, &count);
    if (r >= 0)
        r = bus_gattc_check_handle(handle, error);
    if (r >= 0 && (count == 0 || count > LISTEN_COUNT_MAX))
        r = bus_error_invalid(error, "A count of %u values is not from 1 to %d.", count,
                              LISTEN_COUNT_MAX);
    if (r >= 0)
        r = bus_opts_read(m, LISTEN_OPTS, ARRAY_LEN(LISTEN_OPTS), &o, error);
    if (r < 0)
        return r;
    r = bus_gattc_call_new(a, m, &LISTEN_FOR, !o.head.no_wait, c->info.conn, handle, &g, error);
    if (r < 0)
        return r;
    struct listen_call *l = (struct listen_call *)g;
    list_init(&l->link);
    bus_call_go(&g->call, 0);
    if (g->call.quiet) { /* the values are signals */
        bus_call_free(&g->call);
        return 1;
    }
    l->left = count;
    l->timer.fire = listen_over;
    list_append(&bus_gattc_of(a)->listeners, &l->link);
    if (o.timeout_ms > 0)
        bus_timer_set(a, &l->timer, bus_now(a) + o.timeout_ms * (uint64_t)1000);
    return 1;
}
